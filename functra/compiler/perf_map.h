// Names for profilers: where FUNCTRA_PERF_MAP is set (to anything but 0), compiled functions are listed in /tmp/perf-<pid>.map, the file that
// `perf report` reads.
#pragma once
#include <span>
#include <string>
#include <vector>

namespace functra::compiler {

struct Named {
  std::string symbol;  // in the object file
  std::uintptr_t at;   // where it was loaded
};
bool profilers_wanted();  // is FUNCTRA_PERF_MAP set?
// One line per function of this object: its address, its size there, and its name, which begins with `prefix`.
void list_for_profilers(std::span<const char> object, std::span<const Named> functions, const std::string& prefix);

}  // namespace functra::compiler
