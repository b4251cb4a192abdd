#include "functra/compiler/residuals.h"

#include <algorithm>
#include <cmath>

#include "functra/base/min_cut.h"
#include "functra/compiler/build.h"
#include "functra/compiler/fuse.h"
#include "functra/core/replay.h"
#include "functra/prims/checkpoint.h"
#include "functra/prims/math.h"

namespace functra::compiler {
using namespace functra::core;
using namespace functra::prims;
using Kind = Lowering::Kind;

namespace {
std::size_t at(std::int64_t i) { return static_cast<std::size_t>(i); }

constexpr std::int64_t few_terms = 8;           // of a sum that is made again
constexpr std::int64_t far = 256 << 20;         // bytes that no cache holds
constexpr double near_word = 4, far_word = 16;  // of storing and loading 64 bits
}  // namespace

double price_of_word(std::int64_t bytes) { return bytes > far ? far_word : near_word; }
bool decides(const Eqn& e) { return e.prim->elementwise == Elementwise::predicate || e.prim == &sign_p; }
double price(const Program& p, const Eqn& e) {
  constexpr double root = 16;
  if (decides(e)) return never;
  if (has_effect(e) || e.prim->seen || e.prim == &barrier_p || !inner_programs(e).empty()) return never;
  const Lowering& l = e.prim->lowering;
  auto terms = [&](const Shape& dims) { return p.operand_type(p.operands(e)[0]).shape.pick(dims).numel(); };
  double words = 0;
  for (std::uint32_t k = 0; k < e.n_out; ++k) words += static_cast<double>(bytes_of(p.type(static_cast<Var>(e.out + k)))) / 8;
  switch (l.kind) {
    case Kind::scalar: return e.prim == &sqrt_p || e.prim == &div_p ? root * words : cheap_formula(e.prim->name) ? words : never;
    case Kind::index:
    case Kind::reshape:
    case Kind::pieces:
    case Kind::position:
    case Kind::bitcast:
    case Kind::identity: return 0;
    case Kind::convert: return words;
    case Kind::reduction: {
      const auto n = terms(l.dims(e.params));
      return n <= few_terms ? words * static_cast<double>(n) : never;
    }
    case Kind::contraction: {
      const auto n = terms(l.contraction(e.params).left);
      return n <= few_terms / 2 ? words * static_cast<double>(n) : never;
    }
    default: return never;
  }
}

Choice::Choice(const Program& p) : p_(p), defines_(definitions(p)), what_(p.type_of.size(), computed), again_(p.type_of.size(), 0) {}
bool Choice::run(const std::vector<Var>& needed, const std::vector<Var>& wanted, double word) {
  word_ = word;
  prices_.resize(p_.eqns.size());
  for (std::size_t k = 0; k < prices_.size(); ++k) prices_[k] = price(p_, p_.eqns[k]);
  seen_.assign(p_.eqns.size(), 0);
  for (Var v : needed) (void)made_for(v);
  now_ = 2;
  stacking_.assign(p_.type_of.size(), unknown_cost);
  const std::size_t n = p_.type_of.size(), source = n + p_.eqns.size(), sink = source + 1;
  MinCut cut(sink + 1);
  auto capacity = [](double cost) { return cost < 0 ? MinCut::infinite : std::lround(64 * cost); };
  for (Var v : wanted) {
    cut.edge(source, at(v), MinCut::infinite);
    all_stacked += stacking(v);
  }
  for (std::size_t k = 0; k < p_.eqns.size(); ++k) {
    if (prices_[k] != 0) cut.edge(n + k, sink, capacity(prices_[k]));
    for (Var o : p_.operands(p_.eqns[k]))
      if (o >= 0) cut.edge(n + k, at(o), MinCut::infinite);
  }
  for (std::size_t v = 0; v < n; ++v) switch (what_[v]) {
      case computed:
        if (defines_[v] >= 0)
          cut.edge(v, n + maker(static_cast<Var>(v)), p_.type(static_cast<Var>(v)).weak ? MinCut::infinite : capacity(stacking(static_cast<Var>(v))));
        break;
      case carried: cut.edge(v, sink, p_.type(static_cast<Var>(v)).weak ? MinCut::infinite : capacity(stacking(static_cast<Var>(v)))); break;
      case loaded: cut.edge(v, sink, capacity(stacking(static_cast<Var>(v)) / 2)); break;
      case free:
      case stored: break;
    }
  const auto chosen = cut.reached(source, sink);
  if (chosen.empty()) return false;
  for (std::size_t v = 0; v < n; ++v) {
    if (!chosen[v]) continue;
    const auto var = static_cast<Var>(v);
    if (what_[v] == free) constants.push_back(var);
    else if (what_[v] == loaded) loads.push_back(var);
    else if (what_[v] == carried || (what_[v] == computed && !chosen[n + maker(var)])) stacked.push_back(var);
    else {
      again_[v] = what_[v] == computed;
      continue;
    }
    if (what_[v] != free) cost += stacking(var) / (what_[v] == loaded ? 2 : 1);
  }
  for (std::size_t k = 0; k < p_.eqns.size(); ++k)
    if (chosen[n + k]) cost += prices_[k];
  return true;
}
// The equations that it takes to make v, in so far as none was seen before; what they cost.
double Choice::made_for(Var v) {
  constexpr int long_walk = 1000;  // equations of one value: as dear as it gets. What is needed in any case is marked whole.
  double cost = 0;
  int walked = 0;
  std::vector<Var> todo{v};
  while (!todo.empty()) {
    const Var o = todo.back();
    todo.pop_back();
    if (o < 0 || defines_[at(o)] < 0 || (what_[at(o)] != computed && o != v)) continue;
    const std::size_t k = maker(o);
    if (seen_[k] == in_any_case || seen_[k] == now_) continue;
    seen_[k] = now_;
    if (now_ != in_any_case && ++walked > long_walk) break;
    cost += std::max(0.0, prices_[k]);
    for (Var x : p_.operands(p_.eqns[k])) todo.push_back(x);
  }
  return cost;
}
// To store and to load it. What the earlier part does not compute in any case, it would for this alone; its steps wait for each other, those of
// the later one have more to do meanwhile: twice.
double Choice::stacking(Var v) {
  double& cost = stacking_[at(v)];
  if (cost != unknown_cost) return cost;
  ++now_;
  return cost = word_ * static_cast<double>(bytes_of(p_.type(v))) / 8 + (what_[at(v)] == computed ? 2 * made_for(v) : 0);
}

}  // namespace functra::compiler
