// The battery: every law of every row.
//
//   evaluation = reference; shape rule = actual; jvp = central differences; <ct, J t> = <J^T ct, t>; second order three ways;
//   linearize = jvp; vmap over every combination of mapped operands at several dims = loop; vmap of vmap; vmap(vjp) = loop;
//   jvp(vmap) and vjp(vmap); a Program traced at one point replays at others, prints and parses back, verifies; jit traced at one
//   point = eager at others, by units in the last place of each element where that is one elementwise operation; the lowering
//   formula run by an Emitter = evaluation; equations do not grow with the batch.
#include "laws/laws.h"

#include <cmath>
#include <limits>

#include "functra/core/interp.h"
#include "laws/emitter_law.h"
#include "laws/transforms.h"
#include "support/compiled.h"

namespace functra::testing {
namespace {

double ulp_of(DType d, double x) {
  x = std::fabs(x);
  if (d == DType::f32) {
    double m = std::fmax(x, 1.1754943508222875e-38);
    return std::ldexp(1.0, std::ilogb(m) - 23);
  }
  return std::ldexp(1.0, std::ilogb(std::fmax(x, 2.2250738585072014e-308)) - 52);
}

class Battery {
 public:
  Battery(const Row& r, bool stop_at_first) : row_(r), stop_(stop_at_first) {}
  Outcome run() {
    try {
      samples();
    } catch (const Enough&) {}
    return std::move(outcome_);
  }

 private:
  struct Enough {};  // thrown at the first broken law, where that is all the caller wants
  void samples() {
    for (const Sample& s : row_.samples) {
      sample_ = &s;
      guarded("evaluation", [&] { evaluation(s); });
      guarded("program", [&] { program(s); });
      guarded("jit", [&] { jit(s); });
      guarded("lowering", [&] {
        if (auto ok = lowering_agrees(row_.name, s)) law("lowering", *ok, "the formula run by an Emitter differs from evaluation");
      });
      if (row_.vmap && !s.in.empty()) guarded("vmap", [&] { batching(s); });
      bool f64_only = true;
      for (const Tensor& t : s.in) f64_only &= t.raw_dtype() != DType::f32;
      std::vector<int> diff = s.diff;
      if (diff.empty())
        for (std::size_t i = 0; i < s.in.size(); ++i)
          if (is_floating(s.in[i].raw_dtype())) diff.push_back(static_cast<int>(i));
      if (s.differentiable && f64_only && !diff.empty()) guarded("derivatives", [&] { derivatives(s, diff); });
    }
  }
  template <class F> void guarded(const char* what, F f) {
    try {
      f();
    } catch (const std::exception& e) { law(what, false, std::string("threw: ") + e.what()); }
    if (core::current != around_) {
      core::current = around_;
      law(what, false, "an interpreter was left current");
    }
  }
  void law(const std::string& what, bool ok, const std::string& detail = {}) {
    ++outcome_.ran;
    if (ok) return;
    outcome_.broken.push_back(sample_->name + ": " + what + ": " + detail);
    if (stop_) throw Enough();
  }
  // a against b: equal shapes and integers, NaN and infinities at the same places, values within tol relative to the largest (or atol).
  std::string differ(const Vec& a, const Vec& b, double tol, double noise) const {
    if (a.size() != b.size()) return std::to_string(a.size()) + " results against " + std::to_string(b.size());
    for (std::size_t k = 0; k < a.size(); ++k) {
      if (!(a[k].sizes() == b[k].sizes())) return "shape " + a[k].sizes().str() + " against " + b[k].sizes().str();
      auto x = a[k].to_vector<double>(), y = b[k].to_vector<double>();
      double scale = 0;
      for (double v : y)
        if (std::isfinite(v)) scale = std::fmax(scale, std::fabs(v));
      const double allowed = is_floating(b[k].raw_dtype()) ? tol * std::fmax(scale, 1e-300) + row_.atol + noise : 0;
      for (std::size_t i = 0; i < x.size(); ++i) {
        bool same = x[i] == y[i] || (std::isnan(x[i]) && std::isnan(y[i])) || std::fabs(x[i] - y[i]) <= allowed;
        if (!same)
          return "result " + std::to_string(k) + " element " + std::to_string(i) + ": " + std::to_string(x[i]) + " against " + std::to_string(y[i]) +
                 " (difference " + std::to_string(x[i] - y[i]) + ")";
      }
    }
    return {};
  }
  // noise: what rounding leaves of a difference quotient whose true value is zero.
  void same(const std::string& what, const Vec& a, const Vec& b, double tol, double noise = 0) {
    std::string d = differ(a, b, tol, noise);
    law(what, d.empty(), d);
  }
  double eps(const Sample& s) const {
    for (const Tensor& t : s.in)
      if (t.raw_dtype() == DType::f32) return 2e-5;
    return 1e-11;
  }

