// Reductions, scans and positions of extremes over strided arrays. Results do not depend on the number of threads.
#pragma once
#include <cstdint>

#include "functra/base/dtype.h"
#include "functra/base/shape.h"

namespace functra::kernels {

enum class Reduce { sum, prod, max, min, and_, or_ };

// The value that leaves others unchanged, written to *out as d: 0, 1, the lowest or highest value (infinities where there are any),
// all bits, no bits.
void reduce_identity(Reduce op, DType d, void* out);

// Over dimensions `dims` (distinct, any order) of x; out is contiguous over the kept dimensions in their order and of the same dtype.
// Nothing to reduce gives the identity. Sums of floats are pairwise in blocks; integers wrap; NaN wins in max and min; 16-bit floats
// accumulate in f32; and_ / or_ are logical for bool and bitwise for integers, sum / prod of bool are or / and. DTypeError where the
// order or the bits of a type are asked for and it has none.
void reduce(Reduce op, DType d, const void* x, const Shape& shape, const Shape& strides, const Shape& dims, void* out);

// Index of the largest (smallest) element along dim, which must not be empty: the first of equal ones, and the first NaN if there is
// one. out is contiguous over the kept dimensions.
void arg_reduce(bool max, DType d, const void* x, const Shape& shape, const Shape& strides, int dim, std::int64_t* out);

// out[i] = op of x[0..i] along dim (x[i..n-1] if reverse), op one of sum, prod, max, min; out is contiguous of x's shape. Sums and
// products of f32 along a contiguous dim carry f64.
void cumulative(Reduce op, bool reverse, DType d, const void* x, const Shape& shape, const Shape& strides, int dim, void* out);

}  // namespace functra::kernels
