#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <limits>
#include <numeric>
#include <random>
#include <vector>

#include "functra/base/errors.h"
#include "functra/kernels/sort.h"
#include "functra/kernels/window.h"

using namespace functra;
using namespace functra::kernels;
using Offset = std::int64_t;

namespace {
std::mt19937 rng(3);
Offset pick(Offset lo, Offset hi) { return std::uniform_int_distribution<Offset>(lo, hi)(rng); }
template <class F> void each(const Shape& shape, F&& f) {
  if (shape.has(0)) return;
  Shape i = Shape::filled(shape.size(), 0);
  for (;;) {
    f(i);
    std::size_t d = shape.size();
    while (d > 0 && ++i[d - 1] == shape[d - 1]) i[--d] = 0;
    if (d == 0) return;
  }
}
Offset dot(const Shape& a, const Shape& b) { return std::inner_product(a.begin(), a.end(), b.begin(), Offset(0)); }
WindowGeometry random_geometry(const Shape& s, bool dilated) {
  WindowGeometry g;
  for (std::size_t d = 0; d < s.size(); ++d) {
    bool plain = pick(0, 2) == 0;
    g.size.push_back(plain ? 1 : pick(1, 3));
    g.stride.push_back(plain ? 1 : pick(1, 3));
    g.pad_lo.push_back(plain ? 0 : pick(-1, 2));
    g.pad_hi.push_back(plain ? 0 : pick(-1, 2));
    g.base_dilation.push_back(dilated ? pick(1, 3) : 1);
    g.window_dilation.push_back(dilated ? pick(1, 3) : 1);
  }
  return g;
}
// The element of x under tap k of window o; false in padding and gaps.
bool under(const WindowGeometry& g, const Shape& s, const Shape& o, const Shape& k, Shape& i) {
  i = o;
  for (std::size_t d = 0; d < s.size(); ++d) {
    Offset p = o[d] * g.stride[d] + k[d] * g.window_dilation[d] - g.pad_lo[d];
    if (p < 0 || p % g.base_dilation[d] != 0 || p / g.base_dilation[d] >= s[d]) return false;
    i[d] = p / g.base_dilation[d];
  }
  return true;
}
struct Array {
  Shape shape, strides;
  std::vector<float> v;
  Offset offset = 0;
  const float* data() const { return v.data() + offset; }
};
Array random_array(Offset rank, Offset low, Offset high) {
  Array a;
  for (Offset i = 0; i < rank; ++i) a.shape.push_back(pick(low, high));
  a.strides = row_major(a.shape);
  Offset n = std::max<Offset>(1, a.shape.numel());
  if (pick(0, 1) && rank > 0) {  // transposed, the last dimension reversed
    Offset p = 1;
    for (std::size_t i = 0; i < a.shape.size(); ++i) {
      a.strides[i] = p;
      p *= a.shape[i];
    }
    if (a.shape.back() > 0) {
      a.offset = a.strides.back() * (a.shape.back() - 1);
      a.strides[a.shape.size() - 1] *= -1;
    }
  }
  a.v.resize(static_cast<std::size_t>(n));
  for (float& x : a.v) x = static_cast<float>(pick(-5, 5));
  return a;
}
}  // namespace

