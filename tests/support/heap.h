// The heap, counted.
#pragma once
#include <cstddef>

// Sanitizers bring an operator new of their own, which counts nothing.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
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

std::size_t heap_blocks();  // that operator new gave to this thread so far

}  // namespace functra::testing
