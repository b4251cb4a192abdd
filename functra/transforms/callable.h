// What the typed transforms share: arguments converted to what f takes, f run on copies of them, and checks that turn one mistake
// into one message.
#pragma once
#include <optional>
#include <tuple>
#include <type_traits>
#include <utility>

#include "functra/transforms/erased.h"
#include "functra/transforms/signature.h"

namespace functra::detail {

// ---- checks; each returns whether to go on, so that nothing else is instantiated after a mistake
struct Anything {
  template <class T> operator T() const;
};  // the result type of a call that did not compile
template <class... T> inline constexpr bool always_false = false;

// f is called by const reference, with arguments by const reference.
template <class F, class... A> using result_t = std::decay_t<std::invoke_result_t<const F&, const A&...>>;
template <class F, class... A> decltype(auto) call(const F& f, const A&... a) {  // as std::invoke
  if constexpr (std::is_member_function_pointer_v<F>)
    return [f](const auto& self, const auto&... rest) -> decltype(auto) { return (self.*f)(rest...); }(a...);
  else return f(a...);
}
template <class F, class... A> constexpr bool check_call() {
  if constexpr (!std::is_invocable_v<const F&, const A&...>) {
    static_assert(always_false<F, A...>,
                  "functra: f cannot be called with (const A&...); see F and A in 'check_call<F, A...>'. A transform passes arguments by const "
                  "reference; an overloaded or mutable f needs a lambda or FUNCTRA_LIFT(f)");
    return false;
  } else if constexpr (std::is_void_v<std::invoke_result_t<const F&, const A&...>>) {
    static_assert(always_false<F, A...>, "functra: f returns void; a transformed function must return its result");
    return false;
  } else return true;
}

template <class T> inline constexpr int list_size = -1;  // of a tuple
template <class... A> inline constexpr int list_size<std::tuple<A...>> = static_cast<int>(sizeof...(A));
template <class T> inline constexpr bool is_pair = false;
template <class A, class B> inline constexpr bool is_pair<std::pair<A, B>> = true;
template <class A, class B> inline constexpr bool is_pair<std::tuple<A, B>> = true;
template <bool Aux, class R> struct value_type { using type = R; };
template <class R>
requires is_pair<R>
struct value_type<true, R> {
  using type = std::tuple_element_t<0, R>;
};
template <bool Aux, class R> using value_t = typename value_type<Aux, R>::type;
template <class R> using aux_t = std::tuple_element_t<1, R>;

// Of a function that is differentiated: a pair where has_aux was given, and a value with tensors.
template <bool Aux, class R> constexpr bool check_result() {
  if constexpr (Aux && !is_pair<R>) {
    static_assert(always_false<R>, "functra: with has_aux, f must return a pair (value, aux)");
    return false;
  } else {
    static_assert(!StaticLeaf<value_t<Aux, R>>,
                  "functra: f returns a plain number, so its derivative is lost; return a Tensor (do not call item() on the way)");
    return !StaticLeaf<value_t<Aux, R>>;
  }
}
template <class F, bool Aux, class... T> constexpr bool check_function() {
  if constexpr (!check_call<F, T...>()) return false;
  else return check_result<Aux, result_t<F, T...>>();
}

template <int A, std::size_t N> inline constexpr int at = A < 0 ? A + static_cast<int>(N) : A;  // argument numbers count from the end if negative
template <std::size_t N, int... A> constexpr bool check_argnums() {
  constexpr bool in_range = ((at<A, N> >= 0 && at<A, N> < static_cast<int>(N)) && ...);
  static_assert(in_range, "functra: an argument number is out of range for this call (see N and A in 'check_argnums<N, A...>')");
  if constexpr (in_range) {
    constexpr bool distinct = [] {
      int v[] = {at<A, N>...};
      for (std::size_t i = 0; i < sizeof...(A); ++i)
        for (std::size_t j = 0; j < i; ++j)
          if (v[i] == v[j]) return false;
      return true;
    }();
    static_assert(distinct, "functra: an argument number is given twice (grad<0, -1> of one argument names it twice)");
    return distinct;
  } else return false;
}
template <class T> constexpr bool check_traced() {
  static_assert(
      !StaticLeaf<T>,
      "functra: the chosen argument is static (a number, enum or string parameter of f cannot be differentiated); let f take a Tensor there");
  return !StaticLeaf<T>;
}

// ---- arguments
// A bare number that must be traced becomes a 0-d Tensor.
template <bool Lift, class T> using lift_t = std::conditional_t<Lift && Number<T> && !std::is_same_v<T, bool>, Tensor, T>;
// A bare integer in a differentiated position is a weak float.
template <class T> void float_bare_integer(T& t) {
  if constexpr (std::is_same_v<T, Tensor>) {
    if (t.weak() && is_integer(t.raw_dtype())) t = t * Tensor(1.0);
  }
}

template <class P, class T> constexpr P to_param(T&& t) {
  constexpr bool converts = std::is_convertible_v<T&&, P>;
  static_assert(converts, "functra: an argument does not convert to the type that f takes (see P and T in 'to_param<P, T>')");
  if constexpr (converts) return static_cast<T&&>(t);
  else return static_cast<P (*)()>(nullptr)();
}
template <class P> struct as_params;  // what the arguments are converted to, given the parameters of f
template <class... P> struct as_params<Params<P...>> {
  template <class Lift, class... T> static auto convert(T&&... t) {
    if constexpr (sizeof...(T) > sizeof...(P)) return std::tuple<std::decay_t<T>...>(static_cast<T&&>(t)...);  // check_call reports it
    else return [&]<std::size_t... I>(std::index_sequence<I...>) {
        return std::tuple<nth<I, P...>...>(to_param<nth<I, P...>>(static_cast<T&&>(t))...);
      }
    (std::index_sequence_for<T...>{});
  }
};
template <> struct as_params<Generic> {
  template <class Lift, class... T> static auto convert(T&&... t) {
    return [&]<std::size_t... I>(std::index_sequence<I...>) {
      return std::tuple<lift_t<Lift::template value<I>, std::decay_t<T>>...>(static_cast<T&&>(t)...);
    }
    (std::index_sequence_for<T...>{});
  }
};
struct LiftAll {
  template <std::size_t> static constexpr bool value = true;
};
struct LiftNone {
  template <std::size_t> static constexpr bool value = false;
};
template <class F, class Lift = LiftAll, class... T> auto arguments(T&&... t) {
  return as_params<signature_t<F>>::template convert<Lift>(static_cast<T&&>(t)...);
}

// A tuple at the top is the list of arguments.
template <class T> auto argument_list(const T& t) {
  if constexpr (tree::is_of<T, std::tuple>) return t;
  else return std::tuple<std::decay_t<const T&>>(t);
}

// operator() of a transformed function D. With known parameters by their types (braces, conversions and moves work), else as the
// arguments come. D has `run(T&...) const` on copies of the arguments, and `Lift<N>` that says which bare numbers are traced.
template <class D, class P> class Callable;
template <class D, class... P> class Callable<D, Params<P...>> {
 public:
  using functra_params = Params<P...>;
  auto operator()(P... p) const { return static_cast<const D&>(*this).run(p...); }
  template <class... T>
  requires(sizeof...(T) < sizeof...(P)) auto operator()(T&&... t) const {  // f has default arguments
    auto args = as_params<Params<P...>>::template convert<LiftNone>(static_cast<T&&>(t)...);
    return std::apply([&](auto&... a) { return static_cast<const D&>(*this).run(a...); }, args);
  }
};
template <class D> class Callable<D, Generic> {
 public:
  template <class... T> auto operator()(T&&... t) const {
    auto args = as_params<Generic>::template convert<typename D::template Lift<sizeof...(T)>>(static_cast<T&&>(t)...);
    return std::apply([&](auto&... a) { return static_cast<const D&>(*this).run(a...); }, args);
  }
  template <std::size_t> using Lift = LiftNone;
};

// ---- results
template <class T> using tangent_t = std::conditional_t<StaticLeaf<T>, NoneType, T>;  // nothing stands at a static argument
template <class T> tangent_t<T> as_tangent(T& t) {
  if constexpr (StaticLeaf<T>) return none;
  else return std::move(t);
}
template <class T> T bare_or_tuple(T only) { return only; }
template <class... T>
requires(sizeof...(T) != 1) std::tuple<T...> bare_or_tuple(T... t) { return std::tuple<T...>(std::move(t)...); }

// f on the argument copies t..., its last result kept. What the library's compiled half calls.
template <class F, bool Aux, class... T> class Runner {
 public:
  using R = result_t<F, T...>;
  explicit Runner(const F& f, T&... t) : f_(f), args_(t...) {}
  erased::Result operator()() {
    std::apply([&](const auto&... t) { result.emplace(call(f_, t...)); }, args_);
    if constexpr (Aux) return {TreeRef(std::get<0>(*result)), TreeRef(std::get<1>(*result))};
    else return {TreeRef(*result)};
  }
  value_t<Aux, R>& value() {
    if constexpr (Aux) return std::get<0>(*result);
    else return *result;
  }
  auto& aux() { return std::get<1>(*result); }
  auto take() {  // the value, or (value, aux)
    if constexpr (Aux) return std::pair<value_t<true, R>, aux_t<R>>(std::move(value()), std::move(aux()));
    else return R(std::move(*result));
  }
  std::optional<R> result;

 private:
  const F& f_;
  std::tuple<const T&...> args_;
};

}  // namespace functra::detail
