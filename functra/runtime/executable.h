// A compiled Program: steps that run native loop nests or call ahead-of-time kernels, and the places of values between them.
#pragma once
#include <memory>

#include "functra/compiler/fuse.h"
#include "functra/compiler/native.h"
#include "functra/core/ir.h"

namespace functra::runtime {

class Executable {
 public:
  explicit Executable(core::ProgramPtr program);
  // Concrete arguments, which are released after their last use.
  void run(std::span<Tensor> args, Outs outs) const;

  const core::ProgramPtr& program() const { return program_; }
  const std::vector<compiler::Unit>& units() const { return units_; }
  double compile_ms() const { return compile_ms_; }

 private:
  struct Part {  // one nest
    compiler::Kernel kernel;
    std::int64_t begin, end;            // of its first axis
    std::int64_t grain;                 // 0: not worth several threads
    std::vector<std::size_t> combined;  // results (by number) whose parts are added up
  };
  struct Result {
    core::Var slot;
    Aval type;
    bool starts = false;  // begins as the identity of `op`
    core::ReduceOp op{};
  };
  struct Step {
    const core::Eqn* call = nullptr;
    std::vector<core::Var> in;  // a negative one is a literal
    std::vector<Result> out;
    std::vector<Part> parts;
    std::vector<core::Var> dead;  // after it
  };
  void run_nests(const Step& s, Tensor* slots) const;
  void run_call(const Step& s, Tensor* slots) const;

  core::ProgramPtr program_;
  std::vector<compiler::Unit> units_;
  compiler::CodePtr code_;
  std::vector<Step> steps_;
  double compile_ms_ = 0;
};
using ExecutablePtr = std::shared_ptr<const Executable>;

// The executable of a program, made at the first call; kept with the program.
ExecutablePtr executable(const core::ProgramPtr& p);

}  // namespace functra::runtime
