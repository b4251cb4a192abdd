// Operations of arrangement, order, counting and statistics, against the stored results of NumPy and SciPy.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <vector>

#include "functra/functra.h"
#include "laws_count.h"

namespace functra {
namespace {

constexpr double inf = std::numeric_limits<double>::infinity(), NaN = std::numeric_limits<double>::quiet_NaN();
Tensor of(const std::vector<double>& v, const Shape& shape, DType d) { return reshape(tensor(v), shape).to(d); }
void check(const char* expression, const Tensor& got, const Shape& shape, const std::vector<double>& want) {
  auto v = got.to_vector<double>();
  bool same = got.sizes() == shape;
  for (std::size_t i = 0; same && i < want.size(); ++i)
    same = v[i] == want[i] || (std::isnan(v[i]) && std::isnan(want[i])) || std::fabs(v[i] - want[i]) <= 1e-13 * (1 + std::fabs(want[i]));
  testing::count_law(same);
  EXPECT_TRUE(same) << expression << " gives " << got.sizes().str() << " " << to_string(got);
}
}  // namespace

TEST(Operations, GiveTheResultsOfNumPyAndSciPy) {
#define CASE(...) check(#__VA_ARGS__, __VA_ARGS__);
#include "tests/data/operations_reference.inc"
#undef CASE
}

}  // namespace functra
