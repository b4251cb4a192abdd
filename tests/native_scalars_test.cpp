// Programs of numbers, compiled: calls that are rare, divisors that are known early, code in the order in which its operands are there.
#include <gtest/gtest.h>

#include <limits>

#include "functra/compiler/passes.h"
#include "support/compiled.h"

namespace functra::testing {
namespace {

constexpr double inf = std::numeric_limits<double>::infinity();
// What the usual formulas of sines hold for, and where they call the C library.
const std::vector<double> arguments = {0.7, -0.0, 3.0, -1e5, 1e13, -1e20, 1e300, inf, std::numeric_limits<double>::quiet_NaN()};

Tensor shaped(const Shape& s, DType d = f64) { return numbers(s, d); }
// ---------------------------------------------------------------- rare calls
TEST(NativeScalars, rare_calls_keep_what_is_around_them) {
  // Twenty numbers are alive across the calls.
  auto f = [](const Tensor& x, const Tensor& y) {
    Vec a;
    for (int k = 1; k <= 20; ++k) a.push_back(static_cast<double>(k) * x + y / static_cast<double>(k));
    Tensor s = sin(x), c = cos(y), r = s * c;
    for (auto& v : a) r = r * 0.9 + v * c;
    return Vec{r, s, c, tan(x) + r};
  };
  for (DType d : {f64, f32})
    for (double x : arguments)
      for (double y : {0.3, 1e20}) {
        const Tensor a = tensor(x, d), b = tensor(y, d);
        expect_compiled(
            "sines of " + std::to_string(x) + " and " + std::to_string(y), [=](const Vec& v) { return f(v[0], v[1]); }, {a, b}, Match::rounded, 50);
      }
}
TEST(NativeScalars, calls_behind_one_branch_are_each_made_by_its_own_mask) {
  auto f = [](const Vec& v) { return Vec{sin(v[0]) * cos(v[1]) + cos(v[2]), sin(v[1]) - sin(v[2])}; };
  for (double x : {0.5, 1e20})
    for (double y : {0.25, -1e25})
      for (double z : {-2.0, 1e18}) {
        const Vec in{tensor(x, f64), tensor(y, f64), tensor(z, f64)};
        expect_compiled("three angles", f, in);
        const Vec is = run_native(Program(make_fx([=](const Tensor& a, const Tensor& b, const Tensor& c) {
                                    return f({a, b, c});
                                  })(in[0], in[1], in[2])),
                                  in);
        EXPECT_NEAR(is[0].item<double>(), std::sin(x) * std::cos(y) + std::cos(z), 1e-14);
        EXPECT_NEAR(is[1].item<double>(), std::sin(y) - std::sin(z), 1e-14);
      }
}
TEST(NativeScalars, rare_calls_of_calls_and_in_loops) {
  auto f = [](const Tensor& x) {
    auto step = [](const Tensor& c, NoneType) { return std::pair{c * 1024, sin(c) * cos(2 * c)}; };
    auto [last, all] = scan(step, x, {.length = 12});
    return Vec{last, all, sin(1e18 * sign(sin(1e18 * sign(cos(x)))))};
  };
  for (double x : arguments)
    expect_compiled(
        "loop from " + std::to_string(x), [=](const Vec& v) { return f(v[0]); }, {tensor(x, f64)}, Match::rounded, 10);
}
TEST(NativeScalars, vectors_that_are_alive_across_a_call) {
  auto straight = [](const Tensor& r, const Tensor& x) {
    Tensor b = r * r + 0.5, d = r * 1.25 - b, k = sin(x);
    return (b * k + d) * 0.5 + r * k;
  };
  auto loop = [](const Tensor& r, const Tensor& x) {
    auto step = [](const std::pair<Tensor, Tensor>& s, NoneType) {
      auto& [a, y] = s;
      Tensor b = a * a + 0.5, d = a * 1.25 - b, k = sin(y);
      return std::pair{std::pair{(b * k + d) * 0.25 + a * 0.125, y * 1024}, none};
    };
    return scan(step, std::pair{r, x}, {.length = 10}).first.first;
  };
  for (DType d : {f64, f32})
    for (std::int64_t n : {2, 3, 4, 7, 8, 16})
      for (double x : {0.7, 1e20})
        expect_compiled(
            "rows of " + std::to_string(n),
            [=](const Vec& v) {
              return Vec{straight(v[0], v[1]), loop(v[0], v[1])};
            },
            {shaped({n}, d), tensor(x, d)}, Match::rounded, 50);
}
TEST(NativeScalars, derivatives_at_arguments_that_call) {
  auto f = [](const Tensor& x) { return sin(x) * exp(-(x * x) * 1e-40) + tanh(cos(x)) / (1 + x * x); };
  for (double x : arguments)
    expect_compiled(
        "derivatives at " + std::to_string(x),
        [=](const Vec& v) {
          return Vec{grad(f)(v[0]), grad(grad(f))(v[0])};
        },
        {tensor(x, f64)}, Match::rounded, 50);
}

// ---------------------------------------------------------------- wide formulas
TEST(NativeScalars, powers_of_f32_in_rows_of_every_length) {
  // They are computed in f64: rows of f32 that fill a vector take two.
  auto f = [](const Vec& v) { return Vec{pow(v[0], v[1]), pow(v[0], tensor(0.3, f32)) + sum(pow(tensor(1.08, f32), v[1]))}; };
  for (std::int64_t n = 1; n <= 20; ++n) {
    const Vec in{abs(shaped({n}, f32)) + 0.5, numbers({n}, f32, 1)};
    expect_compiled("powers of " + std::to_string(n), f, in);
    auto derivative = [=](const Vec& v) { return Vec{grad([&](const Tensor& x) { return sum(f({x, v[1]})[0]); })(v[0])}; };
    expect_compiled("derivatives of powers of " + std::to_string(n), derivative, in);
  }
}

// ---------------------------------------------------------------- loops in loops
TEST(NativeScalars, a_loop_that_begins_with_a_number_beside_a_matrix) {
  // The number is not in memory, so the loop reads one operand less than it has.
  for (std::int64_t n : {8, 9})
    expect_compiled(
        "loop in a loop of " + std::to_string(n),
        [](const Vec& v) {
          auto outer = [&](const Tensor& c, NoneType) {
            auto inner = [&](const Tensor& s, NoneType) { return std::pair{0.5 * s + sum(v[0] * c) * 0.01, none}; };
            return std::pair{0.5 * c + scan(inner, Tensor(0.25), {.length = 4}).first, none};
          };
          return Vec{scan(outer, v[1], {.length = 3}).first};
        },
        {shaped({n, n}), numbers({n}, f64, 1)}, Match::rounded, 10);
}

// ---------------------------------------------------------------- early divisors
std::size_t divisions(const functra::Program& p, const char* numerator) {
  std::size_t n = 0;
  const std::string text = compiler::optimize(p.ir())->str();
  for (std::size_t at = 0; (at = text.find(std::string("div(") + numerator, at)) != text.npos; ++at) ++n;
  return n;
}
TEST(NativeScalars, a_divisor_that_is_there_early_is_a_factor) {
  auto late = [](const Tensor& x) { return exp(sin(x)) / (2 + x * x); };        // the quotient would wait for the sine
  auto early = [](const Tensor& x) { return (2 + x * x) / exp(sin(x)); };       // here the divisor does
  auto rounded = [](const Tensor& x) { return floor(exp(sin(x)) / (2 + x)); };  // the last place decides
  const Tensor x = tensor(0.7, f64), many = numbers({5}, f64);
  EXPECT_EQ(divisions(make_fx(late)(x), "1.0"), 1u);
  EXPECT_EQ(divisions(make_fx(early)(x), "v"), 1u);
  EXPECT_EQ(divisions(make_fx(rounded)(x), "v"), 1u);
  EXPECT_EQ(divisions(make_fx(late)(many), "v"), 1u) << "arrays wait for no latency";
  for (double v : {0.7, -3.0, 1e10, 0.0})
    expect_compiled("quotients", [=](const Vec& a) { return Vec{late(a[0]), early(a[0]), rounded(a[0])}; }, {tensor(v, f64)});
}

// ---------------------------------------------------------------- squares
TEST(NativeScalars, a_product_that_is_added_twice) {
  auto plus = [](const Vec& v) { return Vec{v[0] + v[1] * v[2] + v[1] * v[2]}; };
  auto minus = [](const Vec& v) { return Vec{v[0] - v[1] * v[2] - v[1] * v[2]}; };
  auto three = [](const Vec& v) { return Vec{v[0] * v[3] + v[1] * v[2] + v[1] * v[2] + v[1] * v[2]}; };
  auto square = [](const Vec& v) { return Vec{v[0] - v[1] * v[1] - v[1] * v[1], v[0] * v[3] + v[1] * v[1] + v[1] * v[1]}; };
  // In the last ones twice the product is too large, and the sum is not.
  const std::vector<std::vector<double>> values = {
      {0.3, -1.7, 2.9, 0.1}, {-0.0, 0.0, 1.0, 2.0}, {inf, 1.0, 2.0, 3.0}, {-1.5e308, 1e308, 1.0, 1.0}, {1.5e308, -1e154, 1e154, 1.0}};
  for (auto& x : values)
    for (bool many : {false, true}) {
      Vec in;
      for (double v : x) in.push_back(many ? v * ones({19}, f64) : tensor(v, f64));
      for (auto& f : std::initializer_list<Leaves>{plus, minus, three, square}) expect_compiled("added twice", f, in);
    }
}
TEST(NativeScalars, derivatives_of_squares) {
  auto f = [](const Tensor& x) { return x * x + sin(x) * sin(x); };
  for (double x : {0.0, 3.0, -1e10}) {
    const Tensor at = tensor(x, f64);
    expect_compiled("squares", [=](const Vec& v) { return Vec{grad(f)(v[0]), grad(grad(f))(v[0])}; }, {at});
    EXPECT_NEAR(jit(grad(f))(at).item<double>(), 2 * x + std::sin(2 * x), 1e-6);
  }
}

}  // namespace
}  // namespace functra::testing
