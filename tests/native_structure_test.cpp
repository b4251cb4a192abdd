// Compiled movement of elements, contractions and calls of kernels: alone, between elementwise work, with several consumers, and their
// derivatives and batches.
#include <gtest/gtest.h>

#include "support/compiled.h"

namespace functra::testing {
namespace {

struct Case {
  std::string name;
  std::vector<Shape> in;
  std::function<Tensor(const Vec&)> f;
  bool differentiable = true;
};
Vec inputs(const Case& c, DType d = f64) {
  Vec r;
  for (std::size_t k = 0; k < c.in.size(); ++k) r.push_back(numbers(c.in[k], d, static_cast<int>(k)));
  return r;
}
Tensor at(std::vector<std::int64_t> v) { return tensor(v, i64); }

std::vector<Case> movements() {
  return {
      {"slice", {{37}}, [](const Vec& v) { return lax::slice(v[0], {3}, {30}, Shape{4}); }},
      {"slice of a table",
       {{9, 33}},
       [](const Vec& v) {
         return lax::slice(v[0], {1, 5}, {8, 30}, Shape{3, 2});
       }},
      {"empty slice",
       {{9, 33}},
       [](const Vec& v) {
         return lax::slice(v[0], {4, 5}, {4, 30});
       },
       false},
      {"pad",
       {{6, 19}},
       [](const Vec& v) {
         return lax::pad(v[0], 0.5, {{1, 2, 0}, {3, 0, 0}});
       }},
      {"negative pad",
       {{6, 19}},
       [](const Vec& v) {
         return lax::pad(v[0], 0.5, {{-1, 2, 0}, {3, -5, 0}});
       }},
      {"interior pad",
       {{5, 20}},
       [](const Vec& v) {
         return lax::pad(v[0], -1.0, {{0, 0, 2}, {1, 1, 1}});
       }},
      {"negative interior pad",
       {{20}},
       [](const Vec& v) {
         return lax::pad(v[0], 2.0, {{-2, -3, 3}});
       }},
      {"pad of nothing",
       {{0, 3}},
       [](const Vec& v) {
         return lax::pad(v[0], 2.0, {{2, 1, 0}, {0, 0, 0}});
       },
       false},
      {"cat",
       {{5, 7}, {3, 7}, {1, 7}},
       [](const Vec& v) {
         return cat({v[0], v[1], v[2]}, 0);
       }},
      {"cat of columns",
       {{21, 3}, {21, 30}},
       [](const Vec& v) {
         return cat({v[0], v[1], v[0]}, 1);
       }},
      {"cat of one",
       {{21, 3}},
       [](const Vec& v) {
         return cat({v[0], v[0]}, 1);
       }},
      {"long cat",
       {{40}, {23}, {100}},
       [](const Vec& v) {
         return cat({v[0], v[1], v[2], v[1] * 2.0}, 0);
       }},
      {"stack",
       {{18}, {18}},
       [](const Vec& v) {
         return stack({v[0], v[1], v[0] * v[1]}, 1);
       }},
      {"stack of few",
       {{3, 2}, {3, 2}},
       [](const Vec& v) {
         return stack({v[0], v[1]}, 1);
       }},
      {"transpose", {{33, 20}}, [](const Vec& v) { return v[0].t(); }},
      {"small transpose",
       {{3, 4, 2}},
       [](const Vec& v) {
         return v[0].permute({2, 0, 1});
       }},
      {"turn of three",
       {{5, 17, 18}},
       [](const Vec& v) {
         return v[0].permute({1, 2, 0});
       }},
      {"reverse", {{7, 35}}, [](const Vec& v) { return flip(v[0], {1}); }},
      {"reverse both",
       {{7, 35}},
       [](const Vec& v) {
         return flip(v[0], {0, 1});
       }},
      {"split of axes",
       {{4, 60}},
       [](const Vec& v) {
         return v[0].reshape({2, 2, 5, 12});
       }},
      {"merge of axes",
       {{4, 5, 12}},
       [](const Vec& v) {
         return v[0].reshape({20, 12});
       }},
      {"split and merge",
       {{4, 15, 12}},
       [](const Vec& v) {
         return v[0].reshape({12, 5, 12});
       }},
      {"odd reshape",
       {{6, 35}},
       [](const Vec& v) {
         return v[0].reshape({14, 15});
       }},
      {"reshape of a transpose",
       {{6, 35}},
       [](const Vec& v) {
         return v[0].t().reshape({7, 30});
       }},
      {"reshape of a reverse",
       {{6, 34}},
       [](const Vec& v) {
         return flip(v[0], {1}).reshape({3, 2, 2, 17});
       }},
      {"reshape of a slice",
       {{10, 34}},
       [](const Vec& v) {
         return lax::slice(v[0], {1, 2}, {9, 32}, Shape{2, 1}).reshape({120});
       }},
      {"flat steps of a transpose after others",
       {{5, 8}, {5}},
       [](const Vec& v) {
         return cat({v[1], lax::slice(v[0].t().reshape({40}), {2}, {40}, Shape{5})}, 0);
       }},
      {"flat steps of a long transpose after others",
       {{20, 80}, {50}},
       [](const Vec& v) {
         return cat({v[1], lax::slice(v[0].t().reshape({1600}), {7}, {1600}, Shape{20})}, 0);
       }},
      {"ones dropped and added",
       {{1, 17, 1, 3}},
       [](const Vec& v) {
         return v[0].reshape({17, 3}).unsqueeze(1).unsqueeze(-1);
       }},
      {"rows repeated",
       {{33}},
       [](const Vec& v) {
         return expand(v[0], {5, 33}) * 1.0;
       }},
      {"columns repeated",
       {{21}},
       [](const Vec& v) {
         return expand(v[0].unsqueeze(1), {21, 19}) * 1.0;
       }},
      {"middle repeated",
       {{6, 18}},
       [](const Vec& v) {
         return expand(v[0].unsqueeze(1), {6, 4, 18}) * 1.0;
       }},
      {"outer sum", {{21}, {35}}, [](const Vec& v) { return v[0].unsqueeze(1) + v[1] * v[1]; }},
      {"roll", {{41}}, [](const Vec& v) { return roll(v[0], {5}); }},
      {"tile",
       {{3, 7}},
       [](const Vec& v) {
         return tile(v[0], {2, 3});
       }},
      {"diagonal", {{20, 20}}, [](const Vec& v) { return diagonal(v[0], 1); }},
      {"lower triangle",
       {{19, 19}},
       [](const Vec& v) {
         return where(lax::broadcasted_iota(i64, {19, 19}, 0) >= lax::broadcasted_iota(i64, {19, 19}, 1), v[0], 0.0);
       }},
      {"iota",
       {{6, 33}},
       [](const Vec& v) {
         return v[0] * lax::broadcasted_iota(f64, {6, 33}, 1) + lax::broadcasted_iota(f64, {6, 33}, 0);
       }},
      {"iota of the other kind",
       {{40, 3}},
       [](const Vec& v) {
         return v[0] + flip(lax::broadcasted_iota(DType::i32, {40, 3}, 0), {0}) * lax::broadcasted_iota(DType::u8, {40, 3}, 1);
       }},
      {"checkerboard by interior pads",
       {{9, 17}},
       [](const Vec& v) {
         return lax::pad(v[0], 0.0, {{0, 1, 1}, {0, 1, 1}}) + lax::pad(v[0] * v[0], 0.0, {{1, 0, 1}, {1, 0, 1}});
       }},
      {"kernel shape of borders",
       {{3, 40}},
       [](const Vec& v) {
         return lax::slice(v[0], {0, 2}, {3, 40}) - 2.0 * lax::slice(v[0], {0, 1}, {3, 39}) + lax::slice(v[0], {0, 0}, {3, 38});
       }},
  };
}
std::vector<Case> contractions() {
  std::vector<Case> r;
  for (auto [m, k, n] : {std::tuple{1, 1, 1},
                         {3, 4, 2},
                         {3, 64, 5},
                         {2, 65, 2},
                         {17, 3, 33},
                         {40, 5, 3},
                         {70, 20, 70},
                         {100, 2, 100},
                         {1, 300, 1},
                         {3, 0, 2},
                         {20, 1, 20}})
    r.push_back({"matmul " + Shape{m, k, n}.str(), {{m, k}, {k, n}}, [](const Vec& v) { return matmul(v[0], v[1]); }, k > 0});
  r.push_back({"matrix times vector", {{33, 5}, {5}}, [](const Vec& v) { return matmul(v[0], v[1]); }});
  r.push_back({"vector times matrix", {{70}, {70, 33}}, [](const Vec& v) { return matmul(v[0], v[1]); }});
  r.push_back({"inner product", {{50}, {50}}, [](const Vec& v) { return matmul(v[0], v[1]); }});
  r.push_back({"long inner product", {{500}, {500}}, [](const Vec& v) { return matmul(v[0], v[1]); }});
  r.push_back({"outer product", {{20}, {33}}, [](const Vec& v) { return einsum("i,j->ij", {v[0], v[1]}); }});
  r.push_back({"batch of small", {{40, 3, 4}, {40, 4, 2}}, [](const Vec& v) { return matmul(v[0], v[1]); }});
  r.push_back({"batch of large", {{3, 33, 20}, {3, 20, 17}}, [](const Vec& v) { return matmul(v[0], v[1]); }});
  r.push_back({"batch in the middle", {{4, 30, 5}, {30, 5, 3}}, [](const Vec& v) { return einsum("abc,bcd->dab", {v[0], v[1]}); }});
  r.push_back({"two contracted", {{4, 5, 30}, {5, 4, 3}}, [](const Vec& v) { return einsum("abc,bad->cd", {v[0], v[1]}); }});
  r.push_back({"transposed product", {{17, 20}, {33, 17}}, [](const Vec& v) { return matmul(v[0].t(), v[1].t()); }});
  r.push_back({"square of itself", {{5, 5}}, [](const Vec& v) { return matmul(matmul(v[0], v[0]), v[0].t()); }});
  r.push_back({"trace of a product", {{20, 20}, {20, 20}}, [](const Vec& v) { return einsum("ij,ji->", {v[0], v[1]}); }});
  r.push_back({"batch of inner products", {{100, 8}, {100, 8}}, [](const Vec& v) { return einsum("ni,ni->n", {v[0], v[1]}); }});
  r.push_back({"quadratic forms", {{60, 6}, {6, 6}}, [](const Vec& v) { return einsum("ni,ij,nj->n", {v[0], v[1], v[0]}); }});
  return r;
}
std::vector<Case> kernels() {
  const Tensor ids = at({3, 0, -1, 4, 4, 7, -9}), table = stack({at({0, 2, 9}), at({1, -3, 2})}, 1);
  auto spd = [](const Tensor& a) { return matmul(a, transpose(a, -2, -1)) + 3.0 * eye(a.size(-1), f64); };
  std::vector<Case> r{
      {"gather, filled",
       {{5, 9}},
       [=](const Vec& v) {
         return lax::gather(v[0], ids.unsqueeze(1), {.offset_dims = {1}, .collapsed_slice_dims = {0}, .start_index_map = {0}}, {1, 9},
                            lax::OutOfBounds::fill_or_drop, Scalar(0.25));
       }},
      {"gather, clipped",
       {{5, 9}},
       [=](const Vec& v) {
         return lax::gather(v[0], ids.unsqueeze(1), {.offset_dims = {1}, .collapsed_slice_dims = {0}, .start_index_map = {0}}, {1, 9},
                            lax::OutOfBounds::clip);
       }},
      {"gather of windows",
       {{6, 9}},
       [=](const Vec& v) {
         return lax::gather(v[0], table, {.offset_dims = {1, 2}, .start_index_map = {0, 1}}, {2, 4}, lax::OutOfBounds::clip);
       }},
      {"gather of windows, filled",
       {{6, 9}},
       [=](const Vec& v) {
         return lax::gather(v[0], table, {.offset_dims = {1, 2}, .start_index_map = {0, 1}}, {2, 4}, lax::OutOfBounds::fill_or_drop, Scalar(-1.0));
       }},
      {"gather at computed places", {{40}}, [](const Vec& v) { return index_select(v[0] * 2.0, 0, (abs(v[0]) * 20).to(i64)) + 1.0; }},
      {"rows by index",
       {{30, 5}},
       [](const Vec& v) {
         return index_select(v[0], 0, at({3, 3, 29, 0})) * v[0][1];
       }},
      {"dynamic slice",
       {{30, 8}},
       [](const Vec& v) {
         return lax::dynamic_slice(v[0], {sum(v[0]).to(i64) + 3, at({9})[0]}, {4, 7});
       }},
      {"dynamic slice below",
       {{30, 8}},
       [](const Vec& v) {
         return lax::dynamic_slice(v[0] * v[0], {(v[0][0][0] * 0.0).to(i64) - 5, at({2})[0]}, {20, 3}) + 1.0;
       }},
      {"dynamic update",
       {{30, 8}, {4, 7}},
       [](const Vec& v) {
         return lax::dynamic_update_slice(v[0], v[1] * 2.0, {(v[0][0][0] * 0.0).to(i64) + 28, at({0})[0]});
       }},
      {"scatter",
       {{5, 9}, {7, 9}},
       [=](const Vec& v) {
         return lax::scatter(v[0], ids.unsqueeze(1), v[1] * 3.0,
                             {.update_window_dims = {1}, .inserted_window_dims = {0}, .scatter_dims_to_operand_dims = {0}});
       },
       false},
      {"scatter_add",
       {{5, 9}, {7, 9}},
       [=](const Vec& v) {
         return lax::scatter_add(v[0] * 2.0, ids.unsqueeze(1), sin(v[1]),
                                 {.update_window_dims = {1}, .inserted_window_dims = {0}, .scatter_dims_to_operand_dims = {0}});
       }},
      {"scatter_add, clipped",
       {{5, 9}, {7, 9}},
       [=](const Vec& v) {
         return lax::scatter_add(v[0] * 2.0, ids.unsqueeze(1), sin(v[1]),
                                 {.update_window_dims = {1}, .inserted_window_dims = {0}, .scatter_dims_to_operand_dims = {0}},
                                 lax::OutOfBounds::clip);
       }},
      {"cumsum", {{40, 3}}, [](const Vec& v) { return cumsum(v[0] * v[0], 0) * v[0]; }},
      {"cumprod", {{3, 20}}, [](const Vec& v) { return cumprod(v[0] + 0.3, 1) + 1.0; }},
      {"cummax", {{30}}, [](const Vec& v) { return cummax(sin(v[0]), 0).first * 2.0; }},
      {"sort", {{4, 30}}, [](const Vec& v) { return sort(v[0] * 3.0, 1).first + v[0]; }},
      {"top k", {{4, 30}}, [](const Vec& v) { return lax::top_k(v[0], 5).first * 2.0; }},
      {"argmax", {{4, 30}}, [](const Vec& v) { return index_select(v[0].t(), 0, argmax(v[0], 1)) * 1.5; }},
      {"softmax", {{6, 33}}, [](const Vec& v) { return softmax(v[0] * 4.0, 1); }},
      {"softmax of columns", {{33, 70}}, [](const Vec& v) { return softmax(v[0], 0); }},
      {"log softmax", {{3, 100}}, [](const Vec& v) { return log_softmax(v[0] * 4.0, -1) * v[0]; }},
      {"layer norm",
       {{6, 70}},
       [](const Vec& v) {
         Tensor c = v[0] - mean(v[0], 1, true);
         return c / sqrt(mean(c * c, 1, true) + 1e-5) * cos(v[0]) + 0.3;
       }},
      {"norms", {{20, 3}}, [](const Vec& v) { return v[0] / norm(v[0], 2, Shape{1}, true); }},
      {"convolution", {{2, 3, 9, 8}, {4, 3, 3, 2}}, [](const Vec& v) { return relu(conv2d(v[0] * 2.0, v[1])) + 1.0; }},
      {"strided convolution", {{1, 2, 20}, {3, 2, 5}}, [](const Vec& v) { return conv1d(v[0], sin(v[1]), {}, 2, 1); }},
      {"pooling", {{2, 3, 8, 8}}, [](const Vec& v) { return max_pool2d(v[0] * v[0], 2) * 2.0; }},
  };
  for (std::int64_t n : {1, 2, 3, 6, 20}) {
    const std::string s = " " + std::to_string(n);
    r.push_back({"cholesky" + s, {{n, n}}, [=](const Vec& v) { return linalg::cholesky(spd(v[0])) * 2.0; }});
    r.push_back({"solve" + s, {{n, n}, {n}}, [=](const Vec& v) { return linalg::solve(spd(v[0]), v[1] * 2.0) + v[1]; }});
    if (n <= 6) {
      r.push_back({"batch of cholesky" + s, {{30, n, n}}, [=](const Vec& v) { return linalg::cholesky(spd(v[0])) + 1.0; }});
      r.push_back({"determinants" + s, {{30, n, n}}, [=](const Vec& v) { return linalg::det(v[0] + eye(n, f64)) * 2.0; }});
      r.push_back({"inverses" + s, {{4, n, n}}, [=](const Vec& v) { return linalg::inv(spd(v[0])) * 2.0; }});
    }
  }
  return r;
}
// Alone, between elementwise work, and as one of several consumers.
void expect_compositions(const Case& c) {
  const Vec in = inputs(c);
  expect_compiled(
      c.name, [&](const Vec& v) { return Vec{c.f(v)}; }, in);
  expect_compiled(
      c.name + " between others",
      [&](const Vec& v) {
        Vec u;
        for (const Tensor& t : v) u.push_back(sin(t) * 1.5);
        Tensor y = c.f(u);
        return Vec{tanh(y) * y + 0.5, sum(y), u[0]};
      },
      in, Match::rounded, 4);
  expect_compiled(
      c.name + " with three consumers",
      [&](const Vec& v) {
        Tensor y = c.f(v);
        Tensor s = y.dim() ? sum(y, -1) : y * 2.0;
        return Vec{y * 2.0, s, y.numel() && y.dim() ? flip(y, {0}) + 1.0 : y, sum(v[0] * v[0])};
      },
      in, Match::rounded, 4);
}
void expect_derivatives(const Case& c) {
  if (!c.differentiable) return;
  const Vec in = inputs(c);
  auto loss = [&](const Vec& v) {
    Tensor y = c.f(v);
    return sum(y * y * 0.5 + y);
  };
  auto gradients = [&](const Vec& v) { return grad([&](const Vec& u) { return loss(u); })(v); };
  expect_compiled("gradient of " + c.name, gradients, in, Match::rounded, 64);
  auto pushed = [&](const Vec& v) {
    Vec t;
    for (std::size_t k = 0; k < v.size(); ++k) t.push_back(cos(v[k]) + 0.1);
    auto [y, ty] = jvp([&](const Vec& u) { return c.f(u); }, v, t);
    return Vec{y, ty};
  };
  expect_compiled("jvp of " + c.name, pushed, in, Match::rounded, 64);
  Vec lanes;
  for (const Tensor& t : in) lanes.push_back(stack({t, t * 0.9, t + 0.05}));
  expect_compiled(
      "vmap of " + c.name, [&](const Vec& v) { return Vec{vmap([&](const Vec& u) { return c.f(u); })(v)}; }, lanes, Match::rounded, 16);
  std::int64_t elements = 0;
  for (const Tensor& t : in) elements += t.numel();
  if (elements > 250) return;
  expect_compiled(
      "vmap of gradients of " + c.name, [&](const Vec& v) { return vmap(gradients)(v); }, lanes, Match::rounded, 64);
  if (elements > 60) return;
  expect_compiled(
      "jacfwd of " + c.name,
      [&](const Vec& v) {
        return Vec{jacfwd([&](const Tensor& a) {
          Vec u = v;
          u[0] = a;
          return c.f(u);
        })(v[0])};
      },
      in, Match::rounded, 64);
  expect_compiled(
      "hessian of " + c.name,
      [&](const Vec& v) {
        return Vec{hessian([&](const Tensor& a) {
          Vec u = v;
          u[0] = a;
          return loss(u);
        })(v[0])};
      },
      in, Match::rounded, 256);
}

}  // namespace

TEST(NativeStructure, movements) {
  Sampled sampled(5);
  for (const Case& c : movements()) expect_compositions(c);
}
TEST(NativeStructure, derivatives_of_movements) {
  Sampled sampled(6);
  for (const Case& c : movements()) expect_derivatives(c);
}
TEST(NativeStructure, contractions) {
  Sampled sampled(4);
  for (const Case& c : contractions()) expect_compositions(c);
}
TEST(NativeStructure, derivatives_of_contractions) {
  Sampled sampled(7);
  for (const Case& c : contractions()) expect_derivatives(c);
}
TEST(NativeStructure, kernels_between_loops) {
  Sampled sampled(8);
  for (const Case& c : kernels()) expect_compositions(c);
}
TEST(NativeStructure, derivatives_of_kernels) {
  Sampled sampled(16);
  for (const Case& c : kernels()) expect_derivatives(c);
}

TEST(NativeStructure, extremes_equal_what_they_are_taken_of) {
  // Products and sums that round differently when contracted; the mask of the extreme must find it all the same.
  for (Shape s : {Shape{2, 2, 3}, Shape{3, 40}, Shape{40, 3}, Shape{5, 70}, Shape{3, 2, 2, 3}}) {
    const Vec in{numbers(s), numbers(s, f64, 1), numbers(s, f64, 2)};
    auto f = [](const Vec& v) {
      Tensor p = v[0] * v[1], d = p + v[2], e = amin(d, 1, true), h = amax(v[2] - p, 0);
      return Vec{p, d == e, (v[2] - p) == h, where(d == e, d, 0.0), sum((d == e).to(f64), 1)};
    };
    expect_compiled("extremes of " + s.str(), f, in);
    auto loss = [](const Vec& v) {
      Tensor d = gelu(v[0] * v[1] + v[2]);
      return sum(amin(d, 1) * 2.0) + sum(amax(d * v[1] - v[2], 0)) + sum(d);
    };
    auto gradients = [&](const Vec& v) { return grad([&](const Vec& u) { return loss(u); })(v); };
    expect_compiled("gradients of extremes of " + s.str(), gradients, in, Match::rounded, 16);
    expect_compiled(
        "second derivatives of extremes of " + s.str(), [&](const Vec& v) { return jvp([&](const Vec& u) { return gradients(u); }, v, v).second; },
        in, Match::rounded, 64);
    Vec lanes;
    for (const Tensor& t : in) lanes.push_back(stack({t, t * 0.9, t + 0.05}));
    expect_compiled(
        "batch of second derivatives of extremes of " + s.str(),
        [&](const Vec& w) { return vmap([&](const Vec& v) { return jvp([&](const Vec& u) { return gradients(u); }, v, v).second; })(w); }, lanes,
        Match::rounded, 64);
  }
}

}  // namespace functra::testing
