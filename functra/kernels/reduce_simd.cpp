// Inner loops of reductions on vectors, compiled once per instruction set.
#undef HWY_DISABLED_TARGETS
#define HWY_DISABLED_TARGETS (HWY_SSSE3 | HWY_SSE4 | HWY_AVX3_DL)
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "functra/kernels/reduce_simd.cpp"
#include <hwy/foreach_target.h>

#include <hwy/highway.h>

#include "functra/kernels/reduce_table.h"

HWY_BEFORE_NAMESPACE();
namespace functra::kernels {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;
using std::int64_t;

// One step of a reduction on vectors. Max and min of floats note NaN lanes on the side, since the instructions drop them.
template <Reduce op, class T> struct Op {
  using D = hn::ScalableTag<T>;
  using V = hn::Vec<D>;
  static constexpr bool kNan = std::is_floating_point_v<T> && (op == Reduce::max || op == Reduce::min);
  static HWY_INLINE V plain(V a, V b) {
    if constexpr (op == Reduce::sum) return hn::Add(a, b);
    else if constexpr (op == Reduce::prod) return hn::Mul(a, b);
    else if constexpr (op == Reduce::max) return hn::Max(a, b);
    else if constexpr (op == Reduce::min) return hn::Min(a, b);
    else if constexpr (op == Reduce::and_) return hn::And(a, b);
    else return hn::Or(a, b);
  }
  static HWY_INLINE V two(V a, V b) {
    if constexpr (kNan) return hn::IfThenElse(hn::IsNaN(a), a, hn::IfThenElse(hn::IsNaN(b), b, plain(a, b)));
    else return plain(a, b);
  }
  template <bool nan, int dummy = 0> struct Acc {
    V v;
    HWY_INLINE void start(V x) { v = x; }
    HWY_INLINE void step(V x) { v = plain(v, x); }
    HWY_INLINE V done() const { return v; }
  };
  template <int dummy> struct Acc<true, dummy> {
    V v;
    hn::Mask<D> bad;
    HWY_INLINE void start(V x) {
      v = x;
      bad = hn::IsNaN(x);
    }
    HWY_INLINE void step(V x) {
      v = plain(v, x);
      bad = hn::Or(bad, hn::IsNaN(x));
    }
    HWY_INLINE V done() const { return hn::IfThenElse(bad, hn::Set(D(), std::numeric_limits<T>::quiet_NaN()), v); }
  };
  using A = Acc<kNan>;
};

constexpr int64_t kBlock = 128;  // vectors: sixteen steps for each of eight accumulators, then a tree

template <Reduce op, class T> HWY_NOINLINE hn::Vec<hn::ScalableTag<T>> block(const T* x, int64_t nv) {
  using O = Op<op, T>;
  const hn::ScalableTag<T> d;
  const int64_t N = static_cast<int64_t>(hn::Lanes(d));
  if (nv < 8) {
    auto v = hn::LoadU(d, x);
    for (int64_t i = 1; i < nv; ++i) v = O::two(v, hn::LoadU(d, x + i * N));
    return v;
  }
  typename O::A a0, a1, a2, a3, a4, a5, a6, a7;
  a0.start(hn::LoadU(d, x));
  a1.start(hn::LoadU(d, x + N));
  a2.start(hn::LoadU(d, x + 2 * N));
  a3.start(hn::LoadU(d, x + 3 * N));
  a4.start(hn::LoadU(d, x + 4 * N));
  a5.start(hn::LoadU(d, x + 5 * N));
  a6.start(hn::LoadU(d, x + 6 * N));
  a7.start(hn::LoadU(d, x + 7 * N));
  int64_t i = 8;
  for (; i + 8 <= nv; i += 8) {
    const T* p = x + i * N;
    a0.step(hn::LoadU(d, p));
    a1.step(hn::LoadU(d, p + N));
    a2.step(hn::LoadU(d, p + 2 * N));
    a3.step(hn::LoadU(d, p + 3 * N));
    a4.step(hn::LoadU(d, p + 4 * N));
    a5.step(hn::LoadU(d, p + 5 * N));
    a6.step(hn::LoadU(d, p + 6 * N));
    a7.step(hn::LoadU(d, p + 7 * N));
  }
  for (; i < nv; ++i) a0.step(hn::LoadU(d, x + i * N));
  return O::two(O::two(O::two(a0.done(), a1.done()), O::two(a2.done(), a3.done())),
                O::two(O::two(a4.done(), a5.done()), O::two(a6.done(), a7.done())));
}
template <Reduce op, class T> hn::Vec<hn::ScalableTag<T>> tree(const T* x, int64_t nv) {
  if (nv <= kBlock) return block<op>(x, nv);
  const hn::ScalableTag<T> d;
  int64_t half = (nv / 2 + kBlock - 1) / kBlock * kBlock;
  auto a = tree<op>(x, half);
  return Op<op, T>::two(a, tree<op>(x + half * static_cast<int64_t>(hn::Lanes(d)), nv - half));
}
template <Reduce op, class T> T row(const T* x, int64_t n) {
  const hn::ScalableTag<T> d;
  const int64_t N = static_cast<int64_t>(hn::Lanes(d));
  int64_t nv = n / N;
  T r = identity_of<op, T>();
  for (int64_t i = nv * N; i < n; ++i) r = reduce_two<op, T>(r, x[i]);
  if (nv) {
    HWY_ALIGN T lanes[HWY_MAX_BYTES / sizeof(T)];
    hn::StoreU(tree<op>(x, nv), d, lanes);
    for (int64_t w = N / 2; w > 0; w /= 2)
      for (int64_t i = 0; i < w; ++i) lanes[i] = reduce_two<op, T>(lanes[i], lanes[i + w]);
    r = reduce_two<op, T>(lanes[0], r);
  }
  return r;
}

// Strided sums: four chains, and f32 carried in f64 where the elements are far apart anyway.
template <Reduce op, class T> T strided(const T* x, int64_t n, int64_t s) {
  using A = std::conditional_t<op == Reduce::sum && std::is_same_v<T, float>, double, T>;
  A a0 = identity_of<op, A>(), a1 = a0, a2 = a0, a3 = a0;
  int64_t i = 0;
  for (; i + 4 <= n; i += 4) {
    a0 = reduce_two<op, A>(a0, x[i * s]);
    a1 = reduce_two<op, A>(a1, x[(i + 1) * s]);
    a2 = reduce_two<op, A>(a2, x[(i + 2) * s]);
    a3 = reduce_two<op, A>(a3, x[(i + 3) * s]);
  }
  for (; i < n; ++i) a0 = reduce_two<op, A>(a0, x[i * s]);
  return static_cast<T>(reduce_two<op, A>(reduce_two<op, A>(a0, a1), reduce_two<op, A>(a2, a3)));
}
template <Reduce op, class T> void rows(const void* xv, int64_t n, int64_t stride, int64_t count, int64_t xs, void* ov, int64_t os) {
  auto* x = static_cast<const T*>(xv);
  auto* out = static_cast<T*>(ov);
  if (stride == 1 && n > 8)
    for (int64_t k = 0; k < count; ++k) out[k * os] = row<op>(x + k * xs, n);
  else if (n > 8)
    for (int64_t k = 0; k < count; ++k) out[k * os] = strided<op>(x + k * xs, n, stride);
  else
    for (int64_t k = 0; k < count; ++k) {
      T r = n ? x[k * xs] : identity_of<op, T>();
      for (int64_t i = 1; i < n; ++i) r = reduce_two<op, T>(r, x[k * xs + i * stride]);
      out[k * os] = r;
    }
}

template <Reduce op, class T> void combine(void* ov, const void* xv, int64_t m) {
  const hn::ScalableTag<T> d;
  const int64_t N = static_cast<int64_t>(hn::Lanes(d));
  auto* x = static_cast<const T*>(xv);
  auto* out = static_cast<T*>(ov);
  int64_t c = 0;
  for (; c + N <= m; c += N) hn::StoreU(Op<op, T>::two(hn::LoadU(d, out + c), hn::LoadU(d, x + c)), d, out + c);
  for (; c < m; ++c) out[c] = reduce_two<op, T>(out[c], x[c]);
}
constexpr int64_t kRows = 16;
template <Reduce op, class T> void columns(const void* xv, int64_t n, int64_t stride, int64_t m, void* ov) {
  const hn::ScalableTag<T> d;
  const int64_t N = static_cast<int64_t>(hn::Lanes(d));
  auto* x = static_cast<const T*>(xv);
  auto* out = static_cast<T*>(ov);
  if (n > kRows) {
    HWY_ALIGN T other[kReduceStrip];
    int64_t half = (n / 2 + kRows - 1) / kRows * kRows;
    columns<op, T>(x, half, stride, m, out);
    columns<op, T>(x + half * stride, n - half, stride, m, other);
    combine<op, T>(out, other, m);
    return;
  }
  int64_t c = 0;
  for (; c + 2 * N <= m; c += 2 * N) {
    typename Op<op, T>::A a, b;
    a.start(hn::LoadU(d, x + c));
    b.start(hn::LoadU(d, x + c + N));
    for (int64_t i = 1; i < n; ++i) {
      a.step(hn::LoadU(d, x + i * stride + c));
      b.step(hn::LoadU(d, x + i * stride + c + N));
    }
    hn::StoreU(a.done(), d, out + c);
    hn::StoreU(b.done(), d, out + c + N);
  }
  for (; c + N <= m; c += N) {
    typename Op<op, T>::A a;
    a.start(hn::LoadU(d, x + c));
    for (int64_t i = 1; i < n; ++i) a.step(hn::LoadU(d, x + i * stride + c));
    hn::StoreU(a.done(), d, out + c);
  }
  for (; c < m; ++c) {
    T r = x[c];
    for (int64_t i = 1; i < n; ++i) r = reduce_two<op, T>(r, x[i * stride + c]);
    out[c] = r;
  }
}

template <Reduce op, class T> ReduceKernels kernels_of() { return {rows<op, T>, columns<op, T>, combine<op, T>}; }
template <class T> ReduceKernels kernels_of(Reduce op) {
  switch (op) {
    case Reduce::sum: return kernels_of<Reduce::sum, T>();
    case Reduce::prod:
      if constexpr (std::is_floating_point_v<T>) return kernels_of<Reduce::prod, T>();
      else return {};
    case Reduce::max: return kernels_of<Reduce::max, T>();
    case Reduce::min: return kernels_of<Reduce::min, T>();
    default:
      if constexpr (std::is_floating_point_v<T>) return {};
      else return op == Reduce::and_ ? kernels_of<Reduce::and_, T>() : kernels_of<Reduce::or_, T>();
  }
}
ReduceKernels select(Reduce op, DType d) {
  switch (d) {
    case DType::f32: return kernels_of<float>(op);
    case DType::f64: return kernels_of<double>(op);
    case DType::i32: return kernels_of<std::int32_t>(op);
    case DType::i64: return kernels_of<std::int64_t>(op);
    case DType::u8: return kernels_of<std::uint8_t>(op);
    default: return {};
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace functra::kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace functra::kernels {
HWY_EXPORT(select);
ReduceKernels simd_reduce_kernels(Reduce op, DType d) { return HWY_DYNAMIC_DISPATCH(select)(op, d); }
}  // namespace functra::kernels
#endif
