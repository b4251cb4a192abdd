// Trigonometric and hyperbolic functions.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "functra/prims/trig.cpp"
#include "functra/prims/elementwise.inc"

// ---------------------------------------------------------------- sin
FUNCTRA_FORMULA(sin, floating, (auto x), num::sin(x))
FUNCTRA_PRIMITIVES(constexpr Primitive sin_p = unary_p<[](auto& x, auto&, auto& t) { return mul(t, cos(x)); }>("sin", sin_formula);
                   Tensor sin(const Tensor& x) { return unary(sin_p, x); })

// ---------------------------------------------------------------- cos
FUNCTRA_FORMULA(cos, floating, (auto x), num::cos(x))
FUNCTRA_PRIMITIVES(constexpr Primitive cos_p = unary_p<[](auto& x, auto&, auto& t) { return neg(mul(t, sin(x))); }>("cos", cos_formula);
                   Tensor cos(const Tensor& x) { return unary(cos_p, x); })

// ---------------------------------------------------------------- tan
FUNCTRA_FORMULA(tan, floating, (auto x), num::tan(x))
FUNCTRA_PRIMITIVES(constexpr Primitive tan_p = unary_p<[](auto&, auto& y, auto& t) { return mul(t, add(like(1, y), mul(y, y))); }>("tan",
                                                                                                                                   tan_formula);
                   Tensor tan(const Tensor& x) { return unary(tan_p, x); })

// ---------------------------------------------------------------- asin, acos: derivatives are infinite at -1 and 1
#if HWY_ONCE
namespace functra::prims {
static Tensor inverse_sine_slope(const Tensor& x) { return rsqrt(mul(sub(like(1, x), x), add(like(1, x), x))); }
}  // namespace functra::prims
#endif
// ---------------------------------------------------------------- asin
FUNCTRA_FORMULA(asin, floating, (auto x), num::asin(x))
FUNCTRA_PRIMITIVES(constexpr Primitive asin_p = unary_p<[](auto& x, auto&, auto& t) { return mul(t, inverse_sine_slope(x)); }>("asin", asin_formula);
                   Tensor asin(const Tensor& x) { return unary(asin_p, x); })

// ---------------------------------------------------------------- acos
FUNCTRA_FORMULA(acos, floating, (auto x), num::acos(x))
FUNCTRA_PRIMITIVES(constexpr Primitive acos_p = unary_p<[](auto& x, auto&, auto& t) { return neg(mul(t, inverse_sine_slope(x))); }>("acos",
                                                                                                                                    acos_formula);
                   Tensor acos(const Tensor& x) { return unary(acos_p, x); })

// ---------------------------------------------------------------- atan
FUNCTRA_FORMULA(atan, floating, (auto x), num::atan(x))
FUNCTRA_PRIMITIVES(constexpr Primitive atan_p = unary_p<[](auto& x, auto&, auto& t) { return div(t, add(like(1, x), mul(x, x))); }>("atan",
                                                                                                                                    atan_formula);
                   Tensor atan(const Tensor& x) { return unary(atan_p, x); })

// ---------------------------------------------------------------- atan2 (y, x): (x dy - y dx) / (x^2 + y^2)
FUNCTRA_FORMULA(atan2, floating, (auto y, auto x), num::atan2(y, x))
FUNCTRA_PRIMITIVES(constexpr Primitive atan2_p = joint_p<[](auto& y, auto& x, auto&, auto& ty, auto& tx) {
                     Tensor r = add(mul(x, x), mul(y, y));
                     return add_ct(is_zero(ty) ? Tensor() : mul(ty, div(x, r)), is_zero(tx) ? Tensor() : neg(mul(tx, div(y, r))));
                   }>("atan2", atan2_formula);
                   Tensor atan2(const Tensor& y, const Tensor& x) { return binary(atan2_p, y, x); })

