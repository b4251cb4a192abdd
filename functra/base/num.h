// The Num concept: what an elementwise formula may use, so that one template serves plain numbers, SIMD vectors and symbolic
// numbers. A Num type X stands for values of an element type scalar_of<X>. For values x, y, z, a mask m and unsigned bits u:
//
//   X(c)                            a constant; explicit, so that float formulas never widen
//   x + y, -, *, /, -x              integers wrap; division of integers by zero is zero
//   fma(x, y, z)                    one rounding where the instruction set has it, two elsewhere
//   fma_exact(x, y, z)              one rounding everywhere; slow on a machine without the instruction
//   sqrt abs floor ceil trunc       IEEE; abs and unary minus of the least integer are itself
//   rint(x)                         to nearest, ties to even
//   min(x, y), max(x, y)            NaN if either is
//   copysign(x, y), rem(x, y)       rem: of integers, sign of the dividend, zero for a zero divisor
//   x < y, ==, != ...               a mask_of<X>; comparisons with NaN are false, but for !=
//   select(m, x, y)                 both are evaluated; there are no branches
//   both(m, n), either(m, n), unlike(m, n), !m
//   bits(x), from_bits<X>(u)        the same width, unsigned: bits_of<X>
//   u + u, -, &, |, ^, shl<k>(u), shr<k>(u), ==, <
//   ~x, shl(x, y), shr(x, y)        of integers; shr is arithmetic on signed types (not on SIMD vectors)
//   scale(x, k)                     x 2^k, rounded once; k is an integral number of at most 2^11
//   known(x), within(x, lo, hi)     the Range of x, as far as it is known; x, of which the formula says so
//   convert_to<T>(x)                the Num of element type T (not on SIMD vectors)
//   widen(f, x...)                  f evaluated in double on float operands, rounded back
//   rare(m, x, fallback, args...)   x, but the C function `fallback` of the arguments where m is set: for a few odd lanes
//
// The operations on plain numbers are in num-inl.h, on SIMD vectors in kernels/simd-inl.h; those on symbolic numbers are here.
#pragma once
#include <array>
#include <cmath>
#include <type_traits>

#include "functra/base/emitter.h"
#include "functra/base/inline.h"

