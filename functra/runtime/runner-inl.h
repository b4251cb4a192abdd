// A program that is run many times on one workspace, with operands and results that change place: the steps of a loop. What stays is set
// up once.
#pragma once
#include <cstring>

#include "functra/runtime/team.h"

namespace functra::runtime {

class Runner {
 public:
  Runner(const Executable& e, std::byte* work, Member* member = nullptr)
      : e_(e), work_(work), member_(member), in_(e.plan().n_in), out_(e.plan().results.size()), buffers_(e.plan().wires.buffers) {
    for (auto [k, offset] : e.plan().wires.of_arena) buffers_[k] = work + offset;
  }
  void* in(std::size_t i) { return in_[i]; }
  void* out(std::size_t i) { return out_[i]; }
  void set_in(std::size_t i, void* p) {
    in_[i] = p;
    if (e_.plan().wires.all_nests)
      for (std::uint32_t k : e_.plan().wires.of_input[i]) buffers_[k] = p;
  }
  void set_out(std::size_t i, void* p) {
    out_[i] = p;
    if (e_.plan().wires.all_nests)
      for (std::uint32_t k : e_.plan().wires.of_result[i]) buffers_[k] = p;
  }
  void run() {
    if (!e_.plan().wires.all_nests) return e_.run_raw(in_.begin(), out_.begin(), work_);
    for (std::size_t s = 0; s < e_.plan().steps.size(); ++s) {
      void** buffers = buffers_.begin() + e_.plan().wires.first[s];
      if (member_ && e_.plan().steps[s].shared) member_->sums(e_.plan(), e_.plan().steps[s], buffers);
      else run_nests(e_.plan(), e_.plan().steps[s], buffers);
    }
    for (std::size_t i : e_.plan().wires.copied) copy(i);
  }

 private:
  void copy(std::size_t i) {
    const Place k = e_.plan().result_place[i];
    const Aval& type = e_.plan().results[i];
    const void* from;
    if (k < 0) {
      from = e_.plan().literal(k).bytes();
    } else {
      const auto& slot = e_.plan().slots[static_cast<std::size_t>(k)];
      from = slot.where == Where::input ? in_[slot.at] : out_[slot.at];
    }
    std::memcpy(out_[i], from, static_cast<std::size_t>(type.shape.numel()) * size_of(type.dtype));
  }

  const Executable& e_;
  std::byte* work_;
  Member* member_;
  Buf<void*, 48> in_, out_, buffers_;
};

}  // namespace functra::runtime
