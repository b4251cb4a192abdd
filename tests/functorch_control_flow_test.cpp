// Behaviours that functorch's suite for control flow checks: choices, maps, loops and scans in one another, over trees, with closures,
// traced, batched and differentiated, against plain C++. docs/notes/functorch_suites.md lists them beside their originals.
#include <gtest/gtest.h>

#include <map>

#include "functra/functra.h"
#include "functra/nn.h"
#include "support/close.h"

namespace ft = functra;
namespace nn = functra::nn;
using ft::f64;
using ft::none;
using ft::NoneType;
using ft::Tensor;

namespace {
Tensor some(const ft::Shape& s, double from = 0.3) { return (ft::sin(ft::arange(0, s.numel(), 1, f64) * 1.3 + from) * 1.5).reshape(s); }
Tensor of(double v) { return ft::tensor(v, f64); }
Tensor truth(bool b) { return ft::tensor(b ? 1 : 0).to(ft::bool_); }
using Named = std::map<std::string, Tensor>;
template <class T> void expect_same(const T& a, const T& b, double tol = 1e-10) {
  auto x = ft::tree_leaves(a), y = ft::tree_leaves(b);
  ASSERT_EQ(x.size(), y.size());
  for (std::size_t i = 0; i < x.size(); ++i) expect_close(x[i], y[i], tol);
}
// f, written with control flow, and g, written without, agree: results, pullbacks, pushforwards, under jit and as a Program on new data.
template <class F, class G, class... T> void expect_alike(const F& f, const G& g, const T&... x) {
  expect_same(f(x...), g(x...));
  expect_same(ft::jit(f)(x...), g(x...));
  auto [y, pull] = ft::vjp(f, x...);
  auto [z, want] = ft::vjp(g, x...);
  auto ct = ft::tree_map([](const Tensor& t) { return ft::cos(t); }, z);
  expect_same(pull(ct), want(ct));
  expect_same(ft::jvp(f, std::tuple<T...>(x...), std::tuple<T...>(x...)).second, ft::jvp(g, std::tuple<T...>(x...), std::tuple<T...>(x...)).second);
  auto p = ft::make_fx(f)(x...);
  std::vector<Tensor> in;
  for (const Tensor& t : ft::tree_leaves(std::tuple<T...>(x...))) in.push_back(t * 0.5);
  auto out = p(in), fresh = ft::tree_leaves(g(ft::tree_map([](const Tensor&t) { return t * 0.5; }, x)...));
  ASSERT_EQ(out.size(), fresh.size());
  for (std::size_t i = 0; i < out.size(); ++i) expect_close(out[i], fresh[i]);
}
// f(p, x...) is one branch where p holds and the other where not.
template <class F, class A, class B, class... T> void expect_choice(const F& f, const A& a, const B& b, const T&... x) {
  expect_alike([&](const T&... v) { return f(truth(true), v...); }, a, x...);
  expect_alike([&](const T&... v) { return f(truth(false), v...); }, b, x...);
}
auto add = [](const Tensor& a, const Tensor& b) { return a + b; };
}  // namespace

