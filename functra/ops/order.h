// Positions in sorted lines, quantiles, sets of values. Names and results are torch's, but that sizes are static. Everywhere NaN counts
// as the largest value; sort, argsort, topk and median with positions are in index.h.
#pragma once
#include <utility>

#include "functra/tensor/tensor.h"

namespace functra {

// Per value the number (i64) of elements of `sorted` that are less, or not greater (right). sorted [n] with values of any shape, or
// [B..., n] with values [B..., m]. ShapeError otherwise.
Tensor searchsorted(const Tensor& sorted, const Tensor& values, bool right = false);
Tensor bucketize(const Tensor& x, const Tensor& boundaries, bool right = false);  // the same by another order of operands
// bool, of x's shape: is the element among those of `values`?
Tensor isin(const Tensor& x, const Tensor& values);
// The k-th smallest element (from 1) along dim, with its position.
std::pair<Tensor, Tensor> kthvalue(const Tensor& x, std::int64_t k, std::int64_t dim = -1, bool keepdim = false);

// The value at fraction q of the sorted elements along dim (none: of all), between neighbours as told. q is 0-d, or [m], whose results
// stand in front. NaN where a line holds one; nanquantile leaves them out. Differentiable in x and q. ValueError for a known q outside
// [0, 1] and for empty lines.
enum class Interpolation { linear, lower, higher, midpoint, nearest };
Tensor quantile(const Tensor& x, const Tensor& q, std::optional<std::int64_t> dim = {}, bool keepdim = false,
                Interpolation interpolation = Interpolation::linear);
Tensor nanquantile(const Tensor& x, const Tensor& q, std::optional<std::int64_t> dim = {}, bool keepdim = false,
                   Interpolation interpolation = Interpolation::linear);
Tensor median(const Tensor& x);     // of all elements, the lower one of two; NaN if there is one
Tensor nanmedian(const Tensor& x);  // the same without NaN

// The distinct elements of x in ascending order, cut or filled up to `size`: values [size]; inverse (i64, of x's shape), where each
// element stands among them (it may lie beyond size); counts (i64 [size]), how often each occurs. Filled up with `fill`, else the
// smallest element, counted 0 times. As jax.numpy.unique with a size.
struct Unique {
  Tensor values, inverse, counts;
};
Unique unique(const Tensor& x, std::int64_t size, const std::optional<Tensor>& fill = {});

}  // namespace functra
