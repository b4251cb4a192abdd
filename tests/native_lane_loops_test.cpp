// Loops over a batch whose lanes do not see each other: one nest steps a block of lanes. And those that only look like it.
#include <gtest/gtest.h>

#include "support/compiled.h"

namespace functra::testing {
namespace {

Tensor number(double v) { return tensor(v, f64); }

struct Case {
  std::string name;
  std::vector<Shape> in;  // of one lane
  Leaves f;
  bool differentiable = true;
};
std::vector<Case> scans() {
  auto step = [](const Tensor& c, const Tensor& x) {
    Tensor y = sin(c) + x * 0.5;
    return std::pair{y, y * x};
  };
  auto both = [](const auto& r) { return Vec{r.first, r.second}; };
  using Two = std::pair<Tensor, Tensor>;
  return {
      {"scan", {{}, {9}}, [=](const Vec& v) { return both(scan(step, v[0], v[1])); }},
      {"reverse", {{}, {9}}, [=](const Vec& v) { return both(scan(step, v[0], v[1], {.reverse = true})); }},
      {"one step", {{}, {1}}, [=](const Vec& v) { return both(scan(step, v[0], v[1])); }},
      {"no steps", {{}, {0}}, [=](const Vec& v) { return both(scan(step, v[0], v[1])); }},
      {"records", {{3}, {9, 3}}, [=](const Vec& v) { return both(scan(step, v[0], v[1])); }},
      {"matrices",
       {{3}, {3, 3}, {6, 3}},
       [=](const Vec& v) {
         return both(scan(
             [&](const Tensor& c, const Tensor& x) {
               Tensor y = tanh(matmul(v[1], c) + x);
               return std::pair{y, sum(y)};
             },
             v[0], v[2]));
       }},
      {"without slices",
       {{}},
       [=](const Vec& v) {
         return both(scan([](const Tensor& c, NoneType) { return std::pair{cos(c), c * c}; }, v[0], {.length = 6}));
       }},
      {"carries exchanged, passed through and made twice",
       {{4}, {4}, {}, {7}},
       [](const Vec& v) {
         auto [c, y] = scan(
             [](const std::tuple<Tensor, Tensor, Tensor, Tensor>& c, const Tensor& x) {
               Tensor n = std::get<0>(c) * x;
               return std::pair{std::tuple{std::get<1>(c), std::get<0>(c), std::get<2>(c), n}, std::pair{n, x}};
             },
             std::tuple{v[0], v[1], v[2], v[0]}, v[3]);
         return Vec{std::get<0>(c), std::get<1>(c), std::get<2>(c), std::get<3>(c), y.first, y.second};
       }},
      {"a carry that all lanes share",
       {{}, {7}},
       [](const Vec& v) {
         auto [c, y] = scan(
             [](const Two& c, const Tensor& x) {
               return std::pair{Two{c.first + 1.0, c.second * x + c.first}, c.first};
             },
             Two{tensor(0.5, v[0].dtype()), v[0]}, v[1]);
         return Vec{c.first, c.second, y};
       }},
      {"masks and integers",
       {{}, {7}},
       [](const Vec& v) {
         auto [c, y] = scan(
             [](const Two& c, const Tensor& x) {
               Tensor m = (x > 0) ^ c.first;
               return std::pair{Two{m, c.second + where(m, 1, 3)}, where(m, x, -x)};
             },
             Two{v[0] > 0, zeros({}, i64)}, v[1]);
         return Vec{c.first, c.second, y};
       },
       false},
      {"counted by an index",
       {{2}},
       [](const Vec& v) {
         return Vec{fori_loop(
             0, 12, [](const Tensor& i, const Tensor& a) { return a * 0.5 + i.to(f64); }, v[0])};
       }},
  };
}
std::vector<Case> whiles() {
  using Two = std::pair<Tensor, Tensor>;
  auto grow = [](const Two& c) { return Two{c.first * 1.5 + 0.1, c.second + 1}; };
  return {
      {"a predicate per lane",
       {{}},
       [=](const Vec& v) {
         auto r = while_loop([](const Two& c) { return c.first < 3; }, grow, Two{abs(v[0]), zeros({}, i64)});
         return Vec{r.first, r.second};
       },
       false},
      {"no steps in any lane",
       {{}},
       [=](const Vec& v) {
         auto r = while_loop([](const Two& c) { return c.first < -100; }, grow, Two{v[0], zeros({}, i64)});
         return Vec{r.first, r.second};
       },
       false},
      {"a predicate that all lanes share",
       {{3}},
       [=](const Vec& v) {
         auto r = while_loop([](const Two& c) { return c.second < 5; }, grow, Two{v[0], zeros({}, i64)});
         return Vec{r.first, r.second};
       },
       false},
      {"records and a predicate per lane",
       {{3}, {3}},
       [](const Vec& v) {
         return Vec{while_loop([](const Tensor& c) { return sum(c * c) < 20; }, [&](const Tensor& c) { return c * 1.3 + abs(v[1]); }, v[0])};
       },
       false},
      {"bounded",
       {{}},
       [=](const Vec& v) {
         auto r = while_loop([](const Tensor& c) { return c < 3; }, [](const Tensor& c) { return c * c + 0.5; }, abs(v[0]), {.max_steps = 40});
         return Vec{r};
       }},
  };
}
Vec batch(const Case& c, std::int64_t lanes, DType d) {
  Vec r;
  for (std::size_t k = 0; k < c.in.size(); ++k) r.push_back(numbers(c.in[k].with(0, lanes), d, static_cast<int>(k)));
  return r;
}
Leaves batched(const Case& c) {
  return [=](const Vec& v) { return vmap([&](const Vec& u) { return c.f(u); })(v); };
}
std::string nests(const Leaves& f, const Vec& in) { return jit(f).trace(in).lower().text(); }
void expect_lanes(const std::string& name, const Leaves& f, const Vec& in, bool expected) {
  EXPECT_EQ(nests(f, in).find("  steps ") != std::string::npos, expected) << name;
}

}  // namespace

TEST(NativeLaneLoops, batched_loops_give_what_plain_evaluation_gives) {
  Sampled sampled(4);
  for (auto& list : {scans(), whiles()})
    for (const Case& c : list)
      for (std::int64_t lanes : {2, 17, 31, 64, 130}) {
        expect_compiled(c.name + " of " + std::to_string(lanes), batched(c), batch(c, lanes, f64), Match::rounded, 64);
        if (lanes == 31) expect_compiled(c.name + " in f32", batched(c), batch(c, lanes, f32), Match::rounded, 64);
      }
}
TEST(NativeLaneLoops, they_are_one_nest) {
  for (const Case& c : scans()) expect_lanes(c.name, batched(c), batch(c, 130, f64), c.name != "no steps" && c.name != "one step");
  for (const Case& c : whiles()) expect_lanes(c.name, batched(c), batch(c, 130, f64), c.name != "bounded");
}
TEST(NativeLaneLoops, derivatives) {
  Sampled sampled(3);
  for (auto& list : {scans(), whiles()})
    for (const Case& c : list) {
      if (!c.differentiable) continue;
      auto gradient = [=](const Vec& v) {
        return grad([&](const Vec& u) {
          Tensor s = number(0);
          for (const Tensor& y : c.f(u)) s = s + sum(y * y);
          return s;
        })(v);
      };
      Leaves lanes = [=](const Vec& v) { return vmap(gradient)(v); };
      expect_compiled("gradient of " + c.name, lanes, batch(c, 33, f64), Match::rounded, 256);
      Leaves tangent = [=](const Vec& v) { return vmap([&](const Vec& u) { return jvp(gradient, u, u).second; })(v); };
      expect_compiled("second derivative of " + c.name, tangent, batch(c, 33, f64), Match::rounded, 1024);
    }
}
TEST(NativeLaneLoops, lanes_end_at_their_own_step) {
  // The Collatz sequence: from 1 to over 100 steps beside each other.
  auto steps = [](const Tensor& n) {
    using Two = std::pair<Tensor, Tensor>;
    return while_loop([](const Two& c) { return c.first != 1; },
                      [](const Two& c) {
                        return Two{where(c.first % 2 == 0, floor_divide(c.first, 2), 3 * c.first + 1), c.second + 1};
                      },
                      Two{n, zeros({}, i64)})
        .second;
  };
  Tensor r = jit(vmap(steps))(arange(1, 1001));
  auto v = r.to_vector<std::int64_t>();
  for (std::size_t i = 0; i < v.size(); ++i) {
    std::int64_t n = static_cast<std::int64_t>(i) + 1, k = 0;
    for (; n != 1; ++k) n = n % 2 ? 3 * n + 1 : n / 2;
    ASSERT_EQ(v[i], k) << i + 1;
  }
}
TEST(NativeLaneLoops, special_values_stay_in_their_lane) {
  const double inf = std::numeric_limits<double>::infinity(), nan = std::numeric_limits<double>::quiet_NaN();
  Tensor x = stack({tensor({1.0, nan, -inf, -0.0, 0.5, inf, 1e-310, -2.0}, f64)}).expand({5, 8}).reshape({40});
  auto f = [](const Vec& v) {
    return Vec{vmap(
        [](const Tensor& a) { return while_loop([](const Tensor& c) { return c < 4; }, [](const Tensor& c) { return c * c + 0.3; }, a); })(v[0])};
  };
  auto bounded = [](const Vec& v) {
    return Vec{vmap([](const Tensor& a) {
      return scan([](const Tensor& c, NoneType) { return std::pair{c * -1.5, c}; }, a, {.length = 5}).second;
    })(v[0])};
  };
  Tensor safe = where(x == -inf, number(1), x);
  expect_compiled("while", f, {safe}, Match::rounded, 64);
  expect_compiled("scan", bounded, {x}, Match::rounded, 64);
}
TEST(NativeLaneLoops, a_mask_that_the_program_writes_itself) {
  Tensor x = abs(numbers({70})), w = numbers({70}, f64, 1);
  Leaves masked = [](const Vec& v) {
    return Vec{
        while_loop([](const Tensor& c) { return any(c < 3); }, [&](const Tensor& c) { return where(c < 3, c * 1.25 + abs(v[1]) + 0.1, c); }, v[0])};
  };
  expect_compiled("masked", masked, {x, w}, Match::rounded, 64);
  expect_lanes("masked", masked, {x, w}, true);
  // Here a lane goes on while another one does.
  Leaves open = [](const Vec& v) {
    return Vec{while_loop([](const Tensor& c) { return any(c < 3); }, [&](const Tensor& c) { return c * 1.25 + abs(v[1]) + 0.1; }, v[0])};
  };
  expect_compiled("without a mask", open, {x, w}, Match::rounded, 64);
  expect_lanes("without a mask", open, {x, w}, false);
  Leaves all_of = [](const Vec& v) {
    return Vec{while_loop([](const Tensor& c) { return all(c < 3); }, [&](const Tensor& c) { return c * 1.25 + abs(v[1]) + 0.1; }, v[0])};
  };
  expect_compiled("all", all_of, {x, w}, Match::rounded, 64);
  expect_lanes("all", all_of, {x, w}, false);
}
TEST(NativeLaneLoops, lanes_that_see_each_other_do_not_run_alone) {
  Tensor x = numbers({70}), xs = numbers({5, 70}, f64, 1);
  auto loop = [](auto body) -> Leaves {
    return [=](const Vec& v) {
      auto r = scan([=](const Tensor& c, const Tensor& a) { return std::pair{body(c, a), c}; }, v[0], v[1]);
      return Vec{r.first, r.second};
    };
  };
  auto neighbour = loop([](const Tensor& c, const Tensor& a) { return roll(c, 1, 0) * 0.5 + a; });
  auto mirror = loop([](const Tensor& c, const Tensor& a) { return flip(c, {0}) * 0.5 + a; });
  auto total = loop([](const Tensor& c, const Tensor& a) { return c * 0.5 + sum(a); });
  auto first = loop([](const Tensor& c, const Tensor& a) { return c[0] * 0.5 + a; });
  int k = 0;
  for (auto& f : {neighbour, mirror, total, first}) {
    std::string name = "case " + std::to_string(k++);
    expect_compiled(name, f, {x, xs}, Match::rounded, 64);
    expect_lanes(name, f, {x, xs}, false);
  }
  // The other lanes of a slice may be seen: they do not change.
  auto slice = loop([](const Tensor& c, const Tensor& a) { return c * 0.5 + flip(a, {0}); });
  expect_compiled("slices", slice, {x, xs}, Match::rounded, 64);
}
TEST(NativeLaneLoops, tables_and_layouts) {
  // Two dimensions of lanes, lanes that are not the last dimension, and a constant that all lanes read.
  Leaves table = [](const Vec& v) {
    auto r = scan([&](const Tensor& c, const Tensor& x) { return std::pair{sin(c) * x + v[2], c}; }, v[0], v[1]);
    return Vec{r.first, r.second};
  };
  expect_compiled("table", table, {numbers({19, 40}), numbers({6, 19, 40}, f64, 1), numbers({40}, f64, 2)}, Match::rounded, 64);
  expect_lanes("table", table, {numbers({19, 40}), numbers({6, 19, 40}, f64, 1), numbers({40}, f64, 2)}, true);
  Leaves last = [](const Vec& v) {
    auto r = scan([&](const Tensor& c, const Tensor& x) { return std::pair{c * x + v[2].unsqueeze(1), c[1] - c[0]}; }, v[0], v[1]);
    return Vec{r.first, r.second};
  };
  expect_compiled("last", last, {numbers({3, 50}), numbers({6, 3, 50}, f64, 1), numbers({3}, f64, 2)}, Match::rounded, 64);
  expect_lanes("last", last, {numbers({3, 50}), numbers({6, 3, 50}, f64, 1), numbers({3}, f64, 2)}, true);
}

}  // namespace functra::testing
