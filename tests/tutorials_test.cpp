// What the documentation programs of examples/ compute, on small models whose values torch.func gave (tools/references/tutorials_reference.py).
#include <gtest/gtest.h>

#include "functra/functra.h"
#include "functra/io/npy.h"
#include "functra/nn.h"
#include "tests/laws_count.h"
#include "tests/support/close.h"

namespace ft = functra;
using ft::Tensor;
namespace nn = ft::nn;

namespace {

const std::map<std::string, Tensor>& reference() {
  static const auto* r =
      new std::map<std::string, Tensor>(ft::io::read_npz(std::string(functra::testing::source_dir()) + "/tests/data/tutorials_reference.npz"));
  return *r;
}
const Tensor& value(const std::string& name) { return reference().at(name); }
void expect_stored(const Tensor& got, const std::string& name) {
  SCOPED_TRACE(name);
  expect_close(got, value(name), 1e-11);
  functra::testing::count_law(!::testing::Test::HasFailure());
}
ft::StateDict stored(const std::string& prefix) {
  ft::StateDict d;
  for (const auto& [name, v] : reference())
    if (name.starts_with(prefix)) d[name.substr(prefix.size())] = v;
  return d;
}
template <class Net> Net load(Net net, const std::string& prefix) { return ft::load_state_dict(net, stored(prefix)); }
// Every tensor of a gradient; both sides by the model's own names.
template <class Net> void expect_gradient(const Net& got, const std::string& prefix) {
  ft::StateDict g = ft::state_dict(got), want = ft::state_dict(ft::load_state_dict(got, stored(prefix)));
  EXPECT_FALSE(g.empty());
  for (const auto& [name, v] : g) {
    SCOPED_TRACE(prefix + name);
    expect_close(v, want.at(name), 1e-11);
    functra::testing::count_law(!::testing::Test::HasFailure());
  }
}
nn::Linear linear(std::int64_t in, std::int64_t out) { return nn::Linear(ft::random::key(0), in, out, {.dtype = ft::f64}); }
nn::Conv2d conv(std::int64_t in, std::int64_t out) { return nn::Conv2d(ft::random::key(0), in, out, 3, {.dtype = ft::f64}); }

struct SimpleCNN {
  nn::Conv2d conv1, conv2;
  nn::Linear fc1, fc2;
  Tensor operator()(const Tensor& images) const {
    Tensor x = ft::max_pool2d(ft::relu(conv2(ft::relu(conv1(images)))), 2);
    return ft::log_softmax(fc2(ft::relu(fc1(x.flatten(1)))), 1);
  }
};
struct SimpleMLP {
  nn::Linear fc1, fc2, fc3;
  Tensor operator()(const Tensor& images) const { return fc3(ft::relu(fc2(ft::relu(fc1(images.flatten(1)))))); }
};
struct CNN {
  nn::Conv2d conv1, conv2, conv3;
  nn::Linear fc;
  Tensor operator()(const Tensor& x) const { return fc(conv3(ft::relu(conv2(ft::relu(conv1(x))))).flatten(1)); }
};
Tensor predict(const Tensor& w, const Tensor& b, const Tensor& x) { return ft::tanh(ft::linear(x, w, b)); }

}  // namespace

