// vmap: f over a dimension of its arguments.
#pragma once
#include "functra/transforms/callable.h"

namespace functra {

namespace detail {

template <class F> class Vmap : public Callable<Vmap<F>, signature_t<F>> {
 public:
  Vmap(F f, VmapOptions o) : f_(std::move(f)), options_(std::move(o)) {}
  template <std::size_t> using Lift = LiftNone;
  template <class... T> auto run(T&... t) const {
    if constexpr (!check_call<F, T...>()) return Anything{};
    else {
      Runner<F, false, T...> f(f_, t...);
      const std::array<TreeRef, sizeof...(T)> refs{TreeRef(t)...};
      erased::vmap(refs, options_, f);
      return f.take();
    }
  }

 private:
  F f_;
  VmapOptions options_;
};

}  // namespace detail

// f over slices of its arguments along in_dims, results stacked along out_dims. Both are a number for everything, none, or a list
// that follows the arguments (the result) or a prefix of their trees. chunk_size: at most so many slices at once. axis_size is
// needed where no argument is mapped. Errors name the argument: StructureError (lists that do not fit), ShapeError (mapped sizes
// that differ), IndexError (a dimension out of range), ValueError (nothing mapped; none for a result that differs per slice).
template <class F> auto vmap(F f, VmapOptions o = {}) { return detail::Vmap<F>(std::move(f), std::move(o)); }

}  // namespace functra
