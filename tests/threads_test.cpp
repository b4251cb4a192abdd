// Many threads at once: each result is, to the last bit, the one that a thread alone gets. The thread sanitizer runs these.
#include <gtest/gtest.h>

#include <atomic>
#include <barrier>
#include <cstring>
#include <functional>
#include <set>
#include <thread>

#include "functra/base/pool.h"
#include "functra/base/thread_limit.h"
#include "laws/transforms.h"
#include "laws_count.h"
#include "support/close.h"

namespace ft = functra;
using ft::Tensor;
using ft::Vec;

namespace {

constexpr int kThreads = 4;
// f(number) on kThreads threads that start together; what one throws is rethrown here.
template <class F> void together(F f) {
  std::barrier start(kThreads);
  std::vector<std::exception_ptr> errors(kThreads);
  std::vector<std::thread> threads;
  for (int k = 0; k < kThreads; ++k)
    threads.emplace_back([&, k] {
      start.arrive_and_wait();
      try {
        f(k);
      } catch (...) { errors[static_cast<std::size_t>(k)] = std::current_exception(); }
    });
  for (auto& t : threads) t.join();
  for (auto& e : errors)
    if (e) std::rethrow_exception(e);
}
Tensor some(const ft::Shape& s) { return ft::sin(ft::arange(0, s.numel(), 1, ft::f64)).reshape(s); }
bool same_bits(const Tensor& a, const Tensor& b) {
  if (a.raw_dtype() != b.raw_dtype() || !(a.sizes() == b.sizes())) return false;
  Tensor x = a.contiguous(), y = b.contiguous();
  return x.numel() == 0 || std::memcmp(x.bytes(), y.bytes(), static_cast<std::size_t>(x.numel()) * ft::size_of(x.raw_dtype())) == 0;
}
bool same_bits(const Vec& a, const Vec& b) {
  if (a.size() != b.size()) return false;
  for (std::size_t i = 0; i < a.size(); ++i)
    if (!same_bits(a[i], b[i])) return false;
  return true;
}
using Work = std::function<Vec()>;
// Every thread does all the work, each in an order of its own and first of all; then this thread does it alone.
void expect_agreement(const std::vector<Work>& work, int turns, const std::function<std::string(std::size_t)>& name) {
  std::vector<std::vector<Vec>> got(kThreads, std::vector<Vec>(work.size()));
  together([&](int k) {
    std::size_t shift = static_cast<std::size_t>(k) * work.size() / (2 * kThreads);
    for (int turn = 0; turn < turns; ++turn)
      for (std::size_t i = 0; i < work.size(); ++i) {
        std::size_t j = (i + shift) % work.size();
        got[static_cast<std::size_t>(k)][j] = work[j]();
      }
  });
  for (std::size_t i = 0; i < work.size(); ++i) {
    Vec want = work[i]();
    bool same = true;
    for (auto& g : got) same &= same_bits(g[i], want);
    ft::testing::count_law(same);
    EXPECT_TRUE(same) << name(i) << " gives other bits among threads than alone";
  }
}

// Through most families: products, broadcasts, reductions, selection, scans.
Tensor loss(const Tensor& w, const Tensor& x) {
  Tensor h = ft::tanh(ft::matmul(w, x)) + ft::relu(x[0]);
  return ft::sum(ft::log(1.0 + h * h)) + ft::amax(h) * ft::cumsum(h, 0)[1];
}

}  // namespace

