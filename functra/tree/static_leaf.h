// Static leaves: values that are not traced but belong to what a compiled function was compiled for.
#pragma once
#include <string>
#include <string_view>
#include <type_traits>

#include "functra/base/scalar.h"
#include "functra/base/shape.h"

namespace functra {

namespace tree {

// Exact contents as bytes, for cache keys (floats by their bits), and text for messages.
void append_bytes(std::string& key, const void* p, std::size_t n);
void append_text(std::string& key, std::string_view s);  // with its length
void append_key(std::string& key, const Shape& s);
void append_key(std::string& key, const Scalar& s);
void append_key(std::string& key, long double x);
std::string text_of(std::int64_t x);
std::string text_of(std::uint64_t x);
std::string text_of(double x);
std::string in_quotes(std::string_view s);  // "a" with quotes and escapes

template <class T>
concept Text = std::is_same_v<T, std::string> || std::is_same_v<T, std::string_view> || std::is_same_v<T, const char*>;
// A class with FUNCTRA_STATIC, or for which functra_static(const T&) gives a text that tells its values apart.
template <class T>
concept Opaque = requires(const T& t) {
  { functra_static(t) } -> std::convertible_to<std::string>;
};

}  // namespace tree

template <class T>
concept StaticLeaf = Number<T> || std::is_enum_v<T> || tree::Text<T> || ComplexNumber<T> || tree::Opaque<T> || std::is_same_v<T, Shape> ||
    std::is_same_v<T, DimsOrAll> || std::is_same_v<T, Scalar>;

namespace tree {

template <StaticLeaf T> void append_static(std::string& key, const T& t) {
  if constexpr (Opaque<T>) append_text(key, functra_static(t));
  else if constexpr (std::is_same_v<T, const char*>) append_text(key, t ? std::string_view(t) : std::string_view());
  else if constexpr (Text<T>) append_text(key, t);
  else if constexpr (std::is_same_v<T, DimsOrAll>) {
    key += static_cast<char>(t.has_value());
    if (t) append_key(key, *t);
  } else if constexpr (std::is_same_v<T, Shape> || std::is_same_v<T, Scalar> || std::is_same_v<T, long double>) append_key(key, t);
  else append_bytes(key, &t, sizeof t);
}

template <StaticLeaf T> std::string static_text(const T& t) {
  if constexpr (Opaque<T>) return "a value";
  else if constexpr (std::is_same_v<T, const char*>) return t ? in_quotes(t) : "null";
  else if constexpr (Text<T>) return in_quotes(t);
  else if constexpr (std::is_same_v<T, DType>) return std::string(name_of(t));
  else if constexpr (std::is_same_v<T, bool>) return t ? "true" : "false";
  else if constexpr (std::is_enum_v<T>) return text_of(static_cast<std::int64_t>(t));
  else if constexpr (std::is_floating_point_v<T>) return text_of(static_cast<double>(t));
  else if constexpr (std::is_unsigned_v<T>) return text_of(static_cast<std::uint64_t>(t));
  else if constexpr (Number<T>) return text_of(static_cast<std::int64_t>(t));
  else if constexpr (ComplexNumber<T>) return "(" + text_of(static_cast<double>(t.real())) + ", " + text_of(static_cast<double>(t.imag())) + ")";
  else if constexpr (std::is_same_v<T, DimsOrAll>) return t ? t->str() : "none";
  else return t.str();
}

}  // namespace tree

}  // namespace functra
