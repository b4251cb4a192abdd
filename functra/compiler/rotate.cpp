// What a step begins with, where the step before has just computed it: the force at the start of a leapfrog step is the one at the end of
// the step before. Such a value becomes a carry of the scan, computed once before the first step.
//
// With the carry that a body returns put for the carry that it takes, an equation may become another equation of the same body: the same
// primitive, parameters and operands. Its value then comes from the step before, and so do, in turn, those of equations on it.
#include <algorithm>
#include <unordered_map>

#include "functra/compiler/bodies.h"
#include "functra/compiler/passes.h"
#include "functra/core/replay.h"
#include "functra/prims/checkpoint.h"
#include "functra/prims/loop.h"

namespace functra::compiler {
namespace {
using namespace functra::core;
using namespace functra::prims;

std::size_t at(std::int64_t i) { return static_cast<std::size_t>(i); }

// Operations that an equation takes, roughly.
double work(const Program& p, const Eqn& e) {
  using Kind = Lowering::Kind;
  const Lowering& l = e.prim->lowering;
  double n = 0;
  for (std::uint32_t k = 0; k < e.n_out; ++k) n += static_cast<double>(p.type(static_cast<Var>(e.out + k)).shape.numel());
  if (l.kind == Kind::index || l.kind == Kind::reshape || l.kind == Kind::pieces || l.kind == Kind::position || l.kind == Kind::identity) return 0;
  if (l.kind == Kind::contraction)
    for (std::int64_t d : l.contraction(e.params).left) n *= static_cast<double>(p.operand_type(p.operands(e)[0]).shape[at(d)]);
  for (Var v : p.operands(e)) n = std::max(n, static_cast<double>(p.operand_type(v).shape.numel()));
  return n;
}
double work(const Program& p) {
  double r = 0;
  for (const Eqn& e : p.eqns) r += work(p, e);
  return r;
}

class Rotate {
 public:
  ProgramPtr run(const ProgramPtr& program) {
    const Program& p = *program;
    bool changed = false;
    auto params = bodies_.map_all(
        p, [this](const ProgramPtr& inner) { return run(inner); }, changed);
    std::unordered_map<std::size_t, Turned> turned;
    for (std::size_t i = 0; i < p.eqns.size(); ++i) {
      if (p.eqns[i].prim != &scan_p) continue;
      const Params now = params[i];
      if (auto t = turn(now.get<ScanParams>())) turned.emplace(i, std::move(*t));
    }
    if (!changed && turned.empty()) return program;
    return retrace(p, params, [&](std::size_t i, Ins in, Outs out) {
      const auto t = turned.find(i);
      if (t != turned.end()) scan(t->second, in, out);
      return t != turned.end();
    });
  }

