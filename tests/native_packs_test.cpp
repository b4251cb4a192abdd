// Code that computes a point at a time: alike values packed in vectors, loops in registers, and residuals made again along the way.
#include <gtest/gtest.h>

#include <numbers>

#include "functra/aot/aot.h"
#include "functra/compiler/passes.h"
#include "support/compiled.h"

namespace functra::testing {
namespace {

Tensor shaped(const Shape& s, DType d = f64, int seed = 0) { return numbers(s, d, seed); }
// ---------------------------------------------------------------- straight-line code, every size of a pack and of its rest
TEST(NativePacks, rows_of_every_length) {
  for (DType d : {f32, f64, i32, i64, u8})
    for (std::int64_t n = 1; n <= 19; ++n) {
      const std::string name = std::string(name_of(d)) + " " + std::to_string(n);
      expect_compiled("sum of outer products, " + name,
                      [](const Vec& v) {
                        Tensor a = v[0].unsqueeze(0) * v[1].unsqueeze(1);
                        return Vec{sum(a, 0), sum(a, 1), a.t()};
                      },
                      {shaped({n > 6 ? 6 : n}, d), shaped({n}, d, 1)});
      if (is_floating(d))
        expect_compiled("functions, " + name,
                        [](const Vec& v) {
                          return Vec{sin(v[0]) / (1.0 + v[0] * v[0]), sum(exp(v[0]) * v[0])};
                        },
                        {shaped({n}, d)});
    }
}
TEST(NativePacks, masks_and_choices) {
  for (std::int64_t n : {2, 3, 5, 8, 9})
    expect_compiled("choices of " + std::to_string(n),
                    [](const Vec& v) {
                      Tensor low = v[0] < v[1], m = logical_and(low, v[0] > -0.5);
                      return Vec{where(m, v[0], v[1] * 2.0), low, logical_not(m), any(m), v[0].to(i32), low.to(f64) * v[1]};
                    },
                    {shaped({n}), shaped({n}, f64, 3)});
}
TEST(NativePacks, functions_of_single_numbers_share_a_vector) {
  auto f = [](const Tensor& x) {
    Vec r;
    for (int i = 0; i < 5; ++i) r.push_back(sin(x[i]) * cos(x[4 - i]));
    return stack(r);
  };
  expect_compiled("sines", [=](const Vec& v) { return Vec{f(v[0])}; }, {shaped({5})});
  EXPECT_NE(jit(f).trace(shaped({5})).lower().text().find("packed"), std::string::npos);
}
// What is rare may happen in one lane of a pack that has lanes without a value.
TEST(NativePacks, rare_lanes) {
  const double inf = std::numeric_limits<double>::infinity(), nan = std::numeric_limits<double>::quiet_NaN();
  for (std::size_t n : {2u, 3u, 5u, 7u})
    for (double odd : {1e300, -1e22, inf, nan, 0.0, -0.0, 5e-324})
      for (std::size_t k = 0; k < n; ++k) {
        std::vector<double> x(n, 0.7);
        x[k] = odd;
        Tensor t = tensor(x, f64);
        expect_compiled("rare lane",
                        [](const Vec& v) {
                          Vec parts;
                          for (std::int64_t i = 0; i < v[0].size(0); ++i) parts.push_back(sin(v[0][i]));
                          return Vec{stack(parts), cos(v[0]), log(v[0]), v[0] - v[0]};
                        },
                        {t});
      }
}
// A lane in which an addition has vanished, since it was of a structural zero, keeps its value, sign of zero included.
TEST(NativePacks, lanes_without_an_operation) {
  Leaves f = [](const Vec& v) {
    Tensor a = stack({v[0][0], v[0][1] + v[1][1], v[0][2] * v[1][2] + v[1][0], v[0][3] * v[1][3]});
    return Vec{a * a};
  };
  for (double z : {-0.0, 0.0, 1.0}) expect_compiled("zeros", f, {tensor({z, z, z, z}, f64), tensor({-0.0, 0.0, -1.0, z}, f64)}, Match::bits);
}
TEST(NativePacks, jacobians_of_small_chains) {
  auto turn = [](const Tensor& q) {
    Tensor t = eye(3, f64);
    for (int i = 0; i < 4; ++i) {
      Tensor c = cos(q[i]), s = sin(q[i]);
      t = matmul(t, stack({c, -s, 0.3 * c, s, c, 0.2 * s, 0.0, 0.0, 1.0}).reshape({3, 3}));
    }
    return t.index({Slice(0, 2)}).reshape(6);
  };
  Vec in{shaped({4})};
  expect_compiled(
      "jacfwd", [=](const Vec& v) { return Vec{jacfwd(turn)(v[0])}; }, in);
  expect_compiled(
      "jacrev", [=](const Vec& v) { return Vec{jacrev(turn)(v[0])}; }, in);
  expect_compiled(
      "hessian", [=](const Vec& v) { return Vec{hessian([=](const Tensor& q) { return sum(square(turn(q))); })(v[0])}; }, in);
}

// ---------------------------------------------------------------- loops in registers
Tensor pull(const Tensor& q) {  // between n bodies in the plane
  Tensor d = q.unsqueeze(0) - q.unsqueeze(1);
  return sum(d * pow(sum(d * d, -1) + 0.1, -1.5).unsqueeze(-1), 1);
}
Tensor orbit(const Tensor& s, std::int64_t bodies, std::int64_t length) {
  auto rate = [=](const Tensor& s) {
    Tensor q = s.index({Slice(0, 2 * bodies)}).reshape({bodies, 2});
    return cat({s.index({Slice(2 * bodies)}), pull(q).reshape(2 * bodies)});
  };
  auto step = [=](const Tensor& s, NoneType) {
    Tensor k = rate(s), l = rate(s + 0.005 * k);
    return std::pair{s + 0.01 * l, none};
  };
  return sum(square(scan(step, s, {.length = length}).first));
}
TEST(NativePacks, orbits_and_their_derivatives) {
  for (std::int64_t bodies : {2, 3, 4, 5})
    for (std::int64_t length : {1, 2, 40}) {
      const std::string name = std::to_string(bodies) + " bodies, " + std::to_string(length) + " steps";
      auto f = [=](const Tensor& s) { return orbit(s, bodies, length); };
      Vec in{shaped({4 * bodies})};
      expect_compiled(
          name,
          [=](const Vec& v) {
            return Vec{f(v[0]), grad(f)(v[0])};
          },
          in, Match::rounded, 100);
      expect_compiled(
          "jvp, " + name, [=](const Vec& v) { return Vec{jvp(f, v[0], cos(v[0])).second}; }, in, Match::rounded, 100);
      if (bodies == 3 && length < 40)
        expect_compiled(
            "hessian, " + name, [=](const Vec& v) { return Vec{hessian(f)(v[0])}; }, in, Match::rounded, 100);
    }
}
TEST(NativePacks, carries_of_every_kind) {
  for (bool reverse : {false, true})
    for (std::int64_t n : {1, 2, 3, 4, 7, 9, 16}) {
      const std::string name = std::to_string(n) + (reverse ? " back" : "");
      expect_compiled("matrix and mask, " + name,
                      [=](const Vec& v) {
                        using State = std::tuple<Tensor, Tensor, Tensor, Tensor>;
                        auto step = [](const State& c, const Tensor& x) {
                          auto& [a, count, low, constant] = c;
                          Tensor next = 0.5 * a.t() + x.unsqueeze(0) * 0.1;
                          return std::pair{State{next, count + 1, logical_xor(low, x > 0.0), constant}, std::pair{sum(next, 0) * constant, low}};
                        };
                        auto [c, y] = scan(step, State{v[0], full({}, 3, i32), v[1] > 0.0, full({}, 2.0, f64)}, v[2], {.reverse = reverse});
                        return Vec{std::get<0>(c), std::get<1>(c), std::get<2>(c), std::get<3>(c), y.first, y.second};
                      },
                      {shaped({n, n}), shaped({n}, f64, 1), shaped({6, n}, f64, 2)});
      expect_compiled(
          "recurrent cell, " + name,
          [=](const Vec& v) {
            auto loss = [&](const Tensor& w, const Tensor& h) {
              auto cell = [&](const Tensor& h, const Tensor& x) {
                Tensor next = tanh(matmul(w, h) + x);
                return std::pair{next, next};
              };
              return sum(square(scan(cell, h, v[2], {.reverse = reverse}).second));
            };
            auto [a, b] = grad<0, 1>(loss)(v[0], v[1]);
            return Vec{a, b};
          },
          {shaped({n, n}), shaped({n}, f64, 1), shaped({6, n}, f64, 2)}, Match::rounded, 10);
    }
}
TEST(NativePacks, factorisations_in_a_loop) {
  auto f = [](const Tensor& a, const Tensor& ys) {
    auto step = [&](const Tensor& p, const Tensor& y) {
      Tensor s = matmul(matmul(a, p), a.t()) + eye(3, f64), l = linalg::cholesky(s);
      Tensor w = linalg::solve_triangular(l, y.unsqueeze(1)).squeeze(1);
      return std::pair{0.3 * s, dot(w, w) + sum(log(diag(l)))};
    };
    return sum(scan(step, eye(3, f64), ys).second);
  };
  expect_compiled(
      "filter",
      [=](const Vec& v) {
        auto [a, y] = grad<0, 1>(f)(v[0], v[1]);
        return Vec{f(v[0], v[1]), a, y};
      },
      {shaped({3, 3}), shaped({20, 3})}, Match::rounded, 100);
}

// ---------------------------------------------------------------- what is stacked
TEST(NativePacks, backward_loops_make_cheap_values_again) {
  auto f = [](const Tensor& s) { return orbit(s, 3, 400); };
  Program p = make_fx([=](const Tensor& s) { return grad(f)(s); })(shaped({12}));
  auto stacked = [&](const std::vector<std::string>& off) {  // bytes of slices that the second loop reads
    auto q = compiler::optimize(p.ir(), off);
    std::int64_t bytes = 0;
    for (auto& e : q->eqns)
      for (std::uint32_t k = 0; k < e.n_out; ++k) {
        const Aval& t = q->type(static_cast<core::Var>(e.out + k));
        if (t.shape.rank() > 1 && t.shape[0] == 400) bytes += t.shape.numel() / 400 * static_cast<std::int64_t>(size_of(t.dtype));
      }
    return bytes;
  };
  const std::vector<std::string> without{"cut"};
  EXPECT_LT(3 * stacked({}), 2 * stacked(without));
  expect_compiled(
      "cut", [=](const Vec& v) { return Vec{grad(f)(v[0])}; }, {shaped({12})}, Match::rounded, 1000);
}
TEST(NativePacks, a_cut_keeps_what_others_read) {
  // The stacked results are an output as well; the loops run in both directions; a constant and a slice of the first are needed again.
  auto f = [](const Tensor& w, const Tensor& c, const Tensor& xs) {
    auto step = [&](const Tensor& c, const Tensor& x) {
      Tensor a = c * w + x, b = a * a - x * w, d = exp(-b * b);
      return std::pair{c + 0.01 * d, std::tuple{a, b, d}};
    };
    return scan(step, c, xs);
  };
  expect_compiled(
      "read by others",
      [=](const Vec& v) {
        auto [last, ys] = f(v[0], v[1], v[2]);
        auto [a, b, d] = ys;
        auto along = [&](const Tensor& s, const std::tuple<Tensor, Tensor, Tensor>& y) {
          auto& [a, b, d] = y;
          return std::pair{s + a * b, s * d - b};
        };
        auto [s, r] = scan(along, v[1], ys, {.reverse = true});
        auto [t, u] = scan(along, last, ys);
        return Vec{s, r, t, u, sum(b)};
      },
      {shaped({40}), shaped({40}, f64, 1), shaped({600, 40}, f64, 2)}, Match::rounded, 100);
}

}  // namespace
}  // namespace functra::testing
