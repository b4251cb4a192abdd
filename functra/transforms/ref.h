// Ref: a mutable cell that transforms understand. functionalize: a function without visible mutation.
#pragma once
#include "functra/transforms/callable.h"

namespace functra {

namespace core {
struct RefCell;
}

// A cell that holds a Tensor of fixed shape and dtype. Copies share it. Made inside a transformed function, it may be read and written
// freely there, under every transform. Made outside, jit and the bodies of control flow read and write it as an operand, in the order of
// the program; grad and jvp read it as a constant and refuse writes; vmap refuses to write a value that differs per example; checkpoint,
// make_fx and custom rules read it once, as a constant. Each refusal is a TracerError that says so.
class Ref {
 public:
  explicit Ref(const Tensor& initial);  // a bare number becomes a tensor of its default dtype
  Tensor get() const;
  Tensor get(const std::vector<Index>& at) const { return get().index(at); }
  void set(const Tensor& v) const;  // ShapeError, DTypeError: another type than it holds
  void set(const std::vector<Index>& at, const Tensor& v) const { set(get().index_put(at, v)); }
  void add(const Tensor& v) const { set(get() + v); }
  void add(const std::vector<Index>& at, const Tensor& v) const { set(get().index_put(at, v, true)); }

 private:
  std::shared_ptr<core::RefCell> cell_;
};

namespace erased {
void functionalize(Refs args, Call f);
}

namespace detail {
template <class F> class Functionalize : public Callable<Functionalize<F>, signature_t<F>> {
 public:
  explicit Functionalize(F f) : f_(std::move(f)) {}
  template <std::size_t> using Lift = LiftNone;
  template <class... T> auto run(T&... t) const {
    if constexpr (!check_call<F, T...>()) return Anything{};
    else {
      Runner<F, false, T...> f(f_, t...);
      const std::array<TreeRef, sizeof...(T)> refs{TreeRef(t)...};
      erased::functionalize(refs, f);
      return f.take();
    }
  }

 private:
  F f_;
};
}  // namespace detail

// f with every Ref replaced by values: its operations run as a Program in which nothing is mutated, and Refs made outside receive
// their last value once, at the end.
template <class F> auto functionalize(F f) { return detail::Functionalize<F>(std::move(f)); }

}  // namespace functra
