// Positions and windows: iota, rev, dynamic_slice, dynamic_update_slice.
#pragma once
#include "functra/prims/reduce.h"
#include "functra/prims/shape.h"

namespace functra::prims {

struct IotaParams {
  DType dtype;
  Shape shape;
  std::int64_t dim;
};

struct SizesParams {
  Shape sizes;
};

extern const Primitive iota_p, rev_p, dynamic_slice_p, dynamic_update_slice_p;

Tensor iota(DType d, const Shape& shape, int dim);  // the index along dim, as a number of dtype d
Tensor rev(const Tensor& x, const Shape& dims);     // reversed along dims (distinct, increasing); x itself for none

// The window of these sizes that starts at `starts` (0-d integers, one per dimension), clamped so that it lies in x.
Tensor dynamic_slice(const Tensor& x, Ins starts, const Shape& sizes);
// x with that window replaced by `update` (of x's dtype and rank).
Tensor dynamic_update_slice(const Tensor& x, const Tensor& update, Ins starts);

}  // namespace functra::prims
