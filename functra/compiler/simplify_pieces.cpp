// Arrays put together of pieces: pad and concatenate, and slices that take them apart again.
#include <algorithm>

#include "functra/compiler/rules.h"
#include "functra/core/interp.h"
#include "functra/prims/shape.h"

namespace functra::compiler {
namespace {
using namespace functra::prims;

bool all_zero(const Shape& s) {
  return std::all_of(s.begin(), s.end(), [](std::int64_t n) { return n == 0; });
}
bool none_negative(const Shape& s) {
  return std::all_of(s.begin(), s.end(), [](std::int64_t n) { return n >= 0; });
}
Shape padded(const Shape& s, const PadParams& p) {
  Shape r = s;
  for (std::size_t d = 0; d < s.size(); ++d) r[d] = s[d] + p.low[d] + p.high[d] + (s[d] > 0 ? (s[d] - 1) * p.interior[d] : 0);
  return r;
}
bool same_number(const Match& m, const Tensor& a, const Tensor& b) {
  if (a.tag() && a.tag() == b.tag() && a.kind() == Tensor::Kind::Var && b.kind() == Tensor::Kind::Var) return a.var() == b.var();
  auto x = m.constant(a), y = m.constant(b);
  return x && y && a.raw_dtype() == b.raw_dtype() && x->str() == y->str();
}

// ---------------------------------------------------------------- pad (operand, value)
Tensor pad_of_nothing(const Match& m) {
  auto& p = m.params<PadParams>();
  const Shape s = m.shape(m[0]);
  if (padded(s, p) == s && all_zero(p.low)) return m[0];
  if (s.has(0) && none_negative(p.low) && none_negative(p.high)) return core::broadcast_in_dim(m[1], padded(s, p), {});
  return {};
}
Tensor pad_that_crops(const Match& m) {
  auto& p = m.params<PadParams>();
  const Shape s = m.shape(m[0]);
  Shape start = Shape::filled(s.size(), 0), limit = s;
  bool any = false;
  if (!all_zero(p.interior)) return {};
  Shape low = p.low, high = p.high;
  for (std::size_t d = 0; d < s.size(); ++d) {
    if (low[d] < 0) start[d] = std::exchange(low[d], 0) * -1;
    if (high[d] < 0) limit[d] += std::exchange(high[d], 0);
    any |= start[d] != 0 || limit[d] != s[d];
    if (start[d] > limit[d]) return {};  // crops what is padded
  }
  return any ? prims::pad(prims::slice(m[0], start, limit, Shape::filled(s.size(), 1)), m[1], low, high, p.interior) : Tensor();
}
Tensor pad_of_pad(const Match& m) {
  Made inner = m.made(m[0], pad_p);
  if (!inner || !same_number(m, m[1], inner[1])) return {};
  const PadParams &p = m.params<PadParams>(), q = inner.params<PadParams>();
  if (!all_zero(p.interior) || !none_negative(p.low) || !none_negative(p.high) || !none_negative(q.low) || !none_negative(q.high)) return {};
  Shape low = q.low, high = q.high;
  for (std::size_t d = 0; d < low.size(); ++d) low[d] += p.low[d], high[d] += p.high[d];
  return prims::pad(inner[0], m[1], low, high, q.interior);
}
Tensor pad_of_itself(const Match& m) {  // the operand is the value, repeated
  Tensor v = m.scalar_of(m[0]);
  if (m[0].rank0() || !(v.rank0() ? same_number(m, v, m[1]) : m.constant(m[0]) && same_number(m, m[0], m[1]))) return {};
  return core::broadcast_in_dim(m[1], padded(m.shape(m[0]), m.params<PadParams>()), {});
}
Tensor slice_of_pad(const Match& m) {
  Made inner = m.made(m[0], pad_p);
  if (!inner) return {};
  auto& p = m.params<SliceParams>();
  const PadParams q = inner.params<PadParams>();
  const Shape s = m.shape(inner[0]);
  Shape start = Shape::filled(s.size(), 0), limit = s, low = start, high = start, interior = start, shape;
  for (std::size_t d = 0; d < s.size(); ++d) shape.push_back((p.limit[d] - p.start[d] + p.stride[d] - 1) / p.stride[d]);
  if (shape.has(0) || s.has(0)) return {};
  bool padding = false;
  for (std::size_t d = 0; d < s.size(); ++d) {
    std::int64_t step = q.interior[d] + 1, first = q.low[d], end = first + (s[d] - 1) * step + 1;  // where the operand lies
    std::int64_t last = p.start[d] + (shape[d] - 1) * p.stride[d];                                 // what is taken
    if (p.start[d] == 0 && last + 1 == m.shape(m[0])[d] && p.stride[d] == 1) {                     // all of it
      low[d] = q.low[d], high[d] = q.high[d], interior[d] = q.interior[d];
      padding |= low[d] || high[d] || interior[d];
      continue;
    }
    if (last < first || p.start[d] >= end) return core::broadcast_in_dim(inner[1], shape, {});
    if (shape[d] == 1) {  // one position
      std::int64_t from = p.start[d] - first;
      if (from % step) return core::broadcast_in_dim(inner[1], shape, {});
      start[d] = from / step, limit[d] = start[d] + 1;
      continue;
    }
    if (p.stride[d] != 1 || step != 1) {
      if (p.stride[d] != step || p.start[d] < first || (p.start[d] - first) % step || last >= end) return {};
      start[d] = (p.start[d] - first) / step, limit[d] = start[d] + shape[d];
      continue;
    }
    start[d] = std::max<std::int64_t>(0, p.start[d] - first), limit[d] = std::min(s[d], last + 1 - first);
    low[d] = std::max<std::int64_t>(0, first - p.start[d]), high[d] = std::max<std::int64_t>(0, last + 1 - end);
    padding |= low[d] || high[d];
  }
  Tensor x = prims::slice(inner[0], start, limit, Shape::filled(s.size(), 1));
  return padding ? prims::pad(x, inner[1], low, high, interior) : x;
}

// ---------------------------------------------------------------- concatenate
Tensor concatenate_of_few(const Match& m) {  // one part, or parts without elements
  auto d = at(m.params<DimParams>().dim);
  Vec parts;
  for (const Tensor& t : m.operands())
    if (m.shape(t)[d] != 0) parts.push_back(t);
  if (m.size() > 1 && parts.size() == m.size()) return {};
  return parts.empty() ? m[0] : prims::concatenate(parts, static_cast<int>(d));
}
Tensor concatenate_of_concatenate(const Match& m) {
  constexpr std::size_t most = 1024;  // parts: a long chain of concatenations is not copied at every link
  auto d = m.params<DimParams>().dim;
  bool any = false;
  Vec parts;
  for (const Tensor& t : m.operands()) {
    Made c = m.made(t, concatenate_p);
    if (c && c.params<DimParams>().dim == d && m.once(t) && parts.size() + c.size() <= most) {
      any = true;
      for (std::size_t k = 0; k < c.size(); ++k) parts.push_back(c[k]);
    } else parts.push_back(t);
  }
  return any ? prims::concatenate(parts, static_cast<int>(d)) : Tensor();
}
// Neighbours that are slices of the same array, one after the other, or the same number repeated, are one part.
Tensor concatenate_of_neighbours(const Match& m) {
  auto d = at(m.params<DimParams>().dim);
  Vec parts;
  bool any = false;
  for (const Tensor& t : m.operands()) {
    if (!parts.empty()) {
      Tensor& before = parts.back();
      Tensor a = m.scalar_of(before), b = m.scalar_of(t);
      if (a.rank0() && b.rank0() && same_number(m, a, b)) {
        Shape s = m.shape(before);
        s[d] += m.shape(t)[d];
        before = core::broadcast_in_dim(a, s, {});
        any = true;
        continue;
      }
      Made x = m.made(before, slice_p), y = m.made(t, slice_p);
      if (x && y && same_number(m, x[0], y[0])) {
        SliceParams p = x.params<SliceParams>();
        const SliceParams q = y.params<SliceParams>();
        bool fits = p.stride[d] == 1 && q.stride[d] == 1 && p.limit[d] == q.start[d];
        for (std::size_t k = 0; k < p.start.size() && fits; ++k)
          fits = k == d || (p.start[k] == q.start[k] && p.limit[k] == q.limit[k] && p.stride[k] == q.stride[k]);
        if (fits) {
          before = prims::slice(x[0], p.start, (p.limit[d] = q.limit[d], p.limit), p.stride);
          any = true;
          continue;
        }
      }
    }
    parts.push_back(t);
  }
  return any ? prims::concatenate(parts, static_cast<int>(d)) : Tensor();
}
Tensor slice_of_concatenate(const Match& m) {
  Made c = m.made(m[0], concatenate_p);
  if (!c) return {};
  auto& p = m.params<SliceParams>();
  auto d = at(c.params<DimParams>().dim);
  std::int64_t n = (p.limit[d] - p.start[d] + p.stride[d] - 1) / p.stride[d];
  if (n == 0) return {};
  std::int64_t last = p.start[d] + (n - 1) * p.stride[d], from = 0;
  Vec parts;
  Shape first, end;  // of the parts that are reached
  for (std::size_t k = 0; k < c.size(); ++k) {
    std::int64_t size = m.shape(c[k])[d];
    if (from + size > p.start[d] && from <= last && size) {
      parts.push_back(c[k]);
      first.push_back(from);
      end.push_back(from + size);
    }
    from += size;
  }
  if (parts.size() == c.size() || (parts.size() > 1 && p.stride[d] != 1)) return {};
  for (std::size_t k = 0; k < parts.size(); ++k) {
    SliceParams q = p;
    q.start[d] = std::max<std::int64_t>(0, p.start[d] - first[k]);
    q.limit[d] = std::min(end[k], last + 1) - first[k];
    parts[k] = prims::slice(parts[k], q.start, q.limit, q.stride);
  }
  return prims::concatenate(parts, static_cast<int>(d));
}

// The reshape of an array of parts that are reshaped, or repeated, already.
Tensor reshape_of_concatenate(const Match& m) {
  Made c = m.made(m[0], concatenate_p);
  if (!c || c.size() > 64 || !m.once(m[0])) return {};
  const Shape &to = m.params<ShapeParams>().shape, from = m.shape(m[0]);
  auto d = at(c.params<DimParams>().dim);
  std::size_t place = to.size(), j = 0;  // of the joined dimension
  for (std::size_t i = 0; i < from.size(); ++i) {
    if (from[i] == 1) continue;
    while (j < to.size() && to[j] == 1) ++j;
    if (j == to.size() || to[j] != from[i]) return {};
    if (i == d) place = j;
    ++j;
  }
  for (; j < to.size(); ++j)
    if (to[j] != 1) return {};
  if (place == to.size()) return {};
  Vec parts;
  for (std::size_t k = 0; k < c.size(); ++k) {
    if (!m.made(c[k], reshape_p) && !m.made(c[k], core::broadcast_in_dim_p)) return {};
    Shape s = to;
    s[place] = m.shape(c[k])[d];
    parts.push_back(prims::reshape(c[k], s));
  }
  return prims::concatenate(parts, static_cast<int>(place));
}

constexpr Rule rules[] = {
    {&reshape_p, "reshape_of_concatenate", "parts that are reshaped already", reshape_of_concatenate},
    {&pad_p, "pad_of_nothing", "a pad by nothing, or of nothing", pad_of_nothing},
    {&pad_p, "pad_that_crops", "what is cropped is sliced off first", pad_that_crops},
    {&pad_p, "pad_of_pad", "two pads with one value are one", pad_of_pad},
    {&pad_p, "pad_of_itself", "a repeated number padded with it", pad_of_itself},
    {&slice_p, "slice_of_pad", "of the operand, the padding, or less padding", slice_of_pad},
    {&concatenate_p, "concatenate_of_few", "one part, or parts without elements", concatenate_of_few},
    {&concatenate_p, "concatenate_of_concatenate", "parts of parts", concatenate_of_concatenate},
    {&concatenate_p, "concatenate_of_neighbours", "slices that follow each other, or the same number", concatenate_of_neighbours},
    {&slice_p, "slice_of_concatenate", "the parts that it reaches", slice_of_concatenate},
};

}  // namespace

Rules pieces_rules() { return rules; }

}  // namespace functra::compiler
