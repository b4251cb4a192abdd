#include "functra/ops/factories.h"

#include <cmath>
#include <cstring>

#include "functra/ops/elementwise.h"
#include "functra/ops/shape.h"
#include "functra/prims/index.h"
#include "functra/prims/math.h"

namespace functra {
namespace {

DType dtype_or(OptDType d) { return d ? *d : default_dtype(); }
DType category_dtype(DType d) {
  return d == DType::f64 ? default_dtype() : d == DType::c128 ? (default_dtype() == DType::f64 ? DType::c128 : DType::c64) : d;
}
// Eager arrays are contiguous; traced values are operations.
Tensor settled(Tensor t) { return t.concrete() && core::plain() ? t.contiguous() : t; }
Tensor repeated(const Scalar& v, const Shape& shape, DType d) {
  for (std::int64_t n : shape)
    if (n < 0) throw ShapeError("a tensor cannot have the negative extent " + std::to_string(n) + " in shape " + shape.str());
  if (shape.empty()) return core::plain() ? Tensor::strong(v, d) : Tensor::literal_of(v, d);
  return settled(core::broadcast_in_dim(Tensor::literal_of(v, d), shape, {}));
}
Scalar one_of(DType d) { return is_bool(d) ? Scalar(true) : Scalar(1); }
}  // namespace

// ---------------------------------------------------------------- braces and ranges
void Data::start(DType d, std::int64_t n) {
  type_ = d;
  number_ = false;
  shape_ = n < 0 ? Shape{} : Shape{n};
  bytes_.resize(static_cast<std::size_t>(n < 0 ? 1 : n) * size_of(d));
}
void Data::append(const void* element) {
  std::memcpy(bytes_.data() + used_, element, size_of(type_));
  used_ += size_of(type_);
}
void Data::join(std::span<const Data> parts) {
  shape_ = Shape{0};
  if (parts.empty()) return;
  number_ = true;
  type_ = parts[0].type_;
  for (std::size_t i = 0; i < parts.size(); ++i) {
    if (!(parts[i].shape_ == parts[0].shape_))
      throw ShapeError("tensor: ragged braces: entry 0 has shape " + parts[0].shape_.str() + " and entry " + std::to_string(i) + " has shape " +
                       parts[i].shape_.str() + "; all entries need the same shape");
    number_ = number_ && parts[i].number_;
    type_ = promote(type_, parts[i].type_);
  }
  shape_ = parts[0].shape_.with(0, static_cast<std::int64_t>(parts.size()));
  std::size_t each = static_cast<std::size_t>(parts[0].shape_.numel()), size = size_of(type_);
  bytes_.resize(parts.size() * each * size);
  std::byte* to = bytes_.data();
  for (const Data& p : parts) {
    if (p.type_ == type_) {
      if (each) std::memcpy(to, p.bytes_.data(), each * size);
    } else
      for (std::size_t i = 0; i < each; ++i) Scalar::load(p.type_, p.bytes_.data() + i * size_of(p.type_)).store(type_, to + i * size);
    to += each * size;
  }
}
Tensor Data::make(OptDType dtype) const {
  DType d = dtype ? *dtype : number_ ? category_dtype(type_) : type_;
  if (d == type_) return Tensor::copy_of(bytes_.data(), d, shape_);
  Tensor t = Tensor::uninitialized(d, shape_);
  auto n = static_cast<std::size_t>(shape_.numel());
  auto* to = static_cast<std::byte*>(t.mutable_bytes());
  for (std::size_t i = 0; i < n; ++i) Scalar::load(type_, bytes_.data() + i * size_of(type_)).store(d, to + i * size_of(d));
  return t;
}
Tensor tensor(const Data& data, OptDType dtype) { return data.make(dtype); }

Tensor from_raw(const void* p, DType d, std::size_t n, const Shape& shape) {
  if (shape.numel() != static_cast<std::int64_t>(n))
    throw ShapeError("from_span: " + std::to_string(n) + " elements do not fill shape " + shape.str());
  return Tensor::copy_of(p, d, shape);
}

// ---------------------------------------------------------------- one value
Tensor zeros(const Shape& shape, OptDType dtype) {
  core::Site s(FUNCTRA_SITE);
  return repeated(0, shape, dtype_or(dtype));
}
Tensor ones(const Shape& shape, OptDType dtype) {
  core::Site s(FUNCTRA_SITE);
  return repeated(one_of(dtype_or(dtype)), shape, dtype_or(dtype));
}
Tensor empty(const Shape& shape, OptDType dtype) {
  core::Site s(FUNCTRA_SITE);
  return core::plain() ? Tensor::uninitialized(dtype_or(dtype), shape) : repeated(0, shape, dtype_or(dtype));
}
Tensor full(const Shape& shape, const Tensor& value, OptDType dtype) {
  core::Site s(FUNCTRA_SITE);
  if (!value.defined()) throw ValueError("full: the value is an undefined Tensor (default constructed)");
  if (!value.rank0()) throw ShapeError("full: the value has shape " + value.sizes().str() + ", it must be 0-d; use expand for tensors");
  DType d = dtype ? *dtype : value.weak() ? category_dtype(value.raw_dtype()) : value.dtype();
  if (value.literal()) return repeated(value.item(), shape, d);
  return settled(core::broadcast_in_dim(core::convert(value, d), shape, {}));
}
Tensor zeros_like(const Tensor& x, OptDType dtype) {
  core::Site s(FUNCTRA_SITE);
  return repeated(0, x.sizes(), dtype ? *dtype : x.dtype());
}
Tensor ones_like(const Tensor& x, OptDType dtype) {
  core::Site s(FUNCTRA_SITE);
  return repeated(one_of(dtype ? *dtype : x.dtype()), x.sizes(), dtype ? *dtype : x.dtype());
}
Tensor empty_like(const Tensor& x, OptDType dtype) {
  core::Site s(FUNCTRA_SITE);
  return empty(x.sizes(), dtype ? *dtype : x.dtype());
}
Tensor full_like(const Tensor& x, const Tensor& value, OptDType dtype) {
  core::Site s(FUNCTRA_SITE);
  return full(x.sizes(), value, dtype ? *dtype : x.dtype());
}

// ---------------------------------------------------------------- by a rule
Tensor eye(std::int64_t n, OptDType dtype) {
  core::Site s(FUNCTRA_SITE);
  return eye(n, n, dtype);
}
Tensor eye(std::int64_t n, std::int64_t m, OptDType dtype) {
  core::Site s(FUNCTRA_SITE);
  DType d = dtype_or(dtype);
  if (n < 0 || m < 0) throw ShapeError("eye: extents " + Shape{n, m}.str() + " must not be negative");
  Tensor row = prims::iota(DType::i32, {n, m}, 0), column = prims::iota(DType::i32, {n, m}, 1);
  return settled(core::convert(prims::eq(row, column), d));
}
Tensor arange(Scalar end, OptDType dtype) {
  core::Site s(FUNCTRA_SITE);
  return arange(Scalar(0), end, Scalar(1), dtype);
}
Tensor arange(Scalar start, Scalar end, OptDType dtype) {
  core::Site s(FUNCTRA_SITE);
  return arange(start, end, Scalar(1), dtype);
}
Tensor arange(Scalar start, Scalar end, Scalar step, OptDType dtype) {
  core::Site s(FUNCTRA_SITE);
  bool integral = start.integral() && end.integral() && step.integral();
  DType d = dtype ? *dtype : integral ? DType::i64 : default_dtype();
  double a = start.real(), b = end.real(), h = step.real();
  if (h == 0 || !std::isfinite(a) || !std::isfinite(b) || std::isnan(h) || (h > 0 ? b < a : b > a))
    throw ValueError("arange: from " + start.str() + " to " + end.str() + " by " + step.str() +
                     " is no sequence; the step must lead from start to end");
  if (integral) {
    auto i = static_cast<std::int64_t>(start), j = static_cast<std::int64_t>(end), k = static_cast<std::int64_t>(step);
    std::int64_t n = k > 0 ? (j - i + k - 1) / k : (i - j - k - 1) / -k;
    Tensor r = prims::iota(DType::i64, {n}, 0);
    if (k != 1) r = prims::mul(r, Tensor::literal_of(k, DType::i64));
    if (i != 0) r = core::add(r, Tensor::literal_of(i, DType::i64));
    return settled(core::convert(r, d));
  }
  Tensor r = prims::mul(prims::iota(DType::f64, {static_cast<std::int64_t>(std::ceil((b - a) / h))}, 0), Tensor::literal_of(h, DType::f64));
  return settled(core::convert(core::add(r, Tensor::literal_of(a, DType::f64)), d));
}
Tensor linspace(Scalar start, Scalar end, std::int64_t steps, OptDType dtype) {
  core::Site s(FUNCTRA_SITE);
  if (steps < 0) throw ValueError("linspace: the number of steps, " + std::to_string(steps) + ", is negative");
  DType d = dtype_or(dtype);
  double a = start.real(), b = end.real(), h = steps > 1 ? (b - a) / static_cast<double>(steps - 1) : 0;
  // From both ends to the middle, so that both are exact.
  auto f64_of = [](double v) { return Tensor::literal_of(v, DType::f64); };
  std::int64_t half = steps == 1 ? 1 : steps / 2;
  Tensor low = core::add(prims::mul(prims::iota(DType::f64, {half}, 0), f64_of(h)), f64_of(a));
  if (half == steps) return settled(core::convert(low, d));
  Tensor down = prims::rev(prims::iota(DType::f64, {steps - half}, 0), {0});
  const Tensor parts[2] = {low, core::sub(f64_of(b), prims::mul(down, f64_of(h)))};
  return settled(core::convert(prims::concatenate(parts, 0), d));
}

}  // namespace functra
