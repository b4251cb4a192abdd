// Changes of element type, and the choice by a mask.
#pragma once
#include "functra/base/formula.h"

namespace functra::kernels {

// One operand as converted elements. A float becomes an integer by truncation, clamped to the type's range, NaN as 0; integers wrap;
// anything but zero is true; complex gives its real part; 16-bit floats go through f32.
Loop cast_loop(DType to, DType from);

// Runs of 16-bit floats, to the nearest, ties to even.
void widen(const f16_t* in, float* out, std::int64_t n);
void widen(const bf16_t* in, float* out, std::int64_t n);
void narrow(const float* in, f16_t* out, std::int64_t n);
void narrow(const float* in, bf16_t* out, std::int64_t n);

bool converts_f16();  // with instructions of this machine

// A formula on f16 or bf16 by way of its f32 loop, its f32 function of one element.
void half_loop(Loop f32_loop, DType half, bool predicate, int n_in, const void* const* in, void* out, std::int64_t n, unsigned repeat,
               const void* params);
void half_one(void (*f32_one)(const void* const*, void*, const void*), DType half, bool predicate, int n_in, const void* const* in, void* out,
              const void* params);

// (bool, T, T) -> T for every T, which is the index.
const FormulaTable& select_loops();

}  // namespace functra::kernels
