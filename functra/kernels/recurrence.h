// First-order recurrences along a dimension.
#pragma once
#include "functra/base/dtype.h"
#include "functra/base/shape.h"

namespace functra::kernels {

// s_i = a_i s_{i-1} + b_i along dim (s_i = a_i s_{i+1} + b_i if reverse), from zero. All three contiguous of `shape`. DTypeError
// unless the dtype is f32, f64, c64 or c128.
void linear_recurrence(DType d, const void* a, const void* b, const Shape& shape, int dim, bool reverse, void* out);

// y_i = log(exp(x_0) + ... + exp(x_i)) along dim (from the other end if reverse), summed in double, without overflow. x and out are
// contiguous of `shape`. Floats only (DTypeError).
void log_cumulative_sum_exp(DType d, const void* x, const Shape& shape, int dim, bool reverse, void* out);

}  // namespace functra::kernels
