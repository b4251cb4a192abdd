// AOT Autograd: how to use and optimize? After the page of that name in functorch's documentation.
//
// AOT autograd traces a function's forward and backward programs ahead of time. With both in hand one can decide what the forward half
// keeps for the backward half and what is computed again, and hand each half to a compiler.
#include <functra/compile.h>

#include <chrono>

#include "support/check.h"
#include "support/models.h"

using namespace example;
namespace fc = ft::compile;

namespace {

// The function of the tutorial, and its derivative by any of the four in closed form.
Tensor fn(const Tensor& a, const Tensor& b, const Tensor& c, const Tensor& d) {
  Tensor x = a + b + c + d;
  return ft::cos(ft::cos(x));
}
Tensor derivative(const Tensor& x) { return ft::sin(ft::cos(x)) * ft::sin(x); }

Tensor inputs(int i, const ft::Shape& s) { return ft::random::normal(ft::random::fold_in(ft::random::key(0), i), s); }

// Runs f forward and backward, and compares with the closed form.
template <class F> void check_gradient(const std::string& what, const F& f) {
  Tensor a = inputs(0, {2, 4}), b = inputs(1, {2, 4}), c = inputs(2, {2, 4}), d = inputs(3, {2, 4});
  auto [y, pullback] = ft::vjp(f, a, b, c, d);
  auto [ga, gb, gc, gd] = pullback(ft::ones_like(y));
  Tensor want = derivative(a + b + c + d);
  check(what + ": value", ft::allclose(y, fn(a, b, c, d)));
  check(what + ": gradients", ft::allclose(ga, want) && ft::allclose(gb, want) && ft::allclose(gc, want) && ft::allclose(gd, want));
}

// Mean times of the forward and of the backward half, as the tutorial takes them.
template <class F> void bench(const F& f, const std::string& name) {
  Tensor a = inputs(0, {1024, 2048}), b = inputs(1, {1024, 2048}), c = inputs(2, {1024, 2048}), d = inputs(3, {1024, 2048});
  using Clock = std::chrono::steady_clock;
  std::chrono::duration<double, std::micro> forward{}, backward{};
  const int warmup = 2, iterations = 10;
  for (int i = 0; i < warmup + iterations; ++i) {
    auto t0 = Clock::now();
    auto [y, pullback] = ft::vjp(f, a, b, c, d);
    auto t1 = Clock::now();
    Tensor seed = ft::ones_like(y);
    auto t2 = Clock::now();
    (void)pullback(seed);
    if (i >= warmup) forward += t1 - t0, backward += Clock::now() - t2;
  }
  fmt::print("{:<24} Fwd = {:.0f} us, Bwd = {:.0f} us\n", name, forward.count() / iterations, backward.count() / iterations);
}

// What the partitions of a model's mean square keep and compute again; their halves in sequence against eager gradients.
template <class Model> void report(const char* name, const Model& model, const Tensor& x) {
  auto loss = [](const Model& m, const Tensor& v) { return ft::mean(ft::square(m(v))); };
  auto joint = fc::aot_function(loss).programs(model, x).joint;
  fc::Partition kept = fc::default_partition(joint), cut = fc::min_cut_rematerialization_partition(joint);
  fc::Partition least = fc::min_cut_rematerialization({.activation_memory_budget = 0})(joint);
  fmt::print("{:<16}{:>10}{:>10}{:>10}{:>12}{:>10}{:>12}\n", name, joint.program.size(), kept.saved_bytes(), cut.saved_bytes(), cut.recomputed,
             least.saved_bytes(), least.recomputed);
  auto leaves = ft::tree_leaves(std::tuple{model, x});
  std::vector<Tensor> out = cut.forward(leaves), residuals(out.begin() + 1, out.end());
  residuals.push_back(ft::tensor(1.0, x.dtype()));  // the cotangent of the loss
  std::vector<Tensor> g = cut.backward(residuals), want = ft::tree_leaves(ft::grad<0, 1>(loss)(model, x));
  bool same = g.size() == want.size();
  for (std::size_t i = 0; same && i < g.size(); ++i) same = ft::allclose(g[i], want[i], 1e-12, 1e-12);
  check(std::string(name) + ": forward, then backward, is the gradient", same);
  check(std::string(name) + ": min-cut keeps no more bytes", cut.saved_bytes() <= kept.saved_bytes() && least.saved_bytes() <= cut.saved_bytes());
}

}  // namespace

