// Element types, their names, and how they combine (torch's promotion).
#pragma once
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>

namespace functra {

enum class DType : std::uint8_t { bool_, u8, u16, u32, u64, i8, i16, i32, i64, f16, bf16, f32, f64, c64, c128 };
inline constexpr DType bool_ = DType::bool_, u8 = DType::u8, u16 = DType::u16, u32 = DType::u32, u64 = DType::u64, i8 = DType::i8, i16 = DType::i16,
                       i32 = DType::i32, i64 = DType::i64, f16 = DType::f16, bf16 = DType::bf16, f32 = DType::f32, f64 = DType::f64, c64 = DType::c64,
                       c128 = DType::c128;
inline constexpr int dtype_count = 15;
using OptDType = std::optional<DType>;

// 16-bit storage: bits only; arithmetic widens to f32.
struct f16_t {
  std::uint16_t bits;
};
struct bf16_t {
  std::uint16_t bits;
};
float to_float(f16_t h);
float to_float(bf16_t h);
f16_t to_f16(float x);    // round to nearest, ties to even
bf16_t to_bf16(float x);  // round to nearest, ties to even

constexpr std::size_t size_of(DType d) {
  constexpr std::uint8_t n[dtype_count] = {1, 1, 2, 4, 8, 1, 2, 4, 8, 2, 2, 4, 8, 8, 16};
  return n[static_cast<int>(d)];
}
constexpr bool is_bool(DType d) { return d == DType::bool_; }
constexpr bool is_unsigned(DType d) { return d >= DType::u8 && d <= DType::u64; }
constexpr bool is_signed_int(DType d) { return d >= DType::i8 && d <= DType::i64; }
constexpr bool is_integer(DType d) { return d >= DType::u8 && d <= DType::i64; }  // without bool
constexpr bool is_floating(DType d) { return d >= DType::f16 && d <= DType::f64; }
constexpr bool is_complex(DType d) { return d >= DType::c64; }
constexpr bool is_differentiable(DType d) { return d >= DType::f16; }
std::string_view name_of(DType d);                     // "f32", "bool"
std::optional<DType> dtype_of_name(std::string_view);  // inverse of name_of

// The smallest type that holds both, as torch.promote_types (u16, u32, u64 promote as the signed type above them where mixed
// with signed ones; u64 with a signed type is f32, as in torch).
DType promote(DType a, DType b);

// The floating type of numbers and of tensors made without a dtype: f32, or what set_default_dtype chose (f32 or f64).
DType default_dtype();
void set_default_dtype(DType d);

template <class T> struct dtype_of_type;
#define FUNCTRA_DTYPE(T, d) \
  template <> struct dtype_of_type<T> { static constexpr DType value = DType::d; };
FUNCTRA_DTYPE(bool, bool_)
FUNCTRA_DTYPE(unsigned char, u8)
FUNCTRA_DTYPE(unsigned short, u16)
FUNCTRA_DTYPE(unsigned int, u32)
FUNCTRA_DTYPE(unsigned long, u64)
FUNCTRA_DTYPE(unsigned long long, u64)
FUNCTRA_DTYPE(signed char, i8)
FUNCTRA_DTYPE(short, i16)
FUNCTRA_DTYPE(int, i32)
FUNCTRA_DTYPE(long, i64)
FUNCTRA_DTYPE(long long, i64)
FUNCTRA_DTYPE(f16_t, f16)
FUNCTRA_DTYPE(bf16_t, bf16)
FUNCTRA_DTYPE(float, f32)
FUNCTRA_DTYPE(double, f64)
#undef FUNCTRA_DTYPE
template <> struct dtype_of_type<char> { static constexpr DType value = std::is_signed_v<char> ? DType::i8 : DType::u8; };
// std::complex<float> and <double>, known by their members: the header <complex> costs a user 0.15 s.
template <class T>
concept ComplexNumber = requires(const T& z) {
  typename T::value_type;
  z.real();
  z.imag();
}
&&std::is_floating_point_v<typename T::value_type> && sizeof(T) == 2 * sizeof(typename T::value_type);
template <ComplexNumber T> struct dtype_of_type<T> { static constexpr DType value = sizeof(T) == 8 ? DType::c64 : DType::c128; };
template <class T> inline constexpr DType dtype_of = dtype_of_type<std::remove_cv_t<T>>::value;
template <class T>
concept Element = requires {
  dtype_of_type<std::remove_cv_t<T>>::value;
};
template <class T>
concept Number = std::is_arithmetic_v<T>;
template <class T>
concept Integer = std::is_integral_v<T> && !std::is_same_v<T, bool>;

}  // namespace functra
