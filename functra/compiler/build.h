// From units of equations to loop nests: which dimensions become axes, which are written out, and where boxes are cut.
#pragma once
#include "functra/compiler/fuse.h"
#include "functra/compiler/pack.h"

namespace functra::compiler {

// The largest extent that may be written out instead of becoming an axis: all but the batch of a program that does little per lane, all
// of a program on little data.
std::int64_t small_extent(const core::Program& p);

// Per variable, the equation that defines it; -1: an input.
std::vector<std::int32_t> definitions(const core::Program& p);
// Can this equation stand in a nest?
bool fusible(const core::Program& p, const core::Eqn& e, std::int64_t small);
// The large extents of the points that the equation is computed over, those summed included.
Shape space_of(const core::Program& p, const core::Eqn& e, std::int64_t small);
// A reduction too long to be written out: its result exists only after a loop.
bool sums_axes(const core::Program& p, const core::Eqn& e);
// One along the last axis of its space, rows of which fit in a cache: what uses the sums may stand in the same nest.
bool sums_rows(const core::Program& p, const core::Eqn& e, std::int64_t small);

// Appends u to `out`, with its nests; in parts, or as calls, where it cannot be one. written: per variable, does a unit of `out` write it?
void build(const core::Program& p, const std::vector<std::int32_t>& defines, std::int64_t small, Unit u, std::vector<std::uint8_t>& written,
           Packings& packings, std::vector<Unit>& out);

}  // namespace functra::compiler
