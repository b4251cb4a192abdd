#include "functra/kernels/linalg.h"

#include <algorithm>
#include <cmath>
#include <memory>
#include <numeric>
#include <string>
#include <vector>

#include "functra/base/errors.h"
#include "functra/base/pool.h"
#include "functra/kernels/linalg_base_simd.h"
#include "functra/kernels/linalg_dense.h"
#include "functra/kernels/linalg_simd.h"
#include "functra/kernels/scratch.h"
#include "functra/kernels/strided.h"

namespace functra::kernels {
namespace {
using Offset = std::int64_t;
constexpr Offset kBlock = 16;  // matrices: a multiple of every vector's lanes
// One matrix per lane. Measured with 8 lanes of f64, ns per matrix in lanes / by recursion / by LAPACK: Cholesky n = 16 150 / - / 490,
// n = 32 1000 / 1770 / 1780; LU n = 16 200 / - / 700, n = 32 1600 / 3000 / 3700.
// Few matrices with many right-hand sides have their columns in lanes instead.
bool in_lanes(Offset n, Offset count, Offset columns = 0) { return (n <= 16 && (count >= 4 || columns < 8)) || (n <= kLaneSize && count >= 8); }

Shape leading(const Shape& s) { return Shape(s.data(), s.size() - 2); }
Offset count_of(const MatrixBatch& a) { return leading(a.shape).numel(); }
Offset rows_of(const MatrixBatch& a) { return a.shape[a.shape.size() - 2]; }
Offset cols_of(const MatrixBatch& a) { return a.shape.back(); }
Offset row_stride(const MatrixBatch& a) { return a.strides[a.strides.size() - 2]; }
Offset col_stride(const MatrixBatch& a) { return a.strides.back(); }

// Where the matrices of one or two operands lie: at a fixed step, or wherever their leading strides lead.
class Places {
 public:
  Places(const MatrixBatch& a, const MatrixBatch& b)
      : nest_(leading(a.shape), {&(out_ = row_major(leading(a.shape))), &(a_ = leading(a.strides)), &(b_ = leading(b.strides))}, false) {}
  bool uniform() const { return nest_.rank() <= 1; }
  Offset step(int k) const { return nest_.inner_stride(k); }
  // Of matrices [lo, hi), for operands 1 and 2.
  void offsets(Offset lo, Offset hi, std::vector<Offset>& a, std::vector<Offset>& b) const {
    a.clear();
    b.clear();
    Offset inner = nest_.inner();
    for_rows(nest_, lo / inner, (hi + inner - 1) / inner, [&](const Offset* o) {
      for (Offset i = 0; i < inner; ++i) {
        a.push_back(o[1] + i * step(1));
        b.push_back(o[2] + i * step(2));
      }
    });
    a.erase(a.begin(), a.begin() + lo % inner);
    b.erase(b.begin(), b.begin() + lo % inner);
  }

