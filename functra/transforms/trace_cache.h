// What compiled functions share: f traced once per structure, shapes, dtypes and static values of its arguments, and found again.
#pragma once
#include <condition_variable>
#include <mutex>
#include <thread>
#include <unordered_map>

#include "functra/core/forms.h"
#include "functra/transforms/erased.h"

namespace functra::erased {

class TraceCache {
 public:
  struct Entry {
    core::Closed closed;
    std::shared_ptr<const void> kept;  // f's result without its tensors
    std::vector<Aval> in;              // of defined leaves
    std::vector<core::RefUse> refs;    // inputs after the leaves; those written are results after f's
    std::vector<std::string> seen;     // what it was traced for, a line per leaf, static value and structure
    core::Mask defined;                // leaves of the result; the others are undefined tensors at every call
    mutable std::once_flag once;       // for what an owner of the cache derives from an entry
    mutable std::shared_ptr<void> derived;
  };
  using EntryPtr = std::shared_ptr<const Entry>;

  // native: traces are what native code is made of (core::Expanding).
  explicit TraceCache(const char* who, bool native = false) : who_(who), native_(native) {}
  static constexpr std::size_t most = 1024;  // entries; the one that was not used for longest goes
  // Found, or traced by hooks.f, after which the arguments are as they were; once where several threads ask at a time. Fills `leaves` with
  // those of args.
  EntryPtr get(Refs args, std::vector<Tensor*>& leaves, const JitHooks& hooks);
  std::string explain(Refs args);
  JitStats stats();
  void clear();

 private:
  EntryPtr find(const std::string& key);  // under the mutex
  EntryPtr trace(Refs args, std::vector<Tensor*>& leaves, const JitHooks& hooks) const;
  void insert(const std::string& key, const EntryPtr& e);
  const char* who_;
  bool native_;
  struct Kept {
    EntryPtr entry;
    std::int64_t used = 0;  // when, in hits and misses
  };
  std::mutex mutex_;
  std::unordered_map<std::string, Kept> entries_;
  std::unordered_map<std::string, std::thread::id> tracing_;  // what is being traced, and by whom
  std::condition_variable traced_;
  std::int64_t hits_ = 0, misses_ = 0;
};

// The operands of an entry's program: captured tensors, defined leaves, Refs.
std::vector<Tensor> operands(const TraceCache::Entry& e, const std::vector<Tensor*>& leaves);
// The leaves of a result in the structure of e, those that the function leaves undefined being so already; then the Refs it writes.
void put_results(const TraceCache::Entry& e, const std::vector<Tensor*>& leaves, std::span<Tensor> out);

}  // namespace functra::erased
