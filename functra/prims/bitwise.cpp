// Operations on the bits of integers, and on bools.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "functra/prims/bitwise.cpp"
#include "functra/prims/elementwise.inc"

// ---------------------------------------------------------------- bitwise_and
FUNCTRA_FORMULA(bitwise_and, integers_and_bool, (auto a, auto b), a& b)
FUNCTRA_PRIMITIVES(constexpr Primitive bitwise_and_p = flat_p("bitwise_and", bitwise_and_formula, 2);
                   Tensor bitwise_and(const Tensor& a, const Tensor& b) { return binary(bitwise_and_p, a, b); })

// ---------------------------------------------------------------- bitwise_or
FUNCTRA_FORMULA(bitwise_or, integers_and_bool, (auto a, auto b), a | b)
FUNCTRA_PRIMITIVES(constexpr Primitive bitwise_or_p = flat_p("bitwise_or", bitwise_or_formula, 2);
                   Tensor bitwise_or(const Tensor& a, const Tensor& b) { return binary(bitwise_or_p, a, b); })

// ---------------------------------------------------------------- bitwise_xor
FUNCTRA_FORMULA(bitwise_xor, integers_and_bool, (auto a, auto b), a ^ b)
FUNCTRA_PRIMITIVES(constexpr Primitive bitwise_xor_p = flat_p("bitwise_xor", bitwise_xor_formula, 2);
                   Tensor bitwise_xor(const Tensor& a, const Tensor& b) { return binary(bitwise_xor_p, a, b); })

// ---------------------------------------------------------------- shift_left
FUNCTRA_FORMULA(shift_left, integers, (auto a, auto b), num::shl(a, b))
FUNCTRA_PRIMITIVES(constexpr Primitive shift_left_p = flat_p("shift_left", shift_left_formula, 2);
                   Tensor shift_left(const Tensor& a, const Tensor& b) { return binary(shift_left_p, a, b); })

// ---------------------------------------------------------------- shift_right
FUNCTRA_FORMULA(shift_right, integers, (auto a, auto b), num::shr(a, b))
FUNCTRA_PRIMITIVES(constexpr Primitive shift_right_p = flat_p("shift_right", shift_right_formula, 2);
                   Tensor shift_right(const Tensor& a, const Tensor& b) { return binary(shift_right_p, a, b); })

// ---------------------------------------------------------------- bitwise_not (of bools: logical)
FUNCTRA_FORMULA(bitwise_not, integers_and_bool, (auto x), num::invert(x))
FUNCTRA_PRIMITIVES(constexpr Primitive bitwise_not_p = flat_p("bitwise_not", bitwise_not_formula, 1);
                   Tensor bitwise_not(const Tensor& x) { return unary(bitwise_not_p, x); })

#if HWY_ONCE
#include "functra/prims/cast.h"
namespace functra::prims {
Tensor shift_right_logical(const Tensor& a, const Tensor& b) {
  DType d = a.raw_dtype();
  if (!is_signed_int(d)) return shift_right(a, b);
  auto u = static_cast<DType>(static_cast<int>(d) - static_cast<int>(DType::i8) + static_cast<int>(DType::u8));
  return bitcast(shift_right(bitcast(a, u), bitcast(b, u)), d);
}
}  // namespace functra::prims
#endif

#if HWY_ONCE
#include "functra/prims/families.h"
namespace functra::prims {
Table bitwise_table() {
  static constexpr const Primitive* t[] = {&bitwise_and_p, &bitwise_or_p, &bitwise_xor_p, &shift_left_p, &shift_right_p, &bitwise_not_p};
  return t;
}
}  // namespace functra::prims
#endif
