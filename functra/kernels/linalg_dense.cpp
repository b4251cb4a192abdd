#include "functra/kernels/linalg_dense.h"

#include <algorithm>

#include "functra/base/memory.h"
#include "functra/base/pool.h"
#include "functra/kernels/gemm_simd.h"
#include "functra/kernels/linalg_base_simd.h"

namespace functra::kernels {
namespace {
using Offset = std::int64_t;

// The first part of a recursion: about a half, whole base blocks.
Offset first_part(Offset n, Offset block) { return std::min((n / 2 + block - 1) / block * block, n - 1); }

// c [m, n] -= a [m, k] b [k, n]
template <class T> void update(Offset m, Offset n, Offset k, Strided<T> a, Strided<T> b, T* c, Offset ldc) {
  if (m == 0 || n == 0 || k == 0) return;
  auto rows = [&](Offset lo, Offset hi) {
    Offset count = hi - lo;
    auto bytes = static_cast<std::size_t>(count * k) * sizeof(T);
    T* minus = static_cast<T*>(allocate(bytes));
    if (a.rs == 1) negate_base(k, count, a.data + lo, a.cs, minus);
    else if (a.cs == 1) negate_base(count, k, a.data + lo * a.rs, a.rs, minus);
    else
      for (Offset i = 0; i < count; ++i)
        for (Offset j = 0; j < k; ++j) minus[i * k + j] = -*a.at(lo + i, j).data;
    Strided<T> x = a.rs == 1 ? Strided<T>{minus, 1, count} : Strided<T>{minus, k, 1};
    gemm_simd(count, n, k, x.data, x.rs, x.cs, b.data, b.rs, b.cs, c + lo * ldc, ldc, true);
    deallocate(minus, bytes);
  };
  parallel_for(m, std::max<Offset>(32, 200000 / (n * k)), rows);
}
template <class T> void forward(Offset n, bool unit, Strided<T> l, T* x, Offset ldx, Offset k) {
  if (n <= kBase) return forward_base(static_cast<int>(n), unit, l.data, l.rs, l.cs, x, ldx, k);
  Offset n1 = first_part(n, kBase), n2 = n - n1;
  forward(n1, unit, l, x, ldx, k);
  update(n2, k, n1, l.at(n1, 0), Strided<T>{x, ldx, 1}, x + n1 * ldx, ldx);
  forward(n2, unit, l.at(n1, n1), x + n1 * ldx, ldx, k);
}
template <class T> void exchange_rows(const std::int32_t* pivots, Offset n, T* a, Offset lda, Offset width) {
  for (Offset i = 0; i < n; ++i)
    if (Offset p = pivots[i]; p != i) std::swap_ranges(a + i * lda, a + i * lda + width, a + p * lda);
}
}  // namespace

template <class T> void triangular_solve_dense(Offset n, bool upper, bool unit, Strided<T> l, T* x, Offset ldx, Offset k) {
  if (n == 0 || k == 0) return;
  if (upper) {  // the same from the end
    l = {l.data + (n - 1) * (l.rs + l.cs), -l.rs, -l.cs};
    x += (n - 1) * ldx;
    ldx = -ldx;
  }
  parallel_for(k, std::max<Offset>(64, 100000 / (n * n)), [&](Offset lo, Offset hi) { forward(n, unit, l, x + lo, ldx, hi - lo); });
}

template <class T> void cholesky_dense(Offset n, T* a, Offset lda) {
  if (n <= kBase) return n ? cholesky_base(static_cast<int>(n), a, lda) : void();
  constexpr Offset strip = 64;
  Offset n1 = first_part(n, kBase), n2 = n - n1;
  cholesky_dense(n1, a, lda);
  T* right = a + n1;
  triangular_solve_dense(n1, false, false, Strided<T>{a, 1, lda}, right, lda, n2);
  for (Offset r = 0; r < n2; r += strip)
    update(std::min(strip, n2 - r), n2 - r, n1, Strided<T>{right + r, 1, lda}, Strided<T>{right + r, lda, 1}, a + (n1 + r) * (lda + 1), lda);
  cholesky_dense(n2, a + n1 * (lda + 1), lda);
}

template <class T> void lu_dense(Offset m, Offset n, T* a, Offset lda, std::int32_t* pivots) {
  Offset k = std::min(m, n), k1 = k <= kPanel ? k : first_part(k, kPanel);
  if (k == 0) return;
  if (k <= kPanel) lu_base(m, static_cast<int>(k), a, lda, pivots);
  else lu_dense(m, k1, a, lda, pivots);
  if (k1 == n) return;
  T *right = a + k1, *below = a + k1 * lda;
  exchange_rows(pivots, k1, right, lda, n - k1);
  triangular_solve_dense(k1, false, true, Strided<T>{a, lda, 1}, right, lda, n - k1);
  if (m == k1) return;
  update(m - k1, n - k1, k1, Strided<T>{below, lda, 1}, Strided<T>{right, lda, 1}, below + k1, lda);
  lu_dense(m - k1, n - k1, below + k1, lda, pivots + k1);
  exchange_rows(pivots + k1, k - k1, below, lda, k1);
  for (Offset i = k1; i < k; ++i) pivots[i] += static_cast<std::int32_t>(k1);
}

template <class T> std::int32_t complete_pivots_dense(Offset n, T* a, std::int32_t* rows, std::int32_t* cols) {
  return complete_pivots_base(n, a, rows, cols);
}

#define FUNCTRA_DENSE(T)                                                                    \
  template void cholesky_dense(Offset, T*, Offset);                                         \
  template void triangular_solve_dense(Offset, bool, bool, Strided<T>, T*, Offset, Offset); \
  template void lu_dense(Offset, Offset, T*, Offset, std::int32_t*);                        \
  template std::int32_t complete_pivots_dense(Offset, T*, std::int32_t*, std::int32_t*);
FUNCTRA_DENSE(float)
FUNCTRA_DENSE(double)
#undef FUNCTRA_DENSE

}  // namespace functra::kernels
