// What does not change from step to step leaves the loop: equations of a body that depend on its constants alone, carries that come back as
// they went in, slices and stacked results that are the same at every step.
//
// An equation moves if evaluating it is harmless where the loop makes no step (no effect, no loop without end, nothing that may raise), or
// if the loop makes a step for sure; and if that saves work: what is cheaper to do again than to read from memory stays (broadcasts, numbers
// that count up), and so does what would be much larger than what it is made of.
#include <algorithm>

#include "functra/compiler/bodies.h"
#include "functra/compiler/passes.h"
#include "functra/core/replay.h"
#include "functra/prims/cast.h"
#include "functra/prims/checkpoint.h"
#include "functra/prims/index.h"
#include "functra/prims/loop.h"
#include "functra/prims/shape.h"

namespace functra::compiler {
namespace {
using namespace functra::core;
using namespace functra::prims;

std::size_t at(std::int64_t i) { return static_cast<std::size_t>(i); }

// ---------------------------------------------------------------- what may move, and what is worth it
bool harmless(const Eqn& e) {  // may be evaluated though the loop makes no step
  auto kind = e.prim->lowering.kind;
  bool computes = kind == Lowering::Kind::scalar || kind == Lowering::Kind::index || kind == Lowering::Kind::reduction ||
                  kind == Lowering::Kind::contraction || e.prim->linear || e.prim == &iota_p;
  return computes && !e.prim->guarded && inner_programs(e).empty();
}
bool moves_only(const Primitive* p) { return p == &broadcast_in_dim_p || p == &reshape_p || p == &iota_p || p == &slice_p || p == &convert_p; }

// The invariant equations of a body, and the values that leave the loop: they become constants.
struct Plan {
  std::vector<std::uint8_t> fixed;  // per variable
  std::vector<Var> exports;
};
Plan plan(const Program& body, std::size_t n_const, bool runs) {
  Plan r{std::vector<std::uint8_t>(body.type_of.size()), {}};
  std::vector<std::uint8_t> constant(body.type_of.size());  // depends on a constant of the body, not on literals alone
  std::vector<std::int64_t> size(body.type_of.size());      // elements of the constants it depends on
  for (std::size_t i = 0; i < n_const; ++i) {
    auto v = at(body.inputs[i]);
    r.fixed[v] = constant[v] = 1;
    size[v] = body.type(body.inputs[i]).shape.numel();
  }
  std::vector<std::size_t> made(body.type_of.size(), body.eqns.size());
  for (std::size_t i = 0; i < body.eqns.size(); ++i) {
    const Eqn& e = body.eqns[i];
    bool all = !has_effect(e) && !e.prim->seen && e.prim != &barrier_p && (runs || harmless(e)), any = false;
    std::int64_t elements = 0;
    for (Var v : body.operands(e)) {
      if (v < 0) continue;
      all = all && r.fixed[at(v)];
      any |= constant[at(v)] != 0;
      elements += size[at(v)];
    }
    for (std::uint32_t k = 0; k < e.n_out; ++k) {
      r.fixed[e.out + k] = all;
      constant[e.out + k] = any;
      size[e.out + k] = elements;
      made[e.out + k] = i;
    }
  }
  // From what the rest needs, back over what is not worth it.
  std::vector<std::uint8_t> seen(body.type_of.size());
  std::vector<Var> todo;
  auto need = [&](Var v) {
    if (v < 0 || !r.fixed[at(v)] || seen[at(v)] || made[at(v)] == body.eqns.size()) return;
    seen[at(v)] = 1;
    todo.push_back(v);
  };
  for (const Eqn& e : body.eqns)
    if (!e.n_out || !r.fixed[e.out])
      for (Var v : body.operands(e)) need(v);
  for (Var v : body.outputs) need(v);
  while (!todo.empty()) {
    Var v = todo.back();
    todo.pop_back();
    const Eqn& e = body.eqns[made[at(v)]];
    auto kind = e.prim->lowering.kind;
    bool elementwise = kind == Lowering::Kind::scalar || kind == Lowering::Kind::index;
    std::int64_t n = body.type(v).shape.numel();
    bool stays = moves_only(e.prim) || (elementwise && !constant[at(v)]) || (elementwise && n > 1024 && n > 4 * size[at(v)]);
    if (!stays) r.exports.push_back(v);
    else
      for (Var w : body.operands(e)) need(w);
  }
  std::sort(r.exports.begin(), r.exports.end());
  return r;
}

// ---------------------------------------------------------------- the pass
class Hoist {
 public:
  ProgramPtr run(const ProgramPtr& program) {
    const Program& p = *program;
    bool changed = false;
    const bool loops = std::ranges::any_of(p.eqns, [](auto& e) { return e.prim == &scan_p || e.prim == &while_p; });
    auto params = bodies_.map_all(  // with bodies passed over
        p, [this](const ProgramPtr& inner) { return run(inner); }, changed);
    std::vector<const Eqn*> made(loops ? p.type_of.size() : 0);  // per variable: its equation
    std::vector<std::uint8_t> moves(p.eqns.size());
    for (std::size_t i = 0; i < p.eqns.size() && loops; ++i) {
      const Eqn& e = p.eqns[i];
      for (std::uint32_t k = 0; k < e.n_out; ++k) made[e.out + k] = &e;
      moves[i] = (e.prim == &scan_p && scan_changes(p, e, params[i], made)) || (e.prim == &while_p && while_changes(p, e, params[i]));
      changed |= moves[i] != 0;
    }
    if (!changed) return program;
    return rebuilt(p, params, [&](std::size_t i, Builder& b, std::vector<Var>& to) {
      const Eqn& e = p.eqns[i];
      if (moves[i] && e.prim == &scan_p) scan(b, p, e, params[i], made, to);
      else if (moves[i]) loop(b, p, e, params[i], to);
      return moves[i] != 0;
    });
  }

