// Reading, writing and accumulating through random index lists, against NumPy's stored results.
#include <gtest/gtest.h>

#include <vector>

#include "functra/functra.h"

namespace functra {
namespace {

void check(const char* name, const Tensor& t, const Shape& shape, const std::vector<double>& values) {
  EXPECT_EQ(t.sizes(), shape) << name;
  EXPECT_EQ(t.to_vector<double>(), values) << name;
}
}  // namespace

TEST(Indexing, RandomListsGiveNumPysResults) {
#define CASE(...) [] { check(__VA_ARGS__); }();  // a function each: one of them all takes a compiler minutes
#include "tests/data/indexing_reference.inc"
#undef CASE
}

}  // namespace functra
