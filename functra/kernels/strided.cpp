#include "functra/kernels/strided.h"

#include <cstdlib>
#include <cstring>
#include <type_traits>
#include <utility>

#include "functra/base/pool.h"
#include "functra/kernels/tile.h"

namespace functra::kernels {
namespace {

constexpr std::int64_t kGrainBytes = 128 * 1024, kTile = 16;
using Offset = std::int64_t;
struct Bytes16 {
  std::uint64_t a, b;
};

// Calls f with a value whose type has the element's size; false for sizes that have none.
template <class F> bool with_unit(std::size_t size, F&& f) {
  switch (size) {
    case 1: f(std::uint8_t()); return true;
    case 2: f(std::uint16_t()); return true;
    case 4: f(std::uint32_t()); return true;
    case 8: f(std::uint64_t()); return true;
    case 16: f(Bytes16()); return true;
    default: return false;
  }
}
template <class T> T load(const std::byte* p) {
  T v;
  std::memcpy(&v, p, sizeof v);
  return v;
}

template <class T> void copy_run(T* d, Offset ds, const T* s, Offset ss, Offset n) {
  if (ds == 1 && ss == 1) std::memcpy(d, s, static_cast<std::size_t>(n) * sizeof(T));
  else if (ds == 1 && ss == 0) std::fill_n(d, n, *s);
  else if (ds == 1 && ss == -1)
    for (Offset i = 0; i < n; ++i) d[i] = s[-i];
  else if (ds == 1)
    for (Offset i = 0; i < n; ++i) d[i] = s[i * ss];
  else
    for (Offset i = 0; i < n; ++i) d[i * ds] = s[i * ss];
}

// The inner dimension is contiguous in d and dimension t (not the inner one) is contiguous in s: tile by tile through the caches.
template <class T> void copy_transposed(T* d, const T* s, const Collapsed& c, int t) {
  auto at = static_cast<std::size_t>(t);
  Offset rows = c.extent[at], cols = c.inner(), drow = c.stride[0][at], scol = c.inner_stride(1);
  Offset strips = (rows + kTile - 1) / kTile;
  Collapsed outer = c;  // the nest without t and the inner dimension, and a last dimension of strips
  for (int k = 0; k < 2; ++k) {
    outer.stride[k] = outer.stride[k].without(at);
    outer.stride[k][outer.stride[k].size() - 1] = kTile * c.stride[k][at];
  }
  outer.extent = outer.extent.without(at);
  outer.extent[outer.extent.size() - 1] = strips;
  Offset planes = outer.rows(), grain = std::max<Offset>(1, kGrainBytes / (kTile * cols * static_cast<Offset>(sizeof(T))));
  parallel_for(planes * strips, grain, [&](Offset b, Offset e) {
    for (Offset u = b; u < e;) {
      Offset plane = u / strips, first = u % strips, last = std::min(strips, first + e - u);
      for_rows(outer, plane, plane + 1, [&](const Offset* o) {
        for (Offset strip = first; strip < last; ++strip) {
          Offset r0 = strip * kTile, r1 = std::min(rows, r0 + kTile);
          transpose_tile(s + o[1] + r0, scol, r1 - r0, cols, d + o[0] + r0 * drow, drow);
        }
      });
      u += last - first;
    }
  });
}

template <class T> void copy_units(T* d, const T* s, const Collapsed& c) {
  Offset n = c.inner(), ds = c.inner_stride(0), ss = c.inner_stride(1), rows = c.rows();
  if (ds == 1 && ss != 1 && ss != 0 && n >= 4)
    for (int t = 0; t + 1 < c.rank(); ++t)
      if (c.stride[1][static_cast<std::size_t>(t)] == 1 && c.extent[static_cast<std::size_t>(t)] >= 4) return copy_transposed(d, s, c, t);
  Offset bytes = n * static_cast<Offset>(sizeof(T));
  if (rows == 1) {
    parallel_for(n, kGrainBytes / static_cast<Offset>(sizeof(T)), [&](Offset b, Offset e) { copy_run(d + b * ds, ds, s + b * ss, ss, e - b); });
    return;
  }
  parallel_for(rows, std::max<Offset>(1, kGrainBytes / bytes),
               [&](Offset b, Offset e) { for_rows(c, b, e, [&](const Offset* o) { copy_run(d + o[0], ds, s + o[1], ss, n); }); });
}

}  // namespace

Collapsed::Collapsed(const Shape& shape, std::initializer_list<const Shape*> strides, bool reorder) : operands(static_cast<int>(strides.size())) {
  const Shape* const* in = strides.begin();
  auto push = [&](std::size_t i) {
    extent.push_back(shape[i]);
    for (int k = 0; k < operands; ++k) stride[k].push_back((*in[k])[i]);
  };
  if (reorder) {
    Shape order;
    for (std::size_t i = 0; i < shape.size(); ++i)
      if (shape[i] != 1) order.push_back(static_cast<std::int64_t>(i));
    auto before = [&](std::int64_t a, std::int64_t b) {  // larger strides first, by the first operand that tells
      for (int k = 0; k < operands; ++k) {
        std::int64_t x = std::abs((*in[k])[static_cast<std::size_t>(a)]), y = std::abs((*in[k])[static_cast<std::size_t>(b)]);
        if (x != y) return x > y;
      }
      return false;
    };
    for (std::size_t i = 1; i < order.size(); ++i)  // few dimensions: insertion sort, stable
      for (std::size_t j = i; j > 0 && before(order[j], order[j - 1]); --j) std::swap(order[j], order[j - 1]);
    for (std::int64_t i : order) push(static_cast<std::size_t>(i));
  } else {
    for (std::size_t i = 0; i < shape.size(); ++i)
      if (shape[i] != 1) push(i);
  }
  std::size_t w = 0;  // merge into position w
  for (std::size_t r = 1; r < extent.size(); ++r) {
    bool joins = true;
    for (int k = 0; k < operands; ++k) joins = joins && stride[k][w] == stride[k][r] * extent[r];
    if (joins) extent[w] *= extent[r];
    else extent[++w] = extent[r];
    for (int k = 0; k < operands; ++k) stride[k][w] = stride[k][r];
  }
  if (!extent.empty()) {
    extent.resize(w + 1);
    for (int k = 0; k < operands; ++k) stride[k].resize(w + 1);
  }
}

void copy(void* dst, const Shape& dst_strides, const void* src, const Shape& src_strides, const Shape& shape, std::size_t elem_size) {
  if (shape.has(0)) return;
  Collapsed c(shape, {&dst_strides, &src_strides});
  if (with_unit(elem_size, [&](auto unit) {
        using T = decltype(unit);
        copy_units(static_cast<T*>(dst), static_cast<const T*>(src), c);
      }))
    return;
  auto* d = static_cast<std::byte*>(dst);
  auto* s = static_cast<const std::byte*>(src);
  auto size = static_cast<Offset>(elem_size);
  for_rows(c, 0, c.rows(), [&](const Offset* o) {
    for (Offset i = 0; i < c.inner(); ++i)
      std::memcpy(d + (o[0] + i * c.inner_stride(0)) * size, s + (o[1] + i * c.inner_stride(1)) * size, elem_size);
  });
}

void fill(void* dst, std::int64_t n, std::size_t elem_size, const void* value) {
  auto* v = static_cast<const std::byte*>(value);
  auto* d = static_cast<std::byte*>(dst);
  if (std::all_of(v, v + elem_size, [](std::byte b) { return b == std::byte(0); })) {
    auto size = static_cast<Offset>(elem_size);
    parallel_for(n, 2 * kGrainBytes / size, [&](Offset b, Offset e) { std::memset(d + b * size, 0, static_cast<std::size_t>((e - b) * size)); });
    return;
  }
  bool done = with_unit(elem_size, [&](auto unit) {
    using T = decltype(unit);
    T x = load<T>(v);
    parallel_for(n, 2 * kGrainBytes / static_cast<Offset>(sizeof(T)),
                 [&](Offset b, Offset e) { std::fill(static_cast<T*>(dst) + b, static_cast<T*>(dst) + e, x); });
  });
  if (!done)
    for (std::int64_t i = 0; i < n; ++i) std::memcpy(d + static_cast<std::size_t>(i) * elem_size, v, elem_size);
}

void pad(void* out, const Shape& out_shape, const void* x, const Shape& shape, const Shape& strides, const Shape& lo, const Shape& interior,
         std::size_t elem_size, const void* value) {
  fill(out, out_shape.numel(), elem_size, value);
  if (out_shape.has(0)) return;
  Shape part = shape, to = row_major(out_shape), at = to;
  Offset from = 0, where = 0;
  for (std::size_t d = 0; d < shape.size(); ++d) {
    Offset step = 1 + interior[d];
    Offset first = lo[d] < 0 ? (-lo[d] + step - 1) / step : 0;  // the elements whose place lies in [0, out)
    Offset end = out_shape[d] - 1 - lo[d] < 0 ? 0 : std::min(shape[d], (out_shape[d] - 1 - lo[d]) / step + 1);
    if (end <= first) return;
    part[d] = end - first;
    from += first * strides[d];
    where += (lo[d] + first * step) * at[d];
    to[d] = at[d] * step;
  }
  auto size = static_cast<Offset>(elem_size);
  copy(static_cast<std::byte*>(out) + where * size, to, static_cast<const std::byte*>(x) + from * size, strides, part, elem_size);
}

}  // namespace functra::kernels
