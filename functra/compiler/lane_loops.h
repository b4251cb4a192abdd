// Loops over a batch: where a loop's steps compute each lane from that lane alone, one nest runs the whole loop for a block of lanes.
#pragma once
#include "functra/compiler/nest.h"
#include "functra/core/ir.h"

namespace functra::compiler {

// The equation, a scan or a while, as a nest whose buffers are its operands, then its results; none where it is not such a loop.
std::optional<Nest> lane_loop(const core::Eqn& e);

}  // namespace functra::compiler
