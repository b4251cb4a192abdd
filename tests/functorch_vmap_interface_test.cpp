// Behaviours of functorch's suite for vmap: the interface, nesting, chunks and randomness. docs/notes/functorch_suites.md lists them
// beside their originals.
#include <gtest/gtest.h>

#include <map>

#include "functra/functra.h"
#include "functra/nn.h"
#include "support/close.h"

namespace ft = functra;
namespace nn = functra::nn;
using ft::none;
using ft::Tensor;

namespace {
Tensor some(const ft::Shape& s, double from = 0.3) { return (ft::sin(ft::arange(0, s.numel(), 1, ft::f64) * 1.3 + from) * 1.5).reshape(s); }
}  // namespace

// ---------------------------------------------------------------- the interface
TEST(FunctorchVmap, a_list_of_one_out_dim_serves_one_result_as_a_number_does) {
  auto pack = [](const Tensor& x) { return std::tuple{x}; };
  Tensor x = some({2, 3});
  expect_close(std::get<0>(ft::vmap(pack, {.out_dims = {1}})(x)), x.t(), 0);
  expect_close(std::get<0>(ft::vmap(pack, {.out_dims = 1})(x)), x.t(), 0);
}
TEST(FunctorchVmap, different_out_dims_for_nested_results) {
  Tensor x = some({2, 3});
  auto f = [](const Tensor& v) {
    Tensor y = ft::sin(v);
    return std::pair{y, std::vector<Tensor>{y, y}};
  };
  auto [a, b] = ft::vmap(f, {.out_dims = {0, ft::axes({0, 1})}})(x);
  expect_close(a, ft::sin(x), 0), expect_close(b[0], ft::sin(x), 0), expect_close(b[1], ft::sin(x).t(), 0);
  auto [c, d] = ft::vmap(f, {.out_dims = {0, 1}})(x);  // 1 for all of the list
  expect_close(c, ft::sin(x), 0), expect_close(d[0], ft::sin(x).t(), 0), expect_close(d[1], ft::sin(x).t(), 0);
}
TEST(FunctorchVmap, text_beside_a_result_passes_through) {
  auto f = [](const Tensor& x) { return std::pair{x * 2.0, std::string("hello")}; };
  auto [y, text] = ft::vmap(f)(some({2, 3}));
  expect_close(y, some({2, 3}) * 2.0, 0);
  EXPECT_EQ(text, "hello");
}
TEST(FunctorchVmap, results_keep_their_type_struct_map_and_vector) {
  struct Point {
    Tensor x, y;
  };
  auto f = [](const Tensor& a, const Tensor& b) { return std::pair{Point{a, b}, std::map<std::string, std::vector<Tensor>>{{"both", {a, b}}}}; };
  auto [p, m] = ft::vmap(f)(some({2, 5}), some({2, 3}));
  static_assert(std::is_same_v<decltype(p), Point>);
  EXPECT_EQ(p.x.sizes(), (ft::Shape{2, 5}));
  EXPECT_EQ(m.at("both")[1].sizes(), (ft::Shape{2, 3}));
}
TEST(FunctorchVmap, arguments_nest_two_deep) {
  using Inner = std::map<std::string, std::vector<Tensor>>;
  Tensor x = some({2, 3}), y = some({2, 3}, 1);
  auto f = [](const std::pair<Inner, Tensor>& z) { return z.first.at("x")[0] + z.first.at("x")[1] + z.second; };
  expect_close(ft::vmap(f)(std::pair<Inner, Tensor>{{{"x", {x, x}}}, y}), x + x + y, 0);
}
TEST(FunctorchVmap, an_identity_with_in_dim_and_out_dim_moves_dimensions_only) {
  Tensor x = some({2, 3, 5});
  auto same = [](const Tensor& v) { return v; };
  expect_close(ft::vmap(same, {.in_dims = 1, .out_dims = 1})(x), x, 0);
  expect_close(ft::vmap(same, {.in_dims = 2, .out_dims = 1})(x), x.transpose(1, 2), 0);
  auto twice = [](const Tensor& v) { return v * 2.0; };
  expect_close(ft::vmap(ft::vmap(twice, {.in_dims = 1, .out_dims = 1}), {.in_dims = 1, .out_dims = 1})(x), x * 2.0, 0);
}
TEST(FunctorchVmap, three_levels_over_permuted_dimensions) {
  Tensor x = some({5, 2, 3}), y = some({3, 5, 2}, 1);
  auto f = ft::vmap(ft::vmap(ft::vmap(ft::mul), {.in_dims = {1, 0}}), {.in_dims = {1, 2}});
  expect_close(f(x, y), x.permute({1, 2, 0}) * y.permute({2, 0, 1}), 0);
}
TEST(FunctorchVmap, a_rule_sees_no_mapped_operand_where_only_another_level_is_mapped) {
  Tensor x = some({7, 5}), y = some({3, 2}, 1);
  auto f = [](const Tensor& a, const Tensor& b) { return a + ft::dot(b, ft::ones({2}, ft::f64)); };
  Tensor r = ft::vmap(ft::vmap(f, {.in_dims = {0, none}}), {.in_dims = {none, 0}})(x, y);
  expect_close(r, ft::sum(y, 1).reshape({3, 1, 1}) + x);
}
TEST(FunctorchVmap, bound_arguments_models_and_pullbacks_are_functions_like_others) {
  Tensor x = some({3}), y = some({2, 3}, 1);
  expect_close(ft::vmap([&](const Tensor& v) { return ft::mul(x, v); })(y), x * y, 0);
  nn::Linear model(ft::random::key(0), 3, 3, {.bias = false, .dtype = ft::f64});
  expect_close(ft::vmap(model)(y), model(y), 1e-12);
  auto pull = ft::vjp([&](const Tensor& v) { return v * x; }, x).second;
  expect_close(ft::vmap(pull)(ft::eye(3, ft::f64)), ft::diag(x), 0);
}
TEST(FunctorchVmap, a_pullback_of_something_unrelated_gives_zeros_per_example) {
  Tensor y = some({});
  auto pull = ft::vjp([&](const Tensor&) { return y; }, some({2})).second;
  expect_close(ft::vmap(pull)(some({3})), ft::zeros({3, 2}, ft::f64), 0);
  expect_close(ft::vmap(pull)(some({3})), ft::zeros({3, 2}, ft::f64), 0);  // again
}
TEST(FunctorchVmap, chunks_of_nested_maps_and_trees_equal_the_whole) {
  using Pair = std::pair<Tensor, Tensor>;
  Tensor x = some({4, 5, 6}), y = some({4, 5, 6}, 1);
  auto f = [](const Pair& p) {
    Tensor z = ft::sin(p.first) + ft::cos(p.second);
    return std::map<std::string, Tensor>{{"out", z}, {"more", z + 2.0}};
  };
  for (int dim : {0, 1}) {
    auto want = ft::vmap(ft::vmap(f, {.in_dims = dim}), {.in_dims = dim, .out_dims = dim})(Pair{x, y});
    for (int chunk : {1, 2, 3, 7, 100}) {
      auto got = ft::vmap(ft::vmap(f, {.in_dims = dim, .chunk_size = chunk}), {.in_dims = dim, .out_dims = dim, .chunk_size = chunk})(Pair{x, y});
      expect_close(got.at("out"), want.at("out"), 0), expect_close(got.at("more"), want.at("more"), 0);
    }
  }
}

