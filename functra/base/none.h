// Small tag types that users write: none, Ellipsis, has_aux.
#pragma once
#include <optional>

namespace functra {

// No dimension, new axis, no value. Converts to any empty optional.
struct NoneType {
  constexpr bool operator==(const NoneType&) const = default;
  template <class T> constexpr operator std::optional<T>() const { return std::nullopt; }
};
inline constexpr NoneType none{}, None{};
struct EllipsisType {};
inline constexpr EllipsisType Ellipsis{};
struct HasAux {
  explicit HasAux() = default;
};
inline constexpr HasAux has_aux{};  // comes first: f returns a pair (value, aux)

}  // namespace functra
