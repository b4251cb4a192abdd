// Gathers and scatters whose positions are known from the Program, as constants or as positions that count up: they are slices, pads and
// transposes, if no window reaches outside. Windows at constant starts too.
#include <algorithm>
#include <cmath>

#include "functra/compiler/passes.h"
#include "functra/compiler/rules.h"
#include "functra/core/interp.h"
#include "functra/prims/cast.h"
#include "functra/prims/gather.h"
#include "functra/prims/index.h"
#include "functra/prims/math.h"
#include "functra/prims/shape.h"

namespace functra::compiler {
namespace {
using namespace functra::prims;

// ---------------------------------------------------------------- integers that are affine in their place
struct Affine {  // t[i] = offset + sum of steps[d] * i[d]
  std::int64_t offset = 0;
  Shape steps;
};
constexpr double exact = 0x1p53;  // doubles below are
double real(std::int64_t i) { return static_cast<double>(i); }
// Are all of them numbers of this dtype? Those that are not have wrapped round.
bool fits(const Affine& a, const Shape& s, DType d) {
  double low = real(a.offset), high = low;
  for (std::size_t i = 0; i < a.steps.size(); ++i) {
    const double last = real(a.steps[i]) * real(std::max<std::int64_t>(s[i] - 1, 0));
    (last < 0 ? low : high) += last;
  }
  const double most = std::min(std::ldexp(1.0, static_cast<int>(8 * size_of(d)) - is_signed_int(d)), exact);
  return high < most && low >= (is_signed_int(d) ? -most : 0);
}
std::optional<Affine> affine(const Match& m, const Tensor& t, int depth);
std::optional<Affine> affine_unless_wrapped(const Match& m, const Tensor& t, int depth) {
  const std::size_t rank = m.shape(t).size();
  if (auto c = m.constant(t)) {
    if (std::fabs(static_cast<double>(*c)) >= exact) return {};
    return Affine{static_cast<std::int64_t>(*c), Shape::filled(rank, 0)};
  }
  Made e = m.made(t);
  if (!e) return {};
  const core::Primitive* p = e.prim();
  if (p == &iota_p) {
    Affine a{0, Shape::filled(rank, 0)};
    a.steps[at(e.params<IotaParams>().dim)] = 1;
    return a;
  }
  if (p == &core::add_p || p == &sub_p || p == &mul_p) {
    auto a = affine(m, e[0], depth - 1), b = affine(m, e[1], depth - 1);
    if (!a || !b) return {};
    a->steps.resize(rank), b->steps.resize(rank);  // a number has none
    if (p == &mul_p) {
      auto zero = [](const Affine& x) { return std::all_of(x.steps.begin(), x.steps.end(), [](std::int64_t s) { return s == 0; }); };
      if (!zero(*a)) std::swap(*a, *b);
      if (!zero(*a)) return {};
      double most = std::fabs(real(b->offset));
      for (std::int64_t s : b->steps) most += std::fabs(real(s));
      if (std::fabs(real(a->offset)) * most >= exact) return {};
      b->offset *= a->offset;
      for (auto& s : b->steps) s *= a->offset;
      return b;
    }
    std::int64_t sign = p == &sub_p ? -1 : 1;
    a->offset += sign * b->offset;
    for (std::size_t d = 0; d < rank; ++d) a->steps[d] += sign * b->steps[d];
    return a;
  }
  bool moves = p == &core::convert_p || p == &core::broadcast_in_dim_p || p == &core::transpose_p || p == &reshape_p || p == &slice_p;
  auto a = moves ? affine(m, e[0], depth - 1) : std::nullopt;
  if (!a || p == &core::convert_p) return a;
  Affine r{a->offset, Shape::filled(rank, 0)};
  const Shape s = m.shape(e[0]);
  if (p == &core::broadcast_in_dim_p) {
    for (std::size_t i = 0; i < s.size(); ++i) r.steps[at(e.params<BroadcastParams>().dims[i])] = a->steps[i];
  } else if (p == &core::transpose_p) {
    r.steps = a->steps.pick(e.params<PermParams>().perm);
  } else if (p == &slice_p) {
    auto& q = e.params<SliceParams>();
    for (std::size_t d = 0; d < rank; ++d) r.offset += q.start[d] * a->steps[d], r.steps[d] = q.stride[d] * a->steps[d];
  } else {  // a reshape that changes extents of one only
    const Shape to = m.shape(t);
    std::size_t j = 0;
    for (std::size_t i = 0; i < s.size(); ++i) {
      if (s[i] == 1) continue;
      while (j < to.size() && to[j] == 1) ++j;
      if (j == to.size() || to[j] != s[i]) return {};
      r.steps[j++] = a->steps[i];
    }
    for (; j < to.size(); ++j)
      if (to[j] != 1) return {};
  }
  return r;
}
std::optional<Affine> affine(const Match& m, const Tensor& t, int depth = 8) {
  if (!is_integer(t.raw_dtype()) || depth == 0) return {};
  auto a = affine_unless_wrapped(m, t, depth);
  return a && fits(*a, m.shape(t), t.raw_dtype()) ? a : std::nullopt;
}
// The components of index vectors, each affine in the batch dimensions.
std::optional<std::vector<Affine>> components(const Match& m, const Tensor& indices) {
  const Shape s = m.shape(indices);
  const std::size_t last = s.size() - 1;
  std::vector<Affine> r;
  auto add = [&](const Tensor& t) {
    auto a = affine(m, t);
    if (!a) return false;
    std::int64_t step = a->steps[last];
    Shape steps = a->steps.without(last);
    for (std::int64_t c = 0; c < m.shape(t)[last]; ++c) r.push_back({a->offset + c * step, steps});
    return true;
  };
  if (Made c = m.made(indices, concatenate_p); c && at(c.params<DimParams>().dim) == last) {
    for (std::size_t k = 0; k < c.size(); ++k)
      if (!add(c[k])) return {};
    return r;
  }
  return add(indices) ? std::optional(r) : std::nullopt;
}

// ---------------------------------------------------------------- windows
// Where the windows of a gather or scatter lie: per operand dimension a range, which a batch dimension counts through, or a window fills.
struct Windows {
  Shape start, count, step;  // per operand dimension
  Shape place;               // the dimension of the packed array (result, updates) that goes along it; -1: none
  Shape repeated;            // batch dimensions, as dimensions of the packed array, that go along none
};
// sizes: of the window, over all operand dimensions; windows of more than one element are counted through by nothing.
std::optional<Windows> windows(const Match& m, const Tensor& indices, const Shape& operand, const Shape& sizes, const Shape& packed_window,
                               const Shape& dropped, const Shape& map, const Shape& x_batch, const Shape& i_batch) {
  auto index = components(m, indices);
  if (!index || index->size() != map.size()) return {};
  const Shape is = m.shape(indices);
  const std::size_t n_batch = is.size() - 1, rank = operand.size();
  const Shape packed_batch = packed_window.others(n_batch + packed_window.size());
  Windows w{Shape::filled(rank, 0), sizes, Shape::filled(rank, 1), Shape::filled(rank, -1), {}};
  Shape driven = Shape::filled(n_batch, 0);
  const Shape window = dropped.concat(x_batch).others(rank);
  for (std::size_t i = 0; i < window.size(); ++i)
    if (sizes[at(window[i])] != 1) w.place[at(window[i])] = packed_window[i];
  auto drive = [&](std::int64_t dim, std::size_t b, std::int64_t step) {
    auto d = at(dim);
    if (is[b] == 1) return true;
    if (sizes[d] != 1 || w.place[d] >= 0 || driven[b] || step < 1) return false;
    driven[b] = 1;
    w.place[d] = packed_batch[b], w.count[d] = is[b], w.step[d] = step;
    return true;
  };
  for (std::size_t i = 0; i < x_batch.size(); ++i)
    if (!drive(x_batch[i], at(i_batch[i]), 1)) return {};
  for (std::size_t k = 0; k < map.size(); ++k) {
    auto& a = (*index)[k];
    w.start[at(map[k])] = a.offset;
    for (std::size_t b = 0; b < n_batch; ++b)
      if (a.steps[b] != 0 && !drive(map[k], b, a.steps[b])) return {};
  }
  for (std::size_t d = 0; d < rank; ++d)
    if (w.start[d] < 0 || w.count[d] < 1 || w.start[d] + (w.count[d] - 1) * w.step[d] + 1 > operand[d]) return {};
  for (std::size_t b = 0; b < n_batch; ++b)
    if (!driven[b] && is[b] != 1) w.repeated.push_back(packed_batch[b]);
  return w;
}
Tensor gather_of_known(const Match& m) {
  const GatherParams p = m.params<GatherParams>();
  const Shape x = m.shape(m[0]);
  auto w = m[0].rank0() ? std::nullopt : windows(m, m[1], x, p.sizes, p.offset_dims, p.collapsed, p.start_map, p.operand_batch, p.indices_batch);
  if (!w) return {};
  Aval in[2] = {m[0].aval(), m[1].aval()}, out;
  m.prim().shape(m.call(), std::span<const Aval>(in), std::span<Aval>(&out, 1));
  Shape limit = w->start, kept, place;
  for (std::size_t d = 0; d < x.size(); ++d) {
    limit[d] += (w->count[d] - 1) * w->step[d] + 1;
    if (w->place[d] >= 0) kept.push_back(w->count[d]), place.push_back(w->place[d]);
  }
  Tensor y = prims::reshape(prims::slice(m[0], w->start, limit, w->step), kept);
  Shape order = Shape::iota(place.size());
  std::sort(order.begin(), order.end(), [&](std::int64_t i, std::int64_t j) { return place[at(i)] < place[at(j)]; });
  return core::broadcast_in_dim(core::permute(y, order), out.shape, place.pick(order));
}
// Onto zeros: the updates, with zeros around them.
Tensor scatter_onto_zeros(const Match& m) {
  const ScatterParams p = m.params<ScatterParams>();
  const Shape x = m.shape(m[0]), u = m.shape(m[2]);
  if (m[0].rank0() || !m.is(m[0], 0) || u.has(0)) return {};
  Shape sizes = Shape::filled(x.size(), 1), window = p.inserted.concat(p.operand_batch).others(x.size());
  for (std::size_t i = 0; i < window.size(); ++i) sizes[at(window[i])] = u[at(p.window_dims[i])];
  auto w = windows(m, m[1], x, sizes, p.window_dims, p.inserted, p.scatter_map, p.operand_batch, p.indices_batch);
  bool adds = &m.prim() == &scatter_add_p;
  if (!w || (!adds && !w->repeated.empty())) return {};
  std::sort(w->repeated.begin(), w->repeated.end());
  Tensor y = m[2];
  Shape left = Shape::iota(u.size());  // dimensions of the updates that y has
  if (!w->repeated.empty()) y = core::sum(y, w->repeated), left = w->repeated.others(u.size());
  Shape kept, order;  // those that go along a dimension of x, in x's order
  for (std::int64_t d : left)
    if (u[at(d)] != 1) kept.push_back(d);
  for (std::int64_t d : w->place)
    if (d >= 0 && u[at(d)] != 1) order.push_back(kept.find(d));
  y = core::permute(prims::reshape(y, u.pick(kept)), order);
  Shape high, interior;
  for (std::size_t d = 0; d < x.size(); ++d) {
    high.push_back(x[d] - w->start[d] - (w->count[d] - 1) * w->step[d] - 1);
    interior.push_back(w->count[d] > 1 ? w->step[d] - 1 : 0);
  }
  return prims::pad(prims::reshape(y, w->count), Tensor::literal_of(Scalar(0), y.raw_dtype()), w->start, high, interior);
}

// ---------------------------------------------------------------- windows at a start of their own
// Constant starts, clamped as evaluation does.
std::optional<Shape> constant_starts(const Match& m, Ins starts, const Shape& operand, const Shape& sizes) {
  Shape r;
  for (std::size_t d = 0; d < starts.size(); ++d) {
    auto c = m.constant(starts[d]);
    if (!c && sizes[d] != operand[d]) return {};
    r.push_back(c ? std::clamp<std::int64_t>(static_cast<std::int64_t>(*c), 0, operand[d] - sizes[d]) : 0);
  }
  return r;
}
Tensor dynamic_slice_of_known(const Match& m) {
  const Shape sizes = m.params<SizesParams>().sizes;
  auto start = m[0].rank0() ? std::nullopt : constant_starts(m, m.operands().subspan(1), m.shape(m[0]), sizes);
  if (!start) return {};
  Shape limit = *start;
  for (std::size_t d = 0; d < limit.size(); ++d) limit[d] += sizes[d];
  return prims::slice(m[0], *start, limit, Shape::filled(sizes.size(), 1));
}
Tensor dynamic_slice_of_repeated(const Match& m) {  // along dimensions where all elements are equal any start will do
  Made b = m.made(m[0], core::broadcast_in_dim_p);
  if (!b) return {};
  const BroadcastParams q = b.params<BroadcastParams>();
  const Shape sizes = m.params<SizesParams>().sizes;
  if (b[0].rank0()) return core::broadcast_in_dim(b[0], sizes, {});
  Vec starts;
  for (std::int64_t d : q.dims) starts.push_back(m[1 + at(d)]);
  return core::broadcast_in_dim(prims::dynamic_slice(b[0], starts, sizes.pick(q.dims)), sizes, q.dims);
}
// At a constant start: zeros around, or put between the parts that stay.
Tensor update_of_known(const Match& m) {
  const Shape x = m.shape(m[0]), u = m.shape(m[1]);
  auto start = m[0].rank0() || u.has(0) ? std::nullopt : constant_starts(m, m.operands().subspan(2), x, u);
  if (!start) return {};
  Shape high = x, ones = Shape::filled(x.size(), 1);
  int differ = -1, dims = 0;
  for (std::size_t d = 0; d < x.size(); ++d) {
    high[d] -= (*start)[d] + u[d];
    if (u[d] != x[d]) differ = static_cast<int>(d), ++dims;
  }
  if (dims == 0) return m[1];
  if (m.is(m[0], 0)) return prims::pad(m[1], Tensor::literal_of(Scalar(0), m[1].raw_dtype()), *start, high, Shape::filled(x.size(), 0));
  if (dims != 1) return {};
  auto d = static_cast<std::size_t>(differ);
  Shape none = Shape::filled(x.size(), 0), before = x, after = none;
  before[d] = (*start)[d], after[d] = (*start)[d] + u[d];
  const Tensor parts[3] = {prims::slice(m[0], none, before, ones), m[1], prims::slice(m[0], after, x, ones)};
  return prims::concatenate(Ins(parts, 3), differ);
}

constexpr Rule rules[] = {
    {&gather_p, "gather_of_known", "at known places, or places that count up: a slice", gather_of_known},
    {&scatter_p, "scatter_onto_zeros", "at such places, onto zeros: a pad", scatter_onto_zeros},
    {&scatter_add_p, "scatter_add_onto_zeros", "the same", scatter_onto_zeros},
    {&dynamic_slice_p, "dynamic_slice_of_known", "at a constant start: a slice", dynamic_slice_of_known},
    {&dynamic_slice_p, "dynamic_slice_of_repeated", "of what is repeated", dynamic_slice_of_repeated},
    {&dynamic_update_slice_p, "update_of_known", "at a constant start: a pad, or between the parts that stay", update_of_known},
};

}  // namespace

Rules gather_rules() { return rules; }

ProgramPtr simplify_gathers(const ProgramPtr& p) {
  return rewrite(p, {gather_rules(), arithmetic_rules(), logic_rules(), movement_rules(), pieces_rules(), narrowing_rules(), reduction_rules()});
}

}  // namespace functra::compiler
