// vjp, linearize, linear_transpose: linearised functions that may be called many times.
#pragma once
#include "functra/transforms/callable.h"

namespace functra {

// Cotangents of f's result to cotangents of its arguments: bare for one argument, else a tuple with none at static ones. A value: it
// outlives the call that made it, and is itself a function that any transform takes.
template <class Y, class... X> class Pullback : public detail::Callable<Pullback<Y, X...>, detail::Params<Y>> {
 public:
  Pullback(erased::LinearPtr l, std::tuple<X...> example) : linear_(std::move(l)), example_(std::move(example)) {}
  auto run(Y& cotangent) const {
    std::vector<Tensor> g = erased::pull(*linear_, TreeRef(cotangent));
    auto x = example_;
    return std::apply(
        [&](auto&... each) {
          const std::array<TreeRef, sizeof...(X)> refs{TreeRef(each)...};
          tree::assign(refs, g);
          return detail::bare_or_tuple<detail::tangent_t<X>...>(detail::as_tangent(each)...);
        },
        x);
  }

 private:
  erased::LinearPtr linear_;
  std::tuple<X...> example_;  // static leaves of the arguments
};

// Tangents of f's arguments (none at static ones) to the tangent of its result. A value, like Pullback.
template <class Y, class... X> class Pushforward : public detail::Callable<Pushforward<Y, X...>, detail::Params<detail::tangent_t<X>...>> {
 public:
  Pushforward(erased::LinearPtr l, Y example) : linear_(std::move(l)), example_(std::move(example)) {}
  Y run(detail::tangent_t<X>&... tangents) const {
    const std::array<TreeRef, sizeof...(X)> refs{TreeRef(tangents)...};
    std::vector<Tensor> t = erased::push(*linear_, refs);
    Y y = example_;
    tree::assign(TreeRef(y), t);
    return y;
  }

 private:
  erased::LinearPtr linear_;
  Y example_;  // static leaves of the result
};

namespace detail {

template <class T> T without_tensors(T t) {
  tree::clear(TreeRef(t));
  return t;
}

enum class LinearKind { vjp, linearize, transpose };
template <LinearKind K, bool Aux, class F, class... X> auto linear(const F& f, std::tuple<X...> args) {
  if constexpr (!check_function<F, Aux, X...>()) return Anything{};
  else
    return std::apply(
        [&](auto&... x) {
          (float_bare_integer(x), ...);
          Runner<F, Aux, X...> run(f, x...);
          using Y = std::decay_t<decltype(run.value())>;
          const std::array<TreeRef, sizeof...(X)> refs{TreeRef(x)...};
          if constexpr (K == LinearKind::transpose) {
            auto l = erased::linear_transpose(refs, run);
            return Pullback<Y, X...>(std::move(l), without_tensors(std::move(args)));
          } else {
            auto l = erased::linearize(refs, run, K == LinearKind::vjp ? "vjp" : "linearize");
            auto lin = [&] {
              if constexpr (K == LinearKind::vjp) return Pullback<Y, X...>(std::move(l), without_tensors(std::move(args)));
              else return Pushforward<Y, X...>(std::move(l), without_tensors(run.value()));
            }();
            if constexpr (Aux)
              return std::tuple<Y, decltype(lin), std::decay_t<decltype(run.aux())>>(std::move(run.value()), std::move(lin), std::move(run.aux()));
            else return std::pair<Y, decltype(lin)>(std::move(run.value()), std::move(lin));
          }
        },
        args);
}

}  // namespace detail

// (f(x...), pullback): the pullback takes a cotangent typed like f's result. Numbers among the arguments of a generic f become
// Tensors. With has_aux, f returns (value, aux) and the result is (value, pullback, aux).
template <class F, class... T>
requires(!std::is_same_v<F, HasAux>) auto vjp(F f, T&&... x) {
  return detail::linear<detail::LinearKind::vjp, false>(f, detail::arguments<F>(static_cast<T&&>(x)...));
}
template <class F, class... T> auto vjp(HasAux, F f, T&&... x) {
  return detail::linear<detail::LinearKind::vjp, true>(f, detail::arguments<F>(static_cast<T&&>(x)...));
}

// (f(x...), pushforward): f linearised at x. The pushforward takes one tangent per argument (none at static ones) and does not run f again.
template <class F, class... T>
requires(!std::is_same_v<F, HasAux>) auto linearize(F f, T&&... x) {
  return detail::linear<detail::LinearKind::linearize, false>(f, detail::arguments<F>(static_cast<T&&>(x)...));
}
template <class F, class... T> auto linearize(HasAux, F f, T&&... x) {
  return detail::linear<detail::LinearKind::linearize, true>(f, detail::arguments<F>(static_cast<T&&>(x)...));
}

// The transpose of f, which must be linear in all its tensors; of x only shapes and dtypes matter.
template <class F, class... T> auto linear_transpose(F f, T&&... x) {
  return detail::linear<detail::LinearKind::transpose, false>(f, detail::arguments<F>(static_cast<T&&>(x)...));
}

}  // namespace functra
