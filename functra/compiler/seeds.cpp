// One-hot seeds: the identity that Jacobians push through a program, and diagonals made of it. Both are a product of E[i, j] = (i == j) with
// a factor; E stays outside, the factor is computed where it is small, and a contraction with E takes its place.
#include <algorithm>

#include "functra/compiler/rules.h"
#include "functra/core/interp.h"
#include "functra/prims/cast.h"
#include "functra/prims/contract.h"
#include "functra/prims/index.h"
#include "functra/prims/math.h"
#include "functra/prims/reduce.h"
#include "functra/prims/shape.h"

namespace functra::compiler {
namespace {
using namespace functra::prims;
using core::broadcast_in_dim_p;
using core::convert_p;
using core::transpose_p;

// ---------------------------------------------------------------- positions
// t[i] = i[dim] + offset.
struct Position {
  std::int64_t dim, offset;
};
std::optional<Position> position(const Match& m, const Tensor& t) {
  if (Made i = m.made(t, iota_p)) return Position{i.params<IotaParams>().dim, 0};
  if (Made b = m.made(t, broadcast_in_dim_p)) {
    auto p = b[0].rank0() ? std::nullopt : position(m, b[0]);
    if (p) p->dim = b.params<BroadcastParams>().dims[at(p->dim)];
    return p;
  }
  if (Made a = m.made(t, core::add_p))
    for (std::size_t k : {0u, 1u})
      if (auto c = m.constant(a[k])) {
        auto p = position(m, a[1 - k]);
        if (p) p->offset += static_cast<std::int64_t>(*c);
        return p;
      }
  return {};
}
Tensor identity(DType d, const Shape& s, std::int64_t p, std::int64_t q) {  // 1 where index p is index q
  if (s[at(p)] == 1) return filled(Scalar(1), d, s);
  const Shape square{s[at(p)], s[at(p)]};
  Tensor e = convert(eq(prims::iota(DType::i64, square, 0), prims::iota(DType::i64, square, 1)), d);
  return core::broadcast_in_dim(e, s, {std::min(p, q), std::max(p, q)});
}
// 1 where index p + offset is index q, else 0: an identity, with zeros around it.
Tensor hot(DType d, const Shape& s, std::int64_t p, std::int64_t q, std::int64_t offset) {
  std::int64_t first = std::max<std::int64_t>(0, -offset), end = std::min(s[at(p)], s[at(q)] - offset), n = end - first;
  if (n <= 0 || s.has(0)) return filled(Scalar(0), d, s);
  Shape inner = s, low = Shape::filled(s.size(), 0), high = low;
  inner[at(p)] = inner[at(q)] = n;
  low[at(p)] = first, high[at(p)] = s[at(p)] - end;
  low[at(q)] = first + offset, high[at(q)] = s[at(q)] - end - offset;
  return prims::pad(identity(d, inner, p, q), Tensor::literal_of(Scalar(0), d), low, high, Shape::filled(s.size(), 0));
}
Tensor hot_of_positions(const Match& m) {  // convert(eq(positions, positions)) that is no identity yet
  Made e = m.made(m[0], eq_p);
  DType d = m.params<ConvertParams>().dtype;
  if (!e || is_bool(d) || is_complex(d) || m[0].rank0()) return {};
  const Shape s = m.shape(m[0]);
  Made one = m.made(e[0], iota_p), other = m.made(e[1], iota_p);
  if (one && other && s[at(one.params<IotaParams>().dim)] == s[at(other.params<IotaParams>().dim)]) return {};
  auto a = position(m, e[0]), b = position(m, e[1]);
  if (a && b && a->dim != b->dim) return hot(d, s, a->dim, b->dim, a->offset - b->offset);
  if (!a && !b) return {};
  auto& p = a ? *a : *b;  // against a number
  auto c = m.constant(a ? e[1] : e[0]);
  if (!c) return {};
  std::int64_t i = static_cast<std::int64_t>(*c) - p.offset;
  if (i < 0 || i >= s[at(p.dim)]) return filled(Scalar(0), d, s);
  Shape inner = s, low = Shape::filled(s.size(), 0), high = low;
  inner[at(p.dim)] = 1;
  low[at(p.dim)] = i, high[at(p.dim)] = s[at(p.dim)] - i - 1;
  return prims::pad(filled(Scalar(1), d, inner), Tensor::literal_of(Scalar(0), d), low, high, Shape::filled(s.size(), 0));
}
Tensor select_of_positions(const Match& m) {  // select(positions == positions, 1, 0)
  if (!m.made(m[0], eq_p) || m[0].rank0() || !is_floating(m[1].raw_dtype()) || !m.is(m[1], 1) || !m.is(m[2], 0)) return {};
  Made e = m.made(m[0], eq_p);
  return position(m, e[0]) || position(m, e[1]) ? convert(m[0], m[1].raw_dtype()) : Tensor();
}

// ---------------------------------------------------------------- diagonals
// t = (index p == index q) * factor; a null factor is 1, a 0-d one is repeated.
struct Diagonal {
  std::int64_t p, q;
  Tensor factor;
};
std::optional<Diagonal> diagonal(const Match& m, const Tensor& t, int depth = 6) {
  if (t.rank0() || depth == 0) return {};
  Made e = m.made(t);
  if (!e) return {};
  if (e.prim() == &convert_p) {
    Made same = m.made(e[0], eq_p);
    if (!same) return {};
    Made a = m.made(same[0], iota_p), b = m.made(same[1], iota_p);
    if (!a || !b) return {};
    const IotaParams p = a.params<IotaParams>(), q = b.params<IotaParams>();
    if (p.dim == q.dim || p.shape[at(p.dim)] != p.shape[at(q.dim)]) return {};
    return Diagonal{std::min(p.dim, q.dim), std::max(p.dim, q.dim), {}};
  }
  if (e.prim() == &mul_p) {
    for (std::size_t k : {0u, 1u})
      if (auto d = diagonal(m, e[k], depth - 1)) {
        d->factor = d->factor.defined() ? mul(d->factor, e[1 - k]) : e[1 - k];
        return d;
      }
    return {};
  }
  std::optional<Diagonal> d;
  if (e.prim() == &neg_p) {
    d = diagonal(m, e[0], depth - 1);
    if (d) d->factor = d->factor.defined() ? neg(d->factor) : like(-1, t);
    return d;
  }
  if (e.prim() == &broadcast_in_dim_p) {
    if (!(d = diagonal(m, e[0], depth - 1))) return {};
    const BroadcastParams b = e.params<BroadcastParams>();
    d->p = b.dims[at(d->p)], d->q = b.dims[at(d->q)];
    if (d->factor.defined() && !d->factor.rank0()) d->factor = core::broadcast_in_dim(d->factor, b.shape, b.dims);
  } else if (e.prim() == &transpose_p) {
    if (!(d = diagonal(m, e[0], depth - 1))) return {};
    const Shape perm = e.params<PermParams>().perm;
    d->p = perm.find(d->p), d->q = perm.find(d->q);
    if (d->factor.defined() && !d->factor.rank0()) d->factor = core::permute(d->factor, perm);
  }
  return d;
}
// Of an array that is repeated along a dimension: it without that.
Tensor unrepeat(const Match& m, const Tensor& t, std::int64_t d, const Shape& shape) {
  if (t.rank0()) return spread(t, shape.without(at(d)));
  Made b = m.made(t, broadcast_in_dim_p);
  if (!b || b.params<BroadcastParams>().dims.has(d)) return {};
  Shape dims = b.params<BroadcastParams>().dims;
  for (auto& x : dims) x -= x > d;
  return core::broadcast_in_dim(b[0], shape.without(at(d)), dims);
}
// The factor on the diagonal, without dimension `gone` (p or q of d): its dimensions are those of t without that.
Tensor on_diagonal(const Match& m, const Tensor& t, const Diagonal& d, std::int64_t gone) {
  const Shape s = m.shape(t);
  if (!d.factor.defined()) return filled(Scalar(1), t.raw_dtype(), s.without(at(gone)));
  if (Tensor f = unrepeat(m, d.factor, gone, s); f.defined()) return f;
  std::int64_t kept = gone == d.p ? d.q : d.p;
  Tensor f = unrepeat(m, d.factor, kept, s);
  if (!f.defined()) return {};
  // Dimensions of f: those of t without `kept`. The index `gone` takes the place of `kept`.
  int from = static_cast<int>(gone - (gone > kept)), to = static_cast<int>(kept - (kept > gone));
  return core::move_dim(f, from, to);
}

// ---------------------------------------------------------------- E stays outside
struct Scaled {  // t = e * x, as it stands
  Tensor e, x;
};
std::optional<Scaled> scaled(const Match& m, const Tensor& t) {
  if (Made n = m.made(t, neg_p)) {
    if (m.made(n[0], mul_p)) {
      auto s = scaled(m, n[0]);
      if (s) s->x = neg(s->x);
      return s;
    }
    auto d = diagonal(m, n[0]);
    return d && !d->factor.defined() ? std::optional(Scaled{n[0], like(-1, t)}) : std::nullopt;
  }
  Made p = m.made(t, mul_p);
  if (!p) return {};
  for (std::size_t k : {0u, 1u})
    if (auto d = diagonal(m, p[k]); d && !d->factor.defined()) return Scaled{p[k], p[1 - k]};
  return {};
}
bool same_value(const Tensor& a, const Tensor& b) { return a.kind() == Tensor::Kind::Var && b.kind() == Tensor::Kind::Var && a.var() == b.var(); }
Tensor product_with_diagonal(const Match& m) {
  for (std::size_t k : {0u, 1u})
    if (auto s = scaled(m, m[k])) {
      auto other = scaled(m, m[1 - k]);
      if (other && same_value(other->e, s->e)) return mul(s->e, mul(s->x, other->x));
      if (auto d = diagonal(m, m[1 - k]); d && !d->factor.defined()) return same_value(m[1 - k], s->e) ? m[k] : Tensor();
      return mul(s->e, k ? mul(m[0], s->x) : mul(s->x, m[1]));
    }
  return {};
}
Tensor quotient_of_diagonal(const Match& m) {
  auto s = scaled(m, m[0]);
  return s ? mul(s->e, div(s->x, m[1])) : Tensor();
}
Tensor sum_of_diagonals(const Match& m) {
  auto part = [&](const Tensor& t) -> std::optional<Scaled> {
    if (auto s = scaled(m, t)) return s;
    auto d = diagonal(m, t);
    return d && !d->factor.defined() ? std::optional(Scaled{t, like(1, t)}) : std::nullopt;
  };
  auto a = part(m[0]), b = part(m[1]);
  if (!a || !b || !same_value(a->e, b->e)) return {};
  return mul(a->e, &m.prim() == &sub_p ? core::sub(a->x, b->x) : core::add(a->x, b->x));
}
Tensor slice_of_diagonal(const Match& m) {
  auto& p = m.params<SliceParams>();
  if (auto s = scaled(m, m[0])) {
    Tensor x = s->x.rank0() ? s->x : prims::slice(s->x, p.start, p.limit, p.stride);
    return mul(prims::slice(s->e, p.start, p.limit, p.stride), x);
  }
  auto d = diagonal(m, m[0]);
  if (!d || d->factor.defined()) return {};
  Shape to;
  for (std::size_t k = 0; k < p.start.size(); ++k) to.push_back((p.limit[k] - p.start[k] + p.stride[k] - 1) / p.stride[k]);
  if ((p.stride[at(d->p)] != 1 && to[at(d->p)] > 1) || (p.stride[at(d->q)] != 1 && to[at(d->q)] > 1)) return {};
  return hot(m[0].raw_dtype(), to, d->p, d->q, p.start[at(d->p)] - p.start[at(d->q)]);
}

// ---------------------------------------------------------------- E is contracted
Tensor sum_of_diagonal(const Match& m) {
  auto d = diagonal(m, m[0]);
  if (!d) return {};
  Shape dims = m.params<DimsParams>().dims;
  std::int64_t gone = dims.has(d->q) ? d->q : d->p;
  if (!dims.has(gone)) return {};
  Tensor f = on_diagonal(m, m[0], *d, gone);
  if (!f.defined()) return {};
  Shape left;
  for (std::int64_t k : dims)
    if (k != gone) left.push_back(k - (k > gone));
  return core::sum(f, left);
}
Tensor contraction_with_diagonal(const Match& m) {
  const DotParams c = m.params<DotParams>();
  for (std::size_t k : {0u, 1u}) {
    auto d = diagonal(m, m[k]);
    if (!d) continue;
    const Shape &own = k ? c.right : c.left, &their = k ? c.left : c.right, &own_batch = k ? c.right_batch : c.left_batch,
                &their_batch = k ? c.left_batch : c.right_batch;
    std::int64_t gone = own.has(d->q) ? d->q : d->p, kept = gone == d->p ? d->q : d->p;
    if (!own.has(gone) || own.has(kept) || own_batch.has(kept)) continue;
    Tensor f = on_diagonal(m, m[k], *d, gone);
    if (!f.defined()) continue;
    // Dimension `kept` and the dimension of the other operand that was contracted with `gone` are now a batch.
    auto after = [&](std::int64_t dim) { return dim - (dim > gone); };
    auto i = static_cast<std::size_t>(own.find(gone));
    Shape mine, theirs, mine_batch, theirs_batch = their_batch;
    for (std::size_t j = 0; j < own.size(); ++j)
      if (j != i) mine.push_back(after(own[j])), theirs.push_back(their[j]);
    for (std::int64_t b : own_batch) mine_batch.push_back(after(b));
    mine_batch.push_back(after(kept));
    theirs_batch.push_back(their[i]);
    Tensor r = k ? prims::dot_general(m[0], f, {theirs, mine, theirs_batch, mine_batch})
                 : prims::dot_general(f, m[1], {mine, theirs, mine_batch, theirs_batch});
    // Results come as batch, the new batch dimension, free dimensions of left, of right; it belongs where `kept` is among the free ones.
    Shape free = own.concat(own_batch).others(m.shape(m[k]).size());
    std::size_t n_theirs = m.shape(m[1 - k]).size() - their.size() - their_batch.size();
    std::size_t place = own_batch.size() + (k ? n_theirs : 0) + static_cast<std::size_t>(free.find(kept));
    return core::move_dim(r, static_cast<int>(own_batch.size()), static_cast<int>(place));
  }
  return {};
}

// ---------------------------------------------------------------- E is not contracted
// Sums and contractions over other dimensions than those of E are of the factor, and E multiplies what they give.
Tensor sum_beside_diagonal(const Match& m) {
  auto d = diagonal(m, m[0]);
  const Shape dims = m.params<DimsParams>().dims;
  if (!d || dims.has(d->p) || dims.has(d->q)) return {};
  const Shape s = m.shape(m[0]), kept = dims.others(s.size());
  Tensor f = d->factor.defined() ? spread(d->factor, s) : filled(Scalar(1), m[0].raw_dtype(), s);
  return mul(identity(m[0].raw_dtype(), s.pick(kept), kept.find(d->p), kept.find(d->q)), core::sum(f, dims));
}
Tensor contraction_beside_diagonal(const Match& m) {
  const DotParams c = m.params<DotParams>();
  for (std::size_t k : {0u, 1u}) {
    auto d = diagonal(m, m[k]);
    if (!d) continue;
    const Shape own = k ? c.right : c.left, own_batch = k ? c.right_batch : c.left_batch, s = m.shape(m[k]);
    const Shape taken = own.concat(own_batch);
    if (taken.has(d->p) || taken.has(d->q) || own.empty()) continue;
    // Without the dimension of E along which the factor is repeated; that comes back when the contraction is done.
    std::int64_t gone = d->q;
    Tensor f = d->factor.defined() ? unrepeat(m, d->factor, gone, s) : filled(Scalar(1), m[k].raw_dtype(), s.without(at(gone)));
    if (!f.defined()) f = unrepeat(m, d->factor, gone = d->p, s);
    if (!f.defined()) continue;
    auto after = [&](Shape dims) {
      for (auto& x : dims) x -= x > gone;
      return dims;
    };
    const Shape their = k ? c.left : c.right, their_batch = k ? c.left_batch : c.right_batch;
    Tensor r = k ? prims::dot_general(m[0], f, {their, after(own), their_batch, after(own_batch)})
                 : prims::dot_general(f, m[1], {after(own), their, after(own_batch), their_batch});
    const Aval in[2] = {m[0].aval(), m[1].aval()};
    Aval out;
    m.prim().shape(m.call(), std::span<const Aval>(in), std::span<Aval>(&out, 1));
    const Shape free = taken.others(s.size());
    std::size_t from = own_batch.size() + (k ? m.shape(m[0]).size() - c.left.size() - c.left_batch.size() : 0);
    auto place = [&](std::int64_t dim) { return static_cast<std::int64_t>(from) + free.find(dim); };
    r = core::broadcast_in_dim(r, out.shape, Shape::iota(out.shape.size()).without(at(place(gone))));
    return mul(identity(m[k].raw_dtype(), out.shape, place(d->p), place(d->q)), r);
  }
  return {};
}

constexpr Rule rules[] = {
    {&convert_p, "hot_of_positions", "positions compared are an identity with zeros around it", hot_of_positions},
    {&core::select_p, "select_of_positions", "the same, as a choice of 1 and 0", select_of_positions},
    {&mul_p, "product_with_diagonal", "(E x) y = E (x y)", product_with_diagonal},
    {&div_p, "quotient_of_diagonal", "(E x) / y = E (x / y)", quotient_of_diagonal},
    {&core::add_p, "sum_of_diagonals", "E x + E y = E (x + y)", sum_of_diagonals},
    {&sub_p, "difference_of_diagonals", "E x - E y = E (x - y)", sum_of_diagonals},
    {&slice_p, "slice_of_diagonal", "a part of E is one, with zeros around it", slice_of_diagonal},
    {&core::reduce_sum_p, "sum_of_diagonal", "the sum of E x over an index of E is x on the diagonal", sum_of_diagonal},
    {&core::reduce_sum_p, "sum_beside_diagonal", "the sum of E x over other dimensions is E times the sum of x", sum_beside_diagonal},
    {&dot_general_p, "contraction_beside_diagonal", "so is a contraction over other dimensions", contraction_beside_diagonal},
    {&dot_general_p, "contraction_with_diagonal", "with E x: a product with x on the diagonal", contraction_with_diagonal},
};

}  // namespace

Rules seed_rules() { return rules; }

}  // namespace functra::compiler
