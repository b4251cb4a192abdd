// Factories and changes of shape; expected values are NumPy's or torch's, written out.
#include <gtest/gtest.h>

#include <array>
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
}  // namespace

TEST(Factories, BracesGiveDefaultTypesAndRangesKeepTheirs) {
  EXPECT_EQ(tensor({{1.0, 2.0}, {3.0, 4.0}}).dtype(), f32);
  EXPECT_EQ(tensor({{1.0, 2.0}, {3.0, 4.0}}).sizes(), Shape({2, 2}));
  EXPECT_EQ(tensor({1, 2}).dtype(), i64);
  EXPECT_EQ(tensor({true, false}).dtype(), bool_);
  EXPECT_EQ(tensor({1, 2.5}).dtype(), f32);
  EXPECT_EQ(values(tensor({1, 2.5})), (V{1, 2.5}));
  EXPECT_EQ(tensor({1.0, 2.0}, f64).dtype(), f64);
  EXPECT_EQ(tensor(std::vector<double>{1, 2}).dtype(), f64);
  EXPECT_EQ(tensor(std::array<float, 2>{1, 2}).dtype(), f32);
  EXPECT_EQ(tensor(std::vector<int>{1, 2}).dtype(), i32);
  EXPECT_EQ(tensor(std::vector<bool>{true, false}).dtype(), bool_);
  EXPECT_EQ(tensor(std::vector<std::vector<double>>{{1, 2, 3}, {4, 5, 6}}).sizes(), Shape({2, 3}));
  EXPECT_EQ(tensor({std::vector<double>{1, 2}, std::vector<double>{3, 4}}).dtype(), f64);
  EXPECT_EQ(tensor(2.5).sizes(), Shape());
  EXPECT_FALSE(tensor(2.5).weak());
  EXPECT_EQ(tensor({}).sizes(), Shape({0}));
  EXPECT_EQ(tensor({{1.0}}).sizes(), Shape({1, 1}));
  EXPECT_NE(message<ShapeError>([] { tensor({{1.0, 2.0}, {3.0}}); }).find("entry 0 has shape [2] and entry 1 has shape [1]"), std::string::npos);
}
TEST(Factories, SequencesAndConstants) {
  EXPECT_EQ(values(arange(4)), (V{0, 1, 2, 3}));
  EXPECT_EQ(arange(4).dtype(), i64);
  EXPECT_EQ(values(arange(5, 0, -2)), (V{5, 3, 1}));
  EXPECT_EQ(values(arange(2, 9, 3, f64)), (V{2, 5, 8}));
  EXPECT_EQ(values(arange(0, 1, 0.1, f64)), (V{0, 0.1, 0.2, 0.1 * 3, 0.4, 0.5, 0.1 * 6, 0.1 * 7, 0.8, 0.9}));
  EXPECT_EQ(arange(0.0, 1.0, 0.25).dtype(), f32);
  EXPECT_EQ(arange(3, 3).sizes(), Shape({0}));
  EXPECT_THROW(arange(0, 5, -1), ValueError);
  EXPECT_EQ(values(linspace(0, 1, 5, f64)), (V{0, 0.25, 0.5, 0.75, 1}));
  EXPECT_EQ(values(linspace(3, 7, 1)), (V{3}));
  EXPECT_EQ(linspace(3, 7, 0).sizes(), Shape({0}));
  EXPECT_EQ(values(eye(2)), (V{1, 0, 0, 1}));
  EXPECT_EQ(values(eye(2, 3)), (V{1, 0, 0, 0, 1, 0}));
  EXPECT_EQ(values(eye(3, 2)), (V{1, 0, 0, 1, 0, 0}));
  EXPECT_EQ(values(full({2}, 7.5)), (V{7.5, 7.5}));
  EXPECT_EQ(full({2}, 7).dtype(), i64);
  EXPECT_TRUE(full({2, 3}, 7).is_contiguous());
  EXPECT_EQ(zeros_like(tensor({1, 2})).dtype(), i64);
  EXPECT_EQ(values(ones({2}, bool_)), (V{1, 1}));
  EXPECT_EQ(from_span(std::vector<double>{1, 2, 3, 4, 5, 6}, {2, 3}).sizes(), Shape({2, 3}));
  EXPECT_THROW(from_span(std::vector<double>{1, 2, 3}, {2, 3}), ShapeError);
  double data[4] = {1, 2, 3, 4};
  int freed = 0;
  {
    Tensor b = from_blob(data, {2, 2}, [&](double*) { ++freed; });
    EXPECT_EQ(b.data<double>(), data);
    Tensor c = b;
    EXPECT_EQ(freed, 0);
  }
  EXPECT_EQ(freed, 1);
}
TEST(Factories, WhileTracingTheyAreOperations) {
  auto hidden = [](auto f) { return make_fx(f)(tensor({1.0, 2.0})).captured(); };
  EXPECT_EQ(hidden([](const Tensor& x) { return x + zeros({2}) + ones({2}) * arange(2) + linspace(0, 1, 2) + reshape(eye(1, 2), {2}); }), 0u);
}
TEST(ShapeOps, ReshapeAndViews) {
  Tensor x = reshape(arange(24), {2, 3, 4});
  EXPECT_EQ(x.reshape({4, -1}).sizes(), Shape({4, 6}));
  EXPECT_EQ(values(x.reshape({-1})), values(arange(24)));
  EXPECT_THROW(x.reshape({5, -1}), ShapeError);
  EXPECT_THROW(x.reshape({-1, -1}), ShapeError);
  EXPECT_EQ(x.flatten(1).sizes(), Shape({2, 12}));
  EXPECT_EQ(x.flatten().sizes(), Shape({24}));
  EXPECT_EQ(unflatten(x, -1, {2, -1}).sizes(), Shape({2, 3, 2, 2}));
  EXPECT_EQ(x.unsqueeze(-1).sizes(), Shape({2, 3, 4, 1}));
  EXPECT_EQ(x.unsqueeze(0).squeeze().sizes(), Shape({2, 3, 4}));
  EXPECT_EQ(x.unsqueeze(0).squeeze(1).sizes(), Shape({1, 2, 3, 4}));
  EXPECT_EQ(tensor({1.0, 2.0}).reshape({2, 1}).expand({-1, 3}).sizes(), Shape({2, 3}));
  EXPECT_EQ(values(tensor({1.0, 2.0}).reshape({2, 1}).expand({-1, 2})), (V{1, 1, 2, 2}));
  EXPECT_THROW(x.expand({2, 3, 5}), ShapeError);
  EXPECT_EQ(x.permute({2, 0, 1}).sizes(), Shape({4, 2, 3}));
  EXPECT_EQ(x.transpose(0, -1).sizes(), Shape({4, 3, 2}));
  EXPECT_EQ(movedim(x, {0}, {2}).sizes(), Shape({3, 4, 2}));
  EXPECT_EQ(values(tensor({{1, 2}, {3, 4}}).t()), (V{1, 3, 2, 4}));
  EXPECT_THROW(x.t(), ShapeError);
  EXPECT_EQ(Tensor(2.0).reshape({1}).dtype(), f32);
}
TEST(ShapeOps, JoiningAndSplitting) {
  Tensor a = tensor({{1.0, 2.0}}), b = tensor({{3.0, 4.0}});
  EXPECT_EQ(values(cat({a, b})), (V{1, 2, 3, 4}));
  EXPECT_EQ(values(cat({a, b}, -1)), (V{1, 2, 3, 4}));
  EXPECT_EQ(cat({a, b}, 1).sizes(), Shape({1, 4}));
  EXPECT_EQ(cat({a, tensor({{1, 2}}, i64)}).dtype(), f32);
  EXPECT_EQ(cat({tensor({}), a}).sizes(), Shape({1, 2}));
  EXPECT_THROW(cat({a, tensor({{1.0}})}), ShapeError);
  EXPECT_EQ(stack({a, b}, 1).sizes(), Shape({1, 2, 2}));
  EXPECT_EQ(values(stack({Tensor(1.0), Tensor(2.0)})), (V{1, 2}));
  EXPECT_THROW(stack({a, tensor({1.0})}), ShapeError);
  auto parts = split(arange(7), 3);
  ASSERT_EQ(parts.size(), 3u);
  EXPECT_EQ(values(parts[2]), (V{6}));
  EXPECT_EQ(values(split(arange(5), {2, 3})[1]), (V{2, 3, 4}));
  EXPECT_EQ(chunk(arange(7), 3).size(), 3u);
  EXPECT_EQ(values(unbind(tensor({{1, 2}, {3, 4}}), 1)[1]), (V{2, 4}));
  EXPECT_EQ(values(narrow(arange(5), 0, -3, 2)), (V{2, 3}));
  EXPECT_THROW(select(arange(5), 0, 5), IndexError);
}
TEST(ShapeOps, MovingAndRepeating) {
  Tensor x = reshape(arange(6), {2, 3});
  EXPECT_EQ(values(flip(x, {0, -1})), (V{5, 4, 3, 2, 1, 0}));
  EXPECT_EQ(values(pad(x, {1, 0}, 9)), (V{9, 0, 1, 2, 9, 3, 4, 5}));
  EXPECT_EQ(values(pad(x, {-1, 0, 0, 1})), (V{1, 2, 4, 5, 0, 0}));
  EXPECT_EQ(values(roll(x, 1)), (V{5, 0, 1, 2, 3, 4}));
  EXPECT_EQ(values(roll(x, {1, -1}, {0, 1})), (V{4, 5, 3, 1, 2, 0}));
  EXPECT_EQ(values(tile(tensor({1, 2}), {2})), (V{1, 2, 1, 2}));
  EXPECT_EQ(repeat(tensor({1, 2}), {3, 2}).sizes(), Shape({3, 4}));
  EXPECT_EQ(values(repeat_interleave(tensor({1, 2}), 2)), (V{1, 1, 2, 2}));
  EXPECT_EQ(values(diagonal(x)), (V{0, 4}));
  EXPECT_EQ(values(diagonal(x, 1)), (V{1, 5}));
  EXPECT_EQ(values(diagonal(x, -1)), (V{3}));
  EXPECT_EQ(diagonal(reshape(arange(24), {2, 3, 4}), 0, 0, 2).sizes(), Shape({3, 2}));
}

}  // namespace functra
