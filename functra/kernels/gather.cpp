#include "functra/kernels/gather.h"

#include <string>

#include "functra/base/errors.h"
#include "functra/base/pool.h"
#include "functra/kernels/reduce_table.h"
#include "functra/kernels/strided.h"
#include "functra/kernels/types.h"

namespace functra::kernels {
namespace {

using Offset = std::int64_t;
struct Bytes16 {
  std::uint64_t a, b;
};

// Calls f(array offset, packed offset, in bounds) for the batch positions of rows [begin, end).
template <class I, class F> void visit(const Windows& w, const Collapsed& c, const I* indices, bool clamp, Offset begin, Offset end, F&& f) {
  const std::size_t parts = w.limit.size();
  const Offset n = c.inner(), ds = c.inner_stride(0), as = c.inner_stride(1), is = c.inner_stride(2);
  for_rows(c, begin, end, [&](const Offset* o) {
    for (Offset i = 0; i < n; ++i) {
      Offset at = o[1] + i * as;
      const I* index = indices + o[2] + i * is;
      bool inside = true;
      for (std::size_t k = 0; k < parts; ++k) {
        auto v = static_cast<Offset>(index[static_cast<Offset>(k) * w.index_step]);
        if (v < 0 || v > w.limit[k]) {
          inside = clamp;
          v = v < 0 ? 0 : w.limit[k];
        }
        if (!inside) break;
        at += v * w.component_stride[k];
      }
      f(at, o[0] + i * ds, inside);
    }
  });
}
// The nest of the elements of one window, both sides: operand 0 is the one written.
struct Inner {
  Collapsed nest;
  Offset rows, n, to, from;
  Inner(const Shape& window, const Shape& to_strides, const Shape& from_strides)
      : nest(window, {&to_strides, &from_strides}), rows(nest.rows()), n(nest.inner()), to(nest.inner_stride(0)), from(nest.inner_stride(1)) {}
  template <class F> void run(F&& f) const {
    if (rows == 1) {
      f(Offset(0), Offset(0));
      return;
    }
    for_rows(nest, 0, rows, [&](const Offset* o) { f(o[0], o[1]); });
  }
};

template <class T, class I> void gather_as(const Windows& w, const T* array, const I* indices, T* packed, const T* fill) {
  Collapsed c(w.batch, {&w.batch_packed, &w.batch_array, &w.batch_index});
  Inner in(w.window, w.window_packed, w.window_array);
  bool single = w.window.numel() == 1, straight = in.to == 1 && in.from == 1;
  Offset each = c.inner() * w.window.numel() * static_cast<Offset>(sizeof(T));
  parallel_for(c.rows(), std::max<Offset>(1, 65536 / std::max<Offset>(1, each)), [&](Offset b, Offset e) {
    visit(w, c, indices, !fill, b, e, [&](Offset at, Offset to, bool inside) {
      if (single) {
        packed[to] = inside ? array[at] : *fill;
        return;
      }
      in.run([&](Offset p, Offset a) {
        T* y = packed + to + p;
        const T* x = array + at + a;
        if (!inside)
          for (Offset i = 0; i < in.n; ++i) y[i * in.to] = *fill;
        else if (straight)
          for (Offset i = 0; i < in.n; ++i) y[i] = x[i];
        else
          for (Offset i = 0; i < in.n; ++i) y[i * in.to] = x[i * in.from];
      });
    });
  });
}
template <class T, class I, class Put> void scatter_as(const Windows& w, T* array, const I* indices, const T* packed, bool drop, Put put) {
  Collapsed c(w.batch, {&w.batch_packed, &w.batch_array, &w.batch_index}, false);
  Inner in(w.window, w.window_array, w.window_packed);
  visit(w, c, indices, !drop, 0, c.rows(), [&](Offset at, Offset from, bool inside) {
    if (!inside) return;
    in.run([&](Offset a, Offset p) {
      T* y = array + at + a;
      const T* x = packed + from + p;
      for (Offset i = 0; i < in.n; ++i) put(y[i * in.to], x[i * in.from]);
    });
  });
}
template <class T> void gather_of(const Windows& w, const void* array, const void* indices, void* packed, const void* fill) {
  auto *x = static_cast<const T*>(array), *f = static_cast<const T*>(fill);
  auto* y = static_cast<T*>(packed);
  if (w.index_size == 8) gather_as(w, x, static_cast<const std::int64_t*>(indices), y, f);
  else gather_as(w, x, static_cast<const std::int32_t*>(indices), y, f);
}
template <class T, class Put> void scatter_of(const Windows& w, void* array, const void* indices, const void* packed, bool drop, Put put) {
  auto* y = static_cast<T*>(array);
  auto* x = static_cast<const T*>(packed);
  if (w.index_size == 8) scatter_as(w, y, static_cast<const std::int64_t*>(indices), x, drop, put);
  else scatter_as(w, y, static_cast<const std::int32_t*>(indices), x, drop, put);
}
template <class T> void scatter_set(const Windows& w, void* array, const void* indices, const void* packed, bool drop) {
  scatter_of<T>(w, array, indices, packed, drop, [](T& y, const T& x) { y = x; });
}
template <Reduce op, class T> void accumulate(const Windows& w, void* array, const void* indices, const void* packed, bool drop) {
  scatter_of<T>(w, array, indices, packed, drop, [](T& y, const T& x) { y = narrow<T>(reduce_two<op, Wide<T>>(wide(y), wide(x))); });
}
template <class T> bool accumulate(Scatter op, const Windows& w, void* array, const void* indices, const void* packed, bool drop) {
  if (op == Scatter::add) return accumulate<Reduce::sum, T>(w, array, indices, packed, drop), true;
  if (op == Scatter::mul) return accumulate<Reduce::prod, T>(w, array, indices, packed, drop), true;
  if constexpr (std::is_arithmetic_v<Wide<T>>) {
    if (op == Scatter::min) return accumulate<Reduce::min, T>(w, array, indices, packed, drop), true;
    return accumulate<Reduce::max, T>(w, array, indices, packed, drop), true;
  }
  return false;
}
bool nothing(const Windows& w) { return w.batch.has(0) || w.window.has(0); }
}  // namespace

void gather(const Windows& w, std::size_t elem_size, const void* array, const void* indices, void* packed, const void* fill) {
  if (nothing(w)) return;
  switch (elem_size) {
    case 1: return gather_of<std::uint8_t>(w, array, indices, packed, fill);
    case 2: return gather_of<std::uint16_t>(w, array, indices, packed, fill);
    case 4: return gather_of<std::uint32_t>(w, array, indices, packed, fill);
    case 8: return gather_of<std::uint64_t>(w, array, indices, packed, fill);
    default: return gather_of<Bytes16>(w, array, indices, packed, fill);
  }
}
void scatter(const Windows& w, DType d, Scatter op, void* array, const void* indices, const void* packed, bool drop) {
  if (nothing(w)) return;
  if (op == Scatter::set) switch (size_of(d)) {
      case 1: return scatter_set<std::uint8_t>(w, array, indices, packed, drop);
      case 2: return scatter_set<std::uint16_t>(w, array, indices, packed, drop);
      case 4: return scatter_set<std::uint32_t>(w, array, indices, packed, drop);
      case 8: return scatter_set<std::uint64_t>(w, array, indices, packed, drop);
      default: return scatter_set<Bytes16>(w, array, indices, packed, drop);
    }
  if (is_bool(d)) op = op == Scatter::add ? Scatter::max : op == Scatter::mul ? Scatter::min : op;
  if (!with_any(d, [&]<class T>(T) { return accumulate<T>(op, w, array, indices, packed, drop); }))
    throw DTypeError("scatter: " + std::string(name_of(d)) + " has no order; use abs or a real part");
}

}  // namespace functra::kernels
