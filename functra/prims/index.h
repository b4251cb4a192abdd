// Positions: iota, rev.
#pragma once
#include "functra/prims/reduce.h"
#include "functra/prims/shape.h"

namespace functra::prims {

struct IotaParams { DType dtype; Shape shape; std::int64_t dim; };

extern const Primitive iota_p, rev_p;

Tensor iota(DType d, const Shape& shape, int dim);  // the index along dim, as a number of dtype d
Tensor rev(const Tensor& x, const Shape& dims);     // reversed along dims (distinct, increasing); x itself for none

}  // namespace functra::prims
