#include "support/heap.h"

#include <cstdlib>
#include <new>

static thread_local constinit std::size_t blocks = 0;
std::size_t functra::testing::heap_blocks() { return blocks; }

#if FUNCTRA_COUNTS_HEAP
void* operator new(std::size_t n) {
  ++blocks;
  if (void* p = std::malloc(n ? n : 1)) return p;
  throw std::bad_alloc();
}
void* operator new[](std::size_t n) { return operator new(n); }
void operator delete(void* p) noexcept { std::free(p); }
void operator delete(void* p, std::size_t) noexcept { std::free(p); }
void operator delete[](void* p) noexcept { std::free(p); }
void operator delete[](void* p, std::size_t) noexcept { std::free(p); }
#endif
