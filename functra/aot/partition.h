// Joint forward-and-backward Programs, and how they are cut in two. After torch's AOT autograd.
#pragma once
#include <functional>

#include "functra/core/program.h"
#include "functra/transforms/checkpoint.h"

namespace functra::compile {

// (primals, cotangents of the outputs) -> (outputs, gradients). Gradients are those of the floating primals, in their order; a cotangent
// stands for every output.
struct JointProgram {
  Program program;
  std::size_t primals = 0, outputs = 0;
};
// The program's text; each equation says whether it is computed forward, backward, or forward and only needed by the backward half.
std::string to_string(const JointProgram& j);
// The joint Program of p, whose captured tensors become primals, the first ones. Calls of compiled functions in it are inlined.
JointProgram joint_program(const Program& p);

// A value kept between the halves, and the variable of the joint program that it is ("v7").
struct Residual : SavedResidual {
  std::string variable;
};

// forward: primals -> (outputs, residuals). backward: (residuals, cotangents) -> gradients.
struct Partition {
  Program forward, backward;
  std::size_t outputs = 0, residuals = 0;
  std::vector<Residual> saved;  // the residuals, in their order
  std::int64_t saved_bytes() const;
  std::size_t recomputed = 0;  // equations of the backward half that the forward half has too
};
using Partitioner = std::function<Partition(const JointProgram&)>;

// The forward half computes what its outputs need and keeps what of it the rest uses.
Partition default_partition(const JointProgram& j);

struct MinCutOptions {
  // 1: contractions, convolutions, loops, factorisations, sorts, random bits, scatters and large reductions are never computed twice. 0:
  // anything but effects and callbacks may be, for the fewest bytes. Between: of those results the ones that cost most to compute again
  // are kept, as far as this share of the difference in bytes allows. ValueError outside of [0, 1].
  double activation_memory_budget = 1;
};
// Keeps the fewest bytes: a minimum cut between the primals and the backward half in the graph of values, each weighing its bytes
// (Boykov and Kolmogorov's maximum flow); of cuts of one size, the one that recomputes least. Never more bytes than default_partition.
Partition min_cut_rematerialization_partition(const JointProgram& j);
Partitioner min_cut_rematerialization(MinCutOptions o);  // the same with options

// The halves for these residuals: variables of the joint program by name. ValueError where the backward half would need another value.
Partition partition_by_residuals(const JointProgram& j, const std::vector<std::string>& residuals);

}  // namespace functra::compile
