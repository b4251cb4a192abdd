// Three bodies under softened gravity, 10,000 Runge-Kutta steps by scan, and the gradient of where they end with respect to where they
// started. The derivative is a scan again: the program does not grow with the number of steps.
#include "support/check.h"

using namespace example;

namespace {

struct State {
  Tensor q, v;  // positions and velocities [3, 2]
};
const double kStep = 1e-3, kSoftening = 0.05;
const int kSteps = 10'000;

State rate(const State& s) {
  static const Tensor mass = ft::tensor({1.0, 0.8, 0.6}, ft::f64);
  Tensor d = s.q.unsqueeze(0) - s.q.unsqueeze(1);  // d[i][j] points from body i to body j
  Tensor r2 = ft::sum(d * d, -1) + kSoftening;     // [3, 3]
  Tensor pull = mass * ft::pow(r2, -1.5);          // per unit of mass of body i
  return {s.v, ft::sum(pull.unsqueeze(-1) * d, 1)};
}
State moved(const State& s, double h, const State& k) { return {s.q + h * k.q, s.v + h * k.v}; }
State step(const State& s) {
  State k1 = rate(s), k2 = rate(moved(s, kStep / 2, k1)), k3 = rate(moved(s, kStep / 2, k2)), k4 = rate(moved(s, kStep, k3));
  auto mean = [](const Tensor& a, const Tensor& b, const Tensor& c, const Tensor& d) { return (a + 2.0 * b + 2.0 * c + d) / 6.0; };
  return moved(s, kStep, {mean(k1.q, k2.q, k3.q, k4.q), mean(k1.v, k2.v, k3.v, k4.v)});
}
// The last state, and the positions at every step [kSteps, 3, 2].
std::pair<State, Tensor> simulate(const State& start) {
  return ft::scan([](const State& s, ft::NoneType) { return std::pair{step(s), s.q}; }, start, {.length = kSteps});
}
Tensor spread(const State& start) {  // how far the bodies are from the origin in the end
  State s = simulate(start).first;
  return ft::sum(s.q * s.q) + ft::sum(s.v * s.v);
}

}  // namespace

int main(int argc, char** argv) {
  std::string out = out_folder(argc, argv);
  State start{ft::tensor({{0.9, -0.2}, {-0.7, 0.5}, {0.1, -0.8}}, ft::f64), ft::tensor({{0.1, 0.5}, {-0.3, -0.4}, {0.4, 0.1}}, ft::f64)};

  auto [g, value] = ft::grad_and_value(spread)(start);
  fmt::print("after {} steps: |q|^2 + |v|^2 = {:.6f}\nd/dq {}\nd/dv {}\n", kSteps, double(value), g.q, g.v);

  State along{ft::tensor({{0.3, -0.1}, {0.2, 0.4}, {-0.5, 0.1}}, ft::f64), ft::tensor({{0.1, 0.2}, {-0.2, 0.3}, {0.4, -0.6}}, ft::f64)};
  check_close("gradient along a direction, against a difference", dot(g, along), difference(spread, start, along, 1e-6), 1e-5);
  check_close("gradient and forward mode", dot(g, along), double(ft::jvp(spread, start, along).second), 1e-9);
  auto equations = [&](int n) {  // of the gradient of so many steps
    auto last = [n](const State& s) {
      return ft::scan([](const State& c, ft::NoneType) { return std::pair{step(c), ft::none}; }, s, {.length = n}).first;
    };
    return ft::make_fx(ft::grad([&](const State& s) { return ft::sum(last(s).q); }))(start).size();
  };
  check("the gradient's program has as many equations for 10,000 steps as for 10", equations(kSteps) == equations(10));

  Tensor path = simulate(start).second;
  std::vector<ft::io::Curve> curves;
  for (int body = 0; body < 3; ++body) {
    Tensor p = path.index({ft::Slice(0, kSteps, 10), body});
    curves.push_back({"body " + std::to_string(body + 1), column(p, 0), column(p, 1)});
  }
  save(out + "/three_body.png", ft::io::line_plot(curves, "Three bodies, 10,000 steps", "x", "y"));
  return failures != 0;
}
