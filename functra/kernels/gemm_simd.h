// Our own matrix products, for one thread: strided operands, any size, vectors along the columns of b.
#pragma once
#include <cstdint>

namespace functra::kernels {

// c[i * ldc + j] = (accumulate ? itself : 0) + sum_l a[i * ars + l * acs] b[l * brs + j * bcs].
void gemm_simd(std::int64_t m, std::int64_t n, std::int64_t k, const float* a, std::int64_t ars, std::int64_t acs, const float* b, std::int64_t brs,
               std::int64_t bcs, float* c, std::int64_t ldc, bool accumulate);
void gemm_simd(std::int64_t m, std::int64_t n, std::int64_t k, const double* a, std::int64_t ars, std::int64_t acs, const double* b, std::int64_t brs,
               std::int64_t bcs, double* c, std::int64_t ldc, bool accumulate);
bool gemm_simd_has_vectors();  // false on a processor for which only the scalar form was compiled

}  // namespace functra::kernels
