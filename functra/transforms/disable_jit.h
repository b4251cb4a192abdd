// A scope in which jitted functions run eagerly, to debug them.
#pragma once

namespace functra {

struct disable_jit {
  disable_jit();
  ~disable_jit();
  disable_jit(const disable_jit&) = delete;
  disable_jit& operator=(const disable_jit&) = delete;
};
bool jit_disabled();

}  // namespace functra
