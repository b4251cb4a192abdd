// What compiled functions keep: recomputation, equal values and draws, effects in order, caches, and what calls are prepared for.
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>

#include <unistd.h>

#include "functra/base/memory.h"
#include "functra/runtime/executable.h"
#include "laws_count.h"
#include "support/close.h"
#include "support/compiled.h"
#include "support/optimised.h"

namespace functra::testing {
namespace {

using Unary = std::function<Tensor(const Tensor&)>;
using Strings = std::vector<std::string>;

Unary times(int n, Unary block) {
  return [n, block](const Tensor& x) {
    Tensor y = x;
    for (int i = 0; i < n; ++i) y = block(y);
    return y;
  };
}
Unary total(Unary f) {
  return [f](const Tensor& x) { return sum(f(x)); };
}
// The highest memory of a call, over that before it, in arrays like x.
double peak(const Unary& f, const Tensor& x) {
  (void)f(x);
  reset_peak_memory();
  const std::size_t before = memory_stats().in_use;
  Tensor held = f(x);
  return static_cast<double>(memory_stats().peak - before) / static_cast<double>(static_cast<std::size_t>(x.numel()) * size_of(x.raw_dtype()));
}

}  // namespace

// ---------------------------------------------------------------- recomputation
TEST(NativeBehaviours, what_is_computed_again_is_made_when_cotangents_exist_and_dropped_after_use) {
  constexpr int blocks = 6, steps = 4;
  const Tensor x = numbers({256, 64}), w = numbers({64, 64}, f64, 1) * 0.2;
  struct Case {
    const char* name;
    Unary step;
    const char* op;  // one per step forwards
    int backwards;   // of these, per step, in the backward half
  };
  const Case cases[] = {
      {"kernels", [](const Tensor& a) { return cumsum(sin(a), 0) * 0.05; }, "sin", 0},
      {"products", [&](const Tensor& a) { return tanh(matmul(a, w)); }, "dot_general", 1},
      {"rows", [](const Tensor& a) { return sin(a) - mean(a) * a; }, "sin", 0},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.name);
    const Unary block = times(steps, c.step), plain = total(times(blocks, block)), again = total(times(blocks, checkpoint(block)));
    auto fast = jit(grad(again)), usual = jit(grad(plain));
    // As many operations as forwards, once more for each block (of its last product only the results are read), and backwards.
    const functra::Program p = fast.trace(x).program(), q = fast.trace(x).lower().program();
    EXPECT_EQ(count(q, c.op), count(p, c.op));  // no pass takes one away
    const std::size_t n = blocks * steps, less = count(usual.trace(x).lower().program(), c.op);
    EXPECT_GE(count(q, c.op), less + n - 2 * blocks);
    EXPECT_LE(count(q, c.op), 2 * n + n * static_cast<std::size_t>(c.backwards));
    // Blocks' operands, one block's residuals, and what is at work; without, every step's residuals.
    const double with = peak(fast, x), without = peak(usual, x);
    EXPECT_LE(with, blocks + 3 * steps) << "without: " << without;
    EXPECT_GE(without, blocks * steps);
    expect_close(fast(x), grad(plain)(x), 1e-10);
  }
}
TEST(NativeBehaviours, recomputation_saves_memory_under_vmap_in_loops_and_at_second_order) {
  static constexpr int blocks = 6, steps = 3;
  const Tensor x = numbers({8, 32, 32});
  const Unary block = times(steps, [](const Tensor& a) { return cumsum(sin(a), 0) * 0.05; });
  auto loop = [](Unary f) {
    return Unary([f](const Tensor& a) {
      return scan([f](const Tensor& c, NoneType) { return std::pair{f(c), none}; }, a, {.length = blocks}).first;
    });
  };
  auto along = [](Unary f) {  // a second derivative
    return Unary([f](const Tensor& a) { return jvp(grad(total(f)), a, ones_like(a)).second; });
  };
  auto less = [&](const char* name, const Unary& with, const Unary& without, double most) {
    SCOPED_TRACE(name);
    Unary fast = jit(with), usual = jit(without);
    const double m = peak(fast, x), n = peak(usual, x);
    EXPECT_LE(m, most) << "without: " << n;
    EXPECT_LT(m, 0.85 * n);
    EXPECT_EQ(results_differ({fast(x)}, {without(x)}, Match::rounded, 256), "");
  };
  const Unary plain = times(blocks, block), again = times(blocks, checkpoint(block));
  less("vmap of grad", vmap(grad(total(again))), vmap(grad(total(plain))), blocks + 3 * steps);
  less("grad of vmap", grad(total(vmap(again))), grad(total(vmap(plain))), blocks + 3 * steps);
  less("scan", grad(total(loop(checkpoint(block)))), grad(total(loop(block))), blocks + 3 * steps);
  less("second order", along(again), along(plain), 2 * blocks + 8 * steps);
  // The captured value is differentiated too.
  auto closed = [&](bool keep) {
    return Unary([=](const Tensor& v) {
      Tensor y = v;
      for (int i = 0; i < blocks; ++i) {
        auto f = [&](const Tensor& a) { return block(a * v); };
        y = keep ? f(y) : checkpoint(f)(y);
      }
      return y;
    });
  };
  less("closing over differentiated values", grad(total(closed(false))), grad(total(closed(true))), 2 * blocks + 4 * steps);
}
TEST(NativeBehaviours, compiled_policies_compute_again_what_they_do_not_save) {
  const Tensor x = numbers({70, 64}), w = numbers({64, 64}, f64, 1) * 0.2;
  constexpr int steps = 3, blocks = 2;
  const Unary block = times(steps, [&](const Tensor& a) { return tanh(checkpoint_name(matmul(a, w), "h")); });
  const Tensor want = grad(total(times(blocks, block)))(x);
  struct Case {
    CheckpointPolicy policy;
    std::size_t dots, tanhs;  // computed again, per block
  };
  for (auto& [policy, dots, tanhs] : {Case{policies::nothing_saveable, 3, 3}, Case{policies::dots_saveable, 0, 3},
                                      Case{policies::everything_saveable, 0, 0}, Case{policies::save_only_these_names({"h"}), 0, 3}}) {
    auto fast = jit(value_and_grad(total(times(blocks, checkpoint(block, {.policy = policy})))));
    const functra::Program q = fast.trace(x).lower().program();
    EXPECT_EQ(count(q, "dot_general"), blocks * (2 * steps + dots));
    EXPECT_EQ(count(q, "tanh"), blocks * (steps + tanhs));
    expect_close(fast(x).second, want, 1e-12);
  }
}

