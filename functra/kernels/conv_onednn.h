// Convolutions that oneDNN does faster than patches and products.
#pragma once
#include "functra/kernels/conv.h"

namespace functra::kernels {

// Contiguous f32. False, with nothing done, where oneDNN does not apply or measures slower.
bool conv_by_onednn(const float* x, const Shape& x_shape, const float* w, const Shape& w_shape, const ConvGeometry& g, std::int64_t groups,
                    float* out);

}  // namespace functra::kernels
