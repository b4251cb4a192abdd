// cond and switch_: the branch alone is evaluated and differentiated; under vmap one predicate for all lanes stays a choice, one per lane
// selects, so that nothing of a branch that a lane did not take reaches results or derivatives, and nothing that lanes share is copied.
#include <gtest/gtest.h>

#include <cmath>
#include <functional>

#include "functra/base/memory.h"
#include "functra/functra.h"
#include "support/close.h"

namespace ft = functra;
using ft::Tensor;

namespace {

Tensor num(double v) { return ft::tensor(v, ft::f64); }
Tensor nums(std::vector<double> v) { return ft::from_span(v, {static_cast<std::int64_t>(v.size())}); }
Tensor flags(std::vector<int> v) { return ft::tensor(ft::Data(v)).to(ft::bool_); }
std::size_t times(const std::string& text, const std::string& word) {
  std::size_t n = 0;
  for (auto at = text.find(word); at != text.npos; at = text.find(word, at + 1)) ++n;
  return n;
}
template <class F, class... T> std::string text_of(F f, const T&... x) { return ft::to_string(ft::make_fx(f)(x...)); }
ft::VmapOptions lanes(std::initializer_list<ft::Axes> dims) { return {.in_dims = dims}; }

}  // namespace

// ---------------------------------------------------------------- one predicate for all lanes
TEST(Cond, AnUnbatchedPredicateUnderVmapStaysAChoice) {
  auto f = [](const Tensor& p, const Tensor& w, const Tensor& x) {
    return ft::cond(
        p > 0.0, [&] { return ft::sin(x) * w; }, [&] { return ft::exp(x); });
  };
  Tensor w = num(0.8), xs = nums({0.1, 0.5, 0.9});
  auto all = ft::vmap(f, {.in_dims = {ft::none, ft::none, 0}});
  auto slopes = ft::vmap(ft::grad<2>(f), {.in_dims = {ft::none, ft::none, 0}});
  for (double p : {1.0, -1.0}) {
    expect_close(all(num(p), w, xs), p > 0 ? ft::sin(xs) * w : ft::exp(xs));
    expect_close(slopes(num(p), w, xs), p > 0 ? ft::cos(xs) * w : ft::exp(xs));
  }
  std::string text = text_of(all, num(1.0), w, xs), derived = text_of(slopes, num(1.0), w, xs);
  EXPECT_EQ(times(text, "cond_lanes"), 0u) << text;
  EXPECT_EQ(times(text, "= cond("), 1u) << text;
  EXPECT_EQ(times(derived, "cond_lanes"), 0u) << derived;
  EXPECT_GE(times(derived, "= cond("), 1u) << derived;
  EXPECT_EQ(times(derived, "= select("), 0u) << derived;
}
TEST(Cond, OnlyTheBranchTakenRuns) {
  int left = 0, right = 0;
  auto seen = [](int& n) {
    return [&n](const Tensor& x) {
      ++n;
      return x;
    };
  };
  auto f = [&](const Tensor& p, const Tensor& x) {
    return ft::cond(
        p > 0.0, [&] { return ft::pure_callback({.vmap = ft::CallbackVmap::broadcast_all}, seen(left), x, ft::stop_gradient(x)) * x; },
        [&] { return ft::pure_callback({.vmap = ft::CallbackVmap::broadcast_all}, seen(right), x, ft::stop_gradient(x)) * x; });
  };
  EXPECT_EQ(double(f(num(1.0), num(3.0))), 9);
  EXPECT_EQ(double(ft::grad<1>(f)(num(1.0), num(3.0))), 3);
  EXPECT_EQ(double(ft::jit(ft::grad<1>(f))(num(1.0), num(3.0))), 3);
  expect_close(ft::vmap(ft::grad<1>(f), {.in_dims = {ft::none, 0}})(num(1.0), nums({3.0, 4.0})), nums({3.0, 4.0}));
  EXPECT_EQ(left, 4);
  EXPECT_EQ(right, 0);
}

