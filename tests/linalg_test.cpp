// ft::linalg against SciPy, NumPy and JAX, its shapes, what it does where there is no answer, and its programs.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <map>
#include <set>

#include "functra/core/forms.h"
#include "functra/io/npy.h"
#include "functra/prims/linalg.h"
#include "laws/row.h"
#include "support/close.h"
#include "support/values.h"
#include "tests/laws_count.h"

namespace functra {
namespace {

using testing::random_tensor;
namespace la = linalg;
const double nan = std::numeric_limits<double>::quiet_NaN(), inf = std::numeric_limits<double>::infinity();

const Tensor& reference(const std::string& name) {
  static const auto* all = new std::map<std::string, Tensor>(io::read_npz(std::string(testing::source_dir()) + "/tests/data/linalg_reference.npz"));
  auto it = all->find(name);
  if (it == all->end()) throw std::logic_error("the reference has no array " + name);
  return it->second;
}
bool has_reference(const std::string& name) {
  try {
    reference(name);
    return true;
  } catch (const std::logic_error&) { return false; }
}
Tensor weighted(const Tensor& y) {  // cos(1 + i) y_i, summed, as the reference does
  return sum(cos(arange(y.numel(), f64) + 1.0) * reshape(y, {y.numel()}));
}
void near(const Tensor& is, const std::string& name, double tol = 1e-9) {
  const Tensor& want = reference(name);
  ASSERT_EQ(is.sizes(), want.sizes()) << name;
  auto a = is.to_vector<double>(), b = want.to_vector<double>();
  double scale = 1e-300;
  for (double v : b) scale = std::fmax(scale, std::fabs(v));
  for (std::size_t i = 0; i < a.size(); ++i) ASSERT_NEAR(a[i], b[i], tol * scale) << name << ", element " << i;
}
template <class F> void like_reference(const std::string& name, F f, const Tensor& a) {
  SCOPED_TRACE(name);
  near(f(a), name + "_value");
  auto loss = [&](const Tensor& x) { return weighted(f(x)); };
  near(grad(loss)(a), name + "_grad");
  near(jit(grad(loss))(a), name + "_grad");
  if (has_reference(name + "_hessian")) {
    near(hessian(loss)(a), name + "_hessian");
    near(jacrev(jacrev(loss))(a), name + "_hessian");
  }
}
Tensor matrix(const Shape& s, const std::vector<double>& v, DType d = DType::f64) { return testing::from_values(s, d, v); }
Tensor spd(const Shape& batch, std::int64_t n, DType d = DType::f64, int seed = 0) {
  Tensor g = random_tensor(batch.concat({n, n}), d, -1, 1, seed);
  return matmul(g, g.transpose(-1, -2)) + eye(n, d);
}
bool all_nan(const Tensor& t) {
  for (double v : t.to_vector<double>())
    if (!std::isnan(v)) return false;
  return true;
}
bool all_finite(const Tensor& t) {
  for (double v : t.to_vector<double>())
    if (!std::isfinite(v)) return false;
  return true;
}

}  // namespace

TEST(Linalg, ValuesGradientsAndHessiansAreThoseOfSciPyAndJax) {
  for (int n : {1, 3, 5, 20}) {
    std::string k = std::to_string(n);
    const Tensor &a = reference("a" + k), &p = reference("spd" + k), &b = reference("b" + k), &l = reference("triangle" + k);
    like_reference(
        "cholesky" + k, [](const Tensor& x) { return la::cholesky(x); }, p);
    near(la::cholesky(p, {.upper = true}).transpose(0, 1), "cholesky" + k + "_value");
    like_reference(
        "lu_factor" + k, [](const Tensor& x) { return la::lu_factor(x).LU; }, a);
    near(la::lu_factor(a).pivots, "pivots" + k, 0);
    auto [P, L, U] = la::lu(a);
    near(P, "P" + k, 0);
    near(L, "L" + k);
    near(U, "U" + k);
    like_reference(
        "solve" + k, [&](const Tensor& x) { return la::solve(x, b); }, a);
    near(la::solve(a, b.transpose(0, 1), {.left = false}), "solve_right" + k + "_value");
    like_reference(
        "solve" + k,
        [&](const Tensor& x) {
          auto f = la::lu_factor(x);
          return la::lu_solve(f.LU, f.pivots, b);
        },
        a);
    auto f = la::lu_factor(a);
    near(la::lu_solve(f.LU, f.pivots, b.transpose(0, 1), {.left = false}), "solve_right" + k + "_value");
    auto ft = la::lu_factor(a.transpose(0, 1));
    near(la::lu_solve(ft.LU, ft.pivots, b, {.adjoint = true}), "solve" + k + "_value");
    near(la::lu_solve(ft.LU, ft.pivots, b.transpose(0, 1), {.left = false, .adjoint = true}), "solve_right" + k + "_value");
    like_reference(
        "cholesky_solve" + k, [&](const Tensor& x) { return la::cholesky_solve(b, la::cholesky(x)); }, p);
    like_reference(
        "cholesky_solve" + k, [&](const Tensor& x) { return la::cholesky_solve(b, la::cholesky(x, {.upper = true}), {.upper = true}); }, p);
    like_reference(
        "inv" + k, [](const Tensor& x) { return la::inv(x); }, a);
    like_reference(
        "det" + k, [](const Tensor& x) { return la::det(x); }, a);
    near(la::slogdet(a).sign, "sign" + k, 0);
    like_reference(
        "slogdet" + k, [](const Tensor& x) { return la::slogdet(x).logabsdet; }, a);
    like_reference(
        "triangular" + k, [&](const Tensor& x) { return la::solve_triangular(x, b); }, l);
    like_reference(
        "triangular_t" + k, [&](const Tensor& x) { return la::solve_triangular(x.transpose(0, 1), b, {.upper = true}); }, l);
    like_reference(
        "triangular_t" + k, [&](const Tensor& x) { return la::solve_triangular(x, b.transpose(0, 1), {.left = false}).transpose(0, 1); }, l);
    like_reference(
        "triangular_unit" + k, [&](const Tensor& x) { return la::solve_triangular(x, b, {.unitriangular = true}); }, l);
  }
  for (std::string k : {"35", "53"}) {
    const Tensor& a = reference("rectangular" + k);
    like_reference(
        "lu_factor" + k, [](const Tensor& x) { return la::lu_factor(x).LU; }, a);
    near(la::lu_factor(a).pivots, "pivots" + k, 0);
    auto [P, L, U] = la::lu(a);
    near(P, "P" + k, 0);
    near(L, "L" + k);
    near(U, "U" + k);
  }
}

TEST(Linalg, BatchesBroadcastAsInTorch) {
  Tensor a = spd({2, 1}, 3), b = random_tensor({4, 3, 2}, f64, -1, 1, 1);
  Tensor x = la::solve(a, b);
  EXPECT_EQ(x.sizes(), (Shape{2, 4, 3, 2}));
  expect_close(matmul(a, x), broadcast_to(b, {2, 4, 3, 2}), 1e-12);
  // One matrix for a batch of right-hand sides.
  Tensor one = spd({}, 3);
  for (const Tensor& m : {one, la::cholesky(one)}) {
    Tensor y = la::solve_triangular(m, b);
    for (std::int64_t i = 0; i < 4; ++i) expect_close(y[i], la::solve_triangular(m, b[i]), 1e-12);
  }
  expect_close(matmul(one, la::solve(one, b)), b, 1e-12);
  expect_close(matmul(one, la::cholesky_solve(b, la::cholesky(one))), b, 1e-12);
  // Vectors: one, or a batch of exactly the matrices' batch.
  Tensor v = random_tensor({3}, f64, -1, 1, 2), vs = random_tensor({2, 5, 3}, f64, -1, 1, 3), as = spd({2, 5}, 3);
  EXPECT_EQ(la::solve(one, v).sizes(), Shape{3});
  expect_close(mv(one, la::solve(one, v)), v, 1e-12);
  EXPECT_EQ(la::solve(as, vs).sizes(), (Shape{2, 5, 3}));
  expect_close(einsum("abij,abj->abi", as, la::solve(as, vs)), vs, 1e-12);
  EXPECT_EQ(la::solve(as, v).sizes(), (Shape{2, 5, 3}));
  Tensor right = random_tensor({5, 2, 3}, f64, -1, 1, 4), r = la::solve(as, right, {.left = false});
  EXPECT_EQ(r.sizes(), (Shape{2, 5, 2, 3}));
  expect_close(matmul(r, as), broadcast_to(right, {2, 5, 2, 3}), 1e-12);
  Tensor tri = la::cholesky(as), t = la::solve_triangular(tri, right, {.left = false});
  expect_close(matmul(t, tri), broadcast_to(right, {2, 5, 2, 3}), 1e-12);
  auto f = la::lu_factor(spd({2, 1}, 3));
  expect_close(la::lu_solve(f.LU, f.pivots, b), x, 1e-12);
  // A number's dtype does not decide, a tensor's does.
  EXPECT_EQ(la::solve(spd({}, 2, f32), spd({}, 2, f64)).dtype(), f64);
}

TEST(Linalg, LargeMatricesAreFactorised) {
  for (DType d : {f32, f64})
    for (std::int64_t n : {33, 100, 261}) {
      double tol = (d == f32 ? 2e-5 : 1e-13) * static_cast<double>(n);
      Tensor a = spd({}, n, d), l = la::cholesky(a), g = random_tensor({n, n}, d, -1, 1, 3), b = random_tensor({n, 7}, d, -1, 1, 4);
      g = sin(square(g) * 999.0);  // no structure
      expect_close(matmul(l, l.t()), a, tol);
      auto [P, L, U] = la::lu(g);
      expect_close(matmul(P, matmul(L, U)), g, tol);
      EXPECT_LE(amax(abs(L)).item<double>(), 1.0) << "multipliers are bounded by partial pivoting";
      auto [P2, L2, U2] = la::lu(g.t());  // columns first
      expect_close(matmul(P2, matmul(L2, U2)), g.t(), tol);
      Tensor shifted = g + eye(n, d) * static_cast<double>(n);
      expect_close(matmul(shifted, la::solve(shifted, b)), b, tol);
      expect_close(matmul(shifted, la::inv(shifted)), eye(n, d), tol);
      expect_close(matmul(l.t(), la::solve_triangular(l.t(), b, {.upper = true})), b, tol);
      auto [sign, log_abs] = la::slogdet(a);
      EXPECT_EQ(sign.item<double>(), 1);
      EXPECT_NEAR(log_abs.item<double>(), 2 * sum(log(diagonal(l))).item<double>(), tol * static_cast<double>(n));
    }
  // Determinants beyond the range of a product on the way: 2^-20 .. 2^20 in one order.
  for (std::int64_t n : {12, 60}) {
    std::vector<double> v(static_cast<std::size_t>(n * n));
    for (std::int64_t i = 0; i < n; ++i) v[static_cast<std::size_t>(i * n + i)] = i < n / 2 ? 1e60 : 1e-60;
    EXPECT_NEAR(la::det(matrix({n, n}, v)).item<double>(), 1, 1e-10);
  }
}

// ---------------------------------------------------------------- no answer
TEST(Linalg, AMatrixThatIsNotPositiveDefiniteGivesNanFromItsPivotOn) {
  for (std::int64_t n : {3, 8, 24, 50})
    for (DType d : {f32, f64}) {
      Tensor good = spd({5}, n, d), parts = good;
      // The minor of order n - 1 fails in matrix 2, the first one in matrix 4.
      auto v = good.to_vector<double>();
      auto at = [&](std::int64_t b, std::int64_t i) -> double& { return v[static_cast<std::size_t>((b * n + i) * n + i)]; };
      at(2, n - 2) = -100;
      at(4, 0) = 0;
      Tensor a = matrix({5, n, n}, v, d), l = la::cholesky(a);
      for (std::int64_t b : {0, 1, 3}) expect_close(l[b], la::cholesky(good[b]), 1e-6);
      EXPECT_TRUE(all_finite(narrow(l[2], 1, 0, n - 2)));
      EXPECT_TRUE(all_nan(l[2][{Slice(n - 2, n), n - 2}]));
      EXPECT_TRUE(std::isnan(l[2][n - 1][n - 1].item<double>()));
      EXPECT_EQ(l[2][0][n - 1].item<double>(), 0) << "above the diagonal";
      EXPECT_TRUE(all_nan(l[4][{Slice(), 0}]));
      auto [L, info] = la::cholesky_ex(a);
      EXPECT_EQ(info.dtype(), i32);
      EXPECT_EQ(info.to_vector<int>(), (std::vector<int>{0, 0, static_cast<int>(n) - 1, 0, 1}));
      expect_throw<ValueError>([&] { la::cholesky(a, {.check = true}); },
                               "linalg::cholesky: matrix [2] of the batch [5] is not positive-definite: its leading minor of order " +
                                   std::to_string(n - 1) + " is not positive");
      EXPECT_NO_THROW(la::cholesky(good, {.check = true}));
    }
  expect_throw<ValueError>(
      [] {
        la::cholesky(matrix({2, 2}, {1, 2, 2, 1}), {.check = true});
      },
      "linalg::cholesky: the matrix is not positive-definite: its leading minor of order 2");
  expect_throw<ValueError>([] { la::cholesky(matrix({2, 1, 1, 1}, {1, nan}), {.check = true}); }, "matrix [1, 0] of the batch [2, 1]");
}

TEST(Linalg, ASingularMatrixGivesInfinitiesOrNanAndItsNumberOnRequest) {
  for (std::int64_t n : {2, 3, 9, 20, 40}) {
    Tensor good = spd({3}, n);
    auto v = good.to_vector<double>();
    for (std::int64_t i = 0; i < n; ++i) v[static_cast<std::size_t>((n + i) * n + n - 1)] = 0;  // the last column of matrix 1
    Tensor a = matrix({3, n, n}, v), b = random_tensor({3, n, 2}, f64, 0.5, 1, 1);
    Tensor x = la::solve(a, b), y = la::inv(a), dets = la::det(a);
    for (std::int64_t i : {0, 2}) expect_close(matmul(a[i], x[i]), b[i], 1e-9);
    EXPECT_FALSE(all_finite(x[1]));
    EXPECT_FALSE(all_finite(y[1]));
    EXPECT_TRUE(all_finite(y[0]));
    EXPECT_EQ(dets[1].item<double>(), 0);
    auto [sign, log_abs] = la::slogdet(a);
    EXPECT_EQ(sign.to_vector<double>(), (std::vector<double>{1, 0, 1}));
    EXPECT_EQ(log_abs[1].item<double>(), -inf);
    auto [LU, pivots, info] = la::lu_factor_ex(a);
    EXPECT_EQ(info.to_vector<int>(), (std::vector<int>{0, static_cast<int>(n), 0}));
    EXPECT_TRUE(all_finite(LU)) << "the factors exist";
    EXPECT_EQ(la::solve_ex(a, b).info.to_vector<int>(), info.to_vector<int>());
    EXPECT_EQ(la::inv_ex(a).info.to_vector<int>(), info.to_vector<int>());
    std::string text = "matrix [1] of the batch [3] is singular: pivot " + std::to_string(n) + " of its LU factorisation is zero";
    expect_throw<ValueError>([&] { la::solve(a, b, {.check = true}); }, "linalg::solve: " + text);
    expect_throw<ValueError>([&] { la::inv(a, {.check = true}); }, "linalg::inv: " + text);
    expect_throw<ValueError>([&] { la::lu_factor(a, {.check = true}); }, "linalg::lu_factor: " + text);
    EXPECT_NO_THROW(la::solve(good, b, {.check = true}));
  }
}

TEST(Linalg, ACheckIsRefusedWhileTracingAndSaysSo) {
  Tensor a = spd({2}, 3), b = random_tensor({2, 3, 1}, f64, -1, 1);
  auto chol = [](const Tensor& x) { return la::cholesky(x, {.check = true}); };
  auto solved = [&](const Tensor& x) { return la::solve(x, b, {.check = true}); };
  const char* text = "check = true reads the matrices, which is refused while they are traced or mapped; use cholesky_ex";
  expect_throw<TracerError>([&] { jit(chol)(a); }, text);
  expect_throw<TracerError>([&] { make_fx(chol)(a); }, text);
  expect_throw<TracerError>([&] { vmap(chol)(a); }, text);
  expect_throw<TracerError>([&] { jit(solved)(a); }, "linalg::solve: check = true");
  // Under grad the values are there.
  auto loss = [&](const Tensor& x) { return sum(chol(x)) + sum(solved(x)); };
  EXPECT_TRUE(all_finite(grad(loss)(a)));
  expect_throw<ValueError>([&] { grad(loss)(a - eye(3, f64) * 9.0); }, "linalg::cholesky: matrix [0] of the batch [2]");
  // The forms with info work everywhere.
  auto info = [](const Tensor& x) { return la::cholesky_ex(x).info; };
  EXPECT_EQ(jit(vmap(info))(a * matrix({2, 1, 1}, {1, -1})).to_vector<int>(), (std::vector<int>{0, 1}));
}

TEST(Linalg, NothingCrashesOnOddValuesAndShapes) {
  std::set<std::string> seen;
  auto run = [&](const Tensor& a) {
    Shape s = a.sizes(), rhs = s;
    for (std::int64_t k : {0, 1, 5}) {
      rhs[rhs.size() - 1] = k;
      Tensor b = random_tensor(rhs, a.dtype(), -1, 1);
      for (bool flag : {false, true}) {
        EXPECT_EQ(la::solve(a, b).sizes(), rhs);
        EXPECT_EQ(la::solve_triangular(a, b, {.upper = flag, .unitriangular = !flag}).sizes(), rhs);
        EXPECT_EQ(la::cholesky_solve(b, a, {.upper = flag}).sizes(), rhs);
        auto f = la::lu_factor(a);
        EXPECT_EQ(la::lu_solve(f.LU, f.pivots, b, {.adjoint = flag}).sizes(), rhs);
      }
    }
    EXPECT_EQ(la::cholesky(a).sizes(), s);
    EXPECT_EQ(la::inv(a).sizes(), s);
    EXPECT_EQ(la::lu(a).P.sizes(), s);
    EXPECT_EQ(la::cholesky_ex(a).info.sizes(), la::lu_factor_ex(a).info.sizes());
    Tensor d = la::det(a);
    EXPECT_EQ(la::slogdet(a).logabsdet.sizes(), d.sizes());
    auto loss = [](const Tensor& x) {
      return sum(la::cholesky(x)) + sum(la::inv(x)) + sum(la::det(x)) + sum(la::slogdet(x).logabsdet) + sum(la::lu_factor(x).LU);
    };
    EXPECT_EQ(grad(loss)(a).sizes(), s);
  };
  for (DType d : {f32, f64})
    for (const Shape& s : {Shape{0, 0}, Shape{1, 1}, Shape{3, 3}, Shape{0, 3, 3}, Shape{3, 0, 0}, Shape{2, 0, 4, 4}, Shape{9, 2, 2}, Shape{5, 5},
                           Shape{17, 17}, Shape{2, 20, 20}, Shape{40, 40}}) {
      run(random_tensor(s, d, -1, 1));
      for (double v : {nan, inf, -inf, 0.0, 1e300, 1e-310, 1e-45, -1.0}) {
        Tensor all = random_tensor(s, d, 0, 0) + v;
        run(all);
        if (all.numel() == 0) continue;
        auto one = random_tensor(s, d, -1, 1).to_vector<double>();
        one[one.size() / 2] = v;
        run(matrix(s, one, d));
      }
    }
  // Of no rows.
  EXPECT_VALUES(la::det(zeros({2, 0, 0}, f64)), (Shape{2}), 1, 1);
  EXPECT_VALUES(la::slogdet(zeros({0, 0}, f64)).sign, Shape{}, 1);
  EXPECT_VALUES(la::slogdet(zeros({0, 0}, f64)).logabsdet, Shape{}, 0);
}

TEST(Linalg, AnUnusedTriangleIsNotRead) {
  Tensor a = matrix({2, 2}, {2, nan, 3, 4}), b = matrix({2, 1}, {2, 11});
  EXPECT_VALUES(la::solve_triangular(a, b), (Shape{2, 1}), 1, 2);
  Tensor unit = matrix({2, 2}, {nan, inf, 3, nan});
  EXPECT_VALUES(la::solve_triangular(unit, b, {.unitriangular = true}), (Shape{2, 1}), 2, 5);
  Tensor low = matrix({2, 2}, {4, nan, 2, 2});
  EXPECT_VALUES(la::cholesky(low, {.symmetrize = false}), (Shape{2, 2}), 2, 0, 1, 1);
  EXPECT_VALUES(la::cholesky(low.t(), {.upper = true, .symmetrize = false}), (Shape{2, 2}), 2, 1, 0, 1);
}

// ---------------------------------------------------------------- determinants of singular matrices
TEST(Linalg, TheDerivativesOfADeterminantAreRightForEveryRank) {
  // Integers, so that minors by cofactor expansion are exact.
  auto minor = [](const std::vector<double>& a, std::size_t n, auto&& self) -> double {
    if (n == 0) return 1;
    double d = 0;
    for (std::size_t j = 0; j < n; ++j) {
      std::vector<double> m;
      for (std::size_t i = 1; i < n; ++i)
        for (std::size_t c = 0; c < n; ++c)
          if (c != j) m.push_back(a[i * n + c]);
      d += (j % 2 ? -1 : 1) * a[j] * self(m, n - 1, self);
    }
    return d;
  };
  struct Case {
    std::size_t n;
    std::vector<double> a;
    int rank;  // at most; -1: not said
  };
  std::vector<Case> cases;
  for (std::size_t n : {4, 5, 6})
    for (std::size_t rank = 0; rank <= n; ++rank) {
      std::vector<double> a(n * n);
      for (std::size_t k = 0; k < rank; ++k)
        for (std::size_t i = 0; i < n; ++i)
          for (std::size_t j = 0; j < n; ++j)
            a[i * n + j] += static_cast<double>((i * i + 3 * i * k + k) % 5) * static_cast<double>((j * j * k + 2 * j + k * k) % 7) -
                            3.0 * static_cast<double>(i == k);
      cases.push_back({n, a, static_cast<int>(rank)});
    }
  cases.push_back({4, {0, 1, 2, 3, 0, 4, 1, 7, 0, 2, 2, 5, 0, 1, 8, 2}, -1});  // the first column is zero: elimination by rows finds no pivot
  for (auto& [n, a, rank] : cases) {
    auto m = static_cast<std::int64_t>(n);
    std::vector<double> want;
    for (std::size_t i = 0; i < n; ++i)
      for (std::size_t j = 0; j < n; ++j) {
        std::vector<double> b;
        for (std::size_t r = 0; r < n; ++r)
          for (std::size_t c = 0; c < n; ++c)
            if (r != i && c != j) b.push_back(a[r * n + c]);
        want.push_back(((i + j) % 2 ? -1 : 1) * minor(b, n - 1, minor));
      }
    Tensor x = matrix({m, m}, a), g = grad([](const Tensor&t) { return la::det(t); })(x);
    double largest = 1;  // of any minor, roughly: Hadamard's bound
    for (double v : a) largest = std::fmax(largest, std::fabs(v));
    largest = std::pow(largest * std::sqrt(static_cast<double>(n)), static_cast<double>(n) - 1);
    expect_close(g / largest, matrix({m, m}, want) / largest, 1e-13);
    expect_close(vmap(grad([](const Tensor& t) { return la::det(t); }))(stack({x, x}))[1], g, 1e-12);
    // Along a line det is a polynomial p of degree n: its derivatives at 0 from the values at 0, 1, .., n.
    Tensor direction = sin(square(random_tensor({m, m}, f64, 1, 2)) * 99.0);
    auto line = [&, x = x](const Tensor& t) { return la::det(x + direction * t); };
    std::vector<double> p;
    for (std::size_t i = 0; i <= n; ++i) {
      auto v = (x + direction * static_cast<double>(i)).to_vector<double>();
      p.push_back(minor(v, n, minor));
    }
    std::vector<double> coefficients(n + 1), basis{1};  // Newton's divided differences, expanded
    for (std::size_t k = 1; k <= n; ++k)
      for (std::size_t i = n; i >= k; --i) p[i] = (p[i] - p[i - 1]) / static_cast<double>(k);
    for (std::size_t k = 0; k <= n; ++k) {
      for (std::size_t i = 0; i < basis.size(); ++i) coefficients[i] += p[k] * basis[i];
      std::vector<double> next(basis.size() + 1);
      for (std::size_t i = 0; i < basis.size(); ++i) {
        next[i + 1] += basis[i];
        next[i] -= static_cast<double>(k) * basis[i];
      }
      basis = next;
    }
    Tensor zero = tensor(0.0, f64);
    double scale = 1;
    for (double c : coefficients) scale = std::fmax(scale, std::fabs(c));
    EXPECT_NEAR(grad(line)(zero).item<double>(), coefficients[1], 1e-8 * scale);
    EXPECT_NEAR(grad(grad(line))(zero).item<double>(), 2 * coefficients[2], 1e-7 * scale);
    EXPECT_NEAR(grad(grad(grad(line)))(zero).item<double>(), 6 * coefficients[3], 1e-6 * scale);
    const double fourth = grad(grad(grad(grad(line))))(zero).item<double>();  // not defined at low rank, and never silently another number
    EXPECT_TRUE(!std::isfinite(fourth) || std::fabs(fourth - 24 * coefficients[4]) < 1e-5 * scale) << fourth << " for " << 24 * coefficients[4];
    if (rank == 0) EXPECT_FALSE(std::isfinite(fourth));
    if (rank >= static_cast<int>(n) - 3) EXPECT_TRUE(std::isfinite(fourth));
  }
  EXPECT_EQ(la::det(matrix({3, 3}, {1, 2, 3, 4, 5, 6, 7, 8, 9})).item<double>(), 0);
  EXPECT_VALUES(hessian([](const Tensor& t) { return la::det(t); })(zeros({2, 2}, f64)), (Shape{2, 2, 2, 2}), 0, 0, 0, 1, 0, 0, -1, 0, 0, -1, 0, 0, 1,
                0, 0, 0);
}

// ---------------------------------------------------------------- programs
TEST(Linalg, AMappedFactorisationIsOneEquation) {
  Tensor a = spd({7}, 3), b = random_tensor({7, 3, 2}, f64, -1, 1);
  auto count = [](const Program& p, const std::string& op) {
    std::size_t n = 0;
    for (auto& e : p.equations()) n += e.op == op;
    return n;
  };
  EXPECT_EQ(make_fx(vmap([](const Tensor& x) { return la::cholesky(x); }))(a).size(), 1u);
  EXPECT_EQ(make_fx(vmap([](const Tensor& x) { return la::det(x); }))(a).size(), 1u);
  EXPECT_EQ(make_fx(vmap([](const Tensor& x, const Tensor& y) { return la::solve(x, y); }))(a, b).size(), 1u);
  // One matrix and mapped right-hand sides: their columns side by side.
  Tensor big = spd({}, 30), many = random_tensor({7, 30, 2}, f64, -1, 1);
  Program p = make_fx(vmap([&](const Tensor& y) { return la::solve(big, y); }))(many);
  EXPECT_EQ(count(p, "solve"), 1u);
  for (auto& e : p.equations())
    if (e.op == "solve") EXPECT_EQ(e.results[0].shape, (Shape{30, 14}));
  // A large system is factorised once for value, gradient and second derivative.
  auto loss = [&](const Tensor& x) { return sum(square(la::solve(x, many[0]))); };
  EXPECT_EQ(count(make_fx(grad(loss))(big), "lu"), 1u);
}

TEST(Linalg, ExpandedProgramsAreTheFactorisations) {
  auto expanded = [](const core::Primitive& p, const core::Params& q, const Vec& in) {
    std::vector<Aval> types;
    for (const Tensor& t : in) types.push_back(t.aval());
    return p.lowering.expand({p, q}, types);
  };
  auto agree = [](const core::ProgramPtr& program, const auto& f, const Vec& in) {
    core::verify(*program);
    auto run = [&](const Vec& x) { return core::eval_program(*program, x)[0]; };
    Tensor y = f(in);
    expect_close(run(in), y, 1e-12);
    Tensor ct = random_tensor(y.sizes(), y.dtype(), -1, 1, 9);
    auto loss = [&](const auto& g) { return [&](const Vec& x) { return sum(g(x) * ct); }; };
    Vec a = grad(loss(run))(in), b = grad(loss(f))(in);
    auto second = [&](const auto& g) { return [&](const Vec& x) { return sum(square(grad(loss(g))(x)[0])); }; };
    Vec c = grad(second(run))(in), d = grad(second(f))(in);
    for (std::size_t k = 0; k < in.size(); ++k) {
      expect_close(a[k], b[k], 1e-10);
      expect_close(c[k], d[k], 1e-9);
    }
  };
  for (const Shape& batch : {Shape{}, Shape{4}, Shape{2, 3}})
    for (std::int64_t n : {1, 2, 3, 6, 8}) {
      Tensor skew = random_tensor(batch.concat({n, n}), f64, -0.1, 0.1, 5);
      Vec a{spd(batch, n) + skew - skew.transpose(-1, -2)};  // not symmetric: its symmetric part is factorised
      auto p = expanded(prims::cholesky_p, {}, a);
      ASSERT_TRUE(p);
      agree(
          p, [](const Vec& x) { return prims::cholesky(x[0]); }, a);
      for (const core::Eqn& e : p->eqns) EXPECT_STRNE(e.prim->name, "cholesky");
      for (int flags = 0; flags < 8; ++flags) {
        prims::TriangularParams q{(flags & 1) != 0, (flags & 2) != 0, (flags & 4) != 0};
        Vec in{a[0], random_tensor(batch.concat({n, 2}), f64, -1, 1, 6)};
        auto t = expanded(prims::triangular_solve_p, core::params(q), in);
        ASSERT_TRUE(t);
        agree(
            t, [&](const Vec& x) { return prims::triangular_solve(x[0], x[1], q); }, in);
      }
    }
  // Where it fails, in the same way.
  Vec bad{matrix({2, 3, 3}, {4, 2, 2, 2, 1, 1, 2, 1, 5, 1, 0, 0, 0, -1, 0, 0, 0, 1})};
  auto p = expanded(prims::cholesky_p, {}, bad);
  auto is = core::eval_program(*p, bad)[0].to_vector<double>(), want = prims::cholesky(bad[0]).to_vector<double>();
  for (std::size_t i = 0; i < is.size(); ++i) EXPECT_TRUE(is[i] == want[i] || (std::isnan(is[i]) && std::isnan(want[i]))) << i;
  // Not for large ones, nor where pivots decide.
  EXPECT_TRUE(expanded(prims::cholesky_p, {}, {spd({}, 16)}));
  EXPECT_FALSE(expanded(prims::cholesky_p, {}, {spd({}, 17)}));
  EXPECT_FALSE(expanded(prims::cholesky_p, {}, {zeros({0, 0}, f64)}));
  EXPECT_EQ(prims::lu_p.lowering.expand, nullptr);
}

TEST(Linalg, MisuseIsExplained) {
  Tensor a = spd({}, 3);
  expect_throw<ShapeError>([] { la::cholesky(zeros({2, 3}, f64)); }, "linalg::cholesky: shape [2, 3] does not hold square matrices [..., n, n]");
  expect_throw<ShapeError>([] { la::det(zeros({3}, f64)); }, "linalg::det: shape [3] has no matrices: at least two dimensions are needed");
  expect_throw<DTypeError>([] { la::inv(zeros({2, 2}, i64)); }, "linalg::inv: not defined for dtype i64; convert with to(f32) or to(f64)");
  expect_throw<DTypeError>([] { la::lu(zeros({2, 2}, f16)); }, "linalg::lu: not defined for dtype f16");
  expect_throw<ValueError>([] { la::slogdet(Tensor()); }, "linalg::slogdet: an operand is an undefined Tensor");
  expect_throw<ShapeError>(
      [&] {
        la::solve(a, zeros({4, 2}, f64));
      },
      "linalg::solve: shape [3, 3] does not fit right-hand sides of shape [4, 2], which need 3 rows");
  expect_throw<ShapeError>([&] { la::solve_triangular(spd({2}, 3), zeros({5, 3, 2}, f64)); }, "solve_triangular");
  expect_throw<ShapeError>([&] { la::solve_triangular(a, zeros({3}, f64)); },
                           "linalg::solve_triangular: shape [3, 3] does not fit right-hand sides of shape [3]");
  auto f = la::lu_factor(a);
  expect_throw<ShapeError>([&] { la::lu_solve(f.LU, zeros({2}, i32), a); },
                           "linalg::lu_solve: shape [3, 3] does not fit its pivots: they are i32 of shape [3]");
  expect_throw<IndexError>([&] { la::lu_solve(f.LU, f.pivots + 9, a); }, "lu_pivots_to_permutation: pivot");
  expect_throw<DTypeError>([] { prims::cholesky(zeros({2, 2}, i64)); }, "cholesky: not defined for dtype i64");
  expect_throw<ShapeError>(
      [] {
        make_fx([](const Tensor& x) { return prims::cholesky(x); })(zeros({2, 3}, f64));
      },
      "cholesky: shape [2, 3] is not that of square matrices");
}

}  // namespace functra
