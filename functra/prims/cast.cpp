#include "functra/prims/cast.h"

#include "functra/kernels/cast.h"
#include "functra/kernels/elementwise.h"
#include "functra/prims/families.h"

namespace functra::core {

// ---------------------------------------------------------------- convert
constexpr Primitive convert_p = {
    .name = "convert",
    .linear = true,
    .params = &param_type<prims::ConvertParams>,
    .n_in = 1,
    .shape = [](const Call& c, std::span<const Aval> in, std::span<Aval> out) {
      auto& p = c.params.get<prims::ConvertParams>();
      if (p.weak && !in[0].shape.empty()) throw ShapeError("convert: a weak result is 0-d, the operand has shape " + in[0].shape.str());
      out[0] = {p.dtype, p.weak, in[0].shape};
    },
    .eval = [](const Call& c, Ins in, Outs out) {
      auto& p = c.params.get<prims::ConvertParams>();
      const Tensor& x = in[0];
      DType from = x.raw_dtype();
      if (x.is_scalar() && size_of(p.dtype) <= 8) {
        const void* operand = x.bytes();
        Tensor r = Tensor::scalar_bits(p.dtype, 0, p.weak);
        kernels::cast_loop(p.dtype, from)(&operand, r.mutable_bytes(), 1, 0, nullptr);
        out[0] = std::move(r);
        return;
      }
      if (from == p.dtype) { out[0] = x; return; }
      Tensor r = Tensor::uninitialized(p.dtype, x.shape_ref());
      const kernels::Operand op[1] = {{x.bytes(), x.is_contiguous() ? nullptr : &x.strides_ref(), size_of(from)}};
      kernels::elementwise(kernels::cast_loop(p.dtype, from), op, r.mutable_bytes(), size_of(p.dtype), x.shape_ref());
      out[0] = std::move(r);
    },
    .jvp = [](const Call& c, Ins x, Ins t, Outs y, Outs dy) {
      bind_prim(c, x, y);
      if (is_differentiable(y[0].raw_dtype())) bind_prim(c, t, dy);
    },
    .transpose = [](const Call&, Ins ct, std::span<const Operand> in, Outs g) {
      prims::ConvertParams p{in[0].type->dtype, in[0].type->weak};
      g[0] = bind1(convert_p, ct[0], p);
    },
    .batch = [](const Call& c, const BatchContext&, std::span<Batched> in, std::span<Batched> out) {
      out[0] = {bind1(convert_p, in[0].value, prims::ConvertParams{c.params.get<prims::ConvertParams>().dtype, false}), in[0].dim};
    },
    .lowering = {.kind = Lowering::Kind::kernel}};
Tensor convert(const Tensor& x, DType d) {
  if (x.raw_dtype() == d && !x.weak()) return x;
  if (x.is_scalar() && x.literal()) return Tensor::literal_of(x.item(), d);  // still a literal
  return bind1(convert_p, x, prims::ConvertParams{d, false});
}

}  // namespace functra::core

namespace functra::prims {
Table cast_table() {
  static constexpr const Primitive* t[] = {&core::convert_p};
  return t;
}
}  // namespace functra::prims
