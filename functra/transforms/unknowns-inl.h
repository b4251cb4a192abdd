// The unknowns of an equation as leaves, and functions of them as Programs.
#pragma once
#include "functra/transforms/body.h"
#include "functra/transforms/implicit.h"

namespace functra::erased {

class Unknowns {
 public:
  // what: how messages call them. ValueError for undefined tensors, DTypeError unless floating.
  Unknowns(TreeRef tree, const char* who, const char* what);
  // f traced on these unknowns: (captured, x) -> what is like x. Bare numbers among the values take the dtype that f gives them. name:
  // "f returns", for messages.
  core::Closed trace(Map f, const char* name);
  // The leaves of y; StructureError, ShapeError, DTypeError unless like the unknowns.
  Vec like(TreeRef y, const char* name) const;
  void put(Ins leaves) const { tree::assign(tree_, leaves); }
  Types types() const { return types_of(values); }
  const char* who() const { return who_; }
  Vec values;

 private:
  std::string leaf(std::size_t i) const;
  void check_structure(TreeRef y, const char* name) const;
  void check_shape(const Aval& is, std::size_t i, const char* name) const;
  TreeRef tree_;
  const char *who_, *what_;
  std::string structure_;
};

// A closed Program as a function, its arguments checked against these types.
LeafMap as_map(core::Closed c, Types types, const char* who);

}  // namespace functra::erased
