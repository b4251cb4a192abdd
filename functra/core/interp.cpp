// Dispatch and the four interpreters.
#include "functra/core/interp.h"

#include "functra/core/expansion.h"

#include <atomic>

#include "functra/base/memory.h"
#include "functra/core/basis.h"
#include "functra/tensor/traced.h"

namespace functra::core {
namespace {

std::atomic<std::uint64_t> next_tag{1};

template <class N> N* new_node() { return new (allocate(sizeof(N))) N; }
template <class N> void delete_node(Node* n) {
  static_cast<N*>(n)->~N();
  deallocate(n, sizeof(N));
}
const char* kind_name(Tensor::Kind k) {
  return k == Tensor::Kind::Var   ? "a recorded value (jit, make_fx or linearize)"
         : k == Tensor::Kind::Jvp ? "a differentiated value (grad, vjp or jvp)"
                                  : "a batched value (vmap)";
}
// Programs keep their capacity from one recording to the next: a warm gradient allocates nothing here.
thread_local std::vector<Program> spare;

}  // namespace

Interp::Interp(const char* name, bool records_all)
    : tag(next_tag.fetch_add(1, std::memory_order_relaxed)),
      parent(current),
      tracer(records_all ? this
             : current   ? current->tracer
                         : nullptr),
      name(name) {}

Interp* owner_of(const Tensor& t) {
  Interp* i = current;
  while (i && i->tag != t.tag()) i = i->parent;
  return i;
}
void escaped(const Tensor& t, const char* where) {
  throw TracerError(std::string(where) + ": the tensor is " + kind_name(t.kind()) + " of transform #" + std::to_string(t.tag()) +
                    ", which has finished or runs on another thread; return it from the transformed function instead of storing it");
}
void check_alive(const Tensor& t, const char* where) {
  if (t.tag() && !owner_of(t)) escaped(t, where);
}

// ---------------------------------------------------------------- jvp
Tensor JvpInterp::wrap(const Tensor& p, const Tensor& t) {
  if (is_zero(t)) return p;
  auto* n = new_node<JvpNode>();
  n->primal = p;
  n->tangent = t;
  return Tensor::adopt(n, Tensor::Kind::Jvp, tag, p.raw_dtype(), p.weak(), p.rank0());
}
namespace {
// With those that vmap maps.
std::int64_t elements(const Tensor& t) {
  if (t.kind() == Tensor::Kind::Jvp) return elements(t.node_as<JvpNode>().primal);
  if (t.kind() == Tensor::Kind::Batch) return elements(t.node_as<BatchNode>().value);
  return t.defined() ? t.aval().shape.numel() : 0;
}
bool differentiates(const Interp* i) { return i && (dynamic_cast<const JvpInterp*>(i) || differentiates(i->parent)); }
// The pieces of a small factorisation, bound in the current interpreter; false where it has none, or is better left whole.
bool expanded(const Call& c, Ins in, Outs out) {
  std::vector<Aval> types;
  for (const Tensor& t : in) types.push_back(t.aval());
  for (auto& t : types)
    if (t.shape.has(0)) return false;
  if (!worth_expanding(types, matrices_in(elements(in[0]), types[0]), differentiates(current->parent))) return false;
  auto p = c.prim.lowering.expand(c, types);
  if (!p) return false;
  eval_program(*p, in, out);
  return true;
}
}  // namespace
void JvpInterp::process(const Call& c, Ins in, Outs out) {
  if (expanding && c.prim.lowering.expand) {
    Scope s(this);
    if (expanded(c, in, out)) return;
  }
  Borrowed<4> x(in.size()), t(in.size());  // the operands keep these alive
  for (std::size_t k = 0; k < in.size(); ++k) {
    if (in[k].tag() == tag) {
      auto& n = in[k].node_as<JvpNode>();
      x.set(k, n.primal);
      t.set(k, n.tangent);
    } else {
      x.set(k, in[k]);
      t.null(k);
    }
  }
  auto rule = linearizing && c.prim.linearize ? c.prim.linearize : c.prim.jvp;
  if (!rule)
    throw MissingRuleError(std::string(c.prim.name) + " has no derivative rule, needed by " + name +
                           "; wrap the part that uses it in custom_jvp or stop_gradient");
  Buf<Tensor, 2> dy(out.size());
  Scope s(parent);
  rule(c, x, t, out, dy);
  for (std::size_t k = 0; k < out.size(); ++k)
    if (!is_zero(dy[k])) out[k] = wrap(out[k], dy[k]);
}

// ---------------------------------------------------------------- batching
BatchInterp::BatchInterp(std::int64_t size, Draws draws, std::string axis)
    : Interp("vmap"), axis_name(std::move(axis)), context{size, draws, &axis_name} {
  wants = seen_random;
}
Tensor BatchInterp::wrap(const Tensor& v, int dim, bool weak) {
  if (dim < 0) return v;
  auto* n = new_node<BatchNode>();
  n->value = v;
  n->dim = dim;
  return Tensor::adopt(n, Tensor::Kind::Batch, tag, v.raw_dtype(), weak, v.is_array() ? v.shape_ref().size() == 1 : v.sizes().size() == 1);
}
void BatchInterp::process(const Call& c, Ins in, Outs out) {
  Buf<Batched, 3> x(in.size());
  Buf<Batched, 2> y(out.size());
  bool weak = c.prim.n_out != nullptr;  // may a result be weak
  for (std::size_t k = 0; k < in.size(); ++k) {
    x[k] = unwrap(in[k]);
    weak |= in[k].weak();
  }
  if (!c.prim.batch)
    throw MissingRuleError(std::string(c.prim.name) + " has no batching rule, needed by vmap" +
                           (axis_name.empty() ? "" : " over axis '" + axis_name + "'"));
  Buf<Aval, 2> types(out.size());
  if (weak) {
    Buf<Aval, 4> t(in.size());
    for (std::size_t k = 0; k < in.size(); ++k) t[k] = in[k].aval();
    c.prim.shape(c, t, types);
  }
  Scope s(parent);
  c.prim.batch(c, context, x, y);
  for (std::size_t k = 0; k < out.size(); ++k) out[k] = wrap(y[k].value, y[k].dim, types[k].weak);
}

// ---------------------------------------------------------------- recording
Recording::Recording(const char* name, bool everything) : Interp(name, everything) {
  if (!spare.empty()) {
    prog = std::move(spare.back());
    spare.pop_back();
  }
}
Recording::~Recording() {
  if (spare.size() < 8 && prog.pool.capacity() < 1 << 16) {
    prog.clear();
    spare.push_back(std::move(prog));
  }
}
Tensor Recording::input(const Aval& a) {
  Var v = prog.new_var(a);
  prog.inputs.push_back(v);
  return Tensor::variable(tag, static_cast<std::uint32_t>(v), a.dtype, a.weak, a.shape.empty());
}
Var Recording::var_of(const Tensor& t) {
  if (t.tag() == tag) return static_cast<Var>(t.var());
  if (!t.defined()) throw ValueError(std::string(name) + ": an undefined Tensor (default constructed) reached an operation");
  if (t.literal() || (bake && t.concrete())) return prog.new_literal(t);
  if (t.tag()) {
    Scope s(parent);
    check_alive(t, name);
  }
  Var v = t.rank0() ? prog.new_rank0(t.raw_dtype(), t.weak()) : prog.new_var(t.aval());
  hidden.push_back(v);
  captured.push_back(t);
  return v;
}
void Recording::process(const Call& c, Ins in, Outs out) {
  bool everything = tracer == this;
  if (everything && (c.prim.seen & seen_random))
    throw TracerError(std::string(c.prim.name) + ": drawing from the stateful generator while tracing (" + name +
                      ") would fix one draw for ever; pass a key and use ft::random (random::normal(key, shape))");
  if (!everything && c.prim.mixed) {
    // A Program linear in our operands may hold work on the others. Linearizing it at zero splits it: what is known runs in the
    // parent, what is linear comes back here.
    Mask own;
    for (const Tensor& t : in) own.push_back(t.tag() == tag);
    if (c.prim.mixed(c, own)) {
      Scope s(this);
      Buf<Tensor, 4> x(in.size()), t(in.size()), dy(out.size());
      for (std::size_t k = 0; k < in.size(); ++k) {
        x[k] = own[k] ? zeros(in[k].aval()) : in[k];
        if (own[k]) t[k] = in[k];
      }
      c.prim.linearize(c, x, t, out, dy);
      for (std::size_t k = 0; k < out.size(); ++k)
        if (!is_zero(dy[k])) out[k] = dy[k];
      return;
    }
  }
  if (!everything && !c.prim.transpose)
    throw MissingRuleError(std::string(c.prim.name) + " of a tangent: a derivative rule must be linear in its tangents, and " + c.prim.name +
                           " has no transpose rule");
  auto at = static_cast<std::uint32_t>(prog.pool.size());
  bool rank0 = c.prim.elementwise != Elementwise::no, weak = true;
  for (const Tensor& t : in) {
    Var v = var_of(t);
    prog.pool.push_back(v);
    rank0 &= t.rank0();
    weak &= t.weak() || (in.size() == 3 && &t == in.data());  // not of select's mask
  }
  std::uint32_t first;
  if (rank0) {  // elementwise on 0-d operands: no shapes at all
    DType d = c.prim.elementwise == Elementwise::predicate ? DType::bool_ : in.back().raw_dtype();
    first = static_cast<std::uint32_t>(prog.new_rank0(d, weak));
    out[0] = Tensor::variable(tag, first, d, weak, true);
  } else {
    Buf<Aval, 4> ia(in.size());
    Buf<Aval, 2> oa(out.size());
    for (std::size_t k = 0; k < in.size(); ++k) ia[k] = in[k].tag() == tag ? prog.type(static_cast<Var>(in[k].var())) : in[k].aval();
    c.prim.shape(c, ia, oa);
    first = static_cast<std::uint32_t>(prog.type_of.size());
    for (std::size_t k = 0; k < out.size(); ++k) {
      Var v = prog.new_var(oa[k]);
      out[k] = Tensor::variable(tag, static_cast<std::uint32_t>(v), oa[k].dtype, oa[k].weak, oa[k].shape.empty());
    }
  }
  prog.eqns.push_back(
      {&c.prim, ParamRef(c.params), at, first, static_cast<std::uint32_t>(in.size()), static_cast<std::uint32_t>(out.size()), current_site});
}

void bind_seen(const Call& c, Ins in, Outs out) {
  for (const Tensor& t : in) check_alive(t, c.prim.name);
  for (Interp* i = current; i; i = i->parent) {
    bool owns = i->tracer == i || (i->wants & c.prim.seen);
    for (const Tensor& t : in) owns |= t.tag() == i->tag;
    if (owns) return i->process(c, in, out);
  }
  c.prim.eval(c, in, out);
}

}  // namespace functra::core

