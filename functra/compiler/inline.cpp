// Calls dissolved: what is left are operations, control flow and the user's own primitives.
#include <algorithm>

#include "functra/compiler/bodies.h"
#include "functra/compiler/passes.h"
#include "functra/core/interp.h"
#include "functra/core/replay.h"
#include "functra/prims/cast.h"
#include "functra/prims/checkpoint.h"
#include "functra/prims/control.h"
#include "functra/prims/host.h"
#include "functra/prims/implicit.h"
#include "functra/prims/math.h"

namespace functra::compiler {
namespace {
using namespace functra::core;
using namespace functra::prims;

// What evaluation of a call runs: a Program, on these of its operands.
struct Callee {
  ProgramPtr program;  // null: it is no call
  std::vector<Var> in;
};

// A choice per lane: every branch on all lanes, then a select, as evaluation does it.
ProgramPtr all_branches(const LanesParams& q, const std::vector<Aval>& types) {
  const std::string no_axis;
  BatchContext ctx{q.size, Draws::error, &no_axis};
  std::size_t n = q.branches.size(), n_out = q.branches[0]->outputs.size();
  return trace_program(types, [&](Ins a) {
    Vec out;
    for (std::size_t b = 0; b < n; ++b) {
      Vec r = eval_program(*batch_program(q.branches[b], ctx, q.mapped, Mask(n_out, 1))->program, a.subspan(1));
      if (b == 0) {
        out = std::move(r);
        continue;
      }
      Tensor at = like(static_cast<double>(b), a[0]), chosen = a[0].raw_dtype() == DType::bool_ ? a[0] : b + 1 == n ? ge(a[0], at) : eq(a[0], at);
      for (std::size_t i = 0; i < n_out; ++i) {
        Shape s = r[i].sizes();
        out[i] = prims::select(s.size() == 1 ? chosen : broadcast_in_dim(chosen, s, {0}), r[i], out[i]);
      }
    }
    return out;
  });
}

// Of what somebody else compiled, only those whose maker is gone.
bool is_call(const Eqn& e, bool calls_only) {
  const Primitive* p = e.prim;
  if (calls_only) return p == &jit_call_p;
  if (p == &compiled_call_p) {
    Params q = e.params;
    const RunnerPtr& run = q.get<CompiledParams>().run;
    return !run || !run->call;
  }
  static const Primitive* const all[] = {&jit_call_p,     &custom_jvp_p,  &custom_vjp_p,   &custom_linear_p, &checkpoint_p,
                                         &remat_linear_p, &custom_vmap_p, &linear_solve_p, &root_p,          &lanes_p};
  return std::ranges::find(all, p) != std::end(all);
}
Callee callee(const Program& p, const Eqn& e) {
  Params q = e.params;
  auto operands = p.operands(e);
  std::vector<Var> all(operands.begin(), operands.end());
  if (e.prim == &jit_call_p) return {q.get<CallParams>().program, all};
  if (e.prim == &compiled_call_p) return {q.get<CompiledParams>().program, all};
  if (e.prim == &custom_jvp_p) return {q.get<CustomJvpParams>().primal, all};
  if (e.prim == &custom_vjp_p) return {q.get<CustomVjpParams>().primal, all};
  if (e.prim == &checkpoint_p || e.prim == &remat_linear_p) return {q.get<CheckpointParams>().program, all};
  if (e.prim == &custom_vmap_p) return {q.get<CustomVmapParams>().program, all};
  if (e.prim == &custom_linear_p) {
    auto& c = q.get<CustomLinearParams>();
    Callee r{nullptr, {all.begin(), all.begin() + c.residuals}};
    for (std::size_t i = 0; i < c.given.size(); ++i)
      if (c.given[i]) r.in.push_back(all[static_cast<std::size_t>(c.residuals) + i]);
    try {
      r.program = forward_of(c);
    } catch (const MissingRuleError&) {}  // evaluation says so, if it comes to that
    return r;
  }
  auto solved = [&](const ProgramPtr& solve, std::int64_t before, std::int64_t n, std::int64_t after) {
    Callee r{solve, {all.begin() + before, all.begin() + before + n}};
    r.in.insert(r.in.end(), all.begin() + before + n + after, all.end());
    return r;
  };
  if (e.prim == &linear_solve_p) {
    auto& s = q.get<LinearSolveParams>();
    return solved(s.solve, s.n_matvec, s.n_solve, s.n_transposed);
  }
  if (e.prim == &root_p) {
    auto& s = q.get<RootParams>();
    return solved(s.solve, s.n_f, s.n_solve, s.n_tangent);
  }
  std::vector<Aval> types;
  for (Var v : all) types.push_back(p.operand_type(v));
  return {all_branches(q.get<LanesParams>(), types), all};
}

class Inliner {
 public:
  explicit Inliner(bool calls_only) : calls_only_(calls_only) {}
  ProgramPtr run(const ProgramPtr& p) {
    if (std::ranges::none_of(p->eqns, [&](auto& e) { return changes(e); })) return p;
    Builder b;
    std::vector<Var> in;
    for (Var v : p->inputs) in.push_back(b.input(p->type(v)));
    std::vector<Var> out = splice(b, *p, in);
    for (std::size_t i = 0; i < out.size(); ++i) out[i] = as(b.q, out[i], p->out_type(i), nullptr);
    b.q.outputs = std::move(out);
    b.q.n_hidden = p->n_hidden;
    return seal(std::move(b.q), false);
  }

