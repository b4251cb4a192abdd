// The error function, its complement and inverse. Coefficients are from tools/minimax.py.
FUNCTRA_NUM_BEGIN
namespace num {

// erf(x) for |x| <= 1.
template <class X> FUNCTRA_INLINE X erf_near(X x) {
  const X z = x * x;
  if constexpr (is_float<X>) {
    static constexpr double c[] = {0.12837916612625122,  -0.3761262595653534,    0.1128358542919159,   -0.026853812858462334,
                                   0.005188329145312309, -0.0008010201854631305, 7.853880379116163e-05};
    return fma(x, poly(z, c), x);
  } else {
    static constexpr double c[] = {0.12837916709551256,    -0.3761263890318352,     0.11283791670944185,    -0.026866170643111482,
                                   0.005223977606118337,   -0.000854832592930634,   0.00012055293576727823, -1.492471230077111e-05,
                                   1.6447131582134938e-06, -1.6206314018622895e-07, 1.3710982147635593e-08, -7.779472645983996e-10};
    return fma(x, poly(z, c), x);
  }
}
// erfc(x) for x >= 1/2: (1 + 2 x) exp(x^2) erfc(x) is a smooth function of t = (x - 4) / (x + 4) (Schonfelder 1978).
template <class X> FUNCTRA_INLINE X erfc_far(X x) {
  const X a = select(x > X(is_float<X> ? 10.5 : 27.3), X(is_float<X> ? 10.5 : 27.3), x);
  const X t = (a - X(4)) / (a + X(4));
  X p = t, c0 = t;
  if constexpr (is_float<X>) {
    c0 = X(1.2329951524734497);
    static constexpr double c[] = {-0.1396210640668869,  0.015379814431071281, 0.06809454411268234,   -0.10104437172412872, 0.09376775473356247,
                                   -0.06626220792531967, 0.036992963403463364, -0.016572769731283188, 0.005274390336126089};
    p = poly(t, c);
  } else {
    c0 = X(1.2329951186255526);
    static constexpr double c[] = {-0.1396211168405625,     0.015379652102619018,    0.06809705425469048,     -0.10103906603625304,
                                   0.09373283499844388,     -0.06633036581362795,    0.03716751553559193,     -0.01619773403798558,
                                   0.005031969999293163,    -0.0007577734506962797,  -0.00019925684306699675, 0.00015062250353166878,
                                   -2.4398539755199292e-05, -1.1224752966632229e-05, 5.707683805979776e-06,   2.99587440757404e-07,
                                   -8.212921660754001e-07,  6.700232938979803e-08,   1.0474486577751869e-07,  -1.2217388165302547e-08,
                                   -1.018160421913294e-08};
    p = poly(t, c);
  }
  const auto sq = product(a, a), n = sum_ordered(c0, t * p), d = sum_ordered(a + a, X(1));
  const auto e = exp_parts(-sq.hi, -sq.lo);
  const X inv = X(1) / d.hi, q = n.hi * inv, low = (fma_exact(-q, d.hi, n.hi) + (n.lo - q * d.lo)) * inv;  // P / (1 + 2 x) = q + low
  return scale(q + fma(q, e.p, fma(low, e.p, low)), e.k);
}
// Beyond one as 1 - exp(-x^2) R(|x|), whose error counts the less the larger x is; the exponential is that of the derivative.
template <class X> FUNCTRA_INLINE X erf(X x) {
  const X a = abs(x), e = exp(-(x * x)), t = select(a > X(is_float<X> ? 4 : 5.95), X(is_float<X> ? 4 : 5.95), a) - X(2);
  X r = t;
  if constexpr (is_float<X>) {
    static constexpr double c[] = {0.25539612770080566,  -0.10679950565099716,   0.04177123308181763,   -0.015492151491343975,
                                   0.005571966990828514, -0.0016029173275455832, 0.0005607462371699512, -0.00038888680865056813};
    r = poly(t, c);
  } else {
    static constexpr double c[] = {0.2553956763105053,     -0.10679646185349498,    0.04180275260357524,   -0.015460637763919073,
                                   0.005440738536933728,   -0.001831664281311457,   0.0005924699952955369, -0.00018477833517562838,
                                   5.572832897958946e-05,  -1.6293810570460055e-05, 4.628128824890169e-06, -1.2793699159438052e-06,
                                   3.449172006398729e-07,  -9.089896337096971e-08,  2.330872986019329e-08, -5.770747504971196e-09,
                                   1.4412558429341084e-09, -3.8720435781556624e-10, 9.608612180699483e-11, -1.5934046726715488e-11,
                                   1.1834366757781943e-12};
    r = poly(t, c);
  }
  return within(select(a < X(1), erf_near(x), copysign(fma(-e, r, X(1)), x)), -1, 1);
}
template <class X> FUNCTRA_INLINE X erfc(X x) {
  const X a = abs(x), far = erfc_far(a);
  return select(a < X(0.5), X(1) - erf_near(x), select(x < X(0), X(2) - far, far));
}

// erfinv(x) / x from w = -log(1 - x^2), to about 2^-30 for w < 17 (float), 2^-23 beyond.
template <class X> FUNCTRA_INLINE X erf_inv_ratio(X w, bool narrow) {
  static constexpr double near[] = {1.62354200678706,       0.241630400418838,       -0.005738138552471344,  -0.0008361711322153711,
                                    0.00019506656311631902, -1.2725203956293134e-05, -1.750940312708602e-06, 4.531709215415413e-07,
                                    -2.294161553007601e-08, -6.0538020160898455e-09, 1.0198668654558167e-09, 2.5176850756349684e-11,
                                    -1.2697910336022524e-11};
  static constexpr double far[] = {3.8397837502613075,     1.0094950852719806,     0.0012610741289129145,  -0.0008807872115084549,
                                   0.0003183351124619151,  -9.609416502949486e-05, 5.4269346423667935e-05, -4.863376793939415e-05,
                                   2.3770893582120812e-05, -4.742364109398006e-06, 2.1284957932005435e-07};
  static constexpr double far_narrow[] = {3.083885633378776,     1.0052583788134175,     0.005369536422175769,  -0.0037404637345362333,
                                          0.0025017877852958996, -0.0017436851660600707, 0.0009381227432415583, -0.0002458324426121046};
  const X s = sqrt(w);
  return select(w < X(6.25), poly(w - X(3), near), narrow ? poly(s - X(3.25), far_narrow) : poly(s - X(4), far));
}
template <class X> FUNCTRA_INLINE X erf_inv(X x) {
  if constexpr (is_float<X>) {
    return widen(
        [](auto a) {
          using W = decltype(a);
          const W y = a * erf_inv_ratio(-log((W(1) - a) * (W(1) + a)), true);
          return select(abs(a) == W(1), copysign(inf<W>(), a), y);
        },
        x);
  } else {
    // One step of Halley's method. The residual is taken on erfc where x is near one, since 1 - |x| is exact there.
    const X a = abs(x), rest = X(1) - a;
    const X w = -log(rest * (X(1) + a));
    const X y = a * erf_inv_ratio(w, false);  // at least 0.8 for |x| >= 3/4
    const X r = select(a < X(0.75), erf_near(select(y < X(1), y, X(1))) - a, rest - erfc_far(y));
    const X e = r * X(0.88622692545275801) * exp(y * y);
    const X z = y - e / fma(y, e, X(1));
    return copysign(select(a == X(1), inf<X>(), z), x);
  }
}

}  // namespace num
FUNCTRA_NUM_END
