// A Program before and after passes, on the same inputs.
#pragma once
#include <string>
#include <vector>

#include "functra/compiler/passes.h"
#include "functra/core/program.h"
#include "functra/tensor/buffers.h"

namespace functra::testing {

// What differs, or an empty string. Floating-point values agree to `tolerance` times the largest finite |value| of the result, with NaN and
// infinities at the same places; others are equal.
std::string difference(const Vec& is, const Vec& should, double tolerance);
// p, a Program with its captured tensors, and what these passes make of it, evaluated on these leaves. Empty: they
// agree.
std::string optimised_differs(const functra::Program& p, const Vec& leaves, double tolerance, const std::vector<std::string>& off = {});
// The Program after the passes named (none: all of them).
functra::Program optimised(const functra::Program& p, const std::vector<std::string>& only = {});
std::size_t count(const functra::Program& p, const std::string& primitive);  // at every depth

}  // namespace functra::testing
