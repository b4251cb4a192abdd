// Blocks for tensors. Freed blocks are kept and handed out again: touching a fresh page for the first time costs more than the
// arithmetic on it.
#pragma once
#include <cstddef>

namespace functra {

// 64-byte aligned, uninitialised. Blocks of 2 MiB and more ask for huge pages and start at staggered cache lines, so that several
// large operands do not fall into the same cache sets. std::bad_alloc when the system has no memory left.
void* allocate(std::size_t bytes);
// `bytes` is what allocate was given. Any thread may free any block.
void deallocate(void* p, std::size_t bytes) noexcept;

// Blocks above 32 KiB only: what is handed out, what is kept for reuse, and the highest in_use since the last reset_peak_memory.
struct MemoryStats {
  std::size_t in_use = 0, cached = 0, peak = 0;
};
MemoryStats memory_stats();
void reset_peak_memory();
// Returns to the system the blocks above 1 KiB that are kept for reuse (other threads keep their own few of at most 32 KiB).
void release_cached_memory();

}  // namespace functra
