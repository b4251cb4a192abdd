#include "functra/kernels/recurrence.h"

#include <algorithm>
#include <complex>
#include <string>

#include "functra/base/errors.h"
#include "functra/base/pool.h"

namespace functra::kernels {
namespace {

template <class T> void run(const T* a, const T* b, T* out, std::int64_t outer, std::int64_t n, std::int64_t inner, bool reverse) {
  constexpr std::int64_t kStrip = 512;
  std::int64_t strip = std::min(inner, kStrip), strips = (inner + strip - 1) / strip, step = reverse ? -inner : inner;
  parallel_for(outer * strips, std::max<std::int64_t>(1, 16384 / (n * strip)), [&](std::int64_t lo, std::int64_t hi) {
    for (std::int64_t t = lo; t < hi; ++t) {
      std::int64_t first = t % strips * strip, m = std::min(strip, inner - first),
                   at = t / strips * n * inner + first + (reverse ? (n - 1) * inner : 0);
      std::copy_n(b + at, m, out + at);
      for (std::int64_t i = 1; i < n; ++i, at += step)
        for (std::int64_t c = 0; c < m; ++c) out[at + step + c] = a[at + step + c] * out[at + c] + b[at + step + c];
    }
  });
}

}  // namespace

void linear_recurrence(DType d, const void* a, const void* b, const Shape& shape, int dim, bool reverse, void* out) {
  std::int64_t outer = 1, inner = 1, n = shape[static_cast<std::size_t>(dim)];
  for (int i = 0; i < shape.rank(); ++i)
    if (i != dim) (i < dim ? outer : inner) *= shape[static_cast<std::size_t>(i)];
  auto go = [&]<class T>(T) {
    if (!shape.has(0)) run(static_cast<const T*>(a), static_cast<const T*>(b), static_cast<T*>(out), outer, n, inner, reverse);
  };
  switch (d) {
    case DType::f32: return go(float());
    case DType::f64: return go(double());
    case DType::c64: return go(std::complex<float>());
    case DType::c128: return go(std::complex<double>());
    default: throw DTypeError("linear_recurrence: not defined for dtype " + std::string(name_of(d)) + "; convert with to(f32) or to(f64)");
  }
}

}  // namespace functra::kernels
