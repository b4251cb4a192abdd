// Exponentials and logarithms of other bases, sums and products with logarithms.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "functra/prims/logs.cpp"
#include "functra/prims/elementwise.inc"

// ---------------------------------------------------------------- exp2
FUNCTRA_FORMULA(exp2, floating, (auto x), num::exp2(x))
FUNCTRA_PRIMITIVES(
    constexpr Primitive exp2_p = unary_p<[](auto&, auto& y, auto& t) { return mul(t, mul(like(0.69314718055994531, y), y)); }>("exp2", exp2_formula);
    Tensor exp2(const Tensor& x) { return unary(exp2_p, x); })

// ---------------------------------------------------------------- log2, log10
FUNCTRA_FORMULA(log2, floating, (auto x), num::log2(x))
FUNCTRA_PRIMITIVES(
    constexpr Primitive log2_p = unary_p<[](auto& x, auto&, auto& t) { return mul(t, div(like(1.4426950408889634, x), x)); }>("log2", log2_formula);
    Tensor log2(const Tensor& x) { return unary(log2_p, x); })
FUNCTRA_FORMULA(log10, floating, (auto x), num::log10(x))
FUNCTRA_PRIMITIVES(constexpr Primitive log10_p =
                       unary_p<[](auto& x, auto&, auto& t) { return mul(t, div(like(0.43429448190325182, x), x)); }>("log10", log10_formula);
                   Tensor log10(const Tensor& x) { return unary(log10_p, x); })

// ---------------------------------------------------------------- logaddexp: slopes are the logistic function of the difference
#if HWY_ONCE
namespace functra::prims {
static Tensor share(const Tensor& a, const Tensor& b) {  // of a; one half where both are the same infinity
  Tensor d = core::sub(a, b);
  return logistic(select(bitwise_and(ne(d, d), eq(a, b)), like(0, d), d));
}
}  // namespace functra::prims
#endif
FUNCTRA_FORMULA(logaddexp, floating, (auto a, auto b), num::logaddexp(a, b))
FUNCTRA_PRIMITIVES(
    constexpr Primitive logaddexp_p = binary_p<[](auto& a, auto& b, auto&, auto& t) { return mul(t, share(a, b)); },
                                               [](auto& a, auto& b, auto&, auto& t) { return mul(t, share(b, a)); }>("logaddexp", logaddexp_formula);
    Tensor logaddexp(const Tensor& a, const Tensor& b) { return binary(logaddexp_p, a, b); })

// ---------------------------------------------------------------- xlogy, xlog1py: slopes log(y) and x / y, 0 where x = 0 and y <= 0
#if HWY_ONCE
namespace functra::prims {
// y, or `other` where x is 0 and y at most `least`.
static Tensor guarded(const Tensor& x, const Tensor& y, double least, double other) {
  return select(bitwise_and(eq(x, like(0, x)), le(y, like(least, y))), like(other, y), y);
}
}  // namespace functra::prims
#endif
FUNCTRA_FORMULA(xlogy, floating, (auto x, auto y), num::xlogy(x, y))
FUNCTRA_PRIMITIVES(constexpr Primitive xlogy_p =
                       binary_p<[](auto& x, auto& y, auto&, auto& t) { return mul(t, log(guarded(x, y, 0, 1))); },
                                [](auto& x, auto& y, auto&, auto& t) { return mul(t, div(x, guarded(x, y, 0, 1))); }>("xlogy", xlogy_formula);
                   Tensor xlogy(const Tensor& x, const Tensor& y) { return binary(xlogy_p, x, y); })
FUNCTRA_FORMULA(xlog1py, floating, (auto x, auto y), num::xlog1py(x, y))
FUNCTRA_PRIMITIVES(constexpr Primitive xlog1py_p = binary_p<[](auto& x, auto& y, auto&, auto& t) { return mul(t, log1p(guarded(x, y, -1, 0))); },
                                                            [](auto& x, auto& y, auto&, auto& t) {
                                                              return mul(t, div(x, add(like(1, y), guarded(x, y, -1, 0))));
                                                            }>("xlog1py", xlog1py_formula);
                   Tensor xlog1py(const Tensor& x, const Tensor& y) { return binary(xlog1py_p, x, y); })

#if HWY_ONCE
#include "functra/prims/families.h"
namespace functra::prims {
Table logs_table() {
  static constexpr const Primitive* t[] = {&exp2_p, &log2_p, &log10_p, &logaddexp_p, &xlogy_p, &xlog1py_p};
  return t;
}
}  // namespace functra::prims
#endif
