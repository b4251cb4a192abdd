// Activations as layers: the functions of ops/activation.h and ops/math.h with their options.
#pragma once
#include "functra/nn/module.h"
#include "functra/ops/activation.h"
#include "functra/ops/factories.h"
#include "functra/ops/reduce.h"

namespace functra::nn {

struct ReLU {
  Tensor operator()(const Tensor& x) const { return relu(x); }
};
struct ReLU6 {
  Tensor operator()(const Tensor& x) const { return relu6(x); }
};
struct SELU {
  Tensor operator()(const Tensor& x) const { return selu(x); }
};
struct SiLU {
  Tensor operator()(const Tensor& x) const { return silu(x); }
};
struct Mish {
  Tensor operator()(const Tensor& x) const { return mish(x); }
};
struct Sigmoid {
  Tensor operator()(const Tensor& x) const { return sigmoid(x); }
};
struct LogSigmoid {
  Tensor operator()(const Tensor& x) const { return logsigmoid(x); }
};
struct Tanh {
  Tensor operator()(const Tensor& x) const { return tanh(x); }
};
struct Tanhshrink {
  Tensor operator()(const Tensor& x) const { return tanhshrink(x); }
};
struct Softsign {
  Tensor operator()(const Tensor& x) const { return softsign(x); }
};
struct Hardsigmoid {
  Tensor operator()(const Tensor& x) const { return hardsigmoid(x); }
};
struct Hardswish {
  Tensor operator()(const Tensor& x) const { return hardswish(x); }
};
struct LeakyReLU {
  double negative_slope;
  explicit LeakyReLU(double negative_slope = 0.01) : negative_slope(negative_slope) {}
  Tensor operator()(const Tensor& x) const { return leaky_relu(x, negative_slope); }
  FUNCTRA_TREE(LeakyReLU, negative_slope);
};
struct ELU {
  double alpha;
  explicit ELU(double alpha = 1) : alpha(alpha) {}
  Tensor operator()(const Tensor& x) const { return elu(x, alpha); }
  FUNCTRA_TREE(ELU, alpha);
};
struct CELU {
  double alpha;
  explicit CELU(double alpha = 1) : alpha(alpha) {}
  Tensor operator()(const Tensor& x) const { return celu(x, alpha); }
  FUNCTRA_TREE(CELU, alpha);
};
struct Softplus {
  double beta, threshold;
  explicit Softplus(double beta = 1, double threshold = 20) : beta(beta), threshold(threshold) {}
  Tensor operator()(const Tensor& x) const { return softplus_beta(x, beta, threshold); }
  FUNCTRA_TREE(Softplus, beta, threshold);
};
struct Softshrink {
  double lambda;
  explicit Softshrink(double lambda = 0.5) : lambda(lambda) {}
  Tensor operator()(const Tensor& x) const { return softshrink(x, lambda); }
  FUNCTRA_TREE(Softshrink, lambda);
};
struct Hardshrink {
  double lambda;
  explicit Hardshrink(double lambda = 0.5) : lambda(lambda) {}
  Tensor operator()(const Tensor& x) const { return hardshrink(x, lambda); }
  FUNCTRA_TREE(Hardshrink, lambda);
};
struct Hardtanh {
  double min, max;
  explicit Hardtanh(double min = -1, double max = 1) : min(min), max(max) {}
  Tensor operator()(const Tensor& x) const { return hardtanh(x, min, max); }
  FUNCTRA_TREE(Hardtanh, min, max);
};
struct GLU {
  std::int64_t dim;
  explicit GLU(std::int64_t dim = -1) : dim(dim) {}
  Tensor operator()(const Tensor& x) const { return glu(x, dim); }
  FUNCTRA_TREE(GLU, dim);
};
struct Threshold {
  double threshold, value;
  Threshold(double threshold, double value) : threshold(threshold), value(value) {}
  Tensor operator()(const Tensor& x) const { return functra::threshold(x, threshold, value); }
  FUNCTRA_TREE(Threshold, threshold, value);
};
enum class Approximate { none, tanh };
struct GELU {
  Approximate approximate;
  explicit GELU(Approximate approximate = Approximate::none) : approximate(approximate) {}
  Tensor operator()(const Tensor& x) const { return approximate == Approximate::none ? gelu(x) : gelu_tanh(x); }
  FUNCTRA_TREE(GELU, approximate);
};
// A slope for all, or one per channel, begun as init.
struct PReLU {
  Tensor weight;
  explicit PReLU(std::int64_t num_parameters = 1, double init = 0.25, OptDType dtype = {})
      : weight(full(num_parameters, init, dtype.value_or(default_dtype()))) {}
  Tensor operator()(const Tensor& x) const { return prelu(x, weight); }
  FUNCTRA_TREE(PReLU, weight);
};
struct Softmax {
  std::int64_t dim;
  explicit Softmax(std::int64_t dim) : dim(dim) {}
  Tensor operator()(const Tensor& x) const { return softmax(x, dim); }
  FUNCTRA_TREE(Softmax, dim);
};
struct LogSoftmax {
  std::int64_t dim;
  explicit LogSoftmax(std::int64_t dim) : dim(dim) {}
  Tensor operator()(const Tensor& x) const { return log_softmax(x, dim); }
  FUNCTRA_TREE(LogSoftmax, dim);
};
struct Softmin {
  std::int64_t dim;
  explicit Softmin(std::int64_t dim) : dim(dim) {}
  Tensor operator()(const Tensor& x) const { return softmin(x, dim); }
  FUNCTRA_TREE(Softmin, dim);
};

}  // namespace functra::nn
