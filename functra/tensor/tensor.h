// The Tensor value: sixteen bytes, copied freely. Storage is immutable and shared, views cost nothing, in-place syntax rebinds
// the handle.
//
//   Null    no tensor; inside rules, a symbolic zero tangent or cotangent
//   Scalar  a concrete 0-d value, stored in the handle: no allocation, no reference count
//   Array   a concrete array: shape, strides, storage (reference counted)
//   Var     a value recorded by a tracer or recorder: (tag, variable number), nothing to free
//   Jvp     primal and tangent;  Batch: value and mapped dimension (reference counted, made in core/)
//
// The tag (0: concrete) names the interpreter that owns a traced value. It sits in the handle, so that dispatch follows no
// pointer.
#pragma once
#include <cstdint>
#include <iosfwd>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "functra/base/errors.h"
#include "functra/base/inline.h"
#include "functra/base/refcount.h"
#include "functra/base/scalar.h"
#include "functra/base/shape.h"
#include "functra/tensor/aval.h"

namespace functra {

class Tensor;
struct Index;

// Memory that arrays and their views share.
struct Storage {
  RefCount refs;
  std::byte* data = nullptr;
  std::size_t bytes = 0;
  std::size_t block = 0;        // size of the allocation that holds this header and the data; 0: borrowed
  std::shared_ptr<void> owner;  // of borrowed memory
};
struct Node {
  RefCount refs;
};
struct ArrayNode : Node {
  bool contiguous;  // row-major without gaps
  Storage* storage;
  std::byte* data;  // the first element
  std::int64_t numel;
  Shape shape, strides;  // strides in elements; 0 for broadcast, negative for reversed
};

struct Slice {  // start:stop:step as Python's; a negative step is allowed
  std::optional<std::int64_t> start, stop;
  std::int64_t step;
  Slice(std::optional<std::int64_t> a = {}, std::optional<std::int64_t> b = {}, std::int64_t s = 1) : start(a), stop(b), step(s) {}
};

class Tensor {
 public:
  enum class Kind : std::uint8_t { Null, Scalar, Var, Array, Jvp, Batch };  // from Array on, a node is owned

  // Two words, copied one by one: a 16-byte load of what was just stored as two words stalls.
  FUNCTRA_INLINE Tensor() : word_{.u = 0}, meta_(0) {}
  template <Number T> Tensor(T v) : Tensor(functra::Scalar(v)) {}  // a number is a 0-d weakly typed tensor
  Tensor(functra::Scalar v);                                       // likewise
  FUNCTRA_INLINE Tensor(const Tensor& o) : word_(o.word_), meta_(o.meta_) {
    if (owns()) node()->refs.add();
  }
  FUNCTRA_INLINE Tensor(Tensor&& o) noexcept : word_(o.word_), meta_(std::exchange(o.meta_, 0)) {}
  FUNCTRA_INLINE Tensor& operator=(const Tensor& o) & {
    Tensor t(o);
    swap(t);
    return *this;
  }
  FUNCTRA_INLINE Tensor& operator=(Tensor&& o) & noexcept {
    Tensor t(std::move(o));
    swap(t);
    return *this;
  }  // lvalues only: `a[0] = v` does not compile
  FUNCTRA_INLINE ~Tensor() {
    if (owns() && node()->refs.drop()) destroy();
  }
  FUNCTRA_INLINE void swap(Tensor& o) noexcept {
    std::swap(word_, o.word_);
    std::swap(meta_, o.meta_);
  }

  // ---- what a user asks
  bool defined() const { return kind() != Kind::Null; }
  std::int64_t dim() const { return rank0() ? 0 : static_cast<std::int64_t>(sizes().size()); }
  Shape sizes() const;  // logical: without the dimensions that vmap maps
  std::int64_t size(std::int64_t dim) const;
  std::int64_t numel() const;
  DType dtype() const { return weak() && raw_dtype() == DType::f64 ? default_dtype() : raw_dtype(); }
  Tensor to(DType) const;
  Scalar item() const;  // 0-d or one element; TracerError where the value is not known
  template <Number T> T item() const { return static_cast<T>(item()); }
  template <Number T> explicit operator T() const {  // double(x), bool(x), if (x)
    if constexpr (std::is_same_v<T, bool>) return decide();
    else return static_cast<T>(item());
  }
  template <Element T> std::span<const T> span() const& { return {data<T>(), static_cast<std::size_t>(numel())}; }
  template <Element T> std::span<const T> span() const&& = delete;                                        // of a temporary: would dangle
  template <Element T> const T* data() const& { return static_cast<const T*>(typed_data(dtype_of<T>)); }  // contiguous only
  template <Element T> const T* data() const&& = delete;
  template <Number T> std::vector<T> to_vector() const {
    std::vector<T> r(static_cast<std::size_t>(numel()));
    read_into(dtype_of<T>, r.data());
    return r;
  }
  bool is_contiguous() const;
  Tensor contiguous() const;

