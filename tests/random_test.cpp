// Random numbers against jax.random (tools/references/random_reference.py), and the stateful generator under every transform.
#include <gtest/gtest.h>

#include <cmath>
#include <map>

#include "functra/base/pool.h"
#include "functra/functra.h"
#include "functra/io/npy.h"
#include "functra/ops/random.h"
#include "functra/prims/random.h"
#include "tests/laws_count.h"

namespace functra {
namespace {
using R = Randomness;

const std::map<std::string, Tensor>& reference() {
  static const auto* r =
      new std::map<std::string, Tensor>(io::read_npz(std::string(functra::testing::source_dir()) + "/tests/data/random_reference.npz"));
  return *r;
}
Tensor row(const Tensor& t, int i) { return unbind(t)[static_cast<std::size_t>(i)]; }
std::vector<double> values(const Tensor& t) { return t.to_vector<double>(); }
void law(bool ok, const std::string& what) {
  functra::testing::count_law(ok);
  EXPECT_TRUE(ok) << what;
}
void equals(const Tensor& got, const std::string& name) {
  const Tensor& want = reference().at(name);
  law(got.sizes() == want.sizes(), name + ": shape " + got.sizes().str() + ", expected " + want.sizes().str());
  law(got.contiguous().to_vector<std::int64_t>() == want.to_vector<std::int64_t>() && values(got) == values(want), name);
}
void close_to(const Tensor& got, const std::string& name, double tolerance) {
  auto a = values(got), b = values(reference().at(name));
  double worst = 0;
  for (std::size_t i = 0; i < std::min(a.size(), b.size()); ++i) worst = std::max(worst, std::abs(a[i] - b[i]) / std::max(std::abs(b[i]), 1e-30));
  law(a.size() == b.size() && got.dtype() == reference().at(name).dtype() && worst <= tolerance, name + ": relative error " + std::to_string(worst));
}

TEST(Random, ThreefryGivesThePublishedValues) {  // Random123's known answers, kat_vectors
  using P = std::pair<std::uint32_t, std::uint32_t>;
  law(prims::threefry2x32(0, 0, 0, 0) == P(0x6b200159u, 0x99ba4efeu), "zeros");
  law(prims::threefry2x32(~0u, ~0u, ~0u, ~0u) == P(0x1cb996fcu, 0xbb002be7u), "ones");
  law(prims::threefry2x32(0x13198a2eu, 0x03707344u, 0x243f6a88u, 0x85a308d3u) == P(0xc4923a9cu, 0x483df7a0u), "pi");
}
TEST(Random, KeysAndDistributionsEqualJax) {
  for (std::uint64_t seed : {std::uint64_t{0}, std::uint64_t{42}, (std::uint64_t{1} << 40) + 7}) {
    std::string s = "s" + std::to_string(seed) + "_";
    Tensor k = random::key(seed);
    equals(k, s + "key");
    auto [k1, k2] = random::split(k);
    equals(stack({k1, k2}), s + "split2");
    equals(random::split(k, 5), s + "split5");
    equals(random::fold_in(k, 7), s + "fold_in7");
    for (auto [d, n] : {std::pair(u8, "8"), std::pair(u16, "16"), std::pair(u32, "32"), std::pair(u64, "64")})
      equals(random::bits(k, {3, 7}, d), s + "bits" + n);
    for (auto [d, n] : {std::pair(f32, std::string("float32")), std::pair(f64, std::string("float64"))}) {
      double eps = d == f32 ? 1e-5 : 1e-12;
      equals(random::uniform(k, {5, 7}, d), s + "uniform_" + n);
      close_to(random::uniform(k, {33}, d, -2.5, 7.25), s + "uniform_range_" + n, d == f32 ? 2e-6 : 1e-13);
      close_to(random::normal(k, {1000}, d), s + "normal_" + n, eps);
      close_to(random::exponential(k, {40}, d), s + "exponential_" + n, eps);
      close_to(random::gumbel(k, {40}, d), s + "gumbel_" + n, eps);
      equals(random::bernoulli(k, tensor(0.3, d), Shape{50}), s + "bernoulli_" + n);
    }
    for (auto [d, n] : {std::pair(i8, "int8"), std::pair(u8, "uint8"), std::pair(i32, "int32"), std::pair(i64, "int64"), std::pair(u32, "uint32")})
      equals(random::randint(k, {40}, 3, 100, d), s + "randint_" + n);
    equals(random::randint(k, {40}, -(std::int64_t{1} << 40), std::int64_t{1} << 45), s + "randint_wide");
    std::vector<float> l;
    for (int i = 1; i <= 12; ++i) l.push_back(std::log(static_cast<float>(i)));
    equals(random::permutation(k, 50), s + "permutation");
    law(values(random::permutation(k, 10 * arange(50))) == values(10 * random::permutation(k, 50)), "permutation of a tensor");
    equals(random::categorical(k, from_span(l, Shape{3, 4})), s + "categorical");
  }
}
TEST(Random, ElementDependsOnTheKeyAndItsPlaceAlone) {
  Tensor k = random::key(3), all = random::bits(k, {200000});
  law(values(random::bits(k, {1000})) == values(functra::split(all, 1000)[0]), "a prefix");
  law(values(random::bits(k, {100, 2000})) == values(all), "another shape");
  int threads = num_threads();
  set_num_threads(1);
  law(values(random::bits(k, {200000})) == values(all), "one thread");
  set_num_threads(threads);
}
TEST(Random, MomentsAreThoseOfTheDistributions) {
  const int n = 200000;
  auto moments = [&](const Tensor& t) {
    double m = 0, v = 0;
    for (double x : values(t)) m += x / n;
    for (double x : values(t)) v += (x - m) * (x - m) / n;
    return std::pair(m, v);
  };
  auto near = [&](const Tensor& t, double mean, double variance) {
    auto [m, v] = moments(t);
    law(std::abs(m - mean) < 5 * std::sqrt(variance / n) && std::abs(v / variance - 1) < 0.03,
        "mean " + std::to_string(m) + ", variance " + std::to_string(v));
  };
  manual_seed(1);
  near(random::uniform(random::key(1), {n}), 0.5, 1.0 / 12);
  near(random::normal(random::key(1), {n}), 0, 1);
  near(random::exponential(random::key(1), {n}), 1, 1);
  near(rand({n}, f64), 0.5, 1.0 / 12);
  near(randn({n}, f64), 0, 1);
  near(bernoulli(full({n}, 0.25)), 0.25, 0.1875);
  near(dropout(ones({n}), 0.2), 1, 0.25);
}
TEST(Random, KeysUnderTransforms) {
  Tensor keys = random::split(random::key(5), 4);
  auto f = [](const Tensor& k) { return random::normal(k, {3}); };
  Tensor batched = vmap(f)(keys);
  for (int i = 0; i < 4; ++i) law(values(row(batched, i)) == values(f(row(keys, i))), "vmap over keys");
  auto fold = [](const Tensor& k, const Tensor& i) { return random::uniform(random::fold_in(k, i), {2}); };
  Tensor data = arange(3);
  Tensor folded = vmap(fold, {.in_dims = {none, 0}})(row(keys, 0), data), both = vmap(fold, {.in_dims = {0, none}})(keys, Tensor(2));
  for (int i = 0; i < 3; ++i) law(values(row(folded, i)) == values(fold(row(keys, 0), row(data, i))), "vmap over data");
  for (int i = 0; i < 4; ++i) law(values(row(both, i)) == values(fold(row(keys, i), Tensor(2))), "vmap over keys of fold_in");
  Tensor grid = vmap([&](const Tensor& k) { return vmap([&](const Tensor& i) { return fold(k, i); })(data); })(keys);
  for (int i = 0; i < 4; ++i)
    for (int j = 0; j < 3; ++j) law(values(row(row(grid, i), j)) == values(fold(row(keys, i), row(data, j))), "nested vmap");
  law(values(jit(f)(row(keys, 1))) == values(f(row(keys, 1))), "jit");
  Program p = make_fx(f)(row(keys, 0));
  law(values(p({row(keys, 2)})[0]) == values(f(row(keys, 2))), "a traced program takes any key");
  law(values(grad([&](const Tensor& x) { return sum(x * random::normal(row(keys, 0), {3})); })(ones({3}))) == values(f(row(keys, 0))), "grad");
  auto [k1, k2] = random::split(row(keys, 0));
  law(values(k1) != values(k2), "split");
}

TEST(Random, SeedRepeatsTheStatefulDraws) {
  manual_seed(7);
  Tensor a = randn({5}), b = randn({5});
  manual_seed(7);
  law(values(randn({5})) == values(a) && values(randn({5})) == values(b) && values(a) != values(b), "seed");
}
TEST(Random, RandomnessErrorRefusesEveryDraw) {
  Tensor x = ones({3, 2});
  std::vector<std::function<Tensor(const Tensor&)>> draws = {[](const Tensor&) { return rand({2}); }, [](const Tensor&) { return randn({2}); },
                                                             [](const Tensor& r) { return rand_like(r); }, [](const Tensor& r) { return dropout(r); },
                                                             [](const Tensor& r) { return bernoulli(r * 0.5); }};
  for (auto& f : draws) {
    bool ok = false;
    try {
      vmap(f)(x);
    } catch (const ValueError& e) { ok = std::string(e.what()).find("Randomness::same") != std::string::npos; }
    law(ok, "refused with the way out");
    EXPECT_THROW(make_fx(f)(x), TracerError);
    EXPECT_THROW(jit(f)(x), TracerError);
    EXPECT_NO_THROW(f(x));
  }
}
TEST(Random, RandomnessSameAndDifferent) {
  Tensor x = zeros({4, 2});
  auto f = [](const Tensor& r) { return r + rand({2}); };
  manual_seed(11);
  Tensor once = rand({2});
  manual_seed(11);
  Tensor same = vmap(f, {.randomness = R::same})(x);
  for (int i = 0; i < 4; ++i) law(values(row(same, i)) == values(once), "same");
  manual_seed(11);
  Tensor batch = rand({4, 2});
  manual_seed(11);
  law(values(vmap(f, {.randomness = R::different})(x)) == values(batch), "different equals the seeded batched draw");
  manual_seed(11);
  Tensor cube = randn({3, 4, 2});
  manual_seed(11);
  auto g = [](const Tensor& r) { return r + randn({2}); };
  law(values(vmap(vmap(g, {.randomness = R::different}), {.randomness = R::different})(zeros({3, 4, 2}))) == values(cube),
      "two nested different equal one draw");
  manual_seed(11);
  Tensor rows = randn({3, 2});
  manual_seed(11);
  Tensor mixed = vmap(vmap(g, {.randomness = R::same}), {.randomness = R::different})(zeros({3, 4, 2}));
  for (int i = 0; i < 3; ++i)
    for (int j = 0; j < 4; ++j) law(values(row(row(mixed, i), j)) == values(row(rows, i)), "same in different");
  manual_seed(11);
  Tensor kept = dropout(ones({4, 2}), 0.5);
  manual_seed(11);
  law(values(vmap([](const Tensor& r) { return dropout(r, 0.5); }, {.randomness = R::different})(ones({4, 2}))) == values(kept), "dropout");
  manual_seed(2);
  Tensor mask = dropout(ones({6}), 0.5);
  manual_seed(2);
  law(values(grad([](const Tensor& r) { return sum(dropout(r, 0.5)); })(ones({6}))) == values(mask), "the derivative of dropout is its mask");
}
TEST(Random, MisuseIsRefused) {
  EXPECT_THROW(random::normal(ones({2})), ShapeError);
  EXPECT_THROW(random::normal(random::split(random::key(0), 3)), ShapeError);
  EXPECT_THROW(random::normal(random::key(0), {2}, f16), DTypeError);
  EXPECT_THROW(random::bits(random::key(0), {2}, i32), DTypeError);
  EXPECT_THROW(random::randint(random::key(0), {2}, 0, 5, f32), DTypeError);
  EXPECT_THROW(random::fold_in(random::key(0), 0.5), ShapeError);
  EXPECT_THROW(rand({-1}), ShapeError);
  EXPECT_THROW(dropout(ones({2}), 1.5), ValueError);
  law(values(dropout(ones({3}), 1.0)) == std::vector<double>(3, 0) && values(dropout(ones({3}), 0.5, false)) == std::vector<double>(3, 1),
      "ends of dropout");
  law(random::uniform(random::key(0), {0, 3}).sizes() == Shape{0, 3} && random::normal(random::key(0)).dim() == 0, "empty and 0-d");
}

}  // namespace
}  // namespace functra
