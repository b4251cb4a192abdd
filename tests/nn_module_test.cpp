// Modules as trees: buffers, modes, state by name, stacks of models, and batch norm as a value, under every transform.
#include <gtest/gtest.h>

#include "functra/functra.h"
#include "functra/nn/conv.h"
#include "functra/nn/dropout.h"
#include "functra/nn/functional_call.h"
#include "functra/nn/linear.h"
#include "functra/nn/norm.h"
#include "functra/optim/optimizers.h"
#include "tests/support/nn_reference.h"

namespace ft = functra;
using ft::StateDict;
using ft::Tensor;
namespace nn = ft::nn;
using functra::f64;
using functra::i64;

namespace {

struct Net {
  nn::Linear hidden;
  nn::BatchNorm1d bn;
  nn::Dropout drop;
  nn::Linear out;
  Tensor operator()(const Tensor& x) const { return out(drop(ft::tanh(bn(hidden(x))))); }
  std::pair<Tensor, Net> forward(const Tensor& x) const {
    Net next = *this;
    auto [h, b] = bn.with_statistics(hidden(x));
    next.bn = b;
    return {out(ft::tanh(h)), next};
  }
};
Net make(std::uint64_t seed) {
  auto [a, b] = ft::random::split(ft::random::key(seed));
  return {nn::Linear(a, 3, 4, {.dtype = f64}), nn::BatchNorm1d(4, {.dtype = f64}), nn::Dropout(0.0),
          nn::Linear(b, 4, 2, {.bias = false, .dtype = f64})};
}
Tensor data(int seed, const ft::Shape& s = {5, 3}) { return ft::random::normal(ft::random::key(static_cast<std::uint64_t>(seed)), s, f64); }
Tensor loss(const Net& n, const Tensor& x) { return ft::square(n(x)).mean(); }

struct Plain {
  nn::Linear a, b;
  Tensor operator()(const Tensor& x) const { return b(ft::tanh(a(x))); }
};
Plain plain(std::uint64_t seed) {
  auto [a, b] = ft::random::split(ft::random::key(seed));
  return {nn::Linear(a, 3, 4, {.dtype = f64}), nn::Linear(b, 4, 2, {.dtype = f64})};
}
struct Tied {
  nn::Embedding embedding;
  nn::Linear decoder;
  Tensor operator()(const Tensor& i) const { return decoder(embedding(i)); }
};
Tied tied() {
  auto [a, b] = ft::random::split(ft::random::key(5));
  Tied t{nn::Embedding(a, 6, 3, {.dtype = f64}), nn::Linear(b, 3, 6, {.bias = false, .dtype = f64})};
  t.decoder.weight = t.embedding.weight;
  return t;
}

}  // namespace

