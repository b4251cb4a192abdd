#include "functra/prims/cast.h"
#include "functra/prims/families.h"
#include "functra/prims/math.h"
#include "functra/prims/shape.h"
#include "functra/prims/windows.h"

#include <limits>

namespace functra::prims {

Shape plus(Shape s, std::int64_t by) {
  for (auto& v : s) v += by;
  return s;
}
bool increasing(const Shape& s, std::int64_t below) {
  for (std::size_t i = 0; i < s.size(); ++i)
    if (s[i] < (i ? s[i - 1] + 1 : 0) || s[i] >= below) return false;
  return true;
}
Layout layout(const Shape& x, const Shape& indices, const Shape& dropped, const Shape& map, const Shape& x_batch, const Shape& i_batch,
              std::size_t window_dims) {
  Layout l;
  if (indices.empty()) {
    l.wrong = "the indices need a last dimension that holds index vectors";
    return l;
  }
  for (std::int64_t d : dropped.concat(x_batch).concat(map))
    if (d < 0 || d >= x.rank()) {
      l.wrong = "a dimension of the operand is out of range";
      return l;
    }
  if (!increasing(dropped, x.rank()) || !increasing(x_batch, x.rank())) {
    l.wrong = "dimensions of the operand must be distinct and increasing";
    return l;
  }
  if (static_cast<std::int64_t>(map.size()) != indices.back()) {
    l.wrong = "the last extent of the indices is not the number of mapped dimensions";
    return l;
  }
  if (x_batch.size() != i_batch.size()) {
    l.wrong = "batching dimensions of operand and indices differ in number";
    return l;
  }
  for (std::size_t i = 0; i < i_batch.size(); ++i)
    if (i_batch[i] < 0 || i_batch[i] + 1 >= indices.rank() || indices[at(i_batch[i])] != x[at(x_batch[i])]) {
      l.wrong = "batching dimensions of operand and indices differ in extent";
      return l;
    }
  for (std::int64_t d : x_batch)
    if (dropped.has(d) || map.has(d)) {
      l.wrong = "a batching dimension is also collapsed or indexed";
      return l;
    }
  l.window = dropped.concat(x_batch).others(x.size());
  if (l.window.size() != window_dims) l.wrong = "the number of window dimensions does not fit the operand";
  return l;
}
Tensor readable_indices(const Tensor& i) {
  DType d = i.raw_dtype();
  if (d == DType::i64 || d == DType::i32) return i;
  ConvertParams p{DType::i64, false};
  Tensor r;
  core::convert_p.eval({core::convert_p, core::params(p)}, {&i, 1}, {&r, 1});
  return r;
}
kernels::Windows windows(const Tensor& array, const Tensor& indices, const Tensor& packed, const Shape& sizes, const Shape& window,
                         const Shape& packed_window, const Shape& map, const Shape& x_batch, const Shape& i_batch) {
  kernels::Windows w;
  const Shape& is = indices.shape_ref();
  Shape packed_batch = packed_window.others(packed.shape_ref().size());
  for (std::size_t i = 0; i + 1 < is.size(); ++i) {
    w.batch.push_back(is[i]);
    w.batch_index.push_back(indices.strides_ref()[i]);
    w.batch_packed.push_back(packed.strides_ref()[at(packed_batch[i])]);
    int k = i_batch.find(static_cast<std::int64_t>(i));
    w.batch_array.push_back(k < 0 ? 0 : array.strides_ref()[at(x_batch[at(k)])]);
  }
  w.index_step = indices.strides_ref().back();
  w.index_size = size_of(indices.raw_dtype());
  for (std::int64_t d : map) {
    w.component_stride.push_back(array.strides_ref()[at(d)]);
    w.limit.push_back(array.shape_ref()[at(d)] - sizes[at(d)]);
  }
  w.window = sizes.pick(window);
  for (std::int64_t d : window) w.window_array.push_back(array.strides_ref()[at(d)]);
  for (std::int64_t d : packed_window) w.window_packed.push_back(packed.strides_ref()[at(d)]);
  return w;
}
void check_indices(const char* who, const Aval& i) {
  if (!is_integer(i.dtype)) throw DTypeError(std::string(who) + ": indices have dtype " + std::string(name_of(i.dtype)) + ", they must be integers");
}

// ---------------------------------------------------------------- gather (operand, indices)
namespace {
Shape gathered_shape(const GatherParams& p, const Shape& indices, const Shape& window) {
  Shape out, batch = indices.without(indices.size() - 1);
  std::size_t b = 0, o = 0;
  for (std::size_t i = 0; i < batch.size() + p.offset_dims.size(); ++i)
    out.push_back(p.offset_dims.has(static_cast<std::int64_t>(i)) ? p.sizes[at(window[o++])] : batch[b++]);
  return out;
}
// An element of the result: that of the operand at the start of its window, by index vector, plus its place in the window.
Sym gathered_element(core::Places& here, const Params& params, std::span<const Aval> in) {
  auto& p = params.get<GatherParams>();
  const Shape &x = in[0].shape, &i = in[1].shape;
  const Shape window = p.collapsed.concat(p.operand_batch).others(x.size()), batch = p.offset_dims.others(i.size() - 1 + p.offset_dims.size());
  std::vector<core::Places::At> place(x.size()), index(i.size());
  for (std::size_t k = 0; k < window.size(); ++k) place[at(window[k])].along = static_cast<int>(p.offset_dims[k]);
  for (std::size_t k = 0; k < p.operand_batch.size(); ++k) place[at(p.operand_batch[k])].along = static_cast<int>(batch[at(p.indices_batch[k])]);
  for (std::size_t k = 0; k < batch.size(); ++k) index[k].along = static_cast<int>(batch[k]);
  num::SymOf<bool> inside(true);
  for (std::size_t k = 0; k < p.start_map.size(); ++k) {
    index.back().offset = static_cast<std::int64_t>(k);
    const std::size_t d = at(p.start_map[k]);
    const WindowStart s = window_start(here.element(1, index), x[d] - p.sizes[d]);
    inside = inside & s.inside;
    place[d].plus = s.clamped;
  }
  const Sym v = here.element(0, place);
  return p.fill ? Sym{v.e, v.e->select(v.dtype, inside.id, v.id, v.e->constant(v.dtype, p.value)), v.dtype} : v;
}
}  // namespace
WindowStart window_start(const Sym& index, std::int64_t last) {
  auto as = [&]<class T>(num::SymOf<T> s) {
    const num::SymOf<T> low(0), high(last);
    return WindowStart{(s >= low) & (s <= high), num::convert_to<std::int64_t>(num::min(num::max(s, low), high))};
  };
  if (index.dtype == DType::i32 && last <= std::numeric_limits<std::int32_t>::max()) return as(num::SymOf<std::int32_t>(index));
  return as(num::SymOf<std::int64_t>(index.e, index.e->convert(DType::i64, index.dtype, index.id)));
}
constexpr Primitive gather_p = {
    .name = "gather",
    .params = &param_type<GatherParams>,
    .n_in = 2,
    .shape =
        [](const Call& c, std::span<const Aval> in, std::span<Aval> out) {
          auto& p = c.params.get<GatherParams>();
          const Shape &x = in[0].shape, &i = in[1].shape;
          check_indices("gather", in[1]);
          Layout l = layout(x, i, p.collapsed, p.start_map, p.operand_batch, p.indices_batch, p.offset_dims.size());
          if (!l.wrong && !increasing(p.offset_dims, i.rank() - 1 + p.offset_dims.rank()))
            l.wrong = "offset dimensions must be increasing and lie in the result";
          if (!l.wrong && p.sizes.size() != x.size()) l.wrong = "slice sizes need one entry per dimension of the operand";
          for (std::size_t d = 0; !l.wrong && d < x.size(); ++d) {
            if (p.sizes[d] < 0 || p.sizes[d] > x[d]) l.wrong = "a slice size is larger than the operand";
            else if (p.sizes[d] != 1 && !l.window.has(static_cast<std::int64_t>(d)))
              l.wrong = "slice sizes of collapsed and batching dimensions must be 1";
          }
          if (l.wrong)
            throw ShapeError("gather: operand " + in[0].str() + ", indices " + in[1].str() + ", slice sizes " + p.sizes.str() + ": " + l.wrong);
          out[0] = {in[0].dtype, false, gathered_shape(p, i, l.window)};
        },
    .eval =
        [](const Call& c, Ins in, Outs out) {
          auto& p = c.params.get<GatherParams>();
          Tensor indices = readable_indices(in[1]);
          const Tensor& x = in[0];
          Tensor r = Tensor::uninitialized(x.raw_dtype(), checked(c, in)[0].shape);
          Shape window = p.collapsed.concat(p.operand_batch).others(x.shape_ref().size());
          alignas(16) std::byte value[16];
          p.value.store(x.raw_dtype(), value);
          auto w = windows(x, indices, r, p.sizes, window, p.offset_dims, p.start_map, p.operand_batch, p.indices_batch);
          kernels::gather(w, size_of(x.raw_dtype()), x.bytes(), indices.bytes(), r.mutable_bytes(), p.fill ? value : nullptr);
          out[0] = std::move(r);
        },
    .jvp =
        [](const Call& c, Ins x, Ins t, Outs y, Outs dy) {
          bind_prim(c, x, y);
          if (is_zero(t[0]) || !is_differentiable(y[0].raw_dtype())) return;
          GatherParams p = c.params.get<GatherParams>();
          p.value = Scalar(0);
          dy[0] = gather(t[0], x[1], p);
        },
    .transpose =
        [](const Call& c, Ins ct, std::span<const Operand> in, Outs g) {
          auto& p = c.params.get<GatherParams>();
          g[0] = scatter_add(zeros(*in[0].type), *in[1], ct[0],
                             {p.offset_dims, p.collapsed, p.start_map, p.operand_batch, p.indices_batch, p.fill, false});
        },
    .batch =
        [](const Call& c, const BatchContext& ctx, std::span<Batched> in, std::span<Batched> out) {
          GatherParams p = c.params.get<GatherParams>();
          bool x = in[0].dim >= 0, i = in[1].dim >= 0;
          p.offset_dims = plus(p.offset_dims);
          if (x) {
            p.collapsed = plus(p.collapsed);
            p.start_map = plus(p.start_map);
            p.operand_batch = plus(p.operand_batch);
            p.sizes = p.sizes.with(0, i ? 1 : ctx.size);
          }
          if (i) p.indices_batch = plus(p.indices_batch);
          if (x && i) {
            p.operand_batch = p.operand_batch.with(0, 0);
            p.indices_batch = p.indices_batch.with(0, 0);
          } else if (x) p.offset_dims = p.offset_dims.with(0, 0);
          out[0] = {gather(x ? move_dim0(in[0], ctx.size) : in[0].value, i ? move_dim0(in[1], ctx.size) : in[1].value, p), 0};
        },
    .lowering = {.kind = Lowering::Kind::placed, .placed = gathered_element, .anywhere = 0}};
Tensor gather(const Tensor& x, const Tensor& indices, const GatherParams& p) {
  const Tensor in[2] = {x.weak() ? convert(x, x.dtype()) : x, indices};
  return bind1(gather_p, in, p);
}

// ---------------------------------------------------------------- along one dimension
Tensor take_along(const Tensor& x, const Tensor& indices, int dim) {
  Shape s = indices.sizes(), others = Shape{dim}.others(s.size());
  Shape d{dim};
  return gather(x, reshape(indices, s.with(s.size(), 1)), {{}, d, d, others, others, Shape::filled(s.size(), 1), false, Scalar(0)});
}
Tensor take(const Tensor& x, const Tensor& indices, int dim) {
  Shape s = x.sizes(), i = indices.sizes(), sizes = s, offset, d{dim};
  sizes[at(dim)] = 1;
  for (int k = 0; k < s.rank(); ++k)
    if (k != dim) offset.push_back(k < dim ? k : k - 1 + i.rank());
  return gather(x, reshape(indices, i.with(i.size(), 1)), {offset, d, d, {}, {}, sizes, false, Scalar(0)});
}

Table gather_table() {
  static constexpr const Primitive* t[] = {&gather_p};
  return t;
}

}  // namespace functra::prims
