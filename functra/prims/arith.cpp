// Arithmetic, remainders, extremes of two, signs, roots, whole powers.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "functra/prims/arith.cpp"
#include "functra/prims/elementwise.inc"

// ---------------------------------------------------------------- neg
FUNCTRA_FORMULA(neg, real, (auto x), -x)
FUNCTRA_PRIMITIVES(
    constexpr Primitive neg_p =
        [] {
          Primitive p = elementwise_p("neg", neg_formula, 1);
          p.linear = true;
          p.jvp = jvp_linear;
          p.transpose = [](const Call&, Ins ct, std::span<const Operand>, Outs g) { g[0] = neg(ct[0]); };
          return p;
        }();
    Tensor neg(const Tensor& x) { return unary(neg_p, x); })

// ---------------------------------------------------------------- add
FUNCTRA_FORMULA(add, real, (auto a, auto b), a + b)
#if HWY_ONCE
namespace functra::core {
constexpr Primitive add_p = [] {
  Primitive p = prims::elementwise_p("add", add_formula, 2);
  p.linear = true;
  p.jvp = [](const Call& c, Ins x, Ins t, Outs y, Outs dy) {
    bind_prim(c, x, y);
    if (is_differentiable(y[0].raw_dtype())) dy[0] = prims::fit(add_ct(t[0], t[1]), y[0]);
  };
  p.transpose = [](const Call&, Ins ct, std::span<const Operand> in, Outs g) {
    for (std::size_t k : {0u, 1u})
      if (in[k].linear()) g[k] = prims::unfit(ct[0], *in[k].type);
  };
  return p;
}();
Tensor add(const Tensor& a, const Tensor& b) { return prims::binary(add_p, a, b); }
}  // namespace functra::core
#endif

// ---------------------------------------------------------------- sub
FUNCTRA_FORMULA(sub, real, (auto a, auto b), a - b)
FUNCTRA_PRIMITIVES(constexpr Primitive sub_p = [] {
  Primitive p = binary_p<[](auto&, auto&, auto&, auto& t) { return t; }, [](auto&, auto&, auto&, auto& t) { return neg(t); }>("sub", sub_formula);
  p.linear = true;
  p.jvp = [](const Call& c, Ins x, Ins t, Outs y, Outs dy) {
    bind_prim(c, x, y);
    if (is_differentiable(y[0].raw_dtype())) dy[0] = fit(is_zero(t[1]) ? t[0] : is_zero(t[0]) ? neg(t[1]) : sub(t[0], t[1]), y[0]);
  };
  p.transpose = [](const Call&, Ins ct, std::span<const Operand> in, Outs g) {
    if (in[0].linear()) g[0] = unfit(ct[0], *in[0].type);
    if (in[1].linear()) g[1] = unfit(neg(ct[0]), *in[1].type);
  };
  return p;
}();)
#if HWY_ONCE
namespace functra::core {
Tensor sub(const Tensor& a, const Tensor& b) { return prims::binary(prims::sub_p, a, b); }
}  // namespace functra::core
#endif

// ---------------------------------------------------------------- mul
FUNCTRA_FORMULA(mul, real, (auto a, auto b), a* b)
FUNCTRA_PRIMITIVES(constexpr Primitive mul_p = with_transpose(binary_p<[](auto&, auto& b, auto&, auto& t) { return mul(t, b); },
                                                                       [](auto& a, auto&, auto&, auto& t) { return mul(t, a); }>("mul", mul_formula),
                                                              [](const Call&, Ins ct, std::span<const Operand> in, Outs g) {
                                                                if (in[0].linear() && in[1].linear()) Operand::not_known();
                                                                for (std::size_t k : {0u, 1u})
                                                                  if (in[k].linear()) g[k] = unfit(mul(ct[0], *in[1 - k]), *in[k].type);
                                                              });
                   Tensor mul(const Tensor& a, const Tensor& b) {
                     if (is_literal(a, 1) && !b.is_scalar()) return b;  // the seed of a gradient
                     if (is_literal(b, 1) && !a.is_scalar()) return a;
                     return binary(mul_p, a, b);
                   })

