// Whole sums and products in place of one step's share. A carry of a scan that only adds up products (the gradient of a weight that every
// step uses) is one contraction, over the steps as well, of what the products are made of, stacked. A product of a slice with a constant is,
// for all steps, one product before the loop.
#include <algorithm>

#include "functra/compiler/bodies.h"
#include "functra/compiler/passes.h"
#include "functra/core/basis.h"
#include "functra/core/replay.h"
#include "functra/prims/contract.h"
#include "functra/prims/index.h"
#include "functra/prims/loop.h"
#include "functra/prims/math.h"
#include "functra/prims/shape.h"

namespace functra::compiler {
namespace {
using namespace functra::core;
using namespace functra::prims;

std::size_t at(std::int64_t i) { return static_cast<std::size_t>(i); }
Shape shifted(const Shape& dims) {  // past a new first dimension
  Shape r;
  for (std::int64_t d : dims) r.push_back(d + 1);
  return r;
}

class OneScan {
 public:
  OneScan(const ScanParams& q)
      : q_(q),
        b_(*q.body),
        n_const_(at(q.n_const)),
        n_carry_(at(q.n_carry)),
        fixed_(n_const_ + n_carry_),
        made_(b_.type_of.size(), nullptr),
        uses_(b_.type_of.size(), 0),
        input_(b_.type_of.size(), -1) {
    for (const Eqn& e : b_.eqns) {
      for (std::uint32_t k = 0; k < e.n_out; ++k) made_[e.out + k] = &e;
      for (Var v : b_.operands(e))
        if (v >= 0) ++uses_[at(v)];
    }
    for (Var v : b_.outputs)
      if (v >= 0) ++uses_[at(v)];
    for (std::size_t i = 0; i < b_.inputs.size(); ++i) input_[at(b_.inputs[i])] = static_cast<std::int32_t>(i);
    find_products();
    find_sums();
  }
  bool changes() const { return !products_.empty() || !sums_.empty(); }

  void bind(Ins in, Outs out) const {
    std::vector<Var> inputs, outputs;
    Vec operands, results;
    for (std::size_t i = 0; i < fixed_; ++i)
      if (i < n_const_ || !is_sum(i - n_const_)) inputs.push_back(b_.inputs[i]), operands.push_back(in[i]);
    for (std::size_t i = fixed_; i < b_.inputs.size(); ++i) inputs.push_back(b_.inputs[i]), operands.push_back(in[i]);
    for (const Eqn* e : products_) inputs.push_back(static_cast<Var>(e->out)), operands.push_back(whole_product(*e, in));
    for (std::size_t i = 0; i < b_.outputs.size(); ++i)
      if (i >= n_carry_ || !is_sum(i)) outputs.push_back(b_.outputs[i]);
    outputs.insert(outputs.end(), extra_.begin(), extra_.end());
    ScanParams q = q_;
    q.body = extract(b_, inputs, outputs, effects_of(b_));
    q.n_carry -= static_cast<std::int64_t>(sums_.size());
    results.resize(outputs.size());
    bind_scan(q, Tensor(), operands, results);
    std::size_t next = 0;
    for (std::size_t i = 0; i < b_.outputs.size(); ++i)
      if (i >= n_carry_ || !is_sum(i)) out[i] = results[next++];
    auto stack = [&](Var v) { return stacked(v, in, out, {&results[next], extra_.size()}); };
    for (const Sum& s : sums_) {
      Tensor r;
      if (s.b == unknown) {
        r = sum(stack(s.a), {0});
      } else {
        DotParams p = s.product;
        p.left = Shape{0}.concat(shifted(p.left));
        p.right = Shape{0}.concat(shifted(p.right));
        p.left_batch = shifted(p.left_batch);
        p.right_batch = shifted(p.right_batch);
        r = dot_general(stack(s.a), stack(s.b), p);
      }
      for (auto perm = s.moves.rbegin(); perm != s.moves.rend(); ++perm) r = permute(r, *perm);
      out[s.carry] = add(in[n_const_ + s.carry], r);
    }
  }

 private:
  static constexpr std::int64_t most = std::int64_t{64} << 20;  // bytes of a new stack
  struct Sum {
    std::size_t carry;
    Var a, b = unknown;  // a product of these; or a alone
    DotParams product;
    std::vector<Shape> moves;  // the last one first
  };
  bool is_sum(std::size_t carry) const {
    return std::ranges::any_of(sums_, [&](const Sum& s) { return s.carry == carry; });
  }
  bool is_slice(Var v) const { return v >= 0 && input_[at(v)] >= static_cast<std::int32_t>(fixed_); }
  bool is_constant(Var v) const { return v >= 0 && input_[at(v)] >= 0 && input_[at(v)] < static_cast<std::int32_t>(n_const_); }
  std::int64_t numel(Var v) const { return b_.operand_type(v).shape.numel(); }
  bool fits(Var v) const { return q_.length * numel(v) * static_cast<std::int64_t>(size_of(b_.operand_type(v).dtype)) <= most; }

