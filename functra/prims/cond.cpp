// cond: one of several Programs, chosen by a value.
#include <algorithm>

#include "functra/prims/control.h"
#include "functra/prims/families.h"

namespace functra::prims {
namespace {

const std::vector<ProgramPtr>& branches_of(const Call& c) { return c.params.get<CondParams>().branches; }

}  // namespace

Vec bind_cond(const CondParams& q, Ins in) { return core::bind_all(cond_p, in, q); }

// ---------------------------------------------------------------- several branches under one transform
Mask any_nonzero(const std::vector<ProgramPtr>& branches, const Mask& in) {
  Mask m(branches[0]->outputs.size());
  for (auto& b : branches) m = either(m, core::jvp_program(b, in, Mask(m.size()))->nonzero);
  return m;
}
Mask any_batched(const std::vector<ProgramPtr>& branches, const BatchContext& ctx, const Mask& in) {
  Mask m(branches[0]->outputs.size());
  for (auto& b : branches) m = either(m, core::batch_program(b, ctx, in, Mask(m.size()))->batched);
  return m;
}
std::shared_ptr<const BranchPlan> branch_plan(const std::vector<ProgramPtr>& branches, const Mask& nonzero) {
  auto make = [&] {
    BranchPlan r;
    std::size_t n = branches[0]->outputs.size();
    r.nonzero = Mask(n);
    for (auto& b : branches) r.nonzero = either(r.nonzero, core::linearize_program(b, nonzero, Mask(n))->nonzero);
    std::vector<std::shared_ptr<const core::LinForm>> forms;
    Order first;  // residual of each branch
    for (auto& b : branches) {
      forms.push_back(core::linearize_program(b, nonzero, r.nonzero));
      auto& l = *forms.back();
      first.push_back(r.residuals.size());
      Positions input(*l.primal, l.primal->inputs);
      for (std::size_t i = 0; i < l.n_res; ++i) {
        int k = input(l.primal->outputs[n + i]);
        r.residuals.push_back({k >= 0, k >= 0 ? static_cast<std::size_t>(k) : r.n_new++});
      }
    }
    Types residual_types, tangent_types;
    for (auto& l : forms)
      for (std::size_t i = 0; i < l->n_res; ++i) residual_types.push_back(l->primal->out_type(n + i));
    Types in = branches[0]->in_types();
    for (std::size_t i = 0; i < in.size(); ++i)
      if (nonzero[i]) tangent_types.push_back(in[i]);
    Types types = residual_types;
    append(types, tangent_types);
    for (std::size_t b = 0; b < branches.size(); ++b) {
      auto& own = *forms[b];
      r.primal.push_back(trace_program(in, [&](Ins a) {
        Vec v = core::eval_program(*own.primal, a), out(v.begin(), v.begin() + static_cast<std::ptrdiff_t>(n));
        for (std::size_t i = 0; i < r.residuals.size(); ++i) {
          if (r.residuals[i].is_input) continue;
          bool mine = i >= first[b] && i < first[b] + own.n_res;
          out.push_back(mine ? v[n + i - first[b]] : zeros(residual_types[i]));
        }
        return out;
      }));
      r.linear.push_back(trace_program(types, [&](Ins a) {
        return core::eval_program(*own.linear, joined({a.subspan(first[b], own.n_res), a.subspan(residual_types.size())}));
      }));
    }
    return r;
  };
  std::string key = form_key("branches", {nonzero});  // kept with the first branch
  for (auto& b : branches) key += ":" + std::to_string(b->id);
  return cached<BranchPlan>(*branches[0], key, make);
}

// ---------------------------------------------------------------- cond
constexpr Primitive cond_p = {
    .name = "cond",
    .params = &param_type<CondParams>,
    .n_out = [](const Params& p) { return static_cast<int>(p.get<CondParams>().branches[0]->outputs.size()); },
    .shape =
        [](const Call& c, std::span<const Aval> in, std::span<Aval> out) {
          if (in.empty() || !in[0].shape.empty() || !(is_integer(in[0].dtype) || in[0].dtype == DType::bool_))
            throw ShapeError("cond: the choice " + (in.empty() ? "is missing" : "has type " + in[0].str()) + ", expected a 0-d bool or integer");
          auto& branches = branches_of(c);
          shapes_of(c, *branches[0], in.subspan(1), out);
          for (auto& b : branches) {
            check_inputs(c, *b, in.subspan(1));
            Types t = b->out_types();
            if (!std::equal(t.begin(), t.end(), out.begin(), out.end())) throw ShapeError("cond: the branches have different results");
          }
        },
    .eval =
        [](const Call& c, Ins in, Outs out) {
          auto& branches = branches_of(c);
          auto k = std::clamp<std::int64_t>(in[0].item<std::int64_t>(), 0, static_cast<std::int64_t>(branches.size()) - 1);
          run_concrete(branches[static_cast<std::size_t>(k)], in.subspan(1), out);
        },
    .jvp =
        [](const Call& c, Ins x, Ins t, Outs y, Outs dy) {
          auto& branches = branches_of(c);
          Mask m = core::nonzero_mask(t.subspan(1)), nonzero = any_nonzero(branches, m);
          Vec args(x.begin(), x.end());
          core::append_nonzero(args, t.subspan(1));
          Vec r = bind_cond({each_branch(branches, [&](auto& b) { return core::jvp_program(b, m, nonzero)->program; })}, args);
          for (std::size_t i = 0, k = y.size(); i < y.size(); ++i) {
            y[i] = r[i];
            if (nonzero[i]) dy[i] = r[k++];
          }
        },
    .linearize =
        [](const Call& c, Ins x, Ins t, Outs y, Outs dy) {
          auto p = branch_plan(branches_of(c), core::nonzero_mask(t.subspan(1)));
          std::size_t n = y.size();
          Vec r = bind_cond({p->primal}, x), linear{x[0]}, tan;
          for (auto& res : p->residuals) linear.push_back(res.is_input ? x[1 + res.index] : r[n + res.index]);
          core::append_nonzero(linear, t.subspan(1));
          if (count(p->nonzero)) tan = bind_cond({p->linear}, linear);
          for (std::size_t i = 0, k = 0; i < n; ++i) {
            y[i] = r[i];
            if (p->nonzero[i]) dy[i] = tan[k++];
          }
        },
    .transpose =
        [](const Call& c, Ins ct, std::span<const Operand> in, Outs g) {
          Mask linear = linear_mask(in.subspan(1)), given = core::nonzero_mask(ct);
          Vec args = known_values(in);
          core::append_nonzero(args, ct);
          Vec r = bind_cond({each_branch(branches_of(c), [&](auto& b) { return core::transpose_program(b, linear, given); })}, args);
          for (std::size_t i = 0, k = 0; i < linear.size(); ++i)
            if (linear[i]) g[i + 1] = r[k++];
        },
    .depends =
        [](const Call& c, const Mask& own) {
          Mask m = core::depends(branches_of(c), part(own, 1, own.size() - 1));
          return own[0] ? Mask(m.size(), 1) : m;
        },
    .mixed = [](const Call& c, const Mask& own) { return core::mixed(branches_of(c), part(own, 1, own.size() - 1)); },
    .batch =
        [](const Call& c, const BatchContext& ctx, std::span<Batched> in, std::span<Batched> out) {
          auto& branches = branches_of(c);
          Mask m;
          Vec args = to_front(in, ctx.size, m);
          bool lanes = m[0];
          m.erase(m.begin());
          if (lanes) {
            Vec r = bind_lanes({branches, ctx.size, m}, args);
            for (std::size_t i = 0; i < out.size(); ++i) out[i] = {r[i], 0};
            return;
          }
          Mask mapped = any_batched(branches, ctx, m);
          Vec r = bind_cond({each_branch(branches, [&](auto& b) { return core::batch_program(b, ctx, m, mapped)->program; })}, args);
          for (std::size_t i = 0; i < out.size(); ++i) out[i] = {r[i], mapped[i] ? 0 : -1};
        },
    .guard =
        [](const Call& c, const Tensor& on, Ins in, Outs out) {
          Vec r = bind_cond({each_branch(branches_of(c), core::guarded_program)}, joined({in.first(1), {&on, 1}, in.subspan(1)}));
          std::move(r.begin(), r.end(), out.begin());
        }};

Table cond_table() {
  static constexpr const Primitive* t[] = {&cond_p, &lanes_p};
  return t;
}

}  // namespace functra::prims
