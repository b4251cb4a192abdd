// Reductions over dimensions, positions of extremes, and cumulative operations.
#pragma once
#include "functra/kernels/reduce.h"
#include "functra/prims/build.h"

namespace functra::prims {

struct DimsParams {
  Shape dims;
};  // distinct, increasing
struct ArgParams {
  std::int64_t dim;
};
struct CumulativeParams {
  std::int64_t dim;
  bool reverse;
};

extern const Primitive reduce_max_p, reduce_min_p, reduce_prod_p, reduce_and_p, reduce_or_p, argmax_p, argmin_p, cumsum_p, cumprod_p, cummax_p,
    cummin_p, logcumsumexp_p, linear_recurrence_p;

// Without `dims`, which may be empty (x itself). An empty reduction gives the identity: the lowest (highest) value, 1, true, false.
Tensor reduce_max(const Tensor& x, const Shape& dims);
Tensor reduce_min(const Tensor& x, const Shape& dims);
Tensor reduce_prod(const Tensor& x, const Shape& dims);
Tensor reduce_and(const Tensor& x, const Shape& dims);  // bits of integers
Tensor reduce_or(const Tensor& x, const Shape& dims);
// i64 positions along dim of the first extreme, or of the first NaN.
Tensor argmax(const Tensor& x, int dim);
Tensor argmin(const Tensor& x, int dim);
// y_i = op of x_0 .. x_i along dim (x_i .. x_{n-1} if reverse).
Tensor cumsum(const Tensor& x, int dim, bool reverse);
Tensor cumprod(const Tensor& x, int dim, bool reverse);
Tensor cummax(const Tensor& x, int dim, bool reverse);  // NaN from the first one on
Tensor cummin(const Tensor& x, int dim, bool reverse);
// Where the elements of y, what cummax or cummin gave for x, stand in x along dim: i64, of equal ones the last met. The derivative
// goes there.
Tensor extreme_positions(const Tensor& x, const Tensor& y, int dim, bool reverse);
Tensor logcumsumexp(const Tensor& x, int dim, bool reverse);  // log of the running sum of exponentials
// s_i = a_i s_{i-1} + b_i along dim (s_i = a_i s_{i+1} + b_i if reverse), from zero; a and b of one shape.
Tensor linear_recurrence(const Tensor& a, const Tensor& b, int dim, bool reverse);

// ---------------------------------------------------------------- for the family
// Shape of a reduction: the operand's without `dims`.
void shape_reduction(const Call&, std::span<const Aval> in, std::span<Aval> out);
template <kernels::Reduce op> void eval_reduction(const Call& c, Ins in, Outs out) {
  auto& dims = c.params.get<DimsParams>().dims;
  const Tensor& x = in[0];
  Tensor r = Tensor::uninitialized(x.raw_dtype(), x.shape_ref().pick(dims.others(x.shape_ref().size())));
  kernels::reduce(op, x.raw_dtype(), x.bytes(), x.shape_ref(), x.strides_ref(), dims, r.mutable_bytes());
  out[0] = std::move(r);
}
void batch_reduction(const Call&, const BatchContext&, std::span<Batched> in, std::span<Batched> out);
// dims of the mapped operand when its mapped dimension is `at`.
Shape shifted(const Shape& dims, int at);
// The result of a reduction over dims, repeated along them to the operand's shape again.
Tensor unreduce(const Tensor& y, const Shape& operand, const Shape& dims);

constexpr Lowering reduction_lowering(core::ReduceOp op) {
  Lowering l;
  l.kind = Lowering::Kind::reduction;
  l.reduce = op;
  l.dims = [](const Params& p) { return p.get<DimsParams>().dims; };
  return l;
}
template <kernels::Reduce op> constexpr Primitive reduction_p(const char* name, core::ReduceOp lowered, JvpRule jvp) {
  Primitive p{.name = name};
  p.params = &param_type<DimsParams>;
  p.n_in = 1;
  p.shape = shape_reduction;
  p.eval = eval_reduction<op>;
  p.jvp = jvp;
  p.batch = batch_reduction;
  p.lowering = reduction_lowering(lowered);
  return p;
}

}  // namespace functra::prims
