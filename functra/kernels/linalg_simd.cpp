// Cholesky factors and triangular systems of small matrices, one per vector lane, compiled once per instruction set.
#undef HWY_DISABLED_TARGETS
#define HWY_DISABLED_TARGETS (HWY_SSSE3 | HWY_SSE4 | HWY_AVX3_DL)
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "functra/kernels/linalg_simd.cpp"
#include <hwy/foreach_target.h>

#include <hwy/highway.h>

#include "functra/kernels/lanes-inl.h"
#include "functra/kernels/linalg_simd.h"

HWY_BEFORE_NAMESPACE();
namespace functra::kernels {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;
using namespace lanes;
// sqrt(x) and its reciprocal. On AVX-512 the root of doubles costs ten times as much as an estimate and two steps of Newton's method.
template <class T> HWY_INLINE Vec<T> roots(Vec<T> x, Vec<T>& root) {
  constexpr Tag<T> d;
#if HWY_TARGET == HWY_AVX3
  if constexpr (std::is_same_v<T, double>) {
    const auto half = hn::Set(d, 0.5), h = hn::Mul(half, x);
    Vec<T> r{_mm512_rsqrt14_pd(x.raw)};
    r = hn::MulAdd(hn::NegMulAdd(hn::Mul(h, r), r, half), r, r);
    r = hn::MulAdd(hn::NegMulAdd(hn::Mul(h, r), r, half), r, r);
    const auto s = hn::Mul(x, r);
    root = hn::MulAdd(hn::Mul(half, r), hn::NegMulAdd(s, s, x), s);
    return r;
  }
#endif
  root = hn::Sqrt(x);
  return hn::Div(hn::Set(d, T(1)), root);
}
template <class T> HWY_INLINE Vec<T> positive_or_nan(Vec<T> x) {
  constexpr Tag<T> d;
  return hn::IfThenElse(hn::Gt(x, hn::Zero(d)), x, hn::Set(d, std::numeric_limits<T>::quiet_NaN()));
}

// ---------------------------------------------------------------- Cholesky
// In registers, for constant sizes.
template <class T, int n> HWY_INLINE void cholesky(Size<n>, T* s) {
  constexpr Tag<T> d;
  constexpr int N = width<T>;
  Vec<T> a[n][n];
  const auto half = hn::Set(d, T(0.5));
#pragma GCC unroll 6
  for (int i = 0; i < n; ++i) {
#pragma GCC unroll 6
    for (int j = 0; j < i; ++j) a[i][j] = hn::MulAdd(half, hn::Load(d, s + (i * n + j) * N), hn::Mul(half, hn::Load(d, s + (j * n + i) * N)));
    a[i][i] = hn::Load(d, s + (i * n + i) * N);
  }
#pragma GCC unroll 6
  for (int j = 0; j < n; ++j) {
    Vec<T> root;
    const auto r = roots<T>(positive_or_nan<T>(a[j][j]), root);
    hn::Store(root, d, s + (j * n + j) * N);
#pragma GCC unroll 6
    for (int i = j + 1; i < n; ++i) {
      a[i][j] = hn::Mul(a[i][j], r);
      hn::Store(a[i][j], d, s + (i * n + j) * N);
      hn::Store(hn::Zero(d), d, s + (j * n + i) * N);
    }
#pragma GCC unroll 6
    for (int k = j + 1; k < n; ++k)
#pragma GCC unroll 6
      for (int i = k; i < n; ++i) a[i][k] = hn::NegMulAdd(a[i][j], a[k][j], a[i][k]);
  }
}
// Rows [i, i + R) of column j, but for its scale.
template <int R, class T> HWY_INLINE void cholesky_rows(int n, int i, int j, T* s, Vec<T>* acc) {
  constexpr Tag<T> d;
  constexpr int N = width<T>;
#pragma GCC unroll 8
  for (int q = 0; q < R; ++q) acc[q] = hn::Load(d, s + ((i + q) * n + j) * N);
  for (int k = 0; k < j; ++k) {
    const auto l = hn::Load(d, s + (j * n + k) * N);
#pragma GCC unroll 8
    for (int q = 0; q < R; ++q) acc[q] = hn::NegMulAdd(hn::Load(d, s + ((i + q) * n + k) * N), l, acc[q]);
  }
}
template <class T> HWY_INLINE void cholesky(int n, T* s) {
  constexpr Tag<T> d;
  constexpr int N = width<T>;
  const auto half = hn::Set(d, T(0.5));
  for (int i = 0; i < n; ++i)
    for (int j = 0; j < i; ++j) {
      T *low = s + (i * n + j) * N, *up = s + (j * n + i) * N;
      hn::Store(hn::MulAdd(half, hn::Load(d, low), hn::Mul(half, hn::Load(d, up))), d, low);
      hn::Store(hn::Zero(d), d, up);
    }
  for (int j = 0; j < n; ++j) {
    Vec<T> acc[8], root;
    cholesky_rows<1>(n, j, j, s, acc);
    const auto r = roots<T>(positive_or_nan<T>(acc[0]), root);
    hn::Store(root, d, s + (j * n + j) * N);
    auto rows = [&](auto count, int& i) HWY_ATTR {
      constexpr int R = decltype(count)::value;
      for (; i + R <= n; i += R) {
        cholesky_rows<R>(n, i, j, s, acc);
#pragma GCC unroll 8
        for (int q = 0; q < R; ++q) hn::Store(hn::Mul(acc[q], r), d, s + ((i + q) * n + j) * N);
      }
    };
    int i = j + 1;
    rows(Size<8>(), i);
    rows(Size<4>(), i);
    rows(Size<1>(), i);
  }
}
template <class T> void cholesky_of(int n, const Lanes& a, T* out, int64_t count) {
  with_size<1, 2, 3, 4, 5, 6>(n, [&](auto size) HWY_ATTR {
    Block<T, kMax * kMax> s;
    blocks<T>(a, count, [&](const T* const* p, bool adjacent, int64_t first, int there) HWY_ATTR {
      load<T>(p, adjacent, there, size, size, a.rs, a.cs, s);
      cholesky<T>(size, s);
      store<T>(s, size * size, out, first, there, size * size);
    });
  });
}

template <class T>
void triangular_of(int n, int64_t k, bool upper, bool transposed, bool unit, const Lanes& a, const Lanes& b, T* out, int64_t count) {
  with_size<2, 3, 4>(n, [&](auto size) HWY_ATTR {
    Block<T, kMax * kMax> s;
    View<const T> view{s, 0, 0};
    right_hand_sides<T>(
        n, k, a, b, out, count,
        [&](const T* const* p, bool adjacent, int there) HWY_ATTR {
          Layout l = load<T>(p, adjacent, there, size, size, transposed ? a.cs : a.rs, transposed ? a.rs : a.cs, s);
          view = {s, l.row, l.col};
        },
        [&](int cols, View<T> x) HWY_ATTR { substitute<T>(size, cols, upper == transposed, unit, view, x); });
  });
}

#define FUNCTRA_LANE_KERNELS(T, X)                                                                                                                 \
  void cholesky_##X(int n, const Lanes& a, T* out, std::int64_t count) { cholesky_of<T>(n, a, out, count); }                                       \
  void triangular_##X(int n, std::int64_t k, bool upper, bool transposed, bool unit, const Lanes& a, const Lanes& b, T* out, std::int64_t count) { \
    triangular_of<T>(n, k, upper, transposed, unit, a, b, out, count);                                                                             \
  }
FUNCTRA_LANE_KERNELS(float, f32)
FUNCTRA_LANE_KERNELS(double, f64)
#undef FUNCTRA_LANE_KERNELS

}  // namespace HWY_NAMESPACE
}  // namespace functra::kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace functra::kernels {
#define FUNCTRA_LANE_KERNELS(T, X)                                                                                                   \
  HWY_EXPORT(cholesky_##X);                                                                                                          \
  HWY_EXPORT(triangular_##X);                                                                                                        \
  void cholesky_lanes(int n, const Lanes& a, T* out, std::int64_t count) { HWY_DYNAMIC_DISPATCH(cholesky_##X)(n, a, out, count); }   \
  void triangular_solve_lanes(int n, std::int64_t k, bool upper, bool transposed, bool unit, const Lanes& a, const Lanes& b, T* out, \
                              std::int64_t count) {                                                                                  \
    HWY_DYNAMIC_DISPATCH(triangular_##X)(n, k, upper, transposed, unit, a, b, out, count);                                           \
  }
FUNCTRA_LANE_KERNELS(float, f32)
FUNCTRA_LANE_KERNELS(double, f64)
#undef FUNCTRA_LANE_KERNELS
}  // namespace functra::kernels
#endif
