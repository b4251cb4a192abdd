// The inner loops of reductions by type and operation, as untyped pointers that reduce.cpp plans with.
#pragma once
#include <cmath>
#include <complex>
#include <cstdint>
#include <limits>
#include <type_traits>

#include "functra/base/dtype.h"
#include "functra/kernels/reduce.h"

namespace functra::kernels {

struct ReduceKernels {
  // out[k * os] = op over i < n of x[k * xs + i * stride], for k < count.
  void (*rows)(const void* x, std::int64_t n, std::int64_t stride, std::int64_t count, std::int64_t xs, void* out, std::int64_t os) = nullptr;
  // out[c] = op over i < n of x[i * stride + c], for c < m <= kReduceStrip; n >= 1.
  void (*columns)(const void* x, std::int64_t n, std::int64_t stride, std::int64_t m, void* out) = nullptr;
  // out[c] = op(out[c], x[c]) for c < m.
  void (*combine)(void* out, const void* x, std::int64_t m) = nullptr;
};
inline constexpr std::int64_t kReduceStrip = 512;

ReduceKernels reduce_kernels(Reduce op, DType d);       // no rows where the type lacks the operation
ReduceKernels simd_reduce_kernels(Reduce op, DType d);  // f32, f64, i32, i64, u8; no rows for the others

// The operation on two values; NaN wins in max and min.
template <Reduce op, class T> inline T reduce_two(T a, T b) {
  if constexpr (op == Reduce::sum) {
    if constexpr (std::is_integral_v<T>) return static_cast<T>(static_cast<std::make_unsigned_t<T>>(a) + static_cast<std::make_unsigned_t<T>>(b));
    else return a + b;
  } else if constexpr (op == Reduce::prod) {
    if constexpr (std::is_integral_v<T>) return static_cast<T>(static_cast<std::uint64_t>(a) * static_cast<std::uint64_t>(b));
    else return a * b;
  } else if constexpr (op == Reduce::max) {
    return a > b || a != a ? a : b;
  } else if constexpr (op == Reduce::min) {
    return a < b || a != a ? a : b;
  } else if constexpr (op == Reduce::and_) {
    return static_cast<T>(a & b);
  } else {
    return static_cast<T>(a | b);
  }
}
template <Reduce op, class T> T identity_of() {
  using L = std::numeric_limits<T>;
  if constexpr (op == Reduce::sum || op == Reduce::or_) return T(0);
  else if constexpr (op == Reduce::prod) return T(1);
  else if constexpr (op == Reduce::and_) return static_cast<T>(~T(0));
  else if constexpr (op == Reduce::max) return L::has_infinity ? -L::infinity() : L::lowest();
  else return L::has_infinity ? L::infinity() : L::max();
}

}  // namespace functra::kernels