// ---------------------------------------------------------------- choices
TEST(FunctorchCond, of_sine_and_cosine_and_of_longer_branches) {
  auto choose = [](auto a, auto b) { return [=](const Tensor& p, const Tensor& x) { return ft::cond(p, a, b, x); }; };
  expect_choice(choose(ft::sin, ft::cos), ft::sin, ft::cos, some({4}));
  auto a = [](const Tensor& x) { return ft::abs(ft::sin(x * x)); };
  auto b = [](const Tensor& x) { return ft::cos(x + 42.0); };
  expect_choice(choose(a, b), a, b, some({4}));
  auto inner = [](const Tensor& x) {
    auto square = [](const Tensor& v) { return v * v; };
    return ft::abs(ft::sin(square(x)));
  };
  auto constant = [](const Tensor& x) { return ft::cos(x * (ft::ones({4}, f64) * 42.0)); };
  expect_choice(choose(inner, constant), inner, constant, some({4}));
}
TEST(FunctorchCond, a_plain_truth_value_chooses_too) {
  EXPECT_TRUE(ft::equal(ft::cond(false, ft::sin, ft::cos, some({4})), ft::cos(some({4}))));
  auto by_shape = [](const Tensor& x) {
    return ft::cond(
        x.size(0) == 4, [](const Tensor& v) { return v + v; }, [](const Tensor& v) { return v * v; }, x);
  };
  auto p = ft::make_fx(by_shape)(some({4, 2}));  // known when it is traced: of this shape
  expect_close(p({some({4, 2}, 1)})[0], some({4, 2}, 1) * 2.0, 0);
  expect_close(by_shape(some({3, 2})), ft::square(some({3, 2})), 0);
}
TEST(FunctorchCond, nested_three_deep_for_every_combination) {
  auto f = [](const Tensor& p, const Tensor& q, const Tensor& r, const Tensor& x, const Tensor& y) {
    auto third = [&](auto a, auto b) { return [=](const Tensor& u, const Tensor& v) { return ft::cond(r, a, b, u, v); }; };
    auto left = [&](const Tensor& u, const Tensor& v) {
      return ft::cond(
          q, [](const Tensor& a, const Tensor& b) { return (a - b * b) * 3.14; },
          third([](const Tensor& a, const Tensor& b) { return a * b / 2.71; }, [](const Tensor& a, const Tensor& b) { return (a + b) * 1.23; }), u,
          v);
    };
    auto right = [&](const Tensor& u, const Tensor& v) {
      return ft::cond(
          q, third([](const Tensor& a, const Tensor& b) { return a - b + 1.23; }, [](const Tensor& a, const Tensor& b) { return a * b - 3.14; }),
          [](const Tensor& a, const Tensor& b) { return (a - b) / 2.71; }, u, v);
    };
    return ft::cond(p, left, right, x, y);
  };
  auto plain = [](bool p, bool q, bool r, const Tensor& a, const Tensor& b) {
    if (p) return q ? (a - b * b) * 3.14 : r ? a * b / 2.71 : (a + b) * 1.23;
    return q ? (r ? a - b + 1.23 : a * b - 3.14) : (a - b) / 2.71;
  };
  for (int k = 0; k < 8; ++k) {
    bool p = k & 1, q = k & 2, r = k & 4;
    expect_alike([&](const Tensor& x, const Tensor& y) { return f(truth(p), truth(q), truth(r), x, y); },
                 [&](const Tensor& x, const Tensor& y) { return plain(p, q, r, x, y); }, some({4}), some({4}, 1));
  }
}
TEST(FunctorchCond, operands_that_a_branch_does_not_use_have_derivative_zero) {
  using In = std::pair<Tensor, std::vector<Tensor>>;
  auto a = [](const In& t) { return t.first + t.second[0]; };
  auto b = [](const In& t) { return t.first * (t.second[1] / t.second[0]); };
  auto f = [&](const Tensor& p, const In& t) { return ft::cond(p, a, b, t); };
  In x{some({4}), {some({4}, 1) + 3.0, some({4}, 2)}};
  expect_choice(f, a, b, x);
  auto g = ft::grad([&](const In& t) { return ft::sum(f(truth(true), t)); })(x);
  expect_close(g.second[1], ft::zeros({4}, f64), 0);
}
TEST(FunctorchCond, results_are_trees_of_one_structure_or_an_error) {
  using Out = std::map<std::string, std::vector<Tensor>>;
  auto a = [](const Tensor& x) { return Out{{"res", {x, x * 2.0}}}; };
  auto b = [](const Tensor& x) { return Out{{"res", {ft::sin(x), x * 3.0}}}; };
  expect_choice([&](const Tensor& p, const Tensor& x) { return ft::cond(p, a, b, x); }, a, b, some({4}));
  auto other = [](const Tensor& x) { return Out{{"res", {x}}}; };
  expect_throw<ft::StructureError>([&] { ft::cond(truth(true), a, other, some({4})); }, "cond");
}
TEST(FunctorchCond, gradients_by_captured_parameters_of_modules) {
  nn::Linear on(ft::random::key(0), 4, 4, {.dtype = f64}), off(ft::random::key(1), 4, 4, {.dtype = f64});
  Tensor x = some({4});
  for (bool p : {true, false}) {
    auto f = [&](const nn::Linear& m) {
      return ft::sum(ft::cond(
          truth(p), [&](const Tensor& v) { return m(ft::sin(v * v)); }, [&](const Tensor& v) { return v * ft::tanh(m(off(v))); }, x));
    };
    auto g = [&](const nn::Linear& m) { return ft::sum(p ? m(ft::sin(x * x)) : x * ft::tanh(m(off(x)))); };
    expect_same(ft::grad(f)(on), ft::grad(g)(on));
  }
}
TEST(FunctorchCond, in_a_loop_of_the_host_and_given_functions_of_the_library) {
  auto f = [](Tensor x) {
    for (int i = 0; i < 3; ++i)
      x = ft::cond(
          i < 2, [](const Tensor& v) { return v * v + 1.0; }, [](const Tensor& v) { return v; }, x);
    return x;
  };
  auto g = [](Tensor x) {
    for (int i = 0; i < 2; ++i) x = x * x + 1.0;
    return x;
  };
  expect_alike(f, g, some({4}));
  auto by_sum = [](const Tensor& a, const Tensor& b) { return ft::cond(ft::sum(a) > 0, ft::add, ft::mul, a, b); };
  expect_close(by_sum(ft::ones({3, 4}, f64), some({3, 4})), some({3, 4}) + 1.0, 0);
  expect_close(by_sum(-ft::ones({3, 4}, f64), some({3, 4})), -some({3, 4}), 0);
}
TEST(FunctorchCond, one_program_takes_either_branch_also_nested) {
  auto f = [](const Tensor& x, const Tensor& p, const Tensor& q) {
    return ft::cond(
        p,
        [&](const Tensor& v) {
          return ft::cond(
              q, [](const Tensor& u) { return u * u + u; }, [](const Tensor& u) { return u + u + u; }, v);
        },
        ft::cos, x);
  };
  Tensor x = some({4});
  auto p = ft::make_fx(f)(x, truth(false), truth(false));
  expect_close(p({x, truth(true), truth(true)})[0], x * x + x), expect_close(p({x, truth(true), truth(false)})[0], x * 3.0);
  for (bool q : {true, false}) expect_close(p({x, truth(false), truth(q)})[0], ft::cos(x));
}
TEST(FunctorchCond, branches_close_over_tensors_and_numbers) {
  Tensor a = ft::ones({2, 3}, f64), b = some({2, 3}, 1);
  auto f = [&](const Tensor& x, const Tensor& a, const Tensor& b) {
    auto pick = [&](const Tensor& p) {
      return [&, p](const Tensor& v) {
        return ft::cond(
            p, [&](const Tensor& u) { return u + a; }, [&](const Tensor& u) { return u * b + 1; }, v);
      };
    };
    return ft::cond(ft::sum(x) > 0, pick(ft::sum(x) > 100.0), pick(ft::sum(x) > -100.0), x);
  };
  Tensor up = ft::abs(some({2, 3})), down = -up;
  expect_alike([&](const Tensor& x, const Tensor& a, const Tensor& b) { return f(x, a, b); },
               [&](const Tensor& x, const Tensor&, const Tensor& b) { return x * b + 1.0; }, up, a, b);
  expect_alike([&](const Tensor& x, const Tensor& a, const Tensor& b) { return f(x, a, b); },
               [&](const Tensor& x, const Tensor& a, const Tensor&) { return x + a; }, down, a, b);
}
TEST(FunctorchCond, under_vmap_with_mapped_operands_closures_and_several_results) {
  Tensor xs = some({3, 2}), as = some({3, 2}, 1), p = ft::tensor({1, 0, 1}).to(ft::bool_), c = some({2}, 2);
  auto lanes = [&](auto f) {
    for (std::int64_t i = 0; i < 3; ++i) {
      bool on = i != 1;
      auto [y, z] = f;
      expect_close(y[i], on ? xs[i] + as[i] + c : xs[i] * as[i]);
      expect_close(z[i], on ? xs[i] - c : ft::sin(as[i]));
    }
  };
  auto f = [&](const Tensor& q, const Tensor& x, const Tensor& a) {
    return ft::cond(
        q,
        [&](const Tensor& u, const Tensor& v) {
          return std::pair{u + v + c, u - c};
        },
        [&](const Tensor& u, const Tensor& v) {
          return std::pair{u * v, ft::sin(v)};
        },
        x, a);
  };
  lanes(ft::vmap(f)(p, xs, as));
  lanes(ft::jit(ft::vmap(f))(p, xs, as));
  auto shared = ft::vmap(f, {.in_dims = {none, 0, none}})(truth(true), xs, as[0]);
  expect_close(shared.first, xs + as[0] + c);
}

