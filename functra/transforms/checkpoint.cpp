#include "functra/transforms/checkpoint.h"

#include <unordered_map>

#include "functra/core/symbols.h"
#include "functra/prims/checkpoint.h"

namespace functra {
namespace erased {
using namespace functra::core;

namespace {
// f recorded as a Program of its leaves; `out` is the tree that it returned.
Closed record(const char* who, Refs args, Call f, TreeRef& out, bool intern = true) {
  Recording t(who, true);
  Scope s(&t);
  auto leaves = tree::pointers(args);
  for (Tensor* x : leaves)
    if (x->defined()) *x = t.input(x->aval());
  out = f().value;
  Vec results = tree::leaves(out);
  for (const Tensor& y : results)
    if (!y.defined()) throw ValueError(std::string(who) + ": the function returns an undefined Tensor (default constructed)");
  return t.finish(results, intern);
}
Vec defined_leaves(Refs args) {
  Vec r;
  for (Tensor& x : tree::leaves(args))
    if (x.defined()) r.push_back(std::move(x));
  return r;
}
std::vector<const Eqn*> makers(const core::Program& p) {
  std::vector<const Eqn*> r(p.type_of.size());
  for (const Eqn& e : p.eqns)
    for (std::uint32_t k = 0; k < e.n_out; ++k) r[e.out + k] = &e;
  return r;
}
// The operation that gives result k of an equation, inside what it holds: a compiled call, a checkpoint, the body of a scan.
void describe(const Eqn* e, std::uint32_t k, SavedResidual& s) {
  for (;;) {
    s.from = e->prim->name;
    if (e->prim == &prims::name_p) s.from += " '" + Params(e->params).get<prims::NameParams>().name + "'";
    if (e->site) s.where = symbol_of(e->site);
    auto inner = core::inner_programs(*e);
    if (inner.size() != 1 || inner[0]->outputs.size() != e->n_out) return;
    Var v = inner[0]->outputs[k];
    const Eqn* next = v < 0 ? nullptr : makers(*inner[0])[static_cast<std::size_t>(v)];
    if (!next) return;
    k = static_cast<std::uint32_t>(v) - next->out;
    e = next;
  }
}
}  // namespace

void checkpoint(Refs args, Call f, const CheckpointPolicy& policy) {
  Vec x = defined_leaves(args);
  TreeRef out;
  Closed c = record("checkpoint", args, f, out);
  prims::CheckpointParams p{c.program, static_cast<prims::Save>(policy.kind), policy.names};
  tree::assign(out, bind_all(prims::checkpoint_p, prims::joined({c.captured, x}), p));
}

std::vector<SavedResidual> saved_residuals(Refs args, Call f) {
  std::vector<std::string> paths;
  auto all = tree::argument_paths(args);
  Vec leaves = tree::leaves(args);
  for (std::size_t i = 0; i < leaves.size(); ++i)
    if (leaves[i].defined()) paths.push_back(all[i]);
  TreeRef out;
  Closed c = record("saved_residuals", args, f, out, false);  // an equal Program of elsewhere has other lines
  Mask nonzero;
  for (std::size_t i = 0; i < c.program->inputs.size(); ++i)
    nonzero.push_back(i >= c.program->n_hidden && is_differentiable(c.program->type(c.program->inputs[i]).dtype));
  auto l = linearize_program(c.program, nonzero, Mask(c.program->outputs.size()));
  const core::Program& p = *l->primal;
  std::unordered_map<Var, std::string> input;
  for (std::size_t i = 0; i < p.inputs.size(); ++i)
    input.emplace(p.inputs[i], i < c.program->n_hidden ? "captured tensor" : paths[i - c.program->n_hidden]);
  auto maker = makers(p);
  std::vector<SavedResidual> r;
  std::vector<std::uint8_t> seen(p.type_of.size());
  for (std::size_t i = c.program->outputs.size(); i < p.outputs.size(); ++i) {
    Var v = p.outputs[i];
    if (v < 0 || seen[static_cast<std::size_t>(v)]) continue;  // a literal is not kept; a value is kept once
    seen[static_cast<std::size_t>(v)] = 1;
    const Aval& a = p.type(v);
    SavedResidual s{a.dtype, a.shape, a.shape.numel() * static_cast<std::int64_t>(size_of(a.dtype)), {}, {}};
    if (const Eqn* e = maker[static_cast<std::size_t>(v)]) describe(e, static_cast<std::uint32_t>(v) - e->out, s);
    else s.from = input.at(v);
    r.push_back(std::move(s));
  }
  return r;
}

}  // namespace erased

std::string to_string(const SavedResidual& r) {
  std::string s = std::string(name_of(r.dtype)) + r.shape.str() + ", " + std::to_string(r.bytes) + " bytes: " + r.from;
  return r.where.empty() ? s : s + " at " + r.where;
}
Tensor checkpoint_name(const Tensor& x, const std::string& name) {
  core::Site site(__builtin_return_address(0));
  return prims::checkpoint_name(x, name);
}

}  // namespace functra
