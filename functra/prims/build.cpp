#include "functra/prims/build.h"

#include <algorithm>
#include <bit>

#include "functra/kernels/elementwise.h"

namespace functra::prims {
namespace {

std::string types_of(std::span<const Aval> in) {
  std::string s;
  for (auto& a : in) s += (s.empty() ? "" : ", ") + a.str();
  return s;
}
void require_formula(const Primitive& p, DType d) {
  if (!p.lowering.formula->defined_for(d))
    throw DTypeError(std::string(p.name) + ": not defined for dtype " + std::string(name_of(d)) +
                     (p.lowering.formula->defined_for(DType::f64) ? "; convert with to(f32) or to(f64)" : "; convert with to(i64)"));
}
const void* formula_params(const Call& c) {
  auto& l = c.prim.lowering;
  return l.formula_params ? l.formula_params(c.params) : c.params.value;
}
Tensor scalar_result(const Call& c, Ins in) {
  const Tensor& last = in.back();
  DType d = c.prim.elementwise == Elementwise::predicate ? DType::bool_ : last.raw_dtype();
  const void* p[4];
  bool weak = true;
  for (std::size_t k = 0; k < in.size(); ++k) {
    p[k] = in[k].bytes();
    weak &= in[k].weak() || (in.size() == 3 && k == 0);  // not of select's mask
  }
  auto one = c.prim.lowering.formula->table().one[static_cast<int>(last.raw_dtype())];
  if (!one) require_formula(c.prim, last.raw_dtype());
  Tensor r = Tensor::scalar_bits(d, 0, weak);
  one(p, r.mutable_bytes(), formula_params(c));
  return r;
}
}  // namespace

// ---------------------------------------------------------------- families
void shape_elementwise(const Call& c, std::span<const Aval> in, std::span<Aval> out) {
  const Aval* full = &in[0];
  for (auto& a : in)
    if (a.shape.size() > full->shape.size()) full = &a;
  bool weak = true;  // a C++ number of this dtype beside a tensor of it adopts it
  for (std::size_t k = 0; k < in.size(); ++k) {
    if (!in[k].shape.empty() && !(in[k].shape == full->shape))
      throw ShapeError(std::string(c.prim.name) + ": operands " + types_of(in) + " have different shapes");
    bool mask = in.size() == 3 && k == 0;  // select
    if (mask) continue;
    if (in[k].dtype != in.back().dtype) throw DTypeError(std::string(c.prim.name) + ": operands " + types_of(in) + " have different dtypes");
    weak &= in[k].weak;
  }
  require_formula(c.prim, in.back().dtype);
  out[0] = {c.prim.elementwise == Elementwise::predicate ? DType::bool_ : in.back().dtype, weak && full->shape.empty(), full->shape};
}
void eval_elementwise(const Call& c, Ins in, Outs out) {
  bool scalars = true;
  for (const Tensor& t : in) scalars &= t.is_scalar();
  if (scalars) {
    out[0] = scalar_result(c, in);
    return;
  }
  const Tensor* full = nullptr;
  for (const Tensor& t : in)
    if (t.is_array() && (!full || t.shape_ref().size() > full->shape_ref().size())) full = &t;
  const Shape& shape = full->shape_ref();
  DType d = in.back().raw_dtype(), r = c.prim.elementwise == Elementwise::predicate ? DType::bool_ : d;
  auto loop = c.prim.lowering.formula->loop(d);
  if (!loop) require_formula(c.prim, d);
  kernels::Operand ops[3];
  const void* p[3];
  unsigned repeat = 0;
  bool rows = full->array().numel <= 2048;  // few elements without gaps: one run of the loop, no nest to plan
  Shape repeated;
  for (std::size_t k = 0; k < in.size(); ++k) {
    p[k] = in[k].bytes();
    if (in[k].rank0()) {
      repeat |= 1u << k;
      continue;
    }
    if (&in[k] != full && !(in[k].shape_ref() == shape))
      throw ShapeError(std::string(c.prim.name) + ": shapes " + in[k].shape_ref().str() + " and " + shape.str() + " differ");
    rows &= in[k].array().contiguous;
  }
  Tensor y = Tensor::uninitialized(r, shape);
  if (rows) {
    if (y.numel()) loop(p, y.mutable_bytes(), y.numel(), repeat, formula_params(c));
    out[0] = std::move(y);
    return;
  }
  if (repeat) repeated = Shape::filled(shape.size(), 0);
  for (std::size_t k = 0; k < in.size(); ++k)
    ops[k] = {p[k], in[k].rank0() ? &repeated : in[k].array().contiguous ? nullptr : &in[k].strides_ref(), size_of(in[k].raw_dtype())};
  kernels::elementwise(loop, {ops, in.size()}, y.mutable_bytes(), size_of(r), shape, formula_params(c));
  out[0] = std::move(y);
}
// Beside a mapped operand, which is never weak, the others are not either.
static Tensor firm(const Tensor& t) { return t.weak() ? convert(t, t.raw_dtype()) : t; }
void batch_elementwise(const Call& c, const BatchContext& ctx, std::span<Batched> in, std::span<Batched> out) {
  int dim = -1;
  std::size_t rank = 0;  // of the mapped operands' logical shapes, and of all
  bool same = true, all_rank0 = true;
  Buf<std::size_t, 3> ranks(in.size());
  for (std::size_t k = 0; k < in.size(); ++k) {
    const Tensor& v = in[k].value;
    ranks[k] = (v.rank0() ? 0 : v.is_array() ? v.shape_ref().size() : v.sizes().size()) - (in[k].dim >= 0);
    rank = std::max(rank, ranks[k]);
    if (in[k].dim < 0) {
      all_rank0 &= ranks[k] == 0;
      continue;
    }
    if (dim >= 0) same &= dim == in[k].dim;
    dim = in[k].dim;
  }
  for (std::size_t k = 0; k < in.size(); ++k) same &= in[k].dim < 0 || ranks[k] == rank;
  Buf<Tensor, 3> x(in.size());
  if (same && all_rank0) {  // mapped operands of one layout; the others are repeated anyway
    for (std::size_t k = 0; k < in.size(); ++k) x[k] = firm(in[k].value);
    bind_prim(c, x, {&out[0].value, 1});
    out[0].dim = dim;
    return;
  }
  Shape full;
  for (std::size_t k = 0; k < in.size(); ++k)
    if (ranks[k] == rank) {
      full = in[k].value.sizes();
      if (in[k].dim >= 0) full = full.without(static_cast<std::size_t>(in[k].dim));
      break;
    }
  full = full.with(0, ctx.size);
  for (std::size_t k = 0; k < in.size(); ++k) {
    if (ranks[k] == rank) x[k] = move_dim0(in[k], ctx.size);
    else x[k] = in[k].dim < 0 ? firm(in[k].value) : broadcast_in_dim(in[k].value, full, {0});
  }
  bind_prim(c, x, {&out[0].value, 1});
  out[0].dim = 0;
}
Tensor fit(const Tensor& t, const Tensor& y) { return t.rank0() && !y.rank0() ? broadcast_in_dim(t, y.sizes(), {}) : t; }
Tensor unfit(const Tensor& ct, const Aval& operand) {
  return operand.shape.empty() && !ct.rank0() ? core::sum(ct, Shape::iota(ct.sizes().size())) : ct;
}

// ---------------------------------------------------------------- calls
bool is_literal(const Tensor& t, double value) { return t.literal() && t.item().real() == value; }
Tensor like(double v, const Tensor& t) {
  if (!t.weak())
    return Tensor::literal_of(is_floating(t.raw_dtype()) || is_complex(t.raw_dtype()) ? Scalar(v) : Scalar(static_cast<std::int64_t>(v)),
                              t.raw_dtype());
  return t.raw_dtype() == DType::f64 ? Tensor(v) : t.raw_dtype() == DType::i64 ? Tensor(static_cast<std::int64_t>(v)) : Tensor(v != 0);
}
void adopt(Tensor& a, Tensor& b) {
  if (a.weak() == b.weak() && a.raw_dtype() == b.raw_dtype()) return;
  auto take = [](Tensor& x, const Tensor& y) {
    if (x.is_scalar())
      x = y.weak() ? (y.raw_dtype() == DType::f64 ? Tensor(static_cast<double>(x.item())) : x) : Tensor::literal_of(x.item(), y.raw_dtype());
    else x = convert(x, y.raw_dtype());
  };
  if (a.weak() && !b.weak()) take(a, b);
  else if (b.weak() && !a.weak()) take(b, a);
  else if (a.weak() && b.weak()) {
    if (a.raw_dtype() < b.raw_dtype()) take(a, b);
    else take(b, a);
  }
}
Tensor unary(const Primitive& p, const Tensor& a) {
  if (a.is_scalar() && core::plain()) {
    auto& t = p.lowering.formula->table();
    if (a.raw_dtype() == DType::f64 && t.f64_1) {
      double y = t.f64_1(a.scalar_as<double>());
      return Tensor::scalar_bits(DType::f64, std::bit_cast<std::uint64_t>(y), a.weak());
    }
    if (a.raw_dtype() == DType::f32 && t.f32_1)
      return Tensor::scalar_bits(DType::f32, std::bit_cast<std::uint32_t>(t.f32_1(a.scalar_as<float>())), false);
    return scalar_result({p, {}}, {&a, 1});
  }
  return bind1(p, a);
}
Tensor binary(const Primitive& p, const Tensor& a, const Tensor& b) {
  if (a.raw_dtype() != b.raw_dtype() || a.weak() != b.weak()) {
    Tensor x = a, y = b;
    adopt(x, y);
    const Tensor in[2] = {std::move(x), std::move(y)};
    return bind1(p, Ins(in, 2));
  }
  if (a.is_scalar() && b.is_scalar() && core::plain()) {
    auto& t = p.lowering.formula->table();
    if (a.raw_dtype() == DType::f64 && t.f64_2) {
      double y = t.f64_2(a.scalar_as<double>(), b.scalar_as<double>());
      return Tensor::scalar_bits(DType::f64, std::bit_cast<std::uint64_t>(y), a.weak());
    }
    if (a.raw_dtype() == DType::f32 && t.f32_2)
      return Tensor::scalar_bits(DType::f32, std::bit_cast<std::uint32_t>(t.f32_2(a.scalar_as<float>(), b.scalar_as<float>())), false);
  }
  Borrowed<2> in(2);
  in.set(0, a);
  in.set(1, b);
  return bind1(p, Ins(in));
}

}  // namespace functra::prims
