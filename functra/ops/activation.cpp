// What is not taken is replaced before it is computed, so that its infinite derivative does not meet a zero cotangent.
#include "functra/ops/activation.h"

#include <cmath>
#include <numbers>

#include "functra/ops/compare.h"
#include "functra/ops/elementwise.h"
#include "functra/ops/math.h"
#include "functra/ops/reduce.h"
#include "functra/ops/reduction.h"
#include "functra/ops/shape.h"

namespace functra {
namespace {
using core::Site;

Tensor real(const Tensor& x, const char* who) {
  Tensor r = ops::operand(x, who);
  ops::need_floating(r, who);
  return r;
}
// positive(x) above 0, scale expm1(x / width) up to there.
Tensor exponential_below(const Tensor& x, double slope, double scale, double width) {
  Tensor above = gt(x, 0);
  return where(above, slope * x, scale * expm1(where(above, 0.0, x) / width));
}
}  // namespace

Tensor hardtanh(const Tensor& x, double min, double max) {
  Site site(FUNCTRA_SITE);
  Tensor r = real(x, "hardtanh");
  return where(le(r, min), min, where(ge(r, max), max, r));
}
Tensor relu6(const Tensor& x) {
  Site site(FUNCTRA_SITE);
  return hardtanh(real(x, "relu6"), 0, 6);
}
Tensor leaky_relu(const Tensor& x, double slope) {
  Site site(FUNCTRA_SITE);
  Tensor r = real(x, "leaky_relu");
  return where(gt(r, 0), r, slope * r);
}
Tensor prelu(const Tensor& x, const Tensor& weight) {
  Site site(FUNCTRA_SITE);
  Tensor r = real(x, "prelu"), w = weight;
  if (w.dim() > 1 || (w.dim() == 1 && w.size(0) != 1 && (r.dim() == 0 || w.size(0) != r.size(r.dim() == 1 ? 0 : 1))))
    throw ShapeError("prelu: weight has shape " + w.sizes().str() + "; it is [], [1], or one slope for each channel of x " + r.sizes().str());
  if (w.dim() == 1) {
    Shape s = Shape::filled(static_cast<std::size_t>(r.dim()), 1);
    if (r.dim() > 0) s[r.dim() == 1 ? 0 : 1] = w.size(0);
    w = reshape(w, s);
  }
  return where(gt(r, 0), r, w * r);
}
Tensor elu(const Tensor& x, double alpha) {
  Site site(FUNCTRA_SITE);
  return exponential_below(real(x, "elu"), 1, alpha, 1);
}
Tensor selu(const Tensor& x) {
  Site site(FUNCTRA_SITE);
  const double alpha = 1.6732632423543772848170429916717, scale = 1.0507009873554804934193349852946;
  return exponential_below(real(x, "selu"), scale, scale * alpha, 1);
}
Tensor celu(const Tensor& x, double alpha) {
  Site site(FUNCTRA_SITE);
  if (alpha == 0) throw ValueError("celu: alpha is 0");
  return exponential_below(real(x, "celu"), 1, alpha, alpha);
}
Tensor gelu_tanh(const Tensor& x) {
  Site site(FUNCTRA_SITE);
  Tensor r = real(x, "gelu_tanh");
  return 0.5 * r * (1 + tanh(std::sqrt(2 / std::numbers::pi) * (r + 0.044715 * r * r * r)));
}
Tensor mish(const Tensor& x) {
  Site site(FUNCTRA_SITE);
  Tensor r = real(x, "mish");
  return r * tanh(softplus(r));
}
Tensor softplus_beta(const Tensor& x, double beta, double threshold) {
  Site site(FUNCTRA_SITE);
  if (beta == 0) throw ValueError("softplus_beta: beta is 0");
  Tensor r = real(x, "softplus_beta"), scaled = beta * r;
  return where(gt(scaled, threshold), r, softplus(scaled) / beta);
}
Tensor softsign(const Tensor& x) {
  Site site(FUNCTRA_SITE);
  Tensor r = real(x, "softsign");
  return r / (1 + abs(r));
}
Tensor tanhshrink(const Tensor& x) {
  Site site(FUNCTRA_SITE);
  Tensor r = real(x, "tanhshrink");
  return r - tanh(r);
}
Tensor softshrink(const Tensor& x, double lambda) {
  Site site(FUNCTRA_SITE);
  Tensor r = real(x, "softshrink");
  return where(gt(r, lambda), r - lambda, where(lt(r, -lambda), r + lambda, 0.0 * r));
}
Tensor hardshrink(const Tensor& x, double lambda) {
  Site site(FUNCTRA_SITE);
  Tensor r = real(x, "hardshrink");
  return where(le(abs(r), lambda), 0.0, r);
}
Tensor hardsigmoid(const Tensor& x) {
  Site site(FUNCTRA_SITE);
  return relu6(real(x, "hardsigmoid") + 3) / 6;
}
Tensor hardswish(const Tensor& x) {
  Site site(FUNCTRA_SITE);
  Tensor r = real(x, "hardswish");
  return r * hardsigmoid(r);
}
Tensor logsigmoid(const Tensor& x) {
  Site site(FUNCTRA_SITE);
  return -softplus(-real(x, "logsigmoid"));
}
Tensor threshold(const Tensor& x, double at, double value) {
  Site site(FUNCTRA_SITE);
  Tensor r = real(x, "threshold");
  return where(le(r, at), value, r);
}
Tensor softmin(const Tensor& x, std::int64_t dim) {
  Site site(FUNCTRA_SITE);
  return softmax(-real(x, "softmin"), dim);
}
Tensor glu(const Tensor& x, std::int64_t dim) {
  Site site(FUNCTRA_SITE);
  Tensor r = real(x, "glu");
  int d = wrap_dim(dim, static_cast<int>(r.dim()), "glu");
  std::int64_t n = r.size(d);
  if (n % 2) throw ShapeError("glu: dimension " + std::to_string(d) + " of x " + r.sizes().str() + " is odd and has no halves");
  return narrow(r, d, 0, n / 2) * sigmoid(narrow(r, d, n / 2, n / 2));
}

}  // namespace functra
