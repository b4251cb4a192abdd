#include "functra/compiler/pull.h"

#include <algorithm>
#include <limits>
#include <map>

#include "functra/compiler/avals.h"
#include "functra/kernels/cast.h"
#include "functra/prims/math.h"

namespace functra::compiler {

using core::Call;
using core::Lowering;
using core::mix;

bool Point::operator==(const Point& o) const {
  if (rank != o.rank) return false;
  for (int k = 0; k < rank; ++k)
    if (!(at[k] == o.at[k])) return false;
  return true;
}
std::size_t Pull::KeyHash::operator()(const Key& k) const {
  std::size_t h = static_cast<std::size_t>(k.v);
  for (int d = 0; d < k.i.rank; ++d)
    h = mix(h, static_cast<std::size_t>(k.i.at[d].offset * 1000003 + k.i.at[d].step * 7919 + k.i.at[d].axis) ^ k.i.at[d].plus);
  return h;
}
std::size_t Pull::AccessHash::operator()(const Access& a) const {
  std::size_t h = mix(static_cast<std::size_t>(a.buffer), static_cast<std::size_t>(a.offset));
  for (std::int64_t s : a.strides) h = mix(h, static_cast<std::size_t>(s));
  return h;
}

// ---------------------------------------------------------------- what can be pulled
bool computes(DType d) { return !is_complex(d) && (d != DType::f16 || kernels::converts_f16()); }
std::int64_t terms(const core::Program& p, const Eqn& e) {
  const Lowering& l = e.prim->lowering;
  std::int64_t n = 1;
  if (l.kind == Lowering::Kind::reduction)
    for (std::int64_t d : l.dims(e.params)) n *= p.operand_type(p.operands(e)[0]).shape[static_cast<std::size_t>(d)];
  if (l.kind == Lowering::Kind::contraction)
    for (std::int64_t d : l.contraction(e.params).left) n *= p.operand_type(p.operands(e)[0]).shape[static_cast<std::size_t>(d)];
  return n;
}
bool can_pull(const core::Program& p, const Eqn& e) {
  using Kind = Lowering::Kind;
  const Lowering& l = e.prim->lowering;
  if (l.kind == Kind::none || l.kind == Kind::kernel) return false;
  for (std::uint32_t k = 0; k < e.n_out; ++k) {
    const Aval& t = p.type(static_cast<Var>(e.out + k));
    if (!computes(t.dtype) || t.shape.rank() > max_rank) return false;
  }
  for (Var v : p.operands(e)) {
    Aval t = p.operand_type(v);
    if (!computes(t.dtype) || t.shape.rank() > max_rank) return false;
    if (is_half(t.dtype) && (l.kind == Kind::reduction || l.kind == Kind::contraction)) return false;  // sums of f32 are made of them (halves.cpp)
  }
  if (l.kind == Kind::reshape && p.operand_type(p.operands(e)[0]).shape.numel() == 0) return false;
  return true;
}

// ---------------------------------------------------------------- the walk
Id Pull::fail(Outcome o) {
  if (outcome_ == Outcome::fine) outcome_ = o;
  return nest_.graph.bits(DType::bool_, 0);
}
std::pair<std::int64_t, std::int64_t> Pull::range(const Position& i) const {
  if (i.axis < 0) return {i.offset, i.offset};
  auto a = static_cast<std::size_t>(i.axis);
  std::int64_t first = i.offset + i.step * nest_.lower[a], last = i.offset + i.step * (nest_.upper[a] - 1);
  return {std::min(first, last), std::max(first, last)};
}
Id Pull::literal(Var v, bool structural) {
  const Tensor& t = p_.literals[static_cast<std::size_t>(~v)];
  std::uint64_t bits = 0;
  std::memcpy(&bits, t.bytes(), size_of(t.raw_dtype()));
  if (structural && bits == 0 && is_floating(t.raw_dtype())) return nest_.graph.structural_zero(t.raw_dtype());
  return nest_.graph.bits(t.raw_dtype(), bits);
}
Access Pull::access(int buffer, const Aval& type, const Point& i) const {
  Access a{buffer, type.dtype, 0, std::vector<std::int64_t>(nest_.axes(), 0)};
  std::int64_t stride = 1;
  for (int d = i.rank - 1; d >= 0; --d) {
    a.offset += stride * i.at[d].offset;
    if (i.at[d].axis >= 0) a.strides[static_cast<std::size_t>(i.at[d].axis)] += stride * i.at[d].step;
    stride *= type.shape[static_cast<std::size_t>(d)];
  }
  return a;
}

Id Pull::sum(Id a, Id b) { return a == none ? b : b == none ? a : nest_.graph.binary(NumOp::add, DType::i64, a, b); }
Id Pull::scaled(Id a, std::int64_t by) {
  Graph& g = nest_.graph;
  return a == none || by == 1 ? a : g.binary(NumOp::mul, DType::i64, a, g.constant(DType::i64, Scalar(by)));
}
Id Pull::loaded(int buffer, const Aval& type, const Point& i) {
  Graph& g = nest_.graph;
  Access a = access(buffer, type, i);
  auto [it, fresh] = loads_.emplace(a, nest_.accesses.size());
  if (fresh) nest_.accesses.push_back(std::move(a));
  const DType d = type.shape.numel() <= std::numeric_limits<std::int32_t>::max() ? DType::i32 : DType::i64;  // of what is computed
  Id more = none;
  std::int64_t stride = 1;
  for (int k = i.rank - 1; k >= 0; --k) {
    if (const Id plus = i.at[k].plus; plus != none) {
      const Id part = g.binary(NumOp::mul, d, g.convert(d, DType::i64, plus), g.constant(d, Scalar(stride)));
      more = more == none ? part : g.binary(NumOp::add, d, more, part);
    }
    stride *= type.shape[static_cast<std::size_t>(k)];
  }
  return more == none ? g.load(type.dtype, it->second) : g.gather(type.dtype, it->second, d, more);
}

Id Pull::value(Var v, const Point& i, bool structural) {
  if (outcome_ != Outcome::fine) return fail(outcome_);
  if (v < 0) return literal(v, structural);
  if (int b = buffer_of_(v); b >= 0) {
    const Aval& type = p_.type(v);
    if (!computes(type.dtype) || type.shape.rank() != i.rank) return fail(Outcome::impossible);
    return loaded(b, type, i);
  }
  if (auto it = known_.find(Key{v, i}); it != known_.end()) return it->second;
  return elementwise(v) ? chain(v, i) : computed(v, i);
}
bool Pull::elementwise(Var v) const {
  using Kind = Lowering::Kind;
  Kind k = p_.eqns[static_cast<std::size_t>(defines_[static_cast<std::size_t>(v)])].prim->lowering.kind;
  return k == Kind::scalar || k == Kind::convert || k == Kind::identity;
}
Id Pull::computed(Var v, const Point& i) {
  const auto here = reinterpret_cast<std::uintptr_t>(__builtin_frame_address(0));
  if (nest_.graph.size() > budget_ || nest_.graph.rares() > max_rares || known_.size() > 8 * budget_ || bottom_ - here > max_stack)
    return fail(Outcome::too_large);
  const Eqn& e = p_.eqns[static_cast<std::size_t>(defines_[static_cast<std::size_t>(v)])];
  Id r = compute(e, static_cast<std::size_t>(v) - e.out, i);
  if (outcome_ == Outcome::fine) known_.emplace(Key{v, i}, r);
  return r;
}
// A chain of elementwise equations, however long, at one point: operands first, without recursion.
Id Pull::chain(Var v, const Point& i) {
  std::vector<Var> stack{v};
  auto point_of = [&](Var x) { return p_.type(x).shape.empty() ? Point() : i; };
  Id r = none;
  while (!stack.empty() && outcome_ == Outcome::fine) {
    const Var x = stack.back();
    const Point at = point_of(x);
    const std::size_t before = stack.size();
    const Eqn& e = p_.eqns[static_cast<std::size_t>(defines_[static_cast<std::size_t>(x)])];
    auto operands = p_.operands(e);
    if (e.prim->lowering.kind == Lowering::Kind::identity)
      operands = operands.subspan(static_cast<std::size_t>(x) - e.out, 1);  // others have other shapes
    if (known_.find(Key{x, at}) == known_.end())
      for (Var o : operands)
        if (o >= 0 && buffer_of_(o) < 0 && elementwise(o) && known_.find(Key{o, point_of(o)}) == known_.end()) stack.push_back(o);
    if (stack.size() != before) continue;
    auto it = known_.find(Key{x, at});
    r = it != known_.end() ? it->second : computed(x, at);
    stack.pop_back();
  }
  return outcome_ == Outcome::fine ? r : fail(outcome_);
}
Id Pull::compute(const Eqn& e, std::size_t result, const Point& i) {
  using Kind = Lowering::Kind;
  switch (e.prim->lowering.kind) {
    case Kind::scalar: return scalar(e, i);
    case Kind::identity: return value(p_.operands(e)[result], i, true);
    case Kind::index: return index(e, i);
    case Kind::reshape: return reshaped(e, i);
    case Kind::pieces: return pieces(e, i);
    case Kind::position: return numbered(e, i);
    case Kind::placed: return placed(e, i);
    case Kind::convert: {
      Var x = p_.operands(e)[0];
      DType from = p_.operand_type(x).dtype, to = p_.type(static_cast<Var>(e.out)).dtype;
      Id v = value(x, i, true);
      const Node n = nest_.graph[v];
      if (is_bool(from) && is_floating(to) && n.op == Op::constant && !n.attr) return nest_.graph.structural_zero(to);  // off a diagonal
      return nest_.graph.convert(to, from, v);
    }
    case Kind::bitcast: {
      Var x = p_.operands(e)[0];
      return nest_.graph.bitcast(p_.type(static_cast<Var>(e.out)).dtype, p_.operand_type(x).dtype, value(x, i, false));
    }
    case Kind::reduction: return reduction(e, i);
    case Kind::contraction: return contraction(e, i);
    default: return fail(Outcome::impossible);
  }
}
Id Pull::scalar(const Eqn& e, const Point& i) {
  const Lowering& l = e.prim->lowering;
  Sym in[4];
  auto operands = p_.operands(e);
  if (operands.size() > 4) return fail(Outcome::impossible);
  Graph& g = nest_.graph;
  const bool half = is_half(p_.operand_type(operands[0]).dtype);  // computed in f32 and rounded, as eager loops do
  for (std::size_t k = 0; k < operands.size(); ++k) {
    Aval t = p_.operand_type(operands[k]);
    in[k] = {&g, value(operands[k], t.shape.empty() ? Point() : i, false), t.dtype};
    if (outcome_ != Outcome::fine) return fail(outcome_);
    if (half) in[k] = {&g, g.convert(DType::f32, t.dtype, in[k].id), DType::f32};
  }
  if ((e.prim == &core::add_p || e.prim == &prims::sub_p) && is_floating(in[0].dtype) && !half)
    return g.contracted(in[0].dtype, in[0].id, in[1].id, e.prim == &prims::sub_p);
  core::Params params = e.params;
  const Sym r = l.formula->emit(g, {in, operands.size()}, l.formula_params ? l.formula_params(params) : params.value);
  return half ? g.convert(p_.type(static_cast<Var>(e.out)).dtype, r.dtype, r.id) : r.id;
}
Id Pull::index(const Eqn& e, const Point& i) {
  auto [it, fresh] = maps_.try_emplace(&e);
  Var x = p_.operands(e)[0];
  if (fresh) {
    const Aval in = p_.operand_type(x);
    it->second = e.prim->lowering.map(Call{*e.prim, e.params}, {&in, 1});
  }
  Point o;
  for (auto& row : it->second.rows) {
    Position& q = o.at[o.rank++];
    q.offset = row.offset;
    for (int d = 0; d < i.rank; ++d) {
      std::int64_t s = row.steps[static_cast<std::size_t>(d)];
      if (!s) continue;
      q.offset += s * i.at[d].offset;
      q.plus = sum(q.plus, scaled(i.at[d].plus, s));
      if (i.at[d].axis < 0) continue;
      if (q.axis >= 0 && q.axis != i.at[d].axis) return fail(Outcome::impossible);
      q.axis = i.at[d].axis;
      q.step += s * i.at[d].step;
    }
    if (q.step == 0) q.axis = -1;
  }
  return value(x, o, true);
}
Id Pull::pieces(const Eqn& e, const Point& i) {
  auto operands = p_.operands(e);
  auto [it, fresh] = pieces_.try_emplace(&e);
  if (fresh) it->second = e.prim->lowering.pieces(e.params, operand_types(p_, e));
  for (auto& part : it->second.parts) {
    Aval t = p_.operand_type(operands[part.operand]);
    Point o;
    o.rank = i.rank;
    bool inside = true;
    for (int d = 0; d < i.rank && inside; ++d) {
      auto k = static_cast<std::size_t>(d);
      Position q = i.at[d];
      const std::int64_t step = part.step[k], end = t.shape[k] * step;
      if (q.plus != none) {  // where it lies is known if the part is all of this dimension
        if (part.start[k] != 0 || step != 1 || end != p_.type(static_cast<Var>(e.out)).shape[k]) return fail(Outcome::impossible);
        o.at[d] = q;
        continue;
      }
      q.offset -= part.start[k];
      auto [first, last] = range(q);
      if (last < 0 || first >= end) {
        inside = false;
        break;
      }
      if (first < 0 || last >= end) {  // the box straddles the border: find where
        auto a = static_cast<std::size_t>(q.axis);
        auto within = [&](std::int64_t x) {
          std::int64_t v = q.offset + q.step * x;
          return v < 0 ? -1 : v < end ? 0 : 1;
        };
        std::int64_t low = nest_.lower[a], high = nest_.upper[a] - 1;  // within() differs at these two and is monotone between them
        while (high - low > 1) {
          std::int64_t middle = low + (high - low) / 2;
          (within(middle) == within(low) ? low : high) = middle;
        }
        split_axis_ = a;
        split_at_ = high;
        return fail(Outcome::split);
      }
      if (step != 1) {
        if (q.axis >= 0 && q.step % step != 0) return fail(Outcome::impossible);
        if (q.offset % step != 0) inside = false;
        q.offset /= step;
        q.step /= step;
      }
      o.at[d] = q;
    }
    if (inside) return value(operands[part.operand], o, true);
  }
  return value(operands[static_cast<std::size_t>(it->second.fill)], Point(), true);
}
Id Pull::reshaped(const Eqn& e, const Point& i) {
  Var x = p_.operands(e)[0];
  const Aval from = p_.operand_type(x);
  const Shape &to = p_.type(static_cast<Var>(e.out)).shape, &s = from.shape;
  Point o;
  o.rank = s.rank();
  // Dimensions in groups of equal products, from the last.
  int r = i.rank - 1, k = o.rank - 1;
  while (k >= 0) {
    std::int64_t mine = s[static_cast<std::size_t>(k)], theirs = 1;
    int low = k, last = r;
    if (mine == 1) {
      o.at[k--] = {};
      continue;
    }
    while (theirs != mine) {
      if (theirs < mine) {
        if (r < 0) return fail(Outcome::impossible);
        theirs *= to[static_cast<std::size_t>(r--)];
      } else {
        if (low == 0) return fail(Outcome::impossible);
        mine *= s[static_cast<std::size_t>(--low)];
      }
    }
    Position line;  // along the whole group, row-major
    std::int64_t stride = 1;
    for (int d = last; d > r; --d) {
      line.offset += stride * i.at[d].offset;
      line.plus = sum(line.plus, scaled(i.at[d].plus, stride));
      if (i.at[d].axis >= 0) {
        if (line.axis >= 0 && line.axis != i.at[d].axis) return fail(Outcome::impossible);
        line.axis = i.at[d].axis;
        line.step += stride * i.at[d].step;
      }
      stride *= to[static_cast<std::size_t>(d)];
    }
    for (int d = k; d >= low; --d) {
      const std::int64_t n = s[static_cast<std::size_t>(d)];
      if (d == low) {
        o.at[d] = line;
      } else if (line.plus != none) {
        return fail(Outcome::impossible);
      } else if (line.axis < 0 || line.step % n == 0) {
        const std::int64_t rest = ((line.offset % n) + n) % n;  // offsets of boxes that begin late may be negative
        o.at[d] = {rest, 0, -1};
        line.offset = (line.offset - rest) / n;
        line.step /= n;
      } else {  // the axis stays within this dimension
        auto [first, final] = range(line);
        if (first / n != final / n) return fail(Outcome::impossible);
        o.at[d] = {line.offset - first / n * n, line.step, line.axis};
        line = {first / n, 0, -1};
      }
      if (o.at[d].step == 0) o.at[d].axis = -1;
    }
    k = low - 1;
  }
  return value(x, o, true);
}
Id Pull::number(const Position& q) {
  Graph& g = nest_.graph;
  Id n = g.constant(DType::i64, Scalar(q.offset));
  if (q.axis >= 0)
    n = g.binary(NumOp::add, DType::i64,
                 g.binary(NumOp::mul, DType::i64, g.position(static_cast<std::uint64_t>(q.axis)), g.constant(DType::i64, Scalar(q.step))), n);
  return sum(n, q.plus);
}
Id Pull::numbered(const Eqn& e, const Point& i) {
  return nest_.graph.convert(p_.type(static_cast<Var>(e.out)).dtype, DType::i64, number(i.at[e.prim->lowering.position(e.params)]));
}
// What a primitive sees of a point of its result.
class Pull::Here final : public core::Places {
 public:
  Here(Pull& pull, const Eqn& e, const Point& i) : pull_(pull), e_(e), i_(i) {}
  Sym position(int along) override { return {&pull_.nest_.graph, pull_.number(i_.at[along]), DType::i64}; }
  Sym element(std::size_t operand, std::span<const At> place) override {
    Graph& g = pull_.nest_.graph;
    const Var v = pull_.p_.operands(e_)[operand];
    Point o;
    for (const At& a : place) {
      Position& q = o.at[o.rank++] = a.along >= 0 ? i_.at[a.along] : Position();
      q.offset += a.offset;
      if (!a.plus) continue;
      if (g.is_constant(a.plus->id)) q.offset += static_cast<std::int64_t>(g[a.plus->id].attr);
      else q.plus = pull_.sum(q.plus, a.plus->id);
    }
    const DType d = pull_.p_.operand_type(v).dtype;
    const Id x = pull_.value(v, o, false);
    return {&g, pull_.outcome_ == Outcome::fine ? x : g.bits(d, 0), d};
  }

