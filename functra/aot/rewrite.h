// Programs as data: changed by rules over their equations, by patterns, and by hand.
#pragma once
#include <functional>
#include <map>
#include <optional>

#include "functra/core/program.h"
#include "functra/transforms/make_fx.h"

namespace functra::compile {

// What stands for an equation, written with ft:: operations on its operands; nothing: the equation stays. The results must have the
// types of those they replace (a ShapeError says which has not).
using Rule = std::function<std::optional<std::vector<Tensor>>(const Program::Equation& e, const std::vector<Tensor>& operands)>;

// p with the rule applied to every equation, once, in order; equations that nothing uses any longer are gone. `inner`: in the bodies of
// loops, branches and calls too.
struct RewriteOptions {
  bool inner = true;
};
Program rewrite(const Program& p, const Rule& rule, RewriteOptions o = {});

// By name of the primitive. Applied again to what they give, until nothing changes; ValueError for one that gives itself back for ever.
using Decomposition = std::function<std::vector<Tensor>(const Program::Equation& e, const std::vector<Tensor>& operands)>;
using Decompositions = std::map<std::string, Decomposition>;
Program decompose(const Program& p, const Decompositions& table);
// Elementwise functions in exp, log, sqrt, sin, cos, abs, sign, neg, add, mul and div: sub, rsqrt, sigmoid, tanh, tan, sinh, cosh, exp2,
// log2, log10. By the textbook's formulas, so with their errors (sinh near 0, say), not within 4 ULP.
const Decompositions& core_decompositions();

// Every occurrence of the pattern replaced; `count` says how many. The pattern's inputs stand for any values, its literals and
// parameters for themselves, its last equation for where it ends. Results that the pattern does not return must not be used elsewhere
// (such an occurrence stays). Occurrences do not overlap: the first in program order wins.
struct Replaced {
  Program program;
  std::size_t count;
};
Replaced replace_pattern(const Program& p, const Program& pattern, const Program& replacement);
// The same with the pattern and its replacement written as functions of tensors; `examples` give shapes and dtypes.
template <class Pattern, class Replacement, class... T>
Replaced replace_pattern(const Program& p, Pattern pattern, Replacement replacement, const T&... examples) {
  return replace_pattern(p, make_fx(std::move(pattern))(examples...), make_fx(std::move(replacement))(examples...));
}

// Edits by hand, on a copy of a program; names are those of variables ("v3") and equations are numbered as in equations().
class ProgramEditor {
 public:
  explicit ProgramEditor(const Program& p);
  std::size_t size() const;
  // Inserts what f makes of these variables before equation `at` (or at the end); returns the names of its results. Later equations
  // are numbered on.
  std::vector<std::string> insert(std::size_t at, const std::vector<std::string>& operands,
                                  const std::function<std::vector<Tensor>(const std::vector<Tensor>&)>& f);
  void erase(std::size_t at);                                       // ValueError while a result is used
  void replace_uses(const std::string& of, const std::string& by);  // of a variable by another of its type
  void set_outputs(const std::vector<std::string>& names);
  Program finish() const;  // verified; ValueError says what is wrong, as a use before its definition

 private:
  std::shared_ptr<core::Program> p_;
  std::vector<Tensor> captured_;
  core::Program& ir() const { return *p_; }
};

}  // namespace functra::compile
