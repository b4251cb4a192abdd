// fixed_point against closed forms, under transforms; solutions of equations in the bodies of control flow, and the other way round.
#include <gtest/gtest.h>

#include <array>
#include <cmath>

#include "functra/core/interp.h"
#include "support/close.h"
#include "support/dense.h"
#include "support/values.h"

namespace ft = functra;
using namespace ft;
using ft::testing::inverse;
using ft::testing::matrix;
using ft::testing::vector;

namespace {
using Map = std::function<Tensor(const Tensor&)>;
Tensor f64s(const ft::Data& d) { return tensor(d, f64); }
Tensor scalar(double x) { return tensor(x, f64); }
}  // namespace

namespace {
Tensor cos_point(const Tensor& a) {
  return fixed_point([&](const Tensor& x) { return cos(a * x); }, 0.5, {.tol = 1e-15});
}
// x = cos(a x): (1 + a s) x' = -x s with s = sin(a x), differentiated once more.
std::array<double, 3> cos_point_of(double a) {
  double x = 0.5;
  for (int i = 0; i < 2000; ++i) x = std::cos(a * x);
  double s = std::sin(a * x), c = std::cos(a * x), d = -x * s / (1 + a * s), u = x + a * d;  // u = (a x)'
  double second = -(u * u * c + 2 * d * s) / (1 + a * s);                                    // x'' = -c u^2 - s (2 x' + a x'')
  return {x, d, second};
}
}  // namespace
TEST(FixedPoint, ValueAndDerivativesOfEveryMode) {
  for (double a : {0.3, 0.9, 1.1}) {
    auto [x, d, dd] = cos_point_of(a);
    expect_close(cos_point(scalar(a)), scalar(x));
    expect_close(grad(cos_point)(scalar(a)), scalar(d));
    expect_close(jacfwd(cos_point)(scalar(a)), scalar(d));
    expect_close(grad(grad(cos_point))(scalar(a)), scalar(dd));
    expect_close(jacfwd(grad(cos_point))(scalar(a)), scalar(dd));
    expect_close(grad(jacfwd(cos_point))(scalar(a)), scalar(dd));
    expect_close(jacfwd(jacfwd(cos_point))(scalar(a)), scalar(dd));
    expect_close(jit(grad(jit(grad(jit(cos_point)))))(scalar(a)), scalar(dd));
  }
  Tensor a = f64s({0.3, 0.9, 1.1});
  Tensor want = f64s({cos_point_of(0.3)[2], cos_point_of(0.9)[2], cos_point_of(1.1)[2]});
  expect_close(vmap(grad(grad(cos_point)))(a), want);
  expect_close(grad([](const Tensor& a) { return sum(vmap(grad(cos_point))(a)); })(a), want);
}
TEST(FixedPoint, ThirdDerivativeAgainstDifferences) {
  auto second = grad(grad(cos_point));
  double h = 1e-4;
  double difference = (cos_point_of(0.9 + h)[2] - cos_point_of(0.9 - h)[2]) / (2 * h);
  EXPECT_NEAR(grad(second)(scalar(0.9)).item<double>(), difference, 1e-6);
}
TEST(FixedPoint, TheStartHasNoDerivative) {
  auto f = [](const Tensor& a, const Tensor& x0) { return fixed_point([&](const Tensor& x) { return cos(a * x); }, x0); };
  auto [da, dx] = ft::grad<0, 1>(f)(scalar(0.9), scalar(0.1));
  EXPECT_NEAR(da.item<double>(), cos_point_of(0.9)[1], 1e-10);
  EXPECT_EQ(dx.item<double>(), 0);
}
TEST(FixedPoint, LinearIterationsGiveTheInverse) {
  // x = W x + b: x = (I - W)^-1 b
  for (std::int64_t n : {2, 5, 30}) {
    Tensor i = arange(n * n, f64).reshape({n, n}), w = sin(i * 1.3) / (1.5 * static_cast<double>(n)), b = vector(n), inv = inverse(eye(n, f64) - w),
           g = vector(n, 5);
    auto f = [&](const Tensor& w, const Tensor& b) {
      return fixed_point([&](const Tensor& x) { return matmul(w, x) + b; }, zeros_like(b), {.tol = 1e-14});
    };
    Tensor x = matmul(inv, b);
    expect_close(f(w, b), x);
    auto [dw, db] = ft::grad<0, 1>([&](const Tensor& w, const Tensor& b) { return dot(g, f(w, b)); })(w, b);
    expect_close(db, matmul(inv.t(), g));
    expect_close(dw, outer(matmul(inv.t(), g), x));
    expect_close(hessian([&](const Tensor& b) { return sum(square(f(w, b))); })(b), 2.0 * matmul(inv.t(), inv));
  }
}
TEST(FixedPoint, TreesAndInformation) {
  struct State {
    Tensor a;
    std::pair<Tensor, Tensor> b;
  };
  auto f = [](const Tensor& k, const Tensor& m) {
    return fixed_point(has_aux,
                       [&](const State& s) {
                         return State{0.5 * s.a + k * s.b.first, {0.3 * s.b.first + m, 0.2 * s.b.second - s.a.to(f32)}};
                       },
                       State{zeros({2}, f64), {zeros({2}, f64), zeros({2}, f32)}}, {.tol = 1e-6});
  };
  Tensor m = f64s({0.7, -1.4});
  auto [s, info] = f(scalar(2), m);  // b0 = m / 0.7, a = 2 k b0, b1 = -a / 0.8
  EXPECT_VALUES(s.b.first, (Shape{2}), 1, -2);
  EXPECT_VALUES(s.a, (Shape{2}), 4, -8);
  EXPECT_VALUES(s.b.second, (Shape{2}), -5, 10);
  EXPECT_TRUE(info.converged.item<bool>());
  EXPECT_GT(info.steps.item<int>(), 10);
  auto loss = [&](const Tensor& k, const Tensor& m) {
    State s = f(k, m).first;
    return sum(s.a * s.a) + sum(s.b.second).to(f64);
  };
  auto [dk, dm] = ft::grad<0, 1>(loss)(scalar(2), m);  // sum of (2 k m / 0.7)^2 - 2 k m / (0.7 * 0.8)
  EXPECT_VALUES(dk, (Shape{}), 2 * (16.0 + 64) / 2 - 2 * (1 - 2) / 0.8);
  EXPECT_VALUES(dm, (Shape{2}), (2 * 4 * 4 - 5) / 0.7, (2 * -8 * 4 - 5) / 0.7);
}
TEST(FixedPoint, ItersUntilTheToleranceAndNotFurther) {
  auto f = [](const Tensor& x) { return 0.5 * x + 1.0; };  // to 2, halving the distance
  for (double tol : {1e-3, 1e-6, 1e-12}) {
    auto [x, info] = fixed_point(has_aux, f, scalar(0), {.tol = tol});
    EXPECT_LE(info.residual.item<double>(), 2 * tol);
    EXPECT_GE(info.residual.item<double>(), tol / 2);
    EXPECT_NEAR(x.item<double>(), 2, 2 * tol);
    EXPECT_NEAR(info.steps.item<double>(), std::ceil(-std::log2(tol)) + 1, 1.1);
  }
  auto [x, info] = fixed_point(has_aux, f, Tensor(0.0), {.tol = {}});
  EXPECT_EQ(x.dtype(), f32);
  EXPECT_NEAR(x.item<double>(), 2, 2e-5);
  auto short_of = fixed_point(has_aux, f, scalar(0), {.tol = 1e-12, .atol = {}, .max_steps = 5});
  EXPECT_FALSE(short_of.second.converged.item<bool>());
  EXPECT_EQ(short_of.second.steps.item<int>(), 5);
  EXPECT_TRUE(std::isnan(short_of.first.item<double>()));
  auto half = [](const Tensor& k) {
    return fixed_point([&](const Tensor& x) { return 0.5 * sin(x) + k; }, scalar(0), {.tol = 1e-12, .atol = {}, .max_steps = 5});
  };
  EXPECT_TRUE(std::isnan(grad(half)(scalar(1)).item<double>()));
  expect_throw<ValueError>([&] { (void)fixed_point(f, scalar(0), {.tol = -1.0}); }, "a tolerance is -1");
  expect_throw<ValueError>([&] { (void)fixed_point(f, scalar(0), {.tol = {}, .atol = {}, .max_steps = 0}); }, "max_steps is 0");
  expect_throw<ShapeError>([&] { (void)fixed_point([](const Tensor&) { return zeros({2}, f64); }, scalar(0)); },
                           "fixed_point: f returns f64[2] where x0 is f64[]");
  expect_throw<DTypeError>([&] { (void)fixed_point(f, tensor(1)); }, "x0 has dtype i64");
}
TEST(FixedPoint, LanesThatAreDoneWaitAndOneThatDivergesHurtsNoOther) {
  auto f = [](const Tensor& k) {
    return fixed_point(has_aux, [&](const Tensor& x) { return k * x + 1.0; }, scalar(0), {.tol = 1e-10, .atol = {}, .max_steps = 300});
  };
  Tensor k = f64s({0.1, 0.9, 2.0, 0.5});
  auto [x, info] = vmap(f)(k);
  auto steps = info.steps.to_vector<int>();
  for (int i : {0, 1, 3}) {
    EXPECT_NEAR(x[i].item<double>(), 1 / (1 - k[i].item<double>()), 1e-8);
    EXPECT_EQ(steps[static_cast<std::size_t>(i)], f(k[i]).second.steps.item<int>());
  }
  EXPECT_TRUE(std::isnan(x[2].item<double>()));
  EXPECT_FALSE(info.converged[2].item<bool>());
  EXPECT_LT(steps[0], steps[3]);
  EXPECT_LT(steps[3], steps[1]);
  Tensor g = vmap(grad([&](const Tensor& k) { return f(k).first; }))(k);
  for (int i : {0, 1, 3}) EXPECT_NEAR(g[i].item<double>(), std::pow(1 - k[i].item<double>(), -2), 1e-6);
  EXPECT_TRUE(std::isnan(g[2].item<double>()));
}
TEST(FixedPoint, SlowContractionsInSinglePrecision) {
  // The linear system has condition 1000; what rounding leaves of its residual is accepted.
  auto f = [](const Tensor& k) {
    return fixed_point(
        [&](const Tensor& x) {
          return k * x + tensor({1.0, 2.0, -1.0}, f32);
        },
        zeros({3}, f32), {.tol = 1e-7, .atol = 0.0, .max_steps = 30000});
  };
  Tensor k = tensor({0.999, 0.5, -0.9}, f32), g = grad([&](const Tensor&k) { return sum(f(k)); })(k);
  EXPECT_NEAR(g[0].item<double>() / 1e6, 1, 1e-2);
  EXPECT_NEAR(g[1].item<double>(), 8, 1e-4);
  EXPECT_NEAR(g[2].item<double>(), -1 / 3.61, 1e-5);
}

