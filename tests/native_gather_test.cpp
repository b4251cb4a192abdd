// Compiled reads of arrays at computed places, and random bits: inside loop nests, equal to eager evaluation in every bit.
#include <gtest/gtest.h>

#include "functra/prims/random.h"
#include "laws/row.h"
#include "support/compiled.h"

namespace functra::testing {
namespace {

constexpr lax::OutOfBounds modes[] = {lax::OutOfBounds::clip, lax::OutOfBounds::fill_or_drop};

// Integers in [-3, n + 3), in no order.
Tensor places(const Shape& s, std::int64_t n, DType d = i64, int seed = 0) {
  std::vector<double> v;
  for (std::int64_t k = 0; k < s.numel(); ++k) v.push_back(static_cast<double>((k * 7919 + seed * 31 + k * k) % (n + 6) - 3));
  return from_values(s, i64, v).to(d);
}
std::string nests(const Leaves& f, const Vec& in) { return jit(f).trace(in).lower().text(); }
std::size_t calls(const std::string& text) {
  std::size_t n = 0;
  for (std::size_t at = text.find("call "); at != std::string::npos; at = text.find("call ", at + 1)) ++n;
  return n;
}
void expect_fused(const std::string& name, const Leaves& f, const Vec& in) {
  const std::string text = nests(f, in);
  if (text.find("nest") == std::string::npos) return;  // a build that evaluates
  EXPECT_NE(text.find(" further by "), std::string::npos) << name << "\n" << text;
  EXPECT_EQ(calls(text), 0u) << name << "\n" << text;
}
Tensor elements(const Tensor& x, const Tensor& i, lax::OutOfBounds mode) {
  return lax::gather(x, i.unsqueeze(i.dim()), {.collapsed_slice_dims = {0}, .start_index_map = {0}}, {1}, mode, Scalar(0.25));
}
Tensor rows(const Tensor& x, const Tensor& i, lax::OutOfBounds mode) {
  return lax::gather(x, i.unsqueeze(1), {.offset_dims = {1}, .collapsed_slice_dims = {0}, .start_index_map = {0}}, {1, x.size(1)}, mode);
}

TEST(NativeGather, elements_of_every_type_at_places_of_every_type) {
  for (lax::OutOfBounds mode : modes)
    for (DType d : {DType::bool_, DType::u8, DType::i16, DType::i32, DType::i64, DType::f32, DType::f64, DType::f16, DType::bf16})
      for (DType index : {DType::i64, DType::i32, DType::u32, DType::i8, DType::u64}) {
        if (d != DType::f32 && index != DType::i64 && !thorough) continue;
        const Tensor where = is_unsigned(index) ? abs(places({37}, 20)).to(index) : places({37}, 20, index);
        Leaves f = [&](const Vec& v) { return Vec{elements(v[0], v[1], mode), elements(v[0], v[1], mode) == v[0][3]}; };
        const std::string name = std::string(name_of(d)) + " at " + std::string(name_of(index));
        expect_compiled(name, f, {numbers({20}).to(d), where}, Match::bits);
      }
}
TEST(NativeGather, tails_of_every_length) {
  const Tensor x = numbers({50}, f32);
  for (lax::OutOfBounds mode : modes)
    for (std::int64_t n = 0; n <= 67; n += thorough ? 1 : 3) {
      Leaves f = [&](const Vec& v) { return Vec{elements(v[0], v[1], mode) * 2.0 + 1.0, sum(elements(v[0], v[1], mode))}; };
      expect_compiled(std::to_string(n) + " elements", f, {x, places({n}, 50)}, Match::rounded);
    }
}
TEST(NativeGather, is_part_of_a_nest) {
  const auto clip = lax::OutOfBounds::clip;
  expect_fused("elements", [=](const Vec& v) { return Vec{exp(elements(v[0], v[1], clip)) * v[2]}; },
               {numbers({500}), places({300}, 500), numbers({300})});
  expect_fused("rows", [=](const Vec& v) { return Vec{sum(rows(v[0], v[1], clip) * v[2], 1)}; },
               {numbers({500, 64}), places({300}, 500), numbers({64})});
  expect_fused("of a transpose", [=](const Vec& v) { return Vec{rows(v[0].t(), v[1], clip) + 1.0}; }, {numbers({64, 500}), places({300}, 500)});
  expect_fused("a window",
               [](const Vec& v) {
                 return Vec{lax::dynamic_slice(v[0], {v[1][0], v[1][1]}, {20, 30}) * 3.0};
               },
               {numbers({60, 50}), places({2}, 40)});
  Leaves each = [](const Vec& v) { return Vec{vmap([](const Tensor& x, const Tensor& i) { return sin(x[i]) + x[0]; })(v[0], v[1])}; };
  expect_fused("an element of each lane", each, {numbers({300, 8}), places({300}, 8)});
}
TEST(NativeGather, in_every_shape_of_program) {
  const auto clip = lax::OutOfBounds::clip;
  auto check = [](const std::string& name, const Leaves& f, const Vec& in, double deep = 1) {
    expect_compiled(name, f, in, Match::rounded, deep);
    Leaves g = [&](const Vec& v) {
      return Vec{grad([&](const Tensor& x) {
        Vec u = v;
        u[0] = x;
        Tensor s = tensor(0.0, f64);
        for (const Tensor& t : f(u)) s = s + sum(sin(t));
        return s;
      })(v[0])};
    };
    expect_compiled(name + ", its gradient", g, in, Match::rounded, 16 * deep);
  };
  check("a chain of gathers", [=](const Vec& v) { return Vec{elements(elements(v[0], v[1], clip) * 2.0, v[2], clip)}; },
        {numbers({100}), places({80}, 100), places({60}, 80)});
  check("of what is computed, and used otherwise too",
        [=](const Vec& v) {
          Tensor y = sin(v[0]) * 3.0;
          return Vec{elements(y, v[1], clip) + y, y};
        },
        {numbers({100}), places({100}, 100)});
  check("places that are gathered", [=](const Vec& v) { return Vec{elements(v[0], elements(v[1], v[2], clip), clip)}; },
        {numbers({100}), places({80}, 100), places({60}, 80)});
  check("places that are computed", [=](const Vec& v) { return Vec{elements(v[0], v[1] * 3 - v[2], clip)}; },
        {numbers({100}), places({60}, 50), places({60}, 70)});
  check("of a concatenation", [=](const Vec& v) { return Vec{rows(cat({v[0], v[0] * 2.0}, 0), v[1], clip)}; }, {numbers({40, 9}), places({70}, 80)});
  check("across a concatenation",
        [=](const Vec& v) {
          return Vec{rows(cat({v[0], v[0] * 2.0}, 1), v[1], clip)};
        },
        {numbers({40, 9}), places({70}, 40)});
  check("of a reshape", [=](const Vec& v) { return Vec{rows(v[0].reshape({24, 10}), v[1], clip) * 2.0}; }, {numbers({240}), places({70}, 24)});
  check("of numbers in order", [=](const Vec& v) { return Vec{elements(arange(90).to(f64) * 0.5, v[1], clip) * v[0]}; },
        {numbers({70}), places({70}, 90)});
  check("of a flipped array", [=](const Vec& v) { return Vec{elements(flip(v[0], {0}), v[1], clip)}; }, {numbers({90}), places({70}, 90)});
  check("sums of rows",
        [=](const Vec& v) {
          return Vec{sum(rows(v[0], v[1], clip), 1), amax(rows(v[0], v[1], clip), {0})};
        },
        {numbers({30, 40}), places({50}, 30)});
  check(
      "a softmax of gathered rows", [=](const Vec& v) { return Vec{softmax(rows(v[0], v[1], clip), 1)}; }, {numbers({30, 40}), places({50}, 30)}, 8);
  check("several components",
        [](const Vec& v) {
          return Vec{lax::gather(v[0], stack({v[1], v[2]}, 1), {.offset_dims = {1}, .collapsed_slice_dims = {0, 1}, .start_index_map = {1, 0}},
                                 {1, 1, 5}, lax::OutOfBounds::clip)};
        },
        {numbers({20, 30, 5}), places({90}, 30), places({90}, 20, i64, 1)});
  check("along a dimension", [](const Vec& v) { return Vec{take_along_dim(v[0], clamp(v[1], 0, 29), 1) * 2.0}; },
        {numbers({40, 30}), places({40, 50}, 30)});
  auto lane = [](const Tensor& x, const Tensor& i) { return x[i] * x[0] + lax::dynamic_slice(x, {i}, {3})[1]; };
  check("in lanes", [=](const Vec& v) { return Vec{vmap(lane)(v[0], v[1])}; }, {numbers({70, 9}), places({70}, 9)});
  check("of one table, in lanes", [=](const Vec& v) { return Vec{vmap(lane, {.in_dims = {none, 0}})(v[0], v[1])}; }, {numbers({9}), places({70}, 9)});
}
// A nest that reads an array at its own points and at others does not write over it.
TEST(NativeGather, never_in_place) {
  const auto clip = lax::OutOfBounds::clip;
  Leaves f = [=](const Vec& v) {
    Tensor y = sin(v[0]);
    Tensor z = y + elements(y, v[1], clip);
    return Vec{elements(z, v[1], clip)};
  };
  const Vec in{numbers({3000}), places({3000}, 3000)};
  expect_compiled("its own elements and others", f, in);
  Leaves given = [=](const Vec& v) { return Vec{v[0] * 2.0 + elements(v[0], v[1], clip), cumsum(v[2], 0)}; };
  auto fast = jit(given, {.donate = {0}});
  const Vec args{in[0], in[1], numbers({9})}, want = given(args);
  Vec mine{in[0] + 0.0, in[1] + 0, numbers({9})};
  EXPECT_EQ(results_differ(fast(std::move(mine)), want), "");
}
TEST(NativeGather, in_loops) {
  // Steps through a table, as an interpolated function would.
  auto step = [](const Tensor& table, const Tensor& c) {
    Tensor k = clamp(floor(c * 4.0), 0.0, 14.0).to(i64);
    Tensor t = c * 4.0 - k.to(f64);
    return table[k] * (1.0 - t) + table[k + 1] * t;
  };
  const Tensor table = numbers({16}) * 0.2 + 0.5;
  Leaves serial = [=](const Vec& v) {
    return Vec{scan(
                   [&](const Tensor& c, const Tensor& x) {
                     Tensor y = step(v[0], c) + x * 0.1;
                     return std::pair{y, y * 2.0};
                   },
                   v[1], v[2])
                   .second};
  };
  expect_compiled("a scan", serial, {table, tensor(0.3, f64), numbers({40})}, Match::rounded, 64);
  Leaves lanes = [=](const Vec& v) {
    return Vec{vmap([&](const Tensor& c, const Tensor& xs) {
      return scan(
                 [&](const Tensor& s, const Tensor& x) {
                   Tensor y = step(v[0], s) + x * 0.1;
                   return std::pair{y, y * 2.0};
                 },
                 c, xs)
          .second;
    })(v[1], v[2])};
  };
  expect_compiled("a scan in lanes", lanes, {table, numbers({70}) * 0.2 + 0.4, numbers({70, 12})}, Match::rounded, 64);
  Leaves until = [=](const Vec& v) {
    return Vec{vmap([&](const Tensor& c) {
      return while_loop([](const Tensor& s) { return s < 3.0; }, [&](const Tensor& s) { return s + abs(step(v[0], s)) + 0.1; }, c);
    })(v[1])};
  };
  expect_compiled("a loop until, in lanes", until, {table, numbers({70}) * 0.2 + 0.4}, Match::rounded, 64);
  // An element of the carry itself: which is in registers, not in memory.
  Leaves own = [](const Vec& v) {
    return Vec{scan(
                   [](const Tensor& c, const Tensor& i) {
                     Tensor y = roll(c, 1, 0) + c[i] * 0.5;
                     return std::pair{y * 0.7, y[0]};
                   },
                   v[0], v[1])
                   .first};
  };
  expect_compiled("of the carry", own, {numbers({8}), places({20}, 8)}, Match::rounded, 64);
  Leaves own_lanes = [=](const Vec& v) {
    return Vec{vmap([](const Tensor& c0, const Tensor& xs) {
      return scan(
                 [](const Tensor& c, const Tensor& i) {
                   Tensor y = roll(c, 1, 0) + c[i] * 0.5;
                   return std::pair{y * 0.7, y[0]};
                 },
                 c0, xs)
          .first;
    })(v[0], v[1])};
  };
  expect_compiled("of the carry of each lane", own_lanes, {numbers({70, 8}), places({70, 20}, 8)}, Match::rounded, 64);
  Leaves count = [](const Vec& v) {  // of what is sliced, and at the place that the step counts
    return Vec{fori_loop(
        0, 30, [&](const Tensor& i, const Tensor& c) { return c * 0.9 + v[0][i] * v[1][29 - i]; }, tensor(0.0, f64))};
  };
  expect_compiled("at the counted place", count, {numbers({30}), numbers({30})}, Match::rounded, 64);
}

// ---------------------------------------------------------------- random bits
TEST(NativeRandom, bits_are_those_of_eager_evaluation) {
  const Tensor key = random::key(42), keys = random::split(key, 5);
  for (DType d : {DType::u8, DType::u16, DType::u32, DType::u64})
    for (const Shape& s : {Shape{}, Shape{1}, Shape{7}, Shape{33}, Shape{3, 50}, Shape{20, 5, 3}, Shape{100, 64}, Shape{0}}) {
      const std::string name = std::string(name_of(d)) + " " + s.str();
      expect_compiled(
          name, [&](const Vec& v) { return Vec{random::bits(v[0], s, d)}; }, {key}, Match::bits);
      expect_compiled(
          name + " of several keys", [&](const Vec& v) { return Vec{vmap([&](const Tensor& k) { return random::bits(k, s, d); })(v[0])}; }, {keys},
          Match::bits);
    }
  expect_compiled(
      "new keys",
      [](const Vec& v) {
        return Vec{random::split(v[0], 70), random::fold_in(v[0], tensor(3)), random::split(v[0])[1]};
      },
      {key}, Match::bits);
}
TEST(NativeRandom, numbers_are_those_of_eager_evaluation) {
  const Tensor key = random::key(7);
  for (DType d : {f32, f64}) {
    expect_compiled(
        "uniform", [=](const Vec& v) { return Vec{random::uniform(v[0], {300}, d)}; }, {key}, Match::rounded);
    expect_compiled(
        "normal",
        [=](const Vec& v) {
          return Vec{random::normal(v[0], {40, 33}, d) * 2.0 + 1.0};
        },
        {key}, Match::rounded);
    Leaves dropout = [=](const Vec& v) {
      return Vec{grad([&](const Tensor& x) { return sum(where(random::bernoulli(v[1], 0.3, x.sizes()), sin(x), 0.0)); })(v[0])};
    };
    expect_compiled("dropout", dropout, {numbers({50, 20}, d), key}, Match::rounded);
  }
}
TEST(NativeRandom, is_part_of_a_nest) {
  Leaves f = [](const Vec& v) { return Vec{random::normal(v[0], {3000}, f32) * v[1]}; };
  const Vec in{random::key(3), numbers({3000}, f32)};
  const std::string text = nests(f, in);
  if (text.find("nest") == std::string::npos) return;
  EXPECT_EQ(calls(text), 0u) << text;
}
TEST(NativeRandom, counters_carry_beyond_a_word) {
  // 8 counters around 2^32: the words of each are those of the published function, one by one.
  const std::uint64_t start = (std::uint64_t{5} << 32) - 4;
  const Tensor key = random::key(11);
  Leaves f = [&](const Vec& v) {
    return Vec{prims::random_bits(v[0], tensor(0, i64).to(u64) + Tensor::strong(Scalar(start), u64), {{8}, u32, true})};
  };
  const Tensor got = jit(f)(Vec{key})[0];
  const auto k0 = key[0].item<std::uint32_t>(), k1 = key[1].item<std::uint32_t>();
  for (std::uint64_t i = 0; i < 8; ++i) {
    const std::uint64_t c = start + i;
    const auto [a, b] = prims::threefry2x32(k0, k1, static_cast<std::uint32_t>(c >> 32), static_cast<std::uint32_t>(c));
    EXPECT_EQ(got[static_cast<std::int64_t>(i)][0].item<std::uint32_t>(), a) << i;
    EXPECT_EQ(got[static_cast<std::int64_t>(i)][1].item<std::uint32_t>(), b) << i;
  }
}

}  // namespace
}  // namespace functra::testing
