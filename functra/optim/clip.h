// Gradients kept within bounds. Buffers and integers stay as they are.
#pragma once
#include <limits>
#include <utility>

#include "functra/tree/tree.h"

namespace functra::optim {

namespace detail {
void clip_value(TreeRef grads, const Tensor& value);
Tensor clip_norm(TreeRef grads, const Tensor& max_norm, double p);
Tensor global_norm(TreeRef grads, double p);
}  // namespace detail

// Every element within [-value, value].
template <class G> G clip_grad_value(G grads, const Tensor& value) {
  detail::clip_value(TreeRef(grads), value);
  return grads;
}
// The norm of all elements together, of order p: infinity for the largest. Its derivative at 0 is 0. ValueError for p not above 0.
template <class G> Tensor global_norm(const G& grads, double p = 2) { return detail::global_norm(TreeRef(grads), p); }
// (gradients, their norm before): all multiplied by max_norm / (norm + 1e-6) where that is less than 1, as torch.nn.utils.clip_grad_norm_.
template <class G> std::pair<G, Tensor> clip_grad_norm(G grads, const Tensor& max_norm, double p = 2) {
  Tensor norm = detail::clip_norm(TreeRef(grads), max_norm, p);
  return {std::move(grads), std::move(norm)};
}

}  // namespace functra::optim
