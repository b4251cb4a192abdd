// while_loop and fori_loop: every transform against C++ loops over doubles, carries that change kind as the loop goes on, lanes that have
// finished, and what reverse mode keeps and makes again.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>

#include "functra/base/memory.h"
#include "functra/functra.h"
#include "functra/prims/loop.h"
#include "support/close.h"

namespace ft = functra;
using ft::Tensor;

namespace {

Tensor num(double v) { return ft::tensor(v, ft::f64); }
Tensor nums(std::vector<double> v) { return ft::from_span(v, {static_cast<std::int64_t>(v.size())}); }
const ft::WhileOptions unbounded{}, kept{.max_steps = 50}, few{.max_steps = ft::none, .checkpoint = 2}, root{.max_steps = ft::none, .checkpoint = 0},
    both{.max_steps = 50, .checkpoint = 3};

// v <- v (1 + w) while v < 10: v w^k-like growth whose number of steps depends on the start.
auto growth(ft::WhileOptions o) {
  return [o](const Tensor& w, const Tensor& x) {
    return ft::while_loop([](const Tensor& c) { return c < 10.0; }, [&](const Tensor& c) { return c * (1.0 + w); }, x, o);
  };
}
struct Growth {  // x (1 + w)^k and its derivatives
  double w, x;
  int k = 0;
  Growth(double w_, double x_) : w(w_), x(x_) {
    for (double v = x; v < 10; v *= 1 + w) ++k;
  }
  double value() const { return x * std::pow(1 + w, k); }
  double by_w() const { return k * x * std::pow(1 + w, k - 1); }
  double by_x() const { return std::pow(1 + w, k); }
  double by_ww() const { return k * (k - 1) * x * std::pow(1 + w, k - 2); }
  double by_wx() const { return k * std::pow(1 + w, k - 1); }
};

}  // namespace