// ---------------------------------------------------------------- equal values, and draws
TEST(NativeBehaviours, equal_values_are_computed_once_in_bodies_too) {
  auto four = [](const Tensor& v) { return sum(v) + sum(v) + sum(v) + sum(v); };
  const Tensor x = numbers({40});
  auto in_scan = [&](const Tensor& v) { return scan([&](const Tensor& c, const Tensor& a) { return std::pair{c * a, four(c)}; }, v, v).second; };
  auto in_while = [&](const Tensor& v) {
    return while_loop([&](const Tensor& c) { return four(c) < 100.0; }, [&](const Tensor& c) { return c * c + 1.0 + four(c); }, v);
  };
  auto in_cond = [&](const Tensor& v) {
    return cond(
        v[0] > 0.0, [&](const Tensor& a) { return four(a); }, [&](const Tensor& a) { return four(a) * 2.0; }, v);
  };
  auto once = [&](auto f, std::size_t traced, std::size_t optimised) {
    auto stages = jit(f).trace(x);
    EXPECT_EQ(count(stages.program(), "reduce_sum"), traced);
    EXPECT_EQ(count(stages.lower().program(), "reduce_sum"), optimised);
    expect_close(jit(f)(x), f(x), 1e-12);
  };
  once(four, 4, 1);
  once(in_scan, 4, 1);
  once(in_while, 8, 2);
  once(in_cond, 8, 2);
}
TEST(NativeBehaviours, stateful_draws_are_refused_at_every_depth_and_draws_of_one_key_are_one_value) {
  const std::pair<const char*, Unary> draws[] = {
      {"straight", [](const Tensor& x) { return x + rand({}, f64); }},
      {"scan",
       [](const Tensor& x) {
         return scan([](const Tensor& c, NoneType) { return std::pair{c, rand({}, f64)}; }, x, {.length = 6}).second;
       }},
      {"while",
       [](const Tensor& x) {
         return while_loop([](const Tensor& c) { return c < 3.0; }, [](const Tensor& c) { return c + 1.0 + rand({}, f64); }, x);
       }},
      {"cond",
       [](const Tensor& x) {
         return cond(
             x < 1.0, [](const Tensor& a) { return a + randn({}, f64); }, [](const Tensor& a) { return a; }, x);
       }},
      {"unused", [](const Tensor& x) { return (void)rand({7}, f64), x; }},
      {"dropout", [](const Tensor& x) { return sum(dropout(ones({40}, f64), 0.5)) * x; }},
      {"inside", [](const Tensor& x) { return jit([](const Tensor& v) { return v + rand({}, f64); })(x); }},
  };
  for (auto& [name, f] : draws) {
    SCOPED_TRACE(name);
    expect_throw<TracerError>([&, f = f] { (void)jit(f)(tensor(0.25, f64)); }, "pass a key and use ft::random");
  }
  // By key they are pure: the same key and shape are the same value, made once; other keys are others.
  const Tensor key = random::key(3);
  auto equal_keys = [](const Tensor& k) { return random::uniform(k, {5}, f64) + random::uniform(k, {5}, f64); };
  auto other_keys = [](const Tensor& k) {
    auto [a, b] = random::split(k);
    return random::uniform(a, {5}, f64) - random::uniform(b, {5}, f64);
  };
  auto bits_in = [&](auto f) { return count(jit(f).trace(key).lower().program(), "random_bits"); };
  auto one_draw = [](const Tensor& k) { return random::uniform(k, {5}, f64); };
  EXPECT_GE(bits_in(one_draw), 1u);
  EXPECT_EQ(bits_in(equal_keys), bits_in(one_draw));
  EXPECT_GT(bits_in(other_keys), bits_in(one_draw));
  expect_close(jit(equal_keys)(key), random::uniform(key, {5}, f64) * 2.0, 0);
  expect_close(jit(other_keys)(key), other_keys(key), 0);
  EXPECT_GT(double(amax(abs(other_keys(key)))), 0.0);
}

