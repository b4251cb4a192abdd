// Sums, products, and reductions by bits.
#include "functra/prims/reduce.h"
#include "functra/prims/families.h"
#include "functra/prims/math.h"
#include "functra/prims/shape.h"

namespace functra::prims {

void shape_reduction(const Call& c, std::span<const Aval> in, std::span<Aval> out) {
  auto& dims = c.params.get<DimsParams>().dims;
  std::int64_t before = -1;
  for (std::int64_t d : dims) {
    if (d <= before || d >= in[0].shape.rank())
      throw IndexError(std::string(c.prim.name) + ": dimensions " + dims.str() + " do not fit shape " + in[0].shape.str());
    before = d;
  }
  out[0] = {in[0].dtype, in[0].weak, {}};
  for (std::size_t i = 0; i < in[0].shape.size(); ++i)
    if (!dims.has(static_cast<std::int64_t>(i))) out[0].shape.push_back(in[0].shape[i]);
}
Shape shifted(const Shape& dims, int at) {
  Shape r = dims;
  for (auto& d : r)
    if (d >= at) ++d;
  return r;
}
void batch_reduction(const Call& c, const BatchContext&, std::span<Batched> in, std::span<Batched> out) {
  Shape dims = shifted(c.params.get<DimsParams>().dims, in[0].dim);
  int before = 0;
  for (std::int64_t d : dims) before += d < in[0].dim;
  out[0] = {bind1(c.prim, in[0].value, DimsParams{dims}), in[0].dim - before};
}
Tensor unreduce(const Tensor& y, const Shape& operand, const Shape& dims) { return broadcast_in_dim(y, operand, dims.others(operand.size())); }

}  // namespace functra::prims

namespace functra::core {

// ---------------------------------------------------------------- reduce_sum
constexpr Primitive reduce_sum_p = [] {
  Primitive p = prims::reduction_p<kernels::Reduce::sum>("reduce_sum", ReduceOp::sum, prims::jvp_linear);
  p.linear = true;
  p.transpose = [](const Call& c, Ins ct, std::span<const Operand> in, Outs g) {
    g[0] = prims::unreduce(ct[0], in[0].type->shape, c.params.get<prims::DimsParams>().dims);
  };
  return p;
}();
Tensor sum(const Tensor& x, const Shape& dims) { return dims.empty() ? x : bind1(reduce_sum_p, x, prims::DimsParams{dims}); }

}  // namespace functra::core

namespace functra::prims {
namespace {

// Per element, the product of the others: of those before it times of those after it, so that zeros need no division. The reduced
// dimensions are one for that.
Tensor product_of_others(const Tensor& x, const Shape& dims) {
  Shape s = x.sizes(), kept = dims.others(s.size()), perm = kept.concat(dims);
  Tensor flat = reshape(permute(x, perm), s.pick(kept).concat({s.pick(dims).numel()}));
  int last = kept.rank();
  Shape none = Shape::filled(kept.size() + 1, 0), one = none, back = none;
  one[kept.size()] = 1;
  back[kept.size()] = -1;
  Tensor unit = like(1, flat);
  Tensor before = pad(cumprod(flat, last, false), unit, one, back, none), after = pad(cumprod(flat, last, true), unit, back, one, none);
  return permute(reshape(mul(before, after), s.pick(perm)), inverse(perm));
}

}  // namespace

// ---------------------------------------------------------------- reduce_prod
constexpr Primitive reduce_prod_p =
    reduction_p<kernels::Reduce::prod>("reduce_prod", core::ReduceOp::prod, [](const Call& c, Ins x, Ins t, Outs y, Outs dy) {
      bind_prim(c, x, y);
      if (!is_differentiable(y[0].raw_dtype())) return;
      auto& dims = c.params.get<DimsParams>().dims;
      dy[0] = core::sum(mul(t[0], product_of_others(x[0], dims)), dims);
    });
Tensor reduce_prod(const Tensor& x, const Shape& dims) { return dims.empty() ? x : bind1(reduce_prod_p, x, DimsParams{dims}); }

// ---------------------------------------------------------------- reduce_and, reduce_or
constexpr Primitive reduce_and_p = reduction_p<kernels::Reduce::and_>("reduce_and", core::ReduceOp::and_, jvp_zero);
constexpr Primitive reduce_or_p = reduction_p<kernels::Reduce::or_>("reduce_or", core::ReduceOp::or_, jvp_zero);
Tensor reduce_and(const Tensor& x, const Shape& dims) { return dims.empty() ? x : bind1(reduce_and_p, x, DimsParams{dims}); }
Tensor reduce_or(const Tensor& x, const Shape& dims) { return dims.empty() ? x : bind1(reduce_or_p, x, DimsParams{dims}); }

Table reduce_table() {
  static constexpr const Primitive* t[] = {&core::reduce_sum_p, &reduce_prod_p, &reduce_and_p, &reduce_or_p};
  return t;
}

}  // namespace functra::prims
