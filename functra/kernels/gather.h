// Windows of an array at computed positions: gathered into, or scattered from, a packed array.
#pragma once
#include <cstddef>
#include <cstdint>

#include "functra/base/shape.h"

namespace functra::kernels {

// One window per batch position. A window starts at the sum of: an offset that follows the batch position, and, per component k of
// the position's index vector, index * component_stride[k]. All strides count elements.
struct Windows {
  Shape batch;                                   // extents of the batch positions
  Shape batch_array, batch_packed, batch_index;  // per batch dimension: strides in the array, packed array, index array
  std::int64_t index_step = 1;                   // between the components of one index vector
  Shape component_stride, limit;                 // per component: stride in the array, largest valid index
  Shape window, window_array, window_packed;     // extents of a window, its strides in the array and the packed array
  std::size_t index_size = 8;                    // 8: std::int64_t, 4: std::int32_t
};
// packed[b, w] = array[start(b) + w]. Indices outside [0, limit] are clamped or, if `fill` is given, give *fill instead.
void gather(const Windows& w, std::size_t elem_size, const void* array, const void* indices, void* packed, const void* fill);
// array[start(b) + w] = packed[b, w], or += with `add`, in row-major order of b (the last of equal positions wins, sums accumulate).
// Indices outside [0, limit] are clamped or, with `drop`, their windows skipped. Sums of bool are "or".
void scatter(const Windows& w, DType d, bool add, void* array, const void* indices, const void* packed, bool drop);

}  // namespace functra::kernels
