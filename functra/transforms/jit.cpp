// jit: trace, cache, evaluate. A compiled function is a call that holds a Program.
#include "functra/prims/control.h"
#include "functra/transforms/disable_jit.h"
#include "functra/transforms/trace_cache.h"

namespace functra {
namespace {
thread_local int jit_off = 0;
}
disable_jit::disable_jit() { ++jit_off; }
disable_jit::~disable_jit() { --jit_off; }
bool jit_disabled() { return jit_off > 0; }
}  // namespace functra

namespace functra::erased {
using namespace functra::core;

class JitState {
 public:
  explicit JitState(JitOptions o) : options(std::move(o)), cache("jit", true) {}
  JitOptions options;
  TraceCache cache;
};
using EntryPtr = TraceCache::EntryPtr;

JitPtr new_jit(JitOptions o, const void*) { return std::make_shared<JitState>(std::move(o)); }
void jit_call(JitState& j, Refs args, const JitHooks& hooks) {
  if (jit_disabled()) {
    hooks.f();
    return;
  }
  std::vector<Tensor*> leaves;
  EntryPtr e = j.cache.get(args, leaves, hooks);
  Vec in = operands(*e, leaves);
  for (int d : j.options.donate) {
    if (d < 0 || static_cast<std::size_t>(d) >= args.size())
      throw IndexError("jit: donate names argument " + std::to_string(d) + " of " + std::to_string(args.size()));
    tree::clear(args[static_cast<std::size_t>(d)]);  // the caller's copies: the last reference may now be ours
  }
  Vec out(e->closed.program->outputs.size());
  prims::call_compiled(e->closed.program, in, out);
  put_results(*e, tree::pointers(hooks.restore(e->kept.get())), out);
}
JitStats jit_stats(const JitState& j) { return const_cast<JitState&>(j).cache.stats(); }
std::string jit_explain(JitState& j, Refs args) { return j.cache.explain(args); }
std::size_t jit_cache_size(const JitState& j) { return jit_stats(j).size; }
void jit_cache_clear(JitState& j) { j.cache.clear(); }
functra::Program jit_program(JitState& j, Refs args, const JitHooks& hooks) {
  std::vector<Tensor*> leaves;
  EntryPtr e = j.cache.get(args, leaves, hooks);
  return functra::Program(e->closed.program, e->closed.captured);
}

// ---------------------------------------------------------------- prepared calls
namespace {
struct Gather final : tree::Visitor {  // into a buffer that keeps its capacity
  std::vector<Tensor*>* out = nullptr;
  void tensor(Tensor& t) override { out->push_back(&t); }
};
}  // namespace
class BoundState {
 public:
  EntryPtr entry;
  std::vector<Tensor*> leaves;
  Vec args, outs;
};
std::shared_ptr<BoundState> jit_bind(JitState& j, Refs args, const JitHooks& hooks) {
  auto b = std::make_shared<BoundState>();
  b->entry = j.cache.get(args, b->leaves, hooks);
  b->outs.resize(b->entry->closed.program->outputs.size());
  b->leaves.clear();
  hooks.restore(b->entry->kept.get());
  return b;
}
void bound_call(BoundState& b, Refs args, TreeRef result) {
  Gather g;
  g.out = &b.leaves;
  b.leaves.clear();
  for (const TreeRef& a : args) a.visit(g);
  b.args.assign(b.entry->closed.captured.begin(), b.entry->closed.captured.end());
  std::size_t k = 0;
  for (std::size_t i = 0; i < b.leaves.size(); ++i) {
    Tensor& t = *b.leaves[i];
    if (!t.defined()) continue;
    if (k >= b.entry->in.size()) throw StructureError("bind: the call has more tensors than the prepared one");
    const Aval& want = b.entry->in[k++];
    bool fits = t.raw_dtype() == want.dtype && t.weak() == want.weak &&
                (t.is_array() ? t.shape_ref() == want.shape : t.rank0() == want.shape.empty() && (t.rank0() || t.sizes() == want.shape));
    if (!fits)
      throw ShapeError("bind: " + tree::argument_paths(args)[i] + " has type " + t.aval().str() + ", prepared for " + want.str() +
                       "; call the jitted function itself, or bind again");
    b.args.push_back(t);
  }
  if (k != b.entry->in.size()) throw StructureError("bind: the call has fewer tensors than the prepared one");
  for (auto& u : b.entry->refs) b.args.push_back(ref_get(u.ref));
  prims::call_compiled(b.entry->closed.program, b.args, b.outs);
  b.leaves.clear();
  result.visit(g);
  put_results(*b.entry, b.leaves, b.outs);
}

}  // namespace functra::erased
