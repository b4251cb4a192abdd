// checkpoint: what each policy keeps, seen by saved_residuals, by the printed program and by counting evaluations, under every transform;
// that recomputation stays one, and saves memory.
#include <gtest/gtest.h>

#include <cmath>
#include <functional>

#include "functra/base/memory.h"
#include "functra/functra.h"
#include "support/close.h"

namespace ft = functra;
namespace policies = ft::policies;
using ft::Tensor;

namespace {

Tensor num(double v) { return ft::tensor(v, ft::f64); }
Tensor some(const ft::Shape& s, double from = 0.3) { return ft::sin(ft::arange(s.numel(), ft::f64) * 0.7 + from).reshape(s); }
std::size_t times(const std::string& text, const std::string& word) {
  std::size_t n = 0;
  for (auto at = text.find(word); at != text.npos; at = text.find(word, at + 1)) ++n;
  return n;
}
template <class F, class... T> std::string text_of(F f, const T&... x) { return ft::to_string(ft::make_fx(f)(x...)); }
using Strings = std::vector<std::string>;
// What is kept besides arguments: "sin f64[3]".
template <class F, class... T> Strings kept(F f, const T&... x) {
  Strings r;
  for (auto& s : ft::saved_residuals(f)(x...))
    if (s.from.rfind("argument", 0) != 0) r.push_back(s.from + " " + std::string(ft::name_of(s.dtype)) + s.shape.str());
  return r;
}

// Two layers with names; lines matter to Lists below.
struct Net {
  static Tensor run(const Tensor& w, const Tensor& v, const Tensor& x) {
    Tensor b = ft::checkpoint_name(ft::sin(ft::matmul(w, x)), "b");
    Tensor d = ft::checkpoint_name(ft::exp(ft::matmul(v, b)), "d");
    return ft::sum(ft::square(d));
  }
};
struct Case {
  const char* name;
  ft::CheckpointPolicy policy;
  Strings keeps;
  int save;
};
std::vector<Case> cases() {
  const std::string a = "dot_general f64[3]", cos = "cos f64[3]", b = "checkpoint_name 'b' f64[3]", c = "dot_general f64[4]", e = "exp f64[4]",
                    d = "checkpoint_name 'd' f64[4]", two = "mul f64[4]";
  return {{"nothing", policies::nothing_saveable, {}, 0},
          {"everything", policies::everything_saveable, {cos, b, e, two}, 1},
          {"dots", policies::dots_saveable, {a, c}, 2},
          {"dots without batch dims", policies::dots_with_no_batch_dims_saveable, {a, c}, 3},
          {"only b", policies::save_only_these_names({"b"}), {b}, 4},
          {"only b and d", policies::save_only_these_names({"b", "d"}), {b, d}, 4},
          {"only another", policies::save_only_these_names({"another"}), {}, 4},
          {"any name but b", policies::save_any_names_but_these({"b"}), {d}, 5},
          {"any name but both", policies::save_any_names_but_these({"b", "d"}), {}, 5},
          {"anything but b", policies::save_anything_except_these_names({"b"}), {a, cos, e, two}, 6},
          {"anything but another", policies::save_anything_except_these_names({"another"}), {cos, b, e, two}, 6}};
}
const Tensor w = some({3, 2}), v = some({4, 3}, 1.1), x = some({2}, 0.9);

}  // namespace

