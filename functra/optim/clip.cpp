#include "functra/optim/clip.h"

#include "functra/ops/elementwise.h"
#include "functra/ops/math.h"
#include "functra/ops/reduce.h"
#include "functra/ops/shape.h"

namespace functra::optim::detail {
namespace {
// f of each gradient of a parameter.
template <class F> void each(TreeRef grads, F f) {
  std::vector<Tensor*> g = tree::pointers(grads);
  std::vector<char> constant = tree::constants(grads);
  for (std::size_t i = 0; i < g.size(); ++i)
    if (!constant[i] && g[i]->defined() && is_floating(g[i]->dtype())) f(*g[i]);
}
}  // namespace

void clip_value(TreeRef grads, const Tensor& value) {
  core::Site site(FUNCTRA_SITE);
  each(grads, [&](Tensor& g) { g = clamp(g, -value, value).to(g.dtype()); });
}
Tensor global_norm(TreeRef grads, double p) {
  core::Site site(FUNCTRA_SITE);
  if (!(p > 0)) throw ValueError("global_norm: the order " + Scalar(p).str() + " is not above 0");
  std::vector<Tensor> norms;
  each(grads, [&](Tensor& g) { norms.push_back(norm(g, p)); });
  return norms.empty() ? Tensor(0.0) : norm(stack(norms), p);
}
Tensor clip_norm(TreeRef grads, const Tensor& max_norm, double p) {
  core::Site site(FUNCTRA_SITE);
  Tensor total = global_norm(grads, p), factor = minimum(max_norm / (total + 1e-6), 1.0);
  each(grads, [&](Tensor& g) { g = (g * factor).to(g.dtype()); });
  return total;
}

}  // namespace functra::optim::detail