int main(int argc, char** argv) {
  std::string out = out_folder(argc, argv);

  // Use AOT autograd: a compiler is called with each half. This one prints it. Beside its result the forward half returns what it keeps.
  fmt::print("---- forward and backward programs\n");
  check_gradient("printed", fc::aot_function(fn, {.fw_compiler = fc::print_compile}));

  // Both come from one joint program, (inputs, cotangent) -> (result, gradients); each of its lines says to which half it belongs.
  Tensor a = inputs(0, {2, 4});
  fc::AotPrograms aot = fc::aot_function(fn).programs(a, a, a, a);
  fmt::print("---- the joint program\n{}\n", to_string(aot.joint));
  fc::draw_graph(aot.joint.program, out + "/aot_joint.svg", {.title = "joint program"});
  fc::draw_graph(aot.joint, aot.parts, out + "/aot_default.svg", {.title = "default partition"});

  // Operator fusion: a compiler that does more than print.
  auto compiled = fc::aot_function(fn, {.fw_compiler = fc::jit, .bw_compiler = fc::jit});
  check_gradient("jit", compiled);

  // Recomputation: the default partition keeps both arguments of cosines. Of these, one is cheaply made from the other; a minimum cut
  // finds the fewest bytes from which the backward half can go on.
  fmt::print("---- with recomputation\n");
  check_gradient("recomputed", fc::aot_function(fn, {.fw_compiler = fc::print_compile, .partition_fn = fc::min_cut_rematerialization_partition}));
  fc::Partition cut = fc::min_cut_rematerialization_partition(aot.joint);
  fc::draw_graph(aot.joint, cut, out + "/aot_min_cut.svg", {.title = "minimum cut"});
  check("two values of 8 floats are kept by default", aot.parts.residuals == 2 && aot.parts.saved_bytes() == 2 * 8 * 4);
  check("one by minimum cut, and one cosine is computed again", cut.residuals == 1 && cut.saved_bytes() == 8 * 4 && cut.recomputed == 1);

  // Both at once is memory_efficient_fusion.
  auto fused = fc::memory_efficient_fusion(fn);
  check_gradient("memory-efficient fusion", fused);
  fmt::print("---- times, inputs of 1024 x 2048\n");
  bench(fn, "Eager,");
  bench(compiled, "AOT,");
  bench(fused, "AOT_Recomp,");

  // Models: the bytes that partitions keep, and how many equations the backward half computes again. A minimum cut does not compute
  // products of matrices or loops twice unless it is told to: an LSTM is one loop, so only a budget of 0 finds anything there.
  fmt::print("---- partitions of models: bytes kept, equations recomputed\n{:<16}{:>10}{:>10}{:>10}{:>12}{:>10}{:>12}\n", "model (f64)", "equations",
             "default", "min-cut", "recomputed", "budget 0", "recomputed");
  Tensor k = ft::random::split(ft::random::key(1), 4);
  report("12-layer MLP", DeepMlp(k[0], 12, 64, ft::f64), ft::random::normal(k[3], {32, 64}, ft::f64));
  report("transformer block", TransformerBlock(k[1], 64, 4, ft::f64), ft::random::normal(k[3], {16, 4, 64}, ft::f64));
  report("LSTM", LstmOutputs(k[2], 64, ft::f64), ft::random::normal(k[3], {16, 8, 64}, ft::f64));
  return failures != 0;
}
