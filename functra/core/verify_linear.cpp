// Whether a Program is linear: what transposition relies on, and what a Program that is said to be linear must hold to.
#include "functra/core/forms.h"
#include "functra/core/interp.h"

namespace functra::core {
namespace {

bool zero_literal(const Tensor& t) {
  if (!t.rank0()) return false;
  const Scalar s = Scalar::load(t.raw_dtype(), t.bytes());
  return s.real() == 0 && s.imag() == 0;
}
// Transposes one equation, its linear operands unknown; raises where a rule needs the value of one.
void transpose_alone(const Program& p, const Eqn& e, const Mask& own) {
  std::vector<Aval> types;
  for (std::size_t k = 0; k < own.size(); ++k)
    if (!own[k] && p.operands(e)[k] >= 0) types.push_back(p.operand_type(p.operands(e)[k]));
  for (std::uint32_t k = 0; k < e.n_out; ++k) types.push_back(p.type(static_cast<Var>(e.out + k)));
  (void)trace_program(types, [&](Ins a) {
    std::vector<Aval> type(own.size());
    std::vector<Operand> in(own.size());
    std::size_t at = 0;
    for (std::size_t k = 0; k < own.size(); ++k) {
      Var v = p.operands(e)[k];
      type[k] = p.operand_type(v);
      in[k] = {own[k] ? nullptr : v < 0 ? &p.literals[static_cast<std::size_t>(~v)] : &a[at++], &type[k]};
    }
    Vec ct_in(own.size());
    e.prim->transpose({*e.prim, e.params}, a.subspan(at), in, ct_in);
    Vec out;
    append_nonzero(out, ct_in);
    return out;
  });
}

}  // namespace

void verify_linear(const Program& p, const Mask& in) {
  if (in.size() != p.inputs.size())
    throw ValueError("verify_linear: " + std::to_string(in.size()) + " marks for " + std::to_string(p.inputs.size()) + " inputs");
  Mask linear(p.type_of.size()), zero(p.type_of.size());
  for (std::size_t i = 0; i < in.size(); ++i) linear[static_cast<std::size_t>(p.inputs[i])] = in[i];
  auto is_zero_value = [&](Var v) { return v < 0 ? zero_literal(p.literals[static_cast<std::size_t>(~v)]) : zero[static_cast<std::size_t>(v)] != 0; };
  for (std::size_t i = 0; i < p.eqns.size(); ++i) {
    const Eqn& e = p.eqns[i];
    auto fail = [&](const std::string& why) {
      throw ValueError("verify_linear: equation " + std::to_string(i) + " (" + e.prim->name + ") is not linear: " + why);
    };
    Mask own;
    bool any = false, zeros = e.n_in > 0, known = false;
    for (Var v : p.operands(e)) {
      any |= own.emplace_back(v >= 0 && linear[static_cast<std::size_t>(v)]);
      zeros &= is_zero_value(v);
      known |= !own.back() && !is_zero_value(v);
    }
    const Call c{*e.prim, e.params};
    if (!any) {
      std::fill_n(zero.begin() + e.out, e.n_out, e.prim->linear && zeros);
      continue;
    }
    if (e.prim->depends) std::ranges::copy(e.prim->depends(c, own), linear.begin() + e.out);
    else std::fill_n(linear.begin() + e.out, e.n_out, std::uint8_t{1});
    if (e.prim->linear) {
      if (known) fail("it adds a value that does not depend on the linear inputs");
      continue;
    }
    if (e.prim->mixed && e.prim->mixed(c, own)) continue;  // work on known values beside: transposition splits it
    if (!e.prim->transpose) fail("it has no transpose rule");
    try {
      transpose_alone(p, e, own);
    } catch (const Error& error) { fail(error.what()); }
  }
  for (std::size_t i = 0; i < p.outputs.size(); ++i) {
    Var v = p.outputs[i];
    if (!(v >= 0 && linear[static_cast<std::size_t>(v)]) && !is_zero_value(v))
      throw ValueError("verify_linear: output " + std::to_string(i) + " does not depend on the linear inputs, and is not zero");
  }
}

}  // namespace functra::core