  // What compiled code may differ by: products and sums contract, sums change their order.
  static double rounding(const Vec& in, const Vec& out) {
    double e = std::numeric_limits<double>::epsilon();
    for (auto* list : {&in, &out})
      for (const Tensor& t : *list)
        if (is_floating(t.raw_dtype()) && t.raw_dtype() != DType::f64 && !t.weak()) e = std::numeric_limits<float>::epsilon();
    return 64 * e;
  }

  void evaluation(const Sample& s) {
    Vec y = s.f(s.in);
    if (!s.ref) return;
    std::vector<Array> in;
    for (const Tensor& t : s.in) in.push_back(to_array(t));
    auto want = s.ref(in);
    if (want.size() != y.size()) return law("evaluation", false, "another number of results than the reference");
    for (std::size_t k = 0; k < y.size(); ++k) {
      if (!(y[k].sizes() == want[k].shape)) {
        law("evaluation", false, "shape " + y[k].sizes().str() + ", reference " + want[k].shape.str());
        continue;
      }
      auto got = y[k].to_vector<double>();
      double scale = 0;
      for (double v : want[k].v)
        if (std::isfinite(v)) scale = std::fmax(scale, std::fabs(v));
      std::string bad;
      for (std::size_t i = 0; i < got.size() && bad.empty(); ++i) {
        double w = want[k][i], g = got[i];
        if (g == w || (std::isnan(g) && std::isnan(w))) continue;
        double wf = y[k].raw_dtype() == DType::f32 ? static_cast<double>(static_cast<float>(w)) : w;
        if (g == wf) continue;
        double tol = row_.ulp * (is_floating(y[k].raw_dtype()) ? ulp_of(y[k].raw_dtype(), w) : 0) + row_.atol + row_.rtol * scale;
        if (!(std::fabs(g - w) <= tol)) {
          char b[200];
          std::snprintf(b, sizeof b, "element %zu is %.17g, the reference %.17g (%.2f ulp)", i, g, w, std::fabs(g - w) / ulp_of(y[k].raw_dtype(), w));
          bad = b;
        }
      }
      law("evaluation", bad.empty(), bad);
    }
  }
  // Other values of the same types: each operand's elements in reverse order.
  Vec other_point(const Sample& s) {
    Vec r;
    for (const Tensor& t : s.in) {
      auto v = t.to_vector<double>();
      if (is_floating(t.raw_dtype())) std::reverse(v.begin(), v.end());
      r.push_back(from_values(t.sizes(), t.raw_dtype(), v));
    }
    return r;
  }
  void program(const Sample& s) {
    auto f = [&](const Vec& v) { return s.f(v); };
    Program p = make_fx(f)(s.in);
    Vec y = s.f(s.in);
    auto out = p.outputs();
    bool types = out.size() == y.size();
    for (std::size_t k = 0; types && k < y.size(); ++k) types = out[k].shape == y[k].sizes() && out[k].dtype == y[k].raw_dtype();
    law("shape rule = actual", types, p.str());
    p.verify();
    Vec other = other_point(s);
    same("program replays", p(other), s.f(other), 0);
    Program q = Program::parse(to_string(p));
    law("text parses back", q == p, to_string(p));
    if (s.in.size() && p.captured() == 0) same("parsed program replays", q(s.in), y, 0);
  }
  static bool one_elementwise_operation(const Sample& s) {
    const core::ProgramPtr p = make_fx([&](const Vec& v) { return s.f(v); })(s.in).ir();
    return p->eqns.size() == 1 && p->eqns[0].prim->elementwise != core::Elementwise::no;
  }
  void jit(const Sample& s) {
    int traces = 0;
    auto fast = functra::jit([&](const Vec& v) {
      ++traces;
      return s.f(v);
    });
    (void)fast(s.in);
    Vec other = other_point(s);
    Vec want = s.f(other);
    Vec got = fast(other);
    same("jit = eager", got, want, rounding(s.in, want));
    if (one_elementwise_operation(s)) {
      std::string d = results_differ(got, want, Match::ulps);
      law("jit = eager by element", d.empty(), d);
    }
    law("jit traces once", traces == 1, std::to_string(traces) + " traces");
  }

