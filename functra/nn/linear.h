// Linear maps and tables, as torch.nn has them.
#pragma once
#include <optional>

#include "functra/nn/module.h"

namespace functra::nn {

struct LinearOptions {
  bool bias = true;
  OptDType dtype{};  // the default one where absent
};
// x w^T + b over the last dimension. Weight and bias begin uniform within 1 / sqrt(in_features). ValueError for features below 1;
// ShapeError, from operator(), for x of another last extent.
struct Linear {
  Tensor weight;               // [out, in]
  std::optional<Tensor> bias;  // [out]

  Linear(const Tensor& key, std::int64_t in_features, std::int64_t out_features, const LinearOptions& o = {});
  Tensor operator()(const Tensor& x) const;
  FUNCTRA_TREE(Linear, weight, bias);
};

struct EmbeddingOptions {
  std::optional<std::int64_t> padding_idx{};  // this row begins as zeros and has no gradient
  OptDType dtype{};
};
// Rows of a table by integer index: [...] -> [..., embedding_dim]. The table begins normal.
struct Embedding {
  Tensor weight;  // [num_embeddings, embedding_dim]
  std::int64_t padding_idx = -1;

  Embedding(const Tensor& key, std::int64_t num_embeddings, std::int64_t embedding_dim, const EmbeddingOptions& o = {});
  Tensor operator()(const Tensor& index) const;
  FUNCTRA_TREE(Embedding, weight, padding_idx);
};

// Dimensions start to end become one; the default keeps the examples.
struct Flatten {
  std::int64_t start, end;
  explicit Flatten(std::int64_t start = 1, std::int64_t end = -1) : start(start), end(end) {}
  Tensor operator()(const Tensor& x) const;
  FUNCTRA_TREE(Flatten, start, end);
};
struct Identity {
  Tensor operator()(const Tensor& x) const { return x; }
};

}  // namespace functra::nn
