#include "functra/prims/index.h"
#include "functra/prims/families.h"

namespace functra::prims {

// ---------------------------------------------------------------- iota
namespace {
template <class T> void count_up(void* out, std::int64_t n) { for (std::int64_t i = 0; i < n; ++i) static_cast<T*>(out)[i] = static_cast<T>(i); }
}  // namespace
constexpr Primitive iota_p = {
    .name = "iota",
    .params = &param_type<IotaParams>,
    .n_in = 0,
    .shape = [](const Call& c, std::span<const Aval>, std::span<Aval> out) {
      auto& p = c.params.get<IotaParams>();
      if (p.dim < 0 || p.dim >= p.shape.rank()) throw IndexError("iota: dimension " + std::to_string(p.dim) + " is out of range for shape " + p.shape.str());
      if (is_bool(p.dtype)) throw DTypeError("iota: positions are numbers, the dtype cannot be bool");
      out[0] = {p.dtype, false, p.shape};
    },
    .eval = [](const Call& c, Ins, Outs out) {
      auto& p = c.params.get<IotaParams>();
      std::int64_t n = p.shape[static_cast<std::size_t>(p.dim)];
      Tensor line = Tensor::uninitialized(p.dtype, {n});
      void* to = line.mutable_bytes();
      switch (p.dtype) {
        case DType::i64: count_up<std::int64_t>(to, n); break;
        case DType::i32: count_up<std::int32_t>(to, n); break;
        case DType::f32: count_up<float>(to, n); break;
        case DType::f64: count_up<double>(to, n); break;
        default: for (std::int64_t i = 0; i < n; ++i) Scalar(i).store(p.dtype, static_cast<std::byte*>(to) + i * static_cast<std::int64_t>(size_of(p.dtype)));
      }
      Shape strides = Shape::filled(p.shape.size(), 0);
      strides[static_cast<std::size_t>(p.dim)] = 1;
      out[0] = p.shape.size() == 1 ? line : Tensor::view_of(line, p.shape, strides, 0);
    },
    .jvp = jvp_zero,
    .lowering = {.kind = Lowering::Kind::kernel}};
Tensor iota(DType d, const Shape& shape, int dim) { return bind1(iota_p, Ins(), IotaParams{d, shape, dim}); }

// ---------------------------------------------------------------- rev
constexpr Primitive rev_p = {
    .name = "rev",
    .linear = true,
    .params = &param_type<DimsParams>,
    .n_in = 1,
    .shape = [](const Call& c, std::span<const Aval> in, std::span<Aval> out) {
      std::int64_t before = -1;
      for (std::int64_t d : c.params.get<DimsParams>().dims) {
        if (d <= before || d >= in[0].shape.rank()) throw IndexError("rev: dimensions " + c.params.get<DimsParams>().dims.str() + " do not fit shape " + in[0].shape.str());
        before = d;
      }
      out[0] = {in[0].dtype, false, in[0].shape};
    },
    .eval = [](const Call& c, Ins in, Outs out) {
      Shape shape = in[0].shape_ref(), strides = in[0].strides_ref();
      std::int64_t offset = 0;
      for (std::int64_t d : c.params.get<DimsParams>().dims) {
        auto& s = strides[static_cast<std::size_t>(d)];
        if (shape.numel()) offset += (shape[static_cast<std::size_t>(d)] - 1) * s;
        s = -s;
      }
      out[0] = Tensor::view_of(in[0], shape, strides, offset);
    },
    .jvp = jvp_linear,
    .transpose = [](const Call& c, Ins ct, std::span<const Operand>, Outs g) { g[0] = rev(ct[0], c.params.get<DimsParams>().dims); },
    .batch = [](const Call& c, const BatchContext&, std::span<Batched> in, std::span<Batched> out) {
      out[0] = {rev(in[0].value, shifted(c.params.get<DimsParams>().dims, in[0].dim)), in[0].dim};
    },
    .lowering = {.kind = Lowering::Kind::index,
                 .map = [](const Call& c, std::span<const Aval> in) {
                   core::IndexMap m;
                   for (std::size_t i = 0; i < in[0].shape.size(); ++i) {
                     bool reversed = c.params.get<DimsParams>().dims.has(static_cast<std::int64_t>(i));
                     core::IndexMap::Row row{reversed ? in[0].shape[i] - 1 : 0, Shape::filled(in[0].shape.size(), 0)};
                     row.steps[i] = reversed ? -1 : 1;
                     m.rows.push_back(row);
                   }
                   return m;
                 }}};
Tensor rev(const Tensor& x, const Shape& dims) { return dims.empty() || x.rank0() ? x : bind1(rev_p, x.weak() ? convert(x, x.dtype()) : x, DimsParams{dims}); }

Table index_table() {
  static constexpr const Primitive* t[] = {&iota_p, &rev_p};
  return t;
}

}  // namespace functra::prims
