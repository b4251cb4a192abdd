// What a later part of a computation has of an earlier one: values that are kept in memory, or made again from others. The cheapest choice is
// a minimum cut: a value is kept, which is paid, or its operation is, and its operands are asked for in turn.
#pragma once
#include <vector>

#include "functra/core/ir.h"

namespace functra::compiler {

// Prices, in operations on 64 bits.
inline constexpr double never = -1;
inline constexpr std::int64_t fits_near = 256 * 1024;      // bytes that are cheap to store and load: they stay in a cache near the core
double price(const core::Program& p, const core::Eqn& e);  // of making its results again; never where that is dear
// A predicate, or a sign: its result is another one where its operand is rounded otherwise. Code for a value that is made again may contract
// products and sums as the first one's does not, so that neither its result nor its operands are made again: all of a program sees one decision.
bool decides(const core::Eqn& e);
double price_of_word(std::int64_t bytes);  // of storing and loading 64 bits of so many bytes in all

// The choice for the values of one Program.
class Choice {
 public:
  // What a value is to the later part. Of those that are free, loaded or carried nothing is computed; a computed one has an equation.
  enum What : std::uint8_t {
    computed,
    free,     // it is there
    loaded,   // it is in memory in any case
    carried,  // it would have to be stored, and has no equation
    stored    // computed, and kept in any case
  };

  explicit Choice(const core::Program& p);
  void is(core::Var v, What what) { what_[static_cast<std::size_t>(v)] = what; }
  // A result that is stored in any case.
  void keep(core::Var v) {
    if (what_[static_cast<std::size_t>(v)] == computed && !p_.type(v).weak) is(v, stored);
  }
  // Where the results `needed` are made in any case, what of the wanted is to be stored, and which inputs the rest is made of. The cost of
  // that, and of storing all that is wanted, in operations. False where there is no choice: numbers of weak type are not stored.
  bool run(const std::vector<core::Var>& needed, const std::vector<core::Var>& wanted, double word);
  // The number of the equation that computes v.
  std::size_t maker(core::Var v) const { return static_cast<std::size_t>(defines_[static_cast<std::size_t>(v)]); }
  // Is v made again, from others?
  bool again(core::Var v) const { return again_[static_cast<std::size_t>(v)] != 0; }
  std::vector<core::Var> stacked, constants, loads;  // to be stored; free ones and loaded ones that are asked for
  double cost = 0, all_stacked = 0;

 private:
  double made_for(core::Var v);
  double stacking(core::Var v);
  const core::Program& p_;
  std::vector<std::int32_t> defines_;  // the equation of each value; -1: none
  std::vector<What> what_;
  std::vector<std::uint8_t> again_;
  std::vector<double> prices_, stacking_;  // of equations; of values
  static constexpr double unknown_cost = -1;
  static constexpr std::uint32_t in_any_case = 1;
  std::vector<std::uint32_t> seen_;  // per equation, by which walk; those that are needed in any case by the first
  std::uint32_t now_ = in_any_case;
  double word_ = 1;
};

}  // namespace functra::compiler
