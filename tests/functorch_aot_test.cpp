// Behaviours that functorch's suites for AOT autograd and memory-efficient fusion check: results and gradients of compiled halves equal
// those of the function. docs/notes/functorch_suites.md lists them beside their originals.
#include <gtest/gtest.h>

#include <map>
#include <optional>

#include "functra/compile.h"
#include "functra/functra.h"
#include "functra/nn.h"
#include "support/close.h"

namespace ft = functra;
namespace fc = functra::compile;
namespace nn = functra::nn;
using ft::f64;
using ft::Tensor;

namespace {
Tensor some(const ft::Shape& s, double from = 0.3) { return (ft::sin(ft::arange(0, s.numel(), 1, f64) * 1.3 + from) * 1.5).reshape(s); }
using Named = std::map<std::string, Tensor>;
template <class T> void expect_same(const T& a, const T& b, double tol = 1e-10) {
  auto x = ft::tree_leaves(a), y = ft::tree_leaves(b);
  ASSERT_EQ(x.size(), y.size());
  for (std::size_t i = 0; i < x.size(); ++i) {
    ASSERT_EQ(x[i].defined(), y[i].defined());
    if (!x[i].defined()) continue;
    EXPECT_EQ(x[i].dtype(), y[i].dtype());
    expect_close(x[i], y[i], tol);
  }
}
// Results, and pullbacks of cotangents that differ from element to element, of f and of its compiled form.
template <class F, class... T> void expect_alike(const F& f, const T&... x) {
  for (fc::Partitioner partition : {fc::Partitioner(fc::default_partition), fc::Partitioner(fc::min_cut_rematerialization_partition)}) {
    auto a = fc::aot_function(f, {.partition_fn = partition});
    expect_same(a(x...), f(x...), 0);
    auto [y, pull] = ft::vjp(f, x...);
    auto [z, compiled] = ft::vjp(a, x...);
    expect_same(z, y, 0);
    auto ct = ft::tree_map([](const Tensor& t) { return t.dtype() == f64 ? ft::cos(t) : ft::zeros_like(t); }, y);
    expect_same(compiled(ct), pull(ct));
  }
}
fc::Partition cut(const auto& f, const auto&... x) { return fc::min_cut_rematerialization_partition(fc::aot_function(f).programs(x...).joint); }
}  // namespace

