// Elementwise formulas on every instruction set of this machine: accuracy against long double, special values, agreement of loops,
// single elements and emitted code, strides.
#include <gtest/gtest.h>

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <random>
#include <vector>

#include "functra/kernels/elementwise.h"
#include "tests/laws_count.h"
#include "tests/support/num_formulas.h"

namespace functra {
namespace {
using testing::tables_of, testing::ulps;

constexpr double allowed = 4;  // units of the last place; FUNCTRA_PRINT_ULPS=1 prints what is reached

template <class T> std::vector<T> specials() {
  using L = std::numeric_limits<T>;
  std::vector<T> r;
  for (T x : {T(0), L::denorm_min(), T(L::denorm_min() * 5), T(L::min() / 2), T(std::nextafter(L::min(), T(0))), L::min(), L::epsilon(), T(L::epsilon() / 4), T(1e-5), T(0.25),
              T(0.41421357), T(0.5), T(0.7071068), T(0.75), T(std::nextafter(T(1), T(0))), T(1), T(std::nextafter(T(1), T(2))), T(1.5), T(2), T(2.5), T(3), T(M_PI), T(M_PI / 2),
              T(M_PI / 4), T(10), T(22), T(27.2), T(88.7), T(89), T(103.9), T(104), T(127), T(128), T(709.7), T(709.8), T(710.47), T(745.1), T(746), T(1023), T(1024), T(1075),
              T(65536), T(65537), T(8388607.5), T(8388609), T(1e10), T(0x1p40), T(0x1.8p41), T(1e22), T(L::max() / 4), T(L::max() / 2), L::max(), L::infinity()}) {
    r.push_back(x);
    r.push_back(-x);
  }
  r.push_back(L::quiet_NaN());
  return r;
}
template <class T> std::vector<T> samples(double lo, double hi, int n, unsigned seed) {
  std::vector<T> r = specials<T>();
  std::mt19937_64 g(seed);
  std::uniform_real_distribution<double> within(lo, hi), mantissa(1, 2), unit(0, 1);
  for (int i = 0; i < n; ++i) {
    r.push_back(static_cast<T>(within(g)));
    const int range = sizeof(T) == 4 ? 149 : 1074;
    T x = static_cast<T>(std::ldexp(mantissa(g), static_cast<int>(unit(g) * (2 * range - 22)) - range));  // any magnitude
    if (i % 2) x = static_cast<T>(std::ldexp(mantissa(g), static_cast<int>(unit(g) * 40) - 30));
    r.push_back(g() & 1 ? -x : x);
  }
  return r;
}

template <class T> void accuracy(const testing::UnaryCase& c) {
  const auto x = samples<T>(c.lo, c.hi, 20000, 1);
  std::vector<T> y(x.size());
  const void* in[] = {x.data()};
  for (const auto& [target, table] : tables_of(*c.formula)) {
    table->loop[static_cast<int>(dtype_of<T>)](in, y.data(), static_cast<std::int64_t>(x.size()), 0, nullptr);
    double worst = 0;
    T at = 0, got = 0;
    for (std::size_t i = 0; i < x.size(); ++i) {
      const double u = ulps(y[i], c.reference(x[i]));
      if (u > worst) { worst = u; at = x[i]; got = y[i]; }
    }
    testing::count_law(worst <= allowed);
    if (std::getenv("FUNCTRA_PRINT_ULPS")) std::printf("%-10s %s %-6s %.2f ulp\n", c.formula->name, std::string(name_of(dtype_of<T>)).c_str(), target, worst);
    EXPECT_LE(worst, allowed) << c.formula->name << "<" << name_of(dtype_of<T>) << "> on " << target << " of " << std::hexfloat << at << std::defaultfloat << " (" << at << ") gives "
                              << got << ", is " << static_cast<double>(c.reference(at));
  }
}
TEST(Num, UnaryFormulasAreAccurate) {
  for (const auto& c : testing::unary_cases()) {
    accuracy<float>(c);
    accuracy<double>(c);
  }
}

template <class T> void accuracy(const testing::BinaryCase& c) {
  std::vector<T> x, y;
  for (T a : specials<T>()) for (T b : specials<T>()) { x.push_back(a); y.push_back(b); }
  const auto near = samples<T>(-5, 5, 10000, 2), far = samples<T>(-30, 30, 10000, 3);
  for (std::size_t i = 0; i < near.size(); ++i) {
    x.push_back(near[i]); y.push_back(far[(i * 7) % far.size()]);
    x.push_back(std::fabs(near[i])); y.push_back(far[(i * 11 + 5) % far.size()]);
    x.push_back(near[i]); y.push_back(std::rint(far[(i * 13 + 2) % far.size()]));
    x.push_back(1 + near[i] * T(1e-4)); y.push_back(far[i] * 1000);
  }
  std::vector<T> z(x.size());
  const void* in[] = {x.data(), y.data()};
  for (const auto& [target, table] : tables_of(*c.formula)) {
    table->loop[static_cast<int>(dtype_of<T>)](in, z.data(), static_cast<std::int64_t>(x.size()), 0, nullptr);
    double worst = 0;
    std::size_t at = 0;
    for (std::size_t i = 0; i < x.size(); ++i) {
      const double u = ulps(z[i], c.reference(x[i], y[i]));
      if (u > worst) { worst = u; at = i; }
    }
    testing::count_law(worst <= allowed);
    if (std::getenv("FUNCTRA_PRINT_ULPS")) std::printf("%-10s %s %-6s %.2f ulp\n", c.formula->name, std::string(name_of(dtype_of<T>)).c_str(), target, worst);
    EXPECT_LE(worst, allowed) << c.formula->name << "<" << name_of(dtype_of<T>) << "> on " << target << " of " << x[at] << ", " << y[at] << " gives " << z[at] << ", is "
                              << static_cast<double>(c.reference(x[at], y[at]));
  }
}
TEST(Num, BinaryFormulasAreAccurate) {
  for (const auto& c : testing::binary_cases()) {
    accuracy<float>(c);
    accuracy<double>(c);
  }
}

// Neither the place in an array nor the way of evaluation may show.
template <class T> bool same_bits(T a, T b) { return std::memcmp(&a, &b, sizeof(T)) == 0 || (a != a && b != b); }
template <class T> void positions(const Formula& f) {
  const auto x = samples<T>(-3, 3, 300, 4);
  std::vector<T> y(x.size() + 1);
  for (const auto& [target, t] : tables_of(f)) {
    for (std::int64_t n : {std::int64_t(x.size()), std::int64_t(0), std::int64_t(1), std::int64_t(3), std::int64_t(17)}) {
      for (std::int64_t from : {0, 1, 5}) {
        if (n + from > static_cast<std::int64_t>(x.size())) continue;
        const void* in[] = {x.data() + from};
        y[static_cast<std::size_t>(n)] = T(-77);
        t->loop[static_cast<int>(dtype_of<T>)](in, y.data(), n, 0, nullptr);
        for (std::int64_t i = 0; i < n; ++i) {
          T one;
          const void* at[] = {x.data() + from + i};
          t->one[static_cast<int>(dtype_of<T>)](at, &one, nullptr);
          ASSERT_TRUE(same_bits(y[i], one)) << f.name << " on " << target << " of " << x[from + i] << ": " << y[i] << " in a loop, " << one << " alone";
        }
        EXPECT_EQ(y[static_cast<std::size_t>(n)], T(-77)) << f.name << ": written past the end";
      }
    }
  }
}
TEST(Num, LoopsAgreeWithSingleElementsBitForBit) {
  for (const auto& c : testing::unary_cases()) {
    positions<float>(*c.formula);
    positions<double>(*c.formula);
  }
}

TEST(Num, MinAndMaxPropagateNaN) {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  for (const char* name : {"min", "max"})
    for (const auto& [target, t] : tables_of(testing::formula_of(name))) {
      std::vector<double> a(16, nan), b(16, 1), r(16);
      const void *ab[] = {a.data(), b.data()}, *ba[] = {b.data(), a.data()};
      t->loop[int(f64)](ab, r.data(), 16, 0, nullptr);
      EXPECT_TRUE(std::isnan(r[3])) << name << target;
      t->loop[int(f64)](ba, r.data(), 16, 0, nullptr);
      EXPECT_TRUE(std::isnan(r[3])) << name << target;
      EXPECT_TRUE(std::isnan(t->f64_2(nan, 1)) && std::isnan(t->f64_2(1, nan)));
    }
}

TEST(Num, IntegersWrapAndDivideEverywhere) {
  auto run = [](const char* name, std::int8_t a, std::int8_t b) {
    std::int8_t r = 0;
    const void* in[] = {&a, &b};
    testing::formula_of(name).table().loop[int(i8)](in, &r, 1, 0, nullptr);
    return static_cast<int>(r);
  };
  EXPECT_EQ(run("add", 127, 1), -128);
  EXPECT_EQ(run("mul", -128, -1), -128);
  EXPECT_EQ(run("div", 7, 0), 0);
  EXPECT_EQ(run("div", -128, -1), -128);
  EXPECT_EQ(run("div", -7, 2), -3);
  EXPECT_EQ(run("fmod", -7, 2), -1);
  EXPECT_EQ(run("remainder", -7, 2), 1);
  EXPECT_EQ(run("remainder", 7, -2), -1);
  EXPECT_EQ(run("remainder", -128, -1), 0);
  EXPECT_EQ(run("floor_divide", -7, 2), -4);
  EXPECT_EQ(run("floor_divide", 7, 2), 3);
  EXPECT_EQ(run("shift_left", 3, 9), 0);
  EXPECT_EQ(run("shift_left", 3, 6), -64);
  EXPECT_EQ(run("shift_right", -3, 100), -1);
  EXPECT_EQ(run("shift_right", -8, 2), -2);
  EXPECT_EQ(run("bitwise_xor", 12, 10), 6);
  EXPECT_EQ(run("sign", -5, 0), -1);
  EXPECT_EQ(run("abs", -128, 0), -128);
}

TEST(Num, ParametersReachTheFormula) {
  for (std::int64_t n : {-3, -1, 0, 1, 2, 7, 10}) {
    std::vector<double> x = {-2, -1.5, 0, 0.5, 3}, y(5);
    const void* in[] = {x.data()};
    testing::formula_of("integer_pow").loop(f64)(in, y.data(), 5, 0, &n);
    for (int i = 0; i < 5; ++i) EXPECT_LE(ulps(y[i], std::pow(static_cast<long double>(x[i]), n)), 4) << x[i] << " ^ " << n;
  }
}

TEST(Num, FloorDivisionIsThatOfPython) {
  const double inf = std::numeric_limits<double>::infinity();
  auto f = testing::formula_of("floor_divide").table().f64_2;
  EXPECT_EQ(f(7, 2), 3);
  EXPECT_EQ(f(-7, 2), -4);
  EXPECT_EQ(f(7, -2), -4);
  EXPECT_EQ(f(1, 0.1), 9);
  EXPECT_EQ(f(-1, inf), -1);
  EXPECT_EQ(f(1, 0), inf);
  EXPECT_TRUE(std::isnan(f(inf, 2)));
}

TEST(Elementwise, StridesAreFollowed) {
  std::vector<float> a(60), b(5), r(60);
  for (int i = 0; i < 60; ++i) a[i] = static_cast<float>(i);
  for (int i = 0; i < 5; ++i) b[i] = static_cast<float>(i + 1);
  const Shape shape{4, 3, 5}, sa{1, 4, 12}, sb{0, 0, 1};
  const kernels::Operand in[] = {{a.data(), &sa, 4}, {b.data(), &sb, 4}};
  kernels::elementwise(testing::formula_of("mul").loop(f32), in, r.data(), 4, shape);
  int k = 0;
  for (int i = 0; i < 4; ++i) for (int j = 0; j < 3; ++j) for (int l = 0; l < 5; ++l) EXPECT_EQ(r[k++], a[i + 4 * j + 12 * l] * b[l]);
  bool less[60];
  kernels::elementwise(testing::formula_of("less").loop(f32), in, less, 1, shape);
  k = 0;
  for (int i = 0; i < 4; ++i) for (int j = 0; j < 3; ++j) for (int l = 0; l < 5; ++l) EXPECT_EQ(less[k++], a[i + 4 * j + 12 * l] < b[l]);
  EXPECT_TRUE(testing::formula_of("less").predicate);
  EXPECT_FALSE(testing::formula_of("mul").predicate);
}

TEST(Elementwise, RandomStridesAgreeWithALoopOverIndices) {
  std::mt19937 g(7);
  auto pick = [&](int lo, int hi) { return std::uniform_int_distribution<int>(lo, hi)(g); };
  std::vector<double> data(400000);
  for (std::size_t i = 0; i < data.size(); ++i) data[i] = static_cast<double>(i % 1013);
  for (int round = 0; round < 200; ++round) {
    const int rank = pick(0, 5);
    Shape shape, strides[3];
    for (int d = 0; d < rank; ++d) shape.push_back(round % 10 == 0 && d == 0 ? pick(0, 700) : pick(1, rank > 3 ? 5 : 11));
    kernels::Operand in[3];
    for (int k = 0; k < 3; ++k) {
      for (int d = 0; d < rank; ++d) strides[k].push_back(pick(0, 3) == 0 ? 0 : pick(-40, 40));
      if (pick(0, 3) == 0) strides[k] = row_major(shape);
      in[k] = {data.data() + 200000 + k, &strides[k], 8};
    }
    std::vector<double> r(static_cast<std::size_t>(shape.numel()));
    kernels::elementwise(testing::formula_of("axpy").loop(f64), in, r.data(), 8, shape, nullptr, round % 3 ? 0.5 : 1000);
    Shape at = Shape::filled(static_cast<std::size_t>(rank), 0);
    for (std::size_t i = 0; i < r.size(); ++i) {
      double v[3];
      for (int k = 0; k < 3; ++k) {
        std::int64_t offset = 200000 + k;
        for (int d = 0; d < rank; ++d) offset += at[d] * strides[k][d];
        v[k] = data[static_cast<std::size_t>(offset)];
      }
      ASSERT_EQ(r[i], v[0] * v[1] + v[2]) << "round " << round << " of shape " << shape.str();
      for (int d = rank - 1; d >= 0 && ++at[d] == shape[d]; --d) at[d] = 0;
    }
  }
}

}  // namespace
}  // namespace functra
