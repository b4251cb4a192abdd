#include "functra/ops/segment.h"

#include "functra/ops/elementwise.h"
#include "functra/ops/order.h"
#include "functra/ops/reduction.h"
#include "functra/prims/cast.h"
#include "functra/prims/gather.h"
#include "functra/prims/math.h"
#include "functra/prims/shape.h"

namespace functra {
namespace {

using core::Site;
using prims::like;
using Scatter = Tensor (*)(const Tensor&, const Tensor&, const Tensor&, const prims::ScatterParams&);

// Slices of data combined with `init` at ids.
Tensor combined(const char* who, Scatter f, const Tensor& init, const Tensor& data, const Tensor& ids, std::int64_t segments) {
  Shape s = data.sizes();
  if (!is_integer(ids.raw_dtype()))
    throw DTypeError(std::string(who) + ": the ids have dtype " + std::string(name_of(ids.dtype())) + ", they must be integers");
  if (s.empty() || !(ids.sizes() == Shape{s[0]}))
    throw ShapeError(std::string(who) + ": data of shape " + s.str() + " and ids of shape " + ids.sizes().str() + "; one id per slice is needed");
  if (segments < 0) throw ValueError(std::string(who) + ": the number of segments, " + std::to_string(segments) + ", is negative");
  Shape to = s;
  to[0] = segments;
  Tensor start = core::broadcast_in_dim(init, to, {});
  if (to.numel() == 0 || s.numel() == 0) return start;
  return f(start, prims::reshape(ids, {s[0], 1}), data, {Shape::iota(s.size() - 1, 1), {0}, {0}, {}, {}, true, false});
}
Tensor segments_of(const char* who, Scatter f, kernels::Reduce op, const Tensor& data, const Tensor& ids, std::int64_t segments) {
  Tensor x = ops::operand(data, who), i = ops::operand(ids, who);
  alignas(16) std::byte identity[16];
  if (is_complex(x.raw_dtype()) && (op == kernels::Reduce::max || op == kernels::Reduce::min))
    throw DTypeError(std::string(who) + ": " + std::string(name_of(x.raw_dtype())) + " has no order; use abs or a real part");
  kernels::reduce_identity(op, x.raw_dtype(), identity);
  return combined(who, f, Tensor::literal_of(Scalar::load(x.raw_dtype(), identity), x.raw_dtype()), x, i, segments);
}

}  // namespace

Tensor segment_sum(const Tensor& data, const Tensor& ids, std::int64_t segments) {
  Site site(FUNCTRA_SITE);
  return segments_of("segment_sum", prims::scatter_add, kernels::Reduce::sum, data, ids, segments);
}
Tensor segment_prod(const Tensor& data, const Tensor& ids, std::int64_t segments) {
  Site site(FUNCTRA_SITE);
  return segments_of("segment_prod", prims::scatter_mul, kernels::Reduce::prod, data, ids, segments);
}
Tensor segment_max(const Tensor& data, const Tensor& ids, std::int64_t segments) {
  Site site(FUNCTRA_SITE);
  return segments_of("segment_max", prims::scatter_max, kernels::Reduce::max, data, ids, segments);
}
Tensor segment_min(const Tensor& data, const Tensor& ids, std::int64_t segments) {
  Site site(FUNCTRA_SITE);
  return segments_of("segment_min", prims::scatter_min, kernels::Reduce::min, data, ids, segments);
}

// ---------------------------------------------------------------- counts
namespace {
// The sums of weights (ones if undefined) at places of any shape.
Tensor counted(const char* who, const Tensor& places, const Tensor& weights, DType counts, std::int64_t length) {
  Tensor w = weights.defined() ? ops::firm(weights) : core::broadcast_in_dim(Tensor::literal_of(Scalar(1), counts), places.sizes(), {});
  if (!(w.sizes() == places.sizes()))
    throw ShapeError(std::string(who) + ": weights of shape " + w.sizes().str() + " for x of shape " + places.sizes().str());
  Shape line{places.sizes().numel()};
  return combined(who, prims::scatter_add, like(0, w), prims::reshape(w, line), prims::reshape(places, line), length);
}
}  // namespace
Tensor bincount(const Tensor& x, std::int64_t length, const Tensor& weights) {
  Site site(FUNCTRA_SITE);
  return counted("bincount", ops::operand(x, "bincount"), weights, DType::i64, length);
}
Tensor histc(const Tensor& given, std::int64_t bins, double min, double max) {
  Site site(FUNCTRA_SITE);
  Tensor x = ops::operand(given, "histc");
  ops::need_floating(x, "histc");
  if (bins < 1) throw ValueError("histc: needs at least one bin, not " + std::to_string(bins));
  if (min > max) throw ValueError("histc: min, " + std::to_string(min) + ", is larger than max, " + std::to_string(max));
  Tensor v = prims::stop_gradient(x), lo = like(min, x), hi = like(max, x);
  Shape all = Shape::iota(x.sizes().size());
  if (min == 0 && max == 0 && x.sizes().numel()) {
    lo = prims::reduce_min(v, all);
    hi = prims::reduce_max(v, all);
    Tensor single = prims::eq(lo, hi);  // as torch: one unit to either side
    lo = core::select(single, core::sub(lo, like(1, lo)), lo);
    hi = core::select(single, core::add(hi, like(1, hi)), hi);
  }
  Tensor at = prims::floor(prims::mul(prims::div(core::sub(v, lo), core::sub(hi, lo)), like(static_cast<double>(bins), v)));
  at = prims::min(at, like(static_cast<double>(bins - 1), at));
  Tensor inside = prims::bitwise_and(prims::ge(v, lo), prims::le(v, hi));
  return counted("histc", core::convert(core::select(inside, at, like(-1, at)), DType::i64), {}, x.dtype(), bins);
}
Tensor histogram(const Tensor& x, const Tensor& edges) {
  Site site(FUNCTRA_SITE);
  Tensor e = ops::operand(edges, "histogram"), v = ops::operand(x, "histogram");
  if (e.dim() != 1 || e.size(0) < 2)
    throw ShapeError("histogram: the edges have shape " + e.sizes().str() + ", at least two along one dimension are needed");
  std::int64_t bins = e.size(0) - 1;
  Tensor last = core::convert(prims::reshape(prims::slice(e, {bins}, {bins + 1}, {1}), {}), v.dtype());
  Tensor at = searchsorted(e, v, true) - 1;
  return counted("histogram", core::select(prims::eq(v, last), like(static_cast<double>(bins - 1), at), at), {}, DType::i64, bins);
}

}  // namespace functra
