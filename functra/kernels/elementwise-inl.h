// For family files: FUNCTRA_FORMULA compiles a formula once per instruction set. Such a file begins with
//
//   #undef HWY_TARGET_INCLUDE
//   #define HWY_TARGET_INCLUDE "functra/prims/math.cpp"  // itself
//   #include "functra/kernels/elementwise-inl.h"
//   FUNCTRA_FORMULA(sin, floating, (auto x), num::sin(x))
//   #if HWY_ONCE
//   ... everything else, compiled once, uses functra::sin_formula
//   #endif
//
// and is included by itself, through Highway, once per instruction set.
#include "functra/kernels/elementwise.h"

#include <algorithm>
#include <complex>
#include <tuple>

#ifndef HWY_DISABLED_TARGETS
#define HWY_DISABLED_TARGETS (HWY_SSSE3 | HWY_SSE4)  // three instruction sets: baseline, AVX2, AVX-512
#endif
#include <hwy/foreach_target.h>  // after HWY_TARGET_INCLUDE

#include "functra/base/num.h"
#include "functra/kernels/cast.h"
#include "functra/kernels/simd-inl.h"  // no include guard, as all below
#include "functra/kernels/loops-inl.h"
#include "functra/base/num_exp-inl.h"
#include "functra/base/num_trig-inl.h"
#include "functra/base/num_erf-inl.h"
#include "functra/base/num_basic-inl.h"

#ifndef FUNCTRA_KERNELS_DTYPE_SETS
#define FUNCTRA_KERNELS_DTYPE_SETS
namespace functra::kernels {
// Sets of element types, one bit each. With f32 come the 16-bit floats, computed in f32.
template <class... D> constexpr unsigned dtype_bits(D... d) { return ((1u << static_cast<int>(d)) | ...); }
inline constexpr unsigned floating = dtype_bits(f32, f64), boolean = dtype_bits(bool_), complexes = dtype_bits(c64, c128),
                          signed_integers = dtype_bits(i8, i16, i32, i64), integers = signed_integers | dtype_bits(u8, u16, u32, u64),
                          real = integers | floating, integers_and_bool = integers | boolean, real_and_bool = real | boolean,
                          arithmetic = real | complexes, arithmetic_and_bool = arithmetic | boolean;
}  // namespace functra::kernels
#endif

