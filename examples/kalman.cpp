// A Kalman filter fitted to data: the log-likelihood of 1,000 observations runs through a scan with a Cholesky factor and triangular
// solves in each step; its gradient with respect to the filter's matrices drives Adam.
#include "support/check.h"

using namespace example;

namespace {

struct Model {
  Tensor a;             // [2, 2]: the state moves by x' = a x + noise
  Tensor log_q, log_r;  // [2]: logarithms of the variances of that noise, and of the observations'
};
struct Belief {
  Tensor mean, cov, loglik;  // of the state, [2] and [2, 2]; and of the observations so far
};
const int kSteps = 1000;

Belief update(const Model& m, const Belief& b, const Tensor& y) {
  Tensor mean = ft::matmul(m.a, b.mean), cov = ft::matmul(ft::matmul(m.a, b.cov), m.a.t()) + ft::diag(ft::exp(m.log_q));
  Tensor l = ft::linalg::cholesky(cov + ft::diag(ft::exp(m.log_r)));    // of the innovation's covariance
  Tensor z = ft::linalg::solve_triangular(l, (y - mean).unsqueeze(1));  // the innovation, whitened
  Tensor w = ft::linalg::solve_triangular(l, cov);
  Tensor loglik = -0.5 * ft::sum(z * z) - ft::sum(ft::log(ft::diag(l))) - std::log(2 * M_PI);
  return {mean + ft::matmul(w.t(), z).squeeze(1), cov - ft::matmul(w.t(), w), b.loglik + loglik};
}
// The belief after all observations [n, 2], and the mean after each.
std::pair<Belief, Tensor> filter(const Model& m, const Tensor& ys) {
  Belief start{ft::zeros({2}, ft::f64), ft::eye(2, ft::f64), ft::zeros({}, ft::f64)};
  return ft::scan(
      [&](const Belief& b, const Tensor& y) {
        Belief next = update(m, b, y);
        return std::pair{next, next.mean};
      },
      start, ys);
}
Tensor loss(const Model& m, const Tensor& ys) { return -filter(m, ys).first.loglik / double(kSteps); }

struct Data {
  Tensor states, observations;  // [n, 2]
};
Data simulate(const Model& m, const Tensor& key) {
  auto [k1, k2] = ft::random::split(key);
  Tensor drift = ft::random::normal(k1, {kSteps, 2}, ft::f64) * ft::exp(0.5 * m.log_q),
         noise = ft::random::normal(k2, {kSteps, 2}, ft::f64) * ft::exp(0.5 * m.log_r);
  Tensor states = ft::scan(
                      [&](const Tensor& x, const Tensor& e) {
                        Tensor n = ft::matmul(m.a, x) + e;
                        return std::pair{n, n};
                      },
                      ft::zeros({2}, ft::f64), drift)
                      .second;
  return {states, states + noise};
}

}  // namespace

int main(int argc, char** argv) {
  std::string out = out_folder(argc, argv);
  double c = 0.99 * std::cos(0.1), s = 0.99 * std::sin(0.1);
  Model truth{ft::tensor({{c, -s}, {s, c}}, ft::f64), ft::tensor({-4.0, -4.0}, ft::f64), ft::tensor({-1.5, -1.0}, ft::f64)};
  Data data = simulate(truth, ft::random::key(0));
  const Tensor& ys = data.observations;

  Model m{0.8 * ft::eye(2, ft::f64), ft::tensor({-2.0, -2.0}, ft::f64), ft::tensor({0.0, 0.0}, ft::f64)};
  Model along{ft::tensor({{0.3, -0.2}, {0.1, 0.4}}, ft::f64), ft::tensor({0.5, -0.1}, ft::f64), ft::tensor({-0.3, 0.7}, ft::f64)};
  auto gradient = ft::jit(ft::grad_and_value(loss));
  check_close("gradient along a direction, against a difference", dot(gradient(m, ys).first, along),
              difference([&](const Model& p) { return loss(p, ys); }, m, along, 1e-5), 1e-7);

  Adam<Model> adam(m);
  std::vector<double> steps, losses;
  for (int i = 0; i < 200; ++i) {
    auto [g, value] = gradient(m, ys);
    m = adam.step(m, g, 0.03);
    steps.push_back(i);
    losses.push_back(double(value));
  }
  double fitted = double(loss(m, ys)), at_truth = double(loss(truth, ys));
  fmt::print("a = {}\nvariances: state {}, observations {}\n", m.a, ft::exp(m.log_q), ft::exp(m.log_r));
  fmt::print("negative log-likelihood per observation: {:.4f} -> {:.4f}; with the true matrices {:.4f}\n", losses[0], fitted, at_truth);
  check("the fitted filter is at least as likely as the true one", fitted < at_truth + 1e-3);
  check("the fitted dynamics are near the true ones", double(ft::amax(ft::abs(m.a - truth.a))) < 0.05);

  Tensor means = filter(m, ys).second;
  std::vector<double> t;
  for (int i = 0; i < 200; ++i) t.push_back(i);
  auto first = [&](const Tensor& x) {
    auto v = column(x, 0);
    v.resize(200);
    return v;
  };
  save(out + "/kalman.png", ft::io::line_plot({{"observed", t, first(ys)}, {"filtered", t, first(means)}, {"true", t, first(data.states)}},
                                              "A fitted Kalman filter", "step", "first coordinate"));
  save(out + "/kalman_loss.png",
       ft::io::line_plot({{"negative log-likelihood", steps, losses}}, "Fitting by gradient", "step of Adam", "per observation"));
  return failures != 0;
}
