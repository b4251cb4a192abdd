// AOT autograd: joint programs, partitions, the compilers that users plug in.
#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "functra/aot/aot.h"
#include "functra/base/memory.h"
#include "functra/functra.h"
#include "support/close.h"

namespace ft = functra;
namespace fc = functra::compile;
using ft::Tensor;

namespace {
Tensor some(const ft::Shape& s, double from = 0.1) { return ft::sin(ft::arange(0, s.numel(), 1, ft::f64) + from).reshape(s); }
constexpr auto min_cut = fc::min_cut_rematerialization_partition;
std::size_t count(const ft::Program& p, const std::string& op) {
  std::size_t n = 0;
  for (auto& e : p.equations()) n += e.op == op;
  return n;
}
// Forward then backward, by hand, is what eager says; in f64.
template <class F, class... T> void expect_halves_are_the_gradient(const F& f, const fc::Partitioner& partition, const T&... x) {
  auto p = fc::aot_function(f, {.partition_fn = partition}).programs(x...);
  std::vector<Tensor> out = p.parts.forward(std::vector<Tensor>{x...});
  ASSERT_EQ(out.size(), p.parts.outputs + p.parts.residuals);
  auto [y, pullback] = ft::vjp(f, x...);
  expect_close(out[0], y, 1e-12);
  std::vector<Tensor> in(out.begin() + static_cast<std::ptrdiff_t>(p.parts.outputs), out.end());
  Tensor ct = ft::cos(y);
  in.push_back(ct);
  auto g = p.parts.backward(in);
  auto want = ft::tree_leaves(pullback(ct));
  ASSERT_EQ(g.size(), want.size());
  for (std::size_t i = 0; i < g.size(); ++i) expect_close(g[i], want[i], 1e-12);
}
Tensor mlp(const Tensor& x, const Tensor& w1, const Tensor& w2) { return ft::matmul(ft::tanh(ft::matmul(x, w1) * 2.0) + 1.0, w2); }
}  // namespace

