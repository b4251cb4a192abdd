// The fields of an aggregate and their names, by structured bindings: up to 64 fields; no base classes, references or C arrays.
#pragma once
#include <array>
#include <cstdlib>
#include <string_view>
#include <tuple>
#include <utility>

namespace functra::reflect {

inline constexpr std::size_t max_fields = 64;

namespace detail {

struct Any {
  template <class T> [[noreturn]] operator T() const { std::abort(); }
};  // stands for any initialiser; never evaluated, but defined: g++ asks for that where T is a local type

template <class T, std::size_t... I> constexpr bool takes(std::index_sequence<I...>) {
  return requires { T{(void(I), Any{})...}; };
}
// The fewest initialisers that T's braces take: more than one where fields have no default.
template <class T, std::size_t N = 1> constexpr std::size_t fewest() {
  if constexpr (std::is_empty_v<T> || N > max_fields) return 0;
  else if constexpr (takes<T>(std::make_index_sequence<N>{})) return N;
  else return fewest<T, N + 1>();
}
// The number of initialisers that T's braces take. Two are tried where one is refused: a field may be deleted for Any alone.
template <class T, std::size_t N = 0> constexpr std::size_t count() {
  if constexpr (N > max_fields) return N;
  else if constexpr (takes<T>(std::make_index_sequence<N + 1>{})) return count<T, N + 1>();
  else if constexpr (takes<T>(std::make_index_sequence<N + 2>{})) return count<T, N + 2>();
  else return N;
}

template <class T, std::size_t... I, std::size_t... J> constexpr bool takes_braces(std::index_sequence<I...>, std::index_sequence<J...>) {
  return requires { T{(void(I), Any{})..., {}, (void(J), Any{})...}; };
}
// A C array takes one initialiser per element, but one pair of braces as a whole: with those there is room for fewer others after it.
template <class T, std::size_t N, std::size_t At = 0, std::size_t Fewer = 0> constexpr bool holds_array() {
  if constexpr (At >= N) return false;
  else if constexpr (At + Fewer >= N) return holds_array<T, N, At + 1>();
  else if constexpr (takes_braces<T>(std::make_index_sequence<At>{}, std::make_index_sequence<N - 1 - At - Fewer>{}))
    return Fewer > 0 || holds_array<T, N, At + 1>();
  else return holds_array<T, N, At, Fewer + 1>();
}

template <class T> struct AnyBase {
  template <class U>
  requires(std::is_base_of_v<U, T> && !std::is_same_v<U, T>) operator U() const;
};

// A value that is never defined: only addresses of its fields are taken, as template arguments whose printed form holds the name.
template <class T> struct Wrap { T value; };
#ifdef __clang__
#pragma clang diagnostic push
#pragma clang diagnostic ignored "-Wundefined-var-template"
#pragma clang diagnostic ignored "-Wundefined-internal"
#endif
template <class T> extern const Wrap<T> undefined;
template <class T> struct Ptr { const T* p; };
template <class T> Ptr(const T*) -> Ptr<T>;
template <auto P> constexpr std::string_view pretty() { return __PRETTY_FUNCTION__; }

}  // namespace detail

// How many fields T has; more than max_fields where there are too many.
template <class T> inline constexpr std::size_t arity = detail::count<T, detail::fewest<T>()>();

template <class T> inline constexpr bool has_array = detail::holds_array<T, arity<T>>();

template <class T> inline constexpr bool has_base = requires { T{detail::AnyBase<T>{}}; };

// References to the fields of t, in order.
template <class T> constexpr auto tie(T& t) {
  constexpr std::size_t N = arity<std::remove_const_t<T>>;
  if constexpr (N == 0) return std::tuple<>{};
#include "functra/base/tie.inc"
}

template <class T, std::size_t I> constexpr std::string_view field_name() {
  constexpr std::string_view s = detail::pretty<detail::Ptr{&std::get<I>(tie(detail::undefined<T>.value))}>();
  constexpr std::size_t end = s.rfind(")}") != s.npos ? s.rfind(")}") : s.rfind('}');
  constexpr std::size_t begin = s.find_last_of(":.", end) + 1;
  return s.substr(begin, end - begin);
}
#ifdef __clang__
#pragma clang diagnostic pop
#endif

template <class T> inline constexpr auto names = []<std::size_t... I>(std::index_sequence<I...>) {
  return std::array<std::string_view, sizeof...(I)>{field_name<T, I>()...};
}
(std::make_index_sequence<arity<T>>{});

}  // namespace functra::reflect
