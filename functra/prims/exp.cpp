// Exponentials, logarithms, powers.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "functra/prims/exp.cpp"
#include "functra/prims/elementwise.inc"

// ---------------------------------------------------------------- exp
FUNCTRA_FORMULA(exp, floating, (auto x), num::exp(x))
FUNCTRA_PRIMITIVES(constexpr Primitive exp_p = unary_p<[](auto&, auto& y, auto& t) { return mul(t, y); }>("exp", exp_formula);
                   Tensor exp(const Tensor& x) { return unary(exp_p, x); })

// ---------------------------------------------------------------- log
FUNCTRA_FORMULA(log, floating, (auto x), num::log(x))
FUNCTRA_PRIMITIVES(constexpr Primitive log_p = unary_p<[](auto& x, auto&, auto& t) { return div(t, x); }>("log", log_formula);
                   Tensor log(const Tensor& x) { return unary(log_p, x); })

// ---------------------------------------------------------------- log1p
FUNCTRA_FORMULA(log1p, floating, (auto x), num::log1p(x))
FUNCTRA_PRIMITIVES(constexpr Primitive log1p_p = unary_p<[](auto& x, auto&, auto& t) { return div(t, add(like(1, x), x)); }>("log1p", log1p_formula);
                   Tensor log1p(const Tensor& x) { return unary(log1p_p, x); })

// ---------------------------------------------------------------- expm1
FUNCTRA_FORMULA(expm1, floating, (auto x), num::expm1(x))
FUNCTRA_PRIMITIVES(constexpr Primitive expm1_p = unary_p<[](auto&, auto& y, auto& t) { return mul(t, add(y, like(1, y))); }>("expm1", expm1_formula);
                   Tensor expm1(const Tensor& x) { return unary(expm1_p, x); })

// ---------------------------------------------------------------- logistic (sigmoid)
FUNCTRA_FORMULA(logistic, floating, (auto x), num::sigmoid(x))
FUNCTRA_PRIMITIVES(constexpr Primitive logistic_p =
                       unary_p<[](auto&, auto& y, auto& t) { return mul(t, mul(y, sub(like(1, y), y))); }>("logistic", logistic_formula);
                   Tensor logistic(const Tensor& x) { return unary(logistic_p, x); })

// ---------------------------------------------------------------- softplus: its derivatives are those of the logistic function
FUNCTRA_FORMULA(softplus, floating, (auto x), num::max(x, decltype(x)(0)) + num::log1p(num::exp(-num::abs(x))))
FUNCTRA_PRIMITIVES(constexpr Primitive softplus_p = unary_p<[](auto& x, auto&, auto& t) { return mul(t, logistic(x)); }>("softplus",
                                                                                                                         softplus_formula);
                   Tensor softplus(const Tensor& x) { return unary(softplus_p, x); })

// ---------------------------------------------------------------- pow
// The parts are b a^(b-1), 0 where a and b are 0, and log(a) a^b, 0 where a is 0. What is guarded is the operand, not the result, so
// that higher derivatives are finite too. The part of the exponent is NaN for negative bases: there is no derivative.
FUNCTRA_FORMULA(pow, floating, (auto a, auto b), num::pow(a, b))
#if HWY_ONCE
namespace functra::prims {
namespace {
Tensor pow_base_part(const Tensor& a, const Tensor& b, const Tensor& t) {
  if (b.literal()) {
    double v = b.item().real();
    return v == 0 ? Tensor() : mul(t, mul(b, pow(a, like(v - 1, b))));
  }
  Tensor at_origin = bitwise_and(eq(a, like(0, a)), eq(b, like(0, b)));
  return mul(t, mul(b, pow(a, sub(select(at_origin, like(1, b), b), like(1, b)))));
}
Tensor pow_exponent_part(const Tensor& a, const Tensor& y, const Tensor& t) { return mul(t, mul(y, log(select(eq(a, like(0, a)), like(1, a), a)))); }
}  // namespace
constexpr Primitive pow_p = [] {
  Primitive p = elementwise_p("pow", pow_formula, 2);
  p.jvp = [](const Call& c, Ins x, Ins t, Outs y, Outs dy) {
    bind_prim(c, x, y);
    if (!is_differentiable(y[0].raw_dtype())) return;
    Tensor a = is_zero(t[0]) ? Tensor() : pow_base_part(x[0], x[1], t[0]);
    Tensor b = is_zero(t[1]) ? Tensor() : fit(pow_exponent_part(x[0], y[0], t[1]), y[0]);
    dy[0] = add_ct(is_zero(a) ? a : fit(a, y[0]), std::move(b));
  };
  return p;
}();
Tensor pow(const Tensor& a, const Tensor& b) { return binary(pow_p, a, b); }
}  // namespace functra::prims
#endif

#if HWY_ONCE
#include "functra/prims/families.h"
namespace functra::prims {
Table exp_table() {
  static constexpr const Primitive* t[] = {&exp_p, &log_p, &log1p_p, &expm1_p, &logistic_p, &softplus_p, &pow_p};
  return t;
}
}  // namespace functra::prims
#endif
