// Who runs the Programs of compiled calls and of control flow. runtime/ defines the one in use; the meaning is that of eval_program.
#pragma once
#include "functra/core/ir.h"

namespace functra::core {

class Executor {
 public:
  virtual ~Executor() = default;
  virtual const char* name() const = 0;
  // A compiled call. Concrete arguments; entries of `args` are consumed: released, or reused, after their last use.
  virtual void run(const ProgramPtr& program, std::span<Tensor> args, Outs outs) const = 0;
  // A body of control flow: compiled where it runs as part of a compiled call, evaluated otherwise.
  virtual void run_body(const ProgramPtr& program, std::span<Tensor> args, Outs outs) const = 0;
};
const Executor& executor();

}  // namespace functra::core
