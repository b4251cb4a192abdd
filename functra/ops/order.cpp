#include "functra/ops/order.h"

#include <optional>

#include "functra/ops/elementwise.h"
#include "functra/ops/index.h"
#include "functra/ops/reduction.h"
#include "functra/ops/segment.h"
#include "functra/ops/shape.h"
#include "functra/prims/cast.h"
#include "functra/prims/gather.h"
#include "functra/prims/index.h"
#include "functra/prims/math.h"
#include "functra/prims/sort.h"

namespace functra {
namespace {

using core::Site;
using prims::like;
Tensor flat(const Tensor& x) { return prims::reshape(x, {x.sizes().numel()}); }
Tensor count(std::int64_t n) { return Tensor::literal_of(Scalar(n), DType::i64); }

// Both of one dtype, no longer numbers.
void alike(const char* who, Tensor& a, Tensor& b) {
  ops::promote(a, b, who);
  for (Tensor* t : {&a, &b}) *t = ops::firm(*t);
}
Tensor places(const char* who, const Tensor& sorted, const Tensor& values, bool right) {
  Tensor x[2] = {sorted, values};
  alike(who, x[0], x[1]);
  Shape s = x[0].sizes(), v = x[1].sizes();
  if (s.size() == 1) return prims::reshape(prims::searchsorted(x[0], flat(x[1]), right), v);
  if (s.empty() || v.size() != s.size())
    throw ShapeError(std::string(who) + ": sorted has shape " + s.str() + " and the values " + v.str() +
                     "; it needs one dimension, or those of the values but for the last extent");
  return prims::searchsorted(x[0], x[1], right);
}

}  // namespace

Tensor searchsorted(const Tensor& sorted, const Tensor& values, bool right) {
  Site site(FUNCTRA_SITE);
  return places("searchsorted", sorted, values, right);
}
Tensor bucketize(const Tensor& x, const Tensor& boundaries, bool right) {
  Site site(FUNCTRA_SITE);
  if (ops::operand(boundaries, "bucketize").dim() != 1)
    throw ShapeError("bucketize: the boundaries have shape " + boundaries.sizes().str() + ", they need one dimension");
  return places("bucketize", boundaries, x, right);
}
Tensor isin(const Tensor& x, const Tensor& values) {
  Site site(FUNCTRA_SITE);
  Tensor in[2] = {x, values};
  alike("isin", in[0], in[1]);
  std::int64_t n = in[1].numel();
  if (n == 0) return core::zeros({DType::bool_, false, in[0].sizes()});
  Tensor line = flat(in[1]);
  Tensor s = prims::sort({&line, 1}, 0, false)[0], at = places("isin", s, in[0], false);
  return prims::eq(prims::take(s, at, 0), in[0]);
}
std::pair<Tensor, Tensor> kthvalue(const Tensor& given, std::int64_t k, std::int64_t dim, bool keepdim) {
  Site site(FUNCTRA_SITE);
  Tensor x = ops::operand(given, "kthvalue");
  int d = ops::one_dim(x, dim, "kthvalue");
  std::int64_t n = x.dim() ? x.size(d) : 1;
  if (k < 1 || k > n)
    throw IndexError("kthvalue: k = " + std::to_string(k) + " does not lie in [1, " + std::to_string(n) + "], the places along dimension " +
                     std::to_string(d) + " of shape " + x.sizes().str());
  if (!x.dim()) return {x, core::zeros({DType::i64, false, {}})};
  Vec r = prims::top_k(x, k, d, false);
  Tensor v = narrow(r[0], d, k - 1, 1), w = narrow(r[1], d, k - 1, 1);
  if (keepdim) return {v, w};
  return {squeeze(v, d), squeeze(w, d)};
}

// ---------------------------------------------------------------- quantiles
namespace {
// Of x sorted along its last dimension, at fractions q [m] of the first `counts` ([..., 1], i64) elements: [..., m].
Tensor between(const Tensor& sorted, const Tensor& counts, const Tensor& q, Interpolation how) {
  Shape s = sorted.sizes(), to = counts.sizes();
  int last = s.rank() - 1;
  to[static_cast<std::size_t>(last)] = q.size(0);
  DType d = sorted.dtype();
  Tensor top = core::sub(counts, count(1));
  Tensor at = prims::mul(core::broadcast_in_dim(q, to, {last}), ops::broadcast_to(core::convert(top, d), to, "quantile"));
  auto element = [&](const Tensor& position) {
    Tensor p = prims::max(core::convert(position, DType::i64), count(0));
    return prims::take_along(sorted, prims::min(p, ops::broadcast_to(prims::max(top, count(0)), to, "quantile")), last);
  };
  switch (how) {
    case Interpolation::lower: return element(prims::floor(at));
    case Interpolation::higher: return element(prims::ceil(at));
    case Interpolation::nearest: return element(prims::round(at));
    default: break;
  }
  Tensor below = prims::floor(at), a = element(below), b = element(prims::ceil(at)), gap = core::sub(b, a);
  gap = core::select(prims::eq(a, b), like(0, gap), gap);  // two equal infinities
  Tensor weight = how == Interpolation::midpoint ? core::select(prims::eq(at, below), like(0, at), like(0.5, at)) : core::sub(at, below);
  return core::add(a, prims::mul(weight, gap));
}
Tensor quantiles(const char* who, const Tensor& given, const Tensor& fractions, std::optional<std::int64_t> dim, bool keepdim, Interpolation how,
                 bool skip_nan) {
  Tensor x = ops::operand(given, who), q = fractions;
  ops::need_floating(x, who);
  if (q.defined() && is_floating(q.raw_dtype()) && q.weak()) q = core::convert(q, x.dtype());
  q = ops::operand(q, who);
  if (q.dim() > 1) throw ShapeError(std::string(who) + ": q has shape " + q.sizes().str() + ", it must have at most one dimension");
  if (q.concrete())
    for (double v : q.to_vector<double>())
      if (!(v >= 0 && v <= 1)) throw ValueError(std::string(who) + ": q = " + std::to_string(v) + " does not lie in [0, 1]");
  int rank = static_cast<int>(x.dim());
  Shape kept = Shape::filled(x.sizes().size(), 1);
  int d = 0;
  if (dim && rank) {
    d = ops::one_dim(x, *dim, who);
    kept = x.sizes();
    kept[static_cast<std::size_t>(d)] = 1;
  } else x = flat(x);
  int last = static_cast<int>(x.dim()) - 1;
  if (x.size(d) == 0)
    throw ValueError(std::string(who) + ": there are no elements along dimension " + std::to_string(d) + " of shape " + given.sizes().str());
  x = core::move_dim(x, d, last);
  Tensor sorted = prims::sort({&x, 1}, last, false)[0];
  Shape one = x.sizes();
  std::int64_t n = one[static_cast<std::size_t>(last)];
  one[static_cast<std::size_t>(last)] = 1;
  Tensor numbers =
      skip_nan ? prims::reshape(core::sum(core::convert(prims::eq(x, x), DType::i64), {last}), one) : core::broadcast_in_dim(count(n), one, {});
  Tensor line = core::convert(prims::reshape(q, {q.numel()}), x.dtype());
  Tensor y = between(sorted, numbers, line, how);
  if (!skip_nan) {  // the last element of a line is NaN if any is
    Tensor end = ops::broadcast_to(narrow(sorted, last, n - 1, 1), y.sizes(), who);
    y = core::select(prims::ne(end, end), end, y);
  }
  y = core::move_dim(y, last, 0);
  Shape to = keepdim ? kept : y.sizes().without(0);
  return prims::reshape(y, q.dim() ? to.with(0, q.size(0)) : to);
}
}  // namespace
Tensor quantile(const Tensor& x, const Tensor& q, std::optional<std::int64_t> dim, bool keepdim, Interpolation interpolation) {
  Site site(FUNCTRA_SITE);
  return quantiles("quantile", x, q, dim, keepdim, interpolation, false);
}
Tensor nanquantile(const Tensor& x, const Tensor& q, std::optional<std::int64_t> dim, bool keepdim, Interpolation interpolation) {
  Site site(FUNCTRA_SITE);
  return quantiles("nanquantile", x, q, dim, keepdim, interpolation, true);
}
Tensor median(const Tensor& x) {
  Site site(FUNCTRA_SITE);
  return median(flat(ops::operand(x, "median")), 0).first;
}
Tensor nanmedian(const Tensor& x) {
  Site site(FUNCTRA_SITE);
  Tensor v = ops::operand(x, "nanmedian");
  return is_floating(v.raw_dtype()) ? quantiles("nanmedian", v, 0.5, {}, false, Interpolation::lower, true) : median(v);
}

// ---------------------------------------------------------------- sets
Unique unique(const Tensor& given, std::int64_t size, const std::optional<Tensor>& fill) {
  Site site(FUNCTRA_SITE);
  Tensor x = ops::operand(given, "unique");
  if (size < 0) throw ValueError("unique: the size, " + std::to_string(size) + ", is negative");
  std::int64_t n = x.numel();
  Tensor rest = fill ? core::convert(*fill, x.dtype()) : Tensor::literal_of(Scalar(0), x.dtype());
  if (!rest.rank0()) throw ShapeError("unique: fill has shape " + rest.sizes().str() + ", it must be 0-d");
  if (n == 0)
    return {core::broadcast_in_dim(rest, {size}, {}), core::zeros({DType::i64, false, x.sizes()}), core::zeros({DType::i64, false, {size}})};
  const Tensor both[2] = {flat(x), prims::iota(DType::i64, {n}, 0)};
  Vec sorted = prims::sort(both, 0, false);
  Tensor v = sorted[0], before = prims::slice(v, {0}, {n - 1}, {1}), after = prims::slice(v, {1}, {n}, {1});
  Tensor differs = prims::ne(before, after);
  if (is_floating(v.raw_dtype())) differs = prims::bitwise_and(differs, prims::bitwise_or(prims::eq(before, before), prims::eq(after, after)));
  const Tensor parts[2] = {core::zeros({DType::i64, false, {1}}), core::convert(differs, DType::i64)};
  Tensor steps = prims::concatenate(parts, 0), rank = prims::cumsum(steps, 0, false);
  if (!fill) rest = prims::reshape(prims::slice(v, {0}, {1}, {1}), {});
  // The first element of each run is written; the others go to a place outside.
  const Tensor starts[2] = {core::broadcast_in_dim(Tensor::literal_of(Scalar(true), DType::bool_), {1}, {}), differs};
  Tensor place = core::select(prims::concatenate(starts, 0), rank, count(size));
  prims::ScatterParams p{{}, {0}, {0}, {}, {}, true, true};
  auto column = [n](const Tensor& t) { return prims::reshape(t, {n, 1}); };
  Tensor values = core::broadcast_in_dim(rest, {size}, {});
  if (size) values = prims::scatter(values, column(place), v, p);
  Tensor inverse = prims::scatter(core::zeros({DType::i64, false, {n}}), column(sorted[1]), rank, p);
  return {values, prims::reshape(inverse, x.sizes()), bincount(rank, size)};
}

}  // namespace functra