// ---------------------------------------------------------------- effects
namespace {
// What a function prints, calls back and leaves in a Ref, and its results, in this order.
class Record {
 public:
  Record() {
    debug::set_sink([this](const std::string& s) { lines.push_back(s); });
  }
  ~Record() { debug::set_sink(nullptr); }
  Strings lines;
};
struct Effectful {
  const char* name;
  std::function<Unary(Record&, const Ref&)> make;  // scalar to scalar
  bool differentiable = true;
};
std::vector<Effectful> effectful() {
  auto note = [](Record& r, const Tensor& x) {
    debug::callback([&r](const Tensor& t) { r.lines.push_back("callback " + std::to_string(double(t))); }, x);
  };
  return {
      {"a line of them",
       [=](Record& r, const Ref& ref) -> Unary {
         return [=, &r](const Tensor& x) {
           debug::print("same");
           note(r, x);
           ref.add(1.0);
           debug::print("same");
           debug::print("ref {}", ref.get());
           ref.set(ref.get() * 2.0);
           note(r, x * x);
           debug::print("ref {}", ref.get());
           debug::print("same");
           return sin(x);
         };
       }},
      {"scan",
       [=](Record& r, const Ref& ref) -> Unary {
         return [=, &r](const Tensor& x) {
           auto [c, y] = scan(
               [=, &r](const Tensor& c, const Tensor& v) {
                 debug::print("same");  // does not change from step to step
                 ref.add(1.0);
                 debug::print("step {} {}", c, ref.get());
                 note(r, v);
                 return std::pair{c * 0.5, c};
               },
               x, tensor({1.0, 2.0, 3.0}, f64), {.reverse = true});
           debug::print("after");
           return x * 2.0;  // nothing of the loop
         };
       }},
      {"fori in fori",
       [=](Record& r, const Ref& ref) -> Unary {
         return [=, &r](const Tensor& x) {
           (void)fori_loop(
               0, 2,
               [=, &r](const Tensor& i, const Tensor& c) {
                 debug::print("outer {}", i);
                 Tensor d = fori_loop(
                     0, 2,
                     [=, &r](const Tensor& j, const Tensor& u) {
                       debug::print("inner {} {}", i, j);
                       ref.add(u * 0.0 + 1.0);
                       note(r, u);
                       return u * 0.5;
                     },
                     c);
                 debug::print("end {}", ref.get());
                 return d;
               },
               stop_gradient(x));
           return x * x;
         };
       }},
      {"while",
       [=](Record& r, const Ref& ref) -> Unary {
         return [=, &r](const Tensor& x) {
           Tensor n = while_loop(
               [=](const Tensor& c) {
                 debug::print("test {}", c);
                 return c < 3.0;
               },
               [=, &r](const Tensor& c) {
                 debug::print("body {}", c);
                 ref.add(c);
                 note(r, c);
                 return c + 1.0;
               },
               stop_gradient(x));
           debug::print("out {}", n);
           return x * n;
         };
       }},
      {"cond",
       [=](Record& r, const Ref& ref) -> Unary {
         return [=, &r](const Tensor& x) {
           auto branch = [=, &r](const char* which) {
             return [=, &r](const Tensor& v) {
               debug::print(std::string(which) + " {}", v);
               ref.add(10.0);
               note(r, v);
               return v * 2.0;
             };
           };
           Tensor a = cond(x > 1.0, branch("yes"), branch("no"), x);
           (void)cond(x > 1.0, branch("yes again"), branch("no again"), x);  // nobody reads it
           return a;
         };
       }},
  };
}
}  // namespace
TEST(NativeBehaviours, effects_keep_their_order_under_every_nesting_of_jit) {
  using Wrap = std::function<Unary(Unary)>;
  auto j = [](const Unary& f) -> Unary { return jit(f); };
  const std::pair<const char*, std::pair<Wrap, Wrap>> nestings[] = {
      {"jit", {j, [](Unary f) { return f; }}},
      {"jit of jit",
       {[=](Unary f) { return j([=](const Tensor& x) { return j(f)(x) + j(f)(x * 0.5); }); },
        [=](Unary f) { return [=](const Tensor& x) { return f(x) + f(x * 0.5); }; }}},
      {"a prepared call", {[=](Unary f) { return [=](const Tensor& x) { return Tensor(jit(f).bind(x)(x)); }; }, [](Unary f) { return f; }}},
      {"jit in a scan",
       {[=](Unary f) { return j([=](const Tensor& x) {
                         return map(j(f), stack({x, x * 2.0}));
                       }); },
        [=](Unary f) { return [=](const Tensor& x) {
                         return map(f, stack({x, x * 2.0}));
                       }; }}},
  };
  for (auto& e : effectful())
    for (auto& [name, wrap] : nestings) {
      SCOPED_TRACE(std::string(name) + ", " + e.name);
      auto run = [&](const Wrap& w) {
        Record r;
        Ref ref(tensor(1.0, f64));
        const Unary f = w(e.make(r, ref));
        for (double at : {0.75, 1.5, 0.75}) {
          const Tensor y = f(tensor(at, f64));
          for (double v : y.to_vector<double>()) r.lines.push_back("result " + std::to_string(v));
          r.lines.push_back("ref " + std::to_string(double(ref.get())));
        }
        return r.lines;
      };
      const Strings want = run(wrap.second), is = run(wrap.first);
      count_law(is == want);
      EXPECT_EQ(is, want);
      EXPECT_GE(want.size(), 12u);
    }
}
TEST(NativeBehaviours, effects_of_compiled_derivatives_and_batches_happen_once_and_in_order) {
  // No Ref here: grad and vmap refuse writes to one that was made outside.
  auto f = [](const Tensor& x) {
    debug::print("first {}", x);
    auto [c, y] = scan(
        [](const Tensor& c, const Tensor& v) {
          debug::print("same");
          debug::print("step {}", c);
          return std::pair{sin(c) * v, c};
        },
        x, tensor({1.0, 2.0}, f64));
    Tensor d = cond(
        c > 0.9,
        [](const Tensor& a) {
          debug::print("large {}", a);
          return a * a;
        },
        [](const Tensor& a) {
          debug::print("small {}", a);
          return exp(a);
        },
        c);
    debug::print("last {}", d);
    return d + y[1];
  };
  auto lines = [](const Unary& g, const Tensor& x) {
    Record r;
    auto a = g(x);
    auto b = g(x);
    return r.lines;
  };
  const Tensor x = tensor(0.75, f64), xs = tensor({0.25, 0.5, 1.25}, f64);
  const Strings once = lines(f, x);
  EXPECT_EQ(once.size(), 2u * (1 + 4 + 1 + 1));
  EXPECT_EQ(lines(jit(f), x), once);
  EXPECT_EQ(lines(jit(grad(f)), x), once);
  EXPECT_EQ(lines(grad(jit(f)), x), once);
  EXPECT_EQ(lines(jit(grad(grad(f))), x), once);
  EXPECT_EQ(lines(jit(grad(jit(f))), x), once);
  EXPECT_EQ(lines([&](const Tensor& v) { return jit([&](const Tensor& u) { return jvp(f, u, u).second; })(v); }, x), once);
  const Strings each = lines(vmap(f), xs);
  EXPECT_EQ(each.size(), 2u * (3 * (1 + 2 + 1 + 1) + 2));  // a line without mapped values is one for all
  EXPECT_EQ(lines(jit(vmap(f)), xs), each);
  EXPECT_EQ(lines(vmap(jit(f)), xs), each);
  EXPECT_EQ(lines(vmap(grad(f)), xs), each);
  EXPECT_EQ(lines(jit(vmap(grad(f))), xs), each);
}
TEST(NativeBehaviours, effects_that_no_result_needs_are_printed_before_the_call_returns_and_stop_at_an_error) {
  Record r;
  auto f = jit([&](const Tensor& x) {
    debug::print("one {}", x);
    debug::callback(
        [&](const Tensor& t) {
          if (double(t) > 1.0) throw std::runtime_error("enough");
        },
        x);
    debug::print("two {}", x);
    return tensor(3.0, f64);
  });
  EXPECT_EQ(double(f(tensor(0.5, f64))), 3.0);
  EXPECT_EQ(r.lines, (Strings{"one 0.5", "two 0.5"}));
  r.lines.clear();
  EXPECT_THROW((void)f(tensor(2.0, f64)), std::exception);
  EXPECT_EQ(r.lines, Strings{"one 2.0"});
}

