// Behaviours that functorch's suite for vmap checks and no other test here does: operations that are made of several primitives, over
// every choice of mapped arguments and dimensions, against a loop. docs/notes/functorch_suites.md lists them beside their originals.
#include <gtest/gtest.h>

#include <cmath>
#include <functional>

#include "functra/functra.h"
#include "functra/nn.h"
#include "support/close.h"

namespace ft = functra;
namespace nn = functra::nn;
using ft::none;
using ft::Tensor;

namespace {

using Args = std::vector<Tensor>;
using Fn = std::function<Args(const Args&)>;

Tensor some(const ft::Shape& s, double from = 0.3) { return (ft::sin(ft::arange(0, s.numel(), 1, ft::f64) * 1.3 + from) * 1.5).reshape(s); }
Tensor positive(const ft::Shape& s) { return ft::abs(some(s)) + 0.5; }
Tensor whole(const ft::Shape& s, std::int64_t below) { return (ft::arange(0, s.numel(), 1) * 7 % below).reshape(s); }
Fn one(Tensor (*f)(const Tensor&)) {
  return [f](const Args& a) { return Args{f(a[0])}; };
}
template <class F> Fn one(F f) {
  return [f](const Args& a) { return Args{f(a[0])}; };
}
template <class F> Fn two(F f) {
  return [f](const Args& a) { return Args{f(a[0], a[1])}; };
}
ft::VmapOptions lists(const std::vector<ft::Axes>& in, int out) {
  ft::Axes a;
  a.list = true;
  a.items = in;
  return {.in_dims = {a}, .out_dims = out};
}
// What vmap gives, by a loop: args[i] is mapped along in[i], or shared.
Args loop(const Fn& f, const Args& args, const std::vector<ft::Axes>& in, int out) {
  std::int64_t n = 0;
  for (std::size_t i = 0; i < args.size(); ++i)
    if (in[i].axis) n = args[i].size(*in[i].axis);
  std::vector<Args> lanes;
  for (std::int64_t k = 0; k < n; ++k) {
    Args lane;
    for (std::size_t i = 0; i < args.size(); ++i) lane.push_back(in[i].axis ? ft::select(args[i], *in[i].axis, k) : args[i]);
    lanes.push_back(f(lane));
  }
  Args r;
  for (std::size_t j = 0; j < lanes[0].size(); ++j) {
    std::vector<Tensor> column;
    for (auto& l : lanes) column.push_back(l[j]);
    r.push_back(ft::stack(column, out));
  }
  return r;
}
void expect_all_close(const Args& a, const Args& b, double tol = 1e-9) {
  ASSERT_EQ(a.size(), b.size());
  for (std::size_t i = 0; i < a.size(); ++i) {
    EXPECT_EQ(a[i].dtype(), b[i].dtype());
    expect_close(a[i], b[i], tol);
  }
}
bool real(const Tensor& t) { return t.dtype() == ft::f64 || t.dtype() == ft::f32; }
// One number that depends on every real element of every result, with different weights.
Tensor scalar(const Args& y) {
  Tensor s = 0.0;
  for (auto& t : y)
    if (real(t)) s = s + ft::sum(ft::sin(t + ft::arange(0, t.numel(), 1, ft::f64).reshape(t.sizes())));
  return s;
}
enum class Order { none, first, second };
// `args` have a leading dimension of examples. Every choice of mapped arguments, each mapped at its first or last dimension, results
// first or last; two levels of vmap over different arguments; the gradient per example and the gradient of that.
void expect_loop(const Fn& f, const Args& args, Order order = Order::second) {
  const std::size_t n = args.size();
  for (std::size_t mask = 1; mask < std::size_t{1} << n; ++mask)
    for (bool last : {false, true}) {
      Args given;
      std::vector<ft::Axes> in;
      for (std::size_t i = 0; i < n; ++i) {
        const bool mapped = mask >> i & 1;
        given.push_back(!mapped ? args[i][1] : last ? ft::movedim(args[i], {0}, {-1}) : args[i]);
        in.push_back(!mapped ? ft::Axes(none) : last ? ft::Axes(-1) : ft::Axes(0));
      }
      const int out = last ? -1 : 0;
      expect_all_close(ft::vmap(f, lists(in, out))(given), loop(f, given, in, out));
      if (last) continue;
      // the arguments that are shared here are mapped by a second level outside
      Args outer = given;
      std::vector<ft::Axes> outer_in;
      for (std::size_t i = 0; i < n; ++i) {
        const bool again = mask + 1 == std::size_t{1} << n || !(mask >> i & 1);
        if (again) outer[i] = mask >> i & 1 ? ft::stack({args[i], ft::flip(args[i], {0})}, -1) : ft::movedim(args[i], {0}, {-1});
        outer_in.push_back(again ? ft::Axes(-1) : ft::Axes(none));
      }
      Fn inner = ft::vmap(f, lists(in, 0)), reference = [&](const Args&a) { return loop(f, a, in, 0); };
      expect_all_close(ft::vmap(inner, lists(outer_in, 0))(outer), loop(reference, outer, outer_in, 0));
      if (order == Order::none) continue;
      auto total = [&f](const Args& a) { return scalar(f(a)); };
      auto derivative = [](const auto& g) {
        return [g](const Args& a) {
          Args r;
          for (const Tensor& t : g(a))
            if (real(t)) r.push_back(t);
          return r;
        };
      };
      Fn first = derivative(ft::grad(total));
      expect_all_close(ft::vmap(first, lists(in, 0))(given), loop(first, given, in, 0), 1e-8);
      if (order == Order::first) continue;
      Fn second = derivative(ft::grad([first](const Args& a) { return scalar(first(a)); }));
      expect_all_close(ft::vmap(second, lists(in, 0))(given), loop(second, given, in, 0), 1e-8);
    }
}
void expect_loop(Tensor (*f)(const Tensor&), const Args& args, Order order = Order::second) { expect_loop(one(f), args, order); }

}  // namespace

