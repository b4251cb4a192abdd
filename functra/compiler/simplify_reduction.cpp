// Reductions over what is repeated, over few elements, and of reductions. A sum may round in another order, and n equal terms are n times
// the term.
#include <algorithm>

#include "functra/compiler/rules.h"
#include "functra/core/interp.h"
#include "functra/prims/math.h"
#include "functra/prims/reduce.h"
#include "functra/prims/shape.h"

namespace functra::compiler {
namespace {
using namespace functra::prims;
using core::reduce_sum_p;

Tensor reduce(const Match& m, const Tensor& x, const Shape& dims) { return dims.empty() ? x : bind1(m.prim(), x, DimsParams{dims}); }

Tensor over_ones(const Match& m) {  // dimensions of extent one, or none at all
  const Shape dims = m.params<DimsParams>().dims, s = m.shape(m[0]);
  if (dims.empty()) return m[0];
  Shape kept, left, number = Shape::iota(s.size());
  for (std::size_t d = 0; d < s.size(); ++d) {
    bool reduced = dims.has(static_cast<std::int64_t>(d));
    if (reduced && s[d] == 1) continue;
    if (reduced) left.push_back(static_cast<std::int64_t>(kept.size()));
    kept.push_back(s[d]);
  }
  return left.size() < dims.size() ? reduce(m, prims::reshape(m[0], kept), left) : Tensor();
}
Tensor of_reduction(const Match& m) {
  Made r = m.made(m[0], m.prim());
  if (!r) return {};
  const Shape first = r.params<DimsParams>().dims, second = m.params<DimsParams>().dims, left = first.others(m.shape(r[0]).size());
  Shape dims = first.concat(left.pick(second));
  std::sort(dims.begin(), dims.end());
  return reduce(m, r[0], dims);
}
Tensor of_transpose(const Match& m) {
  Made t = m.made(m[0], core::transpose_p);
  if (!t) return {};
  const Shape perm = t.params<PermParams>().perm;
  Shape dims = perm.pick(m.params<DimsParams>().dims), order = perm.pick(m.params<DimsParams>().dims.others(perm.size()));
  std::sort(dims.begin(), dims.end());
  Shape kept = order;  // numbered among the dimensions that stay
  std::sort(kept.begin(), kept.end());
  for (auto& d : order) d = kept.find(d);
  return core::permute(reduce(m, t[0], dims), order);
}
// Where each group of dimensions that the reshape joins or splits is reduced as a whole, or not at all.
Tensor of_reshape(const Match& m) {
  Made r = m.made(m[0], reshape_p);
  if (!r) return {};
  const Shape from = m.shape(r[0]), &to = m.shape(m[0]), dims = m.params<DimsParams>().dims;
  if (from.empty() || from.has(0)) return {};
  Shape reduced, shape;
  for (std::size_t i = 0, j = 0; i < from.size() || j < to.size();) {
    std::size_t i0 = i, j0 = j;
    std::int64_t a = i < from.size() ? from[i++] : 1, b = j < to.size() ? to[j++] : 1;
    while (a != b) {
      if (a < b && i < from.size()) a *= from[i++];
      else if (b < a && j < to.size()) b *= to[j++];
      else return {};
    }
    std::size_t n = 0, most = 0;  // dimensions of more than one element
    for (std::size_t k = j0; k < j; ++k) {
      most += to[k] > 1;
      n += to[k] > 1 && dims.has(static_cast<std::int64_t>(k));
    }
    if (n != 0 && n != most) return {};
    for (std::size_t k = i0; k < i; ++k)
      if (n && from[k] != 1) reduced.push_back(static_cast<std::int64_t>(k));
    for (std::size_t k = j0; k < j; ++k)
      if (!dims.has(static_cast<std::int64_t>(k))) shape.push_back(to[k]);
  }
  return prims::reshape(reduce(m, r[0], reduced), shape);
}
// What is repeated is reduced before that, along the dimensions that it has.
Tensor of_broadcast(const Match& m) {
  Made b = m.made(m[0], core::broadcast_in_dim_p);
  if (!b || b[0].rank0()) return {};
  const Shape dims = m.params<DimsParams>().dims, s = m.shape(m[0]), own = b.params<BroadcastParams>().dims;
  Shape first, left, kept, kept_dims;  // of the source; of what it is repeated to then
  for (std::size_t i = 0; i < own.size(); ++i)
    if (dims.has(own[i])) first.push_back(static_cast<std::int64_t>(i));
  bool repeats = false;  // along a dimension that stays
  for (std::int64_t d = 0; d < s.rank(); ++d) {
    repeats |= !dims.has(d) && !own.has(d);
    if (dims.has(d) && own.has(d)) continue;
    if (dims.has(d)) left.push_back(static_cast<std::int64_t>(kept.size()));
    if (own.has(d)) kept_dims.push_back(static_cast<std::int64_t>(kept.size()));
    kept.push_back(s[at(d)]);
  }
  if (first.empty() || !repeats) return {};
  return reduce(m, core::broadcast_in_dim(reduce(m, b[0], first), kept, kept_dims), left);
}
// The dimensions that are reduced and along which the operand is repeated: how many times, and the operand without them.
struct Repeated {
  std::int64_t times = 1;
  Tensor x;
  Shape dims;  // still to be reduced
};
std::optional<Repeated> repeated(const Match& m) {
  Made b = m.made(m[0], core::broadcast_in_dim_p);
  if (!b) return {};
  const Shape dims = m.params<DimsParams>().dims, s = m.shape(m[0]), own = b.params<BroadcastParams>().dims;
  Repeated r;
  Shape kept, kept_dims;
  for (std::int64_t d = 0; d < s.rank(); ++d) {
    if (dims.has(d) && !own.has(d)) {
      r.times *= s[at(d)];
      continue;
    }
    if (dims.has(d)) r.dims.push_back(static_cast<std::int64_t>(kept.size()));
    if (own.has(d)) kept_dims.push_back(static_cast<std::int64_t>(kept.size()));
    kept.push_back(s[at(d)]);
  }
  if (r.dims.size() == dims.size()) return {};
  r.x = core::broadcast_in_dim(b[0], kept, kept_dims);
  return r;
}
Tensor sum_of_repeated(const Match& m) {
  auto r = repeated(m);
  if (!r) return {};
  Tensor s = core::sum(r->x, r->dims);
  DType d = s.raw_dtype();
  if (r->times == 0) return filled(Scalar(0), d, m.shape(s));
  if (d != DType::f32 && d != DType::f64 && !is_integer(d)) return {};
  return r->times == 1 ? s : mul(s, like(static_cast<double>(r->times), s));
}
Tensor extreme_of_repeated(const Match& m) {
  auto r = repeated(m);
  return r && r->times ? reduce(m, r->x, r->dims) : Tensor();
}
// Zeros around, or between, add nothing.
Tensor sum_of_pad(const Match& m) {
  Made p = m.made(m[0], pad_p);
  if (!p || !m.is(p[1], 0)) return {};
  PadParams q = p.params<PadParams>();
  const Shape dims = m.params<DimsParams>().dims;
  bool any = false;
  for (std::int64_t d : dims)
    for (Shape* s : {&q.low, &q.high, &q.interior}) {
      if ((*s)[at(d)] < 0) return {};
      any |= std::exchange((*s)[at(d)], 0) != 0;
    }
  return any ? core::sum(prims::pad(p[0], p[1], q.low, q.high, q.interior), dims) : Tensor();
}
Tensor sum_of_negative(const Match& m) {
  Made n = m.made(m[0], neg_p);
  return n && m.once(m[0]) ? neg(core::sum(n[0], m.params<DimsParams>().dims)) : Tensor();
}

constexpr const Primitive* reductions[] = {&reduce_sum_p, &reduce_prod_p, &reduce_max_p, &reduce_min_p, &reduce_and_p, &reduce_or_p};
constexpr Rule of_each[] = {
    {nullptr, "over_ones", "over dimensions of one element, or none: a reshape", over_ones},
    {nullptr, "of_reduction", "two reductions are one", of_reduction},
    {nullptr, "of_transpose", "the transpose comes after, where fewer elements are", of_transpose},
    {nullptr, "of_broadcast", "reduced before it is repeated", of_broadcast},
    {nullptr, "of_reshape", "reduced without the reshape", of_reshape},
};
constexpr Rule of_one[] = {
    {&reduce_sum_p, "sum_of_repeated", "the sum of n equal terms is n times the term", sum_of_repeated},
    {&reduce_max_p, "largest_of_repeated", "the largest of equal values", extreme_of_repeated},
    {&reduce_min_p, "least_of_repeated", "the least of equal values", extreme_of_repeated},
    {&reduce_and_p, "and_of_repeated", "x & x = x", extreme_of_repeated},
    {&reduce_or_p, "or_of_repeated", "x | x = x", extreme_of_repeated},
    {&reduce_sum_p, "sum_of_pad", "zeros add nothing", sum_of_pad},
    {&reduce_sum_p, "sum_of_negative", "the sum of -x is minus the sum of x", sum_of_negative},
};

}  // namespace

Rules reduction_rules() {
  static const auto* rules = [] {
    auto* r = new std::vector<Rule>(std::begin(of_one), std::end(of_one));
    for (const Primitive* p : reductions)
      for (Rule rule : of_each) {
        rule.prim = p;
        r->push_back(rule);
      }
    return r;
  }();
  return *rules;
}

}  // namespace functra::compiler
