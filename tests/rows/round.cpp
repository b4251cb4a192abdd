#include "rows/elementwise.h"

namespace functra::testing {
namespace {
const std::vector<double> halves = {0.5, 1.5, 2.5, -0.5, -1.5, -2.5, 0.25, 1e30, -1e30, 8388607.5};
}  // namespace

FUNCTRA_ROW(floor) { return flat(unary_row(prims::floor, std::floor, {-4, 4}, halves)); }
FUNCTRA_ROW(ceil) { return flat(unary_row(prims::ceil, std::ceil, {-4, 4}, halves)); }
FUNCTRA_ROW(round) { return flat(unary_row(prims::round, std::rint, {-4, 4}, halves)); }
FUNCTRA_ROW(trunc) { return flat(unary_row(prims::trunc, std::trunc, {-4, 4}, halves)); }

}  // namespace functra::testing
