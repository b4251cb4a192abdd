#include "functra/compiler/fuse.h"

#include <algorithm>
#include <set>

#include "functra/compiler/avals.h"
#include "functra/compiler/pull.h"
#include "functra/compiler/build.h"
#include "functra/core/basis.h"
#include "functra/core/replay.h"
#include "functra/prims/contract.h"
#include "functra/prims/index.h"
#include "functra/prims/shape.h"

namespace functra::compiler {

using core::Eqn;
using core::Lowering;
using core::Program;
using core::Var;
using Kind = Lowering::Kind;

namespace {

constexpr std::int32_t nowhere = -1;  // an equation that is computed wherever it is used
// How much of it is one nest: more where many points share the code.
int max_members(const Shape& space) {
  constexpr int most = 5000, usual = 1200;
  constexpr std::int64_t many = 1024;  // points
  return space.numel() >= many ? most : usual;
}

struct Group {
  bool call = false;
  bool gone = false;             // merged into another
  Shape space;                   // large extents of the domain of what it computes
  int members = 0;               // equations that compute something
  std::set<std::int32_t> needs;  // groups whose results it reads
  std::vector<Shape> rows;       // what it reduces term by term: each term is computed for each point of the result
};

class Fusion {
 public:
  explicit Fusion(const Program& p) : p_(p), defines_(definitions(p)), small_(small_extent(p)), group_(p.eqns.size(), nowhere) {}

  std::vector<Unit> run() {
    std::vector<Unit> out;
    std::vector<std::uint8_t> written(p_.type_of.size(), 0);
    Packings packings;
    for (Unit& u : grouped()) build(p_, defines_, small_, std::move(u), written, packings, out);
    return out;
  }
  // Without their nests.
  std::vector<Unit> grouped() {
    index_consumers();
    written_as_.assign(p_.eqns.size(), nowhere);
    for (std::size_t k = p_.eqns.size(); k-- > 0;) place(k);
    std::vector<Unit> r = ordered();
    find_buffers(r);
    return r;
  }

 private:
  void index_consumers() {
    std::size_t n = p_.type_of.size();
    first_.assign(n + 1, 0);
    for (auto& e : p_.eqns)
      for (Var v : p_.operands(e))
        if (v >= 0) ++first_[static_cast<std::size_t>(v) + 1];
    for (std::size_t i = 0; i < n; ++i) first_[i + 1] += first_[i];
    consumers_.resize(first_[n]);
    std::vector<std::uint32_t> at(first_.begin(), first_.end() - 1);
    for (std::size_t k = 0; k < p_.eqns.size(); ++k)
      for (Var v : p_.operands(p_.eqns[k]))
        if (v >= 0) consumers_[at[static_cast<std::size_t>(v)]++] = static_cast<std::uint32_t>(k);
    is_output_.assign(n, 0);
    for (Var v : p_.outputs)
      if (v >= 0) is_output_[static_cast<std::size_t>(v)] = 1;
  }

