// A number of any element type with its full value: what item() gives and factories take.
#pragma once
#include <cstdint>
#include <string>

#include "functra/base/dtype.h"

namespace functra {

class Scalar {
 public:
  Scalar() = default;
  template <Number T> constexpr Scalar(T x) : type_(std::is_same_v<T, bool> ? DType::bool_ : std::is_integral_v<T> ? DType::i64 : DType::f64) {
    if constexpr (std::is_floating_point_v<T>) re_ = static_cast<double>(x);
    else int_ = static_cast<std::int64_t>(x);
    if constexpr (std::is_unsigned_v<T> && sizeof(T) == 8) type_ = x > static_cast<T>(INT64_MAX) ? DType::u64 : DType::i64;
  }
  template <ComplexNumber T> Scalar(T x) : type_(DType::c128), re_(x.real()), im_(x.imag()) {}

  static Scalar load(DType d, const void* element);  // one element of storage
  void store(DType d, void* element) const;          // converted as a cast does

  // The category of the value: bool_, i64 (or u64 above it), f64 or c128.
  constexpr DType type() const { return type_; }
  constexpr bool integral() const { return type_ < DType::f16; }
  template <Number T> constexpr explicit operator T() const {
    if (!integral()) return static_cast<T>(re_);
    return type_ == DType::u64 ? static_cast<T>(static_cast<std::uint64_t>(int_)) : static_cast<T>(int_);
  }
  template <ComplexNumber T> explicit operator T() const {
    return {static_cast<typename T::value_type>(real()), static_cast<typename T::value_type>(im_)};
  }
  constexpr double real() const { return integral() ? static_cast<double>(*this) : re_; }
  constexpr double imag() const { return im_; }
  bool operator==(const Scalar& o) const {
    return integral() == o.integral() &&
           (integral() ? int_ == o.int_ && (type_ == DType::u64) == (o.type_ == DType::u64) : re_ == o.re_ && im_ == o.im_);
  }
  std::string str() const;  // shortest text that reads back to the same value

 private:
  DType type_ = DType::i64;
  std::int64_t int_ = 0;
  double re_ = 0, im_ = 0;
};

}  // namespace functra
