// State dictionaries as files: .npz or .safetensors, by the ending of the name (ValueError for another one).
#pragma once
#include "functra/nn/functional_call.h"

namespace functra::io {

void save_state_dict(const std::string& path, const StateDict& dict);
// IoError for a file that is missing, truncated or damaged.
StateDict load_state_dict_file(const std::string& path);

// All tensors of a model; and the model with those of a file, as load_state_dict.
template <class Net> void save(const std::string& path, const Net& net) { save_state_dict(path, state_dict(net)); }
template <class Net> Net load(const std::string& path, const Net& net, const LoadOptions& o = {}) {
  return load_state_dict(net, load_state_dict_file(path), o);
}

}  // namespace functra::io
