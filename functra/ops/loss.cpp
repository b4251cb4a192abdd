#include "functra/ops/loss.h"

#include <cmath>

#include "functra/ops/compare.h"
#include "functra/ops/math.h"
#include "functra/ops/reduce.h"
#include "functra/ops/reduction.h"
#include "functra/prims/index.h"
#include "functra/prims/math.h"

namespace functra {
namespace {

using core::Site;

// bool, of this shape, whose dimension `dim` counts classes: is it the label of the rest.
Tensor is_label(const Tensor& labels, const Shape& shape, int dim) {
  Tensor spread = core::broadcast_in_dim(labels, shape, Shape::iota(shape.size()).without(static_cast<std::size_t>(dim)));
  return prims::eq(spread, prims::iota(labels.dtype(), shape, dim));
}
Tensor reduced(const Tensor& loss, Reduction r) {
  if (r == Reduction::batchmean) throw ValueError("Reduction::batchmean is for kl_div alone; use mean, sum or none");
  if (r == Reduction::none || loss.rank0()) return loss;
  Shape all = Shape::iota(loss.sizes().size());
  return r == Reduction::sum ? core::sum(loss, all) : ops::mean_over(loss, all);
}
int class_dim(const Tensor& x, const char* who) {
  if (x.rank0()) throw ShapeError(std::string(who) + ": the input needs a dimension of classes, [C] or [N, C]");
  return x.dim() == 1 ? 0 : 1;
}
// Integer classes that fit x; `ignored` is allowed among them.
Tensor checked_classes(const Tensor& x, const Tensor& target, const std::optional<std::int64_t>& ignored, const char* who) {
  Shape s = x.sizes();
  int d = class_dim(x, who);
  Tensor t = ops::firm(target);
  if (!is_integer(t.dtype()))
    throw DTypeError(std::string(who) + ": classes are integers, not " + std::string(name_of(t.dtype())) + " of shape " + t.sizes().str());
  if (!(t.sizes() == s.without(static_cast<std::size_t>(d))))
    throw ShapeError(std::string(who) + ": the input has shape " + s.str() + ", so the classes have shape " +
                     s.without(static_cast<std::size_t>(d)).str() + ", not " + t.sizes().str());
  if (t.concrete() && core::plain())
    for (std::int64_t v : t.to_vector<std::int64_t>())
      if ((v < 0 || v >= s[static_cast<std::size_t>(d)]) && v != ignored)
        throw IndexError(std::string(who) + ": class " + std::to_string(v) + " is outside of the " + std::to_string(s[static_cast<std::size_t>(d)]) +
                         " classes");
  return t;
}
Tensor pick(const Tensor& x, const Tensor& target, Reduction r, const char* who) {
  Shape s = x.sizes();
  int d = class_dim(x, who);
  Tensor t = checked_classes(x, target, {}, who);
  Tensor one = core::select(is_label(t, s, d), x, prims::like(0, x));
  return reduced(prims::neg(core::sum(one, {d})), r);
}

// The weights of classes, [C], along dimension d of x; ones where none are given.
Tensor along_classes(const Tensor& x, const Tensor& weight, int d, const char* who) {
  if (!weight.defined()) return prims::like(1, x);
  Shape s = x.sizes();
  if (weight.dim() != 1 || weight.size(0) != s[static_cast<std::size_t>(d)])
    throw ShapeError(std::string(who) + ": weight has shape " + weight.sizes().str() + ", but there are " +
                     std::to_string(s[static_cast<std::size_t>(d)]) + " classes");
  return core::broadcast_in_dim(core::convert(weight, x.dtype()), s, {d});
}
// Of log-probabilities and integer classes.
Tensor class_loss(const Tensor& l, const Tensor& target, const ClassLossOptions& o, int d, const char* who) {
  Tensor t = checked_classes(l, target, o.ignore_index, who), w = along_classes(l, o.weight, d, who);
  Tensor counts = ne(t, o.ignore_index), hit = logical_and(is_label(t, l.sizes(), d), counts.unsqueeze(d));
  Tensor loss = -where(hit, l * w, 0.0).sum({d}), weights = where(hit, w, 0.0).sum({d});
  if (o.label_smoothing != 0) {
    double share = o.label_smoothing / static_cast<double>(l.size(d));
    loss = (1 - o.label_smoothing) * loss - share * where(counts.unsqueeze(d), l * w, 0.0).sum({d});
  }
  if (o.reduction == Reduction::mean) return loss.sum() / weights.sum();
  return reduced(loss, o.reduction);
}
void above_zero(double x, const char* who, const char* what) {
  if (!(x >= 0)) throw ValueError(std::string(who) + ": " + what + " is " + Scalar(x).str() + ", below 0");
}
// log of a probability, at least -100.
Tensor bounded_log(const Tensor& p) {
  Tensor small = lt(p, std::exp(-100.0));
  return where(small, -100.0, log(where(small, 1.0, p)));
}

}  // namespace

Tensor one_hot(const Tensor& labels, std::int64_t classes, OptDType dtype) {
  Site site(FUNCTRA_SITE);
  Tensor t = ops::operand(labels, "one_hot");
  if (!is_integer(t.dtype())) throw DTypeError("one_hot: labels are integers, not " + std::string(name_of(t.dtype())));
  if (classes < 1) throw ValueError("one_hot: needs at least one class, not " + std::to_string(classes));
  Shape s = t.sizes();
  s.push_back(classes);
  return core::convert(is_label(t, s, s.rank() - 1), dtype.value_or(DType::i64));
}
Tensor nll_loss(const Tensor& log_probabilities, const Tensor& target, Reduction reduction) {
  Site site(FUNCTRA_SITE);
  Tensor x = ops::operand(log_probabilities, "nll_loss");
  ops::need_floating(x, "nll_loss");
  return pick(x, target, reduction, "nll_loss");
}
Tensor cross_entropy(const Tensor& logits, const Tensor& target, Reduction reduction) {
  Site site(FUNCTRA_SITE);
  Tensor x = ops::operand(logits, "cross_entropy");
  ops::need_floating(x, "cross_entropy");
  int d = class_dim(x, "cross_entropy");
  Tensor l = log_softmax(x, d);
  if (!is_floating(target.raw_dtype())) return pick(l, target, reduction, "cross_entropy");
  if (!(target.sizes() == x.sizes()))
    throw ShapeError("cross_entropy: logits have shape " + x.sizes().str() + ", probabilities " + target.sizes().str());
  Tensor loss = prims::neg(core::sum(prims::mul(l, core::convert(target, x.dtype())), {d}));
  if (reduction == Reduction::mean && x.dim() == 1) return loss;
  return reduced(loss, reduction);
}

Tensor nll_loss(const Tensor& log_probabilities, const Tensor& target, const ClassLossOptions& o) {
  Site site(FUNCTRA_SITE);
  Tensor x = ops::operand(log_probabilities, "nll_loss");
  ops::need_floating(x, "nll_loss");
  if (o.label_smoothing != 0) throw ValueError("nll_loss: label_smoothing is an option of cross_entropy");
  return class_loss(x, target, o, class_dim(x, "nll_loss"), "nll_loss");
}
Tensor cross_entropy(const Tensor& logits, const Tensor& target, const ClassLossOptions& o) {
  Site site(FUNCTRA_SITE);
  const char* who = "cross_entropy";
  Tensor x = ops::operand(logits, who);
  ops::need_floating(x, who);
  if (!(o.label_smoothing >= 0 && o.label_smoothing <= 1))
    throw ValueError("cross_entropy: label_smoothing is " + Scalar(o.label_smoothing).str() + ", not in [0, 1]");
  int d = class_dim(x, who);
  Tensor l = log_softmax(x, d);
  if (!is_floating(target.raw_dtype())) return class_loss(l, target, o, d, who);
  if (!(target.sizes() == x.sizes()))
    throw ShapeError("cross_entropy: logits have shape " + x.sizes().str() + ", probabilities " + target.sizes().str());
  double share = o.label_smoothing / static_cast<double>(x.size(d));
  Tensor t = target * (1 - o.label_smoothing) + share;
  return reduced(-(l * along_classes(l, o.weight, d, who) * t).sum({d}), o.reduction);
}

// ---------------------------------------------------------------- differences
Tensor mse_loss(const Tensor& x, const Tensor& target, Reduction r) {
  Site site(FUNCTRA_SITE);
  return reduced(square(x - target), r);
}
Tensor l1_loss(const Tensor& x, const Tensor& target, Reduction r) {
  Site site(FUNCTRA_SITE);
  return reduced(abs(x - target), r);
}
Tensor smooth_l1_loss(const Tensor& x, const Tensor& target, Reduction r, double beta) {
  Site site(FUNCTRA_SITE);
  above_zero(beta, "smooth_l1_loss", "beta");
  if (beta == 0) return l1_loss(x, target, r);
  Tensor d = abs(x - target);
  return reduced(where(lt(d, beta), square(d) * (0.5 / beta), d - 0.5 * beta), r);
}
Tensor huber_loss(const Tensor& x, const Tensor& target, Reduction r, double delta) {
  Site site(FUNCTRA_SITE);
  above_zero(delta, "huber_loss", "delta");
  Tensor d = abs(x - target);
  return reduced(where(lt(d, delta), square(d) * 0.5, delta * (d - 0.5 * delta)), r);
}

// ---------------------------------------------------------------- probabilities
Tensor binary_cross_entropy(const Tensor& p, const Tensor& y, const Tensor& weight, Reduction r) {
  Site site(FUNCTRA_SITE);
  return reduced(-weight * (y * bounded_log(p) + (1 - y) * bounded_log(1 - p)), r);
}
Tensor binary_cross_entropy_with_logits(const Tensor& x, const Tensor& y, const Tensor& weight, Reduction r, const Tensor& pos_weight) {
  Site site(FUNCTRA_SITE);
  return reduced(weight * ((1 - y) * x + (1 + (pos_weight - 1) * y) * softplus(-x)), r);
}
Tensor kl_div(const Tensor& x, const Tensor& target, Reduction r, bool log_target) {
  Site site(FUNCTRA_SITE);
  Tensor loss = log_target ? exp(target) * (target - x) : xlogy(target, target) - target * x;
  if (r != Reduction::batchmean) return reduced(loss, r);
  return reduced(loss, Reduction::sum) / (loss.rank0() ? 1.0 : static_cast<double>(loss.size(0)));
}
Tensor poisson_nll_loss(const Tensor& x, const Tensor& target, bool log_input, Reduction r, double eps) {
  Site site(FUNCTRA_SITE);
  return reduced(log_input ? exp(x) - target * x : x - target * log(x + eps), r);
}
Tensor gaussian_nll_loss(const Tensor& x, const Tensor& target, const Tensor& var, Reduction r, double eps) {
  Site site(FUNCTRA_SITE);
  Tensor v = clamp(var, eps);
  return reduced(0.5 * (log(v) + square(x - target) / v), r);
}

// ---------------------------------------------------------------- labels 1 and -1, distances
Tensor hinge_embedding_loss(const Tensor& x, const Tensor& label, double margin, Reduction r) {
  Site site(FUNCTRA_SITE);
  return reduced(where(eq(label, 1), x, relu(margin - x)), r);
}
Tensor soft_margin_loss(const Tensor& x, const Tensor& label, Reduction r) {
  Site site(FUNCTRA_SITE);
  return reduced(softplus(-label * x), r);
}
Tensor margin_ranking_loss(const Tensor& a, const Tensor& b, const Tensor& label, double margin, Reduction r) {
  Site site(FUNCTRA_SITE);
  return reduced(relu(margin - label * (a - b)), r);
}
Tensor cosine_embedding_loss(const Tensor& a, const Tensor& b, const Tensor& label, double margin, Reduction r) {
  Site site(FUNCTRA_SITE);
  const double eps = 1e-12;
  Tensor c = (a * b).sum({-1}) / sqrt((square(a).sum({-1}) + eps) * (square(b).sum({-1}) + eps));
  return reduced(where(eq(label, 1), 1 - c, relu(c - margin)), r);
}
Tensor triplet_margin_loss(const Tensor& anchor, const Tensor& positive, const Tensor& negative, double margin, double p, double eps, bool swap,
                           Reduction r) {
  Site site(FUNCTRA_SITE);
  Tensor far = pairwise_distance(anchor, negative, p, eps);
  if (swap) far = minimum(far, pairwise_distance(positive, negative, p, eps));
  return reduced(relu(margin + pairwise_distance(anchor, positive, p, eps) - far), r);
}
Tensor cosine_similarity(const Tensor& a, const Tensor& b, std::int64_t dim, double eps) {
  Site site(FUNCTRA_SITE);
  return (a * b).sum({dim}) / (maximum(norm(a, 2, {dim}), eps) * maximum(norm(b, 2, {dim}), eps));
}
Tensor pairwise_distance(const Tensor& a, const Tensor& b, double p, double eps) {
  Site site(FUNCTRA_SITE);
  return norm(a - b + eps, p, {-1});
}
Tensor normalize(const Tensor& x, double p, std::int64_t dim, double eps) {
  Site site(FUNCTRA_SITE);
  return x / maximum(norm(x, p, {dim}, true), eps);
}

}  // namespace functra
