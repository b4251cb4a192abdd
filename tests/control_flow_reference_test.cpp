// Control flow against JAX: tools/references/control_flow_reference.py holds the same programs under the same names.
#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <map>
#include <set>

#include "functra/functra.h"
#include "functra/io/npy.h"
#include "support/close.h"
#include "tests/laws_count.h"

namespace functra {
namespace {

const std::map<std::string, Tensor>& stored() {
  static const auto* all =
      new std::map<std::string, Tensor>(io::read_npz(std::string(testing::source_dir()) + "/tests/data/control_flow_reference.npz"));
  return *all;
}
using Function = std::function<Tensor(const Tensor& w, const Tensor& x)>;
struct Named {
  const char* name;
  Function f;
};
Tensor ones3() { return ones({3}, f64); }
Tensor column(std::int64_t n) { return (arange(n, f64) + 1.0).reshape({n, 1}); }
Function scanned(bool reverse) {
  return [reverse](const Tensor& w, const Tensor& x) {
    auto [c, ys] = scan(
        [&](const std::tuple<Tensor, Tensor>& c, const Tensor& s) {
          auto& [h, i] = c;
          Tensor n = tanh(w * h + s) * (1.0 + 0.1 * i.to(f64));
          return std::pair{std::tuple{n, i + 1}, n * h};
        },
        std::tuple{x, tensor(1)}, stack({x, w * x, sin(w), x - w}), {.reverse = reverse});
    return std::get<0>(c) + sum(ys * column(4), 0);
  };
}
Function composed(bool reverse) {
  return [reverse](const Tensor& w, const Tensor& x) {
    using Affine = std::pair<Tensor, Tensor>;
    Affine maps{stack({w, x, w * x, sin(x), w - x}), stack({x, w * w, cos(w), x / w, x})};
    auto r = associative_scan(
        [](const Affine& f, const Affine& g) {
          return Affine{g.first * f.first, g.first * f.second + g.second};
        },
        maps, {.reverse = reverse});
    return sum(r.second * column(5), 0);
  };
}
Function growing(WhileOptions o) {
  return [o](const Tensor& w, const Tensor& x) {
    return while_loop([](const Tensor& c) { return sum(c * c) < 9.0; }, [&](const Tensor& c) { return c * (1.2 + 0.1 * sin(w * c)); }, x, o);
  };
}
Function counted(WhileOptions o) {
  return [o](const Tensor& w, const Tensor& x) {
    auto [i, a, b] = while_loop([](const auto& c) { return (std::get<0>(c) < 7) & (std::get<1>(c)[0] < 3.0); },
                                [&](const auto& c) {
                                  auto& [i, a, b] = c;
                                  return std::tuple{i + 1, a + w * exp(-b), b * a + 0.1 * i.to(f64)};
                                },
                                std::tuple{tensor(0), x, w}, o);
    return a * b + i;
  };
}
Function loop_in_scan(WhileOptions o) {
  return [o](const Tensor& w, const Tensor& x) {
    auto [c, ys] = scan(
        [&](const Tensor& c, const Tensor& s) {
          Tensor n = while_loop([](const Tensor& v) { return amax(v) < 2.0; }, [&](const Tensor& v) { return v * 1.3 + 0.2 * w * s; }, c * 0.5, o);
          return std::pair{n, s * c};
        },
        x, stack({w, x, w * x}));
    return c + sum(ys, 0);
  };
}
std::vector<Named> programs() {
  const WhileOptions kept{.max_steps = 40}, again{.max_steps = none, .checkpoint = 2};
  return {
      {"scan", scanned(false)},
      {"scan_reverse", scanned(true)},
      {"scan_length",
       [](const Tensor& w, const Tensor& x) {
         return scan([&](const Tensor& c, NoneType) { return std::pair{sin(c) * w + 0.1, c}; }, x, {.length = 6}).first;
       }},
      {"scan_none",
       [](const Tensor& w, const Tensor& x) {
         auto [c, ys] = scan([](const Tensor& c, const Tensor& s) { return std::pair{c * s, c}; }, w * x, zeros({0, 3}, f64));
         return c + sum(ys);
       }},
      {"scan_register",
       [](const Tensor& w, const Tensor& x) {
         auto [c, ys] = scan(
             [&](const std::tuple<Tensor, Tensor, Tensor>& c, NoneType) {
               auto& [a, b, d] = c;
               return std::pair{std::tuple{sin(x), a * w, b * a}, d};
             },
             std::tuple{ones3(), 2.0 * ones3(), 3.0 * ones3()}, {.length = 5});
         return std::get<2>(c) + sum(ys, 0);
       }},
      {"while_loop", growing(kept)},
      {"while_loop", growing(again)},
      {"while_counted", counted(kept)},
      {"while_counted", counted(again)},
      {"fori_loop",
       [](const Tensor& w, const Tensor& x) {
         return functra::fori_loop(
             2, 6, [&](const Tensor& i, const Tensor& c) { return c * w + cos(i * x); }, x);
       }},
      {"cond",
       [](const Tensor& w, const Tensor& x) {
         return functra::cond(
             sum(x) > 2.0, [](const Tensor& a, const Tensor& b) { return a * sqrt(b - 0.9); },
             [](const Tensor& a, const Tensor& b) { return exp(a) * b; }, w, x);
       }},
      {"switch",
       [](const Tensor& w, const Tensor& x) {
         return switch_((x[0] * 3.0).to(i64) - 1,
                        std::tuple{[&](const Tensor& a) { return a * w; }, [&](const Tensor& a) { return sin(a) / w; },
                                   [](const Tensor&) { return ones3(); }, [&](const Tensor& a) { return w * w * a; }},
                        x);
       }},
      {"mapped",
       [](const Tensor& w, const Tensor& x) {
         return sum(functra::map([&](const Tensor& a) { return sin(a * w) * x; }, stack({x, w, x * w, 1.0 / x, w - x}), {.batch_size = 2}), 0);
       }},
      {"associative_scan", composed(false)},
      {"associative_scan_reverse", composed(true)},
      {"checkpoint",
       [](const Tensor& w, const Tensor& x) {
         auto f = [&](const Tensor& a) {
           Tensor m = w.unsqueeze(1) * a;
           return sin(tanh(matmul(m, a))) * checkpoint_name(exp(a), "e");
         };
         return functra::checkpoint(f, {.policy = policies::dots_saveable})(functra::checkpoint(f)(x));
       }},
      {"custom_root",
       [](const Tensor& w, const Tensor& x) {
         auto newton = [&](const std::function<Tensor(const Tensor&)>& f, const Tensor& start) {
           return functra::fori_loop(
               0, 60, [&](const Tensor&, const Tensor& y) { return y - f(y) / (3.0 * y * y + stop_gradient(w)); }, start);
         };
         return functra::custom_root([&](const Tensor& y) { return y * y * y + w * y - x; }, ones3(), newton,
                                     [](const auto& g, const Tensor& y) { return y / g(ones3()); });
       }},
      {"custom_linear_solve",
       [](const Tensor& w, const Tensor& x) {
         Tensor m = sin(w).unsqueeze(1) * cos(w) + 2.0 * eye(3, f64);
         return functra::custom_linear_solve([&](const Tensor& v) { return matmul(m, v); }, x * x,
                                             [&](const auto&, const Tensor& b) { return linalg::solve(stop_gradient(m), b); },
                                             [&](const auto&, const Tensor& b) { return linalg::solve(stop_gradient(m.t()), b); });
       }},
      {"scan_of_cond",
       [](const Tensor& w, const Tensor& x) {
         auto [c, ys] = scan(
             [&](const Tensor& c, const Tensor& s) {
               Tensor n = functra::cond(
                   s[0] > 0.5, [&](const Tensor& v) { return sqrt(v * v + s); }, [&](const Tensor& v) { return w * v - s; }, c);
               return std::pair{n, sum(c)};
             },
             x, stack({x, w, 0.3 * x, x * w}));
         return c * sum(ys);
       }},
      {"cond_of_scan",
       [](const Tensor& w, const Tensor& x) {
         auto loop = [&](const Tensor& v) {
           return scan([&](const Tensor& c, const Tensor& s) { return std::pair{sin(c * w) + s, c}; }, v, stack({v, w})).first;
         };
         return functra::cond(
             x[1] > 1.0, loop, [&](const Tensor& v) { return v / w; }, x);
       }},
      {"while_in_scan", loop_in_scan(kept)},
      {"while_in_scan", loop_in_scan(again)},
      {"scan_of_custom_vjp",
       [](const Tensor& w, const Tensor& x) {
         auto f = custom_vjp([](const Tensor& a, const Tensor& b) { return sin(a) * b; },
                             [](const Tensor& a, const Tensor& b) {
                               return std::pair{sin(a) * b, std::pair{a, b}};
                             },
                             [](const std::pair<Tensor, Tensor>& r, const Tensor& ct) {
                               return std::tuple{2.0 * ct * cos(r.first) * r.second, ct * sin(r.first)};
                             });
         return scan([&](const Tensor& c, const Tensor& s) { return std::pair{f(c, w) + s, none}; }, x, stack({x, w, x})).first;
       }},
      {"checkpointed_scan",
       [](const Tensor& w, const Tensor& x) {
         auto inner = functra::checkpoint([&](const Tensor& c) {
           return scan([&](const Tensor& c, NoneType) { return std::pair{sin(c * w), none}; }, c, {.length = 3}).first;
         });
         return scan([&](const Tensor& c, NoneType) { return std::pair{inner(c), none}; }, x, {.length = 2}).first;
       }},
      {"checkpointed_scan",  // the same by an option
       [](const Tensor& w, const Tensor& x) {
         return scan([&](const Tensor& c, NoneType) { return std::pair{sin(c * w), none}; }, x, {.length = 6, .checkpoint_every = 3}).first;
       }},
      {"vmap_in_scan",
       [](const Tensor& w, const Tensor& x) {
         auto [c, ys] = scan(
             [&](const Tensor& c, const Tensor& s) {
               return std::pair{mean(vmap([&](const Tensor& a) { return tanh(a * c) * w; })(stack({s, c})), 0), s * c};
             },
             x, stack({w, x}));
         return c + ys[1];
       }},
      {"grad_in_scan",
       [](const Tensor& w, const Tensor& x) {
         auto step = [&](const Tensor& c, const Tensor& s) {
           return std::pair{c - 0.1 * grad([&](const Tensor& v) { return sum(sin(v * w) * s); })(c), none};
         };
         return scan(step, x, stack({w, x, x * w})).first;
       }},
  };
}

}  // namespace

TEST(ControlFlowReference, ValuesAndDerivativesAreThoseOfJax) {
  auto at = [](const std::string& name) -> const Tensor& { return stored().at(name); };
  const Tensor &w = at("w"), &x = at("x"), &xs = at("xs"), &tw = at("tw"), &tx = at("tx");
  std::set<std::string> seen{"w", "x", "xs", "tw", "tx"};
  for (auto& [name, f] : programs()) {
    auto near = [&, name = name](const char* kind, const Tensor& is, const char* how) {
      std::string key = std::string(name) + "_" + kind;
      seen.insert(key);
      SCOPED_TRACE(key + " by " + how);
      const Tensor& want = at(key);
      EXPECT_EQ(is.sizes(), want.sizes());
      bool ok = is.sizes() == want.sizes() && allclose(is, want, 1e-9, 1e-10);
      testing::count_law(ok);
      EXPECT_TRUE(ok) << to_string(is) << "\nexpected\n" << to_string(want);
    };
    auto loss = [&f = f](const Tensor& w, const Tensor& x) { return sum(cos(1.0 + arange(3, f64)) * f(w, x)); };
    auto lanes = VmapOptions{.in_dims = {none, 0}};
    near("value", f(w, x), "evaluation");
    near("value", jit(f)(w, x), "jit");
    near("value", make_fx(f)(w, x)({w, x})[0], "make_fx");
    if (stored().count(std::string(name) + "_jvp")) {
      near("jvp", jvp(f, std::tuple{w, x}, std::tuple{tw, tx}).second, "jvp");
      near("jvp", linearize(f, w, x).second(tw, tx), "linearize");
      near("jvp", jit([&, &f = f](const Tensor& w, const Tensor& x) {
             return jvp(f, std::tuple{w, x}, std::tuple{tw, tx}).second;
           })(w, x),
           "jit of jvp");
    }
    near("grad_w", grad<0>(loss)(w, x), "grad");
    near("grad_x", grad<1>(loss)(w, x), "grad");
    near("grad_x", jit(grad<1>(loss))(w, x), "jit of grad");
    near("grad_x", grad<1>(jit(loss))(w, x), "grad of jit");
    near("hessian", jacrev<1>(grad<1>(loss))(w, x), "jacrev of grad");
    near("mixed", jacrev<1>(grad<0>(loss))(w, x), "jacrev of grad");
    if (stored().count(std::string(name) + "_jvp")) {
      near("hessian", hessian<1>(loss)(w, x), "hessian");
      near("hessian", jacfwd<1>(jacfwd<1>(loss))(w, x), "jacfwd of jacfwd");
      near("hessian", jit(hessian<1>(loss))(w, x), "jit of hessian");
      near("mixed", jacfwd<1>(grad<0>(loss))(w, x), "jacfwd of grad");
    }
    // Its text parses back to an equal program, which gives the same (where it needs no captured constants).
    Tensor k = cos(1.0 + arange(3, f64));
    auto by_text = [&](const char* kind, const Program& p, const std::vector<Tensor>& in) {
      Program q = Program::parse(to_string(p));
      EXPECT_TRUE(q == p) << kind;
      q.verify();
      if (!p.captured()) near(kind, q(in)[0], "its text");
    };
    auto weighted = [&f = f](const Tensor& w, const Tensor& x, const Tensor& k) { return sum(k * f(w, x)); };
    auto all_lanes = VmapOptions{.in_dims = {none, 0, none}};
    by_text("value", make_fx(f)(w, x), {w, x});
    by_text("grad_w", make_fx(grad<0>(weighted))(w, x, k), {w, x, k});
    by_text("hessian", make_fx(jacrev<1>(grad<1>(weighted)))(w, x, k), {w, x, k});
    by_text("vmap_grad_x", make_fx(vmap(grad<1>(weighted), all_lanes))(w, xs, k), {w, xs, k});
    near("vmap", vmap(f, lanes)(w, xs), "vmap");
    near("vmap", jit(vmap(f, lanes))(w, xs), "jit of vmap");
    near("vmap", vmap(f, {.in_dims = {none, 0}, .chunk_size = 3})(w, xs), "vmap in chunks");
    near("vmap_grad_w", vmap(grad<0>(loss), lanes)(w, xs), "vmap of grad");
    near("vmap_grad_x", vmap(grad<1>(loss), lanes)(w, xs), "vmap of grad");
    near("vmap_grad_x", grad<1>([&](const Tensor& w, const Tensor& xs) { return sum(vmap(loss, lanes)(w, xs)); })(w, xs), "grad of vmap");
    near("vmap_grad_x", jit(vmap(grad<1>(loss), lanes))(w, xs), "jit of vmap of grad");
  }
  for (auto& [key, value] : stored()) EXPECT_TRUE(seen.count(key)) << key << " is not compared";
}

}  // namespace functra
