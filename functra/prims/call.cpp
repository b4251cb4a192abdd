// jit_call: a call of a compiled function.
#include <unordered_map>

#include "functra/prims/control.h"
#include "functra/prims/families.h"

namespace functra::prims {

void call(const ProgramPtr& p, Ins in, Outs out) {
  CallParams q{p};
  bind_prim({jit_call_p, core::params(q)}, in, out);
}
Vec call(const ProgramPtr& p, Ins in) {
  Vec r(p->outputs.size());
  call(p, in, r);
  return r;
}

namespace {
const ProgramPtr& program_of(const Call& c) { return c.params.get<CallParams>().program; }

// Where each residual of the linear half is found: among the inputs, or among the outputs of the primal half.
struct CallPlan {
  ProgramPtr primal, linear;
  Mask nonzero;
  std::vector<std::pair<bool, std::size_t>> from;
};  // (is input, index)
std::shared_ptr<const CallPlan> call_plan(const ProgramPtr& p, const Mask& m) {
  auto make = [&] {
    auto l = core::linearize_program(p, m, Mask(p->outputs.size()));
    CallPlan r{nullptr, l->linear, l->nonzero, {}};
    auto& all = l->primal->outputs;
    auto n = static_cast<std::ptrdiff_t>(p->outputs.size());
    std::vector<Var> outs(all.begin(), all.begin() + n);
    std::unordered_map<Var, std::size_t> input, output;
    for (std::size_t i = 0; i < l->primal->inputs.size(); ++i) input.emplace(l->primal->inputs[i], i);
    for (std::size_t i = 0; i < outs.size(); ++i) output.emplace(outs[i], i);
    for (std::size_t i = static_cast<std::size_t>(n); i < all.size(); ++i) {
      if (auto it = input.find(all[i]); it != input.end()) r.from.emplace_back(true, it->second);
      else {
        auto [at, fresh] = output.emplace(all[i], outs.size());
        if (fresh) outs.push_back(all[i]);
        r.from.emplace_back(false, at->second);
      }
    }
    r.primal = core::with_outputs(*l->primal, outs);
    return r;
  };
  return cached<CallPlan>(*p, form_key("call", {m}), make);
}
}  // namespace

constexpr Primitive jit_call_p = {
    .name = "jit_call",
    .params = &param_type<CallParams>,
    .n_out = [](const Params& p) { return static_cast<int>(p.get<CallParams>().program->outputs.size()); },
    .shape = [](const Call& c, std::span<const Aval> in, std::span<Aval> out) { shapes_of(c, *program_of(c), in, out); },
    .eval = [](const Call& c, Ins in, Outs out) { run_concrete(program_of(c), in, out); },
    .jvp =
        [](const Call& c, Ins x, Ins t, Outs y, Outs dy) {
          auto f = core::jvp_program(program_of(c), core::nonzero_mask(t), Mask(y.size()));
          Vec in(x.begin(), x.end()), out(f->program->outputs.size());
          core::append_nonzero(in, t);
          call(f->program, in, out);
          for (std::size_t i = 0, k = y.size(); i < y.size(); ++i) {
            y[i] = out[i];
            if (f->nonzero[i]) dy[i] = out[k++];
          }
        },
    .linearize =
        [](const Call& c, Ins x, Ins t, Outs y, Outs dy) {
          auto p = call_plan(program_of(c), core::nonzero_mask(t));
          Vec out(p->primal->outputs.size()), in;
          call(p->primal, x, out);
          for (auto [is_input, k] : p->from) in.push_back(is_input ? x[k] : out[k]);
          core::append_nonzero(in, t);
          Vec tan(p->linear->outputs.size());
          if (!tan.empty()) call(p->linear, in, tan);
          for (std::size_t i = 0, k = 0; i < y.size(); ++i) {
            y[i] = out[i];
            if (p->nonzero[i]) dy[i] = tan[k++];
          }
        },
    .transpose =
        [](const Call& c, Ins ct, std::span<const Operand> in, Outs g) {
          Mask linear;
          Vec args;
          for (auto& o : in) {
            linear.push_back(o.linear());
            if (!o.linear()) args.push_back(*o);
          }
          core::append_nonzero(args, ct);
          ProgramPtr p = core::transpose_program(program_of(c), linear, core::nonzero_mask(ct));
          Vec out = call(p, args);
          for (std::size_t i = 0, k = 0; i < in.size(); ++i)
            if (linear[i]) g[i] = out[k++];
        },
    .depends =
        [](const Call& c, const Mask& own) {
          return core::depends({&program_of(c), 1}, own);
        },
    .mixed =
        [](const Call& c, const Mask& own) {
          return core::mixed({&program_of(c), 1}, own);
        },
    .batch =
        [](const Call& c, const BatchContext& ctx, std::span<Batched> in, std::span<Batched> out) {
          Mask m;
          Vec args;
          for (auto& b : in) {
            m.push_back(b.dim >= 0);
            args.push_back(b.dim >= 0 ? move_dim0(b, ctx.size) : b.value);
          }
          auto f = core::batch_program(program_of(c), ctx, m, Mask(out.size()));
          Vec r = call(f->program, args);
          for (std::size_t i = 0; i < out.size(); ++i) out[i] = {r[i], f->batched[i] ? 0 : -1};
        },
    .guard =
        [](const Call& c, const Tensor& on, Ins in, Outs out) {
          call(core::guarded_program(program_of(c)), joined({{&on, 1}, in}), out);
        }};

Table call_table() {
  static constexpr const Primitive* t[] = {&jit_call_p};
  return t;
}

}  // namespace functra::prims
