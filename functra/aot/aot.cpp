#include "functra/aot/aot.h"

#include <cstdio>
#include <map>

#include "functra/aot/draw.h"
#include "functra/compiler/passes.h"
#include "functra/core/replay.h"
#include "functra/core/executor.h"
#include "functra/prims/control.h"
#include "functra/transforms/trace_cache.h"

namespace functra::compile {

Compiled nop(const Program& program, const std::vector<Tensor>&) {
  return [p = program.ir()](std::vector<Tensor> args) {
    std::vector<Tensor> out(p->outputs.size());
    core::eval_program_consuming(*p, args, out);
    return out;
  };
}
Compiled print_compile(const Program& program, const std::vector<Tensor>& examples) {
  std::fputs((program.str() + "\n").c_str(), stdout);
  return nop(program, examples);
}
Compiled jit(const Program& program, const std::vector<Tensor>&) {
  return [p = program.ir()](std::vector<Tensor> args) {
    std::vector<Tensor> out(p->outputs.size());
    core::executor().run(p, args, out);
    return out;
  };
}
Compiler draw_graph_compile(std::string path) {
  return [path = std::move(path)](const Program& program, const std::vector<Tensor>& examples) {
    draw_graph(program, path);
    return nop(program, examples);
  };
}

}  // namespace functra::compile

namespace functra::erased {
using namespace functra::core;

namespace {
// Every AOT function alive. Nothing is released under the lock: what an entry held last may be another AOT function.
std::mutex everyone_mutex;
std::map<AotState*, std::weak_ptr<AotState>>& everyone() {
  static auto* s = new std::map<AotState*, std::weak_ptr<AotState>>;
  return *s;
}
std::atomic<std::int64_t> traced{0};

// Compiles at the first call, once even where several threads make it.
prims::RunnerPtr lazily(const compile::Compiler& compiler, ProgramPtr program) {
  struct State {
    std::once_flag once;
    compile::Compiled call;
  };
  auto state = std::make_shared<State>();
  return prims::register_runner({}, [state, compiler, program = std::move(program)](std::vector<Tensor> args) {
    std::call_once(state->once, [&] { state->call = compiler(functra::Program(program), args); });
    return state->call(std::move(args));
  });
}
// A Program of one equation: a call of the compiled one.
ProgramPtr calling(const ProgramPtr& program, prims::RunnerPtr run) {
  prims::CompiledParams q{program, std::move(run)};
  return trace_program(program->in_types(), [&](Ins a) { return bind_all(prims::compiled_call_p, a, q); });
}

// What is derived from a trace.
struct Derived {
  ProgramPtr program;  // inlined, decomposed, captured tensors first
  prims::CompiledParams inference;
  std::once_flag once;  // of what follows, which only derivatives need
  compile::AotPrograms programs;
  prims::CustomVjpParams halves;
};
}  // namespace

class AotState {
 public:
  explicit AotState(compile::AotOptions o) : options(std::move(o)), cache("aot_function") {
    if (!options.fw_compiler || !options.partition_fn) throw ValueError("aot_function: fw_compiler and partition_fn must not be empty");
    if (!options.bw_compiler) options.bw_compiler = options.fw_compiler;
    if (!options.inference_compiler) options.inference_compiler = options.fw_compiler;
  }
  ~AotState() {
    std::lock_guard lock(everyone_mutex);
    everyone().erase(this);
  }
  compile::AotOptions options;
  TraceCache cache;

  Derived& derived(const TraceCache::Entry& e) {
    std::call_once(e.once, [&] {
      auto d = std::make_shared<Derived>();
      ProgramPtr p = compiler::inline_calls(e.closed.program);
      if (!options.decompositions.empty()) p = compile::decompose(functra::Program(p), options.decompositions).ir();
      d->program = p;
      d->inference = {p, lazily(options.inference_compiler, p)};
      e.derived = d;
      ++traced;
    });
    return *static_cast<Derived*>(e.derived.get());
  }
  void differentiate(Derived& d) {
    std::call_once(d.once, [&] {
      compile::JointProgram joint = compile::joint_program(functra::Program(d.program));
      if (!options.decompositions.empty()) joint.program = compile::decompose(joint.program, options.decompositions);
      compile::Partition parts = options.partition_fn(joint);
      check(joint, parts);
      ProgramPtr forward = parts.forward.ir(), backward = parts.backward.ir();
      prims::CustomVjpParams q{calling(d.program, d.inference.run),
                               calling(forward, lazily(options.fw_compiler, forward)),
                               calling(backward, lazily(options.bw_compiler, backward)),
                               0,
                               {}};
      for (Var v : d.program->inputs) q.given.push_back(is_differentiable(d.program->type(v).dtype));
      d.programs = {std::move(joint), std::move(parts)};
      d.halves = std::move(q);
    });
  }

