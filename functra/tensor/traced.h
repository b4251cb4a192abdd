// What the tensor layer asks of traced values. It knows that they exist, not what they are: core/ defines these.
#pragma once
#include "functra/tensor/tensor.h"

namespace functra::traced {

Aval aval(const Tensor& t);                                // of a Var, Jvp or Batch tensor; TracerError if its transform has ended
const Tensor* readable(const Tensor& t, const char* who);  // the concrete value behind it (a primal), or TracerError with the way out
std::string text(const Tensor& t);                         // what printing shows: wrapper and value, or the type where there is no value
void destroy(Tensor::Kind kind, Node* node);               // the last reference to a Jvp or Batch node is gone

}  // namespace functra::traced
