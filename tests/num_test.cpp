// Elementwise formulas on every instruction set of this machine: accuracy against long double, special values, agreement of loops,
// single elements and emitted code, strides.
#include <gtest/gtest.h>

#include <cmath>
#include <complex>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <random>
#include <vector>

#include "functra/kernels/cast.h"
#include "functra/kernels/elementwise.h"
#include "tests/laws_count.h"
#include "tests/support/num_formulas.h"
#include "tests/support/test_emitter.h"

namespace functra {
namespace {
using testing::tables_of, testing::ulps;

constexpr double allowed = 4;  // units of the last place; FUNCTRA_PRINT_ULPS=1 prints what is reached

template <class T> std::vector<T> specials() {
  using L = std::numeric_limits<T>;
  std::vector<T> r;
  for (T x : {T(0),
              L::denorm_min(),
              T(L::denorm_min() * 5),
              T(L::min() / 2),
              T(std::nextafter(L::min(), T(0))),
              L::min(),
              L::epsilon(),
              T(L::epsilon() / 4),
              T(1e-5),
              T(0.25),
              T(0.41421357),
              T(0.5),
              T(0.7071068),
              T(0.75),
              T(std::nextafter(T(1), T(0))),
              T(1),
              T(std::nextafter(T(1), T(2))),
              T(1.5),
              T(2),
              T(2.5),
              T(3),
              T(M_PI),
              T(M_PI / 2),
              T(M_PI / 4),
              T(10),
              T(22),
              T(27.2),
              T(88.7),
              T(89),
              T(103.9),
              T(104),
              T(127),
              T(128),
              T(709.7),
              T(709.8),
              T(710.47),
              T(745.1),
              T(746),
              T(1023),
              T(1024),
              T(1075),
              T(65536),
              T(65537),
              T(8388607.5),
              T(8388609),
              T(1e10),
              T(0x1p40),
              T(0x1.8p41),
              T(1e22),
              T(L::max() / 4),
              T(L::max() / 2),
              L::max(),
              L::infinity()}) {
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
      if (u > worst) {
        worst = u;
        at = x[i];
        got = y[i];
      }
    }
    testing::count_law(worst <= allowed);
    if (std::getenv("FUNCTRA_PRINT_ULPS"))
      std::printf("%-10s %s %-6s %.2f ulp\n", c.formula->name, std::string(name_of(dtype_of<T>)).c_str(), target, worst);
    EXPECT_LE(worst, allowed) << c.formula->name << "<" << name_of(dtype_of<T>) << "> on " << target << " of " << std::hexfloat << at
                              << std::defaultfloat << " (" << at << ") gives " << got << ", is " << static_cast<double>(c.reference(at));
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
  for (T a : specials<T>())
    for (T b : specials<T>()) {
      x.push_back(a);
      y.push_back(b);
    }
  const auto near = samples<T>(-5, 5, 10000, 2), far = samples<T>(-30, 30, 10000, 3);
  for (std::size_t i = 0; i < near.size(); ++i) {
    x.push_back(near[i]);
    y.push_back(far[(i * 7) % far.size()]);
    x.push_back(std::fabs(near[i]));
    y.push_back(far[(i * 11 + 5) % far.size()]);
    x.push_back(near[i]);
    y.push_back(std::rint(far[(i * 13 + 2) % far.size()]));
    x.push_back(1 + near[i] * T(1e-4));
    y.push_back(far[i] * 1000);
  }
  std::vector<T> z(x.size());
  const void* in[] = {x.data(), y.data()};
  for (const auto& [target, table] : tables_of(*c.formula)) {
    table->loop[static_cast<int>(dtype_of<T>)](in, z.data(), static_cast<std::int64_t>(x.size()), 0, nullptr);
    double worst = 0;
    std::size_t at = 0;
    for (std::size_t i = 0; i < x.size(); ++i) {
      const double u = ulps(z[i], c.reference(x[i], y[i]));
      if (u > worst) {
        worst = u;
        at = i;
      }
    }
    testing::count_law(worst <= allowed);
    if (std::getenv("FUNCTRA_PRINT_ULPS"))
      std::printf("%-10s %s %-6s %.2f ulp\n", c.formula->name, std::string(name_of(dtype_of<T>)).c_str(), target, worst);
    EXPECT_LE(worst, allowed) << c.formula->name << "<" << name_of(dtype_of<T>) << "> on " << target << " of " << x[at] << ", " << y[at] << " gives "
                              << z[at] << ", is " << static_cast<double>(c.reference(x[at], y[at]));
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
          ASSERT_TRUE(same_bits(y[i], one)) << f.name << " on " << target << " of " << x[from + i] << ": " << y[i] << " in a loop, " << one
                                            << " alone";
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

// Where large arguments all but are multiples of pi/2, and where a power and its reciprocal do not both lie among the normal numbers;
// values from MPFR.
TEST(Num, HardArguments) {
  auto run = [](const char* name, double x, std::int64_t n = 0) {
    double y = 0;
    const void* in[] = {&x};
    for (const auto& [target, t] : tables_of(testing::formula_of(name))) {
      double before = y;
      t->loop[int(f64)](in, &y, 1, 0, &n);
      if (target != tables_of(testing::formula_of(name))[0].first) EXPECT_LE(ulps(y, before), 4) << name << " on " << target;
    }
    return y;
  };
  EXPECT_LE(ulps(run("sin", 0x1.4c96c11134d36p+578), -4.9707325752370694034e-18L), 1);
  EXPECT_LE(ulps(run("cos", 0x1.6ac5b262ca1ffp+849), -4.6871659242546276111e-19L), 1);
  EXPECT_LE(ulps(run("tan", 0x1.69eab0985179bp+246), 2.0848167012590928e+17L), 2);
  EXPECT_EQ(run("integer_pow", 0x1p256, -4), 0x1p-1024);
  EXPECT_EQ(run("integer_pow", -0x1p357, -3), -0x1p-1071);
  EXPECT_EQ(run("integer_pow", 0x1p-255, -4), 0x1p1020);
  EXPECT_EQ(run("integer_pow", 0, -2), std::numeric_limits<double>::infinity());
  EXPECT_EQ(run("integer_pow", std::numeric_limits<double>::infinity(), -2), 0);
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

template <class T> void emitted(const testing::UnaryCase& c) {
  const auto x = samples<T>(c.lo, c.hi, 500, 5);
  for (T a : x) {
    testing::TestEmitter e;
    const Sym in[] = {e.input(a)};
    const Sym y = c.formula->emit(e, std::span<const Sym>(in), nullptr);
    ASSERT_EQ(y.dtype, dtype_of<T>);
    const double u = ulps(e.value<T>(y), c.reference(a));
    testing::count_law(u <= allowed);
    ASSERT_LE(u, allowed) << c.formula->name << " of " << a << " emitted gives " << e.value<T>(y);
  }
}
TEST(Num, EmittedCodeComputesTheFormula) {
  for (const auto& c : testing::unary_cases()) {
    emitted<float>(c);
    emitted<double>(c);
  }
  for (const auto& c : testing::binary_cases())
    for (double a : {-2.0, -0.0, 0.5, 3.0, 7e300})
      for (double b : {-3.0, -0.5, 0.0, 2.0, 11.0}) {
        testing::TestEmitter e;
        const Sym in[] = {e.input(a), e.input(b)};
        EXPECT_LE(ulps(e.value<double>(c.formula->emit(e, std::span<const Sym>(in), nullptr)), c.reference(a, b)), allowed)
            << c.formula->name << " of " << a << ", " << b;
      }
}
TEST(Num, EmittedIntegersAgreeWithTheLoops) {
  for (const char* name :
       {"add", "mul", "div", "fmod", "remainder", "floor_divide", "max", "min", "shift_left", "shift_right", "bitwise_xor", "less"})
    for (int a : {-128, -7, -1, 0, 1, 5, 127})
      for (int b : {-128, -3, -1, 0, 1, 2, 9, 127}) {
        const Formula& f = testing::formula_of(name);
        const auto x = static_cast<std::int8_t>(a), y = static_cast<std::int8_t>(b);
        std::int8_t r = 0;
        const void* at[] = {&x, &y};
        f.loop(i8)(at, &r, 1, 0, nullptr);
        testing::TestEmitter e;
        const Sym in[] = {e.input(x), e.input(y)};
        const Sym s = f.emit(e, std::span<const Sym>(in), nullptr);
        EXPECT_EQ(f.predicate ? e.value<bool>(s) : e.value<std::int8_t>(s), r) << name << " of " << a << ", " << b;
      }
}

TEST(Num, HalvesAreComputedInSingle) {
  std::vector<f16_t> x, y(70);
  std::vector<bf16_t> u, v(70);
  for (int i = 0; i < 70; ++i) {
    x.push_back(to_f16(0.1f * i - 3));
    u.push_back(to_bf16(0.1f * i - 3));
  }
  const void *in[] = {x.data()}, *bin[] = {u.data()};
  const Formula& f = testing::formula_of("tanh");
  f.loop(f16)(in, y.data(), 70, 0, nullptr);
  f.loop(bf16)(bin, v.data(), 70, 0, nullptr);
  for (int i = 0; i < 70; ++i) {
    EXPECT_EQ(y[i].bits, to_f16(f.table().f32_1(to_float(x[i]))).bits);
    EXPECT_EQ(v[i].bits, to_bf16(f.table().f32_1(to_float(u[i]))).bits);
    f16_t one;
    const void* at[] = {&x[i]};
    f.table().one[int(f16)](at, &one, nullptr);
    EXPECT_EQ(one.bits, y[i].bits);
  }
}

TEST(Cast, FollowsTheScalarRules) {
  auto run = [](auto to, auto x) {
    decltype(to) r{};
    const void* in[] = {&x};
    kernels::cast_loop(dtype_of<decltype(to)>, dtype_of<decltype(x)>)(in, &r, 1, 0, nullptr);
    return r;
  };
  const double nan = std::numeric_limits<double>::quiet_NaN(), inf = std::numeric_limits<double>::infinity();
  EXPECT_EQ(run(int(), 2.9), 2);
  EXPECT_EQ(run(int(), -2.9), -2);
  EXPECT_EQ(run(int(), nan), 0);
  EXPECT_EQ(run(int(), 1e20), std::numeric_limits<int>::max());
  EXPECT_EQ(run(int(), -inf), std::numeric_limits<int>::min());
  EXPECT_EQ(run(int(), 2147483520.0f), 2147483520);
  EXPECT_EQ(run(int(), 2147483648.0f), std::numeric_limits<int>::max());
  EXPECT_EQ(run(std::int64_t(), 9.3e18), std::numeric_limits<std::int64_t>::max());
  EXPECT_EQ(run(std::uint64_t(), 1e19), 10000000000000000000u);
  EXPECT_EQ(run(std::uint8_t(), -5.0f), 0);
  EXPECT_EQ(run(std::uint8_t(), 300), 44);
  EXPECT_EQ(run(std::int8_t(), 127.9f), 127);
  EXPECT_EQ(run(bool(), nan), true);
  EXPECT_EQ(run(bool(), -0.0), false);
  EXPECT_EQ(run(bool(), std::complex<float>(0, 1)), true);
  EXPECT_EQ(run(float(), std::complex<double>(1.5, 9)), 1.5f);
  EXPECT_EQ(run(std::complex<double>(), std::int8_t(-3)), std::complex<double>(-3, 0));
  EXPECT_EQ(run(f16_t(), 65519.9f).bits, 0x7bff);
  EXPECT_EQ(run(f16_t(), 65520.0f).bits, 0x7c00);
  EXPECT_EQ(run(bf16_t(), 1.00390625f).bits, 0x3f80);
  EXPECT_EQ(run(double(), f16_t{0x0001}), 0x1p-24);
  EXPECT_TRUE(std::isnan(to_float(run(bf16_t(), nan))));
  EXPECT_EQ(run(std::uint32_t(), true), 1u);
}
TEST(Cast, EveryFloatHalfSurvivesARoundTrip) {
  for (unsigned i = 0; i < 65536; ++i) {
    const f16_t h{static_cast<std::uint16_t>(i)};
    float wide;
    kernels::widen(&h, &wide, 1);
    const float a = to_float(h);
    ASSERT_TRUE(std::memcmp(&wide, &a, 4) == 0 || a != a);
    f16_t back[9];
    float many[9];
    for (float& m : many) m = wide * 1.0001f;
    kernels::narrow(many, back, 9);  // a whole vector and a tail
    ASSERT_TRUE(wide != wide || (back[0].bits == back[8].bits && back[0].bits == to_f16(many[0]).bits)) << wide;
  }
}
TEST(Cast, AllPairsConvertSmallNumbersExactly) {
  for (int to = 0; to < dtype_count; ++to)
    for (int from = 0; from < dtype_count; ++from) {
      alignas(16) std::byte x[16 * 70], y[16 * 70];
      const DType f = static_cast<DType>(from), t = static_cast<DType>(to);
      for (int i = 0; i < 70; ++i) Scalar(is_bool(f) ? i % 2 : i).store(f, x + static_cast<std::size_t>(i) * size_of(f));
      const void* in[] = {x};
      kernels::cast_loop(t, f)(in, y, 70, 0, nullptr);
      for (int i = 0; i < 70; ++i) {
        const int value = is_bool(f) ? i % 2 : i;
        ASSERT_EQ(Scalar::load(t, y + static_cast<std::size_t>(i) * size_of(t)).real(), is_bool(t) ? value != 0 : value)
            << name_of(f) << " to " << name_of(t);
      }
    }
}
TEST(Select, TakesTheBranchOfEveryElement) {
  for (DType d : {u8, f16, f32, i64, c128}) {
    const std::size_t size = size_of(d);
    std::vector<std::byte> a(70 * size, std::byte{1}), b(70 * size, std::byte{2}), r(70 * size);
    bool m[70];
    for (int i = 0; i < 70; ++i) m[i] = i % 3 == 0;
    const void* in[] = {m, a.data(), b.data()};
    kernels::select_loops().loop[int(d)](in, r.data(), 70, 4, nullptr);
    for (std::size_t i = 0; i < r.size(); ++i) ASSERT_EQ(r[i], m[i / size] ? std::byte{1} : std::byte{2});
  }
}

TEST(Elementwise, StridesAreFollowed) {
  std::vector<float> a(60), b(5), r(60);
  for (int i = 0; i < 60; ++i) a[i] = static_cast<float>(i);
  for (int i = 0; i < 5; ++i) b[i] = static_cast<float>(i + 1);
  const Shape shape{4, 3, 5}, sa{1, 4, 12}, sb{0, 0, 1};
  const kernels::Operand in[] = {{a.data(), &sa, 4}, {b.data(), &sb, 4}};
  kernels::elementwise(testing::formula_of("mul").loop(f32), in, r.data(), 4, shape);
  int k = 0;
  for (int i = 0; i < 4; ++i)
    for (int j = 0; j < 3; ++j)
      for (int l = 0; l < 5; ++l) EXPECT_EQ(r[k++], a[i + 4 * j + 12 * l] * b[l]);
  bool less[60];
  kernels::elementwise(testing::formula_of("less").loop(f32), in, less, 1, shape);
  k = 0;
  for (int i = 0; i < 4; ++i)
    for (int j = 0; j < 3; ++j)
      for (int l = 0; l < 5; ++l) EXPECT_EQ(less[k++], a[i + 4 * j + 12 * l] < b[l]);
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

// Operands stored in another order of dimensions: tiles of every element size, ragged at their edges.
template <class T> void permuted(DType d) {
  std::mt19937 g(11);
  auto pick = [&](int lo, int hi) { return std::uniform_int_distribution<int>(lo, hi)(g); };
  for (int round = 0; round < 24; ++round) {
    const int rank = pick(2, 4);
    Shape shape, strides[2];
    for (int k = 0; k < rank; ++k)
      shape.push_back(round % 3 == 0 && k == rank - 1 ? pick(1, 20) : rank == 2 ? pick(2, 300) : rank == 3 ? pick(1, 70) : pick(1, 18));
    std::vector<T> data[2];
    for (int k = 0; k < 2; ++k) {
      std::vector<int> order(static_cast<std::size_t>(rank));
      for (int i = 0; i < rank; ++i) order[static_cast<std::size_t>(i)] = i;
      if (k == 0 || round % 2) std::shuffle(order.begin(), order.end(), g);
      strides[k] = shape;
      std::int64_t step = pick(1, 5) == 1 ? 2 : 1;
      for (int i : order) {
        strides[k][static_cast<std::size_t>(i)] = pick(0, 9) == 0 ? 0 : step;
        step *= shape[static_cast<std::size_t>(i)];
      }
      data[k].resize(static_cast<std::size_t>(step));
      for (std::size_t i = 0; i < data[k].size(); ++i) data[k][i] = static_cast<T>(static_cast<float>((i * 7 + static_cast<std::size_t>(k)) % 101));
    }
    const kernels::Operand in[2] = {{data[0].data(), &strides[0], sizeof(T)}, {data[1].data(), &strides[1], sizeof(T)}};
    std::vector<T> r(static_cast<std::size_t>(shape.numel()));
    kernels::elementwise(testing::formula_of("add").loop(d), in, r.data(), sizeof(T), shape, nullptr, round % 2 ? 0.5 : 1000);
    Shape at = Shape::filled(static_cast<std::size_t>(rank), 0);
    bool same = true;
    for (std::size_t i = 0; i < r.size() && same; ++i) {
      T want{};
      for (int k = 0; k < 2; ++k) {
        std::int64_t offset = 0;
        for (int j = 0; j < rank; ++j) offset += at[static_cast<std::size_t>(j)] * strides[k][static_cast<std::size_t>(j)];
        want = static_cast<T>(want + data[k][static_cast<std::size_t>(offset)]);
      }
      same = r[i] == want;
      for (int j = rank - 1; j >= 0 && ++at[static_cast<std::size_t>(j)] == shape[static_cast<std::size_t>(j)]; --j)
        at[static_cast<std::size_t>(j)] = 0;
    }
    testing::count_law(same);
    ASSERT_TRUE(same) << name_of(d) << ", round " << round << " of shape " << shape.str() << ", strides " << strides[0].str() << strides[1].str();
  }
}
TEST(Elementwise, PermutedOperandsAgreeWithALoopOverIndices) {
  permuted<std::uint8_t>(u8);
  permuted<std::int16_t>(i16);
  permuted<float>(f32);
  permuted<double>(f64);
  permuted<std::complex<double>>(c128);
}

}  // namespace
}  // namespace functra
