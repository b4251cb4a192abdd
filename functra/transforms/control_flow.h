// Control flow that transforms see: cond, switch_, scan, while_loop, fori_loop, map, associative_scan.
//
// A body is traced once (again only where a bare number among the carry turns out to have another dtype), eagerly and under every
// transform: it sees values that cannot be read, and so uses where, cond and the like for decisions. Tensors of enclosing transforms
// that it closes over are differentiated, batched and so on as if they were arguments.
#pragma once
#include "functra/transforms/callable.h"
#include "functra/transforms/loop_options.h"

namespace functra {

namespace erased {

// The trees that one call of a body returns; they live until the next call.
struct Step {
  TreeRef carry, y{};
};
using Body = function_ref<Step()>;
// `carry` and `xs` are mutable copies: traced values are written into them before a body is called. On return `carry` holds the last
// carry, and the y tree of the body's last call the stacked results.
void scan(TreeRef carry, TreeRef xs, Body body, const ScanOptions& o, const char* who = "scan");
void while_loop(TreeRef carry, function_ref<Tensor()> cond, Body body, const WhileOptions& o, const char* who = "while_loop");
void fori_loop(const Tensor& lo, const Tensor& hi, Tensor& index, TreeRef carry, Body body, const WhileOptions& o);
void map(TreeRef xs, Body body, const MapOptions& o);
void associative_scan(TreeRef a, TreeRef b, Body combine, const AssociativeScanOptions& o);
// Each branch is called once; the tree that the first one returns holds the results.
void cond(const Tensor& pred, Refs operands, function_ref<TreeRef()> on_true, function_ref<TreeRef()> on_false);
void switch_(const Tensor& index, Refs operands, std::span<const function_ref<TreeRef()>> branches);

}  // namespace erased

namespace detail {

// Bare numbers, and those directly in a tuple or pair, become Tensors.
template <class T> struct lifted { using type = T; };
template <Number T> struct lifted<T> { using type = Tensor; };
template <class T> using number_to_tensor = std::conditional_t<Number<T>, Tensor, T>;
template <class... T> struct lifted<std::tuple<T...>> { using type = std::tuple<number_to_tensor<T>...>; };
template <class A, class B> struct lifted<std::pair<A, B>> { using type = std::pair<number_to_tensor<A>, number_to_tensor<B>>; };
template <class T> using lifted_t = typename lifted<std::decay_t<T>>::type;

template <class P, std::size_t I, class Given> struct parameter { using type = lifted_t<Given>; };
template <class... P, std::size_t I, class Given>
requires(I < sizeof...(P)) struct parameter<Params<P...>, I, Given> {
  using type = nth<I, P...>;
};
// What f takes as its I-th argument, where one signature is known, else what is given.
template <class F, std::size_t I, class Given> using parameter_t = typename parameter<signature_t<F>, I, Given>::type;

template <class C, class R> C to_carry(R&& r) {
  constexpr bool converts = std::is_convertible_v<R&&, C>;
  static_assert(converts, "functra: the carry that a loop's body returns has another type than the carry it takes (see C and R in 'to_carry<C, R>')");
  if constexpr (converts) return static_cast<R&&>(r);
  else return std::declval<C (*)()>()();
}

template <class F, class C, class X> class ScanBody {
 public:
  using R = result_t<F, C, X>;
  static constexpr bool check() {
    static_assert(is_pair<R>, "functra: the function of scan must return a pair (carry, y); y may be ft::none");
    return is_pair<R>;
  }
  using Y = lifted_t<aux_t<R>>;
  ScanBody(const F& f, C& carry, X& x) : f_(f), carry_(carry), x_(x) {}
  erased::Step operator()() {
    R r = call(f_, std::as_const(carry_), std::as_const(x_));
    next_.emplace(to_carry<C>(std::move(std::get<0>(r))));
    y.emplace(std::move(std::get<1>(r)));
    return {TreeRef(*next_), TreeRef(*y)};
  }
  std::optional<Y> y;

 private:
  const F& f_;
  C& carry_;
  X& x_;
  std::optional<C> next_;
};
// A body from some arguments to the next carry.
template <class C, class F, class... T> class CarryBody {
 public:
  CarryBody(const F& f, T&... t) : f_(f), args_(t...) {}
  erased::Step operator()() {
    std::apply([&](const auto&... t) { next_.emplace(to_carry<C>(call(f_, t...))); }, args_);
    return {TreeRef(*next_)};
  }
  C& value() { return *next_; }

 private:
  const F& f_;
  std::tuple<const T&...> args_;
  std::optional<C> next_;
};

template <class R, class F, class... T> class Branch {
 public:
  Branch(const F& f, T&... t) : f_(f), args_(t...) {}
  TreeRef operator()() {
    std::apply([&](const auto&... t) { result.emplace(to_branch<R>(call(f_, t...))); }, args_);
    return TreeRef(*result);
  }
  std::optional<R> result;

 private:
  template <class To, class From> static To to_branch(From&& r) {
    static_assert(std::is_convertible_v<From&&, To>, "functra: the branches return different types (see To and From in 'to_branch<To, From>')");
    return To(static_cast<From&&>(r));
  }
  const F& f_;
  std::tuple<const T&...> args_;
};
// run(refs, branches): the erased form, on the branches as functions of the operands.
template <class First, class... F, class... T, class Run> auto choose(const std::tuple<First, F...>& fs, std::tuple<T...> operands, Run run) {
  return std::apply(
      [&](auto&... t) {
        if constexpr (!check_call<First, T...>() || !(check_call<F, T...>() && ...)) return Anything{};
        else {
          using R = lifted_t<result_t<First, T...>>;
          return std::apply(
              [&](const First& first, const F&... rest) {
                Branch<R, First, T...> head(first, t...);
                std::tuple<Branch<R, F, T...>...> tail{Branch<R, F, T...>(rest, t...)...};
                const std::array<TreeRef, sizeof...(T)> refs{TreeRef(t)...};
                std::apply(
                    [&](auto&... b) {
                      const function_ref<TreeRef()> all[] = {head, b...};
                      run(refs, all);
                    },
                    tail);
                return R(std::move(*head.result));
              },
              fs);
        }
      },
      operands);
}
// Operands as the first function with a known signature takes them.
template <class Fs, class... T> auto branch_operands(T&&... t) { return arguments<std::tuple_element_t<0, Fs>>(static_cast<T&&>(t)...); }

}  // namespace detail

// ---- choices
// on_true(operands...) or on_false(operands...), by a 0-d bool. Both are traced; they return trees of one structure, shapes and dtypes
// (a bare number takes the dtype of the other branch). Only the chosen branch is evaluated: nothing of the other one, NaN or infinite
// as it may be, reaches results or derivatives. Under vmap with a predicate that differs per example, each example gets its branch.
// StructureError, ShapeError, DTypeError where the branches disagree, naming the leaf.
template <class True, class False, class... T> auto cond(const Tensor& pred, True on_true, False on_false, T&&... operands) {
  using Fs = std::tuple<True, False>;
  return detail::choose(Fs(std::move(on_true), std::move(on_false)), detail::branch_operands<Fs>(static_cast<T&&>(operands)...),
                        [&](const auto& refs, const auto& branches) { erased::cond(pred, refs, branches[0], branches[1]); });
}
// The function with that number (a C++ integer or a 0-d integer Tensor, clamped to the list) of a tuple of functions.
template <class... F, class... T> auto switch_(const Tensor& index, std::tuple<F...> functions, T&&... operands) {
  static_assert(sizeof...(F) > 0, "functra: switch_ needs at least one function");
  return detail::choose(functions, detail::branch_operands<std::tuple<F...>>(static_cast<T&&>(operands)...),
                        [&](const auto& refs, const auto& branches) { erased::switch_(index, refs, branches); });
}

// ---- loops
// carry, y = f(carry, x) for each slice x of xs along dimension 0: gives (last carry, ys stacked). y may be ft::none. The carry keeps
// its structure, shapes and dtypes, except that bare numbers take the dtype that f gives them. Derivatives of every mode are loops
// again; the size of their programs does not depend on the number of steps.
// ShapeError where slices of xs differ in number or the carry changes shape, naming the leaf; ValueError without xs and length.
template <class F, class C, class X>
requires(!std::is_same_v<std::decay_t<X>, ScanOptions>) auto scan(F f, C&& init, X&& xs, ScanOptions o = {}) {
  using Carry = detail::parameter_t<F, 0, C>;
  using Slice = detail::parameter_t<F, 1, X>;
  if constexpr (!detail::check_call<F, Carry, Slice>()) return detail::Anything{};
  else if constexpr (!detail::ScanBody<F, Carry, Slice>::check()) return detail::Anything{};
  else {
    Carry carry = detail::to_param<Carry>(static_cast<C&&>(init));
    Slice slice = detail::to_param<Slice>(static_cast<X&&>(xs));
    detail::ScanBody<F, Carry, Slice> body(f, carry, slice);
    erased::scan(TreeRef(carry), TreeRef(slice), body, o);
    using Y = typename decltype(body)::Y;
    return std::pair<Carry, Y>(std::move(carry), std::move(*body.y));
  }
}
template <class F, class C> auto scan(F f, C&& init, ScanOptions o) {
  return functra::scan(std::move(f), static_cast<C&&>(init), none, std::move(o));
}

// carry = body(carry) while cond(carry), a 0-d bool. Forward mode works as it is; reverse mode needs max_steps or checkpoint
// (MissingRuleError says so). Under vmap, an example whose condition no longer holds keeps its carry while others go on.
template <class Cond, class Body, class C> auto while_loop(Cond cond, Body body, C&& init, WhileOptions o = {}) {
  using Carry = detail::parameter_t<Body, 0, C>;
  if constexpr (!detail::check_call<Cond, Carry>() || !detail::check_call<Body, Carry>()) return detail::Anything{};
  else {
    Carry carry = detail::to_param<Carry>(static_cast<C&&>(init));
    auto test = [&]() -> Tensor { return detail::call(cond, std::as_const(carry)); };
    detail::CarryBody<Carry, Body, Carry> step(body, carry);
    erased::while_loop(TreeRef(carry), test, step, o);
    return carry;
  }
}

// carry = body(i, carry) for i from lo up to, not including, hi. With C++ integers as bounds the loop is a scan, so every mode of
// derivatives works; with Tensors it is a while_loop and takes its options.
template <class Body, class C> auto fori_loop(const Tensor& lo, const Tensor& hi, Body body, C&& init, WhileOptions o = {}) {
  using Carry = detail::parameter_t<Body, 1, C>;
  if constexpr (!detail::check_call<Body, Tensor, Carry>()) return detail::Anything{};
  else {
    Tensor index;
    Carry carry = detail::to_param<Carry>(static_cast<C&&>(init));
    detail::CarryBody<Carry, Body, Tensor, Carry> step(body, index, carry);
    erased::fori_loop(lo, hi, index, TreeRef(carry), step, o);
    return carry;
  }
}

// f of each slice of xs along dimension 0, stacked: one after another, or batch_size at a time.
template <class F, class X> auto map(F f, X&& xs, MapOptions o = {}) {
  using Slice = detail::parameter_t<F, 0, X>;
  if constexpr (!detail::check_call<F, Slice>()) return detail::Anything{};
  else {
    Slice slice = detail::to_param<Slice>(static_cast<X&&>(xs));
    detail::CarryBody<detail::lifted_t<detail::result_t<F, Slice>>, F, Slice> body(f, slice);
    erased::map(TreeRef(slice), body, o);
    return std::move(body.value());
  }
}

// All prefixes under an associative f: element i is f(...f(f(x_0, x_1), x_2)..., x_i) (from the end if reverse), in a number of
// steps that grows with the logarithm of the extent. f takes and returns single elements (trees like xs without dimension `dim`).
// The recursion over even and odd elements is Blelloch's ("Prefix sums and their applications", 1990).
template <class F, class X> auto associative_scan(F f, X&& xs, AssociativeScanOptions o = {}) {
  using Element = detail::parameter_t<F, 0, X>;
  if constexpr (!detail::check_call<F, Element, Element>()) return detail::Anything{};
  else {
    Element a = detail::to_param<Element>(static_cast<X&&>(xs)), b = a;
    detail::CarryBody<Element, F, Element, Element> combine(f, a, b);
    erased::associative_scan(TreeRef(a), TreeRef(b), combine, o);
    return a;
  }
}

}  // namespace functra
