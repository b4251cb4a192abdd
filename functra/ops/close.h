// Are two tensors the same? Whole answers; they read values, so traced operands raise a TracerError.
#pragma once
#include "functra/tensor/tensor.h"

namespace functra {

// Same shape and equal elements after promotion; NaN equals nothing.
bool equal(const Tensor& a, const Tensor& b);

// Elementwise |a - b| <= atol + rtol |b|, with broadcasting; equal infinities are close, and NaNs where equal_nan is given.
Tensor isclose(const Tensor& a, const Tensor& b, double rtol = 1e-5, double atol = 1e-8, bool equal_nan = false);
bool allclose(const Tensor& a, const Tensor& b, double rtol = 1e-5, double atol = 1e-8, bool equal_nan = false);

}  // namespace functra
