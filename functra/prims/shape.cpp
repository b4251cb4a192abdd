#include "functra/prims/shape.h"
#include "functra/prims/families.h"

#include <algorithm>

#include "functra/kernels/strided.h"

namespace functra::core {

using prims::jvp_linear;

// ---------------------------------------------------------------- broadcast_in_dim
constexpr Primitive broadcast_in_dim_p = {
    .name = "broadcast_in_dim",
    .linear = true,
    .params = &param_type<prims::BroadcastParams>,
    .n_in = 1,
    .shape =
        [](const Call& c, std::span<const Aval> in, std::span<Aval> out) {
          auto& p = c.params.get<prims::BroadcastParams>();
          bool ok = p.dims.size() == in[0].shape.size() && std::all_of(p.shape.begin(), p.shape.end(), [](std::int64_t n) { return n >= 0; });
          for (std::size_t i = 0; ok && i < p.dims.size(); ++i)
            ok = p.dims[i] >= 0 && p.dims[i] < p.shape.rank() && (i == 0 || p.dims[i] > p.dims[i - 1]) &&
                 in[0].shape[i] == p.shape[static_cast<std::size_t>(p.dims[i])];
          if (!ok)
            throw ShapeError("broadcast_in_dim: " + in[0].shape.str() + " does not go to " + p.shape.str() + " along dimensions " + p.dims.str());
          out[0] = {in[0].dtype, in[0].weak && p.shape.empty(), p.shape};
        },
    .eval =
        [](const Call& c, Ins in, Outs out) {
          auto& p = c.params.get<prims::BroadcastParams>();
          Shape strides = Shape::filled(p.shape.size(), 0);
          for (std::size_t i = 0; i < p.dims.size(); ++i) strides[static_cast<std::size_t>(p.dims[i])] = in[0].strides_ref()[i];
          out[0] = p.shape.empty() ? in[0] : Tensor::view_of(in[0], p.shape, strides, 0);
        },
    .jvp = jvp_linear,
    .transpose =
        [](const Call& c, Ins ct, std::span<const Operand>, Outs g) {
          auto& p = c.params.get<prims::BroadcastParams>();
          g[0] = sum(ct[0], p.dims.others(p.shape.size()));
        },
    .batch =
        [](const Call& c, const BatchContext& ctx, std::span<Batched> in, std::span<Batched> out) {
          auto& p = c.params.get<prims::BroadcastParams>();
          Shape dims{0};
          for (std::int64_t v : p.dims) dims.push_back(v + 1);
          out[0] = {broadcast_in_dim(move_dim0(in[0], ctx.size), p.shape.with(0, ctx.size), dims), 0};
        },
    .lowering = {.kind = Lowering::Kind::index, .map = [](const Call& c, std::span<const Aval> in) {
                   auto& p = c.params.get<prims::BroadcastParams>();
                   IndexMap m;
                   for (std::size_t i = 0; i < in[0].shape.size(); ++i) {
                     IndexMap::Row row{0, Shape::filled(p.shape.size(), 0)};
                     row.steps[static_cast<std::size_t>(p.dims[i])] = 1;
                     m.rows.push_back(row);
                   }
                   return m;
                 }}};
Tensor broadcast_in_dim(const Tensor& x, const Shape& shape, const Shape& dims) {
  if (shape.empty()) return x;
  if (is_iota(dims) && dims.size() == shape.size() && !x.rank0()) return x;
  return bind1(broadcast_in_dim_p, x.weak() ? convert(x, x.dtype()) : x, prims::BroadcastParams{shape, dims});
}

// ---------------------------------------------------------------- transpose
constexpr Primitive transpose_p = {
    .name = "transpose",
    .linear = true,
    .params = &param_type<prims::PermParams>,
    .n_in = 1,
    .shape =
        [](const Call& c, std::span<const Aval> in, std::span<Aval> out) {
          auto& perm = c.params.get<prims::PermParams>().perm;
          Shape sorted = perm;
          std::sort(sorted.begin(), sorted.end());
          if (perm.size() != in[0].shape.size() || !is_iota(sorted))
            throw ShapeError("transpose: " + perm.str() + " is not a permutation of the dimensions of " + in[0].shape.str());
          out[0] = {in[0].dtype, in[0].weak, in[0].shape.pick(perm)};
        },
    .eval =
        [](const Call& c, Ins in, Outs out) {
          auto& perm = c.params.get<prims::PermParams>().perm;
          out[0] = Tensor::view_of(in[0], in[0].shape_ref().pick(perm), in[0].strides_ref().pick(perm), 0);
        },
    .jvp = jvp_linear,
    .transpose = [](const Call& c, Ins ct, std::span<const Operand>,
                    Outs g) { g[0] = permute(ct[0], inverse(c.params.get<prims::PermParams>().perm)); },
    .batch =
        [](const Call& c, const BatchContext& ctx, std::span<Batched> in, std::span<Batched> out) {
          Shape p{0};
          for (std::int64_t d : c.params.get<prims::PermParams>().perm) p.push_back(d + 1);
          out[0] = {permute(move_dim0(in[0], ctx.size), p), 0};
        },
    .lowering = {.kind = Lowering::Kind::index, .map = [](const Call& c, std::span<const Aval> in) {
                   Shape inv = inverse(c.params.get<prims::PermParams>().perm);
                   IndexMap m;
                   for (std::size_t i = 0; i < inv.size(); ++i) {
                     IndexMap::Row row{0, Shape::filled(in[0].shape.size(), 0)};
                     row.steps[static_cast<std::size_t>(inv[i])] = 1;
                     m.rows.push_back(row);
                   }
                   return m;
                 }}};
Tensor permute(const Tensor& x, const Shape& perm) { return is_iota(perm) ? x : bind1(transpose_p, x, prims::PermParams{perm}); }
Tensor move_dim(const Tensor& x, int from, int to) {
  if (from == to) return x;
  std::size_t rank = x.is_array() ? x.shape_ref().size() : x.sizes().size();
  return permute(x, Shape::iota(rank).without(static_cast<std::size_t>(from)).with(static_cast<std::size_t>(to), from));
}
Tensor move_dim(const Batched& b, int to, std::int64_t size) {
  if (b.dim >= 0) return move_dim(b.value, b.dim, to);
  Shape s = b.value.sizes();
  Tensor v = b.value.weak() ? convert(b.value, b.value.raw_dtype()) : b.value;  // the array of a C++ number keeps all of it
  return broadcast_in_dim(v, s.with(static_cast<std::size_t>(to), size), Shape::iota(s.size() + 1).without(static_cast<std::size_t>(to)));
}

}  // namespace functra::core

