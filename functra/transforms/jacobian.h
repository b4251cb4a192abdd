// jacrev, jacfwd, jac_and_value, hessian, hvp: whole derivatives, typed.
#pragma once
#include "functra/transforms/grad.h"
#include "functra/transforms/jvp.h"
#include "functra/tree/jacobian_type.h"

namespace functra {

namespace detail {

template <class F, erased::JacMode M, bool Aux, bool Value, int... A> class Jac : public Callable<Jac<F, M, Aux, Value, A...>, signature_t<F>> {
 public:
  Jac(F f, JacOptions o) : f_(std::move(f)), options_(o) {}
  template <std::size_t N> using Lift = LiftSelected<N, A...>;
  template <class... T> auto run(T&... t) const {
    if constexpr (!selection<F, Aux, std::integer_sequence<int, A...>, T...>::check()) return Anything{};
    else {
      float_selected<A...>(t...);
      Runner<F, Aux, T...> f(f_, t...);
      auto selected = select<A...>(t...);
      constexpr const char* who = Value ? "jac_and_value" : M == erased::JacMode::reverse ? "jacrev" : "jacfwd";
      constexpr int numbers[] = {at<A, sizeof...(T)>...};
      auto blocks = erased::jacobian(M, {selected, numbers}, f, options_, who);
      auto in = take_selected<A...>(t...);
      using In = decltype(in);
      std::vector<In> rows;  // one input-shaped tree per output tensor
      rows.reserve(blocks.size());
      for (const auto& row : blocks) {
        rows.push_back(in);
        tree::assign(TreeRef(rows.back()), row);
      }
      const In* next = rows.data();
      auto j = tree::build<std::decay_t<decltype(f.value())>, In>(f.value(), next);
      if constexpr (Value) return std::pair<decltype(j), decltype(f.take())>(std::move(j), f.take());
      else if constexpr (Aux) return std::pair<decltype(j), std::decay_t<decltype(f.aux())>>(std::move(j), std::move(f.aux()));
      else return j;
    }
  }

 private:
  F f_;
  JacOptions options_;
};
template <erased::JacMode M, bool Aux, bool Value, int... A, class F> auto make_jac(F f, JacOptions o) {
  if constexpr (sizeof...(A) == 0) return Jac<F, M, Aux, Value, 0>(std::move(f), o);
  else return Jac<F, M, Aux, Value, A...>(std::move(f), o);
}

}  // namespace detail

// The Jacobian of f with respect to argument 0, or to those named. Each output Tensor is replaced by the input's type, whose tensors
// have the output's shape followed by the input's: Tensor -> Tensor gives a Tensor, Tensor -> struct the struct, struct -> Tensor
// the struct, several arguments a tuple, containers are rebuilt, and a struct over anything else is a Jacobian<S, In>. With has_aux,
// f returns (value, aux) and the result is (jacobian, aux). chunk_size bounds how many rows or columns are computed at once.
template <int... A, class F> auto jacrev(F f, JacOptions o = {}) {
  return detail::make_jac<erased::JacMode::reverse, false, false, A...>(std::move(f), o);
}
template <int... A, class F> auto jacrev(HasAux, F f, JacOptions o = {}) {
  return detail::make_jac<erased::JacMode::reverse, true, false, A...>(std::move(f), o);
}
template <int... A, class F> auto jacfwd(F f, JacOptions o = {}) {
  return detail::make_jac<erased::JacMode::forward, false, false, A...>(std::move(f), o);
}
template <int... A, class F> auto jacfwd(HasAux, F f, JacOptions o = {}) {
  return detail::make_jac<erased::JacMode::forward, true, false, A...>(std::move(f), o);
}

// (jacobian, value) by the cheaper mode; with has_aux (jacobian, (value, aux)).
template <int... A, class F> auto jac_and_value(F f, JacOptions o = {}) {
  return detail::make_jac<erased::JacMode::cheaper, false, true, A...>(std::move(f), o);
}
template <int... A, class F> auto jac_and_value(HasAux, F f, JacOptions o = {}) {
  return detail::make_jac<erased::JacMode::cheaper, true, true, A...>(std::move(f), o);
}

// Second derivatives: forward over reverse.
template <int... A, class F> auto hessian(F f, JacOptions o = {}) { return jacfwd<A...>(jacrev<A...>(std::move(f)), o); }
template <int... A, class F> auto hessian(HasAux, F f, JacOptions o = {}) { return jacfwd<A...>(has_aux, jacrev<A...>(has_aux, std::move(f)), o); }

// The product of f's Hessian at x with v, without the Hessian. x and v are one argument each, or tuples of all arguments with none
// in v at the constant ones; the result is then a tuple of the products for the others.
template <class F, class X, class V> auto hvp(F f, const X& x, const V& v) {
  if constexpr (tree::is_of<X, std::tuple>) {
    constexpr bool paired = detail::list_size<V> == static_cast<int>(std::tuple_size_v<X>);
    static_assert(paired, "functra: hvp needs one vector per argument (ft::none for a constant one)");
    if constexpr (!paired) return detail::Anything{};
    else {
      using Positions = typename detail::differentiated<V>::type;
      return [&]<int... A>(std::integer_sequence<int, A...>) { return jvp(grad<A...>(std::move(f)), x, v).second; }
      (Positions{});
    }
  } else return jvp(grad(std::move(f)), x, v).second;
}

}  // namespace functra
