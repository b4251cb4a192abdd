// Linear algebra, by the names and meanings of torch.linalg. Matrices are the last two dimensions, of f32 or f64 (DTypeError
// otherwise); the others are a batch. Operands are promoted to one dtype, and their batches broadcast. ShapeError where extents do
// not fit.
//
// Nothing raises on values unless asked: a factor or solution that does not exist holds NaN or infinities, as stated at each
// function, and so do its derivatives. `check` raises a ValueError that names the first such matrix of the batch; since it reads
// values, it is refused with a TracerError in jit, make_fx and vmap. The _ex forms give `info` instead (i32, the batch's shape,
// 0 where all is well), which works everywhere.
#pragma once
#include "functra/tensor/tensor.h"

namespace functra::linalg {

// ---------------------------------------------------------------- Cholesky factors
struct CholeskyOptions {
  bool upper = false;      // the factor u with u^T u = a
  bool check = false;      // ValueError where a matrix is not positive-definite
  bool symmetrize = true;  // take (a + a^T) / 2; otherwise read only the lower (upper) triangle of a
};
// The lower triangular l with l l^T = a [..., n, n], for symmetric positive-definite a. NaN from the first column (row) on whose
// pivot is not positive. Derivatives are those of the symmetric part: their cotangents are symmetric (Murray 2016,
// arXiv:1602.07527).
Tensor cholesky(const Tensor& a, const CholeskyOptions& options = {});
struct CholeskyEx {
  Tensor L, info;  // info: the order of the first leading minor that is not positive-definite
};
CholeskyEx cholesky_ex(const Tensor& a, const CholeskyOptions& options = {});
struct UpperOption {
  bool upper = false;
};
// x with a x = b from the factor of a; b [..., n, k]. The order of arguments is that of torch.cholesky_solve.
Tensor cholesky_solve(const Tensor& b, const Tensor& l, const UpperOption& options = {});

// ---------------------------------------------------------------- triangular systems
struct TriangularOptions {
  bool upper = false;  // which triangle is read
  bool left = true;    // a x = b, else x a = b
  bool unitriangular = false;
};
// b [..., n, k], or [..., k, n] on the right. Where the diagonal holds a zero, infinities or NaN.
Tensor solve_triangular(const Tensor& a, const Tensor& b, const TriangularOptions& options = {});

// ---------------------------------------------------------------- LU factors
struct CheckOption {
  bool check = false;  // ValueError where a matrix is singular: a pivot is exactly zero
};
// Partial pivoting of a [..., m, n]. LU holds l below its diagonal of ones, and u. pivots i32 [..., min(m, n)] count from 1, as
// LAPACK's: row i was exchanged with row pivots[i]. Derivatives exist where the first min(m, n) columns are regular; otherwise they
// are infinite or NaN (De Hoog, Anderssen and Lukas 2011).
struct LuFactor {
  Tensor LU, pivots;
};
LuFactor lu_factor(const Tensor& a, const CheckOption& options = {});
struct LuFactorEx {
  Tensor LU, pivots, info;  // info: the first diagonal element of u that is zero, from 1
};
LuFactorEx lu_factor_ex(const Tensor& a);
struct LuMatrices {
  Tensor P, L, U;  // [..., m, m], [..., m, min(m, n)], [..., min(m, n), n]
};
LuMatrices lu(const Tensor& a);  // a = P L U
struct LuSolveOptions {
  bool left = true;      // a x = b, else x a = b
  bool adjoint = false;  // a^T in place of a
};
// b [..., n, k], or [..., k, n] on the right. IndexError for pivots outside [1, n].
Tensor lu_solve(const Tensor& LU, const Tensor& pivots, const Tensor& b, const LuSolveOptions& options = {});

// ---------------------------------------------------------------- systems and inverses
struct SolveOptions {
  bool left = true;    // a x = b, else x a = b
  bool check = false;  // ValueError where a is singular
};
// b [..., n, k] ([..., k, n] on the right), or a vector [n], or vectors [..., n] of exactly a's batch. Singular a: infinities or NaN.
// x' = a^-1 (b' - a' x) (Giles 2008).
Tensor solve(const Tensor& a, const Tensor& b, const SolveOptions& options = {});
struct SolveEx {
  Tensor result, info;  // info as of lu_factor_ex
};
SolveEx solve_ex(const Tensor& a, const Tensor& b, const SolveOptions& options = {});
Tensor inv(const Tensor& a, const CheckOption& options = {});  // singular a: infinities or NaN
struct InvEx {
  Tensor inverse, info;
};
InvEx inv_ex(const Tensor& a);

// ---------------------------------------------------------------- determinants
// The batch's shape. The derivative is the adjugate (Jacobi's formula), computed without division by small pivots: it and the second
// and third derivatives are right for singular matrices of any rank; further ones are NaN or infinite for [n, n] of rank below n - 3.
// Of no rows: 1.
Tensor det(const Tensor& a);
// det = sign exp(logabsdet). Singular: sign 0 and -infinity, with derivatives that are infinite or NaN.
struct Slogdet {
  Tensor sign, logabsdet;
};
Slogdet slogdet(const Tensor& a);

}  // namespace functra::linalg
