// Iterative solvers of linear equations on functions: ft::linalg::cg, gmres, bicgstab, as jax.scipy.sparse.linalg.
#pragma once
#include "functra/transforms/implicit.h"

namespace functra {
namespace erased {
std::function<Tensor(const Tensor&)> matrix_map(const Tensor& matrix);  // x -> matrix x; ShapeError unless it is square
}
namespace linalg {

// A linear map from T to T: a function, or (where T is Tensor) a square matrix, which acts on vectors and on the columns of matrices.
template <class T> class LinearOperator {
 public:
  LinearOperator() = default;  // none
  template <class F>
  requires(!std::is_same_v<F, LinearOperator> && !std::is_convertible_v<F, Tensor> && std::is_invocable_r_v<T, const F&, const T&>)
      LinearOperator(F f)
      : f_(std::move(f)) {}
  LinearOperator(const Tensor& matrix) requires std::is_same_v<T, Tensor>;
  explicit operator bool() const { return static_cast<bool>(f_); }
  T operator()(const T& x) const { return f_(x); }

 private:
  std::function<T(const T&)> f_;
};
template <class T> LinearOperator<T>::LinearOperator(const Tensor& matrix) requires std::is_same_v<T, Tensor> : f_(erased::matrix_map(matrix)) {}

// Stops when |b - A x| <= max(tol |b|, atol), or after maxiter steps (default: ten times the number of unknowns). M is a linear map
// that approximates the inverse of A. x0: where to start, with structure and shapes of b; zero where absent.
template <class T> struct SolverOptions {
  std::optional<T> x0{};
  double tol = 1e-5, atol = 0;
  OptInt maxiter{};
  LinearOperator<T> M{};
};
template <class T> struct GmresOptions {
  std::optional<T> x0{};
  double tol = 1e-5, atol = 0;
  std::int64_t restart = 20;  // steps between restarts; the memory is that many vectors
  OptInt maxiter{};           // restarts
  LinearOperator<T> M{};
};

}  // namespace linalg

namespace erased {
enum class Krylov : std::uint8_t { cg, gmres, bicgstab };
struct KrylovCall {
  Krylov method;
  double tol, atol;
  OptInt maxiter;
  std::int64_t restart = 20;
};
// x: b on entry, the solution on return; M and start may be null.
void krylov_solve(TreeRef x, Map A, const Map* M, TreeRef start, const KrylovCall& o, SolveInfo& info);
}  // namespace erased

namespace detail {

template <class T> std::pair<T, SolveInfo> krylov_solve(const linalg::LinearOperator<T>& A, T x, const linalg::LinearOperator<T>& M,
                                                        const std::optional<T>& x0, const erased::KrylovCall& o) {
  SolveInfo info;
  MapBody<linalg::LinearOperator<T>, T> a(A, x), m(M, x);
  erased::Map preconditioner = m;
  erased::krylov_solve(TreeRef(x), a, M ? &preconditioner : nullptr, x0 ? TreeRef(*x0) : TreeRef(), o, info);
  return {std::move(x), std::move(info)};
}

}  // namespace detail

namespace linalg {

// The x with A x = b and what it took: (x, SolveInfo). A is a function of trees like b, or a matrix; ValueError where its derivative
// depends on its argument. Where the tolerance is not reached, x is the last iterate and info.converged says so.
//
// Derivatives of every mode and order come from the equation: they are solved by the same method to the same tolerance, started from
// zero, and are no better than that (give a small tol where they matter). What M and x0 close over has no derivative. Under vmap, an
// example that is done keeps its x while others go on. Right-hand sides are scaled to size 1, so that none is too small.
// StructureError, ShapeError, DTypeError where A, M or x0 do not fit b, naming the leaf.

// Conjugate gradients: A and M symmetric (not checked) and positive definite; stops where a direction p has p A p <= 0.
// Hestenes and Stiefel 1952; Saad, Iterative Methods for Sparse Linear Systems (2003), algorithm 9.1.
template <class B> auto cg(const LinearOperator<detail::lifted_t<B>>& A, const B& b, SolverOptions<detail::lifted_t<B>> o = {}) {
  return detail::krylov_solve<detail::lifted_t<B>>(A, b, o.M, o.x0, {erased::Krylov::cg, o.tol, o.atol, o.maxiter});
}
// Restarted GMRES, preconditioned from the right, so that the residual is that of A x = b; stops where a cycle brings nothing.
// Saad and Schultz 1986; the orthogonalisation is classical Gram-Schmidt, twice.
template <class B> auto gmres(const LinearOperator<detail::lifted_t<B>>& A, const B& b, GmresOptions<detail::lifted_t<B>> o = {}) {
  return detail::krylov_solve<detail::lifted_t<B>>(A, b, o.M, o.x0, {erased::Krylov::gmres, o.tol, o.atol, o.maxiter, o.restart});
}
// Stabilised biconjugate gradients (van der Vorst 1992), for any A, in memory of a few vectors; starts again from where it is if it
// breaks down.
template <class B> auto bicgstab(const LinearOperator<detail::lifted_t<B>>& A, const B& b, SolverOptions<detail::lifted_t<B>> o = {}) {
  return detail::krylov_solve<detail::lifted_t<B>>(A, b, o.M, o.x0, {erased::Krylov::bicgstab, o.tol, o.atol, o.maxiter});
}

}  // namespace linalg
}  // namespace functra
