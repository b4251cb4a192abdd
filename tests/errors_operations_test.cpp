// Wrong arguments of operations: the type of the error, and a message with the operation, the shapes and the repair.
#include <gtest/gtest.h>

#include <complex>

#include "functra/functra.h"

namespace ft = functra;
using ft::Tensor;

namespace {

const Tensor x = ft::tensor({1.0, 2.0, 3.0}), m = ft::ones({2, 3}), i = ft::tensor({1, 2}), number = 2.0,
             c = ft::tensor(std::vector<std::complex<double>>{{1, 2}}), transposed = m.t();

struct Mistake {
  void (*make)();
  const char *call, *type, *message;
};
void expect_each(std::initializer_list<Mistake> mistakes) {
  for (const Mistake& k : mistakes) {
    std::string type = "nothing", message;
    auto caught = [&](const char* t, const std::exception& e) {
      type = t;
      message = e.what();
    };
    try {
      k.make();
    } catch (const ft::StructureError& e) { caught("StructureError", e); } catch (const ft::ShapeError& e) {
      caught("ShapeError", e);
    } catch (const ft::DTypeError& e) { caught("DTypeError", e); } catch (const ft::IndexError& e) {
      caught("IndexError", e);
    } catch (const ft::ValueError& e) { caught("ValueError", e); } catch (const std::exception& e) {
      caught("another type", e);
    }
    EXPECT_EQ(type, k.type) << k.call << ": " << message;
    EXPECT_EQ(message, k.message) << k.call;
  }
}
#define MISTAKE(type, message, ...)                           \
  {                                                           \
    [] { (void)(__VA_ARGS__); }, #__VA_ARGS__, #type, message \
  }

TEST(ErrorsOfTensorsAndFactories, NameTheOperationTheShapesAndTheRepair) {
  expect_each({
      MISTAKE(DTypeError, "set_default_dtype: i64 cannot be the default; choose f32 or f64", ft::set_default_dtype(ft::i64)),
      MISTAKE(ShapeError, "tensor: ragged braces: entry 0 has shape [1] and entry 1 has shape [2]; all entries need the same shape",
              ft::tensor({{1.0}, {1.0, 2.0}})),
      MISTAKE(ShapeError, "from_span: 3 elements do not fill shape [2, 2]", ft::from_span(std::vector<float>{1, 2, 3}, {2, 2})),
      MISTAKE(ShapeError, "a tensor cannot have the negative extent -3 in shape [2, -3]", ft::zeros({2, -3})),
      MISTAKE(ShapeError, "full: the value has shape [3], it must be 0-d; use expand for tensors", ft::full({2}, x)),
      MISTAKE(ValueError, "full: the value is an undefined Tensor (default constructed)", ft::full({2}, Tensor())),
      MISTAKE(ShapeError, "eye: extents [-1, -1] must not be negative", ft::eye(-1)),
      MISTAKE(ValueError, "arange: from 0 to 1 by -0.5 is no sequence; the step must lead from start to end", ft::arange(0, 1, -0.5)),
      MISTAKE(ValueError, "linspace: the number of steps, -1, is negative", ft::linspace(0, 1, -1)),
      MISTAKE(ValueError, "an undefined Tensor (default constructed) has no shape or dtype; assign it first", Tensor().sizes()),
      MISTAKE(ValueError, "item(): the Tensor is undefined (default constructed)", Tensor().item()),
      MISTAKE(ValueError, "an undefined Tensor (default constructed) has no shape or dtype; assign it first", Tensor()[0]),
      MISTAKE(ValueError, "to: the operand is an undefined Tensor (default constructed)", Tensor().to(ft::f32)),
      MISTAKE(ShapeError, "item(): the tensor has shape [3], not one element; index it first, or use to_vector()", x.item()),
      MISTAKE(ShapeError, "if: a condition of shape [3] has no single truth value; reduce it with all() or any(), or use where()", bool(x > 0)),
      MISTAKE(DTypeError, "data(): the tensor has dtype f32, asked for f64; convert with to(dtype)", x.data<double>()),
      MISTAKE(DTypeError, "data(): the tensor is a C++ number stored as f64, asked for f32; use item(), or to(dtype) first", number.data<float>()),
      MISTAKE(IndexError, "size: dimension 1 is out of range for a tensor of 1 dimensions (expected -1 to 0)", x.size(1)),
      MISTAKE(ShapeError, "a tensor cannot have the negative extent -1 in shape [-1]", ft::zeros({-1})),
      MISTAKE(ShapeError, "a tensor cannot have the negative extent -1 in shape [-1]", ft::ones({-1})),
      MISTAKE(ShapeError, "a tensor cannot have the negative extent -1 in shape [-1]", ft::empty({-1})),
      MISTAKE(ValueError, "arange: from 0 to 10 by 0 is no sequence; the step must lead from start to end", ft::arange(0, 10, 0)),
      MISTAKE(ValueError, "data(): the tensor is a strided view of shape [3, 2]; take contiguous() first", transposed.data<float>()),
  });
}
TEST(ErrorsOfElementwiseOperations, NameTheOperationTheShapesAndTheRepair) {
  expect_each({
      MISTAKE(ValueError, "a tensor of shape [1099511627776, 1099511627776] is too large to address",
              ft::zeros({std::int64_t(1) << 40, std::int64_t(1) << 40})),
      MISTAKE(ValueError, "operator+: an operand is an undefined Tensor (default constructed)", Tensor() + 1.0),
      MISTAKE(ValueError, "sin: the operand is an undefined Tensor (default constructed)", ft::sin(Tensor())),
      MISTAKE(ValueError, "isnan: the operand is an undefined Tensor (default constructed)", ft::isnan(Tensor())),
      MISTAKE(ShapeError, "operator+: shapes [2, 3] and [2] do not broadcast: 3 against 2 at dimension 1; reshape one, or index it with none",
              m + ft::ones({2})),
      MISTAKE(DTypeError, "where: the condition has dtype f32, not bool; compare it, as in x != 0", ft::where(m, m, m)),
      MISTAKE(ValueError, "where: the condition is an undefined Tensor (default constructed)", ft::where(Tensor(), m, m)),
      MISTAKE(DTypeError, "sin: not defined for dtype c128; convert with to(f32) or to(f64)", ft::sin(c)),
      MISTAKE(DTypeError, "mul: not defined for dtype c128; convert with to(f32) or to(f64)", c * c),
      MISTAKE(DTypeError, "bitwise_and: an operand has dtype f32; takes integers and bools, convert with to(i64)", ft::bitwise_and(x, x)),
      MISTAKE(DTypeError, "bitwise_left_shift: an operand has dtype bool; takes integers, convert with to(i64)",
              ft::bitwise_left_shift(x > 0, x > 0)),
      MISTAKE(DTypeError, "operator<<: an operand has dtype f32; takes integers, convert with to(i64)", x << x),
      MISTAKE(DTypeError, "rem: not defined for dtype c128; convert with to(f32) or to(f64)", x % c),
      MISTAKE(ValueError, "pow: integers cannot be raised to the negative power -1; convert the base with to(f32) or to(f64)", ft::pow(i, -1)),
      MISTAKE(
          DTypeError,
          "pow: the exponent is an integer tensor and the base has dtype i64; convert the base with to(f32) or to(f64), or use a number as exponent",
          ft::pow(i, i)),
      MISTAKE(ValueError, "clamp: give min, max or both", ft::clamp(x)),
      MISTAKE(ShapeError, "operator-: shapes [3, 2] and [3] do not broadcast: 2 against 3 at dimension 1; reshape one, or index it with none",
              ft::lerp(x, m.t(), x)),
      MISTAKE(DTypeError, "atan2: not defined for dtype c128; convert with to(f32) or to(f64)", ft::atan2(x, c)),
      MISTAKE(DTypeError, "max: not defined for dtype c128; convert with to(f32) or to(f64)", ft::maximum(c, c)),
      MISTAKE(DTypeError, "floor: not defined for dtype c128; convert with to(f32) or to(f64)", ft::floor(c)),
      MISTAKE(DTypeError, "lt: not defined for dtype c128; convert with to(f32) or to(f64)", c < c),
  });
}
TEST(ErrorsOfShapes, NameTheOperationTheShapesAndTheRepair) {
  expect_each({
      MISTAKE(ValueError, "reshape: the operand is an undefined Tensor (default constructed)", ft::reshape(Tensor(), {1})),
      MISTAKE(ValueError, "stack: an operand is an undefined Tensor (default constructed)", ft::stack({x, Tensor()})),
      MISTAKE(IndexError, "transpose: dimension 1 is out of range for a tensor of 1 dimensions (expected -1 to 0)", x.transpose(0, 1)),
      MISTAKE(ShapeError, "reshape: only one extent of [2, -1, -1] may be -1", x.reshape({2, -1, -1})),
      MISTAKE(ShapeError, "reshape: shape [2, 2] does not hold the 3 elements of shape [3]", x.reshape({2, 2})),
      MISTAKE(ShapeError, "reshape: the extent -2 in shape [-2, 3] is negative; only -1 has a meaning", x.reshape({-2, 3})),
      MISTAKE(ValueError, "flatten: the first dimension, 1, comes after the last, 0", m.flatten(1, 0)),
      MISTAKE(ShapeError, "expand: the extent -1 in [-1, -1, 4] stands for no dimension of shape [3]", x.expand({-1, -1, 4})),
      MISTAKE(ShapeError, "expand: cannot broadcast shape [3] to [2]", x.expand({2})),
      MISTAKE(ShapeError, "permute: 1 dimensions [0] given for a tensor of shape [2, 3]", m.permute({0})),
      MISTAKE(ValueError, "permute: dimension 0 is given twice in [0, 0]", m.permute({0, 0})),
      MISTAKE(ShapeError, "t: the tensor has shape [2, 2, 2], at most two dimensions can be transposed; use transpose or permute",
              ft::ones({2, 2, 2}).t()),
      MISTAKE(ShapeError, "movedim: sources [0, 1] and destinations [1] differ in number", ft::movedim(m, {0, 1}, {1})),
      MISTAKE(IndexError, "unsqueeze: dimension 3 is out of range for a tensor of 2 dimensions (expected -2 to 1)", ft::unsqueeze(x, 3)),
      MISTAKE(ValueError, "cat: the list of tensors is empty", ft::cat({})),
      MISTAKE(ShapeError, "cat: a 0-d tensor cannot be joined; use stack", ft::cat({number, number})),
      MISTAKE(ShapeError, "cat: shapes [2, 3] and [3, 2] differ outside dimension 0", ft::cat({m, m.t()})),
      MISTAKE(ValueError, "stack: the list of tensors is empty", ft::stack({})),
      MISTAKE(ShapeError, "stack: all tensors need one shape, got [3] and [2, 3]", ft::stack({x, m})),
      MISTAKE(ValueError, "split: pieces of size 0 do not cover the extent 3", ft::split(x, 0)),
      MISTAKE(ShapeError, "split: sizes [1, 1] add up to 2, the extent is 3", ft::split(x, {1, 1})),
      MISTAKE(ValueError, "split: the size -1 in [4, -1] is negative", ft::split(x, {4, -1})),
      MISTAKE(ValueError, "chunk: the number of chunks, 0, must be positive", ft::chunk(x, 0)),
      MISTAKE(ShapeError, "pad: the pads [1] must be pairs (low, high), at most one per dimension of shape [3]", ft::pad(x, {1})),
      MISTAKE(ShapeError, "pad: the pads [-2, -2] leave a negative extent in dimension 0 of shape [3]", ft::pad(x, {-2, -2})),
      MISTAKE(ShapeError, "roll: shifts [1, 2] without dims must be one number", ft::roll(x, {1, 2})),
      MISTAKE(ShapeError, "roll: shifts [1, 2] and dims [0] differ in number", ft::roll(x, {1, 2}, {0})),
      MISTAKE(ValueError, "tile: the repeat -1 in [-1] is negative", ft::tile(x, {-1})),
      MISTAKE(ShapeError, "repeat: repeats [2] are fewer than the dimensions of shape [2, 3]", ft::repeat(m, {2})),
      MISTAKE(ValueError, "repeat_interleave: the repeat -1 is negative", ft::repeat_interleave(x, -1)),
      MISTAKE(ValueError, "diagonal: dimensions 1 and 1 are the same", ft::diagonal(m, 0, 1, 1)),
      MISTAKE(ShapeError, "broadcast_to: cannot broadcast shape [2, 3] to [2]", ft::broadcast_to(m, {2})),
      MISTAKE(IndexError, "flip: dimension 3 is out of range for a tensor of 1 dimensions (expected -1 to 0)", ft::flip(x, {3})),
      MISTAKE(IndexError, "squeeze: dimension 3 is out of range for a tensor of 1 dimensions (expected -1 to 0)", ft::squeeze(x, 3)),
      MISTAKE(IndexError, "unbind: dimension 0 is out of range for a tensor of 0 dimensions", ft::unbind(number)),
      MISTAKE(ValueError, "hstack: the list of tensors is empty", ft::hstack({})),
      MISTAKE(ShapeError, "vstack: shapes [1, 3] and [3, 2] differ outside dimension 0", ft::vstack({x, m.t()})),
      MISTAKE(ShapeError, "unflatten: shape [2, 2] does not hold the 3 elements of shape [3]", ft::unflatten(x, 0, {2, 2})),
      MISTAKE(ShapeError, "reshape: shape [5] does not hold the 3 elements of shape [3]", x.view({5})),
      MISTAKE(IndexError, "unsqueeze: dimension 9 is out of range for a tensor of 2 dimensions (expected -2 to 1)", x.unsqueeze(9)),
  });
}
TEST(ErrorsOfStructuredOperations, NameTheOperationTheShapesAndTheRepair) {
  expect_each({
      MISTAKE(ShapeError, "broadcast_in_dim: 1 dimensions [0] given for shape [2, 3]", ft::lax::broadcast_in_dim(m, {2, 3}, {0})),
      MISTAKE(ShapeError, "broadcast_in_dim: [2, 3] does not go to [3, 3] along dimensions [0, 1]", ft::lax::broadcast_in_dim(m, {3, 3}, {0, 1})),
      MISTAKE(IndexError, "slice: start [0], limit [9], stride [1] do not fit shape [3]", ft::lax::slice(x, {0}, {9})),
      MISTAKE(IndexError, "slice: start [0], limit [2], stride [0] do not fit shape [3]", ft::lax::slice(x, {0}, {2}, {0})),
      MISTAKE(ShapeError, "transpose: [0] is not a permutation of the dimensions of [2, 3]", ft::lax::transpose(m, {0})),
      MISTAKE(ShapeError, "pad: 0 paddings for a tensor of shape [3]", ft::lax::pad(x, 0.0, {})),
      MISTAKE(ShapeError, "pad: low [-4], high [0], interior [0] do not fit shape [3]", ft::lax::pad(x, 0.0, {{-4, 0}})),
      MISTAKE(ValueError, "concatenate: needs at least one tensor", ft::lax::concatenate({}, 0)),
      MISTAKE(IndexError, "concatenate: dimension 1 is out of range for a tensor of 1 dimensions (expected -1 to 0)",
              ft::lax::concatenate({x, x}, 1)),
      MISTAKE(IndexError, "rev: dimension 1 is out of range for a tensor of 1 dimensions (expected -1 to 0)", ft::lax::rev(x, {1})),
      MISTAKE(IndexError, "broadcasted_iota: dimension 1 is out of range for a tensor of 1 dimensions (expected -1 to 0)",
              ft::lax::broadcasted_iota(ft::i64, {2}, 1)),
      MISTAKE(DTypeError, "iota: positions are numbers, the dtype cannot be bool", ft::lax::iota(ft::bool_, 3)),
      MISTAKE(ShapeError, "dynamic_slice: 2 starts and window [2] for an operand of shape [3]; one of each per dimension is needed",
              ft::lax::dynamic_slice(x, {number, number}, {2})),
      MISTAKE(ShapeError, "dynamic_slice: a start has shape [3], each is a 0-d integer", ft::lax::dynamic_slice(x, {x}, {2})),
      MISTAKE(DTypeError, "dynamic_slice: a start has dtype f32, they must be integers", ft::lax::dynamic_slice(x, {Tensor(0.5)}, {2})),
      MISTAKE(ShapeError, "dynamic_slice: the window [4] is larger than the operand of shape [3]", ft::lax::dynamic_slice(x, {Tensor(0)}, {4})),
      MISTAKE(ShapeError, "dynamic_update_slice: the window [4] is larger than the operand of shape [3]",
              ft::lax::dynamic_update_slice(x, ft::ones({4}), {Tensor(0)})),
      MISTAKE(ValueError, "sort: the list of operands is empty", ft::lax::sort({})),
      MISTAKE(ShapeError, "sort: operands have shapes [3] and [2, 3], they must be equal", ft::lax::sort({x, m})),
      MISTAKE(DTypeError, "gather: indices have dtype f32, they must be integers",
              ft::lax::gather(m, ft::tensor({0.5}), {.offset_dims = {}, .collapsed_slice_dims = 0, .start_index_map = 0}, {1})),
      MISTAKE(ShapeError, "gather: operand f32[2, 3], indices i64[1, 1], slice sizes [1]: the number of window dimensions does not fit the operand",
              ft::lax::gather(m, ft::tensor({{0}}), {.offset_dims = {}, .collapsed_slice_dims = 0, .start_index_map = 0}, {1})),
      MISTAKE(ShapeError, "scatter: operand f32[2, 3], indices i64[1, 1], updates f32[3]: the number of window dimensions does not fit the operand",
              ft::lax::scatter(m, ft::tensor({{0}}), x, {.update_window_dims = {}, .inserted_window_dims = 0, .scatter_dims_to_operand_dims = 0})),
      MISTAKE(ShapeError, "dot_general: shapes [2, 3] and [2, 3] do not fit: summed dimensions [0] with [1], batch dimensions [] with []",
              ft::lax::dot_general(m, m, {.lhs_contract = {0}, .rhs_contract = {1}})),
      MISTAKE(ShapeError, "transpose: [0, 0] is not a permutation of the dimensions of [2, 3]", ft::lax::transpose(m, {0, 0})),
      MISTAKE(ShapeError, "transpose: [0, 5] is not a permutation of the dimensions of [2, 3]", ft::lax::transpose(m, {0, 5})),
      MISTAKE(ShapeError, "reshape: [3] has 3 elements, [2] has 2", ft::lax::reshape(x, {2})),
      MISTAKE(ShapeError, "reshape: [3] has 3 elements, [-1] has -1", ft::lax::reshape(x, {-1})),
      MISTAKE(ShapeError, "broadcast_in_dim: [2, 3] does not go to [2, 3] along dimensions [0, 0]", ft::lax::broadcast_in_dim(m, {2, 3}, {0, 0})),
      MISTAKE(ShapeError, "broadcast_in_dim: [2, 3] does not go to [2, 3] along dimensions [0, 7]", ft::lax::broadcast_in_dim(m, {2, 3}, {0, 7})),
      MISTAKE(ShapeError, "broadcast_in_dim: [3] does not go to [3, -1] along dimensions [0]", ft::lax::broadcast_in_dim(x, {3, -1}, {0})),
      MISTAKE(IndexError, "slice: start [-1], limit [2], stride [1] do not fit shape [3]", ft::lax::slice(x, {-1}, {2})),
      MISTAKE(IndexError, "slice: start [2], limit [1], stride [1] do not fit shape [3]", ft::lax::slice(x, {2}, {1})),
      MISTAKE(IndexError, "slice: start [0, 0], limit [1, 1], stride [1, 1] do not fit shape [3]", ft::lax::slice(x, {0, 0}, {1, 1})),
      MISTAKE(IndexError, "slice: start [0], limit [1, 1], stride [1] do not fit shape [3]", ft::lax::slice(x, {0}, {1, 1})),
      MISTAKE(IndexError, "slice: start [0], limit [2], stride [-1] do not fit shape [3]", ft::lax::slice(x, {0}, {2}, {-1})),
      MISTAKE(ShapeError, "pad: low [1], high [1], interior [0] do not fit shape [3]", ft::lax::pad(x, x, {{1, 1}})),
      MISTAKE(ShapeError, "pad: low [1], high [1], interior [0] do not fit shape [3]", ft::lax::pad(x, ft::ones({}, ft::f64), {{1, 1}})),
      MISTAKE(ShapeError, "pad: low [1], high [1], interior [-1] do not fit shape [3]", ft::lax::pad(x, 0.0, {{1, 1, -1}})),
      MISTAKE(ShapeError, "concatenate: shapes [3] and [2, 3] differ outside dimension 0", ft::lax::concatenate({x, m}, 0)),
      MISTAKE(DTypeError, "concatenate: dtypes f32 and f64 differ", ft::lax::concatenate({x, x.to(ft::f64)}, 0)),
      MISTAKE(ShapeError, "a tensor cannot have the negative extent -1 in shape [-1]", ft::lax::iota(ft::i64, -1)),
      MISTAKE(ValueError, "rev: dimension 0 is given twice in [0, 0]", ft::lax::rev(m, {0, 0})),
      MISTAKE(ShapeError, "dynamic_slice: the window [-1] is larger than the operand of shape [3]", ft::lax::dynamic_slice(x, {Tensor(0)}, {-1})),
      MISTAKE(ShapeError, "dynamic_slice: 1 starts and window [1, 1] for an operand of shape [3]; one of each per dimension is needed",
              ft::lax::dynamic_slice(x, {Tensor(0)}, {1, 1})),
      MISTAKE(DTypeError, "dynamic_update_slice: operand f32[3] and update f64[3] have different dtypes",
              ft::lax::dynamic_update_slice(x, x.to(ft::f64), {Tensor(0)})),
      MISTAKE(ShapeError, "dynamic_update_slice: 1 starts and window [2, 3] for an operand of shape [3]; one of each per dimension is needed",
              ft::lax::dynamic_update_slice(x, m, {Tensor(0)})),
      MISTAKE(ShapeError,
              "gather: operand f32[2, 3], indices i64[1, 1], slice sizes [1, 3]: offset dimensions must be increasing and lie in the result",
              ft::lax::gather(m, ft::tensor({{0}}), {.offset_dims = {9}, .collapsed_slice_dims = 0, .start_index_map = 0}, {1, 3})),
      MISTAKE(ShapeError, "gather: operand f32[2, 3], indices i64[1, 1], slice sizes [1, 3]: a dimension of the operand is out of range",
              ft::lax::gather(m, ft::tensor({{0}}), {.offset_dims = {1}, .collapsed_slice_dims = 0, .start_index_map = 9}, {1, 3})),
      MISTAKE(ShapeError, "gather: operand f32[2, 3], indices i64[1, 1], slice sizes [1, 4]: a slice size is larger than the operand",
              ft::lax::gather(m, ft::tensor({{0}}), {.offset_dims = {1}, .collapsed_slice_dims = 0, .start_index_map = 0}, {1, 4})),
      MISTAKE(ShapeError, "gather: operand f32[2, 3], indices i64[1, 1], slice sizes [1, 3]: a dimension of the operand is out of range",
              ft::lax::gather(m, ft::tensor({{0}}), {.offset_dims = {1}, .collapsed_slice_dims = 9, .start_index_map = 0}, {1, 3})),
      MISTAKE(ShapeError, "scatter_add: operand f32[2, 3], indices i64[1, 1], updates f32[1, 4]: a window is larger than the operand",
              ft::lax::scatter_add(m, ft::tensor({{0}}), ft::ones({1, 4}),
                                   {.update_window_dims = {1}, .inserted_window_dims = 0, .scatter_dims_to_operand_dims = 0})),
      MISTAKE(DTypeError, "scatter_add: indices have dtype f32, they must be integers",
              ft::lax::scatter_add(m, ft::tensor({{0.5}}), ft::ones({1, 3}),
                                   {.update_window_dims = {1}, .inserted_window_dims = 0, .scatter_dims_to_operand_dims = 0})),
      MISTAKE(DTypeError, "scatter_add: operand f32[2, 3] and updates f64[1, 3] have different dtypes",
              ft::lax::scatter_add(m, ft::tensor({{0}}), ft::ones({1, 3}, ft::f64),
                                   {.update_window_dims = {1}, .inserted_window_dims = 0, .scatter_dims_to_operand_dims = 0})),
      MISTAKE(IndexError, "dot_general: dimension 7 is out of range for a tensor of 2 dimensions (expected -2 to 1)",
              ft::lax::dot_general(m, m, {.lhs_contract = {7}, .rhs_contract = {1}})),
      MISTAKE(ValueError, "dot_general: dimension 1 is given twice in [1, 1]",
              ft::lax::dot_general(m, m, {.lhs_contract = {1, 1}, .rhs_contract = {1, 1}})),
      MISTAKE(ShapeError, "dot_general: shapes [2, 3] and [2, 3] do not fit: summed dimensions [1] with [], batch dimensions [] with []",
              ft::lax::dot_general(m, m, {.lhs_contract = {1}, .rhs_contract = {}})),
  });
}
TEST(ErrorsOfIndices, NameTheOperationTheShapesAndTheRepair) {
  expect_each({
      MISTAKE(IndexError, "narrow: start 2 and length 5 do not lie in dimension 0 of shape [3]", ft::narrow(x, 0, 2, 5)),
      MISTAKE(IndexError, "select: index 3 is out of range for dimension 0 of shape [3]", ft::select(x, 0, 3)),
      MISTAKE(IndexError, "select: index 3 is out of range for dimension 0 of shape [3]", x[3]),
      MISTAKE(IndexError, "select: index -4 is out of range for dimension 0 of shape [3]", x[-4]),
      MISTAKE(IndexError, "operator[]: a 0-d tensor has no dimension to index; use item()", number[0]),
      MISTAKE(IndexError, "index: too many indices: 3 for a tensor of shape [2, 3]", m.index({0, 0, 0})),
      MISTAKE(IndexError, "index: at most one Ellipsis may stand in an index", m.index({ft::Ellipsis, ft::Ellipsis})),
      MISTAKE(ValueError, "index: the step of a slice is 0", x.index({ft::Slice(0, 2, 0)})),
      MISTAKE(IndexError, "index: the mask has shape [2], it does not fit dimensions 0... of shape [3]", x.index({ft::tensor({true, false})})),
      MISTAKE(IndexError, "index: a 0-d mask is not an index; use where", x.index({ft::tensor(true)})),
      MISTAKE(DTypeError, "operator[]: the index has dtype f32, it must be of integers; convert with to(i64)", x[ft::tensor({0.5})]),
      MISTAKE(IndexError, "operator[]: index 7 is out of range for dimension 0 of shape [3] of extent 3", x[ft::tensor({7})]),
      MISTAKE(ShapeError, "index_put: cannot broadcast shape [2, 2] to []", x.index_put({0}, ft::ones({2, 2}))),
      MISTAKE(ShapeError, "index_put: cannot broadcast shape [2] to [3]", m.index_put({0}, ft::ones({2}))),
      MISTAKE(ShapeError, "index_select: the index has shape [1, 1], it must have one dimension; use take_along_dim or index",
              ft::index_select(x, 0, ft::zeros({1, 1}, ft::i64))),
      MISTAKE(IndexError, "index_select: dimension 1 is out of range for a tensor of 1 dimensions (expected -1 to 0)",
              ft::index_select(x, 1, ft::tensor({0}))),
      MISTAKE(ShapeError, "take_along_dim: x has shape [2, 3] and the indices [1], they need as many dimensions",
              ft::take_along_dim(m, ft::tensor({0}), 0)),
      MISTAKE(ShapeError, "gather: x has shape [2, 3] and the index [1], they need as many dimensions", ft::gather(m, 0, ft::tensor({0}))),
      MISTAKE(ShapeError, "gather: the index of shape [1, 9] is larger than x of shape [2, 3] in dimension 1",
              ft::gather(m, 0, ft::zeros({1, 9}, ft::i64))),
      MISTAKE(ShapeError, "scatter: the index of shape [1, 3] is larger than src of shape [1, 1] in dimension 1",
              ft::scatter(m, 0, ft::zeros({1, 3}, ft::i64), ft::ones({1, 1}))),
      MISTAKE(ShapeError, "index_add: the index has shape [1, 1], it must have one dimension", ft::index_add(x, 0, ft::zeros({1, 1}, ft::i64), x)),
      MISTAKE(ShapeError, "index_add: src has shape [3], [2] is needed for x of shape [3] and an index of 2",
              ft::index_add(x, 0, ft::tensor({0, 1}), x)),
      MISTAKE(DTypeError, "masked_select: the mask has dtype f32, it must be bool", ft::masked_select(x, x)),
      MISTAKE(DTypeError, "masked_fill: the mask has dtype f32, it must be bool; use a comparison", ft::masked_fill(x, x, 0.0)),
      MISTAKE(ShapeError, "masked_fill: the value has shape [3], it must be 0-d; use where for tensors", ft::masked_fill(x, x > 0, x)),
  });
}
TEST(ErrorsOfReductions, NameTheOperationTheShapesAndTheRepair) {
  expect_each({
      MISTAKE(ValueError, "sum: the operand is an undefined Tensor (default constructed)", ft::sum(Tensor())),
      MISTAKE(ValueError, "sum: dimension 0 is given twice in [0, 0]", ft::sum(m, {0, 0})),
      MISTAKE(IndexError, "topk: k = 4 does not lie in dimension 0 of shape [3]", ft::topk(x, 4)),
      MISTAKE(ValueError, "median: dimension 0 of shape [0] is empty", ft::median(ft::zeros({0}), 0)),
      MISTAKE(DTypeError, "sort: c128 has no order; use abs or a real part", ft::sort(c)),
      MISTAKE(DTypeError, "argmax: c128 has no order; use abs or a real part", ft::argmax(c)),
      MISTAKE(ShapeError, "argmax: dimension 0 of shape [0] is empty and has no extreme", ft::argmax(ft::zeros({0}))),
      MISTAKE(ValueError, "amax: dimension 0 of shape [0] is empty and has no extreme", ft::amax(ft::zeros({0}))),
      MISTAKE(ValueError, "amax: dimension 0 of shape [0, 2] is empty and has no extreme", ft::amax(ft::zeros({0, 2}), 0)),
      MISTAKE(DTypeError, "reduce: max is not defined for c128; convert the tensor first", ft::amax(c)),
      MISTAKE(DTypeError, "mean: not defined for dtype i64; convert with to(f32) or to(f64)", ft::mean(ft::tensor({1, 2}), 3)),
      MISTAKE(IndexError, "cumsum: dimension 3 is out of range for a tensor of 1 dimensions (expected -1 to 0)", ft::cumsum(x, 3)),
      MISTAKE(IndexError, "cumprod: dimension -2 is out of range for a tensor of 1 dimensions (expected -1 to 0)", ft::cumprod(x, -2)),
      MISTAKE(IndexError, "prod: dimension 4 is out of range for a tensor of 1 dimensions (expected -1 to 0)", ft::prod(x, 4)),
      MISTAKE(IndexError, "argmax: dimension 4 is out of range for a tensor of 1 dimensions (expected -1 to 0)", ft::argmax(x, 4)),
      MISTAKE(IndexError, "sort: dimension 4 is out of range for a tensor of 1 dimensions (expected -1 to 0)", ft::sort(x, 4)),
      MISTAKE(IndexError, "softmax: dimension 4 is out of range for a tensor of 1 dimensions (expected -1 to 0)", ft::softmax(x, 4)),
      MISTAKE(IndexError, "std: dimension 7 is out of range for a tensor of 1 dimensions (expected -1 to 0)", ft::std(x, 7)),
      MISTAKE(IndexError, "norm: dimension 7 is out of range for a tensor of 1 dimensions (expected -1 to 0)", ft::norm(x, 2, 7)),
      MISTAKE(IndexError, "logsumexp: dimension 7 is out of range for a tensor of 1 dimensions (expected -1 to 0)", ft::logsumexp(x, 7)),
      MISTAKE(DTypeError, "div: not defined for dtype c128; convert with to(f32) or to(f64)", ft::mean(c)),
  });
}
TEST(ErrorsOfProducts, NameTheOperationTheShapesAndTheRepair) {
  expect_each({
      MISTAKE(ShapeError, "matmul: shapes [2, 3] and [2, 3] do not fit: 3 is summed with 2", ft::matmul(m, m)),
      MISTAKE(ShapeError, "matmul: shapes [] and [2, 3]: both operands need at least one dimension; multiply by a number with *",
              ft::matmul(number, m)),
      MISTAKE(ShapeError, "matmul: shapes [2, 3] and [4] do not fit: 3 is summed with 4", ft::matmul(m, ft::ones({4}))),
      MISTAKE(ShapeError, "mm: b has shape [3], not 2 dimensions", ft::mm(m, x)),
      MISTAKE(ShapeError, "mm: shapes [2, 3] and [2, 3] do not fit: 3 is summed with 2", ft::mm(m, m)),
      MISTAKE(ShapeError, "bmm: shapes [2, 2, 2] and [3, 2, 2] have different batches; matmul broadcasts them",
              ft::bmm(ft::ones({2, 2, 2}), ft::ones({3, 2, 2}))),
      MISTAKE(ShapeError, "mv: x has shape [2, 3], not 1 dimensions", ft::mv(m, m)),
      MISTAKE(ShapeError, "dot: shapes [3] and [2] do not fit: 3 is summed with 2", ft::dot(x, ft::ones({2}))),
      MISTAKE(ShapeError, "dot: a has shape [2, 3], not 1 dimensions", ft::dot(m, x)),
      MISTAKE(ShapeError, "linear: x has no dimensions, w has shape [2, 3]", ft::linear(number, m)),
      MISTAKE(ShapeError, "linear: b has shape [5], the result 2 features", ft::linear(x, m, ft::ones({5}))),
      MISTAKE(ValueError, "tensordot: n = 3 does not fit shapes [2, 3] and [2, 3]", ft::tensordot(m, m, 3)),
      MISTAKE(ShapeError, "dot_general: shapes [2, 3] and [2, 3] do not fit: summed dimensions [0] with [1], batch dimensions [] with []",
              ft::tensordot(m, m, {0}, {1})),
      MISTAKE(ShapeError, "einsum: shapes [2, 3] and [2, 3] do not fit: extents 3 and 2 of one dimension differ", ft::einsum("ij,jk->ik", m, m)),
      MISTAKE(ValueError, "einsum: \"ij->\": it has 1 operands, 2 were given", ft::einsum("ij->", m, m)),
      MISTAKE(ValueError, "einsum: \"ijk->i\": operand 0 has 3 letters and shape [2, 3]", ft::einsum("ijk->i", m)),
      MISTAKE(ValueError, "einsum: \"ij->iz\": 'z' of the result is in no operand", ft::einsum("ij->iz", m)),
      MISTAKE(ValueError, "einsum: \"i1->i\": '1' is not a letter", ft::einsum("i1->i", m)),
      MISTAKE(ValueError, "einsum: \"ij->ii\": 'i' is twice in the result", ft::einsum("ij->ii", m)),
      MISTAKE(DTypeError, "dot_general: not defined for dtype f16; convert with to(f32) or to(f64)", ft::matmul(m.to(ft::f16), x.to(ft::f16))),
      MISTAKE(DTypeError, "dot_general: not defined for dtype c128; convert with to(f32) or to(f64)", ft::matmul(c, c)),
  });
}
TEST(ErrorsOfWindows, NameTheOperationTheShapesAndTheRepair) {
  expect_each({
      MISTAKE(ShapeError, "conv2d: x has shape [2, 3]; it is [N, C, spatial...] or [C, spatial...] with 2 spatial dimensions",
              ft::conv2d(m, ft::ones({1, 1, 2, 2}))),
      MISTAKE(ShapeError, "conv_general_dilated: x [1, 2, 5], w [3, 1, 2]: x has 2 channels, w takes 1 in each of 1 groups",
              ft::conv1d(ft::ones({1, 2, 5}), ft::ones({3, 1, 2}))),
      MISTAKE(ShapeError, "conv1d: bias has shape [4], the result 3 channels", ft::conv1d(ft::ones({1, 2, 5}), ft::ones({3, 2, 2}), ft::ones({4}))),
      MISTAKE(ShapeError, "conv1d: stride [1, 1] needs one entry or 1", ft::conv1d(ft::ones({1, 2, 5}), ft::ones({3, 2, 2}), {}, {1, 1})),
      MISTAKE(ShapeError, "conv_general_dilated: x [1, 2, 5], w [3, 2, 2]: strides and dilations are at least 1",
              ft::conv1d(ft::ones({1, 2, 5}), ft::ones({3, 2, 2}), {}, 0)),
      MISTAKE(DTypeError, "conv_general_dilated: not defined for dtype i64; convert with to(f32) or to(f64)",
              ft::conv1d(ft::ones({1, 2, 5}, ft::i64), ft::ones({3, 2, 2}, ft::i64))),
      MISTAKE(ValueError, "max_pool1d: padding [2] is at most half of the window [2]", ft::max_pool1d(ft::ones({1, 2, 5}), 2, 1, 2)),
      MISTAKE(ValueError, "reduce_window_max: extents, strides and dilations of windows are at least 1, not [1, 1, 0]",
              ft::max_pool1d(ft::ones({1, 2, 5}), 0)),
      MISTAKE(DTypeError, "avg_pool1d: not defined for dtype i64; convert with to(f32) or to(f64)", ft::avg_pool1d(ft::ones({1, 2, 5}, ft::i64), 2)),
      MISTAKE(ShapeError, "max_pool2d: x has shape [3]; it is [N, C, spatial...] or [C, spatial...] with 2 spatial dimensions", ft::max_pool2d(x, 2)),
      MISTAKE(ShapeError, "conv_general_dilated: x has shape [3]; it is [N, C, spatial...]", ft::lax::conv_general_dilated(x, x)),
      MISTAKE(ShapeError, "reduce_window_max: [2] needs an entry for each of the 2 dimensions of shape [2, 3]",
              ft::lax::reduce_window(m, ft::lax::WindowOp::max, {.size = {2}})),
      MISTAKE(ValueError, "reduce_window_max: extents, strides and dilations of windows are at least 1, not [0, 1]",
              ft::lax::reduce_window(m, ft::lax::WindowOp::max, {.size = {0, 1}})),
      MISTAKE(DTypeError, "reduce_window_max: c128 has no order",
              ft::lax::reduce_window(c.reshape({1, 1}), ft::lax::WindowOp::max, {.size = {1, 1}})),
      MISTAKE(ValueError, "reduce_window_max: extents, strides and dilations of windows are at least 1, not [0, 1]",
              ft::lax::reduce_window(m, ft::lax::WindowOp::max, {.size = {1, 1}, .strides = {0, 1}})),
      MISTAKE(ShapeError, "conv_general_dilated: x [1, 2, 5], w [3, 2, 2]: strides and dilations are at least 1",
              ft::lax::conv_general_dilated(ft::ones({1, 2, 5}), ft::ones({3, 2, 2}), {.strides = {0}})),
      MISTAKE(ShapeError, "conv_general_dilated: x [1, 2, 5], w [3, 2, 2]: x has 2 channels, w takes 2 in each of 0 groups",
              ft::lax::conv_general_dilated(ft::ones({1, 2, 5}), ft::ones({3, 2, 2}), {.feature_group_count = 0})),
      MISTAKE(ShapeError, "conv_general_dilated: 3 examples of x [3, 2, 5] are not divisible into 2 groups",
              ft::lax::conv_general_dilated(ft::ones({3, 2, 5}), ft::ones({3, 2, 2}), {.batch_group_count = 2})),
      MISTAKE(ValueError, "conv_general_dilated: one of feature_group_count and batch_group_count is 1",
              ft::lax::conv_general_dilated(ft::ones({4, 2, 5}), ft::ones({3, 2, 2}), {.feature_group_count = 2, .batch_group_count = 2})),
      MISTAKE(ShapeError, "conv1d: a window of 9 does not fit an extent of 5 padded by 0, in x of shape [1, 2, 5]",
              ft::conv1d(ft::ones({1, 2, 5}), ft::ones({3, 2, 9}))),
      MISTAKE(ValueError, "conv1d: padding [-3] must not be negative", ft::conv1d(ft::ones({1, 2, 5}), ft::ones({3, 2, 2}), {}, 1, -3)),
      MISTAKE(ShapeError, "max_pool1d: a window of 9 does not fit an extent of 5 padded by 0, in x of shape [1, 2, 5]",
              ft::max_pool1d(ft::ones({1, 2, 5}), 9)),
      MISTAKE(ValueError, "reduce_window_max: extents, strides and dilations of windows are at least 1, not [1, 1, 0]",
              ft::max_pool1d(ft::ones({1, 2, 5}), 2, 0)),
      MISTAKE(ValueError, "reduce_window_sum: extents, strides and dilations of windows are at least 1, not [1, 1, -1]",
              ft::avg_pool1d(ft::ones({1, 2, 5}), 2, -1)),
      MISTAKE(DTypeError, "reduce_window: the operation is not defined for c128; convert the tensor first", ft::max_pool1d(c.reshape({1, 1, 1}), 1)),
      MISTAKE(DTypeError, "conv_general_dilated: not defined for dtype c128; convert with to(f32) or to(f64)",
              ft::conv1d(c.reshape({1, 1, 1}), c.reshape({1, 1, 1}))),
  });
}
TEST(ErrorsOfLossesAndRandomNumbers, NameTheOperationTheShapesAndTheRepair) {
  expect_each({
      MISTAKE(DTypeError, "one_hot: labels are integers, not f32", ft::one_hot(x, 3)),
      MISTAKE(ValueError, "one_hot: needs at least one class, not 0", ft::one_hot(i, 0)),
      MISTAKE(ShapeError, "nll_loss: the input needs a dimension of classes, [C] or [N, C]", ft::nll_loss(number, i)),
      MISTAKE(DTypeError, "nll_loss: classes are integers, not f32 of shape [2]", ft::nll_loss(m, ft::ones({2}))),
      MISTAKE(ShapeError, "nll_loss: the input has shape [2, 3], so the classes have shape [2], not [3]", ft::nll_loss(m, ft::tensor({0, 1, 2}))),
      MISTAKE(IndexError, "nll_loss: class 3 is outside of the 3 classes", ft::nll_loss(m, ft::tensor({0, 3}))),
      MISTAKE(ShapeError, "cross_entropy: logits have shape [2, 3], probabilities [3]", ft::cross_entropy(m, ft::ones({3}))),
      MISTAKE(IndexError, "cross_entropy: class 9 is outside of the 3 classes", ft::cross_entropy(m, ft::tensor({0, 9}))),
      MISTAKE(ShapeError, "random::normal: expected a key, u32 [2] as random::key(seed) gives, got f32[3]", ft::random::normal(x)),
      MISTAKE(ShapeError, "random::normal: expected a key, u32 [2] as random::key(seed) gives, got u32[3, 2]; map over stacked keys with vmap",
              ft::random::normal(ft::random::split(ft::random::key(0), 3))),
      MISTAKE(DTypeError, "random::normal: random numbers are f32 or f64, not f16; convert the result",
              ft::random::normal(ft::random::key(0), {2}, ft::f16)),
      MISTAKE(DTypeError, "random_bits: bits are u8, u16, u32 or u64 (pairs: u32), not i32", ft::random::bits(ft::random::key(0), {2}, ft::i32)),
      MISTAKE(ShapeError, "random_bits: negative extent in shape [-1]", ft::random::uniform(ft::random::key(0), {-1})),
      MISTAKE(ValueError, "random::split: -1 keys", ft::random::split(ft::random::key(0), -1)),
      MISTAKE(ShapeError, "random::fold_in: expected one integer to fold into the key, got f32[]", ft::random::fold_in(ft::random::key(0), 0.5)),
      MISTAKE(DTypeError, "random::randint: expected an integer dtype, got f32", ft::random::randint(ft::random::key(0), {2}, 0, 5, ft::f32)),
      MISTAKE(ShapeError, "random::permutation: expected an integer or a tensor with a dimension to reorder, got a 0-d f32",
              ft::random::permutation(ft::random::key(0), 0.5)),
      MISTAKE(ValueError, "random::permutation: of -2 numbers", ft::random::permutation(ft::random::key(0), -2)),
      MISTAKE(ShapeError, "draw_bits: negative extent in shape [-1]", ft::rand({-1})),
      MISTAKE(DTypeError, "rand: random numbers are f32 or f64, not i64; convert the result", ft::rand({2}, ft::i64)),
      MISTAKE(ValueError, "dropout: p is 1.500000, expected a probability", ft::dropout(x, 1.5)),
      MISTAKE(DTypeError, "bernoulli: random numbers are f32 or f64, not i64; convert the result", ft::bernoulli(i)),
      MISTAKE(IndexError, "argmax: dimension 5 is out of range for a tensor of 1 dimensions (expected -1 to 0)",
              ft::random::categorical(ft::random::key(0), x, 5)),
      MISTAKE(ShapeError, "random::bernoulli: cannot broadcast shape [3] to [2]", ft::random::bernoulli(ft::random::key(0), x, {2})),
      MISTAKE(ShapeError, "random::uniform: cannot broadcast shape [3] to [2]", ft::random::uniform(ft::random::key(0), {2}, ft::f32, x)),
  });
}

}  // namespace
