// What partitioners share: which variables of a joint program belong where, and the two halves for a set of residuals.
#pragma once
#include "functra/aot/partition.h"
#include "functra/core/replay.h"

namespace functra::aot {

using core::Eqn;
using core::ProgramPtr;
using core::Var;

struct Roles {
  explicit Roles(const compile::JointProgram& j);
  const core::Program& p;
  std::size_t primals, outputs;
  std::vector<std::uint8_t> backward;       // per variable: depends on a cotangent, so it cannot be computed before
  std::vector<std::uint8_t> backward_eqn;   // per equation
  std::vector<std::uint8_t> forward_eqn;    // per equation: the outputs, or effects of the forward half, need it
  std::vector<std::uint8_t> forward;        // per variable: a primal, or computed by such an equation
  std::vector<std::uint8_t> used_backward;  // per variable that is not `backward`: an equation that is, or a gradient, uses it
};
compile::Partition halves(const Roles& r, std::vector<Var> residuals);  // in any order; sorted

}  // namespace functra::aot
