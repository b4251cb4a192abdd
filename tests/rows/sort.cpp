// Order: the reference is an insertion sort of one line after the other.
#include <algorithm>
#include <cmath>
#include <limits>

#include "functra/prims/sort.h"
#include "rows/strided.h"

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
FUNCTRA_ROW(top_k) {
  Row r;
  r.ulp = 0;
  for (bool largest : {true, false})
    for (auto& [s, dim, k] : std::vector<std::tuple<Shape, int, std::int64_t>>{{{7}, 0, 3},
                                                                               {{1}, 0, 1},
                                                                               {{3, 5}, 1, 5},
                                                                               {{3, 5}, 0, 2},
                                                                               {{2, 3, 4}, 1, 1},
                                                                               {{300}, 0, 2},
                                                                               {{300}, 0, 200},
                                                                               {{3, 2}, 1, 0},
                                                                               {{0, 2}, 1, 1}}) {
      Fn f = [dim = dim, k = k, largest](const Vec& x) { return prims::top_k(x[0], k, dim, largest); };
      Reference ref = [dim = dim, k = k, largest](const std::vector<Array>& in) {
        Array places = in[0];
        for (std::size_t i = 0; i < places.size(); ++i)
          places[i] = static_cast<double>(unravel(static_cast<std::int64_t>(i), places.shape)[static_cast<std::size_t>(dim)]);
        auto all = sorted(dim, largest)({in[0], places});
        Shape cut = in[0].shape;
        cut[static_cast<std::size_t>(dim)] = k;
        std::vector<Array> y(2, filled(cut, 0));
        for (std::int64_t i = 0; i < cut.numel(); ++i)
          for (std::size_t o : {0u, 1u}) y[o][static_cast<std::size_t>(i)] = all[o][ravel(unravel(i, cut), in[0].shape)];
        return y;
      };
      bool big = s.numel() > 100;
      for (DType d : {DType::f32, DType::f64, DType::i32}) {
        Tensor x = random_tensor(s, d, -8, 8);  // of integers: many ties
        std::string name = std::string(name_of(d)) + " " + s.str() + " " + std::to_string(k) + (largest ? " largest" : " smallest");
        r.samples.push_back({name, {transposed_view(x)}, f, ref});
        if (!big) r.samples.push_back({name + " strided", {sliced_view(x)}, f, ref});
        r.samples.back().differentiable = !big;
      }
    }
  double nan = std::numeric_limits<double>::quiet_NaN(), inf = std::numeric_limits<double>::infinity();
  Sample special{"NaN and infinities",
                 {from_values({6}, DType::f64, {1, nan, -inf, inf, nan, 0})},
                 [](const Vec& x) { return prims::top_k(x[0], 4, 0, true); },
                 [=](const std::vector<Array>&) {
                   return std::vector<Array>{{{4}, {nan, nan, inf, 1}}, {{4}, {1, 4, 3, 0}}};
                 }};
  special.differentiable = false;
  r.samples.push_back(special);
  return r;
}
FUNCTRA_ROW(searchsorted) {
  Row r;
  r.ulp = 0;
  r.zero_derivative = true;
  r.second_order = false;
  r.vmap = true;
  for (bool right : {false, true})
    for (auto& [lines, n, m] :
         std::vector<std::tuple<Shape, std::int64_t, std::int64_t>>{{{}, 5, 4}, {{}, 0, 3}, {{2}, 4, 3}, {{2, 3}, 3, 2}, {{}, 70, 9}}) {
      Fn f = [right](const Vec& x) { return Vec{prims::searchsorted(x[0], x[1], right)}; };
      Reference ref = [right](const std::vector<Array>& in) {
        Array y = filled(in[1].shape, 0);
        std::size_t count = static_cast<std::size_t>(in[0].shape.back()), per = static_cast<std::size_t>(in[1].shape.back());
        for (std::size_t i = 0; i < y.size(); ++i)
          for (std::size_t j = 0; j < count; ++j) {
            double e = in[0][i / per * count + j], v = in[1][i];
            y[i] += right ? !before(v, e) : before(e, v);
          }
        return std::vector<Array>{y};
      };
      for (DType d : {DType::f32, DType::f64, DType::i32}) {
        Shape s = lines, v = lines;
        s.push_back(n);
        v.push_back(m);
        auto ascending = random_tensor(s, d, -4, 4).to_vector<double>();
        for (std::size_t i = 0; n && i < ascending.size(); i += static_cast<std::size_t>(n))
          std::sort(ascending.begin() + static_cast<std::ptrdiff_t>(i), ascending.begin() + static_cast<std::ptrdiff_t>(i) + n);
        Tensor x = from_values(s, d, ascending), y = random_tensor(v, d, -5, 5, 1);
        std::string name = std::string(name_of(d)) + " " + s.str() + v.str() + (right ? " right" : " left");
        r.samples.push_back({name, {x, y}, f, ref});
        r.samples.push_back({name + " strided", {sliced_view(x), transposed_view(y)}, f, ref});
      }
    }
  return r;
}

}  // namespace functra::testing
