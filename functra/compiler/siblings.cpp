// Parts of scalar code that are computed alike and do not wait for each other: the polynomials of a sine and a cosine.
#include <algorithm>
#include <map>
#include <set>

#include "functra/compiler/pack.h"
#include "functra/core/params.h"

namespace functra::compiler {
namespace {

class Siblings {
 public:
  explicit Siblings(const Nest& n) : g_(n.graph), live_(n.graph.size(), 0), used_(n.graph.size(), 0) {
    for (auto& s : n.stores) live_[s.value] = 1;
    for (Id i = static_cast<Id>(g_.size()); i-- > 0;)
      if (live_[i]) g_.each_operand(i, [&](Id o) { live_[o] = 1; });
  }
  std::vector<Row> run() {
    constexpr std::size_t largest = 4000, like = 24;  // nodes; candidates to compare with
    constexpr int least = 6;
    std::vector<Row> rows;
    if (g_.size() > largest) return rows;
    std::map<std::size_t, std::vector<Id>> looks;  // those that look the same so far
    struct Pair {
      int count;
      Id a, b;
    };
    std::vector<Pair> pairs;
    for (Id i = 0; i < g_.size(); ++i) {
      if (!live_[i] || !ends(i)) continue;
      auto& before = looks[look(i, 2)];
      for (std::size_t k = before.size(); k-- > 0 && before.size() - k <= like;)
        if (const int n = alike(before[k], i); n >= least && apart(before[k], i)) pairs.push_back({n, before[k], i});
      before.push_back(i);
    }
    std::stable_sort(pairs.begin(), pairs.end(), [](auto& x, auto& y) { return x.count > y.count; });
    for (const Pair& p : pairs) {
      if (used_[p.a] || used_[p.b]) continue;
      rows.push_back({p.a, p.b});
      (void)alike(p.a, p.b);
      for (auto [a, b] : seen_) used_[a] = used_[b] = 1;
    }
    return rows;
  }

 private:
  // Where a formula may end: sums of products.
  bool ends(Id i) const { return is_floating(g_[i].type) && (g_[i].op == Op::fma || g_[i].op == Op::binary); }
  bool same_kind(Id a, Id b) const {
    const Node &x = g_[a], &y = g_[b];
    return x.op == y.op && x.num == y.num && x.type == y.type && x.from == y.from && x.op != Op::rare;
  }
  // What operations it is made of, so deep.
  std::size_t look(Id i, int depth) const {
    const Node& n = g_[i];
    std::size_t h = core::mix(core::mix(static_cast<std::size_t>(n.op), static_cast<std::size_t>(n.num)), static_cast<std::size_t>(n.type));
    if (depth > 0) g_.each_operand(i, [&](Id o) { h = core::mix(h, look(o, depth - 1)); });
    return h;
  }
  // The operations that correspond, from these down to where they are not alike, where scalars are put together.
  int alike(Id a, Id b) {
    constexpr int put_together = 2;
    seen_.clear();
    int count = 0;
    std::vector<std::pair<Id, Id>> stack{{a, b}};
    while (!stack.empty()) {
      auto [x, y] = stack.back();
      stack.pop_back();
      if (x == y || !seen_.insert({x, y}).second || (g_.is_constant(x) && g_.is_constant(y))) continue;
      if (!same_kind(x, y) || g_.reads(x) || g_[x].op == Op::carried || g_[x].op == Op::position || g_[x].op == Op::reduced) {
        count -= put_together;
        continue;
      }
      ++count;
      for (auto [p, q] : {std::pair(g_[x].a, g_[y].a), {g_[x].b, g_[y].b}, {g_[x].c, g_[y].c}})
        if (p != none) stack.emplace_back(p, q);
    }
    return count;
  }
  // The later one is not made of the earlier one. (Operands have smaller numbers.)
  bool apart(Id a, Id b) const {
    std::vector<std::uint8_t> seen(b - a + 1, 0);
    std::vector<Id> stack{b};
    while (!stack.empty()) {
      const Id i = stack.back();
      stack.pop_back();
      if (i == a) return false;
      if (i < a || std::exchange(seen[i - a], 1)) continue;
      g_.each_operand(i, [&](Id o) { stack.push_back(o); });
    }
    return true;
  }

  const Graph& g_;
  std::vector<std::uint8_t> live_, used_;
  std::set<std::pair<Id, Id>> seen_;  // corresponding nodes
};

}  // namespace

std::vector<Row> siblings(const Nest& n) { return Siblings(n).run(); }

}  // namespace functra::compiler
