// Compiled loops of every length around the width of vectors, on operands stored in every way: elementwise work and reductions of every
// kind and dtype.
#include <gtest/gtest.h>

#include <numeric>

#include "support/compiled.h"

namespace functra::testing {
namespace {

const DType numbers_of[] = {DType::i8, DType::i16, DType::i32, DType::i64, DType::u8, DType::u16, DType::u32, DType::u64, DType::f32, DType::f64};

std::string label(const char* what, const Shape& s, DType d, int layout) {
  return std::string(what) + " " + std::string(name_of(d)) + s.str() + " layout " + std::to_string(layout);
}
struct Reduction {
  const char* name;
  Tensor (*of)(const Tensor&, DimsOrAll);
};
const Reduction reductions[] = {
    {"sum", [](const Tensor& x, DimsOrAll d) { return sum(x, d); }},   {"prod", [](const Tensor& x, DimsOrAll d) { return prod(x, d); }},
    {"amax", [](const Tensor& x, DimsOrAll d) { return amax(x, d); }}, {"amin", [](const Tensor& x, DimsOrAll d) { return amin(x, d); }},
    {"all", [](const Tensor& x, DimsOrAll d) { return all(x, d); }},   {"any", [](const Tensor& x, DimsOrAll d) { return any(x, d); }}};
// Of one operand, of two, and of operands that are repeated: a number, a row, a column.
Vec elementwise_of(const Vec& v) {
  const Tensor &x = v[0], &y = v[1], &rows = v[2], &column = v[3], &number = v[4];
  if (is_bool(x.raw_dtype())) return {!x, x & y, x ^ number, rows | x, rows ^ column, where(x, 1.5, 2.5)};
  Vec r{-x, x * y, x + number, rows - x, column * rows, x < y};
  if (is_floating(x.raw_dtype())) r.push_back(exp(rows));
  return r;
}
// Along rows and across them, in memory that runs along either.
Vec reduced_of(const Vec& v) {
  Vec r;
  for (const Tensor& t : v)
    for (std::int64_t d : {0, 1}) r.insert(r.end(), {sum(t, d), amax(t, d), any(t, d)});
  r.push_back(prod(v[0], 1));
  return r;
}
// Gathered, sliced with and without steps, turned, put side by side.
Vec moved_of(const Vec& v) {
  const Tensor &x = v[0], &longer = v[1], &rows = v[2], &at = v[3];
  const std::int64_t n = x.size(0);
  return {index_select(longer, 0, at),
          narrow(longer, 0, 3, n),
          lax::slice(longer, {2}, {2 * n + 2}, {2}),
          flip(x, {0}),
          rows.t().contiguous(),
          cat({x, narrow(longer, 0, 1, n), x}, 0)};
}

}  // namespace

TEST(NativeTails, elementwise_of_every_length) {
  auto f = [](const Vec& v) { return Vec{v[0] * v[1] + sin(v[0]), maximum(v[0], v[1]) - v[1] / v[0]}; };
  for (std::int64_t n = 0; n <= 34; ++n) {
    const DType d = n % 2 ? f32 : f64;
    const int k = static_cast<int>(n % layouts);
    expect_compiled(label("elementwise", {n}, d, k), f, {stored(numbers({n}, d), k), numbers({n}, d, 1)});
  }
  for (std::int64_t n : {63, 64, 65, 127, 129, 255, 257, 1023, 1025})
    expect_compiled(label("elementwise", {n}, f32, 0), f, {numbers({n}, f32), numbers({n}, f32, 1)});
}
TEST(NativeTails, elementwise_of_every_dtype) {
  for (DType d : numbers_of)
    for (std::int64_t n : {1, 7, 33, 67})
      expect_compiled(
          label("arithmetic", {n}, d, 0),
          [](const Vec& v) {
            return Vec{v[0] * v[1] - v[0], v[0] < v[1], where(v[0] == v[1], v[1], -v[0])};
          },
          {numbers({n}, d), numbers({n}, d, 1)}, Match::rounded);
  for (std::int64_t n : {1, 7, 33, 131})
    expect_compiled(label("masks", {n}, DType::bool_, 0),
                    [](const Vec& v) { return Vec{v[0] & v[1], v[0] | !v[1], v[0] ^ v[1], where(v[0], 1.0, 2.0), v[0] * v[1], v[0] + v[1]}; },
                    {numbers({n}, DType::bool_), numbers({n}, DType::bool_, 1)});
  for (DType d : {DType::f16, DType::bf16})
    expect_compiled(label("halves", {19}, d, 0), [](const Vec& v) { return Vec{exp(v[0]) * v[1] + sum(v[0])}; },
                    {numbers({19}, d), numbers({19}, d, 1)});
}
// Around the widest vector of each dtype, 64 bytes: every length from none to one more than two vectors. The first tier takes the ends of that
// and the neighbours of whole vectors.
TEST(NativeTails, lengths_around_the_widest_vector) {
  std::vector<DType> dtypes(std::begin(numbers_of), std::end(numbers_of));
  dtypes.insert(dtypes.end(), {DType::bool_, DType::f16, DType::bf16});
  for (DType d : dtypes) {
    const auto w = 64 / static_cast<std::int64_t>(size_of(d));
    std::vector<std::int64_t> lengths{0, 1, w - 1, w, w + 1, 2 * w - 1, 2 * w, 2 * w + 1};
    if (thorough) {
      lengths.resize(static_cast<std::size_t>(2 * w + 2));
      std::iota(lengths.begin(), lengths.end(), 0);
    }
    for (std::int64_t n : lengths) {
      const int k = static_cast<int>(n % layouts);
      const Tensor x = stored(numbers({n}, d), k), y = numbers({n}, d, 1), m = stored(numbers({3, n}, d, 2), k);
      expect_compiled(label("elementwise around a vector", {n}, d, k), elementwise_of, {x, y, m, numbers({3, 1}, d, 3), numbers({}, d, 4)},
                      Match::ulps);
      if (n) expect_compiled(label("reduced around a vector", {n}, d, k), reduced_of, {m, stored(numbers({n, 3}, d, 5), k)});
      const Tensor at = (arange(n) * 7) % (n + 4);
      expect_compiled(label("moved around a vector", {n}, d, k), moved_of, {x, numbers({2 * n + 5}, d, 6), m, at}, Match::bits);
    }
  }
}
TEST(NativeTails, results_of_several_dtypes_in_one_loop) {
  for (std::int64_t n : {1, 5, 8, 15, 17, 31, 33, 64, 100})
    expect_compiled(label("mixed", {n}, f32, 0),
                    [](const Vec& v) {
                      Tensor x = v[0], i = v[1];
                      return Vec{x.to(f64) * i.to(f64), (x * 10.0).to(DType::i8), i.to(DType::u16), x > 0, (x > 0).to(DType::i32) + i, i.to(f32) * x};
                    },
                    {numbers({n}, f32), numbers({n}, DType::i32)});
}
TEST(NativeTails, layouts_of_operands) {
  Sampled sampled(2);
  auto f = [](const Vec& v) { return Vec{v[0] * 2.0 + v[1], v[0].t() * v[1].t(), flip(v[0], {0, 1}) + v[1], v[0] + v[1][0]}; };
  for (int a = 0; a < layouts; ++a)
    for (int b = 0; b < layouts; b += 2)
      for (Shape s : {Shape{3, 5}, Shape{17, 33}, Shape{40, 2}})
        expect_compiled(label("operands", s, f64, a * 10 + b), f, {stored(numbers(s), a), stored(numbers(s, f64, 1), b)});
}
TEST(NativeTails, rows_of_every_length) {
  Sampled sampled(3);
  for (std::int64_t n = 0; n <= 34; n += n < 10 || thorough ? 1 : 3)
    for (const Reduction& r : reductions) {
      if (n == 0 && r.name[1] == 'm') continue;  // no largest of none
      auto f = [&](const Vec& v) { return Vec{r.of(v[0], 1), r.of(v[0], 0), r.of(v[0], {})}; };
      const DType d = n % 2 ? f32 : f64;
      expect_compiled(label(r.name, {3, n}, d, static_cast<int>(n % layouts)), f, {stored(numbers({3, n}, d), static_cast<int>(n % layouts))});
    }
}
TEST(NativeTails, sums_that_are_loops) {
  Sampled sampled(4);
  for (std::int64_t n : {65, 66, 71, 72, 80, 95, 96, 97, 127, 128, 129, 130, 160, 191, 257})
    for (const Reduction& r : reductions) {
      const DType d = n % 2 ? f32 : f64;
      auto f = [&](const Vec& v) { return Vec{r.of(v[0] * 1.05, 1), r.of(v[0], 0), r.of(v[0] + 0.2, {})}; };
      expect_compiled(label(r.name, {5, n}, d, 0), f, {numbers({5, n}, d)});
      if (n % 5 == 0) expect_compiled(label(r.name, {n, 5}, d, 1), f, {stored(numbers({n, 5}, d), 1)});
    }
}
TEST(NativeTails, reductions_of_every_dtype) {
  Sampled sampled(2);
  for (DType d : numbers_of)
    for (const Reduction& r : reductions) {
      auto f = [&](const Vec& v) { return Vec{r.of(v[0], 1), r.of(v[0], 0), r.of(v[0], {})}; };
      expect_compiled(label(r.name, {4, 75}, d, 0), f, {numbers({4, 75}, d)});
    }
  for (const Reduction& r : reductions)
    expect_compiled(label(r.name, {3, 75}, DType::bool_, 0),
                    [&](const Vec& v) {
                      return Vec{r.of(v[0], 1), r.of(!v[0], 0), r.of(v[0], {})};
                    },
                    {numbers({3, 75}, DType::bool_)});
}
TEST(NativeTails, dimensions_reduced) {
  Sampled sampled(3);
  const std::vector<Shape> lists{{0}, {1}, {2}, {0, 1}, {1, 2}, {0, 2}, {0, 1, 2}};
  for (Shape s : {Shape{2, 3, 5}, Shape{7, 20, 19}, Shape{70, 3, 66}, Shape{1, 130, 1}, Shape{33, 1, 70}})
    for (const Shape& dims : lists)
      for (int k : {0, 1, 3}) {
        auto f = [&](const Vec& v) { return Vec{sum(v[0], dims), amax(v[0] * v[0], dims, true) + v[0], sum(exp(v[0]), dims)}; };
        if (k && s[0] == 2) continue;
        expect_compiled(label("reduced over", s, f64, k) + dims.str(), f, {stored(numbers(s), k)});
      }
}
TEST(NativeTails, lengths_around_the_parallel_cut) {
  auto f = [](const Vec& v) {
    Tensor y = sin(v[0]) * v[1];
    return Vec{y, sum(y), amax(v[0]), v[0] > v[1]};
  };
  for (std::int64_t n : {20000, 65535, 65536, 65537, 300001})
    expect_compiled(label("long", {n}, f32, 0), f, {numbers({n}, f32), numbers({n}, f32, 1)}, Match::rounded, 16);
  auto rows = [](const Vec& v) { return Vec{sum(v[0], 1), sum(v[0] * v[0], 0), amin(v[0], 0), softmax(v[0], 1), v[0].t() + 1.0}; };
  for (Shape s : {Shape{3, 50001}, Shape{50001, 3}, Shape{511, 257}, Shape{100, 1000}})
    expect_compiled(label("tables", s, f64, 0), rows, {numbers(s)}, Match::rounded, 16);
  auto all_of = [](const Vec& v) {
    return Vec{sum(v[0], {0, 1, 2}), sum(v[0], {0, 2}), sum(v[0], {0}), amax(v[0], {1, 2}), any(v[0] > 1.09, {0, 1}), prod(1.0 + v[0] * 1e-3)};
  };
  expect_compiled("three dimensions", all_of, {numbers({37, 41, 71})}, Match::rounded, 16);
}
TEST(NativeTails, integers_around_the_parallel_cut) {
  for (DType d : {DType::i8, DType::u16, DType::i32, DType::u64, DType::bool_})
    expect_compiled(label("long", {150003}, d, 0),
                    [](const Vec& v) { return Vec{v[0], sum(v[0]), amax(v[0]), amin(v[0]), all(v[0]), any(v[0]), prod(v[0])}; },
                    {numbers({150003}, d)});
}

}  // namespace functra::testing