  Tensor operator[](std::int64_t i) const;
  Tensor operator[](const Tensor& index) const;
  template <Integer I> Tensor operator[](I i) const { return (*this)[static_cast<std::int64_t>(i)]; }
  Tensor operator[](std::initializer_list<Index>) const;
  Tensor index(std::initializer_list<Index>) const;
  Tensor index(const std::vector<Index>&) const;
  Tensor index_put(std::initializer_list<Index>, const Tensor& values, bool accumulate = false) const;  // a new tensor
  Tensor index_put(const std::vector<Index>&, const Tensor& values, bool accumulate = false) const;

  Tensor reshape(const Shape&) const;  // one extent may be -1
  Tensor view(const Shape& s) const { return reshape(s); }
  Tensor flatten(std::int64_t start = 0, std::int64_t end = -1) const;
  Tensor squeeze(DimsOrAll dims = {}) const;
  Tensor unsqueeze(std::int64_t dim) const;
  Tensor expand(const Shape&) const;  // -1 keeps an extent
  Tensor t() const;
  Tensor transpose(std::int64_t, std::int64_t) const;
  Tensor permute(const Shape&) const;
  Tensor sum(DimsOrAll dim = {}, bool keepdim = false) const;
  Tensor mean(DimsOrAll dim = {}, bool keepdim = false) const;
  Tensor prod(DimsOrAll dim = {}, bool keepdim = false) const;
  Tensor amax(DimsOrAll dim = {}, bool keepdim = false) const;
  Tensor amin(DimsOrAll dim = {}, bool keepdim = false) const;
  Tensor argmax(std::optional<std::int64_t> dim = {}, bool keepdim = false) const;
  Tensor argmin(std::optional<std::int64_t> dim = {}, bool keepdim = false) const;
  Tensor all(DimsOrAll dim = {}, bool keepdim = false) const;
  Tensor any(DimsOrAll dim = {}, bool keepdim = false) const;
  Tensor exp() const;
  Tensor log() const;
  Tensor sin() const;
  Tensor cos() const;
  Tensor tanh() const;
  Tensor sqrt() const;
  Tensor abs() const;
  Tensor square() const;
  Tensor sigmoid() const;
  Tensor pow(const Tensor& exponent) const;
  Tensor matmul(const Tensor& other) const;

  Tensor operator-() const;
  Tensor operator!() const;
  Tensor operator~() const;
  Tensor& operator+=(const Tensor&) &;
  Tensor& operator-=(const Tensor&) &;
  Tensor& operator*=(const Tensor&) &;
  Tensor& operator/=(const Tensor&) &;
  friend Tensor operator+(const Tensor&, const Tensor&);
  friend Tensor operator-(const Tensor&, const Tensor&);
  friend Tensor operator*(const Tensor&, const Tensor&);
  friend Tensor operator/(const Tensor&, const Tensor&);
  friend Tensor operator%(const Tensor&, const Tensor&);  // remainder with the divisor's sign, as Python
  friend Tensor operator<(const Tensor&, const Tensor&);
  friend Tensor operator>(const Tensor&, const Tensor&);
  friend Tensor operator<=(const Tensor&, const Tensor&);
  friend Tensor operator>=(const Tensor&, const Tensor&);
  friend Tensor operator==(const Tensor&, const Tensor&);
  friend Tensor operator!=(const Tensor&, const Tensor&);
  friend Tensor operator&(const Tensor&, const Tensor&);
  friend Tensor operator|(const Tensor&, const Tensor&);
  friend Tensor operator^(const Tensor&, const Tensor&);
  friend Tensor operator<<(const Tensor&, const Tensor&);
  friend Tensor operator>>(const Tensor&, const Tensor&);
  friend std::ostream& operator<<(std::ostream&, const Tensor&);

  // ---- what the library sees
  Kind kind() const { return static_cast<Kind>(meta_ & 7); }
  std::uint64_t tag() const { return meta_ >> 16; }
  bool rank0() const { return meta_ & 8; }
  bool weak() const { return meta_ & 16; }
  // A Scalar that is, or was adopted from, a C++ number: a literal in programs. 0-d tensors are captured instead.
  bool literal() const { return (meta_ & 7) == static_cast<std::uint64_t>(Kind::Scalar) && (meta_ & 48); }
  static Tensor literal_of(const functra::Scalar& v, DType d);                                   // strong, of that dtype, still a literal
  DType raw_dtype() const { return static_cast<DType>(static_cast<std::uint8_t>(meta_ >> 8)); }  // of weak numbers: f64, i64, bool
  bool is_scalar() const { return kind() == Kind::Scalar; }
  bool is_array() const { return kind() == Kind::Array; }
  bool concrete() const { return is_scalar() || is_array(); }
  std::uint32_t var() const { return static_cast<std::uint32_t>(word_.u); }
  std::uint64_t identity() const { return word_.u; }  // bits of a Scalar, variable, or node address
  Aval aval() const;
  ArrayNode& array() const { return *static_cast<ArrayNode*>(node()); }
  template <class N> N& node_as() const { return *static_cast<N*>(node()); }
  // Concrete only: the first element, wherever it lives, and strides of any layout.
  const void* bytes() const { return is_scalar() ? static_cast<const void*>(&word_) : array().data; }
  const Shape& shape_ref() const;                                                            // concrete only
  const Shape& strides_ref() const;                                                          // concrete only
  void* mutable_bytes() { return is_scalar() ? static_cast<void*>(&word_) : array().data; }  // only of what was just made
  bool unique_storage() const { return is_array() && node()->refs.unique() && array().storage->refs.unique(); }
  template <class T> T scalar_as() const;  // bits of a Scalar read as T

