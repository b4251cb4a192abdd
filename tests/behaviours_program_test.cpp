// What jit, Programs, custom rules and escaped values must get right, clause by clause; each name says what it holds.
#include <gtest/gtest.h>

#include <pthread.h>

#include <cmath>
#include <functional>
#include <map>
#include <thread>

#include "functra/core/ir.h"
#include "functra/functra.h"
#include "support/close.h"
#include "support/counter.h"

namespace ft = functra;
using ft::Tensor;

namespace {

Tensor of(double v) { return ft::tensor(v, ft::f64); }
Tensor some(const ft::Shape& s) { return ft::sin(ft::arange(0, s.numel(), 1, ft::f64) * 1.3 + 0.4).reshape(s); }
template <class E> std::string message(auto f) {
  try {
    f();
  } catch (const E& e) { return e.what(); }
  return "nothing was thrown";
}

// ---------------------------------------------------------------- values that escape
// Everything that may meet an escaped tensor; each must raise.
std::vector<std::pair<std::string, std::function<void(const Tensor&)>>> uses() {
  auto x = [] { return ft::ones({2}); };
  return {{"arithmetic", [](const Tensor& t) { (void)(t + 1.0); }},
          {"a function", [](const Tensor& t) { (void)ft::sin(t); }},
          {"a conversion", [](const Tensor& t) { (void)t.to(ft::f16); }},
          {"a list",
           [](const Tensor& t) {
             (void)ft::stack({t, t});
           }},
          {"item", [](const Tensor& t) { (void)t.item<double>(); }},
          {"if", [](const Tensor& t) { (void)static_cast<bool>(t); }},
          {"to_vector", [](const Tensor& t) { (void)t.to_vector<double>(); }},
          {"allclose", [](const Tensor& t) { (void)ft::allclose(t, t); }},
          {"in-place syntax", [](Tensor t) { t += 1; }},
          {"grad that closes over it", [x](const Tensor& t) { ft::grad([&](const Tensor& v) { return ft::sum(v * t); })(x()); }},
          {"vmap that closes over it", [x](const Tensor& t) { ft::vmap([&](const Tensor& v) { return v * t; })(x()); }},
          {"jit that closes over it", [x](const Tensor& t) { ft::jit([&](const Tensor& v) { return v * t; })(x()); }},
          {"make_fx that closes over it", [x](const Tensor& t) { ft::make_fx([&](const Tensor& v) { return v * t; })(x()); }},
          {"grad that returns it", [](const Tensor& t) { ft::grad([&](const Tensor&) { return t; })(of(1)); }},
          {"grad with it as aux", [](const Tensor& t) { ft::grad(ft::has_aux, [&](const Tensor& v) {
                                                          return std::pair{v, t};
                                                        })(of(1)); }},
          {"jvp that returns it", [x](const Tensor& t) { ft::jvp([&](const Tensor&) { return t; }, x(), x()); }},
          {"jvp with it as aux",
           [x](const Tensor& t) {
             ft::jvp(
                 ft::has_aux,
                 [&](const Tensor& v) {
                   return std::pair{v, t};
                 },
                 x(), x());
           }},
          {"vjp that returns it", [x](const Tensor& t) { ft::vjp([&](const Tensor&) { return t; }, x()); }},
          {"linearize that returns it", [x](const Tensor& t) { ft::linearize([&](const Tensor&) { return t; }, x()); }},
          {"vmap that returns it", [x](const Tensor& t) { ft::vmap([&](const Tensor&) { return t; })(x()); }},
          {"jit that returns it", [x](const Tensor& t) { ft::jit([&](const Tensor&) { return t; })(x()); }},
          {"make_fx that returns it", [x](const Tensor& t) { ft::make_fx([&](const Tensor&) { return t; })(x()); }},
          {"grad at it", [](const Tensor& t) { ft::grad([](const Tensor& v) { return v; })(t); }},
          {"vmap over it", [](const Tensor& t) { ft::vmap([](const Tensor& v) { return v; }, {.in_dims = ft::none, .axis_size = 2})(t); }},
          {"jit at it", [](const Tensor& t) { ft::jit([](const Tensor& v) { return v; })(t); }},
          {"a pullback of it", [](const Tensor& t) { ft::vjp([](const Tensor& v) { return v; }, of(1)).second(t); }},
          {"a pushforward of it", [](const Tensor& t) { ft::linearize([](const Tensor& v) { return v; }, of(1)).second(t); }},
          {"jvp along it", [](const Tensor& t) { ft::jvp([](const Tensor& v) { return v; }, of(1), t); }},
          {"a custom rule over it",
           [x](const Tensor& t) {
             auto f = [&](const Tensor& v) { return v * t; };
             ft::grad([&](const Tensor& v) {
               return ft::sum(ft::custom_jvp(f, [&](auto p, auto d) { return std::pair{f(std::get<0>(p)), std::get<0>(d)}; })(v));
             })(x());
           }},
          {"a Program of it", [](const Tensor& t) { ft::make_fx([](const Tensor& v) { return v * 2.0; })(of(1))({t}); }}};
}
struct Leak {
  const char *transform, *origin;  // the origin as messages name it
  std::function<Tensor()> make;
};
std::vector<Leak> leaks() {
  Tensor x = some({2});
  auto through = [](auto run) {
    return [run] {
      Tensor leaked;
      run(leaked);
      return leaked;
    };
  };
  return {
      {"grad", "a differentiated value (grad, vjp or jvp)",
       through([](Tensor& l) { ft::grad([&](const Tensor& v) { return l = v * 2.0; })(of(1)); })},
      {"jvp", "a differentiated value (grad, vjp or jvp)",
       through([](Tensor& l) { ft::jvp([&](const Tensor& v) { return l = v * 2.0; }, of(1), of(1)); })},
      {"vjp", "a differentiated value (grad, vjp or jvp)", through([](Tensor& l) { ft::vjp([&](const Tensor& v) { return l = v * 2.0; }, of(1)); })},
      {"linearize", "a differentiated value (grad, vjp or jvp)",
       through([](Tensor& l) { ft::linearize([&](const Tensor& v) { return l = v * 2.0; }, of(1)); })},
      {"vmap", "a batched value (vmap)", through([x](Tensor& l) { ft::vmap([&](const Tensor& v) { return l = v * 2.0; })(x); })},
      {"jit", "a recorded value (jit, make_fx or linearize)",
       through([](Tensor& l) { ft::jit([&](const Tensor& v) { return l = v * 2.0; })(of(1)); })},
      {"make_fx", "a recorded value (jit, make_fx or linearize)",
       through([](Tensor& l) { ft::make_fx([&](const Tensor& v) { return l = v * 2.0; })(of(1)); })},
      {"grad in vmap", "a differentiated value (grad, vjp or jvp)",
       through([x](Tensor& l) { ft::vmap(ft::grad([&](const Tensor& v) { return l = v * 2.0; }))(x); })}};
}
TEST(BehaviourEscape, a_tensor_of_a_finished_transform_raises_with_its_origin_wherever_it_is_used) {
  for (const Leak& leak : leaks()) {
    Tensor t = leak.make();
    for (auto& [name, use] : uses()) {
      std::string m = message<ft::TracerError>([&, &use = use] { use(t); });
      EXPECT_NE(m.find(leak.origin), std::string::npos) << name << " of a value of " << leak.transform << ": " << m;
      EXPECT_NE(m.find("has finished or runs on another thread; return it"), std::string::npos) << name << " of " << leak.transform << ": " << m;
    }
    EXPECT_EQ(functra::core::current, nullptr);
  }
}
TEST(BehaviourEscape, a_tensor_of_another_threads_transform_raises_with_its_origin_wherever_it_is_used) {
  ft::grad([&](const Tensor& v) {
    Tensor t = v * 2.0;
    std::thread([&] {
      for (auto& [name, use] : uses()) {
        std::string m = message<ft::TracerError>([&, &use = use] { use(t); });
        EXPECT_NE(m.find("a differentiated value (grad, vjp or jvp)"), std::string::npos) << name << ": " << m;
      }
    }).join();
    return t;
  })(of(1));
}
TEST(BehaviourEscape, an_inner_transforms_tensor_used_by_the_outer_one_raises) {
  Tensor x = some({2}), inner;
  auto leak = [&](const Tensor& v) {
    ft::vmap([&](const Tensor& u) { return inner = u * v; })(x);
    return inner * v;
  };
  EXPECT_NE(message<ft::TracerError>([&] { ft::grad(leak)(of(1)); }).find("a batched value (vmap)"), std::string::npos);
}
TEST(BehaviourEscape, an_escaped_tensor_still_prints) {
  for (const Leak& leak : leaks()) {
    std::string s = ft::to_string(leak.make());
    EXPECT_TRUE(s.find("Tracer(") != s.npos || s.find("BatchedTensor(") != s.npos) << leak.transform << ": " << s;
  }
}

// ---------------------------------------------------------------- custom_vjp
// x^2 with a backward rule that is recognisably not its derivative: three times as much.
auto tripled() {
  return ft::custom_vjp([](const Tensor& x) { return x * x; },
                        [](const Tensor& x) {
                          return std::pair{x * x, x};
                        },
                        [](const Tensor& x, const Tensor& ct) { return 6 * x * ct; });
}
TEST(BehaviourCustom, a_custom_vjp_rule_is_used_under_vmap_and_jit_in_any_order) {
  auto f = tripled();
  Tensor xs = some({3});
  expect_close(f(xs), xs * xs, 0);
  expect_close(ft::grad(f)(of(2)), of(12));
  expect_close(ft::vmap(ft::grad(f))(xs), xs * 6.0);
  expect_close(ft::grad([&](const Tensor& x) { return ft::sum(ft::vmap(f)(x)); })(xs), xs * 6.0);
  expect_close(ft::grad(ft::jit(f))(of(2)), of(12));
  expect_close(ft::jit(ft::grad(f))(of(2)), of(12));
  expect_close(ft::jit(ft::vmap(ft::grad(ft::jit(f))))(xs), xs * 6.0);
  expect_close(ft::vmap(ft::jit(ft::grad(f)))(xs), xs * 6.0);
  expect_close(ft::jacrev(f)(xs), ft::eye(3, ft::f64) * xs * 6.0);
  expect_close(ft::jvp(f, xs, ft::ones({3}, ft::f64)).second, xs * 6.0);  // by transposing the linear backward rule
}
TEST(BehaviourCustom, a_custom_vjp_rule_is_differentiated_at_second_order_under_vmap_and_jit) {
  auto f = tripled();
  Tensor xs = some({3});
  expect_close(ft::grad(ft::grad(f))(of(2)), of(6));
  expect_close(ft::hessian(f)(of(2)), of(6));
  expect_close(ft::jacrev(ft::jacrev(f))(of(2)), of(6));
  expect_close(ft::vmap(ft::hessian(f))(xs), ft::full({3}, 6.0, ft::f64));
  expect_close(ft::vmap(ft::grad(ft::grad(f)))(xs), ft::full({3}, 6.0, ft::f64));
  expect_close(ft::jit(ft::hessian(ft::jit(f)))(of(2)), of(6));
  expect_close(ft::jit(ft::vmap(ft::grad(ft::grad(ft::jit(f)))))(xs), ft::full({3}, 6.0, ft::f64));
  expect_close(ft::hvp([&](const Tensor& x) { return ft::sum(f(x)); }, xs, xs), xs * 6.0);
  EXPECT_EQ(double(ft::grad(ft::grad(ft::grad(f)))(of(2))), 0.0);
}
TEST(BehaviourCustom, a_rule_that_is_not_linear_in_its_cotangent_works_in_reverse_and_is_a_clear_error_forward) {
  auto clipped = ft::custom_vjp([](const Tensor& x) { return x * x; },
                                [](const Tensor& x) {
                                  return std::pair{x * x, x};
                                },
                                [](const Tensor& x, const Tensor& ct) { return ft::clamp(2 * x * ct, -1.0, 1.0); });
  expect_close(ft::grad([&](const Tensor& x) { return clipped(x) * 3.0; })(of(0.1)), of(0.6));
  expect_close(ft::grad(clipped)(of(3)), of(1));
  expect_close(ft::grad(ft::grad(clipped))(of(0.1)), of(2));
  EXPECT_NE(message<ft::MissingRuleError>([&] {
              ft::jvp(clipped, of(3), of(1));
            }).find("custom_vjp: forward-mode derivatives need a backward rule that is linear"),
            std::string::npos);
}
TEST(BehaviourCustom, closing_over_an_outer_tensor_works_or_is_an_error_never_a_silent_zero) {
  auto make = [](const Tensor& w) {
    return ft::custom_vjp([w](const Tensor& x) { return w * x * x; },
                          [w](const Tensor& x) {
                            return std::pair{w * x * x, x};
                          },
                          [w](const Tensor& x, const Tensor& ct) { return 2 * w * x * ct; });
  };
  Tensor x = some({3}), w = some({3}) + 2.0;
  auto inner = [&](const Tensor& v) { return ft::grad([&](const Tensor& u) { return ft::sum(make(v)(u)); })(x); };
  expect_close(inner(w), w * x * 2.0);                                     // a constant
  expect_close(ft::vmap(inner)(ft::stack({w, w * 2.0}))[1], w * x * 4.0);  // a batched value
  expect_close(ft::jit(inner)(w), w * x * 2.0);                            // a recorded value
  expect_close(ft::jacrev(inner)(w), ft::eye(3, ft::f64) * x * 2.0);       // an outer gradient: the inner rule is plain code to it
  std::string m = message<ft::ValueError>([&] { ft::grad([&](const Tensor& v) { return ft::sum(make(v)(x)); })(w); });
  EXPECT_EQ(m,
            "custom_vjp: the function or its rule closes over a tensor that is being differentiated, and the rule says nothing about it; pass that "
            "tensor as an argument");
  EXPECT_EQ(m, message<ft::ValueError>([&] { ft::jvp([&](const Tensor& v) { return make(v)(x); }, w, w); }));
  EXPECT_EQ(m, message<ft::ValueError>([&] { ft::grad(ft::jit([&](const Tensor& v) { return ft::sum(make(v)(x)); }))(w); }));
  EXPECT_EQ(m, message<ft::ValueError>([&] { ft::vmap(ft::grad([&](const Tensor& v) { return ft::sum(make(v)(x)); }))(ft::stack({w, w})); }));
  // Captured by one of the rules alone.
  auto by_rule = [&](const Tensor& v) {
    auto f = ft::custom_vjp([](const Tensor& u) { return u * u; },
                            [](const Tensor& u) {
                              return std::pair{u * u, u};
                            },
                            [&](const Tensor& u, const Tensor& ct) { return v * u * ct; });
    return ft::sum(f(x));
  };
  EXPECT_EQ(m, message<ft::ValueError>([&] { ft::grad(by_rule)(w); }));
  auto jvp_rule = [&](const Tensor& v) {
    auto f = ft::custom_jvp([](const Tensor& u) { return u * u; },
                            [&](auto p, auto t) {
                              return std::pair{std::get<0>(p) * std::get<0>(p), v * std::get<0>(t)};
                            });
    return ft::sum(f(x));
  };
  EXPECT_NE(message<ft::ValueError>([&] { ft::grad(jvp_rule)(w); }).find("custom_jvp: the function or its rule closes over"), std::string::npos);
}
TEST(BehaviourCustom, a_rule_that_returns_the_wrong_shape_dtype_or_structure_names_the_path) {
  struct Q {
    Tensor a, b;
  };
  Q q{some({2}), some({2})};
  auto vjp = [&](auto bwd) {
    auto f = ft::custom_vjp([](const Tensor&, const Q& p) { return ft::sum(p.a * p.b); },
                            [](const Tensor&, const Q& p) {
                              return std::pair{ft::sum(p.a * p.b), p};
                            },
                            bwd);
    return [f, q] { ft::grad<1>(f)(of(1), q); };
  };
  EXPECT_EQ(message<ft::ShapeError>(vjp([](const Q& p, const Tensor& ct) {
              return std::tuple{ft::none, Q{p.b * ct, ct}};
            })),
            "custom_vjp: the cotangent of argument 1 at b has shape [], expected [2]");
  EXPECT_EQ(message<ft::DTypeError>(vjp([](const Q& p, const Tensor& ct) {
              return std::tuple{ft::none, Q{p.b * ct, ft::ones({2})}};
            })),
            "custom_vjp: the cotangent of argument 1.b has type f32[2], expected f64[2]; convert it with to()");
  struct Out {
    Tensor y;
    std::vector<Tensor> list;
  };
  auto jvp = [&](auto rule) {
    auto f = ft::custom_jvp([](const Tensor& x) { return Out{x, {x, x}}; }, rule);
    return [f] { ft::grad([&](const Tensor& x) { return ft::sum(f(x).y); })(some({2})); };
  };
  auto value = [](auto& p) { return Out{std::get<0>(p), {std::get<0>(p), std::get<0>(p)}}; };
  EXPECT_EQ(message<ft::ShapeError>(jvp([=](auto p, auto t) {
              return std::pair{value(p), Out{std::get<0>(t), {std::get<0>(t), ft::sum(std::get<0>(t))}}};
            })),
            "custom_jvp: the tangent at list[1] has shape [], expected [2]");
  EXPECT_EQ(message<ft::StructureError>(jvp([=](auto p, auto t) {
              return std::pair{value(p), Out{std::get<0>(t), {std::get<0>(t)}}};
            })),
            "custom_jvp: the tangent has the structure {y: *, list: [*]}, expected {y: *, list: [*, *]}");
  EXPECT_EQ(message<ft::DTypeError>(jvp([=](auto p, auto t) {
              return std::pair{value(p), Out{std::get<0>(t), {std::get<0>(t), std::get<0>(t).to(ft::f32)}}};
            })),
            "custom_jvp: the tangent at list[1] has type f32[2], expected f64[2]; convert it with to()");
  EXPECT_EQ(message<ft::ShapeError>(jvp([=](auto p, auto t) {
              Out y = value(p);
              y.list[0] = ft::sum(y.y);
              return std::pair{y, Out{std::get<0>(t), {ft::sum(std::get<0>(t)), std::get<0>(t)}}};
            })),
            "custom_jvp: the rule's value at list[0] has type f64[], expected f64[2]");
  auto forward = [&] {
    auto f = ft::custom_vjp(
        [](const Tensor& x) {
          return Out{x, {x}};
        },
        [](const Tensor& x) {
          return std::pair{Out{x, {ft::sum(x)}}, x};
        },
        [](const Tensor& x, const Out&) { return x; });
    ft::grad([&](const Tensor& x) { return ft::sum(f(x).y); })(some({2}));
  };
  EXPECT_EQ(message<ft::ShapeError>(forward), "custom_vjp: the forward rule's value at list[0] has type f64[], expected f64[2]");
}

// ---------------------------------------------------------------- the cache of compiled functions
TEST(BehaviourJit, the_same_shapes_hit_the_cache_and_a_new_dtype_shape_static_value_or_tree_misses) {
  int traces = 0;
  auto f = ft::jit([&](const std::vector<Tensor>& v, double k, const std::string& how) {
    ++traces;
    return how == "sum" ? ft::sum(v[0]) * k : v[0] * k;
  });
  Tensor x = some({3});
  auto expect = [&](int n, const std::vector<Tensor>& v, double k, const std::string& how) {
    f(v, k, how);
    f(v, k, how);
    EXPECT_EQ(traces, n);
    EXPECT_EQ(f.cache_size(), static_cast<std::size_t>(n));
  };
  expect(1, {x}, 2, "sum");
  expect(1, {x + 1.0}, 2, "sum");
  expect(2, {x.to(ft::f32)}, 2, "sum");  // dtype
  expect(3, {some({4})}, 2, "sum");      // shape
  expect(4, {some({3, 1})}, 2, "sum");   // rank
  expect(5, {x}, 3, "sum");              // a static number
  expect(6, {x}, 2, "mul");              // a static text
  expect(7, {x, x}, 2, "sum");           // the tree
  expect(8, {2.0}, 2, "sum");            // a number instead of a tensor
  expect(9, {of(2)}, 2, "sum");
  expect(10, {x}, -0.0, "sum");  // floats by their bits
  expect(11, {x}, 0.0, "sum");
  expect(11, {x}, 2, "sum");  // and all of them are still there
}
TEST(BehaviourJit, entries_belong_to_the_default_dtype_they_were_traced_under) {
  auto f = ft::jit([](const Tensor& x) { return ft::zeros({2}) + x * 1.5; });
  EXPECT_EQ(f(2.0).dtype(), ft::f32);
  ft::set_default_dtype(ft::f64);
  ft::DType wide = f(2.0).dtype();
  ft::set_default_dtype(ft::f32);
  EXPECT_EQ(wide, ft::f64);
  EXPECT_EQ(f(2.0).dtype(), ft::f32);
  EXPECT_EQ(f.cache_size(), 2u);
}
// The Program that the only call in p holds.
ft::core::ProgramPtr held(const ft::Program& p) {
  std::vector<ft::core::ProgramPtr> inner;
  for (const auto& e : p.ir()->eqns) {
    ft::core::Params q = e.params;
    if (q.type) q.type->programs(q.value, inner);
  }
  return inner.size() == 1 ? inner[0] : nullptr;
}
TEST(BehaviourJit, a_fresh_lambda_of_the_same_text_is_traced_again_but_prepares_nothing_new) {
  int traces = 0;
  auto make = [&](double k) {
    return ft::jit([&, k](const Tensor& x) {
      ++traces;
      return ft::sin(x) * k;
    });
  };
  Tensor x = some({3});
  auto a = make(2), b = make(2), c = make(3);
  ft::Program pa = a.trace(x).program(), pb = b.trace(x).program(), pc = c.trace(x).program();
  EXPECT_EQ(traces, 3);
  EXPECT_EQ(pa.ir(), pb.ir());  // one Program, with what was derived from it
  EXPECT_NE(pa.ir(), pc.ir());
  auto derivative = [&](auto f) { return ft::make_fx([f](const Tensor& v) { return ft::jvp(f, v, v).second; })(x); };
  ASSERT_TRUE(held(derivative(a)));
  EXPECT_EQ(held(derivative(a)), held(derivative(b)));
}
TEST(BehaviourJit, derivatives_and_batches_of_a_compiled_function_are_made_once) {
  int traces = 0;
  auto f = ft::jit([&](const Tensor& x) {
    ++traces;
    return ft::sum(ft::sin(x) * x);
  });
  Tensor x = some({3}), xs = some({4, 3});
  auto twice = [&](auto g, const Tensor& v) {
    ft::Program p = ft::make_fx(g)(v), q = ft::make_fx(g)(v);
    ASSERT_TRUE(held(p));
    EXPECT_EQ(held(p), held(q));
  };
  twice([&](const Tensor& v) { return ft::jvp(f, v, v).second; }, x);
  twice(ft::vmap(f), xs);
  twice([&](const Tensor& v) { return ft::vmap([&](const Tensor& u) { return ft::jvp(f, u, u).second; })(v); }, xs);
  ft::grad(f)(x);
  ft::hessian(f)(x);
  ft::vmap(ft::grad(f))(xs);
  EXPECT_EQ(traces, 1);
}
TEST(BehaviourJit, closing_over_a_tensor_of_an_outer_transform_differentiates_and_batches_through_it) {
  Tensor x = some({3}), w = some({3}) + 1.0;
  auto f = [&](const Tensor& a) {
    auto inner = ft::jit([&](const Tensor& v) { return ft::sum(a * a * v); });
    return inner(x) * inner(a);  // (a^2 . x) (a^2 . a)
  };
  Tensor want = w * x * 2.0 * ft::sum(w * w * w) + w * w * 3.0 * ft::sum(w * w * x);
  expect_close(ft::grad(f)(w), want);
  expect_close(ft::jacfwd(f)(w), want);
  expect_close(ft::grad(ft::jit(f))(w), want);
  expect_close(ft::vmap(ft::grad(f))(ft::stack({w, w}))[1], want);
  expect_close(ft::hessian(f)(w), ft::jacrev(ft::grad(f))(w), 1e-12);
  // Two levels at once: a and b belong to different transforms.
  auto g = [](const Tensor& a) {
    return ft::grad([&](const Tensor& b) {
      auto h = ft::jit([&](const Tensor& v) { return v * a * b; });
      return h(a) * h(b);  // a^3 b^3
    })(a * 2.0);
  };
  expect_close(g(of(1.5)), of(12 * std::pow(1.5, 5)));
  expect_close(ft::grad(g)(of(1.5)), of(60 * std::pow(1.5, 4)));
  expect_close(ft::jit(ft::vmap(ft::grad(g)))(ft::tensor({1.5, 1.0}, ft::f64)), ft::tensor({303.75, 60.0}, ft::f64));
}
TEST(BehaviourJit, an_entry_with_a_captured_traced_tensor_serves_only_while_its_transform_lives) {
  int traces = 0;
  Tensor held = of(3);
  auto f = ft::jit([&](const Tensor& v) {
    ++traces;
    return v * held;
  });
  auto through = [&](const Tensor& a) {
    held = a;
    return f(of(2)) + f(of(5));
  };
  EXPECT_EQ(double(ft::grad(through)(of(4))), 7);
  EXPECT_EQ(traces, 1);
  EXPECT_EQ(double(ft::grad(through)(of(4))), 7);
  EXPECT_EQ(traces, 2);
  held = of(10);
  EXPECT_EQ(double(f(of(2))), 20);
  EXPECT_EQ(traces, 3);
}
TEST(BehaviourJit, forwarded_duplicated_unused_and_constant_results_are_right_under_every_transform) {
  Tensor c = some({2});
  auto f = [&](const Tensor& x, const Tensor&) {
    Tensor y = ft::sin(x);
    return std::tuple{x, y, y, c, Tensor(3.0), x};
  };
  auto fast = ft::jit(f);
  Tensor x = some({3}), unused = some({2});
  auto [a, b, d, e, n, again] = fast(x, unused);
  expect_close(a, x, 0);
  expect_close(b, ft::sin(x), 0);
  expect_close(d, b, 0);
  expect_close(e, c, 0);
  EXPECT_EQ(double(n), 3.0);
  expect_close(again, x, 0);
  auto total = [&](const Tensor& v, const Tensor& u) {
    auto [p, q, r, s, t, w] = fast(v, u);
    return ft::sum(p + q + r * 2.0 + w) + ft::sum(s) * t;
  };
  auto [gx, gu] = ft::grad<0, 1>(total)(x, unused);
  expect_close(gx, ft::cos(x) * 3.0 + 2.0);
  expect_close(gu, ft::zeros({2}, ft::f64), 0);
  auto [p, q, r, s, t, w] = ft::vmap(fast, {.in_dims = {0, ft::none}})(ft::stack({x, x * 2.0}), unused);
  expect_close(p[1], x * 2.0, 0);
  expect_close(r[1], ft::sin(x * 2.0));
  expect_close(s, c.expand({2, 2}), 0);
  expect_close(t, ft::full({2}, 3.0), 0);
  auto [y, ty] = ft::jvp([&](const Tensor& v) { return std::get<4>(fast(v, unused)); }, x, x);
  EXPECT_EQ(double(ty), 0.0);
}
TEST(BehaviourJit, undefined_leaves_pass_through) {
  struct Layer {
    Tensor w, bias;
  };
  auto f = [](const Layer& l) { return ft::sum(l.w * l.w); };
  Layer l{some({3}), {}}, g = ft::jit(ft::grad(f))(l), h = ft::grad(ft::jit(f))(l), same = ft::jit([](const Layer&k) { return k; })(l);
  expect_close(g.w, l.w * 2.0);
  expect_close(h.w, l.w * 2.0);
  expect_close(same.w, l.w, 0);
  for (const Layer& k : {g, h, same}) EXPECT_FALSE(k.bias.defined());
  auto call = ft::jit(ft::grad(f)).bind(l);
  expect_close(call(Layer{l.w * 2.0, {}}).w, l.w * 4.0);
  EXPECT_EQ(ft::make_fx(ft::grad(f))(l).outputs().size(), 1u);
}

// ---------------------------------------------------------------- a million equations
void with_small_stack(std::size_t bytes, std::function<void()> f) {
  pthread_attr_t a;
  pthread_attr_init(&a);
  pthread_attr_setstacksize(&a, bytes);
  pthread_t t;
  auto run = [](void* p) -> void* {
    (*static_cast<std::function<void()>*>(p))();
    return nullptr;
  };
  ASSERT_EQ(pthread_create(&t, &a, run, &f), 0);
  pthread_join(t, nullptr);
  pthread_attr_destroy(&a);
}
TEST(BehaviourProgram, a_million_equations_trace_differentiate_batch_print_parse_evaluate_and_free_without_deep_recursion) {
  with_small_stack(256 << 10, [] {  // a quarter of a byte per equation
    const int n = 1000000;
    auto f = [](const Tensor& x) {
      Tensor y = x;
      for (int i = 0; i < n / 2; ++i) y = y * 1.0000002 + 1e-9;
      return y;
    };
    const double slope = std::pow(1.0000002, n / 2), value = 2 * slope + 1e-9 * (slope - 1) / 0.0000002;
    EXPECT_NEAR(double(ft::grad(f)(of(2))), slope, 1e-6);
    EXPECT_NEAR(double(ft::jvp(f, of(2), of(1)).second), slope, 1e-6);
    ft::Program p = ft::make_fx(f)(of(2));
    EXPECT_EQ(p.size(), static_cast<std::size_t>(n));
    {
      std::string text = ft::to_string(p);
      ft::Program q = ft::Program::parse(text);  // verifies
      EXPECT_TRUE(p == q);
      EXPECT_EQ(ft::to_string(q), text);
      EXPECT_NEAR(double(q({of(2)})[0]), value, 1e-6);
    }
    ft::Program g = ft::make_fx(ft::grad(f))(of(2));
    EXPECT_NEAR(double(g({of(3)})[0]), slope, 1e-6);
    auto fast = ft::jit(f);
    EXPECT_NEAR(double(fast(of(2))), value, 1e-6);
    EXPECT_NEAR(double(ft::grad(fast)(of(2))), slope, 1e-6);
    EXPECT_NEAR(double(ft::vmap(fast)(ft::tensor({2.0, 0.0}, ft::f64))[0]), value, 1e-6);
  });
}

// ---------------------------------------------------------------- programs of transformed functions
TEST(BehaviourProgram, make_fx_of_vmap_jacrev_jacfwd_hessian_vjp_and_jvp_replays_on_new_data_and_parses_back) {
  Tensor w = some({2, 3});
  auto f = [&](const Tensor& x) { return ft::tanh(ft::matmul(w, x)) * ft::sum(x * x); };
  auto scalar = [&](const Tensor& x) { return ft::sum(f(x)); };
  auto check = [](auto g, const Tensor& at, const Tensor& other) {
    ft::Program p = ft::make_fx(g)(at);
    p.verify();
    expect_close(p({other})[0], g(other), 1e-14);
    std::string text = ft::to_string(p);
    ft::Program q = ft::Program::parse(text);
    EXPECT_TRUE(p == q);
    EXPECT_EQ(ft::to_string(q), text);
    std::vector<Tensor> inputs;  // a parsed program takes what was captured first
    EXPECT_EQ(q.captured(), p.captured());
  };
  Tensor x = some({3}), y = some({3}) * 0.3 - 1.0, xs = some({4, 3}), ys = some({4, 3}) - 0.7;
  check(ft::vmap(f), xs, ys);
  check(ft::vmap(f, {.in_dims = 1, .out_dims = 1}), xs.t(), ys.t());
  check(ft::vmap(ft::grad(scalar)), xs, ys);
  check(ft::jacrev(f), x, y);
  check(ft::jacfwd(f), x, y);
  check(ft::jacrev(f, {.chunk_size = 1}), x, y);
  check(ft::hessian(scalar), x, y);
  check(ft::vmap(ft::hessian(scalar)), xs, ys);
  check([&](const Tensor& v) { return ft::vjp(f, v).second(ft::ones({2}, ft::f64)); }, x, y);
  check([&](const Tensor& v) { return ft::jvp(f, v, v).second; }, x, y);
  check([&](const Tensor& v) { return ft::linearize(f, v).second(v * 2.0); }, x, y);
  check(ft::grad(ft::jit(scalar)), x, y);
  check(ft::vmap(ft::jacrev(ft::jit(f))), xs, ys);
  check(tripled(), x, y);
  check(ft::vmap(ft::grad(tripled())), x, y);
}
TEST(BehaviourProgram, numbers_stand_where_a_program_takes_them_and_keep_their_derivative) {
  auto f = [](const Tensor& x) { return ft::sin(x) * x; };
  const double d = std::sin(2.0) + 2 * std::cos(2.0);
  for (const ft::Program& p : {ft::make_fx(f)(of(1)), ft::make_fx(f)(ft::tensor(1.0)), ft::make_fx(f)(1.0)}) {
    auto call = [&](const Tensor& x) { return p({x})[0]; };
    EXPECT_NEAR(double(call(2.0)), std::sin(2.0) * 2, 1e-6);
    EXPECT_NEAR(double(call(2)), std::sin(2.0) * 2, 1e-6);
    EXPECT_NEAR(double(ft::grad(call)(2.0)), d, 1e-6);
    EXPECT_NEAR(double(ft::grad(call)(2)), d, 1e-6);
    EXPECT_NEAR(double(ft::jit(call)(2.0)), std::sin(2.0) * 2, 1e-6);
    EXPECT_NEAR(double(ft::jit(ft::grad(call))(2.0)), d, 1e-6);
  }
}
TEST(BehaviourProgram, printed_literals_parse_back_to_the_same_bits) {
  const double inf = HUGE_VAL;
  auto f = [&](const Tensor& a) {
    return std::vector<Tensor>{a * 0.1,
                               a * -0.0,
                               a * inf,
                               a * -inf,
                               a * std::nan(""),
                               a * 1e300,
                               a * 5e-324,
                               a.to(ft::i64) * INT64_MIN,
                               a.to(ft::i64) * INT64_MAX,
                               a.to(ft::u64) * UINT64_MAX,
                               a.to(ft::f16) * 0.1,
                               a.to(ft::bf16) * 1e30,
                               a.to(ft::f16) * 1e6,
                               a.to(ft::u8) + 255,
                               Tensor(true),
                               Tensor(3),
                               Tensor(2.5),
                               Tensor(UINT64_MAX),
                               ft::full({2}, 7)};
  };
  for (ft::DType t : {ft::f32, ft::f64}) {
    Tensor x = some({2}).to(t);
    ft::Program p = ft::make_fx(f)(x), q = ft::Program::parse(ft::to_string(p));
    EXPECT_TRUE(p == q);
    auto a = p({x}), b = q({x});
    for (std::size_t i = 0; i < a.size(); ++i) expect_close(a[i], b[i], 0);
  }
}

}  // namespace
