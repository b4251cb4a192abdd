// Comparisons: bool results, false where an operand is NaN, but for ne.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "functra/prims/compare.cpp"
#include "functra/prims/elementwise.inc"

// ---------------------------------------------------------------- eq
FUNCTRA_FORMULA(eq, real_and_bool, (auto a, auto b), a == b)
FUNCTRA_PRIMITIVES(constexpr Primitive eq_p = flat_p("eq", eq_formula, 2); Tensor eq(const Tensor& a, const Tensor& b) { return binary(eq_p, a, b); })

// ---------------------------------------------------------------- ne
FUNCTRA_FORMULA(ne, real_and_bool, (auto a, auto b), a != b)
FUNCTRA_PRIMITIVES(constexpr Primitive ne_p = flat_p("ne", ne_formula, 2); Tensor ne(const Tensor& a, const Tensor& b) { return binary(ne_p, a, b); })

// ---------------------------------------------------------------- lt
FUNCTRA_FORMULA(lt, real_and_bool, (auto a, auto b), a < b)
FUNCTRA_PRIMITIVES(constexpr Primitive lt_p = flat_p("lt", lt_formula, 2); Tensor lt(const Tensor& a, const Tensor& b) { return binary(lt_p, a, b); })

// ---------------------------------------------------------------- le
FUNCTRA_FORMULA(le, real_and_bool, (auto a, auto b), a <= b)
FUNCTRA_PRIMITIVES(constexpr Primitive le_p = flat_p("le", le_formula, 2); Tensor le(const Tensor& a, const Tensor& b) { return binary(le_p, a, b); })

// ---------------------------------------------------------------- gt
FUNCTRA_FORMULA(gt, real_and_bool, (auto a, auto b), a > b)
FUNCTRA_PRIMITIVES(constexpr Primitive gt_p = flat_p("gt", gt_formula, 2); Tensor gt(const Tensor& a, const Tensor& b) { return binary(gt_p, a, b); })

// ---------------------------------------------------------------- ge
FUNCTRA_FORMULA(ge, real_and_bool, (auto a, auto b), a >= b)
FUNCTRA_PRIMITIVES(constexpr Primitive ge_p = flat_p("ge", ge_formula, 2); Tensor ge(const Tensor& a, const Tensor& b) { return binary(ge_p, a, b); })

#if HWY_ONCE
#include "functra/prims/families.h"
namespace functra::prims {
Table compare_table() {
  static constexpr const Primitive* t[] = {&eq_p, &ne_p, &lt_p, &le_p, &gt_p, &ge_p};
  return t;
}
}  // namespace functra::prims
#endif
