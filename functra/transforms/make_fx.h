// make_fx and eval_shape: f on recorded values.
#pragma once
#include "functra/transforms/callable.h"

namespace functra {

namespace detail {

template <class F> class MakeFx : public Callable<MakeFx<F>, signature_t<F>> {
 public:
  explicit MakeFx(F f) : f_(std::move(f)) {}
  template <std::size_t> using Lift = LiftNone;
  template <class... T> Program run(T&... t) const {
    if constexpr (!check_call<F, T...>()) return {};
    else {
      Runner<F, false, T...> f(f_, t...);
      const std::array<TreeRef, sizeof...(T)> refs{TreeRef(t)...};
      return erased::make_fx(refs, f);
    }
  }

 private:
  F f_;
};

}  // namespace detail

// make_fx(f)(args...): the program of f, through any transforms, at arguments like these.
template <class F> auto make_fx(F f) { return detail::MakeFx<F>(std::move(f)); }

// f's result with shapes and dtypes only: its tensors are zeros that hold no memory of their own. Nothing is computed.
template <class F, class... T> auto eval_shape(F f, T&&... t) {
  auto args = detail::arguments<F, detail::LiftNone>(static_cast<T&&>(t)...);
  return std::apply(
      [&]<class... A>(A&... a) {
        if constexpr (!detail::check_call<F, A...>()) return detail::Anything{};
        else {
          detail::Runner<F, false, A...> run(f, a...);
          const std::array<TreeRef, sizeof...(A)> refs{TreeRef(a)...};
          erased::eval_shape(refs, run);
          return run.take();
        }
      },
      args);
}

}  // namespace functra
