#include "functra/compiler/emit_plan-inl.h"

#include <algorithm>
#include <limits>

namespace functra::compiler {

void NestPlan::analyse() {
  std::vector<std::uint8_t> live(g_.size(), 0);
  for (auto& s : n_.stores) live[s.value] = 1;
  for (auto& r : n_.reductions) live[r.value] = 1;
  if (n_.steps && n_.steps->go != none) live[n_.steps->go] = 1;
  level_.assign(g_.size(), 0);
  stage_.assign(g_.size(), 0);
  rares_before_.assign(g_.size(), 0);
  for (Id i = static_cast<Id>(g_.size()); i-- > 0;)
    if (live[i]) g_.each_operand(i, [&](Id o) { live[o] = 1; });
  stream_of_load_.assign(n_.accesses.size(), 0);
  std::size_t widest = 1, work = 0;
  for (Id i = 0; i < g_.size(); ++i) {
    if (!live[i]) continue;
    const Node& n = g_[i];
    std::size_t level = 0;
    if (n.op == Op::position) level = n.attr + 1;
    if (g_.reads(i)) {
      auto& a = n_.accesses[n.attr];
      stream_of_load_[n.attr] = stream_of(a);
      for (std::size_t k = 0; k < a.strides.size(); ++k)
        if (a.strides[k]) level = k + 1;
      if (n_.steps && n_.steps->moves(n.attr, a.buffer)) level = n_.axes();
    }
    if (n.op == Op::reduced) {
      level = last();
      stage_[i] = static_cast<std::uint8_t>(stage_[n_.reductions[n.attr].value] + 1);
    }
    g_.each_operand(i, [&](Id o) {
      level = std::max<std::size_t>(level, level_[o]);
      stage_[i] = std::max(stage_[i], stage_[o]);
      rares_before_[i] = std::max(rares_before_[i], rares_before_[o]);
    });
    if (n.op == Op::rare) {
      ++rares_before_[i];
      rares_.push_back(i);
    }
    level_[i] = static_cast<std::uint8_t>(level);
    stages_ = std::max<unsigned>(stages_, stage_[i] + 1u);
    if (in_lanes(i)) {
      if (g_.reads(i) || n.op == Op::convert || n.op == Op::binary) widest = std::max(widest, size_of(n.type));
      ++work;
    }
    by_level_.resize(n_.axes() + 1);
    by_level_[level].push_back(i);
  }
  by_level_.resize(n_.axes() + 1);
  for (auto& s : n_.stores) {
    store_streams_.push_back(stream_of(s.at));
    widest = std::max(widest, size_of(s.at.dtype));
  }
  for (auto& r : n_.reductions) {
    reduction_streams_.push_back(r.at.buffer < 0 ? 0 : stream_of(r.at));
    widest = std::max(widest, size_of(r.at.dtype));
  }
  passes_.assign(n_.stores.size(), 0);
  if (n_.axes() == 0) return;
  widest = std::max<std::size_t>(widest, 2);
  const std::int64_t extent = n_.extent(last());
  lanes_ = target_.vector_bytes / static_cast<unsigned>(widest);
  while (lanes_ > 1 && static_cast<std::int64_t>(lanes_) > extent) lanes_ /= 2;
  choose_copies(work, extent);
  std::size_t sums = 0;
  for (auto& r : n_.reductions) sums += over_lanes(r);
  while (copies_ > 1 && 4 * sums * copies_ > 3 * std::size_t{target_.registers}) copies_ /= 2;
  if (n_.axes() == 1 && stages_ == 1 && !n_.steps && extent == static_cast<std::int64_t>(lanes_ * copies_) && lanes_ > 1) find_twins(live);
  if (lanes_ > 1) find_windows();
  choose_groups(live);
  choose_rows(live);
  if (stages_ > 1) choose_kept(live);
  choose_passing();
}
// Records without gaps, in whole vectors per block, of buffers that are too large for caches.
void NestPlan::choose_passing() {
  if (n_.steps || lanes_ == 1) return;
  std::map<std::size_t, std::vector<std::size_t>> records;  // per stream
  for (std::size_t k = 0; k < n_.stores.size(); ++k) {
    auto& at = n_.stores[k].at;
    if (!n_.stores[k].past || is_bool(at.dtype)) continue;
    if (at.strides[last()] > 1) records[store_streams_[k]].push_back(k);
  }
  for (auto& [stream, stores] : records) {
    const Access& first = n_.stores[stores[0]].at;
    const std::size_t bytes = stores.size() * lanes_ * copies_ * size_of(first.dtype);
    std::vector<std::uint8_t> there(stores.size(), 0);
    bool whole = first.strides[last()] == static_cast<std::int64_t>(stores.size()) && bytes % target_.vector_bytes == 0;
    for (std::size_t k : stores) {
      const std::int64_t o = n_.stores[k].at.offset;
      whole = whole && o >= 0 && o < static_cast<std::int64_t>(stores.size()) && stage_[n_.stores[k].value] == stage_[n_.stores[stores[0]].value];
      if (whole) there[static_cast<std::size_t>(o)] = 1;
    }
    if (!whole || std::count(there.begin(), there.end(), 1) != static_cast<std::ptrdiff_t>(stores.size())) continue;
    for (std::size_t k : stores) passes_[k] = 1;
  }
}

// As many as the registers hold, some of them in memory, up to four: a long body has independent operations of its own. A step of a loop has
// not, where each of its operations waits for the one before, so there what does not fit is worth a place in memory.
void NestPlan::choose_copies(std::size_t work, std::int64_t extent) {
  constexpr std::size_t few = 40, some = 300, many = 600;  // operations
  constexpr std::int64_t large = 1 << 16;                  // points: in short loops the first and the last blocks count
  const std::size_t alive = most_alive(), room = target_.registers + target_.registers / 4;
  if (work <= many && alive <= target_.registers) copies_ = n_.steps ? 4 : 2;
  if (work <= few && 4 * alive <= room) copies_ = 4;
  std::int64_t points = 1;
  for (std::size_t a = 0; a < n_.axes(); ++a) points *= n_.extent(a);
  if (target_.deep && !n_.steps && work <= some && 4 * alive <= 3 * target_.registers && points >= large) copies_ = 4;
  while (copies_ > 1 && static_cast<std::int64_t>(lanes_ * copies_) * 2 > extent) copies_ /= 2;
}
// Sums of more columns than the registers hold, weighed by what is made of the same columns (the gradient of a regression: X^T f(X w)): a block
// of vectors first computes what the sums share, a few vectors at a time, then each sum in turn loads its column again from the nearest cache.
void NestPlan::choose_groups(const std::vector<std::uint8_t>& live) {
  constexpr unsigned most = 4, together = 2;  // groups of a block, vectors of a group
  constexpr std::size_t few = 4;              // values shared
  if (stages_ > 1 || n_.steps || !n_.stores.empty() || n_.reductions.size() < 2 || lanes_ == 1) return;
  if (most_alive() + n_.reductions.size() <= target_.registers) return;
  std::vector<std::uint32_t> user(g_.size(), 0);  // which sum, from 1; `several`
  constexpr std::uint32_t several = ~0u;
  auto use = [&](Id i, std::uint32_t by) { user[i] = user[i] == 0 || user[i] == by ? by : several; };
  for (std::size_t k = 0; k < n_.reductions.size(); ++k) {
    if (!over_lanes(n_.reductions[k]) || n_.reductions[k].at.buffer < 0) return;
    use(n_.reductions[k].value, static_cast<std::uint32_t>(k + 1));
  }
  for (Id i = static_cast<Id>(g_.size()); i-- > 0;)
    if (live[i] && in_lanes(i)) g_.each_operand(i, [&](Id o) { use(o, user[i]); });
  auto again = [&](Id i) {
    if (g_[i].op == Op::position) return true;
    return g_[i].op == Op::load && std::abs(n_.accesses[g_[i].attr].strides[last()]) <= 1;
  };
  std::vector<std::uint8_t> asked(g_.size(), 0);  // shared, and needed by what is not
  for (auto& r : n_.reductions) asked[r.value] = user[r.value] == several;
  for (Id i = 0; i < g_.size(); ++i) {
    if (!live[i] || !in_lanes(i)) continue;
    if (g_[i].op == Op::rare && user[i] != several) return;
    if (user[i] != several) g_.each_operand(i, [&](Id o) { asked[o] |= in_lanes(o) && user[o] == several; });
  }
  std::vector<Id> shared;
  for (Id i = 0; i < g_.size(); ++i)
    if (asked[i] && !again(i)) {
      if (is_bool(g_[i].type) || shared.size() == few) return;
      shared.push_back(i);
    }
  const std::int64_t extent = n_.extent(last()), group = static_cast<std::int64_t>(lanes_) * together;
  std::int64_t least = std::numeric_limits<std::int64_t>::max();
  for (unsigned k = most; k > 1; --k) {
    const std::int64_t block = group * k, computed = (extent + block - 1) / block * block;
    if (extent < 2 * block || computed >= least) continue;
    least = computed;
    groups_ = k;
  }
  if (groups_ == 1) return;
  copies_ = together;
  shared_ = std::move(shared);
}
// How many vectors are needed later, at the worst point, where operands are computed when they are first asked for.
std::size_t NestPlan::most_alive() const {
  const Graph& g = g_;
  std::vector<std::uint32_t> order(g.size(), 0), last(g.size(), 0);
  std::vector<Id> done;
  auto emit = [&](Id root) {
    std::vector<Id> stack{root};
    while (!stack.empty()) {
      const Id i = stack.back();
      if (order[i] || !in_lanes(i)) {
        stack.pop_back();
        continue;
      }
      const std::size_t before = stack.size();
      std::vector<Id> missing;
      g.each_operand(i, [&](Id o) {
        if (in_lanes(o) && !order[o]) missing.push_back(o);
      });
      stack.insert(stack.end(), missing.rbegin(), missing.rend());
      if (stack.size() != before) continue;
      stack.pop_back();
      done.push_back(i);
      order[i] = static_cast<std::uint32_t>(done.size());
      g.each_operand(i, [&](Id o) { last[o] = order[i]; });
    }
  };
  for (auto& s : n_.stores) emit(s.value);
  for (auto& r : n_.reductions) emit(r.value);
  std::vector<std::uint32_t> dies(done.size() + 2, 0);
  std::size_t alive = 0, most = 0;
  for (Id i : done) {
    if (!is_bool(g[i].type)) {
      most = std::max(most, ++alive);
      ++dies[std::max(last[i], order[i])];
    }
    alive -= dies[order[i]];
  }
  return most;
}
// Where the whole axis is one block: a value at one position of the axis, written out beside what computes it for all (an operand of a
// small contraction), is a lane of that.
void NestPlan::find_twins(const std::vector<std::uint8_t>& live) {
  auto key = [](const Node& n, Id a, Id b, Id c) { return std::tuple(n.op, n.num, n.type, n.from, a, b, c, n.attr); };
  std::map<decltype(key(g_[0], 0, 0, 0)), Id> known;
  std::map<std::tuple<int, std::int64_t>, Id> loads;  // (buffer, offset)
  for (Id i = 0; i < g_.size(); ++i) {
    const Node& n = g_[i];
    if (!live[i] || in_lanes(i)) continue;
    if (n.op == Op::load) loads[{n_.accesses[n.attr].buffer, n_.accesses[n.attr].offset}] = i;
    else if (n.op != Op::constant && n.op != Op::rare) known[key(n, n.a, n.b, n.c)] = i;
  }
  if (static_cast<std::int64_t>(known.size()) < n_.extent(0)) return;
  twin_.assign(g_.size(), {none, 0});
  std::vector<Id> at(g_.size());
  for (std::int64_t k = 0; k < n_.extent(0); ++k)
    for (Id i = 0; i < g_.size(); ++i) {
      const Node& n = g_[i];
      at[i] = live[i] && !in_lanes(i) ? i : none;
      if (at[i] == i || !live[i]) continue;
      if (n.op == Op::load) {
        auto& a = n_.accesses[n.attr];
        if (auto it = loads.find({a.buffer, a.offset + a.strides[0] * (n_.lower[0] + k)}); it != loads.end()) at[i] = it->second;
        continue;
      }
      if (n.op != Op::unary && n.op != Op::binary && n.op != Op::fma && n.op != Op::select && n.op != Op::convert && n.op != Op::bitcast) continue;
      bool all = true;
      auto of = [&](Id o) {
        if (o == none) return none;
        all &= at[o] != none;
        return at[o];
      };
      const Id a = of(n.a), b = of(n.b), c = of(n.c);
      if (!all) continue;
      auto it = known.find(key(n, a, b, c));
      if (it == known.end()) continue;
      at[i] = it->second;
      twin_[it->second] = {i, k};
    }
  for (Id i = 0; i < g_.size(); ++i) {
    bool lanes = twin_[i].first != none;
    g_.each_operand(i, [&](Id o) { lanes |= live[i] && in_lanes(o); });
    if (lanes) level_[i] = 1;
  }
  std::erase_if(by_level_[0], [&](Id i) { return in_lanes(i); });
}
// What depends on the last axis alone is computed once, where it takes shuffles or long formulas; what is summed up over all other axes,
// and lies in memory with gaps, is summed up in a row without.
void NestPlan::choose_rows(const std::vector<std::uint8_t>& live) {
  constexpr int cheap = 6;                  // operations
  constexpr std::int64_t room = 64 * 1024;  // bytes of the stack
  std::int64_t used = 0, others = 1;
  for (std::size_t a = 0; a + 1 < n_.axes(); ++a) others *= n_.extent(a);
  if (others < 4 || lanes_ == 1 || n_.steps) return;
  auto fits = [&](DType d) { return (used += n_.extent(last()) * static_cast<std::int64_t>(size_of(d))) <= room; };
  auto alone = [&](const Access& a) { return std::all_of(a.strides.begin(), a.strides.end() - 1, [](std::int64_t s) { return s == 0; }); };
  for (std::size_t k = 0; k < n_.reductions.size(); ++k) {
    auto& r = n_.reductions[k];
    if (r.at.buffer < 0 || over_lanes(r) || std::abs(r.at.strides[last()]) <= 1 || !alone(r.at) || is_bool(r.at.dtype)) continue;
    if (!fits(r.at.dtype)) return;
    gathered_.emplace(k, nullptr);
  }
  std::vector<std::uint8_t> along(g_.size(), 0), used_elsewhere(g_.size(), 0);  // on the last axis alone
  std::vector<int> cost(g_.size(), 0);
  for (Id i = 0; i < g_.size(); ++i) {
    if (!live[i] || !in_lanes(i)) continue;
    const Node& n = g_[i];
    along[i] = (n.op == Op::load || stage_[i] == 0) && (!g_.reads(i) || alone(n_.accesses[n.attr]));
    cost[i] = n.op == Op::binary && (n.num == NumOp::div || n.num == NumOp::rem) ? cheap + 1 : n.op != Op::load && n.op != Op::position;
    g_.each_operand(i, [&](Id o) {
      along[i] &= in_lanes(o) ? along[o] : level_[o] == 0;
      cost[i] = std::min(1000, cost[i] + cost[o]);
    });
    if (!along[i]) g_.each_operand(i, [&](Id o) { used_elsewhere[o] = 1; });
  }
  for (auto& s : n_.stores) used_elsewhere[s.value] = 1;
  for (auto& r : n_.reductions) used_elsewhere[r.value] = 1;
  for (Id i = 0; i < g_.size(); ++i) {
    if (!along[i] || !used_elsewhere[i] || is_bool(g_[i].type)) continue;
    const bool apart = g_[i].op == Op::load && std::abs(n_.accesses[g_[i].attr].strides[last()]) > 1;
    if (!apart && cost[i] <= cheap) continue;
    if (!fits(g_[i].type)) return;
    rows_.push_back(i);
  }
}
// What a later stage needs of an earlier one is computed again where that is cheap, and kept for the row otherwise.
void NestPlan::choose_kept(const std::vector<std::uint8_t>& live) {
  constexpr int cheap = 6;                   // operations
  constexpr std::int64_t room = 128 * 1024;  // bytes of the stack
  std::vector<std::uint8_t> crosses(g_.size(), 0);
  for (Id i = 0; i < g_.size(); ++i)
    if (live[i] && in_lanes(i)) g_.each_operand(i, [&](Id o) { crosses[o] |= in_lanes(o) && stage_[o] < stage_[i]; });
  std::vector<int> cost(g_.size(), 0);
  std::int64_t used = 0;
  for (Id i = 0; i < g_.size(); ++i) {
    if (!live[i] || !in_lanes(i)) continue;
    const Node& n = g_[i];
    cost[i] = n.op != Op::load && n.op != Op::position;
    g_.each_operand(i, [&](Id o) { cost[i] = std::min(1000, cost[i] + cost[o]); });
    if (!crosses[i] || cost[i] <= cheap || is_bool(n.type)) continue;
    used += n_.extent(last()) * static_cast<std::int64_t>(size_of(n.type));
    if (used > room) return;
    keep_.push_back(i);
    cost[i] = 1;
  }
}

std::size_t NestPlan::stream_of(const Access& a) {
  Stream s{a.buffer, a.strides};
  for (auto& v : s.strides) v *= static_cast<std::int64_t>(size_of(a.dtype));
  for (std::size_t i = 0; i < streams_.size(); ++i)
    if (streams_[i].buffer == s.buffer && streams_[i].strides == s.strides) return i;
  streams_.push_back(s);
  return streams_.size() - 1;
}
void NestPlan::find_windows() {
  std::map<std::size_t, std::vector<std::int64_t>> offsets;  // per stream, of loads with gaps between lanes
  for (Id i : by_level_[n_.axes()])
    if (g_[i].op == Op::load) {
      auto& a = n_.accesses[g_[i].attr];
      if (std::abs(a.strides[last()]) > 1) offsets[stream_of_load_[g_[i].attr]].push_back(a.offset);
    }
  for (auto& [stream, o] : offsets) {
    std::sort(o.begin(), o.end());
    for (std::size_t k = 0; k < o.size();) {
      unsigned m = lanes_;
      while (m > 1 && o[0] + m - 1 > o.back()) m /= 2;
      std::int64_t from = std::min(o[k], o.back() - static_cast<std::int64_t>(m) + 1);  // what lies between two loads may be loaded
      std::size_t end = k;
      while (end < o.size() && o[end] < from + static_cast<std::int64_t>(m)) ++end;
      if (m > 1 && 2 * (end - k) >= m) {
        windows_[stream].push_back({from, m});
        k = end;
      } else {
        ++k;
      }
    }
  }
}

}  // namespace functra::compiler
