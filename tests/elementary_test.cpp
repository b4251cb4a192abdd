// Values and derivatives of the rarer elementwise functions where formulas have a hole: zeros, ties, infinities; what they refuse.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "functra/functra.h"
#include "laws_count.h"
#include "support/close.h"

namespace ft = functra;
using ft::Tensor;

namespace {
constexpr double inf = std::numeric_limits<double>::infinity(), NaN = std::numeric_limits<double>::quiet_NaN(), pi = 3.14159265358979324;

double at(const Tensor& t) { return t.item<double>(); }
Tensor of(double v) { return ft::tensor(v, ft::f64); }
template <int n, class F> double derivative(F f, double x) {
  if constexpr (n == 0) return at(f(of(x)));
  else return derivative<n - 1>(ft::grad(f), x);
}
#define EXPECT_LAW(...)               \
  do {                                \
    bool ok_ = (__VA_ARGS__);         \
    ft::testing::count_law(ok_);      \
    EXPECT_TRUE(ok_) << #__VA_ARGS__; \
  } while (0)
}  // namespace

TEST(Elementary, SincIsExactAtZeroAtEveryOrder) {
  auto near = [](double a, double b) { return std::fabs(a - b) <= 1e-13 * std::fabs(b); };
  EXPECT_LAW(derivative<0>(ft::sinc, 0) == 1 && derivative<1>(ft::sinc, 0) == 0 && derivative<3>(ft::sinc, 0) == 0);
  EXPECT_LAW(near(derivative<2>(ft::sinc, 0), -pi * pi / 3));
  EXPECT_LAW(near(derivative<4>(ft::sinc, 0), pi * pi * pi * pi / 5));
  // The first derivative is -pi^2 x / 3 near 0, where cos(pi x) - sinc(x) has no digits left.
  EXPECT_LAW(near(derivative<1>(ft::sinc, 1e-9), -pi * pi / 3 * 1e-9));
}
TEST(Elementary, LogaddexpAtTiesAndInfinities) {
  auto f = [](const Tensor& x) { return ft::logaddexp(x, 1.5); };
  EXPECT_LAW(derivative<1>(f, 1.5) == 0.5 && derivative<2>(f, 1.5) == 0.25 && derivative<3>(f, 1.5) == 0);
  auto slopes = ft::grad<0, 1>(ft::logaddexp);
  auto [a, b] = slopes(of(-inf), of(-inf));
  EXPECT_LAW(at(a) == 0.5 && at(b) == 0.5);
  auto [c, d] = slopes(of(-inf), of(2));
  EXPECT_LAW(at(c) == 0 && at(d) == 1 && at(ft::logaddexp(-inf, of(2))) == 2);
  EXPECT_LAW(at(ft::logaddexp(of(1000), of(1000))) == 1000 + std::log(2.0) && std::isnan(at(ft::logaddexp(NaN, of(1)))));
}
TEST(Elementary, XlogyAtZero) {
  auto [a, b] = ft::grad<0, 1>(ft::xlogy)(of(0), of(0));
  EXPECT_LAW(at(a) == 0 && at(b) == 0 && at(ft::xlogy(of(0), of(0))) == 0);
  auto [c, d] = ft::grad<0, 1>(ft::xlogy)(of(0), of(2));
  EXPECT_LAW(at(c) == std::log(2.0) && at(d) == 0);
  auto [e, g] = ft::grad<0, 1>(ft::xlog1py)(of(0), of(-1));
  EXPECT_LAW(at(e) == 0 && at(g) == 0);
  auto entropy = [](const Tensor& p) { return -ft::sum(ft::xlogy(p, p)); };  // of a distribution with an empty class
  EXPECT_LAW(at(entropy(ft::tensor({0.0, 1.0}, ft::f64))) == 0 && at(ft::grad(entropy)(ft::tensor({0.0, 1.0}, ft::f64))[1]) == -1);
}
TEST(Elementary, HypotAndCopysignAtZeroHaveDerivativeZero) {
  auto [a, b] = ft::grad<0, 1>(ft::hypot)(of(0), of(0));
  EXPECT_LAW(at(a) == 0 && at(b) == 0);
  EXPECT_LAW(derivative<1>([](const Tensor& x) { return ft::copysign(x, -1.0); }, 0) == 0);
  EXPECT_LAW(derivative<1>([](const Tensor& x) { return ft::copysign(x, -1.0); }, 3) == -1);
  EXPECT_LAW(at(ft::hypot(1e300, of(1e300))) == std::hypot(1e300, 1e300));
}
TEST(Elementary, ReplacedValuesHaveDerivativeZero) {
  Tensor x = ft::tensor({1.0, inf, -inf, NaN}, ft::f64);
  EXPECT_EQ(ft::grad([](const Tensor& v) { return ft::sum(ft::nan_to_num(v)); })(x).to_vector<double>(), (std::vector<double>{1, 0, 0, 0}));
  for (ft::DType d : {ft::f16, ft::bf16, ft::f32, ft::f64}) {
    Tensor y = ft::nan_to_num(x.to(d));
    EXPECT_LAW(y.dtype() == d && at(y[3]) == 0 && std::isfinite(at(y[1])) && at(y[2]) == -at(y[1]) && std::isinf(at((y[1] * 1.01).to(d))));
  }
  EXPECT_LAW(ft::nan_to_num(ft::tensor({1, 2})).dtype() == ft::i64);
}
TEST(Elementary, IntegersAreDividedExactlyAndConvertedWhereFunctionsNeedIt) {
  Tensor a = ft::tensor({-7, 7}), b = ft::tensor({2, -2});
  EXPECT_EQ(ft::fmod(a, b).to_vector<std::int64_t>(), (std::vector<std::int64_t>{-1, 1}));
  EXPECT_EQ(ft::floor_divide(a, b).to_vector<std::int64_t>(), (std::vector<std::int64_t>{-4, -4}));
  EXPECT_LAW(ft::floor_divide(a, b).dtype() == ft::i64 && ft::log2(ft::tensor(8)).dtype() == ft::f32 &&
             ft::hypot(3, ft::tensor(4)).item<double>() == 5);
  EXPECT_LAW(ft::float_power(ft::tensor(2), -1).dtype() == ft::f64 && ft::float_power(ft::tensor(2), -1).item<double>() == 0.5);
  EXPECT_LAW(at(ft::floor_divide(of(-0.3), of(0.1))) == -3 && ft::frac(of(-1.25)).item<double>() == -0.25);
}
TEST(Elementary, RefuseComplexAndUndefinedOperands) {
  Tensor z = ft::zeros({2}, ft::c64);
  EXPECT_THROW((void)ft::log2(z), ft::DTypeError);
  EXPECT_THROW((void)ft::hypot(z, z), ft::DTypeError);
  for (auto f : {ft::exp2, ft::cbrt, ft::sinc, ft::frac, ft::signbit, ft::isposinf}) EXPECT_THROW((void)f(Tensor()), ft::ValueError);
  for (auto f : {ft::hypot, ft::xlogy, ft::fmax, ft::heaviside, ft::ldexp, ft::float_power}) EXPECT_THROW((void)f(Tensor(), 1.0), ft::ValueError);
  EXPECT_THROW((void)ft::nan_to_num(Tensor()), ft::ValueError);
}
