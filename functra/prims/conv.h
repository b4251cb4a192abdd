// Convolution.
#pragma once
#include "functra/prims/build.h"

namespace functra::prims {

// One entry per spatial dimension. Paddings may be negative and then crop.
struct ConvParams {
  Shape strides, low, high, lhs_dilation, rhs_dilation;
  std::int64_t groups;
};
extern const Primitive conv_general_dilated_p;
// x [N, C, spatial...] with w [O, C / groups, spatial...] gives [N, O, spatial...]; the kernel is not flipped. At most three spatial
// dimensions.
Tensor conv_general_dilated(const Tensor& x, const Tensor& w, const ConvParams& p);

}  // namespace functra::prims