// ---------------------------------------------------------------- map
TEST(FunctorchMap, of_nested_lists_and_named_tensors_in_and_out) {
  Tensor y = some({2}, 1), xs = some({3, 2, 2});
  using Deep = std::vector<std::vector<Tensor>>;
  Deep r = ft::map([&](const Deep& x) { return Deep{{x[0][0] + y}}; }, Deep{{xs}});
  expect_close(r[0][0], xs + y, 0);
  using Tree = std::map<std::string, Named>;
  Named n = ft::map([&](const Tree& x) { return Named{{"c", x.at("a").at("b") + y}}; }, Tree{{"a", {{"b", xs}}}});
  expect_close(n.at("c"), xs + y, 0);
}
TEST(FunctorchMap, derivatives_by_slices_and_by_what_it_closes_over) {
  auto f = [](const Tensor& xs, const Tensor& y) { return ft::map([&](const Tensor& x) { return ft::cos(ft::sin(x)) * ft::sin(ft::cos(y)); }, xs); };
  auto g = [](const Tensor& xs, const Tensor& y) { return ft::cos(ft::sin(xs)) * ft::sin(ft::cos(y)); };
  expect_alike(f, g, some({3, 2, 2}), some({2}, 1));
  using Deep = std::pair<std::vector<Tensor>, Tensor>;
  auto h = [](const Deep& xs) {
    return ft::map([](const Deep& x) { return std::pair{ft::sin(x.second) * ft::cos(x.first[0]), x.first[1] * 2.0}; }, xs);
  };
  auto k = [](const Deep& xs) { return std::pair{ft::sin(xs.second) * ft::cos(xs.first[0]), xs.first[1] * 2.0}; };
  expect_alike(h, k, Deep{{some({3, 2, 2}), some({3, 2, 1}, 1)}, some({3, 1, 2}, 2)});
}
TEST(FunctorchMap, refuses_slices_that_differ_in_number_and_scalars) {
  using Pair = std::pair<Tensor, Tensor>;
  auto f = [](const Pair& x) { return x.first + x.second; };
  expect_throw<ft::ShapeError>([&] { ft::map(f, Pair{some({3, 4}), some({4, 4})}); }, "map");
  expect_throw<ft::ShapeError>([&] { ft::map(f, Pair{of(3), some({2})}); }, "map");
  EXPECT_EQ(ft::map(f, Pair{some({0, 2}), some({0, 2})}).sizes(), (ft::Shape{0, 2}));  // none is an empty result here
}
TEST(FunctorchMap, maps_and_choices_in_each_other) {
  auto body = [](const Tensor& p, const Tensor& y) { return [=](const Tensor& x) { return ft::cond(p, ft::mul, ft::add, x, y); }; };
  auto g = [=](const Tensor& p, const Tensor& xs, const Tensor& y) { return ft::map(body(p, y), xs); };
  auto main = [=](const Tensor& q, const Tensor& p, const Tensor& xs, const Tensor& y) {
    return ft::cond(
        q, [&](const Tensor& v) { return g(p, v, y) * 2.0; }, [&](const Tensor& v) { return g(p, v, y) + 1.0; }, xs);
  };
  for (bool q : {true, false})
    for (bool p : {true, false})
      expect_alike([&](const Tensor& xs, const Tensor& y) { return main(truth(q), truth(p), xs, y); },
                   [&](const Tensor& xs, const Tensor& y) {
                     Tensor r = p ? xs * y : xs + y;
                     return q ? r * 2.0 : r + 1.0;
                   },
                   some({3, 2, 2}), some({2}, 1));
  auto twice = [](const Tensor& xs) {
    return ft::map([](const Tensor& row) { return ft::map([](const Tensor& x) { return ft::sin(x) * x; }, row); }, xs);
  };
  expect_alike(
      twice, [](const Tensor& xs) { return ft::sin(xs) * xs; }, some({3, 2, 2}));
}

