// What one scan stacks for another that runs along it, a backward pass beside its forward pass: of what the second reads, what is stacked
// and what is made again there is the cheapest choice, which is a minimum cut. A value that is stacked is stored and loaded; one that is
// made again costs its operation, and asks for its operands in turn.
#include <algorithm>
#include <optional>

#include "functra/compiler/bodies.h"
#include "functra/compiler/passes.h"
#include "functra/compiler/residuals.h"
#include "functra/core/replay.h"
#include "functra/prims/loop.h"

namespace functra::compiler {
namespace {
using namespace functra::core;
using namespace functra::prims;

std::size_t at(std::int64_t i) { return static_cast<std::size_t>(i); }

// Of one scan, what another reads: which results, and as which of its slices.
struct Link {
  std::size_t from, to;                                // equations
  std::vector<std::pair<std::size_t, std::size_t>> r;  // (output of the first body, input of the second)
};
struct Cut {
  Link link;
  std::vector<std::size_t> dropped;    // outputs of the first body that are stacked no longer
  std::vector<Var> stacked;            // of the first body: in their place
  std::vector<Var> constants, slices;  // inputs of the first body that the second needs as well
};

std::optional<Cut> cut_of(const Program& p, const Link& link, const std::vector<int>& uses) {
  const Eqn &f = p.eqns[link.from], &g = p.eqns[link.to];
  const Params fp = f.params, gp = g.params;
  const auto &q = fp.get<ScanParams>(), &s = gp.get<ScanParams>();
  const Program &body = *q.body, &later = *s.body;
  Cut c{link, {}, {}, {}, {}};
  std::vector<Var> wanted;
  std::vector<std::uint8_t> decided(later.type_of.size(), 0);  // by what the second body asks of it
  for (auto& e : later.eqns)
    if (decides(e))
      for (Var v : later.operands(e))
        if (v >= 0) decided[at(v)] = 1;
  std::int64_t before = 0;
  for (auto [j, i] : link.r) {
    const Var v = body.outputs[j];
    const bool alone = !decided[at(later.inputs[i])] && uses[f.out + j] == 1 && v >= 0 && !body.type(v).weak &&
                       body.type(v) == later.type(later.inputs[i]) && std::count(body.outputs.begin() + q.n_carry, body.outputs.end(), v) == 1;
    if (!alone) continue;
    wanted.push_back(v);
    c.dropped.push_back(j);
    before += bytes_of(body.type(v));
  }
  if (wanted.empty() || before * q.length <= fits_near) return {};
  auto dropped = [&](std::size_t j) { return std::find(c.dropped.begin(), c.dropped.end(), j) != c.dropped.end(); };
  Choice choice(body);
  for (std::size_t i = 0; i < body.inputs.size(); ++i)
    choice.is(body.inputs[i], i < at(q.n_const) ? Choice::free : i < at(q.n_const + q.n_carry) ? Choice::carried : Choice::loaded);
  std::vector<Var> needed;
  for (std::size_t j = 0; j < body.outputs.size(); ++j)
    if (j < at(q.n_carry) || !dropped(j)) needed.push_back(body.outputs[j]);
  for (auto [j, i] : link.r)  // what stays stacked is there to be read
    if (!dropped(j) && body.outputs[j] >= 0) choice.keep(body.outputs[j]);
  if (!choice.run(needed, wanted, price_of_word(before * q.length))) return {};
  c.stacked = std::move(choice.stacked);
  c.constants = std::move(choice.constants);
  c.slices = std::move(choice.loads);
  std::erase_if(c.dropped, [&](std::size_t j) {  // what is stacked as it was
    auto it = std::find(c.stacked.begin(), c.stacked.end(), body.outputs[j]);
    if (it == c.stacked.end()) return false;
    c.stacked.erase(it);
    return true;
  });
  if (c.dropped.empty() || choice.cost > 0.9 * choice.all_stacked) return {};
  for (auto* list : {&c.stacked, &c.constants, &c.slices}) std::sort(list->begin(), list->end());
  return c;
}

class Cutter {
 public:
  ProgramPtr run(const ProgramPtr& program) {
    const Program& p = *program;
    bool changed = false;
    auto params = bodies_.map_all(
        p, [this](const ProgramPtr& inner) { return run(inner); }, changed);
    auto cuts = cuts_of(p);
    if (!changed && cuts.empty()) return program;
    std::vector<std::vector<Var>> extra(cuts.size());  // per cut: what is stacked in place
    return rebuilt(p, params, [&](std::size_t i, Builder& b, std::vector<Var>& to) {
      for (std::size_t k = 0; k < cuts.size(); ++k) {
        if (cuts[k].link.from == i) stack_less(b, p, p.eqns[i], cuts[k], to, extra[k]);
        else if (cuts[k].link.to == i) make_again(b, p, p.eqns[i], cuts[k], to, extra[k]);
        else continue;
        return true;
      }
      return false;
    });
  }

