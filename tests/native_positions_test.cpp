// Positions out of bounds, of every family and mode, compiled: what they are eagerly.
#include <gtest/gtest.h>

#include "laws_count.h"
#include "support/compiled.h"

namespace functra::testing {
namespace {
using lax::OutOfBounds;
Tensor places(const std::vector<std::int64_t>& v) { return tensor(v, i64); }
struct Place {
  const char* name;
  std::function<Tensor(const Tensor& x, const Tensor& u, const Tensor& i)> f;  // x [5, 3], u [6, 3], i [6]
  bool differentiable = true;
};
std::vector<Place> at_places() {
  std::vector<Place> r{
      {"take", [](const Tensor& x, const Tensor&, const Tensor& i) { return take(x, i); }},
      {"index_select", [](const Tensor& x, const Tensor&, const Tensor& i) { return index_select(x, 0, i); }},
      {"index",
       [](const Tensor& x, const Tensor&, const Tensor& i) {
         return x.index({i, Slice(0, 2)});
       }},
      {"take_along_dim",
       [](const Tensor& x, const Tensor&, const Tensor& i) {
         return take_along_dim(x, i.unsqueeze(1).expand({6, 3}), 0);
       }},
      {"gather",
       [](const Tensor& x, const Tensor&, const Tensor& i) {
         return functra::gather(x, 0, i.unsqueeze(1).expand({6, 3}));
       }},
      {"index_add", [](const Tensor& x, const Tensor& u, const Tensor& i) { return index_add(x, 0, i, u); }},
      {"index_copy", [](const Tensor& x, const Tensor& u, const Tensor& i) { return index_copy(x, 0, i, u); }},
      {"index_put, added", [](const Tensor& x, const Tensor& u, const Tensor& i) { return x.index_put({i}, u, true); }},
      {"index_put", [](const Tensor& x, const Tensor& u, const Tensor& i) { return x.index_put({i}, u); }},
      {"scatter by dim",
       [](const Tensor& x, const Tensor& u, const Tensor& i) {
         return functra::scatter(x, 0, i.unsqueeze(1).expand({6, 3}), u);
       }},
      {"scatter_add by dim",
       [](const Tensor& x, const Tensor& u, const Tensor& i) {
         return functra::scatter_add(x, 0, i.unsqueeze(1).expand({6, 3}), u);
       }},
      {"dynamic_slice",
       [](const Tensor& x, const Tensor&, const Tensor& i) {
         return lax::dynamic_slice(x, {i[0], i[1]}, {2, 2});
       }},
      {"dynamic_update_slice",
       [](const Tensor& x, const Tensor& u, const Tensor& i) {
         return lax::dynamic_update_slice(x, lax::slice(u, {0, 0}, {2, 2}), {i[0], i[1]});
       }},
  };
  for (OutOfBounds mode : {OutOfBounds::clip, OutOfBounds::fill_or_drop}) {
    const bool clip = mode == OutOfBounds::clip;
    r.push_back({clip ? "lax::gather, clip" : "lax::gather, fill", [=](const Tensor& x, const Tensor&, const Tensor& i) {
                   return lax::gather(x, i.unsqueeze(1), {.offset_dims = {1, 2}, .start_index_map = {0}}, {2, 3}, mode, Scalar(0.5));
                 }});
    using Scatter = Tensor (*)(const Tensor&, const Tensor&, const Tensor&, const lax::ScatterDims&, OutOfBounds);
    const std::pair<const char*, Scatter> scatters[] = {{"scatter", lax::scatter},
                                                        {"scatter_add", lax::scatter_add},
                                                        {"scatter_mul", lax::scatter_mul},
                                                        {"scatter_min", lax::scatter_min},
                                                        {"scatter_max", lax::scatter_max}};
    for (auto& [name, f] : scatters)
      r.push_back({name, [=, f = f](const Tensor& x, const Tensor& u, const Tensor& i) {
                     return f(x, i.unsqueeze(1), u, {.update_window_dims = {1}, .inserted_window_dims = {0}, .scatter_dims_to_operand_dims = {0}},
                              mode);
                   }});
  }
  return r;
}
}  // namespace
TEST(NativePositions, out_of_bounds_are_what_they_are_eagerly) {
  // Traced operands: lax functions take any position, torch's clamp those that are hidden from them. Hidden by vmap in the eager run.
  const Tensor x = numbers({5, 3}), u = numbers({6, 3}, f64, 1);
  const std::vector<std::int64_t> lists[] = {{-9, 7, 5, -6, 2, 2}, {INT64_MAX, INT64_MIN, 4, -5, 5, 0}};
  for (const Place& p : at_places())
    for (auto& list : lists) {
      const Tensor i = places(list), is = i.unsqueeze(0), xs = stack({x, x * 2.0}), us = stack({u, u + 1.0}), both = stack({i, flip(i, {0})});
      const std::string name = std::string(p.name) + " at " + to_string(i);
      auto hidden = [&](const Tensor& a, const Tensor& b, const Tensor& c) {  // eager, positions unseen
        return vmap([&](const Tensor& k) { return p.f(a, b, k); })(c.unsqueeze(0))[0];
      };
      const Tensor want = hidden(x, u, i), got = jit(p.f)(x, u, i);
      std::string d = results_differ({got}, {want}, Match::bits);
      count_law(d.empty());
      EXPECT_EQ(d, "") << name;
      expect_compiled(
          name + ", batches", [&](const Vec& v) { return Vec{vmap(p.f)(v[0], v[1], v[2])}; }, {xs, us, both}, Match::bits);
      auto loss = [&](const Tensor& a, const Tensor& b, const Tensor& c) { return sum(sin(hidden(a, b, c))); };
      auto [ga, gb] = grad<0, 1>(loss)(x, u, i);
      auto [ja, jb] = jit(grad<0, 1>(loss))(x, u, i);
      d = results_differ({ja, jb}, {ga, gb}, Match::rounded);
      count_law(d.empty());
      EXPECT_EQ(d, "") << name << ", gradient";
      // In bodies, where the positions change from step to step.
      auto looped = [&](const Vec& v) {
        auto [c, y] = scan(
            [&](const Tensor& c, const Tensor& k) {
              Tensor r = p.f(c, v[1], k);
              return std::pair{c * 0.5 + sum(r) * 0.125, r};
            },
            v[0], v[2]);
        Tensor w = fori_loop(
            0, 2, [&](const Tensor& n, const Tensor& s) { return s * 0.5 + sum(p.f(v[0], v[1], v[2][n])); }, tensor(0.0, f64));
        return Vec{c, y, w};
      };
      expect_compiled(name + ", loops", looped, {x, u, both}, Match::rounded, 8);
    }
}
TEST(NativePositions, that_wrap_round_or_do_not_fit) {
  const Tensor x = numbers({300});
  const lax::GatherDims one{.offset_dims = {}, .collapsed_slice_dims = {0}, .start_index_map = {0}};
  auto at = [=](const Tensor& v, const Tensor& i) { return lax::gather(v, i.unsqueeze(1), one, {1}, OutOfBounds::clip); };
  const std::pair<const char*, std::function<Tensor()>> made[] = {
      {"u8 + 200", [] { return lax::iota(u8, 100) + 200; }},
      {"u8 - 10", [] { return lax::iota(u8, 100) - 10; }},
      {"u8 counted past its end", [] { return lax::iota(u8, 300); }},
      {"i8 + 100", [] { return lax::iota(i8, 100) + 100; }},
      {"i8 * 3", [] { return lax::iota(i8, 100) * 3; }},
      {"i64 to u8", [] { return (lax::iota(i64, 100) + 200).to(u8); }},
      {"i32 past its end, and back as i64", [] { return (lax::iota(i32, 4) + 2147483647).to(i64) - 2147483647; }},
      {"i32 * 2^30", [] { return lax::iota(i32, 5) * 1073741824 + 5; }},
      {"u64", [] { return lax::iota(u64, 5) - 1; }},
      {"slices of those in range", [] { return lax::iota(u8, 50) * 5 + 3; }},
  };
  for (auto& [name, positions] : made) {
    expect_compiled(
        name, [&, f = positions](const Vec& v) { return Vec{at(v[0], f())}; }, {x}, Match::bits);
    expect_compiled(
        std::string(name) + ", scattered",
        [&, f = positions](const Vec& v) {
          const Tensor i = f();
          return Vec{lax::scatter_add(zeros({300}, f64), i.unsqueeze(1), lax::slice(v[0], {0}, {i.numel()}),
                                      {.update_window_dims = {}, .inserted_window_dims = {0}, .scatter_dims_to_operand_dims = {0}},
                                      OutOfBounds::clip)};
        },
        {x}, Match::rounded);
  }
  auto start = [&](auto v) { return tensor(std::vector{v})[0]; };
  const std::pair<const char*, Tensor> starts[] = {{"u64", start(~std::uint64_t(0))},
                                                   {"i64 below", start(INT64_MIN)},
                                                   {"i64 above", start(INT64_MAX)},
                                                   {"u8", start(std::uint8_t(250))},
                                                   {"i8", start(std::int8_t(-128))}};
  for (auto& [name, s] : starts) {
    expect_compiled(
        std::string("constant start, ") + name, [=, s = s](const Vec& v) { return Vec{lax::dynamic_slice(v[0], {s}, {3})}; }, {x}, Match::bits);
    expect_compiled(
        std::string("start, ") + name,
        [](const Vec& v) {
          return Vec{lax::dynamic_slice(v[0], {v[1]}, {3}), lax::dynamic_update_slice(v[0], ones({3}, f64), {v[1]})};
        },
        {x, s}, Match::bits);
  }
}

}  // namespace functra::testing
