// Lists of dimensions that follow a tree or a prefix of it: in_dims and out_dims.
#pragma once
#include <initializer_list>
#include <optional>
#include <span>
#include <vector>

#include "functra/base/dtype.h"
#include "functra/base/none.h"

namespace functra {

struct TreeRef;
using OptInt = std::optional<std::int64_t>;

// A number for everything below, none, or a list with one entry per child.
struct Axes {
  OptInt axis = 0;
  bool list = false;
  std::vector<Axes> items;
  Axes() = default;
  template <Integer I> Axes(I i) : axis(static_cast<std::int64_t>(i)) {}
  Axes(NoneType) : axis() {}
  Axes(std::initializer_list<Axes> l) : list(true), items(l) {}
};
// A sub-list by name: `{ft::axes({0, 1})}` is a list of one list on every compiler.
struct AxesList {
  std::vector<Axes> items;
  operator Axes() const {
    Axes a;
    a.list = true;
    a.items = items;
    return a;
  }
};
inline AxesList axes(std::initializer_list<Axes> l) { return {std::vector<Axes>(l)}; }

namespace tree {

// One entry per tensor leaf. A list names the children of a struct, tuple, array, vector or map in their order; a number or none
// stands for all tensors below and skips static leaves. A list of another length, a list for a leaf, or a number for a static leaf
// itself is a StructureError that names the entry ("in_dims[0][1]"). `who` begins the message, as in "vmap: in_dims".
std::vector<OptInt> broadcast_prefix(const Axes& axes, std::span<const TreeRef> args, const char* who);  // a list follows the arguments
std::vector<OptInt> broadcast_prefix(const Axes& axes, TreeRef result, const char* who);                 // a list follows the tree itself

}  // namespace tree
}  // namespace functra
