#include "rows/elementwise.h"

namespace functra::testing {
namespace {
double logaddexp_of(double a, double b) {
  return std::isnan(a) || std::isnan(b) ? nan : a == b ? a + std::log(2.0) : std::fmax(a, b) + std::log1p(std::exp(-std::fabs(a - b)));
}
}  // namespace

FUNCTRA_ROW(exp2) { return unary_row(prims::exp2, std::exp2, {-4, 4}, {80, -80, 2000, -2000, 3, -1074}); }
FUNCTRA_ROW(log2) { return unary_row(prims::log2, std::log2, {0.2, 5}, {1e-30, 1e30, 8, 0.25, 1e-310}); }
FUNCTRA_ROW(log10) { return unary_row(prims::log10, std::log10, {0.2, 5}, {1e-30, 1e30, 1000}); }
FUNCTRA_ROW(logaddexp) {
  Row r = binary_row(prims::logaddexp, logaddexp_of, {-3, 3}, {0, 4}, {0.0, 1, -700, 700, inf, -inf, nan});
  r.atol = 1e-15;
  return r;
}
FUNCTRA_ROW(xlogy) {
  return binary_row(prims::xlogy, [](double x, double y) { return x == 0 && !std::isnan(y) ? 0 : x * std::log(y); }, {-3, 3}, {0.3, 3},
                    {0.0, -0.0, 1, -2, inf, nan});
}
FUNCTRA_ROW(xlog1py) {
  return binary_row(prims::xlog1py, [](double x, double y) { return x == 0 && !std::isnan(y) ? 0 : x * std::log1p(y); }, {-3, 3}, {-0.6, 3},
                    {0.0, -1, 1, -2, inf, nan});
}

}  // namespace functra::testing
