// Networks: training steps, gradients per sample, ensembles, tangent kernels, gradients through gradients.
#include <map>

#include <functra/nn.h>

#include "bench/workloads/row.h"

namespace bench {
namespace {

// ---------------------------------------------------------------- perceptrons
struct Layer {
  Tensor w, b;  // [in, out], [out]
};
using Mlp = std::vector<Layer>;
Mlp mlp(const std::vector<std::int64_t>& widths, int seed = 10, double scale = 0) {
  Mlp p;
  for (std::size_t i = 0; i + 1 < widths.size(); ++i, seed += 2)
    p.push_back({sym({widths[i], widths[i + 1]}, seed, scale > 0 ? scale : std::sqrt(3.0 / double(widths[i]))), sym({widths[i + 1]}, seed + 1, 0.1)});
  return p;
}
Tensor forward(const Mlp& p, Tensor x, Tensor (*activation)(const Tensor&) = ft::relu) {
  for (std::size_t i = 0; i < p.size(); ++i) {
    x = ft::matmul(x, p[i].w) + p[i].b;
    if (i + 1 < p.size()) x = activation(x);
  }
  return x;
}
// Of logits [..., classes] and classes [...].
Tensor xent(const Tensor& logits, const Tensor& y) {
  return ft::mean(ft::logsumexp(logits, -1) - ft::take_along_dim(logits, y.unsqueeze(-1), -1).squeeze(-1));
}
Tensor labels(std::int64_t n) { return ft::arange(n) * 7 % 10; }
Tensor loss(const Mlp& p, const Tensor& x, const Tensor& y) { return xent(forward(p, x), y); }
Tensor descend(const Tensor& p, const Tensor& g) { return p - 0.01 * g; }

void tanh_layer(const Row& row) {
  auto f = [](const Tensor& w, const Tensor& b, const Tensor& x, const Tensor& y) {
    return ft::mean(ft::square(ft::tanh(ft::matmul(x, w) + b) - y));
  };
  row.jit(ft::grad<0, 1>(f), sym({784, 128}, 1, 0.05), sym({128}, 2), sym({32, 784}, 3), sym({32, 128}, 4));
}
void train_step(const Row& row) {
  auto step = [](const Mlp& p, const Tensor& x, const Tensor& y) {
    auto [l, g] = ft::value_and_grad(loss)(p, x, y);
    return std::pair{l, ft::tree_map(descend, p, g)};
  };
  row.jit(step, mlp({784, 512, 512, 10}), sym({128, 784}, 1), labels(128));
}

// ---------------------------------------------------------------- per sample
auto per_sample() { return ft::vmap(ft::grad(loss), {.in_dims = {ft::none, 0, 0}}); }
Mlp clipped(const Mlp& p, const Tensor& x, const Tensor& y) {
  Mlp g = ft::grad(loss)(p, x, y);
  Tensor squares = 0.0;
  for (const Tensor& t : ft::tree_leaves(g)) squares += ft::sum(t * t);
  Tensor factor = ft::minimum(1.0, 0.1 / ft::sqrt(squares));
  return ft::tree_map([&](const Tensor& t) { return t * factor; }, g);
}
Mlp clipped_sum(const Mlp& p, const Tensor& x, const Tensor& y) {
  return ft::tree_map([](const Tensor& t) { return ft::sum(t, 0); }, ft::vmap(clipped, {.in_dims = {ft::none, 0, 0}})(p, x, y));
}
void ensemble(const Row& row) {
  std::vector<Mlp> nets;
  for (int k = 0; k < 10; ++k) nets.push_back(mlp({784, 128, 10}, 10 + 7 * k));
  row.jit(ft::vmap(ft::grad(loss), {.in_dims = {0, ft::none, ft::none}}), ft::stack_module_state(nets), sym({64, 784}, 1), labels(64));
}

// ---------------------------------------------------------------- convolutions
using Parameters = std::map<std::string, Tensor>;
Tensor classify(const Parameters& p, const Tensor& images) {
  Tensor x = ft::max_pool2d(ft::relu(ft::conv2d(images, p.at("c1"), p.at("b1"))), 2);
  x = ft::max_pool2d(ft::relu(ft::conv2d(x, p.at("c2"), p.at("b2"))), 2);
  return ft::matmul(x.flatten(1), p.at("w")) + p.at("b");
}
void cnn(const Row& row) {
  Parameters p{{"c1", sym({16, 1, 3, 3}, 1, 0.5)}, {"b1", sym({16}, 2, 0.1)},      {"c2", sym({32, 16, 3, 3}, 3, 0.15)},
               {"b2", sym({32}, 4, 0.1)},          {"w", sym({800, 10}, 5, 0.06)}, {"b", sym({10}, 6, 0.1)}};
  auto step = [](const Parameters& p, const Tensor& x, const Tensor& y) {
    auto [l, g] = ft::value_and_grad([&](const Parameters& p) { return xent(classify(p, x), y); })(p);
    return std::pair{l, ft::tree_map(descend, p, g)};
  };
  row.jit(step, p, sym({32, 1, 28, 28}, 7), labels(32));
}
// Twice the extent: windows of four over x with gaps of one between its elements.
Tensor doubled(const Tensor& x, const Tensor& w) {
  return ft::lax::conv_general_dilated(x, w.transpose(0, 1), {.padding_low = {2, 2}, .padding_high = {2, 2}, .lhs_dilation = {2, 2}});
}
void decoder(const Row& row) {
  std::vector<Tensor> p{sym({64, 64, 3, 3}, 0, 0.1), sym({64, 32, 4, 4}, 1, 0.1), sym({32, 3, 4, 4}, 2, 0.1)};
  auto f = [](const std::vector<Tensor>& p, const Tensor& z) {
    Tensor x = ft::relu(doubled(ft::relu(ft::conv2d(z, p[0], {}, 1, 1)), p[1]));
    return ft::mean(ft::square(doubled(x, p[2])));
  };
  row.jit(ft::grad(f), p, sym({16, 64, 8, 8}, 9));
}

// ---------------------------------------------------------------- attention, 128 tokens, 4 heads of 64
void attention(const Row& row) {
  const std::int64_t tokens = 128, heads = 4, extent = 64, all = heads * extent;
  std::vector<Tensor> ws;
  for (int k = 0; k < 4; ++k) ws.push_back(sym({all, all}, 1 + k, 1.7 / std::sqrt(double(all))));
  auto f = [=](const std::vector<Tensor>& ws, const Tensor& x) {
    auto split = [&](const Tensor& w) { return ft::matmul(x, w).reshape({tokens, heads, extent}).permute({1, 0, 2}); };
    Tensor q = split(ws[0]), k = split(ws[1]), v = split(ws[2]);
    Tensor a = ft::matmul(ft::softmax(ft::matmul(q, k.transpose(1, 2)) / std::sqrt(double(extent)), -1), v);
    return ft::sum(ft::square(ft::matmul(a.permute({1, 0, 2}).reshape({tokens, all}), ws[3])));
  };
  row.jit(ft::grad(f), ws, sym({tokens, all}, 9));
}

// ---------------------------------------------------------------- tangent kernel and meta-learning
void tangent_kernel(const Row& row) {
  auto kernel = [](const Mlp& p, const Tensor& x1, const Tensor& x2) {
    auto jacobian = ft::vmap(ft::jacrev([](const Mlp& p, const Tensor& x) { return forward(p, x); }), {.in_dims = {ft::none, 0}});
    auto a = ft::tree_leaves(jacobian(p, x1)), b = ft::tree_leaves(jacobian(p, x2));
    Tensor k = 0.0;
    for (std::size_t i = 0; i < a.size(); ++i) k += ft::einsum("naf,mbf->nmab", a[i].flatten(2), b[i].flatten(2));
    return k;
  };
  row.jit(kernel, mlp({784, 64, 10}), sym({50, 784}, 1), sym({50, 784}, 2));
}
void meta_learning(const Row& row) {
  Tensor xs = sym({25, 20, 1}, 1, 5);
  Tensor amplitude = (0.1 + 4.9 * uniform({25, 1, 1}, 2)).to(ft::f32), phase = (M_PI * uniform({25, 1, 1}, 3)).to(ft::f32);
  Tensor ys = amplitude * ft::sin(xs + phase);
  auto error = [](const Mlp& p, const Tensor& x, const Tensor& y) { return ft::mean(ft::square(forward(p, x, ft::tanh) - y)); };
  auto task = [=](const Mlp& p, const Tensor& x, const Tensor& y) {
    ft::Slice first(0, 10), rest(10);
    Mlp g = ft::grad(error)(p, x.index({first}), y.index({first}));
    Mlp adapted = ft::tree_map([](const Tensor& a, const Tensor& b) { return a - 0.1 * b; }, p, g);
    return error(adapted, x.index({rest}), y.index({rest}));
  };
  auto outer = [=](const Mlp& p) { return ft::mean(ft::vmap(task, {.in_dims = {ft::none, 0, 0}})(p, xs, ys)); };
  row.jit(ft::grad(outer), mlp({1, 40, 40, 1}, 10, 0.5));
}

}  // namespace

std::vector<Row> network_rows() {
  return {
      {"tanh_layer_grad_32x784x128", tanh_layer},
      {"mlp_train_step_b128", train_step},
      {"cnn_train_step_b32", cnn},
      {"attention_grad_t128_h4_d64", attention},
      {"per_sample_grads_mlp_b256",
       [](const Row& row) {
         row.jit(per_sample(), mlp({784, 128, 10}), sym({256, 784}, 1), labels(256));
       }},
      {"eager_per_sample_grads_mlp_b256",
       [](const Row& row) {
         row.eager(per_sample(), mlp({784, 128, 10}), sym({256, 784}, 1), labels(256));
       },
       "eager"},
      {"dp_clipped_grad_mlp_b256",
       [](const Row& row) {
         row.jit(clipped_sum, mlp({784, 128, 10}), sym({256, 784}, 1), labels(256));
       }},
      {"ensemble10_grad_mlp_b64", ensemble},
      {"ntk_mlp_50x50", tangent_kernel},
      {"maml_sinusoid_25x10", meta_learning},
      {"conv_decoder_grad_b16", decoder},
  };
}

}  // namespace bench
