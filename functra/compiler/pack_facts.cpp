#include "functra/compiler/pack_facts.h"

#include <map>

#include "functra/core/params.h"

namespace functra::compiler {

bool commutes(const Node& n) {
  if (n.op == Op::fma) return true;
  if (n.op != Op::binary) return false;
  switch (n.num) {
    case NumOp::add:
    case NumOp::mul:
    case NumOp::and_:
    case NumOp::or_:
    case NumOp::xor_: return true;
    default: return false;
  }
}
Facts::Facts(const Nest& n, bool rows) : inner(n.graph.size(), 0), run_of(n.graph.size(), -1), n_(n), g_(n.graph) {
  for (Id i = 0; i < g_.size(); ++i) {
    const Node& x = g_[i];
    if (x.op == Op::carried || x.op == Op::position) inner[i] = 1;
    if (g_.reads(i))
      for (std::int64_t s : n_.accesses[x.attr].strides) inner[i] |= s != 0;
    g_.each_operand(i, [&](Id o) { inner[i] |= inner[o]; });
    if (x.type != DType::bool_) size = std::max<std::size_t>(size, size_of(x.type));
  }
  if (!rows) return;
  find_shapes();
  find_runs();
}
std::size_t Facts::max_lanes(DType d) const {
  constexpr unsigned widest = 64;  // bytes of a vector
  return widest / (is_bool(d) ? size : is_half(d) ? size_of(DType::f32) : size_of(d));
}
void Facts::find_shapes() {
  std::vector<std::size_t> before;
  for (unsigned depth = 0; depth < 4; ++depth) {
    before = std::exchange(shape, std::vector<std::size_t>(g_.size()));
    for (Id i = 0; i < g_.size(); ++i) {
      const Node& n = g_[i];
      std::size_t& h = shape[i];
      h = core::mix(static_cast<std::size_t>(n.op), static_cast<std::size_t>(n.num));
      if (n.op == Op::load) h = core::mix(h, static_cast<std::size_t>(n_.accesses[n.attr].buffer));
      if (n.op == Op::load || depth == 0 || n.op == Op::constant || n.op == Op::carried) continue;
      const bool other_order = commutes(n) && before[n.a] > before[n.b];
      if (other_order) h = core::mix(core::mix(h, before[n.b]), before[n.a]);
      std::size_t k = 0;
      g_.each_operand(i, [&](Id o) {
        if (!other_order || k > 1) h = core::mix(h, before[o]);
        ++k;
      });
    }
  }
}
void Facts::find_runs() {
  std::map<std::tuple<int, std::vector<std::int64_t>>, std::map<std::int64_t, Id>> all;
  for (Id i = 0; i < g_.size(); ++i)
    if (g_[i].op == Op::load) {
      auto& a = n_.accesses[g_[i].attr];
      all[{a.buffer, a.strides}][a.offset] = i;
    }
  for (auto& [_, loads] : all) {
    Row run;
    std::int64_t last = 0;
    auto flush = [&] {
      if (run.size() > 1) {
        for (Id i : run) run_of[i] = static_cast<int>(runs.size());
        runs.push_back(run);
      }
      run.clear();
    };
    for (auto [offset, i] : loads) {
      if (!run.empty() && (offset != last + 1 || run.size() == max_lanes(g_[i].type))) flush();
      run.push_back(i);
      last = offset;
    }
    flush();
  }
}

}  // namespace functra::compiler
