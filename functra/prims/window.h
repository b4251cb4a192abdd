// Reductions over sliding windows, and the selections that are their derivatives.
#pragma once
#include "functra/prims/build.h"

namespace functra::prims {

// One entry per dimension of the operand. Paddings may be negative and then crop; padding and the gaps of base_dilation hold the
// identity of the operation.
struct WindowParams {
  Shape size, stride, low, high, base_dilation, window_dilation;
};
// Of such windows; max: the first largest element of a window is selected, else the first smallest. NaN is both.
struct SelectParams {
  bool max;
  Shape size, stride, low, high, base_dilation, window_dilation;
};
extern const Primitive reduce_window_sum_p, reduce_window_max_p, reduce_window_min_p, select_and_gather_add_p, select_and_scatter_add_p;

Tensor reduce_window_sum(const Tensor& x, const WindowParams& p);
Tensor reduce_window_max(const Tensor& x, const WindowParams& p);
Tensor reduce_window_min(const Tensor& x, const WindowParams& p);
// Per window of x, the element of t where x is selected; zero for a window of padding alone.
Tensor select_and_gather_add(const Tensor& t, const Tensor& x, const SelectParams& p);
// Of the shape of x: the elements of source, one per window, added up where x is selected.
Tensor select_and_scatter_add(const Tensor& source, const Tensor& x, const SelectParams& p);

}  // namespace functra::prims
