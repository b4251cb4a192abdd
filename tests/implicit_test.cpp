// custom_linear_solve and custom_root against closed forms, elimination in doubles and differences.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "functra/core/interp.h"
#include "support/close.h"
#include "support/dense.h"
#include "support/values.h"

namespace ft = functra;
using namespace ft;
using ft::testing::DenseSolver;
using ft::testing::inverse;
using ft::testing::matrix;
using ft::testing::solve_dense;
using ft::testing::spd;
using ft::testing::vector;

namespace {

using Map = std::function<Tensor(const Tensor&)>;
Tensor f64s(const ft::Data& d) { return tensor(d, f64); }
Tensor scalar(double x) { return tensor(x, f64); }

Tensor dense(const Tensor& a, const Tensor& b) {
  return custom_linear_solve([&](const Tensor& x) { return matmul(a, x); }, b, DenseSolver{}, DenseSolver{});
}
Tensor newton(const Map& f, const Tensor& start) {
  return while_loop([&](const Tensor& x) { return sum(square(f(x))) > 1e-28; }, [&](const Tensor& x) { return x - solve_dense(jacfwd(f)(x), f(x)); },
                    start);
}
Tensor newton1(const Map& f, const Tensor& start) {
  return while_loop([&](const Tensor& x) { return abs(f(x)) > 1e-14; }, [&](const Tensor& x) { return x - f(x) / grad(f)(x); }, start);
}
Tensor divide(const Map& g, const Tensor& y) { return y / g(1.0); }
Tensor root_of_square(const Tensor& a) {
  return custom_root([&](const Tensor& x) { return x * x - a; }, 1.0, newton1, divide);
}

}  // namespace

// ---------------------------------------------------------------- custom_linear_solve
TEST(LinearSolve, ValuesAndDerivativesAreThoseOfTheInverse) {
  for (std::int64_t n : {2, 3, 4, 5}) {
    Tensor a = matrix(n), b = vector(n), inv = inverse(a), x = matmul(inv, b), g = vector(n, 1);
    expect_close(dense(a, b), x);
    expect_close(jacrev([&](const Tensor& b) { return dense(a, b); })(b), inv);
    expect_close(jacfwd([&](const Tensor& b) { return dense(a, b); })(b), inv);
    auto loss = [&](const Tensor& a, const Tensor& b) { return dot(g, dense(a, b)); };
    auto [da, db] = ft::grad<0, 1>(loss)(a, b);
    expect_close(db, matmul(inv.t(), g));
    expect_close(da, -outer(matmul(inv.t(), g), x));
    Tensor t = matrix(n, 3), u = vector(n, 4);
    auto [y, dy] = jvp(dense, std::tuple{a, b}, std::tuple{t, u});
    expect_close(y, x);
    expect_close(dy, matmul(inv, u - matmul(t, x)));
    expect_close(linear_transpose([&](const Tensor& b) { return dense(a, b); }, b)(g), matmul(inv.t(), g));
    expect_close(hessian([&](const Tensor& b) { return sum(square(dense(a, b))); })(b), 2.0 * matmul(inv.t(), inv));
    // x(s) = (a + s t)^-1 b: x'' = 2 (a^-1 t)^2 x
    auto along = [&](const Tensor& s) { return dot(g, dense(a + s * t, b)); };
    Tensor at = matmul(inv, t), second = 2.0 * dot(g, matmul(at, matmul(at, x)));
    expect_close(grad(grad(along))(scalar(0)), second);
    expect_close(jacfwd(jacfwd(along))(scalar(0)), second);
    expect_close(jacfwd(grad(along))(scalar(0)), second);
    expect_close(grad([&](const Tensor& s) { return jvp(along, s, scalar(1)).second; })(scalar(0)), second);
    expect_close(grad(grad(grad(along)))(scalar(0)), -6.0 * dot(g, matmul(at, matmul(at, matmul(at, x)))));
  }
}
TEST(LinearSolve, UnderVmapAndJit) {
  Tensor a = stack({matrix(3), matrix(3, 1), matrix(3, 2)}), b = stack({vector(3), vector(3, 1), vector(3, 2)});
  std::vector<Tensor> both, first, second;
  for (int i = 0; i < 3; ++i) {
    both.push_back(dense(a[i], b[i]));
    first.push_back(dense(a[i], b[0]));
    second.push_back(dense(a[0], b[i]));
  }
  expect_close(vmap(dense)(a, b), stack(both));
  expect_close(vmap(dense, {.in_dims = {0, none}})(a, b[0]), stack(first));
  expect_close(vmap(dense, {.in_dims = {none, 0}, .out_dims = 1})(a[0], b), stack(second).t());
  expect_close(jit(vmap(dense))(a, b), stack(both));
  auto loss = [](const Tensor& a, const Tensor& b) { return sum(square(dense(a, b))); };
  std::vector<Tensor> grads, hessians;
  for (int i = 0; i < 3; ++i) {
    grads.push_back(grad(loss)(a[i], b[i]));
    hessians.push_back(ft::grad<1>([&](const Tensor& a, const Tensor& b) { return sum(grad(loss)(a, b)); })(a[i], b[i]));
  }
  expect_close(vmap(grad(loss))(a, b), stack(grads));
  expect_close(jit(vmap(grad(loss)))(a, b), stack(grads));
  expect_close(grad([&](const Tensor& a) { return sum(vmap(loss)(a, b)); })(a), stack(grads));
  expect_close(vmap(ft::grad<1>([&](const Tensor& a, const Tensor& b) { return sum(grad(jit(loss))(a, b)); }))(a, b), stack(hessians));
  check_grads(vmap(dense), std::tuple{a, b}, {.order = 2});
}

