// Random programs, each under random inputs: the library's meaning of every construct against a plain one, jit, printed text, vmap and
// derivatives. A program that fails is made smaller, as long as the same law fails, and printed with its seed. Where the law also fails
// on the traced Program alone (jit, vmap, text, derivatives against differences: what compares the library with itself), that goes
// through compile::minifier and is kept as files.
//
//   FUNCTRA_PROGRAMS=1000    how many (default 2000)
//   FUNCTRA_SECONDS=3600     or for how long
//   FUNCTRA_SEED=7           the first seed (default 1); a failing program is repeated by its own seed and FUNCTRA_PROGRAMS=1
//   FUNCTRA_LAW=jit          only the laws whose names hold this
//   FUNCTRA_REPROS=folder    where failing Programs are kept (default random_failures, in the build directory)
//   FUNCTRA_WITHOUT=scan,map without those operations and constructs (seeds then name other programs)
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>

#include "functra/aot/minify.h"
#include "functra/compiler/passes.h"
#include "functra/core/basis.h"
#include "functra/core/interp.h"
#include "functra/io/repro.h"
#include "tests/laws/transforms.h"
#include "tests/laws_count.h"
#include "tests/sweeps/random/program.h"

namespace functra::testing {
namespace {
using namespace programs;

struct Failure {
  std::string law, detail;  // no law: nothing failed
  bool threw = false;
};

class Laws {
 public:
  Laws(const Function& f, std::uint64_t seed) : rng_(seed ^ 0x5bd1e995u), params_(f.params) {
    library_ = [f](const Vec& v) { return run(f, v, false); };
    plain_ = [f](const Vec& v) { return run(f, v, true); };
  }
  // A Program near these inputs, on both sides: of the laws, those that compare the library with itself can fail.
  Laws(const functra::Program& p, Vec at, std::uint64_t seed) : rng_(seed ^ 0x5bd1e995u), near_(std::move(at)) {
    library_ = plain_ = [p](const Vec& v) { return p(v); };
  }
  Vec inputs_of_a_law() { return inputs(), x_; }
  const Fn& library() const { return library_; }
  // Every law, or the one of that name; the first that fails.
  Failure check(const std::string& only, const std::function<void(const char*)>& starts) {
    const char* part = std::getenv("FUNCTRA_LAW");
    const std::pair<const char*, void (Laws::*)()> laws[] = {
        {"eager = plain", &Laws::eager},
        {"jit = plain", &Laws::compiled},
        {"the program replays, prints and parses", &Laws::program},
        {"the program = what the passes make of it", &Laws::optimised},
        {"vmap = loop", &Laws::batched},
        {"jvp = differences", &Laws::differences},
        {"jvp = plain jvp", &Laws::pushed},
        {"linearize = plain jvp", &Laws::linearized},
        {"vjp = plain vjp", &Laws::pulled},
        {"jit(vjp) = plain vjp", &Laws::pulled_compiled},
        {"vmap(vjp) = loop", &Laws::pulled_batched},
        {"vmap(jvp) = loop", &Laws::pushed_batched},
        {"vjp(vmap) = loop", &Laws::batched_pulled},
        {"jvp(vjp) = plain", &Laws::second_order},
        {"jit(vmap(jvp(vjp))) = loop", &Laws::second_order_batched},
    };
    for (auto& [name, law] : laws) {
      if (!only.empty() ? only != name : part && std::string(name).find(part) == std::string::npos) continue;
      if (dtype == f32 && std::string(name).find("differences") != std::string::npos) continue;
      starts(name);
      inputs();
      try {
        detail_.clear();
        (this->*law)();
        if (!detail_.empty()) return {name, detail_};
      } catch (const std::exception& e) { return {name, std::string("threw: ") + e.what(), true}; }
      if (core::current) {
        core::current = nullptr;
        return {name, "an interpreter was left current", true};
      }
      ++ran;
    }
    return {};
  }
  long ran = 0;

