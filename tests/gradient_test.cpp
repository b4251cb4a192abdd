// Derivatives: what must hold, by its known cases.
#include <gtest/gtest.h>

#include <cmath>
#include <thread>

#include "functra/functra.h"
#include "support/close.h"

namespace ft = functra;
using ft::Tensor;

namespace {
Tensor scalar(double v) { return ft::tensor(v, ft::f64); }
Tensor some(const ft::Shape& s) { return ft::sin(ft::arange(0, s.numel(), 1, ft::f64)).reshape(s); }
template <class F> std::size_t equations(F f, const Tensor& x) { return ft::make_fx(f)(x).size(); }
}  // namespace

TEST(Grad, of_sine_up_to_the_fourth) {
  Tensor x = scalar(0.7);
  auto g1 = ft::grad(ft::sin);
  auto g2 = ft::grad(g1);
  auto g4 = ft::grad(ft::grad(g2));
  EXPECT_NEAR(double(g1(x)), std::cos(0.7), 1e-14);
  EXPECT_NEAR(double(g2(x)), -std::sin(0.7), 1e-14);
  EXPECT_NEAR(double(g4(x)), std::sin(0.7), 1e-14);
  std::size_t n1 = equations(g1, x), n2 = equations(g2, x), n3 = equations(ft::grad(g2), x), n4 = equations(g4, x);
  EXPECT_LE(n2, 5 * n1);
  EXPECT_LE(n3, 5 * n2);
  EXPECT_LE(n4, 12u);  // linear in the order
}
TEST(Grad, no_perturbation_confusion) {
  auto f = [](const Tensor& x) { return x * ft::grad([&](const Tensor& y) { return x + y; })(scalar(1.0)); };
  EXPECT_EQ(double(ft::grad(f)(scalar(3.0))), 1.0);
  auto jvp_inside = [](const Tensor& x) { return x * ft::jvp([&](const Tensor& y) { return x + y; }, scalar(1.0), scalar(1.0)).second; };
  EXPECT_EQ(double(ft::grad(jvp_inside)(scalar(3.0))), 1.0);
  EXPECT_EQ(double(ft::jvp(f, scalar(3.0), scalar(1.0)).second), 1.0);
  auto three = [](const Tensor& x) {
    return ft::grad([&](const Tensor& y) { return y * ft::grad([&](const Tensor& z) { return x * y * z; })(scalar(2.0)); })(x);
  };
  EXPECT_NEAR(double(ft::grad(three)(scalar(1.5))), 4 * 1.5, 1e-12);  // d/dx of 2 x^2 at y = x: x y^2 has d/dy 2 x y
}
TEST(Grad, an_ignored_argument_has_gradient_zero) {
  auto f = [](const Tensor& x) { return ft::grad([&](const Tensor&) { return x * x; })(scalar(1.0)); };
  EXPECT_EQ(double(f(scalar(2.0))), 0.0);
  EXPECT_EQ(double(ft::grad([](const Tensor& x) { return ft::grad([&](const Tensor&) { return x * x; })(x); })(scalar(2.0))), 0.0);
  Tensor g = ft::grad([](const Tensor&) { return scalar(1.0); })(ft::zeros({2, 3}));
  EXPECT_EQ(g.sizes(), (ft::Shape{2, 3}));
  EXPECT_EQ(g.dtype(), ft::f32);
}
TEST(Grad, results_and_arguments_it_refuses) {
  expect_throw<ft::ShapeError>([] { ft::grad([](const Tensor& x) { return x * x; })(ft::ones({3})); }, "not a scalar");
  expect_throw<ft::DTypeError>([] { ft::grad([](const Tensor& x) { return ft::sum(x); })(ft::tensor({1, 2})); }, "i64");
  Tensor through = ft::grad([](const Tensor& x) { return ft::sum(x.to(ft::i64).to(ft::f64)); })(some({3}));
  expect_close(through, ft::zeros({3}, ft::f64));
}
struct Mixed {
  Tensor w;
  Tensor index;
  int n = 3;
};
TEST(Grad, integer_leaves_of_a_struct_get_zeros_of_their_dtype) {
  Mixed m{some({3}), ft::tensor({1, 2})};
  Mixed g = ft::grad([](const Mixed& p) { return ft::sum(p.w * p.w); })(m);
  expect_close(g.w, m.w * 2.0);
  EXPECT_EQ(g.index.dtype(), ft::i64);
  EXPECT_EQ(g.n, 3);
}
TEST(Grad, the_same_tensor_twice_and_forwarded_inputs) {
  Tensor x = some({3});
  auto twice = [](const Tensor& a) { return std::pair{a, a}; };
  auto [y, pull] = ft::vjp(twice, x);
  expect_close(pull({ft::ones({3}, ft::f64), x}), x + 1.0);
  auto [z, p] = ft::vjp([](const Tensor& a) { return a; }, x);
  expect_close(p(x), x);
  expect_close(z, x);
}
TEST(Grad, a_pullback_outlives_and_composes) {
  Tensor x = some({3});
  auto make = [&] { return ft::vjp([](const Tensor& a) { return ft::sin(a) * a; }, x).second; };
  auto pull = make();
  Tensor c = ft::cos(x) * x + ft::sin(x);
  expect_close(pull(ft::ones({3}, ft::f64)), c);
  expect_close(pull(ft::ones({3}, ft::f64) * 2.0), c * 2.0);
  expect_close(ft::vmap(pull)(ft::eye(3, ft::f64)), ft::eye(3, ft::f64) * c);
  expect_close(ft::jit(pull)(x), x * c);
  expect_close(ft::grad([&](const Tensor& ct) { return ft::sum(pull(ct)); })(x), c);
}
TEST(Grad, linearize_does_not_run_the_primal_again) {
  int runs = 0;
  auto [y, push] = ft::linearize(
      [&](const Tensor& a) {
        ++runs;
        return ft::sin(a);
      },
      some({3}));
  Tensor t = some({3});
  expect_close(push(t), ft::cos(some({3})) * t);
  expect_close(push(t * 2.0), ft::cos(some({3})) * t * 2.0);
  EXPECT_EQ(runs, 1);
}
TEST(Grad, jvp_strict_refuses_independent_outputs) {
  expect_throw<ft::ValueError>([] { ft::jvp([](const Tensor&) { return scalar(1.0); }, scalar(1.0), scalar(1.0), {.strict = true}); },
                               "does not depend");
  EXPECT_EQ(double(ft::jvp([](const Tensor&) { return scalar(1.0); }, scalar(1.0), scalar(1.0)).second), 0.0);
}
TEST(Jacobian, reverse_forward_and_differences_agree) {
  Tensor x = some({3});
  auto f = [](const Tensor& a) { return ft::matmul(ft::sin(a).reshape({3, 1}), (a * a).reshape({1, 3})); };
  Tensor r = ft::jacrev(f)(x), w = ft::jacfwd(f)(x);
  EXPECT_EQ(r.sizes(), (ft::Shape{3, 3, 3}));
  expect_close(r, w);
  for (int chunk : {1, 2, 5}) {
    expect_close(ft::jacrev(f, {.chunk_size = chunk})(x), r);
    expect_close(ft::jacfwd(f, {.chunk_size = chunk})(x), r);
  }
  for (std::int64_t k = 0; k < 3; ++k) {
    Tensor e = ft::eye(3, ft::f64)[k] * 1e-6;
    expect_close(r.index({ft::Ellipsis, k}), (f(x + e) - f(x - e)) / 2e-6, 1e-7);
  }
  expect_close(ft::jacrev([](const Tensor& a) { return a * a; })(scalar(3.0)), scalar(6.0));
}
TEST(Jacobian, hessian_all_four_ways) {
  Tensor x = some({4});
  auto f = [](const Tensor& a) { return ft::sum(ft::sin(a) * a * a) + ft::sum(a) * ft::sum(a * a); };
  Tensor h = ft::hessian(f)(x);
  expect_close(h, ft::jacrev(ft::jacrev(f))(x));
  expect_close(h, ft::jacfwd(ft::jacfwd(f))(x));
  expect_close(h, ft::jacrev(ft::jacfwd(f))(x));
  expect_close(h, h.t());
  expect_close(ft::hvp(f, x, some({4})), ft::matmul(h, some({4})));
}
TEST(Transforms, vmap_of_grad_is_a_loop_and_grad_of_vmap_a_sum) {
  Tensor X = some({4, 3}), w = some({3}) + 0.5;
  auto loss = [](const Tensor& p, const Tensor& x) {
    Tensor s = ft::sum(p * x);
    return ft::sin(s) * s;
  };
  Tensor per = ft::vmap(ft::grad(loss), {.in_dims = {ft::none, 0}})(w, X);
  Tensor total = ft::zeros({3}, ft::f64);
  for (int i = 0; i < 4; ++i) {
    Tensor g = ft::grad(loss)(w, X[i]);
    expect_close(per[i], g);
    total += g;
  }
  expect_close(ft::grad([&](const Tensor& p) { return ft::sum(ft::vmap(loss, {.in_dims = {ft::none, 0}})(p, X)); })(w), total);
}
TEST(Transforms, escaped_tensors_raise_with_their_origin) {
  Tensor leaked;
  ft::grad([&](const Tensor& x) {
    leaked = x * 2.0;
    return leaked;
  })(scalar(1.0));
  expect_throw<ft::TracerError>([&] { (void)(leaked + 1.0); }, "grad");
  expect_throw<ft::TracerError>([&] { (void)leaked.item(); }, "has finished");
  ft::vmap([&](const Tensor& x) {
    leaked = x;
    return x;
  })(some({2}));
  expect_throw<ft::TracerError>([&] { (void)ft::sin(leaked); }, "vmap");
  expect_throw<ft::TracerError>([&] { ft::grad([&](const Tensor& x) { return x * leaked; })(scalar(1.0)); }, "vmap");
  expect_throw<ft::TracerError>([&] { ft::vmap([&](const Tensor&) { return leaked; })(some({2})); }, "vmap");
  ft::jit([&](const Tensor& x) {
    leaked = x;
    return x;
  })(some({2}));
  expect_throw<ft::TracerError>([&] { (void)ft::sin(leaked); }, "recorded");
}
TEST(Transforms, from_many_threads_agree_with_serial_ones) {
  Tensor x = some({64, 8});
  auto f = ft::vmap(ft::grad([](const Tensor& a) { return ft::sum(ft::sin(a) * a); }));
  auto fast = ft::jit(f);
  Tensor want = f(x);
  std::vector<std::thread> threads;
  std::vector<Tensor> got(8);
  for (std::size_t i = 0; i < got.size(); ++i)
    threads.emplace_back([&, i] {
      for (int k = 0; k < 20; ++k) got[i] = i % 2 ? fast(x) : f(x);
    });
  for (auto& t : threads) t.join();
  Tensor compiled = fast(x);
  expect_close(compiled, want, 1e-14);
  for (std::size_t i = 0; i < got.size(); ++i) expect_close(got[i], i % 2 ? compiled : want, 0);
}
TEST(Transforms, a_million_operations_trace_differentiate_print_parse_and_free) {
  const int n = 1000000;
  auto f = [](const Tensor& x) {
    Tensor y = x;
    for (int i = 0; i < n; ++i) y = y * 1.0000001;
    return y;
  };
  EXPECT_NEAR(double(ft::grad(f)(scalar(2.0))), std::pow(1.0000001, n), 1e-6);
  ft::Program p = ft::make_fx(f)(scalar(2.0));
  EXPECT_EQ(p.size(), static_cast<std::size_t>(n));
  ft::Program q = ft::Program::parse(ft::to_string(p));
  EXPECT_TRUE(p == q);
}
