// Loop nests: what code is generated from. A nest runs over the points of a box of axes; at each point its graph computes values from
// elements of buffers, stores some and reduces others.
#pragma once
#include <optional>
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
  bool past = false;  // of a large result that nothing here reads: whole lines go to memory past the caches
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
// A loop at every point of the nest: from step to step its graph turns carried values into the next ones, which stay in registers. A
// block of lanes steps together, until none of them goes on; lanes do not see each other.
struct Steps {
  // An element that is carried: at the first step accesses[access], whose load is its value at the others too; then what stores[store]
  // stands for, written after the last step.
  struct Carry {
    std::size_t access, store;
  };
  std::vector<Carry> carries;
  std::vector<std::int64_t> slice;  // per buffer: the bytes from step to step; 0: all steps see the same
  std::int64_t length = -1;         // so many steps; -1: while `go` holds
  bool reverse = false;             // from the last slice to the first
  Id go = none;                     // before a step: does this lane make it? Of one that does not, nothing changes.
  int count = -1;                   // the buffer that holds the largest number of steps so far

  bool moves(std::size_t access, int buffer) const;
};

// How a nest without axes, or with steps, is packed: nodes that are computed alike are lanes of a vector (pack.h).
struct Packs {
  bool used = false;
  bool stores = true;       // those stored side by side are lanes,
  bool fill = true;         // lanes that have no such operation get one that changes nothing,
  std::vector<Row> rows;    // these are together where one of them is asked for,
  std::vector<Row> layout;  // and carried values like this
};

struct Nest {
  std::vector<std::int64_t> lower, upper;  // per axis: the box of positions; outermost first, the last one in vector lanes
  std::vector<Access> accesses;            // of loads
  std::vector<Store> stores;
  std::vector<Reduction> reductions;
  std::vector<Carried> carried;
  bool serial = false;  // the only axis is run in order, one position at a time
  Packs packs;
  std::optional<Steps> steps;  // then all stores but those of carries are made at every step, and there are no reductions
  bool in_place = false;       // results may lie where operands do that can_lie_over answers for
  int buffers = 0;
  Graph graph;

  bool scalar() const { return serial || lower.empty(); }  // a point of it is computed at a time

  std::size_t axes() const { return lower.size(); }
  std::int64_t extent(std::size_t axis) const { return upper[axis] - lower[axis]; }
  // May the result `written` lie where the operand `read` does? Where each element of the operand is read only at the point that writes there.
  bool can_lie_over(int written, int read) const;
  // Joins neighbouring axes along which every access runs as along one.
  void collapse();
  // A nest that reads along another axis than its last one, a transpose, goes over a strip of the last axis at a time, so that lines of the
  // cache that are read from are used whole. What is left of the last axis, less than a strip, is the nest that it returns.
  std::optional<Nest> cut_in_strips();
  // As text that says everything: equal text, equal code.
  std::string str() const;
};

}  // namespace functra::compiler