TEST(Modules, NamesOfAModelArePathsAndBuffersHaveNoStepOfTheirOwn) {
  Net n = make(0);
  std::vector<std::string> names;
  for (const auto& [name, value] : ft::state_dict(n)) names.push_back(name);
  EXPECT_EQ(names, (std::vector<std::string>{"bn.bias", "bn.num_batches_tracked", "bn.running_mean", "bn.running_var", "bn.weight", "hidden.bias",
                                             "hidden.weight", "out.weight"}));
  EXPECT_EQ(ft::named_buffers(n).size(), 3u);
  EXPECT_EQ(ft::named_parameters(n).size(), 5u);
}
TEST(Modules, GradOfAModelIsAModelWithZerosAtBuffers) {
  Net n = nn::eval(make(0));
  n.bn.running_mean = data(9, {4});
  Net g = ft::grad(loss)(n, data(1));
  for (const auto& [name, b] : ft::named_buffers(g)) EXPECT_TRUE(bool((b == 0).all())) << name;
  for (const auto& [name, p] : ft::named_parameters(g)) EXPECT_FALSE(bool((p == 0).all())) << name;
  EXPECT_EQ(g.bn.running_mean->value().sizes(), ft::Shape{4});
  auto [y, tangent] =
      ft::jvp([](const Net& m, const Tensor& x) { return loss(m, x); }, std::tuple(n, data(1)), std::tuple(n, ft::zeros_like(data(1))));
  Net still = n;
  for (Tensor* t : ft::tree::pointers(ft::TreeRef(still.bn.running_mean))) *t = ft::zeros_like(*t);
  auto [y2, tangent2] =
      ft::jvp([](const Net& m, const Tensor& x) { return loss(m, x); }, std::tuple(n, data(1)), std::tuple(still, ft::zeros_like(data(1))));
  expect_close(tangent, tangent2, 1e-14);
}
TEST(Modules, ABufferOfAnOutputIsATensorInItsJacobian) {
  auto f = [](const Tensor& x) { return std::pair<Tensor, nn::Buffer>(x * 2, nn::Buffer(x * 3)); };
  auto j = ft::jacrev(f)(ft::tensor({1.0, 2.0}, f64));
  expect_close(std::get<1>(j), ft::eye(2, f64) * 3);
}
TEST(Modules, ModesAreSetByTheirTypeAndArePartOfTheStructure) {
  Net n = make(0);
  Net e = nn::eval(n);
  EXPECT_EQ(e.bn.mode, nn::Mode::eval);
  EXPECT_EQ(e.drop.mode, nn::Mode::eval);
  EXPECT_EQ(n.bn.mode, nn::Mode::train);
  EXPECT_EQ(nn::train(e).drop.mode, nn::Mode::train);
  auto jitted = ft::jit(loss);
  Tensor x = data(1);
  expect_close(jitted(n, x), loss(n, x), 1e-12);
  expect_close(jitted(e, x), loss(e, x), 1e-12);
  EXPECT_EQ(jitted.cache_size(), 2u);
}
TEST(Modules, ConfigurationIsCheckedWhereItIsGiven) {
  Tensor k = ft::random::key(0);
  expect_throw<ft::ValueError>([&] { nn::Linear(k, 0, 3); }, "nn::Linear: needs at least one feature on each side, not 0 and 3");
  expect_throw<ft::ValueError>([&] { nn::Embedding(k, 0, 3); }, "a table of 0 rows");
  expect_throw<ft::IndexError>([&] { nn::Embedding(k, 4, 3, {.padding_idx = 4}); }, "padding_idx");
  expect_throw<ft::DTypeError>([&] { nn::Embedding(k, 4, 3)(ft::ones({2})); }, "nn::Embedding: positions are integers, not f32 of shape [2]");
  expect_throw<ft::ValueError>([&] { nn::Dropout(1.5)(ft::ones({2}), k); }, "the probability 1.5 is not in [0, 1]");
  expect_throw<ft::ShapeError>([&] { nn::Dropout2d(0.5)(ft::ones({2}), k); }, "x has shape [2]; it is [N, C, ...]");
  expect_throw<ft::ValueError>([&] { nn::BatchNorm2d(0); }, "nn::BatchNorm2d: needs at least one channel, not 0");
  expect_throw<ft::ShapeError>([&] { nn::BatchNorm2d(3)(ft::ones({4, 3})); }, "nn::BatchNorm2d: x has shape [4, 3]; it is [N, C, H, W]");
  expect_throw<ft::ShapeError>([&] { nn::BatchNorm1d(3)(ft::ones({4, 2})); }, "x has shape [4, 2], but the layer has 3 channels");
  expect_throw<ft::ValueError>([&] { nn::BatchNorm1d(3)(ft::ones({1, 3})); }, "one value per channel");
  expect_throw<ft::ValueError>([&] { nn::GroupNorm(2, 3); }, "3 channels are not divisible into 2 groups");
  expect_throw<ft::ShapeError>([&] { nn::GroupNorm(1, 3)(ft::ones({2, 4})); }, "nn::GroupNorm: x has shape [2, 4]; it is [N, 3, ...]");
  expect_throw<ft::ShapeError>([&] { nn::LayerNorm(3)(ft::ones({2, 4})); }, "nn::LayerNorm: x has shape [2, 4], whose last extents are not [3]");
  expect_throw<ft::ShapeError>([&] { nn::RMSNorm({4, 3})(ft::ones({3})); }, "nn::RMSNorm: x has shape [3]");
  expect_throw<ft::ShapeError>([&] { nn::InstanceNorm1d(3)(ft::ones({2})); }, "nn::InstanceNorm1d: x has shape [2]");
  expect_throw<ft::ShapeError>([&] { nn::InstanceNorm1d(3)(ft::ones({2, 5})); }, "but the layer has 3 channels");
  expect_throw<ft::ValueError>([&] { nn::InstanceNorm1d(3)(ft::ones({2, 3, 1})); }, "one value per channel");
}
TEST(Modules, DropoutDropsByItsKeyAndOnlyInTrainMode) {
  nn::Dropout d(0.25);
  Tensor x = ft::ones({1000}, f64), k = ft::random::key(3), y = d(x, k);
  EXPECT_TRUE(bool((y == d(x, k)).all()));
  EXPECT_NEAR(double((y == 0).to(f64).mean()), 0.25, 0.05);
  EXPECT_TRUE(bool(((y == 0) | (ft::abs(y - 1 / 0.75) < 1e-12)).all()));
  EXPECT_TRUE(bool((nn::eval(d)(x, k) == x).all()));
  EXPECT_TRUE(bool((nn::eval(d)(x) == x).all()));
  EXPECT_TRUE(bool((nn::Dropout(1.0)(x, k) == 0).all()));
  EXPECT_FALSE(bool((d(x) == x).all()));
  Tensor whole = nn::Dropout2d(0.5)(ft::ones({20, 30, 2, 2}, f64), k), first = whole.index({ft::Slice(), ft::Slice(), 0, 0});
  EXPECT_TRUE(bool((whole == first.unsqueeze(-1).unsqueeze(-1)).all()));
  EXPECT_NEAR(double((first == 0).to(f64).mean()), 0.5, 0.08);
  Tensor drawn = nn::Dropout3d(0.5)(ft::ones({4, 50, 2}, f64));
  EXPECT_TRUE(bool((drawn.index({ft::Slice(), ft::Slice(), 0}) == drawn.index({ft::Slice(), ft::Slice(), 1})).all()));
  Tensor each = ft::vmap([&](const Tensor& kk) { return d(x, kk); })(ft::random::split(k, 3));
  EXPECT_TRUE(bool((each[1] == d(x, ft::random::split(k, 3)[1])).all()));
}

