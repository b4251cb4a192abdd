// Sums of products.
//
// Operands are promoted to one dtype. ShapeError where extents do not fit.
#pragma once
#include <string_view>

#include "functra/tensor/tensor.h"

namespace functra {

// As torch.matmul: vectors and matrices; leading dimensions are a batch and broadcast against each other.
Tensor matmul(const Tensor& a, const Tensor& b);
Tensor mm(const Tensor& a, const Tensor& b);     // [m, k] [k, n] -> [m, n]
Tensor bmm(const Tensor& a, const Tensor& b);    // [b, m, k] [b, k, n] -> [b, m, n]
Tensor mv(const Tensor& a, const Tensor& x);     // [m, k] [k] -> [m]
Tensor dot(const Tensor& a, const Tensor& b);    // [k] [k] -> []
Tensor outer(const Tensor& a, const Tensor& b);  // [m] [n] -> [m, n]
// x w^T + b: x [..., in], w [out, in], b [out] or none.
Tensor linear(const Tensor& x, const Tensor& w, const Tensor& b = {});
// Sums over dims_a of a paired with dims_b of b; or over the last n of a with the first n of b. The other dimensions follow in order.
Tensor tensordot(const Tensor& a, const Tensor& b, const Shape& dims_a, const Shape& dims_b);
Tensor tensordot(const Tensor& a, const Tensor& b, std::int64_t n = 2);
// Einstein's summation: "bij,bjk->bik". Letters name dimensions; a letter twice in one operand is its diagonal; "..." stands for
// leading dimensions that broadcast; without "->" the result has the letters that occur once, in alphabetical order. Several
// operands are contracted pairwise, the cheapest pair first. ValueError for an equation that does not parse.
Tensor einsum(std::string_view equation, TensorList operands);
Tensor einsum(std::string_view equation, const Tensor& a);
Tensor einsum(std::string_view equation, const Tensor& a, const Tensor& b);
Tensor einsum(std::string_view equation, const Tensor& a, const Tensor& b, const Tensor& c);

namespace lax {
// Sums over lhs_contract of a paired with rhs_contract of b, for each index of the paired batch dimensions. The result has the batch
// dimensions, then the others of a, then those of b, as jax.lax.dot_general.
struct DotDims {
  Shape lhs_contract{}, rhs_contract{}, lhs_batch{}, rhs_batch{};
};
Tensor dot_general(const Tensor& a, const Tensor& b, const DotDims& dims);
}  // namespace lax

}  // namespace functra
