// Behaviours of functorch's suite for eager transforms that put transforms together: per-sample gradients, compiled transforms, models,
// ensembles and the training steps of its examples, against loops. docs/notes/functorch_suites.md lists them beside their originals.
#include <gtest/gtest.h>

#include <cmath>
#include <map>

#include "functra/functra.h"
#include "functra/nn.h"
#include "functra/optim.h"
#include "support/close.h"

namespace ft = functra;
namespace nn = functra::nn;
using ft::f64;
using ft::none;
using ft::Tensor;

namespace {
Tensor some(const ft::Shape& s, double from = 0.3) { return (ft::sin(ft::arange(0, s.numel(), 1, f64) * 1.3 + from) * 1.5).reshape(s); }
Tensor of(double v) { return ft::tensor(v, f64); }
template <class Net> void expect_same(const Net& a, const Net& b, double tol = 1e-9) {
  auto x = ft::tree_leaves(a), y = ft::tree_leaves(b);
  ASSERT_EQ(x.size(), y.size());
  for (std::size_t i = 0; i < x.size(); ++i) expect_close(x[i], y[i], tol);
}
// Models of a batch, stacked leaf by leaf.
template <class Net> Net stacked(const std::vector<Net>& nets) {
  Net r = nets[0];
  auto into = ft::tree::pointers(ft::TreeRef(r));
  for (std::size_t i = 0; i < into.size(); ++i) {
    std::vector<Tensor> parts;
    for (auto& n : nets) parts.push_back(ft::tree_leaves(n)[i]);
    *into[i] = ft::stack(parts);
  }
  return r;
}
template <class Net> Net moved(const Net& net, const Net& g, const Tensor& lr) {
  return ft::tree_map([&](const Tensor& p, const Tensor& d) { return p - lr * d; }, net, g);
}
struct Mlp {
  nn::Linear a, b, c;
  Tensor operator()(const Tensor& x) const { return c(ft::tanh(b(ft::tanh(a(x))))); }
};
Mlp mlp(std::uint64_t seed, int in, int hidden, int out) {
  Tensor k = ft::random::split(ft::random::key(seed), 3);
  return {nn::Linear(k[0], in, hidden, {.dtype = f64}), nn::Linear(k[1], hidden, hidden, {.dtype = f64}),
          nn::Linear(k[2], hidden, out, {.dtype = f64})};
}
}  // namespace

