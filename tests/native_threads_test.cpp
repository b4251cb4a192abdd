// Threads that compile, call and clear compiled functions at once: each result is, to the last bit, the one that a thread alone gets. The
// thread sanitizer runs these.
#include <gtest/gtest.h>

#include <barrier>
#include <thread>

#include "functra/base/pool.h"
#include "functra/base/thread_limit.h"
#include "laws_count.h"
#include "support/compiled.h"

namespace functra::testing {
namespace {

constexpr int threads = 16;
// f(number) on all threads, which start together.
void together(const std::function<void(int)>& f) {
  std::barrier start(threads);
  std::vector<std::exception_ptr> errors(threads);
  std::vector<std::thread> all;
  for (int k = 0; k < threads; ++k)
    all.emplace_back([&, k] {
      start.arrive_and_wait();
      try {
        f(k);
      } catch (...) { errors[static_cast<std::size_t>(k)] = std::current_exception(); }
    });
  for (auto& t : all) t.join();
  for (auto& e : errors)
    if (e) std::rethrow_exception(e);
}
void expect_same(const Vec& is, const Vec& want, const std::string& what) {
  std::string d = results_differ(is, want, Match::bits);
  count_law(d.empty());
  EXPECT_EQ(d, "") << what;
}
// Functions of an array and a factor that makes each program another one.
Vec work(const Tensor& x, double a) {
  Tensor y = sin(x * a) + x;
  auto [c, ys] = scan([&](const Tensor& c, const Tensor& v) { return std::pair{c * 0.5 + v * a, c * c}; }, y, stack({y, x}));
  Tensor z = cond(
      sum(y) > a, [](const Tensor& u) { return u * 2.0; }, [](const Tensor& u) { return cumsum(u, 0); }, y);
  return {y, c, ys, z, softmax(y, 0), sum(x * y)};
}

}  // namespace

TEST(NativeThreads, first_calls_of_one_function) {
  const Tensor x = numbers({200});
  for (int turn = 0; turn < 3; ++turn) {
    const double a = 1.25 + turn;
    auto fast = jit([a](const Tensor& v) { return work(v, a); });
    std::vector<Vec> got(threads);
    together([&](int k) { got[static_cast<std::size_t>(k)] = fast(x); });
    const Vec want = jit([a](const Tensor& v) { return work(v, a); })(x);
    for (auto& g : got) expect_same(g, want, "first calls");
  }
}
TEST(NativeThreads, functions_of_their_own) {
  const Tensor x = numbers({70});
  std::vector<std::vector<Vec>> got(threads);
  together([&](int k) {
    for (int i = 0; i < 4; ++i) {
      const double a = 0.5 + (k * 3 + i) % 7;  // some the same as others'
      got[static_cast<std::size_t>(k)].push_back(jit([a](const Tensor& v) { return work(v, a); })(x));
    }
  });
  for (int k = 0; k < threads; ++k)
    for (int i = 0; i < 4; ++i) {
      const double a = 0.5 + (k * 3 + i) % 7;
      expect_same(got[static_cast<std::size_t>(k)][static_cast<std::size_t>(i)], jit([a](const Tensor& v) { return work(v, a); })(x),
                  "own functions");
    }
}
TEST(NativeThreads, calls_and_cleared_caches) {
  const Tensor x = numbers({70}), y = numbers({33}, f64, 1);
  auto fast = jit([](const Tensor& v) { return work(v, 0.75); });
  const Vec want_x = fast(x), want_y = fast(y);
  together([&](int k) {
    for (int i = 0; i < 30; ++i) {
      if ((i + k) % 11 == 0) fast.cache_clear();
      const bool first = (i + k) % 2;
      expect_same(fast(first ? x : y), first ? want_x : want_y, "calls among cleared caches");
    }
  });
}
TEST(NativeThreads, large_arrays_share_the_pool) {
  const Tensor x = numbers({100003}, f32), m = numbers({257, 300}, f64);
  auto f = [](const Tensor& v, const Tensor& u) { return Vec{exp(v) * v, sum(v * v), amax(sin(v)), sum(u, 0), softmax(u, 1)}; };
  auto fast = jit(f);
  const Vec want = fast(x, m);
  together([&](int) {
    for (int i = 0; i < 3; ++i) expect_same(fast(x, m), want, "large arrays");
  });
}
TEST(NativeThreads, derivatives_compiled_at_once) {
  const Tensor x = numbers({6});
  auto g = [](const Tensor& v) { return sum(work(v, 1.5)[2]) + sum(work(v, 0.5)[4] * v); };
  std::vector<Vec> got(threads);
  together([&](int k) { got[static_cast<std::size_t>(k)] = {jit(grad(g))(x), jit(vmap(grad(g)))(stack({x, x * 2.0}))}; });
  for (auto& r : got) expect_same(r, got[0], "derivatives");
  EXPECT_EQ(results_differ({got[0][0]}, {grad(g)(x)}, Match::rounded, 64), "");
}
TEST(NativeThreads, a_hundred_trace_compile_call_bind_and_clear_at_once) {
  constexpr int many = 100;
  const Tensor x = numbers({37}), xs = numbers({3, 37}, f64, 2);
  auto make = [](int k) {
    const double a = 0.5 + k;
    return [a](const Tensor& v) { return sum(sin(v * a) * v) + amax(v) * cumsum(v, 0)[3]; };
  };
  auto shared = jit(make(0));
  auto work = [&](int k) {
    auto f = make(k % 5);  // others make the same program
    auto own = jit(f);
    Vec r{own(x), grad(own)(x), jit(vmap(grad(f)))(xs), shared(x), vmap(shared)(xs), grad(shared)(x)};
    auto call = shared.bind(x);
    r.push_back(call(x));
    if (k % 7 == 0) shared.cache_clear();
    if (k % 5 == 0) own.cache_clear();
    r.push_back(own(x * 2.0));
    r.push_back(jvp(shared, x, x).second);
    r.push_back(shared.trace(x).lower().compile()({x})[0]);
    return r;
  };
  std::vector<Vec> got(many);
  std::vector<std::string> errors(many);
  std::barrier start(many);
  std::vector<std::thread> all;
  for (int k = 0; k < many; ++k)
    all.emplace_back([&, k] {
      start.arrive_and_wait();
      try {
        got[static_cast<std::size_t>(k)] = work(k);
      } catch (const std::exception& e) { errors[static_cast<std::size_t>(k)] = e.what(); }
    });
  for (auto& t : all) t.join();
  std::vector<Vec> want;
  for (int k = 0; k < 5; ++k) want.push_back(work(k));
  for (int k = 0; k < many; ++k) {
    const auto i = static_cast<std::size_t>(k);
    ASSERT_EQ(errors[i], "");
    const std::string d = results_differ(got[i], want[i % 5], Match::bits);
    count_law(d.empty());
    EXPECT_EQ(d, "") << "thread " << k;
  }
  auto f = make(3);
  EXPECT_EQ(results_differ({want[3][0], want[3][1], want[3][2]}, {f(x), grad(f)(x), vmap(grad(f))(xs)}, Match::rounded), "");
}

// Kernels, loops and sums of rows that do not need each other, over values in the arena, arguments, and what all of them read.
Vec independent(const Vec& v) {
  const Tensor &a = v[0], &x = v[1], shared = sin(x) + 0.5, other = cos(x);
  auto walk = [&](double rate, const Tensor& s) {
    return scan([=](const Tensor& c, const Tensor& u) { return std::pair{c * rate + sin(c) * 0.1 + u, c}; }, Tensor(0.25), s);
  };
  Tensor l = linalg::cholesky(a), m = linalg::cholesky(a * 2.0 + eye(a.size(0), f64));
  Tensor up = sort(shared).first, down = cumsum(other, 0);
  auto [c, cs] = walk(0.5, shared);
  auto [d, ds] = walk(-0.25, shared);
  auto [e, es] = walk(0.125, other * 2.0);
  return {l, sum(m * l), up - down, cs * ds + es, c + d * e, shared};
}
Vec of_independent() {
  Tensor a = numbers({200, 200});
  return {matmul(a, a.t()) + 200.0 * eye(200, f64), numbers({6000})};
}
TEST(NativeThreads, independent_steps_run_at_a_time) {
  const Vec in = of_independent();
  auto fast = jit([](const Vec& v) { return independent(v); });
  const std::string text = fast.trace(in).lower().text();
  EXPECT_NE(text.find(" steps at a time:"), std::string::npos) << text;
  const Vec got = fast(in);
  EXPECT_EQ(results_differ(got, independent(in), Match::rounded, 1024), "");
  expect_compiled("independent steps", independent, in, Match::rounded, 1024);
  const int before = num_threads();
  for (int n : {1, 2, 3, 8}) {
    set_num_threads(n);
    for (int k = 0; k < 3; ++k) expect_same(fast(in), got, std::to_string(n) + " threads");
  }
  set_num_threads(4);
  {
    ThreadLimit one(1);
    expect_same(fast(in), got, "a limit");
  }
  auto bound = fast.bind(in);
  for (int k = 0; k < 3; ++k) expect_same(bound(in), got, "a prepared call");
  std::vector<Vec> inner(6);
  parallel_for(6, 1, [&](std::int64_t b, std::int64_t e) {
    for (; b < e; ++b) inner[static_cast<std::size_t>(b)] = fast(in);
  });
  for (auto& r : inner) expect_same(r, got, "in a thread of the pool");
  together([&](int) { expect_same(fast(in), got, "many callers"); });
  for (int k = 0; k < 2; ++k) {  // arguments that are given away while several steps read them
    Vec mine = of_independent();
    expect_same(jit([](const Vec& v) { return independent(v); }, {.donate = {0}})(std::move(mine)), got, "donated");
  }
  set_num_threads(before);
}
TEST(NativeThreads, loops_at_a_time_have_memory_of_their_own) {
  auto loop = [](const Tensor& x, double rate) {
    auto body = [=](const Tensor& c, NoneType) { return std::pair{c * rate + sin(c) / (1.0 + sum(c * c)), none}; };
    return scan(body, x, NoneType(), {.length = 80}).first;
  };
  Leaves one = [=](const Vec& v) { return Vec{loop(v[0], 0.75)}; };
  Leaves all = [=](const Vec& v) { return Vec{loop(v[0], 0.75), loop(v[1], -0.5), loop(v[2], 0.25)}; };
  const Vec in{numbers({2000}), numbers({2000}, f64, 1), numbers({2000}, f64, 2)};
  auto lowered = jit(all).trace(in).lower();
  EXPECT_NE(lowered.text().find("3 steps at a time:"), std::string::npos) << lowered.text();
  EXPECT_GE(lowered.compile().memory().workspace, 3 * jit(one).trace(in).lower().compile().memory().workspace);
  auto fast = jit(all);
  const Vec got = fast(in);
  for (int k = 0; k < 50; ++k) expect_same(fast(in), got, "loops");
  EXPECT_EQ(results_differ(got, all(in), Match::rounded, 1024), "");
}
TEST(NativeThreads, bodies_and_derivatives_of_independent_steps) {
  auto f = [](const Tensor& a, const Tensor& x) {
    auto body = [&](const Tensor& c, NoneType) {
      Tensor l = linalg::cholesky(a + c * eye(a.size(0), f64)), m = linalg::cholesky(a * 2.0 + c * c * eye(a.size(0), f64));
      return std::pair{c * 0.5 + sum(l) * 1e-4, sum(l * m)};
    };
    auto [c, ys] = scan(body, sum(x), NoneType(), {.length = 3});
    return sum(ys) + c;
  };
  Tensor a = of_independent()[0], x = numbers({5});
  auto fast = jit(f);
  EXPECT_NE(fast.trace(a, x).lower().text().find(" steps at a time:"), std::string::npos) << fast.trace(a, x).lower().text();
  EXPECT_EQ(results_differ({fast(a, x)}, {f(a, x)}, Match::rounded, 1024), "");
  auto g = grad([&](const Tensor& x) { return f(a, x); });
  EXPECT_EQ(results_differ({jit(g)(x)}, {g(x)}, Match::rounded, 4096), "");
}
TEST(NativeThreads, effects_stay_between_steps) {
  const Vec in = of_independent();
  std::vector<double> seen;
  auto f = [&](const Vec& v) {
    Tensor l = linalg::cholesky(v[0]);
    debug::callback([&seen](const Tensor& s) { seen.push_back(s.item<double>()); }, l[0][0]);
    Tensor m = linalg::cholesky(v[0] * 4.0);
    debug::callback([&seen](const Tensor& s) { seen.push_back(s.item<double>()); }, m[0][0]);
    return Vec{l, m};
  };
  auto fast = jit(f);
  EXPECT_EQ(fast.trace(in).lower().text().find("at a time"), std::string::npos);
  seen.clear();
  const Vec got = fast(in);
  ASSERT_EQ(seen.size(), 2u);
  EXPECT_DOUBLE_EQ(seen[0] * 2, seen[1]);
  EXPECT_EQ(results_differ({got[1]}, {got[0] * 2.0}), "");
  // Steps that are short, that wait for each other, or that spread over threads themselves are not put together.
  auto apart = [](const Vec& v) {
    return Vec{linalg::cholesky(linalg::cholesky(v[0]) + 200.0 * eye(200, f64)), matmul(v[0], v[0]), sin(v[0]) * 2.0, matmul(v[0], v[0] * 2.0)};
  };
  EXPECT_EQ(jit(apart).trace(in).lower().text().find("at a time"), std::string::npos) << jit(apart).trace(in).lower().text();
  auto small = [](const Vec& v) { return Vec{sort(lax::slice(v[1], {0}, {50})).first, cumsum(lax::slice(v[1], {0}, {50}), 0)}; };
  EXPECT_EQ(jit(small).trace(in).lower().text().find("at a time"), std::string::npos);
}

}  // namespace functra::testing
