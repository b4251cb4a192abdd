// Making a plan: steps, and code for their nests.
#include "functra/runtime/plan.h"

#include <algorithm>
#include <chrono>
#include <thread>

#include "functra/base/pool.h"
#include "functra/compiler/emit.h"
#include "functra/core/replay.h"
#include "functra/prims/control.h"
#include "functra/prims/loop.h"
#include "functra/prims/shape.h"
#include "functra/runtime/executable.h"
#include "functra/runtime/parts.h"
#include "functra/runtime/team.h"

namespace functra::runtime {

using compiler::Unit;
using core::Eqn;
using core::ProgramPtr;
using core::Var;

namespace {

constexpr std::size_t vector_bytes = 64;
constexpr double shared_work = 5000;  // of sums that are worth an exchange of parts, which takes 0.2 us

std::size_t bytes_of(const Aval& a) { return static_cast<std::size_t>(core::bytes_of(a)); }

// Programs that a step runs itself; none where the primitive's own kernel does.
std::vector<ProgramPtr> bodies_of(const core::Program& p, const Eqn& e) {
  core::Params q = e.params;
  if (e.prim == &prims::scan_p) return {q.get<prims::ScanParams>().body};
  if (e.prim == &prims::while_p && q.get<prims::WhileParams>().max_steps == 0) {
    auto& w = q.get<prims::WhileParams>();
    return {w.body, w.cond};
  }
  if (e.prim == &prims::cond_p && p.operand_type(p.operands(e)[0]).shape.empty()) return q.get<prims::CondParams>().branches;
  return {};
}

Trips trips_of(const Eqn& e) {
  const core::Params p = e.params;
  if (e.prim == &prims::scan_p) {
    const auto& q = p.get<prims::ScanParams>();
    return {0, q.n_const, q.n_carry, q.length, q.reverse, q.counted};
  }
  if (e.prim != &prims::while_p) return {};
  const auto& q = p.get<prims::WhileParams>();
  return {q.n_cond_const, q.n_const, q.n_carry, 0, false, false};
}

// How far a long sum along the first axis goes at a time.
std::int64_t block_of_sums(const compiler::Nest& n) {
  constexpr std::int64_t in_vectors = 16384, terms = 512;  // of a nest of one axis: elements; else: terms of one sum
  const bool rows = std::ranges::any_of(n.reductions, [](auto& r) { return r.at.buffer < 0; });  // which are gone over several times
  if (n.axes() == 0 || n.serial || n.steps || (rows && n.axes() == 1)) return 0;
  std::int64_t most = 0;  // terms at one place of the first axis
  for (auto& r : n.reductions) {
    if (!r.accumulate || !(r.over & 1) || r.op != core::ReduceOp::sum || !is_floating(r.at.dtype)) continue;
    std::int64_t here = 1;
    for (std::size_t a = 1; a + 1 < n.axes(); ++a) here *= r.over >> a & 1 ? n.extent(a) : 1;
    most = std::max(most, here);
  }
  if (most == 0) return 0;
  const std::int64_t block = n.axes() == 1 ? in_vectors : std::max<std::int64_t>(1, terms / most);
  return n.extent(0) > 4 * block ? block : 0;
}

// The steps of a plan, from its units.
class Planner {
 public:
  explicit Planner(Plan& plan) : plan_(plan) {}
  void run() {
    const core::Program& p = *plan_.program;
    slot_of_var_.assign(p.type_of.size(), -1);
    for (std::size_t i = 0; i < p.inputs.size(); ++i) {
      auto& s = plan_.slots[static_cast<std::size_t>(slot_of(p.inputs[i]))];
      s.where = Where::input;
      s.at = i;
    }
    plan_.n_in = p.inputs.size();
    for (auto& t : p.literals) plan_.literals.push_back(t);
    for (std::size_t i = 0; i < p.outputs.size(); ++i) plan_.results.push_back(p.out_type(i));
    for (auto& u : plan_.units) plan_.steps.push_back(u.call ? eqn_step(u) : nest_step(u));
    const std::size_t defined = plan_.slots.size();
    for (Var v : p.outputs) {
      plan_.result_place.push_back(place_of(v));
      if (v >= 0 && static_cast<std::size_t>(plan_.result_place.back()) >= defined) throw Error("jit: a result that nothing defines");
    }
  }