TEST(Checkpoint, EachPolicyKeepsExactlyItsResiduals) {
  for (auto& c : cases()) {
    SCOPED_TRACE(c.name);
    auto f = ft::checkpoint(Net::run, {.policy = c.policy});
    EXPECT_EQ(kept(f, w, v, x), c.keeps);
    EXPECT_EQ(kept(ft::jit(f), w, v, x), c.keeps);
    EXPECT_EQ(kept([&](const Tensor& w, const Tensor& v, const Tensor& x) { return f(w, v, x) * 1.0; }, w, v, x), c.keeps);
    // the forward half of a gradient's program returns the value and these, no more
    ft::Program p = ft::make_fx(ft::value_and_grad<0, 1, 2>(f))(w, v, x);
    auto forward = p.equations()[0];
    ASSERT_EQ(forward.op, "checkpoint");
    EXPECT_EQ(forward.results.size(), 1 + c.keeps.size());
    for (std::size_t i = 0; i < c.keeps.size() && i + 1 < forward.results.size(); ++i) {
      std::string type = c.keeps[i].substr(c.keeps[i].rfind(' ') + 1);
      EXPECT_EQ(std::string(ft::name_of(forward.results[1 + i].dtype)) + forward.results[1 + i].shape.str(), type);
    }
  }
  EXPECT_EQ(kept(Net::run, w, v, x), (Strings{"cos f64[3]", "checkpoint_name 'b' f64[3]", "exp f64[4]", "mul f64[4]"}));
}
TEST(Checkpoint, TheProgramComputesAgainWhatIsNotKept) {
  // contractions: 2 forwards, 4 backwards (two operands each)
  for (auto& [policy, again, dots] :
       {std::tuple{policies::nothing_saveable, 1u, 2u}, {policies::dots_saveable, 1u, 0u}, {policies::everything_saveable, 0u, 0u}}) {
    auto f = ft::checkpoint(Net::run, {.policy = policy});
    std::string text = text_of(ft::value_and_grad<0, 1, 2>(f), w, v, x);
    EXPECT_EQ(times(text, "= exp("), 1 + again) << text;
    EXPECT_EQ(times(text, "= dot_general("), 6 + dots) << text;
    EXPECT_EQ(times(text, "= barrier("), 1u) << text;
    // what a compiled function makes of it has the same equations, and so has what its text says
    std::string compiled = text_of(ft::jit(ft::value_and_grad<0, 1, 2>(f)), w, v, x);
    EXPECT_EQ(times(compiled, "= exp("), 1 + again) << compiled;
    EXPECT_EQ(times(compiled, "= dot_general("), 6 + dots) << compiled;
    ft::Program p = ft::make_fx(ft::value_and_grad<0, 1, 2>(f))(w, v, x), q = ft::Program::parse(text);
    EXPECT_TRUE(p == q);
    auto direct = q({w, v, x});
    auto [gw, gv, gx] = ft::grad<0, 1, 2>(Net::run)(w, v, x);
    expect_close(direct[0], Net::run(w, v, x));
    expect_close(direct[1], gw);
    expect_close(direct[2], gv);
    expect_close(direct[3], gx);
  }
}
TEST(Checkpoint, DerivativesOfEveryOrderAreThoseOfTheFunction) {
  auto hx = ft::hessian<2>(Net::run)(w, v, x), hw = ft::hessian<0>(Net::run)(w, v, x);
  auto third = [&](auto f) {
    auto g = [&](const Tensor& s) { return f(w, v, x * s); };
    return ft::grad(ft::grad(ft::grad(g)))(num(0.7));
  };
  Tensor want3 = third(Net::run);
  Tensor xs = some({3, 2}, 2.0), gs = ft::vmap(ft::grad<0>(Net::run), {.in_dims = {ft::none, ft::none, 0}})(w, v, xs);
  auto total = [&](auto f) { return [f, xs](const Tensor& w) { return ft::sum(ft::vmap(f, {.in_dims = {ft::none, ft::none, 0}})(w, v, xs)); }; };
  Tensor gt = ft::grad(total(Net::run))(w);
  for (auto& c : cases()) {
    SCOPED_TRACE(c.name);
    auto f = ft::checkpoint(Net::run, {.policy = c.policy});
    expect_close(f(w, v, x), Net::run(w, v, x), 1e-14);
    auto [gw, gv, gx] = ft::grad<0, 1, 2>(f)(w, v, x);
    auto [kw, kv, kx] = ft::grad<0, 1, 2>(Net::run)(w, v, x);
    expect_close(gw, kw);
    expect_close(gv, kv);
    expect_close(gx, kx);
    expect_close(ft::jvp([&](const Tensor& x) { return f(w, v, x); }, x, kx).second, ft::sum(kx * kx));
    expect_close(ft::hessian<2>(f)(w, v, x), hx);
    expect_close(ft::jacrev<2>(ft::grad<2>(f))(w, v, x), hx);
    expect_close(ft::jacfwd<2>(ft::jacfwd<2>(f))(w, v, x), hx);
    expect_close(ft::hessian<0>(f)(w, v, x), hw);
    expect_close(ft::jit(ft::hessian<2>(f))(w, v, x), hx);
    expect_close(third(f), want3, 1e-8);
    expect_close(ft::vmap(ft::grad<0>(f), {.in_dims = {ft::none, ft::none, 0}})(w, v, xs), gs);
    expect_close(ft::grad(total(f))(w), gt);
    expect_close(ft::jit(ft::grad(total(f)))(w), gt);
  }
}
TEST(Checkpoint, ThePolicyHoldsAtEveryOrderAndUnderVmap) {
  for (auto& c : cases()) {
    SCOPED_TRACE(c.name);
    auto f = ft::checkpoint(Net::run, {.policy = c.policy});
    auto only_save = [&](const std::string& text) {
      std::string mine = "save=" + std::to_string(c.save) + " ";
      EXPECT_GE(times(text, mine), 1u) << text;
      EXPECT_EQ(times(text, "save="), times(text, mine)) << text;
    };
    only_save(text_of(ft::value_and_grad(ft::grad([&](const Tensor& s) { return f(w * s, v, x); })), num(1.0)));
    only_save(text_of(ft::hessian<2>(f), w, v, x));
    only_save(text_of(ft::vmap(ft::value_and_grad<0>(f), {.in_dims = {ft::none, ft::none, 0}}), w, v, some({5, 2})));
  }
}
TEST(Checkpoint, BatchDimensionsCountAfterVmapToo) {
  // x is mapped and w is not: the contraction has no batch dimension. Both mapped: it has one, and is computed again.
  auto f = ft::checkpoint([](const Tensor& w, const Tensor& x) { return ft::sum(ft::sin(ft::matmul(w, x))); },
                          {.policy = policies::dots_with_no_batch_dims_saveable});
  auto over = [&](ft::Axes a, ft::Axes b) { return ft::vmap(f, {.in_dims = {a, b}}); };
  EXPECT_EQ(kept(over(ft::none, 0), w, some({5, 2})), Strings{"dot_general f64[3, 5]"});
  EXPECT_EQ(kept(over(0, 0), some({5, 3, 2}), some({5, 2})), Strings{});
  auto direct = ft::checkpoint([](const Tensor& a, const Tensor& b) { return ft::sum(ft::sin(ft::matmul(a, b))); },
                               {.policy = policies::dots_with_no_batch_dims_saveable});
  EXPECT_EQ(kept(direct, some({5, 3, 2}), some({5, 2, 4})), Strings{});
  EXPECT_EQ(kept(direct, some({3, 2}), some({2, 4})), Strings{"dot_general f64[3, 4]"});
}
TEST(Checkpoint, SavedResidualsListShapeBytesOriginAndLine) {
  struct P {
    Tensor w, b;
  };
  int line = 0;
  Tensor outer = some({2}, 3.0);
  auto f = [&](const P& p, const Tensor& x) {
    line = __LINE__ + 1;
    Tensor h = ft::tanh(ft::matmul(p.w, x) + p.b);
    return ft::sum(h * ft::exp(h)) + ft::sum(x * outer);
  };
  auto list = ft::saved_residuals(f)(P{w.to(ft::f32), some({3}).to(ft::f32)}, x.to(ft::f32));
  std::string all, here = " at checkpoint_test.cpp:";
  for (auto& r : list) all += ft::to_string(r) + "\n";
  auto has = [&](const std::string& s) { EXPECT_NE(all.find(s + "\n"), all.npos) << s << "\nin\n" << all; };
  has("f32[3, 2], 24 bytes: argument 0.w");
  has("f32[3], 12 bytes: exp" + here + std::to_string(line + 1));
  has("f32[3], 12 bytes: tanh" + here + std::to_string(line));
  has("f64[2], 16 bytes: captured tensor");
  // inside a checkpoint, a compiled call or a loop the operation is named, not what holds it
  auto in_scan = [&](const Tensor& a) {
    return ft::scan([&](const Tensor& c, ft::NoneType) { return std::pair{ft::sin(c), ft::none}; }, a, {.length = 7}).first;
  };
  EXPECT_EQ(kept(in_scan, num(0.3)), Strings{"cos f64[7]"});
  EXPECT_EQ(kept(ft::jit([](const Tensor& a) { return ft::sin(ft::sin(a)); }), num(0.3)), (Strings{"cos f64[]", "cos f64[]"}));
  // a value is listed once, literals and integers that no derivative reads are not
  EXPECT_EQ(ft::saved_residuals([](const Tensor& a) { return a * a * 2.0; })(x).size(), 1u);
  EXPECT_TRUE(ft::saved_residuals([](const Tensor& a) { return a * 2.0 + 1.0; })(x).empty());
  EXPECT_TRUE(ft::saved_residuals([](const Tensor&) { return num(1.0); })(x).empty());
}

