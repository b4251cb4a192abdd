// The page that sets functorch's suites beside the tests here: every counterpart that it names exists.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <regex>
#include <set>
#include <sstream>

#include "tests/laws_count.h"
#include "tests/support/process.h"

namespace functra {
namespace {
namespace fs = std::filesystem;

// What a macro names in the sources of a folder: "Suite.case" or "row".
std::set<std::string> names(const fs::path& folder, const std::regex& macro) {
  std::set<std::string> r;
  for (auto& e : fs::directory_iterator(folder)) {
    if (e.path().extension() != ".cpp") continue;
    const std::string text = testing::text_of(e.path());
    for (std::sregex_iterator i(text.begin(), text.end(), macro), end; i != end; ++i)
      r.insert((*i)[1].str() + (macro.mark_count() == 2 ? "." + (*i)[2].str() : ""));
  }
  return r;
}
}  // namespace

TEST(FunctorchSuites, every_counterpart_in_the_table_is_a_test_or_a_row) {
  const fs::path root = testing::source_dir();
  const std::set<std::string> tests = names(root / "tests", std::regex("TEST(?:_F|_P)?\\((\\w+),\\s*(\\w+)\\)")),
                              rows = names(root / "tests/rows", std::regex("FUNCTRA_ROW\\((\\w+)\\)"));
  ASSERT_GT(tests.size(), 500u);
  ASSERT_GT(rows.size(), 150u);
  std::istringstream page(testing::text_of(root / "docs/notes/functorch_suites.md"));
  const std::regex cells("\\| (.+) \\| (.+) \\| (.*)\\|"), quoted("(row )?`([^`]+)`");
  int counterparts = 0, without = 0;
  for (std::string line; std::getline(page, line);) {
    std::smatch cell;
    if (line.rfind("| `", 0) != 0) continue;  // not a line of a table, or its head
    ASSERT_TRUE(std::regex_match(line, cell, cells)) << line;
    const std::string here = cell[2], note = cell[3];
    if (here == "none") {
      EXPECT_GT(note.size(), 5u) << "no reason: " << line;
      ++without;
      continue;
    }
    int named = 0;
    for (std::sregex_iterator i(here.begin(), here.end(), quoted), end; i != end; ++i, ++named) {
      const std::string name = (*i)[2];
      const bool ok = (*i)[1].matched ? rows.count(name) : tests.count(name);
      testing::count_law(ok);
      EXPECT_TRUE(ok) << "no " << ((*i)[1].matched ? "row " : "test ") << name << ": " << line;
    }
    EXPECT_GT(named, 0) << line;
    ++counterparts;
  }
  EXPECT_GE(counterparts, 300);
  const std::string head = testing::text_of(root / "docs/notes/functorch_suites.md");
  EXPECT_NE(head.find(std::to_string(counterparts) + " lines have one, " + std::to_string(without) + " have none"), std::string::npos)
      << counterparts << " have one, " << without << " have none";
}

}  // namespace functra
