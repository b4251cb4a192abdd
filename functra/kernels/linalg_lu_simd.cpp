// Elimination with pivoting of small matrices, one per vector lane, compiled once per instruction set.
#undef HWY_DISABLED_TARGETS
#define HWY_DISABLED_TARGETS (HWY_SSSE3 | HWY_SSE4 | HWY_AVX3_DL)
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "functra/kernels/linalg_lu_simd.cpp"
#include <hwy/foreach_target.h>

#include <hwy/highway.h>

#include <cmath>

#include "functra/base/num.h"
#include "functra/kernels/lanes-inl.h"
#include "functra/kernels/linalg_simd.h"
#include "functra/kernels/simd-inl.h"
#include "functra/base/num_exp-inl.h"

HWY_BEFORE_NAMESPACE();
namespace functra::kernels {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;
using namespace lanes;
namespace num = functra::HWY_NAMESPACE::num;

// Exchanges rows `at` and p (per lane) of x, over `cols` columns; `to`: how many rows there are.
template <class T> HWY_INLINE void exchange(int at, Vec<T> p, int to, int cols, View<T> x) {
  constexpr Tag<T> d;
  for (int i = at + 1; i < to; ++i) {
    const auto here = hn::Eq(p, hn::Set(d, static_cast<T>(i)));
    if (hn::AllFalse(d, here)) continue;
    for (int c = 0; c < cols; ++c) {
      T *u = x.at(at, c), *v = x.at(i, c);
      const auto a = hn::Load(d, u), b = hn::Load(d, v);
      hn::Store(hn::IfThenElse(here, b, a), d, u);
      hn::Store(hn::IfThenElse(here, a, b), d, v);
    }
  }
}
// Both factors in place. rows[j * N]: the row exchanged with row j, as a number of type T; complete pivoting exchanges columns too.
// A column without pivot is left as it is, as LAPACK does.
template <bool complete, class T, class M, class I> HWY_INLINE void eliminate(M height, I size, View<T> a, T* rows, T* cols) {
  constexpr Tag<T> d;
  const int m = height, n = size, steps = m < n ? m : n;
  constexpr int N = width<T>;
  const auto zero = hn::Zero(d);
  for (int j = 0; j < steps; ++j) {
    auto best = hn::Abs(hn::Load(d, a.at(j, j))), row = hn::Set(d, static_cast<T>(j)), col = row;
    for (int i = j; i < m; ++i)
      for (int c = j; c < (complete ? n : j + 1); ++c) {
        const auto v = hn::Abs(hn::Load(d, a.at(i, c)));
        const auto more = hn::Gt(v, best);
        best = hn::IfThenElse(more, v, best);
        row = hn::IfThenElse(more, hn::Set(d, static_cast<T>(i)), row);
        if (complete) col = hn::IfThenElse(more, hn::Set(d, static_cast<T>(c)), col);
      }
    hn::Store(row, d, rows + j * N);
    exchange<T>(j, row, m, n, a);
    if (complete) {
      hn::Store(col, d, cols + j * N);
      exchange<T>(j, col, n, m, a.swapped());
    }
    const auto u = hn::Load(d, a.at(j, j));
    const auto none = hn::Eq(u, zero);
    const bool divide = !hn::AllTrue(d, hn::Or(none, hn::Ge(hn::Abs(u), hn::Set(d, std::numeric_limits<T>::min()))));
    const auto by = hn::IfThenElse(none, hn::Set(d, T(1)), u), inverse = hn::Div(hn::Set(d, T(1)), by);
#pragma GCC unroll 6
    for (int i = j + 1; i < m; ++i) {
      const auto v = hn::Load(d, a.at(i, j)), l = HWY_UNLIKELY(divide) ? hn::Div(v, by) : hn::Mul(v, inverse);
      hn::Store(l, d, a.at(i, j));
#pragma GCC unroll 6
      for (int c = j + 1; c < n; ++c) hn::Store(hn::NegMulAdd(l, hn::Load(d, a.at(j, c)), hn::Load(d, a.at(i, c))), d, a.at(i, c));
    }
  }
}
template <class T> HWY_INLINE void store_integers(const T* s, int n, std::int32_t* out, int64_t first, int there) {
  for (int l = 0; l < there; ++l)
    for (int i = 0; i < n; ++i) out[(first + l) * n + i] = static_cast<std::int32_t>(s[i * width<T> + l]);
}
template <class T> void lu_of(int m, int n, const Lanes& a, T* out, std::int32_t* pivots, int64_t count) {
  auto run = [&](auto rows, auto cols) HWY_ATTR {
    Block<T, kMax * kMax> s, r;
    Block<T, kMax> p;
    blocks<T>(a, count, [&](const T* const* at, bool adjacent, int64_t first, int there) HWY_ATTR {
      Layout l = load<T>(at, adjacent, there, rows, cols, a.rs, a.cs, s);
      T* x = s;
      if (l.col != 1 && cols > 1) reorder<T>(s, l, rows, cols, x = r);
      eliminate<false, T>(rows, cols, View<T>{x, cols, 1}, p, nullptr);
      store<T>(x, rows * cols, out, first, there, rows * cols);
      store_integers<T>(p, std::min<int>(rows, cols), pivots, first, there);
    });
  };
  if (m == n) with_size<2, 3>(n, [&](auto size) HWY_ATTR { run(size, size); });
  else run(m, n);
}
template <class T> void solve_of(int n, int64_t k, bool transposed, const Lanes& a, const Lanes& b, T* out, int64_t count) {
  with_size<2, 3>(n, [&](auto size) HWY_ATTR {
    Block<T, kMax * kMax> s;
    Block<T, kMax> p;
    View<T> lu{s, 0, 0};
    right_hand_sides<T>(
        n, k, a, b, out, count,
        [&](const T* const* at, bool adjacent, int there) HWY_ATTR {
          Layout l = load<T>(at, adjacent, there, size, size, transposed ? a.cs : a.rs, transposed ? a.rs : a.cs, s);
          lu = {s, l.row, l.col};
          eliminate<false, T>(size, size, lu, p, nullptr);
        },
        [&](int cols, View<T> x) HWY_ATTR {
          View<const T> f{lu.p, lu.row, lu.col};
          for (int j = 0; j < size; ++j) exchange<T>(j, hn::Load(Tag<T>(), p + j * width<T>), size, cols, x);
          substitute<T>(size, cols, true, true, f, x);
          substitute<T>(size, cols, false, false, f, x);
        });
  });
}

// ---------------------------------------------------------------- determinants
// The product of the pivots scaled so that it neither overflows nor vanishes on the way.
template <class T> T scaled_product(const T* x, int n, int64_t step, bool negative) {
  double m = negative ? -1 : 1;
  int e = 0;
  for (int i = 0; i < n; ++i) {
    int k;
    m = std::frexp(m * static_cast<double>(x[i * step]), &k);
    e += k;
  }
  return static_cast<T>(std::ldexp(m, e));
}
template <class T> HWY_INLINE Vec<T> load_at(const T* s, int e) { return hn::Load(Tag<T>(), s + e * width<T>); }
// By cofactors: exact for small integers, singular ones too.
template <class T> HWY_INLINE Vec<T> small_det(int n, const T* s) {
  auto minor = [&](int i, int j, int k, int l)
                   HWY_ATTR { return hn::NegMulAdd(load_at<T>(s, j), load_at<T>(s, k), hn::Mul(load_at<T>(s, i), load_at<T>(s, l))); };
  if (n == 1) return load_at<T>(s, 0);
  if (n == 2) return minor(0, 1, 2, 3);
  const auto a = hn::Mul(load_at<T>(s, 0), minor(4, 5, 7, 8)), b = hn::NegMulAdd(load_at<T>(s, 1), minor(3, 5, 6, 8), a);
  return hn::MulAdd(load_at<T>(s, 2), minor(3, 4, 6, 7), b);
}
// 1, or -1 where the rows exchanged are odd in number.
template <class T> HWY_INLINE Vec<T> parity(int n, const T* rows) {
  constexpr Tag<T> d;
  auto sign = hn::Set(d, T(1));
  for (int j = 0; j < n; ++j) sign = hn::IfThenElse(hn::Eq(load_at<T>(rows, j), hn::Set(d, static_cast<T>(j))), sign, hn::Neg(sign));
  return sign;
}
template <class T> void det_of(int n, const Lanes& a, T* det, int64_t count) {
  constexpr Tag<T> d;
  constexpr int N = width<T>;
  Block<T, kMax * kMax> s;
  Block<T, kMax> p;
  Block<T, 1> y;
  blocks<T>(a, count, [&](const T* const* at, bool adjacent, int64_t first, int there) HWY_ATTR {
    Layout l = load<T>(at, adjacent, there, n, n, a.rs, a.cs, s);  // transposed or not: the same determinant
    if (n <= 3) {
      hn::Store(small_det<T>(n, s), d, y.v);
    } else {
      eliminate<false, T>(n, n, View<T>{s, l.row, l.col}, p, nullptr);
      const auto sign = parity<T>(n, p);
      auto product = sign;
      for (int i = 0; i < n; ++i) product = hn::Mul(product, load_at<T>(s, i * (n + 1)));
      hn::Store(product, d, y.v);
      const auto size_of_it = hn::Abs(product);
      if (HWY_UNLIKELY(!hn::AllTrue(d, hn::And(hn::Gt(size_of_it, hn::Set(d, std::numeric_limits<T>::min())),
                                               hn::Lt(size_of_it, hn::Set(d, std::numeric_limits<T>::max())))))) {
        Block<T, 1> odd;
        hn::Store(sign, d, odd.v);
        for (int i = 0; i < N; ++i) y[i] = scaled_product(s + i, n, (n + 1) * N, odd[i] < 0);
      }
    }
    std::copy_n(y.v, there, det + first);
  });
}
template <class T> void slogdet_of(int n, const Lanes& a, T* sign_out, T* log_out, int64_t count) {
  constexpr Tag<T> d;
  constexpr int N = width<T>;
  Block<T, kMax * kMax> s;
  Block<T, kMax> p;
  Block<T, 2> y;
  blocks<T>(a, count, [&](const T* const* at, bool adjacent, int64_t first, int there) HWY_ATTR {
    Layout l = load<T>(at, adjacent, there, n, n, a.rs, a.cs, s);
    eliminate<false, T>(n, n, View<T>{s, l.row, l.col}, p, nullptr);
    auto sign = parity<T>(n, p), sum = hn::Zero(d);
    for (int i = 0; i < n; ++i) {
      const auto u = load_at<T>(s, i * (n + 1));
      const auto flat = hn::Or(hn::Eq(u, hn::Zero(d)), hn::IsNaN(u));
      sign = hn::Mul(sign, hn::IfThenElse(flat, u, hn::CopySign(hn::Set(d, T(1)), u)));
#if FUNCTRA_HAVE_SIMD
      sum = hn::Add(sum, num::log(num::Simd<Tag<T>>(hn::Abs(u))).v);
#else
        Block<T, 1> part;
        hn::Store(hn::Abs(u), d, part.v);
        for (T& v : part.v) v = std::log(v);
        sum = hn::Add(sum, hn::Load(d, part.v));
#endif
    }
    hn::Store(sign, d, y.v);
    hn::Store(sum, d, y.v + N);
    std::copy_n(y.v, there, sign_out + first);
    std::copy_n(y.v + N, there, log_out + first);
  });
}
template <class T> void complete_of(int n, const Lanes& a, const T*, std::int32_t* rows, std::int32_t* cols, std::int32_t* rank, int64_t count) {
  constexpr Tag<T> d;
  Block<T, kMax * kMax> s, r;
  Block<T, kMax> p, q;
  Block<T, 1> y;
  blocks<T>(a, count, [&](const T* const* at, bool adjacent, int64_t first, int there) HWY_ATTR {
    Layout l = load<T>(at, adjacent, there, n, n, a.rs, a.cs, s);
    T* x = s;
    if (l.col != 1 && n > 1) reorder<T>(s, l, n, n, x = r);
    eliminate<true, T>(n, n, View<T>{x, n, 1}, p, q);
    auto known = hn::Zero(d);
    for (int i = 0; i < n; ++i)
      known = hn::Add(known, hn::IfThenElse(hn::Eq(load_at<T>(x, i * (n + 1)), hn::Zero(d)), hn::Zero(d), hn::Set(d, T(1))));
    hn::Store(known, d, y.v);
    store_integers<T>(p, n, rows, first, there);
    store_integers<T>(q, n, cols, first, there);
    store_integers<T>(y, 1, rank, first, there);
  });
}

#define FUNCTRA_LANE_KERNELS(T, X)                                                                                                          \
  void lu_##X(int m, int n, const Lanes& a, T* out, std::int32_t* pivots, std::int64_t count) { lu_of<T>(m, n, a, out, pivots, count); }    \
  void solve_##X(int n, std::int64_t k, bool transposed, const Lanes& a, const Lanes& b, T* out, std::int64_t count) {                      \
    solve_of<T>(n, k, transposed, a, b, out, count);                                                                                        \
  }                                                                                                                                         \
  void det_##X(int n, const Lanes& a, T* det, std::int64_t count) { det_of<T>(n, a, det, count); }                                          \
  void slogdet_##X(int n, const Lanes& a, T* sign, T* log_abs, std::int64_t count) { slogdet_of<T>(n, a, sign, log_abs, count); }           \
  void complete_##X(int n, const Lanes& a, const T* type, std::int32_t* rows, std::int32_t* cols, std::int32_t* rank, std::int64_t count) { \
    complete_of<T>(n, a, type, rows, cols, rank, count);                                                                                    \
  }
