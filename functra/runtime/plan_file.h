// Plans as bytes, for the cache on disk: all that a plan says, but what it was made from. Code is referred to by name.
#pragma once
#include <optional>
#include <string>
#include <string_view>

#include "functra/runtime/plan.h"

namespace functra::runtime {

std::string write_plan(const Plan& plan);
// None: its code is not there, or the bytes are none that write_plan gave.
std::optional<Plan> read_plan(std::string_view bytes);

}  // namespace functra::runtime
