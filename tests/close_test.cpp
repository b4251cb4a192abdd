#include "functra/ops/close.h"

#include <gtest/gtest.h>

#include <limits>

#include "functra/ops/factories.h"

namespace ft = functra;
using ft::Tensor;

namespace {

constexpr double inf = std::numeric_limits<double>::infinity(), nan = std::numeric_limits<double>::quiet_NaN();

TEST(Close, Equal) {
  Tensor a = ft::tensor({1.0, 2.0});
  EXPECT_TRUE(ft::equal(a, ft::tensor({1.0, 2.0}, ft::f64)));
  EXPECT_TRUE(ft::equal(a, ft::tensor({1, 2})));
  EXPECT_FALSE(ft::equal(a, ft::tensor({1.0, 2.5})));
  EXPECT_FALSE(ft::equal(a, 1.0));  // another shape
  EXPECT_TRUE(ft::equal(ft::tensor(2.0), 2));
  EXPECT_TRUE(ft::equal(ft::zeros({0}), ft::zeros({0})));
  EXPECT_FALSE(ft::equal(ft::tensor({nan}), ft::tensor({nan})));
}

TEST(Close, Tolerances) {
  Tensor a = ft::tensor({1.0, 100.0}, ft::f64);
  EXPECT_TRUE(ft::allclose(a, a * (1 + 9e-6)));
  EXPECT_FALSE(ft::allclose(a, a * (1 + 2e-5)));
  EXPECT_TRUE(ft::allclose(a, a * (1 + 2e-5), 1e-4));
  EXPECT_FALSE(ft::allclose(ft::tensor({0.0}), ft::tensor({1e-6})));
  EXPECT_TRUE(ft::allclose(ft::tensor({0.0}), ft::tensor({1e-6}), 0, 1e-5));
  EXPECT_TRUE(ft::allclose(ft::ones({2, 2}), 1.0));  // broadcasts
  EXPECT_TRUE(ft::allclose(ft::tensor({3}, ft::u8), ft::tensor({4}, ft::u8), 0, 1));
  EXPECT_FALSE(ft::allclose(ft::tensor({3}, ft::u8), ft::tensor({5}, ft::u8), 0, 1));
}

TEST(Close, InfinitiesAndNaN) {
  Tensor special = ft::tensor({inf, -inf, nan}, ft::f64);
  EXPECT_TRUE(ft::allclose(special, special, 1e-5, 1e-8, true));
  EXPECT_FALSE(ft::allclose(special, special));
  EXPECT_FALSE(ft::allclose(ft::tensor({1.0}), ft::tensor({inf})));
  EXPECT_FALSE(ft::allclose(ft::tensor({inf}), ft::tensor({-inf})));
}

}  // namespace