// ---------------------------------------------------------------- per-sample gradients
TEST(FunctorchPerSample, gradients_of_a_linear_model_equal_a_loop) {
  Tensor w = some({4, 2}), x = some({8, 4}, 1), t = some({8, 2}, 2);
  auto loss = [](const Tensor& w, const Tensor& x, const Tensor& t) { return ft::sum(ft::square(ft::matmul(x, w) - t)); };
  Tensor g = ft::vmap(ft::grad(loss), {.in_dims = {none, 0, 0}})(w, x, t);
  for (std::int64_t i = 0; i < 8; ++i) expect_close(g[i], ft::outer(x[i], (ft::matmul(x[i], w) - t[i]) * 2.0));
  auto squeezed = [](const Tensor& w, const Tensor& x, const Tensor& t) { return ft::sum(ft::squeeze(ft::mm(x, w), 0) - t); };
  Tensor h = ft::vmap(ft::grad(squeezed), {.in_dims = {none, 0, 0}})(w, x.unsqueeze(1), t);
  expect_close(h, x.unsqueeze(-1).expand({8, 4, 2}));
}
TEST(FunctorchPerSample, gradients_through_tensors_filled_inside) {
  auto f = [](const Tensor& y, const Tensor&) { return ft::sum(ft::zeros({5}, f64).index_put({ft::Slice()}, y)); };
  expect_close(ft::vmap(ft::grad(f))(some({3, 5}), some({3})), ft::ones({3, 5}, f64), 0);
}
TEST(FunctorchPerSample, gradients_of_an_embedding_model_equal_a_loop) {
  struct Net {
    nn::Embedding emb;
    nn::Linear a, b;
    Tensor operator()(const Tensor& x) const { return b(ft::relu(a(ft::mean(emb(x), 0)))); }
  };
  Tensor k = ft::random::split(ft::random::key(2), 3);
  Net net{nn::Embedding(k[0], 20, 4, {.dtype = f64}), nn::Linear(k[1], 4, 4, {.dtype = f64}), nn::Linear(k[2], 4, 2, {.dtype = f64})};
  Tensor x = ft::arange(30).reshape({6, 5}) * 7 % 20, t = ft::arange(6) % 2;
  auto loss = [](const Net& n, const Tensor& x, const Tensor& t) { return ft::cross_entropy(n(x), t); };
  std::vector<Net> each;
  for (std::int64_t i = 0; i < 6; ++i) each.push_back(ft::grad(loss)(net, x[i], t[i]));
  expect_same(ft::vmap(ft::grad(loss), {.in_dims = {none, 0, 0}})(net, x, t), stacked(each));
}
TEST(FunctorchPerSample, pullbacks_of_log_softmax_have_their_closed_form) {
  Tensor x = some({3, 5}), v = some({5}, 1);
  auto f = [](const Tensor& x, const Tensor& v) { return ft::vjp([](const Tensor& u) { return ft::log_softmax(u, -1); }, x).second(v); };
  expect_close(ft::vmap(f, {.in_dims = {0, none}})(x, v), v - ft::softmax(x, -1) * ft::sum(v));
}
TEST(FunctorchPerSample, gradients_of_a_residual_convolution_network_equal_a_loop) {
  struct Net {
    nn::Conv2d c1, c2;
    nn::GroupNorm n1;
    nn::Linear fc;
    Tensor operator()(const Tensor& x) const {
      Tensor h = ft::relu(n1(c1(x)));
      return fc(ft::mean(ft::relu(h + c2(h)), {-1, -2}));
    }
  };
  Tensor k = ft::random::split(ft::random::key(4), 3);
  Net net{nn::Conv2d(k[0], 1, 4, 3, {.padding = 1, .dtype = f64}), nn::Conv2d(k[1], 4, 4, 3, {.padding = 1, .dtype = f64}),
          nn::GroupNorm(2, 4, {.dtype = f64}), nn::Linear(k[2], 4, 3, {.dtype = f64})};
  Tensor x = some({3, 1, 6, 6}), t = ft::tensor({0, 2, 1});
  auto loss = [](const Net& n, const Tensor& x, const Tensor& t) { return ft::cross_entropy(n(x.unsqueeze(0)), t.unsqueeze(0), ft::Reduction::sum); };
  std::vector<Net> each;
  for (std::int64_t i = 0; i < 3; ++i) each.push_back(ft::grad(loss)(net, x[i], t[i]));
  expect_same(ft::vmap(ft::grad(loss), {.in_dims = {none, 0, 0}})(net, x, t), stacked(each), 1e-8);
}