 private:
  static std::vector<Cut> cuts_of(const Program& p) {
    std::vector<std::int32_t> made(p.type_of.size(), -1);
    std::vector<int> uses(p.type_of.size(), 0);
    for (Var v : p.outputs)
      if (v >= 0) ++uses[at(v)];
    for (std::size_t k = 0; k < p.eqns.size(); ++k) {
      for (std::uint32_t i = 0; i < p.eqns[k].n_out; ++i) made[p.eqns[k].out + i] = static_cast<std::int32_t>(k);
      for (Var v : p.operands(p.eqns[k]))
        if (v >= 0) ++uses[at(v)];
    }
    std::vector<Cut> cuts;
    std::vector<std::uint8_t> taken(p.eqns.size(), 0);
    for (std::size_t k = 0; k < p.eqns.size(); ++k) {
      const Eqn& g = p.eqns[k];
      if (g.prim != &scan_p || taken[k]) continue;
      const Params gp = g.params;
      const auto& s = gp.get<ScanParams>();
      if (s.counted) continue;
      std::vector<Link> links;  // by the scan that is read
      const auto in = p.operands(g);
      for (std::size_t i = at(s.n_const + s.n_carry); i < in.size(); ++i) {
        if (in[i] < 0 || made[at(in[i])] < 0) continue;
        const auto from = at(made[at(in[i])]);
        const Eqn& f = p.eqns[from];
        if (f.prim != &scan_p || taken[from]) continue;
        const Params fp = f.params;
        const auto& q = fp.get<ScanParams>();
        const auto j = at(in[i]) - f.out;
        if (q.counted || q.length != s.length || j < at(q.n_carry)) continue;
        auto l = std::find_if(links.begin(), links.end(), [&](auto& x) { return x.from == from; });
        if (l == links.end()) l = links.insert(links.end(), Link{from, k, {}});
        l->r.emplace_back(j, i);
      }
      for (auto& l : links)
        if (auto c = cut_of(p, l, uses); c && !taken[k]) {
          taken[l.from] = taken[k] = 1;
          cuts.push_back(std::move(*c));
        }
    }
    return cuts;
  }
  static Aval stacked(const Aval& a, std::int64_t length) {
    Aval r = a;
    r.shape = {};
    r.shape.push_back(length);
    for (auto n : a.shape) r.shape.push_back(n);
    return r;
  }
  void stack_less(Builder& b, const Program& p, const Eqn& e, const Cut& c, std::vector<Var>& to, std::vector<Var>& extra) {
    Params old = e.params;
    ScanParams q = old.get<ScanParams>();
    std::vector<Var> outputs;
    std::vector<std::size_t> kept;
    for (std::size_t j = 0; j < q.body->outputs.size(); ++j) {
      if (std::find(c.dropped.begin(), c.dropped.end(), j) != c.dropped.end()) continue;
      outputs.push_back(q.body->outputs[j]);
      kept.push_back(j);
    }
    const std::size_t n_kept = outputs.size();
    outputs.insert(outputs.end(), c.stacked.begin(), c.stacked.end());
    const Program& body = *q.body;
    q.body = run(extract(body, body.inputs, outputs, effects_of(body)));
    const auto pool = static_cast<std::uint32_t>(b.q.pool.size());
    for (Var v : p.operands(e)) {
      Var w = b.operand(p, v, to);
      b.q.pool.push_back(w);
    }
    const auto first = static_cast<std::uint32_t>(b.q.type_of.size());
    for (std::size_t k = 0; k < n_kept; ++k) to[e.out + kept[k]] = b.q.new_var(p.type(static_cast<Var>(e.out + kept[k])));
    for (Var v : c.stacked) extra.push_back(b.q.new_var(stacked(body.type(v), q.length)));
    b.q.eqns.push_back({&scan_p, ParamRef(core::params(q)), pool, first, e.n_in, static_cast<std::uint32_t>(outputs.size()), e.site});
  }
  void make_again(Builder& b, const Program& p, const Eqn& e, const Cut& c, std::vector<Var>& to, const std::vector<Var>& extra) {
    const Eqn& f = p.eqns[c.link.from];
    const Params fp = f.params;
    const auto& q = fp.get<ScanParams>();
    Params old = e.params;
    ScanParams s = old.get<ScanParams>();
    const Program &first = *q.body, &body = *s.body;
    // Of the first body: what is made again, from what.
    std::vector<Var> sources = c.constants, wanted;
    std::vector<std::size_t> kept_slices;  // results of the first scan that are read as they were
    std::vector<Var> kept;
    sources.insert(sources.end(), c.slices.begin(), c.slices.end());
    sources.insert(sources.end(), c.stacked.begin(), c.stacked.end());
    auto dropped = [&](std::size_t j) { return std::find(c.dropped.begin(), c.dropped.end(), j) != c.dropped.end(); };
    for (auto [j, i] : c.link.r) {
      if (dropped(j)) wanted.push_back(first.outputs[j]);
      else if (first.outputs[j] >= 0 && std::find(sources.begin(), sources.end(), first.outputs[j]) == sources.end()) {
        kept.push_back(first.outputs[j]);
        kept_slices.push_back(i);
        sources.push_back(first.outputs[j]);
      }
    }
    ProgramPtr again = extract(first, sources, wanted);
    // The new body: its constants and those of the first, the carry, its slices but those dropped, and the new ones.
    Builder n;
    std::vector<Var> in(body.inputs.size(), unknown), from;
    const std::size_t fixed = at(s.n_const), slices = at(s.n_const + s.n_carry);
    const auto operands = p.operands(e), theirs = p.operands(f);
    auto operand_of = [&](Var v) {
      return theirs[static_cast<std::size_t>(std::find(first.inputs.begin(), first.inputs.end(), v) - first.inputs.begin())];
    };
    // What the second scan has among its operands [from, to) already; `to` otherwise.
    auto known = [&](Var v, std::size_t from, std::size_t to) {
      while (from < to && !(operands[from] >= 0 && operands[from] == operand_of(v) && body.type(body.inputs[from]) == first.type(v))) ++from;
      return from;
    };
    std::vector<Var> new_constants, new_slices;
    for (std::size_t i = 0; i < fixed; ++i) in[i] = n.input(body.type(body.inputs[i]));
    for (Var v : c.constants) {
      const std::size_t i = known(v, 0, fixed);
      if (i == fixed) new_constants.push_back(v);
      from.push_back(i < fixed ? in[i] : n.input(first.type(v)));
    }
    for (std::size_t i = fixed; i < slices; ++i) in[i] = n.input(body.type(body.inputs[i]));
    std::vector<std::uint8_t> gone(body.inputs.size(), 0);
    for (auto [j, i] : c.link.r) gone[i] = dropped(j);
    for (std::size_t i = slices; i < body.inputs.size(); ++i)
      if (!gone[i]) in[i] = n.input(body.type(body.inputs[i]));
    for (Var v : c.slices) {
      const std::size_t i = known(v, slices, body.inputs.size());
      if (i == body.inputs.size()) new_slices.push_back(v);
      from.push_back(i < body.inputs.size() ? in[i] : n.input(first.type(v)));
    }
    for (Var v : c.stacked) from.push_back(n.input(first.type(v)));
    for (std::size_t i : kept_slices) from.push_back(in[i]);
    auto made = n.splice(*again, from);
    std::size_t next = 0;
    for (auto [j, i] : c.link.r)
      if (gone[i]) in[i] = made[next++];
    n.q.outputs = n.splice(body, in);
    s.body = run(seal(std::move(n.q), false));
    s.n_const += static_cast<std::int64_t>(new_constants.size());

    std::vector<Var> all;
    for (std::size_t i = 0; i < fixed; ++i) all.push_back(b.operand(p, operands[i], to));
    for (Var v : new_constants) all.push_back(b.operand(p, operand_of(v), to));
    for (std::size_t i = fixed; i < operands.size(); ++i)
      if (!gone[i]) all.push_back(b.operand(p, operands[i], to));
    for (Var v : new_slices) all.push_back(b.operand(p, operand_of(v), to));
    all.insert(all.end(), extra.begin(), extra.end());
    const auto pool = static_cast<std::uint32_t>(b.q.pool.size());
    b.q.pool.insert(b.q.pool.end(), all.begin(), all.end());
    const auto out = static_cast<std::uint32_t>(b.q.type_of.size());
    for (std::uint32_t k = 0; k < e.n_out; ++k) to[e.out + k] = b.q.new_var(p.type(static_cast<Var>(e.out + k)));
    b.q.eqns.push_back({&scan_p, ParamRef(core::params(s)), pool, out, static_cast<std::uint32_t>(all.size()), e.n_out, e.site});
  }
  Bodies bodies_;
};

}  // namespace

ProgramPtr cut_residuals(const ProgramPtr& p) { return Cutter().run(p); }

}  // namespace functra::compiler