 private:
  Tensor random(const Shape& s, double lo, double hi) {
    std::vector<double> v(static_cast<std::size_t>(s.numel()));
    for (double& x : v) x = lo + (hi - lo) * static_cast<double>(rng_() >> 11) * 0x1p-53;
    return from_values(s, dtype, v);
  }
  Vec point() {
    Vec r;
    for (const Type& t : params_) r.push_back(random(t.shape, t.lo, t.hi));
    for (const Tensor& t : near_) r.push_back(beside(t));
    return r;
  }
  Tensor beside(const Tensor& t) { return is_floating(t.raw_dtype()) ? (t * (1 + 1e-3 * random(t.sizes(), -1, 1))).to(t.raw_dtype()) : t; }
  Vec like(const Vec& v) {
    Vec r;
    for (const Tensor& t : v) r.push_back(random(t.sizes(), -1, 1));
    return r;
  }
  void inputs() {
    rng_.seed(rng_seed_);
    x_ = point();
    other_ = point();
    t_ = like(x_);
    lanes_.clear();
    in_.clear();
    dims_.clear();
    constexpr int n = 3;
    std::vector<Vec> per(n, x_);
    bool any = false;
    for (std::size_t k = 0; k < x_.size(); ++k) {
      bool mapped = rng_() % 3 != 0 || (k + 1 == x_.size() && !any);
      any |= mapped;
      dims_.push_back(mapped ? static_cast<int>(rng_() % static_cast<std::uint64_t>(x_[k].dim() + 1)) : -1);
      if (!mapped) {
        in_.push_back(x_[k]);
        continue;
      }
      Vec column;
      for (Vec& lane : per) column.push_back(lane[k] = near_.empty() ? random(x_[k].sizes(), params_[k].lo, params_[k].hi) : beside(near_[k]));
      in_.push_back(stack(column, dims_.back()));
    }
    lanes_ = per;
  }
  // Equal to rounding, magnified by what lies between; NaN never occurs in a program that keeps its bounds.
  void same(const Vec& a, const Vec& b, double tolerance) {
    if (dtype == f32) tolerance = std::max(tolerance, 2e-3);
    if (a.size() != b.size()) detail_ = std::to_string(a.size()) + " results against " + std::to_string(b.size());
    for (std::size_t k = 0; k < a.size() && detail_.empty(); ++k) {
      if (!(a[k].sizes() == b[k].sizes())) {
        detail_ = "shape " + a[k].sizes().str() + " against " + b[k].sizes().str();
        return;
      }
      if (a[k].raw_dtype() != b[k].raw_dtype() || a[k].weak() != b[k].weak()) {
        detail_ = "type " + a[k].aval().str() + " against " + b[k].aval().str();
        return;
      }
      auto x = a[k].to_vector<double>(), y = b[k].to_vector<double>();
      double scale = 1;
      for (double v : y) scale = std::max(scale, std::fabs(v));
      for (std::size_t i = 0; i < x.size(); ++i)
        if (!(std::fabs(x[i] - y[i]) <= tolerance * scale)) {
          char text[200];
          std::snprintf(text, sizeof text, "result %zu element %zu: %.17g against %.17g", k, i, x[i], y[i]);
          detail_ = text;
          return;
        }
    }
  }
  Vec loop(const Fn& f) const {
    Vec r;
    std::vector<Vec> rows;
    for (const Vec& lane : lanes_) rows.push_back(f(lane));
    for (std::size_t k = 0; k < rows[0].size(); ++k) {
      Vec column;
      for (auto& row : rows) column.push_back(row[k]);
      r.push_back(stack(column));
    }
    return r;
  }
  static Fn jitted(const Fn& f) {
    return [g = functra::jit([f](const Vec& v) { return f(v); })](const Vec& v) { return g(v); };
  }
  // The pullback of a fixed cotangent of f, at v.
  static Fn pull_of(const Fn& f) {
    return [f](const Vec& v) {
      auto [y, pull] = functra::vjp([&](const Vec& u) { return f(u); }, v);
      Vec ct;
      for (const Tensor& t : y) ct.push_back(cos(stop_gradient(t)) + 0.5);
      return pull(ct);
    };
  }
  Fn push_of(const Fn& f) const {
    return [f, t = t_](const Vec& v) { return jvp_of(f, v, t); };
  }

