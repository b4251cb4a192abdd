// vmap: what must hold, by its known cases.
#include <gtest/gtest.h>

#include "functra/functra.h"
#include "support/close.h"

namespace ft = functra;
using ft::Tensor;

namespace {
Tensor grid(const ft::Shape& s) { return ft::arange(0, s.numel(), 1, ft::f64).reshape(s) * 0.1 - 1.0; }
Tensor dot(const Tensor& a, const Tensor& b) { return ft::sum(a * b); }
Tensor square_sum(const Tensor& x) { return ft::sum(x * x); }
Tensor same(const Tensor& x) { return x; }
}  // namespace

TEST(Vmap, dot_over_rows_and_nested) {
  Tensor a = grid({2, 5}), b = grid({2, 5}) * 0.5;
  expect_close(ft::vmap(dot)(a, b), ft::sum(a * b, 1));
  Tensor c = grid({2, 3, 5}), d = c * 2.0;
  Tensor y = ft::vmap(ft::vmap(dot))(c, d);
  EXPECT_EQ(y.sizes(), (ft::Shape{2, 3}));
  expect_close(y, ft::sum(c * d, 2));
}
TEST(Vmap, in_dims_none_negative_and_nested_different_dims) {
  Tensor a = grid({2, 5}), b = grid({5});
  expect_close(ft::vmap(dot, {.in_dims = {0, ft::none}})(a, b), ft::matmul(a, b));
  expect_close(ft::vmap(dot, {.in_dims = {-2, ft::none}})(a, b), ft::matmul(a, b));
  Tensor m = grid({4, 3, 2});
  auto f = [](const Tensor& x) { return ft::sum(x); };
  auto inner = ft::vmap(f, {.in_dims = 1});
  expect_close(ft::vmap(inner, {.in_dims = 2})(m), ft::sum(m, 0).t());
}
TEST(Vmap, out_dims_place_the_mapped_dimension) {
  Tensor m = grid({2, 3, 5});
  auto f = [](const Tensor& x) { return x * 2.0; };
  EXPECT_EQ(ft::vmap(f, {.out_dims = 1})(m).sizes(), (ft::Shape{3, 2, 5}));
  EXPECT_EQ(ft::vmap(f, {.out_dims = -1})(m).sizes(), (ft::Shape{3, 5, 2}));
  expect_close(ft::vmap(f, {.out_dims = -1})(m), (m * 2.0).permute({1, 2, 0}));
  expect_throw<ft::IndexError>([&] { ft::vmap(f, {.out_dims = 3})(m); }, "out_dims 3 is out of range");
  expect_throw<ft::IndexError>([&] { ft::vmap(f, {.in_dims = 3})(m); }, "in_dims 3");
}
struct Pair {
  Tensor w, b;
};
TEST(Vmap, prefixes_of_a_struct_and_paths_in_errors) {
  auto f = [](const Pair& p, const Tensor& x) { return ft::sum(p.w * x) + p.b; };
  Pair p{grid({3}), grid({4})};
  Tensor x = grid({4, 3});
  Tensor y = ft::vmap(f, {.in_dims = {{ft::none, 0}, 0}})(p, x);
  expect_close(y, ft::matmul(x, p.w) + p.b);
  expect_throw<ft::StructureError>([&] { ft::vmap(f, {.in_dims = {{ft::none, 0, 0}, 0}})(p, x); }, "in_dims[0]");
  expect_throw<ft::StructureError>([&] { ft::vmap(f, {.in_dims = {0}})(p, x); }, "in_dims");
}
TEST(Vmap, mapped_sizes_that_differ_name_both_arguments) {
  expect_throw<ft::ShapeError>([&] { ft::vmap(dot)(grid({2, 5}), grid({3, 5})); }, "argument 0");
  expect_throw<ft::ShapeError>([&] { ft::vmap(dot)(grid({2, 5}), grid({3, 5})); }, "argument 1");
  expect_throw<ft::ValueError>([&] { ft::vmap(same, {.in_dims = {ft::none}})(grid({2})); }, "no argument is mapped");
  expect_throw<ft::ShapeError>([&] { ft::vmap(same)(ft::tensor(2.0)); }, "0-d");
}
TEST(Vmap, an_output_that_does_not_depend_on_the_input_is_expanded) {
  Tensor c = grid({2});
  Tensor y = ft::vmap([&](const Tensor&) { return c; })(grid({3, 4}));
  EXPECT_EQ(y.sizes(), (ft::Shape{3, 2}));
  expect_close(ft::vmap([&](const Tensor&) { return c; }, {.out_dims = ft::none})(grid({3, 4})), c);
  expect_throw<ft::ValueError>([&] { ft::vmap(same, {.out_dims = ft::none})(grid({3})); }, "differs from example to example");
}
TEST(Vmap, inner_vmap_closes_over_an_outer_mapped_tensor) {
  Tensor x = grid({3});
  Tensor y = ft::vmap([](const Tensor& a) { return ft::vmap([&](const Tensor& b) { return a * b; })(ft::tensor({1.0, 2.0}, ft::f64)); })(x);
  expect_close(y, x.reshape({3, 1}) * ft::tensor({1.0, 2.0}, ft::f64));
  Tensor z = ft::vmap([](const Tensor& a) { return ft::vmap([&](const Tensor&) { return a; })(ft::zeros({4})); })(x);
  expect_close(z, x.reshape({3, 1}).expand({3, 4}));
}
TEST(Vmap, reading_a_batched_value_says_what_to_do) {
  expect_throw<ft::TracerError>([&] { ft::vmap([](const Tensor& x) { return x * x.item<double>(); })(grid({3})); }, "read outside");
  expect_throw<ft::TracerError>(
      [&] {
        ft::vmap(
            [](const Tensor& x) {
              if (x > 0) return x;
              return -x;
            },
            {.axis_name = "batch"})(grid({3}));
      },
      "axis 'batch'");
}
TEST(Vmap, chunks_equal_the_whole_for_every_dim) {
  Tensor m = grid({4, 5, 6});
  auto f = [](const Tensor& x) { return std::pair{ft::sum(x), x * 3.0}; };
  for (int dim : {0, 1, 2}) {
    auto [s, t] = ft::vmap(f, {.in_dims = dim, .out_dims = 0})(m);
    for (int chunk : {1, 2, 3, 7, 16}) {
      auto [a, b] = ft::vmap(f, {.in_dims = dim, .out_dims = 0, .chunk_size = chunk})(m);
      expect_close(a, s);
      expect_close(b, t);
    }
  }
  EXPECT_EQ(ft::vmap(square_sum)(ft::zeros({0, 3})).sizes(), (ft::Shape{0}));
  expect_throw<ft::ValueError>([&] { ft::vmap(square_sum, {.chunk_size = 0})(m); }, "chunk_size");
}
TEST(Vmap, axis_size_maps_without_arguments_and_must_agree) {
  auto f = [](const Tensor& x) { return x; };
  EXPECT_EQ(ft::vmap(f, {.in_dims = ft::none, .axis_size = 4})(grid({2})).sizes(), (ft::Shape{4, 2}));
  expect_throw<ft::ShapeError>([&] { ft::vmap(f, {.axis_size = 4})(grid({2})); }, "axis_size 4");
}
TEST(Vmap, an_error_inside_nested_transforms_leaves_nothing_behind) {
  Tensor x = grid({3, 2});
  auto f = [](const Tensor& v) { return ft::sum(ft::matmul(v, ft::zeros({5}, ft::f64))); };
  EXPECT_THROW(ft::vmap(ft::grad(f))(x), ft::ShapeError);
  expect_close(ft::vmap(ft::grad(square_sum))(x), x * 2.0);
}
