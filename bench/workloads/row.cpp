#include "bench/workloads/row.h"

#include <fmt/format.h>

namespace bench {

void Row::compare(const std::vector<Tensor>& out, const std::vector<Tensor>& expected) const {
  if (out.size() != expected.size()) throw ft::ValueError(fmt::format("{} outputs, {} by plain evaluation", out.size(), expected.size()));
  for (std::size_t k = 0; k < out.size(); ++k) {
    if (out[k].sizes() != expected[k].sizes() || out[k].dtype() != expected[k].dtype())
      throw ft::ValueError(fmt::format("output {} has another shape or dtype than by plain evaluation", k));
    std::vector<double> a = out[k].to_vector<double>(), b = expected[k].to_vector<double>();
    double largest = 0;
    for (double v : b)
      if (std::isfinite(v)) largest = std::max(largest, std::fabs(v));
    double allowed = largest * (tolerance > 0 ? tolerance : out[k].dtype() == ft::f64 ? 1e-10 : 2e-5);
    for (std::size_t i = 0; i < a.size(); ++i) {
      bool same = a[i] == b[i] || (std::isnan(a[i]) && std::isnan(b[i]));
      if (!same && !(std::fabs(a[i] - b[i]) <= allowed))
        throw ft::ValueError(
            fmt::format("element {} of output {} is {:.17g}, by plain evaluation {:.17g}; the largest there is {:.3g}", i, k, a[i], b[i], largest));
    }
  }
}

void Row::report(const std::vector<Tensor>& out, double first, Times t, const Figures& more) const {
  Line line{name, plain ? "eager" : "functra", dtype_of(out), first, t, total(out), note};
  for (auto& [key, value] : more) line.more += fmt::format(", \"{}\": {:.4f}", key, value);
  print(line);
}

double code_ms(const ft::CompiledProgram& p) {
  try {
    return p.compile_ms();
  } catch (const ft::Error&) { return 0; }
}

std::vector<Row> all_rows() {
  std::vector<Row> all;
  for (auto family : {elementwise_rows, loop_rows, small_rows, dense_rows, network_rows})
    for (const Row& r : family()) all.push_back(r);
  return all;
}

}  // namespace bench
