// Every float (or every FUNCTRA_SWEEP_STRIDE-th; 1 for all 2^32, default 4099) through every unary formula on every instruction set
// of this machine, against the function in long double, or double where that is enough.
#include <gtest/gtest.h>

#include <bit>
#include <cstdio>
#include <cstdlib>
#include <vector>

#include "functra/base/pool.h"
#include "tests/laws_count.h"
#include "tests/support/num_formulas.h"

namespace functra {
namespace {

TEST(ElementwiseSweep, UnaryFormulasAreWithinFourUlpOnAllFloats) {
  const char* given = std::getenv("FUNCTRA_SWEEP_STRIDE");
  const std::uint64_t stride = given ? std::strtoull(given, nullptr, 10) : 4099, count = ((std::uint64_t{1} << 32) + stride - 1) / stride;
  constexpr std::int64_t chunk = 1 << 14;
  for (const auto& c : testing::unary_cases()) {
    const auto tables = testing::tables_of(*c.formula);
    struct Worst {
      double ulps = 0;
      float at = 0, got = 0;
    };
    std::vector<std::vector<Worst>> worst(tables.size(), std::vector<Worst>((count + chunk - 1) / chunk));
    parallel_for(static_cast<std::int64_t>(worst[0].size()), 1, [&](std::int64_t begin, std::int64_t end) {
      std::vector<float> x(chunk), y(chunk);
      std::vector<long double> expected(chunk);
      for (std::int64_t b = begin; b < end; ++b) {
        const std::int64_t from = b * chunk, n = std::min<std::int64_t>(chunk, static_cast<std::int64_t>(count) - from);
        for (std::int64_t i = 0; i < n; ++i) {
          x[i] = std::bit_cast<float>(static_cast<std::uint32_t>(static_cast<std::uint64_t>(from + i) * stride));
          expected[i] = c.reference(x[i]);
        }
        for (std::size_t t = 0; t < tables.size(); ++t) {
          const void* in[] = {x.data()};
          tables[t].second->loop[static_cast<int>(f32)](in, y.data(), n, 0, nullptr);
          Worst& w = worst[t][static_cast<std::size_t>(b)];
          for (std::int64_t i = 0; i < n; ++i) {
            const double u = testing::ulps(y[i], expected[i]);
            if (u > w.ulps) w = {u, x[i], y[i]};
          }
        }
      }
    });
    for (std::size_t t = 0; t < tables.size(); ++t) {
      Worst all;
      for (const Worst& w : worst[t])
        if (w.ulps > all.ulps) all = w;
      testing::count_law(all.ulps <= 4);
      std::printf("%-10s %-6s %.2f ulp at %a\n", c.formula->name, tables[t].first, all.ulps, static_cast<double>(all.at));
      EXPECT_LE(all.ulps, 4) << c.formula->name << " on " << tables[t].first << " of " << all.at << " gives " << all.got;
    }
  }
}

}  // namespace
}  // namespace functra
