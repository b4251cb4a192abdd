// Loops, branches and recomputation: the same laws as any primitive's, against unrolled loops over doubles.
#include <cmath>

#include "functra/functra.h"
#include "functra/prims/checkpoint.h"
#include "laws/row.h"

namespace functra::testing {
namespace {

using Doubles = std::vector<double>;
Tensor operand(const Shape& s, int seed, double lo = 0.3, double hi = 1.2) { return random_tensor(s, DType::f64, lo, hi, seed); }
Array element_wise(const std::vector<Array>& in, const std::function<double(const Doubles&)>& f, std::size_t from = 0,
                   std::size_t to = ~std::size_t{0}) {
  Array y = in[from];
  for (std::size_t i = 0; i < y.size(); ++i) {
    Doubles x;
    for (std::size_t k = from; k < std::min(to, in.size()); ++k) x.push_back(in[k][i]);
    y[i] = f(x);
  }
  return y;
}

// ---------------------------------------------------------------- scan
// c' = sin(c w) + x, y = c' w, of shape s, over n slices.
Fn scan_fn(ScanOptions o) {
  return [o](const Vec& in) {
    auto [c, ys] = scan(
        [w = in[0]](const Tensor& c, const Tensor& x) {
          Tensor n = sin(c * w) + x;
          return std::pair{n, n * w};
        },
        in[1], in[2], o);
    return Vec{c, ys};
  };
}
Reference scan_reference(bool reverse) {
  return [reverse](const std::vector<Array>& in) {
    Array c = in[1], ys = in[2];
    std::size_t m = c.size(), n = static_cast<std::size_t>(in[2].shape[0]);
    for (std::size_t k = 0; k < n; ++k) {
      std::size_t at = (reverse ? n - 1 - k : k) * m;
      for (std::size_t i = 0; i < m; ++i) {
        c[i] = std::sin(c[i] * in[0][i]) + in[2][at + i];
        ys[at + i] = c[i] * in[0][i];
      }
    }
    return std::vector<Array>{c, ys};
  };
}

// ---------------------------------------------------------------- while
// (a, b) -> a (1.3 + 0.2 sin(w a)), b + sin(b) a / 2 while a^2 < 4: the number of steps depends on the start.
Fn while_fn(WhileOptions o) {
  return [o](const Vec& in) {
    auto [a, b] = while_loop([](const auto& c) { return sum(square(std::get<0>(c))) < 4.0; },
                             [w = in[0]](const auto& c) {
                               auto& [a, b] = c;
                               return std::tuple{a * (1.3 + 0.2 * sin(w * a)), b + 0.5 * sin(b) * a};
                             },
                             std::tuple{in[1], in[2]}, o);
    return Vec{a, b};
  };
}
std::vector<Array> while_reference(const std::vector<Array>& in) {
  Array a = in[1], b = in[2];
  auto norm = [&] {
    double s = 0;
    for (double v : a.v) s += v * v;
    return s;
  };
  while (norm() < 4)
    for (std::size_t i = 0; i < a.size(); ++i) {
      b[i] += 0.5 * std::sin(b[i]) * a[i];
      a[i] *= 1.3 + 0.2 * std::sin(in[0][i] * a[i]);
    }
  return {a, b};
}
const WhileOptions kept{.max_steps = 40}, made_again{.max_steps = none, .checkpoint = 3}, made_again_sqrt{.max_steps = none, .checkpoint = 0};

// The derivative of f at fixed operands as a function of tangents: the linear half on its own, checked against a central difference.
Fn linear_of(const Fn& f, Vec at) {
  return [f, at](const Vec& t) { return functra::linearize([&](const Vec& v) { return f(v); }, at).second(t); };
}
Reference difference_of(std::function<std::vector<Array>(const std::vector<Array>&)> f, Vec at) {
  return [f, at](const std::vector<Array>& t) {
    const double h = 1e-5;
    std::vector<Array> up, down;
    for (std::size_t i = 0; i < at.size(); ++i) {
      up.push_back(to_array(at[i]));
      down.push_back(up[i]);
      for (std::size_t k = 0; k < up[i].size(); ++k) {
        up[i][k] += h * t[i][k];
        down[i][k] -= h * t[i][k];
      }
    }
    auto y = f(up), z = f(down);
    for (std::size_t i = 0; i < y.size(); ++i)
      for (std::size_t k = 0; k < y[i].size(); ++k) y[i][k] = (y[i][k] - z[i][k]) / (2 * h);
    return y;
  };
}

// ---------------------------------------------------------------- branches
Tensor branch_of(const Tensor& p, const Tensor& a, const Tensor& b) {
  return cond(
      p, [](const Tensor& x, const Tensor& y) { return sin(x) * y; }, [](const Tensor& x, const Tensor&) { return x * x; }, a, b);
}

// ---------------------------------------------------------------- recomputation
Tensor deep(const Tensor& a, const Tensor& b) { return sin(sin(a * b) * b) + checkpoint_name(exp(a), "e") * b; }
double deep_of(double a, double b) { return std::sin(std::sin(a * b) * b) + std::exp(a) * b; }
Fn checkpointed(CheckpointPolicy p) {
  return [p](const Vec& x) { return Vec{checkpoint(deep, {.policy = p})(x[0], x[1])}; };
}
std::vector<Array> deep_reference(const std::vector<Array>& in) {
  return {element_wise(in, [](const Doubles& x) { return deep_of(x[0], x[1]); })};
}

}  // namespace

FUNCTRA_ROW(scan) {
  Row r;
  r.ulp = 64;
  for (auto [s, n] : {std::pair{Shape{}, 4}, {Shape{2}, 3}, {Shape{2}, 1}, {Shape{3}, 0}})
    for (bool reverse : {false, true}) {
      Vec in{operand(s, 1), operand(s, 2), operand(s.with(0, n), 3)};
      r.samples.push_back(
          {"f64 " + s.str() + " x " + std::to_string(n) + (reverse ? " reverse" : ""), in, scan_fn({.reverse = reverse}), scan_reference(reverse)});
    }
  Vec in{operand({2}, 1), operand({2}, 2), operand({5, 2}, 3)};
  for (bool reverse : {false, true})
    r.samples.push_back({"checkpoint_every", in, scan_fn({.reverse = reverse, .checkpoint_every = 2}), scan_reference(reverse)});
  // A carry that becomes a constant at the first step: its tangent is a zero from there on.
  Fn forgets = [](const Vec& v) {
    auto [c, ys] = scan([w = v[0]](const Tensor& c, const Tensor& x) { return std::pair{full_like(c, 0.3), sin(c * w) * x}; }, v[1], v[2]);
    return Vec{c, ys};
  };
  r.samples.push_back({"a carry that becomes a constant", in, forgets, [](const std::vector<Array>& x) {
                         Array c = x[1], ys = x[2];
                         std::size_t m = c.size();
                         for (std::size_t k = 0; k < ys.size(); ++k) ys[k] = std::sin((k < m ? c[k] : 0.3) * x[0][k % m]) * x[2][k];
                         for (double& v : c.v) v = 0.3;
                         return std::vector<Array>{c, ys};
                       }});
  return r;
}
FUNCTRA_ROW(while) {
  Row r;
  r.ulp = 64;
  for (const Shape& s : {Shape{}, Shape{2}})
    for (const WhileOptions& o : {kept, made_again, made_again_sqrt}) {
      std::string how = o.max_steps ? "max_steps" : "checkpoint " + std::to_string(*o.checkpoint);
      r.samples.push_back({"f64 " + s.str() + " " + how, {operand(s, 1), operand(s, 2), operand(s, 3)}, while_fn(o), while_reference});
    }
  r.samples.push_back({"no step", {operand({}, 1), operand({}, 2, 3, 4), operand({}, 3)}, while_fn(kept), while_reference});
  return r;
}
FUNCTRA_ROW(sweep) {
  Row r;
  r.atol = 1e-8;
  for (const Shape& s : {Shape{}, Shape{2}}) {
    Vec at{operand(s, 1), operand(s, 2), operand(s, 3)};
    r.samples.push_back({"f64 " + s.str(),
                         {operand(s, 4, -1, 1), operand(s, 5, -1, 1), operand(s, 6, -1, 1)},
                         linear_of(while_fn(made_again), at),
                         difference_of(while_reference, at)});
  }
  return r;
}
FUNCTRA_ROW(sweep_linear) {  // the derivative of a gradient through a checkpointed loop
  Row r;
  r.atol = 1e-7;
  auto gradient = [](const WhileOptions& o) {
    return [o](const Vec& v) {
      auto loss = [&](const Vec& x) {
        Vec y = while_fn(o)(x);
        return sum(square(y[0])) + sum(y[1] * y[0]);
      };
      return functra::grad(loss)(v);
    };
  };
  // The gradient whose difference is the reference goes through stored residuals, another mechanism, itself checked by the row of while.
  auto stored = [=](const std::vector<Array>& in) {
    Vec x;
    for (auto& a : in) x.push_back(from_values(a.shape, DType::f64, a.v));
    std::vector<Array> y;
    for (const Tensor& t : gradient(kept)(x)) y.push_back(to_array(t));
    return y;
  };
  for (const Shape& s : {Shape{}, Shape{2}}) {
    Vec at{operand(s, 1), operand(s, 2), operand(s, 3)};
    r.samples.push_back({"f64 " + s.str(),
                         {operand(s, 4, -1, 1), operand(s, 5, -1, 1), operand(s, 6, -1, 1)},
                         linear_of(gradient(made_again), at),
                         difference_of(stored, at)});
  }
  return r;
}
FUNCTRA_ROW(cond) {
  Row r;
  r.ulp = 8;
  for (bool yes : {true, false})
    for (const Shape& s : {Shape{}, Shape{3}, Shape{0}}) {
      Fn f = [](const Vec& x) { return Vec{branch_of(x[0], x[1], x[2])}; };
      Reference ref = [yes](const std::vector<Array>& in) {
        return std::vector<Array>{element_wise(
            in, [yes](const Doubles& x) { return yes ? std::sin(x[0]) * x[1] : x[0] * x[0]; }, 1)};
      };
      r.samples.push_back({std::string(yes ? "true " : "false ") + s.str(), {tensor(yes), operand(s, 1), operand(s, 2)}, f, ref, {1, 2}});
    }
  for (int k : {-1, 0, 1, 2, 7}) {
    Fn f = [k](const Vec& x) {
      return Vec{switch_(
          tensor(k),
          std::tuple{[](const Tensor& a) { return sin(a); }, [](const Tensor& a) { return a * a; }, [](const Tensor& a) { return zeros_like(a); }},
          x[0])};
    };
    Reference ref = [k](const std::vector<Array>& in) {
      return std::vector<Array>{element_wise(in, [k](const Doubles& x) { return k <= 0 ? std::sin(x[0]) : k == 1 ? x[0] * x[0] : 0.0; })};
    };
    r.samples.push_back({"switch " + std::to_string(k), {operand({3}, 1)}, f, ref});
  }
  return r;
}
FUNCTRA_ROW(cond_lanes) {
  Row r;
  r.ulp = 8;
  for (const Shape& s : {Shape{}, Shape{2}})
    for (bool shared : {false, true}) {
      Tensor choice = tensor({true, false, true});
      Fn f = [=](const Vec& x) { return Vec{vmap(branch_of, {.in_dims = {0, 0, shared ? Axes(none) : Axes(0)}})(choice, x[0], x[1])}; };
      Reference ref = [=](const std::vector<Array>& in) {
        Array y = in[0];
        for (std::size_t i = 0; i < y.size(); ++i) {
          std::size_t lane = i / (y.size() / 3), k = shared ? i % (y.size() / 3) : i;
          y[i] = lane == 1 ? in[0][i] * in[0][i] : std::sin(in[0][i]) * in[1][k];
        }
        return std::vector<Array>{y};
      };
      r.samples.push_back({"f64 " + s.str() + (shared ? " shared" : ""), {operand(s.with(0, 3), 1), operand(shared ? s : s.with(0, 3), 2)}, f, ref});
    }
  return r;
}
FUNCTRA_ROW(checkpoint) {
  Row r;
  r.ulp = 8;
  for (auto& p : {policies::nothing_saveable, policies::everything_saveable, policies::save_only_these_names({"e"}),
                  policies::save_any_names_but_these({"e"}), policies::save_anything_except_these_names({"e"})})
    r.samples.push_back({"policy " + std::to_string(static_cast<int>(p.kind)), {operand({2}, 1), operand({2}, 2)}, checkpointed(p), deep_reference});
  Sample linear{"of a linear function",
                {operand({2}, 1), operand({2}, 2)},
                [](const Vec& x) { return Vec{checkpoint([](const Tensor& a, const Tensor& b) { return 3.0 * a - b; })(x[0], x[1])}; },
                [](const std::vector<Array>& in) { return std::vector<Array>{element_wise(in, [](const Doubles& x) { return 3 * x[0] - x[1]; })}; }};
  linear.linear = true;
  r.samples.push_back(linear);
  return r;
}
FUNCTRA_ROW(remat_linear) {
  Row r;
  r.atol = 1e-8;
  Vec at{operand({2}, 1), operand({2}, 2)};
  r.samples.push_back({"f64 [2]",
                       {operand({2}, 4, -1, 1), operand({2}, 5, -1, 1)},
                       linear_of(checkpointed(policies::nothing_saveable), at),
                       difference_of(deep_reference, at)});
  return r;
}
FUNCTRA_ROW(checkpoint_name) {
  Row r;
  for (const Shape& s : {Shape{}, Shape{3}})
    r.samples.push_back({"f64 " + s.str(),
                         {operand(s, 1)},
                         [](const Vec& x) { return Vec{checkpoint_name(x[0], "here")}; },
                         [](const std::vector<Array>& in) { return in; }});
  for (Sample& sample : r.samples) sample.linear = true;
  return r;
}
FUNCTRA_ROW(barrier) {
  Row r;
  Fn f = [](const Vec& x) { return core::bind_all(prims::barrier_p, x, prims::BarrierParams{2}); };
  r.samples.push_back({"f64", {operand({2}, 1), operand({}, 2)}, f, [](const std::vector<Array>& in) { return in; }});
  r.samples[0].linear = true;
  return r;
}

}  // namespace functra::testing
