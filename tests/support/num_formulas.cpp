#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "tests/support/num_formulas.cpp"
#include "functra/kernels/elementwise-inl.h"

FUNCTRA_FORMULA(exp, floating, (auto x), num::exp(x))
FUNCTRA_FORMULA(exp2, floating, (auto x), num::exp2(x))
FUNCTRA_FORMULA(expm1, floating, (auto x), num::expm1(x))
FUNCTRA_FORMULA(log, floating, (auto x), num::log(x))
FUNCTRA_FORMULA(log2, floating, (auto x), num::log2(x))
FUNCTRA_FORMULA(log10, floating, (auto x), num::log10(x))
FUNCTRA_FORMULA(log1p, floating, (auto x), num::log1p(x))
FUNCTRA_FORMULA(sigmoid, floating, (auto x), num::sigmoid(x))
FUNCTRA_FORMULA(tanh, floating, (auto x), num::tanh(x))
FUNCTRA_FORMULA(sinh, floating, (auto x), num::sinh(x))
FUNCTRA_FORMULA(cosh, floating, (auto x), num::cosh(x))
FUNCTRA_FORMULA(asinh, floating, (auto x), num::asinh(x))
FUNCTRA_FORMULA(acosh, floating, (auto x), num::acosh(x))
FUNCTRA_FORMULA(atanh, floating, (auto x), num::atanh(x))
FUNCTRA_FORMULA(sin, floating, (auto x), num::sin(x))
FUNCTRA_FORMULA(cos, floating, (auto x), num::cos(x))
FUNCTRA_FORMULA(tan, floating, (auto x), num::tan(x))
FUNCTRA_FORMULA(asin, floating, (auto x), num::asin(x))
FUNCTRA_FORMULA(acos, floating, (auto x), num::acos(x))
FUNCTRA_FORMULA(atan, floating, (auto x), num::atan(x))
FUNCTRA_FORMULA(erf, floating, (auto x), num::erf(x))
FUNCTRA_FORMULA(erfc, floating, (auto x), num::erfc(x))
FUNCTRA_FORMULA(erf_inv, floating, (auto x), num::erf_inv(x))
FUNCTRA_FORMULA(sqrt, floating, (auto x), num::sqrt(x))
FUNCTRA_FORMULA(rsqrt, floating, (auto x), num::rsqrt(x))
FUNCTRA_FORMULA(cbrt, floating, (auto x), num::cbrt(x))
FUNCTRA_FORMULA(floor, floating, (auto x), num::floor(x))
FUNCTRA_FORMULA(ceil, floating, (auto x), num::ceil(x))
FUNCTRA_FORMULA(round, floating, (auto x), num::rint(x))
FUNCTRA_FORMULA(trunc, floating, (auto x), num::trunc(x))
FUNCTRA_FORMULA(atan2, floating, (auto x, auto y), num::atan2(x, y))
FUNCTRA_FORMULA(pow, floating, (auto x, auto y), num::pow(x, y))
FUNCTRA_FORMULA(hypot, floating, (auto x, auto y), num::hypot(x, y))
FUNCTRA_FORMULA(xlogy, floating, (auto x, auto y), num::xlogy(x, y))
FUNCTRA_FORMULA(fmod, real, (auto x, auto y), num::fmod(x, y))
FUNCTRA_FORMULA(remainder, real, (auto x, auto y), num::remainder(x, y))
FUNCTRA_FORMULA(floor_divide, real, (auto x, auto y), num::floor_divide(x, y))
FUNCTRA_FORMULA(sign, real, (auto x), num::sign(x))
FUNCTRA_FORMULA(abs, real, (auto x), num::abs(x))
FUNCTRA_FORMULA(neg, real, (auto x), -x)
FUNCTRA_FORMULA(add, arithmetic, (auto x, auto y), x + y)
FUNCTRA_FORMULA(mul, arithmetic, (auto x, auto y), x* y)
FUNCTRA_FORMULA(div, arithmetic, (auto x, auto y), x / y)
FUNCTRA_FORMULA(max, real, (auto x, auto y), num::max(x, y))
FUNCTRA_FORMULA(min, real, (auto x, auto y), num::min(x, y))
FUNCTRA_FORMULA(less, real_and_bool, (auto x, auto y), x < y)
FUNCTRA_FORMULA(bitwise_xor, integers_and_bool, (auto x, auto y), x ^ y)
FUNCTRA_FORMULA(shift_left, integers, (auto x, auto y), num::shl(x, y))
FUNCTRA_FORMULA(shift_right, integers, (auto x, auto y), num::shr(x, y))
FUNCTRA_FORMULA_P(integer_pow, real, std::int64_t, (auto x), num::integer_pow(x, p))
FUNCTRA_FORMULA(axpy, floating, (auto x, auto y, auto z), num::fma(x, y, z))

