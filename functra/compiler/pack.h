// Scalar code in vectors: where a nest computes one point at a time (without axes, or step by step), nodes that are computed alike are
// packed, a tuple of them in each vector. Tuples follow from those that are asked for (stores side by side, carried values, rows of
// tensors) through their operands, without search; of several ways to form rows, the one that costs least is taken.
#pragma once
#include <unordered_map>

#include "functra/compiler/nest.h"

namespace functra::compiler {

struct Packing {
  enum class Kind : std::uint8_t {
    constants,
    load,  // neighbours in memory
    carried,
    apply,    // `node` of the operands
    splat,    // from[0] in each lane
    shuffle,  // lanes of other vectors, and constants
    insert,   // of scalars
    extract   // from[0], a scalar
  };
  struct Lane {
    int item;  // -1: the constant nodes[lane]
    unsigned lane;
  };
  struct Item {
    Kind kind;
    bool inner = false;       // not the same in each step
    std::vector<Id> nodes{};  // what it holds; one: a scalar
    Node node{};
    std::vector<int> operands{};
    std::vector<Lane> from{};
    std::size_t lanes() const { return nodes.size(); }
  };
  // Stores [k, k + lanes) of the nest, as it orders them here; each from an item of its own, or together from one.
  struct Write {
    std::vector<std::size_t> stores;
    std::vector<int> items;
    std::size_t after;  // so many items
  };
  struct Turn {  // of carried values
    int item, next;
    std::vector<std::size_t> carried;
    int first;
  };
  std::vector<Item> items;  // operands first
  std::vector<Write> writes;
  std::vector<Turn> turns;
  double cost = 0;  // of a step: vector and scalar operations, and twice the moves between lanes
};

Packing pack(const Nest& nest);
// Pairs of nodes of scalar code that are computed alike, from many operations each, and do not wait for each other.
std::vector<Row> siblings(const Nest& n);
// Sets how the nest is packed to what costs least: one of `ways` to form rows, none, or no packing at all. The packing that follows.
Packing choose_packing(Nest& nest, std::span<const std::vector<Row>> ways);

void add_fillers(Graph& g);  // constants that fill lanes without an operation; choosing adds them

// Choices made before: the parts of a long program that repeat are packed alike.
class Packings {
 public:
  // Sets how the nest, which has no loop, is packed; what that costs.
  double choose(Nest& nest, std::span<const std::vector<Row>> ways);

 private:
  struct Choice {
    Packs packs;
    double cost;
  };
  std::unordered_map<std::string, Choice> known_;  // by text
};

}  // namespace functra::compiler
