// Formatters for fmt: fmt::print("{}", tensor). Needs <fmt/core.h> only.
#pragma once
#include <fmt/core.h>

#include "functra/functra.h"

namespace functra::detail {

inline std::string text_of(const Tensor& t) { return to_string(t); }
inline std::string text_of(const Program& p) { return to_string(p); }
inline std::string text_of(const Shape& s) { return s.str(); }
inline std::string text_of(DType d) { return std::string(name_of(d)); }

struct Formatter {  // by hand: deriving from formatter<string_view> would need fmt/format.h, half a second more
  constexpr auto parse(auto& context) { return context.begin(); }
  template <class T, class C> auto format(const T& t, C& context) const {
    auto out = context.out();
    for (char c : text_of(t)) *out++ = c;
    return out;
  }
};

}  // namespace functra::detail

template <> struct fmt::formatter<functra::Tensor> : functra::detail::Formatter {};
template <> struct fmt::formatter<functra::Program> : functra::detail::Formatter {};
template <> struct fmt::formatter<functra::Shape> : functra::detail::Formatter {};
template <> struct fmt::formatter<functra::DType> : functra::detail::Formatter {};
