// Classes and losses.
#pragma once
#include "functra/tensor/tensor.h"

namespace functra {

enum class Reduction { mean, sum, none };

// [..., classes]: 1 at the class, 0 elsewhere; i64 unless dtype says otherwise. Labels are integers; one outside [0, classes) gives
// zeros. DTypeError for labels that are not integers.
Tensor one_hot(const Tensor& labels, std::int64_t classes, OptDType dtype = {});
// Of log-probabilities [N, C] or [C] (torch: also [N, C, ...]) and integer classes [N] or []: minus the one of the class.
// ShapeError where they do not fit; IndexError for a class outside [0, C) whose value is known.
Tensor nll_loss(const Tensor& log_probabilities, const Tensor& target, Reduction reduction = Reduction::mean);
// The same of logits; target: integer classes, or probabilities of the shape of logits.
Tensor cross_entropy(const Tensor& logits, const Tensor& target, Reduction reduction = Reduction::mean);

}  // namespace functra
