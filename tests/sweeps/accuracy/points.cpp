// Where the elementwise primitives are tried: samples of every magnitude and of the places at which formulas are hard, and lists of cases.
#include <bit>
#include <cmath>
#include <limits>
#include <string_view>

#include "tests/sweeps/accuracy/judges.h"

namespace functra::testing {
namespace {

struct Random {  // Steele, Lea and Flood 2014: SplitMix
  std::uint64_t state;
  std::uint64_t bits() {
    std::uint64_t z = state += 0x9e3779b97f4a7c15;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
    z = (z ^ z >> 27) * 0x94d049bb133111eb;
    return z ^ z >> 31;
  }
  double unit() { return static_cast<double>(bits() >> 11) * 0x1p-53; }
  double in(double lo, double hi) { return lo + (hi - lo) * unit(); }
  std::uint64_t below(std::uint64_t n) { return bits() % n; }
  double sign() { return bits() & 1 ? -1 : 1; }
  double power(double lo, double hi) { return std::exp2(in(lo, hi)); }
  template <class T, std::size_t n> T of(const T (&v)[n]) { return v[below(n)]; }
};

struct Format {
  bool narrow;
  int digits = narrow ? 24 : 53, top = narrow ? 128 : 1024, bottom = narrow ? -149 : -1074;
  double round(double x) const { return narrow ? static_cast<double>(static_cast<float>(x)) : x; }
  double any(Random& r) const {
    const std::uint64_t b = r.bits();
    return narrow ? static_cast<double>(std::bit_cast<float>(static_cast<std::uint32_t>(b))) : std::bit_cast<double>(b);
  }
  double step(double x, int n) const {  // n places up
    for (; n > 0; --n) x = narrow ? std::nextafter(static_cast<float>(x), INFINITY) : std::nextafter(x, INFINITY);
    for (; n < 0; ++n) x = narrow ? std::nextafter(static_cast<float>(x), -INFINITY) : std::nextafter(x, -INFINITY);
    return x;
  }
  double near(Random& r, double x) const {  // by any relative distance down to a few places
    return r.below(4) == 0 ? step(round(x), static_cast<int>(r.below(9)) - 4) : round(x * (1 + r.sign() * r.power(-digits - 1, -1)));
  }
};

const double common[] = {
    0.5, 1, 2, 3, 0.7071067811865476, 1.4142135623730951, 0x1p-54, 0x1p-27, 0x1p-25, 0x1p-12, 0x1p12, 0x1p23, 0x1p24, 0x1p31, 0x1p52, 0x1p53, 0x1p63};

double landmark(Random& r, const Format& f, const Judge& j) {
  const std::size_t n = j.landmarks.size(), k = r.below(n + std::size(common));
  double x = k < n ? j.landmarks[k] : common[k - n];
  if (j.period != 0 && r.below(2)) x = j.period * std::rint(r.below(4) ? r.in(0, 50) : r.power(0, f.narrow ? 20 : 44));
  return r.sign() * f.near(r, x);
}

// ---------------------------------------------------------------- of functions of two operands, where they are hard
using Hard = Point (*)(Random&, const Format&);

// The exponent of the result lies anywhere, or close to where results overflow, become subnormal or vanish.
double exponent_of_result(Random& r, const Format& f) {
  if (r.below(2)) return r.in(f.bottom - 4, f.top + 4);
  const int ends[] = {f.top, f.bottom + f.digits - 1, f.bottom, f.bottom - 1};
  return r.of(ends) + r.sign() * r.power(-45, 1);
}
Point hard_pow(Random& r, const Format& f) {
  switch (r.below(5)) {
    case 0: {  // any base
      const double x = std::fabs(f.any(r));
      return {x, exponent_of_result(r, f) / std::log2(x)};
    }
    case 1: {  // a base near one to a large power
      const double x = f.near(r, 1);
      return {x, exponent_of_result(r, f) / std::log2(x)};
    }
    case 2: {  // a negative base to an integer power
      const double x = f.round(-r.power(-8, 8));
      return {x, std::rint(exponent_of_result(r, f) / std::log2(-x))};
    }
    case 3: {  // results that are representable, and halfway between two that are
      const double x = std::rint(r.power(0, f.digits / 2 + 1)), y[] = {0.5, 1.5, 2, 3, 0.25, -1, -0.5, -2, 4, 5};
      return {r.below(2) ? x * x : x, r.of(y)};
    }
    default: return {r.sign() * r.power(-30, 30), r.sign() * r.power(f.bottom, 10)};
  }
}
Point hard_ratio(Random& r, const Format& f) {  // of atan2, hypot, div
  const double ratio[] = {0.41421356237309503, 1, 2.414213562373095, 0.5, 2, std::exp2(-f.digits), std::exp2(-f.digits / 2), std::exp2(f.digits)};
  const double x = r.below(2) ? f.any(r) : r.sign() * r.power(-3, 3);
  return {r.sign() * f.near(r, x * (r.below(2) ? r.of(ratio) : r.power(f.bottom, f.top))), x};
}
Point hard_hypot(Random& r, const Format& f) {
  if (r.below(2)) return hard_ratio(r, f);
  const double large = std::exp2(r.below(2) ? f.top - 1 : f.bottom + static_cast<double>(r.below(60)));
  return {large * r.in(0.1, 2), large * r.in(0.1, 2)};
}
Point hard_quotient(Random& r, const Format& f) {  // quotients that are, or all but are, integers
  const double y = r.below(4) ? r.sign() * r.power(-20, 20) : f.any(r), k = std::rint(r.power(0, r.below(2) ? 6 : f.digits + 4)) - 1;
  return {f.step(f.round(f.round(y) * k), static_cast<int>(r.below(5)) - 2), y};
}
Point hard_logaddexp(Random& r, const Format& f) {
  const double d = r.below(2) ? r.in(0, 40) : r.power(-60, 10), a = r.below(2) ? -std::log1p(std::exp(-d)) : r.sign() * r.power(-50, 10);
  const Point p{f.near(r, a), f.near(r, a - d)};
  return r.below(2) ? p : Point{p.y, p.x};
}
Point hard_xlogy(Random& r, const Format& f) {
  const double y = r.below(2) ? f.near(r, 1) : std::fabs(f.any(r)), l = std::fabs(std::log2(y));
  return {r.sign() * std::exp2(exponent_of_result(r, f)) / (r.below(2) ? l : 1), y};
}
Point hard_xlog1py(Random& r, const Format& f) {
  const double y = r.below(2) ? r.sign() * r.power(f.bottom, 0) : f.step(-1, static_cast<int>(r.below(1000)));
  return {r.sign() * std::exp2(exponent_of_result(r, f)) / (r.below(2) ? std::fabs(y) : 1), y};
}
Point hard_sum(Random& r, const Format& f) {
  const double x = r.below(2) ? f.any(r) : r.sign() * r.power(-30, 30);
  return {x, r.sign() * f.near(r, x)};
}
Hard hard_of(std::string_view name) {
  if (name == "pow") return hard_pow;
  if (name == "atan2" || name == "div") return hard_ratio;
  if (name == "hypot") return hard_hypot;
  if (name == "fmod" || name == "rem" || name == "floor_div") return hard_quotient;
  if (name == "logaddexp") return hard_logaddexp;
  if (name == "xlogy") return hard_xlogy;
  if (name == "xlog1py") return hard_xlog1py;
  return hard_sum;
}

// Around where an argument that is reduced goes from one piece to the next, small and large ones.
std::vector<double> near_multiples(const Judge& j, const Format& f) {
  std::vector<double> out;
  if (j.period == 0) return out;
  for (int k = 1; k <= 2000; ++k) out.push_back(j.period / 2 * k);
  for (int e = 10; e < f.top; ++e)
    for (int k = 3; k < 16; k += 3) out.push_back(std::nearbyint(std::ldexp(k / 16.0, e) / j.period) * j.period);
  return out;
}
}  // namespace

Point sample(const Judge& j, bool binary, bool narrow, std::uint64_t number) {
  Random r{number * 0xd1342543de82ef95 + 1};
  const Format f{narrow};
  Point p{};
  auto one = [&](std::uint64_t kind) {
    switch (kind) {
      case 0: return f.any(r);
      case 1: return r.in(j.lo, j.hi);
      case 2: return r.sign() * r.power(-2 * f.digits, narrow ? 20 : 70);
      default: return landmark(r, f, j);
    }
  };
  if (!binary) p = {one(number % 4), 0};
  else if (number % 2) p = hard_of(j.name)(r, f);
  else p = {one(number / 2 % 4), one(number / 8 % 4)};
  return {f.round(p.x), f.round(p.y)};
}

std::vector<Point> hard_cases(const Judge& j, bool binary, bool narrow) {
  const Format f{narrow};
  const double least = std::exp2(f.bottom), normal = std::exp2(f.bottom + f.digits - 1), most = f.step(INFINITY, -1);
  std::vector<double> marks{0, INFINITY, least, 5 * least, normal / 2, f.step(normal, -1), normal, most / 4, most / 2, most};
  marks.insert(marks.end(), std::begin(common), std::end(common));
  marks.insert(marks.end(), j.landmarks.begin(), j.landmarks.end());
  std::vector<Point> all;
  if (!binary) {
    auto add = [&](double x) {
      all.push_back({f.round(x), 0});
      all.push_back({-f.round(x), 0});
    };
    for (double m : marks) {
      for (int k = -40; k <= 40; ++k) add(f.step(f.round(m), k));
      for (int k = 1; k < f.digits; ++k) {
        add(m * (1 + std::exp2(-k)));
        add(m * (1 - std::exp2(-k)));
      }
    }
    for (double m : near_multiples(j, f))
      for (int k = -2; k <= 2; ++k) add(f.step(f.round(m), k));
    if (j.trigonometric)
      for (double x : near_half_pi(f.digits, f.top)) add(x);
    for (int k = f.bottom; k < f.top; ++k) add(std::exp2(k));
    for (int k = 0; k < f.digits; ++k)
      for (double d : {-0.5, 0.5, 1.5, 1.0}) add(std::exp2(k) + d);
    add(NAN);
  } else {
    for (double m : {1.5, 2.5, 5.0, 7.0, 1 / 3.0, 1e10, 1e300, 1e-300, f.step(1, 1), f.step(1, -1)}) marks.push_back(m);
    std::vector<double> both;
    for (double m : marks)
      for (double s : {1.0, -1.0}) both.push_back(s * f.round(m));
    both.push_back(NAN);
    for (double x : both)
      for (double y : both) all.push_back({x, y});
    Random r{1};
    for (int i = 0; i < 10000; ++i) {
      const Point p = hard_of(j.name)(r, f);
      all.push_back({f.round(p.x), f.round(p.y)});
    }
  }
  return all;
}

}  // namespace functra::testing
