#include "support/heap.h"

#include <atomic>
#include <cerrno>
#include <cstdlib>

static constinit std::atomic<std::size_t> blocks = 0;
std::size_t functra::testing::heap_blocks() { return blocks.load(std::memory_order_relaxed); }

#if FUNCTRA_COUNTS_HEAP
// The C library's own functions, by the names that it has for those who stand before them. Every operator new comes here too, as the standard
// library's call malloc and aligned_alloc.
extern "C" {
void* __libc_malloc(std::size_t);
void* __libc_calloc(std::size_t, std::size_t);
void* __libc_realloc(void*, std::size_t);
void* __libc_memalign(std::size_t, std::size_t);

static void count_block() { blocks.fetch_add(1, std::memory_order_relaxed); }
void* malloc(std::size_t n) noexcept {
  count_block();
  return __libc_malloc(n);
}
void* calloc(std::size_t n, std::size_t size) noexcept {
  count_block();
  return __libc_calloc(n, size);
}
void* realloc(void* p, std::size_t n) noexcept {
  count_block();
  return __libc_realloc(p, n);
}
void* memalign(std::size_t alignment, std::size_t n) noexcept {
  count_block();
  return __libc_memalign(alignment, n);
}
void* aligned_alloc(std::size_t alignment, std::size_t n) noexcept {
  count_block();
  return __libc_memalign(alignment, n);
}
int posix_memalign(void** to, std::size_t alignment, std::size_t n) noexcept {
  count_block();
  if (alignment < sizeof(void*) || (alignment & (alignment - 1)) != 0) return EINVAL;
  void* p = __libc_memalign(alignment, n);
  if (!p) return ENOMEM;
  *to = p;
  return 0;
}
}
#endif
