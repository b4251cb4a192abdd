// Constructs nested two deep, every pair, and three deep, every triple (minutes). FUNCTRA_SWEEP_SHARE = n runs one triple in n.
#include <gtest/gtest.h>

#include <cstdlib>

#include "tests/support/constructs.h"

namespace functra::testing {

TEST(NestingSweep, EveryPair) {
  for (auto& a : constructs())
    for (auto& b : constructs())
      if (b.reverse || !a.needs_reverse) expect_laws(apply(a, apply(b, leaf())));
}
TEST(NestingSweep, EveryTriple) {
  const char* share = std::getenv("FUNCTRA_SWEEP_SHARE");
  long n = share ? std::max(1L, std::atol(share)) : 1, at = 0;
  for (auto& a : constructs())
    for (auto& b : constructs())
      for (auto& c : constructs()) {
        if (at++ % n || (!b.reverse && a.needs_reverse) || (!c.reverse && (a.needs_reverse || b.needs_reverse))) continue;
        expect_laws(apply(a, apply(b, apply(c, leaf()))));
      }
}

}  // namespace functra::testing
