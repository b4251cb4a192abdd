// Executables as text and figures.
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <cstdlib>

#include "functra/compiler/passes.h"
#include "functra/runtime/executable.h"

namespace functra::runtime {

using core::Executor;
using core::Var;

const Executable& Executable::described() const {
  if (plan_.program) return *this;
  std::call_once(once_, [&] { made_ = std::make_unique<const Executable>(source_, optimised_); });
  return *made_;
}
std::string Executable::text(Executor::Form form) const {
  if (!plan_.program) return described().text(form);
  if (form != Executor::Form::steps) {
    auto* as = form == Executor::Form::llvm_ir ? compiler::llvm_ir : form == Executor::Form::assembly ? compiler::assembly : compiler::object;
    std::string s = plan_.all_nests().empty() ? "" : as(plan_.all_nests());
    for (auto& step : plan_.steps)
      for (auto& b : step.bodies) s += b->text(form);
    return s;
  }
  std::string s;
  auto names = [](const std::vector<Var>& v) {
    std::string r;
    for (Var x : v) r += (r.empty() ? "v" : ", v") + std::to_string(x);
    return r;
  };
  for (std::size_t k = 0; k < plan_.steps.size(); ++k) {
    const Step& step = plan_.steps[k];
    const compiler::Unit& u = plan_.units[k];
    if (step.group > 1) s += std::to_string(step.group) + " steps at a time:\n";
    if (!u.call) {
      if (u.nests[0].serial || u.nests[0].steps) {
        s += names(u.out) + " = " + plan_.program->eqns[u.eqns[0]].prim->name + "(" + names(u.in) + "), one loop in registers\n" + u.nests[0].str();
        continue;
      }
      s += names(u.out) + " = " + std::to_string(u.nests.size()) + (u.nests.size() == 1 ? " nest" : " nests") + " of " +
           std::to_string(u.eqns.size()) + " equations (" + names(u.in) + ")";
      for (std::size_t o = 0; o < u.out.size(); ++o)
        for (std::size_t i = 0; i < u.in.size(); ++i)
          if (std::ranges::count(plan_.slots[static_cast<std::size_t>(step.out[o])].over, step.in[i]))
            s += ", " + names({u.out[o]}) + " in place of " + names({u.in[i]});
      s += "\n";
      for (auto& n : u.nests) s += n.str();
      continue;
    }
    s += names(u.out) + " = " + (step.bodies.empty() ? "kernel " : "") + step.prim->name + "(";
    std::vector<Var> in;
    for (Var v : plan_.program->operands(plan_.program->eqns[u.eqns[0]]))
      if (v >= 0) in.push_back(v);
    s += names(in) + ")" + (step.order.empty() ? "" : ", its dimensions in the order " + step.order.str()) +
         (step.team > 1 ? ", on threads in step\n" : "\n");
    for (auto& b : step.bodies) s += "{\n" + b->text(form) + "}\n";
  }
  return s;
}

Executor::Figures figures_of(const Plan& plan) {
  Executor::Figures f;
  f.compile_ms = plan.compile_ms;
  f.workspace = plan.arena_bytes + plan.held_bytes;
  auto bytes = [&](Var v) {
    return v < 0 ? 0.0 : static_cast<double>(plan.program->type(v).shape.numel()) * static_cast<double>(size_of(plan.program->type(v).dtype));
  };
  for (std::size_t k = 0; k < plan.steps.size(); ++k) {
    const compiler::Unit& u = plan.units[k];
    for (Var v : u.in) f.bytes += bytes(v);
    for (Var v : u.out) f.bytes += bytes(v);
    f.nests += u.nests.size();
    for (auto& n : u.nests) {
      double points = 1, work = static_cast<double>(n.reductions.size());
      for (std::size_t a = 0; a < n.axes(); ++a) points *= static_cast<double>(n.extent(a));
      for (compiler::Id i = 0; i < n.graph.size(); ++i) {
        const compiler::Op op = n.graph[i].op;
        work += op == compiler::Op::fma ? 2 : op == compiler::Op::unary || op == compiler::Op::binary;
      }
      f.flops += work * points;
    }
    if (!u.call) continue;
    const core::Eqn& e = plan.program->eqns[u.eqns[0]];
    if (e.prim->lowering.kind == core::Lowering::Kind::contraction) {
      double terms = 1;
      const Aval left = plan.program->operand_type(plan.program->operands(e)[0]);
      for (std::int64_t d : e.prim->lowering.contraction(e.params).left) terms *= static_cast<double>(left.shape[static_cast<std::size_t>(d)]);
      f.flops += 2 * terms * static_cast<double>(plan.program->type(static_cast<Var>(e.out)).shape.numel());
    }
    f.kernels += plan.steps[k].bodies.empty();
    for (auto& b : plan.steps[k].bodies) {
      auto g = b->figures();
      f.flops += g.flops;
      f.bytes += g.bytes;
      f.nests += g.nests;
      f.kernels += g.kernels;
      f.compile_ms += g.compile_ms;
    }
  }
  return f;
}
Executor::Figures Executable::figures() const {
  Executor::Figures f = plan_.figures;
  f.compile_ms += before_ms_;
  return f;
}

bool dumps() {
  const char* dir = std::getenv("FUNCTRA_DUMP_DIR");
  return dir && *dir;
}
// FUNCTRA_DUMP_DIR: what becomes of each program that is compiled, as a file.
void dump(const core::Program& traced, const compiler::PassReport& report, const Executable& made) {
  static std::atomic<unsigned> count{0};
  const char* dir = std::getenv("FUNCTRA_DUMP_DIR");
  std::string text = "# as traced\n" + traced.str() + "\n";
  const core::Program* before = &traced;
  for (auto& l : report.lines) {
    char line[160];
    std::snprintf(line, sizeof line, "\n# after %s: %.3f ms, %zu equations, %zu before\n", l.name.c_str(), l.ms, l.after, l.before);
    text += line;
    if (l.program.get() != before) text += l.program->str() + "\n";
    before = l.program.get();
  }
  text += "\n# in the order it runs\n" + made.text(Executor::Form::steps);
  const std::string path = std::string(dir) + "/functra_" + std::to_string(::getpid()) + "_" + std::to_string(count++) + ".txt";
  if (std::FILE* f = std::fopen(path.c_str(), "w")) {
    std::fwrite(text.data(), 1, text.size(), f);
    std::fclose(f);
  }
}

}  // namespace functra::runtime
