// Trigonometric formulas. Coefficients are from tools/minimax.py.
FUNCTRA_NUM_BEGIN
namespace num {

// x - k * pi/2 for an integer k. The first step is exact (all are multiples of the last place of the leading part, and the
// difference is below 2), the later ones round relatively, so the result has a relative error of about one rounding.
template <class X> FUNCTRA_INLINE X reduce_half_pi(X x, X k) {
  const X p1 = X(is_float<X> ? 0x1.921fb6p+0 : 0x1.921fb54442d18p+0), p2 = X(is_float<X> ? -0x1.777a5cp-25 : 0x1.1a62633145c07p-54),
          p3 = X(is_float<X> ? -0x1.ee59dap-50 : -0x1.f1976b7ed8fbcp-110);
  return fma_exact(-k, p3, fma_exact(-k, p2, fma_exact(-k, p1, x)));
}
template <class X> FUNCTRA_INLINE X reduction_limit() { return X(is_float<X> ? 0x1p16 : 0x1p40); }

// sin(r) for |r| <= pi/2.
template <class X> FUNCTRA_INLINE X sin_half_period(X r) {
  const X z = r * r;
  X p = X(0);
  if constexpr (is_float<X>) {
    static constexpr double c[] = {-0.16666659712791443, 0.008333069272339344, -0.00019809776858892292, 2.6060954496642807e-06};
    p = poly(z, c);
  } else {
    static constexpr double c[] = {-0.1666666666666665, 0.008333333333331541, -0.00019841269840645113, 2.7557319119438107e-06,
                                   -2.505209886983029e-08, 1.6058554725331714e-10, -7.633372262257339e-13, 2.623662672223292e-15};
    p = poly(z, c);
  }
  return fma(r * z, p, r);
}

// sin(k pi + r) = (-1)^k sin(r). Larger arguments go to libm.
template <class X> FUNCTRA_INLINE X sin(X x) {
  constexpr int top = is_float<X> ? 31 : 63;
  const auto k = round_scaled(x, 0.31830988618379067);
  const X r = reduce_half_pi(x, k.value + k.value);
  const X y = flip_sign(sin_half_period(r), shl<top>(k.low));
  return rare(!(abs(x) <= reduction_limit<X>()), select(x == X(0), x, y), libm_sin, x);
}

}  // namespace num
FUNCTRA_NUM_END
