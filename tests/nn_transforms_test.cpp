// Transforms on models: derivatives with their options, checkpoints, models and data mapped at once.
#include <gtest/gtest.h>

#include "functra/functra.h"
#include "functra/nn.h"
#include "support/close.h"

namespace ft = functra;
namespace nn = functra::nn;
using ft::Tensor;

namespace {
struct Net {
  nn::Linear a;
  nn::LayerNorm norm;
  nn::Linear b;
  Tensor operator()(const Tensor& x) const { return b(ft::tanh(norm(a(x)))); }
};
Net net(std::uint64_t seed) {
  auto [k1, k2] = ft::random::split(ft::random::key(seed));
  return {nn::Linear(k1, 3, 4, {.dtype = ft::f64}), nn::LayerNorm({4}, {.dtype = ft::f64}), nn::Linear(k2, 4, 2, {.dtype = ft::f64})};
}
Tensor some(const ft::Shape& s, double from = 0.2) { return ft::sin(ft::arange(0, s.numel(), 1, ft::f64) + from).reshape(s); }
Tensor loss(const Net& n, const Tensor& x) { return ft::sum(ft::square(n(x))); }
}  // namespace

TEST(ModuleTransforms, jvp_and_vjp_of_a_model_agree_with_differences) {
  Net n = net(0), along = ft::tree_map([](const Tensor&t) { return some(t.sizes(), 1.0); }, n);
  Tensor x = some({5, 3});
  auto at = [&](double h) { return loss(ft::tree_map([&](const Tensor& p, const Tensor& d) { return p + h * d; }, n, along), x); };
  double slope = double((at(1e-5) - at(-1e-5)) / 2e-5);
  auto [y, dy] = ft::jvp([&](const Net& m) { return loss(m, x); }, n, along);
  EXPECT_NEAR(double(dy), slope, 1e-6 * (1 + std::fabs(slope)));
  auto [value, pullback] = ft::vjp(loss, n, x);
  auto [g, gx] = pullback(ft::tensor(1.0, ft::f64));
  double dot = 0;
  ft::tree_map([&](const Tensor& p, const Tensor& d) { return dot += double(ft::sum(p * d)), p; }, g, along);
  EXPECT_NEAR(dot, slope, 1e-6 * (1 + std::fabs(slope)));
  EXPECT_EQ(gx.sizes(), x.sizes());
}
TEST(ModuleTransforms, jacobians_by_model_and_by_input_with_argument_numbers_aux_and_chunks) {
  Net n = net(1);
  Tensor x = some({3});
  auto f = [](const Net& m, const Tensor& v) { return m(v); };
  Net j = ft::jacrev(f)(n, x), chunked = ft::jacrev(f, {.chunk_size = 1})(n, x), forward = ft::jacfwd(f)(n, x);
  EXPECT_EQ(j.a.weight.sizes(), (ft::Shape{2, 4, 3}));
  expect_close(j.a.weight, chunked.a.weight), expect_close(j.a.weight, forward.a.weight), expect_close(*j.norm.weight, *forward.norm.weight);
  auto [by_net, by_x] = ft::jacrev<0, 1>(f)(n, x);
  expect_close(by_net.b.weight, j.b.weight);
  expect_close(by_x, ft::jacfwd<1>(f)(n, x));
  auto [jx, hidden] = ft::jacrev<1>(ft::has_aux, [](const Net& m, const Tensor& v) { return std::pair{m(v), m.a(v)}; })(n, x);
  expect_close(jx, by_x), expect_close(hidden, n.a(x));
}
TEST(ModuleTransforms, hessian_by_the_input_and_products_by_the_model) {
  Net n = net(2);
  Tensor x = some({3});
  auto by_input = [&](const Tensor& v) { return loss(n, v); };
  expect_close(ft::hessian(by_input)(x), ft::jacfwd(ft::grad(by_input))(x));
  Net v = ft::tree_map([](const Tensor& t) { return some(t.sizes(), 3.0); }, n);
  auto by_net = [&](const Net& m) { return loss(m, x); };
  Net product = ft::hvp(by_net, n, v);
  auto g = [&](double h) { return ft::grad(by_net)(ft::tree_map([&](const Tensor& p, const Tensor& d) { return p + h * d; }, n, v)); };
  Net up = g(1e-5), down = g(-1e-5);
  expect_close(product.a.weight, (up.a.weight - down.a.weight) / 2e-5, 1e-6);
  expect_close(*product.norm.bias, (*up.norm.bias - *down.norm.bias) / 2e-5, 1e-6);
}
TEST(ModuleTransforms, a_checkpointed_model_has_the_same_gradient_and_keeps_less) {
  Net n = net(3);
  Tensor x = some({6, 3});
  auto plain = [](const Net& m, const Tensor& v) { return ft::sum(ft::square(m(v))); };
  auto again = [](const Net& m, const Tensor& v) {
    return ft::sum(ft::square(ft::checkpoint([](const Net& q, const Tensor& u) { return q(u); })(m, v)));
  };
  Net g = ft::grad(plain)(n, x), c = ft::grad(again)(n, x);
  expect_close(g.a.weight, c.a.weight, 1e-14), expect_close(*g.b.bias, *c.b.bias, 1e-14);
  auto bytes = [&](auto f) {
    std::int64_t b = 0;
    for (auto& r : ft::saved_residuals(f)(n, x)) b += r.bytes;
    return b;
  };
  EXPECT_LT(bytes(again), bytes(plain));
  expect_close(ft::jit(ft::grad(again))(n, x).a.weight, g.a.weight, 1e-14);
}
TEST(ModuleTransforms, models_and_data_are_mapped_at_once) {
  std::vector<Net> nets{net(4), net(5), net(6)};
  Net all = ft::stack_module_state(nets);
  Tensor xs = some({3, 7, 3});
  auto g = ft::vmap(ft::vmap(ft::grad(loss), {.in_dims = {ft::none, 0}}))(all, xs);  // models with their own data, then examples
  for (int m = 0; m < 3; ++m)
    for (int i = 0; i < 7; ++i) {
      Net one = ft::grad(loss)(nets[static_cast<std::size_t>(m)], xs[m][i]);
      expect_close(g.a.weight[m][i], one.a.weight, 1e-13);
      expect_close((*g.norm.weight)[m][i], *one.norm.weight, 1e-13);
    }
  auto cross =
      ft::vmap(ft::vmap([](const Net& m, const Tensor& v) { return m(v); }, {.in_dims = {ft::none, 0}}), {.in_dims = {0, ft::none}})(all, xs[0]);
  EXPECT_EQ(cross.sizes(), (ft::Shape{3, 7, 2}));
  expect_close(cross[2], nets[2](xs[0]), 1e-14);
}
TEST(DebugUnwrap, shows_what_stands_inside_by_level_and_refuses_recorded_values) {
  Tensor x = some({3, 2}), inside, one;
  ft::vmap(ft::grad([&](const Tensor& v) {
    inside = ft::debug_unwrap(v);
    one = ft::debug_unwrap(ft::debug_unwrap(v, false), false);
    return ft::sum(v * v);
  }))(x);
  expect_close(inside, x);
  expect_close(one, x);
  EXPECT_TRUE(ft::equal(ft::debug_unwrap(x), x));
  expect_throw<ft::TracerError>([&] { (void)ft::jit([](const Tensor& v) { return ft::debug_unwrap(v) * 2.0; })(x); },
                                "debug_unwrap: the value is only recorded");
  Tensor kept;
  ft::grad([&](const Tensor& v) { return kept = v, ft::sum(v); })(x);
  expect_throw<ft::TracerError>([&] { (void)ft::debug_unwrap(kept); }, "has finished");
}
