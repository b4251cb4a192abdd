#include "functra/kernels/sort.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstring>
#include <string>
#include <type_traits>
#include <utility>

#include "functra/base/errors.h"
#include "functra/base/pool.h"
#include "functra/kernels/scratch.h"
#include "functra/kernels/strided.h"
#include "functra/kernels/types.h"

namespace functra::kernels {
namespace {

using Offset = std::int64_t;

// An unsigned key in the order of the values: for floats the sign turned over, zeros made equal, NaN above everything.
template <class T> auto key(T v) {
  if constexpr (is_half_type<T>) {
    return key(to_float(v));
  } else if constexpr (std::is_floating_point_v<T>) {
    using U = std::conditional_t<sizeof(T) == 4, std::uint32_t, std::uint64_t>;
    constexpr U sign = U(1) << (8 * sizeof(T) - 1);
    if (v != v) return ~U(0);
    if (v == 0) return sign;
    U u;
    std::memcpy(&u, &v, sizeof u);
    return u & sign ? static_cast<U>(~u) : static_cast<U>(u | sign);
  } else if constexpr (std::is_signed_v<T>) {
    using U = std::make_unsigned_t<T>;
    return static_cast<U>(static_cast<U>(v) ^ (U(1) << (8 * sizeof(T) - 1)));
  } else {
    return v;
  }
}
template <class K> struct Item {
  K key;
  std::uint32_t at;
};

// Least significant byte first; bytes that all keys share are skipped. Into v or other: which, it returns.
template <class K> const Item<K>* radix(Item<K>* v, Item<K>* other, std::size_t n) {
  std::array<std::array<std::size_t, 256>, sizeof(K)> counts{};
  for (std::size_t i = 0; i < n; ++i)
    for (std::size_t b = 0; b < sizeof(K); ++b) ++counts[b][static_cast<std::uint8_t>(v[i].key >> (8 * b))];
  for (std::size_t b = 0; b < sizeof(K); ++b) {
    auto& c = counts[b];
    if (c[static_cast<std::uint8_t>(v[0].key >> (8 * b))] == n) continue;
    std::size_t sum = 0;
    for (std::size_t& x : c) {
      std::size_t here = x;
      x = sum;
      sum += here;
    }
    for (std::size_t i = 0; i < n; ++i) other[c[static_cast<std::uint8_t>(v[i].key >> (8 * b))]++] = v[i];
    std::swap(v, other);
  }
  return v;
}
template <class K> bool comes_before(const Item<K>& p, const Item<K>& q) { return p.key != q.key ? p.key < q.key : p.at < q.at; }
// The first `count` positions of each line's order.
template <class T>
void sort_lines(const T* x, const Shape& shape, const Shape& strides, std::size_t dim, Offset count, bool descending, Offset* out) {
  using K = decltype(key(T()));
  Offset n = shape[dim], s = strides[dim];
  Shape rest = shape.without(dim), full = shape;
  full[dim] = count;
  full = row_major(full);
  Shape to = full.without(dim), from = strides.without(dim);
  Offset os = full[dim];
  rest.push_back(1);
  to.push_back(0);
  from.push_back(0);
  Collapsed c(rest, {&to, &from}, false);
  c.extent.push_back(1);
  c.stride[0].push_back(0);
  c.stride[1].push_back(0);
  parallel_for(c.rows(), std::max<Offset>(1, 2000 / std::max<Offset>(n, 1)), [&](Offset b, Offset e) {
    const bool few = count < n && count < 64 + n / 16;
    Scratch<Item<K>> items(n), more(few || n < 256 ? 0 : n);
    Item<K>* const v = items;
    for_rows(c, b, e, [&](const Offset* o) {
      for (Offset i = 0; i < n; ++i) {
        K k = key(x[o[1] + i * s]);
        v[i] = {descending ? static_cast<K>(~k) : k, static_cast<std::uint32_t>(i)};
      }
      const Item<K>* sorted = v;
      if (few) std::partial_sort(v, v + count, v + n, comes_before<K>);
      else if (n < 256) std::sort(v, v + n, comes_before<K>);
      else sorted = radix<K>(v, more, static_cast<std::size_t>(n));
      for (Offset i = 0; i < count; ++i) out[o[0] + i * os] = sorted[i].at;
    });
  });
}
template <class T> void search_lines(const T* sorted, const Shape& sorted_shape, const Shape& sorted_strides, const T* values, const Shape& shape,
                                     const Shape& strides, bool right, Offset* out) {
  std::size_t last = shape.size() - 1;
  Offset n = sorted_shape[last], step = sorted_strides[last];
  Shape full = row_major(shape), line = sorted_strides;
  line[last] = 0;
  Collapsed c(shape, {&full, &strides, &line}, false);
  Offset m = c.inner(), os = c.inner_stride(0), vs = c.inner_stride(1), ls = c.inner_stride(2);
  parallel_for(c.rows(), std::max<Offset>(1, 2000 / m), [&](Offset b, Offset e) {
    for_rows(c, b, e, [&](const Offset* o) {
      for (Offset i = 0; i < m; ++i) {
        const T* first = sorted + o[2] + i * ls;
        auto v = key(values[o[1] + i * vs]);
        Offset at = 0;
        for (Offset left = n; left > 0;) {
          Offset half = left / 2;
          auto k = key(first[(at + half) * step]);
          bool goes_on = right ? !(v < k) : k < v;
          at = goes_on ? at + half + 1 : at;
          left = goes_on ? left - half - 1 : half;
        }
        out[o[0] + i * os] = at;
      }
    });
  });
}
[[noreturn]] void refuse(const char* who, DType d) {
  throw DTypeError(std::string(who) + ": " + std::string(name_of(d)) + " has no order; use abs or a real part");
}

}  // namespace

void argsort(DType d, const void* x, const Shape& shape, const Shape& strides, int dim, bool descending, std::int64_t* out) {
  top_k(d, x, shape, strides, dim, shape[static_cast<std::size_t>(dim)], descending, out);
}
void top_k(DType d, const void* x, const Shape& shape, const Shape& strides, int dim, std::int64_t k, bool descending, std::int64_t* out) {
  auto at = static_cast<std::size_t>(dim);
  if (shape.has(0) || k == 0) return;
  if (shape[at] >= Offset(1) << 32)
    throw ShapeError("sort: dimension " + std::to_string(dim) + " of shape " + shape.str() + " has 2^32 elements or more; sort it in parts");
  if (!with_ordered(d, [&]<class T>(T) { sort_lines(static_cast<const T*>(x), shape, strides, at, k, descending, out); })) refuse("sort", d);
}
void search_sorted(DType d, const void* sorted, const Shape& sorted_shape, const Shape& sorted_strides, const void* values, const Shape& shape,
                   const Shape& strides, bool right, std::int64_t* out) {
  if (shape.has(0)) return;
  bool done = with_ordered(d, [&]<class T>(T) {
    search_lines(static_cast<const T*>(sorted), sorted_shape, sorted_strides, static_cast<const T*>(values), shape, strides, right, out);
  });
  if (!done) refuse("searchsorted", d);
}

void take_along(const void* x, const Shape& shape, const Shape& strides, int dim, const std::int64_t* order, std::size_t elem_size, void* out) {
  if (shape.has(0)) return;
  auto at = static_cast<std::size_t>(dim);
  Offset s = strides[at], size = static_cast<Offset>(elem_size);
  Shape from = strides, full = row_major(shape);
  from[at] = 0;
  Collapsed c(shape, {&full, &from}, false);
  Offset n = c.inner(), step = c.inner_stride(1), to_step = c.inner_stride(0);
  auto* src = static_cast<const std::byte*>(x);
  auto* dst = static_cast<std::byte*>(out);
  parallel_for(c.rows(), std::max<Offset>(1, 16384 / n), [&](Offset b, Offset e) {
    for_rows(c, b, e, [&](const Offset* o) {
      for (Offset i = 0; i < n; ++i) {
        Offset k = o[0] + i * to_step;
        std::memcpy(dst + k * size, src + (o[1] + i * step + order[k] * s) * size, elem_size);
      }
    });
  });
}

}  // namespace functra::kernels
