// The transforms with types erased: compiled once in the library. The typed wrappers beside it make mutable copies of a user's
// arguments, hand them over as TreeRefs together with a way to call f on those copies, and rebuild typed results from leaves.
//
// Each function below writes traced tensors into the leaves of the argument copies, calls f, and leaves in the tree that f
// returned (and in aux) values of the enclosing level. Leaves are listed in tree order, arguments one after another. On an
// exception the interpreter is as it was.
#pragma once
#include <memory>
#include <span>
#include <vector>

#include "functra/base/function_ref.h"
#include "functra/core/program.h"
#include "functra/transforms/options.h"
#include "functra/tree/tree.h"

namespace functra::erased {

struct Result {
  TreeRef value;
  TreeRef aux{};
};                                    // aux: null where f returns none
using Call = function_ref<Result()>;  // runs f on the argument copies; the trees live until the next call
using Refs = std::span<const TreeRef>;
struct Selected {
  Refs trees;
  std::span<const int> numbers;
};  // arguments to differentiate by, and their places in the call

// d f / d selected: one gradient per tensor leaf of `selected`, of its shape and dtype. `who` names the transform in errors.
// Raises ShapeError unless f returns one floating 0-d tensor, DTypeError for an integer leaf given as a bare argument.
std::vector<Tensor> grad(Selected selected, Call f, const char* who);

// Tangents of f's result, one per tensor leaf. A null TreeRef among the tangents stands for none: all leaves of that primal
// are constants.
std::vector<Tensor> jvp(Refs primals, Refs tangents, Call f, const JvpOptions& o);

// f linearised at the primals: what vjp's pullback and linearize's pushforward hold. Immutable; may be called many times, under any
// transforms, after its creator's scope has ended.
class Linear;
using LinearPtr = std::shared_ptr<const Linear>;
LinearPtr linearize(Refs primals, Call f, const char* who);
std::vector<Tensor> push(const Linear&, Refs tangents);      // of the results' leaves
std::vector<Tensor> pull(const Linear&, TreeRef cotangent);  // of the primals' leaves
LinearPtr linear_transpose(Refs primals, Call f);            // f must be linear; pull() on it, push() is f

// blocks[o][i]: the derivative of output leaf o by input leaf i, shape = output shape then input shape.
enum class JacMode { reverse, forward, cheaper };
std::vector<std::vector<Tensor>> jacobian(JacMode mode, Selected selected, Call f, const JacOptions& o, const char* who);

void vmap(Refs args, const VmapOptions& o, Call f);

Program make_fx(Refs args, Call f);
// The leaves of f's result are replaced by tensors of their shape and dtype without data of their own (zero everywhere).
void eval_shape(Refs args, Call f);
// Throws ValueError naming the leaf where a derivative and a central difference disagree.
void check_grads(Refs args, Call f, const CheckGradsOptions& o);

// jit: trace, cache, evaluate. `keep` gives a shared copy of f's result (its leaves are dropped then), `restore` makes the
// result tree from such a copy and returns it for its leaves to be filled.
class JitState;
using JitPtr = std::shared_ptr<JitState>;
struct JitHooks {
  Call f;
  function_ref<std::shared_ptr<const void>()> keep;
  function_ref<TreeRef(const void* kept)> restore;
};
JitPtr new_jit(JitOptions o, const void* function_type);
void jit_call(JitState&, Refs args, const JitHooks& hooks);
std::size_t jit_cache_size(const JitState&);
void jit_cache_clear(JitState&);
JitStats jit_stats(const JitState&);
std::string jit_explain(JitState&, Refs args);
struct JitTrace {
  Program program;
  std::shared_ptr<const void> entry;
};
JitTrace jit_trace(JitState&, Refs args, const JitHooks& hooks);  // or found; nothing evaluated. Restores the result's structure
void traced_call(const void* entry, Refs args, TreeRef result);   // arguments of the same types; writes the leaves of result
// A prepared call for arguments of these shapes: no lookup.
class BoundState;
std::shared_ptr<BoundState> jit_bind(JitState&, Refs args, const JitHooks& hooks);  // restores the result's structure
void bound_call(BoundState&, Refs args, TreeRef result);                            // writes the leaves of result

// Functions on leaves, for custom rules: the typed layer packs and unpacks.
using LeafFn = function_ref<std::vector<Tensor>(std::span<const Tensor>)>;
using LeafPath = function_ref<std::string(std::size_t)>;  // where leaf i of the result, or of the arguments, stands: for messages
// f and rule are called (traced) only where an interpreter is current; otherwise f runs plainly. `rule` takes primals and tangents
// one after another, returns values and tangents one after another (a null tangent is zero). Returns the leaves of the result.
std::vector<Tensor> custom_jvp(std::span<const Tensor> args, LeafFn f, LeafFn rule, LeafPath result);
// fwd returns results then residuals; bwd takes residuals then cotangents and returns one cotangent per leaf of args (null: none).
std::vector<Tensor> custom_vjp(std::span<const Tensor> args, LeafFn f, LeafFn fwd, LeafFn bwd, LeafPath result, LeafPath argument);

}  // namespace functra::erased
