// Trigonometric and hyperbolic functions.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "functra/prims/trig.cpp"
#include "functra/prims/elementwise.inc"

// ---------------------------------------------------------------- sin
FUNCTRA_FORMULA(sin, floating, (auto x), num::sin(x))
FUNCTRA_PRIMITIVES(
constexpr Primitive sin_p = unary_p<[](auto& x, auto&, auto& t) { return mul(t, cos(x)); }>("sin", sin_formula);
Tensor sin(const Tensor& x) { return unary(sin_p, x); })

// ---------------------------------------------------------------- cos
FUNCTRA_FORMULA(cos, floating, (auto x), num::cos(x))
FUNCTRA_PRIMITIVES(
constexpr Primitive cos_p = unary_p<[](auto& x, auto&, auto& t) { return neg(mul(t, sin(x))); }>("cos", cos_formula);
Tensor cos(const Tensor& x) { return unary(cos_p, x); })

#if HWY_ONCE
#include "functra/prims/families.h"
namespace functra::prims {
Table trig_table() {
  static constexpr const Primitive* t[] = {&sin_p, &cos_p};
  return t;
}
}  // namespace functra::prims
#endif
