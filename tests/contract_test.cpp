// What the names of trees and transforms promise, as users write them, with closed forms as the reference.
#include <functra/fmt.h>
#include <functra/functra.h>
#include <gtest/gtest.h>

#include <cmath>
#include <map>

#include "tests/support/values.h"

namespace ft = functra;
using ft::Tensor;
using Dims = ft::Dims;

namespace {

struct Params {
  Tensor w, b;
};
Tensor loss(const Params& p, const Tensor& x, const Tensor& y) { return ft::mean(ft::square(ft::matmul(p.w, x) + p.b - y)); }
Tensor sq(Tensor x) { return x * x; }
Tensor power(const Tensor& x, int n) {
  Tensor r = 1.0;
  for (int i = 0; i < n; ++i) r = r * x;
  return r;
}
enum class Act { relu, tanh };
Tensor act(const Tensor& x, Act a, bool neg, const std::string& how) {
  Tensor y = a == Act::tanh ? ft::tanh(x) : x;
  if (how == "mean") y = y.mean();
  return neg ? -y : y;
}
struct Layer {
  Tensor w;
  std::optional<Tensor> bias;
  std::string name = "l";
  int width = 1;
};
struct Net {
  std::vector<Layer> layers;
  std::map<std::string, Params> heads;
  std::array<Tensor, 2> scale;
  std::variant<Tensor, double> reg = 0.1;
  const int version = 1;
};
struct Out {
  Tensor energy;
  Tensor force;
  int steps = 3;
};
class Private {
  Tensor w_;
  double k_;
  FUNCTRA_TREE(Private, w_, k_);

