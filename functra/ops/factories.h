// Tensors made of numbers. While a transform traces (jit, make_fx), what has one value or a rule (zeros, full, arange ...) is an
// operation, so that programs hold no arrays; eagerly it is a contiguous array. `dtype`: the default one where absent.
#pragma once
#include <cstddef>
#include <memory>

#include "functra/tensor/tensor.h"

namespace functra {

// What braces and ranges of numbers hold. Numbers in braces have a category (bool, integer, floating, complex) and take its
// default dtype; ranges keep their element type.
class Data {
 public:
  Data() : shape_{0} {}
  template <Number T> Data(T x) : Data(Scalar(x)) {}
  template <class T>
  requires requires(T x) {
    x.real();
    x.imag();
    Scalar(x);
  }
  Data(T x) : Data(Scalar(x)) {}
  Data(std::initializer_list<Data> parts) { join(std::span(parts.begin(), parts.size())); }
  template <class R>
  requires(!std::is_same_v<R, Data> && requires(const R& r) {
    std::begin(r);
    std::end(r);
    std::size(r);
  }) Data(const R& r) {
    using T = std::remove_cvref_t<decltype(*std::begin(r))>;
    if constexpr (Element<T>) {
      start(dtype_of<T>, static_cast<std::int64_t>(std::size(r)));
      for (T x : r) append(&x);
    } else {
      std::vector<Data> parts(std::begin(r), std::end(r));
      join(parts);
    }
  }
  const Shape& shape() const { return shape_; }
  Tensor make(OptDType dtype) const;

 private:
  explicit Data(Scalar x) : type_(x.type()) {
    start(type_, -1);
    number_ = true;
    x.store(type_, bytes_.data());
  }
  void start(DType d, std::int64_t n);  // room for n elements in one dimension; -1: one 0-d element
  void append(const void* element);
  void join(std::span<const Data> parts);
  Shape shape_;
  std::vector<std::byte> bytes_;
  std::size_t used_ = 0;
  DType type_ = DType::f64;
  bool number_ = true;  // made of C++ numbers: the dtype is only a category
};

// tensor(2.0), tensor({1, 2}), tensor({{1.0, 2.0}, {3.0, 4.0}}), tensor(std::vector<double>{...}), tensor({{1.0}, {2.0}}, f64).
// Braces of numbers: i64, bool or the default dtype; ranges keep their type. ShapeError for ragged braces.
Tensor tensor(const Data& data, OptDType dtype = {});

Tensor zeros(const Shape& shape, OptDType dtype = {});
Tensor ones(const Shape& shape, OptDType dtype = {});
Tensor empty(const Shape& shape, OptDType dtype = {});                      // eagerly: any values
Tensor full(const Shape& shape, const Tensor& value, OptDType dtype = {});  // value is 0-d; its dtype where none is given
Tensor zeros_like(const Tensor& x, OptDType dtype = {});
Tensor ones_like(const Tensor& x, OptDType dtype = {});
Tensor empty_like(const Tensor& x, OptDType dtype = {});
Tensor full_like(const Tensor& x, const Tensor& value, OptDType dtype = {});
// n by m, ones on the diagonal.
Tensor eye(std::int64_t n, OptDType dtype = {});
Tensor eye(std::int64_t n, std::int64_t m, OptDType dtype = {});
// start, start + step, ... before end: i64 for integers, else the default dtype. ValueError for a step of 0 or of the wrong sign.
Tensor arange(Scalar end, OptDType dtype = {});
Tensor arange(Scalar start, Scalar end, OptDType dtype = {});
Tensor arange(Scalar start, Scalar end, Scalar step, OptDType dtype = {});
Tensor linspace(Scalar start, Scalar end, std::int64_t steps, OptDType dtype = {});  // both ends included

// A copy of n elements; ShapeError unless shape has n.
Tensor from_raw(const void* p, DType d, std::size_t n, const Shape& shape);
// A copy of a contiguous range, of its element type; one dimension where no shape is given.
template <class R>
requires requires(const R& r) {
  std::data(r);
  std::size(r);
}
Tensor from_span(const R& r, DimsOrAll shape = {}) {
  using T = std::remove_cvref_t<decltype(*std::data(r))>;
  return from_raw(std::data(r), dtype_of<T>, std::size(r), shape ? *shape : Shape{std::size(r)});
}
// Borrows memory: nothing is copied. deleter(p) runs once, when no tensor refers to it any more.
template <Element T, class D> Tensor from_blob(T* p, const Shape& shape, D deleter) {
  return Tensor::borrow(const_cast<std::remove_const_t<T>*>(p), dtype_of<T>, shape,
                        std::shared_ptr<void>(const_cast<std::remove_const_t<T>*>(p), std::move(deleter)));
}
template <Element T> Tensor from_blob(T* p, const Shape& shape) {
  return Tensor::borrow(const_cast<std::remove_const_t<T>*>(p), dtype_of<T>, shape, {});
}

}  // namespace functra
