// The heap, counted.
#pragma once
#include <cstdlib>

// Sanitizers stand before the C library's functions themselves; other C libraries than GNU's have no second names for them.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__) || !defined(__GLIBC__)
#define FUNCTRA_COUNTS_HEAP 0
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || __has_feature(memory_sanitizer)
#define FUNCTRA_COUNTS_HEAP 0
#endif
#endif
#ifndef FUNCTRA_COUNTS_HEAP
#define FUNCTRA_COUNTS_HEAP 1
#endif

namespace functra::testing {

// Blocks that malloc and its kin, and so every operator new, gave to all threads so far: a realloc is one.
std::size_t heap_blocks();

}  // namespace functra::testing
