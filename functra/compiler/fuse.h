// Which equations become one loop nest. A Program is cut into units: nests, whose inner values never reach memory, and calls of
// primitives' ahead-of-time kernels.
#pragma once
#include <optional>

#include "functra/compiler/nest.h"
#include "functra/core/ir.h"

namespace functra::compiler {

struct Unit {
  std::vector<std::uint32_t> eqns;  // in program order; one, where it is a call, or two: a product, and the transpose that it is written as
  bool call = false;
  std::vector<core::Var> in, out;  // variables (of loops, literals too) read from, and written to, memory; the nests' buffers are `in`, then `out`
  std::vector<Nest> nests;         // boxes that cover its points
};

bool cheap_formula(std::string_view primitive);  // one simple operation per element

// Units in an order in which every variable is written before it is read. All results of the program that equations define are written.
std::vector<Unit> units(const core::Program& p);
// Bytes that they read from memory and write to it, bodies of loops aside.
std::int64_t traffic(const core::Program& p);

}  // namespace functra::compiler
