// Determinants. Their derivative is the adjugate, which is defined for singular matrices too.
#include "functra/kernels/linalg.h"
#include "functra/prims/cast.h"
#include "functra/prims/families.h"
#include "functra/prims/index.h"
#include "functra/prims/linalg.h"
#include "functra/prims/math.h"
#include "functra/prims/shape.h"

namespace functra::prims {
namespace {

Shape leading(const Shape& s) { return Shape(s.data(), s.size() - 2); }
kernels::MatrixBatch matrices(const Tensor& t) { return {t.bytes(), t.shape_ref(), t.strides_ref()}; }
Tensor repeated(const Tensor& per_matrix, const Tensor& x) {  // to x's shape
  Shape s = x.sizes();
  return broadcast_in_dim(per_matrix, s, Shape::iota(s.size() - 2));
}
Tensor inner_product(const Tensor& a, const Tensor& b) {
  auto r = static_cast<std::int64_t>(a.sizes().size());
  return core::sum(mul(a, b), {r - 2, r - 1});
}
Tensor joined(const Tensor& a, const Tensor& b, int dim) {  // dim 0: one above the other, 1: side by side
  const Tensor both[2] = {a, b};
  return concatenate(both, static_cast<int>(a.sizes().size()) - 2 + dim);
}
// Cofactors of matrices of at most three rows, as polynomials.
Tensor small_cofactors(const Tensor& x) {
  Shape s = x.sizes();
  auto r = static_cast<std::int64_t>(s.size());
  std::int64_t n = s.back();
  if (n == 0) return x;
  if (n == 1) return broadcast_in_dim(like(1, x), s, {});
  if (n == 2) {
    Tensor one = identity_like(x);
    return mul(rev(x, {r - 2, r - 1}), core::sub(core::add(one, one), broadcast_in_dim(like(1, x), s, {})));
  }
  Tensor wide = joined(x, x, 1), all = joined(wide, wide, 0);
  auto from = [&](std::int64_t i, std::int64_t j) { return submatrix(all, i, 3, j, 3); };
  return core::sub(mul(from(1, 1), from(2, 2)), mul(from(1, 2), from(2, 1)));
}
// Per matrix: 0, as are its first two derivatives; where `marked` its further ones are NaN or infinite, elsewhere 0.
Tensor undefined_thirds(const Tensor& x, const Tensor& marked) {
  auto r = static_cast<std::int64_t>(x.sizes().size());
  Tensor total = core::sum(x, {r - 2, r - 1}), still = core::sub(total, stop_gradient(total));
  Tensor one = broadcast_in_dim(like(1, still), still.sizes(), {}), zero = core::sub(one, one);
  return core::select(marked, pow(core::select(marked, still, one), broadcast_in_dim(like(2.5, still), still.sizes(), {})), zero);
}
// Cofactors (the transposed adjugate) of any matrices. Rows and columns are ordered by complete pivoting, so that in
// [[a, b], [c, d]] with d of three rows a is regular unless the rank is below n - 3, where cofactors and their first two derivatives
// are zero; their third derivatives, which are not, come out NaN there (undefined_thirds). With s = d - c a^-1 b, |a| = det a:
//   adj = [[1, -a^-1 b], [0, 1]] [[|a| det(s) a^-1, 0], [0, |a| adj(s)]] [[1, 0], [-c a^-1, 1]]
// has no division by a small pivot, so it may be differentiated again.
Tensor cofactors(const Tensor& x) {
  std::int64_t n = x.sizes().back(), m = n - 3;
  if (n <= 3) return small_cofactors(x);
  CompletePivots p = complete_pivots(x);
  Tensor y = take_cols(take_rows(x, p.rows), p.cols);
  Tensor a = submatrix(y, 0, m, 0, m), b = submatrix(y, 0, m, m, 3), c = submatrix(y, m, 3, 0, m), d = submatrix(y, m, 3, m, 3);
  Tensor singular = eq(p.sign, like(0, p.sign));
  a = core::select(repeated(singular, a), identity_like(a), a);
  Tensor solved = solve_factored_once(a, joined(b, identity_like(a), 1), false);
  Tensor g = submatrix(solved, 0, m, 0, 3), inverse = submatrix(solved, 0, m, 3, m), h = matrix_product(c, inverse);
  Tensor s = core::sub(d, matrix_product(c, g)), size = mul(det(a), p.sign);
  Tensor e = mul(matrix_transpose(small_cofactors(s)), repeated(size, s)), ge = matrix_product(g, e);
  Tensor top = joined(core::add(mul(inverse, repeated(mul(size, det(s)), inverse)), matrix_product(ge, h)), neg(ge), 1);
  Tensor bottom = joined(neg(matrix_product(e, h)), e, 1);
  Tensor adjugate = core::add(joined(top, bottom, 0), repeated(undefined_thirds(x, singular), y));
  return matrix_transpose(take_cols(take_rows(adjugate, p.cols_inverse), p.rows_inverse));
}
void per_matrix(std::span<const Aval> in, std::span<Aval> out, const Call& c) {
  const Shape& s = in[0].shape;
  std::size_t r = s.size();
  if (in[0].dtype != DType::f32 && in[0].dtype != DType::f64)
    throw DTypeError(std::string(c.prim.name) + ": not defined for dtype " + std::string(name_of(in[0].dtype)) + "; convert with to(f32) or to(f64)");
  if (r < 2 || s[r - 1] != s[r - 2])
    throw ShapeError(std::string(c.prim.name) + ": shape " + s.str() + " is not that of square matrices [..., n, n]");
  for (Aval& a : out) a = {in[0].dtype, false, leading(s)};
}
void batch_leading(const Call& c, const BatchContext& ctx, std::span<Batched> in, std::span<Batched> out) {
  Buf<Tensor, 5> y(out.size());
  Tensor x = move_dim0(in[0], ctx.size);
  bind_prim(c, {&x, 1}, y);
  for (std::size_t k = 0; k < out.size(); ++k) out[k] = {y[k], 0};
}
constexpr Primitive determinant_family(const char* name) {
  Primitive p{.name = name};
  p.n_in = 1;
  p.shape = [](const Call& c, std::span<const Aval> in, std::span<Aval> out) { per_matrix(in, out, c); };
  p.batch = batch_leading;
  p.lowering = {.kind = Lowering::Kind::kernel};
  return p;
}

}  // namespace

// ---------------------------------------------------------------- det: det' = sum(cofactors * a') (Jacobi)
constexpr Primitive det_p = [] {
  Primitive p = determinant_family("det");
  p.eval = [](const Call&, Ins in, Outs out) {
    Tensor r = Tensor::uninitialized(in[0].raw_dtype(), leading(in[0].shape_ref()));
    kernels::det(in[0].raw_dtype(), matrices(in[0]), r.mutable_bytes());
    out[0] = std::move(r);
  };
  p.jvp = [](const Call& c, Ins x, Ins t, Outs y, Outs dy) {
    bind_prim(c, x, y);
    dy[0] = inner_product(cofactors(x[0]), t[0]);
  };
  return p;
}();
Tensor det(const Tensor& a) { return bind1(det_p, a); }

// ---------------------------------------------------------------- slogdet: (log |det|)' = sum(a^-T * a')
constexpr Primitive slogdet_p = [] {
  Primitive p = determinant_family("slogdet");
  p.n_out = [](const Params&) { return 2; };
  p.eval = [](const Call&, Ins in, Outs out) {
    Shape s = leading(in[0].shape_ref());
    Tensor sign = Tensor::uninitialized(in[0].raw_dtype(), s), log_abs = Tensor::uninitialized(in[0].raw_dtype(), s);
    kernels::slogdet(in[0].raw_dtype(), matrices(in[0]), sign.mutable_bytes(), log_abs.mutable_bytes());
    out[0] = std::move(sign);
    out[1] = std::move(log_abs);
  };
  p.jvp = [](const Call& c, Ins x, Ins t, Outs y, Outs dy) {
    bind_prim(c, x, y);
    dy[1] = inner_product(solve_factored_once(x[0], identity_like(x[0]), true), t[0]);
  };
  return p;
}();
SignLog slogdet(const Tensor& a) {
  Tensor r[2];
  bind_prim({slogdet_p, {}}, {&a, 1}, r);
  return {r[0], r[1]};
}

// ---------------------------------------------------------------- complete_pivots
constexpr Primitive complete_pivots_p = [] {
  Primitive p = determinant_family("complete_pivots");
  p.n_out = [](const Params&) { return 5; };
  p.shape = [](const Call& c, std::span<const Aval> in, std::span<Aval> out) {
    per_matrix(in, out, c);
    for (std::size_t k = 0; k < 4; ++k) out[k] = {DType::i32, false, in[0].shape.without(in[0].shape.size() - 1)};
  };
  p.eval = [](const Call&, Ins in, Outs out) {
    const Shape& s = in[0].shape_ref();
    Tensor r[5];
    for (std::size_t k = 0; k < 4; ++k) r[k] = Tensor::uninitialized(DType::i32, s.without(s.size() - 1));
    r[4] = Tensor::uninitialized(in[0].raw_dtype(), leading(s));
    auto at = [&](std::size_t k) { return static_cast<std::int32_t*>(r[k].mutable_bytes()); };
    kernels::complete_pivots(in[0].raw_dtype(), matrices(in[0]), at(0), at(1), at(2), at(3), r[4].mutable_bytes());
    for (std::size_t k = 0; k < 5; ++k) out[k] = std::move(r[k]);
  };
  p.jvp = jvp_zero;
  return p;
}();
CompletePivots complete_pivots(const Tensor& a) {
  Tensor r[5];
  bind_prim({complete_pivots_p, {}}, {&a, 1}, r);
  return {r[0], r[1], r[2], r[3], r[4]};
}

Table determinant_table() {
  static constexpr const Primitive* t[] = {&det_p, &slogdet_p, &complete_pivots_p};
  return t;
}

}  // namespace functra::prims
