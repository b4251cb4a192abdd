#include "support/optimised.h"

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "functra/core/interp.h"

namespace functra::testing {
namespace {

Vec evaluate(const core::ProgramPtr& p, const Vec& captured, const Vec& leaves) {
  Vec all = captured;
  all.insert(all.end(), leaves.begin(), leaves.end());
  core::Scope none(nullptr);
  return core::eval_program(*p, all);
}
std::vector<double> numbers_in(const Tensor& t) {  // of complex ones both parts
  if (!is_complex(t.raw_dtype())) return t.to_vector<double>();
  const Tensor c = t.contiguous();
  std::vector<double> r;
  for (std::int64_t i = 0; i < 2 * c.numel(); ++i)
    r.push_back(c.raw_dtype() == DType::c64 ? static_cast<const float*>(c.bytes())[i] : static_cast<const double*>(c.bytes())[i]);
  return r;
}
std::size_t count_in(const core::Program& p, const std::string& primitive) {
  std::size_t n = 0;
  for (const core::Eqn& e : p.eqns) {
    n += primitive == e.prim->name;
    for (auto& inner : core::inner_programs(e)) n += count_in(*inner, primitive);
  }
  return n;
}

}  // namespace

std::string difference(const Vec& is, const Vec& should, double tolerance) {
  if (is.size() != should.size()) return std::to_string(is.size()) + " results, expected " + std::to_string(should.size());
  for (std::size_t k = 0; k < is.size(); ++k) {
    const std::string result = "result " + std::to_string(k);
    if (is[k].raw_dtype() != should[k].raw_dtype() || !(is[k].sizes() == should[k].sizes()))
      return result + " has type " + is[k].aval().str() + ", expected " + should[k].aval().str();
    auto x = numbers_in(is[k]), y = numbers_in(should[k]);
    const bool inexact = is_floating(is[k].raw_dtype()) || is_complex(is[k].raw_dtype());
    double scale = 0;
    for (double v : y)
      if (std::isfinite(v)) scale = std::max(scale, std::fabs(v));
    for (std::size_t i = 0; i < x.size(); ++i) {
      bool same = x[i] == y[i] || (std::isnan(x[i]) && std::isnan(y[i])) ||
                  (inexact && std::isfinite(x[i]) && std::isfinite(y[i]) && std::fabs(x[i] - y[i]) <= tolerance * scale);
      if (same) continue;
      char text[120];
      std::snprintf(text, sizeof text, " element %zu: %.17g, expected %.17g", i, x[i], y[i]);
      return result + text;
    }
  }
  return {};
}
std::string optimised_differs(const functra::Program& p, const Vec& leaves, double tolerance, const std::vector<std::string>& off) {
  core::ProgramPtr q;
  try {
    q = compiler::optimize(p.ir(), off);
    std::string d = difference(evaluate(q, p.captured_tensors(), leaves), evaluate(p.ir(), p.captured_tensors(), leaves), tolerance);
    return d.empty() ? d : d + "\nbefore:\n" + p.str() + "\nafter:\n" + q->str();
  } catch (const std::exception& e) { return std::string("threw: ") + e.what() + "\nbefore:\n" + p.str() + (q ? "\nafter:\n" + q->str() : ""); }
}
functra::Program optimised(const functra::Program& p, const std::vector<std::string>& only) {
  std::vector<std::string> off;
  for (auto& pass : compiler::passes())
    if (!only.empty() && std::ranges::find(only, pass.name) == only.end()) off.push_back(pass.name);
  return functra::Program(compiler::optimize(p.ir(), off), p.captured_tensors());
}
std::size_t count(const functra::Program& p, const std::string& primitive) { return count_in(*p.ir(), primitive); }

}  // namespace functra::testing
