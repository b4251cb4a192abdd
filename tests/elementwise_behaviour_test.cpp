// What elementwise operations do at kinks, at singular points, with operands of several types; what they refuse.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "functra/functra.h"
#include "functra/prims/math.h"
#include "laws_count.h"

namespace ft = functra;
using ft::Tensor;

namespace {
constexpr double inf = std::numeric_limits<double>::infinity(), NaN = std::numeric_limits<double>::quiet_NaN();

double at(const Tensor& t) { return t.item<double>(); }
Tensor of(double v) { return ft::tensor(v, ft::f64); }
std::vector<double> values(const Tensor& t) { return t.to_vector<double>(); }
#define EXPECT_LAW(...)               \
  do {                                \
    bool ok_ = (__VA_ARGS__);         \
    ft::testing::count_law(ok_);      \
    EXPECT_TRUE(ok_) << #__VA_ARGS__; \
  } while (0)
#define EXPECT_MESSAGE(type, part, ...)                                                                         \
  do {                                                                                                          \
    try {                                                                                                       \
      (void)(__VA_ARGS__);                                                                                      \
      ADD_FAILURE() << "no " #type;                                                                             \
    } catch (const ft::type& e) { EXPECT_NE(std::string(e.what()).find(part), std::string::npos) << e.what(); } \
  } while (0)

// n-th derivative of f at x, by nested grad.
template <int n, class F> double derivative(F f, double x) {
  if constexpr (n == 0) return at(f(of(x)));
  else return derivative<n - 1>(ft::grad(f), x);
}
bool same(double a, double b) { return a == b || (std::isnan(a) && std::isnan(b)); }
}  // namespace

// ---------------------------------------------------------------- ties and kinks
TEST(Elementwise, TiesOfMaximumAndMinimumShareTheDerivative) {
  for (auto f : {ft::maximum, ft::minimum}) {
    auto [a, b] = ft::grad<0, 1>(f)(of(2), of(2));
    EXPECT_LAW(at(a) == 0.5 && at(b) == 0.5);
    auto [y, t] = ft::jvp(f, std::tuple{of(2), of(2)}, std::tuple{of(1), of(3)});
    EXPECT_LAW(at(t) == 2);
    EXPECT_LAW(at(ft::grad([&](const Tensor& x) { return f(x, x); })(of(1.5))) == 1);
    EXPECT_LAW(std::isnan(at(f(NaN, of(1)))) && std::isnan(at(f(of(1), NaN))));
  }
  auto [a, b] =
      ft::grad<0, 1>([](const Tensor& x, const Tensor& y) { return ft::sum(ft::maximum(x, y)); })(ft::tensor({1.0, 2.0, 3.0}), of(2).to(ft::f32));
  EXPECT_EQ(values(a), (std::vector<double>{0, 0.5, 1}));
  EXPECT_EQ(at(b), 1.5);
  Tensor g = ft::vmap(ft::grad([](const Tensor& x) { return ft::maximum(x, 0.0); }))(ft::tensor({-1.0, 0.0, 1.0}));
  EXPECT_EQ(values(g), (std::vector<double>{0, 0.5, 1}));
}
TEST(Elementwise, AnInfiniteDerivativeDoesNotCrossAChoice) {  // 0 * inf is never formed
  auto root = [](const Tensor& x) { return ft::sqrt(ft::maximum(x, 0.0)); };
  EXPECT_LAW(derivative<1>(root, -1) == 0);
  EXPECT_LAW(derivative<1>([](const Tensor& x) { return ft::sqrt(ft::relu(x)); }, -1) == 0);
  EXPECT_LAW(derivative<1>([](const Tensor& x) { return ft::log(ft::clamp(x, 0.0)); }, -1) == 0);
}
TEST(Elementwise, DerivativesAtKinks) {
  EXPECT_LAW(derivative<1>(ft::relu, 0) == 0);
  EXPECT_LAW(std::isnan(at(ft::relu(NaN))));
  EXPECT_LAW(derivative<1>([](const Tensor& x) { return ft::abs(x); }, 0) == 0);
  EXPECT_LAW(derivative<1>([](const Tensor& x) { return ft::clamp(x, -1.0, 1.0); }, 1) == 1);
  EXPECT_LAW(derivative<1>([](const Tensor& x) { return ft::clamp(x, -1.0, 1.0); }, -1) == 1);
  EXPECT_LAW(derivative<1>([](const Tensor& x) { return ft::clamp(x, ft::none, 1.0); }, 2) == 0);
  for (auto f : {ft::floor, ft::ceil, ft::round, ft::trunc, ft::sign}) EXPECT_LAW(derivative<1>(f, 1.3) == 0);
  EXPECT_LAW(derivative<1>([](const Tensor& x) { return (x > 0.0).to(ft::f64) * x; }, 2) == 1);
}
TEST(Elementwise, ChoiceGuardsAResultNotWhatIsComputedForIt) {
  EXPECT_LAW(std::isnan(derivative<1>([](const Tensor& x) { return ft::where(x > 0.0, ft::sqrt(x), 0.0); }, 0)));
  EXPECT_LAW(derivative<1>([](const Tensor& x) { return ft::where(x > 0.0, ft::sqrt(ft::where(x > 0.0, x, 1.0)), 0.0); }, 0) == 0);
}

