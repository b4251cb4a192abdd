// Reductions of 16-bit floats are reductions of f32, which partial results are then kept in, on every thread and in memory; the result is
// rounded once.
#include "functra/compiler/passes.h"
#include "functra/compiler/rules.h"
#include "functra/prims/reduce.h"

namespace functra::compiler {
namespace {

Tensor in_f32(const Match& m) {
  const DType d = m[0].raw_dtype();
  if (d != DType::f16 && d != DType::bf16) return {};
  return core::convert(core::bind1(m.prim(), core::convert(m[0], DType::f32), m.params<prims::DimsParams>()), d);
}

constexpr Rule rules[] = {
    {&core::reduce_sum_p, "sum_of_halves", "the sum of f32, rounded", in_f32},
    {&prims::reduce_prod_p, "product_of_halves", "the product of f32, rounded", in_f32},
    {&prims::reduce_max_p, "maximum_of_halves", "the maximum of f32", in_f32},
    {&prims::reduce_min_p, "minimum_of_halves", "the minimum of f32", in_f32},
};

}  // namespace

Rules half_rules() { return rules; }
ProgramPtr reduce_halves(const ProgramPtr& p) { return rewrite(p, {half_rules()}); }

}  // namespace functra::compiler
