// Trees: any nesting of Tensor, static leaves, tuple, pair, array, vector, sorted map, optional, variant and aggregate structs. A type
// shows its leaves to a Visitor, in order and mutably; that is all that is generated per type, and everything else is compiled once.
#pragma once
#include <array>
#include <memory>
#include <optional>
#include <tuple>
#include <utility>
#include <variant>
#include <vector>

#include "functra/base/reflect.h"
#include "functra/tensor/tensor.h"
#include "functra/tree/static_leaf.h"

namespace functra {

namespace tree {

template <class T> inline constexpr char static_type = 0;

// A static leaf, its type erased.
struct Static {
  const void* p;
  void (*append)(const void*, std::string& key);  // its exact contents
  std::string (*text)(const void*);               // for messages
  bool text_like;                                 // prints with quotes
  const void* type;                               // one address per type: &static_type<T>
  template <class T> explicit Static(const T& t)
      : p(&t),
        append([](const void* q, std::string& key) { append_static(key, *static_cast<const T*>(q)); }),
        text([](const void* q) { return static_text(*static_cast<const T*>(q)); }),
        text_like(Text<T>),
        type(&static_type<T>) {}
};

// One step down a path: ".field", "[index]" or "[key]".
struct Step {
  std::string_view field{};
  std::size_t index = 0;
  const Static* key = nullptr;
  std::string str() const;
};

// Containers whose extent or choice is part of the structure; and state, which is no parameter.
enum class Node : char { list, map, optional, variant, constant };

struct Visitor {
  virtual void tensor(Tensor&) = 0;
  virtual void leaf(const Static&) {}
  virtual void enter(const Step&) {}  // around each child of a container or struct
  virtual void leave() {}
  // Before the children: how many, present or not, which alternative. Of state: 1 before its tensors, 0 after them.
  virtual void note(Node, std::size_t) {}

