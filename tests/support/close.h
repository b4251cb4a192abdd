// Comparisons that tests share.
#pragma once
#include <gtest/gtest.h>

#include <cmath>

#include "functra/functra.h"

inline void expect_close(const functra::Tensor& a, const functra::Tensor& b, double tol = 1e-9) {
  ASSERT_EQ(a.sizes(), b.sizes());
  auto x = a.to_vector<double>(), y = b.to_vector<double>();
  for (std::size_t i = 0; i < x.size(); ++i) {
    if (x[i] == y[i] || (std::isnan(x[i]) && std::isnan(y[i]))) continue;
    ASSERT_NEAR(x[i], y[i], tol * (1 + std::fabs(y[i]))) << "element " << i << " of " << a.sizes().str();
  }
}
// f throws an E whose message holds `text`.
template <class E, class F> void expect_throw(F f, const std::string& text) {
  try {
    f();
    ADD_FAILURE() << "nothing was thrown; expected a message with '" << text << "'";
  } catch (const E& e) {
    EXPECT_NE(std::string(e.what()).find(text), std::string::npos) << "the message is: " << e.what();
  } catch (const std::exception& e) { ADD_FAILURE() << "another kind of exception: " << e.what(); }
}
