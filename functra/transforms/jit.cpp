// jit: trace, cache, evaluate. A compiled function is a call that holds a Program.
#include "functra/core/executor.h"
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
JitTrace jit_trace(JitState& j, Refs args, const JitHooks& hooks) {
  std::vector<Tensor*> leaves;
  EntryPtr e = j.cache.get(args, leaves, hooks);
  hooks.restore(e->kept.get());
  return {functra::Program(e->closed.program, e->closed.captured), e};
}
namespace {
bool has_type(const Tensor& t, const Aval& want) {
  return t.raw_dtype() == want.dtype && t.weak() == want.weak &&
         (t.is_array() ? t.shape_ref() == want.shape : t.rank0() == want.shape.empty() && (t.rank0() || t.sizes() == want.shape));
}
// use(leaf) for each of the leaves that are defined, which are to have the types that e was traced for.
template <class Use> void each_operand(const TraceCache::Entry& e, std::span<Tensor* const> leaves, Refs args, Use use) {
  std::size_t k = 0;
  for (std::size_t i = 0; i < leaves.size(); ++i) {
    const Tensor& t = *leaves[i];
    if (!t.defined()) continue;
    if (k >= e.in.size()) throw StructureError("bind: the call has more tensors than the prepared one");
    const Aval& want = e.in[k++];
    if (!has_type(t, want))
      throw ShapeError("bind: " + tree::argument_paths(args)[i] + " has type " + t.aval().str() + ", prepared for " + want.str() +
                       "; call the jitted function itself, or bind again");
    use(t);
  }
  if (k != e.in.size()) throw StructureError("bind: the call has fewer tensors than the prepared one");
}
}  // namespace
void traced_call(const void* entry, Refs args, TreeRef result) {
  const auto& e = *static_cast<const TraceCache::Entry*>(entry);
  std::vector<Tensor*> leaves;
  for (const TreeRef& a : args)
    for (Tensor* t : tree::pointers(a)) leaves.push_back(t);
  each_operand(e, leaves, args, [](const Tensor&) {});
  Vec in = operands(e, leaves), out(e.closed.program->outputs.size());
  prims::call_compiled(e.closed.program, in, out);
  put_results(e, tree::pointers(result), out);
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
  const core::Executor* executor = nullptr;
  std::vector<Tensor*> leaves, results;
  std::vector<const Tensor*> in;  // of the program: captured ones, then the arguments' leaves
  Vec args, outs;
  const core::Executor::Direct* direct = nullptr;
  std::vector<void*> buffers;          // of its code
  std::vector<std::uint64_t> numbers;  // per result: its place, if it is a number
  bool bare = false;                   // a direct call of numbers alone: every argument and the result are one of the user's tensors each
};
namespace {
bool is_number(const Aval& a) { return a.shape.empty() && size_of(a.dtype) <= sizeof(std::uint64_t); }
}  // namespace
std::shared_ptr<BoundState> jit_bind(JitState& j, Refs args, const JitHooks& hooks) {
  auto b = std::make_shared<BoundState>();
  b->entry = j.cache.get(args, b->leaves, hooks);
  b->executor = &core::executor();
  b->outs.resize(b->entry->closed.program->outputs.size());
  b->leaves.clear();
  const TreeRef result = hooks.restore(b->entry->kept.get());
  if (jit_disabled() || !core::plain()) return b;
  b->direct = b->executor->direct(b->entry->closed.program);
  if (b->direct) {
    b->buffers.resize(b->direct->buffers.size());
    b->numbers.resize(b->direct->results.size());
    const auto& e = *b->entry;
    b->bare = e.closed.captured.empty() && e.refs.empty() && args.size() == e.in.size() && result.ops == &tree::ops<Tensor> && b->numbers.size() == 1;
    for (auto& a : args) b->bare &= a.ops == &tree::ops<Tensor>;
    for (auto& a : e.in) b->bare &= is_number(a);
    for (auto& a : b->direct->results) b->bare &= is_number(a);
  }
  return b;
}
namespace {
// One call of code on numbers. False: they are not the concrete ones it was prepared for.
bool call_bare(BoundState& b, Refs args, TreeRef result) {
  const auto& d = *b.direct;
  for (std::size_t i = 0; i < args.size(); ++i) {
    const Tensor& t = *static_cast<const Tensor*>(args[i].p);
    const Aval& want = b.entry->in[i];
    if (!t.is_scalar() || t.tag() || t.raw_dtype() != want.dtype || t.weak() != want.weak) return false;
  }
  for (std::size_t k = 0; k < b.buffers.size(); ++k) {
    const std::size_t at = d.buffers[k];
    b.buffers[k] = at < args.size() ? const_cast<void*>(static_cast<const Tensor*>(args[at].p)->bytes()) : b.numbers.data();
  }
  d.code(b.buffers.data(), d.begin, d.end);
  *static_cast<Tensor*>(result.p) = Tensor::scalar_bits(d.results[0].dtype, b.numbers[0], d.results[0].weak);
  return true;
}
// One call of code. False, and nothing has happened: operands have gaps, or results of the call before are held by others.
bool call_directly(BoundState& b) {
  const auto& d = *b.direct;
  for (const Tensor* t : b.in)
    if (!t->is_scalar() && !t->array().contiguous) return false;
  for (std::size_t k = 0; k < b.results.size(); ++k) {
    const Aval& want = d.results[k];
    if (is_number(want)) continue;
    const Tensor& t = *b.results[k];
    if (!t.is_array() || !t.unique_storage() || t.raw_dtype() != want.dtype || !t.array().contiguous || t.shape_ref() != want.shape) return false;
    for (const Tensor* x : b.in)
      if (x->bytes() == t.bytes()) return false;
  }
  for (std::size_t k = 0; k < b.buffers.size(); ++k) {
    const std::size_t at = d.buffers[k], of = at - b.in.size();
    b.buffers[k] = at < b.in.size()           ? const_cast<void*>(b.in[at]->bytes())
                   : is_number(d.results[of]) ? static_cast<void*>(&b.numbers[of])
                                              : b.results[of]->mutable_bytes();
  }
  d.code(b.buffers.data(), d.begin, d.end);
  for (std::size_t k = 0; k < b.results.size(); ++k)
    if (is_number(d.results[k])) *b.results[k] = Tensor::scalar_bits(d.results[k].dtype, b.numbers[k], d.results[k].weak);
  return true;
}
void gather(TreeRef t, std::vector<Tensor*>& out) {
  if (t.ops == &tree::ops<Tensor>) {
    out.push_back(static_cast<Tensor*>(t.p));
    return;
  }
  Gather g;
  g.out = &out;
  t.visit(g);
}
}  // namespace
void bound_call(BoundState& b, Refs args, TreeRef result) {
  if (b.bare && core::plain() && call_bare(b, args, result)) return;
  const TraceCache::Entry& e = *b.entry;
  b.leaves.clear();
  for (const TreeRef& a : args) gather(a, b.leaves);
  b.in.clear();
  std::uint64_t traced = 0;
  for (const Tensor& t : e.closed.captured) {
    traced |= t.tag();
    b.in.push_back(&t);
  }
  each_operand(e, b.leaves, args, [&](const Tensor& t) {
    traced |= t.tag();
    b.in.push_back(&t);
  });
  b.leaves.clear();
  gather(result, b.leaves);
  if (!traced && core::plain() && e.refs.empty()) {
    b.results.clear();
    for (std::size_t i = 0; i < b.leaves.size(); ++i)
      if (e.defined[i]) b.results.push_back(b.leaves[i]);
    if (b.direct && call_directly(b)) return;
    core::Scope outside(nullptr);
    if (b.executor->run_bound(e.closed.program, b.in, b.results)) return;
  }
  b.args.clear();
  for (const Tensor* t : b.in) b.args.push_back(*t);
  for (auto& u : e.refs) b.args.push_back(ref_get(u.ref));
  prims::call_compiled(e.closed.program, b.args, b.outs);
  put_results(e, b.leaves, b.outs);
}

}  // namespace functra::erased
