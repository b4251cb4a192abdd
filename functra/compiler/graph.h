// Scalar graphs: what one point of a loop nest computes. Nodes are hash-consed, so that equal values are one node, and simplified as
// they are made. The formulas of elementwise primitives are evaluated into a graph: it is the compiler's Emitter.
#pragma once
#include <unordered_map>
#include <vector>

#include "functra/base/emitter.h"
#include "functra/core/lowering.h"

namespace functra::compiler {

using Id = Emitter::Id;
inline constexpr Id none = ~Id{0};

// 16-bit floats are how values are stored: constants, loads, choices and conversions have these types; what computes is f32.
constexpr bool is_half(DType d) { return d == DType::f16 || d == DType::bf16; }

enum class Op : std::uint8_t {
  constant,  // attr: its bits
  load,      // attr: which access of the nest
  gather,    // the same, so many elements further
  position,  // attr: the axis; the index along it, an i64
  reduced,   // attr: which reduction of the nest; its value, once the loop over the reduced axis has ended
  carried,   // attr: which of the values that a loop over steps carries; as it is when a step begins
  unary,     // num
  binary,    // num
  fma,
  select,
  bitcast,
  convert,
  rare  // a where b is false, else the C function calls()[attr] of its arguments
};

struct Node {
  Op op;
  NumOp num{};
  DType type;               // of the value
  DType from{};             // of the operands, where it may be another one
  bool structural = false;  // of constants: a zero that stands for "nothing here" (a derivative, a pad), which annihilates products
  Id a = none, b = none, c = none;
  std::uint64_t attr = 0;
  bool operator==(const Node&) const = default;
};

class Graph final : public Emitter {
 public:
  struct Fallback {
    std::string name;
    std::vector<Id> args;
    bool operator==(const Fallback&) const = default;
  };

  std::size_t size() const { return nodes_.size(); }
  std::size_t rares() const { return rares_; }  // nodes that may call out: they end blocks, which is what long code is slow to compile for
  const Node& operator[](Id i) const { return nodes_[i]; }
  const Fallback& fallback(std::uint64_t k) const { return fallbacks_[k]; }
  template <class F> void each_operand(Id i, F f) const {
    const Node& n = nodes_[i];
    for (Id o : {n.a, n.b, n.c})
      if (o != none) f(o);
    if (n.op == Op::rare)
      for (Id o : fallbacks_[n.attr].args) f(o);
  }

  Id bits(DType, std::uint64_t);  // a constant by its bits
  Id structural_zero(DType);
  Id load(DType, std::uint64_t access);
  Id gather(DType, std::uint64_t access, DType of_further, Id further);  // an integer; the place lies in the buffer
  Id position(std::uint64_t axis);
  Id reduced(DType, std::uint64_t reduction);
  // Of a finished graph: this load is a carried value; or a constant.
  void carry(Id load, std::uint64_t carried) { nodes_[load].op = Op::carried, nodes_[load].attr = carried; }
  void fix(Id load, std::uint64_t bits) { nodes_[load].op = Op::constant, nodes_[load].attr = bits; }
  // a + b, or a - b, with a product among them rounded together with the sum. That is decided here, by what the operands are, and not where
  // code is generated, by who else uses them: a value that is computed in two places is the same in both (a minimum and what it is
  // compared with).
  Id contracted(DType, Id a, Id b, bool minus);
  // a op b for the operation of a reduction.
  Id combine(core::ReduceOp, DType, Id a, Id b);
  bool reads(Id i) const { return nodes_[i].op == Op::load || nodes_[i].op == Op::gather; }
  bool is_constant(Id i) const { return nodes_[i].op == Op::constant; }
  bool is_structural_zero(Id i) const { return nodes_[i].structural; }
  bool is_number(Id i, DType d, double v) const { return nodes_[i].type == d && is(i, v); }  // this one, sign of zero included

  Id constant(DType, Scalar) override;
  Id unary(NumOp, DType, Id x) override;
  Id binary(NumOp, DType, Id a, Id b) override;
  Id fma(DType, Id a, Id b, Id c) override;
  Id select(DType, Id mask, Id yes, Id no) override;
  Id bitcast(DType to, DType from, Id x) override;
  Id convert(DType to, DType from, Id x) override;
  Id rare(DType, Id mask, Id value, const char* name, std::span<const Id> args) override;
  Range range(Id i) const override { return ranges_[i]; }
  void bound(Id i, Range r) override;

 private:
  Id add(const Node& n);
  Id find(const Node& n) const;  // none: it has not been made
  Id even(Id x) const;
  std::uint8_t halves_of(const Node& n) const;
  Range range_of(const Node& n) const;
  bool opposite(Id a, Id b) const;          // one is minus the other
  Id simplified(NumOp, DType, Id a, Id b);  // none where no identity applies
  bool is(Id i, double v) const;            // the float constant v, sign of zero included; not a structural zero

  std::vector<Node> nodes_;
  std::vector<Range> ranges_;         // per node; of real ones
  std::vector<std::uint8_t> halves_;  // per node of f32: the 16-bit types that hold its value as it is; bits
  std::unordered_multimap<std::size_t, Id> table_;
  std::vector<Fallback> fallbacks_;
  std::size_t rares_ = 0;
};

// What a reduction combines two values with; of bools, sums and maxima are or, products and minima are and.
NumOp operation_of(core::ReduceOp, DType);
// The value that leaves others as they are, by its bits.
std::uint64_t identity_of(core::ReduceOp, DType);

}  // namespace functra::compiler
