// Primitives that hold Programs: calls of compiled functions, and calls with the user's own derivative rules. Their rules transform
// the Program once (cached in it) and bind the result; the user's function is not called again.
#pragma once
#include "functra/prims/build.h"

namespace functra::prims {

using core::Mask;
using core::ProgramPtr;

struct CallParams {
  ProgramPtr program;
};
extern const Primitive jit_call_p;
void call(const ProgramPtr& p, Ins in, Outs out);
Vec call(const ProgramPtr& p, Ins in);

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

}  // namespace functra::prims
