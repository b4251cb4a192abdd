// linear_solve and root: derivatives of solutions by the implicit function theorem (as jax.lax.custom_linear_solve and custom_root).
#include "functra/prims/implicit.h"

#include "functra/prims/control.h"
#include "functra/prims/families.h"
#include "functra/prims/math.h"

namespace functra::prims {
namespace {

const LinearSolveParams& solve_of(const Call& c) { return c.params.get<LinearSolveParams>(); }
const RootParams& root_of(const Call& c) { return c.params.get<RootParams>(); }

// What both primitives take: three groups of constants, then the right-hand side (the start). Of operands, or of their types.
template <class T> struct Groups {
  std::span<const T> first, solve, third, last;
  Groups(const char* who, std::span<const T> in, std::size_t unknowns, std::int64_t n_first, std::int64_t n_solve, std::int64_t n_third) {
    if (static_cast<std::size_t>(n_first + n_solve + n_third) + unknowns != in.size())
      throw ShapeError(std::string(who) + ": got " + std::to_string(in.size()) + " operands for " + std::to_string(n_first + n_solve + n_third) +
                       " constants and " + std::to_string(unknowns) + " unknowns");
    auto take = [&](std::int64_t n) {
      auto r = in.first(static_cast<std::size_t>(n));
      in = in.subspan(r.size());
      return r;
    };
    first = take(n_first);
    solve = take(n_solve);
    third = take(n_third);
    last = in;
  }
};
template <class T> Groups<T> groups(const LinearSolveParams& q, std::span<const T> in) {
  return {"linear_solve", in, q.matvec->outputs.size(), q.n_matvec, q.n_solve, q.n_transposed};
}
template <class T> Groups<T> groups(const RootParams& q, std::span<const T> in) {
  return {"root", in, q.f->outputs.size(), q.n_f, q.n_solve, q.n_tangent};
}

Mask last_inputs(const ProgramPtr& p, std::size_t n) {  // marks the inputs after the first n
  Mask m(p->inputs.size());
  std::fill(m.begin() + static_cast<std::ptrdiff_t>(n), m.end(), 1);
  return m;
}
// The tangents of p's outputs alone: (inputs, nonzero tangents) -> nonzero tangents of outputs.
struct Tangents {
  ProgramPtr program;
  Mask nonzero;
};
std::shared_ptr<const Tangents> tangents_of(const ProgramPtr& p, const Mask& m) {
  auto make = [&] {
    auto f = core::jvp_program(p, m, Mask(p->outputs.size()));
    auto& outs = f->program->outputs;
    ProgramPtr t = core::with_outputs(*f->program, {outs.begin() + static_cast<std::ptrdiff_t>(p->outputs.size()), outs.end()}, false);
    return Tangents{core::without_effects(t), f->nonzero};
  };
  return cached<Tangents>(*p, form_key("tangents", {m}), make);
}
// d/d(constants) of p(constants, x) at x, for these tangents of the constants; null where zero.
Vec constant_tangents(const ProgramPtr& p, Ins constants, Ins t, Ins x) {
  Mask m = core::nonzero_mask(t);
  Vec r(p->outputs.size());
  if (!count(m)) return r;
  m.resize(p->inputs.size());
  auto f = tangents_of(p, m);
  Vec args = joined({constants, x});
  core::append_nonzero(args, t);
  Vec d = core::eval_program(*f->program, args);
  for (std::size_t i = 0, k = 0; i < r.size(); ++i)
    if (f->nonzero[i]) r[i] = d[k++];
  return r;
}
bool any_nonzero(Ins t) { return count(core::nonzero_mask(t)) != 0; }

// Every output mapped, given which constants are and that all inputs after them are.
ProgramPtr batch_all(const ProgramPtr& p, const BatchContext& ctx, Mask constants) {
  constants.resize(p->inputs.size(), 1);
  return core::batch_program(p, ctx, constants, Mask(p->outputs.size(), 1))->program;
}
// Operands with mapped dimensions in front; those after the first n are mapped.
Vec batch_operands(std::span<const Batched> in, const BatchContext& ctx, std::size_t n, Mask& m) {
  Vec a = to_front(in, ctx.size, m);
  for (std::size_t i = n; i < a.size(); ++i)
    if (!m[i]) a[i] = move_dim0(in[i], ctx.size);
  return a;
}
void check_like(const Call& c, const char* what, std::span<const Aval> is, std::span<const Aval> should) {
  if (is.size() < should.size())
    throw ShapeError(std::string(c.prim.name) + ": " + what + " gives " + std::to_string(is.size()) + " results for " +
                     std::to_string(should.size()) + " unknowns");
  for (std::size_t i = 0; i < should.size(); ++i)
    if (!same_type(is[i], should[i]))
      throw ShapeError(std::string(c.prim.name) + ": " + what + " gives result " + std::to_string(i) + " of type " + is[i].str() + ", expected " +
                       should[i].str());
}
Types joined_types(std::span<const Aval> a, std::span<const Aval> b, std::span<const Aval> c = {}) {
  Types r(a.begin(), a.end());
  append(r, b);
  append(r, c);
  return r;
}
// Does input i of a linear Program act on its tangents. Residuals of a user's backward rule do not count: it may keep what it likes.
bool acts(const Program& p, std::size_t input) {
  static const Primitive* kept = core::find_primitive("custom_linear");
  for (const core::Eqn& e : p.eqns) {
    if (e.prim == kept) continue;
    auto inner = core::inner_programs(e);
    auto in = p.operands(e);
    for (std::size_t k = 0; k < in.size(); ++k) {
      if (in[k] != p.inputs[input]) continue;
      bool same_inputs = inner.size() == 1 && inner[0]->inputs.size() == in.size();
      if (!same_inputs || acts(*inner[0], k)) return true;
    }
  }
  return false;
}

}  // namespace

Vec bind_linear_solve(const LinearSolveParams& q, Ins in) { return core::bind_all(linear_solve_p, in, q); }
Vec bind_root(const RootParams& q, Ins in) { return core::bind_all(root_p, in, q); }

bool is_linear(const ProgramPtr& p, std::size_t n_const) {
  auto find = [&] {
    std::size_t n = p->outputs.size();
    Mask x = last_inputs(p, n_const);
    auto l = core::linearize_program(p, x, Mask(n));
    Mask value = core::depends({&p, 1}, x), kept = core::depends({&l->primal, 1}, x);
    for (std::size_t i = 0; i < n; ++i)
      if (value[i] && !l->nonzero[i]) return false;  // depends on x, with derivative zero
    for (std::size_t i = 0; i < l->n_res; ++i)
      if (kept[n + i] && acts(*l->linear, i)) return false;
    return true;
  };
  return *cached<bool>(*p, form_key("is_linear", {}, static_cast<std::int64_t>(n_const)), find);
}
ProgramPtr transposed_map(const ProgramPtr& p, std::size_t n_const) {
  auto make = [&] {
    std::size_t n = p->outputs.size();
    auto l = core::linearize_program(p, last_inputs(p, n_const), Mask(n));
    Mask linear(l->n_res);
    linear.resize(l->linear->inputs.size(), 1);
    ProgramPtr t = core::transpose_program(l->linear, linear, Mask(count(l->nonzero), 1));
    ProgramPtr primal = core::without_effects(l->primal);
    Types in = p->in_types(), types(in.begin(), in.begin() + static_cast<std::ptrdiff_t>(n_const));
    append(types, p->out_types());
    return trace_program(types, [&](Ins a) {
      Vec args(a.begin(), a.begin() + static_cast<std::ptrdiff_t>(n_const));
      for (std::size_t i = n_const; i < in.size(); ++i) args.push_back(zeros(in[i]));  // a linear map is its own derivative, anywhere
      Vec r = core::eval_program(*primal, args);
      r.erase(r.begin(), r.begin() + static_cast<std::ptrdiff_t>(n));
      for (std::size_t i = 0; i < n; ++i)
        if (l->nonzero[i]) r.push_back(a[n_const + i]);
      return core::eval_program(*t, r);
    });
  };
  return *cached<ProgramPtr>(*p, form_key("transposed_map", {}, static_cast<std::int64_t>(n_const)), make);
}

// ---------------------------------------------------------------- linear_solve
constexpr Primitive linear_solve_p = {
    .name = "linear_solve",
    .params = &param_type<LinearSolveParams>,
    .n_out = [](const Params& p) { return static_cast<int>(p.get<LinearSolveParams>().solve->outputs.size()); },
    .shape =
        [](const Call& c, std::span<const Aval> in, std::span<Aval> out) {
          auto& q = solve_of(c);
          Groups g = groups(q, in);
          Types like(g.last.size());
          shapes_of(c, *q.matvec, joined_types(g.first, g.last), like);
          check_like(c, "the linear map", like, g.last);
          shapes_of(c, *q.solve, joined_types(g.solve, g.last), out);
          check_like(c, "the solver", out, g.last);
          if (q.transposed.empty()) return;
          if (q.transposed.size() != 2) throw ShapeError("linear_solve: a transpose is a map and its solver");
          shapes_of(c, *q.transposed[0], joined_types(g.first, g.last), like);
          check_like(c, "the transposed map", like, g.last);
          check_inputs(c, *q.transposed[1], joined_types(g.third, g.last));
          check_like(c, "the transposed solver", q.transposed[1]->out_types(), g.last);
        },
    .eval =
        [](const Call& c, Ins in, Outs out) {
          auto& q = solve_of(c);
          Groups o = groups(q, in);
          run_concrete(q.solve, joined({o.solve, o.last}), out);
        },
    .jvp =
        [](const Call& c, Ins x, Ins t, Outs y, Outs dy) {  // A x = b, so A dx = db - dA x
          auto& q = solve_of(c);
          std::size_t n = q.matvec->outputs.size();
          bind_prim(c, x, y);
          Groups o = groups(q, x), d = groups(q, t);
          Vec rhs(d.last.begin(), d.last.end()), moved = constant_tangents(q.matvec, o.first, d.first, y.first(n));
          for (std::size_t i = 0; i < n; ++i)
            if (!is_zero(moved[i])) rhs[i] = is_zero(rhs[i]) ? neg(moved[i]) : sub(rhs[i], moved[i]);
          if (!any_nonzero(rhs)) return;
          for (std::size_t i = 0; i < n; ++i) rhs[i] = instantiate(rhs[i], y[i].aval());
          Vec v = bind_linear_solve(q, joined({x.first(x.size() - n), rhs}));
          std::move(v.begin(), v.begin() + static_cast<std::ptrdiff_t>(n), dy.begin());
        },
    .transpose =
        [](const Call& c, Ins ct, std::span<const Operand> in, Outs g) {
          auto& q = solve_of(c);
          if (q.transposed.empty())
            throw MissingRuleError(
                "custom_linear_solve: reverse mode solves with the transposed map; pass transpose_solve, or {.symmetric = true} where the map is "
                "its own transpose, and a map whose operations have transposes");
          std::size_t n = q.matvec->outputs.size(), n_const = in.size() - n;
          Vec args;
          for (std::size_t i = 0; i < n_const; ++i) {
            if (in[i].linear()) throw MissingRuleError("linear_solve is linear in its right-hand side alone, not in what the map closes over");
            args.push_back(*in[i]);
          }
          if (!any_nonzero(ct.first(n))) return;
          for (std::size_t i = 0; i < n; ++i) args.push_back(instantiate(ct[i], *in[n_const + i].type));
          Groups o = groups(q, Ins(args));
          LinearSolveParams p{q.transposed[0], q.transposed[1], {q.matvec, q.solve}, q.n_matvec, q.n_transposed, q.n_solve};
          Vec r = bind_linear_solve(p, joined({o.first, o.third, o.solve, o.last}));
          for (std::size_t i = 0; i < n; ++i)
            if (in[n_const + i].linear()) g[n_const + i] = r[i];
        },
    .batch =
        [](const Call& c, const BatchContext& ctx, std::span<Batched> in, std::span<Batched> out) {
          auto& q = solve_of(c);
          std::size_t n = q.matvec->outputs.size(), n_matvec = static_cast<std::size_t>(q.n_matvec), n_solve = static_cast<std::size_t>(q.n_solve);
          Mask m;
          Vec a = batch_operands(in, ctx, in.size() - n, m);
          Mask matvec = part(m, 0, n_matvec), solve = part(m, n_matvec, n_solve),
               third = part(m, n_matvec + n_solve, static_cast<std::size_t>(q.n_transposed));
          LinearSolveParams p = q;
          p.matvec = batch_all(q.matvec, ctx, matvec);
          p.solve = batch_all(q.solve, ctx, solve);
          if (!q.transposed.empty()) p.transposed = {batch_all(q.transposed[0], ctx, matvec), batch_all(q.transposed[1], ctx, third)};
          Vec r = bind_linear_solve(p, a);
          for (std::size_t i = 0; i < out.size(); ++i) out[i] = {r[i], 0};
        },
    .guard =
        [](const Call& c, const Tensor& on, Ins in, Outs out) {
          auto& q = solve_of(c);
          Groups o = groups(q, in);
          LinearSolveParams p{core::guarded_program(q.matvec),
                              core::guarded_program(q.solve),
                              each_branch(q.transposed, core::guarded_program),
                              q.n_matvec + 1,
                              q.n_solve + 1,
                              q.n_transposed + 1};
          Ins flag(&on, 1);
          Vec r = bind_linear_solve(p, joined({flag, o.first, flag, o.solve, flag, o.third, o.last}));
          std::move(r.begin(), r.end(), out.begin());
        },
    .recomputes = true,
};

// ---------------------------------------------------------------- root
constexpr Primitive root_p = {
    .name = "root",
    .params = &param_type<RootParams>,
    .n_out = [](const Params& p) { return static_cast<int>(p.get<RootParams>().solve->outputs.size()); },
    .shape =
        [](const Call& c, std::span<const Aval> in, std::span<Aval> out) {
          auto& q = root_of(c);
          Groups g = groups(q, in);
          Types like(g.last.size());
          shapes_of(c, *q.f, joined_types(g.first, g.last), like);
          check_like(c, "the function", like, g.last);
          shapes_of(c, *q.solve, joined_types(g.solve, g.last), out);
          check_like(c, "the solver", out, g.last);
          if (q.tangent_solve.empty()) return;
          check_inputs(c, *q.tangent_solve[0], joined_types(g.third, g.last, g.last));
          check_like(c, "the solver of tangents", q.tangent_solve[0]->out_types(), g.last);
        },
    .eval =
        [](const Call& c, Ins in, Outs out) {
          auto& q = root_of(c);
          Groups o = groups(q, in);
          run_concrete(q.solve, joined({o.solve, o.last}), out);
        },
    .jvp =
        [](const Call& c, Ins x, Ins t, Outs y, Outs dy) {  // f(c, x) = 0, so (df/dx) dx = -(df/dc) dc
          auto& q = root_of(c);
          std::size_t n = q.f->outputs.size();
          bind_prim(c, x, y);
          Groups o = groups(q, x), d = groups(q, t);
          Ins root = y.first(n);
          Vec rhs = constant_tangents(q.f, o.first, d.first, root);
          if (!any_nonzero(rhs)) return;
          if (q.tangent_solve.empty()) throw MissingRuleError("root: no solver of tangents was given, so it has no derivative");
          for (std::size_t i = 0; i < n; ++i) rhs[i] = is_zero(rhs[i]) ? zeros(y[i].aval()) : neg(rhs[i]);
          Vec v = core::eval_program(*q.tangent_solve[0], joined({o.third, root, rhs}));
          std::move(v.begin(), v.begin() + static_cast<std::ptrdiff_t>(n), dy.begin());
        },
    .batch =
        [](const Call& c, const BatchContext& ctx, std::span<Batched> in, std::span<Batched> out) {
          auto& q = root_of(c);
          std::size_t n = q.f->outputs.size(), n_f = static_cast<std::size_t>(q.n_f), n_solve = static_cast<std::size_t>(q.n_solve);
          Mask m;
          Vec a = batch_operands(in, ctx, in.size() - n, m);
          RootParams p = q;
          p.f = batch_all(q.f, ctx, part(m, 0, n_f));
          p.solve = batch_all(q.solve, ctx, part(m, n_f, n_solve));
          Mask third = part(m, n_f + n_solve, static_cast<std::size_t>(q.n_tangent));
          p.tangent_solve = each_branch(q.tangent_solve, [&](const ProgramPtr& s) { return batch_all(s, ctx, third); });
          Vec r = bind_root(p, a);
          for (std::size_t i = 0; i < out.size(); ++i) out[i] = {r[i], 0};
        },
    .guard =
        [](const Call& c, const Tensor& on, Ins in, Outs out) {
          auto& q = root_of(c);
          Groups o = groups(q, in);
          RootParams p{core::guarded_program(q.f),
                       core::guarded_program(q.solve),
                       each_branch(q.tangent_solve, core::guarded_program),
                       q.n_f + 1,
                       q.n_solve + 1,
                       q.n_tangent + 1};
          Ins flag(&on, 1);
          Vec r = bind_root(p, joined({flag, o.first, flag, o.solve, flag, o.third, o.last}));
          std::move(r.begin(), r.end(), out.begin());
        },
};

Table implicit_table() {
  static constexpr const Primitive* t[] = {&linear_solve_p, &root_p};
  return t;
}

}  // namespace functra::prims
