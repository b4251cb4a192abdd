// Choice between values: select. Its kernels move bits, so there is one per element size.
#include "functra/base/formula.h"
#include "functra/prims/families.h"
#include "functra/prims/math.h"

namespace functra::prims {
namespace {

template <class T> void select_loop(const void* const* in, void* out, std::int64_t n, unsigned repeat, const void*) {
  auto* m = static_cast<const std::uint8_t*>(in[0]);
  auto *a = static_cast<const T*>(in[1]), *b = static_cast<const T*>(in[2]);
  auto* y = static_cast<T*>(out);
  if (repeat & 1) {
    const T* from = *m ? a : b;
    bool one = repeat & (*m ? 2 : 4);
    for (std::int64_t i = 0; i < n; ++i) y[i] = from[one ? 0 : i];
    return;
  }
  if ((repeat & 6) == 0) for (std::int64_t i = 0; i < n; ++i) y[i] = m[i] ? a[i] : b[i];
  else if ((repeat & 6) == 2) for (std::int64_t i = 0; i < n; ++i) y[i] = m[i] ? a[0] : b[i];
  else if ((repeat & 6) == 4) for (std::int64_t i = 0; i < n; ++i) y[i] = m[i] ? a[i] : b[0];
  else for (std::int64_t i = 0; i < n; ++i) y[i] = m[i] ? a[0] : b[0];
}
struct Bits128 { std::uint64_t lo, hi; };
constexpr Loop loop_of(std::size_t size) {
  return size == 1 ? &select_loop<std::uint8_t> : size == 2 ? &select_loop<std::uint16_t> : size == 4 ? &select_loop<std::uint32_t> : size == 8 ? &select_loop<std::uint64_t> : &select_loop<Bits128>;
}
template <std::size_t size> void select_one(const void* const* in, void* out, const void*) { loop_of(size)(in, out, 1, 0, nullptr); }
constexpr FormulaTable table = [] {
  FormulaTable t;
  for (int d = 0; d < dtype_count; ++d) {
    std::size_t size = size_of(static_cast<DType>(d));
    t.loop[d] = loop_of(size);
    t.one[d] = size == 1 ? &select_one<1> : size == 2 ? &select_one<2> : size == 4 ? &select_one<4> : size == 8 ? &select_one<8> : &select_one<16>;
  }
  return t;
}();
constinit const Formula select_formula{"select", 3, false, [] () -> const FormulaTable& { return table; },
                                       [](Emitter& e, std::span<const Sym> in, const void*) { return Sym{&e, e.select(in[1].dtype, in[0].id, in[1].id, in[2].id), in[1].dtype}; }};
}  // namespace
}  // namespace functra::prims

namespace functra::core {

// ---------------------------------------------------------------- select (mask, a, b): a where mask, else b
constexpr Primitive select_p = [] {
  Primitive p = prims::elementwise_p("select", prims::select_formula, 3);
  p.shape = [](const Call& c, std::span<const Aval> in, std::span<Aval> out) {
    if (!is_bool(in[0].dtype)) throw DTypeError("select: the mask has dtype " + std::string(name_of(in[0].dtype)) + ", not bool; compare it, as in x != 0");
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
