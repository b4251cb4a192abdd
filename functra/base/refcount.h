// An intrusive reference count: handles may be copied and dropped on any thread.
#pragma once
#include <cstdint>

namespace functra {

struct RefCount {
  std::int32_t n = 1;
  void add() { __atomic_fetch_add(&n, 1, __ATOMIC_RELAXED); }
  bool drop() { return __atomic_sub_fetch(&n, 1, __ATOMIC_ACQ_REL) == 0; }  // true: that was the last
  bool unique() const { return __atomic_load_n(&n, __ATOMIC_ACQUIRE) == 1; }
};

}  // namespace functra
