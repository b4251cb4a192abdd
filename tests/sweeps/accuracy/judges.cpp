#include "tests/sweeps/accuracy/judges.h"

#include <cmath>
#include <string>

#include "tests/support/num_formulas.h"
#ifdef FUNCTRA_HAVE_MPFR
#include <mpfr.h>
#endif

namespace functra::testing {
namespace {
using L = long double;
using I = std::int64_t;

// ---------------------------------------------------------------- in long double
// The references that the first tier has, under the names of the primitives.
template <std::size_t n> struct Name {
  char s[n];
  constexpr Name(const char (&from)[n]) {
    for (std::size_t i = 0; i < n; ++i) s[i] = from[i];
  }
};
template <Name name> L known1(L x, L, I) {
  static L (*const f)(L) = [] {
    for (const UnaryCase& c : unary_cases())
      if (std::string_view(name.s) == c.formula->name) return c.reference;
    throw std::out_of_range(name.s);
  }();
  return f(x);
}
template <Name name> L known2(L x, L y, I) {
  static L (*const f)(L, L) = [] {
    for (const BinaryCase& c : binary_cases())
      if (std::string_view(name.s) == c.formula->name) return c.reference;
    throw std::out_of_range(name.s);
  }();
  return f(x, y);
}
L quick_sinc(L x, L, I n) {
  if (n == 0) return x == 0 ? 1 : std::sin(x) / x;
  L f = std::sin(x) / x, sum = 0;
  if (std::fabs(x) > static_cast<L>(n + 1)) {
    const L wave[] = {std::sin(x), std::cos(x), -std::sin(x), -std::cos(x)};
    for (I i = 1; i <= n; ++i) f = (wave[i % 4] - static_cast<L>(i) * f) / x;
    return f;
  }
  L term = (n % 2 ? x : 1) * ((n + 1) / 2 % 2 ? -1 : 1);
  for (I k = n % 2; k < 60; k += 2) {
    sum += term / static_cast<L>(k + n + 1);
    term *= -x * x / static_cast<L>((k + 1) * (k + 2));
  }
  return x == x ? sum : x;
}
L quick_floor_div(L x, L y, I) {  // as torch: of x less its remainder, so that a rounded quotient does not reach the next integer
  if (y == 0) return x / y;
  const L r = std::fmod(x, y), d = (x - r) / y, q = std::rint(r != 0 && (r < 0) != (y < 0) ? d - 1 : d);
  return q == 0 ? std::copysign(L(0), x / y) : q;
}
L quick_logaddexp(L a, L b, I) {
  if (a != a || b != b) return a + b;
  return a == b ? a + std::log(L(2)) : std::fmax(a, b) + std::log1p(std::exp(-std::fabs(a - b)));
}
L quick_extreme(L a, L b, bool most) { return a != a || b != b ? a + b : most ? (a > b ? a : b) : (a < b ? a : b); }
double larger(double a, double b, I) { return std::fmax(a, b); }
double envelope(double x, double, I n) { return n == 0 ? 0 : 1 / std::fmax(std::fabs(x), static_cast<double>(n + 1)); }

// ---------------------------------------------------------------- in MPFR
#ifdef MPFR_VERSION
struct Real {
  mpfr_t v;
  explicit Real(double x = 0, mpfr_prec_t bits = 160) {
    mpfr_init2(v, bits);
    mpfr_set_d(v, x, MPFR_RNDN);
  }
  Real(const Real&) = delete;
  ~Real() { mpfr_clear(v); }
};
L rounded(const Real& r) { return mpfr_get_ld(r.v, MPFR_RNDN); }

template <int (*f)(mpfr_ptr, mpfr_srcptr, mpfr_rnd_t)> L of1(double x, double, I) {
  Real r(x);
  f(r.v, r.v, MPFR_RNDN);
  return rounded(r);
}
template <int (*f)(mpfr_ptr, mpfr_srcptr, mpfr_srcptr, mpfr_rnd_t)> L of2(double x, double y, I) {
  Real r(x), s(y);
  f(r.v, r.v, s.v, MPFR_RNDN);
  return rounded(r);
}
L mp_rsqrt(double x, double, I) {
  Real r(x);
  mpfr_sqrt(r.v, r.v, MPFR_RNDN);
  mpfr_d_div(r.v, 1, r.v, MPFR_RNDN);
  return rounded(r);
}
L mp_logistic(double x, double, I) {
  Real r(-x);
  mpfr_exp(r.v, r.v, MPFR_RNDN);
  mpfr_add_ui(r.v, r.v, 1, MPFR_RNDN);
  mpfr_d_div(r.v, 1, r.v, MPFR_RNDN);
  return rounded(r);
}
void log1p_exp_minus(Real& r) {  // log(1 + exp(-|r|))
  mpfr_abs(r.v, r.v, MPFR_RNDN);
  mpfr_neg(r.v, r.v, MPFR_RNDN);
  mpfr_exp(r.v, r.v, MPFR_RNDN);
  mpfr_log1p(r.v, r.v, MPFR_RNDN);
}
L mp_softplus(double x, double, I) {
  Real r(x);
  log1p_exp_minus(r);
  if (x > 0) mpfr_add_d(r.v, r.v, x, MPFR_RNDN);
  return rounded(r);
}
L mp_logaddexp(double a, double b, I) {
  if (std::isinf(a) || std::isinf(b) || a != a || b != b) return quick_logaddexp(a, b, 0);
  Real r(a);
  mpfr_sub_d(r.v, r.v, b, MPFR_RNDN);
  log1p_exp_minus(r);
  mpfr_add_d(r.v, r.v, std::fmax(a, b), MPFR_RNDN);
  return rounded(r);
}
template <int (*f)(mpfr_ptr, mpfr_srcptr, mpfr_rnd_t)> L mp_times(double x, double y, I) {
  if (x == 0 && y == y) return 0;
  Real r(y);
  f(r.v, r.v, MPFR_RNDN);
  mpfr_mul_d(r.v, r.v, x, MPFR_RNDN);
  return rounded(r);
}
constexpr mpfr_prec_t all_bits = 2300;  // of sums and remainders of any two doubles
void modulus(Real& r, double y) {       // the sign of the divisor
  const Real s(y);
  mpfr_fmod(r.v, r.v, s.v, MPFR_RNDN);
  if (mpfr_sgn(r.v) != 0 && (mpfr_sgn(r.v) < 0) != (y < 0)) mpfr_add_d(r.v, r.v, y, MPFR_RNDN);
}
L mp_rem(double x, double y, I) {
  if (!std::isfinite(x) || y != y || y == 0) return NAN;
  if (std::isinf(y)) return x == 0 || std::signbit(x) == std::signbit(y) ? x : y;
  Real r(x, all_bits);
  modulus(r, y);
  return rounded(r);
}
L mp_floor_div(double x, double y, I) {
  if (!std::isfinite(x) || !std::isfinite(y) || y == 0) return quick_floor_div(x, y, 0);
  Real r(x, all_bits), q(x, all_bits);
  modulus(r, y);
  mpfr_sub(q.v, q.v, r.v, MPFR_RNDN);
  mpfr_div_d(q.v, q.v, y, MPFR_RNDN);
  return mpfr_zero_p(q.v) ? std::copysign(L(0), static_cast<L>(x) / y) : rounded(q);
}
L mp_integer_pow(double x, double, I n) {
  Real r(x);
  mpfr_pow_si(r.v, r.v, n, MPFR_RNDN);
  return rounded(r);
}
// By Newton's method, on erfc where x is near one, from what the quick reference gives.
L mp_erf_inv(double x, double, I) {
  const double a = std::fabs(x);
  const L start = known1<"erf_inv">(a, 0, 0);
  if (!(a < 1) || a == 0) return std::copysign(start, x);
  Real y, e, s;
  mpfr_set_ld(y.v, start, MPFR_RNDN);
  for (int i = 0; i < 2; ++i) {
    if (a < 0.5) {
      mpfr_erf(e.v, y.v, MPFR_RNDN);
      mpfr_sub_d(e.v, e.v, a, MPFR_RNDN);
    } else {
      mpfr_erfc(e.v, y.v, MPFR_RNDN);
      mpfr_d_sub(e.v, 1 - a, e.v, MPFR_RNDN);
    }
    mpfr_sqr(s.v, y.v, MPFR_RNDN);
    mpfr_exp(s.v, s.v, MPFR_RNDN);
    mpfr_mul(e.v, e.v, s.v, MPFR_RNDN);
    mpfr_const_pi(s.v, MPFR_RNDN);
    mpfr_sqrt(s.v, s.v, MPFR_RNDN);
    mpfr_mul(e.v, e.v, s.v, MPFR_RNDN);
    mpfr_div_2ui(e.v, e.v, 1, MPFR_RNDN);
    mpfr_sub(y.v, y.v, e.v, MPFR_RNDN);
  }
  return std::copysign(rounded(y), x);
}
// Upwards by x f_i = sin^(i)(x) - i f_(i-1), with as many bits as cancel; by its leading term where no other counts.
L mp_sinc(double x, double, I n) {
  if (!std::isfinite(x)) return NAN;
  if (std::fabs(x) < 0x1p-60) {
    const L sign = (n + 1) / 2 % 2 ? -1 : 1;
    return n % 2 ? sign * x / static_cast<L>(n + 2) : sign / static_cast<L>(n + 1);
  }
  const mpfr_prec_t bits = 200 + 130 * n;
  Real f(x, bits), s(0, bits), c(0, bits), t(0, bits);
  mpfr_sin_cos(s.v, c.v, f.v, MPFR_RNDN);
  mpfr_div_d(f.v, s.v, x, MPFR_RNDN);
  for (I i = 1; i <= n; ++i) {
    mpfr_mul_si(f.v, f.v, i, MPFR_RNDN);
    mpfr_set(t.v, i % 2 ? c.v : s.v, MPFR_RNDN);
    if (i % 4 >= 2) mpfr_neg(t.v, t.v, MPFR_RNDN);
    mpfr_sub(f.v, t.v, f.v, MPFR_RNDN);
    mpfr_div_d(f.v, f.v, x, MPFR_RNDN);
  }
  return rounded(f);
}
// Kahan 1983: of x = q 2^e, those whose q is a denominator in the continued fraction of 2^e / (pi/2) come closest.
std::vector<double> close_to_half_pi(int digits, int top) {
  std::vector<double> all;
  Real r(0, 1500), a(0, 1500);
  for (int e = -digits; e <= top - digits; ++e) {
    mpfr_const_pi(r.v, MPFR_RNDN);
    mpfr_ui_div(r.v, 2, r.v, MPFR_RNDN);
    mpfr_mul_2si(r.v, r.v, e, MPFR_RNDN);
    mpfr_frac(r.v, r.v, MPFR_RNDN);
    double before = 0, q = 1;
    const double most = std::ldexp(1.0, digits);
    while (q < most) {
      if (q >= most / 4096) all.push_back(std::ldexp(q, e));
      if (q + before < most && q + before >= most / 4096) all.push_back(std::ldexp(q + before, e));
      mpfr_ui_div(r.v, 1, r.v, MPFR_RNDN);
      mpfr_floor(a.v, r.v);
      mpfr_sub(r.v, r.v, a.v, MPFR_RNDN);
      const double next = mpfr_get_d(a.v, MPFR_RNDN) * q + before;
      before = q;
      q = next;
    }
  }
  return all;
}
L mp_max(double a, double b, I) { return quick_extreme(a, b, true); }
L mp_min(double a, double b, I) { return quick_extreme(a, b, false); }
L mp_rint(double x, double, I) {
  Real r(x);
  mpfr_rint(r.v, r.v, MPFR_RNDN);
  return rounded(r);
}
template <mpfr_rnd_t to> L mp_rint_to(double x, double, I) {
  Real r(x);
  mpfr_rint(r.v, r.v, to);
  return rounded(r);
}
L mp_abs(double x, double, I) {
  Real r(x);
  mpfr_abs(r.v, r.v, MPFR_RNDN);
  return rounded(r);
}
L mp_neg(double x, double, I) {
  Real r(x);
  mpfr_neg(r.v, r.v, MPFR_RNDN);
  return rounded(r);
}
L mp_sign(double x, double, I) { return x > 0 ? 1 : x < 0 ? -1 : 0; }
L mp_copysign(double x, double y, I) {
  Real r(x);
  mpfr_setsign(r.v, r.v, std::signbit(y), MPFR_RNDN);  // a NaN here has no sign
  return rounded(r);
}
#define FUNCTRA_MPFR(f) f
#else
#define FUNCTRA_MPFR(f) nullptr
#endif

#define FUNCTRA_QUICK(...) [](L x, [[maybe_unused]] L y, [[maybe_unused]] I p) -> L { return __VA_ARGS__; }

constexpr double ln2 = 0.6931471805599453, half_pi = 1.5707963267948966;
const std::vector<double> exp_ends{709.782712893384, 708.3964185322641, 745.1332191019412, 88.72283905206835, 87.33654475055310, 103.97207708399179};

const Judge judges[] = {
    {"exp", known1<"exp">, FUNCTRA_MPFR(of1<mpfr_exp>), nullptr, exp_ends, ln2, -750, 715},
    {"exp2", known1<"exp2">, FUNCTRA_MPFR(of1<mpfr_exp2>), nullptr, {1024, 1022, 1074, 1075, 128, 126, 149, 150}, 1, -1080, 1030},
    {"expm1", known1<"expm1">, FUNCTRA_MPFR(of1<mpfr_expm1>), nullptr, {709.782712893384, 88.72283905206835, 20, 37.4, 40, 0.34657359}, ln2, -3, 3},
    {"log", known1<"log">, FUNCTRA_MPFR(of1<mpfr_log>), nullptr, {}, 0, 0, 3},
    {"log2", known1<"log2">, FUNCTRA_MPFR(of1<mpfr_log2>), nullptr, {4, 8}, 0, 0, 3},
    {"log10", known1<"log10">, FUNCTRA_MPFR(of1<mpfr_log10>), nullptr, {10, 100, 1000, 1e10, 1e22}, 0, 0, 3},
    {"log1p", known1<"log1p">, FUNCTRA_MPFR(of1<mpfr_log1p>), nullptr, {0.41421356237309503, 0.2928932188134524}, 0, -1, 3},
    {"logistic", known1<"sigmoid">, FUNCTRA_MPFR(mp_logistic), nullptr, exp_ends, ln2, -40, 40},
    {"softplus", FUNCTRA_QUICK((x > 0 ? x : 0 * x) + std::log1p(std::exp(-std::fabs(x)))), FUNCTRA_MPFR(mp_softplus), nullptr, exp_ends, ln2, -40,
     40},
    {"tanh", known1<"tanh">, FUNCTRA_MPFR(of1<mpfr_tanh>), nullptr, {0.549306, 9.01, 19.06, 20, 10}, ln2 / 2, -3, 3},
    {"sinh", known1<"sinh">, FUNCTRA_MPFR(of1<mpfr_sinh>), nullptr, {710.4758600739439, 709.78, 89.41598629223294, 711, 712, 91}, ln2, -3, 3},
    {"cosh", known1<"cosh">, FUNCTRA_MPFR(of1<mpfr_cosh>), nullptr, {710.4758600739439, 709.78, 89.41598629223294, 711, 712, 91}, ln2, -3, 3},
    {"asinh", known1<"asinh">, FUNCTRA_MPFR(of1<mpfr_asinh>), nullptr, {0x1p12, 0x1p28, 0.35355339, 0.5}, 0, -3, 3},
    {"acosh", known1<"acosh">, FUNCTRA_MPFR(of1<mpfr_acosh>), nullptr, {0x1p13, 0x1p28, 1.06066}, 0, 1, 4},
    {"atanh", known1<"atanh">, FUNCTRA_MPFR(of1<mpfr_atanh>), nullptr, {0.17157287525, 0.17157288}, 0, -1, 1},
    {"sin", known1<"sin">, FUNCTRA_MPFR(of1<mpfr_sin>), nullptr, {0x1p16, 0x1p40}, half_pi, -20, 20, {0}, true},
    {"cos", known1<"cos">, FUNCTRA_MPFR(of1<mpfr_cos>), nullptr, {0x1p16, 0x1p40}, half_pi, -20, 20, {0}, true},
    {"tan", known1<"tan">, FUNCTRA_MPFR(of1<mpfr_tan>), nullptr, {0x1p16, 0x1p40}, half_pi / 2, -20, 20, {0}, true},
    {"asin", known1<"asin">, FUNCTRA_MPFR(of1<mpfr_asin>), nullptr, {}, 0, -1, 1},
    {"acos", known1<"acos">, FUNCTRA_MPFR(of1<mpfr_acos>), nullptr, {}, 0, -1, 1},
    {"atan", known1<"atan">, FUNCTRA_MPFR(of1<mpfr_atan>), nullptr, {0.41421356237309503, 2.414213562373095}, 0, -5, 5},
    {"erf", known1<"erf">, FUNCTRA_MPFR(of1<mpfr_erf>), nullptr, {3.9, 4, 5.92, 5.95}, 0, -4, 4},
    {"erfc", known1<"erfc">, FUNCTRA_MPFR(of1<mpfr_erfc>), nullptr, {9.19, 10.05, 10.5, 26.54, 27.22, 27.3, 4}, 0, -4, 28},
    {"erf_inv", known1<"erf_inv">, FUNCTRA_MPFR(mp_erf_inv), nullptr, {0.75, 0.84270079, 0.99903, 0.9980661, 0.99662}, 0, -1, 1},
    {"sqrt", known1<"sqrt">, FUNCTRA_MPFR(of1<mpfr_sqrt>), nullptr, {4, 9}, 0, 0, 5},
    {"rsqrt", known1<"rsqrt">, FUNCTRA_MPFR(mp_rsqrt), nullptr, {4, 9}, 0, 0, 5},
    {"cbrt", known1<"cbrt">, FUNCTRA_MPFR(of1<mpfr_cbrt>), nullptr, {8, 27, 64, 125}, 0, -9, 9},
    {"floor", known1<"floor">, FUNCTRA_MPFR(mp_rint_to<MPFR_RNDD>), nullptr, {}, 0.5, -9, 9},
    {"ceil", known1<"ceil">, FUNCTRA_MPFR(mp_rint_to<MPFR_RNDU>), nullptr, {}, 0.5, -9, 9},
    {"round", known1<"round">, FUNCTRA_MPFR(mp_rint), nullptr, {}, 0.5, -9, 9},
    {"trunc", known1<"trunc">, FUNCTRA_MPFR(mp_rint_to<MPFR_RNDZ>), nullptr, {}, 0.5, -9, 9},
    {"neg", FUNCTRA_QUICK(-x), FUNCTRA_MPFR(mp_neg)},
    {"abs", FUNCTRA_QUICK(std::fabs(x)), FUNCTRA_MPFR(mp_abs)},
    {"sign",
     FUNCTRA_QUICK(x > 0   ? 1
                   : x < 0 ? -1
                           : 0),
     FUNCTRA_MPFR(mp_sign)},
    {"sinc", quick_sinc, FUNCTRA_MPFR(mp_sinc), envelope, {1.4, 1.8, 2.2, 2.6}, half_pi, -10, 10, {0, 1, 2, 3}, true},
    {"integer_pow",
     FUNCTRA_QUICK(std::pow(x, static_cast<L>(p))),
     FUNCTRA_MPFR(mp_integer_pow),
     nullptr,
     {0x1p256, 0x1p268, 0x1p341, 0x1p512, 0x1p537, 0x1p32, 0x1p37, 0x1p42, 0x1p64, 0x1p74},
     0,
     -3,
     3,
     {-4, -3, -2, -1, 2, 3, 4}},

    {"add", FUNCTRA_QUICK(x + y), FUNCTRA_MPFR(of2<mpfr_add>)},
    {"sub", FUNCTRA_QUICK(x - y), FUNCTRA_MPFR(of2<mpfr_sub>)},
    {"mul", FUNCTRA_QUICK(x* y), FUNCTRA_MPFR(of2<mpfr_mul>)},
    {"div", FUNCTRA_QUICK(x / y), FUNCTRA_MPFR(of2<mpfr_div>)},
    {"max", FUNCTRA_QUICK(quick_extreme(x, y, true)), FUNCTRA_MPFR(mp_max)},
    {"min", FUNCTRA_QUICK(quick_extreme(x, y, false)), FUNCTRA_MPFR(mp_min)},
    {"copysign", FUNCTRA_QUICK(std::copysign(x, y)), FUNCTRA_MPFR(mp_copysign)},
    {"fmod", known2<"fmod">, FUNCTRA_MPFR(of2<mpfr_fmod>)},
    {"rem", known2<"remainder">, FUNCTRA_MPFR(mp_rem)},
    {"floor_div", quick_floor_div, FUNCTRA_MPFR(mp_floor_div)},
    {"hypot", known2<"hypot">, FUNCTRA_MPFR(of2<mpfr_hypot>)},
    {"atan2", known2<"atan2">, FUNCTRA_MPFR(of2<mpfr_atan2>), nullptr, {0.41421356237309503, 2.414213562373095, 0x1p125, 0x1p1020}},
    {"pow", known2<"pow">, FUNCTRA_MPFR(of2<mpfr_pow>), nullptr, {4, 10, 0.1, 1023, 1024, 1074, 1075, 127, 128, 149}},
    {"logaddexp", quick_logaddexp, FUNCTRA_MPFR(mp_logaddexp), larger, {0.6931471805599453}},
    {"xlogy", known2<"xlogy">, FUNCTRA_MPFR(mp_times<mpfr_log>)},
    {"xlog1py", FUNCTRA_QUICK(x == 0 && y == y ? L(0) : x * std::log1p(y)), FUNCTRA_MPFR(mp_times<mpfr_log1p>)},
};
}  // namespace

const Judge* judge_of(std::string_view name) {
  for (const Judge& j : judges)
    if (name == j.name) return &j;
  return nullptr;
}
std::vector<double> near_half_pi([[maybe_unused]] int digits, [[maybe_unused]] int top) {
#ifdef MPFR_VERSION
  return close_to_half_pi(digits, top);
#else
  return {};
#endif
}
bool have_mpfr() { return judges[0].judge != nullptr; }

}  // namespace functra::testing
