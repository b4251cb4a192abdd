// The few primitives that core/ itself needs, defined in prims/.
#pragma once
#include "functra/core/interp.h"

namespace functra::core {

extern const Primitive add_p, select_p, broadcast_in_dim_p, transpose_p, convert_p, reduce_sum_p;

Tensor broadcast_in_dim(const Tensor& x, const Shape& shape, const Shape& dims);  // dimension i of x becomes dims[i]
Tensor permute(const Tensor& x, const Shape& perm);                               // x itself for the identity
Tensor move_dim(const Tensor& x, int from, int to);
Tensor convert(const Tensor& x, DType d);             // x itself if it has the dtype; never weak
Tensor as_type(const Tensor& x, DType d, bool weak);  // likewise, weak where that is asked for (a value that vmap maps never is)
// May x stand where type a is needed, by as_type: the shape is that of a, and so is the dtype unless x is a number that fits it.
bool stands_for(const Tensor& x, const Aval& a);
Tensor add(const Tensor& a, const Tensor& b);  // equal types
Tensor sub(const Tensor& a, const Tensor& b);
Tensor select(const Tensor& mask, const Tensor& a, const Tensor& b);  // a where mask, else b
Tensor sum(const Tensor& x, const Shape& dims);                       // x itself for no dims

Tensor zeros(const Aval& a);                                   // an operation on a literal: programs hold no array
inline bool is_zero(const Tensor& t) { return !t.defined(); }  // symbolic; never reads a value
inline Tensor instantiate(const Tensor& t, const Aval& a) { return is_zero(t) ? zeros(a) : t; }
Tensor add_ct(Tensor a, Tensor b);                             // symbolic zeros allowed; in place where nobody can see it
Tensor move_dim(const Batched& b, int to, std::int64_t size);  // the mapped dimension to `to`, expanded if not mapped
inline Tensor move_dim0(const Batched& b, std::int64_t size) { return move_dim(b, 0, size); }

}  // namespace functra::core
