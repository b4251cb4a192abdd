// A block of small matrices, one per vector lane, per instruction set; no include guard. Element e of the block's matrices is the
// vector s[e * N .. e * N + N), so that the arithmetic of one matrix, written once, works on N of them. Loading and storing are
// transpositions by shuffles, never gathers or scatters.
#include <hwy/highway.h>

#include <algorithm>
#include <cstdint>
#include <limits>
#include <type_traits>

#include "functra/kernels/linalg_simd.h"

HWY_BEFORE_NAMESPACE();
namespace functra::kernels {
namespace HWY_NAMESPACE {
namespace lanes {
namespace hn = hwy::HWY_NAMESPACE;
using std::int64_t;

template <class T> constexpr int width = static_cast<int>(hn::MaxLanes(hn::ScalableTag<T>()));

// v[i] lane l becomes v[l] lane i, for width<T> vectors: first within 128-bit blocks, then block by block.
template <class T> HWY_INLINE void transpose(hn::Vec<hn::ScalableTag<T>>* HWY_RESTRICT v) {
#if HWY_TARGET != HWY_SCALAR
  constexpr hn::ScalableTag<T> d;
  constexpr int N = width<T>, S = N < static_cast<int>(16 / sizeof(T)) ? N : static_cast<int>(16 / sizeof(T)), G = N / S;
  hn::Vec<hn::ScalableTag<T>> w[N];
#pragma GCC unroll 16
  for (int g = 0; g < G; ++g) {  // w[c * G + g]: column c of every block, of the rows of group g
    const auto* r = v + g * S;
    if constexpr (S == 2) {
      w[g] = hn::InterleaveLower(d, r[0], r[1]);
      w[G + g] = hn::InterleaveUpper(d, r[0], r[1]);
    } else {
      constexpr hn::Repartition<double, decltype(d)> wide;
      const auto a = hn::BitCast(wide, hn::InterleaveLower(d, r[0], r[1])), b = hn::BitCast(wide, hn::InterleaveLower(d, r[2], r[3]));
      const auto e = hn::BitCast(wide, hn::InterleaveUpper(d, r[0], r[1])), f = hn::BitCast(wide, hn::InterleaveUpper(d, r[2], r[3]));
      w[g] = hn::BitCast(d, hn::InterleaveLower(wide, a, b));
      w[G + g] = hn::BitCast(d, hn::InterleaveUpper(wide, a, b));
      w[2 * G + g] = hn::BitCast(d, hn::InterleaveLower(wide, e, f));
      w[3 * G + g] = hn::BitCast(d, hn::InterleaveUpper(wide, e, f));
    }
  }
#pragma GCC unroll 16
  for (int c = 0; c < S; ++c) {
    const auto* r = w + c * G;
    if constexpr (G == 1) {
      v[c] = r[0];
    } else if constexpr (G == 2) {
      v[c] = hn::ConcatLowerLower(d, r[1], r[0]);
      v[S + c] = hn::ConcatUpperUpper(d, r[1], r[0]);
    } else {
      static_assert(G == 4);
      const auto l0 = hn::ConcatLowerLower(d, r[2], r[0]), l1 = hn::ConcatLowerLower(d, r[3], r[1]);
      const auto u0 = hn::ConcatUpperUpper(d, r[2], r[0]), u1 = hn::ConcatUpperUpper(d, r[3], r[1]);
      v[c] = hn::OddEvenBlocks(hn::SwapAdjacentBlocks(l1), l0);
      v[S + c] = hn::OddEvenBlocks(l1, hn::SwapAdjacentBlocks(l0));
      v[2 * S + c] = hn::OddEvenBlocks(hn::SwapAdjacentBlocks(u1), u0);
      v[3 * S + c] = hn::OddEvenBlocks(u1, hn::SwapAdjacentBlocks(u0));
    }
  }
#else
  (void)v;
#endif
}

// Elements [0, n) of N matrices at p[l]; the last tile overlaps its predecessor.
template <class T> HWY_INLINE void load_run(const T* const* p, int64_t at, int n, T* HWY_RESTRICT s) {
  constexpr hn::ScalableTag<T> d;
  constexpr int N = width<T>;
  hn::Vec<decltype(d)> v[N];
  if (n < N) {
#if HWY_MEM_OPS_MIGHT_FAULT  // masked accesses may touch what lies behind
    for (int l = 0; l < N; ++l)
      for (int e = 0; e < n; ++e) s[e * N + l] = p[l][at + e];
    return;
#endif
    const auto some = hn::FirstN(d, static_cast<std::size_t>(n));
#pragma GCC unroll 16
    for (int l = 0; l < N; ++l) v[l] = hn::MaskedLoad(some, d, p[l] + at);
    transpose<T>(v);
#pragma GCC unroll 16
    for (int e = 0; e < N; ++e)
      if (e < n) hn::Store(v[e], d, s + e * N);
    return;
  }
  for (int e = 0; e < n; e += N) {
    if (e + N > n) {
      if (n - e <= N / 4) {
        for (; e < n; ++e)
#pragma GCC unroll 16
          for (int l = 0; l < N; ++l) s[e * N + l] = p[l][at + e];
        return;
      }
      e = n - N;
    }
#pragma GCC unroll 16
    for (int l = 0; l < N; ++l) v[l] = hn::LoadU(d, p[l] + at + e);
    transpose<T>(v);
#pragma GCC unroll 16
    for (int l = 0; l < N; ++l) hn::Store(v[l], d, s + (e + l) * N);
  }
}
// The reverse, of the first `count` matrices.
template <class T> HWY_INLINE void store_run(const T* HWY_RESTRICT s, int n, T* const* p, int64_t at, int count) {
  constexpr hn::ScalableTag<T> d;
  constexpr int N = width<T>;
  hn::Vec<decltype(d)> v[N];
  if (HWY_UNLIKELY(count < N || (HWY_MEM_OPS_MIGHT_FAULT && n < N))) {
    for (int l = 0; l < count; ++l)
      for (int e = 0; e < n; ++e) p[l][at + e] = s[e * N + l];
    return;
  }
  if (n < N) {
    const auto some = hn::FirstN(d, static_cast<std::size_t>(n));
#pragma GCC unroll 16
    for (int e = 0; e < N; ++e) v[e] = e < n ? hn::Load(d, s + e * N) : hn::Zero(d);
    transpose<T>(v);
#pragma GCC unroll 16
    for (int l = 0; l < N; ++l) hn::BlendedStore(v[l], some, d, p[l] + at);
    return;
  }
  for (int e = 0; e < n; e += N) {
    if (e + N > n) {
      if (n - e <= N / 4) {
        for (; e < n; ++e)
#pragma GCC unroll 16
          for (int l = 0; l < N; ++l) p[l][at + e] = s[e * N + l];
        return;
      }
      e = n - N;
    }
#pragma GCC unroll 16
    for (int l = 0; l < N; ++l) v[l] = hn::Load(d, s + (e + l) * N);
    transpose<T>(v);
#pragma GCC unroll 16
    for (int l = 0; l < N; ++l) hn::StoreU(v[l], d, p[l] + at + e);
  }
}

// Where element (i, c) of a block lies: s + (i * row + c * col) * N.
struct Layout {
  int row, col;
};

// rows x cols elements with these strides of matrices at p[l], of which `count` are there; the others repeat one of them.
// `adjacent`: p[l] = p[0] + l. Elements are stored in the order that their strides suggest.
template <class T>
HWY_INLINE Layout load(const T* const* p, bool adjacent, int count, int rows, int cols, int64_t rs, int64_t cs, T* HWY_RESTRICT s) {
  constexpr hn::ScalableTag<T> d;
  constexpr int N = width<T>;
  if (adjacent && count == N) {
    for (int i = 0; i < rows; ++i)
      for (int c = 0; c < cols; ++c) hn::Store(hn::LoadU(d, p[0] + i * rs + c * cs), d, s + (i * cols + c) * N);
    return {cols, 1};
  }
  if (cs == 1 || cols == 1) {
    if (rs == cols) load_run(p, 0, rows * cols, s);
    else
      for (int i = 0; i < rows; ++i) load_run(p, i * rs, cols, s + i * cols * N);
    return {cols, 1};
  }
  if (rs == 1 || rows == 1) {
    if (cs == rows) load_run(p, 0, rows * cols, s);
    else
      for (int c = 0; c < cols; ++c) load_run(p, c * cs, rows, s + c * rows * N);
    return {1, rows};
  }
  for (int l = 0; l < N; ++l)
    for (int i = 0; i < rows; ++i)
      for (int c = 0; c < cols; ++c) s[(i * cols + c) * N + l] = p[l][i * rs + c * cs];
  return {cols, 1};
}

constexpr int kMax = kLaneSize, kColumns = 16;  // columns of a right-hand side at a time
template <class T> using Tag = hn::ScalableTag<T>;
template <class T> using Vec = hn::Vec<Tag<T>>;
template <int n> using Size = std::integral_constant<int, n>;
template <class T, int n> struct alignas(64) Block {  // n vectors
  T v[n * width<T>];
  operator T*() { return v; }
};

// f with the size as a constant where it is among these, so that its loops unroll into registers.
template <int... sizes, class F> HWY_INLINE void with_size(int n, F f) {
  if (!((n == sizes ? (f(Size<sizes>()), true) : false) || ...)) f(n);
}
// Calls f(pointers, adjacent, first, how many) on blocks of width<T> matrices; absent ones repeat the block's last.
template <class T, class F> HWY_INLINE void blocks(const Lanes& a, int64_t count, F f) {
  constexpr int N = width<T>;
  auto* data = static_cast<const T*>(a.data);
  for (int64_t b = 0; b < count; b += N) {
    int there = static_cast<int>(std::min<int64_t>(N, count - b));
    const T* p[N];
    for (int l = 0; l < N; ++l) {
      int64_t i = b + std::min(l, there - 1);
      p[l] = data + (a.offset ? a.offset[i] : i * a.step);
    }
    f(p, !a.offset && a.step == 1, b, there);
  }
}
template <class T> HWY_INLINE void store(const T* s, int n, T* out, int64_t first, int count, int64_t step, int64_t at = 0) {
  T* p[width<T>];
  for (int l = 0; l < width<T>; ++l) p[l] = out + (first + std::min(l, count - 1)) * step;
  store_run(s, n, p, at, count);
}
// Into row-major order.
template <class T> HWY_INLINE void reorder(const T* from, Layout l, int rows, int cols, T* to) {
  constexpr Tag<T> d;
  for (int i = 0; i < rows; ++i)
    for (int c = 0; c < cols; ++c) hn::Store(hn::Load(d, from + (i * l.row + c * l.col) * width<T>), d, to + (i * cols + c) * width<T>);
}

// Reads a matrix or right-hand side in a block: element (i, c) at p + (i * row + c * col) * N, from the end if reversed.
template <class T> struct View {
  T* p;
  int row, col;
  HWY_INLINE T* at(int i, int c) const { return p + (i * row + c * col) * width<T>; }
  View swapped() const { return {p, col, row}; }
  View from_end(int n) const { return {at(n - 1, n - 1), -row, -col}; }
  View rows_from_end(int n) const { return {at(n - 1, 0), -row, col}; }
};
template <class T> HWY_INLINE bool normal(Vec<T> x) {  // the reciprocal is as good as a division
  constexpr Tag<T> d;
  return hn::AllTrue(d, hn::Ge(hn::Abs(x), hn::Set(d, std::numeric_limits<T>::min())));
}
// x (columns [0, k)) = l^-1 x for a lower triangle l, by columns of four.
template <class T, class I> HWY_INLINE void forward(I size, int k, bool unit, View<const T> l, View<T> x) {
  constexpr Tag<T> d;
  const int n = size;
  Vec<T> inverse[kMax];
  const auto one = hn::Set(d, T(1));
  bool divide = false;
  if (!unit) {
#pragma GCC unroll 6
    for (int i = 0; i < n; ++i) {
      const auto v = hn::Load(d, l.at(i, i));
      inverse[i] = hn::Div(one, v);
      divide |= !normal<T>(v);
    }
    if (HWY_UNLIKELY(divide))
      for (int i = 0; i < n; ++i) inverse[i] = hn::Load(d, l.at(i, i));
  }
  auto scaled = [&](Vec<T> v, int i) HWY_ATTR {
    if (unit) return v;
    return HWY_UNLIKELY(divide) ? hn::Div(v, inverse[i]) : hn::Mul(v, inverse[i]);
  };
  int c = 0;
  for (; c + 4 <= k; c += 4)
#pragma GCC unroll 6
    for (int i = 0; i < n; ++i) {
      Vec<T> acc[4];
#pragma GCC unroll 4
      for (int q = 0; q < 4; ++q) acc[q] = hn::Load(d, x.at(i, c + q));
#pragma GCC unroll 6
      for (int j = 0; j < i; ++j) {
        const auto v = hn::Load(d, l.at(i, j));
#pragma GCC unroll 4
        for (int q = 0; q < 4; ++q) acc[q] = hn::NegMulAdd(v, hn::Load(d, x.at(j, c + q)), acc[q]);
      }
#pragma GCC unroll 4
      for (int q = 0; q < 4; ++q) hn::Store(scaled(acc[q], i), d, x.at(i, c + q));
    }
  for (; c < k; ++c)
#pragma GCC unroll 6
    for (int i = 0; i < n; ++i) {
      const auto v = scaled(hn::Load(d, x.at(i, c)), i);
      hn::Store(v, d, x.at(i, c));
#pragma GCC unroll 6
      for (int r = i + 1; r < n; ++r) hn::Store(hn::NegMulAdd(hn::Load(d, l.at(r, i)), v, hn::Load(d, x.at(r, c))), d, x.at(r, c));
    }
}
template <class T, class I> HWY_INLINE void substitute(I n, int k, bool lower, bool unit, View<const T> a, View<T> x) {
  if (lower) forward<T>(n, k, unit, a, x);
  else forward<T>(n, k, unit, a.from_end(n), x.rows_from_end(n));
}
// Runs `work` on the right-hand sides b of each block, some columns at a time, and stores them.
template <class T, class Prepare, class Work>
HWY_INLINE void right_hand_sides(int n, int64_t k, const Lanes& a, const Lanes& b, T* out, int64_t count, Prepare prepare, Work work) {
  constexpr int N = width<T>;
  Block<T, kMax * kColumns> x, other;
  const T* bp[N];
  blocks<T>(a, count, [&](const T* const* p, bool adjacent, int64_t first, int there) HWY_ATTR {
    prepare(p, adjacent, there);
    for (int l = 0; l < N; ++l) {
      int64_t i = first + std::min(l, there - 1);
      bp[l] = static_cast<const T*>(b.data) + (b.offset ? b.offset[i] : i * b.step);
    }
    for (int64_t c = 0; c < k; c += kColumns) {
      int cols = static_cast<int>(std::min<int64_t>(kColumns, k - c));
      Layout layout = load<T>(bp, !b.offset && b.step == 1, there, n, cols, b.rs, b.cs, x);
      work(cols, View<T>{x, layout.row, layout.col});
      const T* result = x;
      if (layout.col != 1 && cols > 1) {
        reorder<T>(x, layout, n, cols, other);
        result = other;
      }
      if (cols == k) store<T>(result, n * cols, out, first, there, n * k);
      else
        for (int i = 0; i < n; ++i) store<T>(result + i * cols * N, cols, out, first, there, n * k, i * k + c);
      for (int l = 0; l < N; ++l) bp[l] += kColumns * b.cs;
    }
  });
}

}  // namespace lanes
}  // namespace HWY_NAMESPACE
}  // namespace functra::kernels
HWY_AFTER_NAMESPACE();