// ---------------------------------------------------------------- every transform
TEST(While, ForwardTransformsNeedNoBound) {
  auto f = growth(unbounded);
  Growth g(0.4, 0.9);
  Tensor w = num(g.w), x = num(g.x);
  EXPECT_NEAR(double(f(w, x)), g.value(), 1e-12);
  EXPECT_NEAR(double(ft::jit(f)(w, x)), g.value(), 1e-12);
  auto [y, t] = ft::jvp(f, std::tuple{w, x}, std::tuple{num(1.0), num(2.0)});
  EXPECT_NEAR(double(y), g.value(), 1e-12);
  EXPECT_NEAR(double(t), g.by_w() + 2 * g.by_x(), 1e-11);
  auto [z, push] = ft::linearize(f, w, x);
  EXPECT_NEAR(double(z), g.value(), 1e-12);
  EXPECT_NEAR(double(push(num(1.0), num(0.0))), g.by_w(), 1e-11);
  EXPECT_NEAR(double(push(num(0.0), num(3.0))), 3 * g.by_x(), 1e-11);
  auto by_w = [&](const Tensor& v) { return f(v, x); };
  EXPECT_NEAR(double(ft::jacfwd(by_w)(w)), g.by_w(), 1e-11);
  EXPECT_NEAR(double(ft::jacfwd(ft::jacfwd(by_w))(w)), g.by_ww(), 1e-10);
  EXPECT_NEAR(
      double(ft::jvp([&](const Tensor& v) { return ft::jvp([&](const Tensor& u) { return f(v, u); }, x, num(1.0)).second; }, w, num(1.0)).second),
      g.by_wx(), 1e-10);
  ft::Program p = ft::make_fx(f)(w, x);
  EXPECT_TRUE(ft::Program::parse(ft::to_string(p)) == p);
  EXPECT_NEAR(double(p({num(0.7), num(0.2)})[0]), Growth(0.7, 0.2).value(), 1e-12);  // another number of steps
}
TEST(While, DerivativesOfEveryModeAreThoseOfTheUnrolledLoop) {
  for (auto& o : {kept, few, root, both}) {
    auto f = growth(o);
    for (double at : {0.9, 3.0, 9.99, 10.0, 25.0}) {  // from several steps to none
      Growth g(0.4, at);
      Tensor w = num(g.w), x = num(g.x);
      auto [dw, dx] = ft::grad<0, 1>(f)(w, x);
      EXPECT_NEAR(double(dw), g.by_w(), 1e-10);
      EXPECT_NEAR(double(dx), g.by_x(), 1e-10);
      EXPECT_NEAR(double(ft::hessian<0>(f)(w, x)), g.by_ww(), 1e-9);
      EXPECT_NEAR(double(ft::grad(ft::grad(f))(w, x)), g.by_ww(), 1e-9);
      EXPECT_NEAR(double(ft::jit(ft::grad<0>(ft::grad<1>(f)))(w, x)), g.by_wx(), 1e-9);
      EXPECT_NEAR(double(ft::jvp([&](const Tensor& v) { return ft::grad<1>(f)(v, x); }, w, num(1.0)).second), g.by_wx(), 1e-9);
    }
    std::vector<double> starts{0.9, 20.0, 3.0, 9.0}, dw, dx, dww;
    for (double s : starts) {
      Growth g(0.4, s);
      dw.push_back(g.by_w());
      dx.push_back(g.by_x());
      dww.push_back(g.by_ww());
    }
    Tensor w = num(0.4), xs = nums(starts);
    auto lanes = ft::VmapOptions{.in_dims = {ft::none, 0}};
    expect_close(ft::vmap(ft::grad<0>(f), lanes)(w, xs), nums(dw));
    expect_close(ft::vmap(ft::grad<1>(f), lanes)(w, xs), nums(dx));
    expect_close(ft::vmap(ft::grad<0>(ft::grad<0>(f)), lanes)(w, xs), nums(dww), 1e-8);
    expect_close(ft::jit(ft::vmap(ft::grad<0>(f), lanes))(w, xs), nums(dw));
    // the gradient of a sum over lanes: reverse mode of the batched loop
    auto total = [&](const Tensor& w, const Tensor& xs) { return ft::sum(ft::vmap(f, lanes)(w, xs)); };
    expect_close(ft::grad<1>(total)(w, xs), nums(dx));
    expect_close(ft::grad<0>(total)(w, xs), num(dw[0] + dw[1] + dw[2] + dw[3]));
    expect_close(ft::grad(ft::grad(total))(w, xs), num(dww[0] + dww[1] + dww[2] + dww[3]), 1e-8);
    ft::Program p = ft::make_fx(ft::grad<0>(total))(w, xs);
    EXPECT_TRUE(ft::Program::parse(ft::to_string(p)) == p);
  }
}
TEST(While, NestedLanesWithPredicatesOfEitherOrBoth) {
  auto f = growth(kept);
  std::vector<double> ws{0.4, 1.5}, xs{0.9, 3.0, 11.0}, by_both, by_x;
  for (double w : ws)
    for (double x : xs) by_both.push_back(Growth(w, x).by_w());
  for (double x : xs) by_x.push_back(Growth(0.4, x).by_w());
  auto g = ft::grad<0>(f);
  auto inner = ft::vmap(g, {.in_dims = {ft::none, 0}});
  expect_close(ft::vmap(inner, {.in_dims = {0, ft::none}})(nums(ws), nums(xs)), nums(by_both).reshape({2, 3}));
  expect_close(ft::vmap(ft::vmap(g, {.in_dims = {0, ft::none}}), {.in_dims = {ft::none, 0}})(nums(ws), nums(xs)), nums(by_both).reshape({2, 3}).t());
  expect_close(ft::vmap(inner, {.in_dims = {ft::none, ft::none}, .axis_size = 2})(num(0.4), nums(xs))[1], nums(by_x));
}
TEST(While, OfIntegersAndConstantsReverseModePassesThroughWithoutABound) {
  // The loop that finds k, 3, has no derivative to keep.
  auto f = [](const Tensor& x) {
    Tensor k = std::get<1>(ft::while_loop([](const auto& c) { return std::get<0>(c) > 1; },
                                          [](const auto& c) {
                                            return std::tuple{std::get<0>(c) - 13, std::get<1>(c) + 1};
                                          },
                                          std::tuple{ft::tensor(40), ft::tensor(0)}));
    return ft::pow(x, k.to(ft::f64));
  };
  EXPECT_NEAR(double(ft::grad(f)(num(1.3))), 3 * 1.3 * 1.3, 1e-12);
  // A float carry that the input does not reach, beside one that it does only through a stop_gradient.
  auto g = [](const Tensor& x) {
    return x * ft::while_loop([](const Tensor& c) { return c < 5.0; }, [&](const Tensor& c) { return c + ft::stop_gradient(x); }, num(0.5));
  };
  EXPECT_NEAR(double(ft::grad(g)(num(2.0))), 6.5, 1e-12);
}
TEST(While, FixpointsOverLaterSteps) {
  // x enters a shift register, and the predicate reads its end: it is batched, or differentiated, only from the third step on.
  auto f = [](ft::WhileOptions o) {
    return [o](const Tensor& x) {
      auto c = ft::while_loop([](const auto& c) { return std::get<2>(c) < 4.0; },
                              [&](const auto& c) {
                                auto& [a, b, d, n] = c;
                                return std::tuple{a + ft::exp(x), a * a, b + 0.1, n + 1};
                              },
                              std::tuple{num(0.1), num(0.2), num(0.3), ft::tensor(0)}, o);
      return std::get<2>(c) * std::get<0>(c) + std::get<3>(c).to(ft::f64);
    };
  };
  struct Dual {
    double v, d;
  };
  auto want = [](double x) {
    Dual a{0.1, 0}, b{0.2, 0}, d{0.3, 0};
    int n = 0;
    for (; d.v < 4; ++n) {
      d = {b.v + 0.1, b.d};
      b = {a.v * a.v, 2 * a.v * a.d};
      a = {a.v + std::exp(x), a.d + std::exp(x)};
    }
    return Dual{d.v * a.v + n, d.d * a.v + d.v * a.d};
  };
  std::vector<double> at{-1.0, 0.0, 0.9}, v, d;
  for (double x : at) {
    v.push_back(want(x).v);
    d.push_back(want(x).d);
  }
  EXPECT_NE(v[0] - std::floor(v[0]), v[2] - std::floor(v[2]));
  expect_close(ft::vmap(f(unbounded))(nums(at)), nums(v));
  for (std::size_t i = 0; i < at.size(); ++i) EXPECT_NEAR(double(ft::jvp(f(unbounded), num(at[i]), num(1.0)).second), d[i], 1e-9);
  expect_close(ft::vmap([&](const Tensor& x) { return ft::jvp(f(unbounded), x, num(1.0)).second; })(nums(at)), nums(d));
  for (auto& o : {kept, few, root}) {
    expect_close(ft::vmap(ft::grad(f(o)))(nums(at)), nums(d));
    expect_close(ft::grad([&](const Tensor& x) { return ft::sum(ft::vmap(f(o))(x)); })(nums(at)), nums(d));
    expect_close(ft::jit(ft::vmap(ft::grad(f(o))))(nums(at)), nums(d));
  }
  // Only a carry beside the predicate becomes batched: the loop keeps one predicate for all lanes.
  auto shared = [](const Tensor& x) {
    auto c = ft::while_loop([](const auto& c) { return std::get<0>(c) < 4; },
                            [&](const auto& c) {
                              auto& [i, a, b] = c;
                              return std::tuple{i + 1, a * x, b + a};
                            },
                            std::tuple{ft::tensor(0), num(1.0), num(0.0)});
    return std::get<2>(c);  // 1 + x + x^2 + x^3
  };
  expect_close(ft::vmap(shared)(nums({2.0, -1.0})), nums({15.0, 0.0}));
  std::string text = ft::to_string(ft::make_fx(ft::vmap(shared))(nums({2.0, -1.0})));
  EXPECT_EQ(text.find("cond_lanes"), text.npos) << text;
}

