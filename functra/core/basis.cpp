#include "functra/core/basis.h"

#include "functra/kernels/elementwise.h"
#include "functra/kernels/strided.h"

namespace functra {

// Here and not in tensor/, since it needs a kernel.
Tensor Tensor::contiguous() const {
  if (is_contiguous()) return *this;
  const ArrayNode& a = array();
  Tensor r = uninitialized(raw_dtype(), a.shape);
  kernels::copy(r.mutable_bytes(), r.strides_ref(), a.data, a.strides, a.shape, size_of(raw_dtype()));
  return r;
}

}  // namespace functra

namespace functra::core {

void Operand::not_known() { throw MissingRuleError("a transpose rule needs a known operand and got a linear one: the program is not linear"); }

Tensor zeros(const Aval& a) {
  if (a.weak) return a.dtype == DType::f64 ? Tensor(0.0) : a.dtype == DType::i64 ? Tensor(0) : Tensor(false);
  Tensor zero = Tensor::literal_of(Scalar(0), a.dtype);
  return a.shape.empty() ? zero : broadcast_in_dim(zero, a.shape, {});
}
bool stands_for(const Tensor& x, const Aval& a) {
  if (!(x.sizes() == a.shape)) return false;
  if (x.raw_dtype() == a.dtype) return true;
  auto kind = [](DType d) { return is_bool(d) ? 0 : is_integer(d) ? 1 : is_floating(d) ? 2 : 3; };
  return x.weak() ? kind(x.raw_dtype()) <= kind(a.dtype) : a.weak && kind(x.raw_dtype()) == kind(a.dtype);
}
Tensor add_ct(Tensor a, Tensor b) {
  if (is_zero(a)) return b;
  if (is_zero(b)) return a;
  // Nobody else sees the storage of a: add in place. Strided gaps would be written too, so only contiguous arrays.
  if (plain() && a.unique_storage() && b.is_array() && a.is_contiguous() && b.is_contiguous() && a.array().storage->block &&
      a.raw_dtype() == b.raw_dtype() && a.shape_ref() == b.shape_ref()) {
    auto loop = add_p.lowering.formula->loop(a.raw_dtype());
    std::size_t size = size_of(a.raw_dtype());
    const kernels::Operand ops[2] = {{a.bytes(), nullptr, size}, {b.bytes(), nullptr, size}};
    if (loop) {
      kernels::elementwise(loop, ops, a.mutable_bytes(), size, a.shape_ref());
      return a;
    }
  }
  return add(a, b);
}

}  // namespace functra::core
