// Positions of extremes and running reductions.
#include <algorithm>
#include <cstddef>
#include <string>
#include <type_traits>

#include "functra/base/errors.h"
#include "functra/base/pool.h"
#include "functra/kernels/reduce.h"
#include "functra/kernels/reduce_table.h"
#include "functra/kernels/strided.h"
#include "functra/kernels/types.h"

namespace functra::kernels {
namespace {

using Offset = std::int64_t;
constexpr Offset kGrain = 32768;

template <bool max, class A> bool beats(A a, A best) { return (max ? a > best : a < best) || (is_nan(a) && !is_nan(best)); }

template <bool max, class T> void arg_row(const T* x, Offset n, Offset s, ReduceKernels k, Offset* out) {
  using A = Wide<T>;
  if (std::is_same_v<A, T> && k.rows && s == 1 && n >= 64) {  // the value by vectors, then where it is
    T best;
    k.rows(x, n, 1, 1, 0, &best, 1);
    Offset i = 0;
    if (is_nan(wide(best)))
      while (!is_nan(wide(x[i]))) ++i;
    else
      while (wide(x[i]) != wide(best)) ++i;
    *out = i;
    return;
  }
  A best = wide(x[0]);
  Offset at = 0;
  for (Offset i = 1; i < n; ++i)
    if (A v = wide(x[i * s]); beats<max, A>(v, best)) {
      best = v;
      at = i;
    }
  *out = at;
}
// Columns m wide: one pass over memory in its order.
template <bool max, class T> void arg_columns(const T* x, Offset n, Offset s, Offset m, Offset* out) {
  using A = Wide<T>;
  A best[kReduceStrip];
  for (Offset c = 0; c < m; ++c) {
    best[c] = wide(x[c]);
    out[c] = 0;
  }
  for (Offset i = 1; i < n; ++i)
    for (Offset c = 0; c < m; ++c)
      if (A v = wide(x[i * s + c]); beats<max, A>(v, best[c])) {
        best[c] = v;
        out[c] = i;
      }
}
template <bool max, class T> void arg_all(DType d, const T* x, const Shape& shape, const Shape& strides, int dim, Offset* out) {
  auto at = static_cast<std::size_t>(dim);
  Offset n = shape[at], s = strides[at];
  Shape rest = shape.without(at), to = row_major(rest), from = strides.without(at);
  Collapsed c(rest, {&to, &from});
  ReduceKernels k = is_bool(d) || is_complex(d) ? ReduceKernels{} : simd_reduce_kernels(max ? Reduce::max : Reduce::min, d);
  Offset inner = c.inner(), xs = c.inner_stride(1), strip = std::min(inner, kReduceStrip), strips = (inner + strip - 1) / strip;
  parallel_for(c.rows() * strips, std::max<Offset>(1, kGrain / (n * strip)), [&](Offset b, Offset e) {
    for (Offset t = b; t < e; ++t) {
      Offset first = t % strips * strip, count = std::min(inner - first, strip);
      for_rows(c, t / strips, t / strips + 1, [&](const Offset* o) {
        const T* p = x + o[1] + first * xs;
        Offset* q = out + o[0] + first;
        if (xs == 1 && count > 1) arg_columns<max>(p, n, s, count, q);
        else
          for (Offset i = 0; i < count; ++i) arg_row<max>(p + i * xs, n, s, k, q + i);
      });
    }
  });
}

// In place on x [outer, n, inner], contiguous.
template <Reduce op, class T> void scan(T* x, Offset outer, Offset n, Offset inner, bool reverse) {
  using W = Wide<T>;
  using A = std::conditional_t<std::is_same_v<T, float> && (op == Reduce::sum || op == Reduce::prod), double, W>;
  if (inner == 1) {
    parallel_for(outer, std::max<Offset>(1, kGrain / n), [&](Offset b, Offset e) {
      for (Offset o = b; o < e; ++o) {
        T* p = x + o * n + (reverse ? n - 1 : 0);
        Offset s = reverse ? -1 : 1;
        A a = wide(*p);
        for (Offset i = 1; i < n; ++i) {
          a = reduce_two<op, A>(a, wide(p[i * s]));
          p[i * s] = narrow<T>(a);
        }
      }
    });
    return;
  }
  Offset strip = std::min<Offset>(inner, 2048), strips = (inner + strip - 1) / strip;
  parallel_for(outer * strips, std::max<Offset>(1, kGrain / (n * strip)), [&](Offset b, Offset e) {
    for (Offset t = b; t < e; ++t) {
      Offset first = t % strips * strip, m = std::min(inner - first, strip), s = reverse ? -inner : inner;
      T* p = x + t / strips * n * inner + first + (reverse ? (n - 1) * inner : 0);
      for (Offset i = 1; i < n; ++i)
        for (Offset c = 0; c < m; ++c) p[i * s + c] = narrow<T>(reduce_two<op, W>(wide(p[(i - 1) * s + c]), wide(p[i * s + c])));
    }
  });
}
template <class T> bool scan_by(Reduce op, T* x, Offset outer, Offset n, Offset inner, bool reverse) {
  using W = Wide<T>;
  if (op == Reduce::sum) return scan<Reduce::sum>(x, outer, n, inner, reverse), true;
  if (op == Reduce::prod) return scan<Reduce::prod>(x, outer, n, inner, reverse), true;
  if constexpr (std::is_arithmetic_v<W>) {
    if (op == Reduce::max) return scan<Reduce::max>(x, outer, n, inner, reverse), true;
    if (op == Reduce::min) return scan<Reduce::min>(x, outer, n, inner, reverse), true;
  }
  return false;
}

}  // namespace

void arg_reduce(bool max, DType d, const void* x, const Shape& shape, const Shape& strides, int dim, std::int64_t* out) {
  if (shape[static_cast<std::size_t>(dim)] == 0)
    throw ShapeError(std::string(max ? "argmax" : "argmin") + ": dimension " + std::to_string(dim) + " of shape " + shape.str() +
                     " is empty and has no extreme");
  if (shape.has(0)) return;
  bool done = with_ordered(d, [&]<class T>(T) {
    if (max) arg_all<true>(d, static_cast<const T*>(x), shape, strides, dim, out);
    else arg_all<false>(d, static_cast<const T*>(x), shape, strides, dim, out);
  });
  if (!done) throw DTypeError(std::string(max ? "argmax" : "argmin") + ": " + std::string(name_of(d)) + " has no order; use abs or a real part");
}

void cumulative(Reduce op, bool reverse, DType d, const void* x, const Shape& shape, const Shape& strides, int dim, void* out) {
  if (is_bool(d)) op = op == Reduce::sum ? Reduce::max : op == Reduce::prod ? Reduce::min : op;
  auto at = static_cast<std::size_t>(dim);
  Offset outer = 1, inner = 1;
  for (std::size_t i = 0; i < shape.size(); ++i) (i < at ? outer : inner) *= i == at ? 1 : shape[i];
  if (!shape.has(0)) copy(out, row_major(shape), x, strides, shape, size_of(d));
  bool done = with_any(d, [&]<class T>(T) { return shape.has(0) || scan_by(op, static_cast<T*>(out), outer, shape[at], inner, reverse); });
  if (!done) throw DTypeError("cumulative max or min: " + std::string(name_of(d)) + " has no order; use abs or a real part");
}

}  // namespace functra::kernels