// ---------------------------------------------------------------- products
TEST(FunctorchVmap, bmm_over_every_choice_of_arguments) { expect_loop(two(ft::bmm), {some({3, 2, 2, 3}), some({3, 2, 3, 2}, 1)}); }
TEST(FunctorchVmap, mm_over_every_choice_of_arguments) { expect_loop(two(ft::mm), {some({3, 2, 4}), some({3, 4, 2}, 1)}); }
TEST(FunctorchVmap, mv_over_every_choice_of_arguments) { expect_loop(two(ft::mv), {some({3, 2, 4}), some({3, 4}, 1)}); }
TEST(FunctorchVmap, dot_over_every_choice_of_arguments) { expect_loop(two(ft::dot), {some({3, 4}), some({3, 4}, 1)}); }
TEST(FunctorchVmap, matmul_of_unequal_ranks_over_every_choice_of_arguments) {
  expect_loop(two(ft::matmul), {some({3, 2, 2, 2}), some({3, 2}, 1)});
  expect_loop(two(ft::matmul), {some({3, 2}), some({3, 2, 2, 2}, 1)});
}
TEST(FunctorchVmap, products_whose_shapes_do_not_fit_are_refused_per_example) {
  expect_throw<ft::ShapeError>([] { ft::vmap(ft::bmm)(some({3, 2, 2, 2}), some({3, 2})); }, "bmm");
  expect_throw<ft::ShapeError>([] { ft::vmap(ft::mm, {.in_dims = {0, none}})(some({3, 2}), some({2, 2})); }, "mm");
  expect_throw<ft::ShapeError>([] { ft::vmap(ft::mv, {.in_dims = {none, 0}})(some({2, 2}), some({3, 2, 2, 2})); }, "mv");
  expect_throw<ft::ShapeError>([] { ft::vmap(ft::dot)(some({3, 2, 2, 2}), some({3, 2})); }, "dot");
}
TEST(FunctorchVmap, einsum_tensordot_outer_and_linear_over_every_choice_of_arguments) {
  expect_loop(two([](auto& a, auto& b) { return ft::einsum("ij,kj->ik", a, b); }), {some({3, 2, 4}), some({3, 5, 4}, 1)}, Order::first);
  expect_loop(two([](auto& a, auto& b) { return ft::tensordot(a, b, 1); }), {some({3, 2, 4}), some({3, 4, 2}, 1)}, Order::first);
  expect_loop(two(ft::outer), {some({3, 2}), some({3, 4}, 1)}, Order::first);
  expect_loop([](const Args& a) { return Args{ft::linear(a[0], a[1], a[2])}; }, {some({3, 2, 4}), some({3, 5, 4}, 1), some({3, 5}, 2)}, Order::first);
}
TEST(FunctorchVmap, cross_of_three_vectors_in_a_batch_of_three_uses_their_own_dimension) {
  expect_loop(two([](auto& a, auto& b) { return ft::cross(a, b); }), {some({3, 2, 3}), some({3, 2, 3}, 1)});
}

