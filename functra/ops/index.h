// Reading and writing at positions, and order. Names and results are torch's.
//
// Positions count from the end when negative. Where their values are known (not mapped, not traced) a position out of range is an
// IndexError; under a transform that hides them it is clamped. Index tensors are integers; a bool mask must have known values, since
// its count is a shape (under vmap and jit use where or masked_fill).
#pragma once
#include <utility>

#include "functra/tensor/tensor.h"

namespace functra {

// NumPy's indexing: integers, Slice (steps of either sign), none (a new extent of 1), Ellipsis, integer tensors (which broadcast
// against each other; their dimensions stand where the first one stood, in front if others separate them), bool masks.
Tensor index(const Tensor& x, const std::vector<Index>& indices);
// x with values (which broadcast) written there: a new tensor. Of equal positions the last wins, or, with accumulate, values add up.
Tensor index_put(const Tensor& x, const std::vector<Index>& indices, const Tensor& values, bool accumulate = false);

Tensor index_select(const Tensor& x, std::int64_t dim, const Tensor& index);                          // the slices of x at index (1-d) along dim
Tensor take_along_dim(const Tensor& x, const Tensor& indices, std::optional<std::int64_t> dim = {});  // others broadcast; none: of x flattened
Tensor take(const Tensor& x, const Tensor& index);                                                    // of x flattened, in the shape of index
Tensor masked_select(const Tensor& x, const Tensor& mask);                                            // 1-d; the mask's values must be known
Tensor nonzero(const Tensor& x);                                                                      // [count, rank] i64; values must be known
// torch.gather: r[i][j] = x[i][index[i][j]] for dim 1. Outside of dim, index may be smaller than x.
Tensor gather(const Tensor& x, std::int64_t dim, const Tensor& index);
// torch.scatter: x with r[i][index[i][j]] = src[i][j] for dim 1; scatter_add adds. src is at least as large as index, or 0-d.
Tensor scatter(const Tensor& x, std::int64_t dim, const Tensor& index, const Tensor& src);
Tensor scatter_add(const Tensor& x, std::int64_t dim, const Tensor& index, const Tensor& src);
// x with slices of src added (copied) at index (1-d) along dim.
Tensor index_add(const Tensor& x, std::int64_t dim, const Tensor& index, const Tensor& src);
Tensor index_copy(const Tensor& x, std::int64_t dim, const Tensor& index, const Tensor& src);
Tensor masked_fill(const Tensor& x, const Tensor& mask, const Tensor& value);  // value (0-d) where mask; the mask broadcasts

// Sorted along dim and the positions (i64) in x: stable; NaN counts as the largest value; derivatives follow the permutation.
std::pair<Tensor, Tensor> sort(const Tensor& x, std::int64_t dim = -1, bool descending = false);
Tensor argsort(const Tensor& x, std::int64_t dim = -1, bool descending = false);
std::pair<Tensor, Tensor> topk(const Tensor& x, std::int64_t k, std::int64_t dim = -1, bool largest = true);  // in order
Tensor msort(const Tensor& x);                                                                                // along dimension 0
std::pair<Tensor, Tensor> median(const Tensor& x, std::int64_t dim, bool keepdim = false);  // the lower one of two, with its position

}  // namespace functra
