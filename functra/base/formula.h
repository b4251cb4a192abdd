// An elementwise formula with its three uses: loops over memory, one element, and emission of code. Family files in prims/
// make these with FUNCTRA_FORMULA (kernels/elementwise-inl.h); primitives hold a pointer to one.
#pragma once
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <span>

#include "functra/base/dtype.h"
#include "functra/base/emitter.h"

namespace functra {

// One formula over contiguous runs of n elements. in[k] points at n elements, or at one to be repeated where bit k of `repeat`
// is set. `out` may be the same memory as an operand of the same element size, and overlaps none otherwise.
using Loop = void (*)(const void* const* in, void* out, std::int64_t n, unsigned repeat, const void* params);

// What a formula is compiled to, once per instruction set. Null: not defined for that element type (of the operands; of the
// second operand for select, whose first is bool).
struct FormulaTable {
  Loop loop[dtype_count] = {};
  void (*one[dtype_count])(const void* const* in, void* out, const void* params) = {};  // one element, the same bits as the loop
  double (*f64_1)(double) = nullptr;  // the same, for formulas of one or two floating operands with a result of their type
  float (*f32_1)(float) = nullptr;
  double (*f64_2)(double, double) = nullptr;
  float (*f32_2)(float, float) = nullptr;
};

struct Formula {
  const char* name;
  int n_in;
  bool predicate;                    // the result is bool
  const FormulaTable& (*resolve)();  // for the instruction set of this machine
  // Operands of one type among f32, f64, integers and bool; 16-bit floats are converted by the caller.
  Sym (*emit)(Emitter&, std::span<const Sym>, const void* params);
  mutable std::atomic<const FormulaTable*> chosen{nullptr};

  const FormulaTable& table() const {
    const FormulaTable* t = chosen.load(std::memory_order_relaxed);
    if (!t) [[unlikely]]
      chosen.store(t = &resolve(), std::memory_order_relaxed);
    return *t;
  }
  Loop loop(DType d) const { return table().loop[static_cast<int>(d)]; }
  bool defined_for(DType d) const { return loop(d) != nullptr; }
};

}  // namespace functra
