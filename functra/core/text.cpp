#include "functra/core/text.h"

#include <cctype>
#include <charconv>

#include "functra/base/errors.h"

namespace functra::core {
namespace {
bool is_word(char c) { return std::isalnum(static_cast<unsigned char>(c)) || c == '_'; }
}  // namespace

void TextReader::skip_space() {
  while (at_ < text_.size()) {
    if (std::isspace(static_cast<unsigned char>(text_[at_]))) ++at_;
    else if (text_[at_] == '#')
      while (at_ < text_.size() && text_[at_] != '\n') ++at_;
    else break;
  }
}
bool TextReader::eat(std::string_view token) {
  skip_space();
  if (text_.substr(at_, token.size()) != token) return false;
  if (is_word(token.back()) && at_ + token.size() < text_.size() && is_word(text_[at_ + token.size()])) return false;
  at_ += token.size();
  return true;
}
void TextReader::expect(std::string_view token) {
  if (!eat(token)) fail("expected '" + std::string(token) + "'");
}
std::string_view TextReader::word() {
  skip_space();
  std::size_t from = at_;
  while (at_ < text_.size() && is_word(text_[at_])) ++at_;
  if (from == at_) fail("expected a name");
  return text_.substr(from, at_ - from);
}
std::int64_t TextReader::integer() {
  skip_space();
  std::int64_t v = 0;
  auto r = std::from_chars(text_.data() + at_, text_.data() + text_.size(), v);
  if (r.ec != std::errc()) fail("expected an integer");
  at_ = static_cast<std::size_t>(r.ptr - text_.data());
  return v;
}
Scalar TextReader::number() {
  if (eat("true")) return Scalar(true);
  if (eat("false")) return Scalar(false);
  if (eat("(")) {
    double re = number().real();
    expect(",");
    double im = number().real();
    expect(")");
    return Scalar(std::complex<double>(re, im));
  }
  skip_space();
  std::size_t end = at_;
  while (end < text_.size() && (is_word(text_[end]) || text_[end] == '.' || text_[end] == '-' || text_[end] == '+')) ++end;
  std::string_view s = text_.substr(at_, end - at_);
  const char *b = s.data(), *e = s.data() + s.size();
  if (s.find_first_of(".eina") == s.npos) {
    std::int64_t v = 0;
    if (auto r = std::from_chars(b, e, v); r.ec == std::errc() && r.ptr == e) {
      at_ = end;
      return Scalar(v);
    }
    std::uint64_t u = 0;
    if (auto r = std::from_chars(b, e, u); r.ec == std::errc() && r.ptr == e) {
      at_ = end;
      return Scalar(u);
    }
  }
  double d = 0;
  if (auto r = std::from_chars(b, e, d); r.ec == std::errc() && r.ptr == e) {
    at_ = end;
    return Scalar(d);
  }
  fail("expected a number");
}
std::string TextReader::quoted() {
  expect("\"");
  std::string s;
  while (at_ < text_.size() && text_[at_] != '"') {
    if (text_[at_] == '\\' && at_ + 1 < text_.size()) ++at_;
    s += text_[at_++];
  }
  if (at_ >= text_.size()) fail("a string without its closing quote");
  ++at_;
  return s;
}
void TextReader::fail(const std::string& what) {
  std::size_t line = 1, column = 1;
  for (std::size_t i = 0; i < at_ && i < text_.size(); ++i)
    if (text_[i] == '\n') {
      ++line;
      column = 1;
    } else ++column;
  std::string near(text_.substr(at_, 24));
  throw ValueError("Program::parse: line " + std::to_string(line) + ", column " + std::to_string(column) + ": " + what + ", got '" +
                   near.substr(0, near.find('\n')) + "'");
}
std::string quote(std::string_view s) {
  std::string r = "\"";
  for (char c : s) {
    if (c == '"' || c == '\\') r += '\\';
    r += c;
  }
  return r + '"';
}

}  // namespace functra::core
