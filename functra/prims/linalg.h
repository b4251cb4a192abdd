// Linear algebra on matrices [..., m, n] of f32 or f64: factorisations, systems, determinants. Leading dimensions are a batch; two
// operands have the same ones.
#pragma once
#include "functra/prims/build.h"

namespace functra::prims {

struct TriangularParams {
  bool upper, transposed, unit;
};
struct SolveParams {
  bool transposed;
};
struct PermutationParams {
  std::int64_t rows;
  bool inverse;
};

extern const Primitive cholesky_p, triangular_solve_p, lu_p, lu_pivots_to_permutation_p, solve_p, det_p, slogdet_p, complete_pivots_p;

// The lower factor l with l l^T = (a + a^T) / 2, zero above its diagonal; NaN from the first column whose pivot is not positive.
Tensor cholesky(const Tensor& a);
// op(a)^-1 b for b [..., n, k]. One triangle of a is read, without its diagonal if unit.
Tensor triangular_solve(const Tensor& a, const Tensor& b, const TriangularParams& p);
// Partial pivoting, a[permutation] = l u. factors: l below its diagonal of ones, and u. pivots i32 [..., min(m, n)]: the row that row
// i was exchanged with, from 0. permutation i32 [..., m].
struct Lu {
  Tensor factors, pivots, permutation;
};
Lu lu(const Tensor& a);
// From pivots [..., k] to the permutation [..., rows] that they amount to, or its inverse. IndexError for pivots outside [0, rows).
Tensor lu_pivots_to_permutation(const Tensor& pivots, std::int64_t rows, bool inverse);
// op(a)^-1 b for b [..., n, k]. With factors of a, which derivatives take as given, a is not factorised again.
Tensor solve(const Tensor& a, const Tensor& b, bool transposed);
Tensor solve(const Tensor& a, const Tensor& b, bool transposed, const Lu& factors);
// As solve, with one factorisation for it and its derivatives where that is worth its memory.
Tensor solve_factored_once(const Tensor& a, const Tensor& b, bool transposed);
Tensor det(const Tensor& a);
struct SignLog {
  Tensor sign, log_abs;
};
SignLog slogdet(const Tensor& a);
// Elimination with complete pivoting: a[rows[i], cols[j]] has its largest pivots first. i32 [..., n] each, with the inverses. sign
// [...]: of both permutations together, 0 where more than three pivots are zero. Derivatives are zero.
struct CompletePivots {
  Tensor rows, cols, rows_inverse, cols_inverse, sign;
};
CompletePivots complete_pivots(const Tensor& a);

// ---------------------------------------------------------------- matrices [..., m, n] in rules
Tensor matrix_transpose(const Tensor& x);
Tensor matrix_product(const Tensor& a, const Tensor& b);  // equal leading dimensions
// x where row - col >= offset (lower) or <= offset (upper), else 0.
Tensor lower_triangle(const Tensor& x, std::int64_t offset);
Tensor upper_triangle(const Tensor& x, std::int64_t offset);
Tensor identity_like(const Tensor& x);  // ones on the diagonal, x's shape
Tensor submatrix(const Tensor& x, std::int64_t row, std::int64_t rows, std::int64_t col, std::int64_t cols);
Tensor matrix_diagonal(const Tensor& x);                // [..., min(m, n)]
Tensor take_rows(const Tensor& x, const Tensor& rows);  // x[..., rows[..., i], :]
Tensor take_cols(const Tensor& x, const Tensor& cols);

// Programs of scalar operations for matrices of at most 16 rows (linalg_expand.cpp); null otherwise.
core::ProgramPtr expand_cholesky(const Call&, std::span<const Aval> in);
core::ProgramPtr expand_triangular_solve(const Call&, std::span<const Aval> in);

}  // namespace functra::prims