 private:
  ParamRef params(const Eqn& e, bool& changed) {
    if (calls_only_) return e.params;
    return bodies_.map(
        e, [this](const ProgramPtr& p) { return run(p); }, changed);
  }
  bool changes(const Eqn& e) {
    if (is_call(e, calls_only_)) return true;
    bool changed = false;
    (void)params(e, changed);
    return changed;
  }
  // v as a value of this type: a C++ number may stand for a tensor of its dtype, and the other way round.
  static Var as(Program& q, Var v, const Aval& want, const void* site) {
    if (q.operand_type(v) == want) return v;
    if (v < 0) {
      Scope evaluate(nullptr);
      return q.new_literal(as_type(q.literals[static_cast<std::size_t>(~v)], want.dtype, want.weak));
    }
    auto at = static_cast<std::uint32_t>(q.pool.size());
    q.pool.push_back(v);
    Var r = q.new_var(want);
    ConvertParams c{want.dtype, want.weak};
    q.eqns.push_back({&convert_p, ParamRef(core::params(c)), at, static_cast<std::uint32_t>(r), 1, 1, site});
    return r;
  }
  // The barrier at the end of q waits for the other inputs of p, which are the cotangents: once p is dissolved, nothing else would keep what
  // stands behind the barrier from being computed as soon as what goes through it exists, and kept until it is needed.
  static void wait_for(Program& q, const Program& p, const std::vector<Var>& to) {
    Eqn& e = q.eqns.back();
    for (Var v : p.inputs) {
      const Var w = to[static_cast<std::size_t>(v)];
      if (w < 0 || std::find(q.pool.begin() + e.in, q.pool.end(), w) != q.pool.end()) continue;
      q.pool.push_back(w);
      ++e.n_in;
    }
  }
  // All of p after what b has; its outputs. Recurses over the depth of calls.
  std::vector<Var> splice(Builder& b, const Program& p, std::span<const Var> in) {
    std::vector<Var> to(p.type_of.size(), unknown), out;
    for (std::size_t i = 0; i < in.size(); ++i) to[static_cast<std::size_t>(p.inputs[i])] = as(b.q, in[i], p.type(p.inputs[i]), nullptr);
    for (const Eqn& e : p.eqns) {
      Callee c = is_call(e, calls_only_) ? callee(p, e) : Callee{};
      if (!c.program) {
        bool changed = false;
        auto first = b.append(p, e, to);
        b.q.eqns.back().params = params(e, changed);
        if (e.prim == &barrier_p && !calls_only_) wait_for(b.q, p, to);
        for (std::uint32_t k = 0; k < e.n_out; ++k) to[e.out + k] = static_cast<Var>(first + k);
        continue;
      }
      std::vector<Var> args;
      for (Var v : c.in) args.push_back(b.operand(p, v, to));
      std::vector<Var> r = splice(b, *c.program, args);
      for (std::uint32_t k = 0; k < e.n_out; ++k) to[e.out + k] = as(b.q, r[k], p.type(static_cast<Var>(e.out + k)), e.site);
    }
    for (Var v : p.outputs) out.push_back(b.operand(p, v, to));
    return out;
  }
  bool calls_only_;
  Bodies bodies_;
};

}  // namespace

ProgramPtr inline_all(const ProgramPtr& p) { return Inliner(false).run(p); }
ProgramPtr inline_calls(const ProgramPtr& p) { return Inliner(true).run(p); }

}  // namespace functra::compiler
