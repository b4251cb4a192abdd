// Elementwise functions. Names, defaults and results are torch's. Each takes tensors or numbers of any shape and returns the
// shape of its operand, or the broadcast shape of several. Functions defined on floating numbers convert integers and bools to the
// default dtype first; complex operands raise a DTypeError. Accuracy is 4 units of the last place; special values are
// those of C99 Annex F. Shapes that do not broadcast raise a ShapeError, undefined tensors a ValueError.
#pragma once
#include <optional>

#include "functra/tensor/tensor.h"

namespace functra {

// ---------------------------------------------------------------- exponentials, logarithms, roots, powers
Tensor exp(const Tensor& x);
Tensor log(const Tensor& x);
Tensor log1p(const Tensor& x);  // log(1 + x)
Tensor expm1(const Tensor& x);  // exp(x) - 1
Tensor sqrt(const Tensor& x);
Tensor rsqrt(const Tensor& x);   // 1 / sqrt(x)
Tensor square(const Tensor& x);  // of integers too
Tensor reciprocal(const Tensor& x);
// x^0 is 1 with derivative 0, whatever x. The derivative by the exponent is 0 where the base is 0, NaN where it is negative. Integers
// take a number as exponent: ValueError if it is negative, DTypeError if the exponent is an integer tensor.
Tensor pow(const Tensor& base, const Tensor& exponent);

// ---------------------------------------------------------------- trigonometric, hyperbolic, error functions
Tensor sin(const Tensor& x);
Tensor cos(const Tensor& x);
Tensor tan(const Tensor& x);
Tensor asin(const Tensor& x);
Tensor acos(const Tensor& x);
Tensor atan(const Tensor& x);
Tensor atan2(const Tensor& y, const Tensor& x);
Tensor sinh(const Tensor& x);
Tensor cosh(const Tensor& x);
Tensor tanh(const Tensor& x);
Tensor erf(const Tensor& x);
Tensor erfc(const Tensor& x);     // 1 - erf(x)
Tensor erf_inv(const Tensor& x);  // the inverse of erf

// ---------------------------------------------------------------- activations
Tensor sigmoid(const Tensor& x);   // 1 / (1 + exp(-x))
Tensor relu(const Tensor& x);      // max(x, 0), derivative 0 at 0; NaN stays
Tensor gelu(const Tensor& x);      // x times the normal distribution function (Hendrycks and Gimpel 2016)
Tensor silu(const Tensor& x);      // x sigmoid(x)
Tensor softplus(const Tensor& x);  // log(1 + exp(x)), without overflow

// ---------------------------------------------------------------- signs, rounding, remainder
Tensor abs(const Tensor& x);    // derivative 0 at 0
Tensor sign(const Tensor& x);   // of NaN: 0
Tensor floor(const Tensor& x);  // these four return integers as they are
Tensor ceil(const Tensor& x);
Tensor round(const Tensor& x);  // ties to even
Tensor trunc(const Tensor& x);
// a - floor(a / b) b: the sign of the divisor, as Python's %. Of integers by zero: 0.
Tensor remainder(const Tensor& a, const Tensor& b);

// ---------------------------------------------------------------- choice
// NaN if either is. Operands that tie share the derivative equally.
Tensor maximum(const Tensor& a, const Tensor& b);
Tensor minimum(const Tensor& a, const Tensor& b);
// x within [min, max]; max where min > max. At a bound the derivative goes to x. NaN stays; a NaN bound does not bound. ValueError
// without any bound.
Tensor clamp(const Tensor& x, const std::optional<Tensor>& min = {}, const std::optional<Tensor>& max = {});
// a where `condition` (bool; DTypeError otherwise), else b. Derivatives go to the operand chosen, but what is computed from the
// other one is still differentiated: where(x > 0, sqrt(x), 0) has a NaN derivative at 0, so choose before the square root.
Tensor where(const Tensor& condition, const Tensor& a, const Tensor& b);
// start + weight (end - start)
Tensor lerp(const Tensor& start, const Tensor& end, const Tensor& weight);

// x, with derivative zero.
Tensor stop_gradient(const Tensor& x);

}  // namespace functra
