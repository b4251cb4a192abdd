// Running extremes and log-sum-exps, differences, integrals by trapezoids; JAX's running operations, from either end.
#include "functra/ops/lax.h"
#include "functra/ops/reduce.h"
#include "functra/ops/reduction.h"
#include "functra/ops/shape.h"
#include "functra/prims/math.h"
#include "functra/prims/shape.h"

namespace functra {
namespace {

using core::Site;
using ops::one_dim;
using ops::operand;
using Running = Tensor (*)(const Tensor&, int, bool);

std::pair<Tensor, Tensor> extremes(const char* who, Running f, const Tensor& given, std::int64_t dim) {
  Tensor x = operand(given, who);
  int d = one_dim(x, dim, who);
  if (x.rank0()) return {x, core::zeros({DType::i64, false, {}})};
  Tensor y = f(x, d, false);
  return {y, prims::extreme_positions(x, y, d, false)};
}
// Elements along d from 1 on, and all but the last.
std::pair<Tensor, Tensor> neighbours(const Tensor& x, int d) {
  std::int64_t n = x.size(d);
  return {narrow(x, d, 1, n - 1), narrow(x, d, 0, n - 1)};
}
// The areas between neighbours of y along d; x: coordinates, or the distance (0-d).
Tensor areas(const char* who, const Tensor& given, const Tensor& x, std::int64_t dim, int& d) {
  Tensor y = ops::to_floating(operand(given, who));
  if (!y.dim()) throw ShapeError(std::string(who) + ": y needs at least one dimension");
  d = one_dim(y, dim, who);
  if (y.size(d) == 0) throw ShapeError(std::string(who) + ": dimension " + std::to_string(d) + " of shape " + y.sizes().str() + " is empty");
  auto [after, before] = neighbours(y, d);
  Tensor width = x;
  if (operand(x, who).dim()) {
    bool line = width.dim() == 1;
    if (width.size(line ? 0 : dim) != y.size(d))
      throw ShapeError(std::string(who) + ": coordinates of shape " + width.sizes().str() + " do not fit y of shape " + y.sizes().str() +
                       " along dimension " + std::to_string(d));
    auto [right, left] = neighbours(width, line ? 0 : one_dim(width, dim, who));
    width = right - left;
    if (line) {
      Shape s = Shape::filled(y.sizes().size(), 1);
      s[static_cast<std::size_t>(d)] = width.numel();
      width = prims::reshape(width, s);
    }
  }
  return (after + before) * width * 0.5;
}

}  // namespace

std::pair<Tensor, Tensor> cummax(const Tensor& x, std::int64_t dim) {
  Site site(FUNCTRA_SITE);
  return extremes("cummax", prims::cummax, x, dim);
}
std::pair<Tensor, Tensor> cummin(const Tensor& x, std::int64_t dim) {
  Site site(FUNCTRA_SITE);
  return extremes("cummin", prims::cummin, x, dim);
}
Tensor logcumsumexp(const Tensor& x, std::int64_t dim) {
  Site site(FUNCTRA_SITE);
  Tensor v = ops::to_floating(operand(x, "logcumsumexp"));
  int d = one_dim(v, dim, "logcumsumexp");
  return v.rank0() ? v : prims::logcumsumexp(v, d, false);
}
Tensor diff(const Tensor& x, std::int64_t n, std::int64_t dim) {
  Site site(FUNCTRA_SITE);
  Tensor v = operand(x, "diff");
  if (!v.dim()) throw ShapeError("diff: the tensor needs at least one dimension");
  if (n < 0) throw ValueError("diff: the order, " + std::to_string(n) + ", is negative");
  int d = one_dim(v, dim, "diff");
  for (; n > 0 && v.size(d) > 0; --n) {
    auto [after, before] = neighbours(v, d);
    v = is_bool(v.raw_dtype()) ? prims::bitwise_xor(after, before) : core::sub(after, before);
  }
  return v;
}
Tensor trapezoid(const Tensor& y, const Tensor& x, std::int64_t dim) {
  Site site(FUNCTRA_SITE);
  int d = 0;
  Tensor a = areas("trapezoid", y, x, dim, d);
  return core::sum(a, {d});
}
Tensor cumulative_trapezoid(const Tensor& y, const Tensor& x, std::int64_t dim) {
  Site site(FUNCTRA_SITE);
  int d = 0;
  Tensor a = areas("cumulative_trapezoid", y, x, dim, d);
  return prims::cumsum(a, d, false);
}

namespace lax {
namespace {
Tensor running(const char* who, Running f, const Tensor& given, std::int64_t dim, bool reverse) {
  Tensor x = operand(given, who);
  return f(x, wrap_dim(dim, static_cast<int>(x.dim()), who), reverse);
}
}  // namespace
Tensor cumsum(const Tensor& x, std::int64_t dim, bool reverse) {
  Site site(FUNCTRA_SITE);
  return running("cumsum", prims::cumsum, x, dim, reverse);
}
Tensor cumprod(const Tensor& x, std::int64_t dim, bool reverse) {
  Site site(FUNCTRA_SITE);
  return running("cumprod", prims::cumprod, x, dim, reverse);
}
Tensor cummax(const Tensor& x, std::int64_t dim, bool reverse) {
  Site site(FUNCTRA_SITE);
  return running("cummax", prims::cummax, x, dim, reverse);
}
Tensor cummin(const Tensor& x, std::int64_t dim, bool reverse) {
  Site site(FUNCTRA_SITE);
  return running("cummin", prims::cummin, x, dim, reverse);
}
Tensor cumlogsumexp(const Tensor& x, std::int64_t dim, bool reverse) {
  Site site(FUNCTRA_SITE);
  return running("cumlogsumexp", prims::logcumsumexp, x, dim, reverse);
}
}  // namespace lax

}  // namespace functra