// ---------------------------------------------------------------- a predicate per lane
TEST(Cond, ABatchedPredicateSelectsPerLaneWhateverElseIsBatched) {
  auto f = [](const Tensor& p, const Tensor& a, const Tensor& b) {
    return ft::cond(
        p,
        [](const Tensor& a, const Tensor& b) {
          return std::pair{a * b, a};
        },
        [](const Tensor& a, const Tensor& b) {
          return std::pair{a - b, num(7.0)};
        },
        a, b);
  };
  Tensor p = flags({1, 0, 1}), as = nums({1.0, 2.0, 3.0}), bs = nums({5.0, 6.0, 7.0});
  for (int which = 0; which < 4; ++which) {
    bool ma = which & 1, mb = which & 2;
    Tensor a = ma ? as : as[1], b = mb ? bs : bs[1];
    auto av = [&](std::int64_t i) { return double(ma ? as[i] : as[1]); };
    auto bv = [&](std::int64_t i) { return double(mb ? bs[i] : bs[1]); };
    auto batch = [&](auto g) {
      return ft::vmap(g, {.in_dims = {0, ma ? ft::Axes(0) : ft::Axes(ft::none), mb ? ft::Axes(0) : ft::Axes(ft::none)}})(p, a, b);
    };
    auto [y, z] = batch(f);
    expect_close(y, nums({av(0) * bv(0), av(1) - bv(1), av(2) * bv(2)}));
    expect_close(z, nums({av(0), 7.0, av(2)}));
    auto loss = [&](const Tensor& p, const Tensor& a, const Tensor& b) {
      auto [y, z] = f(p, a, b);
      return y * y + z;
    };
    auto [ga, gb] = batch(ft::grad<1, 2>(loss));
    auto da = [&](std::int64_t i) { return i == 1 ? 2 * (av(1) - bv(1)) : 2 * av(i) * bv(i) * bv(i) + 1; };
    auto db = [&](std::int64_t i) { return i == 1 ? -2 * (av(1) - bv(1)) : 2 * av(i) * av(i) * bv(i); };
    expect_close(ga, nums({da(0), da(1), da(2)}));
    expect_close(gb, nums({db(0), db(1), db(2)}));
    expect_close(batch(ft::grad<1>(ft::grad<2>(loss))), nums({4 * av(0) * bv(0), -2.0, 4 * av(2) * bv(2)}));
  }
}
TEST(Cond, NestedLanesOfAnyLevels) {
  auto f = [](const Tensor& p, const Tensor& x) {
    return ft::cond(
        p > 0.0, [&] { return ft::log(p) * x; }, [&] { return x * x; });
  };
  auto want = [](double p, double x) { return p > 0 ? std::log(p) : 2 * x; };
  std::vector<double> ps{2.0, -1.0}, xs{0.5, 1.5, 2.5}, d, q;
  for (double p : ps)
    for (double x : xs) d.push_back(want(p, x));
  for (double p : {2.0, -1.0, 3.0, 0.0, 5.0, -2.0}) q.push_back(want(p, 1.5));
  auto g = ft::grad<1>(f);
  using ft::none;
  expect_close(ft::vmap(ft::vmap(g, {.in_dims = {none, 0}}), {.in_dims = {0, none}})(nums(ps), nums(xs)), nums(d).reshape({2, 3}));
  expect_close(ft::vmap(ft::vmap(g, {.in_dims = {0, none}}), {.in_dims = {none, 0}})(nums(ps), nums(xs)), nums(d).reshape({2, 3}).t());
  Tensor grid = nums({2.0, -1.0, 3.0, 0.0, 5.0, -2.0}).reshape({2, 3});
  expect_close(ft::vmap(ft::vmap(g, {.in_dims = {0, none}}), {.in_dims = {0, none}})(grid, num(1.5)), nums(q).reshape({2, 3}));
  expect_close(ft::vmap(ft::vmap(g, {.in_dims = {0, none}}), {.in_dims = {1, none}, .out_dims = 1})(grid, num(1.5)), nums(q).reshape({2, 3}));
}
TEST(Cond, SwitchClampsPerLaneAndTakesOperandsOfEveryKind) {
  auto f = [](const Tensor& k, const Tensor& x, const Tensor& i) {
    return ft::switch_(k,
                       std::tuple{[](const Tensor& x, const Tensor&) {
                                    return std::pair{x, ft::tensor(-1)};
                                  },
                                  [](const Tensor& x, const Tensor& i) {
                                    return std::pair{x * i.to(ft::f64), i};
                                  },
                                  [](const Tensor& x, const Tensor& i) {
                                    return std::pair{x * x, i * i};
                                  }},
                       x, i);
  };
  Tensor ks = ft::tensor({-5, 0, 1, 2, 9}), x = num(1.5), i = ft::tensor(4);
  auto [y, n] = ft::vmap(f, {.in_dims = {0, ft::none, ft::none}})(ks, x, i);
  expect_close(y, nums({1.5, 1.5, 6.0, 2.25, 2.25}));
  expect_close(n, ft::tensor({-1, -1, 4, 16, 16}));
  EXPECT_EQ(n.dtype(), ft::i64);
  auto loss = [&](const Tensor& k, const Tensor& x, const Tensor& i) { return f(k, x, i).first; };
  expect_close(ft::vmap(ft::grad<1>(loss), {.in_dims = {0, ft::none, ft::none}})(ks, x, i), nums({1.0, 1.0, 4.0, 3.0, 3.0}));
  for (ft::DType d : {ft::i32, ft::i64, ft::u8}) EXPECT_EQ(double(ft::grad<1>(loss)(ft::tensor(2).to(d), x, i)), 3);
  // one branch only, and more lanes than branches
  auto one = [](const Tensor& k, const Tensor& x) { return ft::switch_(k, std::tuple{[](const Tensor& x) { return ft::sin(x); }}, x); };
  expect_close(ft::vmap(ft::grad<1>(one), {.in_dims = {0, ft::none}})(ks, x), ft::cos(x).expand({5}));
}