// ---------------------------------------------------------------- pow
TEST(Pow, AtZeroEveryDerivativeByTheBaseIsExact) {
  const Tensor two = of(2), three = of(3);  // tensors: a primitive of two operands; numbers: an integer power
  auto tensor_two = [&](const Tensor& x) { return ft::pow(x, two); };
  auto number_two = [](const Tensor& x) { return ft::pow(x, 2); };
  auto double_two = [](const Tensor& x) { return ft::pow(x, 2.0); };
  auto check = [](auto f) {
    EXPECT_LAW(derivative<0>(f, 0) == 0 && derivative<1>(f, 0) == 0 && derivative<2>(f, 0) == 2 && derivative<3>(f, 0) == 0);
    EXPECT_LAW(derivative<1>(f, -3) == -6 && derivative<2>(f, -3) == 2 && derivative<3>(f, -3) == 0);
  };
  check(tensor_two);
  check(number_two);
  check(double_two);
  auto cube = [&](const Tensor& x) { return ft::pow(x, three); };
  EXPECT_LAW(derivative<1>(cube, 0) == 0 && derivative<2>(cube, 0) == 0 && derivative<3>(cube, 0) == 6 && derivative<4>(cube, 0) == 0);
}
TEST(Pow, ToTheZerothPower) {
  for (double x : {0.0, -2.0, 3.0, inf}) {
    EXPECT_LAW(derivative<0>([](const Tensor& v) { return ft::pow(v, 0); }, x) == 1);
    EXPECT_LAW(derivative<1>([](const Tensor& v) { return ft::pow(v, 0); }, x) == 0);
    EXPECT_LAW(derivative<1>([](const Tensor& v) { return ft::pow(v, of(0)); }, x) == 0);
  }
}
TEST(Pow, OfZeroTheDerivativeByTheExponentIsZero) {
  for (double y : {0.5, 1.0, 3.0}) {
    EXPECT_LAW(derivative<1>([](const Tensor& e) { return ft::pow(of(0), e); }, y) == 0);
    EXPECT_LAW(derivative<2>([](const Tensor& e) { return ft::pow(of(0), e); }, y) == 0);
  }
  EXPECT_LAW(std::fabs(derivative<1>([](const Tensor& e) { return ft::pow(of(2), e); }, 3) - 8 * std::log(2.0)) < 1e-14);
}
TEST(Pow, OfANegativeBase) {
  auto [a, b] = ft::grad<0, 1>(ft::pow)(of(-2), of(3));
  EXPECT_LAW(at(a) == 12 && std::isnan(at(b)));
  EXPECT_LAW(derivative<2>([](const Tensor& x) { return ft::pow(x, of(3)); }, -2) == -12);
  EXPECT_LAW(std::isnan(at(ft::pow(of(-2), 0.5))));
}
TEST(Pow, BaseAndExponentMappedByVmap) {
  Tensor x = ft::tensor({0.0, 0.0, -2.0, 3.0}, ft::f64), y = ft::tensor({2.0, 0.0, 3.0, 0.0}, ft::f64);
  auto second = ft::grad(ft::grad(ft::pow));
  EXPECT_EQ(values(ft::vmap(ft::grad(ft::pow))(x, y)), (std::vector<double>{0, 0, 12, 0}));
  EXPECT_EQ(values(ft::vmap(second)(x, y)), (std::vector<double>{2, 0, -12, 0}));
}
TEST(Pow, MixedDerivativesAreSymmetric) {
  for (double y : {0.0, 1.0, 2.5})
    for (double x : {0.5, 3.0}) {
      double xy = at(ft::grad([&](const Tensor& e) { return ft::grad(ft::pow)(of(x), e); })(of(y)));
      double yx = at(ft::grad([&](const Tensor& b) { return ft::grad<1>(ft::pow)(b, of(y)); })(of(x)));
      double want = std::pow(x, y - 1) * (1 + y * std::log(x));
      EXPECT_LAW(std::fabs(xy - want) < 1e-13 && std::fabs(yx - want) < 1e-13);
    }
}
TEST(Pow, OfIntegers) {
  Tensor x = ft::tensor({-3, 0, 2});
  EXPECT_EQ(values(ft::pow(x, 3)), (std::vector<double>{-27, 0, 8}));
  EXPECT_EQ(ft::pow(x, 3).dtype(), ft::i64);
  EXPECT_EQ(ft::pow(x, 2.0).dtype(), ft::f32);
  EXPECT_MESSAGE(ValueError, "negative power", ft::pow(x, -1));
  EXPECT_MESSAGE(DTypeError, "integer tensor", ft::pow(x, x));
}

