// A primitive: its rules in one table. Each is one constinit block in prims/.
//
// A rule is a plain function over tensor operations, run with the parent interpreter current. A null rule means "there is none"
// (MissingRuleError where a transform needs it); a zero derivative is a rule that leaves dy as the null Tensor.
#pragma once
#include <span>
#include <string>

#include "functra/core/lowering.h"
#include "functra/core/params.h"
#include "functra/tensor/buffers.h"

namespace functra::core {

struct Primitive;
struct Call {
  const Primitive& prim;
  Params params;
};

// An operand of a linear equation, for transposition: a known value, or linear (value == nullptr).
struct Operand {
  const Tensor* value = nullptr;
  const Aval* type = nullptr;
  Tensor* last = nullptr;  // the same value, where this is its last use: a rule may move from it
  bool linear() const { return !value; }
  const Tensor& operator*() const {
    if (!value) not_known();
    return *value;
  }
  [[noreturn]] static void not_known();
};
struct Batched {
  Tensor value;
  int dim = -1;
};  // dim -1: not mapped
enum class Draws : std::uint8_t { error, same, different };
struct BatchContext {
  std::int64_t size;
  Draws draws;
  const std::string* axis_name;
};

// What makes a primitive interesting to an interpreter that owns none of its operands.
enum Seen : std::uint8_t { seen_random = 1 };

enum class Elementwise : std::uint8_t { no, same_dtype, predicate };  // result dtype: the last operand's, or bool

struct Primitive {
  const char* name;
  Elementwise elementwise = Elementwise::no;  // operands of one shape, or of rank 0 (repeated); the result has that shape
  bool linear = false;                        // in all operands together (structural operations, sum, add)
  bool effect = false;                        // kept by dead-code removal, in order
  std::uint8_t seen = 0;
  const ParamType* params = nullptr;      // for reading text; null: no parameters
  int n_in = -1;                          // operands; -1: any number
  int (*n_out)(const Params&) = nullptr;  // null: one
  void (*shape)(const Call&, std::span<const Aval> in, std::span<Aval> out) = nullptr;
  void (*eval)(const Call&, Ins in, Outs out) = nullptr;
  void (*consume)(const Call&, std::span<Tensor> in, Outs out) = nullptr;                     // as eval, and releases operands as it goes; null: eval
  void (*jvp)(const Call&, Ins x, Ins t, Outs y, Outs dy) = nullptr;                          // t: null is a symbolic zero; not all are
  void (*linearize)(const Call&, Ins x, Ins t, Outs y, Outs dy) = nullptr;                    // as jvp, choosing residuals; for holders of Programs
  void (*transpose)(const Call&, Ins ct, std::span<const Operand> in, Outs ct_in) = nullptr;  // fills ct_in of linear operands
  // Of holders of Programs. depends: per result, does it depend on a marked operand (null: every result does, if any is marked).
  // mixed: does it hold equations or give results that depend on no marked operand.
  Mask (*depends)(const Call&, const Mask& own) = nullptr;
  bool (*mixed)(const Call&, const Mask& own) = nullptr;
  void (*batch)(const Call&, const BatchContext&, std::span<Batched> in, std::span<Batched> out) = nullptr;
  // Binds the call so that it has no effect, and makes no step of a loop, unless the 0-d bool `on` holds; the results are then anything
  // of their type. `guarded`: always needed (a loop, an effect); other holders of Programs need it where one of those does.
  bool guarded = false;
  void (*guard)(const Call&, const Tensor& on, Ins in, Outs out) = nullptr;
  bool derives = false;     // evaluation runs derivatives of the Programs it holds: passes leave them as they are
  bool recomputes = false;  // linear in some operands, but holds work on the others (which are then more than coefficients)
  Lowering lowering{};

  int results(const Params& p) const { return n_out ? n_out(p) : 1; }
};

const Primitive* find_primitive(std::string_view name);  // null: no such primitive
std::span<const Primitive* const> all_primitives();      // of every family (the list is in prims/)

}  // namespace functra::core
