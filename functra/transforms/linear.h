// Linearisation shared by grad, vjp and linearize: a recorder with a jvp interpreter above it. Tangents are recorded, primals
// just run.
#pragma once
#include "functra/core/forms.h"
#include "functra/transforms/erased.h"

namespace functra::erased {

using core::Mask;

class Linearizer {
 public:
  explicit Linearizer(const char* who) : rec_("linearize", false), scope_(&rec_), jvp_(who, true) { core::current = &jvp_; }
  // Integer and undefined tensors pass through: they have no tangent.
  Tensor input(const Tensor& x);
  Tensor primal(const Tensor& y);  // checks that y belongs to this transform or to one around it
  Tensor tangent(const Tensor& y) const { return jvp_.tangent(y); }
  void leave() { core::current = rec_.parent; }  // back to the interpreter around the transform
  // After leave(). One-shot: the cotangents of the inputs, in order; consumes the recording.
  void transpose(Ins tangents, Ins cts, Outs ct_in);
  core::Closed program(Ins tangents) { return rec_.finish(tangents, false); }  // linear program and residuals
  std::size_t inputs() const { return rec_.prog.inputs.size(); }

 private:
  core::Recording rec_;
  core::Scope scope_;
  core::JvpInterp jvp_;
};

class Linear {
 public:
  core::Closed closed;        // (residuals; tangents) -> tangents of the outputs that depend on the inputs
  std::vector<Aval> in, out;  // types of all leaves
  Mask undefined_in, undefined_out;
  std::vector<int> input_of;    // leaf of the primals -> explicit input of the program, or -1
  std::vector<int> output_of;   // leaf of the result -> output of the program, or -1 where the tangent is zero
  std::string in_key, out_key;  // tree::shape_key of the primals and of the result
  std::string out_text;         // the result's structure, for messages, where it has a key
  const char* who;
  bool by_user = false;  // linear_transpose: nobody has checked that the program is linear
};

// push and pull on leaves; a null tensor is a symbolic zero.
std::vector<Tensor> push(const Linear&, Ins tangents, Refs names = {});
std::vector<Tensor> pull(const Linear&, Ins cotangents, TreeRef names = {});

// DTypeError for integer leaves of `selected` that are arguments themselves; those inside an argument are left as they are.
void refuse_bare_integers(Selected selected, const char* who);

// Brings the leaves of f's result (and aux) to the enclosing level.
void to_primals(Linearizer& l, TreeRef tree);

}  // namespace functra::erased
