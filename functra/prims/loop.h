// Loops: scan, while, and sweep, a scan over the trajectory of another loop. Their bodies are Programs whose inputs are constants,
// carry, slices; every rule transforms the body and binds a loop again, so that a program's size never depends on the number of steps.
#pragma once
#include "functra/base/function_ref.h"
#include "functra/prims/holder.h"

namespace functra::prims {

// carry', y = body(constants, carry, x): operands are constants, carry, xs [length, ...]; results are the last carry and
// ys [length, ...]. reverse: from the last slice to the first (ys stay in the order of xs). counted: a first operand, an i64 count,
// says how many steps to make, at most length; the other slices of ys are zero. unroll: a hint for the compiler, without meaning here.
struct ScanParams {
  ProgramPtr body;
  std::int64_t n_const, n_carry, length;
  bool reverse = false, counted = false;
  std::int64_t unroll = 1;
};
extern const Primitive scan_p;
// count: a null Tensor, or the number of steps.
void bind_scan(ScanParams q, const Tensor& count, Ins in, Outs out);

// While cond(constants of cond, carry): carry', y = body(constants, carry). Operands: both constants, carry; results: the carry, the
// number of steps (i64), ys [max_steps, ...]. max_steps 0: no bound (then there are no ys); a loop that would go on after max_steps is a
// ValueError. slots says what reverse mode keeps: -1 the residuals of every step (needs max_steps), else at most so many carries
// (0: about 2 sqrt of the number of steps), the steps between them being made again.
struct WhileParams {
  ProgramPtr cond, body;
  std::int64_t n_cond_const, n_const, n_carry, max_steps = 0, slots = -1;
};
extern const Primitive while_p;

// c[i+1] = body(constants, c[i]) for i < count is the trajectory, which is not stored; along it s' = step(constants, c[i], side
// constants, s), in the same direction, or in reverse with at most `slots` saved carries (0: about 2 sqrt of the count; -1: refused).
// Operands: count, constants, c[0], side constants, s; results: the last s. Linear in side constants and s together where step is.
struct SweepParams {
  ProgramPtr body, step;
  std::int64_t n_const, n_carry, n_side_const, n_side;
  bool reverse = false;
  std::int64_t slots = -1;
};
extern const Primitive sweep_p, sweep_linear_p;
Vec bind_sweep(const SweepParams& q, Ins in);
// The step of a sweep that pushes tangents along a loop with this body: linear in (tangents of constants, tangents of carry), as far as
// the mask marks them; it makes the body's residuals again from the carry.
ProgramPtr tangent_step(const ProgramPtr& body, std::size_t n_const, std::size_t n_carry, const Mask& m);
void linearize_sweep(const SweepParams& q, Ins x, Ins t, Outs dy);
// A sweep over a batch. mapped: of its operands after the count. With a count per lane, lanes step while the index is below theirs:
// the counts are a further constant, the index a further carry.
struct BatchedSweep {
  SweepParams params;
  Mask mapped;
  bool lanes;
  Vec operands(std::span<const Batched> in, std::int64_t size) const;
};
BatchedSweep batch_sweep(const SweepParams& q, const BatchContext& ctx, bool lanes, Mask mapped);
// What the last reverse sweep of this thread did: steps made again, most carries held at a time.
struct SweepStats {
  std::int64_t steps = 0, held = 0;
};
SweepStats last_sweep();

// A slice of a stacked operand, without its first dimension; a view.
Tensor slice_at(const Tensor& xs, std::int64_t i);
// Where the slices y[i] of a loop's stacked results go.
class Stack {
 public:
  Stack() = default;
  Stack(const Aval& slice, std::int64_t length, bool zeroed);
  void put(std::int64_t i, const Tensor& y);
  Tensor take() { return std::move(whole_); }

 private:
  Tensor whole_;
  std::int64_t numel_ = 0;
};

// Linearizes a loop with the body of q at operands x (constants, carry, xs). run(body, n_const, operands, results) runs the primal
// loop, whose body has more constants and more ys, and returns the count of steps (null: q.length).
using RunLoop = function_ref<Tensor(const ProgramPtr& body, std::int64_t n_const, Ins in, Outs out)>;
void linearize_loop(const ScanParams& q, Ins x, Ins t, Outs y, Outs dy, RunLoop run);

}  // namespace functra::prims
