// jit: trace, cache, evaluate. A compiled function is a call that holds a Program.
#include <mutex>
#include <unordered_map>

#include "functra/core/executor.h"
#include "functra/core/forms.h"
#include "functra/prims/control.h"
#include "functra/transforms/disable_jit.h"
#include "functra/transforms/erased.h"

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

namespace {
struct Entry {
  Closed closed;
  std::shared_ptr<const void> kept;  // f's result without its tensors
  std::vector<Aval> in;              // of defined leaves
  std::vector<RefUse> refs;          // inputs after the leaves; those written are results after f's
  std::vector<std::string> seen;     // what it was traced for: see description()
  Mask defined;                      // leaves of the result; the others are undefined tensors at every call
};
using EntryPtr = std::shared_ptr<const Entry>;

void append_type(std::string& key, const Tensor& t) {
  if (!t.defined()) {
    key += 'u';
    return;
  }
  key += static_cast<char>('A' + static_cast<int>(t.raw_dtype()));
  if (t.rank0()) {
    key += t.weak() ? '~' : '.';
    return;
  }
  Shape s = t.sizes();
  key += static_cast<char>('0' + s.rank());
  key.append(reinterpret_cast<const char*>(s.data()), s.size() * sizeof(std::int64_t));
}
bool alive(const Entry& e) {
  for (const Tensor& t : e.closed.captured)
    if (t.tag() && !owner_of(t)) return false;
  return true;
}
std::string key_of(Refs args, std::vector<Tensor*>& leaves) {
  std::string key;
  for (const TreeRef& a : args) tree::flatten(a, key, leaves);
  key += default_dtype() == DType::f32 ? '|' : '/';  // numbers become tensors of it
  for (Tensor* t : leaves) append_type(key, *t);
  return key;
}
// What a call is compiled for, a line per leaf, static value and structure: what explains a miss.
std::vector<std::string> description(Refs args, const std::vector<Tensor*>& leaves) {
  std::vector<std::string> r;
  auto paths = tree::argument_paths(args);
  for (std::size_t i = 0; i < args.size(); ++i) r.push_back("argument " + std::to_string(i) + ": structure " + tree::structure(args[i]));
  for (std::size_t i = 0; i < leaves.size(); ++i)
    r.push_back(paths[i] + ": " + (leaves[i]->defined() ? "type " + leaves[i]->aval().str() : "undefined"));
  for (auto& v : tree::static_values(args)) r.push_back(v.path + ": value " + v.text);
  return r;
}
// Runs the program on captured tensors and leaves. Where nobody watches, arguments are consumed as the run goes.
void execute(const Closed& c, std::span<Tensor> args, Outs outs) {
  bool concrete = plain();
  for (const Tensor& t : args) concrete &= t.tag() == 0;
  if (!concrete) {
    prims::call(c.program, args, outs);
    return;
  }
  Scope outside(nullptr);
  executor().run(c.program, args, outs);
}
}  // namespace

class JitState {
 public:
  explicit JitState(JitOptions o) : options(std::move(o)) {}
  JitOptions options;
  std::mutex mutex;
  std::unordered_map<std::string, EntryPtr> entries;
  std::int64_t hits = 0, misses = 0;

  EntryPtr find(const std::string& key) {
    std::lock_guard lock(mutex);
    auto it = entries.find(key);
    bool found = it != entries.end() && alive(*it->second);
    ++(found ? hits : misses);
    return found ? it->second : nullptr;
  }
  EntryPtr get(Refs args, std::vector<Tensor*>& leaves, const JitHooks& hooks) {
    std::string key = key_of(args, leaves);
    if (auto e = find(key)) return e;
    auto e = std::make_shared<Entry>();
    e->seen = description(args, leaves);
    {
      Recording t("jit", true);
      t.takes_refs = true;
      Scope s(&t);
      Vec values;
      for (Tensor* x : leaves) {
        values.push_back(*x);
        if (!x->defined()) continue;
        e->in.push_back(x->aval());
        *x = t.input(e->in.back());
      }
      Vec out;
      for (Tensor& y : tree::leaves(hooks.f().value)) {
        e->defined.push_back(y.defined());
        if (y.defined()) out.push_back(y);
      }
      for (auto& u : t.refs)
        if (u.written) out.push_back(u.now);
      e->refs = t.refs;
      e->closed = t.finish(out);
      e->kept = hooks.keep();
      for (std::size_t i = 0; i < leaves.size(); ++i) *leaves[i] = values[i];
    }
    std::lock_guard lock(mutex);
    entries[key] = e;
    return e;
  }
};

