// Symbolic numbers: an elementwise formula evaluated on them is handed, operation by operation, to an Emitter. The compiler
// emits code from it; a test evaluates it.
#pragma once
#include <cstdint>
#include <limits>
#include <span>

#include "functra/base/dtype.h"
#include "functra/base/scalar.h"

namespace functra {

// The operations of the Num concept (base/num.h has their meaning).
enum class NumOp : std::uint8_t {
  neg,
  abs,
  sqrt,
  floor,
  ceil,
  rint,
  trunc,
  invert,  // unary; invert: bitwise, logical on bool
  add,
  sub,
  mul,
  div,
  rem,
  min,
  max,
  copysign,
  scale,  // x 2^k for an integral number k
  and_,
  or_,
  xor_,
  shl,
  shr,  // binary; shr is arithmetic on signed types
  eq,
  ne,
  lt,
  le,
  gt,
  ge,  // binary, bool result
};

// Where a real value lies, unless it is NaN.
struct Range {
  double lo = -std::numeric_limits<double>::infinity(), hi = std::numeric_limits<double>::infinity();
};

// Values are numbered by the Emitter. A dtype argument is the type of the operands (of both branches for select).
class Emitter {
 public:
  using Id = std::uint32_t;
  virtual ~Emitter() = default;
  virtual Id constant(DType, Scalar) = 0;
  virtual Id unary(NumOp, DType, Id x) = 0;
  virtual Id binary(NumOp, DType, Id a, Id b) = 0;
  virtual Id fma(DType, Id a, Id b, Id c) = 0;  // a * b + c with one rounding
  virtual Id select(DType, Id mask, Id yes, Id no) = 0;
  virtual Id bitcast(DType to, DType from, Id x) = 0;  // equal widths
  virtual Id convert(DType to, DType from, Id x) = 0;  // as the cast kernels do
  // `value` where mask is false, the C function `name` of the arguments where it is true. Masks are nearly always all false.
  virtual Id rare(DType, Id mask, Id value, const char* name, std::span<const Id> args) = 0;
  // What is known of a value, and what a formula knows of it; both hints.
  virtual Range range(Id) const { return {}; }
  virtual void bound(Id, Range) {}
};

struct Sym {
  Emitter* e;
  Emitter::Id id;
  DType dtype;
};

// Where constants of a formula under evaluation go.
inline thread_local Emitter* current_emitter = nullptr;
struct EmitScope {
  explicit EmitScope(Emitter& e) : saved(current_emitter) { current_emitter = &e; }
  ~EmitScope() { current_emitter = saved; }
  EmitScope(const EmitScope&) = delete;
  EmitScope& operator=(const EmitScope&) = delete;
  Emitter* saved;
};

}  // namespace functra
