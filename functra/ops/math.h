// Elementwise functions. Names, defaults and results are torch's. Each takes tensors or numbers of any shape and returns the
// shape of its operand, or the broadcast shape of several. Functions defined on floating numbers convert integers and bools to the
// default dtype first; complex operands raise a DTypeError. Shapes that do not broadcast raise a ShapeError, undefined tensors a ValueError.
//
// Results are within 4 units of the last place for all arguments, eager and compiled (measured: tests/sweeps/accuracy_sweep.cpp; the worst is
// 3.8), and special values are those of C99 Annex F. Where the result is small because larger terms cancel, logaddexp is within 4 units of
// the greater operand. Functions that are composed of others (logaddexp2, logit, sinc, gelu, silu, ldexp, deg2rad, lerp, addcmul and such) add the
// roundings of their parts, arguments included: close to its zeros sinc has an absolute error, and the relative error of gelu grows like x^2
// to the left.
#pragma once
#include <optional>

#include "functra/tensor/tensor.h"

namespace functra {

// ---------------------------------------------------------------- exponentials, logarithms, roots, powers
Tensor exp(const Tensor& x);
Tensor log(const Tensor& x);
Tensor log1p(const Tensor& x);  // log(1 + x)
Tensor expm1(const Tensor& x);  // exp(x) - 1
Tensor exp2(const Tensor& x);   // 2^x
Tensor log2(const Tensor& x);
Tensor log10(const Tensor& x);
Tensor sqrt(const Tensor& x);
Tensor rsqrt(const Tensor& x);  // 1 / sqrt(x)
Tensor cbrt(const Tensor& x);   // the cube root, of negative numbers too
// sqrt(a^2 + b^2) without overflow; its derivative at the origin is taken as 0.
Tensor hypot(const Tensor& a, const Tensor& b);
Tensor square(const Tensor& x);  // of integers too
Tensor reciprocal(const Tensor& x);
// x^0 is 1 with derivative 0, whatever x. The derivative by the exponent is 0 where the base is 0, NaN where it is negative. Integers
// take a number as exponent: ValueError if it is negative, DTypeError if the exponent is an integer tensor.
Tensor pow(const Tensor& base, const Tensor& exponent);
Tensor float_power(const Tensor& base, const Tensor& exponent);  // in f64
Tensor ldexp(const Tensor& x, const Tensor& n);                  // x 2^n
// log(exp(a) + exp(b)), to the base 2 in logaddexp2, without overflow.
Tensor logaddexp(const Tensor& a, const Tensor& b);
Tensor logaddexp2(const Tensor& a, const Tensor& b);
// x log(y) and x log(1 + y): 0 for x = 0 unless y is NaN. Where x is 0 and the logarithm is not finite, derivatives are 0.
Tensor xlogy(const Tensor& x, const Tensor& y);
Tensor xlog1py(const Tensor& x, const Tensor& y);
Tensor logit(const Tensor& x, std::optional<double> eps = {});  // log(x / (1 - x)), of x within [eps, 1 - eps] where given

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
Tensor asinh(const Tensor& x);
Tensor acosh(const Tensor& x);
Tensor atanh(const Tensor& x);
Tensor sinc(const Tensor& x);  // sin(pi x) / (pi x); derivatives of any order are exact at 0
Tensor deg2rad(const Tensor& x);
Tensor rad2deg(const Tensor& x);
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
Tensor frac(const Tensor& x);  // x - trunc(x)
// a - floor(a / b) b: the sign of the divisor, as Python's %. Of integers by zero: 0.
Tensor remainder(const Tensor& a, const Tensor& b);
Tensor fmod(const Tensor& a, const Tensor& b);          // a - trunc(a / b) b: the sign of the dividend, as C's
Tensor floor_divide(const Tensor& a, const Tensor& b);  // Python's //; derivative 0. Of integers by zero: 0 or -1
Tensor copysign(const Tensor& a, const Tensor& b);      // |a| with the sign of b, that of -0 too; derivative 0 at a = 0
// 0 below zero and for NaN, 1 above, `at_zero` where x is 0.
Tensor heaviside(const Tensor& x, const Tensor& at_zero);
// NaN and infinities replaced: by the largest and lowest finite numbers of the dtype where none is given. Derivative 0 there.
Tensor nan_to_num(const Tensor& x, double nan = 0, std::optional<double> posinf = {}, std::optional<double> neginf = {});

// ---------------------------------------------------------------- the operators as functions
Tensor add(const Tensor& a, const Tensor& b);
Tensor sub(const Tensor& a, const Tensor& b);
Tensor mul(const Tensor& a, const Tensor& b);
Tensor div(const Tensor& a, const Tensor& b);
Tensor neg(const Tensor& x);
Tensor addcmul(const Tensor& x, const Tensor& a, const Tensor& b, const Tensor& value = 1);  // x + value a b
Tensor addcdiv(const Tensor& x, const Tensor& a, const Tensor& b, const Tensor& value = 1);  // x + value a / b

// ---------------------------------------------------------------- choice
// NaN if either is. Operands that tie share the derivative equally.
Tensor maximum(const Tensor& a, const Tensor& b);
Tensor minimum(const Tensor& a, const Tensor& b);
Tensor fmax(const Tensor& a, const Tensor& b);  // as maximum, but the other operand where one is NaN
Tensor fmin(const Tensor& a, const Tensor& b);
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
