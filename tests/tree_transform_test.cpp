// Trees of every kind through every transform, with closed forms: optionals, variants, maps, vectors, integer, bool and undefined
// leaves, static values.
#include <gtest/gtest.h>

#include <array>
#include <map>
#include <optional>
#include <variant>

#include "functra/functra.h"
#include "support/close.h"

namespace ft = functra;
using ft::Tensor;

namespace {

Tensor some(const ft::Shape& s) { return ft::sin(ft::arange(0, s.numel(), 1, ft::f64) * 1.3 + 0.4).reshape(s); }
struct Inner {
  Tensor w;
  int power = 2;
};
struct Everything {
  std::variant<Tensor, double> choice;
  std::optional<Tensor> maybe;
  std::map<std::string, Inner> named;
  std::vector<Tensor> list;
  std::array<Tensor, 2> pair;
  Tensor index;      // integers
  Tensor mask;       // bools
  Tensor undefined;  // never assigned
  std::string label = "x";
};
// Each of the differentiable leaves with a derivative of its own.
Tensor value(const Everything& e) {
  Tensor s = 0.0;
  if (e.choice.index() == 0) s += ft::sum(std::get<0>(e.choice) * std::get<0>(e.choice));
  else s += std::get<1>(e.choice);
  if (e.maybe) s += ft::sum(ft::sin(*e.maybe));
  for (auto& [k, v] : e.named) s += ft::sum(ft::pow(v.w, v.power));
  for (auto& t : e.list) s += ft::sum(t) * 5.0;
  s += ft::sum(e.pair[0] * e.pair[1]);
  s += ft::sum(ft::where(e.mask, e.pair[0][e.index], 0.0));
  return s;
}
Everything full() {
  return {some({2}),
          some({2}) + 1.0,
          {{"a", {some({2}) + 2.0, 2}}, {"b", {some({2}) - 2.0, 3}}},
          {some({2}) * 2.0, some({2}) * 3.0},
          {some({2}) * 4.0, some({2}) * 5.0},
          ft::tensor({1, 1}),
          ft::tensor({true, false}),
          {},
          "full"};
}
Everything sparse() {
  Everything e = full();
  e.choice = 0.25;
  e.maybe = std::nullopt;
  e.named.erase("b");
  e.list.clear();
  e.label = "sparse";
  return e;
}
void expect_gradient(const Everything& g, const Everything& e) {
  ASSERT_EQ(g.choice.index(), e.choice.index());
  if (e.choice.index() == 0) expect_close(std::get<0>(g.choice), std::get<0>(e.choice) * 2.0);
  else EXPECT_EQ(std::get<1>(g.choice), std::get<1>(e.choice));
  ASSERT_EQ(g.maybe.has_value(), e.maybe.has_value());
  if (e.maybe) expect_close(*g.maybe, ft::cos(*e.maybe));
  ASSERT_EQ(g.named.size(), e.named.size());
  for (auto& [k, v] : e.named) {
    expect_close(g.named.at(k).w, ft::pow(v.w, v.power - 1) * v.power);
    EXPECT_EQ(g.named.at(k).power, v.power);
  }
  ASSERT_EQ(g.list.size(), e.list.size());
  for (std::size_t i = 0; i < e.list.size(); ++i) expect_close(g.list[i], ft::full(e.list[i].sizes(), 5.0, ft::f64));
  expect_close(g.pair[0], e.pair[1] + ft::tensor({0.0, 1.0}, ft::f64));
  expect_close(g.pair[1], e.pair[0]);
  EXPECT_EQ(g.index.dtype(), ft::i64);
  EXPECT_EQ(g.mask.dtype(), ft::bool_);
  EXPECT_TRUE(ft::equal(g.index, ft::zeros({2}, ft::i64)));
  EXPECT_TRUE(ft::equal(g.mask, ft::zeros({2}, ft::bool_)));
  EXPECT_FALSE(g.undefined.defined());
  EXPECT_EQ(g.label, e.label);
}
// <gradient, e> over the differentiable leaves.
double along_itself(const Everything& g, const Everything& e) {
  double s = 0;
  auto a = ft::tree_leaves(g), b = ft::tree_leaves(e);
  for (std::size_t i = 0; i < a.size(); ++i)
    if (a[i].defined() && ft::is_floating(a[i].dtype())) s += ft::sum(a[i] * b[i]).item<double>();
  return s;
}

TEST(TreesInTransforms, GradientsOfEveryKindOfLeaf) {
  for (const Everything& e : {full(), sparse()}) {
    expect_gradient(ft::grad(value)(e), e);
    expect_gradient(ft::jit(ft::grad(value))(e), e);
    expect_gradient(ft::grad(ft::jit(value))(e), e);
    expect_gradient(ft::vjp(value, e).second(1.0), e);
    expect_gradient(ft::jacrev(value)(e), e);
    expect_gradient(ft::jacfwd(value)(e), e);
    expect_gradient(ft::jit(ft::jacfwd(ft::jit(value)))(e), e);
    auto [g, v] = ft::grad_and_value(value)(e);
    expect_gradient(g, e);
    expect_close(v, value(e));
    double d = along_itself(g, e);
    EXPECT_NEAR(double(ft::jvp(value, e, e).second), d, 1e-12);
    EXPECT_NEAR(double(ft::linearize(value, e).second(e)), d, 1e-12);
    EXPECT_NEAR(double(ft::jvp(ft::jit(value), e, e).second), d, 1e-12);
    ft::check_grads(value, e);
  }
}
TEST(TreesInTransforms, SecondDerivativesOfEveryKindOfLeaf) {
  Everything e = full();
  auto h = ft::hessian(value)(e);
  auto of_maybe = h[&Everything::maybe];
  expect_close(*of_maybe->maybe, ft::eye(2, ft::f64) * -ft::sin(*e.maybe));
  expect_close(of_maybe->pair[0], ft::zeros({2, 2}, ft::f64));
  auto of_b = h[&Everything::named].at("b")[&Inner::w];
  expect_close(of_b.named.at("b").w, ft::eye(2, ft::f64) * e.named.at("b").w * 6.0);
  expect_close(of_b.named.at("a").w, ft::zeros({2, 2}, ft::f64));
  expect_close(h[&Everything::pair][0].pair[1], ft::eye(2, ft::f64));
  expect_close(std::get<0>(std::get<0>(h[&Everything::choice]).choice), ft::eye(2, ft::f64) * 2.0);
  EXPECT_TRUE(ft::equal(h[&Everything::index].index, ft::zeros({2, 2}, ft::i64)));
  EXPECT_FALSE(h[&Everything::undefined].index.defined());
  EXPECT_EQ(h[&Everything::label], "full");
}
TEST(TreesInTransforms, MapsOverEveryKindOfLeaf) {
  Everything e = full(), twice = ft::tree_map([](const Tensor&t) { return t.defined() ? ft::stack({t, t}) : t; }, e);
  Everything g = ft::vmap(ft::grad(value))(twice);
  Everything lane = ft::tree_map([](const Tensor& t) { return t.defined() ? t[1] : t; }, g);
  expect_gradient(lane, e);
  auto same = [](const Everything& x) { return x; };
  for (const Everything& out : {ft::vmap(same)(twice), ft::vmap(same, {.chunk_size = 1})(twice), ft::jit(ft::vmap(same))(twice)}) {
    EXPECT_EQ(ft::tree_flatten(out).second, ft::tree_flatten(twice).second);
    auto a = ft::tree_leaves(out), b = ft::tree_leaves(twice);
    for (std::size_t i = 0; i < a.size(); ++i) EXPECT_TRUE(a[i].defined() ? ft::equal(a[i], b[i]) : !b[i].defined());
  }
  // An identity has the cotangent itself as cotangent, of the same structure, with zeros at integers and bools.
  auto [y, pull] = ft::vjp(same, e);
  Everything ct = pull(e);
  expect_close(std::get<0>(ct.choice), std::get<0>(e.choice), 0);
  expect_close(*ct.maybe, *e.maybe, 0);
  EXPECT_TRUE(ft::equal(ct.index, ft::zeros({2}, ft::i64)));
  EXPECT_FALSE(ct.undefined.defined());
}
TEST(TreesInTransforms, IntegerAndBoolResultsHaveZeroTangentsOfTheirDtype) {
  struct Out {
    Tensor value, index, mask;
  };
  auto f = [](const Tensor& x) { return Out{x * 2.0, ft::argsort(x), x > 0}; };
  Tensor x = some({3});
  auto [y, t] = ft::jvp(f, x, x);
  expect_close(t.value, x * 2.0);
  EXPECT_TRUE(ft::equal(t.index, ft::zeros({3}, ft::i64)) && ft::equal(t.mask, ft::zeros({3}, ft::bool_)));
  Out l = ft::linearize(f, x).second(x);
  EXPECT_TRUE(ft::equal(l.index, t.index) && ft::equal(l.mask, t.mask));
  // Cotangents at them do not count, given or not.
  auto pull = ft::vjp(f, x).second;
  expect_close(pull({x, ft::ones({3}, ft::i64), ft::ones({3}, ft::bool_)}), x * 2.0);
  expect_close(pull({x, {}, {}}), x * 2.0);
  Out r = ft::jacrev(f)(x), w = ft::jacfwd(f)(x);
  for (const Out& j : {r, w}) {
    expect_close(j.value, ft::eye(3, ft::f64) * 2.0);
    expect_close(j.index, ft::zeros({3, 3}), 0);
    expect_close(j.mask, ft::zeros({3, 3}), 0);
  }
}
TEST(TreesInTransforms, StaticArgumentsStayAsTheyAre) {
  auto f = [](const Tensor& x, int n, const std::string& how, std::pair<double, Tensor> scaled) {
    Tensor y = ft::pow(x, n) * scaled.first * scaled.second;
    return how == "sum" ? ft::sum(y) : ft::mean(y);
  };
  Tensor x = some({4}), s = some({4});
  auto [gx, gs] = ft::grad<0, 3>(f)(x, 3, "sum", {2.0, s});
  expect_close(gx, x * x * s * 6.0);
  EXPECT_EQ(gs.first, 2.0);
  expect_close(gs.second, x * x * x * 2.0);
  auto [y, pull] = ft::vjp(f, x, 3, "mean", std::pair{2.0, s});
  auto [a, b, c, d] = pull(1.0);
  static_assert(std::is_same_v<decltype(b), ft::NoneType> && std::is_same_v<decltype(c), ft::NoneType>);
  expect_close(a, x * x * s * 1.5);
  expect_close(d.second, x * x * x * 0.5);
  auto [v, t] = ft::jvp(f, std::tuple{x, 3, "sum", std::pair{2.0, s}}, std::tuple{x, ft::none, ft::none, std::pair{0.0, s}});
  expect_close(t, ft::sum(ft::pow(x, 3) * s) * 8.0);
  expect_close(ft::vmap(f, {.in_dims = {0, ft::none, ft::none, 0}})(x, 3, "sum", {2.0, s}), ft::pow(x, 3) * s * 2.0);
}

}  // namespace
