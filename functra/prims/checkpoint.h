// checkpoint: what the derivative of a Program keeps is chosen by a policy; the rest is computed again from the arguments.
#pragma once
#include "functra/prims/holder.h"

namespace functra::prims {

enum class Save : std::uint8_t {
  nothing,
  everything,
  dots,             // results of contractions
  dots_no_batch,    // of contractions without batch dimensions
  only_names,       // values named by checkpoint_name with one of the names
  any_names_but,    // named values, except with one of the names
  anything_except,  // all values, except named ones with one of the names
};
struct CheckpointParams {
  ProgramPtr program;
  Save save = Save::nothing;
  std::vector<std::string> names;
};
// checkpoint holds the function; remat_linear its derivative: residuals and arguments are known, the tangents come last, and the known
// work in it is done again whenever it, or its transpose, is evaluated.
extern const Primitive checkpoint_p, remat_linear_p;

// A choice of residuals for loops (core::set_residual_choice): the linear half keeps the body's inputs only (of a scan: the carry), and
// computes the rest again.
std::shared_ptr<const core::LinForm> keep_inputs_only(const ProgramPtr& body, const Mask& nonzero, std::shared_ptr<const core::LinForm> form);

struct NameParams {
  std::string name;
};
extern const Primitive name_p;
Tensor checkpoint_name(const Tensor& x, const std::string& name);

// An identity that passes do not look through: what is computed from its results is not merged with equal equations on its operands,
// and is not started before the operands after the first n, which are only waited for, exist.
struct BarrierParams {
  std::int64_t n;
};
extern const Primitive barrier_p;

}  // namespace functra::prims
