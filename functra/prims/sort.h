// Sorting along a dimension.
#pragma once
#include "functra/prims/build.h"

namespace functra::prims {

struct SortParams {
  std::int64_t dim;
  bool descending;
  std::int64_t operands;
};

extern const Primitive sort_p;

// All operands (of one shape) in the order that sorts the first one along dim: stable, NaN counts as the largest.
Vec sort(Ins xs, int dim, bool descending);

}  // namespace functra::prims
