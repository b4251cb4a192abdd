// Choices among equal elements, derivatives at zeros, static sizes under transforms, and what operations refuse.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "functra/functra.h"
#include "support/close.h"

namespace ft = functra;
using ft::Tensor;

namespace {
constexpr double inf = std::numeric_limits<double>::infinity(), NaN = std::numeric_limits<double>::quiet_NaN();
using List = std::vector<double>;
Tensor of(const List& v) { return ft::tensor(v); }
List values(const Tensor& t) { return t.to_vector<double>(); }
}  // namespace

TEST(Norm, HasDerivativeZeroAtZeroAtEveryOrder) {
  Tensor zero = of({0, 0, 0});
  for (double p : {1.0, 1.5, 2.0, 3.0, inf, -inf}) {
    auto f = [p](const Tensor& x) { return ft::norm(x, p); };
    EXPECT_EQ(values(ft::grad(f)(zero)), (List{0, 0, 0})) << p;
    if (p != 1.5)  // the second derivative of |x|^1.5 is infinite
      EXPECT_EQ(values(ft::grad([&](const Tensor& x) { return ft::sum(ft::grad(f)(x)); })(zero)), (List{0, 0, 0})) << p;
  }
  auto rows = [](const Tensor& x) { return ft::sum(ft::norm(x, 2, 1)); };  // one row of zeros does not disturb the other
  expect_close(ft::grad(rows)(ft::tensor({{0.0, 0.0}, {3.0, 4.0}}, ft::f64)), ft::tensor({{0.0, 0.0}, {0.6, 0.8}}, ft::f64));
  auto safe = [](const Tensor& x) { return ft::std(x, {}, 0); };
  EXPECT_EQ(values(ft::grad(safe)(of({2, 2}))), (List{0, 0}));
}
TEST(TopK, FollowsTheOrderOfJax) {
  auto [v, i] = ft::lax::top_k(of({1, 3, NaN, 3, -inf, 0}), 4);
  expect_close(v, of({NaN, 3, 3, 1}));
  EXPECT_EQ(values(i), (List{2, 1, 3, 0}));
  auto [w, j] = ft::topk(of({2, 1, 1, 0}), 3, 0, false);
  EXPECT_EQ(values(w), (List{0, 1, 1}));
  EXPECT_EQ(values(j), (List{3, 1, 2}));
  auto f = [](const Tensor& x) { return ft::sum(ft::lax::top_k(x, 2).first * of({1, 10})); };
  EXPECT_EQ(values(ft::grad(f)(of({3, 1, 3, 2}))), (List{1, 0, 10, 0}));
  EXPECT_EQ(values(ft::vmap(ft::grad(f))(ft::tensor({{3.0, 1.0, 2.0}, {0.0, 5.0, 6.0}}, ft::f64))), (List{1, 0, 10, 0, 10, 1}));
  expect_throw<ft::IndexError>([] { (void)ft::lax::top_k(of({1, 2}), 3); }, "top_k: k = 3 does not lie in dimension 0 of shape [2]");
  expect_throw<ft::IndexError>([] { (void)ft::topk(of({1, 2}), 3); }, "topk: k = 3 does not lie in dimension 0 of shape [2]");
  expect_throw<ft::DTypeError>([] { (void)ft::lax::top_k(ft::zeros({2}, ft::c64), 1); }, "complex numbers have no order");
  // Long lines, few elements: the selection agrees with the full sort.
  Tensor x = ft::remainder(ft::arange(5000, ft::f64) * 7919.0, 1000.0), top = ft::topk(x, 37).second;
  EXPECT_EQ(values(top), values(ft::narrow(ft::argsort(x, -1, true), 0, 0, 37)));
}
TEST(RunningExtremes, GoToTheLastOfEqualElementsAndNanStays) {
  auto [v, i] = ft::cummax(of({1, 3, 3, 2, NaN, 5}), 0);
  expect_close(v, of({1, 3, 3, 3, NaN, NaN}));
  EXPECT_EQ(values(i), (List{0, 1, 2, 2, 4, 4}));
  EXPECT_EQ(values(ft::grad([](const Tensor& x) { return ft::sum(ft::cummax(x, 0).first); })(of({1, 3, 3, 2}))), (List{1, 1, 2, 0}));
  EXPECT_EQ(values(ft::grad([](const Tensor& x) { return ft::sum(ft::lax::cummin(x, 0, true)); })(of({1, 3, 0, 2}))), (List{0, 0, 3, 1}));
  auto [w, j] = ft::cummin(ft::tensor(7), 0);
  EXPECT_EQ(w.item<int>(), 7);
  EXPECT_EQ(j.item<int>(), 0);
}
TEST(LogCumSumExp, SurvivesInfinitiesAndDistance) {
  Tensor x = of({-inf, -inf, -1000, 0, 1000});
  EXPECT_EQ(values(ft::logcumsumexp(x, 0)), (List{-inf, -inf, -1000, 0, 1000}));
  EXPECT_EQ(values(ft::grad([](const Tensor& v) { return ft::sum(ft::logcumsumexp(v, 0).index({ft::Slice(2)})); })(x)), (List{0, 0, 1, 1, 1}));
  EXPECT_EQ(values(ft::logcumsumexp(of({inf, inf, 0}), 0)), (List{inf, inf, inf}));
  expect_close(ft::logcumsumexp(ft::tensor({0.0, 0.0}, ft::f16).to(ft::f16), 0), ft::tensor({0.0, std::log(2.0)}, ft::f64), 1e-3);
}
TEST(Scatter, RefusesOperandsThatDoNotFitInPlainEvaluationToo) {
  Tensor x = ft::zeros({4}), i = ft::zeros({2, 1}, ft::i64);
  ft::lax::ScatterDims d{{}, {0}, {0}, {}, {}};
  expect_throw<ft::ShapeError>([&] { (void)ft::lax::scatter_mul(x, i, ft::ones({3}), d); },
                               "scatter_mul: operand f32[4], indices i64[2, 1], updates f32[3]");
  expect_throw<ft::DTypeError>([&] { (void)ft::lax::scatter_max(x, i, ft::ones({2}, ft::f64), d); }, "have different dtypes");
  expect_throw<ft::ShapeError>([&] { (void)ft::lax::gather(x, i, {{}, {0}, {0}, {}, {}}, {2}); }, "gather: operand f32[4]");
}
TEST(Segments, EmptyOnesHoldTheIdentityAndForeignIdsAreLeftOut) {
  Tensor x = of({1, 2, 3, 4}), ids = ft::tensor({1, -1, 1, 9});
  EXPECT_EQ(values(ft::segment_sum(x, ids, 3)), (List{0, 4, 0}));
  EXPECT_EQ(values(ft::segment_prod(x, ids, 3)), (List{1, 3, 1}));
  EXPECT_EQ(values(ft::segment_max(x, ids, 3)), (List{-inf, 3, -inf}));
  EXPECT_EQ(ft::segment_min(ft::tensor({5, 7}), ft::tensor({0, 0}), 2).to_vector<std::int64_t>(), (std::vector<std::int64_t>{5, INT64_MAX}));
  EXPECT_EQ(values(ft::segment_sum(ft::zeros({0, 2}), ft::zeros({0}, ft::i64), 2)), (List{0, 0, 0, 0}));
  // Ties share; zeros of a product are exact.
  auto most = [&](const Tensor& v) { return ft::segment_max(v, ft::tensor({0, 0, 0, 1}), 2)[0]; };
  EXPECT_EQ(values(ft::grad(most)(of({2, 1, 2, 5}))), (List{0.5, 0, 0.5, 0}));
  auto product = [&](const Tensor& v) { return ft::segment_prod(v, ft::tensor({0, 0, 0, 1}), 2)[0]; };
  EXPECT_EQ(values(ft::grad(product)(of({2, 0, 3, 5}))), (List{0, 6, 0, 0}));
  EXPECT_EQ(values(ft::hessian(product)(of({0, 0, 3, 5}))), (List{0, 3, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}));
  // Ids that differ from example to example.
  Tensor many = ft::vmap([](const Tensor& v, const Tensor& i) { return ft::segment_sum(v, i, 2); }, {.in_dims = {ft::none, 0}})(
      x, ft::tensor({{0, 0, 1, 1}, {1, 1, 1, 0}}));
  EXPECT_EQ(values(many), (List{3, 7, 4, 6}));
  expect_throw<ft::ShapeError>([&] { (void)ft::segment_sum(x, ft::tensor({0, 1}), 2); }, "segment_sum: data of shape [4] and ids of shape [2]");
  expect_throw<ft::DTypeError>([&] { (void)ft::segment_max(x, x, 2); }, "segment_max: the ids have dtype f64");
  expect_throw<ft::ValueError>([&] { (void)ft::segment_prod(x, ids, -1); }, "segment_prod: the number of segments, -1");
  expect_throw<ft::DTypeError>([&] { (void)ft::segment_max(ft::zeros({4}, ft::c64), ids, 2); }, "has no order");
  EXPECT_EQ(ft::segment_sum(ft::ones({4}, ft::c64), ids, 2)[1].item().real(), 2);
}
TEST(Unique, HasAStaticSizeUnderJitAndVmap) {
  auto f = [](const Tensor& x) {
    auto u = ft::unique(x, 3, -1);
    return std::tuple{u.values, u.counts};
  };
  auto [v, c] = ft::vmap(ft::jit(f))(ft::tensor({{2, 1, 2, 1}, {4, 3, 2, 1}, {5, 5, 5, 5}}));
  EXPECT_EQ(values(v), (List{1, 2, -1, 1, 2, 3, 5, -1, -1}));
  EXPECT_EQ(values(c), (List{2, 2, 0, 1, 1, 1, 4, 0, 0}));
  EXPECT_EQ(values(ft::unique(ft::zeros({0}), 2).values), (List{0, 0}));
  EXPECT_EQ(values(ft::grad([](const Tensor& x) { return ft::sum(ft::unique(x, 2).values * of({1, 10})); })(of({7, 3, 7}))), (List{10, 1, 0}));
}
TEST(Quantile, RefusesWhatHasNone) {
  Tensor x = of({1, 2, 3});
  expect_throw<ft::ValueError>([&] { (void)ft::quantile(x, 1.5); }, "quantile: q = 1.500000 does not lie in [0, 1]");
  expect_throw<ft::ValueError>([&] { (void)ft::quantile(ft::zeros({2, 0}), 0.5, 1); }, "no elements along dimension 1 of shape [2, 0]");
  expect_throw<ft::DTypeError>([&] { (void)ft::quantile(ft::tensor({1, 2}), 0.5); }, "quantile: not defined for dtype i64");
  expect_throw<ft::ShapeError>([&] { (void)ft::quantile(x, ft::zeros({1, 1})); }, "q has shape [1, 1]");
  EXPECT_EQ(ft::quantile(of({1, inf, inf}), 0.8).item<double>(), inf);
  EXPECT_TRUE(std::isnan(ft::nanquantile(of({NaN, NaN}), 0.5).item<double>()));
  EXPECT_EQ(ft::grad([&](const Tensor& q) { return ft::quantile(of({1, 4, 9}), q); })(ft::tensor(0.25, ft::f64)).item<double>(), 6);
}
TEST(Matrices, RefuseWrongShapes) {
  Tensor x = ft::zeros({2, 3, 4}), v = ft::zeros({3});
  expect_throw<ft::ShapeError>([&] { (void)ft::tril(v); }, "tril: the tensor has shape [3], at least 2 dimensions are needed");
  expect_throw<ft::ShapeError>([&] { (void)ft::diag(x); }, "diag: the tensor has shape [2, 3, 4]");
  expect_throw<ft::ShapeError>([&] { (void)ft::trace(x); }, "trace: the tensor has shape [2, 3, 4], two dimensions are needed");
  expect_throw<ft::ShapeError>([&] { (void)ft::cross(x, v); }, "both need an extent of 3 along dimension -1");
  expect_throw<ft::ValueError>([&] { (void)ft::diag_embed(v, 0, 1, -1); }, "are the same");
  expect_throw<ft::ValueError>([&] { (void)ft::meshgrid({v}, "yx"); }, "\"ij\" or \"xy\"");
  expect_throw<ft::ShapeError>([&] { (void)ft::searchsorted(x, v); }, "searchsorted: sorted has shape [2, 3, 4] and the values [3]");
  expect_throw<ft::ShapeError>(
      [&] {
        (void)ft::repeat_interleave(x, ft::tensor({1, 2}), 1);
      },
      "repeats of shape [2] for dimension 1 of shape [2, 3, 4]");
  expect_throw<ft::TracerError>(
      [&] {
        (void)ft::jit([&](const Tensor& r) { return ft::repeat_interleave(v, r, 0); })(ft::tensor({1, 2, 0}));
      },
      "jit");
  expect_throw<ft::ShapeError>([&] { (void)ft::rot90(x, 1, {0}); }, "two dimensions");
}