// ---------------------------------------------------------------- finished lanes
TEST(While, FinishedLanesAreFrozenAndWhatTheyWouldComputeIsHarmless) {
  // 1 / (3 - c) is infinite at c = 3, where a lane stops; other lanes go on past it. sqrt(5 - c) is NaN from there on.
  auto f = [](ft::WhileOptions o) {
    return [o](const Tensor& w, const Tensor& stop) {
      auto c = ft::while_loop([&](const auto& c) { return std::get<0>(c) < stop; },
                              [&](const auto& c) {
                                auto& [i, s] = c;
                                return std::tuple{i + 1.0, s + w / (stop - i) + w * ft::sqrt(stop - i)};
                              },
                              std::tuple{num(0.0), num(0.0)}, o);
      return std::get<1>(c);
    };
  };
  auto want = [](double stop) {
    double s = 0;
    for (double i = 0; i < stop; ++i) s += 1 / (stop - i) + std::sqrt(stop - i);
    return s;
  };
  std::vector<double> stops{3, 7, 1, 0, -2}, v;
  for (double s : stops) v.push_back(want(s));
  double total = 0;
  for (double x : v) total += x;
  auto lanes = ft::VmapOptions{.in_dims = {ft::none, 0}};
  Tensor w = num(0.7);
  expect_close(ft::vmap(f(unbounded), lanes)(w, nums(stops)), nums(v) * 0.7);
  expect_close(
      ft::vmap([&](const Tensor& w, const Tensor& s) { return ft::jvp([&](const Tensor& u) { return f(unbounded)(u, s); }, w, num(1.0)).second; },
               lanes)(w, nums(stops)),
      nums(v));
  for (auto& o : {kept, few, root}) {
    expect_close(ft::vmap(ft::grad(f(o)), lanes)(w, nums(stops)), nums(v));
    auto sum = [&](const Tensor& w) { return ft::sum(ft::vmap(f(o), lanes)(w, nums(stops))); };
    expect_close(ft::grad(sum)(w), num(total));
    expect_close(ft::hessian(sum)(w), num(0.0));
    expect_close(ft::jit(ft::grad(sum))(w), num(total));
  }
}
TEST(While, LanesWhosePredicateIsNanNeverStartAndLanesOfZeroMakeNone) {
  auto f = growth(kept);
  double nan = std::nan("");
  Tensor xs = nums({nan, 0.9, INFINITY});
  auto lanes = ft::VmapOptions{.in_dims = {ft::none, 0}};
  expect_close(ft::vmap(f, lanes)(num(0.4), xs), nums({nan, Growth(0.4, 0.9).value(), INFINITY}));
  expect_close(ft::vmap(ft::grad<1>(f), lanes)(num(0.4), xs), nums({1.0, Growth(0.4, 0.9).by_x(), 1.0}));
  EXPECT_EQ(ft::vmap(f, lanes)(num(0.4), ft::zeros({0}, ft::f64)).sizes(), ft::Shape{0});
  EXPECT_EQ(ft::vmap(ft::grad<1>(f), lanes)(num(0.4), ft::zeros({0}, ft::f64)).sizes(), ft::Shape{0});
}

