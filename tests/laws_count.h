// What every test program shares: the count of laws behind its last line, and where the tree it tests lies.
#pragma once

namespace functra::testing {

// Counts one comparison that ran. Thread-safe. A failed one makes the program fail, besides what GoogleTest reports.
void count_law(bool passed);
long laws_passed();
long laws_failed();

const char* source_dir();  // the repository
const char* binary_dir();  // its build directory, build/<preset>
const char* compiler();    // the C++ compiler of this build
const char* sanitizers();  // as -fsanitize= takes them; empty: none

}  // namespace functra::testing
