// Normalisation as torch.nn has it. Layers begin as the identity after normalising: weight 1, bias 0.
#pragma once
#include <optional>
#include <utility>

#include "functra/nn/module.h"

namespace functra::nn {

struct BatchNormOptions {
  double eps = 1e-5;
  std::optional<double> momentum = 0.1;  // none: running statistics are the mean over all batches
  bool affine = true, track_running_stats = true;
  OptDType dtype{};
};
// Ioffe and Szegedy 2015: (x - mean) / sqrt(var + eps) weight + bias per channel of x [N, C, spatial...]. In train mode mean and var
// (biased) are those of the batch, in eval mode the running ones. D is the number of spatial dimensions; BatchNorm1d takes [N, C] too.
// Nothing is written in place: with_statistics returns the layer that has seen this batch, which works under every transform.
// ShapeError for x of another rank or number of channels, ValueError for a batch of one value per channel in train mode.
template <int D> struct BatchNorm {
  std::optional<Tensor> weight, bias;                                    // [C]
  std::optional<Buffer> running_mean, running_var, num_batches_tracked;  // [C], [C] (unbiased), [] i64
  double eps;
  std::optional<double> momentum;
  Mode mode = Mode::train;
  Statistics statistics;

  explicit BatchNorm(std::int64_t features, const BatchNormOptions& o = {});
  Tensor operator()(const Tensor& x) const;
  // (y, layer): y as operator(); the layer's running statistics moved by momentum towards those of x, in train mode.
  std::pair<Tensor, BatchNorm> with_statistics(const Tensor& x) const;
  FUNCTRA_TREE(BatchNorm, weight, bias, running_mean, running_var, num_batches_tracked, eps, momentum, mode, statistics);
};
extern template struct BatchNorm<1>;
extern template struct BatchNorm<2>;
extern template struct BatchNorm<3>;
using BatchNorm1d = BatchNorm<1>;
using BatchNorm2d = BatchNorm<2>;
using BatchNorm3d = BatchNorm<3>;

struct InstanceNormOptions {
  double eps = 1e-5;
  bool affine = false;
  OptDType dtype{};
};
// Each channel of each example by its own mean and variance: x [N, C, spatial...] or [C, spatial...]. Without running statistics.
template <int D> struct InstanceNorm {
  std::optional<Tensor> weight, bias;  // [C]
  std::int64_t features;
  double eps;

  explicit InstanceNorm(std::int64_t features, const InstanceNormOptions& o = {});
  Tensor operator()(const Tensor& x) const;
  FUNCTRA_TREE(InstanceNorm, weight, bias, features, eps);
};
extern template struct InstanceNorm<1>;
extern template struct InstanceNorm<2>;
extern template struct InstanceNorm<3>;
using InstanceNorm1d = InstanceNorm<1>;
using InstanceNorm2d = InstanceNorm<2>;
using InstanceNorm3d = InstanceNorm<3>;

struct NormOptions {
  double eps = 1e-5;
  bool affine = true, bias = true;
  OptDType dtype{};
};
// Ba et al. 2016: over the last dimensions, which have this shape.
struct LayerNorm {
  std::optional<Tensor> weight, bias;  // normalized_shape
  Shape normalized_shape;
  double eps;

  explicit LayerNorm(const Shape& normalized_shape, const NormOptions& o = {});
  Tensor operator()(const Tensor& x) const;
  FUNCTRA_TREE(LayerNorm, weight, bias, normalized_shape, eps);
};
// Wu and He 2018: the channels of x [N, C, ...] in groups. ValueError unless groups divides channels.
struct GroupNorm {
  std::optional<Tensor> weight, bias;  // [C]
  std::int64_t groups, channels;
  double eps;

  GroupNorm(std::int64_t groups, std::int64_t channels, const NormOptions& o = {});
  Tensor operator()(const Tensor& x) const;
  FUNCTRA_TREE(GroupNorm, weight, bias, groups, channels, eps);
};
struct RMSNormOptions {
  std::optional<double> eps{};  // none: the machine precision of x
  bool affine = true;
  OptDType dtype{};
};
// Zhang and Sennrich 2019: x / sqrt(mean(x^2) + eps) weight over the last dimensions.
struct RMSNorm {
  std::optional<Tensor> weight;  // normalized_shape
  Shape normalized_shape;
  std::optional<double> eps;

  explicit RMSNorm(const Shape& normalized_shape, const RMSNormOptions& o = {});
  Tensor operator()(const Tensor& x) const;
  FUNCTRA_TREE(RMSNorm, weight, normalized_shape, eps);
};

}  // namespace functra::nn
