#include "functra/aot/partition.h"

#include <algorithm>
#include <sstream>

#include "functra/aot/halves.h"
#include "functra/compiler/passes.h"
#include "functra/core/symbols.h"
#include "functra/prims/checkpoint.h"

namespace functra::aot {
using namespace functra::core;

Roles::Roles(const compile::JointProgram& j)
    : p(*j.program.ir()),
      primals(j.primals),
      outputs(j.outputs),
      backward(p.type_of.size()),
      backward_eqn(p.eqns.size()),
      forward_eqn(p.eqns.size()),
      forward(p.type_of.size()),
      used_backward(p.type_of.size()) {
  if (p.n_hidden || primals > p.inputs.size() || outputs > p.outputs.size() || p.inputs.size() - primals != outputs)
    throw ValueError("a joint program has the primals, then a cotangent per output, as inputs, and the outputs, then the gradients, as outputs");
  for (std::size_t i = primals; i < p.inputs.size(); ++i) backward[static_cast<std::size_t>(p.inputs[i])] = 1;
  for (std::size_t i = 0; i < p.eqns.size(); ++i) {
    const Eqn& e = p.eqns[i];
    for (Var v : p.operands(e)) backward_eqn[i] |= v >= 0 && backward[static_cast<std::size_t>(v)];
    std::fill_n(backward.begin() + e.out, e.n_out, backward_eqn[i]);
  }
  std::vector<std::uint8_t> live(p.type_of.size());
  for (std::size_t i = 0; i < outputs; ++i)
    if (p.outputs[i] >= 0) live[static_cast<std::size_t>(p.outputs[i])] = 1;
  for (std::size_t i = p.eqns.size(); i-- > 0;) {
    const Eqn& e = p.eqns[i];
    bool any = has_effect(e);
    for (std::uint32_t k = 0; k < e.n_out; ++k) any |= live[e.out + k];
    if (!any || backward_eqn[i]) continue;
    forward_eqn[i] = 1;
    std::fill_n(forward.begin() + e.out, e.n_out, std::uint8_t{1});
    for (Var v : p.operands(e))
      if (v >= 0) live[static_cast<std::size_t>(v)] = 1;
  }
  for (std::size_t i = 0; i < primals; ++i) forward[static_cast<std::size_t>(p.inputs[i])] = 1;
  auto use = [&](Var v) {
    if (v >= 0 && !backward[static_cast<std::size_t>(v)]) used_backward[static_cast<std::size_t>(v)] = 1;
  };
  for (std::size_t i = 0; i < p.eqns.size(); ++i)
    if (backward_eqn[i])
      for (Var v : p.operands(p.eqns[i])) use(v);
  for (std::size_t i = outputs; i < p.outputs.size(); ++i) use(p.outputs[i]);
}

namespace {
std::vector<Var> part(const std::vector<Var>& v, std::size_t from, std::size_t to) {
  return {v.begin() + static_cast<std::ptrdiff_t>(from), v.begin() + static_cast<std::ptrdiff_t>(to)};
}
}  // namespace

compile::Partition halves(const Roles& r, std::vector<Var> residuals) {
  const core::Program& p = r.p;
  std::ranges::sort(residuals);
  residuals.erase(std::unique(residuals.begin(), residuals.end()), residuals.end());
  std::vector<std::uint8_t> fw_effects(p.eqns.size()), bw_effects(p.eqns.size());
  for (std::size_t i = 0; i < p.eqns.size(); ++i)
    if (has_effect(p.eqns[i])) (r.backward_eqn[i] ? bw_effects : fw_effects)[i] = 1;
  std::vector<Var> in = part(p.inputs, 0, r.primals), out = part(p.outputs, 0, r.outputs), back = residuals;
  out.insert(out.end(), residuals.begin(), residuals.end());
  for (std::size_t i = r.primals; i < p.inputs.size(); ++i) back.push_back(p.inputs[i]);
  compile::Partition q;
  q.forward = functra::Program(extract(p, in, out, fw_effects));
  std::vector<std::uint8_t> again;
  q.backward = functra::Program(extract(p, back, part(p.outputs, r.outputs, p.outputs.size()), bw_effects, &again));
  q.outputs = r.outputs;
  q.residuals = residuals.size();
  for (std::size_t i = 0; i < again.size(); ++i) q.recomputed += again[i] && r.forward_eqn[i];
  std::vector<const Eqn*> maker(p.type_of.size());
  for (const Eqn& e : p.eqns)
    for (std::uint32_t k = 0; k < e.n_out; ++k) maker[e.out + k] = &e;
  for (Var v : residuals) {
    const Aval& a = p.type(v);
    compile::Residual s{{a.dtype, a.shape, bytes_of(a), {}, {}}, "v" + std::to_string(v)};
    if (const Eqn* e = maker[static_cast<std::size_t>(v)]) {
      s.from = e->prim->name;
      if (e->site) s.where = symbol_of(e->site);
    } else s.from = "primal " + std::to_string(std::ranges::find(p.inputs, v) - p.inputs.begin());
    q.saved.push_back(std::move(s));
  }
  return q;
}

}  // namespace functra::aot