  static Tensor uninitialized(DType d, const Shape& shape);  // contiguous
  static Tensor scalar_bits(DType d, std::uint64_t bits, bool weak) { return Tensor(bits, pack(Kind::Scalar, 0, d, weak, true)); }
  static Tensor strong(const functra::Scalar& v, DType d);                                                   // a 0-d tensor of that dtype
  static Tensor view_of(const Tensor& base, const Shape& shape, const Shape& strides, std::int64_t offset);  // offset in elements from the first
  static Tensor borrow(void* p, DType d, const Shape& shape, std::shared_ptr<void> owner);
  static Tensor copy_of(const void* p, DType d, const Shape& shape);
  static Tensor variable(std::uint64_t tag, std::uint32_t v, DType d, bool weak, bool rank0) {
    return Tensor(v, pack(Kind::Var, tag, d, weak, rank0));
  }
  static Tensor adopt(Node* n, Kind k, std::uint64_t tag, DType d, bool weak, bool rank0) {
    return Tensor(reinterpret_cast<std::uint64_t>(n), pack(k, tag, d, weak, rank0));
  }
  Tensor strengthened() const;  // a weak Scalar with its dtype() made firm; others as they are

 private:
  template <int N> friend class Borrowed;
  Tensor(std::uint64_t word, std::uint64_t meta) : word_{.u = word}, meta_(meta) {}
  static std::uint64_t pack(Kind k, std::uint64_t tag, DType d, bool weak, bool rank0) {
    return tag << 16 | static_cast<std::uint64_t>(d) << 8 | static_cast<std::uint64_t>(weak) << 4 | static_cast<std::uint64_t>(rank0) << 3 |
           static_cast<std::uint64_t>(k);
  }
  bool owns() const { return kind() >= Kind::Array; }
  Node* node() const { return reinterpret_cast<Node*>(word_.u); }
  void destroy();
  bool decide() const;
  const void* typed_data(DType d) const;
  void read_into(DType d, void* out) const;
  union Word {
    double f;
    std::int64_t i;
    std::uint64_t u;
    float f4;
    std::int32_t i4;
    std::uint8_t b;
  } word_;
  std::uint64_t meta_;  // tag 48 | dtype 8 | 2 free, literal, weak, rank0, kind 3
};
static_assert(sizeof(Tensor) == 16);
template <> inline double Tensor::scalar_as<double>() const { return word_.f; }
template <> inline float Tensor::scalar_as<float>() const { return word_.f4; }
template <> inline std::int64_t Tensor::scalar_as<std::int64_t>() const { return word_.i; }
template <> inline std::int32_t Tensor::scalar_as<std::int32_t>() const { return word_.i4; }
template <> inline bool Tensor::scalar_as<bool>() const { return word_.b; }

std::string to_string(const Tensor&);  // as PyTorch prints in Python

struct Index {
  std::variant<NoneType, EllipsisType, std::int64_t, Slice, Tensor> v;
  Index(NoneType) : v(none) {}
  Index(EllipsisType e) : v(e) {}
  Index(Slice s) : v(s) {}
  Index(Tensor t) : v(std::move(t)) {}
  template <Integer I> Index(I i) : v(static_cast<std::int64_t>(i)) {}
};

// A list of tensors: braces, vector, array, span.
class TensorList {
 public:
  TensorList(std::initializer_list<Tensor> l) : s_(l.begin(), l.size()) {}
  template <class R>
  requires requires(const R& r) {
    { r.data() } -> std::convertible_to<const Tensor*>;
    r.size();
  }
  TensorList(const R& r) : s_(r.data(), r.size()) {}
  auto begin() const { return s_.begin(); }
  auto end() const { return s_.end(); }
  std::size_t size() const { return s_.size(); }
  const Tensor& operator[](std::size_t i) const { return s_[i]; }

 private:
  std::span<const Tensor> s_;
};

}  // namespace functra
