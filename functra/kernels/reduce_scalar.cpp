// Reduction loops for the types that have no vector form: complex and 16-bit floats, the rarer integers, bool.
#include "functra/base/errors.h"
#include "functra/kernels/reduce_table.h"

#include <cstring>
#include <string>

namespace functra::kernels {
namespace {

// How a stored element is read into the type it is accumulated in.
template <class T> struct Wide { using type = T; };
template <> struct Wide<f16_t> { using type = float; };
template <> struct Wide<bf16_t> { using type = float; };
template <class T> typename Wide<T>::type widen(T v) { return v; }
float widen(f16_t v) { return to_float(v); }
float widen(bf16_t v) { return to_float(v); }
template <class T> void narrow(typename Wide<T>::type v, T* out) {
  if constexpr (std::is_same_v<T, f16_t>) *out = to_f16(v);
  else if constexpr (std::is_same_v<T, bf16_t>) *out = to_bf16(v);
  else *out = v;
}

template <Reduce op, class T>
void rows(const void* xv, std::int64_t n, std::int64_t stride, std::int64_t count, std::int64_t xs, void* ov, std::int64_t os) {
  using A = typename Wide<T>::type;
  auto* x = static_cast<const T*>(xv);
  auto* out = static_cast<T*>(ov);
  for (std::int64_t k = 0; k < count; ++k) {
    A r = identity_of<op, A>();
    for (std::int64_t i = 0; i < n; ++i) r = reduce_two<op, A>(r, widen(x[k * xs + i * stride]));
    narrow<T>(r, out + k * os);
  }
}
template <Reduce op, class T> void combine(void* ov, const void* xv, std::int64_t m) {
  using A = typename Wide<T>::type;
  auto* x = static_cast<const T*>(xv);
  auto* out = static_cast<T*>(ov);
  for (std::int64_t c = 0; c < m; ++c) narrow<T>(reduce_two<op, A>(widen(out[c]), widen(x[c])), out + c);
}
template <Reduce op, class T> void columns(const void* xv, std::int64_t n, std::int64_t stride, std::int64_t m, void* ov) {
  using A = typename Wide<T>::type;
  auto* x = static_cast<const T*>(xv);
  auto* out = static_cast<T*>(ov);
  A acc[kReduceStrip];
  for (std::int64_t c = 0; c < m; ++c) acc[c] = widen(x[c]);
  for (std::int64_t i = 1; i < n; ++i)
    for (std::int64_t c = 0; c < m; ++c) acc[c] = reduce_two<op, A>(acc[c], widen(x[i * stride + c]));
  for (std::int64_t c = 0; c < m; ++c) narrow<T>(acc[c], out + c);
}

template <Reduce op, class T> ReduceKernels kernels_of() { return {rows<op, T>, columns<op, T>, combine<op, T>}; }
template <class T> ReduceKernels kernels_of(Reduce op) {
  using A = typename Wide<T>::type;
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
  using A = typename Wide<T>::type;
  auto put = [&](A v) {
    T t;
    narrow<T>(v, &t);
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

template <class F> auto dispatch(DType d, F&& f) {
  switch (d) {
    case DType::u8: return f(std::uint8_t());
    case DType::u16: return f(std::uint16_t());
    case DType::u32: return f(std::uint32_t());
    case DType::u64: return f(std::uint64_t());
    case DType::i8: return f(std::int8_t());
    case DType::i16: return f(std::int16_t());
    case DType::i32: return f(std::int32_t());
    case DType::i64: return f(std::int64_t());
    case DType::f16: return f(f16_t());
    case DType::bf16: return f(bf16_t());
    case DType::f32: return f(float());
    case DType::f64: return f(double());
    case DType::c64: return f(std::complex<float>());
    case DType::c128: return f(std::complex<double>());
    default: return f(std::uint8_t());
  }
}

}  // namespace

ReduceKernels reduce_kernels(Reduce op, DType d) {
  if (is_bool(d)) return simd_reduce_kernels(on_bytes(op), DType::u8);
  if (ReduceKernels k = simd_reduce_kernels(op, d); k.rows) return k;
  ReduceKernels k = dispatch(d, [&](auto t) { return kernels_of<decltype(t)>(op); });
  if (!k.rows) refuse(op, d);
  return k;
}
void reduce_identity(Reduce op, DType d, void* out) {
  if (is_bool(d)) {
    *static_cast<std::uint8_t*>(out) = on_bytes(op) == Reduce::min;
    return;
  }
  if (!dispatch(d, [&](auto t) { return identity<decltype(t)>(op, out); })) refuse(op, d);
}

}  // namespace functra::kernels
