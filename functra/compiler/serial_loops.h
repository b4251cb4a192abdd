// Scans as loops in one function: bodies that can be written out are straight-line code between carried values in registers.
#pragma once
#include <optional>

#include "functra/compiler/nest.h"
#include "functra/core/ir.h"

namespace functra::compiler {

// The nest of this scan, with buffers for the variables `in`, then `out`; none where it is another equation, counts its steps at run
// time, or has too large a body.
std::optional<Nest> serial_loop(const core::Program& p, const core::Eqn& e, std::span<const core::Var> in, std::span<const core::Var> out);

}  // namespace functra::compiler
