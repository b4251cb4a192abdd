#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <limits>
#include <numeric>
#include <random>
#include <vector>

#include "functra/base/errors.h"
#include "functra/base/pool.h"
#include "functra/kernels/reduce.h"
#include "functra/kernels/strided.h"

using namespace functra;
using namespace functra::kernels;
using Offset = std::int64_t;

namespace {

// Every index of a shape in row-major order.
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

std::mt19937 rng(7);
Offset pick(Offset lo, Offset hi) { return std::uniform_int_distribution<Offset>(lo, hi)(rng); }

// A random view: memory, offset of element 0, shape and strides (permuted, stepped, reversed, broadcast).
template <class T> struct View {
  std::vector<T> memory;
  Shape shape, strides;
  Offset offset = 0;
  const T* data() const { return memory.data() + offset; }
  T at(const Shape& i) const { return data()[dot(i, strides)]; }
};
template <class T> View<T> random_view(const Shape& shape, bool plain = false) {
  View<T> v;
  v.shape = shape;
  std::vector<std::size_t> order(shape.size());
  std::iota(order.begin(), order.end(), 0u);
  if (!plain) std::shuffle(order.begin(), order.end(), rng);
  v.strides = Shape::filled(shape.size(), 0);
  Offset n = 1;
  for (std::size_t k = order.size(); k-- > 0;) {
    std::size_t d = order[k];
    Offset kind = plain ? 9 : pick(0, 9);
    if (kind == 0) continue;  // broadcast
    Offset step = kind == 1 ? 2 : 1;
    v.strides[d] = n * step;
    n *= std::max<Offset>(shape[d], 1) * step;
    if (kind == 2 && shape[d] > 0) {
      v.offset += (shape[d] - 1) * v.strides[d];
      v.strides[d] = -v.strides[d];
    }
  }
  v.memory.resize(static_cast<std::size_t>(n));
  for (T& x : v.memory) x = static_cast<T>(pick(-9, 9));
  return v;
}
const Shape shapes[] = {{},        {1},       {7},      {0},       {3, 0, 2},   {33},         {1000},          {5, 7},
                        {17, 130}, {130, 17}, {300, 3}, {2, 3, 4}, {19, 5, 33}, {4, 1, 6, 5}, {2, 3, 2, 5, 3}, {70, 90, 3}};

}  // namespace

TEST(Strided, CopyEqualsLoop) {
  for (int round = 0; round < 6; ++round)
    for (const Shape& s : shapes) {
      auto v = random_view<float>(s, round == 0);
      auto o = random_view<float>(s, true);
      if (round > 3) {  // into a transposed, stepped output
        std::reverse(o.shape.begin(), o.shape.end());
        o.strides = row_major(o.shape);
        std::reverse(o.strides.begin(), o.strides.end());
        for (Offset& t : o.strides) t *= 2;
        o.memory.resize(2 * o.memory.size());
      }
      copy(o.memory.data(), o.strides, v.data(), v.strides, s, 4);
      each(s, [&](const Shape& i) { ASSERT_EQ(o.memory[static_cast<std::size_t>(dot(i, o.strides))], v.at(i)) << s << v.strides; });
    }
}
TEST(Strided, CopyOfOtherSizesAndLargeTransposes) {
  auto test = [](auto unit, const Shape& s) {
    using T = decltype(unit);
    auto v = random_view<T>(s, true);
    Shape perm = Shape::iota(s.size());
    std::reverse(perm.begin(), perm.end());
    Shape t = s.pick(perm), st = v.strides.pick(perm);
    std::vector<T> out(v.memory.size());
    copy(out.data(), row_major(t), v.data(), st, t, sizeof(T));
    Offset k = 0;
    each(t, [&](const Shape& i) { ASSERT_EQ(out[static_cast<std::size_t>(k++)], v.data()[dot(i, st)]); });
  };
  test(std::int8_t(), {130, 77});
  test(std::int16_t(), {33, 5, 65});
  test(double(), {513, 400});
  test(float(), {16, 40, 1000});
  struct Odd {
    char c[3];
  } in[4] = {{"ab"}, {"cd"}, {"ef"}, {"gh"}}, out[4];
  copy(out, {2, 1}, in, {1, 2}, {2, 2}, 3);
  EXPECT_STREQ(out[1].c, "ef");
}
TEST(Strided, FillAndPad) {
  std::vector<double> v(100001);
  double x = 2.5;
  fill(v.data(), 100001, 8, &x);
  EXPECT_EQ(std::count(v.begin(), v.end(), 2.5), 100001);
  for (int round = 0; round < 200; ++round) {
    Shape s{pick(0, 6), pick(0, 5)}, lo, hi, in, out;
    for (std::size_t d = 0; d < 2; ++d) {
      in.push_back(pick(0, 2));
      Offset n = s[d] + std::max<Offset>(s[d] - 1, 0) * in[d];
      lo.push_back(pick(-std::min<Offset>(3, n), 3));
      hi.push_back(pick(std::max<Offset>(-3, -(n + lo[d])), 3));
      out.push_back(n + lo[d] + hi[d]);
    }
    auto a = random_view<float>(s);
    std::vector<float> got(static_cast<std::size_t>(out.numel())), want(got.size(), 99.f);
    float value = 99;
    pad(got.data(), out, a.data(), s, a.strides, lo, in, 4, &value);
    each(s, [&](const Shape& i) {
      Offset r = lo[0] + i[0] * (1 + in[0]), c = lo[1] + i[1] * (1 + in[1]);
      if (r >= 0 && r < out[0] && c >= 0 && c < out[1]) want[static_cast<std::size_t>(r * out[1] + c)] = a.at(i);
    });
    ASSERT_EQ(got, want);
  }
}

