// Nests cut in parts, on several threads, and what parts add up to.
#pragma once
#include <algorithm>
#include <cstdint>

#include "functra/compiler/emit.h"
#include "functra/core/lowering.h"
#include "functra/runtime/plan.h"

namespace functra::runtime {

// A result that is summed over parts: where it stands among a step's buffers, and in a part's row.
struct Sum {
  core::ReduceOp op;
  DType dtype;
  std::size_t buffer, bytes, offset;
};
// [begin, end) in at most so many pieces, whole multiples of the vectors of a block where the grain is one.
struct Pieces {
  Pieces(std::int64_t from, std::int64_t to, std::int64_t grain, std::int64_t most) : first(from), last(to) {
    const std::int64_t unit = grain % compiler::part_grain == 0 ? compiler::part_grain : 1;
    step = ((last - first + most - 1) / most + unit - 1) / unit * unit;
    count = (last - first + step - 1) / step;
  }
  std::int64_t begin(std::int64_t i) const { return first + i * step; }
  std::int64_t end(std::int64_t i) const { return std::min(first + (i + 1) * step, last); }
  std::int64_t first, last, step, count;
};

// So many bytes, up to the end of a line of the cache.
constexpr std::size_t aligned(std::size_t n) { return (n + 63) / 64 * 64; }
// to[i] = op(to[i], from[i])
void combine(core::ReduceOp op, DType d, void* to, const void* from, std::int64_t n);
void fill(DType d, std::uint64_t bits, void* to, std::size_t bytes);

// Calls the kernel with its frame at the upper end of a page of the stack. The constants of its code stand at the lower end of a page, and
// a load waits for an earlier store to an address whose last 12 bits are the same: registers that a loop spills over its own constants
// cost it up to a quarter of its speed.
void call_at_page_end(compiler::Kernel kernel, void* const* buffers, std::int64_t begin, std::int64_t end);

inline void run_part(const Part& part, void* const* buffers, std::int64_t begin, std::int64_t end) {
  if (part.lasting) call_at_page_end(part.kernel, buffers, begin, end);
  else part.kernel(buffers, begin, end);
}
// Of the k-th result of a step, whose parts are added up; the next one begins at `row`.
Sum sum_of(const Plan& plan, const Step& s, std::size_t k, std::size_t& row);
// All nests of a step, on these buffers: operands, then results.
void run_nests(const Plan& plan, const Step& s, void** buffers);

}  // namespace functra::runtime