// ---------------------------------------------------------------- caches
namespace {
// Functions that code was generated for while it lives.
class Generated {
 public:
  Generated() {
    ::setenv("FUNCTRA_PERF_MAP", "1", 1);
    seen_ = lines();
  }
  ~Generated() {
    ::unsetenv("FUNCTRA_PERF_MAP");
    std::remove(path().c_str());
  }
  std::size_t more() {
    const std::size_t now = lines(), n = now - seen_;
    seen_ = now;
    return n;
  }

 private:
  static std::string path() { return "/tmp/perf-" + std::to_string(::getpid()) + ".map"; }
  static std::size_t lines() {
    std::ifstream in(path());
    std::size_t n = 0;
    for (std::string s; std::getline(in, s);) ++n;
    return n;
  }
  std::size_t seen_;
};
}  // namespace
TEST(NativeBehaviours, code_is_generated_once_per_program_whoever_traces_it) {
  Generated code;
  const Tensor x = numbers({41});
  auto make = [](double k) { return jit([k](const Tensor& v, double s) { return sum(sin(v) * k) * s; }); };
  auto f = make(1.375);
  auto stats = [&] { return std::pair{f.cache_stats().hits, f.cache_stats().misses}; };
  (void)f(x, 2.0);
  EXPECT_GE(code.more(), 1u);
  EXPECT_EQ(stats(), (std::pair<std::int64_t, std::int64_t>{0, 1}));
  (void)f(x * 2.0, 2.0);
  EXPECT_EQ(code.more(), 0u);
  EXPECT_EQ(stats(), (std::pair<std::int64_t, std::int64_t>{1, 1}));
  // Another function of the same text: traced, not generated. Copies share the cache.
  auto g = make(1.375), copy = f;
  EXPECT_EQ(double(g(x, 2.0)), double(f(x, 2.0)));
  EXPECT_EQ(code.more(), 0u);
  EXPECT_EQ(g.cache_stats().misses, 1);
  EXPECT_EQ(runtime::executable(g.trace(x, 2.0).program().ir()), runtime::executable(f.trace(x, 2.0).program().ir()));
  EXPECT_EQ(copy.cache_stats().misses, 1);
  // What a miss is.
  auto misses = [&](const char* what, auto call) {
    SCOPED_TRACE(what);
    const std::int64_t before = f.cache_stats().misses;
    call();
    EXPECT_GE(code.more(), 1u);
    call();
    EXPECT_EQ(f.cache_stats().misses, before + 1);
    EXPECT_EQ(code.more(), 0u);
  };
  misses("dtype", [&] { (void)f(x.to(f32), 2.0); });
  misses("shape", [&] { (void)f(numbers({42}), 2.0); });
  misses("static value", [&] { (void)f(x, 3.5); });
  auto h = jit([](const std::vector<Tensor>& v) { return sum(cos(v[0])) * 1.375; });
  (void)h(std::vector<Tensor>{x});
  EXPECT_GE(code.more(), 1u);
  (void)h(std::vector<Tensor>{x, x});
  EXPECT_EQ(h.cache_stats().misses, 2);
  // Stages, prepared calls and cleared caches make nothing new of a program that lives.
  auto stages = f.trace(x, 2.0);
  auto compiled = stages.lower().compile();
  auto call = f.bind(x, 2.0);
  f.cache_clear();
  EXPECT_EQ(double(call(x, 2.0)), double(compiled({x})[0]));
  EXPECT_EQ(double(f(x, 2.0)), double(call(x, 2.0)));
  EXPECT_EQ(code.more(), 0u);
}
TEST(NativeBehaviours, derivatives_and_batches_of_compiled_functions_are_generated_once) {
  Generated code;
  const Tensor x = numbers({43}), xs = numbers({5, 43});
  int traces = 0;
  auto f = jit([&](const Tensor& v) {
    ++traces;
    return sum(sin(v) * v * 1.875);
  });
  auto twice = [&](const char* what, auto call) {
    SCOPED_TRACE(what);
    (void)code.more();
    call();
    EXPECT_GE(code.more(), 1u);
    call();
    call();
    EXPECT_EQ(code.more(), 0u);
  };
  twice("jvp", [&] { (void)jvp(f, x, x); });
  twice("grad", [&] { (void)grad(f)(x); });
  twice("vmap", [&] { (void)vmap(f)(xs); });
  twice("vmap of grad", [&] { (void)vmap(grad(f))(xs); });
  twice("hessian-vector product", [&] { (void)hvp(f, x, x); });
  EXPECT_EQ(traces, 1);
}