namespace {
struct Pair {
  Tensor u;
  std::vector<Tensor> v;
};
// (2 u + sum v, v_i - u / 3)
Pair block(const Tensor& k, const Pair& x) {
  Pair y{x.u * (2.0 + k), {}};
  for (auto& v : x.v) {
    y.u = y.u + v;
    y.v.push_back(v - x.u / 3.0);
  }
  return y;
}
Pair block_inverse(const Tensor& k, const Pair& b) {  // v_i = b_i + u / 3, (2 + k + n / 3) u = b_u - sum b_i
  Pair x{b.u, {}};
  for (auto& v : b.v) x.u = x.u - v;
  x.u = x.u / (2.0 + k + static_cast<double>(b.v.size()) / 3.0);
  for (auto& v : b.v) x.v.push_back(v + x.u / 3.0);
  return x;
}
}  // namespace
TEST(LinearSolve, UnknownsAreTrees) {
  Pair b{f64s({1.0, 2.0}), {f64s({0.5, -1.0}), f64s({3.0, 0.25})}};
  auto solve = [](const Tensor& k, const Pair& b) {
    auto map = [&](const Pair& x) { return block(k, x); };
    // The transposed map as a matrix would do; here both solvers are iterative.
    auto krylov = [](const auto& a, const Pair& b) { return linalg::gmres(a, b, {.tol = 1e-14}).first; };
    return custom_linear_solve(map, b, krylov, krylov);
  };
  Pair x = solve(scalar(0.5), b), want = block_inverse(scalar(0.5), b);
  expect_close(x.u, want.u);
  expect_close(x.v[1], want.v[1]);
  auto loss = [](auto f) {
    return [f](const Tensor& k, const Pair& b) {
      Pair x = f(k, b);
      return sum(x.u * x.u * x.u) + sum(square(x.v[0])) + sum(x.v[1] * x.u);
    };
  };
  auto [dk, db] = ft::grad<0, 1>(loss(solve))(scalar(0.5), b);
  auto [wk, wb] = ft::grad<0, 1>(loss(block_inverse))(scalar(0.5), b);
  expect_close(dk, wk);
  expect_close(db.u, wb.u);
  expect_close(db.v[0], wb.v[0]);
  expect_close(grad(grad(loss(solve)))(scalar(0.5), b), grad(grad(loss(block_inverse)))(scalar(0.5), b));
}
TEST(LinearSolve, BareNumbersTakeTheDtypeOfTheMap) {
  auto x = custom_linear_solve([a = scalar(4)](const Tensor& x) { return a * x; }, 6.0, divide, divide);
  EXPECT_EQ(x.dtype(), f64);
  EXPECT_FALSE(x.weak());
  EXPECT_EQ(x.item<double>(), 1.5);
  auto of_int = custom_linear_solve([](const Tensor& x) { return 4.0 * x; }, 6, divide, divide);
  EXPECT_EQ(of_int.dtype(), f32);
  EXPECT_EQ(of_int.item<double>(), 1.5);
  expect_close(grad([](const Tensor& a) { return custom_linear_solve([&](const Tensor& x) { return a * x; }, 6.0, divide, divide); })(scalar(4)),
               scalar(-6.0 / 16));
}
TEST(LinearSolve, WithoutATransposeForwardModeAlone) {
  Tensor a = matrix(3), b = vector(3);
  auto f = [&](const Tensor& b) { return custom_linear_solve([&](const Tensor& x) { return matmul(a, x); }, b, DenseSolver{}); };
  expect_close(jacfwd(f)(b), inverse(a));
  expect_throw<MissingRuleError>([&] { (void)jacrev(f)(b); }, "pass transpose_solve, or {.symmetric = true}");
}
TEST(LinearSolve, SymmetricMapsAreTheirOwnTranspose) {
  Tensor a = spd(4), b = vector(4);
  int calls = 0;
  auto f = [&](const Tensor& a, const Tensor& b) {
    return custom_linear_solve([&](const Tensor& x) { return matmul(a, x); }, b,
                               [&](const Map& map, const Tensor& b) {
                                 ++calls;
                                 return DenseSolver{}(map, b);
                               },
                               {.symmetric = true});
  };
  expect_close(jacrev([&](const Tensor& b) { return f(a, b); })(b), inverse(a));
  EXPECT_EQ(calls, 1);
}
TEST(LinearSolve, FurtherResultsOfTheSolver) {
  Tensor a = matrix(3), b = vector(3);
  auto f = [&](const Tensor& a, const Tensor& b) {
    auto solve = [](const Map& map, const Tensor& b) { return std::pair{DenseSolver{}(map, b), std::tuple{sum(b), 7}}; };
    return custom_linear_solve(
        has_aux, [&](const Tensor& x) { return matmul(a, x); }, b, solve, solve);
  };
  auto [x, aux] = f(a, b);
  expect_close(x, dense(a, b));
  expect_close(std::get<0>(aux), sum(b));
  auto loss = [&](const Tensor& a) { return sum(f(a, b).first) + std::get<0>(f(a, b).second) * sum(a); };
  expect_close(grad(loss)(a), grad([&](const Tensor& a) { return sum(dense(a, b)) + sum(b) * sum(a); })(a));
  auto [y, more] = jit(f)(a, b);
  expect_close(y, x);
  EXPECT_EQ(std::get<1>(more), Tensor(7).item<int>());
  expect_close(std::get<0>(vmap(f, {.in_dims = {none, 0}})(a, stack({b, b * 2.0})).second), stack({sum(b), 2.0 * sum(b)}));
}
TEST(LinearSolve, OnlyTheMapIsDifferentiated) {
  // The solver uses the matrix that it closes over, and never the map.
  Tensor b = vector(3);
  auto f = [&](const Tensor& a) {
    auto solve = [&](const Map&, const Tensor& b) { return solve_dense(a, b); };
    auto transposed = [&](const Map&, const Tensor& b) { return solve_dense(a.t(), b); };
    return sum(square(custom_linear_solve([&](const Tensor& x) { return matmul(a, x); }, b, solve, transposed)));
  };
  auto g = [&](const Tensor& a) { return sum(square(dense(a, b))); };
  expect_close(grad(f)(matrix(3)), grad(g)(matrix(3)));
  auto second = [&](auto h) { return grad([h](const Tensor& a) { return sum(sin(grad(h)(a))); }); };
  expect_close(second(f)(matrix(3)), second(g)(matrix(3)));
}
TEST(LinearSolve, MapsThatLookNonlinearAndAreNot) {
  Tensor b = vector(3), w = vector(3, 2), a = matrix(3);
  auto ok = [&](auto map) {
    Tensor x = custom_linear_solve(map, b, DenseSolver{}, DenseSolver{});
    expect_close(map(x), b);
    auto along = [&](const Tensor& b) { return sum(custom_linear_solve(map, b, DenseSolver{}, DenseSolver{})); };
    expect_close(grad(along)(b), jacfwd(along)(b));
  };
  auto energy = [](const Tensor& x) { return sum(exp(x)) + sum(square(x) * 2.0); };
  ok([&](const Tensor& x) { return hvp(energy, w, x); });
  ok([&](const Tensor& x) { return jvp([](const Tensor& w) { return w * w * w + w; }, w, x).second; });
  ok([push = linearize([](const Tensor& w) { return sin(w) + 3.0 * w; }, w).second](const Tensor& x) { return push(x); });
  ok([&](const Tensor& x) {  // y_i = x_i + y_{i-1} / 2
    return scan(
               [](const Tensor& c, const Tensor& x) {
                 Tensor y = 0.5 * c + x;
                 return std::pair{y, y};
               },
               scalar(0), x)
        .second;
  });
  ok([&](const Tensor& x) {
    return cond(
        w[0] > 0, [&](const Tensor& x) { return matmul(a, x); }, [](const Tensor& x) { return 2.0 * x; }, x);
  });
  ok(jit([&](const Tensor& x) { return matmul(a, x) + where(w > 0, x, 2.0 * x); }));
  // A backward rule may keep the argument.
  ok(custom_vjp([=](const Tensor& x) { return matmul(a, x); },
                [=](const Tensor& x) {
                  return std::pair{matmul(a, x), x};
                },
                [=](const Tensor&, const Tensor& ct) { return matmul(a.t(), ct); }));
}
TEST(LinearSolve, MapsThatAreNotLinear) {
  Tensor b = vector(3);
  auto refused = [&](auto map) {
    expect_throw<ValueError>([&] { (void)custom_linear_solve(map, b, DenseSolver{}); }, "custom_linear_solve: matvec is not linear");
    expect_throw<ValueError>([&] { (void)jit([&](const Tensor& b) { return custom_linear_solve(map, b, DenseSolver{}); })(b); },
                             "matvec is not linear");
    EXPECT_EQ(core::current, nullptr);
  };
  refused([](const Tensor& x) { return x * x; });
  refused([](const Tensor& x) { return sin(x) + x; });
  refused([](const Tensor& x) { return where(x > 0, x, 2.0 * x); });
  refused([](const Tensor& x) { return floor(x); });
  refused([](const Tensor& x) { return x * sum(x); });
  refused(jit([](const Tensor& x) { return x * x; }));
  refused([](const Tensor& x) { return scan([](const Tensor& c, const Tensor& x) { return std::pair{c * x, c + x}; }, scalar(1), x).second; });
  refused([](const Tensor& x) {
    return cond(
        x[0] > 0, [](const Tensor& x) { return x; }, [](const Tensor& x) { return 2.0 * x; }, x);
  });
}
TEST(LinearSolve, Errors) {
  Tensor b = vector(3);
  auto identity = [](const Tensor& x) { return x; };
  expect_throw<ShapeError>([&] { (void)custom_linear_solve([](const Tensor& x) { return sum(x); }, b, DenseSolver{}); },
                           "custom_linear_solve: matvec returns f64[] where b is f64[3]");
  expect_throw<DTypeError>([&] { (void)custom_linear_solve([](const Tensor& x) { return x.to(f32); }, b, DenseSolver{}); },
                           "matvec returns f32[3] where b is f64[3]; convert with to(f64)");
  expect_throw<DTypeError>([&] { (void)custom_linear_solve(identity, tensor({1, 2}), DenseSolver{}); }, "b has dtype i64, expected a floating one");
  expect_throw<ValueError>([&] { (void)custom_linear_solve(identity, Tensor(), DenseSolver{}); }, "b is an undefined Tensor");
  expect_throw<ShapeError>([&] { (void)custom_linear_solve(identity, b, [](const Map&, const Tensor& b) { return b[0]; }); },
                           "solve returns f64[] where b is f64[3]");
  auto transposed = [](const Map&, const Tensor& b) { return b[0]; };
  expect_throw<ShapeError>([&] { (void)grad([&](const Tensor& b) { return sum(custom_linear_solve(identity, b, DenseSolver{}, transposed)); })(b); },
                           "transpose_solve returns f64[] where b is f64[3]");
  using List = std::vector<Tensor>;
  auto shorter = [](const List& x) { return List{x[0]}; };
  auto same = [](const auto&, const List& b) { return b; };
  expect_throw<StructureError>([&] { (void)custom_linear_solve(shorter, List{b, b}, same); }, "matvec returns [*], and b is [*, *]");
  struct P {
    Tensor w, v;
  };
  expect_throw<ShapeError>(
      [&] {
        (void)custom_linear_solve([](const P& x) { return P{x.w, x.w}; }, P{b, b[0]}, [](const auto&, const P& b) { return b; });
      },
      "matvec returns f64[3] where b v is f64[]");
  // What is given to a solver checks what it is called with.
  expect_throw<ShapeError>([&] { (void)custom_linear_solve(identity, b, [](const Map& f, const Tensor& b) { return f(b[0]); }); },
                           "custom_linear_solve: the function takes f64[3], got f64[]");
  expect_throw<DTypeError>([&] { (void)custom_linear_solve(identity, b, [](const Map& f, const Tensor& b) { return f(b.to(f32)); }); },
                           "the function takes f64[3], got f32[3]");
}
TEST(LinearSolve, SolversReadValuesWhereNothingIsTraced) {
  Tensor a = matrix(3), b = vector(3);
  auto f = [&](const Tensor& b) {
    return custom_linear_solve([&](const Tensor& x) { return matmul(a, x); }, b,
                               [](const Map& map, const Tensor& b) {
                                 Tensor x = zeros_like(b);  // Richardson's iteration
                                 while (norm(b - map(x)).item<double>() > 1e-12) x = x + (b - map(x)) / 5.0;
                                 return x;
                               });
  };
  expect_close(f(b), dense(a, b));
  expect_throw<TracerError>([&] { (void)grad([&](const Tensor& b) { return sum(f(b)); })(b); }, "while custom_linear_solve traces the function");
  EXPECT_EQ(core::current, nullptr);
  expect_close(f(b), dense(a, b));
}