// ---------------------------------------------------------------- the bound
TEST(While, MoreStepsThanMaxStepsIsAnErrorExactlyAsManyAreNot) {
  auto f = [](std::int64_t max, ft::OptInt k = {}) {
    return [=](const Tensor& x, const Tensor& n) {
      return std::get<1>(ft::while_loop([&](const auto& c) { return std::get<0>(c) < n; },
                                        [](const auto& c) {
                                          return std::tuple{std::get<0>(c) + 1, std::get<1>(c) * 2.0};
                                        },
                                        std::tuple{ft::tensor(0), x}, {.max_steps = max, .checkpoint = k}));
    };
  };
  Tensor x = num(1.5), n = ft::tensor(5), ns = ft::tensor({2, 5, 0});
  auto lanes = ft::VmapOptions{.in_dims = {ft::none, 0}};
  for (ft::OptInt k : {ft::OptInt(), ft::OptInt(0), ft::OptInt(2)}) {
    EXPECT_EQ(double(f(5, k)(x, n)), 48);
    EXPECT_EQ(double(ft::grad(f(5, k))(x, n)), 32);
    expect_close(ft::vmap(ft::grad(f(5, k)), lanes)(x, ns), nums({4.0, 32.0, 1.0}));
    auto refused = [&](auto run) { expect_throw<ft::ValueError>(run, "max_steps"); };
    refused([&] { f(4, k)(x, n); });
    refused([&] { ft::jit(f(4, k))(x, n); });
    refused([&] { ft::grad(f(4, k))(x, n); });
    refused([&] { ft::jvp([&](const Tensor& v) { return f(4, k)(v, n); }, x, x); });
    refused([&] { ft::vmap(f(4, k), lanes)(x, ns); });
    refused([&] { ft::vmap(ft::grad(f(4, k)), lanes)(x, ns); });
    refused([&] { ft::vmap(ft::vmap(f(4, k), lanes), {.in_dims = {0, ft::none}})(nums({1.0, 2.0}), ns); });
    EXPECT_EQ(double(ft::grad(f(5, k))(x, n)), 32);  // nothing is left behind
  }
  expect_throw<ft::ValueError>([&] { f(0)(x, n); }, "while_loop: max_steps is 0, expected at least 1");
  expect_throw<ft::ValueError>([&] { f(5, -1)(x, n); }, "while_loop: checkpoint is -1, expected a number of carries, or 0");
}
TEST(While, WithoutABoundReverseModeSaysWhatToDoAndNothingElseFails) {
  auto f = growth(unbounded);
  Tensor w = num(0.4), x = num(0.9);
  auto says = [&](auto run) {
    expect_throw<ft::MissingRuleError>(run, "while_loop: reverse-mode derivatives need {.max_steps = N}");
    expect_throw<ft::MissingRuleError>(run, "{.checkpoint = k}");
    expect_throw<ft::MissingRuleError>(run, "jvp, jacfwd");
  };
  says([&] { ft::grad(f)(w, x); });
  says([&] { ft::vjp(f, w, x).second(num(1.0)); });
  says([&] { ft::jit(ft::grad(f))(w, x); });
  says([&] { ft::hessian<0>(f)(w, x); });
  says([&] { ft::vmap(ft::grad(f), {.in_dims = {ft::none, 0}})(w, nums({0.9, 3.0})); });
  says([&] {
    ft::grad([&](const Tensor& n) {
      return ft::fori_loop(
          0, (n * 2.0).to(ft::i64), [&](const Tensor&, const Tensor& c) { return c * n; }, num(1.0));
    })(num(2.0));
  });
  Growth g(0.4, 0.9);
  EXPECT_NEAR(double(ft::linearize(f, w, x).second(num(1.0), num(0.0))), g.by_w(), 1e-11);
}

