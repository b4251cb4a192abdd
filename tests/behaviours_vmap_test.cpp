// What vmap must get right, clause by clause; each name says what it holds.
#include <gtest/gtest.h>

#include <map>
#include <optional>

#include "functra/functra.h"
#include "support/close.h"

namespace ft = functra;
using ft::Tensor;
using R = ft::Randomness;

namespace {

Tensor grid(const ft::Shape& s) { return ft::sin(ft::arange(0, s.numel(), 1, ft::f64) * 1.7).reshape(s); }
Tensor inner(const Tensor& a, const Tensor& b) { return ft::sum(a * b); }
Tensor twice(const Tensor& x) { return x * 2.0; }
struct Pair {
  Tensor w, b;
};
template <class F> std::size_t equations(F f, const auto&... x) { return ft::make_fx(f)(x...).size(); }
template <class E> std::string message(auto f) {
  try {
    f();
  } catch (const E& e) { return e.what(); }
  return "nothing was thrown";
}
// The slice of x at i along dim.
Tensor lane(const Tensor& x, std::int64_t dim, std::int64_t i) { return ft::select(x, dim, i); }

// ---------------------------------------------------------------- in_dims and out_dims
TEST(BehaviourVmap, dot_of_rows_is_one_number_per_row_and_nested_one_per_pair) {
  Tensor a = grid({2, 5}), b = grid({2, 5}) + 1.0;
  Tensor y = ft::vmap(inner)(a, b);
  EXPECT_EQ(y.sizes(), ft::Shape{2});
  expect_close(y, ft::sum(a * b, 1));
  Tensor c = grid({2, 3, 5}), z = ft::vmap(ft::vmap(inner))(c, c + 1.0);
  EXPECT_EQ(z.sizes(), (ft::Shape{2, 3}));
  expect_close(z, ft::sum(c * (c + 1.0), 2));
}
TEST(BehaviourVmap, every_in_dim_and_out_dim_also_negative_equals_the_permuted_reference) {
  Tensor x = grid({2, 3, 4});
  auto f = [](const Tensor& v) { return ft::cumsum(v, 0) * 2.0; };  // not symmetric in its dimensions
  for (int in = -3; in < 3; ++in)
    for (int out = -3; out < 3; ++out) {
      std::vector<Tensor> lanes;
      for (std::int64_t i = 0; i < x.size(in); ++i) lanes.push_back(f(lane(x, in, i)));
      expect_close(ft::vmap(f, {.in_dims = in, .out_dims = out})(x), ft::stack(lanes, out), 0);
    }
}
TEST(BehaviourVmap, an_argument_with_in_dim_none_is_shared_by_all) {
  Tensor a = grid({2, 5}), b = grid({5});
  expect_close(ft::vmap(inner, {.in_dims = {0, ft::none}})(a, b), ft::sum(a * b, 1));
  expect_close(ft::vmap(inner, {.in_dims = {ft::none, -1}})(b, a.t()), ft::sum(a * b, 1));
  expect_close(ft::vmap(inner, {.in_dims = {-1, 0}})(a.t(), a), ft::sum(a * a, 1));
}
TEST(BehaviourVmap, nested_maps_over_different_dims_equal_the_permuted_reference) {
  Tensor x = grid({4, 3, 2, 5});
  auto f = [](const Tensor& v) { return ft::cumsum(v, 0); };  // [3, 5] at the innermost
  auto nested = ft::vmap(ft::vmap(f, {.in_dims = -2, .out_dims = 1}), {.in_dims = 0, .out_dims = -1});
  std::vector<Tensor> outer;
  for (std::int64_t i = 0; i < 4; ++i) {
    std::vector<Tensor> inner;
    for (std::int64_t j = 0; j < 2; ++j) inner.push_back(f(x[i].index({ft::Slice(), j})));
    outer.push_back(ft::stack(inner, 1));
  }
  expect_close(nested(x), ft::stack(outer, -1), 0);
}
TEST(BehaviourVmap, dims_out_of_range_are_index_errors_that_name_argument_and_shape) {
  Tensor x = grid({2, 3});
  EXPECT_EQ(message<ft::IndexError>([&] { ft::vmap(twice, {.in_dims = 2})(x); }),
            "vmap: in_dims 2 of argument 0 is out of range for its shape [2, 3]");
  EXPECT_EQ(message<ft::IndexError>([&] { ft::vmap(twice, {.in_dims = -3})(x); }),
            "vmap: in_dims -3 of argument 0 is out of range for its shape [2, 3]");
  EXPECT_EQ(message<ft::IndexError>([&] { ft::vmap(twice, {.out_dims = 2})(x); }),
            "vmap: out_dims 2 is out of range for the result, which has 2 dimensions with the mapped one");
  EXPECT_EQ(message<ft::IndexError>([&] { ft::vmap(twice, {.out_dims = -3})(x); }),
            "vmap: out_dims -3 is out of range for the result, which has 2 dimensions with the mapped one");
  Pair p{x, x};
  auto f = [](const Pair& q) { return q; };
  EXPECT_EQ(message<ft::IndexError>([&] {
              ft::vmap(f, {.in_dims = {{0, 5}}})(p);
            }),
            "vmap: in_dims 5 of argument 0.b is out of range for its shape [2, 3]");
  EXPECT_EQ(message<ft::IndexError>([&] {
              ft::vmap(f, {.out_dims = {0, 5}})(p);
            }),
            "vmap: out_dims 5 is out of range for result b, which has 2 dimensions with the mapped one");
}

// ---------------------------------------------------------------- prefixes
TEST(BehaviourVmap, in_dims_and_out_dims_are_prefixes_of_structs_maps_vectors_and_optionals) {
  using Args = std::pair<Pair, std::vector<Tensor>>;
  auto f = [](const Args& a, const std::map<std::string, Tensor>& m, const std::optional<Tensor>& o) {
    Tensor s = a.first.w * a.first.b + a.second[0] * a.second[1] + m.at("x") * m.at("y");
    return std::pair{Pair{s, *o}, std::vector<Tensor>{s + *o, o->reshape({1, -1})}};
  };
  Tensor w = grid({5, 3}), b = grid({3, 5}), v = grid({5, 3}), u = grid({3}), x = grid({3}), y = grid({3, 5}), o = grid({5, 3});
  auto [p, l] = ft::vmap(f, {.in_dims = {{{0, 1}, {0, ft::none}}, ft::axes({ft::none, -1}), 0}, .out_dims = {{1, 0}, {-1, 2}}})(
      Args{{w, b}, {v, u}}, {{"x", x}, {"y", y}}, o);
  Tensor s = w * b.t() + v * u + x * y.t();
  expect_close(p.w, s.t());
  expect_close(p.b, o);
  expect_close(l[0], (s + o).t());
  expect_close(l[1], o.t().reshape({1, 3, 5}));
  auto all = ft::vmap(f, {.in_dims = 0, .out_dims = 1})(Args{{w, w}, {w, w}}, {{"x", w}, {"y", w}}, w);  // one number for everything
  expect_close(all.first.w, (w * w * 3.0).t());
}
TEST(BehaviourVmap, a_structure_that_does_not_fit_names_its_path) {
  using Args = std::pair<Pair, Tensor>;
  Args a{{grid({3, 2}), grid({3, 2})}, grid({3})};
  auto f = [](const Args& x) { return x; };
  auto in = [&](const ft::Axes& dims) { return message<ft::StructureError>([&] { ft::vmap(f, {.in_dims = dims})(a); }); };
  auto out = [&](const ft::Axes& dims) { return message<ft::StructureError>([&] { ft::vmap(f, {.in_dims = 0, .out_dims = dims})(a); }); };
  EXPECT_EQ(in({{{0, 0, 0}, 0}}), "vmap: in_dims[0][0] has 3 entries, but argument 0[0] has 2");
  EXPECT_EQ(in({{{0, ft::axes({1})}, 0}}), "vmap: in_dims[0][0][1] is a list, but argument 0[0].b is one tensor: give a number or none");
  EXPECT_EQ(in({0, 0}), "vmap: in_dims has 2 entries, but the function was called with 1 argument");
  EXPECT_EQ(out({{0, 0, 0}, 0}), "vmap: out_dims[0] has 3 entries, but the result[0] has 2");
  EXPECT_EQ(out({0, ft::axes({0})}), "vmap: out_dims[1] is a list, but the result[1] is one tensor: give a number or none");
}
TEST(BehaviourVmap, mapped_sizes_that_differ_name_both_arguments_by_path) {
  EXPECT_EQ(message<ft::ShapeError>([] {
              ft::vmap(inner)(grid({2, 5}), grid({3, 5}));
            }),
            "vmap: mapped sizes differ: argument 0 has 2 along dimension 0, argument 1 has 3 along dimension 0");
  auto f = [](const Tensor& x, const Pair& p) { return x + p.w + p.b; };
  EXPECT_EQ(message<ft::ShapeError>([&] {
              ft::vmap(f, {.in_dims = {ft::none, {1, 0}}})(grid({2}), {grid({2, 4}), grid({3, 2})});
            }),
            "vmap: mapped sizes differ: argument 1.w has 4 along dimension 1, argument 1.b has 3 along dimension 0");
}
TEST(BehaviourVmap, without_anything_to_map_it_is_an_error) {
  EXPECT_EQ(message<ft::ValueError>([] { ft::vmap(twice, {.in_dims = {ft::none}})(grid({2})); }),
            "vmap: no argument is mapped: at least one in_dims must be a number, or give axis_size");
  EXPECT_EQ(message<ft::ValueError>([] { ft::vmap([] { return Tensor(1.0); })(); }),
            "vmap: no tensor among the arguments to map over; give axis_size");
  EXPECT_EQ(message<ft::ValueError>([] { ft::vmap([](double) { return Tensor(1.0); })(2.0); }),
            "vmap: no tensor among the arguments to map over; give axis_size");
  EXPECT_EQ(message<ft::ShapeError>([] { ft::vmap(twice)(2.0); }),
            "vmap: argument 0 has in_dims 0 but is a 0-d tensor; use ft::none in in_dims for arguments that all examples share");
  auto f = [](const Tensor& x, int n) { return x * n; };
  EXPECT_EQ(message<ft::StructureError>([&] {
              ft::vmap(f, {.in_dims = {0, 0}})(grid({2}), 3);
            }),
            "vmap: in_dims[1] is 0, but argument 1 is the static value 3, which has no dimensions: give none");
  expect_close(ft::vmap(f, {.in_dims = {0, ft::none}})(grid({2}), 3), grid({2}) * 3.0);
  EXPECT_EQ(message<ft::ValueError>([] { ft::vmap(twice, {.in_dims = ft::none, .axis_size = -1})(grid({2})); }),
            "vmap: axis_size is -1, expected at least 0");
}

// ---------------------------------------------------------------- results
TEST(BehaviourVmap, an_output_that_does_not_depend_on_the_input_is_expanded) {
  Tensor c = grid({2, 3});
  auto f = [&](const Tensor&) { return c; };
  expect_close(ft::vmap(f)(grid({4})), c.expand({4, 2, 3}), 0);
  expect_close(ft::vmap(f, {.out_dims = 1})(grid({4})), c.reshape({2, 1, 3}).expand({2, 4, 3}), 0);
  Tensor n = ft::vmap([](const Tensor&) { return Tensor(2.5); })(grid({4}));  // a number, too
  expect_close(n, ft::full({4}, 2.5));
  EXPECT_EQ(n.dtype(), ft::f32);
}
TEST(BehaviourVmap, out_dims_none_keeps_a_shared_output_and_refuses_a_batched_one) {
  Tensor c = grid({2});
  auto f = [&](const Tensor& x) { return Pair{x, c}; };
  Pair p = ft::vmap(f, {.out_dims = {0, ft::none}})(grid({3}));
  expect_close(p.w, grid({3}), 0);
  expect_close(p.b, c, 0);
  EXPECT_EQ(message<ft::ValueError>([&] {
              ft::vmap(f, {.out_dims = {ft::none, ft::none}})(grid({3}));
            }),
            "vmap: out_dims is none for result w, but it differs from example to example; give it a number");
}

// ---------------------------------------------------------------- closures
TEST(BehaviourVmap, an_inner_vmap_closes_over_an_outer_mapped_tensor) {
  Tensor x = grid({3, 4}), y = grid({2, 4});
  auto pairwise = [&](const Tensor& a) { return ft::vmap([&](const Tensor& b) { return inner(a, b); })(y); };
  expect_close(ft::vmap(pairwise)(x), ft::matmul(x, y.t()));
  expect_close(ft::vmap(pairwise, {.in_dims = 1, .out_dims = 1})(x.t()), ft::matmul(y, x.t()));
}
TEST(BehaviourVmap, an_inner_vmap_that_returns_only_the_outer_value_expands_it) {
  Tensor x = grid({3});
  auto f = [](const Tensor& a) { return ft::vmap([&](const Tensor&) { return a; })(ft::zeros({4})); };
  expect_close(ft::vmap(f)(x), x.reshape({3, 1}).expand({3, 4}), 0);
  auto self = [](const Tensor& a) { return ft::vmap([&](const Tensor&) { return a; })(a); };
  Tensor m = grid({2, 3});
  expect_close(ft::vmap(self)(m), m.reshape({2, 1, 3}).expand({2, 3, 3}), 0);  // x[i], for each of the elements of x[i]
}
TEST(BehaviourVmap, three_levels_close_over_each_other) {
  Tensor x = grid({2}), y = grid({3}), z = grid({4});
  auto f = [&](const Tensor& a) { return ft::vmap([&](const Tensor& b) { return ft::vmap([&](const Tensor& c) { return a * b * c + a; })(z); })(y); };
  expect_close(ft::vmap(f)(x), ft::einsum("i,j,k->ijk", x, y, z) + x.reshape({2, 1, 1}));
}

// ---------------------------------------------------------------- reading
TEST(BehaviourVmap, item_and_if_on_a_batched_value_have_messages_of_their_own_with_the_repair) {
  Tensor x = grid({3});
  std::string item = message<ft::TracerError>([&] { ft::vmap([](const Tensor& v) { return v * v.item<double>(); })(x); });
  EXPECT_EQ(
      item,
      "item(): the value differs from example to example under vmap, so it cannot be read; compute with the tensor, or return it and read outside");
  std::string branch = message<ft::TracerError>([&] { ft::vmap([](const Tensor& v) { return v > 0 ? v : -v; })(x); });
  EXPECT_EQ(branch, "if: the condition differs from example to example under vmap, so it cannot choose a branch for all; use where(condition, a, b)");
  std::string named = message<ft::TracerError>([&] { ft::vmap([](const Tensor& v) { return v > 0 ? v : -v; }, {.axis_name = "batch"})(x); });
  EXPECT_NE(named.find("under vmap (axis 'batch')"), std::string::npos);
  // The repair, and what may be read: values that all examples share.
  expect_close(ft::vmap([](const Tensor& v) { return ft::where(v > 0, v, -v); })(x), ft::abs(x));
  Tensor shared = ft::tensor(2.0, ft::f64);
  expect_close(ft::vmap([&](const Tensor& v) { return shared > 0 ? v * shared.item<double>() : v; })(x), x * 2.0);
  std::string under_grad = message<ft::TracerError>([&] { ft::vmap(ft::grad([](const Tensor& v) { return v > 0 ? v : -v; }))(x); });
  EXPECT_EQ(under_grad, branch);
}

// ---------------------------------------------------------------- randomness
using Draw = std::function<Tensor(const Tensor&)>;
std::vector<std::pair<const char*, Draw>> draws() {
  return {{"rand", [](const Tensor&) { return ft::rand({2}, ft::f64); }},
          {"randn", [](const Tensor&) { return ft::randn({2}, ft::f64); }},
          {"rand_like", [](const Tensor& x) { return ft::rand_like(x); }},
          {"randn_like", [](const Tensor& x) { return ft::randn_like(x); }},
          {"bernoulli", [](const Tensor& x) { return ft::bernoulli(x * 0 + 0.5); }},
          {"dropout", [](const Tensor& x) { return ft::dropout(x * 0 + 1.0, 0.5); }}};
}
TEST(BehaviourVmap, randomness_error_refuses_every_random_operation_with_the_way_out) {
  for (auto& [name, f] : draws()) {
    std::string m = message<ft::ValueError>([&f = f] { ft::vmap(f)(ft::ones({3, 2}, ft::f64)); });
    EXPECT_NE(m.find("Randomness::same"), std::string::npos) << name << ": " << m;
    EXPECT_NE(m.find("pass a key"), std::string::npos) << name << ": " << m;
  }
}
TEST(BehaviourVmap, randomness_same_gives_equal_slices_that_are_the_plain_draw) {
  for (auto& [name, f] : draws()) {
    Tensor x = ft::ones({3, 2}, ft::f64);
    ft::manual_seed(5);
    Tensor once = f(x[0]);
    ft::manual_seed(5);
    expect_close(ft::vmap(f, {.randomness = R::same})(x), once.expand({3, 2}), 0);
  }
}
TEST(BehaviourVmap, randomness_different_is_the_seeded_batched_draw_and_nested_one_two_dimensional_draw) {
  for (auto& [name, f] : draws()) {
    if (name == std::string("rand") || name == std::string("randn")) continue;  // their shape is written out: below
    Tensor x = ft::ones({3, 2}, ft::f64), deep = ft::ones({3, 4, 2}, ft::f64);
    ft::manual_seed(5);
    Tensor whole = f(x);
    ft::manual_seed(5);
    expect_close(ft::vmap(f, {.randomness = R::different})(x), whole, 0);
    ft::manual_seed(5);
    Tensor cube = f(deep);
    ft::manual_seed(5);
    expect_close(ft::vmap(ft::vmap(f, {.randomness = R::different}), {.randomness = R::different})(deep), cube, 0);
  }
  auto of = [](const ft::Shape& s, bool normal) { return normal ? ft::randn(s) : ft::rand(s); };
  for (bool normal : {false, true}) {
    auto f = [&](const Tensor&) { return of({2}, normal); };
    ft::manual_seed(6);
    Tensor whole = of({3, 2}, normal), cube = of({3, 4, 2}, normal);
    ft::manual_seed(6);
    expect_close(ft::vmap(f, {.randomness = R::different})(ft::ones({3})), whole, 0);
    expect_close(ft::vmap(ft::vmap(f, {.randomness = R::different}), {.randomness = R::different})(ft::ones({3, 4})), cube, 0);
  }
}
TEST(BehaviourVmap, a_draw_reaches_the_vmap_around_a_gradient) {
  Tensor x = ft::ones({3, 2}, ft::f64);
  auto f = [](const Tensor& v) { return ft::sum(ft::dropout(v, 0.5) * v); };
  ft::manual_seed(7);
  Tensor kept = ft::dropout(x, 0.5);
  ft::manual_seed(7);
  expect_close(ft::vmap(ft::grad(f), {.randomness = R::different})(x), kept * 2.0);
  expect_throw<ft::ValueError>([&] { ft::vmap(ft::grad(f))(x); }, "randomness");
}

// ---------------------------------------------------------------- chunks and empty batches
TEST(BehaviourVmap, chunks_of_any_size_equal_the_whole_for_every_in_dim_and_out_dim) {
  Tensor x = grid({4, 5, 6});
  auto f = [](const Tensor& v) { return std::pair{ft::sum(v), ft::cumsum(v, 0)}; };
  for (int in : {0, 1, 2, -1})
    for (int out : {0, 1, 2, -1}) {
      ft::VmapOptions o{.in_dims = in, .out_dims = ft::Axes{0, out}};
      auto [s, t] = ft::vmap(f, o)(x);
      for (int chunk : {1, 2, 3, 7, 16}) {
        o.chunk_size = chunk;
        auto [a, b] = ft::vmap(f, o)(x);
        expect_close(a, s, 1e-14);  // sums may add in another order
        expect_close(b, t, 0);
      }
    }
}
TEST(BehaviourVmap, chunks_keep_shared_arguments_and_results) {
  Tensor x = grid({5, 2}), c = grid({2});
  auto f = [](const Tensor& v, const Tensor& w) { return std::pair{v * w, w}; };
  auto [y, shared] = ft::vmap(f, {.in_dims = {0, ft::none}, .out_dims = ft::Axes{0, ft::none}, .chunk_size = 2})(x, c);
  expect_close(y, x * c, 0);
  expect_close(shared, c, 0);
  expect_throw<ft::ValueError>([&] { ft::vmap(f, {.in_dims = {0, ft::none}, .chunk_size = 0})(x, c); }, "chunk_size is 0, expected at least 1");
}
TEST(BehaviourVmap, an_empty_batch_gives_empty_results_of_the_right_shape_under_every_transform) {
  Tensor x = ft::zeros({0, 3}, ft::f64);
  auto f = [](const Tensor& v) { return ft::sum(ft::sin(v) * v); };
  EXPECT_EQ(ft::vmap(f)(x).sizes(), ft::Shape{0});
  EXPECT_EQ(ft::vmap(f, {.chunk_size = 2})(x).sizes(), ft::Shape{0});
  EXPECT_EQ(ft::vmap(twice, {.out_dims = 1})(x).sizes(), (ft::Shape{3, 0}));
  EXPECT_EQ(ft::vmap(ft::grad(f))(x).sizes(), (ft::Shape{0, 3}));
  EXPECT_EQ(ft::vmap(ft::hessian(f))(x).sizes(), (ft::Shape{0, 3, 3}));
  EXPECT_EQ(ft::vmap(ft::jacfwd(twice))(x).sizes(), (ft::Shape{0, 3, 3}));
  EXPECT_EQ(ft::jit(ft::vmap(ft::grad(f)))(x).sizes(), (ft::Shape{0, 3}));
  EXPECT_EQ(ft::vmap(ft::vmap(twice))(ft::zeros({2, 0}, ft::f64)).sizes(), (ft::Shape{2, 0}));
  EXPECT_EQ(ft::vmap([](const Tensor& v) {
              return ft::conv2d(v, ft::ones({4, 2, 3, 3}));
            })(ft::zeros({0, 1, 2, 5, 5}))
                .sizes(),
            (ft::Shape{0, 1, 4, 3, 3}));
  Tensor g = ft::grad([&](const Tensor& w) { return ft::sum(ft::vmap([&](const Tensor& v) { return f(v * w); })(x)); })(grid({3}));
  expect_close(g, ft::zeros({3}, ft::f64), 0);
  EXPECT_EQ(ft::vmap(twice, {.in_dims = ft::none, .axis_size = 0})(grid({2})).sizes(), (ft::Shape{0, 2}));
}
TEST(BehaviourVmap, axis_size_maps_a_function_of_nothing) {
  Tensor y = ft::vmap([] { return ft::rand({2}); }, {.randomness = R::different, .axis_size = 3})();
  EXPECT_EQ(y.sizes(), (ft::Shape{3, 2}));
  EXPECT_FALSE(ft::equal(y[0], y[1]));
}

// ---------------------------------------------------------------- no loop over examples
TEST(BehaviourVmap, the_program_of_a_mapped_function_has_no_more_equations_than_three_times_the_plain_one) {
  struct Net {
    Tensor k, w, b;
  };
  Net net{grid({3, 1, 3, 3}), grid({2, 12}), grid({2})};
  auto loss = [](const Net& n, const Tensor& x, const Tensor& y) {
    Tensor h = ft::max_pool2d(ft::tanh(ft::conv2d(x, n.k)), 2, 1);
    return ft::cross_entropy(ft::linear(h.flatten(), n.w, n.b), y);
  };
  auto batch = [](std::int64_t n) { return std::pair{grid({n, 1, 5, 5}), ft::zeros({n}, ft::i64)}; };
  auto [xs, ys] = batch(2);
  auto [many_x, many_y] = batch(200);
  ft::VmapOptions o{.in_dims = {ft::none, 0, 0}};
  auto check = [&, xs = xs, ys = ys, many_x = many_x, many_y = many_y](auto f) {
    std::size_t plain = equations(f, net, xs[0], ys[0]), two = equations(ft::vmap(f, o), net, xs, ys),
                many = equations(ft::vmap(f, o), net, many_x, many_y);
    EXPECT_EQ(two, many);
    EXPECT_LE(many, 3 * plain);
  };
  check(loss);
  check(ft::grad(loss));
  check(ft::grad([&](const Net& n, const Tensor& x, const Tensor& y) { return ft::sum(ft::square(ft::grad(loss)(n, x, y).b)); }));
}
// Operations whose batched form is the hard part: writes, windows and indices that differ from example to example.
TEST(BehaviourVmap, index_put_dynamic_slices_and_gathers_with_batched_positions_equal_a_loop) {
  Tensor x = grid({3, 6}), at = ft::tensor({0, 2, 4}), v = grid({3, 2});
  std::function<Tensor(const Tensor&, const Tensor&, const Tensor&)> fs[] = {
      [](const Tensor& r, const Tensor& i, const Tensor& u) { return ft::lax::dynamic_update_slice(r, u, {i}); },
      [](const Tensor& r, const Tensor& i, const Tensor& u) { return ft::lax::dynamic_slice(r, {i}, {2}) * u; },
      [](const Tensor& r, const Tensor& i, const Tensor& u) { return r.index_put({i}, u[0]); },
      [](const Tensor& r, const Tensor& i, const Tensor& u) {
        return r.index_put({ft::stack({i, i})}, u, true);
      },
      [](const Tensor& r, const Tensor& i, const Tensor& u) {
        return ft::sin(r)[ft::stack({i, i + 1})] * u;
      }};
  for (auto& f : fs)
    for (int mask = 1; mask < 8; ++mask) {
      auto dim = [&](int k) { return mask >> k & 1 ? ft::Axes(0) : ft::Axes(ft::none); };
      auto arg = [&](int k, const Tensor& t, std::int64_t i) { return mask >> k & 1 ? t[i] : t; };
      Tensor rx = mask & 1 ? x : x[1], ra = mask & 2 ? at : at[1], rv = mask & 4 ? v : v[1];
      auto scalar = [&](const Tensor& r, const Tensor& i, const Tensor& u) { return ft::sum(f(r, i, u) * f(r, i, u)); };
      ft::VmapOptions o{.in_dims = {dim(0), dim(1), dim(2)}};
      Tensor y = ft::vmap(f, o)(rx, ra, rv);
      auto [gx, gv] = ft::vmap(ft::grad<0, 2>(scalar), o)(rx, ra, rv);
      for (std::int64_t i = 0; i < 3; ++i) {
        Tensor lx = arg(0, rx, i), la = arg(1, ra, i), lv = arg(2, rv, i);
        expect_close(y[i], f(lx, la, lv));
        auto [hx, hv] = ft::grad<0, 2>(scalar)(lx, la, lv);
        expect_close(gx[i], hx);
        expect_close(gv[i], hv);
      }
    }
}

}  // namespace