// ---------------------------------------------------------------- what goes in and out
TEST(FunctorchAot, numbers_and_absent_tensors_among_the_arguments) {
  auto f = [](int a, const std::optional<Tensor>&, const Tensor& c) { return c * a; };
  auto a = fc::aot_function(f);
  Tensor x = some({3, 3});
  expect_close(a(2, std::nullopt, x), x * 2.0, 0);
  expect_close(ft::grad<2>([&](int n, const std::optional<Tensor>& o, const Tensor& c) { return ft::sum(a(n, o, c)); })(3, std::nullopt, x),
               ft::full({3, 3}, 3.0, f64), 0);
}
TEST(FunctorchAot, one_result_several_results_and_a_list_of_results) {
  Tensor x = some({3, 3}), y = some({3, 3}, 1);
  expect_alike([](const Tensor& a, const Tensor& b) { return a + b; }, x, y);
  expect_alike([](const Tensor& a, const Tensor& b) { return std::pair{a + b, a - b}; }, x, y);
  expect_alike([](const Tensor& a, const Tensor& b) { return std::vector<Tensor>{a * b, a - b}; }, x, y);
  expect_alike([](const Tensor& a) { return a + ft::squeeze(a + 1.0, -1).unsqueeze(-1); }, some({3, 1}));
}
TEST(FunctorchAot, named_results_and_named_arguments) {
  expect_alike([](const Tensor& x) { return Named{{"a", x}, {"b", x}}; }, some({3, 3}));
  expect_alike([](const Tensor& x, const Tensor& y) { return Named{{"a", x}, {"b", y + x}}; }, some({3}), some({3}, 1));
  auto f = [](const Named& m) {
    Named r;
    for (auto& [k, v] : m) r[k] = v * 2.0;
    return r;
  };
  expect_alike(f, Named{{"a", some({3})}, {"b", some({3}, 1)}});
}
TEST(FunctorchAot, gradients_for_any_choice_of_arguments) {
  auto f = [](const Tensor& a, const Tensor& b) { return std::tuple{ft::cos(a), ft::cos(b), a * b}; };
  expect_alike(f, some({5}), some({5}, 1));
  auto a = fc::aot_function(f);
  auto total = [](const auto& g) {
    return [g](const Tensor& x, const Tensor& y) {
      auto [u, v, w] = g(x, y);
      return ft::sum(u + v * w);
    };
  };
  expect_close(ft::grad<0>(total(a))(some({5}), some({5}, 1)), ft::grad<0>(total(f))(some({5}), some({5}, 1)));
  expect_close(ft::grad<1>(total(a))(some({5}), some({5}, 1)), ft::grad<1>(total(f))(some({5}), some({5}, 1)));
}
TEST(FunctorchAot, views_of_inputs_of_intermediates_and_of_each_other_as_results) {
  expect_alike([](const Tensor& a) { return ft::view(a, {-1}); }, some({2, 2}));
  expect_alike([](const Tensor& a) { return ft::view(a * 3.0, {-1}); }, some({3, 3}));
  expect_alike(
      [](const Tensor& a) {
        Tensor b = a * 2.0;
        return std::tuple{b, ft::view(b, {-1}), b};
      },
      some({3}));
  expect_alike([](const Tensor& a) { return ft::unbind(a, 0); }, some({3, 3}));
  expect_alike(
      [](const Tensor& a) {
        Tensor out = a * 3.0;
        auto parts = ft::unbind(out, 0);
        parts.push_back(out), parts.push_back(ft::view(out, {9}));
        return parts;
      },
      some({3, 3}));
  expect_alike([](const Tensor& a) { return ft::view(a, {2, 3}).t(); }, some({6}));
  expect_alike([](const Tensor& x) { return ft::expand(x, x.sizes()); }, some({5}));
}
TEST(FunctorchAot, results_that_share_memory_are_still_values_of_their_own) {
  auto f = fc::aot_function([](const Tensor& a) {
    Tensor b = a * 2.0;
    return std::pair{b, ft::view(b, {-1})};
  });
  auto [b, c] = f(some({3}));
  b = b.index_put({0}, 100.0);
  expect_close(c, some({3}) * 2.0, 0);
  Tensor x = some({4});
  auto same = fc::aot_function([](const Tensor& a) { return a; });
  Tensor y = same(x);
  y += 1.0;
  expect_close(x, some({4}), 0);
}
TEST(FunctorchAot, one_tensor_given_for_two_arguments) {
  Tensor x = some({3, 3});
  expect_alike([](const Tensor& a, const Tensor& b) { return a + b * a; }, x, x);
  expect_alike(
      [](const Tensor& a, const Tensor& b, const Tensor& c) {
        return std::pair{a.index_put({0}, a[0] + 1.0), b * c};
      },
      x, some({3, 3}, 1), x);
  auto f = fc::aot_function([](const Tensor& a, const Tensor& b) { return ft::sum(a * b); });
  expect_close(ft::grad([&](const Tensor& v) { return f(v, v); })(x), x * 2.0);
  auto [ga, gb] = ft::grad<0, 1>(f)(x, some({3, 3}, 1));  // and two tensors where there was one
  expect_close(ga, some({3, 3}, 1)), expect_close(gb, x);
}
TEST(FunctorchAot, overlapping_slices_of_one_tensor_are_separate_arguments) {
  Tensor base = some({8}), a = base.index({ft::Slice(0, 5)}), b = base.index({ft::Slice(3, 8)});
  expect_alike([](const Tensor& x, const Tensor& y) { return x * 3.0 + y * y; }, a, b);
  expect_alike(
      [](const Tensor& x, const Tensor& y) {
        return std::pair{ft::view(x, {-1, 1}), y + 1.0};
      },
      base.index({ft::Slice(0, ft::none, 2)}), base.index({ft::Slice(1, ft::none, 2)}));
}
TEST(FunctorchAot, updates_written_as_new_values_have_the_gradient_of_the_function) {
  expect_alike(
      [](Tensor a) {
        a = a * 2.0;
        return a * 3.0;
      },
      some({3, 3}));
  expect_alike(
      [](Tensor a, const Tensor& b, Tensor c) {
        a = a * 2.0, c = c * 3.0;
        return std::tuple{a, c, a + b + c, ft::view(b, {4})};
      },
      some({2, 2}), some({2, 2}, 1), some({2, 2}, 2));
  expect_alike([](const Tensor& a) { return ft::masked_fill(a[0], ft::ones_like(a[0]) > 0, 0.0) + a[1]; }, some({2, 2}));
  expect_alike([](const Tensor& a) { return a.index_put({0}, ft::sin(a[1])).t(); }, some({2, 2}));
}
TEST(FunctorchAot, stopped_results_have_no_gradient_and_the_others_keep_theirs) {
  expect_alike([](const Tensor& a, const Tensor& b) { return std::pair{ft::stop_gradient(a), b}; }, some({3}), some({3}, 1));
  expect_alike([](const Tensor& a, const Tensor& b) { return std::pair{ft::stop_gradient(a + 1.0), b * a}; }, some({3}), some({3}, 1));
  expect_alike([](const Tensor& a, const Tensor& b) { return std::pair{a * b, b * ft::stop_gradient(b)}; }, some({2}), some({2}, 1));
}
TEST(FunctorchAot, gradients_and_custom_rules_inside) {
  expect_alike([](const Tensor& x) { return ft::grad([](const Tensor& v) { return ft::sum(ft::exp(v)); })(x); }, some({3}));
  auto rule = ft::custom_vjp([](const Tensor& x) { return x; },
                             [](const Tensor& x) {
                               return std::pair{x, x};
                             },
                             [](const Tensor&, const Tensor& ct) { return ct * 0.5; });
  expect_alike([=](const Tensor& x) { return rule(x); }, some({2, 2}));
  auto a = fc::aot_function([=](const Tensor& x) { return ft::sum(rule(x)); });
  expect_close(ft::grad(a)(some({2, 2})), ft::full({2, 2}, 0.5, f64), 0);
}
TEST(FunctorchAot, branches_and_loops_inside) {
  expect_alike(
      [](const Tensor& x) {
        Tensor a = ft::cond(
            ft::sum(x) > 0, [](const Tensor& v) { return ft::cos(v + 4.0); }, [](const Tensor& v) { return ft::sin(v); }, x);
        return std::pair{a + 3.0, a * 4.0};
      },
      some({3, 4}));
  expect_alike(
      [](const Tensor& x) {
        return ft::while_loop([](const Tensor& v) { return ft::sum(v * v) < 100.0; }, [](const Tensor& v) { return v * 1.5; }, x, {.max_steps = 20});
      },
      some({3}));
}
TEST(FunctorchAot, a_shape_among_the_results_is_a_value_known_when_it_is_traced) {
  auto f = fc::aot_function([](const Tensor& x) { return std::pair{x + 1.0, Tensor(static_cast<double>(x.size(0)))}; });
  auto [y, n] = f(some({5}));
  EXPECT_EQ(double(n), 5);
  EXPECT_EQ(double(f(some({7})).second), 7);  // another shape, another program
  EXPECT_EQ(f.cache_size(), 2u);
  expect_close(ft::grad([&](const Tensor& x) { return ft::sum(f(x).first); })(some({5})), ft::ones({5}, f64), 0);
}
TEST(FunctorchAot, random_bits_by_key_are_those_of_the_function) {
  auto f = [](const Tensor& x, const Tensor& k) { return nn::Dropout(0.5)(x, k) + x; };
  Tensor x = some({40}), k = ft::random::key(3);
  expect_close(fc::aot_function(f)(x, k), f(x, k), 0);
  auto g = [&](auto h) { return ft::grad([h, k](const Tensor& v) { return ft::sum(h(v, k)); }); };
  expect_close(g(fc::aot_function(f))(x), g(f)(x), 0);
}

