// The lowering formula of an elementwise primitive, run by an Emitter that evaluates.
#pragma once
#include <optional>
#include <string>

#include "laws/row.h"

namespace functra::testing {

// None where the row's primitive has no scalar formula; false where the emitted operations give other values than evaluation.
std::optional<bool> lowering_agrees(const std::string& primitive, const Sample& s);

}  // namespace functra::testing
