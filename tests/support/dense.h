// Dense linear equations for tests: in plain doubles, and as tensor operations that any transform takes.
#pragma once
#include <cmath>
#include <vector>

#include "functra/functra.h"

namespace functra::testing {

// Gaussian elimination with pivoting; a is row-major, n by n.
inline std::vector<double> solve_doubles(std::vector<double> a, std::vector<double> b) {
  std::size_t n = b.size();
  for (std::size_t k = 0; k < n; ++k) {
    std::size_t p = k;
    for (std::size_t i = k; i < n; ++i)
      if (std::fabs(a[i * n + k]) > std::fabs(a[p * n + k])) p = i;
    for (std::size_t j = 0; j < n; ++j) std::swap(a[k * n + j], a[p * n + j]);
    std::swap(b[k], b[p]);
    for (std::size_t i = k + 1; i < n; ++i) {
      double f = a[i * n + k] / a[k * n + k];
      for (std::size_t j = k; j < n; ++j) a[i * n + j] -= f * a[k * n + j];
      b[i] -= f * b[k];
    }
  }
  for (std::size_t i = n; i-- > 0;) {
    for (std::size_t j = i + 1; j < n; ++j) b[i] -= a[i * n + j] * b[j];
    b[i] /= a[i * n + i];
  }
  return b;
}
// Gauss-Jordan elimination without pivoting, for matrices that need none. Every operation on b is linear in it.
inline Tensor solve_dense(Tensor a, Tensor b) {
  for (std::int64_t k = 0, n = b.numel(); k < n; ++k) {
    Tensor pivot = a[k][k], row = a[k] / pivot, value = b[k] / pivot, unit = eye(n, a.dtype())[k], others = a.index({Slice(), k}) - unit * pivot;
    a = a - outer(others, row) + outer(unit, row - a[k]);
    b = b - others * value + unit * (value - b[k]);
  }
  return b;
}
// For custom_linear_solve and custom_root: the matrix of the map, then elimination.
struct DenseSolver {
  Tensor operator()(const std::function<Tensor(const Tensor&)>& map, const Tensor& b) const { return solve_dense(jacfwd(map)(b), b); }
};

}  // namespace functra::testing
