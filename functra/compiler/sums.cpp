// Sums of products by their factors: where factors lack dimensions of the product, the product is not made. What a sum does not run over
// comes out of it; n equal terms are n times the term; dimensions that no factor shares are summed apart; two factors that each have
// dimensions of their own are contracted. (The squared norm of an outer product is the product of two squared norms; the sum of gradients per
// sample, each weighed, is a contraction over the samples.) And sums of sums, where one of the terms is a contraction that then sums its operand first. Sums round in
// another order, within the bound of the sum; where a factor's own sum overflows and that of the products does not, results differ by that.
#include <algorithm>
#include <array>

#include "functra/compiler/rules.h"
#include "functra/core/interp.h"
#include "functra/prims/contract.h"
#include "functra/prims/math.h"
#include "functra/prims/reduce.h"
#include "functra/prims/shape.h"

namespace functra::compiler {
namespace {
using namespace functra::prims;

// Dimension i of x is dimension dims[i] of the product; of a number, none.
struct Factor {
  Tensor x;
  Shape dims;
};
bool within(const Shape& a, const Shape& b) {
  return std::all_of(a.begin(), a.end(), [&](std::int64_t d) { return b.has(d); });
}
Shape sorted(Shape s) {
  std::sort(s.begin(), s.end());
  return s;
}
// Its dimensions in the order of the product's.
Factor in_order(const Factor& f) {
  Shape perm = Shape::iota(f.dims.size());
  std::sort(perm.begin(), perm.end(), [&](std::int64_t i, std::int64_t j) { return f.dims[at(i)] < f.dims[at(j)]; });
  return {core::permute(f.x, perm), f.dims.pick(perm)};
}

class FactorsOf {
 public:
  explicit FactorsOf(const Match& m) : m_(m) {}
  // Those of t, so many equations back; false where there are too many to look at.
  bool collect(const Tensor& t, const Shape& dims, std::vector<Factor>& out, int depth) {
    const std::size_t before = out.size();
    bool known = true;
    Made e = depth ? m_.made(t) : Made();
    if (t.rank0() || !e) {
      known = false;
    } else if (e.prim() == &mul_p) {
      for (std::size_t k : {0u, 1u})
        if (!collect(e[k], dims, out, depth - 1)) return false;
    } else if (e.prim() == &core::transpose_p) {
      const Shape& perm = e.params<PermParams>().perm;
      Shape source = perm;
      for (std::size_t i = 0; i < perm.size(); ++i) source[at(perm[i])] = dims[i];
      if (!collect(e[0], source, out, depth - 1)) return false;
    } else if (e.prim() == &core::broadcast_in_dim_p && !e[0].rank0()) {
      if (!collect(e[0], dims.pick(e.params<BroadcastParams>().dims), out, depth - 1)) return false;
    } else if (e.prim() == &core::broadcast_in_dim_p) {
      out.push_back({e[0], {}});
    } else if (e.prim() == &integer_pow_p && e.params<IntegerPowParams>().n >= 2 && e.params<IntegerPowParams>().n <= 4) {
      if (!collect(e[0], dims, out, depth - 1)) return false;
      for (std::size_t k = before; k < out.size(); ++k) out[k].x = prims::integer_pow(out[k].x, e.params<IntegerPowParams>().n);
    } else {
      known = false;
    }
    // What has no smaller factors is one.
    const bool smaller = known && std::any_of(out.begin() + static_cast<std::ptrdiff_t>(before), out.end(),
                                              [&](const Factor& f) { return f.dims.size() < dims.size(); });
    if (!smaller) {
      out.resize(before);
      out.push_back({t, t.rank0() ? Shape() : dims});
    }
    return out.size() <= 12;
  }

