// Promotion, as torch's: dimensioned tensors decide before 0-d tensors, those before numbers, unless a later one is of a higher
// category (bool, integer, floating, complex). Logical shapes count: dimensions that vmap maps do not.
#pragma once
#include "functra/tensor/buffers.h"

namespace functra::ops {

struct Common {
  DType dtype;
  bool weak;
};  // weak: all operands are numbers
Common common_type(Ins operands, const char* who);
// Converts to the common type; numbers stay literals.
Tensor to_common(const Tensor& x, const Common& c);
void promote(Tensor& a, Tensor& b, const char* who);
// An integer or bool operand of a function that is defined on floating numbers becomes the default dtype.
Tensor to_floating(const Tensor& x);
// A number becomes a firm 0-d tensor of its dtype; structural operations take these.
Tensor firm(const Tensor& x);
// x as `shape` by NumPy's broadcasting.
Tensor broadcast_to(const Tensor& x, const Shape& shape, const char* who);

}  // namespace functra::ops
