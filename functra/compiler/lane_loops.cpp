#include "functra/compiler/lane_loops.h"

#include "functra/compiler/build.h"
#include "functra/compiler/pull.h"
#include "functra/prims/loop.h"

namespace functra::compiler {
namespace {

using core::Eqn;
using core::Program;
using core::Var;
using Kind = core::Lowering::Kind;

constexpr std::size_t budget = 2500;  // nodes of a step

// Remakes nodes in another graph, some of which stand for others.
class Remake {
 public:
  Remake(const Graph& from, Graph& to) : from_(from), to_(to), made_(from.size(), none) {}
  void stands_for(Id i, Id other) { made_[i] = other; }
  Id operator()(Id root) {
    for (Id i = 0; i <= root; ++i)  // operands come first
      if (made_[i] == none) made_[i] = make(i);
    return made_[root];
  }

 private:
  Id make(Id i) {
    const Node n = from_[i];
    auto at = [&](Id o) { return made_[o]; };
    switch (n.op) {
      case Op::constant: return n.structural ? to_.structural_zero(n.type) : to_.bits(n.type, n.attr);
      case Op::load: return to_.load(n.type, n.attr);
      case Op::gather: return to_.gather(n.type, n.attr, n.from, at(n.a));
      case Op::position: return to_.position(n.attr);
      case Op::reduced: return to_.reduced(n.type, n.attr);
      case Op::carried: break;  // of loops that are made already
      case Op::unary: return to_.unary(n.num, n.type, at(n.a));
      case Op::binary: return to_.binary(n.num, n.from, at(n.a), at(n.b));
      case Op::fma: return to_.fma(n.type, at(n.a), at(n.b), at(n.c));
      case Op::select: return to_.select(n.type, at(n.a), at(n.b), at(n.c));
      case Op::bitcast: return to_.bitcast(n.type, n.from, at(n.a));
      case Op::convert: return to_.convert(n.type, n.from, at(n.a));
      case Op::rare: {
        std::vector<Id> args;
        for (Id o : from_.fallback(n.attr).args) args.push_back(at(o));
        return to_.rare(n.type, at(n.b), at(n.a), from_.fallback(n.attr).name.c_str(), args);
      }
    }
    return none;
  }
  const Graph& from_;
  Graph& to_;
  std::vector<Id> made_;
};

// Every element of a type: dimensions of more than `small` run along axes.
template <class F> void each_element(const Shape& shape, std::int64_t small, F f) {
  Point point;
  point.rank = shape.rank();
  std::vector<int> at;
  for (int d = 0, axis = 0; d < point.rank; ++d) {
    if (shape[static_cast<std::size_t>(d)] > small) point.at[d] = {0, 1, axis++};
    else at.push_back(d);
  }
  for (;;) {
    f(point);
    std::size_t k = at.size();
    while (k > 0 && ++point.at[at[k - 1]].offset == shape[static_cast<std::size_t>(at[k - 1])]) point.at[at[--k]].offset = 0;
    if (k == 0) return;
  }
}

class LaneLoop {
 public:
  explicit LaneLoop(const Eqn& e) : e_(e) {}

