#include "functra/compiler/rules.h"

#include <unordered_map>

#include "functra/compiler/bodies.h"
#include "functra/compiler/passes.h"
#include "functra/core/interp.h"
#include "functra/core/replay.h"
#include "functra/prims/shape.h"

namespace functra::compiler {
using namespace functra::core;

namespace {
class Index {
 public:
  explicit Index(std::initializer_list<Rules> tables) {
    for (Rules t : tables)
      for (const Rule& r : t)
        if (r.prim) by_primitive_[r.prim].push_back(&r);
        else generic_.push_back(&r);
    for (const Primitive* p : all_primitives()) {
      if (p->elementwise == Elementwise::no) continue;
      auto& list = by_primitive_[p];
      list.insert(list.end(), generic_.begin(), generic_.end());
    }
  }
  std::span<const Rule* const> of(const Primitive* p) const {
    auto found = by_primitive_.find(p);
    return found == by_primitive_.end() ? std::span<const Rule* const>() : found->second;
  }

 private:
  std::unordered_map<const Primitive*, std::vector<const Rule*>> by_primitive_;
  std::vector<const Rule*> generic_;
};
}  // namespace

// Makes one Program of another. It is the interpreter that rules run under: what they bind comes here first, and goes on to the
// recording where no rule applies.
class Rewriter final : public Interp {
 public:
  Rewriter(Recording& rec, const Index& index, Fired* fired) : Interp("passes", true), rec(rec), index_(index), fired_(fired) {}
  void process(const Call& c, Ins in, Outs out) override {
    if (depth_ < most_nested && apply(c, in, out)) return;
    rec.process(c, in, out);
    const Eqn& e = rec.prog.eqns.back();
    define(e.out, e.n_out);
  }
  // Do rules give the results? Rules of rules are followed to a depth that no rule needs, so that a long chain is no deep recursion.
  bool apply(const Call& c, Ins in, Outs out) {
    for (const Rule* r : index_.of(&c.prim)) {
      const std::size_t before = applied;
      ++depth_;
      const Match m(*this, c, in);
      bool done;
      if (r->all) done = r->all(m, out);
      else {
        Tensor t = r->one(m);
        done = t.defined();
        if (done) out[0] = std::move(t);
      }
      --depth_;
      if (!done) {
        applied = before;  // what was written in vain
        continue;
      }
      ++applied;
      if (fired_) ++(*fired_)[r->name];
      return true;
    }
    return false;
  }
  // The result variables of the last equation.
  void define(std::uint32_t first, std::uint32_t n) {
    made_.resize(first + n, 0);
    uses.resize(first + n, 0);
    for (std::uint32_t k = 0; k < n; ++k) made_[first + k] = static_cast<std::uint32_t>(rec.prog.eqns.size());
  }
  const Eqn* equation_of(const Tensor& t) const {  // until the next is recorded
    if (t.tag() != rec.tag || t.var() >= made_.size() || !made_[t.var()]) return nullptr;
    return &rec.prog.eqns[made_[t.var()] - 1];
  }
  Tensor tensor(Var v) const {
    if (v < 0) return rec.prog.literals[static_cast<std::size_t>(~v)];
    const Aval& a = rec.prog.type(v);
    return Tensor::variable(rec.tag, static_cast<std::uint32_t>(v), a.dtype, a.weak, a.shape.empty());
  }

  Recording& rec;
  std::vector<std::uint32_t> uses;  // per variable: in the Program that is rewritten, of what it stands for
  std::size_t applied = 0;

 private:
  static constexpr int most_nested = 40;
  const Index& index_;
  Fired* fired_;
  std::vector<std::uint32_t> made_;  // per variable: 1 + its equation
  int depth_ = 0;
};

// ---------------------------------------------------------------- what rules see
Tensor Made::operator[](std::size_t k) const { return w_->tensor(w_->rec.prog.pool[e_.in + k]); }
Made Match::made(const Tensor& t, const Primitive& p) const {
  const Eqn* e = w_.equation_of(t);
  return e && e->prim == &p ? Made(&w_, *e) : Made();
}
Made Match::made(const Tensor& t) const {
  const Eqn* e = w_.equation_of(t);
  return e && e->n_out == 1 ? Made(&w_, *e) : Made();
}
const Shape& Match::shape(const Tensor& t) const {
  static const Shape scalar{};
  if (t.rank0()) return scalar;
  return t.tag() == w_.rec.tag ? w_.rec.prog.type(static_cast<Var>(t.var())).shape : t.shape_ref();
}
Shape Match::result_shape() const {
  for (const Tensor& t : in_)
    if (!t.rank0()) return shape(t);
  return {};
}
bool Match::once(const Tensor& t) const { return t.tag() == w_.rec.tag && w_.uses[t.var()] <= 1; }
Tensor Match::scalar_of(const Tensor& t) const {
  if (t.rank0()) return t;
  Made b = made(t, broadcast_in_dim_p);
  if (b && b[0].rank0()) return b[0];
  return t;
}
std::optional<Scalar> Match::constant(const Tensor& t) const {
  if (t.is_scalar()) return t.item();
  if (t.is_array()) {  // of a constant array, one that is a repeated number as far as its strides say
    for (std::int64_t s : t.strides_ref())
      if (s != 0) return {};
    return t.numel() ? std::optional(Scalar::load(t.raw_dtype(), t.bytes())) : std::nullopt;
  }
  Tensor s = scalar_of(t);
  return s.is_scalar() ? std::optional(s.item()) : std::nullopt;
}
bool Match::is(const Tensor& t, double value) const {
  auto c = constant(t);
  return c && c->real() == value && c->imag() == 0;
}
Tensor filled(const Scalar& v, DType d, const Shape& shape) { return broadcast_in_dim(Tensor::literal_of(v, d), shape, {}); }
Tensor spread(const Tensor& x, const Shape& shape) { return x.rank0() && !shape.empty() ? broadcast_in_dim(x, shape, {}) : x; }

// ---------------------------------------------------------------- the walk
namespace {
class Walk {
 public:
  Walk(const Index& index, Fired* fired) : index_(index), fired_(fired) {}
  ProgramPtr until_done(ProgramPtr p) {
    for (int round = 0; round < most_rounds; ++round) {
      std::size_t applied = 0;
      ProgramPtr q = once(p, applied);
      if (q == p) return p;
      p = std::move(q);
      if (!applied) break;
    }
    return p;
  }

