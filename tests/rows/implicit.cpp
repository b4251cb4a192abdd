// Solutions of equations against elimination and Newton's method in doubles.
#include <cmath>

#include "functra/functra.h"
#include "laws/row.h"
#include "support/dense.h"

namespace functra::testing {
namespace {

Tensor operand(const Shape& s, int seed, double lo = -1, double hi = 1) { return random_tensor(s, DType::f64, lo, hi, seed); }
// The matrices: of any operand, far from singular.
Tensor dominant(const Tensor& a) { return a + eye(a.size(0), f64) * (static_cast<double>(a.size(0)) + 1.0); }
Tensor positive(const Tensor& a) { return matmul(a, a.t()) + eye(a.size(0), f64); }
std::vector<double> dominant(const Array& a, std::size_t n) {
  std::vector<double> m = a.v;
  for (std::size_t i = 0; i < n; ++i) m[i * n + i] += static_cast<double>(n) + 1;
  return m;
}
std::vector<double> positive(const Array& a, std::size_t n) {
  std::vector<double> m(n * n);
  for (std::size_t i = 0; i < n; ++i)
    for (std::size_t j = 0; j < n; ++j) {
      m[i * n + j] = i == j;
      for (std::size_t k = 0; k < n; ++k) m[i * n + j] += a[i * n + k] * a[j * n + k];
    }
  return m;
}
using Matrix = std::vector<double> (*)(const Array&, std::size_t);
Reference solution(Matrix matrix) {
  return [matrix](const std::vector<Array>& in) { return std::vector<Array>{{in[1].shape, solve_doubles(matrix(in[0], in[1].size()), in[1].v)}}; };
}

// x_i^3 + 2 x_i + (sum of x) / 5 = a_i
Tensor cubic(const Tensor& x, const Tensor& a) { return x * x * x + 2.0 * x + 0.2 * sum(x) - a; }
Tensor newton(const std::function<Tensor(const Tensor&)>& f, const Tensor& start) {
  return while_loop([&](const Tensor& x) { return sum(square(f(x))) > 1e-26; }, [&](const Tensor& x) { return x - solve_dense(jacfwd(f)(x), f(x)); },
                    start);
}
std::vector<Array> cubic_root(const std::vector<Array>& in) {
  Array x = in[0];
  std::size_t n = x.size();
  for (int step = 0; step < 50; ++step) {
    std::vector<double> f(n), j(n * n, 0.2);
    double s = 0;
    for (double v : x.v) s += v;
    for (std::size_t i = 0; i < n; ++i) {
      f[i] = x[i] * x[i] * x[i] + 2 * x[i] + 0.2 * s - in[0][i];
      j[i * n + i] += 3 * x[i] * x[i] + 2;
    }
    f = solve_doubles(j, f);
    for (std::size_t i = 0; i < n; ++i) x[i] -= f[i];
  }
  return {x};
}
// x = tanh(W x / 4 + b)
std::vector<Array> tanh_point(const std::vector<Array>& in) {
  Array x = in[1];
  std::size_t n = x.size();
  for (int step = 0; step < 300; ++step) {
    Array y = in[1];
    for (std::size_t i = 0; i < n; ++i) {
      for (std::size_t j = 0; j < n; ++j) y[i] += in[0][i * n + j] * x[j] / 4;
      y[i] = std::tanh(y[i]);
    }
    x = y;
  }
  return {x};
}

}  // namespace

FUNCTRA_ROW(linear_solve) {
  Row r;
  r.atol = 1e-10;
  for (std::int64_t n : {1, 2, 3}) {
    Vec in{operand({n, n}, 1), operand({n}, 2)};
    std::string size = " of " + std::to_string(n);
    r.samples.push_back({"elimination" + size, in,
                         [](const Vec& x) {
                           auto map = [a = dominant(x[0])](const Tensor& v) { return matmul(a, v); };
                           return Vec{custom_linear_solve(map, x[1], DenseSolver{}, DenseSolver{})};
                         },
                         solution(dominant)});
    r.samples.push_back({"symmetric elimination" + size, in,
                         [](const Vec& x) {
                           auto map = [a = positive(x[0])](const Tensor& v) { return matmul(a, v); };
                           return Vec{custom_linear_solve(map, x[1], DenseSolver{}, {.symmetric = true})};
                         },
                         solution(positive)});
  }
  r.samples.push_back({"further results",
                       {operand({2, 2}, 1), operand({2}, 2)},
                       [](const Vec& x) {
                         auto map = [a = dominant(x[0])](const Tensor& v) { return matmul(a, v); };
                         auto solve = [](const auto& f, const Tensor& b) {
                           return std::pair{DenseSolver{}(f, b), std::tuple{2.0 * sign(b), sum(b) > 0, tensor(5)}};
                         };
                         auto [y, aux] = custom_linear_solve(has_aux, map, x[1], solve, solve);
                         return Vec{y, std::get<0>(aux), std::get<1>(aux), std::get<2>(aux)};
                       },
                       [](const std::vector<Array>& in) {
                         Array signs = in[1];
                         double s = 0;
                         for (double& v : signs.v) s += v, v = v > 0 ? 2 : -2;
                         return std::vector<Array>{solution(dominant)(in)[0], signs, {{}, {s > 0 ? 1.0 : 0.0}}, {{}, {5}}};
                       }});
  Vec in{operand({4, 4}, 1), operand({4}, 2)};
  r.samples.push_back({"cg", in, [](const Vec& x) { return Vec{linalg::cg(positive(x[0]), x[1], {.tol = 1e-14}).first}; }, solution(positive)});
  r.samples.push_back({"gmres", in, [](const Vec& x) { return Vec{linalg::gmres(dominant(x[0]), x[1], {.tol = 1e-14}).first}; }, solution(dominant)});
  r.samples.push_back(
      {"bicgstab", in, [](const Vec& x) { return Vec{linalg::bicgstab(dominant(x[0]), x[1], {.tol = 1e-14}).first}; }, solution(dominant)});
  return r;
}
FUNCTRA_ROW(root) {
  Row r;
  r.atol = 1e-10;
  for (std::int64_t n : {1, 3})
    r.samples.push_back(
        {"Newton of " + std::to_string(n),
         {operand({n}, 1), operand({n}, 2, -0.1, 0.1)},
         [](const Vec& x) { return Vec{custom_root([a = x[0]](const Tensor& v) { return cubic(v, a); }, x[1], newton, DenseSolver{})}; },
         cubic_root,
         {0}});
  r.samples.push_back({"further results",
                       {operand({2}, 1), operand({2}, 2, 0.1, 0.2)},
                       [](const Vec& x) {
                         auto solve = [](const auto& f, const Tensor& start) {
                           return std::pair{newton(f, start), std::tuple{2.0 * sign(start), tensor(true), tensor(5)}};
                         };
                         auto [y, aux] = custom_root(
                             has_aux, [a = x[0]](const Tensor& v) { return cubic(v, a); }, x[1], solve, DenseSolver{});
                         return Vec{y, std::get<0>(aux), std::get<1>(aux), std::get<2>(aux)};
                       },
                       [](const std::vector<Array>& in) {
                         Array signs = in[1];
                         for (double& v : signs.v) v = v > 0 ? 2 : -2;
                         return std::vector<Array>{cubic_root({in[0]})[0], signs, {{}, {1}}, {{}, {5}}};
                       }});
  r.samples.push_back({"fixed point",
                       {operand({3, 3}, 3), operand({3}, 4)},
                       [](const Vec& x) {
                         return Vec{
                             fixed_point([&](const Tensor& v) { return tanh(matmul(x[0], v) / 4.0 + x[1]); }, zeros_like(x[1]), {.tol = 1e-14})};
                       },
                       tanh_point});
  r.samples.push_back({"cg from a start",
                       {operand({3, 3}, 1), operand({3}, 2), operand({3}, 3)},
                       [](const Vec& x) { return Vec{linalg::cg(positive(x[0]), x[1], {.x0 = x[2], .tol = 1e-14}).first}; },
                       solution(positive),
                       {0, 1}});
  return r;
}

}  // namespace functra::testing