  // ---- products of slices
  void find_products() {
    constexpr std::int64_t fewest = 8;  // terms
    for (const Eqn& e : b_.eqns) {
      if (e.prim != &dot_general_p) continue;
      const Var x = b_.operands(e)[0], y = b_.operands(e)[1], r = static_cast<Var>(e.out);
      if (!(is_slice(x) || is_slice(y)) || !((is_slice(x) || is_constant(x)) && (is_slice(y) || is_constant(y)))) continue;
      const Params params = e.params;
      auto& p = params.get<DotParams>();
      if (b_.type(x).shape.pick(p.left).numel() < fewest || !fits(r)) continue;
      if (is_slice(x) != is_slice(y) && !p.left_batch.empty()) continue;
      if (numel(r) > 8 * ((is_slice(x) ? numel(x) : 0) + (is_slice(y) ? numel(y) : 0))) continue;
      products_.push_back(&e);
    }
  }
  Tensor whole_product(const Eqn& e, Ins in) const {
    const Var x = b_.operands(e)[0], y = b_.operands(e)[1];
    const Params params = e.params;
    DotParams p = params.get<DotParams>();
    const Tensor &a = in[at(input_[at(x)])], &b = in[at(input_[at(y)])];
    if (is_slice(x)) p.left = shifted(p.left), p.left_batch = shifted(p.left_batch);
    if (is_slice(y)) p.right = shifted(p.right), p.right_batch = shifted(p.right_batch);
    if (is_slice(x) && is_slice(y)) {
      p.left_batch = Shape{0}.concat(p.left_batch);
      p.right_batch = Shape{0}.concat(p.right_batch);
    }
    Tensor r = dot_general(a, b, p);
    if (is_slice(x)) return r;  // the steps come first
    const std::int64_t before = b_.type(x).shape.rank() - static_cast<std::int64_t>(p.left.size());
    Shape perm{before};
    for (std::int64_t d = 0; d <= static_cast<std::int64_t>(b_.type(static_cast<Var>(e.out)).shape.rank()); ++d)
      if (d != before) perm.push_back(d);
    return permute(r, perm);
  }