  // Groups that read results of equation k; a duplicated equation's readers are those of its results.
  void readers_of(std::size_t k, std::set<std::int32_t>& out, bool& stored) {
    const Eqn& e = p_.eqns[k];
    for (std::uint32_t r = 0; r < e.n_out; ++r) {
      std::size_t v = e.out + r;
      stored |= is_output_[v] != 0;
      for (std::uint32_t c = first_[v]; c < first_[v + 1]; ++c) {
        std::uint32_t j = consumers_[c];
        if (group_[j] != nowhere) out.insert(found(group_[j]));
        else out.insert(copies_[j].begin(), copies_[j].end());
      }
    }
    std::set<std::int32_t> now;
    for (std::int32_t g : out) now.insert(found(g));
    out = std::move(now);
  }
  std::int32_t found(std::int32_t g) const {
    while (merged_[static_cast<std::size_t>(g)] != g) g = merged_[static_cast<std::size_t>(g)];
    return g;
  }
  // Does `from` need a result of `to`, directly or by others? Yes, where the search grows long.
  bool depends(std::int32_t from, std::int32_t to, bool skip_direct = false) const {
    std::vector<std::int32_t> stack{from};
    std::set<std::int32_t> seen{from};
    while (!stack.empty()) {
      std::int32_t g = stack.back();
      stack.pop_back();
      for (std::int32_t raw : groups_[static_cast<std::size_t>(g)].needs) {
        std::int32_t d = found(raw);
        if (d == g) continue;
        if (d == to) {
          if (skip_direct && g == from) continue;
          return true;
        }
        if (seen.insert(d).second) stack.push_back(d);
        if (seen.size() > 200) return true;
      }
    }
    return false;
  }
  std::int32_t fresh(bool call, Shape space) {
    groups_.push_back({call, false, std::move(space), 0, {}, {}});
    merged_.push_back(static_cast<std::int32_t>(groups_.size() - 1));
    return static_cast<std::int32_t>(groups_.size() - 1);
  }
  Group& at(std::int32_t g) { return groups_[static_cast<std::size_t>(g)]; }
  bool mergeable(std::int32_t a, std::int32_t b) {
    return !at(a).call && !at(b).call && at(a).space == at(b).space && at(a).members + at(b).members <= max_members(at(a).space) && !depends(a, b) &&
           !depends(b, a);
  }
  std::int32_t merge(std::int32_t a, std::int32_t b) {
    merged_[static_cast<std::size_t>(b)] = a;
    at(a).members += at(b).members;
    at(a).needs.merge(at(b).needs);
    at(a).rows.insert(at(a).rows.end(), at(b).rows.begin(), at(b).rows.end());
    at(b).gone = true;
    return a;
  }
  void join(std::size_t k, std::int32_t g, const std::set<std::int32_t>& readers) {
    group_[k] = g;
    at(g).members += cost(p_.eqns[k]) > 0;
    if (long_row(p_.eqns[k])) at(g).rows.push_back(p_.operand_type(p_.operands(p_.eqns[k])[0]).shape);
    for (std::int32_t r : readers)
      if (r != g) at(r).needs.insert(g);
  }

  // A reduction of many terms that is written out.
  bool long_row(const Eqn& e) const {
    constexpr std::int64_t many = 8;
    return e.prim->lowering.kind == Kind::reduction && !sums_axes(p_, e) && terms(p_, e) >= many;
  }
  // Work per element, in simple operations; a large number for what is not worth computing twice.
  static int cost(const Eqn& e) {
    switch (e.prim->lowering.kind) {
      case Kind::scalar: return cheap_formula(e.prim->name) ? 1 : 20;
      case Kind::reduction:
      case Kind::contraction: return 20;
      case Kind::placed: return e.prim->lowering.anywhere >= 0 ? 2 : 20;
      default: return 0;
    }
  }

  // Does a reader want its elements from places that are computed? They are in memory then.
  bool read_anywhere(const Eqn& e) const {
    for (std::uint32_t r = 0; r < e.n_out; ++r)
      for (std::uint32_t c = first_[e.out + r]; c < first_[e.out + r + 1]; ++c) {
        const Eqn& reader = p_.eqns[consumers_[c]];
        const int k = reader.prim->lowering.anywhere;
        if (k >= 0 && p_.operands(reader)[static_cast<std::size_t>(k)] == static_cast<Var>(e.out + r)) return true;
      }
    return false;
  }
  // A result that is, in memory, what an operand is, or a part of it.
  bool is_view(const Eqn& e) const {
    constexpr std::int64_t copied = 1024;  // elements
    const Kind kind = e.prim->lowering.kind;
    if (e.prim == &prims::dynamic_slice_p) return p_.type(static_cast<Var>(e.out)).shape.numel() > copied;
    return p_.operands(e).size() && (kind == Kind::reshape || (kind == Kind::identity && e.n_out == 1));
  }

