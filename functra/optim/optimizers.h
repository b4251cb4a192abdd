// Optimisers as pure functions on trees, with torch.optim's names, defaults and results:
//
//   optim::SGD opt{{.lr = 0.1, .momentum = 0.9}};
//   auto state = opt.init(params);
//   std::tie(params, state) = opt.step(params, grads, state);
//
// States are trees beside the parameters, so that a step is differentiated, batched and traced as any function; `step` counts them from
// 0, in i64. Learning rates and weight decays are Tensors, traced ones too. Buffers, integers and undefined tensors stay as they are.
// Roots of second moments have the derivative 0 at 0. StructureError, ShapeError where gradients or state do not fit the parameters.
#pragma once
#include <optional>
#include <utility>

#include "functra/tree/tree.h"

namespace functra::optim {

namespace detail {
// One step over all leaves; params, state and step are written. State trees that an option leaves out are null.
struct Update {
  TreeRef params, grads;
  std::span<const TreeRef> state;
  Tensor& step;
};
Tensor first_step();
void fill(TreeRef t, double value);
template <class P> P filled(P p, double value = 0) {
  fill(TreeRef(p), value);
  return p;
}
template <class P> std::optional<P> zeros_if(bool wanted, const P& p) { return wanted ? std::optional<P>(filled(p)) : std::nullopt; }
template <class P> TreeRef ref(std::optional<P>& t) { return t ? TreeRef(*t) : TreeRef(); }
}  // namespace detail

struct SGDOptions {
  Tensor lr = 1e-3;
  double momentum = 0, dampening = 0;
  Tensor weight_decay = 0.0;
  bool nesterov = false, maximize = false;
};
template <class P> struct SGDState {
  Tensor step;
  std::optional<P> momentum_buffer;  // absent without momentum
};
// v = momentum v + (1 - dampening) g, begun as g; p -= lr v, or with Nesterov lr (g + momentum v).
struct SGD {
  SGDOptions options{};
  template <class P> SGDState<P> init(const P& params) const { return {detail::first_step(), detail::zeros_if(options.momentum != 0, params)}; }
  template <class P> std::pair<P, SGDState<P>> step(P params, const P& grads, SGDState<P> state) const {
    const TreeRef trees[] = {detail::ref(state.momentum_buffer)};
    update({TreeRef(params), TreeRef(grads), trees, state.step});
    return {std::move(params), std::move(state)};
  }
  void update(const detail::Update& u) const;
};

struct AdamOptions {
  Tensor lr = 1e-3;
  double beta1 = 0.9, beta2 = 0.999, eps = 1e-8;
  Tensor weight_decay = 0.0;
  bool amsgrad = false, maximize = false;
};
template <class P> struct AdamState {
  Tensor step;
  P exp_avg, exp_avg_sq;
  std::optional<P> max_exp_avg_sq;  // with amsgrad
};
namespace detail {
void adam(const AdamOptions& o, const Update& u, bool decoupled, const char* who);
template <class P> AdamState<P> adam_state(const AdamOptions& o, const P& p) { return {first_step(), filled(p), filled(p), zeros_if(o.amsgrad, p)}; }
template <class P>
std::pair<P, AdamState<P>> adam_step(const AdamOptions& o, P params, const P& grads, AdamState<P> s, bool decoupled, const char* who) {
  const TreeRef trees[] = {TreeRef(s.exp_avg), TreeRef(s.exp_avg_sq), ref(s.max_exp_avg_sq)};
  adam(o, {TreeRef(params), TreeRef(grads), trees, s.step}, decoupled, who);
  return {std::move(params), std::move(s)};
}
}  // namespace detail
// Kingma and Ba 2015; weight decay is added to the gradient.
struct Adam {
  AdamOptions options{};
  template <class P> AdamState<P> init(const P& params) const { return detail::adam_state(options, params); }
  template <class P> std::pair<P, AdamState<P>> step(P params, const P& grads, AdamState<P> state) const {
    return detail::adam_step(options, std::move(params), grads, std::move(state), false, "optim::Adam");
  }
};
struct AdamWOptions {
  Tensor lr = 1e-3;
  double beta1 = 0.9, beta2 = 0.999, eps = 1e-8;
  Tensor weight_decay = 1e-2;
  bool amsgrad = false, maximize = false;
};
// Loshchilov and Hutter 2019: parameters decay by lr weight_decay, apart from the gradient.
struct AdamW {
  AdamWOptions options{};
  template <class P> AdamState<P> init(const P& params) const { return detail::adam_state(as_adam(), params); }
  template <class P> std::pair<P, AdamState<P>> step(P params, const P& grads, AdamState<P> state) const {
    return detail::adam_step(as_adam(), std::move(params), grads, std::move(state), true, "optim::AdamW");
  }
  AdamOptions as_adam() const {
    return {options.lr, options.beta1, options.beta2, options.eps, options.weight_decay, options.amsgrad, options.maximize};
  }
};

struct RMSpropOptions {
  Tensor lr = 1e-2;
  double alpha = 0.99, eps = 1e-8;
  Tensor weight_decay = 0.0;
  double momentum = 0;
  bool centered = false, maximize = false;
};
template <class P> struct RMSpropState {
  Tensor step;
  P square_avg;
  std::optional<P> momentum_buffer, grad_avg;  // with momentum; centered
};
// Tieleman and Hinton 2012; centered, Graves 2013: the root of the variance, not of the second moment.
struct RMSprop {
  RMSpropOptions options{};
  template <class P> RMSpropState<P> init(const P& p) const {
    return {detail::first_step(), detail::filled(p), detail::zeros_if(options.momentum != 0, p), detail::zeros_if(options.centered, p)};
  }
  template <class P> std::pair<P, RMSpropState<P>> step(P params, const P& grads, RMSpropState<P> state) const {
    const TreeRef trees[] = {TreeRef(state.square_avg), detail::ref(state.momentum_buffer), detail::ref(state.grad_avg)};
    update({TreeRef(params), TreeRef(grads), trees, state.step});
    return {std::move(params), std::move(state)};
  }
  void update(const detail::Update& u) const;
};

struct AdagradOptions {
  Tensor lr = 1e-2;
  double lr_decay = 0;
  Tensor weight_decay = 0.0;
  double initial_accumulator_value = 0, eps = 1e-10;
  bool maximize = false;
};
template <class P> struct AdagradState {
  Tensor step;
  P sum;
};
// Duchi, Hazan and Singer 2011.
struct Adagrad {
  AdagradOptions options{};
  template <class P> AdagradState<P> init(const P& p) const { return {detail::first_step(), detail::filled(p, options.initial_accumulator_value)}; }
  template <class P> std::pair<P, AdagradState<P>> step(P params, const P& grads, AdagradState<P> state) const {
    const TreeRef trees[] = {TreeRef(state.sum)};
    update({TreeRef(params), TreeRef(grads), trees, state.step});
    return {std::move(params), std::move(state)};
  }
  void update(const detail::Update& u) const;
};

}  // namespace functra::optim
