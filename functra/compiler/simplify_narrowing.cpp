// Slices before the work: of a value that nothing else uses, only what the slice takes is computed.
#include "functra/compiler/rules.h"
#include "functra/core/interp.h"
#include "functra/prims/cast.h"
#include "functra/prims/contract.h"
#include "functra/prims/reduce.h"
#include "functra/prims/shape.h"

namespace functra::compiler {
namespace {
using namespace functra::prims;

Tensor slice_with(const Tensor& x, const SliceParams& p) { return x.rank0() ? x : prims::slice(x, p.start, p.limit, p.stride); }
// The equation that the slice takes from, if that is all that uses it.
Made source(const Match& m) { return m.once(m[0]) ? m.made(m[0]) : Made(); }
Tensor again(const Made& e, Ins operands) {
  Tensor r;
  bind_prim({*e.prim(), e.any_params()}, operands, {&r, 1});
  return r;
}

Tensor slice_of_elementwise(const Match& m) {
  Made e = source(m);
  if (!e || (e.prim()->elementwise == Elementwise::no && e.prim() != &core::convert_p)) return {};
  const SliceParams p = m.params<SliceParams>();
  Buf<Tensor, 4> x(e.size());
  for (std::size_t k = 0; k < e.size(); ++k) x[k] = slice_with(e[k], p);
  return again(e, x);
}
Tensor slice_of_reduction(const Match& m) {
  Made e = source(m);
  if (!e || e.prim()->lowering.kind != Lowering::Kind::reduction || e.prim()->params != &param_type<DimsParams>) return {};
  const SliceParams p = m.params<SliceParams>();
  const Shape s = m.shape(e[0]), dims = e.params<DimsParams>().dims, kept = dims.others(s.size());
  SliceParams q{Shape::filled(s.size(), 0), s, Shape::filled(s.size(), 1)};
  for (std::size_t i = 0; i < kept.size(); ++i)
    q.start[at(kept[i])] = p.start[i], q.limit[at(kept[i])] = p.limit[i], q.stride[at(kept[i])] = p.stride[i];
  const Tensor x = slice_with(e[0], q);
  return again(e, Ins(&x, 1));
}
Tensor slice_of_contraction(const Match& m) {
  Made e = source(m);
  if (!e || e.prim() != &dot_general_p) return {};
  const SliceParams p = m.params<SliceParams>();
  const DotParams d = e.params<DotParams>();
  std::size_t nb = d.left_batch.size(), from = nb;
  Tensor x[2];
  for (std::size_t k : {0u, 1u}) {
    const Shape s = m.shape(e[k]), &batch = k ? d.right_batch : d.left_batch, free = (k ? d.right : d.left).concat(batch).others(s.size());
    SliceParams q{Shape::filled(s.size(), 0), s, Shape::filled(s.size(), 1)};
    auto put = [&](std::int64_t dim, std::size_t i) {
      q.start[at(dim)] = p.start[i], q.limit[at(dim)] = p.limit[i], q.stride[at(dim)] = p.stride[i];
    };
    for (std::size_t i = 0; i < nb; ++i) put(batch[i], i);
    for (std::int64_t dim : free) put(dim, from++);
    x[k] = slice_with(e[k], q);
  }
  return prims::dot_general(x[0], x[1], d);
}
Tensor slice_of_parts(const Match& m) {  // along the other dimensions than the one that is joined
  Made e = source(m);
  if (!e || e.prim() != &concatenate_p || e.size() > 64) return {};
  const SliceParams p = m.params<SliceParams>();
  auto d = at(e.params<DimParams>().dim);
  if (p.start[d] != 0 || p.limit[d] != m.shape(m[0])[d] || p.stride[d] != 1) return {};
  Vec parts;
  for (std::size_t k = 0; k < e.size(); ++k) {
    SliceParams q = p;
    q.limit[d] = m.shape(e[k])[d];
    parts.push_back(slice_with(e[k], q));
  }
  return prims::concatenate(parts, static_cast<int>(d));
}

constexpr Rule rules[] = {
    {&slice_p, "slice_of_elementwise", "the operands are sliced", slice_of_elementwise},
    {&slice_p, "slice_of_reduction", "the operand is sliced", slice_of_reduction},
    {&slice_p, "slice_of_contraction", "the operands are sliced", slice_of_contraction},
    {&slice_p, "slice_of_parts", "every part is sliced", slice_of_parts},
};

}  // namespace

Rules narrowing_rules() { return rules; }

}  // namespace functra::compiler