  std::optional<Nest> run() {
    if (!understood() || !axes()) return {};
    Steps s;
    s.length = length_;
    s.reverse = reverse_;
    s.slice.assign(n_in_ + e_.n_out, 0);
    n_.buffers = static_cast<int>(n_in_ + e_.n_out);
    for (std::size_t i = first_carry_ + n_carry_; i < n_in_; ++i) s.slice[i] = bytes_of(body_->type(body_->inputs[i - first_]));
    for (std::size_t i = n_carry_; i < body_->outputs.size(); ++i) s.slice[n_in_ + i] = bytes_of(body_->out_type(i));
    // The carry's elements are the first loads.
    const std::vector<std::int32_t> nothing;
    auto nowhere = [](Var) { return -1; };
    const Pull places(*body_, nothing, nowhere, n_, budget);
    for (std::size_t i = 0; i < n_carry_; ++i) {
      const Aval t = carry_type(i);
      if (!computes(t.dtype) || t.shape.rank() > max_rank) return {};
      each_element(t.shape, small_, [&](const Point& at) {
        s.carries.push_back({n_.accesses.size(), n_.accesses.size()});
        n_.accesses.push_back(places.access(static_cast<int>(first_carry_ + i), t, at));
      });
      if (n_.accesses.size() > budget) return {};
    }
    if (!pull_body() || (cond_ && !pull_condition(s))) return {};
    for (std::size_t k = s.carries.size(); k < n_.accesses.size(); ++k)  // another lane's
      if (carried(n_.accesses[k])) return {};
    for (Id i = 0; i < n_.graph.size(); ++i)  // what is carried is not in memory
      if (n_.graph[i].op == Op::gather && carried(n_.accesses[n_.graph[i].attr])) return {};
    if (!n_.reductions.empty()) return {};
    if (s.go != none && varies(s.go) && !stays(s)) return {};
    if (cond_) s.count = static_cast<int>(n_in_ + n_carry_);
    n_.steps = std::move(s);
    n_.collapse();
    return std::move(n_);
  }

 private:
  bool carried(const Access& a) const {
    const auto b = static_cast<std::size_t>(a.buffer);
    return b >= first_carry_ && b < first_carry_ + n_carry_;
  }
  static std::int64_t bytes_of(const Aval& a) { return a.shape.numel() * static_cast<std::int64_t>(size_of(a.dtype)); }
  Aval carry_type(std::size_t i) const { return body_->type(body_->inputs[first_carry_ - first_ + i]); }

