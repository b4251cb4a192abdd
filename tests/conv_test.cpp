#include <gtest/gtest.h>

#include <cstdint>
#include <random>
#include <vector>

#include "functra/base/errors.h"
#include "functra/base/pool.h"
#include "functra/kernels/conv.h"

using namespace functra;
using namespace functra::kernels;
using Offset = std::int64_t;

namespace {
std::mt19937 rng(5);
Offset pick(Offset lo, Offset hi) { return std::uniform_int_distribution<Offset>(lo, hi)(rng); }

// Over three spatial dimensions, from the definition.
template <class T> std::vector<T> definition(const T* x, Shape xs, Shape xst, const T* w, Shape ws, Shape wst, ConvGeometry g, Offset groups) {
  while (xs.size() < 5) {
    for (Shape* s : {&xs, &ws, &xst, &wst}) *s = s->with(2, 1);
    for (Shape* s : {&g.stride, &g.lhs_dilation, &g.rhs_dilation}) *s = s->with(0, 1);
    for (Shape* s : {&g.pad_lo, &g.pad_hi}) *s = s->with(0, 0);
  }
  Shape out;
  for (std::size_t i = 0; i < 3; ++i)
    out.push_back(conv_extent(xs[2 + i], ws[2 + i], g.stride[i], g.pad_lo[i], g.pad_hi[i], g.lhs_dilation[i], g.rhs_dilation[i]));
  std::vector<T> y;
  Offset per = ws[0] / groups;
  for (Offset n = 0; n < xs[0]; ++n)
    for (Offset o = 0; o < ws[0]; ++o)
      for (Offset a = 0; a < out[0]; ++a)
        for (Offset b = 0; b < out[1]; ++b)
          for (Offset c = 0; c < out[2]; ++c) {
            T sum = 0;
            Offset at[3] = {a, b, c};
            for (Offset i = 0; i < ws[1]; ++i)
              for (Offset k = 0; k < ws[2] * ws[3] * ws[4]; ++k) {
                Offset tap[3] = {k / (ws[3] * ws[4]), k / ws[4] % ws[3], k % ws[4]}, ch = o / per * ws[1] + i;
                Offset xi = n * xst[0] + ch * xst[1], wi = o * wst[0] + i * wst[1];
                bool inside = true;
                for (std::size_t d = 0; d < 3; ++d) {
                  Offset p = at[d] * g.stride[d] + tap[d] * g.rhs_dilation[d] - g.pad_lo[d];
                  inside = inside && p >= 0 && p % g.lhs_dilation[d] == 0 && p / g.lhs_dilation[d] < xs[2 + d];
                  if (!inside) break;
                  xi += p / g.lhs_dilation[d] * xst[2 + d];
                  wi += tap[d] * wst[2 + d];
                }
                if (inside) sum += x[xi] * w[wi];
              }
            y.push_back(sum);
          }
  return y;
}
template <class T> void check(const Shape& xs, const Shape& ws, const ConvGeometry& g, Offset groups, bool transposed) {
  std::vector<T> x(static_cast<std::size_t>(std::max<Offset>(1, xs.numel()))), w(static_cast<std::size_t>(std::max<Offset>(1, ws.numel())));
  for (auto* v : {&x, &w})
    for (T& e : *v) e = static_cast<T>(pick(-3, 3));
  Shape xst = row_major(xs), wst = row_major(ws);
  if (transposed) {  // stored with the dimensions in reverse
    for (auto [s, st] : {std::pair{&xs, &xst}, std::pair{&ws, &wst}}) {
      Offset n = 1;
      for (std::size_t i = 0; i < s->size(); ++i) {
        (*st)[i] = n;
        n *= (*s)[i];
      }
    }
  }
  auto want = definition(x.data(), xs, xst, w.data(), ws, wst, g, groups);
  std::vector<T> got(want.size() + 1, T(99));
  conv_general_dilated(dtype_of<T>, x.data(), xs, xst, w.data(), ws, wst, g, groups, got.data());
  EXPECT_EQ(got.back(), T(99));
  got.pop_back();
  ASSERT_EQ(got, want) << xs << ws << g.stride << g.pad_lo << g.pad_hi << g.lhs_dilation << g.rhs_dilation << " groups " << groups;
}
}  // namespace

