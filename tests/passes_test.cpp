// The passes over Programs: what each removes, that values stay, and what it costs.
#include "functra/compiler/passes.h"

#include <gtest/gtest.h>

#include <chrono>
#include <set>

#include "functra/aot/aot.h"
#include "functra/core/interp.h"
#include "functra/functra.h"
#include "functra/prims/math.h"
#include "support/close.h"
#include "support/optimised.h"

namespace ft = functra;
namespace fc = functra::compiler;
using ft::Program;
using ft::Tensor;
using ft::testing::count;
using ft::testing::optimised;
using ft::testing::optimised_differs;

namespace {
Tensor some(const ft::Shape& s) { return ft::sin(ft::arange(0, s.numel(), 1, ft::f64) + 0.3).reshape(s); }
}  // namespace

// ---------------------------------------------------------------- the list
TEST(Passes, are_named_and_an_unknown_name_is_refused_with_the_list) {
  for (auto& p : fc::passes()) EXPECT_GT(std::string(p.what).size(), 10u) << p.name;
  Program p = ft::make_fx([](const Tensor& v) { return ft::sin(v); })(some({3}));
  const std::vector<std::string> wrong{"cse", "sce"};
  expect_throw<ft::ValueError>([&] { fc::optimize(p.ir(), wrong); }, "there is no pass 'sce'; the passes are inline, expand, dce, cse");
}
TEST(Passes, report_times_sizes_and_programs) {
  Program p = ft::make_fx([](const Tensor& v) { return ft::sum(v) + ft::sum(v); })(some({3}));
  fc::PassReport r;
  auto q = fc::optimize(p.ir(), {}, &r);
  ASSERT_EQ(r.lines.size(), fc::passes().size());
  EXPECT_EQ(r.lines.front().before, p.size());
  EXPECT_EQ(r.lines.back().after, fc::count_equations(*q));
  EXPECT_EQ(r.lines.back().program, q);
  for (auto& l : r.lines) EXPECT_GE(l.ms, 0);
  const std::vector<std::string> off{"cse"};
  fc::PassReport without;
  (void)fc::optimize(p.ir(), off, &without);
  for (auto& l : without.lines) EXPECT_NE(l.name, "cse");
}
TEST(Passes, keep_captured_tensors_as_inputs) {
  Tensor w = some({3}), x = some({3}) + 1.0;
  Program p = ft::make_fx([&](const Tensor&v) { return ft::sum(v * w) + ft::sum(v * w); })(x), q = optimised(p);
  EXPECT_EQ(q.captured(), 1u);
  expect_close(q({x})[0], p({x})[0], 1e-15);
}