// ---------------------------------------------------------------- while
TEST(FunctorchWhile, simple_and_nested_loops_equal_those_of_the_host) {
  auto f = [](const Tensor& x) {
    return ft::while_loop([](const Tensor& v) { return ft::sum(v) < 10.0; }, [](const Tensor& v) { return v + 1.0; }, x, {.max_steps = 16});
  };
  expect_close(f(ft::zeros({1}, f64)), ft::full({1}, 10.0, f64), 0);
  expect_close(ft::grad([&](const Tensor& x) { return ft::sum(f(x)); })(ft::zeros({1}, f64)), ft::ones({1}, f64), 0);
  using C = std::tuple<Tensor, Tensor, Tensor, Tensor>;
  auto nested = [](const Tensor& ci, const Tensor& cj, const Tensor& a, const Tensor& b) {
    return ft::while_loop([](const C& c) { return std::get<0>(c) > 0; },
                          [](const C& c) {
                            auto [i, j, x, y] = ft::while_loop([](const C& d) { return std::get<1>(d) > 0; },
                                                               [](const C& d) {
                                                                 auto& [i, j, x, y] = d;
                                                                 return C{i, j - 1, x + 3.14, y - 2.71};
                                                               },
                                                               c, {.max_steps = 4});
                            return C{i - 1, j, x * 2.0, y / 2.0};
                          },
                          C{ci, cj, a, b}, {.max_steps = 4});
  };
  auto plain = [](int i, int j, Tensor x, Tensor y) {
    for (; i > 0; --i) {
      for (; j > 0; --j) x = x + 3.14, y = y - 2.71;
      x = x * 2.0, y = y / 2.0;
    }
    return std::pair{x, y};
  };
  auto [i, j, x, y] = nested(ft::tensor(2), ft::tensor(2), some({2, 2}), some({2, 2}, 1));
  auto [wx, wy] = plain(2, 2, some({2, 2}), some({2, 2}, 1));
  expect_close(x, wx), expect_close(y, wy);
  auto p = ft::make_fx(nested)(ft::tensor(2), ft::tensor(2), some({2, 2}), some({2, 2}, 1));
  auto out = p({ft::tensor(3), ft::tensor(1), some({2, 2}), some({2, 2}, 1)});
  expect_close(out[2], plain(3, 1, some({2, 2}), some({2, 2}, 1)).first);
  expect_alike(
      [&](const Tensor& a, const Tensor& b) {
        auto [i, j, x, y] = nested(ft::tensor(2), ft::tensor(2), a, b);
        return std::pair{x, y};
      },
      [&](const Tensor& a, const Tensor& b) { return plain(2, 2, a, b); }, some({2, 2}), some({2, 2}, 1));
}
TEST(FunctorchWhile, a_linear_layer_and_a_counter_that_the_body_closes_over) {
  nn::Linear layer(ft::random::key(0), 2, 2, {.dtype = f64}), outer(ft::random::key(1), 2, 2, {.dtype = f64});
  using C = std::pair<Tensor, Tensor>;
  auto run = [](const nn::Linear& m, const Tensor& dec, const C& c) {
    return ft::while_loop([&](const C& d) { return d.first - dec > 0; },
                          [&](const C& d) {
                            return C{d.first - 1, m(d.second)};
                          },
                          c, {.max_steps = 4});
  };
  Tensor x = some({2, 2}), dec = ft::tensor(1);
  expect_close(run(layer, dec, {ft::tensor(3), x}).second, layer(layer(x)));
  auto loss = [&](const nn::Linear& m) { return ft::sum(ft::square(run(m, dec, {ft::tensor(3), x}).second)); };
  expect_same(ft::grad(loss)(layer), ft::grad([&](const nn::Linear& m) { return ft::sum(ft::square(m(m(x)))); })(layer));
  auto both = [&](const C& c) {
    return ft::while_loop([&](const C& d) { return d.first - dec > 0; },
                          [&](const C& d) {
                            return C{d.first - 1, outer(run(layer, dec, d).second)};
                          },
                          c, {.max_steps = 4});
  };
  expect_close(both({ft::tensor(3), x}).second, outer(layer(outer(layer(layer(x))))));
}

