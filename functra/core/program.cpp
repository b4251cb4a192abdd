#include "functra/core/program.h"

#include <ostream>

#include "functra/core/basis.h"
#include "functra/core/forms.h"
#include "functra/core/symbols.h"

namespace functra {
namespace {
std::string name_of_var(const core::Program& p, core::Var v) {
  if (v >= 0) return "v" + std::to_string(v);
  const Tensor& t = p.literals[static_cast<std::size_t>(~v)];
  return t.rank0() ? Scalar::load(t.raw_dtype(), t.bytes()).str() : t.aval().str();
}
Program::Variable variable(const core::Program& p, core::Var v) {
  Aval a = p.operand_type(v);
  return {name_of_var(p, v), a.dtype, a.weak, a.shape};
}
const core::Program& ir_of(const std::shared_ptr<const core::Program>& p) {
  if (!p) throw ValueError("Program: this one is empty (default constructed)");
  return *p;
}
}  // namespace

Program Program::parse(std::string_view text) {
  Program p(core::parse_program(text));
  p.verify();
  return p;
}
void Program::verify() const { core::verify(ir_of(ir_)); }
void Program::verify_linear(const std::vector<std::size_t>& inputs) const {
  const core::Program& p = ir_of(ir_);
  core::Mask m(p.inputs.size());
  for (std::size_t i : inputs) {
    if (i >= m.size()) throw IndexError("Program::verify_linear: input " + std::to_string(i) + " of " + std::to_string(m.size()));
    m[i] = 1;
  }
  if (inputs.empty()) std::fill(m.begin() + static_cast<std::ptrdiff_t>(p.n_hidden), m.end(), std::uint8_t{1});
  core::verify(p);
  core::verify_linear(p, m);
}
bool Program::operator==(const Program& o) const { return core::same(ir_, o.ir_); }
std::vector<Tensor> Program::operator()(TensorList leaves) const {
  const core::Program& p = ir_of(ir_);
  Vec args;
  if (leaves.size() + p.n_hidden == p.inputs.size() && captured_.size() == p.n_hidden) args = captured_;
  args.insert(args.end(), leaves.begin(), leaves.end());
  if (args.size() != p.inputs.size())
    throw ValueError("Program: takes " + std::to_string(p.inputs.size() - p.n_hidden) + " leaves" +
                     (p.n_hidden ? " after the " + std::to_string(p.n_hidden) + " tensors it captured" : "") + ", got " +
                     std::to_string(leaves.size()));
  for (std::size_t i = 0; i < args.size(); ++i) {
    const Aval& want = p.type(p.inputs[i]);
    if (!args[i].defined())
      throw ValueError("Program: input " + std::to_string(i) + " has type " + want.str() + ", got an undefined Tensor (default constructed)");
    if (!core::stands_for(args[i], want))
      throw ShapeError("Program: input " + std::to_string(i) + " has type " + want.str() + ", got " + args[i].aval().str());
    args[i] = core::as_type(args[i], want.dtype, want.weak);
  }
  return core::eval_program(p, args);
}
std::vector<Program::Variable> Program::inputs() const {
  std::vector<Variable> r;
  for (core::Var v : ir_of(ir_).inputs) r.push_back(variable(*ir_, v));
  return r;
}
std::vector<Program::Variable> Program::outputs() const {
  std::vector<Variable> r;
  for (core::Var v : ir_of(ir_).outputs) r.push_back(variable(*ir_, v));
  return r;
}
std::size_t Program::captured() const { return ir_of(ir_).n_hidden; }
std::size_t Program::size() const { return ir_of(ir_).eqns.size(); }
Program::Equation Program::equation(std::size_t i) const {
  const core::Program& p = ir_of(ir_);
  if (i >= p.eqns.size()) throw IndexError("Program: equation " + std::to_string(i) + " of " + std::to_string(p.eqns.size()));
  const core::Eqn& e = p.eqns[i];
  Equation q{e.prim->name, {}, {}, {}, {}};
  for (core::Var v : p.operands(e)) q.operands.push_back(name_of_var(p, v));
  for (std::uint32_t k = 0; k < e.n_out; ++k) q.results.push_back(variable(p, static_cast<core::Var>(e.out + k)));
  core::Params params = e.params;
  if (params.type) params.type->write(q.params, params.value);
  if (e.site) q.where = core::symbol_of(e.site);
  return q;
}
std::vector<Program::Equation> Program::equations() const {
  std::vector<Equation> r;
  r.reserve(size());
  for (std::size_t i = 0; i < size(); ++i) r.push_back(equation(i));
  return r;
}
std::string Program::str(bool sites) const {
  std::string s;
  ir_of(ir_).write(s, 0, sites);
  return s;
}
std::string to_string(const Program& p) { return p.str(); }
std::ostream& operator<<(std::ostream& out, const Program& p) { return out << p.str(); }

}  // namespace functra