 private:
  const Match& m_;
};

// The sum over some dimensions of a product of factors.
class SumOfFactors {
 public:
  SumOfFactors(Shape extents, Shape summed, std::vector<Factor> all) : extents_(std::move(extents)), summed_(std::move(summed)) {
    groups_ = apart(all, pieces_);
    for (std::int64_t d : summed_)
      if (std::none_of(all.begin(), all.end(), [&](const Factor& f) { return f.dims.has(d); })) times_ *= extents_[at(d)];
  }
  // Is there less to do than a product for each of all points? With factors that are summed apart, or not at all.
  bool parts() const {
    return times_ > 1 || groups_.size() > 1 || std::any_of(pieces_.begin(), pieces_.end(), [&](const Factor& f) { return elements(f) > 1; });
  }
  // The products that the groups take, about.
  double points() const {
    double n = static_cast<double>(extents_.pick(summed_.others(extents_.size())).numel());
    for (auto& g : groups_) {
      double mine = 1;
      for (std::int64_t d = 0; d < extents_.rank(); ++d)
        if (std::any_of(g.begin(), g.end(), [&](const Factor& f) { return f.dims.has(d); })) mine *= static_cast<double>(extents_[at(d)]);
      n += mine;
    }
    return n;
  }
  // Elements of the largest product that is made to be contracted; none: there is no gain.
  std::optional<std::int64_t> planned() {
    gain_ = parts();
    largest_ = 0;
    plan_ = true;  // by dimensions alone
    return attempt() && gain_ ? std::optional(largest_) : std::nullopt;
  }
  // Nothing where there is no gain.
  Tensor run() {
    if (!planned()) return {};
    plan_ = false;
    return product(*attempt());
  }

