// A limit on threads for some calls, beside the one for the process (set_num_threads in pool.h).
#pragma once

namespace functra {

// While it lives, parallel operations that this thread begins, in eager and in compiled calls, use at most n threads, its own included.
// Limits nest: the least one holds. ValueError if n < 1.
class ThreadLimit {
 public:
  explicit ThreadLimit(int n);
  ~ThreadLimit();
  ThreadLimit(const ThreadLimit&) = delete;
  ThreadLimit& operator=(const ThreadLimit&) = delete;

 private:
  int before_;
};

}  // namespace functra
