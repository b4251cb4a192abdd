#include "functra/compiler/emit_nest-inl.h"

namespace functra::compiler {

void NestEmitter::choose_kept(const std::vector<std::uint8_t>& live) {
  constexpr int cheap = 6;                   // operations
  constexpr std::int64_t room = 128 * 1024;  // bytes of the stack
  std::vector<std::uint8_t> crosses(g_.size(), 0);
  for (Id i = 0; i < g_.size(); ++i)
    if (live[i] && in_lanes(i)) g_.each_operand(i, [&](Id o) { crosses[o] |= in_lanes(o) && stage_[o] < stage_[i]; });
  std::vector<int> cost(g_.size(), 0);
  std::int64_t used = 0;
  kept_.assign(g_.size(), nullptr);
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

void NestEmitter::find_windows() {
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

Value* NestEmitter::column(const Window& w, std::size_t stream, const Access& a, unsigned u) {
  auto& known = columns_[{stream, w.from, u}];
  const unsigned m = w.columns, per = lanes_ / m;
  if (known.empty()) {
    const std::int64_t stride = a.strides[last()];
    Access row = a;
    row.offset = w.from;
    llvm::Type* t = ops_.stored(a.dtype);
    for (unsigned k = 0; k < m; ++k) {  // vectors of `per` rows
      const std::int64_t at = static_cast<std::int64_t>(u * lanes_ + k * per) * stride;
      if (stride == static_cast<std::int64_t>(m) || per == 1) {
        known.push_back(load_at(Ops::widened(t, lanes_), pointer(stream, row, at), a.dtype, a.buffer));
        continue;
      }
      std::vector<Value*> rows;
      for (unsigned l = 0; l < per; ++l)
        rows.push_back(load_at(Ops::widened(t, m), pointer(stream, row, at + static_cast<std::int64_t>(l) * stride), a.dtype, a.buffer));
      known.push_back(ops_.joined(std::move(rows), m));
    }
    known = ops_.unzipped(std::move(known), lanes_);
  }
  return known[static_cast<std::size_t>(a.offset - w.from)];
}

void NestEmitter::store_rows(std::vector<Value*> v, std::size_t stream, const Access& a, std::int64_t at) {
  const unsigned count = static_cast<unsigned>(v.size());
  const std::int64_t stride = a.strides[last()];
  while (v.size() & (v.size() - 1)) v.push_back(llvm::PoisonValue::get(v[0]->getType()));
  const unsigned m = static_cast<unsigned>(v.size()), W = lanes_;
  v = ops_.zipped(std::move(v), W);
  const unsigned per = W / m;  // rows in each vector
  if (stride == static_cast<std::int64_t>(m) && count == m) {
    for (unsigned k = 0; k < m; ++k) store(v[k], stream, a, at + static_cast<std::int64_t>(k * W));
    return;
  }
  for (unsigned l = 0; l < W; ++l) {
    Value* row = v[l / per];
    const unsigned from = l % per * m;
    if (count == 1) {
      row = b_.CreateExtractElement(row, b_.getInt32(from));
    } else if (count != W) {
      std::vector<int> mask;
      for (unsigned k = 0; k < count; ++k) mask.push_back(static_cast<int>(from + k));
      row = b_.CreateShuffleVector(row, mask);
    }
    store(row, stream, a, at + static_cast<std::int64_t>(l) * stride);
  }
}

void NestEmitter::choose_rows(const std::vector<std::uint8_t>& live) {
  constexpr int cheap = 6;                  // operations
  constexpr std::int64_t room = 64 * 1024;  // bytes of the stack
  row_at_.assign(g_.size(), nullptr);
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
    along[i] = n.op == Op::load ? alone(n_.accesses[n.attr]) : stage_[i] == 0;
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

void NestEmitter::once(Phase p) {
  const unsigned copies = std::exchange(copies_, 1);
  phase_ = p;
  loop(last());
  phase_ = Phase::main;
  copies_ = copies;
}

void NestEmitter::rows(Value* start) {
  if (phase_ == Phase::before)
    for (Id i : rows_) {
      need(i);
      b_.CreateAlignedStore(vectors_[i], place_in(row_at_[i], g_[i].type, 0), llvm::Align(size_of(g_[i].type)));
    }
  for (auto& [k, row] : gathered_) {
    auto& r = n_.reductions[k];
    Value *at = place_in(row, r.at.dtype, 0), *identity = ops_.constant(r.at.dtype, identity_of(r.op, r.at.dtype), lanes_);
    const llvm::Align align(size_of(r.at.dtype));
    if (phase_ == Phase::before) {
      b_.CreateAlignedStore(identity, at, align);
      continue;
    }
    Value* v = fresh(b_.CreateAlignedLoad(ops_.type(r.at.dtype, lanes_), at, align), identity, 0, start);
    accumulate_vector(r, reduction_streams_[k], v, 0, r.at.strides[last()]);
  }
}

void emit(const Nest& nest, const Target& target, llvm::Module& module, const std::string& name) {
  if (nest.steps) emit_steps(nest, target, module, name);
  else if (nest.scalar() && nest.reductions.empty()) emit_packed(nest, target, module, name);
  else NestEmitter(nest, target, module, name).run();
}

}  // namespace functra::compiler
