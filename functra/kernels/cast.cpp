// Casts between all element types and the choice by a mask: loops without formulas.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "functra/kernels/cast.cpp"
#include "functra/kernels/cast.h"

#include <algorithm>
#include <bit>
#include <complex>
#include <cstring>
#include <limits>
#include <tuple>
#include <utility>

#ifndef HWY_DISABLED_TARGETS
#define HWY_DISABLED_TARGETS (HWY_SSSE3 | HWY_SSE4 | HWY_AVX3)  // what limits these is memory
#endif
#include <hwy/foreach_target.h>  // after HWY_TARGET_INCLUDE
#include "functra/kernels/loops-inl.h"

HWY_BEFORE_NAMESPACE();
namespace functra {
namespace HWY_NAMESPACE {
namespace {
namespace hn = hwy::HWY_NAMESPACE;

template <class T> inline constexpr bool is_complex_type = false;
template <class T> inline constexpr bool is_complex_type<std::complex<T>> = true;
template <class T> inline constexpr bool is_half = std::is_same_v<T, f16_t> || std::is_same_v<T, bf16_t>;

// n is at most 64; a multiple of 8 where the vector instructions are used.
void widen_block(const f16_t* in, float* out, int n) {
  int i = 0;
#if HWY_ARCH_X86 && HWY_TARGET <= HWY_AVX2  // they have F16C
  constexpr hn::CappedTag<float, 8> d{};
  constexpr hn::Rebind<hwy::float16_t, decltype(d)> h{};
  for (; i + 8 <= n; i += 8) hn::StoreU(hn::PromoteTo(d, hn::LoadU(h, reinterpret_cast<const hwy::float16_t*>(in + i))), d, out + i);
#endif
  for (; i < n; ++i) out[i] = to_float(in[i]);
}
void narrow_block(const float* in, f16_t* out, int n) {
  int i = 0;
#if HWY_ARCH_X86 && HWY_TARGET <= HWY_AVX2  // they have F16C
  constexpr hn::CappedTag<float, 8> d{};
  constexpr hn::Rebind<hwy::float16_t, decltype(d)> h{};
  for (; i + 8 <= n; i += 8) hn::StoreU(hn::DemoteTo(h, hn::LoadU(d, in + i)), h, reinterpret_cast<hwy::float16_t*>(out + i));
#endif
  for (; i < n; ++i) out[i] = to_f16(in[i]);
}
void widen_block(const bf16_t* in, float* out, int n) {
  for (int i = 0; i < n; ++i) out[i] = std::bit_cast<float>(std::uint32_t{in[i].bits} << 16);
}
void narrow_block(const float* in, bf16_t* out, int n) {
  for (int i = 0; i < n; ++i) {
    const auto u = std::bit_cast<std::uint32_t>(in[i]);
    const std::uint32_t rounded = (u + 0x7fff + (u >> 16 & 1)) >> 16, quiet = u >> 16 | 0x40;
    out[i].bits = static_cast<std::uint16_t>((u & 0x7fffffff) > 0x7f800000 ? quiet : rounded);
  }
}

template <class To, class From> HWY_INLINE To convert_one(From x) {
  if constexpr (std::is_same_v<To, From>) {
    return x;
  } else if constexpr (is_complex_type<To>) {
    using R = typename To::value_type;
    if constexpr (is_complex_type<From>) return To(static_cast<R>(x.real()), static_cast<R>(x.imag()));
    else return To(static_cast<R>(x), R(0));
  } else if constexpr (is_complex_type<From>) {
    if constexpr (std::is_same_v<To, bool>) return x.real() != 0 || x.imag() != 0;
    else return convert_one<To>(x.real());
  } else if constexpr (std::is_same_v<To, bool>) {
    return x != 0;
  } else if constexpr (std::is_floating_point_v<From> && std::is_integral_v<To>) {
    constexpr From end = static_cast<From>(std::uint64_t{1} << (std::numeric_limits<To>::digits - 1)) * 2,
                   begin = std::is_signed_v<To> ? -end : From(0);
    const bool above = x >= end, below = x <= begin;
    const From inside = !above && !below && x == x ? x : From(0);
    return above ? std::numeric_limits<To>::max() : below ? std::numeric_limits<To>::min() : static_cast<To>(inside);
  } else {
    return static_cast<To>(x);
  }
}

template <class To, class From> void cast(const void* const* in, void* out, std::int64_t n, unsigned repeat, const void*) {
  if constexpr (!is_half<To> && !is_half<From>) {
    const auto f = [](From x) { return convert_one<To>(x); };
    detail::plain_loop<To, From>(f, f, in, out, n, repeat);
  } else {  // in blocks by way of f32
    using F = std::conditional_t<is_half<From>, float, From>;
    using T = std::conditional_t<is_half<To>, float, To>;
    constexpr int block = 64;
    F wide[block];
    T result[block];
    const From* x = static_cast<const From*>(in[0]);
    To* y = static_cast<To*>(out);
    for (std::int64_t i = 0; i < n; i += block) {
      const int m = static_cast<int>(std::min<std::int64_t>(block, n - i)), given = repeat & 1 ? 1 : m;
      if constexpr (is_half<From>) widen_block(repeat & 1 ? x : x + i, wide, given);
      else std::copy_n(repeat & 1 ? x : x + i, given, wide);
      for (int j = 0; j < m; ++j) result[j] = convert_one<T>(wide[repeat & 1 ? 0 : j]);
      if constexpr (is_half<To>) narrow_block(result, y + i, m);
      else std::copy_n(result, m, y + i);
    }
  }
}

struct Pair {
  std::uint64_t a, b;
};
template <class U> void choose(const void* const* in, void* out, std::int64_t n, unsigned repeat, const void*) {
  const auto f = [](std::uint8_t m, U yes, U no) { return m ? yes : no; };
  detail::plain_loop<U, std::uint8_t, U, U>(f, f, in, out, n, repeat);
}
template <class U> void choose_one(const void* const* in, void* out, const void*) {
  std::memcpy(out, *static_cast<const unsigned char*>(in[0]) ? in[1] : in[2], sizeof(U));
}

template <class... T> struct Types {
  template <class To> static constexpr void row(Loop (&loops)[dtype_count]) { ((loops[static_cast<int>(dtype_of<T>)] = &cast<To, T>), ...); }
};
using All = Types<bool, std::uint8_t, std::uint16_t, std::uint32_t, std::uint64_t, std::int8_t, std::int16_t, std::int32_t, std::int64_t, f16_t,
                  bf16_t, float, double, std::complex<float>, std::complex<double>>;
}  // namespace

struct CastTable {
  Loop loop[dtype_count][dtype_count];
};
template <class... T> constexpr CastTable cast_table_of(Types<T...>) {
  CastTable t{};
  (All::row<T>(t.loop[static_cast<int>(dtype_of<T>)]), ...);
  return t;
}
const CastTable* cast_table() {
  static constexpr CastTable t = cast_table_of(All());
  return &t;
}
Loop lookup_cast(DType to, DType from) { return cast_table()->loop[static_cast<int>(to)][static_cast<int>(from)]; }

template <class H> void widen_run(const H* in, float* out, std::int64_t n) {
  for (std::int64_t i = 0; i < n; i += 64) widen_block(in + i, out + i, static_cast<int>(n - i < 64 ? n - i : 64));
}
template <class H> void narrow_run(const float* in, H* out, std::int64_t n) {
  for (std::int64_t i = 0; i < n; i += 64) narrow_block(in + i, out + i, static_cast<int>(n - i < 64 ? n - i : 64));
}
bool has_f16() { return !HWY_ARCH_X86 || HWY_TARGET <= HWY_AVX2; }
void widen_f16(const f16_t* in, float* out, std::int64_t n) { widen_run(in, out, n); }
void widen_bf16(const bf16_t* in, float* out, std::int64_t n) { widen_run(in, out, n); }
void narrow_f16(const float* in, f16_t* out, std::int64_t n) { narrow_run(in, out, n); }
void narrow_bf16(const float* in, bf16_t* out, std::int64_t n) { narrow_run(in, out, n); }

constexpr FormulaTable select_table_of() {
  FormulaTable t;
  for (int d = 0; d < dtype_count; ++d) {
    switch (size_of(static_cast<DType>(d))) {
      case 1:
        t.loop[d] = choose<std::uint8_t>;
        t.one[d] = choose_one<std::uint8_t>;
        break;
      case 2:
        t.loop[d] = choose<std::uint16_t>;
        t.one[d] = choose_one<std::uint16_t>;
        break;
      case 4:
        t.loop[d] = choose<std::uint32_t>;
        t.one[d] = choose_one<std::uint32_t>;
        break;
      case 8:
        t.loop[d] = choose<std::uint64_t>;
        t.one[d] = choose_one<std::uint64_t>;
        break;
      default:
        t.loop[d] = choose<Pair>;
        t.one[d] = choose_one<Pair>;
        break;
    }
  }
  return t;
}
const FormulaTable& select_table() {
  static constexpr FormulaTable t = select_table_of();
  return t;
}

}  // namespace HWY_NAMESPACE
}  // namespace functra
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace functra {
HWY_EXPORT(lookup_cast);
HWY_EXPORT(widen_f16);
HWY_EXPORT(widen_bf16);
HWY_EXPORT(narrow_f16);
HWY_EXPORT(narrow_bf16);
HWY_EXPORT(has_f16);
HWY_EXPORT(select_table);
namespace kernels {
Loop cast_loop(DType to, DType from) { return HWY_DYNAMIC_DISPATCH(lookup_cast)(to, from); }
void widen(const f16_t* in, float* out, std::int64_t n) { HWY_DYNAMIC_DISPATCH(widen_f16)(in, out, n); }
void widen(const bf16_t* in, float* out, std::int64_t n) { HWY_DYNAMIC_DISPATCH(widen_bf16)(in, out, n); }
void narrow(const float* in, f16_t* out, std::int64_t n) { HWY_DYNAMIC_DISPATCH(narrow_f16)(in, out, n); }
void narrow(const float* in, bf16_t* out, std::int64_t n) { HWY_DYNAMIC_DISPATCH(narrow_bf16)(in, out, n); }
bool converts_f16() { return HWY_DYNAMIC_DISPATCH(has_f16)(); }
namespace {
void widen_any(DType half, const void* in, std::int64_t from, float* out, std::int64_t n) {
  if (half == f16) widen(static_cast<const f16_t*>(in) + from, out, n);
  else widen(static_cast<const bf16_t*>(in) + from, out, n);
}
void narrow_any(DType half, const float* in, void* out, std::int64_t from, std::int64_t n) {
  if (half == f16) narrow(in, static_cast<f16_t*>(out) + from, n);
  else narrow(in, static_cast<bf16_t*>(out) + from, n);
}
}  // namespace
void half_loop(Loop f32_loop, DType half, bool predicate, int n_in, const void* const* in, void* out, std::int64_t n, unsigned repeat,
               const void* params) {
  constexpr std::int64_t chunk = 512;
  alignas(64) float wide[3][chunk], result[chunk];
  const void* from[] = {wide[0], wide[1], wide[2]};
  for (std::int64_t i = 0; i < n; i += chunk) {
    const std::int64_t m = std::min(chunk, n - i);
    for (int k = 0; k < n_in; ++k) {
      const bool same = repeat >> k & 1;
      widen_any(half, in[k], same ? 0 : i, wide[k], same ? 1 : m);
    }
    f32_loop(from, predicate ? static_cast<void*>(static_cast<bool*>(out) + i) : result, m, repeat, params);
    if (!predicate) narrow_any(half, result, out, i, m);
  }
}
void half_one(void (*f32_one)(const void* const*, void*, const void*), DType half, bool predicate, int n_in, const void* const* in, void* out,
              const void* params) {
  float wide[3], result;
  const void* from[] = {&wide[0], &wide[1], &wide[2]};
  for (int k = 0; k < n_in; ++k) widen_any(half, in[k], 0, &wide[k], 1);
  f32_one(from, predicate ? out : &result, params);
  if (!predicate) narrow_any(half, &result, out, 0, 1);
}
const FormulaTable& select_loops() { return HWY_DYNAMIC_DISPATCH(select_table)(); }
}  // namespace kernels
}  // namespace functra
#endif
