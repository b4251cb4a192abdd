// The library is installed to a prefix of its own, and programs outside the tree build against it.
#include <gtest/gtest.h>

#include <filesystem>
#include <string>

#include "tests/laws_count.h"
#include "tests/support/process.h"

namespace functra {
namespace {
namespace fs = std::filesystem;
using testing::run;
using testing::shell_word;

struct Installed : ::testing::Test {
  static inline fs::path root, prefix, source;
  static inline std::string flags;
  static void SetUpTestSuite() {
    root = fs::path(testing::binary_dir()) / "consumer";
    prefix = root / "prefix";
    source = fs::path(testing::source_dir()) / "tests/consumer";
    fs::remove_all(root);
    fs::create_directories(root);
    if (*testing::sanitizers()) flags = std::string("-fsanitize=") + testing::sanitizers();
    auto r = run("cmake --install " + shell_word(testing::binary_dir()) + " --prefix " + shell_word(prefix.string()));
    ASSERT_EQ(r.status, 0) << r.output;
  }
  static void expect_runs(const fs::path& program) {
    auto r = run(shell_word(program.string()));
    EXPECT_EQ(r.status, 0) << r.output;
    EXPECT_EQ(r.output, "f16\n");
  }
};

TEST_F(Installed, FindPackageBuildsAProgram) {
  std::string build = shell_word((root / "cmake").string());
  auto r = run("cmake -G Ninja -S " + shell_word(source.string()) + " -B " + build + " -DCMAKE_PREFIX_PATH=" + shell_word(prefix.string()) +
               " -DCMAKE_CXX_COMPILER=" + shell_word(testing::compiler()) + " -DCMAKE_CXX_FLAGS='" + flags + "' && cmake --build " + build);
  ASSERT_EQ(r.status, 0) << r.output;
  expect_runs(root / "cmake/consumer");
}

TEST_F(Installed, PkgConfigBuildsAProgram) {
  std::string path;
  for (const auto& e : fs::recursive_directory_iterator(prefix))
    if (e.path().filename() == "functra.pc") path = e.path().parent_path().string();
  ASSERT_FALSE(path.empty()) << "functra.pc is not installed";
  fs::path program = root / "pkg-config";
  auto r = run("PKG_CONFIG_PATH=" + shell_word(path) + "; export PKG_CONFIG_PATH; " + shell_word(testing::compiler()) + " " + flags + " " +
               shell_word((source / "main.cpp").string()) + " $(pkg-config --cflags --libs functra) -o " + shell_word(program.string()));
  ASSERT_EQ(r.status, 0) << r.output;
  expect_runs(program);
}

TEST_F(Installed, HoldsNoPrivateFile) {
  for (const auto& e : fs::recursive_directory_iterator(prefix / "include")) {
    auto name = e.path().filename().string();
    EXPECT_FALSE(name.ends_with("-inl.h") || name.ends_with(".cpp")) << e.path();
  }
}
}  // namespace
}  // namespace functra
