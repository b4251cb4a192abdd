#include "functra/compiler/pack.h"

#include <algorithm>
#include <bit>
#include <limits>
#include <map>

#include "functra/compiler/pack_facts.h"
#include "functra/core/params.h"

namespace functra::compiler {
namespace {

using Kind = Packing::Kind;
using Item = Packing::Item;

struct RowHash {
  std::size_t operator()(const Row& r) const {
    std::size_t h = r.size();
    for (Id i : r) h = core::mix(h, i);
    return h;
  }
};
class Packer {
 public:
  // layout: how carried values lie in vectors; none: every tuple of them that is asked for is there, and `asked` says which were.
  Packer(const Nest& n, const Facts& facts, const std::vector<Row>* layout)
      : n_(n), g_(n.graph), facts_(facts), layout_(layout), located_(g_.size()), scalar_(g_.size(), -1), row_of_(g_.size(), -1) {
    if (n_.packs.used)
      for (const Row& r : n_.packs.rows) chunks(r);
  }
  std::vector<Row> asked() {
    (void)run();
    return std::move(asked_);
  }
  // Ends early where it costs more than `most`; what it hands out then is no packing, but costs more.
  Packing run(double most = std::numeric_limits<double>::infinity()) {
    most_ = most;
    if (n_.serial) begin_steps();
    for (auto& t : result_.turns) {
      if (result_.cost > most_) return std::move(result_);
      Row next;
      for (std::size_t k : t.carried) next.push_back(n_.carried[k].next);
      t.next = planned(next);
    }
    writes();
    return std::move(result_);
  }

 private:
  std::size_t max_lanes(DType d) const { return facts_.max_lanes(d); }
  bool like(Id a, Id b) const {
    const Node &x = g_[a], &y = g_[b];
    if (x.op != y.op || x.num != y.num || x.type != y.type || x.from != y.from) return false;
    return x.op != Op::rare || g_.fallback(x.attr).name == g_.fallback(y.attr).name;
  }
  bool alike(const Row& t) const {
    return g_[t[0]].op != Op::constant && std::all_of(t.begin(), t.end(), [&](Id i) { return like(i, t[0]); });
  }
  static bool distinct(Row t) {
    std::sort(t.begin(), t.end());
    return std::adjacent_find(t.begin(), t.end()) == t.end();
  }
  void chunks(const Row& r) {
    const std::size_t most = max_lanes(g_[r[0]].type);
    for (std::size_t from = 0; from < r.size(); from += most) {
      Row t;
      for (std::size_t l = from; l < std::min(r.size(), from + most); ++l) t.push_back(r[l]);
      if (t.size() < 2 || !alike(t) || !distinct(t)) continue;
      if (std::any_of(t.begin(), t.end(), [&](Id i) { return row_of_[i] >= 0; })) continue;
      for (Id i : t) row_of_[i] = static_cast<int>(rows_.size());
      rows_.push_back(&known(t));
    }
  }
  // ---------------------------------------------------------------- demands, without recursion
  struct State {
    int item = -1;  // that holds it
    int busy = 0;   // begun, and waiting for what it needs
  };
  using Known = std::unordered_map<Row, State, RowHash>::value_type;
  Known& known(const Row& t) { return *known_.try_emplace(t).first; }