#if HWY_ONCE
#include "tests/support/num_formulas.h"

#include <cmath>
#include <cstring>
#include <limits>
#include <stdexcept>

namespace functra::testing {
namespace {
using L = long double;

L erf_inv_reference(L x) {  // Newton's method on erfl, or erfcl where |x| is near one
  if (!(std::fabs(x) < 1)) return std::fabs(x) == 1 ? std::copysign(std::numeric_limits<L>::infinity(), x) : std::numeric_limits<L>::quiet_NaN();
  const L a = std::fabs(x), rest = 1 - a;
  const L w = -std::log(rest * (1 + a));
  L y = a < 1e-3L ? a * 0.886226925452758013649L : std::sqrt(std::fmax(w - 0.5L * std::log(w + 1), 1e-8L));
  for (int i = 0; i < 60; ++i) {
    const L r = a < 0.5L ? std::erf(y) - a : rest - std::erfc(y), e = r * 0.886226925452758013649L * std::exp(y * y), step = e / (1 + y * e);
    y -= step;
    if (!(std::fabs(step) > std::fabs(y) * 1e-19L)) break;
  }
  return std::copysign(y, x);
}
L python_mod(L x, L y) {
  L r = std::fmod(x, y);
  return r != 0 && (r < 0) != (y < 0) ? r + y : r;
}

const UnaryCase unary[] = {
    {&exp_formula, [](L x) { return std::exp(x); }, -110, 110},
    {&exp2_formula, [](L x) { return std::exp2(x); }, -160, 140},
    {&expm1_formula, [](L x) { return std::expm1(x); }, -4, 4},
    {&log_formula, [](L x) { return std::log(x); }, 0, 3},
    {&log2_formula, [](L x) { return std::log2(x); }, 0, 3},
    {&log10_formula, [](L x) { return std::log10(x); }, 0, 3},
    {&log1p_formula, [](L x) { return std::log1p(x); }, -1, 3},
    {&sigmoid_formula, [](L x) { return 1 / (1 + std::exp(-x)); }, -30, 30},
    {&tanh_formula, [](L x) { return std::tanh(x); }, -10, 10},
    {&sinh_formula, [](L x) { return std::sinh(x); }, -5, 5},
    {&cosh_formula, [](L x) { return std::cosh(x); }, -5, 5},
    {&asinh_formula, [](L x) { return std::asinh(x); }, -5, 5},
    {&acosh_formula, [](L x) { return std::acosh(x); }, 1, 5},
    {&atanh_formula, [](L x) { return std::atanh(x); }, -1, 1},
    {&sin_formula, [](L x) { return std::sin(x); }, -20, 20},
    {&cos_formula, [](L x) { return std::cos(x); }, -20, 20},
    {&tan_formula, [](L x) { return std::tan(x); }, -20, 20},
    {&asin_formula, [](L x) { return std::asin(x); }, -1, 1},
    {&acos_formula, [](L x) { return std::acos(x); }, -1, 1},
    {&atan_formula, [](L x) { return std::atan(x); }, -5, 5},
    {&erf_formula, [](L x) { return std::erf(x); }, -4, 4},
    {&erfc_formula, [](L x) { return std::erfc(x); }, -4, 28},
    {&erf_inv_formula, erf_inv_reference, -1, 1},
    {&sqrt_formula, [](L x) { return std::sqrt(x); }, 0, 5},
    {&rsqrt_formula, [](L x) { return 1 / std::sqrt(x); }, 0, 5},
    {&cbrt_formula, [](L x) { return std::cbrt(x); }, -9, 9},
    {&floor_formula, [](L x) { return std::floor(x); }, -5, 5},
    {&ceil_formula, [](L x) { return std::ceil(x); }, -5, 5},
    {&round_formula, [](L x) { return std::rint(x); }, -5, 5},
    {&trunc_formula, [](L x) { return std::trunc(x); }, -5, 5},
};
const BinaryCase binary[] = {
    {&atan2_formula, [](L x, L y) { return std::atan2(x, y); }}, {&pow_formula, [](L x, L y) { return std::pow(x, y); }},
    {&hypot_formula, [](L x, L y) { return std::hypot(x, y); }}, {&xlogy_formula, [](L x, L y) { return x == 0 && y == y ? L(0) : x * std::log(y); }},
    {&fmod_formula, [](L x, L y) { return std::fmod(x, y); }},   {&remainder_formula, python_mod},
};
const Formula* const others[] = {&sign_formula,       &abs_formula,         &neg_formula,         &add_formula,  &mul_formula,
                                 &div_formula,        &max_formula,         &min_formula,         &less_formula, &bitwise_xor_formula,
                                 &shift_left_formula, &shift_right_formula, &integer_pow_formula, &axpy_formula, &floor_divide_formula};
}  // namespace

std::span<const UnaryCase> unary_cases() { return unary; }
std::span<const BinaryCase> binary_cases() { return binary; }
const Formula& formula_of(std::string_view name) {
  for (const auto& c : unary)
    if (name == c.formula->name) return *c.formula;
  for (const auto& c : binary)
    if (name == c.formula->name) return *c.formula;
  for (const Formula* f : others)
    if (name == f->name) return *f;
  throw std::out_of_range(std::string(name));
}

std::vector<std::pair<const char*, const FormulaTable*>> tables_of(const Formula& f) {
  std::vector<std::pair<const char*, const FormulaTable*>> r;
  for (std::int64_t rest = hwy::SupportedTargets() & HWY_TARGETS; rest; rest &= rest - 1) {
    const std::int64_t target = rest & -rest;
    hwy::SetSupportedTargetsForTest(target | HWY_STATIC_TARGET);
    hwy::GetChosenTarget().Update(hwy::SupportedTargets());
    r.emplace_back(hwy::TargetName(target), &f.resolve());
    hwy::SetSupportedTargetsForTest(0);
  }
  hwy::GetChosenTarget().Update(hwy::SupportedTargets());
  return r;
}

template <class T> double ulps(T y, long double ref) {
  using Limits = std::numeric_limits<T>;
  if (std::isnan(ref) || std::isnan(y)) return std::isnan(ref) && std::isnan(y) ? 0 : 1e30;
  if (static_cast<L>(y) == ref) return ref != 0 || std::signbit(y) == std::signbit(ref) ? 0 : 1e29;
  const T rounded = static_cast<T>(ref);
  if (std::isinf(y) || std::isinf(rounded)) {  // an overflow may come a few units early or late
    if (std::signbit(y) != std::signbit(ref)) return 1e28;
    if (y == rounded) return 0;
    const L top = static_cast<L>(Limits::max()), finite = std::fabs(std::isinf(y) ? ref : static_cast<L>(y));
    return 1 + static_cast<double>((top - finite) / (top * Limits::epsilon() / 2));
  }
  int e = Limits::min_exponent;
  if (ref != 0) std::frexp(ref, &e);
  const L unit = std::ldexp(L(1), std::max(e, Limits::min_exponent) - Limits::digits);
  return static_cast<double>(std::fabs(static_cast<L>(y) - ref) / unit);
}
template double ulps(float, long double);
template double ulps(double, long double);

}  // namespace functra::testing
#endif