 private:
  static constexpr int most_rounds = 12;
  ProgramPtr once(const ProgramPtr& program, std::size_t& applied) {
    const Program& p = *program;
    Scope none(nullptr);
    Recording rec("passes", true);
    rec.bake = true;
    Scope in_recording(&rec);
    Rewriter w(rec, index_, fired_);
    Scope in_rewriter(&w);
    Program& q = rec.prog;
    q.types = p.types;  // types and literals keep their numbers, so that equations are copied as they are
    q.literals = p.literals;
    std::vector<std::uint32_t> uses(p.type_of.size());
    for (Var v : p.pool)
      if (v >= 0) ++uses[at(v)];
    for (Var v : p.outputs)
      if (v >= 0) ++uses[at(v)];
    std::vector<Var> to(p.type_of.size(), unknown);
    auto now = [&](Var v) { return v < 0 ? v : to[at(v)]; };
    auto stands = [&](std::uint32_t v, Var by) {
      to[v] = by;
      if (by < 0) return;
      if (w.uses.size() <= at(by)) w.uses.resize(at(by) + 1, 0);
      w.uses[at(by)] += uses[v];
    };
    for (Var v : p.inputs) stands(static_cast<std::uint32_t>(v), static_cast<Var>(rec.input(p.type(v)).var()));
    bool changed = false;
    Vec in, out;
    for (const Eqn& e : p.eqns) {
      bool body = false;
      ParamRef params = bodies_.map(
          e, [this](const ProgramPtr& inner) { return until_done(inner); }, body);
      changed |= body;
      if (!index_.of(e.prim).empty()) {
        in.clear();
        for (Var v : p.operands(e)) in.push_back(w.tensor(now(v)));
        out.assign(e.n_out, Tensor());
        const void* saved = std::exchange(current_site, e.site);
        bool done = w.apply({*e.prim, params}, in, out);
        if (done)
          for (std::uint32_t k = 0; k < e.n_out; ++k) stands(e.out + k, result(rec, out[k], p.type(static_cast<Var>(e.out + k)), e));
        current_site = saved;
        if (done) continue;
      }
      auto pool = static_cast<std::uint32_t>(q.pool.size()), first = static_cast<std::uint32_t>(q.type_of.size());
      for (Var v : p.operands(e)) q.pool.push_back(now(v));
      for (std::uint32_t k = 0; k < e.n_out; ++k) q.type_of.push_back(p.type_of[e.out + k]);
      q.eqns.push_back({e.prim, params, pool, first, e.n_in, e.n_out, e.site});
      w.define(first, e.n_out);
      for (std::uint32_t k = 0; k < e.n_out; ++k) stands(e.out + k, static_cast<Var>(first + k));
    }
    applied = w.applied;
    if (!changed && !applied) return program;
    std::vector<Var> outputs;
    for (Var v : p.outputs) outputs.push_back(now(v));
    return seal(compact(q, q.inputs, p.n_hidden, outputs, live_vars(q, outputs)), false);
  }
  static Var result(Recording& rec, const Tensor& t, const Aval& want, const Eqn& e) {
    const Aval got = t.aval();
    if (got.dtype != want.dtype || !(got.shape == want.shape))
      throw ValueError(std::string("a rule gave ") + got.str() + " for a result of " + e.prim->name + " of type " + want.str());
    return rec.var_of(as_type(t, want.dtype, want.weak));
  }
  const Index& index_;
  Fired* fired_;
  Bodies bodies_;
};
}  // namespace

ProgramPtr rewrite(const ProgramPtr& p, std::initializer_list<Rules> tables, Fired* fired) {
  Index index(tables);
  return Walk(index, fired).until_done(p);
}

}  // namespace functra::compiler
