#include "functra/ops/close.h"

#include "functra/ops/compare.h"
#include "functra/ops/math.h"
#include "functra/ops/reduce.h"

namespace functra {

bool equal(const Tensor& a, const Tensor& b) { return a.sizes() == b.sizes() && bool(all(eq(a, b))); }

Tensor isclose(const Tensor& a, const Tensor& b, double rtol, double atol, bool equal_nan) {
  Tensor same = eq(a, b);
  if (!is_differentiable(a.dtype()) && !is_differentiable(b.dtype())) {  // in f64: differences of unsigned integers wrap
    Tensor x = a.to(DType::f64), y = b.to(DType::f64);
    return logical_or(same, le(abs(x - y), Tensor(atol) + Tensor(rtol) * abs(y)));
  }
  Tensor near = logical_and(le(abs(a - b), Tensor(atol) + Tensor(rtol) * abs(b)), isfinite(b));
  Tensor r = logical_or(same, near);
  return equal_nan ? logical_or(r, logical_and(isnan(a), isnan(b))) : r;
}
bool allclose(const Tensor& a, const Tensor& b, double rtol, double atol, bool equal_nan) { return bool(all(isclose(a, b, rtol, atol, equal_nan))); }

}  // namespace functra
