// Layers against torch.nn (tools/references/nn_reference.py): outputs, gradients by input and parameters, initial values, mistakes.
#include <gtest/gtest.h>

#include "functra/functra.h"
#include "functra/nn/activation.h"
#include "functra/nn/conv.h"
#include "functra/nn/functional.h"
#include "functra/nn/init.h"
#include "functra/nn/norm.h"
#include "functra/nn/pool.h"
#include "functra/nn/recurrent.h"
#include "functra/nn/sequential.h"
#include "tests/support/nn_reference.h"

namespace ft = functra;
using ft::Shape;
using ft::Tensor;
namespace nn = ft::nn;
using functra::f64;
using functra::testing::expect_like_torch;
using functra::testing::expect_stored;
using functra::testing::stored_one;
using Inputs = std::vector<Tensor>;

namespace {

Tensor key() { return ft::random::key(0); }
template <class Net> void like_torch(const std::string& name, const Net& net) { expect_like_torch(name, net); }

// y as torch, and the layer that has seen the batch holds torch's buffers.
template <class B> void batch_norm(const std::string& name, B b) {
  b = expect_like_torch(name, b);
  auto [y, next] = b.with_statistics(stored_one(name + ".x0"));
  expect_stored(y, name + ".y0");
  for (const auto& [path, value] : ft::named_buffers(next)) expect_stored(value, name + ".a." + path);
}

Tensor draw(const Shape& s, int seed = 1) { return ft::random::normal(ft::random::key(static_cast<std::uint64_t>(seed)), s, f64); }
// f(net, x) under jit, vmap of grad and vmap over the net equals the loop.
template <class Net, class F> void transforms(const std::vector<Net>& nets, const Tensor& xs, F f) {
  auto loss = [&](const Net& n, const Tensor& x) { return ft::square(f(n, x)).sum(); };
  expect_close(ft::jit(loss)(nets[0], xs[0]), loss(nets[0], xs[0]), 1e-10);
  Net each = ft::vmap(ft::grad(loss), {.in_dims = {ft::none, 0}})(nets[0], xs);
  Tensor both = ft::vmap(loss)(ft::stack_module_state(nets), xs);
  for (int i = 0; i < static_cast<int>(nets.size()); ++i) {
    expect_close(both[i], loss(nets[static_cast<std::size_t>(i)], xs[i]), 1e-10);
    for (const auto& [name, g] : ft::named_parameters(ft::grad(loss)(nets[0], xs[i]))) expect_close(ft::named_parameters(each).at(name)[i], g, 1e-9);
  }
}
template <class Make> auto two(Make make) { return std::vector{make(ft::random::key(1)), make(ft::random::key(2))}; }

}  // namespace

