// Runs another program from a test.
#pragma once
#include <string>

namespace functra::testing {

struct Ran {
  int status;
  std::string output;
};                                                // exit status, and what it wrote to either stream
Ran run(const std::string& command);              // by the shell
std::string shell_word(const std::string& path);  // for the shell
std::string text_of(const std::string& path);     // what a file holds; nothing where there is none

}  // namespace functra::testing