// ---------------------------------------------------------------- div (of integers: truncated)
FUNCTRA_FORMULA(div, real, (auto a, auto b), a / b)
FUNCTRA_PRIMITIVES(
    constexpr Primitive div_p = with_transpose(binary_p<[](auto&, auto& b, auto&, auto& t) { return div(t, b); },
                                                        [](auto&, auto& b, auto& y, auto& t) { return mul(t, neg(div(y, b))); }>("div", div_formula),
                                               [](const Call&, Ins ct, std::span<const Operand> in, Outs g) {
                                                 if (in[1].linear()) Operand::not_known();
                                                 g[0] = unfit(div(ct[0], *in[1]), *in[0].type);
                                               });
    Tensor div(const Tensor& a, const Tensor& b) { return binary(div_p, a, b); })

// ---------------------------------------------------------------- rem: a - floor(a / b) b, so the sign of the divisor
FUNCTRA_FORMULA(rem, real, (auto a, auto b), num::remainder(a, b))
FUNCTRA_PRIMITIVES(
    constexpr Primitive rem_p = binary_p<[](auto&, auto&, auto&, auto& t) { return t; },
                                         [](auto& a, auto& b, auto& y, auto& t) { return mul(t, round(div(sub(y, a), b))); }>("rem", rem_formula);
    Tensor rem(const Tensor& a, const Tensor& b) { return binary(rem_p, a, b); })

// ---------------------------------------------------------------- fmod: a - trunc(a / b) b, so the sign of the dividend
FUNCTRA_FORMULA(fmod, real, (auto a, auto b), num::fmod(a, b))
FUNCTRA_PRIMITIVES(
    constexpr Primitive fmod_p = binary_p<[](auto&, auto&, auto&, auto& t) { return t; },
                                          [](auto& a, auto& b, auto& y, auto& t) { return mul(t, round(div(sub(y, a), b))); }>("fmod", fmod_formula);
    Tensor fmod(const Tensor& a, const Tensor& b) { return binary(fmod_p, a, b); })

// ---------------------------------------------------------------- floor_div
FUNCTRA_FORMULA(floor_div, real, (auto a, auto b), num::floor_divide(a, b))
FUNCTRA_PRIMITIVES(constexpr Primitive floor_div_p = flat_p("floor_div", floor_div_formula, 2);
                   Tensor floor_div(const Tensor& a, const Tensor& b) { return binary(floor_div_p, a, b); })

// ---------------------------------------------------------------- max, min: operands that tie take half each
#if HWY_ONCE
namespace functra::prims {
namespace {
// `first`: where a alone decides.
Tensor chosen(const Tensor& tie, const Tensor& first, const Tensor& ta, const Tensor& tb) {
  if (is_zero(tb)) return select(tie, mul(like(0.5, ta), ta), select(first, ta, like(0, ta)));
  if (is_zero(ta)) return select(tie, mul(like(0.5, tb), tb), select(first, like(0, tb), tb));
  return select(tie, mul(like(0.5, ta), add(ta, tb)), select(first, ta, tb));
}
}  // namespace
}  // namespace functra::prims
#endif
FUNCTRA_FORMULA(max, real, (auto a, auto b), num::max(a, b))
FUNCTRA_PRIMITIVES(constexpr Primitive max_p =
                       joint_p<[](auto& a, auto& b, auto&, auto& ta, auto& tb) { return chosen(eq(a, b), gt(a, b), ta, tb); }>("max", max_formula);
                   Tensor max(const Tensor& a, const Tensor& b) { return binary(max_p, a, b); })
FUNCTRA_FORMULA(min, real, (auto a, auto b), num::min(a, b))
FUNCTRA_PRIMITIVES(constexpr Primitive min_p =
                       joint_p<[](auto& a, auto& b, auto&, auto& ta, auto& tb) { return chosen(eq(a, b), lt(a, b), ta, tb); }>("min", min_formula);
                   Tensor min(const Tensor& a, const Tensor& b) { return binary(min_p, a, b); })

// ---------------------------------------------------------------- abs, sign (the derivative of abs at 0 is 0)
FUNCTRA_FORMULA(abs, real, (auto x), num::abs(x))
FUNCTRA_PRIMITIVES(constexpr Primitive abs_p = unary_p<[](auto& x, auto&, auto& t) { return mul(t, sign(x)); }>("abs", abs_formula);
                   Tensor abs(const Tensor& x) { return unary(abs_p, x); })
FUNCTRA_FORMULA(sign, real, (auto x), num::sign(x))
FUNCTRA_PRIMITIVES(constexpr Primitive sign_p = flat_p("sign", sign_formula, 1); Tensor sign(const Tensor& x) { return unary(sign_p, x); })

