// When a factorisation, or a solve, is written out in its pieces (Lowering::expand).
#pragma once
#include <span>

#include "functra/core/ir.h"

namespace functra::core {

// Up to 8 rows always: one matrix is a few registers then. Up to 16 rows, with few right-hand sides, where at least a thousand matrices share
// the code and each piece is differentiated once at most: the kernel for whole matrices is as fast for few of them, and derivatives of
// derivatives are several times as many pieces.
inline bool worth_expanding(std::span<const Aval> operands, std::int64_t matrices, bool differentiated_before) {
  constexpr std::int64_t small = 8, many = 1024, few = 4;
  std::int64_t largest = 0;
  for (const Aval& a : operands)
    for (std::size_t d = a.shape.size() < 2 ? 0 : a.shape.size() - 2; d < a.shape.size(); ++d) largest = std::max(largest, a.shape[d]);
  if (largest <= small) return true;
  return matrices >= many && !differentiated_before && (operands.size() == 1 || operands[1].shape.back() <= few);
}
// How many matrices `elements` are, of which this is one, or several.
inline std::int64_t matrices_in(std::int64_t elements, const Aval& a) {
  const std::size_t rank = a.shape.size();
  return rank < 2 ? 0 : elements / std::max<std::int64_t>(1, a.shape[rank - 1] * a.shape[rank - 2]);
}

}  // namespace functra::core
