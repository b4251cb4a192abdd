// What is known of a tensor without its data: element type, weakness, shape.
#pragma once
#include <string>

#include "functra/base/shape.h"

namespace functra {

// A weak type is that of a C++ number: 0-d always, bool, i64 or f64 with its full value until it meets a tensor, whose dtype it
// then adopts.
struct Aval {
  DType dtype = DType::f32;
  bool weak = false;
  Shape shape;
  bool operator==(const Aval&) const = default;
  std::string str() const { return (weak ? "~" : "") + std::string(name_of(dtype)) + shape.str(); }  // "f32[2, 3]", "~f64[]"
};

}  // namespace functra
