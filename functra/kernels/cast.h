// Changes of element type.
#pragma once
#include "functra/base/formula.h"

namespace functra::kernels {

// One operand as converted elements. A float becomes an integer by truncation, clamped to the type's range, NaN as 0; integers wrap;
// anything but zero is true; complex gives its real part.
Loop cast_loop(DType to, DType from);

}  // namespace functra::kernels
