// Optimisers, clipping and schedules against torch.optim (tools/references/optim_reference.py), and under every transform.
#include <gtest/gtest.h>

#include "functra/functra.h"
#include "functra/io/npy.h"
#include "functra/nn/functional_call.h"
#include "functra/nn/linear.h"
#include "functra/nn/norm.h"
#include "functra/optim/clip.h"
#include "functra/optim/lbfgs.h"
#include "functra/optim/optimizers.h"
#include "functra/optim/schedule.h"
#include "tests/laws_count.h"
#include "tests/support/close.h"

namespace ft = functra;
using ft::Tensor;
namespace nn = ft::nn;
namespace optim = ft::optim;
using functra::f64;
using functra::i64;

namespace {

const std::map<std::string, Tensor>& reference() {
  static const auto* r =
      new std::map<std::string, Tensor>(ft::io::read_npz(std::string(functra::testing::source_dir()) + "/tests/data/optim_reference.npz"));
  return *r;
}
Tensor stored(const std::string& name) { return reference().at(name); }
void equals(const Tensor& got, const std::string& name, double tolerance) {
  SCOPED_TRACE(name);
  expect_close(got, stored(name), tolerance);
  functra::testing::count_law(!::testing::Test::HasFailure());
}

struct Params {
  Tensor w, b;
};
Params begin() { return {stored("w"), stored("b")}; }
Tensor loss(const Params& p) {
  return ft::square(ft::tanh(ft::linear(stored("x"), p.w, p.b)) - stored("y")).sum() + 0.05 * ft::square(ft::square(p.w).sum());
}
template <class Opt> void fifty_steps(const std::string& name, const Opt& opt) {
  Params p = begin();
  auto state = opt.init(p);
  for (int i = 1; i <= 50; ++i) {
    std::tie(p, state) = opt.step(p, ft::grad(loss)(p), state);
    std::string at = name + "." + std::to_string(i);
    if (!reference().count(at + ".w")) continue;
    equals(p.w, at + ".w", 1e-9);
    equals(p.b, at + ".b", 1e-9);
  }
  EXPECT_EQ(state.step.template item<int>(), 50);
}
template <class S> void schedule(const std::string& name, const S& s) {
  Tensor want = stored("schedule." + name), steps = ft::arange(want.size(0));
  equals(s(steps), "schedule." + name, 1e-12);
  expect_close(ft::jit(s)(ft::tensor(3)), want[3], 1e-12);
  expect_close(s(3), want[3], 1e-12);
}

// A model with everything that an optimiser leaves alone.
struct Model {
  nn::Linear fc;
  nn::BatchNorm1d bn;
  Tensor count, absent;
};
Model model() {
  Model m{nn::Linear(ft::random::key(0), 2, 3, {.dtype = f64}), nn::BatchNorm1d(3, {.dtype = f64}), ft::tensor({1, 2}), {}};
  m.bn.running_mean = ft::ones({3}, f64);
  return m;
}
Model like(const Model& m, double value) {
  return ft::tree_map([&](const Tensor& t) { return t.defined() ? ft::full_like(t, value) : t; }, m);
}
template <class Opt> void leaves_state_alone(const Opt& opt) {
  Model m = model();
  auto [next, state] = opt.step(m, like(m, 1), opt.init(m));
  for (const auto& [name, b] : ft::named_buffers(next)) EXPECT_TRUE(bool((b == ft::named_buffers(m).at(name)).all())) << name;
  EXPECT_TRUE(bool((next.count == m.count).all()));
  EXPECT_EQ(next.count.dtype(), i64);
  EXPECT_FALSE(next.absent.defined());
  EXPECT_FALSE(bool((next.fc.weight == m.fc.weight).any()));
  EXPECT_FALSE(bool((*next.bn.weight == *m.bn.weight).any()));
  EXPECT_EQ(next.bn.eps, m.bn.eps);
}

// ten steps, as a function of the learning rate: hypergradients, and every other transform
template <class Opt> void transforms(Opt opt) {
  auto train = [opt](const Tensor& lr, const Params& from) {
    Opt o = opt;
    o.options.lr = lr;
    Params p = from;
    auto s = o.init(p);
    for (int i = 0; i < 4; ++i) std::tie(p, s) = o.step(p, ft::grad(loss)(p), s);
    return loss(p);
  };
  double h = 1e-5, lr = 0.01;
  Tensor rate = ft::tensor(lr, f64);
  auto [value, slope] = ft::value_and_grad(train)(rate, begin());
  EXPECT_NEAR(double(slope), (double(train(lr + h, begin())) - double(train(lr - h, begin()))) / (2 * h), 1e-5 * (1 + std::fabs(double(slope))));
  Params g = ft::grad<1>(train)(rate, begin());
  for (Tensor Params::*which : {&Params::w, &Params::b}) {
    Params up = begin(), down = begin();
    Tensor direction = ft::random::normal(ft::random::key(3), (up.*which).sizes(), f64);
    up.*which = up.*which + h * direction;
    down.*which = down.*which - h * direction;
    EXPECT_NEAR(double((g.*which * direction).sum()), (double(train(rate, up)) - double(train(rate, down))) / (2 * h), 1e-4);
  }
  expect_close(ft::jit(train)(rate, begin()), value, 1e-12);
  expect_close(ft::jit(ft::grad(train))(rate, begin()), slope, 1e-9);
  Tensor rates = ft::tensor({0.005, 0.01}, f64), each = ft::vmap(train, {.in_dims = {0, ft::none}})(rates, begin());
  expect_close(each[0], train(0.005, begin()), 1e-12);
  expect_close(each[1], value, 1e-12);
}

}  // namespace

