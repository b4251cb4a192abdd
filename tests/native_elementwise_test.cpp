// Every elementwise primitive compiled alone, against itself evaluated, element by element: at every exponent, at the edges of the type, and
// in pairs of those.
#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <limits>
#include <set>
#include <string>

#include "functra/core/interp.h"
#include "functra/prims/math.h"
#include "support/compiled.h"

namespace functra::testing {
namespace {

template <class T> std::vector<T> edges() {
  using L = std::numeric_limits<T>;
  std::vector<T> r;
  for (T v : {T(0), L::denorm_min(), 3 * L::denorm_min(), L::min() - L::denorm_min(), L::min(), L::epsilon(), T(0.5), T(1) - L::epsilon() / 2, T(1),
              T(1) + L::epsilon(), T(1.5), T(2.5), T(3), T(88.8), T(709.9), T(2147483648.0), T(1e19), L::max(), L::infinity()})
    r.insert(r.end(), {v, -v});
  r.push_back(L::quiet_NaN());
  return r;
}
// Two values of every exponent and sign.
template <class T, class U> std::vector<T> everywhere() {
  constexpr int digits = std::numeric_limits<T>::digits - 1;
  std::vector<T> r = edges<T>();
  std::uint64_t state = 11;
  for (U high = 0; high < U{1} << (sizeof(U) * 8 - digits); ++high)
    for (int k = 0; k < 2; ++k) {
      state = state * 6364136223846793005u + 1442695040888963407u;
      r.push_back(std::bit_cast<T>(static_cast<U>(high << digits | static_cast<U>(state >> (64 - digits)))));
    }
  return r;
}
// All pairs of edges; everywhere against everywhere else, and values around one.
template <class T, class U> Vec pairs() {
  std::vector<T> a, b, v = everywhere<T, U>();
  for (T x : edges<T>())
    for (T y : edges<T>()) a.push_back(x), b.push_back(y);
  for (std::size_t i = 0; i < v.size(); ++i) {
    a.push_back(v[i]), b.push_back(v[(i * 7919 + 13) % v.size()]);
    a.push_back(T(std::sin(static_cast<double>(i)) * 3)), b.push_back(T(std::cos(static_cast<double>(i) * 1.7) * 3));
  }
  return {tensor(a), tensor(b)};
}
std::string label(const core::Primitive& p, DType d) { return std::string(p.name) + " of " + std::string(name_of(d)); }
// What IEEE arithmetic rounds once, or not at all, has one right answer.
Match held_to(const core::Primitive& p) {
  static const std::set<std::string> exact{"neg",   "add",   "sub", "mul",  "div", "sqrt", "max", "min", "abs", "sign", "copysign", "floor", "ceil",
                                           "round", "trunc", "rem", "fmod", "eq",  "ne",   "lt",  "le",  "gt",  "ge",   "relu",     "square"};
  return exact.contains(p.name) ? Match::bits : Match::ulps;
}
bool scalar_formula(const core::Primitive& p, int operands) {
  return p.elementwise != core::Elementwise::no && p.n_in == operands && !p.params && p.lowering.formula->defined_for(DType::f32);
}

}  // namespace

TEST(NativeElementwise, functions_of_one_operand) {
  int count = 0;
  const Tensor x = tensor(everywhere<float, std::uint32_t>()), y = tensor(everywhere<double, std::uint64_t>());
  for (const core::Primitive* p : core::all_primitives()) {
    if (!scalar_formula(*p, 1)) continue;
    ++count;
    for (const Tensor& t : {x, y})
      expect_compiled(
          label(*p, t.raw_dtype()), [&](const Vec& v) { return Vec{core::bind1(*p, v[0])}; }, {t}, held_to(*p));
  }
  EXPECT_GT(count, 30);
}
TEST(NativeElementwise, functions_of_two_operands) {
  int count = 0;
  for (const core::Primitive* p : core::all_primitives()) {
    if (!scalar_formula(*p, 2)) continue;
    ++count;
    for (const Vec& in : {pairs<float, std::uint32_t>(), pairs<double, std::uint64_t>()})
      expect_compiled(
          label(*p, in[0].raw_dtype()), [&](const Vec& v) { return Vec{core::bind1(*p, v)}; }, in, held_to(*p));
  }
  EXPECT_GT(count, 20);
}

}  // namespace functra::testing
