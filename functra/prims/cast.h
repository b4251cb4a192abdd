// Changes of element type.
#pragma once
#include "functra/prims/build.h"

namespace functra::prims {

struct ConvertParams { DType dtype; bool weak; };  // weak: a 0-d result that is a C++ number again (the cotangent of one)

}  // namespace functra::prims
