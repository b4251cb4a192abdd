// Elementwise primitives. Functions take operands of one dtype (weak ones adopt the other's) and of one shape, or of rank 0.
#pragma once
#include "functra/prims/build.h"

namespace functra::prims {

// ---------------------------------------------------------------- constructors
constexpr Primitive elementwise_p(const char* name, const Formula& f, int n_in) {
  Primitive p{.name = name};
  p.elementwise = f.predicate ? Elementwise::predicate : Elementwise::same_dtype;
  p.n_in = n_in;
  p.shape = shape_elementwise;
  p.eval = eval_elementwise;
  p.batch = batch_elementwise;
  p.lowering = {.kind = Lowering::Kind::scalar, .formula = &f};
  return p;
}
// D(x, y, t) -> dy: the derivative at x, where y is the value, times t.
template <auto D> constexpr Primitive unary_p(const char* name, const Formula& f) {
  Primitive p = elementwise_p(name, f, 1);
  p.jvp = jvp_unary<D>;
  return p;
}
// Da(a, b, y, t), Db(a, b, y, t): the parts of each operand.
template <auto Da, auto Db> constexpr Primitive binary_p(const char* name, const Formula& f) {
  Primitive p = elementwise_p(name, f, 2);
  p.jvp = jvp_binary<Da, Db>;
  return p;
}
// The derivative is zero everywhere it exists.
constexpr Primitive flat_p(const char* name, const Formula& f, int n_in) {
  Primitive p = elementwise_p(name, f, n_in);
  p.jvp = jvp_zero;
  return p;
}
constexpr Primitive with_transpose(Primitive p, TransposeRule t) {
  p.transpose = t;
  return p;
}

// A jvp for two operands whose parts are better made together: D(a, b, y, ta, tb), tangents null where zero, not both.
template <auto D> constexpr Primitive joint_p(const char* name, const Formula& f) {
  Primitive p = elementwise_p(name, f, 2);
  p.jvp = [](const Call& c, Ins x, Ins t, Outs y, Outs dy) {
    bind_prim(c, x, y);
    if (is_differentiable(y[0].raw_dtype()) && (!is_zero(t[0]) || !is_zero(t[1]))) dy[0] = fit(D(x[0], x[1], y[0], t[0], t[1]), y[0]);
  };
  return p;
}

// ---------------------------------------------------------------- arithmetic (arith.cpp)
extern const Primitive neg_p, sub_p, mul_p, div_p, rem_p, fmod_p, floor_div_p, max_p, min_p, abs_p, sign_p, copysign_p, sqrt_p, rsqrt_p, cbrt_p,
    hypot_p, integer_pow_p;
using core::add;
using core::select;
using core::sub;
Tensor neg(const Tensor& x);
Tensor mul(const Tensor& a, const Tensor& b);
Tensor div(const Tensor& a, const Tensor& b);
Tensor rem(const Tensor& a, const Tensor& b);        // the sign of the divisor, as Python's %
Tensor fmod(const Tensor& a, const Tensor& b);       // the sign of the dividend, as C's
Tensor floor_div(const Tensor& a, const Tensor& b);  // Python's //
Tensor max(const Tensor& a, const Tensor& b);        // NaN if either is; operands that tie share the derivative
Tensor min(const Tensor& a, const Tensor& b);
Tensor abs(const Tensor& x);
Tensor sign(const Tensor& x);                       // of NaN: 0
Tensor copysign(const Tensor& a, const Tensor& b);  // |a| with the sign of b, of -0 too
Tensor sqrt(const Tensor& x);
Tensor rsqrt(const Tensor& x);
Tensor cbrt(const Tensor& x);
Tensor hypot(const Tensor& a, const Tensor& b);  // its derivative at the origin is taken as 0
struct IntegerPowParams {
  std::int64_t n;
};
Tensor integer_pow(const Tensor& x, std::int64_t n);  // by products: an error of up to |n| - 1 units of the last place, |n| for n < 0

// ---------------------------------------------------------------- exponentials and powers (exp.cpp)
extern const Primitive exp_p, log_p, log1p_p, expm1_p, logistic_p, softplus_p, pow_p;
Tensor exp(const Tensor& x);
Tensor log(const Tensor& x);
Tensor log1p(const Tensor& x);
Tensor expm1(const Tensor& x);
Tensor logistic(const Tensor& x);  // 1 / (1 + exp(-x))
Tensor softplus(const Tensor& x);  // log(1 + exp(x))
Tensor pow(const Tensor& a, const Tensor& b);

// ---------------------------------------------------------------- other bases, sums and products with logarithms (logs.cpp)
extern const Primitive exp2_p, log2_p, log10_p, logaddexp_p, xlogy_p, xlog1py_p;
Tensor exp2(const Tensor& x);
Tensor log2(const Tensor& x);
Tensor log10(const Tensor& x);
Tensor logaddexp(const Tensor& a, const Tensor& b);  // log(exp(a) + exp(b))
Tensor xlogy(const Tensor& x, const Tensor& y);      // x log(y), 0 for x = 0; so are the derivatives where y <= 0 too
Tensor xlog1py(const Tensor& x, const Tensor& y);    // x log(1 + y)

// ---------------------------------------------------------------- trigonometric and hyperbolic (trig.cpp)
extern const Primitive sin_p, cos_p, tan_p, asin_p, acos_p, atan_p, atan2_p, sinh_p, cosh_p, tanh_p, asinh_p, acosh_p, atanh_p, sinc_p;
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
struct SincParams {
  std::int64_t derivative;
};
// sin(x) / x, or its n-th derivative: for n up to 3 within 4 units of the last place of 1 / max(|x|, n + 1).
Tensor sinc(const Tensor& x, std::int64_t derivative = 0);

// ---------------------------------------------------------------- error functions (special.cpp)
extern const Primitive erf_p, erfc_p, erf_inv_p;
Tensor erf(const Tensor& x);
Tensor erfc(const Tensor& x);
Tensor erf_inv(const Tensor& x);

// ---------------------------------------------------------------- rounding (round.cpp)
extern const Primitive floor_p, ceil_p, round_p, trunc_p;
Tensor floor(const Tensor& x);
Tensor ceil(const Tensor& x);
Tensor round(const Tensor& x);  // ties to even
Tensor trunc(const Tensor& x);

// ---------------------------------------------------------------- comparisons (compare.cpp)
extern const Primitive eq_p, ne_p, lt_p, le_p, gt_p, ge_p;
Tensor eq(const Tensor& a, const Tensor& b);
Tensor ne(const Tensor& a, const Tensor& b);
Tensor lt(const Tensor& a, const Tensor& b);
Tensor le(const Tensor& a, const Tensor& b);
Tensor gt(const Tensor& a, const Tensor& b);
Tensor ge(const Tensor& a, const Tensor& b);

// ---------------------------------------------------------------- of integers and bools (bitwise.cpp)
extern const Primitive bitwise_and_p, bitwise_or_p, bitwise_xor_p, bitwise_not_p, shift_left_p, shift_right_p;
Tensor bitwise_and(const Tensor& a, const Tensor& b);
Tensor bitwise_or(const Tensor& a, const Tensor& b);
Tensor bitwise_xor(const Tensor& a, const Tensor& b);
Tensor bitwise_not(const Tensor& x);
// By the width or more: zero, but minus one for negative numbers shifted right.
Tensor shift_left(const Tensor& a, const Tensor& b);
Tensor shift_right(const Tensor& a, const Tensor& b);          // arithmetic on signed types
Tensor shift_right_logical(const Tensor& a, const Tensor& b);  // zeros come in, whatever the type

}  // namespace functra::prims
