// cond with one choice per lane. vmap makes it, and it is not dissolved into selects there: it keeps the per-lane Programs, so that
// derivatives are taken per lane, selected per lane, and only then summed over lanes. No 0 x inf of a branch that a lane did not
// choose reaches a sum.
#include <algorithm>

#include "functra/prims/control.h"
#include "functra/prims/families.h"
#include "functra/prims/math.h"
#include "functra/prims/shape.h"

namespace functra::prims {
namespace {

const LanesParams& of(const Call& c) { return c.params.get<LanesParams>(); }
Tensor chooses(const Tensor& choice, std::size_t branch, std::size_t n) {  // bool [size]: which lanes chose the branch
  if (choice.raw_dtype() == DType::bool_) return branch ? choice : bitwise_not(choice);
  Tensor at = like(static_cast<double>(branch), choice);
  return branch == 0 ? le(choice, at) : branch + 1 == n ? ge(choice, at) : eq(choice, at);
}
Tensor pick(const Tensor& mask, const Tensor& a, const Tensor& b) {
  Shape s = a.sizes();
  return select(s.size() == 1 ? mask : broadcast_in_dim(mask, s, {0}), a, b);
}
// Of the tangents that are given, which belong to mapped operands; after the operands' own.
Mask with_tangents(const Mask& mapped, Ins t) {
  Mask m = mapped;
  for (std::size_t i = 0; i < t.size(); ++i)
    if (!is_zero(t[i])) m.push_back(mapped[i]);
  return m;
}
// Are the known operands of a linear Program mere coefficients: no equation in it computes again.
bool coefficients_only(const Program& p) {
  for (const core::Eqn& e : p.eqns) {
    if (!e.prim->transpose || e.prim->recomputes) return false;
    for (auto& inner : core::inner_programs(e))
      if (!coefficients_only(*inner)) return false;
  }
  return true;
}
// Is every use of the input in a contraction, so that a copy per lane would be a loss.
bool contracted(const Program& p, std::size_t input) {
  for (const core::Eqn& e : p.eqns)
    for (Var v : p.operands(e))
      if (v == p.inputs[input] && e.prim->lowering.kind != Lowering::Kind::contraction) return false;
  return true;
}

// Cotangents of operands that all lanes share, summed inside each batched branch, never one copy per lane. Lanes that chose another
// branch get coefficients 1 (not 0: linear programs divide) and cotangents 0: exactly zero. `known` and the results follow `in`.
Vec transpose_summed(const LanesParams& q, const Tensor& choice, std::span<const Operand> in, Ins ct, const Mask& linear) {
  Mask mapped = q.mapped, given = core::nonzero_mask(ct);
  auto in_contractions = [&](std::size_t i) { return std::all_of(q.branches.begin(), q.branches.end(), [&](auto& b) { return contracted(*b, i); }); };
  for (std::size_t i = 0; i < in.size(); ++i)
    if (!linear[i] && !mapped[i] && is_differentiable((*in[i]).raw_dtype()) && !in_contractions(i)) mapped[i] = 1;
  Vec sum;
  const std::string no_axis;
  BatchContext ctx{q.size, core::Draws::error, &no_axis};
  for (std::size_t b = 0; b < q.branches.size(); ++b) {
    Tensor mask = chooses(choice, b, q.branches.size());
    Vec a;
    for (std::size_t i = 0; i < in.size(); ++i) {
      if (linear[i]) continue;
      Tensor v = mapped[i] && !q.mapped[i] ? move_dim0({*in[i], -1}, q.size) : *in[i];
      bool mask_it = mapped[i] && is_differentiable(v.raw_dtype());
      a.push_back(mask_it ? pick(mask, v, core::broadcast_in_dim(like(1, v), v.sizes(), {})) : v);
    }
    for (const Tensor& t : ct)
      if (!is_zero(t)) a.push_back(pick(mask, t, zeros(t.aval())));
    Vec r = call(core::transpose_program(core::batch_program(q.branches[b], ctx, mapped, Mask(ct.size(), 1))->program, linear, given), a);
    for (std::size_t i = 0; i < r.size(); ++i) sum.size() < r.size() ? sum.push_back(r[i]) : void(sum[i] = core::add(sum[i], r[i]));
  }
  return sum;
}

}  // namespace

Vec bind_lanes(const LanesParams& q, Ins in) {
  bool guard = std::any_of(q.branches.begin(), q.branches.end(), [](auto& b) { return b->guard; });
  if (!guard || q.guarded) return core::bind_all(lanes_p, in, q);
  // The choice is also an ordinary operand of the branches, where it says whether the lane is on.
  LanesParams p = q;
  Types types = q.branches[0]->in_types();
  types.insert(types.begin(), {in[0].raw_dtype(), false, {}});
  p.guarded = true;
  p.branches.clear();
  for (std::size_t b = 0; b < q.branches.size(); ++b)
    p.branches.push_back(trace_program(types, [&](Ins a) {
      if (!q.branches[b]->guard) return core::eval_program(*q.branches[b], a.subspan(1));
      Vec v(a.begin(), a.end());
      v[0] = chooses(a[0], b, q.branches.size());
      return core::eval_program(*core::guarded_program(q.branches[b]), v);
    }));
  p.mapped.insert(p.mapped.begin(), 1);
  return core::bind_all(lanes_p, joined({in.first(1), in}), p);
}

constexpr Primitive lanes_p = {
    .name = "cond_lanes",
    .params = &param_type<LanesParams>,
    .n_out = [](const Params& p) { return static_cast<int>(p.get<LanesParams>().branches[0]->outputs.size()); },
    .shape =
        [](const Call& c, std::span<const Aval> in, std::span<Aval> out) {
          auto& q = of(c);
          if (in.empty() || !(in[0].shape == Shape{q.size}))
            throw ShapeError("cond_lanes: the choices must have shape [" + std::to_string(q.size) + "]" + (in.empty() ? "" : ", got " + in[0].str()));
          Types lane(in.begin() + 1, in.end());
          for (std::size_t i = 0; i < lane.size(); ++i) {
            if (!q.mapped[i]) continue;
            if (lane[i].shape.empty() || lane[i].shape[0] != q.size)
              throw ShapeError("cond_lanes: operand " + std::to_string(i) + " has type " + lane[i].str() + ", expected " + std::to_string(q.size) +
                               " lanes");
            lane[i].shape = lane[i].shape.without(0);
            lane[i].weak = q.branches[0]->type(q.branches[0]->inputs[i]).weak;
          }
          for (auto& b : q.branches) shapes_of(c, *b, lane, out);
          for (auto& a : out) a = {a.dtype, false, a.shape.with(0, q.size)};
        },
    .eval =
        [](const Call& c, Ins in, Outs out) {  // every branch on all lanes, then a select
          auto& q = of(c);
          Scope outside(nullptr);
          const std::string no_axis;
          BatchContext ctx{q.size, core::Draws::error, &no_axis};
          for (std::size_t b = 0; b < q.branches.size(); ++b) {
            Vec r = run_concrete(core::batch_program(q.branches[b], ctx, q.mapped, Mask(out.size(), 1))->program, in.subspan(1));
            Tensor mask = chooses(in[0], b, q.branches.size());
            for (std::size_t i = 0; i < out.size(); ++i) out[i] = b ? pick(mask, r[i], out[i]) : r[i];
          }
        },
    .jvp =
        [](const Call& c, Ins x, Ins all_t, Outs y, Outs dy) {
          auto& q = of(c);
          Ins t = all_t.subspan(1);
          Mask m = core::nonzero_mask(t), nonzero = any_nonzero(q.branches, m);
          Vec args(x.begin(), x.end());
          core::append_nonzero(args, t);
          auto form = [&](auto& b) { return core::jvp_program(b, m, nonzero)->program; };
          Vec r = bind_lanes({each_branch(q.branches, form), q.size, with_tangents(q.mapped, t), q.guarded}, args);
          for (std::size_t i = 0, k = y.size(); i < y.size(); ++i) {
            y[i] = r[i];
            if (nonzero[i]) dy[i] = r[k++];
          }
        },
    .linearize =
        [](const Call& c, Ins x, Ins all_t, Outs y, Outs dy) {
          auto& q = of(c);
          Ins t = all_t.subspan(1);
          auto p = branch_plan(q.branches, core::nonzero_mask(t));
          Vec r = bind_lanes({p->primal, q.size, q.mapped, q.guarded}, x), linear{x[0]}, tan;
          Mask m;
          for (auto& res : p->residuals) {
            linear.push_back(res.is_input ? x[1 + res.index] : r[y.size() + res.index]);
            m.push_back(res.is_input ? q.mapped[res.index] : 1);
          }
          core::append_nonzero(linear, t);
          for (std::size_t i = 0; i < t.size(); ++i)
            if (!is_zero(t[i])) m.push_back(q.mapped[i]);
          if (count(p->nonzero)) tan = bind_lanes({p->linear, q.size, m, q.guarded}, linear);
          for (std::size_t i = 0, k = 0; i < y.size(); ++i) {
            y[i] = r[i];
            if (p->nonzero[i]) dy[i] = tan[k++];
          }
        },
    .transpose =
        [](const Call& c, Ins ct, std::span<const Operand> all_in, Outs all_g) {
          auto& q = of(c);
          auto in = all_in.subspan(1);
          Outs g = all_g.subspan(1);
          Mask linear = linear_mask(in), m;
          bool shared = false;
          for (std::size_t i = 0; i < in.size(); ++i) shared |= linear[i] && !q.mapped[i] && in[i].type->shape.numel() > 1;
          shared = shared && std::all_of(q.branches.begin(), q.branches.end(), [](auto& b) { return coefficients_only(*b); });
          if (shared) {
            Vec r = transpose_summed(q, *all_in[0], in, ct, linear);
            for (std::size_t i = 0, k = 0; i < in.size(); ++i)
              if (linear[i]) g[i] = r[k++];
            return;
          }
          Vec args{*all_in[0]};
          for (std::size_t i = 0; i < in.size(); ++i) {
            if (linear[i]) continue;
            args.push_back(*in[i]);
            m.push_back(q.mapped[i]);
          }
          core::append_nonzero(args, ct);
          m.resize(args.size() - 1, 1);
          Mask given = core::nonzero_mask(ct);
          Vec r =
              bind_lanes({each_branch(q.branches, [&](auto& b) { return core::transpose_program(b, linear, given); }), q.size, m, q.guarded}, args);
          for (std::size_t i = 0, k = 0; i < in.size(); ++i) {
            if (!linear[i]) continue;
            g[i] = q.mapped[i] ? r[k] : core::sum(r[k], {0});  // selected before summed
            ++k;
          }
        },
    .depends =
        [](const Call& c, const Mask& own) {
          Mask m = core::depends(of(c).branches, part(own, 1, own.size() - 1));
          return own[0] ? Mask(m.size(), 1) : m;
        },
    .mixed = [](const Call& c, const Mask& own) { return core::mixed(of(c).branches, part(own, 1, own.size() - 1)); },
    .batch =
        [](const Call& c, const BatchContext& ctx, std::span<Batched> in, std::span<Batched> out) {
          auto& q = of(c);
          LanesParams p = q;
          Vec args;
          if (in[0].dim < 0) {  // the new lanes share the choices: they go into the branches
            for (std::size_t i = 0; i < in.size(); ++i)
              args.push_back(in[i].dim >= 0 ? move_dim(in[i], i && q.mapped[i - 1] ? 1 : 0, ctx.size) : in[i].value);
            Mask m = batched_mask(in.subspan(1)), mapped = any_batched(q.branches, ctx, m);
            p.branches = each_branch(q.branches, [&](auto& b) { return core::batch_program(b, ctx, m, mapped)->program; });
            Vec r = bind_lanes(p, args);
            for (std::size_t i = 0; i < out.size(); ++i) out[i] = {r[i], mapped[i] ? 1 : -1};
            return;
          }
          p.size = q.size * ctx.size;  // two levels of lanes become one
          for (std::size_t i = 0; i < in.size(); ++i) {
            bool lane = !i || q.mapped[i - 1];
            if (i) p.mapped[i - 1] = lane || in[i].dim >= 0;
            if (!lane && in[i].dim < 0) {
              args.push_back(in[i].value);
              continue;
            }
            Tensor v = move_dim0(in[i], ctx.size);
            if (!lane) v = move_dim({v, -1}, 1, q.size);
            args.push_back(reshape(v, v.sizes().without(0).without(0).with(0, p.size)));
          }
          Vec r = bind_lanes(p, args);
          for (std::size_t i = 0; i < out.size(); ++i) out[i] = {reshape(r[i], r[i].sizes().without(0).with(0, q.size).with(0, ctx.size)), 0};
        },
    .guard =
        [](const Call& c, const Tensor& on, Ins in, Outs out) {
          LanesParams p = of(c);
          p.branches = each_branch(p.branches, core::guarded_program);
          p.mapped.insert(p.mapped.begin(), 0);
          Vec r = core::bind_all(lanes_p, joined({in.first(1), {&on, 1}, in.subspan(1)}), p);
          std::move(r.begin(), r.end(), out.begin());
        }};

}  // namespace functra::prims