HWY_BEFORE_NAMESPACE();
namespace functra {
namespace HWY_NAMESPACE {
namespace detail {

template <class F, class T, class I> struct EvalAs;
template <class F, class T, std::size_t... k> struct EvalAs<F, T, std::index_sequence<k...>> {
  // Integers wrap; what is stored is the operands' type, or bool.
  using Arg = std::conditional_t<std::is_integral_v<T> && !std::is_same_v<T, bool>, num::Int<T>, T>;
  using Result = decltype(F::eval(nullptr, (static_cast<void>(k), Arg(T()))...));
  using Out = std::conditional_t<std::is_same_v<Result, bool>, bool, T>;
  FUNCTRA_INLINE static Out unwrap(Result r) {
    if constexpr (requires { r.v; }) return r.v;
    else return static_cast<Out>(r);
  }
  static constexpr bool on_vectors = FUNCTRA_HAVE_SIMD && std::is_floating_point_v<T> && std::is_same_v<T, Out>;

  // One copy of the code for single elements.
  static HWY_NOINLINE Out plain(decltype((static_cast<void>(k), T()))... x) requires(!F::has_params) { return unwrap(F::eval(nullptr, Arg(x)...)); }
  static Out scalar(decltype((static_cast<void>(k), T()))... x, const void* params) {
    if constexpr (F::has_params) return unwrap(F::eval(params, Arg(x)...));
    else return plain(x...);
  }
  static void one(const void* const* in, void* out, const void* params) {
    *static_cast<Out*>(out) = scalar(*static_cast<const T*>(in[k])..., params);
  }

#if FUNCTRA_HAVE_SIMD
  static void vector_loop(const void* const* in, void* out, std::int64_t n, unsigned repeat, const void* params) {
    namespace hn = hwy::HWY_NAMESPACE;
    constexpr hn::ScalableTag<T> d{};
    constexpr std::int64_t lanes = HWY_LANES(T);
    HWY_ALIGN T same[sizeof...(k)][HWY_LANES(T)];
    const T* p[] = {static_cast<const T*>(in[k])...};
    T* o = static_cast<T*>(out);
    std::int64_t step[sizeof...(k)];
    for (std::size_t i = 0; i < sizeof...(k); ++i) {
      step[i] = lanes;
      if (!(repeat >> i & 1)) continue;
      hn::Store(hn::Set(d, *p[i]), d, same[i]);
      p[i] = same[i];
      step[i] = 0;
    }
    using X = num::Simd<hn::ScalableTag<T>>;
    HWY_ALIGN T last[sizeof...(k)][HWY_LANES(T)], result[HWY_LANES(T)];
    for (; n > 0; n -= lanes, o += lanes) {
      T* to = o;
      if (HWY_UNLIKELY(n < lanes)) {  // filled up with the first element, so that no lane is odd but the user's
        for (std::size_t i = 0; i < sizeof...(k); ++i) {
          hn::Store(hn::Set(d, *p[i]), d, last[i]);
          for (std::int64_t j = 1; j < n; ++j) last[i][j] = p[i][j];
          p[i] = last[i];
        }
        to = result;
      }
      hn::StoreU(F::eval(params, X(hn::LoadU(d, p[k]))...).v, d, to);
      ((p[k] += step[k]), ...);
    }
    for (std::int64_t j = 0; j < n + lanes && n < 0; ++j) o[j - lanes] = result[j];
  }
#endif
  static void loop(const void* const* in, void* out, std::int64_t n, unsigned repeat, const void* params) {
#if FUNCTRA_HAVE_SIMD
    if constexpr (on_vectors) return vector_loop(in, out, n, repeat, params);
#endif
    if constexpr (!FUNCTRA_HAVE_SIMD && std::is_same_v<T, Out> && std::is_floating_point_v<T>) {  // the baseline: small rather than fast
      const std::int64_t step[] = {(repeat >> k & 1 ? 0 : 1)...};
      for (std::int64_t i = 0; i < n; ++i) static_cast<T*>(out)[i] = scalar(static_cast<const T*>(in[k])[i * step[k]]..., params);
    } else if constexpr (!on_vectors) {
      plain_loop<Out, decltype((static_cast<void>(k), T()))...>([=](auto... x) { return unwrap(F::eval(params, Arg(x)...)); },
                                                                [=](auto... x) { return scalar(x..., params); }, in, out, n, repeat);
    }
  }
};

// 16-bit floats are computed in f32.
template <class F, DType half, class I> struct EvalHalf {
  using E = EvalAs<F, float, I>;
  static constexpr bool predicate = std::is_same_v<typename E::Out, bool>;
  static void loop(const void* const* in, void* out, std::int64_t n, unsigned repeat, const void* params) {
    kernels::half_loop(&E::loop, half, predicate, I::size(), in, out, n, repeat, params);
  }
  static void one(const void* const* in, void* out, const void* params) { kernels::half_one(&E::one, half, predicate, I::size(), in, out, params); }
};

template <class F, unsigned set, class T, class I> constexpr void fill_table(FormulaTable& t) {
  constexpr int d = static_cast<int>(dtype_of<T>);
  if constexpr (set >> d & 1) {
    using E = EvalAs<F, T, I>;
    t.loop[d] = &E::loop;
    t.one[d] = &E::one;
    if constexpr (!F::has_params && std::is_same_v<typename E::Out, T>) {
      if constexpr (std::is_same_v<T, double> && I::size() == 1) t.f64_1 = &E::plain;
      if constexpr (std::is_same_v<T, float> && I::size() == 1) t.f32_1 = &E::plain;
      if constexpr (std::is_same_v<T, double> && I::size() == 2) t.f64_2 = &E::plain;
      if constexpr (std::is_same_v<T, float> && I::size() == 2) t.f32_2 = &E::plain;
    }
    if constexpr (std::is_same_v<T, float>) {
      t.loop[static_cast<int>(f16)] = &EvalHalf<F, f16, I>::loop;
      t.one[static_cast<int>(f16)] = &EvalHalf<F, f16, I>::one;
      t.loop[static_cast<int>(bf16)] = &EvalHalf<F, bf16, I>::loop;
      t.one[static_cast<int>(bf16)] = &EvalHalf<F, bf16, I>::one;
    }
  }
}
template <class F, unsigned set, int n, class... T> constexpr FormulaTable make_table() {
  FormulaTable t;
  (fill_table<F, set, T, std::make_index_sequence<n>>(t), ...);
  return t;
}
template <class F, unsigned set, int n> inline constexpr FormulaTable table_of =
    make_table<F, set, n, bool, std::uint8_t, std::uint16_t, std::uint32_t, std::uint64_t, std::int8_t, std::int16_t, std::int32_t, std::int64_t,
               float, double, std::complex<float>, std::complex<double>>();

// Is the result bool, whatever the operands?
template <class F, unsigned set, int n> constexpr bool predicate_of() {
  using I = std::make_index_sequence<n>;
  if constexpr ((set & kernels::floating) != 0) return std::is_same_v<typename EvalAs<F, float, I>::Out, bool>;
  else if constexpr ((set & kernels::integers) != 0) return std::is_same_v<typename EvalAs<F, std::int32_t, I>::Out, bool>;
  else return true;
}

template <class F, unsigned set, class T, std::size_t... k> Sym emit_as(std::span<const Sym> in, const void* params, std::index_sequence<k...>) {
  return F::eval(params, num::SymOf<T>(in[k])...);
}
template <class F, unsigned set, int n, class... T> Sym emit_of(Emitter& e, std::span<const Sym> in, const void* params) {
  EmitScope scope(e);
  Sym y{};
  static_cast<void>(((set >> static_cast<int>(dtype_of<T>) & 1 && in[0].dtype == dtype_of<T> && ([&] {
    if constexpr (set >> static_cast<int>(dtype_of<T>) & 1) y = emit_as<F, set, T>(in, params, std::make_index_sequence<n>());
  }(), true)) || ...));
  return y;
}
template <class F, unsigned set, int n> Sym emit(Emitter& e, std::span<const Sym> in, const void* params) {
  return emit_of<F, set, n, bool, std::uint8_t, std::uint16_t, std::uint32_t, std::uint64_t, std::int8_t, std::int16_t, std::int32_t, std::int64_t,
                 float, double>(e, in, params);
}

}  // namespace detail
}  // namespace HWY_NAMESPACE
}  // namespace functra
HWY_AFTER_NAMESPACE();

