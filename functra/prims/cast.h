// Changes of element type.
#pragma once
#include "functra/prims/build.h"

namespace functra::prims {

struct ConvertParams {
  DType dtype;
  bool weak;
};  // weak: a 0-d result that is a C++ number again (the cotangent of one)
struct BitcastParams {
  DType dtype;
};

extern const Primitive bitcast_p, stop_gradient_p;
Tensor bitcast(const Tensor& x, DType d);  // the same bits; types of one width, not bool
Tensor stop_gradient(const Tensor& x);     // x, with derivative zero

}  // namespace functra::prims