  void eager() { same(library_(x_), plain_(x_), 1e-9); }
  void compiled() {
    Fn fast = jitted(library_);
    (void)fast(x_);
    same(fast(other_), plain_(other_), 1e-9);
  }
  void program() {
    functra::Program p = make_fx([&](const Vec& v) { return library_(v); })(x_);
    p.verify();
    same(p(other_), plain_(other_), 1e-9);
    functra::Program q = functra::Program::parse(to_string(p));
    if (!(q == p)) detail_ = "parsed text gives another program:\n" + to_string(p);
    if (detail_.empty() && p.captured() == 0) same(q(other_), p(other_), 0);
  }
  // Of the function and its derivatives, alone and mapped.
  void optimised() {
    const Fn pull = pull_of(library_), second = push_of(pull);
    const std::pair<const char*, Fn> functions[] = {{"", library_},
                                                    {"pullback: ", pull},
                                                    {"pushforward: ", push_of(library_)},
                                                    {"second order: ", second},
                                                    {"mapped: ", [&](const Vec& v) { return vmap_of(library_, v, dims_); }},
                                                    {"mapped pullback: ", [&](const Vec& v) { return vmap_of(pull, v, dims_); }}};
    for (auto& [name, f] : functions) {
      bool mapped = name[0] == 'm';
      functra::Program p = make_fx([&f = f](const Vec&v) { return f(v); })(mapped ? in_ : x_), q(compiler::optimize(p.ir()), p.captured_tensors());
      same(firm(q(mapped ? in_ : other_)), firm(p(mapped ? in_ : other_)), 1e-8);
      if (detail_.empty()) continue;
      detail_ = name + detail_ + "\n" + to_string(p) + "\nafter the passes:\n" + to_string(q);
      return;
    }
  }
  static Vec firm(Vec v) {  // evaluation keeps a number weak where a program says that it is not
    for (Tensor& t : v) t = core::as_type(t, t.raw_dtype(), false);
    return v;
  }
  void batched() { same(vmap_of(library_, in_, dims_), loop(plain_), 1e-9); }
  void pushed() { same(jvp_of(library_, x_, t_), jvp_of(plain_, x_, t_), 1e-7); }
  void linearized() {
    auto [y, push] = functra::linearize([&](const Vec& v) { return library_(v); }, x_);
    same(push(t_), jvp_of(plain_, x_, t_), 1e-7);
  }
  void pulled() { same(pull_of(library_)(x_), pull_of(plain_)(x_), 1e-7); }
  void pulled_compiled() { same(jitted(pull_of(jitted(library_)))(x_), pull_of(plain_)(x_), 1e-7); }
  void pulled_batched() { same(vmap_of(pull_of(library_), in_, dims_), loop(pull_of(plain_)), 1e-7); }
  void pushed_batched() { same(vmap_of(push_of(library_), in_, dims_), loop(push_of(plain_)), 1e-7); }
  void batched_pulled() {  // the loop keeps shared operands shared: their cotangents sum
    Fn mapped = [&](const Vec& v) { return vmap_of(library_, v, dims_); };
    Fn looped = [&](const Vec& v) {
      std::vector<Vec> rows;
      for (std::size_t b = 0; b < lanes_.size(); ++b) {
        Vec lane = v;
        for (std::size_t k = 0; k < v.size(); ++k)
          if (dims_[k] >= 0) lane[k] = select(v[k], dims_[k], static_cast<std::int64_t>(b));
        rows.push_back(plain_(lane));
      }
      Vec r;
      for (std::size_t k = 0; k < rows[0].size(); ++k) {
        Vec column;
        for (auto& row : rows) column.push_back(row[k]);
        r.push_back(stack(column));
      }
      return r;
    };
    same(pull_of(mapped)(in_), pull_of(looped)(in_), 1e-7);
  }
  void second_order() { same(push_of(pull_of(library_))(x_), push_of(pull_of(plain_))(x_), 1e-5); }
  void second_order_batched() {
    Fn g = push_of(pull_of(library_));
    same(jitted([&](const Vec& v) { return vmap_of(g, v, dims_); })(in_), loop(push_of(pull_of(plain_))), 1e-5);
  }
  // Central differences of fourth order. A kink between the points, or a large higher derivative, spoils one step size or one point,
  // a wrong rule all of them.
  void differences() {
    std::string first;
    for (int attempt = 0; attempt < 6; ++attempt) {
      const double h = attempt % 3 == 0 ? 1e-4 : attempt % 3 == 1 ? 1e-3 : 2e-6;
      auto at = [&](double s) {
        Vec v;
        for (std::size_t k = 0; k < x_.size(); ++k) v.push_back(x_[k] + s * t_[k]);
        return plain_(v);
      };
      Vec a = at(h), b = at(-h), c = at(2 * h), d = at(-2 * h), q;
      for (std::size_t k = 0; k < a.size(); ++k) q.push_back((8.0 * (a[k] - b[k]) - (c[k] - d[k])) / (12 * h));
      detail_.clear();
      same(jvp_of(library_, x_, t_), q, 1e-5);
      if (detail_.empty()) return;
      if (first.empty()) first = detail_;
      if (attempt == 2) x_ = point();
    }
    detail_ = first;
  }

