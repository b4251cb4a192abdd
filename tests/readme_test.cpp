// The README's example is a program that is compiled, and prints what the README says.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "tests/laws_count.h"
#include "tests/support/process.h"

namespace functra {
namespace {
std::string text_of(const std::string& path) {
  std::ifstream in(std::string(testing::source_dir()) + "/" + path);
  return {std::istreambuf_iterator<char>(in), {}};
}
std::string block(const std::string& text, const std::string& language) {  // the first fenced block of a language
  std::string fence = "```" + language + "\n";
  auto begin = text.find(fence);
  if (begin == text.npos) return "no block of " + language;
  begin += fence.size();
  return text.substr(begin, text.find("```\n", begin) - begin);
}
}  // namespace

TEST(Readme, ItsExampleIsTheOneThatIsCompiled) { EXPECT_EQ(block(text_of("README.md"), "cpp"), text_of("examples/readme.cpp")); }

TEST(Readme, ItsExamplePrintsWhatItSays) {
  std::string program = std::string(testing::binary_dir()) + "/examples/readme";
  if (!std::filesystem::exists(program)) GTEST_SKIP() << program << " is not built";
  auto r = testing::run(testing::shell_word(program));
  EXPECT_EQ(r.status, 0) << r.output;
  EXPECT_EQ(r.output, block(text_of("README.md"), "text"));
}

}  // namespace functra
