#include "functra/ops/linalg.h"

#include <algorithm>

#include "functra/ops/elementwise.h"
#include "functra/prims/cast.h"
#include "functra/prims/index.h"
#include "functra/prims/linalg.h"
#include "functra/prims/math.h"
#include "functra/prims/reduce.h"
#include "functra/prims/shape.h"

namespace functra::linalg {
namespace {

using core::Site;
using prims::matrix_transpose;

std::string quoted(const char* who, const Tensor& x) { return std::string("linalg::") + who + ": shape " + x.sizes().str(); }
Shape leading(const Shape& s) { return Shape(s.data(), s.size() - 2); }
Tensor matrices(const Tensor& x, const char* who) {
  if (!x.defined()) throw ValueError(std::string("linalg::") + who + ": an operand is an undefined Tensor (default constructed)");
  DType d = x.dtype();
  if (d != DType::f32 && d != DType::f64)
    throw DTypeError(std::string("linalg::") + who + ": not defined for dtype " + std::string(name_of(d)) + "; convert with to(f32) or to(f64)");
  if (x.dim() < 2) throw ShapeError(quoted(who, x) + " has no matrices: at least two dimensions are needed");
  return ops::firm(x);
}
Tensor square(const Tensor& x, const char* who) {
  Tensor a = matrices(x, who);
  if (a.size(-1) != a.size(-2)) throw ShapeError(quoted(who, a) + " does not hold square matrices [..., n, n]");
  return a;
}
void promote(Tensor& a, Tensor& b, const char* who) {
  ops::promote(a, b, who);
  a = ops::firm(a);
  b = ops::firm(b);
}

// f(a, b) of square a and b [..., n, k], with batches broadcast. The columns of a batch of b that one matrix serves are joined.
template <class F> Tensor system(const char* who, const Tensor& a, const Tensor& b, F f) {
  Shape s = a.sizes(), t = b.sizes();
  if (t.size() < 2 || t[t.size() - 2] != s.back())
    throw ShapeError(quoted(who, a) + " does not fit right-hand sides of shape " + t.str() + ", which need " + std::to_string(s.back()) + " rows");
  if (s.size() == 2 && t.size() > 2) {
    auto r = static_cast<int>(t.size());
    Tensor front = core::move_dim(b, r - 2, 0);
    Shape moved = front.sizes();
    Tensor x = f(a, prims::reshape(front, Shape{s[0], b.numel() / std::max<std::int64_t>(s[0], 1)}));
    return core::move_dim(prims::reshape(x, moved), 0, r - 2);
  }
  Shape lead = broadcast_shapes(leading(s), leading(t), who);
  return f(ops::broadcast_to(a, lead.concat({s.back(), s.back()}), who), ops::broadcast_to(b, lead.concat({t[t.size() - 2], t.back()}), who));
}
// x a = b as a^T x^T = b^T.
template <class F> Tensor on_side(bool left, const Tensor& b, F f) {
  if (left) return f(b);
  if (b.dim() < 2) throw ShapeError("linalg: right-hand sides of shape " + b.sizes().str() + " are not matrices");
  return matrix_transpose(f(matrix_transpose(b)));
}

// The number, from 1, of the first true element along the last dimension; 0 if there is none.
Tensor first_true(const Tensor& bad) {
  Shape s = bad.sizes();
  std::int64_t n = s.back();
  Shape lead = s.without(s.size() - 1);
  Tensor none = Tensor::literal_of(Scalar(n + 1), DType::i32), zero = Tensor::literal_of(Scalar(std::int64_t{0}), DType::i32);
  if (n == 0) return core::zeros({DType::i32, false, lead});
  Tensor number = core::add(prims::iota(DType::i32, s, s.rank() - 1), Tensor::literal_of(Scalar(std::int64_t{1}), DType::i32));
  Tensor first = prims::reduce_min(core::select(bad, number, none), {s.rank() - 1});
  return core::select(prims::eq(first, none), zero, first);
}
Tensor cholesky_info(const Tensor& factor) {
  Tensor d = prims::matrix_diagonal(prims::stop_gradient(factor));
  return first_true(prims::ne(d, d));
}
Tensor singular_info(const Tensor& factors) {
  Tensor d = prims::matrix_diagonal(prims::stop_gradient(factors));
  return first_true(prims::eq(d, prims::like(0, d)));
}
// Raises for the first matrix whose info is not zero; what(info) says why.
template <class F> void check_info(const char* who, const Tensor& info, F what) {
  std::vector<std::int64_t> v;
  try {
    v = info.to_vector<std::int64_t>();
  } catch (const TracerError& e) {
    throw TracerError(std::string("linalg::") + who + ": check = true reads the matrices, which is refused while they are traced or mapped; use " +
                      who + "_ex and return its info, or check outside of the transform (" + e.what() + ")");
  }
  auto bad = std::find_if(v.begin(), v.end(), [](std::int64_t i) { return i != 0; });
  if (bad == v.end()) return;
  Shape s = info.sizes(), at = s;
  std::int64_t i = bad - v.begin();
  for (std::size_t d = s.size(); d-- > 0;) {
    at[d] = i % s[d];
    i /= s[d];
  }
  throw ValueError(std::string("linalg::") + who + ": " + (s.empty() ? "the matrix" : "matrix " + at.str() + " of the batch " + s.str()) +
                   what(*bad));
}
void check_regular(const char* who, const Tensor& info) {
  check_info(who, info, [](std::int64_t i) { return " is singular: pivot " + std::to_string(i) + " of its LU factorisation is zero"; });
}

Tensor factor(const Tensor& x, const CholeskyOptions& o, const char* who) {
  Tensor a = square(x, who);
  if (!o.symmetrize) {
    Tensor t = o.upper ? prims::upper_triangle(a, 0) : prims::lower_triangle(a, 0);
    Tensor strict = o.upper ? prims::upper_triangle(a, -1) : prims::lower_triangle(a, 1);
    a = core::add(t, matrix_transpose(strict));
  }
  Tensor l = prims::cholesky(a);
  if (o.check)
    check_info("cholesky", cholesky_info(l),
               [](std::int64_t i) { return " is not positive-definite: its leading minor of order " + std::to_string(i) + " is not positive"; });
  return l;
}
// b as matrices and how to give the result its shape back.
bool is_vector(const Tensor& a, const Tensor& b) {
  Shape s = a.sizes();
  return b.dim() == 1 || (b.dim() + 1 == a.dim() && b.sizes() == s.without(s.size() - 1));
}
Tensor solution(const char* who, const Tensor& x, const Tensor& y, bool left) {
  Tensor a = square(x, who), b = y;
  promote(a, b, who);
  auto f = [&](const Tensor& rhs) {
    return system(who, a, rhs, [&](const Tensor& m, const Tensor& r) { return prims::solve_factored_once(m, r, !left); });
  };
  if (!is_vector(a, b)) return on_side(left, b, f);
  Shape s = b.sizes();
  Tensor r = f(prims::reshape(b, s.with(s.size(), 1)));
  Shape t = r.sizes();
  return prims::reshape(r, t.without(t.size() - 1));
}

}  // namespace

Tensor cholesky(const Tensor& a, const CholeskyOptions& o) {
  Site site(FUNCTRA_SITE);
  Tensor l = factor(a, o, "cholesky");
  return o.upper ? matrix_transpose(l) : l;
}
CholeskyEx cholesky_ex(const Tensor& a, const CholeskyOptions& o) {
  Site site(FUNCTRA_SITE);
  Tensor l = factor(a, o, "cholesky_ex");
  return {o.upper ? matrix_transpose(l) : l, cholesky_info(l)};
}
Tensor cholesky_solve(const Tensor& y, const Tensor& factor, const UpperOption& o) {
  Site site(FUNCTRA_SITE);
  Tensor l = square(factor, "cholesky_solve"), b = y;
  promote(l, b, "cholesky_solve");
  return system("cholesky_solve", l, b, [&](const Tensor& m, const Tensor& r) {
    return prims::triangular_solve(m, prims::triangular_solve(m, r, {o.upper, o.upper, false}), {o.upper, !o.upper, false});
  });
}
Tensor solve_triangular(const Tensor& x, const Tensor& y, const TriangularOptions& o) {
  Site site(FUNCTRA_SITE);
  Tensor a = square(x, "solve_triangular"), b = y;
  promote(a, b, "solve_triangular");
  return on_side(o.left, b, [&](const Tensor& rhs) {
    return system("solve_triangular", a, rhs, [&](const Tensor& m, const Tensor& r) {
      return prims::triangular_solve(m, r, {o.upper, !o.left, o.unitriangular});
    });
  });
}

LuFactor lu_factor(const Tensor& a, const CheckOption& o) {
  Site site(FUNCTRA_SITE);
  prims::Lu f = prims::lu(matrices(a, "lu_factor"));
  if (o.check) check_regular("lu_factor", singular_info(f.factors));
  return {f.factors, core::add(f.pivots, Tensor::literal_of(Scalar(std::int64_t{1}), DType::i32))};
}
LuFactorEx lu_factor_ex(const Tensor& a) {
  Site site(FUNCTRA_SITE);
  LuFactor f = lu_factor(a);
  return {f.LU, f.pivots, singular_info(f.LU)};
}
LuMatrices lu(const Tensor& x) {
  Site site(FUNCTRA_SITE);
  Tensor a = matrices(x, "lu");
  prims::Lu f = prims::lu(a);
  std::int64_t m = a.size(-2), n = a.size(-1), k = std::min(m, n);
  Tensor l = prims::submatrix(f.factors, 0, m, 0, k), u = prims::submatrix(f.factors, 0, k, 0, n);
  Shape s = leading(a.sizes()).concat({m, m});
  Tensor from = core::broadcast_in_dim(f.permutation, s, Shape::iota(s.size()).without(s.size() - 2));
  Tensor p = core::convert(prims::eq(prims::iota(DType::i32, s, s.rank() - 2), from), a.raw_dtype());
  return {p, core::add(prims::lower_triangle(l, 1), prims::identity_like(l)), prims::upper_triangle(u, 0)};
}
Tensor lu_solve(const Tensor& factors, const Tensor& pivots, const Tensor& y, const LuSolveOptions& o) {
  Site site(FUNCTRA_SITE);
  Tensor lu = square(factors, "lu_solve"), b = y;
  promote(lu, b, "lu_solve");
  Shape s = lu.sizes();
  if (!pivots.defined() || pivots.raw_dtype() != DType::i32 || !(pivots.sizes() == s.without(s.size() - 1)))
    throw ShapeError(quoted("lu_solve", lu) + " does not fit its pivots: they are i32 of shape " + s.without(s.size() - 1).str());
  bool transposed = o.adjoint == o.left;  // of the system with columns
  Tensor permutation =
      prims::lu_pivots_to_permutation(core::sub(pivots, Tensor::literal_of(Scalar(std::int64_t{1}), DType::i32)), s.back(), transposed);
  return on_side(o.left, b, [&](const Tensor& rhs) {
    return system("lu_solve", lu, rhs, [&](const Tensor& m, const Tensor& r) {
      Shape t = m.sizes();
      Tensor rows = ops::broadcast_to(permutation, t.without(t.size() - 1), "lu_solve");
      if (transposed)
        return prims::take_rows(prims::triangular_solve(m, prims::triangular_solve(m, r, {true, true, false}), {false, true, true}), rows);
      return prims::triangular_solve(m, prims::triangular_solve(m, prims::take_rows(r, rows), {false, false, true}), {true, false, false});
    });
  });
}

Tensor solve(const Tensor& a, const Tensor& b, const SolveOptions& o) {
  Site site(FUNCTRA_SITE);
  Tensor x = solution("solve", a, b, o.left);
  if (o.check) check_regular("solve", singular_info(prims::lu(prims::stop_gradient(square(a, "solve"))).factors));
  return x;
}
SolveEx solve_ex(const Tensor& a, const Tensor& b, const SolveOptions& o) {
  Site site(FUNCTRA_SITE);
  return {solve(a, b, o), singular_info(prims::lu(prims::stop_gradient(square(a, "solve_ex"))).factors)};
}
Tensor inv(const Tensor& x, const CheckOption& o) {
  Site site(FUNCTRA_SITE);
  Tensor a = square(x, "inv");
  if (o.check) check_regular("inv", singular_info(prims::lu(prims::stop_gradient(a)).factors));
  return prims::solve_factored_once(a, prims::identity_like(a), false);
}
InvEx inv_ex(const Tensor& x) {
  Site site(FUNCTRA_SITE);
  Tensor a = square(x, "inv_ex");
  return {inv(a), singular_info(prims::lu(prims::stop_gradient(a)).factors)};
}

Tensor det(const Tensor& a) {
  Site site(FUNCTRA_SITE);
  return prims::det(square(a, "det"));
}
Slogdet slogdet(const Tensor& a) {
  Site site(FUNCTRA_SITE);
  prims::SignLog r = prims::slogdet(square(a, "slogdet"));
  return {r.sign, r.log_abs};
}

}  // namespace functra::linalg