// ---------------------------------------------------------------- 0 x inf
TEST(Cond, NothingOfABranchNotTakenReachesResultsOrDerivatives) {
  // At x = 0 and below the first branch and its derivatives are infinite or NaN; w and v are shared by all lanes.
  struct Case {
    const char* name;
    std::function<Tensor(const Tensor& w, const Tensor& x)> dangerous;
    std::function<double(double w, double x)> by_w, by_ww;
  };
  const Case cases[] = {
      {"w / x", [](const Tensor& w, const Tensor& x) { return w / x; }, [](double, double x) { return 1 / x; }, [](double, double) { return 0; }},
      {"sqrt", [](const Tensor& w, const Tensor& x) { return ft::sqrt(w * x); }, [](double w, double x) { return 0.5 * std::sqrt(x / w); },
       [](double w, double x) { return -0.25 * std::sqrt(x) * std::pow(w, -1.5); }},
      {"log", [](const Tensor& w, const Tensor& x) { return w * w * ft::log(x); }, [](double w, double x) { return 2 * w * std::log(x); },
       [](double, double x) { return 2 * std::log(x); }},
      {"pow", [](const Tensor& w, const Tensor& x) { return ft::pow(x, w); }, [](double w, double x) { return std::log(x) * std::pow(x, w); },
       [](double w, double x) { return std::log(x) * std::log(x) * std::pow(x, w); }},
      {"a jitted one",
       [](const Tensor& w, const Tensor& x) { return ft::jit([](const Tensor& w, const Tensor& x) { return w / ft::sqrt(x); })(w, x); },
       [](double, double x) { return 1 / std::sqrt(x); }, [](double, double) { return 0; }},
      {"a checkpointed one",
       [](const Tensor& w, const Tensor& x) {
         return ft::checkpoint([](const Tensor& w, const Tensor& x) { return w * w * ft::log(ft::sqrt(x)); })(w, x);
       },
       [](double w, double x) { return w * std::log(x); }, [](double, double x) { return std::log(x); }},
      {"a loop",
       [](const Tensor& w, const Tensor& x) {
         return ft::fori_loop(
             0, 3, [&](const Tensor&, const Tensor& c) { return c + w * w / x; }, num(0.0));
       },
       [](double w, double x) { return 6 * w / x; }, [](double, double x) { return 6 / x; }},
      {"a choice",
       [](const Tensor& w, const Tensor& x) {
         return ft::cond(
             x > 5.0, [&] { return w; }, [&] { return w * w / x; });
       },
       [](double w, double x) { return 2 * w / x; }, [](double, double x) { return 2 / x; }},
  };
  const std::vector<double> at{0.0, 2.0, -1.0, 0.5};
  const double w = 1.3;
  Tensor xs = nums(at);
  for (auto& c : cases) {
    SCOPED_TRACE(c.name);
    auto f = [&](const Tensor& w, const Tensor& x) {
      return ft::cond(
          x > 0.0, [&] { return c.dangerous(w, x); }, [&] { return w * w * w; });
    };
    std::vector<double> d1, d2;
    double s1 = 0, s2 = 0;
    for (double x : at) {
      d1.push_back(x > 0 ? c.by_w(w, x) : 3 * w * w);
      d2.push_back(x > 0 ? c.by_ww(w, x) : 6 * w);
      s1 += d1.back();
      s2 += d2.back();
    }
    auto per_lane = lanes({ft::none, 0});
    for (std::size_t i = 0; i < at.size(); ++i) EXPECT_NEAR(double(ft::grad(f)(num(w), num(at[i]))), d1[i], 1e-9);
    expect_close(ft::vmap(ft::grad(f), per_lane)(num(w), xs), nums(d1));
    expect_close(ft::vmap(ft::grad(ft::grad(f)), per_lane)(num(w), xs), nums(d2));
    expect_close(ft::vmap(ft::hessian(f), per_lane)(num(w), xs), nums(d2));
    expect_close(ft::jit(ft::vmap(ft::grad(f), per_lane))(num(w), xs), nums(d1));
    auto total = [&](const Tensor& w) { return ft::sum(ft::vmap(f, per_lane)(w, xs)); };
    expect_close(ft::grad(total)(num(w)), num(s1));
    expect_close(ft::jvp(total, num(w), num(1.0)).second, num(s1));
    for (auto second : {ft::grad(ft::grad(total))(num(w)), ft::hessian(total)(num(w)), ft::jacfwd(ft::jacfwd(total))(num(w)),
                        ft::jacrev(ft::jacfwd(total))(num(w))})
      expect_close(second, num(s2));
    expect_close(ft::jit(ft::grad(total))(num(w)), num(s1));
    // by the lanes' own operand too: a derivative that is zero where the branch does not read it
    Tensor gx = ft::grad([&](const Tensor& x) { return ft::sum(ft::vmap(f, per_lane)(num(w), x)); })(xs);
    EXPECT_EQ(double(gx[0]), 0);
    EXPECT_EQ(double(gx[2]), 0);
    EXPECT_TRUE(std::isfinite(double(gx[1])));
  }
}
TEST(Cond, SharedWeightsOfAnyShapeAreSafeFromInfinities) {
  // a vector of weights used elementwise and contracted; lane 1 divides by zero in the branch it does not take
  Tensor w = nums({0.5, -1.0, 2.0}), m = nums({1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0}).reshape({3, 3});
  auto f = [](const Tensor& w, const Tensor& m, const Tensor& x) {
    return ft::cond(
        x > 0.0, [&] { return ft::sum(ft::matmul(m, w / x) * w) + ft::sum(w * w / (x * x)); }, [&] { return ft::sum(w); });
  };
  Tensor xs = nums({2.0, 0.0, -1.0});
  auto total = [&](const Tensor& w, const Tensor& m) { return ft::sum(ft::vmap(f, {.in_dims = {ft::none, ft::none, 0}})(w, m, xs)); };
  auto [gw, gm] = ft::grad<0, 1>(total)(w, m);
  expect_close(gw, (ft::matmul(m, w) + ft::matmul(m.t(), w)) / 2.0 + 2.0 * w / 4.0 + 2.0);
  expect_close(gm, w.unsqueeze(1) * w.unsqueeze(0) / 2.0);
  Tensor h = ft::hessian<0>(total)(w, m);
  expect_close(h, (m + m.t()) / 2.0 + ft::eye(3, ft::f64) / 2.0);
}
TEST(Cond, GuardsWhereSelectsDoNot) {
  // where(x > 0, sqrt(x), 0) has the derivative 0 * inf = NaN at 0, cond has 0.
  Tensor zero = num(0.0);
  EXPECT_TRUE(std::isnan(double(ft::grad([](const Tensor& x) { return ft::where(x > 0.0, ft::sqrt(x), 0.0); })(zero))));
  auto f = [](const Tensor& x) {
    return ft::cond(
        x > 0.0, [&] { return ft::sqrt(x); }, [] { return 0.0; });
  };
  EXPECT_EQ(double(ft::grad(f)(zero)), 0);
  EXPECT_EQ(double(ft::grad(ft::grad(f))(zero)), 0);
  expect_close(ft::vmap(ft::grad(f))(nums({0.0, 4.0, -1.0})), nums({0.0, 0.25, 0.0}));
}

