// The executor in use. Compiled calls run native code; in a build without LLVM they evaluate the optimised program. What eager control
// flow runs is evaluated as it is.
#include "functra/core/executor.h"
#include "functra/compiler/passes.h"
#include "functra/core/forms.h"
#include "functra/core/interp.h"
#if FUNCTRA_HAVE_LLVM
#include "functra/runtime/executable.h"
#endif

namespace functra::core {
namespace {

thread_local constinit bool in_compiled_code = false;  // a body is compiled where the program that holds it is
struct Inside {
  bool before = std::exchange(in_compiled_code, true);
  ~Inside() { in_compiled_code = before; }
};

#if FUNCTRA_HAVE_LLVM
const runtime::Executable& known_executable(const ProgramPtr& p) {
  const void* known = p->forms->compiled.load(std::memory_order_acquire);
  if (!known) [[unlikely]] {
    known = runtime::executable(p).get();
    p->forms->compiled.store(known, std::memory_order_release);
  }
  return *static_cast<const runtime::Executable*>(known);
}
void compiled(const ProgramPtr& p, bool body, std::span<Tensor> args, Outs outs) {
  if (body) return runtime::executable(p, true)->run(args, outs);
  known_executable(p).run(args, outs);
}
constexpr const char* kind = "native";
ProgramPtr optimised_form(const ProgramPtr& p) {
  ProgramPtr r = runtime::executable(p)->program();
  return r == p ? p : r;  // which the executable refers to without owning it
}
std::string text_of(const ProgramPtr& p, Executor::Form form) { return runtime::executable(p)->text(form); }
Executor::Figures figures_of(const ProgramPtr& p) { return runtime::executable(p)->figures(); }
#else
// Kept with the program, which it must not own.
ProgramPtr optimised_form(const ProgramPtr& p) {
  return *cached<ProgramPtr>(*p, "optimised", [&] { return compiler::optimize(ProgramPtr(ProgramPtr(), p.get()), compiler::passes_off()); });
}
void compiled(const ProgramPtr& p, bool body, std::span<Tensor> args, Outs outs) {
  eval_program_consuming(body ? *p : *optimised_form(p), args, outs);
}
[[noreturn]] void no_compiler() { throw Error("this build of Functra has no compiler: it was configured with FUNCTRA_LLVM=OFF"); }
std::string text_of(const ProgramPtr&, Executor::Form) { no_compiler(); }
Executor::Figures figures_of(const ProgramPtr&) { no_compiler(); }
constexpr const char* kind = "interpreter";
#endif

class TheExecutor final : public Executor {
 public:
  const char* name() const override { return kind; }
  void run(const ProgramPtr& program, std::span<Tensor> args, Outs outs) const override {
    Inside inside;
    compiled(program, false, args, outs);
  }
#if FUNCTRA_HAVE_LLVM
  bool run_bound(const ProgramPtr& program, std::span<const Tensor* const> args, std::span<Tensor* const> outs) const override {
    Inside inside;
    known_executable(program).run_bound(args, outs);
    return true;
  }
  const Direct* direct(const ProgramPtr& program) const override { return known_executable(program).direct(); }
#endif
  void run_body(const ProgramPtr& program, std::span<Tensor> args, Outs outs) const override {
    if (in_compiled_code) compiled(program, true, args, outs);
    else eval_program_consuming(*program, args, outs);
  }
  ProgramPtr optimised(const ProgramPtr& program) const override { return optimised_form(program); }
  std::string text(const ProgramPtr& program, Form form) const override { return text_of(program, form); }
  Figures figures(const ProgramPtr& program) const override { return figures_of(program); }
  std::vector<PassStep> passes(const ProgramPtr& program) const override {
    compiler::PassReport report;
    (void)compiler::optimize(program, compiler::passes_off(), &report);
    return std::move(report.lines);
  }
};

}  // namespace

const Executor& executor() {
  static const TheExecutor e;
  return e;
}

}  // namespace functra::core
