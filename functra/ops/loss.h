// Classes and losses, by torch.nn.functional's names and formulas. ShapeError where operands do not broadcast.
#pragma once
#include "functra/tensor/tensor.h"

namespace functra {

enum class Reduction { mean, sum, none, batchmean };  // batchmean, sum / examples, is kl_div's alone: ValueError elsewhere

// [..., classes]: 1 at the class, 0 elsewhere; i64 unless dtype says otherwise. Labels are integers; one outside [0, classes) gives
// zeros. DTypeError for labels that are not integers.
Tensor one_hot(const Tensor& labels, std::int64_t classes, OptDType dtype = {});
// Of log-probabilities [N, C] or [C] (torch: also [N, C, ...]) and integer classes [N] or []: minus the one of the class.
// ShapeError where they do not fit; IndexError for a class outside [0, C) whose value is known.
Tensor nll_loss(const Tensor& log_probabilities, const Tensor& target, Reduction reduction = Reduction::mean);
// The same of logits; target: integer classes, or probabilities of the shape of logits.
Tensor cross_entropy(const Tensor& logits, const Tensor& target, Reduction reduction = Reduction::mean);

// weight [C] multiplies each class, and the mean is by the weights of the targets (not with probabilities); targets of ignore_index
// count for nothing; label_smoothing of the target is spread over all classes.
struct ClassLossOptions {
  Tensor weight{};
  std::int64_t ignore_index = -100;
  Reduction reduction = Reduction::mean;
  double label_smoothing = 0;
};
Tensor nll_loss(const Tensor& log_probabilities, const Tensor& target, const ClassLossOptions& o);  // ValueError for label_smoothing
Tensor cross_entropy(const Tensor& logits, const Tensor& target, const ClassLossOptions& o);

Tensor mse_loss(const Tensor& x, const Tensor& target, Reduction reduction = Reduction::mean);
Tensor l1_loss(const Tensor& x, const Tensor& target, Reduction reduction = Reduction::mean);
// d^2 / (2 beta) for |d| < beta, else |d| - beta / 2; and delta times it: huber. ValueError for bounds below 0.
Tensor smooth_l1_loss(const Tensor& x, const Tensor& target, Reduction reduction = Reduction::mean, double beta = 1);
Tensor huber_loss(const Tensor& x, const Tensor& target, Reduction reduction = Reduction::mean, double delta = 1);

// Of probabilities: -(y log p + (1 - y) log(1 - p)), logarithms at least -100, where their derivative is 0.
Tensor binary_cross_entropy(const Tensor& p, const Tensor& target, const Tensor& weight = 1.0, Reduction reduction = Reduction::mean);
Tensor binary_cross_entropy_with_logits(const Tensor& x, const Tensor& target, const Tensor& weight = 1.0, Reduction reduction = Reduction::mean,
                                        const Tensor& pos_weight = 1.0);
// target (log target - x), of log-probabilities x; with log_target the target is given by its logarithm.
Tensor kl_div(const Tensor& x, const Tensor& target, Reduction reduction = Reduction::mean, bool log_target = false);
Tensor poisson_nll_loss(const Tensor& x, const Tensor& target, bool log_input = true, Reduction reduction = Reduction::mean, double eps = 1e-8);
Tensor gaussian_nll_loss(const Tensor& x, const Tensor& target, const Tensor& var, Reduction reduction = Reduction::mean, double eps = 1e-6);

// Of labels 1 and -1: x, or max(0, margin - x); log(1 + exp(-label x)); max(0, margin - label (a - b)).
Tensor hinge_embedding_loss(const Tensor& x, const Tensor& label, double margin = 1, Reduction reduction = Reduction::mean);
Tensor soft_margin_loss(const Tensor& x, const Tensor& label, Reduction reduction = Reduction::mean);
Tensor margin_ranking_loss(const Tensor& a, const Tensor& b, const Tensor& label, double margin = 0, Reduction reduction = Reduction::mean);
// Of vectors along the last dimension: 1 - cos(a, b) for label 1, max(0, cos(a, b) - margin) for -1.
Tensor cosine_embedding_loss(const Tensor& a, const Tensor& b, const Tensor& label, double margin = 0, Reduction reduction = Reduction::mean);
// max(0, margin + |anchor - positive| - |anchor - negative|); with swap the nearer of anchor and positive to the negative.
Tensor triplet_margin_loss(const Tensor& anchor, const Tensor& positive, const Tensor& negative, double margin = 1, double p = 2, double eps = 1e-6,
                           bool swap = false, Reduction reduction = Reduction::mean);

Tensor cosine_similarity(const Tensor& a, const Tensor& b, std::int64_t dim = 1, double eps = 1e-8);  // norms are at least eps
Tensor pairwise_distance(const Tensor& a, const Tensor& b, double p = 2, double eps = 1e-6);          // |a - b + eps| over the last dimension
Tensor normalize(const Tensor& x, double p = 2, std::int64_t dim = 1, double eps = 1e-12);            // x / max(|x|, eps)

}  // namespace functra
