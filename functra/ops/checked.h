// Primitives evaluate on trust: their callers have checked the arguments. Where users write arguments in a primitive's own terms, its
// shape rule is asked first.
#pragma once
#include "functra/core/interp.h"

namespace functra::ops {

// While it lives, every operation is checked by its primitive's shape rule before it goes on to the interpreter around.
class Checked final : public core::Interp {
 public:
  Checked() : Interp("check", true), scope_(this) {}
  void process(const core::Call& c, Ins in, Outs out) override {
    Buf<Aval, 4> types(in.size());
    Buf<Aval, 2> results(out.size());
    for (std::size_t k = 0; k < in.size(); ++k) types[k] = in[k].aval();
    c.prim.shape(c, types, results);
    core::Scope s(parent);
    core::bind_prim(c, in, out);
  }

 private:
  core::Scope scope_;
};

}  // namespace functra::ops
