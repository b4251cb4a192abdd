// Making an executable: code for its nests, steps, and the memory plan.
#include <algorithm>
#include <chrono>
#include <thread>

#include "functra/base/pool.h"
#include "functra/compiler/emit.h"
#include "functra/compiler/passes.h"
#include "functra/prims/control.h"
#include "functra/prims/loop.h"
#include "functra/runtime/team.h"

namespace functra::runtime {

using compiler::Unit;
using core::Eqn;
using core::ProgramPtr;
using core::Var;

namespace {

constexpr std::size_t vector_bytes = 64;
constexpr double shared_work = 5000;  // of sums that are worth an exchange of parts, which takes 0.2 us

double now_ms() { return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now().time_since_epoch()).count(); }
std::size_t bytes_of(const Aval& a) { return static_cast<std::size_t>(a.shape.numel()) * size_of(a.dtype); }

// Offsets for blocks with lifetimes: the lowest gap among those alive at the same time.
class Arena {
 public:
  struct Block {
    std::size_t bytes;
    std::int32_t born, dies;  // steps
    std::size_t* at;
  };
  void add(Block b) { blocks_.push_back(b); }
  std::size_t place() {
    std::sort(blocks_.begin(), blocks_.end(), [](auto& a, auto& b) { return a.born < b.born; });
    std::vector<const Block*> alive;  // by offset
    std::size_t top = 0;
    for (auto& b : blocks_) {
      std::erase_if(alive, [&](const Block* x) { return x->dies < b.born; });
      std::size_t at = 0, k = 0;
      while (k < alive.size() && *alive[k]->at < at + b.bytes) {
        at = std::max(at, *alive[k]->at + alive[k]->bytes);
        ++k;
      }
      *b.at = at;
      alive.insert(std::upper_bound(alive.begin(), alive.end(), &b, [](auto* x, auto* y) { return *x->at < *y->at; }), &b);
      top = std::max(top, at + b.bytes);
    }
    return top;
  }

 private:
  std::vector<Block> blocks_;
};

// FUNCTRA_PASSES_OFF=cse,hoist: to find out which pass does what.
std::vector<std::string> passes_off() {
  std::vector<std::string> r;
  const char* list = std::getenv("FUNCTRA_PASSES_OFF");
  for (std::string s = list ? list : ""; !s.empty();) {
    auto comma = s.find(',');
    r.push_back(s.substr(0, comma));
    s = comma == s.npos ? "" : s.substr(comma + 1);
  }
  return r;
}

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

}  // namespace

Executable::Executable(ProgramPtr program, bool optimised) {
  const double start = now_ms();
  program_ = optimised ? std::move(program) : compiler::optimize(program, passes_off());
  units_ = compiler::units(*program_);
  compile_ms_ = now_ms() - start;
  plan();
  if (auto nests = all_nests(); !nests.empty()) {
    const double planned = now_ms();
    code_ = compiler::compile(nests);
    compile_ms_ += now_ms() - planned;
    std::size_t next = 0;
    for (auto& s : steps_)
      for (auto& part : s.parts) part.kernel = code_->kernels[next++];
  }
  wire();
  find_direct();
}
std::vector<const compiler::Nest*> Executable::all_nests() const {
  std::vector<const compiler::Nest*> r;
  for (auto& u : units_)
    for (auto& n : u.nests) r.push_back(&n);
  return r;
}

std::int32_t Executable::slot_of(Var v) {
  auto& s = slot_of_var_[static_cast<std::size_t>(v)];
  if (s < 0) {
    s = static_cast<std::int32_t>(slots_.size());
    const Aval& type = program_->type(v);
    slots_.push_back({Where::arena, type, bytes_of(type)});
  }
  return s;
}

