// The emitter of one nest.
#pragma once
#include <algorithm>
#include <map>

#include "functra/compiler/emit_ops-inl.h"
#include "functra/compiler/emit_plan-inl.h"

namespace functra::compiler {

using llvm::BasicBlock, llvm::Value;

class NestEmitter : protected NestPlan {
 public:
  NestEmitter(const Nest& nest, const Target& target, llvm::Module& m, const std::string& name)
      : NestPlan(nest, target), b_(m.getContext()), ops_(b_, g_, target) {
    auto* type = llvm::FunctionType::get(b_.getVoidTy(), {b_.getPtrTy(), b_.getInt64Ty(), b_.getInt64Ty()}, false);
    f_ = llvm::Function::Create(type, llvm::Function::ExternalLinkage, name, m);
    f_->addFnAttr(llvm::Attribute::NoUnwind);
    std::string bits = std::to_string(8 * target.vector_bytes);
    f_->addFnAttr("prefer-vector-width", bits);
    f_->addFnAttr("min-legal-vector-width", bits);
    llvm::FastMathFlags fast;
    fast.setAllowContract();
    b_.setFastMathFlags(fast);
  }
  virtual ~NestEmitter() = default;
  void run() {
    b_.SetInsertPoint(BasicBlock::Create(b_.getContext(), "entry", f_));
    scalars_.assign(g_.size(), nullptr);
    for (auto& s : streams_) {
      auto* slot = b_.CreateConstGEP1_64(b_.getPtrTy(), f_->getArg(0), static_cast<std::uint64_t>(s.buffer));
      auto* p = b_.CreateLoad(b_.getPtrTy(), slot);
      p->setMetadata(llvm::LLVMContext::MD_invariant_load, llvm::MDNode::get(b_.getContext(), {}));
      s.at = p;
    }
    kept_.assign(g_.size(), nullptr);
    row_at_.assign(g_.size(), nullptr);
    for (Id i : keep_) kept_[i] = row_of(g_[i].type);
    for (auto& [k, row] : gathered_) row = row_of(n_.reductions[k].at.dtype);
    for (Id i : rows_) row_at_[i] = row_of(g_[i].type);
    scalar_level(0);
    if (!rows_.empty() || !gathered_.empty()) once(Phase::before);
    if (n_.axes() == 0) body(nullptr, nullptr);
    else nested(0);
    if (!gathered_.empty()) once(Phase::after);
    if (fence_) ops_.fence();
    b_.CreateRetVoid();
  }

