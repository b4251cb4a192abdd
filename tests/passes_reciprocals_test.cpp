// Divisions that become products with a reciprocal, and those that must not.
#include <gtest/gtest.h>

#include "functra/functra.h"
#include "support/close.h"
#include "support/optimised.h"

namespace ft = functra;
using ft::Program;
using ft::Tensor;
using ft::testing::count;
using ft::testing::optimised;
using ft::testing::optimised_differs;

namespace {
Tensor some(const ft::Shape& s) { return ft::sin(ft::arange(0, s.numel(), 1, ft::f64) + 0.3).reshape(s); }
Program after(const std::string& program) { return optimised(Program::parse(program), {"reciprocals", "cse", "dce"}); }
}  // namespace

TEST(PassReciprocals, of_what_divides_several_values_are_taken_once) {
  const char* text =
      "program(v0: f64[81], v1: f64[81], v2: f64[81]) { v3: f64[81] = div(v0, v2)\n v4: f64[81] = div(v1, v2)\n v5: f64[81] = div(v3, v2)\n return "
      "v4, v5 }";
  Program q = after(text);
  EXPECT_EQ(count(q, "div"), 1u) << q;
  EXPECT_EQ(count(q, "mul"), 3u) << q;
  EXPECT_EQ(optimised_differs(Program::parse(text), {some({81}), some({81}) + 0.1, some({81}) + 2.0}, 1e-15), "");
}
TEST(PassReciprocals, of_what_is_repeated_are_taken_before_that) {
  Program rows = after(
      "program(v0: f64[4, 9], v1: f64[4]) { v2: f64[4, 9] = broadcast_in_dim(v1) {shape=[4, 9] dims=[0]}\n v3: f64[4, 9] = div(v0, v2)\n return v3 "
      "}");
  EXPECT_NE(ft::to_string(rows).find("f64[4] = div(1.0"), std::string::npos) << rows;
  Program number = after("program(v0: f64[9], v1: f64[]) { v2: f64[9] = div(v0, v1)\n return v2 }");
  EXPECT_NE(ft::to_string(number).find("f64[] = div(1.0"), std::string::npos) << number;
  Program softmax = ft::make_fx([](const Tensor& x) { return ft::softmax(x, -1); })(some({5, 7}));
  EXPECT_NE(ft::to_string(optimised(softmax)).find("f64[5] = div(1.0"), std::string::npos) << optimised(softmax);
  EXPECT_EQ(optimised_differs(softmax, {some({5, 7})}, 1e-15), "");
}
TEST(PassReciprocals, of_numbers_are_numbers) {
  Program q = after("program(v0: f64[9], v1: f32[9]) { v2: f64[9] = div(v0, 3.0:f64)\n v3: f32[9] = div(v1, 3.0:f32)\n return v2, v3 }");
  EXPECT_EQ(count(q, "div"), 0u) << q;
  for (const char* number : {"0.0", "inf", "1e-310", "1.7e308"}) {  // no reciprocal that is a normal number
    Program kept = after(std::string("program(v0: f64[9]) { v1: f64[9] = div(v0, ") + number + ":f64)\n return v1 }");
    EXPECT_EQ(count(kept, "div"), 1u) << kept;
  }
}
TEST(PassReciprocals, single_quotients_and_integers_stay) {
  EXPECT_EQ(count(after("program(v0: f64[9], v1: f64[9]) { v2: f64[9] = div(v0, v1)\n return v2 }"), "div"), 1u);
  EXPECT_EQ(count(after("program(v0: i64[9], v1: i64[9]) { v2: i64[9] = div(v0, v1)\n v3: i64[9] = div(v1, v1)\n return v2, v3 }"), "div"), 2u);
}
// 49 / 49 is 1, and 49 times the reciprocal of 49 is less.
TEST(PassReciprocals, what_is_rounded_or_compared_is_divided) {
  auto f = ft::jit([](const Tensor& x) { return ft::floor(x / 49.0); });
  auto g = ft::jit([](const Tensor& x, const Tensor& y) { return std::pair{x / y >= 1.0, (x / y).to(ft::i32) + (ft::sin(x) / y).to(ft::i32)}; });
  Tensor x = ft::arange(1, 200, 1, ft::f64);
  expect_close(f(x * 49.0), x);
  auto [at_least_one, whole] = g(x, x);
  EXPECT_TRUE(bool(ft::all(at_least_one)));
  EXPECT_TRUE(bool(ft::all(whole == ft::ones_like(x).to(ft::i32))));
}
TEST(PassReciprocals, go_into_bodies) {
  auto f = [](const Tensor& c, const Tensor& x) {
    return ft::scan([](const Tensor& c, const Tensor& x) { return std::pair{c / 3.0 + x, c / 7.0}; }, c, x);
  };
  Program p = ft::make_fx(f)(some({3}), some({5, 3}));
  EXPECT_EQ(count(p, "div"), 2u);
  EXPECT_EQ(count(optimised(p, {"reciprocals"}), "div"), 0u);
  EXPECT_EQ(optimised_differs(p, {some({3}), some({5, 3})}, 1e-15), "");
}
// A maximum is compared with the values it was taken of, which are computed again there: all in the same way.
TEST(PassReciprocals, what_is_compared_for_equality_is_divided_wherever_it_is_computed) {
  auto f = [](const Tensor& x, const Tensor& y) {
    auto g = ft::checkpoint([](const Tensor& x, const Tensor& y) { return ft::amax(ft::exp(x / y)) + ft::sum(ft::sin(x) / y * ft::amax(x / y)); });
    return g(x, y);
  };
  Tensor x = some({300}) * 3.0, y = some({300}) + 2.1;
  auto want = ft::grad<0, 1>(f)(x, y), got = ft::jit(ft::grad<0, 1>(f))(x, y);
  expect_close(std::get<0>(got), std::get<0>(want));
  expect_close(std::get<1>(got), std::get<1>(want));
}
