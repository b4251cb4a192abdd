// Every primitive's row, nested control flow, and programs of derivatives through all passes, with each pass left out, and through each one
// alone: the values stay. Of the last two the first tier takes one in turn for every second program, the second tier all.
#include <gtest/gtest.h>

#include <cstdio>

#include "functra/core/interp.h"
#include "functra/functra.h"
#include "laws/row.h"
#include "laws/transforms.h"
#include "laws_count.h"
#include "support/compiled.h"
#include "support/constructs.h"
#include "support/optimised.h"

namespace functra::testing {
namespace {

struct Corpus {
  long programs = 0, before = 0, after = 0, partly = 0;
  // f as a program, through the passes, on these inputs; `each`: and through all choices of one pass.
  void check(const std::string& name, const Fn& f, const Vec& in, double tolerance, bool each = thorough) {
    functra::Program p;
    try {
      p = make_fx([&](const Vec& v) { return f(v); })(in);
    } catch (const Error&) { return; }  // no rule for that, or values that decide: other tests' business
    ++programs;
    if (!same(name, p, in, tolerance, {})) return;
    core::ProgramPtr q = compiler::optimize(p.ir());
    std::size_t n = compiler::count_equations(*q), again = compiler::count_equations(*compiler::optimize(q));
    EXPECT_LE(again, n + n / 8) << name << ": the passes do not settle";
    before += static_cast<long>(compiler::count_equations(*p.ir()));
    after += static_cast<long>(n);
    const std::size_t choices = 2 * names.size(), turn = static_cast<std::size_t>(programs / 2) % choices;
    for (std::size_t k = 0; k < choices; ++k) {
      if (!each && (programs % 2 || k != turn)) continue;
      ++partly;
      const std::string& pass = names[k / 2];
      std::vector<std::string> others = names;
      std::erase(others, pass);
      if (k % 2) same(name + " through " + pass + " alone", p, in, tolerance, others);
      else same(name + " without " + pass, p, in, tolerance, {pass});
    }
  }
  ~Corpus() {
    std::printf("%ld programs, %ld of one pass less or one alone, %ld equations before the passes, %ld after\n", programs, partly, before, after);
  }

