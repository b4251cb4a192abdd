// Matrices by their parts: triangles, diagonals, products that need no factorisation. Leading dimensions are a batch. Names and
// results are torch's. ShapeError for too few dimensions.
#pragma once
#include <string_view>

#include "functra/tensor/tensor.h"

namespace functra {

Tensor tril(const Tensor& x, std::int64_t diagonal = 0);  // zeros above that diagonal (0: the main one, positive ones above it)
Tensor triu(const Tensor& x, std::int64_t diagonal = 0);  // zeros below it
// Their places in a matrix of this size, row by row: i64 [2, count].
Tensor tril_indices(std::int64_t rows, std::int64_t cols, std::int64_t offset = 0);
Tensor triu_indices(std::int64_t rows, std::int64_t cols, std::int64_t offset = 0);
Tensor diag(const Tensor& x, std::int64_t diagonal = 0);  // [n] -> a matrix with x on that diagonal; a matrix -> its diagonal
// x's last dimension becomes that diagonal of the dimensions dim1 and dim2 of the result.
Tensor diag_embed(const Tensor& x, std::int64_t offset = 0, std::int64_t dim1 = -2, std::int64_t dim2 = -1);
Tensor block_diag(TensorList xs);                                       // matrices along the diagonal of one
Tensor trace(const Tensor& x);                                          // of a matrix
Tensor kron(const Tensor& a, const Tensor& b);                          // Kronecker's product, of any number of dimensions
Tensor cross(const Tensor& a, const Tensor& b, std::int64_t dim = -1);  // of vectors of three along dim; the others broadcast
Tensor cov(const Tensor& x, double correction = 1);                     // [variables, observations] -> [variables, variables]
Tensor corrcoef(const Tensor& x);                                       // the same, scaled to ones on the diagonal

// The coordinates of a grid: one tensor per list, of shape [len(x0), len(x1), ...]; "xy" exchanges the first two dimensions.
std::vector<Tensor> meshgrid(TensorList xs, std::string_view indexing = "ij");
Tensor cartesian_prod(TensorList xs);  // its points as rows: [product of lengths, lists]; one list is itself

}  // namespace functra