namespace functra::num {

// C functions that `rare` falls back to.
struct Fallback1 {
  const char *f64_name, *f32_name;
  double (*f64)(double);
  float (*f32)(float);
};
struct Fallback2 {
  const char *f64_name, *f32_name;
  double (*f64)(double, double);
  float (*f32)(float, float);
};
// Of large arguments. The C library's sin, cos and tan of double, but where these are near a zero or a pole: there glibc's (2.36) are off
// by up to 2^17 units of the last place, since their reduced argument has an absolute error of 2^-92 or so.
extern "C" {
double functra_sin(double x);
double functra_cos(double x);
double functra_tan(double x);
}
inline constexpr Fallback1 large_sin{"functra_sin", "sinf", functra_sin, ::sinf}, large_cos{"functra_cos", "cosf", functra_cos, ::cosf},
    large_tan{"functra_tan", "tanf", functra_tan, ::tanf};
inline constexpr Fallback2 libm_fmod{"fmod", "fmodf", ::fmod, ::fmodf};

template <int bytes> struct UnsignedOf;
template <> struct UnsignedOf<1> { using type = std::uint8_t; };
template <> struct UnsignedOf<2> { using type = std::uint16_t; };
template <> struct UnsignedOf<4> { using type = std::uint32_t; };
template <> struct UnsignedOf<8> { using type = std::uint64_t; };

// The types that go with a Num type: of a plain number, or named in the class.
template <class X> struct NumTypes {
  using scalar = X;
  using mask = bool;
  using bits = typename UnsignedOf<sizeof(X)>::type;
};
template <class X>
requires requires { typename X::Scalar; }
struct NumTypes<X> {
  using scalar = typename X::Scalar;
  using mask = typename X::Mask;
  using bits = typename X::Bits;
};
template <class X> using scalar_of = typename NumTypes<X>::scalar;
template <class X> using mask_of = typename NumTypes<X>::mask;
template <class X> using bits_of = typename NumTypes<X>::bits;
template <class X> inline constexpr bool is_float = std::is_same_v<scalar_of<X>, float>;
template <class X> inline constexpr bool is_real = std::is_floating_point_v<scalar_of<X>>;

// ---------------------------------------------------------------- symbolic numbers
// Element types here are float, double, bool and the fixed-width integers.
template <class T> struct SymOf {
  using Scalar = T;
  using Mask = SymOf<bool>;
  using Bits = SymOf<typename UnsignedOf<sizeof(T)>::type>;
  Emitter* e;
  Emitter::Id id;
  SymOf(Emitter* emitter, Emitter::Id i) : e(emitter), id(i) {}
  explicit SymOf(const Sym& s) : e(s.e), id(s.id) {}
  template <Number A> explicit SymOf(A c) : e(current_emitter), id(e->constant(dtype_of<T>, Scalar(static_cast<T>(c)))) {}
  operator Sym() const { return {e, id, dtype_of<T>}; }
};
#define FUNCTRA_SYM_UNARY(name, op) \
  template <class T> SymOf<T> name(SymOf<T> x) { return {x.e, x.e->unary(NumOp::op, dtype_of<T>, x.id)}; }
FUNCTRA_SYM_UNARY(operator-, neg)
FUNCTRA_SYM_UNARY(abs, abs)
FUNCTRA_SYM_UNARY(sqrt, sqrt)
FUNCTRA_SYM_UNARY(floor, floor)
FUNCTRA_SYM_UNARY(ceil, ceil)
FUNCTRA_SYM_UNARY(rint, rint)
FUNCTRA_SYM_UNARY(trunc, trunc)
FUNCTRA_SYM_UNARY(operator~, invert)
#undef FUNCTRA_SYM_UNARY
inline SymOf<bool> operator!(SymOf<bool> x) { return ~x; }
#define FUNCTRA_SYM_BINARY(name, op) \
  template <class T> SymOf<T> name(SymOf<T> a, SymOf<T> b) { return {a.e, a.e->binary(NumOp::op, dtype_of<T>, a.id, b.id)}; }
FUNCTRA_SYM_BINARY(operator+, add)
FUNCTRA_SYM_BINARY(operator-, sub)
FUNCTRA_SYM_BINARY(operator*, mul)
FUNCTRA_SYM_BINARY(operator/, div)
FUNCTRA_SYM_BINARY(rem, rem)
FUNCTRA_SYM_BINARY(min, min)
FUNCTRA_SYM_BINARY(max, max)
FUNCTRA_SYM_BINARY(copysign, copysign)
FUNCTRA_SYM_BINARY(scale, scale)
FUNCTRA_SYM_BINARY(operator&, and_)
FUNCTRA_SYM_BINARY(operator|, or_)
FUNCTRA_SYM_BINARY(operator^, xor_)
FUNCTRA_SYM_BINARY(shl, shl)
FUNCTRA_SYM_BINARY(shr, shr)
#undef FUNCTRA_SYM_BINARY
#define FUNCTRA_SYM_COMPARE(name, op) \
  template <class T> SymOf<bool> name(SymOf<T> a, SymOf<T> b) { return {a.e, a.e->binary(NumOp::op, dtype_of<T>, a.id, b.id)}; }
FUNCTRA_SYM_COMPARE(operator==, eq)
FUNCTRA_SYM_COMPARE(operator!=, ne)
FUNCTRA_SYM_COMPARE(operator<, lt)
FUNCTRA_SYM_COMPARE(operator<=, le)
FUNCTRA_SYM_COMPARE(operator>, gt)
FUNCTRA_SYM_COMPARE(operator>=, ge)
#undef FUNCTRA_SYM_COMPARE

template <class T> SymOf<T> fma(SymOf<T> a, SymOf<T> b, SymOf<T> c) { return {a.e, a.e->fma(dtype_of<T>, a.id, b.id, c.id)}; }
template <class T> SymOf<T> fma_exact(SymOf<T> a, SymOf<T> b, SymOf<T> c) { return fma(a, b, c); }
template <class T> SymOf<T> select(SymOf<bool> m, SymOf<T> a, SymOf<T> b) { return {m.e, m.e->select(dtype_of<T>, m.id, a.id, b.id)}; }
template <int k, class T> SymOf<T> shl(SymOf<T> x) { return shl(x, SymOf<T>(k)); }
template <int k, class T> SymOf<T> shr(SymOf<T> x) { return shr(x, SymOf<T>(k)); }
template <class T> bits_of<SymOf<T>> bits(SymOf<T> x) {
  using U = typename UnsignedOf<sizeof(T)>::type;
  return {x.e, x.e->bitcast(dtype_of<U>, dtype_of<T>, x.id)};
}
template <class X, class U>
requires std::is_same_v<X, SymOf<scalar_of<X>>> X from_bits(SymOf<U> u) { return {u.e, u.e->bitcast(dtype_of<scalar_of<X>>, dtype_of<U>, u.id)}; }
template <class To, class T> SymOf<To> convert_to(SymOf<T> x) { return {x.e, x.e->convert(dtype_of<To>, dtype_of<T>, x.id)}; }
template <class F, class... X> SymOf<float> widen(F f, SymOf<float> x, X... more) {
  return convert_to<float>(f(convert_to<double>(x), convert_to<double>(more)...));
}
template <class T, class F, class... X> SymOf<T> rare(SymOf<bool> m, SymOf<T> value, const F& f, X... args) {
  const Emitter::Id ids[] = {args.id...};
  return {m.e, m.e->rare(dtype_of<T>, m.id, value.id, std::is_same_v<T, float> ? f.f32_name : f.f64_name, ids)};
}
template <class T> Range known(SymOf<T> x) { return x.e->range(x.id); }
template <class T> SymOf<T> within(SymOf<T> x, double lo, double hi) {
  x.e->bound(x.id, {lo, hi});
  return x;
}

}  // namespace functra::num
