// From a DType to the C++ type of its elements, for loops over plain elements; 16-bit floats are computed in float.
#pragma once
#include <complex>
#include <cstdint>
#include <type_traits>

#include "functra/base/dtype.h"

namespace functra::kernels {

template <class T> inline constexpr bool is_half_type = std::is_same_v<T, f16_t> || std::is_same_v<T, bf16_t>;
// What elements are computed in, and stored back from.
template <class T> auto wide(T v) {
  if constexpr (is_half_type<T>) return to_float(v);
  else return v;
}
template <class T> using Wide = decltype(wide(T()));
template <class T, class A> T narrow(A v) {
  if constexpr (std::is_same_v<T, f16_t>) return to_f16(static_cast<float>(v));
  else if constexpr (std::is_same_v<T, bf16_t>) return to_bf16(static_cast<float>(v));
  else return static_cast<T>(v);
}
template <class T> bool is_nan(T v) {
  if constexpr (std::is_floating_point_v<T>) return v != v;
  else return false;
}

// f(T()) with the type of d's elements. False where the class lacks d, or where f says so (if it returns bool).
namespace detail {
template <class T, class F> bool called(F&& f) {
  if constexpr (std::is_void_v<decltype(f(T()))>) return f(T()), true;
  else return f(T());
}
}  // namespace detail
template <class F> bool with_float(DType d, F&& f) {
  switch (d) {
    case DType::f16: return detail::called<f16_t>(f);
    case DType::bf16: return detail::called<bf16_t>(f);
    case DType::f32: return detail::called<float>(f);
    case DType::f64: return detail::called<double>(f);
    default: return false;
  }
}
template <class F> bool with_integer(DType d, F&& f) {
  switch (d) {
    case DType::u8: return detail::called<std::uint8_t>(f);
    case DType::u16: return detail::called<std::uint16_t>(f);
    case DType::u32: return detail::called<std::uint32_t>(f);
    case DType::u64: return detail::called<std::uint64_t>(f);
    case DType::i8: return detail::called<std::int8_t>(f);
    case DType::i16: return detail::called<std::int16_t>(f);
    case DType::i32: return detail::called<std::int32_t>(f);
    case DType::i64: return detail::called<std::int64_t>(f);
    default: return false;
  }
}
template <class F> bool with_real(DType d, F&& f) { return is_integer(d) ? with_integer(d, f) : with_float(d, f); }
// bool is stored as a byte of 0 or 1.
template <class F> bool with_ordered(DType d, F&& f) { return is_bool(d) ? detail::called<std::uint8_t>(f) : with_real(d, f); }
template <class F> bool with_any(DType d, F&& f) {
  if (!is_complex(d)) return with_ordered(d, f);
  return d == DType::c64 ? detail::called<std::complex<float>>(f) : detail::called<std::complex<double>>(f);
}

}  // namespace functra::kernels
