// Behaviours that functorch's suite for its eager transforms checks, against closed forms and loops. docs/notes/functorch_suites.md lists
// them beside their originals; what other tests here hold already is not repeated.
#include <gtest/gtest.h>

#include <cmath>
#include <map>
#include <sstream>

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
using Named = std::map<std::string, Tensor>;
using Pair = std::pair<Tensor, Tensor>;
// Both modes of Jacobians, on one function.
template <class F> void both(const F& check) {
  check([](auto f) { return ft::jacrev(f); });
  check([](auto f) { return ft::jacfwd(f); });
}
}  // namespace

// ---------------------------------------------------------------- gradients
TEST(FunctorchGrad, of_a_flattened_sum_is_ones_of_the_input_shape) {
  expect_close(ft::grad([](const Tensor& x) { return ft::sum(ft::flatten(x)); })(some({2, 3, 4})), ft::ones({2, 3, 4}, f64), 0);
}
TEST(FunctorchGrad, of_products_and_linear_layers_of_higher_rank) {
  Tensor x = some({3}), y = some({3, 5});
  expect_close(ft::grad([](const Tensor& a, const Tensor& b) { return ft::sum(ft::matmul(a, b)); })(x, y), ft::sum(y, 1));
  Tensor v = some({2, 3, 4}), w = some({5, 4}, 1), b = some({5}, 2);
  auto f = [](const Tensor& v, const Tensor& w, const Tensor& b) { return ft::sum(ft::relu(ft::linear(v, w, b))); };
  auto [gv, gw, gb] = ft::grad<0, 1, 2>(f)(v, w, b);
  Tensor on = (ft::matmul(v, w.t()) + b > 0).to(f64);
  expect_close(gv, ft::matmul(on, w)), expect_close(gb, ft::sum(on, {0, 1}));
  expect_close(gw, ft::matmul(on.reshape({6, 5}).t(), v.reshape({6, 4})));
}
TEST(FunctorchGrad, of_cross_entropy_is_softmax_less_the_target_over_the_batch) {
  Tensor y = some({2, 5}), t = ft::tensor({3, 1});
  expect_close(ft::grad([&](const Tensor& v) { return ft::cross_entropy(v, t); })(y), (ft::softmax(y, 1) - ft::one_hot(t, 5, f64)) / 2.0);
}
TEST(FunctorchGrad, the_function_sees_the_shape_dtype_and_values_of_its_argument) {
  Tensor x = some({2, 3, 5});
  auto f = [&](const Tensor& v) {
    EXPECT_EQ(v.sizes(), x.sizes());
    EXPECT_EQ(v.dtype(), f64);
    EXPECT_EQ(v.numel(), 30);
    EXPECT_EQ(v.size(-1), 5);
    return ft::sum(v);
  };
  ft::grad(f)(x);
  ft::grad([&](const Tensor& v) { return ft::sum(ft::grad(f)(v)); })(x);
}
TEST(FunctorchGrad, values_read_inside_are_numbers_and_the_gradient_is_still_taken) {
  Tensor x = ft::tensor({{1.0, 2.0, 3.0}, {4.0, 5.0, 6.0}}, f64);
  auto f = [](const Tensor& v) {
    EXPECT_EQ(v.to_vector<double>(), (std::vector<double>{1, 2, 3, 4, 5, 6}));
    return ft::sum(v * v);
  };
  expect_close(ft::grad(f)(x), x * 2.0, 0);
  auto g = [&](const Tensor& v) {
    EXPECT_EQ(v.to_vector<double>()[5], 6);
    return ft::sum(ft::grad(f)(v));
  };
  expect_close(ft::grad(g)(x), ft::full({2, 3}, 2.0, f64), 0);
}
TEST(FunctorchGrad, an_element_replaced_inside_gets_the_derivative_of_its_replacement) {
  Tensor x = some({3});
  auto f = [](Tensor v) {
    v = v.index_put({0}, ft::sin(v[0]));
    return ft::sum(v);
  };
  expect_close(ft::grad(f)(x), ft::stack({ft::cos(x[0]), of(1), of(1)}));
  auto kept = [](Tensor v) {  // what was read before a value is rebound stays what it was
    Tensor first = v[0];
    v = ft::sin(v);
    return first + v[1];
  };
  expect_close(ft::grad(kept)(x), ft::stack({of(1), ft::cos(x[1]), of(0)}));
}
TEST(FunctorchGrad, elements_replaced_by_a_mask_have_derivative_zero) {
  Tensor x = some({20});
  auto f = [](const Tensor& v) { return ft::sum(v.index_put({v > 0}, 0.0)); };
  expect_close(ft::grad(f)(x), (x <= 0).to(f64), 0);
  auto nothing = [](const Tensor& v) {
    Tensor p = ft::ones({1}).index_put({ft::zeros({1}) > 0}, 0.0);
    (void)p;
    return v;
  };
  EXPECT_EQ(double(ft::grad(nothing)(of(2))), 1);
}
TEST(FunctorchGrad, seeding_inside_repeats_the_draw) {
  auto f = [](const Tensor& x) {
    ft::manual_seed(0);
    return x * ft::randn({}, f64);
  };
  ft::manual_seed(0);
  Tensor draw = ft::randn({}, f64);
  expect_close(ft::grad(f)(of(3)), draw, 0);
}
TEST(FunctorchGrad, of_a_pullback_by_its_cotangent_and_pullbacks_of_gradients) {
  Tensor x = of(0.7), y = of(1.3);
  auto by_cotangent = [&](auto f) { return ft::grad(ft::vjp(f, x).second)(y); };
  expect_close(by_cotangent(ft::sin), ft::cos(x));
  auto [slope, pull] = ft::vjp(ft::grad(ft::sin), x);
  expect_close(slope, ft::cos(x)), expect_close(pull(y), -y * ft::sin(x));
  expect_close(by_cotangent(ft::grad([](const Tensor& v) { return -ft::cos(v); })), ft::cos(x));
  expect_close(ft::grad([](const Tensor& v) { return ft::sum(ft::vjp(ft::sin, v).second(v)); })(some({3})),
               ft::cos(some({3})) - some({3}) * ft::sin(some({3})));
  auto second = ft::vjp(ft::vjp(ft::sin, some({3})).second, some({3}));
  expect_close(second.first, some({3}) * ft::cos(some({3})));
  expect_close(second.second(some({3})), some({3}) * ft::cos(some({3})));
}
TEST(FunctorchGrad, a_gradient_inside_a_sum_with_other_terms) {
  auto f = [](const Tensor& x, const Tensor& y) { return ft::grad([](const Tensor& v) { return ft::sin(v.reshape({})); })(x) + ft::cos(y); };
  auto [gx, gy] = ft::grad<0, 1>(f)(of(0.4), of(0.9));
  expect_close(gx, -ft::sin(of(0.4))), expect_close(gy, -ft::sin(of(0.9)));
}
TEST(FunctorchGrad, trees_of_arguments_give_trees_of_gradients) {
  auto f = [](const Pair& a, const Named& b) { return a.first + a.second * 2.0 + b.at("foo") * 3.0; };
  Tensor x = of(0.5);
  auto [first, second] = ft::grad(f)(Pair{x, x}, Named{{"foo", x}});
  EXPECT_EQ(double(first), 1);
  EXPECT_EQ(double(second), 2);
  auto [ga, gb] = ft::grad<0, 1>(f)(Pair{x, x}, Named{{"foo", x}});
  EXPECT_EQ(double(ga.second), 2);
  EXPECT_EQ(double(gb.at("foo")), 3);
  Named g = ft::grad([](const Named& m) { return ft::sum(ft::square(m.at("a"))); })(Named{{"a", some({4})}, {"b", some({2})}});
  expect_close(g.at("a"), some({4}) * 2.0), expect_close(g.at("b"), ft::zeros({2}, f64), 0);
}
TEST(FunctorchGrad, what_is_unrelated_to_the_input_has_derivative_zero_in_every_mode) {
  Tensor x = some({2, 3}), y = some({2, 3}, 1);
  auto f = [&](const Tensor&) { return y; };
  EXPECT_EQ(double(ft::grad([](const Tensor&) { return of(2); })(of(1))), 0);
  expect_close(ft::vjp(f, x).second(y), ft::zeros({2, 3}, f64), 0);
  expect_close(ft::jvp(f, x, x).second, ft::zeros({2, 3}, f64), 0);
  both([&](auto jac) { expect_close(jac(f)(x), ft::zeros({2, 3, 2, 3}, f64), 0); });
  auto several = ft::vjp([&](const Tensor&, const Tensor& b) { return std::array<Tensor, 3>{of(2), of(2), b}; }, of(3), of(4)).second;
  auto [gw, gb] = several({of(1), of(1), of(1)});
  EXPECT_EQ(double(gw), 0);
  EXPECT_EQ(double(gb), 1);
  Tensor w = some({5, 3});
  expect_close(ft::jacrev(ft::jacrev([&](const Tensor& v) { return ft::matmul(w, v); }))(some({3})), ft::zeros({5, 3, 3}, f64), 0);
}
TEST(FunctorchGrad, stopped_values_are_constants_at_every_level) {
  auto f = [](const Tensor& x) { return x * x - ft::stop_gradient(x * x); };
  expect_close(ft::grad(f)(of(1.5)), of(3)), expect_close(ft::grad(ft::grad(f))(of(1.5)), of(2));
  auto nested = [](const Tensor& x) { return ft::pow(x, 3) - ft::stop_gradient(ft::grad([](const Tensor& v) { return ft::pow(v, 4) * 0.25; })(x)); };
  expect_close(ft::grad(nested)(of(1.5)), of(6.75)), expect_close(ft::grad(ft::grad(nested))(of(1.5)), of(9));
  auto cube = [](const Tensor& x) { return ft::pow(x, 3) - ft::stop_gradient(ft::pow(x, 3)); };
  auto less = [&](const Tensor& x) { return ft::grad(cube)(x) - ft::stop_gradient(ft::grad(cube)(x)); };
  expect_close(ft::grad(less)(of(1.2)), of(7.2)), expect_close(ft::grad(ft::grad(less))(of(1.2)), of(6));
  auto value = [](const Tensor& x) {
    return ft::pow(x, 3) - ft::stop_gradient(ft::grad_and_value([](const Tensor& v) { return ft::pow(v, 3); })(x).second);
  };
  expect_close(ft::grad(value)(of(1.6)), of(3 * 1.6 * 1.6));
  auto forward = [&](const Tensor& x) { return ft::jvp(f, x, of(1)).second; };
  expect_close(forward(of(1.5)), of(3)), expect_close(ft::jvp(forward, of(1.5), of(1)).second, of(2));
}
TEST(FunctorchGrad, constants_made_inside_and_captured_tensors_print_as_they_are) {
  EXPECT_EQ(double(ft::grad([](const Tensor& x) { return x * ft::tensor(2.0, f64); })(of(3.14))), 2);
  Tensor captured = ft::tensor({1.0, 2.0, 3.0});
  std::ostringstream inside, outside;
  ft::vjp(
      [&](const Tensor& y) {
        inside << captured;
        return y;
      },
      some({4}));
  outside << captured;
  EXPECT_EQ(inside.str(), outside.str());
}
TEST(FunctorchGrad, wrappers_print_one_inside_the_other) {
  std::string seen;
  auto show = [&](const Tensor& x) {
    std::ostringstream o;
    o << x;
    seen = o.str();
    return ft::sum(x);
  };
  ft::grad(ft::grad(show))(ft::tensor(2.0));
  EXPECT_EQ(seen.find("GradTracer(value=GradTracer(value=tensor("), 0u) << seen;
  ft::vmap(ft::vmap(show))(ft::ones({2, 3}));
  EXPECT_EQ(seen.find("BatchedTensor(dim=0, value=BatchedTensor(dim="), 0u) << seen;
  ft::vmap(ft::grad(show))(ft::ones({2, 3}));
  EXPECT_EQ(seen.find("GradTracer(value=BatchedTensor("), 0u) << seen;
}

