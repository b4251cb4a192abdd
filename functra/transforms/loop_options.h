// Options of the control-flow functions, designated in the order shown.
#pragma once
#include "functra/tree/axes.h"

namespace functra {

struct ScanOptions {
  OptInt length{};            // number of steps, where no xs say it
  bool reverse = false;       // from the last slice to the first; ys stay in the order of xs
  std::int64_t unroll = 1;    // steps that compiled code may put side by side; never changes results
  OptInt checkpoint_every{};  // k: reverse mode keeps a carry every k steps and computes the steps between again
};
struct WhileOptions {
  OptInt max_steps{};   // reverse mode keeps what it needs of so many steps; a loop that goes on is a ValueError
  OptInt checkpoint{};  // reverse mode keeps at most so many carries (0: about 2 sqrt of the number of steps) and makes the steps between again
};
struct MapOptions {
  OptInt batch_size{};  // so many elements at a time, by vmap; none: one by one
};
struct AssociativeScanOptions {
  std::int64_t dim = 0;
  bool reverse = false;
};

}  // namespace functra
