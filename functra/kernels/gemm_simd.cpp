// Register-tiled products in the manner of GotoBLAS, compiled once per instruction set.
#undef HWY_DISABLED_TARGETS
#define HWY_DISABLED_TARGETS (HWY_SSSE3 | HWY_SSE4 | HWY_AVX3_DL)
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "functra/kernels/gemm_simd.cpp"
#include <hwy/foreach_target.h>

#include <hwy/highway.h>

#include <algorithm>

#include "functra/base/memory.h"
#include "functra/kernels/gemm_simd.h"

HWY_BEFORE_NAMESPACE();
namespace functra::kernels {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;
using std::int64_t;

constexpr int kMR = HWY_TARGET == HWY_AVX3 ? 12 : HWY_TARGET == HWY_AVX2 ? 6 : 4;  // rows of a register tile of two vectors
constexpr int64_t kKC = 256, kMC = 96, kNC = 512;

template <class T> struct Buffer {
  explicit Buffer(int64_t count) : bytes(static_cast<std::size_t>(count) * sizeof(T)), p(count ? static_cast<T*>(allocate(bytes)) : nullptr) {}
  Buffer(const Buffer&) = delete;
  ~Buffer() {
    if (p) deallocate(p, bytes);
  }
  std::size_t bytes;
  T* p;
};

// A tile of R rows and two vectors, over k; b's rows are ldb apart.
template <int R, class T> HWY_NOINLINE void tile(int64_t k, const T* HWY_RESTRICT a, int64_t ars, int64_t acs, const T* HWY_RESTRICT b, int64_t ldb,
                                                 T* HWY_RESTRICT c, int64_t ldc, bool accumulate) {
  const hn::ScalableTag<T> d;
  const int64_t N = static_cast<int64_t>(hn::Lanes(d));
  hn::Vec<decltype(d)> s0[R], s1[R];
#pragma GCC unroll 16
  for (int r = 0; r < R; ++r) s0[r] = s1[r] = hn::Zero(d);
  for (int64_t l = 0; l < k; ++l) {
    const auto b0 = hn::LoadU(d, b + l * ldb), b1 = hn::LoadU(d, b + l * ldb + N);
    const T* p = a + l * acs;
#pragma GCC unroll 16
    for (int r = 0; r < R; ++r) {
      const auto v = hn::Set(d, p[r * ars]);
      s0[r] = hn::MulAdd(v, b0, s0[r]);
      s1[r] = hn::MulAdd(v, b1, s1[r]);
    }
  }
#pragma GCC unroll 16
  for (int r = 0; r < R; ++r) {
    T* o = c + r * ldc;
    if (accumulate) {
      s0[r] = hn::Add(s0[r], hn::LoadU(d, o));
      s1[r] = hn::Add(s1[r], hn::LoadU(d, o + N));
    }
    hn::StoreU(s0[r], d, o);
    hn::StoreU(s1[r], d, o + N);
  }
}
template <class T> using TileFn = void (*)(int64_t, const T*, int64_t, int64_t, const T*, int64_t, T*, int64_t, bool);
template <class T, int... R> TileFn<T> tile_of(int rows, std::integer_sequence<int, R...>) {
  static constexpr TileFn<T> table[] = {tile<R + 1, T>...};
  return table[rows - 1];
}

// m rows against one panel of b; columns beyond n are computed into a scratch tile.
template <class T>
void panel(int64_t m, int64_t n, int64_t k, const T* a, int64_t ars, int64_t acs, const T* b, int64_t ldb, T* c, int64_t ldc, bool accumulate) {
  const int64_t W = 2 * static_cast<int64_t>(hn::Lanes(hn::ScalableTag<T>()));
  for (int64_t i = 0; i < m; i += kMR) {
    int rows = static_cast<int>(std::min<int64_t>(kMR, m - i));
    auto f = tile_of<T>(rows, std::make_integer_sequence<int, kMR>());
    if (n == W) {
      f(k, a + i * ars, ars, acs, b, ldb, c + i * ldc, ldc, accumulate);
    } else {
      HWY_ALIGN T part[kMR * 2 * HWY_MAX_BYTES / sizeof(T)];
      f(k, a + i * ars, ars, acs, b, ldb, part, W, false);
      for (int r = 0; r < rows; ++r)
        for (int64_t j = 0; j < n; ++j) {
          T& o = c[(i + r) * ldc + j];
          o = accumulate ? o + part[r * W + j] : part[r * W + j];
        }
    }
  }
}
template <class T> void pack_panel(int64_t k, int64_t n, int64_t W, const T* b, int64_t brs, int64_t bcs, T* to) {
  if (bcs == 1 && n == W) {
    const hn::ScalableTag<T> d;
    for (int64_t l = 0; l < k; ++l, to += W) {
      hn::StoreU(hn::LoadU(d, b + l * brs), d, to);
      hn::StoreU(hn::LoadU(d, b + l * brs + W / 2), d, to + W / 2);
    }
    return;
  }
  if (bcs == 1) {
    for (int64_t l = 0; l < k; ++l, to += W) std::fill_n(std::copy_n(b + l * brs, n, to), W - n, T(0));
    return;
  }
  for (int64_t l0 = 0; l0 < k; l0 += 16)
    for (int64_t j = 0; j < W; ++j)
      for (int64_t l = l0; l < std::min(k, l0 + 16); ++l) to[l * W + j] = j < n ? b[l * brs + j * bcs] : T(0);
}

template <class T> T dot(const T* a, const T* b, int64_t n) {
  const hn::ScalableTag<T> d;
  const int64_t N = static_cast<int64_t>(hn::Lanes(d));
  auto s0 = hn::Zero(d), s1 = s0, s2 = s0, s3 = s0;
  int64_t i = 0;
  for (; i + 4 * N <= n; i += 4 * N) {
    s0 = hn::MulAdd(hn::LoadU(d, a + i), hn::LoadU(d, b + i), s0);
    s1 = hn::MulAdd(hn::LoadU(d, a + i + N), hn::LoadU(d, b + i + N), s1);
    s2 = hn::MulAdd(hn::LoadU(d, a + i + 2 * N), hn::LoadU(d, b + i + 2 * N), s2);
    s3 = hn::MulAdd(hn::LoadU(d, a + i + 3 * N), hn::LoadU(d, b + i + 3 * N), s3);
  }
  for (; i + N <= n; i += N) s0 = hn::MulAdd(hn::LoadU(d, a + i), hn::LoadU(d, b + i), s0);
  T r = hn::GetLane(hn::SumOfLanes(d, hn::Add(hn::Add(s0, s1), hn::Add(s2, s3))));
  for (; i < n; ++i) r += a[i] * b[i];
  return r;
}

template <class T> void product(int64_t m, int64_t n, int64_t k, const T* a, int64_t ars, int64_t acs, const T* b, int64_t brs, int64_t bcs, T* c,
                                int64_t ldc, bool accumulate) {
  const int64_t W = 2 * static_cast<int64_t>(hn::Lanes(hn::ScalableTag<T>()));
  if (m == 0 || n == 0) return;
  if (acs == 1 && brs == 1 && (bcs != 1 || n == 1) && (n == 1 || m <= 4)) {  // rows against rows
    for (int64_t i = 0; i < m; ++i)
      for (int64_t j = 0; j < n; ++j) {
        T s = dot(a + i * ars, b + j * bcs, k);
        c[i * ldc + j] = accumulate ? c[i * ldc + j] + s : s;
      }
    return;
  }
  if (n == 1 && ldc == 1 && m > 1) return product(1, m, k, b, 1, brs, a, acs, ars, c, m, accumulate);
  if (k == 1 && bcs == 1 && n >= W) {  // an outer product: whole rows, since it is bound by its writes
    const hn::ScalableTag<T> d;
    const int64_t N = W / 2;
    for (int64_t i = 0; i < m; ++i) {
      const T s = a[i * ars];
      const auto v = hn::Set(d, s);
      T* o = c + i * ldc;
      int64_t j = 0;
      if (accumulate)
        for (; j + N <= n; j += N) hn::StoreU(hn::MulAdd(v, hn::LoadU(d, b + j), hn::LoadU(d, o + j)), d, o + j);
      else
        for (; j + N <= n; j += N) hn::StoreU(hn::Mul(v, hn::LoadU(d, b + j)), d, o + j);
      for (; j < n; ++j) o[j] = accumulate ? o[j] + s * b[j] : s * b[j];
    }
    return;
  }
  if (m * n * k <= 64) {
    for (int64_t i = 0; i < m; ++i)
      for (int64_t j = 0; j < n; ++j) {
        T s = accumulate ? c[i * ldc + j] : T(0);
        for (int64_t l = 0; l < k; ++l) s += a[i * ars + l * acs] * b[l * brs + j * bcs];
        c[i * ldc + j] = s;
      }
    return;
  }
  bool pack_b = bcs != 1 || m > 2 * kMR, pack_a = acs != 1 && m > kMR && n > W;
  int64_t kc = std::min(k, kKC), nc = std::min((n + W - 1) / W * W, kNC);
  Buffer<T> pb(pack_b ? kc * nc : kc * W), pa(pack_a ? kc * kMC : 0);
  if (k == 0 && !accumulate)
    for (int64_t i = 0; i < m; ++i) std::fill_n(c + i * ldc, n, T(0));
  for (int64_t l = 0; l < k; l += kKC) {
    int64_t depth = std::min(kKC, k - l);
    bool add = accumulate || l > 0;
    for (int64_t jc = 0; jc < n; jc += kNC) {
      int64_t cols = std::min(kNC, n - jc);
      if (pack_b)
        for (int64_t j = 0; j < cols; j += W) pack_panel(depth, std::min(W, cols - j), W, b + l * brs + (jc + j) * bcs, brs, bcs, pb.p + j * depth);
      for (int64_t i = 0; i < m; i += kMC) {
        int64_t rows = std::min(kMC, m - i);
        const T* ap = a + i * ars + l * acs;
        int64_t ar = ars, ac = acs;
        if (pack_a) {  // as depth rows of `rows` elements
          for (int64_t q = 0; q < depth; ++q)
            for (int64_t r = 0; r < rows; ++r) pa.p[q * rows + r] = ap[r * ars + q * acs];
          ap = pa.p;
          ar = 1;
          ac = rows;
        }
        for (int64_t j = 0; j < cols; j += W) {
          int64_t w = std::min(W, cols - j), ldb = W;
          const T* bp = pb.p + j * depth;
          if (!pack_b && w == W) {
            bp = b + l * brs + jc + j;
            ldb = brs;
          } else if (!pack_b) {
            pack_panel(depth, w, W, b + l * brs + jc + j, brs, bcs, pb.p);
            bp = pb.p;
          }
          panel(rows, w, depth, ap, ar, ac, bp, ldb, c + i * ldc + jc + j, ldc, add);
        }
      }
    }
  }
}

void product_f32(int64_t m, int64_t n, int64_t k, const float* a, int64_t ars, int64_t acs, const float* b, int64_t brs, int64_t bcs, float* c,
                 int64_t ldc, bool accumulate) {
  product(m, n, k, a, ars, acs, b, brs, bcs, c, ldc, accumulate);
}
void product_f64(int64_t m, int64_t n, int64_t k, const double* a, int64_t ars, int64_t acs, const double* b, int64_t brs, int64_t bcs, double* c,
                 int64_t ldc, bool accumulate) {
  product(m, n, k, a, ars, acs, b, brs, bcs, c, ldc, accumulate);
}
bool has_vectors() { return HWY_TARGET != HWY_SCALAR && HWY_TARGET != HWY_EMU128; }

}  // namespace HWY_NAMESPACE
}  // namespace functra::kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace functra::kernels {
HWY_EXPORT(product_f32);
HWY_EXPORT(product_f64);
HWY_EXPORT(has_vectors);
void gemm_simd(std::int64_t m, std::int64_t n, std::int64_t k, const float* a, std::int64_t ars, std::int64_t acs, const float* b, std::int64_t brs,
               std::int64_t bcs, float* c, std::int64_t ldc, bool accumulate) {
  HWY_DYNAMIC_DISPATCH(product_f32)(m, n, k, a, ars, acs, b, brs, bcs, c, ldc, accumulate);
}
void gemm_simd(std::int64_t m, std::int64_t n, std::int64_t k, const double* a, std::int64_t ars, std::int64_t acs, const double* b, std::int64_t brs,
               std::int64_t bcs, double* c, std::int64_t ldc, bool accumulate) {
  HWY_DYNAMIC_DISPATCH(product_f64)(m, n, k, a, ars, acs, b, brs, bcs, c, ldc, accumulate);
}
bool gemm_simd_has_vectors() { return HWY_DYNAMIC_DISPATCH(has_vectors)(); }
}  // namespace functra::kernels
#endif
