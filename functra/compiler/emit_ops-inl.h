// One operation of a graph as LLVM IR, on scalars or vectors.
#pragma once
#include <llvm/IR/IRBuilder.h>
#include <llvm/IR/Intrinsics.h>
#include <llvm/IR/MDBuilder.h>
#include <llvm/IR/Module.h>

#include <map>

#include "functra/compiler/emit.h"

namespace functra::compiler {

class Ops {
 public:
  Ops(llvm::IRBuilder<>& b, const Graph& g, const Target& t) : b_(b), g_(g), target_(t) {}

  llvm::Type* element(DType d) const;  // in registers: i1 for bool
  llvm::Type* stored(DType d) const;   // in memory
  llvm::Type* type(DType d, unsigned lanes) const { return widened(element(d), lanes); }
  static llvm::Type* widened(llvm::Type* t, unsigned lanes);  // t itself for one lane
  llvm::Value* constant(DType d, std::uint64_t bits, unsigned lanes) const;
  // The value of node i, but for loads, positions and results of reductions, from its operands.
  llvm::Value* apply(const Node& n, llvm::Value* a, llvm::Value* b, llvm::Value* c, unsigned lanes);
  llvm::Value* binary(NumOp op, DType d, llvm::Value* a, llvm::Value* b);
  // Columns of `lanes` rows, a power of two of them: as vectors that hold the rows one after another; and the other way round.
  std::vector<llvm::Value*> zipped(std::vector<llvm::Value*> columns, unsigned lanes);
  std::vector<llvm::Value*> unzipped(std::vector<llvm::Value*> rows, unsigned lanes);
  llvm::Value* joined(std::vector<llvm::Value*> parts, unsigned lanes);    // end to end; each has so many lanes
  llvm::Value* folded(NumOp op, DType d, llvm::Value* v, unsigned lanes);  // all lanes combined
  struct Rare {
    const Node* n;
    llvm::Value *value, *mask;
    std::vector<llvm::Value*> args;
  };
  void fence();                                      // what was stored past the caches is there for other threads
  void rare(std::span<Rare> calls, unsigned lanes);  // puts each `value` right, behind one branch

 private:
  llvm::Value* room(llvm::Value* v, std::size_t slot);
  llvm::Value* unary(NumOp op, DType d, llvm::Value* x);
  llvm::Value* division(NumOp op, DType d, llvm::Value* a, llvm::Value* b);
  llvm::Value* shift(NumOp op, DType d, llvm::Value* a, llvm::Value* b);
  llvm::Value* scaled(DType d, llvm::Value* x, llvm::Value* k);
  llvm::Value* extreme(bool max, DType d, llvm::Value* a, llvm::Value* b);
  llvm::Value* convert(DType to, DType from, llvm::Value* x, unsigned lanes);
  llvm::Value* widen(DType half, llvm::Value* x, unsigned lanes);   // to f32
  llvm::Value* narrow(DType half, llvm::Value* x, unsigned lanes);  // from f32
  llvm::IRBuilder<>& b_;
  const Graph& g_;
  const Target& target_;
  std::map<std::pair<llvm::Type*, std::size_t>, llvm::Value*> rooms_;  // of values in memory, during a call
};

}  // namespace functra::compiler
