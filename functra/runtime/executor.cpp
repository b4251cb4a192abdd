// The executor in use: compiled calls run native code; without LLVM, and for what eager evaluation runs, equations are evaluated one by
// one with the eager kernels.
#include "functra/core/executor.h"
#include "functra/core/interp.h"
#if FUNCTRA_HAVE_LLVM
#include "functra/runtime/executable.h"
#endif

namespace functra::core {
namespace {

thread_local bool in_compiled_code = false;

class InterpretingExecutor final : public Executor {
 public:
  const char* name() const override { return "interpreter"; }
  void run(const ProgramPtr& program, std::span<Tensor> args, Outs outs) const override { eval_program_consuming(*program, args, outs); }
  void run_body(const ProgramPtr& program, std::span<Tensor> args, Outs outs) const override { eval_program_consuming(*program, args, outs); }
};
#if FUNCTRA_HAVE_LLVM
class NativeExecutor final : public Executor {
 public:
  const char* name() const override { return "native"; }
  void run(const ProgramPtr& program, std::span<Tensor> args, Outs outs) const override {
    bool before = std::exchange(in_compiled_code, true);
    struct Restore {
      bool v;
      ~Restore() { in_compiled_code = v; }
    } restore{before};
    runtime::executable(program)->run(args, outs);
  }
  void run_body(const ProgramPtr& program, std::span<Tensor> args, Outs outs) const override {
    if (in_compiled_code) runtime::executable(program)->run(args, outs);
    else eval_program_consuming(*program, args, outs);
  }
};
#endif
}  // namespace

const Executor& executor() {
#if FUNCTRA_HAVE_LLVM
  static const NativeExecutor e;
#else
  static const InterpretingExecutor e;
#endif
  return e;
}
}  // namespace functra::core
