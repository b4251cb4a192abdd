// Rounding to integers, in the floating type. Flat.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "functra/prims/round.cpp"
#include "functra/prims/elementwise.inc"

// ---------------------------------------------------------------- floor
FUNCTRA_FORMULA(floor, floating, (auto x), num::floor(x))
FUNCTRA_PRIMITIVES(constexpr Primitive floor_p = flat_p("floor", floor_formula, 1); Tensor floor(const Tensor& x) { return unary(floor_p, x); })

// ---------------------------------------------------------------- ceil
FUNCTRA_FORMULA(ceil, floating, (auto x), num::ceil(x))
FUNCTRA_PRIMITIVES(constexpr Primitive ceil_p = flat_p("ceil", ceil_formula, 1); Tensor ceil(const Tensor& x) { return unary(ceil_p, x); })

// ---------------------------------------------------------------- round: ties to even
FUNCTRA_FORMULA(round, floating, (auto x), num::rint(x))
FUNCTRA_PRIMITIVES(constexpr Primitive round_p = flat_p("round", round_formula, 1); Tensor round(const Tensor& x) { return unary(round_p, x); })

// ---------------------------------------------------------------- trunc
FUNCTRA_FORMULA(trunc, floating, (auto x), num::trunc(x))
FUNCTRA_PRIMITIVES(constexpr Primitive trunc_p = flat_p("trunc", trunc_formula, 1); Tensor trunc(const Tensor& x) { return unary(trunc_p, x); })

#if HWY_ONCE
#include "functra/prims/families.h"
namespace functra::prims {
Table round_table() {
  static constexpr const Primitive* t[] = {&floor_p, &ceil_p, &round_p, &trunc_p};
  return t;
}
}  // namespace functra::prims
#endif
