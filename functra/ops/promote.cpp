#include "functra/ops/promote.h"

#include "functra/prims/cast.h"
#include "functra/prims/shape.h"

namespace functra::ops {
namespace {
DType combine(std::optional<DType> higher, std::optional<DType> lower) {
  if (!higher) return *lower;
  if (!lower) return *higher;
  if (is_complex(*higher)) return *higher;
  if (is_floating(*higher)) return is_complex(*lower) ? (*higher == DType::f64 ? DType::c128 : DType::c64) : *higher;
  if (is_bool(*higher) || is_floating(*lower) || is_complex(*lower)) return functra::promote(*higher, *lower);
  return *higher;
}
}  // namespace

Common common_type(Ins operands, const char* who) {
  std::optional<DType> dims, zero, number;
  for (const Tensor& t : operands) {
    if (!t.defined()) throw ValueError(std::string(who) + ": an operand is an undefined Tensor (default constructed)");
    auto& slot = t.weak() ? number : t.rank0() ? zero : dims;
    slot = slot ? functra::promote(*slot, t.raw_dtype()) : t.raw_dtype();
  }
  if (!dims && !zero) return {*number, true};
  // A number is of the default floating type beside tensors.
  if (number && *number == DType::f64) number = default_dtype();
  std::optional<DType> low = zero || number ? std::optional(combine(zero, number)) : std::nullopt;
  return {combine(dims, low), false};
}
Tensor to_common(const Tensor& x, const Common& c) {
  if (x.raw_dtype() == c.dtype && x.weak() == c.weak) return x;
  if (!c.weak) return core::convert(x, c.dtype);
  if (x.is_scalar())
    return c.dtype == DType::f64 ? Tensor(static_cast<double>(x.item())) : c.dtype == DType::i64 ? Tensor(static_cast<std::int64_t>(x.item())) : x;
  return core::bind1(core::convert_p, x, prims::ConvertParams{c.dtype, true});
}
void promote(Tensor& a, Tensor& b, const char* who) {
  Borrowed<2> in(2);
  in.set(0, a);
  in.set(1, b);
  Common c = common_type(in, who);
  a = to_common(a, c);
  b = to_common(b, c);
}
Tensor to_floating(const Tensor& x) {
  DType d = x.raw_dtype();
  if (is_floating(d) || is_complex(d)) return x;
  return x.weak() ? to_common(x, {DType::f64, true}) : core::convert(x, default_dtype());
}
Tensor firm(const Tensor& x) { return x.weak() ? core::convert(x, x.dtype()) : x; }
Tensor broadcast_to(const Tensor& x, const Shape& shape, const char* who) {
  Shape s = x.sizes(), keep, dims;
  if (s == shape) return x;
  std::size_t off = shape.size() - s.size();
  bool ok = s.size() <= shape.size();
  for (std::size_t i = 0; ok && i < s.size(); ++i) {
    if (s[i] == shape[off + i]) {
      keep.push_back(s[i]);
      dims.push_back(static_cast<std::int64_t>(off + i));
    } else ok = s[i] == 1;
  }
  if (!ok) throw ShapeError(std::string(who) + ": cannot broadcast shape " + s.str() + " to " + shape.str());
  return core::broadcast_in_dim(prims::reshape(x, keep), shape, dims);
}

}  // namespace functra::ops
