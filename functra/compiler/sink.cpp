// What costs nothing moves into the bodies that use it: numbers, and values that are repeated. A body then shows what it works on - a number
// is a number, a repeated value is small - and the passes simplify it by that.
#include <algorithm>

#include "functra/compiler/bodies.h"
#include "functra/compiler/passes.h"
#include "functra/core/interp.h"
#include "functra/core/replay.h"
#include "functra/prims/control.h"
#include "functra/prims/index.h"
#include "functra/prims/loop.h"
#include "functra/prims/shape.h"

namespace functra::compiler {
namespace {
using namespace functra::core;
using namespace functra::prims;

std::size_t at(std::int64_t i) { return static_cast<std::size_t>(i); }

// What becomes of an operand that a body takes as it is.
struct Operand {
  Var value;                  // of the outer Program: passed on, or a literal
  const Eqn* made = nullptr;  // an equation that the body takes over; its operands are passed on
};
bool stays(const Operand& o) { return o.value >= 0 && !o.made; }

class Sink {
 public:
  ProgramPtr run(ProgramPtr p) {
    for (int round = 0; round < 8; ++round) {  // a value made of values that move
      ProgramPtr q = once(p);
      if (q == p) break;
      p = q;
    }
    return p;
  }

 private:
  ProgramPtr once(const ProgramPtr& program) {
    const Program& p = *program;
    bool changed = false;
    const bool holds = std::ranges::any_of(p.eqns, [](auto& e) { return e.prim == &scan_p || e.prim == &while_p || e.prim == &cond_p; });
    auto params = bodies_.map_all(
        p, [this](const ProgramPtr& inner) { return run(inner); }, changed);
    std::vector<const Eqn*> made(holds ? p.type_of.size() : 0);
    std::vector<std::uint8_t> moves(p.eqns.size());
    for (std::size_t i = 0; i < p.eqns.size() && holds; ++i) {
      const Eqn& e = p.eqns[i];
      if (e.n_out == 1) made[e.out] = &e;
      auto [first, n] = taken(e);
      for (std::size_t k = first; k < first + n; ++k) moves[i] |= !stays(operand(p, e, k, made));
      changed |= moves[i] != 0;
    }
    if (!changed) return program;
    return rebuilt(p, params, [&](std::size_t i, Builder& b, std::vector<Var>& to) {
      if (moves[i]) with_less(b, p, p.eqns[i], params[i], made, to);
      return moves[i] != 0;
    });
  }
  // The operands that bodies take as they are: the first, and how many.
  static std::pair<std::size_t, std::size_t> taken(const Eqn& e) {
    Params q = e.params;
    if (e.prim == &scan_p) return {q.get<ScanParams>().counted, at(q.get<ScanParams>().n_const)};
    if (e.prim == &while_p) return {0, at(q.get<WhileParams>().n_cond_const + q.get<WhileParams>().n_const)};
    if (e.prim == &cond_p) return {1, e.n_in - 1};
    return {0, 0};
  }
  static Operand operand(const Program& p, const Eqn& e, std::size_t k, const std::vector<const Eqn*>& made) {
    Var v = p.operands(e)[k];
    if (v < 0) return {v};
    const Eqn* m = made[at(v)];
    bool free = m && (m->prim == &broadcast_in_dim_p || m->prim == &iota_p);
    return {v, free ? m : nullptr};
  }
  // A body whose inputs from `first` on are these operands.
  static ProgramPtr body_with(const Program& p, const Program& body, std::size_t first, std::span<const Operand> operands) {
    Builder b;
    std::vector<Var> to(body.type_of.size(), unknown);
    std::vector<std::pair<std::size_t, std::vector<Var>>> makes;  // inputs that equations give
    for (std::size_t i = 0; i < body.inputs.size(); ++i) {
      auto v = at(body.inputs[i]);
      const Aval& type = body.type(body.inputs[i]);
      const Operand* o = i >= first && i < first + operands.size() ? &operands[i - first] : nullptr;
      if (!o || stays(*o)) to[v] = b.input(type);
      else if (!o->made) {
        Scope evaluate(nullptr);
        to[v] = b.q.new_literal(as_type(p.literals[at(~o->value)], type.dtype, type.weak));
      } else {
        makes.push_back({i, {}});
        for (Var w : p.operands(*o->made)) makes.back().second.push_back(w < 0 ? b.q.new_literal(p.literals[at(~w)]) : b.input(p.type(w)));
      }
    }
    for (auto& [i, in] : makes) {
      const Eqn& e = *operands[i - first].made;
      auto pool = static_cast<std::uint32_t>(b.q.pool.size());
      b.q.pool.insert(b.q.pool.end(), in.begin(), in.end());
      Var r = b.q.new_var(p.type(static_cast<Var>(e.out)));
      b.q.eqns.push_back({e.prim, e.params, pool, static_cast<std::uint32_t>(r), e.n_in, 1, e.site});
      to[at(body.inputs[i])] = r;
    }
    for (const Eqn& e : body.eqns) {
      auto out = b.append(body, e, to);
      for (std::uint32_t k = 0; k < e.n_out; ++k) to[e.out + k] = static_cast<Var>(out + k);
    }
    for (Var v : body.outputs) {
      Var w = b.operand(body, v, to);
      b.q.outputs.push_back(w);
    }
    return seal(std::move(b.q), false);
  }
  static void with_less(Builder& b, const Program& p, const Eqn& e, const ParamRef& params, const std::vector<const Eqn*>& made,
                        std::vector<Var>& to) {
    auto [first, n] = taken(e);
    std::vector<Operand> operands;
    for (std::size_t k = first; k < first + n; ++k) operands.push_back(operand(p, e, k, made));
    std::span<const Operand> all = operands;
    auto passed = [&](std::span<const Operand> part) {  // how many operands there are now
      std::int64_t count = 0;
      for (const Operand& o : part)
        if (stays(o)) ++count;
        else if (o.made)
          for (Var v : p.operands(*o.made)) count += v >= 0;
      return count;
    };
    ParamRef now;
    Params q = params;
    if (e.prim == &scan_p) {
      ScanParams s = q.get<ScanParams>();
      s.body = body_with(p, *s.body, 0, all);
      s.n_const = passed(all);
      now = ParamRef(core::params(s));
    } else if (e.prim == &while_p) {
      WhileParams s = q.get<WhileParams>();
      auto of_cond = all.first(at(s.n_cond_const)), of_body = all.subspan(at(s.n_cond_const));
      s.cond = body_with(p, *s.cond, 0, of_cond);
      s.body = body_with(p, *s.body, 0, of_body);
      s.n_cond_const = passed(of_cond);
      s.n_const = passed(of_body);
      now = ParamRef(core::params(s));
    } else {
      CondParams s;
      for (auto& branch : q.get<CondParams>().branches) s.branches.push_back(body_with(p, *branch, 0, all));
      now = ParamRef(core::params(s));
    }
    auto pool = static_cast<std::uint32_t>(b.q.pool.size());
    auto push = [&](Var v) {
      Var w = b.operand(p, v, to);
      b.q.pool.push_back(w);
    };
    for (std::size_t k = 0; k < e.n_in; ++k) {
      if (k < first || k >= first + n) {
        push(p.operands(e)[k]);
        continue;
      }
      const Operand& o = operands[k - first];
      if (stays(o)) push(o.value);
      else if (o.made)
        for (Var v : p.operands(*o.made))
          if (v >= 0) push(v);
    }
    auto out = static_cast<std::uint32_t>(b.q.type_of.size());
    for (std::uint32_t k = 0; k < e.n_out; ++k) to[e.out + k] = b.q.new_var(p.type(static_cast<Var>(e.out + k)));
    b.q.eqns.push_back({e.prim, now, pool, out, static_cast<std::uint32_t>(b.q.pool.size()) - pool, e.n_out, e.site});
  }
  Bodies bodies_;
};

}  // namespace

ProgramPtr sink_free_values(const ProgramPtr& p) { return Sink().run(p); }

}  // namespace functra::compiler
