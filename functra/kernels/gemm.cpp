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

// One product, or rows of it, in this thread.
template <class T> void product(const T* a, const Matrix& x, const T* b, const Matrix& y, T* c, std::int64_t ldc) {
  std::int64_t m = x.rows, n = y.cols, k = x.cols;
  if constexpr (std::is_floating_point_v<T>) dense(m, n, k, a, x.row_stride, x.col_stride, b, y.row_stride, y.col_stride, c, ldc, false);
  else small_int(a, x.row_stride, x.col_stride, b, y.row_stride, y.col_stride, c, ldc, m, n, k);
}
// Products that are gone over: where the k-th has its operands and its result.
struct Over {
  Shape extent, a, b, c;  // and strides of each
  static std::int64_t at(const Shape& extent, const Shape& strides, std::int64_t i) {
    std::int64_t o = 0;
    for (std::size_t d = extent.size(); d-- > 0;) {
      o += i % extent[d] * strides[d];
      i /= extent[d];
    }
    return o;
  }
};
template <class T> void products(const T* a, const Matrix& x, const T* b, const Matrix& y, T* c, std::int64_t ldc, const Over& over) {
  std::int64_t m = x.rows, n = y.cols, k = x.cols, count = over.extent.numel();
  constexpr std::int64_t large = 200000, few = 16;
  std::int64_t work = std::max<std::int64_t>(m * n * std::max<std::int64_t>(k, 1), 1);
  auto rows = [&](std::int64_t i, std::int64_t lo, std::int64_t hi) {
    Matrix part = x;
    part.rows = hi - lo;
    product(a + Over::at(over.extent, over.a, i) + lo * x.row_stride, part, b + Over::at(over.extent, over.b, i), y,
            c + Over::at(over.extent, over.c, i) + lo * ldc, ldc);
  };
  if (count == 1 && work > large) {  // split the larger side of the one product
    if (m >= n) {
      parallel_for(m, std::max<std::int64_t>(8, 100000 / std::max<std::int64_t>(n * k, 1)),
                   [&](std::int64_t lo, std::int64_t hi) { rows(0, lo, hi); });
    } else {
      parallel_for(n, std::max<std::int64_t>(16, 100000 / std::max<std::int64_t>(m * k, 1)), [&](std::int64_t lo, std::int64_t hi) {
        Matrix part = y;
        part.cols = hi - lo;
        product(a, x, b + lo * y.col_stride, part, c + lo, ldc);
      });
    }
    return;
  }
  // Of a few large ones, each in parts, so that threads have equal shares.
  const bool uneven = num_threads() > 1 && work > large && count < few;
  const std::int64_t parts = uneven ? std::clamp<std::int64_t>(m / 32, 1, (few + count - 1) / count) : 1;
  parallel_for(count * parts, std::max<std::int64_t>(1, 50000 * parts / work), [&](std::int64_t lo, std::int64_t hi) {
    for (std::int64_t i = lo; i < hi; ++i) rows(i / parts, i % parts * m / parts, (i % parts + 1) * m / parts);
  });
}

