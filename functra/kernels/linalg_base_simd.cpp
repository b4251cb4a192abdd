// Base cases of dense factorisations, compiled once per instruction set.
#undef HWY_DISABLED_TARGETS
#define HWY_DISABLED_TARGETS (HWY_SSSE3 | HWY_SSE4 | HWY_AVX3_DL)
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "functra/kernels/linalg_base_simd.cpp"
#include <hwy/foreach_target.h>

#include <hwy/highway.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "functra/kernels/lanes-inl.h"
#include "functra/kernels/linalg_base_simd.h"
#include "functra/kernels/scratch.h"

HWY_BEFORE_NAMESPACE();
namespace functra::kernels {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;
using std::int64_t;

// y[i] -= s x[i]
template <class T> HWY_INLINE void subtract(T s, const T* HWY_RESTRICT x, T* HWY_RESTRICT y, int64_t n) {
  const hn::ScalableTag<T> d;
  const int64_t N = static_cast<int64_t>(hn::Lanes(d));
  const auto v = hn::Set(d, s);
  int64_t i = 0;
  for (; i + 2 * N <= n; i += 2 * N) {
    hn::StoreU(hn::NegMulAdd(v, hn::LoadU(d, x + i), hn::LoadU(d, y + i)), d, y + i);
    hn::StoreU(hn::NegMulAdd(v, hn::LoadU(d, x + i + N), hn::LoadU(d, y + i + N)), d, y + i + N);
  }
  for (; i + N <= n; i += N) hn::StoreU(hn::NegMulAdd(v, hn::LoadU(d, x + i), hn::LoadU(d, y + i)), d, y + i);
  for (; i < n; ++i) y[i] -= s * x[i];
}
template <class T> HWY_INLINE void scale(T s, bool divide, T* HWY_RESTRICT x, int64_t n) {  // by 1/s
  const T inverse = T(1) / s;
  if (divide)
    for (int64_t i = 0; i < n; ++i) x[i] /= s;
  else
    for (int64_t i = 0; i < n; ++i) x[i] *= inverse;
}
template <class T> HWY_INLINE bool subnormal(T x) { return !(std::fabs(x) >= std::numeric_limits<T>::min()); }
// The largest |x[i]|; NaN counts only where it comes first.
template <class T> HWY_INLINE T largest(const T* x, int64_t n) {
  const hn::ScalableTag<T> d;
  const int64_t N = static_cast<int64_t>(hn::Lanes(d));
  T best = std::fabs(x[0]);
  int64_t i = 0;
  if (n >= N) {
    auto m = hn::Set(d, best);
    for (; i + N <= n; i += N) {
      const auto v = hn::Abs(hn::LoadU(d, x + i));
      m = hn::IfThenElse(hn::Gt(v, m), v, m);
    }
    best = hn::GetLane(hn::MaxOfLanes(d, m));
  }
  for (; i < n; ++i) best = std::fabs(x[i]) > best ? std::fabs(x[i]) : best;
  return best;
}
template <class T> HWY_INLINE int64_t position(const T* x, int64_t n, T size) {  // the first of that size, or 0
  for (int64_t i = 0; i < n; ++i)
    if (std::fabs(x[i]) == size) return i;
  return 0;
}

// out[j * ldo + i] = a[i * lda + j] for i < rows, j < cols; `upper`: at least where i <= j.
template <class T> void transpose_of(int64_t rows, int64_t cols, const T* a, int64_t lda, T* out, int64_t ldo, bool upper) {
  const hn::ScalableTag<T> d;
  constexpr int64_t N = lanes::width<T>;
  for (int64_t i = 0; i < rows; i += N)
    for (int64_t j = upper ? i : 0; j < cols; j += N) {
      if (i + N <= rows && j + N <= cols) {
        hn::Vec<decltype(d)> v[N];
#pragma GCC unroll 16
        for (int64_t q = 0; q < N; ++q) v[q] = hn::LoadU(d, a + (i + q) * lda + j);
        lanes::transpose<T>(v);
#pragma GCC unroll 16
        for (int64_t q = 0; q < N; ++q) hn::StoreU(v[q], d, out + (j + q) * ldo + i);
      } else {
        for (int64_t r = i; r < std::min(rows, i + N); ++r)
          for (int64_t c = j; c < std::min(cols, j + N); ++c) out[c * ldo + r] = a[r * lda + c];
      }
    }
}
template <class T> void negate_of(int64_t rows, int64_t cols, const T* HWY_RESTRICT a, int64_t lda, T* HWY_RESTRICT out) {
  const hn::ScalableTag<T> d;
  const int64_t N = static_cast<int64_t>(hn::Lanes(d));
  for (int64_t i = 0; i < rows; ++i, a += lda, out += cols) {
    int64_t j = 0;
    for (; j + N <= cols; j += N) hn::StoreU(hn::Neg(hn::LoadU(d, a + j)), d, out + j);
    for (; j < cols; ++j) out[j] = -a[j];
  }
}
template <class T> void average_of(int64_t n, const T* HWY_RESTRICT x, T* HWY_RESTRICT y) {
  const hn::ScalableTag<T> d;
  const int64_t N = static_cast<int64_t>(hn::Lanes(d));
  const auto half = hn::Set(d, T(0.5));
  int64_t i = 0;
  for (; i + N <= n; i += N) hn::StoreU(hn::MulAdd(half, hn::LoadU(d, x + i), hn::Mul(half, hn::LoadU(d, y + i))), d, y + i);
  for (; i < n; ++i) y[i] = T(0.5) * x[i] + T(0.5) * y[i];
}

template <class T> void cholesky_of(int n, T* a, int64_t lda) {
  HWY_ALIGN T u[kBase * kBase];
  for (int i = 0; i < n; ++i)
    for (int c = i; c < n; ++c) u[i * kBase + c] = a[i * lda + c];
  for (int j = 0; j < n; ++j) {
    T p = u[j * kBase + j];
    p = p > 0 ? std::sqrt(p) : std::numeric_limits<T>::quiet_NaN();
    u[j * kBase + j] = p;
    scale(p, subnormal(p), u + j * kBase + j + 1, n - j - 1);
    for (int i = j + 1; i < n; ++i) subtract(u[j * kBase + i], u + j * kBase + i, u + i * kBase + i, n - i);
  }
  for (int i = 0; i < n; ++i)
    for (int c = i; c < n; ++c) a[i * lda + c] = u[i * kBase + c];
}

// R vectors of columns at a time.
template <int R, class T> HWY_INLINE void strip(int n, const T* inverse, const T* l, int64_t rs, int64_t cs, T* x, int64_t ldx) {
  const hn::ScalableTag<T> d;
  const int64_t N = static_cast<int64_t>(hn::Lanes(d));
  for (int i = 0; i < n; ++i) {
    hn::Vec<decltype(d)> acc[R];
#pragma GCC unroll 4
    for (int q = 0; q < R; ++q) acc[q] = hn::LoadU(d, x + i * ldx + q * N);
    for (int j = 0; j < i; ++j) {
      const auto v = hn::Set(d, l[i * rs + j * cs]);
#pragma GCC unroll 4
      for (int q = 0; q < R; ++q) acc[q] = hn::NegMulAdd(v, hn::LoadU(d, x + j * ldx + q * N), acc[q]);
    }
    const auto s = hn::Set(d, inverse ? inverse[i] : T(1));
#pragma GCC unroll 4
    for (int q = 0; q < R; ++q) hn::StoreU(hn::Mul(acc[q], s), d, x + i * ldx + q * N);
  }
}
template <class T> void forward_of(int n, bool unit, const T* l, int64_t rs, int64_t cs, T* x, int64_t ldx, int64_t k) {
  const int64_t N = static_cast<int64_t>(hn::Lanes(hn::ScalableTag<T>()));
  T inverse[kBase];
  bool divide = false;
  for (int i = 0; i < n && !unit; ++i) {
    T p = l[i * rs + i * cs];
    divide |= subnormal(p);
    inverse[i] = T(1) / p;
  }
  int64_t c = 0;
  if (!divide) {
    for (; c + 4 * N <= k; c += 4 * N) strip<4>(n, unit ? nullptr : inverse, l, rs, cs, x + c, ldx);
    for (; c + N <= k; c += N) strip<1>(n, unit ? nullptr : inverse, l, rs, cs, x + c, ldx);
  }
  for (; c < k; ++c)
    for (int i = 0; i < n; ++i) {
      T acc = x[i * ldx + c];
      for (int j = 0; j < i; ++j) acc -= l[i * rs + j * cs] * x[j * ldx + c];
      x[i * ldx + c] = unit ? acc : divide ? acc / l[i * rs + i * cs] : acc * inverse[i];
    }
}

template <class T> void lu_of(int64_t m, int n, T* a, int64_t lda, std::int32_t* pivots) {
  Scratch<T> columns(m * n);
  T* x = columns;
  for (int64_t i = 0; i < m; ++i)
    for (int c = 0; c < n; ++c) x[c * m + i] = a[i * lda + c];
  for (int j = 0; j < n; ++j) {
    T* v = x + j * m;
    int64_t p = j + position(v + j, m - j, largest(v + j, m - j));
    pivots[j] = static_cast<std::int32_t>(p);
    if (p != j)
      for (int c = 0; c < n; ++c) std::swap(x[c * m + j], x[c * m + p]);
    if (v[j] != 0) scale(v[j], subnormal(v[j]), v + j + 1, m - j - 1);
    for (int c = j + 1; c < n; ++c) subtract(x[c * m + j], v + j + 1, x + c * m + j + 1, m - j - 1);
  }
  for (int64_t i = 0; i < m; ++i)
    for (int c = 0; c < n; ++c) a[i * lda + c] = x[c * m + i];
}

template <class T> std::int32_t complete_of(int64_t n, T* a, std::int32_t* rows, std::int32_t* cols) {
  std::int32_t rank = 0;
  int64_t row = 0;
  T best = 0;
  auto consider = [&](int64_t i, int64_t from) HWY_ATTR {
    T v = largest(a + i * n + from, n - from);
    if (i == from || v > best) {
      best = v;
      row = i;
    }
  };
  for (int64_t i = 0; i < n; ++i) consider(i, 0);
  for (int64_t j = 0; j < n; ++j) {
    int64_t col = j + position(a + row * n + j, n - j, best);
    rows[j] = static_cast<std::int32_t>(row);
    cols[j] = static_cast<std::int32_t>(col);
    if (row != j) std::swap_ranges(a + j * n, a + j * n + n, a + row * n);
    if (col != j)
      for (int64_t i = 0; i < n; ++i) std::swap(a[i * n + j], a[i * n + col]);
    T u = a[j * n + j];
    rank += u != 0;
    for (int64_t i = j + 1; i < n; ++i) {
      if (u != 0) subtract(a[i * n + j] / u, a + j * n + j + 1, a + i * n + j + 1, n - j - 1);
      consider(i, j + 1);
    }
  }
  return rank;
}

#define FUNCTRA_BASE_KERNELS(T, X)                                                                                     \
  void cholesky_##X(int n, T* a, int64_t lda) { cholesky_of(n, a, lda); }                                              \
  void forward_##X(int n, bool unit, const T* l, int64_t rs, int64_t cs, T* x, int64_t ldx, int64_t k) {               \
    forward_of(n, unit, l, rs, cs, x, ldx, k);                                                                         \
  }                                                                                                                    \
  void lu_##X(int64_t m, int n, T* a, int64_t lda, std::int32_t* pivots) { lu_of(m, n, a, lda, pivots); }              \
  void transpose_##X(int64_t rows, int64_t cols, const T* a, int64_t lda, T* out, int64_t ldo, bool upper) {           \
    transpose_of(rows, cols, a, lda, out, ldo, upper);                                                                 \
  }                                                                                                                    \
  void negate_##X(int64_t rows, int64_t cols, const T* a, int64_t lda, T* out) { negate_of(rows, cols, a, lda, out); } \
  void average_##X(int64_t n, const T* x, T* y) { average_of(n, x, y); }                                               \
  std::int32_t complete_##X(int64_t n, T* a, std::int32_t* rows, std::int32_t* cols) { return complete_of(n, a, rows, cols); }
