#include "functra/ops/compare.h"

#include <limits>

#include "functra/ops/elementwise.h"
#include "functra/prims/math.h"

namespace functra {
namespace {
using ops::binary_op;
using ops::unary_op;

Tensor truth(const char* who, const Tensor& x) {
  if (!x.defined()) throw ValueError(std::string(who) + ": an operand is an undefined Tensor (default constructed)");
  return core::convert(x, DType::bool_);
}
Tensor logical(const char* who, ops::BinaryPrim f, const Tensor& a, const Tensor& b, const void* site) {
  core::Site s(site);
  return binary_op(who, f, truth(who, a), truth(who, b), false, site);
}
Tensor negation(const char* who, const Tensor& x, const void* site) {
  core::Site s(site);
  return prims::bitwise_not(truth(who, x));
}
void require_bits(const char* who, const Tensor& x, bool bools) {
  if (x.defined() && !is_integer(x.raw_dtype()) && !(bools && is_bool(x.raw_dtype())))
    throw DTypeError(std::string(who) + ": an operand has dtype " + std::string(name_of(x.dtype())) + "; takes integers" +
                     (bools ? " and bools" : "") + ", convert with to(i64)");
}
Tensor bits(const char* who, ops::BinaryPrim f, const Tensor& a, const Tensor& b, const void* site, bool bools = true) {
  require_bits(who, a, bools);
  require_bits(who, b, bools);
  return binary_op(who, f, a, b, false, site);
}
Tensor inverted(const char* who, const Tensor& x, const void* site) {
  require_bits(who, x, true);
  return unary_op(who, prims::bitwise_not, x, false, site);
}
Tensor infinity(const Tensor& x) { return prims::like(std::numeric_limits<double>::infinity(), x); }
Tensor nan_of(const Tensor& x) { return prims::ne(x, x); }
Tensor inf_of(const Tensor& x) { return is_floating(x.raw_dtype()) ? prims::eq(prims::abs(x), infinity(x)) : prims::ne(x, x); }
Tensor finite_of(const Tensor& x) { return is_floating(x.raw_dtype()) ? prims::lt(prims::abs(x), infinity(x)) : prims::eq(x, x); }
}  // namespace

#define FUNCTRA_COMPARE(name, op)                                                                                    \
  Tensor name(const Tensor& a, const Tensor& b) { return binary_op(#name, prims::name, a, b, false, FUNCTRA_SITE); } \
  Tensor operator op(const Tensor& a, const Tensor& b) { return binary_op("operator" #op, prims::name, a, b, false, FUNCTRA_SITE); }
FUNCTRA_COMPARE(eq, ==)
FUNCTRA_COMPARE(ne, !=)
FUNCTRA_COMPARE(lt, <)
FUNCTRA_COMPARE(le, <=)
FUNCTRA_COMPARE(gt, >)
FUNCTRA_COMPARE(ge, >=)
#undef FUNCTRA_COMPARE
Tensor isnan(const Tensor& x) { return unary_op("isnan", nan_of, x, false, FUNCTRA_SITE); }
Tensor isinf(const Tensor& x) { return unary_op("isinf", inf_of, x, false, FUNCTRA_SITE); }
Tensor isfinite(const Tensor& x) { return unary_op("isfinite", finite_of, x, false, FUNCTRA_SITE); }

Tensor logical_and(const Tensor& a, const Tensor& b) { return logical("logical_and", prims::bitwise_and, a, b, FUNCTRA_SITE); }
Tensor logical_or(const Tensor& a, const Tensor& b) { return logical("logical_or", prims::bitwise_or, a, b, FUNCTRA_SITE); }
Tensor logical_xor(const Tensor& a, const Tensor& b) { return logical("logical_xor", prims::bitwise_xor, a, b, FUNCTRA_SITE); }
Tensor logical_not(const Tensor& x) { return negation("logical_not", x, FUNCTRA_SITE); }
Tensor Tensor::operator!() const { return negation("operator!", *this, FUNCTRA_SITE); }

#define FUNCTRA_BITS(name, op, prim, bools)                                                                     \
  Tensor name(const Tensor& a, const Tensor& b) { return bits(#name, prims::prim, a, b, FUNCTRA_SITE, bools); } \
  Tensor operator op(const Tensor& a, const Tensor& b) { return bits("operator" #op, prims::prim, a, b, FUNCTRA_SITE, bools); }
FUNCTRA_BITS(bitwise_and, &, bitwise_and, true)
FUNCTRA_BITS(bitwise_or, |, bitwise_or, true)
FUNCTRA_BITS(bitwise_xor, ^, bitwise_xor, true)
FUNCTRA_BITS(bitwise_left_shift, <<, shift_left, false)
FUNCTRA_BITS(bitwise_right_shift, >>, shift_right, false)
#undef FUNCTRA_BITS
Tensor bitwise_not(const Tensor& x) { return inverted("bitwise_not", x, FUNCTRA_SITE); }
Tensor Tensor::operator~() const { return inverted("operator~", *this, FUNCTRA_SITE); }

}  // namespace functra
