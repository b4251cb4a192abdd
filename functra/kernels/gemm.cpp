#include "functra/kernels/gemm.h"

#include <cblas.h>
#include <oneapi/dnnl/dnnl.h>

#include <algorithm>
#include <cstddef>
#include <memory>
#include <mutex>
#include <string>

#include "functra/base/errors.h"
#include "functra/base/memory.h"
#include "functra/base/pool.h"
#include "functra/kernels/gemm_simd.h"
#include "functra/kernels/onednn.h"
#include "functra/kernels/strided.h"
#include "functra/kernels/types.h"

extern "C" void openblas_set_num_threads(int);

namespace functra::kernels {
namespace {

void one_thread() {  // our pool partitions, so that there is one pool in a process
  static std::once_flag once;
  std::call_once(once, [] { openblas_set_num_threads(1); });
}

// A matrix inside a strided array: rows x cols with a stride each.
struct Matrix {
  std::int64_t rows, cols, row_stride, col_stride;
};

// Integers wrap: products and sums in unsigned arithmetic.
template <class T> void small_int(const T* a, std::int64_t ar, std::int64_t ac, const T* b, std::int64_t br, std::int64_t bc, T* c, std::int64_t ldc,
                                  std::int64_t m, std::int64_t n, std::int64_t k) {
  for (std::int64_t i = 0; i < m; ++i)
    for (std::int64_t j = 0; j < n; ++j) {
      std::uint64_t s = 0;
      for (std::int64_t l = 0; l < k; ++l) s += static_cast<std::uint64_t>(a[i * ar + l * ac]) * static_cast<std::uint64_t>(b[l * br + j * bc]);
      c[i * ldc + j] = static_cast<T>(s);
    }
}
template <class T> void blas(const T* a, bool ta, std::int64_t lda, const T* b, bool tb, std::int64_t ldb, T* c, std::int64_t ldc, std::int64_t m,
                             std::int64_t n, std::int64_t k, T beta) {
  auto i = [](std::int64_t v) { return static_cast<blasint>(v); };
  auto t = [](bool x) { return x ? CblasTrans : CblasNoTrans; };
  if constexpr (std::is_same_v<T, float>) cblas_sgemm(CblasRowMajor, t(ta), t(tb), i(m), i(n), i(k), 1, a, i(lda), b, i(ldb), beta, c, i(ldc));
  else cblas_dgemm(CblasRowMajor, t(ta), t(tb), i(m), i(n), i(k), 1, a, i(lda), b, i(ldb), beta, c, i(ldc));
}
// The leading dimension of x as BLAS wants it, transposed or not.
struct Leading {
  bool ok, transposed;
  std::int64_t ld;
};
Leading leading(std::int64_t rows, std::int64_t cols, std::int64_t rs, std::int64_t cs) {
  auto at_least = [](std::int64_t s, std::int64_t n) { return s >= std::max<std::int64_t>(n, 1) && s < (std::int64_t{1} << 31); };
  if (cs == 1 || cols == 1) {
    std::int64_t ld = rows == 1 ? std::max<std::int64_t>(cols, 1) : rs;
    if (at_least(ld, cols) && (cs == 1 || ld >= 1)) return {true, false, ld};
  }
  if (rs == 1 || rows == 1) {
    std::int64_t ld = cols == 1 ? std::max<std::int64_t>(rows, 1) : cs;
    if (at_least(ld, rows)) return {true, true, ld};
  }
  return {false, false, 0};
}

// One product in this thread. Measured on one core with AVX-512, GFLOP/s of ours / oneDNN / OpenBLAS as Debian ships it (which does
// not know the processor and takes its SSE3 kernels): f32 32^3 100 / 55 / 17, 128^3 115 / 120 / 22, 256^3 115 / 125 / 22,
// 128x32x784 110 / 172 / 29, 256x10x128 28 / 55 / 15; f64 32^3 50 / - / 9, 256^3 51 / - / 10. Hence oneDNN for f32 from about 128^3
// and for few columns, ours for the rest, and OpenBLAS where there are no vector instructions to use.
template <class T> void dense(std::int64_t m, std::int64_t n, std::int64_t k, const T* a, std::int64_t ars, std::int64_t acs, const T* b,
                              std::int64_t brs, std::int64_t bcs, T* c, std::int64_t ldc, bool accumulate) {
  static const bool vectors = gemm_simd_has_vectors();
  std::int64_t work = m * n * k;
  bool by_onednn = std::is_same_v<T, float> && m > 1 && n > 1 && work >= (n < 24 ? 100'000 : 1'500'000);
  if (by_onednn || (!vectors && work > 2048)) {
    Leading x = leading(m, k, ars, acs), y = leading(k, n, brs, bcs);
    if (x.ok && y.ok) {
      if constexpr (std::is_same_v<T, float>) {
        OneThread one;
        if (dnnl_sgemm(x.transposed ? 'T' : 'N', y.transposed ? 'T' : 'N', m, n, k, 1, a, x.ld, b, y.ld, accumulate ? 1.f : 0.f, c, ldc) ==
            dnnl_success)
          return;
      } else {
        return blas(a, x.transposed, x.ld, b, y.transposed, y.ld, c, ldc, m, n, k, accumulate ? T(1) : T(0));
      }
    }
  }
  gemm_simd(m, n, k, a, ars, acs, b, brs, bcs, c, ldc, accumulate);
}

// Rows of one product, in this thread.
template <class T> void product(const T* a, const Matrix& x, const T* b, const Matrix& y, T* c, std::int64_t ldc) {
  std::int64_t m = x.rows, n = y.cols, k = x.cols;
  if constexpr (std::is_floating_point_v<T>) dense(m, n, k, a, x.row_stride, x.col_stride, b, y.row_stride, y.col_stride, c, ldc, false);
  else small_int(a, x.row_stride, x.col_stride, b, y.row_stride, y.col_stride, c, ldc, m, n, k);
}
template <class T>
void batched(const T* a, const Matrix& x, const Shape& xb, const T* b, const Matrix& y, const Shape& yb, const Shape& batch, T* c) {
  std::int64_t m = x.rows, n = y.cols, k = x.cols, count = batch.numel();
  auto at = [&](const Shape& strides, std::int64_t i) {
    std::int64_t o = 0;
    for (std::size_t d = batch.size(); d-- > 0;) {
      o += i % batch[d] * strides[d];
      i /= batch[d];
    }
    return o;
  };
  std::int64_t work = std::max<std::int64_t>(m * n * std::max<std::int64_t>(k, 1), 1);
  if (count == 1 && work > 200000) {  // split the larger side of the one product
    if (m >= n) {
      parallel_for(m, std::max<std::int64_t>(8, 100000 / std::max<std::int64_t>(n * k, 1)), [&](std::int64_t lo, std::int64_t hi) {
        Matrix part = x;
        part.rows = hi - lo;
        product(a + lo * x.row_stride, part, b, y, c + lo * n, n);
      });
    } else {
      parallel_for(n, std::max<std::int64_t>(16, 100000 / std::max<std::int64_t>(m * k, 1)), [&](std::int64_t lo, std::int64_t hi) {
        Matrix part = y;
        part.cols = hi - lo;
        product(a, x, b + lo * y.col_stride, part, c + lo, n);
      });
    }
    return;
  }
  parallel_for(count, std::max<std::int64_t>(1, 50000 / work), [&](std::int64_t lo, std::int64_t hi) {
    for (std::int64_t i = lo; i < hi; ++i) product(a + at(xb, i), x, b + at(yb, i), y, c + i * m * n, n);
  });
}

// Dimensions `dims` of an array as one: its extent and stride, where they are adjacent in memory.
bool fuse(const Shape& shape, const Shape& strides, const Shape& dims, std::int64_t& extent, std::int64_t& stride) {
  extent = 1;
  stride = 1;
  bool first = true;
  for (std::size_t i = dims.size(); i-- > 0;) {
    auto d = static_cast<std::size_t>(dims[i]);
    if (shape[d] == 1) continue;
    if (first) stride = strides[d];
    else if (strides[d] != stride * extent) return false;
    extent *= shape[d];
    first = false;
  }
  return true;
}
struct Deallocate {
  std::size_t bytes = 0;
  void operator()(void* p) const { deallocate(p, bytes); }
};
template <class T> struct Packed {
  const T* data;
  Matrix m;
  Shape batch_strides;
  std::unique_ptr<T, Deallocate> copy_of;
};
template <class T>
Packed<T> pack(const void* data, const Shape& shape, const Shape& strides, const Shape& rows, const Shape& cols, const Shape& batch) {
  Packed<T> p;
  std::int64_t nr, nc, sr, sc;
  bool rows_fuse = fuse(shape, strides, rows, nr, sr), ok = fuse(shape, strides, cols, nc, sc) && rows_fuse;
  nr = shape.pick(rows).numel();
  nc = shape.pick(cols).numel();
  p.data = static_cast<const T*>(data);
  p.m = {nr, nc, sr, sc};
  p.batch_strides = strides.pick(batch);
  if (ok) return p;
  Shape order = batch.concat(rows).concat(cols), s = shape.pick(order);
  auto bytes = static_cast<std::size_t>(s.numel()) * sizeof(T);
  p.copy_of = {static_cast<T*>(allocate(bytes)), {bytes}};
  copy(p.copy_of.get(), row_major(s), data, strides.pick(order), s, sizeof(T));
  p.data = p.copy_of.get();
  p.m = {nr, nc, std::max<std::int64_t>(nc, 1), 1};
  Shape full = row_major(s);
  p.batch_strides = Shape(full.data(), batch.size());
  return p;
}
template <class T> void run(const void* a, const Shape& as, const Shape& ast, const void* b, const Shape& bs, const Shape& bst, const Shape& lc,
                            const Shape& rc, const Shape& lb, const Shape& rb, void* out) {
  Shape batch = as.pick(lb);
  auto x = pack<T>(a, as, ast, lc.concat(lb).others(as.size()), lc, lb);
  auto y = pack<T>(b, bs, bst, rc, rc.concat(rb).others(bs.size()), rb);
  if (batch.numel() * x.m.rows * y.m.cols == 0) return;
  batched(x.data, x.m, x.batch_strides, y.data, y.m, y.batch_strides, batch, static_cast<T*>(out));
}
}  // namespace

void gemm(DType d, bool ta, bool tb, std::int64_t m, std::int64_t n, std::int64_t k, const void* a, std::int64_t lda, const void* b, std::int64_t ldb,
          void* c, std::int64_t ldc, bool accumulate) {
  one_thread();
  auto go = [&]<class T>(T) {
    dense(m, n, k, static_cast<const T*>(a), ta ? 1 : lda, ta ? lda : 1, static_cast<const T*>(b), tb ? 1 : ldb, tb ? ldb : 1, static_cast<T*>(c),
          ldc, accumulate);
  };
  if (d == DType::f32) go(float());
  else if (d == DType::f64) go(double());
  else throw DTypeError("gemm: not defined for dtype " + std::string(name_of(d)));
}
void dot_general(DType d, const void* a, const Shape& as, const Shape& ast, const void* b, const Shape& bs, const Shape& bst, const Shape& lc,
                 const Shape& rc, const Shape& lb, const Shape& rb, void* out) {
  one_thread();
  auto go = [&]<class T>(T) { run<T>(a, as, ast, b, bs, bst, lc, rc, lb, rb, out); };
  if (d == DType::f32) go(float());
  else if (d == DType::f64) go(double());
  else if (!with_integer(d, go))
    throw DTypeError("dot_general: not defined for dtype " + std::string(name_of(d)) + "; convert with to(f32) or to(f64)");
}

}  // namespace functra::kernels
