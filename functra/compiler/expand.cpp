// Small factorisations and solves as elementwise operations on single elements, which stay in registers.
#include "functra/compiler/avals.h"
#include "functra/compiler/bodies.h"
#include "functra/compiler/passes.h"
#include "functra/core/expansion.h"
#include "functra/core/replay.h"

namespace functra::compiler {
namespace {
using namespace functra::core;

class Expander {
 public:
  ProgramPtr run(const ProgramPtr& program) {
    const Program& p = *program;
    bool any = false;
    std::vector<ProgramPtr> expanded(p.eqns.size());
    std::vector<ParamRef> params(p.eqns.size());
    for (std::size_t k = 0; k < p.eqns.size(); ++k) {
      const Eqn& e = p.eqns[k];
      params[k] = bodies_.map(
          e, [this](const ProgramPtr& q) { return run(q); }, any);
      if (!e.prim->lowering.expand) continue;
      auto types = operand_types(p, e);
      if (types.empty() || (types[0].dtype != DType::f32 && types[0].dtype != DType::f64)) continue;
      const std::int64_t n = types[0].shape.numel();
      if (n > 0 && worth_expanding(types, matrices_in(n, types[0]), false)) expanded[k] = e.prim->lowering.expand({*e.prim, e.params}, types);
      any |= expanded[k] != nullptr;
    }
    if (!any) return program;
    Builder b;
    std::vector<Var> to(p.type_of.size(), unknown), outputs;
    for (Var v : p.inputs) to[static_cast<std::size_t>(v)] = b.input(p.type(v));
    for (std::size_t k = 0; k < p.eqns.size(); ++k) {
      const Eqn& e = p.eqns[k];
      if (expanded[k]) {
        std::vector<Var> in;
        for (Var v : p.operands(e)) in.push_back(b.operand(p, v, to));
        auto out = b.splice(*expanded[k], in);
        for (std::uint32_t i = 0; i < e.n_out; ++i) to[e.out + i] = out[i];
        continue;
      }
      auto first = b.append(p, e, to);
      b.q.eqns.back().params = params[k];
      for (std::uint32_t i = 0; i < e.n_out; ++i) to[e.out + i] = static_cast<Var>(first + i);
    }
    for (Var v : p.outputs) outputs.push_back(b.operand(p, v, to));
    b.q.outputs = std::move(outputs);
    b.q.n_hidden = p.n_hidden;
    return seal(std::move(b.q), false);
  }

 private:
  Bodies bodies_;
};

}  // namespace

ProgramPtr expand_small(const ProgramPtr& p) { return Expander().run(p); }

}  // namespace functra::compiler
