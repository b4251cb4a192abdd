#include "functra/core/replay.h"

#include "functra/core/interp.h"

namespace functra::core {

namespace {
struct AtSite {  // source locations of what is bound
  explicit AtSite(const void* site) : saved(current_site) { current_site = site; }
  ~AtSite() { current_site = saved; }
  AtSite(const AtSite&) = delete;
  const void* saved;
};
}  // namespace

void replay(const Program& p, Ins args, Outs outs, Hook hook) {
  Vec env(p.type_of.size());
  for (std::size_t i = 0; i < args.size(); ++i) env[static_cast<std::size_t>(p.inputs[i])] = args[i];
  auto value = [&](Var v) { return v < 0 ? p.literals[static_cast<std::size_t>(~v)] : env[static_cast<std::size_t>(v)]; };
  Vec in;
  for (const Eqn& e : p.eqns) {
    in.clear();
    for (Var v : p.operands(e)) in.push_back(value(v));
    AtSite site(e.site);
    Outs out(&env[e.out], e.n_out);
    if (!hook(e, in, out)) bind_prim({*e.prim, e.params}, in, out);
  }
  for (std::size_t i = 0; i < outs.size(); ++i) outs[i] = value(p.outputs[i]);
}

ProgramPtr retrace(const Program& p, Hook hook) {
  ProgramPtr r = trace_program(p.in_types(), [&](Ins a) {
    Vec out(p.outputs.size());
    replay(p, a, out, hook);
    for (std::size_t i = 0; i < out.size(); ++i) {
      const Aval want = p.out_type(i);
      if (!stands_for(out[i], want))
        throw ShapeError("rewriting a program: output " + std::to_string(i) + " of type " + want.str() + " became " + out[i].aval().str());
      out[i] = as_type(out[i], want.dtype, want.weak);
    }
    return out;
  });
  if (!p.n_hidden) return r;
  return seal(compact(*r, r->inputs, p.n_hidden, r->outputs, live_vars(*r, r->outputs)), false);
}

ProgramPtr retrace(const Program& p, std::span<const ParamRef> params, function_ref<bool(std::size_t, Ins, Outs)> hook) {
  return retrace(p, [&](const Eqn& e, Ins in, Outs out) {
    const auto i = static_cast<std::size_t>(&e - p.eqns.data());
    if (!hook(i, in, out)) bind_prim({*e.prim, params[i]}, in, out);
    return true;
  });
}

Var Builder::operand(const Program& p, Var v, const std::vector<Var>& to) {
  if (v < 0) return q.new_literal(p.literals[static_cast<std::size_t>(~v)]);
  Var w = to[static_cast<std::size_t>(v)];
  if (w == unknown) throw ValueError("a part of a program needs variable v" + std::to_string(v) + ", which is neither computed in it nor given");
  return w;
}
std::uint32_t Builder::append(const Program& p, const Eqn& e, const std::vector<Var>& to) {
  auto at = static_cast<std::uint32_t>(q.pool.size()), first = static_cast<std::uint32_t>(q.type_of.size());
  for (Var v : p.operands(e)) {
    Var w = operand(p, v, to);
    q.pool.push_back(w);
  }
  for (std::uint32_t k = 0; k < e.n_out; ++k) q.new_var(p.type(static_cast<Var>(e.out + k)));
  q.eqns.push_back({e.prim, e.params, at, first, e.n_in, e.n_out, e.site});
  return first;
}
std::vector<Var> Builder::splice(const Program& p, std::span<const Var> in) {
  std::vector<Var> to(p.type_of.size(), unknown), out;
  for (std::size_t i = 0; i < in.size(); ++i) to[static_cast<std::size_t>(p.inputs[i])] = in[i];
  for (const Eqn& e : p.eqns) {
    auto first = append(p, e, to);
    for (std::uint32_t k = 0; k < e.n_out; ++k) to[e.out + k] = static_cast<Var>(first + k);
  }
  for (Var v : p.outputs) out.push_back(operand(p, v, to));
  return out;
}

ProgramPtr extract(const Program& p, const std::vector<Var>& inputs, const std::vector<Var>& outputs, const std::vector<std::uint8_t>& keep,
                   std::vector<std::uint8_t>* which) {
  std::vector<std::uint8_t> given(p.type_of.size()), live(p.type_of.size()), taken(p.eqns.size());
  for (Var v : inputs) given[static_cast<std::size_t>(v)] = 1;
  auto need = [&](Var v) {
    if (v >= 0 && !given[static_cast<std::size_t>(v)]) live[static_cast<std::size_t>(v)] = 1;
  };
  for (Var v : outputs) need(v);
  for (std::size_t i = p.eqns.size(); i-- > 0;) {
    const Eqn& e = p.eqns[i];
    bool any = !keep.empty() && keep[i];
    for (std::uint32_t k = 0; k < e.n_out; ++k) any |= live[e.out + k];
    if (!any) continue;
    taken[i] = 1;
    for (Var v : p.operands(e)) need(v);
  }
  if (which) *which = taken;
  Builder b;
  std::vector<Var> to(p.type_of.size(), unknown);
  for (Var v : inputs) {
    Var w = b.input(p.type(v));
    to[static_cast<std::size_t>(v)] = w;
  }
  for (std::size_t i = 0; i < p.eqns.size(); ++i) {
    if (!taken[i]) continue;
    const Eqn& e = p.eqns[i];
    auto first = b.append(p, e, to);
    for (std::uint32_t k = 0; k < e.n_out; ++k)
      if (!given[e.out + k]) to[e.out + k] = static_cast<Var>(first + k);
  }
  for (Var v : outputs) {
    Var w = b.operand(p, v, to);
    b.q.outputs.push_back(w);
  }
  return seal(std::move(b.q), false);
}

ProgramPtr rebuilt(const Program& p, std::span<const ParamRef> params, function_ref<bool(std::size_t, Builder&, std::vector<Var>&)> hook) {
  Builder b;
  std::vector<Var> to(p.type_of.size(), unknown);
  for (Var v : p.inputs) {
    Var w = b.input(p.type(v));
    to[static_cast<std::size_t>(v)] = w;
  }
  for (std::size_t i = 0; i < p.eqns.size(); ++i) {
    if (hook(i, b, to)) continue;
    const Eqn& e = p.eqns[i];
    auto first = b.append(p, e, to);
    b.q.eqns.back().params = params[i];
    for (std::uint32_t k = 0; k < e.n_out; ++k) to[e.out + k] = static_cast<Var>(first + k);
  }
  for (Var v : p.outputs) {
    Var w = b.operand(p, v, to);
    b.q.outputs.push_back(w);
  }
  b.q.n_hidden = p.n_hidden;
  return seal(std::move(b.q), false);
}

std::vector<std::uint8_t> effects_of(const Program& p) {
  std::vector<std::uint8_t> r;
  for (const Eqn& e : p.eqns) r.push_back(has_effect(e));
  return r;
}

std::int64_t bytes_of(const Aval& a) { return a.shape.numel() * static_cast<std::int64_t>(size_of(a.dtype)); }

}  // namespace functra::core
