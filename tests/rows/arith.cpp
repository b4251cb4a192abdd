#include "rows/elementwise.h"

namespace functra::testing {
namespace {
const std::vector<double> odd = {0.0, -0.0, 1, -2.5, inf, -inf, nan};
using D2 = double (*)(double, double);
double python_mod(double a, double b) {
  double r = std::fmod(a, b);
  return r != 0 && (r < 0) != (b < 0) ? r + b : r;
}
double max_of(double a, double b) { return std::isnan(a) || std::isnan(b) ? nan : a > b ? a : b; }
double min_of(double a, double b) { return std::isnan(a) || std::isnan(b) ? nan : a < b ? a : b; }
double sign_of(double x) { return x > 0 ? 1 : x < 0 ? -1 : 0; }
Row with_both(Tensor (*f)(const Tensor&, const Tensor&), D2 ref, D2 of_integers, Domain a, Domain b) {
  Row r = binary_row(f, ref, a, b, odd);
  with_integers(r, f, of_integers, {-9, 9}, {-4, 4}, {DType::i32, DType::i64});
  with_integers(r, f, of_integers, {5, 9}, {1, 4}, {DType::u8});
  return r;
}
}  // namespace

FUNCTRA_ROW(neg) {
  Row r = unary_row(prims::neg, [](double x) { return -x; }, {-4, 4});
  with_integers(r, prims::neg, [](double x) { return -x; }, {-9, 9}, {DType::i8, DType::i64});
  return r;
}
FUNCTRA_ROW(add) {
  D2 f = [](double a, double b) { return a + b; };
  return with_both(core::add, f, f, {-4, 4}, {-4, 4});
}
FUNCTRA_ROW(sub) {
  D2 f = [](double a, double b) { return a - b; };
  return with_both(core::sub, f, f, {-4, 4}, {-4, 4});
}
FUNCTRA_ROW(mul) {
  D2 f = [](double a, double b) { return a * b; };
  return with_both(prims::mul, f, f, {-4, 4}, {-4, 4});
}
FUNCTRA_ROW(div) {
  return with_both(
      prims::div, [](double a, double b) { return a / b; }, [](double a, double b) { return b == 0 ? 0 : std::trunc(a / b); }, {-4, 4}, {0.5, 4});
}
FUNCTRA_ROW(rem) {
  return with_both(prims::rem, python_mod, [](double a, double b) { return b == 0 ? 0 : python_mod(a, b); }, {-7, 7}, {1.5, 3});
}
FUNCTRA_ROW(fmod) {
  return with_both(
      prims::fmod, [](double a, double b) { return std::fmod(a, b); }, [](double a, double b) { return b == 0 ? 0 : std::fmod(a, b); }, {-7, 7},
      {1.5, 3});
}
// By zero: x / 0 of floats, 0 or -1 of integers.
FUNCTRA_ROW(floor_div) {
  D2 of_floats = [](double a, double b) {
    return b == 0 ? a / b : std::isinf(b) && std::isfinite(a) ? std::floor(a / b) - (a != 0 && (a < 0) != (b < 0)) : std::floor(a / b);
  };
  Row r = flat(binary_row(prims::floor_div, of_floats, {-7, 7}, {1.5, 3}, {0.0, -0.0, 1, -2.5, 7, 0.3}));
  D2 of_integers = [](double a, double b) { return b == 0 ? 0 : std::floor(a / b); };
  with_integers(r, prims::floor_div, of_integers, {-9, 9}, {1, 4}, {DType::i32, DType::i64});
  with_integers(r, prims::floor_div, of_integers, {5, 9}, {1, 4}, {DType::u8});
  return r;
}
FUNCTRA_ROW(copysign) { return binary_row(prims::copysign, std::copysign, {0.3, 4}, {-4, 4}, {0.0, -0.0, 1, -2.5, inf, -inf}); }
FUNCTRA_ROW(cbrt) { return unary_row(prims::cbrt, std::cbrt, {0.2, 5}, {-8, -1e-310, 1e300, 1e-30, 27}); }
FUNCTRA_ROW(hypot) { return binary_row(prims::hypot, std::hypot, {-3, 3}, {0.4, 3}, {0.0, -0.0, 1, -3, 4, 1e-30, 3e30, 1e38, inf, -inf, nan}); }
FUNCTRA_ROW(max) { return with_both(prims::max, max_of, max_of, {-4, 4}, {-4, 4}); }
FUNCTRA_ROW(min) { return with_both(prims::min, min_of, min_of, {-4, 4}, {-4, 4}); }
FUNCTRA_ROW(abs) {
  Row r = unary_row(prims::abs, std::fabs, {-4, 4});
  with_integers(r, prims::abs, std::fabs, {-9, 9}, {DType::i8, DType::i64});
  return r;
}
FUNCTRA_ROW(sign) {
  Row r = flat(unary_row(prims::sign, sign_of, {-4, 4}));
  with_integers(r, prims::sign, sign_of, {-2, 2}, {DType::i8, DType::i64});
  with_integers(r, prims::sign, sign_of, {0, 3}, {DType::u16});
  return r;
}
FUNCTRA_ROW(sqrt) { return unary_row(prims::sqrt, std::sqrt, {0.2, 5}); }
FUNCTRA_ROW(rsqrt) {
  return unary_row(prims::rsqrt, [](double x) { return 1 / std::sqrt(x); }, {0.2, 5});
}
FUNCTRA_ROW(integer_pow) {
  Row r;
  for (std::int64_t n : {-3, -1, 2, 3, 4, 6}) {
    Fn f = [n](const Vec& x) { return Vec{prims::integer_pow(x[0], n)}; };
    auto ref = [n](const double* x) { return std::pow(x[0], static_cast<double>(n)); };
    append(r.samples, elementwise_samples(1, f, ref, {{0.4, 2}}));
    append(r.samples, elementwise_samples(1, f, ref, {{-2, -0.4}}, {DType::f64}));
    if (n > 0) append(r.samples, elementwise_samples(1, f, ref, {{-4, 4}}, {DType::i32, DType::i64}));
    r.samples.push_back(special_sample(f, ref, DType::f64, {{0.0, -0.0, inf, -inf, nan, 1, -1}}));
  }
  return r;
}

}  // namespace functra::testing
