// What a function takes, where one signature can be known: a function, a member function, a callable object with one operator(),
// a transformed function. Generic and overloaded ones are taken as they come.
#pragma once
#include <tuple>
#include <type_traits>

namespace functra::detail {

template <class... P> struct Params {};
struct Generic {};

template <class M> struct of_call_operator { using type = Generic; };
template <class R, class C, class... P> struct of_call_operator<R (C::*)(P...) const> { using type = Params<std::decay_t<P>...>; };
template <class R, class C, class... P> struct of_call_operator<R (C::*)(P...) const noexcept> { using type = Params<std::decay_t<P>...>; };
template <class R, class C, class... P> struct of_call_operator<R (C::*)(P...) const&> { using type = Params<std::decay_t<P>...>; };

template <class F> struct signature { using type = Generic; };
template <class F>
requires requires { typename F::functra_params; }
struct signature<F> {
  using type = typename F::functra_params;
};
template <class F>
requires(
    !requires { typename F::functra_params; } && requires { &F::operator(); }) struct signature<F> : of_call_operator<decltype(&F::operator())> {
};
template <class R, class... P> struct signature<R (*)(P...)> { using type = Params<std::decay_t<P>...>; };
template <class R, class... P> struct signature<R (*)(P...) noexcept> { using type = Params<std::decay_t<P>...>; };
template <class R, class C, class... P> struct signature<R (C::*)(P...) const> { using type = Params<C, std::decay_t<P>...>; };
template <class R, class C, class... P> struct signature<R (C::*)(P...) const noexcept> { using type = Params<C, std::decay_t<P>...>; };
template <class F> using signature_t = typename signature<F>::type;

// The first n of the parameters: arguments given where the others have defaults.
template <class P, std::size_t... I> auto first_params(std::index_sequence<I...>) -> Params<std::tuple_element_t<I, P>...>;
template <std::size_t I, class... T> using nth = std::tuple_element_t<I, std::tuple<T...>>;

}  // namespace functra::detail

// An overloaded function as one object: grad(FUNCTRA_LIFT(f)).
#define FUNCTRA_LIFT(...)                                                                              \
  [](auto&&... functra_a) -> decltype(__VA_ARGS__(static_cast<decltype(functra_a)&&>(functra_a)...)) { \
    return __VA_ARGS__(static_cast<decltype(functra_a)&&>(functra_a)...);                              \
  }
