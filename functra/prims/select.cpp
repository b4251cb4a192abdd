// Choice between values: select.
#include "functra/kernels/cast.h"
#include "functra/prims/families.h"
#include "functra/prims/math.h"

namespace functra::core {
namespace {
constexpr Formula select_formula{"select", 3, false, &kernels::select_loops, [](Emitter& e, std::span<const Sym> in, const void*) {
                                   return Sym{&e, e.select(in[1].dtype, in[0].id, in[1].id, in[2].id), in[1].dtype};
                                 }};
}  // namespace

// ---------------------------------------------------------------- select (mask, a, b): a where mask, else b
constexpr Primitive select_p = [] {
  Primitive p = prims::elementwise_p("select", select_formula, 3);
  p.shape = [](const Call& c, std::span<const Aval> in, std::span<Aval> out) {
    if (!is_bool(in[0].dtype))
      throw DTypeError("select: the mask has dtype " + std::string(name_of(in[0].dtype)) + ", not bool; compare it, as in x != 0");
    prims::shape_elementwise(c, in, out);
  };
  p.jvp = [](const Call& c, Ins x, Ins t, Outs y, Outs dy) {
    bind_prim(c, x, y);
    if ((is_zero(t[1]) && is_zero(t[2])) || !is_differentiable(y[0].raw_dtype())) return;
    dy[0] = prims::fit(select(x[0], is_zero(t[1]) ? prims::like(0, t[2]) : t[1], is_zero(t[2]) ? prims::like(0, t[1]) : t[2]), y[0]);
  };
  p.transpose = [](const Call&, Ins ct, std::span<const Operand> in, Outs g) {
    Tensor zero = prims::like(0, ct[0]);
    if (in[1].linear()) g[1] = prims::unfit(select(*in[0], ct[0], zero), *in[1].type);
    if (in[2].linear()) g[2] = prims::unfit(select(*in[0], zero, ct[0]), *in[2].type);
  };
  return p;
}();
Tensor select(const Tensor& mask, const Tensor& a, const Tensor& b) {
  Tensor x = a, y = b;
  prims::adopt(x, y);
  const Tensor in[3] = {mask, x, y};
  return bind1(select_p, Ins(in, 3));
}

}  // namespace functra::core

namespace functra::prims {
Table select_table() {
  static constexpr const Primitive* t[] = {&core::select_p};
  return t;
}
}  // namespace functra::prims
