// What derivatives must get right, clause by clause; each name says what it holds.
#include <gtest/gtest.h>

#include <cmath>
#include <map>
#include <optional>
#include <thread>

#include "functra/base/memory.h"
#include "functra/functra.h"
#include "support/close.h"
#include "support/counter.h"

namespace ft = functra;
using ft::Tensor;
using ft::testing::operations;

namespace {

Tensor of(double v) { return ft::tensor(v, ft::f64); }
Tensor some(const ft::Shape& s) { return ft::sin(ft::arange(0, s.numel(), 1, ft::f64) * 1.3 + 0.4).reshape(s); }
template <class F> std::size_t equations(F f, const Tensor& x) { return ft::make_fx(f)(x).size(); }
// The Jacobian of f by central differences, output shape first.
template <class F> Tensor differences(F f, const Tensor& x, double h = 1e-6) {
  std::vector<Tensor> columns;
  Tensor flat = x.flatten();
  for (std::int64_t k = 0; k < x.numel(); ++k) {
    Tensor e = ft::zeros({x.numel()}, ft::f64).index_put({k}, h);
    columns.push_back((f((flat + e).reshape(x.sizes())) - f((flat - e).reshape(x.sizes()))) / (2 * h));
  }
  Tensor all = ft::stack(columns, -1);
  ft::Shape s = all.sizes();
  return all.reshape(s.without(s.size() - 1).concat(x.sizes()));
}
template <class E> std::string message(auto f) {
  try {
    f();
  } catch (const E& e) { return e.what(); }
  return "nothing was thrown";
}
template <int N, class F> auto nth(F f) {
  if constexpr (N == 0) return f;
  else return ft::grad(nth<N - 1>(f));
}

// ---------------------------------------------------------------- higher derivatives
TEST(BehaviourGradient, of_sine_is_cosine_twice_minus_sine_four_times_sine) {
  for (double v : {-1.2, 0.0, 0.7}) {
    EXPECT_NEAR(double(nth<1>(ft::sin)(of(v))), std::cos(v), 1e-15);
    EXPECT_NEAR(double(nth<2>(ft::sin)(of(v))), -std::sin(v), 1e-15);
    EXPECT_NEAR(double(nth<4>(ft::sin)(of(v))), std::sin(v), 1e-15);
    EXPECT_NEAR(double(nth<8>(ft::sin)(of(v))), std::sin(v), 1e-15);
  }
}
TEST(BehaviourGradient, each_level_binds_at_most_five_times_the_operations_of_the_one_below) {
  auto f = [](const Tensor& x) { return ft::sin(x) * ft::exp(x * 0.5) + x * x / (x + 3.0); };
  auto levels = [](auto g, const Tensor& x) {
    int n[] = {operations([&] { g(x); }), operations([&] { nth<1>(g)(x); }), operations([&] { nth<2>(g)(x); }), operations([&] { nth<3>(g)(x); }),
               operations([&] { nth<4>(g)(x); })};
    for (int k = 1; k < 5; ++k) EXPECT_LE(n[k], 5 * n[k - 1]) << "level " << k << ": " << n[k] << " operations over " << n[k - 1];
    EXPECT_GT(n[4], 0);
  };
  levels(ft::sin, of(0.7));
  levels(f, of(0.7));
}
TEST(BehaviourGradient, the_program_of_the_nth_derivative_of_sine_has_order_n_equations) {
  Tensor x = of(0.7);
  std::size_t n[] = {equations(nth<1>(ft::sin), x), equations(nth<2>(ft::sin), x), equations(nth<4>(ft::sin), x), equations(nth<8>(ft::sin), x)};
  EXPECT_EQ(n[0], 1u);
  EXPECT_LE(n[1], 2 * n[0] + 1);
  EXPECT_LE(n[2], 2 * n[1] + 1);
  EXPECT_LE(n[3], 2 * n[2] + 1);
  EXPECT_LE(n[3], 16u);
}

// ---------------------------------------------------------------- nesting
TEST(BehaviourGradient, no_perturbation_confusion_for_grad_and_jvp_in_each_other) {
  auto by_grad = [](auto f, const Tensor& y) { return ft::grad(f)(y); };
  auto by_jvp = [](auto f, const Tensor& y) { return ft::jvp(f, y, of(1)).second; };
  auto check = [](auto outer, auto inner) {  // d/dx [x d/dy (x + y)] is 1
    Tensor d = outer([&](const Tensor& x) { return x * inner([&](const Tensor& y) { return x + y; }, of(1)); }, of(3));
    EXPECT_EQ(double(d), 1.0);
  };
  check(by_grad, by_grad);
  check(by_grad, by_jvp);
  check(by_jvp, by_grad);
  check(by_jvp, by_jvp);
}
TEST(BehaviourGradient, no_perturbation_confusion_three_levels_deep) {
  // d/dx of x d/dy (y d/dz (x y z) at z = y) at y = x: x d/dy (x y^2) = 2 x^2 y, at y = x 2 x^3, so 6 x^2.
  auto check = [](auto a, auto b, auto c) {
    auto f = [&](const Tensor& x) {
      auto g = [&](const Tensor& y) {
        auto h = [&](const Tensor& z) { return x * y * z; };
        return y * c(h, ft::stop_gradient(y));
      };
      return x * b(g, x);
    };
    EXPECT_NEAR(double(a(f, of(1.5))), 6 * 1.5 * 1.5, 1e-12);
  };
  auto g = [](auto f, const Tensor& y) { return ft::grad(f)(y); };
  auto j = [](auto f, const Tensor& y) { return ft::jvp(f, y, of(1)).second; };
  check(g, g, g);
  check(g, g, j);
  check(g, j, g);
  check(j, g, g);
  check(j, j, g);
  check(g, j, j);
  check(j, g, j);
  check(j, j, j);
}
TEST(BehaviourGradient, an_inner_gradient_of_what_ignores_its_argument_is_zero_not_the_outer_tangent) {
  auto ignoring = [](const Tensor& x) { return ft::grad([&](const Tensor&) { return x * x; })(x); };
  EXPECT_EQ(double(ignoring(of(2))), 0.0);
  EXPECT_EQ(double(ft::grad(ignoring)(of(2))), 0.0);
  EXPECT_EQ(double(ft::jvp(ignoring, of(2), of(1)).second), 0.0);
  auto by_jvp = [](const Tensor& x) { return ft::jvp([&](const Tensor&) { return x * x; }, of(1), of(1)).second; };
  EXPECT_EQ(double(ft::grad(by_jvp)(of(2))), 0.0);
  EXPECT_EQ(double(ft::vmap(ignoring)(ft::ones({3}, ft::f64))[1]), 0.0);
}

// ---------------------------------------------------------------- what is refused, what is zero
TEST(BehaviourGradient, an_output_that_is_not_a_scalar_is_an_error_that_shows_its_shape_and_the_way_out) {
  EXPECT_EQ(message<ft::ShapeError>([] { ft::grad([](const Tensor& x) { return x * x; })(some({3})); }),
            "grad: the function returns shape [3], not a scalar; sum() or mean() it, or use vjp or jacrev");
  EXPECT_EQ(message<ft::ShapeError>([] { ft::grad([](const Tensor& x) { return x.reshape({1}); })(of(1)); }),
            "grad: the function returns shape [1], not a scalar; sum() or mean() it, or use vjp or jacrev");
  EXPECT_EQ(
      message<ft::ShapeError>([] { ft::value_and_grad([](const Tensor& x) {
                                     return std::pair{x, x};
                                   })(of(1)); }),
      "value_and_grad: the function returns 2 tensors, expected one scalar; use vjp or jacrev, or pass ft::has_aux and return a pair (value, aux)");
}
TEST(BehaviourGradient, an_integer_or_bool_tensor_as_the_differentiated_argument_is_refused) {
  auto total = [](const Tensor& x) { return ft::sum(x * 1.5); };
  EXPECT_EQ(message<ft::DTypeError>([&] {
              ft::grad(total)(ft::tensor({1, 2}));
            }),
            "grad: argument 0 has dtype i64, which has no derivative; convert it with to(f32) or to(f64), or choose other arguments");
  EXPECT_NE(message<ft::DTypeError>([&] { ft::grad(total)(ft::tensor({true})); }).find("dtype bool"), std::string::npos);
  EXPECT_NE(message<ft::DTypeError>([&] { ft::grad<1>([&](double, const Tensor& x) { return total(x); })(1.0, ft::tensor({1})); }).find("argument 1"),
            std::string::npos);
  EXPECT_NE(message<ft::DTypeError>([&] { ft::jacrev(total)(ft::tensor({1})); }).find("jacrev: argument 0 has dtype i64"), std::string::npos);
  EXPECT_NE(message<ft::DTypeError>([&] { ft::jacfwd(total)(ft::tensor({1})); }).find("jacfwd: argument 0 has dtype i64"), std::string::npos);
  EXPECT_NE(message<ft::DTypeError>([&] { ft::hessian(total)(ft::tensor({1})); }).find("argument 0 has dtype i64"), std::string::npos);
  EXPECT_EQ(message<ft::DTypeError>([&] { ft::jvp(total, ft::tensor({1}), ft::tensor({1})); }),
            "jvp: argument 0 has dtype i64, which has no derivative; convert it with to(f32) or to(f64), or give ft::none as its tangent");
  EXPECT_EQ(
      double(ft::jvp([&](const Tensor& x, const Tensor& i) { return total(x * i); }, std::tuple{of(2), ft::tensor({3})}, std::tuple{of(1), ft::none})
                 .second),
      4.5);
  EXPECT_EQ(message<ft::DTypeError>([] { ft::grad([](const Tensor& x) { return ft::sum(x > 0); })(some({2})); }),
            "grad: the function returns dtype i64; only floating results have a gradient");
}
TEST(BehaviourGradient, through_an_integer_or_bool_and_back_the_derivative_is_zero) {
  Tensor x = some({3});
  auto check = [&](auto f) {
    expect_close(ft::grad(f)(x), ft::zeros({3}, ft::f64), 0);
    expect_close(ft::jvp(f, x, x).second, of(0), 0);
    expect_close(ft::jit(ft::grad(f))(x), ft::zeros({3}, ft::f64), 0);
    expect_close(ft::vmap(ft::grad(f))(ft::stack({x, x})), ft::zeros({2, 3}, ft::f64), 0);
  };
  check([](const Tensor& v) { return ft::sum((v * 3.0).to(ft::i64).to(ft::f64)); });
  check([](const Tensor& v) { return ft::sum((v > 0).to(ft::f64)); });
  check([](const Tensor& v) { return ft::sum(ft::argsort(v).to(ft::f64) * 2.0); });
}
TEST(BehaviourGradient, an_unused_input_has_a_zero_of_its_shape_and_dtype) {
  struct Used {
    Tensor a, b;
  };
  Used u{some({2}), ft::ones({3, 1})};
  auto f = [](const Used& p) { return ft::sum(p.a); };
  Used by_grad = ft::grad(f)(u), by_vjp = ft::vjp(f, u).second(1.0), by_jacrev = ft::jacrev(f)(u), by_jacfwd = ft::jacfwd(f)(u),
       by_jit = ft::grad(ft::jit(f))(u);
  for (const Used& g : {by_grad, by_vjp, by_jacrev, by_jacfwd, by_jit}) {
    expect_close(g.a, ft::ones({2}, ft::f64), 0);
    expect_close(g.b, ft::zeros({3, 1}), 0);
  }
  for (const Used& g : {by_grad, by_vjp, by_jacrev, by_jit}) EXPECT_EQ(g.b.dtype(), ft::f32);
  EXPECT_EQ(by_jacfwd.b.dtype(), ft::f64);  // columns are tangents of the result
}
TEST(BehaviourGradient, a_tensor_returned_twice_adds_its_cotangents) {
  Tensor x = some({3});
  auto [y, pull] = ft::vjp([](const Tensor& a) { return std::array<Tensor, 2>{a * 2.0, a * 2.0}; }, x);
  auto [z, both] = ft::vjp(
      [](const Tensor& a) {
        Tensor t = ft::sin(a);
        return std::tuple{t, a, t};
      },
      x);
  expect_close(pull({x, x * 3.0}), x * 8.0);
  expect_close(both({x, x * 10.0, x * 2.0}), ft::cos(x) * x * 3.0 + x * 10.0);
}
TEST(BehaviourGradient, an_input_returned_as_output_has_the_identity_as_derivative) {
  Tensor x = some({3});
  auto same = [](const Tensor& a) { return a; };
  auto [y, pull] = ft::vjp(same, x);
  expect_close(y, x, 0);
  expect_close(pull(x * 2.0), x * 2.0, 0);
  expect_close(ft::jacrev(same)(x), ft::eye(3, ft::f64), 0);
  expect_close(ft::jacfwd(same)(x), ft::eye(3, ft::f64), 0);
  expect_close(ft::jvp(same, x, x * 2.0).second, x * 2.0, 0);
  expect_close(ft::linearize(same, x).second(x * 2.0), x * 2.0, 0);
  EXPECT_EQ(double(ft::grad(same)(of(3))), 1.0);
  EXPECT_EQ(double(ft::grad(same)(3.0)), 1.0);
  EXPECT_EQ(double(ft::grad(ft::jit(same))(of(3))), 1.0);
  expect_close(ft::vmap(ft::grad(same))(x), ft::ones({3}, ft::f64), 0);
  EXPECT_EQ(double(ft::grad(ft::grad(same))(of(3))), 0.0);
}

// ---------------------------------------------------------------- argnums and aux
TEST(BehaviourGradient, argnums_give_the_bare_type_for_one_and_a_tuple_in_the_order_asked_for_several) {
  struct S {
    Tensor t;
  };
  auto f = [](const Tensor& a, const S& b, const Tensor& c) { return ft::sum(a * b.t * b.t * c); };
  Tensor a = of(2), c = of(5);
  S b{of(3)};
  static_assert(std::is_same_v<decltype(ft::grad<1>(f)(a, b, c)), S>);
  static_assert(std::is_same_v<decltype(ft::grad<-1, 1>(f)(a, b, c)), std::tuple<Tensor, S>>);
  EXPECT_EQ(double(ft::grad<1>(f)(a, b, c).t), 60);
  EXPECT_EQ(double(ft::grad<-1>(f)(a, b, c)), 18);
  EXPECT_EQ(double(ft::grad<-2>(f)(a, b, c).t), 60);
  auto [gc, gb, ga] = ft::grad<2, -2, 0>(f)(a, b, c);
  EXPECT_EQ(double(gc), 18);
  EXPECT_EQ(double(gb.t), 60);
  EXPECT_EQ(double(ga), 45);
  auto [jc, ja] = ft::jacrev<-1, 0>(f)(a, b, c);
  auto [fc, fa] = ft::jacfwd<-1, 0>(f)(a, b, c);
  EXPECT_EQ(double(jc), 18);
  EXPECT_EQ(double(ja), 45);
  EXPECT_EQ(double(fc), 18);
  EXPECT_EQ(double(fa), 45);
}
struct Aux {
  Tensor traced, constant;
  std::string text;
  std::optional<Tensor> maybe;
  std::map<std::string, int> counts;
};
TEST(BehaviourGradient, aux_of_any_type_passes_through_undifferentiated_in_every_transform) {
  Tensor x = some({3}), k = ft::tensor({1, 2});
  auto f = [&](const Tensor& v) { return std::pair{ft::sum(v * v), Aux{v * 3.0, k, "note", v, {{"n", 7}}}}; };
  auto check = [&](const Aux& a) {
    expect_close(a.traced, x * 3.0, 0);
    expect_close(a.constant, k, 0);
    EXPECT_EQ(a.text, "note");
    expect_close(*a.maybe, x, 0);
    EXPECT_EQ(a.counts.at("n"), 7);
  };
  Tensor g = x * 2.0;
  auto by_grad = ft::grad(ft::has_aux, f)(x);
  expect_close(by_grad.first, g);
  check(by_grad.second);
  auto gv = ft::grad_and_value(ft::has_aux, f)(x);
  expect_close(gv.first, g);
  expect_close(gv.second.first, ft::sum(x * x));
  check(gv.second.second);
  auto vg = ft::value_and_grad(ft::has_aux, f)(x);
  expect_close(vg.second, g);
  check(vg.first.second);
  auto [y1, pull, a1] = ft::vjp(ft::has_aux, f, x);
  expect_close(pull(1.0), g);
  check(a1);
  auto [y2, t2, a2] = ft::jvp(ft::has_aux, f, x, x);
  expect_close(t2, ft::sum(x * g));
  check(a2);
  auto [y3, push, a3] = ft::linearize(ft::has_aux, f, x);
  expect_close(push(x), ft::sum(x * g));
  check(a3);
  auto rev = ft::jacrev(ft::has_aux, f)(x), fwd = ft::jacfwd(ft::has_aux, f)(x);
  expect_close(rev.first, g);
  expect_close(fwd.first, g);
  check(rev.second);
  check(fwd.second);
  auto h = ft::hessian(ft::has_aux, f)(x);
  expect_close(h.first, ft::eye(3, ft::f64) * 2.0);
  check(h.second);
  auto jv = ft::jac_and_value(ft::has_aux, f)(x);
  expect_close(jv.first, g);
  check(jv.second.second);
  auto jitted = ft::jit(ft::grad(ft::has_aux, f))(x);
  check(jitted.second);
}
TEST(BehaviourGradient, aux_is_differentiated_and_batched_by_the_transform_around) {
  Tensor x = some({3});
  auto f = [](const Tensor& v) { return std::pair{ft::sum(v * v), v * v * v}; };
  auto aux = [&](const Tensor& v) { return ft::sum(ft::grad(ft::has_aux, f)(v).second); };
  expect_close(ft::grad(aux)(x), x * x * 3.0);
  auto [g, a] = ft::vmap(ft::grad(ft::has_aux, f))(ft::stack({x, x * 2.0}));
  expect_close(g[1], x * 4.0);
  expect_close(a[1], x * x * x * 8.0);
  auto pair = [&](const Tensor& v) { return std::get<2>(ft::vjp(ft::has_aux, f, v * v)); };
  expect_close(ft::jvp(pair, x, ft::ones({3}, ft::f64)).second, ft::pow(x, 5) * 6.0);
}

// ---------------------------------------------------------------- pullbacks and pushforwards
TEST(BehaviourGradient, a_pullback_is_called_twice_mapped_over_an_identity_differentiated_and_jitted) {
  Tensor x = some({3});
  auto f = [](const Tensor& a) { return ft::sin(a) * ft::roll(a, {1}); };
  auto [y, pull] = ft::vjp(f, x);
  Tensor j = differences(f, x), ct = some({3}) + 1.0;
  expect_close(pull(ct), ft::matmul(ct, j), 1e-8);
  expect_close(pull(ct * 2.0), ft::matmul(ct * 2.0, j), 1e-8);
  expect_close(ft::vmap(pull)(ft::eye(3, ft::f64)), j, 1e-8);
  expect_close(ft::vmap(pull, {.out_dims = 1})(ft::eye(3, ft::f64)), j.t(), 1e-8);
  expect_close(ft::jacrev(pull)(ct), j.t(), 1e-8);
  expect_close(ft::grad([&, pull = pull](const Tensor& c) { return ft::sum(pull(c) * x); })(ct), ft::matmul(j, x), 1e-8);
  expect_close(ft::jit(pull)(ct), ft::matmul(ct, j), 1e-8);
  // By the point at which it was made, through the transform around.
  auto at = [&](const Tensor& v) { return ft::vjp(f, v).second(ct); };
  expect_close(ft::jacfwd(at)(x), differences(at, x), 1e-7);
}
TEST(BehaviourGradient, a_pullback_outlives_the_scope_and_the_thread_that_made_it) {
  std::optional<decltype(ft::vjp([](const Tensor& a) { return ft::sin(a); }, Tensor()).second)> kept;
  auto f = [](const Tensor& a) { return ft::sin(a); };
  std::function<Tensor(const Tensor&)> pull;
  std::thread([&] {
    Tensor x = some({3});
    pull = ft::vjp(f, x).second;
  }).join();
  expect_close(pull(ft::ones({3}, ft::f64)), ft::cos(some({3})));
  expect_close(ft::vmap(pull)(ft::eye(3, ft::f64)), ft::eye(3, ft::f64) * ft::cos(some({3})));
}
TEST(BehaviourGradient, jvp_linearize_and_the_transposed_vjp_agree) {
  Tensor x = some({3}), v = some({3}) * 0.5 + 1.0;
  auto f = [](const Tensor& a) { return ft::softmax(ft::matmul(some({4, 3}), ft::tanh(a))); };
  Tensor t = ft::jvp(f, x, v).second, l = ft::linearize(f, x).second(v);
  auto pull = ft::vjp(f, x).second;
  Tensor transposed = ft::linear_transpose(pull, ft::zeros({4}, ft::f64))(v);  // the transpose of the pullback is the pushforward
  expect_close(l, t, 1e-13);
  expect_close(transposed, t, 1e-13);
  expect_close(t, ft::matmul(differences(f, x), v), 1e-8);
}
TEST(BehaviourGradient, a_linearized_function_does_not_compute_the_primal_again) {
  Tensor x = some({3}), t = some({3});
  int runs = 0;
  auto f = [&](const Tensor& a) {
    ++runs;
    return ft::exp(ft::sin(a)) * ft::tanh(a);
  };
  auto [y, push] = ft::linearize(f, x);
  auto [z, pull] = ft::vjp(f, x);
  ft::testing::Counter c;
  push(t);
  pull(t);
  for (const char* op : {"sin", "cos", "exp", "tanh"}) EXPECT_EQ(c.of[op], 0) << op;
  EXPECT_GT(c.of["mul"], 0);
  EXPECT_EQ(runs, 2);
}
TEST(BehaviourGradient, cotangents_have_the_dtype_of_their_primals) {
  auto f = [](const Tensor& a, const Tensor& b, const Tensor& c) { return ft::sum(a * b * c); };
  for (ft::DType d : {ft::f16, ft::bf16, ft::f32, ft::f64})
    for (ft::DType e : {ft::f32, ft::f64}) {
      Tensor a = some({3}).to(d), b = some({3}).to(e);
      auto [ga, gb, gc] = ft::grad<0, 1, 2>(f)(a, b, 2.0);
      EXPECT_EQ(ga.dtype(), d);
      EXPECT_EQ(gb.dtype(), e);
      EXPECT_EQ(gc.dtype(), ft::f32);  // a number
      expect_close(ga.to(ft::f64), b.to(ft::f64) * 2.0, 1e-2);
      auto [va, vb, vc] = ft::vjp(f, a, b, ft::ones({}, ft::f64)).second(1.0);
      EXPECT_EQ(va.dtype(), d);
      EXPECT_EQ(vb.dtype(), e);
      EXPECT_EQ(vc.dtype(), ft::f64);
      EXPECT_EQ(ft::jvp([&](const Tensor& v) { return v * b; }, a, a).second.dtype(), ft::promote(d, e));
    }
}

// ---------------------------------------------------------------- Jacobians
struct Point {
  Tensor position;  // [2]
  Tensor mass;      // 0-d
};
struct Field {
  Tensor energy;  // 0-d
  Tensor force;   // [2]
  int order = 2;
};
Field field(const Point& p) { return {p.mass * ft::sum(ft::sin(p.position)), p.position * p.position * p.mass}; }

TEST(BehaviourGradient, jacrev_jacfwd_and_differences_agree_for_several_inputs_and_outputs) {
  Tensor a = some({2, 3}), b = some({3}), s = of(1.5);
  auto f = [](const Tensor& x, const Tensor& y, const Tensor& z) { return std::tuple{ft::matmul(ft::sin(x), y) * z, z * z * ft::sum(y), x * y}; };
  auto r = ft::jacrev<0, 1, 2>(f)(a, b, s);
  auto w = ft::jacfwd<0, 1, 2>(f)(a, b, s);
  auto check = [&]<std::size_t O, std::size_t I>(std::integral_constant<std::size_t, O>, std::integral_constant<std::size_t, I>) {
    Tensor left = std::get<I>(std::get<O>(r)), right = std::get<I>(std::get<O>(w));
    Tensor want = I == 0   ? differences([&](const Tensor& v) { return std::get<O>(f(v, b, s)); }, a)
                  : I == 1 ? differences([&](const Tensor& v) { return std::get<O>(f(a, v, s)); }, b)
                           : differences([&](const Tensor& v) { return std::get<O>(f(a, b, v)); }, s);
    expect_close(left, right, 1e-13);
    expect_close(left, want, 1e-7);
  };
  [&]<std::size_t... K>(std::index_sequence<K...>) {
    (check(std::integral_constant<std::size_t, K / 3>(), std::integral_constant<std::size_t, K % 3>()), ...);
  }
  (std::make_index_sequence<9>{});
}
TEST(BehaviourGradient, jacobians_of_structs_nest_output_over_input) {
  Point p{some({2}), of(3)};
  auto r = ft::jacrev(field)(p);
  auto w = ft::jacfwd(field)(p);
  static_assert(std::is_same_v<decltype(r), ft::Jacobian<Field, Point>>);
  Tensor x = p.position, m = p.mass;
  for (const auto& j : {r, w}) {
    expect_close(j[&Field::energy].position, ft::cos(x) * m);
    expect_close(j[&Field::energy].mass, ft::sum(ft::sin(x)));
    expect_close(j[&Field::force].position, ft::eye(2, ft::f64) * x * m * 2.0);
    expect_close(j[&Field::force].mass, x * x);
    EXPECT_EQ(j[&Field::order], 2);
  }
}
TEST(BehaviourGradient, jacobians_of_0_d_values_have_no_extra_dimensions) {
  auto f = [](const Tensor& x) { return std::pair{x * x, ft::stack({x, x * x * x})}; };
  auto check = [&](auto jac) {
    auto [a, b] = jac(f)(of(2));
    expect_close(a, of(4));
    expect_close(b, ft::tensor({1.0, 12.0}, ft::f64));
  };
  check([](auto g) { return ft::jacrev(g); });
  check([](auto g) { return ft::jacfwd(g); });
  check([](auto g) { return ft::jit(ft::jacfwd(g)); });
}
TEST(BehaviourGradient, chunked_jacobians_equal_whole_ones) {
  Tensor x = some({3, 4});
  auto f = [](const Tensor& a) { return std::pair{ft::matmul(a, ft::sin(a).t()), ft::sum(a * a)}; };
  auto [r0, r1] = ft::jacrev(f)(x);
  for (int chunk : {1, 2, 5, 9, 100}) {
    auto [a0, a1] = ft::jacrev(f, {.chunk_size = chunk})(x);
    auto [b0, b1] = ft::jacfwd(f, {.chunk_size = chunk})(x);
    auto [c, v] = ft::jac_and_value(f, {.chunk_size = chunk})(x);
    expect_close(a0, r0, 1e-13);
    expect_close(a1, r1, 1e-13);
    expect_close(b0, r0, 1e-13);
    expect_close(b1, r1, 1e-13);
    expect_close(c.first, r0, 1e-13);
    expect_close(v.second, ft::sum(x * x));
  }
}
TEST(BehaviourGradient, the_peak_memory_of_a_chunked_jacobian_stays_near_its_chunk) {
  const std::int64_t n = 256, wide = 8192;
  Tensor w = some({wide, n}), x = some({n});
  auto f = [&](const Tensor& a) {  // n -> n through many numbers: rows of the Jacobian are cheap to keep, what is between is not
    Tensor h = ft::tanh(ft::matmul(w, a));
    return ft::sum(ft::sin(h).reshape({n, wide / n}), 1);
  };
  auto peak = [&](auto jac, int chunk) {
    Tensor warm = jac(f, {.chunk_size = chunk})(x);
    ft::reset_peak_memory();
    std::size_t before = ft::memory_stats().in_use;
    Tensor j = jac(f, {.chunk_size = chunk})(x);
    return static_cast<double>(ft::memory_stats().peak - before);
  };
  const double result = static_cast<double>(n * n) * 8, lane = static_cast<double>(wide) * 8;
  auto check = [&](auto jac) {
    double whole = peak(jac, static_cast<int>(n)), chunked = peak(jac, 8);
    EXPECT_GT(whole, static_cast<double>(n) * lane);  // a batch of n lanes at once
    EXPECT_LT(chunked, 3 * result + 8 * 8 * lane);    // the result, its parts, and a few values for 8 lanes
    EXPECT_LT(chunked, whole / 4);
  };
  check([](auto g, ft::JacOptions o) { return ft::jacrev(g, o); });
  check([](auto g, ft::JacOptions o) { return ft::jacfwd(g, o); });
}
TEST(BehaviourGradient, the_hessian_is_the_same_all_four_ways_also_for_structs) {
  auto f = [](const Tensor& a) { return ft::sum(ft::sin(a) * ft::roll(a, {1})) * ft::sum(a * a); };
  Tensor x = some({4}), h = ft::hessian(f)(x);
  expect_close(h, ft::jacfwd(ft::jacrev(f))(x), 0);
  expect_close(h, ft::jacrev(ft::jacrev(f))(x), 1e-12);
  expect_close(h, ft::jacfwd(ft::jacfwd(f))(x), 1e-12);
  expect_close(h, ft::jacrev(ft::jacfwd(f))(x), 1e-12);
  expect_close(h, differences([&](const Tensor& v) { return ft::grad(f)(v); }, x), 1e-7);
  Point p{some({2}), of(3)};
  auto g = [](const Point& q) { return ft::sum(ft::sin(q.position * q.mass)) * q.mass; };
  auto a = ft::hessian(g)(p), b = ft::jacrev(ft::jacrev(g))(p), c = ft::jacfwd(ft::jacfwd(g))(p), d = ft::jacrev(ft::jacfwd(g))(p);
  Tensor s = ft::sin(p.position * p.mass), co = ft::cos(p.position * p.mass), m = p.mass;
  for (const auto& j : {a, b, c, d}) {
    expect_close(j[&Point::position].position, ft::eye(2, ft::f64) * -s * m * m * m);
    expect_close(j[&Point::position].mass, co * m * 2.0 - s * m * m * p.position);
    expect_close(j[&Point::mass].position, j[&Point::position].mass);
    expect_close(j[&Point::mass].mass, ft::sum(co * p.position * 2.0 - s * m * p.position * p.position));
  }
}
TEST(BehaviourGradient, vmap_of_grad_is_a_loop_of_grad_and_grad_of_vmap_their_sum) {
  Tensor xs = some({5, 3}), w = some({3}) + 1.0;
  auto loss = [](const Tensor& p, const Tensor& x) { return ft::square(ft::tanh(ft::sum(p * x)) - 0.5); };
  Tensor each = ft::vmap(ft::grad(loss), {.in_dims = {ft::none, 0}})(w, xs), total = ft::zeros({3}, ft::f64);
  for (std::int64_t i = 0; i < 5; ++i) {
    Tensor g = ft::grad(loss)(w, xs[i]);
    expect_close(each[i], g, 1e-13);
    total += g;
  }
  auto batch = [&](const Tensor& p) { return ft::sum(ft::vmap(loss, {.in_dims = {ft::none, 0}})(p, xs)); };
  expect_close(ft::grad(batch)(w), total, 1e-13);
  expect_close(ft::grad(ft::jit(batch))(w), total, 1e-13);
}

}  // namespace
