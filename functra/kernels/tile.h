// A tile of a transposed array, moved so that every cache line that is read serves all its elements.
#pragma once
#include <algorithm>
#include <cstdint>

namespace functra::kernels {

// to[r * to_step + c] = from[r + c * step] for r < rows, c < cols; by squares, whose lines stay in the first-level cache.
template <class T>
void transpose_tile(const T* __restrict from, std::int64_t step, std::int64_t rows, std::int64_t cols, T* __restrict to, std::int64_t to_step) {
  constexpr std::int64_t side = 16;
  for (std::int64_t r0 = 0; r0 < rows; r0 += side)
    for (std::int64_t c0 = 0; c0 < cols; c0 += side) {
      const std::int64_t r1 = std::min(rows, r0 + side), c1 = std::min(cols, c0 + side);
      if (r1 - r0 == side && c1 - c0 == side) {
        for (std::int64_t r = r0; r < r0 + side; ++r)
          for (std::int64_t c = 0; c < side; ++c) to[r * to_step + c0 + c] = from[(c0 + c) * step + r];
      } else {
        for (std::int64_t r = r0; r < r1; ++r)
          for (std::int64_t c = c0; c < c1; ++c) to[r * to_step + c] = from[c * step + r];
      }
    }
}

}  // namespace functra::kernels
