// Loops over sums of large arrays, run by several threads in step: results are the same to the bit whoever makes the parts.
#include <gtest/gtest.h>

#include <thread>

#include "functra/base/pool.h"
#include "functra/base/thread_limit.h"
#include "laws_count.h"
#include "support/compiled.h"

namespace functra::testing {
namespace {

struct Threads {
  explicit Threads(int n) : before(num_threads()) { set_num_threads(n); }
  ~Threads() { set_num_threads(before); }
  int before;
};
// Gradient descent on a logistic regression; its losses on the way.
Vec descent(const Vec& v, bool reverse = false, std::int64_t length = 60) {
  const Tensor &x = v[0], &y = v[1];
  auto loss = [&](const Tensor& w) {
    Tensor z = matmul(x, w);
    return mean(softplus(z) - y * z) + 0.01 * sum(w * w);
  };
  auto step = [&](const std::pair<Tensor, Tensor>& c, const Tensor& rate) {
    auto [l, g] = value_and_grad(loss)(c.first);
    Tensor m = 0.9 * c.second + g;
    return std::pair{std::pair{c.first - rate * m, m}, std::pair{l, sum(g * g)}};
  };
  auto [end, path] = scan(step, std::pair{v[2], zeros_like(v[2])}, full({length}, 0.5, v[0].dtype()) / (1.0 + arange(length).to(v[0].dtype())),
                          {.reverse = reverse});
  return {end.first, end.second, path.first, path.second};
}
Vec data(std::int64_t n, std::int64_t d, DType type = f64) {
  return {numbers({n, d}, type, 1) * 0.7, (numbers({n}, type, 2) > 0.0).to(type), numbers({d}, type, 3) * 0.1};
}
void expect_same(const Vec& is, const Vec& want, const std::string& what) {
  const std::string d = results_differ(is, want, Match::bits);
  count_law(d.empty());
  EXPECT_EQ(d, "") << what;
}

}  // namespace

TEST(NativeThreadTeams, values) {
  for (DType type : {f64, f32})
    for (bool reverse : {false, true})
      for (auto [n, d] : {std::pair<std::int64_t, std::int64_t>{1500, 12}, {3001, 5}, {2049, 20}}) {
        Leaves f = [=](const Vec& v) { return descent(v, reverse); };
        expect_compiled(std::to_string(n) + " x " + std::to_string(d), f, data(n, d, type), Match::rounded, 64);
      }
}
TEST(NativeThreadTeams, is_planned_where_the_sums_are_large) {
  auto planned = [](std::int64_t n, std::int64_t length) {
    Leaves f = [=](const Vec& v) { return descent(v, false, length); };
    return jit(f).trace(data(n, 12)).lower().text().find("threads in step") != std::string::npos;
  };
  if (std::thread::hardware_concurrency() < 2 || num_threads() < 2) GTEST_SKIP() << "one thread";
  if (jit([](const Tensor& x) { return sin(x); }).trace(numbers({100})).lower().text().find("nest") == std::string::npos)
    GTEST_SKIP() << "a build that evaluates Programs";
  EXPECT_TRUE(planned(1500, 100));
  EXPECT_FALSE(planned(40, 100));
  EXPECT_FALSE(planned(1500, 1));
}
// The bits do not depend on who is free: a team, the first member alone from the start, or from the middle on.
TEST(NativeThreadTeams, results_do_not_depend_on_who_makes_the_parts) {
  const Vec in = data(1500, 12);
  for (int n : {2, 3, 8}) {
    Threads count(n);
    Leaves f = [n](const Vec& v) { return descent(v, n == 3, 60 + n); };
    auto fast = jit(f);
    const Vec want = fast(in);
    for (int k = 0; k < 30; ++k) expect_same(fast(in), want, "again");
    std::vector<Vec> got(3);
    parallel_for(3, 1, [&](std::int64_t from, std::int64_t to) {  // within a parallel region there are no threads to be had
      for (std::int64_t k = from; k < to; ++k) got[static_cast<std::size_t>(k)] = fast(in);
    });
    for (auto& g : got) expect_same(g, want, "in a parallel region");
    std::vector<std::thread> callers;
    std::vector<Vec> theirs(6);
    for (auto& r : theirs)
      callers.emplace_back([&] {
        for (int k = 0; k < 5; ++k) r = fast(in);
      });
    for (auto& t : callers) t.join();
    for (auto& g : theirs) expect_same(g, want, "many callers");
    auto bound = fast.bind(in);
    for (int k = 0; k < 5; ++k) expect_same(bound(in), want, "prepared");
  }
}
// Workers that are kept from running in the middle of a loop are not waited for.
TEST(NativeThreadTeams, goes_on_without_members_that_are_late) {
  const Vec in = data(1500, 12);
  Threads count(2);
  auto fast = jit([](const Vec& v) { return descent(v, false, 400); });
  const Vec want = fast(in);
  std::atomic<bool> stop{false};
  std::vector<std::thread> busy;
  for (unsigned k = 0; k < 3 * std::thread::hardware_concurrency(); ++k)
    busy.emplace_back([&] {
      while (!stop.load(std::memory_order_relaxed)) {}
    });
  for (int k = 0; k < 5; ++k) expect_same(fast(in), want, "beside busy threads");
  stop = true;
  for (auto& t : busy) t.join();
}
TEST(NativeThreadTeams, one_thread_where_that_is_the_limit) {
  const Vec in = data(1500, 12);
  auto fast = jit([](const Vec& v) { return descent(v, false, 70); });
  Vec alone, again;
  {
    ThreadLimit one(1);
    alone = fast(in);
    again = fast(in);
  }
  expect_same(again, alone, "one thread");
  EXPECT_EQ(results_differ(fast(in), alone, Match::rounded, 64), "");
}

}  // namespace functra::testing
