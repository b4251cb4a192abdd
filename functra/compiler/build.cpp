#include "functra/compiler/build.h"

#include <algorithm>
#include <cmath>

#include "functra/compiler/lane_loops.h"
#include "functra/compiler/pack.h"
#include "functra/compiler/pull.h"
#include "functra/compiler/serial_loops.h"
#include "functra/prims/shape.h"

namespace functra::compiler {

using core::Eqn;
using core::Lowering;
using core::Mask;
using core::Program;
using core::Var;
using Kind = Lowering::Kind;

std::vector<std::int32_t> definitions(const Program& p) {
  std::vector<std::int32_t> r(p.type_of.size(), -1);
  for (std::size_t k = 0; k < p.eqns.size(); ++k)
    for (std::uint32_t i = 0; i < p.eqns[k].n_out; ++i) r[p.eqns[k].out + i] = static_cast<std::int32_t>(k);
  return r;
}
std::int64_t small_extent(const Program& p) {
  constexpr std::int64_t usual = 16, little = 40, some = 128, batch = 64;
  std::int64_t largest = 1, most = 1;
  std::vector<std::uint8_t> read(p.type_of.size(), 0);  // whole: of what is only sliced, the slices count
  for (auto& e : p.eqns) {
    for (std::uint32_t i = 0; i < e.n_out; ++i) read[e.out + i] = 1;
    if (e.prim == &prims::slice_p) continue;
    for (Var v : p.operands(e))
      if (v >= 0) read[static_cast<std::size_t>(v)] = 1;
  }
  std::vector<const Aval*> types;
  for (std::size_t v = 0; v < read.size(); ++v)
    if (read[v]) types.push_back(&p.type(static_cast<Var>(v)));
  for (auto* t : types)
    for (std::int64_t n : t->shape) largest = std::max(largest, n);
  for (auto* t : types) most = std::max(most, t->shape.numel());
  if (most <= little) return little;
  if (largest < batch || most <= some) {
    std::size_t structural = 0;
    for (auto& e : p.eqns) structural += e.prim->lowering.kind != Kind::scalar && e.prim->lowering.kind != Kind::convert;
    return most <= some && 4 * structural >= p.eqns.size() ? some : usual;
  }
  std::int64_t per_lane = 1, other = usual;
  for (auto* t : types) {
    const int at = t->shape.find(largest);
    per_lane = std::max(per_lane, at < 0 ? t->shape.numel() : t->shape.numel() / largest);
    for (std::size_t d = 0; d < t->shape.size(); ++d)
      if (static_cast<int>(d) != at) other = std::max(other, t->shape[d]);
  }
  std::size_t mixing = 0;  // of elements of one lane
  for (auto& e : p.eqns) {
    Kind k = e.prim->lowering.kind;
    mixing += k == Kind::contraction || k == Kind::pieces || k == Kind::reshape;
  }
  const bool fits = per_lane <= little || (per_lane <= some + usual && 8 * mixing > p.eqns.size());
  return fits && other < largest ? other : usual;
}
bool fusible(const Program& p, const Eqn& e, std::int64_t small) {
  if (!can_pull(p, e)) return false;
  for (std::uint32_t i = 0; i < e.n_out; ++i)
    if (p.type(static_cast<Var>(e.out + i)).shape.numel() == 0) return false;
  for (Var v : p.operands(e))
    if (p.operand_type(v).shape.numel() == 0) return false;
  if (e.prim->lowering.kind == Kind::contraction) {
    std::int64_t n = terms(p, e);
    if (n <= 2) return true;
    auto c = e.prim->lowering.contraction(e.params);
    const Shape l = p.operand_type(p.operands(e)[0]).shape, r = p.operand_type(p.operands(e)[1]).shape;
    std::int64_t batch = l.pick(c.left_batch).numel(), rows = l.numel() / n / batch, columns = r.numel() / n / batch;
    if (n > max_unrolled) return (rows == 1 || columns == 1) && c.left.size() == 1;  // a matrix and a vector: memory is read once
    return rows <= small || columns <= small;
  }
  return true;
}
namespace {
// Where the contracted dimension stands among those of the result: last where the matrix is stored so, before the last one otherwise.
int contracted_at(const Program& p, const Eqn& e) {
  auto c = e.prim->lowering.contraction(e.params);
  auto operands = p.operands(e);
  const Aval l = p.operand_type(operands[0]), r = p.operand_type(operands[1]);
  const bool left = l.shape.numel() >= r.shape.numel();
  const int rank = p.type(static_cast<Var>(e.out)).shape.rank(), dim = static_cast<int>((left ? c.left : c.right)[0]);
  return rank == 0 || dim + 1 == (left ? l : r).shape.rank() ? rank : rank - 1;
}
// The points that result v of e is computed over, those summed included.
Shape domain_of(const Program& p, const Eqn& e, Var v) {
  if (e.prim->lowering.kind == Kind::reduction) return p.operand_type(p.operands(e)[0]).shape;
  if (e.prim->lowering.kind == Kind::contraction && sums_axes(p, e))
    return p.type(v).shape.with(static_cast<std::size_t>(contracted_at(p, e)), terms(p, e));
  return p.type(v).shape;
}
// Of those, the dimensions summed.
Shape summed_dims(const Program& p, const Eqn& e) {
  if (e.prim->lowering.kind == Kind::contraction) return {contracted_at(p, e)};
  return e.prim->lowering.dims(e.params);
}
}  // namespace
Shape space_of(const Program& p, const Eqn& e, std::int64_t small) {
  Shape r;
  for (std::int64_t n : domain_of(p, e, static_cast<Var>(e.out)))
    if (n > small) r.push_back(n);
  return r;
}
bool sums_axes(const Program& p, const Eqn& e) {
  return (e.prim->lowering.kind == Kind::reduction || e.prim->lowering.kind == Kind::contraction) && terms(p, e) > max_unrolled;
}

bool sums_rows(const Program& p, const Eqn& e, std::int64_t small) {
  constexpr std::int64_t longest = 1 << 15;
  if (e.prim->lowering.kind != Kind::reduction || !sums_axes(p, e)) return false;
  const Shape& s = p.operand_type(p.operands(e)[0]).shape;
  Shape dims = e.prim->lowering.dims(e.params);
  if (dims.size() != 1 || s[static_cast<std::size_t>(dims[0])] > longest) return false;
  for (std::size_t d = static_cast<std::size_t>(dims[0]) + 1; d < s.size(); ++d)
    if (s[d] > small) return false;
  return s[static_cast<std::size_t>(dims[0])] > small;
}

namespace {

class Builder {
 public:
  Builder(const Program& p, const std::vector<std::int32_t>& defines, std::int64_t small, Unit& u, Packings& packings)
      : p_(p), defines_(defines), small_(small), u_(u), packings_(packings) {}

