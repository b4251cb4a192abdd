// jit_call and compiled_call: calls of compiled functions.
#include <unordered_map>

#include "functra/prims/control.h"
#include "functra/prims/families.h"
#include "functra/prims/registry.h"

namespace functra::prims {

namespace {
bool concrete(Ins in) {
  bool r = core::plain();
  for (const Tensor& t : in) r &= t.tag() == 0;
  return r;
}
// As an equation, where somebody records it; what evaluation compiles.
void bind_call(const ProgramPtr& p, Ins in, Outs out) {
  CallParams q{p};
  bind_prim({jit_call_p, core::params(q)}, in, out);
}
Vec bind_call(const ProgramPtr& p, Ins in) {
  Vec r(p->outputs.size());
  bind_call(p, in, r);
  return r;
}
}  // namespace
void call(const ProgramPtr& p, Ins in, Outs out) { concrete(in) ? run_concrete(p, in, out) : bind_call(p, in, out); }
void call_consuming(const ProgramPtr& p, std::span<Tensor> in, Outs out) { concrete(in) ? run_consuming(p, in, out) : bind_call(p, in, out); }
void call_compiled(const ProgramPtr& p, std::span<Tensor> in, Outs out) { concrete(in) ? run_compiled(p, in, out) : bind_call(p, in, out); }
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
    .eval =
        [](const Call& c, Ins in, Outs out) {
          Buf<Tensor, 16> args(in.size());
          std::copy(in.begin(), in.end(), args.begin());
          run_compiled(program_of(c), args, out);
        },
    .consume = [](const Call& c, std::span<Tensor> in, Outs out) { run_compiled(program_of(c), in, out); },
    .jvp =
        [](const Call& c, Ins x, Ins t, Outs y, Outs dy) {
          core::Expanding native;
          auto f = core::jvp_program(program_of(c), core::nonzero_mask(t), Mask(y.size()));
          Vec in(x.begin(), x.end()), out(f->program->outputs.size());
          core::append_nonzero(in, t);
          bind_call(f->program, in, out);
          for (std::size_t i = 0, k = y.size(); i < y.size(); ++i) {
            y[i] = out[i];
            if (f->nonzero[i]) dy[i] = out[k++];
          }
        },
    .linearize =
        [](const Call& c, Ins x, Ins t, Outs y, Outs dy) {
          core::Expanding native;
          auto p = call_plan(program_of(c), core::nonzero_mask(t));
          Vec out(p->primal->outputs.size()), in;
          bind_call(p->primal, x, out);
          for (auto [is_input, k] : p->from) in.push_back(is_input ? x[k] : out[k]);
          core::append_nonzero(in, t);
          Vec tan(p->linear->outputs.size());
          if (!tan.empty()) bind_call(p->linear, in, tan);
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
          Vec out = bind_call(p, args);
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
          Vec r = bind_call(f->program, args);
          for (std::size_t i = 0; i < out.size(); ++i) out[i] = {r[i], f->batched[i] ? 0 : -1};
        },
    .guard =
        [](const Call& c, const Tensor& on, Ins in, Outs out) {
          bind_call(core::guarded_program(program_of(c)), joined({{&on, 1}, in}), out);
        }};

// ---------------------------------------------------------------- compiled_call
RunnerPtr register_runner(std::string name, std::function<Vec(std::vector<Tensor>)> call) {
  return registry<Runner>().add({std::move(name), std::move(call)}, "runner");
}
void write(std::string& out, const RunnerPtr& r) { out += core::quote(r->name); }
void read(core::TextReader& in, RunnerPtr& r) {
  std::string name;
  core::read(in, name);
  r = registry<Runner>().find(name);
  if (!r) r = std::make_shared<const Runner>(Runner{name, nullptr});
}
namespace {
const CompiledParams& compiled_of(const Call& c) { return c.params.get<CompiledParams>(); }
void run_compiled(const CompiledParams& q, Vec args, Outs out) {
  if (!q.run->call) return run_consuming(q.program, args, out);
  Scope outside(nullptr);
  Vec r = q.run->call(std::move(args));
  if (r.size() != out.size())
    throw ValueError("runner '" + q.run->name + "' returned " + std::to_string(r.size()) + " tensors, its program has " + std::to_string(out.size()) +
                     " outputs");
  for (std::size_t i = 0; i < out.size(); ++i) {
    const Aval want = q.program->out_type(i);
    if (!r[i].defined() || !core::stands_for(r[i], want))
      throw ShapeError("runner '" + q.run->name + "' returned " + (r[i].defined() ? r[i].aval().str() : "an undefined Tensor") + " for output " +
                       std::to_string(i) + " of its program, which has type " + want.str());
    out[i] = core::as_type(r[i], want.dtype, want.weak);
  }
}
// The rules of a call of the Program itself.
template <class F> void as_call(const Call& c, F f) {
  CallParams p{compiled_of(c).program};
  f(Call{jit_call_p, core::params(p)});
}
}  // namespace

constexpr Primitive compiled_call_p = {
    .name = "compiled_call",
    .params = &param_type<CompiledParams>,
    .n_out = [](const Params& p) { return static_cast<int>(p.get<CompiledParams>().program->outputs.size()); },
    .shape = [](const Call& c, std::span<const Aval> in, std::span<Aval> out) { shapes_of(c, *compiled_of(c).program, in, out); },
    .eval = [](const Call& c, Ins in, Outs out) { run_compiled(compiled_of(c), Vec(in.begin(), in.end()), out); },
    .consume = [](const Call& c, std::span<Tensor> in,
                  Outs out) { run_compiled(compiled_of(c), Vec(std::make_move_iterator(in.begin()), std::make_move_iterator(in.end())), out); },
    .jvp = [](const Call& c, Ins x, Ins t, Outs y, Outs dy) { as_call(c, [&](const Call& p) { p.prim.jvp(p, x, t, y, dy); }); },
    .linearize = [](const Call& c, Ins x, Ins t, Outs y, Outs dy) { as_call(c, [&](const Call& p) { p.prim.linearize(p, x, t, y, dy); }); },
    .transpose = [](const Call& c, Ins ct, std::span<const Operand> in,
                    Outs g) { as_call(c, [&](const Call& p) { p.prim.transpose(p, ct, in, g); }); },
    .depends =
        [](const Call& c, const Mask& own) {
          return core::depends({&compiled_of(c).program, 1}, own);
        },
    .mixed =
        [](const Call& c, const Mask& own) {
          return core::mixed({&compiled_of(c).program, 1}, own);
        },
    .batch = [](const Call& c, const BatchContext& ctx, std::span<Batched> in,
                std::span<Batched> out) { as_call(c, [&](const Call& p) { p.prim.batch(p, ctx, in, out); }); },
    .guard = [](const Call& c, const Tensor& on, Ins in, Outs out) { as_call(c, [&](const Call& p) { p.prim.guard(p, on, in, out); }); }};

Table call_table() {
  static constexpr const Primitive* t[] = {&jit_call_p, &compiled_call_p};
  return t;
}

}  // namespace functra::prims
