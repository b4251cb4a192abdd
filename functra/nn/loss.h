// Losses as structs: the functions of ops/loss.h with their options, designated in the order shown: nn::HuberLoss{.delta = 0.5}(x, y).
#pragma once
#include "functra/nn/module.h"
#include "functra/ops/loss.h"

namespace functra::nn {

struct CrossEntropyLoss {
  ClassLossOptions options{};
  Tensor operator()(const Tensor& logits, const Tensor& target) const { return cross_entropy(logits, target, options); }
};
struct NLLLoss {
  ClassLossOptions options{};
  Tensor operator()(const Tensor& log_probabilities, const Tensor& target) const { return nll_loss(log_probabilities, target, options); }
};
struct MSELoss {
  Reduction reduction = Reduction::mean;
  Tensor operator()(const Tensor& x, const Tensor& target) const { return mse_loss(x, target, reduction); }
};
struct L1Loss {
  Reduction reduction = Reduction::mean;
  Tensor operator()(const Tensor& x, const Tensor& target) const { return l1_loss(x, target, reduction); }
};
struct SmoothL1Loss {
  Reduction reduction = Reduction::mean;
  double beta = 1;
  Tensor operator()(const Tensor& x, const Tensor& target) const { return smooth_l1_loss(x, target, reduction, beta); }
};
struct HuberLoss {
  Reduction reduction = Reduction::mean;
  double delta = 1;
  Tensor operator()(const Tensor& x, const Tensor& target) const { return huber_loss(x, target, reduction, delta); }
};
struct BCELoss {
  Tensor weight = 1.0;
  Reduction reduction = Reduction::mean;
  Tensor operator()(const Tensor& x, const Tensor& target) const { return binary_cross_entropy(x, target, weight, reduction); }
};
struct BCEWithLogitsLoss {
  Tensor weight = 1.0;
  Reduction reduction = Reduction::mean;
  Tensor pos_weight = 1.0;
  Tensor operator()(const Tensor& x, const Tensor& target) const {
    return binary_cross_entropy_with_logits(x, target, weight, reduction, pos_weight);
  }
};
struct KLDivLoss {
  Reduction reduction = Reduction::mean;
  bool log_target = false;
  Tensor operator()(const Tensor& x, const Tensor& target) const { return kl_div(x, target, reduction, log_target); }
};
struct PoissonNLLLoss {
  bool log_input = true;
  Reduction reduction = Reduction::mean;
  double eps = 1e-8;
  Tensor operator()(const Tensor& x, const Tensor& target) const { return poisson_nll_loss(x, target, log_input, reduction, eps); }
};
struct GaussianNLLLoss {
  Reduction reduction = Reduction::mean;
  double eps = 1e-6;
  Tensor operator()(const Tensor& x, const Tensor& target, const Tensor& var) const { return gaussian_nll_loss(x, target, var, reduction, eps); }
};
struct HingeEmbeddingLoss {
  double margin = 1;
  Reduction reduction = Reduction::mean;
  Tensor operator()(const Tensor& x, const Tensor& label) const { return hinge_embedding_loss(x, label, margin, reduction); }
};
struct SoftMarginLoss {
  Reduction reduction = Reduction::mean;
  Tensor operator()(const Tensor& x, const Tensor& label) const { return soft_margin_loss(x, label, reduction); }
};
struct MarginRankingLoss {
  double margin = 0;
  Reduction reduction = Reduction::mean;
  Tensor operator()(const Tensor& a, const Tensor& b, const Tensor& label) const { return margin_ranking_loss(a, b, label, margin, reduction); }
};
struct CosineEmbeddingLoss {
  double margin = 0;
  Reduction reduction = Reduction::mean;
  Tensor operator()(const Tensor& a, const Tensor& b, const Tensor& label) const { return cosine_embedding_loss(a, b, label, margin, reduction); }
};
struct TripletMarginLoss {
  double margin = 1;
  double p = 2;
  double eps = 1e-6;
  bool swap = false;
  Reduction reduction = Reduction::mean;
  Tensor operator()(const Tensor& anchor, const Tensor& positive, const Tensor& negative) const {
    return triplet_margin_loss(anchor, positive, negative, margin, p, eps, swap, reduction);
  }
};

}  // namespace functra::nn
