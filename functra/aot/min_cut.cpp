// The partition that keeps the fewest bytes.
#include <algorithm>
#include <cmath>

#include "functra/aot/halves.h"
#include "functra/base/min_cut.h"
#include "functra/prims/host.h"
#include "functra/prims/loop.h"

namespace functra::aot {
using namespace functra::core;
namespace {

// ---------------------------------------------------------------- what may be computed again
bool is_call_of_user(const Eqn& e) { return has_effect(e) || e.prim == &prims::pure_callback_p; }
double elements(const core::Program& p, const Eqn& e) {
  double n = 0;
  for (std::uint32_t k = 0; k < e.n_out; ++k) n += static_cast<double>(p.type(static_cast<Var>(e.out + k)).shape.numel());
  return n;
}
double operand_elements(const core::Program& p, const Eqn& e) {
  double n = 0;
  for (Var v : p.operands(e)) n += static_cast<double>(p.operand_type(v).shape.numel());
  return n;
}
// Operations that the equation costs, roughly.
double cost(const core::Program& p, const Eqn& e) {
  double inner = 0;
  for (auto& q : inner_programs(e))
    for (const Eqn& f : q->eqns) inner += cost(*q, f);
  if (inner > 0) {  // a loop makes as many steps as the elements of what it scans over say, at most
    double steps = 1;
    for (Var v : p.operands(e))
      if (Shape s = p.operand_type(v).shape; !s.empty()) steps = std::max(steps, static_cast<double>(s[0]));
    return inner * (e.prim == &prims::scan_p || e.prim == &prims::while_p ? steps : 1);
  }
  if (e.prim->lowering.kind == Lowering::Kind::contraction) {
    auto c = e.prim->lowering.contraction(e.params);
    double k = 1;
    const Aval left = p.operand_type(p.operands(e)[0]);
    for (std::int64_t d : c.left) k *= static_cast<double>(left.shape[static_cast<std::size_t>(d)]);
    return 2 * k * elements(p, e);
  }
  return std::max(elements(p, e), operand_elements(p, e));
}
bool is_expensive(const core::Program& p, const Eqn& e) {
  using Kind = Lowering::Kind;
  if (!inner_programs(e).empty()) return true;
  switch (e.prim->lowering.kind) {
    case Kind::contraction:
    case Kind::placed:
    case Kind::kernel: return true;
    case Kind::reduction: return operand_elements(p, e) >= 4 * elements(p, e);  // small results of much work
    default: return e.prim->elementwise == Elementwise::no && e.prim->lowering.kind == Kind::none;
  }
}

// ---------------------------------------------------------------- the cut
constexpr long infinite = MinCut::infinite, per_byte = 1 << 16;

class Cut {
 public:
  Cut(const Roles& r, const std::vector<std::uint8_t>& never_again) : r_(r), p_(r.p), g_(2 * p_.type_of.size() + p_.eqns.size() + 2) {
    for (std::size_t i = 0; i < r.primals; ++i) edge(source(), in(p_.inputs[i]), infinite);
    auto far = distances();
    for (std::size_t v = 0; v < p_.type_of.size(); ++v) {
      if (r.backward[v]) continue;
      auto var = static_cast<Var>(v);
      edge(in(var), out(var), bytes_of(p_.type(var)) * per_byte + std::min<long>(far[v], per_byte / 2));
      if (r.used_backward[v]) edge(out(var), sink(), infinite);
    }
    for (std::size_t i = 0; i < p_.eqns.size(); ++i) {
      if (r.backward_eqn[i]) continue;
      const Eqn& e = p_.eqns[i];
      if (never_again[i]) edge(source(), made_by(i), infinite);
      for (Var v : p_.operands(e))
        if (v >= 0) edge(out(v), made_by(i), infinite);
      for (std::uint32_t k = 0; k < e.n_out; ++k) edge(made_by(i), in(static_cast<Var>(e.out + k)), infinite);
    }
    const auto reached = g_.reached(source(), sink());
    if (reached.empty()) throw Error("min-cut: no set of values takes the halves of the program apart");
    for (std::size_t v = 0; v < p_.type_of.size(); ++v) {
      auto var = static_cast<Var>(v);
      if (r.backward[v] || !reached[in(var)] || reached[out(var)]) continue;
      saved.push_back(var);
      bytes += bytes_of(p_.type(var));
    }
  }
  std::vector<Var> saved;
  std::int64_t bytes = 0;

