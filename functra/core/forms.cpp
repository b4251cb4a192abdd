// The cached Program -> Program forms and the reverse sweep.
#include "functra/core/forms.h"

#include <algorithm>
#include <atomic>
#include <map>

#include "functra/core/interp.h"

namespace functra::core {

std::string form_key(const char* name, std::initializer_list<Mask> masks, std::int64_t n) {
  std::string s = name;
  if (expanding) s += "!";
  for (const Mask& m : masks) {
    s += ':';
    for (auto b : m) s += static_cast<char>('0' + b);
  }
  return s + ":" + std::to_string(n);
}
Mask nonzero_mask(Ins t) {
  Mask m;
  for (const Tensor& x : t) m.push_back(!is_zero(x));
  return m;
}
void append_nonzero(Vec& to, Ins t) {
  for (const Tensor& x : t)
    if (!is_zero(x)) to.push_back(x);
}
std::shared_ptr<const Dependence> dependence(const Program& p, const Mask& in) {
  auto make = [&] {
    Dependence r{{}, true};
    Mask d(p.type_of.size()), own;
    for (std::size_t i = 0; i < in.size(); ++i) d[static_cast<std::size_t>(p.inputs[i])] = in[i];
    for (const Eqn& e : p.eqns) {
      bool any = false;
      own.clear();
      for (Var v : p.operands(e)) any |= own.emplace_back(v >= 0 && d[static_cast<std::size_t>(v)]);
      Call c{*e.prim, e.params};
      if (any && e.prim->depends) std::ranges::copy(e.prim->depends(c, own), d.begin() + e.out);
      else std::fill_n(d.begin() + e.out, e.n_out, any);
      r.all = r.all && any && !(e.prim->mixed && e.prim->mixed(c, own));
    }
    for (Var v : p.outputs) r.out.push_back(v >= 0 && d[static_cast<std::size_t>(v)]);
    return r;
  };
  return cached<Dependence>(p, form_key("depends", {in}), make);
}
Mask depends(std::span<const ProgramPtr> programs, const Mask& in) {
  Mask out(programs[0]->outputs.size());
  for (auto& p : programs)
    for (std::size_t i = 0; i < out.size(); ++i) out[i] |= dependence(*p, in)->out[i];
  return out;
}
bool mixed(std::span<const ProgramPtr> programs, const Mask& in) {
  for (auto& p : programs)
    if (!dependence(*p, in)->all) return true;
  return std::ranges::count(depends(programs, in), 0) > 0;
}

// ---------------------------------------------------------------- transposition
namespace {
// An equation with linear operands that holds work on known ones too, linearized at (known, linear := 0): what is known has run, the
// linear half is recorded.
struct Split {
  Recording rec{"transpose", false};
  Vec dy;  // tangents of the results; null where a result is known
  Split(const Call& c, std::span<const Operand> in, Outs y) : dy(y.size()) {
    Scope s(&rec);
    Buf<Tensor, 4> x(in.size()), t(in.size());
    for (std::size_t k = 0; k < in.size(); ++k) {
      x[k] = in[k].linear() ? zeros(*in[k].type) : *in[k];
      if (in[k].linear()) t[k] = rec.input(*in[k].type);
    }
    c.prim.linearize(c, x, t, y, dy);
  }
  void transpose(Ins ct, std::span<const Operand> in, Outs ct_in) {
    const Program& p = rec.prog;
    Vec env(p.type_of.size()), cts(p.type_of.size());
    for (std::size_t i = 0; i < rec.hidden.size(); ++i) env[static_cast<std::size_t>(rec.hidden[i])] = std::move(rec.captured[i]);
    for (std::size_t i = 0; i < ct.size(); ++i) {
      if (is_zero(ct[i]) || dy[i].tag() != rec.tag) continue;
      Tensor& slot = cts[dy[i].var()];
      slot = add_ct(std::move(slot), ct[i]);
    }
    backward(p, env.data(), cts.data(), true);
    for (std::size_t k = 0, i = 0; k < in.size(); ++k)
      if (in[k].linear()) ct_in[k] = std::move(cts[static_cast<std::size_t>(p.inputs[i++])]);
  }
};
// The operands of an equation: known values, or linear. `literal_types` holds what types of literals refer to.
// `first`: values from there up to the equation's own results have their last use here.
void operands_of(const Program& p, const Eqn& e, Tensor* env, Buf<Operand, 4>& in, Buf<Aval, 4>& literal_types, Var first) {
  for (std::uint32_t k = 0; k < e.n_in; ++k) {
    Var v = p.pool[e.in + k];
    if (v < 0) literal_types[k] = p.operand_type(v);
    if (v < 0) in[k] = {&p.literals[static_cast<std::size_t>(~v)], &literal_types[k]};
    else in[k] = {is_zero(env[v]) ? nullptr : &env[v], &p.type(v), v >= first ? &env[v] : nullptr};
  }
}
}  // namespace
void backward(const Program& p, Tensor* env, Tensor* ct, bool consume) {
  std::map<std::size_t, Split> splits;  // by equation
  if (!consume) {                       // equations of known operands only, in a body that mixes both kinds; what a recorder made does not
    for (std::size_t i = 0; i < p.eqns.size(); ++i) {
      const Eqn& e = p.eqns[i];
      Buf<Aval, 4> literal_types(e.n_in);
      Buf<Operand, 4> operands(e.n_in);
      operands_of(p, e, env, operands, literal_types, static_cast<Var>(e.out));
      std::span<const Operand> in = operands;
      auto linear = std::count_if(in.begin(), in.end(), [](auto& o) { return o.linear(); });
      Site site(e.site);
      if (!linear) {
        Borrowed<4> x(e.n_in);
        for (std::uint32_t k = 0; k < e.n_in; ++k) x.set(k, *in[k]);
        bind_prim({*e.prim, e.params}, x, {env + e.out, e.n_out});
      } else if (e.prim->mixed) {
        Mask own;
        for (auto& o : in) own.push_back(o.linear());
        Call c{*e.prim, e.params};
        if (!e.prim->mixed(c, own)) continue;
        Vec y(e.n_out);
        auto at = splits.try_emplace(i, c, in, y).first;
        for (std::uint32_t k = 0; k < e.n_out; ++k)
          if (is_zero(at->second.dy[k])) env[e.out + k] = y[k];
      }
    }
  }
  for (std::size_t i = p.eqns.size(); i-- > 0;) {
    const Eqn& e = p.eqns[i];
    const std::uint32_t from = i ? p.eqns[i - 1].out + p.eqns[i - 1].n_out : 0;  // what this equation was the first to capture
    bool any = false;
    for (std::uint32_t k = 0; k < e.n_out; ++k) any |= !is_zero(ct[e.out + k]);
    if (any) {
      Buf<Tensor, 4> ct_in(e.n_in);
      Buf<Aval, 4> literal_types(e.n_in);
      Buf<Operand, 4> operands(e.n_in);
      operands_of(p, e, env, operands, literal_types, static_cast<Var>(consume ? from : e.out));
      std::span<const Operand> in = operands;
      Ins ct_out(ct + e.out, e.n_out);
      Site site(e.site);
      if (auto at = splits.find(i); at != splits.end()) at->second.transpose(ct_out, in, ct_in);
      else if (std::any_of(in.begin(), in.end(), [](auto& o) { return o.linear(); })) {
        if (!e.prim->transpose) throw MissingRuleError(std::string(e.prim->name) + " has no transpose rule: it is not linear");
        e.prim->transpose({*e.prim, e.params}, ct_out, in, ct_in);
      }
      for (std::uint32_t k = 0; k < e.n_out; ++k) ct[e.out + k] = Tensor();
      for (std::uint32_t k = 0; k < e.n_in; ++k) {
        if (is_zero(ct_in[k]) || !in[k].linear()) continue;
        Tensor& slot = ct[p.pool[e.in + k]];
        if (is_zero(slot)) slot.swap(ct_in[k]);
        else slot = add_ct(std::move(slot), std::move(ct_in[k]));
      }
    }
    if (consume)  // that has now had its last use
      for (std::uint32_t v = from; v < e.out; ++v) env[v] = Tensor();
  }
}

// ---------------------------------------------------------------- forms
ProgramPtr trace_program(const std::vector<Aval>& in, function_ref<Vec(Ins)> f, bool intern) {
  Scope none(nullptr);  // programs are closed: derived forms never depend on who asks for them
  Recording t("program", true);
  t.bake = true;
  Scope s(&t);
  Vec args;
  for (auto& a : in) args.push_back(t.input(a));
  Vec outs = f(args);
  Closed c = t.finish(outs, intern);
  if (c.program->n_hidden) throw TracerError("a rule inside a Program closes over a traced tensor of an enclosing transform");
  return c.program;
}
std::shared_ptr<const JvpForm> jvp_program(const ProgramPtr& p, const Mask& nonzero, const Mask& force) {
  auto make = [&] {
    JvpForm r;
    std::vector<Aval> in = p->in_types();
    std::size_t n = nonzero.size();
    for (std::size_t i = 0; i < n; ++i)
      if (nonzero[i]) in.push_back(in[i]);
    r.program = trace_program(in, [&](Ins a) {
      JvpInterp j("jvp", false);
      Vec x(a.begin(), a.begin() + static_cast<std::ptrdiff_t>(n)), y;
      for (std::size_t i = 0, k = n; i < n; ++i)
        if (nonzero[i]) x[i] = j.wrap(x[i], a[k++]);
      {
        Scope s(&j);
        y = eval_program(*p, x);
      }
      Vec out;
      for (auto& t : y) out.push_back(j.primal(t));
      for (std::size_t i = 0; i < y.size(); ++i) {
        Tensor t = j.tangent(y[i]);
        r.nonzero.push_back(!is_zero(t) || force[i]);
        if (r.nonzero[i]) out.push_back(instantiate(t, p->out_type(i)));
      }
      return out;
    });
    return r;
  };
  return cached<JvpForm>(*p, form_key("jvp", {nonzero, force}), make);
}
std::shared_ptr<const LinForm> linearize_program(const ProgramPtr& p, const Mask& nonzero, const Mask& force) {
  auto make = [&] {
    LinForm r;
    r.primal = trace_program(p->in_types(), [&](Ins a) {
      Recording rec("linearize", false);
      Scope sr(&rec);
      JvpInterp j("linearize", true);
      Vec x(a.begin(), a.end()), y;
      for (std::size_t i = 0; i < x.size(); ++i)
        if (nonzero[i]) x[i] = j.wrap(x[i], rec.input(x[i].aval()));
      {
        Scope s(&j);
        y = eval_program(*p, x);
      }
      Vec out, tan;
      for (auto& t : y) out.push_back(j.primal(t));
      for (std::size_t i = 0; i < y.size(); ++i) {
        Tensor t = j.tangent(y[i]);
        r.nonzero.push_back(!is_zero(t) || force[i]);
        if (r.nonzero[i]) tan.push_back(instantiate(t, p->out_type(i)));  // zeros: recorded by the tracer, captured here
      }
      Closed c = rec.finish(tan, false);  // prunes first: residuals of dead equations are never saved
      r.linear = c.program;
      r.n_res = c.captured.size();
      out.insert(out.end(), c.captured.begin(), c.captured.end());
      return out;
    });
    return r;
  };
  return cached<LinForm>(*p, form_key("lin", {nonzero, force}), make);
}
ProgramPtr guarded_program(const ProgramPtr& p) {
  auto make = [&] {
    std::vector<Aval> types = p->in_types();
    types.insert(types.begin(), Aval{DType::bool_, false, {}});
    return trace_program(types, [&](Ins a) {
      Vec env(p->type_of.size()), out;
      for (std::size_t i = 0; i < p->inputs.size(); ++i) env[static_cast<std::size_t>(p->inputs[i])] = a[1 + i];
      auto value = [&](Var v) { return v < 0 ? p->literals[static_cast<std::size_t>(~v)] : env[static_cast<std::size_t>(v)]; };
      for (const Eqn& e : p->eqns) {
        Vec x;
        for (Var v : p->operands(e)) x.push_back(value(v));
        Site site(e.site);
        Outs y(env.data() + e.out, e.n_out);
        if (!needs_guard(e)) bind_prim({*e.prim, e.params}, x, y);
        else if (e.prim->guard) e.prim->guard({*e.prim, e.params}, a[0], x, y);
        else
          throw MissingRuleError(std::string(e.prim->name) + " holds a loop or an effect, which cannot run in a branch that only some lanes choose");
      }
      for (Var v : p->outputs) out.push_back(value(v));
      return out;
    });
  };
  return *cached<ProgramPtr>(*p, "guarded", make);
}

namespace {
std::atomic<ResidualChoice> choice{nullptr};
}
ResidualChoice residual_choice() { return choice.load(std::memory_order_relaxed); }
ResidualChoice set_residual_choice(ResidualChoice c) { return choice.exchange(c); }

ProgramPtr transpose_program(const ProgramPtr& p, const Mask& linear, const Mask& ct_nonzero) {
  auto make = [&] {
    std::vector<Aval> in;
    for (std::size_t i = 0; i < linear.size(); ++i)
      if (!linear[i]) in.push_back(p->type(p->inputs[i]));
    for (std::size_t i = 0; i < ct_nonzero.size(); ++i)
      if (ct_nonzero[i]) in.push_back(p->out_type(i));
    return trace_program(in, [&](Ins a) {
      Vec env(p->type_of.size()), ct(p->type_of.size());
      std::size_t k = 0;
      for (std::size_t i = 0; i < linear.size(); ++i)
        if (!linear[i]) env[static_cast<std::size_t>(p->inputs[i])] = a[k++];
      for (std::size_t i = 0; i < ct_nonzero.size(); ++i) {
        if (!ct_nonzero[i]) continue;
        if (Var v = p->outputs[i]; v >= 0) {
          auto& slot = ct[static_cast<std::size_t>(v)];
          slot = add_ct(slot, a[k]);
        }
        ++k;
      }
      backward(*p, env.data(), ct.data(), false);
      Vec out;
      for (std::size_t i = 0; i < linear.size(); ++i)
        if (linear[i]) out.push_back(instantiate(ct[static_cast<std::size_t>(p->inputs[i])], p->type(p->inputs[i])));
      return out;
    });
  };
  return *cached<ProgramPtr>(*p, form_key("transpose", {linear, ct_nonzero}), make);
}
std::shared_ptr<const BatchForm> batch_program(const ProgramPtr& p, const BatchContext& ctx, const Mask& batched, const Mask& force) {
  auto make = [&] {
    BatchForm r;
    std::vector<Aval> in = p->in_types();
    for (std::size_t i = 0; i < in.size(); ++i)
      if (batched[i]) {
        in[i].shape = in[i].shape.with(0, ctx.size);
        in[i].weak = false;
      }
    r.program = trace_program(in, [&](Ins a) {
      BatchInterp b(ctx.size, ctx.draws, *ctx.axis_name);
      Vec x(a.begin(), a.end()), y;
      for (std::size_t i = 0; i < x.size(); ++i)
        if (batched[i]) x[i] = b.wrap(x[i], 0, p->type(p->inputs[i]).weak);
      {
        Scope s(&b);
        y = eval_program(*p, x);
      }
      Vec out;
      for (std::size_t i = 0; i < y.size(); ++i) {
        Batched v = b.unwrap(y[i]);
        r.batched.push_back(v.dim >= 0 || force[i]);
        out.push_back(r.batched[i] ? move_dim0(v, ctx.size) : v.value);
      }
      return out;
    });
    return r;
  };
  return cached<BatchForm>(*p, form_key("batch", {batched, force}, ctx.size) + *ctx.axis_name, make);
}

}  // namespace functra::core
