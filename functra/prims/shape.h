// Structural primitives: movement without arithmetic.
#pragma once
#include "functra/prims/build.h"

namespace functra::prims {

struct BroadcastParams {
  Shape shape, dims;
};
struct ShapeParams {
  Shape shape;
};
struct PermParams {
  Shape perm;
};
struct SliceParams {
  Shape start, limit, stride;
};
struct PadParams {
  Shape low, high, interior;
};

struct DimParams {
  std::int64_t dim;
};

extern const Primitive reshape_p, slice_p, pad_p, concatenate_p;

Tensor reshape(const Tensor& x, const Shape& shape);  // x itself if it has the shape
// x[start : limit : stride] per dimension; 0 <= start <= limit <= extent, stride >= 1.
Tensor slice(const Tensor& x, const Shape& start, const Shape& limit, const Shape& stride);
// `low` and `high` copies of value (0-d) around, `interior` between neighbours; low and high may be negative (cropping).
Tensor pad(const Tensor& x, const Tensor& value, const Shape& low, const Shape& high, const Shape& interior);

// Joined along dim (wrapped); the other extents are equal.
Tensor concatenate(Ins parts, int dim);

}  // namespace functra::prims
