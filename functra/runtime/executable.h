// A compiled Program: steps that run native loop nests, loops over other executables, or ahead-of-time kernels, and the places of the
// values between them. Immutable; any number of threads may run it at a time.
//
// Places. Values that only nests and loops touch lie in one arena, where they share memory as their lifetimes allow; values that a
// kernel's tensors hold, or may keep, are tensors; results are written where the caller wants them. A nest that reads a value for the last
// time may write another one over it, element by element: in the arena always, over a tensor where nobody else holds it, which for an
// argument means that the caller gave it away.
#pragma once
#include <memory>
#include <optional>

#include "functra/compiler/fuse.h"
#include "functra/compiler/native.h"
#include "functra/core/executor.h"
#include "functra/runtime/parts.h"

namespace functra::runtime {

class Executable;
using ExecutablePtr = std::shared_ptr<const Executable>;

// Estimates of work: operations on vectors of 64 bytes, 0.15 ns each.
inline constexpr double unknown = -1;                        // or made by several threads
inline constexpr double parallel_work = 10000;               // that pay for waking a thread
inline constexpr double guessed_steps = 30;                  // of a loop that ends by its condition
double work_of(const core::Program& p, const core::Eqn& e);  // of a primitive's kernel

class Executable {
 public:
  // optimised: the passes have been over it, as part of the program that holds it.
  explicit Executable(core::ProgramPtr program, bool optimised = false);
  // Concrete arguments, which are released after their last use.
  void run(std::span<Tensor> args, Outs outs) const;
  // The same on memory: contiguous operands, room for the results, which overlaps no operand, and a workspace of workspace_bytes().
  void run_raw(void* const* in, void* const* out, std::byte* workspace) const;
  // The same on tensors that stay their owners': concrete arguments; results are written over those of an earlier call where nobody else
  // holds them.
  void run_bound(std::span<const Tensor* const> args, std::span<Tensor* const> outs) const;

  const core::ProgramPtr& program() const { return program_; }  // after the passes
  const std::vector<compiler::Unit>& units() const { return units_; }
  const core::Executor::Direct* direct() const { return direct_ ? &*direct_ : nullptr; }
  std::size_t workspace_bytes() const { return arena_bytes_; }
  double serial_work() const;  // work of one thread, or unknown
  std::string text(core::Executor::Form form) const;
  core::Executor::Figures figures() const;

 private:
  friend class Runner;
  friend class Member;
  enum class Where : std::uint8_t { input, arena, result, tensor };
  struct Slot {
    Where where;
    Aval type;
    std::size_t bytes;
    std::size_t at = 0;  // number of the input or result; offset in the arena
    // The slot whose place it takes in the arena; of those of tensors, any that is the only reference to its memory when the step runs.
    std::vector<std::int32_t> over{};
  };
  struct Part {  // one nest
    compiler::Kernel kernel;
    std::int64_t begin, end;            // of its first axis
    std::int64_t grain;                 // 0: not worth several threads
    std::vector<std::size_t> combined;  // results (by number) whose parts are added up
    double work = 0;
    bool sums = false;     // it has no other results
    bool lasting = false;  // it keeps a thread busy for microseconds
    bool uneven = false;   // some of its points take longer than others
    void run(void* const* buffers, std::int64_t from, std::int64_t to) const {
      if (lasting) call_at_page_end(kernel, buffers, from, to);
      else kernel(buffers, from, to);
    }
  };
  struct Operand {
    std::int32_t slot;  // -1: a literal
    core::Var literal = 0;
  };
  enum class Kind : std::uint8_t { nests, call, scan, loop, branch };
  struct Step {
    Kind kind = Kind::nests;
    const core::Eqn* eqn = nullptr;  // of all but nests
    std::vector<Operand> in;
    std::vector<std::int32_t> out;                               // slots
    std::vector<std::pair<std::size_t, core::ReduceOp>> starts;  // results (by number) that begin as the identity
    std::vector<Part> parts;
    std::vector<std::int32_t> dead;              // tensors to release after it, or after the last of its group
    double serial_work = 0;                      // work of one thread, or unknown
    bool shared = false;                         // sums that members of a team make together
    std::uint32_t team = 1;                      // of a loop: threads that may run it in step
    std::size_t member_bytes = 0, exchange = 0;  // then: memory of each, and of the parts of its sums
    std::uint32_t group = 1;                     // so many steps from here on run at a time; 0: it is one of those, but not the first
    std::vector<ExecutablePtr> bodies;           // of a loop: body, condition; of a branch: each
    std::size_t work = 0, work_bytes = 0;        // the bodies' memory, an offset in the arena
  };
  struct Frame {
    void** at;        // per slot
    Tensor* tensors;  // per slot, where it has one
    std::byte* arena;
    bool owned;  // are the operands tensors?
  };
  std::vector<const compiler::Nest*> all_nests() const;
  void plan();
  void make_groups();
  void make_team(Step& s) const;
  void lay_over(const std::vector<std::int32_t>& dies);
  void count_held(const std::vector<std::int32_t>& born, std::vector<std::int32_t> dies);
  void wire();
  void find_direct();
  std::int32_t slot_of(core::Var v);
  Step nest_step(const compiler::Unit& u);
  Step eqn_step(const compiler::Unit& u);
  void run_steps(Frame& f) const;
  void run_step(const Step& s, Frame& f) const;
  void run_group(std::size_t first, Frame& f) const;
  void run_nests(const Step& s, Frame& f) const;
  void run_nests(const Step& s, void** buffers) const;
  Sum sum_of(const Step& s, std::size_t k, std::size_t& row) const;
  void run_call(const Step& s, Frame& f) const;
  void run_scan(const Step& s, Frame& f) const;
  void run_loop(const Step& s, Frame& f) const;
  void run_branch(const Step& s, Frame& f) const;
  const void* operand(const Operand& o, Frame& f) const;
  void* room(std::int32_t slot, Frame& f) const;
  Tensor as_tensor(std::int32_t slot, Frame& f, bool may_keep) const;

  core::ProgramPtr program_;
  std::vector<compiler::Unit> units_;
  compiler::CodePtr code_;
  std::vector<Step> steps_;
  std::vector<Slot> slots_;
  std::vector<std::int32_t> slot_of_var_;
  std::vector<std::int32_t> result_slot_;         // per output; -1: a literal
  std::size_t arena_bytes_ = 0, held_bytes_ = 0;  // held: by tensors that are neither operands nor results, at most at a time
  // Of a program that is nests alone: the buffers of all steps, one after another, and which of them each input and result is.
  struct Wires {
    bool all_nests = false;
    std::vector<std::size_t> first;                               // per step
    std::vector<std::vector<std::uint32_t>> of_input, of_result;  // numbers of buffers
    std::vector<std::pair<std::uint32_t, std::size_t>> of_arena;  // a buffer, its offset
    std::vector<std::size_t> copied;                              // results that no nest writes in place
    std::size_t buffers = 0;
  } wires_;
  std::vector<Aval> results_;
  std::optional<core::Executor::Direct> direct_;
  double compile_ms_ = 0;
};

// The executable of a program, made at the first call; kept with the program.
ExecutablePtr executable(const core::ProgramPtr& p, bool optimised = false);

}  // namespace functra::runtime
