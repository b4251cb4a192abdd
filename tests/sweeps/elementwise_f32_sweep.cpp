// Every float (or every FUNCTRA_SWEEP_STRIDE-th; 1 for all 2^32, default 4099) through every elementwise primitive of one operand (or
// those that FUNCTRA_SWEEP_ONLY lists, with commas) on every instruction set of this machine, against the C library's function in double,
// whose error is some 2^-28 of a float's last place; what looks wrong is judged again in long double.
#include <gtest/gtest.h>

#include <bit>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "functra/base/pool.h"
#include "tests/laws_count.h"
#include "tests/support/num_formulas.h"
#include "tests/sweeps/accuracy/judges.h"

namespace functra {
namespace {

double erf_inv_reference(double x) {  // Giles' single precision approximation (2010), then Halley's method on erf, erfc near one
  const double a = std::fabs(x), rest = 1 - a;
  if (!(a < 1)) return a == 1 ? std::copysign(INFINITY, x) : NAN;
  double w = -std::log(rest * (1 + a)), p;
  if (w < 5) {
    w -= 2.5;
    p = 2.81022636e-08;
    for (double c : {3.43273939e-07, -3.5233877e-06, -4.39150654e-06, 0.00021858087, -0.00125372503, -0.00417768164, 0.246640727, 1.50140941})
      p = c + p * w;
  } else {
    w = std::sqrt(w) - 3;
    p = -0.000200214257;
    for (double c : {0.000100950558, 0.00134934322, -0.00367342844, 0.00573950773, -0.0076224613, 0.00943887047, 1.00167406, 2.83297682})
      p = c + p * w;
  }
  double y = p * a;
  for (int i = 0; i < 2; ++i) {
    const double r = a < 0.5 ? std::erf(y) - a : rest - std::erfc(y), e = r * 0.88622692545275801365 * std::exp(y * y);
    y -= e / (1 + y * e);
  }
  return std::copysign(y, x);
}
struct {
  const char* name;
  double (*of)(double);
} const references[] = {{"exp", std::exp},
                        {"exp2", std::exp2},
                        {"expm1", std::expm1},
                        {"log", std::log},
                        {"log2", std::log2},
                        {"log10", std::log10},
                        {"log1p", std::log1p},
                        {"logistic", [](double x) { return 1 / (1 + std::exp(-x)); }},
                        {"softplus", [](double x) { return (x > 0 ? x : 0 * x) + std::log1p(std::exp(-std::fabs(x))); }},
                        {"sinc", [](double x) { return x == 0 ? 1 : std::sin(x) / x; }},
                        {"integer_pow", [](double x) { return 1 / (x * x * (x * x)); }},  // to the power of the first one that is tried
                        {"neg", [](double x) { return -x; }},
                        {"abs", [](double x) { return std::fabs(x); }},
                        {"sign", [](double x) { return x > 0   ? 1.0
                                                       : x < 0 ? -1.0
                                                               : 0.0; }},
                        {"tanh", std::tanh},
                        {"sinh", std::sinh},
                        {"cosh", std::cosh},
                        {"asinh", std::asinh},
                        {"acosh", std::acosh},
                        {"atanh", std::atanh},
                        {"sin", std::sin},
                        {"cos", std::cos},
                        {"tan", std::tan},
                        {"asin", std::asin},
                        {"acos", std::acos},
                        {"atan", std::atan},
                        {"erf", std::erf},
                        {"erfc", std::erfc},
                        {"erf_inv", erf_inv_reference},
                        {"sqrt", std::sqrt},
                        {"cbrt", std::cbrt},
                        {"rsqrt", [](double x) { return 1 / std::sqrt(x); }},
                        {"floor", std::floor},
                        {"ceil", std::ceil},
                        {"round", std::rint},
                        {"trunc", std::trunc}};
double (*reference_of(const std::string& name))(double) {
  for (auto& r : references)
    if (name == r.name) return r.of;
  return nullptr;
}

struct Worst {
  double ulps = 0;
  float at = 0, got = 0;
};
// Which of n results may be worse than `ulps`: further from the reference (0.5 for one rounded correctly), or of another sign.
// Branchless, so that the compiler vectorises it.
void suspects(const float* y, const double* ref, std::int64_t n, double ulps, unsigned char* out) {
  for (std::int64_t i = 0; i < n; ++i) {
    const double r = ref[i], v = y[i];
    const auto bits = std::bit_cast<std::uint64_t>(r);
    const std::uint64_t e = std::max<std::uint64_t>(bits >> 52 & 0x7ff, 1023 - 126);          // a float's last place is 2^(e - 1023 - 23)
    const double per_unit = std::bit_cast<double>((2 * std::uint64_t{1023} + 23 - e) << 52);  // its inverse; e is at most 2046 but for inf
    const bool far = !(std::fabs(v - r) * per_unit <= ulps), rounded = y[i] == static_cast<float>(r) && (ulps >= 0.5 || v == r);
    const bool sign = (std::bit_cast<std::uint32_t>(y[i]) >> 31) != bits >> 63, both_nan = (v != v) & (r != r);
    out[i] = ((far & !rounded) | sign) & !both_nan;
  }
}

TEST(ElementwiseSweep, FunctionsOfOneFloatAreWithinFourUlp) {
  const char *given = std::getenv("FUNCTRA_SWEEP_STRIDE"), *only = std::getenv("FUNCTRA_SWEEP_ONLY");
  const std::uint64_t stride = given ? std::strtoull(given, nullptr, 10) : 4099, count = ((std::uint64_t{1} << 32) + stride - 1) / stride;
  constexpr std::int64_t chunk = 1 << 12;
  for (const core::Primitive* p : core::all_primitives()) {
    const Formula* formula = p->lowering.formula;
    if (!formula || formula->n_in != 1 || formula->predicate || !formula->defined_for(f32)) continue;
    if (only && ("," + std::string(only) + ",").find("," + std::string(p->name) + ",") == std::string::npos) continue;
    auto* reference = reference_of(p->name);
    const testing::Judge* judge = testing::judge_of(p->name);
    ASSERT_TRUE(reference && judge) << p->name << " has no reference";
    const std::int64_t param = judge->params[0];
    const auto start = std::chrono::steady_clock::now();
    const auto tables = testing::tables_of(*formula);
    const auto chunks = static_cast<std::int64_t>((count + chunk - 1) / chunk), parts = std::min<std::int64_t>(chunks, 1024);
    std::vector<std::vector<Worst>> worst(tables.size(), std::vector<Worst>(static_cast<std::size_t>(parts)));
    parallel_for(parts, 1, [&](std::int64_t first, std::int64_t last) {
      std::vector<float> x(chunk), y(chunk);
      std::vector<double> expected(chunk);
      std::vector<unsigned char> suspect(chunk);
      for (std::int64_t part = first; part < last; ++part)
        for (std::int64_t b = chunks * part / parts; b < chunks * (part + 1) / parts; ++b) {
          const std::int64_t from = b * chunk, n = std::min<std::int64_t>(chunk, static_cast<std::int64_t>(count) - from);
          for (std::int64_t i = 0; i < n; ++i) {
            x[i] = std::bit_cast<float>(static_cast<std::uint32_t>(static_cast<std::uint64_t>(from + i) * stride));
            expected[i] = reference(x[i]);
          }
          for (std::size_t t = 0; t < tables.size(); ++t) {
            const void* in[] = {x.data()};
            tables[t].second->loop[static_cast<int>(f32)](in, y.data(), n, 0, &param);
            Worst& w = worst[t][static_cast<std::size_t>(part)];
            suspects(y.data(), expected.data(), n, w.ulps, suspect.data());
            for (std::int64_t i = 0; i < n; ++i) {
              if (!suspect[i]) continue;
              double u =
                  y[i] == static_cast<float>(expected[i]) && std::signbit(y[i]) == std::signbit(expected[i]) ? 0.5 : testing::ulps(y[i], expected[i]);
              if (u > 3.9) u = testing::ulps(y[i], judge->quick(x[i], 0, param));
              if (u > w.ulps) w = {u, x[i], y[i]};
            }
          }
        }
    });
    for (std::size_t t = 0; t < tables.size(); ++t) {
      Worst all;
      for (const Worst& w : worst[t])
        if (w.ulps > all.ulps) all = w;
      testing::count_law(all.ulps <= 4);
      std::printf("%-11s %-8s %.3f ulp at %a\n", p->name, tables[t].first, all.ulps, static_cast<double>(all.at));
      EXPECT_LE(all.ulps, 4) << p->name << " on " << tables[t].first << " of " << all.at << " gives " << all.got;
    }
    std::printf("%-11s %.1f s\n", p->name, std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
    std::fflush(stdout);
  }
}

}  // namespace
}  // namespace functra
