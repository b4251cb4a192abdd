// Elementwise functions beside those of every day (math.cpp): other bases and roots, logarithms that do not overflow, remainders,
// signs, repairs of values that are not finite.
#include <cmath>
#include <limits>

#include "functra/ops/compare.h"
#include "functra/ops/elementwise.h"
#include "functra/ops/math.h"
#include "functra/prims/math.h"

namespace functra {
using core::Site;
using ops::binary_op;
using ops::unary_op;
using prims::like;

// ---------------------------------------------------------------- primitives as they are
#define FUNCTRA_UNARY(name, prim) \
  Tensor name(const Tensor& x) { return unary_op(#name, prim, x, true, FUNCTRA_SITE); }
#define FUNCTRA_BINARY(name, prim, floating) \
  Tensor name(const Tensor& a, const Tensor& b) { return binary_op(#name, prim, a, b, floating, FUNCTRA_SITE); }
FUNCTRA_UNARY(exp2, prims::exp2)
FUNCTRA_UNARY(log2, prims::log2)
FUNCTRA_UNARY(log10, prims::log10)
FUNCTRA_UNARY(cbrt, prims::cbrt)
FUNCTRA_UNARY(asinh, prims::asinh)
FUNCTRA_UNARY(acosh, prims::acosh)
FUNCTRA_UNARY(atanh, prims::atanh)
FUNCTRA_BINARY(hypot, prims::hypot, true)
FUNCTRA_BINARY(logaddexp, prims::logaddexp, true)
FUNCTRA_BINARY(xlogy, prims::xlogy, true)
FUNCTRA_BINARY(xlog1py, prims::xlog1py, true)
FUNCTRA_BINARY(copysign, prims::copysign, true)
FUNCTRA_BINARY(fmod, prims::fmod, false)
FUNCTRA_BINARY(floor_divide, prims::floor_div, false)

// ---------------------------------------------------------------- composed
namespace {
constexpr double pi = 3.14159265358979324, ln2 = 0.693147180559945309;

Tensor scaled(double factor, const Tensor& x) { return prims::mul(like(factor, x), x); }
Tensor sinc_of(const Tensor& x) { return prims::sinc(scaled(pi, x)); }
Tensor radians(const Tensor& x) { return scaled(pi / 180, x); }
Tensor degrees(const Tensor& x) { return scaled(180 / pi, x); }
Tensor fraction(const Tensor& x) { return core::sub(x, prims::trunc(x)); }
Tensor logit_of(const Tensor& x) { return core::sub(prims::log(x), prims::log1p(prims::neg(x))); }
Tensor logaddexp2_of(const Tensor& a, const Tensor& b) { return scaled(1 / ln2, prims::logaddexp(scaled(ln2, a), scaled(ln2, b))); }
Tensor times_power(const Tensor& x, const Tensor& n) { return prims::mul(x, prims::exp2(n)); }
Tensor step(const Tensor& x, const Tensor& at_zero) {
  return core::select(prims::eq(x, like(0, x)), at_zero, core::select(prims::gt(x, like(0, x)), like(1, x), like(0, x)));
}
// f of both, or the one that is a number.
template <ops::BinaryPrim f> Tensor of_numbers(const Tensor& a, const Tensor& b) {
  return core::select(prims::ne(a, a), b, core::select(prims::ne(b, b), a, f(a, b)));
}
Tensor negative(const Tensor& x) { return prims::lt(is_floating(x.raw_dtype()) ? prims::copysign(like(1, x), x) : x, like(0, x)); }
Tensor is_value(const Tensor& x, double v) { return is_floating(x.raw_dtype()) ? prims::eq(x, like(v, x)) : prims::ne(x, x); }
Tensor posinf_of(const Tensor& x) { return is_value(x, std::numeric_limits<double>::infinity()); }
Tensor neginf_of(const Tensor& x) { return is_value(x, -std::numeric_limits<double>::infinity()); }
double largest(DType d) {
  switch (d) {
    case DType::f16: return 65504;
    case DType::bf16: return 0x1.fep127;
    case DType::f32: return static_cast<double>(std::numeric_limits<float>::max());
    default: return std::numeric_limits<double>::max();
  }
}
Tensor sum_of_products(const char* who, ops::BinaryPrim f, const Tensor& x, const Tensor& a, const Tensor& b, const Tensor& value, bool floating,
                       const void* site) {
  return binary_op(who, core::add, x, binary_op(who, prims::mul, value, binary_op(who, f, a, b, floating, site), false, site), false, site);
}
}  // namespace
FUNCTRA_UNARY(sinc, sinc_of)
FUNCTRA_UNARY(deg2rad, radians)
FUNCTRA_UNARY(rad2deg, degrees)
FUNCTRA_UNARY(frac, fraction)
FUNCTRA_BINARY(logaddexp2, logaddexp2_of, true)
FUNCTRA_BINARY(ldexp, times_power, true)
FUNCTRA_BINARY(heaviside, step, false)
FUNCTRA_BINARY(fmax, of_numbers<prims::max>, false)
FUNCTRA_BINARY(fmin, of_numbers<prims::min>, false)
Tensor isposinf(const Tensor& x) { return unary_op("isposinf", posinf_of, x, false, FUNCTRA_SITE); }
Tensor isneginf(const Tensor& x) { return unary_op("isneginf", neginf_of, x, false, FUNCTRA_SITE); }
Tensor signbit(const Tensor& x) { return unary_op("signbit", negative, x, false, FUNCTRA_SITE); }
Tensor logit(const Tensor& x, std::optional<double> eps) {
  Site site(FUNCTRA_SITE);
  return unary_op("logit", logit_of, eps ? clamp(x, *eps, 1 - *eps) : x, true, FUNCTRA_SITE);
}
Tensor float_power(const Tensor& base, const Tensor& exponent) {
  Site site(FUNCTRA_SITE);
  if (!base.defined() || !exponent.defined()) throw ValueError("float_power: an operand is an undefined Tensor (default constructed)");
  return pow(core::convert(base, DType::f64), core::convert(exponent, DType::f64));
}
Tensor nan_to_num(const Tensor& given, double nan, std::optional<double> posinf, std::optional<double> neginf) {
  Site site(FUNCTRA_SITE);
  if (!given.defined()) throw ValueError("nan_to_num: the operand is an undefined Tensor (default constructed)");
  Tensor x = ops::firm(given);
  if (!is_floating(x.raw_dtype())) return x;
  double top = largest(x.raw_dtype()), huge = std::numeric_limits<double>::infinity();
  Tensor y = core::select(prims::eq(x, like(huge, x)), like(posinf.value_or(top), x), x);
  y = core::select(prims::eq(x, like(-huge, x)), like(neginf.value_or(-top), x), y);
  return core::select(prims::ne(x, x), like(nan, x), y);
}

// ---------------------------------------------------------------- operators as functions
Tensor add(const Tensor& a, const Tensor& b) {
  Site site(FUNCTRA_SITE);
  return a + b;
}
Tensor sub(const Tensor& a, const Tensor& b) {
  Site site(FUNCTRA_SITE);
  return a - b;
}
Tensor mul(const Tensor& a, const Tensor& b) {
  Site site(FUNCTRA_SITE);
  return a * b;
}
Tensor div(const Tensor& a, const Tensor& b) {
  Site site(FUNCTRA_SITE);
  return a / b;
}
Tensor neg(const Tensor& x) {
  Site site(FUNCTRA_SITE);
  return -x;
}
Tensor addcmul(const Tensor& x, const Tensor& a, const Tensor& b, const Tensor& value) {
  return sum_of_products("addcmul", prims::mul, x, a, b, value, false, FUNCTRA_SITE);
}
Tensor addcdiv(const Tensor& x, const Tensor& a, const Tensor& b, const Tensor& value) {
  return sum_of_products("addcdiv", prims::div, x, a, b, value, true, FUNCTRA_SITE);
}

}  // namespace functra
