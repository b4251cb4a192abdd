// Contractions in their cheapest form: transposes of operands absorbed, repeated operands not repeated, chains of products in the order
// that costs least, sums of products recognised. Sums round in another order, within the bound of the sum; where an intermediate of the
// one order overflows and that of the other does not, results differ by that.
#include <algorithm>

#include "functra/compiler/passes.h"
#include "functra/compiler/rules.h"
#include "functra/core/interp.h"
#include "functra/prims/contract.h"
#include "functra/prims/math.h"
#include "functra/prims/reduce.h"
#include "functra/prims/shape.h"

namespace functra::compiler {
namespace {
using namespace functra::prims;
using core::broadcast_in_dim_p;
using core::reduce_sum_p;
using core::transpose_p;

// One operand's part of a contraction: dimensions summed over, shared, and the others, in order.
struct Side {
  Shape summed, batch, free;
};
struct Sides {
  Side side[2];
  Side& operator[](std::size_t k) { return side[k]; }
  DotParams params() const { return {side[0].summed, side[1].summed, side[0].batch, side[1].batch}; }
};
Sides sides(const DotParams& p, std::size_t left_rank, std::size_t right_rank) {
  return {{{p.left, p.left_batch, p.left.concat(p.left_batch).others(left_rank)},
           {p.right, p.right_batch, p.right.concat(p.right_batch).others(right_rank)}}};
}
Sides sides(const Match& m) { return sides(m.params<DotParams>(), m.shape(m[0]).size(), m.shape(m[1]).size()); }
std::int64_t product(const Shape& s, const Shape& dims) { return s.pick(dims).numel(); }

// ---------------------------------------------------------------- nothing is summed
Tensor product_of_arrays(const Match& m) {
  const DotParams p = m.params<DotParams>();
  if (!p.left.empty()) return {};
  Sides s = sides(m);
  const Shape a = m.shape(m[0]), b = m.shape(m[1]);
  const Shape to = a.pick(s[0].batch).concat(a.pick(s[0].free)).concat(b.pick(s[1].free));
  std::size_t nb = s[0].batch.size(), nl = s[0].free.size();
  auto placed = [&](std::size_t k, std::size_t free_from) {  // the operand in the result's dimensions
    const Shape& shape = k ? b : a;
    if (shape.empty()) return m[k];
    Shape perm = s[k].batch.concat(s[k].free), dims = Shape::iota(nb);
    for (std::size_t i = 0; i < s[k].free.size(); ++i) dims.push_back(static_cast<std::int64_t>(free_from + i));
    return core::broadcast_in_dim(core::permute(m[k], perm), to, dims);
  };
  return mul(placed(0, nb), placed(1, nb + nl));
}
// Extents of one are reshaped away, of whatever kind their dimensions are.
Tensor without_ones(const Match& m) {
  Sides s = sides(m), q;
  Shape to, kept[2], result;
  bool any = false;
  for (std::size_t k : {0u, 1u}) {
    const Shape shape = m.shape(m[k]);
    Shape number = Shape::filled(shape.size(), -1);
    for (std::size_t d = 0; d < shape.size(); ++d) {
      any |= shape[d] == 1;
      if (shape[d] == 1) continue;
      number[d] = static_cast<std::int64_t>(kept[k].size());
      kept[k].push_back(shape[d]);
    }
    auto renumber = [&](const Shape& dims) {
      Shape r;
      for (std::int64_t d : dims)
        if (number[at(d)] >= 0) r.push_back(number[at(d)]);
      return r;
    };
    q[k] = {renumber(s[k].summed), renumber(s[k].batch), {}};
    if (k == 0) result = shape.pick(s[0].batch);
    result = result.concat(shape.pick(s[k].free));
  }
  if (!any) return {};
  return prims::reshape(prims::dot_general(prims::reshape(m[0], kept[0]), prims::reshape(m[1], kept[1]), q.params()), result);
}

// ---------------------------------------------------------------- operands
// The result's dimensions, as [batch, free of left, free of right], where the free dimensions of side k came in the order `order`.
Shape reordered(const Sides& s, std::size_t k, const Shape& order) {
  std::size_t nb = s.side[0].batch.size(), before = nb + (k ? s.side[0].free.size() : 0);
  Shape perm = Shape::iota(nb + s.side[0].free.size() + s.side[1].free.size());
  for (std::size_t i = 0; i < order.size(); ++i) perm[before + i] = static_cast<std::int64_t>(before) + order[i];
  return perm;
}
Tensor contraction_of_transpose(const Match& m) {
  for (std::size_t k : {0u, 1u}) {
    Made t = m.made(m[k], transpose_p);
    if (!t) continue;
    Sides s = sides(m);
    const Shape perm = t.params<PermParams>().perm;
    Shape free = perm.pick(s[k].free), sorted = free, order;
    std::sort(sorted.begin(), sorted.end());
    for (std::int64_t d : free) order.push_back(sorted.find(d));
    if (!is_iota(order)) {  // then the result is transposed in place of the operand: where that is no larger
      const Shape a = m.shape(m[k]), b = m.shape(m[1 - k]);
      if (product(a, s[k].batch) * product(a, s[k].free) * product(b, s[1 - k].free) > a.numel() || !m.once(m[k])) continue;
    }
    s[k].summed = perm.pick(s[k].summed), s[k].batch = perm.pick(s[k].batch);
    Tensor r = k ? prims::dot_general(m[0], t[0], s.params()) : prims::dot_general(t[0], m[1], s.params());
    return core::permute(r, reordered(s, k, order));
  }
  return {};
}
// A repeated operand is contracted as it is: along summed dimensions the other is summed, along shared ones the other is free, along free
// ones the result is repeated.
Tensor contraction_of_broadcast(const Match& m) {
  for (std::size_t k : {0u, 1u}) {
    Made b = m.made(m[k], broadcast_in_dim_p);
    if (!b) continue;
    Sides s = sides(m);
    const Shape dims = b.params<BroadcastParams>().dims, mine = m.shape(m[k]), theirs = m.shape(m[1 - k]);
    Side own, their;
    Shape sum_other, freed;
    for (std::size_t i = 0; i < s[k].summed.size(); ++i) {
      int at_source = dims.find(s[k].summed[i]);
      if (at_source < 0) sum_other.push_back(s[1 - k].summed[i]);
      else own.summed.push_back(at_source), their.summed.push_back(s[1 - k].summed[i]);
    }
    for (std::size_t i = 0; i < s[k].batch.size(); ++i) {
      int at_source = dims.find(s[k].batch[i]);
      if (at_source < 0) freed.push_back(s[1 - k].batch[i]);
      else own.batch.push_back(at_source), their.batch.push_back(s[1 - k].batch[i]);
    }
    std::sort(sum_other.begin(), sum_other.end());
    Tensor other = core::sum(m[1 - k], sum_other);
    auto after = [&](Shape d) {  // numbered without the dimensions summed
      for (auto& x : d) x -= std::count_if(sum_other.begin(), sum_other.end(), [&](std::int64_t y) { return y < x; });
      return d;
    };
    Shape their_free = s[1 - k].free.concat(freed);  // of the result, by dimension of the other operand
    std::sort(their_free.begin(), their_free.end());
    Sides q;
    q[k] = own, q[1 - k] = {after(their.summed), after(their.batch), {}};
    Tensor r = k ? prims::dot_general(other, b[0], q.params()) : prims::dot_general(b[0], other, q.params());
    // Where each dimension of r belongs in [batch, free of left, free of right], in which some are repeated.
    std::size_t nb = s[0].batch.size(), nl = s[0].free.size();
    auto of_result = [&](std::size_t side, std::int64_t dim) {
      if (int i = s[side].batch.find(dim); i >= 0) return static_cast<std::int64_t>(i);
      return static_cast<std::int64_t>(nb + (side ? nl : 0)) + s[side].free.find(dim);
    };
    Shape place, own_free;
    for (std::int64_t d : own.batch) place.push_back(of_result(k, dims[at(d)]));
    for (std::int64_t d : own.summed.concat(own.batch).others(dims.size())) own_free.push_back(of_result(k, dims[at(d)]));
    Shape other_free;
    for (std::int64_t d : their_free) other_free.push_back(of_result(1 - k, d));
    place = place.concat(k ? other_free : own_free).concat(k ? own_free : other_free);
    Shape order = Shape::iota(place.size()), to = mine.pick(s[k].batch);
    to = to.concat(k ? theirs.pick(s[0].free) : mine.pick(s[0].free)).concat(k ? mine.pick(s[1].free) : theirs.pick(s[1].free));
    std::sort(order.begin(), order.end(), [&](std::int64_t i, std::int64_t j) { return place[at(i)] < place[at(j)]; });
    return core::broadcast_in_dim(core::permute(r, order), to, place.pick(order));
  }
  return {};
}
Tensor contraction_of_negative(const Match& m) {
  Made a = m.made(m[0], neg_p), b = m.made(m[1], neg_p);
  auto& p = m.params<DotParams>();
  if (a && b) return prims::dot_general(a[0], b[0], p);
  if (a && m.once(m[0])) return neg(prims::dot_general(a[0], m[1], p));
  return b && m.once(m[1]) ? neg(prims::dot_general(m[0], b[0], p)) : Tensor();
}

// ---------------------------------------------------------------- results
// (a b)^T = b^T a^T; or at least rows stay whole: the last dimension of that is the last one of the transpose.
Tensor transpose_of_contraction(const Match& m) {
  Made c = m.made(m[0], dot_general_p);
  if (!c || !m.once(m[0])) return {};
  Sides s = sides(c.params<DotParams>(), m.shape(c[0]).size(), m.shape(c[1]).size());
  auto nb = static_cast<std::int64_t>(s[0].batch.size()), nl = static_cast<std::int64_t>(s[0].free.size()),
       nr = static_cast<std::int64_t>(s[1].free.size());
  if (m.params<PermParams>().perm.empty()) return {};
  const Shape turned = Shape::iota(at(nb)).concat(Shape::iota(at(nr), nb + nl)).concat(Shape::iota(at(nl), nb)), &perm = m.params<PermParams>().perm;
  Shape rest;  // of the product in the other order
  for (std::int64_t d : perm) rest.push_back(turned.find(d));
  const bool all = rest == Shape::iota(rest.size()), rows = rest.back() == rest.rank() - 1 && perm.back() != perm.rank() - 1;
  if (!all && !rows) return {};
  const Tensor r = prims::dot_general(c[1], c[0], {s[1].summed, s[0].summed, s[1].batch, s[0].batch});
  return all ? r : core::permute(r, rest);
}
Tensor sum_of_contraction(const Match& m) {  // over a free dimension the operand is summed; over a shared one the contraction sums too
  Made c = m.made(m[0], dot_general_p);
  if (!c || !m.once(m[0])) return {};
  Sides s = sides(c.params<DotParams>(), m.shape(c[0]).size(), m.shape(c[1]).size());
  const Shape dims = m.params<DimsParams>().dims;
  auto nb = s[0].batch.size(), nl = s[0].free.size();
  Shape gone[2];
  Sides q = s;
  q[0].batch = q[1].batch = {};
  for (std::size_t i = 0; i < nb; ++i)
    for (std::size_t k : {0u, 1u}) (dims.has(static_cast<std::int64_t>(i)) ? q[k].summed : q[k].batch).push_back(s[k].batch[i]);
  for (std::int64_t d : dims) {
    auto i = at(d);
    if (i >= nb + nl) gone[1].push_back(s[1].free[i - nb - nl]);
    else if (i >= nb) gone[0].push_back(s[0].free[i - nb]);
  }
  Tensor x[2];
  for (std::size_t k : {0u, 1u}) {
    std::sort(gone[k].begin(), gone[k].end());
    x[k] = core::sum(c[k], gone[k]);
    for (Shape* list : {&q[k].summed, &q[k].batch})
      for (auto& d : *list) d -= std::count_if(gone[k].begin(), gone[k].end(), [&](std::int64_t y) { return y < d; });
  }
  return prims::dot_general(x[0], x[1], q.params());
}
// The sum of a product of arrays of which each lacks dimensions of the other.
Tensor sum_of_product(const Match& m) {
  Made p = m.made(m[0], mul_p);
  if (!p || p[0].rank0() || p[1].rank0() || !m.once(m[0]) || !is_floating(m[0].raw_dtype())) return {};
  const Shape s = m.shape(m[0]), dims = m.params<DimsParams>().dims;
  Tensor x[2];
  Shape own[2];  // dimensions of the product that each operand has
  for (std::size_t k : {0u, 1u}) {
    Made b = m.made(p[k], broadcast_in_dim_p);
    x[k] = b ? b[0] : p[k];
    own[k] = b ? b.params<BroadcastParams>().dims : Shape::iota(s.size());
    if (x[k].rank0()) return {};
  }
  Sides q;
  bool free[2] = {};
  Shape kept[2], batch;
  for (std::int64_t d = 0; d < s.rank(); ++d) {
    bool in[2] = {own[0].has(d), own[1].has(d)};
    if (!in[0] && !in[1]) return {};
    if (in[0] && in[1]) {
      for (std::size_t k : {0u, 1u}) (dims.has(d) ? q[k].summed : q[k].batch).push_back(own[k].find(d));
      if (!dims.has(d)) batch.push_back(d);
      continue;
    }
    std::size_t k = in[1];
    if (dims.has(d)) return {};  // an operand would be summed alone
    free[k] |= s[at(d)] > 1;
    kept[k].push_back(d);
  }
  if (!free[0] || !free[1] || q[0].summed.empty()) return {};
  Shape order = batch.concat(kept[0]).concat(kept[1]), sorted = order;
  std::sort(sorted.begin(), sorted.end());
  Shape perm;
  for (std::int64_t d : sorted) perm.push_back(order.find(d));
  return core::permute(prims::dot_general(x[0], x[1], q.params()), perm);
}

// ---------------------------------------------------------------- chains
// (a b) c = a (b c), where that costs less. `inner` is operand k of the contraction; what is contracted of it belongs to b alone.
Tensor regrouped(const Match& m) {
  const DotParams outer = m.params<DotParams>();
  if (!outer.left_batch.empty()) return {};
  for (std::size_t k : {0u, 1u}) {
    Made c = m.made(m[k], dot_general_p);
    if (!c || !m.once(m[k])) continue;
    const DotParams inner = c.params<DotParams>();
    if (!inner.left_batch.empty()) continue;
    const Shape shape[2] = {m.shape(c[0]), m.shape(c[1])}, v = m.shape(m[1 - k]);
    Sides in = sides(inner, shape[0].size(), shape[1].size()), out = sides(m);
    const Shape &mine = out[k].summed, &theirs = out[1 - k].summed;
    auto nl = static_cast<std::int64_t>(in[0].free.size());
    for (std::size_t b : {0u, 1u}) {  // the inner operand that v meets first
      auto of_b = [&](std::int64_t d) { return b ? d - nl : d; };
      bool all = !mine.empty();
      for (std::int64_t d : mine) all = all && (b ? d >= nl : d < nl);
      if (!all) continue;
      std::size_t a = 1 - b;
      Shape b_dims;
      for (std::int64_t d : mine) b_dims.push_back(in[b].free[at(of_b(d))]);
      const double summed_inner = static_cast<double>(product(shape[0], in[0].summed)), size_a = static_cast<double>(product(shape[a], in[a].free)),
                   size_b = static_cast<double>(product(shape[b], in[b].free)), met = static_cast<double>(product(shape[b], b_dims)),
                   size_v = static_cast<double>(product(v, out[1 - k].free));
      const double now = size_a * size_b * summed_inner + size_a * size_b * size_v,
                   then = summed_inner * size_b * size_v + size_a * summed_inner * size_b / met * size_v;
      if (then > 0.9 * now) continue;
      // y = b v: [the rest of b, in order; free of v]; then a y over the dimensions that a and b share.
      Tensor y = prims::dot_general(c[b], m[1 - k], {b_dims, theirs, {}, {}});
      Shape rest = b_dims.others(shape[b].size()), shared;
      for (std::int64_t d : in[b].summed) shared.push_back(rest.find(d));
      Tensor r = prims::dot_general(c[a], y, {in[a].summed, shared, {}, {}});  // [free of a, rest free of b, free of v]
      // Into [free of the inner result: of its left, of its right; then v], or v first.
      auto n_a = static_cast<std::int64_t>(in[a].free.size()), n_b = static_cast<std::int64_t>(rest.size() - shared.size()),
           n_v = static_cast<std::int64_t>(out[1 - k].free.size());
      Shape of_a = Shape::iota(at(n_a)), rest_b = Shape::iota(at(n_b), n_a), of_v = Shape::iota(at(n_v), n_a + n_b);
      Shape of_inner = b ? of_a.concat(rest_b) : rest_b.concat(of_a);
      return core::permute(r, k ? of_v.concat(of_inner) : of_inner.concat(of_v));
    }
  }
  return {};
}

constexpr Rule products[] = {
    {&dot_general_p, "product_of_arrays", "a contraction that sums nothing is a product", product_of_arrays},
};
constexpr Rule rules[] = {
    {&dot_general_p, "without_ones", "extents of one are reshaped away", without_ones},
    {&dot_general_p, "contraction_of_broadcast", "repeated operands are not repeated", contraction_of_broadcast},
    {&dot_general_p, "regrouped", "(a b) c = a (b c), in the order that costs less", regrouped},
    {&dot_general_p, "contraction_of_transpose", "transposes of operands are in the lists of dimensions", contraction_of_transpose},
    {&dot_general_p, "contraction_of_negative", "(-a) b = -(a b)", contraction_of_negative},
    {&transpose_p, "transpose_of_contraction", "(a b)^T = b^T a^T, as far as rows go", transpose_of_contraction},
    {&reduce_sum_p, "sum_of_contraction", "the operand is summed, or the contraction sums more", sum_of_contraction},
    {&reduce_sum_p, "sum_of_product", "a sum of products of arrays of which each lacks dimensions is a contraction", sum_of_product},
};

}  // namespace

Rules product_rules() { return products; }
Rules contraction_rules() { return rules; }

ProgramPtr canonical_contractions(const ProgramPtr& p) {
  return rewrite(p, {product_rules(), contraction_rules(), sum_rules(), turn_rules(), arithmetic_rules(), logic_rules(), movement_rules(),
                     pieces_rules(), narrowing_rules(), reduction_rules()});
}

}  // namespace functra::compiler
