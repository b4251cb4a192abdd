// The linearisation of a sweep in all its operands. Forwards, the side state joins the trajectory and the result is a sweep again.
// Of a reverse sweep, tangents of the trajectory run forwards while those of the side state run backwards, which no single sweep
// does: that is one linear primitive, whose transpose is two sweeps.
#include "functra/prims/loop.h"
#include "functra/prims/math.h"

namespace functra::prims {
namespace {

struct SweepLinearParams {
  ProgramPtr body, step;
  std::int64_t n_const, n_carry, n_side_const, n_side;
  bool reverse;
  std::int64_t slots;
  Mask given;  // of constants, carry, side constants, side state: which have tangents
  SweepParams sweep() const { return {body, step, n_const, n_carry, n_side_const, n_side, reverse, slots}; }
};
const SweepLinearParams& of(const Call& c) { return c.params.get<SweepLinearParams>(); }
struct Sizes {
  std::size_t n_const, n_carry, n_side_const, n_side, body, side, all;
  template <class Q> explicit Sizes(const Q& q)
      : n_const(static_cast<std::size_t>(q.n_const)),
        n_carry(static_cast<std::size_t>(q.n_carry)),
        n_side_const(static_cast<std::size_t>(q.n_side_const)),
        n_side(static_cast<std::size_t>(q.n_side)),
        body(n_const + n_carry),
        side(body + n_side_const),
        all(side + n_side) {}
};
// Runs f(operands of the sweep, their tangents): `in` is the sweep's operands, then the tangents that are given.
template <class F> void split_operands(const Call& c, Ins in, F f) {
  auto& given = of(c).given;
  std::size_t n = 1 + given.size();
  Vec t(n);
  for (std::size_t i = 0, k = n; i < given.size(); ++i)
    if (given[i]) t[1 + i] = in[k++];
  f(in.first(n), t);
}
// Values and tangents by the sweep's forward rule.
void push(const Call& c, Ins in, Outs dy) {
  split_operands(c, in, [&](Ins x, Ins t) {
    SweepParams q = of(c).sweep();
    Vec y(dy.size());
    sweep_p.jvp({sweep_p, core::params(q)}, x, t, y, dy);
    for (std::size_t i = 0; i < dy.size(); ++i) dy[i] = instantiate(dy[i], y[i].aval());
  });
}
// Linear in its tangents: those alone go through the primitive itself. A tangent on anything else differentiates what it expands to.
void differentiate(const Call& c, Ins x, Ins t, Outs y, Outs dy, bool linearizing) {
  std::size_t known = 1 + of(c).given.size();
  if (!count(core::nonzero_mask(t.first(known)))) {
    Vec args(x.begin(), x.begin() + static_cast<std::ptrdiff_t>(known));
    for (std::size_t i = known; i < x.size(); ++i) args.push_back(instantiate(t[i], x[i].aval()));
    bind_prim(c, x, y);
    bind_prim(c, args, dy);
    return;
  }
  core::JvpInterp j(linearizing ? "linearize" : "jvp", linearizing);
  Vec in, d(y.size());
  for (std::size_t i = 0; i < x.size(); ++i) in.push_back(j.wrap(x[i], t[i]));
  {
    Scope s(&j);
    push(c, in, d);
  }
  for (std::size_t i = 0; i < y.size(); ++i) {
    y[i] = j.primal(d[i]);
    dy[i] = j.tangent(d[i]);
  }
}
// The cotangents of the operands with tangents, at operands x, of a program linearised at mask m with all outputs nonzero.
struct Pulled {
  Vec y, g;
};
Pulled pull(const core::LinForm& l, std::size_t n_out, Ins x, Ins ct) {
  Vec r = core::eval_program(*l.primal, x);
  Mask linear(l.linear->inputs.size(), 1);
  std::fill_n(linear.begin(), l.n_res, 0);
  Vec g = core::eval_program(*core::transpose_program(l.linear, linear, Mask(ct.size(), 1)), joined({Ins(r).subspan(n_out), ct}));
  r.resize(n_out);
  return {std::move(r), std::move(g)};
}

// The reverse half of the transpose as one sweep: along (c, w), where w is the cotangent of the side state pushed forwards, go back
// with (s, cotangents of the carry, sums for constants and side constants).
struct Transposed {
  ProgramPtr up;  // constants, c, side constants, w -> w: the transpose of the step in its side state
  ProgramPtr body, step;
  Types start;  // of the side state after s
  std::size_t t_const, t_carry, t_side_const;
};
Transposed transposed(const SweepLinearParams& q) {
  Sizes n(q);
  Transposed r;
  Types in = q.step->in_types();
  std::span<const Aval> constants(in.data(), n.n_const), carry(in.data() + n.n_const, n.n_carry), side_constants(in.data() + n.body, n.n_side_const),
      side(in.data() + n.side, n.n_side);
  Mask only_side(n.all), all_out(n.n_side, 1);
  std::fill_n(only_side.begin() + static_cast<std::ptrdiff_t>(n.side), n.n_side, 1);
  r.up = core::transpose_program(q.step, only_side, all_out);
  Types types;
  for (auto part_types : {constants, side_constants, carry, side}) append(types, part_types);
  r.body = trace_program(types, [&](Ins a) {  // constants, side constants | c, w
    Ins k = a.first(n.n_const), sc = a.subspan(n.n_const, n.n_side_const), c = a.subspan(n.n_const + n.n_side_const, n.n_carry), w = a.last(n.n_side);
    return joined({core::eval_program(*q.body, joined({k, c})), core::eval_program(*r.up, joined({k, c, sc, w}))});
  });
  Mask of_step = part(q.given, 0, n.side), of_body = part(q.given, 0, n.body);
  of_step.resize(n.all);
  r.t_const = count(part(q.given, 0, n.n_const));
  r.t_carry = count(part(q.given, n.n_const, n.n_carry));
  r.t_side_const = count(part(q.given, n.body, n.n_side_const));
  for (std::size_t i = n.n_const; i < n.body; ++i)
    if (q.given[i]) r.start.push_back(in[i]);
  for (std::size_t i = 0; i < n.n_const; ++i)
    if (q.given[i]) r.start.push_back(in[i]);
  for (std::size_t i = n.body; i < n.side; ++i)
    if (q.given[i]) r.start.push_back(in[i]);
  auto step = core::linearize_program(q.step, of_step, all_out);
  auto body = core::linearize_program(q.body, of_body, carry_outputs(of_body, n.n_const, n.n_carry, n.n_carry));
  append(types, side);
  append(types, r.start);
  r.step = trace_program(types, [&](Ins a) {  // constants, side constants, c, w | s, v, sums
    std::size_t at = 0;
    auto next = [&](std::size_t k) { return at += k, a.subspan(at - k, k); };
    Ins k = next(n.n_const), sc = next(n.n_side_const), c = next(n.n_carry), w = next(n.n_side), s = next(n.n_side), v = next(r.t_carry);
    Ins sums = a.subspan(at);
    auto by_step = pull(*step, n.n_side, joined({k, c, sc, s}), w);  // cotangents of constants, carry, side constants
    auto by_body = pull(*body, n.n_carry, joined({k, c}), v);        // of constants, carry
    Vec to = by_step.y;
    for (std::size_t i = 0; i < r.t_carry; ++i) to.push_back(core::add(by_step.g[r.t_const + i], by_body.g[r.t_const + i]));
    for (std::size_t i = 0; i < r.t_const; ++i) to.push_back(core::add(sums[i], core::add(by_step.g[i], by_body.g[i])));
    for (std::size_t i = 0; i < r.t_side_const; ++i) to.push_back(core::add(sums[r.t_const + i], by_step.g[r.t_const + r.t_carry + i]));
    return to;
  });
  return r;
}

}  // namespace

constexpr Primitive sweep_linear_p = {
    .name = "sweep_linear",
    .params = &param_type<SweepLinearParams>,
    .n_out = [](const Params& p) { return static_cast<int>(p.get<SweepLinearParams>().n_side); },
    .shape =
        [](const Call& c, std::span<const Aval>, std::span<Aval> out) {
          for (std::size_t i = 0; i < out.size(); ++i) out[i] = of(c).step->out_type(i);
        },
    .eval =
        [](const Call& c, Ins in, Outs out) {
          Scope outside(nullptr);
          push(c, in, out);
        },
    .jvp = [](const Call& c, Ins x, Ins t, Outs y, Outs dy) { differentiate(c, x, t, y, dy, false); },
    .linearize = [](const Call& c, Ins x, Ins t, Outs y, Outs dy) { differentiate(c, x, t, y, dy, true); },
    .transpose =
        [](const Call& c, Ins ct, std::span<const Operand> in, Outs g) {
          auto& q = of(c);
          Sizes n(q);
          Transposed f = *cached<Transposed>(*q.step, form_key("sweep_linear", {q.given}, q.n_const) + std::to_string(q.body->id),
                                             [&] { return transposed(q); });
          Vec x, w, start;
          for (std::size_t i = 0; i < 1 + n.all; ++i) x.push_back(*in[i]);
          Ins steps(x.data(), 1), k(x.data() + 1, n.n_const), c0(x.data() + 1 + n.n_const, n.n_carry), sc(x.data() + 1 + n.body, n.n_side_const),
              s(x.data() + 1 + n.side, n.n_side);
          for (std::size_t i = 0; i < n.n_side; ++i) w.push_back(instantiate(ct[i], q.step->out_type(i)));
          for (auto& a : f.start) start.push_back(zeros(a));
          SweepParams back{f.body, f.step, q.n_const + q.n_side_const, q.n_carry + q.n_side, 0, q.n_side + static_cast<std::int64_t>(start.size()),
                           true,   q.slots};
          Vec r = bind_sweep(back, joined({steps, k, sc, c0, w, s, start}));
          SweepParams up{q.body, f.up, q.n_const, q.n_carry, q.n_side_const, q.n_side, false, q.slots};
          Vec last = bind_sweep(up, joined({steps, k, c0, sc, w}));  // w at the end is the cotangent of the side state
          std::size_t at = 1 + n.all, of_carry = n.n_side, of_const = of_carry + f.t_carry, of_side_const = of_const + f.t_const;
          for (std::size_t i = 0; i < n.all; ++i) {
            if (!q.given[i]) continue;
            g[at++] = i < n.n_const ? r[of_const++] : i < n.body ? r[of_carry++] : i < n.side ? r[of_side_const++] : last[i - n.side];
          }
        },
    .mixed = [](const Call& c, const Mask& own) { return count(part(own, 0, 1 + of(c).given.size())) > 0; },
    .batch =
        [](const Call& c, const BatchContext& ctx, std::span<Batched> in, std::span<Batched> out) {
          auto& q = of(c);
          Sizes n(q);
          Mask start = batched_mask(in.subspan(1, n.all));  // an operand is mapped where it or its tangent is: both have one type
          for (std::size_t i = 0, k = 1 + n.all; i < n.all; ++i)
            if (q.given[i]) start[i] |= in[k++].dim >= 0;
          auto b = batch_sweep(q.sweep(), ctx, in[0].dim >= 0, start);
          Vec args = b.operands(in.first(1 + n.all), ctx.size);
          for (std::size_t i = 0, k = 1 + n.all; i < n.all; ++i) {
            if (!q.given[i]) continue;
            args.push_back(b.mapped[i] ? move_dim0(in[k], ctx.size) : in[k].value);
            ++k;
          }
          auto& s = b.params;
          SweepLinearParams p{s.body, s.step, s.n_const, s.n_carry, s.n_side_const, s.n_side, s.reverse, s.slots, q.given};
          if (b.lanes) {
            p.given.insert(p.given.begin() + static_cast<std::ptrdiff_t>(n.body), 0);
            p.given.insert(p.given.begin(), 0);
          }
          Vec r = core::bind_all(sweep_linear_p, args, p);
          for (std::size_t i = 0; i < out.size(); ++i) out[i] = {r[i], b.mapped[n.side + i] ? 0 : -1};
        },
    .guard =
        [](const Call& c, const Tensor& on, Ins in, Outs out) {
          SweepLinearParams p = of(c);
          p.body = core::guarded_program(p.body);
          p.step = core::guarded_program(p.step);
          ++p.n_const;
          p.given.insert(p.given.begin(), 0);
          Vec r = core::bind_all(sweep_linear_p, joined({in.first(1), {&on, 1}, in.subspan(1)}), p);
          std::move(r.begin(), r.end(), out.begin());
        },
    .derives = true,
    .recomputes = true};

void linearize_sweep(const SweepParams& q, Ins x, Ins t, Outs dy) {
  Sizes n(q);
  Ins in = x.subspan(1), tan = t.subspan(1);
  Mask start = core::nonzero_mask(tan);
  auto body_form = [&](const Mask& m) { return core::jvp_program(q.body, m, carry_outputs(m, n.n_const, n.n_carry, n.n_carry)); };
  if (q.reverse) {
    Mask m = carry_fixpoint(part(start, 0, n.body), n.n_const, n.n_carry, [&](const Mask& k) { return body_form(k)->nonzero; });
    auto step_form = [&](const Mask& k) { return core::jvp_program(q.step, k, carry_outputs(k, n.side, n.n_side, n.n_side)); };
    m = carry_fixpoint(joined(m, part(start, n.body, n.n_side_const + n.n_side)), n.side, n.n_side,
                       [&](const Mask& k) { return step_form(k)->nonzero; });
    SweepLinearParams p{q.body, q.step, q.n_const, q.n_carry, q.n_side_const, q.n_side, q.reverse, q.slots, m};
    Vec r = core::bind_all(sweep_linear_p, joined({x, tangents(m, in, tan, 0, n.all)}), p);
    for (std::size_t i = 0; i < n.n_side; ++i)
      if (m[n.side + i]) dy[i] = r[i];
    return;
  }
  // One loop of trajectory and side state: constants, side constants | c, s.
  auto regroup = [&](const auto& v) {
    std::decay_t<decltype(v)> r;
    for (auto [from, k] : {std::pair{std::size_t{0}, n.n_const}, {n.body, n.n_side_const}, {n.n_const, n.n_carry}, {n.side, n.n_side}})
      r.insert(r.end(), v.begin() + static_cast<std::ptrdiff_t>(from), v.begin() + static_cast<std::ptrdiff_t>(from + k));
    return r;
  };
  auto make = [&] {
    return trace_program(regroup(q.step->in_types()), [&](Ins a) {
      Ins k = a.first(n.n_const), sc = a.subspan(n.n_const, n.n_side_const), c = a.subspan(n.n_const + n.n_side_const, n.n_carry),
          s = a.last(n.n_side);
      return joined({core::eval_program(*q.body, joined({k, c})), core::eval_program(*q.step, joined({k, c, sc, s}))});
    });
  };
  ProgramPtr loop = *cached<ProgramPtr>(*q.step, form_key("sweep_joint", {}, q.n_const) + std::to_string(q.body->id), make);
  std::size_t fixed = n.n_const + n.n_side_const, moving = n.n_carry + n.n_side;
  Vec gx = regroup(Vec(in.begin(), in.end())), gt = regroup(Vec(tan.begin(), tan.end()));
  auto joint = [&](const Mask& m) { return core::jvp_program(loop, m, carry_outputs(m, fixed, moving, moving)); };
  Mask m = carry_fixpoint(regroup(start), fixed, moving, [&](const Mask& k) { return joint(k)->nonzero; });
  Vec of_const = tangents(m, gx, gt, 0, fixed), of_carry = tangents(m, gx, gt, fixed, moving);
  SweepParams p{loop,
                tangent_step(loop, fixed, moving, m),
                static_cast<std::int64_t>(fixed),
                static_cast<std::int64_t>(moving),
                static_cast<std::int64_t>(of_const.size()),
                static_cast<std::int64_t>(of_carry.size()),
                false,
                q.slots};
  Vec r = bind_sweep(p, joined({x.first(1), gx, of_const, of_carry}));
  for (std::size_t i = 0, k = 0; i < moving; ++i)
    if (m[fixed + i]) {
      if (i >= n.n_carry) dy[i - n.n_carry] = r[k];
      ++k;
    }
}

}  // namespace functra::prims
