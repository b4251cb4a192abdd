// Reading what Programs print: a cursor over text with errors that give the line.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>

#include "functra/base/scalar.h"
#include "functra/base/shape.h"

namespace functra::core {

class TextReader {
 public:
  explicit TextReader(std::string_view text) : text_(text) {}
  void skip_space();  // blanks, newlines, and comments from # to the end of the line
  bool at_end() {
    skip_space();
    return at_ >= text_.size();
  }
  char peek() {
    skip_space();
    return at_ < text_.size() ? text_[at_] : '\0';
  }
  bool eat(std::string_view token);  // skips space, then the token if it is next
  void expect(std::string_view token);
  std::string_view word();  // letters, digits, underscore; an error if there is none
  std::int64_t integer();
  Scalar number();  // 1, 2.5, -inf, nan, true, (re, im)
  std::string quoted();
  [[noreturn]] void fail(const std::string& what);  // ValueError with line and column

 private:
  std::string_view text_;
  std::size_t at_ = 0;
};
std::string quote(std::string_view s);

}  // namespace functra::core
