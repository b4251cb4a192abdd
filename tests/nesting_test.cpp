// Control flow, custom rules, recomputation and transforms nested in each other two deep, every pair, against derivatives of the same
// function in C++ numbers. Three deep: tests/sweeps.
#include <gtest/gtest.h>

#include "functra/core/executor.h"
#include "tests/support/constructs.h"

namespace functra::testing {

TEST(Nesting, OneConstruct) {
  for (auto& c : constructs()) expect_laws(apply(c, leaf()));
}
// Where compiled calls generate code, which takes a minute and more for all of them, every fourth pair; the second tier has the rest.
TEST(Nesting, EveryPair) {
  const bool native = std::string(core::executor().name()) == "native";
  const auto all = constructs();
  for (std::size_t i = 0; i < all.size(); ++i)
    for (std::size_t j = 0; j < all.size(); ++j)
      if ((all[j].reverse || !all[i].needs_reverse) && (!native || (i + 3 * j) % 4 == 0)) expect_laws(apply(all[i], apply(all[j], leaf())));
}
// Unbounded loops have no reverse mode, wherever they are.
TEST(Nesting, AReverseDerivativeThroughAnUnboundedLoopSaysWhatToDo) {
  for (auto& outer : constructs()) {
    if (outer.needs_reverse) continue;
    for (auto& inner : constructs()) {
      if (inner.name != "while" || !outer.reverse) continue;
      Function f = apply(outer, apply(inner, leaf()));
      auto g = grad<0, 1>([&](const Tensor& w, const Tensor& x) { return f.f(w, x); });
      try {
        g(tensor(0.8, f64), tensor(0.65, f64));
        ADD_FAILURE() << f.name << " gave a gradient";
      } catch (const MissingRuleError& e) { EXPECT_NE(std::string(e.what()).find("{.max_steps = N}"), std::string::npos) << e.what(); }
      auto [y, t] = jvp([&](const Tensor& x) { return f.f(tensor(0.8, f64), x); }, tensor(0.65, f64), 1.0);  // the interpreter is clean
      EXPECT_NEAR(double(t), f.reference(0.8, Poly::variable(0.65, 1)).derivative(0, 1), 1e-9) << f.name;
    }
  }
}

}  // namespace functra::testing