namespace functra::compile {
using namespace functra::core;
using functra::Program;

std::int64_t Partition::saved_bytes() const {
  std::int64_t n = 0;
  for (auto& s : saved) n += s.bytes;
  return n;
}

JointProgram joint_program(const Program& p) {
  if (!p.ir()) throw ValueError("joint_program: this program is empty (default constructed)");
  ProgramPtr f = compiler::inline_calls(p.ir());
  const std::size_t n_in = f->inputs.size(), n_out = f->outputs.size();
  Mask nonzero;
  for (Var v : f->inputs) nonzero.push_back(is_differentiable(f->type(v).dtype));
  auto l = linearize_program(f, nonzero, Mask(n_out));
  std::size_t n_tangents = 0;
  for (auto b : nonzero) n_tangents += b;
  Mask linear(l->n_res), all(l->linear->outputs.size(), 1);
  linear.resize(l->n_res + n_tangents, 1);
  ProgramPtr back = transpose_program(l->linear, linear, all);
  std::vector<Aval> in = f->in_types();
  for (const Aval& a : f->out_types()) in.push_back(a);
  ProgramPtr joint = trace_program(in, [&](Ins a) {
    Vec r = eval_program(*l->primal, a.first(n_in));
    Vec b(r.begin() + static_cast<std::ptrdiff_t>(n_out), r.end());
    for (std::size_t i = 0; i < n_out; ++i)
      if (l->nonzero[i]) b.push_back(a[n_in + i]);
    Vec g = eval_program(*back, b);
    r.resize(n_out);
    r.insert(r.end(), g.begin(), g.end());
    return r;
  });
  return {Program(compiler::inline_calls(joint)), n_in, n_out};
}

std::string to_string(const JointProgram& j) {
  const aot::Roles r(j);
  std::istringstream lines(j.program.str());
  std::string text, line;
  std::size_t eqn = 0;
  auto saved = [&](const Eqn& e) {
    for (std::uint32_t k = 0; k < e.n_out; ++k)
      if (r.used_backward[e.out + k]) return true;
    return false;
  };
  while (std::getline(lines, line)) {
    bool starts = line.size() > 2 && line.compare(0, 2, "  ") == 0 && line[2] != ' ' && line[2] != '}' && line.compare(2, 6, "return") != 0;
    if (starts && eqn < r.p.eqns.size()) {
      const Eqn& e = r.p.eqns[eqn];
      line += r.backward_eqn[eqn]  ? "  # backward"
              : r.forward_eqn[eqn] ? (saved(e) ? "  # forward, used backward" : "  # forward")
                                   : "  # for backward";
      ++eqn;
    }
    text += line + "\n";
  }
  return text;
}

Partition default_partition(const JointProgram& j) {
  const aot::Roles r(j);
  std::vector<Var> saved;
  std::vector<std::uint8_t> seen(r.p.type_of.size());
  auto use = [&](Var v) {  // by what is not in the forward half
    if (v < 0 || !r.forward[static_cast<std::size_t>(v)] || std::exchange(seen[static_cast<std::size_t>(v)], 1)) return;
    saved.push_back(v);
  };
  auto needed = live_vars(r.p, r.p.outputs);
  for (std::size_t i = 0; i < r.p.eqns.size(); ++i) {
    const Eqn& e = r.p.eqns[i];
    bool live = r.backward_eqn[i] && has_effect(e);
    for (std::uint32_t k = 0; k < e.n_out; ++k) live |= needed[e.out + k];
    if (live && !r.forward_eqn[i])
      for (Var v : r.p.operands(e)) use(v);
  }
  for (std::size_t i = r.outputs; i < r.p.outputs.size(); ++i) use(r.p.outputs[i]);
  return aot::halves(r, saved);
}

Partition partition_by_residuals(const JointProgram& j, const std::vector<std::string>& residuals) {
  const aot::Roles r(j);
  std::vector<Var> saved;
  for (const std::string& name : residuals) {
    Var v = -1;
    for (std::size_t k = 0; k < r.p.type_of.size(); ++k)
      if ("v" + std::to_string(k) == name) v = static_cast<Var>(k);
    if (v < 0) throw ValueError("partition_by_residuals: the joint program has no variable '" + name + "'");
    if (r.backward[static_cast<std::size_t>(v)])
      throw ValueError("partition_by_residuals: " + name + " depends on a cotangent, so the forward half cannot compute it");
    saved.push_back(v);
  }
  return aot::halves(r, saved);
}

}  // namespace functra::compile
