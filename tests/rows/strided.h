// Positions in row-major arrays, for references that loop over them.
#pragma once
#include "laws/row.h"

namespace functra::testing {

inline Shape unravel(std::int64_t i, const Shape& s) {
  Shape c = s;
  for (std::size_t d = s.size(); d-- > 0;) {
    c[d] = i % s[d];
    i /= s[d];
  }
  return c;
}
inline std::size_t ravel(const Shape& c, const Shape& s) {
  std::int64_t i = 0;
  for (std::size_t d = 0; d < s.size(); ++d) i = i * s[d] + c[d];
  return static_cast<std::size_t>(i);
}
inline Array filled(const Shape& s, double v) { return {s, std::vector<double>(static_cast<std::size_t>(s.numel()), v)}; }
// f32 and f64 samples of one operand in three layouts.
inline void add_layouts(Row& r, const std::string& what, const Shape& s, const Fn& f, const Reference& ref, double lo = -2, double hi = 2) {
  for (DType d : {DType::f32, DType::f64}) {
    Tensor x = random_tensor(s, d, lo, hi);
    std::string name = std::string(name_of(d)) + " " + s.str() + " " + what;
    r.samples.push_back({name, {x}, f, ref});
    if (s.size() > 1) r.samples.push_back({name + " transposed", {transposed_view(x)}, f, ref});
    if (s.numel()) r.samples.push_back({name + " strided", {sliced_view(x)}, f, ref});
  }
}

}  // namespace functra::testing
