// while: a loop whose number of steps is found as it runs.
#include "functra/prims/control.h"
#include "functra/prims/families.h"
#include "functra/prims/loop.h"
#include "functra/prims/math.h"
#include "functra/prims/reduce.h"

namespace functra::prims {
namespace {

const WhileParams& of(const Call& c) { return c.params.get<WhileParams>(); }
struct Sizes {
  std::size_t n_cond, n_const, n_carry, n_ys, n_out;  // n_out: of the body
  explicit Sizes(const WhileParams& q)
      : n_cond(static_cast<std::size_t>(q.n_cond_const)),
        n_const(static_cast<std::size_t>(q.n_const)),
        n_carry(static_cast<std::size_t>(q.n_carry)),
        n_ys(q.body->outputs.size() - n_carry),
        n_out(n_carry + n_ys) {}
};
Vec bind_while(const WhileParams& q, Ins in) { return core::bind_all(while_p, in, q); }
Aval flag(const Shape& s = {}) { return {DType::bool_, false, s}; }
Aval integer(const Shape& s = {}) { return {DType::i64, false, s}; }

// The joint loop of values and tangents: constants, tangents of constants | carry, tangents of carry. The mask is of the body's
// constants and carry.
struct Joint {
  WhileParams params;
  Mask in, out;
};
Joint joint_loop(const WhileParams& q, const Mask& start) {
  Sizes n(q);
  auto form = [&](const Mask& m) { return core::jvp_program(q.body, m, carry_outputs(m, n.n_const, n.n_carry, n.n_out)); };
  Mask m = carry_fixpoint(start, n.n_const, n.n_carry, [&](const Mask& mask) { return form(mask)->nonzero; });
  auto f = form(m);
  std::size_t t_const = count(part(m, 0, n.n_const)), t_carry = count(part(m, n.n_const, n.n_carry)), n_in = n.n_const + n.n_carry;
  auto body = [&] {
    Order in, out;
    append_range(in, 0, n.n_const);
    append_range(in, n_in, t_const);
    append_range(in, n.n_const, n.n_carry);
    append_range(in, n_in + t_const, t_carry);
    append_range(out, 0, n.n_carry);
    append_range(out, n.n_out, t_carry);
    append_range(out, n.n_carry, n.n_ys);
    append_range(out, n.n_out + t_carry, count(f->nonzero) - t_carry);
    return reorder(f->program, in, out);
  };
  auto cond = [&] {
    Types types = q.cond->in_types(), carry = q.body->in_types();
    for (std::size_t i = 0; i < n.n_carry; ++i)
      if (m[n.n_const + i]) types.push_back(carry[n.n_const + i]);
    return trace_program(types, [&](Ins a) { return core::eval_program(*q.cond, a.first(n.n_cond + n.n_carry)); });
  };
  WhileParams p = q;
  p.body = *cached<ProgramPtr>(*f->program, form_key("while_order", {m}, q.n_const), body);
  if (t_carry) p.cond = *cached<ProgramPtr>(*q.cond, form_key("while_joint", {part(m, n.n_const, n.n_carry)}, q.n_cond_const), cond);
  p.n_const += static_cast<std::int64_t>(t_const);
  p.n_carry += static_cast<std::int64_t>(t_carry);
  return {p, m, f->nonzero};
}

// A predicate per lane: the carry gains which lanes are active and how many steps each has made; an idle lane keeps its carry. The
// body is a choice per lane, so that derivatives see lanes.
void batch_lanes(const WhileParams& q, const BatchContext& ctx, const Mask& mapped_cond, const Mask& mapped, const ProgramPtr& cond, Ins args,
                 std::span<Batched> out) {
  Sizes n(q);
  ProgramPtr stay = trace_program(q.body->in_types(), [&](Ins a) {
    Vec r(a.begin() + q.n_const, a.end());
    for (std::size_t i = n.n_carry; i < n.n_out; ++i) r.push_back(zeros(q.body->out_type(i)));
    return r;
  });
  Types in = lane_types(q.body->in_types(), mapped, ctx.size),
        cond_in = lane_types(q.cond->in_types(), joined(mapped_cond, Mask(n.n_carry, 1)), ctx.size);
  Types types(cond_in.begin(), cond_in.begin() + q.n_cond_const);
  append(types, in);
  append(types, Types{flag({ctx.size}), integer({ctx.size})});
  WhileParams p = q;
  p.body = trace_program(types, [&](Ins a) {
    Ins cond_const = a.first(n.n_cond), rest = a.subspan(n.n_cond, n.n_const + n.n_carry);
    Tensor active = a[a.size() - 2], steps = a[a.size() - 1];
    Vec r = bind_lanes({{stay, q.body}, ctx.size, mapped}, joined({{&active, 1}, rest})), to(r.begin(), r.begin() + q.n_carry);
    Tensor go = core::eval_program(*cond, joined({cond_const, to}))[0];
    to.push_back(bitwise_and(go, active));
    to.push_back(core::add(steps, convert(active, DType::i64)));
    append(to, Ins(r).subspan(n.n_carry));
    return to;
  });
  Types carry(types.begin() + q.n_cond_const + q.n_const, types.end());
  p.cond = trace_program(carry, [&](Ins a) { return Vec{reduce_or(a[n.n_carry], {0})}; });
  p.n_cond_const = 0;
  p.n_const += q.n_cond_const;
  p.n_carry += 2;
  Ins cond_const = args.first(n.n_cond), body_const = args.subspan(n.n_cond, n.n_const), start = args.subspan(n.n_cond + n.n_const);
  Vec first = call(cond, joined({cond_const, start})), extra{first[0], zeros(integer({ctx.size}))};
  Vec r = bind_while(p, joined({cond_const, body_const, start, extra}));
  for (std::size_t i = 0; i < n.n_carry; ++i) out[i] = {r[i], 0};
  out[n.n_carry] = {r[n.n_carry + 1], 0};
  for (std::size_t i = 0; i < n.n_ys; ++i) out[n.n_carry + 1 + i] = {r[n.n_carry + 3 + i], 1};
}

}  // namespace

// The step of a sweep that pushes tangents along the loop: linear in (tangents of constants, tangents of carry); it makes the body's
// residuals again from the carry.
ProgramPtr tangent_step(const ProgramPtr& body, std::size_t n_const, std::size_t n_carry, const Mask& m) {
  auto make = [&] {
    auto l = core::linearize_program(body, m, carry_outputs(m, n_const, n_carry, n_carry));
    ProgramPtr primal = core::without_effects(l->primal);
    Types in = body->in_types(), types = in;
    for (std::size_t i = 0; i < m.size(); ++i)
      if (m[i]) types.push_back(in[i]);
    return trace_program(types, [&](Ins a) {
      Vec r = core::eval_program(*primal, a.first(n_const + n_carry));
      return core::eval_program(*l->linear, joined({Ins(r).subspan(n_carry), a.subspan(n_const + n_carry)}));
    });
  };
  return *cached<ProgramPtr>(*body, form_key("tangent_step", {m}, static_cast<std::int64_t>(n_const)), make);
}

constexpr Primitive while_p = {
    .name = "while",
    .params = &param_type<WhileParams>,
    .n_out = [](const Params& p) { return static_cast<int>(p.get<WhileParams>().body->outputs.size()) + 1; },
    .shape =
        [](const Call& c, std::span<const Aval> in, std::span<Aval> out) {
          auto& q = of(c);
          Sizes n(q);
          if (in.size() != n.n_cond + n.n_const + n.n_carry) throw ShapeError("while: got " + std::to_string(in.size()) + " operands");
          Types cond_in(in.begin(), in.begin() + q.n_cond_const), result(n.n_out);
          append(cond_in, in.subspan(n.n_cond + n.n_const));
          check_inputs(c, *q.cond, cond_in);
          if (q.cond->outputs.size() != 1 || !(q.cond->out_type(0).dtype == DType::bool_ && q.cond->out_type(0).shape.empty()))
            throw ShapeError("while: the condition gives " + q.cond->out_type(0).str() + ", expected a 0-d bool");
          shapes_of(c, *q.body, in.subspan(n.n_cond), result);
          for (std::size_t i = 0; i < n.n_carry; ++i) {
            const Aval& a = in[n.n_cond + n.n_const + i];
            if (!same_type(result[i], a))
              throw ShapeError("while: carry " + std::to_string(i) + " enters as " + a.str() + " and leaves as " + result[i].str());
            out[i] = result[i];
          }
          out[n.n_carry] = integer();
          for (std::size_t i = n.n_carry; i < n.n_out; ++i) out[i + 1] = {result[i].dtype, false, result[i].shape.with(0, q.max_steps)};
        },
    .eval =
        [](const Call& c, Ins in, Outs out) {
          auto& q = of(c);
          Sizes n(q);
          Ins cond_const = in.first(n.n_cond), body_const = in.subspan(n.n_cond, n.n_const), start = in.subspan(n.n_cond + n.n_const);
          Vec cond_args(n.n_cond + n.n_carry), args(n.n_const + n.n_carry), res(n.n_out), carry(start.begin(), start.end());
          std::vector<Stack> ys;
          for (std::size_t i = n.n_carry; i < n.n_out; ++i) ys.emplace_back(q.body->out_type(i), q.max_steps, true);
          std::int64_t steps = 0;
          for (;; ++steps) {
            Tensor go;
            std::copy(cond_const.begin(), cond_const.end(), cond_args.begin());
            std::copy(carry.begin(), carry.end(), cond_args.begin() + q.n_cond_const);
            run_consuming(q.cond, cond_args, {&go, 1});
            if (!go.scalar_as<bool>()) break;
            if (q.max_steps && steps == q.max_steps)
              throw ValueError("while_loop: the condition still holds after max_steps = " + std::to_string(steps) +
                               " steps; allow more, or stop earlier");
            std::copy(body_const.begin(), body_const.end(), args.begin());
            std::move(carry.begin(), carry.end(), args.begin() + q.n_const);
            run_consuming(q.body, args, res);
            std::move(res.begin(), res.begin() + q.n_carry, carry.begin());
            for (std::size_t i = n.n_carry; i < n.n_out; ++i) ys[i - n.n_carry].put(steps, res[i]);
          }
          std::move(carry.begin(), carry.end(), out.begin());
          out[n.n_carry] = Tensor::strong(Scalar(steps), DType::i64);
          for (std::size_t i = 0; i < n.n_ys; ++i) out[n.n_carry + 1 + i] = ys[i].take();
        },
    .jvp =
        [](const Call& c, Ins x, Ins t, Outs y, Outs dy) {
          auto& q = of(c);
          Sizes n(q);
          Ins bx = x.subspan(n.n_cond), bt = t.subspan(n.n_cond);
          Joint j = joint_loop(q, core::nonzero_mask(bt));
          Vec r = bind_while(j.params, joined({x.first(n.n_cond + n.n_const), tangents(j.in, bx, bt, 0, n.n_const), bx.subspan(n.n_const),
                                               tangents(j.in, bx, bt, n.n_const, n.n_carry)}));
          std::size_t k = 0;
          for (std::size_t i = 0; i < n.n_carry; ++i) y[i] = r[k++];
          for (std::size_t i = 0; i < n.n_carry; ++i)
            if (j.out[i]) dy[i] = r[k++];
          y[n.n_carry] = r[k++];
          for (std::size_t i = 0; i < n.n_ys; ++i) y[n.n_carry + 1 + i] = r[k++];
          for (std::size_t i = 0; i < n.n_ys; ++i)
            if (j.out[n.n_carry + i]) dy[n.n_carry + 1 + i] = r[k++];
        },
    .linearize =
        [](const Call& c, Ins x, Ins t, Outs y, Outs dy) {
          auto& q = of(c);
          Sizes n(q);
          Ins bx = x.subspan(n.n_cond), bt = t.subspan(n.n_cond);
          if (q.max_steps && q.slots < 0) {  // residuals are stacked; the linear loop is a scan that stops at the count
            ScanParams s{q.body, q.n_const, q.n_carry, q.max_steps};
            Vec by(n.n_out), bdy(n.n_out);
            linearize_loop(s, bx, bt, by, bdy, [&](const ProgramPtr& body, std::int64_t n_const, Ins in, Outs out) {
              WhileParams p = q;
              p.body = body;
              p.n_const = n_const;
              Vec r = bind_while(p, joined({x.first(n.n_cond), in}));
              Tensor steps = y[n.n_carry] = r[n.n_carry];
              r.erase(r.begin() + q.n_carry);
              std::move(r.begin(), r.end(), out.begin());
              return steps;
            });
            for (std::size_t i = 0; i < n.n_out; ++i) {
              y[i + (i >= n.n_carry)] = by[i];
              dy[i + (i >= n.n_carry)] = bdy[i];
            }
            return;
          }
          if (n.n_ys) throw MissingRuleError("while_loop: stacked results need stored residuals");
          Vec r = bind_while(q, x);
          std::move(r.begin(), r.end(), y.begin());
          auto form = [&](const Mask& m) { return core::jvp_program(q.body, m, carry_outputs(m, n.n_const, n.n_carry, n.n_carry)); };
          Mask m = carry_fixpoint(core::nonzero_mask(bt), n.n_const, n.n_carry, [&](const Mask& mask) { return form(mask)->nonzero; });
          Vec t_const = tangents(m, bx, bt, 0, n.n_const), t_carry = tangents(m, bx, bt, n.n_const, n.n_carry);
          if (t_carry.empty()) return;
          SweepParams s{core::without_effects(q.body),
                        tangent_step(q.body, n.n_const, n.n_carry, m),
                        q.n_const,
                        q.n_carry,
                        static_cast<std::int64_t>(t_const.size()),
                        static_cast<std::int64_t>(t_carry.size()),
                        false,
                        q.slots};
          Vec d = bind_sweep(s, joined({{&y[n.n_carry], 1}, bx, t_const, t_carry}));
          for (std::size_t i = 0, k = 0; i < n.n_carry; ++i)
            if (m[n.n_const + i]) dy[i] = d[k++];
        },
    .transpose = [](const Call&, Ins, std::span<const Operand>, Outs) { throw MissingRuleError("while is linearised, never transposed"); },
    .depends =
        [](const Call& c, const Mask& own) {
          auto& q = of(c);
          Sizes n(q);
          Mask m = carry_fixpoint(part(own, n.n_cond, n.n_const + n.n_carry), n.n_const, n.n_carry, [&](const Mask& mask) {
            return core::depends({&q.body, 1}, mask);
          });
          Mask of_body = core::depends({&q.body, 1}, m), carry = part(m, n.n_const, n.n_carry);
          bool steps = core::depends({&q.cond, 1}, joined(part(own, 0, n.n_cond), carry))[0];  // how many there are
          if (steps) return Mask(n.n_out + 1, 1);
          Mask out = joined(carry, Mask(1));
          return joined(out, part(of_body, n.n_carry, n.n_ys));
        },
    .mixed = [](const Call&, const Mask&) { return true; },
    .batch =
        [](const Call& c, const BatchContext& ctx, std::span<Batched> in, std::span<Batched> out) {
          auto& q = of(c);
          Sizes n(q);
          Mask all = batched_mask(in), mc = part(all, 0, n.n_cond), m = part(all, n.n_cond, n.n_const + n.n_carry);
          auto body = [&](const Mask& mask) { return core::batch_program(q.body, ctx, mask, carry_outputs(mask, n.n_const, n.n_carry, n.n_out)); };
          auto cond = [&] { return core::batch_program(q.cond, ctx, joined(mc, part(m, n.n_const, n.n_carry)), Mask(1)); };
          // Body and predicate together: a mapped predicate maps every carry.
          m = carry_fixpoint(m, n.n_const, n.n_carry, [&](const Mask& mask) { return body(mask)->batched; });
          bool lanes = cond()->batched[0];
          if (lanes) std::fill(m.begin() + q.n_const, m.end(), 1);
          Vec args;
          for (std::size_t i = 0; i < in.size(); ++i)
            args.push_back((i < n.n_cond ? mc[i] : m[i - n.n_cond]) ? move_dim0(in[i], ctx.size) : in[i].value);
          if (lanes) return batch_lanes(q, ctx, mc, m, cond()->program, args, out);
          WhileParams p = q;
          auto f = body(m);
          p.cond = cond()->program;
          p.body = f->program;
          Vec r = bind_while(p, args);
          for (std::size_t i = 0; i < n.n_carry; ++i) out[i] = {r[i], f->batched[i] ? 0 : -1};
          out[n.n_carry] = {r[n.n_carry], -1};
          for (std::size_t i = 0; i < n.n_ys; ++i) out[n.n_carry + 1 + i] = {r[n.n_carry + 1 + i], f->batched[n.n_carry + i] ? 1 : -1};
        },
    .guarded = true,
    .guard =
        [](const Call& c, const Tensor& on, Ins in, Outs out) {
          WhileParams p = of(c);
          Sizes n(p);
          Types types = p.cond->in_types();
          types.insert(types.begin(), flag());
          p.cond = trace_program(types, [&](Ins a) { return Vec{bitwise_and(a[0], core::eval_program(*of(c).cond, a.subspan(1))[0])}; });
          ++p.n_cond_const;
          Vec args = joined({{&on, 1}, in.first(n.n_cond)});
          if (p.body->guard) {
            p.body = core::guarded_program(p.body);
            ++p.n_const;
            args.push_back(on);
          }
          append(args, in.subspan(n.n_cond));
          Vec r = bind_while(p, args);
          std::move(r.begin(), r.end(), out.begin());
        }};

Table while_table() {
  static constexpr const Primitive* t[] = {&while_p};
  return t;
}

}  // namespace functra::prims