TEST(Tutorials, PerSampleGradientsAreTorchFuncs) {
  auto cnn = load(SimpleCNN{conv(1, 3), conv(3, 4), linear(16, 6), linear(6, 3)}, "per_sample.p.");
  auto loss = [](const SimpleCNN& m, const Tensor& x, const Tensor& t) { return ft::nll_loss(m(x.unsqueeze(0)), t.unsqueeze(0)); };
  auto grads = ft::vmap(ft::grad(loss), {.in_dims = {ft::none, 0, 0}})(cnn, value("per_sample.images"), value("per_sample.targets"));
  expect_gradient(grads, "per_sample.g.");
  Tensor squares = 0.0;
  for (const Tensor& g : ft::tree_leaves(grads)) squares = squares + ft::sum(ft::square(g.flatten(1)), 1);
  expect_stored(ft::sqrt(squares), "per_sample.norms");
}
TEST(Tutorials, JacobiansHessiansAndTheirProductsAreTorchFuncs) {
  Tensor w = value("jacobians.w"), b = value("jacobians.b"), x = value("jacobians.x");
  ft::VmapOptions over_x{.in_dims = {ft::none, ft::none, 0}};
  expect_stored(ft::vmap(ft::jacrev<2>(predict), over_x)(w, b, x), "jacobians.x_jac");
  expect_stored(ft::vmap(ft::jacfwd<2>(predict), over_x)(w, b, x), "jacobians.x_jac");
  auto [jw, jb] = ft::jacrev<0, 1>(predict)(w, b, x[0]);
  expect_stored(jw, "jacobians.w_jac");
  expect_stored(jb, "jacobians.b_jac");
  expect_stored(ft::vmap(ft::hessian<2>(predict), over_x)(w, b, x), "jacobians.x_hess");
  auto scalar = [&](const Tensor& p) { return ft::sum(ft::sin(predict(w, b, p))); };
  expect_stored(ft::hvp(scalar, x[1], value("jacobians.v")), "jacobians.hvp");
}
TEST(Tutorials, EnsemblesAreTorchFuncs) {
  std::vector<SimpleMLP> models;
  for (int i = 0; i < 3; ++i) models.push_back(load(SimpleMLP{linear(9, 5), linear(5, 5), linear(5, 3)}, "ensemble" + std::to_string(i) + ".p."));
  SimpleMLP stacked = ft::stack_module_state(models);
  Tensor batches = value("ensemble.batches");
  auto call = [](const SimpleMLP& m, const Tensor& x) { return m(x); };
  expect_stored(ft::vmap(call)(stacked, batches), "ensemble.own");
  expect_stored(ft::vmap(call, {.in_dims = {0, ft::none}})(stacked, batches[0]), "ensemble.shared");
  auto loss = [](const SimpleMLP& m, const Tensor& x, const Tensor& t) { return ft::cross_entropy(m(x), t); };
  expect_gradient(ft::vmap(ft::grad(loss))(stacked, batches, value("ensemble.labels")), "ensemble.g.");
}
TEST(Tutorials, NeuralTangentKernelsOfBothMethodsAreTorchFuncs) {
  CNN net = load(CNN{conv(1, 3), conv(3, 3), conv(3, 3), linear(12, 2)}, "ntk.p.");
  Tensor x1 = value("ntk.x1"), x2 = value("ntk.x2");
  auto single = [](const CNN& m, const Tensor& x) { return m(x.unsqueeze(0)).squeeze(0); };
  auto jacobians = ft::vmap(ft::jacrev(single), {.in_dims = {ft::none, 0}});
  auto j1 = ft::tree_leaves(jacobians(net, x1)), j2 = ft::tree_leaves(jacobians(net, x2));
  Tensor full = 0.0;
  for (std::size_t i = 0; i < j1.size(); ++i) full = full + ft::einsum("Naf,Mbf->NMab", j1[i].flatten(2), j2[i].flatten(2));
  expect_stored(full, "ntk.full");
  auto ntk = [&](const Tensor& a, const Tensor& b) {
    auto linear = ft::vjp([&](const CNN& m) { return single(m, b); }, net);
    auto column = [&](const Tensor& e) { return ft::jvp([&](const CNN& m) { return single(m, a); }, net, linear.second(e)).second; };
    return ft::vmap(column, {.out_dims = 1})(ft::eye(2, ft::f64));
  };
  auto pairs = ft::vmap(ft::vmap(ntk, {.in_dims = {ft::none, 0}}), {.in_dims = {0, ft::none}});
  expect_stored(pairs(x1, x2), "ntk.full");
}
