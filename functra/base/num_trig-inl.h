// Trigonometric formulas. Coefficients are from tools/minimax.py.
FUNCTRA_NUM_BEGIN
namespace num {

// x - k * pi/2 `scale` for an integer k; the parts of pi/2 are positive, so that -0 stays for k = 0. The first step is exact (all are multiples
// of the last place of the leading part, and the difference is below 2), the later ones round relatively, so the result has a relative
// error of about one rounding.
template <class X> FUNCTRA_INLINE X reduce_half_pi(X x, X k, double scale = 1) {
  const X p1 = X(scale * (is_float<X> ? 0x1.921fb4p+0 : 0x1.921fb54442d18p+0)), p2 = X(scale * (is_float<X> ? 0x1.4442dp-24 : 0x1.1a62633145c06p-54)),
          p3 = X(scale * (is_float<X> ? 0x1.84698ap-48 : 0x1.c1cd129024e09p-107));
  return fma_exact(-k, p3, fma_exact(-k, p2, fma_exact(-k, p1, x)));
}
template <class X> FUNCTRA_INLINE X reduction_limit() { return X(is_float<X> ? 0x1p16 : 0x1p40); }

// sin(r) for |r| <= pi/2; of -0, 0.
template <class X> FUNCTRA_INLINE X sin_half_period(X r) {
  const X z = r * r;
  X p = X(0);
  if constexpr (is_float<X>) {
    static constexpr double c[] = {-0.16666659712791443, 0.008333069272339344, -0.00019809776858892292, 2.6060954496642807e-06};
    p = poly(z, c);
  } else {
    static constexpr double c[] = {-0.1666666666666665,    0.008333333333331541,   -0.00019841269840645113, 2.7557319119438107e-06,
                                   -2.505209886983029e-08, 1.6058554725331714e-10, -7.633372262257339e-13,  2.623662672223292e-15};
    p = poly(z, c);
  }
  return fma(r * z, p, r);
}
// Is |x| known to be at most this?
template <class X> FUNCTRA_INLINE bool never_above(X x, double limit) { return known(x).hi <= limit && known(x).lo >= -limit; }

// sin(k pi + r) = (-1)^k sin(r). Larger arguments go to functions of the C library.
template <class X> FUNCTRA_INLINE X sin(X x) {
  if (never_above(x, 1.5)) return within(select(x == X(0), x, sin_half_period(x)), -1.001, 1.001);
  constexpr int top = is_float<X> ? 31 : 63;
  const auto k = round_scaled(x, 0.31830988618379067);
  const X y = flip_sign(sin_half_period(reduce_half_pi(x, k.value, 2)), shl<top>(k.low));
  return within(rare(abs(x) > reduction_limit<X>(), select(x == X(0), x, y), large_sin, x), -1.001, 1.001);
}

// cos(x) = sin of the distance to the nearest odd multiple of pi/2.
template <class X> FUNCTRA_INLINE X cos(X x) {
  if (never_above(x, 3)) return within(-sin_half_period(reduce_half_pi(abs(x), X(1))), -1.001, 1.001);
  constexpr int top = is_float<X> ? 31 : 63;
  const X shifter = X(is_float<X> ? 0x1.8p23 : 0x1.8p52);
  const X t = fma(x, X(0.31830988618379067), X(-0.5)) + shifter;
  const X k = t - shifter;
  const X y = -flip_sign(sin_half_period(reduce_half_pi(x, k + X(0.5), 2)), shl<top>(bits(t)));
  return within(rare(abs(x) > reduction_limit<X>(), y, large_cos, x), -1.001, 1.001);
}

template <class X> FUNCTRA_INLINE X tan(X x) {
  const auto k = round_scaled(x, 0.63661977236758134);
  const X r = reduce_half_pi(x, k.value), z = r * r, half = X(0.5) * z, w = X(1) - half;
  X s = z, c = z;
  if constexpr (is_float<X>) {
    static constexpr double sc[] = {-0.16666655242443085, 0.008332189172506332, -0.00019518281624186784};
    static constexpr double cc[] = {0.04166664555668831, -0.0013887309469282627, 2.4432330974377692e-05};
    s = poly(z, sc);
    c = poly(z, cc);
  } else {
    static constexpr double sc[] = {-0.1666666666666663,    0.008333333333321837,   -0.00019841269829354278,
                                    2.7557313537853616e-06, -2.505073398385315e-08, 1.5895361925591663e-10};
    static constexpr double cc[] = {0.041666666666666595,   -0.0013888888888873338, 2.4801587288997346e-05,
                                    -2.755731421517798e-07, 2.0875705035144545e-09, -1.1358721804133737e-11};
    s = poly(z, sc);
    c = poly(z, cc);
  }
  const X sine = fma(r * z, s, r), cosine = w + fma(z * z, c, (X(1) - w) - half);
  const auto odd = (k.low & bits_of<X>(1)) == bits_of<X>(1);
  const X y = select(odd, -cosine, sine) / select(odd, sine, cosine);
  return rare(abs(x) > reduction_limit<X>(), select(x == X(0), x, y), large_tan, x);
}

// atan(n / d) for 0 <= n <= d: above tan(pi/8) as pi/4 + atan((n - d) / (n + d)).
template <class X> FUNCTRA_INLINE X atan_ratio(X n, X d) {
  const auto big = n > d * X(0.41421356237309503);
  const X t = select(big, n - d, n) / select(big, n + d, d), z = t * t;
  X p = z;
  if constexpr (is_float<X>) {
    static constexpr double c[] = {-0.33333316445350647, 0.19998528063297272, -0.14244389533996582, 0.10599147528409958, -0.06089982017874718};
    p = poly(z, c);
  } else {
    static constexpr double c[] = {-0.333333333333332,   0.19999999999953674,  -0.14285714280200024, 0.11111110784543918,
                                   -0.09090897838314334, 0.07692062721333193,  -0.06663145123689135, 0.05848274816867974,
                                   -0.05041393149478191, 0.038125409707302986, -0.017981129857654776};
    p = poly(z, c);
  }
  const X y = fma(t * z, p, t);
  return select(big, X(0x1.921fb54442d18p-1) + (y + X(is_float<X> ? -0x1.777a5cp-26 : 0x1.1a62633145c07p-55)), y);
}
template <class X> FUNCTRA_INLINE X half_pi_minus(X y) {
  return X(0x1.921fb54442d18p+0) - (y - X(is_float<X> ? -0x1.777a5cp-25 : 0x1.1a62633145c07p-54));
}
template <class X> FUNCTRA_INLINE X pi_minus(X y) { return X(0x1.921fb54442d18p+1) - (y - X(is_float<X> ? -0x1.777a5cp-24 : 0x1.1a62633145c07p-53)); }

template <class X> FUNCTRA_INLINE X atan(X x) {
  const X a = abs(x);
  const auto swap = a > X(1);
  const X y = atan_ratio(select(swap, X(1), a), select(swap, a, X(1)));
  return copysign(select(swap, half_pi_minus(y), y), x);
}
template <class X> FUNCTRA_INLINE X atan2(X y, X x) {
  const X a = abs(y), b = abs(x);
  const auto swap = a > b;
  X n = select(swap, b, a), d = select(swap, a, b);
  const auto equal = both(n == d, either(d == X(0), d == inf<X>()));  // 0 / 0 and inf / inf
  n = select(equal, select(d == X(0), X(0), X(1)), n);
  d = select(equal, X(1), d);
  const X scale = select(d > X(is_float<X> ? 0x1p125 : 0x1p1020), X(0.25), X(1));  // n + d shall not overflow
  X r = atan_ratio(n * scale, d * scale);
  r = select(swap, half_pi_minus(r), r);
  r = select(sign_bit(x) == bits(X(-0.0)), pi_minus(r), r);
  return copysign(r, y);
}

// asin(s) with z = s^2 <= 1/4.
template <class X> FUNCTRA_INLINE X asin_near(X s, X z) {
  X p = z;
  if constexpr (is_float<X>) {
    static constexpr double c[] = {0.16666659712791443, 0.07500521838665009,  0.04451334848999977,
                                   0.03184070065617561, 0.014300965704023838, 0.0377286933362484};
    p = poly(z, c);
  } else {
    static constexpr double c[] = {0.1666666666666676,   0.07499999999970869,  0.04464285717456037,  0.030381942709747173, 0.02237221495025336,
                                   0.017351612126101455, 0.013980831071821787, 0.011398666283700898, 0.01078299293649037,  0.0036887544576089818,
                                   0.021774259300094592, -0.02113687126028657, 0.0327481398772214};
    p = poly(z, c);
  }
  return fma(s * z, p, s);
}
template <class X> FUNCTRA_INLINE X asin(X x) {
  const X a = abs(x);
  const auto big = a > X(0.5);
  const X z = select(big, X(0.5) - X(0.5) * a, a * a);
  const X y = asin_near(select(big, sqrt(z), a), z);
  return copysign(select(big, half_pi_minus(y + y), y), x);
}
template <class X> FUNCTRA_INLINE X acos(X x) {
  const X a = abs(x);
  const auto big = a > X(0.5);
  const X z = select(big, X(0.5) - X(0.5) * a, a * a);
  const X y = asin_near(select(big, sqrt(z), x), z);
  return select(big, select(x < X(0), pi_minus(y + y), y + y), half_pi_minus(y));
}

// The n-th derivative of sin(x) / x. Where |x| <= 1 + 0.4 n by its series, the sum over m of (-1)^m x^(2m-n) / ((2m-n)! (2m+1));
// elsewhere upwards by x f_i = sin^(i)(x) - i f_(i-1). Rounding errors of the first grow like cosh(x), those of the second like n! / x^n.
template <class X> FUNCTRA_INLINE X sinc(X x, std::int64_t n) {
  const X s = sin(x), c = cos(x);
  X f = select(x == X(0), X(1), s / x);
  if (n == 0) return f;
  const X wave[] = {s, c, -s, -c};
  for (std::int64_t i = 1; i <= n; ++i) f = (wave[i % 4] - X(i) * f) / x;
  const X z = -(x * x);
  X term = n % 2 ? x : X(1), sum = X(0);
  if ((n + 1) / 2 % 2) term = -term;
  for (std::int64_t j = n % 2; j < 32 + 2 * n; j += 2) {
    sum = sum + term * X(1.0 / static_cast<double>(j + n + 1));
    term = term * z * X(1.0 / static_cast<double>((j + 1) * (j + 2)));
  }
  return select(abs(x) <= X(1 + 0.4 * static_cast<double>(n)), sum, f);
}

}  // namespace num
FUNCTRA_NUM_END
