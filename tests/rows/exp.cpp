#include "rows/elementwise.h"

namespace functra::testing {

FUNCTRA_ROW(exp) { return unary_row(prims::exp, std::exp, {-3, 3}, {80, -80, 1000, -1000}); }
FUNCTRA_ROW(log) { return unary_row(prims::log, std::log, {0.2, 5}, {1e-30, 1e30}); }
FUNCTRA_ROW(log1p) { return unary_row(prims::log1p, std::log1p, {-0.7, 4}, {1e-20, -1e-20, -2}); }
FUNCTRA_ROW(expm1) { return unary_row(prims::expm1, std::expm1, {-2, 2}, {1e-20, -1e-20, 1000, -1000}); }
FUNCTRA_ROW(logistic) {
  return unary_row(prims::logistic, [](double x) { return 1 / (1 + std::exp(-x)); }, {-5, 5}, {50, -50});
}
FUNCTRA_ROW(softplus) {
  return unary_row(prims::softplus, [](double x) { return std::fmax(x, 0) + std::log1p(std::exp(-std::fabs(x))) + (std::isnan(x) ? x : 0); }, {-5, 5},
                   {50, -50, 1000, -80});
}
FUNCTRA_ROW(pow) {
  Row r = binary_row(prims::pow, [](double a, double b) { return std::pow(a, b); }, {0.3, 3}, {-3, 3},
                     {0.0, -0.0, 1, -1, 2, 3, -2, 0.5, -2.5, inf, -inf, nan});
  r.grad_tol = 1e-4;
  return r;
}

}  // namespace functra::testing