  int planned(const Row& t) {
    if (t.size() == 1) return planned(t[0]);
    Known& k = known(t);
    stack_.push_back({&k});
    finish();
    return k.second.item;
  }
  int planned(Id i) {
    if (scalar_[i] < 0) stack_.push_back({nullptr, i});
    finish();
    return scalar_[i];
  }
  void finish() {
    while (!stack_.empty()) {
      const Task now = stack_.back();
      if (now.row && !now.begun) {
        stack_.back().begun = true;
        ++now.row->second.busy;
      }
      if (!(now.row ? vector(*now.row) : scalar(now.one))) continue;  // what it needs stands above it
      if (now.row) --now.row->second.busy;
      stack_.pop_back();
    }
  }
  bool ready(Known& t) {
    if (t.second.item >= 0) return true;
    stack_.push_back({&t});
    return false;
  }
  bool ready(Id i) {
    if (scalar_[i] >= 0) return true;
    stack_.push_back({nullptr, i});
    return false;
  }
  int add(std::span<const Id> t, Item x) {
    x.nodes.assign(t.begin(), t.end());
    for (Id i : t) x.inner |= facts_.inner[i] != 0;
    for (int o : x.operands) x.inner |= result_.items[static_cast<std::size_t>(o)].inner;
    for (auto& f : x.from) x.inner |= f.item >= 0 && result_.items[static_cast<std::size_t>(f.item)].inner;
    result_.cost += cost(x);
    result_.items.push_back(std::move(x));
    return static_cast<int>(result_.items.size()) - 1;
  }
  bool made(Id i, Item x) {
    scalar_[i] = add({&i, 1}, std::move(x));
    return true;
  }
  bool made(Known& t, Item x, bool located) {
    const int k = t.second.item = add(t.first, std::move(x));
    if (located)
      for (unsigned l = 0; l < t.first.size(); ++l) located_[t.first[l]].push_back({k, l});
    return true;
  }
  double cost(const Item& x) const {
    if (!x.inner && n_.serial) return 0;
    const double parts = std::max(1.0, static_cast<double>(x.lanes() * facts_.size) / 32);
    switch (x.kind) {
      case Kind::constants:
      case Kind::carried: return 0;
      case Kind::load: return 0.5;
      case Kind::apply: {
        const Node& n = x.node;
        if (n.op == Op::unary && n.num == NumOp::neg) return 0.5;
        if ((n.op == Op::unary && n.num == NumOp::sqrt) || (n.op == Op::binary && n.num == NumOp::div && is_floating(n.type)))
          return x.lanes() == 1 ? 4 : 4 * parts;
        return 1;
      }
      case Kind::splat: return result_.items[static_cast<std::size_t>(x.from[0].item)].kind == Kind::load ? 0.5 : 2;
      case Kind::shuffle: {
        std::vector<int> sources;
        bool moved = false;
        for (unsigned l = 0; l < x.from.size(); ++l) {
          sources.push_back(x.from[l].item);
          moved |= x.from[l].lane != l;
        }
        std::sort(sources.begin(), sources.end());
        const auto n = std::unique(sources.begin(), sources.end()) - sources.begin();
        return n == 1 ? (moved ? 2 : 0) : 2 * static_cast<double>(n - 1);
      }
      case Kind::insert: {
        double sum = 0;
        for (auto& f : x.from) sum += f.item < 0 ? 0.5 : result_.items[static_cast<std::size_t>(f.item)].kind == Kind::load ? 1 : 2;
        return sum;
      }
      case Kind::extract: return x.from[0].lane ? 2 : 0.5;
    }
    return 0;
  }

  bool scalar(Id i) {
    if (scalar_[i] >= 0) return true;
    const Node& n = g_[i];
    if (n.op == Op::constant) return made(i, {.kind = Kind::constants});
    if (n.op == Op::load) return made(i, {.kind = Kind::load});
    if (!located_[i].empty()) return made(i, {.kind = Kind::extract, .from = {located_[i][0]}});
    if (Known* r = beside(i)) return ready(*r);
    const std::size_t before = stack_.size();
    g_.each_operand(i, [&](Id o) { (void)ready(o); });
    if (stack_.size() > before) {
      std::reverse(stack_.begin() + static_cast<std::ptrdiff_t>(before), stack_.end());  // the first one first
      return false;
    }
    Item x{.kind = Kind::apply, .node = n};
    g_.each_operand(i, [&](Id o) { x.operands.push_back(scalar_[o]); });
    return made(i, std::move(x));
  }

