// Operations composed of elementwise primitives, and promotion and broadcasting of operands.
#include "functra/functra.h"
#include "rows/broadcast.h"

namespace functra::testing {
namespace {
double gelu_of(double x) { return 0.5 * x * std::erfc(-x / std::sqrt(2.0)); }
double silu_of(double x) { return x / (1 + std::exp(-x)); }
double relu_of(double x) { return std::isnan(x) || x > 0 ? x : 0; }
constexpr DType d = DType::f64;
}  // namespace

// The tail of erfc magnifies the rounding of its argument x / sqrt(2) by x^2.
FUNCTRA_ROW(gelu) {
  Row r = unary_row(functra::gelu, gelu_of, {-4, 4});
  r.ulp = 32;
  r.samples.resize(r.samples.size() - 2);
  return r;
}
FUNCTRA_ROW(silu) {
  Row r = unary_row(functra::silu, silu_of, {-4, 4});
  r.samples.resize(r.samples.size() - 2);
  return r;
}
FUNCTRA_ROW(relu) {
  Row r = unary_row(functra::relu, relu_of, {-4, 4});
  with_integers(r, functra::relu, relu_of, {-4, 4}, {DType::i32});
  return r;
}
FUNCTRA_ROW(square) {
  Row r = unary_row(functra::square, [](double x) { return x * x; }, {-4, 4});
  with_integers(r, functra::square, [](double x) { return x * x; }, {-4, 4}, {DType::i32});
  return r;
}
FUNCTRA_ROW(reciprocal) {
  return unary_row(functra::reciprocal, [](double x) { return 1 / x; }, {0.4, 4});
}
FUNCTRA_ROW(isnan) {
  return flat(unary_row(functra::isnan, [](double x) -> double { return std::isnan(x); }, {-4, 4}));
}
FUNCTRA_ROW(isinf) {
  return flat(unary_row(functra::isinf, [](double x) -> double { return std::isinf(x); }, {-4, 4}));
}
FUNCTRA_ROW(isfinite) {
  return flat(unary_row(functra::isfinite, [](double x) -> double { return std::isfinite(x); }, {-4, 4}));
}
FUNCTRA_ROW(logical_not) {
  Row r = flat(unary_row(functra::logical_not, [](double x) -> double { return x == 0; }, {-4, 4}));
  with_integers(r, functra::logical_not, [](double x) -> double { return x == 0; }, {-2, 2}, {DType::i32});
  with_integers(r, functra::logical_not, [](double x) -> double { return x == 0; }, {0, 2}, {DType::bool_});
  return r;
}

// ---------------------------------------------------------------- broadcasting and promotion
FUNCTRA_ROW(operator_plus) {
  return broadcast_row([](const Vec& x) { return Vec{x[0] + x[1]}; }, [](const double* x) { return x[0] + x[1]; }, {{d, -4, 4}, {d, -4, 4}});
}
FUNCTRA_ROW(operator_minus) {
  return broadcast_row([](const Vec& x) { return Vec{x[0] - x[1]}; }, [](const double* x) { return x[0] - x[1]; }, {{d, -4, 4}, {DType::i32, -4, 4}});
}
FUNCTRA_ROW(operator_times) {
  return broadcast_row([](const Vec& x) { return Vec{x[0] * x[1]}; }, [](const double* x) { return x[0] * x[1]; },
                       {{DType::bool_, 0, 2}, {d, -4, 4}});
}
FUNCTRA_ROW(operator_over) {
  return broadcast_row([](const Vec& x) { return Vec{x[0] / x[1]}; }, [](const double* x) { return x[0] / x[1]; }, {{d, -4, 4}, {d, 0.5, 3}});
}
FUNCTRA_ROW(operator_with_number) {
  return broadcast_row([](const Vec& x) { return Vec{(2 - x[0]) * 0.5 + 1 / x[0]}; }, [](const double* x) { return (2 - x[0]) * 0.5 + 1 / x[0]; },
                       {{d, 0.5, 3}});
}
FUNCTRA_ROW(remainder) {
  return broadcast_row([](const Vec& x) { return Vec{x[0] % x[1]}; }, [](const double* x) { return x[0] - std::floor(x[0] / x[1]) * x[1]; },
                       {{DType::i64, -9, 9}, {DType::i64, 1, 5}});
}
FUNCTRA_ROW(maximum) {
  return broadcast_row([](const Vec& x) { return Vec{functra::maximum(x[0], x[1])}; }, [](const double* x) { return std::fmax(x[0], x[1]); },
                       {{d, -4, 4}, {d, -4, 4}});
}
FUNCTRA_ROW(minimum) {
  return broadcast_row([](const Vec& x) { return Vec{functra::minimum(x[0], x[1])}; }, [](const double* x) { return std::fmin(x[0], x[1]); },
                       {{d, -4, 4}, {d, -4, 4}});
}
FUNCTRA_ROW(power) {
  Row r = broadcast_row([](const Vec& x) { return Vec{functra::pow(x[0], x[1])}; }, [](const double* x) { return std::pow(x[0], x[1]); },
                        {{d, 0.4, 3}, {d, -2, 2}});
  r.grad_tol = 1e-4;
  return r;
}
FUNCTRA_ROW(power_of_number) {
  return broadcast_row([](const Vec& x) { return Vec{functra::pow(x[0], 3) + functra::pow(2.0, x[0]) + functra::pow(x[0], 2.5)}; },
                       [](const double* x) { return x[0] * x[0] * x[0] + std::pow(2.0, x[0]) + std::pow(x[0], 2.5); }, {{d, 0.4, 3}});
}
FUNCTRA_ROW(where) {
  return broadcast_row([](const Vec& x) { return Vec{functra::where(x[0], x[1], x[2])}; }, [](const double* x) { return x[0] != 0 ? x[1] : x[2]; },
                       {{DType::bool_, 0, 2}, {d, -4, 4}, {d, -4, 4}});
}
FUNCTRA_ROW(where_number) {
  return broadcast_row([](const Vec& x) { return Vec{functra::where(x[0] > x[1], x[0], 7)}; }, [](const double* x) { return x[0] > x[1] ? x[0] : 7; },
                       {{d, -4, 4}, {d, -4, 4}});
}
FUNCTRA_ROW(clamp) {
  return broadcast_row([](const Vec& x) { return Vec{functra::clamp(x[0], x[1], x[2])}; },
                       [](const double* x) { return std::fmin(std::fmax(x[0], x[1]), x[2]); }, {{d, -4, 4}, {d, -3, -1}, {d, 0, 3}});
}
FUNCTRA_ROW(lerp) {
  return broadcast_row([](const Vec& x) { return Vec{functra::lerp(x[0], x[1], x[2])}; }, [](const double* x) { return x[0] + x[2] * (x[1] - x[0]); },
                       {{d, -4, 4}, {d, -4, 4}, {d, 0, 1}});
}
FUNCTRA_ROW(operator_less) {
  Row r = broadcast_row([](const Vec& x) { return Vec{x[0] < x[1]}; }, [](const double* x) -> double { return x[0] < x[1]; },
                        {{d, -4, 4}, {DType::i32, -4, 4}});
  return flat(r);
}
FUNCTRA_ROW(logical_and) {
  return broadcast_row([](const Vec& x) { return Vec{functra::logical_and(x[0], x[1])}; },
                       [](const double* x) -> double { return x[0] != 0 && x[1] != 0; }, {{DType::i32, -2, 2}, {DType::bool_, 0, 2}});
}
FUNCTRA_ROW(logical_or) {
  return broadcast_row([](const Vec& x) { return Vec{functra::logical_or(x[0], x[1])}; },
                       [](const double* x) -> double { return x[0] != 0 || x[1] != 0; }, {{DType::i32, -2, 2}, {DType::bool_, 0, 2}});
}
FUNCTRA_ROW(logical_xor) {
  return broadcast_row([](const Vec& x) { return Vec{functra::logical_xor(x[0], x[1])}; },
                       [](const double* x) -> double { return (x[0] != 0) != (x[1] != 0); }, {{DType::i32, -2, 2}, {DType::bool_, 0, 2}});
}

}  // namespace functra::testing
