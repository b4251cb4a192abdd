// Convolutions and pooling. Layouts are torch's: x [N, C, spatial...] or one example [C, spatial...], weights [O, C / groups, spatial...].
// Strides, paddings, dilations and windows are one number for every spatial dimension or one each; f32 and f64. ShapeError where
// extents do not fit.
#pragma once
#include "functra/tensor/tensor.h"

namespace functra {

Tensor conv1d(const Tensor& x, const Tensor& w, const Tensor& bias = {}, const Shape& stride = 1, const Shape& padding = 0, const Shape& dilation = 1,
              std::int64_t groups = 1);
Tensor conv2d(const Tensor& x, const Tensor& w, const Tensor& bias = {}, const Shape& stride = 1, const Shape& padding = 0, const Shape& dilation = 1,
              std::int64_t groups = 1);
Tensor conv3d(const Tensor& x, const Tensor& w, const Tensor& bias = {}, const Shape& stride = 1, const Shape& padding = 0, const Shape& dilation = 1,
              std::int64_t groups = 1);

// The transpose of the convolution with the same options as a linear map: w [C, O / groups, spatial...]. output_padding adds to the
// extents of the result, stride (extent - 1) + dilation (window - 1) + 1 - 2 padding, at their ends.
Tensor conv_transpose1d(const Tensor& x, const Tensor& w, const Tensor& bias = {}, const Shape& stride = 1, const Shape& padding = 0,
                        const Shape& output_padding = 0, std::int64_t groups = 1, const Shape& dilation = 1);
Tensor conv_transpose2d(const Tensor& x, const Tensor& w, const Tensor& bias = {}, const Shape& stride = 1, const Shape& padding = 0,
                        const Shape& output_padding = 0, std::int64_t groups = 1, const Shape& dilation = 1);
Tensor conv_transpose3d(const Tensor& x, const Tensor& w, const Tensor& bias = {}, const Shape& stride = 1, const Shape& padding = 0,
                        const Shape& output_padding = 0, std::int64_t groups = 1, const Shape& dilation = 1);

// Over windows of the spatial dimensions; an empty stride is the window. The derivative of a maximum goes to the first largest element;
// averages count padding as zeros unless count_include_pad is false.
Tensor max_pool1d(const Tensor& x, const Shape& window, const Shape& stride = {}, const Shape& padding = 0, const Shape& dilation = 1);
Tensor max_pool2d(const Tensor& x, const Shape& window, const Shape& stride = {}, const Shape& padding = 0, const Shape& dilation = 1);
Tensor max_pool3d(const Tensor& x, const Shape& window, const Shape& stride = {}, const Shape& padding = 0, const Shape& dilation = 1);
Tensor avg_pool1d(const Tensor& x, const Shape& window, const Shape& stride = {}, const Shape& padding = 0, bool count_include_pad = true);
Tensor avg_pool2d(const Tensor& x, const Shape& window, const Shape& stride = {}, const Shape& padding = 0, bool count_include_pad = true);
Tensor avg_pool3d(const Tensor& x, const Shape& window, const Shape& stride = {}, const Shape& padding = 0, bool count_include_pad = true);
// Means over windows [floor(i n / m), ceil((i + 1) n / m)) of an extent n, for each position i of an output extent m.
Tensor adaptive_avg_pool1d(const Tensor& x, const Shape& output);
Tensor adaptive_avg_pool2d(const Tensor& x, const Shape& output);
Tensor adaptive_avg_pool3d(const Tensor& x, const Shape& output);

namespace lax {

// As jax.lax.conv_general_dilated in the layout [N, C, spatial...] with [O, C / groups, spatial...]; the kernel is not flipped. Empty lists
// stand for ones (paddings: zeros). Paddings may be negative and then crop. With batch_group_count the examples are cut into groups
// instead of the channels, each meeting its share of the output channels.
struct ConvDims {
  Shape strides{}, padding_low{}, padding_high{}, lhs_dilation{}, rhs_dilation{};
  std::int64_t feature_group_count = 1, batch_group_count = 1;
};
Tensor conv_general_dilated(const Tensor& x, const Tensor& w, const ConvDims& dims = {});

enum class WindowOp { add, max, min };
// One entry per dimension of x in each list; empty ones as above. Padding, and the gaps of base_dilation, hold the identity of the
// operation.
struct WindowDims {
  Shape size, strides{}, padding_low{}, padding_high{}, base_dilation{}, window_dilation{};
};
Tensor reduce_window(const Tensor& x, WindowOp op, const WindowDims& dims);

}  // namespace lax
}  // namespace functra
