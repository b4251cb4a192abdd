// Batches of small problems: a factorisation, a Jacobian or a Hessian each.
#include "bench/workloads/row.h"

namespace bench {
namespace {

// ---------------------------------------------------------------- a Gaussian's exponent and determinant, [n, n]
Tensor gaussian(const Tensor& a, const Tensor& b) {
  Tensor l = ft::linalg::cholesky(a);
  Tensor w = ft::linalg::solve_triangular(l, b.unsqueeze(1)).squeeze(1);
  return ft::dot(w, w) + 2 * ft::sum(ft::log(ft::diag(l)));
}
template <int N, int Batch> void cholesky_of(const Row& row) {
  Tensor m = sym({Batch, N, N}, 1, 1, ft::f64);
  row.jit(ft::vmap(ft::grad<0, 1>(gaussian)), ft::matmul(m, m.transpose(1, 2)) + ft::eye(N, ft::f64), sym({Batch, N}, 2, 1, ft::f64));
}

// ---------------------------------------------------------------- the pose of a robot's hand, by Denavit and Hartenberg
Tensor pose(const Tensor& q) {
  const double d[] = {.333, 0, .316, 0, .384, 0, .107}, a[] = {0, 0, .0825, -.0825, 0, .088, 0};
  const double quarter = M_PI / 2, alpha[] = {-quarter, quarter, quarter, -quarter, quarter, quarter, 0};
  Tensor t = ft::eye(4, ft::f64);
  for (int i = 0; i < 7; ++i) {
    Tensor c = ft::cos(q[i]), s = ft::sin(q[i]);
    double ca = std::cos(alpha[i]), sa = std::sin(alpha[i]);
    t = ft::matmul(t, ft::stack({c, -s * ca, s * sa, a[i] * c,  //
                                 s, c * ca, -c * sa, a[i] * s,  //
                                 0.0, sa, ca, d[i],             //
                                 0.0, 0.0, 0.0, 1.0})
                          .reshape({4, 4}));
  }
  return t.index({ft::Slice(0, 3)}).reshape(12);
}

// ---------------------------------------------------------------- J2 plasticity with linear hardening
// Strain and plastic strain [6] (xx yy zz xy yz zx), hardening [] -> stress [6].
Tensor j2_stress(const Tensor& strain, const Tensor& plastic, const Tensor& alpha) {
  const double young = 200e3, poisson = 0.3, yield = 250, hardening = 1000;
  const double g = young / (2 * (1 + poisson)), k = young / (3 * (1 - 2 * poisson));
  Tensor one = ft::tensor({1.0, 1.0, 1.0, 0.0, 0.0, 0.0}, ft::f64), weight = ft::tensor({1.0, 1.0, 1.0, 2.0, 2.0, 2.0}, ft::f64);
  Tensor elastic = strain - plastic, trace = elastic[0] + elastic[1] + elastic[2];
  Tensor s = 2 * g * (elastic - trace / 3 * one);
  Tensor norm = ft::sqrt(ft::sum(weight * s * s) + 1e-30);
  Tensor excess = norm - std::sqrt(2.0 / 3) * (yield + hardening * alpha);
  Tensor slip = ft::maximum(excess, 0.0) / (2 * g + 2.0 / 3 * hardening);
  return s - 2 * g * slip * s / norm + k * trace * one;
}
std::pair<Tensor, Tensor> j2(const Tensor& strain, const Tensor& plastic, const Tensor& alpha) {
  return {j2_stress(strain, plastic, alpha), ft::jacfwd(j2_stress)(strain, plastic, alpha)};
}

void hessian64(const Row& row) {
  Tensor a = sym({64, 64}, 1, 0.3, ft::f64);
  auto f = [=](const Tensor& x) { return ft::logsumexp(ft::matmul(a, ft::tanh(x))) + 0.5 * ft::sum(x * x); };
  row.jit(ft::vmap(ft::hessian(f)), sym({256, 64}, 2, 1, ft::f64));
}

}  // namespace

std::vector<Row> small_rows() {
  return {
      {"chol_solve_grad_3_1e5", cholesky_of<3, 100000>},
      {"chol_solve_grad_6_1e5", cholesky_of<6, 100000>},
      {"chol_solve_grad_16_1e4", cholesky_of<16, 10000>},
      {"arm_jacobian_x1", [](const Row& row) { row.jit(ft::jacfwd(pose), sym({7}, 1, 1.5, ft::f64)); }, "bound call, mean of 100", 100},
      {"arm_jacobian_x4096",
       [](const Row& row) {
         row.jit(ft::vmap(ft::jacfwd(pose)), sym({4096, 7}, 1, 1.5, ft::f64));
       }},
      {"j2_tangent_1e5",
       [](const Row& row) {
         const std::int64_t n = 100000;
         row.jit(ft::vmap(j2), sym({n, 6}, 1, 4e-3, ft::f64), sym({n, 6}, 2, 1e-4, ft::f64), uniform({n}, 3) * 1e-2);
       }},
      {"hessian64_x256", hessian64},
  };
}

}  // namespace bench
