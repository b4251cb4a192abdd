// The tests that both tiers have take all of their cases here.
#include "tests/support/compiled.h"

namespace functra::testing {
namespace {
[[maybe_unused]] const bool all_cases = thorough = true;
}
}  // namespace functra::testing