// ---------------------------------------------------------------- shapes
TEST(FunctorchVmap, cat_of_mapped_shared_and_empty_parts) {
  auto cat = [](std::int64_t dim) { return Fn([dim](const Args& a) { return Args{ft::cat(a, dim)}; }); };
  expect_loop(cat(0), {some({3, 2}), some({3, 4}, 1)});
  expect_loop(cat(-1), {some({3, 2, 3}), some({3, 2, 1}, 1), some({3, 2, 2}, 2)}, Order::first);
  expect_loop(cat(0), {some({3, 0}), some({3, 2}, 1)}, Order::none);
}
TEST(FunctorchVmap, stack_of_mapped_and_shared_parts) {
  for (int dim : {0, 1, -1}) expect_loop([dim](const Args& a) { return Args{ft::stack(a, dim)}; }, {some({3, 2}), some({3, 2}, 1)}, Order::first);
}
TEST(FunctorchVmap, chunk_split_and_unbind_give_parts_per_example) {
  expect_loop([](const Args& a) { return ft::chunk(a[0], 3, -1); }, {some({3, 2, 7})}, Order::first);
  expect_loop([](const Args& a) { return ft::split(a[0], 3, 0); }, {some({3, 7, 2})}, Order::first);
  expect_loop([](const Args& a) { return ft::split(a[0], ft::Shape{1, 4, 2}, 1); }, {some({3, 2, 7})}, Order::first);
  expect_loop([](const Args& a) { return ft::unbind(a[0], 1); }, {some({3, 2, 4})}, Order::first);
}
TEST(FunctorchVmap, diagonal_of_any_two_dimensions_and_offsets) {
  for (int offset : {0, 1, -2}) {
    expect_loop(one([offset](auto& x) { return ft::diagonal(x, offset); }), {some({3, 4, 5})}, Order::first);
    expect_loop(one([offset](auto& x) { return ft::diagonal(x, offset, -1, -3); }), {some({3, 4, 2, 5})}, Order::first);
  }
}
TEST(FunctorchVmap, diag_embed_under_two_levels) {
  expect_loop(one([](auto& x) { return ft::diag_embed(x); }), {some({3, 2, 4})}, Order::first);
}
TEST(FunctorchVmap, trace_of_rectangles_and_its_zero_second_derivative) {
  expect_loop(ft::trace, {some({3, 2, 4})});
  auto slopes = [](const Tensor& x) { return ft::sum(ft::grad(ft::trace)(x)); };
  expect_close(ft::vmap(ft::grad(slopes))(some({3, 2, 2})), ft::zeros({3, 2, 2}, ft::f64), 0);
}
TEST(FunctorchVmap, expand_and_broadcasts_repeat_within_the_example) {
  expect_loop(one([](auto& x) { return ft::expand(x, {4, 2, 3}); }), {some({3, 1, 3})});
  expect_loop(two([](auto& x, auto& y) { return ft::expand(x, y.sizes()); }), {some({3, 1, 3}), some({3, 2, 4, 3})}, Order::none);
  expect_loop(one([](auto& x) { return ft::broadcast_to(x, {5, 2}); }), {some({3, 2})}, Order::first);
}
TEST(FunctorchVmap, unsqueeze_counts_dimensions_of_the_example) {
  for (int dim : {0, 1, 2, -1, -3}) expect_loop(one([dim](auto& x) { return ft::unsqueeze(x, dim); }), {some({3, 2, 4})}, Order::first);
}
TEST(FunctorchVmap, squeeze_never_drops_the_mapped_dimension) {
  expect_loop(one([](auto& x) { return ft::squeeze(x); }), {some({3, 1, 4, 1})}, Order::first);
  expect_loop(one([](auto& x) { return ft::squeeze(x, 0); }), {some({3, 1, 4})}, Order::first);
  EXPECT_EQ(ft::vmap([](const Tensor& x) { return ft::squeeze(x); })(some({1, 1, 4})).sizes(), (ft::Shape{1, 4}));
  EXPECT_EQ(ft::vmap([](const Tensor& x) { return ft::squeeze(x); })(some({1})).sizes(), ft::Shape{1});
  expect_throw<ft::IndexError>([] { ft::vmap([](const Tensor& x) { return ft::squeeze(x, 1); })(some({10})); }, "squeeze");
}
TEST(FunctorchVmap, movedim_of_one_or_several_dimensions) {
  expect_loop(one([](auto& x) { return ft::movedim(x, {0}, {1}); }), {some({3, 2, 4})}, Order::first);
  expect_loop(one([](auto& x) { return ft::movedim(x, {1, 0}, {0, 2}); }), {some({3, 2, 4, 5})}, Order::first);
}
TEST(FunctorchVmap, transpose_t_and_permute_count_dimensions_of_the_example) {
  expect_loop(one([](auto& x) { return ft::transpose(x, -1, -2); }), {some({3, 2, 4})}, Order::first);
  expect_loop(one([](auto& x) { return ft::t(x); }), {some({3, 2, 4})}, Order::first);
  expect_loop(one([](auto& x) { return ft::permute(x, {2, 0, 1}); }), {some({3, 2, 4, 5})}, Order::first);
  expect_close(ft::vmap([](const Tensor& x) { return ft::transpose(x, 0, -1); })(some({3})), some({3}), 0);  // of a 0-d example: itself
}
TEST(FunctorchVmap, narrow_select_and_slices_of_the_example) {
  expect_loop(one([](auto& x) { return ft::narrow(x, -1, 1, 3); }), {some({3, 2, 5})}, Order::first);
  expect_loop(one([](auto& x) { return ft::narrow(x, 1, 0, 0); }), {some({3, 2, 5})}, Order::none);
  expect_loop(one([](auto& x) { return ft::select(x, 1, 1); }), {some({3, 2, 5})}, Order::first);
  expect_loop(one([](auto& x) { return ft::select(x, -1, 0); }), {some({3, 2, 5})}, Order::first);
  expect_loop(one([](auto& x) { return x.index({ft::Slice(), ft::Slice(1, 3)}); }), {some({3, 2, 5})}, Order::first);
  expect_loop(one([](auto& x) { return x.index({ft::Ellipsis, ft::Slice(1, 3)}); }), {some({3, 2, 2, 5})}, Order::first);
}
TEST(FunctorchVmap, reshape_view_and_flatten_keep_examples_apart) {
  expect_loop(one([](auto& x) { return ft::reshape(x, {1, 1, 10}); }), {some({3, 2, 5})}, Order::first);
  expect_loop(one([](auto& x) { return ft::view(x, {-1}); }), {some({3, 2, 5})}, Order::first);
  expect_loop(one([](auto& x) { return ft::flatten(x, 1, 2); }), {some({3, 2, 4, 5})}, Order::first);
  expect_loop(one([](auto& x) { return ft::unflatten(x, -1, {2, 3}); }), {some({3, 2, 6})}, Order::first);
  expect_loop(two([](auto& x, auto& y) { return ft::reshape(x, y.sizes()); }), {some({3, 10}), some({3, 2, 5})}, Order::none);
}
TEST(FunctorchVmap, roll_without_dims_goes_around_the_flattened_example) {
  expect_loop(one([](auto& x) { return ft::roll(x, {3}); }), {some({3, 2, 5})}, Order::first);
  expect_loop(one([](auto& x) { return ft::roll(x, {1, -2}, {0, 1}); }), {some({3, 2, 5})}, Order::first);
}
TEST(FunctorchVmap, repeat_tile_and_flip_of_the_example) {
  expect_loop(one([](auto& x) { return ft::repeat(x, {2, 3}); }), {some({3, 1, 2})}, Order::first);
  expect_loop(one([](auto& x) { return ft::tile(x, {2}); }), {some({3, 2})}, Order::first);
  expect_loop(one([](auto& x) { return ft::flip(x, {-1}); }), {some({3, 2, 4})}, Order::first);
}
TEST(FunctorchVmap, tril_and_triu_of_the_example) {
  expect_loop(one([](auto& x) { return ft::tril(x, 1); }), {some({3, 4, 3})}, Order::first);
  expect_loop(one([](auto& x) { return ft::triu(x, -1); }), {some({3, 4, 3})}, Order::first);
}
TEST(FunctorchVmap, windows_along_a_dimension_by_strided_positions) {  // what torch's unfold gives
  auto unfold = [](const Tensor& x, std::int64_t size, std::int64_t step) {
    std::vector<Tensor> parts;
    for (std::int64_t i = 0; i + size <= x.size(0); i += step) parts.push_back(ft::narrow(x, 0, i, size));
    return ft::stack(parts);
  };
  expect_loop(one([&](auto& x) { return unfold(x, 4, 2); }), {some({3, 11})}, Order::first);
}

