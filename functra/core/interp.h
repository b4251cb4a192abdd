// Interpreters and dispatch. A transform makes an interpreter current, runs the user's function and restores the parent. An
// operation binds a primitive: the nearest interpreter that records everything or owns an operand processes it, with its
// parent current; without one the primitive is evaluated.
#pragma once
#include "functra/core/ir.h"

namespace functra::core {

struct Interp {
  explicit Interp(const char* name, bool records_all = false);
  virtual ~Interp() = default;
  Interp(const Interp&) = delete;
  virtual void process(const Call&, Ins in, Outs out) = 0;
  // A Ref made outside is about to be written with a value from inside; raises where this transform would miss the write.
  virtual void write_through(const Tensor&) const {}
  std::uint64_t tag;  // unique in the process
  Interp* parent;
  Interp* tracer;          // the nearest of this and its ancestors that records every operation
  const char* name;        // of the transform, for messages
  std::uint8_t wants = 0;  // Seen bits: operations it processes without owning an operand
};
inline thread_local constinit Interp* current = nullptr;

struct Scope {  // makes an interpreter current; restored on every way out
  explicit Scope(Interp* i) : saved(current) { current = i; }
  ~Scope() { current = saved; }
  Scope(const Scope&) = delete;
  Interp* saved;
};

inline thread_local constinit bool expanding = false;
// While one lives, this thread traces what native code is made of: derivatives are taken of the pieces of small factorisations and
// solves (Lowering::expand), which is about half the work of what rules for whole matrices come to once that is written out. Forms of
// Programs are kept apart.
struct Expanding {
  explicit Expanding(bool on = true) : saved(std::exchange(expanding, on)) {}
  ~Expanding() { expanding = saved; }
  Expanding(const Expanding&) = delete;
  bool saved;
};

// The address that called the operation now being bound; equations keep it as their source location.
inline thread_local constinit const void* current_site = nullptr;
struct Site {
  explicit Site(const void* address) : saved(current_site) {
    if (!saved) current_site = address;
  }
  ~Site() { current_site = saved; }
  Site(const Site&) = delete;
  const void* saved;
};

Interp* owner_of(const Tensor& t);  // null: none on the current chain
[[noreturn]] void escaped(const Tensor& t, const char* where);
void check_alive(const Tensor& t, const char* where);  // raises unless concrete or owned by current or an ancestor

struct JvpNode : Node {
  Tensor primal, tangent;
};
struct BatchNode : Node {
  Tensor value;
  int dim;
};

// Dual numbers. `linearizing`: tangents belong to a recorder, so holders of Programs are split into a known and a linear part.
struct JvpInterp final : Interp {
  JvpInterp(const char* name, bool linearizing) : Interp(name), linearizing(linearizing) {}
  void process(const Call&, Ins in, Outs out) override;
  void write_through(const Tensor&) const override;
  Tensor wrap(const Tensor& primal, const Tensor& tangent);  // a null tangent wraps nothing
  Tensor primal(const Tensor& t) const { return t.tag() == tag ? t.node_as<JvpNode>().primal : t; }
  Tensor tangent(const Tensor& t) const { return t.tag() == tag ? t.node_as<JvpNode>().tangent : Tensor(); }
  bool linearizing;
};

struct BatchInterp final : Interp {
  explicit BatchInterp(std::int64_t size, Draws draws = Draws::error, std::string axis_name = {});
  void process(const Call&, Ins in, Outs out) override;
  void write_through(const Tensor& v) const override;
  // dim -1 wraps nothing. weak: of each example a C++ number; the array that holds them has the number's own dtype.
  Tensor wrap(const Tensor& v, int dim, bool weak = false);
  Batched unwrap(const Tensor& t) const {
    return t.tag() == tag ? Batched{t.node_as<BatchNode>().value, t.node_as<BatchNode>().dim} : Batched{t, -1};
  }
  std::string axis_name;
  BatchContext context;
};

// A mutable cell. `level`: tag of the interpreter it was made in, 0 outside of all.
struct RefCell {
  Tensor value;
  std::uint64_t level;
};
using RefPtr = std::shared_ptr<RefCell>;
// A Ref that a recorded function touches: an input, and where it is written an output.
struct RefUse {
  RefPtr ref;
  Tensor input, now;  // inside: the value it starts with, and the current one
  bool written = false;
};
RefPtr make_ref(const Tensor& v);
Tensor ref_get(const RefPtr& r);                 // as the current interpreter sees it
void ref_set(const RefPtr& r, const Tensor& v);  // of the type it holds

// Tracer (records every operation) and recorder (only those on its own tensors; dispatch skips it otherwise).
struct Recording final : Interp {
  Recording(const char* name, bool everything);
  ~Recording() override;
  void process(const Call&, Ins in, Outs out) override;
  Tensor input(const Aval& a);
  Var var_of(const Tensor& t);  // own variable, literal, or a captured tensor (a hidden input)
  Closed finish(Ins outputs, bool intern = true);
  bool takes_refs = false;  // outer Refs become operands, listed in `refs`; else they may be read, not written
  std::vector<RefUse> refs;
  bool bake = false;  // concrete tensors met become constants (programs derived from programs)
  Program prog;
  std::vector<Var> hidden;  // the variable of captured[i]; increasing, each numbered just before the equation that first uses it
  Vec captured;
};

void bind_seen(const Call& c, Ins in, Outs out);
inline void bind_prim(const Call& c, Ins in, Outs out) {
  if (c.prim.seen) return bind_seen(c, in, out);
  std::uint64_t any = 0;
  for (const Tensor& t : in) any |= t.tag();
  Interp* i = current;
  if (!any) {
    if (i) i = i->tracer;
  } else {
    for (; i && i->tracer != i; i = i->parent)
      for (const Tensor& t : in)
        if (t.tag() == i->tag) goto found;
  found:
    if (!i)
      for (const Tensor& t : in)
        if (t.tag()) escaped(t, c.prim.name);
  }
  if (i) i->process(c, in, out);
  else c.prim.eval(c, in, out);
}
// Nobody records operations on concrete tensors: evaluation may go ahead at once.
inline bool plain() { return !current || !current->tracer; }

[[nodiscard]] inline Tensor bind1(const Primitive& p, Ins in) {
  Tensor r;
  bind_prim({p, {}}, in, {&r, 1});
  return r;
}
[[nodiscard]] inline Tensor bind1(const Primitive& p, const Tensor& a) { return bind1(p, Ins(&a, 1)); }
template <class P> [[nodiscard]] Tensor bind1(const Primitive& p, Ins in, const P& q) {
  Tensor r;
  bind_prim({p, params(q)}, in, {&r, 1});
  return r;
}
template <class P> [[nodiscard]] Tensor bind1(const Primitive& p, const Tensor& a, const P& q) { return bind1(p, Ins(&a, 1), q); }
template <class P> [[nodiscard]] Vec bind_all(const Primitive& p, Ins in, const P& q) {
  Params v = params(q);
  Vec r(static_cast<std::size_t>(p.results(v)));
  bind_prim({p, v}, in, r);
  return r;
}

}  // namespace functra::core