  bool by_kernel(const Eqn& e) const { return !fusible(p_, e, small_); }
  std::span<const std::uint32_t> consumers_of(Var v) const {
    const auto i = static_cast<std::size_t>(v);
    return std::span(consumers_).subspan(first_[i], first_[i + 1] - first_[i]);
  }
  // Of a large transpose: the equation, run by a kernel, that makes what it turns; or nowhere.
  std::int32_t kernel_behind(std::size_t k) const {
    constexpr std::int64_t copied = 1024;  // elements
    const Eqn& e = p_.eqns[k];
    if (e.prim != &core::transpose_p || p_.type(static_cast<Var>(e.out)).shape.numel() <= copied) return nowhere;
    const Var from = p_.operands(e)[0];
    const std::int32_t made = from < 0 ? nowhere : defines_[static_cast<std::size_t>(from)];
    return made != nowhere && by_kernel(p_.eqns[static_cast<std::size_t>(made)]) ? made : nowhere;
  }
  // A transpose of what a kernel made, which only kernels of the library's read: they take it as it lies.
  bool is_view_for_kernels(std::size_t k) const {
    const std::int32_t made = kernel_behind(k);
    if (made == nowhere || !core::inner_programs(p_.eqns[static_cast<std::size_t>(made)]).empty()) return false;
    return std::ranges::all_of(consumers_of(static_cast<Var>(p_.eqns[k].out)), [&](std::uint32_t c) {
      const Eqn& x = p_.eqns[c];
      return by_kernel(x) && core::inner_programs(x).empty() && x.prim->lowering.kind != Kind::none && !core::has_effect(x);
    });
  }
  // The product, by a kernel, that can be written in the order of this transpose, which else is a copy of it; or nowhere. Rows of the product
  // stay rows.
  std::int32_t product_of(std::size_t k, bool stored) const {
    constexpr std::int64_t shortest = 32;  // elements
    const std::int32_t made = kernel_behind(k);
    if (made == nowhere || p_.eqns[static_cast<std::size_t>(made)].prim != &prims::dot_general_p) return nowhere;
    const Eqn& e = p_.eqns[k];
    const core::Params params = e.params;
    const Shape &perm = params.get<prims::PermParams>().perm, &to = p_.type(static_cast<Var>(e.out)).shape;
    const Var from = p_.operands(e)[0];
    if (perm.back() + 1 != to.rank() || to.back() < shortest || is_output_[static_cast<std::size_t>(from)] || consumers_of(from).size() != 1)
      return nowhere;
    auto reads_by_kernel = [&](std::uint32_t c) { return by_kernel(p_.eqns[c]); };
    return stored || std::ranges::all_of(consumers_of(static_cast<Var>(e.out)), reads_by_kernel) ? made : nowhere;
  }