 private:
  // v as a value of the type that a body's input has.
  static Var as(Builder& b, Var v, const Aval& want, const void* site) {
    if (b.q.operand_type(v) == want) return v;
    if (v < 0) {
      Scope evaluate(nullptr);
      return b.q.new_literal(as_type(b.q.literals[at(~v)], want.dtype, want.weak));
    }
    ConvertParams c{want.dtype, want.weak};
    return emit(b, &convert_p, core::params(c), {v}, want, site);
  }
  static Var emit(Builder& b, const Primitive* p, const Params& q, std::vector<Var> in, const Aval& type, const void* site) {
    auto pool = static_cast<std::uint32_t>(b.q.pool.size());
    b.q.pool.insert(b.q.pool.end(), in.begin(), in.end());
    Var r = b.q.new_var(type);
    b.q.eqns.push_back({p, ParamRef(q), pool, static_cast<std::uint32_t>(r), static_cast<std::uint32_t>(in.size()), 1, site});
    return r;
  }
  // The equations of the body that its exports need, outside; their values there.
  static std::vector<Var> outside(Builder& b, const Program& body, const Plan& plan, std::span<const Var> constants, const void* site) {
    std::vector<std::uint8_t> needed(body.type_of.size());
    for (Var v : plan.exports) needed[at(v)] = 1;
    for (std::size_t i = body.eqns.size(); i-- > 0;) {
      const Eqn& e = body.eqns[i];
      bool any = false;
      for (std::uint32_t k = 0; k < e.n_out; ++k) any |= needed[e.out + k];
      if (!any) continue;
      for (Var v : body.operands(e))
        if (v >= 0) needed[at(v)] = 1;
    }
    std::vector<Var> to(body.type_of.size(), unknown), r;
    for (std::size_t i = 0; i < constants.size(); ++i) {
      Var v = body.inputs[i];
      if (needed[at(v)]) to[at(v)] = as(b, constants[i], body.type(v), site);
    }
    for (const Eqn& e : body.eqns) {
      bool any = false;
      for (std::uint32_t k = 0; k < e.n_out; ++k) any |= needed[e.out + k];
      if (!any) continue;
      auto first = b.append(body, e, to);
      for (std::uint32_t k = 0; k < e.n_out; ++k) to[e.out + k] = static_cast<Var>(first + k);
    }
    for (Var v : plan.exports) r.push_back(to[at(v)]);
    return r;
  }

