// The Num operations on plain numbers, and helpers for formulas. Included once per instruction set (no include guard), within
// the namespace that FUNCTRA_NUM_BEGIN opens: nothing compiled for one instruction set may be linked into code for another.
#ifndef FUNCTRA_NUM_BEGIN
#error "include kernels/simd-inl.h, or define FUNCTRA_NUM_BEGIN and FUNCTRA_NUM_END"
#endif

FUNCTRA_NUM_BEGIN
namespace num {

using functra::num::abs, functra::num::bits, functra::num::bits_of, functra::num::ceil, functra::num::convert_to, functra::num::copysign,
    functra::num::Fallback1, functra::num::Fallback2, functra::num::floor, functra::num::fma, functra::num::fma_exact, functra::num::from_bits,
    functra::num::is_float, functra::num::is_real, functra::num::known, functra::num::large_cos, functra::num::large_sin, functra::num::large_tan,
    functra::num::libm_fmod, functra::num::mask_of, functra::num::max, functra::num::min, functra::num::NumTypes, functra::num::rare,
    functra::num::rem, functra::num::rint, functra::num::scalar_of, functra::num::scale, functra::num::select, functra::num::shl, functra::num::shr,
    functra::num::sqrt, functra::num::SymOf, functra::num::trunc, functra::num::UnsignedOf, functra::num::widen, functra::num::within;

template <class T>
concept Plain = std::is_arithmetic_v<T>;
template <class T>
concept PlainReal = std::is_floating_point_v<T>;
template <class T>
concept PlainInt = std::is_integral_v<T> && !std::is_same_v<T, bool>;

template <PlainReal T> FUNCTRA_INLINE T fma_exact(T a, T b, T c) {
  if constexpr (sizeof(T) == 4) return __builtin_fmaf(a, b, c);
  else return __builtin_fma(a, b, c);
}
template <PlainReal T> FUNCTRA_INLINE T fma(T a, T b, T c) {
#ifdef FUNCTRA_NUM_NO_FMA
  return a * b + c;
#else
  return fma_exact(a, b, c);
#endif
}
#define FUNCTRA_PLAIN_UNARY(name)                                \
  template <PlainReal T> FUNCTRA_INLINE T name(T x) {            \
    if constexpr (sizeof(T) == 4) return __builtin_##name##f(x); \
    else return __builtin_##name(x);                             \
  }
FUNCTRA_PLAIN_UNARY(sqrt)
FUNCTRA_PLAIN_UNARY(floor)
FUNCTRA_PLAIN_UNARY(ceil)
FUNCTRA_PLAIN_UNARY(rint)
FUNCTRA_PLAIN_UNARY(trunc)
#undef FUNCTRA_PLAIN_UNARY
template <Plain T> FUNCTRA_INLINE bits_of<T> bits(T x) { return __builtin_bit_cast(bits_of<T>, x); }
template <Plain X> FUNCTRA_INLINE X from_bits(bits_of<X> u) { return __builtin_bit_cast(X, u); }
template <PlainReal T> FUNCTRA_INLINE T abs(T x) {
  if constexpr (sizeof(T) == 4) return __builtin_fabsf(x);
  else return __builtin_fabs(x);
}
template <PlainReal T> FUNCTRA_INLINE T copysign(T x, T y) {
  if constexpr (sizeof(T) == 4) return __builtin_copysignf(x, y);
  else return __builtin_copysign(x, y);
}
template <Plain T> FUNCTRA_INLINE T select(bool m, T a, T b) { return m ? a : b; }
template <Plain T> FUNCTRA_INLINE T min(T a, T b) { return a < b || a != a ? a : b; }
template <Plain T> FUNCTRA_INLINE T max(T a, T b) { return a > b || a != a ? a : b; }
template <int k, PlainInt T> FUNCTRA_INLINE T shl(T x) { return static_cast<T>(x << k); }
template <int k, PlainInt T> FUNCTRA_INLINE T shr(T x) { return static_cast<T>(x >> k); }
template <class To, Plain T> FUNCTRA_INLINE To convert_to(T x) { return static_cast<To>(x); }
template <class F, class... X> FUNCTRA_INLINE float widen(F f, float x, X... more) {
  return static_cast<float>(f(static_cast<double>(x), static_cast<double>(more)...));
}
template <PlainReal T, class F, class... X> FUNCTRA_INLINE T rare(bool m, T value, const F& f, X... args) {
  if (m) [[unlikely]] {
    if constexpr (sizeof(T) == 4) return f.f32(args...);
    else return f.f64(args...);
  }
  return value;
}

// ---------------------------------------------------------------- integers
// With operations that are defined everywhere: wrapping, division by zero zero, shifts by the width or more.
template <class T> struct Int {
  using Scalar = T;
  using Mask = bool;
  using Bits = Int<typename UnsignedOf<sizeof(T)>::type>;
  T v;
  template <Number A> FUNCTRA_INLINE constexpr explicit Int(A a) : v(static_cast<T>(a)) {}
};
#define FUNCTRA_INT_BINARY(name, ...)                                           \
  template <class T> FUNCTRA_INLINE Int<T> name(Int<T> x, Int<T> y) {           \
    using W = std::conditional_t<sizeof(T) == 8, std::uint64_t, std::uint32_t>; \
    [[maybe_unused]] const W a = static_cast<W>(x.v), b = static_cast<W>(y.v);  \
    return Int<T>(__VA_ARGS__);                                                 \
  }
FUNCTRA_INT_BINARY(operator+, a + b)
FUNCTRA_INT_BINARY(operator-, a - b)
FUNCTRA_INT_BINARY(operator*, a* b)
FUNCTRA_INT_BINARY(operator&, a& b)
FUNCTRA_INT_BINARY(operator|, a | b)
FUNCTRA_INT_BINARY(operator^, a ^ b)
FUNCTRA_INT_BINARY(operator/, y.v == 0 ? 0 : std::is_signed_v<T> && y.v == static_cast<T>(-1) ? static_cast<T>(0 - a) : static_cast<T>(x.v / y.v))
FUNCTRA_INT_BINARY(rem, y.v == 0 || (std::is_signed_v<T> && y.v == static_cast<T>(-1)) ? T(0) : static_cast<T>(x.v % y.v))
FUNCTRA_INT_BINARY(min, x.v < y.v ? x.v : y.v)
FUNCTRA_INT_BINARY(max, x.v > y.v ? x.v : y.v)
FUNCTRA_INT_BINARY(shl, static_cast<std::make_unsigned_t<T>>(y.v) >= 8 * sizeof(T) ? W(0) : a << b)
// shr by the width or more: zero, or minus one for negative numbers.
FUNCTRA_INT_BINARY(shr, static_cast<std::make_unsigned_t<T>>(y.v) < 8 * sizeof(T) ? static_cast<T>(x.v >> y.v) : x.v < 0 ? static_cast<T>(-1) : T(0))
#undef FUNCTRA_INT_BINARY
#define FUNCTRA_INT_COMPARE(op) \
  template <class T> FUNCTRA_INLINE bool operator op(Int<T> x, Int<T> y) { return x.v op y.v; }
FUNCTRA_INT_COMPARE(==)
FUNCTRA_INT_COMPARE(!=)
FUNCTRA_INT_COMPARE(<)
FUNCTRA_INT_COMPARE(<=)
FUNCTRA_INT_COMPARE(>)
FUNCTRA_INT_COMPARE(>=)
#undef FUNCTRA_INT_COMPARE
template <class T> FUNCTRA_INLINE Int<T> operator-(Int<T> x) { return Int<T>(0) - x; }
template <class T> FUNCTRA_INLINE Int<T> operator~(Int<T> x) { return Int<T>(static_cast<T>(~x.v)); }
template <class T> FUNCTRA_INLINE Int<T> abs(Int<T> x) { return x.v < 0 ? -x : x; }
template <class T> FUNCTRA_INLINE Int<T> floor(Int<T> x) { return x; }
template <class T> FUNCTRA_INLINE Int<T> ceil(Int<T> x) { return x; }
template <class T> FUNCTRA_INLINE Int<T> rint(Int<T> x) { return x; }
template <class T> FUNCTRA_INLINE Int<T> trunc(Int<T> x) { return x; }
template <class T> FUNCTRA_INLINE Int<T> select(bool m, Int<T> a, Int<T> b) { return m ? a : b; }

// ---------------------------------------------------------------- helpers for formulas
template <class X> FUNCTRA_INLINE X inf() { return X(__builtin_huge_val()); }
template <class X> FUNCTRA_INLINE X nan() { return X(__builtin_nan("")); }
template <class X> FUNCTRA_INLINE bits_of<X> sign_bit(X x) { return bits(x) & bits(X(-0.0)); }
template <class X> FUNCTRA_INLINE X flip_sign(X x, bits_of<X> s) { return from_bits<X>(bits(x) ^ s); }
// Of masks; plain ones are bool, on which & gives int.
template <class M> FUNCTRA_INLINE M both(M a, M b) {
  if constexpr (std::is_same_v<M, bool>) return a && b;
  else return a & b;
}
template <class M> FUNCTRA_INLINE M either(M a, M b) {
  if constexpr (std::is_same_v<M, bool>) return a || b;
  else return a | b;
}
template <class M> FUNCTRA_INLINE M unlike(M a, M b) {
  if constexpr (std::is_same_v<M, bool>) return a != b;
  else return a ^ b;
}
template <class X> FUNCTRA_INLINE mask_of<X> is_nan(X x) { return x != x; }
template <class X> FUNCTRA_INLINE mask_of<X> is_inf(X x) { return abs(x) == inf<X>(); }

template <class X> constexpr Range known(X) { return {}; }
template <class X> FUNCTRA_INLINE X within(X x, double, double) { return x; }

// By two exact halves of the power.
template <class X> FUNCTRA_INLINE X scale(X y, X k) {
  constexpr int mantissa = is_float<X> ? 23 : 52, bias = is_float<X> ? 127 : 1023;
  const X shifter = X(is_float<X> ? 0x1.8p23 : 0x1.8p52);
  const auto power = bits(k + (shifter + X(2 * bias))) - bits(shifter), half = shr<1>(power);
  return y * from_bits<X>(shl<mantissa>(half)) * from_bits<X>(shl<mantissa>(power - half));
}

// c[0] + c[1] x + c[2] x^2 + ...: the fewest operations where there are few coefficients; even and odd powers apart, for half the depth,
// where there are more. Everywhere in the same order: a value computed in two places is the same in both.
template <class X, class C> FUNCTRA_INLINE X poly(X x, const C& c) {
  constexpr int n = sizeof(C) / sizeof(c[0]), step = n > 4 ? 2 : 1;
  const X y = step == 2 ? x * x : x;
  X r = X(c[n - 1]), s = X(c[n - step]);
  for (int k = n - 1 - step; k >= 0; k -= step) r = fma(r, y, X(c[k]));
  if constexpr (step == 1) return r;
  for (int k = n - 2 - step; k >= 0; k -= step) s = fma(s, y, X(c[k]));
  return n % 2 ? fma(s, x, r) : fma(r, x, s);
}

// round(x * scale) as a number, and that integer plus `bias` in the low bits of the second; exact for |result| < 2^22 (float), 2^51.
template <class X> struct Rounded {
  X value;
  bits_of<X> low;
};
template <class X> FUNCTRA_INLINE Rounded<X> round_scaled(X x, double scale, double bias = 0) {
  const X shifter = X((is_float<X> ? 0x1.8p23 : 0x1.8p52) + bias);
  const X t = fma(x, X(scale), shifter);
  return {t - shifter, bits(t)};
}

}  // namespace num
FUNCTRA_NUM_END