  void place(std::size_t k) {
    const Eqn& e = p_.eqns[k];
    if (written_as_[k] != nowhere) return join(k, written_as_[k], {});
    std::set<std::int32_t> readers;
    bool stored = false;
    readers_of(k, readers, stored);
    if (readers.empty() && !stored && !core::has_effect(e)) {
      copies_[static_cast<std::uint32_t>(k)];  // nobody asks: computed nowhere
      return;
    }
    if (!fusible(p_, e, small_)) {
      std::int32_t g = fresh(true, {});
      join(k, g, readers);
      if (core::has_effect(e)) {  // effects keep their order
        if (next_effect_ >= 0) at(found(next_effect_)).needs.insert(g);
        next_effect_ = g;
      }
      return;
    }
    if (const std::int32_t product = product_of(k, stored); product != nowhere)
      return join(k, written_as_[static_cast<std::size_t>(product)] = fresh(true, {}), readers);
    if (!stored && is_view_for_kernels(k)) return join(k, fresh(true, {}), readers);
    const Shape space = space_of(p_, e, small_);
    const bool root = sums_axes(p_, e);
    std::int64_t mine = p_.type(static_cast<Var>(e.out)).shape.numel();
    bool any_call = false;
    for (std::int32_t r : readers) any_call |= at(r).call;
    any_call |= cost(e) > 0 && read_anywhere(e);
    // A row's sum beside what uses it.
    if (root && !any_call && !readers.empty() && sums_rows(p_, e, small_)) {
      std::int32_t a = *readers.begin();
      bool one = at(a).space == space && at(a).members < max_members(space);
      for (std::int32_t b : readers)
        if (one && found(b) != found(a)) {
          one = mergeable(found(a), found(b));
          if (one) a = merge(found(a), found(b));
        }
      if (one) {
        readers.clear();
        readers_of(k, readers, stored);
        return join(k, found(a), readers);
      }
    }
    if (!stored && !any_call && !readers.empty() && worth_turning(e, readers)) return join(k, fresh(false, space), readers);
    // Inside its only reader.
    if (!stored && !any_call && !root && readers.size() == 1) {
      Group& g = at(*readers.begin());
      bool repeated = g.space.numel() > 4 * mine && mine > 64 && cost(e) > 1 && !one_per_row(k, g.space);
      repeated |= long_row(e) && std::find(g.rows.begin(), g.rows.end(), p_.type(static_cast<Var>(e.out)).shape) != g.rows.end();
      if (!repeated && g.members < max_members(g.space)) return join(k, *readers.begin(), readers);
    }
    // Several readers over the same space that can be one.
    if (!any_call && readers.size() > 1) {
      std::int32_t a = *readers.begin();
      bool one = !root;
      for (std::int32_t b : readers)
        if (b != a && one) {
          one = mergeable(found(a), b);
          if (one) a = merge(found(a), b);
        }
      if (one && !stored) return place(k);
    }
    readers.clear();
    readers_of(k, readers, stored);
    // In each of its readers, where that costs less than memory.
    if (!stored && !any_call && !root && cost(e) == 0) {
      auto& c = copies_[static_cast<std::uint32_t>(k)];
      c.assign(readers.begin(), readers.end());
      return;
    }
    if (is_view(e)) return join(k, fresh(true, {}), readers);
    // Beside what a reader, or a neighbour, computes over the same space, so that what they share is computed once.
    for (std::int32_t r : readers) {
      if (root || at(r).call || !(at(r).space == space) || at(r).members >= max_members(space)) continue;
      bool legal = true;
      for (std::int32_t other : readers) legal &= other == r || !depends(r, other);
      if (!legal) continue;
      std::int32_t one = r;  // with its other readers over that space, which need not read it from memory then
      for (std::int32_t other : std::set(readers)) {
        other = found(other), one = found(one);
        bool alone = other != one && mergeable(one, other);  // and waits for none of the others, which wait for it then
        for (std::int32_t x : readers) alone = alone && (found(x) == other || found(x) == one || !depends(other, found(x)));
        if (alone) one = merge(one, other);
      }
      readers.clear();
      readers_of(k, readers, stored);
      return join(k, found(one), readers);
    }
    std::int32_t g = fresh(false, space);
    join(k, g, readers);
    for (std::int32_t h = g - 1; h >= 0 && h > g - 24; --h)
      if (!at(h).gone && shares_input(k, h) && mergeable(g, h)) {
        merge(h, g);
        return;
      }
  }
  // A transpose that brings a dimension into the lanes of a reader which goes over its elements many times: read with gaps otherwise.
  bool worth_turning(const Eqn& e, const std::set<std::int32_t>& readers) {
    constexpr std::int64_t times = 8, shortest = 16;
    if (e.prim != &core::transpose_p) return false;
    const core::Params params = e.params;
    const Shape &perm = params.get<prims::PermParams>().perm, &to = p_.type(static_cast<Var>(e.out)).shape;
    if (perm.empty() || perm.back() + 1 == to.rank() || to.back() < shortest) return false;
    if (std::ranges::none_of(readers, [&](std::int32_t r) { return at(r).space.numel() >= times * to.numel(); })) return false;
    return runs_in_lanes(static_cast<Var>(e.out), to.rank() - 1);
  }
  // Is dimension d of v, followed through those who use it in one group, the last one of what they are computed over?
  bool runs_in_lanes(Var v, std::int64_t d) {
    std::int32_t group = nowhere;
    for (int steps = 0; steps < 16; ++steps) {
      const Eqn* next = nullptr;
      const auto i = static_cast<std::size_t>(v);
      for (std::uint32_t c = first_[i]; c < first_[i + 1] && !next; ++c) {
        const std::uint32_t j = consumers_[c];
        const std::int32_t g = group_[j] == nowhere ? group : found(group_[j]);
        if (group_[j] == nowhere && copies_[j].empty()) continue;
        if (group != nowhere && g != group) continue;
        group = g;
        next = &p_.eqns[j];
      }
      if (!next) break;
      const core::Params params = next->params;
      const Kind kind = next->prim->lowering.kind;
      if (next->prim == &core::broadcast_in_dim_p) d = params.get<prims::BroadcastParams>().dims[static_cast<std::size_t>(d)];
      else if (next->prim == &core::transpose_p) d = params.get<prims::PermParams>().perm.find(d);
      else if (kind == Kind::reduction) return d + 1 == p_.type(v).shape.rank();
      else if (kind != Kind::scalar && kind != Kind::convert && kind != Kind::identity) return false;
      v = static_cast<Var>(next->out);
    }
    return group != nowhere && d + 1 == p_.type(v).shape.rank();
  }
  // Is the result of equation k one number for each row of this space, which is computed before the loop over the row?
  bool one_per_row(std::size_t k, const Shape& space) const {
    const Eqn& e = p_.eqns[k];
    const Shape mine = space_of(p_, e, small_), &shape = p_.type(static_cast<Var>(e.out)).shape;
    if (e.n_out != 1 || mine.size() >= space.size() || !std::equal(mine.begin(), mine.end(), space.begin())) return false;
    for (std::uint32_t c = first_[e.out]; c < first_[e.out + 1]; ++c) {
      const Eqn& reader = p_.eqns[consumers_[c]];
      if (p_.type(static_cast<Var>(reader.out)).shape == shape) continue;
      if (reader.prim != &core::broadcast_in_dim_p) return false;
      core::Params q = reader.params;
      const Shape dims = q.get<prims::BroadcastParams>().dims;
      for (std::size_t d = 0; d < dims.size(); ++d)
        if (dims[d] != static_cast<std::int64_t>(d)) return false;
    }
    return true;
  }
  // Does group h read a large operand of equation k?
  bool shares_input(std::size_t k, std::int32_t h) {
    if (at(h).call) return false;
    for (Var v : p_.operands(p_.eqns[k])) {
      if (v < 0 || p_.type(v).shape.numel() < 64) continue;
      for (std::uint32_t c = first_[static_cast<std::size_t>(v)]; c < first_[static_cast<std::size_t>(v) + 1]; ++c) {
        std::uint32_t j = consumers_[c];
        if (group_[j] != nowhere && found(group_[j]) == h) return true;
      }
    }
    return false;
  }