// ---------------------------------------------------------------- prepared calls
TEST(NativeBehaviours, prepared_calls_may_be_made_while_another_one_runs) {
  // A callback of one call makes another prepared call, and the same function's.
  auto inner = jit([](const Tensor& x) { return sin(x) * 2.0; });
  const Tensor x = numbers({50});
  auto bound = inner.bind(x);
  std::vector<Tensor> seen;
  auto outer = jit([&](const Tensor& v) {
    Tensor y = v + 1.0;
    debug::callback([&](const Tensor& t) { seen.push_back(bound(t)), seen.push_back(inner(t * 2.0)); }, y);
    return cumsum(y, 0);
  });
  auto call = outer.bind(x);
  const Tensor a = call(x), b = call(x * 3.0);
  ASSERT_EQ(seen.size(), 4u);
  expect_close(seen[0], sin(x + 1.0) * 2.0, 1e-12);
  expect_close(seen[1], sin(x * 2.0 + 2.0) * 2.0, 1e-12);
  expect_close(seen[2], sin(x * 3.0 + 1.0) * 2.0, 1e-12);
  expect_close(a, cumsum(x + 1.0, 0), 1e-12);
  expect_close(b, cumsum(x * 3.0 + 1.0, 0), 1e-12);
  // A function that calls itself, compiled, from a callback.
  std::function<Tensor(const Tensor&)> self;
  int depth = 0;
  auto rec = jit([&](const Tensor& v) {
    Tensor y = v * 2.0;
    debug::callback(
        [&](const Tensor& t) {
          if (++depth < 4) (void)self(t);
        },
        y);
    return y;
  });
  self = rec;
  EXPECT_EQ(double(rec(tensor(1.0, f64))), 2.0);
  EXPECT_EQ(depth, 4);
}

