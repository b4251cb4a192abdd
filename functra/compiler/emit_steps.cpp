// Nests that step: carried values of a block of lanes are registers of one loop.
#include "functra/compiler/emit_nest-inl.h"

namespace functra::compiler {
namespace {

class StepsEmitter final : public NestEmitter {
 public:
  StepsEmitter(const Nest& nest, const Target& target, llvm::Module& m, const std::string& name)
      : NestEmitter(nest, target, m, name), s_(*nest.steps) {
    for (auto& c : s_.carries) streams_of_carries_.push_back(stream_of(n_.accesses[c.access]));
    std::vector<std::size_t> carry_of(n_.accesses.size(), n_.accesses.size());
    for (std::size_t k = 0; k < s_.carries.size(); ++k) carry_of[s_.carries[k].access] = k;
    node_of_carry_.assign(s_.carries.size(), none);
    inner_.assign(g_.size(), 0);
    for (Id i = 0; i < g_.size(); ++i) {
      const Node& n = g_[i];
      if (g_.reads(i)) {
        inner_[i] = s_.moves(n.attr, n_.accesses[n.attr].buffer);
        if (n.op == Op::load && carry_of[n.attr] < s_.carries.size()) node_of_carry_[carry_of[n.attr]] = i;
      }
      g_.each_operand(i, [&](Id o) { inner_[i] |= inner_[o]; });
    }
  }

 private:
  // A block of vectors from the first step to the last.
  void body(Value* index, Value*) override {
    auto& context = b_.getContext();
    begin_body(index);
    std::vector<Value*> start;
    for (std::size_t k = 0; k < s_.carries.size(); ++k)
      for (unsigned u = 0; u < copies_; ++u) start.push_back(load(n_.accesses[s_.carries[k].access], streams_of_carries_[k], u));
    before_steps();
    auto* before = b_.GetInsertBlock();
    auto* head = BasicBlock::Create(context, "step", f_);
    auto* work = BasicBlock::Create(context, "work", f_);
    auto* done = BasicBlock::Create(context, "last", f_);
    b_.CreateBr(head);
    b_.SetInsertPoint(head);
    auto* t = b_.CreatePHI(b_.getInt64Ty(), 2, "t");
    t->addIncoming(b_.getInt64(0), before);
    std::vector<llvm::PHINode*> carried;
    for (std::size_t k = 0; k < s_.carries.size(); ++k)
      for (unsigned u = 0; u < copies_; ++u) {
        auto* phi = b_.CreatePHI(start[carried.size()]->getType(), 2);
        phi->addIncoming(start[carried.size()], before);
        carried.push_back(phi);
        if (Id i = node_of_carry_[k]; i != none) vectors_[u * g_.size() + i] = phi;
      }
    b_.CreateCondBr(goes_on(t), work, done);

    b_.SetInsertPoint(work);
    auto saved = move_streams(t);
    std::vector<std::size_t> slices, ends;
    std::vector<std::size_t> carry_of(n_.stores.size(), n_.stores.size());
    for (std::size_t k = 0; k < s_.carries.size(); ++k) {
      ends.push_back(s_.carries[k].store);
      carry_of[ends.back()] = k;
    }
    for (std::size_t k = 0; k < n_.stores.size(); ++k) {
      need(n_.stores[k].value);
      if (carry_of[k] == n_.stores.size()) slices.push_back(k);
    }
    store_all(slices, [&](std::size_t k, unsigned u) { return value(n_.stores[k].value, u); });
    leave(saved);
    std::vector<Value*> next;
    for (std::size_t k : ends)
      for (unsigned u = 0; u < copies_; ++u) next.push_back(value(n_.stores[k].value, u));
    Value* later = b_.CreateAdd(t, b_.getInt64(1));
    t->addIncoming(later, b_.GetInsertBlock());
    for (std::size_t k = 0; k < carried.size(); ++k) carried[k]->addIncoming(next[k], b_.GetInsertBlock());
    b_.CreateBr(head);

    b_.SetInsertPoint(done);
    store_all(ends, [&](std::size_t k, unsigned u) { return carried[carry_of[k] * copies_ + u]; });
    if (s_.count >= 0) {
      auto* slot = b_.CreateConstGEP1_64(b_.getPtrTy(), f_->getArg(0), static_cast<std::uint64_t>(s_.count));
      b_.CreateAtomicRMW(llvm::AtomicRMWInst::Max, b_.CreateLoad(b_.getPtrTy(), slot), t, llvm::Align(8), llvm::AtomicOrdering::Monotonic);
    }
  }
  // What all steps see.
  void before_steps() {
    for (Id i : by_level_[n_.axes()])
      if (!inner_[i]) need(i);
    for (Id i : by_level_[n_.axes()])
      if (inner_[i])
        g_.each_operand(i, [&](Id o) {
          if (!in_lanes(o)) (void)value(o, 0);
        });
  }
  Value* goes_on(Value* t) {
    if (s_.go == none) return b_.CreateICmpSLT(t, b_.getInt64(static_cast<std::uint64_t>(s_.length)));
    need(s_.go);
    Value* any = value(s_.go, 0);
    for (unsigned u = 1; u < copies_; ++u) any = b_.CreateOr(any, value(s_.go, u));
    return lanes_ > 1 ? b_.CreateOrReduce(any) : any;
  }
  std::vector<Value*> move_streams(Value* t) {
    std::vector<Value*> before;
    Value* at = s_.reverse ? b_.CreateSub(b_.getInt64(static_cast<std::uint64_t>(s_.length - 1)), t) : t;
    for (auto& s : streams_) {
      before.push_back(s.at);
      if (std::int64_t bytes = s_.slice[static_cast<std::size_t>(s.buffer)])
        s.at = b_.CreateInBoundsGEP(b_.getInt8Ty(), s.at, b_.CreateNSWMul(at, b_.getInt64(static_cast<std::uint64_t>(bytes))));
    }
    return before;
  }

  const Steps& s_;
  std::vector<std::size_t> streams_of_carries_;
  std::vector<Id> node_of_carry_;    // its value at the step; none where nobody asks
  std::vector<std::uint8_t> inner_;  // differs from step to step
};

}  // namespace

void emit_steps(const Nest& nest, const Target& target, llvm::Module& module, const std::string& name) {
  StepsEmitter(nest, target, module, name).run();
}

}  // namespace functra::compiler
