// Who runs the Programs of compiled calls and of control flow. runtime/ defines the one in use; the meaning is that of eval_program.
#pragma once
#include <string>
#include <vector>

#include "functra/core/ir.h"

namespace functra::core {

class Executor {
 public:
  // What a compiled call looks like on the way to machine code. steps: nests and kernels in the order they run.
  enum class Form { steps, llvm_ir, assembly, object };
  struct Figures {
    double compile_ms = 0;               // passes, code generation and linking, of loops' bodies too
    double flops = 0, bytes = 0;         // of one call, a step of each loop: arithmetic operations; operands and results of nests and kernels
    std::size_t nests = 0, kernels = 0;  // generated loop nests; calls of ahead-of-time kernels
    std::size_t workspace = 0;           // bytes of the arena
  };

  // A program that is one piece of code for one thread: buffers[k] is which of its inputs or, from their number on, results.
  struct Direct {
    void (*code)(void* const* buffers, std::int64_t begin, std::int64_t end);
    std::int64_t begin, end;
    std::vector<std::uint32_t> buffers;
    std::vector<Aval> results;
  };

  virtual ~Executor() = default;
  virtual const char* name() const = 0;
  // A compiled call. Concrete arguments; entries of `args` are consumed: released, or reused, after their last use.
  virtual void run(const ProgramPtr& program, std::span<Tensor> args, Outs outs) const = 0;
  // The same for a prepared call, which keeps its arguments and gives the results of the call before, to be overwritten where nobody else
  // holds them. False: it cannot.
  virtual bool run_bound(const ProgramPtr&, std::span<const Tensor* const>, std::span<Tensor* const>) const { return false; }
  // As long as the program lives; null: it is another.
  virtual const Direct* direct(const ProgramPtr&) const { return nullptr; }
  // A body of control flow: compiled where it runs as part of a compiled call, evaluated otherwise.
  virtual void run_body(const ProgramPtr& program, std::span<Tensor> args, Outs outs) const = 0;
  // What `run` makes of the program; Error where the build has no compiler.
  virtual ProgramPtr optimised(const ProgramPtr& program) const = 0;
  virtual std::string text(const ProgramPtr& program, Form form) const = 0;
  virtual Figures figures(const ProgramPtr& program) const = 0;
  // The passes, run once more: each with what it took and gave.
  struct PassStep {
    std::string name;
    double ms;
    std::size_t before, after;  // equations, at every depth
    ProgramPtr program;         // after it
  };
  virtual std::vector<PassStep> passes(const ProgramPtr& program) const = 0;
};
const Executor& executor();

}  // namespace functra::core
