// A compiled Program: steps that run native loop nests, loops over other executables, or ahead-of-time kernels, as its plan says. Immutable;
// any number of threads may run it at a time.
#pragma once
#include <memory>
#include <mutex>

#include "functra/compiler/passes.h"
#include "functra/runtime/plan.h"

namespace functra::runtime {

class Executable {
 public:
  // optimised: the passes have been over it, as part of the program that holds it.
  explicit Executable(core::ProgramPtr program, bool optimised = false);
  // Of a plan that was read. The program is what it can be made from again, to be looked at; none for a body. ms: what reading it took.
  explicit Executable(Plan plan, core::ProgramPtr program = nullptr, bool optimised = false, double ms = 0);
  // Concrete arguments, which are released after their last use.
  void run(std::span<Tensor> args, Outs outs) const;
  // The same on memory: contiguous operands, room for the results, which overlaps no operand, and a workspace of workspace_bytes().
  void run_raw(void* const* in, void* const* out, std::byte* workspace) const;
  // The same on tensors that stay their owners': concrete arguments; results are written over those of an earlier call where nobody else
  // holds them.
  void run_bound(std::span<const Tensor* const> args, std::span<Tensor* const> outs) const;

  const Plan& plan() const { return plan_; }
  const core::ProgramPtr& program() const { return described().plan_.program; }  // after the passes
  const core::Executor::Direct* direct() const { return plan_.direct ? &*plan_.direct : nullptr; }
  std::size_t workspace_bytes() const { return plan_.arena_bytes; }
  std::string text(core::Executor::Form form) const;
  core::Executor::Figures figures() const;

 private:
  struct Frame {
    void** at;        // per slot
    Tensor* tensors;  // per slot, where it has one
    std::byte* arena;
    bool owned;  // are the operands tensors?
  };
  void run_steps(Frame& f) const;
  void run_step(const Step& s, Frame& f) const;
  void run_group(std::size_t first, Frame& f) const;
  void run_nests(const Step& s, Frame& f) const;
  void run_call(const Step& s, Frame& f) const;
  void run_scan(const Step& s, Frame& f) const;
  void run_loop(const Step& s, Frame& f) const;
  void run_branch(const Step& s, Frame& f) const;
  const void* operand(Place p, Frame& f) const;
  void* room(std::int32_t slot, Frame& f) const;
  Tensor as_tensor(std::int32_t slot, Frame& f, bool may_keep) const;

  const Executable& described() const;  // the same, knowing what it was made from

  double before_ms_ = 0;  // what it took to have the program after the passes, or to read the plan
  Plan plan_;
  core::ProgramPtr source_;  // of a plan that was read
  bool optimised_ = false;
  mutable std::once_flag once_;
  mutable std::unique_ptr<const Executable> made_;  // from the source
};

bool dumps();
void dump(const core::Program& traced, const compiler::PassReport& report, const Executable& made);  // where FUNCTRA_DUMP_DIR asks for it

// The executable of a program, made at the first call, or read where the cache on disk has it; kept with the program, which is kept for a while.
ExecutablePtr executable(const core::ProgramPtr& p, bool optimised = false);
// Does the text of the program say all that it is? Then it, and what it is compiled to, means the same in another process.
bool text_tells(const core::Program& p);
// The same of a body, as a part of what holds it: that is where it is kept.
ExecutablePtr body_executable(const core::ProgramPtr& p);

}  // namespace functra::runtime
