// Rows of elementwise primitives: a function of double beside each primitive.
#pragma once
#include <cmath>
#include <limits>

#include "functra/prims/math.h"
#include "laws/row.h"

namespace functra::testing {

inline constexpr double inf = std::numeric_limits<double>::infinity(), nan = std::numeric_limits<double>::quiet_NaN();
inline Fn unary_fn(Tensor (*f)(const Tensor&)) {
  return [f](const Vec& x) { return Vec{f(x[0])}; };
}
inline Fn binary_fn(Tensor (*f)(const Tensor&, const Tensor&)) {
  return [f](const Vec& x) { return Vec{f(x[0], x[1])}; };
}
inline void append(std::vector<Sample>& to, std::vector<Sample> more) { to.insert(to.end(), more.begin(), more.end()); }

// `special`: further points of evaluation, besides zeros, infinities and NaN.
inline Row unary_row(Tensor (*f)(const Tensor&), double (*ref)(double), Domain d, std::vector<double> special = {}) {
  Row r;
  auto reference = [ref](const double* x) { return ref(x[0]); };
  r.samples = elementwise_samples(1, unary_fn(f), reference, {d});
  special.insert(special.end(), {0.0, -0.0, inf, -inf, nan, 1.0, -1.0});
  for (DType t : {DType::f32, DType::f64}) r.samples.push_back(special_sample(unary_fn(f), reference, t, {special}));
  return r;
}
inline std::vector<std::vector<double>> pairs_of(const std::vector<double>& v) {
  std::vector<std::vector<double>> r(2);
  for (double a : v)
    for (double b : v) {
      r[0].push_back(a);
      r[1].push_back(b);
    }
  return r;
}
// `special`: evaluated in all pairs.
inline Row binary_row(Tensor (*f)(const Tensor&, const Tensor&), double (*ref)(double, double), Domain a, Domain b, std::vector<double> special) {
  Row r;
  auto reference = [ref](const double* x) { return ref(x[0], x[1]); };
  r.samples = elementwise_samples(2, binary_fn(f), reference, {a, b});
  for (DType t : {DType::f32, DType::f64})
    if (!special.empty()) r.samples.push_back(special_sample(binary_fn(f), reference, t, pairs_of(special)));
  return r;
}
inline void with_integers(Row& r, Tensor (*f)(const Tensor&), double (*ref)(double), Domain d, std::vector<DType> types) {
  append(r.samples, elementwise_samples(
                        1, unary_fn(f), [ref](const double* x) { return ref(x[0]); }, {d}, std::move(types)));
}
inline void with_integers(Row& r, Tensor (*f)(const Tensor&, const Tensor&), double (*ref)(double, double), Domain a, Domain b,
                          std::vector<DType> types) {
  append(r.samples, elementwise_samples(
                        2, binary_fn(f), [ref](const double* x) { return ref(x[0], x[1]); }, {a, b}, std::move(types)));
}
inline Row flat(Row r) {
  r.zero_derivative = true;
  return r;
}

}  // namespace functra::testing
