// From loop nests to LLVM IR: explicit vectors along the last axis, scalars for what does not vary along it, hoisted to the loop where
// it is first known.
#pragma once
#include <memory>

#include "functra/compiler/nest.h"

namespace llvm {
class Module;
class LLVMContext;
}  // namespace llvm

namespace functra::compiler {

struct Target {
  unsigned vector_bytes = 16;  // of the machine's best vectors
  unsigned registers = 16;     // of them
  bool avx512 = false, x86 = false;
  bool deep = false;  // twice as many vectors in flight pay where a body is long: it looks far ahead
};

// Adds to the module the function void name(void* const* buffers, int64 begin, int64 end), which runs the part [begin, end) of the
// nest's first axis (all of a nest without axes). begin is the axis' lower end plus a multiple of `part_grain`; end likewise, or the
// upper end. A part of the last axis may touch elements before `begin` again, with the same values.
inline constexpr std::int64_t part_grain = 256;
void emit(const Nest& nest, const Target& target, llvm::Module& module, const std::string& name);
// The same for nests that compute a point at a time (Nest::scalar), as `pack` packs them.
void emit_packed(const Nest& nest, const Target& target, llvm::Module& module, const std::string& name);
void emit_steps(const Nest& nest, const Target& target, llvm::Module& module, const std::string& name);  // one with steps; emit_steps.cpp

// What fallbacks of rare lanes call: for each bit of mask, value[k] = f(a[k]) or f(a[k], b[k]).
extern "C" {
void functra_rare_f64_1(double (*f)(double), std::uint64_t mask, double* value, const double* a);
void functra_rare_f32_1(float (*f)(float), std::uint64_t mask, float* value, const float* a);
void functra_rare_f64_2(double (*f)(double, double), std::uint64_t mask, double* value, const double* a, const double* b);
void functra_rare_f32_2(float (*f)(float, float), std::uint64_t mask, float* value, const float* a, const float* b);
}

}  // namespace functra::compiler
