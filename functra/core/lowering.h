// How a primitive becomes code, described without a compiler: prims/ fills it, compiler/ reads it. Each kind says enough to
// generate a loop nest, or names what to call.
#pragma once
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "functra/base/formula.h"
#include "functra/tensor/aval.h"

namespace functra::core {

struct Params;
struct Call;
struct Program;

// output index -> operand index, per operand dimension: offset + sum over output dimensions of step * index.
struct IndexMap {
  struct Row {
    std::int64_t offset = 0;
    Shape steps;
  };                      // steps: one per output dimension
  std::vector<Row> rows;  // one per operand dimension
};
// From where an element of a result is computed: its own place, and elements of operands.
class Places {
 public:
  // The position along a dimension of the result (-1: none), and a number, and what is computed (an i64).
  struct At {
    int along = -1;
    std::int64_t offset = 0;
    std::optional<Sym> plus{};
  };
  virtual ~Places() = default;
  virtual Sym position(int along) = 0;  // an i64
  // The element of an operand at a place that lies in it, one position per dimension.
  virtual Sym element(std::size_t operand, std::span<const At> place) = 0;
};
enum class ReduceOp : std::uint8_t { sum, prod, max, min, and_, or_ };

struct Lowering {
  enum class Kind : std::uint8_t {
    none,         // not lowered: evaluated by calling the primitive
    scalar,       // result[i] = formula(operands[i]...), operands of rank 0 repeated
    identity,     // result k = operand k
    index,        // result[i] = operand[map(i)]
    reshape,      // the operand's elements in row-major order
    pieces,       // operands that stand side by side, or apart, in the result: pieces()
    position,     // the index along position(), as a number of the result's dtype
    placed,       // each element by placed(), from its place and from elements of operands
    convert,      // of element type, as a cast does
    bitcast,      // the same bits as another element type
    reduction,    // over the operand's dimensions listed by `dims`, with `reduce`
    contraction,  // sum of products over the dimensions that contraction() lists
    kernel        // a call of an ahead-of-time kernel by the primitive's name
  };
  // result[start + step * i] = operand[i], where that lies in the result; elsewhere the 0-d operand `fill`.
  struct Piece {
    std::size_t operand;
    Shape start, step;
  };
  struct Pieces {
    std::vector<Piece> parts;
    int fill = -1;  // -1: the parts cover the result
  };
  Kind kind = Kind::none;
  const Formula* formula = nullptr;
  const void* (*formula_params)(const Params&) = nullptr;  // what the formula takes besides its operands
  IndexMap (*map)(const Call&, std::span<const Aval> in) = nullptr;
  Pieces (*pieces)(const Params&, std::span<const Aval> in) = nullptr;
  std::int64_t (*position)(const Params&) = nullptr;
  Sym (*placed)(Places&, const Params&, std::span<const Aval> in) = nullptr;
  int anywhere = -1;  // then: the operand whose elements are read at places that are computed
  ReduceOp reduce = ReduceOp::sum;
  Shape (*dims)(const Params&) = nullptr;
  struct Contraction {
    Shape left, right, left_batch, right_batch;
  };
  Contraction (*contraction)(const Params&) = nullptr;
  // The same as elementwise operations on single elements, for small shapes: what compiled lanes and loop bodies inline. Null where
  // the shape is too large, or there is no such form.
  std::shared_ptr<const Program> (*expand)(const Call&, std::span<const Aval> in) = nullptr;
};

}  // namespace functra::core