// ---------------------------------------------------------------- elementwise with broadcasting and dtypes
TEST(FunctorchVmap, arithmetic_aligns_the_dimensions_of_examples_of_unequal_rank) {
  for (auto f : {ft::add, ft::sub, ft::mul, ft::div, ft::pow, ft::maximum, ft::minimum, ft::atan2})
    expect_loop(two(f), {positive({3}), positive({3, 2, 4})}, Order::first);
}
TEST(FunctorchVmap, arithmetic_with_numbers_on_either_side) {
  expect_loop(one([](auto& x) { return x * 2.5 - (1.5 - x) / (x + 3.0) + ft::pow(2.0, x) + ft::pow(x, 2.0); }), {positive({3, 2})});
}
TEST(FunctorchVmap, promotion_is_by_the_ranks_of_examples) {
  Tensor narrow = some({3, 2}).to(ft::f32), wide = some({3});
  auto add = [](const Tensor& a, const Tensor& b) { return a + b; };
  EXPECT_EQ(ft::vmap(add)(narrow, wide).dtype(), add(narrow[0], wide[0]).dtype());
  EXPECT_EQ(ft::vmap(add)(narrow[0], some({2})).dtype(), add(narrow[0][0], some({2})[0]).dtype());
  EXPECT_EQ(ft::vmap(add)(ft::arange(3), ft::ones({3})).dtype(), ft::f32);
  EXPECT_EQ(ft::vmap([](const Tensor& x) { return x + 1.6; })(ft::ones({3})).dtype(), ft::f32);
  EXPECT_EQ(ft::vmap([](const Tensor& x) { return x + ft::tensor(1.6, ft::f64); })(ft::ones({3, 2})).dtype(),
            (ft::ones({2}) + ft::tensor(1.6, ft::f64)).dtype());
}
TEST(FunctorchVmap, comparisons_of_examples_of_unequal_rank_and_with_numbers) {
  for (auto f : {ft::eq, ft::ne, ft::lt, ft::le, ft::gt, ft::ge}) {
    expect_loop(two(f), {whole({3}, 4).to(ft::f64), whole({3, 2, 4}, 4).to(ft::f64)}, Order::none);
    expect_loop(one([f](auto& x) { return f(x, 2.0); }), {whole({3, 4}, 4).to(ft::f64)}, Order::none);
  }
}
TEST(FunctorchVmap, clamp_with_numbers_tensors_and_one_bound) {
  expect_loop(one([](auto& x) { return ft::clamp(x, -0.5); }), {some({3, 2})}, Order::first);
  expect_loop(one([](auto& x) { return ft::clamp(x, {}, 0.5); }), {some({3, 2})}, Order::first);
  expect_loop([](const Args& a) { return Args{ft::clamp(a[0], a[1], a[2])}; }, {some({3, 2}), some({3}, 1) - 1.0, some({3, 2}, 2) + 1.0},
              Order::first);
}
TEST(FunctorchVmap, where_threshold_and_masked_fill) {
  expect_loop([](const Args& a) { return Args{ft::where(a[0] > 0, a[0], a[1])}; }, {some({3, 2}), some({3, 2}, 1)}, Order::first);
  expect_loop(one([](auto& x) { return ft::threshold(x, 0.5, 0.0); }), {some({3, 2})}, Order::first);
  expect_loop([](const Args& a) { return Args{ft::masked_fill(a[0], a[1] > 0, a[2])}; }, {some({3, 2}), some({3, 2}, 1), some({3}, 2)}, Order::first);
}
TEST(FunctorchVmap, conversions_follow_the_dtype_asked_for_and_lose_no_derivative) {
  for (ft::DType d : {ft::f32, ft::f64, ft::i32, ft::i64, ft::bool_}) expect_loop(one([d](auto& x) { return x.to(d); }), {some({3, 2})}, Order::none);
  Tensor x = some({3, 2});
  auto f = [](const Tensor& v) { return ft::sum(ft::square(v.to(ft::f32)).to(ft::f64)); };
  Tensor g = ft::vmap(ft::grad(f))(x);
  EXPECT_EQ(g.dtype(), ft::f64);
  expect_close(g, x * 2.0, 1e-6);
}
TEST(FunctorchVmap, isnan_isinf_and_isfinite_per_element) {
  Tensor x = ft::where(some({3, 2, 4}) > 0.5, NAN, ft::where(some({3, 2, 4}) < -0.5, INFINITY, some({3, 2, 4})));
  for (auto f : {ft::isnan, ft::isinf, ft::isfinite}) expect_loop(one(f), {x}, Order::none);
}
TEST(FunctorchVmap, shape_and_dtype_are_those_of_the_example) {
  auto f = [](const Tensor& x) {
    EXPECT_EQ(x.sizes(), (ft::Shape{2, 4}));
    EXPECT_EQ(x.dim(), 2);
    EXPECT_EQ(x.numel(), 8);
    EXPECT_EQ(x.dtype(), ft::f64);
    return x;
  };
  ft::vmap(f)(some({3, 2, 4}));
  ft::vmap(f, {.in_dims = 2})(some({2, 4, 3}));
  ft::vmap(ft::grad([&](const Tensor& x) { return ft::sum(f(x)); }))(some({3, 2, 4}));
}
TEST(FunctorchVmap, factories_inside_have_the_shape_asked_for_and_are_expanded) {
  Tensor x = some({3, 2});
  EXPECT_EQ(ft::vmap([](const Tensor&) { return ft::empty({4, 5}); })(x).sizes(), (ft::Shape{3, 4, 5}));
  expect_close(ft::vmap([](const Tensor&) { return ft::zeros({4}); })(x), ft::zeros({3, 4}), 0);
  expect_close(ft::vmap(ft::vmap([](const Tensor&) { return ft::full({2}, 7.0); }))(x), ft::full({3, 2, 2}, 7.0), 0);
  expect_close(ft::vmap([](const Tensor& v) { return ft::ones_like(v); })(x), ft::ones({3, 2}, ft::f64), 0);
  expect_close(ft::vmap([](const Tensor& v) { return ft::full_like(v, v[0]); })(x), x.index({ft::Slice(), ft::Slice(0, 1)}).expand({3, 2}), 0);
  expect_close(ft::vmap([](const Tensor& v) { return v + ft::eye(2, ft::f64); })(x), x.unsqueeze(1) + ft::eye(2, ft::f64), 0);
}

