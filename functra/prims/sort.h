// Order along a dimension: sorting, the largest elements, places in a sorted line. Everywhere NaN counts as the largest value.
#pragma once
#include "functra/prims/build.h"

namespace functra::prims {

struct SortParams {
  std::int64_t dim;
  bool descending;
  std::int64_t operands;
};

struct TopKParams {
  std::int64_t k, dim;
  bool largest;
};
struct SearchParams {
  bool right;
};

extern const Primitive sort_p, top_k_p, searchsorted_p;

// All operands (of one shape) in the order that sorts the first one along dim: stable, NaN counts as the largest.
Vec sort(Ins xs, int dim, bool descending);
// The k largest (smallest) elements along dim in descending (ascending) order, and their positions (i64); of equal ones the first.
Vec top_k(const Tensor& x, std::int64_t k, int dim, bool largest);
// Per value the number (i64) of elements of its ascending line that are less, or not greater (right): sorted [B..., n], values
// [B..., m], of one dtype.
Tensor searchsorted(const Tensor& sorted, const Tensor& values, bool right);

}  // namespace functra::prims