  // The row that it stands in, if it is computed with that and is not yet.
  Known* beside(Id i) {
    if (row_of_[i] < 0 || g_.reads(i)) return nullptr;
    Known& r = *rows_[static_cast<std::size_t>(row_of_[i])];
    return r.second.item >= 0 || r.second.busy ? nullptr : &r;
  }
  bool vector(Known& at) {
    if (at.second.item >= 0) return true;
    const Row& t = at.first;
    const bool constants = std::all_of(t.begin(), t.end(), [&](Id i) { return g_.is_constant(i); });
    if (constants) return made(at, {.kind = Kind::constants}, false);
    if (std::all_of(t.begin(), t.end(), [&](Id i) { return i == t[0]; })) {
      const Id i = t[0];
      if (g_[i].op != Op::load && !located_[i].empty()) return made(at, {.kind = Kind::splat, .from = {located_[i][0]}}, false);
      if (Known* r = beside(i)) return ready(*r);
      return ready(i) && made(at, {.kind = Kind::splat, .from = {{scalar_[i], 0}}}, false);
    }
    const bool same = alike(t);
    if (same && !layout_ && g_[t[0]].op == Op::carried && distinct(t)) {
      asked_.push_back(t);
      return made(at, {.kind = Kind::carried}, true);
    }
    if (shuffled(at, same)) return true;
    if (same) {
      const Op op = g_[t[0]].op;
      if (op == Op::load) {
        if (contiguous(t)) return made(at, {.kind = Kind::load}, true);
        switch (from_runs(at)) {
          case Answer::wait: return false;
          case Answer::done: return true;
          case Answer::no: break;
        }
      } else if (op != Op::carried && op != Op::position && op != Op::gather) {
        switch (applied(at, g_[t[0]], columns(t))) {
          case Answer::wait: return false;
          case Answer::done: return true;
          case Answer::no: break;
        }
      }
    } else {
      switch (unfolded(at)) {
        case Answer::wait: return false;
        case Answer::done: return true;
        case Answer::no: break;
      }
    }
    Item x{.kind = Kind::insert};
    bool all = true;
    for (std::size_t l = t.size(); l-- > 0;)
      if (!g_.is_constant(t[l])) all &= ready(t[l]);
    if (!all) return false;
    for (Id i : t) x.from.push_back({g_.is_constant(i) ? -1 : scalar_[i], 0});
    return made(at, std::move(x), true);
  }
  // All of it lies in few vectors.
  bool shuffled(Known& at, bool same) {
    const Row& t = at.first;
    std::vector<int> sources;
    Item x{.kind = Kind::shuffle};
    bool constants = false, any = false;
    for (Id i : t) {
      if (g_.is_constant(i)) {
        constants = true;
        x.from.push_back({-1, 0});
        continue;
      }
      if (located_[i].empty()) return false;
      any = true;
      const Packing::Lane* best = &located_[i][0];
      for (auto& l : located_[i])
        if (std::find(sources.begin(), sources.end(), l.item) != sources.end()) {
          best = &l;
          break;
        }
      if (std::find(sources.begin(), sources.end(), best->item) == sources.end()) sources.push_back(best->item);
      x.from.push_back(*best);
    }
    if (!any || (same && sources.size() + constants > std::max<std::size_t>(4, t.size()))) return false;
    return made(at, std::move(x), false);
  }
  bool contiguous(const Row& t) const {
    const Access& first = n_.accesses[g_[t[0]].attr];
    for (std::size_t l = 1; l < t.size(); ++l) {
      const Access& a = n_.accesses[g_[t[l]].attr];
      if (a.buffer != first.buffer || a.strides != first.strides || a.offset != first.offset + static_cast<std::int64_t>(l)) return false;
    }
    return true;
  }
  enum class Answer : std::uint8_t { no, wait, done };
  Answer from_runs(Known& at) {
    const Row& t = at.first;
    std::vector<int> runs;
    for (Id i : t) {
      const int k = facts_.run_of[i];
      if (k < 0) return Answer::no;
      if (std::find(runs.begin(), runs.end(), k) == runs.end()) runs.push_back(k);
    }
    if (runs.size() > 1 && (t.size() <= 4 || runs.size() > 4)) return Answer::no;
    bool all = true;
    for (int k : runs) all &= ready(known(facts_.runs[static_cast<std::size_t>(k)]));
    if (!all) return Answer::wait;
    return shuffled(at, false) ? Answer::done : Answer::no;
  }
  // Per operand, those of all lanes; of commutative operations, in the order that makes them most alike.
  std::vector<Row> columns(const Row& t) const {
    std::vector<Row> c;
    for (Id i : t) {
      std::size_t k = 0;
      g_.each_operand(i, [&](Id o) {
        if (c.size() <= k) c.emplace_back();
        c[k++].push_back(o);
      });
    }
    if (!commutes(g_[t[0]])) return c;
    const Id a0 = c[0][0], b0 = c[1][0];
    for (std::size_t l = 1; l < t.size(); ++l) {
      Id &a = c[0][l], &b = c[1][l];
      if (swapped(a0, b0, a, b)) std::swap(a, b);
    }
    return c;
  }
  bool swapped(Id a0, Id b0, Id a, Id b) const {
    if (a == a0 || b == b0 || a == b0 || b == a0) return (b == a0 && a != a0) || (a == b0 && b != b0);
    const auto& s = facts_.shape;
    if (s[a0] != s[b0]) return !(s[a] == s[a0] && s[b] == s[b0]) && s[b] == s[a0] && s[a] == s[b0];
    auto beside = [&](Id x) {  // in a vector with the first lane's operand
      for (auto& l : located_[a0])
        for (auto& m : located_[x])
          if (l.item == m.item) return true;
      return false;
    };
    return !located_[a0].empty() && !beside(a) && beside(b);
  }
  Answer applied(Known& at, const Node& n, const std::vector<Row>& operands) {
    std::vector<Known*> all, missing;
    for (auto& o : operands) {
      all.push_back(&known(o));
      if (all.back()->second.item >= 0) continue;
      if (all.back()->second.busy) return Answer::no;
      missing.push_back(all.back());
    }
    for (std::size_t k = missing.size(); k-- > 0;) (void)ready(*missing[k]);
    if (!missing.empty()) return Answer::wait;
    Item x{.kind = Kind::apply, .node = n};
    for (Known* o : all) x.operands.push_back(o->second.item);
    made(at, std::move(x), true);
    return Answer::done;
  }
  // Lanes in which a structural zero removed an operation: x is x + -0, x - 0, or 1 x + -0; a b is a b + -0.
  Answer unfolded(Known& at) {
    const Row& t = at.first;
    if (!n_.packs.fill || !is_floating(g_[t[0]].type)) return Answer::no;
    for (Id i : t)
      if (g_[i].type != g_[t[0]].type) return Answer::no;
    const Node* most = nullptr;  // the richest operation among the lanes
    auto rank = [](const Node& n) { return n.op == Op::fma ? 3 : n.op == Op::binary && (n.num == NumOp::add || n.num == NumOp::sub) ? 2 : 0; };
    std::size_t with = 0;
    for (Id i : t)
      if (rank(g_[i]) > (most ? rank(*most) : 0)) most = &g_[i];
    if (!most) return Answer::no;
    const Node op = *most;
    const bool fma = op.op == Op::fma, plus = !fma && op.num == NumOp::add;
    const DType d = g_[t[0]].type;
    const Id zero = known_constant(d, plus || fma ? -0.0 : 0.0), one = known_constant(d, 1.0);
    std::vector<Row> c(fma ? 3 : 2);
    for (Id i : t) {
      const Node& n = g_[i];
      if (n.op == op.op && n.num == op.num) {
        ++with;
        c[0].push_back(n.a), c[1].push_back(n.b);
        if (fma) c[2].push_back(n.c);
      } else if (fma && n.op == Op::binary && n.num == NumOp::mul && zero != none) {
        c[0].push_back(n.a), c[1].push_back(n.b), c[2].push_back(zero);
      } else if (zero != none && (!fma || one != none)) {
        if (fma) c[0].push_back(one), c[1].push_back(i), c[2].push_back(zero);
        else c[0].push_back(i), c[1].push_back(zero);
      } else {
        return Answer::no;
      }
    }
    if (2 * with < t.size()) return Answer::no;
    return applied(at, op, c);
  }
  // Constants that nests hold for this (choose_packing adds them): graphs do not grow here.
  Id known_constant(DType d, double v) {
    auto [it, fresh] = constants_.try_emplace({d, std::bit_cast<std::uint64_t>(v)}, none);
    if (fresh)
      for (Id i = 0; i < g_.size(); ++i)
        if (g_.is_number(i, d, v)) it->second = i;
    return it->second;
  }

