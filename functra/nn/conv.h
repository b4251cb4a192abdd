// Convolutions and their transposes, as torch.nn has them. x is [N, C, spatial...] or [C, spatial...]; kernels, strides, paddings and
// dilations are one number or one per spatial dimension. Weight and bias begin uniform within 1 / sqrt(fan in).
#pragma once
#include <optional>

#include "functra/nn/module.h"

namespace functra::nn {

struct ConvOptions {
  Shape stride = 1, padding = 0, dilation = 1;
  std::int64_t groups = 1;
  bool bias = true;
  OptDType dtype{};
};
// ValueError for channels that groups does not divide; from operator() the errors of ft::conv2d.
template <int D> struct Conv {
  Tensor weight;               // [out, in / groups, kernel...]
  std::optional<Tensor> bias;  // [out]
  Shape stride, padding, dilation;
  std::int64_t groups;

  Conv(const Tensor& key, std::int64_t in_channels, std::int64_t out_channels, const Shape& kernel, const ConvOptions& o = {});
  Tensor operator()(const Tensor& x) const;
  FUNCTRA_TREE(Conv, weight, bias, stride, padding, dilation, groups);
};
extern template struct Conv<1>;
extern template struct Conv<2>;
extern template struct Conv<3>;
using Conv1d = Conv<1>;
using Conv2d = Conv<2>;
using Conv3d = Conv<3>;

struct ConvTransposeOptions {
  Shape stride = 1, padding = 0, output_padding = 0;
  std::int64_t groups = 1;
  bool bias = true;
  Shape dilation = 1;
  OptDType dtype{};
};
template <int D> struct ConvTranspose {
  Tensor weight;               // [in, out / groups, kernel...]
  std::optional<Tensor> bias;  // [out]
  Shape stride, padding, output_padding, dilation;
  std::int64_t groups;

  ConvTranspose(const Tensor& key, std::int64_t in_channels, std::int64_t out_channels, const Shape& kernel, const ConvTransposeOptions& o = {});
  Tensor operator()(const Tensor& x) const;
  FUNCTRA_TREE(ConvTranspose, weight, bias, stride, padding, output_padding, dilation, groups);
};
extern template struct ConvTranspose<1>;
extern template struct ConvTranspose<2>;
extern template struct ConvTranspose<3>;
using ConvTranspose1d = ConvTranspose<1>;
using ConvTranspose2d = ConvTranspose<2>;
using ConvTranspose3d = ConvTranspose<3>;

}  // namespace functra::nn