// ---------------------------------------------------------------- inline
TEST(PassInline, calls_at_every_depth_and_in_bodies) {
  auto inner = ft::jit([](const Tensor& v) { return ft::sin(v) * 2.0; });
  auto outer = ft::jit([=](const Tensor& v) { return inner(inner(v)) + 1.0; });
  Program p = ft::make_fx([=](const Tensor& v) {
    return ft::scan([=](const Tensor& c, const Tensor& a) { return std::pair{outer(c) + inner(a), inner(c)}; }, ft::tensor(0.5, ft::f64), v);
  })(some({4}));
  ASSERT_GT(count(p, "jit_call"), 0u);
  EXPECT_EQ(count(optimised(p, {"inline"}), "jit_call"), 0u);
  EXPECT_EQ(optimised_differs(p, {some({4})}, 0), "");
}
TEST(PassInline, custom_rules_checkpoints_and_choices_per_lane) {
  auto f = ft::custom_vjp([](const Tensor& v) { return ft::exp(v); },
                          [](const Tensor& v) {
                            return std::pair{ft::exp(v), v};
                          },
                          [](const Tensor& v, const Tensor& ct) { return ct * ft::cos(v); });
  auto g = ft::checkpoint([=](const Tensor& v) { return f(ft::sin(v)); });
  auto h = [=](const Tensor& v) {
    return ft::cond(
        v > 0.2, [=](const Tensor& a) { return g(a) * a; }, [](const Tensor& a) { return a * 3.0; }, v);
  };
  Program p = ft::make_fx(ft::vmap(ft::grad(h)))(some({5}));
  Program q = optimised(p, {"inline"});
  for (const char* name : {"custom_vjp_call", "checkpoint", "remat_linear", "cond_lanes", "jit_call"})
    EXPECT_EQ(count(q, name), 0u) << name << "\n" << q;
  EXPECT_GT(count(q, "select"), 0u);
  EXPECT_GT(count(q, "barrier"), 0u);  // recomputation stays where it was
  EXPECT_EQ(optimised_differs(p, {some({5})}, 1e-14), "");
}
TEST(PassInline, what_a_users_compiler_made_is_called) {
  int compiled = 0, called = 0;
  auto compiler = [&](const Program& p, const std::vector<Tensor>& examples) -> ft::compile::Compiled {
    ++compiled;
    return [&, run = ft::compile::nop(p, examples)](std::vector<Tensor> a) {
      ++called;
      return run(std::move(a));
    };
  };
  auto f = ft::compile::aot_function([](const Tensor& v) { return ft::sin(v) * v; }, {.fw_compiler = compiler});
  Program p = ft::make_fx([&](const Tensor&v) { return f(v) + 1.0; })(some({3})), q = optimised(p);
  EXPECT_EQ(count(q, "compiled_call"), 1u) << q;
  expect_close(q({some({3})})[0], ft::sin(some({3})) * some({3}) + 1.0, 1e-15);
  EXPECT_EQ(called, 1);
  Program parsed = Program::parse(R"(program(v0: f64[]) {
    v1: f64[] = compiled_call(v0) {program=program(v0: f64[]) {
      v1: f64[] = sin(v0)
      return v1
    } run="a runner that is gone"}
    return v1
  })");
  EXPECT_EQ(count(optimised(parsed, {"inline"}), "compiled_call"), 0u);  // evaluated in its place
}
TEST(PassInline, a_number_stands_for_a_tensor_of_a_program) {
  Program p = Program::parse(R"(program(v0: ~f64[], v1: f64[3]) {
    v2: f64[3] = jit_call(v0, v1) {program=program(v0: f64[], v1: f64[3]) {
      v2: f64[] = mul(v0, v0)
      v3: f64[3] = mul(v1, v2)
      return v3
    }}
    v3: f64[] = jit_call(2.0) {program=program(v0: f64[]) {
      v1: f64[] = mul(v0, v0)
      return v1
    }}
    return v2, v3
  })");
  Program q = optimised(p, {"inline"});
  EXPECT_EQ(count(q, "convert"), 1u) << q;
  EXPECT_EQ(optimised_differs(p, {Tensor(3.0), some({3})}, 0), "");
}

