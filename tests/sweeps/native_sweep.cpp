// Native code at length: every case of the first tier's tests of it, elementwise functions on dense samples of their arguments, and the
// law battery's rows through the compiler without passes.
#include <gtest/gtest.h>

#include <bit>
#include <cmath>

#include "tests/laws/row.h"
#include "tests/laws_count.h"
#include "tests/support/compiled.h"

namespace functra::testing {
namespace {

using Unary = Tensor (*)(const Tensor&);
const std::pair<const char*, Unary> functions[] = {
    {"exp", exp},     {"log", log},     {"log1p", log1p},    {"expm1", expm1},     {"exp2", exp2}, {"log2", log2},         {"log10", log10},
    {"sqrt", sqrt},   {"rsqrt", rsqrt}, {"cbrt", cbrt},      {"sin", sin},         {"cos", cos},   {"tan", tan},           {"asin", asin},
    {"acos", acos},   {"atan", atan},   {"sinh", sinh},      {"cosh", cosh},       {"tanh", tanh}, {"asinh", asinh},       {"acosh", acosh},
    {"atanh", atanh}, {"erf", erf},     {"erfc", erfc},      {"sigmoid", sigmoid}, {"gelu", gelu}, {"softplus", softplus}, {"sinc", sinc},
    {"floor", floor}, {"round", round}, {"erf_inv", erf_inv}};

// Values of every exponent and both signs, as bits.
Tensor floats(std::uint32_t first) {
  std::vector<float> v;
  for (std::uint64_t b = first; b < (std::uint64_t{1} << 32); b += 4099) v.push_back(std::bit_cast<float>(static_cast<std::uint32_t>(b)));
  return tensor(v);
}
Tensor doubles(std::uint64_t seed) {
  std::vector<double> v(300000);
  for (double& x : v) {
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    x = std::bit_cast<double>(seed ^ seed >> 29);
    if (seed >> 62 == 0) x = static_cast<double>(static_cast<std::int64_t>(seed) >> 11) * 0x1p-48;  // around the origin
  }
  return tensor(v, f64);
}
// The largest difference in units of the last place; NaN and infinities where they should be.
template <class T> double ulps(const Tensor& is, const Tensor& should, double& at, const Tensor& x) {
  auto a = is.to_vector<T>(), b = should.to_vector<T>(), v = x.to_vector<T>();
  double worst = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (a[i] == b[i] || (std::isnan(a[i]) && std::isnan(b[i]))) continue;
    const T unit = std::isfinite(b[i]) ? std::nextafter(std::fabs(b[i]), std::numeric_limits<T>::infinity()) - std::fabs(b[i]) : 0;
    const double d =
        std::isfinite(a[i]) && unit > 0 ? std::fabs(static_cast<double>(a[i]) - static_cast<double>(b[i])) / static_cast<double>(unit) : INFINITY;
    if (d > worst) worst = d, at = static_cast<double>(v[i]);
  }
  return worst;
}

}  // namespace

TEST(NativeSweep, functions_over_many_values) {
  for (auto& [name, f] : functions) {
    auto fast = jit(f);
    double at = 0;
    for (std::uint32_t k : {0u, 1777u}) {
      const Tensor x = floats(k);
      const double worst = ulps<float>(fast(x), f(x), at, x);
      count_law(worst <= 4);
      EXPECT_LE(worst, 4) << name << " f32 at " << at;
    }
    const Tensor x = doubles(11);
    const double worst = ulps<double>(fast(x), f(x), at, x);
    count_law(worst <= 4);
    EXPECT_LE(worst, 4) << name << " f64 at " << at;
  }
}
TEST(NativeSweep, rows_of_the_battery_without_passes) {
  for (auto& [name, make] : rows()) {
    Row row = make();
    for (const Sample& s : row.samples) {
      functra::Program p;
      Vec want;
      try {
        want = s.f(s.in);
        p = jit([&](const Vec& v) { return s.f(v); }).trace(s.in).program();
      } catch (const Error&) { continue; }  // values that decide: other tests' business
      std::string d = results_differ(run_native(p, s.in, all_passes()), want, Match::rounded, 64);
      count_law(d.empty());
      EXPECT_EQ(d, "") << (row.name.empty() ? name : row.name) << " " << s.name;
    }
  }
}

}  // namespace functra::testing