// ---------------------------------------------------------------- reductions
TEST(FunctorchVmap, sums_and_means_of_all_of_some_and_of_negative_dimensions) {
  expect_loop(one([](auto& x) { return ft::sum(x); }), {some({3, 2, 4})}, Order::first);
  expect_loop(one([](auto& x) { return ft::mean(x, {0, -1}); }), {some({3, 2, 4, 2})}, Order::first);
  expect_loop(one([](auto& x) { return ft::sum(x, -2, true); }), {some({3, 2, 4})}, Order::first);
  for (int dim : {0, -1}) expect_close(ft::vmap([dim](const Tensor& x) { return ft::sum(x, dim); })(some({3})), some({3}), 0);  // 0-d examples
}
TEST(FunctorchVmap, prod_var_std_and_norm) {
  expect_loop(one([](auto& x) { return ft::prod(x, 0); }), {positive({3, 4})});
  expect_loop(
      [](const Args& a) {
        auto [v, m] = ft::var_mean(a[0], 0);
        return Args{v, m};
      },
      {some({3, 5, 2})}, Order::first);
  expect_loop(one([](auto& x) { return ft::std(x, 0); }), {some({3, 5})}, Order::first);
  expect_loop(one([](auto& x) { return ft::norm(x); }), {some({3, 5})}, Order::first);
}
TEST(FunctorchVmap, argmax_and_argmin_of_all_and_along_a_dimension) {
  for (bool max : {true, false}) {
    expect_loop(one([max](auto& x) { return max ? ft::argmax(x) : ft::argmin(x); }), {some({3, 2, 4})}, Order::none);
    for (int dim : {0, -1}) expect_loop(one([=](auto& x) { return max ? ft::argmax(x, dim) : ft::argmin(x, dim); }), {some({3, 2, 4})}, Order::none);
  }
  EXPECT_EQ(ft::vmap([](const Tensor& x) { return ft::argmax(x); })(some({3})).sizes(), ft::Shape{3});
}
TEST(FunctorchVmap, extremes_medians_sorts_and_the_greatest_with_their_positions) {
  expect_loop(one([](auto& x) { return ft::amax(x, 0); }), {some({3, 4, 2})}, Order::first);
  expect_loop(one([](auto& x) { return ft::amin(x); }), {some({3, 4, 2})}, Order::first);
  auto both = [](auto f) {
    return Fn([f](const Args& a) {
      auto [v, i] = f(a[0]);
      return Args{v, i};
    });
  };
  expect_loop(both([](const Tensor& x) { return ft::median(x, 0); }), {some({3, 5, 2})}, Order::first);
  expect_loop(both([](const Tensor& x) { return ft::topk(x, 2); }), {some({3, 2, 5})}, Order::first);
  expect_loop(both([](const Tensor& x) { return ft::sort(x, 0, true); }), {some({3, 5, 2})}, Order::first);
}
TEST(FunctorchVmap, logsumexp_softmax_and_log_softmax) {
  expect_loop(one([](auto& x) { return ft::logsumexp(x, -1); }), {some({3, 2, 4})});
  expect_loop(one([](auto& x) { return ft::softmax(x, 0); }), {some({3, 4, 2})}, Order::first);
  expect_loop(one([](auto& x) { return ft::log_softmax(x, -1); }), {some({3, 2, 4})});
}
TEST(FunctorchVmap, cumulative_sums_and_products) {
  expect_loop(one([](auto& x) { return ft::cumsum(x, -1); }), {some({3, 2, 4})}, Order::first);
  expect_loop(one([](auto& x) { return ft::cumprod(x, 0); }), {some({3, 4, 2})}, Order::first);
}
TEST(FunctorchVmap, all_and_any_are_answers_per_example) {
  Tensor x = ft::tensor({{1.0, 2.0}, {1.0, -2.0}, {-1.0, -2.0}}, ft::f64);
  EXPECT_TRUE(ft::equal(ft::vmap([](const Tensor& v) { return ft::all(v > 0); })(x), ft::tensor({true, false, false})));
  EXPECT_TRUE(ft::equal(ft::vmap([](const Tensor& v) { return ft::any(v > 0); })(x), ft::tensor({true, true, false})));
}