TEST(Optim, FiftyStepsOfEachOptimiserEqualTorch) {
  fifty_steps("sgd", optim::SGD{{.lr = 0.01}});
  fifty_steps("sgd_momentum", optim::SGD{{.lr = 0.005, .momentum = 0.9, .weight_decay = 0.1}});
  fifty_steps("sgd_dampening", optim::SGD{{.lr = 0.01, .momentum = 0.8, .dampening = 0.3}});
  fifty_steps("sgd_nesterov", optim::SGD{{.lr = 0.005, .momentum = 0.9, .nesterov = true}});
  fifty_steps("sgd_maximize", optim::SGD{{.lr = 0.001, .maximize = true}});
  fifty_steps("adam", optim::Adam{{.lr = 0.02}});
  fifty_steps("adam_amsgrad", optim::Adam{{.lr = 0.05, .beta1 = 0.8, .beta2 = 0.95, .eps = 1e-4, .weight_decay = 0.1, .amsgrad = true}});
  fifty_steps("adamw", optim::AdamW{{.lr = 0.02}});
  fifty_steps("adamw_amsgrad", optim::AdamW{{.lr = 0.05, .weight_decay = 0.3, .amsgrad = true, .maximize = true}});
  fifty_steps("rmsprop", optim::RMSprop{});
  fifty_steps("rmsprop_centered", optim::RMSprop{{.lr = 0.003, .alpha = 0.9, .weight_decay = 0.1, .momentum = 0.5, .centered = true}});
  fifty_steps("adagrad", optim::Adagrad{{.lr = 0.1}});
  fifty_steps("adagrad_decay", optim::Adagrad{{.lr = 0.2, .lr_decay = 0.05, .weight_decay = 0.1, .initial_accumulator_value = 0.2}});
}
TEST(Optim, BuffersIntegersAndAbsentTensorsAreLeftAlone) {
  leaves_state_alone(optim::SGD{{.lr = 0.1, .momentum = 0.9, .weight_decay = 0.1}});
  leaves_state_alone(optim::Adam{{.weight_decay = 0.1}});
  leaves_state_alone(optim::AdamW{});
  leaves_state_alone(optim::RMSprop{{.weight_decay = 0.1}});
  leaves_state_alone(optim::Adagrad{{.weight_decay = 0.1}});
}
TEST(Optim, StepsAreTransformedAsAnyFunction) {
  transforms(optim::SGD{{.momentum = 0.9, .dampening = 0.1}});
  transforms(optim::Adam{{.eps = 1e-3, .amsgrad = true}});
  transforms(optim::AdamW{{.eps = 1e-3}});
  transforms(optim::RMSprop{{.eps = 1e-2, .momentum = 0.5, .centered = true}});
  transforms(optim::Adagrad{{.initial_accumulator_value = 0.1}});
}
TEST(Optim, AStepAtAZeroGradientHasFiniteDerivatives) {
  auto f = [](auto opt) { return ft::grad([opt](const Tensor& p) { return opt.step(p, p * 0.0, opt.init(p)).first.sum(); })(ft::ones({3}, f64)); };
  expect_close(f(optim::Adam{}), ft::ones({3}, f64));
  expect_close(f(optim::RMSprop{}), ft::ones({3}, f64));
  expect_close(f(optim::Adagrad{}), ft::ones({3}, f64));
}
TEST(Optim, DTypesStayAndAnEnsembleTrainsUnderVmap) {
  Tensor p = ft::ones({2}), rate = ft::tensor(0.5, f64);
  optim::Adam opt{{.lr = rate}};
  auto [next, state] = opt.step(p, p, opt.init(p));
  EXPECT_EQ(next.dtype(), ft::f32);
  EXPECT_EQ(state.exp_avg.dtype(), ft::f32);
  EXPECT_EQ(opt.step(ft::tensor(1.0f), ft::tensor(1.0f), opt.init(ft::tensor(1.0f))).first.dtype(), ft::f32);
  auto init = [&](const Tensor& q) { return opt.init(q); };
  auto step = [&](const Tensor& q, const Tensor& g, const optim::AdamState<Tensor>& s) { return opt.step(q, g, s); };
  Tensor many = ft::tensor({{1.0, 2.0}, {3.0, -4.0}}, f64);
  auto [all, states] = ft::vmap(step)(many, many, ft::vmap(init)(many));
  EXPECT_EQ(states.step.sizes(), ft::Shape{2});
  expect_close(all[1], opt.step(many[1], many[1], opt.init(many[1])).first, 1e-12);
}
TEST(Optim, MistakesAreNamed) {
  Params p = begin();
  expect_throw<ft::ValueError>([&] { optim::SGD{{.momentum = -1}}.step(p, p, optim::SGD{{.momentum = 1}}.init(p)); }, "optim::SGD: momentum is -1");
  expect_throw<ft::ValueError>([&] { optim::SGD{{.nesterov = true}}.step(p, p, optim::SGD{}.init(p)); }, "nesterov needs momentum, and no dampening");
  expect_throw<ft::StructureError>([&] { optim::SGD{{.momentum = 0.9}}.step(p, p, optim::SGD{}.init(p)); }, "the state has no momentum_buffer");
  expect_throw<ft::StructureError>([&] { optim::Adam{{.amsgrad = true}}.step(p, p, optim::Adam{}.init(p)); },
                                   "optim::Adam: the state has no max_exp_avg_sq");
  expect_throw<ft::StructureError>([&] { optim::RMSprop{{.centered = true}}.step(p, p, optim::RMSprop{}.init(p)); },
                                   "no momentum_buffer or grad_avg");
  expect_throw<ft::ValueError>([&] { optim::AdamW{{.beta2 = 1}}.step(p, p, optim::AdamW{}.init(p)); },
                               "optim::AdamW: beta2 is 1.0, outside of its domain");
  expect_throw<ft::ValueError>([&] { optim::Adam{{.beta1 = -0.1}}.step(p, p, optim::Adam{}.init(p)); }, "beta1");
  expect_throw<ft::ValueError>([&] { optim::Adam{{.eps = -1}}.step(p, p, optim::Adam{}.init(p)); }, "eps");
  expect_throw<ft::ValueError>([&] { optim::RMSprop{{.alpha = -1}}.step(p, p, optim::RMSprop{}.init(p)); }, "alpha");
  expect_throw<ft::ValueError>([&] { optim::Adagrad{{.lr_decay = -1}}.step(p, p, optim::Adagrad{}.init(p)); }, "lr_decay");
  Params bad = p;
  bad.w = ft::ones({3, 2}, f64);
  expect_throw<ft::ShapeError>([&] { optim::SGD{}.step(p, bad, optim::SGD{}.init(p)); }, "optim::SGD: 'w' has shape [2, 3], its gradient [3, 2]");
  std::vector<Tensor> two{p.w, p.b}, one{p.w};
  expect_throw<ft::StructureError>([&] { optim::SGD{}.step(two, one, optim::SGD{}.init(two)); },
                                   "the parameters have the structure [*, *], the gradients [*]");
  expect_throw<ft::StructureError>([&] { optim::Adam{}.step(two, two, optim::Adam{}.init(one)); }, "the state [*]");
  expect_throw<ft::ValueError>([&] { optim::global_norm(p, 0); }, "global_norm: the order 0.0 is not above 0");
  expect_throw<ft::ValueError>([&] { optim::OneCycleLR{0.1, 0}(0); }, "optim::OneCycleLR: needs at least one step, not 0");
}
TEST(Optim, ClippingEqualsTorchAndKeepsBuffers) {
  Params g{stored("clip.w"), stored("clip.b")};
  for (auto [name, p] : {std::pair("norm2", 2.0), std::pair("norm1", 1.0), std::pair("norm3", 3.0), std::pair("norm_inf", HUGE_VAL)})
    for (auto [text, bound] : {std::pair("0.5", 0.5), std::pair("50.0", 50.0)}) {
      auto [clipped, norm] = optim::clip_grad_norm(g, bound, p);
      std::string at = std::string("clip.") + name + "." + text;
      equals(clipped.w, at + ".w", 1e-12);
      equals(clipped.b, at + ".b", 1e-12);
      equals(norm, at + ".norm", 1e-12);
    }
  Params v = optim::clip_grad_value(g, 0.25);
  EXPECT_NEAR(double(ft::abs(v.w).amax()), 0.25, 1e-12);
  expect_close(v.b, ft::clamp(g.b, -0.25, 0.25));
  Model m = like(model(), 3);
  EXPECT_TRUE(bool((optim::clip_grad_value(m, 1).bn.running_mean->value() == 3).all()));
  EXPECT_NEAR(double(optim::global_norm(m)), 3 * std::sqrt(6 + 3 + 3 + 3), 1e-12);
  EXPECT_EQ(double(optim::global_norm(std::vector<Tensor>{})), 0);
  auto f = [](const Params& x) { return optim::clip_grad_norm(x, 0.5).first.w.sum(); };
  ft::check_grads(f, std::tuple(g));
}
TEST(Optim, SchedulesEqualTorch) {
  schedule("step", optim::StepLR{0.3, 7, 0.4});
  schedule("multi_step", optim::MultiStepLR{0.3, {3, 10, 10, 25}, 0.5});
  schedule("exponential", optim::ExponentialLR{0.3, 0.9});
  schedule("cosine", optim::CosineAnnealingLR{0.3, 30, 0.01});
  schedule("linear", optim::LinearLR{0.3});
  schedule("linear_long", optim::LinearLR{0.3, 0.1, 0.7, 12});
  schedule("polynomial", optim::PolynomialLR{0.3, 20, 2});
  schedule("warm_restarts", optim::CosineAnnealingWarmRestarts{0.3, 8, 0.02});
  schedule("one_cycle", optim::OneCycleLR{0.5, 40});
  schedule("one_cycle_linear", optim::OneCycleLR{0.5, 41, 0.4, optim::Anneal::linear, 10, 100, true});
  schedule("warm_up_cosine", optim::sequential(optim::LinearLR{0.3, 0.1, 1, 5}, 5, optim::CosineAnnealingLR{0.3, 35}));
}

