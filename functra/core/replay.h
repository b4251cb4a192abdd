// Programs rebuilt: by running them again, and from equations of others.
#pragma once
#include <limits>

#include "functra/base/function_ref.h"
#include "functra/core/forms.h"

namespace functra::core {

// Fills `out` and returns true where it stands for the equation; else the equation is bound as it is.
using Hook = function_ref<bool(const Eqn& e, Ins in, Outs out)>;
// Evaluates p in the current interpreter. Equations keep their source locations.
void replay(const Program& p, Ins args, Outs outs, Hook hook);
// p with its equations replaced where the hook does so: same inputs (captured ones included), types and number of outputs.
ProgramPtr retrace(const Program& p, Hook hook);
// The same for equations by number, which have these parameters where the hook does not stand for them.
ProgramPtr retrace(const Program& p, std::span<const ParamRef> params, function_ref<bool(std::size_t eqn, Ins in, Outs out)> hook);

constexpr Var unknown = std::numeric_limits<Var>::min();  // not the number of a variable, nor a literal

// A Program under construction, from equations of others.
struct Builder {
  Program q;
  Var input(const Aval& a) { return q.inputs.emplace_back(q.new_var(a)); }
  // The operand v of p, where `to` gives the variables of q for those of p.
  Var operand(const Program& p, Var v, const std::vector<Var>& to);
  std::uint32_t append(const Program& p, const Eqn& e, const std::vector<Var>& to);  // the first result
  std::vector<Var> splice(const Program& p, std::span<const Var> in);                // all of p; its outputs
};

// p from its own equations, with these parameters, but for those that the hook appends itself and returns true for: it gives `to` for their
// results. Same inputs and outputs.
ProgramPtr rebuilt(const Program& p, std::span<const ParamRef> params, function_ref<bool(std::size_t eqn, Builder& b, std::vector<Var>& to)> hook);

// The Program from `inputs`, any variables of p, to `outputs`: the equations between, and those that `keep` marks (per equation); `taken`, which they
// are.
// A variable among the inputs is not computed again, though another result of its equation may be.
ProgramPtr extract(const Program& p, const std::vector<Var>& inputs, const std::vector<Var>& outputs, const std::vector<std::uint8_t>& keep = {},
                   std::vector<std::uint8_t>* taken = nullptr);

std::vector<std::uint8_t> effects_of(const Program& p);  // per equation: what `extract` keeps though nothing needs its results

std::int64_t bytes_of(const Aval& a);

}  // namespace functra::core
