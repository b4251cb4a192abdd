// Structural zeros: a literal 0, repeated or not, and what stands around an array in a pad. They annihilate products, as sparsity does:
// where 0 is known from the Program, 0 * x is 0 for every x, infinities and NaN included; zeros known only at run time do no such thing.
// A sum with an array of zeros is the other term, -0 included (a 0-d literal 0 is added as written).
//
// Normal form: zeros stand outermost. A pad by zeros moves out through what is linear, so that the work inside is that of the elements
// which can be other than zero; sums of such pads are put together of their parts.
#include <algorithm>

#include "functra/compiler/passes.h"
#include "functra/compiler/rules.h"
#include "functra/core/interp.h"
#include "functra/prims/cast.h"
#include "functra/prims/contract.h"
#include "functra/prims/math.h"
#include "functra/prims/reduce.h"
#include "functra/prims/shape.h"

namespace functra::compiler {
namespace {
using namespace functra::prims;
using core::add_p;
using core::broadcast_in_dim_p;
using core::reduce_sum_p;

bool is_zeros(const Match& m, const Tensor& t) { return (is_floating(t.raw_dtype()) || is_integer(t.raw_dtype())) && m.is(t, 0); }
Tensor zeros_of(const Tensor& t, const Shape& s) { return filled(Scalar(0), t.raw_dtype(), s); }
Shape nothing(const Shape& s) { return Shape::filled(s.size(), 0); }

// An array that is zero outside of a box: [low, low + extent of x) in each dimension.
struct Padded {
  Tensor x;
  Shape low, high;
};
std::optional<Padded> padded(const Match& m, const Tensor& t) {
  Made p = m.made(t, pad_p);
  if (!p || !is_zeros(m, p[1]) || p[0].rank0()) return {};
  const PadParams q = p.params<PadParams>();
  for (std::size_t d = 0; d < q.low.size(); ++d)
    if (q.low[d] < 0 || q.high[d] < 0 || q.interior[d] != 0) return {};
  return Padded{p[0], q.low, q.high};
}
Tensor pad_zeros(const Tensor& x, const Shape& low, const Shape& high) {
  return prims::pad(x, Tensor::literal_of(Scalar(0), x.raw_dtype()), low, high, nothing(low));
}
// y in the box.
Tensor inside(const Tensor& y, const Shape& low, const Shape& extents) {
  if (y.rank0()) return y;
  Shape limit = low;
  for (std::size_t d = 0; d < low.size(); ++d) limit[d] += extents[d];
  return prims::slice(y, low, limit, Shape::filled(low.size(), 1));
}

// ---------------------------------------------------------------- products
Tensor zero_factor(const Match& m) {
  for (std::size_t k : {0u, 1u})
    if (is_zeros(m, m[k])) return zeros_of(m[0], m.result_shape());
  return {};
}
Tensor padded_factor(const Match& m) {
  for (std::size_t k : {0u, 1u})
    if (auto p = padded(m, m[k])) {
      const Shape s = m.shape(p->x);
      Tensor other = inside(m[1 - k], p->low, s);
      return pad_zeros(k ? mul(other, p->x) : mul(p->x, other), p->low, p->high);
    }
  return {};
}
Tensor zero_over(const Match& m) { return is_zeros(m, m[0]) ? zeros_of(m[0], m.result_shape()) : Tensor(); }
Tensor padded_over(const Match& m) {
  auto p = padded(m, m[0]);
  if (!p) return {};
  const Shape s = m.shape(p->x);
  return pad_zeros(div(p->x, inside(m[1], p->low, s)), p->low, p->high);
}

// ---------------------------------------------------------------- sums
bool array_of_zeros(const Match& m, const Tensor& t) { return !t.rank0() && is_zeros(m, t); }
Tensor plus_zeros(const Match& m) {
  bool minus = &m.prim() == &sub_p;
  if (array_of_zeros(m, m[1])) return spread(m[0], m.result_shape());
  if (array_of_zeros(m, m[0])) return minus ? neg(spread(m[1], m.result_shape())) : spread(m[1], m.result_shape());
  return {};
}
Tensor combine(const Match& m, const Tensor& a, const Tensor& b) { return &m.prim() == &sub_p ? core::sub(a, b) : core::add(a, b); }
Tensor sum_of_pads(const Match& m) {
  auto a = padded(m, m[0]), b = padded(m, m[1]);
  if (!a || !b) return {};
  const Shape sa = m.shape(a->x), sb = m.shape(b->x);
  Shape low = a->low, high = a->high;
  bool full = true, same = true;
  for (std::size_t d = 0; d < low.size(); ++d) {
    same &= a->low[d] == b->low[d] && a->high[d] == b->high[d];
    low[d] = std::min(a->low[d], b->low[d]);
    high[d] = std::min(a->high[d], b->high[d]);
    full &= low[d] == 0 && high[d] == 0;
  }
  if (same) return pad_zeros(combine(m, a->x, b->x), a->low, a->high);
  for (std::size_t d = 0; d < low.size(); ++d) {  // one after the other: put together, in the box that holds both
    bool first = a->low[d] + sa[d] <= b->low[d], second = b->low[d] + sb[d] <= a->low[d];
    if (!first && !second) continue;
    auto beside = [&](const Tensor& x, const Padded& p) {
      Shape l = p.low, h = p.high;
      for (std::size_t k = 0; k < l.size(); ++k) l[k] = k == d ? 0 : l[k] - low[k], h[k] = k == d ? 0 : h[k] - high[k];
      return pad_zeros(x, l, h);
    };
    Tensor x = beside(a->x, *a), y = beside(&m.prim() == &sub_p ? neg(b->x) : b->x, *b);
    Vec parts{first ? x : y};
    if (std::int64_t gap = first ? b->low[d] - a->low[d] - sa[d] : a->low[d] - b->low[d] - sb[d]) {
      Shape s = m.shape(m[0]);
      for (std::size_t k = 0; k < s.size(); ++k) s[k] -= low[k] + high[k];
      s[d] = gap;
      parts.push_back(zeros_of(m[0], s));
    }
    parts.push_back(first ? y : x);
    return pad_zeros(prims::concatenate(parts, static_cast<int>(d)), low, high);
  }
  if (full) return {};
  auto within = [&](const Padded& p) {  // in the box that holds both
    Shape l = p.low, h = p.high;
    for (std::size_t d = 0; d < l.size(); ++d) l[d] -= low[d], h[d] -= high[d];
    return pad_zeros(p.x, l, h);
  };
  return pad_zeros(combine(m, within(*a), within(*b)), low, high);
}

// (x + pad(a)) + pad(b) = x + (pad(a) + pad(b)) where the boxes are apart: every element has one of them added, if any.
Tensor pads_of_a_sum(const Match& m) {
  for (std::size_t k : {0u, 1u}) {
    auto b = padded(m, m[k]);
    Made sum = m.made(m[1 - k], add_p);
    if (!b || !sum || !m.once(m[1 - k])) continue;
    for (std::size_t j : {0u, 1u}) {
      auto a = padded(m, sum[j]);
      if (!a || padded(m, sum[1 - j])) continue;
      const Shape sa = m.shape(a->x), sb = m.shape(b->x);
      bool apart = false;
      for (std::size_t d = 0; d < sa.size(); ++d) apart |= a->low[d] + sa[d] <= b->low[d] || b->low[d] + sb[d] <= a->low[d];
      if (apart) return core::add(sum[1 - j], core::add(sum[j], m[k]));
    }
  }
  return {};
}

// ---------------------------------------------------------------- one operand
Tensor negative_of_pad(const Match& m) {
  auto p = padded(m, m[0]);
  return p ? pad_zeros(neg(p->x), p->low, p->high) : Tensor();
}
Tensor convert_of_pad(const Match& m) {
  auto p = padded(m, m[0]);
  DType d = m.params<ConvertParams>().dtype;
  return p && !is_bool(d) ? pad_zeros(convert(p->x, d), p->low, p->high) : Tensor();
}
Tensor broadcast_of_pad(const Match& m) {
  auto p = padded(m, m[0]);
  if (!p) return {};
  const BroadcastParams q = m.params<BroadcastParams>();
  const Shape s = m.shape(p->x);
  Shape to = q.shape, low = nothing(q.shape), high = low;
  for (std::size_t i = 0; i < s.size(); ++i) {
    to[at(q.dims[i])] = s[i];
    low[at(q.dims[i])] = p->low[i], high[at(q.dims[i])] = p->high[i];
  }
  return pad_zeros(core::broadcast_in_dim(p->x, to, q.dims), low, high);
}
Tensor transpose_of_pad(const Match& m) {
  auto p = padded(m, m[0]);
  if (!p) return {};
  const Shape perm = m.params<PermParams>().perm;
  return pad_zeros(core::permute(p->x, perm), p->low.pick(perm), p->high.pick(perm));
}
// Where the padded dimensions come through the reshape as they are.
Tensor reshape_of_pad(const Match& m) {
  auto p = padded(m, m[0]);
  if (!p) return {};
  const Shape from = m.shape(m[0]), to = m.params<ShapeParams>().shape, s = m.shape(p->x);
  if (from.has(0)) return {};
  Shape shape = to, low = nothing(to), high = low;
  for (std::size_t i = 0, j = 0; i < from.size() || j < to.size();) {
    std::size_t i0 = i, j0 = j;
    std::int64_t a = i < from.size() ? from[i++] : 1, b = j < to.size() ? to[j++] : 1;
    while (a != b) {
      if (a < b && i < from.size()) a *= from[i++];
      else if (b < a && j < to.size()) b *= to[j++];
      else return {};
    }
    int source = -1, target = -1, n_from = 0, n_to = 0;
    bool any = false;
    for (std::size_t k = i0; k < i; ++k) {
      any |= s[k] != from[k];
      if (from[k] > 1) source = static_cast<int>(k), ++n_from;
    }
    if (!any) continue;
    for (std::size_t k = j0; k < j; ++k)
      if (to[k] > 1) target = static_cast<int>(k), ++n_to;
    if (n_from != 1 || n_to != 1) return {};
    auto x = static_cast<std::size_t>(source), y = static_cast<std::size_t>(target);
    shape[y] = s[x], low[y] = p->low[x], high[y] = p->high[x];
  }
  return pad_zeros(prims::reshape(p->x, shape), low, high);
}
Tensor partial_sum_of_pad(const Match& m) {  // over dimensions that are not padded (those that are: simplify's sum_of_pad)
  auto p = padded(m, m[0]);
  if (!p) return {};
  const Shape dims = m.params<DimsParams>().dims, kept = dims.others(p->low.size());
  for (std::int64_t d : dims)
    if (p->low[at(d)] || p->high[at(d)]) return {};
  return pad_zeros(core::sum(p->x, dims), p->low.pick(kept), p->high.pick(kept));
}

// ---------------------------------------------------------------- several operands
Tensor select_of_pads(const Match& m) {  // both zero outside of a box
  auto a = padded(m, m[1]), b = padded(m, m[2]);
  if ((!a && !is_zeros(m, m[1])) || (!b && !is_zeros(m, m[2])) || (!a && !b)) return {};
  if (a && b && (!(a->low == b->low) || !(a->high == b->high))) return {};
  auto& p = a ? *a : *b;
  const Shape s = m.shape(p.x);
  Tensor zero = zeros_of(p.x, {});
  return pad_zeros(core::select(inside(m[0], p.low, s), a ? a->x : zero, b ? b->x : zero), p.low, p.high);
}
// Zeros at either end of the joined dimension, and boxes that all parts keep to in the others, become a pad.
Tensor concatenate_of_pads(const Match& m) {
  auto d = at(m.params<DimParams>().dim);
  if (m[0].rank0() || m.size() > 64) return {};
  const Shape first = m.shape(m[0]);
  if (first.has(0)) return {};
  std::size_t rank = first.size();
  Shape low, high;  // in the other dimensions: what all parts have in common
  std::vector<std::optional<Padded>> parts;
  std::size_t zeros = 0;
  for (const Tensor& t : m.operands()) {
    parts.push_back(padded(m, t));
    if (array_of_zeros(m, t)) {
      ++zeros;
      continue;
    }
    auto& p = parts.back();
    Shape l = p ? p->low : Shape::filled(rank, 0), h = p ? p->high : Shape::filled(rank, 0);
    if (low.empty()) low = l, high = h;
    for (std::size_t k = 0; k < rank; ++k) low[k] = std::min(low[k], l[k]), high[k] = std::min(high[k], h[k]);
  }
  if (low.empty()) return {};  // zeros alone
  std::size_t from = 0, to = m.size();
  std::int64_t before = 0, after = 0;
  while (array_of_zeros(m, m[from])) before += m.shape(m[from++])[d];
  while (array_of_zeros(m, m[to - 1])) after += m.shape(m[--to])[d];
  low[d] = high[d] = 0;
  bool others = false;
  for (std::size_t k = 0; k < rank; ++k) others |= low[k] || high[k];
  auto end = [&](std::size_t k, bool of_low) { return parts[k] ? (of_low ? parts[k]->low[d] : parts[k]->high[d]) : 0; };
  std::int64_t front = end(from, true), back = end(to - 1, false);
  if (!others && before + front == 0 && after + back == 0) return {};
  Vec x;
  for (std::size_t k = from; k < to; ++k) {
    Shape s = m.shape(m[k]), start = low, limit = s;
    for (std::size_t i = 0; i < rank; ++i) limit[i] -= high[i];
    if (k == from) start[d] += front;
    if (k + 1 == to) limit[d] -= back;
    x.push_back(prims::slice(m[k], start, limit, Shape::filled(rank, 1)));
  }
  low[d] = before + front, high[d] = after + back;
  return pad_zeros(prims::concatenate(x, static_cast<int>(d)), low, high);
}
Tensor zero_contraction(const Match& m) {
  if (!is_zeros(m, m[0]) && !is_zeros(m, m[1])) return {};
  const Aval in[2] = {m[0].aval(), m[1].aval()};
  Aval out;
  m.prim().shape(m.call(), std::span<const Aval>(in), std::span<Aval>(&out, 1));
  return zeros_of(m[0], out.shape);
}
// Padded summed dimensions shorten the sum; others are padded after it.
Tensor contraction_of_pad(const Match& m) {
  const DotParams p = m.params<DotParams>();
  for (std::size_t k : {0u, 1u}) {
    auto a = padded(m, m[k]);
    if (!a) continue;
    const Shape &own = k ? p.right : p.left, &their = k ? p.left : p.right, &own_batch = k ? p.right_batch : p.left_batch,
                &their_batch = k ? p.left_batch : p.right_batch;
    const Shape s = m.shape(a->x), other_shape = m.shape(m[1 - k]);
    Shape start = nothing(other_shape), extents = other_shape;
    for (std::size_t i = 0; i < own.size(); ++i) start[at(their[i])] = a->low[at(own[i])], extents[at(their[i])] = s[at(own[i])];
    for (std::size_t i = 0; i < own_batch.size(); ++i)
      start[at(their_batch[i])] = a->low[at(own_batch[i])], extents[at(their_batch[i])] = s[at(own_batch[i])];
    Tensor other = inside(m[1 - k], start, extents);
    Tensor r = k ? prims::dot_general(other, a->x, p) : prims::dot_general(a->x, other, p);
    Shape low, high, free = own.concat(own_batch).others(s.size());
    for (std::int64_t d : own_batch) low.push_back(a->low[at(d)]), high.push_back(a->high[at(d)]);
    std::size_t theirs = other_shape.size() - their.size() - their_batch.size();
    auto push = [&](bool mine) {
      if (mine)
        for (std::int64_t d : free) low.push_back(a->low[at(d)]), high.push_back(a->high[at(d)]);
      else
        for (std::size_t i = 0; i < theirs; ++i) low.push_back(0), high.push_back(0);
    };
    push(k == 0);
    push(k == 1);
    return low.empty() ? r : pad_zeros(r, low, high);
  }
  return {};
}

constexpr Rule rules[] = {
    {&mul_p, "zero_factor", "0 * x = 0, of a structural zero", zero_factor},
    {&mul_p, "padded_factor", "pad(x) * y = pad(x * y inside)", padded_factor},
    {&div_p, "zero_over", "0 / x = 0, of a structural zero", zero_over},
    {&div_p, "padded_over", "pad(x) / y = pad(x / y inside)", padded_over},
    {&add_p, "plus_zeros", "x + zeros = x", plus_zeros},
    {&sub_p, "minus_zeros", "x - zeros = x, zeros - x = -x", plus_zeros},
    {&add_p, "sum_of_pads", "put together where the boxes are apart, else added in the box that holds both", sum_of_pads},
    {&sub_p, "difference_of_pads", "the same", sum_of_pads},
    {&add_p, "pads_of_a_sum", "(x + pad(a)) + pad(b) = x + (pad(a) + pad(b)) where the boxes are apart", pads_of_a_sum},
    {&neg_p, "negative_of_pad", "-pad(x) = pad(-x)", negative_of_pad},
    {&core::convert_p, "convert_of_pad", "what is inside is converted", convert_of_pad},
    {&broadcast_in_dim_p, "broadcast_of_pad", "what is inside is repeated", broadcast_of_pad},
    {&core::transpose_p, "transpose_of_pad", "what is inside is transposed", transpose_of_pad},
    {&reshape_p, "reshape_of_pad", "what is inside is reshaped", reshape_of_pad},
    {&reduce_sum_p, "partial_sum_of_pad", "what is inside is summed", partial_sum_of_pad},
    {&core::select_p, "select_of_pads", "what is inside is chosen from", select_of_pads},
    {&concatenate_p, "concatenate_of_pads", "zeros at the ends, or around every part, become a pad", concatenate_of_pads},
    {&dot_general_p, "zero_contraction", "with a structural zero", zero_contraction},
    {&dot_general_p, "contraction_of_pad", "what is inside is contracted", contraction_of_pad},
};

}  // namespace

Rules zero_rules() { return rules; }

ProgramPtr annihilate_zeros(const ProgramPtr& p) {
  return rewrite(p, {zero_rules(), seed_rules(), product_rules(), arithmetic_rules(), logic_rules(), movement_rules(), pieces_rules(),
                     narrowing_rules(), reduction_rules()});
}

}  // namespace functra::compiler
