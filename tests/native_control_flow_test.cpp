// Compiled loops, branches and rules of the user's own, nested, with kernels and effects inside, and their derivatives to second order.
#include <gtest/gtest.h>

#include "support/compiled.h"
#include "support/constructs.h"

namespace functra::testing {
namespace {

Tensor number(double v) { return tensor(v, f64); }
Tensor row(std::int64_t n, int seed = 0) { return numbers({n}, f64, seed); }

struct Case {
  std::string name;
  Vec in;
  Leaves f;
  bool reverse = true;
};
std::vector<Case> loops() {
  auto step = [](const Tensor& c, const Tensor& x) {
    Tensor y = sin(c) + x * 0.5;
    return std::pair{y, y * x};
  };
  auto both = [](const auto& r) { return Vec{r.first, r.second}; };
  std::vector<Case> r{
      {"scan", {number(0.3), row(9)}, [=](const Vec& v) { return both(scan(step, v[0], v[1])); }},
      {"reverse scan", {number(0.3), row(9)}, [=](const Vec& v) { return both(scan(step, v[0], v[1], {.reverse = true})); }},
      {"scan of vectors", {row(5), numbers({9, 5})}, [=](const Vec& v) { return both(scan(step, v[0], v[1])); }},
      {"scan of long vectors", {row(70), numbers({5, 70})}, [=](const Vec& v) { return both(scan(step, v[0], v[1], {.reverse = true})); }},
      {"scan of no steps", {row(5), numbers({0, 5})}, [=](const Vec& v) { return both(scan(step, v[0], v[1])); }},
      {"scan of one step", {row(5), numbers({1, 5})}, [=](const Vec& v) { return both(scan(step, v[0], v[1])); }},
      {"scan without xs",
       {number(0.3)},
       [=](const Vec& v) {
         return both(scan([](const Tensor& c, NoneType) { return std::pair{cos(c), c * c}; }, v[0], {.length = 6}));
       }},
      {"scan without ys",
       {number(0.3), row(7)},
       [=](const Vec& v) {
         return Vec{scan([](const Tensor& c, const Tensor& x) { return std::pair{c * x + 1.0, none}; }, v[0], v[1]).first};
       }},
      {"unrolled scan", {number(0.3), row(7)}, [=](const Vec& v) { return both(scan(step, v[0], v[1], {.unroll = 3})); }},
      {"carry passed through",
       {number(0.3), row(4, 1), row(7)},
       [=](const Vec& v) {
         auto [c, y] = scan(
             [](const std::pair<Tensor, Tensor>& c, const Tensor& x) {
               return std::pair{std::pair{c.first * x, c.second}, sum(c.second) * x};
             },
             std::pair{v[0], v[1]}, v[2]);
         return Vec{c.first, c.second, y};
       }},
      {"carries exchanged",
       {row(4), row(4, 1), row(7)},
       [=](const Vec& v) {
         auto [c, y] = scan(
             [](const std::pair<Tensor, Tensor>& c, const Tensor& x) {
               return std::pair{std::pair{c.second, c.first}, c.first * x};
             },
             std::pair{v[0], v[1]}, v[2]);
         return Vec{c.first, c.second, y};
       }},
      {"carry returned twice",
       {row(4), row(4, 1), row(7)},
       [=](const Vec& v) {
         auto [c, y] = scan(
             [](const std::pair<Tensor, Tensor>& c, const Tensor& x) {
               Tensor n = c.first * x + c.second;
               return std::pair{std::pair{n, n}, n};
             },
             std::pair{v[0], v[1]}, v[2]);
         return Vec{c.first, c.second, y};
       }},
      {"y is the carry before",
       {row(4), numbers({7, 4})},
       [=](const Vec& v) {
         return both(scan([](const Tensor& c, const Tensor& x) { return std::pair{c + x, c}; }, v[0], v[1]));
       }},
      {"y is x",
       {row(4), numbers({7, 4})},
       [=](const Vec& v) {
         return both(scan([](const Tensor& c, const Tensor& x) { return std::pair{c * x, x}; }, v[0], v[1]));
       }},
      {"y is a constant",
       {row(4), numbers({7, 4})},
       [=](const Vec& v) {
         auto [c, y] = scan([](const Tensor& c, const Tensor& x) { return std::pair{c * x, std::pair{number(2.5), ones({3}, f64)}}; }, v[0], v[1]);
         return Vec{c, y.first, y.second};
       }},
      {"fixed values in the body",
       {number(0.3), row(7), row(5)},
       [=](const Vec& v) {
         return both(scan([&](const Tensor& c, const Tensor& x) { return std::pair{c * x + sum(v[2]), v[2] * c}; }, v[0], v[1]));
       }},
      {"nested scans",
       {number(0.3), numbers({4, 6})},
       [=](const Vec& v) {
         return both(scan(
             [&](const Tensor& c, const Tensor& xs) {
               auto [d, ys] = scan(step, c, xs);
               return std::pair{d, ys * c};
             },
             v[0], v[1]));
       }},
      {"kernel in a scan",
       {numbers({20}), numbers({64, 64}), numbers({5, 64})},
       [=](const Vec& v) {
         return both(scan(
             [&](const Tensor& c, const Tensor& x) {
               Tensor y = tanh(matmul(v[1], x) * 0.2);
               return std::pair{c * 0.5 + lax::slice(y, {0}, {20}), y};
             },
             v[0], v[2]));
       }},
      {"matrix carried through products",
       {numbers({64, 64}) * 0.1, numbers({64, 64}, f64, 1) * 0.1},
       [=](const Vec& v) {
         return both(scan([&](const Tensor& c, NoneType) { return std::pair{matmul(c, v[1]) + v[0], sum(c, 0)}; }, v[0], {.length = 4}));
       }},
      {"sort in a scan",
       {row(12), numbers({4, 12})},
       [=](const Vec& v) {
         return both(scan([](const Tensor& c, const Tensor& x) { return std::pair{sort(c * x).first, cumsum(x, 0)}; }, v[0], v[1]));
       }},
      {"view in a scan",
       {numbers({4, 6}), row(5)},
       [=](const Vec& v) {
         return both(scan([](const Tensor& c, const Tensor& x) { return std::pair{c.t().reshape({4, 6}) * x, c.reshape({24})}; }, v[0], v[1]));
       }},
      {"map", {numbers({6, 5})}, [=](const Vec& v) { return Vec{functra::map([](const Tensor& x) { return softmax(x, 0) * x; }, v[0])}; }},
      {"map of kernels",
       {numbers({3, 5, 5})},
       [=](const Vec& v) { return Vec{functra::map([](const Tensor& x) { return linalg::solve(x + 4.0 * eye(5, f64), x[0]); }, v[0])}; }},
      {"associative scan",
       {row(13)},
       [=](const Vec& v) { return Vec{associative_scan([](const Tensor& a, const Tensor& b) { return a * b + a + b; }, v[0])}; }},
      {"fori",
       {number(0.4)},
       [=](const Vec& v) {
         return Vec{fori_loop(
             0, 7, [](const Tensor& i, const Tensor& c) { return sin(c) + 0.1 * i.to(f64); }, v[0])};
       }},
      {"fori of no steps",
       {row(3)},
       [=](const Vec& v) {
         return Vec{fori_loop(
             3, 3, [](const Tensor&, const Tensor& c) { return sin(c); }, v[0])};
       }},
      {"fori of arrays",
       {row(40)},
       [=](const Vec& v) {
         return Vec{fori_loop(
             2, 6, [](const Tensor& i, const Tensor& c) { return roll(c, {1}) * 0.9 + i.to(f64); }, v[0])};
       }},
      {"while with a bound",
       {number(0.2)},
       [=](const Vec& v) {
         return Vec{while_loop([](const Tensor& c) { return c < 3.0; }, [](const Tensor& c) { return c * 1.5 + 0.2; }, v[0], {.max_steps = 20})};
       }},
      {"while",
       {number(0.2), row(5)},
       [=](const Vec& v) {
         auto c = while_loop([](const std::pair<Tensor, Tensor>& c) { return c.first < 3.0; },
                             [](const std::pair<Tensor, Tensor>& c) {
                               return std::pair{c.first * 1.5 + 0.2, c.second * c.first};
                             },
                             std::pair{v[0], v[1]});
         return Vec{c.first, c.second};
       },
       false},
      {"while of no steps",
       {row(4)},
       [=](const Vec& v) { return Vec{while_loop([](const Tensor& c) { return sum(c) > 100.0; }, [](const Tensor& c) { return c * 2.0; }, v[0])}; },
       false},
      {"while with a carry passed through",
       {number(0.2), row(5)},
       [=](const Vec& v) {
         auto c = while_loop([](const auto& c) { return c.first < sum(c.second * c.second); },
                             [](const std::pair<Tensor, Tensor>& c) {
                               return std::pair{c.first + 0.3, c.second};
                             },
                             std::pair{v[0], v[1]});
         return Vec{c.first, c.second};
       },
       false},
      {"while in while",
       {number(0.2)},
       [=](const Vec& v) {
         return Vec{while_loop([](const Tensor& c) { return c < 30.0; },
                               [](const Tensor& c) {
                                 return while_loop([](const Tensor& d) { return d < 10.0; }, [](const Tensor& d) { return abs(d) * 2.0 + 0.1; }, c) +
                                        7.0;
                               },
                               v[0])};
       },
       false},
      {"checkpointed scan", {number(0.3), row(12)}, [=](const Vec& v) { return both(scan(step, v[0], v[1], {.checkpoint_every = 4})); }},
  };
  for (double at : {0.3, -0.3}) {
    r.push_back({"cond at " + std::to_string(at), {number(at), row(20)}, [=](const Vec& v) {
                   return Vec{cond(
                       v[0] > 0.0, [](const Tensor& x) { return sin(x) * x; }, [](const Tensor& x) { return sum(x) * x; }, v[1])};
                 }});
    r.push_back({"cond that gives operands back at " + std::to_string(at), {number(at), row(20), row(20, 1)}, [=](const Vec& v) {
                   auto [a, b] = cond(
                       v[0] > 0.0,
                       [](const Tensor& x, const Tensor& y) {
                         return std::pair{x, y};
                       },
                       [](const Tensor&, const Tensor& y) {
                         return std::pair{y, y};
                       },
                       v[1], v[2]);
                   return Vec{a, b};
                 }});
    r.push_back({"cond in a scan at " + std::to_string(at), {number(at), row(9)}, [=](const Vec& v) {
                   return both(scan(
                       [](const Tensor& c, const Tensor& x) {
                         Tensor y = cond(
                             x > 0.0, [](const Tensor& a, const Tensor& b) { return a * b; },
                             [](const Tensor& a, const Tensor& b) { return a - sin(b); }, c, x);
                         return std::pair{y, y * 2.0};
                       },
                       v[0], v[1]));
                 }});
  }
  for (int at : {-1, 0, 1, 2, 5})
    r.push_back({"switch at " + std::to_string(at), {row(20)}, [=](const Vec& v) {
                   return Vec{switch_(tensor(at) + (v[0][0] * 0.0).to(i64),
                                      std::tuple{[](const Tensor& x) { return x * 2.0; }, [](const Tensor& x) { return exp(x); },
                                                 [](const Tensor& x) { return matmul(x, x) * x; }},
                                      v[0])};
                 }});
  return r;
}
std::vector<Case> rules() {
  auto rule = custom_jvp([](const Tensor& x) { return sin(x) * 2.0; },
                         [](const std::tuple<Tensor>& p, const std::tuple<Tensor>& t) {
                           const Tensor& x = std::get<0>(p);
                           return std::pair{sin(x) * 2.0, 3.0 * cos(x) * std::get<0>(t)};
                         });
  auto pull = custom_vjp([](const Tensor& x) { return tanh(x); },
                         [](const Tensor& x) {
                           return std::pair{tanh(x), x};
                         },
                         [](const Tensor& x, const Tensor& ct) { return ct * cosh(x) * 0.1; });
  auto inner = jit([](const Tensor& x) { return sin(x) * sum(x); });
  return {
      {"custom_jvp", {row(9)}, [=](const Vec& v) { return Vec{rule(v[0] * 2.0) + 1.0}; }},
      {"custom_vjp", {row(9)}, [=](const Vec& v) { return Vec{pull(v[0] * 2.0) + 1.0}; }},
      {"jit in jit", {row(9)}, [=](const Vec& v) { return Vec{inner(v[0]) + inner(inner(v[0] * 0.5))}; }},
      {"jit in a scan",
       {row(9), numbers({4, 9})},
       [=](const Vec& v) {
         auto [c, y] = scan([&](const Tensor& c, const Tensor& x) { return std::pair{inner(c * x), x}; }, v[0], v[1]);
         return Vec{c, y};
       }},
      {"checkpoint", {row(9)}, [=](const Vec& v) { return Vec{checkpoint([](const Tensor& x) { return sin(exp(x)) * x; })(v[0] * 2.0)}; }},
      {"stop_gradient", {row(9)}, [=](const Vec& v) { return Vec{v[0] * stop_gradient(sin(v[0]))}; }},
      {"gradient of a compiled function", {row(9)}, [=](const Vec& v) { return Vec{grad([&](const Tensor& x) { return sum(inner(x)); })(v[0])}; }},
      {"batch of a compiled function", {numbers({4, 9})}, [=](const Vec& v) { return Vec{vmap(inner)(v[0])}; }},
  };
}
void expect_case(const Case& c) { expect_compiled(c.name, c.f, c.in, Match::rounded, 16); }
void expect_derivatives(const Case& c) {
  auto pushed = [&](const Vec& v) {
    Vec t;
    for (const Tensor& x : v) t.push_back(cos(x) + 0.1);
    auto [y, ty] = jvp([&](const Vec& u) { return c.f(u); }, v, t);
    y.insert(y.end(), ty.begin(), ty.end());
    return y;
  };
  expect_compiled("jvp of " + c.name, pushed, c.in, Match::rounded, 64);
  Vec lanes;
  for (const Tensor& t : c.in) lanes.push_back(stack({t, t * -0.9, t + 0.05}));
  expect_compiled(
      "vmap of " + c.name, [&](const Vec& v) { return vmap([&](const Vec& u) { return c.f(u); })(v); }, lanes, Match::rounded, 16);
  if (!c.reverse) return;
  auto loss = [&](const Vec& v) {
    Tensor s = 0.0;
    for (const Tensor& y : c.f(v)) s = s + sum(y * y * 0.5 + y);
    return s;
  };
  auto gradients = [&](const Vec& v) { return grad([&](const Vec& u) { return loss(u); })(v); };
  expect_compiled("gradient of " + c.name, gradients, c.in, Match::rounded, 64);
  expect_compiled(
      "vmap of gradients of " + c.name, [&](const Vec& v) { return vmap(gradients)(v); }, lanes, Match::rounded, 64);
  auto second = [&](const Vec& v) {
    Vec t;
    for (const Tensor& x : v) t.push_back(cos(x) + 0.1);
    return jvp([&](const Vec& u) { return gradients(u); }, v, t).second;
  };
  expect_compiled("second derivatives of " + c.name, second, c.in, Match::rounded, 256);
}

}  // namespace

TEST(NativeControlFlow, loops_and_branches) {
  for (const Case& c : loops()) expect_case(c);
}
TEST(NativeControlFlow, derivatives_of_loops_and_branches) {
  Sampled sampled(6);
  for (const Case& c : loops()) expect_derivatives(c);
}
TEST(NativeControlFlow, rules_and_calls) {
  Sampled sampled(5);
  for (const Case& c : rules()) {
    expect_case(c);
    expect_derivatives(c);
  }
}
TEST(NativeControlFlow, constructs_nested) {
  Sampled sampled(3);
  const Vec in{number(0.3), number(0.7)}, lanes{stack({in[0], in[1]}), stack({in[1], in[0]})};
  for (std::size_t i = 0; i < constructs().size(); ++i) {
    const Function f = apply(constructs()[i], apply(constructs()[(7 * i + 3) % constructs().size()], leaf()));
    Leaves g = [&](const Vec& v) { return Vec{f.f(v[0], v[1])}; };
    expect_compiled(f.name, g, in, Match::rounded, 64);
    expect_compiled(
        "vmap of " + f.name, [&](const Vec& v) { return vmap([&](const Vec& u) { return g(u); })(v); }, lanes, Match::rounded, 64);
    if (f.reverse)
      expect_compiled(
          "gradient of " + f.name, [&](const Vec& v) { return grad([&](const Vec& u) { return g(u)[0]; })(v); }, in, Match::rounded, 64);
  }
}
TEST(NativeControlFlow, effects_keep_their_order_in_compiled_loops) {
  auto run = [](bool compiled) {
    std::vector<std::string> lines;
    debug::set_sink([&](const std::string& s) { lines.push_back(s); });
    auto f = [](const Tensor& x, const Tensor& xs) {
      debug::print("first {}", x);
      auto [c, ys] = scan(
          [](const Tensor& c, const Tensor& v) {
            debug::print("step {} {}", c, v);
            Tensor d = cond(
                v > 0.0,
                [](const Tensor& a) {
                  debug::print("positive {}", a);
                  return a * 2.0;
                },
                [](const Tensor& a) { return a + 1.0; }, c);
            return std::pair{d, d * v};
          },
          x, xs);
      debug::print("sum {}", sum(ys));
      Tensor w = while_loop([](const Tensor& u) { return u < 8.0; },
                            [](const Tensor& u) {
                              debug::print("while {}", u);
                              return u + 3.0;
                            },
                            x);
      debug::print("last {} {}", w, c);
      return w + c;
    };
    const Tensor x = number(0.5), xs = tensor({1.0, -2.0, 3.0, 0.25}, f64);
    Tensor y = compiled ? jit(f)(x, xs) : f(x, xs);
    debug::set_sink(nullptr);
    lines.push_back(std::to_string(y.item<double>()));
    return lines;
  };
  EXPECT_EQ(run(true), run(false));
  EXPECT_EQ(run(true).size(), 1 + 4 + 3 + 1 + 3 + 1 + 1U);
}
TEST(NativeControlFlow, callbacks_may_keep_what_they_get) {
  std::vector<Tensor> kept, expected;
  auto f = [](std::vector<Tensor>* to) {
    return [to](const Tensor& x, const Tensor& xs) {
      return scan(
          [to](const Tensor& c, const Tensor& v) {
            Tensor d = c * 1.5 + v;
            debug::callback([to](const Tensor& t, const Tensor& u) { to->push_back(t), to->push_back(u); }, d, v);
            return std::pair{d, sum(d)};
          },
          x, xs);
    };
  };
  const Tensor x = numbers({40}), xs = numbers({5, 40});
  auto fast = jit(f(&kept));
  auto [c, y] = fast(x, xs);
  f (&expected)(x, xs);
  (void)fast(x * 2.0, xs * 3.0);
  ASSERT_EQ(kept.size(), 20U);
  kept.resize(10);
  EXPECT_EQ(results_differ(kept, expected, Match::rounded), "");
}
TEST(NativeControlFlow, errors_leave_compiled_functions_usable) {
  bool fail = true;
  auto check = [&](const Tensor&) {
    if (fail) throw std::runtime_error("the user's own");
  };
  auto f = jit([&](const Tensor& x) {
    auto [c, y] = scan(
        [&](const Tensor& c, const Tensor& v) {
          Tensor d = c + v;
          debug::callback(check, d);
          return std::pair{d, d * 2.0};
        },
        x[0], x);
    return c + sum(y);
  });
  const Tensor x = tensor({1.0, 2.0, 4.0}, f64);
  EXPECT_THROW((void)f(x), std::exception);
  fail = false;
  EXPECT_EQ(f(x).item<double>(), 8 + 2 * (2 + 4 + 8));
}

}  // namespace functra::testing
