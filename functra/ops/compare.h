// Comparisons, predicates, logical and bitwise operations, elementwise with broadcasting. Operands are promoted as in arithmetic.
#pragma once
#include "functra/tensor/tensor.h"

namespace functra {

// ---------------------------------------------------------------- comparisons: bool; false where an operand is NaN, but for ne
Tensor eq(const Tensor& a, const Tensor& b);
Tensor ne(const Tensor& a, const Tensor& b);
Tensor lt(const Tensor& a, const Tensor& b);
Tensor le(const Tensor& a, const Tensor& b);
Tensor gt(const Tensor& a, const Tensor& b);
Tensor ge(const Tensor& a, const Tensor& b);
Tensor isnan(const Tensor& x);
Tensor isinf(const Tensor& x);
Tensor isfinite(const Tensor& x);
Tensor isposinf(const Tensor& x);
Tensor isneginf(const Tensor& x);
Tensor signbit(const Tensor& x);  // is it negative, -0 and NaN with the sign bit too

// ---------------------------------------------------------------- of truth values: what is not zero is true
Tensor logical_and(const Tensor& a, const Tensor& b);
Tensor logical_or(const Tensor& a, const Tensor& b);
Tensor logical_xor(const Tensor& a, const Tensor& b);
Tensor logical_not(const Tensor& x);

// ---------------------------------------------------------------- of the bits of integers, and of bools; DTypeError for others
Tensor bitwise_and(const Tensor& a, const Tensor& b);
Tensor bitwise_or(const Tensor& a, const Tensor& b);
Tensor bitwise_xor(const Tensor& a, const Tensor& b);
Tensor bitwise_not(const Tensor& x);
// Of integers. By the width or more: zero; minus one for negative numbers shifted right, which is arithmetic on signed types.
Tensor bitwise_left_shift(const Tensor& a, const Tensor& b);
Tensor bitwise_right_shift(const Tensor& a, const Tensor& b);

}  // namespace functra
