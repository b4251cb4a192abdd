// The passes: Program -> Program, in one flat list. Each keeps the inputs, the types and the number of the outputs, and what the Program
// computes: values as IEEE 754 has them, but for what a pass says of itself. Bodies of control flow are passed over too. Effects and
// draws from the stateful generator are neither merged, moved nor dropped; equations keep the source location of what they came from.
//
// A new pass is a function here and a line in the list (passes.cpp). A new identity is a rule in one of the tables that a pass walks
// with (rules.h).
#pragma once
#include <span>
#include <string>
#include <vector>

#include "functra/core/executor.h"

namespace functra::compiler {

using core::ProgramPtr;

struct Pass {
  const char* name;
  const char* what;  // one sentence
  ProgramPtr (*run)(const ProgramPtr&);
};
std::span<const Pass> passes();  // in the order they run; a name may come twice

struct PassReport {
  std::vector<core::Executor::PassStep> lines;
};
// All passes but those named in `off` (ValueError for a name that is none, with the list of names). The Program is verified after each; a
// pass that made a wrong one is a ValueError that names it.
ProgramPtr optimize(const ProgramPtr& p, std::span<const std::string> off = {}, PassReport* report = nullptr);

// Names in FUNCTRA_PASSES_OFF=cse,hoist: what compiled calls leave out, to find out which pass does what.
std::vector<std::string> passes_off();

std::size_t count_equations(const core::Program& p);  // at every depth

// ---- the passes
ProgramPtr inline_all(const ProgramPtr& p);                 // inline.cpp
ProgramPtr expand_small(const ProgramPtr& p);               // expand.cpp
ProgramPtr eliminate_dead(const ProgramPtr& p);             // dead.cpp
ProgramPtr merge_equal(const ProgramPtr& p);                // cse.cpp
ProgramPtr sink_free_values(const ProgramPtr& p);           // sink.cpp
ProgramPtr simplify(const ProgramPtr& p);                   // simplify.cpp
ProgramPtr annihilate_zeros(const ProgramPtr& p);           // zeros.cpp, seeds.cpp
ProgramPtr canonical_contractions(const ProgramPtr& p);     // contractions.cpp
ProgramPtr simplify_gathers(const ProgramPtr& p);           // gathers.cpp
ProgramPtr share_reciprocals(const ProgramPtr& p);          // reciprocals.cpp
ProgramPtr hoist_invariants(const ProgramPtr& p);           // hoist.cpp
ProgramPtr cut_residuals(const ProgramPtr& p);              // cut.cpp
ProgramPtr sum_over_steps(const ProgramPtr& p);             // stacks.cpp
ProgramPtr rotate_loops(const ProgramPtr& p);               // rotate.cpp
ProgramPtr make_again_between_phases(const ProgramPtr& p);  // remat.cpp
ProgramPtr reduce_halves(const ProgramPtr& p);              // halves.cpp
ProgramPtr choose_layouts(const ProgramPtr& p);             // layouts.cpp

// Calls of compiled functions alone, not in bodies: derivatives of what is left are those of the Program.
ProgramPtr inline_calls(const ProgramPtr& p);

}  // namespace functra::compiler
