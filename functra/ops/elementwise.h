// From primitives to user operations: promotion, broadcasting, source location. Used by the families of ops/.
#pragma once
#include "functra/ops/promote.h"
#include "functra/prims/build.h"

namespace functra::ops {

using UnaryPrim = Tensor (*)(const Tensor&);
using BinaryPrim = Tensor (*)(const Tensor&, const Tensor&);

// Operands brought to one dtype and one shape, then the primitive. `floating`: integers become the default floating type first.
Tensor binary_op(const char* who, BinaryPrim f, const Tensor& a, const Tensor& b, bool floating, const void* site);
Tensor unary_op(const char* who, UnaryPrim f, const Tensor& x, bool floating, const void* site);
// Several tensors brought to one shape; rank-0 operands stay as they are (primitives repeat them).
void broadcast_all(std::span<Tensor> x, const char* who);

}  // namespace functra::ops
#define FUNCTRA_SITE __builtin_return_address(0)
