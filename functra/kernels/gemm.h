// Sums of products over strided arrays.
#pragma once
#include "functra/base/dtype.h"
#include "functra/base/shape.h"

namespace functra::kernels {

// c[m, n] (+)= sum_k a[m, k] b[k, n], row-major with leading dimensions; trans: the operand is stored transposed. f32 or f64.
void gemm(DType d, bool trans_a, bool trans_b, std::int64_t m, std::int64_t n, std::int64_t k, const void* a, std::int64_t lda, const void* b,
          std::int64_t ldb, void* c, std::int64_t ldc, bool accumulate = false);

// JAX's dot_general: sums over `left` of a paired with `right` of b, for each index of the paired batch dimensions. out is
// contiguous: batch dimensions, free dimensions of a, free dimensions of b; or, of these dimensions, it has out_strides. DTypeError for types
// without arithmetic.
void dot_general(DType d, const void* a, const Shape& a_shape, const Shape& a_strides, const void* b, const Shape& b_shape, const Shape& b_strides,
                 const Shape& left, const Shape& right, const Shape& left_batch, const Shape& right_batch, void* out,
                 const Shape* out_strides = nullptr);

}  // namespace functra::kernels
