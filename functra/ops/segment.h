// Reductions of groups of slices, by JAX's names: data [n, ...], ids (integers) [n] -> [segments, ...], where slice i of the data goes to
// segment ids[i]. The ids need no order; slices whose id lies outside [0, segments) are left out. ShapeError where extents do not fit.
#pragma once
#include "functra/tensor/tensor.h"

namespace functra {

Tensor segment_sum(const Tensor& data, const Tensor& ids, std::int64_t segments);
// 1 where a segment is empty. The derivative is right at zeros, at every order.
Tensor segment_prod(const Tensor& data, const Tensor& ids, std::int64_t segments);
// The lowest (highest) value of the dtype where a segment is empty; NaN wins. Equal ones share the derivative evenly.
Tensor segment_max(const Tensor& data, const Tensor& ids, std::int64_t segments);
Tensor segment_min(const Tensor& data, const Tensor& ids, std::int64_t segments);

// How often each number of [0, length) occurs in x (integers of any shape): i64 [length], or the sums of their weights (of x's shape).
// Other numbers are left out. torch's minlength with a static result.
Tensor bincount(const Tensor& x, std::int64_t length, const Tensor& weights = {});
// How many elements of x lie in each of `bins` equal intervals of [min, max], the last one closed: [bins], in x's dtype. With
// min = max = 0 the interval is that of x. Elements outside and NaN are left out. Derivative 0.
Tensor histc(const Tensor& x, std::int64_t bins = 100, double min = 0, double max = 0);
// How many elements lie between neighbours of `edges` (ascending, [bins + 1]), the last interval closed: i64 [bins].
Tensor histogram(const Tensor& x, const Tensor& edges);

}  // namespace functra
