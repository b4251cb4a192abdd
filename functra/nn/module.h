// Modules are structs: a layer is its parameters, and a model is an aggregate of layers with an operator(). Both are trees, so every
// transform takes them as they are. What is no parameter is told apart by type:
//
//   Tensor      a parameter: differentiated, optimised
//   Buffer      state (running statistics): its gradient is zero, optimisers leave it alone
//   the others  configuration (strides, eps, Mode): static leaves, part of the structure
#pragma once
#include <utility>

#include "functra/ops/math.h"
#include "functra/tree/tree.h"

namespace functra::nn {

// A tensor that a model keeps but does not learn. Reads as a constant; its path is that of the member itself.
class Buffer {
 public:
  Buffer(Tensor value) : value_(std::move(value)) {}
  operator Tensor() const { return stop_gradient(value_); }
  const Tensor& value() const { return value_; }  // as stored: derivatives pass

 private:
  Tensor value_;
  FUNCTRA_STATE(Buffer, value_);
};

enum class Mode : std::uint8_t { train, eval };
enum class Statistics : std::uint8_t { running, batch };  // what batch norm normalises by in Mode::eval

namespace detail {
void set_static(TreeRef net, const void* type, std::uint8_t value);  // every static leaf of that type, an enum of one byte
template <class E, class Net> Net with(Net net, E value) {
  set_static(TreeRef(net), &tree::static_type<E>, static_cast<std::uint8_t>(value));
  return net;
}
}  // namespace detail

// The same model in that mode: dropout drops and batch norm uses the batch in train mode only. Layers begin in train mode.
template <class Net> Net train(Net net) { return detail::with(std::move(net), Mode::train); }
template <class Net> Net eval(Net net) { return detail::with(std::move(net), Mode::eval); }
// The same model with every batch norm using, and keeping, the statistics of the batch alone: torch.func's replace_all_batch_norm_modules_.
template <class Net> Net replace_all_batch_norm(Net net) { return detail::with(std::move(net), Statistics::batch); }

}  // namespace functra::nn
