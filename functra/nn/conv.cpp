#include "functra/nn/conv.h"

#include <cmath>

#include "functra/nn/init.h"
#include "functra/ops/conv.h"
#include "functra/ops/elementwise.h"
#include "functra/ops/random.h"

namespace functra::nn {
using core::Site;
namespace {

// [first, second / groups, kernel...] and [out], uniform within 1 / sqrt(fan in).
void parameters(Tensor& weight, std::optional<Tensor>& bias, const Tensor& key, std::int64_t first, std::int64_t second, std::int64_t out,
                std::int64_t groups, const Shape& kernel, int d, bool with_bias, OptDType dtype, const std::string& who) {
  if (groups < 1 || first < 1 || second < 1 || first % groups || second % groups)
    throw ValueError(who + ": " + std::to_string(first) + " and " + std::to_string(second) + " channels are not divisible into " +
                     std::to_string(groups) + (groups == 1 ? " group" : " groups"));
  Shape shape{first, second / groups};
  if (kernel.rank() != d && kernel.rank() != 1) throw ShapeError(who + ": kernel " + kernel.str() + " needs one entry or " + std::to_string(d));
  for (int i = 0; i < d; ++i) {
    shape.push_back(kernel[kernel.rank() == 1 ? 0 : static_cast<std::size_t>(i)]);
    if (shape.back() < 1) throw ValueError(who + ": kernel " + kernel.str() + " has no elements");
  }
  auto [kw, kb] = random::split(key);
  double bound = 1 / std::sqrt(static_cast<double>(init::fans(shape).in));
  weight = init::uniform(kw, shape, -bound, bound, dtype);
  if (with_bias) bias = init::uniform(kb, out, -bound, bound, dtype);
}

}  // namespace

template <int D> Conv<D>::Conv(const Tensor& key, std::int64_t in, std::int64_t out, const Shape& kernel, const ConvOptions& o)
    : stride(o.stride), padding(o.padding), dilation(o.dilation), groups(o.groups) {
  parameters(weight, bias, key, out, in, out, groups, kernel, D, o.bias, o.dtype, "nn::Conv" + std::to_string(D) + "d");
}
template <int D> Tensor Conv<D>::operator()(const Tensor& x) const {
  Site site(FUNCTRA_SITE);
  return (D == 1 ? conv1d : D == 2 ? conv2d : conv3d)(x, weight, bias.value_or(Tensor()), stride, padding, dilation, groups);
}
template struct Conv<1>;
template struct Conv<2>;
template struct Conv<3>;

template <int D>
ConvTranspose<D>::ConvTranspose(const Tensor& key, std::int64_t in, std::int64_t out, const Shape& kernel, const ConvTransposeOptions& o)
    : stride(o.stride), padding(o.padding), output_padding(o.output_padding), dilation(o.dilation), groups(o.groups) {
  parameters(weight, bias, key, in, out, out, groups, kernel, D, o.bias, o.dtype, "nn::ConvTranspose" + std::to_string(D) + "d");
}
template <int D> Tensor ConvTranspose<D>::operator()(const Tensor& x) const {
  Site site(FUNCTRA_SITE);
  auto f = D == 1 ? conv_transpose1d : D == 2 ? conv_transpose2d : conv_transpose3d;
  return f(x, weight, bias.value_or(Tensor()), stride, padding, output_padding, groups, dilation);
}
template struct ConvTranspose<1>;
template struct ConvTranspose<2>;
template struct ConvTranspose<3>;

}  // namespace functra::nn
