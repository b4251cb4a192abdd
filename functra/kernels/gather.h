// Windows of an array at computed positions: gathered into, or scattered from, a packed array.
#pragma once
#include <cstddef>
#include <cstdint>

#include "functra/base/dtype.h"
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
// array[start(b) + w] becomes packed[b, w], or the two combined, in row-major order of b: of equal positions the last is set, others
// accumulate. Indices outside [0, limit] are clamped or, with `drop`, their windows skipped. Of bool, add is "or" and mul "and"; NaN
// wins in min and max, which complex numbers lack (DTypeError).
enum class Scatter : std::uint8_t { set, add, mul, min, max };
void scatter(const Windows& w, DType d, Scatter op, void* array, const void* indices, const void* packed, bool drop);

}  // namespace functra::kernels
