// Layers one after another.
#pragma once
#include <tuple>

#include "functra/nn/module.h"

namespace functra::nn {

// A function pointer or a lambda as a layer: a static leaf. What a lambda captures is part of the structure, so it must be plain data;
// a layer with tensors is a struct.
template <class F> struct Function {
  F f;
  Function(F g) : f(std::move(g)) {}
  template <class X> auto operator()(const X& x) const { return f(x); }
  friend std::string functra_static(const Function& t) {
    std::string key;
    if constexpr (!std::is_empty_v<F>) {
      static_assert(std::has_unique_object_representations_v<F>,
                    "functra: a lambda in nn::Sequential captures more than plain data: make it a struct with an operator()");
      tree::append_bytes(key, &t.f, sizeof t.f);
    }
    return key;
  }
};

namespace detail {
template <class T>
concept IsTree = std::is_aggregate_v<T> || StaticLeaf<T> || tree::Listed<T> || tree::Wrapper<T> || tree::Product<T> || tree::ListLike<T> ||
    tree::is_of<T, std::optional>;
template <class T> using layer_t = std::conditional_t<IsTree<T>, T, Function<T>>;

template <class L, class X> auto apply(const L& layer, const X& x) {
  if constexpr (tree::ListLike<L>) {
    X y = x;
    for (const auto& each : layer) y = detail::apply(each, y);
    return y;
  } else return layer(x);
}
template <std::size_t I, class Layers, class X> auto apply_from(const Layers& layers, const X& x) {
  if constexpr (I == std::tuple_size_v<Layers>) return x;
  else return apply_from<I + 1>(layers, apply(std::get<I>(layers), x));
}
}  // namespace detail

// Structs, function pointers (ft::tanh), lambdas without captures, and vectors of layers of one type: nn::Sequential net(linear, ft::tanh,
// blocks). A tree of its layers: "[0].weight", "[2][1].weight".
template <class... L> struct Sequential {
  std::tuple<L...> layers;
  template <class... A>
  requires(sizeof...(A) == sizeof...(L)) explicit Sequential(A... a) : layers(std::move(a)...) {}
  template <class X> auto operator()(const X& x) const { return detail::apply_from<0>(layers, x); }
  FUNCTRA_WRAPPER(Sequential, layers);
};
template <class... A> Sequential(A...) -> Sequential<detail::layer_t<A>...>;
template <std::size_t I, class... L> const auto& get(const Sequential<L...>& s) { return std::get<I>(s.layers); }

}  // namespace functra::nn
