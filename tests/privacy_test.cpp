// The accountant against Opacus and dp-accounting, and the divergence against numerical integration of its definition.
#include <gtest/gtest.h>

#include <cmath>
#include <utility>
#include <vector>

#include "functra/base/errors.h"
#include "functra/optim/privacy.h"
#include "tests/laws_count.h"

namespace functra {
namespace {
using optim::PrivacyAccountant;
using optim::rdp_sampled_gaussian;

TEST(Privacy, EpsilonEqualsThatOfPublicAccountants) {
  struct {
    double q, sigma;
    long steps;
    double delta, opacus, integer_orders;
  } cases[] = {
#include "tests/data/accountant_reference.inc"
  };
  std::vector<double> integers;
  for (int i = 2; i < 64; ++i) integers.push_back(i);
  integers.insert(integers.end(), {128, 256, 512});
  for (auto& c : cases) {
    PrivacyAccountant all, whole(integers);
    all.step(c.sigma, c.q, c.steps);
    whole.step(c.sigma, c.q, c.steps);
    for (auto [got, want] : {std::pair(all.epsilon(c.delta), c.opacus), std::pair(whole.epsilon(c.delta), c.integer_orders)}) {
      bool ok = std::abs(got - want) <= 1e-8 * (1 + want);
      functra::testing::count_law(ok);
      EXPECT_TRUE(ok) << c.q << " " << c.sigma << " " << c.steps << ": " << got << ", expected " << want;
    }
  }
}
// E_{z ~ N(0, s^2)} [((1 - q) + q exp((2 z - 1) / (2 s^2)))^order], by the trapezoidal rule, which converges exponentially here.
TEST(Privacy, DivergenceEqualsItsDefinitionIntegrated) {
  for (double q : {0.003, 0.05, 0.4})
    for (double s : {0.8, 1.5, 4.0})
      for (double order : {1.1, 1.5, 2.0, 3.7, 8.0, 10.9, 32.0}) {
        double lo = -40 * s, hi = order + 40 * s, h = s / 400, sum = 0;
        for (double z = lo; z <= hi; z += h)
          sum += std::exp(-z * z / (2 * s * s) + order * std::log((1 - q) + q * std::exp((2 * z - 1) / (2 * s * s)))) * h;
        double want = std::log(sum / (s * std::sqrt(2 * M_PI))) / (order - 1), got = rdp_sampled_gaussian(q, s, order);
        bool ok = std::abs(got - want) <= 1e-9 * std::abs(want) + 1e-12;
        functra::testing::count_law(ok);
        EXPECT_TRUE(ok) << q << " " << s << " " << order << ": " << got << ", expected " << want;
      }
}
TEST(Privacy, StepsAddUpAndOptionsAreChecked) {
  PrivacyAccountant a, b;
  for (int i = 0; i < 10; ++i) a.step(0.9, 0.02);
  b.step(0.9, 0.02, 10);
  EXPECT_NEAR(a.epsilon(1e-5), b.epsilon(1e-5), 1e-12);
  EXPECT_EQ(PrivacyAccountant().epsilon(1e-5), 0);
  EXPECT_GT(b.best_order(1e-5), 1);
  EXPECT_TRUE(std::isinf(rdp_sampled_gaussian(0.1, 0, 2)));
  EXPECT_THROW(rdp_sampled_gaussian(1.5, 1, 2), ValueError);
  EXPECT_THROW(rdp_sampled_gaussian(0.5, -1, 2), ValueError);
  EXPECT_THROW(rdp_sampled_gaussian(0.5, 1, 1), ValueError);
  EXPECT_THROW(a.epsilon(0), ValueError);
  EXPECT_THROW(a.step(1, 0.1, -1), ValueError);
  EXPECT_THROW(PrivacyAccountant(std::vector<double>{}), ValueError);
}

}  // namespace
}  // namespace functra
