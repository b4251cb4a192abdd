#include "functra/prims/reduce.h"
#include "functra/prims/families.h"

#include "functra/kernels/reduce.h"

namespace functra::prims {

void shape_reduction(const Call& c, std::span<const Aval> in, std::span<Aval> out) {
  auto& dims = c.params.get<DimsParams>().dims;
  std::int64_t before = -1;
  for (std::int64_t d : dims) {
    if (d <= before || d >= in[0].shape.rank()) throw IndexError(std::string(c.prim.name) + ": dimensions " + dims.str() + " do not fit shape " + in[0].shape.str());
    before = d;
  }
  out[0] = {in[0].dtype, in[0].weak, {}};
  for (std::size_t i = 0; i < in[0].shape.size(); ++i) if (!dims.has(static_cast<std::int64_t>(i))) out[0].shape.push_back(in[0].shape[i]);
}
Shape shifted(const Shape& dims, int at) {
  Shape r = dims;
  for (auto& d : r) if (d >= at) ++d;
  return r;
}

}  // namespace functra::prims

namespace functra::core {

// ---------------------------------------------------------------- reduce_sum
constexpr Primitive reduce_sum_p = {
    .name = "reduce_sum",
    .linear = true,
    .params = &param_type<prims::DimsParams>,
    .n_in = 1,
    .shape = prims::shape_reduction,
    .eval = [](const Call& c, Ins in, Outs out) {
      auto& dims = c.params.get<prims::DimsParams>().dims;
      const Tensor& x = in[0];
      Tensor r = Tensor::uninitialized(x.raw_dtype(), x.shape_ref().pick(dims.others(x.shape_ref().size())));
      kernels::reduce(kernels::Reduce::sum, x.raw_dtype(), x.bytes(), x.shape_ref(), x.strides_ref(), dims, r.mutable_bytes());
      out[0] = std::move(r);
    },
    .jvp = prims::jvp_linear,
    .transpose = [](const Call& c, Ins ct, std::span<const Operand> in, Outs g) {
      g[0] = broadcast_in_dim(ct[0], in[0].type->shape, c.params.get<prims::DimsParams>().dims.others(in[0].type->shape.size()));
    },
    .batch = [](const Call& c, const BatchContext&, std::span<Batched> in, std::span<Batched> out) {
      Shape dims = prims::shifted(c.params.get<prims::DimsParams>().dims, in[0].dim);
      int before = 0;
      for (std::int64_t d : dims) before += d < in[0].dim;
      out[0] = {sum(in[0].value, dims), in[0].dim - before};
    },
    .lowering = {.kind = Lowering::Kind::reduction, .reduce = ReduceOp::sum, .dims = [](const Params& p) { return p.get<prims::DimsParams>().dims; }}};
Tensor sum(const Tensor& x, const Shape& dims) { return dims.empty() ? x : bind1(reduce_sum_p, x, prims::DimsParams{dims}); }

}  // namespace functra::core

namespace functra::prims {
Table reduce_table() {
  static constexpr const Primitive* t[] = {&core::reduce_sum_p};
  return t;
}
}  // namespace functra::prims
