#include "functra/nn/norm.h"

#include <limits>

#include "functra/ops/elementwise.h"
#include "functra/ops/factories.h"
#include "functra/ops/math.h"
#include "functra/ops/reduce.h"
#include "functra/ops/shape.h"

namespace functra::nn {
using core::Site;
namespace {

// [C] along dimension 1 of a tensor of this rank; for [C, spatial...] along dimension 0.
Tensor along(const Tensor& v, std::int64_t rank, std::size_t dim) {
  Shape s = Shape::filled(static_cast<std::size_t>(rank), 1);
  s[dim] = v.size(0);
  return reshape(v, s);
}
Tensor scale_shift(Tensor y, const std::optional<Tensor>& weight, const std::optional<Tensor>& bias, std::size_t dim) {
  if (weight) y = y * along(*weight, y.dim(), dim);
  if (bias) y = y + along(*bias, y.dim(), dim);
  return y;
}
Tensor normalized(const Tensor& x, const Tensor& mean, const Tensor& var, double eps) { return (x - mean) * rsqrt(var + eps); }
Tensor normalized_over(const Tensor& x, const Shape& dims, double eps) {
  auto [var, mean] = var_mean(x, dims, 0, true);
  return normalized(x, mean, var, eps);
}
void need_features(std::int64_t n, const std::string& who) {
  if (n < 1) throw ValueError(who + ": needs at least one channel, not " + std::to_string(n));
}
void affine_parameters(std::optional<Tensor>& weight, std::optional<Tensor>& bias, const Shape& shape, bool affine, bool with_bias, OptDType dtype) {
  if (!affine) return;
  weight = ones(shape, dtype);
  if (with_bias) bias = zeros(shape, dtype);
}
Shape last_dims(const Tensor& x, const Shape& shape, const char* who) {
  Shape s = x.sizes();
  std::size_t n = shape.size(), r = s.size();
  bool fits = n > 0 && r >= n;
  for (std::size_t i = 0; fits && i < n; ++i) fits = s[r - n + i] == shape[i];
  if (!fits) throw ShapeError(std::string(who) + ": x has shape " + s.str() + ", whose last extents are not " + shape.str());
  return Shape::iota(n, static_cast<std::int64_t>(r - n));
}

}  // namespace

// ---------------------------------------------------------------- batch norm
template <int D> BatchNorm<D>::BatchNorm(std::int64_t features, const BatchNormOptions& o)
    : eps(o.eps), momentum(o.momentum), statistics(o.track_running_stats ? Statistics::running : Statistics::batch) {
  need_features(features, "nn::BatchNorm" + std::to_string(D) + "d");
  affine_parameters(weight, bias, features, o.affine, true, o.dtype);
  if (!o.track_running_stats) return;
  running_mean = zeros(features, o.dtype);
  running_var = ones(features, o.dtype);
  num_batches_tracked = zeros({}, i64);
}
namespace {
struct Batch {
  Tensor mean, var;  // [1, C, 1...]
};
template <int D> void check_batch(const BatchNorm<D>& b, const Tensor& x) {
  std::string who = "nn::BatchNorm" + std::to_string(D) + "d";
  Shape s = x.sizes();
  if (s.rank() != D + 2 && !(D == 1 && s.rank() == 2))
    throw ShapeError(who + ": x has shape " + s.str() + "; it is " + (D == 1 ? "[N, C] or [N, C, L]" : D == 2 ? "[N, C, H, W]" : "[N, C, D, H, W]"));
  const std::optional<Tensor>& w = b.weight;
  std::int64_t channels = w ? w->size(0) : b.running_mean ? b.running_mean->value().size(0) : s[1];
  if (s[1] != channels) throw ShapeError(who + ": x has shape " + s.str() + ", but the layer has " + std::to_string(channels) + " channels");
}
template <int D> bool of_batch(const BatchNorm<D>& b) { return b.mode == Mode::train || b.statistics == Statistics::batch || !b.running_mean; }
template <int D> Batch statistics_of(const BatchNorm<D>& b, const Tensor& x) {
  if (!of_batch(b)) return {along(*b.running_mean, x.dim(), 1), along(*b.running_var, x.dim(), 1)};
  Shape s = x.sizes();
  if (b.mode == Mode::train && s.numel() == s[1])
    throw ValueError("nn::BatchNorm" + std::to_string(D) + "d: x of shape " + s.str() +
                     " has one value per channel, whose variance is 0; use nn::eval(net)");
  auto [var, mean] = var_mean(x, Shape::iota(s.size()).without(1), 0, true);
  return {mean, var};
}
}  // namespace
template <int D> Tensor BatchNorm<D>::operator()(const Tensor& x) const {
  Site site(FUNCTRA_SITE);
  check_batch(*this, x);
  Batch s = statistics_of(*this, x);
  return scale_shift(normalized(x, s.mean, s.var, eps), weight, bias, 1);
}
template <int D> std::pair<Tensor, BatchNorm<D>> BatchNorm<D>::with_statistics(const Tensor& x) const {
  Site site(FUNCTRA_SITE);
  check_batch(*this, x);
  Batch s = statistics_of(*this, x);
  Tensor y = scale_shift(normalized(x, s.mean, s.var, eps), weight, bias, 1);
  BatchNorm next = *this;
  if (mode == Mode::train && statistics == Statistics::running && running_mean) {
    Tensor count = Tensor(*num_batches_tracked) + 1;
    double n = static_cast<double>(x.numel() / x.size(1));
    auto moved = [&](const Tensor& running, const Tensor& now) {
      Tensor m = momentum ? Tensor(*momentum) : 1.0 / count.to(running.dtype());
      return running + m * (stop_gradient(now).flatten() - running);
    };
    next.running_mean = moved(*running_mean, s.mean);
    next.running_var = moved(*running_var, s.var * (n / (n - 1)));
    next.num_batches_tracked = count;
  }
  return {y, std::move(next)};
}
template struct BatchNorm<1>;
template struct BatchNorm<2>;
template struct BatchNorm<3>;

// ---------------------------------------------------------------- instance norm
template <int D> InstanceNorm<D>::InstanceNorm(std::int64_t n, const InstanceNormOptions& o) : features(n), eps(o.eps) {
  need_features(n, "nn::InstanceNorm" + std::to_string(D) + "d");
  affine_parameters(weight, bias, n, o.affine, true, o.dtype);
}
template <int D> Tensor InstanceNorm<D>::operator()(const Tensor& x) const {
  Site site(FUNCTRA_SITE);
  Shape s = x.sizes();
  if (s.rank() != D + 1 && s.rank() != D + 2)
    throw ShapeError("nn::InstanceNorm" + std::to_string(D) + "d: x has shape " + s.str() + "; it is [N, C, spatial...] or [C, spatial...] with " +
                     std::to_string(D) + " spatial dimensions");
  auto channel = static_cast<std::size_t>(s.rank() - D - 1);
  if (s[channel] != features)
    throw ShapeError("nn::InstanceNorm" + std::to_string(D) + "d: x has shape " + s.str() + ", but the layer has " + std::to_string(features) +
                     " channels");
  Shape spatial = Shape::iota(D, s.rank() - D);
  if (x.numel() > 0 && s.pick(spatial).numel() == 1)
    throw ValueError("nn::InstanceNorm" + std::to_string(D) + "d: x of shape " + s.str() + " has one value per channel, whose variance is 0");
  return scale_shift(normalized_over(x, spatial, eps), weight, bias, channel);
}
template struct InstanceNorm<1>;
template struct InstanceNorm<2>;
template struct InstanceNorm<3>;

// ---------------------------------------------------------------- layer, group, root mean square
LayerNorm::LayerNorm(const Shape& shape, const NormOptions& o) : normalized_shape(shape), eps(o.eps) {
  affine_parameters(weight, bias, shape, o.affine, o.bias, o.dtype);
}
Tensor LayerNorm::operator()(const Tensor& x) const {
  Site site(FUNCTRA_SITE);
  Tensor y = normalized_over(x, last_dims(x, normalized_shape, "nn::LayerNorm"), eps);
  if (weight) y = y * *weight;
  return bias ? y + *bias : y;
}

GroupNorm::GroupNorm(std::int64_t g, std::int64_t c, const NormOptions& o) : groups(g), channels(c), eps(o.eps) {
  need_features(c, "nn::GroupNorm");
  if (g < 1 || c % g) throw ValueError("nn::GroupNorm: " + std::to_string(c) + " channels are not divisible into " + std::to_string(g) + " groups");
  affine_parameters(weight, bias, c, o.affine, o.bias, o.dtype);
}
Tensor GroupNorm::operator()(const Tensor& x) const {
  Site site(FUNCTRA_SITE);
  Shape s = x.sizes();
  if (s.rank() < 2 || s[1] != channels)
    throw ShapeError("nn::GroupNorm: x has shape " + s.str() + "; it is [N, " + std::to_string(channels) + ", ...]");
  std::int64_t rest = channels / groups;
  for (std::size_t i = 2; i < s.size(); ++i) rest *= s[i];
  return scale_shift(reshape(normalized_over(reshape(x, {s[0], groups, rest}), {2}, eps), s), weight, bias, 1);
}

RMSNorm::RMSNorm(const Shape& shape, const RMSNormOptions& o) : normalized_shape(shape), eps(o.eps) {
  if (o.affine) weight = ones(shape, o.dtype);
}
Tensor RMSNorm::operator()(const Tensor& x) const {
  Site site(FUNCTRA_SITE);
  Shape dims = last_dims(x, normalized_shape, "nn::RMSNorm");
  double e = eps.value_or(x.dtype() == f32 ? std::numeric_limits<float>::epsilon() : std::numeric_limits<double>::epsilon());
  Tensor y = x * rsqrt(mean(square(x), dims, true) + e);
  return weight ? y * *weight : y;
}

}  // namespace functra::nn