// ---------------------------------------------------------------- how often what is evaluated
namespace {
// An elementwise product with 1 that the host computes, and counts.
struct Seen {
  int n = 0;
  Tensor operator()(const Tensor& x) {
    auto host = [this](const Tensor& v) {
      ++n;
      return ft::ones_like(v);
    };
    return x * x * ft::pure_callback({.vmap = ft::CallbackVmap::broadcast_all}, host, x, ft::stop_gradient(x));
  }
};
}  // namespace
TEST(Checkpoint, NestedOnesComputeAgainLevelByLevel) {
  // x^8 by three squarings
  auto runs = [](auto make, double x, double want) {
    Seen s;
    auto f = make(s);
    EXPECT_NEAR(double(ft::grad(f)(num(x))), want, 1e-9);
    return s.n;
  };
  double at = 1.1, want = 8 * std::pow(at, 7);
  auto plain = [](Seen& s) { return [&s](const Tensor& x) { return s(s(s(x))); }; };
  auto outer = [](Seen& s) { return ft::checkpoint([&s](const Tensor& x) { return s(s(s(x))); }); };
  auto all = [](Seen& s) { return ft::checkpoint([&s](const Tensor& x) { return s(s(s(x))); }, {.policy = policies::everything_saveable}); };
  auto each = [](Seen& s) {
    return [&s](const Tensor& x) {
      auto c = ft::checkpoint([&s](const Tensor& v) { return s(v); });
      return c(c(c(x)));
    };
  };
  auto nested = [](Seen& s) {
    return ft::checkpoint([&s](const Tensor& x) {
      auto c = ft::checkpoint([&s](const Tensor& v) { return s(s(v)); });
      return s(c(x));
    });
  };
  EXPECT_EQ(runs(plain, at, want), 3);
  EXPECT_EQ(runs(all, at, want), 3);
  EXPECT_EQ(runs(outer, at, want), 6);
  EXPECT_EQ(runs(each, at, want), 6);
  EXPECT_EQ(runs(nested, at, want), 8);  // 3 forwards, 3 to come back to s, 2 for the inner one's own derivative
  // forward mode computes nothing twice
  Seen s;
  EXPECT_NEAR(double(ft::jvp(nested(s), num(at), num(1.0)).second), want, 1e-9);
  EXPECT_EQ(s.n, 3);
  // the inner policy is the inner one's, whatever is around it
  auto f = [](ft::CheckpointPolicy out, ft::CheckpointPolicy in) {
    return ft::checkpoint(
        [in](const Tensor& x) { return ft::exp(ft::checkpoint([](const Tensor& v) { return ft::sin(ft::sin(v)); }, {.policy = in})(x)); },
        {.policy = out});
  };
  EXPECT_EQ(kept(f(policies::everything_saveable, policies::nothing_saveable), num(0.3)), Strings{"exp f64[]"});
  EXPECT_EQ(kept(f(policies::nothing_saveable, policies::everything_saveable), num(0.3)), Strings{});
}
TEST(Checkpoint, UnderEveryTransformTheCountsStayAndVmapRunsOnce) {
  Seen s;
  auto f = ft::checkpoint([&](const Tensor& x) { return s(ft::sin(s(x))); });
  auto want = [](double x) { return 2 * std::sin(x * x) * std::cos(x * x) * 2 * x; };
  auto counted = [&](auto run) {
    s.n = 0;
    run();
    return s.n;
  };
  Tensor a = num(0.6), as = some({4});
  std::vector<double> d;
  for (double v : as.to_vector<double>()) d.push_back(want(v));
  EXPECT_EQ(counted([&] { EXPECT_NEAR(double(ft::grad(f)(a)), want(0.6), 1e-12); }), 4);
  EXPECT_EQ(counted([&] { EXPECT_NEAR(double(ft::jit(ft::value_and_grad(f))(a).second), want(0.6), 1e-12); }), 4);
  EXPECT_EQ(counted([&] { EXPECT_NEAR(double(ft::jit(ft::grad(f))(a)), want(0.6), 1e-12); }), 2);  // nobody asks for the value
  EXPECT_EQ(counted([&] { EXPECT_NEAR(double(ft::grad(ft::jit(f))(a)), want(0.6), 1e-12); }), 4);
  EXPECT_EQ(counted([&] { expect_close(ft::vmap(ft::grad(f))(as), ft::from_span(d, {4})); }), 4);
  EXPECT_EQ(counted([&] { expect_close(ft::grad([&](const Tensor& x) { return ft::sum(ft::vmap(f)(x)); })(as), ft::from_span(d, {4})); }), 4);
  auto [y, pull] = ft::vjp(f, a);
  EXPECT_EQ(counted([&, pull = pull] { EXPECT_NEAR(double(pull(num(2.0))), 2 * want(0.6), 1e-12); }), 2);
  EXPECT_EQ(counted([&, pull = pull] { EXPECT_NEAR(double(pull(num(3.0))), 3 * want(0.6), 1e-12); }), 2);
  // in a scan: each step forwards and again backwards, the carries alone being stacked
  auto loop = [&](const Tensor& x) {
    return ft::scan([&](const Tensor& c, ft::NoneType) { return std::pair{f(c), ft::none}; }, x, {.length = 5}).first;
  };
  auto unrolled = [](const Tensor& x) {
    Tensor c = x;
    for (int i = 0; i < 5; ++i) c = ft::square(ft::sin(ft::square(c)));
    return c;
  };
  EXPECT_EQ(counted([&] { expect_close(ft::grad(loop)(a), ft::grad(unrolled)(a)); }), 20);
  EXPECT_EQ(kept(loop, a).size(), 1u);
  expect_close(ft::hessian(loop)(a), ft::hessian(unrolled)(a));
  expect_close(ft::jit(ft::grad(ft::grad(loop)))(a), ft::hessian(unrolled)(a));
}