 private:
  std::optional<std::vector<Factor>> attempt() {
    std::vector<Factor> pieces = pieces_;
    for (auto& g : groups_) {
      auto piece = sum(g);
      if (!piece) return {};
      pieces.push_back(std::move(*piece));
    }
    return pieces;
  }
  std::int64_t elements(const Factor& f) const { return extents_.pick(f.dims).numel(); }
  Shape summed_of(const Factor& f) const {
    Shape r;
    for (std::int64_t d : f.dims)
      if (summed_.has(d)) r.push_back(d);
    return r;
  }
  // Factors that share summed dimensions, directly or not; those that have none are `outside`.
  std::vector<std::vector<Factor>> apart(const std::vector<Factor>& all, std::vector<Factor>& outside) const {
    std::vector<std::vector<Factor>> groups;
    for (const Factor& f : all) {
      const Shape mine = summed_of(f);
      if (mine.empty()) {
        outside.push_back(f);
        continue;
      }
      std::vector<Factor> joined{f};
      std::erase_if(groups, [&](std::vector<Factor>& g) {
        const bool meet = std::any_of(g.begin(), g.end(), [&](const Factor& x) {
          return std::any_of(mine.begin(), mine.end(), [&](std::int64_t d) { return x.dims.has(d); });
        });
        if (meet) joined.insert(joined.end(), g.begin(), g.end());
        return meet;
      });
      groups.push_back(std::move(joined));
    }
    return groups;
  }
  Shape joint(const Factor& a, const Factor& b) const {
    Shape r = a.dims;
    for (std::int64_t d : b.dims)
      if (!r.has(d)) r.push_back(d);
    return sorted(std::move(r));
  }
  Factor times(const Factor& a, const Factor& b) {
    const Shape dims = joint(a, b), to = extents_.pick(dims);
    largest_ = std::max(largest_, to.numel());
    if (plan_) return {{}, dims};
    auto spread = [&](const Factor& f) {
      if (f.dims.empty()) return f.x;
      const Factor x = in_order(f);
      Shape place;
      for (std::int64_t d : x.dims) place.push_back(dims.find(d));
      return core::broadcast_in_dim(x.x, to, place);
    };
    return {mul(spread(b), spread(a)), dims};
  }
  // Every factor whose dimensions another has too is multiplied into the smallest of those.
  void merge(std::vector<Factor>& g) {
    std::sort(g.begin(), g.end(), [](const Factor& a, const Factor& b) { return a.dims.size() < b.dims.size(); });
    for (std::size_t i = 0; i < g.size();) {
      std::size_t into = g.size();
      for (std::size_t j = 0; j < g.size(); ++j)
        if (j != i && within(g[i].dims, g[j].dims) && (into == g.size() || elements(g[j]) < elements(g[into]))) into = j;
      if (into == g.size()) {
        ++i;
        continue;
      }
      g[into] = times(g[i], g[into]);
      g.erase(g.begin() + static_cast<std::ptrdiff_t>(i));
      i = 0;
    }
  }
  Factor summed(const Factor& f, const Shape& over) const {
    Shape dims, left;
    for (std::size_t i = 0; i < f.dims.size(); ++i) {
      if (over.has(f.dims[i])) dims.push_back(static_cast<std::int64_t>(i));
      else left.push_back(f.dims[i]);
    }
    return {plan_ ? Tensor() : core::sum(f.x, dims), left};
  }
  // Of a group; none where its factors leave products as large as the whole.
  std::optional<Factor> sum(std::vector<Factor> g) {
    for (bool again = true; again;) {
      merge(g);
      again = false;
      for (std::size_t i = 0; i < g.size() && g.size() > 1; ++i) {  // what one factor alone has is summed in it
        Shape own;
        for (std::int64_t d : summed_of(g[i]))
          if (std::none_of(g.begin(), g.end(), [&](const Factor& x) { return &x != &g[i] && x.dims.has(d); })) own.push_back(d);
        if (own.empty()) continue;
        g[i] = summed(g[i], own);
        again = gain_ = true;
      }
    }
    while (g.size() > 2) {  // two are left to be contracted; of the others, the smallest products are made
      std::size_t a = 0, b = 1;
      auto size = [&](std::size_t i, std::size_t j) { return extents_.pick(joint(g[i], g[j])).numel(); };
      for (std::size_t i = 0; i < g.size(); ++i)
        for (std::size_t j = i + 1; j < g.size(); ++j)
          if (size(i, j) < size(a, b)) a = i, b = j;
      if (2 * size(a, b) > extents_.numel()) return {};
      g[a] = times(g[a], g[b]);
      g.erase(g.begin() + static_cast<std::ptrdiff_t>(b));
      merge(g);
    }
    if (g.size() == 1) return summed(g[0], summed_);
    gain_ = true;
    if (first_free(g[1], g[0]) < first_free(g[0], g[1])) std::swap(g[0], g[1]);
    Shape in[2], batch[2], rest;
    for (std::size_t k : {0u, 1u})
      for (std::size_t i = 0; i < g[k].dims.size(); ++i) {
        const std::int64_t d = g[k].dims[i];
        if (!g[1 - k].dims.has(d)) rest.push_back(d);
      }
    Shape shared;
    for (std::size_t i = 0; i < g[0].dims.size(); ++i) {
      const std::int64_t d = g[0].dims[i];
      const int other = g[1].dims.find(d);
      if (other < 0) continue;
      auto& lists = summed_.has(d) ? in : batch;
      lists[0].push_back(static_cast<std::int64_t>(i));
      lists[1].push_back(other);
      if (!summed_.has(d)) shared.push_back(d);
    }
    const Shape dims = shared.concat(rest);
    return Factor{plan_ ? Tensor() : prims::dot_general(g[0].x, g[1].x, {in[0], in[1], batch[0], batch[1]}), dims};
  }
  // The first dimension that the other has not.
  std::int64_t first_free(const Factor& f, const Factor& other) const {
    std::int64_t r = extents_.rank();
    for (std::int64_t d : f.dims)
      if (!other.dims.has(d)) r = std::min(r, d);
    return r;
  }
  Tensor product(std::vector<Factor> pieces) {
    merge(pieces);
    const Shape kept = summed_.others(extents_.size()), to = extents_.pick(kept);
    Tensor r;
    for (const Factor& p : pieces) {
      Tensor x = p.x;
      if (!p.dims.empty()) {
        const Factor f = in_order(p);
        Shape place;
        for (std::int64_t d : f.dims) place.push_back(kept.find(d));
        x = core::broadcast_in_dim(f.x, to, place);
      }
      r = r.defined() ? mul(r, x) : x;
    }
    if (times_ > 1) r = mul(r, like(static_cast<double>(times_), r));
    return spread(r, to);  // of numbers alone
  }

