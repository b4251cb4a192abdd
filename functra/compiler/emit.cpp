#include "functra/compiler/emit_nest-inl.h"

namespace functra::compiler {

void NestEmitter::store_late(const Late& x, bool whole) {
  const Access& a = n_.stores[x.store].at;
  Value* at = pointer(store_streams_[x.store], a, static_cast<std::int64_t>(x.copy * lanes_));
  const llvm::Align align(size_of(a.dtype));
  if (whole || !keeps_earlier()) b_.CreateAlignedStore(x.value, at, align);
  else b_.CreateMaskedStore(x.value, at, align, b_.CreateICmpSGE(positions(x.copy), b_.CreateVectorSplat(lanes_, start_)));
}
void NestEmitter::stores_in_part() {
  if (in_part_.empty()) return;
  auto& context = b_.getContext();
  auto* whole = BasicBlock::Create(context, "whole", f_);
  auto* part = BasicBlock::Create(context, "part", f_);
  auto* after = BasicBlock::Create(context, "stored", f_);
  b_.CreateCondBr(goes_on(), whole, part);
  for (auto* block : {whole, part}) {
    b_.SetInsertPoint(block);
    for (auto& x : in_part_) store_late(x, block == whole);
    b_.CreateBr(after);
  }
  b_.SetInsertPoint(after);
  in_part_.clear();
}
// Vectors that fill their lines go past the caches, where all of them do: others could not.
void NestEmitter::stores_past_caches() {
  if (past_.empty()) return;
  auto& context = b_.getContext();
  std::vector<Value*> at;
  std::vector<unsigned> bytes;
  Value* low = nullptr;
  for (auto& x : past_) {
    const Store& s = n_.stores[x.store];
    at.push_back(pointer(store_streams_[x.store], s.at, static_cast<std::int64_t>(x.copy * lanes_)));
    bytes.push_back(lanes_ * static_cast<unsigned>(size_of(s.at.dtype)));
    Value* bits = b_.CreateAnd(b_.CreatePtrToInt(at.back(), b_.getInt64Ty()), b_.getInt64(bytes.back() - 1));
    low = low ? b_.CreateOr(low, bits) : bits;
  }
  auto* whole = BasicBlock::Create(context, "lines", f_);
  auto* parts = BasicBlock::Create(context, "parts", f_);
  auto* after = BasicBlock::Create(context, "stored", f_);
  Value* lines = b_.CreateICmpEQ(low, b_.getInt64(0));
  b_.CreateCondBr(keeps_earlier() ? b_.CreateAnd(lines, goes_on()) : lines, whole, parts, llvm::MDBuilder(context).createBranchWeights(1000, 1));
  for (auto* block : {whole, parts}) {
    b_.SetInsertPoint(block);
    for (std::size_t k = 0; k < past_.size(); ++k) {
      if (block == parts) {
        store_late(past_[k], false);
        continue;
      }
      b_.CreateAlignedStore(past_[k].value, at[k], llvm::Align(bytes[k]))
          ->setMetadata(llvm::LLVMContext::MD_nontemporal, llvm::MDNode::get(context, llvm::ConstantAsMetadata::get(b_.getInt32(1))));
    }
    b_.CreateBr(after);
  }
  b_.SetInsertPoint(after);
  past_.clear();
  fence_ = true;
}
NestEmitter::Block NestEmitter::block_of(const std::vector<std::size_t>& stores) {
  const std::size_t stream = store_streams_[stores[0]];
  const std::uint64_t bytes = stores.size() * lanes_ * copies_ * size_of(n_.stores[stores[0]].at.dtype);
  auto& room = records_[stream];
  if (!room) {
    llvm::IRBuilder<> entry(&f_->getEntryBlock(), f_->getEntryBlock().begin());
    auto* p = entry.CreateAlloca(llvm::ArrayType::get(b_.getInt8Ty(), bytes));
    p->setAlignment(llvm::Align(64));
    room = p;
  }
  return {room, streams_[stream].at, bytes};
}
void NestEmitter::copy(const Block& b, bool past) {
  auto* vector = Ops::widened(b_.getInt64Ty(), target_.vector_bytes / 8);
  const std::uint64_t count = b.bytes / target_.vector_bytes, unroll = count % 4 == 0 ? 4 : 1;
  auto* before = b_.GetInsertBlock();
  auto* head = BasicBlock::Create(b_.getContext(), "copy", f_);
  auto* done = BasicBlock::Create(b_.getContext(), "copied", f_);
  b_.CreateBr(head);
  b_.SetInsertPoint(head);
  auto* i = b_.CreatePHI(b_.getInt64Ty(), 2);
  i->addIncoming(b_.getInt64(0), before);
  std::vector<Value*> v;
  for (std::uint64_t k = 0; k < unroll; ++k)
    v.push_back(
        b_.CreateAlignedLoad(vector, b_.CreateInBoundsGEP(vector, b.from, b_.CreateAdd(i, b_.getInt64(k))), llvm::Align(target_.vector_bytes)));
  for (std::uint64_t k = 0; k < unroll; ++k) {
    Value* to = b_.CreateInBoundsGEP(vector, b.to, b_.CreateAdd(i, b_.getInt64(k)));
    auto* s = b_.CreateAlignedStore(v[k], to, llvm::Align(past ? target_.vector_bytes : 1));
    if (past) s->setMetadata(llvm::LLVMContext::MD_nontemporal, llvm::MDNode::get(b_.getContext(), llvm::ConstantAsMetadata::get(b_.getInt32(1))));
  }
  auto* next = b_.CreateAdd(i, b_.getInt64(unroll));
  i->addIncoming(next, head);
  b_.CreateCondBr(b_.CreateICmpULT(next, b_.getInt64(count)), head, done);
  b_.SetInsertPoint(done);
}
// Past the caches where all places are aligned, as all blocks are but a last one that goes back.
void NestEmitter::pass(const std::vector<Block>& blocks) {
  fence_ = true;
  Value* bits = b_.getInt64(0);
  for (auto& b : blocks) bits = b_.CreateOr(bits, b_.CreatePtrToInt(b.to, b_.getInt64Ty()));
  Value* aligned = b_.CreateICmpEQ(b_.CreateAnd(bits, b_.getInt64(target_.vector_bytes - 1)), b_.getInt64(0));
  auto* past = BasicBlock::Create(b_.getContext(), "past", f_);
  auto* plain = BasicBlock::Create(b_.getContext(), "plain", f_);
  auto* both = BasicBlock::Create(b_.getContext(), "stored", f_);
  b_.CreateCondBr(aligned, past, plain);
  for (bool yes : {true, false}) {
    b_.SetInsertPoint(yes ? past : plain);
    for (auto& b : blocks) copy(b, yes);
    b_.CreateBr(both);
  }
  b_.SetInsertPoint(both);
}

void emit(const Nest& nest, const Target& target, llvm::Module& module, const std::string& name) {
  if (nest.steps) emit_steps(nest, target, module, name);
  else if (nest.scalar() && nest.reductions.empty()) emit_packed(nest, target, module, name);
  else NestEmitter(nest, target, module, name).run();
}

}  // namespace functra::compiler
