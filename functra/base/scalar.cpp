#include "functra/base/scalar.h"

#include <charconv>
#include <cmath>
#include <complex>
#include <cstring>

namespace functra {
namespace {
template <class T> T load_as(const void* p) {
  T v;
  std::memcpy(&v, p, sizeof v);
  return v;
}
template <class T> void store_as(void* p, T v) { std::memcpy(p, &v, sizeof v); }
std::string shortest(double v) {
  char b[32];
  auto r = std::to_chars(b, b + sizeof b, v);
  std::string s(b, r.ptr);
  if (s.find_first_of(".enai") == s.npos) s += ".0";
  return s;
}
template <class I> I to_integer(const Scalar& s) {  // truncation; out of range and NaN give the nearest bound and 0
  if (s.integral()) return s.type() == DType::u64 ? static_cast<I>(static_cast<std::uint64_t>(s)) : static_cast<I>(static_cast<std::int64_t>(s));
  double v = s.real(), lo = static_cast<double>(std::numeric_limits<I>::min()), hi = static_cast<double>(std::numeric_limits<I>::max());
  if (std::isnan(v)) return 0;
  return v <= lo ? std::numeric_limits<I>::min() : v >= hi ? std::numeric_limits<I>::max() : static_cast<I>(v);
}
}  // namespace

Scalar Scalar::load(DType d, const void* p) {
  switch (d) {
    case DType::bool_: return Scalar(load_as<std::uint8_t>(p) != 0);
    case DType::u8: return Scalar(load_as<std::uint8_t>(p));
    case DType::u16: return Scalar(load_as<std::uint16_t>(p));
    case DType::u32: return Scalar(load_as<std::uint32_t>(p));
    case DType::u64: return Scalar(load_as<std::uint64_t>(p));
    case DType::i8: return Scalar(load_as<std::int8_t>(p));
    case DType::i16: return Scalar(load_as<std::int16_t>(p));
    case DType::i32: return Scalar(load_as<std::int32_t>(p));
    case DType::i64: return Scalar(load_as<std::int64_t>(p));
    case DType::f16: return Scalar(to_float(load_as<f16_t>(p)));
    case DType::bf16: return Scalar(to_float(load_as<bf16_t>(p)));
    case DType::f32: return Scalar(load_as<float>(p));
    case DType::f64: return Scalar(load_as<double>(p));
    case DType::c64: return Scalar(load_as<std::complex<float>>(p));
    case DType::c128: return Scalar(load_as<std::complex<double>>(p));
  }
  return {};
}
void Scalar::store(DType d, void* p) const {
  switch (d) {
    case DType::bool_: store_as<std::uint8_t>(p, integral() ? int_ != 0 : re_ != 0 || im_ != 0); break;
    case DType::u8: store_as(p, to_integer<std::uint8_t>(*this)); break;
    case DType::u16: store_as(p, to_integer<std::uint16_t>(*this)); break;
    case DType::u32: store_as(p, to_integer<std::uint32_t>(*this)); break;
    case DType::u64: store_as(p, to_integer<std::uint64_t>(*this)); break;
    case DType::i8: store_as(p, to_integer<std::int8_t>(*this)); break;
    case DType::i16: store_as(p, to_integer<std::int16_t>(*this)); break;
    case DType::i32: store_as(p, to_integer<std::int32_t>(*this)); break;
    case DType::i64: store_as(p, to_integer<std::int64_t>(*this)); break;
    case DType::f16: store_as(p, to_f16(static_cast<float>(*this))); break;
    case DType::bf16: store_as(p, to_bf16(static_cast<float>(*this))); break;
    case DType::f32: store_as(p, static_cast<float>(*this)); break;
    case DType::f64: store_as(p, real()); break;
    case DType::c64: store_as(p, static_cast<std::complex<float>>(*this)); break;
    case DType::c128: store_as(p, static_cast<std::complex<double>>(*this)); break;
  }
}
std::string Scalar::str() const {
  if (type_ == DType::bool_) return int_ ? "true" : "false";
  if (type_ == DType::u64) return std::to_string(static_cast<std::uint64_t>(int_));
  if (integral()) return std::to_string(int_);
  if (is_complex(type_)) return "(" + shortest(re_) + ", " + shortest(im_) + ")";
  return shortest(re_);
}

}  // namespace functra
