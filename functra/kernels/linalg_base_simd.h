// The smallest blocks of linalg_dense.h, in this thread.
#pragma once
#include <cstdint>

namespace functra::kernels {

inline constexpr int kBase = 16, kPanel = 8;

#define FUNCTRA_BASE_KERNELS(T)                                                                                                  \
  /* As cholesky_dense, n <= kBase. */                                                                                           \
  void cholesky_base(int n, T* a, std::int64_t lda);                                                                             \
  /* x [n, k] = l^-1 x for a lower triangle, n <= kBase. */                                                                      \
  void forward_base(int n, bool unit, const T* l, std::int64_t rs, std::int64_t cs, T* x, std::int64_t ldx, std::int64_t k);     \
  /* As lu_dense for m >= n, n <= kPanel. */                                                                                     \
  void lu_base(std::int64_t m, int n, T* a, std::int64_t lda, std::int32_t* pivots);                                             \
  /* out[j * ldo + i] = a[i * lda + j], i < rows, j < cols; upper: at least where i <= j. */                                     \
  void transpose_base(std::int64_t rows, std::int64_t cols, const T* a, std::int64_t lda, T* out, std::int64_t ldo, bool upper); \
  /* out [rows, cols], contiguous, = -a. */                                                                                      \
  void negate_base(std::int64_t rows, std::int64_t cols, const T* a, std::int64_t lda, T* out);                                  \
  void average_base(std::int64_t n, const T* x, T* y); /* y = (x + y) / 2 */                                                     \
  std::int32_t complete_pivots_base(std::int64_t n, T* a, std::int32_t* rows, std::int32_t* cols);
FUNCTRA_BASE_KERNELS(float)
FUNCTRA_BASE_KERNELS(double)
#undef FUNCTRA_BASE_KERNELS

}  // namespace functra::kernels
