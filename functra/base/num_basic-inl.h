// Formulas of arithmetic: signs, remainders, roots.
FUNCTRA_NUM_BEGIN
namespace num {

template <class X> inline constexpr bool is_unsigned_num = std::is_unsigned_v<scalar_of<X>>;

// NaN: 0 (as torch).
template <class X> FUNCTRA_INLINE X sign(X x) {
  if constexpr (is_unsigned_num<X>) return select(x == X(0), X(0), X(1));
  else return select(x > X(0), X(1), select(x < X(0), X(-1), X(0)));
}
// Bitwise of integers, logical of bool.
template <class X> FUNCTRA_INLINE X invert(X x) {
  if constexpr (std::is_same_v<scalar_of<X>, bool>) return !x;
  else return ~x;
}
template <class X> FUNCTRA_INLINE X clamp(X x, X lo, X hi) { return min(max(x, lo), hi); }
template <class X> FUNCTRA_INLINE X rsqrt(X x) { return X(1) / sqrt(x); }

// The sign of the dividend (C's fmod and %). Exact: x - q y is representable for the truncated quotient, which rounding may make one
// too large.
template <class X> FUNCTRA_INLINE X fmod(X x, X y) {
  if constexpr (is_real<X>) {
    const X a = abs(x), b = abs(y), q = a / b;
    X r = fma_exact(-trunc(q), b, a);
    r = select(r < X(0), r + b, r);
    r = select(a < b, a, r);
    return rare(!(q < X(is_float<X> ? 0x1p23 : 0x1p52)), copysign(r, x), libm_fmod, x, y);
  } else {
    return rem(x, y);
  }
}
// The sign of the divisor (Python's %).
template <class X> FUNCTRA_INLINE X remainder(X x, X y) {
  const X r = fmod(x, y);
  if constexpr (is_unsigned_num<X>) return r;
  else return select(both(r != X(0), unlike(r < X(0), y < X(0))), r + y, r);
}
template <class X> FUNCTRA_INLINE X floor_divide(X x, X y) {
  if constexpr (is_real<X>) {  // as torch: through the exact remainder, so that rounding of x / y does not reach the next integer
    const X m = fmod(x, y), d = (x - m) / y;
    const X f = rint(select(both(m != X(0), unlike(m < X(0), y < X(0))), d - X(1), d));
    return select(y == X(0), x / y, select(f == X(0), copysign(X(0), x / y), f));
  } else if constexpr (is_unsigned_num<X>) {
    return x / y;
  } else {
    return select(both(rem(x, y) != X(0), unlike(x < X(0), y < X(0))), x / y - X(1), x / y);
  }
}
// sqrt(x^2 + y^2) without overflow or underflow of the squares; infinite if either is, even beside NaN (C99 F.9.4.3).
template <class X> FUNCTRA_INLINE X hypot(X x, X y) {
  const X a = abs(x), b = abs(y), m = max(a, b), r = min(a, b) / m;
  const X h = select(m == X(0), m, m * sqrt(X(1) + r * r));
  return select(either(a == inf<X>(), b == inf<X>()), inf<X>(), h);
}

}  // namespace num
FUNCTRA_NUM_END
