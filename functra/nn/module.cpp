#include "functra/nn/module.h"

namespace functra::nn::detail {
namespace {
struct SetStatic final : tree::Visitor {
  const void* type;
  std::uint8_t value;
  SetStatic(const void* t, std::uint8_t v) : type(t), value(v) {}
  void tensor(Tensor&) override {}
  void leaf(const tree::Static& s) override {
    if (s.type == type) *static_cast<std::uint8_t*>(const_cast<void*>(s.p)) = value;  // trees are visited mutably
  }
};
}  // namespace

void set_static(TreeRef net, const void* type, std::uint8_t value) {
  SetStatic v(type, value);
  net.visit(v);
}

}  // namespace functra::nn::detail
