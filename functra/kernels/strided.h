// Moving elements between strided arrays. Strides count elements, may have any sign and, for what is only read, may be zero.
#pragma once
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <initializer_list>

#include "functra/base/shape.h"

namespace functra::kernels {

// A loop nest over several operands of one shape: extents of 1 dropped, dimensions ordered so that operand 0 (the output) has its
// largest stride outermost, and adjacent dimensions merged where every operand permits it. Rank 0 means one element.
struct Collapsed {
  static constexpr int kMax = 6;
  Shape extent;
  Shape stride[kMax];
  int operands = 0;

  Collapsed(const Shape& shape, std::initializer_list<const Shape*> strides, bool reorder = true);
  int rank() const { return extent.rank(); }
  bool empty() const { return extent.has(0); }
  // Length and strides of the innermost dimension (1 and 0 at rank 0), and how many such rows there are.
  std::int64_t inner() const { return extent.empty() ? 1 : extent.back(); }
  std::int64_t inner_stride(int k) const { return extent.empty() ? 0 : stride[k].back(); }
  std::int64_t rows() const {
    std::int64_t n = 1;
    for (int i = 0; i + 1 < rank(); ++i) n *= extent[static_cast<std::size_t>(i)];
    return n;
  }
};

// Visits rows [begin, end) of a nest: f(const std::int64_t* offsets), one offset per operand, of the row's first element.
template <class F> void for_rows(const Collapsed& c, std::int64_t begin, std::int64_t end, F&& f) {
  int outer = std::max(c.rank() - 1, 0);
  Shape at;
  at.resize(static_cast<std::size_t>(outer), 0);
  std::int64_t offset[Collapsed::kMax] = {}, rest = begin;
  for (int i = outer; i-- > 0;) {
    auto u = static_cast<std::size_t>(i);
    at[u] = rest % c.extent[u];
    rest /= c.extent[u];
    for (int k = 0; k < c.operands; ++k) offset[k] += at[u] * c.stride[k][u];
  }
  for (std::int64_t r = begin; r < end; ++r) {
    f(static_cast<const std::int64_t*>(offset));
    for (int i = outer; i-- > 0;) {
      auto u = static_cast<std::size_t>(i);
      if (++at[u] < c.extent[u]) {
        for (int k = 0; k < c.operands; ++k) offset[k] += c.stride[k][u];
        break;
      }
      at[u] = 0;
      for (int k = 0; k < c.operands; ++k) offset[k] -= (c.extent[u] - 1) * c.stride[k][u];
    }
  }
}

// dst[i] = src[i] over `shape`. dst must not overlap src nor itself. Any element size.
void copy(void* dst, const Shape& dst_strides, const void* src, const Shape& src_strides, const Shape& shape, std::size_t elem_size);
// n elements, contiguous, each a copy of *value.
void fill(void* dst, std::int64_t n, std::size_t elem_size, const void* value);
// out, contiguous of out_shape, filled with *value and x placed at lo[d] + i (1 + interior[d]); lo and hi may be negative and then
// crop. out_shape[d] = lo + hi + n + max(n - 1, 0) interior.
void pad(void* out, const Shape& out_shape, const void* x, const Shape& shape, const Shape& strides, const Shape& lo, const Shape& interior,
         std::size_t elem_size, const void* value);

}  // namespace functra::kernels
