// Elementwise formulas: accuracy, agreement of the loops with the one-element functions, strides.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "tests/num_test.cpp"
#include "functra/kernels/elementwise-inl.h"

FUNCTRA_FORMULA(sin, floating, (auto x), num::sin(x))
FUNCTRA_FORMULA(mul, arithmetic, (auto x, auto y), x * y)
FUNCTRA_FORMULA(less, real_and_bool, (auto x, auto y), x < y)

#if HWY_ONCE
#include <gtest/gtest.h>

#include <vector>

namespace functra {
namespace {

TEST(Num, LoopsAgreeWithOneElement) {
  for (int n : {0, 1, 3, 7, 8, 9, 63, 64, 65, 257}) {
    std::vector<double> x(static_cast<std::size_t>(n) + 1), y(x.size(), -7);
    for (int i = 0; i < n; ++i) x[i] = (i - 20) * 0.37 * (i % 5 == 0 ? 1e15 : 1);
    const void* in[] = {x.data()};
    sin_formula.loop(f64)(in, y.data(), n, 0, nullptr);
    for (int i = 0; i < n; ++i) EXPECT_EQ(y[i], sin_formula.table().f64_1(x[i])) << x[i];
    EXPECT_EQ(y[n], -7) << "written past the end";
  }
}

TEST(Num, StridesAreFollowed) {
  std::vector<float> a(60), b(5), r(60);
  for (int i = 0; i < 60; ++i) a[i] = i;
  for (int i = 0; i < 5; ++i) b[i] = i + 1;
  const Shape shape{4, 3, 5}, sa{1, 4, 12}, sb{0, 0, 1};
  const kernels::Operand in[] = {{a.data(), &sa, 4}, {b.data(), &sb, 4}};
  kernels::elementwise(mul_formula.loop(f32), in, r.data(), 4, shape);
  int k = 0;
  for (int i = 0; i < 4; ++i) for (int j = 0; j < 3; ++j) for (int l = 0; l < 5; ++l) EXPECT_EQ(r[k++], a[i + 4 * j + 12 * l] * b[l]);
  bool less[60];
  kernels::elementwise(less_formula.loop(f32), in, less, 1, shape);
  k = 0;
  for (int i = 0; i < 4; ++i) for (int j = 0; j < 3; ++j) for (int l = 0; l < 5; ++l) EXPECT_EQ(less[k++], a[i + 4 * j + 12 * l] < b[l]);
  EXPECT_TRUE(less_formula.predicate);
  EXPECT_FALSE(mul_formula.predicate);
}

}  // namespace
}  // namespace functra
#endif
