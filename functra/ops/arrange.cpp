// Turning, stacking and repeating: what is composed of shape.cpp's operations.
#include "functra/ops/index.h"
#include "functra/ops/order.h"
#include "functra/ops/reduction.h"
#include "functra/ops/shape.h"
#include "functra/prims/index.h"
#include "functra/prims/math.h"

namespace functra {
using core::Site;

Tensor swapaxes(const Tensor& x, std::int64_t dim0, std::int64_t dim1) {
  Site site(FUNCTRA_SITE);
  return transpose(x, dim0, dim1);
}
Tensor ravel(const Tensor& x) {
  Site site(FUNCTRA_SITE);
  return flatten(x);
}
Tensor rot90(const Tensor& x, std::int64_t k, const Shape& dims) {
  Site site(FUNCTRA_SITE);
  Tensor v = ops::operand(x, "rot90");
  Shape d = wrap_dims(dims, static_cast<int>(v.dim()), "rot90");
  if (d.size() != 2) throw ShapeError("rot90: a turn needs two dimensions, not " + dims.str());
  switch ((k % 4 + 4) % 4) {
    case 1: return flip(transpose(v, d[0], d[1]), d[0]);
    case 2: return flip(v, d);
    case 3: return flip(transpose(v, d[0], d[1]), d[1]);
    default: return v;
  }
}
Tensor fliplr(const Tensor& x) {
  Site site(FUNCTRA_SITE);
  return flip(x, 1);
}
Tensor flipud(const Tensor& x) {
  Site site(FUNCTRA_SITE);
  return flip(x, 0);
}
Tensor dstack(TensorList xs) {
  Site site(FUNCTRA_SITE);
  std::vector<Tensor> parts;
  for (const Tensor& x : xs) {
    Shape s = ops::operand(x, "dstack").sizes();
    if (s.size() < 2) s = Shape{1, s.numel()};
    parts.push_back(s.size() == 2 ? reshape(x, s.with(2, 1)) : x);
  }
  return cat(parts, 2);
}
Tensor column_stack(TensorList xs) {
  Site site(FUNCTRA_SITE);
  std::vector<Tensor> parts;
  for (const Tensor& x : xs) parts.push_back(ops::operand(x, "column_stack").dim() < 2 ? reshape(x, {x.numel(), 1}) : x);
  return hstack(parts);
}
Tensor repeat_each(const Tensor& given, const Tensor& repeats, std::int64_t dim, std::optional<std::int64_t> total) {
  Site site(FUNCTRA_SITE);
  Tensor x = ops::operand(given, "repeat_interleave"), r = ops::operand(repeats, "repeat_interleave");
  int d = wrap_dim(dim, static_cast<int>(x.dim()), "repeat_interleave");
  std::int64_t n = x.size(d);
  if (!is_integer(r.raw_dtype()))
    throw DTypeError("repeat_interleave: the repeats have dtype " + std::string(name_of(r.dtype())) + ", they must be integers");
  if (!(r.sizes() == Shape{n}))
    throw ShapeError("repeat_interleave: repeats of shape " + r.sizes().str() + " for dimension " + std::to_string(d) + " of shape " +
                     x.sizes().str());
  Tensor ends = prims::cumsum(core::convert(r, DType::i64), 0, false);
  if (!total) {
    total = 0;
    for (std::int64_t v : r.to_vector<std::int64_t>()) {
      if (v < 0) throw ValueError("repeat_interleave: the repeat " + std::to_string(v) + " is negative");
      *total += v;
    }
  }
  if (n == 0 || *total == 0) return narrow(x, d, 0, 0);
  Tensor from = searchsorted(ends, prims::iota(DType::i64, {*total}, 0), true);
  return index_select(x, d, prims::min(from, Tensor::literal_of(Scalar(n - 1), DType::i64)));
}

}  // namespace functra
