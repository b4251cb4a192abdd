// Compiled transposes: nests that read along another axis than their last one go over it in strips.
#include <gtest/gtest.h>

#include "functra/functra.h"
#include "support/compiled.h"

namespace functra::testing {
namespace {

bool in_strips(const std::function<Tensor(const Tensor&)>& f, const Tensor& x) {
  return jit(f).trace(x).lower().text().find("i2=[0, 32)") != std::string::npos;
}

TEST(NativeStrips, transposes_of_every_remainder) {
  for (DType d : {f32, f64, i8, i64, bf16, c64, bool_})
    for (std::int64_t n : {63, 64, 65, 95, 96, 97, 130})
      for (std::int64_t m : {7, 8, 33}) {
        const Tensor x = numbers({n, m}, is_complex(d) ? f32 : d, 1).to(d);
        expect_compiled(
            "transpose of " + std::to_string(n) + " x " + std::to_string(m) + " " + std::string(name_of(d)),
            [](const Vec& v) { return Vec{v[0].t().contiguous()}; }, {x}, Match::bits);
      }
}
TEST(NativeStrips, permutations_with_arithmetic) {
  const Tensor x = numbers({70, 9, 101}, f64, 3), y = numbers({101, 101}, f32, 4);
  for (const Shape& perm : {Shape{2, 1, 0}, Shape{0, 2, 1}, Shape{1, 2, 0}, Shape{2, 0, 1}, Shape{1, 0, 2}})
    expect_compiled(
        "permuted by " + perm.str(), [&](const Vec& v) { return Vec{v[0].permute(perm) * 2.0 + 1.0}; }, {x}, Match::bits);
  expect_compiled(
      "beside itself",
      [](const Vec& v) {
        return Vec{v[0] + v[0].t(), v[0].t() * v[0]};
      },
      {y}, Match::bits);
  expect_compiled(
      "reversed", [](const Vec& v) { return Vec{flip(v[0].t(), {0}) - 1.0}; }, {y}, Match::bits);
  expect_compiled(
      "a part, with a border",
      [](const Vec& v) {
        return Vec{pad(narrow(v[0], 0, 3, 90).t(), {1, 2, 3, 4}, 5.0) * 3.0};
      },
      {y}, Match::bits);
  expect_compiled(
      "summed behind",
      [](const Vec& v) {
        return Vec{sum(v[0].t() * v[0], 1), amax(v[0].t(), 0)};
      },
      {y}, Match::rounded);
  expect_compiled(
      "with places", [](const Vec& v) { return Vec{tril(v[0].t())}; }, {y}, Match::bits);
}
TEST(NativeStrips, are_cut_where_reading_runs_along_another_axis) {
  const Tensor x = numbers({300, 300}, f32);
  EXPECT_TRUE(in_strips([](const Tensor& t) { return t.t() * 2.0; }, x));
  EXPECT_FALSE(in_strips([](const Tensor& t) { return t * 2.0; }, x));
  EXPECT_FALSE(in_strips([](const Tensor& t) { return sum(t.t(), 1); }, x));
}
// A product that is only wanted transposed is written so.
TEST(NativeStrips, transposed_products_are_written_in_that_order) {
  auto product = [](const Tensor& a, const Tensor& b) { return einsum("ki,gkj->gij", a, b); };  // (i, g, j), transposed
  for (DType d : {f32, f64, i32}) {
    const Tensor x = numbers({70, 90}, d, 7), y = numbers({4, 70, 80}, d, 8), z = numbers({90, 50}, d, 9);
    EXPECT_EQ(jit(product).trace(x, y).lower().compile().nests(), 0u);
    const Tensor made = jit(product)(x, y), want = product(x, y);
    EXPECT_TRUE(made.is_contiguous());
    EXPECT_EQ(results_differ({made}, {want}, Match::rounded), "");
    auto call = jit(product).bind(x, y);
    EXPECT_EQ(results_differ({call(x, y)}, {want}, Match::rounded), "");
    auto several = [=](const Vec& v) {
      const Tensor p = product(v[0], v[1]);             // for the caller,
      const Tensor q = einsum("gij,il->gjl", p, v[2]);  // a kernel,
      const Tensor r = product(v[0], v[1] * 2);         // and a nest
      return Vec{p, q, r * 3, p.reshape({4 * 90, 80}), product(v[0], v[1] + 1).permute({1, 0, 2}).contiguous(), sum(product(v[0], v[1] - 1), 1)};
    };
    expect_compiled("transposed products and their readers", several, {x, y, z}, Match::rounded);
    auto loop = [=](const Vec& v) {
      return Vec{fori_loop(
          0, 3, [&](const Tensor&, const Tensor& c) { return product(v[0], v[1]) + c * 2; }, zeros({4, 90, 80}, v[0].dtype()))};
    };
    expect_compiled("transposed products in a loop", loop, {x, y}, Match::rounded);
  }
}
// Derivatives of transposed values are transposed values.
TEST(NativeStrips, gradients) {
  const Tensor x = numbers({130, 70}, f64, 5), w = numbers({70, 130}, f64, 6);
  expect_compiled("gradient", [](const Vec& v) { return Vec{grad([&](const Tensor& t) { return sum(sin(t.t()) * v[1]); })(v[0])}; }, {x, w});
}

}  // namespace
}  // namespace functra::testing
