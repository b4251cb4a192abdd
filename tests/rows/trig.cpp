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

}  // namespace functra::testing
