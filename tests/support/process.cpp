#include "tests/support/process.h"

#include <fstream>
#include <sstream>
#include <sys/wait.h>

#include <cstdio>

namespace functra::testing {

Ran run(const std::string& command) {
  std::fflush(nullptr);
  Ran r{-1, {}};
  std::FILE* p = popen(("{ " + command + "; } 2>&1 </dev/null").c_str(), "r");
  if (!p) return r;
  char buffer[4096];
  for (std::size_t n; (n = std::fread(buffer, 1, sizeof buffer, p)) > 0;) r.output.append(buffer, n);
  int status = pclose(p);
  r.status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  return r;
}

std::string shell_word(const std::string& path) {
  std::string r = "'";
  for (char c : path) r += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return r + "'";
}

std::string text_of(const std::string& path) {
  std::ifstream in(path);
  std::stringstream s;
  s << in.rdbuf();
  return s.str();
}

}  // namespace functra::testing