template <class T> void check_reduce(Reduce op, const View<T>& v, const Shape& dims) {
  Shape kept = dims.others(v.shape.size()), ks = v.shape.pick(kept), st = row_major(ks);
  double start = op == Reduce::sum ? 0 : op == Reduce::prod ? 1 : op == Reduce::max ? -1e30 : 1e30;
  std::vector<double> want(static_cast<std::size_t>(ks.numel()), start);
  std::vector<T> got(want.size(), T(77));
  Offset count = 0;
  each(v.shape, [&](const Shape& i) {
    double& w = want[static_cast<std::size_t>(dot(i.pick(kept), st))];
    double x = static_cast<double>(v.at(i));
    w = op == Reduce::sum ? w + x : op == Reduce::prod ? w * x : op == Reduce::max ? std::max(w, x) : std::min(w, x);
    ++count;
  });
  reduce(op, dtype_of<T>, v.data(), v.shape, v.strides, dims, got.data());
  if (!count && op != Reduce::sum && op != Reduce::prod) return;
  for (std::size_t i = 0; i < want.size(); ++i)
    ASSERT_EQ(static_cast<double>(got[i]), static_cast<double>(static_cast<T>(want[i]))) << v.shape << v.strides << dims << " at " << i;
}
template <class T> class ReduceTyped : public ::testing::Test {};
using Types = ::testing::Types<float, double, std::int32_t, std::int64_t, std::int16_t>;
TYPED_TEST_SUITE(ReduceTyped, Types);
TYPED_TEST(ReduceTyped, EqualsLoop) {
  for (int round = 0; round < 4; ++round)
    for (const Shape& s : shapes)
      for (unsigned mask = 0; mask < (1u << s.size()); ++mask) {
        Shape dims;
        for (std::size_t d = 0; d < s.size(); ++d)
          if (mask >> d & 1) dims.push_back(static_cast<Offset>(d));
        if (round == 1) std::reverse(dims.begin(), dims.end());
        auto v = random_view<TypeParam>(s, round == 0);
        for (Reduce op : {Reduce::sum, Reduce::max, Reduce::min}) check_reduce(op, v, dims);
        for (auto& x : v.memory) x = static_cast<TypeParam>(x == TypeParam(0) || x > TypeParam(-8) ? 1 : -1);
        check_reduce(Reduce::prod, v, dims);
      }
}
TEST(ReduceKernels, LongOnesAreExactOnIntegersAndDoNotDependOnThreads) {
  int threads = num_threads();
  for (const Shape& s : {Shape{1000003}, Shape{200001, 5}, Shape{3, 333333}, Shape{70001, 40}, Shape{300, 1000, 3}, Shape{2000, 700}}) {
    auto v = random_view<float>(s, true);
    for (std::size_t d = 0; d <= s.size(); ++d) {
      Shape dims = d == s.size() ? Shape::iota(d) : Shape{d};
      check_reduce(Reduce::sum, v, dims);
      check_reduce(Reduce::max, v, dims);
      auto w = v;
      for (float& x : w.memory) x += 0.1f;
      Shape kept = s.pick(dims.others(s.size()));
      std::vector<float> one(static_cast<std::size_t>(kept.numel())), two = one;
      set_num_threads(1);
      reduce(Reduce::sum, f32, w.data(), s, w.strides, dims, one.data());
      set_num_threads(3);
      reduce(Reduce::sum, f32, w.data(), s, w.strides, dims, two.data());
      set_num_threads(threads);
      ASSERT_EQ(one, two);
    }
  }
}
TEST(ReduceKernels, SumsOfFloatsAreAccurate) {
  std::vector<float> x(10'000'000, 0.1f);
  float s = 0;
  reduce(Reduce::sum, f32, x.data(), {10'000'000}, {1}, {0}, &s);
  EXPECT_NEAR(s, 1e7 * static_cast<double>(0.1f), 0.5);
  std::vector<float> c(2);
  reduce(Reduce::sum, f32, x.data(), {5'000'000, 2}, {2, 1}, {0}, c.data());
  EXPECT_NEAR(c[1], 5e6 * static_cast<double>(0.1f), 0.3);
}
TEST(ReduceKernels, NanWinsAndIdentities) {
  float nan = std::numeric_limits<float>::quiet_NaN();
  for (Offset n : {1, 5, 17, 64, 300, 5000})
    for (Offset at : {Offset(0), n / 2, n - 1}) {
      std::vector<float> x(static_cast<std::size_t>(n) * 3, 1.f);
      for (Offset k = 0; k < 3; ++k) x[static_cast<std::size_t>(at * 3 + k)] = nan;
      float out[3];
      for (Reduce op : {Reduce::max, Reduce::min}) {
        reduce(op, f32, x.data(), {n, 3}, {3, 1}, {0}, out);
        EXPECT_TRUE(std::isnan(out[0]) && std::isnan(out[2])) << n;
        reduce(op, f32, x.data(), {3 * n}, {1}, {0}, out);
        EXPECT_TRUE(std::isnan(out[0]));
        reduce(op, f32, x.data(), {n}, {3}, {0}, out);
        EXPECT_TRUE(std::isnan(out[0]));
      }
      Offset i[3];
      arg_reduce(true, f32, x.data(), {n, 3}, {3, 1}, 0, i);
      EXPECT_EQ(i[2], at);
      arg_reduce(false, f32, x.data(), {n}, {3}, 0, i);
      EXPECT_EQ(i[0], at);
    }
  double d = 0;
  reduce(Reduce::max, f64, nullptr, {0}, {1}, {0}, &d);
  EXPECT_EQ(d, -std::numeric_limits<double>::infinity());
  bool b[5] = {true, false, true, true, true}, r;
  reduce(Reduce::or_, bool_, b, {5}, {1}, {0}, &r);
  EXPECT_TRUE(r);
  reduce(Reduce::and_, bool_, b, {5}, {1}, {0}, &r);
  EXPECT_FALSE(r);
  EXPECT_THROW(reduce(Reduce::max, c64, nullptr, {0}, {1}, {0}, &d), DTypeError);
  EXPECT_THROW(arg_reduce(true, f32, nullptr, {2, 0}, {1, 1}, 1, nullptr), ShapeError);
}
TYPED_TEST(ReduceTyped, ArgReduceAndCumulativeEqualLoops) {
  using T = TypeParam;
  for (int round = 0; round < 4; ++round)
    for (const Shape& s : shapes)
      for (std::size_t d = 0; d < s.size(); ++d) {
        auto v = random_view<T>(s, round == 0);
        Shape kept = s.without(d), st = row_major(kept);
        if (s[d] > 0)
          for (bool max : {true, false}) {
            std::vector<Offset> got(static_cast<std::size_t>(kept.numel())), want(got.size());
            arg_reduce(max, dtype_of<T>, v.data(), s, v.strides, static_cast<int>(d), got.data());
            each(kept, [&](const Shape& i) {
              Shape j = i.with(d, 0), best = j;
              for (; j[d] < s[d]; ++j[d])
                if (max ? v.at(j) > v.at(best) : v.at(j) < v.at(best)) best = j;
              want[static_cast<std::size_t>(dot(i, st))] = best[d];
            });
            ASSERT_EQ(got, want) << s << v.strides;
          }
        for (bool reverse : {false, true})
          for (Reduce op : {Reduce::sum, Reduce::max}) {
            std::vector<T> got(static_cast<std::size_t>(s.numel()));
            cumulative(op, reverse, dtype_of<T>, v.data(), s, v.strides, static_cast<int>(d), got.data());
            Shape full = row_major(s);
            each(kept, [&](const Shape& i) {
              Shape j = i.with(d, 0);
              double a = op == Reduce::sum ? 0 : -1e30;
              for (Offset k = 0; k < s[d]; ++k) {
                j[d] = reverse ? s[d] - 1 - k : k;
                double x = static_cast<double>(v.at(j));
                a = op == Reduce::sum ? a + x : std::max(a, x);
                ASSERT_EQ(got[static_cast<std::size_t>(dot(j, full))], static_cast<T>(a));
              }
            });
          }
      }
}