// FUNCTRA_FORMULA(name, set of element types, (auto x, auto y), expression): defines `constexpr Formula functra::name_formula`.
// With parameters, which the expression knows as `p`: FUNCTRA_FORMULA_P(name, set, ParamsType, (auto x), expression).
#ifndef FUNCTRA_FORMULA
#define FUNCTRA_COUNT_(a, b, c, n, ...) n
#define FUNCTRA_COUNT(...) FUNCTRA_COUNT_(__VA_ARGS__, 3, 2, 1)
#define FUNCTRA_STRIP(...) __VA_ARGS__
#define FUNCTRA_FORMULA(name, set, args, ...) \
  FUNCTRA_FORMULA_TARGET(name, set, false, args, return __VA_ARGS__;) FUNCTRA_FORMULA_ONCE(name, set, args)
#define FUNCTRA_FORMULA_P(name, set, P, args, ...)                                                                \
  FUNCTRA_FORMULA_TARGET(name, set, true, args, const P& p = *static_cast<const P*>(params); return __VA_ARGS__;) \
  FUNCTRA_FORMULA_ONCE(name, set, args)
#define FUNCTRA_FORMULA_TARGET(name, set, with_params, args, ...)                                                    \
  HWY_BEFORE_NAMESPACE();                                                                                            \
  namespace functra {                                                                                                \
  namespace HWY_NAMESPACE {                                                                                          \
  namespace { /* names are those of one file: another may have a formula of the same name */                         \
  struct name##_f {                                                                                                  \
    static constexpr bool has_params = with_params;                                                                  \
    FUNCTRA_INLINE static auto eval([[maybe_unused]] const void* params, FUNCTRA_STRIP args) { __VA_ARGS__ }         \
  };                                                                                                                 \
  inline const FormulaTable& name##_table() { return detail::table_of<name##_f, kernels::set, FUNCTRA_COUNT args>; } \
  }                                                                                                                  \
  }                                                                                                                  \
  }                                                                                                                  \
  HWY_AFTER_NAMESPACE();
#endif

#undef FUNCTRA_FORMULA_ONCE
#if HWY_ONCE
#define FUNCTRA_FORMULA_ONCE(name, set, args)                                                                                      \
  namespace functra {                                                                                                              \
  HWY_EXPORT(name##_table);                                                                                                        \
  [[maybe_unused]] static constexpr Formula name##_formula{                                                                        \
      #name, FUNCTRA_COUNT args, HWY_NAMESPACE::detail::predicate_of<HWY_NAMESPACE::name##_f, kernels::set, FUNCTRA_COUNT args>(), \
      +[]() -> const FormulaTable& { return HWY_DYNAMIC_DISPATCH(name##_table)(); },                                               \
      &HWY_NAMESPACE::detail::emit<HWY_NAMESPACE::name##_f, kernels::set, FUNCTRA_COUNT args>};                                    \
  }
#else
#define FUNCTRA_FORMULA_ONCE(name, set, args)
#endif
