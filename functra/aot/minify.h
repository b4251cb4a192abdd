// A failing Program made small. After functorch's minifier: truncation of suffixes and delta debugging (Zeller and Hildebrandt).
#pragma once
#include <functional>

#include "functra/core/program.h"

namespace functra::compile {

// Does this Program, at these inputs, still fail? An exception of its own counts as "no".
using Fails = std::function<bool(const Program& program, const std::vector<Tensor>& inputs)>;

struct Minified {
  Program program;
  std::vector<Tensor> inputs;
  std::size_t tried = 0;  // programs given to `fails`
};
struct MinifyOptions {
  std::size_t max_tries = 100000;
  // Called with each smaller failing program that is found, to keep it: a crash of a later one loses nothing.
  std::function<void(const Program&, const std::vector<Tensor>&)> found{};
};

// The smallest Program that still fails, as far as these steps lead: programs that end earlier; equations left out, their results
// becoming inputs with the values that they had; outputs and inputs left out; calls replaced by their equations; and in the bodies of
// loops and branches, results replaced by zeros or by operands of their type. Captured tensors become inputs. ValueError if the
// program does not fail to begin with.
Minified minifier(const Program& program, const std::vector<Tensor>& inputs, const Fails& fails, const MinifyOptions& o = {});

}  // namespace functra::compile