// ---------------------------------------------------------------- positions
TEST(FunctorchVmap, reading_at_tensors_of_positions_in_any_dimension) {
  Tensor x = some({3, 4, 4, 4}), i = whole({3, 2}, 4), j = whole({3, 2, 1}, 4);
  for (auto& at : {i, j}) {
    expect_loop(two([](auto& v, auto& k) { return v.index({ft::Slice(), k}); }), {x, at}, Order::first);
    expect_loop(two([](auto& v, auto& k) { return v.index({k, ft::Slice()}); }), {x, at}, Order::first);
    expect_loop(two([](auto& v, auto& k) { return v.index({ft::Slice(), ft::Slice(), k}); }), {x, at}, Order::first);
    expect_loop(two([](auto& v, auto& k) { return v.index({k, ft::Slice(), k}); }), {x, at}, Order::first);
  }
}
TEST(FunctorchVmap, reading_at_positions_of_an_outer_level) {
  Tensor e = some({7, 4}), at = ft::tensor({0, 3}).reshape({2, 1});
  Tensor y = ft::vmap([&](const Tensor& i) { return ft::vmap([&](const Tensor& column) { return column[i]; }, {.in_dims = 1})(e); })(at);
  EXPECT_EQ(y.sizes(), (ft::Shape{2, 4, 1}));
  for (std::int64_t k = 0; k < 2; ++k) expect_close(y[k].squeeze(), e[k ? 3 : 0], 0);
}
TEST(FunctorchVmap, writing_at_positions_in_inner_middle_and_sliced_dimensions) {
  Tensor x = some({3, 4, 4}), at = ft::tensor({{1, 2}, {0, 3}, {3, 1}}), v = some({3, 4, 2}, 1);
  auto put = [](std::vector<ft::Index> (*where)(const Tensor&)) {
    return Fn([where](const Args& a) { return Args{ft::index_put(a[0], where(a[1]), a[2])}; });
  };
  expect_loop(put([](const Tensor& i) { return std::vector<ft::Index>{ft::Slice(), i}; }), {x, at, v}, Order::first);
  expect_loop(put([](const Tensor& i) { return std::vector<ft::Index>{i, ft::Slice()}; }), {x, at, some({3, 2, 4}, 1)}, Order::first);
  expect_loop(two([](auto& t, auto& u) { return t.index_put({ft::Slice(0, 2), ft::Slice()}, u); }), {x, some({3, 2, 4}, 1)}, Order::first);
  expect_loop(put([](const Tensor& i) { return std::vector<ft::Index>{i, i}; }), {x, at, some({3, 2}, 1)}, Order::first);
}
TEST(FunctorchVmap, index_select_add_copy_and_fill) {
  Tensor x = some({3, 4, 2}), at = ft::tensor({{0, 3}, {2, 1}, {3, 0}}), v = some({3, 2, 2}, 1);
  expect_loop(two([](auto& t, auto& i) { return ft::index_select(t, 0, i); }), {x, at}, Order::first);
  expect_loop([](const Args& a) { return Args{ft::index_add(a[0], 0, a[1], a[2])}; }, {x, at, v}, Order::first);
  expect_loop([](const Args& a) { return Args{ft::index_copy(a[0], 0, a[1], a[2])}; }, {x, at, v}, Order::first);
  expect_loop(two([](auto& t, auto& i) { return t.index_put({i}, 5.0); }), {x, at}, Order::first);  // index_fill
}
TEST(FunctorchVmap, gather_scatter_take_and_take_along_dim) {
  Tensor x = some({3, 4, 2}), at = whole({3, 2, 2}, 4), v = some({3, 2, 2}, 1);
  expect_loop(two([](auto& t, auto& i) { return ft::gather(t, 0, i); }), {x, at}, Order::first);
  expect_loop([](const Args& a) { return Args{ft::scatter_add(a[0], 0, a[1], a[2])}; }, {x, at, v}, Order::first);
  expect_loop(two([](auto& t, auto& i) { return ft::take(t, i); }), {x, at}, Order::first);
  expect_loop(two([](auto& t, auto& i) { return ft::take_along_dim(t, i, 0); }), {x, at}, Order::first);
}
TEST(FunctorchVmap, one_hot_of_numbers_and_grids) {
  expect_loop(one([](auto& i) { return ft::one_hot(i, 3); }), {whole({3}, 3)}, Order::none);
  expect_loop(one([](auto& i) { return ft::one_hot(i, 4); }), {whole({3, 2, 2}, 4)}, Order::none);
}

