// Options of the transforms, designated in the order shown.
#pragma once
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <vector>

#include "functra/base/dtype.h"
#include "functra/base/none.h"

namespace functra {

enum class Randomness { error, same, different };  // what stateful draws do under vmap

// in_dims / out_dims: a number for everything, none, or a list that follows the arguments (a prefix of the tree).
struct Axes {
  std::optional<std::int64_t> axis = 0;
  bool list = false;
  std::vector<Axes> items;
  Axes() = default;
  template <Integer I> Axes(I i) : axis(static_cast<std::int64_t>(i)) {}
  Axes(NoneType) : axis() {}
  Axes(std::initializer_list<Axes> l) : list(true), items(l) {}
};
// A sub-list by name: `{ft::axes({0, 1})}` is a list of one list on every compiler.
struct AxesList { std::vector<Axes> items; operator Axes() const { Axes a; a.list = true; a.items = items; return a; } };
inline AxesList axes(std::initializer_list<Axes> l) { return {std::vector<Axes>(l)}; }

using OptInt = std::optional<std::int64_t>;
struct VmapOptions {
  Axes in_dims{};
  Axes out_dims{};
  Randomness randomness = Randomness::error;
  OptInt chunk_size{};
  std::string axis_name{};
  OptInt axis_size{};
};
struct JvpOptions { bool strict = false; };         // strict: an output that does not depend on the input is an error
struct JacOptions { OptInt chunk_size{}; };
struct JitOptions { std::vector<int> donate{}; };   // argument numbers whose tensors may be freed or reused
struct CheckGradsOptions { int order = 2; double eps = 1e-5, atol = 1e-4, rtol = 1e-4; };

}  // namespace functra
