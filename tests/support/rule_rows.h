// Per rule of the passes, programs in which it applies. A rule without a row fails the suite.
#pragma once
#include <vector>

namespace functra::testing {

struct RuleRow {
  // signs: of zeros that are structural; rounds: sums in another order, results below the normal numbers.
  enum Kind { exact, signs, rounds };
  const char* rule;
  const char* text;  // a program, without the word
  Kind kind = exact;
};
// Inputs of type f64[81] hold every pair of nine special values; others count up.
std::vector<RuleRow> rule_rows();
void append_identity_rows(std::vector<RuleRow>& rows);   // rule_rows_identities.cpp
void append_structure_rows(std::vector<RuleRow>& rows);  // rule_rows_structure.cpp: zeros, seeds, gathers, contractions

}  // namespace functra::testing