  // Elements of a point that are written out though they have nothing in common.
  static constexpr std::int64_t most_apart = 32;

  // Pull::Outcome::fine, with the nests in the unit; or why not.
  Pull::Outcome run() {
    bool plain = true;  // elementwise at one shape: every dimension may be an axis
    std::int64_t largest = 0, total = 0;
    for (std::uint32_t k : u_.eqns) {
      Kind kind = p_.eqns[k].prim->lowering.kind;
      plain &= kind == Kind::scalar || kind == Kind::convert || kind == Kind::bitcast || kind == Kind::identity;
    }
    for (Var v : u_.out) {
      Shape d = domain_of(p_, eqn(v), v);
      largest = std::max(largest, d.numel());
      total += d.numel();
    }
    const Shape space = space_of(p_, eqn(u_.out[0]), small_);
    bool vectors = true;  // results whose last dimension is worth a vector
    for (Var v : u_.out) {
      const Shape d = domain_of(p_, eqn(v), v);
      vectors &= !d.empty() && d.back() >= shortest_axis / 2;
    }
    if (space.empty() && !(plain && largest >= 8)) {  // along the last dimension, or a point at a time: what costs less
      std::vector<Nest> rows;
      if (vectors && !plain && attempt(1) == Pull::Outcome::fine && u_.nests.size() == 1) rows = std::move(u_.nests);
      if (total <= 1024 && attempt(small_) == Pull::Outcome::fine && (rows.empty() || packed_cost_ < cost_of(rows[0]))) return Pull::Outcome::fine;
      if (!rows.empty()) {
        u_.nests = std::move(rows);
        return Pull::Outcome::fine;
      }
    }
    std::int64_t written_out = 1;  // elements of a point, along small dimensions
    for (Var v : u_.out) {
      std::int64_t mine = 1;
      for (std::int64_t n : domain_of(p_, eqn(v), v)) mine *= n <= small_ ? n : 1;
      written_out = std::max(written_out, mine);
    }
    if (!space.empty() && written_out > most_apart && apart() && attempt(1) == Pull::Outcome::fine && last_extent() >= shortest_axis / 2 &&
        along_last_axis())
      return Pull::Outcome::fine;
    if (!plain && written_out > 1 && !space.empty()) {
      Pull::Outcome lanes = attempt(small_);
      if (lanes == Pull::Outcome::fine) return lanes;
    }
    Pull::Outcome o = attempt(1);
    if (o == Pull::Outcome::fine && (u_.nests[0].axes() == 0 || last_extent() >= shortest_axis)) return o;
    if (space.empty()) return o;
    auto flat = std::move(u_.nests);
    Pull::Outcome lanes = attempt(small_);
    if (lanes == Pull::Outcome::fine || o != Pull::Outcome::fine) return lanes;
    u_.nests = std::move(flat);
    return Pull::Outcome::fine;
  }

