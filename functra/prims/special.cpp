// Error functions.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "functra/prims/special.cpp"
#include "functra/prims/elementwise.inc"

// ---------------------------------------------------------------- erf: slope 2 / sqrt(pi) exp(-x^2)
FUNCTRA_FORMULA(erf, floating, (auto x), num::erf(x))
FUNCTRA_PRIMITIVES(constexpr Primitive erf_p =
                       unary_p<[](auto& x, auto&, auto& t) { return mul(t, mul(like(1.1283791670955126, x), exp(neg(mul(x, x))))); }>("erf",
                                                                                                                                      erf_formula);
                   Tensor erf(const Tensor& x) { return unary(erf_p, x); })

// ---------------------------------------------------------------- erfc
FUNCTRA_FORMULA(erfc, floating, (auto x), num::erfc(x))
FUNCTRA_PRIMITIVES(constexpr Primitive erfc_p =
                       unary_p<[](auto& x, auto&, auto& t) { return mul(t, mul(like(-1.1283791670955126, x), exp(neg(mul(x, x))))); }>("erfc",
                                                                                                                                       erfc_formula);
                   Tensor erfc(const Tensor& x) { return unary(erfc_p, x); })

// ---------------------------------------------------------------- erf_inv: slope sqrt(pi) / 2 exp(y^2)
FUNCTRA_FORMULA(erf_inv, floating, (auto x), num::erf_inv(x))
FUNCTRA_PRIMITIVES(constexpr Primitive erf_inv_p =
                       unary_p<[](auto&, auto& y, auto& t) { return mul(t, mul(like(0.88622692545275801, y), exp(mul(y, y)))); }>("erf_inv",
                                                                                                                                  erf_inv_formula);
                   Tensor erf_inv(const Tensor& x) { return unary(erf_inv_p, x); })

#if HWY_ONCE
#include "functra/prims/families.h"
namespace functra::prims {
Table special_table() {
  static constexpr const Primitive* t[] = {&erf_p, &erfc_p, &erf_inv_p};
  return t;
}
}  // namespace functra::prims
#endif
