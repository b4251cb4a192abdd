// Stored values of torch.nn (tools/references/nn_reference.py) and the comparison of a layer with them.
#pragma once
#include <map>
#include <string>

#include "functra/io/npy.h"
#include "functra/nn/functional_call.h"
#include "functra/transforms/vjp.h"
#include "tests/laws_count.h"
#include "tests/support/close.h"

namespace functra::testing {

inline const std::map<std::string, Tensor>& nn_reference() {
  static const auto* r = new std::map<std::string, Tensor>(io::read_npz(std::string(source_dir()) + "/tests/data/nn_reference.npz"));
  return *r;
}
inline StateDict stored(const std::string& prefix) {
  StateDict d;
  for (const auto& [name, value] : nn_reference())
    if (name.starts_with(prefix)) d.emplace(name.substr(prefix.size()), value);
  return d;
}
inline Tensor stored_one(const std::string& name) {
  auto at = nn_reference().find(name);
  if (at == nn_reference().end()) throw ValueError("the reference has no '" + name + "'");
  return at->second;
}
inline void expect_stored(const Tensor& got, const std::string& name, double tolerance = 1e-10) {
  SCOPED_TRACE(name);
  expect_close(got, stored_one(name), tolerance);
  count_law(!::testing::Test::HasFailure());
}
// Tensors of a result: one, or a tuple.
inline std::vector<Tensor> outputs(const Tensor& y) { return {y}; }
template <class T> std::vector<Tensor> outputs(const T& y) { return tree::leaves(TreeRef(y)); }

// f(net, inputs) at the stored state: outputs, gradients of inputs and parameters. Returns the net with that state.
template <class Net, class F> Net expect_like_torch(const std::string& name, Net net, F f, double tolerance = 1e-10) {
  SCOPED_TRACE(name);
  net = load_state_dict(net, stored(name + ".p."));
  std::vector<Tensor> xs;
  for (int i = 0; nn_reference().count(name + ".x" + std::to_string(i)); ++i) xs.push_back(stored_one(name + ".x" + std::to_string(i)));
  auto run = [&](const Net& n, const std::vector<Tensor>& x) { return outputs(f(n, x)); };
  auto [y, pull] = vjp(run, net, xs);
  std::vector<Tensor> c;
  for (std::size_t i = 0; i < y.size(); ++i) {
    expect_stored(y[i], name + ".y" + std::to_string(i), tolerance);
    c.push_back(stored_one(name + ".c" + std::to_string(i)));
  }
  auto [gn, gx] = pull(c);
  for (std::size_t i = 0; i < xs.size(); ++i)
    if (is_floating(xs[i].dtype())) expect_stored(gx[i], name + ".gx" + std::to_string(i), tolerance);
  StateDict want = named_buffers(gn), given = stored(name + ".gp.");
  want.insert(given.begin(), given.end());
  StateDict got = state_dict(gn), expected = state_dict(load_state_dict(gn, want));  // by torch's names, all of them
  for (const auto& [path, g] : got) {
    SCOPED_TRACE(name + ".gp." + path);
    expect_close(g, expected.at(path), tolerance);
    count_law(!::testing::Test::HasFailure());
  }
  return net;
}
template <class Net> Net expect_like_torch(const std::string& name, Net net, double tolerance = 1e-10) {
  return expect_like_torch(
      name, std::move(net), [](const Net& n, const std::vector<Tensor>& x) { return n(x.at(0)); }, tolerance);
}

}  // namespace functra::testing