// ---------------------------------------------------------------- modules
TEST(FunctorchAot, a_sequence_of_layers_has_the_gradients_of_its_parameters) {
  struct Net {
    nn::Linear a, b;
    Tensor operator()(const Tensor& x) const { return b(ft::relu(a(x))); }
  };
  Tensor k = ft::random::split(ft::random::key(0), 2);
  Net net{nn::Linear(k[0], 8, 6, {.dtype = f64}), nn::Linear(k[1], 6, 3, {.dtype = f64})};
  auto m = fc::aot_module(net);
  Tensor x = some({5, 8});
  auto loss = [&](const auto& n) { return ft::sum(ft::square(n(x))); };
  expect_same(ft::grad(loss)(m).module, ft::grad(loss)(net));
}
TEST(FunctorchAot, batch_norm_returns_its_statistics_in_training_and_keeps_them_otherwise) {
  nn::BatchNorm2d norm(4, {.dtype = f64});
  Tensor x = some({3, 4, 2, 2});
  auto train = [](const nn::BatchNorm2d& n, const Tensor& x) { return n.with_statistics(x); };
  auto a = fc::aot_function(train);
  auto [y, next] = a(norm, x);
  auto [z, want] = train(norm, x);
  expect_close(y, z), expect_close(next.running_mean->value(), want.running_mean->value()),
      expect_close(next.running_var->value(), want.running_var->value());
  auto loss = [&](const auto& f) { return ft::grad([&](const nn::BatchNorm2d& n) { return ft::sum(ft::sin(f(n, x).first)); })(norm); };
  expect_same(loss(a), loss(train));
  auto eval = fc::aot_function([](const nn::BatchNorm2d& n, const Tensor& x) { return n.with_statistics(x); });
  auto kept = eval(nn::eval(norm), x).second;
  expect_close(kept.running_mean->value(), norm.running_mean->value(), 0);
}
TEST(FunctorchAot, a_counter_carried_as_a_value_beside_weights) {
  struct Net {
    Tensor w1, w2;
    nn::Buffer count;
  };
  auto step = [](Net n, const Tensor& x) {
    n.count = n.count.value() + 1.0;
    return std::pair{ft::sum(n.w1 * x * n.w2) + ft::sum(n.count.value()), n};
  };
  Net net{some({1}), some({1}, 1), nn::Buffer(ft::zeros({1}, f64))};
  auto a = fc::aot_function(step);
  auto [y, next] = a(net, some({1}, 2));
  expect_close(y, step(net, some({1}, 2)).first);
  EXPECT_EQ(double(next.count.value()), 1);
  auto g = [&](const auto& f) { return ft::grad([&](const Net& n) { return f(n, some({1}, 2)).first; })(net); };
  expect_close(g(a).w1, g(step).w1), expect_close(g(a).w2, g(step).w2);
}

