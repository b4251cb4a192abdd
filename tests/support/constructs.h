// Functions made by nesting control flow, custom rules, recomputation and transforms, each with the same function in C++ numbers.
#pragma once
#include <functional>
#include <string>
#include <vector>

#include "functra/functra.h"
#include "tests/support/polynomial.h"

namespace functra::testing {

using TensorFn = std::function<Tensor(const Tensor& w, const Tensor& x)>;
using PolyFn = std::function<Poly(const Poly& w, const Poly& x)>;

// A function of two 0-d tensors, and its values and derivatives.
struct Function {
  std::string name;
  TensorFn f;
  PolyFn reference;
  bool reverse = true;  // has a reverse-mode derivative: no loop without a bound in it
};
// A way to make a function of another one. `needs_reverse`: it takes a reverse-mode derivative of it.
struct Construct {
  std::string name;
  std::function<TensorFn(TensorFn)> of;
  std::function<PolyFn(PolyFn)> reference;
  bool reverse = true, needs_reverse = false;
};
const std::vector<Construct>& constructs();
Function leaf();
Function apply(const Construct& c, const Function& f);
// Every law that the function obeys, as gtest expectations: values and derivatives to third order under compositions of transforms.
void expect_laws(const Function& f);

}  // namespace functra::testing
