// Memory that a kernel needs while it runs.
#pragma once
#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "functra/base/memory.h"

namespace functra::kernels {

// n elements, not set, aligned to lines of the cache: of memory that is kept, so that calls that repeat ask the heap for nothing.
template <class T> class Scratch {
 public:
  explicit Scratch(std::int64_t n)
      : bytes_(static_cast<std::size_t>(std::max<std::int64_t>(n, 1)) * sizeof(T)), p_(static_cast<T*>(allocate(bytes_))) {}
  Scratch(const Scratch&) = delete;
  ~Scratch() { deallocate(p_, bytes_); }
  operator T*() { return p_; }

 private:
  std::size_t bytes_;
  T* p_;
};

}  // namespace functra::kernels
