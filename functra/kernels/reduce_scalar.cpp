// Reduction loops for the types that have no vector form: complex and 16-bit floats, the rarer integers, bool.
#include "functra/base/errors.h"
#include "functra/kernels/reduce_table.h"
#include "functra/kernels/types.h"

#include <cstring>
#include <string>

namespace functra::kernels {
namespace {

template <Reduce op, class T>
void rows(const void* xv, std::int64_t n, std::int64_t stride, std::int64_t count, std::int64_t xs, void* ov, std::int64_t os) {
  using A = Wide<T>;
  auto* x = static_cast<const T*>(xv);
  auto* out = static_cast<T*>(ov);
  for (std::int64_t k = 0; k < count; ++k) {
    A r = identity_of<op, A>();
    for (std::int64_t i = 0; i < n; ++i) r = reduce_two<op, A>(r, wide(x[k * xs + i * stride]));
    out[k * os] = narrow<T>(r);
  }
}
template <Reduce op, class T> void combine(void* ov, const void* xv, std::int64_t m) {
  using A = Wide<T>;
  auto* x = static_cast<const T*>(xv);
  auto* out = static_cast<T*>(ov);
  for (std::int64_t c = 0; c < m; ++c) out[c] = narrow<T>(reduce_two<op, A>(wide(out[c]), wide(x[c])));
}
template <Reduce op, class T> void columns(const void* xv, std::int64_t n, std::int64_t stride, std::int64_t m, void* ov) {
  using A = Wide<T>;
  auto* x = static_cast<const T*>(xv);
  auto* out = static_cast<T*>(ov);
  A acc[kReduceStrip];
  for (std::int64_t c = 0; c < m; ++c) acc[c] = wide(x[c]);
  for (std::int64_t i = 1; i < n; ++i)
    for (std::int64_t c = 0; c < m; ++c) acc[c] = reduce_two<op, A>(acc[c], wide(x[i * stride + c]));
  for (std::int64_t c = 0; c < m; ++c) out[c] = narrow<T>(acc[c]);
}

template <Reduce op, class T> ReduceKernels kernels_of() { return {rows<op, T>, columns<op, T>, combine<op, T>}; }
template <class T> ReduceKernels kernels_of(Reduce op) {
  using A = Wide<T>;
  if (op == Reduce::sum) return kernels_of<Reduce::sum, T>();
  if (op == Reduce::prod) return kernels_of<Reduce::prod, T>();
  if constexpr (std::is_arithmetic_v<A>) {
    if (op == Reduce::max) return kernels_of<Reduce::max, T>();
    if (op == Reduce::min) return kernels_of<Reduce::min, T>();
  }
  if constexpr (std::is_integral_v<A>) return op == Reduce::and_ ? kernels_of<Reduce::and_, T>() : kernels_of<Reduce::or_, T>();
  return {};
}
template <class T> bool identity(Reduce op, void* out) {
  using A = Wide<T>;
  auto put = [&](A v) {
    T t = narrow<T>(v);
    std::memcpy(out, &t, sizeof t);
    return true;
  };
  if (op == Reduce::sum) return put(identity_of<Reduce::sum, A>());
  if (op == Reduce::prod) return put(identity_of<Reduce::prod, A>());
  if constexpr (std::is_arithmetic_v<A>) {
    if (op == Reduce::max) return put(identity_of<Reduce::max, A>());
    if (op == Reduce::min) return put(identity_of<Reduce::min, A>());
  }
  if constexpr (std::is_integral_v<A>) return put(op == Reduce::and_ ? identity_of<Reduce::and_, A>() : identity_of<Reduce::or_, A>());
  return false;
}

// bool is stored as bytes of 0 and 1, where and is min and or is max.
Reduce on_bytes(Reduce op) {
  switch (op) {
    case Reduce::sum:
    case Reduce::or_: return Reduce::max;
    case Reduce::prod:
    case Reduce::and_: return Reduce::min;
    default: return op;
  }
}
[[noreturn]] void refuse(Reduce op, DType d) {
  constexpr const char* names[] = {"sum", "prod", "max", "min", "and", "or"};
  throw DTypeError(std::string("reduce: ") + names[static_cast<int>(op)] + " is not defined for " + std::string(name_of(d)) +
                   "; convert the tensor first");
}

}  // namespace

ReduceKernels reduce_kernels(Reduce op, DType d) {
  if (is_bool(d)) return simd_reduce_kernels(on_bytes(op), DType::u8);
  if (ReduceKernels k = simd_reduce_kernels(op, d); k.rows) return k;
  ReduceKernels k;
  if (!with_any(d, [&]<class T>(T) { return (k = kernels_of<T>(op)).rows != nullptr; })) refuse(op, d);
  return k;
}
void reduce_identity(Reduce op, DType d, void* out) {
  if (is_bool(d)) {
    *static_cast<std::uint8_t*>(out) = on_bytes(op) == Reduce::min;
    return;
  }
  if (!with_any(d, [&]<class T>(T) { return identity<T>(op, out); })) refuse(op, d);
}

}  // namespace functra::kernels