// A barrier passes values of several shapes on, and waits for others: each result is made of its own operand alone.
TEST(NativeBehaviours, a_barrier_of_values_of_several_shapes) {
  core::ProgramPtr p = core::parse_program(
      "program(v0: f64[], v1: f64[40, 3], v2: f64[40]) { v3: f64[40, 3] = broadcast_in_dim(v2) {shape=[40, 3] dims=[0]}\n v4: f64[40, 1] = "
      "reshape(v2) "
      "{shape=[40, 1]}\n v5: f64[40, 1] = mul(v4, v4)\n v6: f64[40, 3] = mul(v3, v1)\n v7: f64[] = sin(v0)\n v8: f64[], v9: f64[40, 3] = barrier(v7, "
      "v6, "
      "v5) {n=2}\n v10: f64[] = exp(v8)\n v11: f64[40, 3] = mul(v9, v10)\n return v10, v11, v8 }");
  const Vec in{tensor(0.7, f64), numbers({40, 3}), numbers({40})};
  EXPECT_EQ(results_differ(run_native(Program(p, {}), in), core::eval_program(*p, in)), "");
  EXPECT_EQ(results_differ(run_native(Program(p, {}), in, all_passes()), core::eval_program(*p, in)), "");
}

}  // namespace functra::testing