TEST(Modules, AnAggregateOfLayersTrainsAsOneTree) {
  struct Images {
    nn::Conv2d c;
    nn::BatchNorm2d bn;
    nn::Linear fc;
    std::pair<Tensor, Images> forward(const Tensor& x) const {
      Images next = *this;
      auto [h, b] = bn.with_statistics(c(x));
      next.bn = b;
      return {fc(ft::flatten(ft::relu(h), 1)), next};
    }
  };
  auto [k1, k2] = ft::random::split(ft::random::key(0));
  Images net{nn::Conv2d(k1, 1, 4, 3), nn::BatchNorm2d(4), nn::Linear(k2, 64, 3)};
  Tensor x = ft::random::normal(ft::random::key(1), {12, 1, 6, 6}), y = ft::arange(12) % 3;
  auto loss_of = [&](const Images& n) {
    auto [logits, next] = n.forward(x);
    return std::pair(ft::cross_entropy(logits, y), next);
  };
  ft::optim::Adam opt{{.lr = 1e-2}};
  auto state = opt.init(net);
  auto step = ft::jit([&](const Images& n, const ft::optim::AdamState<Images>& s) {
    auto [g, aux] = ft::grad_and_value(ft::has_aux, loss_of)(n);
    return std::tuple(opt.step(aux.second, g, s), aux.first);
  });
  double first = 0, last = 0;
  for (int i = 0; i < 20; ++i) {
    auto [moved, value] = step(net, state);
    std::tie(net, state) = moved;
    (i ? last : first) = double(value);
  }
  EXPECT_LT(last, 0.2 * first);
  EXPECT_EQ(step.cache_size(), 1u);
  EXPECT_EQ(net.bn.num_batches_tracked->value().item<int>(), 20);
  EXPECT_EQ(net.c.weight.sizes(), (ft::Shape{4, 1, 3, 3}));
}
TEST(Modules, ModelsAreMadeUnderVmapFromStackedKeys) {
  Tensor keys = ft::random::split(ft::random::key(3), 4);
  auto make_one = [](const Tensor& k) { return nn::Linear(k, 3, 2, {.dtype = f64}); };
  nn::Linear all = ft::vmap(make_one)(keys);
  for (int i = 0; i < 4; ++i) expect_close(all.weight[i], make_one(keys[i]).weight);
}

