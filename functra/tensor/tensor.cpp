#include "functra/tensor/tensor.h"

#include <cstring>

#include "functra/base/memory.h"
#include "functra/tensor/traced.h"

namespace functra {
namespace {
constexpr std::size_t header = 64;  // of a storage block: data stays aligned
static_assert(sizeof(Storage) <= 128);
constexpr std::size_t storage_header = (sizeof(Storage) + header - 1) / header * header;

Storage* new_storage(std::size_t bytes) {
  std::size_t block = storage_header + bytes;
  auto* s = new (allocate(block)) Storage;
  s->data = reinterpret_cast<std::byte*>(s) + storage_header;
  s->bytes = bytes;
  s->block = block;
  return s;
}
void drop(Storage* s) {
  if (!s->refs.drop()) return;
  std::size_t block = s->block ? s->block : sizeof(Storage);
  s->~Storage();
  deallocate(s, block);
}
// The number of elements; ShapeError and ValueError for extents that no array can have.
std::int64_t count_of(const Shape& shape) {
  std::int64_t n = 1;
  for (std::int64_t v : shape) {
    if (v < 0) throw ShapeError("a tensor cannot have the negative extent " + std::to_string(v) + " in shape " + shape.str());
    if (__builtin_mul_overflow(n, v, &n) || n > INT64_MAX / 16) throw ValueError("a tensor of shape " + shape.str() + " is too large to address");
  }
  return n;
}
ArrayNode* new_array(Storage* storage, std::byte* data, const Shape& shape, std::int64_t numel) {
  auto* n = new (allocate(sizeof(ArrayNode))) ArrayNode;
  n->storage = storage;
  n->data = data;
  n->shape = shape;
  n->numel = numel;
  return n;
}
const Shape no_dims{};
bool fits_handle(DType d, const Shape& s) { return s.empty() && size_of(d) <= 8; }
}  // namespace

void Tensor::destroy() {
  if (kind() != Kind::Array) return traced::destroy(kind(), node());
  ArrayNode* n = &array();
  drop(n->storage);
  n->~ArrayNode();
  deallocate(n, sizeof(ArrayNode));
}

Tensor::Tensor(functra::Scalar v) : word_{.u = 0} {
  DType d = v.type();
  if (d == DType::c128) {
    *this = strong(v, DType::c128);
    return;
  }
  if (d == DType::u64) {
    v.store(DType::u64, &word_);
    meta_ = pack(Kind::Scalar, 0, d, false, true) | 32;
    return;
  }
  v.store(d, &word_);
  meta_ = pack(Kind::Scalar, 0, d, true, true);
}
Tensor Tensor::strong(const functra::Scalar& v, DType d) {
  Tensor t = uninitialized(d, {});
  v.store(d, t.mutable_bytes());
  return t;
}
Tensor Tensor::literal_of(const functra::Scalar& v, DType d) {
  Tensor t = strong(v, d);
  if (t.is_scalar()) t.meta_ |= 32;
  return t;
}
Tensor Tensor::strengthened() const { return is_scalar() && weak() ? literal_of(functra::Scalar::load(raw_dtype(), bytes()), dtype()) : *this; }

Tensor Tensor::uninitialized(DType d, const Shape& shape) {
  if (fits_handle(d, shape)) return scalar_bits(d, 0, false);
  std::int64_t n = count_of(shape);
  Storage* s = new_storage(static_cast<std::size_t>(n) * size_of(d));
  ArrayNode* a = new_array(s, s->data, shape, n);
  a->strides = row_major(shape);
  a->contiguous = true;
  return adopt(a, Kind::Array, 0, d, false, shape.empty());
}
Tensor Tensor::view_of(const Tensor& base, const Shape& shape, const Shape& strides, std::int64_t offset) {
  DType d = base.raw_dtype();
  std::size_t size = size_of(d);
  if (fits_handle(d, shape)) {
    Tensor r = scalar_bits(d, 0, false);
    std::memcpy(&r.word_, static_cast<const std::byte*>(base.bytes()) + offset * static_cast<std::int64_t>(size), size);
    return r;
  }
  std::int64_t n = count_of(shape);
  if (base.is_scalar()) {  // a repeated scalar: one element of storage
    Storage* s = new_storage(size);
    std::memcpy(s->data, &base.word_, size);
    ArrayNode* a = new_array(s, s->data, shape, n);
    a->strides = strides;
    a->contiguous = a->numel <= 1;
    return adopt(a, Kind::Array, 0, d, false, false);
  }
  ArrayNode& b = base.array();
  b.storage->refs.add();
  ArrayNode* a = new_array(b.storage, b.data + offset * static_cast<std::int64_t>(size), shape, n);
  a->strides = strides;
  a->contiguous = is_row_major(shape, strides);
  return adopt(a, Kind::Array, 0, d, false, shape.empty());
}
Tensor Tensor::borrow(void* p, DType d, const Shape& shape, std::shared_ptr<void> owner) {
  if (fits_handle(d, shape)) return copy_of(p, d, shape);
  std::int64_t n = count_of(shape);
  auto* s = new (allocate(sizeof(Storage))) Storage;
  s->data = static_cast<std::byte*>(p);
  s->bytes = static_cast<std::size_t>(n) * size_of(d);
  s->owner = std::move(owner);
  ArrayNode* a = new_array(s, s->data, shape, n);
  a->strides = row_major(shape);
  a->contiguous = true;
  return adopt(a, Kind::Array, 0, d, false, shape.empty());
}
Tensor Tensor::copy_of(const void* p, DType d, const Shape& shape) {
  Tensor t = uninitialized(d, shape);
  if (std::size_t n = static_cast<std::size_t>(shape.numel()) * size_of(d)) std::memcpy(t.mutable_bytes(), p, n);
  return t;
}

Aval Tensor::aval() const {
  switch (kind()) {
    case Kind::Null: throw ValueError("an undefined Tensor (default constructed) has no shape or dtype; assign it first");
    case Kind::Scalar: return {raw_dtype(), weak(), {}};
    case Kind::Array: return {raw_dtype(), false, array().shape};
    default: return traced::aval(*this);
  }
}
Shape Tensor::sizes() const {
  if (rank0()) return {};
  return is_array() ? array().shape : aval().shape;
}
const Shape& Tensor::shape_ref() const { return is_scalar() ? no_dims : array().shape; }
const Shape& Tensor::strides_ref() const { return is_scalar() ? no_dims : array().strides; }
std::int64_t Tensor::size(std::int64_t d) const {
  Shape s = sizes();
  return s[static_cast<std::size_t>(wrap_dim(d, s.rank(), "size"))];
}
std::int64_t Tensor::numel() const { return rank0() ? 1 : is_array() ? array().numel : sizes().numel(); }
bool Tensor::is_contiguous() const { return !is_array() || array().contiguous; }
Scalar Tensor::item() const {
  const Tensor& t = concrete() ? *this : *traced::readable(*this, "item()");
  if (t.numel() != 1) throw ShapeError("item(): the tensor has shape " + t.sizes().str() + ", not one element; index it first, or use to_vector()");
  return functra::Scalar::load(t.raw_dtype(), t.bytes());
}
bool Tensor::decide() const {
  const Tensor& t = concrete() ? *this : *traced::readable(*this, "if");
  if (t.numel() != 1)
    throw ShapeError("if: a condition of shape " + t.sizes().str() + " has no single truth value; reduce it with all() or any(), or use where()");
  return static_cast<bool>(functra::Scalar::load(t.raw_dtype(), t.bytes()));
}
const void* Tensor::typed_data(DType d) const {
  const Tensor& t = concrete() ? *this : *traced::readable(*this, "data()");
  if (t.weak() && t.raw_dtype() != d)
    throw DTypeError("data(): the tensor is a C++ number stored as " + std::string(name_of(t.raw_dtype())) + ", asked for " +
                     std::string(name_of(d)) + "; use item(), or to(dtype) first");
  if (t.raw_dtype() != d)
    throw DTypeError("data(): the tensor has dtype " + std::string(name_of(t.raw_dtype())) + ", asked for " + std::string(name_of(d)) +
                     "; convert with to(dtype)");
  if (!t.is_contiguous()) throw ValueError("data(): the tensor is a strided view of shape " + t.sizes().str() + "; take contiguous() first");
  return t.bytes();
}
void Tensor::read_into(DType d, void* out) const {
  const Tensor& given = concrete() ? *this : *traced::readable(*this, "to_vector()");
  Tensor t = given.contiguous();
  auto* from = static_cast<const std::byte*>(t.bytes());
  auto* to = static_cast<std::byte*>(out);
  std::size_t n = static_cast<std::size_t>(t.numel()), s = size_of(t.raw_dtype());
  if (t.raw_dtype() == d) {
    if (n) std::memcpy(to, from, n * s);
    return;
  }
  for (std::size_t i = 0; i < n; ++i) functra::Scalar::load(t.raw_dtype(), from + i * s).store(d, to + i * size_of(d));
}

}  // namespace functra
