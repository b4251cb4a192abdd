// Nests of many sums over the same columns: blocks of several groups of vectors.
#include <llvm/IR/InlineAsm.h>

#include "functra/compiler/emit_nest-inl.h"

namespace functra::compiler {

// What the sums share of each group; then sum by sum, over all groups, from columns that are loaded again.
void NestEmitter::grouped_body(Value* index, Value* start) {
  std::vector<std::vector<Value*>> shared;  // per group: of each node, the vectors
  for (unsigned k = 0; k < groups_; ++k) {
    group_ = k * copies_;
    begin_body(index);
    for (Id i : shared_) need(i);
    auto& of_group = shared.emplace_back();
    for (Id i : shared_)
      for (unsigned u = 0; u < copies_; ++u) of_group.push_back(vectors_[u * g_.size() + i]);
  }
  std::vector<Value*> before;
  for (auto& s : streams_) {
    before.push_back(s.at);
    s.at = forgotten(s.at);
  }
  for (std::size_t r = 0; r < n_.reductions.size(); ++r) {
    const Reduction& sum = n_.reductions[r];
    std::vector<Value*> parts;  // the first goes on from the blocks before, the second begins here
    for (unsigned k = 0; k < groups_; ++k) {
      group_ = k * copies_;
      begin_body(index);
      for (std::size_t i = 0; i < shared_.size(); ++i)
        for (unsigned u = 0; u < copies_; ++u) vectors_[u * g_.size() + shared_[i]] = shared[k][i * copies_ + u];
      need(sum.value);
      for (unsigned u = 0; u < copies_; ++u) {
        Value* v = value(sum.value, u);
        if (u < parts.size()) {
          parts[u] = fresh(combined(sum, parts[u], v), parts[u], u, start);
        } else if (u == 0) {
          parts.push_back(fresh(combined(sum, sums_[r].phi, v), sums_[r].phi, u, start));
        } else {
          parts.push_back(fresh(v, ops_.constant(sum.at.dtype, identity_of(sum.op, sum.at.dtype), lanes_), u, start));
        }
      }
    }
    sums_[r].next = parts[0];
    for (std::size_t u = 1; u < parts.size(); ++u) sums_[r].next = combined(sum, sums_[r].next, parts[u]);
  }
  for (std::size_t i = 0; i < streams_.size(); ++i) streams_[i].at = before[i];
  group_ = 0;
}
// The same address, of which LLVM does not know that it is: what has been loaded from there is loaded again, not kept in a register.
Value* NestEmitter::forgotten(Value* address) {
  auto* type = llvm::FunctionType::get(b_.getPtrTy(), {b_.getPtrTy()}, false);
  return b_.CreateCall(type, llvm::InlineAsm::get(type, "", "=r,0", true), {address});
}

}  // namespace functra::compiler