// ---------------------------------------------------------------- what reverse mode keeps and makes again
namespace {
// The least number of steps to make again when n steps are reversed with s carries kept, the first among them: by dynamic programming over
// where the next carry is kept. (Griewank & Walther, "Algorithm 799: revolve", 2000, give it in closed form: below.)
std::vector<std::vector<std::int64_t>> fewest_steps(std::int64_t n, std::int64_t s) {
  std::vector<std::vector<std::int64_t>> t(static_cast<std::size_t>(s + 1), std::vector<std::int64_t>(static_cast<std::size_t>(n + 1)));
  for (std::size_t k = 1; k < t.size(); ++k)
    for (std::size_t m = 2; m < t[k].size(); ++m) {
      t[k][m] = static_cast<std::int64_t>(m * (m - 1) / 2);
      for (std::size_t j = 1; k > 1 && j < m; ++j) t[k][m] = std::min(t[k][m], static_cast<std::int64_t>(j) + t[k - 1][m - j] + t[k][j]);
    }
  return t;
}
double binomial(std::int64_t n, std::int64_t k) {
  double b = 1;
  for (std::int64_t i = 1; i <= k; ++i) b = b * static_cast<double>(n - k + i) / static_cast<double>(i);
  return k < 0 || n < k ? 0 : b;
}
// r n - binomial(s + r, s + 1) with the smallest r for which binomial(s + r, s) >= n.
std::int64_t closed_form(std::int64_t n, std::int64_t s) {
  std::int64_t r = 0;
  while (binomial(s + r, s) < static_cast<double>(n)) ++r;
  return r * n - static_cast<std::int64_t>(binomial(s + r, s + 1));
}
// x -> x a^n with n given, each evaluation of the body seen by the host.
struct Counted {
  std::int64_t evaluations = 0;
  Tensor operator()(const Tensor& a, const Tensor& x, std::int64_t n, ft::OptInt k, ft::OptInt max = {}) {
    auto host = [this](const Tensor&) {
      ++evaluations;
      return num(1.0);
    };
    return std::get<1>(ft::while_loop([&](const auto& c) { return std::get<0>(c) < n; },
                                      [&](const auto& c) {
                                        auto& [i, v] = c;
                                        Tensor one = ft::pure_callback(host, num(0.0), ft::stop_gradient(v));
                                        return std::tuple{i + 1, v * a * one};
                                      },
                                      std::tuple{ft::tensor(0), x}, {.max_steps = max, .checkpoint = k}));
  }
};
}  // namespace
TEST(While, StepsMadeAgainAreAsFewAsBinomialCheckpointingAllows) {
  auto table = fewest_steps(120, 12);
  for (std::int64_t n : {1, 2, 3, 10, 36, 57, 100, 120})
    for (std::int64_t k : {1, 2, 3, 4, 5, 10, 12}) {
      std::int64_t least = table[static_cast<std::size_t>(k)][static_cast<std::size_t>(n)];
      if (n > 1) EXPECT_EQ(closed_form(n, k), least) << n << " steps, " << k << " carries";
      Counted f;
      Tensor g = ft::grad([&](const Tensor& a) { return f(a, num(0.5), n, k); })(num(1.01));
      EXPECT_NEAR(double(g), 0.5 * static_cast<double>(n) * std::pow(1.01, static_cast<double>(n - 1)), 1e-9);
      EXPECT_EQ(ft::prims::last_sweep().steps, least) << n << " steps, " << k << " carries";
      EXPECT_LE(ft::prims::last_sweep().held, k);
      // forwards, then each step again to be reversed, besides those made again to come to it
      EXPECT_EQ(f.evaluations, 2 * n + least) << n << " steps, " << k << " carries";
    }
}
TEST(While, CheckpointZeroKeepsTwoRootsOfTheStepsAndMakesFewerThanTwoAgainPerStep) {
  for (std::int64_t n : {1, 2, 10, 100, 1000, 10000}) {
    Counted f;
    ft::grad([&](const Tensor& a) { return f(a, num(0.5), n, 0); })(num(1.0));
    auto s = ft::prims::last_sweep();
    EXPECT_LE(static_cast<double>(s.held), std::ceil(2 * std::sqrt(static_cast<double>(n))));
    EXPECT_LT(s.steps, 2 * n);
    EXPECT_EQ(f.evaluations, 2 * n + s.steps);
  }
  Counted all;  // with max_steps nothing is made again
  ft::grad([&](const Tensor& a) { return all(a, num(0.5), 30, {}, 40); })(num(1.0));
  EXPECT_EQ(all.evaluations, 30);
}
TEST(While, AsManyCarriesAsStepsMayBeKept) {
  const std::int64_t n = 200000;
  auto f = [n](const Tensor& a) {
    return std::get<1>(ft::while_loop([n](const auto& c) { return std::get<0>(c) < n; },
                                      [&](const auto& c) {
                                        return std::tuple{std::get<0>(c) + 1, std::get<1>(c) * 0.5 + a};
                                      },
                                      std::tuple{ft::tensor(0), num(0.0)}, {.max_steps = ft::none, .checkpoint = 2 * n}));
  };
  EXPECT_NEAR(double(ft::grad(f)(num(0.7))), 2, 1e-12);
  EXPECT_EQ(ft::prims::last_sweep().steps, n - 1);
  EXPECT_EQ(ft::prims::last_sweep().held, n);
}
TEST(While, MemoryOfReverseModeIsThatOfTheCarriesKept) {
  const std::int64_t wide = 1 << 16, n = 60;
  const double carry = static_cast<double>(wide) * 8;
  Tensor x = ft::full({wide}, 0.5, ft::f64);
  auto peak = [&](ft::WhileOptions o) {
    auto run = [&] {
      return ft::grad([&](const Tensor& v) {
        auto c = ft::while_loop([&](const auto& c) { return std::get<0>(c) < n; },
                                [](const auto& c) {
                                  return std::tuple{std::get<0>(c) + 1, ft::sin(std::get<1>(c))};
                                },
                                std::tuple{ft::tensor(0), v}, o);
        return ft::sum(std::get<1>(c));
      })(x);
    };
    run();
    ft::reset_peak_memory();
    std::size_t before = ft::memory_stats().in_use;
    Tensor g = run();
    return static_cast<double>(ft::memory_stats().peak - before) / carry;
  };
  double whole = peak({.max_steps = n});
  EXPECT_GT(whole, static_cast<double>(n));
  EXPECT_LT(whole, 2.0 * static_cast<double>(n) + 8);  // of sine its argument, or its argument and cosine
  for (std::int64_t k : {1, 2, 5, 10, 20}) EXPECT_LT(peak({.max_steps = ft::none, .checkpoint = k}), static_cast<double>(k) + 8) << k;
}
TEST(While, CheckpointedLanesKeepTheirCarriesTogether) {
  // Lanes of 3, 20 and 9 steps: the sweep is that of the longest.
  for (std::int64_t k : {1, 3}) {
    auto f = [k](const Tensor& a, const Tensor& n) {
      return std::get<1>(ft::while_loop([&](const auto& c) { return std::get<0>(c) < n; },
                                        [&](const auto& c) {
                                          return std::tuple{std::get<0>(c) + 1, std::get<1>(c) * a};
                                        },
                                        std::tuple{ft::tensor(0), num(1.0)}, {.max_steps = ft::none, .checkpoint = k}));
    };
    Tensor g = ft::vmap(ft::grad(f), {.in_dims = {ft::none, 0}})(num(1.1), ft::tensor({3, 20, 9}));
    expect_close(g, nums({3 * std::pow(1.1, 2), 20 * std::pow(1.1, 19), 9 * std::pow(1.1, 8)}));
    EXPECT_LE(ft::prims::last_sweep().held, k);
    EXPECT_EQ(ft::prims::last_sweep().steps, closed_form(20, k));
  }
}
TEST(While, ProgramsOfDerivativesDoNotGrowWithTheBound) {
  auto size = [](ft::WhileOptions o) { return ft::to_string(ft::make_fx(ft::grad(ft::grad(growth(o))))(num(0.4), num(0.9))).size(); };
  EXPECT_LT(size({.max_steps = 100000}), size({.max_steps = 10}) + 500);  // longer numbers only
  EXPECT_LT(size({.max_steps = ft::none, .checkpoint = 100000}), size({.max_steps = ft::none, .checkpoint = 10}) + 500);
}

