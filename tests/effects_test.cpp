// Effects and mutation inside transformed functions: printing, callbacks, Ref cells, and the user's own primitives.
#include <gtest/gtest.h>

#include "functra/functra.h"
#include "support/close.h"

namespace ft = functra;
using ft::Tensor;

namespace {
class Lines {  // what debug::print writes while this lives
 public:
  Lines() {
    ft::debug::set_sink([this](const std::string& s) { lines.push_back(s); });
  }
  ~Lines() { ft::debug::set_sink(nullptr); }
  std::vector<std::string> take() { return std::exchange(lines, {}); }
  std::vector<std::string> lines;
};
using Strings = std::vector<std::string>;
Tensor xs() { return ft::tensor({1.0, 2.0, 3.0}, ft::f64); }
}  // namespace

TEST(Effects, print_fills_its_format_and_checks_it) {
  Lines out;
  ft::debug::print("x = {}, {} {{{}}}", ft::tensor(2.5, ft::f64), 3, "text");
  ft::debug::print("pair {}", std::pair{ft::tensor(1), ft::tensor(2)});
  EXPECT_EQ(out.take(), (Strings{"x = 2.5, 3 {text}", "pair (1, 2)"}));
  expect_throw<ft::ValueError>([] { ft::debug::print("{} {}", 1); }, "more {}");
  expect_throw<ft::ValueError>([] { ft::debug::print("none", 1); }, "0 {} for 1 arguments");
}
TEST(Effects, a_print_under_grad_happens_once) {
  Lines out;
  auto f = [](const Tensor& x) {
    ft::debug::print("{}", x);
    return x * x * x;
  };
  ft::grad(f)(ft::tensor(2.0, ft::f64));
  EXPECT_EQ(out.take(), Strings{"2.0"});
  ft::grad(ft::grad(f))(ft::tensor(2.0, ft::f64));
  ft::hessian(f)(ft::tensor(3.0, ft::f64));
  EXPECT_EQ(out.take(), (Strings{"2.0", "3.0"}));
}
TEST(Effects, vmap_prints_per_example_in_order) {
  Lines out;
  auto f = [](const Tensor& x, const Tensor& y) {
    ft::debug::print("{} {}", x, y);
    return x;
  };
  ft::vmap(f, {.in_dims = {0, ft::none}})(xs(), ft::tensor(7));
  EXPECT_EQ(out.take(), (Strings{"1.0 7", "2.0 7", "3.0 7"}));
  ft::vmap(ft::vmap([](const Tensor& x) {
    ft::debug::print("{}", x);
    return x;
  }))(ft::arange(4).reshape({2, 2}));
  EXPECT_EQ(out.take(), (Strings{"0", "1", "2", "3"}));
}
TEST(Effects, keep_their_order_across_calls_and_loops_and_survive_pruning) {
  Lines out;
  auto f = ft::jit([](const Tensor& x) {
    ft::debug::print("first {}", x);
    auto [c, ys] = ft::scan(
        [](const Tensor& c, const Tensor& v) {
          ft::debug::print("step {}", c);
          return std::pair{c + v, ft::none};
        },
        ft::tensor(0.0, ft::f64), xs());
    ft::debug::print("last");
    return x;  // does not depend on the loop
  });
  Strings once{"first 5.0", "step 0.0", "step 1.0", "step 3.0", "last"};
  f(ft::tensor(5.0, ft::f64));
  EXPECT_EQ(out.take(), once);
  f(ft::tensor(5.0, ft::f64));
  EXPECT_EQ(out.take(), once);
  ft::grad(f)(ft::tensor(5.0, ft::f64));
  EXPECT_EQ(out.take(), once);
}
TEST(Effects, only_lanes_that_take_a_branch_print) {
  Lines out;
  auto f = [](const Tensor& x) {
    return ft::cond(
        x > 1.5,
        [&] {
          ft::debug::print("big {}", x);
          return x * 2.0;
        },
        [&] {
          ft::debug::print("small {}", x);
          return x;
        });
  };
  ft::vmap(ft::grad(f))(xs());
  EXPECT_EQ(out.take(), (Strings{"small 1.0", "big 2.0", "big 3.0"}));
  ft::vmap([&](const Tensor& x) {
    return ft::cond(
        x > 0.0, [&] { return f(x); }, [&] { return x; });
  })(xs() - 2.0);
  EXPECT_EQ(out.take(), Strings{"small 1.0"});
}
TEST(Effects, a_finished_lane_of_a_loop_prints_no_more) {
  Lines out;
  auto f = [](const Tensor& x) {
    return ft::while_loop([](const Tensor& c) { return c < 4.0; },
                          [](const Tensor& c) {
                            ft::debug::print("{}", c);
                            return c * 2.0;
                          },
                          x);
  };
  ft::vmap(f)(xs());
  EXPECT_EQ(out.take(), (Strings{"1.0", "2.0", "3.0", "2.0"}));
}
TEST(Effects, recomputation_is_not_printed_again) {
  Lines out;
  auto loop = [](const Tensor& x) {
    return ft::while_loop([](const Tensor& c) { return c < 10.0; },
                          [](const Tensor& c) {
                            ft::debug::print("{}", c);
                            return c * 2.5;
                          },
                          x, {.max_steps = ft::none, .checkpoint = 1});
  };
  EXPECT_EQ(double(ft::grad(loop)(ft::tensor(1.0, ft::f64))), 2.5 * 2.5 * 2.5);
  EXPECT_EQ(out.take(), (Strings{"1.0", "2.5", "6.25"}));
  auto part = ft::checkpoint([](const Tensor& x) {
    ft::debug::print("in");
    return ft::sin(ft::sin(x));
  });
  ft::grad(part)(ft::tensor(1.0, ft::f64));
  EXPECT_EQ(out.take(), Strings{"in"});
}
TEST(Effects, callbacks_see_values) {
  std::vector<double> seen;
  auto note = [&](const Tensor& x) { seen.push_back(double(x)); };
  ft::grad([&](const Tensor& x) {
    ft::debug::callback(note, x * 3.0);
    return x * x;
  })(ft::tensor(2.0));
  ft::vmap([&](const Tensor& x) {
    ft::debug::callback(note, x);
    return x;
  })(xs());
  EXPECT_EQ(seen, (std::vector<double>{6, 1, 2, 3}));
}
TEST(PureCallback, under_each_transform) {
  auto host = [](const Tensor& x) {
    double s = 0;
    for (double v : x.to_vector<double>()) s += v * v;
    return ft::tensor(s, ft::f64);
  };
  auto like = ft::tensor(0.0, ft::f64);
  auto f = [&](const Tensor& x) { return ft::pure_callback({.vmap = ft::CallbackVmap::sequential}, host, like, x); };
  EXPECT_EQ(double(f(xs())), 14);
  EXPECT_EQ(double(ft::jit(f)(xs())), 14);
  expect_close(ft::vmap(f)(ft::stack({xs(), xs() * 2.0})), ft::tensor({14.0, 56.0}, ft::f64));
  expect_throw<ft::MissingRuleError>([&] { ft::grad(f)(xs()); }, "pure_callback has no derivative rule");
  expect_throw<ft::MissingRuleError>(
      [&] {
        ft::vmap([&](const Tensor& x) { return ft::pure_callback(host, like, x); })(ft::ones({2, 3}));
      },
      "say how");
  expect_throw<ft::ShapeError>([&] { ft::pure_callback(host, ft::zeros({2}, ft::f64), xs()); }, "declared f64[2]");
  auto with_rule = ft::custom_jvp(f, [&](const auto& p, const auto& t) {
    auto [x] = p;
    auto [d] = t;
    return std::pair{f(x), ft::sum(2.0 * x * d)};
  });
  expect_close(ft::grad(with_rule)(xs()), xs() * 2.0);
  ft::Program p = ft::make_fx(f)(xs());
  EXPECT_TRUE(ft::Program::parse(ft::to_string(p)) == p);
}

