#include "functra/transforms/linear.h"

#include "functra/prims/cast.h"

namespace functra::erased {
using namespace functra::core;

Tensor Linearizer::input(const Tensor& x) {
  check_alive(x, jvp_.name);
  if (!x.defined() || !is_differentiable(x.raw_dtype())) return x;
  return jvp_.wrap(x, rec_.input(x.aval()));
}
Tensor Linearizer::primal(const Tensor& y) {
  if (y.tag() == jvp_.tag) return y.node_as<JvpNode>().primal;
  if (y.tag() == rec_.tag) escaped(y, jvp_.name);
  check_alive(y, jvp_.name);
  return y;
}
void Linearizer::transpose(Ins tangents, Ins cts, Outs ct_in) {
  core::Program& p = rec_.prog;
  Buf<Tensor, 64> env(p.type_of.size()), ct(p.type_of.size());
  for (std::size_t i = 0; i < rec_.hidden.size(); ++i) env[static_cast<std::size_t>(rec_.hidden[i])] = std::move(rec_.captured[i]);
  for (std::size_t i = 0; i < tangents.size(); ++i) {
    if (tangents[i].tag() != rec_.tag) continue;  // a zero
    Tensor& slot = ct[tangents[i].var()];
    slot = add_ct(std::move(slot), cts[i]);
  }
  backward(p, env.begin(), ct.begin(), true);
  for (std::size_t i = 0; i < ct_in.size(); ++i) ct_in[i] = std::move(ct[static_cast<std::size_t>(p.inputs[i])]);
}
void to_primals(Linearizer& l, TreeRef t) {
  if (!t) return;
  for (Tensor* y : tree::pointers(t))
    if (y->defined()) *y = l.primal(*y);
}
namespace {
std::string path_in(Refs args, std::size_t leaf) { return tree::argument_paths(args)[leaf]; }
}  // namespace
void refuse_bare_integers(Selected selected, const char* who) {
  for (std::size_t i = 0; i < selected.trees.size(); ++i) {
    const TreeRef& t = selected.trees[i];
    if (t.ops != &tree::ops<Tensor>) continue;
    const Tensor& x = *static_cast<const Tensor*>(t.p);
    if (x.defined() && !is_differentiable(x.raw_dtype()))
      throw DTypeError(std::string(who) + ": argument " + std::to_string(selected.numbers[i]) + " has dtype " + std::string(name_of(x.raw_dtype())) +
                       ", which has no derivative; convert it with to(f32) or to(f64), or choose other arguments");
  }
}

// ---------------------------------------------------------------- grad
std::vector<Tensor> grad(Selected selected, Call f, const char* who) {
  Linearizer l(who);
  auto in = tree::pointers(selected.trees);
  Buf<int, 8> at(in.size());
  std::vector<Tensor> g(in.size());
  for (std::size_t i = 0; i < in.size(); ++i) {
    g[i] = *in[i];  // the primal, until its gradient is known
    at[i] = -1;
    if (!g[i].defined()) continue;
    if (!is_differentiable(g[i].raw_dtype())) {
      refuse_bare_integers(selected, who);
      continue;
    }
    at[i] = static_cast<int>(l.inputs());
    *in[i] = l.input(g[i]);
  }
  Result r = f();
  auto out = tree::pointers(r.value);
  if (out.size() != 1 || !out[0]->defined())
    throw ShapeError(std::string(who) + ": the function returns " + std::to_string(out.size()) +
                     " tensors, expected one scalar; use vjp or jacrev, or pass ft::has_aux and return a pair (value, aux)");
  Tensor y = *out[0], t = l.tangent(y);
  if (!y.rank0())
    throw ShapeError(std::string(who) + ": the function returns shape " + y.sizes().str() +
                     ", not a scalar; sum() or mean() it, or use vjp or jacrev");
  if (!is_differentiable(y.raw_dtype()))
    throw DTypeError(std::string(who) + ": the function returns dtype " + std::string(name_of(y.raw_dtype())) +
                     "; only floating results have a gradient");
  *out[0] = l.primal(y);
  to_primals(l, r.aux);
  l.leave();
  y = Tensor();
  Buf<Tensor, 8> ct(l.inputs());
  if (!is_zero(t)) {
    for (Tensor* x : in) *x = Tensor();  // the wrapped copies: residuals may be freed as the sweep goes
    Tensor one = out[0]->weak() ? Tensor(1.0) : Tensor::literal_of(Scalar(1.0), out[0]->raw_dtype());
    l.transpose({&t, 1}, {&one, 1}, ct);
  }
  for (std::size_t i = 0; i < in.size(); ++i) {
    if (!g[i].defined()) continue;
    if (at[i] >= 0 && !is_zero(ct[static_cast<std::size_t>(at[i])])) g[i] = std::move(ct[static_cast<std::size_t>(at[i])]);
    else g[i] = zeros(g[i].aval());
  }
  return g;
}

// ---------------------------------------------------------------- linearize, vjp
namespace {
void name_result(Linear& l, TreeRef result) {
  l.out_key = tree::shape_key({&result, 1});
  if (!l.out_key.empty()) l.out_text = tree::structure(result);
}
}  // namespace
LinearPtr linearize(Refs primals, Call f, const char* who) {
  auto r = std::make_shared<Linear>();
  r->who = who;
  r->in_key = tree::shape_key(primals);
  Linearizer l(who);
  for (Tensor* x : tree::pointers(primals)) {
    bool traced = x->defined() && is_differentiable(x->raw_dtype());
    r->in.push_back(x->defined() ? x->aval() : Aval{});
    r->undefined_in.push_back(!x->defined());
    r->input_of.push_back(traced ? static_cast<int>(l.inputs()) : -1);
    if (traced) *x = l.input(*x);
  }
  Result res = f();
  Vec tangents;
  name_result(*r, res.value);
  for (Tensor* y : tree::pointers(res.value)) {
    r->undefined_out.push_back(!y->defined());
    if (!y->defined()) {
      r->out.push_back({});
      r->output_of.push_back(-1);
      continue;
    }
    Tensor t = l.tangent(*y);
    *y = l.primal(*y);
    r->out.push_back(y->aval());
    r->output_of.push_back(is_zero(t) ? -1 : static_cast<int>(tangents.size()));
    if (!is_zero(t)) tangents.push_back(t);
  }
  to_primals(l, res.aux);
  l.leave();
  r->closed = l.program(tangents);
  return r;
}
namespace {
// Gives t the type a derivative must have; `what` names it.
Tensor checked(const Tensor& t, const Aval& a, const char* who, function_ref<std::string()> what) {
  check_alive(t, who);
  if (stands_for(t, a)) return as_type(t, a.dtype, a.weak);
  Aval got = t.aval();
  if (!(got.shape == a.shape)) throw ShapeError(std::string(who) + ": " + what() + " has shape " + got.shape.str() + ", expected " + a.shape.str());
  throw DTypeError(std::string(who) + ": " + what() + " has dtype " + std::string(name_of(got.dtype)) + ", expected " +
                   std::string(name_of(a.dtype)) + "; convert it with to()");
}
// A derivative as users see it: where lanes of vmap each have a number, together they are of the default dtype.
Tensor shown(const Tensor& t, const Aval& a) {
  if (is_zero(t)) return zeros(a);
  return a.weak && !t.weak() && a.dtype == DType::f64 ? convert(t, default_dtype()) : t;
}
}  // namespace
std::vector<Tensor> push(const Linear& l, Refs tangents) {
  if (tree::shape_key(tangents) != l.in_key) {
    std::string got;
    for (const TreeRef& t : tangents) got += (got.empty() ? "" : ", ") + tree::structure(t);
    throw StructureError(std::string(l.who) + ": the tangents " + got + " have another structure than the arguments");
  }
  return push(l, tree::leaves(tangents), tangents);
}
std::vector<Tensor> push(const Linear& l, Ins t, Refs names) {
  Vec args = l.closed.captured;
  if (t.size() != l.in.size())
    throw StructureError(std::string(l.who) + ": got " + std::to_string(t.size()) + " tangents for " + std::to_string(l.in.size()) + " tensors");
  std::size_t n = args.size();
  args.resize(l.closed.program->inputs.size());
  for (std::size_t i = 0; i < t.size(); ++i)
    if (int k = l.input_of[i]; k >= 0)
      args[n + static_cast<std::size_t>(k)] = is_zero(t[i]) ? zeros(l.in[i]) : checked(t[i], l.in[i], l.who, [&] {
        return "the tangent of " + (names.empty() ? "input " + std::to_string(i) : path_in(names, i));
      });
  Vec dy = eval_program(*l.closed.program, args), out;
  for (std::size_t i = 0; i < l.out.size(); ++i)
    out.push_back(l.undefined_out[i] ? Tensor() : shown(l.output_of[i] >= 0 ? dy[static_cast<std::size_t>(l.output_of[i])] : Tensor(), l.out[i]));
  return out;
}
std::vector<Tensor> pull(const Linear& l, TreeRef cotangent) {
  if (tree::shape_key({&cotangent, 1}) != l.out_key)
    throw StructureError(std::string(l.who) + ": the cotangent has the structure " + tree::structure(cotangent) +
                         ", the result of the function has " + l.out_text);
  return pull(l, tree::leaves(cotangent), cotangent);
}
std::vector<Tensor> pull(const Linear& l, Ins c, TreeRef names) {
  if (c.size() != l.out.size())
    throw StructureError(std::string(l.who) + ": the cotangent has " + std::to_string(c.size()) + " tensors, the result of the function has " +
                         std::to_string(l.out.size()));
  const core::Program& p = *l.closed.program;
  Vec env(p.type_of.size()), ct(p.type_of.size());
  for (std::size_t i = 0; i < l.closed.captured.size(); ++i) env[static_cast<std::size_t>(p.inputs[i])] = l.closed.captured[i];
  for (std::size_t i = 0; i < c.size(); ++i) {
    if (is_zero(c[i]) || l.undefined_out[i]) continue;
    Tensor t = checked(c[i], l.out[i], l.who, [&] {
      std::string path = names ? tree::paths(names)[i] : std::string();
      return "the cotangent of " + (path.empty() ? std::string("the result") : "result " + path);
    });
    if (l.output_of[i] < 0) continue;
    Var v = p.outputs[static_cast<std::size_t>(l.output_of[i])];
    if (v < 0) continue;
    Tensor& slot = ct[static_cast<std::size_t>(v)];
    slot = add_ct(slot, t);
  }
  try {
    backward(p, env.data(), ct.data(), false);
  } catch (const MissingRuleError& e) {
    if (!l.by_user) throw;
    throw MissingRuleError(std::string(l.who) + ": the function is not linear in its arguments: " + e.what());
  }
  Vec g;
  for (std::size_t i = 0; i < l.in.size(); ++i) {
    Tensor t = l.input_of[i] < 0 ? Tensor() : ct[static_cast<std::size_t>(p.inputs[p.n_hidden + static_cast<std::size_t>(l.input_of[i])])];
    g.push_back(l.undefined_in[i] ? Tensor() : shown(t, l.in[i]));
  }
  return g;
}
LinearPtr linear_transpose(Refs primals, Call f) {
  auto r = std::make_shared<Linear>();
  r->who = "linear_transpose";
  r->by_user = true;
  r->in_key = tree::shape_key(primals);
  Recording t("linear_transpose", true);
  Scope s(&t);
  for (Tensor* x : tree::pointers(primals)) {
    bool traced = x->defined() && is_differentiable(x->raw_dtype());
    r->in.push_back(x->defined() ? x->aval() : Aval{});
    r->undefined_in.push_back(!x->defined());
    r->input_of.push_back(traced ? static_cast<int>(t.prog.inputs.size()) : -1);
    if (traced) *x = t.input(x->aval());
  }
  TreeRef result = f().value;
  name_result(*r, result);
  Vec out = tree::leaves(result);
  for (std::size_t i = 0; i < out.size(); ++i) {
    r->out.push_back(out[i].aval());
    r->undefined_out.push_back(0);
    r->output_of.push_back(static_cast<int>(i));
  }
  r->closed = t.finish(out, false);
  return r;
}

// ---------------------------------------------------------------- jvp
std::vector<Tensor> jvp(Refs primals, Refs tangents, Call f, const JvpOptions& o) {
  JvpInterp j("jvp", false);
  if (primals.size() != tangents.size())
    throw StructureError("jvp: " + std::to_string(primals.size()) + " primals and " + std::to_string(tangents.size()) + " tangents");
  std::size_t at = 0;  // leaves of the arguments before
  for (std::size_t a = 0; a < primals.size(); ++a) {
    auto x = tree::pointers(primals[a]);
    if (!tangents[a]) {
      at += x.size();
      continue;
    }
    auto t = tree::leaves(tangents[a]);
    if (x.size() != t.size() || tree::shape_key({&primals[a], 1}) != tree::shape_key({&tangents[a], 1}))
      throw StructureError("jvp: argument " + std::to_string(a) + " has the structure " + tree::structure(primals[a]) + " and its tangent " +
                           tree::structure(tangents[a]));
    for (std::size_t i = 0; i < x.size(); ++i) {
      if (!x[i]->defined()) continue;
      check_alive(*x[i], "jvp");
      if (is_zero(t[i])) continue;
      if (!is_differentiable(x[i]->raw_dtype())) {
        if (tree::paths(primals[a])[i].empty())
          throw DTypeError("jvp: argument " + std::to_string(a) + " has dtype " + std::string(name_of(x[i]->raw_dtype())) +
                           ", which has no derivative; convert it with to(f32) or to(f64), or give ft::none as its tangent");
        continue;
      }
      *x[i] = j.wrap(*x[i], checked(t[i], x[i]->aval(), "jvp", [&] { return "the tangent of " + path_in(primals, at + i); }));
    }
    at += x.size();
  }
  Result r;
  {
    Scope s(&j);
    r = f();
    for (TreeRef tr : {r.value, r.aux})
      if (tr)
        for (Tensor* y : tree::pointers(tr))
          if (y->tag() != j.tag) check_alive(*y, "jvp");
  }
  std::vector<Tensor> d;
  auto out = tree::pointers(r.value);
  for (std::size_t i = 0; i < out.size(); ++i) {
    Tensor t = j.tangent(*out[i]);
    if (o.strict && is_zero(t))
      throw ValueError("jvp: strict: output " + (tree::paths(r.value)[i].empty() ? std::to_string(i) : tree::paths(r.value)[i]) +
                       " does not depend on the input");
    if (!out[i]->defined()) {
      d.emplace_back();
      continue;
    }
    *out[i] = j.primal(*out[i]);
    d.push_back(instantiate(t, out[i]->aval()));
  }
  if (r.aux)
    for (Tensor* y : tree::pointers(r.aux)) *y = j.primal(*y);
  return d;
}

}  // namespace functra::erased
