// Models whose partitions are reported: a deep MLP, a transformer block, an LSTM. Each is a tree of its parameters.
#pragma once
#include <functra/functra.h>
#include <functra/nn.h>

#include <vector>

namespace example {

namespace ft = functra;
namespace nn = functra::nn;
using ft::Tensor;

// [..., width] -> [..., width], gelu between the layers.
struct DeepMlp {
  std::vector<nn::Linear> layers;
  DeepMlp(const Tensor& key, int depth, std::int64_t width, ft::OptDType dtype = {}) {
    Tensor k = ft::random::split(key, depth);
    for (int i = 0; i < depth; ++i) layers.emplace_back(k[i], width, width, nn::LinearOptions{.dtype = dtype});
  }
  Tensor operator()(Tensor x) const {
    for (std::size_t i = 0; i < layers.size(); ++i) x = i ? layers[i](ft::gelu(x)) : layers[i](x);
    return x;
  }
  FUNCTRA_TREE(DeepMlp, layers);
};

// Pre-norm (Xiong et al. 2020): attention, then an MLP four times as wide, each beside the identity. x [positions, batch, width].
struct TransformerBlock {
  nn::LayerNorm norm1, norm2;
  nn::MultiheadAttention attention;
  nn::Linear wide, narrow;
  TransformerBlock(const Tensor& key, std::int64_t width, std::int64_t heads, ft::OptDType dtype = {})
      : norm1({width}, {.dtype = dtype}),
        norm2({width}, {.dtype = dtype}),
        attention(ft::random::fold_in(key, 0), width, heads, {.dtype = dtype}),
        wide(ft::random::fold_in(key, 1), width, 4 * width, {.dtype = dtype}),
        narrow(ft::random::fold_in(key, 2), 4 * width, width, {.dtype = dtype}) {}
  Tensor operator()(const Tensor& x) const {
    Tensor y = x + attention(norm1(x));
    return y + narrow(ft::gelu(wide(norm2(y))));
  }
  FUNCTRA_TREE(TransformerBlock, norm1, norm2, attention, wide, narrow);
};

// The outputs at every step: x [steps, batch, width] -> [steps, batch, width].
struct LstmOutputs {
  nn::LSTM lstm;
  LstmOutputs(const Tensor& key, std::int64_t width, ft::OptDType dtype = {}) : lstm(key, width, width, {.dtype = dtype}) {}
  Tensor operator()(const Tensor& x) const { return lstm(x).first; }
  FUNCTRA_TREE(LstmOutputs, lstm);
};

}  // namespace example
