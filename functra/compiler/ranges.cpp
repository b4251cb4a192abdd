#include "functra/compiler/ranges.h"

#include <algorithm>
#include <cmath>

namespace functra::compiler {
namespace {

constexpr double inf = std::numeric_limits<double>::infinity();

template <class T> T number(double v) { return static_cast<T>(v); }  // bounds of T are exact

// The least and the greatest of f over the corners of two ranges. 0 x inf and inf / inf are NaN in lanes; what lies beside them spans from
// 0 to the other corners.
template <class F> Range corners(Range x, Range y, F f) {
  Range r{inf, -inf};
  for (double a : {x.lo, x.hi})
    for (double b : {y.lo, y.hi}) {
      double v = f(a, b);
      if (v != v) v = 0;
      r.lo = std::min(r.lo, v);
      r.hi = std::max(r.hi, v);
    }
  return r;
}
Range checked(Range r) {  // of sums: inf - inf
  if (r.lo != r.lo) r.lo = -inf;
  if (r.hi != r.hi) r.hi = inf;
  return r;
}
template <class T> Range unary(NumOp op, Range x) {
  switch (op) {
    case NumOp::neg: return {-x.hi, -x.lo};
    case NumOp::abs: return {x.lo > 0 ? x.lo : x.hi < 0 ? -x.hi : 0, std::max(-x.lo, x.hi)};
    case NumOp::sqrt: return {x.lo > 0 ? std::sqrt(number<T>(x.lo)) : T(0), x.hi > 0 ? std::sqrt(number<T>(x.hi)) : T(0)};
    case NumOp::floor: return {std::floor(x.lo), std::floor(x.hi)};
    case NumOp::ceil: return {std::ceil(x.lo), std::ceil(x.hi)};
    case NumOp::rint: return {std::nearbyint(x.lo), std::nearbyint(x.hi)};
    case NumOp::trunc: return {std::trunc(x.lo), std::trunc(x.hi)};
    default: return {};
  }
}
template <class T> Range binary(NumOp op, Range x, Range y, bool same) {
  switch (op) {
    case NumOp::add: return checked({number<T>(x.lo) + number<T>(y.lo), number<T>(x.hi) + number<T>(y.hi)});
    case NumOp::sub: return checked({number<T>(x.lo) - number<T>(y.hi), number<T>(x.hi) - number<T>(y.lo)});
    case NumOp::mul: {
      Range r = corners(x, y, [](double a, double b) { return number<T>(a) * number<T>(b); });
      if (same) r.lo = x.lo > 0 || x.hi < 0 ? std::max(r.lo, 0.0) : 0;
      return r;
    }
    case NumOp::div:
      if (y.lo <= 0 && y.hi >= 0) return {};
      return corners(x, y, [](double a, double b) { return number<T>(a) / number<T>(b); });
    case NumOp::min: return {std::min(x.lo, y.lo), std::min(x.hi, y.hi)};
    case NumOp::max: return {std::max(x.lo, y.lo), std::max(x.hi, y.hi)};
    case NumOp::copysign: {
      const double m = std::max(-x.lo, x.hi);
      return {-m, m};
    }
    case NumOp::scale: return {x.lo >= 0 ? 0 : -inf, x.hi <= 0 ? 0 : inf};
    default: return {};
  }
}
template <class T> Range fused(Range x, Range y, Range z, bool same) {
  Range r{inf, -inf};
  auto add = [&](double a, double b) {
    if (a * b != a * b) a = b = 0;
    T lo = std::fma(number<T>(a), number<T>(b), number<T>(z.lo)), hi = std::fma(number<T>(a), number<T>(b), number<T>(z.hi));
    r.lo = std::min(r.lo, lo != lo ? -inf : static_cast<double>(lo));
    r.hi = std::max(r.hi, hi != hi ? inf : static_cast<double>(hi));
  };
  if (same) {
    const double small = x.lo > 0 ? x.lo : x.hi < 0 ? x.hi : 0, large = std::max(-x.lo, x.hi);
    add(small, small);
    add(large, large);
    return r;
  }
  for (double a : {x.lo, x.hi})
    for (double b : {y.lo, y.hi}) add(a, b);
  return r;
}
bool is_f32(DType d) { return d == DType::f32; }

}  // namespace

Range range_of_unary(NumOp op, DType d, Range x) { return is_f32(d) ? unary<float>(op, x) : d == DType::f64 ? unary<double>(op, x) : Range(); }
Range range_of_binary(NumOp op, DType d, Range x, Range y, bool same) {
  return is_f32(d) ? binary<float>(op, x, y, same) : d == DType::f64 ? binary<double>(op, x, y, same) : Range();
}
Range range_of_fma(DType d, Range x, Range y, Range z, bool same) {
  return is_f32(d) ? fused<float>(x, y, z, same) : d == DType::f64 ? fused<double>(x, y, z, same) : Range();
}
int known_outcome(NumOp op, Range x, Range y) {
  switch (op) {  // a comparison with NaN is false, but for !=
    case NumOp::lt: return x.lo >= y.hi ? 0 : -1;
    case NumOp::le: return x.lo > y.hi ? 0 : -1;
    case NumOp::gt: return x.hi <= y.lo ? 0 : -1;
    case NumOp::ge: return x.hi < y.lo ? 0 : -1;
    case NumOp::eq: return x.lo > y.hi || x.hi < y.lo ? 0 : -1;
    case NumOp::ne: return x.lo > y.hi || x.hi < y.lo ? 1 : -1;
    default: return -1;
  }
}

}  // namespace functra::compiler