// ---------------------------------------------------------------- in bodies, and with bodies inside
namespace {
Tensor newton(const Map& f, const Tensor& start) {
  return while_loop([&](const Tensor& x) { return abs(f(x)) > 1e-14; }, [&](const Tensor& x) { return x - f(x) / grad(f)(x); }, start);
}
Tensor divide(const Map& g, const Tensor& y) { return y / g(1.0); }
Tensor cube_root(const Tensor& a) {
  return custom_root([&](const Tensor& x) { return x * x * x - a; }, 1.0, newton, divide);
}
}  // namespace
TEST(Implicit, ImplicitEulerInAScan) {
  // y' = -k y by n implicit steps of h: (1 + h k)^-n
  auto euler = [](const Tensor& k, const Tensor& y0) {
    return scan(
               [&](const Tensor& y, NoneType) {
                 Tensor next = custom_root([&](const Tensor& z) { return z - y + 0.1 * k * z; }, y, newton, divide);
                 return std::pair{next, next};
               },
               y0, {.length = 20})
        .first;
  };
  double k = 1.5, b = 1 + 0.1 * k, y0 = 2;
  expect_close(euler(scalar(k), scalar(y0)), scalar(y0 * std::pow(b, -20)));
  auto [dk, dy] = ft::grad<0, 1>(euler)(scalar(k), scalar(y0));
  expect_close(dy, scalar(std::pow(b, -20)));
  expect_close(dk, scalar(-2 * y0 * std::pow(b, -21)));
  expect_close(grad(grad(euler))(scalar(k), scalar(y0)), scalar(4.2 * y0 * std::pow(b, -22)));
  expect_close(jit(grad(grad(euler)))(scalar(k), scalar(y0)), scalar(4.2 * y0 * std::pow(b, -22)));
  Tensor ks = f64s({0.5, 1.5});
  expect_close(vmap(grad(euler), {.in_dims = {0, none}})(ks, scalar(y0)), -2.0 * y0 * pow(1.0 + 0.1 * ks, -21.0));
  auto equations = [&](std::int64_t n) {
    auto f = [n](const Tensor& k) {
      return scan(
                 [&](const Tensor& y, NoneType) {
                   return std::pair{custom_root([&](const Tensor& z) { return z - y + 0.1 * k * z; }, y, newton, divide), none};
                 },
                 scalar(1), {.length = n})
          .first;
    };
    return make_fx(grad(f))(scalar(1)).size();
  };
  EXPECT_EQ(equations(3), equations(300));
}
TEST(Implicit, SolvesInAScanShareTheMatrix) {
  // x_{i+1} = A^-1 x_i: x_n = A^-n x_0
  Tensor a = matrix(3), x0 = vector(3), inv = inverse(a), g = vector(3, 4);
  for (int method : {0, 1}) {
    auto f = [&](const Tensor& a, const Tensor& x0) {
      Tensor x = scan(
                     [&](const Tensor& x, NoneType) {
                       return std::pair{method ? linalg::gmres(a, x, {.tol = 1e-14}).first : linalg::bicgstab(a, x, {.tol = 1e-14}).first, none};
                     },
                     x0, {.length = 3})
                     .first;
      return dot(g, x);
    };
    auto [da, dx] = ft::grad<0, 1>(f)(a, x0);
    Tensor i2 = matmul(inv, inv), i3 = matmul(i2, inv);
    expect_close(dx, matmul(i3.t(), g));
    Tensor want = outer(matmul(inv.t(), g), matmul(i3, x0)) + outer(matmul(i2.t(), g), matmul(i2, x0)) + outer(matmul(i3.t(), g), matmul(inv, x0));
    expect_close(da, -want);
    check_grads(f, std::tuple{a, x0}, {.order = 2});
  }
}
TEST(Implicit, InBranches) {
  auto f = [](const Tensor& p, const Tensor& a) {
    return cond(
        p, cube_root, [](const Tensor& a) { return a * a; }, a);
  };
  Tensor yes = tensor(true), no = tensor(false);
  expect_close(ft::grad<1>(f)(yes, scalar(8)), scalar(1.0 / 12));
  expect_close(ft::grad<1>(f)(no, scalar(8)), scalar(16));
  expect_close(ft::grad<1>(ft::grad<1>(f))(yes, scalar(8)), scalar(-2.0 / 9 / 32));
  Tensor p = tensor({true, false, true}), a = f64s({8.0, 3.0, 27.0});
  expect_close(vmap(f)(p, a), f64s({2.0, 9.0, 3.0}));
  expect_close(vmap(ft::grad<1>(f))(p, a), f64s({1.0 / 12, 6.0, 1.0 / 27}));
  expect_close(grad([&](const Tensor& a) { return sum(vmap(f)(p, a)); })(a), f64s({1.0 / 12, 6.0, 1.0 / 27}));
  expect_close(vmap(ft::grad<1>(ft::grad<1>(f)))(p, a), f64s({-2.0 / 9 / 32, 2.0, -2.0 / 9 / 243}));
}
TEST(Implicit, AnUntakenBranchThatWouldNeverEndEnds) {
  // x^2 = a has no root below zero, x = 2 x + a no attracting fixed point, and the matrix is singular at 0.
  auto root = [](const Tensor& a) { return custom_root([&](const Tensor& x) { return x * x - a; }, 1.0, newton, divide); };
  auto half = [](const Tensor& a) { return 0.5 * a; };
  auto pick = [&](auto g) { return [g, half](const Tensor& a) { return cond(a > 0, g, half, a); }; };
  Tensor a = f64s({4.0, -4.0, 9.0, -1.0});
  expect_close(vmap(pick(root))(a), f64s({2.0, -2.0, 3.0, -0.5}));
  expect_close(vmap(grad(pick(root)))(a), f64s({0.25, 0.5, 1.0 / 6, 0.5}));
  expect_close(grad([&](const Tensor& a) { return sum(vmap(pick(root))(a)); })(a), f64s({0.25, 0.5, 1.0 / 6, 0.5}));
  expect_close(vmap(grad(grad(pick(root))))(a), f64s({-1.0 / 32, 0.0, -1.0 / 108, 0.0}));
  auto cg = [](const Tensor& a) { return linalg::cg([&](const Tensor& x) { return a * x; }, scalar(1), {.tol = 1e-14}).first; };  // 1 / a
  expect_close(vmap(grad(pick(cg)))(a), f64s({-1.0 / 16, 0.5, -1.0 / 81, 0.5}));
  auto point = [](const Tensor& a) { return fixed_point([&](const Tensor& x) { return where(a > 0, 0.5, 3.0) * x + a; }, scalar(0)); };
  expect_close(vmap(grad(pick(point)))(a), f64s({2.0, 0.5, 2.0, 0.5}));
}
TEST(Implicit, ControlFlowInTheFunctions) {
  // f(x) = x - sum of a^i x / 2^i (4 terms) - 1 by a scan; its root is 1 / (1 - s(a))
  auto f = [](const Tensor& a) {
    auto residual = [&](const Tensor& x) {
      auto step = [&](const Tensor& c, NoneType) {
        Tensor next = c * a * 0.5;
        return std::pair{next, next};
      };
      return x - sum(scan(step, x, {.length = 4}).second) - 1.0;
    };
    return custom_root(residual, scalar(1), newton, divide);
  };
  auto s = [](double a) { return a / 2 + a * a / 4 + a * a * a / 8 + a * a * a * a / 16; };
  double a = 0.7, r = 1 / (1 - s(a)), d1 = 0.5 + a / 2 + 3 * a * a / 8 + a * a * a / 4, d2 = 0.5 + 0.75 * a + 0.75 * a * a;
  expect_close(f(scalar(a)), scalar(r));
  expect_close(grad(f)(scalar(a)), scalar(r * r * d1));
  expect_close(grad(grad(f))(scalar(a)), scalar(2 * r * r * r * d1 * d1 + r * r * d2));
  expect_close(jit(vmap(grad(f)))(f64s({a, a})), f64s({r * r * d1, r * r * d1}));
  // A branch inside of an iteration.
  auto g = [](const Tensor& a) {
    return fixed_point(
        [&](const Tensor& x) {
          return cond(
              a > 0, [&](const Tensor& x) { return cos(a * x); }, [&](const Tensor& x) { return 0.5 * x + a; }, x);
        },
        scalar(0.5), {.tol = 1e-14});
  };
  expect_close(vmap(grad(g))(f64s({0.9, -1.0})), f64s({cos_point_of(0.9)[1], 2.0}));
  // A loop with a bound inside of an iteration: four times a / 2.
  auto h = [](const Tensor& a) {
    return fixed_point(
        [&](const Tensor& x) {
          auto last = while_loop([](const auto& c) { return std::get<1>(c) < 4; },
                                 [&](const auto& c) {
                                   return std::tuple{std::get<0>(c) * a * 0.5, std::get<1>(c) + 1};
                                 },
                                 std::tuple{x, Tensor(0)}, {.max_steps = 5});
          return std::get<0>(last) + 1.0;
        },
        scalar(0), {.tol = 1e-14});
  };
  double q = std::pow(0.45, 4);
  expect_close(h(scalar(0.9)), scalar(1 / (1 - q)));
  expect_close(grad(h)(scalar(0.9)), scalar(4 * q / 0.9 / (1 - q) / (1 - q)));
  expect_close(grad(grad(h))(scalar(0.9)), grad(grad([](const Tensor& a) { return 1.0 / (1.0 - pow(0.5 * a, 4.0)); }))(scalar(0.9)));
}
TEST(Implicit, InsideOfEachOther) {
  // x = cos(y(x) / 2), y^3 = a + x: an inner root in a fixed point, and the gradient of a fixed point as an operator.
  auto f = [](const Tensor& a) { return fixed_point([&](const Tensor& x) { return cos(0.5 * cube_root(a + x)); }, scalar(0.5), {.tol = 1e-14}); };
  check_grads(f, std::tuple{scalar(2)}, {.order = 2});
  expect_close(f(scalar(2)), scalar([] {
                 double x = 0.5;
                 for (int i = 0; i < 200; ++i) x = std::cos(0.5 * std::cbrt(2 + x));
                 return x;
               }()));
  // A inverse of A inverse, with the inner solve inside of the operator.
  Tensor a = matrix(3), b = vector(3);
  auto outer_solve = [](const Tensor& a, const Tensor& b) {
    auto inner = [&](const Tensor& x) { return linalg::gmres(a, x, {.tol = 1e-14}).first; };
    return linalg::bicgstab(inner, b, {.tol = 1e-13}).first;
  };
  expect_close(outer_solve(a, b), matmul(a, b));
  expect_close(grad([&](const Tensor& a) { return sum(outer_solve(a, b)); })(a), grad([&](const Tensor& a) { return sum(matmul(a, b)); })(a));
  check_grads(outer_solve, std::tuple{a, b}, {.order = 2});
}
TEST(Implicit, CheckpointAndWhileLoops) {
  auto f = [](const Tensor& a) { return sin(cube_root(a) * a); };
  expect_close(grad(checkpoint(f))(scalar(8)), grad(f)(scalar(8)));
  expect_close(grad(grad(checkpoint(f)))(scalar(8)), grad(grad(f))(scalar(8)));
  auto loop = [](const Tensor& a) {  // a^(1/27), by a loop whose steps are made again
    auto last = while_loop([](const auto& c) { return std::get<1>(c) < 3; },
                           [](const auto& c) {
                             return std::tuple{cube_root(std::get<0>(c)), std::get<1>(c) + 1};
                           },
                           std::tuple{a, Tensor(0)}, {.max_steps = none, .checkpoint = 1});
    return std::get<0>(last);
  };
  expect_close(loop(scalar(5)), scalar(std::pow(5.0, 1.0 / 27)));
  expect_close(grad(loop)(scalar(5)), scalar(std::pow(5.0, 1.0 / 27 - 1) / 27));
  expect_close(grad(grad(loop))(scalar(5)), scalar((1.0 / 27 - 1) * std::pow(5.0, 1.0 / 27 - 2) / 27));
}
TEST(Implicit, ProgramsPrintAndParse) {
  auto f = [](const Tensor& a) { return sum(cos_point(a)) + sum(linalg::gmres([&](const Tensor& x) { return a * x; }, a).first); };
  Program p = make_fx(vmap(grad(f)))(f64s({0.3, 0.9}));
  p.verify();
  EXPECT_TRUE(Program::parse(to_string(p)) == p);
  expect_close(p({f64s({0.9, 1.1})})[0], vmap(grad(f))(f64s({0.9, 1.1})));
}