Executable::Step Executable::nest_step(const Unit& u) {
  Step s{};
  for (Var v : u.in) s.in.push_back(v < 0 ? Operand{-1, v} : Operand{slot_of(v)});
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
Executable::Step Executable::eqn_step(const Unit& u) {
  const Eqn& e = program_->eqns[u.eqns[0]];
  Step s{};
  s.kind = Kind::call;
  s.eqn = &e;
  for (Var v : program_->operands(e)) s.in.push_back(v < 0 ? Operand{-1, v} : Operand{slot_of(v)});
  for (Var v : u.out) s.out.push_back(slot_of(v));
  auto bodies = bodies_of(*program_, e);
  if (bodies.empty()) {
    s.serial_work = work_of(*program_, e);
    return s;
  }
  s.kind = e.prim == &prims::scan_p ? Kind::scan : e.prim == &prims::while_p ? Kind::loop : Kind::branch;
  for (auto& b : bodies) {
    s.bodies.push_back(executable(b, true));
    s.work_bytes = std::max(s.work_bytes, aligned(s.bodies.back()->workspace_bytes()));
  }
  s.serial_work = s.kind == Kind::branch || core::has_effect(e) ? unknown : 0;
  for (auto& b : s.bodies) s.serial_work = s.serial_work < 0 || b->serial_work() < 0 ? unknown : s.serial_work + b->serial_work();
  if (s.serial_work > 0)
    s.serial_work *= s.kind == Kind::scan ? static_cast<double>(core::Params(e.params).get<prims::ScanParams>().length) : guessed_steps;
  if (s.kind != Kind::branch) {  // the carry, twice: a step reads one and writes the other
    const core::Params q = e.params;
    const auto n = static_cast<std::uint32_t>(s.kind == Kind::scan ? q.get<prims::ScanParams>().n_carry : q.get<prims::WhileParams>().n_carry);
    for (std::uint32_t i = 0; i < n; ++i) s.work_bytes += 2 * aligned(bytes_of(program_->type(static_cast<Var>(e.out + i))));
  }
  if (s.kind == Kind::scan) make_team(s);
  return s;
}
// Is a loop worth several threads in step? Where large sums, of which each makes a part, take longer than it takes to exchange the parts. All
// else they all do, so of that nothing may be for several threads, and stacked results are few.
void Executable::make_team(Step& s) const {
  constexpr double long_enough = 200000;          // 30 us
  constexpr std::size_t most_bytes = 256 * 1024;  // of a member
  const core::Params params = s.eqn->params;
  const auto& q = params.get<prims::ScanParams>();
  const Executable& body = *s.bodies[0];
  if (!body.wires_.all_nests) return;
  double sums = 0;
  std::size_t exchange = 0;
  for (auto& x : body.steps_) {
    if (x.shared) {
      std::size_t row = 0;
      for (std::size_t k : x.parts[0].combined) (void)body.sum_of(x, k, row);
      exchange = std::max(exchange, row);
      sums += x.parts[0].work;
    } else if (std::ranges::any_of(x.parts, [](auto& part) { return part.grain != 0; })) {
      return;
    }
  }
  std::size_t member = s.work_bytes;
  for (std::size_t i = static_cast<std::size_t>(q.n_carry); i < s.out.size(); ++i)
    member += aligned(slots_[static_cast<std::size_t>(s.out[i])].bytes / static_cast<std::size_t>(std::max<std::int64_t>(1, q.length)));
  if (sums == 0 || sums * static_cast<double>(q.length) < long_enough || member + 3 * exchange > most_bytes) return;
  s.team = std::min<std::uint32_t>(Team::most, std::max(static_cast<unsigned>(num_threads()), std::thread::hardware_concurrency()));
  s.member_bytes = member;
  s.exchange = exchange;
  s.work_bytes = s.team * member + Team::bytes(s.team, exchange);
}

void Executable::plan() {
  const core::Program& p = *program_;
  slot_of_var_.assign(p.type_of.size(), -1);
  for (std::size_t i = 0; i < p.inputs.size(); ++i) {
    auto& s = slots_[static_cast<std::size_t>(slot_of(p.inputs[i]))];
    s.where = Where::input;
    s.at = i;
  }
  for (auto& u : units_) steps_.push_back(u.call ? eqn_step(u) : nest_step(u));
  make_groups();
  // What kernels read or make are tensors.
  for (auto& s : steps_) {
    if (s.kind != Kind::call) continue;
    for (auto& o : s.in)
      if (o.slot >= 0 && slots_[static_cast<std::size_t>(o.slot)].where == Where::arena)
        slots_[static_cast<std::size_t>(o.slot)].where = Where::tensor;
    for (std::int32_t o : s.out) slots_[static_cast<std::size_t>(o)].where = Where::tensor;
  }
  std::vector<std::int32_t> born(slots_.size(), -1), dies(slots_.size(), -1);
  std::vector<std::pair<std::int32_t, std::int32_t>> during(steps_.size());  // the first and the last step of its group
  for (std::size_t k = 0; k < steps_.size();) {
    const std::size_t first = k, last = k + steps_[k].group - 1;
    for (; k <= last; ++k) during[k] = {static_cast<std::int32_t>(first), static_cast<std::int32_t>(last)};
  }
  for (std::size_t k = 0; k < steps_.size(); ++k) {
    for (std::int32_t o : steps_[k].out) std::tie(born[static_cast<std::size_t>(o)], dies[static_cast<std::size_t>(o)]) = during[k];
    for (auto& o : steps_[k].in)
      if (o.slot >= 0) dies[static_cast<std::size_t>(o.slot)] = during[k].second;
  }
  for (std::size_t i = 0; i < p.outputs.size(); ++i) {
    Var v = p.outputs[i];
    result_slot_.push_back(v < 0 ? -1 : slot_of(v));
    if (v < 0) continue;
    auto k = static_cast<std::size_t>(result_slot_.back());
    if (k >= born.size()) throw Error("jit: a result that nothing defines");
    dies[k] = static_cast<std::int32_t>(steps_.size());
    if (slots_[k].where == Where::arena) {
      slots_[k].where = Where::result;
      slots_[k].at = i;
    }
  }
  lay_over(dies);
  auto block = [&](std::size_t k) {  // of a slot in the arena: the first one in its place
    while (!slots_[k].over.empty()) k = static_cast<std::size_t>(slots_[k].over[0]);
    return k;
  };
  for (std::size_t k = 0; k < slots_.size(); ++k)
    if (slots_[k].where == Where::arena) dies[block(k)] = std::max(dies[block(k)], dies[k]);
  Arena arena;
  for (std::size_t k = 0; k < slots_.size(); ++k) {
    auto& s = slots_[k];
    if (s.where == Where::arena && s.bytes && s.over.empty()) arena.add({aligned(s.bytes), born[k], dies[k], &s.at});
    if ((s.where == Where::tensor || s.where == Where::input) && dies[k] >= 0 && dies[k] < static_cast<std::int32_t>(steps_.size()))
      steps_[static_cast<std::size_t>(dies[k])].dead.push_back(static_cast<std::int32_t>(k));
  }
  for (std::size_t k = 0; k < steps_.size(); ++k)
    if (steps_[k].work_bytes) arena.add({steps_[k].work_bytes, during[k].first, during[k].second, &steps_[k].work});
  arena_bytes_ = arena.place();
  for (std::size_t k = 0; k < slots_.size(); ++k)
    if (slots_[k].where == Where::arena) slots_[k].at = slots_[block(k)].at;
  count_held(born, std::move(dies));
}
// Which results may lie where their step reads an operand for the last time; the nests are told.
void Executable::lay_over(const std::vector<std::int32_t>& dies) {
  constexpr std::size_t least = 4096;  // bytes that are worth it
  std::vector<std::uint8_t> taken(slots_.size(), 0);
  auto fits = [](const Slot& to, const Slot& from) {
    if (to.where == Where::arena || from.where == Where::arena) return to.where == from.where && to.bytes == from.bytes;
    return from.where != Where::result && to.type.dtype == from.type.dtype && to.type.shape == from.type.shape;
  };
  for (std::size_t k = 0; k < steps_.size(); ++k) {
    Step& s = steps_[k];
    if (s.kind != Kind::nests || s.group != 1) continue;  // others of its group may read what it does
    for (std::size_t o = 0; o < s.out.size(); ++o) {
      Slot& to = slots_[static_cast<std::size_t>(s.out[o])];
      if (to.bytes < least) continue;
      for (std::size_t i = 0; i < s.in.size() && !(to.where == Where::arena && !to.over.empty()); ++i) {
        const std::int32_t slot = s.in[i].slot;
        if (slot < 0 || taken[static_cast<std::size_t>(slot)] || dies[static_cast<std::size_t>(slot)] != static_cast<std::int32_t>(k)) continue;
        auto& nests = units_[k].nests;
        auto possible = [&](auto& n) { return n.can_lie_over(static_cast<int>(s.in.size() + o), static_cast<int>(i)); };
        if (!fits(to, slots_[static_cast<std::size_t>(slot)]) || !std::ranges::all_of(nests, possible)) continue;
        to.over.push_back(slot);
        taken[static_cast<std::size_t>(slot)] = to.where == Where::arena;
        const bool certain = slots_[static_cast<std::size_t>(slot)].where != Where::input;  // and not only where it was given away
        for (auto& n : nests) {
          n.in_place = true;
          for (auto& x : n.stores)
            if (certain && x.at.buffer == static_cast<int>(s.in.size() + o)) x.past = false;  // the lines are in the caches, since they were read
        }
      }
    }
  }
}
void Executable::count_held(const std::vector<std::int32_t>& born, std::vector<std::int32_t> dies) {
  const auto last = static_cast<std::int32_t>(steps_.size());
  auto held = [&](std::int32_t k) { return slots_[static_cast<std::size_t>(k)].where == Where::tensor; };
  std::vector<std::uint8_t> view(slots_.size(), 0);  // lies in the memory of what it is made from
  for (std::size_t k = steps_.size(); k-- > 0;) {
    const Step& s = steps_[k];
    if (s.kind != Kind::call) continue;
    const auto kind = s.eqn->prim->lowering.kind;
    if (kind != core::Lowering::Kind::identity && kind != core::Lowering::Kind::reshape) continue;
    for (std::size_t i = 0; i < s.out.size(); ++i) {
      const std::int32_t from = s.in[i].slot, to = s.out[i];
      view[static_cast<std::size_t>(to)] = 1;
      if (from >= 0) dies[static_cast<std::size_t>(from)] = std::max(dies[static_cast<std::size_t>(from)], dies[static_cast<std::size_t>(to)]);
    }
  }
  std::vector<std::size_t> more(steps_.size() + 1, 0), less(steps_.size() + 1, 0);
  for (std::size_t k = 0; k < slots_.size(); ++k) {
    if (!held(static_cast<std::int32_t>(k)) || view[k] || born[k] < 0 || dies[k] >= last) continue;
    more[static_cast<std::size_t>(born[k])] += slots_[k].bytes;
    less[static_cast<std::size_t>(dies[k])] += slots_[k].bytes;
  }
  std::size_t now = 0;
  for (std::size_t k = 0; k < steps_.size(); ++k) {
    now += more[k];
    std::size_t inside = 0;
    for (auto& b : steps_[k].bodies) inside = std::max(inside, b->held_bytes_);
    held_bytes_ = std::max(held_bytes_, now + inside);
    now -= less[k];
  }
}
void Executable::wire() {
  auto wired = [](const Step& s) { return s.kind == Kind::nests && std::ranges::all_of(s.in, [](auto& o) { return o.slot >= 0; }); };
  wires_.all_nests = std::ranges::all_of(steps_, wired) && std::ranges::none_of(slots_, [](auto& s) { return s.where == Where::tensor; });
  if (!wires_.all_nests) return;
  wires_.of_input.resize(program_->inputs.size());
  wires_.of_result.resize(program_->outputs.size());
  auto add = [&](std::int32_t slot) {
    const Slot& s = slots_[static_cast<std::size_t>(slot)];
    const auto k = static_cast<std::uint32_t>(wires_.buffers++);
    if (s.where == Where::arena) wires_.of_arena.emplace_back(k, s.at);
    else (s.where == Where::input ? wires_.of_input : wires_.of_result)[s.at].push_back(k);
  };
  for (auto& s : steps_) {
    wires_.first.push_back(wires_.buffers);
    for (auto& o : s.in) add(o.slot);
    for (std::int32_t o : s.out) add(o);
  }
  for (std::size_t i = 0; i < result_slot_.size(); ++i) {
    const std::int32_t k = result_slot_[i];
    if (k < 0 || slots_[static_cast<std::size_t>(k)].where != Where::result || slots_[static_cast<std::size_t>(k)].at != i)
      wires_.copied.push_back(i);
  }
}
void Executable::find_direct() {
  for (std::size_t i = 0; i < program_->outputs.size(); ++i) results_.push_back(program_->out_type(i));
  if (steps_.size() != 1 || steps_[0].kind != Kind::nests || steps_[0].parts.size() != 1 || steps_[0].parts[0].grain || !steps_[0].starts.empty())
    return;
  const auto n_in = static_cast<std::uint32_t>(program_->inputs.size());
  std::vector<std::uint32_t> buffers;
  auto add = [&](std::int32_t slot) {
    const Slot& s = slots_[static_cast<std::size_t>(slot)];
    if (s.where == Where::input || s.where == Where::result)
      buffers.push_back(static_cast<std::uint32_t>(s.at) + (s.where == Where::result ? n_in : 0));
  };
  for (auto& o : steps_[0].in) add(o.slot);
  for (std::int32_t o : steps_[0].out) add(o);
  std::vector<std::uint8_t> written(result_slot_.size(), 0);
  for (std::uint32_t b : buffers)
    if (b >= n_in) written[b - n_in] = 1;
  const bool all = std::find(written.begin(), written.end(), 0) == written.end();  // no result is a literal, an operand or another result
  if (!all || buffers.size() != steps_[0].in.size() + steps_[0].out.size()) return;
  const Part& part = steps_[0].parts[0];
  direct_ = {part.kernel, part.begin, part.end, std::move(buffers), results_};
}

namespace {
struct Lazy {
  std::once_flag once;
  ExecutablePtr made;
};
}  // namespace
ExecutablePtr executable(const ProgramPtr& p, bool optimised) {
  const std::string key = optimised ? "native body" : "native";
  auto lazy = std::static_pointer_cast<const Lazy>(p->forms->find(key));
  if (!lazy) lazy = std::static_pointer_cast<const Lazy>(p->forms->insert(key, std::make_shared<const Lazy>()));
  auto& l = const_cast<Lazy&>(*lazy);
  // A Program owns its forms: the executable refers to it without owning it.
  std::call_once(l.once, [&] { l.made = std::make_shared<const Executable>(ProgramPtr(ProgramPtr(), p.get()), optimised); });
  return l.made;
}

}  // namespace functra::runtime
