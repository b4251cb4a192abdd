// ft::linalg::cg, gmres and bicgstab: iterates of SciPy, elimination in doubles, their options, derivatives, vmap and messages.
#include <gtest/gtest.h>

#include <cmath>

#include "functra/core/interp.h"
#include "support/close.h"
#include "support/dense.h"
#include "support/values.h"

namespace ft = functra;
using namespace ft;
using ft::testing::inverse;
using ft::testing::matrix;
using ft::testing::spd;
using ft::testing::vector;

namespace {

using Operator = linalg::LinearOperator<Tensor>;
using Solution = std::pair<Tensor, SolveInfo>;
struct Method {
  const char* name;
  Solution (*run)(const Operator& a, const Tensor& b, linalg::SolverOptions<Tensor> o);
};
const Method methods[] = {
    {"cg", [](const Operator& a, const Tensor& b, linalg::SolverOptions<Tensor> o) { return linalg::cg(a, b, o); }},
    {"gmres",
     [](const Operator& a, const Tensor& b, linalg::SolverOptions<Tensor> o) {
       return linalg::gmres(a, b, {.x0 = o.x0, .tol = o.tol, .atol = o.atol, .restart = 20, .maxiter = o.maxiter, .M = o.M});
     }},
    {"bicgstab", [](const Operator& a, const Tensor& b, linalg::SolverOptions<Tensor> o) { return linalg::bicgstab(a, b, o); }},
};
Tensor jacobi(const Tensor& a) { return eye(a.size(0), a.dtype()) / diagonal(a); }
Tensor f64s(const ft::Data& d) { return tensor(d, f64); }

struct Iterate {
  std::string method;
  int steps;
  bool start, preconditioner;
  std::vector<double> x;
};
const Iterate scipy[] = {
#include "data/krylov_reference.inc"
};

}  // namespace