  // ---------------------------------------------------------------- what is asked for
  void begin_steps() {
    std::vector<std::uint8_t> taken(n_.carried.size(), 0);
    std::map<Id, std::size_t> number;
    for (std::size_t k = 0; k < n_.carried.size(); ++k) number[n_.carried[k].at] = k;
    auto turn = [&](const std::vector<std::size_t>& group) {
      Row at, first;
      for (std::size_t k : group) {
        taken[k] = 1;
        at.push_back(n_.carried[k].at);
        first.push_back(n_.carried[k].first);
      }
      const int start = planned(first);
      const Item carried{.kind = Kind::carried, .inner = true};
      if (at.size() == 1) made(at[0], carried);
      else made(known(at), carried, true);
      result_.turns.push_back({at.size() == 1 ? scalar_[at[0]] : known(at).second.item, -1, group, start});
    };
    if (!layout_) {  // each for itself
      for (auto& c : n_.carried) made(c.at, {.kind = Kind::carried});
      for (const Known* r : rows_) {
        Row next;
        for (Id i : r->first)
          if (auto it = number.find(i); it != number.end()) next.push_back(n_.carried[it->second].next);
        if (next.size() == r->first.size()) planned(next);
      }
      for (auto& c : n_.carried) planned(c.next);
      return;
    }
    for (const Row& r : n_.packs.used ? *layout_ : std::vector<Row>()) {
      std::vector<std::size_t> group;
      for (Id i : r)
        if (auto it = number.find(i); it != number.end() && !taken[it->second]) group.push_back(it->second);
      if (group.size() == r.size()) turn(group);
    }
    if (n_.packs.used)  // the others as they lie in memory
      for (std::size_t k = 0; k < n_.carried.size();) {
        std::vector<std::size_t> group;
        while (k < n_.carried.size() && !taken[k] && group.size() < max_lanes(n_.carried[k].to.dtype) &&
               (group.empty() || follows(n_.carried[group.back()].to, n_.carried[k].to)))
          group.push_back(k++);
        if (group.size() > 1) turn(group);
        else if (group.empty()) ++k;
      }
    for (std::size_t k = 0; k < n_.carried.size(); ++k)
      if (!taken[k]) turn({k});
  }
  static bool follows(const Access& a, const Access& b) {
    return a.buffer == b.buffer && a.dtype == b.dtype && a.strides == b.strides && b.offset == a.offset + 1;
  }
  void writes() {
    std::vector<std::size_t> order(n_.stores.size());
    for (std::size_t k = 0; k < order.size(); ++k) order[k] = k;
    const bool together = n_.packs.used && n_.packs.stores;
    if (together) {
      std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
        auto &x = n_.stores[a].at, &y = n_.stores[b].at;
        return std::tie(x.buffer, x.offset) < std::tie(y.buffer, y.offset);
      });
      for (std::size_t k : order)
        if (int r = row_of_[n_.stores[k].value]; r >= 0) planned(rows_[static_cast<std::size_t>(r)]->first);
    }
    for (std::size_t from = 0; from < order.size() && result_.cost <= most_;) {
      std::size_t to = from + 1;
      while (together && to < order.size() && to - from < max_lanes(n_.stores[order[from]].at.dtype) &&
             follows(n_.stores[order[to - 1]].at, n_.stores[order[to]].at) && in_vector(order[to]) == in_vector(order[from]))
        ++to;
      write({order.begin() + static_cast<std::ptrdiff_t>(from), order.begin() + static_cast<std::ptrdiff_t>(to)});
      from = to;
    }
  }
  bool in_vector(std::size_t store) const { return !located_[n_.stores[store].value].empty(); }
  void write(std::vector<std::size_t> stores) {
    Row t;
    for (std::size_t k : stores) t.push_back(n_.stores[k].value);
    if (t.size() > 1) {
      const std::size_t before = result_.items.size();
      const int k = planned(t);
      const Item& x = result_.items[static_cast<std::size_t>(k)];
      if (x.kind != Kind::insert) {
        result_.cost += 1;
        result_.writes.push_back({std::move(stores), {k}, result_.items.size()});
        return;
      }
      if (static_cast<std::size_t>(k) + 1 == result_.items.size() && static_cast<std::size_t>(k) >= before) {  // made for this store alone
        for (Id i : t) std::erase_if(located_[i], [&](auto& l) { return l.item == k; });
        known(t).second.item = -1;
        result_.cost -= cost(x);
        result_.items.pop_back();
      }
    }
    Packing::Write w{std::move(stores), {}, 0};
    for (Id i : t) w.items.push_back(planned(i));
    result_.cost += static_cast<double>(t.size());
    w.after = result_.items.size();
    result_.writes.push_back(std::move(w));
  }

