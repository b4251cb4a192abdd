// What users and the library do with trees: map, flatten, rebuild, name the leaves.
#pragma once
#include <span>

#include "functra/base/function_ref.h"
#include "functra/tree/axes.h"
#include "functra/tree/visit.h"

namespace functra {

namespace tree {

using Refs = std::span<const TreeRef>;

// Leaves in tree order; an undefined Tensor is one like any other. Of several trees: one tree after another.
std::vector<Tensor> leaves(TreeRef t);
std::vector<Tensor> leaves(Refs trees);
std::vector<Tensor*> pointers(TreeRef t);  // valid while the tree's containers keep their sizes
std::vector<Tensor*> pointers(Refs trees);
std::size_t count(TreeRef t);
// Writes all leaves; StructureError unless there are as many as the tree has.
void assign(TreeRef t, std::span<const Tensor> leaves);
void assign(Refs trees, std::span<const Tensor> leaves);
std::vector<char> constants(TreeRef t);  // per leaf: is it state, as FUNCTRA_STATE says
void clear(TreeRef t);                   // all leaves become undefined
void map(TreeRef t, function_ref<Tensor(const Tensor&)> f);

// "layers[0].w", "heads['a'].b", "" for a bare Tensor.
std::vector<std::string> paths(TreeRef t);
// "argument 0", "argument 1.layers[0].w".
std::vector<std::string> argument_paths(Refs args);

// Appends what tells one structure from another: the type, extents of containers, keys, and the values of static leaves (floats by
// their bits). Equal keys mean equal structures; the tensors themselves are not part of it.
void append_key(std::string& key, TreeRef t);
// The same, and collects the leaves in one walk.
void flatten(TreeRef t, std::string& key, std::vector<Tensor*>& leaves);
std::size_t hash(std::string_view key);
// Extents of containers and keys, one tree after another; nothing (no allocation) for trees that have neither.
std::string shape_key(Refs trees);

// Static leaves, with their paths (as argument_paths) and contents: what explains why a compiled function was compiled again.
struct StaticValue {
  std::string path, key, text;
  const void* type;  // as Static::type
};
std::vector<StaticValue> static_values(Refs args);
std::string structure(TreeRef t);  // "{w: *, layers: [*, *], name: "a"}", for messages

}  // namespace tree

// A structure: everything of a tree but its tensors.
class TreeDef {
 public:
  TreeDef() = default;
  std::size_t num_leaves() const { return leaves_; }
  bool operator==(const TreeDef& o) const { return key_ == o.key_; }

 private:
  template <class T> friend std::pair<std::vector<Tensor>, TreeDef> tree_flatten(const T& t);
  template <class T> friend T tree_unflatten(const TreeDef& d, std::span<const Tensor> leaves);
  std::string key_;
  std::size_t leaves_ = 0;
  std::shared_ptr<void> example_;  // a tree of that structure without tensors
  const tree::Ops* type_ = nullptr;
};

template <class T> std::vector<Tensor> tree_leaves(const T& t) { return tree::leaves(TreeRef(t)); }
template <class T> std::vector<std::string> tree_paths(const T& t) { return tree::paths(TreeRef(t)); }

template <class T> std::pair<std::vector<Tensor>, TreeDef> tree_flatten(const T& t) {
  std::pair<std::vector<Tensor>, TreeDef> r{tree::leaves(TreeRef(t)), {}};
  TreeDef& d = r.second;
  tree::append_key(d.key_, TreeRef(t));
  d.leaves_ = r.first.size();
  auto example = std::make_shared<T>(t);
  tree::clear(TreeRef(*example));
  d.example_ = std::move(example);
  d.type_ = &tree::ops<T>;
  return r;
}
// StructureError if the structure is not one of a T, or the number of leaves differs.
template <class T> T tree_unflatten(const TreeDef& d, std::span<const Tensor> leaves) {
  if (d.type_ != &tree::ops<T>) throw StructureError("tree_unflatten: the structure is that of another type");
  T t = *static_cast<const T*>(d.example_.get());
  tree::assign(TreeRef(t), leaves);
  return t;
}

namespace tree {
// Copies of the leaves of `others`, which must have the structure of `t` (types may differ, then only the number of leaves counts).
std::vector<Tensor> matching_leaves(TreeRef t, TreeRef other, std::size_t number);
}  // namespace tree

// f of each leaf, or of the corresponding leaves of several trees of equal structure; the static leaves are those of the first.
template <class F, class T, class... U> T tree_map(F&& f, T t, const U&... others) {
  constexpr bool fits = std::is_invocable_r_v<Tensor, F&, const Tensor&, decltype((void(others), std::declval<const Tensor&>()))...>;
  static_assert(fits, "functra: the function of tree_map takes one Tensor per tree and returns a Tensor");
  if constexpr (fits) {
    std::size_t number = 1, i = 0;
    std::array<std::vector<Tensor>, sizeof...(U)> rest{tree::matching_leaves(TreeRef(t), TreeRef(others), number++)...};
    [&]<std::size_t... K>(std::index_sequence<K...>) {
      tree::map(TreeRef(t), [&](const Tensor& x) -> Tensor {
        Tensor y = f(x, std::as_const(rest[K][i])...);
        ++i;
        return y;
      });
    }
    (std::index_sequence_for<U...>{});
  }
  return t;
}

}  // namespace functra