  Shape extents_, summed_;
  std::vector<Factor> pieces_;  // not summed
  std::vector<std::vector<Factor>> groups_;
  std::int64_t times_ = 1;  // that equal terms are added, along summed dimensions that no factor has
  std::int64_t largest_ = 0;
  bool gain_ = false, plan_ = false;
};

constexpr int deepest = 6;  // equations
bool is_real(const Tensor& t) { return t.raw_dtype() == DType::f32 || t.raw_dtype() == DType::f64; }

Tensor sum_of_factors(const Match& m) {
  if (!is_real(m[0]) || m.params<DimsParams>().dims.empty() || m.shape(m[0]).has(0)) return {};
  for (int depth = 1; depth <= deepest; ++depth) {  // factors as they are, where that does: others may use them
    std::vector<Factor> all;
    if (!FactorsOf(m).collect(m[0], Shape::iota(m.shape(m[0]).size()), all, depth)) return {};
    if (all.size() < 2) continue;
    if (Tensor r = SumOfFactors(m.shape(m[0]), m.params<DimsParams>().dims, std::move(all)).run(); r.defined()) return r;
  }
  return {};
}
// An operand whose only contracted dimension joins several of what it was reshaped from, and those.
struct Joined {
  Tensor source;
  Shape dims;
};
std::optional<Joined> joined(const Match& m, const Tensor& t, const Shape& summed) {
  Made r = m.made(t, reshape_p);
  if (!r || summed.size() != 1) return {};
  const Shape &from = m.shape(r[0]), &to = m.shape(t);
  const std::size_t d = at(summed[0]);
  if (from.size() <= to.size()) return {};
  const std::size_t n = from.size() - to.size() + 1;
  for (std::size_t i = 0; i < to.size(); ++i)
    if (i != d && to[i] != from[i < d ? i : i + n - 1]) return {};
  return Joined{r[0], Shape::iota(n, static_cast<std::int64_t>(d))};
}
// The contraction of x[0] with x[1], if it is less as one of their factors: where it has parts, where an operand is all of the product, only to
// be summed, or where other products of factors are smaller than a large operand (A^T diag(p) A for many p: of the products of columns of A).
std::optional<SumOfFactors> factored(const Match& m, std::array<Tensor, 2> x, const DotParams& p) {
  constexpr std::int64_t large = 1 << 16;  // elements
  Shape summed[2] = {p.left, p.right}, batch[2] = {p.left_batch, p.right_batch};
  auto a = joined(m, x[0], p.left), b = joined(m, x[1], p.right);
  if (a && b && m.shape(a->source).pick(a->dims) == m.shape(b->source).pick(b->dims)) {
    for (std::size_t k : {0u, 1u}) {
      const auto& j = k ? *b : *a;
      x[k] = j.source;
      summed[k] = j.dims;
      for (auto& d : batch[k])
        if (d > j.dims[0]) d += static_cast<std::int64_t>(j.dims.size()) - 1;
    }
  }
  if (x[0].rank0() || x[1].rank0() || summed[0].empty()) return {};
  // The product's dimensions: shared, free of each side, summed.
  Shape extents = m.shape(x[0]).pick(batch[0]), dims[2];
  const Shape free[2] = {batch[0].concat(summed[0]).others(m.shape(x[0]).size()), batch[1].concat(summed[1]).others(m.shape(x[1]).size())};
  for (std::size_t k : {0u, 1u}) extents = extents.concat(m.shape(x[k]).pick(free[k]));
  const auto kept = static_cast<std::int64_t>(extents.size());
  extents = extents.concat(m.shape(x[0]).pick(summed[0]));
  if (extents.has(0)) return {};
  std::vector<Factor> all;
  bool whole = false;            // an operand that is all of the product
  std::int64_t made_before = 0;  // elements of products that are operands
  for (std::size_t k : {0u, 1u}) {
    const std::size_t before = all.size();
    dims[k] = Shape::filled(m.shape(x[k]).size(), 0);
    for (std::size_t i = 0; i < batch[k].size(); ++i) dims[k][at(batch[k][i])] = static_cast<std::int64_t>(i);
    for (std::size_t i = 0; i < free[k].size(); ++i)
      dims[k][at(free[k][i])] = static_cast<std::int64_t>(batch[0].size() + (k ? free[0].size() : 0) + i);
    for (std::size_t i = 0; i < summed[k].size(); ++i) dims[k][at(summed[k][i])] = kept + static_cast<std::int64_t>(i);
    if (!FactorsOf(m).collect(x[k], dims[k], all, deepest)) return {};
    if (all.size() == before + 1) continue;
    const std::int64_t n = m.shape(x[k]).numel();
    whole |= n == extents.numel() && !extents.has(1);
    if (m.once(x[k])) made_before = std::max(made_before, n);
  }
  if (all.size() < 3) return {};
  SumOfFactors sum(extents, Shape::iota(extents.size() - at(kept), kept), std::move(all));
  const auto largest = sum.planned();
  if (!largest) return {};
  const bool fewer = sum.parts() && 2 * sum.points() < static_cast<double>(extents.numel());
  const bool smaller = made_before >= large && 2 * *largest <= made_before;
  return fewer || whole || smaller ? std::optional(std::move(sum)) : std::nullopt;
}
// Jacobians that are outer products are not made to be contracted with each other: kernels of tangents, sums of squares of gradients.
Tensor contraction_of_factors(const Match& m) {
  if (!is_real(m[0]) || !is_real(m[1])) return {};
  auto sum = factored(m, {m[0], m[1]}, m.params<DotParams>());
  return sum ? sum->run() : Tensor();
}
// Of a sum, each of whose terms is less by its factors.
Tensor contraction_of_sum(const Match& m) {
  if (!is_real(m[0]) || !is_real(m[1])) return {};
  for (std::size_t k : {0u, 1u}) {
    Made s = m.made(m[k]);
    if (!s || !m.once(m[k]) || (s.prim() != &core::add_p && s.prim() != &sub_p) || s[0].rank0() || s[1].rank0()) continue;
    std::optional<SumOfFactors> terms[2];
    for (std::size_t i : {0u, 1u}) {
      std::array<Tensor, 2> x{m[0], m[1]};
      x[k] = s[i];
      terms[i] = factored(m, x, m.params<DotParams>());
    }
    if (!terms[0] || !terms[1]) continue;
    const Tensor a = terms[0]->run(), b = terms[1]->run();
    return s.prim() == &sub_p ? sub(a, b) : core::add(a, b);
  }
  return {};
}
// Is t a contraction, of which nothing else needs the result, with a dimension among `dims` that one operand alone has?
bool contracts_less(const Match& m, const Tensor& t, const Shape& dims) {
  if (t.rank0() || !m.once(t)) return false;
  if (Made e = m.made(t, core::transpose_p)) return contracts_less(m, e[0], sorted(e.params<PermParams>().perm.pick(dims)));
  Made c = m.made(t, dot_general_p);
  if (!c) return false;
  const auto batch = static_cast<std::int64_t>(c.params<DotParams>().left_batch.size());
  return std::any_of(dims.begin(), dims.end(), [&](std::int64_t d) { return d >= batch && m.shape(t)[at(d)] > 1; });
}
Tensor sum_of_sum(const Match& m) {
  Made s = m.made(m[0]);
  if (!s || !is_real(m[0]) || !m.once(m[0]) || (s.prim() != &core::add_p && s.prim() != &sub_p)) return {};
  const Shape& dims = m.params<DimsParams>().dims;
  if (s[0].rank0() || s[1].rank0() || !(contracts_less(m, s[0], dims) || contracts_less(m, s[1], dims))) return {};
  const Tensor a = core::sum(s[0], dims), b = core::sum(s[1], dims);
  return s.prim() == &sub_p ? sub(a, b) : core::add(a, b);
}

constexpr Rule rules[] = {
    {&core::reduce_sum_p, "sum_of_factors", "a sum of products is made of sums of their factors", sum_of_factors},
    {&dot_general_p, "contraction_of_factors", "products of smaller factors are not made to be contracted", contraction_of_factors},
    {&dot_general_p, "contraction_of_sum", "of a + b, where both are less by their factors", contraction_of_sum},
    {&core::reduce_sum_p, "sum_of_sum", "the sum of a + b in two, where one is a contraction that then sums its operand", sum_of_sum},
};

}  // namespace

Rules sum_rules() { return rules; }

}  // namespace functra::compiler
