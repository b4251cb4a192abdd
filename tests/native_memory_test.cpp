// Results of compiled functions are values: a later call, a donation, or a change of an argument never shows in them.
#include <gtest/gtest.h>

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
      const Vec mine = copies(c.in);
      EXPECT_EQ(results_differ(fast(mine), want, Match::rounded), "") << c.name;
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

}  // namespace functra::testing
