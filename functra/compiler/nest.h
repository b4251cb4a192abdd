// Loop nests: what code is generated from. A nest runs over the points of a box of axes; at each point its graph computes values from
// elements of buffers, stores some and reduces others.
#pragma once
#include <string>

#include "functra/compiler/graph.h"

namespace functra::compiler {

// An element of a buffer that depends on the point: offset + sum over axes of stride * position, in elements.
struct Access {
  int buffer;
  DType dtype;
  std::int64_t offset;
  std::vector<std::int64_t> strides;  // one per axis
  bool operator==(const Access&) const = default;
};

struct Store {
  Access at;
  Id value;
};
// The values of `value` over the axes marked in `over`, combined; stored at `at` (whose strides are 0 along these axes). accumulate: with
// what stands there, which begins as the identity; otherwise `over` is the last axis alone. With no buffer (-1) it is an inner value of the
// nest, over the last axis: what depends on it (Op::reduced) is computed in another loop over that axis.
struct Reduction {
  core::ReduceOp op;
  Id value;
  std::uint32_t over;
  Access at;
  bool accumulate = true;
};

// A value that a loop over steps hands from each step to the next: `at` within a step, `first` before the first one; after the last one
// it is stored at `to`.
struct Carried {
  Id at, first, next;
  Access to;
};
using Row = std::vector<Id>;  // nodes that stand side by side: elements of a tensor along one of its dimensions

struct Nest {
  std::vector<std::int64_t> lower, upper;  // per axis: the box of positions; outermost first, the last one in vector lanes
  std::vector<Access> accesses;            // of loads
  std::vector<Store> stores;
  std::vector<Reduction> reductions;
  std::vector<Carried> carried;
  bool steps = false;       // the only axis is run in order, one position at a time
  bool packed = false;      // without axes, or with steps: nodes that are computed alike are packed in vectors (pack.h):
  bool store_packs = true;  // those stored side by side,
  std::vector<Row> rows;    // these together where one of them is asked for,
  std::vector<Row> layout;  // and carried values like this
  int buffers = 0;
  Graph graph;

  bool scalar() const { return steps || lower.empty(); }  // a point of it is computed at a time

  std::size_t axes() const { return lower.size(); }
  std::int64_t extent(std::size_t axis) const { return upper[axis] - lower[axis]; }
  // Joins neighbouring axes along which every access runs as along one.
  void collapse();
  // As text that says everything: equal text, equal code.
  std::string str() const;
};

}  // namespace functra::compiler