TEST(Window, ReduceEqualsTheDefinition) {
  for (int round = 0; round < 400; ++round) {
    Array a = random_array(pick(0, 4), round % 20 == 0 ? 0 : 1, 6);
    WindowGeometry g = random_geometry(a.shape, round % 2);
    Shape out = window_shape(a.shape, g), st = row_major(out), i;
    for (Reduce op : {Reduce::sum, Reduce::max, Reduce::min}) {
      std::vector<float> got(static_cast<std::size_t>(out.numel()));
      reduce_window(op, f32, a.data(), a.shape, a.strides, g, got.data());
      float inf = std::numeric_limits<float>::infinity();
      each(out, [&](const Shape& o) {
        float r = op == Reduce::sum ? 0 : op == Reduce::max ? -inf : inf;
        each(g.size, [&](const Shape& k) {
          if (!under(g, a.shape, o, k, i)) return;
          float x = a.data()[dot(i, a.strides)];
          r = op == Reduce::sum ? r + x : op == Reduce::max ? std::max(r, x) : std::min(r, x);
        });
        ASSERT_EQ(got[static_cast<std::size_t>(dot(o, st))], r) << a.shape << g.size << g.stride << g.pad_lo << g.base_dilation << g.window_dilation;
      });
    }
  }
}
TEST(Window, SelectionEqualsTheDefinition) {
  for (int round = 0; round < 400; ++round) {
    Array a = random_array(pick(1, 4), round % 20 == 0 ? 0 : 1, 6);
    if (round % 7 == 0) a.v[a.v.size() / 2] = std::numeric_limits<float>::quiet_NaN();
    WindowGeometry g = random_geometry(a.shape, round % 2);
    Shape out = window_shape(a.shape, g), st = row_major(out), xst = row_major(a.shape), i, best;
    std::vector<float> source(static_cast<std::size_t>(out.numel())), want(static_cast<std::size_t>(a.shape.numel())), got(want.size(), 9.f),
        gather(source.size()), taken(source.size(), 9.f);
    for (float& x : source) x = static_cast<float>(pick(1, 9));
    bool max = round / 2 % 2;
    each(out, [&](const Shape& o) {
      bool any = false;
      each(g.size, [&](const Shape& k) {
        if (!under(g, a.shape, o, k, i)) return;
        float v = a.data()[dot(i, a.strides)], b = any ? a.data()[dot(best, a.strides)] : 0;
        if (!any || (max ? v > b : v < b) || (std::isnan(v) && !std::isnan(b))) best = i;
        any = true;
      });
      auto w = static_cast<std::size_t>(dot(o, st));
      if (any) want[static_cast<std::size_t>(dot(best, xst))] += source[w];
      gather[w] = any ? a.data()[dot(best, a.strides)] : 0;
    });
    select_and_scatter_add(max, f32, a.data(), a.shape, a.strides, source.data(), st, g, got.data());
    ASSERT_EQ(got, want) << a.shape << g.size << g.stride << g.pad_lo << g.pad_hi << g.base_dilation << g.window_dilation;
    select_and_gather(max, f32, a.data(), a.shape, a.strides, a.data(), a.strides, g, taken.data());
    for (std::size_t w = 0; w < taken.size(); ++w) ASSERT_TRUE(taken[w] == gather[w] || (std::isnan(taken[w]) && std::isnan(gather[w])));
  }
  float x[4] = {};
  EXPECT_THROW(reduce_window(Reduce::max, c64, x, {2}, {1}, {{1}, {1}, {0}, {0}, {1}, {1}}, x), DTypeError);
}

template <class T> void check_sort(Offset n, Offset most) {
  for (bool descending : {false, true}) {
    Shape s{3, n, 2}, st{2 * n, 2, 1};
    std::vector<T> x(static_cast<std::size_t>(6 * n));
    for (T& v : x) v = static_cast<T>(pick(std::is_signed_v<T> ? -most : 0, most));
    if constexpr (std::is_floating_point_v<T>) {
      x[x.size() / 2] = std::numeric_limits<T>::quiet_NaN();
      x[0] = -T(0);
      x[1] = -std::numeric_limits<T>::infinity();
    }
    std::vector<Offset> got(x.size()), order(static_cast<std::size_t>(n));
    argsort(dtype_of<T>, x.data(), s, st, 1, descending, got.data());
    std::vector<T> sorted(x.size());
    take_along(x.data(), s, st, 1, got.data(), sizeof(T), sorted.data());
    for (Offset a = 0; a < 3; ++a)
      for (Offset b = 0; b < 2; ++b) {
        auto at = [&](Offset i) { return x[static_cast<std::size_t>(a * 2 * n + i * 2 + b)]; };
        auto less = [](T p, T q) { return p < q || (q != q && p == p); };
        std::iota(order.begin(), order.end(), 0);
        std::stable_sort(order.begin(), order.end(), [&](Offset i, Offset j) { return descending ? less(at(j), at(i)) : less(at(i), at(j)); });
        for (Offset i = 0; i < n; ++i) {
          auto k = static_cast<std::size_t>(a * 2 * n + i * 2 + b);
          ASSERT_EQ(got[k], order[static_cast<std::size_t>(i)]) << n << descending << i;
          T v = at(order[static_cast<std::size_t>(i)]);
          ASSERT_TRUE(sorted[k] == v || v != v);
        }
      }
  }
}
TEST(Sort, StableWithNanLast) {
  for (Offset n : {1, 2, 7, 100, 300, 5000}) {
    check_sort<float>(n, 50);
    check_sort<double>(n, 1000000);
    check_sort<std::int32_t>(n, 1000000);
    check_sort<std::int8_t>(n, 100);
    check_sort<std::uint64_t>(n, 7);
  }
  std::vector<Offset> none;
  argsort(f32, nullptr, {0, 3}, {3, 1}, 0, false, none.data());
  EXPECT_THROW(argsort(c64, none.data(), {1}, {1}, 0, false, none.data()), DTypeError);
}
