// Exponentials, logarithms, powers. Coefficients are from tools/minimax.py.
FUNCTRA_NUM_BEGIN
namespace num {

template <class X> inline constexpr int mantissa_bits = is_float<X> ? 23 : 52;
template <class X> inline constexpr int exponent_bias = is_float<X> ? 127 : 1023;

// exp(x) = 2^k (1 + p), |log(1 + p)| <= log(2)/2; the low bits of `power` are the exponent of 2^k. |x| < 2^10.
template <class X> struct ExpParts {
  X p, k;
  bits_of<X> power;
};
template <class X> FUNCTRA_INLINE X expm1_reduced(X r) {
  X q = r;
  if constexpr (is_float<X>) {
    static constexpr double c[] = {0.5, 0.1666666716337204, 0.04166632518172264, 0.008333220146596432, 0.0013943205121904612, 0.00019962227088399231};
    q = poly(r, c);
  } else {
    static constexpr double c[] = {0.5000000000000002,    0.1666666666666664,     0.04166666666662236,    0.008333333333348836,
                                   0.001388888890932854,  0.0001984126981934781,  2.4801548623750825e-05, 2.7557309376595825e-06,
                                   2.758939534303757e-07, 2.5087010371035584e-08, 1.120940835599425e-09};
    q = poly(r, c);
  }
  return fma(r * r, q, r);
}
// The leading part of log 2 has so few bits that its product with k is exact.
template <class X> FUNCTRA_INLINE X ln2_hi() { return X(is_float<X> ? 0x1.62e4p-1 : 0x1.62e42fefa3p-1); }
template <class X> FUNCTRA_INLINE X ln2_lo() { return X(is_float<X> ? 0x1.7f7d1cp-20 : 0x1.3de6af278ece6p-42); }
template <class X> FUNCTRA_INLINE ExpParts<X> exp_parts(X x, X x_low = X(-0.0)) {
  const auto k = round_scaled(x, 1.4426950408889634, exponent_bias<X>);
  const X r = fma(-k.value, ln2_lo<X>(), fma(-k.value, ln2_hi<X>(), x)) + x_low;
  return {expm1_reduced(r), k.value, k.low};
}
// NaN stays.
template <class X> FUNCTRA_INLINE X clamp_to(X x, double lo, double hi) {
  const X y = select(x > X(hi), X(hi), x);
  return select(y < X(lo), X(lo), y);
}
template <class X> FUNCTRA_INLINE X exp_lo_hi(X x) { return is_float<X> ? clamp_to(x, -104.5, 89) : clamp_to(x, -746, 710); }

template <class X> FUNCTRA_INLINE X exp(X x) {
  const auto e = exp_parts(exp_lo_hi(x));
  const double most = known(x).hi;
  return within(scale(e.p + X(1), e.k), 0, most <= 0 ? 1 : most < 700 ? std::exp(most) * 1.001 : __builtin_huge_val());
}
template <class X> FUNCTRA_INLINE X exp2(X x) {
  x = is_float<X> ? clamp_to(x, -151, 129) : clamp_to(x, -1077, 1025);
  const X k = rint(x), p = expm1_reduced((x - k) * X(0.6931471805599453));
  return within(scale(p + X(1), k), 0, __builtin_huge_val());
}
// exp(x) / 2, for x >= 0: no overflow before the result does.
template <class X> FUNCTRA_INLINE X half_exp(X x) {
  const auto e = exp_parts(clamp_to(x, 0, is_float<X> ? 91 : 712));
  return scale(e.p + X(1), e.k - X(1));
}

// 2^(k-1) p + (2^(k-1) - 1/2), doubled: |k| <= 1024 does not overflow early.
template <class X> FUNCTRA_INLINE X expm1(X x) {
  const X y = is_float<X> ? clamp_to(x, -20, 89) : clamp_to(x, -40, 710);
  const auto e = exp_parts(y);
  const X s = from_bits<X>(shl<mantissa_bits<X>>(e.power - bits_of<X>(1)));
  const X r = fma(s, e.p, s - X(0.5)) * X(2);
  return select(abs(x) < X(is_float<X> ? 0x1p-25 : 0x1p-54), x, r);
}

template <class X> FUNCTRA_INLINE X sigmoid(X x) {
  const X e = exp(-abs(x));
  return within(select(x < X(0), e, X(1)) / (X(1) + e), 0, 1);
}
template <class X> FUNCTRA_INLINE X tanh(X x) {  // e / (e + 2) for e = expm1(2 |x|)
  const X a = abs(x), twice = a + a, most = X(is_float<X> ? 20 : 40);
  const auto p = exp_parts(select(twice > most, most, twice));
  const X s = from_bits<X>(shl<mantissa_bits<X>>(p.power)), e = fma(s, p.p, s - X(1));
  return within(copysign(e / (e + X(2)), x), -1, 1);
}
template <class X> FUNCTRA_INLINE X cosh(X x) {
  const X e = half_exp(abs(x));
  return e + X(0.25) / e;
}
template <class X> FUNCTRA_INLINE X sinh(X x) {
  const X a = abs(x), e = half_exp(a), z = a * a;
  X p = z;
  if constexpr (is_float<X>) {
    static constexpr double c[] = {0.1666666716337204, 0.00833331048488617, 0.0001984289410756901, 2.7822300125990296e-06};
    p = poly(z, c);
  } else {
    static constexpr double c[] = {0.1666666666666667,    0.008333333333332357,  0.00019841269841960446, 2.7557318995709535e-06,
                                   2.505214792941145e-08, 1.605539232521915e-10, 7.813600088782252e-13};
    p = poly(z, c);
  }
  return copysign(select(a < X(1), fma(a * z, p, a), e - X(0.25) / e), x);
}

// x = 2^k m with m in [sqrt(1/2), sqrt(2)), for x > 0, subnormal too.
template <class X> struct LogParts { X k, m; };
template <class X> FUNCTRA_INLINE LogParts<X> log_parts(X x) {
  constexpr int shift = is_float<X> ? 25 : 54;
  const auto small = x < X(is_float<X> ? 0x1p-126 : 0x1p-1022);
  const auto root = bits(X(0.70710678118654752));
  const auto u = bits(select(small, x * X(is_float<X> ? 0x1p25 : 0x1p54), x)) + (bits(X(1)) - root);
  const X big = X(is_float<X> ? 0x1p23 : 0x1p52);
  const X k = from_bits<X>(shr<mantissa_bits<X>>(u) | bits(big)) - select(small, big + X(exponent_bias<X> + shift), big + X(exponent_bias<X>));
  return {k, from_bits<X>((u & bits_of<X>((std::uint64_t{1} << mantissa_bits<X>)-1)) + root)};
}
// 2^k (1 + f) (1 + c) for a tiny c: the logarithm with f itself kept apart from the corrections (fdlibm's e_log.c). In single precision
// without a division.
template <class X> FUNCTRA_INLINE X log_of_parts(X k, X f, X c = X(-0.0)) {
  if constexpr (is_float<X>) {
    static constexpr double l[] = {0.3333333134651184, -0.2500081956386566, 0.20001226663589478, -0.16623356938362122,
                                   0.1420176774263382, -0.131601944565773,  0.12761527299880981, -0.07634402811527252};
    const X z = f * f;
    const X low = fma(X(-0.5), z, fma(f * z, poly(f, l), fma(k, ln2_lo<X>(), c)));
    return fma(k, ln2_hi<X>(), f + low);
  } else {
    static constexpr double l[] = {0.6666666666666734,  0.3999999999941703,  0.2857142874191351, 0.22222198618006103,
                                   0.18183562151188393, 0.15314103024158326, 0.1479545098232367};
    const X s = f / (X(2) + f), z = s * s, half = X(0.5) * f * f;
    const X low = fma(s, fma(z, poly(z, l), half), fma(k, ln2_lo<X>(), c));
    return fma(k, ln2_hi<X>(), f - (half - low));
  }
}
// log's values outside (0, inf), where `at` is the argument of the logarithm.
template <class X> FUNCTRA_INLINE X log_specials(X at, X y) {
  return select(at <= X(0), select(at == X(0), -inf<X>(), nan<X>()), select(at < inf<X>(), y, at));
}
template <class X> FUNCTRA_INLINE X log(X x) {
  const auto l = log_parts(x);
  return log_specials(x, log_of_parts(l.k, l.m - X(1)));
}
template <class X> FUNCTRA_INLINE X log2(X x) {
  const auto l = log_parts(x);
  return log_specials(x, fma(log_of_parts(X(0), l.m - X(1)), X(1.4426950408889634), l.k));
}
template <class X> FUNCTRA_INLINE X log10(X x) { return log(x) * X(0.43429448190325182); }
template <class X> FUNCTRA_INLINE X log1p(X x) {
  const X u = X(1) + x;
  const X lost = select(x >= X(1), X(1) - (u - x), x - (u - X(1)));
  const auto l = log_parts(u);
  const auto near = l.k == X(0);
  const X y = log_of_parts(l.k, select(near, x, l.m - X(1)), select(near, X(0), lost / u));
  return select(x == X(0), x, log_specials(u, y));
}
template <class X> FUNCTRA_INLINE X asinh(X x) {
  const X a = abs(x), z = a * a;
  const auto large = a > X(is_float<X> ? 0x1p12 : 0x1p28);
  const X y = log1p(select(large, a - X(1), a + z / (X(1) + sqrt(X(1) + z))));
  return copysign(select(large, y + X(0.6931471805599453), y), x);
}
template <class X> FUNCTRA_INLINE X acosh(X x) {
  const X t = x - X(1);
  const auto large = x > X(is_float<X> ? 0x1p13 : 0x1p28);
  const X y = log1p(select(large, t, t + sqrt(t * (x + X(1)))));
  return select(x < X(1), nan<X>(), select(large, y + X(0.6931471805599453), y));
}
template <class X> FUNCTRA_INLINE X atanh(X x) {
  const X a = abs(x);
  return copysign(X(0.5) * log1p((a + a) / (X(1) - a)), x);
}

// By a step of Newton's method from exp(log(|x|) / 3).
template <class X> FUNCTRA_INLINE X cbrt(X x) {
  const X a = abs(x), y = exp(log(a) * X(1.0 / 3)), z = y - (y - a / (y * y)) * X(1.0 / 3);
  return copysign(select(either(a == X(0), a == inf<X>()), a, z), x);
}
// log(exp(a) + exp(b)). The rounding error of the difference (Knuth's TwoSum) matters where it is large and the result is not.
template <class X> FUNCTRA_INLINE X logaddexp(X a, X b) {
  const X m = max(a, b), l = min(a, b), d = l - m, t = d - l, lost = (l - (d - t)) - (m + t);
  const auto e = exp_parts(exp_lo_hi(d), select(d > X(-745), lost, X(0)));
  return select(a == b, a + X(0.6931471805599453), m + log1p(scale(e.p + X(1), e.k)));
}
// x log(y) and x log(1 + y), 0 for x = 0 unless y is NaN.
template <class X> FUNCTRA_INLINE X xlogy(X x, X y) { return select(both(x == X(0), y == y), X(0), x * log(y)); }
template <class X> FUNCTRA_INLINE X xlog1py(X x, X y) { return select(both(x == X(0), y == y), X(0), x * log1p(y)); }

// ---------------------------------------------------------------- pow
// A sum of two numbers, the second below half the last place of the first.
template <class X> struct Pair { X hi, lo; };
template <class X> FUNCTRA_INLINE Pair<X> sum_ordered(X a, X b) {  // |a| >= |b|, or a == 0
  const X s = a + b;
  return {s, b - (s - a)};
}
template <class X> FUNCTRA_INLINE Pair<X> product(X a, X b) {
  const X p = a * b;
  return {p, fma_exact(a, b, -p)};
}
// log(a) to about 2^-66, for 0 < a < inf: 2 s + 2/3 s^3 + s^5 P(s^2) with s = (m - 1) / (m + 1).
template <class X> FUNCTRA_INLINE Pair<X> log_pair(X a) {
  static constexpr double c[] = {0.3999999999999998,  0.28571428571443835, 0.22222222217791784, 0.18181818843699288,
                                 0.15384558450053473, 0.13336263639612617, 0.11675798575229698, 0.11981601921818197};
  const auto l = log_parts(a);
  const X f = l.m - X(1);
  const auto d = sum_ordered(X(1), l.m);
  const X inv = X(1) / d.hi, s = f * inv, s_lo = (fma_exact(-s, d.hi, f) - s * d.lo) * inv;
  const auto z = product(s, s);
  const X z_lo = fma(s + s, s_lo, z.lo);
  auto t = sum_ordered(X(0x1.5555555555555p-1), z.hi * poly(z.hi, c));
  t.lo = t.lo + X(0x1.5555555555555p-55);
  const auto q = product(z.hi, t.hi);
  const X q_lo = q.lo + fma(z.hi, t.lo, z_lo * t.hi);
  const auto g = product(s, q.hi);
  const X g_lo = g.lo + fma(s, q_lo, s_lo * q.hi);
  const auto m = sum_ordered(s + s, g.hi);
  const auto r = sum_ordered(l.k * ln2_hi<X>(), m.hi);
  return {r.hi, r.lo + ((m.lo + (s_lo + s_lo + g_lo)) + l.k * ln2_lo<X>())};
}
template <class X> FUNCTRA_INLINE X pow_of_log(Pair<X> l, X y) {  // exp(y l)
  const auto e = product(y, l.hi);
  const X low = fma(y, l.lo, e.lo);
  const auto p = exp_parts(exp_lo_hi(e.hi), select(abs(e.hi) < X(1000), low, X(0)));
  return scale(p.p + X(1), p.k);
}
// C99 Annex F from |x|^y.
template <class X> FUNCTRA_INLINE X pow_specials(X x, X y, X m) {
  const X a = abs(x), half = y * X(0.5);
  const auto whole = rint(y) == y, odd = both(whole, rint(half) != half), falls = y < X(0);
  m = select(a == X(0), select(falls, inf<X>(), X(0)), m);
  m = select(a == inf<X>(), select(falls, X(0), inf<X>()), m);
  m = select(abs(y) == inf<X>(), select(a == X(1), X(1), select(unlike(a > X(1), falls), inf<X>(), X(0))), m);
  m = select(both(both(x < X(0), x != -inf<X>()), !whole), nan<X>(), m);
  m = select(either(is_nan(x), is_nan(y)), x + y, m);
  m = flip_sign(m, sign_bit(select(odd, x, X(0))));
  return select(either(y == X(0), x == X(1)), X(1), m);
}
// |x|^y for |y| <= 2, where neither x nor y is special: 2^n exp(y log m + (y k - n) log 2) for |x| = 2^k m, in which no large numbers cancel.
template <class X> FUNCTRA_INLINE X little_pow(X x, X y) {
  const auto l = log_parts(abs(x));
  const X e = y * log_of_parts(X(0), l.m - X(1)), n = rint(fma(y, l.k, e * X(1.4426950408889634)));
  const X p = expm1_reduced(fma(fma_exact(y, l.k, -n), X(0.6931471805599453), e));
  return scale(p + X(1), clamp_to(n, -1100, 1100));
}
template <class X> FUNCTRA_INLINE X pow(X x, X y) {
  if (known(y).lo >= -2 && known(y).hi <= 2) return pow_specials(x, y, little_pow(x, y));
  if constexpr (is_float<X>) {
    return widen(
        [](auto a, auto b) {
          using W = decltype(a);
          const W t = abs(a);
          const auto l = log_parts(t);
          const W m = exp(b * log_of_parts(l.k, l.m - W(1)));
          return pow_specials(a, b, m);
        },
        x, y);
  } else {
    return pow_specials(x, y, pow_of_log(log_pair(abs(x)), y));
  }
}
// x^m for m > 0 by repeated squaring.
template <class X> FUNCTRA_INLINE X repeated_product(X x, std::uint64_t m) {
  X square = x;
  while (!(m & 1)) {
    square = square * square;
    m >>= 1;
  }
  X r = square;
  while (m >>= 1) {
    square = square * square;
    if (m & 1) r = r * square;
  }
  return r;
}
// n is a parameter of the formula, not a lane.
template <class X> FUNCTRA_INLINE X integer_pow(X x, std::int64_t n) {
  if (n == 0) return X(1);
  if (n > 0) return repeated_product(x, static_cast<std::uint64_t>(n));
  const std::uint64_t m = 0 - static_cast<std::uint64_t>(n);
  if constexpr (is_real<X>) {
    if (m > 1 && m <= 64) {  // where x^m overflows or is subnormal 1 / x^m need not: (2^c x)^m is inverted, c < 0 for |x| > 1
      const int s = 64 - __builtin_clzll(m - 1), c = (is_float<X> ? 64 : 256) >> s, all = c * static_cast<int>(m);
      auto power_of_two = [](int e) { return X(__builtin_bit_cast(double, static_cast<std::uint64_t>(1023 + e) << 52)); };
      const auto large = abs(x) > X(1);
      const X y = x * select(large, power_of_two(-c), power_of_two(c));
      return X(1) / repeated_product(y, m) * select(large, power_of_two(-all), power_of_two(all));
    }
  }
  return X(1) / repeated_product(x, m);
}

}  // namespace num
FUNCTRA_NUM_END