 private:
  Pull& pull_;
  const Eqn& e_;
  const Point& i_;
};
Id Pull::placed(const Eqn& e, const Point& i) {
  Here here(*this, e, i);
  EmitScope scope(nest_.graph);
  const Id r = e.prim->lowering.placed(here, e.params, operand_types(p_, e)).id;
  return outcome_ == Outcome::fine ? r : fail(outcome_);
}

// ---------------------------------------------------------------- rows
std::vector<std::vector<Row>> Pull::rows() const {
  std::map<Var, std::vector<std::pair<std::int64_t, Id>>> elements;  // by row-major number
  for (auto& [key, id] : known_) {
    const Shape& s = p_.type(key.v).shape;
    if (key.i.rank != s.rank()) continue;
    std::int64_t at = 0;
    for (int d = 0; d < key.i.rank && at >= 0; ++d) at = key.i.at[d].axis >= 0 ? -1 : at * s[static_cast<std::size_t>(d)] + key.i.at[d].offset;
    if (at >= 0) elements[key.v].emplace_back(at, id);
  }
  // Numbers by themselves, by what function of the same depth they are: sines of several angles.
  std::vector<int> depth(p_.type_of.size(), 0);
  std::map<std::pair<const core::Primitive*, int>, Row> functions;
  for (const Eqn& e : p_.eqns) {
    const bool function = e.prim->lowering.kind == Lowering::Kind::scalar && p_.operands(e).size() == 1;
    int d = 0;
    for (Var v : p_.operands(e))
      if (v >= 0) d = std::max(d, depth[static_cast<std::size_t>(v)]);
    for (std::uint32_t k = 0; k < e.n_out; ++k) {
      const Var v = static_cast<Var>(e.out + k);
      depth[e.out + k] = d + function;
      auto it = elements.find(v);
      if (function && it != elements.end() && p_.type(v).shape.numel() == 1) functions[{e.prim, d}].push_back(it->second[0].second);
    }
  }
  std::vector<std::vector<Row>> ways;
  for (int way : {-1, -2, 0, 1}) {  // negative: from the last
    auto& rows = ways.emplace_back();
    for (auto& [_, row] : functions)
      if (row.size() > 1) rows.push_back(row);
    for (auto& [v, known] : elements) {
      const Shape& s = p_.type(v).shape;
      const int d = way < 0 ? s.rank() + way : way;
      if (d < 0 || d >= s.rank() || s[static_cast<std::size_t>(d)] < 2 || (way >= 0 && s.rank() == 1)) continue;
      const std::int64_t n = s[static_cast<std::size_t>(d)];
      std::int64_t stride = 1;
      for (std::size_t k = static_cast<std::size_t>(d) + 1; k < s.size(); ++k) stride *= s[k];
      std::map<std::int64_t, Row> all;
      for (auto [at, id] : known) {
        auto& row = all[at / (stride * n) * stride + at % stride];
        row.resize(static_cast<std::size_t>(n), none);
        row[static_cast<std::size_t>(at / stride % n)] = id;
      }
      for (auto& [_, row] : all)
        if (std::find(row.begin(), row.end(), none) == row.end()) rows.push_back(std::move(row));
    }
  }
  auto& alone = ways.emplace_back();
  for (auto& [_, row] : functions)
    if (row.size() > 1) alone.push_back(row);
  return ways;
}

// ---------------------------------------------------------------- sums
namespace {
// All positions below `extents`, in row-major order.
template <class F> void each_position(const Shape& extents, F f) {
  if (extents.numel() == 0) return;
  Shape at = Shape::filled(extents.size(), 0);
  for (;;) {
    f(at);
    std::size_t d = extents.size();
    while (d > 0 && ++at[d - 1] == extents[d - 1]) at[--d] = 0;
    if (d == 0) return;
  }
}
}  // namespace

// A long sum in parts that do not wait for each other. How many there are depends on its length alone, so that it is the same sum
// wherever it is computed.
class Pull::Chains {
 public:
  Chains(std::int64_t terms, Id empty) : n_(terms >= 16 ? 4 : terms >= 8 ? 2 : 1) { std::fill(parts_, parts_ + 4, empty); }
  Id& next() { return parts_[k_++ % n_]; }
  template <class F> Id joined(F both) const {
    if (n_ == 1) return parts_[0];
    return n_ == 2 ? both(parts_[0], parts_[1]) : both(both(parts_[0], parts_[1]), both(parts_[2], parts_[3]));
  }

