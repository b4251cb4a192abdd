// Krylov methods on functions, and linear_solve by them. A tree of unknowns is one vector here.
#pragma once
#include "functra/core/forms.h"
#include "functra/transforms/solvers.h"

namespace functra::erased {

// Leaves of these types as one vector, of the widest dtype among them, at least f32.
class Space {
 public:
  explicit Space(std::vector<Aval> leaves);
  Tensor flat(Ins leaves) const;
  Vec leaves(const Tensor& flat) const;
  std::int64_t size() const { return size_; }
  double epsilon() const { return epsilon_; }  // of the narrowest dtype
  Tensor number(double x) const;

 private:
  std::vector<Aval> types_;
  std::int64_t size_ = 0;
  DType dtype_ = DType::f32;
  double epsilon_ = 0;
};

struct KrylovOptions {
  Krylov method;
  double tol, atol = 0;
  std::int64_t maxiter, restart = 20;
  bool or_nan = false;  // NaN where the tolerance was not reached, nor a backward error |b - A x| / (|b| + |x|) within it
};
struct KrylovResult {
  Tensor x, steps, residual, converged;
};
using VectorMap = function_ref<Tensor(const Tensor&)>;
// x with A x = b from the start x0 (null: zero): |b - A x| <= max(tol |b|, atol). M (null: none) approximates the inverse of A.
KrylovResult krylov(VectorMap A, const VectorMap* M, const Tensor& b, const Tensor& x0, const KrylovOptions& o);

// x, steps, residual, converged of a x = b, where a maps what is like b; M: null, or likewise. A linear function of b that
// differentiates at every order, whose derivatives are solved by the same method from zero.
Vec solve_linear(const core::Closed& a, const core::Closed* M, Ins b, const KrylovOptions& o);
// The same from a start.
Vec solve_linear_from(const core::Closed& a, const core::Closed* M, Ins b, Ins start, const KrylovOptions& o);

// ValueError unless the Program is linear in its inputs, as far as its equations show.
void check_linear(const core::Closed& c, const char* who, const char* name);
core::ProgramPtr transposed_or_null(const core::Closed& c);  // null where an operation has no transpose

}  // namespace functra::erased
