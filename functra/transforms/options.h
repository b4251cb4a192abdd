// Options of the transforms, designated in the order shown.
#pragma once
#include <string>
#include <vector>

#include "functra/tree/axes.h"

namespace functra {

enum class Randomness { error, same, different };  // what stateful draws do under vmap

struct VmapOptions {
  Axes in_dims{};
  Axes out_dims{};
  Randomness randomness = Randomness::error;
  OptInt chunk_size{};
  std::string axis_name{};
  OptInt axis_size{};
};
struct JvpOptions {
  bool strict = false;
};  // strict: an output that does not depend on the input is an error
struct JacOptions {
  OptInt chunk_size{};
};
struct JitOptions {
  std::vector<int> donate{};
};  // argument numbers whose tensors may be freed or reused
struct JitStats {
  std::int64_t hits, misses;  // calls that found a trace, and that made one
  std::size_t size;           // traces in the cache
};
struct CheckGradsOptions {
  int order = 2;
  double eps = 1e-5, atol = 1e-4, rtol = 1e-4;
};

}  // namespace functra