  // What kind of loop it is.
  bool understood() {
    const core::Params q = e_.params;
    n_in_ = e_.n_in;
    if (e_.prim == &prims::scan_p) {
      auto& s = q.get<prims::ScanParams>();
      if (s.counted || s.length <= 0) return false;
      body_ = s.body.get();
      first_carry_ = static_cast<std::size_t>(s.n_const);
      n_carry_ = static_cast<std::size_t>(s.n_carry);
      length_ = s.length;
      reverse_ = s.reverse;
    } else if (e_.prim == &prims::while_p) {
      auto& w = q.get<prims::WhileParams>();
      if (w.max_steps) return false;
      body_ = w.body.get();
      cond_ = w.cond.get();
      first_ = static_cast<std::size_t>(w.n_cond_const);
      first_carry_ = first_ + static_cast<std::size_t>(w.n_const);
      n_carry_ = static_cast<std::size_t>(w.n_carry);
      if (cond_->effects) return false;
    } else {
      return false;
    }
    if (body_->effects) return false;
    for (const Eqn& e : body_->eqns)
      if (!can_pull(*body_, e)) return false;
    return true;
  }
  // The dimensions of what is carried and stacked that are axes: the same of all that have any.
  bool axes() {
    small_ = small_extent(*body_);
    Shape axes;
    for (std::size_t i = 0; i < body_->outputs.size(); ++i) {
      Shape mine;
      std::int64_t written_out = 1;
      for (std::int64_t n : body_->out_type(i).shape) {
        if (n == 0) return false;
        if (n > small_) mine.push_back(n);
        else written_out *= n;
      }
      if (written_out > 512) return false;
      if (mine.empty()) continue;
      if (!axes.empty() && !(axes == mine)) return false;
      axes = mine;
    }
    n_.lower.assign(axes.size(), 0);
    n_.upper.assign(axes.begin(), axes.end());
    return !axes.empty() && axes.size() <= 8;
  }
  bool pull_body() {
    auto defines = definitions(*body_);
    std::vector<int> buffer(body_->type_of.size(), -1);
    for (std::size_t i = 0; i < body_->inputs.size(); ++i) buffer[static_cast<std::size_t>(body_->inputs[i])] = static_cast<int>(first_ + i);
    auto buffer_of = [&](Var v) { return buffer[static_cast<std::size_t>(v)]; };
    Pull pull(*body_, defines, buffer_of, n_, budget);
    for (std::size_t i = 0; i < body_->outputs.size(); ++i) {
      const Aval t = body_->out_type(i);
      const int b = static_cast<int>(n_in_ + i + (cond_ && i >= n_carry_));
      each_element(t.shape, small_, [&](const Point& at) {
        if (pull.outcome() == Pull::Outcome::fine) n_.stores.push_back({pull.access(b, t, at), pull.at(body_->outputs[i], at)});
      });
    }
    return pull.outcome() == Pull::Outcome::fine;
  }
  // A condition that holds while any lane's does, or one that all lanes share.
  bool pull_condition(Steps& s) {
    auto defines = definitions(*cond_);
    const std::size_t n_const = first_;
    std::vector<int> buffer(cond_->type_of.size(), -1);
    for (std::size_t i = 0; i < cond_->inputs.size(); ++i)
      buffer[static_cast<std::size_t>(cond_->inputs[i])] = static_cast<int>(i < n_const ? i : i - n_const + first_carry_);
    auto buffer_of = [&](Var v) { return buffer[static_cast<std::size_t>(v)]; };
    Pull pull(*cond_, defines, buffer_of, n_, budget);
    const Var v = cond_->outputs[0];
    const std::int32_t made = v < 0 ? -1 : defines[static_cast<std::size_t>(v)];
    const Eqn* e = made < 0 ? nullptr : &cond_->eqns[static_cast<std::size_t>(made)];
    if (e && can_pull(*cond_, *e) && e->prim->lowering.kind == Kind::reduction) {
      const Aval t = cond_->operand_type(cond_->operands(*e)[0]);
      if (operation_of(e->prim->lowering.reduce, DType::bool_) != NumOp::or_ || !is_bool(t.dtype)) return false;
      Shape large;
      for (std::int64_t n : t.shape)
        if (n > small_) large.push_back(n);
      if (large.size() != n_.axes() || !std::equal(large.begin(), large.end(), n_.upper.begin())) return false;
      each_element(t.shape, small_, [&](const Point& at) {
        if (pull.outcome() != Pull::Outcome::fine) return;
        Id one = pull.term(*e, at);
        s.go = s.go == none ? one : n_.graph.binary(NumOp::or_, DType::bool_, s.go, one);
      });
    } else {
      s.go = pull.at(v, Point());
    }
    return pull.outcome() == Pull::Outcome::fine;
  }
  // Does it differ between lanes?
  bool varies(Id root) const {
    std::vector<std::uint8_t> differs(root + 1, 0);
    for (Id i = 0; i <= root; ++i) {
      const Node& n = n_.graph[i];
      if (n.op == Op::position) differs[i] = 1;
      if (n_.graph.reads(i))
        for (std::int64_t s : n_.accesses[n.attr].strides) differs[i] |= s != 0;
      n_.graph.each_operand(i, [&](Id o) { differs[i] |= differs[o]; });
    }
    return differs[root];
  }
  // Is a lane that does not go on left as it is?
  bool stays(const Steps& s) const {
    if (n_.graph.is_constant(s.go)) return false;
    Graph g;
    Remake remake(n_.graph, g);
    remake.stands_for(s.go, g.bits(DType::bool_, 0));
    const Node& go = n_.graph[s.go];
    for (auto& c : s.carries) {
      const bool is_go = go.op == Op::load && go.attr == c.access;
      if (remake(n_.stores[c.store].value) != (is_go ? g.bits(DType::bool_, 0) : g.load(n_.accesses[c.access].dtype, c.access))) return false;
    }
    return true;
  }

  const Eqn& e_;
  const Program *body_ = nullptr, *cond_ = nullptr;
  std::size_t n_in_ = 0;         // operands of e
  std::size_t first_ = 0;        // the first that the body reads
  std::size_t first_carry_ = 0;  // among the operands
  std::size_t n_carry_ = 0;
  std::int64_t length_ = -1, small_ = 0;
  bool reverse_ = false;
  Nest n_;
};

}  // namespace

std::optional<Nest> lane_loop(const Eqn& e) { return LaneLoop(e).run(); }

}  // namespace functra::compiler
