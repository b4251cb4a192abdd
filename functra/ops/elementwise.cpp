#include "functra/ops/elementwise.h"

namespace functra::ops {

void broadcast_all(std::span<Tensor> x, const char* who) {
  Shape s;
  bool same = true, first = true;
  for (const Tensor& t : x) {
    if (t.rank0()) continue;
    Shape u = t.sizes();
    if (first) {
      s = u;
      first = false;
      continue;
    }
    if (!(u == s)) {
      same = false;
      s = broadcast_shapes(s, u, who);
    }
  }
  if (same) return;
  for (Tensor& t : x)
    if (!t.rank0()) t = broadcast_to(t, s, who);
}
Tensor unary_op(const char* who, UnaryPrim f, const Tensor& x, bool floating, const void* site) {
  if (!x.defined()) throw ValueError(std::string(who) + ": the operand is an undefined Tensor (default constructed)");
  core::Site s(site);
  return floating && !is_floating(x.raw_dtype()) ? f(to_floating(x)) : f(x);
}
Tensor binary_op(const char* who, BinaryPrim f, const Tensor& a, const Tensor& b, bool floating, const void* site) {
  core::Site s(site);
  bool same_type = a.raw_dtype() == b.raw_dtype() && a.weak() == b.weak() && a.defined() && b.defined();
  if (same_type && (!floating || is_floating(a.raw_dtype()))) {
    if (a.rank0() || b.rank0()) return f(a, b);
    if (a.is_array() && b.is_array() && a.shape_ref() == b.shape_ref()) return f(a, b);
    Tensor x[2] = {a, b};
    broadcast_all(x, who);
    return f(x[0], x[1]);
  }
  Tensor x[2] = {a, b};
  promote(x[0], x[1], who);
  if (floating)
    for (Tensor& t : x) t = to_floating(t);
  broadcast_all(x, who);
  return f(x[0], x[1]);
}

}  // namespace functra::ops