// ---------------------------------------------------------------- dead code
TEST(PassDead, equations_and_bodies) {
  Program p = Program::parse(R"(program(v0: f64[3]) {
    v1: f64[3] = sin(v0)
    v2: f64[3] = cos(v1)
    v3: f64[3] = exp(v0)
    return v3
  })");
  EXPECT_EQ(optimised(p, {"dce"}).size(), 1u);
  EXPECT_EQ(optimised(p, {"dce"}).inputs().size(), 1u);
}
TEST(PassDead, carries_and_stacked_results_of_loops_that_nobody_asks_for) {
  auto f = [](const Tensor& v) {
    auto [c, ys] = ft::scan(
        [](const auto& c, const Tensor& a) {
          auto& [x, y, z] = c;  // x needs y, nobody needs z
          return std::pair{std::tuple{x * y + a, ft::sin(y), ft::cos(z) + x}, std::tuple{ft::exp(x), y}};
        },
        std::tuple{ft::tensor(0.5, ft::f64), ft::tensor(0.2, ft::f64), ft::tensor(0.1, ft::f64)}, v);
    return std::get<0>(c);
  };
  Program p = ft::make_fx(f)(some({4})), q = optimised(p, {"dce"});
  EXPECT_EQ(count(p, "cos") + count(p, "exp"), 2u);
  EXPECT_EQ(count(q, "cos") + count(q, "exp"), 0u) << q;
  EXPECT_EQ(count(q, "sin"), 1u);
  EXPECT_EQ(optimised_differs(p, {some({4})}, 0), "");
  auto w = [](const Tensor& v) {
    auto c = ft::while_loop([](const auto& c) { return std::get<1>(c) < 3; },
                            [](const auto& c) {
                              auto& [x, k, z] = c;
                              return std::tuple{x * 0.5, k + 1, ft::cos(z) + x};
                            },
                            std::tuple{v, 0, v});
    return std::get<0>(c);
  };
  p = ft::make_fx(w)(some({4})), q = optimised(p, {"dce"});
  EXPECT_EQ(count(p, "cos"), 1u);
  EXPECT_EQ(count(q, "cos"), 0u) << q;
  EXPECT_EQ(optimised_differs(p, {some({4})}, 0), "");
}
TEST(PassDead, results_and_operands_of_branches) {
  auto f = [](const Tensor& v, const Tensor& w) {
    auto r = ft::cond(
        ft::sum(v) > 0.0,
        [](const Tensor& a, const Tensor& b) {
          return std::pair{ft::sin(a), ft::cos(b)};
        },
        [](const Tensor& a, const Tensor& b) {
          return std::pair{a, b};
        },
        v, ft::exp(w));
    return r.first;
  };
  Program p = ft::make_fx(f)(some({4}), some({4})), q = optimised(p, {"dce"});
  EXPECT_EQ(count(q, "cos") + count(q, "exp"), 0u) << q;
  EXPECT_EQ(optimised_differs(p, {some({4}), some({4})}, 0), "");
}
TEST(PassDead, effects_stay_in_order) {
  std::vector<std::string> lines;
  auto f = [](const Tensor& v) {
    (void)ft::fori_loop(
        0, 2,
        [](const Tensor& i, const Tensor& c) {
          ft::debug::print("step {}", i);
          return c;
        },
        ft::sin(v));
    ft::debug::print("first {}", ft::sum(v));
    ft::debug::print("first {}", ft::sum(v));
    return ft::cos(v);
  };
  Program p = ft::make_fx(f)(ft::zeros({2}, ft::f64)), q = optimised(p);
  ft::debug::set_sink([&](const std::string& s) { lines.push_back(s); });
  (void)q({ft::zeros({2}, ft::f64)});
  auto after = std::exchange(lines, {});
  (void)p({ft::zeros({2}, ft::f64)});
  ft::debug::set_sink(nullptr);
  EXPECT_EQ(after, lines);
  EXPECT_EQ(after.size(), 4u);
}

// ---------------------------------------------------------------- equal values
TEST(PassEqual, four_equal_sums_lose_three) {  // behaviour 46
  auto f = [](const Tensor& v) { return ft::sum(v) + ft::sum(v) + ft::sum(v) + ft::sum(v); };
  Program p = ft::make_fx(f)(some({3}));
  EXPECT_EQ(count(p, "reduce_sum"), 4u);
  EXPECT_EQ(count(optimised(p, {"cse"}), "reduce_sum"), 1u);
  EXPECT_EQ(optimised_differs(p, {some({3})}, 0), "");
}
TEST(PassEqual, operands_parameters_and_literals_decide) {
  Program p = Program::parse(R"(program(v0: f64[3], v1: f64[3]) {
    v2: f64[3] = mul(v0, 2.0:f64)
    v3: f64[3] = mul(2.0:f64, v0)
    v4: f64[3] = mul(v0, 2.5:f64)
    v5: f64[3] = add(v0, 0.0:f64)
    v6: f64[3] = add(v0, -0.0:f64)
    v7: f64[3] = sub(v0, v1)
    v8: f64[3] = sub(v1, v0)
    v9: f64[] = reduce_sum(v0) {dims=[0]}
    v10: f64[] = reduce_max(v0) {dims=[0]}
    v11: f64[3] = sin(v2)
    v12: f64[3] = sin(v3)
    return v2, v3, v4, v5, v6, v7, v8, v9, v10, v11, v12
  })");
  Program q = optimised(p, {"cse"});
  EXPECT_EQ(q.size(), p.size() - 2) << q;  // the product in the other order, and its sine
  EXPECT_EQ(q.outputs()[0].name, q.outputs()[1].name);
  EXPECT_EQ(q.outputs()[9].name, q.outputs()[10].name);
}
TEST(PassEqual, bodies_effects_draws_and_barriers) {
  Program p = Program::parse(R"(program(v0: f64[3]) {
    v1: u32[3] = draw_bits() {shape=[3] dtype=u32 pairs=false}
    v2: u32[3] = draw_bits() {shape=[3] dtype=u32 pairs=false}
    v3: f64[3] = barrier(v0) {n=1}
    v4: f64[3] = barrier(v0) {n=1}
    v5: f64[3] = sin(v3)
    v6: f64[3] = sin(v4)
    v7: f64[3] = add(v5, v6)
    return v1, v2, v7
  })");
  EXPECT_EQ(optimised(p, {"cse"}).size(), p.size());
  EXPECT_EQ(count(optimised(p), "draw_bits"), 2u);
  EXPECT_EQ(count(optimised(p), "sin"), 2u);
  Program body = ft::make_fx([](const Tensor& v) {
    return ft::scan([](const Tensor& c, const Tensor& a) { return std::pair{ft::sin(c) + ft::sin(c) * a, c}; }, ft::tensor(0.5, ft::f64), v).first;
  })(some({4}));
  EXPECT_EQ(count(body, "sin"), 2u);
  EXPECT_EQ(count(optimised(body, {"cse"}), "sin"), 1u);
}