 private:
  // Operations of a nest with axes, those on vectors of the last one as in pack.h.
  static double cost_of(const Nest& n) {
    constexpr double vector_bytes = 64;
    std::vector<std::size_t> level(n.graph.size(), 0);
    double sum = static_cast<double>(n.stores.size());
    for (Id i = 0; i < n.graph.size(); ++i) {
      const Node& x = n.graph[i];
      if (x.op == Op::position) level[i] = x.attr + 1;
      if (n.graph.reads(i))
        for (std::size_t a = 0; a < n.axes(); ++a)
          if (n.accesses[x.attr].strides[a]) level[i] = a + 1;
      if (x.op == Op::reduced) level[i] = n.axes() - 1;
      n.graph.each_operand(i, [&](Id o) { level[i] = std::max(level[i], level[o]); });
      double times = 1;
      for (std::size_t a = 0; a < level[i]; ++a) {
        const auto extent = static_cast<double>(n.extent(a));
        times *= a + 1 == n.axes() ? std::ceil(extent * static_cast<double>(size_of(x.type)) / vector_bytes) : extent;
      }
      sum += x.op == Op::constant ? 0 : x.op == Op::load ? times / 2 : times;
    }
    return sum;
  }
  std::int64_t last_extent() const {
    const Nest& n = u_.nests[0];
    return n.axes() ? n.extent(n.axes() - 1) : 0;
  }
  // Does what the first nest reads lie along its last axis?
  bool along_last_axis() const {
    const Nest& n = u_.nests[0];
    return std::ranges::all_of(n.accesses, [&](const Access& a) { return std::abs(a.strides[n.axes() - 1]) <= 1; });
  }
  // Does each element of its results follow from elements of operands, or from long sums, and share nothing with its neighbours?
  bool apart() const {
    return std::ranges::all_of(u_.eqns, [&](std::uint32_t k) {
      switch (p_.eqns[k].prim->lowering.kind) {
        case Kind::scalar:
        case Kind::convert:
        case Kind::bitcast:
        case Kind::identity:
        case Kind::index:
        case Kind::position: return true;
        case Kind::reduction: return sums_axes(p_, p_.eqns[k]) && p_.eqns[k].prim->lowering.dims(p_.eqns[k].params).find(0) >= 0;
        default: return false;
      }
    });
  }
  const Eqn& eqn(Var v) const { return p_.eqns[static_cast<std::size_t>(defines_[static_cast<std::size_t>(v)])]; }

