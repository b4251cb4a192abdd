#include "functra/nn/dropout.h"

#include "functra/ops/elementwise.h"
#include "functra/ops/factories.h"
#include "functra/ops/math.h"
#include "functra/ops/random.h"

namespace functra::nn {
using core::Site;
namespace {

void check(double p) {
  if (!(p >= 0 && p <= 1)) throw ValueError("nn::Dropout: the probability " + Scalar(p).str() + " is not in [0, 1]");
}
Tensor drop(const Tensor& x, const Tensor& key, double p, const Shape& mask) {
  if (p == 0) return x;
  return p == 1 ? zeros_like(x) : where(random::bernoulli(key, 1 - p, mask), x / (1 - p), 0.0);
}
Shape channels(const Tensor& x) {
  if (x.dim() < 2) throw ShapeError("nn::Dropout of channels: x has shape " + x.sizes().str() + "; it is [N, C, ...]");
  Shape s = x.sizes();
  for (std::size_t i = 2; i < s.size(); ++i) s[i] = 1;
  return s;
}

}  // namespace

Tensor Dropout::operator()(const Tensor& x, const Tensor& key) const {
  Site site(FUNCTRA_SITE);
  check(p);
  return mode == Mode::eval ? x : drop(x, key, p, x.sizes());
}
Tensor Dropout::operator()(const Tensor& x) const {
  Site site(FUNCTRA_SITE);
  check(p);
  return dropout(x, p, mode == Mode::train);
}
Tensor DropoutChannels::operator()(const Tensor& x, const Tensor& key) const {
  Site site(FUNCTRA_SITE);
  check(p);
  return mode == Mode::eval ? x : drop(x, key, p, channels(x));
}
Tensor DropoutChannels::operator()(const Tensor& x) const {
  Site site(FUNCTRA_SITE);
  check(p);
  return mode == Mode::eval ? x : x * dropout(ones(channels(x), x.dtype()), p, true);
}

}  // namespace functra::nn
