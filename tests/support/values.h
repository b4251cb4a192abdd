// Comparisons of tensors with numbers written in a test.
#pragma once
#include <gtest/gtest.h>

#include <cmath>
#include <string>
#include <vector>

#include "functra/tensor/tensor.h"

namespace functra::testing {

inline ::testing::AssertionResult has_values(const Tensor& t, const Shape& shape, std::vector<double> want, double tolerance = 1e-5) {
  if (!t.defined()) return ::testing::AssertionFailure() << "the tensor is undefined";
  if (!(t.sizes() == shape)) return ::testing::AssertionFailure() << "shape " << t.sizes().str() << ", expected " << shape.str();
  std::vector<double> is = t.to_vector<double>();
  if (is.size() != want.size()) return ::testing::AssertionFailure() << is.size() << " elements, " << want.size() << " expected";
  for (std::size_t i = 0; i < is.size(); ++i)
    if (!(std::fabs(is[i] - want[i]) <= tolerance * (1 + std::fabs(want[i]))))
      return ::testing::AssertionFailure() << "element " << i << " is " << is[i] << ", expected " << want[i];
  return ::testing::AssertionSuccess();
}

}  // namespace functra::testing

// EXPECT_VALUES(tensor, shape, element, element, ...), relative to 1 + |element|.
#define EXPECT_VALUES(t, shape, ...) EXPECT_TRUE(::functra::testing::has_values(t, shape, {__VA_ARGS__}))