// ---------------------------------------------------------------- scan
TEST(FunctorchScan, sums_and_products_from_either_end_along_any_dimension) {
  Tensor xs = some({3, 4, 2}), c = some({4, 2}, 1);
  for (bool reverse : {false, true}) {
    auto run = [&](auto op) {
      return [=](const Tensor& c, const Tensor& xs) {
        return ft::scan([=](const Tensor& a, const Tensor& x) { return std::pair{op(a, x), op(a, x)}; }, c, xs, {.reverse = reverse});
      };
    };
    auto plain = [&](auto op) {
      return [=](Tensor c, const Tensor& xs) {
        std::vector<Tensor> ys(3);
        for (int k = 0; k < 3; ++k) {
          int i = reverse ? 2 - k : k;
          c = op(c, xs[i]);
          ys[static_cast<std::size_t>(i)] = c;
        }
        return std::pair{c, ft::stack(ys)};
      };
    };
    expect_alike(run(ft::add), plain(ft::add), c, xs);
    expect_alike(run(ft::mul), plain(ft::mul), c, xs);
  }
  Tensor other = ft::scan(
                     [](const Tensor& a, const Tensor& x) {
                       return std::pair{a + x, a + x};
                     },
                     ft::zeros({3, 2}, f64), ft::movedim(xs, {1}, {0}))
                     .second;
  expect_close(ft::movedim(other, {0}, {1}), ft::cumsum(xs, 1));
}
TEST(FunctorchScan, the_results_may_have_another_rank_dtype_and_structure_than_the_carry) {
  auto f = [](const Tensor& c, const Tensor& x) { return std::pair{c + x, Named{{"first", (c + x)[0]}, {"count", (x > 0).to(ft::i64)}}}; };
  Tensor xs = some({5, 2});
  auto [c, ys] = ft::scan(f, ft::zeros({2}, f64), xs);
  expect_close(c, ft::sum(xs, 0)), expect_close(ys.at("first"), ft::cumsum(xs, 0).index({ft::Slice(), 0}));
  EXPECT_EQ(ys.at("count").dtype(), ft::i64);
  EXPECT_TRUE(ft::equal(ys.at("count"), (xs > 0).to(ft::i64)));
}
TEST(FunctorchScan, feeds_products_and_other_scans) {
  auto f = [](const Tensor& c, const Tensor& xs) {
    auto step = [](const Tensor& a, const Tensor& x) { return std::pair{a + x, a * x}; };
    auto [c1, y1] = ft::scan(step, c, xs);
    auto [c2, y2] = ft::scan(step, c1 * 0.1, y1);
    return std::pair{ft::matmul(y2, ft::ones({2, 5}, f64)), c2};
  };
  auto g = [](const Tensor& c, const Tensor& xs) {
    auto step = [](Tensor a, const Tensor& in) {
      std::vector<Tensor> ys;
      for (std::int64_t i = 0; i < in.size(0); ++i) ys.push_back(a * in[i]), a = a + in[i];
      return std::pair{a, ft::stack(ys)};
    };
    auto [c1, y1] = step(c, xs);
    auto [c2, y2] = step(c1 * 0.1, y1);
    return std::pair{ft::matmul(y2, ft::ones({2, 5}, f64)), c2};
  };
  expect_alike(f, g, some({2}), some({4, 2}, 1));
}
TEST(FunctorchScan, a_recurrent_network_that_closes_over_its_weights) {
  struct Net {
    Tensor wx, wh, b;
  };
  auto f = [](const Net& n, const Tensor& h, const Tensor& xs) {
    return ft::scan(
        [&](const Tensor& h, const Tensor& x) {
          Tensor next = ft::tanh(ft::matmul(x, n.wx) + ft::matmul(h, n.wh) + n.b);
          return std::pair{next, next};
        },
        h, xs);
  };
  auto g = [](const Net& n, Tensor h, const Tensor& xs) {
    std::vector<Tensor> ys;
    for (std::int64_t i = 0; i < xs.size(0); ++i) ys.push_back(h = ft::tanh(ft::matmul(xs[i], n.wx) + ft::matmul(h, n.wh) + n.b));
    return std::pair{h, ft::stack(ys)};
  };
  expect_alike(f, g, Net{some({3, 4}), some({4, 4}, 1) * 0.3, some({4}, 2)}, some({2, 4}), some({5, 2, 3}, 3));
}
TEST(FunctorchScan, with_prefix_sums_choices_and_maps_inside) {
  auto f = [](const Tensor& c, const Tensor& xs) {
    return ft::scan(
        [](const Tensor& a, const Tensor& x) {
          Tensor s = ft::associative_scan(add, x);
          Tensor t = ft::cond(ft::sum(x) > 0, ft::sin, ft::cos, s);
          return std::pair{a + t, ft::map([](const Tensor& v) { return v * v; }, t)};
        },
        c, xs);
  };
  auto g = [](Tensor a, const Tensor& xs) {
    std::vector<Tensor> ys;
    for (std::int64_t i = 0; i < xs.size(0); ++i) {
      Tensor s = ft::cumsum(xs[i], 0), t = double(ft::sum(xs[i])) > 0 ? ft::sin(s) : ft::cos(s);
      a = a + t;
      ys.push_back(t * t);
    }
    return std::pair{a, ft::stack(ys)};
  };
  expect_alike(f, g, some({3}), some({4, 3}, 1));
}