TEST(Threads, NestedTransformsAgreeWithSerialOnes) {
  Tensor w = some({4, 3}), x = some({3}), xs = some({5, 3});
  const std::vector<Work> work = {
      [&] { return Vec{ft::grad(loss)(w, x)}; },
      [&] {
        return ft::tree_leaves(ft::vmap(ft::grad<0, 1>(loss), {.in_dims = {ft::none, 0}})(w, xs));
      },
      [&] { return Vec{ft::hessian<1>(loss)(w, x)}; },
      [&] { return Vec{ft::jacrev([](const Tensor& a) { return ft::sin(a) * ft::sum(a); })(x)}; },
      [&] { return Vec{ft::jacfwd<1>(ft::grad<1>(loss), {.chunk_size = 2})(w, x)}; },
      [&] {
        auto [y, pull] = ft::vjp(loss, w, x);
        auto g = pull(ft::tensor(2.0, ft::f64));
        return Vec{y, std::get<0>(g), std::get<1>(g)};
      },
      [&] {
        auto [y, t] = ft::jvp(ft::grad(loss), std::tuple{w, x}, std::tuple{w, x});
        return Vec{y, t};
      },
      [&] {
        return ft::make_fx(ft::grad(loss))(w, x)({w, x});
      },
      [&] {
        auto sine = ft::custom_jvp([](const Tensor& a) { return ft::sin(a); },
                                   [](const auto& p, const auto& t) {
                                     return std::pair{ft::sin(std::get<0>(p)), std::get<0>(t) * ft::cos(std::get<0>(p))};
                                   });
        return Vec{ft::vmap(ft::grad([&](const Tensor& a) { return ft::sum(sine(a) * a); }))(xs)};
      },
  };
  expect_agreement(work, 5, [](std::size_t i) { return "transform " + std::to_string(i); });
}
TEST(Threads, EveryPrimitiveWithItsRules) {
  std::vector<std::pair<std::string, ft::testing::Sample>> samples;
  for (auto& [name, make] : ft::testing::rows()) {
    ft::testing::Row r = make();
    for (std::size_t taken = 0, i = 0; i < r.samples.size() && taken < 3; i += std::max<std::size_t>(1, r.samples.size() / 3), ++taken) {
      auto& s = r.samples[i];
      if (!r.vmap) s.diff = {-1};
      samples.emplace_back(name, s);
    }
  }
  std::vector<Work> work;
  for (auto& [name, sample] : samples)
    work.push_back([&s = sample] {
      Vec out = s.f(s.in);
      auto add = [&](const Vec& more) { out.insert(out.end(), more.begin(), more.end()); };
      add(ft::jit([&](const Vec& v) { return s.f(v); })(s.in));
      bool vmap = !s.in.empty() && s.diff != std::vector{-1}, floating = !s.in.empty() && s.differentiable;
      for (const Tensor& t : s.in) floating &= ft::is_floating(t.raw_dtype());
      if (vmap) {
        Vec twice;
        for (const Tensor& t : s.in) twice.push_back(ft::stack({t, t}));
        add(ft::testing::vmap_of(s.f, twice, std::vector<int>(twice.size(), 0)));
      }
      if (floating && ft::is_floating(out[0].raw_dtype())) {
        Vec ct(out.begin(), out.begin() + static_cast<std::ptrdiff_t>(s.f(s.in).size()));
        add(ft::testing::vjp_of(s.f, s.in, ct));
      }
      return out;
    });
  expect_agreement(work, 1, [&](std::size_t i) { return samples[i].first + ", " + samples[i].second.name; });
}
TEST(Threads, LargeOperationsShareThePool) {
  Tensor a = some({96, 200}), b = some({200, 64}), images = some({4, 3, 20, 20}), filters = some({5, 3, 3, 3}), flat = some({60000});
  Tensor key = ft::random::key(3);
  const std::vector<Work> work = {
      [&] { return Vec{ft::matmul(a, b)}; },
      [&] {
        return Vec{ft::sum(flat), ft::amax(flat), ft::cumsum(flat, 0)};
      },
      [&] {
        return Vec{ft::sin(flat) * flat + 1.0, ft::argsort(flat)};
      },
      [&] { return Vec{ft::conv2d(images, filters)}; },
      [&] { return Vec{ft::grad([&](const Tensor& f) { return ft::sum(ft::square(ft::max_pool2d(ft::conv2d(images, f), 2))); })(filters)}; },
      [&] { return Vec{ft::random::normal(key, {30000})}; },
      [&] {
        return Vec{a.t().contiguous(), ft::index_select(flat, 0, ft::argsort(flat))};
      },
  };
  expect_agreement(work, 4, [](std::size_t i) { return "operation " + std::to_string(i); });
}
TEST(Threads, WhereTracingThrowsTheNextOneTries) {
  std::atomic<int> traces{0};
  auto f = ft::jit([&](const Tensor& x) {
    std::this_thread::sleep_for(std::chrono::milliseconds(2));  // the others are waiting by then
    return ++traces < kThreads ? throw ft::ValueError("not yet") : ft::sin(x);
  });
  std::atomic<int> thrown{0};
  together([&](int) {
    try {
      expect_close(f(some({5})), ft::sin(some({5})));
    } catch (const ft::ValueError&) { ++thrown; }
  });
  EXPECT_EQ(thrown, kThreads - 1);
  EXPECT_EQ(traces, kThreads);
  EXPECT_EQ(f.cache_size(), 1u);
}
// Each of two threads traces what the other one waits for: neither waits for ever.
TEST(Threads, CompiledFunctionsThatCallEachOther) {
  std::function<Tensor(const Tensor&, int)> to_f, to_g;
  auto f = ft::jit([&](const Tensor& x, int n) {
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    return n == 0 ? x * 1.0 : to_g(x, 0) * 2.0;
  });
  auto g = ft::jit([&](const Tensor& x, int n) {
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    return n == 0 ? to_f(x, 0) + 1.0 : to_f(x, 1) * 3.0;
  });
  to_f = [&](const Tensor& x, int n) { return f(x, n); };
  to_g = [&](const Tensor& x, int n) { return g(x, n); };
  together([&](int k) {
    const Tensor x = ft::tensor(2.0);
    if (k % 2) EXPECT_EQ(double(f(x, 1)), 6.0);
    else EXPECT_EQ(double(g(x, 1)), 18.0);
  });
  // A thread that holds what the traced function waits for.
  std::mutex mutex;
  std::atomic<bool> inside{false};
  auto h = ft::jit([&](const Tensor& x) {
    inside = true;
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    std::unique_lock lock(mutex, std::defer_lock);
    while (!lock.try_lock()) std::this_thread::yield();
    return x + 1.0;
  });
  std::thread traces([&] { EXPECT_EQ(double(h(ft::tensor(1.0))), 2.0); });
  while (!inside) std::this_thread::yield();
  std::thread waits([&] { EXPECT_EQ(double(ft::jit([&](const Tensor& x) { return x * 2.0; })(ft::tensor(1.0))), 2.0); });
  waits.join();
  traces.join();
}
TEST(Threads, CallersOfOneCompiledFunctionShareItsCache) {
  std::atomic<int> traces{0};
  auto plain = [](const Tensor& x, int n) {
    Tensor y = x;
    for (int i = 0; i < n; ++i) y = ft::sin(y) * x;
    return ft::sum(y);
  };
  auto f = ft::jit([&](const Tensor& x, int n) {
    ++traces;
    return plain(x, n);
  });
  auto calls = [&](auto g, int size, int n) {
    Tensor x = some({size});
    return Vec{g(x, n), ft::grad(g)(x, n), ft::vmap(ft::grad(g), {.in_dims = {0, ft::none}})(some({2, size}), n)};
  };
  auto all = [&](auto g) {
    std::vector<Work> work;
    for (int size : {3, 4, 5})
      for (int n : {1, 2, 3}) work.push_back([&calls, g, size, n] { return calls(g, size, n); });
    return work;
  };
  expect_agreement(all(f), 3, [](std::size_t i) { return "call " + std::to_string(i); });
  EXPECT_EQ(f.cache_size(), 9u);
  int before = traces;
  EXPECT_EQ(before, 9);  // of threads that meet an empty place one traces, and the others wait
  EXPECT_EQ(f.cache_stats().misses, 9);
  auto fast = all(f), slow = all(plain);
  for (std::size_t i = 0; i < fast.size(); ++i) {
    Vec x = fast[i](), y = slow[i]();
    for (std::size_t k = 0; k < x.size(); ++k) expect_close(x[k], y[k]);
  }
  EXPECT_EQ(traces, before);
  // While others call it, one empties the cache, one asks for programs, and prepared calls keep what they were bound to.
  together([&](int k) {
    for (int turn = 0; turn < 30; ++turn) {
      int n = 1 + turn % 3;
      if (k == 0) f.cache_clear();
      else if (k == 1) f.trace(some({3}), n).program().verify();
      else if (k == 2) {
        auto call = f.bind(some({4}), n);
        for (int i = 0; i < 3; ++i) expect_close(call(some({4}), n), plain(some({4}), n), 1e-14);
      } else expect_close(f(some({5}), n), plain(some({5}), n), 1e-14);
    }
  });
}
TEST(Threads, DerivativesOfOneProgramAreMadeOnce) {
  for (int round = 0; round < 4; ++round) {  // a program that nobody has differentiated yet
    auto f = ft::jit([round](const Tensor& x) { return ft::sum(ft::sin(x * (1.5 + round)) * x); });
    Tensor x = some({3}), xs = some({2, 3});
    (void)f(x);
    auto work = [&]() -> Vec {
      return {ft::hessian(f)(x), ft::vmap(ft::grad(f))(xs), ft::jit(ft::grad(f))(x), ft::jvp(f, x, x).second, ft::vmap(f)(xs)};
    };
    std::vector<Vec> got(kThreads);
    together([&](int k) { got[static_cast<std::size_t>(k)] = work(); });
    Vec want = work();
    for (auto& g : got) EXPECT_TRUE(same_bits(g, want));
  }
}
TEST(Threads, ProgramsTracedPrintedAndParsed) {
  std::vector<ft::Program> got(kThreads);
  together([&](int k) {
    for (int turn = 0; turn < 10; ++turn) {
      ft::Program p = ft::make_fx(ft::grad(loss))(some({4, 3}), some({3}));
      ft::Program q = ft::Program::parse(ft::to_string(p));
      if (!(p == q)) throw std::runtime_error("a program differs from its text");
      got[static_cast<std::size_t>(k)] = q;
    }
  });
  for (auto& p : got) EXPECT_TRUE(p == got[0]);
}
TEST(Threads, StatefulDrawsAreThoseOfOneThreadInSomeOrder) {
  constexpr int draws = 40;
  std::vector<std::vector<double>> drawn(kThreads);
  ft::manual_seed(11);
  together([&](int k) {
    for (int i = 0; i < draws; ++i) drawn[static_cast<std::size_t>(k)].push_back(double(ft::rand({}, ft::f64)));
  });
  std::multiset<double> together_drawn, alone;
  for (auto& v : drawn) together_drawn.insert(v.begin(), v.end());
  ft::manual_seed(11);
  for (int i = 0; i < draws * kThreads; ++i) alone.insert(double(ft::rand({}, ft::f64)));
  EXPECT_EQ(together_drawn, alone);
}
TEST(Threads, TensorsPassFromHandToHand) {
  // Slots of tensors, each filled with one number, are replaced, viewed, summed and given to functions that may reuse them.
  std::mutex mutex;
  std::vector<Tensor> slots;
  for (int i = 0; i < 8; ++i) slots.push_back(ft::full({50}, static_cast<double>(i), ft::f64));
  auto bump = ft::jit([](const Tensor& x) { return x + 1.0; }, {.donate = {0}});
  std::atomic<bool> whole{true};
  together([&](int k) {
    for (int i = 0; i < 200; ++i) {
      auto at = static_cast<std::size_t>((i * 7 + k * 3) % 8);
      Tensor mine;
      {
        std::lock_guard lock(mutex);
        mine = slots[at];
      }
      auto v = ft::narrow(mine, 0, 10, 20).to_vector<double>();
      for (double x : v) whole = whole && x == v[0];
      Tensor next = i % 3 ? bump(std::move(mine)) : ft::grad([](const Tensor& x) { return ft::sum(x * x); })(mine) / 2.0;
      std::lock_guard lock(mutex);
      slots[(at + 1) % 8] = next;
    }
  });
  EXPECT_TRUE(whole);
  for (const Tensor& t : slots)
    for (double x : t.to_vector<double>()) EXPECT_EQ(x, t[0].item<double>());
}
TEST(Threads, ATensorOfAnotherThreadsTransformRaises) {
  Tensor inside;
  std::barrier ready(2), done(2);
  std::thread other([&] {
    ft::grad([&](const Tensor& x) {
      inside = x * 2.0;
      ready.arrive_and_wait();
      done.arrive_and_wait();
      return inside;
    })(ft::tensor(1.0));
  });
  ready.arrive_and_wait();
  expect_throw<ft::TracerError>([&] { (void)(inside + 1.0); }, "another thread");
  expect_throw<ft::TracerError>([&] { ft::grad([&](const Tensor& x) { return x * inside; })(ft::tensor(1.0)); }, "another thread");
  done.arrive_and_wait();
  other.join();
  // An error in one thread leaves the transforms of the others alone.
  together([&](int k) {
    for (int i = 0; i < 20; ++i) {
      if (k % 2) expect_throw<ft::ShapeError>([] { ft::grad([](const Tensor& x) { return ft::matmul(x, x); })(some({2, 3})); }, "matmul");
      else expect_close(ft::grad([](const Tensor& x) { return ft::sum(x * x); })(some({3})), 2.0 * some({3}));
    }
  });
}
TEST(Threads, TheirNumberChangesWhileOthersCompute) {
  int before = ft::num_threads();
  Tensor flat = some({60000}), want = ft::sin(flat);
  together([&](int k) {
    for (int i = 0; i < 20; ++i) {
      if (k == 0) ft::set_num_threads(1 + i % 4);
      else if (!same_bits(ft::sin(flat), want)) throw std::runtime_error("other bits");
    }
  });
  ft::set_num_threads(before);
}
TEST(Threads, ALimitHoldsForTheCallsOfItsThread) {
  const int before = ft::num_threads();
  ft::set_num_threads(4);
  auto used = [] {  // threads that take part in one job
    std::mutex m;
    std::set<std::thread::id> ids;
    ft::parallel_for(64, 1, [&](std::int64_t, std::int64_t) {
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
      std::lock_guard lock(m);
      ids.insert(std::this_thread::get_id());
    });
    return ids.size();
  };
  for (int n : {1, 2, 3}) {
    ft::ThreadLimit limit(n);
    EXPECT_EQ(ft::num_threads(), n);
    for (int i = 0; i < 5; ++i) EXPECT_LE(used(), static_cast<std::size_t>(n));
    ft::ThreadLimit more(8);  // the least one holds
    EXPECT_EQ(ft::num_threads(), n);
    std::thread([] { EXPECT_EQ(ft::num_threads(), 4); }).join();  // of this thread alone
  }
  EXPECT_EQ(ft::num_threads(), 4);
  EXPECT_GT(used(), 1u);
  auto fast = ft::jit([](const Tensor& x) { return ft::sum(ft::exp(x) * x); });
  Tensor x = some({300000}), all = fast(x);
  ft::ThreadLimit limit(1);
  expect_close(fast(x), all, 1e-12);
  expect_throw<ft::ValueError>([] { ft::ThreadLimit none(0); }, "give at least 1");
  ft::set_num_threads(before);
}
