#include "functra/prims/window.h"
#include "functra/prims/families.h"

#include "functra/kernels/window.h"

namespace functra::prims {
namespace {

std::int64_t dilated(std::int64_t n, std::int64_t d) { return n == 0 ? 0 : (n - 1) * d + 1; }
template <class P> kernels::WindowGeometry geometry(const P& p) { return {p.size, p.stride, p.low, p.high, p.base_dilation, p.window_dilation}; }
// The windows with a further dimension at d, along which they hold one element each.
WindowParams with_lanes(const WindowParams& p, std::size_t d) {
  return {p.size.with(d, 1), p.stride.with(d, 1), p.low.with(d, 0), p.high.with(d, 0), p.base_dilation.with(d, 1), p.window_dilation.with(d, 1)};
}
SelectParams selection(const WindowParams& p, bool max) { return {max, p.size, p.stride, p.low, p.high, p.base_dilation, p.window_dilation}; }
Shape window_shape(const char* who, const Shape& x, const kernels::WindowGeometry& g) {
  for (const Shape* s : {&g.size, &g.stride, &g.pad_lo, &g.pad_hi, &g.base_dilation, &g.window_dilation})
    if (s->size() != x.size())
      throw ShapeError(std::string(who) + ": " + s->str() + " needs an entry for each of the " + std::to_string(x.size()) + " dimensions of shape " +
                       x.str());
  for (const Shape* s : {&g.size, &g.stride, &g.base_dilation, &g.window_dilation})
    for (std::int64_t v : *s)
      if (v < 1) throw ValueError(std::string(who) + ": extents, strides and dilations of windows are at least 1, not " + s->str());
  return kernels::window_shape(x, g);
}
template <kernels::Reduce op> constexpr Primitive window_p(const char* name, JvpRule jvp) {
  Primitive p{.name = name};
  p.params = &param_type<WindowParams>;
  p.n_in = 1;
  p.shape = [](const Call& c, std::span<const Aval> in, std::span<Aval> out) {
    if (is_complex(in[0].dtype) && op != kernels::Reduce::sum)
      throw DTypeError(std::string(c.prim.name) + ": " + std::string(name_of(in[0].dtype)) + " has no order");
    out[0] = {in[0].dtype, false, window_shape(c.prim.name, in[0].shape, geometry(c.params.get<WindowParams>()))};
  };
  p.eval = [](const Call& c, Ins in, Outs out) {
    auto g = geometry(c.params.get<WindowParams>());
    const Tensor& x = in[0];
    Tensor r = Tensor::uninitialized(x.raw_dtype(), window_shape(c.prim.name, x.shape_ref(), g));
    kernels::reduce_window(op, x.raw_dtype(), x.bytes(), x.shape_ref(), x.strides_ref(), g, r.mutable_bytes());
    out[0] = std::move(r);
  };
  p.jvp = jvp;
  p.batch = [](const Call& c, const BatchContext&, std::span<Batched> in, std::span<Batched> out) {
    out[0] = {bind1(c.prim, in[0].value, with_lanes(c.params.get<WindowParams>(), static_cast<std::size_t>(in[0].dim))), in[0].dim};
  };
  p.lowering = {.kind = Lowering::Kind::kernel};
  return p;
}
template <bool max> constexpr JvpRule jvp_extreme = [](const Call& c, Ins x, Ins t, Outs y, Outs dy) {
  bind_prim(c, x, y);
  if (is_differentiable(y[0].raw_dtype())) dy[0] = select_and_gather_add(t[0], x[0], selection(c.params.get<WindowParams>(), max));
};

// Operands (values, x): linear in the values; where x is selected does not change with x but at ties.
constexpr Primitive select_p(const char* name) {
  Primitive p{.name = name};
  p.params = &param_type<SelectParams>;
  p.n_in = 2;
  p.jvp = [](const Call& c, Ins x, Ins t, Outs y, Outs dy) {
    bind_prim(c, x, y);
    if (is_zero(t[0])) return;
    const Tensor in[2] = {t[0], x[1]};
    bind_prim(c, in, dy);
  };
  p.batch = [](const Call& c, const BatchContext& ctx, std::span<Batched> in, std::span<Batched> out) {
    auto& q = c.params.get<SelectParams>();
    const Tensor both[2] = {move_dim0(in[0], ctx.size), move_dim0(in[1], ctx.size)};
    const WindowParams one = with_lanes({q.size, q.stride, q.low, q.high, q.base_dilation, q.window_dilation}, 0);
    out[0] = {bind1(c.prim, both, selection(one, q.max)), 0};
  };
  p.lowering = {.kind = Lowering::Kind::kernel};
  return p;
}
void same_dtype(const Call& c, std::span<const Aval> in) {
  if (in[0].dtype != in[1].dtype)
    throw DTypeError(std::string(c.prim.name) + ": dtypes " + std::string(name_of(in[0].dtype)) + " and " + std::string(name_of(in[1].dtype)) +
                     " differ");
  if (is_complex(in[1].dtype)) throw DTypeError(std::string(c.prim.name) + ": " + std::string(name_of(in[1].dtype)) + " has no order");
}

}  // namespace

// ---------------------------------------------------------------- reduce_window_sum
constexpr Primitive reduce_window_sum_p = [] {
  Primitive p = window_p<kernels::Reduce::sum>("reduce_window_sum", jvp_linear);
  p.linear = true;
  p.transpose = [](const Call& c, Ins ct, std::span<const Operand> in, Outs g) {
    // Each input element gathers the windows that hold it: windows over the cotangent, strides and gaps exchanged.
    auto& q = c.params.get<WindowParams>();
    const Shape& x = in[0].type->shape;
    Shape s = ct[0].sizes();
    WindowParams r{q.size, q.base_dilation, {}, {}, q.stride, q.window_dilation};
    for (std::size_t i = 0; i < x.size(); ++i) {
      std::int64_t reach = dilated(q.size[i], q.window_dilation[i]) - 1, low = reach - q.low[i];
      r.low.push_back(low);
      r.high.push_back(dilated(x[i], q.base_dilation[i]) + reach - dilated(s[i], q.stride[i]) - low);
    }
    g[0] = reduce_window_sum(ct[0], r);
  };
  return p;
}();
Tensor reduce_window_sum(const Tensor& x, const WindowParams& p) { return bind1(reduce_window_sum_p, x, p); }

// ---------------------------------------------------------------- reduce_window_max, reduce_window_min
constexpr Primitive reduce_window_max_p = window_p<kernels::Reduce::max>("reduce_window_max", jvp_extreme<true>);
constexpr Primitive reduce_window_min_p = window_p<kernels::Reduce::min>("reduce_window_min", jvp_extreme<false>);
Tensor reduce_window_max(const Tensor& x, const WindowParams& p) { return bind1(reduce_window_max_p, x, p); }
Tensor reduce_window_min(const Tensor& x, const WindowParams& p) { return bind1(reduce_window_min_p, x, p); }

// ---------------------------------------------------------------- select_and_gather_add (t, x)
constexpr Primitive select_and_gather_add_p = [] {
  Primitive p = select_p("select_and_gather_add");
  p.shape = [](const Call& c, std::span<const Aval> in, std::span<Aval> out) {
    same_dtype(c, in);
    if (!(in[0].shape == in[1].shape))
      throw ShapeError("select_and_gather_add: shapes " + in[0].shape.str() + " and " + in[1].shape.str() + " differ");
    out[0] = {in[0].dtype, false, window_shape(c.prim.name, in[1].shape, geometry(c.params.get<SelectParams>()))};
  };
  p.eval = [](const Call& c, Ins in, Outs out) {
    auto& q = c.params.get<SelectParams>();
    auto g = geometry(q);
    Tensor r = Tensor::uninitialized(in[0].raw_dtype(), window_shape(c.prim.name, in[1].shape_ref(), g));
    kernels::select_and_gather(q.max, in[0].raw_dtype(), in[1].bytes(), in[1].shape_ref(), in[1].strides_ref(), in[0].bytes(), in[0].strides_ref(), g,
                               r.mutable_bytes());
    out[0] = std::move(r);
  };
  p.transpose = [](const Call& c, Ins ct, std::span<const Operand> in, Outs g) {
    g[0] = select_and_scatter_add(ct[0], *in[1], c.params.get<SelectParams>());
  };
  return p;
}();
Tensor select_and_gather_add(const Tensor& t, const Tensor& x, const SelectParams& p) {
  const Tensor in[2] = {t, x};
  return bind1(select_and_gather_add_p, in, p);
}

// ---------------------------------------------------------------- select_and_scatter_add (source, x)
constexpr Primitive select_and_scatter_add_p = [] {
  Primitive p = select_p("select_and_scatter_add");
  p.shape = [](const Call& c, std::span<const Aval> in, std::span<Aval> out) {
    same_dtype(c, in);
    Shape s = window_shape(c.prim.name, in[1].shape, geometry(c.params.get<SelectParams>()));
    if (!(in[0].shape == s))
      throw ShapeError("select_and_scatter_add: the source has shape " + in[0].shape.str() + ", windows over " + in[1].shape.str() + " are " +
                       s.str());
    out[0] = {in[0].dtype, false, in[1].shape};
  };
  p.eval = [](const Call& c, Ins in, Outs out) {
    auto& q = c.params.get<SelectParams>();
    Tensor r = Tensor::uninitialized(in[0].raw_dtype(), in[1].shape_ref());
    kernels::select_and_scatter_add(q.max, in[0].raw_dtype(), in[1].bytes(), in[1].shape_ref(), in[1].strides_ref(), in[0].bytes(),
                                    in[0].strides_ref(), geometry(q), r.mutable_bytes());
    out[0] = std::move(r);
  };
  p.transpose = [](const Call& c, Ins ct, std::span<const Operand> in, Outs g) {
    g[0] = select_and_gather_add(ct[0], *in[1], c.params.get<SelectParams>());
  };
  return p;
}();
Tensor select_and_scatter_add(const Tensor& source, const Tensor& x, const SelectParams& p) {
  const Tensor in[2] = {source, x};
  return bind1(select_and_scatter_add_p, in, p);
}

Table window_table() {
  static constexpr const Primitive* t[] = {&reduce_window_sum_p, &reduce_window_max_p, &reduce_window_min_p, &select_and_gather_add_p,
                                           &select_and_scatter_add_p};
  return t;
}

}  // namespace functra::prims
