#include "functra/prims/holder.h"

#include "functra/core/executor.h"

namespace functra::prims {

void check_inputs(const Call& c, const Program& p, std::span<const Aval> in) {
  if (in.size() != p.inputs.size())
    throw ShapeError(std::string(c.prim.name) + ": the program takes " + std::to_string(p.inputs.size()) + " inputs, got " +
                     std::to_string(in.size()));
  for (std::size_t i = 0; i < in.size(); ++i)
    if (!same_type(in[i], p.type(p.inputs[i])))
      throw ShapeError(std::string(c.prim.name) + ": input " + std::to_string(i) + " has type " + in[i].str() + ", the program takes " +
                       p.type(p.inputs[i]).str());
}
void shapes_of(const Call& c, const Program& p, std::span<const Aval> in, std::span<Aval> out) {
  check_inputs(c, p, in);
  for (std::size_t i = 0; i < out.size(); ++i) out[i] = p.out_type(i);
}
void run_consuming(const ProgramPtr& p, std::span<Tensor> args, Outs out) {
  Scope outside(nullptr);
  core::executor().run_body(p, args, out);
}
void run_compiled(const ProgramPtr& p, std::span<Tensor> args, Outs out) {
  Scope outside(nullptr);
  core::executor().run(p, args, out);
}
void run_concrete(const ProgramPtr& p, Ins in, Outs out) {
  Buf<Tensor, 16> args(in.size());
  for (std::size_t i = 0; i < in.size(); ++i) args[i] = in[i];
  run_consuming(p, args, out);
}
Vec run_concrete(const ProgramPtr& p, Ins in) {
  Vec r(p->outputs.size());
  run_concrete(p, in, r);
  return r;
}

Vec joined(std::initializer_list<Ins> parts) {
  Vec v;
  for (Ins p : parts) append(v, p);
  return v;
}
Vec tangents(const Mask& m, Ins x, Ins t, std::size_t from, std::size_t n) {
  Vec v;
  for (std::size_t i = from; i < from + n; ++i)
    if (m[i]) v.push_back(instantiate(t[i], x[i].aval()));
  return v;
}
Vec to_front(std::span<const Batched> in, std::int64_t size, Mask& m) {
  Vec a;
  for (auto& b : in) {
    m.push_back(b.dim >= 0);
    a.push_back(b.dim >= 0 ? move_dim0(b, size) : b.value);
  }
  return a;
}
Mask batched_mask(std::span<const Batched> in) {
  Mask m;
  for (auto& b : in) m.push_back(b.dim >= 0);
  return m;
}
Mask linear_mask(std::span<const Operand> in) {
  Mask m;
  for (auto& o : in) m.push_back(o.linear());
  return m;
}
Vec known_values(std::span<const Operand> in) {
  Vec a;
  for (auto& o : in)
    if (!o.linear()) a.push_back(*o);
  return a;
}

Mask either(Mask a, const Mask& b) {
  for (std::size_t i = 0; i < a.size(); ++i) a[i] |= b[i];
  return a;
}
std::size_t count(const Mask& m) {
  std::size_t n = 0;
  for (auto b : m) n += b;
  return n;
}
Mask carry_outputs(const Mask& in, std::size_t n_const, std::size_t n_carry, std::size_t n_out) {
  Mask f(n_out);
  for (std::size_t i = 0; i < n_carry; ++i) f[i] = in[n_const + i];
  return f;
}

ProgramPtr reorder(const ProgramPtr& p, const Order& in, const Order& out) {
  Types old = p->in_types(), types;
  for (std::size_t i : in) types.push_back(old[i]);
  return trace_program(types, [&](Ins a) {
    Vec x(old.size()), r;
    for (std::size_t i = 0; i < in.size(); ++i) x[in[i]] = a[i];
    Vec y = core::eval_program(*p, x);
    for (std::size_t i : out) r.push_back(y[i]);
    return r;
  });
}
Types lane_types(const Types& t, const Mask& mapped, std::int64_t size) {
  Types r = t;
  for (std::size_t i = 0; i < r.size(); ++i)
    if (mapped[i]) {
      r[i].shape = r[i].shape.with(0, size);
      r[i].weak = false;
    }
  return r;
}

}  // namespace functra::prims
