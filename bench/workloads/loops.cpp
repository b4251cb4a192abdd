// Loops of small steps and their derivatives.
#include "bench/workloads/row.h"

namespace bench {
namespace {

// ---------------------------------------------------------------- an LSTM over 200 steps
struct Lstm {
  Tensor wx, wh, b;  // [inputs, 4 hidden], [hidden, 4 hidden], [4 hidden]
};
struct Memory {
  Tensor h, s;  // [hidden]
};
Tensor lstm(const Lstm& p, const Tensor& xs) {
  auto cell = [&](const Memory& c, const Tensor& x) {
    auto gates = ft::chunk(ft::matmul(x, p.wx) + ft::matmul(c.h, p.wh) + p.b, 4);
    Tensor s = ft::sigmoid(gates[1]) * c.s + ft::sigmoid(gates[0]) * ft::tanh(gates[2]);
    Tensor h = ft::sigmoid(gates[3]) * ft::tanh(s);
    return std::pair{Memory{h, s}, h};
  };
  Tensor zero = ft::zeros({p.wh.size(0)});
  return ft::mean(ft::square(ft::scan(cell, Memory{zero, zero}, xs).second));
}
template <int H> void lstm_of(const Row& row) {
  Lstm p{sym({16, 4 * H}, 1, 0.3), sym({H, 4 * H}, 2, std::pow(H, -0.5)), sym({4 * H}, 3, 0.1)};
  row.jit(ft::grad(lstm), p, sym({200, 16}, 4));
}

// ---------------------------------------------------------------- a Kalman filter's likelihood of 1,000 observations
struct Belief {
  Tensor x, p, loss;  // [n], [n, n], []
};
Tensor kalman(const Tensor& a, const Tensor& q, const Tensor& r, const Tensor& c, const Tensor& ys) {
  const std::int64_t n = c.size(1), m = c.size(0);
  auto step = [&](const Belief& b, const Tensor& y) {
    Tensor x = ft::matmul(a, b.x);
    Tensor p = ft::matmul(ft::matmul(a, b.p), a.t()) + q * ft::eye(n, ft::f64);
    Tensor cp = ft::matmul(c, p);
    Tensor l = ft::linalg::cholesky(ft::matmul(cp, c.t()) + r * ft::eye(m, ft::f64));
    Tensor e = y - ft::matmul(c, x);
    Tensor w = ft::linalg::solve_triangular(l, e.unsqueeze(1)).squeeze(1);
    Tensor k = ft::linalg::cholesky_solve(cp, l).t();
    Belief next{x + ft::matmul(k, e), p - ft::matmul(ft::matmul(k, c), p), b.loss + 0.5 * ft::dot(w, w) + ft::sum(ft::log(ft::diag(l)))};
    return std::pair{next, ft::none};
  };
  return ft::scan(step, Belief{ft::zeros({n}, ft::f64), ft::eye(n, ft::f64), ft::zeros({}, ft::f64)}, ys).first.loss;
}
void kalman_grad(const Row& row) {
  Tensor a = 0.9 * ft::eye(6, ft::f64) + sym({6, 6}, 1, 0.03, ft::f64), c = sym({3, 6}, 2, 1, ft::f64), ys = sym({1000, 3}, 3, 1, ft::f64);
  auto loss = [=](const Tensor& a, const Tensor& q, const Tensor& r) { return kalman(a, q, r, c, ys); };
  row.jit(ft::grad<0, 1, 2>(loss), a, strong(0.1), strong(0.2));
}

// ---------------------------------------------------------------- three bodies, 10,000 steps of Runge and Kutta
Tensor bodies(const Tensor& s) {
  Tensor masses = ft::tensor({1.0, 0.8, 0.6}, ft::f64).reshape({1, 3, 1});
  Tensor q = s.index({ft::Slice(0, 9)}).reshape({3, 3}), v = s.index({ft::Slice(9)});
  Tensor d = q.unsqueeze(0) - q.unsqueeze(1);
  Tensor r2 = ft::sum(d * d, -1) + 0.05;
  Tensor a = ft::sum(masses * d * ft::pow(r2, -1.5).unsqueeze(-1), 1);
  return ft::cat({v, a.reshape(9)});
}
Tensor three_body(const Tensor& start) {
  const double h = 1e-3;
  auto step = [=](const Tensor& s, ft::NoneType) {
    Tensor k1 = bodies(s), k2 = bodies(s + h / 2 * k1), k3 = bodies(s + h / 2 * k2), k4 = bodies(s + h * k3);
    return std::pair{s + h / 6 * (k1 + 2 * k2 + 2 * k3 + k4), ft::none};
  };
  return ft::sum(ft::square(ft::scan(step, start, {.length = 10000}).first));
}

// ---------------------------------------------------------------- van der Pol's oscillator with steps of controlled error
struct Trajectory {
  Tensor t, h, y;
};
Tensor van_der_pol(const Tensor& mu) {
  auto rhs = [&](const Tensor& y) { return ft::stack({y[1], mu * (1 - ft::square(y[0])) * y[1] - y[0]}); };
  auto body = [&](const Trajectory& c) {
    Tensor h = ft::minimum(c.h, 10 - c.t);
    Tensor k1 = rhs(c.y), k2 = rhs(c.y + h / 2 * k1), k3 = rhs(c.y + 3 * h / 4 * k2);
    Tensor y3 = c.y + h * (2 * k1 + 3 * k2 + 4 * k3) / 9;
    Tensor k4 = rhs(y3);
    Tensor e = ft::amax(ft::abs(h * (-5.0 / 72 * k1 + k2 / 12 + k3 / 9 - k4 / 8) / (1e-6 + 1e-6 * ft::abs(y3))));
    Tensor ok = e <= 1;
    Tensor factor = ft::clamp(0.9 * ft::pow(e + 1e-30, -1.0 / 3), 0.2, 5.0);
    return Trajectory{ft::where(ok, c.t + h, c.t), h * factor, ft::where(ok, y3, c.y)};
  };
  Trajectory start{strong(0), strong(0.01), ft::tensor({2.0, 0.0}, ft::f64)};
  return ft::while_loop([](const Trajectory& c) { return c.t < 10; }, body, start).y;
}

// ---------------------------------------------------------------- Hamiltonian Monte Carlo: 1,000 leapfrog steps of a logistic regression
void hmc(const Row& row) {
  Tensor x = sym({500, 20}, 1, 1, ft::f64), y = (uniform({500}, 2) > 0.5).to(ft::f64);
  auto energy = [=](const Tensor& w) {
    Tensor logits = ft::matmul(x, w);
    return ft::sum(ft::softplus(logits) - y * logits) + 0.5 * ft::dot(w, w);
  };
  auto run = [=](const Tensor& w0, const Tensor& p0) {
    auto force = ft::grad(energy);
    auto step = [&](const std::pair<Tensor, Tensor>& c, ft::NoneType) {
      const double h = 0.01;
      Tensor p = c.second - h / 2 * force(c.first);
      Tensor w = c.first + h * p;
      return std::pair{std::pair{w, p - h / 2 * force(w)}, ft::none};
    };
    return ft::scan(step, std::pair{w0, p0}, {.length = 1000}).first;
  };
  row.jit(run, ft::zeros({20}, ft::f64), sym({20}, 3, 1, ft::f64));
}

}  // namespace

std::vector<Row> loop_rows() {
  return {
      {"lstm_grad_t200_h16", lstm_of<16>},
      {"lstm_grad_t200_h256", lstm_of<256>},
      {"kalman_grad_t1000", kalman_grad},
      {"three_body_rk4_grad_1e4", [](const Row& row) { row.jit(ft::grad(three_body), sym({18}, 1, 1, ft::f64)); }},
      {"adaptive_ode_vmap1024", [](const Row& row) { row.jit(ft::vmap(van_der_pol), 0.5 + 4.5 * uniform({1024}, 1)); }},
      {"hmc_logistic_1000_leapfrog", hmc},
  };
}

}  // namespace bench
