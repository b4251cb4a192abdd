// Program -> Program, cached in the Program. Each is "trace the transform of evaluating the program": there is no second
// implementation of any rule. The rules of primitives that hold Programs call these.
#pragma once
#include "functra/base/function_ref.h"
#include "functra/core/basis.h"

namespace functra::core {

// Traces f on inputs of these types. f closes over no traced tensors; concrete ones become constants.
ProgramPtr trace_program(const std::vector<Aval>& in, function_ref<Vec(Ins)> f, bool intern = false);

struct JvpForm {
  ProgramPtr program;
  Mask nonzero;
};  // (inputs, nonzero tangents) -> (outputs, nonzero tangents)
struct LinForm {
  ProgramPtr primal;  // inputs -> outputs, residuals (which may repeat inputs and outputs)
  ProgramPtr linear;  // residuals, nonzero tangents -> nonzero output tangents
  Mask nonzero;
  std::size_t n_res;
};
struct BatchForm {
  ProgramPtr program;
  Mask batched;
};  // mapped dimension 0 everywhere

// `nonzero`, `batched`: per input; `force`: outputs that are to be nonzero (mapped) whatever comes out.
std::shared_ptr<const JvpForm> jvp_program(const ProgramPtr&, const Mask& nonzero, const Mask& force);
std::shared_ptr<const LinForm> linearize_program(const ProgramPtr&, const Mask& nonzero, const Mask& force);
ProgramPtr transpose_program(const ProgramPtr&, const Mask& linear, const Mask& ct_nonzero);  // known, cotangents -> cotangents of linear inputs
std::shared_ptr<const BatchForm> batch_program(const ProgramPtr&, const BatchContext&, const Mask& batched, const Mask& force);

// (on, inputs) -> outputs, in which loops make no step, and effects are not seen, unless the 0-d bool `on` holds.
ProgramPtr guarded_program(const ProgramPtr&);

// What the linear half of a loop's body keeps from the primal half. Given the linearised body, a choice returns an equivalent one with
// residuals of its own: the place of a compiler's cut between the two. The default takes them as they are.
using ResidualChoice = std::shared_ptr<const LinForm> (*)(const ProgramPtr& body, const Mask& nonzero, std::shared_ptr<const LinForm>);
ResidualChoice residual_choice();
ResidualChoice set_residual_choice(ResidualChoice);  // null: the default; returns the one before

// ValueError, which says where, unless p is linear in the marked inputs: each equation on them has a transpose rule that asks for no
// linear value, and nothing is added to them that is not zero. (What a user's own rule does with cotangents is not looked into.)
void verify_linear(const Program& p, const Mask& linear);

// Reverse sweep over a linear program. env[v]: known value, or null where linear; ct[v]: cotangent so far. Adds to ct. `consume`
// drops known values after their last use.
void backward(const Program& p, Tensor* env, Tensor* ct, bool consume);

template <class T> std::shared_ptr<const T> cached(const Program& p, const std::string& key, function_ref<T()> make) {
  auto found = p.forms->find(key);
  if (!found) found = p.forms->insert(key, std::make_shared<const T>(make()));
  return std::static_pointer_cast<const T>(found);
}
std::string form_key(const char* name, std::initializer_list<Mask> masks, std::int64_t n = 0);
// What depends on marked inputs.
struct Dependence {
  Mask out;  // per output
  bool all;  // every equation does, and none is mixed itself
};
std::shared_ptr<const Dependence> dependence(const Program& p, const Mask& in);
// Primitive::depends and Primitive::mixed of one that runs one of several Programs.
Mask depends(std::span<const ProgramPtr> programs, const Mask& in);
bool mixed(std::span<const ProgramPtr> programs, const Mask& in);
Mask nonzero_mask(Ins t);
void append_nonzero(Vec& to, Ins t);

}  // namespace functra::core
