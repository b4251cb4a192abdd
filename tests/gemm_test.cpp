#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <numeric>
#include <random>
#include <vector>

#include "functra/base/errors.h"
#include "functra/kernels/gemm.h"

using namespace functra;
using namespace functra::kernels;
using Offset = std::int64_t;

namespace {
std::mt19937 rng(11);
Offset pick(Offset lo, Offset hi) { return std::uniform_int_distribution<Offset>(lo, hi)(rng); }
template <class T> std::vector<T> numbers(Offset n) {  // small integers: products and sums are exact
  std::vector<T> v(static_cast<std::size_t>(n));
  for (T& x : v) x = static_cast<T>(pick(-4, 4));
  return v;
}
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
}  // namespace

template <class T> class Gemm : public ::testing::Test {};
using Floats = ::testing::Types<float, double>;
TYPED_TEST_SUITE(Gemm, Floats);
TYPED_TEST(Gemm, EqualsLoopForEverySizeAndTransposition) {
  using T = TypeParam;
  const Shape sizes[] = {{0, 3, 2},     {3, 0, 2},     {3, 2, 0},     {1, 1, 1},     {4, 4, 4},      {7, 5, 3},       {13, 33, 17},
                         {1, 100, 300}, {100, 1, 300}, {31, 70, 600}, {300, 10, 90}, {130, 600, 40}, {129, 131, 127}, {200, 9, 300}};
  for (const Shape& s : sizes)
    for (int t = 0; t < 8; ++t) {
      bool ta = t & 1, tb = t & 2, add = t & 4;
      Offset m = s[0], n = s[1], k = s[2], lda = (ta ? m : k) + pick(0, 3), ldb = (tb ? n : k * 0 + n) + pick(0, 3), ldc = n + pick(0, 2);
      if (tb) ldb = k + pick(0, 3);
      auto a = numbers<T>(std::max<Offset>(1, lda * (ta ? k : m))), b = numbers<T>(std::max<Offset>(1, ldb * (tb ? n : k))),
           c = numbers<T>(std::max<Offset>(1, ldc * m)), before = c;
      gemm(dtype_of<T>, ta, tb, m, n, k, a.data(), lda, b.data(), ldb, c.data(), ldc, add);
      for (Offset i = 0; i < m; ++i)
        for (Offset j = 0; j < ldc; ++j) {
          auto at = static_cast<std::size_t>(i * ldc + j);
          T want = before[at];
          if (j < n) {
            if (!add) want = 0;
            for (Offset l = 0; l < k; ++l)
              want += a[static_cast<std::size_t>(ta ? l * lda + i : i * lda + l)] * b[static_cast<std::size_t>(tb ? j * ldb + l : l * ldb + j)];
          }
          ASSERT_EQ(c[at], want) << s << ta << tb << add << " at " << i << "," << j;
        }
    }
}
// large: free dimensions that are often two, the inner one long enough for products of its own.
template <class T> void check_dot_general(int rounds = 150, bool large = false) {
  for (int round = 0; round < rounds; ++round) {
    Offset nb = pick(0, large ? 1 : 2), nc = pick(large ? 1 : 0, large ? 1 : 2), nl = pick(large ? 1 : 0, 2), nr = pick(large ? 1 : 0, 2);
    const Offset most = round % 10 == 0 ? 40 : 5;
    auto extents = [&](Offset n) {
      Shape s;
      for (Offset i = 0; i < n; ++i) s.push_back(pick(pick(0, 30) == 0 ? 0 : 1, most > 5 && n == 1 ? 70 : 5));
      return s;
    };
    static constexpr Offset lengths[] = {20, 31, 32, 48, 49, 64, 128, 130, 144};
    auto length = [&] { return lengths[pick(0, 8)]; };
    auto long_rows = [&](Offset n) { return n == 2 ? Shape{pick(2, 4), length()} : Shape{pick(0, 1) ? length() : pick(1, 20)}; };
    Shape batch = extents(nb), sum = extents(nc), left = large ? long_rows(nl) : extents(nl), right = large ? long_rows(nr) : extents(nr);
    struct Side {
      Shape shape, strides, batch, sum, free;
      std::vector<T> memory;
      Offset offset = 0;
    };
    auto make = [&](const Shape& free) {
      Side x;
      Shape logical = batch.concat(sum).concat(free);
      std::vector<Offset> order(logical.size()), layout(logical.size());
      std::iota(order.begin(), order.end(), 0);
      std::shuffle(order.begin(), order.end(), rng);
      layout = order;
      if (pick(0, 1)) std::shuffle(layout.begin(), layout.end(), rng);
      Shape where = inverse(Shape(order));
      x.shape = logical.pick(Shape(order));
      Shape st = Shape::filled(logical.size(), 0);
      Offset n = 1;
      for (std::size_t i = layout.size(); i-- > 0;) {
        auto d = static_cast<std::size_t>(layout[i]);
        Offset kind = pick(0, 14);
        if (kind == 0) continue;
        st[d] = n * (kind == 1 ? 2 : 1);
        n *= std::max<Offset>(1, logical[d]) * (kind == 1 ? 2 : 1);
        if (kind == 2 && logical[d] > 0) {
          x.offset += st[d] * (logical[d] - 1);
          st[d] = -st[d];
        }
      }
      x.strides = st.pick(Shape(order));
      x.memory = numbers<T>(n);
      auto at = [&](Offset from, std::size_t count) {
        Shape r;
        for (std::size_t i = 0; i < count; ++i) r.push_back(where[static_cast<std::size_t>(from) + i]);
        return r;
      };
      x.batch = at(0, batch.size());
      x.sum = at(nb, sum.size());
      x.free = x.batch.concat(x.sum).others(logical.size());
      return x;
    };
    Side a = make(left), b = make(right);
    Shape out_shape = batch.concat(a.shape.pick(a.free)).concat(b.shape.pick(b.free));
    std::vector<T> out(static_cast<std::size_t>(out_shape.numel()), T(99));
    Shape out_strides = row_major(out_shape);
    const bool in_order = pick(0, 1);  // else in any order of its dimensions
    if (!in_order) {
      std::vector<Offset> order(out_shape.size());
      std::iota(order.begin(), order.end(), 0);
      std::shuffle(order.begin(), order.end() - (pick(0, 1) && !order.empty()), rng);
      const Shape ordered = row_major(out_shape.pick(Shape(order)));
      for (std::size_t d = 0; d < order.size(); ++d) out_strides[static_cast<std::size_t>(order[d])] = ordered[d];
    }
    dot_general(dtype_of<T>, a.memory.data() + a.offset, a.shape, a.strides, b.memory.data() + b.offset, b.shape, b.strides, a.sum, b.sum, a.batch,
                b.batch, out.data(), in_order ? nullptr : &out_strides);
    each(out_shape, [&](const Shape& i) {
      T want = 0;
      Shape ia = Shape::filled(a.shape.size(), 0), ib = Shape::filled(b.shape.size(), 0);
      auto put = [](Shape& x, const Shape& dims, const Offset* v) {
        for (std::size_t d = 0; d < dims.size(); ++d) x[static_cast<std::size_t>(dims[d])] = v[d];
      };
      put(ia, a.batch, i.data());
      put(ib, b.batch, i.data());
      put(ia, a.free, i.data() + batch.size());
      put(ib, b.free, i.data() + batch.size() + a.free.size());
      each(sum, [&](const Shape& k) {
        put(ia, a.sum, k.data());
        put(ib, b.sum, k.data());
        want = static_cast<T>(want + a.memory[static_cast<std::size_t>(a.offset + dot(ia, a.strides))] *
                                         b.memory[static_cast<std::size_t>(b.offset + dot(ib, b.strides))]);
      });
      ASSERT_EQ(out[static_cast<std::size_t>(dot(i, out_strides))], want)
          << out_strides << a.shape << a.strides << b.shape << b.strides << a.sum << b.sum << a.batch << b.batch;
    });
  }
}
TEST(DotGeneral, EqualsLoopOverRandomViews) {
  check_dot_general<float>();
  check_dot_general<double>();
  check_dot_general<std::int32_t>();
  check_dot_general<std::uint8_t>();
}
TEST(DotGeneral, EqualsLoopWhereFreeDimensionsAreGoneOver) {
  check_dot_general<float>(30, true);
  check_dot_general<double>(30, true);
  check_dot_general<std::int32_t>(30, true);
}
TEST(DotGeneral, ErrorsOfRealNumbersStaySmall) {
  std::normal_distribution<float> normal;
  std::vector<float> a(64 * 5000), b(5000 * 48), c(64 * 48);
  for (auto* v : {&a, &b})
    for (float& x : *v) x = normal(rng);
  dot_general(f32, a.data(), {64, 5000}, {5000, 1}, b.data(), {5000, 48}, {48, 1}, {1}, {0}, {}, {}, c.data());
  for (int i = 0; i < 64; ++i)
    for (int j = 0; j < 48; ++j) {
      double s = 0;
      for (int l = 0; l < 5000; ++l) s += static_cast<double>(a[static_cast<std::size_t>(i * 5000 + l)]) * b[static_cast<std::size_t>(l * 48 + j)];
      ASSERT_NEAR(c[static_cast<std::size_t>(i * 48 + j)], s, 1e-3);
    }
}