// ---------------------------------------------------------------- sinh
FUNCTRA_FORMULA(sinh, floating, (auto x), num::sinh(x))
FUNCTRA_PRIMITIVES(constexpr Primitive sinh_p = unary_p<[](auto& x, auto&, auto& t) { return mul(t, cosh(x)); }>("sinh", sinh_formula);
                   Tensor sinh(const Tensor& x) { return unary(sinh_p, x); })

// ---------------------------------------------------------------- cosh
FUNCTRA_FORMULA(cosh, floating, (auto x), num::cosh(x))
FUNCTRA_PRIMITIVES(constexpr Primitive cosh_p = unary_p<[](auto& x, auto&, auto& t) { return mul(t, sinh(x)); }>("cosh", cosh_formula);
                   Tensor cosh(const Tensor& x) { return unary(cosh_p, x); })

// ---------------------------------------------------------------- tanh
FUNCTRA_FORMULA(tanh, floating, (auto x), num::tanh(x))
FUNCTRA_PRIMITIVES(constexpr Primitive tanh_p = unary_p<[](auto&, auto& y, auto& t) { return mul(t, sub(like(1, y), mul(y, y))); }>("tanh",
                                                                                                                                    tanh_formula);
                   Tensor tanh(const Tensor& x) { return unary(tanh_p, x); })

// ---------------------------------------------------------------- asinh, acosh, atanh
FUNCTRA_FORMULA(asinh, floating, (auto x), num::asinh(x))
FUNCTRA_PRIMITIVES(constexpr Primitive asinh_p = unary_p<[](auto& x, auto&, auto& t) { return div(t, hypot(like(1, x), x)); }>("asinh",
                                                                                                                               asinh_formula);
                   Tensor asinh(const Tensor& x) { return unary(asinh_p, x); })
FUNCTRA_FORMULA(acosh, floating, (auto x), num::acosh(x))
FUNCTRA_PRIMITIVES(constexpr Primitive acosh_p = unary_p<[](auto& x, auto&, auto& t) {
                     return div(t, mul(sqrt(sub(x, like(1, x))), sqrt(add(like(1, x), x))));
                   }>("acosh", acosh_formula);
                   Tensor acosh(const Tensor& x) { return unary(acosh_p, x); })
FUNCTRA_FORMULA(atanh, floating, (auto x), num::atanh(x))
FUNCTRA_PRIMITIVES(constexpr Primitive atanh_p =
                       unary_p<[](auto& x, auto&, auto& t) { return div(t, mul(sub(like(1, x), x), add(like(1, x), x))); }>("atanh", atanh_formula);
                   Tensor atanh(const Tensor& x) { return unary(atanh_p, x); })

// ---------------------------------------------------------------- sinc: sin(x) / x and its derivatives, each the slope of the one before
FUNCTRA_FORMULA_P(sinc, floating, std::int64_t, (auto x), num::sinc(x, p))
FUNCTRA_PRIMITIVES(
    constexpr Primitive sinc_p =
        [] {
          Primitive p = elementwise_p("sinc", sinc_formula, 1);
          p.params = &param_type<SincParams>;
          p.jvp = [](const Call& c, Ins x, Ins t, Outs y, Outs dy) {
            bind_prim(c, x, y);
            if (is_differentiable(y[0].raw_dtype())) dy[0] = mul(t[0], sinc(x[0], c.params.get<SincParams>().derivative + 1));
          };
          return p;
        }();
    Tensor sinc(const Tensor& x, std::int64_t derivative) { return bind1(sinc_p, x, SincParams{derivative}); })

#if HWY_ONCE
#include "functra/prims/families.h"
namespace functra::prims {
Table trig_table() {
  static constexpr const Primitive* t[] = {&sin_p,  &cos_p,  &tan_p,  &asin_p,  &acos_p,  &atan_p,  &atan2_p,
                                           &sinh_p, &cosh_p, &tanh_p, &asinh_p, &acosh_p, &atanh_p, &sinc_p};
  return t;
}
}  // namespace functra::prims
#endif
