#include "functra/kernels/cast.h"

#include <array>
#include <complex>
#include <limits>

namespace functra::kernels {
namespace {

template <class T> auto widened(T x) {
  if constexpr (std::is_same_v<T, f16_t> || std::is_same_v<T, bf16_t>) return to_float(x);
  else return x;
}
template <class T> inline constexpr bool is_cplx = false;
template <class T> inline constexpr bool is_cplx<std::complex<T>> = true;

template <class To, class From> To cast(From given) {
  auto x = widened(given);
  using X = decltype(x);
  if constexpr (is_cplx<To>) {
    if constexpr (is_cplx<X>) return To(static_cast<typename To::value_type>(x.real()), static_cast<typename To::value_type>(x.imag()));
    else return To(static_cast<typename To::value_type>(x));
  } else if constexpr (std::is_same_v<To, bool>) return x != X(0);
  else if constexpr (is_cplx<X>) return cast<To>(x.real());
  else if constexpr (std::is_same_v<To, f16_t>) return to_f16(static_cast<float>(x));
  else if constexpr (std::is_same_v<To, bf16_t>) return to_bf16(static_cast<float>(x));
  else if constexpr (std::is_integral_v<To> && std::is_floating_point_v<X>) {
    constexpr X lo = static_cast<X>(std::numeric_limits<To>::min()), hi = static_cast<X>(std::numeric_limits<To>::max());
    return x != x ? To(0) : x <= lo ? std::numeric_limits<To>::min() : x >= hi ? std::numeric_limits<To>::max() : static_cast<To>(x);
  } else return static_cast<To>(x);
}
template <class To, class From> void loop(const void* const* in, void* out, std::int64_t n, unsigned repeat, const void*) {
  auto* x = static_cast<const From*>(in[0]);
  auto* y = static_cast<To*>(out);
  if (repeat & 1) for (std::int64_t i = 0; i < n; ++i) y[i] = cast<To>(x[0]);
  else for (std::int64_t i = 0; i < n; ++i) y[i] = cast<To>(x[i]);
}
using Row = std::array<Loop, dtype_count>;
template <class From> constexpr Row row() {
  return {&loop<bool, From>, &loop<std::uint8_t, From>, &loop<std::uint16_t, From>, &loop<std::uint32_t, From>, &loop<std::uint64_t, From>, &loop<std::int8_t, From>,
          &loop<std::int16_t, From>, &loop<std::int32_t, From>, &loop<std::int64_t, From>, &loop<f16_t, From>, &loop<bf16_t, From>, &loop<float, From>, &loop<double, From>,
          &loop<std::complex<float>, From>, &loop<std::complex<double>, From>};
}
constexpr std::array<Row, dtype_count> table = {row<bool>(), row<std::uint8_t>(), row<std::uint16_t>(), row<std::uint32_t>(), row<std::uint64_t>(), row<std::int8_t>(), row<std::int16_t>(),
                                                row<std::int32_t>(), row<std::int64_t>(), row<f16_t>(), row<bf16_t>(), row<float>(), row<double>(), row<std::complex<float>>(), row<std::complex<double>>()};
}  // namespace

Loop cast_loop(DType to, DType from) { return table[static_cast<std::size_t>(from)][static_cast<std::size_t>(to)]; }

}  // namespace functra::kernels
