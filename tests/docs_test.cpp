// The documentation's pages: their code comes from files that are compiled and run, their programs are run by the tests, and their links
// lead somewhere.
#include <gtest/gtest.h>

#include <filesystem>
#include <regex>
#include <set>

#include "tests/laws_count.h"
#include "tests/support/process.h"

namespace functra {
namespace {
namespace fs = std::filesystem;

std::vector<fs::path> pages() {
  std::vector<fs::path> r;
  for (auto& e : fs::recursive_directory_iterator(fs::path(testing::source_dir()) / "docs"))
    if (e.path().extension() == ".md") r.push_back(e.path());
  return r;
}
std::size_t occurrences(const std::string& text, const std::string& of) {
  std::size_t n = 0;
  for (std::size_t at = 0; (at = text.find(of, at)) != text.npos; at += of.size()) ++n;
  return n;
}
void expect(bool ok, const fs::path& page, const std::string& what) {
  testing::count_law(ok);
  EXPECT_TRUE(ok) << page.string() << ": " << what;
}
}  // namespace

TEST(Docs, code_on_pages_comes_from_files_that_are_compiled_and_run) {
  const fs::path root = testing::source_dir();
  const std::string run = testing::text_of(root / "tests/examples_test.cpp");
  std::size_t snippets = 0, programs = 0;
  for (auto& page : pages()) {
    const std::string text = testing::text_of(page);
    expect(text.find("```cpp") == text.npos && text.find("```c++") == text.npos, page, "C++ in a fence of its own; use @snippet");
    const std::regex snippet("@snippet (\\S+) (\\S+)"), include("@include (\\S+)\\.cpp");
    for (std::sregex_iterator i(text.begin(), text.end(), snippet), end; i != end; ++i, ++snippets) {
      const std::string source = testing::text_of(root / "tests" / (*i)[1].str());
      expect(occurrences(source, "// [" + (*i)[2].str() + "]\n") == 2, page, "no piece [" + (*i)[2].str() + "] in " + (*i)[1].str());
    }
    for (std::sregex_iterator i(text.begin(), text.end(), include), end; i != end; ++i, ++programs) {
      const std::string name = (*i)[1];
      expect(fs::exists(root / "examples" / (name + ".cpp")), page, "no program examples/" + name + ".cpp");
      expect(run.find("\"" + name + "\"") != run.npos, page, name + " is not run by examples_test.cpp");
    }
  }
  EXPECT_GE(snippets, 20u);
  EXPECT_GE(programs, 10u);
}
TEST(Docs, every_example_has_a_page_and_links_lead_to_files) {
  const fs::path root = testing::source_dir();
  std::string all;
  for (auto& page : pages()) {
    const std::string text = testing::text_of(page);
    all += text;
    const std::regex link("\\]\\(([^)#:]+)[)#]");
    for (std::sregex_iterator i(text.begin(), text.end(), link), end; i != end; ++i)
      expect(fs::exists(page.parent_path() / (*i)[1].str()), page, "a link to " + (*i)[1].str());
  }
  for (auto& e : fs::directory_iterator(root / "examples")) {
    if (e.path().extension() != ".cpp" || e.path().stem() == "readme") continue;
    const std::string name = e.path().stem().string();
    expect(all.find("@include " + name + ".cpp") != all.npos, e.path(), "has no page in docs/tutorials");
  }
  std::set<std::string> anchors;  // pages that are referred to exist
  const std::regex anchor("\\{#(\\w+)\\}"), reference("@(?:sub)?(?:page|ref) (\\w+)");
  for (std::sregex_iterator i(all.begin(), all.end(), anchor), end; i != end; ++i) anchors.insert((*i)[1]);
  for (std::sregex_iterator i(all.begin(), all.end(), reference), end; i != end; ++i)
    expect(anchors.count((*i)[1]), "docs", "no page " + (*i)[1].str());
}

}  // namespace functra