// ---------------------------------------------------------------- functional_call
TEST(Modules, FunctionalCallTakesAFullOrAPartialDictionary) {
  Plain a = plain(1), b = plain(2);
  Tensor x = data(3);
  expect_close(ft::functional_call(a, ft::state_dict(b), x), b(x));
  Plain mixed = a;
  mixed.b.weight = b.b.weight;
  expect_close(ft::functional_call(a, {{"b.weight", b.b.weight}}, x), mixed(x));
  expect_close(ft::functional_call(a, {{"b.weight", b.b.weight}, {"nobody", x}}, x), mixed(x));
  StateDict first{{"a.weight", b.a.weight}, {"a.bias", *b.a.bias}}, second{{"b.weight", b.b.weight}, {"b.bias", *b.b.bias}};
  expect_close(ft::functional_call(a, std::vector<StateDict>{first, second}, {.strict = true}, x), b(x));
  expect_throw<ft::ValueError>(
      [&] {
        ft::functional_call(a, std::vector<StateDict>{first, first}, x);
      },
      "functional_call: 'a.bias' is given more than once");
}
TEST(Modules, UnknownAndMissingNamesAreListedWhenStrict) {
  Plain a = plain(1);
  Tensor x = data(3);
  expect_throw<ft::StructureError>(
      [&] {
        ft::functional_call(a, {{"a.weight", a.a.weight}, {"a.wieght", x}, {"z", x}}, {.strict = true}, x);
      },
      "functional_call: the dictionary does not match the model; unknown names: 'a.wieght', 'z'; missing names: 'a.bias', "
      "'b.weight', 'b.bias'");
  expect_throw<ft::StructureError>([&] { ft::load_state_dict(a, {{"a.weight", a.a.weight}}); }, "load_state_dict: the dictionary does not match");
  EXPECT_NO_THROW(ft::load_state_dict(a, {{"a.weight", a.a.weight}}, {.strict = false}));
  expect_throw<ft::ShapeError>(
      [&] {
        ft::functional_call(a, {{"a.weight", x}}, x);
      },
      "functional_call: 'a.weight' is f64 [4, 3] in the model, but f64 [5, 3] in the dictionary");
  expect_throw<ft::DTypeError>([&] { ft::load_state_dict(a, {{"a.weight", a.a.weight.to(ft::f32)}}, {.strict = false}); }, "convert it with to(f64)");
  expect_throw<ft::ValueError>([&] { ft::load_state_dict(a, {{"a.weight", Tensor()}}, {.strict = false}); }, "but nothing in the dictionary");
}
TEST(Modules, TiedWeightsStayTied) {
  Tied t = tied();
  Tensor i = ft::tensor({0, 3}), w = data(4, {6, 3});
  EXPECT_EQ(ft::named_parameters(t).size(), 1u);
  EXPECT_EQ(ft::state_dict(t).size(), 2u);
  Tied both = t;
  both.embedding.weight = both.decoder.weight = w;
  for (const char* name : {"embedding.weight", "decoder.weight"}) {
    expect_close(ft::functional_call(t, {{name, w}}, i), both(i));
    expect_close(ft::functional_call(t, {{name, w}}, {.strict = true}, i), both(i));
  }
  expect_close(ft::functional_call(t, {{"embedding.weight", w}, {"decoder.weight", w}}, i), both(i));
  expect_throw<ft::ValueError>(
      [&] {
        ft::functional_call(t, {{"embedding.weight", w}, {"decoder.weight", w * 2}}, i);
      },
      "'embedding.weight' and 'decoder.weight' are tied, but different tensors are given for them");
  Tied apart = t;
  apart.decoder.weight = w;
  expect_close(ft::functional_call(t, {{"decoder.weight", w}}, {.tie_weights = false}, i), apart(i));
  expect_throw<ft::StructureError>(
      [&] {
        ft::functional_call(t, {{"decoder.weight", w}}, {.tie_weights = false, .strict = true}, i);
      },
      "'embedding.weight'");
  // the gradient by the dictionary is the sum over both uses
  auto f = [&](const StateDict& d) { return ft::square(ft::functional_call(t, d, i)).sum(); };
  StateDict g = ft::grad(f)({{"embedding.weight", w}});
  Tied parts = ft::grad([&](const Tied& m) { return ft::square(m(i)).sum(); })(both);
  expect_close(g.at("embedding.weight"), parts.embedding.weight + parts.decoder.weight, 1e-12);
}
TEST(Modules, FunctionalCallComposesWithEveryTransform) {
  Plain a = plain(1);
  Tensor x = data(3);
  auto f = [&](const StateDict& p, const Tensor& v) { return ft::square(ft::functional_call(a, p, v)).mean(); };
  StateDict p = ft::named_parameters(plain(2)), g = ft::grad(f)(p, x);
  Plain direct = ft::grad([&](const Plain& n) { return ft::square(n(x)).mean(); })(plain(2));
  for (const auto& [name, value] : ft::state_dict(direct)) expect_close(g.at(name), value, 1e-12);
  StateDict traced = ft::jit(ft::grad(f))(p, x);
  for (const auto& [name, value] : g) expect_close(traced.at(name), value, 1e-12);
  Tensor each = ft::vmap(f, {.in_dims = {ft::none, 0}})(p, x.unsqueeze(1));
  for (int i = 0; i < 5; ++i) expect_close(each[i], f(p, x[i].unsqueeze(0)), 1e-12);
}
TEST(Modules, TorchSpellingOfNamesFindsTheSameMembers) {
  auto [a, b] = ft::random::split(ft::random::key(1));
  std::vector<nn::Linear> layers{nn::Linear(a, 2, 2), nn::Linear(b, 2, 2)};
  Tensor w = ft::ones({2, 2});
  auto loaded = ft::load_state_dict(layers, {{"1.weight", w}}, {.strict = false});
  EXPECT_TRUE(bool((loaded[1].weight == 1).all()));
  loaded = ft::load_state_dict(layers, {{"[0].weight", w}}, {.strict = false});
  EXPECT_TRUE(bool((loaded[0].weight == 1).all()));
  std::map<std::string, nn::Linear> heads{{"x", nn::Linear(a, 2, 2)}};
  EXPECT_TRUE(bool((ft::load_state_dict(heads, {{"x.weight", w}}, {.strict = false}).at("x").weight == 1).all()));
}