// ---------------------------------------------------------------- carries and captures of every kind
TEST(While, CarriesAreTreesAndMayBeEmpty) {
  struct State {
    std::map<std::string, Tensor> named;
    std::optional<Tensor> extra, absent;
    int fixed = 2;
  };
  auto f = [](const Tensor& x) {
    State s = ft::while_loop([](const State& s) { return s.named.at("n") < 3; },
                             [](const State& s) {
                               State t = s;
                               t.named.at("n") = s.named.at("n") + 1;
                               t.extra = *s.extra * s.named.at("x") + s.fixed;
                               return t;
                             },
                             State{{{"n", ft::tensor(0)}, {"x", x}}, num(1.0), {}}, {.max_steps = 5});
    EXPECT_FALSE(s.absent.has_value());
    EXPECT_EQ(s.fixed, 2);
    return *s.extra;  // x^3 + 2 x^2 + 2 x + 2
  };
  EXPECT_NEAR(double(f(num(1.5))), 3.375 + 4.5 + 3 + 2, 1e-12);
  EXPECT_NEAR(double(ft::grad(f)(num(1.5))), 3 * 2.25 + 6 + 2, 1e-12);
  auto no = [](const auto&) { return ft::tensor(false); };
  auto same = [](const auto& c) { return c; };
  EXPECT_TRUE(ft::while_loop(no, same, std::vector<Tensor>()).empty());
  EXPECT_EQ(ft::while_loop(no, same, ft::zeros({0, 3}, ft::f64)).sizes(), (ft::Shape{0, 3}));
}
TEST(While, BoundsOfForiMayBeOfAnyIntegerTypeNegativeAndPerLane) {
  auto f = [](const Tensor& lo, const Tensor& hi) {
    return ft::fori_loop(lo, hi, [](const Tensor& i, const Tensor& c) { return c + i.to(ft::f64); }, num(0.0), {.max_steps = 20});
  };
  EXPECT_EQ(double(f(ft::tensor(-3, ft::i32), ft::tensor(2, ft::i32))), -5);
  EXPECT_EQ(double(f(ft::tensor(-3, ft::i64), ft::tensor(2, ft::i32))), -5);
  EXPECT_EQ(double(ft::fori_loop(
                -3, 2, [](const Tensor& i, const Tensor& c) { return c + i.to(ft::f64); }, num(0.0))),
            -5);
  expect_close(ft::vmap(f)(ft::tensor({0, 1, 5}), ft::tensor({3, 3, 2})), nums({3.0, 3.0, 0.0}));
  expect_close(ft::vmap(f, {.in_dims = {0, ft::none}})(ft::tensor({0, 1, 5}), ft::tensor(3)), nums({3.0, 3.0, 0.0}));
  expect_throw<ft::DTypeError>([&] { f(num(0.0), ft::tensor(2)); }, "fori_loop: the bounds are 0-d integers, got f64[]");
}
