#include "functra/prims/host.h"

#include <cstdio>
#include <mutex>

#include "functra/prims/control.h"
#include "functra/prims/families.h"
#include "functra/prims/loop.h"
#include "functra/prims/math.h"
#include "functra/prims/registry.h"
#include "functra/prims/shape.h"

namespace functra::prims {

HostPtr register_host(std::string name, std::function<Vec(Ins)> f) {
  return registry<HostFunction>().add({std::move(name), std::move(f)}, "callback");
}
void write(std::string& out, const HostPtr& f) { out += core::quote(f->name); }
void read(core::TextReader& in, HostPtr& f) { registry<HostFunction>().read(in, f, "callback"); }
HostOpPtr register_op(HostOp op) { return registry<HostOp>().add(std::move(op), "primitive"); }
void write(std::string& out, const HostOpPtr& f) { out += core::quote(f->name); }
void read(core::TextReader& in, HostOpPtr& f) { registry<HostOp>().read(in, f, "primitive"); }
VmapRulePtr register_vmap_rule(VmapRule rule) { return registry<VmapRule>().add(std::move(rule), "batching rule"); }
void write(std::string& out, const VmapRulePtr& f) { out += core::quote(f->name); }
void read(core::TextReader& in, VmapRulePtr& f) { registry<VmapRule>().read(in, f, "batching rule"); }

// ---------------------------------------------------------------- effects
namespace {
std::mutex sink_mutex;
std::function<void(const std::string&)>& sink() {
  static auto* s = new std::function<void(const std::string&)>;
  return *s;
}
void print_line(const std::string& line) {
  std::lock_guard lock(sink_mutex);
  if (sink()) sink()(line);
  else std::fputs((line + "\n").c_str(), stdout);
}
std::string formatted(const std::string& format, Ins values) {
  std::string r;
  std::size_t k = 0;
  for (std::size_t i = 0; i < format.size(); ++i) {
    bool twice = i + 1 < format.size() && format[i] == format[i + 1];
    if ((format[i] == '{' || format[i] == '}') && twice) r += format[i++];
    else if (format.compare(i, 2, "{}") == 0 && k < values.size()) {
      const Tensor& t = values[k++];
      r += t.rank0() ? t.item().str() : to_string(t);
      ++i;
    } else r += format[i];
  }
  return r;
}
// Calls f with the operands of each lane that is on.
template <class F> void each_lane(std::int64_t lanes, bool masked, Ins in, F f) {
  Ins values = in.subspan(masked);
  for (std::int64_t l = 0; l < std::max<std::int64_t>(lanes, 1); ++l) {
    Vec x;
    for (const Tensor& t : values) x.push_back(lanes ? slice_at(t, l) : t);
    if (lanes == 0 && masked && !in[0].item<bool>()) continue;
    if (lanes && masked && !slice_at(in[0], l).item<bool>()) continue;
    f(Ins(x));
  }
}
// Two levels of lanes become one; operands that lanes share are repeated.
template <class P> void batch_effect(const Call& c, const BatchContext& ctx, std::span<Batched> in) {
  P p = c.params.get<P>();
  Vec a;
  for (auto& b : in) {
    Tensor v = move_dim0(b, ctx.size);
    a.push_back(p.lanes ? reshape(v, v.sizes().without(0).without(0).with(0, p.lanes * ctx.size)) : v);
  }
  p.lanes = (p.lanes ? p.lanes : 1) * ctx.size;
  if (p.lanes == 0) return;  // an empty batch
  bind_prim({c.prim, core::params(p)}, a, {});
}
template <class P> void guard_effect(const Call& c, const Tensor& on, Ins in, Outs) {
  P p = c.params.get<P>();
  Tensor mask = p.lanes ? broadcast_in_dim(on, {p.lanes}, {}) : on;
  if (p.masked) mask = bitwise_and(mask, in[0]);
  Vec a = joined({{&mask, 1}, in.subspan(p.masked)});
  p.masked = true;
  bind_prim({c.prim, core::params(p)}, a, {});
}
template <class P> constexpr Primitive effect_p(const char* name, decltype(Primitive::eval) eval) {
  Primitive p{.name = name};
  p.effect = p.guarded = true;
  p.params = &param_type<P>;
  p.n_out = [](const Params&) { return 0; };
  p.shape = [](const Call&, std::span<const Aval>, std::span<Aval>) {};
  p.eval = eval;
  p.jvp = [](const Call& c, Ins x, Ins, Outs y, Outs) { bind_prim(c, x, y); };
  p.batch = [](const Call& c, const BatchContext& ctx, std::span<Batched> in, std::span<Batched>) { batch_effect<P>(c, ctx, in); };
  p.guard = guard_effect<P>;
  return p;
}
}  // namespace
void set_print_sink(std::function<void(const std::string&)> s) {
  std::lock_guard lock(sink_mutex);
  sink() = std::move(s);
}

constexpr Primitive debug_print_p = effect_p<PrintParams>("debug_print", [](const Call& c, Ins in, Outs) {
  auto& q = c.params.get<PrintParams>();
  each_lane(q.lanes, q.masked, in, [&](Ins x) { print_line(formatted(q.format, x)); });
});
constexpr Primitive debug_callback_p = effect_p<EffectParams>("debug_callback", [](const Call& c, Ins in, Outs) {
  auto& q = c.params.get<EffectParams>();
  Scope outside(nullptr);
  each_lane(q.lanes, q.masked, in, [&](Ins x) { q.f->call(x); });
});

// ---------------------------------------------------------------- pure callbacks
namespace {
// A scan over the lanes of a call that cannot be batched otherwise.
void batch_sequential(const Call& c, std::int64_t size, std::span<Batched> in, std::span<Batched> out) {
  Types types;
  Order order;  // constants first, then the mapped operands
  for (bool mapped : {false, true})
    for (std::size_t i = 0; i < in.size(); ++i)
      if ((in[i].dim >= 0) == mapped) order.push_back(i);
  Vec args;
  std::int64_t n_const = 0;
  for (std::size_t i : order) {
    Aval a = in[i].value.aval();
    if (in[i].dim >= 0) a.shape = a.shape.without(static_cast<std::size_t>(in[i].dim));
    else ++n_const;
    types.push_back(a);
    args.push_back(in[i].dim >= 0 ? move_dim0(in[i], size) : in[i].value);
  }
  ProgramPtr body = trace_program(types, [&](Ins a) {
    Vec x(in.size()), y(out.size());
    for (std::size_t i = 0; i < order.size(); ++i) x[order[i]] = a[i];
    bind_prim(c, x, y);
    return y;
  });
  Vec r(out.size());
  bind_scan({body, n_const, 0, size}, {}, args, r);
  for (std::size_t i = 0; i < out.size(); ++i) out[i] = {r[i], 0};
}
// The operands of one call for the whole batch: mapped dimension in front, or an extent of one, or all repeated.
Vec batched_operands(CallbackVmap how, std::int64_t size, std::span<Batched> in) {
  Vec a;
  for (auto& b : in) a.push_back(b.dim >= 0 || how == CallbackVmap::broadcast_all ? move_dim0(b, size) : move_dim0({b.value, -1}, 1));
  return a;
}
[[noreturn]] void no_vmap(const std::string& what) {
  throw MissingRuleError(
      what +
      " under vmap: say how: one example after another (sequential), or one call for all with a leading dimension (expand_dims, broadcast_all)");
}
void check_result(const std::string& who, std::size_t i, const Tensor& t, const Aval& want) {
  if (!t.defined()) throw ValueError(who + ": result " + std::to_string(i) + " is undefined");
  Aval is = t.aval();
  if (!(is.shape == want.shape)) throw ShapeError(who + ": result " + std::to_string(i) + " has type " + is.str() + ", declared " + want.str());
  if (is.dtype != want.dtype && !is.weak)
    throw DTypeError(who + ": result " + std::to_string(i) + " has type " + is.str() + ", declared " + want.str());
}
}  // namespace

constexpr Primitive pure_callback_p = {
    .name = "pure_callback",
    .params = &param_type<CallbackParams>,
    .n_out = [](const Params& p) { return static_cast<int>(p.get<CallbackParams>().results.size()); },
    .shape =
        [](const Call& c, std::span<const Aval>, std::span<Aval> out) {
          auto& r = c.params.get<CallbackParams>().results;
          std::copy(r.begin(), r.end(), out.begin());
        },
    .eval =
        [](const Call& c, Ins in, Outs out) {
          auto& q = c.params.get<CallbackParams>();
          Scope outside(nullptr);
          Vec r = q.f->call(in);
          if (r.size() != out.size())
            throw StructureError("pure_callback: " + std::to_string(r.size()) + " results, declared " + std::to_string(out.size()));
          for (std::size_t i = 0; i < r.size(); ++i) {
            check_result("pure_callback", i, r[i], q.results[i]);
            out[i] = convert(r[i], q.results[i].dtype);
          }
        },
    .batch =
        [](const Call& c, const BatchContext& ctx, std::span<Batched> in, std::span<Batched> out) {
          CallbackParams q = c.params.get<CallbackParams>();
          if (q.vmap == CallbackVmap::error) no_vmap("pure_callback");
          if (q.vmap == CallbackVmap::sequential) return batch_sequential(c, ctx.size, in, out);
          for (auto& a : q.results) a.shape = a.shape.with(0, ctx.size);
          Vec r = core::bind_all(pure_callback_p, batched_operands(q.vmap, ctx.size, in), q);
          for (std::size_t i = 0; i < out.size(); ++i) out[i] = {r[i], 0};
        },
};

// ---------------------------------------------------------------- defined primitives
namespace {
const HostOp& op_of(const Call& c) { return *c.params.get<HostOpParams>().op; }
constexpr Primitive host_op(const char* name) {
  Primitive p{.name = name};
  p.params = &param_type<HostOpParams>;
  p.n_out = [](const Params& q) { return q.get<HostOpParams>().op->results; };
  p.eval = [](const Call& c, Ins in, Outs out) {
    auto& op = op_of(c);
    Scope outside(nullptr);
    Types types;
    Vec x;
    for (const Tensor& t : in) {
      types.push_back(t.aval());
      x.push_back(t.contiguous());
    }
    types = op.shape(types);
    for (std::size_t i = 0; i < out.size(); ++i) out[i] = Tensor::uninitialized(types[i].dtype, types[i].shape);
    op.eval(x, out);
  };
  p.jvp = [](const Call& c, Ins x, Ins t, Outs y, Outs dy) {
    auto& op = op_of(c);
    if (!op.jvp)
      throw MissingRuleError(op.name + " has no derivative rule; give its definition a jvp, or wrap its use in custom_jvp or stop_gradient");
    bind_prim(c, x, y);
    Vec d = op.jvp(x, y, t);
    if (d.size() != dy.size())
      throw StructureError(op.name + ": the jvp rule gives " + std::to_string(d.size()) + " tangents for " + std::to_string(dy.size()) + " results");
    for (std::size_t i = 0; i < d.size(); ++i) {
      if (is_zero(d[i]) || !is_differentiable(y[i].raw_dtype())) continue;
      check_result(op.name + ": the tangent of the jvp rule", i, d[i], y[i].aval());
      dy[i] = convert(d[i], y[i].raw_dtype());
    }
  };
  p.batch = [](const Call& c, const BatchContext& ctx, std::span<Batched> in, std::span<Batched> out) {
    auto& op = op_of(c);
    if (op.batch) {
      auto r = op.batch(ctx.size, in);
      if (r.size() != out.size())
        throw StructureError(op.name + ": the batching rule gives " + std::to_string(r.size()) + " results, expected " + std::to_string(out.size()));
      std::copy(r.begin(), r.end(), out.begin());
      return;
    }
    if (op.vmap == CallbackVmap::error) no_vmap(op.name);
    if (op.vmap == CallbackVmap::sequential) return batch_sequential(c, ctx.size, in, out);
    Vec r(out.size());
    bind_prim(c, batched_operands(op.vmap, ctx.size, in), r);
    for (std::size_t i = 0; i < out.size(); ++i) out[i] = {r[i], 0};
  };
  p.shape = [](const Call& c, std::span<const Aval> in, std::span<Aval> out) {
    Types r = op_of(c).shape(Types(in.begin(), in.end()));
    if (r.size() != out.size())
      throw StructureError(op_of(c).name + ": the shape rule gives " + std::to_string(r.size()) + " results, declared " + std::to_string(out.size()));
    std::copy(r.begin(), r.end(), out.begin());
  };
  return p;
}
}  // namespace
constexpr Primitive host_op_p = host_op("host_op");
constexpr Primitive host_linear_op_p = [] {
  Primitive p = host_op("host_linear_op");
  p.transpose = [](const Call& c, Ins ct, std::span<const Operand> in, Outs g) {
    Vec r = op_of(c).transpose(ct, in);
    if (r.size() != in.size())
      throw StructureError(op_of(c).name + ": the transpose rule gives " + std::to_string(r.size()) + " cotangents for " + std::to_string(in.size()) +
                           " operands");
    for (std::size_t i = 0; i < in.size(); ++i)
      if (in[i].linear()) g[i] = r[i];
  };
  return p;
}();

// ---------------------------------------------------------------- custom_vmap
namespace {
const ProgramPtr& program_of(const Call& c) { return c.params.get<CustomVmapParams>().program; }
Call as_call(const CallParams& p) { return {jit_call_p, core::params(p)}; }
}  // namespace
constexpr Primitive custom_vmap_p = {
    .name = "custom_vmap_call",
    .params = &param_type<CustomVmapParams>,
    .n_out = [](const Params& p) { return static_cast<int>(p.get<CustomVmapParams>().program->outputs.size()); },
    .shape = [](const Call& c, std::span<const Aval> in, std::span<Aval> out) { shapes_of(c, *program_of(c), in, out); },
    .eval = [](const Call& c, Ins in, Outs out) { run_concrete(program_of(c), in, out); },
    .jvp =
        [](const Call& c, Ins x, Ins t, Outs y, Outs dy) {
          CallParams p{program_of(c)};
          jit_call_p.jvp(as_call(p), x, t, y, dy);
        },
    .linearize =
        [](const Call& c, Ins x, Ins t, Outs y, Outs dy) {
          CallParams p{program_of(c)};
          jit_call_p.linearize(as_call(p), x, t, y, dy);
        },
    .transpose =
        [](const Call& c, Ins ct, std::span<const Operand> in, Outs g) {
          CallParams p{program_of(c)};
          jit_call_p.transpose(as_call(p), ct, in, g);
        },
    .depends =
        [](const Call& c, const Mask& own) {
          return core::depends({&program_of(c), 1}, own);
        },
    .mixed =
        [](const Call& c, const Mask& own) {
          return core::mixed({&program_of(c), 1}, own);
        },
    .batch =
        [](const Call& c, const BatchContext& ctx, std::span<Batched> in, std::span<Batched> out) {
          Mask m;
          Vec a = to_front(in, ctx.size, m);
          auto r = c.params.get<CustomVmapParams>().rule->call(ctx.size, m, a);
          for (std::size_t i = 0; i < out.size(); ++i) {
            Aval want = program_of(c)->out_type(i), is = r[i].value.aval();
            if (r[i].dim >= 0) want.shape = want.shape.with(0, ctx.size);
            check_result("custom_vmap: the rule's", i, r[i].value, want);
            out[i] = {is.weak && !want.weak ? convert(r[i].value, want.dtype) : r[i].value, r[i].dim};
          }
        },
    .guard =
        [](const Call& c, const Tensor& on, Ins in, Outs out) {
          call(core::guarded_program(program_of(c)), joined({{&on, 1}, in}), out);
        },
};

Table host_table() {
  static constexpr const Primitive* t[] = {&debug_print_p, &debug_callback_p, &pure_callback_p, &host_op_p, &host_linear_op_p, &custom_vmap_p};
  return t;
}

}  // namespace functra::prims