namespace functra::prims {

// ---------------------------------------------------------------- reshape
constexpr Primitive reshape_p = {
    .name = "reshape",
    .linear = true,
    .params = &param_type<ShapeParams>,
    .n_in = 1,
    .shape =
        [](const Call& c, std::span<const Aval> in, std::span<Aval> out) {
          auto& s = c.params.get<ShapeParams>().shape;
          if (s.numel() != in[0].shape.numel())
            throw ShapeError("reshape: " + in[0].shape.str() + " has " + std::to_string(in[0].shape.numel()) + " elements, " + s.str() + " has " +
                             std::to_string(s.numel()));
          out[0] = {in[0].dtype, in[0].weak && s.empty(), s};
        },
    .eval =
        [](const Call& c, Ins in, Outs out) {
          auto& s = c.params.get<ShapeParams>().shape;
          Shape strides;
          if (view_strides(in[0].shape_ref(), in[0].strides_ref(), s, strides)) {
            out[0] = Tensor::view_of(in[0], s, strides, 0);
            return;
          }
          out[0] = Tensor::view_of(in[0].contiguous(), s, row_major(s), 0);
        },
    .jvp = jvp_linear,
    .transpose = [](const Call&, Ins ct, std::span<const Operand> in, Outs g) { g[0] = reshape(ct[0], in[0].type->shape); },
    .batch =
        [](const Call& c, const BatchContext& ctx, std::span<Batched> in, std::span<Batched> out) {
          out[0] = {reshape(move_dim0(in[0], ctx.size), c.params.get<ShapeParams>().shape.with(0, ctx.size)), 0};
        },
    .lowering = {.kind = Lowering::Kind::reshape}};
Tensor reshape(const Tensor& x, const Shape& shape) {
  if (x.rank0() ? shape.empty() : x.sizes() == shape) return x;
  return bind1(reshape_p, x.weak() ? convert(x, x.dtype()) : x, ShapeParams{shape});
}

// ---------------------------------------------------------------- slice
constexpr Primitive slice_p = {.name = "slice",
                               .linear = true,
                               .params = &param_type<SliceParams>,
                               .n_in = 1,
                               .shape =
                                   [](const Call& c, std::span<const Aval> in, std::span<Aval> out) {
                                     auto& p = c.params.get<SliceParams>();
                                     const Shape& s = in[0].shape;
                                     bool ok = p.start.size() == s.size() && p.limit.size() == s.size() && p.stride.size() == s.size();
                                     out[0] = {in[0].dtype, false, {}};
                                     for (std::size_t i = 0; ok && i < s.size(); ++i) {
                                       ok = p.start[i] >= 0 && p.start[i] <= p.limit[i] && p.limit[i] <= s[i] && p.stride[i] >= 1;
                                       if (ok) out[0].shape.push_back((p.limit[i] - p.start[i] + p.stride[i] - 1) / p.stride[i]);
                                     }
                                     if (!ok)
                                       throw IndexError("slice: start " + p.start.str() + ", limit " + p.limit.str() + ", stride " + p.stride.str() +
                                                        " do not fit shape " + s.str());
                                   },
                               .eval =
                                   [](const Call& c, Ins in, Outs out) {
                                     auto& p = c.params.get<SliceParams>();
                                     Shape shape, strides;
                                     std::int64_t offset = 0;
                                     for (std::size_t i = 0; i < p.start.size(); ++i) {
                                       std::int64_t n = (p.limit[i] - p.start[i] + p.stride[i] - 1) / p.stride[i], st = in[0].strides_ref()[i];
                                       shape.push_back(n);
                                       strides.push_back(st * p.stride[i]);
                                       if (n) offset += p.start[i] * st;
                                     }
                                     out[0] = Tensor::view_of(in[0], shape, strides, shape.numel() ? offset : 0);
                                   },
                               .jvp = jvp_linear,
                               .transpose =
                                   [](const Call& c, Ins ct, std::span<const Operand> in, Outs g) {
                                     auto& p = c.params.get<SliceParams>();
                                     const Shape& s = in[0].type->shape;
                                     Shape got = ct[0].sizes(), high = p.start, interior = p.stride;
                                     for (std::size_t i = 0; i < s.size(); ++i) {
                                       interior[i] -= 1;
                                       std::int64_t covered = got[i] ? (got[i] - 1) * p.stride[i] + 1 : 0;
                                       high[i] = s[i] - p.start[i] - covered;
                                     }
                                     g[0] = pad(ct[0], like(0, ct[0]), p.start, high, interior);
                                   },
                               .batch =
                                   [](const Call& c, const BatchContext& ctx, std::span<Batched> in, std::span<Batched> out) {
                                     auto& p = c.params.get<SliceParams>();
                                     auto d = static_cast<std::size_t>(in[0].dim);
                                     out[0] = {slice(in[0].value, p.start.with(d, 0), p.limit.with(d, ctx.size), p.stride.with(d, 1)), in[0].dim};
                                   },
                               .lowering = {.kind = Lowering::Kind::index, .map = [](const Call& c, std::span<const Aval> in) {
                                              auto& p = c.params.get<SliceParams>();
                                              core::IndexMap m;
                                              for (std::size_t i = 0; i < in[0].shape.size(); ++i) {
                                                core::IndexMap::Row row{p.start[i], Shape::filled(in[0].shape.size(), 0)};
                                                row.steps[i] = p.stride[i];
                                                m.rows.push_back(row);
                                              }
                                              return m;
                                            }}};
Tensor slice(const Tensor& x, const Shape& start, const Shape& limit, const Shape& stride) {
  return bind1(slice_p, x, SliceParams{start, limit, stride});
}

// ---------------------------------------------------------------- pad
namespace {
std::int64_t padded(std::int64_t n, std::int64_t low, std::int64_t high, std::int64_t interior) {
  return n + low + high + (n > 0 ? (n - 1) * interior : 0);
}
}  // namespace
constexpr Primitive pad_p = {
    .name = "pad",
    .linear = true,
    .params = &param_type<PadParams>,
    .n_in = 2,
    .shape =
        [](const Call& c, std::span<const Aval> in, std::span<Aval> out) {
          auto& p = c.params.get<PadParams>();
          const Shape& s = in[0].shape;
          bool ok = p.low.size() == s.size() && p.high.size() == s.size() && p.interior.size() == s.size() && in[1].shape.empty() &&
                    in[0].dtype == in[1].dtype;
          out[0] = {in[0].dtype, false, {}};
          for (std::size_t i = 0; ok && i < s.size(); ++i) {
            std::int64_t n = padded(s[i], p.low[i], p.high[i], p.interior[i]);
            ok = p.interior[i] >= 0 && n >= 0;
            out[0].shape.push_back(n);
          }
          if (!ok)
            throw ShapeError("pad: low " + p.low.str() + ", high " + p.high.str() + ", interior " + p.interior.str() + " do not fit shape " +
                             s.str());
        },
    .eval =
        [](const Call& c, Ins in, Outs out) {
          auto& p = c.params.get<PadParams>();
          const Shape& s = in[0].shape_ref();
          Shape shape;
          for (std::size_t i = 0; i < s.size(); ++i) shape.push_back(padded(s[i], p.low[i], p.high[i], p.interior[i]));
          DType d = in[0].raw_dtype();
          if (shape.empty()) {
            out[0] = in[0];
            return;
          }
          Tensor r = Tensor::uninitialized(d, shape);
          kernels::pad(r.mutable_bytes(), shape, in[0].bytes(), s, in[0].strides_ref(), p.low, p.interior, size_of(d), in[1].bytes());
          out[0] = std::move(r);
        },
    .jvp =
        [](const Call& c, Ins x, Ins t, Outs y, Outs dy) {
          bind_prim(c, x, y);
          if (is_differentiable(y[0].raw_dtype())) {
            const Tensor both[2] = {instantiate(t[0], x[0].aval()), instantiate(t[1], x[1].aval())};
            bind_prim(c, both, dy);
          }
        },
    .transpose =
        [](const Call& c, Ins ct, std::span<const Operand> in, Outs g) {
          auto& p = c.params.get<PadParams>();
          // Un-pad: crop (or extend, where low was negative) to the span of x, then take every (interior + 1)-th.
          const Shape& s = in[0].type->shape;
          Shape low = p.low, high = p.high, start = Shape::filled(s.size(), 0), limit, stride;
          for (std::size_t i = 0; i < s.size(); ++i) {
            low[i] = -low[i];
            high[i] = -high[i];
            limit.push_back(s[i] ? (s[i] - 1) * (p.interior[i] + 1) + 1 : 0);
            stride.push_back(p.interior[i] + 1);
          }
          Tensor zero = like(0, ct[0]), inner = slice(pad(ct[0], zero, low, high, Shape::filled(s.size(), 0)), start, limit, stride);
          if (in[0].linear()) g[0] = inner;
          if (in[1].linear()) g[1] = core::sub(core::sum(ct[0], Shape::iota(s.size())), core::sum(inner, Shape::iota(s.size())));
        },
    .batch =
        [](const Call& c, const BatchContext& ctx, std::span<Batched> in, std::span<Batched> out) {
          auto& p = c.params.get<PadParams>();
          if (in[1].dim < 0) {
            auto d = static_cast<std::size_t>(in[0].dim);
            out[0] = {pad(in[0].value, in[1].value, p.low.with(d, 0), p.high.with(d, 0), p.interior.with(d, 0)), in[0].dim};
            return;
          }
          // A padding value per lane: pad with zero, and select where the padding is.
          Tensor x = move_dim0(in[0], ctx.size), zero = like(0, x);
          Shape low = p.low.with(0, 0), high = p.high.with(0, 0), interior = p.interior.with(0, 0);
          Tensor y = pad(x, zero, low, high, interior);
          Shape s = x.sizes(), full = y.sizes();
          Tensor inside = pad(core::broadcast_in_dim(Tensor::literal_of(Scalar(true), DType::bool_), s, {}),
                              Tensor::literal_of(Scalar(false), DType::bool_), low, high, interior);
          out[0] = {core::select(inside, y, core::broadcast_in_dim(move_dim0(in[1], ctx.size), full, {0})), 0};
        },
    .lowering = {.kind = Lowering::Kind::pieces, .pieces = [](const Params& q, std::span<const Aval>) {
                   auto& p = q.get<PadParams>();
                   Shape step = p.interior;
                   for (auto& v : step) ++v;
                   return Lowering::Pieces{{{0, p.low, step}}, 1};
                 }}};
Tensor pad(const Tensor& x, const Tensor& value, const Shape& low, const Shape& high, const Shape& interior) {
  bool none = true;
  for (std::size_t i = 0; i < low.size(); ++i) none &= low[i] == 0 && high[i] == 0 && interior[i] == 0;
  if (none) return x;
  const Tensor in[2] = {x, value};
  return bind1(pad_p, in, PadParams{low, high, interior});
}

// ---------------------------------------------------------------- concatenate
constexpr Primitive concatenate_p = {
    .name = "concatenate",
    .linear = true,
    .params = &param_type<DimParams>,
    .shape =
        [](const Call& c, std::span<const Aval> in, std::span<Aval> out) {
          auto d = static_cast<std::size_t>(c.params.get<DimParams>().dim);
          if (in.empty()) throw ValueError("concatenate: needs at least one tensor");
          if (d >= in[0].shape.size())
            throw IndexError("concatenate: dimension " + std::to_string(d) + " is out of range for shape " + in[0].shape.str());
          out[0] = in[0];
          for (std::size_t k = 1; k < in.size(); ++k) {
            if (in[k].dtype != in[0].dtype)
              throw DTypeError("concatenate: dtypes " + std::string(name_of(in[0].dtype)) + " and " + std::string(name_of(in[k].dtype)) + " differ");
            if (in[k].shape.size() != in[0].shape.size() || !(in[k].shape.without(d) == in[0].shape.without(d)))
              throw ShapeError("concatenate: shapes " + in[0].shape.str() + " and " + in[k].shape.str() + " differ outside dimension " +
                               std::to_string(d));
            out[0].shape[d] += in[k].shape[d];
          }
        },
    .eval =
        [](const Call& c, Ins in, Outs out) {
          auto d = static_cast<std::size_t>(c.params.get<DimParams>().dim);
          Shape s = in[0].shape_ref();
          for (std::size_t k = 1; k < in.size(); ++k) s[d] += in[k].shape_ref()[d];
          Tensor r = Tensor::uninitialized(in[0].raw_dtype(), s);
          std::size_t size = size_of(in[0].raw_dtype());
          auto* to = static_cast<std::byte*>(r.mutable_bytes());
          for (const Tensor& x : in) {
            if (x.numel()) kernels::copy(to, r.strides_ref(), x.bytes(), x.strides_ref(), x.shape_ref(), size);
            to += x.shape_ref()[d] * r.strides_ref()[d] * static_cast<std::int64_t>(size);
          }
          out[0] = std::move(r);
        },
    .jvp =
        [](const Call& c, Ins x, Ins t, Outs y, Outs dy) {
          bind_prim(c, x, y);
          if (!is_differentiable(y[0].raw_dtype())) return;
          Buf<Tensor, 4> all(x.size());
          for (std::size_t k = 0; k < x.size(); ++k) all[k] = instantiate(t[k], x[k].aval());
          bind_prim(c, all, dy);
        },
    .transpose =
        [](const Call& c, Ins ct, std::span<const Operand> in, Outs g) {
          auto d = static_cast<std::size_t>(c.params.get<DimParams>().dim);
          Shape s = ct[0].sizes(), start = Shape::filled(s.size(), 0), limit = s, stride = Shape::filled(s.size(), 1);
          for (std::size_t k = 0; k < in.size(); ++k) {
            limit[d] = start[d] + in[k].type->shape[d];
            if (in[k].linear()) g[k] = slice(ct[0], start, limit, stride);
            start[d] = limit[d];
          }
        },
    .batch =
        [](const Call& c, const BatchContext& ctx, std::span<Batched> in, std::span<Batched> out) {
          Buf<Tensor, 4> x(in.size());
          for (std::size_t k = 0; k < in.size(); ++k) x[k] = move_dim0(in[k], ctx.size);
          out[0] = {concatenate(x, static_cast<int>(c.params.get<DimParams>().dim) + 1), 0};
        },
    .lowering = {.kind = Lowering::Kind::pieces, .pieces = [](const Params& q, std::span<const Aval> in) {
                   auto d = static_cast<std::size_t>(q.get<DimParams>().dim);
                   Lowering::Pieces r;
                   Shape start = Shape::filled(in[0].shape.size(), 0);
                   for (std::size_t k = 0; k < in.size(); ++k) {
                     r.parts.push_back({k, start, Shape::filled(start.size(), 1)});
                     start[d] += in[k].shape[d];
                   }
                   return r;
                 }}};
Tensor concatenate(Ins parts, int dim) { return parts.size() == 1 ? parts[0] : bind1(concatenate_p, parts, DimParams{dim}); }

Table shape_table() {
  static constexpr const Primitive* t[] = {&core::broadcast_in_dim_p, &core::transpose_p, &reshape_p, &slice_p, &pad_p, &concatenate_p};
  return t;
}

}  // namespace functra::prims
