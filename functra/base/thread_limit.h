// How many threads work: of the process, and for some calls.
#pragma once

namespace functra {

// Threads that parallel operations use, the caller's included: FUNCTRA_NUM_THREADS if set, else what the hardware has.
int num_threads();
void set_num_threads(int n);  // ValueError if n < 1 or called within a parallel operation

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
