// CONTRIBUTING.md quotes the code it explains; the quotes are kept equal to the files they name.
#include <gtest/gtest.h>

#include <fstream>
#include <sstream>

#include "laws_count.h"

namespace {
std::string text_of(const std::string& path) {
  std::ifstream in(path);
  std::stringstream s;
  s << in.rdbuf();
  return s.str();
}
}  // namespace

TEST(Contributing, quotes_are_the_code) {
  std::string root = functra::testing::source_dir(), page = text_of(root + "/CONTRIBUTING.md");
  int quotes = 0;
  for (std::size_t at = 0; (at = page.find("```cpp ", at)) != page.npos;) {
    std::size_t name = at + 7, line = page.find('\n', name), end = page.find("\n```", line);
    ASSERT_NE(end, page.npos);
    std::string file = page.substr(name, line - name), code = page.substr(line + 1, end - line);
    EXPECT_NE(text_of(root + "/" + file).find(code), std::string::npos) << file << " does not hold\n" << code;
    ++quotes;
    at = end;
  }
  EXPECT_GE(quotes, 3);
}
