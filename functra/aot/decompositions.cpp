#include <cmath>

#include "functra/aot/rewrite.h"
#include "functra/ops/math.h"

namespace functra::compile {

const Decompositions& core_decompositions() {
  using Values = const std::vector<Tensor>&;
  using Equation = const Program::Equation&;
  using Results = std::vector<Tensor>;
  static const auto* table =
      new Decompositions{{"sub", [](Equation, Values x) -> Results { return {add(x[0], neg(x[1]))}; }},
                         {"rsqrt", [](Equation, Values x) -> Results { return {div(1.0, sqrt(x[0]))}; }},
                         {"sigmoid", [](Equation, Values x) -> Results { return {div(1.0, add(1.0, exp(neg(x[0]))))}; }},
                         {"exp2", [](Equation, Values x) -> Results { return {exp(mul(x[0], std::log(2.0)))}; }},
                         {"log2", [](Equation, Values x) -> Results { return {div(log(x[0]), std::log(2.0))}; }},
                         {"log10", [](Equation, Values x) -> Results { return {div(log(x[0]), std::log(10.0))}; }},
                         {"tan", [](Equation, Values x) -> Results { return {div(sin(x[0]), cos(x[0]))}; }},
                         {"sinh", [](Equation, Values x) -> Results { return {div(add(exp(x[0]), neg(exp(neg(x[0])))), 2.0)}; }},
                         {"cosh", [](Equation, Values x) -> Results { return {div(add(exp(x[0]), exp(neg(x[0]))), 2.0)}; }},
                         {"tanh", [](Equation, Values x) -> Results {  // of |x|, so that nothing overflows
                            Tensor e = exp(mul(abs(x[0]), -2.0));
                            return {mul(sign(x[0]), div(add(1.0, neg(e)), add(1.0, e)))};
                          }}};
  return *table;
}

}  // namespace functra::compile
