#include "functra/prims/families.h"

#include <unordered_map>
#include <vector>

namespace functra::core {

std::span<const Primitive* const> all_primitives() {
  static const auto* all = [] {
    auto* v = new std::vector<const Primitive*>;
    using namespace functra::prims;
    // clang-format off
    const Table tables[] = {
        arith_table(),
        bitwise_table(),
        call_table(),
        cast_table(),
        checkpoint_table(),
        compare_table(),
        cond_table(),
        contract_table(),
        conv_table(),
        cumulative_table(),
        custom_table(),
        determinant_table(),
        exp_table(),
        extremes_table(),
        gather_table(),
        host_table(),
        implicit_table(),
        index_table(),
        linalg_table(),
        logs_table(),
        random_table(),
        reduce_table(),
        round_table(),
        scan_table(),
        scatter_table(),
        select_table(),
        shape_table(),
        sort_table(),
        special_table(),
        sweep_table(),
        trig_table(),
        while_table(),
        window_table(),
    };
    // clang-format on
    for (Table t : tables) v->insert(v->end(), t.begin(), t.end());
    return v;
  }();
  return *all;
}
const Primitive* find_primitive(std::string_view name) {
  static const auto* by_name = [] {
    auto* m = new std::unordered_map<std::string_view, const Primitive*>;
    for (const Primitive* p : all_primitives()) m->emplace(p->name, p);
    return m;
  }();
  auto it = by_name->find(name);
  return it == by_name->end() ? nullptr : it->second;
}

}  // namespace functra::core