  // ---------------------------------------------------------------- units from groups
  std::vector<Unit> ordered() {
    // Members per group, duplicates included.
    std::map<std::int32_t, std::vector<std::uint32_t>> members;
    for (std::size_t k = 0; k < p_.eqns.size(); ++k) {
      if (group_[k] != nowhere) members[found(group_[k])].push_back(static_cast<std::uint32_t>(k));
      else
        for (std::int32_t g : copies_[static_cast<std::uint32_t>(k)]) {
          auto& m = members[found(g)];
          if (m.empty() || m.back() != k) m.push_back(static_cast<std::uint32_t>(k));
        }
    }
    // Depth first over what each needs; groups in program order of their first member keep the result stable.
    std::vector<std::int32_t> order;
    std::set<std::int32_t> done;
    for (auto& [root, _] : members) {
      std::vector<std::pair<std::int32_t, bool>> stack{{root, false}};
      while (!stack.empty()) {
        auto [g, ready] = stack.back();
        stack.pop_back();
        if (ready) {
          if (done.insert(g).second) order.push_back(g);
          continue;
        }
        if (done.count(g)) continue;
        stack.emplace_back(g, true);
        for (std::int32_t raw : at(g).needs)
          if (std::int32_t d = found(raw); d != g && !done.count(d)) stack.emplace_back(d, false);
      }
    }
    std::vector<Unit> r;
    for (std::int32_t g : order) {
      Unit u;
      u.call = at(g).call;
      u.eqns = members[g];
      std::sort(u.eqns.begin(), u.eqns.end());
      r.push_back(std::move(u));
    }
    return r;
  }
  // What they read from memory and write to it.
  void find_buffers(std::vector<Unit>& r) {
    std::vector<std::uint8_t> needed(p_.type_of.size(), 0);
    for (Var v : p_.outputs)
      if (v >= 0) needed[static_cast<std::size_t>(v)] = 1;
    for (Unit& u : r) {
      for (std::uint32_t k : u.eqns) {
        const Eqn& e = p_.eqns[k];
        for (Var v : p_.operands(e)) {
          if (v < 0) continue;
          std::int32_t d = defines_[static_cast<std::size_t>(v)];
          bool mine = d >= 0 && std::binary_search(u.eqns.begin(), u.eqns.end(), static_cast<std::uint32_t>(d));
          if (!mine) {
            if (std::find(u.in.begin(), u.in.end(), v) == u.in.end()) u.in.push_back(v);
            needed[static_cast<std::size_t>(v)] = 1;
          }
        }
      }
    }
    for (Unit& u : r) {
      for (std::uint32_t k : u.eqns) {
        const Eqn& e = p_.eqns[k];
        const bool here = u.call || (group_[k] != nowhere);
        for (std::uint32_t i = 0; i < e.n_out; ++i)
          if (here && (u.call ? k == u.eqns.back() : needed[e.out + i] != 0)) u.out.push_back(static_cast<Var>(e.out + i));
      }
    }
  }

