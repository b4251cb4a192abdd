// Minimum cuts, and what loops make again of what others stack.
#include <gtest/gtest.h>

#include <cmath>
#include <random>

#include "functra/base/min_cut.h"
#include "functra/compiler/passes.h"
#include "functra/prims/loop.h"
#include "support/compiled.h"

namespace functra::testing {
namespace {

Tensor shaped(const Shape& s, int seed = 0) { return numbers(s, f64, seed); }
// ---------------------------------------------------------------- the cut itself
TEST(MinCut, takes_the_cheapest_of_all_sets) {
  std::mt19937 random(1);
  for (int trial = 0; trial < 300; ++trial) {
    const std::size_t n = 2 + random() % 7;
    std::vector<std::vector<long>> capacity(n, std::vector<long>(n, 0));
    MinCut cut(n);
    for (std::size_t k = 0; k < 3 * n; ++k) {
      const std::size_t a = random() % n, b = random() % n;
      const long c = static_cast<long>(random() % 20);
      if (a == b) continue;
      cut.edge(a, b, c);
      capacity[a][b] += c;
    }
    auto total = [&](auto in_set) {
      long sum = 0;
      for (std::size_t a = 0; a < n; ++a)
        for (std::size_t b = 0; b < n; ++b)
          if (in_set(a) && !in_set(b)) sum += capacity[a][b];
      return sum;
    };
    long least = MinCut::infinite;
    for (std::size_t set = 0; set < (std::size_t{1} << n); ++set)
      if ((set & 1) && !(set >> (n - 1) & 1)) least = std::min(least, total([&](std::size_t v) { return (set >> v & 1) != 0; }));
    const auto reached = cut.reached(0, n - 1);
    ASSERT_TRUE(reached[0] && !reached[n - 1]);
    ASSERT_EQ(total([&](std::size_t v) { return reached[v] != 0; }), least) << "trial " << trial;
  }
}
TEST(MinCut, what_must_hold_is_never_cut) {
  MinCut cut(4);  // 0 asks for 1; 1 costs 5, or asks for 2, which costs 3
  cut.edge(0, 1, MinCut::infinite);
  cut.edge(1, 3, 5);
  cut.edge(1, 2, MinCut::infinite);
  cut.edge(2, 3, 3);
  EXPECT_EQ(cut.reached(0, 3), (std::vector<std::uint8_t>{1, 1, 1, 0}));
}

TEST(MinCut, what_must_hold_and_cannot_is_said) {
  MinCut cut(3);
  cut.edge(0, 1, MinCut::infinite);
  cut.edge(1, 2, MinCut::infinite);
  EXPECT_TRUE(cut.reached(0, 2).empty());
}

// ---------------------------------------------------------------- residuals of loops
struct Loops {
  std::size_t arrays, equations;  // stacked by the first; of the second's body
};
// Two loops of 1,000 steps, the second along what the first one stacks.
Loops loops_of(const core::Program& p) {
  Loops r{0, 0};
  for (auto& e : p.eqns) {
    if (e.prim != &prims::scan_p) continue;
    const core::Params params = e.params;
    const auto& q = params.get<prims::ScanParams>();
    if (r.arrays == 0) r.arrays = e.n_out - static_cast<std::size_t>(q.n_carry);
    r.equations = q.body->eqns.size();
  }
  return r;
}
Tensor two_loops(const Tensor& start, const Tensor& w, int operations) {
  auto first = [&](const Tensor& c, NoneType) {
    Tensor a = sin(c), b = a;
    for (int k = 0; k < operations; ++k) b = b * w + c;
    return std::pair{0.5 * c + 0.1 * exp(-b * b), std::pair{a, b}};
  };
  auto ab = scan(first, start, {.length = 1000}).second;
  auto second = [&](const Tensor& s, const std::pair<Tensor, Tensor>& y) { return std::pair{0.9 * s + y.first * y.second, none}; };
  return scan(second, start, ab, {.reverse = true}).first;
}
TEST(Cut, short_chains_are_made_again_and_long_ones_stacked) {
  for (int operations : {1, 2, 40}) {
    auto f = [=](const Tensor& s, const Tensor& w) { return two_loops(s, w, operations); };
    const Tensor s = shaped({64}), w = 0.3 * shaped({64}, 1);
    const Loops loops = loops_of(*compiler::optimize(make_fx(f)(s, w).ir()));
    // the sine, and the carry of which b is few operations more, or b
    EXPECT_EQ(loops.arrays, 2u) << operations;
    EXPECT_LT(loops.equations, 12u) << operations;
    expect_compiled(
        "two loops", [=](const Vec& v) { return Vec{f(v[0], v[1])}; }, {s, w}, Match::rounded, 1000);
  }
}
TEST(Cut, what_two_results_share_is_stacked_once) {
  // The sine is stacked, not what is made of it.
  auto f = [](const Tensor& start, const Tensor& w) {
    auto first = [&](const Tensor& c, NoneType) {
      Tensor a = sin(c);
      return std::pair{0.5 * c + 0.1 * a, std::array<Tensor, 4>{a * w, a * a, a - w, a + 2 * w}};
    };
    auto ys = scan(first, start, {.length = 1000}).second;
    auto second = [&](const Tensor& s, const std::array<Tensor, 4>& y) { return std::pair{0.9 * s + y[0] * y[1] + y[2] * y[3], none}; };
    return scan(second, start, ys, {.reverse = true}).first;
  };
  const Tensor s = shaped({64}), w = 0.3 * shaped({64}, 1);
  EXPECT_EQ(loops_of(*compiler::optimize(make_fx(f)(s, w).ir())).arrays, 1u);
  const std::vector<std::string> without{"cut"};
  EXPECT_EQ(loops_of(*compiler::optimize(make_fx(f)(s, w).ir(), without)).arrays, 4u);
  expect_compiled(
      "shared", [=](const Vec& v) { return Vec{f(v[0], v[1])}; }, {s, w}, Match::rounded, 1000);
}
TEST(Cut, numbers_of_weak_type) {
  // The carry, and its cosine that the backward loop needs, adopt the type of whatever they meet.
  auto f = [](const Tensor& x) { return scan([](const Tensor& c, NoneType) { return std::pair{sin(c), none}; }, x, {.length = 40000}).first; };
  EXPECT_NEAR(jit(grad(f))(Tensor(0.5)).item<double>(), grad(f)(Tensor(0.5)).item<double>(), 1e-15);
  auto g = [](const Tensor& x, const Tensor& y) {
    auto step = [&](const Tensor& c, NoneType) {
      Tensor s = sin(c), e = exp(-s * s);
      return std::pair{0.9 * s + 0.1 * e, sum(y * s * e)};
    };
    auto [last, all] = scan(step, x, {.length = 40000});
    return last + sum(all);
  };
  const Tensor y = shaped({3});
  auto [a, b] = jit(grad<0, 1>(g))(Tensor(0.5), y);
  auto [c, d] = grad<0, 1>(g)(Tensor(0.5), y);
  EXPECT_NEAR(a.item<double>(), c.item<double>(), 1e-11 * std::abs(c.item<double>()));
  EXPECT_EQ(results_differ({b}, {d}, Match::rounded, 1e4), "");
}
TEST(Cut, long_bodies) {
  auto f = [](const Tensor& s, const Tensor& w) { return two_loops(s, w, 3000); };
  const Tensor s = shaped({64}), w = 0.3 * shaped({64}, 1);
  EXPECT_EQ(loops_of(*compiler::optimize(make_fx(f)(s, w).ir())).arrays, 2u);
}
TEST(Cut, small_stacks_stay) {
  auto f = [](const Tensor& s, const Tensor& w) { return two_loops(s, w, 1); };
  const Tensor s = shaped({8}), w = shaped({8}, 1);
  EXPECT_EQ(loops_of(*compiler::optimize(make_fx(f)(s, w).ir())).arrays, 2u);
}

}  // namespace
}  // namespace functra::testing
