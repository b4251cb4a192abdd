// Reductions over sliding windows and the gradient of max pooling.
#pragma once
#include "functra/base/dtype.h"
#include "functra/base/shape.h"
#include "functra/kernels/reduce.h"

namespace functra::kernels {

// One entry per dimension of the array. Paddings may be negative and then crop; base dilation puts gaps between the elements of x,
// window dilation between those of the window. Padding and gaps hold the operation's identity.
struct WindowGeometry {
  Shape size, stride, pad_lo, pad_hi, base_dilation, window_dilation;
};

Shape window_shape(const Shape& shape, const WindowGeometry& g);  // of the result

// op is sum, prod, max or min (NaN wins in these two); out is contiguous of window_shape. Any real type; complex for sum and prod.
void reduce_window(Reduce op, DType d, const void* x, const Shape& shape, const Shape& strides, const WindowGeometry& g, void* out);

// The gradient of a max (or min) reduce_window: out, contiguous of x's shape, is zero but for source[w] added, for
// each window w, where the window's first greatest (smallest) element lies; NaN counts as greatest and smallest. A window that holds
// padding alone adds nothing. Floats only (DTypeError).
void select_and_scatter_add(bool max, DType d, const void* x, const Shape& shape, const Shape& strides, const void* source,
                            const Shape& source_strides, const WindowGeometry& g, void* out);
// The transpose's counterpart, its derivative with respect to source: out[w] = y[i] at the element i that window w selects in x,
// contiguous of window_shape; 0 for a window of padding alone.
void select_and_gather(bool max, DType d, const void* x, const Shape& shape, const Shape& strides, const void* y, const Shape& y_strides,
                       const WindowGeometry& g, void* out);

}  // namespace functra::kernels
