// Where the values of scalar operations lie: comparisons whose outcome is known (of 1 + x^2 with 0, say) vanish from formulas, with the
// special cases that they guard.
#pragma once
#include "functra/base/emitter.h"

namespace functra::compiler {

// NaN aside, which any value may be. Bounds are numbers of the type, and operations are rounded as the machine rounds them, so that what
// holds of exact results holds of rounded ones.
Range range_of_unary(NumOp, DType, Range x);
Range range_of_binary(NumOp, DType, Range x, Range y, bool same);  // same: one value, twice
Range range_of_fma(DType, Range x, Range y, Range z, bool same);   // same: x and y
inline Range both(Range x, Range y) { return {x.lo < y.lo ? x.lo : y.lo, x.hi > y.hi ? x.hi : y.hi}; }
// The outcome of a comparison, for NaN too: 0, 1, or -1 where it is not known.
int known_outcome(NumOp, Range x, Range y);

}  // namespace functra::compiler
