// Where the values of a plan lie: lifetimes, results over operands, the arena; and what prepared calls need.
#include <algorithm>
#include <cstring>

#include "functra/core/basis.h"
#include "functra/runtime/executable.h"
#include "functra/runtime/parts.h"

namespace functra::runtime {

namespace {

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

// Which results may lie where their step reads an operand for the last time; the nests are told.
void lay_over(Plan& plan, const std::vector<std::int32_t>& dies) {
  constexpr std::size_t least = 4096;  // bytes that are worth it
  std::vector<std::uint8_t> taken(plan.slots.size(), 0);
  auto fits = [](const Slot& to, const Slot& from) {
    if (to.where == Where::arena || from.where == Where::arena) return to.where == from.where && to.bytes == from.bytes;
    return from.where != Where::result && to.type.dtype == from.type.dtype && to.type.shape == from.type.shape;
  };
  for (std::size_t k = 0; k < plan.steps.size(); ++k) {
    Step& s = plan.steps[k];
    if (s.kind != Step::Kind::nests || s.group != 1) continue;  // others of its group may read what it does
    for (std::size_t o = 0; o < s.out.size(); ++o) {
      Slot& to = plan.slots[static_cast<std::size_t>(s.out[o])];
      if (to.bytes < least) continue;
      for (std::size_t i = 0; i < s.in.size() && !(to.where == Where::arena && !to.over.empty()); ++i) {
        const Place slot = s.in[i];
        if (slot < 0 || taken[static_cast<std::size_t>(slot)] || dies[static_cast<std::size_t>(slot)] != static_cast<std::int32_t>(k)) continue;
        auto& nests = plan.units[k].nests;
        auto possible = [&](auto& n) { return n.can_lie_over(static_cast<int>(s.in.size() + o), static_cast<int>(i)); };
        if (!fits(to, plan.slots[static_cast<std::size_t>(slot)]) || !std::ranges::all_of(nests, possible)) continue;
        to.over.push_back(slot);
        taken[static_cast<std::size_t>(slot)] = to.where == Where::arena;
        const bool certain = plan.slots[static_cast<std::size_t>(slot)].where != Where::input;  // and not only where it was given away
        for (auto& n : nests) {
          n.in_place = true;
          for (auto& x : n.stores)
            if (certain && x.at.buffer == static_cast<int>(s.in.size() + o)) x.past = false;  // the lines are in the caches, since they were read
        }
      }
    }
  }
}
void count_held(Plan& plan, const std::vector<std::int32_t>& born, std::vector<std::int32_t> dies) {
  const auto last = static_cast<std::int32_t>(plan.steps.size());
  auto held = [&](std::int32_t k) { return plan.slots[static_cast<std::size_t>(k)].where == Where::tensor; };
  std::vector<std::uint8_t> view(plan.slots.size(), 0);  // lies in the memory of what it is made from
  for (std::size_t k = plan.steps.size(); k-- > 0;) {
    const Step& s = plan.steps[k];
    if (s.kind != Step::Kind::call) continue;
    const auto kind = s.prim->lowering.kind;
    const bool turned = !s.out.empty() && plan.slots[static_cast<std::size_t>(s.out[0])].any_strides;
    if (kind != core::Lowering::Kind::identity && kind != core::Lowering::Kind::reshape && !turned) continue;
    for (std::size_t i = 0; i < s.out.size(); ++i) {
      const Place from = s.in[i], to = s.out[i];
      view[static_cast<std::size_t>(to)] = 1;
      if (from >= 0) dies[static_cast<std::size_t>(from)] = std::max(dies[static_cast<std::size_t>(from)], dies[static_cast<std::size_t>(to)]);
    }
  }
  std::vector<std::size_t> more(plan.steps.size() + 1, 0), less(plan.steps.size() + 1, 0);
  for (std::size_t k = 0; k < plan.slots.size(); ++k) {
    if (!held(static_cast<std::int32_t>(k)) || view[k] || born[k] < 0 || dies[k] >= last) continue;
    more[static_cast<std::size_t>(born[k])] += plan.slots[k].bytes;
    less[static_cast<std::size_t>(dies[k])] += plan.slots[k].bytes;
  }
  std::size_t now = 0;
  for (std::size_t k = 0; k < plan.steps.size(); ++k) {
    now += more[k];
    std::size_t inside = 0;
    for (auto& b : plan.steps[k].bodies) inside = std::max(inside, b->plan().held_bytes);
    plan.held_bytes = std::max(plan.held_bytes, now + inside);
    now -= less[k];
  }
}
void wire(Plan& plan) {
  auto wired = [](const Step& s) { return s.kind == Step::Kind::nests && std::ranges::all_of(s.in, [](Place p) { return p >= 0; }); };
  plan.wires.all_nests = std::ranges::all_of(plan.steps, wired) && std::ranges::none_of(plan.slots, [](auto& s) { return s.where == Where::tensor; });
  if (!plan.wires.all_nests) return;
  plan.wires.of_input.resize(plan.n_in);
  plan.wires.of_result.resize(plan.results.size());
  auto add = [&](std::int32_t slot) {
    const Slot& s = plan.slots[static_cast<std::size_t>(slot)];
    const auto k = static_cast<std::uint32_t>(plan.wires.buffers++);
    if (s.where == Where::arena) plan.wires.of_arena.emplace_back(k, s.at);
    else (s.where == Where::input ? plan.wires.of_input : plan.wires.of_result)[s.at].push_back(k);
  };
  for (auto& s : plan.steps) {
    plan.wires.first.push_back(plan.wires.buffers);
    for (Place p : s.in) add(p);
    for (std::int32_t o : s.out) add(o);
  }
  for (std::size_t i = 0; i < plan.result_place.size(); ++i) {
    const std::int32_t k = plan.result_place[i];
    if (k < 0 || plan.slots[static_cast<std::size_t>(k)].where != Where::result || plan.slots[static_cast<std::size_t>(k)].at != i)
      plan.wires.copied.push_back(i);
  }
}
void find_direct(Plan& plan) {
  if (plan.steps.size() != 1 || plan.steps[0].kind != Step::Kind::nests || plan.steps[0].parts.size() != 1 || plan.steps[0].parts[0].grain ||
      plan.steps[0].parts[0].lasting || !plan.steps[0].starts.empty())
    return;
  const auto n_in = static_cast<std::uint32_t>(plan.n_in);
  std::vector<std::uint32_t> buffers;
  auto add = [&](std::int32_t slot) {
    const Slot& s = plan.slots[static_cast<std::size_t>(slot)];
    if (s.where == Where::input || s.where == Where::result)
      buffers.push_back(static_cast<std::uint32_t>(s.at) + (s.where == Where::result ? n_in : 0));
  };
  for (Place p : plan.steps[0].in) add(p);
  for (std::int32_t o : plan.steps[0].out) add(o);
  std::vector<std::uint8_t> written(plan.result_place.size(), 0);
  for (std::uint32_t b : buffers)
    if (b >= n_in) written[b - n_in] = 1;
  const bool all = std::find(written.begin(), written.end(), 0) == written.end();  // no result is a literal, an operand or another result
  if (!all || buffers.size() != plan.steps[0].in.size() + plan.steps[0].out.size()) return;
  const Part& part = plan.steps[0].parts[0];
  plan.direct = {part.kernel, part.begin, part.end, std::move(buffers), plan.results};
}

}  // namespace

void place_values(Plan& plan) {
  // What kernels read or make are tensors.
  for (auto& s : plan.steps) {
    if (s.kind != Step::Kind::call) continue;
    for (Place p : s.in)
      if (p >= 0 && plan.slots[static_cast<std::size_t>(p)].where == Where::arena) plan.slots[static_cast<std::size_t>(p)].where = Where::tensor;
    for (std::int32_t o : s.out) {
      plan.slots[static_cast<std::size_t>(o)].where = Where::tensor;
      plan.slots[static_cast<std::size_t>(o)].any_strides = s.prim == &core::transpose_p;
    }
  }
  for (auto& s : plan.steps)
    for (Place p : s.in)
      if (p >= 0 && (s.kind != Step::Kind::call || s.prim->lowering.kind == core::Lowering::Kind::none))
        plan.slots[static_cast<std::size_t>(p)].any_strides = false;
  for (Place p : plan.result_place)
    if (p >= 0) plan.slots[static_cast<std::size_t>(p)].any_strides = false;
  std::vector<std::int32_t> born(plan.slots.size(), -1), dies(plan.slots.size(), -1);
  std::vector<std::pair<std::int32_t, std::int32_t>> during(plan.steps.size());  // the first and the last step of its group
  for (std::size_t k = 0; k < plan.steps.size();) {
    const std::size_t first = k, last = k + plan.steps[k].group - 1;
    for (; k <= last; ++k) during[k] = {static_cast<std::int32_t>(first), static_cast<std::int32_t>(last)};
  }
  for (std::size_t k = 0; k < plan.steps.size(); ++k) {
    for (std::int32_t o : plan.steps[k].out) std::tie(born[static_cast<std::size_t>(o)], dies[static_cast<std::size_t>(o)]) = during[k];
    for (Place p : plan.steps[k].in)
      if (p >= 0) dies[static_cast<std::size_t>(p)] = during[k].second;
  }
  for (std::size_t i = 0; i < plan.result_place.size(); ++i) {
    if (plan.result_place[i] < 0) continue;
    const auto k = static_cast<std::size_t>(plan.result_place[i]);
    dies[k] = static_cast<std::int32_t>(plan.steps.size());
    if (plan.slots[k].where == Where::arena) {
      plan.slots[k].where = Where::result;
      plan.slots[k].at = i;
    }
  }
  lay_over(plan, dies);
  auto block = [&](std::size_t k) {  // of a slot in the arena: the first one in its place
    while (!plan.slots[k].over.empty()) k = static_cast<std::size_t>(plan.slots[k].over[0]);
    return k;
  };
  for (std::size_t k = 0; k < plan.slots.size(); ++k)
    if (plan.slots[k].where == Where::arena) dies[block(k)] = std::max(dies[block(k)], dies[k]);
  Arena arena;
  for (std::size_t k = 0; k < plan.slots.size(); ++k) {
    auto& s = plan.slots[k];
    if (s.where == Where::arena && s.bytes && s.over.empty()) arena.add({aligned(s.bytes), born[k], dies[k], &s.at});
    if ((s.where == Where::tensor || s.where == Where::input) && dies[k] >= 0 && dies[k] < static_cast<std::int32_t>(plan.steps.size()))
      plan.steps[static_cast<std::size_t>(dies[k])].dead.push_back(static_cast<std::int32_t>(k));
  }
  for (std::size_t k = 0; k < plan.steps.size(); ++k)
    if (plan.steps[k].work_bytes) arena.add({plan.steps[k].work_bytes, during[k].first, during[k].second, &plan.steps[k].work});
  plan.arena_bytes = arena.place();
  for (std::size_t k = 0; k < plan.slots.size(); ++k)
    if (plan.slots[k].where == Where::arena) plan.slots[k].at = plan.slots[block(k)].at;
  count_held(plan, born, std::move(dies));
}
Tensor Plan::constant(Place p) const {
  const Tensor& t = literal(p);
  if (!t.is_scalar()) return t;
  std::uint64_t bits = 0;
  std::memcpy(&bits, t.bytes(), size_of(t.raw_dtype()));
  return Tensor::scalar_bits(t.raw_dtype(), bits, t.weak());
}
void finish(Plan& plan) {
  std::size_t next = 0;
  for (auto& s : plan.steps)
    for (auto& part : s.parts) {
      if (!plan.code || next == plan.code->kernels.size()) throw ValueError("a plan of other code");
      part.kernel = plan.code->kernels[next++];
    }
  wire(plan);
  find_direct(plan);
}

}  // namespace functra::runtime