namespace {
// The leaves of a result in the structure of e, those that the function leaves undefined being so already; then the Refs it writes.
void put_results(const Entry& e, const std::vector<Tensor*>& leaves, Outs out) {
  std::size_t k = 0;
  for (std::size_t i = 0; i < leaves.size(); ++i)
    if (e.defined[i]) *leaves[i] = std::move(out[k++]);
  for (auto& u : e.refs)
    if (u.written) ref_set(u.ref, out[k++]);
}
Vec gather(const Entry& e, const std::vector<Tensor*>& leaves) {
  Vec args = e.closed.captured;
  args.reserve(args.size() + leaves.size());
  for (Tensor* t : leaves)
    if (t->defined()) args.push_back(*t);
  for (auto& u : e.refs) args.push_back(ref_get(u.ref));
  return args;
}
}  // namespace

JitPtr new_jit(JitOptions o, const void*) { return std::make_shared<JitState>(std::move(o)); }
void jit_call(JitState& j, Refs args, const JitHooks& hooks) {
  if (jit_disabled()) {
    hooks.f();
    return;
  }
  std::vector<Tensor*> leaves;
  EntryPtr e = j.get(args, leaves, hooks);
  Vec in = gather(*e, leaves);
  for (int d : j.options.donate) {
    if (d < 0 || static_cast<std::size_t>(d) >= args.size())
      throw IndexError("jit: donate names argument " + std::to_string(d) + " of " + std::to_string(args.size()));
    tree::clear(args[static_cast<std::size_t>(d)]);  // the caller's copies: the last reference may now be ours
  }
  Vec out(e->closed.program->outputs.size());
  execute(e->closed, in, out);
  put_results(*e, tree::pointers(hooks.restore(e->kept.get())), out);
}
JitStats jit_stats(const JitState& j) {
  auto& s = const_cast<JitState&>(j);
  std::lock_guard lock(s.mutex);
  return {s.hits, s.misses, s.entries.size()};
}
std::string jit_explain(JitState& j, Refs args) {
  std::vector<Tensor*> leaves;
  std::string key = key_of(args, leaves);
  auto now = description(args, leaves);
  std::lock_guard lock(j.mutex);
  if (auto it = j.entries.find(key); it != j.entries.end())
    return alive(*it->second) ? "in the cache" : "traced before, but it captured a tensor of a transform that has finished";
  if (j.entries.empty()) return "nothing is in the cache yet";
  std::string best;
  std::size_t fewest = ~std::size_t{0};
  for (auto& [k, e] : j.entries) {  // the entry that differs least
    std::string text;
    std::size_t n = 0;
    std::string structures;
    for (std::size_t i = 0; i < std::max(now.size(), e->seen.size()); ++i) {
      std::string a = i < now.size() ? now[i] : "nothing", b = i < e->seen.size() ? e->seen[i] : "nothing";
      if (a == b) continue;
      ++n;
      std::string& to = a.find(": structure ") != a.npos ? structures : text;
      to += (to.empty() ? "" : "\n") + a + ", in the cache " + (b.find(": ") == b.npos ? b : b.substr(b.find(": ") + 2));
    }
    if (text.empty()) text = structures;  // else the leaves and values say it better
    if (n < fewest) fewest = n, best = text;
  }
  return best;
}
std::size_t jit_cache_size(const JitState& j) {
  auto& s = const_cast<JitState&>(j);
  std::lock_guard lock(s.mutex);
  return s.entries.size();
}
void jit_cache_clear(JitState& j) {
  std::unordered_map<std::string, EntryPtr> gone;
  std::lock_guard lock(j.mutex);
  gone.swap(j.entries);
}
functra::Program jit_program(JitState& j, Refs args, const JitHooks& hooks) {
  std::vector<Tensor*> leaves;
  EntryPtr e = j.get(args, leaves, hooks);
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
  b->entry = j.get(args, b->leaves, hooks);
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
  execute(b.entry->closed, b.args, b.outs);
  b.leaves.clear();
  result.visit(g);
  put_results(*b.entry, b.leaves, b.outs);
}

}  // namespace functra::erased