// Dimensions dims[from ...] of an array as one: its extent and stride, where they are adjacent in memory.
bool fuse(const Shape& shape, const Shape& strides, const Shape& dims, std::size_t from, std::int64_t& extent, std::int64_t& stride) {
  extent = 1;
  stride = 1;
  bool first = true;
  for (std::size_t i = dims.size(); i-- > from;) {
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
// An operand as matrices: its free dimensions by those that are summed over. Free dimensions that lie apart in memory are gone over where
// matrices of the inner ones are worth a product each; else, and where the others lie apart, it is copied. Those that lie apart in the result
// are gone over in any case.
template <class T> struct Operand {
  const T* data;
  std::int64_t n_free, n_sum, free_stride, sum_stride, out_stride;
  Shape batch_strides, outer, outer_strides, outer_out;  // outer: extents of the free dimensions gone over
  std::unique_ptr<T, Deallocate> copy_of;
};
// The first of `dims` from which on they are one.
std::size_t together(const Shape& shape, const Shape& strides, const Shape& dims, std::size_t from, std::int64_t& extent, std::int64_t& stride) {
  while (!fuse(shape, strides, dims, from, extent, stride)) ++from;
  return from;
}
// in_place: is it not copied, if it can be used so? out: the strides that the result has along the free dimensions.
template <class T> Operand<T> operand(const void* data, const Shape& shape, const Shape& strides, const Shape& free, const Shape& sum,
                                      const Shape& batch, bool right, bool in_place, const Shape& out) {
  Operand<T> p;
  const Shape extents = shape.pick(free), of_free = strides.pick(free), all = Shape::iota(free.size());
  const std::size_t apart = together(extents, out, all, 0, p.n_free, p.out_stride);
  const std::size_t from = together(extents, of_free, all, apart, p.n_free, p.free_stride);
  in_place = fuse(shape, strides, sum, 0, p.n_sum, p.sum_stride) && (from == apart || in_place);
  auto gone_over = [&](std::size_t n, const Shape& free_strides) {
    p.outer = Shape(extents.data(), n);
    p.outer_strides = Shape(free_strides.data(), n);
    p.outer_out = Shape(out.data(), n);
  };
  p.data = static_cast<const T*>(data);
  if (in_place) {
    (void)fuse(extents, out, all, from, p.n_free, p.out_stride);
    p.batch_strides = strides.pick(batch);
    gone_over(from, of_free);
    return p;
  }
  Shape order = right ? batch.concat(sum).concat(free) : batch.concat(free).concat(sum), s = shape.pick(order);
  auto bytes = static_cast<std::size_t>(s.numel()) * sizeof(T);
  p.copy_of = {static_cast<T*>(allocate(bytes)), {bytes}};
  copy(p.copy_of.get(), row_major(s), data, strides.pick(order), s, sizeof(T));
  p.data = p.copy_of.get();
  const Shape full = row_major(s), copied(full.data() + batch.size() + (right ? sum.size() : 0), free.size());
  (void)fuse(extents, out, all, apart, p.n_free, p.out_stride);
  p.n_sum = shape.pick(sum).numel();
  p.free_stride = right ? 1 : std::max<std::int64_t>(p.n_sum, 1);
  p.sum_stride = right ? std::max<std::int64_t>(extents.numel(), 1) : 1;
  p.batch_strides = Shape(full.data(), batch.size());
  gone_over(apart, copied);
  return p;
}
// How many of an operand's free dimensions lie together, at the end, and is that all of them?
std::pair<std::int64_t, bool> tile(const Shape& shape, const Shape& strides, const Shape& free) {
  std::int64_t n, stride;
  const std::size_t from = together(shape, strides, free, 0, n, stride);
  return {n, from == 0};
}
template <class T> void run(const void* a, const Shape& as, const Shape& ast, const void* b, const Shape& bs, const Shape& bst, const Shape& lc,
                            const Shape& rc, const Shape& lb, const Shape& rb, void* out, const Shape* out_strides) {
  const Shape batch = as.pick(lb), a_free = lc.concat(lb).others(as.size()), b_free = rc.concat(rb).others(bs.size());
  const Shape whole = batch.concat(as.pick(a_free)).concat(bs.pick(b_free)), at = out_strides ? *out_strides : row_major(whole);
  if (whole.numel() == 0) return;
  const std::size_t n_batch = batch.size();
  auto strides_of = [&](std::size_t from, std::size_t n) { return Shape(at.data() + from, n); };
  const Shape of_rows = strides_of(n_batch, a_free.size()), of_cols = strides_of(n_batch + a_free.size(), b_free.size());
  std::int64_t n, step;
  (void)together(bs.pick(b_free), of_cols, Shape::iota(b_free.size()), 0, n, step);
  if (n > 1 && step != 1) {  // columns with gaps: in order first
    const std::size_t bytes = static_cast<std::size_t>(whole.numel()) * sizeof(T);
    std::unique_ptr<T, Deallocate> ordered(static_cast<T*>(allocate(bytes)), {bytes});
    run<T>(a, as, ast, b, bs, bst, lc, rc, lb, rb, ordered.get(), nullptr);
    return copy(out, at, ordered.get(), row_major(whole), whole, sizeof(T));
  }
  // Measured: many small products in place of a copy pay where each has vectors without remainders and more than a few rows.
  constexpr std::int64_t wide = 32, large = 128, few = 16, vector = 16;
  const auto [rows, rows_whole] = tile(as, ast, a_free);
  const auto [cols, cols_whole] = tile(bs, bst, b_free);
  const bool both = !rows_whole && !cols_whole, fitting = cols >= large || cols % vector == 0;
  const bool x_in_place = rows >= (both ? large : wide) && (cols == 1 || cols > few) && (!both || cols >= large);
  const bool y_in_place = cols >= (both ? large : wide) && fitting && (rows == 1 || rows > few) && (!both || rows >= large);
  const auto x = operand<T>(a, as, ast, a_free, lc, lb, false, x_in_place, of_rows);
  const auto y = operand<T>(b, bs, bst, b_free, rc, rb, true, y_in_place, of_cols);
  const Shape of_x = Shape::filled(x.outer.size(), 0), of_y = Shape::filled(y.outer.size(), 0);
  const Over over{batch.concat(x.outer).concat(y.outer), x.batch_strides.concat(x.outer_strides).concat(of_y),
                  y.batch_strides.concat(of_x).concat(y.outer_strides), strides_of(0, n_batch).concat(x.outer_out).concat(y.outer_out)};
  products(x.data, {x.n_free, x.n_sum, x.free_stride, x.sum_stride}, y.data, {y.n_sum, y.n_free, y.sum_stride, y.free_stride}, static_cast<T*>(out),
           x.n_free == 1 ? y.n_free : x.out_stride, over);
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
                 const Shape& rc, const Shape& lb, const Shape& rb, void* out, const Shape* out_strides) {
  one_thread();
  auto go = [&]<class T>(T) { run<T>(a, as, ast, b, bs, bst, lc, rc, lb, rb, out, out_strides); };
  if (d == DType::f32) go(float());
  else if (d == DType::f64) go(double());
  else if (!with_integer(d, go))
    throw DTypeError("dot_general: not defined for dtype " + std::string(name_of(d)) + "; convert with to(f32) or to(f64)");
}

}  // namespace functra::kernels
