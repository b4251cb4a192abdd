#include "rows/elementwise.h"

namespace functra::testing {
namespace {
double erf_inv_of(double x) {  // Newton's method on erf, or erfc where |x| is near one
  if (!(std::fabs(x) < 1)) return std::fabs(x) == 1 ? std::copysign(inf, x) : nan;
  long double a = std::fabs(x), w = -std::log((1 - a) * (1 + a)),
              y = a < 1e-3L ? a * 0.886226925452758013649L : std::sqrt(std::fmax(w - 0.5L * std::log(w + 1), 1e-8L));
  for (int i = 0; i < 60; ++i) {
    long double r = a < 0.5L ? std::erf(y) - a : 1 - a - std::erfc(y), e = r * 0.886226925452758013649L * std::exp(y * y);
    y -= e / (1 + y * e);
  }
  return std::copysign(static_cast<double>(y), x);
}
}  // namespace

FUNCTRA_ROW(erf) { return unary_row(prims::erf, std::erf, {-2.5, 2.5}, {1e-20, 10, -10}); }
FUNCTRA_ROW(erfc) { return unary_row(prims::erfc, std::erfc, {-2, 2.5}, {1e-20, 5, -10}); }
FUNCTRA_ROW(erf_inv) { return unary_row(prims::erf_inv, erf_inv_of, {-0.85, 0.85}, {1e-20, 1.5, 0.99, -0.9999}); }

}  // namespace functra::testing
