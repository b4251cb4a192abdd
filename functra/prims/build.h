// What families are made of: constructors that supply shape, evaluation, batching and broadcasting of rank-0 operands, and bind
// wrappers for rules. In a wrapper operands have equal dtypes, except that a weak literal adopts the dtype of the other operand.
#pragma once
#include <array>

#include "functra/core/forms.h"

namespace functra::prims {

using core::add_ct;
using core::BatchContext;
using core::Batched;
using core::bind1;
using core::bind_prim;
using core::broadcast_in_dim;
using core::Call;
using core::convert;
using core::Elementwise;
using core::instantiate;
using core::is_zero;
using core::Lowering;
using core::move_dim;
using core::move_dim0;
using core::Operand;
using core::param_type;
using core::Params;
using core::permute;
using core::Primitive;
using core::zeros;

// ---------------------------------------------------------------- elementwise families
void shape_elementwise(const Call&, std::span<const Aval> in, std::span<Aval> out);
void eval_elementwise(const Call&, Ins in, Outs out);
void batch_elementwise(const Call&, const BatchContext&, std::span<Batched> in, std::span<Batched> out);
// A derivative or cotangent of the wrong rank (rank-0 operands are repeated): broadcast to y, or summed to rank 0.
Tensor fit(const Tensor& t, const Tensor& y);
Tensor unfit(const Tensor& ct, const Aval& operand);

using JvpRule = decltype(Primitive::jvp);
using TransposeRule = decltype(Primitive::transpose);

// jvp from D(x, y, t) -> dy; D is not called for results that are not differentiable.
template <auto D> constexpr JvpRule jvp_unary = [](const Call& c, Ins x, Ins t, Outs y, Outs dy) {
  bind_prim(c, x, y);
  if (is_differentiable(y[0].raw_dtype())) dy[0] = D(x[0], y[0], t[0]);
};
// jvp from Da(a, b, y, ta) and Db(a, b, y, tb), each the part of one operand.
template <auto Da, auto Db> constexpr JvpRule jvp_binary = [](const Call& c, Ins x, Ins t, Outs y, Outs dy) {
  bind_prim(c, x, y);
  if (!is_differentiable(y[0].raw_dtype())) return;
  Tensor a = is_zero(t[0]) ? Tensor() : fit(Da(x[0], x[1], y[0], t[0]), y[0]);
  Tensor b = is_zero(t[1]) ? Tensor() : fit(Db(x[0], x[1], y[0], t[1]), y[0]);
  dy[0] = add_ct(std::move(a), std::move(b));
};
// The derivative is zero everywhere (floor, sign, comparisons).
inline constexpr JvpRule jvp_zero = [](const Call& c, Ins x, Ins, Outs y, Outs) { bind_prim(c, x, y); };
// A linear primitive of one operand: the tangent goes through the same operation.
inline constexpr JvpRule jvp_linear = [](const Call& c, Ins x, Ins t, Outs y, Outs dy) {
  bind_prim(c, x, y);
  bind_prim(c, t, dy);
};

// The shape rule's answer on concrete operands, for evaluation that would trust its parameters: dispatch does not run it.
template <int n_out = 1> std::array<Aval, n_out> checked(const Call& c, Ins in) {
  Buf<Aval, 3> types(in.size());
  for (std::size_t k = 0; k < in.size(); ++k) types[k] = in[k].aval();
  std::array<Aval, n_out> out;
  c.prim.shape(c, types, out);
  return out;
}

// ---------------------------------------------------------------- calls for rules
// Weak operands take the dtype of the strong ones.
void adopt(Tensor& a, Tensor& b);
Tensor unary(const Primitive& p, const Tensor& a);
Tensor binary(const Primitive& p, const Tensor& a, const Tensor& b);
// Is it a literal of this value (so that x * 1 and x + 0 need no equation).
bool is_literal(const Tensor& t, double value);
// The literal v in the dtype and weakness of t.
Tensor like(double v, const Tensor& t);

}  // namespace functra::prims
