// custom_linear_solve and custom_root with types erased: the functions traced into Programs, and the primitives bound.
#include "functra/prims/implicit.h"

#include <cmath>
#include <cstdio>
#include <limits>

#include "functra/ops/factories.h"
#include "functra/ops/math.h"
#include "functra/ops/reduce.h"
#include "functra/prims/math.h"
#include "functra/transforms/krylov-inl.h"
#include "functra/transforms/unknowns-inl.h"

namespace functra::erased {
using namespace functra::core;

namespace {

using prims::joined;

// The Program of a solver of `map`, on the unknowns: (captured, right-hand side) -> (x, aux leaves).
Closed trace_solver(const Unknowns& u, const LeafMap& map, Solver solve, const char* name, Solved& solved) {
  Trace t(u.who(), false);
  u.put(t.inputs(u.types()));
  solved = solve(map);
  Vec out = u.like(solved.x, name);
  if (solved.aux)
    for (const Tensor& y : defined_leaves(solved.aux, u.who(), "aux")) out.push_back(y.weak() ? convert(y, y.dtype()) : y);
  return t.closed(out);
}
// Where nothing is traced, a solver runs as it is.
void solve_plainly(const Unknowns& u, const LeafMap& map, Solver solve) {
  u.put(u.values);
  Solved s = solve(map);
  u.put(u.like(s.x, "solve returns"));
}
void put_solution(const Unknowns& u, const Solved& s, Ins y) {
  u.put(y.first(u.values.size()));
  if (s.aux) tree::assign(s.aux, y.subspan(u.values.size()));
}
std::int64_t size_of_list(const Vec& v) { return static_cast<std::int64_t>(v.size()); }

}  // namespace

void custom_linear_solve(TreeRef x, Map matvec, Solver solve, const Solver* transpose_solve, bool symmetric) {
  const char* who = "custom_linear_solve";
  Unknowns u(x, who, "b");
  Closed a = u.trace(matvec, "matvec returns"), third;
  check_linear(a, who, "matvec");
  LeafMap map = as_map(a, u.types(), who);
  if (!current) return solve_plainly(u, map, solve);
  Solved solved, unused;
  Closed s = trace_solver(u, map, solve, "solve returns", solved);
  prims::LinearSolveParams q{a.program, s.program, {}, size_of_list(a.captured), size_of_list(s.captured), 0};
  if (symmetric) {
    third = s;
    q.transposed = {a.program, s.program};
  } else if (ProgramPtr at = transpose_solve ? transposed_or_null(a) : nullptr) {
    auto without_aux = [&](const LeafMap& f) { return Solved{(*transpose_solve)(f).x}; };
    third = trace_solver(u, as_map({at, a.captured}, u.types(), who), without_aux, "transpose_solve returns", unused);
    q.transposed = {at, third.program};
  }
  q.n_transposed = size_of_list(third.captured);
  put_solution(u, solved, prims::bind_linear_solve(q, joined({a.captured, s.captured, third.captured, u.values})));
}

// ---------------------------------------------------------------- roots
namespace {
// A tangent_solve that finds its v by custom_root is traced inside of its own trace, and so on.
struct Depth {
  static thread_local int depth;
  Depth() {
    if (++depth > 16) {
      --depth;
      throw ValueError(
          "custom_root: tangent_solve calls custom_root, whose tangent_solve calls it again, and so on; solve the linear equation by "
          "custom_linear_solve or a solver of ft::linalg");
    }
  }
  ~Depth() { --depth; }
  Depth(const Depth&) = delete;
};
thread_local int Depth::depth = 0;

// f linearised at x, by x: what it closes over are the residuals. Called while `x` is being traced.
Closed linearized(const ProgramPtr& f, Ins constants, Ins x) {
  Mask m(constants.size());
  m.resize(f->inputs.size(), 1);
  auto l = linearize_program(f, m, Mask(f->outputs.size(), 1));
  Vec r = eval_program(*without_effects(l->primal), joined({constants, x}));
  return {l->linear, Vec(r.begin() + static_cast<std::ptrdiff_t>(x.size()), r.end())};
}
}  // namespace

void custom_root(TreeRef x, Map function, Solver solve, Solver tangent_solve) {
  const char* who = "custom_root";
  Unknowns u(x, who, "the initial guess");
  Closed f = u.trace(function, "f returns");
  LeafMap map = as_map(f, u.types(), who);
  if (!current) return solve_plainly(u, map, solve);
  Solved solved;
  Closed s = trace_solver(u, map, solve, "solve returns", solved), v;
  {
    Depth deeper;
    Trace t(who, false);
    Vec root = t.inputs(u.types()), rhs = t.inputs(u.types());
    LeafMap g = as_map(linearized(f.program, f.captured, root), u.types(), who);
    u.put(rhs);
    v = t.closed(u.like(tangent_solve(g).x, "tangent_solve returns"));
  }
  prims::RootParams q{f.program, s.program, {v.program}, size_of_list(f.captured), size_of_list(s.captured), size_of_list(v.captured)};
  put_solution(u, solved, prims::bind_root(q, joined({f.captured, s.captured, v.captured, u.values})));
}

// ---------------------------------------------------------------- fixed points
namespace {

struct Iteration {  // the carry of the loop
  Vec x;
  Tensor change, limit, steps;
};
// (constants, start) -> (x, steps, residual, converged)
Vec iterate(const ProgramPtr& f, Ins constants, Ins start, const Space& space, double tol, double atol, std::int64_t max_steps) {
  Tensor inf = space.number(std::numeric_limits<double>::infinity());
  Iteration last = functra::while_loop([&](const Iteration& s) { return (s.change > s.limit) & (s.steps < max_steps); },
                                       [&](const Iteration& s) {
                                         Vec y = eval_program(*f, joined({constants, s.x}));
                                         Tensor flat = space.flat(y), limit = maximum(norm(flat) * tol, space.number(atol));
                                         return Iteration{y, norm(flat - space.flat(s.x)), limit, s.steps + 1};
                                       },
                                       Iteration{Vec(start.begin(), start.end()), inf, space.number(0), zeros({}, i64)});
  Tensor converged = last.change <= last.limit;
  Vec r;
  for (const Tensor& x : last.x) r.push_back(where(converged, x, std::numeric_limits<double>::quiet_NaN()));
  r.insert(r.end(), {last.steps, last.change, converged});
  return r;
}

// What depends on f's Program and the options alone: made once.
struct FixedPoint {
  ProgramPtr residual, solve, tangent_solve;
};
FixedPoint make_fixed_point(const ProgramPtr& f, std::size_t n_const, double tol, double atol, std::int64_t max_steps) {
  Types in = f->in_types(), x(in.begin() + static_cast<std::ptrdiff_t>(n_const), in.end());
  Space space(x);
  FixedPoint r;
  r.residual = trace_program(in, [&](Ins a) {
    Vec y = eval_program(*f, a);
    for (std::size_t i = 0; i < y.size(); ++i) y[i] = core::sub(y[i], a[n_const + i]);
    return y;
  });
  r.solve = trace_program(in, [&](Ins a) { return iterate(f, a.first(n_const), a.subspan(n_const), space, tol, atol, max_steps); });
  Types tangent = in;
  tangent.insert(tangent.end(), x.begin(), x.end());
  r.tangent_solve = trace_program(tangent, [&](Ins a) {
    Closed g = linearized(r.residual, a.first(n_const), a.subspan(n_const, x.size()));
    KrylovOptions o{.method = Krylov::gmres, .tol = tol, .maxiter = max_steps, .or_nan = true};
    Vec y = solve_linear(g, nullptr, a.subspan(in.size()), o);
    y.resize(x.size());
    return y;
  });
  return r;
}

}  // namespace

void fixed_point(TreeRef x, Map function, const FixedPointOptions& o, SolveInfo& info) {
  const char* who = "fixed_point";
  if (o.max_steps < 1) throw ValueError("fixed_point: max_steps is " + std::to_string(o.max_steps) + ", expected at least 1");
  for (auto t : {o.tol, o.atol})
    if (t && !(*t >= 0)) throw ValueError("fixed_point: a tolerance is " + std::to_string(*t) + ", expected a number from 0 on");
  Unknowns u(x, who, "x0");
  Closed f = u.trace(function, "f returns");
  double tol = o.tol ? *o.tol : std::pow(Space(u.types()).epsilon(), 0.75), atol = o.atol ? *o.atol : tol;
  std::size_t n_const = f.captured.size();
  char key[100];
  std::snprintf(key, sizeof key, "fixed_point %a %a %lld", tol, atol, static_cast<long long>(o.max_steps));
  auto p = cached<FixedPoint>(*f.program, key, [&] { return make_fixed_point(f.program, n_const, tol, atol, o.max_steps); });
  auto n = static_cast<std::int64_t>(n_const);
  prims::RootParams q{p->residual, p->solve, {p->tangent_solve}, n, n, n};
  Vec y = prims::bind_root(q, joined({f.captured, f.captured, f.captured, u.values}));
  u.put(Ins(y).first(u.values.size()));
  info = {y[y.size() - 3], y[y.size() - 2], y[y.size() - 1]};
}

}  // namespace functra::erased
