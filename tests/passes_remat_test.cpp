// What later phases of a program make again of cheap values from before a kernel, in place of keeping them.
#include <gtest/gtest.h>

#include "functra/compiler/fuse.h"
#include "functra/compiler/passes.h"
#include "support/compiled.h"

namespace functra::testing {
namespace {

Tensor shaped(const Shape& s, int seed = 0) { return numbers(s, f64, seed); }
std::int64_t traffic_of(const Leaves& f, const Vec& in, const std::vector<std::string>& off) {
  return compiler::traffic(*compiler::optimize(jit([&](const Vec& v) { return f(v); }).trace(in).program().ir(), off));
}
// So many arrays of 300 x 300 are moved less.
double saved(const Leaves& f, const Vec& in) { return static_cast<double>(traffic_of(f, in, {"remat"}) - traffic_of(f, in, {})) / (300 * 300 * 8); }
const Vec& operands() {
  static const auto* v = new Vec{shaped({300, 300}, 1), shaped({300, 300}, 2), shaped({300, 300}, 3)};
  return *v;
}

// a is what one product gives, and two cheap operations; a second product stands before its other reader.
Vec around_a_product(const Vec& v, const std::function<Tensor(const Tensor&)>& cheap) {
  const Tensor first = matmul(v[0], v[1]), a = cheap(first);
  return {matmul(tanh(a), v[2]) * a + first};
}
TEST(Remat, cheap_values_are_made_again_behind_a_product) {
  auto f = [](const Vec& v) { return around_a_product(v, [](const Tensor& x) { return x * 2.0 + 1.0; }); };
  EXPECT_GE(saved(f, operands()), 1);  // it is written no longer; what is read in its place is read there anyhow
  expect_compiled("cheap", f, operands(), Match::rounded, 300);
}
TEST(Remat, of_several_products_each_makes_its_own) {
  auto f = [](const Vec& v) {
    const Tensor first = matmul(v[0], v[1]), a = first * 0.25 - 1.0;
    const Tensor second = matmul(tanh(a), v[2]) * a + first;
    return Vec{matmul(second, v[2]) * a + first * second};
  };
  EXPECT_GE(saved(f, operands()), 1);
  expect_compiled("several", f, operands(), Match::rounded, 1000);
}
TEST(Remat, dear_values_are_kept) {
  EXPECT_EQ(saved([](const Vec& v) { return around_a_product(v, [](const Tensor& x) { return exp(sin(x)); }); }, operands()), 0);
}
TEST(Remat, what_many_values_go_into_is_kept) {
  auto f = [](const Vec& v) {
    Tensor a = v[3];
    for (std::size_t k = 4; k < 9; ++k) a = a * v[k];
    return Vec{matmul(tanh(a), v[2]) * a};
  };
  Vec in = operands();
  for (int k = 0; k < 6; ++k) in.push_back(shaped({300, 300}, 4 + k));
  EXPECT_EQ(saved(f, in), 0);
}
TEST(Remat, gradients_behind_a_product) {
  auto loss = [](const Vec& v) {
    const Tensor first = matmul(v[0], v[1]), a = first * 2.0 + 1.0;
    return sum(matmul(a * a * a, v[2]) * a);
  };
  auto f = [&](const Vec& v) { return grad([&](const Tensor& w) { return loss({v[0], w, v[2]}); })(v[1]); };
  expect_compiled(
      "gradient", [&](const Vec& v) { return Vec{f(v)}; }, operands(), Match::rounded, 1000);
}

}  // namespace
}  // namespace functra::testing
