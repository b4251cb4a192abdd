// Linear Programs, and how those that are not are told.
#include <gtest/gtest.h>

#include "functra/functra.h"

namespace ft = functra;
using ft::Tensor;

namespace {
Tensor some(const ft::Shape& s) { return ft::sin(ft::arange(0, s.numel(), 1, ft::f64) * 1.3 + 0.4).reshape(s); }
template <class E> std::string message_of(auto f) {
  try {
    f();
  } catch (const E& e) { return e.what(); }
  return "nothing was thrown";
}
}  // namespace

TEST(VerifyLinear, a_program_that_is_not_linear_fails_the_check_of_linearity_by_equation) {
  Tensor x = some({3}), w = some({3});
  auto program = [&](auto f) { return ft::make_fx(f)(x); };
  program([&](const Tensor& t) { return ft::sum(t * w + t / 2.0) - ft::sum(ft::where(w > 0, t, 0.0)); }).verify_linear();
  program([&](const Tensor& t) {
    return ft::scan([&](const Tensor& c, const Tensor& a) { return std::pair{c * w + a, c}; }, t, t).second;
  }).verify_linear();
  auto says = [&](auto f) { return message_of<ft::ValueError>([&] { program(f).verify_linear(); }); };
  EXPECT_NE(says([](const Tensor& t) { return ft::sin(t); }).find("equation 0 (sin) is not linear: it has no transpose rule"), std::string::npos);
  EXPECT_NE(says([](const Tensor& t) { return t * t; }).find("(mul) is not linear: a transpose rule needs a known operand"), std::string::npos);
  EXPECT_NE(says([&](const Tensor& t) { return t + w; }).find("(add) is not linear: it adds a value"), std::string::npos);
  EXPECT_NE(says([&](const Tensor& t) { return std::pair{t, w * 2.0}; }).find("output 1 does not depend"), std::string::npos);
  EXPECT_NE(says([&](const Tensor& t) {
              return ft::scan([&](const Tensor& c, const Tensor& a) { return std::pair{ft::sin(c) + a, c}; }, t, t).first;
            }).find("(scan) is not linear"),
            std::string::npos);
  ft::Program two = ft::make_fx([](const Tensor& a, const Tensor& b) { return ft::exp(a) * b; })(x, w);
  two.verify_linear({1});
  EXPECT_NE(message_of<ft::ValueError>([&] { two.verify_linear({0}); }).find("(exp)"), std::string::npos);
  EXPECT_NE(message_of<ft::IndexError>([&] { two.verify_linear({2}); }).find("input 2 of 2"), std::string::npos);
}