// ---------------------------------------------------------------- pullbacks and pushforwards of trees
TEST(FunctorchVjp, results_of_any_tree_take_cotangents_of_that_tree) {
  Tensor x = some({2, 3}), t = some({2, 3}, 1);
  auto list = ft::vjp([](const Tensor& v) { return std::vector<Tensor>{v, ft::sum(v)}; }, x);
  expect_close(list.second({t, of(2)}), t + 2.0);
  auto named = ft::vjp([](const Tensor& v) { return Named{{"x", v}, {"xsum", ft::sum(v)}}; }, x);
  expect_close(named.second({{"x", t}, {"xsum", of(2)}}), t + 2.0);
  using Deep = std::vector<std::pair<Tensor, Named>>;
  auto deep = ft::vjp([](const Tensor& v) { return Deep{{ft::sum(v), {{"a", v}}}}; }, x);
  expect_close(deep.second(Deep{{of(3), {{"a", t}}}}), t + 3.0);
  auto nested = ft::vjp([](const Tensor& v) { return std::pair{v, Pair{v, v}}; }, of(1));
  EXPECT_EQ(double(nested.second({of(2), {of(3), of(4)}})), 9);
  auto into = ft::vjp([](const std::pair<Tensor, Pair>& p) { return p.first * p.second.first; }, std::pair{of(3), Pair{of(3), of(3)}});
  auto g = into.second(of(2));
  EXPECT_EQ(double(g.first), 6);
  EXPECT_EQ(double(g.second.first), 6);
  EXPECT_EQ(double(g.second.second), 0);
  expect_throw<ft::StructureError>([&] { list.second({t}); }, "vjp");
}
TEST(FunctorchJvp, several_inputs_and_outputs_and_trees) {
  Tensor x = some({2, 3}), y = some({2, 3}, 1), tx = some({2, 3}, 2), ty = some({2, 3}, 3);
  auto [v, t] = ft::jvp(ft::mul, std::tuple{x, y}, std::tuple{tx, ty});
  expect_close(v, x * y), expect_close(t, y * tx + x * ty);
  auto [o, d] = ft::jvp([](const Tensor& a) { return Pair{ft::sin(a), ft::cos(a)}; }, x, tx);
  expect_close(d.first, ft::cos(x) * tx), expect_close(d.second, -ft::sin(x) * tx);
  auto linear = [](const Tensor& a, const Tensor& b) { return Pair{a * 2.0 + b * 3.0, a * 4.0 + b * 5.0}; };
  auto both_of = ft::jvp(linear, std::tuple{x, y}, std::tuple{tx, ty});
  expect_close(both_of.second.first, linear(tx, ty).first), expect_close(both_of.second.second, linear(tx, ty).second);
  auto f = [](const Pair& p, const Tensor& b, const Tensor& c) { return p.first + p.second * 2.0 + b * 3.0 + c * 4.0; };
  auto tree = ft::jvp(f, std::tuple{Pair{of(1), of(1)}, of(1), of(1)}, std::tuple{Pair{of(1), of(1)}, of(1), of(1)});
  EXPECT_EQ(double(tree.first), 10);
  EXPECT_EQ(double(tree.second), 10);
  auto only = ft::jvp([](const Tensor& a, const Tensor&) { return a; }, std::tuple{x, y}, std::tuple{tx, ty});
  expect_close(only.second, tx, 0);
  auto made = ft::jvp([](const Tensor& a) { return a + ft::full_like(a, 0.5); }, x, tx);
  expect_close(made.first, x + 0.5), expect_close(made.second, tx, 0);
}
TEST(FunctorchJvp, inside_a_custom_rule_gives_its_derivative) {
  auto slope = [](auto f, const Tensor& x) { return ft::jvp(f, x, ft::ones_like(x)).second; };
  auto sine = ft::custom_vjp([&](const Tensor& x) { return -slope(ft::cos, x); },
                             [&](const Tensor& x) {
                               return std::pair{-slope(ft::cos, x), x};
                             },
                             [&](const Tensor& x, const Tensor& ct) { return ct * slope(ft::sin, x); });
  expect_close(sine(of(0.6)), ft::sin(of(0.6))), expect_close(ft::grad(sine)(of(0.6)), ft::cos(of(0.6)));
}
TEST(FunctorchJvp, of_a_covariance_with_an_unmapped_tangent_under_two_levels) {
  Tensor x = some({4, 2}), t = some({2}, 1), dummy = ft::ones({4, 1}, f64);
  auto push = [&](const Tensor&, const Tensor& v) {
    return ft::jvp([](const Tensor& a) { return ft::sum(ft::square(a - ft::mean(a))); }, v, t).second;
  };
  Tensor y = ft::vmap(ft::vmap(push, {.in_dims = {0, none}}))(dummy, x);
  for (std::int64_t i = 0; i < 4; ++i) expect_close(y[i], ft::sum((x[i] - ft::mean(x[i])) * 2.0 * t).reshape({1}));
}
TEST(FunctorchLinearize, agrees_with_jvp_on_trees_under_vmap_and_of_gradients) {
  Tensor x = some({3, 1}), t = some({3, 1}, 1), many = some({4, 3, 1}, 2);
  auto f = [](const Tensor& v) { return Pair{ft::cos(v), ft::sum(v)}; };
  auto [y, push] = ft::linearize(f, x);
  expect_close(push(t).first, -ft::sin(x) * t), expect_close(push(t).second, ft::sum(t)), expect_close(y.first, ft::cos(x));
  auto each = ft::vmap(push)(many);
  expect_close(each.first, -ft::sin(x) * many), expect_close(each.second, ft::sum(many, {1, 2}));
  auto flat =
      ft::linearize([](const Tensor& v) { return ft::grad([](const Tensor& u) { return ft::dot(ft::ones({3}, f64), u); })(v); }, some({3})).second;
  expect_close(flat(some({3})), ft::zeros({3}, f64), 0);
  using In = std::pair<Tensor, Pair>;
  auto tree = ft::linearize(
      [](const In& a) {
        return std::pair{ft::sum(a.first), Named{{"d", a.first * a.second.second}, {"e", ft::exp(a.second.first)}}};
      },
      In{x, {t, x}});
  auto d = tree.second(In{t, {x, t}});
  expect_close(d.first, ft::sum(t)), expect_close(d.second.at("d"), t * x + x * t), expect_close(d.second.at("e"), ft::exp(t) * x);
  expect_throw<ft::ShapeError>([&, push = push] { push(t.unsqueeze(0)); }, "shape");
  expect_throw<ft::DTypeError>([&, push = push] { push(t.to(ft::f32)); }, "f32");
}

