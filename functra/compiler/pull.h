// From equations to graphs: an element of a result is computed by pulling the elements of operands that it depends on, through index
// maps, down to elements that lie in buffers. What is not needed is never computed: structural zeros, unused slices.
#pragma once
#include <optional>

#include "functra/base/function_ref.h"
#include "functra/compiler/nest.h"
#include "functra/core/ir.h"

namespace functra::compiler {

using core::Eqn;
using core::ProgramPtr;
using core::Var;

inline constexpr int max_rank = 10;
inline constexpr std::int64_t max_unrolled = 64;     // terms of a sum that is written out
inline constexpr std::int64_t shortest_stage = 32;   // terms of a sum in lanes that a loop of its own is worth
inline constexpr std::size_t max_rares = 48;         // in a nest: twice as many take four times as long to compile
inline constexpr std::size_t max_stack = 112 << 10;  // of a walk, which recurs through what is not elementwise; threads may have 256 KiB

// A position along one dimension: offset + step * (position along axis), or the offset alone; and what is computed when it runs.
struct Position {
  std::int64_t offset = 0, step = 0;
  int axis = -1;
  Id plus = none;  // an i64
  bool operator==(const Position&) const = default;
};
struct Point {
  int rank = 0;
  Position at[max_rank];
  bool operator==(const Point& o) const;
};

// Element types that graphs hold: all but complex ones, and f16 on a machine that has no instructions for it.
bool computes(DType d);
// Can elements of the results of this equation be pulled, whatever their index?
bool can_pull(const core::Program& p, const Eqn& e);
// The number of terms in each element of a reduction or contraction; 1 for others.
std::int64_t terms(const core::Program& p, const Eqn& e);

class Pull {
 public:
  enum class Outcome : std::uint8_t { fine, impossible, too_large, split };
  // `defines`: per variable, its equation, or -1. Variables for which buffer_of gives a number are loaded from that buffer, row-major;
  // the others are computed.
  Pull(const core::Program& p, const std::vector<std::int32_t>& defines, function_ref<int(Var)> buffer_of, Nest& nest, std::size_t budget)
      : p_(p), defines_(defines), buffer_of_(buffer_of), nest_(nest), budget_(budget) {
    for (std::size_t k = 0; k < nest.accesses.size(); ++k) loads_.emplace(nest.accesses[k], k);
  }

  Id at(Var v, const Point& i) { return value(v, i, false); }
  // The k-th term of the reduction e at a point of its operand.
  Id term(const Eqn& e, const Point& i);
  // The product of a contraction at positions of (batch, free left, free right, contracted).
  Id product(const Eqn& e, const Point& all);
  // Where an element of v lies in a row-major buffer.
  Access access(int buffer, const Aval& type, const Point& i) const;

  // Rows of the values that were computed, along each of a few dimensions counted from the first or the last: ways to pack them.
  std::vector<std::vector<Row>> rows() const;

  Outcome outcome() const { return outcome_; }
  // Outcome::split: the box must be cut here, so that a piece is either inside or outside of its operand.
  std::size_t split_axis() const { return split_axis_; }
  std::int64_t split_at() const { return split_at_; }

 private:
  Id value(Var v, const Point& i, bool through_structure);
  bool elementwise(Var v) const;
  Id chain(Var v, const Point& i);
  Id computed(Var v, const Point& i);
  Id compute(const Eqn& e, std::size_t result, const Point& i);
  Id scalar(const Eqn& e, const Point& i);
  Id index(const Eqn& e, const Point& i);
  Id pieces(const Eqn& e, const Point& i);
  Id reshaped(const Eqn& e, const Point& i);
  Id numbered(const Eqn& e, const Point& i);
  Id placed(const Eqn& e, const Point& i);
  class Here;
  Id number(const Position& q);  // as an i64
  // A load, or one from where the point's computed positions say.
  Id loaded(int buffer, const Aval& type, const Point& i);
  Id sum(Id a, Id b);  // of positions; none: nothing
  Id scaled(Id a, std::int64_t by);
  Id reduction(const Eqn& e, const Point& i);
  bool is_row(const Point& i, std::int64_t n) const;
  Id stage(core::ReduceOp op, DType d, Id term);
  Id contraction(const Eqn& e, const Point& i);
  Id fail(Outcome o);
  Id literal(Var v, bool structural);
  // The range of a position over the box.
  std::pair<std::int64_t, std::int64_t> range(const Position& i) const;

  class Chains;
  struct Key {
    Var v;
    Point i;
    bool operator==(const Key&) const = default;
  };
  struct KeyHash {
    std::size_t operator()(const Key& k) const;
  };
  struct AccessHash {
    std::size_t operator()(const Access& a) const;
  };
  const core::Program& p_;
  const std::vector<std::int32_t>& defines_;
  function_ref<int(Var)> buffer_of_;
  Nest& nest_;
  std::size_t budget_;
  Outcome outcome_ = Outcome::fine;
  std::size_t split_axis_ = 0;
  std::int64_t split_at_ = 0;
  std::uintptr_t bottom_ = reinterpret_cast<std::uintptr_t>(__builtin_frame_address(0));  // of the stack that the walk may use
  std::unordered_map<Key, Id, KeyHash> known_;
  std::unordered_map<Access, std::uint64_t, AccessHash> loads_;
  std::unordered_map<const Eqn*, core::IndexMap> maps_;
  std::unordered_map<const Eqn*, core::Lowering::Pieces> pieces_;
};

}  // namespace functra::compiler