FUNCTRA_BASE_KERNELS(float, f32)
FUNCTRA_BASE_KERNELS(double, f64)
#undef FUNCTRA_BASE_KERNELS

}  // namespace HWY_NAMESPACE
}  // namespace functra::kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace functra::kernels {
#define FUNCTRA_BASE_KERNELS(T, X)                                                                                                          \
  HWY_EXPORT(cholesky_##X);                                                                                                                 \
  HWY_EXPORT(forward_##X);                                                                                                                  \
  HWY_EXPORT(lu_##X);                                                                                                                       \
  HWY_EXPORT(complete_##X);                                                                                                                 \
  HWY_EXPORT(transpose_##X);                                                                                                                \
  HWY_EXPORT(negate_##X);                                                                                                                   \
  HWY_EXPORT(average_##X);                                                                                                                  \
  void transpose_base(std::int64_t rows, std::int64_t cols, const T* a, std::int64_t lda, T* out, std::int64_t ldo, bool upper) {           \
    HWY_DYNAMIC_DISPATCH(transpose_##X)(rows, cols, a, lda, out, ldo, upper);                                                               \
  }                                                                                                                                         \
  void negate_base(std::int64_t rows, std::int64_t cols, const T* a, std::int64_t lda, T* out) {                                            \
    HWY_DYNAMIC_DISPATCH(negate_##X)(rows, cols, a, lda, out);                                                                              \
  }                                                                                                                                         \
  void average_base(std::int64_t n, const T* x, T* y) { HWY_DYNAMIC_DISPATCH(average_##X)(n, x, y); }                                       \
  void cholesky_base(int n, T* a, std::int64_t lda) { HWY_DYNAMIC_DISPATCH(cholesky_##X)(n, a, lda); }                                      \
  void forward_base(int n, bool unit, const T* l, std::int64_t rs, std::int64_t cs, T* x, std::int64_t ldx, std::int64_t k) {               \
    HWY_DYNAMIC_DISPATCH(forward_##X)(n, unit, l, rs, cs, x, ldx, k);                                                                       \
  }                                                                                                                                         \
  void lu_base(std::int64_t m, int n, T* a, std::int64_t lda, std::int32_t* pivots) { HWY_DYNAMIC_DISPATCH(lu_##X)(m, n, a, lda, pivots); } \
  std::int32_t complete_pivots_base(std::int64_t n, T* a, std::int32_t* rows, std::int32_t* cols) {                                         \
    return HWY_DYNAMIC_DISPATCH(complete_##X)(n, a, rows, cols);                                                                            \
  }
FUNCTRA_BASE_KERNELS(float, f32)
FUNCTRA_BASE_KERNELS(double, f64)
#undef FUNCTRA_BASE_KERNELS
}  // namespace functra::kernels
#endif
