// Windows written at computed positions: set, or combined with what is there.
#include "functra/kernels/strided.h"
#include "functra/prims/families.h"
#include "functra/prims/index.h"
#include "functra/prims/math.h"
#include "functra/prims/sort.h"
#include "functra/prims/windows.h"

namespace functra::prims {
namespace {

// Extents of scatter's windows, over all dimensions of the operand.
Shape window_sizes(const ScatterParams& p, std::size_t rank, const Shape& updates) {
  Shape s = Shape::filled(rank, 1), kept = p.inserted.concat(p.operand_batch).others(rank);
  for (std::size_t i = 0; i < kept.size() && i < p.window_dims.size(); ++i) s[at(kept[i])] = updates[at(p.window_dims[i])];
  return s;
}
GatherParams gather_of(const ScatterParams& p, const Shape& sizes) {
  return {p.window_dims, p.inserted, p.scatter_map, p.operand_batch, p.indices_batch, sizes, p.drop, Scalar(0)};
}
// Per update, what stands at its position of `array`; 0 where it is dropped.
Tensor at_positions(const Tensor& array, const Tensor& indices, const ScatterParams& p, const Shape& updates) {
  return gather(array, indices, gather_of(p, window_sizes(p, array.sizes().size(), updates)));
}
Tensor bind_scatter(const Primitive& prim, const Tensor& x, const Tensor& indices, const Tensor& updates, const ScatterParams& p) {
  const Tensor in[3] = {x, indices, updates};
  return bind1(prim, in, p);
}

void shape_scatter(const Call& c, std::span<const Aval> in, std::span<Aval> out) {
  auto& p = c.params.get<ScatterParams>();
  const Shape &x = in[0].shape, &i = in[1].shape, &u = in[2].shape;
  check_indices(c.prim.name, in[1]);
  if (in[0].dtype != in[2].dtype)
    throw DTypeError(std::string(c.prim.name) + ": operand " + in[0].str() + " and updates " + in[2].str() + " have different dtypes");
  Layout l = layout(x, i, p.inserted, p.scatter_map, p.operand_batch, p.indices_batch, p.window_dims.size());
  if (!l.wrong && (!increasing(p.window_dims, u.rank()) || u.size() != i.size() - 1 + p.window_dims.size()))
    l.wrong = "the dimensions of the updates are not those of indices and windows";
  if (!l.wrong && !(u.pick(p.window_dims.others(u.size())) == i.without(i.size() - 1)))
    l.wrong = "the batch extents of the updates are not those of the indices";
  if (!l.wrong) {
    Shape s = window_sizes(p, x.size(), u);
    for (std::size_t d = 0; d < x.size(); ++d)
      if (s[d] > x[d] && !(x[d] == 0 && u.numel() == 0)) l.wrong = "a window is larger than the operand";
  }
  if (l.wrong)
    throw ShapeError(std::string(c.prim.name) + ": operand " + in[0].str() + ", indices " + in[1].str() + ", updates " + in[2].str() + ": " +
                     l.wrong);
  out[0] = {in[0].dtype, false, x};
}
template <kernels::Scatter op> void eval_scatter(const Call& c, Ins in, Outs out) {
  auto& p = c.params.get<ScatterParams>();
  Tensor indices = readable_indices(in[1]);
  const Shape s = checked(c, in)[0].shape;
  Tensor r = Tensor::uninitialized(in[0].raw_dtype(), s);
  kernels::copy(r.mutable_bytes(), r.strides_ref(), in[0].bytes(), in[0].strides_ref(), s, size_of(r.raw_dtype()));
  Shape window = p.inserted.concat(p.operand_batch).others(s.size());
  auto w = windows(r, indices, in[2], window_sizes(p, s.size(), in[2].shape_ref()), window, p.window_dims, p.scatter_map, p.operand_batch,
                   p.indices_batch);
  kernels::scatter(w, r.raw_dtype(), op, r.mutable_bytes(), indices.bytes(), in[2].bytes(), p.drop);
  out[0] = std::move(r);
}
void batch_scatter(const Call& c, const BatchContext& ctx, std::span<Batched> in, std::span<Batched> out) {
  ScatterParams p = c.params.get<ScatterParams>();
  bool i = in[1].dim >= 0;
  p.window_dims = plus(p.window_dims);
  p.inserted = plus(p.inserted);
  p.scatter_map = plus(p.scatter_map);
  p.operand_batch = plus(p.operand_batch);
  if (i) {
    p.operand_batch = p.operand_batch.with(0, 0);
    p.indices_batch = plus(p.indices_batch).with(0, 0);
  } else p.window_dims = p.window_dims.with(0, 0);
  const Tensor x[3] = {move_dim0(in[0], ctx.size), i ? move_dim0(in[1], ctx.size) : in[1].value, move_dim0(in[2], ctx.size)};
  out[0] = {bind1(c.prim, Ins(x, 3), p), 0};
}
template <kernels::Scatter op> constexpr Primitive scatter_family(const char* name, JvpRule jvp) {
  return {.name = name,
          .params = &param_type<ScatterParams>,
          .n_in = 3,
          .shape = shape_scatter,
          .eval = eval_scatter<op>,
          .jvp = jvp,
          .batch = batch_scatter,
          .lowering = {.kind = Lowering::Kind::kernel}};
}
constexpr JvpRule jvp_linear_scatter = [](const Call& c, Ins x, Ins t, Outs y, Outs dy) {
  bind_prim(c, x, y);
  if ((is_zero(t[0]) && is_zero(t[2])) || !is_differentiable(y[0].raw_dtype())) return;
  if (&c.prim == &scatter_add_p && is_zero(t[2])) {
    dy[0] = t[0];
    return;
  }
  const Tensor both[3] = {instantiate(t[0], x[0].aval()), x[1], instantiate(t[2], x[2].aval())};
  bind_prim(c, both, dy);
};

}  // namespace

// ---------------------------------------------------------------- scatter (operand, indices, updates)
constexpr Primitive scatter_p = with_transpose(
    scatter_family<kernels::Scatter::set>("scatter", jvp_linear_scatter), [](const Call& c, Ins ct, std::span<const Operand> in, Outs g) {
      auto& p = c.params.get<ScatterParams>();
      const Aval& u = *in[2].type;
      if (in[0].linear()) g[0] = scatter(ct[0], *in[1], zeros(u), p);
      if (!in[2].linear()) return;
      GatherParams q = gather_of(p, window_sizes(p, in[0].type->shape.size(), u.shape));
      g[2] = gather(ct[0], *in[1], q);
      if (p.unique || u.shape.empty()) return;
      // Only the update that was written last reaches the result: number the updates and see whose number stands there.
      Tensor ids = reshape(iota(DType::i64, {u.shape.numel()}, 0), u.shape);
      Tensor last = gather(scatter(zeros({DType::i64, false, in[0].type->shape}), *in[1], ids, p), *in[1], q);
      g[2] = core::select(convert(core::sub(last, ids), DType::bool_), like(0, g[2]), g[2]);
    });
Tensor scatter(const Tensor& x, const Tensor& indices, const Tensor& updates, const ScatterParams& p) {
  return bind_scatter(scatter_p, x, indices, updates, p);
}

// ---------------------------------------------------------------- scatter_add
constexpr Primitive scatter_add_p = with_transpose(
    scatter_family<kernels::Scatter::add>("scatter_add", jvp_linear_scatter), [](const Call& c, Ins ct, std::span<const Operand> in, Outs g) {
      auto& p = c.params.get<ScatterParams>();
      if (in[0].linear()) g[0] = ct[0];
      if (in[2].linear()) g[2] = gather(ct[0], *in[1], gather_of(p, window_sizes(p, in[0].type->shape.size(), in[2].type->shape)));
    });
Tensor scatter_add(const Tensor& x, const Tensor& indices, const Tensor& updates, const ScatterParams& p) {
  return bind_scatter(scatter_add_p, x, indices, updates, p);
}

// ---------------------------------------------------------------- scatter_min, scatter_max: those that equal the extreme share its derivative
namespace {
constexpr JvpRule jvp_extreme_scatter = [](const Call& c, Ins x, Ins t, Outs y, Outs dy) {
  bind_prim(c, x, y);
  if ((is_zero(t[0]) && is_zero(t[2])) || !is_differentiable(y[0].raw_dtype())) return;
  auto& p = c.params.get<ScatterParams>();
  DType d = y[0].dtype();
  Tensor held = eq(x[0], y[0]), met = eq(x[2], at_positions(y[0], x[1], p, x[2].sizes()));
  Tensor count = scatter_add(convert(held, d), x[1], convert(met, d), p);
  auto part = [](const Tensor& at, const Tensor& tangent, const Aval& a) {
    return is_zero(tangent) ? zeros(a) : core::select(at, tangent, like(0, tangent));
  };
  dy[0] = div(scatter_add(part(held, t[0], x[0].aval()), x[1], part(met, t[2], x[2].aval()), p), count);
};
}  // namespace
constexpr Primitive scatter_min_p = scatter_family<kernels::Scatter::min>("scatter_min", jvp_extreme_scatter);
constexpr Primitive scatter_max_p = scatter_family<kernels::Scatter::max>("scatter_max", jvp_extreme_scatter);
Tensor scatter_min(const Tensor& x, const Tensor& indices, const Tensor& updates, const ScatterParams& p) {
  return bind_scatter(scatter_min_p, x, indices, updates, p);
}
Tensor scatter_max(const Tensor& x, const Tensor& indices, const Tensor& updates, const ScatterParams& p) {
  return bind_scatter(scatter_max_p, x, indices, updates, p);
}

// ---------------------------------------------------------------- scatter_mul
namespace {
// x [n] by k places later (earlier if k < 0), `fill` in the gap.
Tensor moved(const Tensor& x, std::int64_t k, double fill) { return pad(x, like(fill, x), {k}, {-k}, {0}); }
// v [n] times those of its group (equal `ids`, which are sorted) that stand before it, or after it: without v itself. By doubling
// distances: log2 n products, no division.
Tensor product_of_earlier(const Tensor& v, const Tensor& ids, std::int64_t direction) {
  std::int64_t n = v.sizes()[0];
  auto earlier = [&](const Tensor& of, std::int64_t k) {  // k places before, 1 in another group
    return core::select(eq(ids, moved(ids, direction * k, -2)), moved(of, direction * k, 1), like(1, of));
  };
  Tensor through = v;  // the product of the last 2k elements
  for (std::int64_t k = 1; k < n; k *= 2) through = mul(through, earlier(through, k));
  return earlier(through, 1);
}
// Per update the product of the other updates of its position, right at zeros and at every order.
Tensor product_of_others(const Tensor& indices, const Tensor& updates, const Shape& operand, const ScatterParams& p) {
  Shape s = updates.sizes();
  std::int64_t n = s.numel();
  Tensor places = reshape(iota(DType::i64, {operand.numel()}, 0), operand);
  GatherParams q = gather_of(p, window_sizes(p, operand.size(), s));
  q.value = Scalar(-1);  // dropped updates are a group of their own
  const Tensor line[3] = {reshape(gather(places, indices, q), {n}), iota(DType::i64, {n}, 0), reshape(updates, {n})};
  Vec grouped = sort(line, 0, false);
  Tensor others = mul(product_of_earlier(grouped[2], grouped[0], 1), product_of_earlier(grouped[2], grouped[0], -1));
  const Tensor back[2] = {grouped[1], others};
  return reshape(sort(back, 0, false)[1], s);
}
}  // namespace
constexpr Primitive scatter_mul_p = scatter_family<kernels::Scatter::mul>("scatter_mul", [](const Call& c, Ins x, Ins t, Outs y, Outs dy) {
  bind_prim(c, x, y);
  if ((is_zero(t[0]) && is_zero(t[2])) || !is_differentiable(y[0].raw_dtype())) return;
  auto& p = c.params.get<ScatterParams>();
  Shape u = x[2].sizes();
  Tensor a, b;
  if (!is_zero(t[0])) a = u.numel() ? mul(t[0], scatter_mul(broadcast_in_dim(like(1, x[0]), x[0].sizes(), {}), x[1], x[2], p)) : t[0];
  if (!is_zero(t[2]) && u.numel()) {
    Tensor slope = at_positions(x[0], x[1], p, u);
    if (!p.unique) slope = mul(slope, product_of_others(x[1], x[2], x[0].sizes(), p));
    b = scatter_add(zeros(x[0].aval()), x[1], mul(t[2], slope), p);
  }
  dy[0] = add_ct(std::move(a), std::move(b));
});
Tensor scatter_mul(const Tensor& x, const Tensor& indices, const Tensor& updates, const ScatterParams& p) {
  return bind_scatter(scatter_mul_p, x, indices, updates, p);
}

Table scatter_table() {
  static constexpr const Primitive* t[] = {&scatter_p, &scatter_add_p, &scatter_mul_p, &scatter_min_p, &scatter_max_p};
  return t;
}

}  // namespace functra::prims
