// gather and scatter, with the dimension numbers of JAX. The index vector is the last dimension of the indices; the others are
// batch dimensions.
#pragma once
#include "functra/prims/build.h"

namespace functra::prims {

// offset_dims: dimensions of the result that a window fills. collapsed: operand dimensions that a window does not keep (size 1).
// start_map[k]: the operand dimension of index component k. operand_batch[i] and indices_batch[i] advance together (size 1).
// fill: windows that reach outside are `value`; otherwise their start is clamped.
struct GatherParams {
  Shape offset_dims, collapsed, start_map, operand_batch, indices_batch, sizes;
  bool fill;
  Scalar value;
};
// The same for updates: window_dims are dimensions of the updates. drop: windows that reach outside are left out, else clamped.
// unique: no two windows overlap.
struct ScatterParams {
  Shape window_dims, inserted, scatter_map, operand_batch, indices_batch;
  bool drop, unique;
};

extern const Primitive gather_p, scatter_p, scatter_add_p, scatter_mul_p, scatter_min_p, scatter_max_p;

Tensor gather(const Tensor& x, const Tensor& indices, const GatherParams& p);
// x with windows replaced; of windows that overlap the last one (in row-major order) wins.
Tensor scatter(const Tensor& x, const Tensor& indices, const Tensor& updates, const ScatterParams& p);
// x with windows added; windows that overlap accumulate.
Tensor scatter_add(const Tensor& x, const Tensor& indices, const Tensor& updates, const ScatterParams& p);
// The same with products and extremes. NaN wins in extremes; those that equal the extreme share its derivative evenly.
Tensor scatter_mul(const Tensor& x, const Tensor& indices, const Tensor& updates, const ScatterParams& p);
Tensor scatter_min(const Tensor& x, const Tensor& indices, const Tensor& updates, const ScatterParams& p);
Tensor scatter_max(const Tensor& x, const Tensor& indices, const Tensor& updates, const ScatterParams& p);
// result[..., i, ...] = x[..., indices[..., i, ...], ...] along dim; the other extents are equal. Indices are clamped.
Tensor take_along(const Tensor& x, const Tensor& indices, int dim);
// x[..., indices, ...]: dimension dim becomes the dimensions of indices (of any rank). Indices are clamped.
Tensor take(const Tensor& x, const Tensor& indices, int dim);

}  // namespace functra::prims
