// What scan and while share: stacked results, and the linearisation of a loop into a primal loop that stacks residuals and a linear
// one that reads them.
#include "functra/prims/loop.h"

#include <cstring>

#include "functra/kernels/strided.h"
#include "functra/prims/control.h"

namespace functra::prims {

// ---------------------------------------------------------------- slices
Tensor slice_at(const Tensor& xs, std::int64_t i) {
  const Shape &s = xs.shape_ref(), &strides = xs.strides_ref();
  if (s.size() == 1) {
    std::uint64_t bits = 0;
    std::size_t n = size_of(xs.raw_dtype());
    if (n <= sizeof bits) {
      std::memcpy(&bits, static_cast<const std::byte*>(xs.bytes()) + i * strides[0] * static_cast<std::int64_t>(n), n);
      return Tensor::scalar_bits(xs.raw_dtype(), bits, false);
    }
  }
  return Tensor::view_of(xs, s.without(0), strides.without(0), i * strides[0]);
}
Stack::Stack(const Aval& slice, std::int64_t length, bool zeroed)
    : whole_(Tensor::uninitialized(slice.dtype, slice.shape.with(0, length))), numel_(slice.shape.numel()) {
  if (zeroed) std::memset(whole_.mutable_bytes(), 0, static_cast<std::size_t>(length * numel_) * size_of(slice.dtype));
}
void Stack::put(std::int64_t i, const Tensor& y) {
  std::size_t size = size_of(whole_.raw_dtype());
  auto* to = static_cast<std::byte*>(whole_.mutable_bytes()) + static_cast<std::size_t>(i * numel_) * size;
  if (y.is_scalar()) std::memcpy(to, y.bytes(), size);
  else if (y.array().contiguous) std::memcpy(to, y.bytes(), static_cast<std::size_t>(numel_) * size);
  else kernels::copy(to, whole_.strides_ref().without(0), y.bytes(), y.strides_ref(), y.shape_ref(), size);
}

namespace {
// ---------------------------------------------------------------- hoisting
// Splits p by what depends on its first n inputs only. pre: constants -> invariants; body: constants, invariants, the other inputs ->
// the outputs of p. pre is null where there is nothing to hoist.
struct Hoisted {
  ProgramPtr pre, body;
};
Hoisted hoist(const ProgramPtr& p, std::size_t n) {
  std::vector<std::uint8_t> fixed(p->type_of.size()), taken(p->type_of.size());
  for (std::size_t i = 0; i < n; ++i) {
    auto v = static_cast<std::size_t>(p->inputs[i]);
    fixed[v] = taken[v] = 1;
  }
  for (const core::Eqn& e : p->eqns) {
    bool all = !core::has_effect(e);
    for (Var v : p->operands(e)) all &= v < 0 || fixed[static_cast<std::size_t>(v)];
    for (std::uint32_t k = 0; k < e.n_out; ++k) fixed[e.out + k] = all;
  }
  std::vector<Var> invariant;  // those that the rest of the body, or an output, uses
  auto need = [&](Var v) {
    if (v < 0 || !fixed[static_cast<std::size_t>(v)] || taken[static_cast<std::size_t>(v)]) return;
    taken[static_cast<std::size_t>(v)] = 1;
    invariant.push_back(v);
  };
  auto is_fixed = [&](const core::Eqn& e) { return e.n_out > 0 && fixed[e.out]; };
  for (const core::Eqn& e : p->eqns)
    if (!is_fixed(e))
      for (Var v : p->operands(e)) need(v);
  for (Var v : p->outputs) need(v);
  if (invariant.empty()) return {nullptr, p};

  auto run = [&](std::vector<Tensor>& env, bool of_fixed) {
    for (const core::Eqn& e : p->eqns) {
      if (is_fixed(e) != of_fixed) continue;
      Vec x;
      for (Var v : p->operands(e)) x.push_back(v < 0 ? p->literals[static_cast<std::size_t>(~v)] : env[static_cast<std::size_t>(v)]);
      core::Site site(e.site);
      bind_prim({*e.prim, e.params}, x, {env.data() + e.out, e.n_out});
    }
  };
  Types in = p->in_types(), constants(in.begin(), in.begin() + static_cast<std::ptrdiff_t>(n)), types = constants;
  Hoisted h;
  h.pre = trace_program(constants, [&](Ins a) {
    Vec env(p->type_of.size()), out;
    for (std::size_t i = 0; i < n; ++i) env[static_cast<std::size_t>(p->inputs[i])] = a[i];
    run(env, true);
    for (Var v : invariant) out.push_back(env[static_cast<std::size_t>(v)]);
    return out;
  });
  for (Var v : invariant) types.push_back(p->type(v));
  append(types, std::span(in).subspan(n));
  h.body = trace_program(types, [&](Ins a) {
    Vec env(p->type_of.size()), out;
    for (std::size_t i = 0; i < in.size(); ++i) env[static_cast<std::size_t>(p->inputs[i])] = a[i < n ? i : invariant.size() + i];
    for (std::size_t i = 0; i < invariant.size(); ++i) env[static_cast<std::size_t>(invariant[i])] = a[n + i];
    run(env, false);
    for (Var v : p->outputs) out.push_back(v < 0 ? p->literals[static_cast<std::size_t>(~v)] : env[static_cast<std::size_t>(v)]);
    return out;
  });
  return h;
}

// ---------------------------------------------------------------- the two halves of a loop
enum class From : std::uint8_t { constant, invariant, slice, stacked };
struct Residual {
  From from;
  std::size_t index;  // an operand of the loop, an invariant, or an output of the primal body
};
struct LoopPlan {
  Mask nonzero, out_nonzero;  // after the fixpoint
  Hoisted primal;             // body outputs: carry, ys, residuals that are new
  std::size_t n_invariant = 0;
  ProgramPtr linear;  // fixed residuals, tangents of constants | of the carry | stacked residuals, tangents of xs -> tangents of carry, ys
  std::vector<Residual> residuals;  // as the linear body takes them: fixed ones first
  std::size_t n_fixed = 0;
};
std::shared_ptr<const LoopPlan> loop_plan(const ScanParams& q, const Mask& start) {
  auto n_const = static_cast<std::size_t>(q.n_const), n_carry = static_cast<std::size_t>(q.n_carry);
  core::ResidualChoice choice = core::residual_choice();
  auto make = [&] {
    LoopPlan r;
    std::size_t n_out = q.body->outputs.size(), n_xs = q.body->inputs.size() - n_const - n_carry;
    auto form = [&](const Mask& m) { return core::linearize_program(q.body, m, carry_outputs(m, n_const, n_carry, n_out)); };
    r.nonzero = carry_fixpoint(start, n_const, n_carry, [&](const Mask& m) { return form(m)->nonzero; });
    auto l = form(r.nonzero);
    if (choice) l = choice(q.body, r.nonzero, l);
    r.out_nonzero = l->nonzero;
    Hoisted h = hoist(l->primal, n_const);
    r.n_invariant = h.pre ? h.pre->outputs.size() : 0;
    const Program& b = *h.body;
    std::vector<Var> outs(b.outputs.begin(), b.outputs.begin() + static_cast<std::ptrdiff_t>(n_out));
    Positions input(b, b.inputs);
    std::vector<int> output(b.type_of.size(), -1);  // ys that hold the variable already
    for (std::size_t i = n_carry; i < n_out; ++i)
      if (outs[i] >= 0) output[static_cast<std::size_t>(outs[i])] = static_cast<int>(i);
    Order fixed, stacked;  // numbers of residuals
    std::vector<Residual> from(l->n_res);
    for (std::size_t i = 0; i < l->n_res; ++i) {
      Var v = b.outputs[n_out + i];
      int at = input(v);
      auto k = static_cast<std::size_t>(at);
      if (at >= 0 && k < n_const) from[i] = {From::constant, k};
      else if (at >= 0 && k < n_const + r.n_invariant) from[i] = {From::invariant, k - n_const};
      else if (at >= 0 && k >= n_const + r.n_invariant + n_carry) from[i] = {From::slice, k - r.n_invariant};
      else if (v < 0 || output[static_cast<std::size_t>(v)] < 0) {
        if (v >= 0) output[static_cast<std::size_t>(v)] = static_cast<int>(outs.size());
        from[i] = {From::stacked, outs.size()};
        outs.push_back(v);
      } else from[i] = {From::stacked, static_cast<std::size_t>(output[static_cast<std::size_t>(v)])};
      (from[i].from <= From::invariant ? fixed : stacked).push_back(i);
    }
    r.primal = {h.pre, core::with_outputs(b, outs)};
    std::size_t t_const = count(part(r.nonzero, 0, n_const)), t_carry = count(part(r.nonzero, n_const, n_carry)),
                t_xs = count(part(r.nonzero, n_const + n_carry, n_xs));
    Order in, out;
    for (std::size_t i : fixed) in.push_back(i), r.residuals.push_back(from[i]);
    append_range(in, l->n_res, t_const + t_carry);
    for (std::size_t i : stacked) in.push_back(i), r.residuals.push_back(from[i]);
    append_range(in, l->n_res + t_const + t_carry, t_xs);
    append_range(out, 0, l->linear->outputs.size());
    r.linear = reorder(l->linear, in, out);
    r.n_fixed = fixed.size();
    return r;
  };
  std::string key = form_key("loop", {start}, q.n_const) + std::to_string(q.n_carry);
  if (choice) key += ":" + std::to_string(reinterpret_cast<std::uintptr_t>(choice));
  return cached<LoopPlan>(*q.body, key, make);
}
}  // namespace

void linearize_loop(const ScanParams& q, Ins x, Ins t, Outs y, Outs dy, RunLoop run) {
  core::Expanding whole(false);  // each residual is an array of its own: matrices make fewer than their elements
  auto p = loop_plan(q, core::nonzero_mask(t));
  auto n_const = static_cast<std::size_t>(q.n_const), n_carry = static_cast<std::size_t>(q.n_carry);
  Ins constants = x.first(n_const);
  Vec invariants = p->primal.pre ? call(p->primal.pre, constants) : Vec();
  Vec out(p->primal.body->outputs.size()), linear;
  Tensor steps = run(p->primal.body, static_cast<std::int64_t>(n_const + p->n_invariant), joined({constants, invariants, x.subspan(n_const)}), out);
  for (std::size_t i = 0; i < y.size(); ++i) y[i] = out[i];
  auto residual = [&](const Residual& r) {
    return r.from == From::invariant ? invariants[r.index] : r.from == From::stacked ? out[r.index] : x[r.index];
  };
  for (std::size_t i = 0; i < p->n_fixed; ++i) linear.push_back(residual(p->residuals[i]));
  append(linear, tangents(p->nonzero, x, t, 0, n_const));
  ScanParams l{p->linear, static_cast<std::int64_t>(linear.size()), 0, q.length, q.reverse, false, q.unroll};
  append(linear, tangents(p->nonzero, x, t, n_const, n_carry));
  l.n_carry = static_cast<std::int64_t>(linear.size()) - l.n_const;
  for (std::size_t i = p->n_fixed; i < p->residuals.size(); ++i) linear.push_back(residual(p->residuals[i]));
  append(linear, tangents(p->nonzero, x, t, n_const + n_carry, x.size() - n_const - n_carry));
  Vec tan(p->linear->outputs.size());
  if (!tan.empty()) bind_scan(l, steps, linear, tan);
  for (std::size_t i = 0, k = 0; i < y.size(); ++i)
    if (p->out_nonzero[i]) dy[i] = tan[k++];
}

}  // namespace functra::prims
