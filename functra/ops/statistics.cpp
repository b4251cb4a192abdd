// Variance, norms, and what is normalised by sums of exponentials.
#include <algorithm>
#include <cmath>

#include "functra/ops/reduce.h"
#include "functra/ops/reduction.h"
#include "functra/prims/cast.h"
#include "functra/prims/math.h"

namespace functra {
namespace {

using core::Site;
using prims::like;
using namespace ops;

// sqrt whose derivative at 0 is 0.
Tensor root(const Tensor& x) {
  Tensor zero = prims::eq(x, like(0, x));
  return core::select(zero, like(0, x), prims::sqrt(core::select(zero, like(1, x), x)));
}
// The largest element along dims where it is finite, else 0; no derivative flows through it.
Tensor shift_of(const Tensor& x, const Shape& dims) {
  Tensor m = prims::stop_gradient(prims::reduce_max(x, dims));
  return core::select(prims::eq(core::sub(m, m), like(0, m)), m, like(0, m));
}
Tensor variance(const Tensor& x, const Shape& dims, double correction) {
  Tensor d = core::sub(x, spread(mean_over(x, dims), x, dims));
  return prims::div(core::sum(prims::mul(d, d), dims), like(std::max(0.0, static_cast<double>(count_over(x, dims)) - correction), x));
}
Tensor as(const Tensor& x, OptDType dtype, const char* who) {
  Tensor v = operand(x, who);
  return ops::to_floating(dtype ? core::convert(v, *dtype) : v);
}

}  // namespace

Tensor var(const Tensor& x, DimsOrAll dim, double correction, bool keepdim) {
  Site site(FUNCTRA_SITE);
  Tensor v = operand(x, "var");
  need_floating(v, "var");
  return reduction(v, dim, keepdim, "var", [&](const Tensor& t, const Shape& d) { return variance(t, d, correction); });
}
Tensor std(const Tensor& x, DimsOrAll dim, double correction, bool keepdim) {
  Site site(FUNCTRA_SITE);
  Tensor v = operand(x, "std");
  need_floating(v, "std");
  return reduction(v, dim, keepdim, "std", [&](const Tensor& t, const Shape& d) { return root(variance(t, d, correction)); });
}
std::pair<Tensor, Tensor> var_mean(const Tensor& x, DimsOrAll dim, double correction, bool keepdim) {
  Site site(FUNCTRA_SITE);
  return {var(x, dim, correction, keepdim), mean(x, dim, keepdim)};
}
std::pair<Tensor, Tensor> std_mean(const Tensor& x, DimsOrAll dim, double correction, bool keepdim) {
  Site site(FUNCTRA_SITE);
  return {std(x, dim, correction, keepdim), mean(x, dim, keepdim)};
}
std::pair<Tensor, Tensor> aminmax(const Tensor& x, DimsOrAll dim, bool keepdim) {
  Site site(FUNCTRA_SITE);
  return {amin(x, dim, keepdim), amax(x, dim, keepdim)};
}
Tensor count_nonzero(const Tensor& x, DimsOrAll dim) {
  Site site(FUNCTRA_SITE);
  return sum(core::convert(operand(x, "count_nonzero"), DType::bool_), dim);
}
Tensor nansum(const Tensor& x, DimsOrAll dim, bool keepdim, OptDType dtype) {
  Site site(FUNCTRA_SITE);
  Tensor v = operand(x, "nansum");
  return sum(core::select(prims::ne(v, v), like(0, v), v), dim, keepdim, dtype);
}
Tensor nanmean(const Tensor& x, DimsOrAll dim, bool keepdim, OptDType dtype) {
  Site site(FUNCTRA_SITE);
  Tensor v = operand(x, "nanmean");
  need_floating(v, "nanmean");
  Tensor total = nansum(v, dim, keepdim, dtype);
  return total / sum(core::convert(prims::eq(v, v), total.dtype()), dim, keepdim);
}
Tensor norm(const Tensor& x, double p, DimsOrAll dim, bool keepdim) {
  Site site(FUNCTRA_SITE);
  Tensor v = operand(x, "norm");
  need_floating(v, "norm");
  return reduction(v, dim, keepdim, "norm", [&](const Tensor& t, const Shape& d) {
    if (p == 2) return root(core::sum(prims::mul(t, t), d));
    if (p == 0) return core::sum(core::convert(core::convert(t, DType::bool_), t.dtype()), d);
    Tensor a = prims::abs(t);
    if (p == 1) return core::sum(a, d);
    if (std::isinf(p)) {
      need_elements(a, d, "norm");
      return p > 0 ? prims::reduce_max(a, d) : prims::reduce_min(a, d);
    }
    Tensor s = core::sum(prims::pow(a, like(p, a)), d), zero = prims::eq(s, like(0, s));
    return core::select(zero, s, prims::pow(core::select(zero, like(1, s), s), like(1 / p, s)));
  });
}

Tensor logsumexp(const Tensor& x, DimsOrAll dim, bool keepdim) {
  Site site(FUNCTRA_SITE);
  return reduction(ops::to_floating(operand(x, "logsumexp")), dim, keepdim, "logsumexp", [](const Tensor& t, const Shape& d) {
    Tensor m = shift_of(t, d);
    return core::add(prims::log(core::sum(prims::exp(core::sub(t, spread(m, t, d))), d)), m);
  });
}
Tensor softmax(const Tensor& x, std::int64_t dim, OptDType dtype) {
  Site site(FUNCTRA_SITE);
  Tensor v = as(x, dtype, "softmax");
  Shape d = reduced_dims(v, Shape{dim}, "softmax");
  Tensor e = prims::exp(core::sub(v, spread(shift_of(v, d), v, d)));
  return prims::div(e, spread(core::sum(e, d), v, d));
}
Tensor log_softmax(const Tensor& x, std::int64_t dim, OptDType dtype) {
  Site site(FUNCTRA_SITE);
  Tensor v = as(x, dtype, "log_softmax");
  Shape d = reduced_dims(v, Shape{dim}, "log_softmax");
  Tensor c = core::sub(v, spread(shift_of(v, d), v, d));
  return core::sub(c, spread(prims::log(core::sum(prims::exp(c), d)), v, d));
}

}  // namespace functra
