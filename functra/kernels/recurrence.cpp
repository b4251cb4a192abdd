#include "functra/kernels/recurrence.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>

#include "functra/base/errors.h"
#include "functra/base/pool.h"
#include "functra/kernels/types.h"

namespace functra::kernels {
namespace {

constexpr std::int64_t kStrip = 512;
// Lines along dim, side by side in strips of at most kStrip: f(place of the first elements of a strip, its width, the step from one
// element of a line to the next).
template <class F> void for_strips(const Shape& shape, int dim, bool reverse, std::int64_t cost, F f) {
  if (shape.has(0)) return;
  std::int64_t outer = 1, inner = 1, n = shape[static_cast<std::size_t>(dim)];
  for (int i = 0; i < shape.rank(); ++i)
    if (i != dim) (i < dim ? outer : inner) *= shape[static_cast<std::size_t>(i)];
  std::int64_t strip = std::min(inner, kStrip), strips = (inner + strip - 1) / strip;
  parallel_for(outer * strips, std::max<std::int64_t>(1, 16384 / (n * strip * cost)), [&](std::int64_t lo, std::int64_t hi) {
    for (std::int64_t t = lo; t < hi; ++t) {
      std::int64_t first = t % strips * strip, at = t / strips * n * inner + first;
      f(at + (reverse ? (n - 1) * inner : 0), std::min(strip, inner - first), reverse ? -inner : inner);
    }
  });
}
}  // namespace

void linear_recurrence(DType d, const void* a, const void* b, const Shape& shape, int dim, bool reverse, void* out) {
  std::int64_t n = shape[static_cast<std::size_t>(dim)];
  auto go = [&]<class T>(T) {
    auto *p = static_cast<const T*>(a), *q = static_cast<const T*>(b);
    auto* y = static_cast<T*>(out);
    for_strips(shape, dim, reverse, 1, [=](std::int64_t at, std::int64_t m, std::int64_t step) {
      std::copy_n(q + at, m, y + at);
      for (std::int64_t i = 1; i < n; ++i, at += step)
        for (std::int64_t c = 0; c < m; ++c) y[at + step + c] = p[at + step + c] * y[at + c] + q[at + step + c];
    });
  };
  switch (d) {
    case DType::f32: return go(float());
    case DType::f64: return go(double());
    case DType::c64: return go(std::complex<float>());
    case DType::c128: return go(std::complex<double>());
    default: throw DTypeError("linear_recurrence: not defined for dtype " + std::string(name_of(d)) + "; convert with to(f32) or to(f64)");
  }
}

void log_cumulative_sum_exp(DType d, const void* x, const Shape& shape, int dim, bool reverse, void* out) {
  std::int64_t n = shape[static_cast<std::size_t>(dim)];
  auto go = [&]<class T>(T) {
    auto* p = static_cast<const T*>(x);
    auto* y = static_cast<T*>(out);
    for_strips(shape, dim, reverse, 32, [=](std::int64_t at, std::int64_t m, std::int64_t step) {
      double top[kStrip], sum[kStrip];  // the largest so far, and the sum of the exponentials over its own
      std::fill_n(top, m, -std::numeric_limits<double>::infinity());
      std::fill_n(sum, m, 0.0);
      for (std::int64_t i = 0; i < n; ++i, at += step)
        for (std::int64_t c = 0; c < m; ++c) {
          auto v = static_cast<double>(wide(p[at + c]));
          if (v > top[c]) {
            sum[c] = sum[c] * std::exp(top[c] - v) + 1;
            top[c] = v;
          } else sum[c] += v == top[c] ? 1 : std::exp(v - top[c]);
          y[at + c] = narrow<T>(top[c] + std::log(sum[c]));
        }
    });
  };
  if (!with_float(d, go)) throw DTypeError("logcumsumexp: not defined for dtype " + std::string(name_of(d)) + "; convert with to(f32) or to(f64)");
}

}  // namespace functra::kernels
