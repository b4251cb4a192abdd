// Results of compiled functions are values: a later call, a donation, or a change of an argument never shows in them.
#include <gtest/gtest.h>

#include "functra/base/memory.h"
#include "support/compiled.h"

namespace functra::testing {
namespace {

Vec copies(const Vec& v) {
  Vec r;
  for (const Tensor& t : v) r.push_back(Tensor::copy_of(t.contiguous().bytes(), t.raw_dtype(), t.sizes()));
  return r;
}
struct Case {
  const char* name;
  Vec in;
  Leaves f;
};
std::vector<Case> cases() {
  const Tensor held = numbers({50}, f64, 5);
  return {
      {"fresh",
       {numbers({50})},
       [](const Vec& v) {
         return Vec{v[0] * 2.0, sum(v[0])};
       }},
      {"an input",
       {numbers({50})},
       [](const Vec& v) {
         return Vec{v[0], v[0] + 1.0};
       }},
      {"an input alone", {numbers({50})}, [](const Vec& v) { return v; }},
      {"an input that is a number",
       {tensor(1.5, f64)},
       [](const Vec& v) {
         return Vec{v[0], v[0], v[0] * 2.0};
       }},
      {"a view of an input",
       {numbers({10, 5})},
       [](const Vec& v) {
         return Vec{v[0].t(), v[0].reshape({50}), flip(v[0], {0}), v[0][1]};
       }},
      {"a literal",
       {numbers({5})},
       [](const Vec& v) {
         return Vec{tensor(2.5, f64), zeros({3}), v[0] * 2.0};
       }},
      {"a captured array",
       {numbers({50})},
       [=](const Vec& v) {
         return Vec{held, v[0] * held, held.reshape({5, 10})};
       }},
      {"the same twice",
       {numbers({50})},
       [](const Vec& v) {
         Tensor y = exp(v[0]);
         return Vec{y, y, v[0], v[0], sum(y), y};
       }},
      {"the same as others read",
       {numbers({50})},
       [](const Vec& v) {
         Tensor y = exp(v[0]), z = cumsum(y, 0);
         return Vec{y, z, sort(z).first + y, z};
       }},
      {"kernels' results",
       {numbers({64, 64})},
       [](const Vec& v) {
         Tensor y = matmul(v[0], v[0]);
         return Vec{y, y.t(), y.reshape({4096}), matmul(y, v[0])};
       }},
      {"carries",
       {numbers({40}), numbers({3, 40})},
       [](const Vec& v) {
         auto [c, y] = scan(
             [](const std::pair<Tensor, Tensor>& c, const Tensor& x) {
               return std::pair{std::pair{c.second, c.first * x}, c.first};
             },
             std::pair{v[0], v[0]}, v[1]);
         return Vec{c.first, c.second, y, v[0]};
       }},
      {"carries of no steps",
       {numbers({40})},
       [](const Vec& v) {
         return Vec{fori_loop(
                        0, 0, [](const Tensor&, const Tensor& c) { return c * 2.0; }, v[0]),
                    v[0]};
       }},
      {"a branch that gives an operand back",
       {numbers({40}), numbers({40}, f64, 1)},
       [](const Vec& v) {
         Tensor y = cond(
             sum(v[0] * v[0]) > 0.0, [](const Tensor& a, const Tensor&) { return a; }, [](const Tensor&, const Tensor& b) { return b * 2.0; }, v[0],
             v[1]);
         return Vec{y, y * 2.0, v[0]};
       }},
      {"updates",
       {numbers({40})},
       [](const Vec& v) {
         Tensor y = v[0].index_put({3}, tensor(9.0, f64)), z = index_add(y, 0, tensor({1, 1}), ones({2}, f64));
         return Vec{y, z, v[0], cumsum(z, 0)};
       }},
      {"nothing",
       {numbers({0, 3})},
       [](const Vec& v) {
         return Vec{v[0] * 2.0, sum(v[0], 0), v[0]};
       }},
      {"a constant array",
       {numbers({40})},
       [](const Vec& v) {
         return Vec{arange(0, 40, 1, f64), full({3, 3}, 2.0, f64), eye(4, f64), v[0]};
       }},
  };
}

}  // namespace

TEST(NativeMemory, results_outlive_later_calls) {
  for (const Case& c : cases()) {
    auto fast = jit([&](const Vec& v) { return c.f(v); });
    const Vec before = copies(c.in), first = fast(c.in), seen = copies(first);
    EXPECT_EQ(results_differ(first, c.f(c.in), Match::rounded), "") << c.name;
    Vec others;
    for (const Tensor& t : c.in) others.push_back(t * -3.0 + 1.0);
    for (int k = 0; k < 3; ++k) (void)fast(others);
    EXPECT_EQ(results_differ(first, seen, Match::bits), "") << c.name << ": a later call changed a result";
    EXPECT_EQ(results_differ(c.in, before, Match::bits), "") << c.name << ": an argument changed";
    // Results of a call as the arguments of work in place.
    for (std::size_t i = 0; i < first.size(); ++i) {
      Tensor t = first[i];
      t = t.to(f64) + 1.0;
      (void)t;
    }
    EXPECT_EQ(results_differ(fast(c.in), seen, Match::bits), "") << c.name << ": another result of the same call";
    expect_compiled(c.name, c.f, c.in);
  }
}
TEST(NativeMemory, bound_calls_keep_what_is_held) {
  for (const Case& c : cases()) {
    auto fast = jit([&](const Vec& v) { return c.f(v); });
    auto call = fast.bind(c.in);
    const Vec held = call(c.in), seen = copies(held);
    Vec others;
    for (const Tensor& t : c.in) others.push_back(t * -3.0 + 1.0);
    for (int k = 0; k < 3; ++k) (void)call(others);
    EXPECT_EQ(results_differ(held, seen, Match::bits), "") << c.name;
    EXPECT_EQ(results_differ(call(c.in), seen, Match::bits), "") << c.name;
    EXPECT_EQ(results_differ(call(others), c.f(others), Match::rounded), "") << c.name;
  }
}
TEST(NativeMemory, donated_arguments) {
  for (const Case& c : cases()) {
    auto fast = jit([&](const Vec& v) { return c.f(v); }, {.donate = {0}});
    const Vec want = c.f(c.in), kept = copies(c.in);
    for (int k = 0; k < 3; ++k) {
      Vec mine = copies(c.in);
      EXPECT_EQ(results_differ(fast(std::move(mine)), want, Match::rounded), "") << c.name;
    }
    EXPECT_EQ(results_differ(c.in, kept, Match::bits), "") << c.name;
  }
}
TEST(NativeMemory, results_outlive_the_function) {
  Vec results, seen;
  for (const Case& c : cases()) {
    auto fast = jit([f = c.f](const Vec& v) { return f(v); });
    for (const Tensor& t : fast(c.in)) results.push_back(t);
    fast.cache_clear();
  }
  seen = copies(results);
  for (const Case& c : cases()) (void)jit([f = c.f](const Vec& v) { return f({v[0] * 2.0, v[v.size() - 1]}); })(c.in);
  EXPECT_EQ(results_differ(results, seen, Match::bits), "");
}
TEST(NativeMemory, values_that_live_together_lie_apart) {
  // Many arrays of several sizes with crossing lifetimes, kept apart by kernels between the loops.
  auto f = [](const Vec& v) {
    Vec live{v[0], v[0] * 2.0, lax::slice(v[0], {0}, {33}) + 1.0};
    for (int k = 0; k < 18; ++k) {
      const Tensor &a = live[static_cast<std::size_t>(k)], &b = live[static_cast<std::size_t>(k + 2)];
      const std::int64_t n = std::min(a.size(0), b.size(0));
      Tensor c = lax::slice(a, {0}, {n}) * 0.5 + flip(lax::slice(b, {0}, {n}), {0}) * 0.25;
      switch (k % 4) {
        case 0: c = cat({c, sort(c).first * 0.5}, 0); break;
        case 1: c = cumsum(c, 0) * 0.1; break;
        case 2: c = c / (1.0 + sum(c * c)); break;
        default: c = lax::slice(c, {0}, {std::min<std::int64_t>(c.size(0), 40)});
      }
      live.push_back(c);
    }
    return Vec{live[9], live[14], live[19], live[20], sum(live[7]) + sum(live[16])};
  };
  expect_compiled("crossing lifetimes", f, {numbers({100})}, Match::rounded, 64);
  auto g = [&](const Vec& v) { return grad([&](const Vec& u) { return sum(f(u)[2]) + f(u)[4]; })(v); };
  expect_compiled("crossing lifetimes, gradient", g, {numbers({100})}, Match::rounded, 256);
}
TEST(NativeMemory, large_records_go_past_the_caches) {
  auto f = [](const Tensor& x) {
    return stack({x[0] * x[1], x[1] + 1.0, x[2] * x[0] - x[1], x[0], x[2] * 0.5, x[1] * x[1], x[0] - x[2], x[1] * 3.0, x[2]});
  };
  Leaves pairs = [=](const Vec& v) { return Vec{vmap(f)(v[0]), vmap([=](const Tensor& x) { return f(x * 2.0).index({Slice(0, 4)}); })(v[0])}; };
  const char* text = " past the caches";
  for (DType d : {f64, f32})
    for (std::int64_t lanes : {250000, 250001, 250015}) {  // the last block is whole, goes back by almost all of it, or by one lane
      Vec in{numbers({lanes, 3}, d)};
      expect_compiled("records of " + std::to_string(lanes), pairs, in, Match::rounded);
      EXPECT_NE(jit(pairs).trace(in).lower().text().find(text), std::string::npos);
    }
  EXPECT_EQ(jit(pairs).trace(Vec{numbers({1000, 3})}).lower().text().find(text), std::string::npos);
  // What is read again here, and what a loop hands on, is not.
  Leaves again = [=](const Vec& v) {
    Tensor y = vmap(f)(v[0]);
    return Vec{y, sum(cumsum(y, 0))};
  };
  Vec in{numbers({250001, 3})};
  EXPECT_EQ(jit(again).trace(in).lower().text().find(text), std::string::npos);
  expect_compiled("read again", again, in, Match::rounded, 1024);
}

// A call that is given its arguments: how many of the results are where arguments were?
int lies_over(const Leaves& f, const Vec& in, const std::string& name) {
  const Vec want = f(in);
  auto fast = jit([&](const Vec& v) { return f(v); }, {.donate = {0}});
  int over = 0;
  for (int k = 0; k < 2; ++k) {
    Vec mine = copies(in);
    std::vector<const void*> at;
    for (const Tensor& t : mine) at.push_back(t.bytes());
    const Vec got = fast(std::move(mine));
    over = 0;
    for (const Tensor& t : got) over += static_cast<int>(std::ranges::count(at, t.bytes()));
    const std::string d = results_differ(got, want, Match::rounded, 16);
    EXPECT_EQ(d, "") << name << "\n" << fast.trace(in).lower().text();
  }
  return over;
}
TEST(NativeMemory, results_lie_over_donated_arguments) {
  // A wrong answer wherever a block that goes back reads what is overwritten: the value is far from a fixed point.
  Leaves step = [](const Vec& v) { return Vec{v[0] * 3 - v[1], v[0] + v[1], sum(v[0] * v[0], -1)}; };
  for (DType d : {f64, f32, DType::i32, DType::i8, DType::i64, DType::u16})
    for (std::int64_t n : {4096, 4097, 4100, 4103, 4111, 4127, 5000, 8191, 70001}) {
      const std::string name = std::string(name_of(d)) + " " + std::to_string(n);
      EXPECT_EQ(lies_over(step, {numbers({n}, d), numbers({n}, d, 1)}, name), 2) << name;
    }
  for (Shape s : {Shape{70, 33}, Shape{500, 17}, Shape{17, 501}, Shape{3, 50001}, Shape{50001, 3}, Shape{60, 5, 19}, Shape{1, 5000}})
    for (DType d : {f64, f32}) {
      const std::string name = std::string(name_of(d)) + s.str();
      Leaves plain = [](const Vec& v) { return Vec{sin(v[0]) * 3.0 - v[1]}; };
      EXPECT_EQ(lies_over(plain, {numbers(s, d), numbers(s, d, 1)}, name), 1) << name;
      (void)lies_over(step, {numbers(s, d), numbers(s, d, 1)}, name);
    }
  Leaves masks = [](const Vec& v) { return Vec{!v[0] ^ v[1]}; };
  for (std::int64_t n : {5000, 5001, 5063}) EXPECT_EQ(lies_over(masks, {numbers({n}, DType::bool_), numbers({n}, DType::bool_, 1)}, "bool"), 1);
  // Large enough to go past the caches, on threads; ending where blocks do and not.
  for (std::int64_t n : {600000, 600008, 600001, 1200004})
    for (DType d : {f64, f32}) EXPECT_EQ(lies_over(step, {numbers({n}, d), numbers({n}, d, 1)}, "large " + std::to_string(n)), 2);
}
TEST(NativeMemory, what_is_read_elsewhere_stays) {
  const std::pair<const char*, Leaves> others[] = {
      {"flipped", [](const Vec& v) { return Vec{v[0] + flip(v[0], {0})}; }},
      {"moved", [](const Vec& v) { return Vec{v[0] * 2.0 + roll(v[0], 1, 0)}; }},
      {"neighbours",
       [](const Vec& v) {
         return Vec{cat({lax::slice(v[0], {1}, {5003}), lax::slice(v[0], {0}, {1})}, 0) * 2.0};
       }},
      {"sums first", [](const Vec& v) { return Vec{softmax(v[0], 0)}; }},
      {"an element for all", [](const Vec& v) { return Vec{v[0] * v[0][7]}; }},
      {"kept as a result",
       [](const Vec& v) {
         return Vec{v[0] * 2.0, v[0]};
       }},
      {"read by a kernel later",
       [](const Vec& v) {
         return Vec{v[0] * 2.0, cumsum(v[0], 0)};
       }},
      {"read by a loop later", [](const Vec& v) {
         Tensor y = v[0] * 2.0;
         return Vec{y, scan([](const Tensor& c, const Tensor& x) { return std::pair{c * 0.5 + x, c}; }, Tensor(0.0), v[0]).second};
       }}};
  for (auto& [name, f] : others) (void)lies_over(f, {numbers({5003})}, name);
  auto matrices = [](const Vec& v) { return Vec{v[0].t() * 2.0 + v[0]}; };
  (void)lies_over(matrices, {numbers({90, 90})}, "a transpose");
  // Whoever else holds the memory keeps it: a second argument, a view, the user, the program.
  const Tensor x = numbers({5000});
  const Vec seen = copies({x});
  Leaves add = [](const Vec& v) { return Vec{v[0] * 2.0 + v[1], v[1] - v[0]}; };
  auto fast = jit([&](const Vec& v) { return add(v); }, {.donate = {0}});
  for (int k = 0; k < 2; ++k) {
    Tensor mine = copies({x})[0];
    Vec twice{mine, mine}, view{mine, mine.reshape({50, 100}).reshape({5000})}, held{mine, x};
    for (Vec* v : {&twice, &view, &held}) {
      const Vec want = add(*v), args = *v;
      EXPECT_EQ(results_differ(fast(std::move(*v)), want), "");
      EXPECT_EQ(results_differ(Vec{mine}, seen, Match::bits), "");
      EXPECT_EQ(results_differ(Vec{args[1]}, seen, Match::bits), "");
    }
    Vec part{lax::slice(numbers({9000}), {1000}, {6000}), x};
    const Vec want = add(part);
    EXPECT_EQ(results_differ(fast(std::move(part)), want), "");
    std::vector<double> buffer(5000, 1.5);
    {
      Vec borrowed{Tensor::borrow(buffer.data(), f64, {5000}, std::make_shared<int>(0)), x};
      const Vec sum_of = add(borrowed);
      EXPECT_EQ(results_differ(fast(std::move(borrowed)), sum_of), "");
    }
    EXPECT_EQ(buffer, std::vector<double>(5000, 1.5));
  }
  // What a sum reads too is read before it is overwritten.
  Leaves sums = [](const Vec& v) { return Vec{v[0] * 3.0, sum(v[0] * v[1])}; };
  auto summed = jit([&](const Vec& v) { return sums(v); }, {.donate = {0}});
  Vec given{copies({x})[0], x};
  const Vec want = sums(given);
  const void* at = given[0].bytes();
  const Vec got = summed(std::move(given));
  EXPECT_EQ(got[0].bytes(), at);
  EXPECT_EQ(results_differ(got, want), "");
  // A prepared call keeps its arguments.
  auto bound = jit([&](const Vec& v) { return add(v); }, {.donate = {0}}).bind(Vec{x, x});
  for (int k = 0; k < 2; ++k) EXPECT_EQ(results_differ(bound(Vec{x, x}), add(Vec{x, x})), "");
  EXPECT_EQ(results_differ(Vec{x}, seen, Match::bits), "");
}
TEST(NativeMemory, a_donated_update_takes_no_memory) {
  constexpr std::int64_t n = 300001;
  auto update = [](const Tensor& p, const Tensor& g, const Tensor& lr) { return p - lr * g; };
  auto fast = jit(update, {.donate = {0}});
  auto kept = jit(update);
  const Tensor g = numbers({n}), lr = tensor(0.25, f64);
  Tensor p = numbers({n}, f64, 1), want = update(update(p, g, lr), g, lr);
  (void)fast(copies({p})[0], g, lr);
  auto grows = [&](auto& f) {  // over what lives before, in two steps
    Tensor q = copies({p})[0];
    const std::size_t before = memory_stats().in_use;
    reset_peak_memory();
    q = f(std::move(q), g, lr);
    q = f(std::move(q), g, lr);
    const std::size_t most = memory_stats().peak - before;
    EXPECT_EQ(results_differ(Vec{q}, Vec{want}), "");
    return most;
  };
  EXPECT_EQ(grows(fast), 0u);
  EXPECT_GE(grows(kept), n * sizeof(double));
}
TEST(NativeMemory, a_result_finds_the_memory_of_an_argument_that_is_done_with) {
  constexpr std::int64_t n = 300001;
  Leaves f = [](const Vec& v) { return Vec{flip(cumsum(v[0], 0), {0}) * 2.0}; };
  auto fast = jit([&](const Vec& v) { return f(v); }, {.donate = {0}});
  const Vec in{numbers({n})}, want = f(in);
  for (int k = 0; k < 2; ++k) {
    Vec mine = copies(in);
    const std::size_t before = memory_stats().in_use;
    reset_peak_memory();
    EXPECT_EQ(results_differ(fast(std::move(mine)), want), "");
    EXPECT_LT(memory_stats().peak - before, n * sizeof(double) * 3 / 2);  // the running sums
  }
}
TEST(NativeMemory, values_between_loops_lie_over_what_they_read) {
  constexpr std::int64_t n = 40000;
  auto f = [](const Vec& v) {
    Tensor y = sin(v[0]);
    for (int k = 0; k < 4; ++k) y = y * (1.5 + k) / (1.0 + sum(y * y) * 0.01);
    return Vec{y};
  };
  for (std::int64_t m : {n, n + 1, n + 31}) expect_compiled("a chain of " + std::to_string(m), f, {numbers({m})}, Match::rounded, 16);
  auto lowered = jit(f).trace(Vec{numbers({n})}).lower();
  EXPECT_NE(lowered.text().find(" in place of "), std::string::npos) << lowered.text();
  // Only one of the values between is alive at a time.
  EXPECT_LT(lowered.compile().memory().workspace, 3 * n * sizeof(double) / 2) << lowered.text();
  // What kernels make and one loop reads: one matrix less.
  auto layer = [](const Vec& v) { return Vec{tanh(matmul(v[0], v[1]) + v[2])}; };
  const Vec in{numbers({1000, 100}), numbers({100, 1000}), numbers({1000})};
  expect_compiled("a layer", layer, in, Match::rounded, 16);
  auto fast = jit(layer);
  (void)fast(in);
  const std::size_t before = memory_stats().in_use;
  reset_peak_memory();
  (void)fast(in);
  EXPECT_LT(memory_stats().peak - before, 1000u * 1000u * sizeof(double) * 3 / 2) << fast.trace(in).lower().text();
}

}  // namespace functra::testing
