// Every elementwise primitive, of f32 and f64, on every instruction set of this machine and compiled: FUNCTRA_SWEEP_SAMPLES operands each
// (4 million by default; a quarter for each parameter of those that have one) and lists of hard cases. Of the samples, what is further than
// 2 units of the last place from a result in long double is judged by MPFR; so is one sample in 2,048, which the quick result has to agree
// with, and all hard cases. FUNCTRA_SWEEP_ONLY lists primitives, with commas.
#include <gtest/gtest.h>

#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>

#include "functra/base/pool.h"
#include "functra/core/interp.h"
#include "functra/functra.h"
#include "functra/prims/math.h"
#include "tests/laws_count.h"
#include "tests/support/num_formulas.h"
#include "tests/sweeps/accuracy/judges.h"

namespace functra::testing {
namespace {

constexpr double allowed = 4, suspicious = 2;

struct Worst {
  double ulps = 0;
  Point at{};
  double got = 0;
  long double is = 0;
  void add(const Worst& w) {
    if (w.ulps > ulps) *this = w;
  }
};
struct Tried {
  std::vector<Worst> by;  // each instruction set, then compiled code
  double quick = 0;       // the largest error of the quick results
  long judged = 0, other_bits = 0;
  explicit Tried(std::size_t n) : by(n) {}
  void add(const Tried& t) {
    for (std::size_t k = 0; k < by.size(); ++k) by[k].add(t.by[k]);
    quick = std::max(quick, t.quick);
    judged += t.judged;
    other_bits += t.other_bits;
  }
};

// The exponent of the units that errors are counted in where the result is this: its own, or what the function says.
template <class T> int exponent(const Judge& j, const Point& p, std::int64_t param, long double result) {
  const double m = j.magnitude ? std::fabs(j.magnitude(p.x, p.y, param)) : 0;
  int e = 0;
  std::frexp(std::max({std::fabs(result), static_cast<long double>(m), static_cast<long double>(std::numeric_limits<T>::min())}), &e);
  return e;
}
template <class T> double error(const Judge& j, const Point& p, std::int64_t param, T y, long double is) {
  const double u = ulps(y, is);
  if (!j.magnitude || u <= 0.5 || u > 1e27) return u == 1e29 && j.magnitude ? 0 : u;  // 1e29: zeros of two signs
  int own = 0;
  std::frexp(std::max(std::fabs(is), static_cast<long double>(std::numeric_limits<T>::min())), &own);
  return std::ldexp(u, own - exponent<T>(j, p, param, is));
}

// What is tried: a function compiled, and where it is one formula its loops on every instruction set.
struct Subject {
  std::string name;
  const Judge& judge;
  std::int64_t param;
  std::vector<std::pair<const char*, const FormulaTable*>> tables;
  std::function<Tensor(const Vec&)> fast;
  int operands;
  bool one_of_several;  // functions that differ by a parameter share the samples
  double y = 0;         // where it takes one operand, and the judge two
};
template <class T> class Trial {
 public:
  explicit Trial(Subject s) : s_(std::move(s)) {}
  // `exact`: all by the judge.
  Tried run(std::int64_t n, const std::function<Point(std::int64_t)>& point_of, bool exact) {
    const std::size_t loops = s_.tables.size(), operands = static_cast<std::size_t>(s_.operands);
    Vec in;
    for (std::size_t k = 0; k < operands; ++k) in.push_back(Tensor::uninitialized(dtype_of<T>, {n}));
    T* x[2] = {static_cast<T*>(in[0].mutable_bytes()), operands > 1 ? static_cast<T*>(in[1].mutable_bytes()) : nullptr};
    const std::int64_t chunks = (n + chunk - 1) / chunk;
    parallel_for(chunks, 1, [&](std::int64_t first, std::int64_t last) {
      for (std::int64_t i = first * chunk; i < std::min(last * chunk, n); ++i) {
        const Point p = point_of(i);
        x[0][i] = static_cast<T>(p.x);
        if (x[1]) x[1][i] = static_cast<T>(p.y);
      }
    });
    const Tensor compiled = s_.fast(in).contiguous();
    std::vector<Tried> of_chunks(static_cast<std::size_t>(chunks), Tried(loops + 1));
    parallel_for(chunks, 1, [&](std::int64_t first, std::int64_t last) {
      std::vector<std::vector<T>> y(loops, std::vector<T>(chunk));
      std::vector<const T*> got(loops + 1);
      for (std::size_t t = 0; t < loops; ++t) got[t] = y[t].data();
      for (std::int64_t c = first; c < last; ++c) {
        const std::int64_t from = c * chunk, m = std::min(chunk, n - from);
        const void* at[2] = {x[0] + from, x[1] ? x[1] + from : nullptr};
        for (std::size_t t = 0; t < loops; ++t) s_.tables[t].second->loop[static_cast<int>(dtype_of<T>)](at, y[t].data(), m, 0, &s_.param);
        got[loops] = static_cast<const T*>(compiled.bytes()) + from;
        for (std::int64_t i = 0; i < m; ++i) {
          const Point p{static_cast<double>(x[0][from + i]), x[1] ? static_cast<double>(x[1][from + i]) : s_.y};
          judge(p, got, i, exact, i == 0, of_chunks[static_cast<std::size_t>(c)]);
        }
      }
    });
    Tried all(loops + 1);
    for (const Tried& t : of_chunks) all.add(t);
    return all;
  }
  std::string column(std::size_t k) const { return k < s_.tables.size() ? s_.tables[k].first : "compiled"; }
  const Subject& subject() const { return s_; }

 private:
  static constexpr std::int64_t chunk = 1 << 11;
  void judge(const Point& p, const std::vector<const T*>& got, std::int64_t i, bool exact, bool compare, Tried& r) const {
    const Judge& j = s_.judge;
    const long double quick = j.quick(p.x, p.y, s_.param);
    long double is = quick;
    bool asked = false;
    auto ask = [&] {
      asked = true;
      ++r.judged;
      is = j.judge(p.x, p.y, s_.param);
    };
    if (j.judge && (exact || compare)) ask();
    if (asked && compare && !exact) r.quick = std::max(r.quick, difference(p, quick, is));
    for (std::size_t t = 0; t < got.size(); ++t) {
      const T v = got[t][i];
      double u = error(j, p, s_.param, v, is);
      if (u > suspicious && !asked && j.judge) {
        ask();
        u = error(j, p, s_.param, v, is);
      }
      if (u > r.by[t].ulps) r.by[t] = {u, p, static_cast<double>(v), is};
    }
    const T &first = got.front()[i], &last = got.back()[i];
    r.other_bits += std::memcmp(&first, &last, sizeof(T)) != 0 && last == last;
  }
  // In units of the last place of T, of two results in long double.
  double difference(const Point& p, long double a, long double b) const {
    const long double most = std::numeric_limits<T>::max();
    if (std::isnan(b) || std::fabs(b) > 2 * most) return std::isnan(b) ? !std::isnan(a) * 1e30 : std::fabs(a) > most ? 0 : 1e30;
    return static_cast<double>(std::ldexp(std::fabs(a - b), std::numeric_limits<T>::digits - exponent<T>(s_.judge, p, s_.param, b)));
  }
  Subject s_;
};

std::int64_t sample_count(const Subject& s) {
  const char* given = std::getenv("FUNCTRA_SWEEP_SAMPLES");
  const std::int64_t n = given ? std::strtoll(given, nullptr, 10) : 4000000;
  return s.one_of_several ? n / 4 : n;
}
bool wanted(std::string_view name) {
  const char* only = std::getenv("FUNCTRA_SWEEP_ONLY");
  return !only || ("," + std::string(only) + ",").find("," + std::string(name) + ",") != std::string::npos;
}
template <class T> void try_all(Subject subject) {
  const auto start = std::chrono::steady_clock::now();
  constexpr bool narrow = sizeof(T) == 4;
  subject.name += " " + std::string(name_of(dtype_of<T>));
  Trial<T> trial(std::move(subject));
  const Subject& s = trial.subject();
  const bool binary = s.operands == 2;
  const auto hard = hard_cases(s.judge, binary, narrow);
  Tried all = trial.run(
      static_cast<std::int64_t>(hard.size()), [&](std::int64_t i) { return hard[static_cast<std::size_t>(i)]; }, true);
  constexpr std::int64_t block = 1 << 18;
  for (std::int64_t n = sample_count(s), from = 0; from < n; from += block)
    all.add(trial.run(
        std::min(block, n - from), [&](std::int64_t i) { return sample(s.judge, binary, narrow, static_cast<std::uint64_t>(from + i)); }, false));

  Worst worst;
  std::printf("%-18s", s.name.c_str());
  for (const Worst& w : all.by) {
    worst.add(w);
    std::printf(" %8.3g", w.ulps);
  }
  std::printf("  at %a", worst.at.x);
  if (binary) std::printf(", %a", worst.at.y);
  std::printf("; %ld judged, %ld with other bits when compiled, %.1f s\n", all.judged, all.other_bits,
              std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
  std::fflush(stdout);
  for (std::size_t k = 0; k < all.by.size(); ++k) {
    const Worst& w = all.by[k];
    count_law(w.ulps <= allowed);
    EXPECT_LE(w.ulps, allowed) << s.name << ", " << trial.column(k) << ": of " << std::hexfloat << w.at.x << ", " << w.at.y << std::defaultfloat
                               << " (" << w.at.x << ", " << w.at.y << ") gives " << w.got << ", is " << static_cast<double>(w.is);
  }
  count_law(all.quick < 0.1);
  EXPECT_LT(all.quick, 0.1) << s.name << ": the results in long double are not good enough to say which ones MPFR has to judge";
}
void title(const char* what, const Formula* f) {
  if (!have_mpfr()) std::printf("without MPFR (libmpfr-dev): elementwise functions are judged by long double alone\n");
  std::printf("%-18s", what);
  if (f)
    for (auto& [name, table] : tables_of(*f)) std::printf(" %8s", name);
  std::printf(" compiled\n");
}

TEST(AccuracySweep, ElementwisePrimitivesAreWithinFourUlp) {
  title("largest error, ulp", prims::exp_p.lowering.formula);
  for (const core::Primitive* p : core::all_primitives()) {
    const Formula* f = p->lowering.formula;
    if (!f || f->predicate || !f->defined_for(f64) || f->n_in > 2 || !wanted(p->name)) continue;  // comparisons and choices have no error
    const Judge* j = judge_of(p->name);
    ASSERT_TRUE(j) << "the primitive '" << p->name << "' has no judge in tests/sweeps/accuracy/judges.cpp";
    for (std::int64_t n : j->params) {
      auto call = [p, n](const Vec& v) {
        return p == &prims::sinc_p ? prims::sinc(v[0], n) : p == &prims::integer_pow_p ? prims::integer_pow(v[0], n) : core::bind1(*p, v);
      };
      const Subject s{p->name + (p->params ? "(" + std::to_string(n) + ")" : ""), *j, n, tables_of(*f), jit(call), f->n_in, p->params != nullptr};
      try_all<float>(s);
      try_all<double>(s);
    }
  }
}

// Compiled, powers of constant exponents become products, roots and reciprocals, or are computed without extended precision.
TEST(AccuracySweep, CompiledPowersOfConstantExponentsAreWithinFourUlp) {
  if (!wanted("pow")) return;
  title("largest error, ulp", nullptr);
  for (double y : {-3.5, -2.5, -1.5, -0.5, 0.5, 1.5, 2.5, 3.5, -4.0, -1.0, 3.0, 0.2, 0.45, -1.9, 1.9999, 5.0, 12.0, -7.25}) {
    char name[40];
    std::snprintf(name, sizeof name, "pow(x, %g)", y);
    const Subject s{name, *judge_of("pow"), 0, {}, jit([y](const Vec& v) { return pow(v[0], y); }), 1, true, y};
    if (2 * y == std::rint(2 * y)) try_all<float>(s);  // other numbers are rounded to float
    try_all<double>(s);
  }
}

}  // namespace
}  // namespace functra::testing
