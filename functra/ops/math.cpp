#include "functra/ops/math.h"

#include <cmath>

#include "functra/ops/elementwise.h"
#include "functra/prims/cast.h"
#include "functra/prims/math.h"

namespace functra {
using core::Site;
using ops::binary_op;
using ops::unary_op;

#define FUNCTRA_UNARY(name, prim) \
  Tensor name(const Tensor& x) { return unary_op(#name, prims::prim, x, true, FUNCTRA_SITE); }
FUNCTRA_UNARY(exp, exp)
FUNCTRA_UNARY(log, log)
FUNCTRA_UNARY(log1p, log1p)
FUNCTRA_UNARY(expm1, expm1)
FUNCTRA_UNARY(sqrt, sqrt)
FUNCTRA_UNARY(rsqrt, rsqrt)
FUNCTRA_UNARY(sin, sin)
FUNCTRA_UNARY(cos, cos)
FUNCTRA_UNARY(tan, tan)
FUNCTRA_UNARY(asin, asin)
FUNCTRA_UNARY(acos, acos)
FUNCTRA_UNARY(atan, atan)
FUNCTRA_UNARY(sinh, sinh)
FUNCTRA_UNARY(cosh, cosh)
FUNCTRA_UNARY(tanh, tanh)
FUNCTRA_UNARY(erf, erf)
FUNCTRA_UNARY(erfc, erfc)
FUNCTRA_UNARY(erf_inv, erf_inv)
FUNCTRA_UNARY(sigmoid, logistic)
FUNCTRA_UNARY(softplus, softplus)
#undef FUNCTRA_UNARY
Tensor atan2(const Tensor& y, const Tensor& x) { return binary_op("atan2", prims::atan2, y, x, true, FUNCTRA_SITE); }

namespace {
Tensor squared(const Tensor& x) { return prims::integer_pow(x, 2); }
Tensor inverse(const Tensor& x) { return prims::div(prims::like(1, x), x); }
Tensor rectified(const Tensor& x) {
  Tensor zero = prims::like(0, x);
  return core::select(prims::le(x, zero), zero, x);
}
Tensor gelu_of(const Tensor& x) {  // x erfc(-x / sqrt(2)) / 2: the left tail keeps its digits
  return prims::mul(prims::mul(prims::like(0.5, x), x), prims::erfc(prims::mul(prims::like(-0.70710678118654752, x), x)));
}
Tensor silu_of(const Tensor& x) { return prims::mul(x, prims::logistic(x)); }
Tensor rounded(const char* who, ops::UnaryPrim f, const Tensor& x, const void* site) {
  return x.defined() && is_integer(x.raw_dtype()) ? x : unary_op(who, f, x, true, site);
}
}  // namespace
Tensor square(const Tensor& x) { return unary_op("square", squared, x, false, FUNCTRA_SITE); }
Tensor reciprocal(const Tensor& x) { return unary_op("reciprocal", inverse, x, true, FUNCTRA_SITE); }
Tensor relu(const Tensor& x) { return unary_op("relu", rectified, x, false, FUNCTRA_SITE); }
Tensor gelu(const Tensor& x) { return unary_op("gelu", gelu_of, x, true, FUNCTRA_SITE); }
Tensor silu(const Tensor& x) { return unary_op("silu", silu_of, x, true, FUNCTRA_SITE); }
Tensor abs(const Tensor& x) { return unary_op("abs", prims::abs, x, false, FUNCTRA_SITE); }
Tensor sign(const Tensor& x) { return unary_op("sign", prims::sign, x, false, FUNCTRA_SITE); }
Tensor floor(const Tensor& x) { return rounded("floor", prims::floor, x, FUNCTRA_SITE); }
Tensor ceil(const Tensor& x) { return rounded("ceil", prims::ceil, x, FUNCTRA_SITE); }
Tensor round(const Tensor& x) { return rounded("round", prims::round, x, FUNCTRA_SITE); }
Tensor trunc(const Tensor& x) { return rounded("trunc", prims::trunc, x, FUNCTRA_SITE); }
Tensor remainder(const Tensor& a, const Tensor& b) { return binary_op("remainder", prims::rem, a, b, false, FUNCTRA_SITE); }
Tensor operator%(const Tensor& a, const Tensor& b) { return binary_op("operator%", prims::rem, a, b, false, FUNCTRA_SITE); }
Tensor maximum(const Tensor& a, const Tensor& b) { return binary_op("maximum", prims::max, a, b, false, FUNCTRA_SITE); }
Tensor minimum(const Tensor& a, const Tensor& b) { return binary_op("minimum", prims::min, a, b, false, FUNCTRA_SITE); }

// ---------------------------------------------------------------- pow
Tensor pow(const Tensor& base, const Tensor& exponent) {
  Site site(FUNCTRA_SITE);
  const Tensor in[2] = {base, exponent};
  ops::Common common = ops::common_type(in, "pow");
  bool integers = is_integer(common.dtype) || is_bool(common.dtype);
  if (exponent.literal()) {
    double n = exponent.item().real();
    if (integers && n < 0)
      throw ValueError("pow: integers cannot be raised to the negative power " + exponent.item().str() +
                       "; convert the base with to(f32) or to(f64)");
    // Up to this power products are as accurate as pow, and cost less.
    if (n == std::rint(n) && (integers || std::fabs(n) <= 4))
      return prims::integer_pow(ops::to_common(base, common), static_cast<std::int64_t>(exponent.item()));
  } else if (integers) {
    throw DTypeError("pow: the exponent is an integer tensor and the base has dtype " + std::string(name_of(base.dtype())) +
                     "; convert the base with to(f32) or to(f64), or use a number as exponent");
  }
  return binary_op("pow", prims::pow, base, exponent, true, FUNCTRA_SITE);
}

// ---------------------------------------------------------------- choice
Tensor where(const Tensor& condition, const Tensor& a, const Tensor& b) {
  Site site(FUNCTRA_SITE);
  if (!condition.defined()) throw ValueError("where: the condition is an undefined Tensor (default constructed)");
  if (!is_bool(condition.raw_dtype()))
    throw DTypeError("where: the condition has dtype " + std::string(name_of(condition.dtype())) + ", not bool; compare it, as in x != 0");
  Tensor x[3] = {condition, a, b};
  ops::promote(x[1], x[2], "where");
  for (int k : {1, 2}) x[k] = ops::firm(x[k]);
  ops::broadcast_all(x, "where");
  return core::select(x[0], x[1], x[2]);
}
Tensor clamp(const Tensor& x, const std::optional<Tensor>& min, const std::optional<Tensor>& max) {
  Site site(FUNCTRA_SITE);
  if (!min && !max) throw ValueError("clamp: give min, max or both");
  Tensor y = x;
  auto bound = [&](const Tensor& limit, ops::BinaryPrim beyond) {
    Tensor in[2] = {y, limit};
    ops::promote(in[0], in[1], "clamp");
    ops::broadcast_all(in, "clamp");
    y = core::select(beyond(in[0], in[1]), in[1], in[0]);
  };
  if (min) bound(*min, prims::lt);
  if (max) bound(*max, prims::gt);
  return y;
}
Tensor lerp(const Tensor& start, const Tensor& end, const Tensor& weight) {
  Site site(FUNCTRA_SITE);
  return start + weight * (end - start);
}
Tensor stop_gradient(const Tensor& x) { return unary_op("stop_gradient", prims::stop_gradient, x, false, FUNCTRA_SITE); }

// ---------------------------------------------------------------- members
Tensor Tensor::exp() const { return unary_op("exp", prims::exp, *this, true, FUNCTRA_SITE); }
Tensor Tensor::log() const { return unary_op("log", prims::log, *this, true, FUNCTRA_SITE); }
Tensor Tensor::sin() const { return unary_op("sin", prims::sin, *this, true, FUNCTRA_SITE); }
Tensor Tensor::cos() const { return unary_op("cos", prims::cos, *this, true, FUNCTRA_SITE); }
Tensor Tensor::tanh() const { return unary_op("tanh", prims::tanh, *this, true, FUNCTRA_SITE); }
Tensor Tensor::sqrt() const { return unary_op("sqrt", prims::sqrt, *this, true, FUNCTRA_SITE); }
Tensor Tensor::sigmoid() const { return unary_op("sigmoid", prims::logistic, *this, true, FUNCTRA_SITE); }
Tensor Tensor::abs() const { return unary_op("abs", prims::abs, *this, false, FUNCTRA_SITE); }
Tensor Tensor::square() const { return unary_op("square", squared, *this, false, FUNCTRA_SITE); }
Tensor Tensor::pow(const Tensor& exponent) const {
  Site site(FUNCTRA_SITE);
  return functra::pow(*this, exponent);
}
Tensor Tensor::to(DType d) const {
  Site site(FUNCTRA_SITE);
  if (!defined()) throw ValueError("to: the operand is an undefined Tensor (default constructed)");
  return core::convert(*this, d);
}

}  // namespace functra