  const Nest& n_;
  const Graph& g_;
  const Facts& facts_;
  const std::vector<Row>* layout_;
  double most_ = 0;
  std::vector<Row> asked_;
  Packing result_;
  std::vector<std::vector<Packing::Lane>> located_;  // vectors that hold a node
  std::vector<int> scalar_, row_of_;
  std::unordered_map<Row, State, RowHash> known_;
  std::vector<Known*> rows_;
  struct Task {
    Known* row;
    Id one = none;  // without a row
    bool begun = false;
  };
  std::vector<Task> stack_;
  std::map<std::pair<DType, std::uint64_t>, Id> constants_;
};

}  // namespace

Packing pack(const Nest& nest) { return Packer(nest, Facts(nest, nest.packs.used), &nest.packs.layout).run(); }

void add_fillers(Graph& g) {
  for (DType d : {DType::f32, DType::f64})
    for (double v : {-0.0, 0.0, 1.0}) g.constant(d, Scalar(v));
}
Packing choose_packing(Nest& nest, std::span<const std::vector<Row>> ways) {
  add_fillers(nest.graph);
  nest.packs = {};
  const Facts facts(nest);
  Packing best = Packer(nest, facts, &nest.packs.layout).run();
  double least = 0.9 * best.cost;
  Packs chosen;
  auto consider = [&](Packs packs) {
    packs.used = true;
    nest.packs = std::move(packs);
    Packing p = Packer(nest, facts, &nest.packs.layout).run(least);
    if (p.cost >= least) return;
    least = p.cost;
    best = std::move(p);
    chosen = nest.packs;
  };
  for (std::size_t k = 0; k <= ways.size(); ++k) {
    const std::vector<Row> rows = k < ways.size() ? ways[k] : std::vector<Row>();
    consider({.rows = rows, .layout = rows});
    if (nest.serial) consider({.rows = rows, .layout = Packer(nest, facts, nullptr).asked()});
    else if (!rows.empty()) consider({.stores = false, .rows = rows, .layout = rows});
  }
  // Without rows of tensors: what is computed alike. Such code waits for its results, so nothing is added that they would wait for.
  if (!nest.serial && !chosen.used)
    if (auto rows = siblings(nest); !rows.empty()) {
      least = 0.98 * best.cost;
      consider({.fill = false, .rows = rows, .layout = rows});
    }
  nest.packs = std::move(chosen);
  return best;
}

}  // namespace functra::compiler