 private:
  std::size_t in(Var v) const { return 2 * static_cast<std::size_t>(v); }
  std::size_t out(Var v) const { return 2 * static_cast<std::size_t>(v) + 1; }
  std::size_t made_by(std::size_t eqn) const { return 2 * p_.type_of.size() + eqn; }
  std::size_t source() const { return 2 * p_.type_of.size() + p_.eqns.size(); }
  std::size_t sink() const { return source() + 1; }
  void edge(std::size_t a, std::size_t b, long capacity) { g_.edge(a, b, capacity); }
  // Equations between a value and the backward half: a value that is nearer spares more of them.
  std::vector<long> distances() const {
    std::vector<long> d(p_.type_of.size(), per_byte);
    for (std::size_t v = 0; v < d.size(); ++v)
      if (r_.used_backward[v]) d[v] = 0;
    for (std::size_t i = p_.eqns.size(); i-- > 0;) {
      if (r_.backward_eqn[i]) continue;
      const Eqn& e = p_.eqns[i];
      long near = per_byte;
      for (std::uint32_t k = 0; k < e.n_out; ++k) near = std::min(near, d[e.out + k]);
      for (Var v : p_.operands(e))
        if (v >= 0) d[static_cast<std::size_t>(v)] = std::min(d[static_cast<std::size_t>(v)], near + 1);
    }
    return d;
  }
  const Roles& r_;
  const core::Program& p_;
  MinCut g_;
};

}  // namespace
}  // namespace functra::aot

namespace functra::compile {
using namespace functra::core;
using functra::Program;

Partitioner min_cut_rematerialization(MinCutOptions o) {
  const double budget = o.activation_memory_budget;
  if (!(budget >= 0 && budget <= 1))
    throw ValueError("min_cut_rematerialization: activation_memory_budget is in [0, 1], got " + Scalar(budget).str());
  return [budget](const JointProgram& j) {
    const aot::Roles r(j);
    std::vector<std::uint8_t> never(r.p.eqns.size()), all;
    for (std::size_t i = 0; i < never.size(); ++i) never[i] = r.forward_eqn[i] && aot::is_call_of_user(r.p.eqns[i]);
    all = never;
    std::vector<std::size_t> expensive;
    for (std::size_t i = 0; i < all.size(); ++i)
      if (r.forward_eqn[i] && !never[i] && aot::is_expensive(r.p, r.p.eqns[i])) {
        all[i] = 1;
        expensive.push_back(i);
      }
    if (budget == 1 || expensive.empty()) return aot::halves(r, aot::Cut(r, all).saved);
    aot::Cut least(r, never);
    if (budget == 0) return aot::halves(r, least.saved);
    const auto most = aot::Cut(r, all).bytes;
    const auto allowed = least.bytes + static_cast<std::int64_t>(std::floor(budget * static_cast<double>(most - least.bytes)));
    // The knapsack: the results whose recomputation costs most, in bytes of the allowance; by dynamic programming over 1/1000 of it.
    struct Item {
      std::size_t eqn, weight;
      double value;
    };
    constexpr std::size_t steps = 1000;
    const double unit = std::max(1.0, static_cast<double>(allowed) / steps);
    std::vector<Item> items;
    for (std::size_t i : expensive) {
      std::int64_t bytes = 0;
      for (std::uint32_t k = 0; k < r.p.eqns[i].n_out; ++k) bytes += core::bytes_of(r.p.type(static_cast<Var>(r.p.eqns[i].out + k)));
      items.push_back({i, static_cast<std::size_t>(std::ceil(static_cast<double>(bytes) / unit)), aot::cost(r.p, r.p.eqns[i])});
    }
    std::vector<std::vector<double>> best(items.size() + 1, std::vector<double>(steps + 1));
    for (std::size_t i = 0; i < items.size(); ++i)
      for (std::size_t w = 0; w <= steps; ++w) {
        best[i + 1][w] = best[i][w];
        if (items[i].weight <= w) best[i + 1][w] = std::max(best[i + 1][w], best[i][w - items[i].weight] + items[i].value);
      }
    std::vector<Item> kept;
    for (std::size_t i = items.size(), w = steps; i-- > 0;)
      if (best[i + 1][w] != best[i][w]) {
        kept.push_back(items[i]);
        w -= items[i].weight;
      }
    std::ranges::sort(kept, {}, &Item::value);
    for (std::size_t dropped = 0;; ++dropped) {  // results kept may need more than their own bytes: the cheapest give way
      auto chosen = never;
      for (std::size_t i = dropped; i < kept.size(); ++i) chosen[kept[i].eqn] = 1;
      aot::Cut cut(r, chosen);
      if (cut.bytes <= allowed || dropped >= kept.size()) return aot::halves(r, cut.saved);
    }
  };
}
Partition min_cut_rematerialization_partition(const JointProgram& j) {
  static const Partitioner f = min_cut_rematerialization({});
  return f(j);
}

}  // namespace functra::compile
