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

// A well conditioned matrix of size n, not symmetric, and a right-hand side.
inline Tensor matrix(std::int64_t n, int seed = 0) {
  Tensor i = arange(n * n, f64).reshape({n, n});
  return sin(i * 1.7 + seed) + eye(n, f64) * (n + 1.0);
}
inline Tensor vector(std::int64_t n, int seed = 0) { return cos(arange(n, f64) * 2.3 + seed); }
inline Tensor spd(std::int64_t n) { return matmul(matrix(n), matrix(n).t()) / static_cast<double>(n); }
inline Tensor inverse(const Tensor& a) {
  std::int64_t n = a.size(0);
  std::vector<double> m = a.to_vector<double>(), all;
  for (std::int64_t k = 0; k < n; ++k) {
    std::vector<double> unit(static_cast<std::size_t>(n));
    unit[static_cast<std::size_t>(k)] = 1;
    unit = solve_doubles(m, unit);
    all.insert(all.end(), unit.begin(), unit.end());
  }
  return tensor(all).reshape({n, n}).t();
}

}  // namespace functra::testing
