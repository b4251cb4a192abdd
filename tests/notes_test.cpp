// The code of the notes in docs/notes, compiled and run. Each piece between two lines "// [name]" stands on a page.
#include <gtest/gtest.h>

#include "functra/compile.h"
#include "functra/functra.h"
#include "functra/nn.h"
#include "functra/optim.h"
#include "support/close.h"

namespace ft = functra;
namespace nn = functra::nn;
using ft::Tensor;

namespace {
template <class F> std::string error_of(F f) {
  try {
    f();
  } catch (const std::exception& e) { return e.what(); }
  return "no error";
}
#define EXPECT_ERROR(f, text) EXPECT_EQ(error_of([&] { (void)(f); }), text)
}  // namespace

TEST(Notes, branches) {
  Tensor x = 2.0, xs = ft::tensor({1.0, -2.0});
  // [branch]
  auto f = [](const Tensor& v) {
    if (v > 0) return v * 2.0;
    return v * v;
  };
  ft::grad(f)(x);  // fine: the value is known, the branch that ran is differentiated
  // [branch]
  // [branch_vmap]
  EXPECT_ERROR(ft::vmap(f)(xs),
               "if: the condition differs from example to example under vmap, so it cannot choose a branch for all; "
               "use where(condition, a, b)");
  EXPECT_ERROR(ft::jit(f)(x),
               "if: the condition is not known while jit traces the function; use where(condition, a, b), or let it depend on "
               "static arguments (numbers) only");
  // [branch_vmap]
  // [branch_where]
  auto g = [](const Tensor& v) { return ft::where(v > 0, v * 2.0, v * v); };  // both sides are computed
  auto h = [](const Tensor& v) {                                              // the side that is taken, where v is not mapped
    return ft::cond(
        v > 0, [](const Tensor& a) { return a * 2.0; }, [](const Tensor& a) { return a * a; }, v);
  };
  Tensor all = ft::vmap(g)(xs), same = ft::vmap(ft::jit(h))(xs);  // 2, 4
  // [branch_where]
  expect_close(all, ft::tensor({2.0, 4.0}));
  expect_close(same, all);
}
TEST(Notes, loops) {
  Tensor x = 2.0;
  // [loop]
  auto power = [](const Tensor& v, int n) {  // n is static: a C++ loop, unrolled; jit traces once per n
    Tensor y = 1.0;
    for (int i = 0; i < n; ++i) y = y * v;
    return y;
  };
  auto doubled = [](const Tensor& v) {  // until the value says so: while_loop, its steps bounded for reverse mode
    return ft::while_loop([](const Tensor& y) { return y < 10.0; }, [](const Tensor& y) { return y * 2.0; }, v, {.max_steps = 8});
  };
  // [loop]
  EXPECT_EQ(double(ft::jit(ft::grad(power))(x, 3)), 12);
  EXPECT_EQ(double(ft::grad(doubled)(x)), 8);
  // [loop_error]
  auto unbounded = [](const Tensor& v) {
    return ft::while_loop([](const Tensor& y) { return y < 10.0; }, [](const Tensor& y) { return y * 2.0; }, v);
  };
  EXPECT_ERROR(ft::grad(unbounded)(x),
               "while_loop: reverse-mode derivatives need {.max_steps = N} (keeps what N steps need) or {.checkpoint = k} (keeps k "
               "carries and computes the steps between again); or use forward mode (jvp, jacfwd)");
  // [loop_error]
  EXPECT_EQ(double(ft::jacfwd(unbounded)(x)), 8);
}
TEST(Notes, values) {
  Tensor x = 2.0, xs = ft::tensor({1.0, -2.0});
  // [item]
  auto f = [](const Tensor& v) { return v * v.item<double>(); };
  ft::grad(f)(x);  // 2: what item() gives is a number, and counts as a constant
  EXPECT_ERROR(ft::vmap(f)(xs),
               "item(): the value differs from example to example under vmap, so it cannot be read; compute with the tensor, or "
               "return it and read outside");
  EXPECT_ERROR(ft::jit(f)(x),
               "item(): the value is not known while jit traces the function; pass it as a static argument (a number), or read it "
               "outside of jit");
  // [item]
  EXPECT_EQ(double(ft::grad(f)(x)), 2);
  // [shapes]
  EXPECT_ERROR(ft::vmap([](const Tensor& v) { return ft::masked_select(v, v > 0); })(ft::stack({xs, xs})),
               "masked_select: the value differs from example to example under vmap, so it cannot be read; compute with the tensor, "
               "or return it and read outside");
  // [shapes]
  // [static]
  int traces = 0;
  auto scaled = ft::jit([&](const Tensor& v, double s) {  // s is a number: part of what was compiled
    ++traces;
    return v * s;
  });
  scaled(x, 2.0), scaled(x, 3.0);  // two traces
  std::string why = scaled.explain_miss(x, 4.0);
  auto free = ft::jit([](const Tensor& v, const Tensor& s) { return v * s; });
  free(x, 2.0), free(x, 3.0);  // one
  // [static]
  EXPECT_EQ(traces, 2);
  EXPECT_NE(why.find("argument 1"), why.npos) << why;
  EXPECT_EQ(free.cache_size(), 1u);
}
TEST(Notes, escaping_and_effects) {
  Tensor x = ft::tensor({1.0, 2.0});
  // [escape]
  Tensor kept;
  auto f = [&](const Tensor& v) {
    kept = v * 2.0;
    return ft::sum(kept);
  };
  ft::grad(f)(x);
  std::string error = error_of([&] { (void)ft::sin(kept); });  // "... which has finished ...; return it instead of storing it"
  auto [g, twice] = ft::grad(ft::has_aux, [](const Tensor& v) {
    Tensor t = v * 2.0;
    return std::pair{ft::sum(t), t};
  })(x);
  // [escape]
  EXPECT_NE(error.find("return it from the transformed function instead of storing it"), error.npos) << error;
  expect_close(twice, x * 2.0);
  std::string seen;
  ft::debug::set_sink([&](const std::string& line) { seen += line + ";"; });
  // [print]
  auto noisy = ft::jit([](const Tensor& v) {
    ft::debug::print("v = {}", v);  // at every run, with the values; std::cout << v would print a tracer, once
    return v * 2.0;
  });
  noisy(ft::tensor(1.0)), noisy(ft::tensor(3.0));
  // [print]
  ft::debug::set_sink({});
  EXPECT_EQ(seen, "v = 1.0;v = 3.0;");
  // [ref]
  ft::Ref total(ft::tensor(0.0));
  auto counted = ft::jit([&](const Tensor& v) {
    total.add(v);  // an input and an output of the compiled program
    return v * 2.0;
  });
  counted(ft::tensor(1.0)), counted(ft::tensor(3.0));  // total: 4
  EXPECT_ERROR(ft::vmap(counted)(x),
               "Ref: made outside of vmap and written with a value that differs from example to example; make it inside, or return "
               "the value");
  // [ref]
  EXPECT_EQ(double(total.get()), 4);
}
TEST(Notes, batch_norm) {
  Tensor images = ft::random::normal(ft::random::key(0), {8, 3, 4, 4});
  // [bn_net]
  struct Net {
    nn::Conv2d conv;
    nn::BatchNorm2d norm;
    Tensor operator()(const Tensor& x) const { return ft::relu(norm(conv(x))); }
  };
  auto [k1, k2] = ft::random::split(ft::random::key(1));
  Net net{nn::Conv2d(k1, 3, 4, 3), nn::BatchNorm2d(4)};
  // [bn_net]
  // [bn_values]
  auto step = [](Net n, const Tensor& x) {  // statistics are results: nothing is written in place
    auto [y, norm] = n.norm.with_statistics(n.conv(x));
    n.norm = norm;
    return std::pair{ft::relu(y), n};
  };
  auto [y, next] = step(net, images);
  auto many = ft::vmap(step, {.in_dims = {ft::none, 0}})(net, images.reshape({2, 4, 3, 4, 4}));  // each half its own statistics
  // [bn_values]
  EXPECT_EQ(many.second.norm.running_mean->value().sizes(), (ft::Shape{2, 4}));
  EXPECT_FALSE(ft::allclose(next.norm.running_mean->value(), net.norm.running_mean->value()));
  // [bn_off]
  Net batch_only = nn::replace_all_batch_norm(net);  // always the batch's own statistics
  Net fixed = nn::eval(net);                         // the running ones: examples do not see each other
  auto loss = [](const Net& n, const Tensor& x) { return ft::mean(ft::square(n(x.unsqueeze(0)))); };
  Net g = ft::vmap(ft::grad(loss), {.in_dims = {ft::none, 0}})(fixed, images);  // per-sample gradients
  // [bn_off]
  EXPECT_EQ(g.conv.weight.sizes(), (ft::Shape{8, 4, 3, 3, 3}));
  EXPECT_TRUE(ft::allclose(batch_only(images), net(images)));
  EXPECT_TRUE(ft::allclose(g.norm.running_mean->value(), ft::zeros({8, 4})));  // buffers are not differentiated
}
TEST(Notes, randomness) {
  Tensor xs = ft::zeros({3});
  // [rng_error]
  auto noisy = [](const Tensor& x) { return x + ft::randn({}); };
  EXPECT_ERROR(ft::vmap(noisy)(xs),
               "vmap: a draw from the stateful generator with randomness error; give vmap .randomness = Randomness::same (one draw "
               "for all slices) or ::different (one each), or pass a key per slice to ft::random");
  // [rng_error]
  // [rng_modes]
  Tensor same = ft::vmap(noisy, {.randomness = ft::Randomness::same})(xs);
  Tensor different = ft::vmap(noisy, {.randomness = ft::Randomness::different})(xs);
  // [rng_modes]
  EXPECT_TRUE(double(same[0]) == double(same[1]));
  EXPECT_TRUE(double(different[0]) != double(different[1]));
  // [rng_jit]
  EXPECT_ERROR(ft::jit(noisy)(xs[0]),
               "draw_bits: drawing from the stateful generator while tracing (jit) would fix one draw for ever; pass a key and use "
               "ft::random (random::normal(key, shape))");
  // [rng_jit]
  // [rng_keys]
  auto f = [](const Tensor& x, const Tensor& key) { return x + ft::random::normal(key); };  // a pure function
  Tensor keys = ft::random::split(ft::random::key(0), 3);
  Tensor y = ft::jit(ft::vmap(f))(xs, keys);
  // [rng_keys]
  for (int i = 0; i < 3; ++i) EXPECT_EQ(double(y[i]), double(f(xs[i], keys[i])));
}
TEST(Notes, moving) {
  auto [k1, k2] = ft::random::split(ft::random::key(0));
  // [functional]
  struct Net {
    nn::Linear a, b;
    Tensor operator()(const Tensor& x) const { return b(ft::tanh(a(x))); }
  };
  Net net{nn::Linear(k1, 3, 4), nn::Linear(k2, 4, 1)};
  Tensor x = ft::ones({5, 3}), y = ft::zeros({5, 1});
  auto loss = [&](const Net& n) { return ft::nn::functional::mse_loss(n(x), y); };
  Net g = ft::grad(loss)(net);  // a struct like net: g.a.weight, g.b.bias
  Tensor out = ft::functional_call(net, {{"b.weight", ft::zeros({1, 4})}}, x);
  Net models = ft::stack_module_state(std::vector<Net>{net, net});
  Tensor each = ft::vmap([](const Net& n, const Tensor& v) { return n(v); }, {.in_dims = {0, ft::none}})(models, x);
  // [functional]
  EXPECT_EQ(g.a.weight.sizes(), net.a.weight.sizes());
  EXPECT_EQ(each.sizes(), (ft::Shape{2, 5, 1}));
  EXPECT_EQ(out.sizes(), (ft::Shape{5, 1}));
  // [optimizer]
  ft::optim::Adam adam{{.lr = 1e-2}};
  auto state = adam.init(net);
  for (int i = 0; i < 3; ++i) std::tie(net, state) = adam.step(net, ft::grad(loss)(net), state);
  // [optimizer]
  EXPECT_EQ(state.step.item<int>(), 3);
}
