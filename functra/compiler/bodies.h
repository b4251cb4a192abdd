// What passes share: the Programs that equations hold, each passed over once.
#pragma once
#include <unordered_map>

#include "functra/base/function_ref.h"
#include "functra/core/ir.h"

namespace functra::compiler {

class Bodies {
 public:
  using Run = function_ref<core::ProgramPtr(const core::ProgramPtr&)>;
  // The parameters of e with f applied to the Programs in it. `changed` becomes true where f gave another Program.
  core::ParamRef map(const core::Eqn& e, Run f, bool& changed) {
    core::Params q = e.params;
    if (!q.type) return {};
    if (e.prim->derives) return e.params;
    inner_.clear();
    q.type->programs(q.value, inner_);
    if (inner_.empty()) return e.params;
    bool any = false;
    auto params = core::ParamRef::adopt(q.type->map_programs(q.value, [&](const core::ProgramPtr& p) {
      auto at = done_.find(p);
      if (at == done_.end()) {
        core::ProgramPtr r = f(p);
        at = done_.emplace(p, r).first;
      }
      any |= at->second != p;
      return at->second;
    }));
    changed |= any;
    return any ? params : e.params;
  }
  // Those of all equations of p.
  std::vector<core::ParamRef> map_all(const core::Program& p, Run f, bool& changed) {
    std::vector<core::ParamRef> r;
    for (const core::Eqn& e : p.eqns) r.push_back(map(e, f, changed));
    return r;
  }

 private:
  std::unordered_map<core::ProgramPtr, core::ProgramPtr> done_;
  std::vector<core::ProgramPtr> inner_;
};

}  // namespace functra::compiler
