// Compiled nests that work along rows: values that the last axis alone decides, sums with gaps, sums along the lanes, transposes that fill
// lanes, lanes in place of repeated scalars. Extents around the width of vectors, several dtypes.
#include <gtest/gtest.h>

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
}  // namespace functra::testing
