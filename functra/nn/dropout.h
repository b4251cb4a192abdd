// Dropout (Srivastava et al. 2014): in train mode each element is 0 with probability p, or else divided by 1 - p.
#pragma once
#include "functra/nn/module.h"

namespace functra::nn {

struct Dropout {
  double p;
  Mode mode = Mode::train;
  explicit Dropout(double p = 0.5) : p(p) {}
  // With a key: the same key drops the same elements. Without: a stateful draw, as ft::dropout. ValueError for p outside [0, 1].
  Tensor operator()(const Tensor& x, const Tensor& key) const;
  Tensor operator()(const Tensor& x) const;
  FUNCTRA_TREE(Dropout, p, mode);
};
// Whole channels of x [N, C, ...] at once.
struct DropoutChannels {
  double p;
  Mode mode = Mode::train;
  explicit DropoutChannels(double p = 0.5) : p(p) {}
  Tensor operator()(const Tensor& x, const Tensor& key) const;
  Tensor operator()(const Tensor& x) const;
  FUNCTRA_TREE(DropoutChannels, p, mode);
};
using Dropout1d = DropoutChannels;
using Dropout2d = DropoutChannels;
using Dropout3d = DropoutChannels;

}  // namespace functra::nn