 protected:
  enum class Phase : std::uint8_t { before, main, after };
  // Room for a value along the whole last axis.
  Value* row_of(DType d) {
    auto* p = b_.CreateAlloca(llvm::ArrayType::get(ops_.stored(d), static_cast<std::uint64_t>(n_.extent(last()))));
    p->setAlignment(llvm::Align(64));
    return p;
  }
  // A loop over the last axis before, or after, all others.
  void once(Phase p) {
    const unsigned copies = std::exchange(copies_, 1);
    phase_ = p;
    loop(last());
    phase_ = Phase::main;
    copies_ = copies;
  }
  void rows(Value* start) {
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

  // ---------------------------------------------------------------- loops
  void scalar_level(std::size_t level, unsigned stage = 0) {
    for (Id i : by_level_[level])
      if (!in_lanes(i) && stage_[i] == stage && g_[i].op != Op::reduced) need(i);
  }
  std::vector<Value*> enter(std::size_t axis, Value* index) {  // moves the streams; what they were
    std::vector<Value*> before;
    for (auto& s : streams_) {
      before.push_back(s.at);
      if (std::int64_t stride = s.strides[axis])
        s.at =
            b_.CreateInBoundsGEP(b_.getInt8Ty(), s.at, stride == 1 ? index : b_.CreateNSWMul(index, b_.getInt64(static_cast<std::uint64_t>(stride))));
    }
    return before;
  }
  void leave(const std::vector<Value*>& before) {
    for (std::size_t i = 0; i < before.size(); ++i) streams_[i].at = before[i];
  }
  Value* first(std::size_t axis) { return axis == 0 ? static_cast<Value*>(f_->getArg(1)) : b_.getInt64(static_cast<std::uint64_t>(n_.lower[axis])); }
  Value* end(std::size_t axis) { return axis == 0 ? static_cast<Value*>(f_->getArg(2)) : b_.getInt64(static_cast<std::uint64_t>(n_.upper[axis])); }

  // The loops from this axis on; the last one once per stage, with what depends on its sums between.
  void nested(std::size_t axis) {
    if (axis != last()) return loop(axis);
    for (now_ = 0; now_ < stages_; ++now_) {
      if (now_) scalar_level(last(), now_);
      loop(axis);
    }
  }
  void loop(std::size_t axis) {
    auto& context = b_.getContext();
    const bool inner = axis == last();
    Value *from = first(axis), *to = end(axis);
    const std::int64_t step = inner ? static_cast<std::int64_t>(lanes_) * copies_ * (phase_ == Phase::main ? groups_ : 1) : 1;
    auto* before = b_.GetInsertBlock();
    auto* head = BasicBlock::Create(context, "loop" + std::to_string(axis), f_);
    auto* done = BasicBlock::Create(context, "done" + std::to_string(axis), f_);
    b_.CreateBr(head);
    b_.SetInsertPoint(head);
    auto* start = b_.CreatePHI(b_.getInt64Ty(), 2, "i" + std::to_string(axis));
    start->addIncoming(from, before);
    if (inner && phase_ == Phase::main) begin_reductions(before);
    Value* index = start;
    overlaps_ = inner && n_.extent(axis) % step != 0;
    if (overlaps_) {  // the last vectors end where the axis does
      Value* latest = b_.CreateSub(to, b_.getInt64(static_cast<std::uint64_t>(step)));
      index = b_.CreateBinaryIntrinsic(llvm::Intrinsic::smin, start, latest);
    }
    auto saved = enter(axis, index);
    index_.push_back(index);
    if (inner) {
      start_ = start;
      body(index, start);
    } else {
      scalar_level(axis + 1);
      nested(axis + 1);
    }
    leave(saved);
    index_.pop_back();
    auto* next = b_.CreateAdd(start, b_.getInt64(static_cast<std::uint64_t>(step)));
    start->addIncoming(next, b_.GetInsertBlock());
    if (inner && phase_ == Phase::main) continue_reductions(b_.GetInsertBlock());
    b_.CreateCondBr(b_.CreateICmpSLT(next, to), head, done);
    b_.SetInsertPoint(done);
    if (inner && phase_ == Phase::main) end_reductions();
  }

  // ---------------------------------------------------------------- one block of vectors
  void begin_body(Value* index) {
    vectors_.assign(copies_ * g_.size(), nullptr);
    splats_.assign(g_.size(), nullptr);
    columns_.clear();
    index_of_copy_.clear();
    for (unsigned u = group_; u < group_ + copies_; ++u)
      index_of_copy_.push_back(u && index ? b_.CreateAdd(index, b_.getInt64(static_cast<std::uint64_t>(u) * lanes_)) : index);
  }
  void grouped_body(Value* index, Value* start);
  Value* forgotten(Value* address);
  // Stores number `which`, of value(k, copy).
  template <class F> void store_all(const std::vector<std::size_t>& which, F value_of) {
    std::vector<std::size_t> apart;  // with gaps between lanes
    for (std::size_t k : which) {
      auto& s = n_.stores[k];
      std::int64_t stride = n_.axes() ? s.at.strides[last()] : 0;
      if (passes_[k]) continue;
      if (lanes_ > 1 && stride != 1 && stride != 0) {
        apart.push_back(k);
        continue;
      }
      if (s.past && lanes_ > 1 && stride == 1 && lanes_ * size_of(s.at.dtype) >= line / 2) {
        for (unsigned u = 0; u < copies_; ++u) past_.push_back({to_memory(s.at.dtype, value_of(k, u)), k, u});
        continue;
      }
      if (keeps_earlier()) {
        for (unsigned u = 0; u < copies_; ++u) in_part_.push_back({to_memory(s.at.dtype, value_of(k, u)), k, u});
        continue;
      }
      for (unsigned u = 0; u < copies_; ++u) {
        Value* v = to_memory(s.at.dtype, value_of(k, u));
        if (stride == 0 && lanes_ > 1) v = b_.CreateExtractElement(v, b_.getInt32(0));  // all lanes are equal
        store(v, store_streams_[k], s.at, static_cast<std::int64_t>(u * lanes_) * stride);
      }
    }
    interleaved_stores(std::move(apart), value_of);
    stores_past_caches();
    stores_in_part();
    std::map<std::size_t, std::vector<std::size_t>> records;  // per stream
    for (std::size_t k : which)
      if (passes_[k]) records[store_streams_[k]].push_back(k);
    std::vector<Block> blocks;
    for (auto& [stream, stores] : records) {
      blocks.push_back(block_of(stores));
      Value* there = std::exchange(streams_[stream].at, blocks.back().from);
      interleaved_stores(stores, value_of);
      streams_[stream].at = there;
    }
    if (!blocks.empty()) pass(blocks);
  }
  // Records written past the caches: those of a block of lanes are put together on the stack.
  struct Block {
    Value *from, *to;
    std::uint64_t bytes;
  };
  Block block_of(const std::vector<std::size_t>& stores);
  void pass(const std::vector<Block>& blocks);
  void copy(const Block& b, bool past);
  virtual void body(Value* index, Value* start) {
    if (phase_ == Phase::main && groups_ > 1) return grouped_body(index, start);
    begin_body(index);
    if (phase_ != Phase::main) return rows(start);
    std::vector<std::size_t> now;
    for (std::size_t k = 0; k < n_.stores.size(); ++k) {
      if (stage_[n_.stores[k].value] != now_) continue;
      need(n_.stores[k].value);
      now.push_back(k);
    }
    if (n_.in_place)  // before anything is overwritten
      for (auto& r : n_.reductions) need(r.value);
    store_all(now, [&](std::size_t k, unsigned u) { return value(n_.stores[k].value, u); });
    for (std::size_t k = 0; k < n_.reductions.size(); ++k)
      if (stage_[n_.reductions[k].value] == now_) reduce(k, start);
    for (Id i : keep_)
      if (stage_[i] == now_) {
        need(i);
        for (unsigned u = 0; u < copies_; ++u)
          b_.CreateAlignedStore(vectors_[u * g_.size() + i], place_in(kept_[i], g_[i].type, u), llvm::Align(size_of(g_[i].type)));
      }
  }
  struct Late {  // a vector to be stored at the end of the block
    Value* value;
    std::size_t store;
    unsigned copy;
  };
  Value* place_in(Value* row, DType d, unsigned u) {
    Value* at = b_.CreateSub(index_of_copy_[u], b_.getInt64(static_cast<std::uint64_t>(n_.lower[last()])));
    return b_.CreateInBoundsGEP(ops_.stored(d), row, at);
  }
  bool there(Id i) const { return in_lanes(i) ? vectors_[i] != nullptr : scalars_[i] != nullptr; }
  // Where it lies in memory, if it does: computed by an earlier loop over the row.
  Value* row_with(Id i) const { return phase_ == Phase::main && row_at_[i] ? row_at_[i] : stage_[i] < now_ ? kept_[i] : nullptr; }
  // Emits `root`, and before it those of its operands that are not there yet.
  void need(Id root) {
    std::vector<Id> stack{root};
    while (!stack.empty()) {
      Id i = stack.back();
      if (there(i)) {
        stack.pop_back();
        continue;
      }
      std::size_t before = stack.size();
      Value* row = in_lanes(i) ? row_with(i) : nullptr;
      if (row) {
        for (unsigned u = 0; u < copies_; ++u)
          vectors_[u * g_.size() + i] =
              b_.CreateAlignedLoad(ops_.type(g_[i].type, lanes_), place_in(row, g_[i].type, u), llvm::Align(size_of(g_[i].type)));
        continue;
      }
      std::vector<Id> missing;
      auto operand = [&](Id o) {
        if (!there(o)) missing.push_back(o);
      };
      if (!twin_.empty() && twin_[i].first != none) operand(twin_[i].first);
      else g_.each_operand(i, operand);
      stack.insert(stack.end(), missing.rbegin(), missing.rend());
      if (stack.size() != before) continue;
      stack.pop_back();
      if (g_[i].op == Op::rare) rare_ones(i);
      else if (!in_lanes(i)) scalars_[i] = compute_scalar(i);
      else
        for (unsigned u = 0; u < copies_; ++u) vectors_[u * g_.size() + i] = compute(i, u);
    }
  }
  // All that may call out and can be computed now, behind one branch, since a branch ends the code that the machine's scheduler sees.
  void rare_ones(Id first) {
    std::vector<Id> group;
    if (n_.steps || phase_ != Phase::main || (in_lanes(first) && stage_[first] < now_)) group.push_back(first);  // what else is known is not clear
    else
      for (Id i : rares_)
        if (level_[i] == level_[first] && stage_[i] == stage_[first] && rares_before_[i] == rares_before_[first] && !there(i) &&
            !(in_lanes(i) && row_with(i)))
          group.push_back(i);
    for (Id i : group) g_.each_operand(i, [&](Id o) { need(o); });
    const bool lanes = in_lanes(first);
    const unsigned copies = lanes ? copies_ : 1;
    std::vector<Ops::Rare> calls;
    for (Id i : group)
      for (unsigned u = 0; u < copies; ++u) {
        auto operand = [&](Id o) { return lanes ? value(o, u) : scalars_[o]; };
        Ops::Rare r{&g_[i], operand(g_[i].a), operand(g_[i].b), {}};
        for (Id o : g_.fallback(g_[i].attr).args) r.args.push_back(operand(o));
        calls.push_back(std::move(r));
      }
    ops_.rare(calls, lanes ? lanes_ : 1);
    std::size_t k = 0;
    for (Id i : group)
      for (unsigned u = 0; u < copies; ++u) (lanes ? vectors_[u * g_.size() + i] : scalars_[i]) = calls[k++].value;
  }
  Value* value(Id i, unsigned u) {
    if (in_lanes(i)) return vectors_[u * g_.size() + i];
    if (lanes_ == 1) return scalars_[i];
    if (g_.is_constant(i)) return ops_.constant(g_[i].type, g_[i].attr, lanes_);
    if (!splats_[i]) splats_[i] = b_.CreateVectorSplat(lanes_, scalars_[i]);
    return splats_[i];
  }
  Value* compute(Id i, unsigned u) {
    const Node& n = g_[i];
    if (!twin_.empty() && twin_[i].first != none) {
      auto [of, k] = twin_[i];
      return b_.CreateShuffleVector(vectors_[static_cast<std::size_t>(k) / lanes_ * g_.size() + of],
                                    std::vector<int>(lanes_, static_cast<int>(k % lanes_)));
    }
    if (n.op == Op::load) return load(n_.accesses[n.attr], stream_of_load_[n.attr], u);
    if (n.op == Op::gather) return gather(i, u);
    if (n.op == Op::position) return positions(u);
    return operation(i, lanes_, [&](Id o) { return value(o, u); });
  }
  Value* compute_scalar(Id i) {
    const Node& n = g_[i];
    if (g_.reads(i)) {
      auto& a = n_.accesses[n.attr];
      Value* at = pointer(stream_of_load_[n.attr], a, 0);
      if (n.op == Op::gather) at = b_.CreateInBoundsGEP(ops_.stored(a.dtype), at, scalars_[n.a]);
      return from_memory(a.dtype, load_at(ops_.stored(a.dtype), at, a.dtype, a.buffer), 1);
    }
    if (n.op == Op::position) return index_[n.attr];
    return operation(i, 1, [&](Id o) { return scalars_[o]; });
  }
  template <class F> Value* operation(Id i, unsigned lanes, F operand) {
    const Node& n = g_[i];
    return ops_.apply(n, n.a == none ? nullptr : operand(n.a), n.b == none ? nullptr : operand(n.b), n.c == none ? nullptr : operand(n.c), lanes);
  }

  // ---------------------------------------------------------------- memory
  Value* pointer(std::size_t stream, const Access& a, std::int64_t more) {
    std::int64_t bytes = (a.offset + more) * static_cast<std::int64_t>(size_of(a.dtype));
    return bytes ? b_.CreateConstInBoundsGEP1_64(b_.getInt8Ty(), streams_[stream].at, static_cast<std::uint64_t>(bytes)) : streams_[stream].at;
  }
  Value* load_at(llvm::Type* t, Value* p, DType d, int buffer) {
    auto* r = b_.CreateAlignedLoad(t, p, llvm::Align(size_of(d)));
    bool written = n_.in_place;
    for (auto& s : n_.stores) written |= s.at.buffer == buffer;
    for (auto& x : n_.reductions) written |= x.at.buffer == buffer;
    if (!written) r->setMetadata(llvm::LLVMContext::MD_invariant_load, llvm::MDNode::get(b_.getContext(), {}));
    return r;
  }
  Value* from_memory(DType d, Value* v, unsigned lanes) {
    return is_bool(d) ? b_.CreateICmpNE(v, llvm::Constant::getNullValue(Ops::widened(b_.getInt8Ty(), lanes))) : v;
  }
  Value* to_memory(DType d, Value* v) {
    if (!is_bool(d)) return v;
    auto* vector = llvm::dyn_cast<llvm::FixedVectorType>(v->getType());
    return b_.CreateZExt(v, Ops::widened(b_.getInt8Ty(), vector ? vector->getNumElements() : 1));
  }
  Value* load(const Access& a, std::size_t stream, unsigned u) {
    llvm::Type* t = ops_.stored(a.dtype);
    const std::int64_t stride = a.strides[last()], at = static_cast<std::int64_t>((group_ + u) * lanes_) * stride;
    if (lanes_ == 1) return from_memory(a.dtype, load_at(t, pointer(stream, a, at), a.dtype, a.buffer), 1);
    llvm::Type* v = Ops::widened(t, lanes_);
    Value* r;
    if (stride == 1) {
      r = load_at(v, pointer(stream, a, at), a.dtype, a.buffer);
    } else if (stride == -1) {
      r = b_.CreateVectorReverse(load_at(v, pointer(stream, a, at - (static_cast<std::int64_t>(lanes_) - 1)), a.dtype, a.buffer));
    } else if (stride == 0) {
      r = b_.CreateVectorSplat(lanes_, load_at(t, pointer(stream, a, 0), a.dtype, a.buffer));
    } else if (const Window* w = window_of(a, stream)) {
      r = column(*w, stream, a, u);
    } else {
      r = llvm::PoisonValue::get(v);
      for (unsigned l = 0; l < lanes_; ++l)
        r = b_.CreateInsertElement(r, load_at(t, pointer(stream, a, at + l * stride), a.dtype, a.buffer), b_.getInt32(l));
    }
    return from_memory(a.dtype, r, lanes_);
  }
  Value* gather(Id i, unsigned u);
  void store(Value* v, std::size_t stream, const Access& a, std::int64_t at) {
    b_.CreateAlignedStore(v, pointer(stream, a, at), llvm::Align(size_of(a.dtype)));
  }
  const Window* window_of(const Access& a, std::size_t stream) const {
    auto it = windows_.find(stream);
    if (it == windows_.end()) return nullptr;
    for (const Window& w : it->second)
      if (a.offset >= w.from && a.offset < w.from + w.columns) return &w;
    return nullptr;
  }
  Value* column(const Window& w, std::size_t stream, const Access& a, unsigned u) {
    auto& known = columns_[{stream, w.from, u}];
    const unsigned m = w.columns, per = lanes_ / m;
    if (known.empty()) {
      const std::int64_t stride = a.strides[last()];
      Access row = a;
      row.offset = w.from;
      llvm::Type* t = ops_.stored(a.dtype);
      for (unsigned k = 0; k < m; ++k) {  // vectors of `per` rows
        const std::int64_t at = static_cast<std::int64_t>((group_ + u) * lanes_ + k * per) * stride;
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
  // In place, a block that goes back must leave what the block before wrote: its operands there are gone.
  bool keeps_earlier() const { return n_.in_place && overlaps_; }
  Value* goes_on() { return b_.CreateICmpEQ(index_of_copy_[0], start_); }
  void store_late(const Late& x, bool whole);
  void stores_in_part();
  void stores_past_caches();
  // Records side by side: up to a vector of columns become rows by repeated interleaving.
  template <class F> void interleaved_stores(std::vector<std::size_t> stores, F value_of) {
    std::sort(stores.begin(), stores.end(), [&](std::size_t x, std::size_t y) {
      return std::pair(store_streams_[x], n_.stores[x].at.offset) < std::pair(store_streams_[y], n_.stores[y].at.offset);
    });
    for (std::size_t from = 0; from < stores.size();) {
      const Store& first = n_.stores[stores[from]];
      std::size_t to = from + 1;
      while (to < stores.size() && to - from < lanes_ && store_streams_[stores[to]] == store_streams_[stores[from]] &&
             n_.stores[stores[to]].at.offset == first.at.offset + static_cast<std::int64_t>(to - from))
        ++to;
      for (unsigned u = 0; u < copies_; ++u) {
        std::vector<Value*> columns;
        for (std::size_t k = from; k < to; ++k) columns.push_back(to_memory(first.at.dtype, value_of(stores[k], u)));
        store_rows(std::move(columns), store_streams_[stores[from]], first.at, static_cast<std::int64_t>(u * lanes_) * first.at.strides[last()]);
      }
      from = to;
    }
  }
  void store_rows(std::vector<Value*> v, std::size_t stream, const Access& a, std::int64_t at) {
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

  // ---------------------------------------------------------------- reductions
  Value* combined(const Reduction& r, Value* a, Value* b) { return ops_.binary(operation_of(r.op, r.at.dtype), r.at.dtype, a, b); }
  void begin_reductions(BasicBlock* before) {
    sums_.clear();
    for (auto& r : n_.reductions) {
      if (!over_lanes(r) || stage_[r.value] != now_) continue;
      for (unsigned u = 0; u < chains(); ++u) {
        auto* phi = b_.CreatePHI(ops_.type(r.at.dtype, lanes_), 2);
        phi->addIncoming(ops_.constant(r.at.dtype, identity_of(r.op, r.at.dtype), lanes_), before);
        sums_.push_back({phi, nullptr});
      }
    }
  }
  void reduce(std::size_t k, Value* start) {
    auto& r = n_.reductions[k];
    need(r.value);
    const bool lanes = over_lanes(r);
    std::size_t sum = 0;
    for (std::size_t j = 0; j < k; ++j) sum += over_lanes(n_.reductions[j]) && stage_[n_.reductions[j].value] == now_ ? copies_ : 0;
    for (unsigned u = 0; u < copies_; ++u) {
      Value* v = value(r.value, u);
      if (lanes) {
        Value* before = sums_[sum + u].phi;
        sums_[sum + u].next = fresh(combined(r, before, v), before, u, start);
        continue;
      }
      v = fresh(v, ops_.constant(r.at.dtype, identity_of(r.op, r.at.dtype), lanes_), u, start);
      if (auto row = gathered_.find(k); row != gathered_.end()) {
        Value* at = place_in(row->second, r.at.dtype, u);
        const llvm::Align align(size_of(r.at.dtype));
        b_.CreateAlignedStore(combined(r, b_.CreateAlignedLoad(ops_.type(r.at.dtype, lanes_), at, align), v), at, align);
      } else {
        const std::int64_t stride = n_.axes() ? r.at.strides[last()] : 0;
        accumulate_vector(r, reduction_streams_[k], v, static_cast<std::int64_t>(u * lanes_) * stride, stride);
      }
    }
  }
  // v, but for elements that an earlier block took.
  Value* fresh(Value* v, Value* identity, unsigned u, Value* start) {
    if (!overlaps_) return v;
    return b_.CreateSelect(b_.CreateICmpSGE(positions(u), lanes_ == 1 ? start : b_.CreateVectorSplat(lanes_, start)), v, identity);
  }
  Value* positions(unsigned u) {
    if (lanes_ == 1) return index_of_copy_[u];
    std::vector<llvm::Constant*> steps;
    for (unsigned l = 0; l < lanes_; ++l) steps.push_back(b_.getInt64(l));
    return b_.CreateAdd(b_.CreateVectorSplat(lanes_, index_of_copy_[u]), llvm::ConstantVector::get(steps));
  }
  void accumulate_vector(const Reduction& r, std::size_t stream, Value* v, std::int64_t at, std::int64_t stride) {
    llvm::Type* t = ops_.stored(r.at.dtype);
    if (lanes_ == 1 || stride == 1) {
      Value* old = from_memory(r.at.dtype, load_at(Ops::widened(t, lanes_), pointer(stream, r.at, at), r.at.dtype, r.at.buffer), lanes_);
      store(to_memory(r.at.dtype, combined(r, old, v)), stream, r.at, at);
      return;
    }
    for (unsigned l = 0; l < lanes_; ++l) {
      std::int64_t place = at + static_cast<std::int64_t>(l) * stride;
      Value* old = from_memory(r.at.dtype, load_at(t, pointer(stream, r.at, place), r.at.dtype, r.at.buffer), 1);
      store(to_memory(r.at.dtype, combined(r, old, b_.CreateExtractElement(v, b_.getInt32(l)))), stream, r.at, place);
    }
  }
  void continue_reductions(BasicBlock* from) {
    for (auto& s : sums_) s.phi->addIncoming(s.next, from);
  }
  void end_reductions() {
    std::size_t sum = 0;
    auto sums = sums_;
    for (std::size_t k = 0; k < n_.reductions.size(); ++k) {
      auto& r = n_.reductions[k];
      if (!over_lanes(r) || stage_[r.value] != now_) continue;
      std::vector<Value*> parts;
      for (unsigned u = 0; u < chains(); ++u) parts.push_back(sums[sum++].next);
      while (parts.size() > 1) {
        for (std::size_t i = 0; i < parts.size() / 2; ++i) parts[i] = combined(r, parts[i], parts[i + parts.size() / 2]);
        parts.resize(parts.size() / 2);
      }
      Value* v = ops_.folded(operation_of(r.op, r.at.dtype), r.at.dtype, parts[0], lanes_);
      if (r.at.buffer < 0) {
        for (Id i : by_level_[last()])
          if (g_[i].op == Op::reduced && g_[i].attr == k) scalars_[i] = v;
        continue;
      }
      if (r.accumulate) {
        llvm::Type* t = ops_.stored(r.at.dtype);
        v = combined(r, from_memory(r.at.dtype, load_at(t, pointer(reduction_streams_[k], r.at, 0), r.at.dtype, r.at.buffer), 1), v);
      }
      store(to_memory(r.at.dtype, v), reduction_streams_[k], r.at, 0);
    }
  }

  llvm::IRBuilder<> b_;
  Ops ops_;
  llvm::Function* f_ = nullptr;
  unsigned now_ = 0;    // the stage
  unsigned group_ = 0;  // the first vector of the group at hand, in its block
  Phase phase_ = Phase::main;
  std::vector<Value*> kept_, row_at_;  // rows, per node
  bool overlaps_ = false;              // the last block of lanes goes back over elements of the one before
  Value* start_ = nullptr;             // where the block would begin that does not
  std::vector<Value*> index_;          // per axis entered
  std::vector<Value*> index_of_copy_;  // along the last axis
  std::vector<Value*> scalars_, vectors_, splats_;
  std::map<std::tuple<std::size_t, std::int64_t, unsigned>, std::vector<Value*>> columns_;  // of (stream, window, copy)
  static constexpr std::size_t line = 64;                                                   // bytes
  std::vector<Late> past_, in_part_;       // at the end of the block: past the caches; where no earlier block has stored
  bool fence_ = false;                     // has anything been?
  std::map<std::size_t, Value*> records_;  // per stream: where those of a block are put together
  struct Sum {
    llvm::PHINode* phi;
    Value* next;
  };
  std::vector<Sum> sums_;
};

}  // namespace functra::compiler
