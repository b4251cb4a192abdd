// What the names of random numbers promise, as users write them.
#include <functra/functra.h>
#include <gtest/gtest.h>

#include "tests/support/values.h"

namespace ft = functra;
using ft::Tensor;

namespace {

TEST(ContractRandom, Keys) {
  auto k = ft::random::key(0);
  auto [k1, k2] = ft::random::split(k);
  Tensor a = ft::random::normal(k1, {3}, ft::f64), b = ft::random::normal(k2, {3}, ft::f64);
  EXPECT_EQ(a.dtype(), ft::f64);
  EXPECT_EQ(a.sizes(), ft::Dims{3});
  EXPECT_TRUE(ft::equal(a, ft::random::normal(k1, {3}, ft::f64)));
  EXPECT_FALSE(ft::equal(a, b));
  Tensor u = ft::random::uniform(k1, {1000}, ft::f64);
  EXPECT_TRUE(bool(ft::all((u >= 0) & (u < 1))));
  Tensor stacked = ft::random::split(k, 3);
  EXPECT_EQ(stacked.sizes(), (ft::Dims{3, 2}));
  EXPECT_EQ(ft::vmap([](const Tensor& key) { return ft::random::normal(key, {4}); })(stacked).sizes(), (ft::Dims{3, 4}));
  EXPECT_VALUES(ft::sort(ft::random::permutation(k1, 5)).first, ft::Dims{5}, 0, 1, 2, 3, 4);
}

TEST(ContractRandom, Stateful) {
  ft::manual_seed(0);
  Tensor u = ft::rand({3}), n = ft::randn({3});
  EXPECT_FALSE(ft::equal(u, ft::rand({3})));
  ft::manual_seed(0);
  EXPECT_TRUE(ft::equal(u, ft::rand({3})));
  EXPECT_TRUE(ft::equal(n, ft::randn({3})));
  EXPECT_EQ(u.sizes(), ft::Dims{3});
  EXPECT_TRUE(bool(ft::all((u >= 0) & (u < 1))));
  Tensor x = ft::tensor({1.0, 2.0, 3.0}), some = ft::dropout(x, 0.5);
  EXPECT_TRUE(bool(ft::all((some == 0) | (some == x * 2))));
  Tensor kept = ft::dropout(ft::ones({1000}), 0.5);
  for (double v : kept.to_vector<double>()) EXPECT_TRUE(v == 0 || v == 2);
}

}  // namespace
