// Shapes and strides: a list of extents, six in place and more on the heap.
#pragma once
#include <cstdint>
#include <cstring>
#include <initializer_list>
#include <iosfwd>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>

#include "functra/base/dtype.h"
#include "functra/base/none.h"

namespace functra {

// One extent, made of any integer type, so that braces of mixed integers need no casts.
struct Dim {
  std::int64_t v;
  template <Integer I> constexpr Dim(I i) : v(static_cast<std::int64_t>(i)) {}
};

// Built from braces, one integer, or a range of integers of any type. Copying touches only the extents in use.
class Shape {
 public:
  using value_type = std::int64_t;
  Shape() = default;
  Shape(std::initializer_list<Dim> d) {
    reserve(d.size());
    for (Dim x : d) data()[n_++] = x.v;
  }
  template <Integer I> Shape(I i) : n_(1) { in_[0] = static_cast<std::int64_t>(i); }
  template <class R>
  requires(!std::is_same_v<R, Shape> && requires(const R& r) {
    r.data();
    r.size();
  } && Integer<typename R::value_type>) Shape(const R& r) {
    reserve(r.size());
    for (auto x : r) data()[n_++] = static_cast<std::int64_t>(x);
  }
  Shape(const std::int64_t* p, std::size_t n) {
    reserve(n);
    for (std::size_t i = 0; i < n; ++i) data()[n_++] = p[i];
  }
  Shape(const Shape& o) { *this = o; }
  Shape(Shape&& o) noexcept { take(o); }
  Shape& operator=(const Shape& o) {
    if (this == &o) return *this;
    reserve(o.n_);
    n_ = o.n_;
    const std::int64_t* from = o.data();
    std::int64_t* to = data();
    for (std::uint32_t i = 0; i < n_; ++i) to[i] = from[i];
    return *this;
  }
  Shape& operator=(Shape&& o) noexcept {
    if (this != &o) {
      if (cap_) delete[] heap_;
      take(o);
    }
    return *this;
  }
  ~Shape() {
    if (cap_) delete[] heap_;
  }

  static Shape filled(std::size_t n, std::int64_t v) {
    Shape s;
    s.resize(n, v);
    return s;
  }
  static Shape iota(std::size_t n, std::int64_t from = 0) {
    Shape s;
    s.resize(n, 0);
    for (std::size_t i = 0; i < n; ++i) s[i] = from + static_cast<std::int64_t>(i);
    return s;
  }

  std::size_t size() const { return n_; }
  int rank() const { return static_cast<int>(n_); }
  bool empty() const { return n_ == 0; }
  const std::int64_t* data() const { return cap_ ? heap_ : in_; }
  std::int64_t* data() { return cap_ ? heap_ : in_; }
  std::int64_t operator[](std::size_t i) const { return data()[i]; }
  std::int64_t& operator[](std::size_t i) { return data()[i]; }
  std::int64_t back() const { return data()[n_ - 1]; }
  const std::int64_t* begin() const { return data(); }
  const std::int64_t* end() const { return data() + n_; }
  std::int64_t* begin() { return data(); }
  std::int64_t* end() { return data() + n_; }
  void push_back(std::int64_t v) {
    reserve(n_ + 1);
    data()[n_++] = v;
  }
  void resize(std::size_t n, std::int64_t v = 0) {
    reserve(n);
    for (std::size_t i = n_; i < n; ++i) data()[i] = v;
    n_ = static_cast<std::uint32_t>(n);
  }
  void clear() { n_ = 0; }
  void reserve(std::size_t n) {
    if (n > kInline && n > cap_) grow(n);
  }

  std::int64_t numel() const {
    std::int64_t p = 1;
    for (std::int64_t x : *this) p *= x;
    return p;
  }
  bool has(std::int64_t v) const {
    for (std::int64_t x : *this)
      if (x == v) return true;
    return false;
  }
  int find(std::int64_t v) const {
    for (std::size_t i = 0; i < n_; ++i)
      if (data()[i] == v) return static_cast<int>(i);
    return -1;
  }
  Shape with(std::size_t at, std::int64_t v) const;  // v inserted before position `at`
  Shape without(std::size_t at) const;               // position `at` removed
  Shape concat(const Shape& o) const;
  Shape pick(const Shape& at) const;     // {(*this)[at[0]], (*this)[at[1]], ...}
  Shape others(std::size_t rank) const;  // of 0 .. rank-1, those not in this list
  bool operator==(const Shape& o) const {
    if (n_ != o.n_) return false;
    const std::int64_t *a = data(), *b = o.data();
    for (std::uint32_t i = 0; i < n_; ++i)
      if (a[i] != b[i]) return false;
    return true;
  }
  std::string str() const;  // "[2, 3]"

 private:
  static constexpr std::uint32_t kInline = 6;
  void grow(std::size_t n);
  void take(Shape& o) noexcept {
    n_ = o.n_;
    cap_ = o.cap_;
    if (cap_) {
      heap_ = o.heap_;
      o.cap_ = 0;
      o.n_ = 0;
    } else
      for (std::uint32_t i = 0; i < n_; ++i) in_[i] = o.in_[i];
  }
  std::uint32_t n_ = 0, cap_ = 0;  // cap_ 0: in place
  union {
    std::int64_t in_[kInline];
    std::int64_t* heap_;
  };
};
using Dims = Shape;
std::ostream& operator<<(std::ostream&, const Shape&);

// "These dimensions, or all of them": what reductions take.
struct DimsOrAll : std::optional<Shape> {
  DimsOrAll() = default;
  DimsOrAll(NoneType) {}
  DimsOrAll(std::initializer_list<Dim> d) : std::optional<Shape>(Shape(d)) {}
  template <class T>
  requires std::is_convertible_v<const T&, Shape> DimsOrAll(const T& t) : std::optional<Shape>(Shape(t)) {}
};

Shape row_major(const Shape& shape);                          // strides, in elements, of a contiguous array
bool is_row_major(const Shape& shape, const Shape& strides);  // extents of one may have any stride
// Strides that show an array of `shape` and `strides` as `as` without moving data; false where there are none.
bool view_strides(const Shape& shape, const Shape& strides, const Shape& as, Shape& out);
Shape inverse(const Shape& perm);  // of a permutation
bool is_iota(const Shape& perm);   // 0, 1, 2, ...
// NumPy's rule; `who` names the operation in the ShapeError.
Shape broadcast_shapes(const Shape& a, const Shape& b, const char* who);
// A dimension counted from the end if negative; IndexError outside [-rank, rank).
int wrap_dim(std::int64_t dim, int rank, const char* who);
// Wrapped, distinct (ValueError otherwise), in the order given; all of them for none.
Shape wrap_dims(const DimsOrAll& dims, int rank, const char* who);

}  // namespace functra
