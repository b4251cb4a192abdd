// Operators of Tensor.
#include "functra/ops/elementwise.h"
#include "functra/prims/math.h"

namespace functra {
using ops::binary_op;
using ops::unary_op;
namespace {  // of bools: or, and
Tensor sum_of(const Tensor& a, const Tensor& b) {
  return is_bool(a.raw_dtype()) && is_bool(b.raw_dtype()) ? prims::bitwise_or(a, b) : core::add(a, b);
}
Tensor product_of(const Tensor& a, const Tensor& b) {
  return is_bool(a.raw_dtype()) && is_bool(b.raw_dtype()) ? prims::bitwise_and(a, b) : prims::mul(a, b);
}
}  // namespace

Tensor Tensor::operator-() const { return unary_op("operator-", prims::neg, *this, false, FUNCTRA_SITE); }
Tensor operator+(const Tensor& a, const Tensor& b) { return binary_op("operator+", sum_of, a, b, false, FUNCTRA_SITE); }
Tensor operator-(const Tensor& a, const Tensor& b) { return binary_op("operator-", core::sub, a, b, false, FUNCTRA_SITE); }
Tensor operator*(const Tensor& a, const Tensor& b) { return binary_op("operator*", product_of, a, b, false, FUNCTRA_SITE); }
Tensor operator/(const Tensor& a, const Tensor& b) { return binary_op("operator/", prims::div, a, b, true, FUNCTRA_SITE); }
Tensor& Tensor::operator+=(const Tensor& o) & { return *this = binary_op("operator+=", sum_of, *this, o, false, FUNCTRA_SITE); }
Tensor& Tensor::operator-=(const Tensor& o) & { return *this = binary_op("operator-=", core::sub, *this, o, false, FUNCTRA_SITE); }
Tensor& Tensor::operator*=(const Tensor& o) & { return *this = binary_op("operator*=", product_of, *this, o, false, FUNCTRA_SITE); }
Tensor& Tensor::operator/=(const Tensor& o) & { return *this = binary_op("operator/=", prims::div, *this, o, true, FUNCTRA_SITE); }

}  // namespace functra