// ---------------------------------------------------------------- Jacobians
TEST(FunctorchJacobian, of_sine_is_a_diagonal_of_cosines_for_any_shape_and_batch) {
  both([](auto jac) {
    expect_close(jac(ft::sin)(some({3})), ft::diag(ft::cos(some({3}))));
    expect_close(jac(ft::sin)(some({2, 3})), ft::diag(ft::cos(some({6}))).reshape({2, 3, 2, 3}));
    Tensor x = some({2, 3});
    expect_close(ft::vmap(jac(ft::sin))(x), ft::diag_embed(ft::cos(x)));
    expect_close(jac(jac([](const Tensor& v) { return ft::sum(ft::sin(v)); }))(x[0]), ft::diag(-ft::sin(x[0])));
  });
}
TEST(FunctorchJacobian, of_selections_has_ones_where_elements_come_from) {
  both([](auto jac) {
    Tensor j = jac([](const Tensor& x) { return ft::take(x, ft::ones({3}, ft::i64)); })(some({5}));
    expect_close(j, ft::one_hot(ft::ones({3}, ft::i64), 5, f64), 0);
    Tensor k = jac([](const Tensor& x) { return x.index({0, ft::Slice(1, none)}).unsqueeze(-1); })(some({2, 4}));
    EXPECT_EQ(k.sizes(), (ft::Shape{3, 1, 2, 4}));
    for (std::int64_t i = 0; i < 3; ++i) EXPECT_EQ(double(k.index({i, 0, 0, i + 1})), 1);
    EXPECT_EQ(double(ft::sum(k)), 3);
  });
}
TEST(FunctorchJacobian, nests_outputs_over_inputs_for_every_choice_of_arguments) {
  Tensor x = some({3}), y = some({3}, 1), e = ft::eye(3, f64);
  auto f = [](const Tensor& a, const Tensor& b) { return Pair{a * 2.0 + b * 3.0, a * 4.0 + b * 5.0}; };
  auto check = [&](const auto& z) {
    expect_close(std::get<0>(std::get<0>(z)), e * 2.0), expect_close(std::get<1>(std::get<0>(z)), e * 3.0);
    expect_close(std::get<0>(std::get<1>(z)), e * 4.0), expect_close(std::get<1>(std::get<1>(z)), e * 5.0);
  };
  check(ft::jacrev<0, 1>(f)(x, y)), check(ft::jacfwd<0, 1>(f)(x, y));
  both([&](auto jac) { expect_close(jac(f)(x, y).second, e * 4.0); });
  expect_close(ft::jacrev<1>(ft::mul)(x, y), ft::diag(x)), expect_close(ft::jacfwd<1>(ft::mul)(x, y), ft::diag(x));
  auto named = [&](const Tensor& a, const Tensor& b) { return Named{{"left", f(a, b).first}, {"right", f(a, b).second}}; };
  expect_close(std::get<1>(ft::jacrev<0, 1>(named)(x, y).at("right")), e * 5.0);
  expect_close(std::get<0>(ft::jacfwd<0, 1>(named)(x, y).at("left")), e * 2.0);
}
TEST(FunctorchJacobian, of_trees_of_inputs_and_outputs) {
  Tensor x = of(0.5);
  auto f = [](const Pair& a, const Tensor& b, const Tensor& c) { return std::pair{a.first + a.second * 2.0, Named{{"foo", b * 3.0 + c * 4.0}}}; };
  auto check = [](const auto& j) {
    EXPECT_EQ(double(j.first.first), 1);
    EXPECT_EQ(double(j.first.second), 2);
    EXPECT_EQ(double(j.second.at("foo").first), 0);
    EXPECT_EQ(double(j.second.at("foo").second), 0);
  };
  both([&](auto jac) { check(jac(f)(Pair{x, x}, x, x)); });
  auto two = ft::jacrev<0, 1>(f)(Pair{x, x}, x, x);
  EXPECT_EQ(double(std::get<1>(two.first)), 0);
  EXPECT_EQ(double(std::get<1>(two.second.at("foo"))), 3);
  Tensor v = some({3});
  auto g = [](const Named& m) { return Named{{"c", ft::sin(m.at("a"))}, {"d", ft::cos(m.at("b"))}}; };
  both([&](auto jac) {
    auto j = jac(g)(Named{{"a", v}, {"b", v}});
    expect_close(j.at("c").at("a"), ft::diag(ft::cos(v))), expect_close(j.at("c").at("b"), ft::zeros({3, 3}, f64), 0);
    expect_close(j.at("d").at("a"), ft::zeros({3, 3}, f64), 0), expect_close(j.at("d").at("b"), -ft::diag(ft::sin(v)));
  });
}
TEST(FunctorchJacobian, of_extents_zero_and_one_and_of_unrelated_inputs) {
  auto same = [](const Tensor& x) { return x; };
  Tensor x = some({2, 3});
  both([&](auto jac) {
    EXPECT_EQ(jac(same)(of(2)).dim(), 0);
    expect_close(jac(same)(some({1})), ft::ones({1, 1}, f64), 0);
    expect_close(jac([](const Tensor& v) { return ft::stack({v, v, v}); })(of(2)), ft::ones({3}, f64), 0);
    auto j = jac([](const Tensor& v) { return std::tuple{ft::sum(v), v * v}; })(some({3}));
    expect_close(std::get<0>(j), ft::ones({3}, f64), 0), expect_close(std::get<1>(j), ft::diag(some({3}) * 2.0));
  });
  auto [jx, jy] = ft::jacrev<0, 1>([](const Tensor& a, const Tensor&) { return a; })(x, x);
  expect_close(jx, ft::eye(6, f64).reshape({2, 3, 2, 3}), 0), expect_close(jy, ft::zeros({2, 3, 2, 3}, f64), 0);
}
TEST(FunctorchJacobian, of_matrix_functions_equals_the_other_mode_and_of_default_arguments_too) {
  Tensor x = some({2, 3}), y = some({3, 2}, 1);
  auto f = [](const Pair& p) { return std::tuple{ft::matmul(ft::cos(p.first) * p.first, ft::sin(p.second)), ft::sum(p.second), p.first}; };
  auto a = ft::tree_leaves(ft::jacrev(f)(Pair{x, y})), b = ft::tree_leaves(ft::jacfwd(f)(Pair{x, y}));
  ASSERT_EQ(a.size(), 6u);
  for (std::size_t i = 0; i < 6; ++i) expect_close(a[i], b[i]);
  expect_close(a[3], ft::ones({3, 2}, f64), 0);
  auto scaled = [](const Tensor& v, int n) { return v + n; };
  both([&](auto jac) { expect_close(jac(scaled)(some({2}), 3), ft::eye(2, f64), 0); });
  both([&](auto jac) { expect_close(jac([](const Tensor& v) { return ft::square(v) * 3.0; })(some({2})), ft::diag(some({2}) * 6.0)); });
  auto usual = [](const Tensor& u, const Tensor& v, double z = 3.0) { return u * v * z; };
  both([&](auto jac) { expect_close(jac(usual)(some({2}), some({2}, 1)), ft::diag(some({2}, 1) * 3.0)); });
}
TEST(FunctorchJacobian, chunks_of_nested_ones_and_of_one_row_equal_the_whole) {
  Tensor x = some({4, 2}), y = some({1, 2}, 1);
  auto f = [](const Tensor& a, const Tensor& b) { return std::pair{Pair{ft::sin(a), a + b}, Pair{a + 2.0, ft::sum(a)}}; };
  auto whole = ft::tree_leaves(ft::jacrev<0, 1>(f)(x, y));
  for (int chunk : {1, 2, 3, 7, 1000}) {
    auto parts = ft::tree_leaves(ft::jacrev<0, 1>(f, {.chunk_size = chunk})(x, y));
    ASSERT_EQ(parts.size(), whole.size());
    for (std::size_t i = 0; i < whole.size(); ++i) expect_close(parts[i], whole[i], 0);
  }
  auto g = [](const Tensor& a) { return Pair{ft::sin(a), ft::sum(a * a)}; };
  auto deep = ft::vmap(ft::jacrev(ft::jacrev(g)))(x), chunked = ft::vmap(ft::jacrev(ft::jacrev(g, {.chunk_size = 3}), {.chunk_size = 3}))(x);
  expect_close(chunked.first, deep.first, 0), expect_close(chunked.second, deep.second, 0);
  for (int bad : {0, -2}) expect_throw<ft::ValueError>([&] { ft::jacrev(g, {.chunk_size = bad})(x[0]); }, "chunk_size");
}
TEST(FunctorchHessian, of_quadratics_products_and_unrelated_inputs) {
  Tensor x = some({2, 3}), y = some({3, 2}, 1), z = some({2, 2}, 2);
  expect_close(ft::hessian([](const Tensor& v) { return ft::sum(ft::square(v) * 3.0); })(x), ft::eye(6, f64).reshape({2, 3, 2, 3}) * 6.0);
  using Three = std::tuple<Tensor, Tensor, Tensor>;
  auto f = [](const Three& t) {
    return ft::sum(ft::matmul(ft::matmul(ft::relu(std::get<0>(t)) * std::get<0>(t), ft::sin(std::get<1>(t))), std::get<2>(t)));
  };
  auto h = ft::tree_leaves(ft::hessian(f)(Three{x, y, z})), r = ft::tree_leaves(ft::jacrev(ft::jacrev(f))(Three{x, y, z}));
  ASSERT_EQ(h.size(), 9u);
  for (std::size_t i = 0; i < 9; ++i) expect_close(h[i], r[i]);
  auto p = ft::hessian([](const Pair& q) { return ft::sum(ft::square(q.first)); })(Pair{some({2}), some({3})});
  expect_close(p.first.first, ft::eye(2, f64) * 2.0), expect_close(p.first.second, ft::zeros({2, 3}, f64), 0);
  expect_close(p.second.second, ft::zeros({3, 3}, f64), 0);
}
TEST(FunctorchHessian, per_example_of_a_residual_with_one_tensor_given_twice) {
  Tensor a = some({4, 2, 2}), x = some({4, 5, 2}, 1);
  auto loss = [](const Tensor& m, const Tensor& u, const Tensor& v) { return ft::sum(ft::square(v - ft::matmul(m, u.t()).t())); };
  Tensor h = ft::vmap(ft::hessian(loss))(a, x, x);
  expect_close(h, ft::vmap(ft::jacrev(ft::jacrev(loss)))(a, x, x));
  for (std::int64_t i = 0; i < 4; ++i)  // of |x - A x|^2: 2 delta_ik (x^T x)_jl
    expect_close(h[i], ft::einsum("ik,jl->ijkl", ft::eye(2, f64), ft::matmul(x[i].t(), x[i])) * 2.0);
}

