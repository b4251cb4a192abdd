// Reductions over dimensions, and cumulative operations.
#pragma once
#include "functra/prims/build.h"

namespace functra::prims {

struct DimsParams { Shape dims; };  // distinct, increasing

// Shape of a reduction: the operand's without `dims`.
void shape_reduction(const Call&, std::span<const Aval> in, std::span<Aval> out);
// dims of the mapped operand when its mapped dimension is `at`.
Shape shifted(const Shape& dims, int at);

}  // namespace functra::prims
