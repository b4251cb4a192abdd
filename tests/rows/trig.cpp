#include <cmath>

#include "functra/prims/math.h"
#include "laws/row.h"

namespace functra::testing {
namespace {
Row unary_row(const char* name, Tensor (*f)(const Tensor&), double (*ref)(double), Domain d) {
  Row r;
  r.name = name;
  Fn fn = [f](const Vec& x) { return Vec{f(x[0])}; };
  auto reference = [ref](const double* x) { return ref(x[0]); };
  r.samples = elementwise_samples(1, fn, reference, {d});
  for (DType t : {DType::f32, DType::f64}) r.samples.push_back(special_sample(fn, reference, t, {{0.0, -0.0, INFINITY, -INFINITY, NAN, 1e5, -1e5}}));
  return r;
}
}  // namespace

FUNCTRA_ROW(sin) { return unary_row("sin", prims::sin, std::sin, {-4, 4}); }
FUNCTRA_ROW(cos) { return unary_row("cos", prims::cos, std::cos, {-4, 4}); }

}  // namespace functra::testing