// ---------------------------------------------------------------- networks
TEST(FunctorchVmap, convolutions_of_one_two_and_three_dimensions_with_and_without_bias) {
  auto conv = [](auto f) { return Fn([f](const Args& a) { return Args{f(a[0], a[1], a.size() > 2 ? a[2] : Tensor())}; }); };
  auto c1 = [](auto& x, auto& w, auto b) { return ft::conv1d(x, w, b); };
  auto c2 = [](auto& x, auto& w, auto b) { return ft::conv2d(x, w, b); };
  auto c3 = [](auto& x, auto& w, auto b) { return ft::conv3d(x, w, b); };
  expect_loop(conv(c1), {some({3, 1, 2, 5}), some({3, 2, 2, 3}, 1), some({3, 2}, 2)}, Order::first);
  expect_loop(conv(c2), {some({3, 1, 2, 3, 3}), some({3, 2, 2, 2, 2}, 1)});
  expect_loop(conv(c2), {some({3, 1, 2, 3, 3}), some({3, 2, 2, 2, 2}, 1), some({3, 2}, 2)}, Order::first);
  expect_loop(conv(c3), {some({3, 1, 1, 2, 3, 2}), some({3, 1, 1, 2, 2, 2}, 1)}, Order::first);
  auto odd = [](auto& x, auto& w, auto b) { return ft::conv2d(x, w, b, 2, 1, 2, 2); };  // stride, padding, dilation, groups
  expect_loop(conv(odd), {some({3, 1, 4, 5, 5}), some({3, 2, 2, 2, 2}, 1), some({3, 2}, 2)}, Order::first);
}
TEST(FunctorchVmap, adaptive_and_plain_pooling_with_the_examples_in_any_dimension) {
  expect_loop(one([](auto& x) { return ft::adaptive_avg_pool2d(x, {3, 3}); }), {some({3, 2, 5, 4})}, Order::first);
  expect_loop(one([](auto& x) { return ft::avg_pool2d(x, 2, 1); }), {some({3, 1, 2, 4, 4})}, Order::first);
  expect_loop(one([](auto& x) { return ft::max_pool2d(x, 2, 1); }), {some({3, 1, 2, 4, 4})}, Order::first);
}
TEST(FunctorchVmap, group_norm_with_shared_and_mapped_weights) {
  auto norm = [](const Args& a) {
    nn::GroupNorm g(2, 4, {.dtype = ft::f64});
    g.weight = a[1];
    g.bias = a[2];
    return Args{g(a[0])};
  };
  expect_loop(norm, {some({3, 2, 4, 3}), some({3, 4}, 1), some({3, 4}, 2)}, Order::first);
}
TEST(FunctorchVmap, batch_norm_with_any_of_input_statistics_and_weights_mapped) {
  for (bool train : {true, false}) {
    auto norm = [train](const Args& a) {
      nn::BatchNorm2d layer(2, {.dtype = ft::f64});
      layer.weight = a[1];
      layer.bias = a[2];
      layer.running_mean = a[3];
      layer.running_var = ft::square(a[4]) + 1.0;
      auto [y, next] = (train ? layer : nn::eval(layer)).with_statistics(a[0]);
      return Args{y, next.running_mean->value(), next.running_var->value()};
    };
    expect_loop(norm, {some({3, 4, 2, 2, 2}), some({3, 2}, 1), some({3, 2}, 2), some({3, 2}, 3), some({3, 2}, 4)}, Order::none);
  }
}
TEST(FunctorchVmap, losses_with_shared_and_mapped_targets_and_every_reduction) {
  for (auto r : {ft::Reduction::mean, ft::Reduction::sum, ft::Reduction::none}) {
    expect_loop(two([r](auto& y, auto& t) { return ft::nll_loss(y, t, r); }), {some({3, 2, 5}), whole({3, 2}, 5)}, Order::first);
    expect_loop(two([r](auto& y, auto& t) { return ft::cross_entropy(y, t, r); }), {some({3, 2, 5}), whole({3, 2}, 5)}, Order::first);
    expect_loop(two([r](auto& y, auto& t) { return ft::binary_cross_entropy(ft::sigmoid(y), ft::sigmoid(t), 1.0, r); }),
                {some({3, 3, 2}), some({3, 3, 2}, 1)}, Order::first);
  }
  expect_loop(two([](auto& y, auto& t) { return ft::mse_loss(y, t); }), {some({3, 4}), some({3, 4}, 1)});
}
TEST(FunctorchVmap, embedding_positions_and_tables_may_both_be_mapped) {
  auto look = [](const Args& a) {
    nn::Embedding e(ft::random::key(0), 4, 2, {.dtype = ft::f64});
    e.weight = a[0];
    return Args{e(a[1])};
  };
  expect_loop(look, {some({3, 4, 2}), whole({3, 5}, 4)}, Order::first);
}
TEST(FunctorchVmap, factorisations_and_solves_over_every_choice_of_arguments) {
  Tensor a = some({3, 3, 3}) + ft::eye(3, ft::f64) * 4.0, spd = ft::matmul(a, a.transpose(-1, -2));
  expect_loop(one([](auto& x) { return ft::linalg::cholesky(x); }), {spd}, Order::first);
  expect_loop(one([](auto& x) { return ft::linalg::inv(x); }), {a}, Order::first);
  expect_loop(one([](auto& x) { return ft::linalg::det(x); }), {a});
  expect_loop(two([](auto& x, auto& b) { return ft::linalg::solve(x, b); }), {a, some({3, 3}, 1)}, Order::first);
  expect_loop(
      [](const Args& v) {
        auto s = ft::linalg::slogdet(v[0]);
        return Args{s.sign, s.logabsdet};
      },
      {a}, Order::first);
}
TEST(FunctorchVmap, matrices_are_asked_for_where_an_example_is_a_vector) {
  Tensor x = some({3, 3});  // a matrix as a whole, a vector per example
  auto refused = [&](auto f) { expect_throw<ft::ShapeError>([&] { ft::vmap(f)(x); }, "no matrices"); };
  refused([](const Tensor& v) { return ft::linalg::det(v); });
  refused([](const Tensor& v) { return ft::linalg::inv(v); });
  refused([](const Tensor& v) { return ft::linalg::cholesky(v); });
  refused([](const Tensor& v) { return ft::linalg::slogdet(v).sign; });
}
