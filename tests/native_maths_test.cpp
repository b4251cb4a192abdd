// How formulas become code: what is known of values, what may call out, special values next to each other, prepared calls.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "functra/compiler/emit_plan-inl.h"
#include "functra/compiler/ranges.h"
#include "support/close.h"
#include "support/compiled.h"

namespace functra::testing {
namespace {

using compiler::Graph;
using compiler::Id;

constexpr double inf = std::numeric_limits<double>::infinity();

bool is_bool_constant(const Graph& g, Id i, bool value) { return g.is_constant(i) && (g[i].attr != 0) == value; }

std::size_t times(const std::string& text, const std::string& what) {
  std::size_t n = 0;
  for (std::size_t at = text.find(what); at != std::string::npos; at = text.find(what, at + 1)) ++n;
  return n;
}
Tensor odd_ones(DType d) {
  std::vector<double> v;
  for (double x : {0.0, 0.3, 1.0, 1.5, 3.0, 20.0, 700.0, 1e5, 3e7, 1e22, 1e300, 1e-300, 5e-324, inf})
    for (double y : {x, -x}) v.push_back(y);
  v.push_back(std::nan(""));
  for (int i = 0; i < 100; ++i) v.push_back(std::sin(i) * i);
  return tensor(v, f64).to(d);
}

}  // namespace

// ---------------------------------------------------------------- ranges
TEST(NativeMaths, comparisons_whose_outcome_is_known_are_constants) {
  Graph g;
  const Id x = g.load(f64, 0), one = g.constant(f64, Scalar(1.0)), zero = g.constant(f64, Scalar(0.0));
  const Id square = g.binary(NumOp::mul, f64, x, x), above = g.contracted(f64, one, square, false);
  EXPECT_EQ(g.range(square).lo, 0);
  EXPECT_EQ(g.range(above).lo, 1);
  EXPECT_TRUE(is_bool_constant(g, g.binary(NumOp::le, f64, above, zero), false));
  EXPECT_TRUE(is_bool_constant(g, g.binary(NumOp::lt, f64, square, zero), false));
  EXPECT_TRUE(is_bool_constant(g, g.binary(NumOp::ne, f64, above, zero), true));
  // What is false for NaN is not known to be true.
  EXPECT_FALSE(g.is_constant(g.binary(NumOp::gt, f64, above, zero)));
  EXPECT_FALSE(g.is_constant(g.binary(NumOp::le, f64, square, zero)));
  const Id a = g.unary(NumOp::abs, f64, x), root = g.unary(NumOp::sqrt, f64, above);
  EXPECT_EQ(g.range(g.unary(NumOp::neg, f64, a)).hi, 0);
  EXPECT_EQ(g.range(root).lo, 1);
  EXPECT_EQ(g.range(g.binary(NumOp::div, f64, one, root)).hi, 1);
  EXPECT_EQ(g.range(g.binary(NumOp::div, f64, one, a)).hi, inf);
}
TEST(NativeMaths, ranges_hold_of_every_value) {
  const double values[] = {-inf, -2, -0.5, 0, 0.25, 3, inf};
  using compiler::range_of_binary;
  for (NumOp op : {NumOp::add, NumOp::sub, NumOp::mul, NumOp::div, NumOp::min, NumOp::max, NumOp::copysign})
    for (double lo : values)
      for (double hi : values)
        for (double from : values)
          for (double to : values) {
            if (lo > hi || from > to) continue;
            const Range r = range_of_binary(op, f64, {lo, hi}, {from, to}, false);
            for (double x : values)
              for (double y : values) {
                if (x < lo || x > hi || y < from || y > to) continue;
                const double v = op == NumOp::add   ? x + y
                                 : op == NumOp::sub ? x - y
                                 : op == NumOp::mul ? x * y
                                 : op == NumOp::div ? x / y
                                 : op == NumOp::min ? std::min(x, y)
                                 : op == NumOp::max ? std::max(x, y)
                                                    : std::copysign(x, y);
                if (v == v) EXPECT_TRUE(v >= r.lo && v <= r.hi) << static_cast<int>(op) << ": " << x << ", " << y << " gives " << v;
              }
          }
}
TEST(NativeMaths, values_of_known_ranges_are_right) {
  for (DType d : {f32, f64}) {
    auto f = [](const Vec& v) {
      const Tensor &x = v[0], t = tanh(x), e = exp(-(x * x));
      return Vec{sin(t), cos(t), sin(1.4 * t), cos(2.9 * t), log(1.0 + x * x), log(e), exp(-abs(x)), sqrt(1.0 + t), sigmoid(-abs(x)), erf(x) * e};
    };
    expect_compiled("functions of bounded values " + std::string(name_of(d)), f, {odd_ones(d)});
  }
}

// ---------------------------------------------------------------- calls for odd values
TEST(NativeMaths, odd_values_of_several_functions_take_one_branch) {
  auto f = [](const Vec& v) { return Vec{sin(v[0]) * cos(v[0]) + sin(v[1]), cos(v[1])}; };
  for (DType d : {f32, f64}) {
    Tensor x = odd_ones(d);
    expect_compiled("sines and cosines " + std::string(name_of(d)), f, {x, flip(x, {0})});
    expect_compiled("of sines " + std::string(name_of(d)),
                    [](const Vec& v) { return Vec{sin(1e13 * round(3.0 * sin(v[0]))) + cos(1e14 * round(5.0 * cos(v[0])))}; }, {x});
  }
  const std::string ir = jit([&](const Tensor& a, const Tensor& b) { return f({a, b})[0]; }).trace(odd_ones(f32), odd_ones(f32)).lower().llvm_ir();
  EXPECT_EQ(times(ir, "\nodd"), 1u) << ir;
}

// Powers whose exponent is known to be little, without extended precision: within 4 units of the last place, special values as always.
TEST(NativeMaths, powers_of_little_exponents) {
  std::vector<double> v;
  for (int i = 0; i < 20000; ++i) {
    const double u = std::fmod(0.6180339887498949 * i, 1.0);
    v.push_back(i % 3 == 0 ? u : i % 3 == 1 ? 1 + 0.1 * (u - 0.5) : std::exp(160 * (u - 0.5)));
  }
  for (double y : {-1.0 / 3, 0.2, 0.45, 1.9, -1.234567, 2.0 - 1e-9, 1e-20})
    for (DType d : {f32, f64}) {
      const Tensor x = tensor(v, f64).to(d), power = tensor(y, d);
      const std::vector<double> in = x.to_vector<double>(), out = jit([=](const Tensor&t) { return pow(t, power); })(x).to_vector<double>();
      double worst = 0;
      for (std::size_t i = 0; i < in.size(); ++i) {
        const long double should = powl(in[i], static_cast<long double>(power.item<double>()));
        if (!(should > (d == f32 ? 1e-36L : 1e-300L) && should < (d == f32 ? 3e38L : 1e300L))) continue;
        int exponent;
        frexpl(should, &exponent);
        worst = std::max(worst, static_cast<double>(fabsl(out[i] - should) / ldexpl(1.0L, exponent - (d == f32 ? 24 : 53))));
      }
      EXPECT_LT(worst, 2.5) << y << " " << name_of(d);
      expect_compiled("special values to the power of " + std::to_string(y), [=](const Vec& t) { return Vec{pow(t[0], power)}; }, {odd_ones(d)});
    }
}
TEST(NativeMaths, even_functions_of_a_difference_and_its_negative_are_one) {
  Graph g;
  const Id x = g.load(f64, 0), y = g.load(f64, 1), a = g.binary(NumOp::sub, f64, x, y), b = g.binary(NumOp::sub, f64, y, x), c = g.load(f64, 2);
  EXPECT_NE(a, b);
  EXPECT_EQ(g.binary(NumOp::mul, f64, a, a), g.binary(NumOp::mul, f64, b, b));
  EXPECT_EQ(g.fma(f64, a, a, c), g.fma(f64, b, b, c));
  EXPECT_EQ(g.unary(NumOp::abs, f64, a), g.unary(NumOp::abs, f64, b));
  EXPECT_NE(g.binary(NumOp::mul, f64, a, c), g.binary(NumOp::mul, f64, b, c));
}

// ---------------------------------------------------------------- powers of two
TEST(NativeMaths, exponentials_at_the_ends_of_the_numbers) {
  for (DType d : {f32, f64}) {
    std::vector<double> v{inf, -inf, std::nan("")};
    for (double x = -760; x < 760; x += 0.37) v.push_back(x);
    for (double x = -105; x < 90; x += 0.013) v.push_back(x);
    auto f = [](const Vec& v) { return Vec{exp(v[0]), exp2(v[0]), expm1(v[0]), sinh(v[0]), cosh(v[0]), erfc(v[0])}; };
    const Tensor x = tensor(v, f64).to(d);
    auto fast = jit([&](const Tensor& t) { return f({t}); });
    auto got = fast(x), want = f({x});
    for (std::size_t k = 0; k < got.size(); ++k) {  // relative, to the last subnormal number
      const Tensor g = got[k].to(f64), w = want[k].to(f64), unit = (d == f32 ? 1e-6 : 2e-15) * abs(w) + (d == f32 ? 3e-45 : 1.5e-323);
      EXPECT_TRUE(bool(all(logical_or(logical_or(g == w, abs(g - w) <= unit), logical_and(g != g, w != w))))) << k;
    }
  }
}

// ---------------------------------------------------------------- vectors in flight
TEST(NativeMaths, so_many_vectors_are_in_flight_as_registers_hold) {
  auto copies = [](int width) {
    compiler::Nest n;
    n.lower = {0};
    n.upper = {4096};
    n.buffers = 2;
    auto load = [&](std::int64_t k) {
      n.accesses.push_back({0, f32, k, {1}});
      return n.graph.load(f32, static_cast<std::uint64_t>(k));
    };
    std::vector<Id> all;
    for (int k = 0; k < width; ++k) all.push_back(n.graph.unary(NumOp::sqrt, f32, load(k)));
    Id sum = all[0], product = all[0];
    for (int k = 1; k < width; ++k) sum = n.graph.binary(NumOp::add, f32, sum, all[static_cast<std::size_t>(k)]);
    for (int k = 1; k < width; ++k) product = n.graph.binary(NumOp::mul, f32, product, all[static_cast<std::size_t>(k)]);
    n.stores.push_back({{1, f32, 0, {1}}, n.graph.binary(NumOp::div, f32, sum, product)});
    return compiler::NestPlan(n, {.vector_bytes = 64, .registers = 32}).vectors_in_flight();
  };
  EXPECT_EQ(copies(4), 4u);
  EXPECT_EQ(copies(12), 2u);
  EXPECT_EQ(copies(40), 1u);
}

// ---------------------------------------------------------------- large results
TEST(NativeMaths, results_larger_than_the_caches_are_written_past_them) {
  for (std::int64_t n : {(1 << 20) + 64, (1 << 20) + 77}) {  // whole lines; a last block that begins within one
    Tensor x = numbers({n}, f64);
    auto f = jit([](const Tensor& v) { return std::pair{v * 2.0 + 1.0, sum(v)}; });
    EXPECT_NE(f.trace(x).lower().llvm_ir().find("nontemporal"), std::string::npos);
    expect_close(f(x).first, x * 2.0 + 1.0);
    Tensor rows = numbers({9, n / 7}, f64);  // rows begin anywhere
    expect_close(jit([](const Tensor& v) { return v / sum(v, -1, true); })(rows), rows / sum(rows, -1, true));
  }
  EXPECT_EQ(jit([](const Tensor& v) { return v * 2.0; }).trace(numbers({1000}, f64)).lower().llvm_ir().find("nontemporal"), std::string::npos);
  auto read_again = [](const Tensor& v) { return std::pair{v * 2.0, sort(v * 2.0).first}; };
  EXPECT_EQ(jit(read_again).trace(numbers({1 << 20}, f64)).lower().llvm_ir().find("nontemporal"), std::string::npos);
}

// ---------------------------------------------------------------- prepared calls
TEST(NativeMaths, prepared_calls_overwrite_only_what_nobody_holds) {
  auto f = jit([](const Tensor& x) { return std::pair{x * 2.0, sum(x)}; });
  Tensor x = numbers({100}), y = x + 1.0;
  auto call = f.bind(x);
  const auto& r = call(x);
  const Tensor held = r.first;
  const double total = r.second.item<double>();
  const void* first = r.first.bytes();
  call(y);
  expect_close(held, x * 2.0);
  expect_close(r.first, y * 2.0);
  EXPECT_NE(r.first.bytes(), first);
  EXPECT_NE(r.second.item<double>(), total);
  const void* second = r.first.bytes();
  call(x);
  EXPECT_EQ(r.first.bytes(), second);  // again, in place
  expect_close(r.first, x * 2.0);
}
TEST(NativeMaths, prepared_calls_take_their_own_results) {
  auto f = jit([](const Tensor& x) { return flip(x, {0}) + 1.0; });
  Tensor x = numbers({37}), want = x;
  auto call = f.bind(x);
  const Tensor* r = &call(x);
  want = flip(want, {0}) + 1.0;
  for (int i = 0; i < 5; ++i) {
    r = &call(*r);
    want = flip(want, {0}) + 1.0;
    expect_close(*r, want);
  }
  auto g = jit([](const Tensor& a, const Tensor& b) { return std::pair{a + b, a - b}; });
  auto both = g.bind(tensor(3.0, f64), tensor(5.0, f64));
  const auto* p = &both(tensor(3.0, f64), tensor(5.0, f64));
  p = &both(p->first, p->second);  // 8, -2
  EXPECT_EQ(p->first.item<double>(), 6);
  EXPECT_EQ(p->second.item<double>(), 10);
  Tensor strided = numbers({37, 2}).t()[0];
  expect_close(call(strided), flip(strided, {0}) + 1.0);
  expect_close(vmap([&](const Tensor& v) { return call(v); })(numbers({3, 37})), flip(numbers({3, 37}), {1}) + 1.0);
}

}  // namespace functra::testing
