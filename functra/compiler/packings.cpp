#include "functra/compiler/pack.h"

namespace functra::compiler {

double Packings::choose(Nest& nest, std::span<const std::vector<Row>> ways) {
  std::string key = nest.str();
  for (auto& way : ways) {
    key += "way";
    for (auto& row : way) {
      key += ';';
      for (Id i : row) key += std::to_string(i) + ' ';
    }
  }
  auto it = known_.find(key);
  if (it == known_.end()) {
    const double cost = choose_packing(nest, ways).cost;
    known_.emplace(std::move(key), Choice{nest.packs, cost});
    return cost;
  }
  const Choice& c = it->second;
  add_fillers(nest.graph);
  nest.packs = c.packs;
  return c.cost;
}

}  // namespace functra::compiler