 private:
  std::size_t n_, k_ = 0;
  Id parts_[4];
};

// A sum along the whole last axis, of a row that every other position of the point leaves as it is: one stage of the nest.
bool Pull::is_row(const Point& i, std::int64_t n) const {
  if (nest_.axes() == 0) return false;
  const std::size_t last = nest_.axes() - 1;
  if (nest_.lower[last] != 0 || nest_.upper[last] != n) return false;
  return std::none_of(i.at, i.at + i.rank, [&](const Position& p) { return p.axis == static_cast<int>(last) || p.plus != none; });
}
Id Pull::stage(core::ReduceOp op, DType d, Id term) {
  if (outcome_ != Outcome::fine) return fail(outcome_);
  const std::size_t last = nest_.axes() - 1;
  Access nowhere{-1, d, 0, std::vector<std::int64_t>(nest_.axes(), 0)};
  nest_.reductions.push_back({op, term, std::uint32_t{1} << last, nowhere, false});
  return nest_.graph.reduced(d, nest_.reductions.size() - 1);
}
Id Pull::reduction(const Eqn& e, const Point& i) {
  Graph& g = nest_.graph;
  Var x = p_.operands(e)[0];
  const Aval type = p_.operand_type(x);
  Shape dims = e.prim->lowering.dims(e.params), extents = type.shape.pick(dims);
  core::ReduceOp op = e.prim->lowering.reduce;
  if (dims.size() == 1 && extents[0] >= shortest_stage && is_row(i, extents[0])) {
    Point o;
    o.rank = type.shape.rank();
    for (int d = 0, k = 0; d < o.rank; ++d) o.at[d] = d == dims[0] ? Position{0, 1, static_cast<int>(nest_.axes()) - 1} : i.at[k++];
    return stage(op, type.dtype, value(x, o, false));
  }
  if (terms(p_, e) > max_unrolled) return fail(Outcome::impossible);
  Chains sum(extents.numel(), none);
  each_position(extents, [&](const Shape& at) {
    if (outcome_ != Outcome::fine) return;
    Point o;
    o.rank = type.shape.rank();
    for (int d = 0, k = 0; d < o.rank; ++d) {
      int j = dims.find(d);
      o.at[d] = j >= 0 ? Position{at[static_cast<std::size_t>(j)], 0, -1} : i.at[k++];
    }
    Id t = value(x, o, false);
    Id& s = sum.next();
    s = s == none ? t : g.combine(op, type.dtype, s, t);
  });
  if (outcome_ != Outcome::fine) return fail(outcome_);
  const Id r = sum.joined([&](Id a, Id b) { return a == none ? b : b == none ? a : g.combine(op, type.dtype, a, b); });
  return r == none ? g.bits(type.dtype, identity_of(op, type.dtype)) : r;
}
Id Pull::term(const Eqn& e, const Point& i) { return value(p_.operands(e)[0], i, false); }

namespace {
// Points of the operands of a contraction, from positions of (batch, free left, free right) and of the contracted dimensions.
std::pair<Point, Point> factors(const Lowering::Contraction& c, int rank_left, int rank_right, const Point& out, const Position* contracted) {
  Point l, r;
  l.rank = rank_left;
  r.rank = rank_right;
  int next = c.left_batch.rank();
  for (int d = 0; d < rank_left; ++d) {
    int k = c.left.find(d), b = c.left_batch.find(d);
    l.at[d] = k >= 0 ? contracted[k] : b >= 0 ? out.at[b] : out.at[next++];
  }
  for (int d = 0; d < rank_right; ++d) {
    int k = c.right.find(d), b = c.right_batch.find(d);
    r.at[d] = k >= 0 ? contracted[k] : b >= 0 ? out.at[b] : out.at[next++];
  }
  return {l, r};
}
}  // namespace

Id Pull::contraction(const Eqn& e, const Point& i) {
  if (const std::int64_t n = terms(p_, e);
      n >= shortest_stage && i.rank < max_rank && is_row(i, n) && e.prim->lowering.contraction(e.params).left.size() == 1) {
    Point all = i;
    all.at[all.rank++] = {0, 1, static_cast<int>(nest_.axes()) - 1};
    return stage(core::ReduceOp::sum, p_.type(static_cast<Var>(e.out)).dtype, product(e, all));
  }
  if (terms(p_, e) > max_unrolled) return fail(Outcome::impossible);
  Graph& g = nest_.graph;
  auto operands = p_.operands(e);
  const Aval a = p_.operand_type(operands[0]), b = p_.operand_type(operands[1]);
  auto c = e.prim->lowering.contraction(e.params);
  // A long sum is several: one alone waits for each product to be added before the next.
  constexpr std::int64_t shortest = 16;
  const std::int64_t n = terms(p_, e);
  std::vector<Id> sums(is_floating(a.dtype) && n >= shortest ? n >= 2 * shortest ? 4 : 2 : 1, g.structural_zero(a.dtype));
  std::size_t next = 0;
  each_position(a.shape.pick(c.left), [&](const Shape& at) {
    if (outcome_ != Outcome::fine) return;
    Position contracted[max_rank];
    for (std::size_t k = 0; k < at.size(); ++k) contracted[k] = {at[k], 0, -1};
    auto [l, r] = factors(c, a.shape.rank(), b.shape.rank(), i, contracted);
    Id x = value(operands[0], l, true);
    if (outcome_ != Outcome::fine || g.is_structural_zero(x)) return;
    Id y = value(operands[1], r, true);
    if (outcome_ != Outcome::fine) return;
    Id& sum = sums[next++ % sums.size()];
    sum = is_floating(a.dtype) ? g.fma(a.dtype, x, y, sum) : g.binary(NumOp::add, a.dtype, sum, g.binary(NumOp::mul, a.dtype, x, y));
  });
  for (; sums.size() > 1; sums.resize(sums.size() / 2))
    for (std::size_t k = 0; k < sums.size() / 2; ++k) sums[k] = g.binary(NumOp::add, a.dtype, sums[k], sums[k + sums.size() / 2]);
  return sums[0];
}
Id Pull::product(const Eqn& e, const Point& all) {
  auto operands = p_.operands(e);
  const Aval a = p_.operand_type(operands[0]), b = p_.operand_type(operands[1]);
  auto c = e.prim->lowering.contraction(e.params);
  auto [l, r] = factors(c, a.shape.rank(), b.shape.rank(), all, all.at + (all.rank - c.left.rank()));
  Id x = value(operands[0], l, true), y = value(operands[1], r, true);
  if (outcome_ != Outcome::fine) return fail(outcome_);
  return nest_.graph.binary(NumOp::mul, a.dtype, x, y);
}

}  // namespace functra::compiler
