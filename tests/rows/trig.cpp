#include "rows/elementwise.h"

namespace functra::testing {

FUNCTRA_ROW(sin) { return unary_row(prims::sin, std::sin, {-4, 4}, {1e5, -1e5}); }
FUNCTRA_ROW(cos) { return unary_row(prims::cos, std::cos, {-4, 4}, {1e5, -1e5}); }
FUNCTRA_ROW(tan) { return unary_row(prims::tan, std::tan, {-1.1, 1.1}, {1e5, -1e5}); }
FUNCTRA_ROW(asin) { return unary_row(prims::asin, std::asin, {-0.85, 0.85}, {1.5, -1.5}); }
FUNCTRA_ROW(acos) { return unary_row(prims::acos, std::acos, {-0.85, 0.85}, {1.5, -1.5}); }
FUNCTRA_ROW(atan) { return unary_row(prims::atan, std::atan, {-4, 4}, {1e30, -1e-30}); }
FUNCTRA_ROW(atan2) {
  return binary_row(prims::atan2, [](double y, double x) { return std::atan2(y, x); }, {-3, 3}, {0.4, 3}, {0.0, -0.0, 1, -1, 3, inf, -inf, nan});
}
FUNCTRA_ROW(sinh) { return unary_row(prims::sinh, std::sinh, {-3, 3}, {1e-20, 1000}); }
FUNCTRA_ROW(cosh) { return unary_row(prims::cosh, std::cosh, {-3, 3}, {1e-20, 1000}); }
FUNCTRA_ROW(tanh) { return unary_row(prims::tanh, std::tanh, {-3, 3}, {1e-20, 1000, -1000}); }
FUNCTRA_ROW(asinh) { return unary_row(prims::asinh, std::asinh, {-3, 3}, {1e-20, 1e30, -1e30}); }
FUNCTRA_ROW(acosh) { return unary_row(prims::acosh, std::acosh, {1.2, 5}, {1.0000001, 1e30, 0.5}); }
FUNCTRA_ROW(atanh) { return unary_row(prims::atanh, std::atanh, {-0.85, 0.85}, {1e-20, 0.9999, 1.5}); }
// Derivatives of sin(x) / x up to the third: the closed forms, and their series in long double near 0.
FUNCTRA_ROW(sinc) {
  Row r;
  for (std::int64_t n : {0, 1, 2, 3}) {
    Fn f = [n](const Vec& x) { return Vec{prims::sinc(x[0], n)}; };
    auto ref = [n](const double* p) {
      long double x = p[0], sum = 0;
      if (std::fabs(p[0]) < 4) {
        for (int m = static_cast<int>(n + 1) / 2; m < 30; ++m)
          sum += (m % 2 ? -1 : 1) * std::pow(x, static_cast<long double>(2 * m - n)) /
                 (std::tgamma(static_cast<long double>(2 * m - n + 1)) * (2 * m + 1));
        return static_cast<double>(sum);
      }
      long double s = std::sin(x), c = std::cos(x), f1 = (c - s / x) / x, f2 = (-s - 2 * f1) / x;
      return static_cast<double>(n == 0 ? s / x : n == 1 ? f1 : n == 2 ? f2 : (-c - 3 * f2) / x);
    };
    append(r.samples, elementwise_samples(1, f, ref, {{-9, 9}}));
    for (DType d : {DType::f32, DType::f64})
      r.samples.push_back(special_sample(f, ref, d, {{0.0, -0.0, 1e-300, 1e-9, -1e-3, 0.5, -1, 1.01, 2, 3, 3.01, 40}}));
  }
  r.ulp = 8;
  r.rtol = 2e-7;
  return r;
}

}  // namespace functra::testing
