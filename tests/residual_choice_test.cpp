// The place where a compiler puts its cut between a loop's two halves: another choice of residuals gives the same derivatives.
#include <gtest/gtest.h>

#include "functra/functra.h"
#include "functra/prims/checkpoint.h"
#include "support/close.h"

namespace ft = functra;
using ft::Tensor;

namespace {
struct Choice {
  explicit Choice(ft::core::ResidualChoice c) : before(ft::core::set_residual_choice(c)) {}
  ~Choice() { ft::core::set_residual_choice(before); }
  ft::core::ResidualChoice before;
};
Tensor loop(const Tensor& w) {
  auto [c, ys] = ft::scan(
      [&](const Tensor& c, const Tensor& x) {
        Tensor n = ft::sin(ft::sin(c * w) * w) + x;
        return std::pair{n, n * w};
      },
      w * 0.5, ft::tensor({0.1, 0.2, 0.3}, ft::f64));
  return c * c + ft::sum(ys);
}
Tensor bounded(const Tensor& w) {
  return ft::while_loop([](const Tensor& c) { return c < 3.0; }, [&](const Tensor& c) { return c + ft::exp(ft::sin(c * w)); }, w, {.max_steps = 10});
}
std::size_t stacked(const Tensor& w) {  // ys of the primal scan in the gradient's program
  for (auto& e : ft::make_fx(ft::grad(loop))(w).equations())
    if (e.op == "scan") return e.results.size() - 1;
  return 0;
}
}  // namespace

TEST(ResidualChoice, keeping_the_carry_alone_gives_the_same_derivatives) {
  Tensor w = ft::tensor(0.7, ft::f64), ws = ft::tensor({0.3, 0.7, 1.1}, ft::f64);
  for (auto f : {loop, bounded}) {
    Tensor g = ft::grad(f)(w), gg = ft::grad(ft::grad(f))(w), gs = ft::vmap(ft::grad(f))(ws);
    Choice c(ft::prims::keep_inputs_only);
    expect_close(ft::grad(f)(w), g);
    expect_close(ft::jit(ft::grad(f))(w), g);
    expect_close(ft::grad(ft::grad(f))(w), gg);
    expect_close(ft::hessian(f)(w), gg);
    expect_close(ft::vmap(ft::grad(f))(ws), gs);
  }
}
TEST(ResidualChoice, decides_what_is_stacked) {
  Tensor w = ft::tensor(0.7, ft::f64);
  std::size_t by_default = stacked(w);
  Choice c(ft::prims::keep_inputs_only);
  EXPECT_EQ(stacked(w), 2u);  // ys and the carry
  EXPECT_GT(by_default, 2u);
}