// ---------------------------------------------------------------- derivatives of smooth functions
TEST(Elementwise, HighDerivativesOfSmoothFunctions) {
  EXPECT_LAW(std::fabs(derivative<2>(ft::softplus, 0) - 0.25) < 1e-15);
  EXPECT_LAW(derivative<1>(ft::softplus, 0) == 0.5);
  EXPECT_LAW(std::fabs(derivative<4>(ft::exp, 1) - std::exp(1.0)) < 1e-14);
  EXPECT_LAW(std::fabs(derivative<3>(ft::log, 2) - 0.25) < 1e-15);
  EXPECT_LAW(std::fabs(derivative<3>(ft::tanh, 0) + 2) < 1e-15);
  EXPECT_LAW(std::fabs(derivative<2>(ft::sigmoid, 0)) < 1e-15);
  EXPECT_LAW(std::fabs(derivative<3>(ft::atan, 0) + 2) < 1e-14);
  EXPECT_LAW(std::fabs(derivative<3>(ft::asin, 0) - 1) < 1e-14);
  EXPECT_LAW(std::fabs(derivative<2>(ft::gelu, 0) - 2 / std::sqrt(2 * M_PI)) < 1e-14);
}
TEST(Elementwise, StopGradientIsTheIdentityWithoutADerivative) {
  auto f = [](const Tensor& x) { return ft::stop_gradient(x) * x; };
  EXPECT_LAW(derivative<0>(f, 3) == 9 && derivative<1>(f, 3) == 3 && derivative<2>(f, 3) == 0);
  EXPECT_LAW(derivative<1>(ft::stop_gradient, 3) == 0);
  Tensor y = ft::vmap(ft::grad(f))(ft::tensor({1.0, 2.0}));
  EXPECT_EQ(values(y), (std::vector<double>{1, 2}));
}
TEST(Elementwise, ThroughIntegersTheDerivativeIsZero) {
  EXPECT_LAW(derivative<1>([](const Tensor& x) { return x.to(ft::i32).to(ft::f64) * x; }, 2.5) == 2);
}
TEST(Elementwise, CotangentsHaveTheDtypeOfTheirPrimal) {
  auto f = [](const Tensor& a, const Tensor& b) { return ft::sum(a.to(ft::f64) * b); };
  auto [a, b] = ft::grad<0, 1>(f)(ft::tensor({1.0, 2.0}), ft::tensor({3.0, 4.0}, ft::f64));
  EXPECT_EQ(a.dtype(), ft::f32);
  EXPECT_EQ(b.dtype(), ft::f64);
  EXPECT_EQ(values(a), (std::vector<double>{3, 4}));
  EXPECT_EQ(ft::grad([](const Tensor& x) { return ft::sum(x * 2.0) * of(1); })(ft::tensor({1.0})).dtype(), ft::f32);
}

