// The pass of identities: the tables that every pass made of rules walks with.
#include "functra/compiler/passes.h"
#include "functra/compiler/rules.h"

namespace functra::compiler {

ProgramPtr simplify(const ProgramPtr& p) {
  return rewrite(
      p, {arithmetic_rules(), power_rules(), logic_rules(), movement_rules(), pieces_rules(), narrowing_rules(), reduction_rules(), control_rules()});
}

}  // namespace functra::compiler