// ---------------------------------------------------------------- transforms of transforms
TEST(FunctorchCompose, every_pair_of_grad_vjp_and_vmap_of_sine) {
  Tensor x = some({3}), m = some({2, 3}), xs = some({5, 3}, 1);
  expect_close(ft::grad([](const Tensor& v) { return ft::sum(ft::vmap(ft::sin)(v)); })(x), ft::cos(x));
  expect_close(ft::vmap(ft::grad(ft::sin))(x), ft::cos(x));
  expect_close(ft::vmap(ft::vmap(ft::sin))(m), ft::sin(m));
  expect_close(ft::vmap([](const Tensor& v) { return ft::vjp(ft::sin, v).second(v); })(x), x * ft::cos(x));
  expect_close(ft::vmap(ft::vjp(ft::sin, x).second)(xs), xs * ft::cos(x));
  auto [y, pull] = ft::vjp(ft::vmap(ft::sin), x);
  expect_close(y, ft::sin(x)), expect_close(pull(x), ft::cos(x) * x);
}
TEST(FunctorchCompose, transforms_of_a_strided_slice_compile_to_the_same_gradient) {
  nn::Linear layer(ft::random::key(0), 3, 3, {.dtype = f64});
  auto f = [&](const Tensor& x) { return ft::mean(layer(ft::mean(x.index({ft::Slice(), ft::Slice(none, none, 2)}), 0))); };
  Tensor x = some({4, 8, 2, 3});
  expect_close(ft::jit(ft::grad(f))(x), ft::grad(f)(x), 1e-12);
  expect_close(ft::grad(ft::jit(f))(x), ft::grad(f)(x), 1e-12);
}
TEST(FunctorchCompose, hessians_of_a_model_with_its_value_beside_compile_under_vmap) {
  struct Net {
    nn::Linear fc;
  };
  Net net{nn::Linear(ft::random::key(1), 2, 2, {.dtype = f64})};
  auto predict = [](const Net& n, const Tensor& x) {
    Tensor y = ft::square(ft::relu(n.fc(x)));
    return std::pair{y, y};
  };
  auto h = ft::vmap(ft::jacfwd<1>(ft::has_aux, ft::jacrev<1>(ft::has_aux, predict)), {.in_dims = {none, 0}});
  Tensor x = some({4, 2});
  auto eager = h(net, x), compiled = ft::jit(h)(net, x);
  expect_close(compiled.first, eager.first, 1e-12), expect_close(compiled.second, eager.second, 1e-12);
  Tensor on = (net.fc(x) > 0).to(f64);  // of (w x + b)_+^2: 2 w w^T where it is positive
  expect_close(eager.first, ft::einsum("bi,ij,ik->bijk", on, net.fc.weight, net.fc.weight) * 2.0);
}
TEST(FunctorchCompose, pullbacks_of_a_struct_inside_a_compiled_loss) {
  struct Input {
    Tensor positions;
  };
  auto loss = [](const Tensor& w, const Input& in) {
    auto energy = [&](const Input& i) { return ft::sum(ft::index_select(i.positions, 0, ft::arange(5)) * w, 1, true); };
    auto [y, pull] = ft::vjp(energy, in);
    return ft::sum(ft::square(y)) + ft::sum(ft::square(pull(ft::ones_like(y)).positions));
  };
  Tensor w = some({3});
  Input in{some({7, 3}, 1)};
  auto f = ft::grad_and_value(loss);
  auto eager = f(w, in), compiled = ft::jit(f)(w, in);
  expect_close(compiled.first, eager.first, 1e-12), expect_close(compiled.second, eager.second, 1e-12);
  Tensor p = in.positions.index({ft::Slice(0, 5)});
  expect_close(eager.first, ft::matmul(p.t(), ft::matmul(p, w)) * 2.0 + w * 10.0);
  auto trace = [](const Tensor& v, const Input& i) {
    auto [y, pull] = ft::vjp([&](const Input& q) { return ft::trace(q.positions * v); }, i);
    return ft::square(y) + ft::sum(ft::square(pull(1.0).positions));
  };
  Tensor m = some({4, 4}), v = some({4, 4}, 1), d = ft::eye(4, f64);
  expect_close(ft::jit(ft::grad(trace))(v, Input{m}), d * m * ft::trace(m * v) * 2.0 + d * v * 2.0, 1e-12);
}
TEST(FunctorchCompose, programs_of_vmap_of_jacobians_and_of_pullbacks_replay_on_new_data) {
  Tensor a = some({5, 3}), b = some({5, 3}, 1);
  auto p = ft::make_fx(ft::vmap(ft::sin))(a);
  expect_close(p({b})[0], ft::sin(b));
  auto h = ft::make_fx(ft::jacrev(ft::jacrev([](const Tensor& x) { return ft::sum(ft::sin(x)); })))(a[0]);
  expect_close(h({b[0]})[0], ft::diag(-ft::sin(b[0])));
  auto pull = ft::vjp([](const Tensor& x) { return ft::sum(ft::sin(x)); }, a[0]).second;
  expect_close(ft::make_fx(pull)(of(1))({of(2.5)})[0], ft::cos(a[0]) * 2.5);
}

