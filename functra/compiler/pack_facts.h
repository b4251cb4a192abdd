// What every way to pack a nest asks of it, found once.
#pragma once
#include "functra/compiler/nest.h"

namespace functra::compiler {

bool commutes(const Node& n);  // its first two operands

class Facts {
 public:
  explicit Facts(const Nest& n, bool rows = true);  // rows: what only packings with rows ask for too
  std::size_t max_lanes(DType d) const;

  std::size_t size = 4;             // of the widest element
  std::vector<std::uint8_t> inner;  // not the same in each step
  std::vector<std::size_t> shape;   // how a value is computed, three operations deep: what makes operands of siblings correspond
  std::vector<Row> runs;            // loads of neighbours in memory
  std::vector<int> run_of;          // per node; -1: none

 private:
  void find_shapes();
  void find_runs();
  const Nest& n_;
  const Graph& g_;
};

}  // namespace functra::compiler
