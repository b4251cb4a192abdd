#include <gtest/gtest.h>

#include <atomic>
#include <cstdint>
#include <stdexcept>
#include <thread>
#include <utility>
#include <vector>

#include "functra/base/errors.h"
#include "functra/base/memory.h"
#include "functra/base/pool.h"

using namespace functra;

TEST(Memory, BlocksAreAlignedWritableAndCounted) {
  std::size_t before = memory_stats().in_use;
  for (std::size_t n : {0, 1, 64, 65, 1024, 1025, 1280, 1281, 32768, 32769, 100000, 2 << 20, 3000001, 9 << 20}) {
    auto* p = static_cast<char*>(allocate(n));
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(p) % 64, 0u) << n;
    if (n) p[0] = p[n - 1] = 1;
    EXPECT_EQ(memory_stats().in_use, before + (n > 32768 ? n : 0));
    deallocate(p, n);
  }
  EXPECT_EQ(memory_stats().in_use, before);
  release_cached_memory();
  EXPECT_EQ(memory_stats().cached, 0u);
  reset_peak_memory();
  void* p = allocate(1 << 20);
  void* q = allocate(1 << 20);
  deallocate(p, 1 << 20);
  deallocate(q, 1 << 20);
  EXPECT_EQ(memory_stats().peak, before + (2u << 20));
}
TEST(Memory, BlocksCrossThreadsAndOutliveThem) {
  std::vector<std::vector<std::pair<char*, std::size_t>>> kept(4);
  std::vector<std::thread> threads;
  for (unsigned k = 0; k < 4; ++k)
    threads.emplace_back([&, k] {
      std::uint32_t s = k;
      auto& v = kept[k];
      for (int i = 0; i < 20000; ++i) {
        s = s * 1664525u + 1013904223u;
        std::size_t n = 1 + (s >> 8) % (i % 50 == 0 ? 200000 : 3000);
        auto* p = static_cast<char*>(allocate(n));
        p[0] = p[n - 1] = static_cast<char>(n);
        v.emplace_back(p, n);
        if (v.size() > 100) {
          std::swap(v[(s >> 5) % 100], v.back());
          EXPECT_EQ(v.back().first[0], static_cast<char>(v.back().second));
          deallocate(v.back().first, v.back().second);
          v.pop_back();
        }
      }
    });
  for (auto& t : threads) t.join();
  for (auto& v : kept)
    for (auto [p, n] : v) {
      EXPECT_EQ(p[n - 1], static_cast<char>(n));
      deallocate(p, n);
    }
}
TEST(Pool, RangesPartitionAndNestedCallsAreSerial) {
  int threads = num_threads();
  for (int t : {4, 1, 3, threads}) {
    set_num_threads(t);
    std::vector<std::atomic<int>> hits(1003);
    parallel_for(1003, 7, [&](std::int64_t b, std::int64_t e) {
      EXPECT_EQ(b % 7, 0);
      parallel_for(e - b, 1, [&](std::int64_t c, std::int64_t d) {
        for (; c < d; ++c) ++hits[static_cast<std::size_t>(b + c)];
      });
    });
    for (auto& h : hits) ASSERT_EQ(h.load(), 1);
  }
  EXPECT_THROW(set_num_threads(0), ValueError);
}
TEST(Pool, ExceptionsReachTheCallerAndThePoolGoesOn) {
  for (int i = 0; i < 20; ++i)
    EXPECT_THROW(parallel_for(100, 1,
                              [&](std::int64_t b, std::int64_t e) {
                                if (b <= 57 && 57 < e) throw std::runtime_error("x");
                              }),
                 std::runtime_error);
  std::atomic<std::int64_t> total{0};
  parallel_for(100, 1, [&](std::int64_t b, std::int64_t e) { total += e - b; });
  EXPECT_EQ(total.load(), 100);
}
TEST(Pool, ManyCallersAtOnce) {
  std::atomic<std::int64_t> total{0};
  std::vector<std::thread> threads;
  for (int k = 0; k < 4; ++k)
    threads.emplace_back([&] {
      for (int i = 0; i < 500; ++i) parallel_for(100, 7, [&](std::int64_t b, std::int64_t e) { total += e - b; });
    });
  for (auto& t : threads) t.join();
  EXPECT_EQ(total.load(), 4 * 500 * 100);
}
