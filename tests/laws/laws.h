// The battery: laws.cpp lists the laws.
#pragma once
#include <string>
#include <vector>

#include "laws/row.h"

namespace functra::testing {

struct Outcome {
  int ran = 0;                      // comparisons
  std::vector<std::string> broken;  // sample, law, what differed
};
Outcome run_battery(const Row&, bool stop_at_first = false);

}  // namespace functra::testing
