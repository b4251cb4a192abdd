// Mixtures, Gaussian processes, pair forces, and a program of 100 layers.
#include <cstdio>

#include "bench/workloads/row.h"

namespace bench {
namespace {

// ---------------------------------------------------------------- ADBench's mixture of Gaussians
struct Mixture {
  Tensor alphas, means, icf;  // [k], [k, d], [k, d (d + 1) / 2]: log-diagonals, then the strict lower triangle by columns
};
struct MixtureData {
  Mixture start;
  Tensor x;  // [n, d]
  double gamma = 0;
  int m = 0;
};
MixtureData read_mixture(const std::string& path) {
  std::FILE* f = std::fopen(path.c_str(), "r");
  if (!f) throw ft::IoError("cannot read " + path);
  auto close = std::shared_ptr<std::FILE>(f, std::fclose);
  auto number = [&] {
    double v = 0;
    if (std::fscanf(f, "%lf", &v) != 1) throw ft::IoError(path + " ends early");
    return v;
  };
  auto matrix = [&](const ft::Shape& shape) {
    std::vector<double> v(static_cast<std::size_t>(shape.numel()));
    for (double& x : v) x = number();
    return ft::from_span(v, shape);
  };
  auto d = static_cast<std::int64_t>(number()), k = static_cast<std::int64_t>(number()), n = static_cast<std::int64_t>(number());
  MixtureData r;
  r.start.alphas = matrix({k});
  r.start.means = matrix({k, d});
  r.start.icf = matrix({k, d * (d + 1) / 2});
  r.x = matrix({n, d});
  r.gamma = number();
  r.m = static_cast<int>(number());
  return r;
}
Tensor mixture_loss(const Mixture& p, const MixtureData& data) {
  const std::int64_t k = p.means.size(0), d = p.means.size(1), n = data.x.size(0);
  const double gamma = data.gamma, m = data.m, log_pi = std::log(M_PI), dd = double(d);
  std::vector<std::int64_t> rows, columns;
  for (std::int64_t c = 0; c < d; ++c)
    for (std::int64_t r = c + 1; r < d; ++r) {
      rows.push_back(r);
      columns.push_back(c);
    }
  Tensor logs = p.icf.index({ft::Slice(), ft::Slice(0, d)}), below = p.icf.index({ft::Slice(), ft::Slice(d)});
  Tensor diagonal = ft::exp(logs), sums = ft::sum(logs, 1);
  Tensor l = ft::zeros({k, d, d}, ft::f64).index_put({ft::Slice(), ft::tensor(rows), ft::tensor(columns)}, below);
  Tensor xc = data.x.unsqueeze(1) - p.means;
  Tensor qx = diagonal * xc + ft::einsum("kij,nkj->nki", l, xc);
  Tensor inner = p.alphas + sums - 0.5 * ft::sum(ft::square(qx), -1);
  Tensor prior = ft::sum(0.5 * gamma * gamma * (ft::sum(ft::square(diagonal), 1) + ft::sum(ft::square(below), 1)) - m * sums);
  const double freedom = dd + m + 1;
  double log_gamma = 0.25 * dd * (dd - 1) * log_pi;
  for (std::int64_t j = 1; j <= d; ++j) log_gamma += std::lgamma(0.5 * (freedom + 1 - double(j)));
  const double c = freedom * dd * (std::log(gamma) - 0.5 * std::log(2.0)) - log_gamma;
  return -double(n) * dd * 0.5 * std::log(2 * M_PI) + ft::sum(ft::logsumexp(inner, 1)) - double(n) * ft::logsumexp(p.alphas) + prior - double(k) * c;
}
void gmm(const Row& row) {
  const char* folder = std::getenv("PEER_DATA");
  MixtureData data = read_mixture((folder ? std::string(folder) : FUNCTRA_BENCH_DATA) + "/adbench/gmm/1k/gmm_d32_K25.txt");
  row.jit(ft::grad([=](const Mixture& p) { return mixture_loss(p, data); }), data.start);
}

// ---------------------------------------------------------------- a Gaussian process's likelihood, 500 points
void gp(const Row& row) {
  Tensor x = sym({500, 3}, 1, 1, ft::f64), y = sym({500}, 2, 1, ft::f64);
  auto loss = [=](const Tensor& p) {
    Tensor e = ft::exp(p), scale = e[0], variance = e[1], noise = e[2];
    Tensor d2 = ft::sum(ft::square(x.unsqueeze(1) - x), -1);
    Tensor k = variance * ft::exp(-0.5 * d2 / ft::square(scale)) + noise * ft::eye(500, ft::f64);
    Tensor l = ft::linalg::cholesky(k);
    Tensor a = ft::linalg::solve_triangular(l, y.unsqueeze(1)).squeeze(1);
    return 0.5 * ft::dot(a, a) + ft::sum(ft::log(ft::diag(l)));
  };
  row.jit(ft::grad(loss), ft::tensor({-0.5, 0.1, -1.0}, ft::f64));
}

// ---------------------------------------------------------------- Lennard-Jones: energy and forces of 512 atoms near a lattice
Tensor lattice() {
  std::vector<double> v;
  for (int i = 0; i < 512; ++i)
    for (int c : {i / 64, i / 8 % 8, i % 8}) v.push_back(c * 1.2);
  return ft::from_span(v, {512, 3}) + sym({512, 3}, 1, 0.1, ft::f64);
}
Tensor pair_energy(const Tensor& x) {
  Tensor self = ft::eye(x.size(0), ft::f64), d = x.unsqueeze(1) - x;
  Tensor s6 = ft::pow(1 / (ft::sum(d * d, -1) + self), 3);
  return 0.5 * ft::sum((1 - self) * 4 * (s6 * s6 - s6));
}

// ---------------------------------------------------------------- 100 layers, unrolled
void unrolled(const Row& row) {
  std::vector<Tensor> ws;
  for (int k = 0; k < 100; ++k) ws.push_back(sym({8, 8}, k, 0.5, ft::f64));
  auto f = [](const std::vector<Tensor>& ws, Tensor x) {
    for (const Tensor& w : ws) x = ft::tanh(ft::matmul(w, x));
    return ft::sum(x);
  };
  row.jit(ft::grad(f), ws, sym({8}, 200, 1, ft::f64));
}

}  // namespace

std::vector<Row> dense_rows() {
  return {
      {"gmm_grad_d32_k25_n1000", gmm, "ADBench data gmm_d32_K25"},
      {"gp_nll_grad_n500", gp},
      {"lennard_jones_forces_n512", [](const Row& row) { row.jit(ft::value_and_grad(pair_energy), lattice()); }},
      {"unrolled_100_layers_grad", unrolled, "compile_ms is the figure"},
  };
}

}  // namespace bench