// ---------------------------------------------------------------- partitions
TEST(FunctorchPartition, sines_of_sines_are_computed_again) {
  auto f = [](const Tensor& a, const Tensor& b) { return ft::sin(ft::sin(a)) + b; };
  expect_alike(f, some({4, 4}), some({4, 4}, 1));
  auto p = cut(f, some({4, 4}), some({4, 4}, 1));
  EXPECT_EQ(p.residuals, 1u);
  EXPECT_EQ(p.recomputed, 1u);
}
TEST(FunctorchPartition, a_cube_keeps_its_input_alone) {
  auto f = [](const Tensor& x) { return x * x * x; };
  auto p = cut(f, some({3}));
  EXPECT_EQ(p.residuals, 1u);
  EXPECT_EQ(p.forward.outputs().size(), 2u);
  EXPECT_EQ(p.backward.inputs().size(), 2u);
  EXPECT_EQ(fc::default_partition(fc::aot_function(f).programs(some({3})).joint).residuals, 2u);
}
TEST(FunctorchPartition, a_sum_keeps_nothing_since_shapes_are_known) {
  auto f = [](const Tensor& x) { return ft::sum(x, 1); };
  EXPECT_EQ(cut(f, some({10, 10})).residuals, 0u);
  EXPECT_EQ(fc::default_partition(fc::aot_function(f).programs(some({10, 10})).joint).residuals, 0u);
  auto g = [](const Tensor& a, const Tensor& b, const Tensor& c) { return ft::cat({a.expand({b.size(0) + c.size(0), a.size(0)}), b, c}); };
  auto p = cut(g, some({10}), some({3, 10}), some({2, 10}));
  EXPECT_EQ(p.residuals, 0u);
  EXPECT_EQ(p.backward.outputs().size(), 3u);
  expect_alike(g, some({10}), some({3, 10}), some({2, 10}));
}
TEST(FunctorchPartition, products_behind_concatenated_results) {
  auto f = [](const Tensor& a, const Tensor& b, const Tensor& c, const Tensor& d) {
    Tensor all = ft::cat({a.expand({b.size(0) + c.size(0), a.size(0)}), b, c}), m = ft::mm(all, d);
    return std::tuple{all, c, ft::mm(m, a.reshape({m.size(1), a.size(0)}))};
  };
  expect_alike(f, some({4}), some({3, 4}), some({2, 4}), some({4, 1}));
  auto joint = fc::aot_function(f).programs(some({4}), some({3, 4}), some({2, 4}), some({4, 1})).joint;
  EXPECT_LE(fc::min_cut_rematerialization_partition(joint).saved_bytes(), fc::default_partition(joint).saved_bytes());
}
TEST(FunctorchPartition, layer_norm_has_three_gradients_from_its_residuals) {
  auto f = [](const Tensor& x, const Tensor& w, const Tensor& b) {
    nn::LayerNorm n(10, {.eps = 1e-6, .dtype = f64});
    n.weight = w, n.bias = b;
    return n(x);
  };
  auto p = fc::aot_function(f).programs(some({3, 10}), some({10}, 1), some({10}, 2)).parts;
  EXPECT_EQ(p.forward.inputs().size(), 3u);
  EXPECT_EQ(p.backward.outputs().size(), 3u);
  EXPECT_EQ(p.backward.inputs().size(), p.residuals + 1);
  expect_alike(f, some({3, 10}), some({10}, 1), some({10}, 2));
}
TEST(FunctorchPartition, every_variable_of_both_halves_says_its_type) {
  auto f = [](const Tensor& x, const Tensor& w, const Tensor& b) { return ft::gelu(ft::linear(x, w, b)); };
  int seen = 0;
  auto check = [&](const ft::Program& p, const std::vector<Tensor>& examples) {
    for (auto& i : p.inputs()) {
      EXPECT_EQ(i.dtype, f64);
      EXPECT_GE(i.shape.size(), 1u);
    }
    for (auto& o : p.outputs()) EXPECT_EQ(o.dtype, f64);
    ++seen;
    return fc::nop(p, examples);
  };
  auto a = fc::aot_function(f, {.fw_compiler = check});
  ft::vjp(a, some({4, 3}), some({5, 3}), some({5})).second(ft::ones({4, 5}, f64));
  EXPECT_EQ(seen, 2);
}