// ---------------------------------------------------------------- closures, rules, draws, operands of every kind
TEST(Checkpoint, ClosesOverDifferentiatedAndBatchedValues) {
  auto f = [](const Tensor& w, const Tensor& x) {
    Tensor u = w * w;
    return ft::checkpoint([&](const Tensor& v) { return ft::sin(v * u) * w; })(x);
  };
  auto g = [](const Tensor& w, const Tensor& x) { return ft::sin(x * w * w) * w; };
  Tensor w = num(0.8), x = num(0.6), ws = some({3}), xs = some({3}, 1.0);
  expect_close(ft::grad<0>(f)(w, x), ft::grad<0>(g)(w, x));
  expect_close(ft::grad<0>(ft::grad<0>(f))(w, x), ft::grad<0>(ft::grad<0>(g))(w, x));
  expect_close(ft::grad<0>(ft::grad<1>(f))(w, x), ft::grad<0>(ft::grad<1>(g))(w, x));
  expect_close(ft::vmap(ft::grad<0>(f))(ws, xs), ft::vmap(ft::grad<0>(g))(ws, xs));
  expect_close(ft::vmap(ft::grad<0>(f), {.in_dims = {0, ft::none}})(ws, x), ft::vmap(ft::grad<0>(g), {.in_dims = {0, ft::none}})(ws, x));
  expect_close(ft::jit(ft::grad<0>(f))(w, x), ft::grad<0>(g)(w, x));
  expect_close(ft::jvp([&](const Tensor& w) { return ft::grad<1>(f)(w, x); }, w, num(1.0)).second, ft::grad<0>(ft::grad<1>(g))(w, x));
  // only the captured value is differentiated
  expect_close(ft::grad([&](const Tensor& w) { return ft::checkpoint([&] { return ft::exp(ft::sin(w)); })(); })(w), ft::exp(ft::sin(w)) * ft::cos(w));
}
TEST(Checkpoint, CustomRulesInsideRunAtEveryOrder) {
  // a rule that says 3 cos where sin has cos, and 5 sin where that has -3 sin
  auto wrong_cos = ft::custom_jvp([](const Tensor& x) { return ft::cos(x); },
                                  [](auto p, auto t) {
                                    return std::pair{ft::cos(std::get<0>(p)), 5.0 * ft::sin(std::get<0>(p)) * std::get<0>(t)};
                                  });
  auto by_jvp = ft::custom_jvp([](const Tensor& x) { return ft::sin(x); },
                               [=](auto p, auto t) {
                                 return std::pair{ft::sin(std::get<0>(p)), 3.0 * wrong_cos(std::get<0>(p)) * std::get<0>(t)};
                               });
  auto by_vjp = ft::custom_vjp([](const Tensor& x) { return ft::sin(x); },
                               [](const Tensor& x) {
                                 return std::pair{ft::sin(x), x};
                               },
                               [=](const Tensor& x, const Tensor& ct) { return 3.0 * wrong_cos(x) * ct; });
  Tensor a = num(0.7);
  double first = 3 * std::cos(0.7), second = 15 * std::sin(0.7);
  for (auto& policy : {policies::nothing_saveable, policies::everything_saveable, policies::dots_saveable}) {
    auto check = [&](auto rule) {
      auto f = ft::checkpoint([=](const Tensor& x) { return rule(x * 1.0); }, {.policy = policy});
      EXPECT_NEAR(double(ft::grad(f)(a)), first, 1e-12);
      EXPECT_NEAR(double(ft::grad(ft::grad(f))(a)), second, 1e-12);
      EXPECT_NEAR(double(ft::jit(ft::grad(ft::grad(f)))(a)), second, 1e-12);
      EXPECT_NEAR(double(ft::vmap(ft::grad(ft::grad(f)))(a.expand({2}))[1]), second, 1e-12);
    };
    check(by_jvp);
    check(by_vjp);
  }
}
TEST(Checkpoint, DrawsAreTheSameWhenMadeAgain) {
  // f = sum(sin(x m)^2), m random and bound to be drawn twice: the gradient is that of the m that the value saw
  auto by_key = [](const Tensor& key, const Tensor& x) { return ft::square(ft::sin(x * ft::random::uniform(key, x.sizes(), ft::f64))); };
  Tensor k = ft::random::key(3), x = some({5}, 1.0);
  auto of_key = [&](const Tensor& x) { return ft::checkpoint(by_key)(k, x); };
  Tensor m = ft::random::uniform(k, {5}, ft::f64);
  expect_close(ft::vjp(of_key, x).second(ft::ones({5}, ft::f64)), 2.0 * ft::sin(x * m) * ft::cos(x * m) * m);
  expect_close(ft::jit([&](const Tensor& x) { return ft::vjp(of_key, x).second(ft::ones({5}, ft::f64)); })(x),
               2.0 * ft::sin(x * m) * ft::cos(x * m) * m);
  auto stateful = ft::checkpoint([](const Tensor& x) { return x * ft::rand({5}, ft::f64); });
  expect_throw<ft::TracerError>([&] { stateful(x); }, "pass a key and use ft::random");
}
TEST(Checkpoint, OperandsAndResultsOfEveryKind) {
  struct In {
    std::map<std::string, Tensor> named;
    std::optional<Tensor> absent;
    std::vector<Tensor> list;
    int fixed = 3;
  };
  auto f = [](const In& in, const Tensor&, const Tensor& k) {
    const Tensor& a = in.named.at("a");
    return std::tuple{ft::sin(a) * k.to(ft::f64) * static_cast<double>(in.fixed), a, k, num(2.0), std::vector<Tensor>(), ft::zeros({0, 2}, ft::f64)};
  };
  auto loss = [&](auto g) {
    return [g](const In& in, const Tensor& unused, const Tensor& n) {
      auto [y, same, k, c, none, empty] = g(in, unused, n);
      EXPECT_TRUE(none.empty());
      EXPECT_EQ(empty.sizes(), (ft::Shape{0, 2}));
      EXPECT_EQ(k.dtype(), ft::i64);
      return y * same * c;
    };
  };
  In in{{{"a", num(0.4)}}, {}, {}};
  auto [g, gu] = ft::grad<0, 1>(loss(ft::checkpoint(f)))(in, some({2}), ft::tensor(4));
  EXPECT_NEAR(double(g.named.at("a")), 24 * (std::sin(0.4) + 0.4 * std::cos(0.4)), 1e-12);
  expect_close(gu, ft::zeros({2}, ft::f64));
  EXPECT_EQ(ft::checkpoint([](const Tensor& x) { return x; })(w).sizes(), w.sizes());
  EXPECT_EQ(double(ft::grad(ft::checkpoint([](const Tensor&) { return num(2.0); }))(num(1.0))), 0);
  EXPECT_EQ(double(ft::grad(ft::checkpoint([](const Tensor& x) { return x; }))(num(1.0))), 1);
  EXPECT_TRUE(ft::checkpoint([] { return std::vector<Tensor>(); })().empty());
}

