#include "functra/transforms/trace_cache.h"

#include <algorithm>
#include <chrono>

namespace functra::erased {
using namespace functra::core;
using Entry = TraceCache::Entry;
using EntryPtr = TraceCache::EntryPtr;

namespace {
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
}  // namespace

EntryPtr TraceCache::find(const std::string& key) {
  auto it = entries_.find(key);
  if (it == entries_.end() || !alive(*it->second.entry)) return nullptr;
  ++hits_;
  it->second.used = hits_ + misses_;
  return it->second.entry;
}
EntryPtr TraceCache::get(Refs args, std::vector<Tensor*>& leaves, const JitHooks& hooks) {
  const std::string key = key_of(args, leaves);
  const auto self = std::this_thread::get_id();
  constexpr std::chrono::seconds long_wait{1};
  bool first;
  {
    std::unique_lock lock(mutex_);
    for (;;) {
      if (auto e = find(key)) return e;
      auto it = tracing_.find(key);
      if (it == tracing_.end() || it->second == self) break;  // a function that calls itself waits for nobody
      // Not for ever: who traces may wait for this thread, by a mutex of the user's or another compiled function. A second trace does no harm.
      if (traced_.wait_for(lock, long_wait) == std::cv_status::timeout) break;
    }
    ++misses_;
    first = tracing_.emplace(key, self).second;
  }
  struct Done {  // also where tracing throws: those who wait then try for themselves
    TraceCache& cache;
    const std::string& key;
    bool first;
    ~Done() {
      if (!first) return;
      {
        std::lock_guard lock(cache.mutex_);
        cache.tracing_.erase(key);
      }
      cache.traced_.notify_all();
    }
  } done{*this, key, first};
  EntryPtr e = trace(args, leaves, hooks);
  insert(key, e);
  return e;
}
void TraceCache::insert(const std::string& key, const EntryPtr& e) {
  EntryPtr before;  // its tensors are released without the mutex
  std::lock_guard lock(mutex_);
  auto& slot = entries_[key];
  before = std::exchange(slot.entry, e);
  slot.used = hits_ + misses_;
  if (entries_.size() <= most) return;
  auto oldest = std::ranges::min_element(entries_, {}, [](auto& x) { return x.second.used; });
  before = std::move(oldest->second.entry);
  entries_.erase(oldest);
}
EntryPtr TraceCache::trace(Refs args, std::vector<Tensor*>& leaves, const JitHooks& hooks) const {
  auto e = std::make_shared<Entry>();
  e->seen = description(args, leaves);
  Recording t(who_, true);
  t.takes_refs = true;
  Scope s(&t);
  std::optional<Expanding> native;
  if (native_) native.emplace();
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
  return e;
}
JitStats TraceCache::stats() {
  std::lock_guard lock(mutex_);
  return {hits_, misses_, entries_.size()};
}
void TraceCache::clear() {
  decltype(entries_) gone;
  std::lock_guard lock(mutex_);
  gone.swap(entries_);
}
std::string TraceCache::explain(Refs args) {
  std::vector<Tensor*> leaves;
  std::string key = key_of(args, leaves);
  auto now = description(args, leaves);
  std::lock_guard lock(mutex_);
  if (auto it = entries_.find(key); it != entries_.end())
    return alive(*it->second.entry) ? "in the cache" : "traced before, but it captured a tensor of a transform that has finished";
  if (entries_.empty()) return "nothing is in the cache yet";
  std::string best;
  std::size_t fewest = ~std::size_t{0};
  for (auto& [k, kept] : entries_) {  // the entry that differs least
    const Entry* e = kept.entry.get();
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

void put_results(const Entry& e, const std::vector<Tensor*>& leaves, Outs out) {
  std::size_t k = 0;
  for (std::size_t i = 0; i < leaves.size(); ++i)
    if (e.defined[i]) *leaves[i] = std::move(out[k++]);
  for (auto& u : e.refs)
    if (u.written) ref_set(u.ref, out[k++]);
}
Vec operands(const Entry& e, const std::vector<Tensor*>& leaves) {
  Vec args = e.closed.captured;
  args.reserve(args.size() + leaves.size());
  for (Tensor* t : leaves)
    if (t->defined()) args.push_back(*t);
  for (auto& u : e.refs) args.push_back(ref_get(u.ref));
  return args;
}

}  // namespace functra::erased
