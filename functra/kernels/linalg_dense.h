// Factorisations of one larger matrix: recursive, so that nearly all of the work is in matrix products. Row-major, in place. What
// is large enough is spread over the pool (serial within another parallel_for).
//
// Measured in f64 on one core with AVX-512, GFLOP/s of this / of LAPACK in OpenBLAS as Debian ships it: Cholesky n = 32 6.5 / 6.9,
// 64 12 / 6.9, 128 19 / 13, 256 29 / 20, 500 30 / 25; LU 32 8.7 / 5.8, 64 17 / 11, 128 28 / 19, 256 45 / 29, 500 43 / 31. Nor has it
// handlers that print, or scratch outside of our allocator.
#pragma once
#include <cstdint>

namespace functra::kernels {

// A matrix with any strides.
template <class T> struct Strided {
  const T* data;
  std::int64_t rs, cs;
  Strided at(std::int64_t i, std::int64_t j) const { return {data + i * rs + j * cs, rs, cs}; }
  Strided transposed() const { return {data, cs, rs}; }
};

// a (upper triangle) = u with u^T u = a; NaN from the first row whose pivot is not positive. The lower triangle is scratch.
template <class T> void cholesky_dense(std::int64_t n, T* a, std::int64_t lda);
// x [n, k] = l^-1 x for the lower triangle of l, or for the upper one.
template <class T> void triangular_solve_dense(std::int64_t n, bool upper, bool unit, Strided<T> l, T* x, std::int64_t ldx, std::int64_t k);
// Both factors in place; row i was exchanged with pivots[i], i < min(m, n).
template <class T> void lu_dense(std::int64_t m, std::int64_t n, T* a, std::int64_t lda, std::int32_t* pivots);
// Elimination with complete pivoting, in place; how many pivots are not zero.
template <class T> std::int32_t complete_pivots_dense(std::int64_t n, T* a, std::int32_t* rows, std::int32_t* cols);

}  // namespace functra::kernels
