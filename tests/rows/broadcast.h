// Rows of operations whose operands broadcast.
#pragma once
#include "rows/elementwise.h"

namespace functra::testing {

using Point = std::function<double(const double*)>;

// NumPy's broadcasting, element by element.
inline Reference broadcast(const Point& ref) {
  return [ref](const std::vector<Array>& in) {
    std::size_t rank = 0;
    for (auto& a : in) rank = std::max(rank, a.shape.size());
    Shape s = Shape::filled(rank, 1);
    for (auto& a : in)
      for (std::size_t i = 0; i < a.shape.size(); ++i)
        if (a.shape[i] != 1) s[rank - a.shape.size() + i] = a.shape[i];
    Array y{s, std::vector<double>(static_cast<std::size_t>(s.numel()))};
    for (std::size_t n = 0; n < y.size(); ++n) {
      double x[4];
      for (std::size_t k = 0; k < in.size(); ++k) {
        const Shape& t = in[k].shape;
        std::size_t rest = n, at = 0, step = 1;
        for (std::size_t d = rank; d-- > 0;) {
          auto i = rest % static_cast<std::size_t>(s[d]);
          rest /= static_cast<std::size_t>(s[d]);
          if (d + t.size() < rank) continue;
          auto extent = static_cast<std::size_t>(t[d + t.size() - rank]);
          if (extent != 1) at += i * step;
          step *= extent;
        }
        x[k] = in[k][at];
      }
      y[n] = ref(x);
    }
    return std::vector<Array>{y};
  };
}
struct Operands {
  DType dtype;
  double lo, hi;
};
// Operands of several shapes that broadcast.
inline Row broadcast_row(const Fn& f, const Point& ref, const std::vector<Operands>& ops) {
  Row r;
  const std::vector<std::vector<Shape>> shapes = {{{}, {}, {}},
                                                  {{3}, {3}, {3}},
                                                  {{2, 3}, {3}, {2, 1}},
                                                  {{4, 1}, {3}, {}},
                                                  {{}, {2, 2}, {2}},
                                                  {{1}, {5}, {5}},
                                                  {{2, 1, 3}, {4, 1}, {1, 1}},
                                                  {{0}, {1}, {}},
                                                  {{1, 3}, {2, 1}, {2, 3}}};
  for (auto& s : shapes) {
    Sample one{"", {}, f, broadcast(ref)};
    for (std::size_t k = 0; k < ops.size(); ++k) {
      one.name += (k ? " " : "") + std::string(name_of(ops[k].dtype)) + s[k].str();
      one.in.push_back(random_tensor(s[k], ops[k].dtype, ops[k].lo, ops[k].hi, static_cast<int>(k)));
    }
    r.samples.push_back(std::move(one));
  }
  return r;
}

}  // namespace functra::testing
