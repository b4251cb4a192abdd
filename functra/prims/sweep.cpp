// sweep: a scan over the trajectory of another loop, which is not stored. It is how reverse mode goes through a loop that keeps few
// carries: from saved ones the others are computed again.
#include <algorithm>
#include <cmath>

#include "functra/prims/control.h"
#include "functra/prims/families.h"
#include "functra/prims/loop.h"
#include "functra/prims/math.h"
#include "functra/prims/reduce.h"

namespace functra::prims {
namespace {

const SweepParams& of(const Call& c) { return c.params.get<SweepParams>(); }
// Operands after the count: constants, carry, side constants, side state.
struct Sizes {
  std::size_t n_const, n_carry, n_side_const, n_side;
  explicit Sizes(const SweepParams& q)
      : n_const(static_cast<std::size_t>(q.n_const)),
        n_carry(static_cast<std::size_t>(q.n_carry)),
        n_side_const(static_cast<std::size_t>(q.n_side_const)),
        n_side(static_cast<std::size_t>(q.n_side)) {}
  std::size_t body() const { return n_const + n_carry; }      // inputs of the body
  std::size_t side() const { return body() + n_side_const; }  // where the side state begins
  std::size_t all() const { return side() + n_side; }
};
thread_local SweepStats stats;

// Steps the trajectory backwards from its end with a limited number of saved carries: revolve (Griewank & Walther, "Algorithm 799",
// 2000). The primal loop has run, so the count is known and the schedule is the optimal one.
class Revolve {
 public:
  Revolve(const SweepParams& q, Ins constants, Ins side_constants) : q_(q), n_(q), constants_(constants), side_constants_(side_constants) {}
  // One step of the side state at carry c.
  void step(const Vec& c, Vec& side) {
    Vec args = joined({constants_, c, side_constants_}), out(side.size());
    for (Tensor& s : side) args.push_back(std::move(s));
    run_consuming(q_.step, args, out);
    side = std::move(out);
  }
  void advance(Vec& c, std::int64_t n) {
    Vec args(n_.body()), out(n_.n_carry);
    for (std::int64_t i = 0; i < n; ++i, ++done.steps) {
      std::copy(constants_.begin(), constants_.end(), args.begin());
      std::move(c.begin(), c.end(), args.begin() + q_.n_const);
      run_consuming(q_.body, args, out);
      std::move(out.begin(), out.end(), c.begin());
    }
  }
  // n steps backwards from the one at carry c on, with at most `slots` carries held, c among them.
  void backwards(const Vec& c, std::int64_t n, std::int64_t slots, Vec& side) {
    struct Part {
      Vec c;
      std::int64_t n, slots;
    };
    std::vector<Part> held{{c, n, slots}};  // one behind another; not by recursion, there may be as many as steps
    while (!held.empty()) {
      done.held = std::max(done.held, static_cast<std::int64_t>(held.size()));
      Part& p = held.back();
      if (p.n > 1 && p.slots > 1) {
        std::int64_t t = 1;  // each step is made at most t times
        while (reach(p.slots, t) < static_cast<double>(p.n)) ++t;
        // Between n - reach(slots - 1, t), so that one slot less is enough for the later part, and the earlier part's own limits, every
        // place for the next carry is optimal.
        auto m = static_cast<std::int64_t>(std::max({1.0, static_cast<double>(p.n) - reach(p.slots - 1, t), reach(p.slots, t - 2)}));
        Part later{p.c, p.n - m, p.slots - 1};
        p.n = m;
        advance(later.c, m);
        held.push_back(std::move(later));
        continue;
      }
      for (; p.n > 0; --p.n) {
        Vec at = p.c;
        advance(at, p.n - 1);
        step(at, side);
      }
      held.pop_back();
    }
  }
  SweepStats done;

