// Passes over the steps of loops: what one step leaves for the next, sums over steps, constants in the order in which they are read.
#include <gtest/gtest.h>

#include "functra/functra.h"
#include "functra/prims/loop.h"
#include "support/close.h"
#include "support/compiled.h"
#include "support/optimised.h"

namespace ft = functra;
using ft::Program;
using ft::Tensor;
using ft::testing::count;
using ft::testing::optimised;
using ft::testing::optimised_differs;

namespace {
Tensor some(const ft::Shape& s, double from = 0.3) { return ft::sin(ft::arange(0, s.numel(), 1, ft::f64) + from).reshape(s); }
// The bodies of the first loop.
std::vector<Program> bodies(const Program& p) {
  std::vector<Program> r;
  for (auto& e : p.ir()->eqns)
    if (r.empty())
      for (auto& inner : ft::core::inner_programs(e)) r.push_back(Program(inner));
  return r;
}
Tensor force(const Tensor& x, const Tensor& w) { return ft::matmul(ft::tanh(ft::matmul(x, w)), x); }
auto leapfrog(std::int64_t length) {
  return [length](const Tensor& x, const Tensor& w, const Tensor& p) {
    auto step = [&](const std::pair<Tensor, Tensor>& c, ft::NoneType) {
      Tensor half = c.second - 0.05 * force(x, c.first), next = c.first + 0.1 * half;
      return std::pair{std::pair{next, half - 0.05 * force(x, next)}, next};
    };
    return ft::scan(step, std::pair{w, p}, {.length = length});
  };
}
}  // namespace

// ---------------------------------------------------------------- rotate
TEST(PassRotate, a_step_begins_with_what_the_one_before_ended_with) {
  for (std::int64_t length : {2, 7}) {
    Program p = ft::make_fx(leapfrog(length))(some({40, 6}), some({6}), some({6}, 1.0)), q = optimised(p, {"inline", "cse", "rotate", "dce"});
    EXPECT_EQ(count(bodies(p)[0], "tanh"), 2u);
    EXPECT_EQ(count(bodies(q)[0], "tanh"), 1u) << q;
    EXPECT_EQ(count(q, "tanh"), 2u) << q;  // one before the loop
    EXPECT_EQ(optimised_differs(p, {some({40, 6}), some({6}), some({6}, 1.0)}, 1e-13), "");
  }
}
TEST(PassRotate, what_saves_nothing_stays) {
  Program once = ft::make_fx(leapfrog(1))(some({40, 6}), some({6}), some({6}));
  EXPECT_EQ(optimised(once, {"inline", "cse", "rotate"}).str(), optimised(once, {"inline", "cse"}).str());
  auto cheap = [](const Tensor& x) {
    auto step = [](const Tensor& c, ft::NoneType) {
      Tensor next = c + ft::sin(c);
      return std::pair{next + 0.0 * ft::sin(next), ft::none};
    };
    return ft::scan(step, x, {.length = 4}).first;
  };
  Program p = ft::make_fx(cheap)(some({3}));
  EXPECT_EQ(optimised(p, {"rotate"}).str(), p.str());
}
TEST(PassRotate, values_that_come_from_a_slice_of_the_next_step_stay) {
  auto f = [](const Tensor& x, const Tensor& w, const Tensor& xs) {
    auto step = [&](const Tensor& c, const Tensor& a) {
      Tensor next = c + 0.1 * force(x, c + a);
      return std::pair{next, ft::sum(force(x, next + a))};
    };
    return ft::scan(step, w, xs);
  };
  Program p = ft::make_fx(f)(some({40, 6}), some({6}), some({5, 6})), q = optimised(p, {"inline", "cse", "rotate", "dce"});
  EXPECT_EQ(count(bodies(q)[0], "tanh"), 2u) << q;
  EXPECT_EQ(optimised_differs(p, {some({40, 6}), some({6}), some({5, 6})}, 1e-13), "");
}

