// C++ numbers in every position where a tensor may stand: what they become, and that they never change what a tensor beside them is.
#include <gtest/gtest.h>

#include <cmath>

#include "functra/functra.h"
#include "support/close.h"

namespace ft = functra;
using ft::Tensor;

namespace {

Tensor of(double v) { return ft::tensor(v, ft::f64); }
Tensor f(const Tensor& x) { return ft::sin(x) * x; }
double df(double x) { return std::cos(x) * x + std::sin(x); }
double ddf(double x) { return 2 * std::cos(x) - std::sin(x) * x; }
// A number of the default dtype, computed in double precision.
void expect_number(const Tensor& t, double want) {
  EXPECT_EQ(t.sizes(), ft::Shape{});
  EXPECT_EQ(t.dtype(), ft::f32);
  EXPECT_NEAR(double(t), want, 1e-12 * (1 + std::fabs(want)));
}

TEST(Numbers, ABareNumberInADifferentiatedPositionIsAFloatInEveryTransformAlike) {
  auto generic = [](auto x) { return ft::sin(x) * x; };
  auto check = [](auto g) {
    for (double v : {3.0, 2.5}) {
      auto at = [&](auto call) {  // also as an integer
        expect_number(call(v), v == 3 ? df(3) : df(v));
        if (v == 3) expect_number(call(3), df(3));
      };
      at([&](auto x) { return ft::grad(g)(x); });
      at([&](auto x) { return ft::grad_and_value(g)(x).first; });
      at([&](auto x) { return ft::value_and_grad(g)(x).second; });
      at([&](auto x) { return ft::vjp(g, x).second(1.0); });
      at([&](auto x) { return ft::vjp(g, x).second(1); });
      at([&](auto x) { return ft::jvp(g, x, 1.0).second; });
      at([&](auto x) { return ft::jvp(g, x, 1).second; });
      at([&](auto x) { return ft::linearize(g, x).second(1.0); });
      at([&](auto x) { return ft::jacrev(g)(x); });
      at([&](auto x) { return ft::jacfwd(g)(x); });
      at([&](auto x) { return ft::jac_and_value(g)(x).first; });
    }
    expect_number(ft::hessian(g)(3), ddf(3));
    expect_number(ft::hvp(g, 3, 2), 2 * ddf(3));
    ft::check_grads(g, 3);
  };
  check(f);
  check(generic);
}
TEST(Numbers, DerivativesAtNumbersAreTheSameThroughJitAndPrograms) {
  const double v = 0.7;
  expect_number(ft::jit(ft::grad(f))(v), df(v));
  expect_number(ft::grad(ft::jit(f))(v), df(v));
  expect_number(ft::jit(ft::jacfwd(f))(v), df(v));
  expect_number(ft::jacfwd(ft::jit(f))(v), df(v));
  expect_number(ft::jit(ft::jacrev(ft::jit(f)))(v), df(v));
  expect_number(ft::jvp(ft::jit(f), v, 1.0).second, df(v));
  expect_number(ft::jit(ft::hessian(f))(v), ddf(v));
  expect_number(ft::hessian(ft::jit(f))(v), ddf(v));
  expect_number(ft::jit(ft::hessian(ft::jit(f)))(v), ddf(v));
  expect_number(ft::jacfwd(ft::jacfwd(ft::jit(f)))(v), ddf(v));
  expect_number(ft::jit(ft::grad(ft::jit(ft::grad(ft::jit(f)))))(v), ddf(v));
  for (auto program : {ft::make_fx(ft::hessian(f))(v), ft::make_fx(ft::hessian(ft::jit(f)))(v), ft::make_fx(ft::jacfwd(ft::jacrev(f)))(v)}) {
    program.verify();
    EXPECT_TRUE(ft::Program::parse(ft::to_string(program)) == program);
    expect_number(program({v + 1})[0], ddf(v + 1));
  }
}
TEST(Numbers, TangentsAndCotangentsMayBeNumbersOfAnyKindAndNumbersMayHaveTensorTangents) {
  Tensor x = of(0.7), narrow = ft::tensor(0.7);
  for (const Tensor& one : {Tensor(1), Tensor(1.0), Tensor(true), of(1)}) {
    EXPECT_NEAR(double(ft::jvp(f, x, one).second), df(0.7), 1e-14);
    EXPECT_EQ(ft::jvp(f, x, one).second.dtype(), ft::f64);
    EXPECT_NEAR(double(ft::vjp(f, x).second(one)), df(0.7), 1e-14);
    EXPECT_NEAR(double(ft::linearize(f, x).second(one)), df(0.7), 1e-14);
    if (one.weak()) EXPECT_EQ(ft::vjp(f, narrow).second(one).dtype(), ft::f32);
  }
  for (const Tensor& one : {ft::tensor(1.0), of(1), ft::tensor(1.0, ft::f16)}) {
    expect_number(ft::jvp(f, 0.7, one).second, df(0.7));
    expect_number(ft::jvp(ft::jit(f), 0.7, one).second, df(0.7));
    expect_number(ft::vjp(f, 0.7).second(one), df(0.7));
    expect_number(ft::linearize(f, 0.7).second(one), df(0.7));
    expect_number(ft::linearize(ft::jit(f), 0.7).second(one), df(0.7));
  }
  auto push = ft::linearize(f, 0.7).second;
  auto pull = ft::vjp(f, 0.7).second;
  expect_number(ft::jit(pull)(1), df(0.7));
  expect_number(ft::jit(push)(1), df(0.7));
  expect_number(ft::grad(pull)(1), df(0.7));
  for (ft::DType d : {ft::f32, ft::f64}) {
    Tensor t = ft::tensor({1.0, 2.0}, d), want = ft::tensor({df(0.7), 2 * df(0.7)}, ft::f64);
    expect_close(ft::vmap(push)(t), want, 1e-6);
    expect_close(ft::vmap(pull)(t), want, 1e-6);
    expect_close(ft::jit(ft::vmap(push))(t), want, 1e-6);
    EXPECT_EQ(ft::vmap(push)(t).dtype(), ft::f32);  // lanes of numbers are of the default dtype
    EXPECT_EQ(ft::vmap(pull)(t).dtype(), ft::f32);
  }
}
TEST(Numbers, JacobiansOfNumbersBesideTensors) {
  struct Mixed {
    Tensor v, s;
  };
  auto g = [](const Mixed& m) { return m.v * m.s * m.s; };
  Mixed at{ft::tensor({1.0, 2.0}, ft::f64), 3.0};
  for (const Mixed& j : {ft::jacrev(g)(at), ft::jacfwd(g)(at), ft::jit(ft::jacrev(g))(at), ft::jit(ft::jacfwd(g))(at)}) {
    expect_close(j.v, ft::eye(2, ft::f64) * 9.0);
    expect_close(j.s, ft::tensor({6.0, 12.0}, ft::f64));
  }
  auto h = ft::hessian([&](const Mixed& m) { return ft::sum(g(m)); })(at);
  expect_close(h[&Mixed::s].s, of(6));
  expect_close(h[&Mixed::v].s, ft::tensor({6.0, 6.0}, ft::f64));
  expect_close(h[&Mixed::s].v, ft::tensor({6.0, 6.0}, ft::f64));
}
TEST(Numbers, ResultsOfVmapThatAreNumbersAreOfTheDefaultDtype) {
  Tensor x = ft::ones({2}, ft::f64);
  auto dtype = [&](auto g) {
    Tensor y = ft::vmap(g)(x), z = ft::jit(ft::vmap(g))(x);
    EXPECT_EQ(y.sizes(), ft::Shape{2});
    EXPECT_EQ(z.dtype(), y.dtype());
    return y.dtype();
  };
  EXPECT_EQ(dtype([](const Tensor&) { return Tensor(1.5); }), ft::f32);
  EXPECT_EQ(dtype([](const Tensor&) { return Tensor(1); }), ft::i64);
  EXPECT_EQ(dtype([](const Tensor&) { return Tensor(true); }), ft::bool_);
  EXPECT_EQ(dtype([](const Tensor&) { return ft::grad(f)(2.0); }), ft::f32);
  EXPECT_EQ(dtype([](const Tensor&) { return ft::jit(f)(2.0); }), ft::f32);
  EXPECT_EQ(dtype([](const Tensor& v) { return ft::jit(f)(2.0) * v; }), ft::f64);
  EXPECT_EQ(dtype([](const Tensor& v) { return ft::jit([](const Tensor& a, const Tensor& b) { return a * b + a; })(2.0, v); }), ft::f64);
}
TEST(Numbers, BesideATensorTheyTakeItsDtypeInEveryOperationUnderEveryTransform) {
  std::pair<const char*, std::function<Tensor(const Tensor&)>> uses[] = {
      {"add", [](const Tensor& x) { return x + 2; }},
      {"subtract from", [](const Tensor& x) { return 2.5 - x; }},
      {"multiply", [](const Tensor& x) { return x * 0.1; }},
      {"divide", [](const Tensor& x) { return 1 / (x + 2); }},
      {"power", [](const Tensor& x) { return ft::pow(x + 2.0, 2.5) + ft::pow(x, 3); }},
      {"power of", [](const Tensor& x) { return ft::pow(2.0, x); }},
      {"maximum", [](const Tensor& x) { return ft::maximum(x, 0.25) + ft::minimum(0.25, x); }},
      {"clamp", [](const Tensor& x) { return ft::clamp(x, -0.5, 0.5) * x; }},
      {"where", [](const Tensor& x) { return ft::where(x > 0, x * x, -1.0); }},
      {"atan2", [](const Tensor& x) { return ft::atan2(x, 2.0) + ft::atan2(1, x + 3); }},
      {"remainder", [](const Tensor& x) { return ft::remainder(x, 0.75); }},
      {"index_put", [](const Tensor& x) { return x.index_put({0}, 3.0) * x; }},
      {"masked_fill", [](const Tensor& x) { return ft::masked_fill(x, x > 0.3, 7); }},
      {"pad",
       [](const Tensor& x) {
         return ft::pad(x, {1, 1}, 0.5);
       }},
      {"full_like", [](const Tensor& x) { return ft::full_like(x, 2) * x; }},
      {"stack with a number",
       [](const Tensor& x) {
         return ft::stack({x[0], 2.0});
       }},
      {"lerp", [](const Tensor& x) { return ft::lerp(x, 1.0, 0.25); }},
      {"a literal of a reduction", [](const Tensor& x) { return ft::mean(x) * 3 + x; }},
      {"dropout-like scaling", [](const Tensor& x) { return (x > 0).to(x.dtype()) * x / 0.5; }}};
  for (ft::DType d : {ft::f16, ft::bf16, ft::f32, ft::f64})
    for (auto& [name, g] : uses) {
      SCOPED_TRACE(std::string(name) + " of " + std::string(ft::name_of(d)));
      Tensor wide = ft::tensor({0.2, -0.7, 1.1}, ft::f64), x = wide.to(d);
      double tolerance = d == ft::f64 ? 1e-12 : d == ft::f32 ? 1e-5 : 3e-2;
      auto scalar = [&, &g = g](const Tensor& v) { return ft::sum(g(v)); };
      auto same = [&](const Tensor& got, const Tensor& want) {
        EXPECT_EQ(got.dtype(), d);
        expect_close(got.to(ft::f64), want, tolerance);
      };
      Tensor y = g(wide), dy = ft::grad(scalar)(wide);  // their derivatives are compared with differences in f64 below
      same(g(x), y);
      same(ft::jit(g)(x), y);
      same(ft::vmap(g)(ft::stack({x, x}))[1], y);
      same(ft::grad(scalar)(x), dy);
      same(ft::jit(ft::grad(scalar))(x), dy);
      same(ft::vmap(ft::grad(scalar))(ft::stack({x, x}))[1], dy);
      same(ft::jvp(g, x, ft::ones_like(x)).second, ft::jvp(g, wide, ft::ones_like(wide)).second);
      if (d == ft::f64) ft::check_grads(g, wide, {.order = 1});
    }
}
TEST(Numbers, WithIntegersAndBoolsTheyPromoteAsInTorch) {
  Tensor i = ft::tensor({1, 2}), b = ft::tensor({true, false}), u = i.to(ft::u8);
  auto dtype = [](const Tensor& t) { return t.dtype(); };
  for (bool jitted : {false, true}) {
    auto run = [&](auto g, const Tensor& x) { return dtype(jitted ? ft::jit(g)(x) : g(x)); };
    EXPECT_EQ(run([](const Tensor& x) { return x + 1; }, i), ft::i64);
    EXPECT_EQ(run([](const Tensor& x) { return x + 1.5; }, i), ft::f32);
    EXPECT_EQ(run([](const Tensor& x) { return x * true; }, i), ft::i64);
    EXPECT_EQ(run([](const Tensor& x) { return x + 1; }, u), ft::u8);
    EXPECT_EQ(run([](const Tensor& x) { return x + 1; }, b), ft::i64);
    EXPECT_EQ(run([](const Tensor& x) { return x * 2.0; }, b), ft::f32);
    EXPECT_EQ(run([](const Tensor& x) { return x + 1; }, ft::ones({2}, ft::f16)), ft::f16);
    EXPECT_EQ(run([](const Tensor& x) { return x + ft::tensor(1.0, ft::f64); }, ft::ones({2})), ft::f32);  // a 0-d tensor
    EXPECT_EQ(run([](const Tensor& x) { return x + ft::tensor({1.0}, ft::f64); }, ft::ones({2})), ft::f64);
    for (auto join : {+[](const Tensor& x) {
                        return ft::stack({x[0], 2});
                      },
                      +[](const Tensor& x) {
                        return ft::hstack({3, x[0]});
                      },
                      +[](const Tensor& x) {
                        return ft::vstack({x[1], 4});
                      }}) {
      EXPECT_EQ(run(join, u), ft::u8);
      EXPECT_EQ(run(join, ft::ones({2}, ft::bf16)), ft::bf16);
      EXPECT_EQ(run(join, b), ft::i64);
    }
  }
}
TEST(Numbers, RulesMayReturnThem) {
  auto j = ft::custom_jvp([](const Tensor& x) { return x * x; },
                          [](auto p, auto) {
                            return std::pair{std::get<0>(p) * std::get<0>(p), Tensor(7.0)};
                          });
  auto v = ft::custom_vjp([](const Tensor& x) { return x * x; },
                          [](const Tensor& x) {
                            return std::pair{x * x, 2};
                          },
                          [](int n, const Tensor&) { return Tensor(n + 5); });
  for (ft::DType d : {ft::f16, ft::f32, ft::f64}) {
    Tensor x = ft::tensor(2.0, d);
    EXPECT_EQ(double(ft::jvp(j, x, 1.0).second), 7);
    EXPECT_EQ(ft::jvp(j, x, 1.0).second.dtype(), d);
    EXPECT_EQ(double(ft::grad(v)(x)), 7);
    EXPECT_EQ(ft::grad(v)(x).dtype(), d);
    Tensor each = ft::vmap(ft::grad(v))(ft::ones({2}, d));
    EXPECT_EQ(each.dtype(), d);
    expect_close(each.to(ft::f64), ft::full({2}, 7.0, ft::f64));
    expect_close(ft::jit(ft::vmap(ft::grad(v)))(ft::ones({2}, d)).to(ft::f64), ft::full({2}, 7.0, ft::f64));
  }
  expect_number(ft::grad(v)(2.0), 7);
  expect_number(ft::jit(ft::grad(v))(2.0), 7);
}

}  // namespace