// ---------------------------------------------------------------- rules of the user's
TEST(FunctorchCustom, a_function_that_returns_its_input_has_the_rule_it_was_given) {
  auto f = ft::custom_vjp([](const Tensor& x) { return x; },
                          [](const Tensor& x) {
                            return std::pair{x, x};
                          },
                          [](const Tensor&, const Tensor& ct) { return ct * 0.5; });
  EXPECT_EQ(double(ft::grad(f)(of(2))), 0.5);
  EXPECT_EQ(double(ft::jvp(f, of(2), of(1)).second), 0.5);
  EXPECT_EQ(double(ft::grad([&](const Tensor& x) { return f(x * 3.0); })(of(2))), 1.5);
}
TEST(FunctorchCustom, an_output_that_nothing_uses_brings_a_zero_cotangent) {
  auto f = ft::custom_vjp(
      [](const Tensor& x, const Tensor& y) {
        return Pair{x, y};
      },
      [](const Tensor& x, const Tensor& y) {
        return std::pair{Pair{x, y}, x};
      },
      [](const Tensor&, const Pair& ct) {
        return std::tuple{ct.first, ct.second * 7.0};
      });
  auto g = [&](const Tensor& y, const Tensor& x) { return ft::square(f(x, y).first); };
  EXPECT_EQ(double(ft::grad(g)(of(3), of(2))), 0);
  EXPECT_EQ(double(ft::grad<1>(g)(of(3), of(2))), 4);
}
TEST(FunctorchCustom, a_rule_that_computes_on_the_host_has_no_second_derivative_and_says_so) {
  auto host = [](auto f) { return [f](const Tensor& x) { return ft::pure_callback([f](const Tensor& v) { return of(f(double(v))); }, x, x); }; };
  auto cube = ft::custom_vjp(
      host([](double v) { return v * v * v; }),
      [=](const Tensor& x) {
        return std::pair{host([](double v) { return v * v * v; })(x), x};
      },
      [=](const Tensor& x, const Tensor& ct) { return ct * host([](double v) { return 3 * v * v; })(x); });
  EXPECT_EQ(double(ft::grad(cube)(of(2))), 12);
  expect_throw<ft::MissingRuleError>([&] { ft::grad(ft::grad(cube))(of(2)); }, "pure_callback");
  expect_throw<ft::MissingRuleError>([&] { ft::vmap(cube)(some({3})); }, "pure_callback");
}
TEST(FunctorchCustom, a_batching_rule_sees_leading_dimensions_and_is_left_alone_where_nothing_is_mapped) {
  int calls = 0;
  auto f = ft::custom_vmap([](const Tensor& x, const Pair& y) { return x * y.first + y.second; },
                           [&](std::int64_t n, const std::array<bool, 2>& mapped, const Tensor& x, const Pair& y) {
                             ++calls;
                             EXPECT_EQ(n, 4);
                             EXPECT_TRUE(mapped[0]);
                             EXPECT_EQ(x.sizes(), (ft::Shape{4, 3}));
                             return std::pair{x * y.first + y.second, true};
                           });
  Tensor x = some({3, 4}), y = some({4, 3}, 1);
  expect_close(ft::vmap(f, {.in_dims = {1, 0}})(x, Pair{y, y}), x.t() * y + y);
  EXPECT_EQ(calls, 1);
  ft::vmap([&](const Tensor& v) { return v + ft::sum(f(of(1), Pair{of(2), of(3)})); })(some({2}));
  EXPECT_EQ(calls, 1);
  auto constant = ft::custom_vmap([](const Tensor& v) { return ft::zeros_like(v); },
                                  [](std::int64_t, const std::array<bool, 1>&, const Tensor& v) {
                                    return std::pair{ft::zeros({v.size(1)}, f64), false};
                                  });
  expect_close(ft::vmap(constant)(some({2, 3})), ft::zeros({2, 3}, f64), 0);
  auto wrong = ft::custom_vmap([](const Tensor& v) { return v; },
                               [](std::int64_t, const std::array<bool, 1>&, const Tensor& v) {
                                 return std::pair{v[0], true};
                               });
  expect_throw<ft::ShapeError>([&] { ft::vmap(wrong)(some({2, 3})); }, "custom_vmap");
}
TEST(FunctorchCustom, a_sum_defined_by_the_user_composes) {
  static ft::DefinedPrimitive* self = nullptr;
  static ft::DefinedPrimitive total =
      ft::define_primitive({.name = "functorch_transforms_test total",
                            .shape =
                                [](auto in) {
                                  return std::vector{ft::TensorType{in[0].dtype, in[0].shape.without(in[0].shape.size() - 1)}};
                                },
                            .eval =
                                [](auto in, auto out) {
                                  auto x = in[0].template span<double>();
                                  auto y = out[0].template span<double>();
                                  const std::size_t n = y.empty() ? 0 : x.size() / y.size();
                                  for (std::size_t i = 0; i < y.size(); ++i) {
                                    y[i] = 0;
                                    for (std::size_t j = 0; j < n; ++j) y[i] += x[i * n + j];
                                  }
                                },
                            .jvp = [](auto, auto, auto t) { return std::vector<Tensor>{t[0].defined() ? Tensor((*self)(t[0])) : Tensor()}; },
                            .transpose = [](auto ct, auto) { return std::vector<Tensor>{ct[0].unsqueeze(-1).expand(ct[0].sizes().concat({3}))}; },
                            .batch =
                                [](std::int64_t, auto in, auto dims) {
                                  return std::pair{std::vector<Tensor>{(*self)(ft::movedim(in[0], {dims[0]}, {0}))}, std::vector<int>{0}};
                                }});
  self = &total;
  auto sum = [](const Tensor& x) { return Tensor(total(x)); };
  Tensor x = some({2, 4, 3});
  expect_close(sum(x), ft::sum(x, -1));
  expect_close(ft::vmap(sum)(x), ft::sum(x, -1)), expect_close(ft::vmap(ft::vmap(sum))(x), ft::sum(x, -1));
  Tensor v = some({3});
  expect_close(ft::grad(sum)(v), ft::ones({3}, f64), 0);
  expect_close(ft::grad([&](const Tensor& u) { return ft::sum(ft::grad([&](const Tensor& w) { return sum(ft::sin(w)); })(u)); })(v), -ft::sin(v));
  expect_close(ft::vmap(ft::grad(sum))(x[0]), ft::ones({4, 3}, f64), 0);
  auto shifted = [&](const Tensor& u) { return sum(u * u) - ft::stop_gradient(sum(u * u)); };
  expect_close(ft::grad(shifted)(v), v * 2.0);
  expect_close(ft::grad([&](const Tensor& u) { return ft::sum(ft::grad(shifted)(u)); })(v), ft::full({3}, 2.0, f64));
}
