// The executor in use: evaluates Programs equation by equation with the eager kernels.
#include "functra/core/executor.h"
#include "functra/core/interp.h"

namespace functra::core {
namespace {
class InterpretingExecutor final : public Executor {
 public:
  const char* name() const override { return "interpreter"; }
  void run(const ProgramPtr& program, std::span<Tensor> args, Outs outs) const override { eval_program_consuming(*program, args, outs); }
};
}  // namespace
const Executor& executor() {
  static const InterpretingExecutor e;
  return e;
}
}  // namespace functra::core