// ---------------------------------------------------------------- randomness
TEST(FunctorchVmap, chunks_draw_different_numbers_for_different_examples_and_the_same_for_same) {
  auto f = [](const Tensor& x) { return x * 0.0 + ft::rand_like(x); };
  for (int chunk : {1, 2, 3, 100}) {
    Tensor y = ft::vmap(f, {.randomness = ft::Randomness::different, .chunk_size = chunk})(some({5, 4}));
    for (std::int64_t i = 0; i < 5; ++i)
      for (std::int64_t j = 0; j < i; ++j) EXPECT_FALSE(ft::equal(y[i], y[j])) << chunk;
  }
}
TEST(FunctorchVmap, dropout_of_whole_channels_drops_per_example) {
  nn::Dropout2d layer(0.5);
  auto f = [&](const Tensor& x) { return layer(x); };
  Tensor x = ft::ones({4, 3, 20, 2, 2}, ft::f64);
  expect_throw<ft::ValueError>([&] { ft::vmap(f)(x); }, "randomness");
  Tensor y = ft::vmap(f, {.randomness = ft::Randomness::different})(x), planes = ft::sum(y, {-1, -2});
  EXPECT_TRUE(bool(((planes == 0) | (planes == 8)).all()));  // a channel is kept or dropped as a whole, and scaled by two
  EXPECT_FALSE(ft::equal(y[0], y[1]));
  EXPECT_NEAR(double(ft::mean(y)), 1.0, 0.4);
  Tensor same = ft::vmap(f, {.randomness = ft::Randomness::same})(x);
  EXPECT_TRUE(ft::equal(same[0], same[3]));
}
TEST(FunctorchVmap, dropout_of_a_shared_tensor_follows_the_mode) {
  Tensor x = some({3, 2}), y = ft::ones({50}, ft::f64);
  auto f = [&](const Tensor& a, const Tensor& b) { return ft::sum(a) * 0.0 + ft::dropout(b, 0.5); };
  expect_throw<ft::ValueError>([&] { ft::vmap(f, {.in_dims = {0, none}})(x, y); }, "randomness");
  Tensor same = ft::vmap(f, {.in_dims = {0, none}, .randomness = ft::Randomness::same})(x, y);
  Tensor different = ft::vmap(f, {.in_dims = {0, none}, .randomness = ft::Randomness::different})(x, y);
  EXPECT_TRUE(ft::equal(same[0], same[1]));
  EXPECT_FALSE(ft::equal(different[0], different[1]));
}
TEST(FunctorchVmap, permutations_and_classes_by_a_key_per_example) {
  Tensor keys = ft::random::split(ft::random::key(1), 4);
  Tensor p = ft::vmap([](const Tensor& k) { return ft::random::permutation(k, ft::arange(10)); })(keys);
  Tensor c = ft::vmap([](const Tensor& k) { return ft::random::categorical(k, ft::zeros({10})); })(keys);
  Tensor n = ft::vmap([](const Tensor& k) { return ft::random::randint(k, {3}, 5, 100); })(keys);
  for (std::int64_t i = 0; i < 4; ++i) {
    EXPECT_TRUE(ft::equal(p[i], ft::random::permutation(keys[i], ft::arange(10))));
    EXPECT_TRUE(ft::equal(c[i], ft::random::categorical(keys[i], ft::zeros({10}))));
    EXPECT_TRUE(ft::equal(n[i], ft::random::randint(keys[i], {3}, 5, 100)));
  }
}
TEST(FunctorchVmap, bernoulli_of_mapped_probabilities_draws_per_example) {
  Tensor p = ft::stack({ft::zeros({40}, ft::f64), ft::full({40}, 0.5, ft::f64), ft::ones({40}, ft::f64)});
  Tensor y = ft::vmap([](const Tensor& q) { return ft::bernoulli(q); }, {.randomness = ft::Randomness::different})(p);
  EXPECT_EQ(double(ft::sum(y[0])), 0);
  EXPECT_EQ(double(ft::sum(y[2])), 40);
  EXPECT_GT(double(ft::sum(y[1])), 4);
  EXPECT_LT(double(ft::sum(y[1])), 36);
}
TEST(FunctorchVmap, a_draw_inside_a_jacobian_is_made_once_for_all_its_columns) {
  auto f = [](const Tensor& x) { return x * ft::rand_like(x); };
  Tensor x = some({4});
  ft::manual_seed(3);
  Tensor draw = ft::rand_like(x);
  ft::manual_seed(3);
  expect_close(ft::jacfwd(f)(x), ft::diag(draw));
  ft::manual_seed(3);
  expect_close(ft::jacrev(f)(x), ft::diag(draw));
}
TEST(FunctorchVmap, two_draws_of_one_kind_are_two_draws) {
  Tensor x = some({4});
  EXPECT_FALSE(ft::equal(ft::rand_like(x), ft::rand_like(x)));
  auto f = [](const Tensor& v) { return ft::rand_like(v) - ft::rand_like(v); };
  EXPECT_FALSE(bool((ft::vmap(f, {.randomness = ft::Randomness::same})(ft::stack({x, x})) == 0).any()));
}
