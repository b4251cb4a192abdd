// Machine code for loop nests, by LLVM's in-process linker.
#pragma once
#include <memory>
#include <string>
#include <vector>

#include "functra/compiler/nest.h"
#include "functra/compiler/object_cache.h"

namespace functra::compiler {

using Kernel = void (*)(void* const* buffers, std::int64_t begin, std::int64_t end);

// Which code: an object, of these nests, by this generator, for this machine; and, per nest, the number of its function there.
struct CodeName {
  Digest object;
  std::vector<std::uint32_t> functions;
};
// Compiled nests; their code lives as long as this does.
class Code {
 public:
  virtual ~Code() = default;
  CodeName name;
  std::vector<Kernel> kernels;  // one per nest, in order
  double compile_ms = 0;
};
using CodePtr = std::shared_ptr<const Code>;

// Equal nests share a kernel. Code of the same nests that is alive, or was made not long ago, is returned again. May be called by any
// thread.
CodePtr compile(const std::vector<const Nest*>& nests);
// Code that is alive, or on disk; null where it is neither.
CodePtr find_code(const CodeName& name);
// What code depends on beside its nests, as text: the library's sources, LLVM and the machine.
const std::string& generator();
std::string llvm_ir(const std::vector<const Nest*>& nests);
std::string assembly(const std::vector<const Nest*>& nests);
std::string object(const std::vector<const Nest*>& nests);  // the bytes of an object file

}  // namespace functra::compiler
