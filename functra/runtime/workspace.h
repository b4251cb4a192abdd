// Memory for the time of a call: small ones on the stack.
#pragma once
#include <cstddef>

#include "functra/base/memory.h"

namespace functra::runtime {

class Workspace {
 public:
  explicit Workspace(std::size_t bytes) : bytes_(bytes), p_(bytes <= sizeof in_ ? in_ : static_cast<std::byte*>(allocate(bytes))) {}
  ~Workspace() {
    if (p_ != in_) deallocate(p_, bytes_);
  }
  Workspace(const Workspace&) = delete;
  std::byte* data() { return p_; }

 private:
  std::size_t bytes_;
  std::byte* p_;
  alignas(64) std::byte in_[1024];
};

}  // namespace functra::runtime
