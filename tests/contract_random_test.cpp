// What the names of random numbers promise, as users write them.
#include <functra/functra.h>
#include <gtest/gtest.h>

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
}

TEST(ContractRandom, Stateful) {
  ft::manual_seed(0);
  Tensor u = ft::rand({3}), n = ft::randn({3});
  EXPECT_FALSE(ft::equal(u, ft::rand({3})));
  ft::manual_seed(0);
  EXPECT_TRUE(ft::equal(u, ft::rand({3})));
  EXPECT_TRUE(ft::equal(n, ft::randn({3})));
  Tensor kept = ft::dropout(ft::ones({1000}), 0.5);
  for (double v : kept.to_vector<double>()) EXPECT_TRUE(v == 0 || v == 2);
}

}  // namespace
