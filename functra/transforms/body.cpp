#include "functra/transforms/body.h"

#include "functra/prims/cast.h"
#include "functra/prims/shape.h"

namespace functra::erased {

std::string key_of(TreeRef t) {
  std::string key;
  tree::append_key(key, t);
  return key;
}
std::string named(TreeRef t, std::size_t leaf) {
  std::string p = tree::paths(t)[leaf];
  return p.empty() ? std::string() : " " + p;
}
Types types_of(Ins x) {
  Types r;
  for (const Tensor& t : x) r.push_back(t.aval());
  return r;
}
Vec defined_leaves(TreeRef t, const char* who, const char* what) {
  Vec r = tree::leaves(t);
  for (std::size_t i = 0; i < r.size(); ++i)
    if (!r[i].defined()) throw ValueError(std::string(who) + ": " + what + named(t, i) + " is an undefined Tensor (default constructed)");
  return r;
}
Tensor firm(const Tensor& t) { return t.weak() ? convert(t, t.dtype()) : t; }
bool adopts(const Aval& weak, DType d) {
  return is_floating(d) || is_complex(d) || (is_integer(d) && !is_floating(weak.dtype)) || (d == DType::bool_ && weak.dtype == DType::bool_);
}

std::int64_t steps_of(TreeRef xs, const Vec& x, const ScanOptions& o, const char* who) {
  std::int64_t n = -1;
  std::size_t first = 0;
  for (std::size_t i = 0; i < x.size(); ++i) {
    Shape s = x[i].sizes();
    if (s.empty()) throw ShapeError(std::string(who) + ": xs" + named(xs, i) + " is a 0-d tensor; it is sliced along dimension 0");
    if (n >= 0 && s[0] != n)
      throw ShapeError(std::string(who) + ": xs" + named(xs, first) + " has " + std::to_string(n) + " slices, xs" + named(xs, i) + " has " +
                       std::to_string(s[0]));
    if (n < 0) first = i;
    n = s[0];
  }
  if (o.length && *o.length < 0) throw ValueError(std::string(who) + ": length is " + std::to_string(*o.length));
  if (n < 0 && !o.length) throw ValueError(std::string(who) + ": no xs, so the number of steps must be given: {.length = n}");
  if (n >= 0 && o.length && *o.length != n)
    throw ShapeError(std::string(who) + ": length is " + std::to_string(*o.length) + ", but xs" + named(xs, first) + " has " + std::to_string(n) +
                     " slices");
  return n >= 0 ? n : *o.length;
}
Types slice_types(Ins x) {
  Types r = types_of(x);
  for (auto& a : r) a.shape = a.shape.without(0);
  return r;
}

Tensor rows(const Tensor& x, std::int64_t from, std::int64_t n) {
  Shape s = x.sizes(), start = Shape::filled(s.size(), 0), limit = s;
  start[0] = from;
  limit[0] = from + n;
  return prims::slice(x, start, limit, Shape::filled(s.size(), 1));
}

Vec Trace::inputs(const Types& types) {
  Vec r;
  for (auto& a : types) r.push_back(recording_.input(a));
  return r;
}
Traced Trace::finish(Vec outputs) {
  for (auto& u : recording_.refs)
    if (u.written) outputs.push_back(u.now);
  Closed c = recording_.finish(outputs);
  return {c.program, c.captured, std::move(recording_.refs)};
}
std::vector<RefPtr> refs_of(const std::vector<RefUse>& refs, bool written) {
  std::vector<RefPtr> r;
  for (auto& u : refs)
    if (u.written == written) r.push_back(u.ref);
  return r;
}
Vec values_of(const std::vector<RefPtr>& refs) {
  Vec r;
  for (auto& p : refs) r.push_back(ref_get(p));
  return r;
}
void write_back(const std::vector<RefPtr>& refs, Ins values) {
  for (std::size_t i = 0; i < refs.size(); ++i) ref_set(refs[i], values[i]);
}

}  // namespace functra::erased
