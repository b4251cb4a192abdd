// Windows: references visit every element of every window.
#include <functional>
#include <limits>

#include "functra/prims/window.h"
#include "rows/strided.h"

namespace functra::testing {
namespace {

using prims::SelectParams;
using prims::WindowParams;

std::int64_t extent(std::int64_t n, std::int64_t d) { return n == 0 ? 0 : (n - 1) * d + 1; }
Shape result(const Shape& x, const WindowParams& p) {
  Shape r = x;
  for (std::size_t d = 0; d < x.size(); ++d) {
    std::int64_t room = extent(x[d], p.base_dilation[d]) + p.low[d] + p.high[d] - extent(p.size[d], p.window_dilation[d]);
    r[d] = room < 0 ? 0 : room / p.stride[d] + 1;
  }
  return r;
}
// f(window's position, element's position), in row-major order.
void visit(const Shape& x, const WindowParams& p, const std::function<void(std::size_t, std::size_t)>& f) {
  Shape out = result(x, p);
  for (std::int64_t i = 0; i < out.numel(); ++i)
    for (std::int64_t k = 0; k < p.size.numel(); ++k) {
      Shape o = unravel(i, out), at = unravel(k, p.size);
      bool inside = true;
      for (std::size_t d = 0; d < x.size(); ++d) {
        std::int64_t pos = o[d] * p.stride[d] + at[d] * p.window_dilation[d] - p.low[d];
        inside &= pos >= 0 && pos % p.base_dilation[d] == 0 && pos / p.base_dilation[d] < x[d];
        at[d] = pos / p.base_dilation[d];
      }
      if (inside) f(static_cast<std::size_t>(i), ravel(at, x));
    }
}
WindowParams plain(const Shape& size, const Shape& stride, const Shape& low, const Shape& high) {
  Shape one = Shape::filled(size.size(), 1);
  return {size, stride, low, high, one, one};
}

void reduce(Row& r, Tensor (*prim)(const Tensor&, const WindowParams&), double (*fold)(double, double), double init, const Shape& s,
            const WindowParams& p) {
  add_layouts(
      r, "windows " + p.size.str(), s, [=](const Vec& x) { return Vec{prim(x[0], p)}; },
      [=](const std::vector<Array>& in) {
        Array y = filled(result(in[0].shape, p), init);
        visit(in[0].shape, p, [&](std::size_t o, std::size_t i) { y[o] = fold(y[o], in[0][i]); });
        return std::vector<Array>{y};
      });
}
Row windows(Tensor (*prim)(const Tensor&, const WindowParams&), double (*fold)(double, double), double init) {
  Row r;
  reduce(r, prim, fold, init, {7}, plain({3}, {2}, {1}, {1}));
  reduce(r, prim, fold, init, {2, 5, 4}, plain({1, 2, 2}, {1, 1, 1}, {0, 0, 0}, {0, 0, 0}));
  reduce(r, prim, fold, init, {4, 5}, plain({2, 3}, {2, 1}, {1, 0}, {0, 1}));
  reduce(r, prim, fold, init, {5, 4}, plain({3, 2}, {1, 3}, {1, 1}, {1, 0}));
  reduce(r, prim, fold, init, {6}, plain({2}, {1}, {-1}, {-1}));
  reduce(r, prim, fold, init, {5}, {{2}, {1}, {1}, {1}, {2}, {3}});
  reduce(r, prim, fold, init, {3, 4}, {{2, 2}, {2, 1}, {1, 0}, {1, 1}, {1, 2}, {2, 1}});
  reduce(r, prim, fold, init, {2, 5, 6}, {{1, 2, 3}, {1, 1, 2}, {0, 1, 0}, {0, 1, 1}, {1, 1, 1}, {1, 3, 2}});
  r.rtol = 1e-6;
  return r;
}

std::vector<std::size_t> selected(const Array& x, const WindowParams& p, bool max) {
  std::vector<std::size_t> at(static_cast<std::size_t>(result(x.shape, p).numel()), x.size());
  visit(x.shape, p, [&](std::size_t o, std::size_t i) {
    if (at[o] == x.size() || (max ? x[i] > x[at[o]] : x[i] < x[at[o]])) at[o] = i;
  });
  return at;
}
Row selections(bool scatter) {
  Row r;
  auto add = [&](const Shape& s, const WindowParams& p, bool max) {
    SelectParams q{max, p.size, p.stride, p.low, p.high, p.base_dilation, p.window_dilation};
    for (DType d : {DType::f32, DType::f64}) {
      Tensor x = random_tensor(s, d, -2, 2, 1), v = random_tensor(scatter ? result(s, p) : s, d, -2, 2, 2);
      auto f = [=](const Vec& in) {
        return Vec{scatter ? prims::select_and_scatter_add(in[0], in[1], q) : prims::select_and_gather_add(in[0], in[1], q)};
      };
      Reference ref = [=](const std::vector<Array>& in) {
        auto at = selected(in[1], p, max);
        Array y = filled(scatter ? in[1].shape : result(in[1].shape, p), 0);
        for (std::size_t o = 0; o < at.size(); ++o)
          if (at[o] < in[1].size()) (scatter ? y[at[o]] : y[o]) += scatter ? in[0][o] : in[0][at[o]];
        return std::vector<Array>{y};
      };
      std::string name = std::string(name_of(d)) + " " + s.str() + (max ? " max" : " min");
      r.samples.push_back({name, {v, x}, f, ref});
      r.samples.push_back({name + " strided", {sliced_view(v), transposed_view(x)}, f, ref});
    }
  };
  for (bool max : {true, false}) {
    add({7}, plain({3}, {2}, {1}, {1}), max);
    add({2, 4, 5}, plain({1, 2, 2}, {1, 1, 1}, {0, 0, 0}, {0, 0, 0}), max);
    add({4, 5}, plain({2, 3}, {2, 1}, {1, 0}, {0, 1}), max);
    add({5, 4}, plain({3, 2}, {1, 3}, {1, 1}, {1, 0}), max);
    add({6}, {{3}, {1}, {1}, {1}, {1}, {2}}, max);
    add({4, 5}, {{2, 2}, {1, 2}, {1, 2}, {1, 0}, {2, 1}, {3, 2}}, max);
    add({3, 4, 4}, {{2, 2, 2}, {1, 1, 2}, {0, 1, 1}, {1, 0, 1}, {1, 2, 1}, {2, 1, 2}}, max);
  }
  r.rtol = 1e-6;
  return r;
}
constexpr double infinity = std::numeric_limits<double>::infinity();

}  // namespace

FUNCTRA_ROW(reduce_window_sum) {
  double (*add)(double, double) = [](double a, double b) { return a + b; };
  return windows(prims::reduce_window_sum, add, 0);
}
FUNCTRA_ROW(reduce_window_max) {
  return windows(
      prims::reduce_window_max, [](double a, double b) { return a > b ? a : b; }, -infinity);
}
FUNCTRA_ROW(reduce_window_min) {
  return windows(
      prims::reduce_window_min, [](double a, double b) { return a < b ? a : b; }, infinity);
}
FUNCTRA_ROW(select_and_gather_add) { return selections(false); }
FUNCTRA_ROW(select_and_scatter_add) { return selections(true); }

}  // namespace functra::testing