 public:
  Private(Tensor w, double k) : w_(std::move(w)), k_(k) {}
  Tensor run(const Tensor& x) const { return (w_ * x * k_).sum(); }
  const Tensor& w() const { return w_; }
};
Tensor over(Tensor x) { return x; }
Tensor over(Tensor x, Tensor y) { return x * y; }
struct Model {
  Tensor k;
  Tensor loss(const Tensor& x) const { return (k * x * x).sum(); }
};
Tensor scaled(const Tensor& x, double s = 3.0) { return x * s; }

struct Contract : testing::Test {
  Tensor x = ft::tensor({1.0, 2.0, 3.0}), y = ft::tensor({0.5, -1.0});
  Params p{ft::tensor({{1.0, 2.0, 0.0}, {0.0, 1.0, 1.0}}), ft::zeros({2})};
  // loss(p, x, y): w x = (5, 5), residual r = (4.5, 6), loss = r.r / 2, so d/db = r, d/dw = r x^T, d/dx = w^T r, d/dy = -r.
  static constexpr double loss_value = 28.125;
  void expect_gradient(const Params& g) {
    EXPECT_VALUES(g.w, (Dims{2, 3}), 4.5, 9, 13.5, 6, 12, 18);
    EXPECT_VALUES(g.b, Dims{2}, 4.5, 6);
  }
};
using ContractTrees = Contract;
using ContractGrad = Contract;
using ContractLinear = Contract;
using ContractJacobian = Contract;
using ContractVmap = Contract;
using ContractJit = Contract;

TEST_F(ContractTrees, Nets) {
  Net net{{{p.w, p.b, "in", 2}, {p.w, std::nullopt}}, {{"a", p}, {"b", p}}, {x, y}, x};
  auto [leaves, s] = ft::tree_flatten(net);
  EXPECT_EQ(leaves.size(), 10u);
  Net again = ft::tree_unflatten<Net>(s, leaves);
  EXPECT_TRUE(ft::tree_flatten(again).second == s);
  EXPECT_EQ(again.layers[0].name, "in");
  auto paths = ft::tree_paths(net);
  EXPECT_EQ(paths[0], "layers[0].w");
  EXPECT_EQ(paths[3], "heads['a'].w");
  EXPECT_EQ(paths.back(), "reg");
  Net two = ft::tree_map([](const Tensor& t) { return t * 2; }, net);
  EXPECT_VALUES(two.scale[0], Dims{3}, 2, 4, 6);
  Net sum = ft::tree_map([](Tensor a, Tensor b) { return a + b; }, net, two);
  EXPECT_VALUES(sum.scale[0], Dims{3}, 3, 6, 9);
  net.reg = 2.0;
  EXPECT_EQ(net.reg.index(), 1u);
  EXPECT_FALSE(ft::tree_flatten(net).second == s);
}

TEST_F(ContractTrees, LeavesAndPathsOfOtherKinds) {
  EXPECT_EQ(ft::tree_leaves(std::tuple{x, 3, std::string("s"), Act::relu, std::pair{y, true}}).size(), 2u);
  EXPECT_EQ(ft::tree_leaves(Private(x, 2)).size(), 1u);
  struct Local {
    Tensor q;
    std::vector<bool> flags;
    std::pair<int, Tensor> r;
    int pad;
  };
  EXPECT_EQ((ft::tree_paths(Local{x, {true}, {1, y}, 0})), (std::vector<std::string>{"q", "r[1]"}));
}

TEST_F(ContractGrad, Argnums) {
  expect_gradient(ft::grad(loss)(p, x, y));
  expect_gradient(ft::grad(loss)({p.w, p.b}, x, y));
  EXPECT_VALUES(ft::grad<1>(loss)(p, x, y), Dims{3}, 4.5, 15, 6);
  auto [gp, gy] = ft::grad<0, 2>(loss)(p, x, y);
  expect_gradient(gp);
  EXPECT_VALUES(gy, Dims{2}, -4.5, -6);
  Tensor last = ft::grad<-1>(loss)(p, x, y);
  EXPECT_TRUE(ft::equal(last, gy));
  auto g = ft::grad<-1, 0>(loss)(p, x, y);
  static_assert(std::is_same_v<decltype(g), std::tuple<Tensor, Params>>);
  expect_gradient(std::get<1>(g));
  const Params cp = p;
  const Tensor& rx = x;
  expect_gradient(ft::grad(loss)(cp, rx, std::move(y)));
}

TEST_F(ContractGrad, ValuesAndAux) {
  auto [g, v] = ft::grad_and_value(loss)(p, x, y);
  auto [v2, g2] = ft::value_and_grad(loss)(p, x, y);
  expect_gradient(g);
  expect_gradient(g2);
  EXPECT_VALUES(v, Dims{}, loss_value);
  EXPECT_TRUE(ft::equal(v, v2));
  auto f = [](const Tensor& t) { return std::pair{(t * t).sum(), t + 1}; };
  auto [ga, aux] = ft::grad(ft::has_aux, f)(x);
  EXPECT_VALUES(ga, Dims{3}, 2, 4, 6);
  EXPECT_TRUE(ft::equal(aux, x + 1));
  auto [g3, both] = ft::grad_and_value(ft::has_aux, f)(x);
  auto [value, aux3] = both;
  EXPECT_VALUES(g3, Dims{3}, 2, 4, 6);
  EXPECT_VALUES(value, Dims{}, 14);
  EXPECT_TRUE(ft::equal(aux3, x + 1));
}

TEST_F(ContractGrad, NumbersConvertToWhatTheFunctionTakes) {
  EXPECT_VALUES(ft::grad([](auto t) { return ft::sin(t); })(2.0), Dims{}, std::cos(2.0));
  EXPECT_VALUES(ft::grad(sq)(2.0), Dims{}, 4);
  EXPECT_VALUES(ft::grad(ft::sin)(0.0), Dims{}, 1);
  EXPECT_VALUES(ft::grad(&sq)(3), Dims{}, 6);
  EXPECT_VALUES(ft::grad([](auto t) { return t * t; })(3), Dims{}, 6);
  EXPECT_VALUES(ft::grad(power)(2.0, 3), Dims{}, 12);
  EXPECT_VALUES(ft::grad(act)(2.0, Act::relu, true, "mean"), Dims{}, -1);
  auto generic = [](const auto& t, auto n, auto how) { return n > 2 && std::string(how) == "x" ? t * t : t; };
  EXPECT_VALUES(ft::grad(generic)(ft::tensor(2.0), 3, "x"), Dims{}, 4);
  EXPECT_VALUES(ft::grad(scaled)(2.0, 5.0), Dims{}, 5);
  EXPECT_VALUES(ft::grad([](const Tensor& t, double s = 3.0) { return t * s; })(ft::tensor(2.0)), Dims{}, 3);
  EXPECT_VALUES(ft::grad([](const Tensor& t, double s = 3.0) { return t * s; })(2), Dims{}, 3);
}

TEST_F(ContractGrad, FunctionsOfManyKinds) {
  EXPECT_VALUES(ft::grad([](auto&&... a) { return over(a...); })(ft::tensor(2.0), ft::tensor(5.0)), Dims{}, 5);
  EXPECT_VALUES(ft::grad<1>(FUNCTRA_LIFT(over))(ft::tensor(2.0), 5.0), Dims{}, 2);
  EXPECT_VALUES(ft::grad(FUNCTRA_LIFT(over))(2.0), Dims{}, 1);
  EXPECT_VALUES(ft::grad<1>(&Model::loss)(Model{x}, x), Dims{3}, 2, 8, 18);
  Model g = ft::grad(&Model::loss)(Model{x}, x);
  EXPECT_VALUES(g.k, Dims{3}, 1, 4, 9);
  EXPECT_VALUES(ft::grad([&](const Tensor& t) { return Model{x}.loss(t); })(x), Dims{3}, 2, 8, 18);
  EXPECT_VALUES(ft::grad(&Private::run)(Private(x, 2), x).w(), Dims{3}, 2, 4, 6);
  auto copy = ft::grad(sq), copy2 = copy;
  copy = copy2;
  EXPECT_VALUES(copy(1.0), Dims{}, 2);
  EXPECT_VALUES(ft::grad(ft::grad(ft::grad(power)))(ft::tensor(1.5), 3), Dims{}, 6);
}

TEST_F(ContractGrad, NestedContainers) {
  using Deep = std::map<std::string, std::vector<Layer>>;
  auto f = [](const Deep& m) {
    Tensor s = 0.0;
    for (auto& [k, layers] : m)
      for (auto& l : layers) {
        s += (l.w * l.w).sum();
        if (l.bias) s += l.bias->sum();
      }
    return s;
  };
  Deep g = ft::grad(f)(Deep{{"k", {{x, y}, {y, {}}}}});
  EXPECT_VALUES(g["k"][0].w, Dims{3}, 2, 4, 6);
  EXPECT_VALUES(*g["k"][0].bias, Dims{2}, 1, 1);
  EXPECT_VALUES(g["k"][1].w, Dims{2}, 1, -2);
  EXPECT_FALSE(g["k"][1].bias.has_value());
  EXPECT_EQ(g["k"][0].name, "l");
}

TEST_F(ContractLinear, Vjp) {
  auto mul = [](const Tensor& a, const Tensor& b) { return a * b; };
  auto [o, pullback] = ft::vjp(mul, x, x + 1);
  EXPECT_VALUES(o, Dims{3}, 2, 6, 12);
  auto [ga, gb] = pullback(ft::ones({3}));
  EXPECT_VALUES(ga, Dims{3}, 2, 3, 4);
  EXPECT_VALUES(gb, Dims{3}, 1, 2, 3);
  auto [v, of_loss] = ft::vjp(loss, p, x, y);
  EXPECT_VALUES(v, Dims{}, loss_value);
  auto [gp, gx, gy] = of_loss(1.0);
  expect_gradient(gp);
  EXPECT_VALUES(gx, Dims{3}, 4.5, 15, 6);
  EXPECT_VALUES(gy, Dims{2}, -4.5, -6);
  auto [o2, of_sq] = ft::vjp(sq, x);
  EXPECT_VALUES(of_sq(x), Dims{3}, 2, 8, 18);
  EXPECT_VALUES(of_sq(ft::ones({3})), Dims{3}, 2, 4, 6);  // callable again
  EXPECT_VALUES(ft::vmap(of_sq)(ft::eye(3)), (Dims{3, 3}), 2, 0, 0, 0, 4, 0, 0, 0, 6);
  auto multi = [](const Tensor& t) { return std::tuple{t.sum(), t * 2}; };
  auto [ym, of_multi] = ft::vjp(multi, x);
  EXPECT_VALUES(of_multi({1.0, ft::ones({3})}), Dims{3}, 3, 3, 3);
  auto [s, t] = ym;
  EXPECT_VALUES(s, Dims{}, 6);
  EXPECT_VALUES(t, Dims{3}, 2, 4, 6);
}

TEST_F(ContractLinear, VjpOfStaticArgumentsAndAux) {
  auto [o, pullback] = ft::vjp(power, x, 3);
  auto [gx, gn] = pullback(ft::ones({3}));
  static_assert(std::is_same_v<decltype(gn), ft::NoneType>);
  EXPECT_VALUES(gx, Dims{3}, 3, 12, 27);
  auto [yh, ph, aux] = ft::vjp(
      ft::has_aux,
      [](const Tensor& t) {
        return std::pair{t * t, t};
      },
      x);
  EXPECT_VALUES(yh, Dims{3}, 1, 4, 9);
  EXPECT_VALUES(aux, Dims{3}, 1, 2, 3);
  EXPECT_VALUES(ph(ft::ones({3})), Dims{3}, 2, 4, 6);
}

TEST_F(ContractLinear, Jvp) {
  auto mul = [](const Tensor& a, const Tensor& b) { return a * b; };
  auto [o, t] = ft::jvp(mul, std::tuple{x, x}, std::tuple{ft::ones({3}), ft::none});
  EXPECT_VALUES(o, Dims{3}, 1, 4, 9);
  EXPECT_VALUES(t, Dims{3}, 1, 2, 3);
  auto [o1, t1] = ft::jvp(sq, x, ft::ones({3}));
  EXPECT_VALUES(t1, Dims{3}, 2, 4, 6);
  auto [o2, t2, aux] = ft::jvp(
      ft::has_aux,
      [](const Tensor& a) {
        return std::pair{a * a, a};
      },
      std::tuple{x}, std::tuple{x});
  EXPECT_VALUES(t2, Dims{3}, 2, 8, 18);
  EXPECT_VALUES(aux, Dims{3}, 1, 2, 3);
  auto [o3, t3] = ft::jvp(loss, std::tuple{p, x, y}, std::tuple{p, ft::none, y});  // <d/dw, w> + <d/db, b> + <d/dy, y>
  EXPECT_VALUES(o3, Dims{}, loss_value);
  EXPECT_VALUES(t3, Dims{}, 4.5 + 18 + 12 + 18 - 2.25 + 6);
  auto [o4, t4] = ft::jvp(power, std::tuple{2.0, 3}, std::tuple{1, ft::none});
  EXPECT_VALUES(t4, Dims{}, 12);
  auto half = [](const Tensor& a) { return std::pair{a * 2, ft::ones({1})}; };
  EXPECT_THROW(ft::jvp(half, x, x, {.strict = true}), ft::Error);
}

TEST_F(ContractLinear, LinearizeTransposeHvp) {
  auto [o, push] = ft::linearize(sq, x);
  EXPECT_VALUES(o, Dims{3}, 1, 4, 9);
  EXPECT_VALUES(push(x), Dims{3}, 2, 8, 18);
  auto [o2, push2] = ft::linearize(power, x, 3);
  EXPECT_VALUES(push2(ft::ones({3}), ft::none), Dims{3}, 3, 12, 27);
  auto transposed = ft::linear_transpose([](const Tensor& t) { return t * 3; }, x);
  EXPECT_VALUES(transposed(x), Dims{3}, 3, 6, 9);
  auto cubes = [](const Tensor& t) { return (t * t * t).sum(); };
  EXPECT_VALUES(ft::hvp(cubes, x, ft::ones({3})), Dims{3}, 6, 12, 18);
  auto product = [](const Tensor& a, const Tensor& b) { return (a * a * b).sum(); };
  auto [ha, hb] = ft::hvp(product, std::tuple{x, x}, std::tuple{ft::ones({3}), ft::zeros({3})});
  EXPECT_VALUES(ha, Dims{3}, 2, 4, 6);
  EXPECT_VALUES(hb, Dims{3}, 2, 4, 6);
}

TEST_F(ContractJacobian, TypedByOutputAndInput) {
  auto to_struct = [](const Tensor& t) { return Out{t.sum(), t * t}; };
  Out j = ft::jacrev(to_struct)(x);
  EXPECT_VALUES(j.energy, Dims{3}, 1, 1, 1);
  EXPECT_VALUES(j.force, (Dims{3, 3}), 2, 0, 0, 0, 4, 0, 0, 0, 6);
  EXPECT_EQ(j.steps, 3);
  Params of_struct = ft::jacfwd([](const Params& q) { return ft::matmul(q.w, q.b.sum() * ft::ones({3})); })(Params{p.w, y});
  EXPECT_VALUES(of_struct.w, (Dims{2, 2, 3}), -.5, -.5, -.5, 0, 0, 0, 0, 0, 0, -.5, -.5, -.5);
  EXPECT_VALUES(of_struct.b, (Dims{2, 2}), 3, 3, 2, 2);
  auto [ja, jb] = ft::jacrev([](const Tensor& t) { return std::tuple{t.sum(), t * 2}; })(x);
  EXPECT_VALUES(ja, Dims{3}, 1, 1, 1);
  EXPECT_VALUES(jb, (Dims{3, 3}), 2, 0, 0, 0, 2, 0, 0, 0, 2);
}

TEST_F(ContractJacobian, StructOverStruct) {
  auto j = ft::jacrev([](const Params& q) { return Out{q.w.sum(), q.b * 2}; })(p);
  static_assert(std::is_same_v<decltype(j), ft::Jacobian<Out, Params>>);
  EXPECT_VALUES(j[&Out::force].b, (Dims{2, 2}), 2, 0, 0, 2);
  EXPECT_VALUES(j[&Out::force].w, (Dims{2, 2, 3}), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0);
  EXPECT_VALUES(j[&Out::energy].w, (Dims{2, 3}), 1, 1, 1, 1, 1, 1);
  EXPECT_EQ(j[&Out::steps], 3);
  auto& [energy, force, steps] = j;
  EXPECT_TRUE(ft::equal(force.b, j[&Out::force].b));
  EXPECT_EQ(energy.b.dim(), 1);
  EXPECT_EQ(steps, 3);
  EXPECT_EQ(ft::tree_paths(j), (std::vector<std::string>{"energy.w", "energy.b", "force.w", "force.b"}));
  auto m = ft::jacrev([](const Params& q) { return std::map<std::string, std::vector<Tensor>>{{"k", {q.w.sum(), q.b}}}; })(p);
  EXPECT_VALUES(m["k"][1].b, (Dims{2, 2}), 1, 0, 0, 1);
}

TEST_F(ContractJacobian, Hessians) {
  auto h = ft::hessian([](const Params& q) { return (q.w * q.w).sum() + q.b.sum(); })(p);
  std::vector<double> two_eye(36);
  for (std::size_t i = 0; i < 6; ++i) two_eye[i * 7] = 2;
  EXPECT_TRUE(ft::testing::has_values(h[&Params::w].w, {2, 3, 2, 3}, two_eye));
  EXPECT_TRUE(ft::testing::has_values(h[&Params::b].w, {2, 2, 3}, std::vector<double>(12)));
  EXPECT_VALUES(ft::hessian([](const Tensor& t) { return (t * t * t).sum(); })(x), (Dims{3, 3}), 6, 0, 0, 0, 12, 0, 0, 0, 18);
  auto j = ft::jacfwd<0, 1>([](const Tensor& a, const Tensor& b) { return a * b; }, {.chunk_size = 16})(x, x + 1);
  static_assert(std::is_same_v<decltype(j), std::tuple<Tensor, Tensor>>);
  EXPECT_VALUES(std::get<0>(j), (Dims{3, 3}), 2, 0, 0, 0, 3, 0, 0, 0, 4);
  auto h01 = ft::hessian<0, 1>([](const Tensor& a, const Tensor& b) { return (a * b).sum(); })(x, x);
  EXPECT_VALUES(std::get<0>(std::get<1>(h01)), (Dims{3, 3}), 1, 0, 0, 0, 1, 0, 0, 0, 1);
  EXPECT_VALUES(std::get<0>(std::get<0>(h01)), (Dims{3, 3}), 0, 0, 0, 0, 0, 0, 0, 0, 0);
  auto of_loss = ft::jit(ft::hessian(loss))(p, x, y);
  EXPECT_VALUES(of_loss[&Params::w].b, (Dims{2, 3, 2}), 1, 0, 2, 0, 3, 0, 0, 1, 0, 2, 0, 3);  // d2/dw_ij db_k = delta_ik x_j
  EXPECT_VALUES(of_loss[&Params::b].b, (Dims{2, 2}), 1, 0, 0, 1);
  Tensor xx = ft::outer(x, x).reshape({1, 3, 1, 3}), eye = ft::eye(2).reshape({2, 1, 2, 1});
  EXPECT_TRUE(ft::allclose(of_loss[&Params::w].w, eye * xx));  // d2/dw_ij dw_kl = delta_ik x_j x_l
}

TEST_F(ContractJacobian, UnderVmapAndWithValuesAndAux) {
  Tensor rows = ft::stack({x, x + 1});
  EXPECT_VALUES(ft::vmap(ft::jacrev(sq))(rows), (Dims{2, 3, 3}), 2, 0, 0, 0, 4, 0, 0, 0, 6, 4, 0, 0, 0, 6, 0, 0, 0, 8);
  auto h = ft::vmap(ft::hessian([](const Params& q) { return (q.b * q.b).sum(); }), {.in_dims = {{ft::none, 0}}})(Params{p.w, ft::ones({4, 2})});
  EXPECT_EQ(h[&Params::b].b.sizes(), (Dims{4, 2, 2}));
  EXPECT_VALUES(h[&Params::b].b[3], (Dims{2, 2}), 2, 0, 0, 2);
  auto [j, v] = ft::jac_and_value(sq)(x);
  EXPECT_VALUES(j, (Dims{3, 3}), 2, 0, 0, 0, 4, 0, 0, 0, 6);
  EXPECT_VALUES(v, Dims{3}, 1, 4, 9);
  auto [ha, aux] = ft::hessian(ft::has_aux, [](const Tensor& t) { return std::pair{(t * t).sum(), std::string("note")}; })(x);
  EXPECT_VALUES(ha, (Dims{3, 3}), 2, 0, 0, 0, 2, 0, 0, 0, 2);
  EXPECT_EQ(aux, "note");
}

TEST_F(ContractVmap, PerSampleGradients) {
  Tensor xs = ft::stack({x, x, x * 2, ft::zeros({3})}), ys = ft::stack({y, y * 0, y, y});
  Params g = ft::vmap(ft::grad(loss), {.in_dims = {ft::none, 0, 0}})(p, xs, ys);
  EXPECT_EQ(g.w.sizes(), (Dims{4, 2, 3}));
  EXPECT_VALUES(g.b, (Dims{4, 2}), 4.5, 6, 5, 5, 9.5, 11, -.5, 1);
  EXPECT_TRUE(ft::allclose(g.w, g.b.reshape({4, 2, 1}) * xs.reshape({4, 1, 3})));  // r x^T of each example
  Params last = ft::vmap(
      ft::grad(ft::jit(loss)),
      {.in_dims = {ft::none, 0, -2}, .out_dims = 1, .randomness = ft::Randomness::different, .chunk_size = 64, .axis_name = "batch", .axis_size = 4})(
      p, xs, ys);
  EXPECT_VALUES(last.b, (Dims{2, 4}), 4.5, 5, 9.5, -.5, 6, 5, 11, 1);
}

TEST_F(ContractVmap, Dimensions) {
  Tensor rows = ft::stack({x, x + 1, x + 2, x + 3});
  EXPECT_EQ(ft::vmap(sq)(rows).sizes(), (Dims{4, 3}));
  EXPECT_EQ(ft::vmap(sq, {.in_dims = 1})(rows).sizes(), (Dims{3, 4}));
  EXPECT_TRUE(ft::equal(ft::vmap(sq, {.in_dims = {1}, .out_dims = -1})(rows), rows * rows));
  EXPECT_VALUES(ft::vmap(ft::matmul, {.in_dims = {0, ft::none}})(rows, x), Dims{4}, 14, 20, 26, 32);
  auto nested = ft::vmap([](const std::pair<Params, Tensor>& a, const Tensor& b) { return a.first.b.sum() + a.second + b; },
                         {.in_dims = {{{ft::none, 0}, ft::none}, 0}});
  EXPECT_VALUES(nested(std::pair{Params{p.w, rows}, Tensor(1.0)}, ft::ones({4})), Dims{4}, 8, 11, 14, 17);
  EXPECT_VALUES(ft::vmap(power)(x, 2), Dims{3}, 1, 4, 9);
  EXPECT_THROW(ft::vmap(sq, {.in_dims = {0, 0}})(x), ft::StructureError);
  EXPECT_THROW(ft::vmap(power, {.in_dims = {0, 0}})(x, 2), ft::StructureError);
  EXPECT_VALUES(ft::vmap(ft::vmap(ft::grad(ft::jit([](auto t) { return t * t * t; }))))(ft::stack({x, x + 1})), (Dims{2, 3}), 3, 12, 27, 12, 27, 48);
  EXPECT_VALUES(ft::vmap(sq, {.chunk_size = ft::none})(x), Dims{3}, 1, 4, 9);
  EXPECT_VALUES(ft::vmap(sq, {.chunk_size = 2})(x), Dims{3}, 1, 4, 9);
  auto [s, o] = ft::vmap([](Tensor t) { return std::tuple{t.sum(), Out{t[0], t}}; })(rows);
  EXPECT_VALUES(s, Dims{4}, 6, 9, 12, 15);
  EXPECT_TRUE(ft::equal(o.force, rows));
  EXPECT_VALUES(o.energy, Dims{4}, 1, 2, 3, 4);
}

TEST_F(ContractJit, Cache) {
  auto fast = ft::jit(act);
  EXPECT_VALUES(fast(x, Act::tanh, false, "sum"), Dims{3}, std::tanh(1.0), std::tanh(2.0), std::tanh(3.0));
  EXPECT_VALUES(fast(x, Act::tanh, false, "mean"), Dims{}, (std::tanh(1.0) + std::tanh(2.0) + std::tanh(3.0)) / 3);
  EXPECT_VALUES(fast(x, Act::relu, false, "mean"), Dims{}, 2);
  EXPECT_VALUES(fast(y, Act::relu, false, "mean"), Dims{}, -0.25);
  EXPECT_VALUES(fast(y, Act::relu, false, "mean"), Dims{}, -0.25);
  EXPECT_EQ(fast.cache_size(), 4u);
  auto copy = fast;
  EXPECT_EQ(copy.cache_size(), 4u);
  fast.cache_clear();
  EXPECT_EQ(fast.cache_size(), 0u);
  EXPECT_VALUES(ft::jit(loss, {.donate = {0}})(p, x, y), Dims{}, loss_value);
  EXPECT_VALUES(p.b, Dims{2}, 0, 0);  // still held, so not reused
  ft::disable_jit guard;
  EXPECT_VALUES(fast(x, Act::relu, true, "mean"), Dims{}, -2);
  EXPECT_EQ(fast.cache_size(), 0u);
}

TEST_F(ContractJit, StagesAndBind) {
  auto stages = ft::jit(loss).trace(p, x, y);
  EXPECT_VALUES(stages.program()({p.w, p.b, x, y})[0], Dims{}, loss_value);
  EXPECT_VALUES(stages.lower().compile()(p, x, y), Dims{}, loss_value);
  auto call = ft::jit(loss).bind(p, x, y);
  const Tensor& r = call(p, x, y);
  EXPECT_VALUES(r, Dims{}, loss_value);
  Tensor kept = r;
  EXPECT_VALUES(call(p, x * 0, y), Dims{}, 0.625);
  EXPECT_VALUES(kept, Dims{}, loss_value);
  auto cubes = ft::jit(power).bind(x, 3);
  EXPECT_VALUES(cubes(x, 3), Dims{3}, 1, 8, 27);
  EXPECT_THROW(cubes(x, 2), ft::StructureError);
  EXPECT_THROW(call(p, ft::ones({4}), y), ft::ShapeError);
}

TEST_F(ContractJit, Programs) {
  ft::Program program = ft::make_fx(ft::vmap(ft::grad(sq)))(x);
  std::string text = fmt::format("{}", program);
  ft::Program parsed = ft::Program::parse(text);
  EXPECT_TRUE(program == parsed);
  EXPECT_EQ(text, ft::to_string(parsed));
  program.verify();
  EXPECT_EQ(program.inputs().size(), 1u);
  EXPECT_EQ(program.outputs().size(), 1u);
  EXPECT_GE(program.equations().size(), 1u);
  for (const auto& e : program.equations()) EXPECT_FALSE(e.op.empty() || e.results.empty());
  EXPECT_EQ(program.inputs()[0].shape, Dims{3});
  EXPECT_EQ(program.outputs()[0].dtype, ft::f32);
  EXPECT_VALUES(program({x * 2})[0], Dims{3}, 4, 8, 12);
  EXPECT_VALUES(parsed({x})[0], Dims{3}, 2, 4, 6);
  EXPECT_VALUES(ft::make_fx(power)(x, 2)({x})[0], Dims{3}, 1, 4, 9);
  EXPECT_EQ(text, "program(v0: f32[3]) {\n  v1: f32[3] = add(v0, v0)\n  return v1\n}");
}

TEST_F(ContractJit, CustomRules) {
  auto exp_v = ft::custom_vjp([](Tensor t) { return ft::exp(t); },
                              [](Tensor t) {
                                Tensor e = ft::exp(t);
                                return std::pair{e, e};
                              },
                              [](Tensor e, Tensor ct) { return e * ct; });
  EXPECT_VALUES(exp_v(0.0), Dims{}, 1);
  EXPECT_VALUES(ft::grad(exp_v)(1.0), Dims{}, std::exp(1.0));
  auto square_j = ft::custom_jvp([](Tensor t) { return t * t; },
                                 [](auto primals, auto tangents) {
                                   auto [t] = primals;
                                   auto [d] = tangents;
                                   return std::pair{t * t, 2 * t * d};
                                 });
  EXPECT_VALUES(ft::vmap(ft::grad(square_j))(x), Dims{3}, 2, 4, 6);
  EXPECT_VALUES(ft::grad(ft::grad(square_j))(3.0), Dims{}, 2);
  // A rule that is recognisably not the derivative, over a struct and a static argument.
  auto scaled_rule = ft::custom_vjp([](const Params& q, int n) { return (q.w * n).sum(); },
                                    [](const Params& q, int n) {
                                      return std::pair{(q.w * n).sum(), std::tuple{q, n}};
                                    },
                                    [](const std::tuple<Params, int>& res, const Tensor& ct) {
                                      auto& [q, n] = res;
                                      return std::tuple{Params{q.w * 0 + 100 * n * ct, q.b * 0}, ft::none};
                                    });
  Params g = ft::grad(scaled_rule)(p, 2);
  EXPECT_VALUES(g.w, (Dims{2, 3}), 200, 200, 200, 200, 200, 200);
  EXPECT_VALUES(g.b, Dims{2}, 0, 0);
  EXPECT_VALUES(ft::stop_gradient(x), Dims{3}, 1, 2, 3);
  EXPECT_VALUES(ft::grad([](Tensor t) { return t * ft::stop_gradient(t); })(3.0), Dims{}, 3);
}

TEST_F(ContractJit, Functionalize) {
  auto pure = ft::functionalize(loss);
  EXPECT_VALUES(pure(p, x, y), Dims{}, loss_value);
  expect_gradient(ft::grad(pure)(p, x, y));
  EXPECT_VALUES(ft::jit(pure)(p, x, y), Dims{}, loss_value);
  Tensor rows = ft::stack({x, x + 1});
  EXPECT_TRUE(ft::allclose(ft::vmap(pure, {.in_dims = {ft::none, 0, ft::none}})(p, rows, y), ft::stack({loss(p, x, y), loss(p, x + 1, y)})));
  auto writes = [](const Tensor& t, int n) {  // through a cell; from outside, a function of its arguments
    ft::Ref cell(t * 0);
    for (int i = 0; i < n; ++i) cell.add(t * t);
    return Out{cell.get().sum(), cell.get(), n};
  };
  Out o = ft::functionalize(writes)(x, 2);
  EXPECT_VALUES(o.energy, Dims{}, 28);
  EXPECT_VALUES(o.force, Dims{3}, 2, 8, 18);
  EXPECT_EQ(o.steps, 2);
  EXPECT_VALUES(ft::grad([&](const Tensor& t) { return ft::functionalize(writes)(t, 2).energy; })(x), Dims{3}, 4, 8, 12);
}

TEST_F(ContractJit, ShapesAndChecks) {
  auto shapes = ft::eval_shape([](const Tensor& t) { return Out{t.sum(), ft::stack({t, t})}; }, x);
  EXPECT_EQ(shapes.energy.dim(), 0);
  EXPECT_EQ(shapes.force.sizes(), (Dims{2, 3}));
  ft::check_grads(loss, std::tuple{Params{p.w.to(ft::f64), p.b.to(ft::f64)}, x.to(ft::f64), y.to(ft::f64)}, {.order = 2});
  auto wrong = ft::custom_jvp([](Tensor t) { return t * t; },
                              [](auto primals, auto tangents) {
                                auto [t] = primals;
                                auto [d] = tangents;
                                return std::pair{t * t, 3 * t * d};
                              });
  EXPECT_THROW(ft::check_grads(wrong, x.to(ft::f64)), ft::ValueError);
}

}  // namespace
