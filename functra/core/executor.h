// Who runs the Program of a compiled call. runtime/ defines the one in use; the meaning is that of eval_program.
#pragma once
#include "functra/core/ir.h"

namespace functra::core {

class Executor {
 public:
  virtual ~Executor() = default;
  virtual const char* name() const = 0;
  // Concrete arguments. Entries of `args` are consumed: released, or reused, after their last use.
  virtual void run(const ProgramPtr& program, std::span<Tensor> args, Outs outs) const = 0;
};
const Executor& executor();

}  // namespace functra::core
