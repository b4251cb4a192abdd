// grad, grad_and_value, value_and_grad: reverse-mode gradients of scalar functions.
#pragma once
#include "functra/transforms/callable.h"

namespace functra {

namespace detail {

enum class GradReturns { gradient, gradient_value, value_gradient };

// The selected arguments of one call, as trees.
template <int... A, class... T> std::array<TreeRef, sizeof...(A)> select(T&... t) {
  auto all = std::tie(t...);
  return {TreeRef(std::get<static_cast<std::size_t>(at<A, sizeof...(T)>)>(all))...};
}
// The selected arguments themselves: bare for one, a tuple in the order asked for several.
template <int... A, class... T> auto take_selected(T&... t) {
  auto all = std::tie(t...);
  return bare_or_tuple<nth<static_cast<std::size_t>(at<A, sizeof...(T)>), T...>...>(
      std::move(std::get<static_cast<std::size_t>(at<A, sizeof...(T)>)>(all))...);
}
template <int... A, class... T> void float_selected(T&... t) {
  auto all = std::tie(t...);
  (float_bare_integer(std::get<static_cast<std::size_t>(at<A, sizeof...(T)>)>(all)), ...);
}
template <std::size_t N, int... A> struct LiftSelected {
  template <std::size_t I> static constexpr bool value = ((static_cast<int>(I) == at<A, N>) || ...);
};
template <class F, bool Aux, class Nums, class... T> struct selection;
template <class F, bool Aux, int... A, class... T> struct selection<F, Aux, std::integer_sequence<int, A...>, T...> {
  static constexpr bool check() {
    if constexpr (!check_argnums<sizeof...(T), A...>()) return false;
    else if constexpr (!(check_traced<nth<static_cast<std::size_t>(at<A, sizeof...(T)>), T...>>() && ...)) return false;
    else return check_function<F, Aux, T...>();
  }
};

template <class F, GradReturns M, bool Aux, int... A> class Grad : public Callable<Grad<F, M, Aux, A...>, signature_t<F>> {
 public:
  explicit Grad(F f) : f_(std::move(f)) {}
  template <std::size_t N> using Lift = LiftSelected<N, A...>;
  template <class... T> auto run(T&... t) const {
    if constexpr (!selection<F, Aux, std::integer_sequence<int, A...>, T...>::check()) return Anything{};
    else {
      float_selected<A...>(t...);
      Runner<F, Aux, T...> f(f_, t...);
      auto selected = select<A...>(t...);
      constexpr const char* who = M == GradReturns::gradient ? "grad" : M == GradReturns::gradient_value ? "grad_and_value" : "value_and_grad";
      constexpr int numbers[] = {at<A, sizeof...(T)>...};
      tree::assign(selected, erased::grad({selected, numbers}, f, who));
      auto g = take_selected<A...>(t...);
      using G = decltype(g);
      if constexpr (M == GradReturns::gradient && Aux) return std::pair<G, std::decay_t<decltype(f.aux())>>(std::move(g), std::move(f.aux()));
      else if constexpr (M == GradReturns::gradient) return g;
      else if constexpr (M == GradReturns::gradient_value) return std::pair<G, decltype(f.take())>(std::move(g), f.take());
      else return std::pair<decltype(f.take()), G>(f.take(), std::move(g));
    }
  }

 private:
  F f_;
};
template <GradReturns M, bool Aux, int... A, class F> auto make_grad(F f) {
  if constexpr (sizeof...(A) == 0) return Grad<F, M, Aux, 0>(std::move(f));
  else return Grad<F, M, Aux, A...>(std::move(f));
}

}  // namespace detail

// The gradient of f, which returns a 0-d Tensor, with respect to argument 0, or to the arguments named: one gradient, typed like its
// argument (static leaves copied), or a tuple of them in the order asked. A bare integer there becomes a float. With has_aux, f
// returns (value, aux) and the result is (gradient, aux). ShapeError unless f returns one scalar Tensor; DTypeError for an integer
// Tensor as the argument itself, or an integer result.
template <int... A, class F> auto grad(F f) { return detail::make_grad<detail::GradReturns::gradient, false, A...>(std::move(f)); }
template <int... A, class F> auto grad(HasAux, F f) { return detail::make_grad<detail::GradReturns::gradient, true, A...>(std::move(f)); }

// (gradient, value), or with has_aux (gradient, (value, aux)).
template <int... A, class F> auto grad_and_value(F f) { return detail::make_grad<detail::GradReturns::gradient_value, false, A...>(std::move(f)); }
template <int... A, class F> auto grad_and_value(HasAux, F f) {
  return detail::make_grad<detail::GradReturns::gradient_value, true, A...>(std::move(f));
}

// (value, gradient), or with has_aux ((value, aux), gradient): JAX's order.
template <int... A, class F> auto value_and_grad(F f) { return detail::make_grad<detail::GradReturns::value_gradient, false, A...>(std::move(f)); }
template <int... A, class F> auto value_and_grad(HasAux, F f) {
  return detail::make_grad<detail::GradReturns::value_gradient, true, A...>(std::move(f));
}

}  // namespace functra
