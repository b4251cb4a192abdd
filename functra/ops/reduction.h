// What reductions share: dimensions as users give them, and checks.
#pragma once
#include "functra/ops/elementwise.h"
#include "functra/prims/reduce.h"

namespace functra::ops {

// Reduced dimensions, wrapped and increasing. A 0-d tensor may be reduced along 0 or -1, which does nothing.
Shape reduced_dims(const Tensor& x, const DimsOrAll& dim, const char* who);
int one_dim(const Tensor& x, std::int64_t dim, const char* who);
// y, a reduction over dims of an operand of this shape, with extents of 1 there.
Tensor keep_dims(const Tensor& y, const Shape& operand, const Shape& dims);
// f(x, dims), its result with extents of 1 if keepdim.
template <class F> Tensor reduction(const Tensor& x, const DimsOrAll& dim, bool keepdim, const char* who, F f) {
  Shape dims = reduced_dims(x, dim, who);
  Tensor y = f(x, dims);
  return keepdim && !dims.empty() ? keep_dims(y, x.sizes(), dims) : y;
}
// x, firm; ValueError for an undefined tensor.
Tensor operand(const Tensor& x, const char* who);
void need_elements(const Tensor& x, const Shape& dims, const char* who);
void need_floating(const Tensor& x, const char* who);
std::int64_t count_over(const Tensor& x, const Shape& dims);
Tensor mean_over(const Tensor& x, const Shape& dims);
// y, a reduction of x over dims, repeated along them.
Tensor spread(const Tensor& y, const Tensor& x, const Shape& dims);

}  // namespace functra::ops
