// What it means to run a compiled program, decided once: steps in order, the code of their loop nests, and where the values between them lie.
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

namespace functra::runtime {

class Executable;
using ExecutablePtr = std::shared_ptr<const Executable>;

// Estimates of work: operations on vectors of 64 bytes, 0.15 ns each.
inline constexpr double unknown = -1;                        // or made by several threads
inline constexpr double parallel_work = 10000;               // that pay for waking a thread
inline constexpr double guessed_steps = 30;                  // of a loop that ends by its condition
double work_of(const core::Program& p, const core::Eqn& e);  // of a primitive's kernel

enum class Where : std::uint8_t { input, arena, result, tensor };
struct Slot {
  Where where;
  Aval type;
  std::size_t bytes;
  std::size_t at = 0;  // number of the input or result; offset in the arena
  // The slot whose place it takes in the arena; of those of tensors, any that is the only reference to its memory when the step runs.
  std::vector<std::int32_t> over{};
  bool any_strides = false;  // a transpose that kernels alone read
};
struct Part {  // one nest
  compiler::Kernel kernel;
  std::int64_t begin, end;            // of its first axis
  std::int64_t grain;                 // 0: not worth several threads
  std::vector<std::size_t> combined;  // results (by number) whose parts are added up
  double work = 0;
  std::int64_t block = 0;  // 0, or: of its first axis so many are summed up at a time, since the error of a sum grows with its length
  bool sums = false;       // it has no other results
  bool lasting = false;    // it keeps a thread busy for microseconds
  bool uneven = false;     // some of its points take longer than others
};
using Place = std::int32_t;  // a slot, or ~k: the k-th literal
struct Trips {               // of a loop: what its operands are, and how often it runs
  std::int64_t n_cond_const = 0, n_const = 0, n_carry = 0, length = 0;
  bool reverse = false, counted = false;
};
struct Step {
  enum class Kind : std::uint8_t { nests, call, scan, loop, branch };
  Kind kind = Kind::nests;
  const core::Primitive* prim = nullptr;  // of all but nests
  core::ParamRef params;                  // of a call
  Shape order;                            // of a product: the order of dimensions that its result is written in, if it is another one
  const void* site = nullptr;             // of a call: where the user's code asked for it, if that is known
  bool effect = false;
  Trips trips{};
  std::vector<Place> in;
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
// Of a program that is nests alone: the buffers of all steps, one after another, and which of them each input and result is.
struct Wires {
  bool all_nests = false;
  std::vector<std::size_t> first;                               // per step
  std::vector<std::vector<std::uint32_t>> of_input, of_result;  // numbers of buffers
  std::vector<std::pair<std::uint32_t, std::size_t>> of_arena;  // a buffer, its offset
  std::vector<std::size_t> copied;                              // results that no nest writes in place
  std::size_t buffers = 0;
};

double now_ms();

struct Plan {
  Plan() = default;
  explicit Plan(core::ProgramPtr optimised);
  double serial_work() const;  // of one thread, or unknown
  std::vector<const compiler::Nest*> all_nests() const;

  Aval type(Place p) const { return p < 0 ? literal(p).aval() : slots[static_cast<std::size_t>(p)].type; }
  // As a result: a value, and no number of the program's that another program would take over as one.
  Tensor constant(Place p) const;
  const Tensor& literal(Place p) const { return literals[static_cast<std::size_t>(~p)]; }

  // What it was made from, after the passes; nothing where it was read.
  core::ProgramPtr program;
  std::vector<compiler::Unit> units;  // of each step

  std::size_t n_in = 0;
  std::vector<Aval> results;
  std::vector<Tensor> literals;
  std::vector<Step> steps;
  compiler::CodePtr code;
  std::vector<Slot> slots;
  std::vector<Place> result_place;              // per output
  std::size_t arena_bytes = 0, held_bytes = 0;  // held: by tensors that are neither operands nor results, at most at a time
  Wires wires;
  std::optional<core::Executor::Direct> direct;
  core::Executor::Figures figures{};
  double compile_ms = 0;  // of its nests, without those of bodies
};

void make_groups(Plan& plan);                          // steps that run at a time: groups.cpp
void place_values(Plan& plan);                         // lifetimes and memory: places.cpp
core::Executor::Figures figures_of(const Plan& plan);  // of one that knows what it was made from: describe.cpp
void finish(Plan& plan);  // what follows from its code and the rest: kernels of nests, what a prepared call needs: places.cpp

}  // namespace functra::runtime