// ---------------------------------------------------------------- types
TEST(Elementwise, ResultTypesAreThoseOfTorch) {
  Tensor i = ft::tensor({1, 2}), b = ft::tensor({true, false}), f = ft::tensor({1.0, 2.0}), d = ft::tensor({1.0, 2.0}, ft::f64);
  EXPECT_EQ(ft::exp(i).dtype(), ft::f32);
  EXPECT_EQ(ft::sigmoid(b).dtype(), ft::f32);
  EXPECT_EQ(ft::floor(i).dtype(), ft::i64);
  EXPECT_EQ((i < 1.5).dtype(), ft::bool_);
  EXPECT_EQ(values(i < 1.5), (std::vector<double>{1, 0}));
  EXPECT_EQ((i % 2).dtype(), ft::i64);
  EXPECT_EQ((b + b).dtype(), ft::bool_);
  EXPECT_EQ(values(b + b), (std::vector<double>{1, 0}));
  EXPECT_EQ((b * b).dtype(), ft::bool_);
  EXPECT_EQ((b & i).dtype(), ft::i64);
  EXPECT_EQ(ft::maximum(i, f).dtype(), ft::f32);
  EXPECT_EQ(ft::where(b, f, d).dtype(), ft::f64);
  EXPECT_EQ(ft::where(b, 1.0, 0.0).dtype(), ft::f32);
  EXPECT_EQ(ft::where(b, 1, 0).dtype(), ft::i64);
  EXPECT_EQ(ft::where(b, d, 0).dtype(), ft::f64);
  EXPECT_EQ(ft::clamp(i, 0.5).dtype(), ft::f32);
  EXPECT_EQ(ft::clamp(i, 0, 1).dtype(), ft::i64);
  EXPECT_EQ(ft::square(i).dtype(), ft::i64);
  EXPECT_EQ(ft::sin(2.0).dtype(), ft::f32);
  EXPECT_EQ((d * ft::sin(2.0)).dtype(), ft::f64);
  EXPECT_EQ((f * ft::sin(2.0)).dtype(), ft::f32);
  EXPECT_EQ(ft::vmap([](const Tensor& m) { return ft::where(m, 1.0, 0.0); })(b).dtype(), ft::f32);
}
TEST(Elementwise, OperatorsOfTruthValuesAndBits) {
  Tensor m = ft::tensor({true, false, true}), n = ft::tensor({true, true, false}), i = ft::tensor({5, -6, 7});
  EXPECT_EQ(values(!m), (std::vector<double>{0, 1, 0}));
  EXPECT_EQ(values(~m), (std::vector<double>{0, 1, 0}));
  EXPECT_EQ(values(m & n), (std::vector<double>{1, 0, 0}));
  EXPECT_EQ(values(m | n), (std::vector<double>{1, 1, 1}));
  EXPECT_EQ(values(m ^ n), (std::vector<double>{0, 1, 1}));
  EXPECT_EQ(values(~i), (std::vector<double>{-6, 5, -8}));
  EXPECT_EQ(values(i << 2), (std::vector<double>{20, -24, 28}));
  EXPECT_EQ(values(i >> 1), (std::vector<double>{2, -3, 3}));
  EXPECT_EQ(values(ft::prims::shift_right_logical(ft::tensor(std::vector<std::int8_t>{-8, 8}), ft::tensor(std::vector<std::int8_t>{1, 1}))),
            (std::vector<double>{124, 4}));
  EXPECT_EQ(values(!ft::tensor({0.0, 2.0})), (std::vector<double>{1, 0}));
  EXPECT_EQ(values(i == ft::tensor({5, 6, 7})), (std::vector<double>{1, 0, 1}));
  EXPECT_EQ(values(i != 5), (std::vector<double>{0, 1, 1}));
  EXPECT_TRUE(bool(of(1) < of(2)) && !bool(of(NaN) == of(NaN)) && bool(of(NaN) != of(NaN)));
}
TEST(Elementwise, ClampOfCrossedBoundsIsTheUpperOne) {
  EXPECT_EQ(at(ft::clamp(of(0), 3.0, 1.0)), 1);
  EXPECT_EQ(at(ft::clamp(of(5), 3.0, 1.0)), 1);
  EXPECT_TRUE(std::isnan(at(ft::clamp(of(NaN), 0.0, 1.0))));
}
TEST(Elementwise, MembersAreTheFunctions) {
  Tensor x = ft::tensor({0.5, 2.0}, ft::f64);
  auto is = [](const Tensor& a, const Tensor& b) {
    auto p = values(a), q = values(b);
    return p.size() == q.size() && std::equal(p.begin(), p.end(), q.begin(), same);
  };
  EXPECT_TRUE(is(x.exp(), ft::exp(x)) && is(x.log(), ft::log(x)) && is(x.sin(), ft::sin(x)) && is(x.cos(), ft::cos(x)) && is(x.tanh(), ft::tanh(x)) &&
              is(x.sqrt(), ft::sqrt(x)));
  EXPECT_TRUE(is((-x).abs(), x) && is(x.square(), x * x) && is(x.sigmoid(), ft::sigmoid(x)) && is(x.pow(2.5), ft::pow(x, 2.5)));
}

// ---------------------------------------------------------------- what is refused
TEST(Elementwise, ErrorsNameTheOperationAndTheRepair) {
  Tensor f = ft::tensor({1.0, 2.0}), g = ft::tensor({1.0, 2.0, 3.0});
  EXPECT_MESSAGE(ShapeError, "maximum", ft::maximum(f, g));
  EXPECT_MESSAGE(ShapeError, "[2]", f < g);
  EXPECT_MESSAGE(DTypeError, "takes integers and bools", f & f);
  EXPECT_MESSAGE(DTypeError, "takes integers", f << 1);
  EXPECT_MESSAGE(DTypeError, "not bool", ft::where(f, f, f));
  EXPECT_MESSAGE(ValueError, "min, max or both", ft::clamp(f));
  EXPECT_MESSAGE(ValueError, "undefined", ft::exp(Tensor()));
  EXPECT_MESSAGE(ValueError, "undefined", Tensor().to(ft::f32));
  EXPECT_MESSAGE(DTypeError, "exp", ft::exp(f.to(ft::c64)));
}
