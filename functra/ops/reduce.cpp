#include "functra/ops/reduce.h"

#include <algorithm>

#include "functra/ops/reduction.h"
#include "functra/prims/math.h"
#include "functra/prims/shape.h"

namespace functra::ops {

Shape reduced_dims(const Tensor& x, const DimsOrAll& dim, const char* who) {
  int rank = static_cast<int>(x.dim());
  Shape d = wrap_dims(dim && dim->empty() ? DimsOrAll() : dim, std::max(rank, rank == 0 && dim ? 1 : 0), who);
  if (rank == 0) return {};
  std::sort(d.begin(), d.end());
  return d;
}
int one_dim(const Tensor& x, std::int64_t dim, const char* who) { return wrap_dim(dim, std::max(1, static_cast<int>(x.dim())), who); }
Tensor keep_dims(const Tensor& y, const Shape& operand, const Shape& dims) {
  Shape s = operand;
  for (std::int64_t d : dims) s[static_cast<std::size_t>(d)] = 1;
  return prims::reshape(y, s);
}
Tensor operand(const Tensor& x, const char* who) {
  if (!x.defined()) throw ValueError(std::string(who) + ": the operand is an undefined Tensor (default constructed)");
  return firm(x);
}
std::int64_t count_over(const Tensor& x, const Shape& dims) { return x.sizes().pick(dims).numel(); }
Tensor spread(const Tensor& y, const Tensor& x, const Shape& dims) { return dims.empty() ? y : prims::unreduce(y, x.sizes(), dims); }
void need_elements(const Tensor& x, const Shape& dims, const char* who) {
  for (std::int64_t d : dims)
    if (x.size(d) == 0)
      throw ValueError(std::string(who) + ": dimension " + std::to_string(d) + " of shape " + x.sizes().str() + " is empty and has no extreme");
}
void need_floating(const Tensor& x, const char* who) {
  if (!is_differentiable(x.raw_dtype()))
    throw DTypeError(std::string(who) + ": not defined for dtype " + std::string(name_of(x.raw_dtype())) + "; convert with to(f32) or to(f64)");
}
Tensor mean_over(const Tensor& x, const Shape& dims) {
  return dims.empty() ? x : prims::div(core::sum(x, dims), prims::like(static_cast<double>(count_over(x, dims)), x));
}

}  // namespace functra::ops

