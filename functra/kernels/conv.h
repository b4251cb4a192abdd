// Convolutions (correlations, as in every neural-network library) in the layout [N, C, spatial...].
#pragma once
#include "functra/base/dtype.h"
#include "functra/base/shape.h"

namespace functra::kernels {

// One entry per spatial dimension (1 to 3 of them). Paddings may be negative and then crop; lhs dilation puts zeros between the
// elements of x before padding, rhs dilation between those of w.
struct ConvGeometry {
  Shape stride, pad_lo, pad_hi, lhs_dilation, rhs_dilation;
};

// Output extent along one spatial dimension (0 where the dilated kernel does not fit).
std::int64_t conv_extent(std::int64_t n, std::int64_t k, std::int64_t stride, std::int64_t lo, std::int64_t hi, std::int64_t lhs_dilation,
                         std::int64_t rhs_dilation);

// x [N, C, spatial...], w [O, C / groups, spatial...] of any strides; out [N, O, spatial...] contiguous. f32 or f64; DTypeError
// otherwise. Extents are the caller's to check.
void conv_general_dilated(DType d, const void* x, const Shape& x_shape, const Shape& x_strides, const void* w, const Shape& w_shape,
                          const Shape& w_strides, const ConvGeometry& g, std::int64_t groups, void* out);

}  // namespace functra::kernels
