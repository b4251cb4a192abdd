// jvp: derivatives along a direction.
#pragma once
#include "functra/transforms/callable.h"

namespace functra {

namespace detail {

// Positions whose tangent is not none.
template <class V, class Taken = std::integer_sequence<int>, int I = 0> struct differentiated { using type = Taken; };
template <class V, class... Vs, int... A, int I> struct differentiated<std::tuple<V, Vs...>, std::integer_sequence<int, A...>, I>
    : differentiated<std::tuple<Vs...>,
                     std::conditional_t<std::is_same_v<V, NoneType>, std::integer_sequence<int, A...>, std::integer_sequence<int, A..., I>>, I + 1> {
};

template <class... D> struct LiftTangents { template <std::size_t I> static constexpr bool value = !std::is_same_v<nth<I, D...>, NoneType>; };

// The tangent of one argument, typed like it.
template <class X, class D> auto to_tangent(const D& d) {
  if constexpr (std::is_same_v<D, NoneType>) return none;
  else {
    constexpr bool converts = std::is_convertible_v<const D&, X>;
    static_assert(!StaticLeaf<X>,
                  "functra: a tangent is given for a static argument (a number, enum or string); give ft::none there, or let f take a Tensor");
    static_assert(converts, "functra: a tangent has another type than its argument (see X and D in 'to_tangent<X, D>')");
    if constexpr (converts) return X(d);
    else return static_cast<X (*)()>(nullptr)();
  }
}
template <class D> TreeRef tangent_ref(D& d) {
  if constexpr (std::is_same_v<D, NoneType>) return {};
  else return TreeRef(d);
}

template <bool Aux, class F, class... X, class... D>
auto jvp(const F& f, std::tuple<X...> primals, const std::tuple<D...>& given, const JvpOptions& o) {
  if constexpr (!check_function<F, Aux, X...>()) return Anything{};
  else return [&]<std::size_t... I>(std::index_sequence<I...>) {
      auto tangents = std::tuple<std::conditional_t<std::is_same_v<D, NoneType>, NoneType, X>...>(to_tangent<X>(std::get<I>(given))...);
      (void([&] {
         if constexpr (!std::is_same_v<D, NoneType>) float_bare_integer(std::get<I>(primals));
       }()),
       ...);
      Runner<F, Aux, X...> run(f, std::get<I>(primals)...);
      const std::array<TreeRef, sizeof...(X)> at{TreeRef(std::get<I>(primals))...}, along{tangent_ref(std::get<I>(tangents))...};
      std::vector<Tensor> t = erased::jvp(at, along, run, o);
      using Y = std::decay_t<decltype(run.value())>;
      Y dy = run.value();
      tree::assign(TreeRef(dy), t);
      if constexpr (Aux) return std::tuple<Y, Y, std::decay_t<decltype(run.aux())>>(std::move(run.value()), std::move(dy), std::move(run.aux()));
      else return std::pair<Y, Y>(std::move(run.value()), std::move(dy));
    }
  (std::index_sequence_for<X...>{});
}
template <bool Aux, class F, class P, class Q> auto jvp_lists(const F& f, const P& primals, const Q& tangents, const JvpOptions& o) {
  auto given = argument_list(tangents);
  auto list = argument_list(primals);
  constexpr bool same = std::tuple_size_v<decltype(given)> == std::tuple_size_v<decltype(list)>;
  static_assert(same, "functra: jvp needs one tangent per argument (ft::none for a static or constant one)");
  if constexpr (!same) return Anything{};
  else
    return [&]<class... D>(const std::tuple<D...>& d) {
      return std::apply([&](const auto&... x) { return detail::jvp<Aux>(f, arguments<F, LiftTangents<D...>>(x...), d, o); }, list);
    }(given);
}

}  // namespace detail

// (f(primals), its derivative along the tangents). One argument each, or tuples of all arguments: tangents have the types of the
// primals, or are none where an argument is static or held constant. With has_aux, f returns (value, aux) and the result is
// (value, tangent, aux). strict: ValueError for an output that does not depend on the arguments.
template <class F, class P, class Q>
requires(!std::is_same_v<F, HasAux>) auto jvp(F f, const P& primals, const Q& tangents, JvpOptions o = {}) {
  return detail::jvp_lists<false>(f, primals, tangents, o);
}
template <class F, class P, class Q> auto jvp(HasAux, F f, const P& primals, const Q& tangents, JvpOptions o = {}) {
  return detail::jvp_lists<true>(f, primals, tangents, o);
}

}  // namespace functra
