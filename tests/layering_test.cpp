// Reads the source tree: folders include in one direction, public headers stay free of third parties, files stay short.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "tests/laws_count.h"

namespace functra {
namespace {
namespace fs = std::filesystem;

// The folders in the order in which data flows; a file includes only its own folder and earlier ones.
const std::vector<std::string> order = {"base",     "tensor",  "tree", "kernels", "core",  "prims", "ops",  "transforms",
                                        "compiler", "runtime", "aot",  "nn",      "optim", "io",    "data", "dist"};
constexpr long longest = 600;  // lines of one file

struct Include {
  std::string path;
  bool quoted;
  long line;
};
struct Source {
  std::string path;  // relative to the repository
  std::vector<Include> includes;
  long lines = 0;
};

bool ends_with(const std::string& s, const std::string& e) { return s.size() >= e.size() && s.compare(s.size() - e.size(), e.size(), e) == 0; }
bool is_public(const std::string& path) { return ends_with(path, ".h") && !ends_with(path, "-inl.h"); }
int rank_of(const std::string& folder) {
  for (std::size_t i = 0; i < order.size(); ++i)
    if (order[i] == folder) return static_cast<int>(i);
  return -1;
}
// "functra/core/ir.h" -> "core"; "functra/functra.h" -> "" (the umbrella, above every folder)
std::string folder_of(const std::string& path) {
  auto first = path.find('/'), last = path.find('/', first + 1);
  return last == path.npos ? "" : path.substr(first + 1, last - first - 1);
}
Source read(const fs::path& root, const fs::path& file) {
  Source s{fs::relative(file, root).generic_string(), {}, 0};
  std::ifstream in(file);
  for (std::string line; std::getline(in, line);) {
    ++s.lines;
    auto hash = line.find_first_not_of(" \t");
    if (hash == line.npos || line[hash] != '#') continue;
    auto word = line.find_first_not_of(" \t", hash + 1);
    if (word == line.npos || line.compare(word, 7, "include") != 0) continue;
    auto open = line.find_first_of("\"<", word);
    if (open == line.npos) continue;  // of a macro, as Highway's foreach_target.h is used
    auto close = line.find_first_of("\">", open + 1);
    s.includes.push_back({line.substr(open + 1, close - open - 1), line[open] == '"', s.lines});
  }
  return s;
}
std::vector<Source> sources(std::initializer_list<const char*> folders) {
  std::vector<Source> r;
  fs::path root = testing::source_dir();
  for (const char* folder : folders) {
    if (!fs::exists(root / folder)) continue;
    for (const auto& e : fs::recursive_directory_iterator(root / folder)) {
      auto x = e.path().extension();
      if (e.is_regular_file() && (x == ".h" || x == ".cpp" || x == ".inc")) r.push_back(read(root, e.path()));
    }
  }
  return r;
}
}  // namespace

TEST(Layering, AFileIncludesItsOwnFolderAndEarlierOnes) {
  auto all = sources({"functra"});
  ASSERT_FALSE(all.empty());
  for (const auto& s : all) {
    std::string from = folder_of(s.path);
    if (from.empty()) continue;
    ASSERT_GE(rank_of(from), 0) << s.path << ": the folder is not in the list of docs/architecture.md";
    for (const auto& i : s.includes) {
      if (i.path.rfind("functra/", 0) != 0) continue;
      std::string to = folder_of(i.path);
      bool allowed = !to.empty() && rank_of(to) >= 0 && rank_of(to) <= rank_of(from);
      EXPECT_TRUE(allowed) << s.path << ":" << i.line << " includes " << i.path << ", which stands above " << from << "/";
    }
  }
}

TEST(Layering, AnIncludeOfOurOwnNamesAFileThatExists) {
  for (const auto& s : sources({"functra", "tests", "examples", "bench"}))
    for (const auto& i : s.includes)
      if (i.path.rfind("functra/", 0) == 0 || i.path.rfind("tests/", 0) == 0)
        EXPECT_TRUE(fs::exists(fs::path(testing::source_dir()) / i.path)) << s.path << ":" << i.line << " includes " << i.path;
}

TEST(Layering, PublicHeadersIncludeOnlyFunctraAndTheStandardLibrary) {
  for (const auto& s : sources({"functra"})) {
    if (!is_public(s.path)) continue;
    for (const auto& i : s.includes) {
      bool ours = i.path.rfind("functra/", 0) == 0;
      bool standard = !i.quoted && i.path.find_first_of("./") == i.path.npos;
      bool fmt = s.path == "functra/fmt.h" && i.path.rfind("fmt/", 0) == 0;
      EXPECT_TRUE(ours || standard || fmt) << s.path << ":" << i.line << " includes " << i.path << ": move it to a .cpp or a private -inl.h";
      EXPECT_FALSE(ends_with(i.path, "-inl.h")) << s.path << ":" << i.line << " includes the private " << i.path;
    }
  }
}

TEST(Layering, AHeaderIsIncludedOnceByPragma) {
  for (const auto& s : sources({"functra", "tests"})) {
    if (!is_public(s.path)) continue;
    std::ifstream in(fs::path(testing::source_dir()) / s.path);
    std::string text{std::istreambuf_iterator<char>(in), {}};
    EXPECT_NE(text.find("#pragma once"), text.npos) << s.path;
  }
}

TEST(Layering, FilesAreShort) {
  for (const auto& s : sources({"functra", "tests", "examples", "bench"}))
    if (s.path != "functra/base/tie.inc")  // generated
      EXPECT_LE(s.lines, longest) << s.path << ": split it by idea";
}

}  // namespace functra
