// Structured primitives by JAX's names. Nothing wraps or broadcasts here: extents must fit exactly.
#pragma once
#include <utility>

#include "functra/tensor/tensor.h"

namespace functra::lax {

Tensor slice(const Tensor& x, const Shape& start, const Shape& limit, DimsOrAll strides = {});
// The window of these sizes at `starts` (0-d integers, one per dimension), moved to lie inside of x.
Tensor dynamic_slice(const Tensor& x, TensorList starts, const Shape& sizes);
Tensor dynamic_update_slice(const Tensor& x, const Tensor& update, TensorList starts);  // x with that window replaced
// low and high copies of value (0-d) around, interior between neighbours; negative low and high crop.
struct Padding {
  std::int64_t low, high, interior = 0;
};
Tensor pad(const Tensor& x, const Tensor& value, const std::vector<Padding>& padding);
Tensor rev(const Tensor& x, const Shape& dims);
Tensor iota(DType dtype, std::int64_t n);
Tensor broadcasted_iota(DType dtype, const Shape& shape, std::int64_t dim);
Tensor broadcast_in_dim(const Tensor& x, const Shape& shape, const Shape& dims);  // dimension i of x becomes dims[i]
Tensor reshape(const Tensor& x, const Shape& shape);
Tensor transpose(const Tensor& x, const Shape& permutation);
Tensor concatenate(TensorList xs, std::int64_t dim);

// The last dimension of the indices holds index vectors, the others are batch dimensions; see jax.lax.GatherDimensionNumbers.
enum class OutOfBounds { clip, fill_or_drop };
struct GatherDims {
  Shape offset_dims{}, collapsed_slice_dims{}, start_index_map{}, operand_batching_dims{}, start_indices_batching_dims{};
};
// fill_or_drop: windows that reach outside are `fill_value` (default: NaN; the lowest signed, highest unsigned integer; true).
Tensor gather(const Tensor& x, const Tensor& indices, const GatherDims& dims, const Shape& slice_sizes, OutOfBounds mode = OutOfBounds::fill_or_drop,
              const std::optional<Scalar>& fill_value = {});
struct ScatterDims {
  Shape update_window_dims{}, inserted_window_dims{}, scatter_dims_to_operand_dims{}, operand_batching_dims{}, scatter_indices_batching_dims{};
};
// fill_or_drop: windows that reach outside are left out. Windows that overlap: the last wins, or they accumulate.
Tensor scatter(const Tensor& x, const Tensor& indices, const Tensor& updates, const ScatterDims& dims, OutOfBounds mode = OutOfBounds::fill_or_drop);
Tensor scatter_add(const Tensor& x, const Tensor& indices, const Tensor& updates, const ScatterDims& dims,
                   OutOfBounds mode = OutOfBounds::fill_or_drop);

// Windows combined with what is there. Equal extremes share the derivative; that of products is right at zeros.
Tensor scatter_mul(const Tensor& x, const Tensor& indices, const Tensor& updates, const ScatterDims& dims,
                   OutOfBounds mode = OutOfBounds::fill_or_drop);
Tensor scatter_min(const Tensor& x, const Tensor& indices, const Tensor& updates, const ScatterDims& dims,
                   OutOfBounds mode = OutOfBounds::fill_or_drop);
Tensor scatter_max(const Tensor& x, const Tensor& indices, const Tensor& updates, const ScatterDims& dims,
                   OutOfBounds mode = OutOfBounds::fill_or_drop);

// The k largest elements along the last dimension in descending order, and their positions (i64); of equal ones the first; NaN counts
// as the largest. The derivative goes to the elements chosen.
std::pair<Tensor, Tensor> top_k(const Tensor& x, std::int64_t k);
// Running operations along dim, from the other end if reverse; dtypes stay.
Tensor cumsum(const Tensor& x, std::int64_t dim = 0, bool reverse = false);
Tensor cumprod(const Tensor& x, std::int64_t dim = 0, bool reverse = false);
Tensor cummax(const Tensor& x, std::int64_t dim = 0, bool reverse = false);
Tensor cummin(const Tensor& x, std::int64_t dim = 0, bool reverse = false);
Tensor cumlogsumexp(const Tensor& x, std::int64_t dim = 0, bool reverse = false);

// Every operand in the order that sorts the first one: stable, NaN last.
std::vector<Tensor> sort(TensorList operands, std::int64_t dim = -1);

}  // namespace functra::lax