// ---------------------------------------------------------------- memory-efficient fusion
namespace {
template <class F, class... T> void expect_fused(const F& f, const T&... x) {
  auto fused = fc::memory_efficient_fusion(f);
  for (int round = 0; round < 3; ++round) {
    expect_close(fused(x...), f(x...), 1e-12);
    auto [y, pull] = ft::vjp(f, x...);
    auto [z, compiled] = ft::vjp(fused, x...);
    expect_same(compiled(ft::cos(y)), pull(ft::cos(y)));
  }
}
}  // namespace
TEST(FunctorchFusion, gelu_of_a_sum) {
  expect_fused(
      [](const Tensor& b, const Tensor& y) {
        Tensor x = b + y;
        return x * 0.5 * (1.0 + ft::tanh(x * 0.79788456 * (1.0 + x * x * 0.044715)));
      },
      some({100}), some({100}, 1));
}
TEST(FunctorchFusion, mish) {
  expect_fused([](const Tensor& x) { return x * ft::tanh(ft::softplus(x)); }, some({100}));
}
TEST(FunctorchFusion, swish) {
  expect_fused([](const Tensor& x) { return x * ft::sigmoid(x); }, some({100}));
}
TEST(FunctorchFusion, hard_sigmoid) {
  expect_fused([](const Tensor& x) { return ft::clamp(x + 3.0, 0.0, 6.0) / 6.0; }, some({100}) * 4.0);
}
TEST(FunctorchFusion, hard_swish) {
  expect_fused([](const Tensor& x) { return x * ft::clamp(x + 3.0, 0.0, 6.0) / 6.0; }, some({100}) * 4.0);
}
TEST(FunctorchFusion, hard_mish) {
  expect_fused([](const Tensor& x) { return x * 0.5 * ft::clamp(x + 2.0, 0.0, 2.0); }, some({100}) * 4.0);
}
TEST(FunctorchFusion, layer_norm_written_out) {
  expect_fused(
      [](const Tensor& x, const Tensor& w, const Tensor& b) {
        Tensor c = x - ft::mean(x, -1, true), v = ft::sum(c * c, -1, true) / static_cast<double>(x.size(-1));
        return c / ft::sqrt(v + 1e-5) * w + b;
      },
      some({10, 16}), some({16}, 1), some({16}, 2));
}
TEST(FunctorchFusion, root_mean_square_norm_written_out) {
  expect_fused([](const Tensor& x, const Tensor& w) { return w * (x * ft::rsqrt(ft::mean(ft::square(x), -1, true) + 1e-6)); }, some({4, 5, 16}),
               some({16}, 1));
}

