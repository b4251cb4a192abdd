// Every row through the battery of laws, and every primitive with a row.
#include <gtest/gtest.h>

#include <set>

#include "functra/core/primitive.h"
#include "laws/laws.h"
#include "laws_count.h"

namespace functra::testing {
namespace {

class Laws : public ::testing::TestWithParam<std::size_t> {};
TEST_P(Laws, hold) {
  auto [name, make] = rows()[GetParam()];
  Row r = make();
  if (r.name.empty()) r.name = name;
  Outcome o = run_battery(r);
  for (int i = 0; i < o.ran; ++i) count_law(i >= static_cast<int>(o.broken.size()));
  for (auto& b : o.broken) ADD_FAILURE() << r.name << ", " << b;
  EXPECT_GE(o.ran, r.floor) << r.name << ": too few comparisons ran";
}
INSTANTIATE_TEST_SUITE_P(Rows, Laws, ::testing::Range<std::size_t>(0, rows().size()), [](const auto& info) { return rows()[info.param].first; });
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(Laws);

TEST(Rows, every_primitive_has_one) {
  std::set<std::string> have;
  for (auto& [name, make] : rows()) {
    Row r = make();
    have.insert(r.name.empty() ? name : r.name);
  }
  for (const core::Primitive* p : core::all_primitives())
    EXPECT_TRUE(have.count(p->name)) << "the primitive '" << p->name << "' has no row in tests/rows";
}

}  // namespace
}  // namespace functra::testing
