// Counts the operations that reach evaluation, whatever transforms ran above.
#pragma once
#include <map>
#include <string>

#include "functra/core/interp.h"

namespace functra::testing {

class Counter final : public core::Interp {
 public:
  Counter() : Interp("counter", true), scope_(this) {}
  void process(const core::Call& c, Ins in, Outs out) override {
    ++total;
    ++of[c.prim.name];
    core::Scope s(parent);
    core::bind_prim(c, in, out);
  }
  int total = 0;
  std::map<std::string, int> of;  // by primitive

 private:
  core::Scope scope_;
};
template <class F> int operations(F f) {
  Counter c;
  f();
  return c.total;
}

}  // namespace functra::testing