FUNCTRA_LANE_KERNELS(float, f32)
FUNCTRA_LANE_KERNELS(double, f64)
#undef FUNCTRA_LANE_KERNELS

}  // namespace HWY_NAMESPACE
}  // namespace functra::kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace functra::kernels {
#define FUNCTRA_LANE_KERNELS(T, X)                                                                                                                   \
  HWY_EXPORT(lu_##X);                                                                                                                                \
  HWY_EXPORT(solve_##X);                                                                                                                             \
  HWY_EXPORT(det_##X);                                                                                                                               \
  HWY_EXPORT(slogdet_##X);                                                                                                                           \
  HWY_EXPORT(complete_##X);                                                                                                                          \
  void lu_lanes(int m, int n, const Lanes& a, T* out, std::int32_t* pivots, std::int64_t count) {                                                    \
    HWY_DYNAMIC_DISPATCH(lu_##X)(m, n, a, out, pivots, count);                                                                                       \
  }                                                                                                                                                  \
  void solve_lanes(int n, std::int64_t k, bool transposed, const Lanes& a, const Lanes& b, T* out, std::int64_t count) {                             \
    HWY_DYNAMIC_DISPATCH(solve_##X)(n, k, transposed, a, b, out, count);                                                                             \
  }                                                                                                                                                  \
  void det_lanes(int n, const Lanes& a, T* det, std::int64_t count) { HWY_DYNAMIC_DISPATCH(det_##X)(n, a, det, count); }                             \
  void slogdet_lanes(int n, const Lanes& a, T* sign, T* log_abs, std::int64_t count) {                                                               \
    HWY_DYNAMIC_DISPATCH(slogdet_##X)(n, a, sign, log_abs, count);                                                                                   \
  }                                                                                                                                                  \
  void complete_pivots_lanes(int n, const Lanes& a, const T* type, std::int32_t* rows, std::int32_t* cols, std::int32_t* rank, std::int64_t count) { \
    HWY_DYNAMIC_DISPATCH(complete_##X)(n, a, type, rows, cols, rank, count);                                                                         \
  }
FUNCTRA_LANE_KERNELS(float, f32)
FUNCTRA_LANE_KERNELS(double, f64)
#undef FUNCTRA_LANE_KERNELS
}  // namespace functra::kernels
#endif
