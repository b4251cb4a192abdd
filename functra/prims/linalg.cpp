#include "functra/prims/linalg.h"

#include <algorithm>

#include "functra/kernels/linalg.h"
#include "functra/prims/cast.h"
#include "functra/prims/contract.h"
#include "functra/prims/families.h"
#include "functra/prims/gather.h"
#include "functra/prims/index.h"
#include "functra/prims/math.h"
#include "functra/prims/shape.h"

namespace functra::prims {
namespace {

std::string name_of_call(const Call& c) { return c.prim.name; }
void require_floating(const Call& c, const Aval& a) {
  if (a.dtype != DType::f32 && a.dtype != DType::f64)
    throw DTypeError(name_of_call(c) + ": not defined for dtype " + std::string(name_of(a.dtype)) + "; convert with to(f32) or to(f64)");
}
void require_matrices(const Call& c, const Aval& a, bool square) {
  require_floating(c, a);
  std::size_t r = a.shape.size();
  if (r < 2 || (square && a.shape[r - 1] != a.shape[r - 2]))
    throw ShapeError(name_of_call(c) + ": shape " + a.shape.str() + " is not that of " + (square ? "square " : "") + "matrices [..., " +
                     (square ? "n, n]" : "m, n]"));
}
void require_system(const Call& c, const Aval& a, const Aval& b) {
  require_matrices(c, a, true);
  std::size_t r = a.shape.size();
  bool ok = b.shape.size() == r && b.shape[r - 2] == a.shape[r - 2];
  for (std::size_t i = 0; ok && i + 2 < r; ++i) ok = a.shape[i] == b.shape[i];
  if (!ok) throw ShapeError(name_of_call(c) + ": shapes " + a.shape.str() + " and " + b.shape.str() + " do not fit [..., n, n] and [..., n, k]");
  if (a.dtype != b.dtype)
    throw DTypeError(name_of_call(c) + ": dtypes " + std::string(name_of(a.dtype)) + " and " + std::string(name_of(b.dtype)) + " differ");
}
Shape leading(const Shape& s, std::size_t drop = 2) { return Shape(s.data(), s.size() - drop); }
kernels::MatrixBatch matrices(const Tensor& t) { return {t.bytes(), t.shape_ref(), t.strides_ref()}; }
std::int32_t* integers(Tensor& t) { return static_cast<std::int32_t*>(t.mutable_bytes()); }

Shape last_two(std::size_t rank) { return Shape::iota(2, static_cast<std::int64_t>(rank) - 2); }
// row compared with col + offset, as bool of x's shape.
Tensor position_mask(const Tensor& x, std::int64_t offset, Tensor (*compare)(const Tensor&, const Tensor&)) {
  Shape s = x.sizes(), two = s.pick(last_two(s.size()));
  Tensor col = iota(DType::i64, two, 1);
  if (offset) col = core::add(col, Tensor::literal_of(Scalar(offset), DType::i64));
  return broadcast_in_dim(compare(iota(DType::i64, two, 0), col), s, last_two(s.size()));
}
// All leading dimensions and the mapped one in front; every operand is expanded.
void batch_leading(const Call& c, const BatchContext& ctx, std::span<Batched> in, std::span<Batched> out) {
  Buf<Tensor, 4> x(in.size()), y(out.size());
  for (std::size_t k = 0; k < in.size(); ++k) x[k] = move_dim0(in[k], ctx.size);
  bind_prim(c, x, y);
  for (std::size_t k = 0; k < out.size(); ++k) out[k] = {y[k], 0};
}
// Operand 1 holds right-hand sides [..., n, k]. Where only they are mapped, lanes become columns, and there is one matrix still.
void batch_system(const Call& c, const BatchContext& ctx, std::span<Batched> in, std::span<Batched> out) {
  bool shared = true;
  for (std::size_t k = 0; k < in.size(); ++k) shared &= k == 1 || in[k].dim < 0;
  if (!shared) return batch_leading(c, ctx, in, out);
  std::size_t rank = in[1].value.sizes().size();
  Tensor b = move_dim(in[1].value, in[1].dim, static_cast<int>(rank) - 1);
  Shape s = b.sizes(), flat = leading(s, 1);
  flat[flat.size() - 1] *= s.back();
  Buf<Tensor, 4> x(in.size());
  for (std::size_t k = 0; k < in.size(); ++k) x[k] = in[k].value;
  x[1] = reshape(b, flat);
  Tensor y;
  bind_prim(c, x, {&y, 1});
  out[0] = {reshape(y, s), static_cast<int>(rank) - 1};
}
constexpr Primitive matrix_family(const char* name) {
  Primitive p{.name = name};
  p.n_in = 1;
  p.batch = batch_leading;
  p.lowering = {.kind = Lowering::Kind::kernel};
  return p;
}

}  // namespace

Tensor matrix_transpose(const Tensor& x) {
  auto r = static_cast<int>(x.sizes().size());
  return move_dim(x, r - 2, r - 1);
}
Tensor matrix_product(const Tensor& a, const Tensor& b) {
  auto r = static_cast<std::int64_t>(a.sizes().size());
  Shape batch = Shape::iota(static_cast<std::size_t>(r - 2));
  return dot_general(a, b, {{r - 1}, {r - 2}, batch, batch});
}
Tensor lower_triangle(const Tensor& x, std::int64_t offset) { return core::select(position_mask(x, offset, ge), x, like(0, x)); }
Tensor upper_triangle(const Tensor& x, std::int64_t offset) { return core::select(position_mask(x, offset, le), x, like(0, x)); }
Tensor identity_like(const Tensor& x) { return core::select(position_mask(x, 0, eq), like(1, x), like(0, x)); }
Tensor submatrix(const Tensor& x, std::int64_t row, std::int64_t rows, std::int64_t col, std::int64_t cols) {
  Shape limit = x.sizes(), start = Shape::filled(limit.size(), 0), step = Shape::filled(limit.size(), 1);
  std::size_t r = limit.size();
  if (row == 0 && col == 0 && rows == limit[r - 2] && cols == limit[r - 1]) return x;
  start[r - 2] = row;
  start[r - 1] = col;
  limit[r - 2] = row + rows;
  limit[r - 1] = col + cols;
  return slice(x, start, limit, step);
}
Tensor matrix_diagonal(const Tensor& x) {
  Shape s = x.sizes(), lead = leading(s);
  std::int64_t n = std::min(s[s.size() - 1], s[s.size() - 2]);
  Tensor flat = reshape(submatrix(x, 0, n, 0, n), lead.with(lead.size(), n * n));
  Shape f = flat.sizes(), step = Shape::filled(f.size(), 1);
  step[f.size() - 1] = n + 1;
  return slice(flat, Shape::filled(f.size(), 0), f, step);
}
namespace {
// Whole rows (dim 0) or columns (dim 1) of each matrix.
Tensor take_lines(const Tensor& x, const Tensor& which, std::int64_t dim) {
  Shape sizes = x.sizes(), index = which.sizes();
  if (sizes.has(0)) return x;
  auto r = static_cast<std::int64_t>(sizes.size());
  Shape batch = Shape::iota(static_cast<std::size_t>(r - 2)), along{r - 2 + dim};
  for (std::int64_t d : batch.concat(along)) sizes[static_cast<std::size_t>(d)] = 1;
  return gather(x, reshape(which, index.with(index.size(), 1)), {{r - 1 - dim}, along, along, batch, batch, sizes, false, Scalar(0)});
}
}  // namespace
Tensor take_rows(const Tensor& x, const Tensor& rows) { return take_lines(x, rows, 0); }
Tensor take_cols(const Tensor& x, const Tensor& cols) { return take_lines(x, cols, 1); }

// ---------------------------------------------------------------- cholesky
// l' = l phi(l^-1 s' l^-T), where phi takes the lower triangle and halves the diagonal and s' is the symmetric part of a' (Murray
// 2016, arXiv:1602.07527, equation 9).
constexpr Primitive cholesky_p = [] {
  Primitive p = matrix_family("cholesky");
  p.shape = [](const Call& c, std::span<const Aval> in, std::span<Aval> out) {
    require_matrices(c, in[0], true);
    out[0] = in[0];
  };
  p.eval = [](const Call&, Ins in, Outs out) {
    Tensor r = Tensor::uninitialized(in[0].raw_dtype(), in[0].shape_ref());
    kernels::cholesky(in[0].raw_dtype(), matrices(in[0]), r.mutable_bytes());
    out[0] = std::move(r);
  };
  p.jvp = [](const Call& c, Ins x, Ins t, Outs y, Outs dy) {
    bind_prim(c, x, y);
    constexpr TriangularParams lower{false, false, false};
    Tensor s = mul(core::add(t[0], matrix_transpose(t[0])), like(0.5, t[0]));
    Tensor inner = triangular_solve(y[0], matrix_transpose(triangular_solve(y[0], s, lower)), lower);
    Tensor diagonal = core::select(position_mask(inner, 0, eq), like(0.5, inner), like(0, inner));
    Tensor half = core::select(position_mask(inner, 0, gt), like(1, inner), diagonal);
    dy[0] = matrix_product(y[0], mul(inner, half));
  };
  p.lowering.expand = expand_cholesky;
  return p;
}();
Tensor cholesky(const Tensor& a) { return bind1(cholesky_p, a); }

// ---------------------------------------------------------------- triangular_solve (a, b)
// x' = op(a)^-1 (b' - op(a') x), of a' the triangle that is read (Giles 2008, An extended collection of matrix derivative results,
// 2.2.3).
constexpr Primitive triangular_solve_p = {.name = "triangular_solve",
                                          .params = &param_type<TriangularParams>,
                                          .n_in = 2,
                                          .shape =
                                              [](const Call& c, std::span<const Aval> in, std::span<Aval> out) {
                                                require_system(c, in[0], in[1]);
                                                out[0] = in[1];
                                              },
                                          .eval =
                                              [](const Call& c, Ins in, Outs out) {
                                                auto& p = c.params.get<TriangularParams>();
                                                Tensor r = Tensor::uninitialized(in[1].raw_dtype(), in[1].shape_ref());
                                                kernels::triangular_solve(in[0].raw_dtype(), p.upper, p.transposed, p.unit, matrices(in[0]),
                                                                          matrices(in[1]), r.mutable_bytes());
                                                out[0] = std::move(r);
                                              },
                                          .jvp =
                                              [](const Call& c, Ins x, Ins t, Outs y, Outs dy) {
                                                auto& p = c.params.get<TriangularParams>();
                                                bind_prim(c, x, y);
                                                Tensor rhs = t[1];
                                                if (!is_zero(t[0])) {
                                                  Tensor a = p.upper ? upper_triangle(t[0], p.unit ? -1 : 0) : lower_triangle(t[0], p.unit ? 1 : 0);
                                                  Tensor moved = matrix_product(p.transposed ? matrix_transpose(a) : a, y[0]);
                                                  rhs = is_zero(rhs) ? neg(moved) : core::sub(rhs, moved);
                                                }
                                                dy[0] = triangular_solve(x[0], rhs, p);
                                              },
                                          .transpose =
                                              [](const Call& c, Ins ct, std::span<const Operand> in, Outs g) {
                                                TriangularParams p = c.params.get<TriangularParams>();
                                                p.transposed = !p.transposed;
                                                if (in[1].linear()) g[1] = triangular_solve(*in[0], ct[0], p);
                                              },
                                          .batch = batch_system,
                                          .lowering = {.kind = Lowering::Kind::kernel, .expand = expand_triangular_solve}};
Tensor triangular_solve(const Tensor& a, const Tensor& b, const TriangularParams& p) {
  const Tensor in[2] = {a, b};
  return bind1(triangular_solve_p, in, p);
}

// ---------------------------------------------------------------- lu (a) -> factors, pivots, permutation
// With m = l^-1 (p a') u^-1: l' = l tril(m, -1), u' = triu(m) u (De Hoog, Anderssen and Lukas 2011, Differentiation of matrix
// functionals using triangular factorization). l and u are completed by ones to square matrices.
constexpr Primitive lu_p = [] {
  Primitive p = matrix_family("lu");
  p.n_out = [](const Params&) { return 3; };
  p.shape = [](const Call& c, std::span<const Aval> in, std::span<Aval> out) {
    require_matrices(c, in[0], false);
    const Shape& s = in[0].shape;
    std::int64_t m = s[s.size() - 2];
    out[0] = in[0];
    out[1] = {DType::i32, false, leading(s).with(s.size() - 2, std::min(m, s.back()))};
    out[2] = {DType::i32, false, leading(s).with(s.size() - 2, m)};
  };
  p.eval = [](const Call&, Ins in, Outs out) {
    const Shape& s = in[0].shape_ref();
    Shape lead = leading(s);
    std::int64_t m = s[s.size() - 2], k = std::min(m, s.back());
    Tensor r = Tensor::uninitialized(in[0].raw_dtype(), s), pivots = Tensor::uninitialized(DType::i32, lead.with(lead.size(), k)),
           permutation = Tensor::uninitialized(DType::i32, lead.with(lead.size(), m));
    kernels::lu(in[0].raw_dtype(), matrices(in[0]), r.mutable_bytes(), integers(pivots));
    kernels::pivots_to_permutation(integers(pivots), lead.numel(), k, m, false, integers(permutation));
    out[0] = std::move(r);
    out[1] = std::move(pivots);
    out[2] = std::move(permutation);
  };
  p.jvp = [](const Call& c, Ins x, Ins t, Outs y, Outs dy) {
    bind_prim(c, x, y);
    Shape s = x[0].sizes(), zero = Shape::filled(s.size(), 0), more = zero;
    std::int64_t m = s[s.size() - 2], n = s.back(), k = std::min(m, n);
    Tensor l = submatrix(y[0], 0, m, 0, k), u = submatrix(y[0], 0, k, 0, n);
    if (m > k) {
      more[s.size() - 1] = m - k;
      l = pad(l, like(0, l), zero, more, zero);
    }
    if (n > k) {
      more[s.size() - 2] = n - k;
      u = pad(u, like(0, u), zero, more, zero);
      Tensor tail = lower_triangle(identity_like(u), 0);
      Shape rows = u.sizes();
      Tensor late = ge(iota(DType::i64, rows, static_cast<int>(rows.size()) - 2), Tensor::literal_of(Scalar(k), DType::i64));
      u = core::select(late, tail, u);
    }
    Tensor a = triangular_solve(l, take_rows(t[0], y[2]), {false, false, true});
    Tensor inner = matrix_transpose(triangular_solve(u, matrix_transpose(a), {true, true, false}));
    Tensor low = lower_triangle(inner, 1);
    dy[0] = core::add(core::add(low, matrix_product(lower_triangle(l, 1), low)), matrix_product(upper_triangle(inner, 0), upper_triangle(u, 0)));
  };
  return p;
}();
Lu lu(const Tensor& a) {
  Tensor r[3];
  bind_prim({lu_p, {}}, {&a, 1}, r);
  return {r[0], r[1], r[2]};
}

// ---------------------------------------------------------------- lu_pivots_to_permutation
constexpr Primitive lu_pivots_to_permutation_p = [] {
  Primitive p = matrix_family("lu_pivots_to_permutation");
  p.params = &param_type<PermutationParams>;
  p.shape = [](const Call& c, std::span<const Aval> in, std::span<Aval> out) {
    auto& q = c.params.get<PermutationParams>();
    if (in[0].dtype != DType::i32)
      throw DTypeError("lu_pivots_to_permutation: pivots have dtype " + std::string(name_of(in[0].dtype)) + ", not i32; convert with to(i32)");
    if (in[0].shape.empty() || in[0].shape.back() > q.rows)
      throw ShapeError("lu_pivots_to_permutation: pivots of shape " + in[0].shape.str() + " do not fit " + std::to_string(q.rows) + " rows");
    out[0] = {DType::i32, false, in[0].shape};
    out[0].shape[in[0].shape.size() - 1] = q.rows;
  };
  p.eval = [](const Call& c, Ins in, Outs out) {
    auto& q = c.params.get<PermutationParams>();
    Tensor pivots = in[0].contiguous();
    Shape s = pivots.shape_ref();
    std::int64_t k = s.back();
    s[s.size() - 1] = q.rows;
    Tensor r = Tensor::uninitialized(DType::i32, s);
    kernels::pivots_to_permutation(static_cast<const std::int32_t*>(pivots.bytes()), leading(s, 1).numel(), k, q.rows, q.inverse, integers(r));
    out[0] = std::move(r);
  };
  p.jvp = jvp_zero;
  return p;
}();
Tensor lu_pivots_to_permutation(const Tensor& pivots, std::int64_t rows, bool inverse) {
  return bind1(lu_pivots_to_permutation_p, pivots, PermutationParams{rows, inverse});
}

// ---------------------------------------------------------------- solve (a, b) or (a, b, factors, permutation)
// x' = op(a)^-1 (b' - op(a') x). The factors are of a, whatever it is: they have no derivative of their own.
constexpr Primitive solve_p = {
    .name = "solve",
    .params = &param_type<SolveParams>,
    .shape =
        [](const Call& c, std::span<const Aval> in, std::span<Aval> out) {
          if (in.size() != 2 && in.size() != 4) throw ValueError("solve: takes 2 or 4 operands, got " + std::to_string(in.size()));
          require_system(c, in[0], in[1]);
          if (in.size() == 4 && (!(in[2] == in[0]) || in[3].dtype != DType::i32 || !(in[3].shape == leading(in[0].shape, 1))))
            throw ShapeError("solve: factors " + in[2].str() + " and permutation " + in[3].str() + " do not fit matrices " + in[0].str());
          out[0] = in[1];
        },
    .eval =
        [](const Call& c, Ins in, Outs out) {
          bool transposed = c.params.get<SolveParams>().transposed;
          Tensor r = Tensor::uninitialized(in[1].raw_dtype(), in[1].shape_ref());
          if (in.size() == 2) {
            kernels::solve(in[0].raw_dtype(), transposed, matrices(in[0]), matrices(in[1]), r.mutable_bytes());
          } else {
            Tensor permutation = in[3].contiguous();
            kernels::solve_factored(in[0].raw_dtype(), transposed, matrices(in[2]), static_cast<const std::int32_t*>(permutation.bytes()),
                                    matrices(in[1]), r.mutable_bytes());
          }
          out[0] = std::move(r);
        },
    .jvp =
        [](const Call& c, Ins x, Ins t, Outs y, Outs dy) {
          bool transposed = c.params.get<SolveParams>().transposed;
          bind_prim(c, x, y);
          if (is_zero(t[0]) && is_zero(t[1])) return;
          Buf<Tensor, 4> in(x.size());
          for (std::size_t k = 0; k < x.size(); ++k) in[k] = x[k];
          in[1] = t[1];
          if (!is_zero(t[0])) {
            Tensor moved = matrix_product(transposed ? matrix_transpose(t[0]) : t[0], y[0]);
            in[1] = is_zero(t[1]) ? neg(moved) : core::sub(t[1], moved);
          }
          bind_prim(c, in, dy);
        },
    .transpose =
        [](const Call& c, Ins ct, std::span<const Operand> in, Outs g) {
          if (!in[1].linear()) return;
          SolveParams p{!c.params.get<SolveParams>().transposed};
          Buf<Tensor, 4> x(in.size());
          for (std::size_t k = 0; k < in.size(); ++k) x[k] = k == 1 ? ct[0] : *in[k];
          g[1] = bind1(solve_p, x, p);
        },
    .batch = batch_system,
    .lowering = {.kind = Lowering::Kind::kernel}};
Tensor solve(const Tensor& a, const Tensor& b, bool transposed) {
  const Tensor in[2] = {a, b};
  return bind1(solve_p, in, SolveParams{transposed});
}
Tensor solve(const Tensor& a, const Tensor& b, bool transposed, const Lu& f) {
  const Tensor in[4] = {a, b, f.factors, f.permutation};
  return bind1(solve_p, in, SolveParams{transposed});
}
Tensor solve_factored_once(const Tensor& a, const Tensor& b, bool transposed) {
  return a.sizes().back() <= 16 ? solve(a, b, transposed) : solve(a, b, transposed, lu(stop_gradient(a)));
}

Table linalg_table() {
  static constexpr const Primitive* t[] = {&cholesky_p, &triangular_solve_p, &lu_p, &lu_pivots_to_permutation_p, &solve_p};
  return t;
}

}  // namespace functra::prims
