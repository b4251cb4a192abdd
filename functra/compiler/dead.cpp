// Dead code, in control flow too: of a loop that nobody asks all of, the carries, stacked results and operands that what is asked for
// does not need are gone; of a cond, the results and operands.
#include <algorithm>

#include "functra/compiler/bodies.h"
#include "functra/compiler/passes.h"
#include "functra/core/forms.h"
#include "functra/core/replay.h"
#include "functra/prims/control.h"
#include "functra/prims/loop.h"

namespace functra::compiler {
namespace {
using namespace functra::core;
using namespace functra::prims;

// An equation with fewer results or operands.
struct Shrunk {
  ParamRef params;
  Mask operands, results;         // those that stay
  std::vector<Var> instead = {};  // per result that does not: the operand that it always is, or `unknown`
};
std::size_t at(std::int64_t i) { return static_cast<std::size_t>(i); }

// Which inputs the marked outputs need; effects need what they use.
Mask needed_inputs(const Program& p, const Mask& outputs) {
  std::vector<Var> out;
  for (std::size_t i = 0; i < outputs.size(); ++i)
    if (outputs[i]) out.push_back(p.outputs[i]);
  auto live = live_vars(p, out);
  Mask m;
  for (Var v : p.inputs) m.push_back(live[at(v)]);
  return m;
}
// p with the marked inputs and outputs alone.
ProgramPtr part_of(const Program& p, const Mask& inputs, const Mask& outputs) {
  std::vector<Var> in, out;
  for (std::size_t i = 0; i < inputs.size(); ++i)
    if (inputs[i]) in.push_back(p.inputs[i]);
  for (std::size_t i = 0; i < outputs.size(); ++i)
    if (outputs[i]) out.push_back(p.outputs[i]);
  return seal(compact(p, in, 0, out, live_vars(p, out)), false);
}
std::int64_t marked(const Mask& m, std::size_t from, std::size_t n) {
  return std::count(m.begin() + static_cast<std::ptrdiff_t>(from), m.begin() + static_cast<std::ptrdiff_t>(from + n), 1);
}
void append_mask(Mask& to, const Mask& m, std::size_t from, std::size_t n) {
  to.insert(to.end(), m.begin() + static_cast<std::ptrdiff_t>(from), m.begin() + static_cast<std::ptrdiff_t>(from + n));
}
bool all_of(const Mask& m) { return std::ranges::count(m, 0) == 0; }
bool none_of(const Mask& m) { return std::ranges::count(m, 0) == static_cast<std::ptrdiff_t>(m.size()); }

// Marks the carries that marked outputs of the body need, through as many steps as it takes; the inputs needed then.
Mask close_over_carry(const Program& body, std::size_t n_const, std::size_t n_carry, Mask& outputs) {
  for (;;) {
    Mask in = needed_inputs(body, outputs);
    bool grown = false;
    for (std::size_t i = 0; i < n_carry; ++i) {
      if (in[n_const + i] && !outputs[i]) outputs[i] = grown = true;
      if (outputs[i]) in[n_const + i] = 1;  // what leaves has to enter, though nothing reads it
    }
    if (!grown) return in;
  }
}
Shrunk shrink_scan(const ScanParams& q, const Mask& live) {
  auto n_const = at(q.n_const), n_carry = at(q.n_carry);
  Mask out = live;
  Mask in = close_over_carry(*q.body, n_const, n_carry, out);
  if (all_of(in) && all_of(out)) return {};
  ScanParams s = q;
  s.body = part_of(*q.body, in, out);
  s.n_const = marked(in, 0, n_const);
  s.n_carry = marked(in, n_const, n_carry);
  Shrunk r{ParamRef(params(s)), Mask(q.counted, 1), out};
  append_mask(r.operands, in, 0, in.size());
  return r;
}
Shrunk shrink_while(const WhileParams& q, const Mask& live) {
  auto n_cond = at(q.n_cond_const), n_const = at(q.n_const), n_carry = at(q.n_carry);
  Mask cond = needed_inputs(*q.cond, Mask(1, 1)), out = live;
  out.erase(out.begin() + q.n_carry);  // the count of steps stays
  for (std::size_t i = 0; i < n_carry; ++i) out[i] |= cond[n_cond + i];
  Mask in = close_over_carry(*q.body, n_const, n_carry, out);
  if (all_of(in) && all_of(out) && marked(cond, 0, n_cond) == q.n_cond_const) return {};
  WhileParams s = q;
  Mask cond_in(cond.begin(), cond.begin() + q.n_cond_const);
  append_mask(cond_in, out, 0, n_carry);
  s.cond = part_of(*q.cond, cond_in, Mask(1, 1));
  s.body = part_of(*q.body, in, out);
  s.n_cond_const = marked(cond, 0, n_cond);
  s.n_const = marked(in, 0, n_const);
  s.n_carry = marked(in, n_const, n_carry);
  Shrunk r{ParamRef(params(s)), {}, out};
  append_mask(r.operands, cond, 0, n_cond);
  append_mask(r.operands, in, 0, in.size());
  r.results.insert(r.results.begin() + q.n_carry, 1);
  return r;
}
Shrunk shrink_cond(const Program& p, const Eqn& e, const CondParams& q, const Mask& live) {
  // Results that are the same input in every branch are that operand.
  Mask out = live;
  std::vector<Var> instead(live.size(), unknown);
  const Program& first = *q.branches[0];
  for (std::size_t i = 0; i < live.size(); ++i) {
    std::size_t k = 0;
    while (k < first.inputs.size() && first.inputs[k] != first.outputs[i]) ++k;
    if (k == first.inputs.size() || !(p.operand_type(p.operands(e)[k + 1]) == p.type(static_cast<Var>(e.out + i)))) continue;
    if (std::any_of(q.branches.begin(), q.branches.end(), [&](auto& b) { return b->outputs[i] != b->inputs[k]; })) continue;
    instead[i] = p.operands(e)[k + 1];
    out[i] = 0;
  }
  Mask in(first.inputs.size());
  for (auto& b : q.branches) in = either(in, needed_inputs(*b, out));
  if (all_of(in) && all_of(out)) return {};
  CondParams s;
  for (auto& b : q.branches) s.branches.push_back(part_of(*b, in, out));
  Shrunk r{ParamRef(params(s)), Mask(1, 1), out, instead};
  append_mask(r.operands, in, 0, in.size());
  return r;
}
Shrunk shrink(const Program& p, const Eqn& e, const Mask& live) {
  Params q = e.params;
  if (e.prim == &scan_p) return shrink_scan(q.get<ScanParams>(), live);
  if (e.prim == &while_p) return shrink_while(q.get<WhileParams>(), live);
  if (e.prim == &cond_p) return shrink_cond(p, e, q.get<CondParams>(), live);
  return {};
}

class Dead {
 public:
  ProgramPtr run(const ProgramPtr& program) {
    const Program& p = *program;
    std::vector<std::uint8_t> live(p.type_of.size()), keep(p.eqns.size());
    std::vector<std::pair<std::size_t, Shrunk>> shrunk;  // by equation, the last first
    for (Var v : p.outputs)
      if (v >= 0) live[at(v)] = 1;
    bool changed = false;
    for (std::size_t i = p.eqns.size(); i-- > 0;) {
      const Eqn& e = p.eqns[i];
      bool any = has_effect(e);
      for (std::uint32_t k = 0; k < e.n_out; ++k) any |= live[e.out + k];
      keep[i] = any;
      changed |= !any;
      if (!any) continue;
      Shrunk s;
      if (e.prim == &scan_p || e.prim == &while_p || e.prim == &cond_p) s = shrink(p, e, Mask(live.begin() + e.out, live.begin() + e.out + e.n_out));
      std::size_t k = 0;
      for (Var v : p.operands(e)) {
        if (v >= 0 && (s.operands.empty() || s.operands[k])) live[at(v)] = 1;
        ++k;
      }
      for (std::size_t i = 0; i < s.instead.size(); ++i)
        if (Var v = s.instead[i]; v >= 0 && live[e.out + i]) live[at(v)] = 1;
      if (!s.operands.empty()) shrunk.emplace_back(i, std::move(s));
    }
    changed |= !shrunk.empty();
    std::vector<std::pair<std::size_t, ParamRef>> bodies;
    auto next = shrunk.rbegin();
    for (std::size_t i = 0; i < p.eqns.size(); ++i) {
      if (!keep[i]) continue;
      Eqn e = p.eqns[i];
      if (next != shrunk.rend() && next->first == i) e.params = next++->second.params;
      bool other = false;
      ParamRef r = bodies_.map(
          e, [this](const ProgramPtr& inner) { return run(inner); }, other);
      if (other) bodies.emplace_back(i, std::move(r));
      changed |= other;
    }
    if (!changed) return program;
    return rebuilt(p, keep, shrunk, bodies);
  }

