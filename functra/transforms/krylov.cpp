#include <algorithm>
#include <limits>

#include "functra/base/scalar.h"
#include "functra/ops/compare.h"
#include "functra/ops/factories.h"
#include "functra/ops/lax.h"
#include "functra/ops/linear.h"
#include "functra/ops/math.h"
#include "functra/ops/shape.h"
#include "functra/prims/reduce.h"
#include "functra/prims/shape.h"
#include "functra/transforms/krylov-inl.h"

namespace functra::erased {
using namespace functra::core;

// ---------------------------------------------------------------- trees as vectors
namespace {
double epsilon_of(DType d) { return d == DType::f64 ? 0x1p-52 : d == DType::f32 ? 0x1p-23 : d == DType::f16 ? 0x1p-10 : 0x1p-7; }
}  // namespace

Space::Space(std::vector<Aval> leaves) : types_(std::move(leaves)) {
  for (auto& a : types_) {
    size_ += a.shape.numel();
    if (a.dtype == DType::f64) dtype_ = DType::f64;
    epsilon_ = std::max(epsilon_, epsilon_of(a.dtype));
  }
}
Tensor Space::flat(Ins leaves) const {
  Vec r;
  for (const Tensor& x : leaves) r.push_back(convert(prims::reshape(x, {x.numel()}), dtype_));
  return r.empty() ? functra::zeros({0}, dtype_) : r.size() == 1 ? r[0] : prims::concatenate(r, 0);
}
Vec Space::leaves(const Tensor& flat) const {
  Vec r;
  std::int64_t at = 0;
  for (auto& a : types_) {
    std::int64_t n = a.shape.numel();
    Tensor part = types_.size() == 1 ? flat : prims::slice(flat, {at}, {at + n}, {1});
    r.push_back(convert(prims::reshape(part, a.shape), a.dtype));
    at += n;
  }
  return r;
}
Tensor Space::number(double x) const { return Tensor::strong(Scalar(x), dtype_); }

// ---------------------------------------------------------------- the methods, on vectors of size about 1
namespace {

constexpr double inf = std::numeric_limits<double>::infinity();
Tensor length(const Tensor& x) { return sqrt(dot(x, x)); }

struct System {
  VectorMap A;
  const VectorMap* M;
  Tensor b, x0, limit;  // x0: null for zero
  std::int64_t maxiter, restart;
  Tensor M_of(const Tensor& r) const { return M ? (*M)(r) : r; }
  Tensor start() const { return x0.defined() ? x0 : zeros_like(b); }
  Tensor first_residual() const { return x0.defined() ? b - A(x0) : b; }
  Tensor none() const { return functra::zeros({}, DType::i64); }
  Tensor yes() const { return full({}, true, DType::bool_); }
};

struct Cg {  // residual r, direction p
  Tensor x, r, p, rz, rr, steps, ok;
};
KrylovResult cg(const System& s) {
  Tensor r = s.first_residual(), z = s.M_of(r), rr = dot(r, r);
  Cg last = functra::while_loop([&](const Cg& c) { return (c.rr > s.limit * s.limit) & (c.steps < s.maxiter) & c.ok; },
                                [&](const Cg& c) {
                                  Tensor Ap = s.A(c.p), pAp = dot(c.p, Ap), ok = (pAp > 0) & (c.rz > 0);
                                  Tensor step = where(ok, c.rz / pAp, 0), x = c.x + step * c.p, r = where(ok, c.r - step * Ap, c.r);
                                  Tensor z = s.M_of(r), rr = dot(r, r), rz = s.M ? dot(r, z) : rr;
                                  return Cg{x, r, z + rz / c.rz * c.p, rz, rr, c.steps + 1, ok};
                                },
                                Cg{s.start(), r, z, s.M ? dot(r, z) : rr, rr, s.none(), s.yes()});
  Tensor residual = sqrt(last.rr);
  return {last.x, last.steps, residual, residual <= s.limit};
}

struct Bicgstab {  // r0: the shadow residual; fresh: just (re)started
  Tensor x, r, r0, p, v, rho, alpha, omega, steps, ok, fresh;
};
KrylovResult bicgstab(const System& s) {
  Tensor r = s.first_residual(), nothing = zeros_like(s.b), one = full_like(dot(r, r), 1.0);
  Bicgstab last = functra::while_loop([&](const Bicgstab& c) { return (dot(c.r, c.r) > s.limit * s.limit) & (c.steps < s.maxiter) & c.ok; },
                                      [&](const Bicgstab& c) {
                                        Tensor rho = dot(c.r0, c.r), beta = rho / c.rho * (c.alpha / c.omega), p = c.r + beta * (c.p - c.omega * c.v);
                                        Tensor Mp = s.M_of(p), v = s.A(Mp), alpha = rho / dot(c.r0, v), half = c.r - alpha * v;
                                        Tensor done = dot(half, half) <= s.limit * s.limit;
                                        Tensor Mh = s.M_of(half), t = s.A(Mh), omega = where(done, 0, dot(t, half) / dot(t, t));
                                        Tensor x = c.x + alpha * Mp + omega * Mh, r = half - omega * t;
                                        // A step is taken if it can be and the next one can follow; else the method starts again from x, once.
                                        Tensor ok = isfinite(dot(r, r)) & isfinite(alpha) & ((omega != 0) | done) & (rho != 0);
                                        auto keep = [&](const Tensor& next, const Tensor& old) { return where(ok, next, old); };
                                        return Bicgstab{keep(x, c.x),
                                                        keep(r, c.r),
                                                        keep(c.r0, c.r),
                                                        keep(p, nothing),
                                                        keep(v, nothing),
                                                        keep(rho, one),
                                                        keep(alpha, one),
                                                        keep(omega, one),
                                                        c.steps + 1,
                                                        ok | !c.fresh,
                                                        !ok};
                                      },
                                      Bicgstab{s.start(), r, r, nothing, nothing, one, one, one, s.none(), s.yes(), s.yes()});
  Tensor residual = length(last.r);
  return {last.x, last.steps, residual, residual <= s.limit};
}

Tensor row(const Tensor& m, const Tensor& k) { return lax::dynamic_slice(m, {k, 0}, {1, m.size(1)}).reshape({m.size(1)}); }
Tensor with_row(const Tensor& m, const Tensor& k, const Tensor& r) { return lax::dynamic_update_slice(m, r.reshape({1, m.size(1)}), {k, 0}); }
Tensor element(const Tensor& v, const Tensor& k) { return lax::dynamic_slice(v, {k}, {1}).reshape(Shape{}); }

// One cycle: rows of V are an orthonormal basis of the Krylov space; Q H = R is the QR decomposition of the Hessenberg matrix, row j of
// `R` its column j.
struct Arnoldi {
  Tensor V, Q, R, k, left;  // left: the residual's norm as Q has it
};
struct Gmres {
  Tensor x, r, norm, cycles, steps, ok;
};
KrylovResult gmres(const System& s) {
  DType d = s.b.dtype();
  std::int64_t n = s.b.numel(), m = std::max<std::int64_t>(1, std::min(s.restart, n));
  double eps = epsilon_of(d);
  Tensor identity = eye(m + 1, d), first = narrow(identity, 1, 0, 1).reshape({m + 1}), rows = eye(m, d);
  Tensor r = s.first_residual();
  auto step = [&](const Tensor& norm, const Arnoldi& c) {
    Tensor next = c.k + 1, w = s.A(s.M_of(row(c.V, c.k))), size = length(w), h = mv(c.V, w);
    w = w - matmul(h, c.V);
    Tensor again = mv(c.V, w);
    w = w - matmul(again, c.V);
    Tensor below = length(w), found = below > eps * size;  // else the space is invariant
    below = where(found, below, 0);
    h = mv(c.Q, h + again + below * row(identity, next));
    Tensor a = element(h, c.k), b = element(h, next), hyp = sqrt(a * a + b * b), zero = hyp == 0;
    Tensor cos = where(zero, 1, a / hyp), sin = where(zero, 0, b / hyp), q = row(c.Q, c.k), p = row(c.Q, next);
    Tensor low = cos * p - sin * q, Q = with_row(with_row(c.Q, c.k, cos * q + sin * p), next, low);
    h = h + (hyp - a) * row(identity, c.k) - b * row(identity, next);
    return Arnoldi{with_row(c.V, next, where(found, w / below, 0)), Q, with_row(c.R, c.k, h), next, norm * abs(element(low, Tensor(0)))};
  };
  auto cycle = [&](const Gmres& g) {
    Tensor V = with_row(functra::zeros({m + 1, n}, d), s.none(), g.r / g.norm);
    Arnoldi c =
        functra::while_loop([&](const Arnoldi& c) { return (c.k < m) & (c.left > s.limit); }, [&](const Arnoldi& c) { return step(g.norm, c); },
                            Arnoldi{V, identity, narrow(identity, 0, 0, m), s.none(), g.norm});
    // Back substitution; unknowns beyond step k are zero.
    Tensor U = narrow(c.R, 1, 0, m).t(), rhs = where(arange(m) < c.k, narrow(mv(c.Q, first), 0, 0, m) * g.norm, 0);
    Tensor y = functra::scan(
                   [&](const Tensor& y, const std::tuple<Tensor, Tensor, Tensor>& at) {
                     auto& [u, f, e] = at;
                     Tensor pivot = dot(u, e), value = where(pivot == 0, 0, (f - dot(u, y)) / pivot);
                     return std::pair{y + value * e, none};
                   },
                   zeros_like(rhs), std::tuple{U, rhs, rows}, {.reverse = true})
                   .first;
    Tensor x = g.x + s.M_of(matmul(y, narrow(c.V, 0, 0, m))), r = s.b - s.A(x), norm = length(r), ok = norm < g.norm;
    return Gmres{where(ok, x, g.x), where(ok, r, g.r), where(ok, norm, g.norm), g.cycles + 1, g.steps + c.k, ok};
  };
  Gmres last = functra::while_loop([&](const Gmres& g) { return (g.norm > s.limit) & (g.cycles < s.maxiter) & g.ok; }, cycle,
                                   Gmres{s.start(), r, length(r), s.none(), s.none(), s.yes()});
  return {last.x, last.steps, last.norm, last.norm <= s.limit};
}

}  // namespace

KrylovResult krylov(VectorMap A, const VectorMap* M, const Tensor& b, const Tensor& x0, const KrylovOptions& o) {
  Tensor size = prims::reduce_max(abs(b), {0}), scale = where((size > 0) & (size < inf), size, 1), small = b / scale;
  Tensor norm = length(small), limit = maximum(o.tol * norm, o.atol / scale);
  System s{A, M, small, x0.defined() ? x0 / scale : Tensor(), limit, o.maxiter, o.restart};
  KrylovResult r = o.method == Krylov::cg ? cg(s) : o.method == Krylov::gmres ? gmres(s) : bicgstab(s);
  if (o.or_nan) r.x = where(r.converged | (r.residual <= o.tol * (norm + length(r.x))), r.x, std::numeric_limits<double>::quiet_NaN());
  r.x = r.x * scale;
  r.residual = r.residual * scale;
  return r;
}

}  // namespace functra::erased
