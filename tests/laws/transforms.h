// Transforms of functions from leaves to leaves, as the laws use them.
#pragma once
#include "functra/functra.h"
#include "laws/row.h"

namespace functra::testing {

inline std::vector<Aval> types_of(const Vec& x) {
  std::vector<Aval> r;
  for (const Tensor& t : x) r.push_back(t.aval());
  return r;
}
// f of some of its operands, the others held.
inline Fn of_operands(const Fn& f, const Vec& all, const std::vector<int>& which) {
  return [f, all, which](const Vec& x) {
    Vec in = all;
    for (std::size_t i = 0; i < which.size(); ++i) in[static_cast<std::size_t>(which[i])] = x[i];
    return f(in);
  };
}
inline Vec jvp_of(const Fn& f, const Vec& x, const Vec& t) {
  return functra::jvp([&](const Vec& v) { return f(v); }, x, t).second;
}
inline Vec vjp_of(const Fn& f, const Vec& x, const Vec& ct) {
  auto [y, pull] = functra::vjp([&](const Vec& v) { return f(v); }, x);
  return pull(ct);
}
inline Axes axes_of(const std::vector<int>& dims) {
  Axes a;
  a.list = true;
  for (int d : dims) a.items.push_back(d < 0 ? Axes(none) : Axes(d));
  return a;
}
inline Vec vmap_of(const Fn& f, const Vec& x, const std::vector<int>& dims) {
  Axes in;
  in.list = true;
  in.items.push_back(axes_of(dims));
  return functra::vmap([&](const Vec& v) { return f(v); }, VmapOptions{.in_dims = in})(x);
}

}  // namespace functra::testing