// ---------------------------------------------------------------- ensembles
TEST(Modules, StackModuleStateRefusesWhatItCannotStack) {
  expect_throw<ft::ValueError>([] { ft::stack_module_state(std::vector<Net>{}); }, "stack_module_state: needs at least one model, got zero");
  Net n = make(0);
  expect_throw<ft::StructureError>(
      [&] {
        ft::stack_module_state(std::vector<Net>{n, n, nn::eval(n)});
      },
      "stack_module_state: model 2 and model 0 differ at 'bn.mode': one is in train mode, the other in eval mode");
  Net eps = n;
  eps.bn.eps = 0.5;
  expect_throw<ft::StructureError>([&] { ft::stack_module_state(std::vector<Net>{n, eps}); }, "differ at 'bn.eps': 0.5 and 1e-05");
  Net no_bias = n;
  no_bias.hidden.bias.reset();
  expect_throw<ft::StructureError>(
      [&] {
        ft::stack_module_state(std::vector<Net>{n, no_bias});
      },
      "model 1 and model 0 differ: only the latter has 'hidden.bias'");
  expect_throw<ft::StructureError>([&] { ft::stack_module_state(std::vector<Net>{no_bias, n}); }, "only the former has 'hidden.bias'");
  Net wide = n;
  wide.out.weight = ft::ones({3, 4}, f64);
  expect_throw<ft::ShapeError>(
      [&] {
        ft::stack_module_state(std::vector<Net>{n, wide});
      },
      "'out.weight' is f64 [2, 4] in model 0, but f64 [3, 4] in model 1");
  wide.out.weight = ft::ones({2, 4});
  expect_throw<ft::DTypeError>([&] { ft::stack_module_state(std::vector<Net>{n, wide}); }, "f32 [2, 4] in model 1");
  wide.out.weight = Tensor();
  expect_throw<ft::StructureError>([&] { ft::stack_module_state(std::vector<Net>{n, wide}); }, "but nothing in model 1");
  expect_throw<ft::ShapeError>([&] { ft::unstack_module_state(n); },
                               "unstack_module_state: 'bn.num_batches_tracked' has shape []; the members before it hold 4 models");
  expect_throw<ft::ShapeError>([&] { ft::unstack_module_state(nn::Buffer(ft::tensor(1.0))); }, "has no dimension of models");
  expect_throw<ft::ValueError>([&] { ft::unstack_module_state(nn::Dropout(0.5)); }, "no tensors");
}
TEST(Modules, AnEnsembleEqualsTheLoopOverItsModels) {
  std::vector<Plain> models{plain(1), plain(2), plain(3)};
  Plain all = ft::stack_module_state(models);
  Tensor x = data(7), mine = data(8, {3, 5, 3});
  auto call = [](const Plain& n, const Tensor& v) { return n(v); };
  Tensor same = ft::vmap(call, {.in_dims = {0, ft::none}})(all, x), own = ft::vmap(call)(all, mine);
  auto lossy = [](const Plain& n, const Tensor& v) { return ft::square(n(v)).sum(); };
  Plain g = ft::vmap(ft::grad(lossy), {.in_dims = {0, ft::none}})(all, x);
  std::vector<Plain> back = ft::unstack_module_state(all), parts = ft::unstack_module_state(g);
  for (std::size_t i = 0; i < 3; ++i) {
    expect_close(same[static_cast<int>(i)], models[i](x), 1e-12);
    expect_close(own[static_cast<int>(i)], models[i](mine[static_cast<int>(i)]), 1e-12);
    for (const auto& [name, v] : ft::state_dict(models[i])) expect_close(ft::state_dict(back[i]).at(name), v);
    for (const auto& [name, v] : ft::state_dict(ft::grad(lossy)(models[i], x))) expect_close(ft::state_dict(parts[i]).at(name), v, 1e-12);
  }
}

