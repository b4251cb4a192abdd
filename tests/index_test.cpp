// Indexing, gathers and order against NumPy's results, written out or as loops; what they raise; their derivatives.
#include <gtest/gtest.h>

#include <limits>
#include <vector>

#include "functra/functra.h"

namespace functra {
namespace {
using V = std::vector<double>;
V values(const Tensor& t) { return t.to_vector<double>(); }
template <class E, class F> std::string message(F f) {
  try {
    f();
  } catch (const E& e) { return e.what(); }
  return "nothing thrown";
}
Tensor counting(const Shape& s) { return reshape(arange(s.numel(), f64), s); }
}  // namespace

TEST(Indexing, IntegersSlicesAndNewExtents) {
  Tensor x = counting({2, 3, 4});
  EXPECT_EQ(values(x[1][2]), (V{20, 21, 22, 23}));
  EXPECT_EQ(values(x[-1][-1][-1]), (V{23}));
  EXPECT_EQ(x.index({none, Ellipsis, 1}).sizes(), Shape({1, 2, 3}));
  EXPECT_EQ(values(x.index({0, Slice(0, 2), Slice(1, 3)})), (V{1, 2, 5, 6}));
  EXPECT_EQ(x.index({Ellipsis, Slice(), none}).sizes(), Shape({2, 3, 4, 1}));
  EXPECT_EQ(values(x.index({1, 0, Slice(none, none, 2)})), (V{12, 14}));
  EXPECT_THROW((void)x[2], IndexError);
  EXPECT_NE(message<IndexError>([&] { (void)x.index({0, 0, 0, 0}); }).find("too many indices: 4 for a tensor of shape [2, 3, 4]"), std::string::npos);
  EXPECT_THROW((void)x.index({Ellipsis, Ellipsis}), IndexError);
  EXPECT_THROW((void)tensor(1.0)[0], IndexError);
}
TEST(Indexing, NegativeStepsEmptySlicesAndStridesThatSelectOneElement) {
  Tensor x = arange(7);
  auto slice = [&](Slice s) { return values(x.index({s})); };
  EXPECT_EQ(slice(Slice(none, none, -1)), (V{6, 5, 4, 3, 2, 1, 0}));
  EXPECT_EQ(slice(Slice(5, 1, -2)), (V{5, 3}));
  EXPECT_EQ(slice(Slice(5, none, -3)), (V{5, 2}));
  EXPECT_EQ(slice(Slice(-1, -8, -4)), (V{6, 2}));
  EXPECT_EQ(slice(Slice(100, 2, -1)), (V{6, 5, 4, 3}));
  EXPECT_EQ(slice(Slice(3, 3)), V{});
  EXPECT_EQ(slice(Slice(5, 2)), V{});
  EXPECT_EQ(slice(Slice(1, 5, -1)), V{});
  EXPECT_EQ(slice(Slice(2, 4, 10)), (V{2}));
  EXPECT_EQ(slice(Slice(2, 0, -10)), (V{2}));
  EXPECT_THROW((void)x.index({Slice(0, 1, 0)}), ValueError);
  Tensor g = grad([](const Tensor& v) { return sum(v.index({Slice(5, 1, -2)}) * tensor({1.0, 10.0}, f64)); })(counting({7}));
  EXPECT_EQ(values(g), (V{0, 0, 0, 10, 0, 1, 0}));
}
TEST(Indexing, TensorsOfPositions) {
  Tensor x = counting({3, 4});
  Tensor i = tensor({2, 0}), j = tensor({1, -1});
  EXPECT_EQ(values(x[i]), (V{8, 9, 10, 11, 0, 1, 2, 3}));
  EXPECT_EQ(values(x.index({i, j})), (V{9, 3}));
  EXPECT_EQ(values(x.index({Slice(), j})), (V{1, 3, 5, 7, 9, 11}));
  EXPECT_EQ(values(x.index({tensor({{2}, {0}}), j})), (V{9, 11, 1, 3}));
  Tensor y = counting({2, 3, 4});
  EXPECT_EQ(y.index({tensor({0, 1, 1, 0, 1}), Slice(), tensor({1})}).sizes(), Shape({5, 3}));  // separated: in front
  EXPECT_EQ(y.index({Slice(), tensor({0, 1, 1, 0, 1})}).sizes(), Shape({2, 5, 4}));
  EXPECT_EQ(x[tensor({}, i64)].sizes(), Shape({0, 4}));
  EXPECT_NE(message<IndexError>([&] { (void)x[tensor({0, 3})]; }).find("index 3 is out of range for dimension 0 of shape [3, 4]"), std::string::npos);
  EXPECT_THROW((void)x[tensor({0.5})], DTypeError);
}
TEST(Indexing, Masks) {
  Tensor x = counting({2, 3});
  EXPECT_EQ(values(x[x > 2.0]), (V{3, 4, 5}));
  EXPECT_EQ(values(x[tensor({false, true})]), (V{3, 4, 5}));
  EXPECT_EQ(values(masked_select(x, x < 2.0)), (V{0, 1}));
  EXPECT_EQ(values(nonzero(tensor({{0, 3}, {5, 0}}))), (V{0, 1, 1, 0}));
  EXPECT_EQ(values(masked_fill(x, x > 2.0, -1)), (V{0, 1, 2, -1, -1, -1}));
  EXPECT_THROW((void)x[tensor({true, true, false})], IndexError);
  EXPECT_EQ(values(grad([](const Tensor& v) { return sum(v[v > 2.0] * 2.0); })(x)), (V{0, 0, 0, 2, 2, 2}));  // a primal has values
  EXPECT_THROW(vmap([](const Tensor& v) { return v[v > 2.0]; })(x), TracerError);
  EXPECT_THROW(make_fx([](const Tensor& v) { return v[v > 2.0]; })(x), TracerError);
}
TEST(Indexing, PuttingReturnsANewTensor) {
  Tensor x = counting({2, 3});
  EXPECT_EQ(values(x.index_put({0}, tensor({7.0, 8.0, 9.0}))), (V{7, 8, 9, 3, 4, 5}));
  EXPECT_EQ(values(x), (V{0, 1, 2, 3, 4, 5}));
  EXPECT_EQ(values(x.index_put({Ellipsis, 1}, 9)), (V{0, 9, 2, 3, 9, 5}));
  EXPECT_EQ(values(x.index_put({Slice(), Slice(none, none, 2)}, 9)), (V{9, 1, 9, 9, 4, 9}));
  EXPECT_EQ(values(x.index_put({1, Slice(none, none, -1)}, tensor({7.0, 8.0, 9.0}))), (V{0, 1, 2, 9, 8, 7}));
  EXPECT_EQ(values(x.index_put({tensor({1, 0}), tensor({0, 2})}, tensor({7.0, 8.0}))), (V{0, 1, 8, 7, 4, 5}));
  EXPECT_EQ(values(x.index_put({x > 3.0}, 0)), (V{0, 1, 2, 3, 0, 0}));
  EXPECT_EQ(values(x.index_put({0, Slice(0, 2)}, 1, true)), (V{1, 2, 2, 3, 4, 5}));
  EXPECT_EQ(values(x.index_put({Ellipsis}, 1)), (V{1, 1, 1, 1, 1, 1}));
  EXPECT_EQ(values(x.index_put({Slice(1, 1)}, 9)), values(x));
  EXPECT_THROW((void)x.index_put({0}, tensor({1.0, 2.0})), ShapeError);
}
TEST(Indexing, RepeatedPositionsAccumulateOrTheLastWins) {
  Tensor x = zeros({3}, f64), i = tensor({1, 1, 2}), v = tensor({1.0, 2.0, 4.0}, f64);
  EXPECT_EQ(values(x.index_put({i}, v, true)), (V{0, 3, 4}));
  EXPECT_EQ(values(x.index_put({i}, v)), (V{0, 2, 4}));
  EXPECT_EQ(values(grad([&](const Tensor& a) { return sum(a[i] * v); })(ones({3}, f64))), (V{0, 3, 4}));
  // Where a write is lost its value has no derivative.
  EXPECT_EQ(values(grad([&](const Tensor& w) { return sum(x.index_put({i}, w) * tensor({1.0, 10.0, 100.0}, f64)); })(v)), (V{0, 10, 100}));
  EXPECT_EQ(values(grad([&](const Tensor& a) { return sum(a.index_put({i}, v)); })(x)), (V{1, 0, 0}));
}
TEST(Indexing, PositionsOutOfRangeClipFillOrDrop) {
  Tensor x = tensor({1.0, 2.0, 3.0}, f64), i = tensor({{-1}, {1}, {3}}), u = tensor({10.0, 20.0, 30.0}, f64);
  lax::GatherDims g{.offset_dims = {}, .collapsed_slice_dims = 0, .start_index_map = 0};
  EXPECT_EQ(values(lax::gather(x, i, g, {1}, lax::OutOfBounds::clip)), (V{1, 2, 3}));
  EXPECT_EQ(values(lax::gather(x, i, g, {1}, lax::OutOfBounds::fill_or_drop, -7)), (V{-7, 2, -7}));
  V filled = values(lax::gather(x, i, g, {1}));
  EXPECT_TRUE(std::isnan(filled[0]) && filled[1] == 2 && std::isnan(filled[2]));
  lax::ScatterDims s{.update_window_dims = {}, .inserted_window_dims = 0, .scatter_dims_to_operand_dims = 0};
  EXPECT_EQ(values(lax::scatter_add(x, i, u, s)), (V{1, 22, 3}));
  EXPECT_EQ(values(lax::scatter_add(x, i, u, s, lax::OutOfBounds::clip)), (V{11, 22, 33}));
  EXPECT_EQ(values(lax::scatter(x, i, u, s)), (V{1, 20, 3}));
  EXPECT_EQ(values(grad([&](const Tensor& a) { return sum(lax::gather(a, i, g, {1}, lax::OutOfBounds::fill_or_drop, 0)); })(x)), (V{0, 1, 0}));
  EXPECT_EQ(values(lax::dynamic_slice(x, {Tensor(5)}, {2})), (V{2, 3}));
  EXPECT_EQ(values(lax::dynamic_update_slice(x, tensor({8.0, 9.0}, f64), {Tensor(-4)})), (V{8, 9, 3}));
}
TEST(Indexing, WindowsThatDifferFromLaneToLane) {
  Tensor x = counting({3, 5}), starts = tensor({0, 2, 9});
  auto window = [](const Tensor& row, const Tensor& s) { return lax::dynamic_slice(row, {s}, {2}); };
  EXPECT_EQ(values(vmap(window)(x, starts)), (V{0, 1, 7, 8, 13, 14}));
  EXPECT_EQ(values(vmap(window, {.in_dims = {none, 0}})(x[0], starts)), (V{0, 1, 2, 3, 3, 4}));
  EXPECT_EQ(values(vmap(window, {.in_dims = {0, none}})(x, starts[1])), (V{2, 3, 7, 8, 12, 13}));
  auto write = [](const Tensor& row, const Tensor& s) { return lax::dynamic_update_slice(row, full({1}, -1.0, f64), {s}); };
  EXPECT_EQ(values(vmap(write)(x, starts)), (V{-1, 1, 2, 3, 4, 5, 6, -1, 8, 9, 10, 11, 12, 13, -1}));
  EXPECT_EQ(values(vmap(write, {.in_dims = {none, 0}})(x[0], starts)), (V{-1, 1, 2, 3, 4, 0, 1, -1, 3, 4, 0, 1, 2, 3, -1}));
  // Positions that are mapped: gather and scatter with batching dimensions.
  Tensor at = tensor({{0, 0}, {4, 1}, {2, 3}});
  EXPECT_EQ(values(vmap([](const Tensor& row, const Tensor& i) { return row[i]; })(x, at)), (V{0, 0, 9, 6, 12, 13}));
  EXPECT_EQ(values(vmap([](const Tensor& i) { return zeros({5}, f64).index_put({i}, 1.0, true); })(at)),
            (V{2, 0, 0, 0, 0, 0, 1, 0, 0, 1, 0, 0, 1, 1, 0}));
  EXPECT_EQ(values(vmap(grad([](const Tensor& row, const Tensor& i) { return sum(row[i]); }))(x, at)),
            (V{2, 0, 0, 0, 0, 0, 1, 0, 0, 1, 0, 0, 1, 1, 0}));
}
TEST(Indexing, AlongADimensionAsTorch) {
  Tensor x = counting({2, 3});
  EXPECT_EQ(values(gather(x, 1, tensor({{0, 0}, {2, 1}}))), (V{0, 0, 5, 4}));
  EXPECT_EQ(values(gather(x, 0, tensor({{1, 0}}))), (V{3, 1}));
  EXPECT_THROW(gather(x, 0, tensor({{0, 0, 0, 0}})), ShapeError);
  EXPECT_EQ(values(scatter_add(x, 1, tensor({{0, 0}, {2, 2}}), ones({2, 2}, f64))), (V{2, 1, 2, 3, 4, 7}));
  EXPECT_EQ(values(scatter(x, 0, tensor({{1, 0}}), tensor({{9.0, 8.0}}))), (V{0, 8, 2, 9, 4, 5}));
  EXPECT_EQ(values(scatter(x, 1, tensor({{2}, {0}}), 7)), (V{0, 1, 7, 7, 4, 5}));
  EXPECT_EQ(values(take_along_dim(x, tensor({{2}, {0}}), 1)), (V{2, 3}));
  EXPECT_EQ(values(take_along_dim(x, tensor({{1, 1, 0}}), 0)), (V{3, 4, 2}));
  EXPECT_EQ(values(take_along_dim(x, tensor({5, 0}))), (V{5, 0}));
  EXPECT_EQ(values(index_select(x, 1, tensor({2, 2}))), (V{2, 2, 5, 5}));
  EXPECT_EQ(values(take(x, tensor({{4}, {-1}}))), (V{4, 5}));
  EXPECT_EQ(values(index_add(x, 1, tensor({1, 1}), ones({2, 2}, f64))), (V{0, 3, 2, 3, 6, 5}));
  EXPECT_EQ(values(index_copy(x, 0, tensor({1}), zeros({1, 3}, f64))), (V{0, 1, 2, 0, 0, 0}));
}
TEST(Sorting, StableNanLastAndDerivativesFollowThePermutation) {
  Tensor x = tensor({3.0, 1.0, 2.0, 1.0}, f64);
  auto [v, i] = sort(x);
  EXPECT_EQ(values(v), (V{1, 1, 2, 3}));
  EXPECT_EQ(values(i), (V{1, 3, 2, 0}));
  EXPECT_EQ(values(argsort(x, 0, true)), (V{0, 2, 1, 3}));
  double nan = std::numeric_limits<double>::quiet_NaN();
  EXPECT_EQ(values(argsort(tensor({nan, 1.0, 0.0}))), (V{2, 1, 0}));
  EXPECT_EQ(values(argsort(tensor({1.0, nan, 0.0}), 0, true)), (V{1, 0, 2}));
  EXPECT_EQ(values(topk(x, 2).first), (V{3, 2}));
  EXPECT_EQ(values(topk(x, 2, 0, false).second), (V{1, 3}));
  EXPECT_THROW(topk(x, 5), IndexError);
  EXPECT_EQ(values(median(x, 0).first), (V{1}));
  EXPECT_EQ(values(sort(tensor({{3, 1}, {2, 4}}), 0).first), (V{2, 1, 3, 4}));
  Tensor w = tensor({1.0, 10.0, 100.0, 1000.0}, f64);
  EXPECT_EQ(values(grad([&](const Tensor& a) { return sum(sort(a).first * w); })(x)), (V{1000, 1, 100, 10}));
  EXPECT_EQ(values(vmap([](const Tensor& a) { return sort(a).first; })(tensor({{3, 1}, {2, 4}}))), (V{1, 3, 2, 4}));
}

}  // namespace functra
