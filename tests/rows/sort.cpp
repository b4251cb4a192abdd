// Order: the reference is an insertion sort of one line after the other.
#include <cmath>
#include <limits>

#include "functra/prims/sort.h"
#include "laws/row.h"

namespace functra::testing {
namespace {

bool before(double a, double b) { return a < b || (std::isnan(b) && !std::isnan(a)); }
Reference sorted(int dim, bool descending) {
  return [dim, descending](const std::vector<Array>& in) {
    std::vector<Array> y = in;
    auto at = static_cast<std::size_t>(dim);
    const Shape& s = in[0].shape;
    std::size_t n = static_cast<std::size_t>(s[at]), step = 1;
    for (std::size_t d = at + 1; d < s.size(); ++d) step *= static_cast<std::size_t>(s[d]);
    for (std::size_t first = 0; first < in[0].size(); ++first) {
      if (first / step % n) continue;
      for (std::size_t i = 1; i < n; ++i)
        for (std::size_t k = i; k > 0; --k) {
          std::size_t a = first + (k - 1) * step, b = first + k * step;
          if (!(descending ? before(y[0][a], y[0][b]) : before(y[0][b], y[0][a]))) break;
          for (Array& o : y) std::swap(o[a], o[b]);
        }
    }
    return y;
  };
}
}  // namespace

FUNCTRA_ROW(sort) {
  Row r;
  r.ulp = 0;
  for (bool descending : {false, true})
    for (auto& [s, dim] : std::vector<std::pair<Shape, int>>{{{7}, 0}, {{1}, 0}, {{3, 5}, 1}, {{3, 5}, 0}, {{2, 3, 4}, 1}, {{40}, 0}, {{0, 2}, 0}}) {
      Fn f = [dim = dim, descending](const Vec& x) { return prims::sort(x, dim, descending); };
      for (DType d : {DType::f32, DType::f64, DType::i32}) {
        std::string name = std::string(name_of(d)) + " " + s.str() + (descending ? " descending" : "");
        Tensor x = random_tensor(s, d, -8, 8), y = random_tensor(s, DType::f64, -1, 1, 3);
        r.samples.push_back({name, {x}, f, sorted(dim, descending)});
        r.samples.push_back({name + ", two operands", {transposed_view(x), sliced_view(y)}, f, sorted(dim, descending)});
      }
      Tensor key = random_tensor(s, DType::f64, -8, 8);
      r.samples.push_back(
          {"four operands " + s.str(),
           {key, random_tensor(s, DType::i32, 0, 9, 1), random_tensor(s, DType::f64, -1, 1, 2), random_tensor(s, DType::f64, -1, 1, 3)},
           f,
           sorted(dim, descending)});
      // Ties keep their order.
      Tensor ties = random_tensor(s, DType::i64, 0, 3), y = random_tensor(s, DType::f64, -1, 1, 3);
      r.samples.push_back({"ties " + s.str(), {ties, y}, f, sorted(dim, descending)});
    }
  double nan = std::numeric_limits<double>::quiet_NaN(), inf = std::numeric_limits<double>::infinity();
  Sample special{"NaN and infinities",
                 {from_values({6}, DType::f64, {nan, 1, -inf, inf, nan, 0}), from_values({6}, DType::f64, {0, 1, 2, 3, 4, 5})},
                 [](const Vec& x) { return prims::sort(x, 0, false); },
                 sorted(0, false)};
  special.differentiable = false;
  r.samples.push_back(special);
  return r;
}

}  // namespace functra::testing
