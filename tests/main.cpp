// Runs the GoogleTest cases; the last line counts them and every law they compared.
#include <gtest/gtest.h>

#include <atomic>
#include <cstdio>

#include "tests/laws_count.h"

namespace functra::testing {
namespace {
std::atomic<long> passed{0}, failed{0};
}  // namespace
void count_law(bool ok) { (ok ? passed : failed).fetch_add(1, std::memory_order_relaxed); }
long laws_passed() { return passed.load(); }
long laws_failed() { return failed.load(); }
const char* source_dir() { return FUNCTRA_SOURCE_DIR; }
const char* binary_dir() { return FUNCTRA_BINARY_DIR; }
const char* compiler() { return FUNCTRA_CXX; }
const char* sanitizers() { return FUNCTRA_SANITIZE; }
}  // namespace functra::testing

int main(int argc, char** argv) {
  GTEST_FLAG_SET(brief, true);  // only failures; --gtest_brief=0 lists every case
  testing::InitGoogleTest(&argc, argv);
  int status = RUN_ALL_TESTS();
  const auto& run = *testing::UnitTest::GetInstance();
  long good = run.successful_test_count() + functra::testing::laws_passed();
  long bad = run.failed_test_count() + functra::testing::laws_failed();
  if (status != 0 && bad == 0) bad = 1;  // an environment or a set-up failed
  std::fflush(stderr);
  std::printf("%ld passed, %ld failed\n", good, bad);
  return bad == 0 ? 0 : 1;
}
