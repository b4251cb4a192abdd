// The stages of a compiled function: what jit(f).trace(args...) gives, and what becomes of it.
#pragma once
#include <string>
#include <vector>

#include "functra/core/program.h"

namespace functra {

// Of one call. Loops count one step.
struct Cost {
  double flops;  // arithmetic operations of generated code and of matrix products
  double bytes;  // read and written by loop nests and kernels
};
struct MemoryFigures {
  std::size_t arguments, results;  // bytes
  std::size_t workspace;           // at most held at a time of what lies between them; scratch of kernels does not count
  std::size_t peak() const { return arguments + results + workspace; }
};

// A compiled program, to call with the leaves of its inputs (captured tensors first, as Program::operator() of a parsed one).
class CompiledProgram {
 public:
  explicit CompiledProgram(Program p) : program_(std::move(p)) {}
  std::vector<Tensor> operator()(TensorList leaves) const;
  Cost cost() const;
  MemoryFigures memory() const;
  double compile_ms() const;    // passes, code generation, linking
  std::string object() const;   // object files of the generated code, of loops' bodies one after another; as assembly
  std::size_t nests() const;    // loop nests that code was generated for
  std::size_t kernels() const;  // calls of ahead-of-time kernels

 private:
  Program program_;
};

// One pass over a program.
struct PassStep {
  std::string name;
  double ms;
  std::size_t before, after;  // equations, at every depth
  Program program;            // after it
};

// The program after the passes, and the code made from it. Error from text() on in a build without LLVM.
class Lowered {
 public:
  explicit Lowered(Program p) : program_(std::move(p)) {}
  Program program() const;               // after the passes
  std::vector<PassStep> passes() const;  // each, in order; FUNCTRA_PASSES_OFF=name,name leaves some out
  std::string text() const;              // loop nests and calls of kernels, in the order they run
  std::string llvm_ir() const;
  std::string assembly() const;  // of this machine
  CompiledProgram compile() const { return CompiledProgram(program_); }

 private:
  Program program_;
};

class Stages {
 public:
  explicit Stages(Program p) : program_(std::move(p)) {}
  const Program& program() const { return program_; }  // as traced
  Lowered lower() const { return Lowered(program_); }

 private:
  Program program_;
};

}  // namespace functra
