// Loads from computed places.
#include "functra/compiler/emit_nest-inl.h"

namespace functra::compiler {

// Of lanes that share how much further it is, and lie side by side, one vector.
Value* NestEmitter::gather(Id i, unsigned u) {
  const Node& n = g_[i];
  const Access& a = n_.accesses[n.attr];
  llvm::Type* t = ops_.stored(a.dtype);
  const std::int64_t stride = a.strides[last()];
  const bool together = !in_lanes(n.a);
  Value* at = pointer(stream_of_load_[n.attr], a, static_cast<std::int64_t>((group_ + u) * lanes_) * stride);
  Value* further = together ? scalars_[n.a] : vectors_[u * g_.size() + n.a];
  if (lanes_ == 1 || together) at = b_.CreateInBoundsGEP(t, at, further);
  if (lanes_ == 1) return from_memory(a.dtype, load_at(t, at, a.dtype, a.buffer), 1);
  llvm::Type* v = Ops::widened(t, lanes_);
  if (together && stride == 1) return from_memory(a.dtype, load_at(v, at, a.dtype, a.buffer), lanes_);
  auto* number = llvm::cast<llvm::IntegerType>(further->getType()->getScalarType());
  std::vector<llvm::Constant*> apart;
  for (unsigned l = 0; l < lanes_; ++l) apart.push_back(llvm::ConstantInt::getSigned(number, static_cast<std::int64_t>(l) * stride));
  Value* places = llvm::ConstantVector::get(apart);
  if (!together) places = stride ? b_.CreateAdd(further, places) : further;
  Value* all = b_.CreateInBoundsGEP(t, at, places);
  return from_memory(a.dtype, b_.CreateMaskedGather(v, all, llvm::Align(size_of(a.dtype))), lanes_);
}

}  // namespace functra::compiler
