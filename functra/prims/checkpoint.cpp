#include "functra/prims/checkpoint.h"

#include <algorithm>

#include "functra/prims/control.h"
#include "functra/prims/families.h"

namespace functra::prims {
namespace {

const CheckpointParams& of(const Call& c) { return c.params.get<CheckpointParams>(); }

bool has_batch_dims(const core::Eqn& e) {
  auto& l = e.prim->lowering;
  return l.contraction && !l.contraction(e.params).left_batch.empty();
}
bool saves(const CheckpointParams& q, const core::Eqn& e) {
  bool dot = e.prim->lowering.kind == Lowering::Kind::contraction, named = e.prim == &name_p;
  auto listed = [&] { return std::find(q.names.begin(), q.names.end(), Params(e.params).get<NameParams>().name) != q.names.end(); };
  switch (q.save) {
    case Save::nothing: return false;
    case Save::everything: return true;
    case Save::dots: return dot;
    case Save::dots_no_batch: return dot && !has_batch_dims(e);
    case Save::only_names: return named && listed();
    case Save::any_names_but: return named && !listed();
    case Save::anything_except: return !(named && listed());
  }
  return false;
}
// Compiled calls dissolved, so that a policy sees what is in them.
void eval_inlined(const Program& p, Ins args, Outs outs) {
  Vec env(p.type_of.size());
  for (std::size_t i = 0; i < args.size(); ++i) env[static_cast<std::size_t>(p.inputs[i])] = args[i];
  auto value = [&](Var v) -> const Tensor& { return v < 0 ? p.literals[static_cast<std::size_t>(~v)] : env[static_cast<std::size_t>(v)]; };
  for (const core::Eqn& e : p.eqns) {
    Vec x;
    for (Var v : p.operands(e)) x.push_back(value(v));
    Outs y(env.data() + e.out, e.n_out);
    core::Site site(e.site);
    if (e.prim == &jit_call_p) eval_inlined(*Params(e.params).get<CallParams>().program, x, y);
    else bind_prim({*e.prim, e.params}, x, y);
  }
  for (std::size_t i = 0; i < outs.size(); ++i) outs[i] = value(p.outputs[i]);
}
ProgramPtr inlined(const ProgramPtr& p) {
  if (std::none_of(p->eqns.begin(), p->eqns.end(), [](auto& e) { return e.prim == &jit_call_p; })) return p;
  return *cached<ProgramPtr>(*p, "inlined", [&] {
    return trace_program(p->in_types(), [&](Ins a) {
      Vec out(p->outputs.size());
      eval_inlined(*p, a, out);
      return out;
    });
  });
}

struct Plan {
  ProgramPtr primal;  // arguments -> results, saved values
  ProgramPtr linear;  // arguments used, saved values, tangents -> tangents of results; computes again what is not saved
  Order used;
  Mask nonzero;
};
std::shared_ptr<const Plan> plan(const CheckpointParams& q, const Mask& m) {
  auto make = [&] {
    auto l = core::linearize_program(inlined(q.program), m, Mask(q.program->outputs.size()));
    const Program& p = *l->primal;
    std::size_t n = q.program->outputs.size();
    // From the residuals back: stop at arguments and at what the policy saves.
    std::vector<std::uint8_t> need(p.type_of.size()), again(p.eqns.size());
    for (std::size_t i = n; i < p.outputs.size(); ++i)
      if (p.outputs[i] >= 0) need[static_cast<std::size_t>(p.outputs[i])] = 1;
    std::vector<Var> outs(p.outputs.begin(), p.outputs.begin() + static_cast<std::ptrdiff_t>(n)), saved;
    std::vector<std::uint8_t> unnamed(p.type_of.size());  // what is not to be kept under its name, before it has the name
    for (std::size_t i = p.eqns.size(); i-- > 0;) {
      const core::Eqn& e = p.eqns[i];
      bool any = false, save = saves(q, e);
      for (std::uint32_t k = 0; k < e.n_out; ++k) save = save && !unnamed[e.out + k];
      if (e.prim == &name_p && q.save == Save::anything_except && !save)
        for (Var v : p.operands(e))
          if (v >= 0) unnamed[static_cast<std::size_t>(v)] = 1;
      for (std::uint32_t k = 0; k < e.n_out; ++k) {
        if (!need[e.out + k]) continue;
        any = true;
        if (save) saved.push_back(static_cast<Var>(e.out + k));
      }
      if (!any || save) continue;
      again[i] = 1;
      for (Var v : p.operands(e))
        if (v >= 0) need[static_cast<std::size_t>(v)] = 1;
    }
    std::reverse(saved.begin(), saved.end());
    Plan r;
    r.nonzero = l->nonzero;
    Types types;
    for (std::size_t i = 0; i < p.inputs.size(); ++i) {
      if (!need[static_cast<std::size_t>(p.inputs[i])]) continue;
      r.used.push_back(i);
      types.push_back(p.type(p.inputs[i]));
    }
    for (Var v : saved) {
      outs.push_back(v);
      types.push_back(p.type(v));
    }
    for (std::size_t i = 0; i < m.size(); ++i)
      if (m[i]) types.push_back(p.type(p.inputs[i]));
    r.primal = core::with_outputs(p, outs);
    r.linear = trace_program(types, [&](Ins a) {
      Vec env(p.type_of.size()), residuals;
      std::size_t k = 0;
      for (std::size_t i : r.used) env[static_cast<std::size_t>(p.inputs[i])] = a[k++];
      for (Var v : saved) env[static_cast<std::size_t>(v)] = a[k++];
      auto value = [&](Var v) { return v < 0 ? p.literals[static_cast<std::size_t>(~v)] : env[static_cast<std::size_t>(v)]; };
      for (std::size_t i = 0; i < p.eqns.size(); ++i) {
        const core::Eqn& e = p.eqns[i];
        if (!again[i] || e.prim->effect) continue;
        Vec x, y(e.n_out);
        for (Var v : p.operands(e)) x.push_back(value(v));
        core::Site site(e.site);
        core::ParamRef params = core::without_effects(e);
        bind_prim({*e.prim, params}, x, y);
        for (std::uint32_t j = 0; j < e.n_out; ++j)
          if (is_zero(env[e.out + j])) env[e.out + j] = y[j];
      }
      for (std::size_t i = n; i < p.outputs.size(); ++i) residuals.push_back(value(p.outputs[i]));
      return core::eval_program(*l->linear, joined({residuals, a.subspan(k)}));
    });
    return r;
  };
  std::string key = form_key("remat", {m}, static_cast<std::int64_t>(q.save));
  for (auto& name : q.names) key += core::quote(name);
  return cached<Plan>(*q.program, key, make);
}

// ---------------------------------------------------------------- rules that both primitives share
Vec bind_as(const Primitive& p, const CheckpointParams& q, const ProgramPtr& f, Ins in) {
  return core::bind_all(p, in, CheckpointParams{f, q.save, q.names});
}
int n_out(const Params& p) { return static_cast<int>(p.get<CheckpointParams>().program->outputs.size()); }
void shape(const Call& c, std::span<const Aval> in, std::span<Aval> out) { shapes_of(c, *of(c).program, in, out); }
void eval(const Call& c, Ins in, Outs out) { run_concrete(of(c).program, in, out); }
void jvp(const Call& c, Ins x, Ins t, Outs y, Outs dy) {
  auto f = core::jvp_program(of(c).program, core::nonzero_mask(t), Mask(y.size()));
  Vec in(x.begin(), x.end());
  core::append_nonzero(in, t);
  Vec r = bind_as(checkpoint_p, of(c), f->program, in);
  for (std::size_t i = 0, k = y.size(); i < y.size(); ++i) {
    y[i] = r[i];
    if (f->nonzero[i]) dy[i] = r[k++];
  }
}
void linearize(const Call& c, Ins x, Ins t, Outs y, Outs dy) {
  auto p = plan(of(c), core::nonzero_mask(t));
  Vec r = bind_as(checkpoint_p, of(c), p->primal, x), in, d;
  for (std::size_t i : p->used) in.push_back(x[i]);
  append(in, Ins(r).subspan(y.size()));
  core::append_nonzero(in, t);
  if (count(p->nonzero)) d = bind_as(remat_linear_p, of(c), p->linear, in);
  for (std::size_t i = 0, k = 0; i < y.size(); ++i) {
    y[i] = r[i];
    if (p->nonzero[i]) dy[i] = d[k++];
  }
}
// The transpose of the Program, its known work done again behind a barrier. Only the known operands go through it: an equation that
// mixes both kinds could not be transposed again.
void transpose(const Call& c, Ins ct, std::span<const Operand> in, Outs g) {
  auto& q = of(c);
  Mask linear = linear_mask(in), given = core::nonzero_mask(ct);
  std::size_t n = linear.size() - count(linear);
  auto make = [&] {
    ProgramPtr f = core::transpose_program(q.program, linear, given);
    return trace_program(f->in_types(), [&](Ins a) {
      Vec b(a.begin(), a.end());
      BarrierParams p{static_cast<std::int64_t>(n)};
      if (n) bind_prim({barrier_p, core::params(p)}, a.first(n), Outs(b).first(n));
      return core::eval_program(*f, b);
    });
  };
  Vec args = known_values(in);
  core::append_nonzero(args, ct);
  Vec r = bind_as(checkpoint_p, q, *cached<ProgramPtr>(*q.program, form_key("remat_transpose", {linear, given}), make), args);
  for (std::size_t i = 0, k = 0; i < in.size(); ++i)
    if (linear[i]) g[i] = r[k++];
}
void batch(const Call& c, const BatchContext& ctx, std::span<Batched> in, std::span<Batched> out) {
  Mask m;
  Vec args = to_front(in, ctx.size, m);
  auto f = core::batch_program(of(c).program, ctx, m, Mask(out.size()));
  Vec r = bind_as(c.prim, of(c), f->program, args);
  for (std::size_t i = 0; i < out.size(); ++i) out[i] = {r[i], f->batched[i] ? 0 : -1};
}
void guard(const Call& c, const Tensor& on, Ins in, Outs out) {
  Vec r = bind_as(c.prim, of(c), core::guarded_program(of(c).program), joined({{&on, 1}, in}));
  std::move(r.begin(), r.end(), out.begin());
}

}  // namespace

constexpr Primitive checkpoint_p = {
    .name = "checkpoint",
    .params = &param_type<CheckpointParams>,
    .n_out = n_out,
    .shape = shape,
    .eval = eval,
    .jvp = jvp,
    .linearize = linearize,
    .transpose = transpose,
    .depends =
        [](const Call& c, const Mask& own) {
          return core::depends({&of(c).program, 1}, own);
        },
    .mixed =
        [](const Call& c, const Mask& own) {
          return core::mixed({&of(c).program, 1}, own);
        },
    .batch = batch,
    .guard = guard,
};
constexpr Primitive remat_linear_p = {
    .name = "remat_linear",
    .params = &param_type<CheckpointParams>,
    .n_out = n_out,
    .shape = shape,
    .eval = eval,
    .jvp = jvp,
    .linearize = linearize,
    .transpose = transpose,
    .depends =
        [](const Call& c, const Mask& own) {
          return core::depends({&of(c).program, 1}, own);
        },
    .batch = batch,
    .guard = guard,
    .recomputes = true,
};

std::shared_ptr<const core::LinForm> keep_inputs_only(const ProgramPtr& body, const Mask& nonzero, std::shared_ptr<const core::LinForm> form) {
  const Program& p = *form->primal;
  std::size_t n_out = body->outputs.size(), n_in = p.inputs.size();
  core::LinForm r{nullptr, nullptr, form->nonzero, n_in};
  std::vector<Var> outs(p.outputs.begin(), p.outputs.begin() + static_cast<std::ptrdiff_t>(n_out));
  outs.insert(outs.end(), p.inputs.begin(), p.inputs.end());
  r.primal = core::with_outputs(p, outs);
  Types types = p.in_types();
  for (std::size_t i = 0; i < n_in; ++i)
    if (nonzero[i]) types.push_back(types[i]);
  ProgramPtr again = trace_program(types, [&](Ins a) {
    Vec y = core::eval_program(*core::without_effects(form->primal), a.first(n_in));
    return core::eval_program(*form->linear, joined({Ins(y).subspan(n_out), a.subspan(n_in)}));
  });
  r.linear = trace_program(types, [&](Ins a) { return core::bind_all(remat_linear_p, a, CheckpointParams{again, Save::nothing, {}}); });
  return std::make_shared<const core::LinForm>(std::move(r));
}

// ---------------------------------------------------------------- names and barriers
constexpr Primitive name_p = {.name = "checkpoint_name",
                              .params = &param_type<NameParams>,
                              .n_in = 1,
                              .shape = [](const Call&, std::span<const Aval> in, std::span<Aval> out) { out[0] = in[0]; },
                              .eval = [](const Call&, Ins in, Outs out) { out[0] = in[0]; },
                              .jvp =
                                  [](const Call& c, Ins x, Ins t, Outs y, Outs dy) {
                                    bind_prim(c, x, y);
                                    dy[0] = t[0];
                                  },
                              .transpose = [](const Call&, Ins ct, std::span<const Operand>, Outs g) { g[0] = ct[0]; },
                              .batch =
                                  [](const Call& c, const BatchContext&, std::span<Batched> in, std::span<Batched> out) {
                                    bind_prim(c, {&in[0].value, 1}, {&out[0].value, 1});
                                    out[0].dim = in[0].dim;
                                  },
                              .lowering = {.kind = core::Lowering::Kind::identity}};
Tensor checkpoint_name(const Tensor& x, const std::string& name) { return bind1(name_p, x, NameParams{name}); }

namespace {
void push_barrier(const Call& c, Ins x, Ins t, Outs y, Outs dy) {
  bind_prim(c, x, y);
  std::ranges::copy(t.first(dy.size()), dy.begin());
}
}  // namespace
constexpr Primitive barrier_p = {
    .name = "barrier",
    .params = &param_type<BarrierParams>,
    .n_out = [](const Params& p) { return static_cast<int>(p.get<BarrierParams>().n); },
    .shape = [](const Call&, std::span<const Aval> in, std::span<Aval> out) { std::ranges::copy(in.first(out.size()), out.begin()); },
    .eval = [](const Call&, Ins in, Outs out) { std::ranges::copy(in.first(out.size()), out.begin()); },
    .jvp = push_barrier,
    .linearize = push_barrier,
    .transpose =
        [](const Call&, Ins ct, std::span<const Operand> in, Outs g) {
          for (std::size_t i = 0; i < ct.size(); ++i)
            if (in[i].linear()) g[i] = ct[i];
        },
    .depends = [](const Call& c, const Mask& own) { return Mask(own.begin(), own.begin() + c.params.get<BarrierParams>().n); },
    .mixed = [](const Call&, const Mask& own) { return count(own) < own.size(); },
    .batch =
        [](const Call& c, const BatchContext&, std::span<Batched> in, std::span<Batched> out) {
          Vec x, y(out.size());
          for (auto& b : in) x.push_back(b.value);
          bind_prim(c, x, y);
          for (std::size_t i = 0; i < out.size(); ++i) out[i] = {y[i], in[i].dim};
        },
    .lowering = {.kind = core::Lowering::Kind::identity}};

Table checkpoint_table() {
  static constexpr const Primitive* t[] = {&checkpoint_p, &remat_linear_p, &name_p, &barrier_p};
  return t;
}

}  // namespace functra::prims
