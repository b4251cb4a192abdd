// Pooling as layers: the functions of ops/conv.h with their options.
#pragma once
#include "functra/nn/module.h"
#include "functra/ops/conv.h"

namespace functra::nn {

struct MaxPoolOptions {
  Shape stride{};  // empty: the window
  Shape padding = 0, dilation = 1;
};
template <int D> struct MaxPool {
  Shape window;
  MaxPoolOptions options;
  explicit MaxPool(const Shape& window, const MaxPoolOptions& o = {}) : window(window), options(o) {}
  Tensor operator()(const Tensor& x) const {
    return (D == 1 ? max_pool1d : D == 2 ? max_pool2d : max_pool3d)(x, window, options.stride, options.padding, options.dilation);
  }
  FUNCTRA_TREE(MaxPool, window, options);
};
using MaxPool1d = MaxPool<1>;
using MaxPool2d = MaxPool<2>;
using MaxPool3d = MaxPool<3>;

struct AvgPoolOptions {
  Shape stride{};  // empty: the window
  Shape padding = 0;
  bool count_include_pad = true;
};
template <int D> struct AvgPool {
  Shape window;
  AvgPoolOptions options;
  explicit AvgPool(const Shape& window, const AvgPoolOptions& o = {}) : window(window), options(o) {}
  Tensor operator()(const Tensor& x) const {
    return (D == 1 ? avg_pool1d : D == 2 ? avg_pool2d : avg_pool3d)(x, window, options.stride, options.padding, options.count_include_pad);
  }
  FUNCTRA_TREE(AvgPool, window, options);
};
using AvgPool1d = AvgPool<1>;
using AvgPool2d = AvgPool<2>;
using AvgPool3d = AvgPool<3>;

template <int D> struct AdaptiveAvgPool {
  Shape output;
  explicit AdaptiveAvgPool(const Shape& output) : output(output) {}
  Tensor operator()(const Tensor& x) const { return (D == 1 ? adaptive_avg_pool1d : D == 2 ? adaptive_avg_pool2d : adaptive_avg_pool3d)(x, output); }
  FUNCTRA_TREE(AdaptiveAvgPool, output);
};
using AdaptiveAvgPool1d = AdaptiveAvgPool<1>;
using AdaptiveAvgPool2d = AdaptiveAvgPool<2>;
using AdaptiveAvgPool3d = AdaptiveAvgPool<3>;

}  // namespace functra::nn
