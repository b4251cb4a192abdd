// What gather and scatter share: the layout of windows.
#pragma once
#include "functra/base/num.h"
#include "functra/kernels/gather.h"
#include "functra/prims/gather.h"

namespace functra::prims {

inline std::size_t at(std::int64_t i) { return static_cast<std::size_t>(i); }
Shape plus(Shape s, std::int64_t by = 1);
bool increasing(const Shape& s, std::int64_t below);  // distinct numbers of [0, below), in order
// The operand's window dimensions and their agreement with the indices.
struct Layout {
  Shape window;  // operand dimensions that a window keeps, in order
  const char* wrong = nullptr;
};
Layout layout(const Shape& x, const Shape& indices, const Shape& dropped, const Shape& map, const Shape& x_batch, const Shape& i_batch,
              std::size_t window_dims);
void check_indices(const char* who, const Aval& i);
// Index arrays that the kernel reads: 4 or 8 bytes, signed.
Tensor readable_indices(const Tensor& i);
// `packed`: gather's result or scatter's updates.
kernels::Windows windows(const Tensor& array, const Tensor& indices, const Tensor& packed, const Shape& sizes, const Shape& window,
                         const Shape& packed_window, const Shape& map, const Shape& x_batch, const Shape& i_batch);

// In generated code: the start of a window along a dimension, moved into [0, last], an i64; and whether it was there.
struct WindowStart {
  num::SymOf<bool> inside;
  Sym clamped;
};
WindowStart window_start(const Sym& index, std::int64_t last);

}  // namespace functra::prims
