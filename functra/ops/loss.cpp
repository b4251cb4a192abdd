#include "functra/ops/loss.h"

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
  if (r == Reduction::none || loss.rank0()) return loss;
  Shape all = Shape::iota(loss.sizes().size());
  return r == Reduction::sum ? core::sum(loss, all) : ops::mean_over(loss, all);
}
int class_dim(const Tensor& x, const char* who) {
  if (x.rank0()) throw ShapeError(std::string(who) + ": the input needs a dimension of classes, [C] or [N, C]");
  return x.dim() == 1 ? 0 : 1;
}
Tensor pick(const Tensor& x, const Tensor& target, Reduction r, const char* who) {
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
      if (v < 0 || v >= s[static_cast<std::size_t>(d)])
        throw IndexError(std::string(who) + ": class " + std::to_string(v) + " is outside of the " + std::to_string(s[static_cast<std::size_t>(d)]) +
                         " classes");
  Tensor one = core::select(is_label(t, s, d), x, prims::like(0, x));
  return reduced(prims::neg(core::sum(one, {d})), r);
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

}  // namespace functra
