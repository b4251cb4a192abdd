#include "functra/prims/contract.h"
#include "functra/prims/families.h"

#include "functra/kernels/gemm.h"

namespace functra::prims {
namespace {

Shape argsort(const Shape& d) {
  Shape r = Shape::iota(d.size());
  for (std::size_t i = 1; i < r.size(); ++i)
    for (std::size_t k = i; k > 0 && d[static_cast<std::size_t>(r[k])] < d[static_cast<std::size_t>(r[k - 1])]; --k) std::swap(r[k], r[k - 1]);
  return r;
}
Shape free_dims(std::size_t rank, const Shape& summed, const Shape& batch) { return summed.concat(batch).others(rank); }

// The cotangent of operand x (of rank n) of a contraction with y: contract ct with y over y's free dimensions, then put the
// result's dimensions back where x had them. `swapped`: x was the right operand.
Tensor cotangent(const Tensor& ct, const Tensor& y, std::size_t n, const Shape& xc, const Shape& yc, const Shape& xb, const Shape& yb, bool swapped) {
  Shape x_free = free_dims(n, xc, xb), y_free = free_dims(y.sizes().size(), yc, yb);
  auto nb = static_cast<std::int64_t>(xb.size());
  Shape ct_y = Shape::iota(y_free.size(), swapped ? nb : nb + static_cast<std::int64_t>(x_free.size()));
  Tensor r = dot_general(ct, y, {ct_y, y_free, Shape::iota(xb.size()), yb});
  return permute(r, argsort(xb.concat(x_free).concat(xc.pick(argsort(yc)))));
}
}  // namespace

constexpr Primitive dot_general_p = {
    .name = "dot_general",
    .params = &param_type<DotParams>,
    .n_in = 2,
    .shape =
        [](const Call& c, std::span<const Aval> in, std::span<Aval> out) {
          auto& p = c.params.get<DotParams>();
          const Shape &a = in[0].shape, &b = in[1].shape;
          auto inside = [](const Shape& dims, const Shape& s) {
            for (std::int64_t d : dims)
              if (d < 0 || d >= s.rank()) return false;
            return true;
          };
          if (!inside(p.left, a) || !inside(p.left_batch, a) || !inside(p.right, b) || !inside(p.right_batch, b) ||
              !(a.pick(p.left) == b.pick(p.right)) || !(a.pick(p.left_batch) == b.pick(p.right_batch)))
            throw ShapeError("dot_general: shapes " + a.str() + " and " + b.str() + " do not fit: summed dimensions " + p.left.str() + " with " +
                             p.right.str() + ", batch dimensions " + p.left_batch.str() + " with " + p.right_batch.str());
          if (in[0].dtype != in[1].dtype)
            throw DTypeError("dot_general: dtypes " + std::string(name_of(in[0].dtype)) + " and " + std::string(name_of(in[1].dtype)) + " differ");
          out[0] = {in[0].dtype, in[0].weak && in[1].weak,
                    a.pick(p.left_batch)
                        .concat(a.pick(free_dims(a.size(), p.left, p.left_batch)))
                        .concat(b.pick(free_dims(b.size(), p.right, p.right_batch)))};
        },
    .eval = [](const Call& c, Ins in, Outs out) { out[0] = dot_general_in_order(in[0], in[1], c.params.get<DotParams>(), {}); },
    .jvp =
        [](const Call& c, Ins x, Ins t, Outs y, Outs dy) {
          auto& p = c.params.get<DotParams>();
          bind_prim(c, x, y);
          dy[0] = add_ct(is_zero(t[0]) ? Tensor() : dot_general(t[0], x[1], p), is_zero(t[1]) ? Tensor() : dot_general(x[0], t[1], p));
        },
    .transpose =
        [](const Call& c, Ins ct, std::span<const Operand> in, Outs g) {
          auto& p = c.params.get<DotParams>();
          if (in[0].linear()) g[0] = cotangent(ct[0], *in[1], in[0].type->shape.size(), p.left, p.right, p.left_batch, p.right_batch, false);
          if (in[1].linear()) g[1] = cotangent(ct[0], *in[0], in[1].type->shape.size(), p.right, p.left, p.right_batch, p.left_batch, true);
        },
    .batch =
        [](const Call& c, const BatchContext& ctx, std::span<Batched> in, std::span<Batched> out) {
          // Both mapped: one more batch dimension. One mapped: a free dimension, so that shared weights give one product.
          DotParams p = c.params.get<DotParams>();
          bool l = in[0].dim >= 0, r = in[1].dim >= 0;
          auto shift = [](Shape& dims, int at) {
            for (auto& d : dims)
              if (d >= at) ++d;
          };
          if (l) {
            shift(p.left, in[0].dim);
            shift(p.left_batch, in[0].dim);
          }
          if (r) {
            shift(p.right, in[1].dim);
            shift(p.right_batch, in[1].dim);
          }
          if (l && r) {
            p.left_batch = p.left_batch.with(0, in[0].dim);
            p.right_batch = p.right_batch.with(0, in[1].dim);
            out[0] = {dot_general(in[0].value, in[1].value, p), 0};
            return;
          }
          (void)ctx;
          const Batched& mapped = l ? in[0] : in[1];
          Shape mine =
              l ? free_dims(mapped.value.sizes().size(), p.left, p.left_batch) : free_dims(mapped.value.sizes().size(), p.right, p.right_batch);
          auto at = static_cast<std::size_t>(mine.find(mapped.dim)) + p.left_batch.size();
          if (r) at += free_dims(in[0].value.sizes().size(), p.left, p.left_batch).size();
          out[0] = {dot_general(in[0].value, in[1].value, p), static_cast<int>(at)};
        },
    .lowering = {.kind = Lowering::Kind::contraction, .contraction = [](const Params& q) {
                   auto& p = q.get<DotParams>();
                   return Lowering::Contraction{p.left, p.right, p.left_batch, p.right_batch};
                 }}};
Tensor dot_general(const Tensor& a, const Tensor& b, const DotParams& p) {
  const Tensor in[2] = {a, b};
  return bind1(dot_general_p, in, p);
}

Table contract_table() {
  static constexpr const Primitive* t[] = {&dot_general_p};
  return t;
}
Tensor dot_general_in_order(const Tensor& x, const Tensor& y, const DotParams& p, const Shape& order) {
  const Shape &a = x.shape_ref(), &b = y.shape_ref();
  const Shape s =
      a.pick(p.left_batch).concat(a.pick(free_dims(a.size(), p.left, p.left_batch))).concat(b.pick(free_dims(b.size(), p.right, p.right_batch)));
  Tensor r = Tensor::uninitialized(x.raw_dtype(), order.empty() ? s : s.pick(order));
  Shape strides = s;  // of the dimensions as they are numbered without an order
  if (!order.empty()) {
    const Shape in_order = row_major(r.shape_ref());
    for (std::size_t k = 0; k < order.size(); ++k) strides[static_cast<std::size_t>(order[k])] = in_order[k];
  }
  kernels::dot_general(x.raw_dtype(), x.bytes(), a, x.strides_ref(), y.bytes(), b, y.strides_ref(), p.left, p.right, p.left_batch, p.right_batch,
                       r.mutable_bytes(), order.empty() ? nullptr : &strides);
  return r;
}

}  // namespace functra::prims
