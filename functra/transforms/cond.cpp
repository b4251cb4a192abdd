// cond and switch_ with types erased: branches are brought to the same operands and results.
#include <algorithm>

#include "functra/prims/control.h"
#include "functra/transforms/body.h"

namespace functra::erased {
namespace {
// `choice` picks from the branches in their order; the tree that branch `result` returned holds the results.
void choose(const char* who, const Tensor& choice, Refs operands, std::span<const function_ref<TreeRef()>> branches, std::size_t result) {
  Vec in;
  for (std::size_t i = 0; i < operands.size(); ++i) append(in, defined_leaves(operands[i], who, ("operand " + std::to_string(i)).c_str()));
  Types types = types_of(in);
  std::vector<Traced> closed;
  std::vector<TreeRef> trees;
  std::vector<Types> result_types;
  for (auto& f : branches) {
    Trace t(who);
    tree::assign(operands, t.inputs(types));
    trees.push_back(f());
    Vec out = defined_leaves(trees.back(), who, "a branch's result");
    result_types.push_back(types_of(out));
    closed.push_back(t.finish(out));
    tree::assign(operands, in);
    if (key_of(trees.back()) != key_of(trees[0]))
      throw StructureError(std::string(who) + ": the branches return different structures, " + tree::structure(trees[0]) + " and " +
                           tree::structure(trees.back()) + "; static values (numbers, strings, enums) must be equal too");
  }
  Types common = result_types[0];
  for (std::size_t i = 0; i < common.size(); ++i) {
    Aval& want = common[i];
    for (auto& t : result_types) {
      if (!(t[i].shape == want.shape))
        throw ShapeError(std::string(who) + ": the branches return" + (named(trees[0], i).empty() ? " results" : named(trees[0], i)) + " of types " +
                         want.str() + " and " + t[i].str() + "; broadcast to one shape");
      if (t[i].weak == want.weak && want.weak) want.dtype = std::max(want.dtype, t[i].dtype);
      else if (want.weak && adopts(want, t[i].dtype)) want = t[i];
    }
    for (auto& t : result_types)
      if (!(t[i] == want) && !(t[i].weak && (want.weak || adopts(t[i], want.dtype))))
        throw DTypeError(std::string(who) + ": the branches return" + (named(trees[0], i).empty() ? " results" : named(trees[0], i)) + " of types " +
                         want.str() + " and " + t[i].str() + "; convert with to(" + std::string(name_of(want.dtype)) + ")");
  }
  // Every branch takes what any of them captured, the operands, and the Refs that any of them touches; it returns the results, and the
  // Refs that any of them writes.
  std::vector<RefUse> refs;
  for (auto& c : closed)
    for (auto& u : c.refs) {
      auto it = std::find_if(refs.begin(), refs.end(), [&](auto& r) { return r.ref == u.ref; });
      if (it == refs.end()) refs.push_back({u.ref, {}, {}, u.written});
      else it->written |= u.written;
    }
  Vec args, ref_values;
  for (auto& c : closed) append(args, c.captured);
  for (auto& u : refs) ref_values.push_back(ref_get(u.ref));
  std::size_t n_captured = args.size(), n_results = common.size(), at = 0;
  Types all = types_of(args);
  append(all, types);
  append(all, types_of(ref_values));
  prims::CondParams q;
  for (auto& c : closed) {
    auto f = [&](Ins a) {
      Ins of_refs = a.subspan(n_captured + types.size());
      Vec now(of_refs.begin(), of_refs.end()), x = joined({a.subspan(at, c.captured.size()), a.subspan(n_captured, types.size())});
      auto index = [&](const RefUse& u) {
        return static_cast<std::size_t>(std::find_if(refs.begin(), refs.end(), [&](auto& r) { return r.ref == u.ref; }) - refs.begin());
      };
      for (auto& u : c.refs) x.push_back(now[index(u)]);
      Vec r = eval_program(*c.program, x);
      std::size_t k = n_results;
      for (auto& u : c.refs)
        if (u.written) now[index(u)] = r[k++];
      r.resize(n_results);
      for (std::size_t i = 0; i < n_results; ++i) r[i] = as_type(r[i], common[i]);
      for (std::size_t i = 0; i < refs.size(); ++i)
        if (refs[i].written) r.push_back(now[i]);
      return r;
    };
    q.branches.push_back(trace_program(all, f, true));
    at += c.captured.size();
  }
  args = joined({{&choice, 1}, args, in, ref_values});
  Vec r = prims::bind_cond(q, args);
  write_back(refs_of(refs, true), Ins(r).subspan(n_results));
  tree::assign(trees[result], Ins(r).first(n_results));
}
}  // namespace
void cond(const Tensor& pred, Refs operands, function_ref<TreeRef()> on_true, function_ref<TreeRef()> on_false) {
  if (!pred.defined() || !pred.rank0() || pred.raw_dtype() != DType::bool_)
    throw DTypeError("cond: the predicate is " + (pred.defined() ? pred.aval().str() : "an undefined Tensor") +
                     ", expected a 0-d bool; compare, or reduce with any() or all()");
  const function_ref<TreeRef()> branches[] = {on_false, on_true};  // in the order of the values false, true
  choose("cond", firm(pred), operands, branches, 1);
}
void switch_(const Tensor& index, Refs operands, std::span<const function_ref<TreeRef()>> branches) {
  if (!index.defined() || !index.rank0() || !is_integer(index.raw_dtype()))
    throw DTypeError("switch_: the index is " + (index.defined() ? index.aval().str() : "an undefined Tensor") + ", expected a 0-d integer");
  choose("switch_", firm(index), operands, branches, 0);
}

}  // namespace functra::erased
