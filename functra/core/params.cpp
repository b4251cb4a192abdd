#include "functra/core/params.h"

#include <functional>

#include "functra/core/ir.h"

namespace functra::core {

std::size_t hash_of(const Shape& s) {
  std::size_t h = s.size();
  for (std::int64_t v : s) h = mix(h, static_cast<std::size_t>(v));
  return h;
}
std::size_t hash_of(const std::string& s) { return std::hash<std::string>()(s); }
std::size_t hash_of(const Scalar& s) { return mix(static_cast<std::size_t>(s.type()), std::hash<double>()(s.real())); }
void write(std::string& out, std::int64_t v) { out += std::to_string(v); }
void write(std::string& out, const Shape& s) { out += s.str(); }
void write(std::string& out, const std::string& s) { out += quote(s); }
void write(std::string& out, const Scalar& s) { out += s.str(); }
void write(std::string& out, DType d) { out += name_of(d); }
std::size_t hash_of(const Aval& a) { return mix(mix(hash_of(a.shape), static_cast<std::size_t>(a.dtype)), a.weak); }
void write(std::string& out, const Aval& a) { out += a.str(); }
void read(TextReader& in, Aval& a) {
  a.weak = in.eat("~");
  read(in, a.dtype);
  read(in, a.shape);
  if (a.weak && !a.shape.empty()) in.fail("a weak type is 0-d");
  for (std::int64_t n : a.shape)
    if (n < 0) in.fail("the extent " + std::to_string(n) + " is negative");
}
void write(std::string& out, const ProgramPtr& p) {
  if (p) p->write(out);
  else out += "none";
}
void read(TextReader& in, Shape& s) {
  in.expect("[");
  while (!in.eat("]")) {
    s.push_back(in.integer());
    in.eat(",");
  }
}
void read(TextReader& in, std::string& s) { s = in.quoted(); }
void read(TextReader& in, Scalar& s) { s = in.number(); }
void read(TextReader& in, DType& d) {
  std::string_view w = in.word();
  auto found = dtype_of_name(w);
  if (!found) in.fail("unknown dtype '" + std::string(w) + "'");
  d = *found;
}
void read(TextReader& in, ProgramPtr& p) {
  if (in.eat("none")) p = nullptr;
  else p = read_program(in);
}

}  // namespace functra::core
