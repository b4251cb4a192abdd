#include "functra/compiler/emit_nest-inl.h"

namespace functra::compiler {

void emit(const Nest& nest, const Target& target, llvm::Module& module, const std::string& name) {
  if (nest.steps) emit_steps(nest, target, module, name);
  else if (nest.scalar() && nest.reductions.empty()) emit_packed(nest, target, module, name);
  else NestEmitter(nest, target, module, name).run();
}

}  // namespace functra::compiler