  void batching(const Sample& s) {
    std::size_t n = s.in.size(), masks = std::size_t(1) << std::min<std::size_t>(n, 4);
    const std::int64_t B = 3;
    int dim_choice = 0;
    for (std::size_t m = 1; m < masks; ++m) {
      Vec in = s.in;
      std::vector<int> dims(n, -1);
      std::vector<Vec> lanes(B, s.in);
      for (std::size_t k = 0; k < n; ++k) {
        if (!(m >> k & 1)) continue;
        int rank = s.in[k].sizes().rank();
        dims[k] = dim_choice++ % (rank + 1);
        in[k] = stacked(s.in[k], B, dims[k], lanes, k);
      }
      std::string what = "vmap of operands " + std::to_string(m);
      Vec got = vmap_of(s.f, in, dims);
      same(what, got, loop(s.f, lanes), eps(s));
      if (m + 1 == masks) {
        vmap_of_vmap(s, B);
        growth(s);
      }
    }
  }
  // B variations of t along a new dimension.
  Tensor stacked(const Tensor& t, std::int64_t B, int dim, std::vector<Vec>& lanes, std::size_t k) {
    Shape full = t.sizes().with(static_cast<std::size_t>(dim), B), fs = row_major(full), inner = t.sizes();
    std::vector<double> all(static_cast<std::size_t>(full.numel()));
    for (std::int64_t b = 0; b < B; ++b) {
      auto v = t.to_vector<double>();
      if (is_floating(t.raw_dtype()) && v.size() > 1) std::rotate(v.begin(), v.begin() + b % static_cast<std::int64_t>(v.size()), v.end());
      if (static_cast<std::size_t>(b) < lanes.size()) lanes[static_cast<std::size_t>(b)][k] = from_values(inner, t.raw_dtype(), v);
      Shape st = fs.without(static_cast<std::size_t>(dim)), i = Shape::filled(inner.size(), 0);
      for (std::size_t e = 0; e < v.size(); ++e) {
        std::int64_t at = b * fs[static_cast<std::size_t>(dim)];
        for (std::size_t d = 0; d < i.size(); ++d) at += i[d] * st[d];
        all[static_cast<std::size_t>(at)] = v[e];
        for (std::size_t d = i.size(); d-- > 0;) {
          if (++i[d] < inner[d]) break;
          i[d] = 0;
        }
      }
    }
    return from_values(full, t.raw_dtype(), all);
  }
  static Vec stack0(const std::vector<Vec>& per) {
    Vec r;
    for (std::size_t k = 0; k < per[0].size(); ++k) {
      Shape s = per[0][k].sizes().with(0, static_cast<std::int64_t>(per.size()));
      std::vector<double> v;
      for (auto& p : per) {
        auto e = p[k].to_vector<double>();
        v.insert(v.end(), e.begin(), e.end());
      }
      r.push_back(from_values(s, per[0][k].raw_dtype(), v));
    }
    return r;
  }
  static Vec loop(const Fn& f, const std::vector<Vec>& lanes) {
    std::vector<Vec> per;
    for (auto& l : lanes) per.push_back(f(l));
    return stack0(per);
  }
  void vmap_of_vmap(const Sample& s, std::int64_t B) {
    Vec in, inner_in;
    std::vector<Vec> lanes(static_cast<std::size_t>(B), s.in), none;
    for (std::size_t k = 0; k < s.in.size(); ++k) inner_in.push_back(stacked(s.in[k], B, 0, lanes, k));
    std::vector<Vec> outer(2, inner_in);
    for (std::size_t k = 0; k < s.in.size(); ++k) in.push_back(stacked(inner_in[k], 2, 1, outer, k));
    std::vector<int> zero(s.in.size(), 0), one(s.in.size(), 1);
    Fn inner = [&](const Vec& v) { return vmap_of(s.f, v, zero); };
    same("vmap of vmap", vmap_of(inner, in, one), loop(inner, outer), eps(s));
  }
  void growth(const Sample& s) {
    auto equations = [&](std::int64_t B) {
      Vec in;
      std::vector<Vec> none;
      for (std::size_t k = 0; k < s.in.size(); ++k) in.push_back(stacked(s.in[k], B, 0, none, k));
      std::vector<int> zero(s.in.size(), 0);
      return make_fx([&](const Vec& v) { return vmap_of(s.f, v, zero); })(in).size();
    };
    std::int64_t many = s.in[0].numel() > 500 ? 7 : 200;
    law("equations do not grow with the batch", equations(2) == equations(many));
  }

