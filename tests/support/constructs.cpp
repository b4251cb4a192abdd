#include "tests/support/constructs.h"

namespace functra::testing {
namespace {

thread_local int poly_depth = 0;

template <class S> auto while_with(S options) {
  return [options](TensorFn f) -> TensorFn {
    return [f, options](const Tensor& w, const Tensor& x) {
      auto [y, k] = while_loop([&](const auto& c) { return (std::get<0>(c) * std::get<0>(c) < w + 0.2) & (std::get<1>(c) < 5); },
                               [&](const auto& c) {
                                 auto& [v, k] = c;
                                 return std::tuple{0.7 * v + 0.4 * f(w, v) + 0.1 * w, k + 1};
                               },
                               std::tuple{x, 0}, options);
      return y + k.to(f64) * x;
    };
  };
}
PolyFn while_reference(PolyFn f) {
  return [f](const Poly& w, const Poly& x) {
    Poly y = x;
    int k = 0;
    for (; y.value() * y.value() < w.value() + 0.2 && k < 5; ++k) y = Poly(0.7) * y + Poly(0.4) * f(w, y) + Poly(0.1) * w;
    return y + Poly(k) * x;
  };
}
PolyFn same(PolyFn f) { return f; }

std::vector<Construct> make() {
  std::vector<Construct> r;
  auto scan3 = [](ScanOptions o) {
    return [o](TensorFn f) -> TensorFn {
      return [f, o](const Tensor& w, const Tensor& x) {
        Tensor xs = stack({x, 0.5 * x, w});
        auto [c, ys] = scan(
            [&](const std::tuple<Tensor, Tensor>& c, const Tensor& s) {
              auto& [v, i] = c;
              Tensor n = 0.5 * sin(f(w, v)) + 0.2 * s * i.to(f64);
              return std::pair{std::tuple{n, i + 1}, std::tuple{n * v, i}};
            },
            std::tuple{x, 1}, xs, o);
        return std::get<0>(c) + sum(std::get<0>(ys) * std::get<1>(ys).to(f64));
      };
    };
  };
  auto scan_ref = [](bool reverse) {
    return [reverse](PolyFn f) -> PolyFn {
      return [f, reverse](const Poly& w, const Poly& x) {
        Poly s[] = {x, Poly(0.5) * x, w}, v = x, sum;
        for (int k = 0; k < 3; ++k) {
          Poly n = Poly(0.5) * sin(f(w, v)) + Poly(0.2 * (k + 1)) * s[reverse ? 2 - k : k];
          sum = sum + n * v * Poly(k + 1);
          v = n;
        }
        return v + sum;
      };
    };
  };
  r.push_back({"scan", scan3({}), scan_ref(false)});
  r.push_back({"scan_reverse", scan3({.reverse = true}), scan_ref(true)});
  r.push_back({"scan_every2", scan3({.checkpoint_every = 2}), scan_ref(false)});
  r.push_back({"while_max", while_with(WhileOptions{.max_steps = 6}), while_reference});
  r.push_back({"while_k2", while_with(WhileOptions{.checkpoint = 2}), while_reference});
  r.push_back({"while_k0", while_with(WhileOptions{.checkpoint = 0}), while_reference});
  r.push_back({"while", while_with(WhileOptions{}), while_reference, false});
  r.push_back({"fori",
               [](TensorFn f) -> TensorFn {
                 return [f](const Tensor& w, const Tensor& x) {
                   return fori_loop(
                       1, 4, [&](const Tensor& i, const Tensor& c) { return f(w, c) * 0.5 + 0.1 * c * i.to(f64); }, x);
                 };
               },
               [](PolyFn f) -> PolyFn {
                 return [f](const Poly& w, const Poly& x) {
                   Poly c = x;
                   for (int i = 1; i < 4; ++i) c = f(w, c) * Poly(0.5) + Poly(0.1 * i) * c;
                   return c;
                 };
               }});
  r.push_back({"fori_tensor",
               [](TensorFn f) -> TensorFn {
                 return [f](const Tensor& w, const Tensor& x) {
                   return fori_loop(0, (x > 0.6).to(i64) + 1, [&](const Tensor& i, const Tensor& c) { return f(w, c) * 0.5 + 0.1 * c * i.to(f64); },
                                    x, {.max_steps = 4});
                 };
               },
               [](PolyFn f) -> PolyFn {
                 return [f](const Poly& w, const Poly& x) {
                   Poly c = x;
                   for (int i = 0; i < 1 + (x.value() > 0.6); ++i) c = f(w, c) * Poly(0.5) + Poly(0.1 * i) * c;
                   return c;
                 };
               }});
  r.push_back(
      {"cond",
       [](TensorFn f) -> TensorFn {
         return [f](const Tensor& w, const Tensor& x) {
           return cond(
               x > 0.6, [&](const Tensor& v) { return f(w, sqrt(v - 0.6)) * v; }, [&](const Tensor& v) { return v * w * v; }, x);
         };
       },
       [](PolyFn f) -> PolyFn { return [f](const Poly& w, const Poly& x) { return x.value() > 0.6 ? f(w, sqrt(x - Poly(0.6))) * x : x * w * x; }; }});
  r.push_back({"cond_closed",
               [](TensorFn f) -> TensorFn {
                 return [f](const Tensor& w, const Tensor& x) {
                   return cond(
                       x < 0.7, [&] { return f(w, x) * w; }, [&] { return f(x, w); });
                 };
               },
               [](PolyFn f) -> PolyFn { return [f](const Poly& w, const Poly& x) { return x.value() < 0.7 ? f(w, x) * w : f(x, w); }; }});
  r.push_back({"switch",
               [](TensorFn f) -> TensorFn {
                 return [f](const Tensor& w, const Tensor& x) {
                   return switch_((x * 4).to(i64),
                                  std::tuple{[](const Tensor&) { return tensor(0.25, f64); },
                                             [&](const Tensor& v) { return sqrt(0.8 - v) * f(w, v); }, [&](const Tensor& v) { return f(w, v) + v; }},
                                  x);
                 };
               },
               [](PolyFn f) -> PolyFn {
                 return [f](const Poly& w, const Poly& x) {
                   int k = static_cast<int>(x.value() * 4);
                   return k <= 0 ? Poly(0.25) : k == 1 ? sqrt(Poly(0.8) - x) * f(w, x) : f(w, x) + x;
                 };
               }});
  for (int b : {0, 2})
    r.push_back({b ? "map_batched" : "map",
                 [b](TensorFn f) -> TensorFn {
                   return [f, b](const Tensor& w, const Tensor& x) {
                     MapOptions o;
                     if (b) o.batch_size = b;
                     return sum(map([&](const Tensor& v) { return f(w, v) * x; }, stack({x, w, x * w}), o));
                   };
                 },
                 [](PolyFn f) -> PolyFn { return [f](const Poly& w, const Poly& x) { return (f(w, x) + f(w, w) + f(w, x * w)) * x; }; }});
  r.push_back({"associative_scan",
               [](TensorFn f) -> TensorFn {
                 return [f](const Tensor& w, const Tensor& x) {
                   return sum(associative_scan([&](const Tensor& a, const Tensor& b) { return a * b * sin(f(w, x)); }, sin(stack({x, w, x, w, x}))));
                 };
               },
               [](PolyFn f) -> PolyFn {
                 return [f](const Poly& w, const Poly& x) {
                   Poly g = sin(f(w, x)), u = sin(x), v = sin(w), e[] = {u, v, u, v, u}, p = u, s = u;
                   for (int i = 1; i < 5; ++i) p = p * e[i] * g, s = s + p;
                   return s;
                 };
               }});
  r.push_back({"checkpoint",
               [](TensorFn f) -> TensorFn {
                 return [f](const Tensor& w, const Tensor& x) {
                   return checkpoint([&](const Tensor& a, const Tensor& b) { return f(a, b) * b; })(w, x);
                 };
               },
               [](PolyFn f) -> PolyFn { return [f](const Poly& w, const Poly& x) { return f(w, x) * x; }; }});
  r.push_back({"checkpoint_closed",
               [](TensorFn f) -> TensorFn {
                 return [f](const Tensor& w, const Tensor& x) {
                   return checkpoint([&](const Tensor& b) { return f(w, sin(b)) * checkpoint_name(b * b, "n") * w; },
                                     {.policy = policies::save_only_these_names({"n"})})(x);
                 };
               },
               [](PolyFn f) -> PolyFn { return [f](const Poly& w, const Poly& x) { return f(w, sin(x)) * x * x * w; }; }});
  r.push_back({"checkpoint_everything",
               [](TensorFn f) -> TensorFn {
                 return [f](const Tensor& w, const Tensor& x) {
                   return checkpoint([&](const Tensor& a, const Tensor& b) { return f(a, b) * b; }, {.policy = policies::everything_saveable})(w, x);
                 };
               },
               [](PolyFn f) -> PolyFn { return [f](const Poly& w, const Poly& x) { return f(w, x) * x; }; }});
  r.push_back({"custom_jvp",
               [](TensorFn f) -> TensorFn {
                 return [f](const Tensor& w, const Tensor& x) {
                   return custom_jvp([&](const Tensor& a, const Tensor& b) { return f(a, b); },
                                     [&](const std::tuple<Tensor, Tensor>& p, const std::tuple<Tensor, Tensor>& t) {
                                       return functra::jvp([&](const Tensor& a, const Tensor& b) { return f(a, b); }, p, t);
                                     })(w, x);
                 };
               },
               same});
  r.push_back({"custom_vjp",
               [](TensorFn f) -> TensorFn {
                 return [f](const Tensor& w, const Tensor& x) {
                   auto g = [&](const Tensor& a, const Tensor& b) { return f(a, b); };
                   return custom_vjp(
                       g,
                       [&](const Tensor& a, const Tensor& b) {
                         return std::pair{f(a, b), std::tuple{a, b}};
                       },
                       [&](const std::tuple<Tensor, Tensor>& r, const Tensor& ct) {
                         auto& [a, b] = r;
                         return functra::vjp(g, a, b).second(ct);
                       })(w, x);
                 };
               },
               same});
  r.back().needs_reverse = true;
  r.push_back({"jit",
               [](TensorFn f) -> TensorFn {
                 return [f](const Tensor& w, const Tensor& x) { return jit([f](const Tensor& a, const Tensor& b) { return f(a, b); })(w, x); };
               },
               same});
  r.push_back(
      {"jit_closed",
       [](TensorFn f) -> TensorFn { return [f](const Tensor& w, const Tensor& x) { return jit([&](const Tensor& b) { return f(w, b) * b; })(x); }; },
       [](PolyFn f) -> PolyFn { return [f](const Poly& w, const Poly& x) { return f(w, x) * x; }; }});
  r.push_back({"vmap",
               [](TensorFn f) -> TensorFn {
                 return [f](const Tensor& w, const Tensor& x) {
                   return sum(vmap([&](const Tensor& b) { return f(w, b) * b; })(stack({x, w, 0.5 * x})));
                 };
               },
               [](PolyFn f) -> PolyFn {
                 return [f](const Poly& w, const Poly& x) {
                   Poly h = Poly(0.5) * x;
                   return f(w, x) * x + f(w, w) * w + f(w, h) * h;
                 };
               }});
  r.push_back({"jvp",
               [](TensorFn f) -> TensorFn {
                 return [f](const Tensor& w, const Tensor& x) { return functra::jvp([&](const Tensor& b) { return f(w, b) * b; }, x, w).second; };
               },
               [](PolyFn f) -> PolyFn {
                 return [f](const Poly& w, const Poly& x) {
                   int k = poly_depth++;
                   Poly b = x + Poly::infinitesimal(k) * w;
                   Poly r = (f(w, b) * b).coefficient(k);
                   --poly_depth;
                   return r;
                 };
               }});
  r.push_back({"grad",
               [](TensorFn f) -> TensorFn {
                 return [f](const Tensor& w, const Tensor& x) { return functra::grad([&](const Tensor& b) { return f(w, b) * b; })(x); };
               },
               [](PolyFn f) -> PolyFn {
                 return [f](const Poly& w, const Poly& x) {
                   int k = poly_depth++;
                   Poly b = x + Poly::infinitesimal(k);
                   Poly r = (f(w, b) * b).coefficient(k);
                   --poly_depth;
                   return r;
                 };
               }});
  r.back().needs_reverse = true;
  return r;
}

}  // namespace

const std::vector<Construct>& constructs() {
  static const std::vector<Construct> all = make();
  return all;
}
Function leaf() {
  return {"leaf", [](const Tensor& w, const Tensor& x) { return sin(w * x) + 0.3 * x; },
          [](const Poly& w, const Poly& x) { return sin(w * x) + Poly(0.3) * x; }};
}
Function apply(const Construct& c, const Function& f) {
  return {c.name + "(" + f.name + ")", c.of(f.f), c.reference(f.reference), c.reverse && f.reverse};
}

}  // namespace functra::testing
