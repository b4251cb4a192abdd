// 1,024 van der Pol oscillators of different stiffness, solved with one vmap of a while_loop whose step size adapts (Bogacki & Shampine,
// 1989). Each lane makes as many steps as it needs; finished lanes keep their state while others go on.
#include "support/check.h"

using namespace example;

namespace {

const double kEnd = 10, kTolerance = 1e-6;
const int kLanes = 1024;

struct Solver {
  Tensor t, h, y, steps;  // time, step size, state [2], steps made
};
Tensor rate(const Tensor& mu, const Tensor& y) { return ft::stack({y[1], mu * (1.0 - y[0] * y[0]) * y[1] - y[0]}); }
Solver step(const Tensor& mu, const Solver& s) {
  Tensor h = ft::minimum(s.h, kEnd - s.t);
  Tensor k1 = rate(mu, s.y), k2 = rate(mu, s.y + h / 2.0 * k1), k3 = rate(mu, s.y + 0.75 * h * k2);
  Tensor next = s.y + h * (2.0 * k1 + 3.0 * k2 + 4.0 * k3) / 9.0, k4 = rate(mu, next);
  Tensor error = h * (-5.0 / 72 * k1 + k2 / 12.0 + k3 / 9.0 - k4 / 8.0) / (kTolerance + kTolerance * ft::abs(next));
  Tensor e = ft::stop_gradient(ft::amax(ft::abs(error))), ok = e <= 1.0;  // the choice of steps is not differentiated
  Tensor factor = ft::clamp(0.9 * ft::pow(e + 1e-30, -1.0 / 3), 0.2, 5.0);
  return {ft::where(ok, s.t + h, s.t), ft::stop_gradient(h) * factor, ft::where(ok, next, s.y), s.steps + 1};
}
Solver solve(const Tensor& mu, ft::WhileOptions o = {}) {
  Solver start{ft::zeros({}, ft::f64), ft::full({}, 0.01, ft::f64), ft::tensor({2.0, 0.0}, ft::f64), ft::tensor(0, ft::i64)};
  return ft::while_loop([](const Solver& s) { return s.t < kEnd; }, [mu](const Solver& s) { return step(mu, s); }, start, o);
}
// The same equation with many small classical Runge-Kutta steps, in plain C++.
std::array<double, 2> reference(double mu) {
  using V = std::array<double, 2>;
  V y{2, 0};
  auto f = [mu](const V& v) { return V{v[1], mu * (1 - v[0] * v[0]) * v[1] - v[0]}; };
  auto add = [](const V& a, double h, const V& k) { return V{a[0] + h * k[0], a[1] + h * k[1]}; };
  const int n = 100'000;
  const double h = kEnd / n;
  for (int i = 0; i < n; ++i) {
    V k1 = f(y), k2 = f(add(y, h / 2, k1)), k3 = f(add(y, h / 2, k2)), k4 = f(add(y, h, k3));
    for (int d : {0, 1})
      y[static_cast<std::size_t>(d)] += h / 6 *
                                        (k1[static_cast<std::size_t>(d)] + 2 * k2[static_cast<std::size_t>(d)] + 2 * k3[static_cast<std::size_t>(d)] +
                                         k4[static_cast<std::size_t>(d)]);
  }
  return y;
}

}  // namespace

int main(int argc, char** argv) {
  std::string out = out_folder(argc, argv);
  Tensor mu = ft::linspace(0.5, 5, kLanes, ft::f64);
  Solver s = ft::vmap([](const Tensor& m) { return solve(m); })(mu);
  fmt::print("{} oscillators in one loop: {} to {} steps\n", kLanes, ft::amin(s.steps).item<int>(), ft::amax(s.steps).item<int>());
  for (int lane : {0, 300, 1023}) {
    auto y = reference(mu[lane].item<double>());
    Solver alone = solve(mu[lane]);
    check_close("lane " + std::to_string(lane) + " at the end, against small fixed steps", s.y.index({lane, 0}).item<double>(), y[0], 1e-4);
    check("lane " + std::to_string(lane) + " made the steps that it makes alone",
          s.steps[lane].item<int>() == alone.steps.item<int>() && ft::allclose(s.y[lane], alone.y));
  }

  // How the end depends on the stiffness: forward through all lanes, and reverse with the steps made again from few saved states.
  auto final_x = [](const Tensor& m) { return solve(m, {.max_steps = ft::none, .checkpoint = 0}).y[0]; };
  Tensor few = mu.index({ft::Slice(0, kLanes, 128)}), d = ft::jvp(ft::vmap(final_x), few, ft::ones_like(few)).second,
         g = ft::vmap(ft::grad(final_x))(few);
  double m = few[3].item<double>(), h = 1e-3, slope = (reference(m + h)[0] - reference(m - h)[0]) / (2 * h);
  check_close("derivative by stiffness, against a difference of the equation's solution", d[3].item<double>(), slope, 1e-3);
  check("reverse mode with recomputed steps agrees with forward mode", ft::allclose(d, g, 1e-8, 1e-10));

  std::vector<double> x = mu.to_vector<double>();
  save(out + "/adaptive_ode_steps.png",
       ft::io::line_plot({{"steps", x, s.steps.to_vector<double>()}}, "Steps that each lane makes", "stiffness", "steps"));
  save(out + "/adaptive_ode.png",
       ft::io::line_plot({{"x", x, column(s.y, 0)}, {"x'", x, column(s.y, 1)}}, "1,024 van der Pol oscillators at t = 10", "stiffness", "state"));
  return failures != 0;
}
