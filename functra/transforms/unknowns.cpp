#include "functra/base/scalar.h"
#include "functra/prims/math.h"
#include "functra/transforms/unknowns-inl.h"

namespace functra::erased {
using namespace functra::core;

Unknowns::Unknowns(TreeRef tree, const char* who, const char* what)
    : values(defined_leaves(tree, who, what)), tree_(tree), who_(who), what_(what), structure_(key_of(tree)) {
  for (std::size_t i = 0; i < values.size(); ++i) {
    Tensor& x = values[i];
    if (x.weak() && is_integer(x.raw_dtype())) x = prims::mul(x, Tensor(1.0));
    if (!is_floating(x.raw_dtype()))
      throw DTypeError(std::string(who) + ": " + leaf(i) + " has dtype " + std::string(name_of(x.raw_dtype())) +
                       ", expected a floating one; convert it with to(f32) or to(f64)");
  }
}
std::string Unknowns::leaf(std::size_t i) const { return what_ + named(tree_, i); }
void Unknowns::check_structure(TreeRef y, const char* name) const {
  if (key_of(y) != structure_)
    throw StructureError(std::string(who_) + ": " + name + " " + tree::structure(y) + ", and " + what_ + " is " + tree::structure(tree_) +
                         "; they must have one structure, static values (numbers, strings, enums) included");
}
void Unknowns::check_shape(const Aval& is, std::size_t i, const char* name) const {
  Aval want = values[i].aval();
  if (!(is.shape == want.shape))
    throw ShapeError(std::string(who_) + ": " + name + " " + is.str() + " where " + leaf(i) + " is " + want.str() + "; they must be of one shape");
}
Vec Unknowns::like(TreeRef y, const char* name) const {
  check_structure(y, name);
  Vec r = defined_leaves(y, who_, name);
  for (std::size_t i = 0; i < r.size(); ++i) {
    Aval is = r[i].aval(), want = values[i].aval();
    check_shape(is, i, name);
    if (is == want) continue;
    if (!is.weak && is.dtype != want.dtype)
      throw DTypeError(std::string(who_) + ": " + name + " " + is.str() + " where " + leaf(i) + " is " + want.str() + "; convert with to(" +
                       std::string(name_of(want.dtype)) + ")");
    r[i] = as_type(r[i], want);
  }
  return r;
}
Closed Unknowns::trace(Map f, const char* name) {
  for (;;) {
    Types types = this->types();
    bool stable = true;
    Closed c;
    {
      Trace t(who_, false);
      put(t.inputs(types));
      TreeRef y = f();
      check_structure(y, name);
      Vec out = defined_leaves(y, who_, name);
      for (std::size_t i = 0; i < out.size(); ++i) {
        if (!types[i].weak) continue;
        Aval is = out[i].aval();
        check_shape(is, i, name);
        types[i] = {is.weak || !is_floating(is.dtype) ? values[i].dtype() : is.dtype, false, is.shape};
        stable = false;
      }
      if (stable) c = t.closed(like(y, name));
    }
    if (stable) return c;
    for (std::size_t i = 0; i < values.size(); ++i) values[i] = as_type(values[i], types[i]);
  }
}

LeafMap as_map(Closed c, Types types, const char* who) {
  struct Kept {
    Closed c;
    Types types;
    std::string who;
  };
  auto kept = std::make_shared<const Kept>(Kept{std::move(c), std::move(types), who});
  return [kept](Ins x) {
    auto& k = *kept;
    if (x.size() != k.types.size())
      throw StructureError(k.who + ": the function takes " + std::to_string(k.types.size()) + " tensors, got " + std::to_string(x.size()));
    Vec args = k.c.captured;
    for (std::size_t i = 0; i < x.size(); ++i) {
      const Aval& want = k.types[i];
      if (!x[i].defined()) throw ValueError(k.who + ": the function got an undefined Tensor (default constructed)");
      Aval is = x[i].aval();
      if (!(is.shape == want.shape)) throw ShapeError(k.who + ": the function takes " + want.str() + ", got " + is.str());
      if (is.dtype != want.dtype && !is.weak) throw DTypeError(k.who + ": the function takes " + want.str() + ", got " + is.str());
      args.push_back(as_type(x[i], want));
    }
    return eval_program(*k.c.program, args);
  };
}

}  // namespace functra::erased
