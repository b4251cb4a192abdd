// A family of formulas over the whole of num:: with references, for the accuracy tests and sweeps.
#pragma once
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "functra/base/formula.h"

namespace functra::testing {

struct UnaryCase {
  const Formula* formula;
  long double (*reference)(long double);
  double lo, hi;  // where most samples are drawn; specials and all magnitudes come on top
};
struct BinaryCase {
  const Formula* formula;
  long double (*reference)(long double, long double);
};
std::span<const UnaryCase> unary_cases();
std::span<const BinaryCase> binary_cases();
const Formula& formula_of(std::string_view name);  // of the family, also those without a reference here

// The tables of a formula for every instruction set that this machine runs.
std::vector<std::pair<const char*, const FormulaTable*>> tables_of(const Formula& f);

// Distance in units of the last place of the reference, which is rounded to T only where it overflows.
template <class T> double ulps(T y, long double reference);

}  // namespace functra::testing
