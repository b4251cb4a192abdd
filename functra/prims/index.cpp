#include "functra/prims/index.h"
#include "functra/prims/families.h"
#include "functra/prims/gather.h"
#include "functra/prims/windows.h"

#include <algorithm>

#include "functra/kernels/strided.h"

namespace functra::prims {

// ---------------------------------------------------------------- iota
namespace {
template <class T> void count_up(void* out, std::int64_t n) {
  for (std::int64_t i = 0; i < n; ++i) static_cast<T*>(out)[i] = static_cast<T>(i);
}
}  // namespace
constexpr Primitive iota_p = {.name = "iota",
                              .params = &param_type<IotaParams>,
                              .n_in = 0,
                              .shape =
                                  [](const Call& c, std::span<const Aval>, std::span<Aval> out) {
                                    auto& p = c.params.get<IotaParams>();
                                    if (p.dim < 0 || p.dim >= p.shape.rank())
                                      throw IndexError("iota: dimension " + std::to_string(p.dim) + " is out of range for shape " + p.shape.str());
                                    if (is_bool(p.dtype)) throw DTypeError("iota: positions are numbers, the dtype cannot be bool");
                                    out[0] = {p.dtype, false, p.shape};
                                  },
                              .eval =
                                  [](const Call& c, Ins, Outs out) {
                                    auto& p = c.params.get<IotaParams>();
                                    std::int64_t n = p.shape[static_cast<std::size_t>(p.dim)];
                                    Tensor line = Tensor::uninitialized(p.dtype, {n});
                                    void* to = line.mutable_bytes();
                                    switch (p.dtype) {
                                      case DType::i64: count_up<std::int64_t>(to, n); break;
                                      case DType::i32: count_up<std::int32_t>(to, n); break;
                                      case DType::f32: count_up<float>(to, n); break;
                                      case DType::f64: count_up<double>(to, n); break;
                                      default:
                                        for (std::int64_t i = 0; i < n; ++i)
                                          Scalar(i).store(p.dtype, static_cast<std::byte*>(to) + i * static_cast<std::int64_t>(size_of(p.dtype)));
                                    }
                                    Shape strides = Shape::filled(p.shape.size(), 0);
                                    strides[static_cast<std::size_t>(p.dim)] = 1;
                                    out[0] = p.shape.size() == 1 ? line : Tensor::view_of(line, p.shape, strides, 0);
                                  },
                              .jvp = jvp_zero,
                              .lowering = {.kind = Lowering::Kind::position, .position = [](const Params& p) { return p.get<IotaParams>().dim; }}};
Tensor iota(DType d, const Shape& shape, int dim) { return bind1(iota_p, Ins(), IotaParams{d, shape, dim}); }

// ---------------------------------------------------------------- rev
constexpr Primitive rev_p = {
    .name = "rev",
    .linear = true,
    .params = &param_type<DimsParams>,
    .n_in = 1,
    .shape =
        [](const Call& c, std::span<const Aval> in, std::span<Aval> out) {
          std::int64_t before = -1;
          for (std::int64_t d : c.params.get<DimsParams>().dims) {
            if (d <= before || d >= in[0].shape.rank())
              throw IndexError("rev: dimensions " + c.params.get<DimsParams>().dims.str() + " do not fit shape " + in[0].shape.str());
            before = d;
          }
          out[0] = {in[0].dtype, false, in[0].shape};
        },
    .eval =
        [](const Call& c, Ins in, Outs out) {
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
    .batch =
        [](const Call& c, const BatchContext&, std::span<Batched> in, std::span<Batched> out) {
          out[0] = {rev(in[0].value, shifted(c.params.get<DimsParams>().dims, in[0].dim)), in[0].dim};
        },
    .lowering = {.kind = Lowering::Kind::index, .map = [](const Call& c, std::span<const Aval> in) {
                   core::IndexMap m;
                   for (std::size_t i = 0; i < in[0].shape.size(); ++i) {
                     bool reversed = c.params.get<DimsParams>().dims.has(static_cast<std::int64_t>(i));
                     core::IndexMap::Row row{reversed ? in[0].shape[i] - 1 : 0, Shape::filled(in[0].shape.size(), 0)};
                     row.steps[i] = reversed ? -1 : 1;
                     m.rows.push_back(row);
                   }
                   return m;
                 }}};
Tensor rev(const Tensor& x, const Shape& dims) {
  return dims.empty() || x.rank0() ? x : bind1(rev_p, x.weak() ? convert(x, x.dtype()) : x, DimsParams{dims});
}

// ---------------------------------------------------------------- dynamic_slice (operand, starts...)
namespace {
void check_starts(const char* who, std::span<const Aval> starts, const Shape& shape, const Shape& sizes) {
  if (starts.size() != shape.size() || sizes.size() != shape.size())
    throw ShapeError(std::string(who) + ": " + std::to_string(starts.size()) + " starts and window " + sizes.str() + " for an operand of shape " +
                     shape.str() + "; one of each per dimension is needed");
  for (auto& a : starts) {
    if (!a.shape.empty()) throw ShapeError(std::string(who) + ": a start has shape " + a.shape.str() + ", each is a 0-d integer");
    if (!is_integer(a.dtype)) throw DTypeError(std::string(who) + ": a start has dtype " + std::string(name_of(a.dtype)) + ", they must be integers");
  }
  for (std::size_t i = 0; i < shape.size(); ++i)
    if (sizes[i] < 0 || sizes[i] > shape[i])
      throw ShapeError(std::string(who) + ": the window " + sizes.str() + " is larger than the operand of shape " + shape.str());
}
std::int64_t window_offset(const Tensor& x, Ins starts, const Shape& sizes) {
  std::int64_t offset = 0;
  for (std::size_t i = 0; i < starts.size(); ++i)
    offset += std::clamp<std::int64_t>(static_cast<std::int64_t>(starts[i].item()), 0, x.shape_ref()[i] - sizes[i]) * x.strides_ref()[i];
  return offset;
}
bool any_mapped(std::span<const Batched> in) {
  return std::any_of(in.begin(), in.end(), [](const Batched& b) { return b.dim >= 0; });
}
// Starts that differ from lane to lane, as an array of index vectors: [lanes, rank].
Tensor start_vectors(std::span<const Batched> starts, std::int64_t lanes) {
  Buf<Tensor, 6> columns(starts.size());
  for (std::size_t i = 0; i < starts.size(); ++i) columns[i] = reshape(convert(move_dim0(starts[i], lanes), DType::i64), {lanes, 1});
  return concatenate(columns, 1);
}
// The starts of a window in an operand with a further dimension in front, which it covers.
Vec in_front(std::span<const Batched> starts) {
  Vec r{Tensor::literal_of(Scalar(0), starts.empty() || starts[0].value.weak() ? DType::i64 : starts[0].value.raw_dtype())};
  for (auto& s : starts) r.push_back(s.value);
  return r;
}
}  // namespace
constexpr Primitive dynamic_slice_p = {
    .name = "dynamic_slice",
    .params = &param_type<SizesParams>,
    .shape =
        [](const Call& c, std::span<const Aval> in, std::span<Aval> out) {
          auto& sizes = c.params.get<SizesParams>().sizes;
          check_starts("dynamic_slice", in.subspan(1), in[0].shape, sizes);
          out[0] = {in[0].dtype, false, sizes};
        },
    .eval =
        [](const Call& c, Ins in, Outs out) {
          auto& sizes = c.params.get<SizesParams>().sizes;
          out[0] = Tensor::view_of(in[0], sizes, in[0].strides_ref(), sizes.has(0) ? 0 : window_offset(in[0], in.subspan(1), sizes));
        },
    .jvp =
        [](const Call& c, Ins x, Ins t, Outs y, Outs dy) {
          bind_prim(c, x, y);
          if (!is_zero(t[0]) && is_differentiable(y[0].raw_dtype())) dy[0] = dynamic_slice(t[0], x.subspan(1), c.params.get<SizesParams>().sizes);
        },
    .transpose =
        [](const Call&, Ins ct, std::span<const Operand> in, Outs g) {
          Vec starts;
          for (auto& o : in.subspan(1)) starts.push_back(*o);
          g[0] = dynamic_update_slice(zeros(*in[0].type), ct[0], starts);
        },
    .batch =
        [](const Call& c, const BatchContext& ctx, std::span<Batched> in, std::span<Batched> out) {
          auto& sizes = c.params.get<SizesParams>().sizes;
          auto starts = in.subspan(1);
          if (!any_mapped(starts)) {
            out[0] = {dynamic_slice(move_dim0(in[0], ctx.size), in_front(starts), sizes.with(0, ctx.size)), 0};
            return;
          }
          bool mapped = in[0].dim >= 0;
          std::size_t n = sizes.size();
          GatherParams p{Shape::iota(n, 1), {}, Shape::iota(n, mapped), {}, {}, sizes, false, Scalar(0)};
          if (mapped) {
            p.operand_batch = p.indices_batch = {0};
            p.sizes = sizes.with(0, 1);
          }
          out[0] = {gather(mapped ? move_dim0(in[0], ctx.size) : in[0].value, start_vectors(starts, ctx.size), p), 0};
        },
    .lowering = {.kind = Lowering::Kind::placed,
                 .placed = [](core::Places& here, const Params& p, std::span<const Aval> in) -> Sym {
                   const Shape& sizes = p.get<SizesParams>().sizes;
                   std::vector<core::Places::At> place(sizes.size());
                   for (std::size_t d = 0; d < sizes.size(); ++d) {
                     place[d].along = static_cast<int>(d);
                     place[d].plus = window_start(here.element(1 + d, {}), in[0].shape[d] - sizes[d]).clamped;
                   }
                   return here.element(0, place);
                 },
                 .anywhere = 0}};
Tensor dynamic_slice(const Tensor& x, Ins starts, const Shape& sizes) {
  Buf<Tensor, 6> in(starts.size() + 1);
  in[0] = x;
  for (std::size_t i = 0; i < starts.size(); ++i) in[i + 1] = starts[i];
  return bind1(dynamic_slice_p, in, SizesParams{sizes});
}

// ---------------------------------------------------------------- dynamic_update_slice (operand, update, starts...)
constexpr Primitive dynamic_update_slice_p = {
    .name = "dynamic_update_slice",
    .shape =
        [](const Call&, std::span<const Aval> in, std::span<Aval> out) {
          if (in[0].dtype != in[1].dtype)
            throw DTypeError("dynamic_update_slice: operand " + in[0].str() + " and update " + in[1].str() + " have different dtypes");
          check_starts("dynamic_update_slice", in.subspan(2), in[0].shape, in[1].shape);
          out[0] = {in[0].dtype, false, in[0].shape};
        },
    .eval =
        [](const Call&, Ins in, Outs out) {
          const Tensor &x = in[0], &u = in[1];
          std::size_t size = size_of(x.raw_dtype());
          Tensor r = Tensor::uninitialized(x.raw_dtype(), x.shape_ref());
          kernels::copy(r.mutable_bytes(), r.strides_ref(), x.bytes(), x.strides_ref(), x.shape_ref(), size);
          if (u.numel()) {
            std::int64_t offset = window_offset(r, in.subspan(2), u.shape_ref());
            kernels::copy(static_cast<std::byte*>(r.mutable_bytes()) + offset * static_cast<std::int64_t>(size), r.strides_ref(), u.bytes(),
                          u.strides_ref(), u.shape_ref(), size);
          }
          out[0] = std::move(r);
        },
    .jvp =
        [](const Call& c, Ins x, Ins t, Outs y, Outs dy) {
          bind_prim(c, x, y);
          if ((is_zero(t[0]) && is_zero(t[1])) || !is_differentiable(y[0].raw_dtype())) return;
          dy[0] = dynamic_update_slice(instantiate(t[0], x[0].aval()), instantiate(t[1], x[1].aval()), x.subspan(2));
        },
    .transpose =
        [](const Call&, Ins ct, std::span<const Operand> in, Outs g) {
          Vec starts;
          for (auto& o : in.subspan(2)) starts.push_back(*o);
          if (in[0].linear()) g[0] = dynamic_update_slice(ct[0], zeros(*in[1].type), starts);
          if (in[1].linear()) g[1] = dynamic_slice(ct[0], starts, in[1].type->shape);
        },
    .batch =
        [](const Call&, const BatchContext& ctx, std::span<Batched> in, std::span<Batched> out) {
          auto starts = in.subspan(2);
          Tensor x = move_dim0(in[0], ctx.size), u = move_dim0(in[1], ctx.size);
          if (!any_mapped(starts)) {
            out[0] = {dynamic_update_slice(x, u, in_front(starts)), 0};
            return;
          }
          std::size_t n = starts.size();
          out[0] = {scatter(x, start_vectors(starts, ctx.size), u, {Shape::iota(n, 1), {}, Shape::iota(n, 1), {0}, {0}, false, true}), 0};
        },
    .lowering = {.kind = Lowering::Kind::kernel}};
Tensor dynamic_update_slice(const Tensor& x, const Tensor& update, Ins starts) {
  Buf<Tensor, 6> in(starts.size() + 2);
  in[0] = x;
  in[1] = update;
  for (std::size_t i = 0; i < starts.size(); ++i) in[i + 2] = starts[i];
  return bind1(dynamic_update_slice_p, in);
}

Table index_table() {
  static constexpr const Primitive* t[] = {&iota_p, &rev_p, &dynamic_slice_p, &dynamic_update_slice_p};
  return t;
}

}  // namespace functra::prims
