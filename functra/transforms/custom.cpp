// custom_jvp and custom_vjp: the user's own rules. Function and rules are traced where an interpreter is current; tensors of
// enclosing transforms that they close over become leading operands, which must not be differentiated.
#include "functra/core/forms.h"
#include "functra/prims/control.h"
#include "functra/transforms/erased.h"

namespace functra::erased {
using namespace functra::core;

namespace {
Closed trace(const char* what, const std::vector<Aval>& in, LeafFn f) {
  Recording t(what, true);
  Scope s(&t);
  Vec a;
  for (auto& v : in) a.push_back(t.input(v));
  return t.finish(f(a));
}
// (captured by c), rest  ->  (all captured), rest; those of c start at `from`.
ProgramPtr widen(const Closed& c, const std::vector<Aval>& captured, std::size_t from) {
  std::size_t n = c.captured.size();
  std::vector<Aval> types = captured, old = c.program->in_types();
  types.insert(types.end(), old.begin() + static_cast<std::ptrdiff_t>(n), old.end());
  auto f = [&](Ins a) {
    auto at = [&](std::size_t i) { return a.begin() + static_cast<std::ptrdiff_t>(i); };
    Vec v(at(from), at(from + n));
    v.insert(v.end(), at(captured.size()), a.end());
    return eval_program(*c.program, v);
  };
  return trace_program(types, f, true);
}
// t as type a; `what` and the path name it in errors.
Tensor agreed(const char* who, const char* what, const Tensor& t, const Aval& a, LeafPath path, std::size_t i) {
  if (stands_for(t, a)) return as_type(t, a.dtype, a.weak);
  std::string message = std::string(who) + ": " + what + path(i) + " has type " + t.aval().str() + ", expected " + a.str();
  if (!(t.sizes() == a.shape)) throw ShapeError(message);
  throw DTypeError(message + "; convert it with to()");
}
std::vector<Aval> types_of(Ins x) {
  std::vector<Aval> r;
  for (const Tensor& t : x) r.push_back(t.aval());
  return r;
}
}  // namespace

std::vector<Tensor> custom_jvp(std::span<const Tensor> x, LeafFn f, LeafFn rule, LeafPath result) {
  if (!current) return f(x);
  std::vector<Aval> types = types_of(x), both = types, captured;
  both.insert(both.end(), types.begin(), types.end());
  Closed p = trace("custom_jvp", types, f);
  std::size_t n = p.program->outputs.size();
  auto checked = [&](Ins a) {
    std::vector<Tensor> r = rule(a);
    if (r.size() != 2 * n)
      throw StructureError("custom_jvp: the rule returns " + std::to_string(r.size()) + " values and tangents, expected " + std::to_string(n) +
                           " of each");
    for (std::size_t i = 0; i < n; ++i) {
      Aval want = p.program->out_type(i);
      r[i] = agreed("custom_jvp", "the rule's value", r[i], want, result, i);
      r[n + i] = is_zero(r[n + i]) ? zeros(want) : agreed("custom_jvp", "the tangent", r[n + i], want, result, i);
    }
    return r;
  };
  Closed r = trace("custom_jvp rule", both, checked);
  Vec args = p.captured;
  args.insert(args.end(), r.captured.begin(), r.captured.end());
  captured = types_of(args);
  prims::CustomJvpParams q{widen(p, captured, 0), widen(r, captured, p.captured.size()), static_cast<std::int64_t>(args.size())};
  args.insert(args.end(), x.begin(), x.end());
  return bind_all(prims::custom_jvp_p, args, q);
}

std::vector<Tensor> custom_vjp(std::span<const Tensor> x, LeafFn f, LeafFn fwd, LeafFn bwd, LeafPath result, LeafPath argument) {
  if (!current) return f(x);
  std::vector<Aval> types = types_of(x);
  Closed p = trace("custom_vjp", types, f);
  std::size_t n = p.program->outputs.size();
  auto forward = [&](Ins a) {
    std::vector<Tensor> r = fwd(a);
    if (r.size() < n)
      throw StructureError("custom_vjp: the forward rule returns " + std::to_string(r.size()) + " values for " + std::to_string(n) + " results");
    for (std::size_t i = 0; i < n; ++i) r[i] = agreed("custom_vjp", "the forward rule's value", r[i], p.program->out_type(i), result, i);
    return r;
  };
  Closed fw = trace("custom_vjp forward rule", types, forward);
  std::vector<Aval> bt;
  for (std::size_t i = n; i < fw.program->outputs.size(); ++i) bt.push_back(fw.program->out_type(i));
  for (std::size_t i = 0; i < n; ++i) bt.push_back(p.program->out_type(i));
  Mask given;
  auto backward_rule = [&](Ins a) {
    std::vector<Tensor> g = bwd(a), out;
    if (g.size() != x.size())
      throw StructureError("custom_vjp: the backward rule returns " + std::to_string(g.size()) + " cotangents for " + std::to_string(x.size()) +
                           " tensors");
    for (std::size_t i = 0; i < g.size(); ++i) {
      given.push_back(!is_zero(g[i]));
      if (is_zero(g[i])) continue;
      out.push_back(agreed("custom_vjp", "the cotangent", g[i], types[i], argument, i));
    }
    return out;
  };
  Closed bw = trace("custom_vjp backward rule", bt, backward_rule);
  // What the backward rule closes over becomes residuals: results of the forward program.
  Vec args = p.captured;
  args.insert(args.end(), fw.captured.begin(), fw.captured.end());
  args.insert(args.end(), bw.captured.begin(), bw.captured.end());
  std::vector<Aval> captured = types_of(args), ft = captured;
  ft.insert(ft.end(), types.begin(), types.end());
  std::size_t at_fw = p.captured.size(), at_bw = at_fw + fw.captured.size(), n_cap = args.size();
  auto with_residuals = [&](Ins a) {
    auto at = [&](std::size_t i) { return a.begin() + static_cast<std::ptrdiff_t>(i); };
    Vec v(at(at_fw), at(at_bw));
    v.insert(v.end(), at(n_cap), a.end());
    Vec r = eval_program(*fw.program, v);
    r.insert(r.begin() + static_cast<std::ptrdiff_t>(n), at(at_bw), at(n_cap));
    return r;
  };
  prims::CustomVjpParams q{widen(p, captured, 0), trace_program(ft, with_residuals, true), bw.program, static_cast<std::int64_t>(n_cap), given};
  args.insert(args.end(), x.begin(), x.end());
  return bind_all(prims::custom_vjp_p, args, q);
}

}  // namespace functra::erased
