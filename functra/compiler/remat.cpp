// Values between the phases of a program. What a kernel gives, and what a sum over an axis does, is there only when all of it has run, and
// what came before it lies in memory for those who come after: a backward pass behind the products of its forward pass. Of cheap elementwise
// values what is kept for later phases, and what is made again there from what lies in memory anyhow, is the cheapest choice (residuals.h). Most
// of them are never kept, since units take them in: the choice is used where what the units move, which is counted, becomes less.
#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "functra/compiler/bodies.h"
#include "functra/compiler/build.h"
#include "functra/compiler/passes.h"
#include "functra/compiler/residuals.h"
#include "functra/core/replay.h"

namespace functra::compiler {
namespace {
using namespace functra::core;
using Kind = Lowering::Kind;

std::size_t at(std::int64_t i) { return static_cast<std::size_t>(i); }

class Phases {
 public:
  explicit Phases(const Program& p) : p_(p), small_(small_extent(p)), of_value_(p.type_of.size(), 0), of_equation_(p.eqns.size(), 0), choice_(p) {}

  // False where nothing is made again.
  bool choose() {
    std::vector<std::uint8_t> kept(p_.type_of.size(), 0);   // read where it must lie in memory, or made there
    std::vector<std::int32_t> read(p_.type_of.size(), -1);  // last phase that reads it
    std::vector<std::uint8_t> early(p_.type_of.size(), 0);  // read in the phase that makes it
    for (Var v : p_.inputs) kept[at(v)] = 1;
    for (Var v : p_.outputs)
      if (v >= 0) kept[at(v)] = 1;
    for (std::size_t k = 0; k < p_.eqns.size(); ++k) {
      const Eqn& e = p_.eqns[k];
      std::int32_t phase = 0;
      for (Var v : p_.operands(e))
        if (v >= 0) phase = std::max(phase, of_value_[at(v)]);
      const bool whole = !fusible(p_, e, small_) || sums_axes(p_, e);
      of_equation_[k] = phase;
      for (std::uint32_t i = 0; i < e.n_out; ++i) {
        of_value_[e.out + i] = phase + whole;
        kept[e.out + i] |= whole || decides(e);
      }
    }
    for (std::size_t k = 0; k < p_.eqns.size(); ++k) {
      const Eqn& e = p_.eqns[k];
      for (Var v : p_.operands(e)) {
        if (v < 0) continue;
        if (!elementwise(e) || decides(e) || p_.type(v).shape != p_.type(static_cast<Var>(e.out)).shape)
          kept[at(v)] |= p_.type(v).shape.numel() >= least;
        read[at(v)] = std::max(read[at(v)], of_equation_[k]);
        early[at(v)] |= of_equation_[k] == of_value_[at(v)];
      }
    }
    std::vector<Var> wanted, needed;
    std::int64_t bytes = 0;
    for (std::size_t v = 0; v < kept.size(); ++v) {
      const auto var = static_cast<Var>(v);
      const Aval& type = p_.type(var);
      if (kept[v]) choice_.is(var, read[v] > of_value_[v] || type.shape.numel() < least ? Choice::free : Choice::loaded);
      else if (early[v]) needed.push_back(var);
      if (kept[v] || read[v] <= of_value_[v] || type.weak || type.shape.numel() < least) continue;
      wanted.push_back(var);
      bytes += bytes_of(type);
    }
    if (wanted.empty() || bytes <= fits_near || !choice_.run(needed, wanted, price_of_word(bytes))) return false;
    return choice_.cost <= 0.9 * choice_.all_stacked && std::ranges::any_of(wanted, [&](Var v) { return choice_.again(v); });
  }
  // Equation k with what it reads of earlier phases made again before it, where that is chosen. False: as it is.
  bool append(std::size_t k, Builder& b, std::vector<Var>& to) {
    const Eqn& e = p_.eqns[k];
    const std::int32_t phase = of_equation_[k];
    if (!elementwise(e) || std::ranges::none_of(p_.operands(e), [&](Var v) { return again(v, phase); })) return false;
    for (std::size_t made : needed_for(e, phase)) {
      const std::uint32_t out = with_copies(p_.eqns[made], phase, b, to);
      for (std::uint32_t i = 0; i < p_.eqns[made].n_out; ++i) copies_[{phase, static_cast<Var>(p_.eqns[made].out + i)}] = static_cast<Var>(out + i);
      ++copied_;
    }
    const std::uint32_t out = with_copies(e, phase, b, to);
    for (std::uint32_t i = 0; i < e.n_out; ++i) to[e.out + i] = static_cast<Var>(out + i);
    return true;
  }
  // Each phase makes its own copies: a value that many phases ask for is kept instead.
  bool too_many() const { return copied_ > p_.eqns.size() / 2 + 64; }

 private:
  static constexpr std::int64_t least = 1024;  // elements that count
  static bool elementwise(const Eqn& e) { return e.n_out == 1 && (e.prim->lowering.kind == Kind::scalar || e.prim->lowering.kind == Kind::convert); }
  bool again(Var v, std::int32_t phase) const { return v >= 0 && choice_.again(v) && of_value_[at(v)] < phase; }
  // The equations, in order, that this phase has no copies of yet.
  std::vector<std::size_t> needed_for(const Eqn& e, std::int32_t phase) const {
    std::set<std::size_t> seen;
    std::vector<const Eqn*> todo{&e};
    while (!todo.empty()) {
      const Eqn& now = *todo.back();
      todo.pop_back();
      for (Var v : p_.operands(now))
        if (again(v, phase) && !copies_.contains({phase, v}) && seen.insert(choice_.maker(v)).second) todo.push_back(&p_.eqns[choice_.maker(v)]);
    }
    return {seen.begin(), seen.end()};
  }
  // e on the copies of this phase; its first result.
  std::uint32_t with_copies(const Eqn& e, std::int32_t phase, Builder& b, std::vector<Var>& to) {
    std::vector<std::pair<Var, Var>> before;
    for (Var o : p_.operands(e))
      if (again(o, phase)) before.emplace_back(o, std::exchange(to[at(o)], copies_.at({phase, o})));
    const std::uint32_t out = b.append(p_, e, to);
    for (std::size_t i = before.size(); i-- > 0;) to[at(before[i].first)] = before[i].second;
    return out;
  }
  const Program& p_;
  std::int64_t small_;
  std::vector<std::int32_t> of_value_, of_equation_;  // phases
  Choice choice_;
  std::map<std::pair<std::int32_t, Var>, Var> copies_;
  std::size_t copied_ = 0;
};

class Remat {
 public:
  ProgramPtr run(const ProgramPtr& program) {
    const Program& p = *program;
    bool changed = false;
    auto params = bodies_.map_all(
        p, [this](const ProgramPtr& inner) { return run(inner); }, changed);
    Phases phases(p);
    if (phases.choose()) {
      ProgramPtr again =
          rebuilt(p, params, [&](std::size_t k, Builder& b, std::vector<Var>& to) { return !phases.too_many() && phases.append(k, b, to); });
      if (!phases.too_many() && traffic(*again) < traffic(p)) return again;
    }
    return changed ? rebuilt(p, params, [](std::size_t, Builder&, std::vector<Var>&) { return false; }) : program;
  }

 private:
  Bodies bodies_;
};

}  // namespace

ProgramPtr make_again_between_phases(const ProgramPtr& p) { return Remat().run(p); }

}  // namespace functra::compiler