// ---------------------------------------------------------------- batch norm
TEST(Modules, BatchNormUnderVmapReturnsItsStatistics) {
  nn::BatchNorm1d bn(3, {.dtype = f64});
  Tensor x = data(2, {4, 6, 3});
  auto [y, next] = ft::vmap([&](const Tensor& v) { return bn.with_statistics(v); })(x);
  for (int i = 0; i < 4; ++i) {
    auto [yi, ni] = bn.with_statistics(x[i]);
    expect_close(y[i], yi, 1e-12);
    expect_close(next.running_mean->value()[i], ni.running_mean->value(), 1e-12);
    expect_close(next.running_var->value()[i], ni.running_var->value(), 1e-12);
  }
  EXPECT_TRUE(bool((next.num_batches_tracked->value() == 1).all()));
  std::vector<Net> models{make(1), make(2)};  // a model that trains, mapped over
  auto [out, seen] =
      ft::vmap([](const Net& n, const Tensor& v) { return n.forward(v); }, {.in_dims = {0, ft::none}})(ft::stack_module_state(models), data(3));
  for (std::size_t i = 0; i < 2; ++i) {
    auto [o, s] = models[i].forward(data(3));
    expect_close(out[static_cast<int>(i)], o, 1e-12);
    expect_close(ft::unstack_module_state(seen)[i].bn.running_var->value(), s.bn.running_var->value(), 1e-12);
  }
}
TEST(Modules, BatchNormStatisticsPassThroughGradJitAndScan) {
  Tensor x = data(2);
  auto f = [](const Net& n, const Tensor& v) {
    auto [y, next] = n.forward(v);
    return std::pair(ft::square(y).mean(), next);
  };
  Net n = make(4);
  auto [g, aux] = ft::grad_and_value(ft::has_aux, f)(n, x);
  Net want = n.forward(x).second;
  expect_close(aux.second.bn.running_mean->value(), want.bn.running_mean->value(), 1e-12);
  auto [l, traced] = ft::jit(f)(n, x);
  expect_close(traced.bn.running_var->value(), want.bn.running_var->value(), 1e-12);
  Tensor batches = data(5, {3, 6, 3});
  nn::BatchNorm1d bn(3, {.dtype = f64}), loop = bn;
  auto [last, ys] = ft::scan(
      [](const nn::BatchNorm1d& b, const Tensor& v) {
        auto [y, next] = b.with_statistics(v);
        return std::pair(next, y);
      },
      bn, batches);
  for (int i = 0; i < 3; ++i) loop = loop.with_statistics(batches[i]).second;
  expect_close(last.running_mean->value(), loop.running_mean->value(), 1e-12);
  expect_close(last.running_var->value(), loop.running_var->value(), 1e-12);
  EXPECT_EQ(last.num_batches_tracked->value().item<int>(), 3);
}
TEST(Modules, ReplaceAllBatchNormUsesTheBatchInEitherMode) {
  Net n = make(4), r = nn::replace_all_batch_norm(n);
  Tensor x = data(2);
  expect_close(nn::eval(r)(x), n(x), 1e-12);
  EXPECT_EQ(r.forward(x).second.bn.num_batches_tracked->value().item<int>(), 0);
  EXPECT_GT(double(ft::abs(nn::eval(n)(x) - n(x)).amax()), 1e-3);
}