TEST(Aot, min_cut_of_three_cosines_saves_one_value) {
  auto f = [](const Tensor& x) { return ft::cos(ft::cos(ft::cos(x))); };
  auto p = fc::aot_function(f, {.partition_fn = min_cut}).programs(some({4}));
  EXPECT_EQ(p.parts.residuals, 1u);
  EXPECT_EQ(p.parts.forward.outputs().size(), 2u);
  EXPECT_EQ(p.parts.backward.inputs().size(), 2u);
  EXPECT_EQ(p.parts.recomputed, 2u);
  EXPECT_EQ(fc::default_partition(p.joint).residuals, 3u);
  expect_halves_are_the_gradient(f, min_cut, some({4}));
}
TEST(Aot, min_cut_of_a_sum_of_four_then_two_cosines_saves_the_sum) {
  auto f = [](const Tensor& a, const Tensor& b, const Tensor& c, const Tensor& d) { return ft::cos(ft::cos(a + b + c + d)); };
  auto p = fc::aot_function(f, {.partition_fn = min_cut}).programs(some({3}), some({3}), some({3}), some({3}));
  ASSERT_EQ(p.parts.residuals, 1u);
  EXPECT_EQ(p.parts.saved[0].from, "add");
  expect_halves_are_the_gradient(f, min_cut, some({3}), some({3}, 1), some({3}, 2), some({3}, 3));
}
TEST(Aot, matmul_results_are_kept_and_elementwise_ones_computed_again) {
  auto p = fc::aot_function(mlp, {.partition_fn = min_cut}).programs(some({32, 8}), some({8, 64}), some({64, 4}));
  EXPECT_EQ(count(p.parts.forward, "dot_general"), 2u);
  EXPECT_EQ(count(p.parts.backward, "dot_general"), 4u);  // the four products of the gradients, none of the forward ones
  EXPECT_EQ(count(p.parts.backward, "add"), 1u);
  std::size_t hidden = 0;  // of what has a row per sample and a column per unit, one value is kept
  for (auto& s : p.parts.saved) hidden += s.shape == ft::Shape{32, 64};
  EXPECT_EQ(hidden, 1u);
  EXPECT_LE(p.parts.saved_bytes(), fc::default_partition(p.joint).saved_bytes());
  expect_halves_are_the_gradient(mlp, min_cut, some({5, 3}), some({3, 4}), some({4, 2}));
}
TEST(Aot, every_partition_gives_the_gradient_and_min_cut_keeps_no_more_bytes) {
  Tensor x = some({4, 3}), w = some({3, 3}, 2), b = some({3}, 3);
  auto all = [&](auto f, const auto&... args) {
    auto joint = fc::aot_function(f).programs(args...).joint;
    std::int64_t before = fc::default_partition(joint).saved_bytes(), least = min_cut(joint).saved_bytes();
    EXPECT_LE(least, before);
    expect_halves_are_the_gradient(f, fc::default_partition, args...);
    expect_halves_are_the_gradient(f, min_cut, args...);
    std::int64_t last = -1;
    for (double budget : {0.0, 0.25, 0.5, 0.75, 1.0}) {
      auto p = fc::min_cut_rematerialization({budget})(joint);
      EXPECT_LE(p.saved_bytes(), std::max(least, last));
      if (budget == 0) last = p.saved_bytes();
      else EXPECT_GE(p.saved_bytes(), last);
      expect_halves_are_the_gradient(f, fc::min_cut_rematerialization({budget}), args...);
    }
  };
  all([](const Tensor& x, const Tensor& w, const Tensor& b) { return ft::tanh(ft::matmul(ft::relu(ft::matmul(x, w) + b), w)); }, x, w, b);
  all([](const Tensor& x) { return ft::softmax(ft::exp(ft::sin(x)), 1); }, x);
  all([](const Tensor& x, const Tensor& w) { return ft::linalg::solve(ft::matmul(w, w.t()) + ft::eye(3, ft::f64), ft::sin(x.t())); }, x, w);
  all([](const Tensor& x) { return ft::cumsum(ft::exp(x), 0) * ft::amax(x, 1, true); }, x);
  all(
      [](const Tensor& x, const Tensor& w) {
        return ft::scan(
                   [&](const Tensor& c, const Tensor& r) {
                     Tensor n = ft::tanh(ft::matmul(w, c) + r);
                     return std::pair{n, n * n};
                   },
                   w[0], x)
            .second;
      },
      x, w);
  all(
      [](const Tensor& x) {
        return ft::cond(
            x[0][0] > 0, [](const Tensor& v) { return ft::sin(v); }, [](const Tensor& v) { return v * v; }, x);
      },
      x);
  all([](const Tensor& x) { return ft::checkpoint([](const Tensor& v) { return ft::sin(ft::sin(v)); })(ft::cos(x)) * x; }, x);
}
TEST(Aot, works_under_every_transform_and_at_every_order) {
  auto f = [](const Tensor& x, const Tensor& w) { return ft::sum(ft::sin(ft::matmul(x, w)) * x); };
  for (fc::Partitioner partition : {fc::Partitioner(fc::default_partition), fc::Partitioner(min_cut)}) {
    auto a = fc::aot_function(f, {.partition_fn = partition});
    Tensor x = some({3, 3}), w = some({3, 3}, 1);
    expect_close(a(x, w), f(x, w));
    expect_close(ft::grad(a)(x, w), ft::grad(f)(x, w));
    expect_close(ft::grad<1>(a)(x, w), ft::grad<1>(f)(x, w));
    expect_close(ft::hessian(a)(x, w), ft::hessian(f)(x, w));
    expect_close(ft::jacfwd(a)(x, w), ft::jacrev(f)(x, w));
    expect_close(ft::jvp(a, std::tuple{x, w}, std::tuple{w, x}).second, ft::jvp(f, std::tuple{x, w}, std::tuple{w, x}).second);
    Tensor xs = some({4, 3, 3});
    auto each = [&](auto g) { return ft::vmap(g, {.in_dims = {0, ft::none}})(xs, w); };
    expect_close(each(a), each(f));
    expect_close(each(ft::grad(a)), each(ft::grad(f)));
    expect_close(ft::jit(ft::grad(a))(x, w), ft::grad(f)(x, w));
    expect_close(ft::grad([&](const Tensor& v) { return ft::sum(each(a) * v[0][0]); })(x),
                 ft::grad([&](const Tensor& v) { return ft::sum(each(f) * v[0][0]); })(x));
    ft::check_grads(a, std::tuple{x, w});
  }
}
TEST(Aot, each_half_is_compiled_once_and_only_when_it_is_needed) {
  std::atomic<int> forward = 0, backward = 0, inference = 0;
  auto counting = [](std::atomic<int>& n) {
    return [&n](const ft::Program& p, const std::vector<Tensor>& examples) {
      ++n;
      EXPECT_EQ(examples.size(), p.inputs().size());
      for (std::size_t i = 0; i < examples.size(); ++i) EXPECT_EQ(examples[i].sizes(), p.inputs()[i].shape);
      return fc::nop(p, examples);
    };
  };
  auto f = fc::aot_function([](const Tensor& x) { return ft::sum(ft::exp(x) * x); },
                            {.fw_compiler = counting(forward), .bw_compiler = counting(backward), .inference_compiler = counting(inference)});
  Tensor x = some({3});
  (void)f(x), (void)f(x);
  EXPECT_EQ(inference, 1);
  EXPECT_EQ(forward + backward, 0);
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) threads.emplace_back([&] { (void)ft::grad(f)(x); });
  for (auto& t : threads) t.join();
  EXPECT_EQ(forward, 1);
  EXPECT_EQ(backward, 1);
  (void)ft::grad(f)(some({4}));
  EXPECT_EQ(forward, 2);
  EXPECT_EQ(f.cache_size(), 2u);
}
TEST(Aot, recompilations_are_counted_and_the_cache_can_be_cleared) {
  fc::clear_compile_cache();
  int traces = 0;
  auto f = fc::aot_function([&](const Tensor& x, double scale) {
    ++traces;
    return x * scale;
  });
  (void)f(some({3}), 2.0), (void)f(some({3}), 2.0);
  EXPECT_EQ(fc::num_of_recompilations(), 1);
  (void)f(some({3}), 3.0);  // static arguments are part of the key
  (void)f(some({4}), 3.0);
  EXPECT_EQ(fc::num_of_recompilations(), 3);
  EXPECT_EQ(traces, 3);
  EXPECT_NE(f.explain_miss(some({5}), 3.0).find("argument 0"), std::string::npos);
  fc::clear_compile_cache();
  EXPECT_EQ(fc::num_of_recompilations(), 0);
  EXPECT_EQ(f.cache_size(), 0u);
  expect_close(f(some({3}), 2.0), some({3}) * 2.0);
  EXPECT_EQ(traces, 4);
}
TEST(Aot, clearing_the_cache_may_release_the_last_reference_to_another_function) {
  auto twice = [](const Tensor& x) { return x * 2.0; };
  auto keeper = [&](const ft::Program& p, const std::vector<Tensor>& examples) -> fc::Compiled {
    return [run = fc::nop(p, examples), other = fc::aot_function(twice)](std::vector<Tensor> args) {
      (void)other(args[0]);
      return run(std::move(args));
    };
  };
  auto f = fc::aot_function([](const Tensor& x) { return ft::sin(x); }, {.fw_compiler = keeper});
  for (int round = 0; round < 3; ++round) {
    fc::clear_compile_cache();
    expect_close(f(some({3})), ft::sin(some({3})));
    EXPECT_EQ(fc::num_of_recompilations(), 2);  // f's and the other's
  }
}
TEST(Aot, inputs_returned_outputs_that_repeat_and_outputs_without_gradient) {
  auto f = [](const Tensor& x, const Tensor& n) { return std::tuple{x, x * 2.0, x, n + 1, ft::argmax(x), ft::stop_gradient(x)}; };
  auto a = fc::aot_function(f, {.partition_fn = min_cut});
  Tensor x = some({3}), n = ft::arange(3);
  auto [x1, y, x2, m, at, s] = a(x, n);
  expect_close(x1, x), expect_close(x2, x), expect_close(s, x);
  EXPECT_TRUE(ft::equal(m, n + 1));
  auto total = [](const auto& g) {
    return [g](const Tensor& x, const Tensor& n) {
      auto [x1, y, x2, m, at, s] = g(x, n);
      return ft::sum(x1 * y + x2 * 3.0 + s + m.to(ft::f64));
    };
  };
  expect_close(ft::grad(total(a))(x, n), ft::grad(total(f))(x, n));
  EXPECT_TRUE(ft::equal(at, ft::argmax(x)));
}
TEST(Aot, captured_tensors_and_undefined_results) {
  Tensor w = some({3}, 5);
  struct Out {
    Tensor y, nothing;
  };
  auto f = [&](const Tensor& x) { return Out{x * w * x, {}}; };
  auto a = fc::aot_function(f);
  EXPECT_FALSE(a(some({3})).nothing.defined());
  auto g = ft::grad([&](const Tensor& x) { return ft::sum(a(x).y); })(some({3}));
  expect_close(g, some({3}) * w * 2.0);
  // A captured tensor that is differentiated is one more primal.
  auto outer = ft::grad([&](const Tensor& v) {
    auto h = fc::aot_function([&](const Tensor& x) { return ft::sum(x * v * v); });
    return h(some({3}));
  });
  expect_close(outer(w), some({3}) * w * 2.0);
}
TEST(Aot, the_backward_half_sees_the_random_bits_of_the_forward_half) {
  auto f = [](const Tensor& x, const Tensor& key) {
    Tensor keep = ft::random::bernoulli(key, 0.5, {64});
    return ft::sum(ft::where(keep, ft::sin(x), 0.0));
  };
  Tensor x = some({64}), key = ft::random::key(3);
  for (double budget : {0.0, 1.0}) {
    auto a = fc::aot_function(f, {.partition_fn = fc::min_cut_rematerialization({budget})});
    expect_close(ft::grad(a)(x, key), ft::grad(f)(x, key));
  }
}
TEST(Aot, effects_keep_their_order_and_happen_once) {
  std::string seen;
  auto note = [&](const char* what) { return [&seen, what](const Tensor&) { seen += what; }; };
  auto f = [&](const Tensor& x) {
    ft::debug::callback(note("a"), x);
    Tensor y = ft::sin(x);
    ft::debug::callback(note("b"), y);
    return ft::sum(ft::cos(y));
  };
  auto a = fc::aot_function(f, {.partition_fn = fc::min_cut_rematerialization({0})});
  (void)ft::grad(a)(some({3}));
  EXPECT_EQ(seen, "ab");
}
TEST(Aot, decompositions_apply_to_the_function_and_its_derivative) {
  auto f = [](const Tensor& x) { return ft::sum(ft::sigmoid(x) + ft::tanh(x) - ft::rsqrt(x * x + 1.0)); };
  auto p = fc::aot_function(f, {.decompositions = fc::core_decompositions()}).programs(some({5}));
  for (const char* op : {"sigmoid", "tanh", "rsqrt", "sub"}) EXPECT_EQ(count(p.joint.program, op), 0u) << op;
  expect_close(ft::grad(fc::aot_function(f, {.decompositions = fc::core_decompositions()}))(some({5})), ft::grad(f)(some({5})), 1e-12);
}
TEST(Aot, modules_are_trees_of_their_parameters) {
  struct Affine {
    Tensor w, b;
    Tensor operator()(const Tensor& x) const { return ft::matmul(x, w) + b; }
  };
  auto m = fc::aot_module(Affine{some({3, 2}), some({2})}, {.partition_fn = min_cut});
  Tensor x = some({4, 3}, 2);
  auto loss = [&](const auto& net) { return ft::sum(ft::square(net(x))); };
  expect_close(m(x), m.module(x));
  auto g = ft::grad(loss)(m), want = ft::grad(loss)(fc::aot_module(m.module));
  auto plain = ft::grad(loss)(m.module);
  expect_close(g.module.w, plain.w), expect_close(g.module.b, plain.b), expect_close(want.module.w, plain.w);
  EXPECT_EQ(m.cache_stats().misses, 1);
}
TEST(Aot, memory_efficient_fusion_is_min_cut_compiled) {
  auto f = [](const Tensor& x) { return ft::sum(ft::gelu(x * 2.0)); };
  auto a = fc::memory_efficient_fusion(f);
  EXPECT_EQ(a.programs(some({8})).parts.residuals, 1u);
  expect_close(ft::grad(a)(some({8})), ft::grad(f)(some({8})));
}
TEST(Aot, the_backward_half_owns_the_residuals_and_frees_them_as_it_goes) {
  const std::int64_t n = 1 << 16;
  std::size_t freed = 0;
  auto watching = [&](const ft::Program& p, const std::vector<Tensor>& examples) {
    auto run = fc::nop(p, examples);
    return [&, run](std::vector<Tensor> args) {
      auto copy = args;
      auto out = run(std::move(copy));
      std::size_t before = ft::memory_stats().in_use;
      args.clear();
      freed = before - ft::memory_stats().in_use;
      return out;
    };
  };
  auto f = fc::aot_function([](const Tensor& x) { return ft::sum(ft::exp(ft::exp(ft::exp(x)))); }, {.bw_compiler = watching});
  Tensor x = ft::full({n}, -1.0, ft::f64);
  const std::size_t saved = static_cast<std::size_t>(f.programs(x).parts.saved_bytes());
  EXPECT_GE(saved, 3 * n * sizeof(double));
  expect_close(ft::grad(f)(x), ft::grad([](const Tensor& v) { return ft::sum(ft::exp(ft::exp(ft::exp(v)))); })(x));
  EXPECT_GE(freed, 3 * n * sizeof(double));  // nobody else held them
}
TEST(Aot, the_joint_program_prints_with_its_halves_marked_and_parses_back) {
  auto p = fc::aot_function([](const Tensor& x) { return ft::sin(ft::sin(x)); }).programs(some({2}));
  std::string text = to_string(p.joint);
  for (const char* mark : {"# forward", "# for backward", "# backward"}) EXPECT_NE(text.find(mark), std::string::npos) << text;
  EXPECT_TRUE(ft::Program::parse(text) == p.joint.program);
}
TEST(Aot, a_program_with_a_compiled_call_prints_and_parses_back) {
  auto a = fc::aot_function([](const Tensor& x) { return ft::sin(x); });
  ft::Program p = ft::make_fx([&](const Tensor& x) { return ft::grad([&](const Tensor& v) { return ft::sum(a(v)); })(x); })(some({2}));
  EXPECT_NE(p.str().find("compiled_call"), std::string::npos) << p.str();
  EXPECT_TRUE(ft::Program::parse(p.str()) == p);
  std::string other = p.str();
  for (std::size_t at; (at = other.find("\"runner ")) != other.npos;) other.replace(at, 8, "\"gone ");
  expect_close(ft::Program::parse(other)({some({2})})[0], ft::cos(some({2})));  // a runner of another process: evaluated
}
TEST(Aot, mistakes_of_compilers_and_partitioners_are_named) {
  Tensor x = some({3});
  auto f = [](const Tensor& v) { return ft::sum(ft::sin(v)); };
  auto wrong = [](const ft::Program&, const std::vector<Tensor>&) { return [](std::vector<Tensor>) { return std::vector<Tensor>{}; }; };
  expect_throw<ft::ValueError>([&] { (void)fc::aot_function(f, {.fw_compiler = wrong})(x); }, "returned 0 tensors");
  auto shape = [](const ft::Program&, const std::vector<Tensor>&) { return [](std::vector<Tensor> a) { return a; }; };
  expect_throw<ft::ShapeError>([&] { (void)fc::aot_function(f, {.fw_compiler = shape})(x); }, "returned f64[3] for output 0");
  auto swapped = [](const fc::JointProgram& j) {
    auto p = fc::default_partition(j);
    std::swap(p.forward, p.backward);
    return p;
  };
  expect_throw<ft::ValueError>([&] { (void)ft::grad(fc::aot_function(f, {.partition_fn = swapped}))(x); }, "partition_fn returned a forward program");
  expect_throw<ft::ValueError>([&] { (void)fc::min_cut_rematerialization({1.5}); }, "activation_memory_budget is in [0, 1], got 1.5");
  expect_throw<ft::ValueError>([&] { (void)fc::aot_function(f, {.fw_compiler = {}}); }, "must not be empty");
  auto joint = fc::aot_function(f).programs(x).joint;
  expect_throw<ft::ValueError>([&] { (void)fc::partition_by_residuals(joint, {"v99"}); }, "no variable 'v99'");
  expect_throw<ft::ValueError>([&] { (void)fc::partition_by_residuals(joint, {}); }, "neither computed in it nor given");
  expect_throw<ft::ValueError>([&] { (void)fc::joint_program(ft::Program()); }, "empty");
  expect_throw<ft::Error>([&] { (void)fc::aot_function([](const Tensor&) -> Tensor { throw ft::ValueError("mine"); })(x); }, "mine");
  expect_close(ft::grad(f)(x), ft::cos(x));
}
