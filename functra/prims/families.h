// The families and their tables. A family exports what it defines; the registry lists the families.
#pragma once
#include "functra/core/primitive.h"

namespace functra::prims {

using Table = std::span<const core::Primitive* const>;
Table arith_table(), exp_table(), trig_table(), special_table(), round_table(), compare_table(), bitwise_table(), select_table(), cast_table(), shape_table(), reduce_table(), extremes_table(), cumulative_table(), contract_table(), control_table(), index_table();
Table random_table();

}  // namespace functra::prims
