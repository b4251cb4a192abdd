// Operations of ops/elementary.cpp that are composed of primitives.
#include "functra/functra.h"
#include "rows/broadcast.h"

namespace functra::testing {
namespace {
constexpr DType d = DType::f64;
constexpr double pi = 3.14159265358979324;
// At one shape and at special values.
Row brief(Tensor (*f)(const Tensor&), double (*ref)(double), Domain domain, const std::vector<double>& special = {0.0, -0.0, inf, -inf, nan, 1, -1}) {
  Row r = unary_row(f, ref, domain);
  r.samples.clear();
  auto point = [ref](const double* x) { return ref(x[0]); };
  auto all = elementwise_samples(1, unary_fn(f), point, {domain}, {DType::f64});
  r.samples.assign(all.begin(), all.begin() + 3);
  for (DType t : {DType::f32, DType::f64})
    if (!special.empty()) r.samples.push_back(special_sample(unary_fn(f), point, t, {special}));
  return r;
}
Fn two(Tensor (*f)(const Tensor&, const Tensor&)) { return binary_fn(f); }
}  // namespace

FUNCTRA_ROW(sinc_of_pi_x) {
  return brief(functra::sinc, [](double x) { return x == 0 ? 1 : std::sin(pi * x) / (pi * x); }, {0.1, 0.9}, {0.0, -0.0, 0.5});
}
FUNCTRA_ROW(frac) {
  return brief(functra::frac, [](double x) { return x - std::trunc(x); }, {1.2, 1.8});
}
FUNCTRA_ROW(deg2rad) {
  return brief(functra::deg2rad, [](double x) { return x * (pi / 180); }, {-90, 90});
}
FUNCTRA_ROW(rad2deg) {
  return brief(functra::rad2deg, [](double x) { return x * (180 / pi); }, {-4, 4});
}
FUNCTRA_ROW(logit) {
  Row r = brief([](const Tensor& x) { return functra::logit(x); }, [](double x) { return std::log(x / (1 - x)); }, {0.1, 0.4}, {0, 1, 0.9, nan, 2});
  r.atol = 1e-15;
  append(r.samples, brief([](const Tensor& x) { return functra::logit(x, 0.25); },
                          [](double x) {
                            x = std::fmin(std::fmax(x, 0.25), 0.75);
                            return std::log(x / (1 - x));
                          },
                          {0.01, 0.45}, {0, 1, 0.9, 2})
                        .samples);
  return r;
}
FUNCTRA_ROW(nan_to_num) {
  Row r = brief([](const Tensor& x) { return functra::nan_to_num(x, 3, 4, -5); },
                [](double x) { return std::isnan(x)   ? 3
                                      : std::isinf(x) ? (x > 0 ? 4 : -5)
                                                      : x; }, {-4, 4});
  r.samples.push_back(special_sample([](const Vec& x) { return Vec{functra::nan_to_num(x[0])}; },
                                     [](const double* x) {
                                       double top = std::numeric_limits<double>::max();
                                       return std::isnan(x[0]) ? 0 : std::isinf(x[0]) ? std::copysign(top, x[0]) : x[0];
                                     },
                                     d, {{1, inf, -inf, nan}}));
  return r;
}
FUNCTRA_ROW(isposinf) {
  return flat(brief(functra::isposinf, [](double x) -> double { return x == inf; }, {-4, 4}));
}
FUNCTRA_ROW(isneginf) {
  return flat(brief(functra::isneginf, [](double x) -> double { return x == -inf; }, {-4, 4}));
}
FUNCTRA_ROW(signbit) {
  Row r = flat(brief(functra::signbit, [](double x) -> double { return std::signbit(x); }, {-4, 4}));
  with_integers(r, functra::signbit, [](double x) -> double { return x < 0; }, {-4, 4}, {DType::i32});
  return r;
}
FUNCTRA_ROW(heaviside) {
  Row r = broadcast_row(two(functra::heaviside), [](const double* x) { return x[0] > 0 ? 1 : x[0] < 0 ? 0 : x[1]; }, {{d, -4, 4}, {d, 0, 1}});
  r.samples.push_back(special_sample(two(functra::heaviside), [](const double* x) { return x[0] == 0 ? x[1] : x[0] > 0; }, d,
                                     {{0.0, -0.0, inf, -inf, nan}, {0.5, 2, 3, 4, 5}}));
  return r;
}
FUNCTRA_ROW(fmax) {
  Row r = broadcast_row(two(functra::fmax), [](const double* x) { return std::fmax(x[0], x[1]); }, {{d, -4, 4}, {d, -4, 4}});
  r.samples.push_back(special_sample(
      two(functra::fmax), [](const double* x) { return std::fmax(x[0], x[1]); }, d, pairs_of({1, nan, inf, -inf})));
  return r;
}
FUNCTRA_ROW(fmin) {
  Row r = broadcast_row(two(functra::fmin), [](const double* x) { return std::fmin(x[0], x[1]); }, {{d, -4, 4}, {DType::i32, -4, 4}});
  r.samples.push_back(special_sample(
      two(functra::fmin), [](const double* x) { return std::fmin(x[0], x[1]); }, d, pairs_of({1, nan, inf, -inf})));
  return r;
}
FUNCTRA_ROW(logaddexp2) {
  return broadcast_row(two(functra::logaddexp2), [](const double* x) { return std::log2(std::exp2(x[0]) + std::exp2(x[1])); },
                       {{d, 1, 4}, {d, 1, 4}});
}
FUNCTRA_ROW(ldexp) {
  return broadcast_row(two(functra::ldexp), [](const double* x) { return std::ldexp(x[0], static_cast<int>(x[1])); },
                       {{d, -4, 4}, {DType::i32, -3, 5}});
}
FUNCTRA_ROW(float_power) {
  Row r = broadcast_row(two(functra::float_power), [](const double* x) { return std::pow(x[0], x[1]); }, {{DType::i32, 1, 4}, {DType::f64, -3, 3}});
  return r;
}
FUNCTRA_ROW(addcmul) {
  return broadcast_row([](const Vec& x) { return Vec{functra::addcmul(x[0], x[1], x[2], 0.5)}; },
                       [](const double* x) { return x[0] + 0.5 * x[1] * x[2]; }, {{d, -4, 4}, {d, -4, 4}, {d, -4, 4}});
}
FUNCTRA_ROW(addcdiv) {
  return broadcast_row([](const Vec& x) { return Vec{functra::addcdiv(x[0], x[1], x[2], 0.5)}; },
                       [](const double* x) { return x[0] + 0.5 * x[1] / x[2]; }, {{d, 1, 4}, {d, 1, 4}, {d, 1, 4}});
}
FUNCTRA_ROW(operators_as_functions) {
  return broadcast_row(
      [](const Vec& x) { return Vec{functra::div(functra::sub(functra::mul(x[0], x[1]), functra::neg(x[1])), functra::add(x[0], x[2]))}; },
      [](const double* x) { return (x[0] * x[1] + x[1]) / (x[0] + x[2]); }, {{d, 1, 4}, {d, 1, 4}, {d, 1, 4}});
}

}  // namespace functra::testing
