// scan: a loop with a known number of steps.
#include "functra/prims/families.h"
#include "functra/prims/control.h"
#include "functra/prims/index.h"
#include "functra/prims/loop.h"
#include "functra/prims/math.h"

namespace functra::prims {
namespace {

const ScanParams& scan_of(const Call& c) { return c.params.get<ScanParams>(); }
struct Sizes {
  std::size_t n_const, n_carry, n_xs, n_out;
  explicit Sizes(const ScanParams& q)
      : n_const(static_cast<std::size_t>(q.n_const)),
        n_carry(static_cast<std::size_t>(q.n_carry)),
        n_xs(q.body->inputs.size() - n_const - n_carry),
        n_out(q.body->outputs.size()) {}
  std::size_t fixed() const { return n_const + n_carry; }  // operands that are not sliced
};
// The operands of a counted scan after its count.
struct Operands {
  Tensor count;  // null: as many steps as slices
  Ins in;
  Operands(const ScanParams& q, Ins all) : count(q.counted ? all[0] : Tensor()), in(all.subspan(q.counted)) {}
};

}  // namespace

void bind_scan(ScanParams q, const Tensor& count, Ins in, Outs out) {
  q.counted = count.defined();
  if (!q.counted) return bind_prim({scan_p, core::params(q)}, in, out);
  Vec args = joined({{&count, 1}, in});
  bind_prim({scan_p, core::params(q)}, args, out);
}

namespace {
// Of the body's inputs, those that depend on marked operands at any step.
Mask marked(const ScanParams& q, const Mask& own) {
  Sizes n(q);
  return carry_fixpoint(part(own, q.counted, own.size() - q.counted), n.n_const, n.n_carry, [&](const Mask& m) {
    return core::depends({&q.body, 1}, m);
  });
}
// One count per lane: all lanes run to the largest; a lane past its count keeps its carry and gives zero ys.
void batch_counted(const ScanParams& q, const BatchContext& ctx, std::span<Batched> in, std::span<Batched> out) {
  Sizes n(q);
  std::span<Batched> x = in.subspan(1);
  Types t = q.body->in_types();
  Mask mapped;
  for (std::size_t i = 0; i < t.size(); ++i) mapped.push_back((i >= n.n_const && i < n.fixed()) || x[i].dim >= 0);
  ProgramPtr stay = trace_program(t, [&](Ins a) {
    Ins carry = a.subspan(n.n_const, n.n_carry);
    Vec r(carry.begin(), carry.end());
    for (std::size_t i = n.n_carry; i < n.n_out; ++i) r.push_back(zeros(q.body->out_type(i)));
    return r;
  });
  // counts [B], constants | carry | index, xs  ->  lanes(index < counts; body; stay)
  Types lane = lane_types(t, mapped, ctx.size), types{{DType::i64, false, {ctx.size}}};
  append(types, std::span(lane).first(n.fixed()));
  types.push_back({DType::i64, false, {}});
  append(types, std::span(lane).subspan(n.fixed()));
  ProgramPtr body = trace_program(types, [&](Ins a) {
    Vec v{lt(a[1 + n.fixed()], a[0])};
    append(v, a.subspan(1, n.fixed()));
    append(v, a.subspan(2 + n.fixed()));
    return bind_lanes({{stay, q.body}, ctx.size, mapped}, v);
  });
  Tensor counts = move_dim0(in[0], ctx.size);
  Vec args{counts}, r(n.n_out);
  for (std::size_t i = 0; i < x.size(); ++i) {
    if (i == n.fixed()) args.push_back(iota(DType::i64, {q.length}, 0));
    args.push_back(mapped[i] ? move_dim(x[i], i < n.fixed() ? 0 : 1, ctx.size) : x[i].value);
  }
  if (x.size() == n.fixed()) args.push_back(iota(DType::i64, {q.length}, 0));
  ScanParams p = q;
  p.body = body;
  ++p.n_const;
  bind_scan(p, reduce_max(counts, {0}), args, r);
  for (std::size_t i = 0; i < n.n_out; ++i) out[i] = {r[i], i < n.n_carry ? 0 : 1};
}
}  // namespace

constexpr Primitive scan_p = {
    .name = "scan",
    .params = &param_type<ScanParams>,
    .n_out = [](const Params& p) { return static_cast<int>(p.get<ScanParams>().body->outputs.size()); },
    .shape =
        [](const Call& c, std::span<const Aval> in, std::span<Aval> out) {
          auto& q = scan_of(c);
          Sizes n(q);
          Types slices(in.begin() + q.counted, in.end());
          for (std::size_t i = n.fixed(); i < slices.size(); ++i) {
            if (slices[i].shape.empty() || slices[i].shape[0] != q.length)
              throw ShapeError("scan: operand " + std::to_string(i) + " has type " + slices[i].str() + ", expected " + std::to_string(q.length) +
                               " slices along dimension 0");
            slices[i].shape = slices[i].shape.without(0);
          }
          shapes_of(c, *q.body, slices, out);
          for (std::size_t i = 0; i < n.n_carry; ++i)
            if (!same_type(out[i], slices[n.n_const + i]))
              throw ShapeError("scan: carry " + std::to_string(i) + " enters as " + slices[n.n_const + i].str() + " and leaves as " + out[i].str());
          for (std::size_t i = n.n_carry; i < out.size(); ++i) out[i] = {out[i].dtype, false, out[i].shape.with(0, q.length)};
        },
    .eval =
        [](const Call& c, Ins all, Outs out) {
          auto& q = scan_of(c);
          Sizes n(q);
          Operands o(q, all);
          std::int64_t steps = q.counted ? std::min(q.length, o.count.item<std::int64_t>()) : q.length;
          Vec args(o.in.begin(), o.in.begin() + static_cast<std::ptrdiff_t>(n.fixed())), res(n.n_out), carry(args.begin() + q.n_const, args.end());
          std::vector<Stack> ys;
          for (std::size_t i = n.n_carry; i < n.n_out; ++i) ys.emplace_back(q.body->out_type(i), q.length, steps < q.length);
          args.resize(o.in.size());
          for (std::int64_t k = 0; k < steps; ++k) {
            std::int64_t at = q.reverse ? steps - 1 - k : k;
            for (std::size_t i = 0; i < n.n_const; ++i) args[i] = o.in[i];
            for (std::size_t i = 0; i < n.n_carry; ++i) args[n.n_const + i] = std::move(carry[i]);
            for (std::size_t i = n.fixed(); i < args.size(); ++i) args[i] = slice_at(o.in[i], at);
            run_consuming(q.body, args, res);
            for (std::size_t i = 0; i < n.n_carry; ++i) carry[i] = std::move(res[i]);
            for (std::size_t i = n.n_carry; i < n.n_out; ++i) ys[i - n.n_carry].put(at, res[i]);
          }
          for (std::size_t i = 0; i < n.n_out; ++i) out[i] = i < n.n_carry ? std::move(carry[i]) : ys[i - n.n_carry].take();
        },
    .jvp =
        [](const Call& c, Ins all_x, Ins all_t, Outs y, Outs dy) {
          auto& q = scan_of(c);
          Sizes n(q);
          Operands x(q, all_x);
          Ins t = all_t.subspan(q.counted);
          auto form = [&](const Mask& m) { return core::jvp_program(q.body, m, carry_outputs(m, n.n_const, n.n_carry, n.n_out)); };
          Mask m = carry_fixpoint(core::nonzero_mask(t), n.n_const, n.n_carry, [&](const Mask& mask) { return form(mask)->nonzero; });
          auto f = form(m);
          // (constants, carry, xs, tangents) -> (carry, ys, tangents), into the order of a scan
          Order in, out, tangent_in(m.size()), tangent_out(n.n_out);
          for (std::size_t i = 0, k = m.size(); i < m.size(); ++i)
            if (m[i]) tangent_in[i] = k++;
          for (std::size_t i = 0, k = n.n_out; i < n.n_out; ++i)
            if (f->nonzero[i]) tangent_out[i] = k++;
          Vec args;
          auto group = [&](std::size_t from, std::size_t size) {
            append_range(in, from, size);
            for (std::size_t i = from; i < from + size; ++i)
              if (m[i]) in.push_back(tangent_in[i]);
            append(args, x.in.subspan(from, size));
            append(args, tangents(m, x.in, t, from, size));
          };
          group(0, n.n_const);
          auto n_const = static_cast<std::int64_t>(args.size());
          group(n.n_const, n.n_carry);
          auto n_carry = static_cast<std::int64_t>(args.size()) - n_const;
          group(n.fixed(), n.n_xs);
          auto results = [&](std::size_t from, std::size_t size) {
            append_range(out, from, size);
            for (std::size_t i = from; i < from + size; ++i)
              if (f->nonzero[i]) out.push_back(tangent_out[i]);
          };
          results(0, n.n_carry);
          results(n.n_carry, n.n_out - n.n_carry);
          ScanParams p = q;
          p.body = *cached<ProgramPtr>(*f->program, form_key("scan_order", {m}, q.n_const), [&] { return reorder(f->program, in, out); });
          p.n_const = n_const;
          p.n_carry = n_carry;
          Vec r(out.size());
          bind_scan(p, x.count, args, r);
          Vec by(f->program->outputs.size());
          for (std::size_t i = 0; i < out.size(); ++i) by[out[i]] = std::move(r[i]);
          for (std::size_t i = 0; i < n.n_out; ++i) {
            y[i] = std::move(by[i]);
            if (f->nonzero[i]) dy[i] = std::move(by[tangent_out[i]]);
          }
        },
    .linearize =
        [](const Call& c, Ins all_x, Ins all_t, Outs y, Outs dy) {
          auto& q = scan_of(c);
          Operands x(q, all_x);
          linearize_loop(q, x.in, all_t.subspan(q.counted), y, dy, [&](const ProgramPtr& body, std::int64_t n_const, Ins in, Outs out) {
            ScanParams p = q;
            p.body = body;
            p.n_const = n_const;
            bind_scan(p, x.count, in, out);
            return x.count;
          });
        },
    .transpose =
        [](const Call& c, Ins ct, std::span<const Operand> all_in, Outs all_g) {
          // linear body (known constants, linear ones | carry | known xs, linear xs) -> (carry, ys)   becomes, in the other direction,
          //   (known constants | cotangents of carry, sums for linear constants | known xs, cotangents of ys)
          //   -> (cotangents of carry, sums | cotangents of linear xs)
          auto& q = scan_of(c);
          Sizes n(q);
          Tensor count = q.counted ? *all_in[0] : Tensor();
          auto in = all_in.subspan(q.counted);
          Outs g = all_g.subspan(q.counted);
          Mask linear = linear_mask(in), given;
          for (std::size_t i = 0; i < n.n_carry; ++i) linear[n.n_const + i] = 1;  // a carry that starts as a known zero is linear inside
          for (std::size_t i = 0; i < ct.size(); ++i) given.push_back(i < n.n_carry || !is_zero(ct[i]));
          std::size_t n_lin = prims::count(part(linear, 0, n.n_const)), n_known = n.n_const - n_lin;
          std::size_t n_known_xs = n.n_xs - prims::count(part(linear, n.fixed(), n.n_xs));
          auto make = [&] {
            ProgramPtr f = core::transpose_program(q.body, linear, given);  // known constants, known xs, cotangents -> constants, carry, xs
            Types from = f->in_types(), types(from.begin(), from.begin() + static_cast<std::ptrdiff_t>(n_known));
            append(types, std::span(from).subspan(n_known + n_known_xs, n.n_carry));
            for (std::size_t i = 0; i < n_lin; ++i) types.push_back(f->out_type(i));
            append(types, std::span(from).subspan(n_known, n_known_xs));
            append(types, std::span(from).subspan(n_known + n_known_xs + n.n_carry));
            return trace_program(types, [&](Ins a) {
              Ins known = a.first(n_known), carry = a.subspan(n_known, n.n_carry), sums = a.subspan(n_known + n.n_carry, n_lin);
              Ins known_xs = a.subspan(n_known + n.n_carry + n_lin, n_known_xs), ys = a.subspan(n_known + n.n_carry + n_lin + n_known_xs);
              Vec r = core::eval_program(*f, joined({known, known_xs, carry, ys})),
                  to(r.begin() + static_cast<std::ptrdiff_t>(n_lin), r.begin() + static_cast<std::ptrdiff_t>(n_lin + n.n_carry));
              for (std::size_t i = 0; i < n_lin; ++i) to.push_back(core::add(sums[i], r[i]));
              append(to, Ins(r).subspan(n_lin + n.n_carry));
              return to;
            });
          };
          ScanParams p = q;
          p.body = *cached<ProgramPtr>(*q.body, form_key("scan_transpose", {linear, given}, q.n_const) + std::to_string(q.n_carry), make);
          p.n_const = static_cast<std::int64_t>(n_known);
          p.n_carry = static_cast<std::int64_t>(n.n_carry + n_lin);
          p.reverse = !q.reverse;
          Vec args;
          for (std::size_t i = 0; i < n.n_const; ++i)
            if (!linear[i]) args.push_back(*in[i]);
          for (std::size_t i = 0; i < n.n_carry; ++i) args.push_back(instantiate(ct[i], q.body->out_type(i)));
          for (std::size_t i = 0; i < n.n_const; ++i)
            if (linear[i]) args.push_back(zeros(*in[i].type));
          for (std::size_t i = n.fixed(); i < in.size(); ++i)
            if (!linear[i]) args.push_back(*in[i]);
          core::append_nonzero(args, ct.subspan(n.n_carry));
          Vec out(p.body->outputs.size());
          bind_scan(p, count, args, out);
          for (std::size_t i = 0, k = n.n_carry; i < n.n_const; ++i)
            if (linear[i]) g[i] = out[k++];
          for (std::size_t i = 0; i < n.n_carry; ++i)
            if (in[n.n_const + i].linear()) g[n.n_const + i] = out[i];
          for (std::size_t i = n.fixed(), k = n.n_carry + n_lin; i < in.size(); ++i)
            if (linear[i]) g[i] = out[k++];
        },
    .depends =
        [](const Call& c, const Mask& own) {
          auto& q = scan_of(c);
          Mask m = marked(q, own), out = core::depends({&q.body, 1}, m);
          if (q.counted && own[0]) return Mask(out.size(), 1);
          for (std::size_t i = 0; i < Sizes(q).n_carry; ++i) out[i] = m[Sizes(q).n_const + i];
          return out;
        },
    .mixed =
        [](const Call& c, const Mask& own) {
          auto& q = scan_of(c);
          Sizes n(q);
          Mask m = marked(q, own), carry = part(m, n.n_const, n.n_carry);
          auto body = core::dependence(*q.body, m);  // a marked carry may become a zero at once: linear all the same
          Mask ys(body->out.begin() + q.n_carry, body->out.end());
          return count(carry) < n.n_carry || !body->all || count(ys) < ys.size();
        },
    .batch =
        [](const Call& c, const BatchContext& ctx, std::span<Batched> all_in, std::span<Batched> out) {
          auto& q = scan_of(c);
          if (q.counted && all_in[0].dim >= 0) return batch_counted(q, ctx, all_in, out);
          Sizes n(q);
          Tensor count = q.counted ? all_in[0].value : Tensor();
          auto in = all_in.subspan(q.counted);
          auto form = [&](const Mask& m) { return core::batch_program(q.body, ctx, m, carry_outputs(m, n.n_const, n.n_carry, n.n_out)); };
          Mask m = carry_fixpoint(batched_mask(in), n.n_const, n.n_carry, [&](const Mask& mask) { return form(mask)->batched; });
          auto f = form(m);
          Vec args, r(out.size());
          for (std::size_t i = 0; i < in.size(); ++i)  // of xs, the scanned dimension comes first, then the mapped one
            args.push_back(m[i] ? move_dim(in[i], i < n.fixed() ? 0 : 1, ctx.size) : in[i].value);
          ScanParams p = q;
          p.body = f->program;
          bind_scan(p, count, args, r);
          for (std::size_t i = 0; i < out.size(); ++i) out[i] = {r[i], !f->batched[i] ? -1 : i < n.n_carry ? 0 : 1};
        },
    .guard =
        [](const Call& c, const Tensor& on, Ins in, Outs out) {
          ScanParams p = scan_of(c);
          Operands o(p, in);
          p.body = core::guarded_program(p.body);
          ++p.n_const;
          bind_scan(p, o.count, joined({{&on, 1}, o.in}), out);
        }};

Table scan_table() {
  static constexpr const Primitive* t[] = {&scan_p};
  return t;
}

}  // namespace functra::prims
