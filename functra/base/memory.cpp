#include "functra/base/memory.h"

#include <pthread.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cstdint>
#include <cstdlib>
#include <mutex>
#include <new>

#include "functra/base/inline.h"

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define FUNCTRA_ASAN 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__)
#define FUNCTRA_ASAN 1
#endif

namespace functra {
namespace {

// Size classes: multiples of 64 up to 1 KiB, then four per octave. Classes up to kThreadMax are served by lists of the calling
// thread, refilled by and spilled to shared lists in whole chains; larger ones by the shared lists alone.
constexpr std::size_t kSmallMax = 1024, kThreadMax = 32 * 1024, kHuge = std::size_t{2} << 20, kPage = 4096;
constexpr int kSmallClasses = 16, kThreadClasses = kSmallClasses + 20, kClasses = kThreadClasses + 4 * 33;

[[maybe_unused]] inline int class_of(std::size_t bytes) {
  if (bytes <= kSmallMax) return bytes ? static_cast<int>((bytes - 1) >> 6) : 0;
  int octave = std::bit_width(bytes - 1) - 1;  // 2^octave < bytes <= 2^(octave + 1)
  return kSmallClasses + 4 * (octave - 10) + static_cast<int>(((bytes - 1) >> (octave - 2)) & 3);
}
inline std::size_t size_of_class(int c) {
  if (c < kSmallClasses) return static_cast<std::size_t>(c + 1) * 64;
  int octave = (c - kSmallClasses) / 4 + 10, quarter = (c - kSmallClasses) % 4;
  return static_cast<std::size_t>(5 + quarter) << (octave - 2);
}
[[maybe_unused]] inline std::uint32_t chain_length(std::size_t size) {
  return static_cast<std::uint32_t>(std::clamp<std::size_t>(65536 / size, 2, 64));
}

struct Block {
  Block* next;
  Block* next_chain;
  std::uint32_t count;
};  // written into free blocks; count and next_chain in a chain's head

struct Shared {
  std::mutex mutex;
  Block* chains[kThreadClasses] = {};
  Block* blocks[kClasses] = {};  // singly, from kThreadClasses up
  std::uint64_t used_at[kClasses] = {};
  std::uint64_t clock = 0;
  MemoryStats stats;
  std::size_t chain_bytes = 0;  // of chains[] above kSmallMax
  std::uint32_t stagger = 0;
};
constinit Shared shared;

[[maybe_unused]] std::size_t cache_limit() {
  static const std::size_t limit = static_cast<std::size_t>(sysconf(_SC_PHYS_PAGES)) * static_cast<std::size_t>(sysconf(_SC_PAGESIZE)) / 4;
  return limit;
}

// The bytes mapped for a block of a class of 2 MiB and more: room for the stagger, and a long tail is rounded up to a huge page.
std::size_t mapped_size(std::size_t size) {
  std::size_t n = (size + 2 * kPage - 1) & ~(kPage - 1);
  return n % kHuge > 64 * 1024 ? (n + kHuge - 1) & ~(kHuge - 1) : n;
}
[[maybe_unused]] void* map_huge(std::size_t size) {
  std::size_t n = mapped_size(size);
  void* raw = mmap(nullptr, n + kHuge, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (raw == MAP_FAILED) return nullptr;
  auto at = reinterpret_cast<std::uintptr_t>(raw), base = (at + kHuge - 1) & ~(kHuge - 1);
  if (base > at) munmap(raw, base - at);
  munmap(reinterpret_cast<void*>(base + n), at + kHuge - base);
  madvise(reinterpret_cast<void*>(base), n, MADV_HUGEPAGE);
  return reinterpret_cast<void*>(base);
}
void free_block(void* p, std::size_t size) {
  if (size >= kHuge) munmap(reinterpret_cast<void*>(reinterpret_cast<std::uintptr_t>(p) & ~(kHuge - 1)), mapped_size(size));
  else std::free(p);
}

void release_chains(std::unique_lock<std::mutex>&) {
  for (int c = kSmallClasses; c < kThreadClasses; ++c)
    for (Block*& chain = shared.chains[c]; chain;) {
      Block* next_chain = chain->next_chain;
      for (Block* b = chain; b;) {
        Block* next = b->next;
        std::free(b);
        b = next;
      }
      chain = next_chain;
    }
  shared.chain_bytes = 0;
}
void release_blocks(std::unique_lock<std::mutex>&, std::size_t keep) {
  while (shared.stats.cached > keep) {  // the class unused for longest first
    int oldest = -1;
    for (int c = kThreadClasses; c < kClasses; ++c)
      if (shared.blocks[c] && (oldest < 0 || shared.used_at[c] < shared.used_at[oldest])) oldest = c;
    if (oldest < 0) return;
    Block* b = shared.blocks[oldest];
    shared.blocks[oldest] = b->next;
    shared.stats.cached -= size_of_class(oldest);
    free_block(b, size_of_class(oldest));
  }
}

void count_large(std::size_t bytes) {
  shared.stats.in_use += bytes;
  shared.stats.peak = std::max(shared.stats.peak, shared.stats.in_use);
}

#ifndef FUNCTRA_ASAN

// Two chains per class: the one in use and a spare, so that a thread alternating around a boundary does not visit the shared lists.
struct ThreadLists {
  Block* head[kThreadClasses];
  std::uint32_t count[kThreadClasses];
  Block* spare[kThreadClasses];
  bool open, closed;
};
[[gnu::tls_model("initial-exec")]] constinit thread_local ThreadLists lists{};

void give_chain(int c, Block* chain, std::uint32_t count) {
  std::unique_lock lock(shared.mutex);
  chain->count = count;
  chain->next_chain = shared.chains[c];
  shared.chains[c] = chain;
  if (c >= kSmallClasses && (shared.chain_bytes += count * size_of_class(c)) > cache_limit() / 4) release_chains(lock);
}
struct AtThreadExit {
  ~AtThreadExit() {
    lists.closed = true;  // what destructors of other thread-local objects free later goes to the shared lists one by one
    for (int c = 0; c < kThreadClasses; ++c) {
      if (lists.head[c]) give_chain(c, lists.head[c], lists.count[c]);
      if (lists.spare[c]) give_chain(c, lists.spare[c], chain_length(size_of_class(c)));
      lists.head[c] = lists.spare[c] = nullptr;
      lists.count[c] = 0;
    }
  }
};
void open_thread() {
  static const bool at_fork = [] {
    pthread_atfork([] { shared.mutex.lock(); }, [] { shared.mutex.unlock(); }, [] { shared.mutex.unlock(); });
    return true;
  }();
  (void)at_fork;
  lists.open = true;
  thread_local AtThreadExit at_exit;
  (void)at_exit;
}

// A chain of free blocks of class c for the calling thread, from the shared lists or fresh.
FUNCTRA_COLD void* refill(int c) {
  if (!lists.open) open_thread();
  std::size_t size = size_of_class(c);
  if (lists.spare[c]) {
    lists.head[c] = lists.spare[c];
    lists.count[c] = chain_length(size);
    lists.spare[c] = nullptr;
  } else {
    std::unique_lock lock(shared.mutex);
    if (Block* chain = shared.chains[c]) {
      shared.chains[c] = chain->next_chain;
      if (c >= kSmallClasses) shared.chain_bytes -= chain->count * size;
      lists.head[c] = chain;
      lists.count[c] = chain->count;
    }
  }
  if (!lists.head[c]) {
    std::uint32_t n = c < kSmallClasses ? chain_length(size) : 1;
    auto* p = static_cast<std::byte*>(std::aligned_alloc(64, n * size));
    if (!p) throw std::bad_alloc();
    for (std::uint32_t i = n; i-- > 0;) {
      auto* b = reinterpret_cast<Block*>(p + i * size);
      b->next = lists.head[c];
      lists.head[c] = b;
    }
    lists.count[c] = n;
  }
  Block* b = lists.head[c];
  lists.head[c] = b->next;
  --lists.count[c];
  if (lists.closed && lists.head[c]) {
    give_chain(c, lists.head[c], lists.count[c]);
    lists.head[c] = nullptr;
    lists.count[c] = 0;
  }
  return b;
}
FUNCTRA_COLD void spill(int c) noexcept {
  if (!lists.open) open_thread();
  std::uint32_t full = chain_length(size_of_class(c));
  if (lists.closed) {
    give_chain(c, lists.head[c], lists.count[c]);
  } else if (lists.count[c] < full) {
    return;
  } else {
    if (lists.spare[c]) give_chain(c, lists.spare[c], full);
    lists.spare[c] = lists.head[c];
  }
  lists.head[c] = nullptr;
  lists.count[c] = 0;
}

void* allocate_large(std::size_t bytes) {
  int c = class_of(bytes);
  if (c >= kClasses) throw std::bad_alloc();
  std::size_t size = size_of_class(c), offset = 0;
  {
    std::unique_lock lock(shared.mutex);
    shared.used_at[c] = ++shared.clock;
    if (Block* b = shared.blocks[c]) {
      shared.blocks[c] = b->next;
      shared.stats.cached -= size;
      count_large(bytes);
      return b;
    }
    if (size >= kHuge) offset = (shared.stagger++ % 8) * 9 * 64;
  }
  void* p = nullptr;
  for (int attempt = 0; attempt < 2 && !p; ++attempt) {
    if (attempt) release_cached_memory();
    p = size >= kHuge ? map_huge(size) : std::aligned_alloc(64, size);
  }
  if (!p) throw std::bad_alloc();
  std::unique_lock lock(shared.mutex);
  count_large(bytes);
  return static_cast<std::byte*>(p) + offset;
}
void deallocate_large(void* p, std::size_t bytes) noexcept {
  int c = class_of(bytes);
  std::unique_lock lock(shared.mutex);
  shared.stats.in_use -= bytes;
  auto* b = static_cast<Block*>(p);
  b->next = shared.blocks[c];
  shared.blocks[c] = b;
  shared.used_at[c] = ++shared.clock;
  if ((shared.stats.cached += size_of_class(c)) > cache_limit()) release_blocks(lock, cache_limit());
}

#endif

}  // namespace

#ifdef FUNCTRA_ASAN  // every block on its own, so that the sanitizer sees overruns and uses after free

void* allocate(std::size_t bytes) {
  void* p = ::operator new(bytes, std::align_val_t(64));
  if (bytes > kThreadMax) {
    std::unique_lock lock(shared.mutex);
    count_large(bytes);
  }
  return p;
}
void deallocate(void* p, std::size_t bytes) noexcept {
  if (!p) return;
  if (bytes > kThreadMax) {
    std::unique_lock lock(shared.mutex);
    shared.stats.in_use -= bytes;
  }
  ::operator delete(p, std::align_val_t(64));
}

#else

void* allocate(std::size_t bytes) {
  if (bytes > kThreadMax) return allocate_large(bytes);
  int c = class_of(bytes);
  Block* b = lists.head[c];
  if (!b) [[unlikely]]
    return refill(c);
  lists.head[c] = b->next;
  --lists.count[c];
  return b;
}
void deallocate(void* p, std::size_t bytes) noexcept {
  if (!p) return;
  if (bytes > kThreadMax) return deallocate_large(p, bytes);
  int c = class_of(bytes);
  auto* b = static_cast<Block*>(p);
  b->next = lists.head[c];
  lists.head[c] = b;
  // A thread's first free, a full chain, and every free after the thread's lists were given up take the slow path.
  std::uint32_t full = c < kSmallClasses ? 64 : chain_length(size_of_class(c));
  if (++lists.count[c] >= full || !lists.open || lists.closed) [[unlikely]]
    spill(c);
}

#endif

MemoryStats memory_stats() {
  std::unique_lock lock(shared.mutex);
  return shared.stats;
}
void reset_peak_memory() {
  std::unique_lock lock(shared.mutex);
  shared.stats.peak = shared.stats.in_use;
}
void release_cached_memory() {
  std::unique_lock lock(shared.mutex);
#ifndef FUNCTRA_ASAN
  for (int c = kSmallClasses; c < kThreadClasses; ++c)
    for (Block** list : {&lists.head[c], &lists.spare[c]}) {
      for (Block* b = *list; b;) {
        Block* next = b->next;
        std::free(b);
        b = next;
      }
      *list = nullptr;
      lists.count[c] = 0;
    }
#endif
  release_chains(lock);
  release_blocks(lock, 0);
}

}  // namespace functra
