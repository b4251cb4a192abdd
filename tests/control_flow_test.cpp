// scan, fori_loop, map and associative_scan: carries and slices of every kind of tree, edge cases, derivatives against unrolled loops,
// what the derivative of a loop keeps, and what its program holds.
#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <map>

#include "functra/core/ir.h"
#include "functra/functra.h"
#include "tests/support/close.h"
#include "tests/support/values.h"

namespace functra {
namespace {

Tensor some(const Shape& s, double from = 0.3) { return sin(arange(s.numel(), f64) * 0.7 + from).reshape(s); }
struct Rnn {
  Tensor w, u, b;
};
Rnn weights() { return {some({3, 3}) * 0.5, some({3, 2}, 1.1), some({3}, 2.2)}; }
Tensor cell(const Rnn& p, const Tensor& h, const Tensor& x) { return tanh(matmul(p.w, h) + matmul(p.u, x) + p.b); }
// The sum of squares of all states, with a loop that is scan's, or C++'s.
Tensor scanned(const Rnn& p, const Tensor& h0, const Tensor& xs, ScanOptions o = {}) {
  auto [h, hs] = scan(
      [&](const Tensor& h, const Tensor& x) {
        Tensor n = cell(p, h, x);
        return std::pair{n, n};
      },
      h0, xs, o);
  return sum(square(hs)) + sum(h);
}
Tensor unrolled(const Rnn& p, const Tensor& h0, const Tensor& xs, bool reverse = false) {
  Tensor h = h0, s = tensor(0.0, f64);
  std::int64_t n = xs.size(0);
  for (std::int64_t i = 0; i < n; ++i) {
    h = cell(p, h, xs[reverse ? n - 1 - i : i]);
    s = s + sum(square(h));
  }
  return s + sum(h);
}
void expect_same(const Rnn& a, const Rnn& b, double tol = 1e-10) {
  expect_close(a.w, b.w, tol);
  expect_close(a.u, b.u, tol);
  expect_close(a.b, b.b, tol);
}
std::size_t equations(const core::Program& p) {
  std::size_t n = p.eqns.size();
  for (const core::Eqn& e : p.eqns)
    for (auto& inner : core::inner_programs(e)) n += equations(*inner);
  return n;
}
// Equations at all depths of the program of f at these arguments.
template <class F, class... T> std::size_t program_size(F f, const T&... x) { return equations(*core::parse_program(to_string(make_fx(f)(x...)))); }
template <class F, class... T> std::string program_text(F f, const T&... x) { return to_string(make_fx(f)(x...)); }
std::size_t times(const std::string& text, const std::string& word) {
  std::size_t n = 0;
  for (auto at = text.find(word); at != text.npos; at = text.find(word, at + 1)) ++n;
  return n;
}

}  // namespace

// ---------------------------------------------------------------- scan
TEST(Scan, DerivativesAreThoseOfTheUnrolledLoop) {
  Rnn p = weights();
  Tensor h0 = some({3}, 0.9);
  for (std::int64_t n : {0, 1, 2, 5})
    for (bool reverse : {false, true})
      for (OptInt every : {OptInt(), OptInt(1), OptInt(2)}) {
        Tensor xs = some({n, 2}, 0.4);
        ScanOptions o{.reverse = reverse, .checkpoint_every = every};
        auto f = [=](const Rnn& p, const Tensor& h, const Tensor& x) { return scanned(p, h, x, o); };
        auto g = [=](const Rnn& p, const Tensor& h, const Tensor& x) { return unrolled(p, h, x, reverse); };
        expect_close(f(p, h0, xs), g(p, h0, xs));
        auto [fp, fh, fx] = grad<0, 1, 2>(f)(p, h0, xs);
        auto [gp, gh, gx] = grad<0, 1, 2>(g)(p, h0, xs);
        expect_same(fp, gp);
        expect_close(fh, gh);
        expect_close(fx, gx);
        expect_close(hessian<1>(f)(p, h0, xs), hessian<1>(g)(p, h0, xs));
      }
}
TEST(Scan, AllFourHessians) {
  Rnn p = weights();
  Tensor h0 = some({3}, 0.9), xs = some({4, 2}, 0.4);
  auto f = [=](const Tensor& h) { return scanned(p, h, xs); };
  Tensor want = hessian([=](const Tensor& h) { return unrolled(p, h, xs); })(h0);
  expect_close(jacfwd(jacrev(f))(h0), want);
  expect_close(jacrev(jacfwd(f))(h0), want);
  expect_close(jacrev(jacrev(f))(h0), want);
  expect_close(jacfwd(jacfwd(f))(h0), want);
  check_grads([=](const Rnn& q) { return scanned(q, h0, xs); }, p, {.order = 2});
}
TEST(Scan, ClosedForms) {
  // c <- a c: c_n = a^n c_0, ys = all powers
  auto f = [](const Tensor& a, const Tensor& c0) {
    auto [c, ys] = scan([&](const Tensor& c, auto) { return std::pair{a * c, c}; }, c0, none, {.length = 6});
    return c;
  };
  Tensor a = tensor(1.1, f64), c0 = tensor(0.7, f64);
  EXPECT_NEAR(double(f(a, c0)), std::pow(1.1, 6) * 0.7, 1e-12);
  EXPECT_NEAR(double(grad(f)(a, c0)), 6 * std::pow(1.1, 5) * 0.7, 1e-12);
  EXPECT_NEAR(double(grad(grad(f))(a, c0)), 30 * std::pow(1.1, 4) * 0.7, 1e-12);
  EXPECT_NEAR(double(grad(grad(grad(f)))(a, c0)), 120 * std::pow(1.1, 3) * 0.7, 1e-12);
  EXPECT_NEAR(double(grad<1>(f)(a, c0)), std::pow(1.1, 6), 1e-12);
}
TEST(Scan, CarriesAndSlicesAreTrees) {
  struct State {
    std::map<std::string, Tensor> named;
    std::optional<Tensor> extra, absent;
    std::vector<Tensor> list;
    int fixed = 3;
  };
  Tensor xs = some({4, 2});
  auto step = [](const State& s, const std::map<std::string, Tensor>& x) {
    State n = s;
    n.named.at("a") = s.named.at("a") * 0.5 + x.at("x");
    n.extra = *s.extra + sum(s.named.at("a"));
    n.list[1] = s.list[0] * s.fixed;
    n.list[0] = sum(x.at("x"));
    return std::pair{n, std::tuple{std::optional<Tensor>(*n.extra), n.list}};
  };
  auto start = [](const Tensor& a) { return State{{{"a", a}}, tensor(0.0, f64), {}, {tensor(1.0, f64), tensor(2.0, f64)}}; };
  auto f = [&](const Tensor& a, const Tensor& xs) {
    auto [s, ys] = scan(step, start(a), std::map<std::string, Tensor>{{"x", xs}});
    EXPECT_FALSE(s.absent.has_value());
    EXPECT_EQ(s.fixed, 3);
    EXPECT_EQ(std::get<0>(ys)->sizes(), Shape{4});
    return *s.extra + s.list[1] + sum(*std::get<0>(ys)) * sum(std::get<1>(ys)[1]);
  };
  auto g = [&](const Tensor& a, const Tensor& xs) {
    State s = start(a);
    Tensor first = tensor(0.0, f64), second = tensor(0.0, f64);
    for (int i = 0; i < 4; ++i) {
      auto [n, y] = step(s, std::map<std::string, Tensor>{{"x", xs[i]}});
      s = n;
      first = first + *std::get<0>(y);
      second = second + std::get<1>(y)[1];
    }
    return *s.extra + s.list[1] + first * second;
  };
  Tensor a = some({2}, 1.5);
  expect_close(f(a, xs), g(a, xs));
  auto [fa, fx] = grad<0, 1>(f)(a, xs);
  auto [ga, gx] = grad<0, 1>(g)(a, xs);
  expect_close(fa, ga);
  expect_close(fx, gx);
  expect_close(vmap(grad<1>(f), {.in_dims = {0, none}})(stack({a, 2.0 * a}), xs), stack({grad<1>(g)(a, xs), grad<1>(g)(2.0 * a, xs)}));
}
TEST(Scan, EmptyTreesAndNoResults) {
  // No carry: a map. No xs and no ys: a power. Neither: the body is traced and nothing is left.
  auto [none_, doubled] = scan([](const std::tuple<>&, const Tensor& x) { return std::pair{std::tuple<>(), x * 2.0}; }, std::tuple<>(), some({3}));
  expect_close(doubled, some({3}) * 2.0);
  auto [c, y] = scan([](const Tensor& c, NoneType) { return std::pair{c * 2.0, none}; }, tensor(3.0, f64), {.length = 4});
  EXPECT_EQ(double(c), 48);
  auto [e, n] = scan(
      [](const std::vector<Tensor>& v, NoneType) {
        return std::pair{v, std::vector<Tensor>()};
      },
      std::vector<Tensor>(), {.length = 3});
  EXPECT_TRUE(e.empty() && n.empty());
  auto squares = [](const Tensor& x) {
    return sum(scan([](const std::tuple<>& c, const Tensor& v) { return std::pair{c, v * v}; }, std::tuple<>(), x).second);
  };
  expect_close(grad(squares)(some({3})), some({3}) * 2.0);
}
TEST(Scan, NoStepGivesTheStartAndEmptyResults) {
  auto f = [](const Tensor& c0, const Tensor& xs) {
    auto [c, ys] = scan([](const Tensor& c, const Tensor& x) { return std::pair{c * x, c + x}; }, c0, xs);
    return std::pair{c, ys};
  };
  auto [c, ys] = f(tensor(2.0, f64), zeros({0}, f64));
  EXPECT_EQ(double(c), 2);
  EXPECT_EQ(ys.sizes(), Shape{0});
  auto loss = [&](const Tensor& c0, const Tensor& xs) { return f(c0, xs).first * c0 + sum(f(c0, xs).second); };
  auto [gc, gx] = grad<0, 1>(loss)(tensor(2.0, f64), zeros({0}, f64));
  EXPECT_EQ(double(gc), 4);
  EXPECT_EQ(gx.sizes(), Shape{0});
  expect_close(vmap(grad(loss))(some({3}), zeros({3, 0}, f64)), some({3}) * 2.0);
}
TEST(Scan, IntegerAndBooleanCarriesStandBesideDifferentiatedOnes) {
  // The counter chooses the factor, the flag remembers a sign.
  auto f = [](const Tensor& x) {
    auto [c, ys] = scan(
        [&](const std::tuple<Tensor, Tensor, Tensor>& c, const Tensor& s) {
          auto& [v, i, seen] = c;
          Tensor n = v * where(i % 2 == 0, x, s) + i.to(f64);
          return std::pair{std::tuple{n, i + 1, seen | (n > 3.0)}, std::pair{i, n}};
        },
        std::tuple{x, tensor(0), tensor(false)}, some({5}, 1.0));
    return std::get<0>(c) + where(std::get<2>(c), sum(ys.second), 0.0) + sum(ys.first).to(f64);
  };
  auto g = [](const Tensor& x) {
    Tensor v = x, total = tensor(0.0, f64), s = some({5}, 1.0);
    bool seen = false;
    for (int i = 0; i < 5; ++i) {
      v = v * (i % 2 == 0 ? x : s[i]) + static_cast<double>(i);
      total = total + v;
      seen |= double(v) > 3;
    }
    return v + (seen ? total : tensor(0.0, f64)) + 10.0;
  };
  for (double at : {0.4, 1.7}) {
    Tensor x = tensor(at, f64);
    expect_close(f(x), g(x));
    expect_close(grad(f)(x), grad(g)(x));
    expect_close(grad(grad(f))(x), grad(grad(g))(x));
  }
  expect_close(vmap(grad(f))(tensor({0.4, 1.7}, f64)), stack({grad(g)(tensor(0.4, f64)), grad(g)(tensor(1.7, f64))}));
}
TEST(Scan, BareNumbersTakeTheDtypeThatTheBodyGivesThem) {
  auto [c, ys] = scan([](const auto& c, const Tensor& x) { return std::pair{std::get<0>(c) + x, std::get<0>(c)}; }, std::tuple{0.0}, some({3}));
  static_assert(std::is_same_v<decltype(c), std::tuple<Tensor>>);
  EXPECT_EQ(std::get<0>(c).dtype(), f64);
  auto [k, none_] = scan([](const Tensor& c, auto) { return std::pair{c * 0.5, none}; }, 1, none, {.length = 3});
  EXPECT_EQ(k.dtype(), default_dtype());
  EXPECT_EQ(double(k), 0.125);
  // A number that stays one keeps its full value, and takes the dtype of what it meets.
  auto [t, n2] = scan([](const Tensor& c, auto) { return std::pair{c + 0.1, none}; }, 0.0, none, {.length = 3});
  EXPECT_EQ(double(t * tensor(1.0, f64)), 0.1 + 0.1 + 0.1);
  EXPECT_EQ((t * tensor(1.0)).dtype(), f32);
  auto twice = vmap([&](const Tensor& x) {
    auto [t, n] = scan(
        [&](const Tensor& c, auto) {
          return std::pair{cond(
                               x > 0.0, [&] { return c + 0.1; }, [&] { return c; }),
                           none};
        },
        0.0, none, {.length = 3});
    return t * x;
  });
  EXPECT_EQ(twice(tensor({1.0, -1.0})).dtype(), f32);
  EXPECT_EQ(twice(tensor({1.0, -1.0}, f64)).dtype(), f64);
  expect_close(twice(tensor({1.0, -1.0}, f64)), tensor({0.3, 0.0}, f64), 1e-15);
}
TEST(Scan, TheCarryBecomesMappedOrDifferentiatedOnlyByLaterSteps) {
  // a shift register: x enters at one end and reaches the result after three steps
  auto f = [](const Tensor& x) {
    auto [c, ys] = scan(
        [&](const std::tuple<Tensor, Tensor, Tensor>& c, auto) {
          auto& [a, b, d] = c;
          return std::pair{std::tuple{sin(x), a * a, b * d}, d};
        },
        std::tuple{tensor(1.0, f64), tensor(2.0, f64), tensor(3.0, f64)}, none, {.length = 4});
    return std::get<2>(c) + sum(ys);
  };
  // d: 3, 6, 6, 6 s^2, 6 s^4
  auto g = [](double x) { return 3 + 6 + 6 + 6 * std::pow(std::sin(x), 2) + 6 * std::pow(std::sin(x), 4); };
  auto dg = [](double x) { return 12 * std::sin(x) * std::cos(x) + 24 * std::pow(std::sin(x), 3) * std::cos(x); };
  Tensor xs = tensor({0.3, 1.2}, f64);
  expect_close(vmap(f)(xs), tensor({g(0.3), g(1.2)}, f64));
  expect_close(vmap(grad(f))(xs), tensor({dg(0.3), dg(1.2)}, f64));
  EXPECT_NEAR(double(jvp(f, xs[0], 1.0).second), dg(0.3), 1e-12);
  EXPECT_NEAR(double(jit(grad(f))(xs[0])), dg(0.3), 1e-12);
}
TEST(Scan, ClosesOverTensorsOfEveryOuterTransform) {
  // b of vmap, w of grad, t of jvp, all used by the body and not passed to it
  auto loop = [](const Tensor& w, const Tensor& b, const Tensor& t) {
    return scan([&](const Tensor& c, auto) { return std::pair{w * c + b * t, none}; }, t, none, {.length = 3}).first;
  };
  // c_3 = w^3 t + b t (w^2 + w + 1)
  auto value = [](double w, double b, double t) { return w * w * w * t + b * t * (w * w + w + 1); };
  auto by_w = [](double w, double b, double t) { return 3 * w * w * t + b * t * (2 * w + 1); };
  Tensor w = tensor(0.8, f64), t = tensor(1.3, f64), bs = tensor({0.2, -0.4}, f64);
  auto f = [&](const Tensor& t) { return vmap([&](const Tensor& b) { return grad([&](const Tensor& v) { return loop(v, b, t); })(w); })(bs); };
  expect_close(f(t), tensor({by_w(.8, .2, 1.3), by_w(.8, -.4, 1.3)}, f64));
  expect_close(jvp(f, t, 1.0).second, tensor({by_w(.8, .2, 1), by_w(.8, -.4, 1)}, f64));
  auto inside = [&](const Tensor& w) {
    auto compiled = jit([&](const Tensor& b) { return loop(w, b, t); });
    return compiled(bs[0]) * compiled(bs[1]);
  };
  EXPECT_NEAR(double(grad(inside)(w)), by_w(.8, .2, 1.3) * value(.8, -.4, 1.3) + by_w(.8, -.4, 1.3) * value(.8, .2, 1.3), 1e-12);
}
TEST(Scan, LinearTransposeSeparatesKnownCarriesFromLinearOnes) {
  // The counter and the growing factor are known, v is linear.
  auto f = [](const Tensor& v) {
    auto [c, ys] = scan(
        [](const std::tuple<Tensor, Tensor, Tensor>& c, const Tensor& k) {
          auto& [v, i, g] = c;
          return std::pair{std::tuple{v * (g * i.to(f64)) * k, i + 1, g * 1.5}, v * g};
        },
        std::tuple{v, tensor(1), tensor(1.0, f64)}, tensor({2.0, 3.0, 4.0}, f64));
    return std::pair{std::get<0>(c), ys};
  };
  // v: 1, 2, 2 * 9, 18 * 27; ys: v g with g = 1, 1.5, 2.25
  double v3 = 2 * (1.5 * 2 * 3) * (2.25 * 3 * 4), by_ys = 1 * 10 + 2 * 1.5 * 20 + 18 * 2.25 * 30;
  auto transposed = linear_transpose(f, tensor(1.0, f64));
  auto pull = [&](auto& t) { return t(std::pair{tensor(7.0, f64), tensor({10.0, 20.0, 30.0}, f64)}); };
  EXPECT_NEAR(double(pull(transposed)), 7 * v3 + by_ys, 1e-9);
  auto through_jit = linear_transpose(jit(f), tensor(1.0, f64));
  EXPECT_NEAR(double(pull(through_jit)), 7 * v3 + by_ys, 1e-9);
  EXPECT_NEAR(double(jit([&](const Tensor& ct) {
                return linear_transpose(f, tensor(1.0, f64))(std::pair{ct, zeros({3}, f64)});
              })(tensor(7.0, f64))),
              7 * v3, 1e-9);
  // The same in a branch, and under a while loop with a counter.
  auto branch = [&](const Tensor& v) {
    return cond(
        true, [&] { return f(v).first; }, [&] { return v; });
  };
  EXPECT_NEAR(double(linear_transpose(branch, tensor(1.0, f64))(tensor(2.0, f64))), 2 * v3, 1e-9);
  auto counted = [](const Tensor& v) {
    return std::get<1>(while_loop([](const auto& c) { return std::get<0>(c) < 4; },
                                  [](const auto& c) {
                                    auto& [i, v] = c;
                                    return std::tuple{i + 1, v * (i.to(f64) + 2.0)};
                                  },
                                  std::tuple{tensor(0), v}, {.max_steps = 10}));
  };
  EXPECT_NEAR(double(linear_transpose(counted, tensor(1.0, f64))(tensor(1.0, f64))), 2 * 3 * 4 * 5, 1e-9);
  // and through vjp of a function that is linear in one of its arguments
  auto [y, pullback] = vjp([&](const Tensor& v) { return f(v).first; }, tensor(1.0, f64));
  EXPECT_NEAR(double(pullback(tensor(1.0, f64))), v3, 1e-9);
}

// ---------------------------------------------------------------- what derivatives keep and hold
TEST(Scan, LoopInvariantResidualsAreKeptOnce) {
  // exp(w) does not change from step to step: of a [5] w and 7 steps no [7, 5] but the carries is stacked
  auto f = [](const Tensor& w, const Tensor& c0) {
    return sum(scan([&](const Tensor& c, auto) { return std::pair{c * exp(w), none}; }, c0, none, {.length = 7}).first);
  };
  Tensor w = some({5}), c0 = some({5}, 1.0);
  std::string text = program_text(grad<0, 1>(f), w, c0);
  EXPECT_EQ(times(text, "f64[7, 5]"), 1u) << text;  // the stacked carry
  EXPECT_EQ(times(text, "= exp("), 1u) << text;     // computed before the loop
  auto [gw, gc] = grad<0, 1>(f)(w, c0);
  expect_close(gw, 7.0 * exp(7.0 * w) * c0);
  expect_close(gc, exp(7.0 * w));
  // A weight that the loop contracts with is not stacked either.
  Tensor m = some({4, 4}) * 0.3;
  auto g = [](const Tensor& m, const Tensor& c0) {
    return sum(scan([&](const Tensor& c, auto) { return std::pair{tanh(matmul(m, c)), none}; }, c0, none, {.length = 7}).first);
  };
  EXPECT_EQ(times(program_text(grad<0>(g), m, some({4})), "[7, 4, 4]"), 0u);
}
TEST(Scan, SlicesThatDerivativesNeedAreNotStackedAgain) {
  auto f = [](const Tensor& c0, const Tensor& xs) {
    return sum(scan([](const Tensor& c, const Tensor& x) { return std::pair{c * x, none}; }, c0, xs).first);
  };
  // of grad by c0 the residuals are xs themselves
  std::string text = program_text(grad<0>(f), some({3}), some({6, 3}));
  EXPECT_EQ(times(text, "f64[6, 3]"), 1u) << text;
}
TEST(Scan, TheProgramOfADerivativeDoesNotGrowWithTheLoop) {
  Rnn p = weights();
  Tensor h0 = some({3});
  auto size = [&](std::int64_t n, ScanOptions o, auto transform) {
    auto f = [=](const Rnn& p, const Tensor& h, const Tensor& x) { return scanned(p, h, x, o); };
    return program_size(transform(f), p, h0, some({n, 2}));
  };
  auto g = [](auto f) { return grad<0, 1, 2>(f); };
  auto h = [](auto f) { return hessian<1>(f); };
  for (ScanOptions o : {ScanOptions{}, ScanOptions{.reverse = true}}) {
    EXPECT_EQ(size(3, o, g), size(300, o, g));
    EXPECT_EQ(size(3, o, h), size(300, o, h));
  }
  ScanOptions every{.checkpoint_every = 10};
  EXPECT_EQ(size(30, every, g), size(3000, every, g));
  EXPECT_LT(size(300, {}, g), 120u);
}
TEST(Scan, UnrollNeverChangesResults) {
  Rnn p = weights();
  Tensor xs = some({5, 2});
  for (std::int64_t k : {1, 2, 5, 9}) expect_close(scanned(p, some({3}), xs, {.unroll = k}), scanned(p, some({3}), xs));
}

// ---------------------------------------------------------------- fori_loop, map, associative_scan
TEST(Fori, ConstantBoundsAreAScanAndTensorsAWhile) {
  auto f = [](const Tensor& x) {
    return fori_loop(
        2, 6, [&](const Tensor& i, const Tensor& c) { return c * x + i.to(f64); }, tensor(0.0, f64));
  };
  // 2 x^3 + 3 x^2 + 4 x + 5
  Tensor x = tensor(1.5, f64);
  EXPECT_NEAR(double(f(x)), 2 * 3.375 + 3 * 2.25 + 4 * 1.5 + 5, 1e-12);
  EXPECT_NEAR(double(grad(f)(x)), 6 * 2.25 + 6 * 1.5 + 4, 1e-12);
  EXPECT_NE(program_text(f, x).find("= scan("), std::string::npos);
  auto g = [](const Tensor& x, const Tensor& n) {
    return fori_loop(tensor(2), n, [&](const Tensor& i, const Tensor& c) { return c * x + i.to(f64); }, tensor(0.0, f64), {.max_steps = 8});
  };
  EXPECT_NE(program_text(g, x, tensor(6)).find("= while("), std::string::npos);
  EXPECT_NEAR(double(grad(g)(x, tensor(6))), 6 * 2.25 + 6 * 1.5 + 4, 1e-12);
  expect_close(vmap(g, {.in_dims = {none, 0}})(x, tensor({6, 3, 2, 0})), tensor({double(f(x)), 2.0, 0.0, 0.0}, f64));
  expect_close(vmap(grad(g), {.in_dims = {none, 0}})(x, tensor({6, 4})), tensor({6 * 2.25 + 6 * 1.5 + 4, 2.0}, f64));
  EXPECT_EQ(double(fori_loop(
                5, 2, [](const Tensor&, const Tensor& c) { return c * 2.0; }, tensor(3.0, f64))),
            3);
}
TEST(Map, GivesWhatVmapGivesForEveryBatchSize) {
  Tensor w = some({3, 2}), xs = some({7, 2}, 0.8);
  auto f = [&](const std::pair<Tensor, Tensor>& x) { return std::pair{matmul(w, x.first) * x.second, none}; };
  Tensor ys = some({7});
  auto mapped = [&](OptInt size) { return functra::map(f, std::pair{xs, ys}, {.batch_size = size}).first; };
  Tensor want = vmap(f)(std::pair{xs, ys}).first;
  for (OptInt size : {OptInt(), OptInt(1), OptInt(2), OptInt(3), OptInt(7), OptInt(100)}) {
    expect_close(mapped(size), want);
    auto loss = [&](const Tensor& w, const Tensor& x) {
      return sum(square(functra::map([&](const Tensor& v) { return matmul(w, v); }, x, {.batch_size = size})));
    };
    auto [gw, gx] = grad<0, 1>(loss)(w, xs);
    auto [hw, hx] = grad<0, 1>([&](const Tensor& w, const Tensor& x) { return sum(square(matmul(x, w.t()))); })(w, xs);
    expect_close(gw, hw);
    expect_close(gx, hx);
    EXPECT_EQ(functra::map([](const Tensor& x) { return x * 2.0; }, zeros({0, 2}, f64), {.batch_size = size}).sizes(), (Shape{0, 2}));
  }
}
TEST(AssociativeScan, PrefixesOfEveryLengthForwardsAndBackwards) {
  // composition of affine maps (a, b): x -> a x + b, in order
  using Affine = std::pair<Tensor, Tensor>;
  auto compose = [](const Affine& f, const Affine& g) { return Affine{g.first * f.first, g.first * f.second + g.second}; };
  for (std::int64_t n = 0; n < 10; ++n)
    for (bool reverse : {false, true}) {
      Tensor a = some({n, 2}, 0.9), b = some({n, 2}, 2.0);
      auto f = [&](const Tensor& a, const Tensor& b) { return associative_scan(compose, Affine{a, b}, {.reverse = reverse}).second; };
      auto g = [&](const Tensor& a, const Tensor& b) {
        std::vector<Tensor> rows(static_cast<std::size_t>(n));
        Affine s;
        for (std::int64_t k = 0; k < n; ++k) {
          std::int64_t i = reverse ? n - 1 - k : k;
          Affine e{a[i], b[i]};
          s = k ? compose(s, e) : e;
          rows[static_cast<std::size_t>(i)] = s.second;
        }
        return n ? stack(rows) : zeros({0, 2}, f64);
      };
      expect_close(f(a, b), g(a, b));
      auto loss = [&](auto h) { return [h](const Tensor& a, const Tensor& b) { return sum(square(h(a, b))); }; };
      auto [fa, fb] = grad<0, 1>(loss(f))(a, b);
      auto [ga, gb] = grad<0, 1>(loss(g))(a, b);
      expect_close(fa, ga);
      expect_close(fb, gb);
    }
  Tensor m = some({2, 5, 3});
  expect_close(associative_scan([](const Tensor& x, const Tensor& y) { return x + y; }, m, {.dim = 1}), cumsum(m, 1));
  expect_close(associative_scan([](const Tensor& x, const Tensor& y) { return x * y; }, m, {.dim = -1}), cumprod(m, 2));
  auto any = [](const Tensor& x, const Tensor& y) { return x | y; };
  EXPECT_VALUES(associative_scan(any, tensor({false, true, false})), Shape{3}, 0, 1, 1);
  // products of matrices do not commute
  Tensor q = some({4, 2, 2});
  Tensor products = associative_scan([](const Tensor& x, const Tensor& y) { return matmul(x, y); }, q);
  expect_close(products[3], matmul(matmul(matmul(q[0], q[1]), q[2]), q[3]));
}

}  // namespace functra
