// Factorisations of batches of small matrices, n <= kLaneSize, one matrix per vector lane, in this thread.
#pragma once
#include <cstdint>

namespace functra::kernels {

inline constexpr int kLaneSize = 32;

// `count` matrices in memory; matrix b starts at data + (offset ? offset[b] : b * step). Strides count elements.
struct Lanes {
  const void* data;
  const std::int64_t* offset;
  std::int64_t step, rs, cs;
};

#define FUNCTRA_LANE_KERNELS(T)                                                                                                      \
  /* out: the lower factor of the symmetric part of a, [n, n] each; NaN from the first column whose pivot is not positive. */        \
  void cholesky_lanes(int n, const Lanes& a, T* out, std::int64_t count);                                                            \
  /* out [n, k] = op(a)^-1 b, where one triangle of a is read. */                                                                    \
  void triangular_solve_lanes(int n, std::int64_t k, bool upper, bool transposed, bool unit, const Lanes& a, const Lanes& b, T* out, \
                              std::int64_t count);                                                                                   \
  /* Rows exchanged by partial pivoting: out [m, n] holds both factors, pivots [min(m, n)] the row that each was exchanged with. */  \
  void lu_lanes(int m, int n, const Lanes& a, T* out, std::int32_t* pivots, std::int64_t count);                                     \
  /* out [n, k] = op(a)^-1 b. */                                                                                                     \
  void solve_lanes(int n, std::int64_t k, bool transposed, const Lanes& a, const Lanes& b, T* out, std::int64_t count);              \
  void det_lanes(int n, const Lanes& a, T* det, std::int64_t count);                                                                 \
  void slogdet_lanes(int n, const Lanes& a, T* sign, T* log_abs, std::int64_t count);                                                \
  /* Pivots of elimination with complete pivoting: rows and columns [n] exchanged; and how many pivots are not zero. type: null. */  \
  void complete_pivots_lanes(int n, const Lanes& a, const T* type, std::int32_t* rows, std::int32_t* cols, std::int32_t* rank, std::int64_t count);
FUNCTRA_LANE_KERNELS(float)
FUNCTRA_LANE_KERNELS(double)
#undef FUNCTRA_LANE_KERNELS

}  // namespace functra::kernels
