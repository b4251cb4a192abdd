// Functions with the user's own derivative rules.
#include "functra/prims/control.h"
#include "functra/prims/families.h"

namespace functra::prims {

namespace {
void no_captured_tangent(const char* who, Ins t, std::int64_t n) {
  for (std::int64_t i = 0; i < n; ++i)
    if (!is_zero(t[static_cast<std::size_t>(i)]))
      throw ValueError(std::string(who) +
                       ": the function or its rule closes over a tensor that is being differentiated, and the rule says nothing about it; pass that "
                       "tensor as an argument");
}

const CustomJvpParams& jvp_of(const Call& c) { return c.params.get<CustomJvpParams>(); }
const CustomVjpParams& vjp_of(const Call& c) { return c.params.get<CustomVjpParams>(); }
}  // namespace

constexpr Primitive custom_jvp_p = {
    .name = "custom_jvp_call",
    .params = &param_type<CustomJvpParams>,
    .n_out = [](const Params& p) { return static_cast<int>(p.get<CustomJvpParams>().primal->outputs.size()); },
    .shape = [](const Call& c, std::span<const Aval> in, std::span<Aval> out) { shapes_of(c, *jvp_of(c).primal, in, out); },
    .eval = [](const Call& c, Ins in, Outs out) { run_concrete(jvp_of(c).primal, in, out); },
    .jvp =
        [](const Call& c, Ins x, Ins t, Outs y, Outs dy) {  // a call of the rule: a recorder splits it, since it mixes both kinds
          auto& q = jvp_of(c);
          no_captured_tangent("custom_jvp", t, q.captured);
          Vec a(x.begin(), x.end());
          for (auto i = static_cast<std::size_t>(q.captured); i < x.size(); ++i) a.push_back(instantiate(t[i], x[i].aval()));
          Vec r = call(q.rule, a);
          for (std::size_t i = 0; i < y.size(); ++i) {
            y[i] = r[i];
            if (is_differentiable(r[i].raw_dtype())) dy[i] = r[y.size() + i];
          }
        },
    .batch =
        [](const Call& c, const BatchContext& ctx, std::span<Batched> in, std::span<Batched> out) {
          auto& q = jvp_of(c);
          Mask m, none(out.size());
          Vec a = to_front(in, ctx.size, m);
          auto n = static_cast<std::size_t>(q.captured);
          Mask rm = joined(m, part(m, n, m.size() - n));
          Mask r = core::batch_program(q.rule, ctx, rm, Mask(2 * out.size()))->batched, o = core::batch_program(q.primal, ctx, m, none)->batched;
          for (std::size_t i = 0; i < out.size(); ++i) o[i] |= r[i] | r[out.size() + i];
          CustomJvpParams p{core::batch_program(q.primal, ctx, m, o)->program, core::batch_program(q.rule, ctx, rm, joined(o, o))->program,
                            q.captured};
          Vec y = core::bind_all(custom_jvp_p, a, p);
          for (std::size_t i = 0; i < out.size(); ++i) out[i] = {y[i], o[i] ? 0 : -1};
        },
    .guard = [](const Call& c, const Tensor& on, Ins in, Outs out) {  // `on` is one more captured operand
      auto& q = jvp_of(c);
      Vec y = core::bind_all(custom_jvp_p, joined({{&on, 1}, in}),
                             CustomJvpParams{core::guarded_program(q.primal), core::guarded_program(q.rule), q.captured + 1});
      std::move(y.begin(), y.end(), out.begin());
    }};

ProgramPtr forward_of(const CustomLinearParams& q) {
  Mask linear(q.bwd->inputs.size(), 1), ct(q.bwd->outputs.size(), 1);
  for (std::int64_t i = 0; i < q.residuals; ++i) linear[static_cast<std::size_t>(i)] = 0;
  try {
    return core::transpose_program(q.bwd, linear, ct);
  } catch (const Error& e) {
    throw MissingRuleError(
        std::string("custom_vjp: forward-mode derivatives need a backward rule that is linear in its cotangents; give a custom_jvp instead (") +
        e.what() + ")");
  }
}
namespace {
const CustomLinearParams& lin_of(const Call& c) { return c.params.get<CustomLinearParams>(); }
Vec given_operands(const CustomLinearParams& q, Ins x) {
  auto n = static_cast<std::size_t>(q.residuals);
  Vec a(x.begin(), x.begin() + static_cast<std::ptrdiff_t>(n));
  for (std::size_t i = 0; i < q.given.size(); ++i)
    if (q.given[i]) a.push_back(x[n + i]);
  return a;
}
}  // namespace

constexpr Primitive custom_vjp_p = {
    .name = "custom_vjp_call",
    .params = &param_type<CustomVjpParams>,
    .n_out = [](const Params& p) { return static_cast<int>(p.get<CustomVjpParams>().primal->outputs.size()); },
    .shape = [](const Call& c, std::span<const Aval> in, std::span<Aval> out) { shapes_of(c, *vjp_of(c).primal, in, out); },
    .eval = [](const Call& c, Ins in, Outs out) { run_concrete(vjp_of(c).primal, in, out); },
    .jvp =
        [](const Call& c, Ins x, Ins t, Outs y, Outs dy) {  // forward runs now; backward is the transpose of a linear primitive
          auto& q = vjp_of(c);
          no_captured_tangent("custom_vjp", t, q.captured);
          Vec r = call(q.fwd, x), a(r.begin() + static_cast<std::ptrdiff_t>(y.size()), r.end());
          auto n_res = static_cast<std::int64_t>(a.size());
          for (auto i = static_cast<std::size_t>(q.captured); i < x.size(); ++i) a.push_back(instantiate(t[i], x[i].aval()));
          Vec d = core::bind_all(custom_linear_p, a, CustomLinearParams{q.bwd, n_res, q.given});
          for (std::size_t i = 0; i < y.size(); ++i) {
            y[i] = r[i];
            if (is_differentiable(r[i].raw_dtype())) dy[i] = d[i];
          }
        },
    .batch =
        [](const Call& c, const BatchContext& ctx, std::span<Batched> in, std::span<Batched> out) {
          auto& q = vjp_of(c);
          std::size_t n = out.size(), n_res = q.fwd->outputs.size() - n, n_cap = static_cast<std::size_t>(q.captured);
          Mask m;
          Vec a = to_front(in, ctx.size, m);
          Mask o = core::batch_program(q.primal, ctx, m, Mask(n))->batched, fo = core::batch_program(q.fwd, ctx, m, Mask(n + n_res))->batched;
          for (std::size_t i = 0; i < n; ++i) o[i] |= fo[i];
          Mask force = o;
          force.resize(n + n_res);
          auto f = core::batch_program(q.fwd, ctx, m, force);
          auto b = core::batch_program(q.bwd, ctx, joined(part(f->batched, n, n_res), o), Mask(q.bwd->outputs.size()));
          auto rule = [&](Ins ct) {  // an argument that lanes share sums over lanes, a mapped one has a cotangent per lane
            Vec r = core::eval_program(*b->program, ct);
            for (std::size_t i = 0, k = 0; i < q.given.size(); ++i) {
              if (!q.given[i]) continue;
              bool mapped = m[n_cap + i];
              if (mapped && !b->batched[k]) r[k] = move_dim0({r[k], -1}, ctx.size);
              else if (!mapped && b->batched[k]) r[k] = core::sum(r[k], Shape{0});
              ++k;
            }
            return r;
          };
          ProgramPtr bwd = core::trace_program(b->program->in_types(), rule);
          Vec y = core::bind_all(custom_vjp_p, a,
                                 CustomVjpParams{core::batch_program(q.primal, ctx, m, o)->program, f->program, bwd, q.captured, q.given});
          for (std::size_t i = 0; i < n; ++i) out[i] = {y[i], o[i] ? 0 : -1};
        },
    .guard = [](const Call& c, const Tensor& on, Ins in, Outs out) {  // `on` is one more captured operand, and a residual for the backward rule
      CustomVjpParams q = vjp_of(c);
      ProgramPtr guarded = core::guarded_program(q.fwd);
      auto n = static_cast<std::ptrdiff_t>(out.size());
      q.fwd = *cached<ProgramPtr>(*q.fwd, "guarded_forward", [&] {
        return trace_program(guarded->in_types(), [&](Ins a) {
          Vec r = core::eval_program(*guarded, a);
          r.insert(r.begin() + n, a[0]);
          return r;
        });
      });
      q.primal = core::guarded_program(q.primal);
      q.bwd = core::guarded_program(q.bwd);
      ++q.captured;
      Vec y = core::bind_all(custom_vjp_p, joined({{&on, 1}, in}), q);
      std::move(y.begin(), y.end(), out.begin());
    }};

constexpr Primitive custom_linear_p = {
    .name = "custom_linear",
    .params = &param_type<CustomLinearParams>,
    .n_out =
        [](const Params& p) {
          auto& q = p.get<CustomLinearParams>();
          return static_cast<int>(q.bwd->inputs.size()) - static_cast<int>(q.residuals);
        },
    .shape =
        [](const Call& c, std::span<const Aval>, std::span<Aval> out) {
          auto& q = lin_of(c);
          for (std::size_t i = 0; i < out.size(); ++i) out[i] = q.bwd->type(q.bwd->inputs[static_cast<std::size_t>(q.residuals) + i]);
        },
    .eval = [](const Call& c, Ins in, Outs out) { run_concrete(forward_of(lin_of(c)), given_operands(lin_of(c), in), out); },
    .jvp =
        [](const Call& c, Ins x, Ins t, Outs y, Outs dy) {
          CallParams p{forward_of(lin_of(c))};
          jit_call_p.jvp({jit_call_p, core::params(p)}, given_operands(lin_of(c), x), given_operands(lin_of(c), t), y, dy);
        },
    .linearize =
        [](const Call& c, Ins x, Ins t, Outs y, Outs dy) {
          CallParams p{forward_of(lin_of(c))};
          jit_call_p.linearize({jit_call_p, core::params(p)}, given_operands(lin_of(c), x), given_operands(lin_of(c), t), y, dy);
        },
    .transpose =
        [](const Call& c, Ins ct, std::span<const Operand> in, Outs g) {
          auto& q = lin_of(c);
          auto n = static_cast<std::size_t>(q.residuals);
          Vec a;
          for (std::size_t i = 0; i < n; ++i) a.push_back(*in[i]);
          for (std::size_t i = 0; i < ct.size(); ++i) a.push_back(instantiate(ct[i], q.bwd->type(q.bwd->inputs[n + i])));
          for (std::size_t i = 0; i < n; ++i)
            if (in[i].last) *in[i].last = Tensor();  // the residuals are those of `a` alone, and go as the rule uses them
          Vec r(q.bwd->outputs.size());
          call_consuming(q.bwd, a, r);
          for (std::size_t i = 0, k = 0; i < q.given.size(); ++i)
            if (q.given[i]) g[n + i] = r[k++];
        },
    .batch =
        [](const Call& c, const BatchContext& ctx, std::span<Batched> in, std::span<Batched> out) {
          CustomLinearParams q = lin_of(c);
          auto n = static_cast<std::size_t>(q.residuals);
          Mask m;
          Vec a = to_front(in, ctx.size, m);
          for (std::size_t i = n; i < a.size(); ++i)
            if (!m[i]) a[i] = move_dim0(in[i], ctx.size);
          Mask bm = part(m, 0, n);
          bm.resize(q.bwd->inputs.size(), 1);
          q.bwd = core::batch_program(q.bwd, ctx, bm, Mask(q.bwd->outputs.size(), 1))->program;
          Vec r = core::bind_all(custom_linear_p, a, q);
          for (std::size_t i = 0; i < out.size(); ++i) out[i] = {r[i], 0};
        },
    .guard =
        [](const Call& c, const Tensor& on, Ins in, Outs out) {
          CustomLinearParams q = lin_of(c);
          q.bwd = core::guarded_program(q.bwd);
          ++q.residuals;
          Vec r = core::bind_all(custom_linear_p, joined({{&on, 1}, in}), q);
          std::move(r.begin(), r.end(), out.begin());
        },
    .derives = true};

Table custom_table() {
  static constexpr const Primitive* t[] = {&custom_jvp_p, &custom_vjp_p, &custom_linear_p};
  return t;
}

}  // namespace functra::prims