TEST(Ref, made_inside_works_under_every_transform) {
  auto power = [](const Tensor& a) {
    ft::Ref r(a);
    for (int i = 0; i < 3; ++i) r.set(r.get() * a);
    return r.get();
  };
  EXPECT_EQ(double(ft::grad(power)(ft::tensor(2.0, ft::f64))), 32);
  EXPECT_EQ(double(ft::jit(ft::grad(power))(ft::tensor(2.0, ft::f64))), 32);
  expect_close(ft::vmap(ft::grad(power))(xs()), 4.0 * xs() * xs() * xs());
  auto filled = [](const Tensor& a) {
    ft::Ref r(ft::zeros({3}, ft::f64));
    r.set({0}, a);
    r.add({1}, a * 2.0);
    r.add(a);
    return r.get();
  };
  expect_close(filled(ft::tensor(1.0, ft::f64)), ft::tensor({2.0, 3.0, 1.0}, ft::f64));
  expect_close(ft::jacfwd(filled)(ft::tensor(1.0, ft::f64)), ft::tensor({2.0, 3.0, 1.0}, ft::f64));
  expect_close(ft::vmap(filled)(xs())[2], ft::tensor({6.0, 9.0, 3.0}, ft::f64));
}
TEST(Ref, in_loops_and_branches_is_an_operand) {
  auto f = [](const Tensor& a) {
    ft::Ref r(a), limit(ft::tensor(3, ft::i64));
    ft::fori_loop(
        0, 3,
        [&](const Tensor&, const Tensor& c) {
          r.set(r.get() * a);
          return c;
        },
        0.0);
    Tensor n = ft::while_loop([&](const Tensor& i) { return i < limit.get(); },
                              [&](const Tensor& i) {
                                r.set(r.get() + a);
                                return i + 1;
                              },
                              0, {.max_steps = 5});
    ft::cond(
        a > 0.0,
        [&] {
          r.set(r.get() * 2.0);
          return a;
        },
        [&] { return a; });
    auto ys = ft::map(
        [&](const Tensor& x) {
          r.add(x);
          return r.get() * 0.0;
        },
        ft::zeros({2}, ft::f64));
    return r.get() + 0.0 * n + ft::sum(ys);
  };
  auto value = [](double a) { return 2 * (a * a * a * a + 3 * a); };
  for (double a : {0.5, 2.0}) {
    Tensor x = ft::tensor(a, ft::f64);
    EXPECT_DOUBLE_EQ(double(f(x)), value(a));
    EXPECT_DOUBLE_EQ(double(ft::grad(f)(x)), 2 * (4 * a * a * a + 3));
    EXPECT_DOUBLE_EQ(double(ft::jit(ft::grad(f))(x)), 2 * (4 * a * a * a + 3));
    EXPECT_DOUBLE_EQ(double(ft::vmap(f)(ft::tensor({a, 1.0}, ft::f64))[0]), value(a));
  }
}
TEST(Ref, made_outside_is_an_in_and_out_operand_of_compiled_calls_and_loops) {
  ft::Ref count(ft::tensor(0.0, ft::f64));
  int traces = 0;
  auto f = ft::jit([&](const Tensor& x) {
    ++traces;
    count.add(1.0);
    return x * count.get();
  });
  EXPECT_EQ(double(f(ft::tensor(10.0, ft::f64))), 10);
  EXPECT_EQ(double(f(ft::tensor(10.0, ft::f64))), 20);
  count.set(5.0);
  EXPECT_EQ(double(f(ft::tensor(10.0, ft::f64))), 60);
  EXPECT_EQ(traces, 1);
  EXPECT_EQ(double(count.get()), 6);
  auto [c, ys] = ft::scan(
      [&](const Tensor& c, const Tensor& x) {
        count.add(x);
        return std::pair{c, count.get()};
      },
      0.0, xs());
  expect_close(ys, ft::tensor({7.0, 9.0, 12.0}, ft::f64));
  EXPECT_EQ(double(count.get()), 12);
  Tensor n = ft::while_loop([&](const Tensor&) { return count.get() > 2.0; },
                            [&](const Tensor& i) {
                              count.set(count.get() * 0.5);
                              return i + 1;
                            },
                            0);
  EXPECT_EQ(double(n), 3);
  EXPECT_EQ(double(count.get()), 1.5);
  auto call = f.bind(ft::tensor(1.0, ft::f64));
  EXPECT_EQ(double(count.get()), 1.5);  // preparing a call runs nothing
  EXPECT_EQ(double(call(ft::tensor(10.0, ft::f64))), 25);
}
TEST(Ref, writes_that_a_transform_would_miss_are_refused) {
  ft::Ref r(ft::tensor(1.0, ft::f64));
  expect_throw<ft::TracerError>(
      [&] {
        ft::grad([&](const Tensor& x) {
          r.add(x);
          return x;
        })(ft::tensor(1.0, ft::f64));
      },
      "written inside grad");
  expect_throw<ft::TracerError>(
      [&] {
        ft::vmap([&](const Tensor& x) {
          r.add(x);
          return x;
        })(xs());
      },
      "differs from example to example");
  expect_throw<ft::TracerError>(
      [&] {
        ft::make_fx([&](const Tensor& x) {
          r.add(x);
          return x;
        })(ft::tensor(1.0, ft::f64));
      },
      "no place for the write");
  expect_throw<ft::TracerError>(
      [&] {
        ft::checkpoint([&](const Tensor& x) {
          r.add(x);
          return x;
        })(ft::tensor(1.0, ft::f64));
      },
      "written inside checkpoint");
  expect_throw<ft::ShapeError>([&] { r.set(xs()); }, "keeps its shape");
  expect_throw<ft::DTypeError>([&] { r.set(ft::tensor(1.0, ft::f32)); }, "convert with to(f64)");
  EXPECT_EQ(double(r.get()), 1);
  EXPECT_EQ(double(ft::grad([&](const Tensor& x) { return x * r.get(); })(ft::tensor(2.0, ft::f64))), 1);
  expect_close(ft::vmap([&](const Tensor& x) {
                 r.set(4.0);
                 return x * r.get();
               })(xs()),
               xs() * 4.0);
  EXPECT_EQ(double(r.get()), 4);
}
TEST(Ref, functionalize_leaves_values_only) {
  ft::Ref outer(ft::tensor(1.0, ft::f64));
  auto f = [&](const Tensor& x) {
    ft::Ref r(x);
    r.add(1.0);
    return r.get() * outer.get();
  };
  Tensor x = ft::tensor(2.0, ft::f64);
  EXPECT_EQ(double(ft::functionalize(f)(x)), 3);
  EXPECT_EQ(double(ft::grad(ft::functionalize(f))(x)), 1);
  EXPECT_EQ(double(ft::functionalize([&](const Tensor& v) {
              outer.add(v);
              return v * outer.get();
            })(x)),
            6);
  EXPECT_EQ(double(outer.get()), 3);
  ft::Program p = ft::make_fx(ft::functionalize([](const Tensor& v) {
    ft::Ref r(v);
    r.add(1.0);
    return r.get() * 2.0;
  }))(x);
  EXPECT_EQ(p.size(), 2u);
}

