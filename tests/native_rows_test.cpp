// Compiled nests that work along rows: values that the last axis alone decides, sums with gaps, sums along the lanes, transposes that fill
// lanes, lanes in place of repeated scalars. Extents around the width of vectors, several dtypes.
#include <gtest/gtest.h>

#include "functra/compiler/emit_plan-inl.h"
#include "support/compiled.h"

namespace functra::testing {
namespace {
std::string label(const char* what, std::int64_t n, std::int64_t m, DType d) {
  return std::string(what) + " " + std::string(name_of(d)) + " " + std::to_string(n) + " x " + std::to_string(m);
}
const std::pair<std::int64_t, std::int64_t> extents[] = {{20, 20}, {33, 17}, {17, 70}, {70, 65}, {100, 129}};
}  // namespace

TEST(NativeRows, of_pairs_of_records_are_made_once_and_summed_without_gaps) {
  Sampled some(2);
  for (auto [n, m] : extents)
    for (DType d : {f32, f64})
      expect_compiled(
          label("pairs", n, m, d),
          [](const Vec& v) {
            Tensor gap = v[0].unsqueeze(1) - v[1];  // [n, m, 3]
            Tensor near = 1.0 / (1.0 + sum(square(gap), -1)), pull = near.unsqueeze(-1) * gap;
            return Vec{sum(near), sum(pull, 0), sum(pull, 1), amax(pull, 0), sum(near / (1.0 + sum(square(gap), -1)), 0)};
          },
          {numbers({n, 3}, d), numbers({m, 3}, d, 1)}, Match::rounded, 4);
}
TEST(NativeRows, of_long_formulas_on_the_last_axis_are_made_once) {
  Sampled some(2);
  for (auto [n, m] : extents)
    for (DType d : {f32, f64})
      expect_compiled(
          label("formula", n, m, d),
          [](const Vec& v) {
            return Vec{v[0].unsqueeze(1) * exp(sin(v[1])) + v[1], sum(v[0].unsqueeze(1) * tanh(v[1]), 0)};
          },
          {numbers({n}, d), numbers({m}, d, 1)}, Match::rounded, 4);
}
TEST(NativeRows, sums_along_the_lanes_of_what_is_also_stored) {
  Sampled some(2);
  for (std::int64_t m : {16, 31, 32, 33, 48, 64, 65, 100})
    for (DType d : {f32, f64, DType::i32})
      expect_compiled(
          label("stages", 40, m, d),
          [](const Vec& v) {
            Tensor p = v[0].unsqueeze(1) * v[1];  // [40, 30, m]
            return Vec{p * sum(p, -1, true) - amax(p, -1, true)};
          },
          {numbers({40, m}, d), numbers({30, m}, d, 1)}, Match::rounded, 4);
  for (std::int64_t m : {31, 40, 64})
    expect_compiled(
        label("products", 40, m, f64), [](const Vec& v) { return Vec{matmul(v[0], v[1]).unsqueeze(1) * v[0] + 1.0}; },
        {numbers({40, m}, f64), numbers({m}, f64, 1)}, Match::rounded, 4);
}
TEST(NativeRows, transposes_that_fill_lanes_are_made_once) {
  Sampled some(2);
  for (auto [n, m] : extents)
    expect_compiled(
        label("turned", n, m, f64),
        [](const Vec& v) {
          return Vec{v[0].t() * exp(v[1].unsqueeze(1)), sum(v[0].t() * v[1].unsqueeze(1), -1)};
        },
        {numbers({n, m}, f64), numbers({50, n}, f64, 1)}, Match::rounded, 4);
}
TEST(NativeRows, values_written_out_beside_a_whole_vector_of_them_are_its_lanes) {
  Sampled some(2);
  for (std::int64_t n : {15, 16, 17, 32, 48, 64})
    for (DType d : {f32, f64})
      expect_compiled(
          label("lanes", n, n, d),
          [](const Vec& v) {
            Tensor y = (v[0] + v[1]) * v[0] - 0.5;
            return Vec{y, matmul(v[2], y), matmul(y * v[1], v[2]) + sum(y * y)};
          },
          {numbers({n}, d), numbers({n}, d, 1), numbers({n, n}, d, 2)}, Match::rounded, 4);
}
TEST(NativeRows, a_reciprocal_divided_again_is_a_square) {
  const double inf = std::numeric_limits<double>::infinity(), nan = std::numeric_limits<double>::quiet_NaN();
  Tensor x = tensor({0.0, -0.0, 1.0, -3.0, 1e-300, -1e-310, 1e200, 5e-324, inf, -inf, nan, 0.3}, f64);
  expect_compiled("squared reciprocal", [](const Vec& v) { return Vec{(1.0 / v[0]) / v[0], (1.0 / v[0]) / v[0] < 1.0}; }, {x});
}
// The gradient of a regression: more sums than registers, of the columns that the weights are made of too. Blocks of vectors that do and do not
// divide the number of rows, one thread and several, other sums than additions.
TEST(NativeRows, many_sums_of_columns_that_are_read_twice) {
  for (DType d : {f32, f64})
    for (std::int64_t columns : {10, 20, 33})
      for (std::int64_t rows : {130, 256, 300, 500, 4099}) {
        const std::string name = std::string(name_of(d)) + " " + std::to_string(rows) + " x " + std::to_string(columns);
        const Vec in{numbers({columns, rows}, d) * 0.3, numbers({columns}, d, 1) * 0.3, numbers({rows}, d, 2)};
        expect_compiled(
            "a regression, " + name,
            [](const Vec& v) {
              const Tensor x = v[0].t(), r = sigmoid(matmul(x, v[1])) - v[2];
              return Vec{matmul(r, x), sum(r)};
            },
            in, Match::rounded, 64);
        expect_compiled(
            "largest weighed columns, " + name,
            [](const Vec& v) {
              Vec out;
              const Tensor w = tanh(matmul(v[0].t(), v[1]));
              for (std::int64_t k = 0; k < v[0].size(0); ++k) out.push_back(k % 2 ? amax(v[0][k] * w) : sum(v[0][k] * w));
              return out;
            },
            in, Match::rounded, 64);
      }
}
TEST(NativeRows, sums_follow_what_they_share_where_registers_do_not_hold_both) {
  auto vectors = [](int columns) {
    compiler::Nest n;
    n.lower = {0};
    n.upper = {4096};
    n.buffers = 2;
    std::vector<compiler::Id> x;
    for (int k = 0; k < columns; ++k) {
      n.accesses.push_back({0, f64, 4096 * k, {1}});
      x.push_back(n.graph.load(f64, static_cast<std::uint64_t>(k)));
    }
    compiler::Id shared = x[0];
    for (std::size_t k = 1; k < x.size(); ++k) shared = n.graph.binary(NumOp::add, f64, shared, x[k]);
    shared = n.graph.unary(NumOp::sqrt, f64, shared);
    for (int k = 0; k < columns; ++k)
      n.reductions.push_back({core::ReduceOp::sum, n.graph.binary(NumOp::mul, f64, shared, x[static_cast<std::size_t>(k)]), 1, {1, f64, k, {0}}});
    return compiler::NestPlan(n, {.vector_bytes = 64, .registers = 32}).vectors_in_block();
  };
  EXPECT_LE(vectors(8), 4u);
  EXPECT_EQ(vectors(24), 8u);
}

// Rounding errors of one sign, the worst there are: a million terms one after another are wrong in the third digit.
TEST(NativeRows, long_sums_are_as_exact_as_short_ones) {
  struct Case {
    Shape shape, dims;
  };
  for (const Case& c :
       {Case{{1'000'003}, {0}}, {{400'001, 7}, {0}}, {{200'003, 6, 6}, {0}}, {{100'003, 40}, {0, 1}}, {{300'001, 33}, {0}}, {{4, 60'001, 64}, {1}}})
    for (int threads : {1, 2}) {
      ThreadLimit limit(threads);
      double terms = 1;
      for (std::int64_t d : c.dims) terms *= static_cast<double>(c.shape[static_cast<std::size_t>(d)]);
      const Tensor x = full(c.shape, 0.1, f32);
      auto sums = [&](const Tensor& t) { return std::tuple{sum(t, c.dims), sum(t * 3.0 - 0.1, c.dims), t + 1.0}; };
      const auto [plain, computed, beside] = jit(sums)(x);
      EXPECT_LT(double(amax(abs(plain.to(f64) / (0.1f * terms) - 1.0))), 2e-5) << c.shape << threads;
      EXPECT_LT(double(amax(abs(computed.to(f64) / (0.2 * terms) - 1.0))), 2e-5) << c.shape << threads;
      EXPECT_EQ(results_differ({beside}, {x + 1.0}, Match::bits), "");
    }
}

}  // namespace functra::testing
