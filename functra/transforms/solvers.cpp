// Krylov solvers as linear_solve: Programs of the operator alone, made once for it.
#include "functra/transforms/solvers.h"

#include <cstdio>

#include "functra/ops/linear.h"
#include "functra/prims/implicit.h"
#include "functra/prims/math.h"
#include "functra/transforms/krylov-inl.h"
#include "functra/transforms/unknowns-inl.h"

namespace functra {

namespace erased {
using namespace functra::core;
using prims::joined;

std::function<Tensor(const Tensor&)> matrix_map(const Tensor& matrix) {
  Shape s = matrix.sizes();
  if (s.size() != 2 || s[0] != s[1]) throw ShapeError("ft::linalg: a linear operator is a function or a square matrix, got shape " + s.str());
  return [matrix](const Tensor& x) { return matmul(matrix, x); };
}

void check_linear(const Closed& c, const char* who, const char* name) {
  bool linear = true;
  try {
    linear = prims::is_linear(c.program, c.captured.size());
  } catch (const MissingRuleError&) { return; }  // nothing is known of it; what needs its derivative will say so
  if (!linear)
    throw ValueError(std::string(who) + ": " + name +
                     " is not linear: its derivative depends on its argument; pass a linear function, such as the one that linearize returns");
}
ProgramPtr transposed_or_null(const Closed& c) {
  try {
    return prims::transposed_map(c.program, c.captured.size());
  } catch (const MissingRuleError&) { return nullptr; }
}

namespace {

// The operator and the preconditioner (perhaps null), of constants (those of a, then those of M) and a vector.
struct Operators {
  ProgramPtr a, M;
  std::size_t n_a, n_M;
  std::size_t n() const { return n_a + n_M; }
  std::vector<Aval> space() const { return a->out_types(); }
  std::vector<Aval> types(int vectors) const {  // constants, then so many trees of unknowns
    std::vector<Aval> in = a->in_types(), t(in.begin(), in.begin() + static_cast<std::ptrdiff_t>(n_a)), x = space();
    if (M) {
      std::vector<Aval> m = M->in_types();
      t.insert(t.end(), m.begin(), m.begin() + static_cast<std::ptrdiff_t>(n_M));
    }
    for (int i = 0; i < vectors; ++i) t.insert(t.end(), x.begin(), x.end());
    return t;
  }
};
Vec run(const Operators& f, Ins constants, Ins b, Ins start, const KrylovOptions& o) {
  Space space(f.space());
  auto apply = [&](const ProgramPtr& p, Ins c, const Tensor& x) { return space.flat(eval_program(*p, joined({c, space.leaves(x)}))); };
  auto a = [&](const Tensor& x) { return apply(f.a, constants.first(f.n_a), x); };
  auto m = [&](const Tensor& x) { return apply(f.M, constants.subspan(f.n_a), x); };
  VectorMap preconditioner = m;
  KrylovResult r = krylov(a, f.M ? &preconditioner : nullptr, space.flat(b), start.empty() ? Tensor() : space.flat(start), o);
  Vec out = space.leaves(r.x);
  out.insert(out.end(), {r.steps, r.residual, r.converged});
  return out;
}
// (constants, b) -> (x, steps, residual, converged); kept with the operator.
ProgramPtr solver(const Operators& f, const KrylovOptions& o) {
  char key[160];
  std::snprintf(key, sizeof key, "krylov %d %a %a %lld %lld %d %llu", static_cast<int>(o.method), o.tol, o.atol, static_cast<long long>(o.maxiter),
                static_cast<long long>(o.restart), o.or_nan, static_cast<unsigned long long>(f.M ? f.M->id : 0));
  auto make = [&] { return trace_program(f.types(1), [&](Ins x) { return run(f, x.first(f.n()), x.subspan(f.n()), {}, o); }); };
  return *cached<ProgramPtr>(*f.a, key, make);
}
std::int64_t number(std::size_t n) { return static_cast<std::int64_t>(n); }
prims::LinearSolveParams params_of(const Operators& f, const KrylovOptions& o) {
  prims::LinearSolveParams q{f.a, solver(f, o), {}, number(f.n_a), number(f.n()), 0};
  if (o.method == Krylov::cg) q.transposed = {f.a, q.solve};
  else if (ProgramPtr at = transposed_or_null({f.a, Vec(f.n_a)})) {
    ProgramPtr mt = f.M ? transposed_or_null({f.M, Vec(f.n_M)}) : nullptr;
    q.transposed = {at, solver({at, mt ? mt : f.M, f.n_a, f.n_M}, o)};
  }
  if (!q.transposed.empty()) q.n_transposed = number(f.n());
  return q;
}
Operators operators(const Closed& a, const Closed* M) { return {a.program, M ? M->program : nullptr, a.captured.size(), M ? M->captured.size() : 0}; }
Vec constants(const Closed& a, const Closed* M) { return M ? joined({a.captured, M->captured}) : a.captured; }

}  // namespace

Vec solve_linear(const Closed& a, const Closed* M, Ins b, const KrylovOptions& o) {
  prims::LinearSolveParams q = params_of(operators(a, M), o);
  Vec c = constants(a, M);
  return prims::bind_linear_solve(q, joined({a.captured, c, q.transposed.empty() ? Ins() : Ins(c), b}));
}
Vec solve_linear_from(const Closed& a, const Closed* M, Ins b, Ins start, const KrylovOptions& o) {
  Operators f = operators(a, M);
  std::size_t n_a = f.n_a, n = f.n(), n_x = b.size();
  // The root of a x - b, whose constants are those of a and b.
  std::vector<Aval> x = f.space(), types = a.program->in_types();
  types.insert(types.end(), x.begin(), x.end());
  ProgramPtr residual = trace_program(types, [&](Ins in) {
    Vec y = eval_program(*f.a, joined({in.first(n_a), in.subspan(n_a + n_x)}));
    for (std::size_t i = 0; i < n_x; ++i) y[i] = sub(y[i], in[n_a + i]);
    return y;
  });
  ProgramPtr solve = trace_program(f.types(2), [&](Ins in) { return run(f, in.first(n), in.subspan(n, n_x), in.subspan(n + n_x), o); });
  // (constants of a and M, x, y) -> a^-1 y
  prims::LinearSolveParams q = params_of(f, o);
  ProgramPtr tangent = trace_program(f.types(2), [&](Ins in) {
    Ins c = in.first(n);
    Vec v = prims::bind_linear_solve(q, joined({in.first(n_a), c, q.transposed.empty() ? Ins() : c, in.subspan(n + n_x)}));
    v.resize(n_x);
    return v;
  });
  Vec c = constants(a, M);
  prims::RootParams p{residual, solve, {tangent}, number(n_a + n_x), number(n + n_x), number(n)};
  return prims::bind_root(p, joined({a.captured, b, c, b, c, start}));
}

void krylov_solve(TreeRef x, Map A, const Map* M, TreeRef start, const KrylovCall& o, SolveInfo& info) {
  const char* who = o.method == Krylov::cg ? "cg" : o.method == Krylov::gmres ? "gmres" : "bicgstab";
  auto check = [&](bool ok, const std::string& what) {
    if (!ok) throw ValueError(std::string(who) + ": " + what);
  };
  check(o.tol >= 0 && o.atol >= 0, "tol is " + std::to_string(o.tol) + " and atol " + std::to_string(o.atol) + ", expected numbers from 0 on");
  check(!o.maxiter || *o.maxiter >= 0, "maxiter is " + std::to_string(o.maxiter.value_or(0)) + ", expected a number of steps");
  check(o.restart >= 1, "restart is " + std::to_string(o.restart) + ", expected at least 1");
  Unknowns u(x, who, "b");
  Closed a = u.trace(A, "A returns"), m;
  check_linear(a, who, "A");
  if (M) {
    m = u.trace(*M, "M returns");
    check_linear(m, who, "M");
  }
  KrylovOptions k{
      .method = o.method, .tol = o.tol, .atol = o.atol, .maxiter = o.maxiter.value_or(10 * Space(u.types()).size()), .restart = o.restart};
  const Closed* preconditioner = M ? &m : nullptr;
  Vec y = start ? solve_linear_from(a, preconditioner, u.values, u.like(start, "x0 is"), k) : solve_linear(a, preconditioner, u.values, k);
  u.put(Ins(y).first(u.values.size()));
  info = {y[y.size() - 3], y[y.size() - 2], y[y.size() - 1]};
}

}  // namespace erased
}  // namespace functra
