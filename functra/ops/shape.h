// Changes of shape, by torch's names. Dimensions count from the end when negative (IndexError out of range). Results that can be
// views are views; a number is taken as a 0-d tensor of its dtype.
#pragma once
#include "functra/tensor/tensor.h"

namespace functra {

Tensor reshape(const Tensor& x, const Shape& shape);  // one extent may be -1; ShapeError if the sizes differ
Tensor view(const Tensor& x, const Shape& shape);
Tensor flatten(const Tensor& x, std::int64_t start = 0, std::int64_t end = -1);  // dimensions start..end (included) become one
Tensor unflatten(const Tensor& x, std::int64_t dim, const Shape& shape);         // dimension dim becomes `shape` (one -1)
Tensor squeeze(const Tensor& x, DimsOrAll dims = {});                            // drops the extents of 1 among dims
Tensor unsqueeze(const Tensor& x, std::int64_t dim);                             // a new extent of 1 at dim, in [-rank-1, rank]
Tensor expand(const Tensor& x, const Shape& shape);                              // repeats extents of 1; -1 keeps an extent
Tensor broadcast_to(const Tensor& x, const Shape& shape);                        // NumPy's broadcasting
std::vector<Tensor> broadcast_tensors(TensorList xs);                            // all to their common shape
Tensor transpose(const Tensor& x, std::int64_t dim0, std::int64_t dim1);
Tensor permute(const Tensor& x, const Shape& dims);                              // dimension i of the result is dims[i] of x
Tensor t(const Tensor& x);                                                       // transpose of a matrix; ShapeError above two dimensions
Tensor swapaxes(const Tensor& x, std::int64_t dim0, std::int64_t dim1);          // transpose
Tensor ravel(const Tensor& x);                                                   // one dimension
Tensor movedim(const Tensor& x, const Shape& source, const Shape& destination);  // the other dimensions keep their order

Tensor cat(TensorList xs, std::int64_t dim = 0);  // joins; dtypes promote; 1-d empty tensors are skipped, as in torch
Tensor concat(TensorList xs, std::int64_t dim = 0);
Tensor stack(TensorList xs, std::int64_t dim = 0);  // along a new dimension; ShapeError unless shapes agree
Tensor hstack(TensorList xs);
Tensor vstack(TensorList xs);
Tensor dstack(TensorList xs);        // along dimension 2
Tensor column_stack(TensorList xs);  // as hstack, but vectors are columns
// Pieces of `size` (the last may be smaller), or of the sizes listed (ShapeError unless they add up).
std::vector<Tensor> split(const Tensor& x, std::int64_t size, std::int64_t dim = 0);
std::vector<Tensor> split(const Tensor& x, const Shape& sizes, std::int64_t dim = 0);
std::vector<Tensor> chunk(const Tensor& x, std::int64_t chunks, std::int64_t dim = 0);
std::vector<Tensor> unbind(const Tensor& x, std::int64_t dim = 0);  // the slices along dim, without it
Tensor narrow(const Tensor& x, std::int64_t dim, std::int64_t start, std::int64_t length);
Tensor select(const Tensor& x, std::int64_t dim, std::int64_t index);  // one slice along dim, without it

Tensor flip(const Tensor& x, const Shape& dims);
// pads = {low, high} of the last dimension, then of the one before it, ... as torch.nn.functional.pad; negative pads crop.
Tensor pad(const Tensor& x, const Shape& pads, const Tensor& value = 0.0);
Tensor roll(const Tensor& x, const Shape& shifts, DimsOrAll dims = {});  // elements move up by shifts, around the end; without dims, of x flattened
Tensor tile(const Tensor& x, const Shape& repeats);                      // NumPy's tile
Tensor repeat(const Tensor& x, const Shape& repeats);                    // at least one repeat per dimension of x
Tensor repeat_interleave(const Tensor& x, std::int64_t repeats, std::optional<std::int64_t> dim = {});
// Slice i along dim repeats[i] times (integers [n]), `total` slices in all: missing ones repeat the last; needed where the values of
// repeats are not known (TracerError).
Tensor repeat_each(const Tensor& x, const Tensor& repeats, std::int64_t dim, std::optional<std::int64_t> total = {});
template <class T>
requires std::is_same_v<T, Tensor> Tensor repeat_interleave(const Tensor& x, const T& repeats, std::int64_t dim,
                                                            std::optional<std::int64_t> total = {}) {  // not for numbers, which become tensors
  return repeat_each(x, repeats, dim, total);
}
Tensor rot90(const Tensor& x, std::int64_t k = 1, const Shape& dims = {0, 1});  // k quarter turns from the first of dims towards the second
Tensor fliplr(const Tensor& x);                                                 // along dimension 1
Tensor flipud(const Tensor& x);                                                 // along dimension 0
Tensor diagonal(const Tensor& x, std::int64_t offset = 0, std::int64_t dim1 = 0, std::int64_t dim2 = 1);  // last dimension of the result

}  // namespace functra
