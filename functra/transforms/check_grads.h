// check_grads: derivatives against differences.
#pragma once
#include "functra/transforms/callable.h"

namespace functra {

// Compares jvp and vjp of f, and of its derivatives up to `order`, with central differences at args (one argument, or a tuple of
// all), whose floating tensors are converted to f64. ValueError that names the argument and the result where they disagree by more
// than atol + rtol |value|.
template <class F, class T> void check_grads(F f, const T& args, CheckGradsOptions o = {}) {
  auto list = std::apply([](const auto&... a) { return detail::arguments<F>(a...); }, detail::argument_list(args));
  std::apply(
      [&]<class... A>(A&... a) {
        if constexpr (detail::check_function<F, false, A...>()) {
          (detail::float_bare_integer(a), ...);
          detail::Runner<F, false, A...> run(f, a...);
          const std::array<TreeRef, sizeof...(A)> refs{TreeRef(a)...};
          erased::check_grads(refs, run, o);
        }
      },
      list);
}

}  // namespace functra