 private:
  bool same(const std::string& name, const functra::Program& p, const Vec& in, double tolerance, const std::vector<std::string>& off) {
    std::string d = optimised_differs(p, in, tolerance, off);
    count_law(d.empty());
    EXPECT_EQ(d, "") << name;
    return d.empty();
  }
  const std::vector<std::string> names = all_passes();
};
Vec seeds(const Vec& like, double phase) {
  Vec r;
  for (const Tensor& t : like)
    r.push_back(is_differentiable(t.raw_dtype()) ? (sin(arange(0, t.numel(), 1, f64) * 1.7 + phase).reshape(t.sizes()) + 0.1).to(t.raw_dtype()) : t);
  return r;
}
Fn forward(const Fn& f, const Vec& x, const std::vector<int>& diff) {
  return [=](const Vec& v) {
    Vec at;
    for (int k : diff) at.push_back(v[static_cast<std::size_t>(k)]);
    (void)x;
    return jvp_of(of_operands(f, v, diff), at, seeds(at, 0.2));
  };
}
Fn backward(const Fn& f, const std::vector<int>& diff) {
  return [=](const Vec& v) {
    Vec at;
    for (int k : diff) at.push_back(v[static_cast<std::size_t>(k)]);
    auto [y, pull] = functra::vjp([&](const Vec& u) { return of_operands(f, v, diff)(u); }, at);
    return pull(seeds(y, 0.4));
  };
}

}  // namespace

TEST(PassCorpus, every_row_and_its_derivatives) {
  Corpus corpus;
  for (auto& [name, make] : rows()) {
    Row row = make();
    int taken = 0;
    for (const Sample& s : row.samples) {
      std::int64_t elements = 0;
      for (const Tensor& t : s.in) elements += t.numel();
      if (elements > 2000) continue;
      double tol = 0;
      for (const Tensor& t : s.in)
        tol = std::max(tol, t.raw_dtype() == f64 ? 1e-12 : is_floating(t.raw_dtype()) && size_of(t.raw_dtype()) == 2 ? 2e-2 : 1e-5);
      const std::string label = (row.name.empty() ? name : row.name) + " " + s.name;
      corpus.check(label, s.f, s.in, tol);
      std::vector<int> diff = s.diff;
      if (diff.empty())
        for (std::size_t k = 0; k < s.in.size(); ++k)
          if (is_floating(s.in[k].raw_dtype())) diff.push_back(static_cast<int>(k));
      if (diff.empty() || !s.differentiable || ++taken > 6) continue;
      corpus.check(label + ", jvp", forward(s.f, s.in, diff), s.in, 10 * tol);
      corpus.check(label + ", vjp", backward(s.f, diff), s.in, 10 * tol);
      if (!row.vmap || elements > 200) continue;
      Vec in;
      std::vector<int> dims(s.in.size(), 0);
      for (const Tensor& t : s.in) in.push_back(stack({t, t, t}));
      corpus.check(
          label + ", vmap of vjp", [&](const Vec& v) { return vmap_of(backward(s.f, diff), v, dims); }, in, 10 * tol);
    }
  }
}
TEST(PassCorpus, control_flow_nested_and_its_derivatives) {
  Corpus corpus;
  const Vec in{tensor(0.3, f64), tensor(0.7, f64)}, lanes{stack({in[0], in[1]}), stack({in[1], in[0]})};
  std::vector<Function> functions{leaf()};
  for (auto& c : constructs()) functions.push_back(apply(c, leaf()));
  for (std::size_t i = 0; i < constructs().size(); ++i) functions.push_back(apply(constructs()[i], functions[1 + (7 * i + 3) % constructs().size()]));
  for (auto& f : functions) {
    Fn g = [&](const Vec& v) { return Vec{f.f(v[0], v[1])}; };
    corpus.check(f.name, g, in, 1e-10);
    corpus.check(f.name + ", jvp", forward(g, in, {0, 1}), in, 1e-10);
    corpus.check(
        f.name + ", vmap",
        [&](const Vec& v) {
          return vmap_of(g, v, {0, 0});
        },
        lanes, 1e-10);
    if (!f.reverse) continue;
    corpus.check(f.name + ", vjp", backward(g, {0, 1}), in, 1e-10);
    corpus.check(
        f.name + ", vmap of vjp",
        [&](const Vec& v) {
          return vmap_of(backward(g, {0, 1}), v, {0, 0});
        },
        lanes, 1e-10);
    corpus.check(f.name + ", jvp of vjp", forward(backward(g, {0, 1}), in, {0, 1}), in, 1e-9);
  }
}

TEST(PassCorpus, jacobians_and_hessians) {
  const Tensor w = seeds({zeros({4, 3}, f64)}, 0.7)[0], x = seeds({zeros({3}, f64)}, 0.1)[0], m = seeds({zeros({3, 3}, f64)}, 0.9)[0];
  auto rotation = [](const Tensor& q) {
    Tensor c = cos(q), s = sin(q), z = zeros_like(q), o = ones_like(q);
    return stack({stack({c, -s, z}), stack({s, c, z}), stack({z, z, o})});
  };
  using F = std::function<Tensor(const Tensor&)>;
  const std::vector<std::pair<std::string, F>> functions{
      {"elementwise", [](const Tensor& v) { return sin(v) * v - v / (1.0 + v * v); }},
      {"affine", [=](const Tensor& v) { return matmul(w, v) + 1.0; }},
      {"layer", [=](const Tensor& v) { return tanh(matmul(w, v)); }},
      {"two layers", [=](const Tensor& v) { return tanh(matmul(w.t(), tanh(matmul(w, v)))) * v; }},
      {"arm",
       [=](const Tensor& q) {
         Tensor t = rotation(q[0]);
         for (int i = 1; i < 3; ++i) t = matmul(t, rotation(q[i]));
         return t[0];
       }},
      {"norm", [](const Tensor& v) { return v / sqrt(sum(v * v)); }},
      {"powers", [](const Tensor& v) { return pow(v * v + 0.1, 1.5) + pow(sum(v * v), -1.5) * v; }},
      {"quadratic", [=](const Tensor& v) { return matmul(v, matmul(m, v)); }},
      {"outer", [=](const Tensor& v) { return sum(v.unsqueeze(1) * v.unsqueeze(0) * m, {0}); }},
      {"softmax", [](const Tensor& v) { return softmax(v, 0); }},
      {"pieces",
       [](const Tensor& v) {
         return cat({v[0] * v, exp(v.index({Slice(1, 3)})), zeros({2}, f64)}, 0);
       }},
      {"selected", [](const Tensor& v) { return where(v > 0.1, v * v, 3.0 * v) + maximum(v, 0.2); }},
      {"scan",
       [](const Tensor& v) {
         return scan([&](const Tensor& c, const Tensor& a) { return std::pair{c * a + sin(c), c * c}; }, v[0], v).second;
       }},
      {"conditional",
       [](const Tensor& v) {
         return cond(
             sum(v) > 0.0, [](const Tensor& u) { return u * u; }, [](const Tensor& u) { return sin(u); }, v);
       }},
      {"cumulative", [](const Tensor& v) { return cumsum(v * v, 0) * v; }},
      {"solve", [=](const Tensor& v) { return linalg::solve(m + 4.0 * eye(3, f64), v * v); }},
      {"indexed",
       [](const Tensor& v) {
         return v[tensor({2, 0, 1, 2})] * v[tensor({0, 1, 2, 0})];
       }},
      {"matrix", [=](const Tensor& v) { return matmul(v.unsqueeze(1) * m, m) + transpose(m * v, 0, 1); }},
  };
  Corpus corpus;
  const Vec in{x}, lanes{stack({x, x + 0.3, x - 0.2})};
  for (auto& entry : functions) {
    const std::string& name = entry.first;
    const F& f = entry.second;
    auto one = [](auto g) -> Fn { return [g](const Vec& v) { return Vec{g(v[0])}; }; };
    F jf = [f](const Tensor&v) { return jacfwd(f)(v); }, jr = [f](const Tensor&v) { return jacrev(f)(v); },
      h = [f](const Tensor&v) { return hessian([f](const Tensor& u) { return sum(sin(f(u))); })(v); },
      chunks = [f](const Tensor&v) { return jacfwd(f, {.chunk_size = 2})(v); };
    for (auto& [kind, g] : std::vector<std::pair<std::string, F>>{{"", f}, {"jacfwd ", jf}, {"jacrev ", jr}, {"hessian ", h}, {"chunks ", chunks}}) {
      corpus.check(kind + name, one(g), in, 1e-11, true);
      corpus.check("vmap " + kind + name, one([g = g](const Tensor& v) { return vmap(g)(v); }), lanes, 1e-11);
    }
  }
}

}  // namespace functra::testing
