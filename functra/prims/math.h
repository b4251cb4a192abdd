// Elementwise primitives. Functions take operands of one dtype (weak ones adopt the other's) and of one shape, or of rank 0.
#pragma once
#include "functra/prims/build.h"

namespace functra::prims {

// ---------------------------------------------------------------- constructors
constexpr Primitive elementwise_p(const char* name, const Formula& f, int n_in) {
  Primitive p{.name = name};
  p.elementwise = f.predicate ? Elementwise::predicate : Elementwise::same_dtype;
  p.n_in = n_in;
  p.shape = shape_elementwise;
  p.eval = eval_elementwise;
  p.batch = batch_elementwise;
  p.lowering = {.kind = Lowering::Kind::scalar, .formula = &f};
  return p;
}
// D(x, y, t) -> dy: the derivative at x, where y is the value, times t.
template <auto D> constexpr Primitive unary_p(const char* name, const Formula& f) {
  Primitive p = elementwise_p(name, f, 1);
  p.jvp = jvp_unary<D>;
  return p;
}
// Da(a, b, y, t), Db(a, b, y, t): the parts of each operand.
template <auto Da, auto Db> constexpr Primitive binary_p(const char* name, const Formula& f) {
  Primitive p = elementwise_p(name, f, 2);
  p.jvp = jvp_binary<Da, Db>;
  return p;
}
// The derivative is zero everywhere it exists.
constexpr Primitive flat_p(const char* name, const Formula& f, int n_in) {
  Primitive p = elementwise_p(name, f, n_in);
  p.jvp = jvp_zero;
  return p;
}
constexpr Primitive with_transpose(Primitive p, TransposeRule t) {
  p.transpose = t;
  return p;
}

// ---------------------------------------------------------------- arithmetic
extern const Primitive neg_p, sub_p, mul_p, div_p, sin_p, cos_p;
using core::add;
using core::select;
using core::sub;
Tensor neg(const Tensor& x);
Tensor mul(const Tensor& a, const Tensor& b);
Tensor div(const Tensor& a, const Tensor& b);
Tensor sin(const Tensor& x);
Tensor cos(const Tensor& x);

}  // namespace functra::prims
