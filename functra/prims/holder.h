// What primitives that hold Programs share: binding and running a Program, masks over its operands, and the fixpoint over a
// loop's carry. Their rules transform the Program once (cached in it) and bind the result; a user's function is not called again.
#pragma once
#include <initializer_list>

#include "functra/prims/build.h"

namespace functra::prims {

using core::cached;
using core::form_key;
using core::Mask;
using core::Program;
using core::ProgramPtr;
using core::Scope;
using core::trace_program;
using core::Var;

using Types = std::vector<Aval>;
using Order = std::vector<std::size_t>;

// ---- running
// ShapeError unless the operands have the types that the program takes; a C++ number may stand for a tensor of its dtype, and the
// other way round.
inline bool same_type(const Aval& a, const Aval& b) { return a.dtype == b.dtype && a.shape == b.shape; }
void check_inputs(const Call& c, const Program& p, std::span<const Aval> in);
void shapes_of(const Call& c, const Program& p, std::span<const Aval> in, std::span<Aval> out);
// Evaluates on concrete operands, outside of every interpreter.
void run_concrete(const ProgramPtr& p, Ins in, Outs out);
Vec run_concrete(const ProgramPtr& p, Ins in);
void run_compiled(const ProgramPtr& p, std::span<Tensor> args, Outs out);   // as a compiled call; releases args
void run_consuming(const ProgramPtr& p, std::span<Tensor> args, Outs out);  // releases args after their last use

// ---- lists of operands
inline void append(Vec& to, Ins t) { to.insert(to.end(), t.begin(), t.end()); }
inline void append(Types& to, std::span<const Aval> t) { to.insert(to.end(), t.begin(), t.end()); }
Vec joined(std::initializer_list<Ins> parts);
inline void append_range(Order& to, std::size_t from, std::size_t n) {
  for (std::size_t i = 0; i < n; ++i) to.push_back(from + i);
}
// The tangents of the operands in [from, from + n) that the mask marks; symbolic zeros become zeros.
Vec tangents(const Mask& m, Ins x, Ins t, std::size_t from, std::size_t n);
// Operands with the mapped dimension in front, and which are mapped.
Vec to_front(std::span<const Batched> in, std::int64_t size, Mask& m);
Mask batched_mask(std::span<const Batched> in);
Mask linear_mask(std::span<const Operand> in);
Vec known_values(std::span<const Operand> in);  // of the operands that are not linear

// ---- masks
inline Mask part(const Mask& m, std::size_t from, std::size_t n) {
  return Mask(m.begin() + static_cast<std::ptrdiff_t>(from), m.begin() + static_cast<std::ptrdiff_t>(from + n));
}
inline Mask joined(Mask a, const Mask& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}
Mask either(Mask a, const Mask& b);
std::size_t count(const Mask& m);
// The outputs that a loop's body must have nonzero (mapped): the carry, as far as it is so on entry.
Mask carry_outputs(const Mask& in, std::size_t n_const, std::size_t n_carry, std::size_t n_out);
// Grows the carry's part of a mask over (constants, carry, ...) until the body maps it into itself. step(mask) gives the mask of the
// body's outputs, the carry first.
template <class F> Mask carry_fixpoint(Mask m, std::size_t n_const, std::size_t n_carry, F step) {
  for (bool grown = true; grown;) {
    Mask out = step(m);
    grown = false;
    for (std::size_t i = 0; i < n_carry; ++i)
      if (out[i] && !m[n_const + i]) m[n_const + i] = grown = true;
  }
  return m;
}

// ---- Programs
// Position of each variable in a list, or -1.
class Positions {
 public:
  Positions(const Program& p, std::span<const Var> vars) : at_(p.type_of.size(), -1) {
    for (std::size_t i = vars.size(); i-- > 0;)
      if (vars[i] >= 0) at_[static_cast<std::size_t>(vars[i])] = static_cast<int>(i);
  }
  int operator()(Var v) const { return v < 0 ? -1 : at_[static_cast<std::size_t>(v)]; }

 private:
  std::vector<int> at_;
};
// The program whose input i is input in[i] of p and whose output i is output out[i] of p. Inputs that are not listed must be unused.
ProgramPtr reorder(const ProgramPtr& p, const Order& in, const Order& out);
// Types of rank + 1 where mapped.
Types lane_types(const Types& t, const Mask& mapped, std::int64_t size);

}  // namespace functra::prims