// ---------------------------------------------------------------- custom_root
TEST(Root, TheSquareRootHasItsDerivativesOfEveryOrder) {
  for (double a : {0.25, 2.0, 9.0}) {
    expect_close(root_of_square(scalar(a)), scalar(std::sqrt(a)));
    expect_close(grad(root_of_square)(scalar(a)), scalar(0.5 / std::sqrt(a)));
    expect_close(grad(grad(root_of_square))(scalar(a)), scalar(-0.25 * std::pow(a, -1.5)));
    expect_close(grad(grad(grad(root_of_square)))(scalar(a)), scalar(0.375 * std::pow(a, -2.5)));
    expect_close(jacfwd(jacfwd(root_of_square))(scalar(a)), scalar(-0.25 * std::pow(a, -1.5)));
    expect_close(jit(grad(jit(grad(root_of_square))))(scalar(a)), scalar(-0.25 * std::pow(a, -1.5)));
  }
  Tensor many = f64s({0.25, 2.0, 9.0});
  expect_close(vmap(root_of_square)(many), sqrt(many));
  expect_close(vmap(grad(root_of_square))(many), 0.5 / sqrt(many));
  expect_close(grad([](const Tensor& a) { return sum(vmap(grad(root_of_square))(a)); })(many), -0.25 / (many * sqrt(many)));
  expect_close(jit(vmap(grad(grad(root_of_square))))(many), -0.25 / (many * sqrt(many)));
}
TEST(Root, KeplersEquation) {
  // E - e sin E = M: dE/dM = 1 / (1 - e cos E), dE/de = sin E / (1 - e cos E)
  auto kepler = [](const Tensor& e, const Tensor& m) { return custom_root([&](const Tensor& x) { return x - e * sin(x) - m; }, m, newton1, divide); };
  Tensor e = scalar(0.6), m = scalar(1.1), E = kepler(e, m), d = 1.0 - e * cos(E);
  expect_close(E - 0.6 * sin(E), m);
  auto [de, dm] = ft::grad<0, 1>(kepler)(e, m);
  expect_close(de, sin(E) / d);
  expect_close(dm, 1.0 / d);
  expect_close(ft::grad<1>(ft::grad<1>(kepler))(e, m), -(e * sin(E)) / (d * d * d));
  auto [y, dy] = jvp(kepler, std::tuple{e, m}, std::tuple{scalar(0.5), scalar(2.0)});
  expect_close(dy, (0.5 * sin(E) + 2.0) / d);
  check_grads(vmap(kepler, {.in_dims = {none, 0}}), std::tuple{e, f64s({0.1, 1.0, 3.0})}, {.order = 2});
}
TEST(Root, TheGuessHasNoDerivativeAndTheSolverNeedsNone) {
  auto f = [](const Tensor& a, const Tensor& guess) {
    auto bisect = [](const Map& f, const Tensor& x) {
      return while_loop([](const auto& s) { return std::get<1>(s) - std::get<0>(s) > 1e-15; },
                        [&](const auto& s) {
                          auto& [lo, hi] = s;
                          Tensor mid = 0.5 * (lo + hi), below = f(mid) < 0;
                          return std::tuple{where(below, mid, lo), where(below, hi, mid)};
                        },
                        std::tuple{x - 1.0, x + 1.0});
    };
    return custom_root([&](const Tensor& x) { return x * x * x - a; }, guess,
                       [&](const Map& f, const Tensor& x) { return std::get<0>(bisect(f, x)); }, divide);
  };
  auto [da, dg] = ft::grad<0, 1>(f)(scalar(2), scalar(1));
  expect_close(da, scalar(std::pow(2.0, -2.0 / 3) / 3));
  EXPECT_EQ(dg.item<double>(), 0);
}
TEST(Root, SystemsOfEquations) {
  // x_i^3 + 2 x_i + sum of w x = a_i
  auto f = [](const Tensor& w, const Tensor& a) {
    return custom_root([&](const Tensor& x) { return x * x * x + 2.0 * x + dot(w, x) - a; }, zeros_like(a), newton, DenseSolver{});
  };
  Tensor w = 0.2 * vector(3, 1), a = vector(3), x = f(w, a);
  expect_close(x * x * x + 2.0 * x + dot(w, x), a);
  Tensor inv = inverse(eye(3, f64) * (3.0 * x * x + 2.0) + outer(ones({3}, f64), w));
  expect_close(ft::grad<1>([&](const Tensor& w, const Tensor& a) { return sum(f(w, a)); })(w, a), sum(inv, 0));
  expect_close(jacrev(f)(w, a), -outer(sum(inv, 1), x));
  expect_close(jacfwd(f)(w, a), -outer(sum(inv, 1), x));
  check_grads(f, std::tuple{w, a}, {.order = 2});
  check_grads(jit(vmap(f, {.in_dims = {none, 0}})), std::tuple{w, stack({a, -a, 3.0 * a})}, {.order = 2});
}
TEST(Root, UnknownsAreTreesAndAuxPassesThrough) {
  struct Point {
    Tensor x, y;
  };
  // x^2 + y^2 = r^2, y = k x
  auto cross = [](const Tensor& r, const Tensor& k) {
    auto f = [&](const Point& p) { return Point{p.x * p.x + p.y * p.y - r * r, p.y - k * p.x}; };
    auto solve = [](const auto& f, const Point& start) {
      auto both = while_loop([&](const auto& s) { return std::get<1>(s) < 60; },
                             [&](const auto& s) {
                               auto& [p, n] = s;
                               Point d = f(p);
                               return std::tuple{Point{p.x - 0.2 * (d.x - d.y), p.y - 0.3 * (d.x + 2.0 * d.y)}, n + 1};
                             },
                             std::tuple{start, Tensor(0)});
      return std::pair{std::get<0>(both), std::get<1>(both)};
    };
    auto tangent = [](const auto& g, const Point& y) { return linalg::bicgstab(g, y, {.tol = 1e-14}).first; };
    return custom_root(has_aux, f, Point{scalar(1), scalar(1)}, solve, tangent);
  };
  auto [p, n] = cross(scalar(1), scalar(0.5));
  double x = 1 / std::sqrt(1.25);
  EXPECT_NEAR(p.x.item<double>(), x, 1e-6);
  EXPECT_EQ(n.item<int>(), 60);
  auto at = [&](const Tensor& r, const Tensor& k) { return cross(r, k).first.x; };
  auto [dr, dk] = ft::grad<0, 1>(at)(scalar(1), scalar(0.5));  // x = r / sqrt(1 + k^2)
  EXPECT_NEAR(dr.item<double>(), x, 1e-6);
  EXPECT_NEAR(dk.item<double>(), -0.5 * x * x * x, 1e-6);
  EXPECT_NEAR(ft::grad<1>(ft::grad<1>(at))(scalar(1), scalar(0.5)).item<double>(), -x * x * x + 0.75 * std::pow(x, 5), 1e-5);
}
TEST(Root, Errors) {
  auto f = [](const Tensor& x) { return x - 1.0; };
  auto solve = [](const Map&, const Tensor& x) { return x; };
  Tensor x = vector(2);
  expect_throw<ShapeError>([&] { (void)custom_root([](const Tensor& x) { return x[0]; }, x, solve, DenseSolver{}); },
                           "custom_root: f returns f64[] where the initial guess is f64[2]");
  expect_throw<ShapeError>(
      [&] {
        (void)custom_root(
            f, x, [](const Map&, const Tensor& x) { return x[0]; }, DenseSolver{});
      },
      "custom_root: solve returns f64[] where the initial guess is f64[2]");
  auto number = [](const Map&, const Tensor& y) { return sum(y); };
  expect_throw<ShapeError>([&] { (void)jit([&](const Tensor& x) { return custom_root(f, x, solve, number); })(x); },
                           "custom_root: tangent_solve returns f64[] where the initial guess is f64[2]");
  expect_throw<DTypeError>([&] { (void)custom_root(f, tensor({1, 2}), solve, DenseSolver{}); }, "the initial guess has dtype i64");
  struct Endless {
    Tensor operator()(const Map& g, const Tensor& y) const {
      return custom_root([&](const Tensor& v) { return g(v) - y; }, y, [](const Map&, const Tensor& y) { return y; }, *this);
    }
  };
  expect_throw<ValueError>(
      [&] { (void)grad([&](const Tensor& a) { return sum(custom_root([&](const Tensor& x) { return x - a; }, a, solve, Endless{})); })(x); },
      "tangent_solve calls custom_root");
  EXPECT_EQ(core::current, nullptr);
  struct Mine : std::runtime_error {
    using std::runtime_error::runtime_error;
  };
  auto thrower = [](const Map&, const Tensor& y) -> Tensor {
    (void)y;
    throw Mine("mine");
  };
  expect_throw<Mine>(
      [&] { (void)grad([&](const Tensor& a) { return sum(custom_root([&](const Tensor& x) { return x - a; }, a, thrower, DenseSolver{})); })(x); },
      "mine");
  expect_throw<Mine>(
      [&] { (void)grad([&](const Tensor& a) { return sum(custom_root([&](const Tensor& x) { return x - a; }, a, solve, thrower)); })(x); }, "mine");
  EXPECT_EQ(core::current, nullptr);
}