// ---------------------------------------------------------------- L-BFGS
namespace {

template <class Opt> void lbfgs(const std::string& name, const Opt& opt, int steps) {
  Params p = begin();
  auto state = opt.init(p);
  Tensor value, previous = loss(p);
  for (int i = 1; i <= steps; ++i) {
    std::tie(p, state, value) = opt.step(loss, p, state);
    expect_close(value, previous, 1e-12);
    previous = loss(p);
    std::string at = name + "." + std::to_string(i);
    if (!reference().count(at + ".w")) continue;
    equals(p.w, at + ".w", 1e-6);
    equals(p.b, at + ".b", 1e-6);
  }
}

}  // namespace

TEST(Optim, LbfgsEqualsTorchWithAndWithoutLineSearch) {
  lbfgs("lbfgs", optim::LBFGS{{.lr = 0.1, .max_iter = 2}}, 10);
  lbfgs("lbfgs_wolfe", optim::LBFGS{{.max_iter = 3, .history_size = 3, .line_search = optim::LineSearch::strong_wolfe}}, 5);
  lbfgs("lbfgs_long", optim::LBFGS{{.line_search = optim::LineSearch::strong_wolfe}}, 2);
}
TEST(Optim, LbfgsIsTransformedAsAnyFunction) {
  optim::LBFGS opt{{.max_iter = 3, .history_size = 2, .line_search = optim::LineSearch::strong_wolfe}};
  auto best = [&](const Tensor& target) {
    auto f = [&](const Tensor& p) { return (ft::cosh(p - target) + 0.1 * ft::square(p)).sum() + 0.05 * ft::square(p.sum()); };
    Tensor p = ft::zeros({2}, f64);
    return std::get<0>(opt.step(f, p, opt.init(p)));
  };
  Tensor a = ft::tensor({1.0, -0.5}, f64), b = ft::tensor({{1.0, -0.5}, {3.0, 2.0}, {0.0, 0.0}}, f64);
  Tensor each = ft::vmap(best)(b);
  for (int i = 0; i < 3; ++i) expect_close(each[i], best(b[i]), 1e-10);
  expect_close(ft::jit(best)(a), best(a), 1e-10);
  Tensor forward = ft::jacfwd(best)(a), reverse = ft::jacrev(best)(a);
  double h = 1e-6;
  for (int i = 0; i < 2; ++i) {
    Tensor e = ft::eye(2, f64)[i] * h, difference = (best(a + e) - best(a - e)) / (2 * h);
    expect_close(forward.index({ft::Slice(), i}), difference, 1e-5);
  }
  expect_close(reverse, forward, 1e-9);
}
TEST(Optim, LbfgsLeavesStateAloneAndNamesMistakes) {
  Model m = model();
  optim::LBFGS opt{{.max_iter = 3}};
  auto f = [](const Model& n) { return ft::square(n.fc(ft::ones({2, 2}, f64))).sum() + ft::square(*n.bn.weight).sum(); };
  auto [next, state, value] = opt.step(f, m, opt.init(m));
  EXPECT_LT(double(f(next)), double(value));
  EXPECT_TRUE(bool((next.bn.running_mean->value() == 1).all() & (next.count == m.count).all()));
  EXPECT_EQ(state.step.item<int>(), 2);
  Tensor still = std::get<0>(opt.step([](const Tensor& p) { return ft::square(p).sum(); }, ft::zeros({2}, f64), opt.init(ft::zeros({2}, f64))));
  EXPECT_TRUE(bool((still == 0).all()));
  Tensor p = ft::ones({2}, f64);
  auto g = [](const Tensor& x) { return ft::square(x).sum(); };
  expect_throw<ft::ValueError>([&] { optim::LBFGS{{.max_iter = 0}}.step(g, p, opt.init(p)); }, "optim::LBFGS: max_iter is 0");
  expect_throw<ft::ValueError>([&] { optim::LBFGS{{.history_size = 0}}.init(p); }, "history_size is 0");
  expect_throw<ft::ShapeError>([&] { opt.step(g, p, opt.init(ft::ones({3}, f64))); }, "there are 2 parameters, but the state is for 3");
  expect_throw<ft::StructureError>([&] { opt.init(ft::tensor({1, 2})); }, "there are no parameters in *");
  expect_throw<ft::StructureError>([&] { opt.init(std::vector<Tensor>{p, ft::ones({2})}); }, "'[1]' is f32, others f64");
}
