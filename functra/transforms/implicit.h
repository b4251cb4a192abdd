// Solutions of equations as functions that transforms see: custom_linear_solve, custom_root, fixed_point. Derivatives come from the
// equation at its solution (the implicit function theorem), never from the steps of the solver, so that a solver may be anything.
//
// The functions given here close over tensors of enclosing transforms as if those were arguments. They are traced, once each, and see
// values that cannot be read: a solver loops with while_loop or scan. Where no transform is active a solver runs as ordinary code.
// Unknowns are any tree of floating tensors (DTypeError otherwise); bare numbers become tensors of the dtype that the function gives.
#pragma once
#include <functional>

#include "functra/transforms/control_flow.h"

namespace functra {

struct LinearSolveOptions {
  bool symmetric = false;  // the map is its own transpose
};
struct FixedPointOptions {
  std::optional<double> tol{};   // default: the machine epsilon of the narrowest dtype to the power 3/4 (2e-12 in f64, 6e-6 in f32)
  std::optional<double> atol{};  // default: tol
  std::int64_t max_steps = 1000;
};
// What an iterative solver did, a value per example under vmap. It has no derivative.
struct SolveInfo {
  Tensor steps;      // i64
  Tensor residual;   // the norm of what is left of the equation
  Tensor converged;  // bool
};

namespace erased {

using LeafMap = std::function<std::vector<Tensor>(std::span<const Tensor>)>;  // a traced function that may be kept
struct Solved {
  TreeRef x, aux{};
};
using Map = function_ref<TreeRef()>;  // of the unknowns in x, below
using Solver = function_ref<Solved(const LeafMap&)>;
// `x` is a mutable copy of the right-hand side (the start); traced values are written into it before a function is called, the solution
// on return. The aux tree of the solver's last call holds further results.
void custom_linear_solve(TreeRef x, Map matvec, Solver solve, const Solver* transpose_solve, bool symmetric);
void custom_root(TreeRef x, Map f, Solver solve, Solver tangent_solve);
void fixed_point(TreeRef x, Map f, const FixedPointOptions& o, SolveInfo& info);

}  // namespace erased

namespace detail {

template <class T> using map_on = std::function<T(const T&)>;
template <class T> map_on<T> on_trees(const erased::LeafMap& f) {
  return [f](const T& x) {
    T y = x;
    tree::assign(TreeRef(y), f(tree::leaves(TreeRef(y))));
    return y;
  };
}
template <class T, class R> T to_unknowns(R&& r) {
  constexpr bool converts = std::is_convertible_v<R&&, T>;
  static_assert(converts, "functra: a function of the unknowns returns another type than they have (see T and R in 'to_unknowns<T, R>')");
  if constexpr (converts) return static_cast<R&&>(r);
  else return std::declval<T (*)()>()();
}
// A function from unknowns to the like.
template <class F, class T> class MapBody {
 public:
  MapBody(const F& f, T& x) : f_(f), x_(x) {}
  TreeRef operator()() {
    y_.emplace(to_unknowns<T>(call(f_, std::as_const(x_))));
    return TreeRef(*y_);
  }

 private:
  const F& f_;
  T& x_;
  std::optional<T> y_;
};
template <class F, class T, bool Aux> constexpr bool check_solver() {
  if constexpr (!check_call<F, map_on<T>, T>()) return false;
  else if constexpr (Aux && !is_pair<result_t<F, map_on<T>, T>>) {
    static_assert(always_false<F>, "functra: with has_aux, a solver must return a pair (solution, aux)");
    return false;
  } else return true;
}
// solve(map, right-hand side) -> unknowns, or (unknowns, aux).
template <class F, class T, bool Aux> class SolverBody {
 public:
  using R = result_t<F, map_on<T>, T>;
  SolverBody(const F& solve, T& x) : solve_(solve), x_(x) {}
  erased::Solved operator()(const erased::LeafMap& f) {
    R r = call(solve_, on_trees<T>(f), std::as_const(x_));
    if constexpr (Aux) {
      y_.emplace(to_unknowns<T>(std::move(std::get<0>(r))));
      aux_.emplace(std::move(std::get<1>(r)));
      return {TreeRef(*y_), TreeRef(*aux_)};
    } else {
      y_.emplace(to_unknowns<T>(std::move(r)));
      return {TreeRef(*y_)};
    }
  }
  auto result() {
    if constexpr (Aux) return std::pair(std::move(x_), std::move(*aux_));
    else return std::move(x_);
  }

 private:
  template <bool A, class X> struct aux_of { using type = NoneType; };
  template <class X> struct aux_of<true, X> { using type = lifted_t<aux_t<X>>; };
  const F& solve_;
  T& x_;
  std::optional<T> y_;
  std::optional<typename aux_of<Aux, R>::type> aux_;
};

template <bool Aux, class A, class B, class Solve, class Transpose>
auto custom_linear_solve(const A& matvec, B&& b, const Solve& solve, const Transpose* transpose_solve, bool symmetric) {
  using T = parameter_t<A, 0, B>;
  if constexpr (!check_call<A, T>() || !check_solver<Solve, T, Aux>() || !check_solver<Transpose, T, Aux>()) return Anything{};
  else {
    T x = to_param<T>(static_cast<B&&>(b));
    MapBody<A, T> map(matvec, x);
    SolverBody<Solve, T, Aux> body(solve, x);
    if (transpose_solve) {
      SolverBody<Transpose, T, Aux> transposed(*transpose_solve, x);
      erased::Solver t = transposed;
      erased::custom_linear_solve(TreeRef(x), map, body, &t, symmetric);
    } else erased::custom_linear_solve(TreeRef(x), map, body, nullptr, symmetric);
    return body.result();
  }
}
template <bool Aux, class F, class X, class Solve, class Tangent>
auto custom_root(const F& f, X&& start, const Solve& solve, const Tangent& tangent_solve) {
  using T = parameter_t<F, 0, X>;
  if constexpr (!check_call<F, T>() || !check_solver<Solve, T, Aux>() || !check_solver<Tangent, T, false>()) return Anything{};
  else {
    T x = to_param<T>(static_cast<X&&>(start));
    MapBody<F, T> map(f, x);
    SolverBody<Solve, T, Aux> body(solve, x);
    SolverBody<Tangent, T, false> tangent(tangent_solve, x);
    erased::custom_root(TreeRef(x), map, body, tangent);
    return body.result();
  }
}
template <bool Aux, class F, class X> auto fixed_point(const F& f, X&& start, const FixedPointOptions& o) {
  using T = parameter_t<F, 0, X>;
  if constexpr (!check_call<F, T>()) return Anything{};
  else {
    T x = to_param<T>(static_cast<X&&>(start));
    MapBody<F, T> map(f, x);
    SolveInfo info;
    erased::fixed_point(TreeRef(x), map, o, info);
    if constexpr (Aux) return std::pair(std::move(x), std::move(info));
    else return x;
  }
}
template <class A, class Transpose>
concept TwoSolvers = !std::is_convertible_v<Transpose, LinearSolveOptions> && !std::is_same_v<A, HasAux>;

}  // namespace detail

// The x with matvec(x) = b, as jax.lax.custom_linear_solve: solve(matvec, b) finds it, and dx solves matvec(dx) = db - (d matvec)(x)
// by the same solver. Reverse mode calls transpose_solve(transposed matvec, cotangent), which is `solve` where symmetric; without
// one it is a MissingRuleError. matvec is linear (ValueError where its derivative depends on x; a constant term is not noticed) and
// returns what is like b. That solve has solved is not checked. Tensors that only a solver closes over have no derivative.
// solve and transpose_solve take a std::function from the type of b to itself, and b.
// StructureError, ShapeError, DTypeError where a function returns other than b, naming the leaf.
template <class A, class B, class Solve> auto custom_linear_solve(A matvec, B&& b, Solve solve, LinearSolveOptions o = {}) {
  return detail::custom_linear_solve<false>(matvec, static_cast<B&&>(b), solve, static_cast<const Solve*>(nullptr), o.symmetric);
}
template <class A, class B, class Solve, class Transpose>
requires detail::TwoSolvers<A, Transpose>
auto custom_linear_solve(A matvec, B&& b, Solve solve, Transpose transpose_solve) {
  return detail::custom_linear_solve<false>(matvec, static_cast<B&&>(b), solve, &transpose_solve, false);
}
// The solvers return a pair (x, aux), and so does this: aux has no derivative.
template <class A, class B, class Solve> auto custom_linear_solve(HasAux, A matvec, B&& b, Solve solve, LinearSolveOptions o = {}) {
  return detail::custom_linear_solve<true>(matvec, static_cast<B&&>(b), solve, static_cast<const Solve*>(nullptr), o.symmetric);
}
template <class A, class B, class Solve, class Transpose>
requires detail::TwoSolvers<A, Transpose>
auto custom_linear_solve(HasAux, A matvec, B&& b, Solve solve, Transpose transpose_solve) {
  return detail::custom_linear_solve<true>(matvec, static_cast<B&&>(b), solve, &transpose_solve, false);
}

// An x with f(x) = 0, as jax.lax.custom_root: solve(f, initial_guess) finds it. With f also depending on what it closes over, c,
// (df/dx) dx = -(df/dc) dc (the implicit function theorem); tangent_solve(g, y) gives the v with g(v) = y, where g is f
// linearised at the root, and is linear in y operation by operation: reverse mode transposes it, higher orders differentiate it. That is
// y / g(1.0) for a number, custom_linear_solve or a solver of ft::linalg for more. The guess has no derivative. That f(x) is 0 is not checked.
// Errors as above.
template <class F, class X, class Solve, class Tangent> auto custom_root(F f, X&& initial_guess, Solve solve, Tangent tangent_solve) {
  return detail::custom_root<false>(f, static_cast<X&&>(initial_guess), solve, tangent_solve);
}
// solve returns a pair (x, aux), and so does this: aux has no derivative.
template <class F, class X, class Solve, class Tangent> auto custom_root(HasAux, F f, X&& initial_guess, Solve solve, Tangent tangent_solve) {
  return detail::custom_root<true>(f, static_cast<X&&>(initial_guess), solve, tangent_solve);
}

// The x with f(x) = x that f, repeated from x0, leads to: x = f(x) until |f(x) - x| <= max(tol |f(x)|, atol), norms over all leaves.
// For a contraction with factor q the error is then below q / (1 - q) times that. NaN where max_steps were not enough. Derivatives of
// every mode and order are those of the fixed point, (I - df/dx) dx = (df/dc) dc with what f closes over, c, solved by GMRES to the
// same tolerance; NaN where that does not converge. x0 has no derivative.
template <class F, class X> auto fixed_point(F f, X&& x0, FixedPointOptions o = {}) { return detail::fixed_point<false>(f, static_cast<X&&>(x0), o); }
// (x, SolveInfo)
template <class F, class X> auto fixed_point(HasAux, F f, X&& x0, FixedPointOptions o = {}) {
  return detail::fixed_point<true>(f, static_cast<X&&>(x0), o);
}

}  // namespace functra
