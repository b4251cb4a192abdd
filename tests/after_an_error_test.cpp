// Exceptions thrown by a user's function in each place of control flow, custom rules, callbacks and solvers, under each transform: everything
// goes on as before.
#include <gtest/gtest.h>

#include <functional>

#include "functra/base/memory.h"
#include "functra/core/interp.h"
#include "functra/functra.h"
#include "support/close.h"

namespace ft = functra;
using ft::none;
using ft::NoneType;
using ft::Tensor;

namespace {

Tensor num(double v) { return ft::tensor(v, ft::f64); }
Tensor some(const ft::Shape& s) { return ft::sin(ft::arange(s.numel(), ft::f64) * 1.3 + 0.4).reshape(s); }

struct OfUser {
  int code;
};
// x -> x * x, elementwise, through a construct that calls `hook` in one of the user's functions.
using Fn = std::function<Tensor(const Tensor&)>;
using Hook = std::function<void()>;
struct Place {
  const char* name;
  Fn (*with)(Hook hook);
};
using Map = std::function<Tensor(const Tensor&)>;
Fn linear_solve(Hook in_map, Hook in_solve, Hook in_transpose) {
  return [=](const Tensor& x) {
    auto matvec = [&](const Tensor& v) {
      in_map();
      return v / x;
    };
    auto solver = [&](const Hook& hook) {
      return [&x, &hook](const Map&, const Tensor& b) {
        hook();
        return b * x;
      };
    };
    return ft::custom_linear_solve(matvec, x, solver(in_solve), solver(in_transpose));
  };
}
Fn root(Hook in_f, Hook in_solve, Hook in_tangent) {
  return [=](const Tensor& x) {
    return ft::custom_root(
        [&](const Tensor& y) {
          in_f();
          return y / x - x;
        },
        x,
        [&](const Map&, const Tensor&) {
          in_solve();
          return x * x;
        },
        [&](const Map& g, const Tensor& y) {
          in_tangent();
          return y / g(ft::ones_like(y));
        });
  };
}
void idle() {}
ft::DefinedPrimitive square_with(const char* name, Hook* in_shape, Hook* in_eval, Hook* in_jvp, Hook* in_batch) {
  return ft::define_primitive({.name = name,
                               .shape =
                                   [in_shape](auto in) {
                                     (*in_shape)();
                                     return std::vector{in[0]};
                                   },
                               .eval =
                                   [in_eval](auto in, auto out) {
                                     (*in_eval)();
                                     auto x = in[0].template span<double>();
                                     auto y = out[0].template span<double>();
                                     for (std::size_t i = 0; i < x.size(); ++i) y[i] = x[i] * x[i];
                                   },
                               .jvp =
                                   [in_jvp](auto x, auto, auto t) {
                                     (*in_jvp)();
                                     return std::vector<Tensor>{2.0 * x[0] * t[0]};
                                   },
                               .batch =
                                   [in_batch](std::int64_t, auto x, auto dims) {
                                     (*in_batch)();
                                     return std::pair{std::vector<Tensor>{x[0] * x[0]}, std::vector<int>{dims[0]}};
                                   }});
}
Hook defined_hooks[4] = {idle, idle, idle, idle};
Fn defined(int which, Hook hook) {
  static const ft::DefinedPrimitive p =
      square_with("errors_control_flow_test square", &defined_hooks[0], &defined_hooks[1], &defined_hooks[2], &defined_hooks[3]);
  return [=](const Tensor& x) {
    for (Hook& h : defined_hooks) h = idle;
    defined_hooks[which] = hook;
    return Tensor(p(x));
  };
}
const Place places[] = {
    {"the body of scan",
     [](Hook hook) -> Fn {
       return [=](const Tensor& x) {
         return ft::scan(
                    [&](const Tensor& c, NoneType) {
                      Tensor y = c * x;
                      hook();
                      return std::pair{y, none};
                    },
                    x, {.length = 1})
             .first;
       };
     }},
    {"the body of scan with checkpoints",
     [](Hook hook) -> Fn {
       return [=](const Tensor& x) {
         return ft::scan(
                    [&](const Tensor& c, const Tensor& a) {
                      hook();
                      return std::pair{c * a, none};
                    },
                    ft::ones_like(x), ft::stack({x, ft::ones_like(x), x}), {.checkpoint_every = 2})
             .first;
       };
     }},
    {"the condition of while_loop",
     [](Hook hook) -> Fn {
       return [=](const Tensor& x) {
         return std::get<1>(ft::while_loop(
             [&](const auto& c) {
               hook();
               return std::get<0>(c) < 1;
             },
             [&](const auto& c) {
               return std::tuple{std::get<0>(c) + 1, std::get<1>(c) * x};
             },
             std::tuple{ft::tensor(0), x}, {.max_steps = 2}));
       };
     }},
    {"the body of while_loop",
     [](Hook hook) -> Fn {
       return [=](const Tensor& x) {
         return std::get<1>(ft::while_loop([&](const auto& c) { return std::get<0>(c) < 1; },
                                           [&](const auto& c) {
                                             Tensor y = std::get<1>(c) * x;
                                             hook();
                                             return std::tuple{std::get<0>(c) + 1, y};
                                           },
                                           std::tuple{ft::tensor(0), x}, {.max_steps = none, .checkpoint = 1}));
       };
     }},
    {"the body of fori_loop",
     [](Hook hook) -> Fn {
       return [=](const Tensor& x) {
         return ft::fori_loop(ft::tensor(0), ft::tensor(2),
                              [&](const Tensor&, const Tensor& c) {
                                hook();
                                return c * x;
                              },
                              ft::ones_like(x), {.max_steps = 3});
       };
     }},
    {"the branch of cond taken",
     [](Hook hook) -> Fn {
       return [=](const Tensor& x) {
         return ft::cond(
             ft::sum(x) < 1e9,
             [&](const Tensor& v) {
               hook();
               return v * v;
             },
             [](const Tensor& v) { return v; }, x);
       };
     }},
    {"the branch of cond not taken",
     [](Hook hook) -> Fn {
       return [=](const Tensor& x) {
         return ft::cond(
             ft::sum(x) < 1e9, [&] { return x * x; },
             [&] {
               Tensor y = x * 2.0;
               hook();
               return y;
             });
       };
     }},
    {"a branch of switch_",
     [](Hook hook) -> Fn {
       return [=](const Tensor& x) {
         return ft::switch_((ft::sum(x) < 1e9).to(ft::i64),
                            std::tuple{[](const Tensor& v) { return v; }, [](const Tensor& v) { return v * v; },
                                       [&](const Tensor& v) {
                                         hook();
                                         return v;
                                       }},
                            x);
       };
     }},
    {"the function of map",
     [](Hook hook) -> Fn {
       return [=](const Tensor& x) {
         auto f = [&](const Tensor& v) {
           hook();
           return v * x;
         };
         return ft::map(f, ft::stack({x, x}))[0] + ft::map(f, ft::stack({x, x}), {.batch_size = 2})[1] - x * x;
       };
     }},
    {"the function of associative_scan",
     [](Hook hook) -> Fn {
       return [=](const Tensor& x) {
         return ft::associative_scan(
             [&](const Tensor& a, const Tensor& b) {
               hook();
               return a * b;
             },
             ft::stack({x, x, x}))[1];
       };
     }},
    {"a checkpointed function",
     [](Hook hook) -> Fn {
       return [=](const Tensor& x) {
         return ft::checkpoint([&](const Tensor& v) {
           Tensor y = v * x;
           hook();
           return y;
         })(x);
       };
     }},
    {"the function of custom_vmap",
     [](Hook hook) -> Fn {
       return [=](const Tensor& x) {
         return ft::custom_vmap(
             [&](const Tensor& v) {
               hook();
               return v * v;
             },
             [](std::int64_t, const std::array<bool, 1>&, const Tensor& v) {
               return std::pair{v * v, true};
             })(x);
       };
     }},
    {"the rule of custom_vmap",
     [](Hook hook) -> Fn {
       return [=](const Tensor& x) {
         return ft::custom_vmap([](const Tensor& v) { return v * v; },
                                [hook](std::int64_t, const std::array<bool, 1>&, const Tensor& v) {
                                  Tensor y = v * v;
                                  hook();
                                  return std::pair{y, true};
                                })(x);
       };
     }},
    {"the host's part of pure_callback",
     [](Hook hook) -> Fn {
       return [=](const Tensor& x) {
         auto host = [hook](const Tensor& v) {
           hook();
           return ft::ones_like(v);
         };
         return x * x * ft::pure_callback({.vmap = ft::CallbackVmap::sequential}, host, x, ft::stop_gradient(x));
       };
     }},
    {"debug::callback",
     [](Hook hook) -> Fn {
       return [=](const Tensor& x) {
         ft::debug::callback([hook](const Tensor&) { hook(); }, x);
         return x * x;
       };
     }},
    {"debug::callback in a loop",
     [](Hook hook) -> Fn {
       return [=](const Tensor& x) {
         return ft::fori_loop(
             0, 2,
             [&](const Tensor&, const Tensor& c) {
               ft::debug::callback([hook](const Tensor&) { hook(); }, c);
               return c * x;
             },
             ft::ones_like(x));
       };
     }},
    {"the map of custom_linear_solve", [](Hook hook) { return linear_solve(hook, idle, idle); }},
    {"the solver of custom_linear_solve", [](Hook hook) { return linear_solve(idle, hook, idle); }},
    {"the transposed solver of custom_linear_solve", [](Hook hook) { return linear_solve(idle, idle, hook); }},
    {"the function of custom_root", [](Hook hook) { return root(hook, idle, idle); }},
    {"the solver of custom_root", [](Hook hook) { return root(idle, hook, idle); }},
    {"the tangent solver of custom_root", [](Hook hook) { return root(idle, idle, hook); }},
    {"the function of fixed_point",
     [](Hook hook) -> Fn {
       return [=](const Tensor& x) {
         return ft::fixed_point(
             [&](const Tensor& y) {
               hook();
               return 0.25 * y + 0.75 * x * x;
             },
             x, {.tol = 1e-14});
       };
     }},
    {"the operator of cg",
     [](Hook hook) -> Fn {
       return [=](const Tensor& x) {
         return ft::linalg::cg(
                    [&](const Tensor& v) {
                      hook();
                      return v / (1.0 + x * x);
                    },
                    x * x / (1.0 + x * x), {.tol = 1e-15})
             .first;
       };
     }},
    {"between uses of a Ref",
     [](Hook hook) -> Fn {
       return [=](const Tensor& x) {
         ft::Ref r(x);
         ft::fori_loop(
             0, 1,
             [&](const Tensor&, const Tensor& c) {
               r.set(r.get() * x);
               hook();
               return c;
             },
             num(0.0));
         return r.get();
       };
     }},
    {"a functionalized function",
     [](Hook hook) -> Fn {
       return [=](const Tensor& x) {
         return ft::functionalize([&](const Tensor& v) {
           ft::Ref r(v);
           r.set(r.get() * x);
           hook();
           return r.get();
         })(x);
       };
     }},
    {"the shape rule of a primitive", [](Hook hook) { return defined(0, hook); }},
    {"the evaluation of a primitive", [](Hook hook) { return defined(1, hook); }},
    {"the jvp rule of a primitive", [](Hook hook) { return defined(2, hook); }},
    {"the batching rule of a primitive", [](Hook hook) { return defined(3, hook); }},
};
struct Around {
  const char* name;
  Tensor (*run)(const Fn& f, const Tensor& x);
  bool slope;  // gives 2 x, not x * x
};
Tensor slope(const Fn& f, const Tensor& x) {
  return ft::grad([&](const Tensor& v) { return ft::sum(f(v)); })(x);
}
const Around arounds[] = {
    {"nothing", [](const Fn& f, const Tensor& x) { return f(x); }, false},
    {"grad", slope, true},
    {"jvp", [](const Fn& f, const Tensor& x) { return ft::jvp(f, x, ft::ones_like(x)).second; }, true},
    {"linearize", [](const Fn& f, const Tensor& x) { return ft::linearize(f, x).second(ft::ones_like(x)); }, true},
    {"a pullback", [](const Fn& f, const Tensor& x) { return ft::vjp(f, x).second(ft::ones_like(x)); }, true},
    {"vmap",
     [](const Fn& f, const Tensor& x) {
       return ft::vmap(f)(ft::stack({x, 2.0 * x}))[0];
     },
     false},
    {"vmap of grad",
     [](const Fn& f, const Tensor& x) {
       return ft::vmap([&](const Tensor& v) { return slope(f, v); })(ft::stack({2.0 * x, x}))[1];
     },
     true},
    {"jit", [](const Fn& f, const Tensor& x) { return ft::jit([&](const Tensor& v) { return f(v); })(x); }, false},
    {"jit of grad", [](const Fn& f, const Tensor& x) { return ft::jit([&](const Tensor& v) { return slope(f, v); })(x); }, true},
    {"grad of jit", [](const Fn& f, const Tensor& x) { return slope(ft::jit([&](const Tensor& v) { return f(v); }), x); }, true},
    {"a replayed program", [](const Fn& f, const Tensor& x) { return ft::make_fx([&](const Tensor& v) { return f(v); })(x)({x})[0]; }, false},
    {"a scan",
     [](const Fn& f, const Tensor& x) {
       return ft::scan([&](const Tensor& c, NoneType) { return std::pair{f(c), none}; }, x, {.length = 1}).first;
     },
     false},
    {"grad of a branch of vmap",
     [](const Fn& f, const Tensor& x) {
       auto branch = [&](const Tensor& v) {
         return ft::cond(
             v[0] > -100.0, [&] { return f(v); }, [&] { return v; });
       };
       return slope([&](const Tensor& v) { return ft::vmap(branch)(ft::stack({v, v}))[0]; }, x);
     },
     true},
};

}  // namespace
TEST(AfterAnErrorInControlFlow, FromEachOfTheUsersFunctionsUnderEachTransformTheInterpreterIsAsBefore) {
  const Tensor x = some({3}) + 2.0;
  const std::vector<double> values = x.to_vector<double>();
  for (auto& place : places) {
    bool armed = false;
    int thrown = 0, calls = 0;
    Fn f = place.with([&] {
      ++calls;
      if (armed) throw OfUser{7};
    });
    int reached = 0;
    for (auto& around : arounds) {
      SCOPED_TRACE(std::string(place.name) + " in " + around.name);
      const Tensor want = around.slope ? 2.0 * x : x * x;
      auto good = [&] {
        armed = false;
        calls = 0;
        expect_close(around.run(f, x), want, 1e-8);
      };
      good();
      const bool asked = calls > 0;
      armed = true;
      bool threw = false;
      try {
        around.run(f, x);
      } catch (const OfUser& e) { threw = e.code == 7; }
      EXPECT_EQ(threw, asked);  // the user's own exception, unchanged
      ASSERT_EQ(ft::core::current, nullptr);
      thrown += threw;
      reached += asked;
      good();
      expect_close(ft::jit(ft::vmap(ft::grad([](const Tensor& v) { return ft::sin(v) * v; })))(x), ft::cos(x) * x + ft::sin(x));
      // caught by an enclosing transform, which goes on
      auto survivor = [&](const Tensor& v) {
        Tensor y = ft::sin(v);
        armed = true;
        try {
          around.run(f, v * y);
        } catch (const OfUser&) {}
        armed = false;
        return y * v;
      };
      if (place.name[0] == 'd' || std::string(place.name).find("host") != std::string::npos) continue;  // effects and host code run in their own time
      expect_close(ft::grad([&](const Tensor& v) { return ft::sum(survivor(v)); })(x), ft::cos(x) * x + ft::sin(x));
    }
    EXPECT_GT(reached, 0) << place.name;
    EXPECT_GT(thrown, 0) << place.name;
  }
  EXPECT_EQ(x.to_vector<double>(), values);
}
TEST(AfterAnErrorInControlFlow, NoMemoryIsLost) {
  const Tensor x = some({5000}) + 2.0;  // large enough to be counted
  auto all = [&] {
    for (auto& place : places)
      for (auto& around : arounds) {
        Fn f = place.with([] { throw OfUser{7}; });
        try {
          around.run(f, x);
        } catch (const OfUser&) {}
      }
  };
  all();  // what is kept on purpose is there now
  std::size_t before = ft::memory_stats().in_use;
  all();
  EXPECT_LE(ft::memory_stats().in_use, before);
}
TEST(AfterAnErrorInControlFlow, ARefMadeOutsideHoldsWhatItHeld) {
  ft::Ref r(ft::tensor({1.0, 2.0}, ft::f64));
  auto write = [&](const Tensor& v) {
    r.add(v);
    throw OfUser{1};
    return v;
  };
  Tensor x = ft::tensor({10.0, 20.0}, ft::f64);
  const std::pair<const char*, std::function<void()>> runs[] = {
      {"scan",
       [&] {
         ft::scan([&](const Tensor& c, NoneType) { return std::pair{write(c), none}; }, x, {.length = 2});
       }},
      {"while_loop", [&] { ft::while_loop([](const Tensor& c) { return c[0] < 100.0; }, write, x); }},
      {"the second branch of cond",
       [&] {
         ft::cond(
             true,
             [&](const Tensor& v) {
               r.set(v);
               return v;
             },
             write, x);
       }},
      {"jit", [&] { ft::jit(write)(x); }},
      {"jit of a scan",
       [&] {
         ft::jit([&](const Tensor& v) {
           return ft::scan([&](const Tensor& c, NoneType) { return std::pair{write(c), none}; }, v, {.length = 2}).first;
         })(x);
       }},
      {"functionalize", [&] { ft::functionalize(write)(x); }},
      {"map",
       [&] {
         ft::map(write, ft::stack({x, x}));
       }},
  };
  for (auto& [name, run] : runs) {
    SCOPED_TRACE(name);
    EXPECT_THROW(run(), OfUser);
    ASSERT_EQ(ft::core::current, nullptr);
    expect_close(r.get(), ft::tensor({1.0, 2.0}, ft::f64), 0);
  }
  auto [c, ys] = ft::scan(
      [&](const Tensor& c, NoneType) {
        r.add(c);
        return std::pair{c, r.get()};
      },
      x, {.length = 2});
  expect_close(ys[1], ft::tensor({21.0, 42.0}, ft::f64));
  expect_close(r.get(), ft::tensor({21.0, 42.0}, ft::f64));
}
