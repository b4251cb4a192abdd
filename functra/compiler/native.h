// Machine code for loop nests, by LLVM's in-process linker.
#pragma once
#include <memory>
#include <string>
#include <vector>

#include "functra/compiler/nest.h"

namespace functra::compiler {

using Kernel = void (*)(void* const* buffers, std::int64_t begin, std::int64_t end);

// Compiled nests; their code lives as long as this does.
class Code {
 public:
  virtual ~Code() = default;
  std::vector<Kernel> kernels;  // one per nest, in order
  double compile_ms = 0;
};
using CodePtr = std::shared_ptr<const Code>;

// Equal nests share a kernel. Code of the same nests that is alive, or was made not long ago, is returned again. May be called by any
// thread.
CodePtr compile(const std::vector<const Nest*>& nests);
std::string llvm_ir(const std::vector<const Nest*>& nests);
std::string assembly(const std::vector<const Nest*>& nests);
std::string object(const std::vector<const Nest*>& nests);  // the bytes of an object file

}  // namespace functra::compiler
