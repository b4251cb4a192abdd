#include "functra/ops/lax.h"

#include <algorithm>
#include <limits>

#include "functra/ops/checked.h"
#include "functra/ops/elementwise.h"
#include "functra/prims/gather.h"
#include "functra/prims/index.h"
#include "functra/prims/sort.h"

namespace functra::lax {
namespace {
using ops::firm;
Vec all_firm(TensorList xs) {
  Vec r;
  for (const Tensor& x : xs) r.push_back(firm(x));
  return r;
}
Scalar outside(DType d) {
  if (is_bool(d)) return Scalar(true);
  if (is_unsigned(d)) return Scalar(d == DType::u64 ? std::numeric_limits<std::uint64_t>::max() : (std::uint64_t(1) << (8 * size_of(d))) - 1);
  if (is_signed_int(d)) return Scalar(std::numeric_limits<std::int64_t>::min() >> (64 - 8 * size_of(d)));
  return Scalar(std::numeric_limits<double>::quiet_NaN());
}
}  // namespace

Tensor slice(const Tensor& x, const Shape& start, const Shape& limit, DimsOrAll strides) {
  core::Site site(FUNCTRA_SITE);
  ops::Checked checked;
  return prims::slice(firm(x), start, limit, strides ? *strides : Shape::filled(start.size(), 1));
}
Tensor dynamic_slice(const Tensor& x, TensorList starts, const Shape& sizes) {
  core::Site site(FUNCTRA_SITE);
  ops::Checked checked;
  return prims::dynamic_slice(firm(x), all_firm(starts), sizes);
}
Tensor dynamic_update_slice(const Tensor& x, const Tensor& update, TensorList starts) {
  core::Site site(FUNCTRA_SITE);
  ops::Checked checked;
  Tensor f = firm(x);
  return prims::dynamic_update_slice(f, update.weak() ? core::convert(update, f.raw_dtype()) : update, all_firm(starts));
}
Tensor pad(const Tensor& x, const Tensor& value, const std::vector<Padding>& padding) {
  core::Site site(FUNCTRA_SITE);
  ops::Checked checked;
  Shape low, high, interior;
  for (const Padding& p : padding) {
    low.push_back(p.low);
    high.push_back(p.high);
    interior.push_back(p.interior);
  }
  Tensor f = firm(x);
  if (low.size() != f.sizes().size()) throw ShapeError("pad: " + std::to_string(low.size()) + " paddings for a tensor of shape " + f.sizes().str());
  return prims::pad(f, value.weak() ? core::convert(value, f.raw_dtype()) : value, low, high, interior);
}
Tensor rev(const Tensor& x, const Shape& dims) {
  core::Site site(FUNCTRA_SITE);
  ops::Checked checked;
  Shape d = wrap_dims(dims, static_cast<int>(x.dim()), "rev");
  std::sort(d.begin(), d.end());
  return prims::rev(firm(x), d);
}
Tensor iota(DType dtype, std::int64_t n) {
  core::Site site(FUNCTRA_SITE);
  ops::Checked checked;
  return prims::iota(dtype, {n}, 0);
}
Tensor broadcasted_iota(DType dtype, const Shape& shape, std::int64_t dim) {
  core::Site site(FUNCTRA_SITE);
  ops::Checked checked;
  return prims::iota(dtype, shape, wrap_dim(dim, shape.rank(), "broadcasted_iota"));
}
Tensor broadcast_in_dim(const Tensor& x, const Shape& shape, const Shape& dims) {
  core::Site site(FUNCTRA_SITE);
  ops::Checked checked;
  // Extents of 1 repeat too.
  Tensor f = firm(x);
  Shape s = f.sizes(), keep, to;
  for (std::size_t i = 0; i < s.size() && dims.size() == s.size(); ++i) {
    if (s[i] == 1 && dims[i] >= 0 && dims[i] < shape.rank() && shape[static_cast<std::size_t>(dims[i])] != 1) continue;
    keep.push_back(s[i]);
    to.push_back(dims[i]);
  }
  if (dims.size() != s.size())
    throw ShapeError("broadcast_in_dim: " + std::to_string(dims.size()) + " dimensions " + dims.str() + " given for shape " + s.str());
  Tensor y = core::broadcast_in_dim(prims::reshape(f, keep), shape, to);
  if (!(y.sizes() == shape)) throw ShapeError("broadcast_in_dim: " + s.str() + " does not go to " + shape.str() + " along dimensions " + dims.str());
  return y;
}
Tensor reshape(const Tensor& x, const Shape& shape) {
  core::Site site(FUNCTRA_SITE);
  ops::Checked checked;
  return prims::reshape(firm(x), shape);
}
Tensor transpose(const Tensor& x, const Shape& permutation) {
  core::Site site(FUNCTRA_SITE);
  ops::Checked checked;
  if (permutation.rank() != x.dim())
    throw ShapeError("transpose: " + permutation.str() + " is not a permutation of the dimensions of " + x.sizes().str());
  return core::permute(firm(x), permutation);
}
Tensor concatenate(TensorList xs, std::int64_t dim) {
  core::Site site(FUNCTRA_SITE);
  ops::Checked checked;
  Vec all = all_firm(xs);
  return prims::concatenate(all, all.empty() ? 0 : wrap_dim(dim, static_cast<int>(all[0].dim()), "concatenate"));
}
Tensor gather(const Tensor& x, const Tensor& indices, const GatherDims& d, const Shape& slice_sizes, OutOfBounds mode,
              const std::optional<Scalar>& fill_value) {
  core::Site site(FUNCTRA_SITE);
  ops::Checked checked;
  Tensor f = firm(x);
  bool fill = mode == OutOfBounds::fill_or_drop;
  Scalar value = fill ? fill_value.value_or(outside(f.raw_dtype())) : Scalar(0);
  return prims::gather(
      f, firm(indices),
      {d.offset_dims, d.collapsed_slice_dims, d.start_index_map, d.operand_batching_dims, d.start_indices_batching_dims, slice_sizes, fill, value});
}
namespace {
prims::ScatterParams numbers(const ScatterDims& d, OutOfBounds mode) {
  return {d.update_window_dims,
          d.inserted_window_dims,
          d.scatter_dims_to_operand_dims,
          d.operand_batching_dims,
          d.scatter_indices_batching_dims,
          mode == OutOfBounds::fill_or_drop,
          false};
}
}  // namespace
Tensor scatter(const Tensor& x, const Tensor& indices, const Tensor& updates, const ScatterDims& dims, OutOfBounds mode) {
  core::Site site(FUNCTRA_SITE);
  ops::Checked checked;
  return prims::scatter(firm(x), firm(indices), firm(updates), numbers(dims, mode));
}
Tensor scatter_add(const Tensor& x, const Tensor& indices, const Tensor& updates, const ScatterDims& dims, OutOfBounds mode) {
  core::Site site(FUNCTRA_SITE);
  ops::Checked checked;
  return prims::scatter_add(firm(x), firm(indices), firm(updates), numbers(dims, mode));
}
Tensor scatter_mul(const Tensor& x, const Tensor& indices, const Tensor& updates, const ScatterDims& dims, OutOfBounds mode) {
  core::Site site(FUNCTRA_SITE);
  return prims::scatter_mul(firm(x), firm(indices), firm(updates), numbers(dims, mode));
}
Tensor scatter_min(const Tensor& x, const Tensor& indices, const Tensor& updates, const ScatterDims& dims, OutOfBounds mode) {
  core::Site site(FUNCTRA_SITE);
  return prims::scatter_min(firm(x), firm(indices), firm(updates), numbers(dims, mode));
}
Tensor scatter_max(const Tensor& x, const Tensor& indices, const Tensor& updates, const ScatterDims& dims, OutOfBounds mode) {
  core::Site site(FUNCTRA_SITE);
  return prims::scatter_max(firm(x), firm(indices), firm(updates), numbers(dims, mode));
}
std::pair<Tensor, Tensor> top_k(const Tensor& x, std::int64_t k) {
  core::Site site(FUNCTRA_SITE);
  Tensor f = firm(x);
  Vec r = prims::top_k(f, k, wrap_dim(-1, static_cast<int>(f.dim()), "top_k"), true);
  return {r[0], r[1]};
}
std::vector<Tensor> sort(TensorList operands, std::int64_t dim) {
  core::Site site(FUNCTRA_SITE);
  ops::Checked checked;
  Vec all = all_firm(operands);
  if (all.empty()) throw ValueError("sort: the list of operands is empty");
  return prims::sort(all, wrap_dim(dim, static_cast<int>(all[0].dim()), "sort"), false);
}

}  // namespace functra::lax
