// Threads that compile, call and clear compiled functions at once: each result is, to the last bit, the one that a thread alone gets. The
// thread sanitizer runs these.
#include <gtest/gtest.h>

#include <barrier>
#include <thread>

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

}  // namespace functra::testing
