// Elementwise loops over strided memory.
#pragma once
#include <cstddef>
#include <cstdint>
#include <span>

#include "functra/base/formula.h"
#include "functra/base/shape.h"

namespace functra::kernels {

// What a Loop is made of: `run` evaluates a formula on whole blocks. Operand k of block b starts at in[k] + b * step[k] (bytes), the
// result at out + b * block * out_size. run_loop repeats single elements and pads the last block.
struct BlockLoop {
  void (*run)(const std::byte* const* in, const std::size_t* step, std::byte* out, std::int64_t blocks, const void* params);
  std::uint16_t block;  // elements, at most 64
  std::uint8_t n_in, out_size, in_size[3];
};
void run_loop(const BlockLoop& loop, const void* const* in, void* out, std::int64_t n, unsigned repeat, const void* params);

struct Operand {
  const void* data;             // the first element
  const Shape* strides;         // in elements; null: contiguous
  std::size_t elem_size;
};
// Runs `loop` on operands of any strides (of `shape`) into `out`, which is contiguous. Collapses dimensions, gathers strided inner
// runs into blocks that fit the first-level cache, and spreads over the pool where cost_ns (of one element) makes it worth it. At
// most three operands.
void elementwise(Loop loop, std::span<const Operand> in, void* out, std::size_t out_elem_size, const Shape& shape,
                 const void* params = nullptr, double cost_ns = 0.5);


}  // namespace functra::kernels
