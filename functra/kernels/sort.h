// The order of elements along a dimension.
#pragma once
#include <cstdint>

#include "functra/base/dtype.h"
#include "functra/base/shape.h"

namespace functra::kernels {

// For each line along dim the positions of its elements in ascending (descending) order, stable both ways: equal elements keep their
// order, -0 equals 0, and NaN comes last in ascending and first in descending order, as in torch. out is contiguous of x's shape.
// Any type but complex ones (DTypeError).
void argsort(DType d, const void* x, const Shape& shape, const Shape& strides, int dim, bool descending, std::int64_t* out);
// The first k of these positions; out is contiguous of x's shape with extent k along dim.
void top_k(DType d, const void* x, const Shape& shape, const Shape& strides, int dim, std::int64_t k, bool descending, std::int64_t* out);

// out[..., i, ...] = x[..., order[..., i, ...], ...] along dim: applies what argsort gave to any operand of that shape, of any element
// size. order and out are contiguous of `shape`, which may be shorter than x along dim; strides are those of x.
void take_along(const void* x, const Shape& shape, const Shape& strides, int dim, const std::int64_t* order, std::size_t elem_size, void* out);

// out[..., j] = how many elements of the ascending line sorted[..., :] come before values[..., j]: those less than it, or not greater
// (right). The order is argsort's. All dimensions but the last have equal extents; out is contiguous of the values' shape.
void search_sorted(DType d, const void* sorted, const Shape& sorted_shape, const Shape& sorted_strides, const void* values, const Shape& shape,
                   const Shape& strides, bool right, std::int64_t* out);

}  // namespace functra::kernels
