// Control flow: messages that name what does not fit.
#include <gtest/gtest.h>

#include <functional>
#include <map>

#include "functra/functra.h"
#include "support/close.h"

namespace ft = functra;
using ft::none;
using ft::NoneType;
using ft::Tensor;

namespace {

Tensor num(double v) { return ft::tensor(v, ft::f64); }
Tensor some(const ft::Shape& s) { return ft::sin(ft::arange(s.numel(), ft::f64) * 1.3 + 0.4).reshape(s); }
struct State {
  Tensor h;
  std::map<std::string, Tensor> named;
};

}  // namespace

TEST(ErrorsOfControlFlow, ACarryThatChangesNamesTheLeaf) {
  State s{some({3}), {{"a", num(1.0)}}};
  auto shape = [](const State& s) { return State{s.h, {{"a", ft::sum(s.h) * s.h}}}; };
  auto dtype = [](const State& s) { return State{s.h.to(ft::f32), s.named}; };
  auto other = [](const State& s) { return State{s.h, {{"b", s.named.at("a")}}}; };
  auto go = [](const State& s) { return s.h[0] < 1.0; };
  auto scan = [&](auto f) { ft::scan([f](const State& c, NoneType) { return std::pair{f(c), none}; }, s, {.length = 2}); };
  auto loop = [&](auto f) { ft::while_loop(go, f, s); };
  auto fori = [&](auto f) {
    ft::fori_loop(
        0, 2, [f](const Tensor&, const State& c) { return f(c); }, s);
  };
  auto check = [&](auto run, std::string who) {
    expect_throw<ft::ShapeError>([&] { run(shape); }, who + ": the carry named['a'] enters as f64[] and leaves as f64[3]; its shape must stay");
    expect_throw<ft::DTypeError>([&] { run(dtype); },
                                 who + ": the carry h enters as f64[3] and leaves as f32[3]; convert the start or the result with to(f32)");
    expect_throw<ft::StructureError>([&] { run(other); },
                                     who + ": the carry enters as {h: *, named: {\"a\": *}} and leaves as {h: *, named: {\"b\": *}}");
  };
  check(scan, "scan");
  check(loop, "while_loop");
  check(fori, "fori_loop");
  // under every transform the same
  auto inside = [&](const Tensor& h) {
    return ft::sum(ft::scan([&](const State& c, NoneType) { return std::pair{shape(c), none}; }, State{h, s.named}, {.length = 2}).first.h);
  };
  for (auto& run :
       std::vector<std::function<void()>>{[&] { ft::grad(inside)(s.h); }, [&] { ft::jit(inside)(s.h); }, [&] { ft::jvp(inside, s.h, s.h); },
                                          [&] {
                                            ft::vmap(inside)(ft::stack({s.h, s.h}));
                                          }})
    expect_throw<ft::ShapeError>(run, "the carry named['a'] enters as f64[] and leaves as f64[3]");
}
TEST(ErrorsOfControlFlow, WhatScanTakes) {
  auto body = [](const Tensor& c, const auto&) { return std::pair{c, none}; };
  expect_throw<ft::ShapeError>([&] { ft::scan(body, num(0.0), std::pair{some({3}), some({4})}); }, "scan: ");
  expect_throw<ft::ShapeError>([&] { ft::scan(body, num(0.0), some({3}), {.length = 4}); }, "scan: ");
  expect_throw<ft::ShapeError>([&] { ft::scan(body, num(0.0), num(1.0)); }, "scan: ");
  expect_throw<ft::ValueError>([&] { ft::scan(body, num(0.0), none, {}); }, "length");
  expect_throw<ft::ValueError>([&] { ft::scan(body, num(0.0), none, {.length = -1}); }, "length");
  expect_throw<ft::ValueError>([&] { ft::scan(body, num(0.0), none, {.length = 2, .checkpoint_every = 0}); },
                               "scan: checkpoint_every is 0, expected at least 1");
  expect_throw<ft::ValueError>([&] { ft::scan(body, num(0.0), none, {.length = 2, .unroll = 0}); }, "scan: unroll is 0, expected at least 1");
  expect_throw<ft::ValueError>([&] { ft::map([](const Tensor& x) { return x; }, some({3}), {.batch_size = 0}); }, "map: batch_size is 0");
  expect_throw<ft::ShapeError>([&] { ft::map([](const Tensor& x) { return x; }, num(1.0)); }, "map: ");
  expect_throw<ft::ValueError>(
      [&] {
        ft::scan([](const Tensor& c, NoneType) { return std::pair{c, Tensor()}; }, num(0.0), {.length = 2});
      },
      "undefined");
  auto add = [](const Tensor& a, const Tensor& b) { return a + b; };
  expect_throw<ft::IndexError>([&] { ft::associative_scan(add, some({3}), {.dim = 1}); }, "associative_scan: ");
  expect_throw<ft::ShapeError>(
      [&] {
        ft::associative_scan([](const Tensor& a, const Tensor&) { return ft::stack({a, a}); }, some({3, 2}));
      },
      "associative_scan: ");
}
TEST(ErrorsOfControlFlow, ConditionsAndBranches) {
  Tensor x = some({3});
  auto id = [](const Tensor& v) { return v; };
  expect_throw<ft::ShapeError>([&] { ft::while_loop([](const Tensor& c) { return c < 1.0; }, id, x); },
                               "while_loop: the condition is bool[3], expected a 0-d bool");
  expect_throw<ft::ShapeError>([&] { ft::while_loop([](const Tensor& c) { return c[0]; }, id, x); },
                               "while_loop: the condition is f64[], expected a 0-d bool");
  expect_throw<ft::DTypeError>([&] { ft::cond(x > 0.0, id, id, x); },
                               "cond: the predicate is bool[3], expected a 0-d bool; compare, or reduce with any() or all()");
  expect_throw<ft::DTypeError>([&] { ft::cond(x[0], id, id, x); }, "cond: the predicate is f64[], expected a 0-d bool");
  expect_throw<ft::DTypeError>([&] { ft::switch_(x[0], std::tuple{id}, x); }, "switch_: the index is f64[], expected a 0-d integer");
  auto pair = [](auto f) { return [f](const Tensor& v) { return State{v, {{"a", f(v)}}}; }; };
  expect_throw<ft::ShapeError>([&] { ft::cond(true, pair(id), pair([](const Tensor& v) { return ft::sum(v); }), x); },
                               "cond: the branches return named['a'] of types f64[] and f64[3]; broadcast to one shape");
  expect_throw<ft::DTypeError>([&] { ft::cond(true, pair(id), pair([](const Tensor& v) { return v.to(ft::f32); }), x); },
                               "cond: the branches return named['a'] of types f32[3] and f64[3]");
  expect_throw<ft::StructureError>(
      [&] {
        ft::cond(
            true, pair(id),
            [](const Tensor& v) {
              return State{v, {}};
            },
            x);
      },
      "cond: the branches return different structures, {h: *, named: {}} and {h: *, named: {\"a\": *}}");
}