// ---------------------------------------------------------------- copysign: a times the sign of both (0 at a = 0, as abs)
FUNCTRA_FORMULA(copysign, floating, (auto a, auto b), num::copysign(a, b))
FUNCTRA_PRIMITIVES(
    constexpr Primitive copysign_p = binary_p<[](auto& a, auto& b, auto&, auto& t) { return mul(t, mul(sign(a), copysign(like(1, b), b))); },
                                              [](auto&, auto&, auto&, auto&) { return Tensor(); }>("copysign", copysign_formula);
    Tensor copysign(const Tensor& a, const Tensor& b) { return binary(copysign_p, a, b); })

// ---------------------------------------------------------------- sqrt, rsqrt
FUNCTRA_FORMULA(sqrt, floating, (auto x), num::sqrt(x))
FUNCTRA_PRIMITIVES(constexpr Primitive sqrt_p = unary_p<[](auto&, auto& y, auto& t) { return mul(t, div(like(0.5, y), y)); }>("sqrt", sqrt_formula);
                   Tensor sqrt(const Tensor& x) { return unary(sqrt_p, x); })
FUNCTRA_FORMULA(rsqrt, floating, (auto x), num::rsqrt(x))
FUNCTRA_PRIMITIVES(
    constexpr Primitive rsqrt_p = unary_p<[](auto& x, auto& y, auto& t) { return mul(t, mul(like(-0.5, x), div(y, x))); }>("rsqrt", rsqrt_formula);
    Tensor rsqrt(const Tensor& x) { return unary(rsqrt_p, x); })

// ---------------------------------------------------------------- cbrt
FUNCTRA_FORMULA(cbrt, floating, (auto x), num::cbrt(x))
FUNCTRA_PRIMITIVES(
    constexpr Primitive cbrt_p = unary_p<[](auto&, auto& y, auto& t) { return mul(t, div(like(1. / 3, y), mul(y, y))); }>("cbrt", cbrt_formula);
    Tensor cbrt(const Tensor& x) { return unary(cbrt_p, x); })

// ---------------------------------------------------------------- hypot: slopes a / y, b / y
#if HWY_ONCE
namespace functra::prims {
static Tensor over_length(const Tensor& x, const Tensor& y) { return div(x, select(eq(y, like(0, y)), like(1, y), y)); }
}  // namespace functra::prims
#endif
FUNCTRA_FORMULA(hypot, floating, (auto a, auto b), num::hypot(a, b))
FUNCTRA_PRIMITIVES(constexpr Primitive hypot_p = binary_p<[](auto& a, auto&, auto& y, auto& t) { return mul(t, over_length(a, y)); },
                                                          [](auto&, auto& b, auto& y, auto& t) { return mul(t, over_length(b, y)); }>("hypot",
                                                                                                                                      hypot_formula);
                   Tensor hypot(const Tensor& a, const Tensor& b) { return binary(hypot_p, a, b); })

// ---------------------------------------------------------------- integer_pow: x^n for a fixed n; 0^0 is 1
FUNCTRA_FORMULA_P(integer_pow, real, std::int64_t, (auto x), num::integer_pow(x, p))
FUNCTRA_PRIMITIVES(
    constexpr Primitive integer_pow_p =
        [] {
          Primitive p = elementwise_p("integer_pow", integer_pow_formula, 1);
          p.params = &param_type<IntegerPowParams>;
          p.jvp = [](const Call& c, Ins x, Ins t, Outs y, Outs dy) {
            bind_prim(c, x, y);
            std::int64_t n = c.params.get<IntegerPowParams>().n;
            if (n && is_differentiable(y[0].raw_dtype())) dy[0] = mul(t[0], mul(like(static_cast<double>(n), x[0]), integer_pow(x[0], n - 1)));
          };
          return p;
        }();
    Tensor integer_pow(const Tensor& x, std::int64_t n) {
      return n == 1 ? x : n == 0 ? fit(like(1, x), x) : bind1(integer_pow_p, x, IntegerPowParams{n});
    })

#if HWY_ONCE
#include "functra/prims/families.h"
namespace functra::prims {
Table arith_table() {
  static constexpr const Primitive* t[] = {&neg_p, &core::add_p, &sub_p,  &mul_p,      &div_p,  &rem_p,   &fmod_p, &floor_div_p, &max_p,
                                           &min_p, &abs_p,       &sign_p, &copysign_p, &sqrt_p, &rsqrt_p, &cbrt_p, &hypot_p,     &integer_pow_p};
  return t;
}
}  // namespace functra::prims
#endif
