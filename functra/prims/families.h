// The families and their tables. A family exports what it defines; the registry lists the families.
#pragma once
#include "functra/core/primitive.h"

namespace functra::prims {

using Table = std::span<const core::Primitive* const>;
Table arith_table();
Table bitwise_table();
Table call_table();
Table cast_table();
Table checkpoint_table();
Table compare_table();
Table cond_table();
Table contract_table();
Table conv_table();
Table cumulative_table();
Table custom_table();
Table determinant_table();
Table exp_table();
Table extremes_table();
Table gather_table();
Table host_table();
Table implicit_table();
Table index_table();
Table linalg_table();
Table logs_table();
Table random_table();
Table reduce_table();
Table round_table();
Table scan_table();
Table scatter_table();
Table select_table();
Table shape_table();
Table sort_table();
Table special_table();
Table sweep_table();
Table trig_table();
Table while_table();
Table window_table();

}  // namespace functra::prims
