// Movement of elements: broadcasts, reshapes, transposes and slices in their shortest form. Normal forms: a 0-d value becomes an array by a
// broadcast, extents of one come and go by reshapes, and slices stand nearest to where the values come from.
#include <algorithm>

#include "functra/compiler/rules.h"
#include "functra/core/interp.h"
#include "functra/prims/cast.h"
#include "functra/prims/checkpoint.h"
#include "functra/prims/index.h"
#include "functra/prims/shape.h"

namespace functra::compiler {
namespace {
using namespace functra::prims;
using core::broadcast_in_dim_p;
using core::transpose_p;

// Where two shapes differ in extents of one only: per dimension of `from` of another extent, the dimension of `to` that is the same.
std::optional<Shape> same_but_ones(const Shape& from, const Shape& to) {
  Shape map;
  std::size_t j = 0;
  for (std::int64_t n : from) {
    if (n == 1) continue;
    while (j < to.size() && to[j] == 1) ++j;
    if (j == to.size() || to[j] != n) return {};
    map.push_back(static_cast<std::int64_t>(j++));
  }
  while (j < to.size() && to[j] == 1) ++j;
  return j == to.size() ? std::optional(map) : std::nullopt;
}
Shape without_ones(const Shape& s) {
  Shape r;
  for (std::int64_t n : s)
    if (n != 1) r.push_back(n);
  return r;
}

// ---------------------------------------------------------------- broadcast_in_dim
Tensor broadcast_of_itself(const Match& m) {
  auto& p = m.params<BroadcastParams>();
  if (m[0].rank0()) return p.shape.empty() && !m[0].weak() ? m[0] : Tensor();
  if (p.shape == m.shape(m[0])) return m[0];
  for (std::int64_t d : p.dims.others(p.shape.size()))
    if (p.shape[at(d)] != 1) return {};
  return prims::reshape(m[0], p.shape);
}
Tensor broadcast_of_broadcast(const Match& m) {
  auto& p = m.params<BroadcastParams>();
  Made b = m.made(m[0], broadcast_in_dim_p);
  return b ? core::broadcast_in_dim(b[0], p.shape, p.dims.pick(b.params<BroadcastParams>().dims)) : Tensor();
}
Tensor broadcast_of_ones_inserted(const Match& m) {
  auto& p = m.params<BroadcastParams>();
  Made r = m.made(m[0], reshape_p);
  if (!r) return {};
  const Shape from = m.shape(r[0]);
  auto map = same_but_ones(from, m.shape(m[0]));
  if (!map || from.empty() || map->size() != from.size()) return {};
  return core::broadcast_in_dim(r[0], p.shape, p.dims.pick(*map));
}

// ---------------------------------------------------------------- reshape
Tensor reshape_of_itself(const Match& m) {
  auto& s = m.params<ShapeParams>().shape;
  if (m[0].rank0()) return s.empty() ? (m[0].weak() ? Tensor() : m[0]) : core::broadcast_in_dim(m[0], s, {});
  return m.shape(m[0]) == s ? m[0] : Tensor();
}
Tensor reshape_of_reshape(const Match& m) {
  Made r = m.made(m[0], reshape_p);
  return r ? prims::reshape(r[0], m.params<ShapeParams>().shape) : Tensor();
}
Tensor reshape_of_broadcast(const Match& m) {
  Made b = m.made(m[0], broadcast_in_dim_p);
  if (!b) return {};
  const Shape to = m.params<ShapeParams>().shape, &from = m.shape(m[0]), dims = b.params<BroadcastParams>().dims;
  if (b[0].rank0()) return core::broadcast_in_dim(b[0], to, {});
  auto map = same_but_ones(from, to);
  if (!map) return {};
  Shape kept;  // of dimensions of `from` that are not one: their number among those
  std::int64_t k = 0;
  Shape number = Shape::filled(from.size(), -1);
  for (std::size_t i = 0; i < from.size(); ++i)
    if (from[i] != 1) number[i] = k++;
  for (std::int64_t d : dims)
    if (from[at(d)] != 1) kept.push_back((*map)[at(number[at(d)])]);
  return core::broadcast_in_dim(prims::reshape(b[0], without_ones(m.shape(b[0]))), to, kept);
}

// ---------------------------------------------------------------- transpose
Tensor transpose_of_ones(const Match& m) {  // nothing moves but extents of one
  const Shape perm = m.params<PermParams>().perm, &s = m.shape(m[0]);
  std::int64_t last = -1;
  for (std::int64_t d : perm) {
    if (s[at(d)] == 1) continue;
    if (d < last) return {};
    last = d;
  }
  return prims::reshape(m[0], s.pick(perm));
}
Tensor transpose_of_transpose(const Match& m) {
  Made t = m.made(m[0], transpose_p);
  return t ? core::permute(t[0], t.params<PermParams>().perm.pick(m.params<PermParams>().perm)) : Tensor();
}
Tensor transpose_of_broadcast(const Match& m) {
  Made b = m.made(m[0], broadcast_in_dim_p);
  if (!b) return {};
  const Shape perm = m.params<PermParams>().perm, place = inverse(perm), to = m.shape(m[0]).pick(perm),
              dims = place.pick(b.params<BroadcastParams>().dims);
  Shape order = Shape::iota(dims.size());
  std::sort(order.begin(), order.end(), [&](std::int64_t i, std::int64_t j) { return dims[at(i)] < dims[at(j)]; });
  if (b[0].rank0()) return core::broadcast_in_dim(b[0], to, {});
  return core::broadcast_in_dim(core::permute(b[0], order), to, dims.pick(order));
}
Tensor transpose_of_ones_inserted(const Match& m) {  // the transpose is of what is not one
  Made r = m.made(m[0], reshape_p);
  const Shape perm = m.params<PermParams>().perm, &s = m.shape(m[0]);
  if (!r || !s.has(1) || !same_but_ones(m.shape(r[0]), s)) return {};
  Shape number = Shape::filled(s.size(), -1), order;
  std::int64_t k = 0;
  for (std::size_t i = 0; i < s.size(); ++i)
    if (s[i] != 1) number[i] = k++;
  for (std::int64_t d : perm)
    if (s[at(d)] != 1) order.push_back(number[at(d)]);
  return prims::reshape(core::permute(prims::reshape(r[0], without_ones(s)), order), s.pick(perm));
}

// ---------------------------------------------------------------- slice
std::int64_t length(const SliceParams& p, std::size_t d) { return (p.limit[d] - p.start[d] + p.stride[d] - 1) / p.stride[d]; }
Shape lengths(const SliceParams& p) {
  Shape s;
  for (std::size_t d = 0; d < p.start.size(); ++d) s.push_back(length(p, d));
  return s;
}
bool is_full(const SliceParams& p, std::size_t d, std::int64_t extent) { return p.start[d] == 0 && p.limit[d] == extent && p.stride[d] == 1; }
// The slice of n elements from `start` on.
void put(SliceParams& p, std::size_t d, std::int64_t start, std::int64_t n, std::int64_t stride) {
  p.start[d] = start;
  p.limit[d] = n ? start + (n - 1) * stride + 1 : start;
  p.stride[d] = n > 1 ? stride : 1;
}
Tensor slice_with(const Tensor& x, const SliceParams& p) { return prims::slice(x, p.start, p.limit, p.stride); }
SliceParams whole(const Shape& s) { return {Shape::filled(s.size(), 0), s, Shape::filled(s.size(), 1)}; }

Tensor slice_of_all(const Match& m) {
  auto& p = m.params<SliceParams>();
  const Shape& s = m.shape(m[0]);
  for (std::size_t d = 0; d < s.size(); ++d)
    if (!is_full(p, d, s[d])) return {};
  return m[0];
}
Tensor slice_of_slice(const Match& m) {
  Made s = m.made(m[0], slice_p);
  if (!s) return {};
  const SliceParams &p = m.params<SliceParams>(), inner = s.params<SliceParams>();
  SliceParams q = inner;
  for (std::size_t d = 0; d < p.start.size(); ++d)
    put(q, d, inner.start[d] + p.start[d] * inner.stride[d], length(p, d), inner.stride[d] * p.stride[d]);
  for (std::size_t d = 0; d < p.start.size(); ++d)
    if (q.start[d] > m.shape(s[0])[d]) return {};  // of an empty slice
  return slice_with(s[0], q);
}
Tensor slice_of_broadcast(const Match& m) {
  Made b = m.made(m[0], broadcast_in_dim_p);
  if (!b) return {};
  auto& p = m.params<SliceParams>();
  const Shape dims = b.params<BroadcastParams>().dims, to = lengths(p);
  if (b[0].rank0()) return core::broadcast_in_dim(b[0], to, {});
  return core::broadcast_in_dim(slice_with(b[0], {p.start.pick(dims), p.limit.pick(dims), p.stride.pick(dims)}), to, dims);
}
Tensor slice_of_transpose(const Match& m) {
  Made t = m.made(m[0], transpose_p);
  if (!t) return {};
  auto& p = m.params<SliceParams>();
  const Shape perm = t.params<PermParams>().perm, place = inverse(perm);
  return core::permute(slice_with(t[0], {p.start.pick(place), p.limit.pick(place), p.stride.pick(place)}), perm);
}
// Where the sliced dimensions come through the reshape, as they are or as the first of what one dimension is split into.
Tensor slice_of_reshape(const Match& m) {
  Made r = m.made(m[0], reshape_p);
  if (!r) return {};
  auto& p = m.params<SliceParams>();
  const Shape from = m.shape(r[0]), &to = m.shape(m[0]), shape = lengths(p);
  if (from.empty() || shape.has(0)) return {};
  SliceParams q = whole(from);
  for (std::size_t i = 0, j = 0; i < from.size() || j < to.size();) {  // groups of dimensions of the same number of elements
    std::size_t i0 = i, j0 = j;
    std::int64_t a = i < from.size() ? from[i++] : 1, b = j < to.size() ? to[j++] : 1;
    while (a != b) {
      if (a < b && i < from.size()) a *= from[i++];
      else if (b < a && j < to.size()) b *= to[j++];
      else return {};
    }
    std::int64_t inner = 1;
    int sliced = -1;
    for (std::size_t k = j0; k < j; ++k) {
      if (is_full(p, k, to[k])) continue;
      if (sliced >= 0) return {};
      sliced = static_cast<int>(k);
    }
    if (sliced < 0) continue;
    auto d = static_cast<std::size_t>(sliced);
    for (std::size_t k = j0; k < d; ++k)
      if (to[k] != 1) return {};
    for (std::size_t k = d + 1; k < j; ++k) inner *= to[k];
    int source = -1;
    for (std::size_t k = i0; k < i; ++k) {
      if (from[k] == 1) continue;
      if (source >= 0) return {};
      source = static_cast<int>(k);
    }
    if (source < 0 || (inner != 1 && p.stride[d] != 1)) return {};
    if (inner == 1) put(q, static_cast<std::size_t>(source), p.start[d], length(p, d), p.stride[d]);
    else put(q, static_cast<std::size_t>(source), p.start[d] * inner, length(p, d) * inner, 1);
  }
  return prims::reshape(slice_with(r[0], q), shape);
}
Tensor slice_of_iota(const Match& m) {  // where one index is left, or all of them
  Made i = m.made(m[0], iota_p);
  if (!i) return {};
  auto& p = m.params<SliceParams>();
  const IotaParams q = i.params<IotaParams>();
  const Shape to = lengths(p);
  auto d = at(q.dim);
  if (is_full(p, d, q.shape[d])) return prims::iota(q.dtype, to, static_cast<int>(q.dim));
  return to[d] == 1 ? filled(Scalar(p.start[d]), q.dtype, to) : Tensor();
}

// ---------------------------------------------------------------- rev
Tensor rev_of_little(const Match& m) {  // of extents of one, and of what is repeated, nothing turns round
  const Shape dims = m.params<DimsParams>().dims, &s = m.shape(m[0]);
  Made b = m.made(m[0], broadcast_in_dim_p);
  Shape left;
  for (std::int64_t d : dims)
    if (s[at(d)] > 1 && !(b && !b.params<BroadcastParams>().dims.has(d))) left.push_back(d);
  return left.size() < dims.size() ? prims::rev(m[0], left) : Tensor();
}
Tensor rev_of_rev(const Match& m) {
  Made r = m.made(m[0], rev_p);
  if (!r) return {};
  const Shape a = r.params<DimsParams>().dims, b = m.params<DimsParams>().dims;
  Shape left;
  for (std::int64_t d = 0; d < m.shape(m[0]).rank(); ++d)
    if (a.has(d) != b.has(d)) left.push_back(d);
  return prims::rev(r[0], left);
}

Tensor operand(const Match& m) { return m[0]; }

constexpr Rule rules[] = {
    {&stop_gradient_p, "stopped", "stop_gradient means nothing once derivatives are taken", operand},
    {&name_p, "named", "nor does the name of a value", operand},
    {&broadcast_in_dim_p, "broadcast_of_itself", "a broadcast to the shape that is there, or that inserts ones", broadcast_of_itself},
    {&broadcast_in_dim_p, "broadcast_of_broadcast", "two broadcasts are one", broadcast_of_broadcast},
    {&broadcast_in_dim_p, "broadcast_of_ones_inserted", "a reshape that inserts ones, before a broadcast", broadcast_of_ones_inserted},
    {&reshape_p, "reshape_of_itself", "a reshape to the shape that is there, or of a 0-d value", reshape_of_itself},
    {&reshape_p, "reshape_of_reshape", "two reshapes are one", reshape_of_reshape},
    {&reshape_p, "reshape_of_broadcast", "a broadcast whose shape gains or loses ones, or of a 0-d value", reshape_of_broadcast},
    {&transpose_p, "transpose_of_ones", "a transpose that moves extents of one only is a reshape", transpose_of_ones},
    {&transpose_p, "transpose_of_transpose", "two transposes are one", transpose_of_transpose},
    {&transpose_p, "transpose_of_broadcast", "what is repeated is transposed", transpose_of_broadcast},
    {&transpose_p, "transpose_of_ones_inserted", "a reshape that inserts ones, before a transpose", transpose_of_ones_inserted},
    {&slice_p, "slice_of_all", "a slice that takes everything", slice_of_all},
    {&slice_p, "slice_of_slice", "two slices are one", slice_of_slice},
    {&slice_p, "slice_of_broadcast", "what is repeated is sliced", slice_of_broadcast},
    {&slice_p, "slice_of_transpose", "the slice before the transpose", slice_of_transpose},
    {&slice_p, "slice_of_reshape", "the slice before the reshape", slice_of_reshape},
    {&slice_p, "slice_of_iota", "positions of which one is left, or all", slice_of_iota},
    {&rev_p, "rev_of_little", "extents of one and repeated values need no turning round", rev_of_little},
    {&rev_p, "rev_of_rev", "two reversals are one, or none", rev_of_rev},
};

}  // namespace

Rules movement_rules() { return rules; }

}  // namespace functra::compiler