namespace functra {
namespace {

using core::Site;
using namespace ops;

Tensor as(const Tensor& x, OptDType dtype) { return dtype ? core::convert(x, *dtype) : x; }
Tensor widened(const Tensor& x, OptDType dtype) {
  if (dtype) return core::convert(x, *dtype);
  return is_bool(x.raw_dtype()) || is_integer(x.raw_dtype()) ? core::convert(x, DType::i64) : x;
}
Tensor arg(const Tensor& x, std::optional<std::int64_t> dim, bool keepdim, bool max, const char* who) {
  Tensor v = operand(x, who);
  Shape s = v.sizes();
  auto f = [&](const Tensor& t, int d) { return max ? prims::argmax(t, d) : prims::argmin(t, d); };
  if (!dim || s.empty()) {
    if (dim) one_dim(v, *dim, who);
    Tensor y = f(prims::reshape(v, {s.numel()}), 0);
    return keepdim ? prims::reshape(y, Shape::filled(s.size(), 1)) : y;
  }
  int d = one_dim(v, *dim, who);
  Tensor y = f(v, d);
  return keepdim ? keep_dims(y, s, {d}) : y;
}

}  // namespace

Tensor sum(const Tensor& x, DimsOrAll dim, bool keepdim, OptDType dtype) {
  Site site(FUNCTRA_SITE);
  return reduction(widened(operand(x, "sum"), dtype), dim, keepdim, "sum", core::sum);
}
Tensor mean(const Tensor& x, DimsOrAll dim, bool keepdim, OptDType dtype) {
  Site site(FUNCTRA_SITE);
  Tensor v = as(operand(x, "mean"), dtype);
  need_floating(v, "mean");
  return reduction(v, dim, keepdim, "mean", mean_over);
}
Tensor prod(const Tensor& x, DimsOrAll dim, bool keepdim, OptDType dtype) {
  Site site(FUNCTRA_SITE);
  return reduction(widened(operand(x, "prod"), dtype), dim, keepdim, "prod", prims::reduce_prod);
}
Tensor amax(const Tensor& x, DimsOrAll dim, bool keepdim) {
  Site site(FUNCTRA_SITE);
  return reduction(operand(x, "amax"), dim, keepdim, "amax", [](const Tensor& t, const Shape& d) {
    need_elements(t, d, "amax");
    return prims::reduce_max(t, d);
  });
}
Tensor amin(const Tensor& x, DimsOrAll dim, bool keepdim) {
  Site site(FUNCTRA_SITE);
  return reduction(operand(x, "amin"), dim, keepdim, "amin", [](const Tensor& t, const Shape& d) {
    need_elements(t, d, "amin");
    return prims::reduce_min(t, d);
  });
}
Tensor argmax(const Tensor& x, std::optional<std::int64_t> dim, bool keepdim) {
  Site site(FUNCTRA_SITE);
  return arg(x, dim, keepdim, true, "argmax");
}
Tensor argmin(const Tensor& x, std::optional<std::int64_t> dim, bool keepdim) {
  Site site(FUNCTRA_SITE);
  return arg(x, dim, keepdim, false, "argmin");
}
Tensor all(const Tensor& x, DimsOrAll dim, bool keepdim) {
  Site site(FUNCTRA_SITE);
  return reduction(core::convert(operand(x, "all"), DType::bool_), dim, keepdim, "all", prims::reduce_and);
}
Tensor any(const Tensor& x, DimsOrAll dim, bool keepdim) {
  Site site(FUNCTRA_SITE);
  return reduction(core::convert(operand(x, "any"), DType::bool_), dim, keepdim, "any", prims::reduce_or);
}

Tensor cumsum(const Tensor& x, std::int64_t dim, OptDType dtype) {
  Site site(FUNCTRA_SITE);
  Tensor v = widened(operand(x, "cumsum"), dtype);
  int d = one_dim(v, dim, "cumsum");
  return v.rank0() ? v : prims::cumsum(v, d, false);
}
Tensor cumprod(const Tensor& x, std::int64_t dim, OptDType dtype) {
  Site site(FUNCTRA_SITE);
  Tensor v = widened(operand(x, "cumprod"), dtype);
  int d = one_dim(v, dim, "cumprod");
  return v.rank0() ? v : prims::cumprod(v, d, false);
}

// ---------------------------------------------------------------- members
Tensor Tensor::sum(DimsOrAll dim, bool keepdim) const {
  Site site(FUNCTRA_SITE);
  return functra::sum(*this, std::move(dim), keepdim);
}
Tensor Tensor::mean(DimsOrAll dim, bool keepdim) const {
  Site site(FUNCTRA_SITE);
  return functra::mean(*this, std::move(dim), keepdim);
}
Tensor Tensor::prod(DimsOrAll dim, bool keepdim) const {
  Site site(FUNCTRA_SITE);
  return functra::prod(*this, std::move(dim), keepdim);
}
Tensor Tensor::amax(DimsOrAll dim, bool keepdim) const {
  Site site(FUNCTRA_SITE);
  return functra::amax(*this, std::move(dim), keepdim);
}
Tensor Tensor::amin(DimsOrAll dim, bool keepdim) const {
  Site site(FUNCTRA_SITE);
  return functra::amin(*this, std::move(dim), keepdim);
}
Tensor Tensor::argmax(std::optional<std::int64_t> dim, bool keepdim) const {
  Site site(FUNCTRA_SITE);
  return functra::argmax(*this, dim, keepdim);
}
Tensor Tensor::argmin(std::optional<std::int64_t> dim, bool keepdim) const {
  Site site(FUNCTRA_SITE);
  return functra::argmin(*this, dim, keepdim);
}
Tensor Tensor::all(DimsOrAll dim, bool keepdim) const {
  Site site(FUNCTRA_SITE);
  return functra::all(*this, std::move(dim), keepdim);
}
Tensor Tensor::any(DimsOrAll dim, bool keepdim) const {
  Site site(FUNCTRA_SITE);
  return functra::any(*this, std::move(dim), keepdim);
}

}  // namespace functra