// ---------------------------------------------------------------- loops
TEST(PassHoist, invariant_work_leaves_scans_and_whiles) {
  Tensor w = some({3, 3});
  auto f = [&](const Tensor& v) {
    return ft::scan(
               [&](const Tensor& c, const Tensor& a) {
                 return std::pair{ft::tanh(ft::matmul(ft::matmul(w, w), c)) + a * ft::exp(v[0]), c};
               },
               v, ft::stack({v, v + 1.0, v * 2.0}))
        .first;
  };
  Program p = ft::make_fx(f)(some({3})), q = optimised(p, {"inline", "hoist", "dce"});
  auto body = [](const Program& x) {
    for (auto& e : x.ir()->eqns)
      if (auto inner = ft::core::inner_programs(e); !inner.empty()) return Program(inner[0]);
    return Program();
  };
  EXPECT_EQ(count(body(p), "dot_general"), 2u);
  EXPECT_EQ(count(body(q), "dot_general"), 1u) << q;
  EXPECT_EQ(count(body(q), "exp"), 0u);
  EXPECT_EQ(count(q, "exp"), 1u);
  EXPECT_EQ(optimised_differs(p, {some({3})}, 1e-14), "");
  auto g = [&](const Tensor& v, const Tensor& u) {
    return ft::while_loop([&](const Tensor& c) { return ft::sum(c) < ft::sum(ft::sin(u)) + 9.0; }, [&](const Tensor& c) { return c + ft::exp(u); },
                          v);
  };
  p = ft::make_fx(g)(some({3}), some({3}));
  q = optimised(p, {"inline", "hoist", "dce"});
  const auto& last = q.ir()->eqns.back();
  for (auto& inner : ft::core::inner_programs(last)) EXPECT_EQ(count(Program(inner), "exp") + count(Program(inner), "sin"), 0u) << q;
  EXPECT_EQ(optimised_differs(p, {some({3}), some({3})}, 1e-14), "");
}
TEST(PassHoist, what_does_not_change_is_no_carry_no_slice_and_no_stack) {
  Program p = Program::parse(R"(program(v0: f64[3], v1: f64[], v2: f64[3]) {
    v3: f64[4, 3] = broadcast_in_dim(v2) {shape=[4, 3] dims=[1]}
    v4: f64[3], v5: f64[], v6: f64[4, 3], v7: f64[4, 3], v8: f64[4] = scan(v0, v0, v1, v3, v3) {body=program(v0: f64[3], v1: f64[3], v2: f64[], v3: f64[3], v4: f64[3]) {
      v5: f64[3] = mul(v1, v3)
      v6: f64[3] = add(v5, v4)
      v7: f64[3] = sin(v0)
      v8: f64[3] = mul(v6, v2)
      return v8, v2, v7, v8, v2
    } n_const=1 n_carry=2 length=4 reverse=false counted=false unroll=1}
    return v4, v5, v6, v7, v8
  })");
  Program q = optimised(p, {"hoist", "dce"});
  ASSERT_EQ(count(q, "scan"), 1u);
  for (auto& e : q.ir()->eqns)
    if (std::string(e.prim->name) == "scan") {
      auto body = ft::core::inner_programs(e)[0];
      EXPECT_EQ(body->inputs.size(), 3u) << q;  // the slice that is one at every step, the number, the carry
      EXPECT_EQ(body->outputs.size(), 2u);
      EXPECT_EQ(count(Program(body), "sin"), 0u);
    }
  EXPECT_EQ(optimised_differs(p, {some({3}), Tensor(0.5), some({3})}, 0), "");
}
TEST(PassHoist, values_stacked_twice_are_stacked_once_and_a_while_keeps_no_carry_that_stays) {
  Program p = Program::parse(R"(program(v0: f64[3], v1: f64[4, 3]) {
    v2: f64[3], v3: f64[4, 3], v4: f64[4, 3] = scan(v0, v1) {body=program(v0: f64[3], v1: f64[3]) {
      v2: f64[3] = mul(v0, v1)
      return v2, v2, v2
    } n_const=0 n_carry=1 length=4 reverse=false counted=false unroll=1}
    return v2, v3, v4
  })");
  Program q = optimised(p, {"hoist", "dce"});
  EXPECT_EQ(q.ir()->eqns.back().n_out, 2u) << q;
  EXPECT_EQ(optimised_differs(p, {some({3}), some({4, 3})}, 0), "");
  auto f = [](const Tensor& v, const Tensor& w) {
    return ft::while_loop([](const auto& c) { return ft::sum(std::get<0>(c)) < ft::sum(ft::exp(std::get<1>(c))); },
                          [](const auto& c) {
                            return std::tuple{std::get<0>(c) + ft::exp(std::get<1>(c)), std::get<1>(c)};
                          },
                          std::tuple{v, w});
  };
  p = ft::make_fx(f)(some({3}), some({3}));
  q = optimised(p, {"hoist", "dce"});
  for (auto& e : q.ir()->eqns)
    for (auto& inner : ft::core::inner_programs(e)) EXPECT_EQ(count(Program(inner), "exp"), 0u) << q;
  EXPECT_EQ(optimised_differs(p, {some({3}), some({3})}, 1e-14), "");
}
TEST(PassDead, a_branch_result_that_is_the_same_operand_everywhere) {
  auto f = [](const Tensor& v, const Tensor& w) {
    return ft::cond(
        ft::sum(v) > 0.0,
        [](const Tensor& a, const Tensor& b) {
          return std::tuple{ft::sin(a), b, a};
        },
        [](const Tensor&, const Tensor& b) {
          return std::tuple{b, b, ft::cos(b)};
        },
        v, w);
  };
  Program p = ft::make_fx(f)(some({4}), some({4})), q = optimised(p, {"dce"});
  EXPECT_EQ(q.ir()->eqns.back().n_out, 2u) << q;
  EXPECT_EQ(optimised_differs(p, {some({4}), some({4})}, 0), "");
}
TEST(PassSink, numbers_and_repeated_values_go_into_bodies) {
  Program p = Program::parse(R"(program(v0: f64[], v1: f64[4, 3], v2: bool[]) {
    v3: f64[3] = broadcast_in_dim(v0) {shape=[3] dims=[]}
    v4: f64[3] = broadcast_in_dim(2.0:f64) {shape=[3] dims=[]}
    v5: f64[3], v6: f64[4, 3] = scan(0.5:f64, v3, v4, v3, v1) {body=program(v0: f64[], v1: f64[3], v2: f64[3], v3: f64[3], v4: f64[3]) {
      v5: f64[3] = mul(v1, v4)
      v6: f64[3] = mul(v5, v2)
      v7: f64[3] = mul(v6, v0)
      v8: f64[3] = add(v7, v3)
      return v8, v6
    } n_const=3 n_carry=1 length=4 reverse=false counted=false unroll=1}
    v7: f64[3] = cond(v2, v5, 3.0:f64, v3) {branches=(program(v0: f64[3], v1: f64[], v2: f64[3]) {
      v3: f64[3] = mul(v0, v1)
      return v3
    }, program(v0: f64[3], v1: f64[], v2: f64[3]) {
      v3: f64[3] = mul(v2, v1)
      return v3
    })}
    return v5, v6, v7
  })");
  Program q = optimised(p, {"sink", "simplify", "dce"});
  for (auto& e : q.ir()->eqns)
    for (auto& inner : ft::core::inner_programs(e)) EXPECT_LE(count(Program(inner), "broadcast_in_dim"), 1u) << q;
  EXPECT_EQ(count(q, "scan") + count(q, "cond"), 2u);
  for (auto& e : q.ir()->eqns)
    if (std::string(e.prim->name) == "scan") EXPECT_EQ(e.n_in, 3u) << q;  // the number, the carry, the slices
  EXPECT_EQ(optimised_differs(p, {Tensor(0.7), some({4, 3}), ft::tensor(true)}, 0), "");
}
TEST(PassHoist, loops_that_may_make_no_step_keep_what_may_not_end) {
  auto f = [](const Tensor& n, const Tensor& v) {
    return ft::fori_loop(0, n,
                         [&](const Tensor&, const Tensor& c) {
                           Tensor endless = ft::while_loop([&](const Tensor& u) { return ft::sum(u) < ft::sum(v); },
                                                           [](const Tensor& u) { return u * 0.5; }, v - 1.0);
                           return c + endless;
                         },
                         v, {.max_steps = 3});
  };
  Program p = ft::make_fx(f)(ft::tensor(0), some({3})), q = optimised(p);
  expect_close(q({ft::tensor(0), some({3})})[0], some({3}), 0);
}
TEST(PassHoist, effects_and_cheap_values_stay) {
  auto f = [](const Tensor& v) {
    return ft::scan(
               [&](const Tensor& c, const Tensor& a) {
                 ft::debug::print("x");
                 return std::pair{c * ft::sum(ft::arange(0, 3, 1, ft::f64)) + a, c};
               },
               ft::tensor(1.0, ft::f64), v)
        .first;
  };
  Program p = ft::make_fx(f)(some({4})), q = optimised(p, {"hoist"});
  for (auto& e : q.ir()->eqns)
    if (auto inner = ft::core::inner_programs(e); !inner.empty()) EXPECT_EQ(count(Program(inner[0]), "debug_print"), 1u);
}
TEST(Passes, of_a_scan_and_its_gradient_keep_values_each_alone) {
  Tensor w = some({3, 3});
  auto loss = [&](const Tensor& v, const Tensor& xs) {
    return ft::sum(ft::scan(
                       [&](const Tensor& c, const Tensor& a) {
                         return std::pair{ft::tanh(ft::matmul(w, c) + a), ft::exp(c) * v};
                       },
                       v, xs)
                       .second);
  };
  Program p = ft::make_fx(ft::grad(loss))(some({3}), some({5, 3}));
  for (auto& pass : fc::passes()) {
    EXPECT_EQ(optimised_differs(p, {some({3}), some({5, 3})}, 1e-13, {pass.name}), "") << "without " << pass.name;
    Program q = optimised(p, {pass.name});
    expect_close(q({some({3}), some({5, 3})})[0], p({some({3}), some({5, 3})})[0], 1e-13);
  }
}

// ---------------------------------------------------------------- size
TEST(Passes, a_chain_of_a_million_equations) {  // behaviour 43
  const int n = 1000000;
  Program p = ft::make_fx([&](const Tensor& v) {
    Tensor x = v;
    for (int i = 0; i < n / 2; ++i) x = ft::prims::mul(ft::prims::sin(x), v);
    return x;
  })(ft::tensor(0.5, ft::f64));
  ASSERT_EQ(p.size(), static_cast<std::size_t>(n));
  auto start = std::chrono::steady_clock::now();
  fc::PassReport r;
  auto q = fc::optimize(p.ir(), {}, &r);
  double s = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  EXPECT_LT(s, 30);
  for (auto& l : r.lines) EXPECT_LT(l.ms, 10000) << l.name;
  EXPECT_EQ(q->eqns.size(), static_cast<std::size_t>(n));
}