  // Dimensions of more than `least` become axes.
  Pull::Outcome attempt(std::int64_t least) {
    u_.nests.clear();
    Shape axes;
    for (std::size_t k = 0; k < u_.out.size(); ++k) {
      Shape mine;
      std::int64_t written_out = 1;
      for (std::int64_t n : domain_of(p_, eqn(u_.out[k]), u_.out[k])) {
        if (n > least) mine.push_back(n);
        else written_out *= n;
      }
      if (k && !(mine == axes)) return Pull::Outcome::impossible;
      axes = mine;
      if (written_out > 512) return Pull::Outcome::too_large;
    }
    if (axes.size() > 8) return Pull::Outcome::impossible;
    struct Box {
      std::vector<std::int64_t> lower, upper;
    };
    std::vector<Box> boxes{{std::vector<std::int64_t>(axes.size(), 0), {axes.begin(), axes.end()}}};
    std::vector<Nest> done;
    std::size_t tries = 0;
    while (!boxes.empty()) {
      Box b = boxes.back();
      boxes.pop_back();
      if (++tries > 24) return Pull::Outcome::impossible;
      Nest n;
      n.lower = b.lower;
      n.upper = b.upper;
      n.buffers = static_cast<int>(u_.in.size() + u_.out.size());
      auto buffer = [&](Var v) { return buffer_of(v); };
      Pull pull(p_, defines_, buffer, n, budget(axes));
      fill(n, pull, least);
      if (pull.outcome() == Pull::Outcome::fine) {
        if (axes.empty()) packed_cost_ = packings_.choose(n, pull.rows());
        done.push_back(std::move(n));
        continue;
      }
      if (pull.outcome() != Pull::Outcome::split) return pull.outcome();
      std::size_t a = pull.split_axis();
      if (axes[a] <= shortest_axis) return Pull::Outcome::impossible;
      Box second = b;
      b.upper[a] = second.lower[a] = pull.split_at();
      boxes.push_back(std::move(second));
      boxes.push_back(std::move(b));
    }
    for (Nest& n : done) {
      n.collapse();
      for (auto& r : n.reductions)
        r.accumulate = r.at.buffer >= 0 && (done.size() > 1 || n.axes() == 1 || r.over != std::uint32_t{1} << (n.axes() - 1));
    }
    u_.nests = std::move(done);
    return Pull::Outcome::fine;
  }
  int buffer_of(Var v) const {
    for (std::size_t i = 0; i < u_.in.size(); ++i)
      if (u_.in[i] == v) return static_cast<int>(i);
    return -1;
  }
  // Every point of `domain`: axes run, the other dimensions take all their positions.
  template <class F> static void each_point(const Shape& domain, std::int64_t least, const Mask& chosen, Point point, F f) {
    Shape small;
    std::vector<int> at;
    int axis = 0;
    point.rank = domain.rank();
    for (int d = 0; d < point.rank; ++d) {
      std::int64_t n = domain[static_cast<std::size_t>(d)];
      if (n > least) point.at[d] = {0, 1, axis++};
      else if (chosen[static_cast<std::size_t>(d)]) {
        small.push_back(n);
        at.push_back(d);
      }
    }
    std::vector<std::int64_t> i(small.size(), 0);
    for (;;) {
      for (std::size_t k = 0; k < i.size(); ++k) point.at[at[k]] = {i[k], 0, -1};
      f(point);
      std::size_t d = i.size();
      while (d > 0 && ++i[d - 1] == small[d - 1]) i[--d] = 0;
      if (d == 0) return;
    }
  }
  void fill(Nest& n, Pull& pull, std::int64_t least) {
    for (std::size_t k = 0; k < u_.out.size(); ++k) {
      const Var v = u_.out[k];
      const Eqn& e = eqn(v);
      const int buffer = static_cast<int>(u_.in.size() + k);
      const Aval& type = p_.type(v);
      const Shape domain = domain_of(p_, e, v);
      if (!sums_axes(p_, e)) {
        if (e.prim->lowering.kind == Kind::reduction && !axes_kept(domain, e, least)) {
          reduce(n, pull, e, buffer, type, domain, least);
          continue;
        }
        const bool past = goes_past(v);
        each_point(type.shape, least, Mask(type.shape.size(), 1), {}, [&](const Point& i) {
          Id x = pull.at(v, i);
          n.stores.push_back({pull.access(buffer, type, i), x, past});
        });
      } else {
        reduce(n, pull, e, buffer, type, domain, least);
      }
      if (pull.outcome() != Pull::Outcome::fine) return;
    }
  }
  // A result of the program that is larger than the caches nearby, and that no other equation reads.
  bool goes_past(Var v) const {
    constexpr std::int64_t nearby = 4 << 20;  // bytes
    const Aval& t = p_.type(v);
    if (t.shape.numel() * static_cast<std::int64_t>(size_of(t.dtype)) <= nearby) return false;
    if (std::find(p_.outputs.begin(), p_.outputs.end(), v) == p_.outputs.end()) return false;
    for (std::size_t k = 0; k < p_.eqns.size(); ++k)
      for (Var o : p_.operands(p_.eqns[k]))
        if (o == v && !std::binary_search(u_.eqns.begin(), u_.eqns.end(), static_cast<std::uint32_t>(k))) return false;
    return true;
  }
  // Are the axes of the domain also those of the result?
  static bool axes_kept(const Shape& domain, const Eqn& e, std::int64_t least) {
    for (std::int64_t d : e.prim->lowering.dims(e.params))
      if (domain[static_cast<std::size_t>(d)] > least) return false;
    return true;
  }
  void reduce(Nest& n, Pull& pull, const Eqn& e, int buffer, const Aval& type, const Shape& domain, std::int64_t least) {
    const bool products = e.prim->lowering.kind == Kind::contraction;
    Shape dims = summed_dims(p_, e);
    core::ReduceOp op = products ? core::ReduceOp::sum : e.prim->lowering.reduce;
    Mask kept(domain.size(), 1), summed(domain.size(), 0);
    std::uint32_t over = 0;
    int axis = 0;
    for (std::size_t d = 0; d < domain.size(); ++d) {
      bool reduced = dims.has(static_cast<std::int64_t>(d));
      kept[d] = !reduced;
      summed[d] = reduced;
      if (domain[d] > least) {
        if (reduced) over |= std::uint32_t{1} << axis;
        ++axis;
      }
    }
    each_point(domain, least, kept, {}, [&](const Point& i) {
      Id sum = none;
      each_point(domain, least, summed, i, [&](const Point& j) {
        if (pull.outcome() != Pull::Outcome::fine) return;
        Id t;
        if (products) {  // positions of the result's dimensions, then the contracted one
          Point all;
          for (int d = 0; d < j.rank; ++d)
            if (d != dims[0]) all.at[all.rank++] = j.at[d];
          all.at[all.rank++] = j.at[dims[0]];
          t = pull.product(e, all);
        } else {
          t = pull.term(e, j);
        }
        sum = sum == none ? t : n.graph.combine(op, type.dtype, sum, t);
      });
      if (pull.outcome() != Pull::Outcome::fine) return;
      Point o;
      for (int d = 0; d < i.rank; ++d)
        if (kept[static_cast<std::size_t>(d)]) o.at[o.rank++] = i.at[d];
      Access at = pull.access(buffer, type, o);
      if (over) n.reductions.push_back({op, sum, over, at});
      else n.stores.push_back({at, sum});
    });
  }