  // ---- scan
  // Per input of the body: the earlier constant that it always equals, of which it is then a copy.
  struct ScanShape {
    std::size_t n_const, n_carry, n_in;
    bool runs;
    explicit ScanShape(const ScanParams& q)
        : n_const(at(q.n_const)), n_carry(at(q.n_carry)), n_in(q.body->inputs.size()), runs(!q.counted && q.length > 0) {}
  };
  static bool same_at_every_step(const Program& p, Var operand, const std::vector<const Eqn*>& made, Var* source) {
    if (operand < 0 || !made[at(operand)] || made[at(operand)]->prim != &broadcast_in_dim_p) return false;
    const Eqn& e = *made[at(operand)];
    Params q = e.params;
    if (q.get<BroadcastParams>().dims.has(0)) return false;
    *source = p.pool[e.in];
    return true;
  }
  static bool scan_changes(const Program& p, const Eqn& e, const Params& params, const std::vector<const Eqn*>& made) {
    auto& q = params.get<ScanParams>();
    const Program& body = *q.body;
    ScanShape s(q);
    auto in = p.operands(e).subspan(q.counted);
    for (std::size_t i = 0; i < s.n_carry; ++i)
      if (body.outputs[i] == body.inputs[s.n_const + i] && p.operand_type(in[s.n_const + i]) == p.type(static_cast<Var>(e.out + i))) return true;
    Var source;
    for (std::size_t i = s.n_const + s.n_carry; i < s.n_in; ++i)
      if (same_at_every_step(p, in[i], made, &source)) return true;
    for (std::size_t i = 0; i < s.n_in; ++i)
      if (i < s.n_const || i >= s.n_const + s.n_carry)
        for (std::size_t j = i < s.n_const ? 0 : s.n_const + s.n_carry; j < i; ++j)
          if (in[i] == in[j] && in[i] >= 0 && body.type(body.inputs[i]) == body.type(body.inputs[j])) return true;
    for (std::size_t i = s.n_carry; i < body.outputs.size(); ++i) {
      if (s.runs && is_constant_input(body, body.outputs[i], s.n_const)) return true;
      for (std::size_t j = s.n_carry; j < i; ++j)
        if (body.outputs[i] >= 0 && body.outputs[i] == body.outputs[j]) return true;
    }
    return !plan(body, s.n_const, s.runs).exports.empty();
  }
  static bool is_constant_input(const Program& body, Var v, std::size_t n_const) {
    return v >= 0 && std::find(body.inputs.begin(), body.inputs.begin() + static_cast<std::ptrdiff_t>(n_const), v) !=
                         body.inputs.begin() + static_cast<std::ptrdiff_t>(n_const);
  }
  static void scan(Builder& b, const Program& p, const Eqn& e, const ParamRef& params, const std::vector<const Eqn*>& made, std::vector<Var>& to) {
    Params old = params;
    ScanParams q = old.get<ScanParams>();
    ScanShape s(q);
    std::vector<Var> operands;  // after the count
    for (Var v : p.operands(e).subspan(q.counted)) operands.push_back(b.operand(p, v, to));
    auto in = p.operands(e).subspan(q.counted);

    // Inputs of the new body, by group; what does not change is a constant, and the same operand comes in once.
    std::vector<Var> group[3], values[3];              // constants, carry, slices: variables of the old body, and operands
    std::vector<std::pair<Var, Var>> alias;            // of the old body: (input, the one that equals it)
    std::vector<std::pair<std::uint32_t, Var>> known;  // results: carries that do not change
    Mask out(q.body->outputs.size(), 1);
    const Program& body = *q.body;
    auto put = [&](std::size_t g, Var input, Var value) {
      for (std::size_t k = 0; k < group[g].size(); ++k)
        if (g != 1 && value >= 0 && values[g][k] == value && body.type(group[g][k]) == body.type(input)) {
          alias.emplace_back(input, group[g][k]);
          return;
        }
      group[g].push_back(input);
      values[g].push_back(value);
    };
    for (std::size_t i = 0; i < s.n_const; ++i) put(0, body.inputs[i], operands[i]);
    for (std::size_t i = 0; i < s.n_carry; ++i) {
      Var input = body.inputs[s.n_const + i], value = operands[s.n_const + i];
      bool unchanged = body.outputs[i] == input && p.operand_type(in[s.n_const + i]) == p.type(static_cast<Var>(e.out + i));
      put(unchanged ? 0 : 1, input, value);
      if (!unchanged) continue;
      known.emplace_back(static_cast<std::uint32_t>(i), value);
      out[i] = 0;
    }
    for (std::size_t i = s.n_const + s.n_carry; i < s.n_in; ++i) {
      Var source;
      if (!same_at_every_step(p, in[i], made, &source)) {
        put(2, body.inputs[i], operands[i]);
        continue;
      }
      const Eqn& r = *made[at(in[i])];
      Params rp = r.params;
      BroadcastParams bp = rp.get<BroadcastParams>();
      bp.shape = bp.shape.without(0);
      for (auto& d : bp.dims) --d;
      Var value = b.operand(p, source, to);
      const Aval type = body.type(body.inputs[i]);
      if (!(bp.shape.size() == bp.dims.size()))
        value = emit(b, &broadcast_in_dim_p, core::params(bp), {value}, {type.dtype, false, bp.shape}, e.site);
      put(0, body.inputs[i], as(b, value, type, e.site));
    }
    // The body in that order, with aliases dissolved.
    std::vector<Var> inputs;
    for (auto& g : group) inputs.insert(inputs.end(), g.begin(), g.end());
    std::vector<Var> outputs;
    std::vector<std::uint32_t> stays;  // per output of the new body: of the old one
    for (std::size_t i = 0; i < out.size(); ++i)
      if (out[i]) outputs.push_back(body.outputs[i]), stays.push_back(static_cast<std::uint32_t>(i));
    ProgramPtr reordered = seal(compact(body, inputs, 0, outputs, live_vars(body, outputs), alias), false);
    std::size_t n_const = group[0].size(), n_carry = group[1].size();

    // Invariant equations go out.
    Plan hoisted = plan(*reordered, n_const, s.runs);
    std::vector<Var> exported = outside(b, *reordered, hoisted, values[0], e.site);
    std::vector<Var> new_inputs(reordered->inputs.begin(), reordered->inputs.begin() + static_cast<std::ptrdiff_t>(n_const));
    new_inputs.insert(new_inputs.end(), hoisted.exports.begin(), hoisted.exports.end());
    new_inputs.insert(new_inputs.end(), reordered->inputs.begin() + static_cast<std::ptrdiff_t>(n_const), reordered->inputs.end());
    values[0].insert(values[0].end(), exported.begin(), exported.end());
    n_const = values[0].size();

    // Stacked results that are the same at every step are repeated outside.
    std::vector<Var> new_outputs;
    std::vector<std::uint32_t> kept;
    std::vector<std::pair<std::uint32_t, Var>> repeated;
    std::vector<std::pair<std::uint32_t, std::uint32_t>> copies;  // results that are stacked twice
    for (std::size_t i = 0; i < reordered->outputs.size(); ++i) {
      Var v = reordered->outputs[i];
      auto where = std::find(new_inputs.begin(), new_inputs.begin() + static_cast<std::ptrdiff_t>(n_const), v) - new_inputs.begin();
      if (s.runs && i >= n_carry && v >= 0 && at(where) < n_const) {
        repeated.emplace_back(stays[i], values[0][at(where)]);
        continue;
      }
      std::size_t first = 0;  // a stacked result of the same value
      while (first < new_outputs.size() && (first < n_carry || new_outputs[first] != v)) ++first;
      if (v >= 0 && i >= n_carry && first < new_outputs.size()) {
        copies.emplace_back(stays[i], kept[first]);
        continue;
      }
      new_outputs.push_back(v);
      kept.push_back(stays[i]);
    }
    q.body = extract(*reordered, new_inputs, new_outputs, effects_of(*reordered));
    q.n_const = static_cast<std::int64_t>(n_const);
    q.n_carry = static_cast<std::int64_t>(n_carry);

    auto pool = static_cast<std::uint32_t>(b.q.pool.size());
    if (q.counted) {
      Var count = b.operand(p, p.operands(e)[0], to);
      b.q.pool.push_back(count);
    }
    for (auto& g : values) b.q.pool.insert(b.q.pool.end(), g.begin(), g.end());
    auto first = static_cast<std::uint32_t>(b.q.type_of.size()), n_in = static_cast<std::uint32_t>(b.q.pool.size()) - pool;
    for (std::uint32_t k : kept) to[e.out + k] = b.q.new_var(p.type(static_cast<Var>(e.out + k)));
    if (!kept.empty() || q.body->effects)
      b.q.eqns.push_back({&scan_p, ParamRef(core::params(q)), pool, first, n_in, static_cast<std::uint32_t>(kept.size()), e.site});
    for (auto [k, of] : copies) to[e.out + k] = to[e.out + of];
    for (auto [k, v] : known) to[e.out + k] = v;
    for (auto [k, v] : repeated) {
      const Aval& type = p.type(static_cast<Var>(e.out + k));
      BroadcastParams bp{type.shape, Shape::iota(type.shape.size() - 1, 1)};
      to[e.out + k] = emit(b, &broadcast_in_dim_p, core::params(bp), {v}, type, e.site);
    }
  }

