// Arithmetic: neg, add, sub, mul, div.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "functra/prims/arith.cpp"
#include "functra/prims/elementwise.inc"

// ---------------------------------------------------------------- neg
FUNCTRA_FORMULA(neg, real, (auto x), -x)
FUNCTRA_PRIMITIVES(
constexpr Primitive neg_p = [] {
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
  p.transpose = [](const Call&, Ins ct, std::span<const Operand> in, Outs g) { for (std::size_t k : {0u, 1u}) if (in[k].linear()) g[k] = prims::unfit(ct[0], *in[k].type); };
  return p;
}();
Tensor add(const Tensor& a, const Tensor& b) { return prims::binary(add_p, a, b); }
}  // namespace functra::core
#endif

// ---------------------------------------------------------------- sub
FUNCTRA_FORMULA(sub, real, (auto a, auto b), a - b)
FUNCTRA_PRIMITIVES(
constexpr Primitive sub_p = [] {
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
namespace functra::core { Tensor sub(const Tensor& a, const Tensor& b) { return prims::binary(prims::sub_p, a, b); } }
#endif

// ---------------------------------------------------------------- mul
FUNCTRA_FORMULA(mul, real, (auto a, auto b), a * b)
FUNCTRA_PRIMITIVES(
constexpr Primitive mul_p = with_transpose(
    binary_p<[](auto&, auto& b, auto&, auto& t) { return mul(t, b); }, [](auto& a, auto&, auto&, auto& t) { return mul(t, a); }>("mul", mul_formula),
    [](const Call&, Ins ct, std::span<const Operand> in, Outs g) {
      if (in[0].linear() && in[1].linear()) Operand::not_known();
      for (std::size_t k : {0u, 1u}) if (in[k].linear()) g[k] = unfit(mul(ct[0], *in[1 - k]), *in[k].type);
    });
Tensor mul(const Tensor& a, const Tensor& b) {
  if (is_literal(a, 1) && !b.is_scalar()) return b;  // the seed of a gradient
  if (is_literal(b, 1) && !a.is_scalar()) return a;
  return binary(mul_p, a, b);
})

// ---------------------------------------------------------------- div (of integers: truncated)
FUNCTRA_FORMULA(div, real, (auto a, auto b), a / b)
FUNCTRA_PRIMITIVES(
constexpr Primitive div_p = with_transpose(
    binary_p<[](auto&, auto& b, auto&, auto& t) { return div(t, b); }, [](auto&, auto& b, auto& y, auto& t) { return mul(t, neg(div(y, b))); }>("div", div_formula),
    [](const Call&, Ins ct, std::span<const Operand> in, Outs g) {
      if (in[1].linear()) Operand::not_known();
      g[0] = unfit(div(ct[0], *in[1]), *in[0].type);
    });
Tensor div(const Tensor& a, const Tensor& b) { return binary(div_p, a, b); })

#if HWY_ONCE
#include "functra/prims/families.h"
namespace functra::prims {
Table arith_table() {
  static constexpr const Primitive* t[] = {&neg_p, &core::add_p, &sub_p, &mul_p, &div_p};
  return t;
}
}  // namespace functra::prims
#endif