 protected:
  ~Visitor() = default;
};

template <class T, template <class...> class C> inline constexpr bool is_of = false;
template <class... A, template <class...> class C> inline constexpr bool is_of<C<A...>, C> = true;
template <class T> inline constexpr bool is_array = false;
template <class T, std::size_t N> inline constexpr bool is_array<std::array<T, N>> = true;
template <class T>
concept ListLike = is_of<T, std::vector>;
// std::map and its kind. A hash map is not one: its order differs between equal maps.
template <class T>
concept MapLike = requires(T& t) {
  typename T::mapped_type;
  typename T::key_compare;
  t.begin();
  t.size();
}
&&StaticLeaf<typename T::key_type>;
template <class T>
concept Product = is_of<T, std::tuple> || is_of<T, std::pair> || is_array<T>;
template <class T>
concept Listed = requires(T& t) {
  functra_fields(t);
};  // has FUNCTRA_TREE
template <class T>
concept Wrapper = requires(T& t) {
  functra_wrapped(t);
};  // has FUNCTRA_WRAPPER or FUNCTRA_STATE
template <class T>
concept Empty = std::is_same_v<T, NoneType> || std::is_same_v<T, std::monostate>;

template <class T> constexpr bool check_struct() {
  constexpr bool plain = !reflect::has_base<T>;
  static_assert(plain, "functra: a struct with a base class (see T in 'check_struct<T>'): list its fields with FUNCTRA_TREE(T, member...)");
  if constexpr (plain) {
    constexpr std::size_t n = reflect::arity<T>;
    static_assert(n > 0 || std::is_empty_v<T>,
                  "functra: a struct with a reference member (see T in 'check_struct<T>') is not a tree: hold the Tensor by value");
    static_assert(n <= reflect::max_fields,
                  "functra: a struct with more than 64 fields: group them, or list them with FUNCTRA_TREE(Type, member...)");
    if constexpr (n > 1 && n <= reflect::max_fields) {
      constexpr bool separate = !reflect::has_array<T>;
      static_assert(separate, "functra: a struct with a C array (see T in 'check_struct<T>'): use std::array");
      return separate;
    } else return n > 0 && n <= reflect::max_fields;
  } else return false;
}

// The i-th of the names in "a, b, c".
constexpr std::string_view nth_name(std::string_view list, std::size_t i) {
  for (; i > 0; --i) list.remove_prefix(list.find(',') + 1);
  while (list.starts_with(' ')) list.remove_prefix(1);
  return list.substr(0, list.find(','));
}
template <class T> constexpr std::string_view field_name(std::size_t i) {
  if constexpr (requires { functra_name(static_cast<const T*>(nullptr), i); }) return functra_name(static_cast<const T*>(nullptr), i);
  else if constexpr (requires { functra_names(static_cast<const T*>(nullptr)); }) return nth_name(functra_names(static_cast<const T*>(nullptr)), i);
  else return reflect::names<T>[i];
}

// References to the fields of a struct: those it lists, or all of them.
template <class T> auto fields_of(T& t) {
  if constexpr (Listed<std::remove_const_t<T>>) return functra_fields(const_cast<std::remove_const_t<T>&>(t));
  else return reflect::tie(t);
}

template <class T> inline constexpr bool not_a_tree = false;
template <class T> void visit(T& t, Visitor& v);
template <class T> void visit_child(T& t, Visitor& v, const Step& step) {
  v.enter(step);
  visit(const_cast<std::remove_const_t<T>&>(t), v);
  v.leave();
}
template <class T> void visit_fields(T& t, Visitor& v) {
  auto fields = fields_of(t);
  [&]<std::size_t... I>(std::index_sequence<I...>) { (visit_child(std::get<I>(fields), v, Step{.field = field_name<T>(I), .index = I}), ...); }
  (std::make_index_sequence<std::tuple_size_v<decltype(fields)>>{});
}

template <class T> void visit(T& t, Visitor& v) {
  if constexpr (std::is_same_v<T, Tensor>) v.tensor(t);
  else if constexpr (Empty<T>) {
  } else if constexpr (StaticLeaf<T>) v.leaf(Static(t));
  else if constexpr (Product<T>) {
    [&]<std::size_t... I>(std::index_sequence<I...>) { (visit_child(std::get<I>(t), v, Step{.index = I}), ...); }
    (std::make_index_sequence<std::tuple_size_v<T>>{});
  } else if constexpr (ListLike<T>) {
    v.note(Node::list, t.size());
    for (std::size_t i = 0; i < t.size(); ++i) {
      if constexpr (std::is_same_v<typename T::value_type, bool>) {
        bool b = t[i];
        visit_child(b, v, Step{.index = i});
      } else visit_child(t[i], v, Step{.index = i});
    }
  } else if constexpr (MapLike<T>) {
    v.note(Node::map, t.size());
    for (auto& [k, x] : t) {
      Static key(k);
      visit_child(x, v, Step{.key = &key});
    }
  } else if constexpr (is_of<T, std::optional>) {
    v.note(Node::optional, t.has_value());
    if (t) visit(*t, v);
  } else if constexpr (is_of<T, std::variant>) {
    v.note(Node::variant, t.index());
    std::visit([&](auto& x) { visit(x, v); }, t);
  } else if constexpr (Wrapper<T>) {
    constexpr bool state = requires { functra_state(t); };
    if constexpr (state) v.note(Node::constant, 1);
    visit(functra_wrapped(t), v);
    if constexpr (state) v.note(Node::constant, 0);
  } else if constexpr (Listed<T>) visit_fields(t, v);
  else if constexpr (std::is_aggregate_v<T> && !std::is_array_v<T> && !std::is_union_v<T>) {
    if constexpr (check_struct<T>()) visit_fields(t, v);
  } else
    static_assert(not_a_tree<T>,
                  "functra: this type is not a tree (see T in 'visit<T>'): make it an aggregate, or add FUNCTRA_TREE(T, member...) inside it, "
                  "or FUNCTRA_STATIC(T) if it holds no tensors");
}

struct Ops {
  void (*visit)(void*, Visitor&);
};
template <class T> inline constexpr Ops ops{[](void* p, Visitor& v) { visit(*static_cast<T*>(p), v); }};

}  // namespace tree

// A borrowed tree, its type erased: what the library's compiled code sees. Null by default.
struct TreeRef {
  void* p = nullptr;
  const tree::Ops* ops = nullptr;  // one per type: tells types apart
  TreeRef() = default;
  template <class T>
  requires(!std::is_same_v<T, TreeRef> && !std::is_same_v<T, const TreeRef>) explicit TreeRef(T& t)
      : p(const_cast<std::remove_const_t<T>*>(std::addressof(t))), ops(&tree::ops<std::remove_const_t<T>>) {}
  explicit operator bool() const { return ops != nullptr; }
  void visit(tree::Visitor& v) const {
    if (ops) ops->visit(p, v);
  }
};

namespace tree {

void append_key(std::string& key, TreeRef t);

// What distinguishes two values of a class with FUNCTRA_STATIC(Type, member...): the members listed, or all bytes where none is.
template <class T, class... M> std::string opaque_key(const T& t, std::tuple<M...> members) {
  std::string key;
  if constexpr (sizeof...(M) > 0) std::apply([&](auto&... m) { (append_key(key, TreeRef(m)), ...); }, members);
  else if constexpr (!std::is_empty_v<T>) {
    static_assert(std::has_unique_object_representations_v<T>,
                  "functra: FUNCTRA_STATIC(Type, member...) must list the members that tell two values of Type apart");
    append_bytes(key, &t, sizeof t);
  }
  return key;
}

}  // namespace tree

// Inside a class that is not an aggregate, or has bases: these members are its children, in this order.
#define FUNCTRA_TREE(Type, ...)                                                              \
  auto functra_tie_() { return std::tie(__VA_ARGS__); }                                      \
  template <class functra_T>                                                                 \
  requires std::is_same_v<functra_T, Type>                                                   \
  friend auto functra_fields(functra_T& t) { return t.functra_tie_(); }                      \
  template <class functra_T>                                                                 \
  requires std::is_same_v<functra_T, Type>                                                   \
  friend constexpr std::string_view functra_names(const functra_T*) { return #__VA_ARGS__; } \
  static_assert(true)

// Inside a class around one member: it stands for that member, and paths have no step for it.
#define FUNCTRA_WRAPPER(Type, member)                             \
  template <class functra_T>                                      \
  requires std::is_same_v<functra_T, Type>                        \
  friend auto& functra_wrapped(functra_T& t) { return t.member; } \
  static_assert(true)
// The same, and its tensors are state: neither differentiated nor optimised.
#define FUNCTRA_STATE(Type, member)        \
  FUNCTRA_WRAPPER(Type, member);           \
  template <class functra_T>               \
  requires std::is_same_v<functra_T, Type> \
  friend void functra_state(functra_T&) {} \
  static_assert(true)

// Inside a class that holds no tensors: it is a static leaf. The members that tell its values apart follow its name; they may be
// left out where every byte of the object counts.
#define FUNCTRA_STATIC(Type, ...)                                                                                           \
  auto functra_static_tie_() const { return std::tie(__VA_ARGS__); }                                                        \
  template <class functra_T>                                                                                                \
  requires std::is_same_v<functra_T, Type>                                                                                  \
  friend std::string functra_static(const functra_T& t) { return ::functra::tree::opaque_key(t, t.functra_static_tie_()); } \
  static_assert(true)

}  // namespace functra