  // ---- sums over steps
  void find_sums() {
    std::vector<std::pair<std::size_t, Var>> alone;
    for (std::size_t i = 0; i < n_carry_; ++i) {
      const Var c = b_.inputs[n_const_ + i], o = b_.outputs[i];
      if (o < 0 || !made_[at(o)] || made_[at(o)]->prim != &add_p || uses_[at(c)] != 1 || uses_[at(o)] != 1) continue;
      if (!is_floating(b_.type(c).dtype) || !(b_.type(c) == b_.type(o))) continue;
      auto in = b_.operands(*made_[at(o)]);
      if (in[0] != c && in[1] != c) continue;
      const Var u = in[0] == c ? in[1] : in[0];
      if (u < 0 || u == c || !(b_.type(u).shape == b_.type(c).shape) || b_.type(u).dtype != b_.type(c).dtype) continue;
      if (auto s = product_in(u)) {
        s->carry = i;
        const std::int64_t more = cost(s->a) + cost(s->b);
        if (cost(s->a) < 0 || cost(s->b) < 0 || 2 * more > numel(u) || !fits(s->a) || !fits(s->b)) continue;
        want(s->a);
        want(s->b);
        sums_.push_back(*s);
      } else {
        alone.emplace_back(i, u);
      }
    }
    for (auto [i, u] : alone)
      if (cost(u) == 0) sums_.push_back({i, u, unknown, {}, {}});
  }
  std::optional<Sum> product_in(Var u) const {
    Sum s{};
    while (u >= 0 && made_[at(u)] && made_[at(u)]->prim == &transpose_p) {
      const Params params = made_[at(u)]->params;
      s.moves.push_back(params.get<PermParams>().perm);
      u = b_.operands(*made_[at(u)])[0];
    }
    if (u < 0 || !made_[at(u)]) return {};
    const Eqn& e = *made_[at(u)];
    if (e.prim == &dot_general_p) {
      const Params params = e.params;
      s.product = params.get<DotParams>();
      s.a = b_.operands(e)[0];
      s.b = b_.operands(e)[1];
      return s;
    }
    if (e.prim != &mul_p) return {};
    Shape from;  // per dimension of the contraction, that of the product
    for (Var* to : {&s.a, &s.b}) {
      const Var x = b_.operands(e)[to == &s.b];
      if (x < 0 || !made_[at(x)] || made_[at(x)]->prim != &broadcast_in_dim_p) return {};
      const Params params = made_[at(x)]->params;
      auto& bp = params.get<BroadcastParams>();
      *to = b_.operands(*made_[at(x)])[0];
      if (*to < 0 || !(b_.type(*to).shape == bp.shape.pick(bp.dims))) return {};
      from = from.concat(bp.dims);
    }
    const int rank = b_.type(u).shape.rank();
    if (from.rank() != rank) return {};
    Shape perm;
    for (int d = 0; d < rank; ++d) {
      if (from.find(d) < 0) return {};
      perm.push_back(from.find(d));
    }
    s.moves.push_back(perm);
    // The other way round, where that leaves nothing to move.
    Shape order = Shape::iota(from.size()), turned;
    const auto first = b_.type(s.a).shape.size();
    for (std::size_t d = 0; d < from.size(); ++d) turned.push_back(static_cast<std::int64_t>((d + first) % from.size()));
    for (auto m = s.moves.rbegin(); m != s.moves.rend(); ++m) order = order.pick(*m);
    if (order == turned) {
      std::swap(s.a, s.b);
      s.moves.clear();
    }
    return s;
  }
  // Elements that have to be stacked to have v of all steps; -1: cannot be.
  std::int64_t cost(Var v) const {
    if (v < 0 || is_constant(v) || (input_[at(v)] >= 0 && !is_slice(v))) return -1;
    if (is_slice(v) || output_of(v) >= 0 || std::ranges::find(extra_, v) != extra_.end()) return 0;
    if (const Eqn* e = parts_of(v)) {
      std::int64_t n = 0;
      for (Var w : b_.operands(*e)) {
        const std::int64_t c = cost(w);
        if (c < 0) return numel(v);
        n += c;
      }
      return n;
    }
    return numel(v);
  }
  void want(Var v) {
    if (cost(v) == 0) return;
    if (const Eqn* e = parts_of(v); e && std::ranges::all_of(b_.operands(*e), [&](Var w) { return cost(w) >= 0; })) {
      for (Var w : b_.operands(*e)) want(w);
      return;
    }
    extra_.push_back(v);
  }
  const Eqn* parts_of(Var v) const { return made_[at(v)] && made_[at(v)]->prim == &concatenate_p ? made_[at(v)] : nullptr; }
  int output_of(Var v) const {  // a result that stacks it
    for (std::size_t i = n_carry_; i < b_.outputs.size(); ++i)
      if (b_.outputs[i] == v) return static_cast<int>(i);
    return -1;
  }
  Tensor stacked(Var v, Ins in, Outs out, Ins extra) const {
    if (is_slice(v)) return in[at(input_[at(v)])];
    if (int i = output_of(v); i >= 0) return out[at(i)];
    if (auto e = std::ranges::find(extra_, v); e != extra_.end()) return extra[static_cast<std::size_t>(e - extra_.begin())];
    const Eqn* e = parts_of(v);
    Vec parts;
    for (Var w : b_.operands(*e)) parts.push_back(stacked(w, in, out, extra));
    const Params params = e->params;
    return concatenate(parts, static_cast<int>(params.get<DimParams>().dim) + 1);
  }

  const ScanParams q_;
  const Program& b_;
  std::size_t n_const_, n_carry_, fixed_;
  std::vector<const Eqn*> made_;
  std::vector<std::uint32_t> uses_;
  std::vector<std::int32_t> input_;  // per variable
  std::vector<const Eqn*> products_;
  std::vector<Sum> sums_;
  std::vector<Var> extra_;  // values that are stacked for the sums
};

class Stacks {
 public:
  ProgramPtr run(const ProgramPtr& program) {
    const Program& p = *program;
    bool changed = false;
    auto params = bodies_.map_all(
        p, [this](const ProgramPtr& inner) { return run(inner); }, changed);
    std::vector<std::unique_ptr<OneScan>> scans(p.eqns.size());
    for (std::size_t i = 0; i < p.eqns.size(); ++i) {
      if (p.eqns[i].prim != &scan_p) continue;
      const Params now = params[i];
      auto& q = now.get<ScanParams>();
      if (q.counted || q.length < 4) continue;
      auto s = std::make_unique<OneScan>(q);
      if (!s->changes()) continue;
      scans[i] = std::move(s);
      changed = true;
    }
    if (!changed) return program;
    return retrace(p, params, [&](std::size_t i, Ins in, Outs out) {
      if (scans[i]) scans[i]->bind(in, out);
      return scans[i] != nullptr;
    });
  }

 private:
  Bodies bodies_;
};

}  // namespace

ProgramPtr sum_over_steps(const ProgramPtr& p) { return Stacks().run(p); }

}  // namespace functra::compiler
