// Compiled functions and Programs.
#include <gtest/gtest.h>

#include "functra/functra.h"
#include "support/close.h"

namespace ft = functra;
using ft::Tensor;

namespace {
Tensor some(const ft::Shape& s) { return ft::sin(ft::arange(0, s.numel(), 1, ft::f64)).reshape(s); }
}  // namespace

TEST(Jit, traces_once_per_signature) {
  int traces = 0;
  auto f = ft::jit([&](const Tensor& x, double s) {
    ++traces;
    return x * s;
  });
  expect_close(f(some({3}), 2.0), some({3}) * 2.0);
  expect_close(f(some({3}) + 1.0, 2.0), (some({3}) + 1.0) * 2.0);
  EXPECT_EQ(traces, 1);
  f(some({4}), 2.0);
  f(some({3}), 3.0);
  f(some({3}).to(ft::f32), 2.0);
  EXPECT_EQ(traces, 4);
  EXPECT_EQ(f.cache_size(), 4u);
  f.cache_clear();
  EXPECT_EQ(f.cache_size(), 0u);
}
TEST(Jit, TheTracesThatWereNotUsedForLongestGo) {
  int traces = 0;
  auto f = ft::jit([&](const Tensor& x, int n) {
    ++traces;
    return x + n;
  });
  const Tensor x = ft::tensor(1.0);
  constexpr int most = 1024;
  for (int n = 0; n < most; ++n) f.trace(x, n);
  f.trace(x, 0);  // used again
  EXPECT_EQ(f.cache_size(), static_cast<std::size_t>(most));
  for (int n = most; n < most + 20; ++n) f.trace(x, n);
  EXPECT_EQ(f.cache_size(), static_cast<std::size_t>(most));
  EXPECT_EQ(traces, most + 20);
  for (int n : {0, 21, most - 1, most + 19}) f.trace(x, n);
  EXPECT_EQ(traces, most + 20);
  EXPECT_EQ(double(f(x, 1)), 2.0);  // traced again
  EXPECT_EQ(traces, most + 21);
}
TEST(Jit, AFunctionMayCallItselfWhileItIsTraced) {
  std::function<Tensor(const Tensor&)> self;
  int depth = 0;
  auto f = ft::jit([&](const Tensor& x) -> Tensor { return ++depth < 3 ? self(x) * 2.0 : x + 1.0; });
  self = [&](const Tensor& x) { return f(x); };
  EXPECT_EQ(double(f(ft::tensor(1.0))), 8.0);
}
TEST(Jit, transforms_of_a_jitted_function_do_not_call_it_again) {
  int traces = 0;
  auto f = ft::jit([&](const Tensor& x) {
    ++traces;
    return ft::sum(ft::sin(x) * x);
  });
  Tensor x = some({3});
  (void)f(x);
  auto g = [](const Tensor& v) { return ft::cos(v) * v + ft::sin(v); };
  expect_close(ft::grad(f)(x), g(x));
  expect_close(ft::vmap(ft::grad(f))(some({4, 3})), g(some({4, 3})));
  expect_close(ft::jit(ft::grad(f))(x), g(x));
  ft::hessian(f)(x);
  ft::jvp(f, x, x);
  EXPECT_EQ(traces, 1);
}
TEST(Jit, captured_tensors_of_outer_transforms_are_differentiated) {
  auto outer = [](const Tensor& w) {
    auto f = ft::jit([&](const Tensor& x) { return ft::sum(w * x); });
    return f(some({3})) * f(some({3}));
  };
  Tensor w = some({3}) + 1.0;
  double s = double(ft::sum(w * some({3})));
  expect_close(ft::grad(outer)(w), some({3}) * (2 * s));
}
TEST(Jit, forwarded_duplicated_unused_and_constant_outputs) {
  auto f = ft::jit([](const Tensor& x, const Tensor&) {
    Tensor y = x * 2.0;
    return std::tuple{x, y, y, ft::tensor(3.0)};
  });
  auto [a, b, c, d] = f(some({3}), some({2}));
  expect_close(a, some({3}));
  expect_close(b, some({3}) * 2.0);
  expect_close(c, b);
  EXPECT_EQ(double(d), 3.0);
}
TEST(Jit, reading_a_value_while_tracing_names_the_way_out) {
  expect_throw<ft::TracerError>(
      [] {
        ft::jit([](const Tensor& x) {
          if (x > 0) return x;
          return -x;
        })(ft::tensor(1.0));
      },
      "jit");
  Tensor x = some({3});
  expect_close(ft::jit([](const Tensor& v) { return v * 2.0; })(x), x * 2.0);
}
TEST(Jit, disable_jit_runs_eagerly) {
  int calls = 0;
  auto f = ft::jit([&](const Tensor& x) {
    ++calls;
    return x * 2.0;
  });
  ft::disable_jit guard;
  f(some({2}));
  f(some({2}));
  EXPECT_EQ(calls, 2);
}
TEST(Jit, bound_calls_check_their_arguments) {
  auto f = ft::jit([](const Tensor& x) { return x * 3.0; });
  auto call = f.bind(some({3}));
  expect_close(call(some({3})), some({3}) * 3.0);
  expect_throw<ft::ShapeError>([&] { call(some({4})); }, "prepared for");
}
TEST(Program, replays_on_new_data_and_parses_back) {
  auto f = [](const Tensor& x) { return ft::vmap(ft::grad([](const Tensor& a) { return ft::sum(ft::sin(a)); }))(x); };
  ft::Program p = ft::make_fx(f)(some({4, 3}));
  Tensor other = some({4, 3}) + 0.3;
  expect_close(p({other})[0], ft::cos(other));
  ft::Program q = ft::Program::parse(ft::to_string(p));
  EXPECT_TRUE(p == q);
  expect_close(q({other})[0], ft::cos(other));
  expect_throw<ft::ValueError>([] { ft::Program::parse("program(v0: f64[]) {\n  v1: f64[] = no_such_thing(v0)\n  return v1\n}"); },
                               "unknown primitive 'no_such_thing'");
  expect_throw<ft::ValueError>([] { ft::Program::parse("program(v0: f64[]) {\n  v1: f32[] = sin(v0)\n  return v1\n}"); }, "equation 0 (sin)");
  expect_throw<ft::ShapeError>([&] { p({some({2})}); }, "input 0");
}
TEST(Jit, equal_constants_are_captured_once) {
  auto constant = [](double third) { return ft::tensor({1.0, 2.0, third}, ft::f64); };
  auto half = [] { return ft::tensor(0.5, ft::f64); };
  Tensor large = some({40}), again = some({40}), x = some({3});
  auto f = [&](const Tensor& v) {
    Tensor y = v * constant(3) + constant(3) - constant(4) * half() + half() - constant(-0.0) + constant(0.0);
    return y + ft::tensor({1.0f, 2.0f, 3.0f}, ft::f32) + ft::tensor({1, 2, 3}, ft::i64) + ft::sum(large * again);
  };
  // 3, 4, -0.0 and 0.0 last; 0.5; those of f32 and i64; and the large ones, which nobody compares.
  ft::Program p = ft::make_fx(f)(x);
  EXPECT_EQ(p.captured(), 9u);
  expect_close(p({x})[0], f(x), 0);
  expect_close(ft::jit(f)(x), f(x), 1e-14);
}