  const Program& p_;
  std::vector<std::int32_t> defines_;
  std::int64_t small_;
  std::int32_t next_effect_ = nowhere;                         // the group of the one after
  std::vector<std::int32_t> group_, written_as_;               // written_as: of a product that is written transposed, the group of that
  std::map<std::uint32_t, std::vector<std::int32_t>> copies_;  // equations computed in each reader: which
  std::vector<Group> groups_;
  std::vector<std::int32_t> merged_;
  std::vector<std::uint32_t> first_, consumers_;
  std::vector<std::uint8_t> is_output_;
};

}  // namespace

bool cheap_formula(std::string_view name) {
  for (std::string_view s : {"add", "sub", "mul", "neg", "select", "eq", "ne", "lt", "le", "gt", "ge", "max", "min", "abs", "sign", "bitwise_and",
                             "bitwise_or", "bitwise_not"})
    if (s == name) return true;
  return false;
}
std::vector<Unit> units(const Program& p) { return Fusion(p).run(); }
std::int64_t traffic(const Program& p) {
  std::int64_t bytes = 0;
  for (const Unit& u : Fusion(p).grouped())
    for (auto* list : {&u.in, &u.out})
      for (Var v : *list)
        if (v >= 0) bytes += core::bytes_of(p.type(v));
  return bytes;
}

}  // namespace functra::compiler