 private:
  // What a user's partitioner gave must have the types of the joint program.
  static void check(const compile::JointProgram& joint, const compile::Partition& p) {
    auto fail = [](const std::string& what) { throw ValueError("aot_function: partition_fn returned " + what); };
    if (!p.forward.ir() || !p.backward.ir()) fail("an empty program");
    p.forward.verify();
    p.backward.verify();
    const core::Program &j = *joint.program.ir(), &f = *p.forward.ir(), &b = *p.backward.ir();
    const std::size_t n_out = joint.outputs, n_res = f.outputs.size() - std::min(n_out, f.outputs.size());
    auto in = j.in_types(), out = j.out_types(), fi = f.in_types(), fo = f.out_types(), bi = b.in_types(), bo = b.out_types();
    auto same = [](std::span<const Aval> x, std::span<const Aval> y) { return std::ranges::equal(x, y); };
    if (f.outputs.size() < n_out || !same(fi, std::span(in).first(joint.primals)) || !same(std::span(fo).first(n_out), std::span(out).first(n_out)))
      fail("a forward program that is not one from the primals to the outputs and residuals:\n" + p.forward.str());
    if (bi.size() != n_res + n_out || !same(std::span(bi).first(n_res), std::span(fo).subspan(n_out)) ||
        !same(std::span(bi).subspan(n_res), std::span(in).subspan(joint.primals)) || !same(bo, std::span(out).subspan(n_out)))
      fail("a backward program that is not one from the residuals and cotangents to the gradients:\n" + p.backward.str());
  }
};

AotPtr new_aot(compile::AotOptions o) {
  auto s = std::make_shared<AotState>(std::move(o));
  std::lock_guard lock(everyone_mutex);
  everyone().emplace(s.get(), s);
  return s;
}
void aot_call(AotState& s, Refs args, const JitHooks& hooks) {
  std::vector<Tensor*> leaves;
  auto e = s.cache.get(args, leaves, hooks);
  Derived& d = s.derived(*e);
  Vec in = operands(*e, leaves), out;
  for (Tensor* t : leaves) *t = Tensor();
  bool concrete = plain();
  for (const Tensor& t : in) concrete &= t.tag() == 0;
  if (concrete) out = bind_all(prims::compiled_call_p, in, d.inference);
  else {
    s.differentiate(d);
    out = bind_all(prims::custom_vjp_p, in, d.halves);
  }
  put_results(*e, tree::pointers(hooks.restore(e->kept.get())), out);
}
compile::AotPrograms aot_programs(AotState& s, Refs args, const JitHooks& hooks) {
  std::vector<Tensor*> leaves;
  auto e = s.cache.get(args, leaves, hooks);
  Derived& d = s.derived(*e);
  s.differentiate(d);
  return d.programs;
}
JitStats aot_stats(AotState& s) { return s.cache.stats(); }
void aot_clear(AotState& s) { s.cache.clear(); }
std::string aot_explain(AotState& s, Refs args) { return s.cache.explain(args); }

}  // namespace functra::erased

namespace functra::compile {

std::int64_t num_of_recompilations() { return erased::traced; }
void clear_compile_cache() {
  std::vector<erased::AotPtr> alive;
  {
    std::lock_guard lock(erased::everyone_mutex);
    for (auto& [_, weak] : erased::everyone())
      if (auto s = weak.lock()) alive.push_back(std::move(s));
  }
  for (auto& s : alive) s->cache.clear();
  erased::traced = 0;
}

}  // namespace functra::compile