TEST(DefinedPrimitive, rules_and_refusals) {
  auto shape = [](auto in) { return std::vector{in[0]}; };
  auto eval = [](auto in, auto out) {
    auto x = in[0].template span<double>();
    auto y = out[0].template span<double>();
    for (std::size_t i = 0; i < x.size(); ++i) y[i] = x[i] * x[i];
  };
  auto bare = ft::define_primitive({.name = "effects_test square", .shape = shape, .eval = eval});
  expect_close(Tensor(bare(xs())), xs() * xs());
  expect_throw<ft::MissingRuleError>([&] { ft::grad([&](const Tensor& x) { return ft::sum(Tensor(bare(x))); })(xs()); },
                                     "effects_test square has no derivative rule");
  expect_throw<ft::MissingRuleError>([&] { ft::vmap([&](const Tensor& x) { return Tensor(bare(x)); })(xs()); }, "effects_test square under vmap");
  expect_throw<ft::ValueError>([&] { ft::define_primitive({.name = "effects_test square", .shape = shape, .eval = eval}); }, "defined already");
  expect_throw<ft::ValueError>([&] { ft::define_primitive({.name = "", .shape = shape, .eval = eval}); }, "needs a name");
  expect_throw<ft::DTypeError>([&] { bare(ft::tensor(1)); }, "");
  ft::Program p = ft::make_fx([&](const Tensor& x) { return Tensor(bare(x)); })(xs());
  EXPECT_TRUE(ft::Program::parse(ft::to_string(p)) == p);
}
TEST(CustomVmap, the_rule_stands_for_batching_only) {
  int calls = 0;
  auto f = ft::custom_vmap([](const Tensor& a, const Tensor& b) { return a * b; },
                           [&](std::int64_t n, const std::array<bool, 2>& mapped, const Tensor& a, const Tensor& b) {
                             ++calls;
                             EXPECT_EQ(n, 3);
                             return std::pair{mapped[0] || mapped[1] ? a * b : a * b, true};
                           });
  EXPECT_EQ(double(f(2.0, 3.0)), 6);
  EXPECT_EQ(calls, 0);
  expect_close(ft::vmap(f, {.in_dims = {0, ft::none}})(xs(), ft::tensor(2.0, ft::f64)), xs() * 2.0);
  expect_close(ft::jit(ft::vmap(f))(xs(), xs()), xs() * xs());
  EXPECT_EQ(calls, 2);
  EXPECT_EQ(double(ft::grad(f)(2.0, 3.0)), 3);
  expect_close(ft::vmap(ft::grad(f))(xs(), xs()), xs());
}
TEST(Jit, says_why_it_would_trace_again) {
  auto f = ft::jit([](const Tensor& x, double s) { return x * s; });
  EXPECT_EQ(f.explain_miss(xs(), 1.0), "nothing is in the cache yet");
  f(xs(), 1.0);
  f(xs(), 1.0);
  EXPECT_EQ(f.explain_miss(xs(), 1.0), "in the cache");
  EXPECT_EQ(f.explain_miss(ft::ones({4}, ft::f64), 2.0),
            "argument 0: type f64[4], in the cache type f64[3]\nargument 1: value 2.0, in the cache value 1.0");
  EXPECT_EQ(f.cache_stats().hits, 1);
  EXPECT_EQ(f.cache_stats().misses, 1);
  EXPECT_EQ(f.cache_stats().size, 1u);
}