// ---------------------------------------------------------------- stacks
namespace {
template <class F> void sums_outside(F loss, const ft::Vec& in, std::size_t carries) {
  Program p = ft::make_fx(ft::grad<0, 1>(loss))(in[0], in[1], in[2]), q = optimised(p);
  EXPECT_EQ(optimised_differs(p, in, 1e-12), "");
  std::size_t loops = 0;
  for (auto& e : q.ir()->eqns)
    if (std::string(e.prim->name) == "scan" && ++loops == 2) {
      const ft::core::Params params = e.params;
      EXPECT_EQ(static_cast<std::size_t>(params.get<ft::prims::ScanParams>().n_carry), carries) << q;
    }
  EXPECT_EQ(loops, 2u) << q;
}
}  // namespace
TEST(PassStacks, the_gradient_of_a_weight_is_one_product_after_the_loop) {
  auto cell = [](const Tensor& w, const Tensor& b, const Tensor& xs, bool reverse) {
    auto step = [&](const Tensor& h, const Tensor& x) {
      Tensor next = ft::tanh(ft::matmul(h, w) + x + b);
      return std::pair{next, next};
    };
    return ft::sum(ft::square(ft::scan(step, ft::zeros({9}, ft::f64), xs, {.reverse = reverse}).second));
  };
  for (bool reverse : {false, true})
    sums_outside([=](const Tensor& w, const Tensor& b, const Tensor& xs) { return cell(w, b, xs, reverse); }, {some({9, 9}), some({9}), some({6, 9})},
                 1);
  auto batch = [](const Tensor& w, const Tensor& b, const Tensor& xs) {
    auto step = [&](const Tensor& h, const Tensor& x) {
      Tensor next = ft::tanh(ft::matmul(h, w) + x + b);
      return std::pair{next, next};
    };
    return ft::sum(ft::square(ft::scan(step, ft::zeros({3, 20}, ft::f64), xs).second));
  };
  sums_outside(batch, {some({20, 20}), some({20}), some({6, 3, 20})}, 2);  // the carry and the sum of what is not stacked as such
}
TEST(PassStacks, sums_that_the_loop_reads_and_short_loops_stay) {
  auto read = [](const Tensor& u, const Tensor& xs) {
    auto step = [&](const Tensor& m, const Tensor& x) {
      Tensor next = m + x.unsqueeze(1) * x.unsqueeze(0);
      return std::pair{next, ft::sum(m * u)};
    };
    return ft::scan(step, ft::zeros({8, 8}, ft::f64), xs);
  };
  Program p = ft::make_fx(read)(some({8, 8}), some({6, 8})), q = optimised(p);
  EXPECT_EQ(bodies(q)[0].ir()->inputs.size(), bodies(p)[0].ir()->inputs.size()) << q;
  EXPECT_EQ(optimised_differs(p, {some({8, 8}), some({6, 8})}, 1e-13), "");
  auto outer = [](const Tensor& xs) {
    auto step = [](const Tensor& m, const Tensor& x) { return std::pair{m + ft::exp(x).unsqueeze(1) * x.unsqueeze(0), ft::none}; };
    return ft::scan(step, ft::ones({8, 8}, ft::f64), xs).first;
  };
  for (std::int64_t n : {1, 3, 4, 50}) {
    Program r = ft::make_fx(outer)(some({n, 8})), s = optimised(r);
    EXPECT_EQ(count(s, "dot_general"), n >= 4 ? 1u : 0u) << s;
    EXPECT_EQ(optimised_differs(r, {some({n, 8})}, 1e-13), "");
  }
}
TEST(PassStacks, products_of_slices_are_one_product_before_the_loop) {
  auto with = [](bool left) {
    return [left](const Tensor& w, const Tensor& xs) {
      auto step = [&](const Tensor& c, const Tensor& x) { return std::pair{ft::tanh(c + (left ? ft::matmul(x, w) : ft::matmul(w, x))), ft::none}; };
      return ft::scan(step, ft::zeros(left ? ft::Shape{2, 12} : ft::Shape{12, 2}, ft::f64), xs).first;
    };
  };
  for (bool left : {false, true}) {
    const Tensor xs = some(left ? ft::Shape{5, 2, 12} : ft::Shape{5, 12, 2});
    Program p = ft::make_fx(with(left))(some({12, 12}), xs), q = optimised(p);
    EXPECT_EQ(count(bodies(p)[0], "dot_general"), 1u);
    EXPECT_EQ(count(bodies(q)[0], "dot_general"), 0u) << q;
    EXPECT_EQ(count(q, "dot_general"), 1u);
    EXPECT_EQ(optimised_differs(p, {some({12, 12}), xs}, 1e-13), "");
  }
}

// ---------------------------------------------------------------- layouts
TEST(PassLayouts, constants_of_loops_lie_as_their_bodies_read_them) {
  auto f = [](const Tensor& x, const Tensor& w) {
    auto step = [&](const Tensor& c, ft::NoneType) { return std::pair{c - 0.01 * ft::matmul(ft::sin(ft::matmul(x, c)), x), ft::none}; };
    return ft::scan(step, w, {.length = 5}).first;
  };
  const Tensor x = some({300, 12}), w = some({12});
  Program p = ft::make_fx(f)(x, w), q = optimised(p);
  const auto body = bodies(q)[0].ir();
  EXPECT_EQ(body->type(body->inputs[0]).shape, (ft::Shape{12, 304})) << q;  // rows begin at lines of the cache
  EXPECT_EQ(optimised_differs(p, {x, w}, 1e-13), "");
  auto g = [](const Tensor& x, const Tensor& w) {  // a loop without a known number of steps
    return ft::while_loop([](const Tensor& c) { return ft::sum(ft::abs(c)) < 1e3; },
                          [&](const Tensor& c) { return c * 2.0 + ft::matmul(ft::sin(ft::matmul(x, c)), x); }, w);
  };
  Program r = ft::make_fx(g)(x, w);
  EXPECT_EQ(optimised_differs(r, {x, w}, 1e-11), "");
  const ft::Vec native = ft::testing::run_native(r, {x, w}), plain = ft::testing::run_native(r, {x, w}, {"layouts"});
  EXPECT_EQ(ft::testing::difference(native, plain, 1e-12), "");
}
