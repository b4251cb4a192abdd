#include "functra/kernels/window.h"

#include <algorithm>
#include <cstddef>
#include <limits>
#include <memory>
#include <string>
#include <type_traits>
#include <vector>

#include "functra/base/errors.h"
#include "functra/base/memory.h"
#include "functra/base/pool.h"
#include "functra/kernels/conv.h"
#include "functra/kernels/reduce_table.h"
#include "functra/kernels/strided.h"
#include "functra/kernels/types.h"

namespace functra::kernels {
namespace {

using Offset = std::int64_t;
constexpr Offset kGrain = 32768, kNone = std::numeric_limits<Offset>::min();

struct Room {
  explicit Room(Offset n) : bytes(static_cast<std::size_t>(n)), p(allocate(bytes)) {}
  Room(const Room&) = delete;
  ~Room() { deallocate(p, bytes); }
  std::size_t bytes;
  void* p;
};

// The taps k of a window, begin <= k < end, that meet elements when the window stands at o, and the element that `begin` meets; the
// next is `step` taps and `move` elements on.
struct Taps {
  Offset begin, end, at;
};
struct Axis {
  Offset n, size, stride, lo, base, dil;
  Offset step = 1, move = 1;
  Axis(const WindowGeometry& g, std::size_t d, Offset extent)
      : n(extent), size(g.size[d]), stride(g.stride[d]), lo(g.pad_lo[d]), base(g.base_dilation[d]), dil(g.window_dilation[d]) {
    while (step * dil % base != 0) ++step;
    move = step * dil / base;
  }
  Taps taps(Offset o) const {
    Offset p = o * stride - lo, k = p >= 0 ? 0 : (-p + dil - 1) / dil;
    while (k < size && (p + k * dil) % base != 0) ++k;
    Offset at = (p + k * dil) / base;
    Offset room = n - at <= 0 ? 0 : (n - at + move - 1) / move;
    return {k, std::min(size, k + room * step), at};
  }
};

// A line of n contiguous elements without gaps: tap after tap over all outputs, which vectorises.
template <Reduce op, class T> void line(const T* x, const Axis& a, Offset out_n, T* out) {
  std::fill_n(out, out_n, identity_of<op, T>());
  for (Offset k = 0; k < a.size; ++k) {
    Offset p = k * a.dil - a.lo;  // under output 0
    Offset begin = p >= 0 ? 0 : (-p + a.stride - 1) / a.stride, end = a.n - p <= 0 ? 0 : std::min(out_n, (a.n - p + a.stride - 1) / a.stride);
    const T* from = x + p;
    if (a.stride == 1)
      for (Offset o = begin; o < end; ++o) out[o] = reduce_two<op, T>(out[o], from[o]);
    else
      for (Offset o = begin; o < end; ++o) out[o] = reduce_two<op, T>(out[o], from[o * a.stride]);
  }
}

// One dimension at a time: a window of a product shape is a chain of windows. x is [outer, n, inner], contiguous.
template <Reduce op, class T> void pass(const T* x, Offset outer, Offset inner, const Axis& a, Offset out_n, T* out) {
  using A = Wide<T>;
  Offset strip = std::min<Offset>(inner, 512), strips = (inner + strip - 1) / strip;
  Offset per = std::max<Offset>(1, out_n * a.size * strip);
  parallel_for(outer * strips, std::max<Offset>(1, kGrain / per), [&](Offset b, Offset e) {
    for (Offset t = b; t < e; ++t) {
      Offset first = t % strips * strip, m = std::min(inner - first, strip);
      const T* xp = x + t / strips * a.n * inner + first;
      T* op_out = out + t / strips * out_n * inner + first;
      if constexpr (std::is_same_v<A, T>)
        if (inner == 1 && a.base == 1) {
          line<op, T>(xp, a, out_n, op_out);
          continue;
        }
      for (Offset o = 0; o < out_n; ++o) {
        Taps k = a.taps(o);
        T* to = op_out + o * inner;
        const T* from = xp + k.at * inner;
        if (m == 1) {
          A r = identity_of<op, A>();
          for (; k.begin < k.end; k.begin += a.step, from += a.move * inner) r = reduce_two<op, A>(r, wide(*from));
          *to = narrow<T>(r);
        } else if constexpr (std::is_same_v<A, T>) {
          if (k.begin >= k.end) std::fill_n(to, m, identity_of<op, T>());
          else std::copy_n(from, m, to);
          for (k.begin += a.step, from += a.move * inner; k.begin < k.end; k.begin += a.step, from += a.move * inner)
            for (Offset c = 0; c < m; ++c) to[c] = reduce_two<op, T>(to[c], from[c]);
        } else {
          A acc[512];
          std::fill_n(acc, m, identity_of<op, A>());
          for (; k.begin < k.end; k.begin += a.step, from += a.move * inner)
            for (Offset c = 0; c < m; ++c) acc[c] = reduce_two<op, A>(acc[c], wide(from[c]));
          for (Offset c = 0; c < m; ++c) to[c] = narrow<T>(acc[c]);
        }
      }
    }
  });
}

template <Reduce op, class T> void passes(const void* x, const Shape& shape, const Shape& strides, const WindowGeometry& g, void* out) {
  Shape out_shape = window_shape(shape, g), now = shape;
  Shape todo;
  for (std::size_t d = 0; d < shape.size(); ++d)
    if (g.size[d] != 1 || g.stride[d] != 1 || g.pad_lo[d] != 0 || g.pad_hi[d] != 0 || g.base_dilation[d] != 1) todo.push_back(static_cast<Offset>(d));
  if (todo.empty()) return copy(out, row_major(shape), x, strides, shape, sizeof(T));
  std::unique_ptr<Room> current, next;
  const T* from = static_cast<const T*>(x);
  if (!is_row_major(shape, strides)) {
    current = std::make_unique<Room>(shape.numel() * static_cast<Offset>(sizeof(T)));
    copy(current->p, row_major(shape), x, strides, shape, sizeof(T));
    from = static_cast<const T*>(current->p);
  }
  for (std::size_t i = todo.size(); i-- > 0;) {  // from the innermost, which most often shrinks the array
    auto d = static_cast<std::size_t>(todo[i]);
    Offset outer = 1, inner = 1;
    for (std::size_t k = 0; k < now.size(); ++k) (k < d ? outer : inner) *= k == d ? 1 : now[k];
    T* to = static_cast<T*>(out);
    if (i > 0) {
      next = std::make_unique<Room>(outer * inner * out_shape[d] * static_cast<Offset>(sizeof(T)));
      to = static_cast<T*>(next->p);
    }
    pass<op>(from, outer, inner, Axis(g, d, now[d]), out_shape[d], to);
    now[d] = out_shape[d];
    from = to;
    current = std::move(next);
  }
}
template <class T> bool by_op(Reduce op, const void* x, const Shape& shape, const Shape& strides, const WindowGeometry& g, void* out) {
  using A = Wide<T>;
  if (op == Reduce::sum) return passes<Reduce::sum, T>(x, shape, strides, g, out), true;
  if (op == Reduce::prod) return passes<Reduce::prod, T>(x, shape, strides, g, out), true;
  if constexpr (std::is_arithmetic_v<A>) {
    if (op == Reduce::max) return passes<Reduce::max, T>(x, shape, strides, g, out), true;
    if (op == Reduce::min) return passes<Reduce::min, T>(x, shape, strides, g, out), true;
  }
  return false;
}

// What the windows along one dimension hold: `count` elements from `at` on, `move` apart.
struct Reach {
  Offset at, count;
};
struct Reaches {
  std::vector<Reach> of;
  Offset move;
  Reaches(const WindowGeometry& g, std::size_t d, Offset extent, Offset windows) {
    const Axis axis(g, d, extent);
    move = axis.move;
    of.reserve(static_cast<std::size_t>(windows));
    for (Offset o = 0; o < windows; ++o) {
      const Taps t = axis.taps(o);
      of.push_back({t.at, t.begin < t.end ? (t.end - t.begin + axis.step - 1) / axis.step : 0});
    }
  }
};

// For every window its first extreme: f(offset of the window in w_strides, offset of the element in y_strides or kNone). The dimensions
// without windows in front are split among threads; windows of one slice run in order.
template <bool max, class T, class F> void selections(const T* x, const Shape& shape, const Shape& strides, const Shape& w_strides,
                                                      const Shape& y_strides, const WindowGeometry& g, F&& f) {
  Shape out_shape = window_shape(shape, g);
  if (out_shape.has(0)) return;
  std::size_t lead = 0, rank = shape.size();
  auto plain = [&](std::size_t d) { return g.size[d] == 1 && g.stride[d] == 1 && g.pad_lo[d] == 0 && g.pad_hi[d] == 0 && g.base_dilation[d] == 1; };
  while (lead < rank && plain(lead)) ++lead;
  Shape front(shape.data(), lead), fx(strides.data(), lead), fw(w_strides.data(), lead), fy(y_strides.data(), lead);
  front.push_back(1);
  for (Shape* s : {&fx, &fw, &fy}) s->push_back(0);
  Collapsed c(front, {&fw, &fx, &fy}, false);
  if (c.extent.empty() || c.extent.back() != 1) {
    c.extent.push_back(1);
    for (auto& s : c.stride) s.push_back(0);
  }
  Shape tail(out_shape.data() + lead, rank - lead);
  std::vector<Reaches> axes;
  for (std::size_t d = lead; d < rank; ++d) axes.emplace_back(g, d, shape[d], out_shape[d]);
  auto takes = [](auto v, auto best) {
    bool nan = is_nan(v), was_nan = is_nan(best);
    return (max ? v > best : v < best) | (nan & !was_nan);
  };
  Offset per = std::max<Offset>(1, tail.numel() * g.size.numel());
  parallel_for(c.rows(), std::max<Offset>(1, kGrain / per), [&](Offset b, Offset e) {
    for_rows(c, b, e, [&](const Offset* o) {
      const T* xs = x + o[1];
      if (axes.size() == 2) {  // images, without branches on their values
        const Reaches &rows = axes[0], &cols = axes[1];
        const Offset *sx = strides.data() + lead, *sw = w_strides.data() + lead, *sy = y_strides.data() + lead;
        const Offset down = rows.move * sx[0], right = cols.move * sx[1], y_down = rows.move * sy[0], y_right = cols.move * sy[1];
        for (Offset i = 0; i < tail[0]; ++i)
          for (Offset j = 0; j < tail[1]; ++j) {
            const Reach r = rows.of[static_cast<std::size_t>(i)], q = cols.of[static_cast<std::size_t>(j)];
            Offset where = kNone;
            if (r.count > 0 && q.count > 0) {
              const T* p = xs + r.at * sx[0] + q.at * sx[1];
              auto best = wide(*p);
              where = o[2] + r.at * sy[0] + q.at * sy[1];
              Offset y = where;
              for (Offset k = 0; k < r.count; ++k, p += down, y += y_down)
                for (Offset l = 0; l < q.count; ++l) {
                  auto v = wide(p[l * right]);
                  bool better = takes(v, best);
                  best = better ? v : best;
                  where = better ? y + l * y_right : where;
                }
            }
            f(o[0] + i * sw[0] + j * sw[1], where);
          }
        return;
      }
      const std::size_t n = axes.size();
      Shape at = Shape::filled(n, 0), k = at;  // the window; the element in it, counted along each dimension
      for (bool more = true; more;) {
        Offset w = o[0], ox = 0, oy = o[2];
        bool empty = false;
        for (std::size_t i = 0; i < n; ++i) {
          const Reach r = axes[i].of[static_cast<std::size_t>(at[i])];
          empty = empty || r.count == 0;
          w += at[i] * w_strides[lead + i];
          ox += r.at * strides[lead + i];
          oy += r.at * y_strides[lead + i];
          k[i] = 0;
        }
        Offset where = kNone;
        if (!empty) {
          auto best = wide(xs[ox]);
          where = oy;
          for (std::size_t i = n; i > 0 || n == 0;) {
            if (auto v = wide(xs[ox]); takes(v, best)) {
              best = v;
              where = oy;
            }
            for (i = n; i > 0; --i) {  // the next element, the last dimension fastest
              const Reaches& a = axes[i - 1];
              const Offset count = a.of[static_cast<std::size_t>(at[i - 1])].count, back = ++k[i - 1] < count ? 1 : 1 - count;
              ox += back * a.move * strides[lead + i - 1];
              oy += back * a.move * y_strides[lead + i - 1];
              if (back == 1) break;
              k[i - 1] = 0;
            }
            if (i == 0) break;
          }
        }
        f(w, where);
        std::size_t i = n;
        while (i > 0 && ++at[i - 1] == tail[i - 1]) at[--i] = 0;
        more = i > 0;
      }
    });
  });
}

}  // namespace

Shape window_shape(const Shape& shape, const WindowGeometry& g) {
  Shape r = shape;
  for (std::size_t d = 0; d < shape.size(); ++d)
    r[d] = conv_extent(shape[d], g.size[d], g.stride[d], g.pad_lo[d], g.pad_hi[d], g.base_dilation[d], g.window_dilation[d]);
  return r;
}

void reduce_window(Reduce op, DType d, const void* x, const Shape& shape, const Shape& strides, const WindowGeometry& g, void* out) {
  Shape out_shape = window_shape(shape, g);
  bool known = op == Reduce::sum || op == Reduce::prod || op == Reduce::max || op == Reduce::min;
  if (known && shape.has(0) && !out_shape.has(0)) {
    std::byte identity[16];
    reduce_identity(op, d, identity);
    return fill(out, out_shape.numel(), size_of(d), identity);
  }
  bool done = known && !is_bool(d) && with_any(d, [&]<class T>(T) { return out_shape.has(0) || by_op<T>(op, x, shape, strides, g, out); });
  if (!done) throw DTypeError("reduce_window: the operation is not defined for " + std::string(name_of(d)) + "; convert the tensor first");
}

void select_and_scatter_add(bool max, DType d, const void* x, const Shape& shape, const Shape& strides, const void* source,
                            const Shape& source_strides, const WindowGeometry& g, void* out) {
  bool done = with_float(d, [&]<class T>(T) {
    double zero[2] = {};
    fill(out, shape.numel(), sizeof(T), zero);
    auto* s = static_cast<const T*>(source);
    auto* o = static_cast<T*>(out);
    auto add = [&](Offset w, Offset i) {
      if (i != kNone) o[i] = narrow<T>(reduce_two<Reduce::sum, Wide<T>>(wide(o[i]), wide(s[w])));
    };
    if (max) selections<true>(static_cast<const T*>(x), shape, strides, source_strides, row_major(shape), g, add);
    else selections<false>(static_cast<const T*>(x), shape, strides, source_strides, row_major(shape), g, add);
  });
  if (!done) throw DTypeError("select_and_scatter_add: not defined for " + std::string(name_of(d)) + "; convert with to(f32) or to(f64)");
}
void select_and_gather(bool max, DType d, const void* x, const Shape& shape, const Shape& strides, const void* y, const Shape& y_strides,
                       const WindowGeometry& g, void* out) {
  Shape to = row_major(window_shape(shape, g));
  bool done = with_float(d, [&]<class T>(T) {
    auto* o = static_cast<T*>(out);
    auto* v = static_cast<const T*>(y);
    auto take = [&](Offset w, Offset i) { o[w] = i != kNone ? v[i] : T{}; };
    if (max) selections<true>(static_cast<const T*>(x), shape, strides, to, y_strides, g, take);
    else selections<false>(static_cast<const T*>(x), shape, strides, to, y_strides, g, take);
  });
  if (!done) throw DTypeError("select_and_gather: not defined for " + std::string(name_of(d)) + "; convert with to(f32) or to(f64)");
}

}  // namespace functra::kernels