TEST(Solvers, IteratesAreThoseOfScipy) {
  for (const Iterate& r : scipy) {
    Tensor a = r.method == "cg" ? spd(6) : matrix(6), b = vector(6), x;
    auto x0 = r.start ? std::optional(vector(6, 1)) : std::nullopt;
    Operator m = r.preconditioner ? Operator(jacobi(a)) : Operator();
    if (r.method == "cg") x = linalg::cg(a, b, {.x0 = x0, .tol = 0, .maxiter = r.steps, .M = m}).first;
    else if (r.method == "gmres") x = linalg::gmres(a, b, {.x0 = x0, .tol = 0, .restart = r.steps, .maxiter = 1}).first;
    else x = linalg::bicgstab(a, b, {.x0 = x0, .tol = 0, .maxiter = r.steps, .M = m}).first;
    SCOPED_TRACE(r.method + " " + std::to_string(r.steps) + (r.start ? " from a start" : "") + (r.preconditioner ? " preconditioned" : ""));
    expect_close(x, tensor(r.x), 1e-10);
  }
}
TEST(Solvers, SolutionsAndWhatTheyTook) {
  for (auto& method : methods)
    for (std::int64_t n : {1, 2, 5, 40}) {
      SCOPED_TRACE(method.name + std::to_string(n));
      Tensor a = spd(n), b = vector(n);
      auto [x, info] = method.run(a, b, {.tol = 1e-12});
      expect_close(x, matmul(inverse(a), b));
      double left = norm(b - matmul(a, x)).item<double>();
      EXPECT_TRUE(info.converged.item<bool>());
      EXPECT_LE(left, 1e-12 * norm(b).item<double>() + 1e-14);
      EXPECT_NEAR(info.residual.item<double>(), left, 1e-13);
      EXPECT_GE(info.steps.item<int>(), 1);
      EXPECT_EQ(info.steps.dtype(), i64);
    }
  for (auto& method : {methods[1], methods[2]})
    expect_close(method.run(matrix(30), vector(30), {.tol = 1e-12}).first, matmul(inverse(matrix(30)), vector(30)));
}
TEST(Solvers, TolerancesAndLimits) {
  Tensor a = spd(30) + eye(30, f64) * 0.1, b = 100.0 * vector(30);
  double size = norm(b).item<double>();
  for (auto& method : methods) {
    SCOPED_TRACE(method.name);
    int last = 0;
    for (double tol : {1e-1, 1e-4, 1e-8}) {
      auto [x, info] = method.run(a, b, {.tol = tol});
      EXPECT_LE(norm(b - matmul(a, x)).item<double>(), tol * size * (1 + 1e-9));
      EXPECT_GE(info.steps.item<int>(), last);
      last = info.steps.item<int>();
    }
    // The larger of both tolerances counts.
    auto [x, info] = method.run(a, b, {.tol = 1e-12, .atol = 1e-1 * size});
    auto loose = method.run(a, b, {.tol = 1e-1}).second;
    EXPECT_EQ(info.steps.item<int>(), loose.steps.item<int>());
    auto [none, zero] = method.run(a, b, {.maxiter = 0});
    expect_close(none, zeros_like(b));
    EXPECT_EQ(zero.steps.item<int>(), 0);
    EXPECT_FALSE(zero.converged.item<bool>());
    EXPECT_NEAR(zero.residual.item<double>(), size, 1e-9 * size);
    auto [exact, at_once] = method.run(a, b, {.x0 = matmul(inverse(a), b), .tol = 1e-8});
    EXPECT_EQ(at_once.steps.item<int>(), 0);
    EXPECT_TRUE(at_once.converged.item<bool>());
  }
  EXPECT_EQ(linalg::cg(a, b, {.tol = 0, .maxiter = 3}).second.steps.item<int>(), 3);
  EXPECT_EQ(linalg::gmres(a, b, {.tol = 0, .restart = 4, .maxiter = 2}).second.steps.item<int>(), 8);
}
TEST(Solvers, GmresRestarts) {
  Tensor a = matrix(30), b = vector(30);
  auto steps = [&](std::int64_t restart) {
    auto [x, info] = linalg::gmres(a, b, {.tol = 1e-10, .restart = restart});
    expect_close(x, matmul(inverse(a), b), 1e-8);
    return info.steps.item<int>();
  };
  EXPECT_LE(steps(30), steps(5));
  EXPECT_LE(steps(5), steps(2));
  EXPECT_LE(steps(100), 31);
}
TEST(Solvers, PreconditionersSaveSteps) {
  Tensor scale = pow(10.0, linspace(0, 4, 20, f64)), a = spd(20) + eye(20, f64) * scale, b = vector(20), x = matmul(inverse(a), b);
  for (auto& method : methods) {
    SCOPED_TRACE(method.name);
    auto plain = method.run(a, b, {.tol = 1e-10});
    auto by_matrix = method.run(a, b, {.tol = 1e-10, .M = jacobi(a)});
    auto by_function = method.run(a, b, {.tol = 1e-10, .M = [d = diagonal(a)](const Tensor& r) { return r / d; }});
    expect_close(by_matrix.first, x, 1e-9);
    expect_close(by_function.first, x, 1e-9);
    EXPECT_LT(by_matrix.second.steps.item<int>(), plain.second.steps.item<int>());
    EXPECT_EQ(by_matrix.second.steps.item<int>(), by_function.second.steps.item<int>());
    EXPECT_LE(method.run(a, b, {.tol = 1e-10, .M = inverse(a)}).second.steps.item<int>(), 2);
  }
}
TEST(Solvers, OperatorsOnTrees) {
  struct Field {
    Tensor u;
    std::array<Tensor, 2> v;
  };
  Tensor a = matrix(7), b = vector(7);
  auto unpack = [](const Tensor& x) { return Field{x.index({Slice(0, 4)}).reshape({2, 2}), {x[4], x.index({Slice(5, 7)})}}; };
  auto pack = [](const Field& f) { return cat({f.u.reshape({4}), f.v[0].reshape({1}), f.v[1]}); };
  auto solve = [&](const Tensor& a, const Tensor& b) {
    auto map = [&](const Field& f) { return unpack(matmul(a, pack(f))); };
    return pack(linalg::gmres(map, unpack(b), {.tol = 1e-13}).first);
  };
  expect_close(solve(a, b), matmul(inverse(a), b));
  expect_close(jacrev(solve)(a, b), jacrev([](const Tensor& a, const Tensor& b) { return linalg::gmres(a, b, {.tol = 1e-13}).first; })(a, b));
  // Leaves of two dtypes are one vector of the wider one.
  using Mixed = std::pair<Tensor, Tensor>;
  auto mixed = [](const Mixed& x) { return Mixed{3.0 * x.first + x.second.to(f64), 2.0 * x.second}; };
  auto [x, info] = linalg::bicgstab(mixed, Mixed{f64s({7.0}), tensor({4.0}, f32)}, {.tol = 1e-6});
  EXPECT_EQ(x.second.dtype(), f32);
  EXPECT_VALUES(x.first, (Shape{1}), 5.0 / 3);
  EXPECT_VALUES(x.second, (Shape{1}), 2);
  // A matrix acts on the columns of a matrix, which are one system.
  Tensor many = stack({vector(7), vector(7, 1)}, 1);
  expect_close(linalg::gmres(a, many, {.tol = 1e-13}).first, matmul(inverse(a), many));
  EXPECT_EQ(linalg::cg([](const Tensor& x) { return 4.0 * x; }, 6.0).first.item<double>(), 1.5);
  EXPECT_EQ(linalg::gmres([](const Tensor& x) { return x; }, zeros({0}, f64)).first.sizes(), (Shape{0}));
}
TEST(Solvers, DerivativesAreThoseOfTheInverse) {
  for (auto& method : methods) {
    SCOPED_TRACE(method.name);
    for (bool start : {false, true}) {
      std::int64_t n = 4;
      Tensor a = method.name == std::string("cg") ? spd(n) : matrix(n), b = vector(n), inv = inverse(a), g = vector(n, 2), x = matmul(inv, b);
      auto x0 = start ? std::optional(vector(n, 5)) : std::nullopt;
      auto f = [&](const Tensor& a, const Tensor& b) { return method.run(a, b, {.x0 = x0, .tol = 1e-14, .M = jacobi(a)}).first; };
      expect_close(jacrev([&](const Tensor& b) { return f(a, b); })(b), inv);
      expect_close(jacfwd([&](const Tensor& b) { return f(a, b); })(b), inv);
      auto loss = [&](const Tensor& a, const Tensor& b) { return dot(g, f(a, b)); };
      auto [da, db] = ft::grad<0, 1>(loss)(a, b);
      expect_close(db, matmul(inv.t(), g));
      expect_close(da, -outer(matmul(inv.t(), g), x));
      // Along a symmetric direction, so that cg stays in its realm.
      Tensor t = vector(n, 7), T = outer(t, t), at = matmul(inv, T);
      auto along = [&](const Tensor& s) { return loss(a + s * T, b); };
      Tensor zero = f64s(0.0), second = 2.0 * dot(g, matmul(at, matmul(at, x)));
      expect_close(grad(grad(along))(zero), second);
      expect_close(jacfwd(grad(along))(zero), second);
      expect_close(grad(jacfwd(along))(zero), second);
      expect_close(jit(grad(jit(grad(along))))(zero), second);
      expect_close(grad(grad(grad(along)))(zero), -6.0 * dot(g, matmul(at, matmul(at, matmul(at, x)))));
    }
  }
}
TEST(Solvers, TheStartAndThePreconditionerHaveNone) {
  for (auto& method : methods) {
    Tensor a = spd(3), b = vector(3);
    auto f = [&](const Tensor& x0, const Tensor& d) {
      return sum(method.run(a, b, {.x0 = x0, .tol = 1e-12, .M = [&](const Tensor& r) { return d * r; }}).first);
    };
    auto [dx, dd] = ft::grad<0, 1>(f)(vector(3, 1), f64s({1.0, 2.0, 1.0}));
    expect_close(dx, zeros({3}, f64));
    expect_close(dd, zeros({3}, f64));
  }
}
TEST(Solvers, TinyAndHugeRightHandSides) {
  for (auto& method : methods)
    for (double size : {1e-300, 1e-30, 1e30, 1e300}) {
      SCOPED_TRACE(method.name + std::to_string(size));
      Tensor x = method.run(spd(4), vector(4) * size, {.tol = 1e-12}).first;
      expect_close(x / size, matmul(inverse(spd(4)), vector(4)));
      auto f = [&](const Tensor& b) { return size * sum(method.run(spd(4), b, {.tol = 1e-12}).first); };
      expect_close(grad(f)(vector(4)) / size, matmul(inverse(spd(4)).t(), ones({4}, f64)));
    }
  for (auto& method : methods) {
    Tensor x = method.run(spd(4).to(f32), vector(4).to(f32) * 1e-30, {.tol = 1e-6}).first;
    EXPECT_EQ(x.dtype(), f32);
    expect_close(x.to(f64) / 1e-30, matmul(inverse(spd(4)), vector(4)), 1e-4);
    auto [zero, info] = method.run(spd(4), zeros({4}, f64), {.tol = 1e-6});
    expect_close(zero, zeros({4}, f64));
    EXPECT_TRUE(info.converged.item<bool>());
  }
}
TEST(Solvers, NarrowDtypes) {
  for (auto& method : methods)
    for (DType d : {f16, bf16}) {
      Tensor a = spd(3).to(d), b = vector(3).to(d);  // products of matrices are not defined for these
      Tensor x = method.run([&](const Tensor& v) { return sum(a * v, 1); }, b, {.tol = 1e-2}).first;
      EXPECT_EQ(x.dtype(), d);
      expect_close(x.to(f64), matmul(inverse(a.to(f64)), b.to(f64)), 5e-2);
    }
}
TEST(Solvers, WhatCannotBeSolvedIsNotCalledConverged) {
  Tensor singular = f64s({{1.0, 1.0}, {1.0, 1.0}}), b = f64s({1.0, 2.0});
  Tensor skew = f64s({{0.0, 1.0}, {-1.0, 0.0}}), indefinite = f64s({{1.0, 0.0}, {0.0, -1.0}}), nan = f64s({{NAN, 0.0}, {0.0, 1.0}});
  for (auto& method : methods)
    for (const Tensor& a : {singular, nan}) {
      SCOPED_TRACE(method.name);
      auto [x, info] = method.run(a, b, {.tol = 1e-10});
      EXPECT_FALSE(info.converged.item<bool>());
      EXPECT_TRUE(all(isfinite(x)).item<bool>());
      EXPECT_LE(info.steps.item<int>(), 41);
    }
  auto stopped = linalg::cg(indefinite, ones({2}, f64));
  EXPECT_FALSE(stopped.second.converged.item<bool>());
  expect_close(stopped.first, zeros({2}, f64));
  EXPECT_FALSE(linalg::bicgstab(skew, f64s({1.0, 0.0})).second.converged.item<bool>());
  EXPECT_VALUES(linalg::gmres(skew, b).first, (Shape{2}), -2, 1);
  // A singular system with a solution has one found.
  auto [x, info] = linalg::gmres(singular, f64s({2.0, 2.0}));
  EXPECT_TRUE(info.converged.item<bool>());
  EXPECT_VALUES(x, (Shape{2}), 1, 1);
}
TEST(Solvers, LanesThatAreDoneWait) {
  std::vector<Tensor> as, bs;
  for (int k = 0; k < 4; ++k) {
    as.push_back(spd(6) + eye(6, f64) * std::pow(10.0, k));
    bs.push_back(vector(6, k) * std::pow(10.0, k));
  }
  as.push_back(zeros({6, 6}, f64));  // hopeless, and no harm to the others
  bs.push_back(vector(6));
  for (auto& method : methods) {
    SCOPED_TRACE(method.name);
    auto f = [&](const Tensor& a, const Tensor& b) { return method.run(a, b, {.tol = 1e-9}); };
    auto [x, info] = vmap(f)(stack(as), stack(bs));
    for (std::size_t k = 0; k < as.size(); ++k) {
      auto [y, own] = f(as[k], bs[k]);
      auto i = static_cast<std::int64_t>(k);
      expect_close(x[i], y, 1e-8);
      EXPECT_EQ(info.steps[i].item<int>(), own.steps.item<int>());
      EXPECT_EQ(info.converged[i].item<bool>(), k < 4);
    }
    auto loss = [&](const Tensor& a, const Tensor& b) { return sum(square(f(a, b).first)); };
    as.pop_back();
    bs.pop_back();
    std::vector<Tensor> grads;
    for (std::size_t k = 0; k < as.size(); ++k) grads.push_back(grad(loss)(as[k], bs[k]));
    expect_close(vmap(grad(loss))(stack(as), stack(bs)), stack(grads), 1e-7);
    expect_close(jit(vmap(grad(loss)))(stack(as), stack(bs)), stack(grads), 1e-7);
    expect_close(vmap(f, {.in_dims = {none, 0}})(as[0], stack(bs)).first[2], f(as[0], bs[2]).first, 1e-8);
    as.push_back(zeros({6, 6}, f64));
    bs.push_back(vector(6));
  }
}
TEST(Solvers, TheProgramDoesNotGrowWithTheSystem) {
  for (auto& method : methods) {
    auto equations = [&](std::int64_t n) {
      Program p = make_fx(grad([&](const Tensor& a, const Tensor& b) { return sum(method.run(a, b, {}).first); }))(spd(n), vector(n));
      p.verify();
      return to_string(p).size() / 100;
    };
    EXPECT_NEAR(equations(30), equations(50), 3);
  }
}
TEST(Solvers, Messages) {
  Tensor b = vector(3);
  for (auto& method : methods) {
    std::string who = method.name;
    expect_throw<ValueError>([&] { (void)method.run([](const Tensor& x) { return x * x; }, b, {}); }, who + ": A is not linear");
    expect_throw<ValueError>([&] { (void)method.run(spd(3), b, {.M = [](const Tensor& x) { return sin(x); }}); }, who + ": M is not linear");
    expect_throw<ShapeError>([&] { (void)method.run([](const Tensor& x) { return sum(x); }, b, {}); }, who + ": A returns f64[] where b is f64[3]");
    expect_throw<ShapeError>([&] { (void)method.run(spd(3), b, {.x0 = vector(2)}); }, who + ": x0 is f64[2] where b is f64[3]");
    expect_throw<DTypeError>([&] { (void)method.run(spd(3), tensor({1, 2, 3}), {}); }, who + ": b has dtype i64, expected a floating one");
    expect_throw<ValueError>([&] { (void)method.run(spd(3), b, {.tol = -1}); }, who + ": tol is -1");
    expect_throw<ValueError>([&] { (void)method.run(spd(3), b, {.maxiter = -1}); }, who + ": maxiter is -1");
  }
  expect_throw<ShapeError>([&] { (void)linalg::cg(zeros({2, 3}, f64), b); }, "a square matrix, got shape [2, 3]");
  expect_throw<ValueError>([&] { (void)linalg::gmres(spd(3), b, {.restart = 0}); }, "gmres: restart is 0");
  EXPECT_EQ(core::current, nullptr);
}
