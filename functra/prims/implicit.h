// Solutions of equations, differentiated by the implicit function theorem: what solves the equation is a Program that no rule looks
// into. Constants of the Programs and the right-hand side are operands.
#pragma once
#include "functra/prims/holder.h"

namespace functra::prims {

// x with matvec(constants, x) = b. matvec is linear in x; solve: (constants of solve, b) -> (x, further results, without derivative).
// transposed: empty (no reverse mode), or the transposed map, which takes the constants of matvec, and the Program that solves with it.
// Operands: constants of matvec, of solve, of the transposed solve, b. Linear in b.
struct LinearSolveParams {
  ProgramPtr matvec, solve;
  std::vector<ProgramPtr> transposed;
  std::int64_t n_matvec, n_solve, n_transposed;
};
extern const Primitive linear_solve_p;
Vec bind_linear_solve(const LinearSolveParams& q, Ins in);

// x with f(constants, x) = 0, where f returns what x is like. solve: (constants of solve, start) -> (x, further results, without
// derivative); tangent_solve: (constants, x, y) -> v with (df/dx) v = y, linear in y; empty where no derivative is needed.
// Operands: constants of f, of solve, of tangent_solve, start. The start has no derivative.
struct RootParams {
  ProgramPtr f, solve;
  std::vector<ProgramPtr> tangent_solve;
  std::int64_t n_f, n_solve, n_tangent;
};
extern const Primitive root_p;
Vec bind_root(const RootParams& q, Ins in);

// The transpose of a linear map: (constants, cotangents) -> cotangents of x. MissingRuleError where it has none.
ProgramPtr transposed_map(const ProgramPtr& matvec, std::size_t n_const);
// Is the derivative of (constants, x) -> outputs by x the same wherever it is taken, as far as the equations show.
bool is_linear(const ProgramPtr& matvec, std::size_t n_const);

}  // namespace functra::prims
