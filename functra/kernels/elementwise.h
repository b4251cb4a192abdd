// Elementwise loops over strided memory.
#pragma once
#include <cstddef>
#include <cstdint>
#include <span>

#include "functra/base/formula.h"
#include "functra/base/shape.h"

namespace functra::kernels {

struct Operand {
  const void* data;      // the first element
  const Shape* strides;  // in elements; null: contiguous
  std::size_t elem_size;
};
// Runs `loop` on operands of any strides (of `shape`) into `out`, which is contiguous. Collapses dimensions, gathers strided inner
// runs into blocks that fit the first-level cache, and spreads over the pool where cost_ns (of one element) makes it worth it. At
// most three operands.
void elementwise(Loop loop, std::span<const Operand> in, void* out, std::size_t out_elem_size, const Shape& shape, const void* params = nullptr,
                 double cost_ns = 0.5);

}  // namespace functra::kernels