// ---------------------------------------------------------------- what the tensor layer asks
namespace functra::traced {
using namespace functra::core;

Aval aval(const Tensor& t) {
  switch (t.kind()) {
    case Tensor::Kind::Jvp: return t.node_as<JvpNode>().primal.aval();
    case Tensor::Kind::Batch: {
      auto& n = t.node_as<BatchNode>();
      Aval a = n.value.aval();
      a.shape = a.shape.without(static_cast<std::size_t>(n.dim));
      a.weak = t.weak();
      return a;
    }
    default: {
      if (t.rank0()) return {t.raw_dtype(), t.weak(), {}};
      auto* r = static_cast<Recording*>(owner_of(t));
      if (!r) escaped(t, "sizes()");
      return r->prog.type(static_cast<Var>(t.var()));
    }
  }
}
const Tensor* readable(const Tensor& t, const char* who) {
  if (!t.defined()) throw ValueError(std::string(who) + ": the Tensor is undefined (default constructed)");
  check_alive(t, who);
  bool decides = std::string_view(who) == "if";
  switch (t.kind()) {
    case Tensor::Kind::Jvp: {
      const Tensor& p = t.node_as<JvpNode>().primal;
      return p.concrete() ? &p : readable(p, who);
    }
    case Tensor::Kind::Batch: {
      auto* b = static_cast<BatchInterp*>(owner_of(t));
      std::string under = " differs from example to example under vmap" + (b->axis_name.empty() ? "" : " (axis '" + b->axis_name + "')");
      throw TracerError(decides ? "if: the condition" + under + ", so it cannot choose a branch for all; use where(condition, a, b)"
                                : std::string(who) + ": the value" + under +
                                      ", so it cannot be read; compute with the tensor, or return it and read outside");
    }
    default: {
      std::string tracer = owner_of(t)->name, unknown = " is not known while " + tracer + " traces the function";
      throw TracerError(decides ? "if: the condition" + unknown + "; use where(condition, a, b), or let it depend on static arguments (numbers) only"
                                : std::string(who) + ": the value" + unknown + "; pass it as a static argument (a number), or read it outside of " +
                                      tracer);
    }
  }
}
std::string text(const Tensor& t) {
  switch (t.kind()) {
    case Tensor::Kind::Jvp: return "GradTracer(value=" + to_string(t.node_as<JvpNode>().primal) + ")";
    case Tensor::Kind::Batch:
      return "BatchedTensor(dim=" + std::to_string(t.node_as<BatchNode>().dim) + ", value=" + to_string(t.node_as<BatchNode>().value) + ")";
    default:
      return owner_of(t) ? "Tracer(" + t.aval().str() + ")" : "Tracer(" + std::string(name_of(t.dtype())) + ", of a transform that has finished)";
  }
}
void destroy(Tensor::Kind kind, Node* node) {
  if (kind == Tensor::Kind::Jvp) delete_node<JvpNode>(node);
  else delete_node<BatchNode>(node);
}

}  // namespace functra::traced
