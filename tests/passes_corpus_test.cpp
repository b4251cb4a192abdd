// Every primitive's row, nested control flow, and programs of derivatives through all passes, and with each pass left out: the values stay.
#include <gtest/gtest.h>

#include <cstdio>

#include "functra/core/interp.h"
#include "functra/functra.h"
#include "laws/row.h"
#include "laws/transforms.h"
#include "laws_count.h"
#include "support/constructs.h"
#include "support/optimised.h"

namespace functra::testing {
namespace {

struct Corpus {
  long programs = 0, before = 0, after = 0;
  // f as a program, through the passes, on these inputs.
  void check(const std::string& name, const Fn& f, const Vec& in, double tolerance, const std::vector<std::string>& off = {}) {
    functra::Program p;
    try {
      p = make_fx([&](const Vec& v) { return f(v); })(in);
    } catch (const Error&) { return; }  // no rule for that, or values that decide: other tests' business
    ++programs;
    std::string d = optimised_differs(p, in, tolerance, off);
    count_law(d.empty());
    EXPECT_EQ(d, "") << name;
    if (!d.empty()) return;
    before += static_cast<long>(compiler::count_equations(*p.ir()));
    after += static_cast<long>(compiler::count_equations(*compiler::optimize(p.ir(), off)));
  }
  ~Corpus() { std::printf("%ld programs, %ld equations before the passes, %ld after\n", programs, before, after); }
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
      const std::string label = row.name + " " + s.name;
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

}  // namespace functra::testing
