// Attention (Vaswani et al. 2017), as torch has it.
#pragma once
#include <optional>
#include <utility>

#include "functra/nn/linear.h"

namespace functra::nn {

struct SdpaOptions {
  Tensor attn_mask{};             // broadcasts to [..., L, S]: bool, true where a key takes part, or added to the scores
  bool is_causal = false;         // key j takes part in query i for j <= i
  std::optional<double> scale{};  // none: 1 / sqrt(E)
};
// softmax(q k^T scale + mask) v: q [..., L, E], k [..., S, E], v [..., S, F]. A query without keys gives NaN. ShapeError where they do not
// fit.
Tensor scaled_dot_product_attention(const Tensor& q, const Tensor& k, const Tensor& v, const SdpaOptions& o = {});

struct AttentionOptions {
  bool bias = true;
  std::optional<std::int64_t> kdim{}, vdim{};  // features of keys and values, where not embed_dim
  bool batch_first = false;
  OptDType dtype{};
};
struct AttentionMasks {
  Tensor attn_mask{};         // [L, S] or [N * heads, L, S]: bool, true where a key is left out, or added to the scores
  Tensor key_padding_mask{};  // [N, S] or [S]: likewise, for every query
  bool is_causal = false;     // and keys after the query are left out
};
// q, k, v are [L, N, E], with batch_first [N, L, E], or [L, E]. Without dropout. ValueError unless num_heads divides embed_dim.
struct MultiheadAttention {
  std::optional<Tensor> in_proj_weight;                               // [3 E, E]: of q, k, v
  std::optional<Tensor> q_proj_weight, k_proj_weight, v_proj_weight;  // instead, where kdim or vdim differ
  std::optional<Tensor> in_proj_bias;                                 // [3 E]
  Linear out_proj;
  std::int64_t num_heads;
  bool batch_first;

  MultiheadAttention(const Tensor& key, std::int64_t embed_dim, std::int64_t num_heads, const AttentionOptions& o = {});
  Tensor operator()(const Tensor& x, const AttentionMasks& m = {}) const { return (*this)(x, x, x, m); }  // of x to itself
  Tensor operator()(const Tensor& q, const Tensor& k, const Tensor& v, const AttentionMasks& m = {}) const;
  // And the attention paid, [N, L, S]: the mean over heads.
  std::pair<Tensor, Tensor> with_weights(const Tensor& q, const Tensor& k, const Tensor& v, const AttentionMasks& m = {}) const;
  FUNCTRA_TREE(MultiheadAttention, in_proj_weight, q_proj_weight, k_proj_weight, v_proj_weight, in_proj_bias, out_proj, num_heads, batch_first);
};

}  // namespace functra::nn