 private:
  // How many steps `s` saved carries reverse when each is made at most t times: binomial(s + t, s), which is symmetric.
  static double reach(std::int64_t s, std::int64_t t) {
    if (t < 0) return 0;
    if (s > t) std::swap(s, t);
    double b = 1;
    for (std::int64_t i = 1; i <= s && b < 1e18; ++i) b = b * static_cast<double>(t + i) / static_cast<double>(i);
    return b;
  }
  const SweepParams& q_;
  Sizes n_;
  Ins constants_, side_constants_;
};

struct Masks {
  Mask body, all;  // of the body's inputs; of all operands after the count
};
// Trajectory and side state apart: the side state never feeds the trajectory.
template <class FBody, class FStep> Masks sweep_fixpoint(const Sizes& n, const Mask& start, FBody body, FStep step) {
  Masks m;
  m.body = carry_fixpoint(part(start, 0, n.body()), n.n_const, n.n_carry, body);
  m.all = carry_fixpoint(joined(m.body, part(start, n.body(), n.n_side_const + n.n_side)), n.side(), n.n_side, step);
  return m;
}
// Of the operands after the count, those that depend on marked ones at any step.
Mask marked(const SweepParams& q, const Mask& own) {
  return sweep_fixpoint(
             Sizes(q), part(own, 1, own.size() - 1),
             [&](const Mask& m) {
               return core::depends({&q.body, 1}, m);
             },
             [&](const Mask& m) {
               return core::depends({&q.step, 1}, m);
             })
      .all;
}
// The step on the side states that are kept, the others being zero; linear as the whole one is.
ProgramPtr restricted(const SweepParams& q, const Mask& keep) {
  Sizes n(q);
  if (count(keep) == n.n_side) return q.step;
  return *cached<ProgramPtr>(*q.step, form_key("sweep_restricted", {keep}, q.n_side_const), [&] {
    Types all = q.step->in_types(), types(all.begin(), all.begin() + static_cast<std::ptrdiff_t>(n.side()));
    for (std::size_t i = 0; i < n.n_side; ++i)
      if (keep[i]) types.push_back(all[n.side() + i]);
    return trace_program(types, [&](Ins a) {
      Vec x(a.begin(), a.begin() + static_cast<std::ptrdiff_t>(n.side())), out;
      for (std::size_t i = 0, k = n.side(); i < n.n_side; ++i) x.push_back(keep[i] ? a[k++] : zeros(all[n.side() + i]));
      Vec y = core::eval_program(*q.step, x);
      for (std::size_t i = 0; i < n.n_side; ++i)
        if (keep[i]) out.push_back(y[i]);
      return out;
    });
  });
}
Mask side_outputs(const Sizes& n, const Mask& m) { return carry_outputs(m, n.side(), n.n_side, n.n_side); }
Mask body_outputs(const Sizes& n, const Mask& m) { return carry_outputs(m, n.n_const, n.n_carry, n.n_carry); }

}  // namespace

SweepStats last_sweep() { return stats; }
Vec bind_sweep(const SweepParams& q, Ins in) { return core::bind_all(sweep_p, in, q); }

// ---------------------------------------------------------------- batching
BatchedSweep batch_sweep(const SweepParams& q, const BatchContext& ctx, bool lanes, Mask start) {
  Sizes n(q);
  if (lanes) {
    std::fill_n(start.begin() + q.n_const, n.n_carry, 1);
    std::fill_n(start.begin() + static_cast<std::ptrdiff_t>(n.side()), n.n_side, 1);
  }
  auto body = [&](const Mask& m) { return core::batch_program(q.body, ctx, m, body_outputs(n, m)); };
  auto step = [&](const Mask& m) { return core::batch_program(q.step, ctx, m, side_outputs(n, m)); };
  Masks m = sweep_fixpoint(
      n, start, [&](const Mask& k) { return body(k)->batched; }, [&](const Mask& k) { return step(k)->batched; });
  BatchedSweep r{q, m.all, lanes};
  if (!lanes) {
    r.params.body = body(m.body)->program;
    r.params.step = step(m.all)->program;
    return r;
  }
  auto with_index = [&](const ProgramPtr& f, const Mask& mapped) {  // counts, constants | carry, index | the rest
    Types t = lane_types(f->in_types(), mapped, ctx.size), types{{DType::i64, false, {ctx.size}}};
    append(types, std::span(t).first(n.body()));
    types.push_back({DType::i64, false, {}});
    append(types, std::span(t).subspan(n.body()));
    return types;
  };
  auto stay = [&](const ProgramPtr& f, std::size_t from) {
    return trace_program(f->in_types(), [&](Ins a) { return Vec(a.begin() + static_cast<std::ptrdiff_t>(from), a.end()); });
  };
  ProgramPtr stay_body = stay(q.body, n.n_const), stay_step = stay(q.step, n.side());
  r.params.body = trace_program(with_index(q.body, m.body), [&](Ins a) {
    Tensor index = a[1 + n.body()], active = lt(index, a[0]);
    Vec y = bind_lanes({{stay_body, q.body}, ctx.size, m.body}, joined({{&active, 1}, a.subspan(1, n.body())}));
    y.push_back(core::add(index, like(1, index)));
    return y;
  });
  r.params.step = trace_program(with_index(q.step, m.all), [&](Ins a) {
    Tensor active = lt(a[1 + n.body()], a[0]);
    return bind_lanes({{stay_step, q.step}, ctx.size, m.all}, joined({{&active, 1}, a.subspan(1, n.body()), a.subspan(2 + n.body())}));
  });
  ++r.params.n_const;
  ++r.params.n_carry;
  return r;
}
Vec BatchedSweep::operands(std::span<const Batched> in, std::int64_t size) const {
  Vec args;
  for (std::size_t i = 0; i < mapped.size(); ++i) args.push_back(mapped[i] ? move_dim0(in[1 + i], size) : in[1 + i].value);
  if (!lanes) return joined({{&in[0].value, 1}, args});
  Tensor counts = move_dim0(in[0], size), last = reduce_max(counts, {0}), zero = Tensor::literal_of(Scalar(0), DType::i64);
  auto body = static_cast<std::size_t>(params.n_const + params.n_carry) - 2;
  return joined({{&last, 1}, {&counts, 1}, Ins(args).first(body), {&zero, 1}, Ins(args).subspan(body)});
}

constexpr Primitive sweep_p = {
    .name = "sweep",
    .params = &param_type<SweepParams>,
    .n_out = [](const Params& p) { return static_cast<int>(p.get<SweepParams>().n_side); },
    .shape =
        [](const Call& c, std::span<const Aval> in, std::span<Aval> out) {
          auto& q = of(c);
          Sizes n(q);
          if (in.size() != 1 + n.all() || !same_type(in[0], {DType::i64, false, {}})) throw ShapeError("sweep: the first operand must be a count");
          check_inputs(c, *q.body, in.subspan(1, n.body()));
          shapes_of(c, *q.step, in.subspan(1), out);
        },
    .eval =
        [](const Call& c, Ins all, Outs out) {
          auto& q = of(c);
          Sizes n(q);
          auto steps = all[0].item<std::int64_t>();
          Ins in = all.subspan(1), side0 = in.subspan(n.side());
          Vec carry(in.begin() + q.n_const, in.begin() + q.n_const + q.n_carry), side(side0.begin(), side0.end());
          Revolve r(q, in.first(n.n_const), in.subspan(n.body(), n.n_side_const));
          if (q.reverse) {
            std::int64_t slots =
                q.slots > 0 ? q.slots : std::max<std::int64_t>(1, static_cast<std::int64_t>(std::ceil(2 * std::sqrt(static_cast<double>(steps)))));
            r.backwards(carry, steps, slots, side);
          } else
            for (std::int64_t i = 0; i < steps; ++i) {
              r.step(carry, side);
              if (i + 1 < steps) r.advance(carry, 1);
            }
          stats = r.done;
          std::move(side.begin(), side.end(), out.begin());
        },
    .jvp =
        [](const Call& c, Ins all_x, Ins all_t, Outs y, Outs dy) {
          auto& q = of(c);
          Sizes n(q);
          Ins x = all_x.subspan(1), t = all_t.subspan(1);
          auto body = [&](const Mask& m) { return core::jvp_program(q.body, m, body_outputs(n, m)); };
          auto step = [&](const Mask& m) { return core::jvp_program(q.step, m, side_outputs(n, m)); };
          Masks m = sweep_fixpoint(
              n, core::nonzero_mask(t), [&](const Mask& k) { return body(k)->nonzero; }, [&](const Mask& k) { return step(k)->nonzero; });
          std::size_t groups[4] = {n.n_const, n.n_carry, n.n_side_const, n.n_side}, given[4];
          Order body_in, body_out, step_in, step_out;
          Vec args{all_x[0]};
          for (std::size_t g = 0, at = 0, tangent_body = n.body(), tangent_step = n.all(); g < 4; at += groups[g++]) {
            given[g] = count(part(m.all, at, groups[g]));
            if (g < 2) {
              append_range(body_in, at, groups[g]);
              append_range(body_in, tangent_body, given[g]);
              tangent_body += given[g];
            }
            append_range(step_in, at, groups[g]);
            append_range(step_in, tangent_step, given[g]);
            tangent_step += given[g];
            append(args, x.subspan(at, groups[g]));
            append(args, tangents(m.all, x, t, at, groups[g]));
          }
          append_range(body_out, 0, n.n_carry + given[1]);
          append_range(step_out, 0, n.n_side + given[3]);
          auto sum = [&](std::size_t g) { return static_cast<std::int64_t>(groups[g] + given[g]); };
          SweepParams p{reorder(body(m.body)->program, body_in, body_out),
                        reorder(step(m.all)->program, step_in, step_out),
                        sum(0),
                        sum(1),
                        sum(2),
                        sum(3),
                        q.reverse,
                        q.slots};
          Vec r = bind_sweep(p, args);
          for (std::size_t i = 0, k = n.n_side; i < n.n_side; ++i) {
            y[i] = r[i];
            if (m.all[n.side() + i]) dy[i] = r[k++];
          }
        },
    .linearize =
        [](const Call& c, Ins x, Ins t, Outs y, Outs dy) {
          auto& q = of(c);
          Sizes n(q);
          Vec r = bind_sweep(q, x);
          std::move(r.begin(), r.end(), y.begin());
          Mask m = core::nonzero_mask(t);
          if (count(part(m, 0, 1 + n.body()))) return linearize_sweep(q, x, t, dy);
          // Linear in the side operands: the same sweep, of the side states that tangents reach.
          Mask keep = part(marked(q, m), n.side(), n.n_side);
          SweepParams p = q;
          p.step = restricted(q, keep);
          p.n_side = static_cast<std::int64_t>(count(keep));
          Vec a(x.begin(), x.begin() + static_cast<std::ptrdiff_t>(1 + n.body()));
          for (std::size_t i = a.size(); i < x.size(); ++i)
            if (i < 1 + n.side() || keep[i - 1 - n.side()]) a.push_back(instantiate(t[i], x[i].aval()));
          Vec d = bind_sweep(p, a);
          for (std::size_t i = 0, k = 0; i < n.n_side; ++i)
            if (keep[i]) dy[i] = d[k++];
        },
    .transpose =
        [](const Call& c, Ins ct, std::span<const Operand> all_in, Outs all_g) {
          // step (constants, c, side constants, s) -> s   becomes, in the other direction,
          //   (constants, c, known side constants, [cotangent of s, sums for linear side constants]) -> [...]
          auto& q = of(c);
          if (q.slots < 0)
            throw MissingRuleError(
                "while_loop: reverse-mode derivatives need {.max_steps = N} (keeps what N steps need) or {.checkpoint = k} (keeps k carries and "
                "computes the steps between again); or use forward mode (jvp, jacfwd)");
          Sizes n(q);
          auto in = all_in.subspan(1);
          Outs g = all_g.subspan(1);
          Mask linear(n.body()), given(n.n_side, 1);
          for (std::size_t i = 0; i < n.n_side_const; ++i) linear.push_back(in[n.body() + i].linear());
          linear.resize(n.all(), 1);
          std::size_t n_lin = count(part(linear, n.body(), n.n_side_const)), n_known = n.n_side_const - n_lin;
          auto make = [&] {
            ProgramPtr f = core::transpose_program(q.step, linear, given);  // constants, c, known, ct -> ct of linear constants, of s
            Types types = f->in_types();
            for (std::size_t i = 0; i < n_lin; ++i) types.push_back(f->out_type(i));
            return trace_program(types, [&](Ins a) {
              std::size_t sums = n.body() + n_known + n.n_side;
              Vec r = core::eval_program(*f, a.first(sums)), to(r.begin() + static_cast<std::ptrdiff_t>(n_lin), r.end());
              for (std::size_t i = 0; i < n_lin; ++i) to.push_back(core::add(a[sums + i], r[i]));
              return to;
            });
          };
          SweepParams p = q;
          p.step = *cached<ProgramPtr>(*q.step, form_key("sweep_transpose", {linear}, static_cast<std::int64_t>(n.body())), make);
          p.n_side_const = static_cast<std::int64_t>(n_known);
          p.n_side = static_cast<std::int64_t>(n.n_side + n_lin);
          p.reverse = !q.reverse;
          Vec args;
          for (std::size_t i = 0; i < 1 + n.body(); ++i) args.push_back(*all_in[i]);
          for (std::size_t i = n.body(); i < n.side(); ++i)
            if (!linear[i]) args.push_back(*in[i]);
          for (std::size_t i = 0; i < n.n_side; ++i) args.push_back(instantiate(ct[i], q.step->out_type(i)));
          for (std::size_t i = n.body(); i < n.side(); ++i)
            if (linear[i]) args.push_back(zeros(*in[i].type));
          Vec r = bind_sweep(p, args);
          for (std::size_t i = 0, k = n.n_side; i < n.n_side_const; ++i)
            if (linear[n.body() + i]) g[n.body() + i] = r[k++];
          for (std::size_t i = 0; i < n.n_side; ++i)
            if (in[n.side() + i].linear()) g[n.side() + i] = r[i];
        },
    .depends =
        [](const Call& c, const Mask& own) {
          return own[0] ? Mask(Sizes(of(c)).n_side, 1) : part(marked(of(c), own), Sizes(of(c)).side(), Sizes(of(c)).n_side);
        },
    .mixed =
        [](const Call& c, const Mask& own) {
          Sizes n(of(c));
          Mask side = part(marked(of(c), own), n.side(), n.n_side);
          return count(part(own, 0, 1 + n.body())) > 0 || count(side) < side.size();
        },
    .batch =
        [](const Call& c, const BatchContext& ctx, std::span<Batched> all_in, std::span<Batched> out) {
          auto b = batch_sweep(of(c), ctx, all_in[0].dim >= 0, batched_mask(all_in.subspan(1)));
          Vec r = bind_sweep(b.params, b.operands(all_in, ctx.size));
          std::size_t side = b.mapped.size() - out.size();
          for (std::size_t i = 0; i < out.size(); ++i) out[i] = {r[i], b.mapped[side + i] ? 0 : -1};
        },
    .guard =
        [](const Call& c, const Tensor& on, Ins in, Outs out) {
          SweepParams p = of(c);
          p.body = core::guarded_program(p.body);
          p.step = core::guarded_program(p.step);
          ++p.n_const;
          Vec r = bind_sweep(p, joined({in.first(1), {&on, 1}, in.subspan(1)}));
          std::move(r.begin(), r.end(), out.begin());
        },
    .recomputes = true};

Table sweep_table() {
  static constexpr const Primitive* t[] = {&sweep_p, &sweep_linear_p};
  return t;
}

}  // namespace functra::prims
