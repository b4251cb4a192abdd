#include "functra/base/dtype.h"

#include <atomic>
#include <bit>

#include "functra/base/errors.h"

namespace functra {
namespace {
constexpr std::string_view names[dtype_count] = {"bool", "u8",  "u16",  "u32", "u64", "i8",  "i16", "i32",
                                                 "i64",  "f16", "bf16", "f32", "f64", "c64", "c128"};
std::atomic<DType> the_default{DType::f32};
}  // namespace

std::string_view name_of(DType d) { return names[static_cast<int>(d)]; }
std::optional<DType> dtype_of_name(std::string_view s) {
  for (int i = 0; i < dtype_count; ++i)
    if (names[i] == s) return static_cast<DType>(i);
  return std::nullopt;
}
DType promote(DType a, DType b) {
  if (a == b) return a;
  if (b < a) std::swap(a, b);  // the enumeration is ordered by category: bool, unsigned, signed, floating, complex
  if (is_bool(a)) return b;
  if (is_complex(b)) return a == DType::f64 || b == DType::c128 ? DType::c128 : DType::c64;
  if (is_floating(b)) {
    if (!is_floating(a)) return b;
    if (a == DType::f16 && b == DType::bf16) return DType::f32;
    return b;
  }
  if (is_unsigned(a) && is_unsigned(b)) return b;
  if (is_unsigned(a)) {  // signed type wide enough for both
    if (a == DType::u64) return DType::f32;
    DType wide = a == DType::u8 ? DType::i16 : a == DType::u16 ? DType::i32 : DType::i64;
    return b > wide ? b : wide;
  }
  return b;
}
DType default_dtype() { return the_default.load(std::memory_order_relaxed); }
void set_default_dtype(DType d) {
  if (d != DType::f32 && d != DType::f64)
    throw DTypeError("set_default_dtype: " + std::string(name_of(d)) + " cannot be the default; choose f32 or f64");
  the_default.store(d, std::memory_order_relaxed);
}

float to_float(bf16_t h) { return std::bit_cast<float>(static_cast<std::uint32_t>(h.bits) << 16); }
bf16_t to_bf16(float x) {
  auto u = std::bit_cast<std::uint32_t>(x);
  if ((u & 0x7fffffffu) > 0x7f800000u) return {static_cast<std::uint16_t>((u >> 16) | 0x40)};  // a NaN stays one
  return {static_cast<std::uint16_t>((u + 0x7fff + ((u >> 16) & 1)) >> 16)};
}
float to_float(f16_t h) {
  std::uint32_t sign = static_cast<std::uint32_t>(h.bits & 0x8000) << 16, e = (h.bits >> 10) & 31, m = h.bits & 1023;
  if (e == 31) return std::bit_cast<float>(sign | 0x7f800000u | (m << 13));
  if (e == 0) {  // zero or subnormal: m 2^-24
    float f = static_cast<float>(m) * 5.9604644775390625e-8f;
    return sign ? -f : f;
  }
  return std::bit_cast<float>(sign | ((e + 112) << 23) | (m << 13));
}
f16_t to_f16(float x) {
  auto u = std::bit_cast<std::uint32_t>(x);
  auto sign = static_cast<std::uint16_t>((u >> 16) & 0x8000);
  u &= 0x7fffffffu;
  if (u > 0x7f800000u) return {static_cast<std::uint16_t>(sign | 0x7e00)};
  if (u >= 0x47800000u) return {static_cast<std::uint16_t>(sign | 0x7c00)};  // 65536 and above
  if (u < 0x38800000u) {                                                     // below 2^-14: adding 0.5 rounds to multiples of 2^-24
    float f = std::bit_cast<float>(u) + 0.5f;
    return {static_cast<std::uint16_t>(sign | (std::bit_cast<std::uint32_t>(f) - 0x3f000000u))};
  }
  u += 0xfff + ((u >> 13) & 1);
  return {static_cast<std::uint16_t>(sign | ((u - 0x38000000u) >> 13))};
}

}  // namespace functra
