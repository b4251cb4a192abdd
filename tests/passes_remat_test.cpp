// What later phases of a program make again of cheap values from before a kernel, in place of keeping them.
#include <gtest/gtest.h>

#include "functra/compiler/fuse.h"
#include "functra/compiler/passes.h"
#include "functra/functra.h"
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
// Decisions are made once: what a mask was computed from is kept, and so is the mask.
TEST(Remat, what_decides_is_kept) {
  auto f = [](const Vec& v) { return around_a_product(v, [](const Tensor& x) { return x * 2.0 + 1.0; }); };
  auto decided = [&](const Vec& v) {
    Vec r = f(v);
    const Tensor a = matmul(v[0], v[1]) * 2.0 + 1.0;
    return Vec{where(a > 0.5, r[0], a), where(a < 0.1, r[0] * 2.0, a)};
  };
  EXPECT_GE(saved(f, operands()), 1);
  EXPECT_EQ(saved(decided, operands()), 0);
  expect_compiled("decided", decided, operands(), Match::rounded, 300);
}
TEST(Remat, long_chains_end) {
  const int n = 20000;
  auto p = make_fx([&](const Tensor& x) {
    Tensor v = x, w = x;
    for (int k = 0; k < n; ++k) v = (v * x) * (x - v);
    w = matmul(tanh(v), x);
    return w * v;
  })(shaped({256, 256}));
  const auto q = compiler::make_again_between_phases(p.ir());
  core::verify(*q);
  EXPECT_LE(q->eqns.size(), 2 * p.size());
}
// Each layer adds to a stream that all later ones read: made again in each of them, there would be as many copies as pairs of layers.
TEST(Remat, copies_are_bounded) {
  const int layers = 60;
  auto f = [&](const Tensor& x) {
    Tensor v = x;
    for (int k = 0; k < layers; ++k) v = v + matmul(tanh(v), x) * 0.01;
    return v;
  };
  auto p = make_fx(grad([&](const Tensor& x) { return sum(f(x) * f(x)); }))(shaped({64, 64}));
  const auto q = compiler::optimize(p.ir());
  EXPECT_LE(q->eqns.size(), 2 * p.size());
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