 private:
  static ProgramPtr rebuilt(const Program& p, const std::vector<std::uint8_t>& keep, const std::vector<std::pair<std::size_t, Shrunk>>& shrunk,
                            const std::vector<std::pair<std::size_t, ParamRef>>& bodies) {
    Builder b;
    std::vector<Var> to(p.type_of.size(), unknown);
    for (Var v : p.inputs) {
      Var w = b.input(p.type(v));
      to[at(v)] = w;
    }
    auto next = shrunk.rbegin();
    auto body = bodies.begin();
    for (std::size_t i = 0; i < p.eqns.size(); ++i) {
      if (!keep[i]) continue;
      const Eqn& e = p.eqns[i];
      if (next == shrunk.rend() || next->first != i) {
        auto first = b.append(p, e, to);
        for (std::uint32_t k = 0; k < e.n_out; ++k) to[e.out + k] = static_cast<Var>(first + k);
      } else {
        const Shrunk& s = next++->second;
        for (std::size_t k = 0; k < s.instead.size(); ++k)
          if (Var v = s.instead[k]; v != unknown && (v < 0 || to[at(v)] != unknown)) to[e.out + k] = b.operand(p, v, to);
        if (none_of(s.results) && !has_effect(e)) {
          if (body != bodies.end() && body->first == i) ++body;
          continue;
        }
        auto pool = static_cast<std::uint32_t>(b.q.pool.size()), first = static_cast<std::uint32_t>(b.q.type_of.size()), n_out = 0u;
        for (std::uint32_t k = 0; k < e.n_in; ++k) {
          if (!s.operands[k]) continue;
          Var w = b.operand(p, p.pool[e.in + k], to);
          b.q.pool.push_back(w);
        }
        for (std::uint32_t k = 0; k < e.n_out; ++k) {
          if (!s.results[k]) continue;
          to[e.out + k] = b.q.new_var(p.type(static_cast<Var>(e.out + k)));
          ++n_out;
        }
        b.q.eqns.push_back({e.prim, s.params, pool, first, static_cast<std::uint32_t>(b.q.pool.size()) - pool, n_out, e.site});
      }
      if (body != bodies.end() && body->first == i) b.q.eqns.back().params = body++->second;
    }
    for (Var v : p.outputs) {
      Var w = b.operand(p, v, to);
      b.q.outputs.push_back(w);
    }
    b.q.n_hidden = p.n_hidden;
    return seal(std::move(b.q), false);
  }
  Bodies bodies_;
};

}  // namespace

ProgramPtr eliminate_dead(const ProgramPtr& p) { return Dead().run(p); }

}  // namespace functra::compiler
