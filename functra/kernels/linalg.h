// Linear algebra on batches of matrices: f32 and f64 (DTypeError otherwise), operands of any strides, contiguous results.
//
// Matrices of at most 16 rows are computed one per vector lane (linalg_simd.h), larger ones one after the other by recursion into
// matrix products (linalg_dense.h); the batch is spread over the pool.
#pragma once
#include "functra/base/dtype.h"
#include "functra/base/shape.h"

namespace functra::kernels {

struct MatrixBatch {  // shape [..., m, n]; all operands of a call have equal leading extents
  const void* data;
  const Shape &shape, &strides;
};

// out [..., n, n]: the lower factor of the symmetric part (a + a^T) / 2, zero above the diagonal. Where a pivot is not positive, NaN
// from its column on.
void cholesky(DType d, const MatrixBatch& a, void* out);
// out [..., n, k] = op(a)^-1 b. Reads one triangle of a; unit: the diagonal counts as ones.
void triangular_solve(DType d, bool upper, bool transposed, bool unit, const MatrixBatch& a, const MatrixBatch& b, void* out);
// Partial pivoting: out [..., m, n] holds l (below the diagonal, which is one) and u. Rows i and pivots[..., i], i < min(m, n), were
// exchanged one after the other. A column without a pivot is left as it is.
void lu(DType d, const MatrixBatch& a, void* out, std::int32_t* pivots);
// permutation [count, m]: where each row comes from after the exchanges of pivots [count, k], or goes to (inverse). IndexError for
// pivots outside [0, m).
void pivots_to_permutation(const std::int32_t* pivots, std::int64_t count, std::int64_t k, std::int64_t m, bool inverse, std::int32_t* permutation);
// out [..., n, k] = op(a)^-1 b by elimination with partial pivoting.
void solve(DType d, bool transposed, const MatrixBatch& a, const MatrixBatch& b, void* out);
// The same from a's factors and the permutation of its rows [..., n], contiguous.
void solve_factored(DType d, bool transposed, const MatrixBatch& factors, const std::int32_t* permutation, const MatrixBatch& b, void* out);
void det(DType d, const MatrixBatch& a, void* out);
void slogdet(DType d, const MatrixBatch& a, void* sign, void* log_abs);
// Complete pivoting: a[rows[i], cols[j]] has its largest pivots first; inverses too, [..., n] each. sign [...]: of both permutations,
// or zero where more than three pivots are zero.
void complete_pivots(DType d, const MatrixBatch& a, std::int32_t* rows, std::int32_t* cols, std::int32_t* rows_inverse, std::int32_t* cols_inverse,
                     void* sign);

}  // namespace functra::kernels
