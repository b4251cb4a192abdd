#include "functra/transforms/custom.h"

namespace functra::detail {

void check_rule_leaves(const char* who, const std::string& what, TreeRef is, TreeRef should) {
  auto a = tree::leaves(is), b = tree::leaves(should);
  auto paths = tree::paths(should);
  if (a.size() != b.size() || tree::shape_key({&is, 1}) != tree::shape_key({&should, 1}))
    throw StructureError(std::string(who) + ": " + what + " has the structure " + tree::structure(is) + ", expected " + tree::structure(should));
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (!a[i].defined() || !b[i].defined() || a[i].sizes() == b[i].sizes()) continue;
    throw ShapeError(std::string(who) + ": " + what + (paths[i].empty() ? "" : " at " + paths[i]) + " has shape " + a[i].sizes().str() +
                     ", expected " + b[i].sizes().str());
  }
}

}  // namespace functra::detail