// ---------------------------------------------------------------- loops in a branch not taken
TEST(Cond, ALoopInABranchNotTakenMakesNoStep) {
  // From x <= 0 the loop would never end (or would pass max_steps).
  for (auto& o : {ft::WhileOptions{.max_steps = 30}, ft::WhileOptions{.max_steps = ft::none, .checkpoint = 2}}) {
    auto loop = [o](const Tensor& x) {
      return ft::while_loop([](const Tensor& c) { return c < 8.0; }, [](const Tensor& c) { return c * 2.0; }, x, o);
    };
    auto choice = [loop](const Tensor& x) {
      return ft::cond(
          x > 0.0, [&] { return loop(x); }, [&] { return x * x; });
    };
    using Fn = std::function<Tensor(const Tensor&)>;
    const std::pair<const char*, Fn> bodies[] = {
        {"bare", choice},
        {"in jit",
         [=](const Tensor& x) {
           return ft::cond(
               x > 0.0, [&] { return ft::jit(loop)(x); }, [&] { return x * x; });
         }},
        {"in checkpoint",
         [=](const Tensor& x) {
           return ft::cond(
               x > 0.0, [&] { return ft::checkpoint(loop)(x); }, [&] { return x * x; });
         }},
        {"in a choice",
         [=](const Tensor& x) {
           return ft::cond(
               x > 0.0,
               [&] {
                 return ft::cond(
                     x > -100.0, [&] { return loop(x); }, [&] { return x; });
               },
               [&] { return x * x; });
         }},
        {"in a scan",
         [=](const Tensor& x) {
           return ft::cond(
               x > 0.0,
               [&] {
                 return ft::scan([&](const Tensor& c, ft::NoneType) { return std::pair{loop(c), ft::none}; }, x, {.length = 2}).first;
               },
               [&] { return x * x; });
         }},
        {"in a loop", [=](const Tensor& x) {
           return ft::cond(
               x > 0.0, [&] { return ft::while_loop([](const Tensor& c) { return c < 8.0; }, loop, x, o); }, [&] { return x * x; });
         }}};
    std::vector<double> at{1.0, -1.0, 3.0, 0.0}, v, d;
    for (double x : at) {
      double c = x, s = 1;
      for (; x > 0 && c < 8; c *= 2) s *= 2;
      v.push_back(x > 0 ? c : x * x);
      d.push_back(x > 0 ? s : 2 * x);
    }
    for (auto& [name, f] : bodies) {
      SCOPED_TRACE(name);
      expect_close(ft::vmap(f)(nums(at)), nums(v));
      expect_close(ft::jit(ft::vmap(f))(nums(at)), nums(v));
      expect_close(ft::vmap(ft::grad(f))(nums(at)), nums(d));
      expect_close(ft::grad([&, &f = f](const Tensor& x) { return ft::sum(ft::vmap(f)(x)); })(nums(at)), nums(d));
      expect_close(ft::jvp([&, &f = f](const Tensor& x) { return ft::vmap(f)(x); }, nums(at), ft::ones({4}, ft::f64)).second, nums(d));
      expect_close(ft::vmap(ft::vmap(f))(nums(at).reshape({2, 2})), nums(v).reshape({2, 2}));
      expect_close(ft::vmap(ft::grad(ft::grad(f)))(nums(at)), nums({0.0, 2.0, 0.0, 2.0}));
    }
  }
}

