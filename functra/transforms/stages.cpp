#include "functra/transforms/stages.h"

#include "functra/core/executor.h"
#include "functra/prims/control.h"

namespace functra {
namespace {
using core::Executor;
std::size_t bytes_of(const std::vector<Aval>& types) {
  std::size_t n = 0;
  for (auto& a : types) n += static_cast<std::size_t>(a.shape.numel()) * size_of(a.dtype);
  return n;
}
}  // namespace

std::vector<Tensor> CompiledProgram::operator()(TensorList leaves) const {
  Vec in(program_.captured_tensors());
  in.insert(in.end(), leaves.begin(), leaves.end());
  if (in.size() != program_.ir()->inputs.size())
    throw ValueError("a compiled program of " + std::to_string(program_.ir()->inputs.size() - program_.captured_tensors().size()) + " inputs got " +
                     std::to_string(leaves.size()));
  std::vector<Aval> types = program_.ir()->in_types();
  for (std::size_t i = 0; i < in.size(); ++i)
    if (in[i].raw_dtype() != types[i].dtype || !(in[i].sizes() == types[i].shape))
      throw ShapeError("a compiled program takes " + types[i].str() + " as input " + std::to_string(i) + ", got " + in[i].aval().str());
  Vec out(program_.ir()->outputs.size());
  prims::call_compiled(program_.ir(), in, out);
  return out;
}
Cost CompiledProgram::cost() const {
  auto f = core::executor().figures(program_.ir());
  return {f.flops, f.bytes};
}
MemoryFigures CompiledProgram::memory() const {
  return {bytes_of(program_.ir()->in_types()), bytes_of(program_.ir()->out_types()), core::executor().figures(program_.ir()).workspace};
}
double CompiledProgram::compile_ms() const { return core::executor().figures(program_.ir()).compile_ms; }
std::string CompiledProgram::object() const { return core::executor().text(program_.ir(), Executor::Form::object); }
std::size_t CompiledProgram::nests() const { return core::executor().figures(program_.ir()).nests; }
std::size_t CompiledProgram::kernels() const { return core::executor().figures(program_.ir()).kernels; }

Program Lowered::program() const { return Program(core::executor().optimised(program_.ir()), program_.captured_tensors()); }
std::vector<PassStep> Lowered::passes() const {
  std::vector<PassStep> r;
  for (auto& s : core::executor().passes(program_.ir()))
    r.push_back({s.name, s.ms, s.before, s.after, Program(s.program, program_.captured_tensors())});
  return r;
}
std::string Lowered::text() const { return core::executor().text(program_.ir(), Executor::Form::steps); }
std::string Lowered::llvm_ir() const { return core::executor().text(program_.ir(), Executor::Form::llvm_ir); }
std::string Lowered::assembly() const { return core::executor().text(program_.ir(), Executor::Form::assembly); }

}  // namespace functra
