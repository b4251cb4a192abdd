// Vectors of the machine's width, records of small arrays in lanes, elementary functions. Part of peer_hand.cpp, which alone includes it.
#pragma once
#include <immintrin.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <type_traits>

namespace {

#ifndef VECTOR_BYTES  // may be forced to 64 without AVX-512 to test the wide code
#ifdef __AVX512F__
#define VECTOR_BYTES 64
#else
#define VECTOR_BYTES 32
#endif
#endif
#pragma GCC diagnostic ignored "-Wpsabi"
#define INLINE [[gnu::always_inline]] inline

constexpr int VB = VECTOR_BYTES, ND = VB / 8, NF = VB / 4;
typedef double vd __attribute__((vector_size(VB)));
typedef float vf __attribute__((vector_size(VB)));
typedef int64_t vl __attribute__((vector_size(VB)));
typedef uint64_t vul __attribute__((vector_size(VB)));
typedef int32_t vi __attribute__((vector_size(VB)));
typedef double vdu __attribute__((vector_size(VB), aligned(8), may_alias));
typedef float vfu __attribute__((vector_size(VB), aligned(4), may_alias));

INLINE vd ld(const double* p) { return *(const vdu*)p; }
INLINE vf ld(const float* p) { return *(const vfu*)p; }
INLINE void st(double* p, vd v) { *(vdu*)p = v; }
INLINE void st(float* p, vf v) { *(vfu*)p = v; }
INLINE vd all(double x) { return vd{} + x; }
INLINE vf all(float x) { return vf{} + x; }

#if VECTOR_BYTES == 64 && defined(__AVX512F__)
INLINE vd sqrt(vd x) { return (vd)_mm512_sqrt_pd((__m512d)x); }
INLINE vf sqrt(vf x) { return (vf)_mm512_sqrt_ps((__m512)x); }
INLINE vd max(vd a, vd b) { return (vd)_mm512_max_pd((__m512d)a, (__m512d)b); }
INLINE vd min(vd a, vd b) { return (vd)_mm512_min_pd((__m512d)a, (__m512d)b); }
INLINE vf max(vf a, vf b) { return (vf)_mm512_max_ps((__m512)a, (__m512)b); }
INLINE vf min(vf a, vf b) { return (vf)_mm512_min_ps((__m512)a, (__m512)b); }
INLINE void stream(double* p, vd v) { _mm512_stream_pd(p, (__m512d)v); }
INLINE void stream(float* p, vf v) { _mm512_stream_ps(p, (__m512)v); }
INLINE unsigned mask_bits(vl m) { return _mm512_cmplt_epi64_mask((__m512i)m, _mm512_setzero_si512()); }
#elif VECTOR_BYTES == 32
INLINE vd sqrt(vd x) { return (vd)_mm256_sqrt_pd((__m256d)x); }
INLINE vf sqrt(vf x) { return (vf)_mm256_sqrt_ps((__m256)x); }
INLINE vd max(vd a, vd b) { return (vd)_mm256_max_pd((__m256d)a, (__m256d)b); }
INLINE vd min(vd a, vd b) { return (vd)_mm256_min_pd((__m256d)a, (__m256d)b); }
INLINE vf max(vf a, vf b) { return (vf)_mm256_max_ps((__m256)a, (__m256)b); }
INLINE vf min(vf a, vf b) { return (vf)_mm256_min_ps((__m256)a, (__m256)b); }
INLINE void stream(double* p, vd v) { _mm256_stream_pd(p, (__m256d)v); }
INLINE void stream(float* p, vf v) { _mm256_stream_ps(p, (__m256)v); }
INLINE unsigned mask_bits(vl m) { return _mm256_movemask_pd((__m256d)m); }
#else  // test build: wide vectors without AVX-512
INLINE vd sqrt(vd x) {
  for (int i = 0; i < ND; i++) x[i] = std::sqrt(x[i]);
  return x;
}
INLINE vf sqrt(vf x) {
  for (int i = 0; i < NF; i++) x[i] = std::sqrt(x[i]);
  return x;
}
INLINE vd max(vd a, vd b) { return a > b ? a : b; }
INLINE vd min(vd a, vd b) { return a < b ? a : b; }
INLINE vf max(vf a, vf b) { return a > b ? a : b; }
INLINE vf min(vf a, vf b) { return a < b ? a : b; }
INLINE void stream(double* p, vd v) { st(p, v); }
INLINE void stream(float* p, vf v) { st(p, v); }
INLINE unsigned mask_bits(vl m) {
  unsigned b = 0;
  for (int i = 0; i < ND; i++) b |= unsigned(m[i] < 0) << i;
  return b;
}
#endif

INLINE vd abs(vd x) { return (vd)((vl)x & 0x7fffffffffffffffll); }
INLINE vf abs(vf x) { return (vf)((vi)x & 0x7fffffff); }
INLINE vd copysign(vd mag, vd s) { return (vd)(((vl)mag & 0x7fffffffffffffffll) | ((vl)s & (int64_t)0x8000000000000000ull)); }
template <class V> INLINE auto hsum(V v) {
  auto s = v[0];
  for (size_t i = 1; i < VB / sizeof s; i++) s += v[i];
  return s;
}
template <class V> INLINE auto hmax(V v) {
  auto s = v[0];
  for (size_t i = 1; i < VB / sizeof s; i++) s = std::max(s, v[i]);
  return s;
}

// K doubles of each of ND consecutive records (stride K) <-> K vectors with one record per lane. Records of fewer
// than four doubles are read (never written) one to three doubles past their end: buffers are padded for that.
INLINE void load4(const double* p, size_t stride, __m256d v[4]) {
  __m256d a = _mm256_insertf128_pd(_mm256_castpd128_pd256(_mm_loadu_pd(p)), _mm_loadu_pd(p + 2 * stride), 1);
  __m256d b = _mm256_insertf128_pd(_mm256_castpd128_pd256(_mm_loadu_pd(p + stride)), _mm_loadu_pd(p + 3 * stride), 1);
  __m256d c = _mm256_insertf128_pd(_mm256_castpd128_pd256(_mm_loadu_pd(p + 2)), _mm_loadu_pd(p + 2 * stride + 2), 1);
  __m256d d = _mm256_insertf128_pd(_mm256_castpd128_pd256(_mm_loadu_pd(p + stride + 2)), _mm_loadu_pd(p + 3 * stride + 2), 1);
  v[0] = _mm256_unpacklo_pd(a, b);
  v[1] = _mm256_unpackhi_pd(a, b);
  v[2] = _mm256_unpacklo_pd(c, d);
  v[3] = _mm256_unpackhi_pd(c, d);
}
INLINE void rows4(__m256d v0, __m256d v1, __m256d v2, __m256d v3, __m256d r[4]) {
  __m256d a = _mm256_unpacklo_pd(v0, v1), b = _mm256_unpackhi_pd(v0, v1);
  __m256d c = _mm256_unpacklo_pd(v2, v3), d = _mm256_unpackhi_pd(v2, v3);
  r[0] = _mm256_insertf128_pd(a, _mm256_castpd256_pd128(c), 1);
  r[1] = _mm256_insertf128_pd(b, _mm256_castpd256_pd128(d), 1);
  r[2] = _mm256_permute2f128_pd(a, c, 0x31);
  r[3] = _mm256_permute2f128_pd(b, d, 0x31);
}
#if VECTOR_BYTES == 64 && defined(__AVX512F__)
INLINE __m256d part(vd v, int h) { return h ? _mm512_extractf64x4_pd((__m512d)v, 1) : _mm512_castpd512_pd256((__m512d)v); }
INLINE vd join(const __m256d* a, size_t step) { return (vd)_mm512_insertf64x4(_mm512_castpd256_pd512(a[0]), a[step], 1); }
#else
INLINE __m256d part(vd v, int h) {
  __m256d r;
  std::memcpy(&r, (char*)&v + 32 * h, 32);
  return r;
}
INLINE vd join(const __m256d* a, size_t step) {
  vd r;
  for (int h = 0; h < ND / 4; h++) std::memcpy((char*)&r + 32 * h, a + h * step, 32);
  return r;
}
#endif

template <int K> INLINE void load_block(const double* p, vd v[4]) {  // four consecutive components, v[c][lane]
  __m256d t[ND / 4][4];
  for (int h = 0; h < ND / 4; h++) load4(p + 4 * h * K, K, t[h]);
  for (int c = 0; c < 4; c++) v[c] = join(&t[0][c], 4);
}
template <int K> INLINE void load_records(const double* p, vd v[K]) {
  constexpr int full = K / 4 * 4;
  for (int b = 0; b < full; b += 4) load_block<K>(p + b, v + b);
  if constexpr (K % 4 != 0) {
    vd t[4];
    constexpr int b = K < 4 ? 0 : K - 4;
    load_block<K>(p + b, t);
    for (int c = full; c < K; c++) v[c] = t[c - b];
  }
}
// Writes ascending, so a short record's spill-over is overwritten by the next one; the last record is exact.
template <int K> INLINE void store_records(double* p, const vd v[K]) {
  for (int h = 0; h < ND / 4; h++) {
    double* q = p + 4 * h * K;
    __m256d r[4];
    if constexpr (K >= 4) {
      for (int b = 0; b < K; b += 4) {
        const int c = b + 4 <= K ? b : K - 4;
        rows4(part(v[c], h), part(v[c + 1], h), part(v[c + 2], h), part(v[c + 3], h), r);
        for (int l = 0; l < 4; l++) _mm256_storeu_pd(q + l * K + c, r[l]);
      }
    } else {
      static_assert(K >= 4 || K == 3);
      rows4(part(v[0], h), part(v[1], h), part(v[2], h), part(v[2], h), r);
      for (int l = 0; l < 3; l++) _mm256_storeu_pd(q + l * 3, r[l]);
      _mm_storeu_pd(q + 9, _mm256_castpd256_pd128(r[3]));
      _mm_store_sd(q + 11, _mm256_extractf128_pd(r[3], 1));
    }
  }
}

// ---------------------------------------------------------------- elementary functions
// A few ulp at most; minimax coefficients; the single-precision tanh is the rational Eigen uses.
template <class V, class... C> INLINE V horner(V x, C... c) {  // highest power first
  using S = std::remove_cvref_t<decltype(x[0])>;
  V r{};
  bool first = true;
  ((r = first ? V{} + (S)c : r * x + (S)c, first = false), ...);
  return r;
}

// exp(x) = 2^n (1 + p), p = expm1(r)
INLINE vd exp_parts(vd x, vl& n_bits, vd& n) {
  vd t = x * 1.4426950408889634 + 0x1.8p52;
  n = t - 0x1.8p52;
  n_bits = (vl)t << 52;
  vd r = x - n * 0x1.62e42fefa3800p-1;
  r = r - n * 0x1.ef35793c76730p-45;
  vd q = horner(r, 2.50001378047523615e-8, 2.76303119241913116e-7, 2.75575866736819235e-6, 2.4801492936397014e-5, 0.000198412695055578347,
                0.00138888889437688201, 0.00833333333349530109, 0.0416666666665297206, 0.166666666666664105, 0.500000000000001066);
  return r + r * r * q;
}
INLINE vd exp(vd x) {
  x = min(max(x, all(-708.0)), all(709.0));
  vl e;
  vd n;
  vd p = exp_parts(x, e, n);
  return (vd)((vl)(1.0 + p) + e);
}
INLINE vd tanh(vd x) {  // -expm1(-2|x|) / (2 + expm1(-2|x|))
  vd a = max(abs(x) * -2.0, all(-700.0));
  vl e;
  vd n;
  vd p = exp_parts(a, e, n);
  vd s = (vd)((vl)all(1.0) + e);
  vd m = s * p + (s - 1.0);
  return copysign(-m / (2.0 + m), x);
}
INLINE vd log(vd x) {  // positive normal x: x = 2^k m, m in [sqrt(1/2), sqrt 2), log m = 2 atanh((m-1)/(m+1))
  vl b = (vl)x, k = (vl)((vul)(b - 0x3fe6a09e667f3bcdll + (1024ll << 52)) >> 52);  // k + 1024, without signed shifts
  vd m = (vd)(b - (k << 52) + (1024ll << 52)), kd = (vd)(k | 0x4330000000000000ll) - (0x1p52 + 1024);
  vd f = m - 1.0, s = f / (2.0 + f), z = s * s;
  vd r = horner(z, 0.14797511663533197, 0.153139028207115319, 0.181835697577707665, 0.22222198475615003, 0.28571428743266495, 0.399999999994110753,
                0.66666666666667349);
  vd h = 0.5 * f * f;  // f - (h - s (h + z r)) is log1p(f) with one rounding that matters
  return kd * 0x1.62e42fefa3800p-1 - ((h - (s * (h + z * r) + kd * 0x1.ef35793c76730p-45)) - f);
}
INLINE void sincos(vd x, vd& sn, vd& cs) {  // |x| up to about 1e5
  vd t = x * 0.63661977236758134 + 0x1.8p52, n = t - 0x1.8p52;
  vl q = (vl)t;
  vd r = x - n * 0x1.921fb54400000p+0;
  r = r - n * 0x1.0b4611a600000p-34;
  r = r - n * 0x1.3198a2e037073p-69;
  vd z = r * r;
  vd s = r + r * z *
                 horner(z, 1.58966660718762214e-10, -2.50507559529841966e-8, 2.75573136786049968e-6, -0.000198412698297709685, 0.0083333333333223697,
                        -0.166666666666666319);
  vd c = 1.0 - (0.5 * z - z * z *
                              horner(z, -1.13595593915797762e-11, 2.08757216248809361e-9, -2.75573143406677276e-7, 2.48015872894435082e-5,
                                     -0.00138888888888740649, 0.0416666666666665992));
  vl swap = (q & 1) != 0;
  sn = swap ? c : s;
  cs = swap ? s : c;
  sn = (vd)((vl)sn ^ ((q & 2) << 62));
  cs = (vd)((vl)cs ^ (((q + 1) & 2) << 62));
}
// exp(x^2/2) N(-x) for x >= 0 (Mills ratio / sqrt(2 pi)) as p/q, relative error 5e-17 up to x = 39
INLINE void mills(vd x, vd& p, vd& q) {
  p = horner(x, 1.38574434052124532e-6, 3.72551838049167912e-5, 0.00049042896843353247, 0.00408939465448248196, 0.0236228067637533577,
             0.0977005860552473305, 0.289335343735556504, 0.594049985140694583, 0.77487643260994205, 0.499999999999999974);
  q = horner(x, 3.47354594537075116e-6, 9.33848970998449373e-5, 0.0012327966651182301, 0.0103439771529667156, 0.0604359718126365153,
             0.254962862211258455, 0.782046082094769831, 1.71439024105624999, 2.56124362686823364, 2.34763742602273938, 1.0);
}

INLINE vf exp(vf x) {
  x = min(max(x, all(-87.3f)), all(88.3f));
  vf t = x * 1.44269504f + 0x1.8p23f, n = t - 0x1.8p23f;
  vf r = x - n * 0x1.62e400p-1f;
  r = r - n * 0x1.7f7d1cp-20f;
  vf q = horner(r, 0.001381454884, 0.008368745271, 0.04166839061, 0.166665204, 0.4999999343);
  return (vf)((vi)(1.0f + (r + r * r * q)) + ((vi)t << 23));
}
INLINE vf tanh(vf x) {  // odd rational approximation, one division
  x = min(max(x, all(-7.90531110763549805f)), all(7.90531110763549805f));
  vf z = x * x;
  vf p = horner(z, -2.76076847742355e-16, 2.00018790482477e-13, -8.60467152213735e-11, 5.12229709037114e-08, 1.48572235717979e-05,
                6.37261928875436e-04, 4.89352455891786e-03);
  vf q = horner(z, 1.19825839466702e-06, 1.18534705686654e-04, 2.26843463243900e-03, 4.89352518554385e-03);
  return x * p / q;
}
INLINE vf sigmoid(vf x) { return 1.0f / (1.0f + exp(-x)); }
INLINE vd sigmoid(vd x) { return 1.0 / (1.0 + exp(-x)); }

}  // namespace