// ---------------------------------------------------------------- memory
namespace {
double peak_over(std::size_t unit, const std::function<Tensor()>& run) {
  Tensor warm = run();
  ft::reset_peak_memory();
  std::size_t before = ft::memory_stats().in_use;
  Tensor g = run();
  return static_cast<double>(ft::memory_stats().peak - before) / static_cast<double>(unit);
}
}  // namespace
TEST(Checkpoint, MemoryIsThatOfWhatIsKept) {
  // 16 blocks of 8 sines on wide tensors
  const std::int64_t wide = 1 << 15;
  const std::size_t unit = static_cast<std::size_t>(wide) * 8;
  Tensor x = some({wide});
  auto block = [](const Tensor& x) {
    Tensor y = x;
    for (int i = 0; i < 8; ++i) y = ft::sin(y);
    return y;
  };
  auto chain = [](auto f) {
    return [f](const Tensor& x) {
      Tensor y = x;
      for (int i = 0; i < 16; ++i) y = f(y);
      return ft::sum(y);
    };
  };
  double plain = peak_over(unit, [&] { return ft::grad(chain(block))(x); });
  double blocks = peak_over(unit, [&] { return ft::grad(chain(ft::checkpoint(block)))(x); });
  EXPECT_GT(plain, 16 * 8);
  EXPECT_LT(blocks, 16 + 8 + 8);
  expect_close(ft::grad(chain(ft::checkpoint(block)))(x), ft::grad(chain(block))(x));
}
TEST(Checkpoint, ScanThatKeepsACarryEveryFewSteps) {
  const std::int64_t wide = 1 << 15, n = 100;
  const std::size_t unit = static_cast<std::size_t>(wide) * 8;
  Tensor x = some({wide});
  auto loop = [n](ft::OptInt every) {
    return [every, n](const Tensor& x) {
      return ft::sum(ft::scan(
                         [](const Tensor& c, ft::NoneType) {
                           return std::pair{ft::sin(c), ft::none};
                         },
                         x, {.length = n, .checkpoint_every = every})
                         .first);
    };
  };
  double whole = peak_over(unit, [&] { return ft::grad(loop({}))(x); });
  EXPECT_GT(whole, static_cast<double>(n));
  for (std::int64_t k : {5, 10, 20}) EXPECT_LT(peak_over(unit, [&] { return ft::grad(loop(k))(x); }), static_cast<double>(n / k + 2 * k + 8)) << k;
  expect_close(ft::grad(loop(7))(x), ft::grad(loop({}))(x));
}
