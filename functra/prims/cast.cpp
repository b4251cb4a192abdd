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
    .shape =
        [](const Call& c, std::span<const Aval> in, std::span<Aval> out) {
          auto& p = c.params.get<prims::ConvertParams>();
          if (p.weak && !in[0].shape.empty()) throw ShapeError("convert: a weak result is 0-d, the operand has shape " + in[0].shape.str());
          out[0] = {p.dtype, p.weak, in[0].shape};
        },
    .eval =
        [](const Call& c, Ins in, Outs out) {
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
          if (from == p.dtype) {
            out[0] = x;
            return;
          }
          Tensor r = Tensor::uninitialized(p.dtype, x.shape_ref());
          const kernels::Operand op[1] = {{x.bytes(), x.is_contiguous() ? nullptr : &x.strides_ref(), size_of(from)}};
          kernels::elementwise(kernels::cast_loop(p.dtype, from), op, r.mutable_bytes(), size_of(p.dtype), x.shape_ref());
          out[0] = std::move(r);
        },
    .jvp =
        [](const Call& c, Ins x, Ins t, Outs y, Outs dy) {
          bind_prim(c, x, y);
          if (is_differentiable(y[0].raw_dtype())) bind_prim(c, t, dy);
        },
    .transpose =
        [](const Call&, Ins ct, std::span<const Operand> in, Outs g) {
          prims::ConvertParams p{in[0].type->dtype, in[0].type->weak};
          g[0] = bind1(convert_p, ct[0], p);
        },
    .batch =
        [](const Call& c, const BatchContext&, std::span<Batched> in, std::span<Batched> out) {
          out[0] = {bind1(convert_p, in[0].value, prims::ConvertParams{c.params.get<prims::ConvertParams>().dtype, false}), in[0].dim};
        },
    .lowering = {.kind = Lowering::Kind::convert}};
Tensor convert(const Tensor& x, DType d) {
  if (x.raw_dtype() == d && !x.weak()) return x;
  if (x.is_scalar() && x.literal()) return Tensor::literal_of(x.item(), d);  // still a literal
  return bind1(convert_p, x, prims::ConvertParams{d, false});
}
Tensor as_type(const Tensor& x, DType d, bool weak) {
  if (x.raw_dtype() == d && x.weak() == weak) return x;
  if (!weak) return convert(x, d);
  if (x.is_scalar() && x.literal())
    return d == DType::f64 ? Tensor(x.item<double>()) : d == DType::i64 ? Tensor(x.item<std::int64_t>()) : Tensor(x.item<bool>());
  return bind1(convert_p, x, prims::ConvertParams{d, true});
}

}  // namespace functra::core

namespace functra::prims {

// ---------------------------------------------------------------- bitcast: the derivative is zero
constexpr Primitive bitcast_p = {.name = "bitcast",
                                 .params = &param_type<BitcastParams>,
                                 .n_in = 1,
                                 .shape =
                                     [](const Call& c, std::span<const Aval> in, std::span<Aval> out) {
                                       DType from = in[0].dtype, to = c.params.get<BitcastParams>().dtype;
                                       if (size_of(from) != size_of(to))
                                         throw DTypeError("bitcast: " + std::string(name_of(from)) + " has " + std::to_string(size_of(from)) +
                                                          " bytes, " + std::string(name_of(to)) + " has " + std::to_string(size_of(to)) +
                                                          "; the widths must be equal");
                                       if (is_bool(from) || is_bool(to))
                                         throw DTypeError("bitcast: bool has no other bits than 0 and 1; use to(dtype)");
                                       out[0] = {to, false, in[0].shape};
                                     },
                                 .eval =
                                     [](const Call& c, Ins in, Outs out) {
                                       Aval a = in[0].aval(), r;
                                       c.prim.shape(c, {&a, 1}, {&r, 1});
                                       Tensor x = in[0].contiguous();
                                       out[0] = Tensor::copy_of(x.bytes(), r.dtype, r.shape);
                                     },
                                 .jvp = jvp_zero,
                                 .batch =
                                     [](const Call& c, const BatchContext&, std::span<Batched> in, std::span<Batched> out) {
                                       bind_prim(c, {&in[0].value, 1}, {&out[0].value, 1});
                                       out[0].dim = in[0].dim;
                                     },
                                 .lowering = {.kind = Lowering::Kind::bitcast}};
Tensor bitcast(const Tensor& x, DType d) { return x.raw_dtype() == d ? x : bind1(bitcast_p, x.weak() ? convert(x, x.dtype()) : x, BitcastParams{d}); }

// ---------------------------------------------------------------- stop_gradient
constexpr Primitive stop_gradient_p = {.name = "stop_gradient",
                                       .n_in = 1,
                                       .shape = [](const Call&, std::span<const Aval> in, std::span<Aval> out) { out[0] = in[0]; },
                                       .eval = [](const Call&, Ins in, Outs out) { out[0] = in[0]; },
                                       .jvp = jvp_zero,
                                       .batch =
                                           [](const Call& c, const BatchContext&, std::span<Batched> in, std::span<Batched> out) {
                                             bind_prim(c, {&in[0].value, 1}, {&out[0].value, 1});
                                             out[0].dim = in[0].dim;
                                           },
                                       .lowering = {.kind = Lowering::Kind::identity}};
Tensor stop_gradient(const Tensor& x) { return bind1(stop_gradient_p, x); }

Table cast_table() {
  static constexpr const Primitive* t[] = {&core::convert_p, &bitcast_p, &stop_gradient_p};
  return t;
}

}  // namespace functra::prims