 private:
  std::int32_t slot_of(Var v) {
    auto& s = slot_of_var_[static_cast<std::size_t>(v)];
    if (s < 0) {
      s = static_cast<std::int32_t>(plan_.slots.size());
      const Aval& type = plan_.program->type(v);
      plan_.slots.push_back({Where::arena, type, bytes_of(type)});
    }
    return s;
  }

  Place place_of(Var v) { return v < 0 ? v : slot_of(v); }  // literals are numbered alike

  Step nest_step(const Unit& u) {
    Step s{};
    for (Var v : u.in) s.in.push_back(place_of(v));
    for (Var v : u.out) s.out.push_back(slot_of(v));
    for (auto& n : u.nests) {
      Part part{nullptr, 0, 0, 0, {}};
      std::size_t widest = 1;
      for (auto& a : n.accesses) widest = std::max(widest, size_of(a.dtype));
      for (auto& x : n.stores) widest = std::max(widest, size_of(x.at.dtype));
      double work = static_cast<double>(n.graph.size() * widest) / vector_bytes;
      for (std::size_t a = 0; a < n.axes(); ++a) work *= static_cast<double>(n.extent(a));
      if (n.steps) work *= n.steps->length < 0 ? guessed_steps : static_cast<double>(n.steps->length);
      if (n.axes()) {
        part.begin = n.lower[0];
        part.end = n.upper[0];
        const bool rows = std::any_of(n.reductions.begin(), n.reductions.end(), [](auto& r) { return r.at.buffer < 0; });
        if (work > 2 * parallel_work && !(rows && n.axes() == 1) && !n.serial) {
          const double each = work / static_cast<double>(n.extent(0));
          part.grain = std::max<std::int64_t>(1, static_cast<std::int64_t>(parallel_work / each));
          if (n.axes() == 1) part.grain = (part.grain + compiler::part_grain - 1) / compiler::part_grain * compiler::part_grain;
        }
      }
      part.block = block_of_sums(n);
      part.work = work;
      part.lasting = work > parallel_work;
      part.uneven = n.steps && n.steps->go != compiler::none;
      part.sums = n.stores.empty() && n.axes() > 0 && !n.serial && !n.steps &&
                  std::ranges::all_of(n.reductions, [](auto& r) { return r.at.buffer >= 0 && r.accumulate && (r.over & 1); });
      s.serial_work = part.grain || s.serial_work < 0 ? unknown : s.serial_work + work;
      for (auto& r : n.reductions) {
        if (!r.accumulate) continue;
        const std::size_t k = static_cast<std::size_t>(r.at.buffer) - u.in.size();
        if (std::none_of(s.starts.begin(), s.starts.end(), [&](auto& x) { return x.first == k; })) s.starts.emplace_back(k, r.op);
        if ((r.over & 1) && std::find(part.combined.begin(), part.combined.end(), k) == part.combined.end()) part.combined.push_back(k);
      }
      if (n.steps && n.steps->count >= 0) s.starts.emplace_back(static_cast<std::size_t>(n.steps->count) - u.in.size(), core::ReduceOp::max);
      s.parts.push_back(std::move(part));
    }
    s.shared = s.parts.size() == 1 && s.parts[0].sums && s.parts[0].work >= shared_work && s.parts[0].end - s.parts[0].begin > compiler::part_grain;
    return s;
  }
  Step eqn_step(const Unit& u) {
    const Eqn& e = plan_.program->eqns[u.eqns[0]];
    Step s{};
    s.kind = Step::Kind::call;
    s.prim = e.prim;
    s.effect = core::has_effect(e);
    for (Var v : plan_.program->operands(e)) s.in.push_back(place_of(v));
    for (Var v : u.out) s.out.push_back(slot_of(v));
    auto bodies = bodies_of(*plan_.program, e);
    if (bodies.empty()) {
      s.params = e.params;
      s.site = e.site;
      if (u.eqns.size() > 1) {
        const core::Params as = plan_.program->eqns[u.eqns[1]].params;
        s.order = as.get<prims::PermParams>().perm;
      }
      s.serial_work = work_of(*plan_.program, e);
      return s;
    }
    s.trips = trips_of(e);
    s.kind = e.prim == &prims::scan_p ? Step::Kind::scan : e.prim == &prims::while_p ? Step::Kind::loop : Step::Kind::branch;
    for (auto& b : bodies) {
      s.bodies.push_back(body_executable(b));
      s.work_bytes = std::max(s.work_bytes, aligned(s.bodies.back()->workspace_bytes()));
    }
    s.serial_work = s.kind == Step::Kind::branch || s.effect ? unknown : 0;
    for (auto& b : s.bodies) s.serial_work = s.serial_work < 0 || b->plan().serial_work() < 0 ? unknown : s.serial_work + b->plan().serial_work();
    if (s.serial_work > 0) s.serial_work *= s.kind == Step::Kind::scan ? static_cast<double>(s.trips.length) : guessed_steps;
    // The carry, twice: a step reads one and writes the other.
    for (std::int64_t i = 0; i < s.trips.n_carry; ++i) s.work_bytes += 2 * aligned(bytes_of(plan_.type(s.out[static_cast<std::size_t>(i)])));
    if (s.kind == Step::Kind::scan) make_team(s);
    return s;
  }
  // Is a loop worth several threads in step? Where large sums, of which each makes a part, take longer than it takes to exchange the parts. All
  // else they all do, so of that nothing may be for several threads, and stacked results are few.
  void make_team(Step& s) const {
    constexpr double long_enough = 200000;          // 30 us
    constexpr std::size_t most_bytes = 256 * 1024;  // of a member
    const Trips& q = s.trips;
    const Plan& body = s.bodies[0]->plan();
    if (!body.wires.all_nests) return;
    double sums = 0;
    std::size_t exchange = 0;
    for (auto& x : body.steps) {
      if (x.shared) {
        std::size_t row = 0;
        for (std::size_t k : x.parts[0].combined) (void)sum_of(body, x, k, row);
        exchange = std::max(exchange, row);
        sums += x.parts[0].work;
      } else if (std::ranges::any_of(x.parts, [](auto& part) { return part.grain != 0; })) {
        return;
      }
    }
    std::size_t member = s.work_bytes;
    for (std::size_t i = static_cast<std::size_t>(q.n_carry); i < s.out.size(); ++i)
      member += aligned(plan_.slots[static_cast<std::size_t>(s.out[i])].bytes / static_cast<std::size_t>(std::max<std::int64_t>(1, q.length)));
    if (sums == 0 || sums * static_cast<double>(q.length) < long_enough || member + 3 * exchange > most_bytes) return;
    s.team = std::min<std::uint32_t>(Team::most, std::max(static_cast<unsigned>(num_threads()), std::thread::hardware_concurrency()));
    s.member_bytes = member;
    s.exchange = exchange;
    s.work_bytes = s.team * member + Team::bytes(s.team, exchange);
  }

  Plan& plan_;
  std::vector<std::int32_t> slot_of_var_;
};

}  // namespace

double now_ms() { return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now().time_since_epoch()).count(); }
Plan::Plan(ProgramPtr optimised) : program(std::move(optimised)) {
  const double start = now_ms();
  units = compiler::units(*program);
  compile_ms = now_ms() - start;
  Planner(*this).run();
  make_groups(*this);
  place_values(*this);
  if (auto nests = all_nests(); !nests.empty()) {
    const double planned = now_ms();
    code = compiler::compile(nests);
    compile_ms += now_ms() - planned;
  }
  finish(*this);
  figures = figures_of(*this);
}
std::vector<const compiler::Nest*> Plan::all_nests() const {
  std::vector<const compiler::Nest*> r;
  for (auto& u : units)
    for (auto& n : u.nests) r.push_back(&n);
  return r;
}

}  // namespace functra::runtime