  std::mt19937_64 rng_;
  std::uint64_t rng_seed_ = rng_();
  std::vector<Type> params_;
  Vec near_;
  Fn library_, plain_;
  Vec x_, other_, t_, in_;
  std::vector<int> dims_;
  std::vector<Vec> lanes_;
  std::string detail_;
};

// Checks in a child process: a crash, or an endless loop, is a failure of the law that ran.
struct Outcome {
  Failure failure;
  long ran = 0;
};
Outcome check(const std::function<Laws()>& make, std::uint64_t seed, const std::string& law) {
  dtype = seed % 5 == 0 ? f32 : f64;
  int ends[2];
  if (pipe(ends) != 0) throw std::runtime_error("pipe");
  pid_t child = fork();
  if (child < 0) throw std::runtime_error("fork");
  auto put = [&](std::string s) {
    s += '\0';
    for (std::size_t at = 0; at < s.size();) {
      ssize_t n = write(ends[1], s.data() + at, s.size() - at);
      if (n <= 0) _exit(1);
      at += static_cast<std::size_t>(n);
    }
  };
  if (child == 0) {
    close(ends[0]);
    alarm(100);
    Laws laws = make();
    Failure r = laws.check(law, [&](const char* name) { put(std::string("?") + name); });
    put("!" + std::to_string(laws.ran));
    put(r.law);
    put(r.detail);
    put(r.threw ? "threw" : "");
    _exit(0);
  }
  close(ends[1]);
  std::string all;
  char block[4096];
  for (ssize_t n; (n = read(ends[0], block, sizeof block)) > 0;) all.append(block, static_cast<std::size_t>(n));
  close(ends[0]);
  int status = 0;
  waitpid(child, &status, 0);
  std::vector<std::string> parts;
  for (std::size_t at = 0; at < all.size();) {
    parts.emplace_back(all.c_str() + at);
    at += parts.back().size() + 1;
  }
  std::string last;
  std::size_t at = 0;
  while (at < parts.size() && parts[at][0] == '?') last = parts[at++].substr(1);
  if (!WIFEXITED(status) || parts.size() < at + 4)
    return {{last, WIFSIGNALED(status) ? std::string("ended by ") + strsignal(WTERMSIG(status)) : "ended", true}, static_cast<long>(at) - 1};
  return {{parts[at + 1], parts[at + 2], !parts[at + 3].empty()}, std::stol(parts[at].substr(1))};
}
Outcome check(const Function& f, std::uint64_t seed, const std::string& law = {}) {
  return check([&] { return Laws(f, seed); }, seed, law);
}
// The smallest program found on which the same law fails in the same way.
Function shrunk(Function f, std::uint64_t seed, const Failure& failure) {
  for (int tries = 0; tries < 3000;) {
    bool smaller = false;
    for (const Function& g : reductions(f)) {
      if (weight(g) >= weight(f)) continue;
      if (++tries > 3000) break;
      Failure now = check(g, seed, failure.law).failure;
      if (now.law != failure.law || now.threw != failure.threw) continue;
      f = g;
      smaller = true;
      break;
    }
    if (!smaller) break;
  }
  return f;
}
// What was thrown, but for the numbers in it.
std::string kind(const Failure& f) { return f.detail.substr(0, f.detail.find_first_of("0123456789[")); }
// The smallest traced Program that fails this law, kept as files: their folder, or nothing where the Program alone does not fail. In a
// process of its own, which may end in any way.
std::string kept(const Function& f, std::uint64_t seed, const Failure& failure) {
  const char* to = std::getenv("FUNCTRA_REPROS");
  const std::string folder = (to ? to : std::string(binary_dir()) + "/random_failures") + "/seed_" + std::to_string(seed);
  std::filesystem::remove_all(folder);
  pid_t child = fork();
  if (child < 0) throw std::runtime_error("fork");
  if (child == 0) {
    alarm(600);
    try {
      Laws laws(f, seed);
      Vec x = laws.inputs_of_a_law();
      auto fails = [&](const functra::Program& p, const Vec& at) {
        Failure now = check([&] { return Laws(p, at, seed); }, seed, failure.law).failure;
        return now.law == failure.law && now.threw == failure.threw && (!now.threw || kind(now) == kind(failure));
      };
      auto save = [&](const functra::Program& p, const Vec& at) { io::save_repro(folder, p, at, "return true;  // " + failure.law); };
      (void)compile::minifier(make_fx([&](const Vec& v) { return laws.library()(v); })(x), x, fails, {.max_tries = 1000, .found = save});
    } catch (const std::exception&) {}  // no Program to be traced, or it does not fail
    _exit(0);
  }
  waitpid(child, nullptr, 0);
  return std::filesystem::exists(folder + "/program.txt") ? folder : "";
}
std::uint64_t number(const char* name, std::uint64_t otherwise) {
  const char* s = std::getenv(name);
  return s ? std::strtoull(s, nullptr, 10) : otherwise;
}

TEST(RandomPrograms, EveryMeaningOfAProgramIsTheSame) {
  const std::uint64_t seed = number("FUNCTRA_SEED", 1), count = number("FUNCTRA_PROGRAMS", std::getenv("FUNCTRA_SECONDS") ? ~0ull >> 1 : 2000);
  const double seconds = static_cast<double>(number("FUNCTRA_SECONDS", 1000000));
  const auto start = std::chrono::steady_clock::now();
  long programs = 0, laws = 0, nodes = 0, failures = 0;
  for (std::uint64_t s = seed; s < seed + count && failures < 10; ++s) {
    if (std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count() > seconds) break;
    Function f = generate(s);
    nodes += size(f);
    auto [failed, ran] = check(f, s);
    ++programs;
    laws += ran;
    for (long i = 0; i < ran; ++i) count_law(true);
    if (failed.law.empty()) continue;
    ++failures;
    count_law(false);
    Function small = shrunk(f, s, failed);
    Failure last = check(small, s, failed.law).failure;
    const std::string files = kept(small, s, last);
    ADD_FAILURE() << "seed " << s << (dtype == f32 ? ", f32" : "") << ": " << failed.law << ": " << failed.detail << "\nsmallest program:\nf"
                  << text(small) << "\n"
                  << last.detail << (files.empty() ? "\nthe traced Program alone does not fail" : "\nits Program is kept in " + files);
  }
  std::printf("random programs: seeds %llu to %llu, %ld programs of %.1f nodes, %ld comparisons\n", static_cast<unsigned long long>(seed),
              static_cast<unsigned long long>(seed + static_cast<std::uint64_t>(programs) - 1), programs,
              static_cast<double>(nodes) / static_cast<double>(std::max(programs, 1l)), laws);
}

// A wrong derivative, which only the library's side has: what is kept of it is the one equation.
TEST(RandomPrograms, AFailingProgramIsMinifiedAndKept) {
  static const Op wrong{
      "wrong", 0, {}, [](const Node&, const Vec& in, const Vec&, bool plain) { return Vec{sin(plain ? in[0] : stop_gradient(in[0]))}; }};
  dtype = f64;
  const Type t = bounded({3}, -1, 1);
  Function f{.params = {t, t}, .nodes = {}, .results = {2}};
  f.nodes.push_back({.op = &wrong, .in = {0}, .out = {t}});
  Failure failed = check(f, 1).failure;
  ASSERT_EQ(failed.law, "jvp = differences") << failed.detail;
  const std::string files = kept(f, 1, failed);
  ASSERT_FALSE(files.empty());
  auto small = io::load_repro(files + "/program.txt", files + "/inputs.npz");
  ASSERT_EQ(small.program.size(), 1u) << small.program;
  EXPECT_EQ(small.program.equation(0).op, "stop_gradient");
  std::filesystem::remove_all(files);
  failed.law = "eager = plain";  // compares with what the Program does not know
  EXPECT_EQ(kept(f, 1, failed), "");
}

}  // namespace
}  // namespace functra::testing