// ---------------------------------------------------------------- nothing shared is copied per lane
TEST(Cond, WeightsThatLanesShareAreNotCopiedPerLane) {
  const std::int64_t n = 256, size = 64;
  const double weight = static_cast<double>(n * n) * 8;
  Tensor w = ft::sin(ft::arange(n * n, ft::f64)).reshape({n, n}) / 16.0, v = ft::cos(ft::arange(n * n, ft::f64)).reshape({n, n}) / 16.0,
         xs = ft::cos(ft::arange(size * n, ft::f64)).reshape({size, n});
  auto f = [](const Tensor& w, const Tensor& v, const Tensor& x) {
    return ft::cond(
        x[0] > 0.0, [&] { return ft::sum(ft::square(ft::tanh(ft::matmul(w, x)))); }, [&] { return ft::sum(ft::matmul(v, ft::matmul(w, x)) * x); });
  };
  auto total = [&](const Tensor& w, const Tensor& v) { return ft::sum(ft::vmap(f, {.in_dims = {ft::none, ft::none, 0}})(w, v, xs)); };
  auto peak = [&](auto run) {
    run();
    ft::reset_peak_memory();
    std::size_t before = ft::memory_stats().in_use;
    auto kept = run();
    return static_cast<double>(ft::memory_stats().peak - before) / weight;
  };
  // 64 copies of one weight would be 64
  EXPECT_LT(peak([&] { return total(w, v); }), 8);
  EXPECT_LT(peak([&] { return ft::jvp(total, std::tuple{w, v}, std::tuple{v, w}).second; }), 8);
  EXPECT_LT(peak([&] { return ft::grad<0, 1>(total)(w, v); }), 16);
  EXPECT_LT(peak([&] { return ft::jvp([&](const Tensor& a) { return ft::grad(total)(a, v); }, w, v).second; }), 24);
  std::string text = text_of(ft::grad<0, 1>(total), w, v);
  EXPECT_EQ(times(text, "f64[64, 256, 256]"), 0u) << text;
  auto [gw, gv] = ft::grad<0, 1>(total)(w, v);
  Tensor want_w = ft::zeros({n, n}, ft::f64), want_v = want_w;
  for (std::int64_t i = 0; i < size; ++i) {
    auto [a, b] = ft::grad<0, 1>(f)(w, v, xs[i]);
    want_w = want_w + a;
    want_v = want_v + b;
  }
  expect_close(gw, want_w);
  expect_close(gv, want_v);
}

