// Types of the operands and results of an equation.
#pragma once
#include "functra/core/ir.h"

namespace functra::compiler {

inline std::vector<Aval> operand_types(const core::Program& p, const core::Eqn& e) {
  std::vector<Aval> r;
  for (core::Var v : p.operands(e)) r.push_back(p.operand_type(v));
  return r;
}

}  // namespace functra::compiler
