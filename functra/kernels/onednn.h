// oneDNN runs on OpenMP; under our pool each call uses the calling thread alone.
#pragma once

extern "C" {
int omp_get_max_threads();
void omp_set_num_threads(int);
}

namespace functra::kernels {

// While it lives, OpenMP regions entered by this thread have one thread; the user's setting comes back afterwards.
class OneThread {
 public:
  OneThread() : before_(omp_get_max_threads()) {
    if (before_ != 1) omp_set_num_threads(1);
  }
  OneThread(const OneThread&) = delete;
  ~OneThread() {
    if (before_ != 1) omp_set_num_threads(before_);
  }

 private:
  int before_;
};

}  // namespace functra::kernels