// ---------------------------------------------------------------- functionalize
TEST(FunctorchFunctionalize, cells_become_values_under_every_transform) {
  auto f = [](const Tensor& x) {
    ft::Ref cell(x + x);
    cell.add(ft::ones({4, 2}, f64));
    cell.set({0}, ft::sin(cell.get({0})));
    return ft::sum(cell.get() * x);
  };
  Tensor x = some({4, 2}), xs = some({3, 4, 2}, 1);
  auto pure = ft::functionalize(f);
  expect_close(pure(x), f(x));
  expect_close(ft::grad(pure)(x), ft::grad(f)(x));
  expect_close(ft::vmap(pure)(xs), ft::vmap(f)(xs));
  expect_close(ft::jvp(pure, x, xs[0]).second, ft::jvp(f, x, xs[0]).second);
  expect_close(ft::vmap([&](const Tensor& v) { return ft::jvp(pure, v, v).second; })(xs),
               ft::vmap([&](const Tensor& v) { return ft::jvp(f, v, v).second; })(xs));
  Tensor rest = x * 2.0 + 1.0;
  expect_close(f(x), ft::sum(rest.index_put({0}, ft::sin(rest[0])) * x));
}
TEST(FunctorchFunctionalize, its_program_reads_and_writes_no_cell) {
  auto f = [](const Tensor& x) {
    ft::Ref cell(ft::zeros({4, 2}, f64));
    cell.add(x);
    cell.add(x);
    return cell.get();
  };
  auto p = ft::make_fx(ft::functionalize(f))(some({4, 2}));
  EXPECT_EQ(p.str().find("ref"), std::string::npos) << p.str();
  expect_close(p({some({4, 2}, 1)})[0], some({4, 2}, 1) * 2.0);
}
TEST(FunctorchFunctionalize, layers_indices_and_captured_results_pass_unchanged) {
  Tensor x = some({14, 1, 6}), w = some({5, 6}, 1), b = some({5}, 2);
  expect_close(ft::functionalize(ft::linear)(x, w, b), ft::linear(x, w, b), 0);
  Tensor i = ft::tensor({1, 0});
  auto at = [](const Tensor& v, const Tensor& k) { return v.index({k}); };
  expect_close(ft::functionalize(at)(x, i), at(x, i), 0);
  expect_close(ft::make_fx(ft::functionalize(at))(x, i)({x * 2.0, i})[0], at(x, i) * 2.0, 0);
  expect_close(ft::make_fx(ft::functionalize([&] { return b; }))()({})[0], b, 0);
}