 private:
  Shape out_, a_, b_;
  Collapsed nest_;
};

// Runs f(lanes of a, lanes of b, first, count) on parts of the batch. ns: of one matrix.
template <class T, class F> void by_lanes(const MatrixBatch& a, const MatrixBatch& b, double ns, F f) {
  Places places(a, b);
  Offset count = count_of(a), grain = std::max<Offset>(1, static_cast<Offset>(5000 / (ns * kBlock)));
  parallel_for((count + kBlock - 1) / kBlock, grain, [&](Offset lo, Offset hi) {
    lo *= kBlock;
    hi = std::min(count, hi * kBlock);
    Lanes x{a.data, nullptr, places.step(1), row_stride(a), col_stride(a)}, y{b.data, nullptr, places.step(2), row_stride(b), col_stride(b)};
    std::vector<Offset> at, bt;
    if (places.uniform()) {
      x.data = static_cast<const T*>(a.data) + lo * x.step;
      y.data = static_cast<const T*>(b.data) + lo * y.step;
    } else {
      places.offsets(lo, hi, at, bt);
      x.offset = at.data();
      y.offset = bt.data();
    }
    f(x, y, lo, hi - lo);
  });
}
// Runs f(matrix of a, matrix of b, index) on each.
template <class T, class F> void one_by_one(const MatrixBatch& a, const MatrixBatch& b, F f) {
  Places places(a, b);
  parallel_for(count_of(a), 1, [&](Offset lo, Offset hi) {
    std::vector<Offset> at, bt;
    if (!places.uniform()) places.offsets(lo, hi, at, bt);
    for (Offset i = lo; i < hi; ++i) {
      auto k = static_cast<std::size_t>(i - lo);
      f(Strided<T>{static_cast<const T*>(a.data) + (at.empty() ? i * places.step(1) : at[k]), row_stride(a), col_stride(a)},
        Strided<T>{static_cast<const T*>(b.data) + (bt.empty() ? i * places.step(2) : bt[k]), row_stride(b), col_stride(b)}, i);
    }
  });
}
template <class F> void with_type(DType d, const char* who, F f) {
  if (d == DType::f32) f(float());
  else if (d == DType::f64) f(double());
  else throw DTypeError(std::string(who) + ": not defined for dtype " + std::string(name_of(d)) + "; convert with to(f32) or to(f64)");
}
double small_ns(Offset n, Offset k) { return 2 + 0.05 * static_cast<double>(n * n * (n / 3 + k)); }  // of one matrix, roughly

template <class T> void copy_matrix(T* to, Offset rows, Offset cols, Strided<T> from) {
  copy(to, Shape{cols, 1}, from.data, Shape{from.rs, from.cs}, Shape{rows, cols}, sizeof(T));
}
template <class T> void solve_by_factors(Offset n, Offset k, bool transposed, Strided<T> f, const std::int32_t* permutation, Strided<T> b, T* x) {
  auto rows = [&](auto f) {
    for (Offset i = 0; i < n; ++i) f(i, static_cast<Offset>(permutation[i]));
  };
  if (!transposed) {
    rows([&](Offset i, Offset from) {
      for (Offset c = 0; c < k; ++c) x[i * k + c] = *b.at(from, c).data;
    });
    triangular_solve_dense(n, false, true, f, x, k, k);
    triangular_solve_dense(n, true, false, f, x, k, k);
    return;
  }
  Scratch<T> y(n * k);
  copy_matrix<T>(y, n, k, b);
  triangular_solve_dense<T>(n, false, false, f.transposed(), y, k, k);
  triangular_solve_dense<T>(n, true, true, f.transposed(), y, k, k);
  rows([&](Offset i, Offset to) { std::copy_n(y + i * k, k, x + to * k); });
}
// Row i of the result comes from row permutation[i]; true if the permutation is odd.
bool permutation_of(const std::int32_t* pivots, Offset k, Offset m, std::int32_t* permutation) {
  bool odd = false;
  std::iota(permutation, permutation + m, 0);
  for (Offset i = 0; i < k; ++i) {
    Offset p = pivots[i];
    if (p < 0 || p >= m)
      throw IndexError("lu_pivots_to_permutation: pivot " + std::to_string(p) + " is out of range for " + std::to_string(m) + " rows");
    odd ^= p != i;
    std::swap(permutation[i], permutation[p]);
  }
  return odd;
}
// sign and logarithm, or mantissa and exponent, of the product of a diagonal.
struct Product {
  double sign = 1, log = 0, mantissa = 1;
  int exponent = 0;
};
template <class T> Product diagonal_product(Offset n, const T* a, const std::int32_t* pivots) {
  Product p;
  for (Offset i = 0; i < n; ++i) {
    double u = static_cast<double>(a[i * (n + 1)]);
    p.sign *= u == 0 || u != u ? u : std::copysign(1.0, u);
    p.log += std::log(std::fabs(u));
    if (pivots[i] != i) {
      p.sign = -p.sign;
      u = -u;
    }
    int e;
    p.mantissa = std::frexp(p.mantissa * u, &e);
    p.exponent += e;
  }
  return p;
}
template <class T, class F> void determinants(Offset n, const MatrixBatch& a, F f) {
  one_by_one<T>(a, a, [&](Strided<T> x, Strided<T>, Offset i) {
    Scratch<T> s(n * n);
    Scratch<std::int32_t> pivots(n);
    copy_matrix<T>(s, n, n, x);
    lu_dense<T>(n, n, s, n, pivots);
    f(i, diagonal_product<T>(n, s, pivots));
  });
}

}  // namespace

void cholesky(DType d, const MatrixBatch& a, void* out) {
  Offset n = rows_of(a);
  if (a.shape.has(0)) return;
  with_type(d, "cholesky", [&]<class T>(T) {
    T* y = static_cast<T*>(out);
    if (in_lanes(n, count_of(a)))
      return by_lanes<T>(a, a, small_ns(n, 0), [&](const Lanes& x, const Lanes&, Offset first, Offset count) {
        cholesky_lanes(static_cast<int>(n), x, y + first * n * n, count);
      });
    one_by_one<T>(a, a, [&](Strided<T> x, Strided<T>, Offset b) {
      Scratch<T> s(n * n);
      Strided<T> rows = x.cs != 1 && x.rs == 1 ? x.transposed() : x;  // symmetric in effect
      Scratch<T> packed(rows.cs == 1 ? 1 : n * n);
      if (rows.cs != 1) {
        copy_matrix<T>(packed, n, n, rows);
        rows = {packed, n, 1};
      }
      transpose_base(n, n, rows.data, rows.rs, s, n, false);
      for (Offset i = 0; i < n; ++i) average_base(n - i, rows.data + i * rows.rs + i, s + i * n + i);
      cholesky_dense<T>(n, s, n);
      T* l = y + b * n * n;
      transpose_base(n, n, static_cast<const T*>(s), n, l, n, true);
      for (Offset i = 0; i < n; ++i) std::fill(l + i * n + i + 1, l + (i + 1) * n, T(0));
    });
  });
}

void triangular_solve(DType d, bool upper, bool transposed, bool unit, const MatrixBatch& a, const MatrixBatch& b, void* out) {
  Offset n = rows_of(a), k = cols_of(b);
  if (b.shape.has(0)) return;
  with_type(d, "triangular_solve", [&]<class T>(T) {
    T* y = static_cast<T*>(out);
    if (in_lanes(n, count_of(a), k))
      return by_lanes<T>(a, b, small_ns(n, k), [&](const Lanes& l, const Lanes& r, Offset first, Offset count) {
        triangular_solve_lanes(static_cast<int>(n), k, upper, transposed, unit, l, r, y + first * n * k, count);
      });
    one_by_one<T>(a, b, [&](Strided<T> l, Strided<T> r, Offset i) {
      T* x = y + i * n * k;
      copy_matrix(x, n, k, r);
      triangular_solve_dense(n, upper != transposed, unit, transposed ? l.transposed() : l, x, k, k);
    });
  });
}

void lu(DType d, const MatrixBatch& a, void* out, std::int32_t* pivots) {
  Offset m = rows_of(a), n = cols_of(a), k = std::min(m, n);
  if (a.shape.has(0)) return;
  with_type(d, "lu", [&]<class T>(T) {
    T* y = static_cast<T*>(out);
    if (in_lanes(std::max(m, n), count_of(a)))
      return by_lanes<T>(a, a, small_ns(std::max(m, n), n), [&](const Lanes& x, const Lanes&, Offset first, Offset count) {
        lu_lanes(static_cast<int>(m), static_cast<int>(n), x, y + first * m * n, pivots + first * k, count);
      });
    one_by_one<T>(a, a, [&](Strided<T> x, Strided<T>, Offset i) {
      copy_matrix(y + i * m * n, m, n, x);
      lu_dense(m, n, y + i * m * n, n, pivots + i * k);
    });
  });
}

void pivots_to_permutation(const std::int32_t* pivots, Offset count, Offset k, Offset m, bool inverse, std::int32_t* permutation) {
  Scratch<std::int32_t> forward(inverse ? m : 0);
  for (Offset i = 0; i < count; ++i, pivots += k, permutation += m) {
    permutation_of(pivots, k, m, inverse ? static_cast<std::int32_t*>(forward) : permutation);
    for (Offset j = 0; inverse && j < m; ++j) permutation[forward[j]] = static_cast<std::int32_t>(j);
  }
}

void solve(DType d, bool transposed, const MatrixBatch& a, const MatrixBatch& b, void* out) {
  Offset n = rows_of(a), k = cols_of(b);
  if (b.shape.has(0)) return;
  with_type(d, "solve", [&]<class T>(T) {
    T* y = static_cast<T*>(out);
    if (in_lanes(n, count_of(a), k))
      return by_lanes<T>(a, b, small_ns(n, n + k), [&](const Lanes& l, const Lanes& r, Offset first, Offset count) {
        solve_lanes(static_cast<int>(n), k, transposed, l, r, y + first * n * k, count);
      });
    one_by_one<T>(a, b, [&](Strided<T> x, Strided<T> r, Offset i) {
      Scratch<T> f(n * n);
      Scratch<std::int32_t> pivots(n), permutation(n);
      copy_matrix<T>(f, n, n, x);
      lu_dense<T>(n, n, f, n, pivots);
      permutation_of(pivots, n, n, permutation);
      solve_by_factors(n, k, transposed, Strided<T>{f, n, 1}, permutation, r, y + i * n * k);
    });
  });
}
void solve_factored(DType d, bool transposed, const MatrixBatch& factors, const std::int32_t* permutation, const MatrixBatch& b, void* out) {
  Offset n = rows_of(factors), k = cols_of(b);
  if (b.shape.has(0)) return;
  with_type(d, "solve", [&]<class T>(T) {
    one_by_one<T>(factors, b, [&](Strided<T> f, Strided<T> r, Offset i) {
      solve_by_factors(n, k, transposed, f, permutation + i * n, r, static_cast<T*>(out) + i * n * k);
    });
  });
}

void det(DType d, const MatrixBatch& a, void* out) {
  Offset n = rows_of(a);
  with_type(d, "det", [&]<class T>(T) {
    T* y = static_cast<T*>(out);
    if (n == 0) std::fill_n(y, count_of(a), T(1));
    else if (in_lanes(n, count_of(a)))
      by_lanes<T>(a, a, small_ns(n, n),
                  [&](const Lanes& x, const Lanes&, Offset first, Offset count) { det_lanes(static_cast<int>(n), x, y + first, count); });
    else determinants<T>(n, a, [&](Offset i, const Product& p) { y[i] = static_cast<T>(std::ldexp(p.mantissa, p.exponent)); });
  });
}
void slogdet(DType d, const MatrixBatch& a, void* sign, void* log_abs) {
  Offset n = rows_of(a);
  with_type(d, "slogdet", [&]<class T>(T) {
    T *s = static_cast<T*>(sign), *y = static_cast<T*>(log_abs);
    if (n == 0) {
      std::fill_n(s, count_of(a), T(1));
      std::fill_n(y, count_of(a), T(0));
    } else if (in_lanes(n, count_of(a))) {
      by_lanes<T>(a, a, small_ns(n, n), [&](const Lanes& x, const Lanes&, Offset first, Offset count) {
        slogdet_lanes(static_cast<int>(n), x, s + first, y + first, count);
      });
    } else {
      determinants<T>(n, a, [&](Offset i, const Product& p) {
        s[i] = static_cast<T>(p.sign);
        y[i] = static_cast<T>(p.log);
      });
    }
  });
}

void complete_pivots(DType d, const MatrixBatch& a, std::int32_t* rows, std::int32_t* cols, std::int32_t* rows_inverse, std::int32_t* cols_inverse,
                     void* sign) {
  Offset n = rows_of(a), count = count_of(a);
  with_type(d, "complete_pivots", [&]<class T>(T) {
    if (n == 0) return std::fill_n(static_cast<T*>(sign), count, T(1)), void();
    Scratch<std::int32_t> row_pivots(count * n), col_pivots(count * n), rank(count);
    if (in_lanes(n, count_of(a)))
      by_lanes<T>(a, a, small_ns(n, n), [&](const Lanes& x, const Lanes&, Offset first, Offset k) {
        complete_pivots_lanes(static_cast<int>(n), x, static_cast<T*>(nullptr), row_pivots + first * n, col_pivots + first * n, rank + first, k);
      });
    else
      one_by_one<T>(a, a, [&](Strided<T> x, Strided<T>, Offset i) {
        Scratch<T> s(n * n);
        copy_matrix<T>(s, n, n, x);
        rank[i] = complete_pivots_dense<T>(n, s, row_pivots + i * n, col_pivots + i * n);
      });
    for (Offset i = 0; i < count; ++i) {
      bool odd = permutation_of(row_pivots + i * n, n, n, rows + i * n) != permutation_of(col_pivots + i * n, n, n, cols + i * n);
      for (Offset k = 0; k < n; ++k) {
        rows_inverse[i * n + rows[i * n + k]] = static_cast<std::int32_t>(k);
        cols_inverse[i * n + cols[i * n + k]] = static_cast<std::int32_t>(k);
      }
      static_cast<T*>(sign)[i] = rank[i] < n - 3 ? T(0) : odd ? T(-1) : T(1);
    }
  });
}

}  // namespace functra::kernels
