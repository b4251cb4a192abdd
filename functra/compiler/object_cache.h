// What was compiled, on disk, so that another process need not do it again: machine code, and plans that refer to it. Kept in the directory
// that FUNCTRA_CACHE_DIR names, if it names one: made with permissions for its owner alone, and not used where another user may write to it.
// It holds 1,024 MiB, or as many as FUNCTRA_CACHE_MB says: beyond, what was not used for longest is removed.
#pragma once
#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace functra::compiler {

// Names an entry: a digest of a key, which is everything that its bytes depend on, as text.
struct Digest {
  std::array<std::uint64_t, 2> word{};
  Digest() = default;
  explicit Digest(std::string_view key);
  bool operator==(const Digest&) const = default;
};

bool keeps_objects();  // is there such a directory?
// None: not there, or not whole (damaged, cut short, of another key or version).
std::optional<std::vector<char>> load_object(const Digest& name);
// Replaces what is there in one step: other processes see the old file or the new one. A directory that cannot be written is no error.
void store_object(const Digest& name, std::span<const char> bytes);

}  // namespace functra::compiler