TEST(Conv, EqualsTheDefinitionOnRandomGeometries) {
  for (int round = 0; round < 400; ++round) {
    Offset spatial = pick(1, 3), groups = pick(0, 2) ? 1 : pick(2, 3);
    Shape x{pick(round % 20 == 0 ? 0 : 1, 4), groups * pick(1, 3)}, w{groups * pick(1, 4), x[1] / groups};
    ConvGeometry g;
    for (Offset i = 0; i < spatial; ++i) {
      x.push_back(pick(1, 7));
      w.push_back(pick(1, 4));
      g.stride.push_back(pick(1, 3));
      g.lhs_dilation.push_back(pick(0, 2) ? 1 : pick(2, 3));
      g.rhs_dilation.push_back(pick(0, 2) ? 1 : pick(2, 3));
      g.pad_lo.push_back(pick(-1, 4));
      g.pad_hi.push_back(pick(-1, 4));
    }
    check<float>(x, w, g, groups, round % 3 == 0);
    check<double>(x, w, g, groups, round % 3 == 1);
  }
}
TEST(Conv, LargeOnesByEveryRoute) {
  Shape one{1, 1}, two{2, 2}, zero{0, 0}, three{3, 3};
  check<float>({9, 1, 28, 28}, {16, 1, 8, 8}, {two, three, three, one, one}, 1, false);
  check<float>({7, 16, 13, 13}, {32, 16, 4, 4}, {two, zero, zero, one, one}, 1, true);
  check<float>({1, 32, 28, 28}, {32 * 5, 1, 14, 14}, {one, three, {2, 1}, one, two}, 32, false);
  check<float>({3, 32, 5, 5}, {16, 32, 4, 4}, {one, three, three, two, one}, 1, false);
  check<float>({4, 32, 7, 6}, {48, 16, 3, 4}, {one, {1, 2}, {2, 3}, {2, 1}, one}, 2, true);  // transposed: groups, unequal paddings
  check<float>({4, 16, 9, 9}, {16, 16, 3, 3}, {one, {4, 2}, {3, 4}, {2, 3}, two}, 1, false);
  check<float>({4, 16, 50}, {16, 16, 5}, {{1}, {3}, {4}, {3}, {1}}, 1, false);
  check<float>({1, 16 * 9, 9, 9}, {16 * 9, 16, 3, 3}, {one, one, one, two, one}, 9, false);
  check<float>({16, 24, 13, 13}, {24 * 6, 1, 5, 5}, {one, zero, zero, one, two}, 24, false);
  check<float>({5, 8, 100}, {16, 8, 9}, {{2}, {4}, {4}, {1}, {1}}, 1, false);
  check<float>({2, 3, 9, 10, 11}, {8, 3, 3, 3, 3}, {{1, 1, 1}, {1, 1, 1}, {1, 1, 1}, {1, 1, 1}, {1, 1, 1}}, 1, false);
  check<double>({3, 4, 40, 40}, {8, 4, 3, 3}, {one, one, one, one, one}, 1, false);
  check<double>({1, 2, 300, 90}, {3, 2, 3, 3}, {one, one, one, one, one}, 1, false);
  for (int i = 0; i < 3; ++i) check<float>({2, 16, 20, 20}, {16, 16, 3, 3}, {one, one, one, one, one}, 1, false);
}
TEST(Conv, RefusesIntegers) {
  int v = 0;
  EXPECT_THROW(conv_general_dilated(i32, &v, {1, 1, 1}, {1, 1, 1}, &v, {1, 1, 1}, {1, 1, 1}, {{1}, {0}, {0}, {1}, {1}}, 1, &v), DTypeError);
}
