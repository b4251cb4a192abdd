// Primitives that hold Programs: calls of compiled functions, calls with the user's own derivative rules, and branches. Loops are in
// loop.h.
#pragma once
#include <functional>

#include "functra/prims/holder.h"

namespace functra::prims {

struct CallParams {
  ProgramPtr program;
};
extern const Primitive jit_call_p;
// Evaluates, or records a call, as the current interpreter has it.
void call(const ProgramPtr& p, Ins in, Outs out);
Vec call(const ProgramPtr& p, Ins in);
void call_consuming(const ProgramPtr& p, std::span<Tensor> in, Outs out);  // may release operands after their last use
void call_compiled(const ProgramPtr& p, std::span<Tensor> in, Outs out);   // the same by native code, where there is a compiler

// A call of a Program that somebody compiled: on concrete operands `run` does the work, and may consume them. Derivatives and batches
// are those of the Program. In text, which names the runner, one that is gone is replaced by evaluation.
struct Runner {
  std::string name;
  std::function<Vec(std::vector<Tensor> args)> call;  // null: the program is evaluated
};
using RunnerPtr = std::shared_ptr<const Runner>;
RunnerPtr register_runner(std::string name, std::function<Vec(std::vector<Tensor>)> call);  // empty: a name that is unique in the process
inline std::size_t hash_of(const RunnerPtr& r) { return std::hash<const void*>()(r.get()); }
void write(std::string& out, const RunnerPtr& r);
void read(core::TextReader& in, RunnerPtr& r);
struct CompiledParams {
  ProgramPtr program;
  RunnerPtr run;
};
extern const Primitive compiled_call_p;

// Operands: captured, then arguments. rule: (captured, arguments, tangents of arguments) -> (results, tangents of results).
struct CustomJvpParams {
  ProgramPtr primal, rule;
  std::int64_t captured;
};
// fwd: (captured, arguments) -> (results, residuals). bwd: (residuals, cotangents of results) -> cotangents of the arguments marked
// in `given`.
struct CustomVjpParams {
  ProgramPtr primal, fwd, bwd;
  std::int64_t captured;
  Mask given;
};
extern const Primitive custom_jvp_p, custom_vjp_p;

// The linear map whose transpose is a user's backward rule. Operands: residuals, tangents of the arguments; results: tangents of
// the results.
struct CustomLinearParams {
  ProgramPtr bwd;
  std::int64_t residuals;
  Mask given;
};
extern const Primitive custom_linear_p;
// That map as a Program of the residuals and the tangents that are given. MissingRuleError where the rule is not linear.
ProgramPtr forward_of(const CustomLinearParams& q);

// One of several Programs of the same inputs and outputs. Operands: a 0-d bool or integer that chooses (false 0, true 1; clamped to the
// branches), then the inputs.
struct CondParams {
  std::vector<ProgramPtr> branches;
};
extern const Primitive cond_p;
Vec bind_cond(const CondParams& q, Ins in);

// cond with a choice per lane: operands are the choices [size], then the inputs, [size, ...] where mapped; results are [size, ...]. The
// per-lane Programs are kept, so that derivatives are taken per lane and selected before anything is summed over lanes. A branch is
// evaluated on all lanes, but loops in it make no step, and effects are not seen, on lanes that did not choose it.
struct LanesParams {
  std::vector<ProgramPtr> branches;
  std::int64_t size;
  Mask mapped;
  bool guarded = false;  // the branches know already which lanes are on
};
extern const Primitive lanes_p;
Vec bind_lanes(const LanesParams& q, Ins in);

// The linearisation of several branches in a common form: primal (inputs) -> (outputs, residuals of every branch that are new),
// linear (residuals of every branch, tangents) -> tangents of outputs.
struct BranchPlan {
  std::vector<ProgramPtr> primal, linear;
  Mask nonzero;
  struct Residual {
    bool is_input;  // an operand, forwarded: under lanes a copy would be one per lane
    std::size_t index;
  };
  std::vector<Residual> residuals;  // of all branches, one after another
  std::size_t n_new = 0;
};
std::shared_ptr<const BranchPlan> branch_plan(const std::vector<ProgramPtr>& branches, const Mask& nonzero);
// Outputs that are nonzero (mapped) in any branch.
Mask any_nonzero(const std::vector<ProgramPtr>& branches, const Mask& in);
Mask any_batched(const std::vector<ProgramPtr>& branches, const BatchContext& ctx, const Mask& in);
template <class F> std::vector<ProgramPtr> each_branch(const std::vector<ProgramPtr>& branches, F f) {
  std::vector<ProgramPtr> r;
  for (auto& b : branches) r.push_back(f(b));
  return r;
}

}  // namespace functra::prims
