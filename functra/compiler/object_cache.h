// Machine code on disk, so that another process need not generate it again. Kept in the directory that FUNCTRA_CACHE_DIR names, if it names
// one: made with permissions for its owner alone, and not used where another user may write to it.
#pragma once
#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace functra::compiler {

// key: everything that the bytes depend on, as text. None: not there, or not whole (damaged, cut short, of another key or version).
std::optional<std::vector<char>> load_object(std::string_view key);
// Replaces what is there in one step: other processes see the old file or the new one. A directory that cannot be written is no error.
void store_object(std::string_view key, std::span<const char> bytes);

}  // namespace functra::compiler
