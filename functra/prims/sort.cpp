#include "functra/prims/sort.h"

#include "functra/kernels/sort.h"
#include "functra/prims/families.h"
#include "functra/prims/gather.h"
#include "functra/prims/index.h"

namespace functra::prims {

// ---------------------------------------------------------------- sort
constexpr Primitive sort_p = {
    .name = "sort",
    .params = &param_type<SortParams>,
    .n_out = [](const Params& p) { return static_cast<int>(p.get<SortParams>().operands); },
    .shape =
        [](const Call& c, std::span<const Aval> in, std::span<Aval> out) {
          auto& p = c.params.get<SortParams>();
          if (in.empty() || static_cast<std::int64_t>(in.size()) != p.operands)
            throw ValueError("sort: " + std::to_string(in.size()) + " operands given, " + std::to_string(p.operands) + " expected");
          if (p.dim < 0 || p.dim >= in[0].shape.rank())
            throw IndexError("sort: dimension " + std::to_string(p.dim) + " is out of range for shape " + in[0].shape.str());
          if (is_complex(in[0].dtype))
            throw DTypeError("sort: not defined for dtype " + std::string(name_of(in[0].dtype)) + ": complex numbers have no order");
          for (std::size_t k = 0; k < in.size(); ++k) {
            if (!(in[k].shape == in[0].shape))
              throw ShapeError("sort: operands have shapes " + in[0].shape.str() + " and " + in[k].shape.str() + ", they must be equal");
            out[k] = in[k];
          }
        },
    .eval =
        [](const Call& c, Ins in, Outs out) {
          auto& p = c.params.get<SortParams>();
          const Shape& s = in[0].shape_ref();
          int dim = static_cast<int>(p.dim);
          Tensor order = Tensor::uninitialized(DType::i64, s);
          auto* positions = static_cast<std::int64_t*>(order.mutable_bytes());
          kernels::argsort(in[0].raw_dtype(), in[0].bytes(), s, in[0].strides_ref(), dim, p.descending, positions);
          Buf<Tensor, 2> r(in.size());
          for (std::size_t k = 0; k < in.size(); ++k) {
            std::size_t size = size_of(in[k].raw_dtype());
            r[k] = Tensor::uninitialized(in[k].raw_dtype(), s);
            kernels::take_along(in[k].bytes(), s, in[k].strides_ref(), dim, positions, size, r[k].mutable_bytes());
          }
          for (std::size_t k = 0; k < in.size(); ++k) out[k] = std::move(r[k]);
        },
    .jvp =
        [](const Call& c, Ins x, Ins t, Outs y, Outs dy) {
          auto& p = c.params.get<SortParams>();
          // The permutation is sorted along; tangents follow it.
          Buf<Tensor, 3> all(x.size() + 1);
          for (std::size_t k = 0; k < x.size(); ++k) all[k] = x[k];
          all[x.size()] = iota(DType::i64, x[0].sizes(), static_cast<int>(p.dim));
          Vec sorted = sort(all, static_cast<int>(p.dim), p.descending);
          for (std::size_t k = 0; k < x.size(); ++k) {
            y[k] = sorted[k];
            if (!is_zero(t[k]) && is_differentiable(y[k].raw_dtype()))
              dy[k] = x[0].numel() ? take_along(t[k], sorted.back(), static_cast<int>(p.dim)) : t[k];
          }
        },
    .batch =
        [](const Call& c, const BatchContext& ctx, std::span<Batched> in, std::span<Batched> out) {
          auto& p = c.params.get<SortParams>();
          Buf<Tensor, 3> x(in.size());
          for (std::size_t k = 0; k < in.size(); ++k) x[k] = move_dim0(in[k], ctx.size);
          Vec r = sort(x, static_cast<int>(p.dim) + 1, p.descending);
          for (std::size_t k = 0; k < in.size(); ++k) out[k] = {r[k], 0};
        },
    .lowering = {.kind = Lowering::Kind::kernel}};
Vec sort(Ins xs, int dim, bool descending) { return core::bind_all(sort_p, xs, SortParams{dim, descending, static_cast<std::int64_t>(xs.size())}); }

Table sort_table() {
  static constexpr const Primitive* t[] = {&sort_p};
  return t;
}

}  // namespace functra::prims
