// Ref cells. An access walks from the current interpreter to the one that the cell was made in: the first tracer on the way makes the
// cell an operand of what it records, and a derivative or a batch refuses writes that it would miss.
#include "functra/core/basis.h"

namespace functra::core {
namespace {

// The innermost tracer between here and the cell.
Recording* tracer_of(const RefPtr& r, const Tensor* written) {
  for (Interp* i = current; i && i->tag != r->level; i = i->parent) {
    if (i->tracer == i) return static_cast<Recording*>(i);
    if (written) i->write_through(*written);
  }
  return nullptr;
}
RefUse& use_of(Recording& t, const RefPtr& r) {
  for (RefUse& u : t.refs)
    if (u.ref == r) return u;
  Aval a;
  {
    Scope s(t.parent);
    a = ref_get(r).aval();
  }
  Tensor in = t.input(a);
  t.refs.push_back({r, in, in});
  return t.refs.back();
}

}  // namespace

RefPtr make_ref(const Tensor& v) {
  if (!v.defined()) throw ValueError("Ref: made of an undefined Tensor (default constructed)");
  return std::make_shared<RefCell>(RefCell{v.weak() ? convert(v, v.dtype()) : v, current ? current->tag : 0});
}
Tensor ref_get(const RefPtr& r) {
  if (Recording* t = tracer_of(r, nullptr)) {
    if (t->takes_refs) return use_of(*t, r).now;
    Scope s(t->parent);  // a constant of what is recorded
    return ref_get(r);
  }
  check_alive(r->value, "Ref");
  return r->value;
}
void ref_set(const RefPtr& r, const Tensor& value) {
  if (!value.defined()) throw ValueError("Ref: written with an undefined Tensor (default constructed)");
  Recording* t = tracer_of(r, &value);
  if (t && !t->takes_refs)
    throw TracerError(std::string("Ref: written inside ") + t->name +
                      ", but made outside: a Program has no place for the write; make the Ref inside, or return the value");
  Aval was = t ? use_of(*t, r).now.aval() : r->value.aval();
  Tensor v = value.weak() ? convert(value, was.dtype) : value;
  Aval is = v.aval();
  if (!(is.shape == was.shape)) throw ShapeError("Ref: holds " + was.str() + ", written with " + is.str() + "; a Ref keeps its shape and dtype");
  if (is.dtype != was.dtype)
    throw DTypeError("Ref: holds " + was.str() + ", written with " + is.str() + "; convert with to(" + std::string(name_of(was.dtype)) + ")");
  if (!t) {
    r->value = v;
    return;
  }
  RefUse& u = use_of(*t, r);
  u.now = v;
  u.written = true;
}

void JvpInterp::write_through(const Tensor&) const {
  throw TracerError(std::string("Ref: written inside ") + name +
                    ", but made outside: the derivative would miss the write; return the value (has_aux), or make the Ref inside");
}
void BatchInterp::write_through(const Tensor& v) const {
  if (v.tag() == tag)
    throw TracerError("Ref: made outside of vmap and written with a value that differs from example to example; make it inside, or return the value");
}

}  // namespace functra::core
