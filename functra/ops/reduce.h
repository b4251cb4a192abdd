// Reductions, positions of extremes, cumulative operations and what is normalised by them. Names and results are torch's.
//
// `dim` is one dimension, a list of them, or nothing for all; negative ones count from the end. keepdim leaves extents of 1. Sums and
// products of bools and integers are i64. IndexError for a dimension out of range, ValueError for one given twice.
#pragma once
#include <utility>

#include "functra/tensor/tensor.h"

namespace functra {

Tensor sum(const Tensor& x, DimsOrAll dim = {}, bool keepdim = false, OptDType dtype = {});
// DTypeError for integers and bools, unless dtype is given. Of nothing: NaN.
Tensor mean(const Tensor& x, DimsOrAll dim = {}, bool keepdim = false, OptDType dtype = {});
// The derivative is right at zeros, at every order.
Tensor prod(const Tensor& x, DimsOrAll dim = {}, bool keepdim = false, OptDType dtype = {});
// Extremes; NaN wins. Equal ones share the derivative evenly. ValueError for an empty reduction.
Tensor amax(const Tensor& x, DimsOrAll dim = {}, bool keepdim = false);
Tensor amin(const Tensor& x, DimsOrAll dim = {}, bool keepdim = false);
std::pair<Tensor, Tensor> aminmax(const Tensor& x, DimsOrAll dim = {}, bool keepdim = false);
// The same as sum and mean with NaN left out; nanmean of NaN alone is NaN.
Tensor nansum(const Tensor& x, DimsOrAll dim = {}, bool keepdim = false, OptDType dtype = {});
Tensor nanmean(const Tensor& x, DimsOrAll dim = {}, bool keepdim = false, OptDType dtype = {});
Tensor count_nonzero(const Tensor& x, DimsOrAll dim = {});  // i64
// The first position (i64) of the extreme along dim, or in the flattened tensor. ShapeError for an empty dimension.
Tensor argmax(const Tensor& x, std::optional<std::int64_t> dim = {}, bool keepdim = false);
Tensor argmin(const Tensor& x, std::optional<std::int64_t> dim = {}, bool keepdim = false);
// bool: are all (is any) different from zero.
Tensor all(const Tensor& x, DimsOrAll dim = {}, bool keepdim = false);
Tensor any(const Tensor& x, DimsOrAll dim = {}, bool keepdim = false);

// The mean squared distance from the mean, of n - correction; std: its root, whose derivative is taken as 0 where it is 0.
Tensor var(const Tensor& x, DimsOrAll dim = {}, double correction = 1, bool keepdim = false);
Tensor std(const Tensor& x, DimsOrAll dim = {}, double correction = 1, bool keepdim = false);
std::pair<Tensor, Tensor> var_mean(const Tensor& x, DimsOrAll dim = {}, double correction = 1, bool keepdim = false);
std::pair<Tensor, Tensor> std_mean(const Tensor& x, DimsOrAll dim = {}, double correction = 1, bool keepdim = false);
// (sum |x|^p)^(1/p); p = infinity: the largest |x|, -infinity: the smallest, 0: how many are not zero. The derivative of a norm that
// is 0 is taken as 0.
Tensor norm(const Tensor& x, double p = 2, DimsOrAll dim = {}, bool keepdim = false);

// log sum exp, softmax and its logarithm, without overflow.
Tensor logsumexp(const Tensor& x, DimsOrAll dim = {}, bool keepdim = false);
Tensor softmax(const Tensor& x, std::int64_t dim = -1, OptDType dtype = {});
Tensor log_softmax(const Tensor& x, std::int64_t dim = -1, OptDType dtype = {});

Tensor cumsum(const Tensor& x, std::int64_t dim, OptDType dtype = {});
Tensor cumprod(const Tensor& x, std::int64_t dim, OptDType dtype = {});
// The largest (smallest) so far and where it stands, the last of equal ones, to which the derivative goes; NaN from the first one on.
std::pair<Tensor, Tensor> cummax(const Tensor& x, std::int64_t dim);
std::pair<Tensor, Tensor> cummin(const Tensor& x, std::int64_t dim);
Tensor logcumsumexp(const Tensor& x, std::int64_t dim);  // log of the running sum of exponentials, without overflow
// Differences of neighbours along dim, n times; of bools: are they unlike.
Tensor diff(const Tensor& x, std::int64_t n = 1, std::int64_t dim = -1);
// The integral of y along dim by trapezoids, or up to each element from the second on. x: coordinates (1-d, or of y's rank), or the
// distance of neighbours (0-d).
Tensor trapezoid(const Tensor& y, const Tensor& x = 1.0, std::int64_t dim = -1);
Tensor cumulative_trapezoid(const Tensor& y, const Tensor& x = 1.0, std::int64_t dim = -1);

}  // namespace functra
