// What the derivatives of single operations must get right where they are delicate; each name says what it holds.
#include <gtest/gtest.h>

#include <cmath>

#include "functra/functra.h"
#include "support/close.h"

namespace ft = functra;
using ft::Tensor;

namespace {

Tensor of(std::vector<double> v) { return ft::tensor(v, ft::f64); }
Tensor some(const ft::Shape& s) { return ft::sin(ft::arange(0, s.numel(), 1, ft::f64) * 1.3 + 0.4).reshape(s); }
template <class F> Tensor gradient(F f, const Tensor& x) {
  return ft::grad([&](const Tensor& v) { return ft::sum(f(v)); })(x);
}
// The Hessian of the sum of f's elements, weighted so that they differ.
template <class F> auto weighted(F f) {
  return [f](const Tensor& v) {
    Tensor y = f(v).flatten();
    return ft::sum(y * ft::arange(1, y.numel() + 1, 1, ft::f64));
  };
}
template <class F> Tensor differences(F f, const Tensor& x, double h = 1e-5) {  // of a function of x's shape to any shape
  std::vector<Tensor> columns;
  for (std::int64_t k = 0; k < x.numel(); ++k) {
    Tensor e = ft::zeros({x.numel()}, ft::f64).index_put({k}, h).reshape(x.sizes());
    columns.push_back((f(x + e) - f(x - e)).flatten() / (2 * h));
  }
  return ft::stack(columns, 1);
}
// The second derivative every way round equals differences of the gradient, and the gradient differences of the value.
template <class F> void expect_second_derivative(F f, const Tensor& x, double tolerance = 1e-6) {
  auto g = weighted(f);
  std::int64_t n = x.numel();
  Tensor want = differences(ft::grad(g), x);
  expect_close(ft::grad(g)(x).flatten(), differences(g, x).flatten(), tolerance);
  auto square = [&](const Tensor& h) { return h.reshape({n, n}); };
  expect_close(square(ft::jacfwd(ft::jacrev(g))(x)), want, tolerance);
  expect_close(square(ft::jacrev(ft::jacrev(g))(x)), want, tolerance);
  expect_close(square(ft::jacrev(ft::jacfwd(g))(x)), want, tolerance);
  expect_close(square(ft::jacfwd(ft::jacfwd(g))(x)), want, tolerance);
  expect_close(ft::hessian(g)(x), ft::hessian(ft::jit(g))(x), 1e-12);
}

// ---------------------------------------------------------------- ties
TEST(BehaviourOperations, amax_amin_and_maximum_share_ties_equally) {
  Tensor x = of({1, 3, 3, 0, 3});
  expect_close(gradient([](const Tensor& v) { return ft::amax(v); }, x), of({0, 1, 1, 0, 1}) / 3.0);
  expect_close(gradient([](const Tensor& v) { return ft::amax(v, -1, true); }, x), of({0, 1, 1, 0, 1}) / 3.0);
  expect_close(gradient([](const Tensor& v) { return ft::amin(v); }, -x), of({0, 1, 1, 0, 1}) / 3.0);
  expect_close(gradient([](const Tensor& v) { return ft::maximum(v, 3.0); }, x), of({0, 0.5, 0.5, 0, 0.5}));
  expect_close(gradient([](const Tensor& v) { return ft::maximum(v, v); }, x), of({1, 1, 1, 1, 1}));
  Tensor rows = ft::stack({x, of({2, 2, 1, 0, 0})});
  expect_close(gradient([](const Tensor& v) { return ft::amax(v, 1); }, rows), ft::stack({of({0, 1, 1, 0, 1}) / 3.0, of({1, 1, 0, 0, 0}) / 2.0}));
  // All of it: the tangent is the mean of those that tie, under vmap too.
  expect_close(ft::jvp([](const Tensor& v) { return ft::amax(v); }, x, of({9, 1, 2, 9, 6})).second, ft::tensor(3.0, ft::f64));
  expect_close(ft::vmap(ft::grad([](const Tensor& v) { return ft::amax(v); }))(rows),
               ft::stack({of({0, 1, 1, 0, 1}) / 3.0, of({1, 1, 0, 0, 0}) / 2.0}));
}

// ---------------------------------------------------------------- products with zeros
TEST(BehaviourOperations, prod_is_exact_at_none_one_two_and_three_zeros_to_second_order) {
  for (auto v : {std::vector<double>{2, 3, 5}, {2, 0, 5}, {0, 0, 5}, {0, 0, 0}}) {
    Tensor x = of(v);
    auto without = [&](std::size_t i, std::size_t j) {  // the product of the others
      double p = 1;
      for (std::size_t k = 0; k < 3; ++k)
        if (k != i && k != j) p *= v[k];
      return p;
    };
    Tensor g = gradient([](const Tensor&t) { return ft::prod(t); }, x), h = ft::hessian([](const Tensor&t) { return ft::prod(t); })(x),
           r = ft::jacrev(ft::jacrev([](const Tensor&t) { return ft::prod(t); }))(x);
    for (std::size_t i = 0; i < 3; ++i) {
      EXPECT_EQ(g.to_vector<double>()[i], without(i, i));
      for (std::size_t j = 0; j < 3; ++j) {
        EXPECT_EQ(h.to_vector<double>()[3 * i + j], i == j ? 0 : without(i, j));
        EXPECT_EQ(r.to_vector<double>()[3 * i + j], i == j ? 0 : without(i, j));
      }
    }
  }
  Tensor m = ft::tensor({{1.0, 0.0, 2.0}, {0.0, 3.0, 0.0}}, ft::f64);
  expect_second_derivative([](const Tensor& v) { return ft::prod(v, 0); }, m);
  expect_second_derivative([](const Tensor& v) { return ft::prod(v, 1, true); }, m);
}
TEST(BehaviourOperations, cumprod_is_exact_at_zeros_to_second_order) {
  for (auto v : {std::vector<double>{2, 3, 5, 7}, {2, 0, 5, 7}, {0, 3, 0, 7}, {0, 0, 0, 0}}) {
    Tensor x = of(v), j = ft::jacrev([](const Tensor&t) { return ft::cumprod(t, 0); })(x),
           f = ft::jacfwd([](const Tensor&t) { return ft::cumprod(t, 0); })(x);
    Tensor h = ft::hessian([](const Tensor& t) { return ft::cumprod(t, 0)[3]; })(x);
    for (std::size_t i = 0; i < 4; ++i)
      for (std::size_t k = 0; k < 4; ++k) {
        double d = k <= i, dd = k != i;  // d y_i / d x_k, and d2 y_3 / d x_i d x_k
        for (std::size_t l = 0; l <= i; ++l) d *= l == k ? 1 : v[l];
        for (std::size_t l = 0; l < 4; ++l) dd *= l == k || l == i ? 1 : v[l];
        EXPECT_EQ(j.to_vector<double>()[4 * i + k], d);
        EXPECT_EQ(f.to_vector<double>()[4 * i + k], d);
        EXPECT_EQ(h.to_vector<double>()[4 * i + k], dd);
      }
  }
}
TEST(BehaviourOperations, pow_at_zero_and_of_negative_bases) {
  auto d1 = [](auto f, double x) { return double(ft::grad(f)(ft::tensor(x, ft::f64))); };
  auto d2 = [](auto f, double x) { return double(ft::grad(ft::grad(f))(ft::tensor(x, ft::f64))); };
  auto two = [](const Tensor& x) { return ft::pow(x, ft::tensor(2.0, ft::f64)); };
  auto zeroth = [](const Tensor& x) { return ft::pow(x, ft::tensor(0.0, ft::f64)); };
  auto of_zero = [](const Tensor& y) { return ft::pow(ft::tensor(0.0, ft::f64), y); };
  EXPECT_EQ(d2(two, 0), 2);
  EXPECT_EQ(d2([](const Tensor& x) { return ft::pow(x, 2); }, 0), 2);
  EXPECT_EQ(d1(two, 0), 0);
  EXPECT_EQ(d1(two, -3), -6);
  EXPECT_EQ(d1(zeroth, 0), 0);
  EXPECT_EQ(d1(zeroth, -2), 0);
  EXPECT_EQ(double(zeroth(ft::tensor(0.0, ft::f64))), 1);
  EXPECT_EQ(d1(of_zero, 2), 0);
  EXPECT_EQ(d1([](const Tensor& x) { return ft::pow(x, 3); }, -2), 12);
  EXPECT_EQ(d2([](const Tensor& x) { return ft::pow(x, 3); }, -2), -12);
  EXPECT_TRUE(std::isnan(double(ft::pow(ft::tensor(-2.0, ft::f64), 0.5))));
}

// ---------------------------------------------------------------- gathers and scatters
TEST(BehaviourOperations, gather_with_repeated_indices_accumulates_in_every_transform) {
  Tensor x = some({4}), i = ft::tensor({2, 0, 2, 2}), w = of({1, 10, 100, 1000});
  auto f = [&](const Tensor& v) { return ft::sum(v[i] * w); };
  expect_close(ft::grad(f)(x), of({10, 0, 1101, 0}));
  expect_close(ft::jit(ft::grad(f))(x), of({10, 0, 1101, 0}));
  expect_close(ft::vmap(ft::grad(f))(ft::stack({x, x}))[1], of({10, 0, 1101, 0}));
  expect_close(ft::grad([&](const Tensor& v) { return ft::sum(ft::index_select(v, 0, i) * w); })(x), of({10, 0, 1101, 0}));
  expect_close(ft::grad([&](const Tensor& v) { return ft::sum(ft::gather(v, 0, i) * w); })(x), of({10, 0, 1101, 0}));
  expect_close(ft::grad([&](const Tensor& v) { return ft::sum(ft::take(v, i) * w); })(x), of({10, 0, 1101, 0}));
  expect_second_derivative([&](const Tensor& v) { return v[i] * v[i] * ft::flip(v, {0})[i]; }, x);
}
TEST(BehaviourOperations, scatter_set_with_duplicates_keeps_the_last_value_and_its_derivative) {
  Tensor x = some({3}), i = ft::tensor({1, 0, 1}), v = of({5, 6, 7}), w = of({1, 10, 100});
  auto f = [&](const Tensor& a, const Tensor& u) { return ft::sum(a.index_put({i}, u) * w); };
  expect_close(x.index_put({i}, v), ft::stack({Tensor(6.0).to(ft::f64), Tensor(7.0).to(ft::f64), x[2]}));
  auto [gx, gv] = ft::grad<0, 1>(f)(x, v);
  expect_close(gx, of({0, 0, 100}));
  expect_close(gv, of({0, 1, 10}));
  // jvp agrees with its transpose, and the mapped form with a loop.
  Tensor t = ft::jvp([&](const Tensor& u) { return x.index_put({i}, u); }, v, of({1, 2, 4})).second;
  expect_close(t, of({2, 4, 0}));
  auto [bx, bv] = ft::vmap(ft::grad<0, 1>(f))(ft::stack({x, x}), ft::stack({v, v * 2.0}));
  expect_close(bx[1], gx);
  expect_close(bv[1], gv);
}
TEST(BehaviourOperations, out_of_bounds_positions_clip_fill_or_drop_and_so_do_their_derivatives) {
  Tensor x = of({1, 2, 3}), i = ft::tensor({{-1}, {1}, {3}}), u = of({10, 20, 30}), w = of({1, 10, 100});
  ft::lax::GatherDims g{.offset_dims = {}, .collapsed_slice_dims = 0, .start_index_map = 0};
  ft::lax::ScatterDims s{.update_window_dims = {}, .inserted_window_dims = 0, .scatter_dims_to_operand_dims = 0};
  auto clip = [&](const Tensor& v) { return ft::sum(ft::lax::gather(v, i, g, {1}, ft::lax::OutOfBounds::clip) * w); };
  auto fill = [&](const Tensor& v) { return ft::sum(ft::lax::gather(v, i, g, {1}, ft::lax::OutOfBounds::fill_or_drop, -7) * w); };
  expect_close(clip(x), ft::tensor(1.0 + 20 + 300, ft::f64));
  expect_close(fill(x), ft::tensor(-7.0 + 20 - 700, ft::f64));
  expect_close(ft::grad(clip)(x), of({1, 10, 100}));
  expect_close(ft::grad(fill)(x), of({0, 10, 0}));
  auto put = [&](ft::lax::OutOfBounds mode, bool add) {
    return [&, mode, add](const Tensor& v, const Tensor& n) {
      return ft::sum((add ? ft::lax::scatter_add(v, i, n, s, mode) : ft::lax::scatter(v, i, n, s, mode)) * w);
    };
  };
  auto check = [&](ft::lax::OutOfBounds mode, bool add, Tensor wx, Tensor wu) {
    auto [gx, gu] = ft::grad<0, 1>(put(mode, add))(x, u);
    expect_close(gx, wx);
    expect_close(gu, wu);
  };
  check(ft::lax::OutOfBounds::fill_or_drop, true, of({1, 10, 100}), of({0, 10, 0}));
  check(ft::lax::OutOfBounds::clip, true, of({1, 10, 100}), of({1, 10, 100}));
  check(ft::lax::OutOfBounds::fill_or_drop, false, of({1, 0, 100}), of({0, 10, 0}));
  check(ft::lax::OutOfBounds::clip, false, of({0, 0, 0}), of({1, 10, 100}));
}

// ---------------------------------------------------------------- slices
TEST(BehaviourOperations, slices_that_select_one_element_step_backwards_or_are_empty_differentiate) {
  Tensor x = some({7});
  auto check = [&](ft::Slice s, std::vector<std::int64_t> picked) {
    auto f = [&](const Tensor& v) { return v.index({s}) * v.index({s}); };
    Tensor want = ft::zeros({7}, ft::f64), y = f(x);
    ASSERT_EQ(y.sizes(), ft::Shape{picked.size()});
    for (std::size_t k = 0; k < picked.size(); ++k) {
      want = want.index_put({picked[k]}, x[picked[k]] * 2.0);
      expect_close(y[static_cast<std::int64_t>(k)], x[picked[k]] * x[picked[k]]);
    }
    expect_close(gradient(f, x), want);
    expect_close(ft::jvp(f, x, ft::ones({7}, ft::f64)).second.sum(), want.sum());
    expect_close(ft::vmap([&](const Tensor& v) { return gradient(f, v); }, {.in_dims = 1, .out_dims = 1})(ft::stack({x, x}, 1)),
                 ft::stack({want, want}, 1));
    expect_close(ft::jit([&](const Tensor& v) { return gradient(f, v); })(x), want);
    EXPECT_EQ(ft::hessian([&](const Tensor& v) { return ft::sum(f(v)); })(x).sum().item<double>(), 2.0 * static_cast<double>(picked.size()));
  };
  check(ft::Slice(2, 4, 10), {2});
  check(ft::Slice(6, 7), {6});
  check(ft::Slice(2, 0, -10), {2});
  check(ft::Slice(ft::none, ft::none, 3), {0, 3, 6});
  check(ft::Slice(ft::none, ft::none, -1), {6, 5, 4, 3, 2, 1, 0});
  check(ft::Slice(5, 1, -2), {5, 3});
  check(ft::Slice(3, 3), {});
  check(ft::Slice(5, 2), {});
  check(ft::Slice(7, ft::none), {});
  check(ft::Slice(1, 5, -1), {});
}

// ---------------------------------------------------------------- order
TEST(BehaviourOperations, sort_is_stable_and_its_gradient_follows_the_permutation) {
  Tensor x = of({2, 1, 2, 0, 1}), w = of({1, 10, 100, 1000, 10000});
  auto [v, i] = ft::sort(x);
  EXPECT_EQ(i.to_vector<int>(), (std::vector<int>{3, 1, 4, 0, 2}));
  expect_close(gradient([&](const Tensor& t) { return ft::sort(t).first * w; }, x), of({1000, 10, 10000, 1, 100}));
  EXPECT_EQ(ft::argsort(x, 0, true).to_vector<int>(), (std::vector<int>{0, 2, 1, 4, 3}));
  expect_close(gradient([&](const Tensor& t) { return ft::sort(t, 0, true).first * w; }, x), of({1, 100, 10, 10000, 1000}));
  expect_close(gradient([&](const Tensor& t) { return ft::topk(t, 2).first * of({1, 10}); }, x), of({1, 0, 10, 0, 0}));
  expect_close(gradient([&](const Tensor& t) { return ft::median(t, 0).first; }, x), of({0, 0, 0, 0, 1}));
  Tensor rows = ft::stack({x, of({5, 4, 3, 2, 1})});
  expect_close(gradient([&](const Tensor& t) { return ft::sort(t, 1).first * w; }, rows),
               ft::stack({of({1000, 10, 10000, 1, 100}), of({10000, 1000, 100, 10, 1})}));
  expect_close(ft::vmap([&](const Tensor& r) { return gradient([&](const Tensor& t) { return ft::sort(t).first * w; }, r); })(rows)[1],
               of({10000, 1000, 100, 10, 1}));
  expect_second_derivative([](const Tensor& t) { return ft::sort(t).first * ft::sort(t).first * t; }, of({2, 1, 3, 0.5}));
}

// ---------------------------------------------------------------- second derivatives of the layers of a network
TEST(BehaviourOperations, max_pool_has_second_derivatives) {
  Tensor x = some({1, 1, 4, 4});
  expect_second_derivative([](const Tensor& v) { return ft::square(ft::max_pool2d(v, 2)) * ft::max_pool2d(v, 2); }, x);
  expect_second_derivative([](const Tensor& v) { return ft::exp(ft::max_pool2d(v, 3, 1)); }, x, 1e-5);
  Tensor wide = some({1, 2, 5});
  expect_second_derivative([](const Tensor& v) { return ft::square(ft::max_pool1d(v, 3, 2, 1)); }, wide);
  expect_second_derivative([](const Tensor& v) { return ft::square(ft::max_pool1d(v, 2, 1, 0, 2)); }, wide);
  expect_second_derivative([](const Tensor& v) { return ft::square(ft::max_pool2d(v, 2, 1, 1, 2)); }, x);
  expect_second_derivative([](const Tensor& v) { return ft::square(ft::avg_pool1d(v, 2, 1)); }, wide);
}
TEST(BehaviourOperations, convolution_has_second_derivatives_by_input_and_kernel) {
  Tensor x = some({1, 2, 5}), w = some({3, 2, 2}), x2 = some({1, 1, 4, 4}), w2 = some({2, 1, 3, 3});
  expect_second_derivative([&](const Tensor& v) { return ft::square(ft::conv1d(v, w)); }, x);
  expect_second_derivative([&](const Tensor& k) { return ft::square(ft::conv1d(x, k, {}, 2, 1)); }, w);
  expect_second_derivative([&](const Tensor& v) { return ft::tanh(ft::conv2d(v, w2, {}, 1, 1)); }, x2);
  expect_second_derivative([&](const Tensor& k) { return ft::tanh(ft::conv2d(x2, k)); }, w2);
  // Mixed: by input and kernel at once.
  struct Both {
    Tensor x, w;
  };
  auto f = [](const Both& b) { return ft::sum(ft::tanh(ft::conv1d(b.x, b.w))); };
  auto h = ft::hessian(f)(Both{x, w});
  Tensor mixed = h[&Both::x].w.reshape({10, 12});
  expect_close(mixed, differences([&](const Tensor& k) { return ft::grad(f)(Both{x, k}).x; }, w), 1e-6);
  expect_close(h[&Both::w].x.reshape({12, 10}), mixed.t(), 1e-12);
}
TEST(BehaviourOperations, softmax_and_cross_entropy_have_second_derivatives) {
  Tensor x = some({2, 3}) * 3.0, labels = ft::tensor({2, 0});
  expect_second_derivative([](const Tensor& v) { return ft::softmax(v, 1); }, x);
  expect_second_derivative([](const Tensor& v) { return ft::log_softmax(v, 0); }, x);
  expect_second_derivative([](const Tensor& v) { return ft::logsumexp(v, 1); }, x);
  expect_second_derivative([&](const Tensor& v) { return ft::cross_entropy(v, labels, ft::Reduction::none); }, x);
  // The closed form: the Hessian of logsumexp is diag(p) - p p^T.
  Tensor z = x[0], p = ft::softmax(z);
  expect_close(ft::hessian([](const Tensor& v) { return ft::logsumexp(v); })(z), ft::eye(3, ft::f64) * p - ft::outer(p, p));
}
TEST(BehaviourOperations, layer_norm_has_second_derivatives) {
  auto norm = [](const Tensor& v) {
    Tensor c = v - ft::mean(v, -1, true);
    return c * ft::rsqrt(ft::mean(c * c, -1, true) + 1e-5);
  };
  expect_second_derivative(norm, some({2, 4}), 1e-5);
  auto by_var = [](const Tensor& v) { return (v - ft::mean(v, -1, true)) / ft::sqrt(ft::var(v, -1, 0, true) + 1e-5); };
  expect_close(by_var(some({2, 4})), norm(some({2, 4})), 1e-12);
  expect_second_derivative(by_var, some({2, 4}), 1e-5);
}

}  // namespace