TEST(Layers, LinearMapsAndTablesEqualTorch) {
  like_torch("linear", nn::Linear(key(), 3, 4, {.dtype = f64}));
  like_torch("linear_no_bias", nn::Linear(key(), 3, 2, {.bias = false, .dtype = f64}));
  like_torch("embedding", nn::Embedding(key(), 5, 3, {.dtype = f64}));
  like_torch("embedding_padding", nn::Embedding(key(), 5, 3, {.padding_idx = -1, .dtype = f64}));
  EXPECT_TRUE(bool((nn::Embedding(key(), 5, 3, {.padding_idx = 2}).weight[2] == 0).all()));
  EXPECT_EQ(nn::Flatten()(ft::ones({2, 3, 4})).sizes(), (Shape{2, 12}));
}
TEST(Layers, ConvolutionsEqualTorch) {
  like_torch("conv1d", nn::Conv1d(key(), 2, 3, 3, {.stride = 2, .padding = 1, .dtype = f64}));
  like_torch("conv2d", nn::Conv2d(key(), 2, 4, {3, 2}, {.stride = {2, 1}, .padding = {1, 0}, .dilation = {1, 2}, .groups = 2, .dtype = f64}));
  like_torch("conv2d_no_bias", nn::Conv2d(key(), 1, 2, 2, {.bias = false, .dtype = f64}));
  like_torch("conv3d", nn::Conv3d(key(), 1, 2, 2, {.padding = 1, .dtype = f64}));
  like_torch("conv_transpose1d", nn::ConvTranspose1d(key(), 2, 3, 3, {.stride = 2, .padding = 1, .output_padding = 1, .dtype = f64}));
  like_torch("conv_transpose2d",
             nn::ConvTranspose2d(key(), 4, 2, {3, 2},
                                 {.stride = {2, 3}, .padding = {1, 0}, .output_padding = {0, 2}, .groups = 2, .dilation = {2, 1}, .dtype = f64}));
  like_torch("conv_transpose3d", nn::ConvTranspose3d(key(), 1, 2, 2, {.stride = 2, .bias = false, .dtype = f64}));
}
TEST(Layers, NormalisationEqualsTorch) {
  batch_norm("batch_norm1d", nn::BatchNorm1d(3, {.dtype = f64}));
  batch_norm("batch_norm1d_3", nn::BatchNorm1d(3, {.eps = 1e-3, .momentum = 0.3, .dtype = f64}));
  batch_norm("batch_norm2d", nn::BatchNorm2d(2, {.momentum = {}, .dtype = f64}));
  batch_norm("batch_norm2d_plain", nn::eval(nn::BatchNorm2d(2, {.affine = false, .track_running_stats = false, .dtype = f64})));
  batch_norm("batch_norm3d", nn::BatchNorm3d(2, {.dtype = f64}));
  batch_norm("batch_norm2d_eval", nn::eval(nn::BatchNorm2d(2, {.dtype = f64})));
  like_torch("instance_norm1d", nn::InstanceNorm1d(3, {.affine = true, .dtype = f64}));
  like_torch("instance_norm2d", nn::InstanceNorm2d(2));
  like_torch("instance_norm3d", nn::InstanceNorm3d(2, {.affine = true, .dtype = f64}));
  like_torch("layer_norm", nn::LayerNorm(4, {.dtype = f64}));
  like_torch("layer_norm2", nn::LayerNorm({3, 4}, {.bias = false, .dtype = f64}));
  like_torch("group_norm", nn::GroupNorm(2, 4, {.dtype = f64}));
  like_torch("rms_norm", nn::RMSNorm(4, {.dtype = f64}));
  like_torch("rms_norm_eps", nn::RMSNorm({2, 4}, {.eps = 0.1, .dtype = f64}));
}
TEST(Layers, PoolingEqualsTorch) {
  like_torch("max_pool1d", nn::MaxPool1d(3, {.stride = 2, .padding = 1}));
  like_torch("max_pool2d", nn::MaxPool2d(2, {.dilation = 2}));
  like_torch("max_pool3d", nn::MaxPool3d(2, {.stride = 1}));
  like_torch("avg_pool1d", nn::AvgPool1d(3, {.stride = 1, .padding = 1}));
  like_torch("avg_pool2d", nn::AvgPool2d({2, 3}, {.stride = 2, .padding = 1, .count_include_pad = false}));
  like_torch("avg_pool3d", nn::AvgPool3d(2));
  like_torch("adaptive_avg_pool1d", nn::AdaptiveAvgPool1d(3));
  like_torch("adaptive_avg_pool2d", nn::AdaptiveAvgPool2d({2, 3}));
  like_torch("adaptive_avg_pool3d", nn::AdaptiveAvgPool3d(1));
}
TEST(Layers, RecurrentLayersEqualTorch) {
  auto with_state = [](const auto& n, const Inputs& x) { return x.size() > 1 ? n(x[0], x[1]) : n(x[0]); };
  expect_like_torch("rnn", nn::RNN(key(), 3, 2, {.dtype = f64}), with_state);
  expect_like_torch("rnn_relu", nn::RNN(key(), 3, 2, {.nonlinearity = nn::Nonlinearity::relu, .bias = false, .batch_first = true, .dtype = f64}),
                    with_state);
  expect_like_torch("rnn_layers", nn::RNN(key(), 3, 2, {.num_layers = 2, .bidirectional = true, .dtype = f64}), with_state);
  expect_like_torch("gru", nn::GRU(key(), 3, 2, {.dtype = f64}), with_state);
  expect_like_torch("gru_unbatched", nn::GRU(key(), 3, 2, {.num_layers = 2, .dtype = f64}), with_state);
  auto lstm = [](const nn::LSTM& n, const Inputs& x) { return x.size() > 1 ? n(x[0], {x[1], x[2]}) : n(x[0]); };
  expect_like_torch("lstm", nn::LSTM(key(), 3, 2, {.dtype = f64}), lstm);
  expect_like_torch("lstm_layers", nn::LSTM(key(), 3, 2, {.num_layers = 2, .batch_first = true, .bidirectional = true, .dtype = f64}), lstm);
  auto run = [](const auto& n, const Tensor& x) { return n(x).first; };
  transforms(two([](const Tensor& k) { return nn::LSTM(k, 3, 2, {.bidirectional = true, .dtype = f64}); }), draw({2, 4, 2, 3}), run);
  transforms(two([](const Tensor& k) { return nn::GRU(k, 3, 2, {.num_layers = 2, .dtype = f64}); }), draw({2, 4, 3}), run);
}
TEST(Layers, AttentionEqualsTorch) {
  using M = nn::MultiheadAttention;
  auto self = [](nn::AttentionMasks m) { return [m](const M& n, const Inputs& x) { return n(x[0], m); }; };
  expect_like_torch("attention", M(key(), 4, 2, {.batch_first = true, .dtype = f64}), self({}));
  expect_like_torch("attention_cross", M(key(), 4, 2, {.bias = false, .kdim = 3, .vdim = 5, .batch_first = true, .dtype = f64}),
                    [](const M& n, const Inputs& x) { return n(x[0], x[1], x[2]); });
  expect_like_torch("attention_causal", M(key(), 4, 2, {.dtype = f64}), self({.is_causal = true}));
  Tensor mask = ft::tensor({{false, true, false}, {false, false, true}, {false, false, false}}),
         pad = ft::tensor({{false, false, true}, {false, false, false}});
  expect_like_torch("attention_mask", M(key(), 4, 2, {.batch_first = true, .dtype = f64}), self({.attn_mask = mask, .key_padding_mask = pad}));
  Tensor per_head = ft::broadcast_to(mask, {4, 3, 3});
  expect_like_torch("attention_mask", M(key(), 4, 2, {.batch_first = true, .dtype = f64}), self({.attn_mask = per_head, .key_padding_mask = pad}));
  expect_like_torch("attention_float_mask", M(key(), 4, 1, {.batch_first = true, .dtype = f64}),
                    self({.attn_mask = ft::arange(9.0, f64).reshape({3, 3}) / 8}));
  expect_like_torch("attention_weights", M(key(), 4, 2, {.batch_first = true, .dtype = f64}),
                    [](const M& n, const Inputs& x) { return n.with_weights(x[0], x[0], x[0]); });
  transforms(two([](const Tensor& k) { return M(k, 4, 2, {.dtype = f64}); }), draw({2, 3, 4}),
             [](const M& n, const Tensor& x) { return n(x, {.is_causal = true}); });
  Tensor q = draw({2, 3, 4}), v = draw({2, 3, 2}, 2), keep = !mask;
  expect_close(nn::scaled_dot_product_attention(q, q, v, {.attn_mask = keep, .scale = 0.3}),
               ft::matmul(ft::softmax(ft::where(keep, ft::matmul(q, q.transpose(1, 2)) * 0.3, -INFINITY), -1), v), 1e-12);
}
TEST(Layers, ActivationsEqualTorch) {
  namespace F = nn::functional;
  like_torch("act_relu", nn::ReLU());
  like_torch("act_relu6", nn::ReLU6());
  like_torch("act_leaky_relu", nn::LeakyReLU());
  like_torch("act_elu", nn::ELU());
  like_torch("act_selu", nn::SELU());
  expect_like_torch("act_celu", nn::CELU(0.7), 1e-8);  // torch keeps some constants of derivatives in f32
  like_torch("act_gelu", nn::GELU());
  like_torch("act_gelu_tanh", nn::GELU(nn::Approximate::tanh));
  like_torch("act_silu", nn::SiLU());
  like_torch("act_mish", nn::Mish());
  like_torch("act_softplus", nn::Softplus());
  like_torch("act_softplus_beta", nn::Softplus(2, 3));
  like_torch("act_softsign", nn::Softsign());
  like_torch("act_tanhshrink", nn::Tanhshrink());
  like_torch("act_softshrink", nn::Softshrink());
  like_torch("act_hardshrink", nn::Hardshrink());
  like_torch("act_hardtanh", nn::Hardtanh());
  expect_like_torch("act_hardsigmoid", nn::Hardsigmoid(), 1e-8);
  like_torch("act_hardswish", nn::Hardswish());
  like_torch("act_logsigmoid", nn::LogSigmoid());
  like_torch("act_sigmoid", nn::Sigmoid());
  like_torch("act_tanh", nn::Tanh());
  like_torch("act_threshold", nn::Threshold(0.5, -2));
  like_torch("act_softmin", nn::Softmin(-1));
  like_torch("act_softmax", nn::Softmax(0));
  like_torch("act_log_softmax", nn::LogSoftmax(1));
  like_torch("act_glu", nn::GLU());
  like_torch("prelu", nn::PReLU(3, 0.25, f64));
  Tensor x = ft::tensor({-1000.0, -2.0, 2.0, 1000.0}, f64);  // nothing overflows into the derivative
  for (auto f : {+[](const Tensor& v) { return F::elu(v); }, +[](const Tensor& v) { return F::celu(v, 0.5); },
                 +[](const Tensor& v) { return F::selu(v); }, +[](const Tensor& v) { return F::mish(v); },
                 +[](const Tensor& v) { return F::gelu_tanh(v); }, +[](const Tensor& v) { return F::logsigmoid(v); }})
    EXPECT_TRUE(bool(ft::isfinite(ft::grad([f](const Tensor& v) { return f(v).sum(); })(x)).all()));
  expect_close(F::prelu(ft::tensor({-1.0, 2.0}), 0.5), ft::tensor({-0.5, 2.0}));
  expect_close(F::prelu(ft::tensor({-1.0, -2.0}), ft::tensor({0.5, 3.0})), ft::tensor({-0.5, -6.0}));
}
TEST(Layers, LayersComposeWithEveryTransform) {
  auto call = [](const auto& n, const Tensor& x) { return n(x); };
  transforms(two([](const Tensor& k) { return nn::Conv2d(k, 2, 3, 2, {.padding = 1, .dtype = f64}); }), draw({2, 1, 2, 4, 4}), call);
  transforms(two([](const Tensor& k) { return nn::ConvTranspose1d(k, 2, 3, 3, {.stride = 2, .dtype = f64}); }), draw({2, 1, 2, 4}), call);
  transforms(std::vector{nn::LayerNorm(4, {.dtype = f64}), nn::LayerNorm(4, {.dtype = f64})}, draw({2, 3, 4}), call);
  transforms(two([](const Tensor& k) { return nn::Embedding(k, 5, 3, {.padding_idx = 1, .dtype = f64}); }), ft::tensor({{0, 1}, {4, 4}}), call);
}
TEST(Layers, SequentialTakesLayersFunctionsAndVectors) {
  auto [a, b] = ft::random::split(key());
  auto twice = [](const Tensor& x) { return x * 2; };
  std::vector<nn::Linear> blocks{nn::Linear(a, 3, 3, {.dtype = f64}), nn::Linear(b, 3, 3, {.dtype = f64})};
  nn::Sequential net(nn::Linear(a, 2, 3, {.dtype = f64}), ft::tanh, twice, blocks, nn::ReLU());
  Tensor x = draw({4, 2});
  expect_close(net(x), ft::relu(blocks[1](blocks[0](ft::tanh(nn::get<0>(net)(x)) * 2))), 1e-12);
  std::vector<std::string> names;
  for (const auto& [name, t] : ft::state_dict(net)) names.push_back(name);
  EXPECT_EQ(names, (std::vector<std::string>{"[0].bias", "[0].weight", "[3][0].bias", "[3][0].weight", "[3][1].bias", "[3][1].weight"}));
  auto loss = [](const auto& n, const Tensor& v) { return ft::square(n(v)).sum(); };
  auto g = ft::grad(loss)(net, x);
  EXPECT_EQ(nn::get<0>(g).weight.sizes(), (Shape{3, 2}));
  auto jitted = ft::jit(loss);
  expect_close(jitted(net, x), loss(net, x), 1e-12);
  nn::Sequential first(nn::Linear(a, 2, 2, {.dtype = f64}), ft::tanh), second(nn::Linear(a, 2, 2, {.dtype = f64}), ft::exp);
  expect_close(jitted(first, x), loss(first, x), 1e-12);
  expect_close(jitted(second, x), loss(second, x), 1e-12);  // the pointer is part of the structure
  struct Model {
    decltype(net) body;
    nn::Linear head;
  } model{net, nn::Linear(b, 3, 1)};
  EXPECT_EQ(ft::tree_paths(model)[0], "body[0].weight");
}
TEST(Layers, InitialValuesAreDrawnAsTorchDrawsThem) {
  auto same = [](const Tensor& t, const std::string& name) {
    Tensor want = stored_one("init_" + name);
    double deviation = double(want[0]), largest = double(want[1]);
    bool uniform = largest < 1.8 * deviation;
    EXPECT_NEAR(double(ft::std(t, {}, 0)), deviation, (t.numel() < 2000 ? 0.1 : 0.02) * deviation) << name;
    EXPECT_NEAR(double(ft::abs(t).amax()), largest, (uniform ? 0.02 : 0.3) * largest) << name;
  };
  auto all = [&](const std::string& layer, const ft::StateDict& d) {
    for (const auto& [name, t] : d) same(t, layer + "." + name);
  };
  all("linear", ft::state_dict(nn::Linear(key(), 400, 500)));
  all("conv2d", ft::state_dict(nn::Conv2d(key(), 40, 50, 5, {.groups = 2})));
  all("conv_transpose2d", ft::state_dict(nn::ConvTranspose2d(key(), 40, 60, 5, {.groups = 2})));
  all("embedding", ft::state_dict(nn::Embedding(key(), 400, 500)));
  nn::LSTM lstm(key(), 100, 200);
  same(lstm.cells[0].weight_ih, "lstm.weight_ih_l0");
  same(lstm.cells[0].weight_hh, "lstm.weight_hh_l0");
  same(*lstm.cells[0].bias_hh, "lstm.bias_hh_l0");
  nn::MultiheadAttention attention(key(), 256, 4);
  same(*attention.in_proj_weight, "attention.in_proj_weight");
  same(attention.out_proj.weight, "attention.out_proj.weight");
  EXPECT_TRUE(bool((*attention.in_proj_bias == 0).all() & (*attention.out_proj.bias == 0).all()));
  EXPECT_EQ(double(stored_one("init_attention.in_proj_bias")[1]), 0);
  Shape s{300, 40, 5};
  same(nn::init::xavier_uniform(key(), s), "xavier_uniform");
  same(nn::init::xavier_normal(key(), s), "xavier_normal");
  same(nn::init::kaiming_uniform(key(), s), "kaiming_uniform");
  same(nn::init::kaiming_normal(key(), s), "kaiming_normal");
  EXPECT_NEAR(double(ft::std(nn::init::kaiming_normal(key(), s, 0, nn::init::Fan::out))), std::sqrt(2.0 / 1500), 1e-3);
  EXPECT_NEAR(double(nn::init::normal(key(), s, 3, 0.1).mean()), 3, 1e-2);
  expect_throw<ft::ShapeError>([&] { nn::init::xavier_uniform(key(), {3}); }, "nn::init: a weight of shape [3] has no fan in and out");
}
TEST(Layers, MistakesAreNamed) {
  Tensor k = key(), x = ft::ones({2, 3, 4});
  expect_throw<ft::ValueError>([&] { nn::Conv2d(k, 3, 4, 2, {.groups = 2}); }, "nn::Conv2d: 4 and 3 channels are not divisible into 2 groups");
  expect_throw<ft::ShapeError>([&] { nn::Conv2d(k, 3, 4, {2, 2, 2}); }, "nn::Conv2d: kernel [2, 2, 2] needs one entry or 2");
  expect_throw<ft::ValueError>([&] { nn::ConvTranspose1d(k, 3, 4, 0); }, "nn::ConvTranspose1d: kernel [0] has no elements");
  expect_throw<ft::ShapeError>([&] { nn::ConvTranspose1d(k, 5, 4, 2)(x); }, "conv_transpose1d: weight has shape [5, 4, 2]");
  expect_throw<ft::ValueError>([&] { nn::ConvTranspose1d(k, 3, 4, 2, {.output_padding = 1})(x); },
                               "output_padding [1] must be smaller than stride [1]");
  expect_throw<ft::ValueError>([&] { nn::ConvTranspose1d(k, 3, 4, 2, {.stride = 0})(x); }, "strides and dilations are at least 1");
  expect_throw<ft::ShapeError>([&] { nn::ConvTranspose1d(k, 3, 4, 2, {.padding = 3})(x); }, "nothing is left of x [2, 3, 4]");
  expect_throw<ft::ShapeError>([&] { nn::AdaptiveAvgPool1d(0)(x); }, "adaptive_avg_pool1d: cannot average x [2, 3, 4]");
  expect_throw<ft::DTypeError>([&] { nn::AdaptiveAvgPool1d(2)(x.to(ft::i64)); }, "adaptive_avg_pool1d: not defined for dtype i64");
  expect_throw<ft::ValueError>([&] { nn::RNN(k, 0, 2); }, "nn::RNN: input_size 0, hidden_size 2 and num_layers 1 are at least 1");
  expect_throw<ft::ShapeError>([&] { nn::GRU(k, 3, 2)(x); }, "nn::GRU: x has shape [2, 3, 4]; it is [L, N, 3] or [L, 3]");
  expect_throw<ft::ShapeError>(
      [&] {
        nn::LSTM(k, 4, 2)(x, {ft::ones({1, 2, 2}), {}});
      },
      "nn::LSTM: the first state has shape [1, 2, 2], expected [1, 3, 2]");
  expect_throw<ft::ValueError>([&] { nn::MultiheadAttention(k, 4, 3); }, "embed_dim 4 is not divisible into 3 heads");
  nn::MultiheadAttention m(k, 4, 2);
  expect_throw<ft::ShapeError>([&] { m(ft::ones({2, 3, 5})); }, "nn::MultiheadAttention: q has shape [2, 3, 5]; it is [L, N, 4]");
  expect_throw<ft::ShapeError>([&] { m(x, x, ft::ones({5, 3, 4})); }, "differ in examples, or k and v in length");
  expect_throw<ft::ShapeError>([&] { m(x, {.attn_mask = ft::ones({3, 3})}); }, "attn_mask has shape [3, 3], expected [2, 2] or [6, 2, 2]");
  expect_throw<ft::ShapeError>([&] { m(x, {.key_padding_mask = ft::ones({3, 3})}); }, "key_padding_mask has shape [3, 3], expected [3, 2]");
  expect_throw<ft::ShapeError>([&] { nn::scaled_dot_product_attention(x, ft::ones({2, 3, 5}), x); }, "scaled_dot_product_attention: q [2, 3, 4]");
  expect_throw<ft::ShapeError>([&] { nn::GLU()(ft::ones({3})); }, "glu: dimension 0 of x [3] is odd and has no halves");
  expect_throw<ft::ShapeError>([&] { nn::PReLU(4)(x); }, "prelu: weight has shape [4]");
  expect_throw<ft::ValueError>([&] { nn::CELU(0)(x); }, "celu: alpha is 0");
  expect_throw<ft::ValueError>([&] { nn::Softplus(0)(x); }, "softplus_beta: beta is 0");
  expect_throw<ft::DTypeError>([&] { nn::ELU()(ft::tensor({1, 2})); }, "elu");
}