  Vec like(const Vec& y, int seed) {
    Vec r;
    for (const Tensor& t : y)
      r.push_back(is_floating(t.raw_dtype()) ? random_tensor(t.sizes(), t.raw_dtype(), -1, 1, seed++)
                                             : from_values(t.sizes(), t.raw_dtype(), std::vector<double>(static_cast<std::size_t>(t.numel()))));
    return r;
  }
  static double inner_product(const Vec& a, const Vec& b) {
    double s = 0;
    for (std::size_t k = 0; k < a.size(); ++k) {
      if (!is_floating(b[k].raw_dtype())) continue;
      auto x = a[k].to_vector<double>(), y = b[k].to_vector<double>();
      for (std::size_t i = 0; i < x.size(); ++i) s += x[i] * y[i];
    }
    return s;
  }
  static Vec moved(const Vec& x, const Vec& t, double h) {
    Vec r;
    for (std::size_t k = 0; k < x.size(); ++k) {
      auto a = x[k].to_vector<double>(), d = t[k].to_vector<double>();
      for (std::size_t i = 0; i < a.size(); ++i) a[i] += h * d[i];
      r.push_back(from_values(x[k].sizes(), x[k].raw_dtype(), a));
    }
    return r;
  }
  static Vec central(const Fn& f, const Vec& x, const Vec& t) {  // fourth order
    const double h = 1e-4;
    Vec a = f(moved(x, t, h)), b = f(moved(x, t, -h)), c = f(moved(x, t, 2 * h)), d = f(moved(x, t, -2 * h)), r;
    for (std::size_t k = 0; k < a.size(); ++k) {
      auto p = a[k].to_vector<double>(), q = b[k].to_vector<double>(), u = c[k].to_vector<double>(), v = d[k].to_vector<double>();
      for (std::size_t i = 0; i < p.size(); ++i) p[i] = is_floating(a[k].raw_dtype()) ? (8 * (p[i] - q[i]) - (u[i] - v[i])) / (12 * h) : 0;
      r.push_back(from_values(a[k].sizes(), a[k].raw_dtype(), p));
    }
    return r;
  }
  void derivatives(const Sample& s, const std::vector<int>& diff) {
    Fn f = of_operands(s.f, s.in, diff);
    Vec x;
    for (int i : diff) x.push_back(s.in[static_cast<std::size_t>(i)]);
    Vec y = f(x), t = like(x, 3), ct = like(y, 11);
    bool floating = false;
    for (const Tensor& v : y) floating |= is_floating(v.raw_dtype());
    auto [yj, jt] = functra::jvp([&](const Vec& v) { return f(v); }, x, t);
    same("value under jvp = evaluation", yj, y, 1e-12);
    if (row_.zero_derivative || !floating) {
      for (const Tensor& v : jt)
        for (double e : v.to_vector<double>())
          if (e != 0) return law("zero derivative", false);
      law("zero derivative", true);
      if (!floating) return;
    } else {
      if (s.linear) same("jvp = the function, of the tangent", jt, f(t), 1e-12);
      else same("jvp = differences", jt, central(f, x, t), row_.grad_tol, 1e-9);
    }
    double pairing = 1e-10;
    for (const Tensor& v : y)
      if (v.raw_dtype() == DType::f32) pairing = 1e-6;  // of an f64 operand: rounded once
    Vec g = vjp_of(f, x, ct);
    double l = inner_product(ct, jt), r = inner_product(g, t), scale = 1e-12;
    for (std::size_t k = 0; k < g.size(); ++k) {
      auto a = g[k].to_vector<double>(), b = t[k].to_vector<double>();
      for (std::size_t i = 0; i < a.size(); ++i) scale += std::fabs(a[i] * b[i]);
    }
    law("<ct, J t> = <J^T ct, t>", std::fabs(l - r) <= pairing * scale, std::to_string(l) + " against " + std::to_string(r));
    if (s.linear) same("linear_transpose = vjp", functra::linear_transpose([&](const Vec& v) { return f(v); }, x)(ct), g, 1e-12);
    auto [yl, push] = functra::linearize([&](const Vec& v) { return f(v); }, x);
    same("value under linearize = evaluation", yl, y, 1e-12);
    same("linearize = jvp", push(t), jt, 1e-12);
    try {
      functra::make_fx(push)(t).verify_linear();
      law("the linear half is linear", true);
    } catch (const Error& e) { law("the linear half is linear", false, e.what()); }
    bool g_types = true;
    for (std::size_t k = 0; k < g.size(); ++k) g_types &= g[k].aval() == x[k].aval();
    law("cotangent type = primal type", g_types);
    // Transforms of transforms: through jit, and batched.
    Vec gj = vjp_of([&](const Vec& v) { return functra::jit([&](const Vec& w) { return f(w); })(v); }, x, ct);
    same("vjp(jit) = vjp", gj, g, 1e-12);
    Fn grad_fn = [&, ct](const Vec& v) { return vjp_of(f, v, ct); };
    if (row_.vmap) {
      std::vector<Vec> lanes(2, x);
      Vec in;
      for (std::size_t k = 0; k < x.size(); ++k) in.push_back(stacked(x[k], 2, 0, lanes, k));
      std::vector<int> zero(x.size(), 0);
      same("vmap(vjp) = loop", vmap_of(grad_fn, in, zero), loop(grad_fn, lanes), 1e-11);
      Fn tangent_fn = [&, t](const Vec& v) { return jvp_of(f, v, t); };
      same("vmap(jvp) = loop", vmap_of(tangent_fn, in, zero), loop(tangent_fn, lanes), 1e-11);
      Fn mapped = [&](const Vec& v) { return vmap_of(f, v, zero); };
      Vec in_t = like(in, 5), my = mapped(in), mct = like(my, 7);
      Vec mj = jvp_of(mapped, in, in_t), mg = vjp_of(mapped, in, mct);
      std::vector<Vec> per_j, per_g;
      for (std::size_t b = 0; b < 2; ++b) {
        per_j.push_back(jvp_of(f, lanes[b], lane_of(in_t, b)));
        per_g.push_back(vjp_of(f, lanes[b], lane_of(mct, b)));
      }
      same("jvp(vmap) = loop", mj, stack0(per_j), 1e-11);
      same("vjp(vmap) = loop", mg, stack0(per_g), 1e-11);
      // Mapped only for one operand: the shared ones sum their cotangents over lanes.
      std::vector<int> first(x.size(), -1);
      first[0] = 0;
      Vec some = x;
      some[0] = in[0];
      Fn partly = [&](const Vec& v) { return vmap_of(f, v, first); };
      Vec pct = like(partly(some), 7), pt = like(some, 9);
      double pl = inner_product(pct, jvp_of(partly, some, pt)), pr = inner_product(vjp_of(partly, some, pct), pt);
      law("vjp(vmap) with shared operands", std::fabs(pl - pr) <= 10 * pairing * (1 + std::fabs(pl)),
          std::to_string(pl) + " against " + std::to_string(pr));
    }
    Program p = make_fx([&](const Vec& v) { return grad_fn(v); })(x);
    p.verify();
    law("vjp program parses back", Program::parse(to_string(p)) == p);
    same("vjp program = vjp", p(x), g, 1e-12);
    if (row_.second_order && !row_.zero_derivative) second_order(f, x, t, ct, grad_fn);
  }
  static Vec lane_of(const Vec& v, std::size_t b) {
    Vec r;
    for (const Tensor& t : v) {
      Shape s = t.sizes().without(0);
      auto e = t.to_vector<double>();
      auto n = static_cast<std::ptrdiff_t>(s.numel());
      r.push_back(from_values(
          s, t.raw_dtype(), std::vector<double>(e.begin() + static_cast<std::ptrdiff_t>(b) * n, e.begin() + static_cast<std::ptrdiff_t>(b + 1) * n)));
    }
    return r;
  }
  void second_order(const Fn& f, const Vec& x, const Vec& t, const Vec& ct, const Fn& grad_fn) {
    Vec u = like(x, 17);
    Vec fr = jvp_of(grad_fn, x, t);  // forward over reverse: H t
    same("second order: jvp(vjp) = differences", fr, central(grad_fn, x, t), 10 * row_.grad_tol, 1e-9);
    Vec rr = vjp_of(grad_fn, x, t);  // reverse over reverse: H^T t = H t
    same("second order: vjp(vjp) = jvp(vjp)", rr, fr, 1e-8);
    Fn tangent = [&](const Vec& v) { return jvp_of(f, v, t); };
    Vec rf = vjp_of(tangent, x, ct);
    same("second order: vjp(jvp) = jvp(vjp)", rf, fr, 1e-8);
    auto [jt, jtu] = functra::jvp([&](const Vec& v) { return tangent(v); }, x, u);
    same("second order: value under jvp = jvp", jt, tangent(x), 1e-12);
    double a = inner_product(ct, jtu), b = inner_product(fr, u);
    law("second order: jvp(jvp)", std::fabs(a - b) <= 1e-8 * (1 + std::fabs(b)), std::to_string(a) + " against " + std::to_string(b));
  }

  const Row& row_;
  bool stop_;
  core::Interp* around_ = core::current;
  const Sample* sample_ = nullptr;
  Outcome outcome_;
};

}  // namespace

Outcome run_battery(const Row& row, bool stop_at_first) { return Battery(row, stop_at_first).run(); }

}  // namespace functra::testing
