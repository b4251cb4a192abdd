// SIMD vectors as a Num type (base/num.h), per instruction set; no include guard. Wraps Highway's vectors with operators. On the
// baseline, which has no FMA and few vector operations, plain numbers take their place.
#include <hwy/highway.h>

#undef FUNCTRA_NUM_BEGIN
#undef FUNCTRA_NUM_END
#undef FUNCTRA_NUM_NO_FMA
#undef FUNCTRA_HAVE_SIMD
#define FUNCTRA_NUM_BEGIN \
  HWY_BEFORE_NAMESPACE(); \
  namespace functra {     \
  namespace HWY_NAMESPACE {
#define FUNCTRA_NUM_END \
  }                     \
  }                     \
  HWY_AFTER_NAMESPACE();
#if !HWY_NATIVE_FMA
#define FUNCTRA_NUM_NO_FMA 1
#endif
#if HWY_TARGET == HWY_SCALAR || HWY_TARGET == HWY_EMU128
#define FUNCTRA_HAVE_SIMD 0
#else
#define FUNCTRA_HAVE_SIMD 1
#endif

#include "functra/base/num-inl.h"

#if FUNCTRA_HAVE_SIMD
HWY_BEFORE_NAMESPACE();
namespace functra {
namespace HWY_NAMESPACE {
namespace num {
namespace hn = hwy::HWY_NAMESPACE;

template <class D> struct SimdMask { hn::Mask<D> m; };
template <class D> struct Simd {
  using Tag = D;
  using Scalar = hn::TFromD<D>;
  using Mask = SimdMask<D>;
  using Bits = Simd<hn::RebindToUnsigned<D>>;
  using T = hn::TFromD<D>;
  using V = hn::Vec<D>;
  V v;
  FUNCTRA_INLINE Simd(V x) : v(x) {}
  template <Number A> FUNCTRA_INLINE explicit Simd(A c) : v(hn::Set(D(), static_cast<T>(c))) {}
};

#define FUNCTRA_SIMD_BINARY(op) \
  template <class D> FUNCTRA_INLINE Simd<D> operator op(Simd<D> a, Simd<D> b) { return a.v op b.v; }
FUNCTRA_SIMD_BINARY(+)
FUNCTRA_SIMD_BINARY(-)
FUNCTRA_SIMD_BINARY(*)
FUNCTRA_SIMD_BINARY(/)
#undef FUNCTRA_SIMD_BINARY
template <class D> FUNCTRA_INLINE Simd<D> operator&(Simd<D> a, Simd<D> b) { return hn::And(a.v, b.v); }
template <class D> FUNCTRA_INLINE Simd<D> operator|(Simd<D> a, Simd<D> b) { return hn::Or(a.v, b.v); }
template <class D> FUNCTRA_INLINE Simd<D> operator^(Simd<D> a, Simd<D> b) { return hn::Xor(a.v, b.v); }
template <class D> FUNCTRA_INLINE Simd<D> operator-(Simd<D> a) { return hn::Neg(a.v); }
#define FUNCTRA_SIMD_COMPARE(op) \
  template <class D> FUNCTRA_INLINE SimdMask<D> operator op(Simd<D> a, Simd<D> b) { return {a.v op b.v}; }
FUNCTRA_SIMD_COMPARE(==)
FUNCTRA_SIMD_COMPARE(<)
FUNCTRA_SIMD_COMPARE(<=)
FUNCTRA_SIMD_COMPARE(>)
FUNCTRA_SIMD_COMPARE(>=)
#undef FUNCTRA_SIMD_COMPARE
template <class D> FUNCTRA_INLINE SimdMask<D> operator!=(Simd<D> a, Simd<D> b) { return {hn::Not(a.v == b.v)}; }  // Highway's is false for NaN
template <class D> FUNCTRA_INLINE SimdMask<D> operator&(SimdMask<D> a, SimdMask<D> b) { return {hn::And(a.m, b.m)}; }
template <class D> FUNCTRA_INLINE SimdMask<D> operator|(SimdMask<D> a, SimdMask<D> b) { return {hn::Or(a.m, b.m)}; }
template <class D> FUNCTRA_INLINE SimdMask<D> operator^(SimdMask<D> a, SimdMask<D> b) { return {hn::Xor(a.m, b.m)}; }
template <class D> FUNCTRA_INLINE SimdMask<D> operator!(SimdMask<D> a) { return {hn::Not(a.m)}; }

template <class D> FUNCTRA_INLINE Simd<D> fma(Simd<D> a, Simd<D> b, Simd<D> c) { return hn::MulAdd(a.v, b.v, c.v); }
template <class D> FUNCTRA_INLINE Simd<D> fma_exact(Simd<D> a, Simd<D> b, Simd<D> c) { return hn::MulAdd(a.v, b.v, c.v); }
template <class D> FUNCTRA_INLINE Simd<D> sqrt(Simd<D> x) { return hn::Sqrt(x.v); }
template <class D> FUNCTRA_INLINE Simd<D> abs(Simd<D> x) { return hn::Abs(x.v); }
template <class D> FUNCTRA_INLINE Simd<D> floor(Simd<D> x) { return hn::Floor(x.v); }
template <class D> FUNCTRA_INLINE Simd<D> ceil(Simd<D> x) { return hn::Ceil(x.v); }
template <class D> FUNCTRA_INLINE Simd<D> trunc(Simd<D> x) { return hn::Trunc(x.v); }
template <class D> FUNCTRA_INLINE Simd<D> rint(Simd<D> x) { return hn::Round(x.v); }
template <class D> FUNCTRA_INLINE Simd<D> copysign(Simd<D> x, Simd<D> y) { return hn::CopySign(x.v, y.v); }
template <class M, class D> FUNCTRA_INLINE Simd<D> select(SimdMask<M> m, Simd<D> a, Simd<D> b) {
  if constexpr (std::is_same_v<M, D>) return hn::IfThenElse(m.m, a.v, b.v);
  else return hn::IfThenElse(hn::RebindMask(D(), m.m), a.v, b.v);  // of a comparison of bits
}
// In the same words as for plain numbers, so that signed zeros agree.
template <class D> FUNCTRA_INLINE Simd<D> min(Simd<D> a, Simd<D> b) { return select((a < b) | (a != a), a, b); }
template <class D> FUNCTRA_INLINE Simd<D> max(Simd<D> a, Simd<D> b) { return select((a > b) | (a != a), a, b); }
template <class D> FUNCTRA_INLINE bits_of<Simd<D>> bits(Simd<D> x) { return hn::BitCast(hn::RebindToUnsigned<D>(), x.v); }
template <class X>
concept AnySimd = requires(X x) {
  hn::GetLane(x.v);
};
template <AnySimd X> FUNCTRA_INLINE X from_bits(bits_of<X> u) { return hn::BitCast(typename X::Tag(), u.v); }
template <int k, class D> FUNCTRA_INLINE Simd<D> shl(Simd<D> x) { return hn::ShiftLeft<k>(x.v); }
template <int k, class D> FUNCTRA_INLINE Simd<D> shr(Simd<D> x) { return hn::ShiftRight<k>(x.v); }

// In double by halves; the lanes of a float vector and of its halves correspond.
template <class F, class D, class... X> FUNCTRA_INLINE Simd<D> widen(F f, Simd<D> x, X... more) {
  constexpr hn::Half<D> half{};
  constexpr hn::Repartition<double, D> wide{};
  using W = Simd<hn::Repartition<double, D>>;
  const auto lo = f(W(hn::PromoteTo(wide, hn::LowerHalf(half, x.v))), W(hn::PromoteTo(wide, hn::LowerHalf(half, more.v)))...);
  const auto hi = f(W(hn::PromoteTo(wide, hn::UpperHalf(half, x.v))), W(hn::PromoteTo(wide, hn::UpperHalf(half, more.v)))...);
  return hn::Combine(D(), hn::DemoteTo(half, hi.v), hn::DemoteTo(half, lo.v));
}

template <class D, class F, class... A> HWY_NOINLINE Simd<D> rare_lanes(SimdMask<D> m, Simd<D> value, const F& f, const A&... args) {
  constexpr std::size_t n = hn::MaxLanes(D());
  using T = hn::TFromD<D>;
  HWY_ALIGN T y[n];
  HWY_ALIGN T in[sizeof...(args)][n];
  std::uint8_t set[8] = {};
  hn::Store(value.v, D(), y);
  std::size_t k = 0;
  (hn::Store(args.v, D(), in[k++]), ...);
  hn::StoreMaskBits(D(), m.m, set);
  for (std::size_t i = 0; i < n; ++i) {
    if (!(set[i / 8] >> (i % 8) & 1)) continue;
    if constexpr (sizeof...(args) == 1) {
      if constexpr (sizeof(T) == 4) y[i] = f.f32(in[0][i]);
      else y[i] = f.f64(in[0][i]);
    } else {
      if constexpr (sizeof(T) == 4) y[i] = f.f32(in[0][i], in[1][i]);
      else y[i] = f.f64(in[0][i], in[1][i]);
    }
  }
  return hn::Load(D(), y);
}
template <class D, class F, class... A> FUNCTRA_INLINE Simd<D> rare(SimdMask<D> m, Simd<D> value, const F& f, A... args) {
  if (HWY_UNLIKELY(!hn::AllFalse(D(), m.m))) return rare_lanes(m, value, f, args...);
  return value;
}

}  // namespace num
}  // namespace HWY_NAMESPACE
}  // namespace functra
HWY_AFTER_NAMESPACE();
#endif
