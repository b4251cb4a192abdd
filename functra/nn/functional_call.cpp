#include "functra/nn/functional_call.h"

#include <algorithm>
#include <string_view>

#include "functra/ops/shape.h"

namespace functra::erased {
namespace {

std::string type_text(const Tensor& t) { return t.defined() ? std::string(name_of(t.dtype())) + " " + t.sizes().str() : "nothing"; }

// The weights of recurrent layers as torch calls them: "rnn.reverse_cells.1.bias_hh" is "rnn.bias_hh_l1_reverse".
std::string recurrent(const std::string& path) {
  std::size_t cells = path.rfind("cells.");
  if (cells == path.npos) return path;
  bool reverse = cells >= 8 && path.compare(cells - 8, 8, "reverse_") == 0;
  std::size_t begin = reverse ? cells - 8 : cells, number = cells + 6, dot = path.find('.', number);
  if (dot == path.npos || (begin > 0 && path[begin - 1] != '.')) return path;
  return path.substr(0, begin) + path.substr(dot + 1) + "_l" + path.substr(number, dot - number) + (reverse ? "_reverse" : "");
}

// One tensor however it is spelled: "layers[0]['a'].w" and "layers.0.a.w".
std::string plain(const std::string& path) {
  std::string r;
  for (char c : path) {
    if (c == ']' || c == '\'' || c == '"') continue;
    if (c == '[') {
      if (!r.empty()) r += '.';
    } else r += c;
  }
  return recurrent(r);
}

// The members of a model; `tied` is the first member that holds the same tensor.
struct Member {
  std::string path;
  Tensor* tensor;
  bool buffer;
  std::size_t tied;
};
std::vector<Member> members(TreeRef net) {
  std::vector<std::string> paths = tree::paths(net);
  std::vector<Tensor*> tensors = tree::pointers(net);
  std::vector<char> state = tree::constants(net);
  std::vector<Member> r;
  std::map<std::pair<std::uint64_t, std::uint64_t>, std::size_t> first;
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    const Tensor& t = *tensors[i];
    std::size_t tied = i;
    if (t.defined() && !t.is_scalar()) tied = first.try_emplace({t.tag(), t.identity()}, i).first->second;  // numbers are tied to none
    r.push_back({std::move(paths[i]), tensors[i], state[i] != 0, tied});
  }
  return r;
}

bool same_contents(const Tensor& a, const Tensor& b) {
  if (a.kind() == b.kind() && a.tag() == b.tag() && a.identity() == b.identity()) return true;
  if (!a.concrete() || !b.concrete() || a.dtype() != b.dtype() || !(a.sizes() == b.sizes())) return false;
  Tensor x = a.contiguous(), y = b.contiguous();
  std::string p, q;
  tree::append_bytes(p, x.bytes(), static_cast<std::size_t>(x.numel()) * size_of(x.dtype()));
  tree::append_bytes(q, y.bytes(), static_cast<std::size_t>(y.numel()) * size_of(y.dtype()));
  return p == q;
}

std::string quoted(const std::vector<std::string>& names) {
  std::string r;
  for (const std::string& n : names) r += (r.empty() ? "'" : ", '") + n + "'";
  return r;
}

struct Given {
  std::string name;
  Tensor value;
  bool used = false;
};
std::map<std::string, Given> given(std::span<const StateDict* const> dicts, const char* who) {
  std::map<std::string, Given> r;
  for (const StateDict* d : dicts)
    for (const auto& [name, value] : *d) {
      auto [at, fresh] = r.try_emplace(plain(name), Given{name, value});
      if (!fresh) throw ValueError(std::string(who) + ": '" + name + "' is given more than once");
    }
  return r;
}

void check_fits(const Member& m, const Tensor& value, const char* who) {
  std::string what =
      std::string(who) + ": '" + m.path + "' is " + type_text(*m.tensor) + " in the model, but " + type_text(value) + " in the dictionary";
  if (!value.defined() || !m.tensor->defined()) throw ValueError(what);
  if (!(value.sizes() == m.tensor->sizes())) throw ShapeError(what);
  if (value.dtype() != m.tensor->dtype()) throw DTypeError(what + "; convert it with to(" + std::string(name_of(m.tensor->dtype())) + ")");
}

}  // namespace

StateDict state_dict(TreeRef net) {
  StateDict r;
  for (const Member& m : members(net)) r.emplace(m.path, *m.tensor);
  return r;
}
StateDict named(TreeRef net, bool buffers) {
  StateDict r;
  std::vector<Member> all = members(net);
  for (std::size_t i = 0; i < all.size(); ++i)
    if (all[i].buffer == buffers && all[i].tied == i) r.emplace(all[i].path, *all[i].tensor);
  return r;
}