 private:
  struct Turned {
    ScanParams q;
    ProgramPtr first;  // constants, carry -> the new carries before the first step
    std::size_t n_const, n_carry;
  };
  static void scan(const Turned& t, Ins in, Outs out) {
    const std::size_t fixed = t.n_const + t.n_carry, more = t.first->outputs.size();
    Vec start = eval_program(*t.first, in.first(fixed)), operands(in.begin(), in.begin() + static_cast<std::ptrdiff_t>(fixed)), results;
    operands.insert(operands.end(), start.begin(), start.end());
    operands.insert(operands.end(), in.begin() + static_cast<std::ptrdiff_t>(fixed), in.end());
    results.resize(out.size() + more);
    bind_scan(t.q, Tensor(), operands, results);
    for (std::size_t i = 0; i < out.size(); ++i) out[i] = results[i < t.n_carry ? i : i + more];
  }
  static std::optional<Turned> turn(const ScanParams& q) {
    constexpr double least = 256;  // operations saved in a step
    if (q.counted || q.length < 2) return {};
    const Program& b = *q.body;
    const std::size_t n_const = at(q.n_const), n_carry = at(q.n_carry), fixed = n_const + n_carry;
    // Per variable, the one that holds the next step's value at the end of this one.
    std::vector<Var> next(b.type_of.size(), unknown);
    std::vector<std::uint8_t> from_carry(b.type_of.size(), 0);
    for (std::size_t i = 0; i < fixed; ++i) {
      next[at(b.inputs[i])] = i < n_const ? b.inputs[i] : b.outputs[i - n_const];
      from_carry[at(b.inputs[i])] = i >= n_const;
    }
    std::unordered_multimap<std::size_t, std::size_t> known;
    std::vector<Var> operands;
    auto hash = [&](const Eqn& e, std::span<const Var> in) {
      Params params = e.params;
      std::size_t h = mix(reinterpret_cast<std::size_t>(e.prim), params.type ? params.type->hash(params.value) : 0);
      for (Var v : in) h = mix(h, static_cast<std::size_t>(static_cast<std::int64_t>(v)));
      return h;
    };
    auto whole = [](const Eqn& e) { return e.n_out && !has_effect(e) && !e.prim->seen && e.prim != &barrier_p; };
    for (std::size_t i = 0; i < b.eqns.size(); ++i)
      if (whole(b.eqns[i])) known.emplace(hash(b.eqns[i], b.operands(b.eqns[i])), i);
    std::vector<std::uint8_t> early(b.eqns.size(), 0);  // its value comes from the step before
    std::vector<std::size_t> made(b.type_of.size(), b.eqns.size());
    for (std::size_t i = 0; i < b.eqns.size(); ++i) {
      const Eqn& e = b.eqns[i];
      for (std::uint32_t k = 0; k < e.n_out; ++k) made[e.out + k] = i;
      if (!whole(e)) continue;
      operands.clear();
      bool all = true, varies = false;
      for (Var v : b.operands(e)) {
        const Var w = v < 0 ? v : next[at(v)];
        all &= w != unknown;
        varies |= v >= 0 && from_carry[at(v)];
        operands.push_back(w);
      }
      for (std::uint32_t k = 0; k < e.n_out; ++k) from_carry[e.out + k] = varies;
      if (!all) continue;
      if (!varies) {
        for (std::uint32_t k = 0; k < e.n_out; ++k) next[e.out + k] = static_cast<Var>(e.out + k);
        continue;
      }
      for (auto [it, end] = known.equal_range(hash(e, operands)); it != end && !early[i]; ++it) {
        const Eqn& f = b.eqns[it->second];
        Params pe = e.params, pf = f.params;
        if (f.prim != e.prim || f.n_out != e.n_out || !std::ranges::equal(b.operands(f), operands)) continue;
        if (pe.type && !pe.type->equal(pe.value, pf.value)) continue;
        bool same = true;
        for (std::uint32_t k = 0; k < e.n_out; ++k) same &= b.type(static_cast<Var>(e.out + k)) == b.type(static_cast<Var>(f.out + k));
        if (!same) continue;
        early[i] = 1;
        for (std::uint32_t k = 0; k < e.n_out; ++k) next[e.out + k] = static_cast<Var>(f.out + k);
      }
    }
    // What the rest of the body needs of these; what only moves elements is done again.
    std::vector<Var> carried, todo;
    std::vector<std::uint8_t> seen(b.type_of.size(), 0);
    auto need = [&](Var v) {
      if (v < 0 || seen[at(v)] || made[at(v)] == b.eqns.size() || !early[made[at(v)]]) return;
      seen[at(v)] = 1;
      todo.push_back(v);
    };
    for (std::size_t i = 0; i < b.eqns.size(); ++i)
      if (!early[i])
        for (Var v : b.operands(b.eqns[i])) need(v);
    for (Var v : b.outputs) need(v);
    double room = 0;
    while (!todo.empty()) {
      const Var v = todo.back();
      todo.pop_back();
      const Eqn& e = b.eqns[made[at(v)]];
      if (work(b, e) == 0) {
        for (Var w : b.operands(e)) need(w);
        continue;
      }
      carried.push_back(v);
      room += static_cast<double>(b.type(v).shape.numel());
    }
    if (carried.empty()) return {};
    std::sort(carried.begin(), carried.end());
    std::vector<Var> before(b.inputs.begin(), b.inputs.begin() + static_cast<std::ptrdiff_t>(fixed)), inputs = before, outputs;
    inputs.insert(inputs.end(), carried.begin(), carried.end());
    inputs.insert(inputs.end(), b.inputs.begin() + static_cast<std::ptrdiff_t>(fixed), b.inputs.end());
    outputs.assign(b.outputs.begin(), b.outputs.begin() + static_cast<std::ptrdiff_t>(n_carry));
    for (Var v : carried) outputs.push_back(next[at(v)]);
    outputs.insert(outputs.end(), b.outputs.begin() + static_cast<std::ptrdiff_t>(n_carry), b.outputs.end());
    Turned t{q, extract(b, before, carried), n_const, n_carry};
    t.q.body = extract(b, inputs, outputs, effects_of(b));
    t.q.n_carry += static_cast<std::int64_t>(carried.size());
    const double saved = work(b) - work(*t.q.body);
    if (saved < least || saved < 4 * room) return {};
    return t;
  }
  Bodies bodies_;
};

}  // namespace

ProgramPtr rotate_loops(const ProgramPtr& p) { return Rotate().run(p); }

}  // namespace functra::compiler
