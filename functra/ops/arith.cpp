// Operators of Tensor.
#include "functra/ops/elementwise.h"
#include "functra/prims/math.h"

namespace functra {
using ops::binary_op;
using ops::unary_op;

Tensor Tensor::operator-() const { return unary_op("operator-", prims::neg, *this, false, FUNCTRA_SITE); }
Tensor operator+(const Tensor& a, const Tensor& b) { return binary_op("operator+", core::add, a, b, false, FUNCTRA_SITE); }
Tensor operator-(const Tensor& a, const Tensor& b) { return binary_op("operator-", core::sub, a, b, false, FUNCTRA_SITE); }
Tensor operator*(const Tensor& a, const Tensor& b) { return binary_op("operator*", prims::mul, a, b, false, FUNCTRA_SITE); }
Tensor operator/(const Tensor& a, const Tensor& b) { return binary_op("operator/", prims::div, a, b, true, FUNCTRA_SITE); }
Tensor& Tensor::operator+=(const Tensor& o) & { return *this = binary_op("operator+=", core::add, *this, o, false, FUNCTRA_SITE); }
Tensor& Tensor::operator-=(const Tensor& o) & { return *this = binary_op("operator-=", core::sub, *this, o, false, FUNCTRA_SITE); }
Tensor& Tensor::operator*=(const Tensor& o) & { return *this = binary_op("operator*=", prims::mul, *this, o, false, FUNCTRA_SITE); }
Tensor& Tensor::operator/=(const Tensor& o) & { return *this = binary_op("operator/=", prims::div, *this, o, true, FUNCTRA_SITE); }

}  // namespace functra
