// A neural ordinary differential equation (Chen et al., 2018): a network learns the vector field of a spiral from its trajectory. The loss
// runs through Runge-Kutta steps by scan; reverse mode keeps the state at every tenth step only and makes the others again.
#include "support/check.h"

using namespace example;

namespace {

struct Net {
  Tensor w1, b1, w2, b2;
};
const int kSteps = 200, kBatch = 32, kHorizon = 20, kTraining = 3000;
const double kStep = 0.03;

Tensor field(const Net& n, const Tensor& y) {  // y [..., 2]; the network sees cubes, as the true field does
  return ft::matmul(ft::tanh(ft::matmul(y * y * y, n.w1) + n.b1), n.w2) + n.b2;
}
Tensor true_field(const Tensor& y) { return ft::matmul(y * y * y, ft::tensor({{-0.1, 2.0}, {-2.0, -0.1}}, ft::f64)); }

// States after each of n steps from y, [n, ...].
template <class F> Tensor integrate(F f, const Tensor& y, int n, ft::OptInt checkpoint_every = {}) {
  auto step = [&](const Tensor& s, ft::NoneType) {
    Tensor k1 = f(s), k2 = f(s + kStep / 2 * k1), k3 = f(s + kStep / 2 * k2), k4 = f(s + kStep * k3);
    Tensor next = s + kStep / 6 * (k1 + 2.0 * k2 + 2.0 * k3 + k4);
    return std::pair{next, next};
  };
  return ft::scan(step, y, {.length = n, .checkpoint_every = checkpoint_every}).second;
}
// starts [b, 2] and the true states after each step [n, b, 2]
Tensor loss(const Net& n, const Tensor& starts, const Tensor& truth) {
  Tensor y = integrate([&](const Tensor& s) { return field(n, s); }, starts, static_cast<int>(truth.size(0)), 10);
  return ft::mean(ft::square(y - truth));
}

}  // namespace

int main(int argc, char** argv) {
  std::string out = out_folder(argc, argv);
  Tensor start = ft::tensor({2.0, 0.0}, ft::f64), truth = integrate(true_field, start, kSteps + kHorizon);

  Tensor k = ft::random::split(ft::random::key(1), 4);
  Net net{0.3 * ft::random::normal(k[0], {2, 32}, ft::f64), ft::zeros({32}, ft::f64), 0.3 * ft::random::normal(k[1], {32, 2}, ft::f64),
          ft::zeros({2}, ft::f64)};
  auto batch = [&](const Tensor& key) {  // pieces of the trajectory, [b, 2] and [n, b, 2]
    Tensor at = ft::random::randint(key, {kBatch}, 0, kSteps);
    std::vector<Tensor> pieces;
    for (int i = 1; i <= kHorizon; ++i) pieces.push_back(ft::index_select(truth, 0, at + i));
    return std::pair{ft::index_select(truth, 0, at), ft::stack(pieces)};
  };

  auto [y0, ys] = batch(k[2]);
  Tensor b0 = y0, bs = ys;
  Net along = ft::tree_map([](const Tensor& t) { return ft::cos(ft::arange(0, t.numel(), 1, ft::f64)).reshape(t.sizes()); }, net);
  auto plain = [&](const Net& n) { return ft::mean(ft::square(integrate([&](const Tensor& s) { return field(n, s); }, b0, kHorizon) - bs)); };
  double slope = dot(ft::grad(loss)(net, b0, bs), along);
  check_close("gradient through checkpointed steps, against a difference", slope,
              difference([&](const Net& n) { return loss(n, b0, bs); }, net, along, 1e-6), 1e-6);
  check_close("gradient through checkpointed steps, against stored ones", slope, dot(ft::grad(plain)(net), along), 1e-10);

  auto gradient = ft::jit(ft::grad_and_value(loss));
  Adam<Net> adam(net);
  std::vector<double> steps, losses;
  Tensor keys = ft::random::split(k[3], kTraining);
  for (int i = 0; i < kTraining; ++i) {
    auto [starts, targets] = batch(keys[i]);
    auto [g, value] = gradient(net, starts, targets);
    net = adam.step(net, g, 0.01 * (1 - double(i) / kTraining));
    steps.push_back(i);
    losses.push_back(double(value));
    if (i % 500 == 499) fmt::print("step {}: loss {:.5f}\n", i + 1, losses.back());
  }
  Tensor learned = integrate([&](const Tensor& s) { return field(net, s); }, start, kSteps);
  double error = double(ft::sqrt(ft::mean(ft::square(learned - truth.index({ft::Slice(0, kSteps)})))));
  fmt::print("root mean square distance of the whole learned trajectory: {:.4f}\n", error);
  check("the loss fell to a twentieth", losses.back() < losses.front() / 20);
  check("the learned trajectory follows the true one", error < 0.3);
  Tensor t = truth.index({ft::Slice(0, kSteps)});
  save(out + "/neural_ode.png", ft::io::line_plot({{"true", column(t, 0), column(t, 1)}, {"learned", column(learned, 0), column(learned, 1)}},
                                                  "A spiral learned from its trajectory", "x", "y"));
  save(out + "/neural_ode_loss.png",
       ft::io::line_plot({{"loss", steps, losses}}, "Training through checkpointed steps", "step of Adam", "mean square error"));
  return failures != 0;
}