// ---------------------------------------------------------------- trees, constants, forwarded operands
TEST(Cond, EmptyTreesConstantBranchesAndForwardedOperands) {
  auto nothing = ft::cond(
      true, [] { return std::vector<Tensor>(); }, [] { return std::vector<Tensor>(); });
  EXPECT_TRUE(nothing.empty());
  auto none = ft::cond(
      false, [](const std::tuple<>&) { return std::tuple<>(); }, [](const std::tuple<>&) { return std::tuple<>(); }, std::tuple<>());
  static_assert(std::is_same_v<decltype(none), std::tuple<>>);
  struct Out {
    std::optional<Tensor> a, absent;
    std::vector<Tensor> list;
    int fixed = 1;
  };
  auto f = [](const Tensor& p, const Tensor& x, const Tensor& k) {
    Out o = ft::cond(
        p,
        [&] {
          return Out{x, {}, {x * x, k}};
        },
        [&] {
          return Out{num(3.0), {}, {num(4.0), ft::tensor(7)}};
        });
    EXPECT_EQ(o.fixed, 1);
    EXPECT_FALSE(o.absent);
    return *o.a * o.list[0] + o.list[1].to(ft::f64);
  };
  Tensor x = num(2.0), k = ft::tensor(5), ps = flags({1, 0});
  for (bool p : {true, false}) {
    EXPECT_EQ(double(f(ft::tensor(p), x, k)), p ? 13 : 19);
    EXPECT_EQ(double(ft::grad<1>(f)(ft::tensor(p), x, k)), p ? 12 : 0);
    EXPECT_EQ(double(ft::hessian<1>(f)(ft::tensor(p), x, k)), p ? 12 : 0);
    EXPECT_EQ(double(ft::jit(ft::grad<1>(f))(ft::tensor(p), x, k)), p ? 12 : 0);
  }
  expect_close(ft::vmap(f, {.in_dims = {0, ft::none, ft::none}})(ps, x, k), nums({13.0, 19.0}));
  expect_close(ft::vmap(ft::grad<1>(f), {.in_dims = {0, ft::none, ft::none}})(ps, x, k), nums({12.0, 0.0}));
  // both constant: a derivative of zero, by every mode
  auto constant = [](const Tensor& x) {
    return ft::cond(
        x > 0.0, [] { return num(1.0); }, [] { return num(2.0); });
  };
  EXPECT_EQ(double(ft::grad(constant)(x)), 0);
  EXPECT_EQ(double(ft::jvp(constant, x, x).second), 0);
  expect_close(ft::vmap(ft::grad(constant))(nums({1.0, -1.0})), nums({0.0, 0.0}));
  expect_close(ft::vmap(constant)(nums({1.0, -1.0})), nums({1.0, 2.0}));
  EXPECT_EQ(ft::vmap(constant)(ft::zeros({0}, ft::f64)).sizes(), ft::Shape{0});
}
TEST(Cond, BranchesWithDifferentNonzeroTangents) {
  // of (a, b, c) the first branch reads a and b, the second b and c; results have tangents in one branch, the other, both or none
  auto f = [](const Tensor& p, const Tensor& a, const Tensor& b, const Tensor& c) {
    return ft::cond(
        p,
        [&] {
          return std::tuple{a * b, num(1.0), ft::sin(b), num(0.5)};
        },
        [&] {
          return std::tuple{num(2.0), b * c, ft::cos(c), num(0.25)};
        });
  };
  auto loss = [&](const Tensor& p, const Tensor& a, const Tensor& b, const Tensor& c) {
    auto [s, t, u, v] = f(p, a, b, c);
    return 2.0 * s + 3.0 * t + 5.0 * u + v;
  };
  Tensor a = num(0.3), b = num(0.7), c = num(1.1);
  auto check = [&](const Tensor& ga, const Tensor& gb, const Tensor& gc, bool p) {
    EXPECT_NEAR(double(ga), p ? 2 * 0.7 : 0, 1e-12);
    EXPECT_NEAR(double(gb), p ? 2 * 0.3 + 5 * std::cos(0.7) : 3 * 1.1, 1e-12);
    EXPECT_NEAR(double(gc), p ? 0 : 3 * 0.7 - 5 * std::sin(1.1), 1e-12);
  };
  for (bool p : {true, false}) {
    auto [ga, gb, gc] = ft::grad<1, 2, 3>(loss)(ft::tensor(p), a, b, c);
    check(ga, gb, gc, p);
    check(ft::grad<1>(loss)(ft::tensor(p), a, b, c), ft::grad<2>(loss)(ft::tensor(p), a, b, c), ft::jacfwd<3>(loss)(ft::tensor(p), a, b, c), p);
    auto [y, t] = ft::jvp([&](const Tensor& a) { return f(ft::tensor(p), a, b, c); }, a, num(1.0));
    EXPECT_EQ(double(std::get<0>(t)), p ? 0.7 : 0);
    EXPECT_EQ(double(std::get<1>(t)), 0);
    EXPECT_EQ(double(std::get<3>(t)), 0);
  }
  auto [ga, gb, gc] = ft::vmap(ft::grad<1, 2, 3>(loss), {.in_dims = {0, ft::none, ft::none, ft::none}})(flags({1, 0}), a, b, c);
  check(ga[0], gb[0], gc[0], true);
  check(ga[1], gb[1], gc[1], false);
}
TEST(Cond, PredicatesThatDependOnDifferentiatedValuesHaveNoDerivativeOfTheirOwn) {
  auto f = [](const Tensor& x) {
    return ft::cond(
        ft::sin(x) * x > 0.5, [&] { return x * x; }, [&] { return -x; });
  };
  EXPECT_EQ(double(ft::grad(f)(num(1.5))), 3);
  EXPECT_EQ(double(ft::grad(f)(num(0.1))), -1);
  EXPECT_EQ(double(ft::jit(ft::grad(f))(num(1.5))), 3);
  expect_close(ft::vmap(ft::grad(f))(nums({1.5, 0.1})), nums({3.0, -1.0}));
}
