// Constants of loops in the order in which their bodies read them: where all nests of a body read a constant with gaps between the lanes of
// a vector, along one dimension, a copy in which that dimension is the last one is made before the loop. Long rows of the copy begin at lines
// of the cache, with a gap between them where that takes one: vectors that cross lines are loaded at half the speed.
#include <algorithm>

#include "functra/compiler/bodies.h"
#include "functra/compiler/fuse.h"
#include "functra/compiler/passes.h"
#include "functra/core/basis.h"
#include "functra/core/replay.h"
#include "functra/prims/loop.h"
#include "functra/prims/shape.h"

namespace functra::compiler {
namespace {
using namespace functra::core;
using namespace functra::prims;

std::size_t at(std::int64_t i) { return static_cast<std::size_t>(i); }

// The order of dimensions that each of the first n inputs is to have; none where it stays.
std::vector<Shape> orders(const Program& body, std::size_t n) {
  std::vector<Shape> r(n);
  std::vector<int> along(n, -1);  // -2: stays
  bool any = false;
  for (std::size_t i = 0; i < n; ++i) {
    const Shape& s = body.type(body.inputs[i]).shape;
    along[i] = s.rank() < 2 || s.numel() < 64 ? -2 : -1;
    any |= along[i] == -1;
  }
  for (Var v : body.outputs)
    for (std::size_t i = 0; i < n; ++i)
      if (v == body.inputs[i]) along[i] = -2;
  if (!any) return r;
  for (const Unit& u : units(body))
    for (std::size_t k = 0; k < u.in.size(); ++k) {
      const auto input = static_cast<std::size_t>(std::find(body.inputs.begin(), body.inputs.end(), u.in[k]) - body.inputs.begin());
      if (input >= n || along[input] == -2) continue;
      if (u.call) along[input] = -2;
      const Shape& s = body.type(u.in[k]).shape;
      for (const Nest& nest : u.nests)
        for (const Access& a : nest.accesses) {
          if (a.buffer != static_cast<int>(k) || nest.axes() == 0 || a.strides.back() == 0 || along[input] == -2) continue;
          std::int64_t stride = 1;
          int dim = -2;
          for (int d = s.rank() - 1; d >= 0; stride *= s[at(d--)])
            if (s[at(d)] > 1 && stride == std::abs(a.strides.back())) dim = d;
          if (dim == s.rank() - 1 || std::abs(a.strides.back()) == 1) dim = -2;
          along[input] = along[input] == -1 || along[input] == dim ? dim : -2;
        }
    }
  for (std::size_t i = 0; i < n; ++i) {
    if (along[i] < 0) continue;
    const int rank = body.type(body.inputs[i]).shape.rank();
    for (int d = 0; d < rank; ++d)
      if (d != along[i]) r[i].push_back(d);
    r[i].push_back(along[i]);
  }
  return r;
}
constexpr std::int64_t line = 64;  // bytes
// How much longer rows of this type become, for the next one to begin at a line.
std::int64_t gap(const Aval& t) {
  constexpr std::int64_t lines = 8;  // that a row has, for the gaps not to matter
  const std::int64_t n = t.shape.back(), size = static_cast<std::int64_t>(size_of(t.dtype)), rest = n * size % line;
  return rest == 0 || n * size < lines * line ? 0 : (line - rest) / size;
}
Shape longer(const Shape& s, std::int64_t last) { return s.without(s.size() - 1).with(s.size() - 1, s.back() + last); }
Tensor with_gaps(const Tensor& x, const Shape& order) {
  const Tensor now = permute(x, order);
  const Shape none = Shape::filled(order.size(), 0);
  const std::int64_t extra = gap(now.aval());
  return extra ? pad(now, zeros(Aval{now.dtype(), false, {}}), none, longer(none, extra), none) : now;
}
Tensor without_gaps(const Tensor& x, const Shape& order, const Shape& shape) {
  Shape back = order, limit = shape.pick(order);
  for (std::size_t d = 0; d < back.size(); ++d) back[at(order[d])] = static_cast<std::int64_t>(d);
  return permute(x.aval().shape == limit ? x : slice(x, Shape::filled(order.size(), 0), limit, Shape::filled(order.size(), 1)), back);
}
ProgramPtr reordered(const Program& body, const std::vector<Shape>& orders) {
  std::vector<Aval> types = body.in_types();
  for (std::size_t i = 0; i < orders.size(); ++i)
    if (!orders[i].empty()) {
      types[i].shape = types[i].shape.pick(orders[i]);
      types[i].shape = longer(types[i].shape, gap(types[i]));
    }
  return trace_program(types, [&](Ins in) {
    Vec now(in.begin(), in.end()), out(body.outputs.size());
    for (std::size_t i = 0; i < orders.size(); ++i)
      if (!orders[i].empty()) now[i] = without_gaps(in[i], orders[i], body.type(body.inputs[i]).shape);
    replay(body, now, out, [](const Eqn&, Ins, Outs) { return false; });
    return out;
  });
}

class Layouts {
 public:
  ProgramPtr run(const ProgramPtr& program) {
    const Program& p = *program;
    bool changed = false;
    auto params = bodies_.map_all(
        p, [this](const ProgramPtr& inner) { return run(inner); }, changed);
    std::vector<std::vector<Shape>> of(p.eqns.size());  // per loop
    for (std::size_t i = 0; i < p.eqns.size(); ++i) {
      const Eqn& e = p.eqns[i];
      const Params now = params[i];
      if (e.prim == &scan_p && now.get<ScanParams>().length >= 4) {
        auto& q = now.get<ScanParams>();
        of[i] = orders(*q.body, at(q.n_const));
      } else if (e.prim == &while_p) {
        auto& q = now.get<WhileParams>();
        of[i] = orders(*q.body, at(q.n_const));
      }
      if (std::ranges::all_of(of[i], [](const Shape& s) { return s.empty(); })) of[i].clear();
      changed |= !of[i].empty();
    }
    if (!changed) return program;
    return retrace(p, params, [&](std::size_t i, Ins in, Outs out) {
      if (of[i].empty()) return false;
      const Eqn& e = p.eqns[i];
      const Params now = params[i];
      Vec operands(in.begin(), in.end());
      std::size_t first = 0;
      ParamRef with;
      if (e.prim == &scan_p) {
        ScanParams q = now.get<ScanParams>();
        first = q.counted;
        q.body = reordered(*q.body, of[i]);
        with = ParamRef(core::params(q));
      } else {
        WhileParams q = now.get<WhileParams>();
        first = at(q.n_cond_const);
        q.body = reordered(*q.body, of[i]);
        with = ParamRef(core::params(q));
      }
      for (std::size_t k = 0; k < of[i].size(); ++k)
        if (!of[i][k].empty()) operands[first + k] = with_gaps(operands[first + k], of[i][k]);
      bind_prim({*e.prim, with}, operands, out);
      return true;
    });
  }

 private:
  Bodies bodies_;
};

}  // namespace

ProgramPtr choose_layouts(const ProgramPtr& p) { return Layouts().run(p); }

}  // namespace functra::compiler
