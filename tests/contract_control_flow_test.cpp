// What the names of control flow and checkpoint promise, as users write them.
#include <functra/functra.h>
#include <gtest/gtest.h>

#include <cmath>

#include "tests/support/values.h"

namespace ft = functra;
using ft::Tensor;
using Dims = ft::Dims;

namespace {

struct Params {
  Tensor w, b;
};
Tensor loss(const Params& p, const Tensor& x, const Tensor& y) { return ft::mean(ft::square(ft::matmul(p.w, x) + p.b - y)); }
Tensor sq(Tensor x) { return x * x; }

class ContractControlFlow : public ::testing::Test {
 protected:
  Tensor x = ft::tensor({1.0, 2.0, 3.0}), y = ft::tensor({0.5, -1.0});
  Params p{ft::tensor({{1.0, 2.0, 0.0}, {0.0, 1.0, 1.0}}), ft::zeros({2})};
};

TEST_F(ContractControlFlow, Choices) {
  Tensor r = ft::cond(
      x[0] > 0, [](Tensor a, Tensor b) { return a + b; }, [](Tensor a, Tensor) { return a; }, x, x);
  EXPECT_VALUES(r, Dims{3}, 2, 4, 6);
  EXPECT_VALUES(ft::cond(
                    x[0] < 0, [](Tensor a, Tensor b) { return a + b; }, [](Tensor a, Tensor) { return a; }, x, x),
                Dims{3}, 1, 2, 3);
  EXPECT_VALUES(ft::cond(
                    true, [&] { return x[0]; }, [] { return 0.0; }),
                Dims{}, 1);
  EXPECT_VALUES(ft::cond(
                    false, [&] { return x[0]; }, [] { return 0.5; }),
                Dims{}, 0.5);
  auto three = std::tuple{[](Tensor a) { return a; }, [](Tensor a) { return a * 2; }, [](Tensor a) { return a * 3; }};
  EXPECT_VALUES(ft::switch_(5, three, x), Dims{3}, 3, 6, 9);
  EXPECT_VALUES(ft::switch_(1, three, x), Dims{3}, 2, 4, 6);
  EXPECT_VALUES(ft::switch_(-1, three, x), Dims{3}, 1, 2, 3);
}

TEST_F(ContractControlFlow, Scan) {
  auto [carry, ys] = ft::scan(
      [](const Params& c, const std::tuple<Tensor, Tensor>& ab) {
        auto [a, b] = ab;
        return std::pair{Params{c.w + a, c.b * b}, std::tuple{a * b, c.w}};
      },
      Params{0.0, 1.0}, std::tuple{x, x}, {.length = {}, .reverse = false, .unroll = 1});
  EXPECT_VALUES(carry.w, Dims{}, 6);
  EXPECT_VALUES(carry.b, Dims{}, 6);
  EXPECT_VALUES(std::get<0>(ys), Dims{3}, 1, 4, 9);
  EXPECT_VALUES(std::get<1>(ys), Dims{3}, 0, 1, 3);
  auto [c2, nothing] = ft::scan([](Tensor c, auto) { return std::pair{c * 2, ft::none}; }, 1.0, ft::none, {.length = 10});
  static_assert(std::is_same_v<decltype(nothing), ft::NoneType>);
  EXPECT_VALUES(c2, Dims{}, 1024);
  auto [c3, y3] = ft::scan([](Tensor c, ft::NoneType) { return std::tuple{c + 1, c}; }, 0, {.length = 3});
  EXPECT_VALUES(c3, Dims{}, 3);
  EXPECT_VALUES(y3, Dims{3}, 0, 1, 2);
  EXPECT_EQ(y3.dtype(), ft::i64);
}

TEST_F(ContractControlFlow, Loops) {
  auto [i, s] = ft::while_loop([](const auto& c) { return std::get<0>(c) < 5; },
                               [](const auto& c) {
                                 auto [i, s] = c;
                                 return std::tuple{i + 1, s * 2};
                               },
                               std::tuple{0, 1.0});
  EXPECT_VALUES(i, Dims{}, 5);
  EXPECT_VALUES(s, Dims{}, 32);
  EXPECT_VALUES(ft::fori_loop(
                    0, 10, [](Tensor i, Tensor c) { return c + i; }, 0.0),
                Dims{}, 45);
  EXPECT_VALUES(ft::map(sq, x, {.batch_size = {}}), Dims{3}, 1, 4, 9);
  EXPECT_VALUES(ft::map(sq, x, {.batch_size = 2}), Dims{3}, 1, 4, 9);
  auto add = [](Tensor a, Tensor b) { return a + b; };
  EXPECT_VALUES(ft::associative_scan(add, x, {.dim = 0, .reverse = false}), Dims{3}, 1, 3, 6);
  EXPECT_VALUES(ft::associative_scan(add, x, {.reverse = true}), Dims{3}, 6, 5, 3);
}

TEST_F(ContractControlFlow, Checkpoint) {
  auto kept = ft::checkpoint(loss);
  // w x + b - y = (4.5, 6): the mean of squares is 28.125, the gradient the outer product of the residual and x
  EXPECT_VALUES(kept(p, x, y), Dims{}, 28.125);
  for (auto policy : {ft::policies::nothing_saveable, ft::policies::dots_saveable, ft::policies::everything_saveable}) {
    Params g = ft::grad(ft::checkpoint(loss, {.policy = policy}))(p, x, y);
    EXPECT_VALUES(g.w, (Dims{2, 3}), 4.5, 9, 13.5, 6, 12, 18);
    EXPECT_VALUES(g.b, Dims{2}, 4.5, 6);
  }
}

}  // namespace
