// Sums of products.
#pragma once
#include "functra/prims/build.h"

namespace functra::prims {

// Dimensions summed over (left with right, pairwise) and dimensions that both share (batch). The result has the batch dimensions,
// then the other dimensions of the left operand, then those of the right one, as JAX's dot_general.
struct DotParams {
  Shape left, right, left_batch, right_batch;
};
extern const Primitive dot_general_p;
Tensor dot_general(const Tensor& a, const Tensor& b, const DotParams& p);
// Evaluated; as permute(result, order), written in that order. No order: as it is.
Tensor dot_general_in_order(const Tensor& a, const Tensor& b, const DotParams& p, const Shape& order);

}  // namespace functra::prims
