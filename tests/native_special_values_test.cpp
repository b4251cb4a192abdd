// What arithmetic does at its edges, compiled: NaN, infinities, signed zeros, denormals, extreme integers, shifts, conversions out of
// range. Operations are compared bit for bit, in vectors, in single lanes, and with constants in place of either operand.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "support/compiled.h"

namespace functra::testing {
namespace {

template <class T> std::vector<T> floats() {
  using L = std::numeric_limits<T>;
  std::vector<T> r{T(0),          T(-0.0),        T(1),           T(-1),           T(0.5),           T(-2.5),         T(3),
                   L::infinity(), -L::infinity(), L::quiet_NaN(), L::denorm_min(), -L::denorm_min(), L::min(),        L::max(),
                   L::lowest(),   L::epsilon(),   T(1e-30),       T(88.8),         T(-745.2),        T(2147483648.0), T(1e19)};
  return r;
}
template <class T> std::vector<T> integers() {
  using L = std::numeric_limits<T>;
  std::vector<T> r{T(0), T(1), T(2), T(7), T(8), T(31), T(63), T(64), T(100), L::max(), L::min(), T(L::max() - 1), T(L::min() + 1), T(L::max() / 2)};
  if (std::is_signed_v<T>)
    for (int v : {-1, -2, -7, -64}) r.push_back(static_cast<T>(v));
  return r;
}
// All pairs of the values.
template <class T> Vec pairs(const std::vector<T>& v) {
  std::vector<T> a, b;
  for (T x : v)
    for (T y : v) a.push_back(x), b.push_back(y);
  return {tensor(a), tensor(b)};
}
using Binary = Tensor (*)(const Tensor&, const Tensor&);
using Unary = Tensor (*)(const Tensor&);
const std::pair<const char*, Binary> float_binary[] = {
    {"add", [](const Tensor& a, const Tensor& b) { return a + b; }},
    {"sub", [](const Tensor& a, const Tensor& b) { return a - b; }},
    {"mul", [](const Tensor& a, const Tensor& b) { return a * b; }},
    {"div", [](const Tensor& a, const Tensor& b) { return a / b; }},
    {"maximum", maximum},
    {"minimum", minimum},
    {"fmax", fmax},
    {"fmin", fmin},
    {"copysign", copysign},
    {"eq", [](const Tensor& a, const Tensor& b) { return a == b; }},
    {"ne", [](const Tensor& a, const Tensor& b) { return a != b; }},
    {"lt", [](const Tensor& a, const Tensor& b) { return a < b; }},
    {"le", [](const Tensor& a, const Tensor& b) { return a <= b; }},
    {"gt", [](const Tensor& a, const Tensor& b) { return a > b; }},
    {"ge", [](const Tensor& a, const Tensor& b) { return a >= b; }},
    {"where", [](const Tensor& a, const Tensor& b) { return where(a < b, a, b); }},
};
const std::pair<const char*, Binary> float_functions[] = {{"pow", pow},
                                                          {"atan2", atan2},
                                                          {"hypot", hypot},
                                                          {"fmod", fmod},
                                                          {"remainder", remainder},
                                                          {"floor_divide", floor_divide},
                                                          {"logaddexp", logaddexp}};
const std::pair<const char*, Unary> exact_unary[] = {{"neg", neg},     {"abs", abs},     {"sign", sign}, {"floor", floor}, {"ceil", ceil},
                                                     {"round", round}, {"trunc", trunc}, {"sqrt", sqrt}, {"relu", relu},   {"square", square}};
const std::pair<const char*, Unary> functions[] = {
    {"exp", exp},         {"log", log},     {"log1p", log1p}, {"expm1", expm1},       {"exp2", exp2}, {"log2", log2},
    {"log10", log10},     {"rsqrt", rsqrt}, {"cbrt", cbrt},   {"sin", sin},           {"cos", cos},   {"tan", tan},
    {"asin", asin},       {"acos", acos},   {"atan", atan},   {"sinh", sinh},         {"cosh", cosh}, {"tanh", tanh},
    {"asinh", asinh},     {"acosh", acosh}, {"atanh", atanh}, {"erf", erf},           {"erfc", erfc}, {"erf_inv", erf_inv},
    {"sigmoid", sigmoid}, {"gelu", gelu},   {"silu", silu},   {"softplus", softplus}, {"frac", frac}, {"reciprocal", reciprocal},
    {"sinc", sinc}};

template <class T> void expect_float_pairs() {
  const Vec ab = pairs(floats<T>());
  const std::string dtype(name_of(ab[0].raw_dtype()));
  for (auto& [name, f] : float_binary) {
    Binary g = f;
    expect_compiled(
        name + (" " + dtype), [=](const Vec& v) { return Vec{g(v[0], v[1])}; }, ab, Match::bits);
  }
  expect_compiled(
      "short " + dtype,
      [=](const Vec& v) {
        Vec r;
        for (auto& [name, g] : float_binary) r.push_back(g(narrow(v[0], 0, 190, 3), narrow(v[1], 0, 190, 3)));
        return r;
      },
      ab, Match::bits);
  const std::vector<T> values = floats<T>();
  for (T c : values) {                                           // constants as operands, all operations in one program
    if (c == 0) continue;                                        // a literal zero annihilates: below
    if (std::isfinite(c) && !std::isnormal(T(1) / c)) continue;  // where 1 / c is not a normal number, x / c may differ
    auto f = [=](const Vec& v) {
      Vec r;
      for (auto& [name, g] : float_binary) r.insert(r.end(), {g(v[0], tensor(c)), g(tensor(c), v[0])});
      return r;
    };
    expect_compiled("constant " + std::to_string(c) + " " + dtype, f, {tensor(values)}, Match::rounded);
  }
}
template <class T> void expect_integer_pairs() {
  const Vec ab = pairs(integers<T>());
  const std::string dtype(name_of(ab[0].raw_dtype()));
  auto all_of = [](const Tensor& a, const Tensor& b) {
    Vec r{a + b,
          a - b,
          a * b,
          floor_divide(a, b),
          remainder(a, b),
          fmod(a, b),
          maximum(a, b),
          minimum(a, b),
          a & b,
          a | b,
          a ^ b,
          a << b,
          a >> b,
          a<b, a <= b, a == b, a != b, a>
              b,
          a >= b,
          -a,
          abs(a),
          sign(a),
          !a.to(DType::bool_),
          ~a,
          where(a < b, b, a)};
    return r;
  };
  expect_compiled(
      "pairs of " + dtype, [=](const Vec& v) { return all_of(v[0], v[1]); }, ab, Match::bits);
  for (T c : integers<T>())
    expect_compiled(
        "constant " + std::to_string(c) + " " + dtype,
        [=](const Vec& v) {
          Vec r = all_of(v[0], tensor(c)), s = all_of(tensor(c), v[0]);
          r.insert(r.end(), s.begin(), s.end());
          return r;
        },
        {tensor(integers<T>())}, Match::bits);
}

}  // namespace

TEST(NativeSpecialValues, pairs_of_floats) {
  Sampled sampled(4);
  expect_float_pairs<float>();
  expect_float_pairs<double>();
}
TEST(NativeSpecialValues, pairs_of_integers) {
  Sampled sampled(5);
  expect_integer_pairs<std::int8_t>();
  expect_integer_pairs<std::uint8_t>();
  expect_integer_pairs<std::int16_t>();
  expect_integer_pairs<std::uint16_t>();
  expect_integer_pairs<std::int32_t>();
  expect_integer_pairs<std::uint32_t>();
  expect_integer_pairs<std::int64_t>();
  expect_integer_pairs<std::uint64_t>();
}
TEST(NativeSpecialValues, functions_of_one_argument) {
  Sampled sampled(6);
  auto check = [](const auto& values) {
    const Tensor x = tensor(values);
    for (auto& [name, f] : exact_unary) {
      Unary g = f;
      expect_compiled(
          name + (" " + std::string(name_of(x.raw_dtype()))), [=](const Vec& v) { return Vec{g(v[0])}; }, {x}, Match::bits);
    }
    for (auto& [name, f] : functions) {  // one value at a time: a large one would hide the others
      Unary g = f;
      expect_compiled(
          name + (" " + std::string(name_of(x.raw_dtype()))), [=](const Vec& v) { return unbind(g(v[0])); }, {x}, Match::rounded);
    }
  };
  check(floats<float>());
  check(floats<double>());
}
TEST(NativeSpecialValues, functions_of_two_arguments) {
  Sampled sampled(5);
  auto check = [](const Vec& ab) {
    for (auto& [name, f] : float_functions) {
      Binary g = f;
      expect_compiled(
          name + (" " + std::string(name_of(ab[0].raw_dtype()))), [=](const Vec& v) { return unbind(g(v[0], v[1])); }, ab, Match::rounded);
    }
  };
  std::vector<float> f = floats<float>();
  std::vector<double> d = floats<double>();
  f.resize(16);
  d.resize(16);
  check(pairs(f));
  check(pairs(d));
}
TEST(NativeSpecialValues, large_arguments_of_trigonometric_functions) {
  std::vector<double> x;
  std::vector<float> y;
  for (double v = 1e3; v < 1e300; v *= 7.3e4) x.insert(x.end(), {v, -v, 0.3});
  for (float v = 1e3F; v < 1e38F; v *= 311.7F) y.insert(y.end(), {v, 0.7F, -v});
  for (auto [name, f] : {std::pair<const char*, Unary>{"sin", sin}, {"cos", cos}, {"tan", tan}}) {
    Unary g = f;
    for (const Tensor& t : {tensor(x), tensor(y)}) {
      expect_compiled(
          std::string(name) + " of large " + std::string(name_of(t.raw_dtype())), [=](const Vec& v) { return Vec{g(v[0])}; }, {t}, Match::rounded);
      expect_compiled(
          std::string(name) + " of one large " + std::string(name_of(t.raw_dtype())),
          [=](const Vec& v) {
            return Vec{g(v[0]), g(v[0] * 2.0)};
          },
          {t[4]}, Match::rounded);
    }
  }
}
TEST(NativeSpecialValues, conversions) {
  Sampled sampled(3);
  const DType all_of[] = {DType::bool_, DType::i8,  DType::i16, DType::i32, DType::i64, DType::u8,
                          DType::u16,   DType::u32, DType::u64, DType::f32, DType::f64};
  auto to_all = [&](const Vec& v) {
    Vec r;
    for (DType d : all_of) r.push_back(v[0].to(d));
    return r;
  };
  std::vector<double> edges = floats<double>();
  for (double b : {7, 8, 15, 16, 31, 32, 63, 64})
    for (double v : {std::ldexp(1, static_cast<int>(b)), std::ldexp(1, static_cast<int>(b)) - 1, std::ldexp(1, static_cast<int>(b)) - 0.5,
                     std::ldexp(1, static_cast<int>(b)) + 1})
      edges.insert(edges.end(), {v, -v});
  const Tensor f = tensor(edges);
  for (const Tensor& t : {f, f.to(f32), tensor(integers<std::int8_t>()), tensor(integers<std::uint8_t>()), tensor(integers<std::int16_t>()),
                          tensor(integers<std::uint16_t>()), tensor(integers<std::int32_t>()), tensor(integers<std::uint32_t>()),
                          tensor(integers<std::int64_t>()), tensor(integers<std::uint64_t>()), tensor({true, false, true})}) {
    expect_compiled("conversions of " + std::string(name_of(t.raw_dtype())), to_all, {t}, Match::bits);
    // Of constants.
    expect_compiled(
        "conversions of constant " + std::string(name_of(t.raw_dtype())),
        [&](const Vec& v) {
          Vec r;
          for (std::int64_t i = 0; i < std::min<std::int64_t>(t.numel(), 20); ++i)
            for (DType d : all_of) r.push_back((t[i] + 0).to(d));
          r.push_back(v[0]);
          return r;
        },
        {t}, Match::bits);
  }
}
TEST(NativeSpecialValues, reductions_of_special_values) {
  const double nan = std::nan(""), inf = INFINITY;
  for (std::int64_t n : {3, 20, 67, 131})
    for (auto& values : std::vector<std::vector<double>>{{nan}, {inf}, {-inf}, {inf, -inf}, {-0.0}, {0.0}, {nan, inf}})
      for (std::size_t at : {std::size_t{0}, static_cast<std::size_t>(n / 2), static_cast<std::size_t>(n - 2)})
        for (DType d : {f32, f64}) {
          if (d == f32 && n == 20) continue;
          std::vector<double> v(static_cast<std::size_t>(n), values[0] == 0 ? values[0] : 0.75);
          for (std::size_t k = 0; k < values.size(); ++k) v[at + k] = values[k];
          expect_compiled(
              "reductions with " + std::to_string(values[0]) + " among " + std::to_string(n),
              [](const Vec& x) {
                Tensor t = stack({x[0], x[0]});
                return Vec{amax(x[0]), amin(x[0]), sum(x[0]), prod(x[0]), amax(t, 0), amin(t, 1), sum(t, 1), any(x[0] != x[0])};
              },
              {tensor(v, f64).to(d)}, Match::rounded);
        }
  for (auto d : {DType::i8, DType::u8, DType::i64, DType::u64})
    expect_compiled("wrapping sums and products",
                    [](const Vec& x) {
                      return Vec{sum(x[0]), prod(x[0]), amax(x[0]), amin(x[0]), sum(x[0], {}, false, x[0].raw_dtype())};
                    },
                    {tile(tensor(integers<std::int64_t>()).to(d), {9})});
}
TEST(NativeSpecialValues, signed_zeros_and_infinities_through_compositions) {
  const Tensor x = tensor(floats<double>());
  const std::pair<const char*, std::function<Tensor(const Tensor&)>> list[] = {
      {"x + 0", [](const Tensor& v) { return v + 0.0; }},
      {"x - 0", [](const Tensor& v) { return v - 0.0; }},
      {"x + -0", [](const Tensor& v) { return v + -0.0; }},
      {"0 - x", [](const Tensor& v) { return 0.0 - v; }},
      {"x * 1", [](const Tensor& v) { return v * 1.0; }},
      {"x * -1", [](const Tensor& v) { return v * -1.0; }},
      {"x / 1", [](const Tensor& v) { return v / 1.0; }},
      {"x / x", [](const Tensor& v) { return v / v; }},
      {"x - x", [](const Tensor& v) { return v - v; }},
      {"x * 2 / 2", [](const Tensor& v) { return v * 2.0 / 2.0; }},
      {"--x", [](const Tensor& v) { return -(-v); }},
      {"||x||", [](const Tensor& v) { return abs(abs(-v)); }},
      {"sqrt(x * x)", [](const Tensor& v) { return sqrt(v * v); }},
      {"x == x", [](const Tensor& v) { return where(v == v, v, 7.0); }},
      {"max(x, x)", [](const Tensor& v) { return maximum(v, v); }},
      {"max(x, 0)", [](const Tensor& v) { return maximum(v, 0.0); }},
      {"max(x, -0)", [](const Tensor& v) { return maximum(v, -0.0); }},
      {"min(0, x)", [](const Tensor& v) { return minimum(0.0, v); }},
      {"clamp", [](const Tensor& v) { return clamp(v, -1.0, 1.0); }},
      {"nan_to_num", [](const Tensor& v) { return nan_to_num(v, 3, 4, 5); }},
      {"max with NaN", [](const Tensor& v) { return maximum(v, tensor(std::nan(""))); }},
      {"min with NaN first", [](const Tensor& v) { return minimum(tensor(std::nan("")), v); }},
      {"x^2", [](const Tensor& v) { return pow(v, 2.0); }},
      {"x^-1", [](const Tensor& v) { return pow(v, -1.0); }},
      {"x^0", [](const Tensor& v) { return pow(v, 0.0); }},
      {"isnan", [](const Tensor& v) { return isnan(v); }},
      {"isinf", [](const Tensor& v) { return isinf(v); }},
      {"signbit", [](const Tensor& v) { return 1.0 / v; }},
  };
  for (auto& [name, f] : list)
    expect_compiled(
        name, [f = f](const Vec& v) { return Vec{f(v[0])}; }, {x}, Match::bits);
  // A root in place of the power, at each value alone: the largest one would hide the others.
  expect_compiled("x^0.5 by element", [](const Vec& v) { return unbind(pow(v[0], 0.5)); }, {x});
}

}  // namespace functra::testing