void replace_state(TreeRef net, std::span<const StateDict* const> dicts, bool strict, bool tie, const char* who) {
  std::vector<Member> all = members(net);
  std::map<std::string, Given> values = given(dicts, who);
  std::vector<const Given*> own(all.size()), group(all.size());  // what is given for a member, and for any of those tied to it
  for (std::size_t i = 0; i < all.size(); ++i) {
    auto at = values.find(plain(all[i].path));
    if (at == values.end()) continue;
    at->second.used = true;
    own[i] = &at->second;
    check_fits(all[i], own[i]->value, who);
    const Given*& g = group[all[i].tied];
    if (!g) g = own[i];
    else if (tie && !same_contents(g->value, own[i]->value))
      throw ValueError(std::string(who) + ": '" + g->name + "' and '" + own[i]->name +
                       "' are tied, but different tensors are given for them; give one of them, or untie the members of the model");
  }
  if (strict) {
    std::vector<std::string> unknown, missing;
    for (const auto& [key, v] : values)
      if (!v.used) unknown.push_back(v.name);
    bool any_name = std::string_view(who) == "functional_call" && tie;
    for (std::size_t i = 0; i < all.size(); ++i)
      if (!own[i] && !(any_name && group[all[i].tied])) missing.push_back(all[i].path);
    std::string what;
    if (!unknown.empty()) what += "; unknown names: " + quoted(unknown);
    if (!missing.empty()) what += "; missing names: " + quoted(missing);
    if (!what.empty()) throw StructureError(std::string(who) + ": the dictionary does not match the model" + what);
  }
  for (std::size_t i = 0; i < all.size(); ++i)
    if (const Given* g = tie ? group[all[i].tied] : own[i]) *all[i].tensor = g->value;
}

// ---------------------------------------------------------------- stacks of models
namespace {

// The first place where two trees of one type are of different structures: their static values, else their containers.
std::string difference(TreeRef a, TreeRef b) {
  auto x = tree::static_values({&a, 1}), y = tree::static_values({&b, 1});
  for (std::size_t i = 0; i < x.size() && i < y.size(); ++i) {
    if (x[i].path != y[i].path) break;
    if (x[i].key == y[i].key) continue;
    std::string path = x[i].path.substr(std::string_view("argument 0").size());
    if (path.starts_with('.')) path.erase(0, 1);
    if (x[i].type == &tree::static_type<nn::Mode>) return " at '" + path + "': one is in train mode, the other in eval mode";
    return " at '" + path + "': " + y[i].text + " and " + x[i].text;
  }
  auto p = tree::paths(a), q = tree::paths(b);
  for (std::size_t i = 0; i < p.size() || i < q.size(); ++i) {
    if (i < p.size() && i < q.size() && p[i] == q[i]) continue;
    return i < q.size() && (i >= p.size() || std::find(p.begin(), p.end(), q[i]) == p.end()) ? ": only the former has '" + q[i] + "'"
                                                                                             : ": only the latter has '" + p[i] + "'";
  }
  return ": " + tree::structure(b) + " and " + tree::structure(a);
}

}  // namespace

void stack_states(TreeRef out, std::span<const TreeRef> nets) {
  std::vector<std::vector<Tensor>> leaves;
  std::string first_key;
  tree::append_key(first_key, nets[0]);
  for (std::size_t n = 0; n < nets.size(); ++n) {
    std::string key;
    tree::append_key(key, nets[n]);
    if (key != first_key)
      throw StructureError("stack_module_state: model " + std::to_string(n) + " and model 0 differ" + difference(nets[0], nets[n]));
    leaves.push_back(tree::leaves(nets[n]));
  }
  std::vector<Tensor> stacked(leaves[0].size());
  for (std::size_t i = 0; i < stacked.size(); ++i) {
    std::vector<Tensor> column;
    for (std::size_t n = 0; n < nets.size(); ++n) {
      const Tensor &t = leaves[n][i], &u = leaves[0][i];
      bool both = t.defined() && u.defined(), none = !t.defined() && !u.defined();
      bool shapes = both && t.sizes() == u.sizes(), types = both && t.dtype() == u.dtype();
      if (none || (shapes && types)) {
        column.push_back(t);
        continue;
      }
      std::string what = "stack_module_state: '" + tree::paths(nets[0])[i] + "' is " + type_text(u) + " in model 0, but " + type_text(t) +
                         " in model " + std::to_string(n);
      if (both && !shapes) throw ShapeError(what);
      if (both) throw DTypeError(what);
      throw StructureError(what);
    }
    if (column[0].defined()) stacked[i] = stack(column);
  }
  tree::assign(out, stacked);
}
std::int64_t stacked_count(TreeRef net) {
  std::vector<Tensor> t = tree::leaves(net);
  std::int64_t n = -1;
  for (std::size_t i = 0; i < t.size(); ++i) {
    if (!t[i].defined()) continue;
    std::int64_t have = t[i].rank0() ? -1 : t[i].size(0);
    if (have < 0 || (n >= 0 && have != n))
      throw ShapeError("unstack_module_state: '" + tree::paths(net)[i] + "' has shape " + t[i].sizes().str() +
                       (n < 0 ? ", which has no dimension of models" : "; the members before it hold " + std::to_string(n) + " models"));
    n = have;
  }
  if (n < 0) throw ValueError("unstack_module_state: the model has no tensors, so their number of models is not known");
  return n;
}
void unstack_state(TreeRef net, std::int64_t i) {
  tree::map(net, [i](const Tensor& t) { return t.defined() ? select(t, 0, i) : t; });
}

}  // namespace functra::erased
