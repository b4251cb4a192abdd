// make_fx and eval_shape: f run on recorded values.
#include "functra/core/basis.h"
#include "functra/transforms/erased.h"

namespace functra::erased {
using namespace functra::core;

namespace {
void put_inputs(Recording& t, const std::vector<Tensor*>& leaves) {
  for (Tensor* x : leaves)
    if (x->defined()) *x = t.input(x->aval());
}
}  // namespace

functra::Program make_fx(Refs args, Call f) {
  Recording t("make_fx", true);
  Scope s(&t);
  put_inputs(t, tree::pointers(args));
  Vec out;
  for (Tensor& y : tree::leaves(f().value))
    if (y.defined()) out.push_back(y);
  Closed c = t.finish(out);
  return functra::Program(c.program, c.captured);
}
void eval_shape(Refs args, Call f) {
  Recording t("eval_shape", true);
  Scope s(&t);
  put_inputs(t, tree::pointers(args));
  auto out = tree::pointers(f().value);
  std::vector<Aval> types;
  for (Tensor* y : out) types.push_back(y->defined() ? y->aval() : Aval{});
  Scope outside(t.parent);
  for (std::size_t i = 0; i < out.size(); ++i) {
    if (!out[i]->defined()) continue;
    Tensor zero = types[i].weak ? Tensor(0.0) : Tensor::strong(Scalar(0), types[i].dtype);
    *out[i] = types[i].shape.empty() ? zero : Tensor::view_of(zero, types[i].shape, Shape::filled(types[i].shape.size(), 0), 0);
  }
}

}  // namespace functra::erased