  static constexpr std::int64_t shortest_axis = 16;  // that runs in vectors, or is cut in boxes, by choice
  // Nodes: 0.2 s of code generation, and up to 0.6 s where a thousand points and more share the code.
  static std::size_t budget(const Shape& axes) { return !axes.empty() && axes.numel() >= 1024 ? 16000 : 6000; }
  const Program& p_;
  const std::vector<std::int32_t>& defines_;
  std::int64_t small_;
  Unit& u_;
  Packings& packings_;
  double packed_cost_ = 0;  // of the nest without axes that was built last
};

// The unit of these equations, some of those of `u`; `also`: the equations of u that come after them.
Unit part(const Program& p, const std::vector<std::int32_t>& defines, const Unit& u, std::vector<std::uint32_t> eqns,
          std::span<const std::uint32_t> also) {
  Unit r;
  r.eqns = std::move(eqns);
  auto mine = [&](Var v) {
    std::int32_t d = v < 0 ? -1 : defines[static_cast<std::size_t>(v)];
    return d >= 0 && std::binary_search(r.eqns.begin(), r.eqns.end(), static_cast<std::uint32_t>(d));
  };
  auto add = [](std::vector<Var>& to, Var v) {
    if (std::find(to.begin(), to.end(), v) == to.end()) to.push_back(v);
  };
  for (std::uint32_t k : r.eqns)
    for (Var v : p.operands(p.eqns[k]))
      if (v >= 0 && !mine(v)) add(r.in, v);
  for (Var v : u.out)
    if (mine(v)) add(r.out, v);
  for (std::uint32_t k : also)
    for (Var v : p.operands(p.eqns[k]))
      if (mine(v)) add(r.out, v);
  return r;
}

bool on_little(const Program& p, const Unit& u) {
  for (std::uint32_t k : u.eqns)
    if (p.type(static_cast<Var>(p.eqns[k].out)).shape.numel() > 1024) return false;
  return true;
}
// After how many equations those of a long unit repeat; 0: they do not.
std::size_t period_of(const Program& p, const Unit& u) {
  constexpr std::size_t longest = 64, repeats = 6;
  std::vector<std::size_t> looks;
  for (std::uint32_t k : u.eqns) {
    const Eqn& e = p.eqns[k];
    std::size_t h = core::mix(reinterpret_cast<std::uintptr_t>(e.prim), e.n_in);
    for (Var v : p.operands(e))
      for (std::int64_t n : p.operand_type(v).shape) h = core::mix(h, static_cast<std::size_t>(n));
    for (std::int64_t n : p.type(static_cast<Var>(e.out)).shape) h = core::mix(h, static_cast<std::size_t>(n) + 1);
    looks.push_back(h);
  }
  for (std::size_t d = 1; d <= longest && d * repeats <= looks.size(); ++d) {
    std::size_t same = 0;
    for (std::size_t i = d; i < looks.size(); ++i) same += looks[i] == looks[i - d];
    if (10 * same >= 9 * (looks.size() - d)) return d;
  }
  return 0;
}

}  // namespace

void build(const Program& p, const std::vector<std::int32_t>& defines, std::int64_t small, Unit u, std::vector<std::uint8_t>& written,
           Packings& packings, std::vector<Unit>& out) {
  auto add = [&](Unit&& x) {
    for (Var v : x.out) written[static_cast<std::size_t>(v)] = 1;
    out.push_back(std::move(x));
  };
  std::vector<Unit> todo{std::move(u)};
  while (!todo.empty()) {
    Unit now = std::move(todo.back());
    todo.pop_back();
    if (!now.call) {
      std::erase_if(now.out, [&](Var v) { return written[static_cast<std::size_t>(v)]; });
      if (now.out.empty()) continue;
    }
    if (now.call) {
      const Eqn& e = p.eqns[now.eqns[0]];
      const auto in = p.operands(e);
      if (auto lanes = lane_loop(e)) {
        now.call = false;
        now.in.assign(in.begin(), in.end());
        now.nests.push_back(std::move(*lanes));
      } else if (auto serial = serial_loop(p, e, now.in, now.out)) {
        now.call = false;
        now.nests.push_back(std::move(*serial));
      }
      add(std::move(now));
      continue;
    }
    if (Builder(p, defines, small, now, packings).run() == Pull::Outcome::fine) {
      for (std::size_t k = 0; k < now.nests.size(); ++k)
        if (auto rest = now.nests[k].cut_in_strips()) now.nests.push_back(std::move(*rest));
      add(std::move(now));
      continue;
    }
    if (now.eqns.size() == 1) {
      now.call = true;
      now.out.clear();
      for (std::uint32_t i = 0; i < p.eqns[now.eqns[0]].n_out; ++i) now.out.push_back(static_cast<Var>(p.eqns[now.eqns[0]].out + i));
      now.nests.clear();
      add(std::move(now));
      continue;
    }
    // Small work that repeats is cut where it does, so that the parts are equal and compiled once.
    if (const std::size_t period = on_little(p, now) ? period_of(p, now) : 0) {
      const std::size_t size = period * std::max<std::size_t>(1, 20 / period), n = now.eqns.size();
      if (2 * size <= n) {
        std::vector<Unit> parts;
        for (std::size_t from = 0; from < n;) {
          const std::size_t to = from + (from == 0 && n % size ? n % size : size);
          std::vector<std::uint32_t> mine(now.eqns.begin() + static_cast<std::ptrdiff_t>(from), now.eqns.begin() + static_cast<std::ptrdiff_t>(to));
          parts.push_back(part(p, defines, now, std::move(mine), std::span(now.eqns).subspan(to)));
          from = to;
        }
        std::move(parts.rbegin(), parts.rend(), std::back_inserter(todo));
        continue;
      }
    }
    auto middle = now.eqns.begin() + static_cast<std::ptrdiff_t>(now.eqns.size() / 2);
    std::vector<std::uint32_t> second(middle, now.eqns.end());
    Unit a = part(p, defines, now, {now.eqns.begin(), middle}, second), b = part(p, defines, now, second, {});
    todo.push_back(std::move(b));
    todo.push_back(std::move(a));
  }
}

}  // namespace functra::compiler