// ---------------------------------------------------------------- associative scan
TEST(FunctorchAssociativeScan, sums_and_products_from_either_end_along_every_dimension) {
  Tensor x = some({3, 5, 2});
  for (int dim : {0, 1, 2}) {
    expect_alike([=](const Tensor& v) { return ft::associative_scan(add, v, {.dim = dim}); }, [=](const Tensor& v) { return ft::cumsum(v, dim); }, x);
    expect_alike([=](const Tensor& v) { return ft::associative_scan(ft::mul, v, {.dim = dim}); },
                 [=](const Tensor& v) { return ft::cumprod(v, dim); }, x);
    expect_alike([=](const Tensor& v) { return ft::associative_scan(add, v, {.dim = dim, .reverse = true}); },
                 [=](const Tensor& v) { return ft::flip(ft::cumsum(ft::flip(v, {dim}), dim), {dim}); }, x);
  }
  EXPECT_EQ(ft::associative_scan(add, ft::arange(4)).to_vector<std::int64_t>(), (std::vector<std::int64_t>{0, 1, 3, 6}));
  EXPECT_EQ(ft::associative_scan(add, ft::arange(4), {.reverse = true}).to_vector<std::int64_t>(), (std::vector<std::int64_t>{6, 6, 5, 3}));
}
TEST(FunctorchAssociativeScan, linear_recurrences_trees_and_matrices) {
  using Affine = std::pair<Tensor, Tensor>;
  auto f = [](const Tensor& a, const Tensor& b) {
    return ft::associative_scan(
               [](const Affine& l, const Affine& r) {
                 return Affine{l.first * r.first, r.first * l.second + r.second};
               },
               Affine{a, b})
        .second;
  };
  auto g = [](const Tensor& a, const Tensor& b) {
    std::vector<Tensor> ys{b[0]};
    for (std::int64_t i = 1; i < b.size(0); ++i) ys.push_back(a[i] * ys.back() + b[i]);
    return ft::stack(ys);
  };
  expect_alike(f, g, some({6, 2}), some({6, 2}, 1));
  auto m = [](const Tensor& x) { return ft::associative_scan(ft::matmul, x); };
  auto n = [](const Tensor& x) {
    std::vector<Tensor> ys{x[0]};
    for (std::int64_t i = 1; i < x.size(0); ++i) ys.push_back(ft::matmul(ys.back(), x[i]));
    return ft::stack(ys);
  };
  expect_alike(m, n, some({5, 2, 2}));
  auto named = ft::associative_scan(
      [](const Named& a, const Named& b) {
        return Named{{"i", a.at("i") * b.at("i")}, {"j", ft::maximum(a.at("j"), b.at("j"))}};
      },
      Named{{"i", some({4, 2})}, {"j", some({4}, 1)}});
  expect_close(named.at("i"), ft::cumprod(some({4, 2}), 0)), expect_close(named.at("j"), ft::cummax(some({4}, 1), 0).first, 0);
}
TEST(FunctorchAssociativeScan, choices_loops_maps_and_captured_tensors_in_the_combination) {
  Tensor x = some({5, 2}), h = some({2}, 1);
  auto choice = [](const Tensor& a, const Tensor& b) { return ft::cond(ft::ones({}, f64) > 0, add, ft::mul, a, b); };
  expect_close(ft::associative_scan(choice, x), ft::cumsum(x, 0));
  auto mapped = [](const Tensor& a, const Tensor& b) {
    return ft::map([](const std::pair<Tensor, Tensor>& p) { return p.first + p.second; }, std::pair{a, b});
  };
  expect_close(ft::associative_scan(mapped, x), ft::cumsum(x, 0));
  auto batched = [](const Tensor& a, const Tensor& b) { return ft::vmap(add)(a, b); };
  expect_close(ft::associative_scan(batched, x), ft::cumsum(x, 0));
  auto looped = [](const Tensor& a, const Tensor& b) {
    return ft::fori_loop(
        0, 1, [&](const Tensor&, const Tensor& c) { return c + b; }, a);
  };
  expect_close(ft::associative_scan(looped, x), ft::cumsum(x, 0));
  auto weighted = [&](const Tensor& h) { return ft::sum(ft::associative_scan([&](const Tensor& a, const Tensor& b) { return a + b + h; }, x)); };
  auto plain = [&](const Tensor& h) { return ft::sum(ft::cumsum(x, 0) + ft::arange(0, 5, 1, f64).unsqueeze(1) * h); };
  expect_close(weighted(h), plain(h)), expect_close(ft::grad(weighted)(h), ft::grad(plain)(h));
}
TEST(FunctorchAssociativeScan, under_vmap_and_downstream_of_itself) {
  Tensor xs = some({3, 6, 2});
  auto f = [](const Tensor& x) { return ft::associative_scan(ft::mul, ft::associative_scan(add, x, {.reverse = true})); };
  Tensor y = ft::vmap(f)(xs);
  for (std::int64_t i = 0; i < 3; ++i) expect_close(y[i], ft::cumprod(ft::flip(ft::cumsum(ft::flip(xs[i], {0}), 0), {0}), 0));
}
