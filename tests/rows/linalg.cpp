// Linear algebra: the references are textbook loops in double. Operands are made regular inside of the sample (x + c 1 with c above
// the sums of rows), so that every arrangement of a sample's elements that the laws try is regular too.
#include <cmath>
#include <limits>

#include "functra/prims/cast.h"
#include "functra/prims/index.h"
#include "functra/prims/linalg.h"
#include "functra/prims/math.h"
#include "laws/row.h"

namespace functra::testing {
namespace {

struct Matrix {  // one matrix of an Array
  std::vector<double> v;
  std::size_t m, n;
  double& operator()(std::size_t i, std::size_t j) { return v[i * n + j]; }
  double operator()(std::size_t i, std::size_t j) const { return v[i * n + j]; }
};
std::size_t extent(const Array& a, std::size_t from_end) { return static_cast<std::size_t>(a.shape[a.shape.size() - from_end]); }
std::size_t count_of(const Array& a) { return static_cast<std::size_t>(Shape(a.shape.data(), a.shape.size() - 2).numel()); }
Matrix matrix(const Array& a, std::size_t b) {
  std::size_t m = extent(a, 2), n = extent(a, 1);
  auto at = a.v.begin() + static_cast<std::ptrdiff_t>(b * m * n);
  return {std::vector<double>(at, at + static_cast<std::ptrdiff_t>(m * n)), m, n};
}
Matrix transposed(const Matrix& a) {
  Matrix r{std::vector<double>(a.v.size()), a.n, a.m};
  for (std::size_t i = 0; i < a.m; ++i)
    for (std::size_t j = 0; j < a.n; ++j) r(j, i) = a(i, j);
  return r;
}
void put(Array& a, std::size_t b, const std::vector<double>& v) {
  std::copy(v.begin(), v.end(), a.v.begin() + static_cast<std::ptrdiff_t>(b * v.size()));
}
Array sized(const Shape& s) { return {s, std::vector<double>(static_cast<std::size_t>(s.numel()))}; }
Shape without_last(const Shape& s, std::size_t k) { return Shape(s.data(), s.size() - k); }

// What the samples do to their operand before the primitive: x scale + c 1, rows in reverse order if `turned`.
struct Regular {
  double c, scale;
  bool turned;
  Tensor operator()(const Tensor& x) const {
    Tensor y = core::add(prims::mul(x, prims::like(scale, x)), prims::mul(prims::identity_like(x), prims::like(c, x)));
    return turned ? prims::rev(y, {static_cast<std::int64_t>(x.sizes().size()) - 2}) : y;
  }
  Matrix operator()(const Array& a, std::size_t b) const {
    Matrix x = matrix(a, b), y = x;
    for (std::size_t i = 0; i < x.m; ++i)
      for (std::size_t j = 0; j < x.n; ++j) y(turned ? x.m - 1 - i : i, j) = scale * x(i, j) + (i == j ? c : 0);
    return y;
  }
};
Regular dominant(std::int64_t n, bool turned = false) { return {static_cast<double>(n) + 1, 1, turned}; }
Regular near_one(std::int64_t n) { return {1, 0.5 / (static_cast<double>(n) + 1), true}; }

struct Factors {
  Matrix lu;
  std::vector<double> pivots, permutation;
  double sign = 1;
};
Factors eliminate(Matrix a) {
  Factors f{a, {}, {}};
  Matrix& x = f.lu;
  for (std::size_t i = 0; i < x.m; ++i) f.permutation.push_back(static_cast<double>(i));
  for (std::size_t j = 0; j < std::min(x.m, x.n); ++j) {
    std::size_t p = j;
    for (std::size_t i = j; i < x.m; ++i)
      if (std::fabs(x(i, j)) > std::fabs(x(p, j))) p = i;
    f.pivots.push_back(static_cast<double>(p));
    for (std::size_t c = 0; c < x.n; ++c) std::swap(x(j, c), x(p, c));
    std::swap(f.permutation[j], f.permutation[p]);
    if (p != j) f.sign = -f.sign;
    for (std::size_t i = j + 1; i < x.m; ++i) {
      x(i, j) /= x(j, j);
      for (std::size_t c = j + 1; c < x.n; ++c) x(i, c) -= x(i, j) * x(j, c);
    }
  }
  return f;
}
std::vector<double> solution(const Matrix& a, const Matrix& b) {
  Factors f = eliminate(a);
  Matrix x = b;
  for (std::size_t i = 0; i < a.n; ++i)
    for (std::size_t c = 0; c < b.n; ++c) {
      x(i, c) = b(static_cast<std::size_t>(f.permutation[i]), c);
      for (std::size_t j = 0; j < i; ++j) x(i, c) -= f.lu(i, j) * x(j, c);
    }
  for (std::size_t i = a.n; i-- > 0;)
    for (std::size_t c = 0; c < b.n; ++c) {
      for (std::size_t j = i + 1; j < a.n; ++j) x(i, c) -= f.lu(i, j) * x(j, c);
      x(i, c) /= f.lu(i, i);
    }
  return x.v;
}
double determinant(const Matrix& a) {  // by cofactors, so that singular ones are exact
  if (a.n > 6) {
    Factors f = eliminate(a);
    double d = f.sign;
    for (std::size_t i = 0; i < a.n; ++i) d *= f.lu(i, i);
    return d;
  }
  if (a.n == 0) return 1;
  double d = 0;
  for (std::size_t j = 0; j < a.n; ++j) {
    Matrix minor{{}, a.n - 1, a.n - 1};
    for (std::size_t i = 1; i < a.n; ++i)
      for (std::size_t c = 0; c < a.n; ++c)
        if (c != j) minor.v.push_back(a(i, c));
    d += (j % 2 ? -1 : 1) * a(0, j) * determinant(minor);
  }
  return d;
}

// ---------------------------------------------------------------- samples
Row row_of(const char* name, DType d) {
  Row r;
  r.name = name;
  r.rtol = d == DType::f32 ? 2e-5 : 1e-12;
  r.atol = 1e-13;  // of what is zero but for rounding
  return r;
}
struct Case {
  Shape shape;
  int layout = 0;  // 1: columns first, 2: a strided view
};
std::vector<Case> square_cases() {
  return {{{0, 0}},       {{1, 1}},       {{2, 2}},          {{3, 3}},      {{6, 6}},         {{16, 16}},   {{17, 17}},
          {{40, 40}},     {{0, 3, 3}},    {{5, 3, 3}},       {{11, 2, 2}},  {{2, 3, 6, 6}},   {{3, 3}, 1},  {{3, 3}, 2},
          {{9, 3, 3}, 1}, {{9, 4, 4}, 2}, {{2, 3, 5, 5}, 1}, {{9, 20, 20}}, {{3, 18, 18}, 1}, {{18, 18}, 2}};
}
Tensor operand(const Case& c, DType d, int seed) {
  Tensor x = random_tensor(c.shape, d, -1, 1, seed);
  return c.layout == 1 ? transposed_view(x) : c.layout == 2 ? sliced_view(x) : x;
}
std::string name_of_case(const Case& c) { return c.shape.str() + (c.layout == 1 ? " columns first" : c.layout == 2 ? " strided" : ""); }
bool large(const Shape& s) { return s.numel() > 2000; }  // evaluation only
void add(Row& r, const std::string& name, const Vec& in, const Fn& f, const Reference& ref) {
  r.samples.push_back({name, in, f, ref});
  r.samples.back().differentiable = !large(in[0].sizes());
}

Row cholesky_row(DType d) {
  Row r = row_of("cholesky", d);
  for (const Case& c : square_cases()) {
    Regular regular = dominant(c.shape.back());
    add(
        r, name_of_case(c), {operand(c, d, 0)}, [regular](const Vec& x) { return Vec{prims::cholesky(regular(x[0]))}; },
        [regular](const std::vector<Array>& in) {
          Array y = in[0];
          for (std::size_t b = 0; b < count_of(y); ++b) {
            Matrix a = regular(in[0], b), l = a;
            for (double& v : l.v) v = 0;
            for (std::size_t j = 0; j < a.n; ++j)
              for (std::size_t i = j; i < a.n; ++i) {
                double s = (a(i, j) + a(j, i)) / 2;
                for (std::size_t k = 0; k < j; ++k) s -= l(i, k) * l(j, k);
                l(i, j) = i == j ? std::sqrt(s) : s / l(j, j);
              }
            put(y, b, l.v);
          }
          return std::vector<Array>{y};
        });
  }
  return r;
}
Row triangular_row(DType d) {
  Row r = row_of("triangular_solve", d);
  int variant = 0;
  auto cases = square_cases();
  for (const Case& c : {Case{{4, 4}}, Case{{4, 4}}, Case{{4, 4}}, Case{{4, 4}}, Case{{40, 40}}, Case{{40, 40}, 1}, Case{{33, 33}, 2}})
    cases.push_back(c);
  for (const Case& c : cases) {
    prims::TriangularParams p{(variant & 1) != 0, (variant & 2) != 0, (variant & 4) != 0};
    ++variant;
    for (std::int64_t k : {1, 5, 0, 37}) {
      if (k != 1 && (variant + k) % 3) continue;
      Regular regular = p.unit ? Regular{1, 0.5 / (static_cast<double>(c.shape.back()) + 1), false} : dominant(c.shape.back());
      Case rhs = c;
      rhs.shape[rhs.shape.size() - 1] = k;
      std::string name =
          name_of_case(c) + " k " + std::to_string(k) + (p.upper ? " upper" : "") + (p.transposed ? " transposed" : "") + (p.unit ? " unit" : "");
      add(
          r, name, {operand(c, d, 0), operand(rhs, d, 1)}, [=](const Vec& x) { return Vec{prims::triangular_solve(regular(x[0]), x[1], p)}; },
          [=](const std::vector<Array>& in) {
            Array y = in[1];
            for (std::size_t b = 0; b < count_of(y); ++b) {
              Matrix a = regular(in[0], b);
              for (std::size_t i = 0; i < a.n; ++i)
                for (std::size_t j = 0; j < a.n; ++j)
                  if (i == j) a(i, i) = p.unit ? 1 : a(i, i);
                  else if ((j > i) != p.upper) a(i, j) = 0;
              put(y, b, solution(p.transposed ? transposed(a) : a, matrix(in[1], b)));
            }
            return std::vector<Array>{y};
          });
    }
  }
  return r;
}
Row lu_row(DType d) {
  Row r = row_of("lu", d);
  auto cases = square_cases();
  for (const Shape& s :
       {Shape{3, 5}, Shape{5, 3}, Shape{1, 4}, Shape{4, 1}, Shape{0, 3}, Shape{3, 0}, Shape{20, 17}, Shape{17, 20}, Shape{2, 2, 4}, Shape{9, 5, 2}})
    cases.push_back({s, s[0] == 2 ? 1 : 0});
  for (const Case& c : cases)
    for (bool turned : {false, true}) {
      if (turned && large(c.shape)) continue;
      Regular regular = dominant(std::max(c.shape.back(), c.shape[c.shape.size() - 2]), turned && c.shape.back() == c.shape[c.shape.size() - 2]);
      add(
          r, name_of_case(c) + (turned ? " turned" : ""), {operand(c, d, 0)},
          [regular](const Vec& x) {
            prims::Lu f = prims::lu(regular(x[0]));
            return Vec{f.factors, f.pivots, f.permutation};
          },
          [regular](const std::vector<Array>& in) {
            const Shape& s = in[0].shape;
            Shape lead = without_last(s, 2);
            std::int64_t m = s[s.size() - 2], k = std::min(m, s.back());
            Array y = in[0], pivots = sized(lead.with(lead.size(), k)), permutation = sized(lead.with(lead.size(), m));
            for (std::size_t b = 0; b < count_of(y); ++b) {
              Factors f = eliminate(regular(in[0], b));
              put(y, b, f.lu.v);
              put(pivots, b, f.pivots);
              put(permutation, b, f.permutation);
            }
            return std::vector<Array>{y, pivots, permutation};
          });
    }
  return r;
}
Row solve_row(DType d) {
  Row r = row_of("solve", d);
  int variant = 0;
  for (const Case& c : square_cases())
    for (std::int64_t k : {1, 4, 0, 19}) {
      ++variant;
      if (k != 1 && variant % 3) continue;
      bool transposed_system = variant & 1, factored = variant & 2;
      Regular regular = dominant(c.shape.back(), true);
      Case rhs = c;
      rhs.shape[rhs.shape.size() - 1] = k;
      std::string name = name_of_case(c) + " k " + std::to_string(k) + (transposed_system ? " transposed" : "") + (factored ? " factored" : "");
      add(
          r, name, {operand(c, d, 0), operand(rhs, d, 1)},
          [=](const Vec& x) {
            Tensor a = regular(x[0]);
            if (!factored) return Vec{prims::solve(a, x[1], transposed_system)};
            return Vec{prims::solve(a, x[1], transposed_system, prims::lu(prims::stop_gradient(a)))};
          },
          [=](const std::vector<Array>& in) {
            Array y = in[1];
            for (std::size_t b = 0; b < count_of(y); ++b) {
              Matrix a = regular(in[0], b);
              put(y, b, solution(transposed_system ? transposed(a) : a, matrix(in[1], b)));
            }
            return std::vector<Array>{y};
          });
    }
  return r;
}
// Small integers; rank as stated.
Tensor of_rank(std::int64_t n, std::int64_t rank) {
  std::vector<double> v(static_cast<std::size_t>(n * n));
  for (std::int64_t k = 0; k < rank; ++k)
    for (std::int64_t i = 0; i < n; ++i)
      for (std::int64_t j = 0; j < n; ++j)
        v[static_cast<std::size_t>(i * n + j)] += static_cast<double>(((i * i + 3 * i * k + k) % 5 - 2) * ((j * j * k + 2 * j + k * k) % 7 - 3));
  return from_values({n, n}, DType::f64, v);
}
Row det_row(DType d) {
  Row r = row_of("det", d);
  auto reference = [](const Regular& regular) {
    return [regular](const std::vector<Array>& in) {
      Array y = sized(without_last(in[0].shape, 2));
      for (std::size_t b = 0; b < y.size(); ++b) y[b] = determinant(regular(in[0], b));
      return std::vector<Array>{y};
    };
  };
  for (const Case& c : square_cases()) {
    Regular regular = near_one(c.shape.back());
    add(
        r, name_of_case(c), {operand(c, d, 0)}, [regular](const Vec& x) { return Vec{prims::det(regular(x[0]))}; }, reference(regular));
  }
  if (d == DType::f32) return r;
  for (std::int64_t n : {2, 3, 4, 5, 6})
    for (std::int64_t rank = 0; rank <= n; ++rank)
      add(
          r, "rank " + std::to_string(rank) + " of " + std::to_string(n), {of_rank(n, rank)}, [](const Vec& x) { return Vec{prims::det(x[0])}; },
          reference({0, 1, false}));
  r.atol = 1e-9;  // elimination of a singular matrix
  return r;
}
Row slogdet_row(DType d) {
  Row r = row_of("slogdet", d);
  r.atol = d == DType::f32 ? 1e-5 : 1e-12;
  for (const Case& c : square_cases()) {
    Regular regular = near_one(c.shape.back());
    add(
        r, name_of_case(c), {operand(c, d, 0)},
        [regular](const Vec& x) {
          prims::SignLog s = prims::slogdet(regular(x[0]));
          return Vec{s.sign, s.log_abs};
        },
        [regular](const std::vector<Array>& in) {
          Array sign = sized(without_last(in[0].shape, 2)), log = sign;
          for (std::size_t b = 0; b < sign.size(); ++b) {
            double v = determinant(regular(in[0], b));
            sign[b] = v > 0 ? 1 : -1;
            log[b] = std::log(std::fabs(v));
          }
          return std::vector<Array>{sign, log};
        });
  }
  return r;
}
Row complete_row(DType d) {
  Row r = row_of("complete_pivots", d);
  r.zero_derivative = true;
  for (const Case& c : square_cases()) {
    if (c.shape.back() > 6 && d == DType::f32) continue;  // rounding decides between elements that nearly tie
    add(r, name_of_case(c), {operand(c, d, 0)},
        [](const Vec& x) {
          prims::CompletePivots p = prims::complete_pivots(prims::sin(prims::mul(prims::mul(x[0], x[0]), prims::like(999, x[0]))));
          return Vec{p.rows, p.cols, p.rows_inverse, p.cols_inverse, p.sign};
        },
        d == DType::f32 ? Reference() : [](const std::vector<Array>& in) {
          Shape per = without_last(in[0].shape, 1);
          Array rows = sized(per), cols = rows, rows_inverse = rows, cols_inverse = rows, sign = sized(without_last(per, 1));
          std::size_t n = extent(in[0], 1);
          for (std::size_t b = 0; b < count_of(in[0]); ++b) {
            Matrix x = matrix(in[0], b);
 for (double& v : x.v) v = std::sin(999 * v * v);  // of full rank and without ties

            double* p = rows.v.data() + b * n;
            double* q = cols.v.data() + b * n;
            for (std::size_t i = 0; i < n; ++i) p[i] = q[i] = static_cast<double>(i);
            sign[b] = 1;
            for (std::size_t j = 0; j < n; ++j) {
              std::size_t u = j, v = j;
              for (std::size_t i = j; i < n; ++i)
                for (std::size_t k = j; k < n; ++k)
                  if (std::fabs(x(i, k)) > std::fabs(x(u, v))) u = i, v = k;
              for (std::size_t k = 0; k < n; ++k) std::swap(x(j, k), x(u, k));
              for (std::size_t k = 0; k < n; ++k) std::swap(x(k, j), x(k, v));
              std::swap(p[j], p[u]);
              std::swap(q[j], q[v]);
              if ((u != j) != (v != j)) sign[b] = -sign[b];
              for (std::size_t i = j + 1; i < n; ++i)
                for (std::size_t k = n; k-- > j;) x(i, k) -= x(i, j) / x(j, j) * x(j, k);
            }
            for (std::size_t i = 0; i < n; ++i) {
              rows_inverse[b * n + static_cast<std::size_t>(p[i])] = static_cast<double>(i);
              cols_inverse[b * n + static_cast<std::size_t>(q[i])] = static_cast<double>(i);
            }
          }
          return std::vector<Array>{rows, cols, rows_inverse, cols_inverse, sign};
        });
  }
  return r;
}

}  // namespace

FUNCTRA_ROW(cholesky) { return cholesky_row(DType::f64); }
FUNCTRA_ROW(cholesky_f32) { return cholesky_row(DType::f32); }
FUNCTRA_ROW(triangular_solve) { return triangular_row(DType::f64); }
FUNCTRA_ROW(triangular_solve_f32) { return triangular_row(DType::f32); }
FUNCTRA_ROW(lu) { return lu_row(DType::f64); }
FUNCTRA_ROW(lu_f32) { return lu_row(DType::f32); }
FUNCTRA_ROW(solve) { return solve_row(DType::f64); }
FUNCTRA_ROW(solve_f32) { return solve_row(DType::f32); }
FUNCTRA_ROW(det) { return det_row(DType::f64); }
FUNCTRA_ROW(det_f32) { return det_row(DType::f32); }
FUNCTRA_ROW(slogdet) { return slogdet_row(DType::f64); }
FUNCTRA_ROW(slogdet_f32) { return slogdet_row(DType::f32); }
FUNCTRA_ROW(complete_pivots) { return complete_row(DType::f64); }
FUNCTRA_ROW(complete_pivots_f32) { return complete_row(DType::f32); }
FUNCTRA_ROW(lu_pivots_to_permutation) {
  Row r;
  for (const Shape& s : {Shape{3}, Shape{0}, Shape{2, 4}, Shape{0, 2}, Shape{2, 3, 5}})
    for (bool inverse : {false, true})
      for (std::int64_t more : {0, 2}) {
        std::int64_t rows = s.back() + more;
        for (int layout : {0, 1, 2})
          r.samples.push_back({s.str() + (inverse ? " inverse" : ""),
                               {operand({s, layout}, DType::i32, 0)},
                               [=](const Vec& x) {  // any integers, made valid
                                 Tensor n = Tensor::literal_of(Scalar(std::max<std::int64_t>(rows, 1)), DType::i32);
                                 return Vec{prims::lu_pivots_to_permutation(prims::rem(x[0], n), rows, inverse)};
                               },
                               [=](const std::vector<Array>& in) {
                                 Shape t = s;
                                 t[t.size() - 1] = rows;
                                 Array y = sized(t);
                                 auto m = static_cast<std::size_t>(rows), k = static_cast<std::size_t>(s.back());
                                 for (std::size_t b = 0; b * m < y.size(); ++b) {
                                   std::vector<double> p(m), q(m);
                                   for (std::size_t i = 0; i < m; ++i) p[i] = static_cast<double>(i);
                                   for (std::size_t i = 0; i < k; ++i) {
                                     double v = std::fmod(in[0][b * k + i], static_cast<double>(rows));
                                     std::swap(p[i], p[static_cast<std::size_t>(v < 0 ? v + static_cast<double>(rows) : v)]);
                                   }
                                   for (std::size_t i = 0; i < m; ++i) q[static_cast<std::size_t>(p[i])] = static_cast<double>(i);
                                   put(y, b, inverse ? q : p);
                                 }
                                 return std::vector<Array>{y};
                               }});
      }
  return r;
}

}  // namespace functra::testing