// ---------------------------------------------------------------- the examples
TEST(FunctorchExamples, maml_regression_over_mapped_tasks_equals_a_loop) {
  Mlp net = mlp(1, 1, 8, 1);
  Tensor x1 = some({4, 10, 1}), x2 = some({4, 10, 1}, 1), phase = ft::tensor({0.1, 0.5, 1.0, 2.0}, f64).reshape({4, 1, 1});
  Tensor y1 = ft::sin(x1 + phase) * 0.4, y2 = ft::sin(x2 + phase) * 0.4;
  auto task = [](const Mlp& n, const Tensor& x1, const Tensor& y1, const Tensor& x2, const Tensor& y2) {
    auto inner = [&](const Mlp& m) { return ft::mse_loss(m(x1), y1); };
    return ft::mse_loss(moved(n, ft::grad(inner)(n), of(0.1))(x2), y2);
  };
  auto mapped = [&](const Mlp& n) { return ft::mean(ft::vmap(task, {.in_dims = {none, 0, 0, 0, 0}})(n, x1, y1, x2, y2)); };
  auto looped = [&](const Mlp& n) {
    Tensor s = 0.0;
    for (std::int64_t i = 0; i < 4; ++i) s = s + task(n, x1[i], y1[i], x2[i], y2[i]);
    return s / 4.0;
  };
  expect_same(ft::grad(mapped)(net), ft::grad(looped)(net));
}
TEST(FunctorchExamples, maml_of_a_convolution_classifier_in_two_inner_steps_equals_a_loop) {
  struct Net {
    nn::Conv2d conv;
    nn::GroupNorm norm;
    nn::Linear fc;
    Tensor operator()(const Tensor& x) const { return fc(ft::flatten(ft::max_pool2d(ft::relu(norm(conv(x))), 2), 1)); }
  };
  Tensor k = ft::random::split(ft::random::key(3), 2);
  Net net{nn::Conv2d(k[0], 1, 4, 3, {.dtype = f64}), nn::GroupNorm(4, 4, {.dtype = f64}), nn::Linear(k[1], 16, 3, {.dtype = f64})};
  Tensor xs = some({2, 5, 1, 6, 6}), xq = some({2, 4, 1, 6, 6}, 1), ys = ft::arange(10).reshape({2, 5}) % 3, yq = ft::arange(8).reshape({2, 4}) % 3;
  auto task = [](const Net& n, const Tensor& xs, const Tensor& ys, const Tensor& xq, const Tensor& yq) {
    Net m = n;
    for (int step = 0; step < 2; ++step) m = moved(m, ft::grad([&](const Net& v) { return ft::cross_entropy(v(xs), ys); })(m), of(0.1));
    Tensor logits = m(xq);
    return std::pair{ft::cross_entropy(logits, yq), ft::mean((ft::argmax(logits, 1) == yq).to(f64))};
  };
  auto mapped = [&](const Net& n) { return ft::sum(ft::vmap(task, {.in_dims = {none, 0, 0, 0, 0}})(n, xs, ys, xq, yq).first); };
  auto looped = [&](const Net& n) { return task(n, xs[0], ys[0], xq[0], yq[0]).first + task(n, xs[1], ys[1], xq[1], yq[1]).first; };
  expect_same(ft::grad(mapped)(net), ft::grad(looped)(net), 1e-8);
}
TEST(FunctorchExamples, per_sample_gradients_with_batch_norm_without_running_statistics) {
  struct Net {
    nn::Conv2d conv;
    nn::BatchNorm2d norm;
    nn::Linear fc;
    Tensor operator()(const Tensor& x) const { return fc(ft::flatten(ft::relu(norm(conv(x))), 1)); }
  };
  Tensor k = ft::random::split(ft::random::key(5), 2);
  Net net = nn::replace_all_batch_norm(
      Net{nn::Conv2d(k[0], 2, 3, 3, {.dtype = f64}), nn::BatchNorm2d(3, {.dtype = f64}), nn::Linear(k[1], 48, 5, {.dtype = f64})});
  Tensor x = some({2, 1, 2, 6, 6}), y = ft::tensor({{1}, {3}});
  auto loss = [](const Tensor& x, const Tensor& y, const Net& n) { return ft::cross_entropy(n(x), y); };
  std::vector<Net> each{ft::grad<2>(loss)(x[0], y[0], net), ft::grad<2>(loss)(x[1], y[1], net)};
  expect_same(ft::vmap(ft::grad<2>(loss), {.in_dims = {0, 0, none}})(x, y, net), stacked(each), 1e-8);
}
TEST(FunctorchExamples, forces_of_a_pair_potential_by_batched_jacobians_equal_a_loop) {
  Mlp net = mlp(6, 1, 6, 1);
  Tensor r = ft::linspace(0.5, 1.0, 8, f64).reshape({8, 1});
  auto forces = [&](auto jac) {
    return [&, jac](const Mlp& n) { return ft::sum(ft::square(ft::vmap(jac([&](const Tensor& v) { return n(v); }))(r))); };
  };
  auto looped = [&](const Mlp& n) {
    Tensor s = 0.0;
    for (std::int64_t i = 0; i < 8; ++i) s = s + ft::sum(ft::square(ft::grad([&](const Tensor& v) { return ft::sum(n(v)); })(r[i])));
    return s;
  };
  Mlp want = ft::grad(looped)(net);
  expect_same(ft::grad(forces([](auto f) { return ft::jacrev(f); }))(net), want);
  expect_same(ft::grad(forces([](auto f) { return ft::jacfwd(f); }))(net), want);
}
TEST(FunctorchExamples, a_training_step_of_an_ensemble_equals_those_of_its_members) {
  std::vector<Mlp> nets{mlp(1, 2, 6, 2), mlp(2, 2, 6, 2)};
  Tensor x = some({20, 2}), y = ft::arange(20) % 2;
  auto step = [](const Mlp& n, const Tensor& x, const Tensor& y) {
    auto [g, loss] = ft::grad_and_value([&](const Mlp& m) { return ft::nll_loss(ft::log_softmax(m(x), -1), y); })(n);
    return std::pair{loss, moved(n, g, of(0.2))};
  };
  auto [losses, all] = ft::vmap(step, {.in_dims = {0, none, none}})(ft::stack_module_state(nets), x, y);
  auto a = step(nets[0], x, y), b = step(nets[1], x, y);
  expect_close(losses, ft::stack({a.first, b.first}));
  expect_same(all, stacked(std::vector<Mlp>{a.second, b.second}));
}
TEST(FunctorchExamples, learning_rates_compared_on_copies_that_share_their_dropout) {
  std::vector<Mlp> nets{mlp(1, 16, 6, 2), mlp(1, 16, 6, 2)};
  Tensor x = some({20, 16}), y = ft::arange(20) % 2, lr = ft::tensor({0.2, 0.4}, f64);
  nn::Dropout drop(0.5);
  auto step = [&](const Mlp& n, const Tensor& rate) {
    auto [g, loss] = ft::grad_and_value([&](const Mlp& m) { return ft::nll_loss(ft::log_softmax(m(drop(x)), -1), y); })(n);
    return std::pair{loss, moved(n, g, rate)};
  };
  auto [losses, all] = ft::vmap(step, {.randomness = ft::Randomness::same})(ft::stack_module_state(nets), lr);
  EXPECT_EQ(double(losses[0]), double(losses[1]));
  EXPECT_FALSE(ft::allclose(all.a.weight[0], all.a.weight[1]));
  expect_close(all.a.weight[1] - nets[0].a.weight, (all.a.weight[0] - nets[0].a.weight) * 2.0);
}
TEST(FunctorchModels, a_call_with_other_parameters_leaves_the_model_as_it_was) {
  nn::Linear net(ft::random::key(0), 3, 3, {.dtype = f64});
  Tensor before = net.weight;
  ft::functional_call(net, {{"weight", ft::zeros({3, 3}, f64)}}, some({4, 3}));
  EXPECT_TRUE(ft::equal(net.weight, before));
  expect_close(
      ft::functional_call(net, std::vector<ft::StateDict>{{{"weight", ft::zeros({3, 3}, f64)}}, {{"bias", ft::ones({3}, f64)}}}, some({4, 3})),
      ft::ones({4, 3}, f64), 0);
}
TEST(FunctorchModels, a_gradient_of_tied_parameters_adds_up_both_uses) {
  struct Net {
    nn::Linear first, second;
    Tensor operator()(const Tensor& x) const { return second(first(x)); }
  };
  nn::Linear shared(ft::random::key(0), 3, 3, {.dtype = f64});
  Net tied{shared, shared};
  Tensor x = some({2, 3});
  auto g = ft::grad([&](const ft::StateDict& d) { return ft::sum(ft::functional_call(tied, d, x)); })(ft::named_parameters(tied));
  EXPECT_EQ(g.size(), 2u);
  Net parts = ft::grad([&](const Net& n) { return ft::sum(n(x)); })(tied);
  expect_close(g.at("first.weight"), parts.first.weight + parts.second.weight);
  expect_close(g.at("first.bias"), *parts.first.bias + *parts.second.bias);
}
TEST(FunctorchModels, an_ensemble_of_models_with_tied_parameters_equals_the_loop) {
  struct Net {
    nn::Linear first, second;
    nn::Buffer shift, same;
    Tensor operator()(const Tensor& x) const { return second(first(x)) + shift.value() + same.value(); }
  };
  auto make = [](std::uint64_t seed) {
    nn::Linear shared(ft::random::key(seed), 3, 3, {.dtype = f64});
    nn::Buffer b(some({3}, static_cast<double>(seed)));
    return Net{shared, shared, b, b};
  };
  std::vector<Net> nets{make(1), make(2)};
  Tensor x = some({2, 8, 3});
  Tensor y = ft::vmap([](const Net& n, const Tensor& v) { return n(v); })(ft::stack_module_state(nets), x);
  for (std::int64_t i = 0; i < 2; ++i) expect_close(y[i], nets[static_cast<std::size_t>(i)](x[i]));
}