  // ---- while: carries that do not change, and what is made of the constants of the predicate and of the body
  static bool unchanged_carry(const Program& p, const Eqn& e, const WhileParams& q, std::size_t i) {
    auto in = p.operands(e).subspan(at(q.n_cond_const + q.n_const));
    return q.body->outputs[i] == q.body->inputs[at(q.n_const) + i] && p.operand_type(in[i]) == p.type(static_cast<Var>(e.out + i));
  }
  static bool while_changes(const Program& p, const Eqn& e, const Params& params) {
    auto& q = params.get<WhileParams>();
    for (std::size_t i = 0; i < at(q.n_carry); ++i)
      if (unchanged_carry(p, e, q, i)) return true;
    return !plan(*q.cond, at(q.n_cond_const), false).exports.empty() || !plan(*q.body, at(q.n_const), false).exports.empty();
  }
  // The Program with the inputs of some carries among its constants, and without some outputs.
  static ProgramPtr with_constants(const Program& f, std::size_t n_const, const Mask& moved, const std::vector<Var>& outputs) {
    std::vector<Var> in(f.inputs.begin(), f.inputs.begin() + static_cast<std::ptrdiff_t>(n_const)), rest;
    for (std::size_t i = 0; i < moved.size(); ++i) (moved[i] ? in : rest).push_back(f.inputs[n_const + i]);
    in.insert(in.end(), rest.begin(), rest.end());
    return seal(compact(f, in, 0, outputs, live_vars(f, outputs)), false);
  }
  static ProgramPtr with_exports(const Program& body, std::size_t n_const, const std::vector<Var>& exports) {
    std::vector<Var> in(body.inputs.begin(), body.inputs.begin() + static_cast<std::ptrdiff_t>(n_const));
    in.insert(in.end(), exports.begin(), exports.end());
    in.insert(in.end(), body.inputs.begin() + static_cast<std::ptrdiff_t>(n_const), body.inputs.end());
    return extract(body, in, body.outputs, effects_of(body));
  }
  static void loop(Builder& b, const Program& p, const Eqn& e, const ParamRef& params, std::vector<Var>& to) {
    Params old = params;
    WhileParams q = old.get<WhileParams>();
    std::vector<Var> all, cond_const, body_const, carry, outputs;
    for (Var v : p.operands(e)) all.push_back(b.operand(p, v, to));
    cond_const.assign(all.begin(), all.begin() + q.n_cond_const);
    body_const.assign(all.begin() + q.n_cond_const, all.begin() + q.n_cond_const + q.n_const);
    Mask moved(at(q.n_carry)), results(e.n_out, 1);
    for (std::size_t i = 0; i < moved.size(); ++i) {
      Var v = all[at(q.n_cond_const + q.n_const) + i];
      moved[i] = unchanged_carry(p, e, q, i);
      if (!moved[i]) {
        carry.push_back(v);
        outputs.push_back(q.body->outputs[i]);
        continue;
      }
      results[i] = 0;
      to[e.out + i] = v;
      cond_const.push_back(v);
      body_const.push_back(v);
    }
    outputs.insert(outputs.end(), q.body->outputs.begin() + q.n_carry, q.body->outputs.end());
    q.cond = with_constants(*q.cond, at(q.n_cond_const), moved, q.cond->outputs);
    q.body = with_constants(*q.body, at(q.n_const), moved, outputs);
    Plan of_cond = plan(*q.cond, cond_const.size(), false), of_body = plan(*q.body, body_const.size(), false);
    std::vector<Var> c = outside(b, *q.cond, of_cond, cond_const, e.site), d = outside(b, *q.body, of_body, body_const, e.site);
    q.cond = with_exports(*q.cond, cond_const.size(), of_cond.exports);
    q.body = with_exports(*q.body, body_const.size(), of_body.exports);
    cond_const.insert(cond_const.end(), c.begin(), c.end());
    body_const.insert(body_const.end(), d.begin(), d.end());
    q.n_cond_const = static_cast<std::int64_t>(cond_const.size());
    q.n_const = static_cast<std::int64_t>(body_const.size());
    q.n_carry = static_cast<std::int64_t>(carry.size());
    auto pool = static_cast<std::uint32_t>(b.q.pool.size());
    for (auto* part : {&cond_const, &body_const, &carry}) b.q.pool.insert(b.q.pool.end(), part->begin(), part->end());
    auto first = static_cast<std::uint32_t>(b.q.type_of.size()), n_out = 0u;
    for (std::uint32_t k = 0; k < e.n_out; ++k) {
      if (!results[k]) continue;
      to[e.out + k] = b.q.new_var(p.type(static_cast<Var>(e.out + k)));
      ++n_out;
    }
    b.q.eqns.push_back({&while_p, ParamRef(core::params(q)), pool, first, static_cast<std::uint32_t>(b.q.pool.size()) - pool, n_out, e.site});
  }
  Bodies bodies_;
};

}  // namespace

ProgramPtr hoist_invariants(const ProgramPtr& p) { return Hoist().run(p); }

}  // namespace functra::compiler