// ---------------------------------------------------------------- the minifier
namespace {
bool has(const ft::Program& p, const std::string& op) {
  for (auto& e : p.equations())
    if (e.op == op) return true;
  return false;
}
}  // namespace
TEST(FunctorchMinifier, an_operation_with_two_results_goes_and_its_values_become_inputs) {
  auto f = [](const Tensor& a, const Tensor& b) {
    auto [v, i] = ft::sort(a);
    return v + b * i.to(f64);
  };
  Tensor x = some({3}), y = some({3}, 1);
  auto m = fc::minifier(ft::make_fx(f)(x, y), {x, y}, [](const ft::Program& p, const auto&) { return has(p, "add"); });
  EXPECT_EQ(m.program.size(), 1u) << m.program;
  EXPECT_EQ(m.inputs.size(), 2u);
  expect_close(m.program(m.inputs)[0], m.inputs[0] + m.inputs[1], 0);
}
TEST(FunctorchMinifier, a_module_is_traced_and_shrinks_to_what_fails) {
  struct Net {
    nn::Linear layer;
    Tensor operator()(const Tensor& x) const {
      Tensor y = ft::relu(layer(x)), zero = y - y;
      return zero / zero + 3.0;
    }
  };
  Net net{nn::Linear(ft::random::key(0), 3, 3, {.dtype = f64})};
  auto nan = [](const std::vector<Tensor>& v) {
    for (auto& t : v)
      if (bool(ft::any(ft::isnan(t)))) return true;
    return false;
  };
  auto m = fc::minifier(ft::make_fx(net)(some({3})), {some({3})},
                        [&](const ft::Program& p, const std::vector<Tensor>& in) { return !nan(in) && nan(p(in)); });
  EXPECT_EQ(m.program.size(), 1u) << m.program;
  EXPECT_EQ(m.inputs.size(), 1u);
}
