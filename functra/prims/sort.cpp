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

// ---------------------------------------------------------------- top_k: values, positions
constexpr Primitive top_k_p = {
    .name = "top_k",
    .params = &param_type<TopKParams>,
    .n_in = 1,
    .n_out = [](const Params&) { return 2; },
    .shape =
        [](const Call& c, std::span<const Aval> in, std::span<Aval> out) {
          auto& p = c.params.get<TopKParams>();
          Shape s = in[0].shape;
          if (p.dim < 0 || p.dim >= s.rank()) throw IndexError("top_k: dimension " + std::to_string(p.dim) + " is out of range for shape " + s.str());
          auto& n = s[static_cast<std::size_t>(p.dim)];
          if (p.k < 0 || p.k > n)
            throw IndexError("top_k: k = " + std::to_string(p.k) + " does not lie in dimension " + std::to_string(p.dim) + " of shape " + s.str());
          if (is_complex(in[0].dtype))
            throw DTypeError("top_k: not defined for dtype " + std::string(name_of(in[0].dtype)) + ": complex numbers have no order");
          n = p.k;
          out[0] = {in[0].dtype, false, s};
          out[1] = {DType::i64, false, s};
        },
    .eval =
        [](const Call& c, Ins in, Outs out) {
          auto& p = c.params.get<TopKParams>();
          const Tensor& x = in[0];
          const Shape s = checked<2>(c, in)[0].shape;
          int dim = static_cast<int>(p.dim);
          Tensor where = Tensor::uninitialized(DType::i64, s), r = Tensor::uninitialized(x.raw_dtype(), s);
          auto* positions = static_cast<std::int64_t*>(where.mutable_bytes());
          kernels::top_k(x.raw_dtype(), x.bytes(), x.shape_ref(), x.strides_ref(), dim, p.k, p.largest, positions);
          kernels::take_along(x.bytes(), s, x.strides_ref(), dim, positions, size_of(x.raw_dtype()), r.mutable_bytes());
          out[0] = std::move(r);
          out[1] = std::move(where);
        },
    .jvp =
        [](const Call& c, Ins x, Ins t, Outs y, Outs dy) {
          bind_prim(c, x, y);
          if (is_differentiable(y[0].raw_dtype()) && y[0].numel()) dy[0] = take_along(t[0], y[1], static_cast<int>(c.params.get<TopKParams>().dim));
        },
    .batch =
        [](const Call& c, const BatchContext& ctx, std::span<Batched> in, std::span<Batched> out) {
          auto& p = c.params.get<TopKParams>();
          Vec r = top_k(move_dim0(in[0], ctx.size), p.k, static_cast<int>(p.dim) + 1, p.largest);
          for (std::size_t k : {0u, 1u}) out[k] = {r[k], 0};
        },
    .lowering = {.kind = Lowering::Kind::kernel}};
Vec top_k(const Tensor& x, std::int64_t k, int dim, bool largest) { return core::bind_all(top_k_p, {&x, 1}, TopKParams{k, dim, largest}); }

// ---------------------------------------------------------------- searchsorted (sorted, values)
constexpr Primitive searchsorted_p = {
    .name = "searchsorted",
    .params = &param_type<SearchParams>,
    .n_in = 2,
    .shape =
        [](const Call&, std::span<const Aval> in, std::span<Aval> out) {
          const Shape &s = in[0].shape, &v = in[1].shape;
          if (in[0].dtype != in[1].dtype)
            throw DTypeError("searchsorted: sorted " + in[0].str() + " and values " + in[1].str() + " have different dtypes");
          if (is_complex(in[0].dtype)) throw DTypeError("searchsorted: " + std::string(name_of(in[0].dtype)) + " has no order");
          if (s.empty() || v.empty() || !(s.without(s.size() - 1) == v.without(v.size() - 1)))
            throw ShapeError("searchsorted: sorted has shape " + s.str() + " and the values " + v.str() +
                             "; they may differ in the last extent only");
          out[0] = {DType::i64, false, v};
        },
    .eval =
        [](const Call& c, Ins in, Outs out) {
          Tensor r = Tensor::uninitialized(DType::i64, checked(c, in)[0].shape);
          kernels::search_sorted(in[0].raw_dtype(), in[0].bytes(), in[0].shape_ref(), in[0].strides_ref(), in[1].bytes(), in[1].shape_ref(),
                                 in[1].strides_ref(), c.params.get<SearchParams>().right, static_cast<std::int64_t*>(r.mutable_bytes()));
          out[0] = std::move(r);
        },
    .jvp = jvp_zero,
    .batch =
        [](const Call& c, const BatchContext& ctx, std::span<Batched> in, std::span<Batched> out) {
          out[0] = {searchsorted(move_dim0(in[0], ctx.size), move_dim0(in[1], ctx.size), c.params.get<SearchParams>().right), 0};
        },
    .lowering = {.kind = Lowering::Kind::kernel}};
Tensor searchsorted(const Tensor& sorted, const Tensor& values, bool right) {
  const Tensor in[2] = {sorted, values};
  return bind1(searchsorted_p, in, SearchParams{right});
}

Table sort_table() {
  static constexpr const Primitive* t[] = {&sort_p, &top_k_p, &searchsorted_p};
  return t;
}

}  // namespace functra::prims
