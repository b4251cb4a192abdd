// Models by the names of their tensors: state dictionaries, calls with replaced parameters, stacks of models.
//
// Names are paths, "layers[0].weight"; torch's spelling, "layers.0.weight" or "rnn.bias_ih_l0", finds the same member. Members that hold the same tensor
// are tied: `decoder.weight = embedding.weight`.
#pragma once
#include <map>
#include <string>
#include <vector>

#include "functra/nn/module.h"

namespace functra {

using StateDict = std::map<std::string, Tensor>;

struct LoadOptions {
  bool strict = true;  // every name of the model is given, and no other
};
struct FunctionalCallOptions {
  bool tie_weights = true;  // replaces all tied members where one is given; false: the one named only
  bool strict = false;      // as above, where one name of tied members is enough
};

namespace erased {
StateDict state_dict(TreeRef net);
StateDict named(TreeRef net, bool buffers);
void replace_state(TreeRef net, std::span<const StateDict* const> dicts, bool strict, bool tie, const char* who);
void stack_states(TreeRef out, std::span<const TreeRef> nets);
std::int64_t stacked_count(TreeRef net);
void unstack_state(TreeRef net, std::int64_t i);
}  // namespace erased

// Every tensor of the model, parameters and buffers.
template <class Net> StateDict state_dict(const Net& net) { return erased::state_dict(TreeRef(net)); }
// Parameters, and buffers; of tied ones the first.
template <class Net> StateDict named_parameters(const Net& net) { return erased::named(TreeRef(net), false); }
template <class Net> StateDict named_buffers(const Net& net) { return erased::named(TreeRef(net), true); }

// The model with these tensors. StructureError that lists unknown and missing names (strict); ShapeError, DTypeError where a tensor is
// unlike the one that it replaces; ValueError for different tensors at tied names.
template <class Net> Net load_state_dict(Net net, const StateDict& dict, const LoadOptions& o = {}) {
  const StateDict* d = &dict;
  erased::replace_state(TreeRef(net), {&d, 1}, o.strict, true, "load_state_dict");
  return net;
}

// net(args...) with the tensors of the dictionary in place of its own. Unless strict, the dictionary may be partial, and names that the
// model does not have are left out, as in torch. Errors as above. Several dictionaries: ValueError for a name in two of them.
template <class Net, class... A> auto functional_call(const Net& net, const StateDict& dict, FunctionalCallOptions o, const A&... args) {
  Net copy = net;
  const StateDict* d = &dict;
  erased::replace_state(TreeRef(copy), {&d, 1}, o.strict, o.tie_weights, "functional_call");
  return std::as_const(copy)(args...);
}
template <class Net, class... A>
auto functional_call(const Net& net, const std::vector<StateDict>& dicts, FunctionalCallOptions o, const A&... args) {
  Net copy = net;
  std::vector<const StateDict*> d;
  for (const StateDict& x : dicts) d.push_back(&x);
  erased::replace_state(TreeRef(copy), d, o.strict, o.tie_weights, "functional_call");
  return std::as_const(copy)(args...);
}
template <class Net, class... A> auto functional_call(const Net& net, const StateDict& dict, const A&... args) {
  return functra::functional_call(net, dict, FunctionalCallOptions{}, args...);
}
template <class Net, class... A> auto functional_call(const Net& net, const std::vector<StateDict>& dicts, const A&... args) {
  return functra::functional_call(net, dicts, FunctionalCallOptions{}, args...);
}

// One model whose tensors are those of the models, stacked along a new dimension 0: call it by vmap with in_dims 0. ValueError for no
// models; StructureError, with the first path that differs, for other structures or modes; ShapeError, DTypeError likewise.
template <class Net> Net stack_module_state(const std::vector<Net>& nets) {
  std::vector<TreeRef> refs;
  for (const Net& n : nets) refs.emplace_back(n);
  if (nets.empty()) throw ValueError("stack_module_state: needs at least one model, got zero");
  Net out = nets[0];
  erased::stack_states(TreeRef(out), refs);
  return out;
}
// Its inverse. ShapeError, with the path, for tensors of different or no leading extents.
template <class Net> std::vector<Net> unstack_module_state(const Net& stacked) {
  std::vector<Net> nets(static_cast<std::size_t>(erased::stacked_count(TreeRef(stacked))), stacked);
  for (std::size_t i = 0; i < nets.size(); ++i) erased::unstack_state(TreeRef(nets[i]), static_cast<std::int64_t>(i));
  return nets;
}

}  // namespace functra
